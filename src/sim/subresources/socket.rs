//! The WebSocket that exec, attach and port-forward speak: binary messages whose first byte names the channel
//! (`apimachinery/pkg/util/remotecommand`, `apimachinery/pkg/util/httpstream/wsstream`).

use crate::sim::http::{self as web, Body};
use crate::sim::server::{Call, Cluster};
use crate::sim::store::Failure;
use futures::SinkExt;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The connection, after the client and we have agreed.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;
/// Whether the client still takes what is sent.
pub type Sent = Result<(), Error>;

/// Turns the connection into a WebSocket of the first known protocol that the client offers, and lets `serve` have it
/// until it ends or the server is stopped.
///
/// # Errors
/// 400 for a request that is no WebSocket, or that offers none of the protocols.
pub fn accept<F>(
    cluster: Arc<Cluster>,
    call: Call,
    known: &[&'static str],
    serve: impl FnOnce(Socket) -> F + Send + 'static,
) -> Result<Response<Body>, Failure>
where
    F: Future<Output = Sent> + Send + 'static,
{
    let header = |name| web::header_text(&call.headers, name);
    let offered: Vec<&str> = header("sec-websocket-protocol").split(',').map(str::trim).collect();
    let chosen = known.iter().find(|known| offered.contains(*known));
    let (Some(protocol), Some(upgrade)) = (chosen, call.upgrade) else {
        let known = known.join(" or ");
        return Err(Failure::bad_request(format!("this needs a WebSocket with the protocol {known}")));
    };
    if !header("upgrade").eq_ignore_ascii_case("websocket") {
        return Err(Failure::bad_request("Upgrade request required"));
    }
    let accept = derive_accept_key(header("sec-websocket-key").as_bytes());
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            // A client that goes away in the middle ends it; there is nobody left to tell.
            tokio::select! {
                _ = serve(socket) => {}
                () = cluster.stopped() => {}
            }
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

/// Sends one message on a channel.
///
/// # Errors
/// When the client is gone.
pub async fn send(socket: &mut Socket, channel: u8, data: &[u8]) -> Sent {
    let mut message = vec![channel];
    message.extend_from_slice(data);
    socket.send(Message::Binary(message.into())).await
}
