//! The line one types on: a command, a filter, a search, or the answer to a question.

use crate::effect::{Intent, RequestId};
use crate::world::fleet::ClusterId;
use crate::world::object::ObjectRef;
use tui_input::Input;

/// What is being typed.
#[derive(Debug)]
pub struct Prompt {
    /// What for.
    pub asks: Asks,
    /// The text with its cursor.
    pub input: Input,
    /// What it could become, best first (commands only).
    pub offers: Vec<String>,
    /// Which of the offers is shown behind the cursor.
    pub offer: usize,
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
    /// `CONTAINER cpu=… memory=…`
    Limits { cluster: ClusterId, object: ObjectRef },
    /// Why limits change; may be empty.
    LimitsReason { cluster: ClusterId, object: ObjectRef, change: LimitsChange },
    /// A URL to diagnose.
    WhyUrl,
    /// Which repository belongs to a cluster: `URL` or `URL BRANCH`. Asked once, kept in config.toml.
    Repository { request: RequestId, cluster: ClusterId, intent: Intent },
}

/// Limits as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsChange {
    /// The container.
    pub container: String,
    /// New CPU limit.
    pub cpu: Option<String>,
    /// New memory limit.
    pub memory: Option<String>,
}

impl LimitsChange {
    /// Reads `app cpu=500m memory=1Gi`.
    ///
    /// # Errors
    /// A sentence that says what is missing or is no quantity.
    pub fn parse(text: &str) -> Result<Self, String> {
        use crate::world::quantity::Quantity;
        let mut words = text.split_whitespace();
        let container = words.next().filter(|word| !word.contains('=')).ok_or("begin with the container's name")?;
        let mut change = Self { container: container.into(), cpu: None, memory: None };
        for word in words {
            let (field, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not cpu=… or memory=…"))?;
            if Quantity::parse(value).is_none_or(|quantity| quantity.0 <= 0) {
                return Err(format!("`{value}` is not a quantity such as 500m or 1Gi"));
            }
            match field {
                "cpu" => change.cpu = Some(value.into()),
                "memory" | "mem" => change.memory = Some(value.into()),
                _ => return Err(format!("`{field}` is neither cpu nor memory")),
            }
        }
        if change.cpu.is_none() && change.memory.is_none() {
            return Err("say cpu=… or memory=…, or both".into());
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
            input: Input::new(text.into()),
            offers: vec![],
            offer: 0,
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
            Asks::Limits { object, .. } => format!("limits of {}, CONTAINER cpu=… memory=…: ", object.name),
            Asks::LimitsReason { object, .. } => format!("reason for the limits of {} (may be empty): ", object.name),
            Asks::WhyUrl => "why, URL: ".into(),
            Asks::Repository { .. } => "push URL of its git repository (and branch): ".into(),
        }
    }

    /// The rest of the offer behind what was typed.
    pub fn ghost(&self) -> &str {
        let typed = self.input.value();
        self.offers.get(self.offer).and_then(|offer| offer.strip_prefix(typed)).unwrap_or_default()
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
    fn limits_are_read_and_mistakes_named() {
        let change = LimitsChange::parse("app cpu=500m memory=1Gi").unwrap();
        assert_eq!((change.cpu.as_deref(), change.memory.as_deref()), (Some("500m"), Some("1Gi")));
        for (text, said) in [
            ("", "container"),
            ("cpu=1", "container"),
            ("app", "cpu="),
            ("app cpu=lots", "lots"),
            ("app cpu=-1", "-1"),
            ("app disk=1Gi", "disk"),
            ("app 5", "cpu="),
        ] {
            assert!(LimitsChange::parse(text).unwrap_err().contains(said), "{text}");
        }
    }
}
