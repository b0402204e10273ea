//! The same in ASCII: for terminals, fonts and screen readers that know nothing else (`--ascii`).

use unicode_width::UnicodeWidthChar;

/// What stands for a character that is one column wide, in one column; `None` where nothing looks or reads like it.
fn alike(c: char) -> Option<char> {
    Some(match c {
        '─' | '━' | '═' | '–' | '—' | '‐' | '‑' | '−' | '╌' | '┄' => '-',
        '│' | '┃' | '║' | '╎' | '┆' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' | '╔' | '╗' | '╚' | '╝' | '╠'
        | '╣' => '+',
        '…' | '≈' | '∼' => '~',
        '·' | '•' | '∙' | '‧' => '.',
        '●' | '◉' | '★' | '■' | '◆' => '*',
        '○' | '◌' | '□' | '◇' => 'o',
        '▸' | '▶' | '►' | '›' | '→' | '⏵' | '≥' | '»' => '>',
        '◂' | '◀' | '◄' | '‹' | '←' | '≤' | '«' => '<',
        '↑' | '▲' | '△' | '⇑' => '^',
        '↓' | '▼' | '▽' | '▾' | '⇓' => 'v',
        '✓' | '✔' => '+',
        '✗' | '✘' | '×' | '✕' => 'x',
        '⏎' | '↵' => '<',
        '’' | '‘' | '′' => '\'',
        '“' | '”' | '″' => '"',
        // A sparkline keeps its shape.
        '▁' => '_',
        '▂' => '.',
        '▃' => ':',
        '▄' => '-',
        '▅' => '=',
        '▆' => '+',
        '▇' => '*',
        '█' | '▓' | '▒' => '#',
        '░' => '.',
        'ä' | 'á' | 'à' | 'â' | 'å' | 'ã' => 'a',
        'ö' | 'ó' | 'ò' | 'ô' | 'õ' | 'ø' => 'o',
        'ü' | 'ú' | 'ù' | 'û' | 'µ' | 'μ' => 'u',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ç' => 'c',
        'Ä' | 'Á' | 'À' | 'Â' | 'Å' => 'A',
        'Ö' | 'Ó' | 'Ò' | 'Ô' | 'Ø' => 'O',
        'Ü' | 'Ú' | 'Ù' | 'Û' => 'U',
        'É' | 'È' | 'Ê' => 'E',
        '\u{a0}' => ' ',
        '²' => '2',
        '³' => '3',
        'ⁿ' => 'n',
        _ => return None,
    })
}

/// A text in ASCII that takes the same columns; what has no likeness becomes `?`, a mark on a letter goes.
pub fn same_width(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (c.is_ascii(), alike(c)) {
            (true, _) => out.push(c),
            (false, Some(like)) => out.push(like),
            (false, None) => out.extend(std::iter::repeat_n('?', c.width().unwrap_or(0))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn symbols_become_what_they_look_like() {
        assert_eq!(same_width("┌─┐ ✓ web-… ▸ ↓ ▁▄█ prod · eu"), "+-+ + web-~ > v _-# prod . eu");
        assert_eq!(same_width("日本 läuft e\u{301}"), "???? lauft e");
    }

    proptest! {
        #[test]
        fn it_is_ascii_and_keeps_its_columns(text in "[ -~─…✓▸▁äéñ日本ク]{0,40}") {
            let plain = same_width(&text);
            prop_assert!(plain.is_ascii());
            prop_assert_eq!(plain.width(), text.width());
        }
    }
}
