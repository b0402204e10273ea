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

#[cfg(test)]
mod tests {
    use super::*;

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
