//! Glob patterns as `gobwas/glob` matches them without separators, which is how Argo CD matches the applications,
//! clusters and namespaces of a project: `*` stands for any text, slashes included.

use regex::Regex;

/// Whether a pattern matches a whole text. `*` any text, `?` one character, `[abc]`, `[!a-z]`, `{one,other}`; a
/// backslash takes the next character as it stands. A pattern that is none matches nothing.
pub fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(&format!("(?s)^(?:{})$", expression(pattern))).is_ok_and(|pattern| pattern.is_match(text))
}

fn expression(pattern: &str) -> String {
    let (mut out, mut depth, mut class) = (String::new(), 0, false);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            ']' if class => {
                class = false;
                out.push(']');
            }
            '!' if class && out.ends_with('[') => out.push('^'),
            '-' if class => out.push('-'),
            _ if class => out.push_str(&regex::escape(&c.to_string())),
            '[' => {
                class = true;
                out.push('[');
            }
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            _ => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out
}

/// Whether a text matches a pattern as a shell reads it: `*` any characters, `?` one; everything else is itself.
/// Cheap enough to be asked of every row.
pub fn shell(pattern: &str, text: &str) -> bool {
    let (mut wanted, mut rest) = (pattern.chars(), text.chars());
    // Behind the last `*`, and where its text may end one character later.
    let mut again: Option<(std::str::Chars, std::str::Chars)> = None;
    loop {
        match (wanted.clone().next(), rest.clone().next()) {
            (Some('*'), _) => {
                wanted.next();
                again = Some((wanted.clone(), rest.clone()));
            }
            (Some(c), Some(d)) if c == '?' || c == d => {
                wanted.next();
                rest.next();
            }
            (None, None) => return true,
            _ => {
                let Some((from, at)) = &mut again else { return false };
                if at.next().is_none() {
                    return false;
                }
                (wanted, rest) = (from.clone(), at.clone());
            }
        }
    }
}

/// Whether a name is such a pattern.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("prod-*", "prod-eu", true),
            ("prod-*", "preprod-eu", false),
            ("*", "", true),
            ("*prod*", "a-prod-b", true),
            ("p?od", "prod", true),
            ("p?od", "prood", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b", "a-b-c", false),
            ("edge", "edge", true),
            ("edge", "edge2", false),
            ("é?", "éa", true),
        ] {
            assert_eq!(shell(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("shop-*", "shop-prod", true),
            ("shop-*", "my-shop-prod", false),
            ("https://*.example.com", "https://a/b.example.com", true),
            ("shop-?", "shop-1", true),
            ("shop-?", "shop-12", false),
            ("shop-[!a-c]", "shop-d", true),
            ("shop-[!a-c]", "shop-b", false),
            ("{shop,cart}-prod", "cart-prod", true),
            ("{shop,cart}-prod", "web-prod", false),
            ("a.b", "axb", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("[", "[", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
