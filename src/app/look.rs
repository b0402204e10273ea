//! What the screen looks like: the theme as configured, as the terminal can show it, read again when its file changes.

use crate::config::Ui;
use crate::theme::{Depth, Theme, light_ground};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The theme and where it comes from.
pub struct Look {
    /// As the terminal can show it.
    pub theme: Theme,
    /// Its name.
    pub name: String,
    dir: PathBuf,
    depth: Depth,
    files: Vec<Stamp>,
}

/// A file, and when it was written last; `None`: it is not there.
type Stamp = (PathBuf, Option<SystemTime>);

impl Look {
    /// The theme of the configuration; without one, by how many colours the terminal has and what `COLORFGBG` says.
    /// `dir` is the configuration directory. Also gives what is wrong with the theme's file.
    pub fn new(dir: &Path, ui: &Ui, env: &dyn Fn(&str) -> Option<String>) -> (Self, Vec<String>) {
        let depth = ui.colours.as_deref().and_then(Depth::named).unwrap_or_else(|| Depth::detect(env));
        let light = env("COLORFGBG").and_then(|value| light_ground(&value)).unwrap_or(false);
        let name = ui.theme.clone().unwrap_or_else(|| by_default(depth, light).into());
        let mut look = Self { theme: Theme::plain(), name: String::new(), dir: dir.into(), depth, files: Vec::new() };
        let wrong = look.show(&name);
        (look, wrong)
    }

    /// Shows a theme; gives what is wrong with its file.
    pub fn show(&mut self, name: &str) -> Vec<String> {
        let (files, unread) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let own = |name: &str| {
            let file = file_of(&self.dir.join("themes"), name)?;
            files.borrow_mut().push((file.clone(), written(&file)));
            read(&file, &unread)
        };
        let (theme, wrong) = Theme::load(name, &own);
        self.theme = theme.at(self.depth);
        self.files = files.into_inner();
        self.name = name.into();
        unread.into_inner().into_iter().chain(wrong).collect()
    }

    /// The terminal has this ground: the default theme follows, where it has colours to choose from.
    pub fn ground(&mut self, light: bool) -> Vec<String> {
        let wanted = by_default(self.depth, light);
        if wanted == self.name { Vec::new() } else { self.show(wanted) }
    }

    /// Whether the terminal's ground is worth asking for: nobody chose a theme, and the default depends on it.
    pub fn asks_ground(&self, ui: &Ui) -> bool {
        ui.theme.is_none() && by_default(self.depth, true) != by_default(self.depth, false)
    }

    /// The files that the theme was made from, as they were; for [`changed`].
    pub fn files(&self) -> Vec<Stamp> {
        self.files.clone()
    }

    /// Names of the themes in the configuration directory.
    pub fn own(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.join("themes")).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                entry.file_name().to_str().and_then(|name| name.strip_suffix(".toml")).map(String::from)
            })
            .collect();
        names.sort();
        names
    }
}

/// The theme where none was chosen. Colours made for 16 are better than the nearest of 16.
fn by_default(depth: Depth, light: bool) -> &'static str {
    match (depth, light) {
        (Depth::None, _) => "mono",
        (Depth::Sixteen, _) => "ansi16",
        (_, true) => "light",
        (_, false) => "dark",
    }
}

/// A theme's or keymap's file of one's own; `None` for names that would lead out of the directory.
pub fn file_of(dir: &Path, name: &str) -> Option<PathBuf> {
    (!name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.'))
        .then(|| dir.join(format!("{name}.toml")))
}

/// The text of a file that need not be there; why it could not be read goes to `unread`.
pub fn read(file: &Path, unread: &RefCell<Vec<String>>) -> Option<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => {
            unread.borrow_mut().push(format!("{}: cannot be read: {e}", file.display()));
            None
        }
    }
}

fn written(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|meta| meta.modified()).ok()
}

/// Whether one of the files was written, made or removed since.
pub fn changed(files: &[Stamp]) -> bool {
    files.iter().any(|(file, at)| written(file) != *at)
}

/// The environment of the process.
pub fn env(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Meaning;
    use ratatui::style::Color;

    fn look(dir: &Path, theme: Option<&str>, vars: &[(&str, &str)]) -> (Look, Vec<String>) {
        let env = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        let ui = Ui { theme: theme.map(String::from), ..Ui::default() };
        Look::new(dir, &ui, &env)
    }

    #[test]
    fn without_a_choice_the_terminal_decides() {
        let dir = tempfile::tempdir().unwrap();
        for (vars, name) in [
            (&[("TERM", "xterm-256color")][..], "dark"),
            (&[("TERM", "xterm-256color"), ("COLORFGBG", "0;15")], "light"),
            (&[("TERM", "xterm"), ("COLORFGBG", "0;15")], "ansi16"),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], "mono"),
        ] {
            assert_eq!(look(dir.path(), None, vars).0.name, name, "{vars:?}");
        }
        let (mut dark, _) = look(dir.path(), None, &[("TERM", "xterm-256color")]);
        assert!(dark.asks_ground(&Ui::default()));
        assert!(!dark.asks_ground(&Ui { theme: Some("nord".into()), ..Ui::default() }));
        dark.ground(true);
        assert_eq!(dark.name, "light");
    }

    #[test]
    fn a_file_that_is_written_made_or_removed_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("themes/mine.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "[style]\nbad = \"#010203\"\n").unwrap();
        let (mut look, wrong) = look(dir.path(), Some("mine"), &[("TERM", "xterm-direct")]);
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(look.theme.style(Meaning::Bad).fg, Some(Color::Rgb(1, 2, 3)));
        assert!(!changed(&look.files()));
        std::fs::write(&file, "[style]\nbad = \"#040506\"\n").unwrap();
        std::fs::File::options()
            .write(true)
            .open(&file)
            .and_then(|f| f.set_modified(SystemTime::now() + std::time::Duration::from_secs(5)))
            .unwrap();
        assert!(changed(&look.files()));
        look.show("mine");
        assert_eq!(look.theme.style(Meaning::Bad).fg, Some(Color::Rgb(4, 5, 6)));
        // What it inherits from could be made by the user at any time.
        std::fs::write(dir.path().join("themes/dark.toml"), "[style]\ngood = \"#070809\"\n").unwrap();
        assert!(changed(&look.files()));
        assert_eq!(look.own(), ["dark", "mine"]);
    }

    #[test]
    fn a_theme_cannot_be_named_out_of_the_directory() {
        assert_eq!(file_of(Path::new("/c"), "../x"), None);
        assert_eq!(file_of(Path::new("/c"), "nord"), Some("/c/nord.toml".into()));
    }
}
