//! Text from outside is data: control and bidi characters are taken out once, where it enters.

use std::borrow::Cow;

/// Whether a character may not reach a terminal: C0, DEL, C1, bidi controls, line separators,
/// and invisible formatting characters that could hide or reorder text.
fn unsafe_char(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line of text made safe: tabs and line breaks become a space, other unsafe characters vanish.
/// Borrowed when there was nothing to do.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(unsafe_char) {
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

/// Text of several lines made safe, line breaks kept, tabs expanded to two spaces.
/// A whole escape sequence (CSI, OSC) is removed, not only its first byte, so that logs of coloured programs read well.
pub fn clean_lines(text: &str) -> Vec<String> {
    text.lines().map(clean_log_line).collect()
}

/// One log line made safe: escape sequences removed whole, tabs to two spaces.
pub fn clean_log_line(line: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
