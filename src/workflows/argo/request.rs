//! One request to one Application: whether it may be made, what is sent, and what came of it.

use super::{REFRESH, state};
use crate::workflows::annotation;
use crate::workflows::short;
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::text::clean;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is asked of one Application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The Application.
    pub application: ObjectRef,
    /// Its path on the API server.
    pub path: String,
    /// Its UID: another one of its name is not meant.
    pub uid: String,
    /// Op-Id.
    pub op: String,
    /// What.
    pub what: What,
    /// Seconds to wait for it.
    pub timeout_s: i64,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum What {
    /// A comparison.
    Refresh {
        /// Without the cache of manifests.
        hard: bool,
    },
    /// An operation.
    Operate {
        /// The field `operation`.
        operation: Value,
    },
    /// The end of the operation that runs.
    Terminate {
        /// When that one started: another one is not meant.
        started: String,
    },
}

/// What to do with an Application as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It was asked already.
    Already,
    /// Send this JSON merge patch.
    Send(Value),
    /// It cannot be asked; the sentence says why.
    Refuse(String),
}

/// How far an Application is with what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Answer {
    /// On its way, how far.
    Waiting {
        /// How far.
        text: String,
    },
    /// It is over.
    Ended {
        /// As it was wanted.
        good: bool,
        /// How it ended.
        text: String,
        /// What became of each object.
        results: Vec<(bool, String)>,
    },
}

impl Answer {
    /// It was never asked, or it did not work.
    pub fn bad(text: impl AsRef<str>) -> Self {
        Self::Ended { good: false, text: clean(text.as_ref()).into_owned(), results: vec![] }
    }

    fn good(text: impl AsRef<str>) -> Self {
        Self::Ended { good: true, text: clean(text.as_ref()).into_owned(), results: vec![] }
    }

    fn waiting(text: impl AsRef<str>) -> Self {
        Self::Waiting { text: clean(text.as_ref()).into_owned() }
    }
}

/// Who asked for the operation that runs, and since when it runs.
pub fn running(app: &Value) -> Option<String> {
    let phase = str_at(app, "/status/operationState/phase");
    let open = app.get("operation").is_some_and(Value::is_object);
    if !open && !matches!(phase, "Running" | "Terminating") {
        return None;
    }
    let state = app.pointer("/status/operationState").filter(|_| matches!(phase, "Running" | "Terminating"));
    let of = |at: &str| state.map_or_else(|| str_at(app, at), |s| str_at(s, at));
    let by = match of("/operation/initiatedBy/username") {
        "" => "Argo CD itself",
        name => name,
    };
    let since = state.map_or(String::new(), |s| format!(" since {}", str_at(s, "/startedAt")));
    let message = state.map(|s| str_at(s, "/message")).filter(|m| !m.is_empty());
    Some(format!("an operation of {by} runs{since}{}", message.map_or(String::new(), |m| format!(": {m}"))))
}

fn ours(operation: Option<&Value>, op: &str) -> bool {
    let Some(operation) = operation else { return false };
    let info = list_at(operation, "/info");
    info.iter().any(|i| str_at(i, "/name") == annotation::OP && str_at(i, "/value") == op)
}

/// Compares an Application with a request.
pub fn begin(app: &Value, request: &Request) -> Decision {
    let me = &request.application;
    if str_at(app, "/metadata/uid") != request.uid {
        return Decision::Refuse(format!("{me} is another one by now: it was made anew since this was planned"));
    }
    let version = str_at(app, "/metadata/resourceVersion");
    let state = app.pointer("/status/operationState");
    match &request.what {
        What::Refresh { hard } => {
            let wanted = if *hard { "hard" } else { "normal" };
            match app
                .pointer("/metadata/annotations")
                .map_or("", |a| a.get(REFRESH).and_then(Value::as_str).unwrap_or(""))
            {
                pending if pending == wanted || pending == "hard" => Decision::Already,
                _ => Decision::Send(json!({"metadata": {"annotations": {REFRESH: wanted}}})),
            }
        }
        What::Operate { operation } => {
            if ours(app.get("operation"), &request.op) || ours(state.and_then(|s| s.get("operation")), &request.op) {
                return Decision::Already;
            }
            match running(app) {
                Some(who) => Decision::Refuse(format!("{me} is busy: {who}. Wait for its end, or terminate it")),
                // (As the API server of Argo CD does: the result of the last operation goes, so that nobody takes it
                // for the result of this one.)
                None => Decision::Send(json!({"metadata": {"resourceVersion": version}, "operation": operation,
                    "status": {"operationState": null}})),
            }
        }
        What::Terminate { started } => {
            let phase = str_at(app, "/status/operationState/phase");
            let same = str_at(app, "/status/operationState/startedAt") == started;
            match phase {
                "Running" if !same => Decision::Refuse(format!(
                    "the operation of {me} that was to be terminated is over; another one runs by now, which was left alone"
                )),
                "Running" => Decision::Send(json!({"metadata": {"resourceVersion": version},
                    "status": {"operationState": {"phase": "Terminating"}}})),
                _ => Decision::Already,
            }
        }
    }
}

/// What came of a request.
pub fn answer(app: &Value, request: &Request) -> Answer {
    if str_at(app, "/metadata/uid") != request.uid {
        return Answer::bad(format!("{} was deleted", request.application));
    }
    let of = |at: &str| str_at(app, &format!("/status/operationState{at}"));
    match &request.what {
        What::Refresh { .. } => refreshed(app),
        What::Operate { .. } => {
            let state = app.pointer("/status/operationState").filter(|s| ours(s.get("operation"), &request.op));
            match state {
                Some(state) => operated(app, state),
                None if ours(app.get("operation"), &request.op) => {
                    Answer::waiting("Argo CD has not taken the operation up yet")
                }
                None => Answer::Ended {
                    good: true,
                    text:
                        "it is over, and another operation has begun since, so how it ended is not known: look at its \
                           history and events"
                            .into(),
                    results: vec![],
                },
            }
        }
        What::Terminate { started } => match of("/phase") {
            _ if of("/startedAt") != started => Answer::good(format!("the operation is over: {}", state(app))),
            "Running" | "Terminating" => Answer::waiting(format!("{}: {}", of("/phase"), of("/message"))),
            phase => Answer::good(format!("{phase}: {}", of("/message"))),
        },
    }
}

/// The annotation goes when the comparison is done; `reconciledAt` stands still where the specification is invalid.
fn refreshed(app: &Value) -> Answer {
    if app.pointer("/metadata/annotations").is_some_and(|a| a.get(REFRESH).is_some()) {
        return Answer::waiting("waits for the comparison");
    }
    let condition = list_at(app, "/status/conditions")
        .iter()
        .find(|c| matches!(str_at(c, "/type"), "ComparisonError" | "InvalidSpecError" | "UnknownError"));
    let text = format!("compared {}: {}", str_at(app, "/status/reconciledAt"), state(app));
    match condition {
        Some(c) => Answer::bad(format!("{text}. {}: {}", str_at(c, "/type"), str_at(c, "/message"))),
        None => Answer::good(text),
    }
}

fn operated(app: &Value, operation: &Value) -> Answer {
    let (phase, message) = (str_at(operation, "/phase"), str_at(operation, "/message"));
    let results = list_at(operation, "/syncResult/resources").iter().map(result).collect();
    let dry = operation.pointer("/operation/sync/dryRun") == Some(&json!(true));
    let at = short(str_at(operation, "/syncResult/revision"));
    match phase {
        "Succeeded" => {
            let what = if dry { "dry run".to_string() } else { format!("synced to {at}") };
            let text = format!("{what}: {message}. It is {} now", state(app));
            Answer::Ended { good: true, text: clean(&text).into_owned(), results }
        }
        "Failed" | "Error" => {
            let text = clean(&format!("{phase}: {message}")).into_owned();
            Answer::Ended { good: false, text, results }
        }
        _ => Answer::waiting(format!("{phase}: {message}")),
    }
}

/// `Deployment shop/web: Synced, deployment.apps/web configured`. (`Synced` alone does not mean that it went well: a hook
/// has its own phase.)
fn result(resource: &Value) -> (bool, String) {
    let of = |field: &str| str_at(resource, field);
    let good = of("/status") != "SyncFailed" && !matches!(of("/hookPhase"), "Failed" | "Error");
    let place = if of("/namespace").is_empty() { String::new() } else { format!("{}/", of("/namespace")) };
    let hook =
        if of("/hookType").is_empty() { String::new() } else { format!(" ({} {})", of("/hookType"), of("/hookPhase")) };
    let text = format!("{} {place}{}{hook}: {}, {}", of("/kind"), of("/name"), of("/status"), of("/message"));
    let cut: String = clean(&text).chars().take(400).collect();
    (good, cut)
}
