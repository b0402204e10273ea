//! Names inside the cluster do not resolve.
//!
//! ## coredns-down
//! **You see.** Many applications fail at once with `Temporary failure in name resolution` or a time-out of a look-up.
//! **Why.** No pod of the cluster's DNS server is ready.
//! **How kokpit knows.** The endpoints of the DNS Service in kube-system; for a pod, also that its log speaks of look-ups that
//! got no answer.
//! **Looks alike.** `netpol-blocks-dns`: the server is there, and this pod may not ask it. `no such host` is an answer: then
//! the name is wrong.
//! **Mend it.** Bring CoreDNS back; its pods' own trouble is looked at next. Git: the ConfigMap `coredns`.
//!
//! ## netpol-blocks-dns
//! **You see.** One application cannot look up any name: `i/o timeout`, `Temporary failure in name resolution`.
//! **Why.** An egress policy isolates the pod, and no rule lets it out to the DNS pods on port 53.
//! **How kokpit knows.** The log speaks of look-ups that got no answer; the egress rules are evaluated for a DNS pod, UDP and
//! TCP.
//! **Looks alike.** `coredns-down`: nobody can look up names. `crash-missing-dependency`: the name resolves.
//! **Mend it.** Git: an egress rule for UDP and TCP 53 to kube-system (and to 169.254.20.10 where node-local-dns runs).

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{containers, crash_log, is_ill, log_lines};
use crate::diagnose::url::backend;
use crate::diagnose::url::policy::{self, Direction, Flow, Source};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, name, str_at};
use serde_json::Value;

causes! { "cluster_dns.rs";
    "coredns-down" "no pod of the cluster's DNS server is ready" Outage ["Pod", "Service"] coredns;
    "netpol-blocks-dns" "an egress policy keeps the pod from the DNS server" Outage ["Pod"] blocked;
}

const SYSTEM: &str = "kube-system";

/// Whether a line speaks of a look-up that got no answer. "No such host" is an answer.
fn is_unanswered(line: &str) -> bool {
    const WORDS: &[&str] =
        &["temporary failure in name resolution", "eai_again", "server misbehaving", "try again later"];
    let lower = line.to_lowercase();
    let lookup = lower.contains("lookup ") && (lower.contains("i/o timeout") || lower.contains("connection refused"));
    let answered = lower.contains("no such host");
    !answered && (lookup || WORDS.iter().any(|w| lower.contains(w)))
}

/// The cluster's DNS Service.
fn dns<'a>(case: &Case<'a>) -> Fact<Option<&'a Value>> {
    let all = case.list(SERVICES, Some(SYSTEM))?;
    Ok(all.into_iter().find(|s| is_dns(s)))
}

fn is_dns(service: &Value) -> bool {
    let labelled = str_at(service, "/metadata/labels/k8s-app") == "kube-dns";
    let serves = list_at(service, "/spec/ports").iter().any(|p| p.get("port").and_then(Value::as_i64) == Some(53));
    serves && (labelled || matches!(name(service), "kube-dns" | "coredns"))
}

/// The line of an ill pod's log that speaks of a look-up without an answer.
fn complaint(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Option<String>> {
    if !is_ill(case, suspect) {
        return Ok(None);
    }
    let pod = suspect.object;
    for container in containers(pod) {
        let lines = match container.ended().filter(|_| container.crashes(pod, case.now())) {
            Some(ended) => crash_log(case, pod, &container, &ended)?,
            None if container.running_since().is_some() && !container.ready() => {
                log_lines(case.log(pod, container.name, false).known()?.unwrap_or_default())
            }
            None => continue,
        };
        if let Some(line) = lines.iter().rev().find(|l| is_unanswered(l)) {
            return Ok(Some(crate::diagnose::crash::without_time(line).to_owned()));
        }
    }
    Ok(None)
}

fn coredns(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let line = match suspect.at.kind.as_str() {
        "Pod" => match complaint(case, suspect)? {
            Some(line) => Some(line),
            None => return Ok(Vec::new()),
        },
        _ if suspect.at.namespace == SYSTEM && is_dns(suspect.object) => None,
        _ => return Ok(Vec::new()),
    };
    let Some(service) = dns(case)? else { return Ok(Vec::new()) };
    let at = ObjectRef::of(service);
    let ends = backend::endpoints(case, service, list_at(service, "/spec/ports").first())?;
    if ends.ready > 0 {
        return Ok(Vec::new());
    }
    let pods = backend::pods(case, service)?.map(|(pods, _)| pods).unwrap_or_default();
    let mut m = Match::on(&at, format!("No pod of the cluster's DNS server is ready: no name resolves ({at})."))
        .evidence(&at, "", "0", format!("{at} has 0 ready endpoints, {} pods", pods.len()))
        .because_all(kin::ill_pods(case, &pods));
    if let Some(line) = line {
        m = m.evidence(&suspect.at, "log", &line, format!("log: {line}")).explains_lead(Lead::to(suspect.at.clone()));
    }
    Ok(vec![m.fix(Fix {
        summary: "bring the DNS server's pods back".into(),
        live: format!("kubectl -n {SYSTEM} get pods -l {}", backend::labels(service.pointer("/spec/selector"))),
        ..Fix::default()
    })])
}

fn blocked(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(line) = complaint(case, suspect)? else { return Ok(Vec::new()) };
    let Some(service) = dns(case)? else { return Ok(Vec::new()) };
    let Some((_, ready)) = backend::pods(case, service)? else { return Ok(Vec::new()) };
    let (Some(to), ports) = (ready.first(), list_at(service, "/spec/ports")) else { return Ok(Vec::new()) };
    for protocol in ["UDP", "TCP"] {
        let port = ports.iter().find(|p| str_at(p, "/protocol") == protocol).and_then(|p| backend::target(p, to));
        let Some(port) = port else { continue };
        let flow = Flow { from: Source::Pod(suspect.object), to, port, protocol };
        let Some(refusal) = policy::refuses(case, &flow, Direction::Egress)? else { continue };
        let Some(at) = refusal.policies.first() else { continue };
        let mut m =
            Match::on(at, format!("{at} does not let {} out to the DNS server on {protocol} {port}.", suspect.at))
                .confidence(Confidence::High)
                .evidence(&suspect.at, "log", &line, format!("log: {line}"))
                .evidence(at, "spec.egress", "", format!("policies that select the pod: {}", refusal.names()));
        for miss in &refusal.misses {
            m = m.evidence(at, "spec.egress", "", miss);
        }
        let object = case.get(at)?.unwrap_or(&crate::diagnose::facts::NOTHING);
        let what = format!("add an egress rule: UDP and TCP {port} to namespace {SYSTEM}");
        let live = format!("kubectl -n {} edit {} {}", at.namespace, at.kind.to_lowercase(), at.name);
        return Ok(vec![m.explains_lead(Lead::to(suspect.at.clone())).fix(case.fix(
            object,
            "spec.egress",
            what,
            live,
        )?)]);
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_no_silence() {
        assert!(is_unanswered(
            "dial tcp: lookup db.shop on 10.96.0.10:53: read udp 10.1.0.3:40000->10.96.0.10:53: i/o timeout"
        ));
        assert!(is_unanswered("psycopg2: could not translate host name \"db\": Temporary failure in name resolution"));
        assert!(!is_unanswered("dial tcp: lookup db.shop on 10.96.0.10:53: no such host"));
        assert!(!is_unanswered("dial tcp 10.1.0.4:5432: i/o timeout"));
    }
}
