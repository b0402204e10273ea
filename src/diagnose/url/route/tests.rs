//! Matching.

use super::*;
use serde_json::json;

fn rule(host: &str, path: &str, kind: PathKind) -> Rule {
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "shop", "name": format!("{host}{path}"), "creationTimestamp": "2026-01-01T00:00:00Z"}});
    Rule { host: host.into(), path: path.into(), kind, ..Rule::of(&ingress, 0, Flavor::Nginx) }
}

#[test]
fn urls_are_taken_apart() {
    let request = Request::parse("https://Shop.example.com:8443/cart/1?x=y");
    assert_eq!((request.host.as_str(), request.path.as_str()), ("shop.example.com", "/cart/1"));
    assert_eq!(Request::parse("shop.example.com").path, "/");
}

#[test]
fn prefixes_are_compared_by_element() {
    let foo = rule("a", "/foo", PathKind::Prefix);
    assert!(path_matches(&foo, "/foo") && path_matches(&foo, "/foo/") && path_matches(&foo, "/foo/bar"));
    assert!(!path_matches(&foo, "/foobar"));
    assert!(path_matches(&rule("a", "/foo", PathKind::Text), "/foobar"));
    assert!(path_matches(&rule("a", "/", PathKind::Prefix), "/anything"));
}

#[test]
fn wildcards_stand_for_one_label() {
    let wild = rule("*.example.com", "/", PathKind::Prefix);
    assert_eq!(host_rank(&wild, "a.example.com"), Some(2));
    assert_eq!(host_rank(&wild, "a.b.example.com"), None);
    assert_eq!(host_rank(&wild, "example.com"), None);
    assert_eq!(host_rank(&rule("", "/", PathKind::Prefix), "a"), Some(1));
}

#[test]
fn exact_before_longest_prefix_and_the_oldest_wins() {
    let mut old = rule("a", "/", PathKind::Prefix);
    old.created = Time(-5);
    let rules =
        [rule("a", "/", PathKind::Prefix), rule("a", "/x", PathKind::Exact), rule("a", "/x/y", PathKind::Prefix)];
    let met = |path: &str| match meet(&rules, &Request::parse(&format!("http://a{path}"))) {
        Met::Rule { rule, .. } => rule.path.clone(),
        _ => "none".into(),
    };
    assert_eq!((met("/x"), met("/x/y/z"), met("/q")), ("/x".into(), "/x/y".into(), "/".into()));
    old.at.name = "old".into();
    match meet(&[rules[0].clone(), old], &Request::parse("http://a/")) {
        Met::Rule { rule, others, .. } => assert_eq!((rule.at.name.as_str(), others.len()), ("old", 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_the_same_second_ingress_nginx_takes_the_last_name_and_others_the_first() {
    let winner = |flavor: Flavor| {
        let named = |name: &str| {
            let mut one = rule("a", "/", PathKind::Prefix);
            (one.at.name, one.flavor) = (name.into(), flavor);
            one
        };
        match meet(&[named("one"), named("two")], &Request::parse("http://a/")) {
            Met::Rule { rule, .. } => rule.at.name.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((winner(Flavor::Nginx).as_str(), winner(Flavor::Contour).as_str()), ("two", "one"));
}

#[test]
fn the_host_of_a_url_is_its_name_alone() {
    let of = |url: &str| Request::parse(url).host;
    assert_eq!(of("https://u:p@Shop.example.com.:8443/x?y#z"), "shop.example.com");
    assert_eq!(of("http://[fd00::1]:8080/"), "fd00::1");
    assert_eq!(of("shop.example.com/x"), "shop.example.com");
}

#[test]
fn a_rule_for_every_host_that_nobody_takes_is_no_answer_to_a_mistyped_one() {
    let mut stray = rule("", "/", PathKind::Prefix);
    stray.unclaimed = "it names no class".into();
    let request = Request::parse("http://b/");
    assert!(matches!(meet(&[stray.clone(), rule("a", "/", PathKind::Prefix)], &request), Met::NoHost { .. }));
    assert!(matches!(meet(&[stray], &request), Met::Rule { .. }), "it is all there is");
}

#[test]
fn a_pattern_is_shown_by_what_it_begins_with() {
    assert_eq!((literal("(?i)^/api(.*)"), literal("^(?:/v1/x)$")), ("/api", "/v1/x"));
    let of = |path: &str| rule("a.b", path, PathKind::Regex).url(true);
    assert_eq!(of("(?i)^/api(.*)").as_deref(), Some("https://a.b/api"));
    assert_eq!(of("(?i)^/item/[0-9]+"), None, "the beginning alone is not met");
    assert_eq!(rule("~(?i)^(a|b)$", "/", PathKind::Text).url(true), None);
    assert_eq!(rule("*.a.b", "/x", PathKind::Prefix).url(false).as_deref(), Some("http://*.a.b/x"));
}

#[test]
fn an_entry_for_tls_is_for_the_hosts_it_names_or_for_all() {
    let is = |hosts: Value, host: &str| is_tls_for(&json!({"hosts": hosts}), host);
    assert!(is(json!(["a.x.org"]), "a.x.org") && is(json!(["*.x.org"]), "a.x.org"));
    assert!(is(json!(null), "a.x.org"), "none is named");
    assert!(!is(json!(["*.x.org"]), "a.b.x.org") && !is(json!(["x.org"]), "a.x.org"));
}
