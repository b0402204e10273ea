//! Cells that several kinds share.

use crate::world::object::{list_at, str_at};
use crate::world::time::{Time, human};
use serde_json::{Value, json};

pub fn name(object: &Value) -> Value {
    str_at(object, "/metadata/name").into()
}

pub fn age(object: &Value, now: Time) -> Value {
    since(str_at(object, "/metadata/creationTimestamp"), now).into()
}

/// How long ago a timestamp was, `<unknown>` where there is none.
pub fn since(text: &str, now: Time) -> String {
    Time::parse(text).map_or_else(|| "<unknown>".into(), |time| human(time.age(now)))
}

/// A number, 0 where there is none.
pub fn number(object: &Value, pointer: &str) -> Value {
    object.pointer(pointer).filter(|value| value.is_number()).cloned().unwrap_or(json!(0))
}

/// Text, or what stands for none.
pub fn text_or(object: &Value, pointer: &str, none: &str) -> Value {
    match str_at(object, pointer) {
        "" => none.into(),
        text => text.into(),
    }
}

/// A value as text, or `<none>`/`<unset>`.
pub fn any_or(object: &Value, pointer: &str, none: &str) -> Value {
    match object.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => text.clone().into(),
        Some(Value::Null) | Some(Value::String(_)) | None => none.into(),
        Some(other) => other.to_string().into(),
    }
}

/// `a,b`, or `<none>`.
pub fn joined(parts: impl IntoIterator<Item = String>, none: &str) -> String {
    let text = parts.into_iter().collect::<Vec<_>>().join(",");
    if text.is_empty() { none.into() } else { text }
}

/// `a=b,c in (d,e)`, as `metav1.FormatLabelSelector` prints it.
pub fn selector(selector: &Value) -> String {
    let mut parts = labels(selector.pointer("/matchLabels"));
    for expr in list_at(selector, "/matchExpressions") {
        let key = str_at(expr, "/key");
        let values = list_at(expr, "/values").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        parts.push(match str_at(expr, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_string(),
        });
    }
    joined(parts, "<none>")
}

/// `a=b,c=d` of a plain map, sorted.
pub fn labels(map: Option<&Value>) -> Vec<String> {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    let mut parts: Vec<String> =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    parts.sort();
    parts
}

/// Names and images of the containers of a pod template.
pub fn containers(object: &Value, pointer: &str) -> (Value, Value) {
    let list = list_at(object, &format!("{pointer}/containers"));
    let each = |field: &str| joined(list.iter().map(|container| str_at(container, field).to_string()), "");
    (each("/name").into(), each("/image").into())
}
