//! What stands between us and the terminal, and how it is told something that only the terminal understands.

/// A multiplexer around us, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// The terminal itself.
    Nothing,
    /// tmux.
    Tmux,
    /// GNU screen.
    Screen,
}

/// The longest piece that GNU screen hands through at once (its MAXSTR is 768 bytes).
const PIECE: usize = 500;

impl Around {
    /// As the environment has it.
    pub fn of(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
        match (set("TMUX"), set("STY")) {
            (true, _) => Self::Tmux,
            (false, true) => Self::Screen,
            _ => Self::Nothing,
        }
    }

    /// A code wrapped so that it reaches the terminal.
    pub fn through(self, code: &str) -> String {
        match self {
            Self::Nothing => code.into(),
            Self::Tmux => format!("\x1bPtmux;{}\x1b\\", code.replace('\x1b', "\x1b\x1b")),
            // Codes are ASCII but for a notification's words, whose characters must stay whole.
            Self::Screen => pieces(code).map(|piece| format!("\x1bP{piece}\x1b\\")).collect(),
        }
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (0..=rest.len().min(PIECE)).rev().find(|at| rest.is_char_boundary(*at))?;
        let (piece, more) = rest.split_at(end);
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

/// How the desktop is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Not at all.
    Off,
    /// The terminal's bell.
    Bell,
    /// OSC 9: iTerm2, WezTerm, Ghostty, Windows Terminal and others; who does not know it, ignores it.
    Osc9,
    /// OSC 99: kitty and foot.
    Osc99,
}

impl Notify {
    /// As configured: `auto`, `osc9`, `osc99`, `bell`, `off`.
    pub fn named(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Self {
        match name {
            "off" => Self::Off,
            "bell" => Self::Bell,
            "osc9" => Self::Osc9,
            "osc99" => Self::Osc99,
            _ => {
                let term = env("TERM").unwrap_or_default();
                let kitty = term.contains("kitty") || term.starts_with("foot") || env("KITTY_WINDOW_ID").is_some();
                if kitty { Self::Osc99 } else { Self::Osc9 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_reach_the_terminal_through_what_stands_around() {
        let of = |set: &'static str| Around::of(&move |name| (name == set).then(|| "x".into()));
        assert_eq!((of("TMUX"), of("STY"), of("TERM")), (Around::Tmux, Around::Screen, Around::Nothing));
        let code = "\x1b]52;c;aGk=\x07";
        assert_eq!(Around::Nothing.through(code), code);
        assert_eq!(Around::Tmux.through(code), "\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\");
        let long = "ü".repeat(1000);
        let through = Around::Screen.through(&long);
        assert_eq!(through.matches("\x1bP").count(), 4);
        assert_eq!(through.replace("\x1bP", "").replace("\x1b\\", ""), long);
        assert_eq!(Around::Screen.through(""), "");
    }

    #[test]
    fn the_terminal_decides_how_the_desktop_is_told() {
        let named = |name, term: &'static str| Notify::named(name, &move |key| (key == "TERM").then(|| term.into()));
        assert_eq!(named("auto", "xterm-kitty"), Notify::Osc99);
        assert_eq!(named("auto", "xterm-256color"), Notify::Osc9);
        assert_eq!(named("bell", "xterm-kitty"), Notify::Bell);
        assert_eq!(named("off", "xterm-kitty"), Notify::Off);
    }
}
