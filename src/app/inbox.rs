//! Where everything that happens outside waits for the event loop: messages from tasks, and a way to wake the loop
//! while it sleeps on the keyboard.
//!
//! The loop sleeps in one `poll(2)` over the terminal and a socket pair, so there is no input thread that could
//! steal keys from a shell, and nothing runs while nothing happens.

use crate::effect::RequestId;
use crate::effect::logs::LogSource;
use crate::msg::Msg;
use crate::msg::logs::LogLine;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The sending half; cheap to clone, usable from every thread.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
}

/// The receiving half, owned by the loop.
pub struct Inbox {
    shared: Arc<Shared>,
    wake: UnixStream,
}

struct Shared {
    queue: Mutex<VecDeque<Msg>>,
    wake: UnixStream,
    /// Whether a wake-up byte is under way, so that a thousand messages cost one.
    woken: AtomicBool,
    /// Lines of logs that wait.
    lines: AtomicUsize,
    /// There are fewer of them now.
    room: Notify,
}

/// Lines of logs that may wait: more would only be memory, and keys would not wait less behind them.
const LINES: usize = 8_000;

/// A connected pair.
///
/// # Errors
/// When the system has no sockets left.
pub fn channel() -> io::Result<(Sender, Inbox)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let shared = Arc::new(Shared {
        queue: Mutex::default(),
        wake: theirs,
        woken: AtomicBool::new(false),
        lines: AtomicUsize::new(0),
        room: Notify::new(),
    });
    Ok((Sender { shared: shared.clone() }, Inbox { shared, wake: ours }))
}

impl Sender {
    /// Hands a message to the loop and wakes it.
    pub fn send(&self, msg: Msg) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(msg);
        self.wake();
    }

    /// Hands lines of a log to the loop, as soon as it has taken in enough of those before. Cancelled before that, the
    /// lines are not sent.
    pub async fn send_lines(&self, request: RequestId, source: &Arc<LogSource>, lines: Vec<LogLine>) {
        loop {
            let room = self.shared.room.notified();
            if self.shared.lines.load(Ordering::SeqCst) < LINES {
                break;
            }
            room.await;
        }
        self.shared.lines.fetch_add(lines.len(), Ordering::SeqCst);
        self.send(Msg::LogLines { request, source: source.clone(), lines });
    }

    /// Wakes the loop without a message, as after a window change.
    pub fn wake(&self) {
        if !self.shared.woken.swap(true, Ordering::SeqCst) {
            // A full socket means that the loop has a wake-up waiting already.
            let _ = (&self.shared.wake).write(&[1]);
        }
    }
}

impl Inbox {
    /// The next message, if one waits.
    pub fn take(&mut self) -> Option<Msg> {
        let msg = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(Msg::LogLines { lines, .. }) = &msg {
            self.shared.lines.fetch_sub(lines.len(), Ordering::SeqCst);
            self.shared.room.notify_waiters();
        }
        msg
    }

    /// Whether messages wait.
    pub fn has_messages(&self) -> bool {
        !self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes back the wake-up; the next message makes another.
    fn calm(&mut self) {
        let mut bytes = [0; 16];
        while matches!(self.wake.read(&mut bytes), Ok(n) if n > 0) {}
        self.shared.woken.store(false, Ordering::SeqCst);
    }

    /// Sleeps until a message comes or the time is over; for commands that have no keyboard to listen to.
    ///
    /// # Errors
    /// As [`Inbox::wait`].
    pub fn wait_for_messages(&mut self, timeout: Duration) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let woken = {
            let mut fds = [PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(n) => n > 0,
                Err(rustix::io::Errno::INTR) => false,
                Err(e) => return Err(e.into()),
            }
        };
        if woken {
            self.calm();
        }
        Ok(())
    }

    /// Sleeps until the terminal has input, a message comes, or the time is over. Whether the terminal is gone (the
    /// connection broke).
    ///
    /// # Errors
    /// When `poll` fails for another reason than a signal.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdin = rustix::stdio::stdin();
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let (gone, woken) = {
            let mut fds =
                [PollFd::new(&stdin, PollFlags::IN), PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(_) => {
                    let gone = fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
                    (gone, !fds[1].revents().is_empty())
                }
                // A signal: the handler's message, if any, comes through the socket.
                Err(rustix::io::Errno::INTR) => (false, false),
                Err(e) => return Err(e.into()),
            }
        };
        if woken {
            self.calm();
        }
        Ok(gone)
    }
}
