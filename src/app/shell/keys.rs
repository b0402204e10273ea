//! The keyboard as an asynchronous stream that stops reading the moment it is dropped, and the screen.
//!
//! `tokio::io::stdin` reads on a thread that would swallow the next key after the shell has ended.

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
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_P: u8 = 16;
const CTRL_Q: u8 = 17;
const ESC: u8 = 27;

/// Which keys are for us: they end the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// None: everything goes inside.
    Never,
    /// `Ctrl-P Ctrl-Q`, as with docker.
    ByDetaching,
    /// `q`, `Esc`, `Ctrl-C`, `Ctrl-D`; nothing goes inside.
    ByAnyWish,
}

/// See [`stdin`].
pub struct Keys {
    look: Interval,
    leave: Leave,
    /// A Ctrl-P was typed that may be the first half of leaving.
    half: bool,
}

/// The keyboard.
pub fn stdin(leave: Leave) -> Keys {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Keys { look, leave, half: false }
}

/// What of typed bytes goes inside; `None`: the person leaves.
fn sift(leave: Leave, half: &mut bool, typed: &[u8]) -> Option<Vec<u8>> {
    match leave {
        Leave::Never => Some(typed.to_vec()),
        Leave::ByAnyWish => {
            let goes = typed.iter().any(|&byte| matches!(byte, b'q' | CTRL_C | CTRL_D | ESC));
            (!goes).then(Vec::new)
        }
        Leave::ByDetaching => {
            let mut through = Vec::with_capacity(typed.len() + 1);
            for &byte in typed {
                match (*half, byte) {
                    (true, CTRL_Q) => return None,
                    (false, CTRL_P) => *half = true,
                    (was, byte) => {
                        if was {
                            through.push(CTRL_P);
                        }
                        *half = was && byte == CTRL_P;
                        if !*half {
                            through.push(byte);
                        }
                    }
                }
            }
            Some(through)
        }
    }
}

impl AsyncRead for Keys {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if waiting(rustix::stdio::stdin().as_fd())? {
                // One byte of room is for a Ctrl-P that was held back.
                let mut typed = vec![0; buf.remaining().saturating_sub(1).max(1)];
                let n = rustix::io::read(rustix::stdio::stdin(), &mut *typed)?;
                let (leave, mut half) = (self.leave, self.half);
                let through = sift(leave, &mut half, typed.get(..n).unwrap_or_default());
                self.half = half;
                match through {
                    // The end of the terminal itself, or of the stay.
                    None => return Poll::Ready(Ok(())),
                    Some(_) if n == 0 => return Poll::Ready(Ok(())),
                    Some(through) if through.is_empty() => continue,
                    Some(through) => {
                        buf.put_slice(through.get(..buf.remaining().min(through.len())).unwrap_or_default());
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            if self.look.poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// The screen, written through at once. Blocking is fine: nothing else happens while a shell has the terminal.
pub struct Out {
    /// Without a terminal on the other side lines end without a carriage return, which ours needs.
    pub returns: bool,
}

impl AsyncWrite for Out {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut out = io::stdout();
        let written = match self.returns {
            false => out.write_all(bytes),
            true => bytes.split_inclusive(|byte| *byte == b'\n').try_for_each(|line| match line.strip_suffix(b"\n") {
                Some(line) => out.write_all(line).and_then(|()| out.write_all(b"\r\n")),
                None => out.write_all(line),
            }),
        };
        Poll::Ready(written.and_then(|()| out.flush()).map(|()| bytes.len()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_leave_and_keys_that_go_inside() {
        let mut half = false;
        let mut typed = |bytes: &[u8]| sift(Leave::ByDetaching, &mut half, bytes);
        assert_eq!(typed(b"a\x03"), Some(b"a\x03".to_vec()), "Ctrl-C goes inside");
        assert_eq!(typed(b"b\x10"), Some(b"b".to_vec()));
        assert_eq!(typed(b"c"), Some(b"\x10c".to_vec()), "a Ctrl-P that was none of ours");
        assert_eq!(typed(b"\x10\x10"), Some(b"\x10".to_vec()));
        assert_eq!(typed(b"\x11"), None);
        let mut half = false;
        assert_eq!(sift(Leave::ByAnyWish, &mut half, b"ls\r"), Some(vec![]));
        assert_eq!(sift(Leave::ByAnyWish, &mut half, b"\x03"), None);
        assert_eq!(sift(Leave::Never, &mut half, b"\x10\x11q"), Some(b"\x10\x11q".to_vec()));
    }
}
