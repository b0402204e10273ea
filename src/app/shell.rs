//! A shell in a container, on the terminal that the cockpit has lent.

use super::session::Session;
use crate::cluster::exec::{self, ExecRequest};
use crate::world::fleet::ClusterId;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

/// How long the shell may take to begin.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs an interactive shell in raw mode until it ends; the terminal's size follows.
///
/// # Errors
/// A sentence, when the shell could not be started or the connection broke.
pub fn run(session: &Session, runtime: &Handle, cluster: ClusterId, request: &ExecRequest) -> Result<(), String> {
    println!(
        "shell in {}/{} {} ({}); exit or Ctrl-D leaves it",
        request.namespace,
        request.pod,
        request.container,
        session.context(cluster).name
    );
    crossterm::terminal::enable_raw_mode().map_err(|e| format!("the terminal refuses raw mode: {e}"))?;
    let ended = runtime.block_on(attach(session, cluster, request));
    // Raw mode must go even when the shell could not be reached.
    let _ = crossterm::terminal::disable_raw_mode();
    let ended = ended?;
    tracing::info!("shell in {}/{} ended: {ended:?}", request.namespace, request.pod);
    match ended.code {
        // No shell in the container, or it may not be run.
        Some(126 | 127) => Err(ended.message),
        // The exit status of the last command typed is not a failure of the session.
        Some(_) => Ok(()),
        None if ended.message.is_empty() => Ok(()),
        None => Err(ended.message),
    }
}

async fn attach(session: &Session, cluster: ClusterId, request: &ExecRequest) -> Result<exec::Ended, String> {
    let api = session.hub.api(cluster).await.map_err(|e| e.to_string())?;
    let shell = exec::open(&api, request, PATIENCE).await.map_err(|e| e.to_string())?;
    let (size, sizes) = tokio::sync::watch::channel(crossterm::terminal::size().unwrap_or((80, 24)));
    let resizing = async {
        let Ok(mut changes) = signal(SignalKind::window_change()) else { return std::future::pending().await };
        while changes.recv().await.is_some() {
            if let Ok(now) = crossterm::terminal::size() {
                let _ = size.send(now);
            }
        }
    };
    tokio::select! {
        ended = shell.run(keys::stdin().map_err(|e| format!("the keyboard cannot be read: {e}"))?, keys::Out, sizes) => Ok(ended),
        () = resizing => Err("window changes cannot be followed".into()),
    }
}

/// The keyboard as an asynchronous stream that stops reading the moment it is dropped.
///
/// `tokio::io::stdin` reads on a thread that would swallow the next key after the shell has ended.
mod keys {
    use rustix::io::Errno;
    use std::io::{self, Write};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::time::{Interval, MissedTickBehavior, interval};

    /// Looks for keys this often; typing through a network is slower than that.
    const LOOK: Duration = Duration::from_millis(8);

    /// See [`stdin`].
    pub struct Keys(Interval);

    /// The keyboard.
    ///
    /// # Errors
    /// None today; the terminal may refuse one day.
    pub fn stdin() -> io::Result<Keys> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Keys(look))
    }

    impl AsyncRead for Keys {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            loop {
                if waiting(rustix::stdio::stdin().as_fd())? {
                    let n = rustix::io::read(rustix::stdio::stdin(), buf.initialize_unfilled())?;
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                if self.0.poll_tick(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        }
    }

    /// The screen, written through at once. Blocking is fine: nothing else happens while a shell has the terminal.
    pub struct Out;

    impl AsyncWrite for Out {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()).map(|()| bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(io::stdout().flush())
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn waiting(fd: BorrowedFd<'_>) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(n) => Ok(n > 0),
            Err(Errno::INTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}
