//! An object as YAML, the way `kubectl get -o yaml` prints it: block style, keys sorted, lists not indented.
//!
//! What is shown is safe to show: control characters are gone, Secret values are masked unless somebody asked to see
//! them, and `managedFields` stay away unless asked for.

use crate::world::object::str_at;
use crate::world::text::{clean, clean_log_line};
use k8s_openapi::ByteString;
use serde_json::{Map, Value};

/// The annotation in which `kubectl apply` keeps the object it was given, Secret values included.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What [`lines`] shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Show `metadata.managedFields`.
    pub managed_fields: bool,
    /// Show Secret values, decoded where they are text.
    pub decode_secrets: bool,
}

/// An object as lines of YAML without control characters. Parsed again they give the shown object:
/// keys sorted, Secret values masked or decoded, `managedFields` as asked for.
pub fn lines(object: &Value, options: Options) -> Vec<String> {
    let text = emit(&shown(object, options));
    text.lines().map(str::to_string).collect()
}

/// Any value as lines of YAML without control characters, keys sorted. Nothing is masked: that is the caller's part.
pub fn plain(value: &Value) -> Vec<String> {
    emit(&sorted(value)).lines().map(str::to_string).collect()
}

/// The object as it may be shown; see [`lines`].
pub fn shown(object: &Value, options: Options) -> Value {
    let mut object = sorted(object);
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && !options.managed_fields
    {
        meta.shift_remove("managedFields");
    }
    if is_secret(&object) {
        mask_secret(&mut object, options.decode_secrets);
    }
    object
}

/// kubectl sorts keys (`sigs.k8s.io/yaml` goes through a Go map); text is made safe on the way.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(k, v)| (clean(k).into_owned(), sorted(v))).collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        Value::String(text) => Value::String(safe(text)),
        other => other.clone(),
    }
}

/// Text made safe with its line breaks kept.
fn safe(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(clean_log_line).collect();
    lines.join("\n")
}

/// Replaces `data` and `stringData` by their sizes, or `data` by its text when `decode` is set; the annotation that
/// repeats them goes the same way.
fn mask_secret(secret: &mut Value, decode: bool) {
    for (pointer, encoded) in [("/data", true), ("/stringData", false)] {
        let entries = secret.pointer_mut(pointer).and_then(Value::as_object_mut).into_iter().flatten();
        for (_, value) in entries {
            let bytes = if encoded { decoded(value) } else { value.as_str().map(|text| text.as_bytes().to_vec()) };
            *value = Value::String(match (bytes, decode) {
                (Some(bytes), true) => match String::from_utf8(bytes) {
                    Ok(text) => safe(&text),
                    Err(binary) => masked(binary.as_bytes().len()),
                },
                (Some(bytes), false) => masked(bytes.len()),
                (None, _) => "••• not base64".into(),
            });
        }
    }
    if let Some(copy) = secret.pointer_mut("/metadata/annotations").and_then(|a| a.get_mut(LAST_APPLIED))
        && !decode
    {
        *copy = Value::String(masked(copy.as_str().unwrap_or_default().len()));
    }
}

fn decoded(value: &Value) -> Option<Vec<u8>> {
    serde_json::from_value::<ByteString>(value.clone()).ok().map(|bytes| bytes.0)
}

fn masked(bytes: usize) -> String {
    format!("••• {bytes} {}", if bytes == 1 { "byte" } else { "bytes" })
}

/// Block style as kubectl writes it; long lines are never folded.
fn emit(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { compact_list_indent: true, folded_wrap_chars: usize::MAX };
    // Only a writer that fails or a value that cannot be a JSON value makes this fail; JSON is YAML then.
    serde_saphyr::to_string_with_options(value, options).unwrap_or_else(|_| value.to_string())
}

/// Whether the values of an object are kept from the screen until asked for.
pub fn is_secret(object: &Value) -> bool {
    str_at(object, "/kind") == "Secret" && str_at(object, "/apiVersion") == "v1"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn text(object: &Value, options: Options) -> String {
        lines(object, options).join("\n")
    }

    #[test]
    fn reads_like_kubectl() {
        let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "web", "labels": {}, "managedFields": [{"manager": "x"}]},
            "data": {"on": "yes", "n": "12", "conf": "a: 1\nb: 2\n", "tail": "no newline\nat the end"}, "list": [{"a": 1, "b": ["x", "y"]}, []]});
        insta::assert_snapshot!(text(&object, Options::default()), @r#"
        apiVersion: v1
        data:
          conf: |
            a: 1
            b: 2
          "n": "12"
          "on": "yes"
          tail: |-
            no newline
            at the end
        kind: ConfigMap
        list:
        - a: 1
          b:
          - x
          - "y"
        - []
        metadata:
          labels: {}
          name: web
        "#);
        assert!(text(&object, Options { managed_fields: true, ..Options::default() }).contains("- manager: x"));
    }

    #[test]
    fn secrets_are_masked_until_asked_for() {
        let object = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "db", "annotations": {LAST_APPLIED: "{\"data\":{\"p\":\"aHVudGVyMg==\"}}"}},
            "data": {"password": "aHVudGVyMg==", "key": "/wA="}, "stringData": {"plain": "hunter2"}});
        let hidden = text(&object, Options::default());
        assert!(hidden.contains("password: ••• 7 bytes") && hidden.contains("key: ••• 2 bytes"), "{hidden}");
        assert!(!hidden.contains("hunter2") && !hidden.contains("aHVudGVyMg"), "{hidden}");
        let open = text(&object, Options { decode_secrets: true, ..Options::default() });
        assert!(open.contains("password: hunter2") && open.contains("key: ••• 2 bytes"), "{open}");
    }

    #[test]
    fn no_escape_reaches_the_screen() {
        let out = text(&json!({"a\u{1b}[31m": "x\u{1b}]0;title\u{7}y\r\nz\u{202e}"}), Options::default());
        assert!(!out.chars().any(|c| c.is_control() && c != '\n') && !out.contains('\u{202e}'), "{out:?}");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let words = prop_oneof![
            "[ -~]{0,12}",
            "[a-z:#\\-?&*!|>%@`'\" ]{0,6}",
            "[a-z \n]{0,12}",
            Just("yes".to_string()),
            Just("1e3".into()),
            Just("0x1f".into()),
            Just("~".into()),
            Just("2026-11-21T10:00:00Z".into()),
            Just("läuft 日本".into()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            words.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{1,8}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn parsed_again_it_is_the_same(value in any_value()) {
            let value = json!({ "spec": value });
            let lines = lines(&value, Options::default());
            let back: Value = serde_saphyr::from_str(&(lines.join("\n") + "\n")).map_err(|e| TestCaseError::fail(format!("{e}\n{}", lines.join("\n"))))?;
            prop_assert_eq!(back, sorted(&value), "{}", lines.join("\n"));
        }
    }
}
