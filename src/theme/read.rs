//! Reading theme files, line by line, and following what they inherit from.

use super::{MEANINGS, Meaning, SHIPPED};
use crate::world::text::closest;
use ratatui::style::{Color, Modifier, Style};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The 16 colours as they are called here; ratatui knows more spellings.
const NAMES: &[&str] = &[
    "reset",
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "gray",
    "dark-gray",
    "light-red",
    "light-green",
    "light-yellow",
    "light-blue",
    "light-magenta",
    "light-cyan",
    "white",
];

/// A theme file, read.
pub struct File {
    /// As it stands in messages.
    pub name: String,
    /// `[palette]`
    pub palette: BTreeMap<String, Color>,
    /// `[style]`
    pub looks: Vec<Look>,
}

/// One line of `[style]`.
pub struct Look {
    /// What gets the look.
    pub meaning: Meaning,
    /// Line in the file, from 1.
    pub line: usize,
    fg: Option<String>,
    bg: Option<String>,
    modifiers: Modifier,
}

impl Look {
    /// The look with its colours.
    ///
    /// # Errors
    /// A sentence, when a colour is none.
    pub fn style(&self, palette: &BTreeMap<String, Color>) -> Result<Style, String> {
        let mut style = Style::new().add_modifier(self.modifiers);
        if let Some(fg) = &self.fg {
            style = style.fg(colour(fg, palette)?);
        }
        if let Some(bg) = &self.bg {
            style = style.bg(colour(bg, palette)?);
        }
        Ok(style)
    }
}

/// A colour by its name in the palette, its name on the terminal, `#rrggbb` or its number.
///
/// # Errors
/// A sentence that names the nearest one.
pub fn colour(name: &str, palette: &BTreeMap<String, Color>) -> Result<Color, String> {
    let own = palette.get(name).copied();
    own.or_else(|| if name == "default" { Some(Color::Reset) } else { name.parse().ok() }).ok_or_else(|| {
        let known = palette.keys().map(String::as_str).chain(NAMES.iter().copied());
        unknown("colour", name, known) + " (a name, #rrggbb, or 0–255)"
    })
}

/// A theme and those it inherits from, the most special first.
pub struct Chain<'a> {
    own: &'a dyn Fn(&str) -> Option<String>,
    files: Vec<File>,
    wrong: Vec<String>,
}

impl<'a> Chain<'a> {
    /// Nothing yet; `own` gives the text of the user's file of a name.
    pub fn new(own: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { own, files: vec![], wrong: vec![] }
    }

    /// The files, and what is wrong in them.
    pub fn end(self) -> (Vec<File>, Vec<String>) {
        (self.files, self.wrong)
    }

    /// Adds a theme by name, with all that it inherits from.
    pub fn add(&mut self, name: &str) {
        let file = format!("themes/{name}.toml");
        let used = |chain: &Self, shown: &str| chain.files.iter().any(|file| file.name == shown);
        if !used(self, &file)
            && let Some(text) = (self.own)(name)
        {
            return self.read(file, &text, true);
        }
        let shown = format!("the theme {name}");
        match SHIPPED.iter().find(|(known, _)| *known == name) {
            Some((_, text)) if !used(self, &shown) => self.read(shown, text, false),
            Some(_) => {}
            None if used(self, &file) => {
                self.wrong.push(format!("{file}:1: the theme inherits from itself; using dark"));
                self.add("dark");
            }
            None => {
                let known = SHIPPED.iter().map(|(known, _)| *known);
                self.wrong.push(format!("{}; using dark", unknown("theme", name, known)));
                self.add("dark");
            }
        }
    }

    fn read(&mut self, name: String, text: &str, own: bool) {
        let (root, errors) = DeTable::parse_recoverable(text);
        if let Some(error) = errors.first() {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            self.wrong.push(format!("{name}:{line}: is not TOML: {}; using dark", error.message().trim()));
            return self.add("dark");
        }
        let mut reader = Reader { text, name: &name, wrong: vec![] };
        let (parent, palette, looks) = reader.file(root.get_ref());
        self.wrong.append(&mut reader.wrong);
        self.files.push(File { name, palette, looks });
        match parent {
            Some(parent) => self.add(&parent),
            // What a theme of one's own does not name must come from somewhere.
            None if own => self.add("dark"),
            None => {}
        }
    }
}

type Table<'i> = DeTable<'i>;
type Value<'i> = Spanned<DeValue<'i>>;
type Parts = (Option<String>, BTreeMap<String, Color>, Vec<Look>);

struct Reader<'a> {
    text: &'a str,
    name: &'a str,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn line(&self, byte: usize) -> usize {
        line_of(self.text, byte)
    }

    fn say(&mut self, byte: usize, what: &str) {
        let line = self.line(byte);
        self.wrong.push(format!("{}:{line}: {what}", self.name));
    }

    fn file(&mut self, root: &Table<'_>) -> Parts {
        let (mut parent, mut palette, mut looks) = (None, BTreeMap::new(), vec![]);
        for (key, value) in root {
            let (at, name) = (key.span().start, key.get_ref().as_ref());
            match (name, value.get_ref()) {
                ("inherits", DeValue::String(text)) => parent = Some(text.to_string()),
                ("palette", DeValue::Table(table)) => palette = self.palette(table),
                ("style", DeValue::Table(table)) => looks = self.looks(table),
                ("inherits", _) => self.say(at, "inherits must be the name of a theme in quotes"),
                ("palette" | "style", _) => self.say(at, &format!("{name} must be a section: write [{name}]")),
                _ => self.say(at, &unknown("section", name, ["inherits", "palette", "style"].into_iter())),
            }
        }
        (parent, palette, looks)
    }

    fn palette(&mut self, table: &Table<'_>) -> BTreeMap<String, Color> {
        let mut palette = BTreeMap::new();
        for (key, value) in table {
            match self.word(value).map(|text| colour(&text, &BTreeMap::new())) {
                Some(Ok(colour)) => drop(palette.insert(key.get_ref().to_string(), colour)),
                Some(Err(error)) => self.say(value.span().start, &error),
                None => {}
            }
        }
        palette
    }

    fn looks(&mut self, table: &Table<'_>) -> Vec<Look> {
        let mut looks = vec![];
        for (key, value) in table {
            let (at, name) = (key.span().start, key.get_ref().as_ref());
            match MEANINGS.iter().find(|(known, _)| *known == name) {
                Some((_, meaning)) => looks.extend(self.look(*meaning, at, value)),
                None => self.say(at, &unknown("meaning", name, MEANINGS.iter().map(|(known, _)| *known))),
            }
        }
        looks
    }

    fn look(&mut self, meaning: Meaning, at: usize, value: &Value<'_>) -> Option<Look> {
        let line = self.line(at);
        let mut look = Look { meaning, line, fg: None, bg: None, modifiers: Modifier::empty() };
        let DeValue::Table(table) = value.get_ref() else {
            look.fg = Some(self.word(value)?);
            return Some(look);
        };
        let before = self.wrong.len();
        for (key, value) in table {
            let (at, name) = (key.span().start, key.get_ref().as_ref());
            let modifier = match name {
                "fg" => {
                    look.fg = self.word(value);
                    continue;
                }
                "bg" => {
                    look.bg = self.word(value);
                    continue;
                }
                "bold" => Modifier::BOLD,
                "dim" => Modifier::DIM,
                "italic" => Modifier::ITALIC,
                "underline" => Modifier::UNDERLINED,
                "reverse" => Modifier::REVERSED,
                other => {
                    let known = ["fg", "bg", "bold", "dim", "italic", "underline", "reverse"];
                    self.say(at, &unknown("property", other, known.into_iter()));
                    continue;
                }
            };
            match value.get_ref().as_bool() {
                Some(on) => look.modifiers.set(modifier, on),
                None => self.say(at, &format!("`{name}` is true or false")),
            }
        }
        // Half a look could be one that nobody can read.
        (self.wrong.len() == before).then_some(look)
    }

    /// A colour as written: a text, or a number.
    fn word(&mut self, value: &Value<'_>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.as_str().to_string()),
            other => {
                self.say(value.span().start, &format!("a value of type {} is no colour", other.type_str()));
                None
            }
        }
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes().iter().take(byte).filter(|b| **b == b'\n').count() + 1
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = closest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("there is no {what} `{name}`{near}")
}
