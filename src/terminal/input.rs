//! What is typed: bytes of the terminal as events, and its answer to "which colour is your ground" (OSC 11).
//!
//! Reading never waits. crossterm's own reader does, in the middle of a sequence that has not come whole, and it forgets
//! keys that come together with a change of the window's size until the next key; so the bytes are read here, and
//! termina's parser makes events of them. Nothing waits for the answer either: a terminal far away answers late, some
//! never do.

use crossterm::event::{self as ours, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::time::{Duration, Instant};
use termina::Parser;
use termina::event as theirs;

/// Asks for the colour of the ground.
pub const ASK: &[u8] = b"\x1b]11;?\x07";

/// A sequence comes in one piece, or nearly; what only looks like its beginning is not held longer than this.
const HOLD: Duration = Duration::from_millis(150);

/// Pasted text stands between this and `\x1b[201~`; however slowly it comes, it is never taken for keys.
const PASTE: &[u8] = b"\x1b[200~";

/// Bytes read at once.
const CHUNK: usize = 4096;

/// What came from the terminal.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A key, a click, a paste, or that the window has the focus.
    Event(Event),
    /// Whether the ground is light.
    Ground(bool),
}

/// The bytes so far.
#[derive(Debug, Default)]
pub struct Input {
    parser: Parser,
    /// What came since the last event: the beginning of a sequence, or one that says nothing to us.
    open: Vec<u8>,
    since: Option<Instant>,
}

impl Input {
    /// Takes what has come, without waiting.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn read(&mut self, now: Instant) -> io::Result<Vec<Heard>> {
        let mut heard = self.overdue(now);
        let mut chunk = [0; CHUNK];
        while waits()? {
            let count = match rustix::io::read(rustix::stdio::stdin(), &mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => break,
                Err(e) => return Err(e.into()),
            };
            heard.extend(self.feed(&chunk[..count], count == CHUNK, now));
        }
        Ok(heard)
    }

    /// When [`Input::read`] is due though nothing comes any more.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| HOLD.saturating_sub(now.saturating_duration_since(since)))
    }

    /// Takes bytes in; `more`: others follow at once, so that an escape at the end may begin a sequence.
    fn feed(&mut self, bytes: &[u8], more: bool, now: Instant) -> Vec<Heard> {
        let mut heard = vec![];
        for (n, byte) in bytes.iter().enumerate() {
            self.open.push(*byte);
            self.parser.parse(std::slice::from_ref(byte), more || n + 1 < bytes.len());
            match (ground(&self.open), self.parser.pop()) {
                // (The parser does not know `rgba:`.)
                (Some(light), _) => heard.push(Heard::Ground(light)),
                (None, Some(event)) => heard.extend(translated(event).map(Heard::Event)),
                (None, None) => continue,
            }
            self.open.clear();
        }
        let pasting = self.open.starts_with(PASTE);
        self.since = (!self.open.is_empty() && !pasting).then_some(now);
        heard
    }

    /// Gives up what is held too long. `Alt` and one of the characters that begin a sequence was a key.
    fn overdue(&mut self, now: Instant) -> Vec<Heard> {
        if self.rest(now) != Some(Duration::ZERO) {
            return vec![];
        }
        let open = std::mem::take(self).open;
        match &open[..] {
            [0x1b, c @ (b'[' | b']' | b'O' | b'P')] => {
                let code = ours::KeyCode::Char(char::from(*c));
                vec![Heard::Event(Event::Key(ours::KeyEvent::new(code, ours::KeyModifiers::ALT)))]
            }
            _ => vec![],
        }
    }
}

/// Whether bytes wait.
fn waits() -> io::Result<bool> {
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(n) => Ok(n > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Whether a complete answer names a light ground: `\x1b]11;rgb:ffff/ffff/ffff\x07`, also `rgba:` with a fourth part.
fn ground(sequence: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(sequence).ok()?.strip_prefix("\u{1b}]11;rgb")?;
    let text = text.strip_suffix('\u{7}').or_else(|| text.strip_suffix("\u{1b}\\"))?;
    let (_, channels) = text.split_once(':')?;
    let share = |hex: &str| {
        let all = 16_u32.checked_pow(u32::try_from(hex.len()).ok()?)?.checked_sub(1)?;
        Some(f64::from(u32::from_str_radix(hex, 16).ok()?) / f64::from(all.max(1)))
    };
    let mut parts = channels.split('/').map(|hex| share(hex).unwrap_or(0.0));
    let mut next = || parts.next().unwrap_or(0.0);
    // Perceived brightness is enough here (ITU-R BT.601).
    let light = 0.299 * next() + 0.587 * next() + 0.114 * next();
    Some(light > 0.5)
}

/// The event in crossterm's words; `None` for answers that nobody asked for, and keys that no keyboard of ours has.
fn translated(event: termina::Event) -> Option<Event> {
    Some(match event {
        termina::Event::Key(key) => Event::Key(ours::KeyEvent {
            code: code(key.code)?,
            modifiers: modifiers(key.modifiers),
            kind: match key.kind {
                theirs::KeyEventKind::Press => ours::KeyEventKind::Press,
                theirs::KeyEventKind::Repeat => ours::KeyEventKind::Repeat,
                theirs::KeyEventKind::Release => ours::KeyEventKind::Release,
            },
            state: ours::KeyEventState::NONE,
        }),
        termina::Event::Mouse(mouse) => Event::Mouse(ours::MouseEvent {
            kind: mouse_kind(mouse.kind),
            column: mouse.column,
            row: mouse.row,
            modifiers: modifiers(mouse.modifiers),
        }),
        termina::Event::FocusIn => Event::FocusGained,
        termina::Event::FocusOut => Event::FocusLost,
        termina::Event::Paste(text) => Event::Paste(text),
        _ => return None,
    })
}

fn code(code: theirs::KeyCode) -> Option<ours::KeyCode> {
    use theirs::KeyCode as From;
    Some(match code {
        From::Char(c) => ours::KeyCode::Char(c),
        From::Enter => ours::KeyCode::Enter,
        From::Backspace => ours::KeyCode::Backspace,
        From::Tab => ours::KeyCode::Tab,
        From::BackTab => ours::KeyCode::BackTab,
        From::Escape => ours::KeyCode::Esc,
        From::Left => ours::KeyCode::Left,
        From::Right => ours::KeyCode::Right,
        From::Up => ours::KeyCode::Up,
        From::Down => ours::KeyCode::Down,
        From::Home => ours::KeyCode::Home,
        From::End => ours::KeyCode::End,
        From::PageUp => ours::KeyCode::PageUp,
        From::PageDown => ours::KeyCode::PageDown,
        From::Insert => ours::KeyCode::Insert,
        From::Delete => ours::KeyCode::Delete,
        From::Function(n) => ours::KeyCode::F(n),
        _ => return None,
    })
}

fn modifiers(of: theirs::Modifiers) -> ours::KeyModifiers {
    use theirs::Modifiers as From;
    let pairs = [
        (From::SHIFT, ours::KeyModifiers::SHIFT),
        (From::ALT, ours::KeyModifiers::ALT),
        (From::CONTROL, ours::KeyModifiers::CONTROL),
        (From::SUPER, ours::KeyModifiers::SUPER),
        (From::HYPER, ours::KeyModifiers::HYPER),
        (From::META, ours::KeyModifiers::META),
    ];
    pairs.into_iter().filter(|(theirs, _)| of.contains(*theirs)).map(|(_, ours)| ours).collect()
}

fn mouse_kind(kind: theirs::MouseEventKind) -> ours::MouseEventKind {
    use theirs::MouseEventKind as From;
    let button = |button| match button {
        theirs::MouseButton::Left => ours::MouseButton::Left,
        theirs::MouseButton::Right => ours::MouseButton::Right,
        theirs::MouseButton::Middle => ours::MouseButton::Middle,
    };
    match kind {
        From::Down(which) => ours::MouseEventKind::Down(button(which)),
        From::Up(which) => ours::MouseEventKind::Up(button(which)),
        From::Drag(which) => ours::MouseEventKind::Drag(button(which)),
        From::Moved => ours::MouseEventKind::Moved,
        From::ScrollDown => ours::MouseEventKind::ScrollDown,
        From::ScrollUp => ours::MouseEventKind::ScrollUp,
        From::ScrollLeft => ours::MouseEventKind::ScrollLeft,
        From::ScrollRight => ours::MouseEventKind::ScrollRight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use proptest::prelude::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Heard {
        Heard::Event(Event::Key(KeyEvent::new(code, modifiers)))
    }

    fn typed(text: &str) -> Vec<Heard> {
        text.chars().map(|c| key(KeyCode::Char(c), KeyModifiers::NONE)).collect()
    }

    #[test]
    fn keys_pastes_clicks_and_focus_are_told_apart() {
        let mut input = Input::default();
        let now = Instant::now();
        let text =
            "j\u{1b}[A\u{1b}[1;5C\u{4}\u{1b}f\u{1b}OPé\u{1b}[200~a\n\u{1b}b\u{1b}[201~\u{1b}[<0;10;5M\u{1b}[I\u{1b}";
        let heard = input.feed(text.as_bytes(), false, now);
        let expected = [
            key(KeyCode::Char('j'), KeyModifiers::NONE),
            key(KeyCode::Up, KeyModifiers::NONE),
            key(KeyCode::Right, KeyModifiers::CONTROL),
            key(KeyCode::Char('d'), KeyModifiers::CONTROL),
            key(KeyCode::Char('f'), KeyModifiers::ALT),
            key(KeyCode::F(1), KeyModifiers::NONE),
            key(KeyCode::Char('é'), KeyModifiers::NONE),
            Heard::Event(Event::Paste("a\n\u{1b}b".into())),
            Heard::Event(Event::Mouse(ours::MouseEvent {
                kind: ours::MouseEventKind::Down(ours::MouseButton::Left),
                column: 9,
                row: 4,
                modifiers: KeyModifiers::NONE,
            })),
            Heard::Event(Event::FocusGained),
            key(KeyCode::Esc, KeyModifiers::NONE),
        ];
        assert_eq!(heard, expected);
        assert_eq!(input.rest(now), None, "nothing is held");
    }

    #[test]
    fn the_answer_is_taken_whole_between_keys_wherever_it_is_cut() {
        for (body, end, light) in [
            ("rgb:ffff/ffff/ffff", "\u{7}", true),
            ("rgb:1e1e/1e1e/2e2e", "\u{1b}\\", false),
            ("rgba:fdfd/f6f6/e3e3/ffff", "\u{7}", true),
        ] {
            let text = format!("j\u{1b}]11;{body}{end}k");
            for cut in 0..text.len() {
                // An escape at the end of what has come is a key.
                if text.as_bytes()[..cut].ends_with(b"\x1b") {
                    continue;
                }
                let (mut input, now) = (Input::default(), Instant::now());
                let mut heard = input.feed(&text.as_bytes()[..cut], false, now);
                heard.extend(input.feed(&text.as_bytes()[cut..], false, now));
                let expected = [&typed("j")[..], &[Heard::Ground(light)], &typed("k")].concat();
                assert_eq!(heard, expected, "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_sequence_is_given_up_and_a_paste_is_not() {
        let (mut input, now) = (Input::default(), Instant::now());
        assert_eq!(input.feed(b"\x1b[", false, now), []);
        assert_eq!((input.rest(now), input.overdue(now)), (Some(HOLD), vec![]));
        assert_eq!(input.overdue(now + HOLD), [key(KeyCode::Char('['), KeyModifiers::ALT)]);
        assert_eq!(input.feed(b"j", false, now), typed("j"));
        assert_eq!(input.feed(b"\x1b[200~a", false, now), []);
        assert_eq!(input.rest(now), None);
        assert_eq!(input.overdue(now + HOLD), []);
        assert_eq!(input.feed(b"b\x1b[201~", false, now), [Heard::Event(Event::Paste("ab".into()))]);
    }

    proptest! {
        #[test]
        fn whatever_comes_keys_are_heard_again_after_a_moment(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let (mut input, now) = (Input::default(), Instant::now());
            input.feed(&bytes, false, now);
            input.feed(b"\x1b[201~", false, now);
            input.overdue(now + HOLD);
            prop_assert_eq!(input.feed(b"j", false, now), typed("j"));
        }
    }
}
