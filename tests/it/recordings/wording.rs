//! Whether a text says a fact, be it in other words: in another order, in the plural, with another unit of time.
//!
//! A statement (one line of the report, unbroken) says a fact when it holds every word of it that means something.
//! Words that mean nothing by themselves are left out, endings are cut, quotes and brackets do not count. A time is met
//! by one that is the same in the unit of the fact: `~9m` by 8m53s, `3 days` by 3d, `over 50 minutes` by 55m.

/// Words without a meaning of their own.
const SMALL: &[&str] = &["a", "an", "the", "is", "are", "was", "of", "in", "on", "at", "for", "to", "and", "it", "its"];

/// A word, or a time in seconds with its smallest unit.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Time { seconds: u64, unit: u64, about: bool, least: bool },
}

/// Whether one of the statements says the fact.
pub fn says<'t>(mut statements: impl Iterator<Item = &'t str>, fact: &str) -> bool {
    let wanted = tokens(fact);
    statements.any(|statement| {
        let said = tokens(statement);
        wanted.iter().all(|token| said.iter().any(|other| meets(other, token)))
    })
}

fn meets(said: &Token, wanted: &Token) -> bool {
    match (said, wanted) {
        (Token::Word(a), Token::Word(b)) => a == b,
        (Token::Time { seconds: said, .. }, Token::Time { seconds, unit, about, least }) => {
            let off = said.abs_diff(*seconds);
            off * 2 <= *unit
                || (*about && off * 10 <= *seconds)
                || (*least && said >= seconds)
                || said / unit * unit == *seconds
        }
        _ => false,
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let lower = text.to_lowercase();
    let apart = |c: char| !(c.is_alphanumeric() || ".-~%".contains(c));
    let words = lower.split(apart).flat_map(parts).map(|w| w.trim_matches(['.', '-'])).filter(|w| !w.is_empty());
    let words: Vec<&str> = words.collect();
    let mut found = Vec::new();
    let mut n = 0;
    while let Some(word) = words.get(n) {
        let least = n > 0 && words[n - 1] == "over";
        let next = words.get(n + 1).copied().unwrap_or_default();
        let long = word.parse::<u64>().ok().zip(unit_word(next));
        n += if long.is_some() { 2 } else { 1 };
        match (long, short_time(word.trim_start_matches('~'))) {
            (Some((count, unit)), _) => found.push(Token::Time { seconds: count * unit, unit, about: false, least }),
            (None, Some((seconds, unit))) => {
                found.push(Token::Time { seconds, unit, about: word.starts_with('~'), least });
            }
            // What follows `over` may be no time at all.
            _ if *word == "over" && words.get(n).is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit())) => {}
            _ if SMALL.contains(word) => {}
            _ => found.push(Token::Word(stem(word).to_owned())),
        }
    }
    found
}

/// A path is as good as its parts; the point of a number is none between words.
fn parts(word: &str) -> Vec<&str> {
    match word.contains(|c: char| c.is_ascii_digit()) {
        true => vec![word],
        false => word.split('.').collect(),
    }
}

fn unit_word(word: &str) -> Option<u64> {
    match word {
        "second" | "seconds" => Some(1),
        "minute" | "minutes" => Some(60),
        "hour" | "hours" => Some(3_600),
        "day" | "days" => Some(86_400),
        _ => None,
    }
}

/// `8m53s` in seconds, and its smallest unit.
fn short_time(word: &str) -> Option<(u64, u64)> {
    let (mut sum, mut unit, mut number) = (0, 0, String::new());
    for c in word.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        sum += std::mem::take(&mut number).parse::<u64>().ok()? * unit;
    }
    (unit > 0 && number.is_empty()).then_some((sum, unit))
}

/// Without the ending of a plural or of a past: `requested`, `requests` and `request` are one.
fn stem(word: &str) -> &str {
    if word.len() < 4 || !word.chars().all(|c| c.is_ascii_alphabetic()) {
        return word;
    }
    word.strip_suffix("ed").or_else(|| word.strip_suffix('s').filter(|w| !w.ends_with('s'))).unwrap_or(word)
}

#[test]
fn facts_are_known_in_other_words() {
    let says = |text: &str, fact: &str| says([text].into_iter(), fact);
    assert!(says("It requests 2Gi memory, and no node has that free", "2Gi memory requested"));
    assert!(says("lease 8m53s old", "lease ~9m old") && !says("lease 5m old", "lease ~9m old"));
    assert!(
        says("Evicted 3d ago", "3 days") && says("Evicted 3d4h ago", "3 days") && !says("Evicted 4d ago", "3 days")
    );
    assert!(says("not reconciled for over 55 minutes", "not reconciled for over 50 minutes"));
    assert!(!says("not reconciled for over 45 minutes", "not reconciled for over 50 minutes"));
    assert!(says("wants pool=platform; nodes have platform (2)", "2 nodes of pool platform"));
    assert!(!says("wants pool=platform; nodes have platform (3)", "2 nodes of pool platform"));
    assert!(!says("Secret app/db exists", "app-config exists"), "another object");
    assert!(!says("revision 1 ran as user 5", "revision 1 ran as root"));
}
