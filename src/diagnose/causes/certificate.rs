//! Certificates that cert-manager does not get.
//!
//! ## cert-not-issued
//! **You see.** A certificate warning, a default certificate, or a listener that is not ready.
//! **Why.** cert-manager has not issued the certificate, or cannot renew it: the issuer is not ready, the ACME order failed,
//! a challenge is not answered, the authority limits requests.
//! **How kokpit knows.** The condition Ready of the Certificate, then its CertificateRequest, Order and Challenge, and its
//! issuer, down to the object that says why.
//! **Looks alike.** `ingress-tls-secret-missing`: nobody was asked for the certificate. It is no reason of a 5xx.
//! **Mend it.** As the deepest object says. Git: `spec.issuerRef`, or the issuer's solver.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::pods::condition;
use crate::world::object::{ObjectRef, name, namespace, str_at};
use crate::world::time::Time;
use serde_json::Value;

causes! { "certificate.rs";
    "cert-not-issued" "cert-manager has not issued the certificate" Degraded ["Certificate"] not_issued;
}

/// An order that is answered takes this long.
const GATE_S: i64 = 120;

fn not_issued(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let certificate = suspect.object;
    let Some(ready) = condition(certificate, "Ready").filter(|c| str_at(c, "/status") != "True") else {
        return Ok(Vec::new());
    };
    let since = case.age(str_at(ready, "/lastTransitionTime")).unwrap_or_else(|| case.age_of(certificate));
    if since < GATE_S {
        return Ok(Vec::new());
    }
    let (reason, message) = (str_at(ready, "/reason"), str_at(ready, "/message"));
    let mut m = Match::on(&suspect.at, format!("{} is not issued: {message}", suspect.at)).evidence_aged(
        &suspect.at,
        "status.conditions[Ready]",
        reason,
        Some(since),
        format!("{reason}: {message}"),
    );
    if let Some(expired) = Time::parse(str_at(certificate, "/status/notAfter")).filter(|t| t.age(case.now()) > 0) {
        let text = "the certificate in use has expired, and the new one does not come";
        m = m.evidence_aged(&suspect.at, "status.notAfter", &expired.rfc3339(), Some(expired.age(case.now())), text);
    }
    let mut what = "do what its newest request says".to_owned();
    for (at, path, value, text) in steps(case, certificate)? {
        what = format!("mend what {at} says");
        m = m.evidence(&at, path, &value, text);
    }
    if let Some((at, text)) = issuer(case, certificate)? {
        what = format!("mend {at}");
        m = m.evidence(&at, "status.conditions[Ready]", "", text);
    }
    Ok(vec![m.fix(case.fix(certificate, "spec.issuerRef", what, "")?)])
}

/// What stands in the way, from the request down to the challenge: object, field, value, words.
fn steps(case: &Case<'_>, certificate: &Value) -> Fact<Vec<(ObjectRef, &'static str, String, String)>> {
    let ns = Some(namespace(certificate));
    let mut found = Vec::new();
    let requests = case.list(CERTIFICATEREQUESTS, ns).known()?.unwrap_or_default();
    let mine = |r: &&Value| str_at(r, "/metadata/annotations/cert-manager.io~1certificate-name") == name(certificate);
    let newest = requests.into_iter().filter(mine).max_by_key(|r| str_at(r, "/metadata/creationTimestamp"));
    let Some(request) = newest else { return Ok(found) };
    if let Some(c) = condition(request, "Ready").filter(|c| str_at(c, "/status") != "True") {
        let at = ObjectRef::of(request);
        let text = format!("{at}: {}: {}", str_at(c, "/reason"), str_at(c, "/message"));
        found.push((at, "status.conditions[Ready]", str_at(c, "/reason").to_owned(), text));
    }
    let Some(order) = owned(case, ORDERS, request)?.into_iter().next() else { return Ok(found) };
    let state = |o: &Value| (str_at(o, "/status/state").to_owned(), str_at(o, "/status/reason").to_owned());
    let of = |o: &Value| {
        let (at, (state, reason)) = (ObjectRef::of(o), state(o));
        let text = format!("{at} is {state}: {reason}");
        (at, "status.reason", state, text)
    };
    if state(order).0 != "valid" {
        found.push(of(order));
    }
    for challenge in owned(case, CHALLENGES, order)?.into_iter().filter(|c| state(c).0 != "valid") {
        let (at, path, state, text) = of(challenge);
        let (kind, host) = (str_at(challenge, "/spec/type"), str_at(challenge, "/spec/dnsName"));
        found.push((at, path, state, format!("{text} ({kind} for {host})")));
    }
    Ok(found)
}

/// Objects of a kind that another one owns.
fn owned<'a>(case: &Case<'a>, kind: Known, owner: &Value) -> Fact<Vec<&'a Value>> {
    let all = case.list(kind, Some(namespace(owner))).known()?.unwrap_or_default();
    let uids = [str_at(owner, "/metadata/uid").to_owned()];
    Ok(all.into_iter().filter(|o| crate::diagnose::kin::owned_by(o, &uids)).collect())
}

/// The issuer, if it is missing or not ready.
fn issuer(case: &Case<'_>, certificate: &Value) -> Fact<Option<(ObjectRef, String)>> {
    let group = str_at(certificate, "/spec/issuerRef/group");
    if !matches!(group, "" | "cert-manager.io") {
        return Ok(None);
    }
    let called = str_at(certificate, "/spec/issuerRef/name");
    let at = match str_at(certificate, "/spec/issuerRef/kind") {
        "ClusterIssuer" => CLUSTERISSUERS.at("", called),
        _ => ISSUERS.at(namespace(certificate), called),
    };
    Ok(match case.get(&at).known()? {
        Some(None) => Some((at.clone(), format!("{at} does not exist"))),
        Some(Some(issuer)) => condition(issuer, "Ready")
            .filter(|c| str_at(c, "/status") != "True")
            .map(|c| (at.clone(), format!("{at} is not ready: {}: {}", str_at(c, "/reason"), str_at(c, "/message")))),
        None => None,
    })
}
