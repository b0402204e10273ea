//! `kokpit theme`: what themes there are, and how each looks on this terminal.

use super::args::ThemeCommand;
use crate::app::look::{Look, env};
use crate::config::{self, Paths};
use crate::theme::{MEANINGS, Meaning, SHIPPED, Theme, colour};
use anyhow::{Result, anyhow};
use ratatui::style::{Color, Modifier, Style};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

/// Lists the themes, or prints every look of one, or of all.
///
/// # Errors
/// When there is no home directory, or standard output is closed.
pub fn theme(command: &ThemeCommand) -> Result<ExitCode> {
    let paths = Paths::from_env().map_err(|e| anyhow!(e))?;
    let ui = config::load(&paths.config_file()).config.ui;
    let (mut look, _) = Look::new(&paths.config, &ui, &env);
    let forced = env("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    let bare = !std::io::stdout().is_terminal() && !forced;
    let mut out = String::new();
    let mut wrong = Vec::new();
    match command {
        ThemeCommand::List => {
            let own = look.own();
            let shipped = SHIPPED.iter().map(|(name, _)| name.to_string());
            let mine = own.iter().filter(|name| SHIPPED.iter().all(|(known, _)| known != name)).cloned();
            for name in shipped.chain(mine) {
                let now = if name == look.name { "*" } else { " " };
                let from = if own.contains(&name) { "  (yours)" } else { "" };
                writeln!(out, "{now} {name}{from}")?;
            }
        }
        ThemeCommand::Preview { name } => {
            let name = name.clone().unwrap_or_else(|| look.name.clone());
            wrong = look.show(&name);
            preview(&mut out, &name, &look.theme, bare)?;
        }
    }
    std::io::stdout().write_all(out.as_bytes())?;
    wrong.iter().for_each(|text| eprintln!("kokpit: {text}"));
    Ok(ExitCode::from(if wrong.is_empty() { 0 } else { super::FOUND }))
}

/// Rows as the cockpit shows them.
const ROWS: &[(Meaning, &str)] = &[
    (Meaning::Head, " prod-eu  pods  ns shop  214                     live "),
    (Meaning::Label, " NAME            READY  STATUS            RESTARTS  AGE "),
    (Meaning::Text, " cart-7d9f-x2k4q   1/1  Running                  0   3d "),
    (Meaning::Selected, " web-66c8-9mxrt    0/1  CrashLoopBackOff   14 (2m)  41m "),
    (Meaning::Bad, " db-0              0/1  Pending                  0  12m "),
    (Meaning::Busy, " api-5f7d-aaaaa    0/2  ContainerCreating        0   4s "),
    (Meaning::Done, " seed-28911        0/1  Completed                0   6h "),
    (Meaning::Head, " Enter open  l logs  x why  / filter  : go  ? keys "),
];

/// Every look; `bare`: into a file or a pipe, without codes.
fn preview(out: &mut String, name: &str, theme: &Theme, bare: bool) -> Result<()> {
    let paint = |style, text: &str| if bare { text.to_string() } else { paint(style, text) };
    writeln!(out, "{name}")?;
    for (word, meaning) in MEANINGS {
        let style = ground(theme, *meaning);
        let sample = paint(style, &format!(" {word:<9} web-66c8-9mxrt "));
        let against = |a: Option<Color>, b: Option<Color>| colour::contrast(a?, b?);
        let contrast = against(style.fg, style.bg).map_or(String::new(), |ratio| format!("{ratio:>5.1}:1"));
        writeln!(out, "{sample}  {:<9} {:<9} {contrast}", shown(style.fg), shown(style.bg))?;
    }
    writeln!(out)?;
    for (meaning, text) in ROWS {
        writeln!(out, "{}", paint(ground(theme, *meaning), &format!("{text:<58}")))?;
    }
    Ok(())
}

/// A look on the ground that it has on screen.
fn ground(theme: &Theme, meaning: Meaning) -> Style {
    theme.style(Meaning::Text).patch(theme.style(meaning))
}

fn shown(colour: Option<Color>) -> String {
    colour.map_or("-".into(), |colour| colour.to_string().to_lowercase())
}

/// Text with the codes for its look (ECMA-48 SGR).
fn paint(style: Style, text: &str) -> String {
    let mut codes = vec![];
    for (modifier, code) in [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::ITALIC, "3"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::REVERSED, "7"),
    ] {
        if style.add_modifier.contains(modifier) {
            codes.push(code.to_string());
        }
    }
    codes.extend(style.fg.and_then(|fg| code(fg, 30)));
    codes.extend(style.bg.and_then(|bg| code(bg, 40)));
    if codes.is_empty() { text.into() } else { format!("\x1b[{}m{text}\x1b[0m", codes.join(";")) }
}

/// `base` 30 is the text, 40 the ground.
fn code(colour: Color, base: u8) -> Option<String> {
    const NAMED: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    match colour {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some(format!("{};2;{r};{g};{b}", base + 8)),
        Color::Indexed(n) => Some(format!("{};5;{n}", base + 8)),
        named => {
            let at = NAMED.iter().position(|known| *known == named)?;
            let (base, at) = if at < 8 { (base, at) } else { (base + 60, at - 8) };
            Some((usize::from(base) + at).to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Depth;

    #[test]
    fn every_look_is_printed_with_its_colours() {
        let mut out = String::new();
        preview(&mut out, "nord", &Theme::load("nord", &|_| None).0, false).unwrap();
        for (word, _) in MEANINGS {
            assert!(out.contains(&format!(" {word} ")), "{word}: {out}");
        }
        assert!(out.contains("\x1b[38;2;216;222;233;48;2;46;52;64m text"), "{out}");
        let mut plain = String::new();
        preview(&mut plain, "mono", &Theme::plain().at(Depth::None), false).unwrap();
        assert!(!plain.contains("38;"), "{plain}");
    }

    #[test]
    fn the_sixteen_have_their_old_codes() {
        assert_eq!(code(Color::Red, 30).as_deref(), Some("31"));
        assert_eq!(code(Color::LightRed, 40).as_deref(), Some("101"));
        assert_eq!(code(Color::DarkGray, 30).as_deref(), Some("90"));
        assert_eq!(code(Color::Indexed(203), 40).as_deref(), Some("48;5;203"));
        assert_eq!(code(Color::Reset, 30), None);
    }
}
