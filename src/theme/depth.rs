//! How many colours a terminal has, and whether it is light or dark, from what the environment says.

use super::colour;
use ratatui::style::{Color, Style};

/// How many colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None, or none are wanted.
    None,
    /// The terminal's own 16.
    Sixteen,
    /// 256: the 16, a cube and greys.
    Indexed,
    /// Any.
    True,
}

/// Terminals that show any colour and say so by their name only.
const TRUE: &[&str] = &["kitty", "alacritty", "foot", "wezterm", "ghostty", "contour", "rio", "-direct", "truecolor"];
/// The same, by TERM_PROGRAM, which survives where COLORTERM is not set.
const TRUE_PROGRAMS: &[&str] = &["iTerm.app", "WezTerm", "ghostty", "vscode", "Hyper", "rio", "WarpTerminal"];

impl Depth {
    /// By name, as the configuration has it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "16" => Self::Sixteen,
            "256" => Self::Indexed,
            "truecolor" => Self::True,
            _ => return None,
        })
    }

    /// What the environment promises. `NO_COLOR` (no-color.org) beats `CLICOLOR` (bixense.com/clicolors), both beat
    /// what the terminal is called.
    pub fn detect(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        if set("NO_COLOR").is_some() || (!forced && set("CLICOLOR").as_deref() == Some("0")) {
            return Self::None;
        }
        let term = set("TERM").unwrap_or_default();
        match Self::of_terminal(&term, &set) {
            Self::None if forced => Self::Sixteen,
            depth => depth,
        }
    }

    fn of_terminal(term: &str, set: &dyn Fn(&str) -> Option<String>) -> Self {
        if matches!(term, "" | "dumb" | "vt52" | "vt100" | "vt102" | "vt220" | "vt320") || term.ends_with("-m") {
            return Self::None;
        }
        // GNU screen before 5 shows no more than 256, whatever the terminal around it promised.
        let screen = term.starts_with("screen") && set("TMUX").is_none();
        let promised = set("COLORTERM").is_some_and(|value| matches!(value.as_str(), "truecolor" | "24bit"))
            || set("WT_SESSION").is_some()
            || set("TERM_PROGRAM").is_some_and(|program| TRUE_PROGRAMS.contains(&program.as_str()))
            || TRUE.iter().any(|name| term.contains(name));
        match () {
            _ if promised && !screen => Self::True,
            _ if term.contains("256color") => Self::Indexed,
            _ => Self::Sixteen,
        }
    }

    /// A colour that the terminal has.
    pub fn colour(self, wanted: Color) -> Color {
        match self {
            Self::True => wanted,
            Self::Indexed => colour::to_256(wanted),
            Self::Sixteen => colour::to_16(wanted),
            Self::None => Color::Reset,
        }
    }

    /// A look in colours that the terminal has; text never takes the colour of its ground.
    pub fn style(self, wanted: Style) -> Style {
        let mut style = wanted;
        style.fg = wanted.fg.map(|fg| self.colour(fg));
        style.bg = wanted.bg.map(|bg| self.colour(bg));
        if let (Some(fg), Some(bg)) = (style.fg, style.bg)
            && fg == bg
            && wanted.fg != wanted.bg
        {
            style.fg = Some(colour::readable_on(bg));
        }
        style
    }
}

/// Whether the ground is light, from `COLORFGBG` (rxvt, Konsole: `15;0`, `0;default;15`); `None` where it says nothing.
pub fn light_ground(colorfgbg: &str) -> Option<bool> {
    let ground: u8 = colorfgbg.rsplit(';').next()?.parse().ok()?;
    (ground < 16).then_some(ground == 7 || ground > 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(vars: &str) -> Depth {
        let vars: Vec<(String, String)> = vars
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        Depth::detect(&|name| vars.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn the_environment_says_how_many_colours() {
        for (vars, depth) in [
            ("TERM=xterm-256color COLORTERM=truecolor", Depth::True),
            ("TERM=xterm-256color", Depth::Indexed),
            ("TERM=tmux-256color TMUX=/tmp/x COLORTERM=24bit", Depth::True),
            ("TERM=screen-256color TMUX=/tmp/x COLORTERM=truecolor", Depth::True),
            ("TERM=screen-256color COLORTERM=truecolor", Depth::Indexed),
            ("TERM=screen COLORTERM=truecolor", Depth::Sixteen),
            ("TERM=xterm", Depth::Sixteen),
            ("TERM=linux", Depth::Sixteen),
            ("TERM=xterm-kitty", Depth::True),
            ("TERM=xterm-256color WT_SESSION=1", Depth::True),
            ("TERM=xterm-256color TERM_PROGRAM=iTerm.app", Depth::True),
            ("TERM=xterm-256color TERM_PROGRAM=Apple_Terminal", Depth::Indexed),
            ("TERM=xterm-direct", Depth::True),
            ("TERM=dumb COLORTERM=truecolor", Depth::None),
            ("TERM=vt100", Depth::None),
            ("", Depth::None),
            ("TERM=xterm-256color NO_COLOR=1", Depth::None),
            ("TERM=xterm-256color NO_COLOR=", Depth::Indexed),
            ("TERM=xterm-256color NO_COLOR=1 CLICOLOR_FORCE=1", Depth::None),
            ("TERM=xterm-256color CLICOLOR=0", Depth::None),
            ("TERM=xterm-256color CLICOLOR=0 CLICOLOR_FORCE=1", Depth::Indexed),
            ("TERM=dumb CLICOLOR_FORCE=1", Depth::Sixteen),
        ] {
            assert_eq!(detect(vars), depth, "{vars}");
        }
    }

    #[test]
    fn colorfgbg_tells_light_from_dark() {
        for (text, light) in [
            ("15;0", Some(false)),
            ("0;15", Some(true)),
            ("0;default;7", Some(true)),
            ("12;8", Some(false)),
            ("0;default", None),
            ("", None),
            ("0;99", None),
        ] {
            assert_eq!(light_ground(text), light, "{text}");
        }
    }

    #[test]
    fn text_never_takes_the_colour_of_its_ground() {
        let (fg, bg) = (Color::Rgb(0x20, 0x22, 0x24), Color::Rgb(0x10, 0x10, 0x10));
        let style = Depth::Sixteen.style(Style::new().fg(fg).bg(bg));
        assert_ne!(style.fg, style.bg);
    }
}
