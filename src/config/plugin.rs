//! `[[plugin]]`: programs of the user's own, and what they ask for before they run.

/// A program to run on the marked objects, or on the one under the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plugin {
    /// What the `:` line calls it.
    pub name: String,
    /// The key for it, as in a keymap.
    pub key: Option<String>,
    /// Kinds it is for, by any of their names, or `containers`; empty: every kind.
    pub kinds: Vec<String>,
    /// The program.
    pub command: String,
    /// Its arguments, with variables (`$NAME`).
    pub args: Vec<String>,
    /// Programs with their arguments; each reads what the one before it prints.
    pub pipes: Vec<String>,
    /// What is asked for before it runs.
    pub inputs: Vec<Input>,
    /// One sentence for help.
    pub doc: String,
    /// It may change something: refused where nothing may be changed, shown first, recorded.
    pub changes: bool,
    /// Whether it is shown and confirmed first; `None`: where it changes something.
    pub confirm: Option<bool>,
    /// It needs no terminal.
    pub background: bool,
    /// What it printed stays until Enter is pressed.
    pub wait: bool,
    /// Its key may take the place of one that there is.
    pub replaces: bool,
    /// Line in the file, from 1.
    pub line: usize,
}

impl Plugin {
    /// Its kinds, for people.
    pub fn is_for(&self) -> String {
        match self.kinds.as_slice() {
            [] => "objects".into(),
            kinds => kinds.join(", "),
        }
    }

    /// Whether it is shown before it runs.
    pub fn asks(&self) -> bool {
        self.confirm.unwrap_or(self.changes)
    }
}

/// `[[plugin.inputs]]`: one answer that a person gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The variable is `$INPUT_` and this in capitals.
    pub name: String,
    /// What the prompt says; empty: the name.
    pub label: String,
    /// What is an answer.
    pub kind: InputKind,
    /// An empty answer is none.
    pub required: bool,
    /// What stands in the prompt already.
    pub default: String,
}

/// What an answer may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InputKind {
    /// Any text.
    #[default]
    Text,
    /// A number.
    Number,
    /// true or false.
    Flag,
    /// One of these.
    Choice(Vec<String>),
}

impl InputKind {
    /// How the file writes them, as k9s does.
    pub const WORDS: &'static [&'static str] = &["string", "number", "bool", "dropdown"];

    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            InputKind::Text => "string",
            InputKind::Number => "number",
            InputKind::Flag => "bool",
            InputKind::Choice(_) => "dropdown",
        }
    }
}

impl Input {
    /// Name of its variable.
    pub fn variable(&self) -> String {
        format!("INPUT_{}", self.name.to_uppercase())
    }

    /// What the prompt says.
    pub fn question(&self) -> String {
        let label = if self.label.is_empty() { &self.name } else { &self.label };
        let empty = if self.required { "" } else { ", may be empty" };
        match &self.kind {
            InputKind::Text if self.required => format!("{label}: "),
            InputKind::Text => format!("{label} (may be empty): "),
            InputKind::Number => format!("{label} (a number{empty}): "),
            InputKind::Flag => format!("{label} (true or false{empty}): "),
            InputKind::Choice(options) => format!("{label} ({}{empty}): ", options.join(", ")),
        }
    }

    /// Whether it can be asked as it is written.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("the input {name:?} is no name of a variable: letters, digits and _ only"));
        }
        if self.kind == InputKind::Choice(vec![]) {
            return Err(format!("the input {name} has nothing to choose from: it needs options"));
        }
        match self.default.as_str() {
            "" => Ok(()),
            default => self.take(default).map(drop).map_err(|why| format!("the default of the input {name}: {why}")),
        }
    }

    /// Takes an answer.
    ///
    /// # Errors
    /// A sentence that says what an answer would be.
    pub fn take(&self, text: &str) -> Result<String, String> {
        if text.is_empty() {
            return match self.required {
                true => Err(format!("{} is needed", self.name)),
                false => Ok(String::new()),
            };
        }
        match &self.kind {
            InputKind::Number if text.parse::<f64>().is_err() => Err(format!("`{text}` is not a number")),
            InputKind::Flag if !matches!(text, "true" | "false") => Err(format!("`{text}` is neither true nor false")),
            InputKind::Choice(options) => {
                let mut near = options.iter().filter(|option| option.starts_with(text));
                match (options.iter().find(|option| *option == text), near.next(), near.next()) {
                    (Some(option), ..) | (None, Some(option), None) => Ok(option.clone()),
                    _ => Err(format!("`{text}` is none of {}", options.join(", "))),
                }
            }
            _ => Ok(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_held_to_their_kind() {
        let input = |kind, required| Input { name: "size".into(), kind, required, ..Input::default() };
        let sizes = || InputKind::Choice(vec!["small".into(), "large".into(), "larger".into()]);
        for (kind, required, text, taken) in [
            (InputKind::Text, false, "", Ok("")),
            (InputKind::Text, true, "", Err("size is needed")),
            (InputKind::Number, false, "-1.5", Ok("-1.5")),
            (InputKind::Number, false, "lots", Err("`lots` is not a number")),
            (InputKind::Flag, true, "true", Ok("true")),
            (InputKind::Flag, true, "yes", Err("`yes` is neither true nor false")),
            (sizes(), true, "large", Ok("large")),
            (sizes(), true, "s", Ok("small")),
            (sizes(), true, "l", Err("`l` is none of small, large, larger")),
        ] {
            let answer = input(kind, required).take(text);
            assert_eq!(answer.as_deref().map_err(String::as_str), taken, "{text}");
        }
    }
}
