//! NetworkPolicies between the controller and the pods.
//!
//! ## netpol-deny-ingress
//! **You see.** 504 (503 with Envoy) although every pod is Ready.
//! **Why.** A NetworkPolicy isolates the pods, and no rule admits the controller's pods on the pod's port.
//! **How kokpit knows.** The policies that select the pod are evaluated for a controller pod and the real pod port; why
//! each rule misses is said: a namespace label that does not exist, the Service's port instead of the pod's, an AND
//! where an OR was meant.
//! **Looks alike.** `upstream-timeout` (the application is slow). Policies never explain pods that are not ready: the
//! kubelet's probes come from the pod's own node and are always allowed.
//! **Mend it.** Git: a peer `namespaceSelector: {kubernetes.io/metadata.name: …}` and the pod's port.
//!
//! ## netpol-hostnetwork-source
//! **You see.** 504 that comes and goes with the node a request enters by.
//! **Why.** The controller runs on the host network; its traffic comes from node addresses, which no selector meets.
//! Only pods on the same node are reached.
//! **How kokpit knows.** `hostNetwork: true` of the controller's pods, and policies that admit by selectors only.
//! **Looks alike.** `netpol-deny-ingress`.
//! **Mend it.** Git: an ipBlock for the nodes, or a controller without the host network.

use super::{Cause, Severity};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::url::{backend, backend_lead, control, policy, service_of, way};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{bool_at, list_at, name, namespace, str_at};

const FILE: &str = include_str!("netpol.rs");

/// The family's rows.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "netpol-deny-ingress",
        title: "a NetworkPolicy keeps the controller from the pods",
        severity: Severity::Outage,
        kinds: &["URL"],
        file: FILE,
        judge: |case, suspect| refused(case, suspect, false),
    },
    Cause {
        id: "netpol-hostnetwork-source",
        title: "a NetworkPolicy admits by selectors, and the controller runs on the host network",
        severity: Severity::Outage,
        kinds: &["URL"],
        file: FILE,
        judge: |case, suspect| refused(case, suspect, true),
    },
];

fn refused(case: &Case<'_>, suspect: &Suspect<'_>, host: bool) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.rule().filter(|r| r.unclaimed.is_empty()) else { return Ok(Vec::new()) };
    let Some(service) = case.get(&service_of(rule))? else { return Ok(Vec::new()) };
    let lead = backend_lead(case, rule)?;
    let (Some(port), Some((_, ready))) = (backend::port(service, &lead.focus, false), backend::pods(case, service)?)
    else {
        return Ok(Vec::new());
    };
    let control = control(case, rule.flavor)?;
    let (Some(from), Some(to)) = (control.pods.first(), ready.first()) else { return Ok(Vec::new()) };
    let Some(number) = backend::target(port, to) else { return Ok(Vec::new()) };
    if bool_at(from, "/spec/hostNetwork") != host {
        return Ok(Vec::new());
    }
    let Some(refusal) = policy::refuses(case, from, to, number)? else { return Ok(Vec::new()) };
    let Some(first) = refusal.policies.first() else { return Ok(Vec::new()) };
    let at = NETWORKPOLICIES.at(namespace(to), first);
    let enforced = enforcer(case)?;
    let mut m = Match::on(
        &at,
        format!("{at} keeps {} from the pods of {} on port {number}.", rule.flavor.name(), service_of(rule)),
    )
    .confidence(if enforced.is_some() { Confidence::High } else { Confidence::Low })
    .evidence(&at, "", "", format!("policies that select the pods: {}", refusal.policies.join(", ")));
    for miss in &refusal.misses {
        m = m.evidence(&at, "spec.ingress", "", miss);
    }
    m = m.evidence(
        &at,
        "",
        "",
        match &enforced {
            Some(who) => format!("policies are enforced here by {who}"),
            None => "no network plugin was found that enforces policies".to_owned(),
        },
    );
    m = m.evidence(
        &service_of(rule),
        "",
        "",
        format!("{} pods are Ready; kubelet's probes are exempt from policies", ready.len()),
    );
    let object = case.get(&at)?.unwrap_or(&crate::diagnose::facts::NOTHING);
    let what = format!("admit namespaceSelector {} and port {number}", refusal.namespace_label);
    Ok(vec![m.fix(case.fix(
        object,
        "spec.ingress",
        what,
        format!("kubectl -n {} edit networkpolicy {first}", namespace(to)),
    )?)])
}

/// The network plugin that enforces policies, by the names of its agents.
fn enforcer(case: &Case<'_>) -> Fact<Option<&'static str>> {
    const PLUGINS: &[(&str, &str)] = &[
        ("calico-node", "Calico"),
        ("cilium", "Cilium"),
        ("antrea-agent", "Antrea"),
        ("kube-router", "kube-router"),
        ("weave-net", "Weave"),
        ("aws-network-policy", "AWS VPC CNI"),
        ("azure-npm", "Azure NPM"),
        ("ovnkube-node", "OVN-Kubernetes"),
    ];
    let pods = case.list(PODS, None)?;
    let runs = |prefix: &str| {
        pods.iter().any(|p| {
            name(p).starts_with(prefix)
                || list_at(p, "/spec/containers").iter().any(|c| str_at(c, "/image").contains(prefix))
        })
    };
    Ok(PLUGINS.iter().find(|(prefix, _)| runs(prefix)).map(|(_, plugin)| *plugin))
}
