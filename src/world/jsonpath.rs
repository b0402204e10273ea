//! kubectl's JSONPath, as far as columns need it: fields, quoted fields, positions, `*`, and `[?(@.type=="Ready")]`.
//!
//! `{.spec.nodeName}`, `$.spec.nodeName` and `.spec.nodeName` are the same. What is not there is nothing, never an error.

use serde_json::Value;

/// A path that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    /// From the end where it is negative.
    At(i64),
    All,
    /// Elements of which this part is, or is not, this text.
    Where {
        part: JsonPath,
        text: String,
        same: bool,
    },
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// A sentence that says what is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let typed = text.trim();
        let inner = match typed.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or_else(|| format!("{typed} has no closing }}"))?.trim(),
            None => typed,
        };
        let mut rest = inner.strip_prefix('$').unwrap_or(inner);
        let mut steps = vec![];
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inside) => brackets(typed, inside)?,
                None => {
                    let after = rest.strip_prefix('.').ok_or_else(|| format!("{typed}: write . before {rest}"))?;
                    // `.containers.[0]` is written by some.
                    if after.starts_with('[') {
                        rest = after;
                        continue;
                    }
                    field(typed, after)?
                }
            };
            steps.push(step);
            rest = after;
        }
        match steps.is_empty() {
            true => Err(format!("{typed:?} names no field: write a path such as .spec.nodeName")),
            false => Ok(Self { steps }),
        }
    }

    /// Everything that the path leads to, in order.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.steps {
            found = found.into_iter().flat_map(|value| step.from(value)).collect();
        }
        found
    }

    /// The key where the path is that of one label or annotation: `("labels", "app")`.
    pub fn metadata(&self) -> Option<(&str, &str)> {
        match self.steps.as_slice() {
            [Step::Field(metadata), Step::Field(of), Step::Field(key)] if metadata == "metadata" => Some((of, key)),
            _ => None,
        }
    }

    /// The last field that it names: `nodeName`.
    pub fn last(&self) -> Option<&str> {
        self.steps.iter().rev().find_map(|step| match step {
            Step::Field(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::At(n) => {
                let Some(list) = value.as_array() else { return vec![] };
                let at = match usize::try_from(*n) {
                    Ok(at) => Some(at),
                    Err(_) => usize::try_from(n.unsigned_abs()).ok().and_then(|back| list.len().checked_sub(back)),
                };
                at.and_then(|at| list.get(at)).into_iter().collect()
            }
            Self::All => match value {
                Value::Array(list) => list.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => vec![],
            },
            Self::Where { part, text, same } => {
                let is = |element: &&Value| {
                    let found = part.find(element);
                    found.iter().any(|value| plain(value).as_deref() == Some(text)) == *same
                };
                value.as_array().into_iter().flatten().filter(is).collect()
            }
        }
    }
}

/// A value that is no list and no map, as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A field up to the next `.` or `[`; `\.` is a dot of its name.
fn field<'t>(typed: &str, text: &'t str) -> Result<(Step, &'t str), String> {
    let (mut name, mut chars) = (String::new(), text.char_indices());
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' => {
                end = at;
                break;
            }
            _ => name.push(c),
        }
    }
    let rest = text.get(end..).unwrap_or_default();
    match name.as_str() {
        "" => Err(format!("{typed} has a dot without a field behind it (.. is not supported)")),
        "*" => Ok((Step::All, rest)),
        _ => Ok((Step::Field(name), rest)),
    }
}

/// What stands in brackets, `text` being behind the opening one.
fn brackets<'t>(typed: &str, text: &'t str) -> Result<(Step, &'t str), String> {
    if let Some(inside) = text.strip_prefix("?(") {
        return filter(typed, inside);
    }
    let unclosed = || format!("{typed} has no closing ]");
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let inside = text.get(1..).unwrap_or_default();
        let (name, rest) = inside.split_once(quote).ok_or_else(unclosed)?;
        let rest = rest.strip_prefix(']').ok_or_else(unclosed)?;
        return Ok((Step::Field(name.into()), rest));
    }
    let (inside, rest) = text.split_once(']').ok_or_else(unclosed)?;
    let step = match inside.trim() {
        "*" | ":" => Step::All,
        "" => return Err(format!("{typed} has empty brackets")),
        at => match at.parse() {
            Ok(n) => Step::At(n),
            Err(_) if at.contains([':', ',']) => {
                return Err(format!("{typed}: [{at}] is not supported; write one position, or [*] for all"));
            }
            // The quotes are lost where a shell or a command line took them.
            Err(_) => Step::Field(at.into()),
        },
    };
    Ok((step, rest))
}

/// `@.type=="Ready")]`
fn filter<'t>(typed: &str, text: &'t str) -> Result<(Step, &'t str), String> {
    let (inside, rest) = text.split_once(")]").ok_or_else(|| format!("{typed} has no closing )]"))?;
    let (part, text, same) = match (inside.split_once("=="), inside.split_once("!=")) {
        (Some((part, text)), _) => (part, text, true),
        (None, Some((part, text))) => (part, text, false),
        (None, None) => return Err(format!("{typed}: of conditions only == and != are supported")),
    };
    let part = part.trim().strip_prefix('@').ok_or_else(|| format!("{typed}: a condition begins with @."))?;
    let text = text.trim().trim_matches(['"', '\'']).to_string();
    Ok((Step::Where { part: JsonPath::parse(part)?, text, same }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(path: &str) -> Vec<String> {
        let object = json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "web", "a.b": "dotted", "app": "shop"}},
            "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "web:1"}, {"name": "log", "image": "log:2"}]},
            "status": {"conditions": [
                {"type": "Ready", "status": "False", "code": 3}, {"type": "Initialized", "status": "True", "code": 4}]},
        });
        JsonPath::parse(path).unwrap().find(&object).into_iter().map(|v| plain(v).unwrap_or_default()).collect()
    }

    #[test]
    fn paths_lead_where_kubectl_leads() {
        for path in
            [".spec.nodeName", "{.spec.nodeName}", "$.spec.nodeName", "{ .spec['nodeName'] }", ".spec[nodeName]"]
        {
            assert_eq!(found(path), ["n1"], "{path}");
        }
        assert_eq!(found(".spec.containers[0].name"), ["app"]);
        assert_eq!(found(".spec.containers[-1].name"), ["log"]);
        assert_eq!(found(".spec.containers.[1].name"), ["log"]);
        assert_eq!(found(".spec.containers[*].image"), ["web:1", "log:2"]);
        assert_eq!(found(".spec.containers.*.image"), ["web:1", "log:2"]);
        assert_eq!(found(".metadata.labels['app.kubernetes.io/name']"), ["web"]);
        assert_eq!(found(r".metadata.labels.app\.kubernetes\.io/name"), ["web"]);
        assert_eq!(found(r#".status.conditions[?(@.type=="Ready")].status"#), ["False"]);
        assert_eq!(found(".status.conditions[?(@.code==4)].type"), ["Initialized"]);
        assert_eq!(found(".status.conditions[?(@.type != 'Ready')].type"), ["Initialized"]);
    }

    #[test]
    fn what_is_not_there_is_nothing() {
        for path in
            [".spec.nope", ".spec.nodeName.deeper", ".spec.containers[7].name", ".spec.containers[-9]", ".spec[0]"]
        {
            assert!(found(path).is_empty(), "{path}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (path, said) in [
            ("", "names no field"),
            ("{}", "names no field"),
            ("{.spec", "closing }"),
            ("spec.x", "write . before"),
            (".spec..x", "dot without a field"),
            (".a[", "closing ]"),
            (".a[]", "empty brackets"),
            (".a['x]", "closing ]"),
            (".a[0:2]", "not supported"),
            (".a[?(@.x>3)]", "== and !="),
            (".a[?(x==3)]", "begins with @"),
        ] {
            let error = JsonPath::parse(path).unwrap_err();
            assert!(error.contains(said), "{path}: {error}");
        }
    }

    #[test]
    fn a_path_to_a_label_is_known_as_one() {
        assert_eq!(JsonPath::parse(".metadata.labels['a/b']").unwrap().metadata(), Some(("labels", "a/b")));
        assert_eq!(JsonPath::parse(".metadata.name").unwrap().metadata(), None);
        assert_eq!(JsonPath::parse(".spec.containers[*].image").unwrap().last(), Some("image"));
    }
}
