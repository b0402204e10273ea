//! URLs on screen, for terminals that open them (OSC 8).
//!
//! A cell cannot hold a URL, and an escape code in its text would spoil the count of columns by which frames are compared.
//! So a cell of a link carries a number where the colour of an underline stands, which nothing here uses otherwise; who
//! writes to the terminal knows the URL of each number. Frames are compared by cells, so links are too.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use std::ops::Range;
use unicode_width::UnicodeWidthStr;

/// The longest URL that becomes a link.
const LONGEST: usize = 2000;

/// URLs by the number that their cells carry.
pub type Links = Vec<(Color, String)>;

/// The number of a URL, the same in every frame. (FNV-1a, folded to the 24 bits that a colour has.)
fn number(url: &str) -> Color {
    let hash = url.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let hash = (hash >> 24) ^ hash;
    let [_, r, g, b] = hash.to_be_bytes();
    Color::Rgb(r, g, b)
}

/// The URLs in a text, as byte ranges: `http://` or `https://` and what may stand in a URL, without what ends a sentence.
pub fn urls(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(from..)?;
            let at = from + ["http://", "https://"].iter().filter_map(|scheme| rest.find(scheme)).min()?;
            let scheme = if text[at..].starts_with("https://") { 8 } else { 7 };
            let length = text[at..].find(|c: char| !allowed(c)).unwrap_or(text.len() - at);
            let url = text[at..at + length].trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ')', ']', '*']);
            from = at + length.max(scheme);
            if url.len() > scheme {
                return Some(at..at + url.len());
            }
        }
    })
}

/// Characters of a URL (RFC 3986, 2); everything else would have to be escaped.
fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

/// Makes links of the URLs that stand in a row of the screen. `whole` is the text that the row shows a part of: a URL that
/// is cut at the edge leads where the whole one does.
pub fn mark(buffer: &mut Buffer, row: Rect, whole: &str, links: &mut Links) {
    let row = row.intersection(buffer.area);
    if row.is_empty() || !whole.contains("://") {
        return;
    }
    let (mut shown, mut columns) = (String::new(), vec![]);
    let mut x = row.left();
    while x < row.right() {
        let symbol = buffer[(x, row.y)].symbol();
        columns.extend(std::iter::repeat_n(x, symbol.len()));
        shown.push_str(symbol);
        x += (symbol.width() as u16).max(1);
    }
    let found: Vec<Range<usize>> = urls(&shown).collect();
    for at in found {
        let part = &shown[at.clone()];
        let Some(url) = urls(whole).map(|range| &whole[range]).find(|url| url.starts_with(part)) else { continue };
        let cells = columns[at.start]..=columns[at.end - 1];
        set(buffer, Rect { x: *cells.start(), width: cells.end() - cells.start() + 1, ..row }, url, links);
    }
}

/// Makes links of what stands of URLs in one row of a text that goes on over several. `at` begins where the row's text
/// does; `part` is the range of `whole` that stands there. A URL is one link in all of its rows.
pub fn mark_part(buffer: &mut Buffer, at: Rect, whole: &str, part: Range<usize>, links: &mut Links) {
    if !whole.contains("://") {
        return;
    }
    for url in urls(whole) {
        let (from, to) = (url.start.max(part.start), url.end.min(part.end));
        let (Some(before), Some(shown)) = (whole.get(part.start..from), whole.get(from..to)) else { continue };
        let (skip, columns) = (before.width() as u16, shown.width() as u16);
        let area = Rect { x: at.x.saturating_add(skip), width: columns, height: 1, ..at }.intersection(at);
        set(buffer, area, &whole[url], links);
    }
}

/// Makes a link of an area.
pub fn set(buffer: &mut Buffer, area: Rect, url: &str, links: &mut Links) {
    let area = area.intersection(buffer.area);
    if area.is_empty() || url.len() > LONGEST || !url.chars().all(allowed) {
        return;
    }
    let number = number(url);
    match links.iter().find(|(known, _)| *known == number) {
        // Two URLs of one number: the second is none.
        Some((_, known)) if known != url => return,
        Some(_) => {}
        None => links.push((number, url.into())),
    }
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            buffer[(x, y)].underline_color = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<&str> {
        urls(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn urls_end_where_the_sentence_goes_on() {
        assert_eq!(
            found("see https://a.example/x?y=1#z, or (http://b:80/)."),
            ["https://a.example/x?y=1#z", "http://b:80/"]
        );
        assert_eq!(found("https:// http://x"), ["http://x"]);
        assert_eq!(found("\"https://é.example\" https://ok.example/ä"), ["https://ok.example/"]);
        assert!(found("ftp://x javascript://y").is_empty());
    }

    /// The parts of a row, and where each leads.
    fn marked(text: &str, width: u16) -> Vec<(String, String)> {
        let area = Rect::new(0, 0, width, 1);
        let mut buffer = Buffer::empty(area);
        buffer.set_stringn(0, 0, text, usize::from(width), ratatui::style::Style::default());
        let mut links = vec![];
        mark(&mut buffer, area, text, &mut links);
        links
            .iter()
            .map(|(number, url)| {
                let cells = buffer.content.iter().filter(|cell| cell.underline_color == *number);
                (cells.map(|cell| cell.symbol()).collect(), url.clone())
            })
            .collect()
    }

    #[test]
    fn a_url_that_is_cut_leads_where_the_whole_one_does() {
        let text = "日本 https://a.example/long/way?x=1 and https://b.example";
        assert_eq!(
            marked(text, 24),
            [("https://a.example/l".to_string(), "https://a.example/long/way?x=1".to_string())]
        );
        let all = marked(text, 80);
        assert_eq!(all.iter().map(|(shown, url)| shown == url).collect::<Vec<_>>(), [true, true]);
    }

    /// Every row of a URL that goes on over several is the same link, up to where the URL ends.
    #[test]
    fn a_url_over_several_rows_is_one_link() {
        let whole = "日本 https://a.example/long/way?x=1, and";
        let parts = ["日本 https://a", ".example/long", "/way?x=1, and"];
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 3));
        let (mut links, mut start) = (vec![], 0);
        for (y, part) in (0..).zip(parts) {
            buffer.set_string(2, y, part, ratatui::style::Style::default());
            let at = Rect { x: 2, y, width: 18, height: 1 };
            mark_part(&mut buffer, at, whole, start..start + part.len(), &mut links);
            start += part.len();
        }
        let [(number, url)] = links.as_slice() else { panic!("one link: {links:?}") };
        assert_eq!(url, "https://a.example/long/way?x=1");
        let cells = buffer.content.iter().filter(|cell| cell.underline_color == *number);
        assert_eq!(cells.map(|cell| cell.symbol()).collect::<String>(), *url);
    }

    proptest! {
        #[test]
        fn nothing_that_could_end_the_code_is_part_of_a_url(text in ".{0,40}(https?://.{0,40}){0,3}") {
            for url in found(&text) {
                prop_assert!(url.chars().all(|c| c.is_ascii_graphic()) && url.starts_with("http"), "{:?}", url);
            }
        }
    }
}
