//! What is visible of a table or list, as text: made once per change, compared with what was there before,
//! and painted as it is. So nothing is drawn when nothing visible changed.

use crate::world::quantity::Quantity;
use crate::world::row::{Cell, Tone};
use crate::world::time::{Time, human};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A visible part of a table.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Grid {
    /// The columns that fit.
    pub columns: Vec<GridColumn>,
    /// The rows that fit.
    pub rows: Vec<GridRow>,
    /// Where there are no rows: why.
    pub empty: Vec<String>,
}

/// A column with its place.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct GridColumn {
    /// Upper case.
    pub title: String,
    /// Columns of the terminal.
    pub width: u16,
    /// Numbers stand right.
    pub right: bool,
    /// Sorted by it: `Some(true)` largest first.
    pub sorted: Option<bool>,
    /// Chosen with Shift-arrows.
    pub chosen: bool,
}

/// A row as text.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct GridRow {
    /// As many as columns.
    pub cells: Vec<String>,
    /// How it stands.
    pub tone: Tone,
    /// Under the cursor.
    pub selected: bool,
    /// Marked with Space.
    pub marked: bool,
    /// Its cluster does not answer, or its table is old.
    pub stale: bool,
    /// One cell over the whole width.
    pub whole: bool,
    /// Which row of the table or list it shows; `None`: it belongs to the one above.
    pub at: Option<usize>,
}

impl Grid {
    /// Columns of space between two columns: two where there is room, else one.
    pub fn gap(&self, width: u16) -> u16 {
        let text: u16 = self.columns.iter().map(|column| column.width).sum();
        let between = self.columns.len().saturating_sub(1) as u16;
        if text + 2 * between < width { 2 } else { 1 }
    }

    /// The column whose title or cells stand at `x` of an area of this width.
    pub fn column_at(&self, x: u16, width: u16) -> Option<&GridColumn> {
        let gap = self.gap(width);
        let mut end = 1;
        self.columns.iter().find(|column| {
            end += column.width + gap;
            x < end
        })
    }

    /// The column whose right edge stands at `x` of an area of this width: the space behind it.
    pub fn edge_at(&self, x: u16, width: u16) -> Option<&GridColumn> {
        let gap = self.gap(width);
        let mut end = 1;
        self.columns.iter().find(|column| {
            end += column.width;
            let here = (end..end + gap).contains(&x);
            end += gap;
            here
        })
    }

    /// The row of the table or list at line `y` under the titles, counted from 0.
    pub fn row_at(&self, y: usize) -> Option<usize> {
        self.rows.get(..=y)?.iter().rev().find_map(|row| row.at)
    }

    /// The row under the cursor.
    pub fn selected(&self) -> Option<usize> {
        self.rows.iter().find(|row| row.selected).and_then(|row| row.at)
    }
}

impl GridRow {
    /// A line of text over the whole width.
    pub fn whole(text: String, tone: Tone) -> Self {
        Self { cells: vec![text], tone, whole: true, ..Self::default() }
    }
}

/// A cell as people read it; nothing known is `-`.
pub fn text(cell: &Cell, now: Time) -> String {
    match cell {
        Cell::Empty => "-".into(),
        Cell::Text(text) if text.is_empty() => "-".into(),
        Cell::Shared(text) if text.is_empty() => "-".into(),
        Cell::Text(text) => text.to_string(),
        Cell::Shared(text) => text.to_string(),
        Cell::Int(n) => n.to_string(),
        Cell::Count(n, Some(last)) if last.is_set() && *n > 0 => format!("{n} ({})", human(last.age(now))),
        Cell::Count(n, _) => n.to_string(),
        Cell::Ratio(part, whole) => format!("{part}/{whole}"),
        Cell::Since(at) if at.is_set() => human(at.age(now)),
        Cell::Since(_) => "-".into(),
        Cell::Bytes(n) => bytes(*n),
        Cell::Cpu(milli) if milli % 1000 == 0 => (milli / 1000).to_string(),
        Cell::Cpu(milli) => format!("{milli}m"),
    }
}

/// Bytes in the largest binary unit that leaves at least one digit before the point: `310Mi`, `6.2Gi`.
pub fn bytes(n: i64) -> String {
    let units = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let (mut value, mut unit) = (Quantity::whole(n).units() as f64, 0);
    while value.abs() >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 || value.abs() >= 10.0 {
        format!("{value:.0}{}", units[unit])
    } else {
        format!("{value:.1}{}", units[unit])
    }
}

/// Cuts text to a display width, with `…` where something is missing.
pub fn fit(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= width || text.width() <= width {
        return text.into();
    }
    if width == 0 {
        return "".into();
    }
    let (mut used, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        let w = c.width().unwrap_or(0);
        if used + w > width - 1 {
            break;
        }
        used += w;
        end = at + c.len_utf8();
    }
    format!("{}…", &text[..end]).into()
}

/// Cuts text to a display width in its middle, with `…` there, a little more kept of its start.
pub fn fit_middle(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= width || text.width() <= width || width < 5 {
        return fit(text, width);
    }
    let start = fit(text, width.div_ceil(2));
    let room = width - start.width();
    let mut used = 0;
    let end = text.char_indices().rev().take_while(|(_, c)| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    let end = end.last().map_or(text.len(), |(at, _)| at);
    format!("{start}{}", &text[end..]).into()
}

/// Lines of at most so many columns, broken at spaces where there are any.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let mut word = word;
        loop {
            let line = lines.last_mut().expect("there is always a line");
            if line.width() + word.trim_end().width() <= columns {
                line.push_str(word);
                break;
            }
            if !line.is_empty() {
                lines.push(String::new());
                continue;
            }
            // A word longer than a line is broken where it must be.
            let mut used = 0;
            let cut = word.char_indices().find(|(_, c)| {
                used += c.width().unwrap_or(0);
                used > columns
            });
            match cut {
                Some((at, _)) if at > 0 => {
                    line.push_str(&word[..at]);
                    word = &word[at..];
                    lines.push(String::new());
                }
                _ => {
                    line.push_str(word);
                    break;
                }
            }
        }
    }
    lines
}

/// Gives columns their widths: what they want where there is room; else the widest give way first, none below its
/// `least`; what still does not fit is left out from the right. Two columns of space between, one where it is tight.
pub fn fit_columns(wanted: &[usize], width: usize, least: &[usize]) -> (Vec<usize>, usize) {
    let mut widths = wanted.to_vec();
    loop {
        let count = widths.len();
        let total: usize = widths.iter().sum();
        for gap in [2, 1] {
            if total + gap * count.saturating_sub(1) <= width {
                return (widths, gap);
            }
        }
        let over = total + count.saturating_sub(1) - width;
        if !shrink(&mut widths, over, least) {
            if count <= 1 {
                return (vec![width; count], 1);
            }
            widths = wanted[..count - 1].to_vec();
        }
    }
}

/// Takes `over` from the columns that have the most to give; `false` when they cannot give that much.
fn shrink(widths: &mut [usize], over: usize, least: &[usize]) -> bool {
    let spare = |width: usize, n: usize| width.saturating_sub(least.get(n).copied().unwrap_or(width));
    if widths.iter().enumerate().map(|(n, width)| spare(*width, n)).sum::<usize>() < over {
        return false;
    }
    for _ in 0..over {
        if let Some((_, widest)) = widths.iter_mut().enumerate().max_by_key(|(n, width)| spare(**width, *n)) {
            *widest -= 1;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_read_like_kubectl() {
        let now = Time(1000);
        assert_eq!(text(&Cell::Count(14, Some(Time(880))), now), "14 (2m)");
        assert_eq!(text(&Cell::Count(0, Some(Time::NEVER)), now), "0");
        assert_eq!(text(&Cell::Ratio(1, 2), now), "1/2");
        assert_eq!(text(&Cell::Cpu(1500), now), "1500m");
        assert_eq!(text(&Cell::Cpu(2000), now), "2");
        assert_eq!(text(&Cell::Bytes(6_657_199_309), now), "6.2Gi");
        assert_eq!(text(&Cell::Since(Time::NEVER), now), "-");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(fit("日本語クラスタ", 7), "日本語…");
        assert_eq!(fit("web-1", 5), "web-1");
        assert_eq!(fit("web-12", 5), "web-…");
        assert_eq!(fit("web", 0), "");
        assert_eq!(fit_middle("reports-k8z9wqj87h-5svtv", 16), "reports…87h-5svtv".replace("87h", "7h"));
        assert_eq!(fit_middle("日本語クラスタ", 9), "日本…スタ");
    }

    proptest! {
        #[test]
        fn fitted_text_never_exceeds_its_width(text in "\\PC{0,40}", width in 0usize..30) {
            prop_assert!(fit(&text, width).width() <= width);
            prop_assert!(fit_middle(&text, width).width() <= width);
        }

        #[test]
        fn columns_never_exceed_the_screen(wanted in prop::collection::vec(0usize..80, 0..14), width in 1usize..200) {
            let (widths, gap) = fit_columns(&wanted, width, &vec![6; wanted.len()]);
            prop_assert!(widths.len() <= wanted.len());
            prop_assert!(widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1) <= width);
        }
    }
}
