//! One interactive session in a container: a shell with a terminal of its own.

use super::api::{Api, ApiError, chain};
use crate::world::text::clean;
use futures::SinkExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

/// What to run where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container; empty where the pod has only one.
    pub container: String,
    /// The command and its arguments; [`shell`] for the usual case.
    pub command: Vec<String>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code of the command, where the server named one.
    pub code: Option<i32>,
    /// The server's sentence, empty after success.
    pub message: String,
}

/// A session that has begun.
pub struct Session(AttachedProcess);

/// `bash` where there is one, else `sh`.
pub fn shell() -> Vec<String> {
    ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash || exec sh"].map(String::from).into()
}

/// Begins a session with a terminal.
///
/// # Errors
/// See [`ApiError`]: not found, forbidden, no such container, no answer within `patience`.
pub async fn open(api: &Api, request: &ExecRequest, patience: Duration) -> Result<Session, ApiError> {
    let mut params = AttachParams::interactive_tty();
    if !request.container.is_empty() {
        params = params.container(&request.container);
    }
    let pods: kube::Api<Pod> = kube::Api::namespaced(api.client().clone(), &request.namespace);
    let opening = pods.exec(&request.pod, &request.command, &params);
    match tokio::time::timeout(patience, opening).await {
        Ok(Ok(process)) => Ok(Session(process)),
        Ok(Err(kube::Error::Api(status))) => Err(ApiError::Status {
            code: status.code,
            reason: status.reason.clone(),
            message: clean(&status.message).into_owned(),
            details: serde_json::Value::Null,
        }),
        Ok(Err(error)) => Err(ApiError::Link(chain(&error))),
        Err(_) => Err(ApiError::Timeout(patience.as_secs())),
    }
}

impl Session {
    /// Connects the session with a terminal in raw mode, until the command ends: bytes of `input` go in, its output
    /// goes to `output` untouched, `sizes` carries (columns, rows).
    pub async fn run(
        mut self,
        mut input: impl AsyncRead + Unpin,
        mut output: impl AsyncWrite + Unpin,
        mut sizes: watch::Receiver<(u16, u16)>,
    ) -> Ended {
        let (stdin, stdout) = (self.0.stdin(), self.0.stdout());
        let (resize, status) = (self.0.terminal_size(), self.0.take_status());
        let typing = async {
            if let Some(mut stdin) = stdin {
                // Whatever is wrong with the way in shows on the way out.
                let _ = tokio::io::copy(&mut input, &mut stdin).await;
                let _ = stdin.shutdown().await;
            }
            std::future::pending::<()>().await
        };
        let resizing = async {
            if let Some(mut resize) = resize {
                loop {
                    let (width, height) = *sizes.borrow_and_update();
                    if resize.send(TerminalSize { width, height }).await.is_err() || sizes.changed().await.is_err() {
                        break;
                    }
                }
            }
            std::future::pending::<()>().await
        };
        let printing = async {
            let copied = match stdout {
                Some(mut stdout) => tokio::io::copy(&mut stdout, &mut output).await.map(drop),
                None => Ok(()),
            };
            let _ = output.flush().await;
            copied
        };
        let printed = tokio::select! {
            printed = printing => printed,
            () = typing => Ok(()),
            () = resizing => Ok(()),
        };
        let status = match status {
            Some(status) => tokio::time::timeout(Duration::from_secs(2), status).await.ok().flatten(),
            None => None,
        };
        match (status, printed) {
            (Some(status), _) => ended(&status),
            (None, Err(error)) => Ended { code: None, message: format!("the terminal failed: {error}") },
            (None, Ok(())) => Ended { code: None, message: "the connection to the container broke".into() },
        }
    }
}

/// The exit code stands in the causes of the `Status` (`k8s.io/client-go/tools/remotecommand/v4.go`).
fn ended(status: &Status) -> Ended {
    if status.status.as_deref() == Some("Success") {
        return Ended { code: Some(0), message: String::new() };
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_deref()?.parse().ok());
    Ended { code, message: clean(status.message.as_deref().unwrap_or_default()).into_owned() }
}
