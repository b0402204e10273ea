//! `exec` and `attach` over WebSocket, in the protocols `v5.channel.k8s.io` and `v4.channel.k8s.io`
//! (`apimachinery/pkg/util/remotecommand`): binary messages whose first byte names the channel.

use super::archive::{self, Extract};
use super::disk::Entry;
use super::pod;
use super::shell::{Outcome, Shell};
use super::socket::{self, Sent, Socket, send};
use crate::sim::controllers::meta::annotation;
use crate::sim::http::Body;
use crate::sim::server::{Call, Cluster, Target};
use crate::sim::store::Failure;
use crate::world::object::{bool_at, list_at, str_at};
use bytes::Bytes;
use futures::StreamExt;
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// In version 5: the channel named by the next byte is at its end.
const CLOSE: u8 = 255;

const PROTOCOLS: &[&str] = &["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// The programs that a pod's containers have, separated by commas; without it all that the shell knows.
pub const PROGRAMS: &str = "sim.kokpit.dev/programs";

/// What is to be run.
struct Job {
    shell: Shell,
    command: Vec<String>,
    stdin: bool,
    tty: bool,
}

/// Turns the connection into the streams of a command.
///
/// # Errors
/// 400 for a request that is no WebSocket, a pod that does not run, or a container that is not there.
pub fn answer(cluster: Arc<Cluster>, call: Call, target: &Target) -> Result<Response<Body>, Failure> {
    let pod = pod(&cluster, target)?;
    let command: Vec<String> = call.query.all("command").map(Into::into).collect();
    if command.is_empty() {
        return Err(Failure::bad_request("you must specify at least 1 command for the container"));
    }
    let (shell, _) = container(&cluster, &call, &pod, target)?;
    let job = Job { shell, command, stdin: call.query.flag("stdin"), tty: call.query.flag("tty") };
    socket::accept(cluster, call, PROTOCOLS, |socket| run(socket, job))
}

/// Turns the connection into the streams of a container's own process: a shell where it has standard input, else what
/// it writes to its log from now on.
///
/// # Errors
/// As [`answer`].
pub fn attach(cluster: Arc<Cluster>, call: Call, target: &Target) -> Result<Response<Body>, Failure> {
    let pod = pod(&cluster, target)?;
    let (shell, spec) = container(&cluster, &call, &pod, target)?;
    let (stdin, tty) = (bool_at(&spec, "/stdin"), bool_at(&spec, "/tty"));
    if call.query.flag("tty") && !tty {
        return Err(Failure::bad_request("Unable to use a TTY - the container did not allocate one"));
    }
    let name = str_at(&spec, "/name").to_string();
    if stdin && call.query.flag("stdin") {
        let job = Job { shell, command: vec!["sh".into()], stdin, tty };
        return socket::accept(cluster, call, PROTOCOLS, |socket| run(socket, job));
    }
    let (book, target) = (cluster.options.logs.clone(), target.clone());
    socket::accept(cluster, call, PROTOCOLS, move |mut socket| async move {
        let mut lines = book.tail(&target.namespace, &target.name, &name);
        loop {
            tokio::select! {
                new = lines.next() => say(&mut socket, STDOUT, &new, tty).await?,
                heard = socket.next() => match heard {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return Ok(()),
                    _ => {}
                },
            }
        }
    })
}

/// A container that runs: what it has, and its spec.
fn container(cluster: &Cluster, call: &Call, pod: &Value, target: &Target) -> Result<(Shell, Value), Failure> {
    let wanted = call.query.get("container");
    let lists = ["/spec/containers", "/spec/ephemeralContainers", "/spec/initContainers"];
    let mut containers = lists.iter().flat_map(|list| list_at(pod, list));
    let chosen = containers.find(|c| wanted.is_empty() || str_at(c, "/name") == wanted);
    let container = chosen
        .ok_or_else(|| Failure::bad_request(format!("container {wanted} is not valid for pod {}", target.name)))?;
    if matches!(str_at(pod, "/status/phase"), "Succeeded" | "Failed") {
        let phase = str_at(pod, "/status/phase");
        return Err(Failure::bad_request(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        )));
    }
    if str_at(pod, "/spec/nodeName").is_empty() {
        return Err(Failure::bad_request(format!("pod {} does not have a host assigned", target.name)));
    }
    let env =
        list_at(container, "/env").iter().map(|e| (str_at(e, "/name").to_string(), str_at(e, "/value").to_string()));
    let place = format!("{}/{}/{}", target.namespace, target.name, str_at(container, "/name"));
    let programs = annotation(pod, PROGRAMS);
    let shell = Shell {
        host: target.name.clone(),
        files: cluster.options.disk.files(&cluster.options.files, &place),
        env: env.collect(),
        windows: str_at(pod, "/spec/os/name") == "windows"
            || str_at(pod, "/spec/nodeSelector/kubernetes.io~1os") == "windows",
        programs: (!programs.is_empty()).then(|| programs.split(',').map(Into::into).collect()),
        size: (80, 24),
    };
    Ok((shell, container.clone()))
}

async fn run(mut socket: Socket, mut job: Job) -> Sent {
    let program = job.command.first().cloned().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let interactive =
        job.stdin && (matches!(name, "sh" | "ash" | "bash" | "powershell" | "cmd") && job.command.len() == 1);
    let copies = job.stdin && name == "cat" && job.command.len() == 1;
    let outcome = if !job.shell.has(&program) {
        let sentence = format!(
            "Internal error occurred: error executing command in container: failed to exec in container: exec: \"{program}\": \
             executable file not found in $PATH"
        );
        let status =
            json!({"metadata": {}, "status": "Failure", "message": sentence, "reason": "InternalError", "code": 500});
        return finish(socket, status).await;
    } else if let Some(outcome) = stream(&mut socket, &job).await? {
        outcome
    } else if interactive {
        converse(&mut socket, &mut job).await?
    } else if copies {
        copy(&mut socket).await?
    } else {
        let outcome = job.shell.run(&job.command);
        match outcome.becomes_shell && job.stdin {
            // What it said has been sent already.
            true => Outcome { code: converse(&mut socket, &mut job).await?.code, ..Outcome::default() },
            false => outcome,
        }
    };
    if !interactive {
        say(&mut socket, STDOUT, &outcome.out, job.tty).await?;
        // On a terminal there is one stream only.
        say(&mut socket, if job.tty { STDOUT } else { STDERR }, &outcome.err, job.tty).await?;
    }
    finish(socket, ended(outcome.code)).await
}

fn ended(code: i32) -> Value {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    let cause = json!({"reason": "ExitCode", "message": code.to_string()});
    json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
           "message": format!("command terminated with non-zero exit code: exit code {code}"), "details": {"causes": [cause]}})
}

async fn finish(mut socket: Socket, status: Value) -> Sent {
    send(&mut socket, ERROR, status.to_string().as_bytes()).await?;
    let normally = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    socket.close(Some(normally)).await
}

async fn say(socket: &mut Socket, channel: u8, text: &str, tty: bool) -> Sent {
    match (text, tty) {
        ("", _) => Ok(()),
        (text, true) => send(socket, channel, text.replace('\n', "\r\n").as_bytes()).await,
        (text, false) => send(socket, channel, text.as_bytes()).await,
    }
}

/// The next piece of standard input; `None` at its end.
async fn input(socket: &mut Socket, size: &mut (u16, u16)) -> Option<Bytes> {
    loop {
        let data = match socket.next().await? {
            Ok(Message::Binary(data)) => data,
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => continue,
        };
        match (data.first(), data.get(1)) {
            (Some(&STDIN), _) => return Some(data.slice(1..)),
            (Some(&CLOSE), Some(&STDIN)) => return None,
            (Some(&RESIZE), _) => {
                let wanted: Value = serde_json::from_slice(&data.slice(1..)).unwrap_or_default();
                let cells = |field: &str| wanted[field].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(0);
                *size = (cells("Width"), cells("Height"));
            }
            _ => {}
        }
    }
}

async fn copy(socket: &mut Socket) -> Result<Outcome, tokio_tungstenite::tungstenite::Error> {
    while let Some(data) = input(socket, &mut (0, 0)).await {
        send(socket, STDOUT, &data).await?;
    }
    Ok(Outcome::default())
}

/// Programs whose input or output is no text: tar, `cat` of a file, and a shell that writes one (`head -c SIZE > PATH`).
async fn stream(socket: &mut Socket, job: &Job) -> Result<Option<Outcome>, tokio_tungstenite::tungstenite::Error> {
    let files = &job.shell.files;
    let words: Vec<&str> = job.command.iter().map(String::as_str).collect();
    let failed = |err: String| Some(Outcome { err, code: 2, ..Outcome::default() });
    let bytes = match words.as_slice() {
        ["tar", "cf", "-", "-C", directory, name] => match archive::create(files, directory, name) {
            Ok(bytes) => bytes,
            Err(words) => return Ok(failed(words)),
        },
        ["tar", "xmf", "-", "-C", directory] => {
            let mut extract = Extract::new(files.clone(), directory);
            while let Some(data) = input(socket, &mut (0, 0)).await {
                match extract.feed(&data) {
                    Ok(false) => {}
                    Ok(true) => return Ok(Some(Outcome::default())),
                    Err(words) => return Ok(failed(words)),
                }
            }
            return Ok(failed("tar: short read\n".into()));
        }
        ["cat", path] => match follow(files, path) {
            Some(bytes) => bytes,
            None => return Ok(failed(format!("cat: can't open '{path}': No such file or directory\n"))),
        },
        ["sh", "-c", script, path, size] if script.starts_with("head -c") => {
            let (mut content, size) = (Vec::new(), size.parse().unwrap_or(0));
            while content.len() < size {
                let Some(data) = input(socket, &mut (0, 0)).await else { break };
                content.extend_from_slice(&data);
            }
            files.put(path, Entry::File(content));
            return Ok(Some(Outcome::default()));
        }
        _ => return Ok(None),
    };
    for part in bytes.chunks(16 * 1024) {
        send(socket, STDOUT, part).await?;
    }
    Ok(Some(Outcome::default()))
}

/// The content of a file, links followed.
fn follow(files: &super::disk::Files, path: &str) -> Option<Vec<u8>> {
    let mut path = path.to_string();
    for _ in 0..8 {
        match files.get(&path)? {
            Entry::File(content) => return Some(content),
            Entry::Link(to) if to.starts_with('/') => path = to,
            Entry::Link(to) => path = format!("{}/{to}", path.rsplit_once('/').map_or("", |(directory, _)| directory)),
        }
    }
    None
}

/// A shell that reads lines; on a terminal it prompts and shows what is typed.
async fn converse(socket: &mut Socket, job: &mut Job) -> Result<Outcome, tokio_tungstenite::tungstenite::Error> {
    const PROMPT: &str = "/ # ";
    let mut last = Outcome::default();
    let mut line = Vec::new();
    if job.tty {
        send(socket, STDOUT, PROMPT.as_bytes()).await?;
    }
    while let Some(data) = input(socket, &mut job.shell.size).await {
        for &byte in data.iter() {
            match byte {
                b'\r' | b'\n' => {
                    let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
                    if job.tty {
                        send(socket, STDOUT, b"\r\n").await?;
                    }
                    let before = last.code;
                    last = job.shell.script(&text);
                    if text.trim().is_empty() {
                        last.code = before;
                    }
                    say(socket, STDOUT, &last.out, job.tty).await?;
                    say(socket, if job.tty { STDOUT } else { STDERR }, &last.err, job.tty).await?;
                    if last.exit {
                        return Ok(last);
                    }
                    if job.tty {
                        send(socket, STDOUT, PROMPT.as_bytes()).await?;
                    }
                }
                // End of input on an empty line.
                4 if line.is_empty() => return Ok(last),
                3 if job.tty => {
                    line.clear();
                    send(socket, STDOUT, format!("^C\r\n{PROMPT}").as_bytes()).await?;
                }
                8 | 127 => {
                    if line.pop().is_some() && job.tty {
                        send(socket, STDOUT, b"\x08 \x08").await?;
                    }
                }
                byte => {
                    line.push(byte);
                    if job.tty {
                        send(socket, STDOUT, &[byte]).await?;
                    }
                }
            }
        }
    }
    Ok(last)
}
