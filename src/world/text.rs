//! Text from outside is data: control and bidi characters are taken out once, where it enters.

use std::borrow::Cow;

/// Whether a character may not reach a terminal: C0, DEL, C1, bidi controls, line separators,
/// and invisible formatting characters that could hide or reorder text. Variation selectors and skin tones too:
/// terminals disagree about how wide they make what stands before them, and columns would move.
fn unsafe_char(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line of text made safe: tabs and line breaks become a space, other unsafe characters vanish.
/// Borrowed when there was nothing to do.
pub fn clean(text: &str) -> Cow<'_, str> {
    // Nearly all text is plain ASCII, and every string of every object comes through here.
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) || !text.chars().any(unsafe_char) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .filter_map(|c| match c {
                '\n' | '\t' | '\r' => Some(' '),
                c if unsafe_char(c) => None,
                c => Some(c),
            })
            .collect(),
    )
}

/// `1 node`, `3 nodes`
pub fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Text of several lines made safe, line breaks kept, tabs expanded to two spaces.
/// A whole escape sequence (CSI, OSC) is removed, not only its first byte, so that logs of coloured programs read well.
pub fn clean_lines(text: &str) -> Vec<String> {
    text.lines().map(clean_log_line).collect()
}

/// One log line made safe: escape sequences removed whole, tabs to two spaces.
pub fn clean_log_line(line: &str) -> String {
    // Nearly all lines are plain, and there may be a hundred thousand of them in a second.
    if line.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return line.into();
    }
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' => out.push_str("  "),
            c if unsafe_char(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Drops the rest of an escape sequence whose ESC was just read (ECMA-48: CSI, OSC and the string kinds, two-byte).
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some('(' | ')' | '*' | '+' | '#' | ' ') => drop(chars.next()),
        _ => {}
    }
}

/// The candidate closest to a word, near enough to be a typo of it (at most a third of its letters changed).
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to change, add, drop or swap with their neighbour (optimal string alignment).
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// Words at spaces; `'…'` and `"…"` keep them together.
pub fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (vec![], String::new(), None, false);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => (quote, open) = (Some(c), true),
            (c, None) if c.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (c, None) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        assert_eq!(split(" pods  shop '/a b' \"x y\" "), ["pods", "shop", "/a b", "x y"]);
        assert_eq!(split("pods ''"), ["pods", ""]);
        assert!(split("  ").is_empty());
    }

    #[test]
    fn clean_text_is_borrowed() {
        assert!(matches!(clean("web-66c8 läuft 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn escapes_and_bidi_vanish() {
        assert_eq!(clean("a\x1b[31mb\u{202e}c\nd"), "a[31mbc d");
        assert_eq!(clean_log_line("\x1b[31mred\x1b[0m \x1b]0;title\x07x\ty"), "red x  y");
        assert_eq!(clean_log_line("cut \x1b[3"), "cut ");
    }

    #[test]
    fn typos_find_their_word() {
        assert_eq!(closest("stagnig", ["prod", "staging"]), Some("staging"));
        assert_eq!(closest("zzz", ["prod", "staging"]), None);
    }
}
