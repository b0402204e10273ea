//! Rules of an Ingress, and the class that decides who serves it.

use super::{Backend, PathKind, Rule};
use crate::diagnose::url::control::addresses;
use crate::diagnose::url::flavor::Flavor;
use crate::world::object::{list_at, name, namespace, str_at};
use serde_json::Value;

/// The class of an Ingress: its name, its controller, and why nobody takes the Ingress (empty when somebody does).
pub fn class_of(ingress: &Value, classes: &[&Value]) -> (String, String, String) {
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

/// Adds the rules of an Ingress.
pub fn read(ingress: &Value, classes: &[&Value], all: &mut Vec<Rule>) {
    let (class, controller, unclaimed) = class_of(ingress, classes);
    let flavor = Flavor::of_controller(&controller);
    let annotation = |name: &str| {
        ingress
            .pointer("/metadata/annotations")
            .and_then(|a| a.get(format!("nginx.ingress.kubernetes.io/{name}")))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let regex =
        flavor == Flavor::Nginx && (annotation("use-regex") == "true" || !annotation("rewrite-target").is_empty());
    let mut index = 0;
    let mut add = |host: &str, path: &str, kind: &str, backend: &Value| {
        let path = if path.is_empty() { "/" } else { path };
        let kind = match kind {
            "Exact" => PathKind::Exact,
            _ if regex => PathKind::Regex,
            "Prefix" => PathKind::Prefix,
            _ => PathKind::Text,
        };
        all.push(Rule {
            host: host.to_lowercase(),
            // A location of ingress-nginx that is a pattern: `~* "^…"`.
            path: if kind == PathKind::Regex { format!("(?i)^{path}") } else { path.into() },
            kind,
            class: class.clone(),
            unclaimed: unclaimed.clone(),
            addresses: addresses(ingress),
            canary: annotation("canary") == "true",
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
        add("", "/", "Prefix", backend);
    }
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
