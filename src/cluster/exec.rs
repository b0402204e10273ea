//! Commands in containers: one interactive session with a terminal of its own ([`open`]), or a command whose streams are
//! read and written by us ([`pipe`]).

use super::api::{Api, ApiError, chain};
use crate::world::text::{clean, clean_lines};
use futures::SinkExt;
use futures::future::{BoxFuture, FutureExt, Shared};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

/// Who ended, as the server says it; `None` where the connection broke. Output that is still on its way when that is
/// known gets a while: after a broken connection kube's streams never come to their end by themselves.
type Verdict = Shared<BoxFuture<'static, Option<Status>>>;
/// That while, on a terminal.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// That while, where every byte counts and a disk may be slow.
const LAST_BYTES: Duration = Duration::from_secs(60);

/// What is said on standard error beyond this is dropped.
const MOST_WORDS: u64 = 64 * 1024;

/// What to connect with where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container; empty where the pod has only one.
    pub container: String,
    /// The command and its arguments; `None`: the container's own process.
    pub command: Option<Vec<String>>,
    /// What is typed goes in.
    pub stdin: bool,
    /// It has a terminal; else its two outputs are told apart, and lines end as they are.
    pub tty: bool,
}

/// How a session ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit code of the command, where the server named one.
    pub code: Option<i32>,
    /// The server's sentence, empty after success.
    pub message: String,
    /// What the command said on standard error (never with a terminal).
    pub said: String,
    /// Something was typed, or sent.
    pub typed: bool,
    /// The person left, and the command goes on.
    pub left: bool,
}

impl Ended {
    /// Whether the container has no such program: runtimes say so in the sentence, or by 126 or 127 before anything was
    /// typed.
    pub fn missing_program(&self) -> bool {
        let words = self.words();
        let named =
            ["executable file not found", "no such file or directory", "not found in $PATH", "system cannot find"];
        let exec = words.contains("exec") || words.contains("not found");
        match self.code {
            None => exec && named.iter().any(|words_of| words.contains(words_of)),
            Some(126 | 127) => !self.typed || exec,
            Some(_) => false,
        }
    }

    /// What is to be told of a failure: what the command said, else what the server says.
    pub fn words(&self) -> String {
        if self.said.is_empty() { self.message.clone() } else { self.said.clone() }
    }
}

/// A session that has begun.
pub struct Session {
    process: AttachedProcess,
    /// The end of the input ends the session for us.
    leaves: bool,
}

/// Begins a session.
///
/// # Errors
/// See [`ApiError`]: not found, forbidden, no such container, no answer within `patience`.
pub async fn open(api: &Api, request: &ExecRequest, patience: Duration) -> Result<Session, ApiError> {
    let mut params = AttachParams::default().stdin(request.stdin).stdout(true).stderr(!request.tty).tty(request.tty);
    if !request.container.is_empty() {
        params = params.container(&request.container);
    }
    let process = begin(api, &request.namespace, &request.pod, request.command.as_deref(), &params, patience).await?;
    Ok(Session { process, leaves: request.command.is_none() })
}

async fn begin(
    api: &Api,
    namespace: &str,
    pod: &str,
    command: Option<&[String]>,
    params: &AttachParams,
    patience: Duration,
) -> Result<AttachedProcess, ApiError> {
    let pods: kube::Api<Pod> = kube::Api::namespaced(api.client().clone(), namespace);
    let opening: BoxFuture<'_, _> = match command {
        Some(command) => Box::pin(pods.exec(pod, command, params)),
        None => Box::pin(pods.attach(pod, params)),
    };
    match tokio::time::timeout(patience, opening).await {
        Ok(Ok(process)) => Ok(process),
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
    /// goes to `output` untouched, `sizes` carries (columns, rows). The end of `input` leaves a process that is not ours.
    pub async fn run(
        mut self,
        mut input: impl AsyncRead + Unpin,
        mut output: impl AsyncWrite + Unpin,
        mut sizes: watch::Receiver<(u16, u16)>,
    ) -> Ended {
        let (stdin, stdout, stderr) = (self.process.stdin(), self.process.stdout(), self.process.stderr());
        let (mut resize, status) = (self.process.terminal_size(), verdict(&mut self.process));
        let leaves = self.leaves;
        let typed = std::sync::atomic::AtomicBool::new(false);
        let typing = async {
            let mut stdin = stdin;
            let mut keys = [0; 1024];
            loop {
                let read = input.read(&mut keys).await.unwrap_or(0);
                if read == 0 {
                    break;
                }
                typed.store(true, std::sync::atomic::Ordering::Relaxed);
                // Whatever is wrong with the way in shows on the way out.
                if let Some(stdin) = &mut stdin {
                    let _ = stdin.write_all(keys.get(..read).unwrap_or_default()).await;
                }
            }
            if leaves {
                return;
            }
            if let Some(stdin) = &mut stdin {
                let _ = stdin.shutdown().await;
            }
            std::future::pending::<()>().await
        };
        // What is typed at the first prompt must find the size there.
        let (width, height) = *sizes.borrow_and_update();
        if let Some(resize) = &mut resize {
            let _ = resize.send(TerminalSize { width, height }).await;
        }
        let resizing = async {
            if let Some(mut resize) = resize {
                while sizes.changed().await.is_ok() {
                    let (width, height) = *sizes.borrow_and_update();
                    if resize.send(TerminalSize { width, height }).await.is_err() {
                        break;
                    }
                }
            }
            std::future::pending::<()>().await
        };
        let printing = print(stdout, stderr, &mut output);
        let over = after(status.clone(), LAST_WORDS);
        let printed = tokio::select! {
            printed = printing => printed,
            () = typing => return Ended { left: true, typed: true, ..Ended::default() },
            () = resizing => Ok(()),
            () = over => Ok(()),
        };
        let typed = typed.into_inner();
        let mut ended = match (outcome(status).await, printed) {
            (Some(ended), _) => ended,
            (None, Err(error)) => Ended { message: format!("the terminal failed: {error}"), ..Ended::default() },
            (None, Ok(())) => Ended { message: "the connection to the container broke".into(), ..Ended::default() },
        };
        ended.typed = typed;
        ended
    }
}

/// Prints both outputs as they come, until both are at their end.
async fn print(
    stdout: Option<impl AsyncRead + Unpin>,
    stderr: Option<impl AsyncRead + Unpin>,
    output: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let (mut stdout, mut stderr) = (stdout, stderr);
    let (mut one, mut two) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    while stdout.is_some() || stderr.is_some() {
        let (bytes, end) = tokio::select! {
            read = some(&mut stdout, &mut one) => (one.get(..read).unwrap_or_default(), (read == 0, false)),
            read = some(&mut stderr, &mut two) => (two.get(..read).unwrap_or_default(), (false, read == 0)),
        };
        output.write_all(bytes).await?;
        output.flush().await?;
        if end.0 {
            stdout = None;
        }
        if end.1 {
            stderr = None;
        }
    }
    Ok(())
}

/// Reads what there is; a stream that is not there never has anything.
async fn some(from: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// A command whose output is ours, and whose input, where it has one.
pub struct Pipe {
    /// Standard output.
    pub out: Box<dyn AsyncRead + Send + Unpin>,
    /// Standard input; goes nowhere where none was asked for.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    words: tokio::task::JoinHandle<String>,
    status: Verdict,
    _process: AttachedProcess,
}

/// Begins a command without a terminal in (namespace, pod, container); the container may be empty.
///
/// # Errors
/// As [`open`].
pub async fn pipe(
    api: &Api,
    (namespace, pod, container): (&str, &str, &str),
    command: &[String],
    stdin: bool,
    patience: Duration,
) -> Result<Pipe, ApiError> {
    let mut params = AttachParams::default().stdin(stdin).stdout(true).stderr(true).tty(false);
    if !container.is_empty() {
        params = params.container(container);
    }
    let mut process = begin(api, namespace, pod, Some(command), &params, patience).await?;
    let stderr = process.stderr();
    // Read beside everything else: a command that complains must not wait for somebody to listen.
    let words = tokio::spawn(async move {
        let Some(mut stderr) = stderr else { return String::new() };
        let mut said = Vec::new();
        let _ = (&mut stderr).take(MOST_WORDS).read_to_end(&mut said).await;
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        clean_lines(String::from_utf8_lossy(&said).trim()).join("\n")
    });
    let (status, stdout) = (verdict(&mut process), process.stdout());
    let (mut through, out) = tokio::io::duplex(256 * 1024);
    let over = after(status.clone(), LAST_BYTES);
    tokio::spawn(async move {
        let Some(mut stdout) = stdout else { return };
        tokio::select! {
            _ = tokio::io::copy(&mut stdout, &mut through) => {}
            () = over => {}
        }
    });
    Ok(Pipe {
        out: Box::new(out),
        input: match process.stdin() {
            Some(input) => Box::new(input),
            None => Box::new(tokio::io::sink()),
        },
        words,
        status,
        _process: process,
    })
}

impl Pipe {
    /// Comes to an end with the command, or with the connection to it.
    pub fn over(&self) -> impl Future<Output = ()> + use<> {
        after(self.status.clone(), Duration::ZERO)
    }

    /// How it ended; to be asked when its output is at its end.
    pub async fn ended(self) -> Ended {
        let Self { words, status, .. } = self;
        let ended = outcome(status).await;
        let said = tokio::time::timeout(Duration::from_secs(2), words).await.ok().and_then(Result::ok);
        let broken = || Ended { message: "the connection to the container broke".into(), ..Ended::default() };
        Ended { said: said.unwrap_or_default(), ..ended.unwrap_or_else(broken) }
    }
}

fn verdict(process: &mut AttachedProcess) -> Verdict {
    match process.take_status() {
        Some(status) => status.boxed().shared(),
        None => std::future::ready(None).boxed().shared(),
    }
}

/// Comes to an end so long after the verdict.
async fn after(status: Verdict, pause: Duration) {
    status.await;
    tokio::time::sleep(pause).await;
}

/// What the server says of the end; `None` where it says nothing soon.
async fn outcome(status: Verdict) -> Option<Ended> {
    let status = tokio::time::timeout(Duration::from_secs(2), status).await.ok().flatten()?;
    Some(ended(&status))
}

/// The exit code stands in the causes of the `Status` (`k8s.io/client-go/tools/remotecommand/v4.go`).
fn ended(status: &Status) -> Ended {
    if status.status.as_deref() == Some("Success") {
        return Ended { code: Some(0), ..Ended::default() };
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_deref()?.parse().ok());
    let message = clean(status.message.as_deref().unwrap_or_default()).into_owned();
    Ended { code, message, ..Ended::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_from_one_that_failed() {
        let of = |code: Option<i32>, message: &str, typed: bool| {
            Ended { code, message: message.into(), typed, ..Ended::default() }.missing_program()
        };
        assert!(of(
            None,
            "failed to exec in container: exec: \"bash\": executable file not found in $PATH: unknown",
            false
        ));
        assert!(of(Some(126), "command terminated with non-zero exit code: exit code 126", false));
        assert!(of(Some(127), "command terminated with non-zero exit code: exit code 127", false));
        // The last command typed was not found: the shell was there.
        assert!(!of(Some(127), "command terminated with non-zero exit code: 127", true));
        assert!(!of(Some(1), "command terminated with non-zero exit code: exit code 1", false));
        assert!(!of(None, "the connection to the container broke", false));
    }
}
