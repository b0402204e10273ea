//! What was said to the person: shown in the bottom line for a while, kept in `:notices`.

use crate::msg::Level;
use crate::world::time::Time;
use std::collections::VecDeque;

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: Level,
    /// The sentence.
    pub text: String,
    /// When.
    pub at: Time,
}

/// What was said, newest first.
#[derive(Debug, Default)]
pub struct Notices {
    list: VecDeque<Notice>,
    /// The newest was seen (a key was pressed since, or its time is over).
    seen: bool,
}

/// Notices kept.
const KEPT: usize = 200;

impl Notices {
    /// Adds a sentence. One that repeats the newest only renews it.
    pub fn add(&mut self, level: Level, text: impl Into<String>, at: Time) {
        let notice = Notice { level, text: text.into(), at };
        if self.list.front().is_some_and(|last| last.level == level && last.text == notice.text) {
            self.list.pop_front();
        }
        self.list.push_front(notice);
        self.list.truncate(KEPT);
        self.seen = false;
    }

    /// Newest first.
    pub fn all(&self) -> impl Iterator<Item = &Notice> {
        self.list.iter()
    }

    /// The one to show now.
    pub fn current(&self, now: Time) -> Option<&Notice> {
        let notice = self.list.front().filter(|_| !self.seen)?;
        let shown = if notice.level == Level::Info { 6 } else { 15 };
        (notice.at.age(now) < shown).then_some(notice)
    }

    /// A key was pressed: the newest was seen.
    pub fn see(&mut self) {
        self.seen = true;
    }
}
