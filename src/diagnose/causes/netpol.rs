//! NetworkPolicies and Cilium's policies between the controller and the pods.
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
//!
//! ## netpol-deny-egress-controller
//! **You see.** 504 (503 with Envoy) for every backend that the rules do not name, although every pod is Ready.
//! **Why.** A NetworkPolicy in the controller's namespace isolates its pods for egress, and no rule lets them out to the
//! backend's pods on the pod's port.
//! **How kokpit knows.** The egress rules of the policies that select the controller's pods are evaluated for a backend
//! pod and its real port.
//! **Looks alike.** `netpol-deny-ingress`: the backend's own namespace refuses.
//! **Mend it.** Git: an egress rule to the backend's namespace and the pod's port.
//!
//! ## cilium-deny
//! **You see.** 504 or 503 although every pod is Ready; 403 `Access denied` where a rule of layer 7 refuses.
//! **Why.** A CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy selects the pods: a deny rule, no rule for the
//! controller, no entity `ingress` where Cilium's own Envoy serves the route, or HTTP rules without this path.
//! **How kokpit knows.** The policies are evaluated together with the NetworkPolicies: deny wins, what one of them allows
//! is allowed.
//! **Looks alike.** `netpol-deny-ingress`: a standard policy refuses, and no Cilium policy allows.
//! **Mend it.** Git: `fromEndpoints` with the controller's namespace, or `fromEntities: [ingress]`, and the pod's port.

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::url::policy::{self, Direction, Flow, Refusal, Source};
use crate::diagnose::url::{Arrival, arrival, cilium, way};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{bool_at, list_at, name, namespace, str_at};
use crate::world::text::count;

causes! { "netpol.rs";
    "netpol-deny-ingress" "a NetworkPolicy keeps the controller from the pods" Outage ["URL"] refused, id;
    "netpol-hostnetwork-source" "a NetworkPolicy admits by selectors, and the controller runs on the host network" Outage ["URL"] refused, id;
    "netpol-deny-egress-controller" "a NetworkPolicy does not let the controller out to the pods" Outage ["URL"] refused, id;
    "cilium-deny" "a Cilium policy keeps the controller from the pods, or forbids the path" Outage ["URL"] cilium_deny;
}

/// The first flow from the controller that is refused, at which end, and why.
fn refusal<'a>(case: &Case<'a>, arrival: &Arrival<'a>) -> Fact<Option<(Flow<'a>, Direction, Refusal)>> {
    policy::first_refused(case, arrival.rule.flavor, &arrival.control.pods, &arrival.ready, arrival.port)
}

/// The cause that a refusal stands for.
fn cause_of(flow: &Flow<'_>, direction: Direction, refusal: &Refusal) -> &'static str {
    let cilium = refusal.policies.first().is_some_and(|at| at.group == CILIUMPOLICIES.group);
    match (flow.from, direction) {
        _ if cilium => "cilium-deny",
        (_, Direction::Egress) => "netpol-deny-egress-controller",
        (Source::Pod(from), _) if bool_at(from, "/spec/hostNetwork") => "netpol-hostnetwork-source",
        _ => "netpol-deny-ingress",
    }
}

fn refused(case: &Case<'_>, suspect: &Suspect<'_>, wanted: &str) -> Fact<Vec<Match>> {
    let Some(arrival) = arrival(case, &suspect.at.name)? else { return Ok(Vec::new()) };
    let Some((flow, direction, refusal)) = refusal(case, &arrival)? else { return Ok(Vec::new()) };
    if cause_of(&flow, direction, &refusal) != wanted {
        return Ok(Vec::new());
    }
    let Some(m) = told(case, &arrival, &flow, direction, &refusal)? else { return Ok(Vec::new()) };
    Ok(vec![m])
}

/// A refusal in words.
fn told(
    case: &Case<'_>,
    arrival: &Arrival<'_>,
    flow: &Flow<'_>,
    direction: Direction,
    refusal: &Refusal,
) -> Fact<Option<Match>> {
    let Some(at) = refusal.policies.first() else { return Ok(None) };
    let enforced = enforcer(case)?;
    let cilium = at.group == CILIUMPOLICIES.group;
    let (port, who) = (flow.port, arrival.rule.flavor.name());
    let (selected, section, summary) = match direction {
        Direction::Ingress => {
            ("the pods", "spec.ingress", format!("{at} keeps {who} from the pods of {} on port {port}.", arrival.at()))
        }
        Direction::Egress => {
            let text = format!("{at} does not let {who} out to the pods of {} on port {port}.", arrival.at());
            ("the controller", "spec.egress", text)
        }
    };
    let mut m = Match::on(at, summary)
        .confidence(if enforced.is_some() || cilium { Confidence::High } else { Confidence::Low })
        .evidence(at, "", "", format!("policies that select {selected}: {}", refusal.names()));
    for miss in &refusal.misses {
        m = m.evidence(at, section, "", miss);
    }
    let text = match &enforced {
        Some(who) => format!("policies are enforced here by {who}"),
        None => "no network plugin was found that enforces policies".to_owned(),
    };
    m = m.evidence(at, "", "", text);
    let (ready, are) = (arrival.ready.len(), if arrival.ready.len() == 1 { "is" } else { "are" });
    m = m.evidence(
        &arrival.at(),
        "",
        "",
        format!("{} {are} Ready; kubelet's probes are exempt from policies", count(ready, "pod")),
    );
    let object = case.get(at)?.unwrap_or(&crate::diagnose::facts::NOTHING);
    let what = match flow.from {
        Source::CiliumEnvoy => format!("admit fromEntities: [ingress] on port {port}"),
        Source::Pod(from) if bool_at(from, "/spec/hostNetwork") && cilium => {
            format!("admit fromEntities: [host, remote-node] on port {port}")
        }
        Source::Pod(from) if bool_at(from, "/spec/hostNetwork") => {
            format!(
                "admit an ipBlock with the nodes' addresses on port {port}, or run the controller without hostNetwork"
            )
        }
        Source::Pod(_) if direction == Direction::Egress => {
            format!("let it out to namespaceSelector {} on port {port}", refusal.namespace_label)
        }
        Source::Pod(from) => {
            format!("admit namespaceSelector kubernetes.io/metadata.name={} and port {port}", namespace(from))
        }
    };
    let ns = if at.namespace.is_empty() { String::new() } else { format!(" -n {}", at.namespace) };
    let live = format!("kubectl{ns} edit {} {}", at.kind.to_lowercase(), at.name);
    Ok(Some(m.fix(case.fix(object, section, what, live)?)))
}

fn cilium_deny(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let found = refused(case, suspect, "cilium-deny")?;
    if !found.is_empty() {
        return Ok(found);
    }
    let Some(arrival) = arrival(case, &suspect.at.name)? else { return Ok(Vec::new()) };
    let (Some(to), Some(port)) = (arrival.ready.first(), arrival.target()) else { return Ok(Vec::new()) };
    let path = way(case, &suspect.at.name)?.request.path.clone();
    let Some((at, paths)) = cilium::refused_path(case, to, port, &path)? else { return Ok(Vec::new()) };
    let text = format!("its HTTP rules let pass {paths}; {path} is answered with 403 Access denied");
    Ok(vec![
        Match::on(&at, format!("{at} does not let pass path {path}: Envoy answers 403."))
            .confidence(Confidence::High)
            .evidence(&at, "spec.ingress[].toPorts[].rules.http", &paths, text)
            .fix(Fix { summary: format!("add a rule for {path} to the policy's rules.http"), ..Fix::default() }),
    ])
}

/// The network plugin that enforces policies, by the names of its agents.
pub(super) fn enforcer(case: &Case<'_>) -> Fact<Option<&'static str>> {
    const PLUGINS: &[(&str, &str)] = &[
        ("calico-node", "Calico"),
        ("canal", "Canal"),
        ("cilium", "Cilium"),
        ("antrea-agent", "Antrea"),
        ("kube-router", "kube-router"),
        ("weave-net", "Weave"),
        ("aws-node", "AWS VPC CNI"),
        ("azure-npm", "Azure NPM"),
        ("ovnkube-node", "OVN-Kubernetes"),
    ];
    let agents = case.list(DAEMONSETS, None)?;
    let runs = |prefix: &str| {
        agents.iter().any(|d| {
            name(d).starts_with(prefix)
                || list_at(d, "/spec/template/spec/containers").iter().any(|c| str_at(c, "/image").contains(prefix))
        })
    };
    Ok(PLUGINS.iter().find(|(prefix, _)| runs(prefix)).map(|(_, plugin)| *plugin))
}
