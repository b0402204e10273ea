//! Where one is: a stack of screens. `Esc` goes back to the one below, as it was left.

use super::list::{ListOf, ListView};
use super::logs::LogsView;
use super::operation::OperationScreen;
use super::table::TableView;
use super::text::TextView;
use super::tree::TreeView;
use crate::world::fleet::ClusterId;

/// Which clusters and namespaces a screen is about. Commands typed on it inherit this.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scope {
    /// In the fleet's order.
    pub clusters: Vec<ClusterId>,
    /// Empty: all.
    pub namespaces: Vec<String>,
}

impl Scope {
    /// The namespace, where it is one and no pattern.
    pub fn one_namespace(&self) -> Option<&str> {
        match self.namespaces.as_slice() {
            [one] if !crate::world::glob::is_pattern(one) => Some(one),
            _ => None,
        }
    }
}

/// One screen of the stack.
#[derive(Debug)]
pub struct Screen {
    /// What it is about.
    pub scope: Scope,
    /// What it shows.
    pub view: View,
}

/// What a screen shows.
// There are never more than a few dozen of them.
#[expect(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum View {
    /// Objects of one kind.
    Table(TableView),
    /// A short list made from the state: clusters, containers, operations, help …
    List(ListView),
    /// Text with search: describe, YAML, why.
    Text(Box<TextView>),
    /// What belongs to what.
    Tree(Box<TreeView>),
    /// Logs.
    Logs(Box<LogsView>),
    /// One operation: the plan, or its steps.
    Operation(OperationScreen),
}

/// A place visited by command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The command.
    pub line: String,
    /// What it was about then.
    pub scope: Scope,
}

/// The stack of screens, never empty, and the places visited by command.
#[derive(Debug)]
pub struct Nav {
    stack: Vec<Screen>,
    /// Commands that led somewhere, for `[`, `]` and `-`.
    pub places: Vec<Place>,
    /// Which of them is the current one.
    pub place: usize,
}

/// Screens kept for `Esc`; the oldest but the first are forgotten beyond that.
const DEPTH: usize = 32;

impl Nav {
    /// The fleet at the bottom.
    pub fn new(scope: Scope) -> Self {
        let place = Place { line: "fleet".into(), scope: scope.clone() };
        let fleet = Screen { scope, view: View::List(ListView::new(ListOf::Fleet)) };
        Self { stack: vec![fleet], places: vec![place], place: 0 }
    }

    /// The screen in view.
    pub fn top(&self) -> &Screen {
        self.stack.last().expect("the stack is never empty")
    }

    /// The screen in view.
    pub fn top_mut(&mut self) -> &mut Screen {
        self.stack.last_mut().expect("the stack is never empty")
    }

    /// Every screen, the one in view last.
    pub fn screens(&self) -> &[Screen] {
        &self.stack
    }

    /// Every screen, the one in view last.
    pub fn screens_mut(&mut self) -> &mut [Screen] {
        &mut self.stack
    }

    /// Puts a screen on top. Returns the one that fell out at the bottom, so that what it waits for can be stopped.
    pub fn push(&mut self, screen: Screen) -> Option<Screen> {
        self.stack.push(screen);
        (self.stack.len() > DEPTH).then(|| self.stack.remove(1))
    }

    /// Goes back; `None` at the bottom.
    pub fn pop(&mut self) -> Option<Screen> {
        if self.stack.len() > 1 { self.stack.pop() } else { None }
    }

    /// Remembers a command that led somewhere; what lay ahead of the current place is forgotten.
    pub fn remember(&mut self, command: &str) {
        let place = Place { line: command.into(), scope: self.top().scope.clone() };
        if self.places.get(self.place) == Some(&place) {
            return;
        }
        self.places.truncate(self.place + 1);
        self.places.push(place);
        if self.places.len() > 100 {
            self.places.remove(0);
        }
        self.place = self.places.len() - 1;
    }
}

/// A cursor in a list of which only a part is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cursor {
    /// First visible line.
    pub top: usize,
    /// The line the cursor is on.
    pub at: usize,
}

impl Cursor {
    /// Moves by `by` lines, stopping at both ends.
    pub fn step(&mut self, by: isize, len: usize) {
        self.at = self.at.saturating_add_signed(by).min(len.saturating_sub(1));
    }

    /// Keeps cursor and window inside of `len` lines, with the cursor within the `height` visible ones.
    pub fn clamp(&mut self, len: usize, height: usize) {
        let height = height.max(1);
        self.at = self.at.min(len.saturating_sub(1));
        self.top = self.top.min(len.saturating_sub(height)).min(self.at);
        if self.at >= self.top + height {
            self.top = self.at + 1 - height;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cursor_stays_visible(top in 0usize..200, at in 0usize..200, len in 0usize..150, height in 0usize..60, by in -300isize..300) {
            let mut cursor = Cursor { top, at };
            cursor.step(by, len);
            cursor.clamp(len, height);
            prop_assert!(len == 0 || cursor.at < len);
            prop_assert!(cursor.top <= cursor.at && cursor.at < cursor.top + height.max(1));
        }
    }
}
