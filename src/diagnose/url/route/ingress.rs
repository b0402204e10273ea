//! Rules of an Ingress, and the class that decides who serves it.

use super::{Backend, PathKind, Rule, traefik_priority};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::url::annotation;
use crate::diagnose::url::control::{addresses, control};
use crate::diagnose::url::flavor::Flavor;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// A controller that takes Ingresses without a class: ingress-nginx with `--watch-ingress-without-class`; Traefik, HAProxy
/// and Contour as long as they were not told a class.
fn takes_classless(case: &Case<'_>) -> Fact<Option<Flavor>> {
    let told = [
        (Flavor::Nginx, "watch-ingress-without-class"),
        (Flavor::Traefik, "providers.kubernetesingress.ingressclass"),
        (Flavor::HaProxy, "ingress.class"),
        (Flavor::Contour, "ingress-class-name"),
    ];
    for (flavor, flag) in told {
        let control = control(case, flavor, "")?;
        let takes = match flavor {
            Flavor::Nginx => control.has(flag),
            _ => control.flag(flag).is_none(),
        };
        if takes && !control.workloads.is_empty() {
            return Ok(Some(flavor));
        }
    }
    Ok(None)
}

/// The class of an Ingress: its name, its controller, and why nobody takes the Ingress (empty when somebody does).
pub fn class_of(case: &Case<'_>, ingress: &Value, classes: &[&Value]) -> Fact<(String, String, String)> {
    let (class, controller, unclaimed) = named_class(ingress, classes);
    if unclaimed.is_empty() || !class.is_empty() {
        return Ok((class, controller, unclaimed));
    }
    Ok(match takes_classless(case).known()?.flatten() {
        Some(flavor) => (class, flavor.name().to_lowercase(), String::new()),
        None => (class, controller, unclaimed),
    })
}

/// As [`class_of`], as far as the Ingress and the classes say.
fn named_class(ingress: &Value, classes: &[&Value]) -> (String, String, String) {
    const LEGACY: &str = "/metadata/annotations/kubernetes.io~1ingress.class";
    let controller =
        |wanted: &str| classes.iter().find(|c| name(c) == wanted).map(|c| str_at(c, "/spec/controller").to_owned());
    match (str_at(ingress, "/spec/ingressClassName"), str_at(ingress, LEGACY)) {
        ("", "") => {
            let default = classes
                .iter()
                .find(|c| str_at(c, "/metadata/annotations/ingressclass.kubernetes.io~1is-default-class") == "true");
            let why = match default {
                Some(class) => format!(
                    "it names no class, and class {} became the default only after the Ingress was created (a default is given at creation)",
                    name(class)
                ),
                None => "it names no class, and there is no default class".to_owned(),
            };
            (String::new(), String::new(), why)
        }
        ("", legacy) => (legacy.to_owned(), controller(legacy).unwrap_or_else(|| legacy.to_owned()), String::new()),
        (class, _) => match controller(class) {
            Some(controller) => (class.to_owned(), controller, String::new()),
            None => {
                let known: Vec<&str> = classes.iter().map(|c| name(c)).collect();
                (
                    class.to_owned(),
                    String::new(),
                    format!("IngressClass {class} does not exist (there are: {})", known.join(", ")),
                )
            }
        },
    }
}

/// Adds the rules of an Ingress. Who takes it, if anybody does.
pub fn read(case: &Case<'_>, ingress: &Value, classes: &[&Value], all: &mut Vec<Rule>) -> Fact<Option<Flavor>> {
    let (class, controller, unclaimed) = class_of(case, ingress, classes)?;
    let flavor = Flavor::of_controller(&controller);
    let own = |name: &str| annotation(ingress, &format!("nginx.ingress.kubernetes.io/{name}"));
    let inc = flavor == Flavor::NginxInc;
    let pattern = if inc { path_pattern(ingress) } else { None };
    let regex = flavor == Flavor::Nginx && (own("use-regex") == "true" || !own("rewrite-target").is_empty());
    const PRIORITY: &str = "/metadata/annotations/traefik.ingress.kubernetes.io~1router.priority";
    let stated = str_at(ingress, PRIORITY).parse().ok().filter(|n: &i64| *n > 0);
    let mut index = 0;
    let mut add = |host: &str, path: &str, kind: &str, backend: &Value| {
        let path = if path.is_empty() { "/" } else { path };
        let kind = match kind {
            _ if pattern.is_some() => PathKind::Regex,
            "Exact" => PathKind::Exact,
            // A plain location of nginx.
            "Prefix" if inc => PathKind::Text,
            _ if regex => PathKind::Regex,
            "Prefix" => PathKind::Prefix,
            _ => PathKind::Text,
        };
        all.push(Rule {
            host: host.to_lowercase(),
            // A location of ingress-nginx that is a pattern: `~* "^…"`.
            path: match pattern {
                Some((before, after)) => format!("{before}{path}{after}"),
                None if kind == PathKind::Regex => format!("(?i)^{path}"),
                None => path.into(),
            },
            kind,
            class: class.clone(),
            unclaimed: unclaimed.clone(),
            addresses: addresses(ingress),
            canary: own("canary") == "true",
            priority: if flavor == Flavor::Traefik {
                stated.unwrap_or_else(|| traefik_priority(host, path))
            } else {
                0
            },
            ..Rule::of(ingress, index, flavor).with_backends(vec![service(ingress, backend)])
        });
        index += 1;
    };
    for rule in list_at(ingress, "/spec/rules") {
        for path in list_at(rule, "/http/paths") {
            let backend = path.get("backend").unwrap_or(&Value::Null);
            add(str_at(rule, "/host"), str_at(path, "/path"), str_at(path, "/pathType"), backend);
        }
    }
    if let Some(backend) = ingress.pointer("/spec/defaultBackend") {
        match inc {
            // It is for the Ingress' own hosts.
            true => hosts(ingress).iter().for_each(|host| add(host, "/", "Prefix", backend)),
            false => add("", "/", "Prefix", backend),
        }
    }
    Ok(unclaimed.is_empty().then_some(flavor))
}

/// What NGINX Ingress Controller puts before and after the paths of an Ingress with `nginx.org/path-regex`.
fn path_pattern(ingress: &Value) -> Option<(&'static str, &'static str)> {
    match annotation(ingress, "nginx.org/path-regex") {
        "case_sensitive" => Some(("^", "")),
        "case_insensitive" => Some(("(?i)^", "")),
        "exact" => Some(("^", "$")),
        _ => None,
    }
}

fn hosts(ingress: &Value) -> BTreeSet<String> {
    list_at(ingress, "/spec/rules").iter().map(|rule| str_at(rule, "/host").to_lowercase()).collect()
}

/// NGINX Ingress Controller gives a host to one Ingress, the oldest (of several, the one with the smallest uid), and serves
/// no other there; only minions share the host of their master. Takes in the Ingresses of that controller, and says of every
/// rule that is not served why. Source: its documentation, "Host and Listener collisions" and "Cross-namespace
/// configuration".
pub fn give_hosts(ingresses: &[&Value], rules: &mut [Rule]) {
    let kind = |ingress: &'_ Value| annotation(ingress, "nginx.org/mergeable-ingress-type").to_owned();
    let age =
        |i: &&&Value| (str_at(i, "/metadata/creationTimestamp").to_owned(), str_at(i, "/metadata/uid").to_owned());
    let mut owners: HashMap<String, &Value> = HashMap::new();
    let mut oldest: Vec<&&Value> = ingresses.iter().filter(|i| kind(i) != "minion").collect();
    oldest.sort_by_key(age);
    for ingress in oldest {
        for host in hosts(ingress) {
            owners.entry(host).or_insert(ingress);
        }
    }
    let minions: BTreeSet<ObjectRef> =
        ingresses.iter().filter(|i| kind(i) == "minion").map(|i| ObjectRef::of(i)).collect();
    let open = |r: &&mut Rule| r.flavor == Flavor::NginxInc && r.unclaimed.is_empty() && !r.host.is_empty();
    for rule in rules.iter_mut().filter(open) {
        let minion = minions.contains(&rule.at);
        match owners.get(&rule.host) {
            None if minion => rule.unclaimed = format!("it is a minion, and there is no master for {}", rule.host),
            Some(owner) if minion && kind(owner) == "master" => {}
            Some(owner) if ObjectRef::of(owner) != rule.at => {
                rule.unclaimed = format!("{} is older and has the host {}", ObjectRef::of(owner), rule.host);
            }
            _ => {}
        }
    }
}

/// Whether an entry of `spec.tls` is for a host: it names it, by a wildcard too, or names none.
pub fn is_tls_for(tls: &Value, host: &str) -> bool {
    let parent = host.split_once('.').map_or("", |(_, parent)| parent);
    let hosts = list_at(tls, "/hosts");
    let meant = |named: &str| named == host || named.strip_prefix("*.").is_some_and(|base| base == parent);
    hosts.is_empty() || hosts.iter().filter_map(Value::as_str).any(meant)
}

fn service(ingress: &Value, backend: &Value) -> Backend {
    let port = backend.pointer("/service/port").and_then(|p| p.get("number").or(p.get("name")));
    Backend {
        namespace: namespace(ingress).into(),
        name: str_at(backend, "/service/name").into(),
        port: port.map(|p| p.to_string().replace('"', "")).unwrap_or_default(),
        weight: 1,
    }
}
