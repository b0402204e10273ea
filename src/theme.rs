//! Colours by meaning: themes/*.toml, or the user's own file that inherits from one of them.

use crate::world::text::closest;
use ratatui::style::{Color, Modifier, Style};
use std::collections::BTreeMap;

/// What a piece of the screen means; a theme gives each its look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Meaning {
    /// Ordinary text.
    #[default]
    Text,
    /// Less important.
    Muted,
    /// Heads of sections, names of screens.
    Title,
    /// Names of clusters in the frame.
    Cluster,
    /// Names of fields and columns.
    Label,
    /// Keys in hints.
    Key,
    /// As it should be.
    Good,
    /// Finished.
    Done,
    /// On its way.
    Busy,
    /// Not as it should be, but working.
    Warn,
    /// Broken.
    Bad,
    /// Under the cursor.
    Selected,
    /// Marked with Space.
    Marked,
    /// What a filter or search found.
    Match,
    /// A line that a diff adds.
    Added,
    /// A line that a diff removes.
    Removed,
    /// Frames and rules.
    Border,
    /// The frame of something that is about to write.
    Write,
    /// What stands before typed text.
    Prompt,
    /// What typed text could become.
    Ghost,
    /// Not current any more.
    Stale,
    /// The two lines of frame.
    Head,
}

/// Every meaning with its name in theme files.
pub const MEANINGS: &[(&str, Meaning)] = &[
    ("text", Meaning::Text),
    ("muted", Meaning::Muted),
    ("title", Meaning::Title),
    ("cluster", Meaning::Cluster),
    ("label", Meaning::Label),
    ("key", Meaning::Key),
    ("good", Meaning::Good),
    ("done", Meaning::Done),
    ("busy", Meaning::Busy),
    ("warn", Meaning::Warn),
    ("bad", Meaning::Bad),
    ("selected", Meaning::Selected),
    ("marked", Meaning::Marked),
    ("match", Meaning::Match),
    ("added", Meaning::Added),
    ("removed", Meaning::Removed),
    ("border", Meaning::Border),
    ("write", Meaning::Write),
    ("prompt", Meaning::Prompt),
    ("ghost", Meaning::Ghost),
    ("stale", Meaning::Stale),
    ("head", Meaning::Head),
];

/// The shipped themes.
pub const SHIPPED: &[(&str, &str)] = &[
    ("dark", include_str!("../themes/dark.toml")),
    ("light", include_str!("../themes/light.toml")),
    ("ansi16", include_str!("../themes/ansi16.toml")),
];

/// Styles by meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    styles: BTreeMap<Meaning, Style>,
}

impl Default for Theme {
    fn default() -> Self {
        Self::load("dark", None).0
    }
}

impl Theme {
    /// A shipped theme (`dark`, `light`, `ansi16`) or the text of the user's own, with what is wrong in it.
    /// Mistakes cost their own line only.
    pub fn load(name: &str, user: Option<&str>) -> (Self, Vec<String>) {
        let mut files = vec![];
        let mut wrong = vec![];
        match user {
            Some(text) => collect(name, text, &mut files, &mut wrong),
            None => inherit(name, &mut files, &mut wrong),
        }
        let mut palette = BTreeMap::new();
        for (_, table) in files.iter().rev() {
            palette.extend(section(table, "palette").map(|(key, value)| (key.clone(), value.clone())));
        }
        let mut styles = BTreeMap::new();
        for (file, table) in files.iter().rev() {
            for (key, value) in section(table, "style") {
                let meaning = MEANINGS.iter().find(|(known, _)| known == key).map(|(_, meaning)| *meaning);
                match meaning.ok_or_else(|| unknown("meaning", key, MEANINGS.iter().map(|(known, _)| *known))) {
                    Err(error) => wrong.push(format!("theme {file}: {error}")),
                    Ok(meaning) => match style(value, &palette) {
                        Ok(style) => drop(styles.insert(meaning, style)),
                        Err(error) => wrong.push(format!("theme {file}, {key}: {error}")),
                    },
                }
            }
        }
        (Self { styles }, wrong)
    }

    /// No colour at all (`NO_COLOR`, `TERM=dumb`): bold, reverse and words carry what colours say otherwise.
    pub fn plain() -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let mut styles = BTreeMap::new();
        for meaning in [Meaning::Title, Meaning::Cluster, Meaning::Key, Meaning::Bad, Meaning::Write, Meaning::Marked] {
            styles.insert(meaning, bold);
        }
        styles.insert(Meaning::Selected, Style::new().add_modifier(Modifier::REVERSED));
        styles.insert(Meaning::Match, bold.add_modifier(Modifier::UNDERLINED));
        for meaning in [Meaning::Muted, Meaning::Stale, Meaning::Ghost, Meaning::Done] {
            styles.insert(meaning, Style::new().add_modifier(Modifier::DIM));
        }
        Self { styles }
    }

    /// The look of a meaning.
    pub fn style(&self, meaning: Meaning) -> Style {
        self.styles.get(&meaning).copied().unwrap_or_default()
    }
}

fn section<'a>(table: &'a toml::Table, name: &str) -> impl Iterator<Item = (&'a String, &'a toml::Value)> {
    table.get(name).and_then(toml::Value::as_table).into_iter().flatten()
}

type Files = Vec<(String, toml::Table)>;

fn inherit(name: &str, files: &mut Files, wrong: &mut Vec<String>) {
    match SHIPPED.iter().find(|(known, _)| *known == name) {
        Some(_) if files.iter().any(|(known, _)| known == name) => {
            wrong.push(format!("theme {name} inherits from itself"))
        }
        Some((_, text)) => collect(name, text, files, wrong),
        None => {
            let known = SHIPPED.iter().map(|(known, _)| *known);
            wrong.push(format!("{}; using dark", unknown("theme", name, known)));
            if !files.iter().any(|(known, _)| known == "dark") {
                inherit("dark", files, wrong);
            }
        }
    }
}

/// A theme file and those it inherits from, the most special first.
fn collect(name: &str, text: &str, files: &mut Files, wrong: &mut Vec<String>) {
    let table: toml::Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            wrong.push(format!("theme {name}: {}; using dark", error.to_string().trim()));
            return inherit("dark", files, wrong);
        }
    };
    for key in table.keys().filter(|key| !matches!(key.as_str(), "inherits" | "palette" | "style")) {
        wrong.push(format!("theme {name}: {}", unknown("section", key, ["inherits", "palette", "style"].into_iter())));
    }
    let parent = table.get("inherits").and_then(toml::Value::as_str).map(String::from);
    let shipped = SHIPPED.iter().any(|(known, shipped)| *known == name && *shipped == text);
    files.push((if shipped { name.into() } else { format!("{name} (yours)") }, table));
    match parent {
        Some(parent) => inherit(&parent, files, wrong),
        // What a theme of one's own does not name must come from somewhere.
        None if !shipped => inherit("dark", files, wrong),
        None => {}
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = closest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("there is no {what} `{name}`{near}")
}

fn style(value: &toml::Value, palette: &BTreeMap<String, toml::Value>) -> Result<Style, String> {
    let table = match value {
        toml::Value::Table(table) => table,
        colour => return Ok(Style::new().fg(color(colour, palette)?)),
    };
    let mut style = Style::new();
    for (key, value) in table {
        let modifier = match key.as_str() {
            "fg" => {
                style = style.fg(color(value, palette)?);
                continue;
            }
            "bg" => {
                style = style.bg(color(value, palette)?);
                continue;
            }
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underline" => Modifier::UNDERLINED,
            "reverse" => Modifier::REVERSED,
            other => {
                let known = ["fg", "bg", "bold", "dim", "italic", "underline", "reverse"];
                return Err(unknown("property", other, known.into_iter()));
            }
        };
        if value.as_bool().ok_or_else(|| format!("`{key}` is true or false"))? {
            style = style.add_modifier(modifier);
        }
    }
    Ok(style)
}

fn color(value: &toml::Value, palette: &BTreeMap<String, toml::Value>) -> Result<Color, String> {
    let value = value.as_str().and_then(|name| palette.get(name)).unwrap_or(value);
    let text = match value {
        toml::Value::Integer(n) => n.to_string(),
        toml::Value::String(text) => text.clone(),
        other => return Err(format!("`{other}` is no colour")),
    };
    text.parse()
        .map_err(|_| unknown("colour", &text, palette.keys().map(String::as_str)) + " (a name, #rrggbb, or 0–255)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_themes_are_without_fault_and_name_every_meaning() {
        for (name, _) in SHIPPED {
            let (theme, wrong) = Theme::load(name, None);
            assert_eq!(wrong, Vec::<String>::new(), "{name}");
            for (meaning, value) in MEANINGS {
                assert!(theme.styles.contains_key(value), "{name} says nothing about {meaning}");
            }
        }
    }

    #[test]
    fn ansi16_uses_the_terminals_colours_only() {
        let (theme, _) = Theme::load("ansi16", None);
        let ok = |c: Option<Color>| !matches!(c, Some(Color::Rgb(..) | Color::Indexed(_)));
        assert!(theme.styles.values().all(|style| ok(style.fg) && ok(style.bg)));
    }

    #[test]
    fn no_colour_means_none_and_still_shows_the_cursor() {
        let theme = Theme::plain();
        assert!(theme.styles.values().all(|style| style.fg.is_none() && style.bg.is_none()));
        assert!(theme.style(Meaning::Selected).add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn a_theme_of_ones_own_names_what_differs_and_mistakes_are_named() {
        let text = "inherits = \"light\"\n[palette]\nred = \"#ff0000\"\n[style]\nbda = \"red\"\ngood = { fg = \"gren\" }\nwarn = { blod = true }\n";
        let (theme, wrong) = Theme::load("mine", Some(text));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong.iter().any(|w| w.contains("did you mean `bad`")), "{wrong:?}");
        assert!(wrong.iter().any(|w| w.contains("did you mean `green`")), "{wrong:?}");
        assert!(wrong.iter().any(|w| w.contains("did you mean `bold`")), "{wrong:?}");
        assert_eq!(theme.style(Meaning::Bad).fg, Some(Color::Rgb(255, 0, 0)));
        assert_eq!(theme.style(Meaning::Good), Theme::load("light", None).0.style(Meaning::Good));
    }

    #[test]
    fn unknown_and_broken_themes_fall_back() {
        let (theme, wrong) = Theme::load("drak", None);
        assert_eq!(theme, Theme::default());
        assert!(wrong[0].contains("did you mean `dark`"), "{wrong:?}");
        let (theme, wrong) = Theme::load("mine", Some("style = ["));
        assert_eq!(theme, Theme::default());
        assert_eq!(wrong.len(), 1);
    }
}
