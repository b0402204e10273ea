//! A backend that knows where cells of links lead; see `ui::link`.

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::Color;
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// URLs by the number that their cells carry.
pub type Table = Rc<RefCell<Vec<(Color, String)>>>;

/// Terminals that open OSC 8 links, by their name.
const NAMES: &[&str] = &["kitty", "alacritty", "foot", "wezterm", "ghostty", "contour", "rio", "konsole"];
/// The same, by TERM_PROGRAM.
const PROGRAMS: &[&str] =
    &["iTerm.app", "WezTerm", "ghostty", "vscode", "Hyper", "rio", "WarpTerminal", "Tabby", "mintty"];

/// Whether the terminal is known to take links. `wanted` is `[ui] links`.
pub fn detect(wanted: Option<&str>, env: &dyn Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    match wanted {
        Some("on") => return true,
        Some("off") => return false,
        _ => {}
    }
    let (term, program) = (set("TERM").unwrap_or_default(), set("TERM_PROGRAM").unwrap_or_default());
    // GNU screen swallows them, and what it shows of them is the rest.
    if set("STY").is_some() || matches!(term.as_str(), "" | "dumb" | "linux") {
        return false;
    }
    // tmux hands them on from 3.4, and drops them where the terminal around it does not take them.
    if set("TMUX").is_some() {
        let version = set("TERM_PROGRAM_VERSION").unwrap_or_default();
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
        return program == "tmux" && (numbers.next(), numbers.next()) >= (Some(3), Some(4));
    }
    // VTE (GNOME Terminal and its kin) since 0.50.
    let vte = set("VTE_VERSION").and_then(|version| version.parse::<u32>().ok()).is_some_and(|version| version >= 5000);
    vte || set("WT_SESSION").is_some()
        || set("KONSOLE_VERSION").is_some()
        || PROGRAMS.contains(&program.as_str())
        || NAMES.iter().any(|name| term.contains(name))
}

/// Writes cells, with the code of their link around them.
pub struct Linked<W: Write> {
    inner: CrosstermBackend<W>,
    table: Table,
}

impl<W: Write> Linked<W> {
    /// A backend for a writer; the table is filled before each frame.
    pub fn new(writer: W, table: Table) -> Self {
        Self { inner: CrosstermBackend::new(writer), table }
    }
}

impl<W: Write> Write for Linked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.inner, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.inner)
    }
}

impl<W: Write> Backend for Linked<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        let table = self.table.borrow();
        while let Some(number) = content.peek().map(|(.., cell)| cell.underline_color) {
            let alike: Vec<(u16, u16, Cell)> =
                std::iter::from_fn(|| content.next_if(|(.., cell)| cell.underline_color == number))
                    .map(|(x, y, cell)| {
                        let mut cell = cell.clone();
                        cell.underline_color = Color::Reset;
                        (x, y, cell)
                    })
                    .collect();
            let cells = alike.iter().map(|(x, y, cell)| (*x, *y, cell));
            match table.iter().find(|(known, _)| *known == number) {
                Some((Color::Rgb(r, g, b), url)) => {
                    // The id joins what stands on several lines, and parts that are drawn at different times.
                    write!(self.inner, "\x1b]8;id=k{r:02x}{g:02x}{b:02x};{url}\x1b\\")?;
                    self.inner.draw(cells)?;
                    write!(self.inner, "\x1b]8;;\x1b\\")?;
                }
                _ => self.inner.draw(cells)?,
            }
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn append_lines(&mut self, lines: u16) -> io::Result<()> {
        self.inner.append_lines(lines)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_environment_says_who_takes_links() {
        let on = |set: &'static [(&'static str, &'static str)]| {
            detect(None, &move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
        };
        assert!(on(&[("TERM", "xterm-kitty")]));
        assert!(on(&[("TERM", "xterm-256color"), ("VTE_VERSION", "7006")]));
        assert!(!on(&[("TERM", "xterm-256color"), ("VTE_VERSION", "4800")]));
        assert!(!on(&[("TERM", "xterm-256color")]) && !on(&[("TERM", "linux")]));
        assert!(!on(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "Apple_Terminal")]));
        let tmux =
            [("TERM", "tmux-256color"), ("TMUX", "x"), ("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "3.5a")];
        let of = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            detect(None, &move |name| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
        };
        assert!(of(&tmux));
        assert!(!of(&[tmux[0], tmux[1], tmux[2], ("TERM_PROGRAM_VERSION", "3.3a")]));
        assert!(!of(&[("TERM", "xterm-kitty"), ("STY", "1.tty")]));
        assert!(detect(Some("on"), &|_| None) && !detect(Some("off"), &|_| Some("xterm-kitty".into())));
    }

    #[test]
    fn cells_of_a_link_stand_between_its_codes_and_no_other() {
        let number = Color::Rgb(1, 2, 3);
        let table = Table::default();
        table.borrow_mut().push((number, "https://a.example/".into()));
        let cell = |symbol: &'static str, of: Color| {
            let mut cell = Cell::new(symbol);
            cell.underline_color = of;
            cell
        };
        let cells = [cell("a", Color::Reset), cell("b", number), cell("c", number), cell("d", Color::Rgb(9, 9, 9))];
        let out = Shared::default();
        let mut backend = Linked::new(out.clone(), table);
        let content = cells.iter().enumerate().map(|(x, cell)| (x as u16, 0, cell));
        backend.draw(content).unwrap();
        let text = String::from_utf8(out.0.borrow().clone()).unwrap();
        let (before, rest) = text.split_once("\x1b]8;id=k010203;https://a.example/\x1b\\").expect("the link begins");
        let (inside, after) = rest.split_once("\x1b]8;;\x1b\\").expect("the link ends");
        assert!(before.contains('a') && !before.contains('b'));
        assert!(inside.contains("bc") && !inside.contains('d') && after.contains('d'));
        assert!(!text.contains("58:") && !text.contains("58;2"), "no underline gets a colour: {text:?}");
    }
}
