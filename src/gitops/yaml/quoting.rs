//! Which strings must be quoted so that every reader of YAML 1.1 and 1.2 sees a string.

use yaml_edit::{ScalarStyle, ScalarValue};

/// Whether a plain scalar of this text is something else than a string to YAML 1.1 or 1.2: booleans (`on`, `yes`, `y`),
/// null, numbers in every base, sexagesimal (`1:30`), dates, the empty string. Errs on the side of quoting.
/// Source: yaml.org/type/{bool,null,int,float,timestamp}.html and the core schema of YAML 1.2.
pub fn ambiguous(text: &str) -> bool {
    const WORDS: [&str; 17] = [
        "y", "yes", "n", "no", "true", "false", "on", "off", "null", "~", "", ".inf", "-.inf", "+.inf", ".nan", "<<",
        "=",
    ];
    WORDS.contains(&text.to_ascii_lowercase().as_str()) || numeric(text)
}

/// Looks like a number or a date: begins as one and has nothing but the characters that numbers are made of.
fn numeric(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some(first) = body.chars().next() else { return false };
    let hex = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X"));
    if let Some(digits) = hex {
        return digits.chars().all(|c| c.is_ascii_hexdigit() || c == '_');
    }
    let starts = first.is_ascii_digit() || (first == '.' && body[1..].starts_with(|c: char| c.is_ascii_digit()));
    starts && body.chars().all(|c| c.is_ascii_digit() || "_.:eE+-obTtZz ".contains(c))
}

/// A string as a scalar: in the quotes of the one it replaces, quoted where it must be, plain otherwise.
pub(super) fn scalar(text: &str, old: Option<ScalarStyle>) -> ScalarValue {
    match old {
        Some(ScalarStyle::DoubleQuoted) => ScalarValue::double_quoted(text),
        Some(ScalarStyle::SingleQuoted) if !text.contains(['\n', '\r', '\t']) => ScalarValue::single_quoted(text),
        _ if ambiguous(text) || text.contains(char::is_control) => ScalarValue::double_quoted(text),
        _ => ScalarValue::string(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_yaml_1_1_reads_otherwise_is_ambiguous() {
        for text in [
            "on",
            "Off",
            "YES",
            "n",
            "~",
            "null",
            "",
            "1",
            "-1",
            "+1.5",
            "1e3",
            "1:30",
            "0o17",
            "017",
            "0x1F",
            "0b11",
            "1_000",
            "2026-11-21",
            "2026-11-21T10:00:00Z",
            ".5",
            ".inf",
            ".NaN",
            "12e03",
            "<<",
        ] {
            assert!(ambiguous(text), "{text}");
        }
        for text in
            ["1Gi", "500m", "disk errors", "one", "v1.2.3", "INC-2026-11-18", "1.2.3-rc1", ".hidden", "-", "nope"]
        {
            assert!(!ambiguous(text), "{text}");
        }
    }
}
