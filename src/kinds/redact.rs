//! Objects and logs made safe to hand to others: what looks like a secret is replaced, everything that explains an
//! incident (names, keys, references, messages, numbers) stays.
//!
//! It errs on the side of taking too much from values that people write (environment, arguments, ConfigMaps,
//! annotations) and nothing from what controllers write, where only unmistakable credentials go.

use super::yaml::is_secret;
use crate::world::object::str_at;
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands in the place of a value.
pub const REDACTED: &str = "REDACTED";

/// Names that speak of a secret value: of a variable, a flag, a key of a ConfigMap.
static TELLING: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)(pass(wd|word|phrase|code)?$|passw|secret|token|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key|encryption[-_.]?key|signing[-_.]?key|auth$|authorization|cookie|dsn$|connection[-_.]?string|salt$)",
    )
});

/// Credentials that are recognised wherever they stand, with what stays of them.
static CREDENTIALS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let all = [
        (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", "REDACTED"),
        // A JSON web token: three parts, the first of which is `{"` in base64.
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*", "REDACTED"),
        (r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/-]{8,}=*", "$1 REDACTED"),
        (r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@", "${1}REDACTED@"),
        (r"\b(AKIA|ASIA)[0-9A-Z]{16}\b", "REDACTED"),
        (r"\b(gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|npm_|sk_live_|hvs\.)[A-Za-z0-9_-]{10,}", "REDACTED"),
        // password=…, --api-key=…, "token":"…", and lines `password: …` of a configuration file.
        (
            r#"(?i)([\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[-_.]?key|access[-_.]?key|private[-_.]?key)[\w.-]*["']?=["']?)[^\s"',;&]+"#,
            "${1}REDACTED",
        ),
        (
            r#"(?i)("[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[-_.]?key|access[-_.]?key|private[-_.]?key)[\w.-]*"\s*:\s*")[^"]+"#,
            "${1}REDACTED",
        ),
    ];
    all.map(|(pattern, stays)| (expression(pattern), stays)).into()
});

/// `password: …` at the beginning of a line, as YAML and properties files have it.
static LINES: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?im)^(\s*(?:- )?[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[-_.]?key|access[-_.]?key|private[-_.]?key)[\w.-]*\s*[:=][ \t]*)\S.*$",
    )
});

fn expression(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant expression")
}

/// The annotation in which kubectl keeps a whole copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Makes an object safe; how many values were replaced.
pub fn object(object: &mut Value) -> usize {
    let mut count = 0;
    if is_secret(object) {
        for field in ["data", "stringData"] {
            let values = object.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten();
            values.for_each(|(_, value)| count += replace(value));
        }
    }
    if let Some(copy) = object.pointer_mut(&format!("/metadata/annotations/{}", LAST_APPLIED.replace('/', "~1"))) {
        count += last_applied(copy);
    }
    for at in ["/data", "/metadata/annotations"] {
        let settings = object.pointer_mut(at).and_then(Value::as_object_mut).into_iter().flatten();
        settings.for_each(|(key, value)| count += setting(key, value));
    }
    count + walk(object)
}

/// Makes the text of a log safe.
pub fn log(text: &str) -> Cow<'_, str> {
    credentials(text)
}

/// The copy of an object inside of it: read, made safe, written again; taken out where it cannot be read.
fn last_applied(copy: &mut Value) -> usize {
    match copy.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        Some(mut inner) => {
            let count = object(&mut inner);
            *copy = Value::String(inner.to_string());
            count
        }
        None => replace(copy),
    }
}

/// A value that somebody wrote under a name.
fn setting(key: &str, value: &mut Value) -> usize {
    if key == LAST_APPLIED {
        return 0;
    }
    let Some(text) = value.as_str() else { return 0 };
    if TELLING.is_match(key) && !text.is_empty() {
        return replace(value);
    }
    match LINES.replace_all(text, "${1}REDACTED") {
        Cow::Borrowed(_) => 0,
        Cow::Owned(safe) => {
            *value = Value::String(safe);
            1
        }
    }
}

fn replace(value: &mut Value) -> usize {
    *value = Value::String(REDACTED.into());
    1
}

/// Every text of an object; `name` and `value` pairs (environment, headers, parameters) and lists of arguments.
fn walk(value: &mut Value) -> usize {
    match value {
        Value::String(text) => match credentials(text) {
            Cow::Borrowed(_) => 0,
            Cow::Owned(safe) => {
                *text = safe;
                1
            }
        },
        Value::Array(all) => all.iter_mut().map(walk).sum(),
        Value::Object(fields) => {
            let mut count = 0;
            let named = fields.get("name").and_then(Value::as_str).is_some_and(|name| TELLING.is_match(name));
            if let Some(value) = fields.get_mut("value").filter(|v| named && v.as_str().is_some_and(|v| !v.is_empty()))
            {
                count += replace(value);
            }
            for list in ["command", "args"] {
                count += fields.get_mut(list).and_then(Value::as_array_mut).map_or(0, |list| arguments(list));
            }
            count + fields.values_mut().map(walk).sum::<usize>()
        }
        _ => 0,
    }
}

/// `--token VALUE`: the value is an argument of its own.
fn arguments(list: &mut [Value]) -> usize {
    let mut count = 0;
    for at in 1..list.len() {
        let flag = list[at - 1].as_str().is_some_and(|f| f.starts_with('-') && !f.contains('=') && TELLING.is_match(f));
        if flag && list[at].as_str().is_some_and(|value| !value.starts_with('-')) {
            count += replace(&mut list[at]);
        }
    }
    count
}

fn credentials(text: &str) -> Cow<'_, str> {
    let mut safe = Cow::Borrowed(text);
    for (pattern, stays) in CREDENTIALS.iter() {
        if let Cow::Owned(less) = pattern.replace_all(&safe, *stays) {
            // What was safe before stays as it is.
            if less != *safe {
                safe = Cow::Owned(less);
            }
        }
    }
    safe
}

/// Whether an object belongs to the machinery of others' credentials and is left out of recordings altogether.
pub fn is_left_out(object: &Value) -> bool {
    // Helm keeps whole releases, with their values, in ConfigMaps too.
    str_at(object, "/metadata/labels/owner") == "helm" && str_at(object, "/kind") == "ConfigMap"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn safe(mut value: Value) -> Value {
        object(&mut value);
        value
    }

    #[test]
    fn values_of_people_go() {
        let pod = safe(json!({"kind": "Pod", "spec": {"containers": [{"name": "app",
            "args": ["--token", "t0ps3cret", "--password=hunter2", "--level", "5", "-v"],
            "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "MODE", "value": "fast"},
                {"name": "DATABASE_URL", "value": "postgres://app:hunter2@db:5432/shop"},
                {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "api-token", "key": "token"}}}]}]}}));
        let text = pod.to_string();
        assert!(!text.contains("hunter2") && !text.contains("t0ps3cret"), "{text}");
        assert_eq!(
            pod["spec"]["containers"][0]["args"],
            json!(["--token", "REDACTED", "--password=REDACTED", "--level", "5", "-v"])
        );
        assert_eq!(pod["spec"]["containers"][0]["env"][2]["value"], "postgres://REDACTED@db:5432/shop");
        assert_eq!(
            pod["spec"]["containers"][0]["env"][3]["valueFrom"]["secretKeyRef"],
            json!({"name": "api-token", "key": "token"})
        );
        assert_eq!(pod["spec"]["containers"][0]["env"][1]["value"], "fast");
    }

    #[test]
    fn secrets_keep_their_keys_only_and_copies_go_too() {
        let copy = json!({"kind": "Secret", "data": {"password": "aHVudGVyMg=="}}).to_string();
        let secret = safe(json!({"apiVersion": "v1", "kind": "Secret", "data": {"password": "aHVudGVyMg=="},
            "metadata": {"annotations": {LAST_APPLIED: copy}}}));
        assert!(!secret.to_string().contains("aHVudGVyMg"), "{secret}");
        assert_eq!(secret["data"], json!({"password": REDACTED}));
        let broken = safe(
            json!({"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: "{\"data\": {\"p\": \"aHVudGVyMg=="}}}),
        );
        assert!(!broken.to_string().contains("aHVudGVyMg"), "{broken}");
    }

    #[test]
    fn files_in_configmaps_lose_their_secret_lines() {
        let map = safe(
            json!({"kind": "ConfigMap", "data": {"app.yaml": "db:\n  host: db\n  password: hunter2\n", "session_secret": "abc",
            "key.pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"}}),
        );
        assert_eq!(
            map["data"],
            json!({"app.yaml": "db:\n  host: db\n  password: REDACTED\n", "session_secret": "REDACTED", "key.pem": "REDACTED\n"})
        );
    }

    #[test]
    fn logs_lose_credentials() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        assert_eq!(log(&format!("Authorization: Bearer {jwt}")), "Authorization: Bearer REDACTED");
        assert_eq!(log("login user=a password=hunter2 ok"), "login user=a password=REDACTED ok");
        assert_eq!(log(r#"{"level":"error","api_key":"k-12345"}"#), r#"{"level":"error","api_key":"REDACTED"}"#);
        assert!(matches!(log("listening on :8080"), Cow::Borrowed(_)));
    }

    /// What controllers say is what diagnosis reads.
    #[test]
    fn sentences_of_controllers_stay() {
        for sentence in [
            "secret \"db\" not found",
            "couldn't find key DB_PASSWORD in Secret shop/db",
            "references non-existent secret key: password",
            "failed to authorize: failed to fetch anonymous token: unexpected status from GET request: 401 Unauthorized",
            "MountVolume.SetUp failed for volume \"kube-api-access-x\" : failed to fetch token: serviceaccounts \"app\" not found",
            "error looking up service account shop/app: serviceaccount \"app\" not found",
        ] {
            let event = json!({"kind": "Event", "message": sentence});
            assert_eq!(safe(event.clone()), event);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_twice_is_once(text in "(?s).{0,200}", key in "[a-zA-Z_.-]{0,20}") {
            let once = safe(json!({"kind": "ConfigMap", "data": {key: text.clone()}, "message": text}));
            prop_assert_eq!(safe(once.clone()), once);
        }
    }
}
