//! Rows of custom kinds: the printer columns of their definition, and the little JSONPath they are written in.

use super::cells::since;
use super::{Column, Rows};
use crate::sim::store::Store;
use crate::world::object::{Resource, ResourceId, int_at, list_at, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};

/// One cell: where its value stands, and what it is.
pub struct Cell {
    path: Vec<Step>,
    kind: String,
}

/// One step of a JSONPath.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    All,
    /// `[?(@.type=="Ready")]`
    Where(Vec<String>, String),
}

/// Columns of a kind that has a definition (or is Argo CD's); `None` for built-in kinds.
pub fn of_kind(store: &Store, kind: &Resource) -> Option<(Vec<Column>, Rows)> {
    let definitions = ResourceId::new("apiextensions.k8s.io", "customresourcedefinitions");
    let found = store.get(&definitions, "", &kind.id.to_string());
    let columns = match &found {
        Some(definition) => {
            let version = list_at(definition, "/spec/versions").iter().find(|v| str_at(v, "/name") == kind.version)?;
            list_at(version, "/additionalPrinterColumns").to_vec()
        }
        None if kind.id.group == "argoproj.io" => argo(&kind.id.plural),
        None => return None,
    };
    let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
    let columns = if columns.is_empty() { vec![age] } else { columns };
    let name = (Column::text("Name", 0), Cell { path: parse(".metadata.name"), kind: "string".into() });
    Some(split(std::iter::once(name).chain(columns.iter().map(column))))
}

fn split(both: impl Iterator<Item = (Column, Cell)>) -> (Vec<Column>, Rows) {
    let (columns, cells) = both.unzip();
    (columns, Rows::Custom(cells))
}

fn column(definition: &Value) -> (Column, Cell) {
    let kind = str_at(definition, "/type").to_string();
    let mut column = Column::text(str_at(definition, "/name"), int_at(definition, "/priority").unwrap_or(0));
    column.kind = kind.clone();
    column.format = "";
    column.description = str_at(definition, "/description").into();
    (column, Cell { path: parse(str_at(definition, "/jsonPath")), kind })
}

/// The columns of Argo CD's own definitions, for clusters that come without them.
fn argo(plural: &str) -> Vec<Value> {
    let one = |name: &str, path: &str, priority: i64| json!({"name": name, "type": "string", "jsonPath": path, "priority": priority});
    match plural {
        "applications" => vec![
            one("Sync Status", ".status.sync.status", 0),
            one("Health Status", ".status.health.status", 0),
            one("Revision", ".status.sync.revision", 10),
            one("Project", ".spec.project", 10),
        ],
        _ => vec![],
    }
}

impl Cell {
    /// The first value at the path, as the column's type shows it; null where there is none.
    pub fn print(&self, object: &Value, now: Time) -> Value {
        let mut found = vec![object];
        for step in &self.path {
            found = found.into_iter().flat_map(|value| step.from(value)).collect();
        }
        let Some(first) = found.first() else { return Value::Null };
        match (self.kind.as_str(), first) {
            ("date", Value::String(text)) => since(text, now).into(),
            ("date", _) => "<unknown>".into(),
            (_, Value::Object(_) | Value::Array(_)) => first.to_string().into(),
            ("string", Value::Null) => Value::Null,
            ("string", Value::String(_)) => {
                // Several values of one path are printed side by side.
                let all: Vec<&str> = found.iter().filter_map(|value| value.as_str()).collect();
                all.join(",").into()
            }
            ("string", other) => other.to_string().into(),
            (_, other) => (*other).clone(),
        }
    }
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Step::Field(name) => value.get(name).into_iter().collect(),
            Step::Index(n) => value.get(n).into_iter().collect(),
            Step::All => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => vec![],
            },
            Step::Where(path, wanted) => {
                let fits = |item: &&Value| {
                    let found = path.iter().try_fold(*item, |at, name| at.get(name));
                    found.is_some_and(|v| v.as_str().map_or_else(|| v.to_string(), String::from) == *wanted)
                };
                value.as_array().into_iter().flatten().filter(fits).collect()
            }
        }
    }
}

/// Reads a JSONPath as printer columns use it: fields, quoted fields, indices, `[*]` and one equality.
fn parse(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = text.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = bracket_end(inner);
            steps.extend(bracket(inner.get(..end).unwrap_or(inner)));
            rest = inner.get(end + 1..).unwrap_or("");
            continue;
        }
        rest = rest.trim_start_matches('.');
        let end = field_end(rest);
        let (field, after) = rest.split_at(end);
        match field {
            "" => {}
            "*" => steps.push(Step::All),
            // A dot inside a name is written `\.`.
            name => steps.push(Step::Field(name.replace('\\', ""))),
        }
        if end == 0 && !after.starts_with('[') {
            break;
        }
        rest = after;
    }
    steps
}

fn field_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\\' => escaped = true,
            '.' | '[' if !escaped => return at,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Where the bracket that was opened before `text` closes, strings and nested ones passed over.
fn bracket_end(text: &str) -> usize {
    let (mut quote, mut depth) = (None, 0);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return at,
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn bracket(inner: &str) -> Option<Step> {
    let inner = inner.trim();
    let unquoted = |text: &str| text.trim().trim_matches(['\'', '"']).to_string();
    if inner == "*" {
        return Some(Step::All);
    }
    if let Ok(n) = inner.parse() {
        return Some(Step::Index(n));
    }
    if let Some(test) = inner.strip_prefix("?(").and_then(|test| test.strip_suffix(')')) {
        let (path, value) = test.split_once("==")?;
        let path = path.trim().trim_start_matches('@').split('.').filter(|part| !part.is_empty()).map(Into::into);
        return Some(Step::Where(path.collect(), unquoted(value)));
    }
    Some(Step::Field(unquoted(inner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(path: &str, kind: &str, object: &Value) -> Value {
        Cell { path: parse(path), kind: kind.into() }.print(object, Time(100))
    }

    #[test]
    fn paths_of_printer_columns() {
        let object = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}],
            "addresses": [{"value": "a"}, {"value": "b"}], "n": 3, "at": "1970-01-01T00:00:00Z"},
            "metadata": {"labels": {"example.com/team": "blue"}}});
        assert_eq!(print(r#".status.conditions[?(@.type=="Synced")].status"#, "string", &object), "False");
        assert_eq!(print(".status.addresses[*].value", "string", &object), "a,b");
        assert_eq!(print(".status.addresses[1].value", "string", &object), "b");
        assert_eq!(print(r".metadata.labels.example\.com/team", "string", &object), "blue");
        assert_eq!(print(".metadata.labels['example.com/team']", "string", &object), "blue");
        assert_eq!(print(".status.n", "integer", &object), 3);
        assert_eq!(print(".status.at", "date", &object), "100s");
        assert_eq!(print(".status.missing.more", "string", &object), Value::Null);
        assert_eq!(print(".status[", "string", &object)["n"], Value::Null);
    }
}
