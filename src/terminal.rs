//! The guard that always gives the terminal back: on return, on panic, on signals, and around a child program.

mod around;
pub mod input;
pub mod links;

pub use around::{Around, Notify};

use base64::Engine;
use crossterm::event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::layout::Rect;
use ratatui::style::Color;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the terminal is in our hands (raw mode, alternate screen). Read by the panic hook and by signal handlers.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether mouse events are wanted; kept while the terminal is lent.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Whether the terminal is lent to another program.
static LENT: AtomicBool = AtomicBool::new(false);

/// Clicks, the wheel, and motion while a button is held, with coordinates beyond column 223 (xterm's modes 1002 and
/// 1006); no other motion, which would cost bytes on every move.
const MOUSE_ON: &[u8] = b"\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1002l";

/// Keeps the title (xterm's window operation 22), and asks terminals that reorder right-to-left text (BDSM, ECMA-48
/// mode 8) to leave columns where they are.
const PREPARE: &[u8] = b"\x1b[22;2t\x1b[8l";
const UNPREPARE: &[u8] = b"\x1b[8h\x1b[23;2t";

/// The terminal while the cockpit is on it; dropping it gives the terminal back.
pub struct Screen {
    terminal: Terminal<links::Linked<BufWriter<Stdout>>>,
    /// Where the links of the frame lead.
    links: links::Table,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, hidden cursor, bracketed paste.
    ///
    /// # Errors
    /// When standard input or output is not a terminal, or the terminal refuses.
    pub fn take() -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::other(
                "the cockpit needs a terminal on standard input and output; for scripts use `kokpit why`, `kokpit ops` and the other commands (kokpit --help)",
            ));
        }
        restore_on_panic();
        enter()?;
        // 64 KiB: a full repaint of a large screen in one write, so that a slow link never sees half a frame.
        let links = links::Table::default();
        let backend = links::Linked::new(BufWriter::with_capacity(64 * 1024, io::stdout()), links.clone());
        Ok(Self { terminal: Terminal::new(backend).inspect_err(|_| give_back())?, links })
    }

    /// Draws one frame inside a synchronized update; the terminal is written to once. What paints it says where the cells
    /// of links lead.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, paint: impl FnOnce(&mut ratatui::Frame<'_>) -> Vec<(Color, String)>) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let links = self.links.clone();
        self.terminal.draw(|frame| *links.borrow_mut() = paint(frame))?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())
    }

    /// Width and height in cells.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Repaints everything with the next frame, as after another program wrote to the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn repaint(&mut self) -> io::Result<()> {
        // `Terminal::clear` would ask the terminal for the cursor position and wait for the answer; resize does not.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Writes bytes past the frame (OSC 52 copies, the title).
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.terminal.backend_mut().write_all(bytes)?;
        Write::flush(self.terminal.backend_mut())
    }

    /// Puts text on the clipboard of the terminal (OSC 52; works over SSH). tmux takes it itself with
    /// `set-clipboard on` and hands it through with `allow-passthrough on`; it is told both ways.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let code = format!("\x1b]52;c;{}\x07", base64::engine::general_purpose::STANDARD.encode(text));
        let around = Around::of(&|name| std::env::var(name).ok());
        if around != Around::Screen {
            self.write(code.as_bytes())?;
        }
        match around {
            Around::Nothing => Ok(()),
            around => self.write(around.through(&code).as_bytes()),
        }
    }

    /// Shows a message on the desktop (OSC 9, OSC 99), or rings.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn notify(&mut self, text: &str, how: Notify) -> io::Result<()> {
        let code = match how {
            Notify::Off => return Ok(()),
            Notify::Bell => return self.write(b"\x07"),
            Notify::Osc9 => format!("\x1b]9;{text}\x07"),
            Notify::Osc99 => format!("\x1b]99;;{text}\x1b\\"),
        };
        self.write(Around::of(&|name| std::env::var(name).ok()).through(&code).as_bytes())
    }

    /// Takes clicks and the wheel, or leaves them to the terminal and its own selection.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        MOUSE.store(on, Ordering::SeqCst);
        self.write(if on { MOUSE_ON } else { MOUSE_OFF })
    }

    /// Sets the terminal's title.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn title(&mut self, title: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), SetTitle(title))
    }

    /// Gives the terminal to somebody else (a shell in a pod, job control) and takes it again afterwards.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn lend<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<T> {
        give_back();
        LENT.store(true, Ordering::SeqCst);
        let result = work();
        LENT.store(false, Ordering::SeqCst);
        enter()?;
        self.repaint()?;
        Ok(result)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter() -> io::Result<()> {
    crossterm::terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange, cursor::Hide)
        .and_then(|()| io::stdout().write_all(PREPARE))
        .and_then(|()| io::stdout().write_all(if MOUSE.load(Ordering::SeqCst) { MOUSE_ON } else { b"" }))
        .and_then(|()| io::stdout().flush())
        .inspect_err(|_| give_back())
}

/// Width and height in cells.
///
/// # Errors
/// When there is no terminal.
pub fn size() -> io::Result<(u16, u16)> {
    crossterm::terminal::size()
}

/// Whether another program has the terminal for a while, and hears its keys.
pub fn is_lent() -> bool {
    LENT.load(Ordering::SeqCst)
}

/// Gives the terminal back if it is ours; safe to call from anywhere and more than once.
pub fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Errors are of no use here: a terminal that is gone needs nothing restored.
        // The line discipline comes first: what is typed the moment the old screen is back is meant for the shell.
        let _ = crossterm::terminal::disable_raw_mode();
        if MOUSE.load(Ordering::SeqCst) {
            let _ = io::stdout().write_all(MOUSE_OFF);
        }
        let _ = io::stdout().write_all(UNPREPARE);
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            DisableFocusChange,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
    }
}

/// Restores the terminal before a panic's message is printed, whichever thread it happens on.
fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        give_back();
        before(info);
    }));
}
