//! Routes that no request reaches, or that another one takes.
//!
//! ## ingress-host-mismatch
//! **You see.** 404.
//! **Why.** No route is for this host.
//! **How kokpit knows.** The host is matched against every rule: exact, then wildcard, then no host. The nearest hosts
//! are shown.
//! **Looks alike.** `ingress-class-missing`: the rule is there, but nobody takes it.
//! **Mend it.** Git: `rules[].host`, or ask for a host that exists.
//!
//! ## ingress-path-mismatch
//! **You see.** 404.
//! **Why.** There are rules for the host, none for the path. A Prefix is compared element by element: `/foo` does not
//! match `/foobar`.
//! **How kokpit knows.** The path is matched against every rule of the host.
//! **Looks alike.** The application's own 404 after a rewrite.
//! **Mend it.** Git: `paths[].path` and `pathType`.
//!
//! ## ingress-class-missing
//! **You see.** 404; the Ingress has no address.
//! **Why.** No controller takes the Ingress: it names no class and there is no default, or a class that does not exist,
//! or the default class came after it.
//! **How kokpit knows.** The IngressClass is looked up.
//! **Looks alike.** `ingress-controller-down`: the class is fine, its controller is not.
//! **Mend it.** Git: `spec.ingressClassName`.
//!
//! ## ingress-controller-down
//! **You see.** No answer at all, or the load balancer's own 502/503, for every host of the class.
//! **Why.** No pod of the controller is ready; why, is looked at next.
//! **How kokpit knows.** The controller's pods, found by image, arguments and labels.
//! **Looks alike.** `ingress-class-missing`.
//! **Mend it.** Mend the controller's pods.
//!
//! ## ingress-duplicate-owner
//! **You see.** One host answers with another application, or with 503, although its own backend is healthy.
//! **Why.** Two routes claim the same host and path. ingress-nginx lets the oldest Ingress win, so does NGINX Ingress
//! Controller (F5).
//! **How kokpit knows.** All rules are matched; the winner and the losers are shown with their age. It is the reason
//! when the winner's backend is dead and a loser's is not.
//! **Looks alike.** `svc-selector-no-pods` at the winner's Service is a consequence here.
//! **Mend it.** Delete or rename the one that should not win.
//!
//! ## ingress-host-taken
//! **You see.** 404 for every path of the Ingress, or of the one that has the host.
//! **Why.** NGINX Ingress Controller (F5, `nginx.org/ingress-controller`) gives a host to one Ingress, the oldest, and
//! rejects the others even if their paths differ; ingress-nginx would join them.
//! **How kokpit knows.** The hosts and ages of the Ingresses of its class, and the annotation
//! `nginx.org/mergeable-ingress-type`; the event `Rejected` says so too.
//! **Looks alike.** `ingress-duplicate-owner`: both claim the path as well. `ingress-path-mismatch`: no Ingress has it.
//! **Mend it.** Move the paths into one Ingress, or make one a master and the others minions.
//!
//! ## ingress-tls-secret-missing
//! **You see.** A certificate warning; the controller serves its own default certificate. With NGINX Ingress Controller
//! (F5) the TLS handshake is refused.
//! **Why.** The Secret in `spec.tls[].secretName` does not exist.
//! **How kokpit knows.** A look-up (metadata only).
//! **Looks alike.** It is not the reason of a 5xx.
//! **Mend it.** Issue the certificate, or correct the name.

use crate::diagnose::case::Subject;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::url::flavor::Flavor;
use crate::diagnose::url::route::{self, Met, Rule, class_of, foreign, is_tls_for};
use crate::diagnose::url::{backend_lead, control, usable, way};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "ingress.rs";
    "ingress-host-mismatch" "no route is for this host" Outage ["URL"] host;
    "ingress-path-mismatch" "no route of this host is for this path" Outage ["URL"] path;
    "ingress-class-missing" "no controller takes the Ingress" Outage ["Ingress"] class;
    "ingress-controller-down" "no pod of the Ingress' controller is ready" Outage ["URL"] controller;
    "ingress-duplicate-owner" "another route claims the same host and path, and wins" Outage ["URL"] duplicate;
    "ingress-host-taken" "another Ingress has the host, and this one is not served" Outage ["Ingress"] taken;
    "ingress-tls-secret-missing" "the certificate's Secret does not exist" Degraded ["Ingress"] tls;
}

fn host(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Met::NoHost { rules } = &way.met else { return Ok(Vec::new()) };
    let wanted = &way.request.host;
    if foreign::of_host(case, wanted)?.is_some() {
        return Ok(Vec::new());
    }
    let mut near: Vec<&Rule> = rules.iter().filter(|r| !r.host.is_empty()).collect();
    near.sort_by_key(|r| super::config::distance(&r.host, wanted));
    near.dedup_by_key(|r| r.host.clone());
    let at = near.first().map_or(&suspect.at, |r| &r.at);
    let hosts: Vec<String> = near.iter().take(4).map(|r| format!("{} ({})", r.host, r.at)).collect();
    let mut m = Match::on(at, format!("No route is for host {wanted}.")).evidence(
        at,
        "spec.rules[].host",
        "",
        format!("{} rules were matched, none is for {wanted}", rules.len()),
    );
    if !hosts.is_empty() {
        m = m.evidence(at, "spec.rules[].host", "", format!("nearest hosts: {}", hosts.join(", ")));
    }
    Ok(vec![
        m.fix(Fix { summary: format!("add a rule for {wanted}, or ask for a host that exists"), ..Fix::default() }),
    ])
}

fn path(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Met::NoPath { rules } = &way.met else { return Ok(Vec::new()) };
    if foreign::of_host(case, &way.request.host)?.is_some() {
        return Ok(Vec::new());
    }
    let Some(first) = rules.first() else { return Ok(Vec::new()) };
    let (wanted, host) = (&way.request.path, &way.request.host);
    let paths: Vec<String> = rules.iter().map(|r| format!("{} ({:?}, {})", r.path, r.kind, r.at)).collect();
    Ok(vec![
        Match::on(&first.at, format!("Host {host} has no rule for path {wanted}."))
            .evidence(&first.at, "spec.rules[].http.paths[]", "", format!("paths of {host}: {}", paths.join(", ")))
            .fix(Fix { summary: format!("add a rule for {wanted}, or change pathType"), ..Fix::default() }),
    ])
}

fn class(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !suspect.exists() {
        return Ok(Vec::new());
    }
    let classes = case.list(INGRESSCLASSES, None)?;
    let (named, _, why) = class_of(case, suspect.object, &classes)?;
    if why.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: Vec<&str> = classes.iter().map(|c| name(c)).collect();
    known.sort_unstable();
    let confidence = if named.is_empty() { Confidence::High } else { Confidence::Certain };
    // Of several classes only a misspelt name says which is meant.
    let meant = match known[..] {
        [only] => Some(only),
        _ if named.is_empty() => None,
        _ => known.iter().copied().min_by_key(|class| super::config::distance(class, &named)),
    };
    let live = meant.map_or(String::new(), |class| {
        format!(
            "kubectl -n {} patch ingress {} -p '{{\"spec\":{{\"ingressClassName\":\"{class}\"}}}}'",
            suspect.at.namespace, suspect.at.name
        )
    });
    let what = match (meant, known.is_empty()) {
        (Some(class), _) => format!("name class {class}"),
        (None, false) => format!("name a class that exists: {}", known.join(" or ")),
        (None, true) => "install a controller with its IngressClass, and name that".to_owned(),
    };
    Ok(vec![
        Match::on(&suspect.at, format!("No controller takes {}: {why}.", suspect.at))
            .confidence(confidence)
            .evidence(&suspect.at, "spec.ingressClassName", &named, why)
            .evidence(
                &suspect.at,
                "status.loadBalancer",
                "",
                format!("addresses in its status: {}", list_at(suspect.object, "/status/loadBalancer/ingress").len()),
            )
            .fix(case.fix(suspect.object, "spec.ingressClassName", what, live)?),
    ])
}

fn controller(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.rule().filter(|r| r.unclaimed.is_empty()) else { return Ok(Vec::new()) };
    let control = control::of_rule(case, rule)?;
    let Some(top) = control.workloads.first().filter(|_| control.ready.is_empty()) else { return Ok(Vec::new()) };
    let at = ObjectRef::of(top);
    Ok(vec![
        Match::on(
            &at,
            format!("No pod of {} is ready, so every host of class {} is down.", rule.flavor.name(), rule.class),
        )
        .evidence(&at, "status.readyReplicas", "0", format!("0 of {} pods ready", control.pods.len()))
        .because_all(control.workloads.iter().map(|w| Lead::to(ObjectRef::of(w)))),
    ])
}

fn duplicate(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Met::Rule { rule, others, .. } = &way.met else { return Ok(Vec::new()) };
    let Some(loser) = others.first() else { return Ok(Vec::new()) };
    let (dead, alive) = (usable(case, rule.flavor, &rule.backend)? == 0, usable(case, loser.flavor, &loser.backend)?);
    let age = |r: &Rule| human(r.created.age(case.now()));
    let how = match rule.flavor {
        Flavor::Nginx if rule.created == loser.created => {
            "of Ingresses made in the same second, ingress-nginx takes the name that sorts last"
        }
        Flavor::Nginx => "the oldest Ingress wins in ingress-nginx",
        Flavor::NginxInc => "the oldest Ingress has the host in NGINX Ingress Controller",
        Flavor::Traefik => "Traefik picks one of equal rules by name",
        _ => "the oldest route wins",
    };
    let mut m =
        Match::on(&rule.at, format!("{} takes {}{} away from {}: {how}.", rule.at, rule.host, rule.path, loser.at))
            .confidence(Confidence::High)
            .evidence(
                &rule.at,
                "metadata.creationTimestamp",
                "",
                format!("{} is {} old, {} is {} old: {how}", rule.at, age(rule), loser.at, age(loser)),
            )
            .evidence(
                &rule.backend.service(),
                "",
                "",
                format!("{} has {} endpoints ready", rule.backend.service(), usable(case, rule.flavor, &rule.backend)?),
            )
            .evidence(
                &loser.backend.service(),
                "",
                "",
                format!("{} backend has {alive} ready endpoints", loser.at.to_string().replace("Ingress ", "")),
            );
    for other in others {
        m = m.evidence(&other.at, "spec.rules", "", format!("{} claims {}{} too", other.at, other.host, other.path));
    }
    let (ns, kind) = (&rule.at.namespace, rule.at.kind.to_lowercase());
    m = m.fix(Fix {
        summary: format!("delete {}, or give it another host", rule.at),
        live: format!("kubectl -n {ns} delete {kind} {}", rule.at.name),
        ..Fix::default()
    });
    Ok(vec![if dead && alive > 0 {
        m.explains_lead(backend_lead(case, rule.flavor, &rule.backend)?)
    } else {
        m.aside()
    }])
}

/// Whether what was asked about is served with the certificate of this entry of `spec.tls`, and the controller was given
/// none for such cases that may be good for the host (`--default-ssl-certificate`).
fn served(case: &Case<'_>, suspect: &Suspect<'_>, tls: &Value) -> Fact<bool> {
    if let Subject::Url(url) = &case.file().subject {
        let request = &way(case, url)?.request;
        if !request.tls() || !is_tls_for(tls, &request.host) {
            return Ok(false);
        }
    }
    match taker(case, suspect.object)? {
        None => Ok(false),
        Some(Flavor::NginxInc) => Ok(true),
        Some(flavor) => {
            let control = control::control(case, flavor, "").known()?.unwrap_or_default();
            Ok(control.flag("default-ssl-certificate").is_none())
        }
    }
}

/// Who takes an Ingress; `None` where nobody does.
fn taker(case: &Case<'_>, ingress: &Value) -> Fact<Option<Flavor>> {
    let (_, controller, unclaimed) = class_of(case, ingress, &case.list(INGRESSCLASSES, None)?)?;
    Ok(unclaimed.is_empty().then(|| Flavor::of_controller(&controller)))
}

fn taken(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !suspect.exists() || taker(case, suspect.object)? != Some(Flavor::NginxInc) {
        return Ok(Vec::new());
    }
    let rules = case.memo("", || route::rules(case))?;
    let meant = |r: &&Rule| suspect.focus.is_empty() || suspect.focus == r.index.to_string();
    let lost = rules.iter().filter(|r| r.at == suspect.at && r.lost_its_host());
    let Some(rule) = lost.into_iter().find(meant) else { return Ok(Vec::new()) };
    let (who, why) = (rule.flavor.name(), &rule.unclaimed);
    let event = case.event_with(suspect.object, &["Rejected"], "")?;
    let mut m = Match::on(&suspect.at, format!("{who} does not serve {} for {}: {why}.", suspect.at, rule.host))
        .confidence(if event.is_some() { Confidence::Certain } else { Confidence::High })
        .evidence(&suspect.at, "spec.rules[].host", &rule.host, format!("{why}; {who} gives a host to one Ingress"));
    if let Some(event) = event {
        let text = format!("{}: {}", event.reason, event.message);
        m = m.evidence_aged(&suspect.at, "events", event.reason, Some(event.last.age(case.now())), text);
    }
    let field = "metadata.annotations[nginx.org/mergeable-ingress-type]";
    let what = "put the paths into one Ingress, or share the host: nginx.org/mergeable-ingress-type master (without paths) and minion";
    Ok(vec![m.fix(case.fix(suspect.object, field, what, "")?)])
}

fn tls(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for tls in list_at(suspect.object, "/spec/tls") {
        let secret = str_at(tls, "/secretName");
        if secret.is_empty() {
            continue;
        }
        let at = SECRETS.at(namespace(suspect.object), secret);
        if let Some(None) = case.get(&at).known()? {
            let (what, how) = match taker(case, suspect.object)? {
                Some(Flavor::NginxInc) => ("the TLS handshake is refused", "the controller refuses the handshake"),
                _ => (
                    "clients get a certificate that is not the host's",
                    "certificate problem, not the 503: the controller serves its default certificate",
                ),
            };
            let m = Match::on(&suspect.at, format!("TLS Secret {secret} is missing: {what}."))
                .evidence(&suspect.at, "spec.tls[].secretName", secret, format!("{secret} is missing ({how})"))
                .because_all(super::config::producers(case, &at)?);
            found.push(if served(case, suspect, tls)? { m.aside_unless_alone() } else { m.aside() });
        }
    }
    Ok(found)
}
