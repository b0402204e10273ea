//! `skins/*.yaml`: colours by place there, by meaning here.

use super::{Found, Source, colours};
use crate::theme::{self, colour::contrast, colour::luminance, colour::rgb};
use ratatui::style::Color;
use serde_json::Value;
use std::fmt::Write;

/// Contrast below which a colour is not taken over.
const LEAST: f64 = 3.0;

/// A meaning, where a skin has its colour (the first that there is counts), and what goes with it.
const LOOKS: &[(&str, &[&str], &str)] = &[
    ("muted", &["frame.status.completedColor", "frame.status.killColor"], ""),
    ("title", &["frame.title.highlightColor", "frame.title.fgColor"], ", bold = true"),
    ("cluster", &["body.logoColor"], ", bold = true"),
    ("label", &["views.yaml.keyColor", "views.table.header.fgColor"], ""),
    ("key", &["frame.menu.keyColor", "help.keyColor"], ", bold = true"),
    ("good", &["frame.status.addColor", "frame.status.newColor"], ""),
    ("done", &["frame.status.completedColor"], ""),
    ("busy", &["frame.status.modifyColor"], ""),
    ("warn", &["frame.status.pendingColor", "frame.status.highlightColor"], ""),
    ("bad", &["frame.status.errorColor"], ", bold = true"),
    ("marked", &["views.table.markColor"], ", bold = true"),
    ("match", &["frame.title.filterColor"], ", bold = true"),
    ("added", &["frame.status.addColor"], ""),
    ("removed", &["frame.status.errorColor"], ""),
    ("border", &["frame.border.fgColor"], ""),
    ("write", &["dialog.labelFgColor"], ", bold = true"),
    ("prompt", &["prompt.fgColor"], ", bold = true"),
    ("ghost", &["prompt.suggestColor"], ""),
    ("stale", &["frame.status.killColor"], ", italic = true"),
];

pub fn read(source: &Source, found: &mut Found) {
    let file = source.name.rsplit('/').next().unwrap_or(&source.name);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let Some(skin) = source.value.get("k9s").filter(|skin| skin.is_object()) else {
        found.left.push(format!("{}: it has no k9s section, so it is no skin", source.name));
        return;
    };
    // A file named as a shipped theme would take its place.
    let shipped = theme::SHIPPED.iter().any(|(name, _)| *name == stem);
    let name = if shipped { format!("k9s-{stem}") } else { stem.to_string() };
    let (text, wrong) = self::theme(skin, &source.name);
    found.left.extend(wrong.into_iter().map(|why| format!("{}: {why}", source.name)));
    found.themes.push((name, text));
}

fn at<'a>(skin: &'a Value, path: &str) -> Option<&'a str> {
    path.split('.').try_fold(skin, |value, key| value.get(key))?.as_str()
}

/// The theme, and what of the skin is not taken over.
fn theme(skin: &Value, source: &str) -> (String, Vec<String>) {
    let mut wrong = vec![];
    let mut read = |path: &str| {
        let name = at(skin, path)?;
        match colours::hex(name) {
            Ok(colour) => colour,
            Err(why) => {
                wrong.push(format!("{path}: {why}"));
                None
            }
        }
    };
    let ground = read("body.bgColor").or_else(|| read("views.table.bgColor"));
    let text = read("views.table.fgColor").or_else(|| read("body.fgColor"));
    let cursor = (read("views.table.cursorFgColor"), read("views.table.cursorBgColor"));
    let head = read("frame.title.bgColor");
    let looks: Vec<_> = LOOKS
        .iter()
        .filter_map(|(meaning, paths, more)| {
            let (path, colour) = paths.iter().find_map(|path| Some((*path, read(path)?)))?;
            Some((*meaning, path, colour, *more))
        })
        .collect();
    let light = ground.as_deref().and_then(parsed).and_then(rgb).is_some_and(|ground| luminance(ground) > 0.4);
    let mut out = format!("# From {source} of k9s.\n");
    let _ = writeln!(out, "inherits = \"{}\"\n\n[style]", if light { "light" } else { "dark" });
    let reads = |a: &str, b: &str| ratio(a, b).is_none_or(|ratio| ratio >= LEAST);
    let pair = |fg: &Option<String>, bg: &Option<String>| match (fg, bg) {
        (Some(fg), Some(bg)) => Some(format!("{{ fg = \"{fg}\", bg = \"{bg}\" }}")),
        (Some(fg), None) => Some(format!("{{ fg = \"{fg}\" }}")),
        _ => None,
    };
    let readable = text.as_deref().zip(ground.as_deref()).is_none_or(|(text, ground)| reads(text, ground));
    if let Some(look) = pair(&text, &ground).filter(|_| readable) {
        let _ = writeln!(out, "text = {look}");
    }
    let mut faint: Vec<(&str, String, Vec<&str>)> = vec![];
    for (meaning, path, colour, more) in looks {
        match ground.as_deref().filter(|ground| !reads(&colour, ground)) {
            Some(ground) => match faint.iter_mut().find(|(known, ..)| *known == path) {
                Some((.., meanings)) => meanings.push(meaning),
                None => {
                    let found = ratio(&colour, ground).unwrap_or_default();
                    faint.push((path, format!("{found:.1}:1"), vec![meaning]));
                }
            },
            None => {
                let _ = writeln!(out, "{meaning} = {{ fg = \"{colour}\"{more} }}");
            }
        }
    }
    if !faint.is_empty() {
        let told = faint.iter().map(|(path, found, meanings)| format!("{path} ({found}: {})", meanings.join(", ")));
        let told = told.collect::<Vec<_>>().join(", ");
        wrong.push(format!("can hardly be read on their ground, so that kokpit's own are kept: {told}"));
    }
    match (&cursor.0, &cursor.1) {
        (Some(fg), Some(bg)) if reads(fg, bg) => {
            let _ = writeln!(out, "selected = {{ fg = \"{fg}\", bg = \"{bg}\", bold = true }}");
        }
        _ => out.push_str("selected = { reverse = true, bold = true }\n"),
    }
    let calm = head.as_deref().zip(text.as_deref()).filter(|(head, text)| reads(text, head));
    match (calm, &ground) {
        (Some((head, _)), _) => {
            let _ = writeln!(out, "head = {{ bg = \"{head}\" }}");
        }
        (None, Some(ground)) => {
            let _ = writeln!(out, "head = {{ bg = \"{ground}\" }}");
        }
        (None, None) => {}
    }
    (out, wrong)
}

fn parsed(hex: &str) -> Option<Color> {
    hex.parse().ok()
}

fn ratio(a: &str, b: &str) -> Option<f64> {
    contrast(parsed(a)?, parsed(b)?)
}
