//! A shell, a command or a container's own process, on the terminal that the cockpit has lent.

mod keys;

use super::session::Session;
use crate::cluster::api::{Api, encode};
use crate::cluster::exec::{self, Ended, ExecRequest};
use crate::effect::terminal::Inside;
use crate::kinds::console::{self, Console};
use crate::world::fleet::ClusterId;
use keys::{Leave, Out};
use serde_json::Value;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

/// How long the shell may take to begin.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where one wants to go, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The cluster.
    pub cluster: ClusterId,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container; empty: the one that the pod names, or its first.
    pub container: String,
    /// To what.
    pub what: Inside,
}

/// Runs it in raw mode until it ends; the terminal's size follows. Gives a sentence on how it ended.
///
/// # Errors
/// A sentence, when it could not be begun or the connection broke.
pub fn run(session: &Session, runtime: &Handle, visit: &Visit) -> Result<String, String> {
    let (api, pod) = runtime.block_on(look(session, visit))?;
    let console =
        console::of(&pod, &visit.container).ok_or_else(|| format!("the pod has no container {}", visit.container))?;
    println!("{}", greeting(session, visit, &console));
    crossterm::terminal::enable_raw_mode().map_err(|e| format!("the terminal refuses raw mode: {e}"))?;
    let ended = runtime.block_on(connect(&api, visit, &pod, &console));
    // Raw mode must go even when the container could not be reached.
    let _ = crossterm::terminal::disable_raw_mode();
    let ended = ended?;
    tracing::info!("{} in {}/{} ended: {ended:?}", word(&visit.what), visit.namespace, visit.pod);
    match (ended.code, ended.left) {
        (_, true) => Ok(format!("left {}; it goes on", console.container)),
        (Some(code), _) => Ok(format!("{} in {} ended, exit status {code}", word(&visit.what), console.container)),
        (None, _) if ended.message.is_empty() => Ok(format!("{} in {} ended", word(&visit.what), console.container)),
        (None, _) => Err(ended.message),
    }
}

/// What it is called.
pub fn word(what: &Inside) -> &str {
    match what {
        Inside::Shell => "shell",
        Inside::Command(words) => words.first().map_or("command", String::as_str),
        Inside::Attach => "process",
        Inside::Debug(_) => "debugging",
    }
}

fn greeting(session: &Session, visit: &Visit, console: &Console) -> String {
    let place = format!("{}/{} {}", visit.namespace, visit.pod, console.container);
    let cluster = &session.context(visit.cluster).name;
    match (&visit.what, console.stdin, console.tty) {
        (Inside::Debug(_), ..) => {
            format!("debugging in {place} ({cluster}); exit or Ctrl-D ends it (Enter may bring its prompt)")
        }
        (Inside::Attach, true, true) => format!(
            "attached to {place} ({cluster}); Ctrl-P Ctrl-Q leaves it running, everything else goes to it (Enter may bring its prompt)"
        ),
        (Inside::Attach, ..) => {
            format!("watching {place} ({cluster}), which has no terminal to type on; q or Ctrl-C leaves it running")
        }
        (what, ..) => format!("{} in {place} ({cluster}); exit or Ctrl-D leaves it", word(what)),
    }
}

async fn look(session: &Session, visit: &Visit) -> Result<(Api, Value), String> {
    let api = session.hub.api(visit.cluster).await.map_err(|e| e.to_string())?;
    let path = format!("/api/v1/namespaces/{}/pods/{}", encode(&visit.namespace), encode(&visit.pod));
    let pod = api.get(&path).await.map_err(|e| e.to_string())?;
    Ok((api, pod))
}

async fn connect(api: &Api, visit: &Visit, pod: &Value, console: &Console) -> Result<Ended, String> {
    let commands: Vec<Option<Vec<String>>> = match &visit.what {
        Inside::Shell => console::shells(console::is_windows(pod)).into_iter().map(Some).collect(),
        Inside::Command(words) => vec![Some(words.clone())],
        Inside::Attach | Inside::Debug(_) => vec![None],
    };
    let mut last = Ended::default();
    for command in commands {
        let attached = command.is_none();
        let typing = !attached || (console.stdin && console.tty);
        let request = ExecRequest {
            namespace: visit.namespace.clone(),
            pod: visit.pod.clone(),
            container: console.container.clone(),
            command,
            stdin: typing,
            tty: if attached { console.tty } else { true },
        };
        let leave = match (attached, typing) {
            (false, _) => Leave::Never,
            (true, true) => Leave::ByDetaching,
            (true, false) => Leave::ByAnyWish,
        };
        last = attend(api, &request, leave).await?;
        if attached || !last.missing_program() {
            return Ok(last);
        }
    }
    match visit.what {
        Inside::Shell => {
            Err(format!("{} has no shell; debug (Shift-D) adds a container that has one", console.container))
        }
        _ => Err(last.words()),
    }
}

async fn attend(api: &Api, request: &ExecRequest, leave: Leave) -> Result<Ended, String> {
    let begun = exec::open(api, request, PATIENCE).await;
    let begun = match begun {
        // Some servers say that there is no such program before the connection is made.
        Err(e) if e.to_string().contains("executable file not found") => {
            return Ok(Ended { message: e.to_string(), ..Ended::default() });
        }
        begun => begun.map_err(|e| e.to_string())?,
    };
    let (size, sizes) = tokio::sync::watch::channel(crate::terminal::size().unwrap_or((80, 24)));
    let resizing = async {
        let Ok(mut changes) = signal(SignalKind::window_change()) else { return std::future::pending().await };
        while changes.recv().await.is_some() {
            if let Ok(now) = crate::terminal::size() {
                let _ = size.send(now);
            }
        }
    };
    let out = Out { returns: !request.tty };
    tokio::select! {
        ended = begun.run(keys::stdin(leave), out, sizes) => Ok(ended),
        () = resizing => Err("window changes cannot be followed".into()),
    }
}
