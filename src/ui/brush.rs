//! Writing into the buffer by meaning, cut to an area by display width.

use super::link::{self, Links};
use crate::state::grid::fit;
use crate::theme::{Meaning, Theme, colour::readable_on};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr;

/// A buffer with the looks of a theme.
pub struct Brush<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
    /// `None`: the terminal takes no links.
    links: Option<Links>,
}

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// A column free on both sides.
pub fn inset(area: Rect) -> Rect {
    Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area }
}

/// The n-th row of an area; without height beyond its end.
pub fn row(area: Rect, n: usize) -> Rect {
    match u16::try_from(n) {
        Ok(n) if n < area.height => Rect { y: area.y + n, height: 1, ..area },
        _ => Rect { height: 0, ..area },
    }
}

impl<'a> Brush<'a> {
    /// A brush for a buffer.
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme, links: bool) -> Self {
        Self { buffer, theme, links: links.then(Vec::new) }
    }

    /// Where the links lead that were drawn.
    pub fn links(self) -> Links {
        self.links.unwrap_or_default()
    }

    /// Makes links of the URLs in a row, which shows a part of this text.
    pub fn link_urls(&mut self, row: Rect, whole: &str) {
        if let Some(links) = &mut self.links {
            link::mark(self.buffer, row, whole, links);
        }
    }

    /// Makes links of what stands of URLs in one row of a text that goes on over several; see [`link::mark_part`].
    pub fn link_part(&mut self, at: Rect, whole: &str, part: std::ops::Range<usize>) {
        if let Some(links) = &mut self.links {
            link::mark_part(self.buffer, at, whole, part, links);
        }
    }

    /// Makes a link of an area.
    pub fn link(&mut self, area: Rect, url: &str) {
        if let Some(links) = &mut self.links {
            link::set(self.buffer, area, url, links);
        }
    }

    /// The look of a meaning.
    pub fn look(&self, meaning: Meaning) -> Style {
        self.theme.style(meaning)
    }

    /// Gives every cell of an area a look; text on it stays.
    pub fn fill(&mut self, area: Rect, meaning: Meaning) {
        let style = self.look(meaning);
        self.buffer.set_style(area, style);
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buffer[(x, y)].reset();
            }
        }
        self.fill(area, Meaning::Text);
    }

    /// One line of text, cut with `…`.
    pub fn line(&mut self, area: Rect, text: &str, meaning: Meaning) {
        self.put(area, &fit(text, area.width.into()), self.look(meaning));
    }

    /// Text as it is, cut hard at the edge; returns the columns used.
    pub fn put(&mut self, area: Rect, text: &str, style: Style) -> u16 {
        let area = area.intersection(self.buffer.area);
        if area.is_empty() {
            return 0;
        }
        let (x, _) = self.buffer.set_stringn(area.x, area.y, text, area.width.into(), style);
        x - area.x
    }

    /// Pieces of text behind each other; the last that fits is cut with `…`.
    pub fn spans(&mut self, area: Rect, spans: &[(Meaning, String)]) -> u16 {
        let mut used = 0;
        for (meaning, text) in spans {
            let rest = Rect { x: area.x + used, width: area.width.saturating_sub(used), ..area };
            if rest.is_empty() {
                break;
            }
            used += self.put(rest, &fit(text, rest.width.into()), self.look(*meaning));
        }
        used
    }

    /// A name on the accent of its cluster; without one, or without colours, as its meaning says.
    pub fn badge(&self, meaning: Meaning, accent: Option<&String>) -> Style {
        let colour = accent.filter(|_| self.theme.coloured()).and_then(|accent| self.theme.colour(accent).ok());
        match colour {
            Some(ground) => Style::new().bg(ground).fg(readable_on(ground)).add_modifier(Modifier::BOLD),
            None => self.look(meaning),
        }
    }

    /// A horizontal rule.
    pub fn rule(&mut self, area: Rect) {
        let text = "─".repeat(area.width.into());
        self.put(area, &text, self.look(Meaning::Border));
    }

    /// A frame with a title; returns what is inside.
    pub fn frame(&mut self, area: Rect, title: &str, meaning: Meaning) -> Rect {
        if area.width < 4 || area.height < 3 {
            return area;
        }
        let style = self.look(meaning);
        let across = "─".repeat(usize::from(area.width) - 2);
        self.put(row(area, 0), &format!("┌{across}┐"), style);
        self.put(row(area, usize::from(area.height) - 1), &format!("└{across}┘"), style);
        for n in 1..usize::from(area.height) - 1 {
            let line = row(area, n);
            self.put(Rect { width: 1, ..line }, "│", style);
            self.put(Rect { x: line.x + line.width - 1, width: 1, ..line }, "│", style);
        }
        if !title.is_empty() {
            let room = Rect { x: area.x + 2, width: area.width - 4, height: 1, ..area };
            self.line(room, &format!(" {title} "), meaning);
        }
        Rect { x: area.x + 2, y: area.y + 1, width: area.width - 4, height: area.height - 2 }
    }

    /// Gives the border of an area the accent of a cluster, where the theme has colours at all.
    pub fn recolour_frame(&mut self, area: Rect, accent: &str) {
        let Ok(colour) = self.theme.colour(accent) else { return };
        if !self.theme.coloured() || area.width < 2 || area.height < 2 {
            return;
        }
        let style = Style::default().fg(colour);
        let (right, bottom) = (area.x + area.width - 1, area.y + area.height - 1);
        for edge in [
            Rect { height: 1, ..area },
            Rect { y: bottom, height: 1, ..area },
            Rect { width: 1, ..area },
            Rect { x: right, width: 1, ..area },
        ] {
            self.buffer.set_style(edge, style);
        }
    }
}
