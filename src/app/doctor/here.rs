//! This machine: the terminal, the configuration files.

use super::Finding;
use crate::app::look;
use crate::config::{self, Paths};
use std::io::IsTerminal;

const AREA: &str = "terminal";

/// Columns and rows, where there is a terminal.
pub fn size() -> Option<(u16, u16)> {
    std::io::stdout().is_terminal().then(crate::terminal::size)?.ok()
}

/// What the terminal can do, as far as the environment tells.
pub fn terminal(env: &dyn Fn(&str) -> Option<String>, size: Option<(u16, u16)>) -> Vec<Finding> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let term = set("TERM").unwrap_or_default();
    let mut findings = vec![match size {
        None => Finding::warn(AREA, "standard output is no terminal", "run it where the cockpit is to run"),
        Some((width, height)) if width < 80 || height < 24 => Finding::warn(
            AREA,
            format!("{width} columns, {height} rows"),
            "80 by 24 shows everything; columns are left out below",
        ),
        Some((width, height)) => Finding::ok(AREA, format!("{width} columns, {height} rows")),
    }];
    findings.push(match term.as_str() {
        "" | "dumb" => Finding::fail(
            AREA,
            format!("TERM is {term:?}: nothing can be drawn"),
            "set TERM to what the terminal is, such as xterm-256color",
        ),
        _ => Finding::ok(AREA, format!("TERM is {term}")),
    });
    let colours = match (set("NO_COLOR"), set("COLORTERM")) {
        (Some(_), _) => "no colours (NO_COLOR is set)",
        (_, Some(depth)) if depth == "truecolor" || depth == "24bit" => "16 million colours (COLORTERM)",
        _ if term.contains("256") || term.contains("direct") => "256 colours",
        _ => "16 colours",
    };
    findings.push(Finding::ok(AREA, colours));
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(name)).unwrap_or_default();
    let lower = locale.to_lowercase();
    findings.push(match lower.contains("utf-8") || lower.contains("utf8") {
        true => Finding::ok(AREA, format!("UTF-8 ({locale})")),
        false => Finding::warn(
            AREA,
            format!("the locale {locale:?} does not say UTF-8"),
            "set LANG=C.UTF-8, or start with --ascii",
        ),
    });
    if set("TMUX").is_some() {
        findings.push(Finding::warn(
            AREA,
            "inside tmux: copying (OSC 52) passes only if tmux lets it",
            "tmux set -g set-clipboard on; tmux set -g allow-passthrough on",
        ));
    } else if term.starts_with("screen") {
        findings.push(Finding::warn(
            AREA,
            "inside screen: copying (OSC 52) does not pass",
            "copy with the terminal's own selection, or use tmux",
        ));
    }
    findings
}

/// config.toml, and the theme and the keymap that it names.
pub fn config() -> Vec<Finding> {
    let area = "config";
    let paths = match Paths::from_env() {
        Ok(paths) => paths,
        Err(e) => return vec![Finding::fail(area, e, "kokpit needs directories of its own")],
    };
    let file = paths.config_file();
    let loaded = config::load(&file);
    let mut wrong: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    let (_, unread) = look::Look::new(&paths.config, &loaded.config.ui, &look::env);
    wrong.extend(unread);
    if wrong.is_empty() {
        return vec![match file.exists() {
            true => Finding::ok(area, format!("{} is understood", file.display())),
            false => Finding::ok(area, format!("{} is not there; `kokpit config init` writes one", file.display())),
        }];
    }
    wrong.into_iter().map(|text| Finding::warn(area, text, "correct that line; the rest is used")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn levels(env: &[(&str, &str)], size: Option<(u16, u16)>) -> Vec<(Level, String)> {
        let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        terminal(&get, size).into_iter().map(|finding| (finding.level, finding.text)).collect()
    }

    #[test]
    fn terminals_are_told_apart() {
        let good = levels(&[("TERM", "xterm-256color"), ("LANG", "de_DE.UTF-8")], Some((120, 40)));
        assert!(good.iter().all(|(level, _)| *level == Level::Ok), "{good:?}");
        let bad = levels(&[("TERM", "dumb"), ("LANG", "C"), ("TMUX", "/tmp/x")], Some((40, 10)));
        let count = |wanted: Level| bad.iter().filter(|(level, _)| *level == wanted).count();
        assert_eq!((count(Level::Fail), count(Level::Warn)), (1, 3), "{bad:?}");
        assert!(levels(&[("TERM", "screen")], None).iter().any(|(_, text)| text.contains("inside screen")));
    }
}
