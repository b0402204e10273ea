//! `--ascii`: the drawn screen once more, every symbol as what it looks like in ASCII. One place for all screens, so
//! that none can forget it.

use crate::world::ascii::same_width;
use ratatui::buffer::Buffer;

/// Replaces everything that is not ASCII, cell by cell.
pub fn wash(buffer: &mut Buffer) {
    let width = usize::from(buffer.area.width).max(1);
    for n in 0..buffer.content.len() {
        if buffer.content[n].symbol().is_ascii() {
            continue;
        }
        let plain = same_width(buffer.content[n].symbol());
        let mut letters = plain.chars();
        buffer.content[n].set_char(letters.next().unwrap_or(' '));
        // A wide character stands in one cell and covers the next ones of its row.
        let row_end = (n / width + 1) * width;
        for at in n + 1..row_end {
            let Some(letter) = letters.next() else { break };
            buffer.content[at].set_char(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn what_is_wide_keeps_its_cells() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 2));
        buffer.set_string(0, 0, "─日本✓x", Style::new());
        buffer.set_string(8, 1, "日", Style::new());
        wash(&mut buffer);
        let row = |y: u16| (0..10).map(|x| buffer[(x, y)].symbol().to_string()).collect::<String>();
        assert_eq!(row(0), "-????+x   ");
        assert_eq!(row(1), "        ??");
    }
}
