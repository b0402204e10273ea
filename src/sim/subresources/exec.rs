//! `exec` over WebSocket, in the protocols `v5.channel.k8s.io` and `v4.channel.k8s.io`
//! (`apimachinery/pkg/util/remotecommand`): binary messages whose first byte names the channel.

use super::pod;
use super::shell::{Outcome, Shell};
use crate::sim::http::{self as web, Body};
use crate::sim::server::{Call, Cluster, Target};
use crate::sim::store::Failure;
use crate::world::object::{list_at, str_at};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, Response, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
/// In version 5: the channel named by the next byte is at its end.
const CLOSE: u8 = 255;

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
    let job = job(&cluster, &call, &pod, target)?;
    let header = |name| web::header_text(&call.headers, name);
    let offered: Vec<&str> = header("sec-websocket-protocol").split(',').map(str::trim).collect();
    let chosen = ["v5.channel.k8s.io", "v4.channel.k8s.io"].into_iter().find(|known| offered.contains(known));
    let (Some(protocol), Some(upgrade)) = (chosen, call.upgrade) else {
        return Err(Failure::bad_request(
            "exec needs a WebSocket with the protocol v5.channel.k8s.io or v4.channel.k8s.io",
        ));
    };
    if !header("upgrade").eq_ignore_ascii_case("websocket") {
        return Err(Failure::bad_request("Upgrade request required"));
    }
    let accept = derive_accept_key(header("sec-websocket-key").as_bytes());
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            // A client that goes away in the middle ends the command; there is nobody left to tell.
            let _ = run(socket, job).await;
        }
    });
    let mut answer = web::bytes(101, "", "");
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.clear();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(answer)
}

fn job(cluster: &Cluster, call: &Call, pod: &Value, target: &Target) -> Result<Job, Failure> {
    let command: Vec<String> = call.query.all("command").map(Into::into).collect();
    if command.is_empty() {
        return Err(Failure::bad_request("you must specify at least 1 command for the container"));
    }
    let wanted = call.query.get("container");
    let containers = list_at(pod, "/spec/containers");
    let chosen = containers.iter().find(|c| wanted.is_empty() || str_at(c, "/name") == wanted);
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
    let shell = Shell { host: target.name.clone(), files: cluster.options.files.clone(), env: env.collect() };
    Ok(Job { shell, command, stdin: call.query.flag("stdin"), tty: call.query.flag("tty") })
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Sent = Result<(), tokio_tungstenite::tungstenite::Error>;

async fn run(mut socket: Socket, job: Job) -> Sent {
    let program = job.command.first().cloned().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let interactive = job.stdin && (matches!(name, "sh" | "ash" | "bash") && job.command.len() == 1);
    let copies = job.stdin && name == "cat" && job.command.len() == 1;
    let outcome = if !Shell::knows(&program) {
        let sentence = format!(
            "Internal error occurred: error executing command in container: failed to exec in container: exec: \"{program}\": \
             executable file not found in $PATH"
        );
        let status =
            json!({"metadata": {}, "status": "Failure", "message": sentence, "reason": "InternalError", "code": 500});
        return finish(socket, status).await;
    } else if interactive {
        converse(&mut socket, &job).await?
    } else if copies {
        copy(&mut socket).await?
    } else {
        let outcome = job.shell.run(&job.command);
        match outcome.becomes_shell && job.stdin {
            // What it said has been sent already.
            true => Outcome { code: converse(&mut socket, &job).await?.code, ..Outcome::default() },
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

async fn send(socket: &mut Socket, channel: u8, data: &[u8]) -> Sent {
    let mut message = vec![channel];
    message.extend_from_slice(data);
    socket.send(Message::Binary(message.into())).await
}

/// The next piece of standard input; `None` at its end.
async fn input(socket: &mut Socket) -> Option<Bytes> {
    loop {
        let data = match socket.next().await? {
            Ok(Message::Binary(data)) => data,
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => continue,
        };
        match (data.first(), data.get(1)) {
            (Some(&STDIN), _) => return Some(data.slice(1..)),
            (Some(&CLOSE), Some(&STDIN)) => return None,
            _ => {}
        }
    }
}

async fn copy(socket: &mut Socket) -> Result<Outcome, tokio_tungstenite::tungstenite::Error> {
    while let Some(data) = input(socket).await {
        send(socket, STDOUT, &data).await?;
    }
    Ok(Outcome::default())
}

/// A shell that reads lines; on a terminal it prompts and shows what is typed.
async fn converse(socket: &mut Socket, job: &Job) -> Result<Outcome, tokio_tungstenite::tungstenite::Error> {
    const PROMPT: &str = "/ # ";
    let mut last = Outcome::default();
    let mut line = Vec::new();
    if job.tty {
        send(socket, STDOUT, PROMPT.as_bytes()).await?;
    }
    while let Some(data) = input(socket).await {
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
