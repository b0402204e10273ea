//! The terminal's answer to "which colour is your ground" (OSC 11), taken out of what is typed.
//!
//! Nothing waits for the answer: a terminal far away answers late, some never do. crossterm knows no such answer and
//! takes it for keys, `Alt-]`, `1`, `1`, `;`, `r` …; so keys that could be the answer are held back until they are
//! something else or it is complete, and then handed on untouched or taken away whole.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::time::{Duration, Instant};

/// Asks for the colour of the ground.
pub const ASK: &[u8] = b"\x1b]11;?\x07";

/// An answer comes in one piece; keys that only look like its start are not held longer than this.
const HOLD: Duration = Duration::from_millis(150);

/// After this long no answer is expected any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sieve.
#[derive(Debug, Default)]
pub struct Replies {
    asked: Option<Instant>,
    held: Vec<Event>,
    since: Option<Instant>,
    text: String,
}

impl Replies {
    /// The terminal was asked.
    pub fn asked(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// Whether keys are being held back; then [`Replies::release`] is due after [`Replies::rest`].
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// How long held keys may still be held.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| HOLD.saturating_sub(now.saturating_duration_since(since)))
    }

    /// Takes an event in; gives those to go on with, and whether the ground is light, once.
    pub fn take(&mut self, event: Event, now: Instant) -> (Vec<Event>, Option<bool>) {
        if self.asked.is_none_or(|at| now.saturating_duration_since(at) > PATIENCE) && self.held.is_empty() {
            return (vec![event], None);
        }
        let begun = !self.held.is_empty();
        match piece(&event) {
            Some(piece) if fits(&self.text, piece) => {
                self.text.push(piece);
                self.held.push(event);
                self.since.get_or_insert(now);
            }
            _ if begun => {
                let mut all = self.release();
                all.push(event);
                return (all, None);
            }
            _ => return (vec![event], None),
        }
        match ground(&self.text) {
            Some(light) => {
                *self = Self::default();
                (vec![], Some(light))
            }
            None => (vec![], None),
        }
    }

    /// Gives back what was held: it is no answer.
    pub fn release(&mut self) -> Vec<Event> {
        self.text.clear();
        self.since = None;
        std::mem::take(&mut self.held)
    }

    /// Gives back what was held too long.
    pub fn overdue(&mut self, now: Instant) -> Vec<Event> {
        match self.rest(now) {
            Some(Duration::ZERO) => self.release(),
            _ => vec![],
        }
    }
}

/// `\u{1}` begins the answer, `\u{2}` ends it.
const BEGIN: char = '\u{1}';
const END: char = '\u{2}';

/// A key as a piece of the answer.
fn piece(event: &Event) -> Option<char> {
    let Event::Key(KeyEvent { code: KeyCode::Char(c), modifiers, kind, .. }) = event else { return None };
    if *kind == KeyEventKind::Release {
        return None;
    }
    let bare = *modifiers - KeyModifiers::SHIFT;
    match (*c, bare) {
        (']', KeyModifiers::ALT) => Some(BEGIN),
        ('\\', KeyModifiers::ALT) => Some(END),
        ('g', KeyModifiers::CONTROL) => Some(END),
        (c, bare) if bare.is_empty() => Some(c),
        _ => None,
    }
}

/// Whether a piece can follow what there is: `]11;rgb:ffff/ffff/ffff`, `rgba:` with a fourth part.
fn fits(text: &str, piece: char) -> bool {
    let head = "\u{1}11;rgb";
    let n = text.chars().count();
    if n < head.chars().count() {
        return head.chars().nth(n) == Some(piece);
    }
    let rest = &text[head.len()..];
    match (rest, piece) {
        ("", 'a' | ':') | ("a", ':') => true,
        ("" | "a", _) => false,
        (_, END) => true,
        (_, c) => rest.len() < 24 && (c == '/' || c.is_ascii_hexdigit()),
    }
}

/// Whether a complete answer names a light ground; one that cannot be read counts as dark.
fn ground(text: &str) -> Option<bool> {
    let text = text.strip_suffix(END)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers))
    }

    fn answer(body: &str, end: Event) -> Vec<Event> {
        let mut events = vec![key(']', KeyModifiers::ALT)];
        events.extend(body.chars().map(|c| key(c, KeyModifiers::NONE)));
        events.push(end);
        events
    }

    fn feed(replies: &mut Replies, events: Vec<Event>, now: Instant) -> (Vec<Event>, Option<bool>) {
        let (mut passed, mut found) = (vec![], None);
        for event in events {
            let (more, light) = replies.take(event, now);
            passed.extend(more);
            found = found.or(light);
        }
        (passed, found)
    }

    #[test]
    fn the_answer_is_taken_whole_between_keys() {
        let (bell, st) = (key('g', KeyModifiers::CONTROL), key('\\', KeyModifiers::ALT));
        for (body, end, light) in [
            ("11;rgb:ffff/ffff/ffff", &bell, true),
            ("11;rgb:1e1e/1e1e/2e2e", &st, false),
            ("11;rgba:fd/f6/e3/ff", &bell, true),
        ] {
            let (mut replies, now) = (Replies::default(), Instant::now());
            replies.asked(now);
            let mut events = vec![key('j', KeyModifiers::NONE)];
            events.extend(answer(body, end.clone()));
            events.push(key('k', KeyModifiers::NONE));
            let (passed, found) = feed(&mut replies, events, now);
            assert_eq!(found, Some(light), "{body}");
            assert_eq!(passed, [key('j', KeyModifiers::NONE), key('k', KeyModifiers::NONE)]);
        }
    }

    #[test]
    fn keys_that_are_no_answer_are_given_back_in_order() {
        let (mut replies, now) = (Replies::default(), Instant::now());
        let typed = vec![key(']', KeyModifiers::ALT), key('1', KeyModifiers::NONE), key('x', KeyModifiers::NONE)];
        assert_eq!(feed(&mut replies, typed.clone(), now), (typed.clone(), None), "nothing was asked");
        replies.asked(now);
        assert_eq!(feed(&mut replies, typed.clone(), now), (typed.clone(), None));
        // A lone Alt-] comes back after a moment.
        assert_eq!(replies.take(typed[0].clone(), now), (vec![], None));
        assert!(replies.holds());
        assert_eq!(replies.overdue(now), vec![]);
        assert_eq!(replies.overdue(now + HOLD), typed[..1]);
        assert_eq!(replies.take(typed[0].clone(), now + PATIENCE * 2), (typed[..1].to_vec(), None));
    }
}
