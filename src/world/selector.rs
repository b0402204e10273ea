//! Label selectors: the object form (`matchLabels`, `matchExpressions`) and the text form of `-l`.
//!
//! Semantics: `apimachinery/pkg/labels/selector.go` (Requirement.Matches): `NotIn` and `!=` match an absent label,
//! `Gt`/`Lt` want integers on both sides.

use super::object::{list_at, str_at};
use serde_json::Value;
use std::fmt;

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What is demanded of its value.
    pub op: Op,
}

/// What a requirement demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The value is one of these.
    In(Vec<String>),
    /// The label is absent or its value is none of these.
    NotIn(Vec<String>),
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
    /// The value, as an integer, is greater.
    Gt(i64),
    /// The value, as an integer, is smaller.
    Lt(i64),
    /// An operator or value that matches nothing (unknown operator, `Gt` with a word).
    Never,
}

impl Requirement {
    /// From the object form `{key, operator, values}`.
    pub fn from_value(expr: &Value) -> Self {
        let values: Vec<String> = list_at(expr, "/values").iter().filter_map(Value::as_str).map(Into::into).collect();
        let number = || values.first().filter(|_| values.len() == 1).and_then(|v| v.parse().ok());
        let op = match str_at(expr, "/operator") {
            "In" => Op::In(values),
            "NotIn" => Op::NotIn(values),
            "Exists" => Op::Exists,
            "DoesNotExist" => Op::DoesNotExist,
            "Gt" => number().map_or(Op::Never, Op::Gt),
            "Lt" => number().map_or(Op::Never, Op::Lt),
            _ => Op::Never,
        };
        Self { key: str_at(expr, "/key").into(), op }
    }

    /// Whether the label's value (or its absence) satisfies this.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.op {
            Op::In(set) => value.is_some_and(|v| set.iter().any(|s| s == v)),
            Op::NotIn(set) => value.is_none_or(|v| !set.iter().any(|s| s == v)),
            Op::Exists => value.is_some(),
            Op::DoesNotExist => value.is_none(),
            Op::Gt(n) => number().is_some_and(|v| v > *n),
            Op::Lt(n) => number().is_some_and(|v| v < *n),
            Op::Never => false,
        }
    }
}

/// The text form, as `kubectl` prints it: `a=b`, `a in (x,y)`, `!a`.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.op {
            Op::In(set) if set.len() == 1 => write!(f, "{key}={}", set.concat()),
            Op::In(set) => write!(f, "{key} in ({})", set.join(",")),
            Op::NotIn(set) if set.len() == 1 => write!(f, "{key}!={}", set.concat()),
            Op::NotIn(set) => write!(f, "{key} notin ({})", set.join(",")),
            Op::Exists => write!(f, "{key}"),
            Op::DoesNotExist => write!(f, "!{key}"),
            Op::Gt(n) => write!(f, "{key}>{n}"),
            Op::Lt(n) => write!(f, "{key}<{n}"),
            Op::Never => write!(f, "{key} (matches nothing)"),
        }
    }
}

/// A conjunction of requirements; the empty selector matches everything.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selector(pub Vec<Requirement>);

impl Selector {
    /// From `{matchLabels, matchExpressions}`. A missing (`null`) selector is the caller's business:
    /// most of Kubernetes lets it match nothing, this one would match everything.
    pub fn from_value(selector: &Value) -> Self {
        let labels = selector.pointer("/matchLabels").into_iter().flat_map(equalities);
        let exprs = list_at(selector, "/matchExpressions").iter().map(Requirement::from_value);
        Self(labels.chain(exprs).collect())
    }

    /// From a plain map of labels, as in `Service.spec.selector`.
    pub fn from_map(map: &Value) -> Self {
        Self(equalities(map).collect())
    }

    /// Reads the text form: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, `a>1`, `a<1`, joined by commas.
    ///
    /// # Errors
    /// A sentence that names the part that could not be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        split_top(text)
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(parse_one)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a set of labels, seen through a look-up, satisfies every requirement.
    pub fn matches_with<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|r| r.matches(label(&r.key)))
    }

    /// Whether an object's `metadata.labels` value (or `null`) satisfies every requirement.
    pub fn matches(&self, labels: Option<&Value>) -> bool {
        self.matches_with(|key| labels.and_then(|l| l.get(key)).and_then(Value::as_str))
    }
}

/// The text form that [`Selector::parse`] reads; empty for the selector that matches everything.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(Requirement::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

fn equalities(map: &Value) -> impl Iterator<Item = Requirement> + '_ {
    map.as_object().into_iter().flatten().map(|(key, value)| Requirement {
        key: key.clone(),
        op: Op::In(vec![value.as_str().unwrap_or_default().into()]),
    })
}

/// Splits at commas outside parentheses.
fn split_top(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0i32;
    text.split(move |c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        c == ',' && depth <= 0
    })
}

fn parse_one(part: &str) -> Result<Requirement, String> {
    let bad = |why: &str| format!("label selector: `{part}` {why}");
    let set = |rest: &str| -> Result<Vec<String>, String> {
        let inner = rest
            .trim()
            .strip_prefix('(')
            .and_then(|r| r.strip_suffix(')'))
            .ok_or_else(|| bad("needs values in parentheses"))?;
        Ok(inner.split(',').map(|v| v.trim().to_string()).collect())
    };
    let (key, op) = if let Some((k, rest)) = part.split_once(" notin ") {
        (k, Op::NotIn(set(rest)?))
    } else if let Some((k, rest)) = part.split_once(" in ") {
        (k, Op::In(set(rest)?))
    } else if let Some((k, v)) = part.split_once("!=") {
        (k, Op::NotIn(vec![v.trim().into()]))
    } else if let Some((k, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (k, Op::In(vec![v.trim().into()]))
    } else if let Some((k, v)) = part.split_once('>') {
        (k, Op::Gt(v.trim().parse().map_err(|_| bad("compares with something that is not a number"))?))
    } else if let Some((k, v)) = part.split_once('<') {
        (k, Op::Lt(v.trim().parse().map_err(|_| bad("compares with something that is not a number"))?))
    } else if let Some(k) = part.strip_prefix('!') {
        (k, Op::DoesNotExist)
    } else {
        (part, Op::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(bad("has no valid key"));
    }
    Ok(Requirement { key: key.into(), op })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_and_object_forms_agree() {
        let text = Selector::parse("app=web, tier in (a, b),!old,n>3").unwrap();
        let object = Selector::from_value(&json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"}, {"key": "n", "operator": "Gt", "values": ["3"]}]}));
        assert_eq!(text, object);
        assert_eq!(Selector::parse(&text.to_string()), Ok(text.clone()), "the text form is read back");
        assert!(text.matches(Some(&json!({"app": "web", "tier": "b", "n": "4"}))));
        assert!(!text.matches(Some(&json!({"app": "web", "tier": "b", "n": "4", "old": ""}))));
        assert!(!text.matches(Some(&json!({"app": "web", "tier": "b", "n": "four"}))));
    }

    #[test]
    fn not_in_matches_absent_labels() {
        assert!(Selector::parse("a!=b").unwrap().matches(None));
        assert!(Selector::parse("a notin (b)").unwrap().matches(Some(&json!({}))));
        assert!(Selector::parse("").unwrap().matches(None));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(Selector::parse("a in b").unwrap_err().contains("parentheses"));
        assert!(Selector::parse("=x").unwrap_err().contains("key"));
        assert!(Selector::parse("n>many").unwrap_err().contains("number"));
    }
}
