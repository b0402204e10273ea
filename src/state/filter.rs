//! What is typed after `/`: a regular expression over the words of a row, `!` for the rows that do not match,
//! `-l` for a label selector.

use crate::world::row::Row;
use crate::world::selector::Selector;
use foldhash::fast::RandomState;
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;

/// A filter as typed, ready to match.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    text: String,
    test: Test,
}

#[derive(Clone, Debug, Default)]
enum Test {
    /// Everything.
    #[default]
    All,
    /// Rows whose words match, or (`inverse`) do not.
    Words { regex: Regex, inverse: bool },
    /// Rows whose labels match.
    Labels(Selector),
    /// The selector is not finished or wrong: nothing is hidden, the sentence is shown.
    Wrong(String),
}

/// Two filters are the same when the same was typed.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Filter {
    /// Reads what was typed. Never fails: text that is no regular expression is looked for as it stands,
    /// a selector that cannot be read hides nothing and says so in [`Filter::error`].
    pub fn parse(text: &str) -> Self {
        let typed = text.trim();
        let test = if typed.is_empty() || typed == "!" || typed == "-l" {
            Test::All
        } else if let Some(selector) = typed.strip_prefix("-l") {
            Selector::parse(selector.trim()).map_or_else(Test::Wrong, Test::Labels)
        } else {
            let (inverse, words) = typed.strip_prefix('!').map_or((false, typed), |rest| (true, rest.trim()));
            Test::Words { regex: pattern(words), inverse }
        };
        Self { text: typed.into(), test }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it hides nothing.
    pub fn is_empty(&self) -> bool {
        matches!(self.test, Test::All | Test::Wrong(_))
    }

    /// Why it cannot be understood.
    pub fn error(&self) -> Option<&str> {
        match &self.test {
            Test::Wrong(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether a line of text passes. A label selector lets every line pass.
    pub fn line(&self, text: &str) -> bool {
        match &self.test {
            Test::Words { regex, inverse } => regex.is_match(text) != *inverse,
            _ => true,
        }
    }

    /// The filter, ready to look at many rows.
    pub fn sieve(&self) -> Sieve<'_> {
        Sieve { test: &self.test, known: HashMap::default() }
    }
}

/// A filter at work on the rows of a fleet, which do not change meanwhile: words that rows share (node, namespace,
/// status) are looked at once.
pub struct Sieve<'a> {
    test: &'a Test,
    /// By address.
    known: HashMap<*const u8, bool, RandomState>,
}

/// A word of a row.
#[derive(Clone, Copy)]
pub enum Word<'a> {
    /// Its own.
    Own(&'a str),
    /// Stored once for many rows.
    Shared(&'a str),
}

impl Sieve<'_> {
    /// Whether a row passes; `words` calls back with each word of the row until told to stop (`true`).
    pub fn row(&mut self, row: &Row, words: impl FnOnce(&mut dyn FnMut(Word) -> bool)) -> bool {
        match self.test {
            Test::All | Test::Wrong(_) => true,
            Test::Labels(selector) => selector.matches_with(|key| row.meta.label(key)),
            Test::Words { regex, inverse } => {
                let mut hit = false;
                words(&mut |word| {
                    hit |= match word {
                        Word::Own(text) => regex.is_match(text),
                        Word::Shared(text) => *self.known.entry(text.as_ptr()).or_insert_with(|| regex.is_match(text)),
                    };
                    hit
                });
                hit != *inverse
            }
        }
    }
}

/// Smart case: upper case in the pattern makes it matter. A broken expression is taken literally.
pub fn pattern(text: &str) -> Regex {
    // Nobody types this much; compiling it would take seconds.
    if text.len() > 4096 {
        return never();
    }
    let any_case = !text.chars().any(char::is_uppercase);
    let build = |pattern: &str| RegexBuilder::new(pattern).case_insensitive(any_case).size_limit(1 << 20).build();
    build(text).or_else(|_| build(&regex::escape(text))).unwrap_or_else(|_| never())
}

/// An expression that matches nothing: for text so long that even its literal form is refused.
fn never() -> Regex {
    Regex::new(r"[^\s\S]").expect("a constant expression")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_inverse_and_case() {
        assert!(Filter::parse("web").line("Web-66c8"));
        assert!(!Filter::parse("Web").line("web-66c8"));
        assert!(!Filter::parse("!web").line("web-66c8"));
        assert!(Filter::parse("!web").line("cart"));
        assert!(Filter::parse("^ca.t$").line("cart"));
        assert!(Filter::parse("").line("anything") && Filter::parse("!").is_empty());
    }

    #[test]
    fn broken_expressions_are_literal() {
        assert!(Filter::parse("a(b").line("xa(bx"));
        assert!(!Filter::parse("a(b").line("ab"));
    }

    #[test]
    fn an_unreadable_selector_hides_nothing_and_says_why() {
        let filter = Filter::parse("-l app in x");
        assert!(filter.is_empty());
        assert!(filter.error().unwrap().contains("parentheses"));
        assert!(Filter::parse("-l app=web").error().is_none());
    }

    #[test]
    fn huge_patterns_do_not_panic() {
        assert!(!Filter::parse(&"x".repeat(2_000_000)).line("y"));
    }
}
