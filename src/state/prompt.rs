//! The line one types on: a command, a filter, a search, or the answer to a question.

use super::command::Offer;
use crate::config::Input;
use crate::effect::plugin::PluginCall;
use crate::effect::{Intent, RequestId};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::quantity::Amounts;
use tui_input::Input as Line;

/// What is being typed.
#[derive(Debug)]
pub struct Prompt {
    /// What for.
    pub asks: Asks,
    /// The text with its cursor.
    pub input: Line,
    /// What it could become, best first (commands only).
    pub offers: Vec<Offer>,
    /// Which of the offers is shown behind the cursor.
    pub offer: usize,
    /// The offer was chosen with the arrow keys: Enter takes it.
    pub chosen: bool,
    /// Which entry of the history is shown, counted from the newest.
    pub recalled: Option<usize>,
    /// What is wrong with what was typed.
    pub error: Option<String>,
    /// What the view was filtered or searched by before, to go back to on Esc.
    pub before: String,
}

/// What a prompt is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Asks {
    /// `:`
    Command,
    /// `/` on a table, list or log: applied while typing.
    Filter,
    /// `/` on a text: goes to hits while typing.
    Search,
    /// Why nodes are cordoned; a reason is needed.
    CordonReason { cluster: ClusterId, nodes: Vec<String> },
    /// Why nodes are put back; may be empty.
    UncordonReason { cluster: ClusterId, nodes: Vec<String> },
    /// Why a node is drained; a reason is needed.
    DrainReason { cluster: ClusterId, node: String },
    /// How many replicas.
    Replicas { cluster: ClusterId, object: ObjectRef },
    /// Why scaled; may be empty.
    ScaleReason { cluster: ClusterId, object: ObjectRef, replicas: u32 },
    /// `CONTAINER cpu=… memory=… request.cpu=… request.memory=…`
    Limits { cluster: ClusterId, object: ObjectRef },
    /// Why requests or limits change; may be empty.
    LimitsReason { cluster: ClusterId, object: ObjectRef, change: ResourcesChange },
    /// `[CONTAINER=]IMAGE …`, and why.
    Image { cluster: ClusterId, object: ObjectRef },
    /// The next thing that a plugin wants to know.
    Input { call: Box<PluginCall> },
    /// A URL to diagnose.
    WhyUrl,
    /// One more column for the tables of a kind.
    Column { resource: ResourceId },
    /// Which ports to forward; the note says which ones there are.
    Forward { cluster: ClusterId, resource: ResourceId, object: ObjectRef, note: String },
    /// Two paths to copy between: there and here, or here and there.
    Copy { cluster: ClusterId, namespace: String, pod: String, container: String, out: bool },
    /// Image to debug a pod (beside a container) or a node with; may be empty.
    DebugImage { cluster: ClusterId, object: ObjectRef, container: String },
    /// Which repository belongs to a cluster: `URL` or `URL BRANCH`. Asked once, kept in config.toml.
    Repository { request: RequestId, cluster: ClusterId, intent: Intent },
}

/// Requests and limits as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcesChange {
    /// The container.
    pub container: String,
    /// What it is promised from now on.
    pub requests: Amounts,
    /// What it may use from now on.
    pub limits: Amounts,
}

impl ResourcesChange {
    /// Reads `app cpu=500m memory=1Gi request.memory=512Mi`; what is not said to be a request is a limit.
    ///
    /// # Errors
    /// A sentence that says what is missing or is no quantity.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let container = words.next().filter(|word| !word.contains('=')).ok_or("begin with the container's name")?;
        let mut change = Self { container: container.into(), ..Self::default() };
        for word in words {
            let (field, value) = word
                .split_once('=')
                .ok_or_else(|| format!("`{word}` is not cpu=…, memory=…, request.cpu=… or request.memory=…"))?;
            let (kind, resource) = field.split_once('.').unwrap_or(("limit", field));
            match kind {
                "request" | "requests" => change.requests.set(resource, value)?,
                "limit" | "limits" => change.limits.set(resource, value)?,
                _ => return Err(format!("`{kind}` is neither request nor limit: write request.memory=1Gi")),
            }
        }
        if change.requests.is_empty() && change.limits.is_empty() {
            return Err("say cpu=… or memory=… for limits, request.cpu=… or request.memory=… for requests".into());
        }
        Ok(change)
    }
}

impl Prompt {
    /// An empty prompt.
    pub fn new(asks: Asks) -> Self {
        Self::with(asks, "")
    }

    /// A prompt with text in it already.
    pub fn with(asks: Asks, text: &str) -> Self {
        Self {
            asks,
            input: Line::new(text.into()),
            offers: vec![],
            offer: 0,
            chosen: false,
            recalled: None,
            error: None,
            before: text.into(),
        }
    }

    /// What stands before the text.
    pub fn label(&self) -> String {
        match &self.asks {
            Asks::Command => ":".into(),
            Asks::Filter | Asks::Search => "/".into(),
            Asks::CordonReason { nodes, .. } => format!("reason to cordon {}: ", some(nodes)),
            Asks::UncordonReason { nodes, .. } => format!("reason to uncordon {} (may be empty): ", some(nodes)),
            Asks::DrainReason { node, .. } => format!("reason to drain {node}: "),
            Asks::Replicas { object, .. } => format!("replicas of {}: ", object.name),
            Asks::ScaleReason { object, replicas, .. } => {
                format!("reason to scale {} to {replicas} (may be empty): ", object.name)
            }
            Asks::Limits { object, .. } => format!("limits of {}, CONTAINER [request.]cpu=… memory=…: ", object.name),
            Asks::LimitsReason { object, .. } => {
                format!("reason for the resources of {} (may be empty): ", object.name)
            }
            Asks::Image { object, .. } => format!("image of {}, [CONTAINER=]IMAGE and why: ", object.name),
            Asks::WhyUrl => "why, URL: ".into(),
            Asks::Input { call } => {
                let question = call.waiting().map(Input::question).unwrap_or_default();
                format!("{}, {question}", call.plugin.name)
            }
            Asks::Column { .. } => "column (labels.app, annotations.owner, .spec.nodeName as NODE): ".into(),
            Asks::Forward { resource, object, note, .. } => {
                let name = super::forwards::short(resource, &object.name);
                let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
                format!("forward {name}{note}, [ADDRESS:]LOCAL:REMOTE: ")
            }
            Asks::Copy { pod, container, out: true, .. } => {
                format!("copy from {pod} {container}, PATH-THERE [PATH-HERE]: ")
            }
            Asks::Copy { pod, container, .. } => format!("copy to {pod} {container}, PATH-HERE PATH-THERE: "),
            Asks::DebugImage { object, .. } => format!("image to debug {} with (empty: as configured): ", object.name),
            Asks::Repository { .. } => "push URL of its git repository (and branch): ".into(),
        }
    }

    /// The rest of the offer behind what was typed.
    pub fn ghost(&self) -> &str {
        let typed = self.input.value();
        self.offers.get(self.offer).and_then(|offer| offer.line.strip_prefix(typed)).unwrap_or_default()
    }
}

/// The names, or the first and how many more.
fn some(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_limits_are_read_and_mistakes_named() {
        let change = ResourcesChange::parse("app cpu=500m memory=1Gi").unwrap();
        assert_eq!((change.limits.cpu.as_deref(), change.limits.memory.as_deref()), (Some("500m"), Some("1Gi")));
        assert!(change.requests.is_empty());
        for text in ["app request.memory=512Mi limit.mem=1Gi", "app requests.memory=512Mi limits.memory=1Gi"] {
            let both = ResourcesChange::parse(text).unwrap();
            assert_eq!(both.requests.named().collect::<Vec<_>>(), [("memory", "512Mi")], "{text}");
            assert_eq!(both.limits.named().collect::<Vec<_>>(), [("memory", "1Gi")], "{text}");
        }
        for (text, said) in [
            ("", "container"),
            ("cpu=1", "container"),
            ("app", "cpu="),
            ("app cpu=lots", "lots"),
            ("app cpu=-1", "-1"),
            ("app disk=1Gi", "disk"),
            ("app request.disk=1Gi", "disk"),
            ("app least.cpu=1", "least"),
            ("app 5", "cpu="),
        ] {
            assert!(ResourcesChange::parse(text).unwrap_err().contains(said), "{text}");
        }
    }
}
