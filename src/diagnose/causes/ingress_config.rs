//! ingress-nginx: configuration that it refuses, and requests that it refuses because of it.
//!
//! Sources: ingress-nginx `internal/ingress/controller/store/store.go` (AnnotationParsingFailed),
//! `internal/ingress/controller/controller.go` (RELOAD), `internal/ingress/annotations/auth/main.go`.
//!
//! ## ingress-annotation-denied
//! **You see.** 503 for one location, although its endpoints are fine.
//! **Why.** ingress-nginx cannot use an annotation and denies the location rather than serve it unprotected: the Secret of
//! `auth-secret` or `auth-tls-secret` is missing or in another namespace, a value is invalid, an annotation is not allowed.
//! **How kokpit knows.** The event `AnnotationParsingFailed` of the Ingress; the Secrets are looked up.
//! **Looks alike.** `svc-selector-no-pods`: there the endpoints are missing.
//! **Mend it.** Create the Secret. Git: the annotation.
//!
//! ## ingress-config-reload-failed
//! **You see.** Changes to Ingresses have no effect, new hosts answer 404, moved pods 502.
//! **Why.** nginx refuses its new configuration as a whole, often because of a snippet in an Ingress that has nothing to do
//! with this one, and goes on with the old one.
//! **How kokpit knows.** The newest `RELOAD` event of the controller's pods is a Warning (`Error reloading NGINX`), or its
//! log says so. It is the reason when the Ingress was changed after the first failure.
//! **Looks alike.** `ingress-class-missing`: one Ingress is not taken at all.
//! **Mend it.** Take the bad annotation or snippet out of the Ingress that the message speaks of.
//!
//! ## ingress-webhook-blocked
//! **You see.** 404, and nobody can create or change an Ingress: `failed calling webhook "validate.nginx.ingress.kubernetes.io"`.
//! **Why.** A validating webhook for Ingresses must answer (`failurePolicy: Fail`) and has no ready endpoint.
//! **How kokpit knows.** The webhook configurations for Ingresses and the endpoints of the Services that answer them; the
//! route that was asked for is not there.
//! **Looks alike.** `ingress-host-mismatch`: the route was never meant to be there.
//! **Mend it.** Bring the controller back; in need set the webhook's `failurePolicy: Ignore`.
//!
//! ## ratelimit-503
//! **You see.** 503 for some requests under load, although the application is fine.
//! **Why.** The Ingress limits requests or connections (`limit-rps`, `limit-rpm`, `limit-connections`), and ingress-nginx
//! answers what is too much with 503.
//! **How kokpit knows.** The annotations; it is the reason where the controller's log says `limiting requests` for the host.
//! **Looks alike.** `eps-not-ready-only`, `app-5xx`.
//! **Mend it.** Git: the `limit-*` annotations, or `limit-req-status-code: 429` in the controller's ConfigMap.

use crate::diagnose::events::Event;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::url::access::{self, Said};
use crate::diagnose::url::flavor::Flavor;
use crate::diagnose::url::route::{Met, class_of};
use crate::diagnose::url::{annotation, arrival, control, endpoint_count, way};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, namespace, str_at};
use crate::world::time::Time;
use crate::world::writers::last_change;
use serde_json::Value;

causes! { "ingress_config.rs";
    "ingress-annotation-denied" "ingress-nginx denies the location because of an annotation" Outage ["Ingress"] denied;
    "ingress-config-reload-failed" "nginx refuses its new configuration" Outage ["URL"] reload_failed;
    "ingress-webhook-blocked" "no Ingress can be created: its webhook does not answer" Degraded ["URL", "Ingress"] webhook;
    "ratelimit-503" "the Ingress limits requests, and ingress-nginx answers the rest with 503" Nuisance ["URL"] limited;
}

/// Prefix of ingress-nginx' annotations.
const NGINX: &str = "nginx.ingress.kubernetes.io";

fn nginx<'a>(object: &'a Value, key: &str) -> &'a str {
    annotation(object, &format!("{NGINX}/{key}"))
}

fn denied(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let own = suspect.object.pointer("/metadata/annotations").and_then(Value::as_object);
    if !own.is_some_and(|all| all.keys().any(|k| k.starts_with(NGINX))) {
        return Ok(Vec::new());
    }
    let classes = case.list(INGRESSCLASSES, None)?;
    if Flavor::of_controller(&class_of(case, suspect.object, &classes)?.1) != Flavor::Nginx {
        return Ok(Vec::new());
    }
    let secret = unusable_secret(case, suspect.object)?;
    let event = case.event_with(suspect.object, &["AnnotationParsingFailed"], "")?;
    let event = event.filter(|e| e.last.0 >= changed(suspect.object).0);
    let (field, why) = match (&secret, &event) {
        (Some((field, why, _)), _) => (field.clone(), why.clone()),
        (None, Some(event)) => (format!("metadata.annotations[{NGINX}/…]"), event.message.to_owned()),
        (None, None) => return Ok(Vec::new()),
    };
    let confidence = if secret.is_some() && event.is_some() { Confidence::Certain } else { Confidence::High };
    let mut m = Match::on(&suspect.at, format!("ingress-nginx denies what {} routes: {why}.", suspect.at))
        .confidence(confidence)
        .evidence(&suspect.at, &field, "", why);
    if let Some(event) = event {
        let text = format!("{}: {}", event.reason, event.message);
        m = m.evidence_aged(&suspect.at, "events", event.reason, Some(event.last.age(case.now())), text);
    }
    if let Some((_, _, Some(at))) = &secret {
        m = m.because_all(super::config::producers(case, at)?);
    }
    Ok(vec![m.fix(case.fix(suspect.object, &field, "create the Secret, or correct the annotation", "")?)])
}

/// An authentication annotation whose Secret cannot be used: the field, why, and the Secret that is missing.
fn unusable_secret(case: &Case<'_>, ingress: &Value) -> Fact<Option<(String, String, Option<ObjectRef>)>> {
    let home = namespace(ingress);
    for key in ["auth-secret", "auth-tls-secret"] {
        let text = nginx(ingress, key);
        // Without a type the Secret is not looked at.
        if text.is_empty() || (key == "auth-secret" && nginx(ingress, "auth-type").is_empty()) {
            continue;
        }
        let (ns, secret) = text.split_once('/').unwrap_or((home, text));
        let at = SECRETS.at(ns, secret);
        let field = format!("metadata.annotations[{NGINX}/{key}]");
        if let Some(None) = case.get(&at).known()? {
            return Ok(Some((field, format!("{key} names {at}, which does not exist"), Some(at))));
        }
    }
    Ok(None)
}

/// When an object was changed last, as far as its managers tell (a controller that writes the status changes nothing that
/// it would have to load); its creation at least.
fn changed(object: &Value) -> Time {
    let created = Time::parse(str_at(object, "/metadata/creationTimestamp"));
    last_change(object).map(|(_, at)| at).max(created).unwrap_or(Time::NEVER)
}

fn reload_failed(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.rule().filter(|r| r.flavor == Flavor::Nginx && r.unclaimed.is_empty()) else {
        return Ok(Vec::new());
    };
    let control = control::of_rule(case, rule)?;
    let mut failed: Option<(ObjectRef, Event<'_>)> = None;
    for pod in &control.pods {
        let newest = case.event_with(pod, &["RELOAD"], "")?;
        if let Some(event) = newest.filter(|e| e.message.starts_with("Error reloading NGINX")) {
            failed = Some((ObjectRef::of(pod), event));
        }
    }
    let Some((pod, event)) = failed else { return Ok(Vec::new()) };
    let route = case.get(&rule.at)?.unwrap_or(&crate::diagnose::facts::NOTHING);
    let since = event.first.age(case.now());
    let hit = changed(route).0 >= event.first.0;
    let text = format!("{} {}: {}", event.reason, event.source, event.message);
    let told = match hit {
        true => format!("{} was changed after that, so the change is not served", rule.at),
        false => format!("{} was not changed since, so it is still served as it was", rule.at),
    };
    let m = Match::on(
        &pod,
        "nginx refuses its new configuration and goes on with the old one: no change to any Ingress is served.",
    )
    .confidence(Confidence::Medium)
    .evidence_aged(&pod, "events", event.reason, Some(since), text)
    .evidence(&rule.at, "metadata.managedFields", "", told)
    .fix(Fix {
        summary: "take the annotation or snippet that the message speaks of out of its Ingress".into(),
        live: format!("kubectl -n {} logs {} --tail=200", pod.namespace, pod.name),
        ..Fix::default()
    });
    Ok(vec![if hit { m } else { m.aside() }])
}

fn webhook(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let gone = match suspect.at.kind.as_str() {
        "Ingress" => !suspect.exists(),
        _ => matches!(way(case, &suspect.at.name)?.met, Met::NoHost { .. } | Met::NoPath { .. }),
    };
    if !gone {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for configuration in case.list(VALIDATINGWEBHOOKS, None).known()?.unwrap_or_default() {
        for hook in list_at(configuration, "/webhooks").iter().filter(|h| guards_ingresses(h)) {
            let service = SERVICES
                .at(str_at(hook, "/clientConfig/service/namespace"), str_at(hook, "/clientConfig/service/name"));
            let ready = match case.get(&service)? {
                Some(object) => endpoint_count(case, object)?.0,
                None => 0,
            };
            if ready > 0 {
                continue;
            }
            let (at, hook) = (ObjectRef::of(configuration), str_at(hook, "/name"));
            let live = format!(
                "kubectl delete validatingwebhookconfiguration {} (the controller's chart makes it anew)",
                at.name
            );
            found.push(
                Match::on(
                    &at,
                    format!("No Ingress can be created or changed: webhook {hook} must answer and has no endpoint."),
                )
                // That the route is missing because of it is a guess as long as only its URL is known.
                .confidence(if suspect.at.kind == "Ingress" { Confidence::High } else { Confidence::Medium })
                .evidence(
                    &at,
                    "webhooks[].failurePolicy",
                    "Fail",
                    format!("webhook {hook} guards Ingresses and must answer"),
                )
                .evidence(&service, "", "0", format!("{service} has 0 ready endpoints"))
                .because(service)
                .explains_lead(Lead::to(suspect.at.clone()))
                .fix(Fix { summary: "bring the webhook's pods back".into(), ..Fix::default() })
                .fix(Fix { summary: "in need, do without the check".into(), live, ..Fix::default() }),
            );
        }
    }
    Ok(found)
}

/// Whether a webhook with a Service must answer before an Ingress is written.
fn guards_ingresses(hook: &Value) -> bool {
    let rules = list_at(hook, "/rules");
    let has = |rule: &Value, list: &str, wanted: &str| list_at(rule, list).iter().any(|v| v == wanted || v == "*");
    str_at(hook, "/failurePolicy") != "Ignore"
        && hook.pointer("/clientConfig/service").is_some()
        && rules.iter().any(|r| has(r, "/apiGroups", "networking.k8s.io") && has(r, "/resources", "ingresses"))
}

fn limited(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    const LIMITS: &[&str] = &["limit-rps", "limit-rpm", "limit-connections"];
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.open_rule().filter(|r| r.flavor == Flavor::Nginx) else { return Ok(Vec::new()) };
    let Some(route) = case.get(&rule.at)? else { return Ok(Vec::new()) };
    let limits: Vec<String> = LIMITS
        .iter()
        .filter(|key| nginx(route, key).parse::<u64>().is_ok_and(|n| n > 0))
        .map(|key| format!("{key}: {}", nginx(route, key)))
        .collect();
    if limits.is_empty() {
        return Ok(Vec::new());
    }
    let heard = match arrival(case, &suspect.at.name)? {
        Some(arrival) => access::heard(case, &arrival, &way.request.host)?,
        None => Vec::new(),
    };
    let line = heard.iter().rev().find(|h| h.said == Said::Limited);
    let m =
        Match::on(&rule.at, format!("{} limits requests ({}); what is too much gets 503.", rule.at, limits.join(", ")))
            .confidence(if line.is_some() { Confidence::High } else { Confidence::Medium })
            .evidence(
                &rule.at,
                &format!("metadata.annotations[{NGINX}/limit-*]"),
                &limits.join(", "),
                format!("limits: {}", limits.join(", ")),
            );
    let field = format!("metadata.annotations[{NGINX}/limit-rps]");
    let m = m.fix(case.fix(route, &field, "raise the limit, or let it answer 429 (limit-req-status-code)", "")?);
    Ok(vec![match line {
        Some(heard) => m.evidence(&heard.pod, "log", &heard.line, format!("log of {}: {}", heard.pod.name, heard.line)),
        None => m.aside(),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_write_is_no_change() {
        let ingress = json!({"metadata": {"creationTimestamp": "2026-03-01T10:00:00Z", "managedFields": [
            {"time": "2026-03-01T11:00:00Z"}, {"time": "2026-03-01T11:30:00Z", "subresource": "status"}]}});
        assert_eq!(changed(&ingress).rfc3339(), "2026-03-01T11:00:00Z");
    }

    #[test]
    fn a_webhook_that_may_fail_guards_nothing() {
        let hook = |policy: &str| {
            json!({"failurePolicy": policy, "clientConfig": {"service": {"name": "x"}},
            "rules": [{"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"]}]})
        };
        assert!(guards_ingresses(&hook("Fail")) && !guards_ingresses(&hook("Ignore")));
        assert!(guards_ingresses(
            &json!({"clientConfig": {"service": {}}, "rules": [{"apiGroups": ["*"], "resources": ["*"]}]})
        ));
    }
}
