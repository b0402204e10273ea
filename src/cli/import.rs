//! `kokpit import k9s`: what kokpit's configuration can say of a k9s configuration directory.
//!
//! Every file is read on its own, and becomes additions to config.toml and keymap.toml, and themes. What is there already
//! stays as it is; what cannot be said here is named, with its line. Nothing is written before it was shown.

mod aliases;
mod colours;
mod hotkeys;
mod merge;
mod plugins;
mod skins;
mod views;

use super::args::ImportK9s;
use super::operations::ask_yes;
use crate::config::{self, Config, Paths, Plugin};
use crate::keymap::{Chord, Keymap};
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What can be taken over, and what cannot.
#[derive(Debug, Default)]
struct Found {
    /// `[aliases]`
    aliases: Vec<(String, String)>,
    /// `[columns]`
    columns: Vec<(String, Vec<String>)>,
    /// `[sort]`
    sorts: Vec<(String, String)>,
    /// `[[plugin]]`
    plugins: Vec<Plugin>,
    /// keymap.toml: section, keys, command.
    keys: Vec<(String, String, String)>,
    /// Name and text of themes.
    themes: Vec<(String, String)>,
    /// One sentence for each thing that is left out.
    left: Vec<String>,
}

/// A file of k9s.
struct Source {
    name: String,
    text: String,
    value: Value,
}

impl Source {
    /// Reads a file; `None` where there is none.
    fn read(dir: &Path, name: &str, left: &mut Vec<String>) -> Option<Self> {
        let text = match std::fs::read_to_string(dir.join(name)) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => {
                left.push(format!("{name}: cannot be read: {e}"));
                return None;
            }
        };
        Self::parse(name, text, left)
    }

    fn parse(name: &str, text: String, left: &mut Vec<String>) -> Option<Self> {
        match serde_saphyr::from_str::<Value>(&text) {
            Ok(value) => Some(Self { name: name.into(), text, value }),
            Err(e) => {
                let why = e.to_string();
                left.push(format!("{name}: is not YAML: {}", why.lines().next().unwrap_or_default()));
                None
            }
        }
    }

    /// The entries of a map; of one that is not there none.
    fn entries(&self, key: &str) -> Map<String, Value> {
        self.value.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// A sentence about an entry, with the line where its name stands.
    fn left(&self, key: &str, why: &str) -> String {
        let is_key = |line: &str| {
            let line = line.trim().trim_start_matches("- ").trim_start_matches(['"', '\'']);
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'))
        };
        match self.text.lines().position(is_key) {
            Some(at) => format!("{}:{}: {key}: {why}", self.name, at + 1),
            None => format!("{}: {key}: {why}", self.name),
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// `kokpit import k9s`
///
/// # Errors
/// When there is no directory of k9s, or a file cannot be written.
pub fn k9s(args: &ImportK9s) -> Result<ExitCode> {
    let paths = Paths::from_env().map_err(|e| anyhow!(e))?;
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => default_dir(&|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))?,
    };
    if !dir.is_dir() {
        bail!("{} is no directory; name the one where k9s keeps its files (`k9s info` prints it)", dir.display());
    }
    let plan = plan(&dir, &paths)?;
    print!("{}", plan.shown(&dir, &paths));
    if plan.files.is_empty() {
        println!("nothing to write");
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            bail!("nobody is here to confirm: add --yes; nothing was written");
        }
        if !ask_yes()? {
            println!("nothing was written");
            return Ok(ExitCode::SUCCESS);
        }
    }
    for file in &plan.files {
        config::replace(&file.path, &file.text).map_err(|e| anyhow!(e))?;
        println!("wrote {}", file.path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Where k9s keeps its configuration: its own variable, that of XDG, what XDG says without it, macOS' place.
fn default_dir(env: &dyn Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    if let Some(dir) = env("K9S_CONFIG_DIR") {
        return Ok(dir);
    }
    let home = env("HOME");
    let places: Vec<PathBuf> = [
        env("XDG_CONFIG_HOME").map(|dir| dir.join("k9s")),
        home.as_ref().map(|home| home.join(".config/k9s")),
        home.as_ref().map(|home| home.join("Library/Application Support/k9s")),
    ]
    .into_iter()
    .flatten()
    .collect();
    places.iter().find(|dir| dir.is_dir()).cloned().with_context(|| {
        let looked: Vec<String> = places.iter().map(|dir| dir.display().to_string()).collect();
        format!("k9s has no configuration directory here (looked at {}): name it", looked.join(", "))
    })
}

/// A file to be written whole.
struct File {
    path: PathBuf,
    text: String,
    /// What is new in it, for people.
    added: String,
    new: bool,
}

/// What will be written, and what was left out.
struct Plan {
    files: Vec<File>,
    left: Vec<String>,
}

impl Plan {
    fn shown(&self, dir: &Path, paths: &Paths) -> String {
        let mut out = format!("from {} to {}\n", dir.display(), paths.config.display());
        for file in &self.files {
            let name = file.path.strip_prefix(&paths.config).unwrap_or(&file.path);
            let _ = writeln!(out, "\n{} {}:", name.display(), if file.new { "is made" } else { "gets" });
            for line in file.added.lines() {
                let _ = writeln!(out, "  {line}");
            }
        }
        if !self.left.is_empty() {
            out.push_str("\nleft out:\n");
            for line in &self.left {
                let _ = writeln!(out, "  {line}");
            }
        }
        out.push('\n');
        out
    }
}

/// Reads the directory and works out what would be written.
fn plan(dir: &Path, paths: &Paths) -> Result<Plan> {
    let config_file = paths.config_file();
    let loaded = config::load(&config_file);
    let mut found = read(dir, &keymap(paths, &loaded.config));
    let mut files = vec![];
    let old = read_ours(&config_file)?;
    let added = additions(&mut found, &loaded.config);
    files.extend(merged(config_file, old.as_deref(), &added, &mut found.left)?);
    let keymap_file = paths.config.join("keymap.toml");
    let old = read_ours(&keymap_file)?;
    let added = keys(&mut found, old.as_deref().unwrap_or_default());
    files.extend(merged(keymap_file, old.as_deref(), &added, &mut found.left)?);
    for (name, text) in std::mem::take(&mut found.themes) {
        let path = paths.config.join("themes").join(format!("{name}.toml"));
        match path.exists() {
            true => found.left.push(format!("skins/: {} is there already and stays as it is", path.display())),
            false => files.push(File { path, added: text.clone(), text, new: true }),
        }
    }
    Ok(Plan { files, left: found.left })
}

fn read_ours(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("{} cannot be read", file.display())),
    }
}

/// The keymap in use, so that no key is taken away from it; what keymap.toml lays over it is looked at line by line.
fn keymap(paths: &Paths, config: &Config) -> Keymap {
    let read = |file: PathBuf| std::fs::read_to_string(file).ok();
    let own = |name: &str| read(paths.config.join("keymaps").join(format!("{name}.toml")));
    Keymap::named(config.ui.keymap.as_deref().unwrap_or("default"), &own, None).0
}

/// Reads one file.
type Read = fn(&Source, &mut Found, &Keymap);

/// Everything in the directory.
fn read(dir: &Path, keymap: &Keymap) -> Found {
    let mut found = Found::default();
    let mut files: Vec<(String, Read)> = vec![
        ("aliases.yaml".into(), |source, found, _| aliases::read(source, found)),
        ("views.yaml".into(), |source, found, _| views::read(source, found)),
        ("hotkeys.yaml".into(), hotkeys::read),
        ("plugins.yaml".into(), plugins::read),
    ];
    files.extend(yaml_files(dir, "plugins").into_iter().map(|name| (name, plugins::read as Read)));
    files.extend(yaml_files(dir, "skins").into_iter().map(|name| {
        let read: Read = |source, found, _| skins::read(source, found);
        (name, read)
    }));
    for (name, read) in files {
        if let Some(source) = Source::read(dir, &name, &mut found.left) {
            read(&source, &mut found, keymap);
        }
    }
    for (name, why) in [
        ("config.yaml", "settings of k9s itself; `kokpit config init` explains kokpit's"),
        ("jumps.yaml", "kokpit jumps by what it knows of objects: Enter, z, o, u, b"),
    ] {
        if dir.join(name).exists() {
            found.left.push(format!("{name}: {why}"));
        }
    }
    found
}

/// The YAML files of a directory, with it, by name.
fn yaml_files(dir: &Path, below: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join(below)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml") || name.ends_with(".yml")).collect();
    names.sort();
    names.into_iter().map(|name| format!("{below}/{name}")).collect()
}

/// Lines for tables of a file: the table (`aliases`; `[[plugin]]` for one of a list) and what it gets.
type Additions = Vec<(String, Vec<String>)>;

/// What config.toml does not have yet.
fn additions(found: &mut Found, config: &Config) -> Additions {
    let mut stays = |what: String| found.left.push(format!("config.toml has {what} already, which stays as it is"));
    let mut out: Additions = vec![];
    let mut table = |name: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push((name.into(), lines));
        }
    };
    let mut lines = vec![];
    for (name, line) in &found.aliases {
        match config.names.alias(name) {
            Some(_) => stays(format!("the alias {name}")),
            None => lines.push(format!("{} = {}", merge::key(name), merge::quoted(line))),
        }
    }
    table("aliases", std::mem::take(&mut lines));
    for (kind, columns) in &found.columns {
        match config.columns.iter().any(|(known, _)| known == kind) {
            true => stays(format!("columns of {kind}")),
            false => {
                let columns: Vec<String> = columns.iter().map(|column| merge::quoted(column)).collect();
                lines.push(format!("{} = [{}]", merge::key(kind), columns.join(", ")));
            }
        }
    }
    table("columns", std::mem::take(&mut lines));
    for (kind, by) in &found.sorts {
        match config.sorts.iter().any(|(known, ..)| known == kind) {
            true => stays(format!("the order of {kind}")),
            false => lines.push(format!("{} = {}", merge::key(kind), merge::quoted(by))),
        }
    }
    table("sort", std::mem::take(&mut lines));
    for plugin in &found.plugins {
        match config.plugins.iter().any(|known| known.name == plugin.name) {
            true => stays(format!("the plugin {}", plugin.name)),
            false => out.push(("[[plugin]]".into(), merge::plugin(plugin))),
        }
    }
    out
}

/// What keymap.toml does not have yet.
fn keys(found: &mut Found, old: &str) -> Additions {
    let old: toml::Table = old.parse().unwrap_or_default();
    let mut out: Additions = vec![];
    for (section, key, line) in &found.keys {
        let bound = old.get(section).and_then(toml::Value::as_table).into_iter().flatten();
        let chord = Chord::parse(key).ok();
        if bound.into_iter().any(|(known, _)| Chord::parse(known).ok() == chord) {
            found.left.push(format!("keymap.toml has {key} in [{section}] already, which stays as it is"));
            continue;
        }
        let line = format!("{} = {}", merge::quoted(key), merge::quoted(line));
        match out.iter_mut().find(|(known, _)| known == section) {
            Some((_, lines)) => lines.push(line),
            None => out.push((section.clone(), vec![line])),
        }
    }
    out
}

/// The file with its additions; `None` where there are none.
fn merged(path: PathBuf, old: Option<&str>, added: &Additions, left: &mut Vec<String>) -> Result<Option<File>> {
    let (mut text, mut shown) = (old.unwrap_or_default().to_string(), String::new());
    if let Err(e) = text.parse::<toml::Table>() {
        bail!("{} is not TOML ({}): mend it first", path.display(), e.message());
    }
    for (table, lines) in added {
        match merge::insert(&text, table, lines) {
            Ok(merged) => {
                text = merged;
                let head = if table.starts_with('[') { table.clone() } else { format!("[{table}]") };
                let _ = writeln!(shown, "{head}");
                for line in lines {
                    let _ = writeln!(shown, "{line}");
                }
            }
            Err(why) => left.push(format!("{}: {why}", path.display())),
        }
    }
    let some = !shown.is_empty();
    Ok(some.then_some(File { path, text, added: shown, new: old.is_none() }))
}

#[cfg(test)]
mod tests;
