//! Endpoints of a Service: listed, but none that a request may be sent to.
//!
//! ## eps-not-ready-only
//! **You see.** 503; the Service has endpoints, none is ready.
//! **Why.** Every pod behind it is not Ready; why, is looked at next and becomes the reason.
//! **How kokpit knows.** EndpointSlices.
//! **Looks alike.** `svc-selector-no-pods`.
//! **Mend it.** Mend the pods.
//!
//! ## eps-terminating-only
//! **You see.** 503 for a while; connections by the cluster IP still work.
//! **Why.** Every endpoint is terminating and no new one is ready: a rollout without surge, a drain, a single replica.
//! ingress-nginx and Gateways use ready endpoints only; kube-proxy and Traefik still send to those that serve.
//! **How kokpit knows.** The conditions in the EndpointSlices; what keeps the new pods is looked at next.
//! **Looks alike.** `eps-not-ready-only`: the pods are there to stay and not ready.
//! **Mend it.** Live: scale up by one. Git: `maxUnavailable: 0`, a second replica, a PodDisruptionBudget.
//!
//! ## eps-stale
//! **You see.** Timeouts for a part of the requests, or 503 although the pods are Ready.
//! **Why.** The EndpointSlices do not follow the pods: the controller manager is down or far behind.
//! **How kokpit knows.** Slices and pods are compared: an endpoint of a pod that is gone, or a pod that has been Ready for
//! half a minute and is not listed. The lease of the controller manager is looked at then.
//! **Looks alike.** `svc-selector-no-pods`.
//! **Mend it.** Bring the kube-controller-manager back.
//!
//! ## eps-zone-hints
//! **You see.** 503 by controller pods of one zone only.
//! **Why.** ingress-nginx runs with `--enable-topology-aware-routing`, every endpoint has a hint for a zone, and none is for
//! the zone of a controller pod: that pod has no endpoint left. kube-proxy takes all endpoints then, ingress-nginx does so
//! only for `trafficDistribution`.
//! **How kokpit knows.** The hints in the EndpointSlices and the zones of the controller's nodes.
//! **Looks alike.** `rollout-window`.
//! **Mend it.** Live: take the annotation `service.kubernetes.io/topology-mode` away. Git: the same, or `trafficDistribution`.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{Stand, condition, stand};
use crate::diagnose::url::flavor::Flavor;
use crate::diagnose::url::{annotation, arrival, backend};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::text::count;
use crate::world::time::human;
use serde_json::Value;
use std::collections::BTreeSet;

causes! { "endpoints.rs";
    "eps-not-ready-only" "the Service has endpoints, and none is ready" Outage ["Service"] not_ready;
    "eps-terminating-only" "every endpoint of the Service is terminating" Degraded ["Service"] terminating;
    "eps-stale" "the EndpointSlices do not follow the pods" Degraded ["Service"] stale;
    "eps-zone-hints" "no endpoint is meant for the zone of the controller" Nuisance ["URL"] zone_hints;
}

/// A Ready pod is listed within this time.
const LISTED_S: i64 = 30;
/// A controller manager renews its lease every few seconds.
const LEASE_S: i64 = 60;

fn not_judged(suspect: &Suspect<'_>) -> bool {
    !suspect.exists() || backend::is_external(suspect.object)
}

fn not_ready(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if not_judged(suspect) || backend::publishes_unready(suspect.object) {
        return Ok(Vec::new());
    }
    let Some((pods, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let starting = pods.iter().any(|p| stand(p, case.now()) == Stand::Starting);
    if pods.is_empty() || !ready.is_empty() || starting {
        return Ok(Vec::new());
    }
    Ok(vec![
        Match::on(&suspect.at, format!("{} has {}, and none is ready.", suspect.at, count(pods.len(), "pod")))
            .evidence(
                &suspect.at,
                "",
                "0",
                format!(
                    "{} has 0 ready endpoints of {}: Service {} has 0 ready endpoints",
                    suspect.at,
                    pods.len(),
                    suspect.at.name
                ),
            )
            .because_all(kin::ill_pods(case, &pods)),
    ])
}

fn terminating(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if not_judged(suspect) {
        return Ok(Vec::new());
    }
    let ends = backend::endpoints(case, suspect.object, backend::port(suspect.object, &suspect.focus, false))?;
    if ends.all == 0 || ends.terminating < ends.all {
        return Ok(Vec::new());
    }
    let pods = backend::pods(case, suspect.object)?.map(|(pods, _)| pods).unwrap_or_default();
    let coming = pods.iter().filter(|p| str_at(p, "/metadata/deletionTimestamp").is_empty()).count();
    let mut m = Match::on(&suspect.at, format!("All {} endpoints of {} are terminating.", ends.all, suspect.at))
        .evidence(
            &suspect.at,
            "",
            "",
            format!("{} of {} endpoints are terminating, {} still serve", ends.terminating, ends.all, ends.serving),
        )
        .evidence(&suspect.at, "", "", format!("{coming} pods are to take their place, none is ready"))
        .because_cause("rollout-window")
        .because_all(kin::ill_pods(case, &pods));
    for pod in pods.iter().take(1) {
        let owner = kin::top_owner(case, pod)?;
        let (kind, ns) = (str_at(owner, "/kind").to_lowercase(), namespace(owner));
        let live = format!("kubectl -n {ns} scale {kind}/{} --replicas={}", name(owner), pods.len() - coming + 1);
        m = m.fix(case.fix(
            owner,
            "spec.strategy.rollingUpdate.maxUnavailable",
            "keep one pod more than may go at a time",
            live,
        )?);
    }
    Ok(vec![m])
}

fn stale(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if not_judged(suspect) {
        return Ok(Vec::new());
    }
    let Some((pods, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let slices = backend::slices(case, suspect.object)?;
    // Slices that somebody made by hand beside those of the controller follow nothing.
    let by_hand = |s: &&&Value| str_at(s, "/metadata/labels/endpointslice.kubernetes.io~1managed-by").is_empty();
    let endpoints: Vec<&Value> = slices.iter().flat_map(|s| list_at(s, "/endpoints")).collect();
    let foreign: Vec<&Value> = slices.iter().filter(by_hand).flat_map(|s| list_at(s, "/endpoints")).collect();
    let named = |e: &&&Value| (str_at(e, "/targetRef/kind") == "Pod").then(|| str_at(e, "/targetRef/name").to_owned());
    let listed: BTreeSet<String> = endpoints.iter().filter_map(|e| named(&e)).collect();
    let theirs: BTreeSet<String> = foreign.iter().filter_map(|e| named(&e)).collect();
    let there: BTreeSet<&str> = case.list(PODS, Some(namespace(suspect.object)))?.into_iter().map(name).collect();
    let gone: Vec<&str> =
        listed.iter().map(String::as_str).filter(|n| !there.contains(n) && !theirs.contains(*n)).collect();
    let long_ready = |p: &&&Value| {
        let since = condition(p, "Ready").and_then(|c| case.age(str_at(c, "/lastTransitionTime")));
        since.is_some_and(|s| s > LISTED_S) && str_at(p, "/metadata/deletionTimestamp").is_empty()
    };
    let has_address = |p: &&&Value| !str_at(p, "/status/podIP").is_empty();
    let missing: Vec<&str> =
        ready.iter().filter(long_ready).filter(has_address).map(|p| name(p)).filter(|n| !listed.contains(*n)).collect();
    if gone.is_empty() && missing.is_empty() {
        return Ok(Vec::new());
    }
    let mut m = Match::on(&suspect.at, format!("The endpoints of {} do not follow its pods.", suspect.at))
        .confidence(Confidence::High)
        .evidence(
            &suspect.at,
            "",
            "",
            format!("{} endpoints are listed, {} pods are selected", endpoints.len(), pods.len()),
        );
    if !gone.is_empty() {
        m = m.evidence(
            &suspect.at,
            "endpoints[].targetRef",
            &gone.join(", "),
            format!("listed, and gone: {}", gone.join(", ")),
        );
    }
    if !missing.is_empty() {
        m = m.evidence(
            &suspect.at,
            "endpoints[].targetRef",
            "",
            format!("Ready for more than {LISTED_S}s, and not listed: {}", missing.join(", ")),
        );
    }
    let lease = LEASES.at("kube-system", "kube-controller-manager");
    if let Some(Some(object)) = case.get(&lease).known()? {
        let age = case.age(str_at(object, "/spec/renewTime"));
        let dead = age.is_none_or(|s| s > LEASE_S) || str_at(object, "/spec/holderIdentity").is_empty();
        let text = match (dead, age) {
            (false, _) => "the kube-controller-manager renews its lease: it runs, and is behind".to_owned(),
            (true, Some(age)) => format!("the kube-controller-manager has not renewed its lease for {}", human(age)),
            (true, None) => "nobody holds the lease of the kube-controller-manager".to_owned(),
        };
        m = m.evidence_aged(&lease, "spec.renewTime", str_at(object, "/spec/renewTime"), age, text);
    }
    Ok(vec![m.fix(crate::diagnose::verdict::Fix {
        summary: "bring the kube-controller-manager back; it writes the EndpointSlices".into(),
        ..Default::default()
    })])
}

/// ingress-nginx `internal/ingress/controller/endpointslices.go`: slice by slice, and only where every endpoint has a hint.
fn zone_hints(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(arrival) = arrival(case, &suspect.at.name)? else { return Ok(Vec::new()) };
    let mode = annotation(arrival.service, "service.kubernetes.io/topology-mode");
    let aware = mode.eq_ignore_ascii_case("auto") && arrival.control.has("enable-topology-aware-routing");
    if arrival.rule.flavor != Flavor::Nginx || !aware {
        return Ok(Vec::new());
    }
    let mut hinted: BTreeSet<&str> = BTreeSet::new();
    for endpoint in backend::slices(case, arrival.service)?.into_iter().flat_map(|s| list_at(s, "/endpoints")) {
        let zones = list_at(endpoint, "/hints/forZones");
        if zones.is_empty() {
            return Ok(Vec::new());
        }
        if endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)) {
            hinted.extend(zones.iter().map(|z| str_at(z, "/name")));
        }
    }
    let zones = hinted.iter().copied().collect::<Vec<_>>().join(", ");
    for pod in &arrival.control.ready {
        let node = case.one(NODES, "", str_at(pod, "/spec/nodeName"))?;
        let zone = node.map_or("", |n| str_at(n, "/metadata/labels/topology.kubernetes.io~1zone"));
        if zone.is_empty() || hinted.is_empty() || hinted.contains(zone) {
            continue;
        }
        let at = arrival.at();
        let live = format!("kubectl -n {} annotate svc {} service.kubernetes.io/topology-mode-", at.namespace, at.name);
        let field = "metadata.annotations[service.kubernetes.io/topology-mode]";
        return Ok(vec![
            Match::on(
                &at,
                format!("{} has no endpoint for zone {zone}, where the controller pod {} runs.", at, name(pod)),
            )
            .confidence(Confidence::Medium)
            .evidence(&at, "endpoints[].hints.forZones", &zones, format!("the endpoints are meant for {zones} only"))
            .evidence(
                &ObjectRef::of(pod),
                "spec.nodeName",
                str_at(pod, "/spec/nodeName"),
                format!("controller pod {} runs in {zone}", name(pod)),
            )
            .evidence(&at, field, mode, "ingress-nginx runs with --enable-topology-aware-routing")
            .fix(case.fix(
                arrival.service,
                field,
                "do without topology mode, or run pods in every zone",
                live,
            )?),
        ]);
    }
    Ok(Vec::new())
}
