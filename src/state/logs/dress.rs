//! How a line of a log is shown: its level as a colour, JSON as time, level and message with the rest behind them.

use crate::theme::Meaning;
use crate::world::text::clean_log_line;
use crate::world::time::Time;
use serde_json::{Map, Value};
use std::fmt::Write;

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn meaning(self) -> Meaning {
        match self {
            Self::Debug => Meaning::Muted,
            Self::Info => Meaning::Text,
            Self::Warn => Meaning::Warn,
            Self::Error => Meaning::Bad,
        }
    }

    /// The names that the usual loggers give their levels.
    fn named(word: &str) -> Option<Self> {
        const NAMES: &[(Level, &[&str])] = &[
            (Level::Debug, &["trace", "debug", "dbg", "verbose", "finest", "finer", "fine"]),
            (Level::Info, &["info", "information", "notice", "inf"]),
            (Level::Warn, &["warn", "warning", "wrn"]),
            (
                Level::Error,
                &[
                    "error",
                    "err",
                    "fatal",
                    "panic",
                    "critical",
                    "crit",
                    "alert",
                    "emerg",
                    "emergency",
                    "severe",
                    "dpanic",
                ],
            ),
        ];
        if word.len() > 11 {
            return None;
        }
        NAMES
            .iter()
            .find(|(_, names)| names.iter().any(|name| word.eq_ignore_ascii_case(name)))
            .map(|(level, _)| *level)
    }

    /// The numbers of bunyan and pino: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
    fn numbered(n: i64) -> Option<Self> {
        match n {
            10..=29 => Some(Self::Debug),
            30..=39 => Some(Self::Info),
            40..=49 => Some(Self::Warn),
            50..=60 => Some(Self::Error),
            _ => None,
        }
    }
}

/// A line ready to be painted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dressed {
    /// What stands there.
    pub text: String,
    /// Where each piece ends, and what it means.
    pub runs: Vec<(usize, Meaning)>,
    /// Where the line itself begins, behind its time and source.
    pub body: usize,
}

impl Dressed {
    /// Adds a piece.
    pub fn push(&mut self, meaning: Meaning, text: &str) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(text);
        match self.runs.last_mut() {
            Some((end, last)) if *last == meaning => *end = self.text.len(),
            _ => self.runs.push((self.text.len(), meaning)),
        }
    }

    /// Adds the text of a line. `raw`: JSON stays as it was written.
    pub fn line(&mut self, text: &str, raw: bool) {
        if !raw && let Some(fields) = fields(text) {
            return self.json(&fields);
        }
        self.push(level(text).map_or(Meaning::Text, Level::meaning), text);
    }

    /// Time, level, message; then the other fields, as `key=value`.
    fn json(&mut self, fields: &Map<String, Value>) {
        let find = |names: &[&'static str]| {
            names.iter().find_map(|name| fields.get(*name).filter(|v| !v.is_object()).map(|value| (*name, value)))
        };
        let (at, word, said) = (find(TIMES), find(LEVELS), find(MESSAGES));
        let level = word.and_then(|(_, value)| match value {
            Value::String(word) => Level::named(word),
            value => Level::numbered(value.as_i64()?),
        });
        let loud = level.map_or(Meaning::Text, Level::meaning);
        if let Some((_, value)) = at {
            self.push(Meaning::Muted, &when(value));
            self.push(Meaning::Muted, " ");
        }
        if let Some((_, value)) = word {
            let word = plain(value).to_uppercase();
            self.push(loud, &format!("{word:5} "));
        }
        if let Some((_, value)) = said {
            self.push(loud, &plain(value));
        }
        let told: Vec<&str> = [at, word, said].into_iter().flatten().map(|(name, _)| name).collect();
        let mut blank = self.text.ends_with(' ') || self.text.len() == self.body;
        for (key, value) in fields.iter().filter(|(key, _)| !told.contains(&key.as_str())) {
            let mut piece = if blank { String::new() } else { " ".into() };
            let text = plain(value);
            let quoted = value.is_string() && (text.is_empty() || text.contains([' ', '"', '=']));
            // Writing into a string does not fail.
            let _ = if quoted {
                write!(piece, "{}={text:?}", clean_log_line(key))
            } else {
                write!(piece, "{}={text}", clean_log_line(key))
            };
            self.push(Meaning::Muted, &piece);
            blank = false;
        }
    }
}

/// Names of fields, in the order they are looked for.
const TIMES: &[&str] = &["time", "ts", "timestamp", "@timestamp", "t", "datetime", "eventTime", "instant"];
const LEVELS: &[&str] = &["level", "lvl", "severity", "log.level", "levelname", "@level", "loglevel", "l"];
const MESSAGES: &[&str] = &["msg", "message", "@message", "event", "log", "text", "m"];

/// The fields of a line that is one JSON object.
fn fields(text: &str) -> Option<Map<String, Value>> {
    let text = text.trim();
    if !(text.starts_with('{') && text.ends_with('}')) {
        return None;
    }
    serde_json::from_str(text).ok().filter(|fields: &Map<String, Value>| !fields.is_empty())
}

/// A value in one line. What was escaped in the JSON is cleaned again now that it is not any more.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => clean_log_line(&text.replace('\n', " ⏎ ")),
        other => clean_log_line(&other.to_string()),
    }
}

/// A time as it is written; seconds or milliseconds since 1970 as RFC 3339.
fn when(value: &Value) -> String {
    match value.as_f64() {
        Some(n) if (1e9..1e11).contains(&n) => Time(n as i64).rfc3339(),
        Some(n) if (1e12..1e14).contains(&n) => Time((n / 1e3) as i64).rfc3339(),
        _ => plain(value),
    }
}

/// Bytes at the front of a line in which its level is looked for.
const FRONT: usize = 120;

/// The level of a line that is no JSON: `level=warn`, klog's `E1121 10:…`, `[error]`, or a word in capitals.
fn level(text: &str) -> Option<Level> {
    let bytes = text.as_bytes();
    if let [first @ (b'I' | b'W' | b'E' | b'F'), a, b, c, d, b' ', ..] = bytes
        && [a, b, c, d].iter().all(|digit| digit.is_ascii_digit())
    {
        return Some(match first {
            b'I' => Level::Info,
            b'W' => Level::Warn,
            _ => Level::Error,
        });
    }
    let front = &bytes[..bytes.len().min(FRONT)];
    let (mut at, mut found) = (0, None);
    while at < front.len() {
        let length = front[at..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        if length == 0 {
            at += 1;
            continue;
        }
        // Bytes of letters are whole characters.
        let word = text.get(at..at + length).unwrap_or_default();
        let before = at.checked_sub(1).map(|n| front[n]);
        let key = ["level=", "lvl=", "severity=", "level=\"", "level\":\"", "level\": \""];
        let named = text.get(..at).is_some_and(|front| key.iter().any(|key| front.ends_with(key)));
        let bracketed = before == Some(b'[') && front.get(at + length) == Some(&b']');
        let loud = word.bytes().all(|b| b.is_ascii_uppercase()) && !before.is_some_and(|b| b.is_ascii_alphanumeric());
        if named {
            return Level::named(word);
        }
        if found.is_none() && (bracketed || loud || (at == 0 && word == "panic")) {
            found = Level::named(word);
        }
        at += length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(text: &str) -> Vec<(Meaning, String)> {
        let mut line = Dressed::default();
        line.line(text, false);
        let mut from = 0;
        line.runs
            .iter()
            .map(|(end, meaning)| (*meaning, line.text[std::mem::replace(&mut from, *end)..*end].to_string()))
            .collect()
    }

    #[test]
    fn json_shows_time_level_and_message_first() {
        let text = r#"{"msg":"lost db","caller":"a.go:3","level":"warn","ts":1795255200.25,"host":"db 1","n":{"a":1}}"#;
        assert_eq!(
            dressed(text),
            [
                (Meaning::Muted, "2026-11-21T10:00:00Z ".to_string()),
                (Meaning::Warn, "WARN  lost db".into()),
                (Meaning::Muted, " caller=a.go:3 host=\"db 1\" n={\"a\":1}".into()),
            ]
        );
        let pino = r#"{"level":50,"time":1795255200000,"message":"a\nb\u001b[31m"}"#;
        assert_eq!(dressed(pino)[1], (Meaning::Bad, "50    a ⏎ b".into()), "escapes inside of JSON are text too");
        assert_eq!(dressed(r#"{"a":1,"b":"x"}"#), [(Meaning::Muted, "a=1 b=x".to_string())]);
        for other in ["{}", "{not json}", "[1,2]", "{\"a\":1} tail"] {
            assert_eq!(dressed(other), [(Meaning::Text, other.to_string())]);
        }
        let mut raw = Dressed::default();
        raw.line(r#"{"level":"error"}"#, true);
        assert_eq!(raw.text, r#"{"level":"error"}"#);
    }

    #[test]
    fn levels_are_found_in_every_dress() {
        for (text, expected) in [
            ("time=\"x\" level=error msg=\"no ERROR\"", Some(Level::Error)),
            ("ts=1 msg=\"ERROR\" lvl=info", Some(Level::Info)),
            ("E1121 10:00:00.1       1 reflector.go:1] failed", Some(Level::Error)),
            ("W1121 10:00:00.1       1 x.go:1] slow", Some(Level::Warn)),
            ("2026-11-21 10:00:00 WARN  o.s.Web: slow", Some(Level::Warn)),
            ("2026/11/21 10:00:00 [error] 31#31: *1 upstream", Some(Level::Error)),
            ("[2026-11-21] FATAL: no role", Some(Level::Error)),
            ("panic: runtime error", Some(Level::Error)),
            ("10.0.0.1 - - \"GET /error HTTP/1.1\" 200", None),
            ("INFORMATION is a word, errors are not", Some(Level::Info)),
            ("no error here", None),
            ("TERROR XWARN", None),
            ("ünïcode ERROR", Some(Level::Error)),
            ("", None),
        ] {
            assert_eq!(level(text), expected, "{text}");
        }
    }
}
