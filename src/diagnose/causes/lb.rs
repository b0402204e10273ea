//! The way to the controller: name and load balancer.
//!
//! ## dns-no-record
//! **You see.** The name does not resolve, or leads to an old address.
//! **Why.** external-dns makes no record for the host: its route is not among external-dns' sources, an annotation or a
//! domain filter leaves it out, or there is no address that a record could point to.
//! **How kokpit knows.** This machine's resolver does not know the name; or, where the resolver was not asked (a cluster on
//! this machine, a recording), the arguments of the external-dns Deployment, the route's annotations and the addresses in
//! its status say so: that is no more than a hint, and stands beside other reasons.
//! **Looks alike.** `lb-no-address`: then there is nothing a record could point to.
//! **Mend it.** Git: the annotation `external-dns.alpha.kubernetes.io/hostname` (or `target`), or external-dns' `--source`
//! and `--domain-filter`.
//!
//! ## lb-no-address
//! **You see.** No connection; the Service shows `EXTERNAL-IP <pending>`.
//! **Why.** Nobody has given the LoadBalancer Service an address: no cloud controller or MetalLB takes it, its pool is
//! empty, or the cloud refuses.
//! **How kokpit knows.** `status.loadBalancer.ingress` is empty two minutes after the Service was made; the events
//! `SyncLoadBalancerFailed` and `AllocationFailed` say why.
//! **Looks alike.** A cluster where node ports are used on purpose.
//! **Mend it.** Mend the controller or its pool. Git: `spec.loadBalancerClass` or the pool's annotations.
//!
//! ## lb-local-policy-no-pods
//! **You see.** Connections that time out, always or by the address one gets.
//! **Why.** `externalTrafficPolicy: Local` drops what enters by a node without a ready pod of the Service.
//! **How kokpit knows.** The load balancer's addresses are those of nodes, and the endpoints stand on others; or all the
//! endpoints stand on nodes that load balancers leave out (`node.kubernetes.io/exclude-from-external-load-balancers`).
//! **Looks alike.** A load balancer that asks `healthCheckNodePort` and leaves such nodes out by itself.
//! **Mend it.** Live: run a controller pod on every such node. Git: `spec.externalTrafficPolicy: Cluster`.
//!
//! ## lb-selector-elsewhere
//! **You see.** Connections that are refused or time out, for every host, although the controller is well.
//! **Why.** The LoadBalancer Service that is meant for the controller selects other labels than its pods have.
//! **How kokpit knows.** The controller's arguments name the Service (`--publish-service` and the like), the routes
//! announce its address and no other Service has it, or it shares the controller's name, and leads nowhere; its selector
//! is matched against the controller's pods and templates.
//! **Looks alike.** `ingress-controller-down`: the Service leads to the controller, whose pods are not ready.
//! **Mend it.** Live: `kubectl patch svc`. Git: `spec.selector` of the Service.

use super::service;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::url::{annotation, backend, control, way, ways_in};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::text::count;
use serde_json::Value;
use std::collections::BTreeSet;

causes! { "lb.rs";
    "dns-no-record" "the host has no DNS record" Outage ["URL"] no_record;
    "lb-no-address" "the load balancer has no address" Outage ["Service"] no_address;
    "lb-local-policy-no-pods" "traffic enters by nodes that have no pod of the Service, and is dropped there" Outage ["Service"] local_policy;
    "lb-selector-elsewhere" "the load balancer's Service selects no pod of the controller" Outage ["URL"] elsewhere;
}

/// A load balancer is made within this time.
const LB_GATE_S: i64 = 120;
/// Annotations of external-dns.
const DNS: &str = "external-dns.alpha.kubernetes.io";

fn no_address(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let service = suspect.object;
    let reachable = !control::addresses(service).is_empty() || !list_at(service, "/spec/externalIPs").is_empty();
    let age = case.age_of(service);
    if str_at(service, "/spec/type") != "LoadBalancer" || reachable || age < LB_GATE_S {
        return Ok(Vec::new());
    }
    let failed = case
        .events_of(service)?
        .into_iter()
        .find(|e| matches!(e.reason, "SyncLoadBalancerFailed" | "AllocationFailed" | "CreatingLoadBalancerFailed"));
    let mut m = Match::on(&suspect.at, format!("{} has no address: no load balancer was made for it.", suspect.at))
        .confidence(if failed.is_some() { Confidence::Certain } else { Confidence::High })
        .evidence_aged(&suspect.at, "status.loadBalancer.ingress", "", Some(age), "no address in its status");
    if let Some(event) = failed {
        let text = format!("{}: {}", event.reason, event.message);
        m = m.evidence_aged(&suspect.at, "events", event.reason, Some(event.last.age(case.now())), text);
    }
    let class = str_at(service, "/spec/loadBalancerClass");
    if !class.is_empty() {
        let text = format!("only a controller of class {class} may take it");
        m = m.evidence(&suspect.at, "spec.loadBalancerClass", class, text);
    }
    let what = "mend the cloud controller or the address pool, or name a load balancer class that is served";
    Ok(vec![m.fix(case.fix(service, "spec.loadBalancerClass", what, "")?)])
}

fn local_policy(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let service = suspect.object;
    let local = str_at(service, "/spec/externalTrafficPolicy") == "Local";
    if !local || !matches!(str_at(service, "/spec/type"), "LoadBalancer" | "NodePort") {
        return Ok(Vec::new());
    }
    let hosts: BTreeSet<&str> = backend::slices(case, service)?
        .into_iter()
        .flat_map(|slice| list_at(slice, "/endpoints"))
        .filter(|e| e.pointer("/conditions/ready") != Some(&Value::Bool(false)))
        .map(|e| str_at(e, "/nodeName"))
        .collect();
    if hosts.is_empty() {
        return Ok(Vec::new());
    }
    let nodes = case.list(NODES, None)?;
    let mut wanted: Vec<String> = control::addresses(service);
    wanted.extend(list_at(service, "/spec/externalIPs").iter().filter_map(Value::as_str).map(Into::into));
    let targets: Vec<&Value> = nodes
        .iter()
        .copied()
        .filter(|n| list_at(n, "/status/addresses").iter().any(|a| wanted.iter().any(|w| w == str_at(a, "/address"))))
        .collect();
    let without: Vec<&str> = targets.iter().map(|n| name(n)).filter(|n| !hosts.contains(n)).collect();
    let left_out = |n: &&Value| {
        n.pointer("/metadata/labels")
            .is_some_and(|l| l.get("node.kubernetes.io/exclude-from-external-load-balancers").is_some())
    };
    let excluded: Vec<&str> = nodes.iter().copied().filter(left_out).map(name).collect();
    let all_excluded = hosts.iter().all(|h| excluded.contains(h));
    let on: Vec<&str> = hosts.iter().copied().collect();
    let (why, path) = match () {
        () if !without.is_empty() => (
            format!("addresses of {} nodes lead to {}, which have no ready pod", targets.len(), without.join(", ")),
            "status.loadBalancer.ingress",
        ),
        () if all_excluded => {
            (format!("every ready pod is on {}, which load balancers leave out", on.join(", ")), "metadata.labels")
        }
        () => return Ok(Vec::new()),
    };
    let live = format!(
        "kubectl -n {} patch svc {} -p '{{\"spec\":{{\"externalTrafficPolicy\":\"Cluster\"}}}}'",
        suspect.at.namespace, suspect.at.name
    );
    Ok(vec![
        Match::on(&suspect.at, format!("{} takes traffic on nodes that have none of its pods, and drops it: {why}.", suspect.at))
            .confidence(Confidence::High)
            .evidence(&suspect.at, "spec.externalTrafficPolicy", "Local", "externalTrafficPolicy is Local: a node sends only to its own pods")
            .evidence(&suspect.at, path, &wanted.join(", "), why)
            .evidence(&suspect.at, "", &on.join(", "), format!("ready pods are on {}", on.join(", ")))
            .fix(case.fix(
                service,
                "spec.externalTrafficPolicy",
                "run a pod on every node that takes traffic, or set externalTrafficPolicy to Cluster (hides the client's address)",
                live,
            )?),
    ])
}

fn elsewhere(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.rule().filter(|r| r.unclaimed.is_empty()) else { return Ok(Vec::new()) };
    let control = control::of_rule(case, rule)?;
    let mut found = Vec::new();
    for service in control::strays(case, &control, &rule.addresses)? {
        let (at, who) = (ObjectRef::of(service), rule.flavor.name());
        let map = service.pointer("/spec/selector").unwrap_or(&Value::Null);
        let selector = backend::labels(Some(map));
        let pods = backend::pods(case, service)?.map_or(0, |(pods, _)| pods.len());
        let has_address = !control::addresses(service).is_empty();
        let mut m = Match::on(&at, format!("{at} selects {selector}, which matches no pod of {who}."))
            .confidence(if has_address { Confidence::High } else { Confidence::Medium })
            .evidence(
                &at,
                "spec.selector",
                &selector,
                format!("selector {selector} matches {}, none of {who}", count(pods, "pod")),
            )
            .explains(at);
        let near = control.workloads.iter().find(|w| namespace(w) == namespace(service));
        if let Some(workload) = near {
            m = service::labelled(case, m, service, workload)?;
        }
        found.push(m);
    }
    Ok(found)
}

fn no_record(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.rule().filter(|r| r.unclaimed.is_empty()) else { return Ok(Vec::new()) };
    let host = way.request.host.as_str();
    // Only for the URL that was asked about: the routes of an Ingress may be many.
    let resolved = if suspect.asked { case.addresses(host)? } else { None };
    let Some(route) = case.get(&rule.at)?.filter(|_| resolved.is_none_or(<[String]>::is_empty)) else {
        return Ok(Vec::new());
    };
    let control = control::of_rule(case, rule)?;
    let entrances = ways_in(case, rule, &control)?;
    let whys = unmade(case, route, &rule.addresses, host, &entrances)?;
    let m = match (resolved, whys.first()) {
        (Some(_), why) => Match::on(&rule.at, format!("{host} does not resolve: it has no DNS record."))
            .confidence(if why.is_some() { Confidence::Certain } else { Confidence::High })
            .evidence(&rule.at, "spec.rules[].host", host, format!("this machine's resolver does not know {host}")),
        (None, Some((_, why))) => Match::on(&rule.at, format!("external-dns makes no record for {host}: {why}."))
            .confidence(Confidence::Low)
            .evidence(&rule.at, "", "", "a record that somebody made by hand is not seen from here")
            .aside(),
        (None, None) => return Ok(Vec::new()),
    };
    let mut m = m.because_all(entrances.iter().map(|service| Lead::to(ObjectRef::of(service))));
    for (maker, why) in &whys {
        m = m.evidence(maker, "spec.template.spec.containers[].args", "", format!("{maker}: {why}"));
    }
    let field = format!("metadata.annotations[{DNS}/hostname]");
    Ok(vec![m.fix(case.fix(route, &field, format!("make a record for {host}, or let external-dns make it"), "")?)])
}

/// Why none of the external-dns makes a record; empty where one should, and where there is none of them.
fn unmade(
    case: &Case<'_>,
    route: &Value,
    addresses: &[String],
    host: &str,
    entrances: &[&Value],
) -> Fact<Vec<(ObjectRef, String)>> {
    let named =
        |object: &Value| annotation(object, &format!("{DNS}/hostname")).split(',').any(|h| covers(h.trim(), host));
    if entrances.iter().any(|service| named(service)) {
        return Ok(Vec::new());
    }
    let makers = external_dns(case)?;
    let whys: Vec<(ObjectRef, String)> =
        makers.iter().filter_map(|m| Some((ObjectRef::of(m), missed(m, route, addresses, host)?))).collect();
    Ok(if whys.len() == makers.len() { whys } else { Vec::new() })
}

/// The Deployments that run external-dns.
fn external_dns<'a>(case: &Case<'a>) -> Fact<Vec<&'a Value>> {
    let all = case.list(DEPLOYMENTS, None).known()?.unwrap_or_default();
    let runs = |d: &&Value| {
        list_at(d, "/spec/template/spec/containers").iter().any(|c| str_at(c, "/image").contains("external-dns"))
    };
    Ok(all.into_iter().filter(runs).collect())
}

/// Why an external-dns makes no record for a route; `None` when it should.
fn missed(maker: &Value, route: &Value, addresses: &[String], host: &str) -> Option<String> {
    let arguments: Vec<&str> = list_at(maker, "/spec/template/spec/containers")
        .iter()
        .flat_map(|c| list_at(c, "/args"))
        .filter_map(Value::as_str)
        .collect();
    let given = |flag: &str| -> Vec<&str> {
        arguments.iter().filter_map(|a| a.strip_prefix("--")?.strip_prefix(flag)?.strip_prefix('=')).collect()
    };
    let (sources, filters) = (given("source"), given("domain-filter"));
    let wanted = match str_at(route, "/kind") {
        "HTTPRoute" => "gateway-httproute",
        "GRPCRoute" => "gateway-grpcroute",
        "IngressRoute" => "traefik-proxy",
        _ => "ingress",
    };
    // Records may stand in DNSEndpoint objects, which are made by others.
    if sources.contains(&"crd") {
        return None;
    }
    let said = |key: &str| annotation(route, &format!("{DNS}/{key}"));
    match said("controller") {
        "" | "dns-controller" => {}
        other => return Some(format!("the route says controller {other}, not dns-controller")),
    }
    if !sources.is_empty() && !sources.contains(&wanted) {
        return Some(format!("its sources are {}, the route needs {wanted}", sources.join(", ")));
    }
    if !filters.is_empty()
        && !filters.iter().any(|f| host == *f || host.ends_with(&format!(".{}", f.trim_start_matches('.'))))
    {
        return Some(format!("its domain filter is {}", filters.join(", ")));
    }
    let target = !said("target").is_empty();
    match wanted {
        "traefik-proxy" if !target => Some(format!("an IngressRoute needs the annotation {DNS}/target")),
        "traefik-proxy" => None,
        _ if addresses.is_empty() && !target => Some("the route has no address that a record could point to".into()),
        _ => None,
    }
}

/// Whether a name of an annotation is for a host.
fn covers(name: &str, host: &str) -> bool {
    name == host || name.strip_prefix('*').is_some_and(|base| base.starts_with('.') && host.ends_with(base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn external_dns_is_read_by_its_arguments() {
        let maker = |args: Value| json!({"spec": {"template": {"spec": {"containers": [{"args": args}]}}}});
        let ingress = json!({"kind": "Ingress"});
        let of = |args: Value| missed(&maker(args), &ingress, &["1.2.3.4".to_owned()], "shop.example.com");
        assert_eq!(of(json!(["--source=ingress", "--domain-filter=example.com"])), None);
        assert!(of(json!(["--source=service"])).is_some_and(|w| w.contains("needs ingress")));
        assert!(
            of(json!(["--source=ingress", "--domain-filter=example.org"])).is_some_and(|w| w.contains("example.org"))
        );
        assert_eq!(of(json!(["--source=service", "--source=crd"])), None);
        assert!(missed(&maker(json!([])), &ingress, &[], "a.b").is_some());
    }
}
