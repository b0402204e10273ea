//! A column as a person names it: one of the kind's own by its title, or a label, an annotation, or a path of the object.

use super::jsonpath::JsonPath;
use super::row::{Cell, Raw, Row, Unpacker};
use super::text::clean;
use compact_str::CompactString;
use serde_json::Value;

/// Characters of a cell at most: it stands in a table, and is kept for every row that is sorted by it.
const LONGEST: usize = 256;

/// A column as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As typed: `.spec.nodeName as NODE`.
    pub text: String,
    /// Upper case.
    pub title: String,
    /// Where its cells come from.
    pub from: From,
}

/// Where the cells of a chosen column come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A column that there is anyway, by its title.
    Own,
    /// A label of the row.
    Label(String),
    /// A part of the whole object.
    Path(JsonPath),
    /// Whether the whole object contains this text, capitals or not; `managedFields` aside.
    Text(String),
}

impl Choice {
    /// A column that there is anyway.
    pub fn own(title: &str) -> Self {
        Self { text: title.into(), title: title.into(), from: From::Own }
    }

    /// Reads `NAME`, `labels.app`, `annotations.owner`, `.spec.nodeName`, each with ` as TITLE` where one likes.
    ///
    /// # Errors
    /// A sentence that says what is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let typed = text.trim();
        let (what, title) = match typed.rsplit_once(" as ") {
            Some((what, title)) if !title.trim().is_empty() => (what.trim(), Some(title.trim().to_uppercase())),
            Some(_) => return Err(format!("{typed:?} has no title behind `as`")),
            None => (typed, None),
        };
        if what.is_empty() {
            return Err("a column needs a name: NAME, labels.app, annotations.owner or .spec.nodeName".into());
        }
        let path = what.starts_with(['.', '{', '$', '[']);
        let from = match () {
            () if path => match JsonPath::parse(what)? {
                path if path.metadata().is_some_and(|(of, _)| of == "labels") => {
                    From::Label(path.metadata().map(|(_, key)| key.to_string()).unwrap_or_default())
                }
                path => From::Path(path),
            },
            () => match (key_of(what, "label"), key_of(what, "annotation")) {
                (Some(key), _) => From::Label(key?),
                (None, Some(key)) => {
                    let key = key?;
                    From::Path(JsonPath::parse(&format!(".metadata.annotations['{key}']"))?)
                }
                (None, None) if title.is_some() => {
                    return Err(format!("{what} keeps its title; only labels, annotations and paths take `as`"));
                }
                (None, None) => From::Own,
            },
        };
        let title = title.unwrap_or_else(|| match &from {
            From::Own => what.to_uppercase(),
            From::Label(key) => last_part(key),
            From::Text(text) => text.clone(),
            From::Path(path) => path.last().map_or_else(|| what.to_uppercase(), last_part),
        });
        Ok(Self { text: typed.into(), title: clean(&title).into_owned(), from })
    }

    /// What it is, for the chooser.
    pub fn source(&self) -> String {
        match &self.from {
            From::Own => String::new(),
            From::Label(key) => format!("label {key}"),
            From::Path(_) | From::Text(_) => self.text.rsplit_once(" as ").map_or(&*self.text, |(what, _)| what).into(),
        }
    }

    /// The cell where the row alone says it: of a label. `None`: the whole object is needed.
    pub fn of_row(&self, row: &Row) -> Option<Cell> {
        match &self.from {
            From::Label(key) => Some(
                row.meta
                    .labels
                    .iter()
                    .find(|(k, _)| **k == **key)
                    .map_or(Cell::Empty, |(_, value)| Cell::Shared(value.clone())),
            ),
            From::Own => Some(Cell::Empty),
            From::Path(_) | From::Text(_) => None,
        }
    }

    /// The cell of an object. What is not there is empty.
    pub fn of_object(&self, object: &Value) -> Cell {
        let From::Path(path) = &self.from else { return Cell::Empty };
        match path.find(object).as_slice() {
            [] => Cell::Empty,
            [one] => match one.as_i64() {
                Some(n) => Cell::Int(n),
                None => text(&words(one)),
            },
            several => text(&several.iter().map(|value| words(value)).collect::<Vec<_>>().join(",")),
        }
    }
}

/// The cells of an object that is kept, one for each column; empty ones where it cannot be read.
pub fn evaluate(choices: &[Choice], unpacker: &mut Unpacker, raw: &Raw) -> Box<[Cell]> {
    if let [Choice { from: From::Text(text), .. }] = choices {
        let found = unpacker.json(raw).is_some_and(|json| holds(json, text));
        return [if found { Cell::Int(1) } else { Cell::Empty }].into();
    }
    let object: Option<Value> = unpacker.json(raw).and_then(|json| serde_json::from_slice(json).ok());
    choices.iter().map(|choice| object.as_ref().map_or(Cell::Empty, |object| choice.of_object(object))).collect()
}

/// Whether an object's JSON contains a text, capitals or not. `managedFields` repeat the names of all fields: they do
/// not count.
fn holds(json: &[u8], text: &str) -> bool {
    // As it was typed, or as it stands in JSON, where a quote within a text has a backslash.
    let quoted = Value::String(text.into()).to_string();
    let wanted = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let hidden = managed_fields(json).unwrap_or(0..0);
    let (json, text, wanted) = (json.to_ascii_lowercase(), text.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    let is_in = |needle: &str| memchr::memmem::find_iter(&json, needle.as_bytes()).any(|at| !hidden.contains(&at));
    is_in(&text) || is_in(&wanted)
}

/// Where the list of `managedFields` stands.
fn managed_fields(json: &[u8]) -> Option<std::ops::Range<usize>> {
    const KEY: &[u8] = b"\"managedFields\":";
    let at = memchr::memmem::find(json, KEY)? + KEY.len();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (n, byte) in json.get(at..)?.iter().enumerate() {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at..at + n + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The columns of a list as a person wrote it, and what is wrong with it: a mistake costs its own column only.
pub fn parse_all<'t>(texts: impl IntoIterator<Item = &'t str>) -> (Vec<Choice>, Vec<String>) {
    let (mut choices, mut wrong): (Vec<Choice>, Vec<String>) = (vec![], vec![]);
    for text in texts {
        match Choice::parse(text) {
            Err(error) => wrong.push(error),
            Ok(choice) => match choices.iter().find(|known| known.title == choice.title) {
                Some(known) => wrong.push(format!(
                    "{} and {} would both be called {}: give one another title with `as`",
                    known.text, choice.text, choice.title
                )),
                None => choices.push(choice),
            },
        }
    }
    (choices, wrong)
}

/// The key behind `labels.`, `label:` and their like; an error where there is none.
fn key_of(what: &str, of: &str) -> Option<Result<String, String>> {
    let rest = what.strip_prefix(of)?;
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    let key = match rest.strip_prefix(['.', ':']) {
        Some(key) => key,
        None => rest.strip_prefix('[')?.strip_suffix(']')?,
    };
    let key = key.trim_matches(['\'', '"']);
    Some(match key.is_empty() || key.contains('\'') {
        true => Err(format!("{what} names no {of}: write {of}s.app")),
        false => Ok(key.into()),
    })
}

/// `app.kubernetes.io/part-of` → `PART-OF`
fn last_part(key: &str) -> String {
    key.rsplit('/').next().unwrap_or(key).to_uppercase()
}

fn text(words: &str) -> Cell {
    if words.is_empty() {
        return Cell::Empty;
    }
    let short = match words.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words.to_string(),
    };
    Cell::Text(CompactString::from(clean(&short)))
}

/// A value as kubectl's columns print it: text as it is, lists and maps as JSON.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_named_as_people_write_them() {
        for (text, title) in [
            ("NAME", "NAME"),
            ("status", "STATUS"),
            ("LAST SEEN", "LAST SEEN"),
            ("labels.app", "APP"),
            ("label:app.kubernetes.io/part-of", "PART-OF"),
            ("annotations.owner as who", "WHO"),
            (".spec.nodeName", "NODENAME"),
            (".spec.nodeName as NODE", "NODE"),
            ("{.spec.containers[*].image}", "IMAGE"),
            (".metadata.labels['a/b']", "B"),
        ] {
            assert_eq!(Choice::parse(text).unwrap().title, title, "{text}");
        }
        assert_eq!(Choice::parse(".metadata.labels['a/b']").unwrap().from, From::Label("a/b".into()));
        for (text, said) in [
            ("", "needs a name"),
            ("labels.", "names no label"),
            (".a..b", "dot without"),
            ("NAME as X", "keeps its title"),
        ] {
            let error = Choice::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_is_found_in_the_object_but_not_in_managed_fields() {
        let object = json!({
            "metadata": {"managedFields": [{"manager": "kubectl", "fieldsV1": {"f:x]\"}": {}}}], "name": "web"},
            "spec": {"arg": "say \"Hi\"", "path": "C:\\x"},
        });
        let json = object.to_string();
        let holds = |text: &str| holds(json.as_bytes(), text);
        assert!(holds("\"name\":\"web\""));
        assert!(holds("web") && holds("WEB") && holds("say \"hi") && holds("c:\\X") && holds("arg"));
        assert!(!holds("kubectl") && !holds("f:x") && !holds("nope"));
    }

    #[test]
    fn cells_are_clean_short_and_empty_where_there_is_nothing() {
        let object = json!({
            "metadata": {"annotations": {"owner": "Mara\u{1b}[31m"}},
            "spec": {"n": 3, "yes": true, "none": null, "long": "x".repeat(999), "list": [{"a": 1}, {"a": 2}]},
        });
        let cell = |text: &str| Choice::parse(text).unwrap().of_object(&object);
        assert_eq!(cell(".spec.n"), Cell::Int(3));
        assert_eq!(cell(".spec.yes"), Cell::Text("true".into()));
        assert_eq!((cell(".spec.none"), cell(".spec.nope")), (Cell::Empty, Cell::Empty));
        assert_eq!(cell(".spec.list[*].a"), Cell::Text("1,2".into()));
        assert_eq!(cell(".spec.list[0]"), Cell::Text("{\"a\":1}".into()));
        assert!(matches!(cell(".spec.long"), Cell::Text(text) if text.chars().count() == LONGEST + 1));
        assert!(
            matches!(cell("annotations.owner"), Cell::Text(text) if !text.contains('\u{1b}') && text.contains("Mara"))
        );
    }
}
