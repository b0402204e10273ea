//! One connection: from the local program to the pod and back.

use super::{Pick, Shared};
use crate::cluster::api::chain;
use crate::world::text::clean;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Portforwarder;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a local program waits for a pod to serve it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the API server gets to open one connection.
const OPENING: Duration = Duration::from_secs(10);
/// Pause before the next try.
const PAUSE: Duration = Duration::from_millis(200);
/// The protocol cannot pass on that one side has said everything and still listens, and TCP does not tell that from one
/// that has left. A pod that is silent for so long after the local program has finished has nothing more to say.
const LINGER: Duration = Duration::from_secs(5);
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Counts a connection as open while it lives.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a local program until either side has enough, or the pod is gone.
pub async fn serve(shared: Arc<Shared>, socket: TcpStream) {
    let _ = socket.set_nodelay(true);
    shared.served.fetch_add(1, Ordering::Relaxed);
    shared.open.fetch_add(1, Ordering::Relaxed);
    let open = Open(&shared.open);
    shared.changed.notify_one();
    let Some((pick, mut forwarder)) = connect(&shared).await else { return };
    through(&shared, &pick, &mut forwarder, socket).await;
    drop(open);
    shared.changed.notify_one();
    // The stream is dropped, which says goodbye to the server; who does not hear it is left.
    tokio::time::sleep(GOODBYE).await;
    forwarder.abort();
}

/// A connection to the pod that serves; another one where that fails.
async fn connect(shared: &Shared) -> Option<(Pick, Portforwarder)> {
    let until = Instant::now() + PATIENCE;
    let pods: kube::Api<Pod> = kube::Api::namespaced(shared.api.client().clone(), &shared.ask.namespace);
    let mut picks = shared.pick.subscribe();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(Ok(pick)) =
            tokio::time::timeout(left, picks.wait_for(Option::is_some)).await.map(|p| p.map(|p| p.clone()))
        else {
            shared.failed(format!("no pod to connect to within {} s", PATIENCE.as_secs()));
            return None;
        };
        let pick = pick?;
        let why = match tokio::time::timeout(OPENING, pods.portforward(&pick.name, &[pick.port])).await {
            Ok(Ok(forwarder)) => return Some((pick, forwarder)),
            Ok(Err(kube::Error::Api(status))) => status.message.clone(),
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no answer within {} s", OPENING.as_secs()),
        };
        shared.avoid(&pick, format!("{}: {}", pick.name, clean(&why)));
        tokio::time::sleep(PAUSE).await;
    }
}

async fn through(shared: &Shared, pick: &Pick, forwarder: &mut Portforwarder, socket: TcpStream) {
    let (Some(stream), error) = (forwarder.take_stream(pick.port), forwarder.take_error(pick.port)) else { return };
    let refused = async {
        let said = match error {
            Some(error) => error.await,
            None => None,
        };
        match said {
            Some(said) => said,
            // No complaint: the stream itself says when it is over.
            None => std::future::pending().await,
        }
    };
    let mut alive = shared.alive.subscribe();
    let gone = async {
        // Its pod was there when it was chosen; only a later list without it counts.
        while alive.changed().await.is_ok() {
            if !alive.borrow().contains(&pick.uid) {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // What the pod's side says about itself counts more than the end of the stream that follows it.
        biased;
        said = refused => shared.failed(format!("{}: {}", pick.name, clean(said.trim()))),
        () = pump(socket, stream, &shared.up, &shared.down) => {}
        () = gone => shared.failed(format!("{} is gone, and a connection to it with it", pick.name)),
    }
}

/// Carries bytes both ways until one side is done.
async fn pump(local: impl AsyncRead + AsyncWrite, pod: impl AsyncRead + AsyncWrite, up: &AtomicU64, down: &AtomicU64) {
    let (mut from_local, mut to_local) = tokio::io::split(local);
    let (mut from_pod, mut to_pod) = tokio::io::split(pod);
    let silence = tokio::sync::Notify::new();
    let upwards = async {
        let finished = carry(&mut from_local, &mut to_pod, up, || {}).await;
        if !finished {
            return;
        }
        // The other direction stays open: closing ours would close both.
        while tokio::time::timeout(LINGER, silence.notified()).await.is_ok() {}
    };
    let downwards = async {
        carry(&mut from_pod, &mut to_local, down, || silence.notify_one()).await;
    };
    tokio::select! {
        () = upwards => {}
        () = downwards => {}
    }
    let _ = tokio::time::timeout(GOODBYE, to_local.shutdown()).await;
}

/// Carries bytes until there are no more (`true`) or a side is gone.
async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    count: &AtomicU64,
    heard: impl Fn(),
) -> bool {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) => return true,
            Ok(read) => read,
            Err(_) => return false,
        };
        heard();
        if to.write_all(buffer.get(..read).unwrap_or_default()).await.is_err() {
            return false;
        }
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_to_a_program_that_has_finished_still_arrives() {
        let (client, local) = tokio::io::duplex(64);
        let (pod, mut server) = tokio::io::duplex(64);
        let (up, down) = (AtomicU64::new(0), AtomicU64::new(0));
        let talk = async move {
            let (mut reader, mut writer) = tokio::io::split(client);
            writer.write_all(b"ask").await.unwrap();
            writer.shutdown().await.unwrap();
            let mut heard = [0; 3];
            server.read_exact(&mut heard).await.unwrap();
            server.write_all(b"answer").await.unwrap();
            drop(server);
            let mut answer = Vec::new();
            reader.read_to_end(&mut answer).await.unwrap();
            (heard, answer)
        };
        let ((heard, answer), ()) = tokio::join!(talk, pump(local, pod, &up, &down));
        assert_eq!((&heard, answer.as_slice()), (b"ask", b"answer".as_slice()));
        assert_eq!((up.into_inner(), down.into_inner()), (3, 6));
    }
}
