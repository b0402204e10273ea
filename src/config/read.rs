//! Reading `config.toml`: values and problems side by side.

use super::{Cluster, Config, Debug, Repository, Secrets, Ui};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod columns;
mod names;
mod plugins;
mod tables;

/// What was read, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Everything that could be read; defaults for the rest.
    pub config: Config,
    /// What could not, one sentence each.
    pub problems: Vec<Problem>,
    /// Titles that `[columns]` names: the kind, the title, its line. Whoever knows the kinds checks them.
    pub titles: Vec<(String, String, usize)>,
}

/// One thing in a file that kokpit could not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

/// Reads a file. One that does not exist is an empty configuration without problems.
pub fn load(file: &Path) -> Loaded {
    let name = file.display().to_string();
    let broken = |text: String| Loaded {
        config: Config::default(),
        problems: vec![Problem { file: name.clone(), line: 0, text }],
        titles: vec![],
    };
    match std::fs::read(file) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse(&name, &text),
            Err(_) => broken("is not UTF-8 text; save it as UTF-8".into()),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Loaded::default(),
        Err(e) => broken(format!("cannot be read: {e}")),
    }
}

/// Reads the text of a file; `name` stands in the problems.
pub fn parse(name: &str, text: &str) -> Loaded {
    let mut reader = Reader { name, text, problems: vec![], titles: vec![] };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.problem(error.span().unwrap_or(0..0), format!("is not TOML: {}", error.message()));
    }
    let config = reader.config(root.get_ref());
    Loaded { config, problems: reader.problems, titles: reader.titles }
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
    titles: Vec<(String, String, usize)>,
}

type Table<'i> = DeTable<'i>;
type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn problem(&mut self, span: Range<usize>, text: String) {
        let line = self.line(&span);
        self.problems.push(Problem { file: self.name.into(), line, text });
    }

    /// The line of a place, from 1.
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        before.iter().filter(|b| **b == b'\n').count() + 1
    }

    fn config(&mut self, root: &Table<'_>) -> Config {
        let known = [
            "ui",
            "debug",
            "cluster",
            "repository",
            "groups",
            "aliases",
            "namespaces",
            "columns",
            "sort",
            "widths",
            "secrets",
            "plugin",
            "readonly",
        ];
        self.only("the file", root, &known);
        let mut config =
            Config { ui: self.ui(root), debug: self.debug(root), names: self.names(root), ..Config::default() };
        config.readonly = self.strings(root, "readonly");
        config.columns = self.columns(root);
        config.plugins = self.plugins(root);
        config.sorts = self.sorts(root);
        config.widths = self.widths(root);
        config.secrets = self.secrets(root);
        for (table, span) in self.tables(root, "cluster") {
            config.clusters.extend(self.cluster(table, span));
        }
        for (table, span) in self.tables(root, "repository") {
            let Some(repository) = self.repository(table, span.clone()) else { continue };
            if config.repository(&repository.name).is_some() {
                self.problem(span, format!("a second [[repository]] is named {:?}: rename it", repository.name));
            } else {
                config.repositories.push(repository);
            }
        }
        self.known_repositories(root, &config);
        config
    }

    fn ui(&mut self, root: &Table<'_>) -> Ui {
        let Some(value) = root.get("ui") else { return Ui::default() };
        let DeValue::Table(table) = value.get_ref() else {
            self.problem(value.span(), "ui must be a table: write [ui]".into());
            return Ui::default();
        };
        self.only("[ui]", table, &["theme", "colours", "ascii", "mouse", "title", "notify", "links", "keymap"]);
        Ui {
            theme: self.string(table, "theme"),
            colours: self.one_of(table, "colours", &["none", "16", "256", "truecolor"]),
            ascii: self.boolean(table, "ascii").unwrap_or_default(),
            mouse: self.boolean(table, "mouse").unwrap_or_default(),
            untitled: self.boolean(table, "title") == Some(false),
            notify: self.one_of(table, "notify", &["auto", "osc9", "osc99", "bell", "off"]),
            links: self.one_of(table, "links", &["auto", "on", "off"]),
            keymap: self.string(table, "keymap"),
        }
    }

    fn secrets(&mut self, root: &Table<'_>) -> Secrets {
        let Some(value) = root.get("secrets") else { return Secrets::default() };
        let DeValue::Table(table) = value.get_ref() else {
            self.problem(value.span(), "secrets must be a table: write [secrets]".into());
            return Secrets::Never;
        };
        self.only("[secrets]", table, &["decode"]);
        match self.one_of(table, "decode", &["always", "unprotected", "never"]).as_deref() {
            Some("always") => Secrets::Always,
            Some("unprotected") => Secrets::Unprotected,
            // Whoever writes the line wants less, not more.
            None if table.get("decode").is_some() => Secrets::Never,
            Some(_) => Secrets::Never,
            None => Secrets::default(),
        }
    }

    fn debug(&mut self, root: &Table<'_>) -> Debug {
        let Some(value) = root.get("debug") else { return Debug::default() };
        let DeValue::Table(table) = value.get_ref() else {
            self.problem(value.span(), "debug must be a table: write [debug]".into());
            return Debug::default();
        };
        self.only("[debug]", table, &["image", "namespace"]);
        Debug { image: self.string(table, "image"), namespace: self.string(table, "namespace") }
    }

    fn cluster(&mut self, table: &Table<'_>, span: Range<usize>) -> Option<Cluster> {
        let known = ["context", "repository", "protected", "nodes", "ledger", "accent", "metrics"];
        self.only("[[cluster]]", table, &known);
        let cluster = Cluster {
            context: self.required("[[cluster]]", table, "context", &span)?,
            repository: self.string(table, "repository"),
            protected: self.boolean(table, "protected"),
            nodes: self.directory(table, "nodes"),
            ledger: self.directory(table, "ledger"),
            accent: self.string(table, "accent"),
            metrics: self.boolean(table, "metrics"),
        };
        Some(cluster)
    }

    fn repository(&mut self, table: &Table<'_>, span: Range<usize>) -> Option<Repository> {
        self.only("[[repository]]", table, &["name", "url", "branch", "argo_urls", "author"]);
        let name = self.required("[[repository]]", table, "name", &span)?;
        let url = self.required("[[repository]]", table, "url", &span)?;
        let author = self.string(table, "author");
        if let (Some(text), Some(value)) = (&author, table.get("author"))
            && !(text.contains('<') && text.trim_end().ends_with('>'))
        {
            self.problem(value.span(), format!("author is {text:?}: write \"Name <mail@example.com>\""));
        }
        Some(Repository {
            name,
            url,
            branch: self.string(table, "branch").unwrap_or_else(|| "main".into()),
            argo_urls: self.strings(table, "argo_urls"),
            author: author.filter(|a| a.contains('<') && a.trim_end().ends_with('>')),
        })
    }

    /// Names a repository that no `[[repository]]` defines.
    fn known_repositories(&mut self, root: &Table<'_>, config: &Config) {
        let names: Vec<&str> = config.repositories.iter().map(|r| r.name.as_str()).collect();
        let mut wrong = vec![];
        for (table, _) in tables_of(root, "cluster") {
            if let Some(value) = table.get("repository")
                && let Some(name) = value.get_ref().as_str()
                && !names.contains(&name)
            {
                let hint = did_you_mean(name, &names);
                wrong.push((value.span(), format!("no [[repository]] is named {name:?}{hint}: add one")));
            }
        }
        wrong.into_iter().for_each(|(span, text)| self.problem(span, text));
    }

    fn only(&mut self, place: &str, table: &Table<'_>, known: &[&str]) {
        #[cfg(test)]
        for key in known {
            assert!(super::keys::knows(place, key), "config/keys.rs has no {key:?} of {place}: add it to the table");
        }
        for key in table.keys().filter(|k| !known.contains(&k.get_ref().as_ref())) {
            let hint = did_you_mean(key.get_ref(), known);
            self.problem(key.span(), format!("{place} has no key {:?}{hint}", key.get_ref()));
        }
    }

    fn tables<'t, 'i>(&mut self, root: &'t Table<'i>, key: &str) -> Vec<(&'t Table<'i>, Range<usize>)> {
        if let Some(value) = root.get(key)
            && !value.get_ref().is_array()
        {
            self.problem(value.span(), format!("{key} must be a list of tables: write [[{key}]]"));
        }
        tables_of(root, key)
    }

    fn required(&mut self, place: &str, table: &Table<'_>, key: &str, span: &Range<usize>) -> Option<String> {
        let value = self.string(table, key).filter(|v| !v.trim().is_empty());
        if value.is_none() {
            self.problem(span.clone(), format!("{place} needs {key} = \"…\"; the entry is left out"));
        }
        value
    }

    fn string(&mut self, table: &Table<'_>, key: &str) -> Option<String> {
        let value = table.get(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(text.to_string()),
            None => self.wrong(key, value, "a text in quotes"),
        }
    }

    /// One of a few words.
    fn one_of(&mut self, table: &Table<'_>, key: &str, known: &[&str]) -> Option<String> {
        let text = self.string(table, key)?;
        if known.contains(&text.as_str()) {
            return Some(text);
        }
        let span = table.get(key).map_or(0..0, Spanned::span);
        let hint = did_you_mean(&text, known);
        self.problem(span, format!("{key} is {text:?}{hint}; write one of {}", known.join(", ")));
        None
    }

    fn boolean(&mut self, table: &Table<'_>, key: &str) -> Option<bool> {
        let value = table.get(key)?;
        match value.get_ref().as_bool() {
            Some(flag) => Some(flag),
            None => self.wrong(key, value, "true or false"),
        }
    }

    /// A text; a number, true or false as it is written.
    fn scalar(&mut self, table: &Table<'_>, key: &str) -> Option<String> {
        let value = table.get(key)?;
        let written = || self.text.get(value.span()).map(String::from);
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => written(),
            _ => self.wrong(key, value, "a text in quotes, a number, true or false"),
        }
    }

    /// A directory inside a repository: relative, without `..`.
    fn directory(&mut self, table: &Table<'_>, key: &str) -> Option<String> {
        let text = self.string(table, key)?;
        let trimmed = text.trim_end_matches('/');
        if trimmed.is_empty()
            || trimmed.starts_with('/')
            || trimmed.split('/').any(|part| part == ".." || part.is_empty())
        {
            let span = table.get(key).map_or(0..0, Spanned::span);
            self.problem(span, format!("{key} is {text:?}: write a directory inside the repository, without / or .."));
            return None;
        }
        Some(trimmed.into())
    }

    fn strings(&mut self, table: &Table<'_>, key: &str) -> Vec<String> {
        let Some(value) = table.get(key) else { return vec![] };
        let texts: Option<Vec<String>> = value
            .get_ref()
            .as_array()
            .and_then(|list| list.iter().map(|v| v.get_ref().as_str().map(String::from)).collect());
        texts.or_else(|| self.wrong(key, value, "a list of texts in quotes")).unwrap_or_default()
    }

    fn wrong<T>(&mut self, key: &str, value: &Value<'_>, expected: &str) -> Option<T> {
        let found = value.get_ref().type_str();
        self.problem(value.span(), format!("{key} must be {expected}, not a value of type {found}"));
        None
    }
}

fn tables_of<'t, 'i>(root: &'t Table<'i>, key: &str) -> Vec<(&'t Table<'i>, Range<usize>)> {
    let list = root.get(key).and_then(|v| v.get_ref().as_array());
    list.into_iter().flat_map(|l| l.iter()).filter_map(|v| Some((v.get_ref().as_table()?, v.span()))).collect()
}

/// `; did you mean "protected"?` when one of the known words is close.
fn did_you_mean(word: &str, known: &[&str]) -> String {
    known
        .iter()
        .map(|k| (strsim::jaro_winkler(word, k), k))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(String::new(), |(_, k)| format!("; did you mean {k:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse("c.toml", text).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_full_file_is_read() {
        let loaded = parse(
            "c.toml",
            r#"
[ui]
theme = "light"
keymap = "mine"
[[cluster]]
context = "prod-*"
repository = "fleet"
protected = true
nodes = "k8s/{cluster}/nodes/"
accent = "red"
[[repository]]
name = "fleet"
url = "git@git.example.com:ops/fleet.git"
argo_urls = ["https://git.example.com/ops/fleet"]
author = "Mara <mara@example.com>"
"#,
        );
        assert_eq!(loaded.problems, vec![]);
        assert_eq!(loaded.config.ui.theme.as_deref(), Some("light"));
        assert_eq!(loaded.config.ui.keymap.as_deref(), Some("mine"));
        assert_eq!(loaded.config.settings("prod-eu").nodes, "k8s/prod-eu/nodes");
        assert_eq!(loaded.config.repositories[0].branch, "main");
        assert_eq!(loaded.config.repositories[0].argo_urls.len(), 1);
    }

    #[test]
    fn unknown_keys_name_their_line_and_a_neighbour() {
        assert_eq!(
            problems("[ui]\n[[cluster]]\ncontext = \"a\"\nprotcted = true\n"),
            ["c.toml:4: [[cluster]] has no key \"protcted\"; did you mean \"protected\"?"]
        );
        assert_eq!(problems("xyzzy = 1\n"), ["c.toml:1: the file has no key \"xyzzy\""]);
    }

    #[test]
    fn wrong_types_and_missing_keys_are_told_and_the_rest_is_used() {
        let loaded = parse(
            "c.toml",
            "[ui]\ntheme = 3\n[[cluster]]\nprotected = true\n[[cluster]]\ncontext = \"b\"\nnodes = \"../x\"\n",
        );
        let texts: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "c.toml:2: theme must be a text in quotes, not a value of type integer",
                "c.toml:3: [[cluster]] needs context = \"…\"; the entry is left out",
                "c.toml:7: nodes is \"../x\": write a directory inside the repository, without / or ..",
            ]
        );
        assert_eq!(loaded.config.clusters.len(), 1);
    }

    #[test]
    fn a_cluster_that_names_no_repository_is_told() {
        let text = "[[cluster]]\ncontext=\"a\"\nrepository=\"flet\"\n[[repository]]\nname=\"fleet\"\nurl=\"/x\"\n";
        assert_eq!(problems(text), ["c.toml:3: no [[repository]] is named \"flet\"; did you mean \"fleet\"?: add one"]);
    }

    #[test]
    fn broken_toml_names_its_line_and_keeps_the_rest() {
        let loaded = parse("c.toml", "[ui]\nkeymap = 'mine'\ntheme = \n");
        assert!(loaded.problems[0].to_string().starts_with("c.toml:3: is not TOML: "), "{:?}", loaded.problems);
        assert_eq!(loaded.config.ui.keymap.as_deref(), Some("mine"));
    }

    #[test]
    fn a_missing_file_is_an_empty_configuration() {
        assert_eq!(load(Path::new("/nonexistent/config.toml")), Loaded::default());
    }
}
