//! Rules of a Traefik IngressRoute.
//!
//! A matcher that speaks of anything but host and path makes a rule partial: whether a request meets it cannot be said.

use super::{Backend, PathKind, Rule};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::kinds::TRAEFIKSERVICES;
use crate::diagnose::url::flavor::Flavor;
use crate::world::object::{int_at, list_at, namespace, str_at};
use serde_json::Value;

/// Matchers that narrow a rule in a way that a host and a path do not decide.
const PARTIAL: &[&str] =
    &["Header(", "Headers(", "HeaderRegexp(", "Query(", "QueryRegexp(", "Method(", "ClientIP(", "!"];

/// Adds the rules of an IngressRoute; alternatives (`||`) become rules of their own.
pub fn read(case: &Case<'_>, route: &Value, all: &mut Vec<Rule>) -> Fact<()> {
    for (index, entry) in list_at(route, "/spec/routes").iter().enumerate() {
        let text = str_at(entry, "/match");
        let mut backends = Vec::new();
        for service in list_at(entry, "/services") {
            backends.extend(services(case, route, service)?);
        }
        let priority = int_at(entry, "/priority").filter(|p| *p > 0).unwrap_or(text.len() as i64);
        for part in alternatives(text) {
            let part = part.as_str();
            for (host, (path, kind)) in hosts(part).iter().flat_map(|h| paths(part).into_iter().map(move |p| (h, p))) {
                all.push(Rule {
                    host: host.clone(),
                    path,
                    kind,
                    class: "traefik".into(),
                    priority,
                    partial: PARTIAL.iter().any(|m| part.contains(m)),
                    tls: route.pointer("/spec/tls").filter(|t| !t.is_null()).map(|_| true),
                    ..Rule::of(route, index, Flavor::Traefik).with_backends(backends.clone())
                });
            }
        }
    }
    Ok(())
}

/// The Services behind an entry of `services`; a weighted TraefikService is followed one step.
fn services(case: &Case<'_>, route: &Value, entry: &Value) -> Fact<Vec<Backend>> {
    let home = match str_at(entry, "/namespace") {
        "" => namespace(route),
        ns => ns,
    };
    if str_at(entry, "/kind") != "TraefikService" {
        return Ok(vec![backend(home, entry)]);
    }
    let found = case.one(TRAEFIKSERVICES, home, str_at(entry, "/name")).known()?.flatten();
    let weighted = found.map_or(&[][..], |s| list_at(s, "/spec/weighted/services"));
    Ok(weighted.iter().filter(|s| str_at(s, "/kind") != "TraefikService").map(|s| backend(home, s)).collect())
}

/// The hosts and paths that a rule is for, without asking for anything: an empty path where only a pattern says which, or
/// where the rule is not for every request of them.
pub fn matched(rule: &str) -> Vec<(String, String)> {
    let of_part = |part: &str| {
        let partial = PARTIAL.iter().any(|m| part.contains(m));
        let paths: Vec<String> = paths(part)
            .into_iter()
            .map(|(path, kind)| if partial || kind == PathKind::Regex { String::new() } else { path })
            .collect();
        let hosts = hosts(part).into_iter().map(|host| if host.starts_with('~') { String::new() } else { host });
        hosts.flat_map(|host| paths.iter().map(move |path| (host.clone(), path.clone())).collect::<Vec<_>>()).collect()
    };
    alternatives(rule).iter().flat_map(|part| -> Vec<(String, String)> { of_part(part) }).collect()
}

/// How deep brackets may lie in each other, and how many alternatives a rule may have, before it is no longer taken apart.
const DEEPEST: usize = 32;
const MOST: usize = 100;

/// The alternatives of a rule, each a row of matchers that must all be met: `a && (b || c)` is `a && b` or `a && c`. A
/// rule that cannot be read stays whole.
fn alternatives(rule: &str) -> Vec<String> {
    let mut reader = Reader { rest: rule };
    match reader.either(0) {
        Some(all) if reader.rest.trim().is_empty() => all,
        _ => vec![rule.to_owned()],
    }
}

/// Reads a rule from left to right: matchers joined by `||`, `&&`, `!` and brackets.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn eat(&mut self, sign: &str) -> bool {
        let found = self.rest.trim_start().strip_prefix(sign);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn either(&mut self, depth: usize) -> Option<Vec<String>> {
        let mut all = self.both(depth)?;
        while self.eat("||") {
            all.extend(self.both(depth)?);
        }
        (all.len() <= MOST).then_some(all)
    }

    fn both(&mut self, depth: usize) -> Option<Vec<String>> {
        let mut all = self.one(depth)?;
        while self.eat("&&") {
            let more = self.one(depth)?;
            if all.len() * more.len() > MOST {
                return None;
            }
            all = all.iter().flat_map(|a| more.iter().map(move |b| format!("{a} && {b}"))).collect();
        }
        Some(all)
    }

    fn one(&mut self, depth: usize) -> Option<Vec<String>> {
        if depth > DEEPEST {
            return None;
        }
        if self.eat("!") {
            return Some(vec![format!("!({})", self.one(depth + 1)?.join(" || "))]);
        }
        if self.eat("(") {
            let inner = self.either(depth + 1)?;
            return self.eat(")").then_some(inner);
        }
        self.matcher().map(|matcher| vec![matcher])
    }

    /// A name and its arguments, up to the bracket that closes them outside of quotes.
    fn matcher(&mut self) -> Option<String> {
        let text = self.rest.trim_start();
        let open = text.find('(').filter(|at| *at > 0 && text[..*at].chars().all(char::is_alphanumeric))?;
        let mut quote = None;
        for (at, c) in text[open..].char_indices() {
            match quote {
                None if c == ')' => {
                    let (matcher, rest) = text.split_at(open + at + 1);
                    self.rest = rest;
                    return Some(matcher.to_owned());
                }
                None if matches!(c, '`' | '"' | '\'') => quote = Some(c),
                Some(open) if c == open => quote = None,
                _ => {}
            }
        }
        None
    }
}

fn backend(home: &str, entry: &Value) -> Backend {
    Backend {
        namespace: match str_at(entry, "/namespace") {
            "" => home.into(),
            ns => ns.into(),
        },
        name: str_at(entry, "/name").into(),
        port: entry.get("port").map(|p| p.to_string().replace('"', "")).unwrap_or_default(),
        weight: int_at(entry, "/weight").unwrap_or(1),
    }
}

fn hosts(part: &str) -> Vec<String> {
    let exact = arguments(part, "Host(").into_iter().map(|h| h.to_lowercase());
    let patterns = arguments(part, "HostRegexp(").into_iter().map(|h| format!("~(?i){h}"));
    let found: Vec<String> = exact.chain(patterns).collect();
    if found.is_empty() { vec![String::new()] } else { found }
}

fn paths(part: &str) -> Vec<(String, PathKind)> {
    let of = |matcher: &str, kind: PathKind| arguments(part, matcher).into_iter().map(move |p| (p, kind));
    let found: Vec<(String, PathKind)> = of("PathPrefix(", PathKind::Text)
        .chain(of("Path(", PathKind::Exact))
        .chain(of("PathRegexp(", PathKind::Regex))
        .collect();
    if found.is_empty() { vec![("/".to_owned(), PathKind::Text)] } else { found }
}

/// The quoted arguments of one matcher. `Path(` must not be found inside `PathPrefix(`: the name ends there. A pattern
/// may hold brackets and commas, so arguments are taken by their quotes.
fn arguments(rule: &str, matcher: &str) -> Vec<String> {
    let mut rest = rule;
    while let Some(at) = rest.find(matcher) {
        let before = rest[..at].chars().last();
        let inner = &rest[at + matcher.len()..];
        if before.is_none_or(|c| !c.is_alphanumeric()) {
            return quoted(inner);
        }
        rest = inner;
    }
    Vec::new()
}

/// The quoted words up to the bracket that closes the matcher.
fn quoted(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match quote {
            None if c == ')' => break,
            None if matches!(c, '`' | '"' | '\'') => quote = Some(c),
            None => {}
            Some(open) if c == open => {
                words.push(std::mem::take(&mut word));
                quote = None;
            }
            Some(_) => word.push(c),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::case::{CaseFile, Subject};
    use crate::world::time::Time;
    use serde_json::json;

    #[test]
    fn rules_are_read() {
        let file = CaseFile::new(Subject::Url("http://a.b".into()), Time(0));
        let mut all = Vec::new();
        let route = json!({"kind": "IngressRoute", "metadata": {"name": "r", "namespace": "n"}, "spec": {"routes": [
            {"match": "Host(`a.b`, `c.d`) && PathPrefix(`/x`)", "services": [{"name": "s", "port": 80}]}]}});
        read(&Case::new(&file), &route, &mut all).unwrap();
        let seen: Vec<(&str, &str)> = all.iter().map(|r| (r.host.as_str(), r.path.as_str())).collect();
        assert_eq!(seen, [("a.b", "/x"), ("c.d", "/x")]);
        assert_eq!(all[0].backend.service().to_string(), "Service n/s");
        assert!(arguments("PathPrefix(`/x`)", "Path(").is_empty());
    }

    #[test]
    fn alternatives_in_brackets_keep_what_stands_outside() {
        assert_eq!(
            matched("Host(`t.b`) && (PathPrefix(`/api`) || PathPrefix(`/dashboard`))"),
            ["/api", "/dashboard"].map(|path| ("t.b".to_owned(), path.to_owned()))
        );
        assert_eq!(matched("Host(`a`) || Host(`b`)").len(), 2);
        assert_eq!(alternatives("PathRegexp(`^/(a||b)`)"), ["PathRegexp(`^/(a||b)`)"], "what is quoted is no sign");
        assert_eq!(alternatives("Host(`a`) && !(Path(`/x`) || Path(`/y`))").len(), 1);
        assert_eq!(alternatives("Host(`a`) &&"), ["Host(`a`) &&"], "what cannot be read stays whole");
        assert_eq!(alternatives(&"(".repeat(100_000)).len(), 1);
        assert_eq!(alternatives(&vec!["(Host(`a`) || Host(`b`))"; 40].join(" && ")).len(), 1);
    }

    #[test]
    fn patterns_are_taken_by_their_quotes() {
        assert_eq!(arguments("HostRegexp(`^(a|b)\\.x$`) && Path(`/y`)", "HostRegexp("), ["^(a|b)\\.x$"]);
        assert_eq!(hosts("HostRegexp(`^(a|b)$`)"), ["~(?i)^(a|b)$"]);
        assert_eq!(hosts("PathPrefix(`/x`)"), [""]);
    }
}
