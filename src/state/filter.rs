//! What is typed after `/`: a regular expression over the words of a row, `!` for the rows that do not match,
//! `-l` for a label selector.

use crate::world::row::Row;
use crate::world::selector::Selector;
use foldhash::fast::RandomState;
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::ops::Range;

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
    Words { words: Words, inverse: bool },
    /// Rows whose labels match.
    Labels(Selector),
    /// Both: `-l app=web /crash`.
    Both { labels: Selector, words: Words, inverse: bool },
    /// The selector is not finished or wrong: nothing is hidden, the sentence is shown.
    Wrong(String),
}

/// What words must match.
#[derive(Clone, Debug)]
enum Words {
    /// Text as it stands, in any case: what is typed nearly always, and quicker than an expression on short words.
    Plain(Box<[u8]>),
    /// An expression, or text of which the case matters.
    Pattern(Regex),
}

impl Words {
    fn parse(text: &str) -> Self {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_/: @".contains(&b);
        match text.bytes().all(plain) {
            true => Self::Plain(text.as_bytes().into()),
            false => Self::Pattern(pattern(text)),
        }
    }

    /// Where they stand in a text.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        match self {
            Self::Pattern(regex) => {
                regex.find_iter(text).map(|found| found.range()).filter(|r| !r.is_empty()).collect()
            }
            Self::Plain(wanted) => {
                let (mut found, mut at) = (vec![], 0);
                while let Some(here) = text.as_bytes().get(at..at + wanted.len()).filter(|_| !wanted.is_empty()) {
                    let hit = here.eq_ignore_ascii_case(wanted);
                    if hit {
                        found.push(at..at + wanted.len());
                    }
                    at += if hit { wanted.len() } else { 1 };
                }
                found
            }
        }
    }

    fn is_in(&self, text: &str) -> bool {
        let (wanted, text) = match self {
            Self::Pattern(regex) => return regex.is_match(text),
            Self::Plain(wanted) => (wanted, text.as_bytes()),
        };
        let Some(first) = wanted.first() else { return true };
        let Some(last) = text.len().checked_sub(wanted.len()) else { return false };
        memchr::memchr2_iter(*first, first.to_ascii_uppercase(), &text[..=last])
            .any(|at| text[at..at + wanted.len()].eq_ignore_ascii_case(wanted))
    }
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
        } else if let Some(rest) = typed.strip_prefix("-l") {
            // A key may hold a slash, but none begins with one.
            let (selector, words) = rest.split_once(" /").unwrap_or((rest, ""));
            let (inverse, words) = words.strip_prefix('!').map_or((false, words.trim()), |words| (true, words.trim()));
            match Selector::parse(selector.trim()) {
                Err(reason) => Test::Wrong(reason),
                Ok(labels) if words.is_empty() => Test::Labels(labels),
                Ok(labels) => Test::Both { labels, words: Words::parse(words), inverse },
            }
        } else {
            let (inverse, words) = typed.strip_prefix('!').map_or((false, typed), |rest| (true, rest.trim()));
            Test::Words { words: Words::parse(words), inverse }
        };
        Self { text: typed.into(), test }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it can let nothing pass that another does not: one more letter of plain text.
    pub fn narrows(&self, other: &Filter) -> bool {
        use Words::Plain;
        match (&self.test, &other.test) {
            (Test::Words { words: Plain(new), inverse: false }, Test::Words { words: Plain(old), inverse: false }) => {
                memchr::memmem::find(new, old).is_some()
            }
            _ => false,
        }
    }

    /// The text in lower case that the words of a row must hold, or (`true`) must not, where that is all.
    pub fn plain(&self) -> Option<(&[u8], bool)> {
        match &self.test {
            Test::Words { words: Words::Plain(wanted), inverse } => Some((wanted, *inverse)),
            _ => None,
        }
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
            Test::Words { words, inverse } | Test::Both { words, inverse, .. } => words.is_in(text) != *inverse,
            _ => true,
        }
    }

    /// Where a line of text holds what is looked for; nowhere when the others are.
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        match &self.test {
            Test::Words { words, inverse: false } | Test::Both { words, inverse: false, .. } => words.places(text),
            _ => vec![],
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

impl<'a> Word<'a> {
    /// The word.
    pub fn text(self) -> &'a str {
        match self {
            Self::Own(text) | Self::Shared(text) => text,
        }
    }
}

impl Sieve<'_> {
    /// Whether a row passes; `words` calls back with each word of the row until told to stop (`true`).
    pub fn row(&mut self, row: &Row, words: impl FnOnce(&mut dyn FnMut(Word) -> bool)) -> bool {
        match self.test {
            Test::All | Test::Wrong(_) => true,
            Test::Labels(selector) => selector.matches_with(|key| row.meta.label(key)),
            Test::Both { labels, .. } if !labels.matches_with(|key| row.meta.label(key)) => false,
            Test::Words { words: wanted, inverse } | Test::Both { words: wanted, inverse, .. } => {
                let mut hit = false;
                words(&mut |word| {
                    hit |= match word {
                        Word::Own(text) => wanted.is_in(text),
                        Word::Shared(text) => *self.known.entry(text.as_ptr()).or_insert_with(|| wanted.is_in(text)),
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
    fn plain_text_is_found_as_an_expression_finds_it() {
        for wanted in ["web", "b-1", "1", "", "web-12"] {
            for text in ["web-12", "WEB-1", "wweb", "we", "", "x-web", "\u{212a}web", "wéb-1"] {
                assert_eq!(Words::parse(wanted).is_in(text), pattern(wanted).is_match(text), "{wanted:?} in {text:?}");
            }
        }
        assert!(matches!(Words::parse("web.1"), Words::Pattern(_)) && matches!(Words::parse("Web"), Words::Pattern(_)));
    }

    #[test]
    fn places_are_those_that_an_expression_finds() {
        assert_eq!(Filter::parse("ab").places("xABab é ab"), [1..3, 3..5, 9..11]);
        assert_eq!(Filter::parse("a.").places("xABab"), [1..3, 3..5]);
        assert!(Filter::parse("x*").places("ab").is_empty());
        assert!(Filter::parse("!ab").places("ab").is_empty());
        assert!(Filter::parse("").places("ab").is_empty());
    }

    #[test]
    fn a_filter_narrows_what_it_contains() {
        let narrows = |new: &str, old: &str| Filter::parse(new).narrows(&Filter::parse(old));
        assert!(narrows("web", "we") && narrows("web", "eb") && narrows("we", "we"));
        for (new, old) in [("we", "web"), ("!web", "!we"), ("web", "!we"), ("w.b", "w"), ("-l a=b", "-l a"), ("we", "")]
        {
            assert!(!narrows(new, old), "{new} {old}");
        }
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
    fn a_selector_and_words_hold_together() {
        let filter = Filter::parse("-l app.kubernetes.io/name in (web, cart) /!crash");
        assert!(filter.error().is_none() && !filter.is_empty());
        assert!(filter.line("web Running") && !filter.line("web CrashLoopBackOff"));
        assert!(Filter::parse("-l a=b /").line("anything"));
    }

    #[test]
    fn huge_patterns_do_not_panic() {
        assert!(!Filter::parse(&"x".repeat(2_000_000)).line("y"));
    }
}
