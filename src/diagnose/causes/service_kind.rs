//! Services that are no ordinary ones: names, headless ones, endpoints made by hand, selectors that are too wide.
//!
//! ## svc-externalname
//! **You see.** 404 with Traefik, 503 with ingress-nginx, 502 or 503 where the name leads nowhere.
//! **Why.** The Service only stands for a DNS name (`type: ExternalName`): the controller refuses such Services, the name
//! is that of a Service which does not exist, or an address was written where a name is wanted.
//! **How kokpit knows.** The Service's type, the controller's arguments (`allowExternalNameServices`,
//! `disable-svc-external-name`), a look-up of names that end in `.svc` or `.svc.cluster.local`.
//! **Looks alike.** `svc-missing`.
//! **Mend it.** Git: an ordinary Service with an EndpointSlice, or the controller's flag.
//!
//! ## svc-headless
//! **You see.** 404 with Traefik, 503 with ingress-nginx, although the endpoints are ready.
//! **Why.** The Service has no cluster IP (`clusterIP: None`), and the route is told to go through it: Traefik's `nativeLB`,
//! ingress-nginx' `service-upstream`.
//! **How kokpit knows.** The Service and the route. Controllers that go to the endpoints do not mind.
//! **Looks alike.** `svc-selector-no-pods`.
//! **Mend it.** Git: an ordinary Service for the route, or take the option away.
//!
//! ## svc-manual-slices
//! **You see.** 503; the Service has no selector and no usable endpoint.
//! **Why.** Its EndpointSlices are made by hand, and none fits: no label `kubernetes.io/service-name`, another port name
//! than the Service's, or pods that are gone.
//! **How kokpit knows.** The slices of the namespace are compared with the Service.
//! **Looks alike.** `svc-selector-no-pods`: there is a selector.
//! **Mend it.** Git: the slice's label, `ports[].name` or `endpoints[]`.
//!
//! ## svc-selector-foreign-pods
//! **You see.** A part of the requests gets 502, 404 or another application.
//! **Why.** The selector is too wide: it also matches pods of somebody else, which do not listen on the port, or are Jobs.
//! **How kokpit knows.** The owners of the ready pods behind the Service, and whose pods declare the port that it sends to.
//! **Looks alike.** A canary beside the stable version: both declare the port, which is meant so.
//! **Mend it.** Git: one more label in `spec.selector`.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::containers;
use crate::diagnose::url::flavor::Flavor;
use crate::diagnose::url::{annotation, backend, control, way};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

causes! { "service_kind.rs";
    "svc-externalname" "the Service only stands for a DNS name, and that does not work here" Degraded ["Service", "URL"] external_name;
    "svc-headless" "the route goes through a cluster IP that the Service does not have" Nuisance ["URL"] headless;
    "svc-manual-slices" "the endpoints that were made by hand do not fit the Service" Degraded ["Service"] manual_slices;
    "svc-selector-foreign-pods" "the Service also selects pods of somebody else" Outage ["Service"] foreign_pods;
}

fn external_name(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if suspect.at.kind == "URL" {
        return refused_name(case, suspect);
    }
    if !backend::is_external(suspect.object) {
        return Ok(Vec::new());
    }
    let wanted = backend::external_name(suspect.object);
    let m = |text: String, why: String| {
        Match::on(&suspect.at, text).confidence(Confidence::High).evidence(
            &suspect.at,
            "spec.externalName",
            wanted,
            why,
        )
    };
    if wanted.parse::<IpAddr>().is_ok() {
        let text =
            format!("{} stands for the name {wanted}, which is an address: no name server knows it.", suspect.at);
        let why = "externalName is taken for a DNS name, whatever it looks like".to_owned();
        let fix = case.fix(
            suspect.object,
            "spec.externalName",
            "make an ordinary Service with an EndpointSlice for the address",
            "",
        )?;
        return Ok(vec![m(text, why).fix(fix)]);
    }
    let Some(target) = backend::in_cluster(wanted) else { return Ok(Vec::new()) };
    if case.get(&target)?.is_some() {
        return Ok(Vec::new());
    }
    let text = format!("{} stands for {wanted}, and {target} does not exist.", suspect.at);
    let fix = case.fix(suspect.object, "spec.externalName", format!("create {target}, or name one that exists"), "")?;
    Ok(vec![m(text, format!("{target} is not there")).fix(fix)])
}

/// A controller that does not take Services which stand for names.
fn refused_name(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.open_rule() else { return Ok(Vec::new()) };
    let at = rule.backend.service();
    let Some(service) = case.get(&at)?.filter(|s| backend::is_external(s)) else { return Ok(Vec::new()) };
    let control = control::of_rule(case, rule)?;
    let provider = if rule.at.kind == "IngressRoute" { "kubernetescrd" } else { "kubernetesingress" };
    let allow = format!("providers.{provider}.allowexternalnameservices");
    let (refused, flag) = match rule.flavor {
        Flavor::Traefik => (!control.workloads.is_empty() && !control.has(&allow), format!("--{allow} is not set")),
        Flavor::Nginx => (control.has("disable-svc-external-name"), "--disable-svc-external-name is set".to_owned()),
        _ => (false, String::new()),
    };
    if !refused {
        return Ok(Vec::new());
    }
    let who = control.workloads.first().map_or(at.clone(), |w| ObjectRef::of(w));
    Ok(vec![
        Match::on(
            &at,
            format!(
                "{} does not take {at}: it only stands for the name {}.",
                rule.flavor.name(),
                backend::external_name(service)
            ),
        )
        .confidence(Confidence::High)
        .evidence(
            &at,
            "spec.type",
            "ExternalName",
            format!("type ExternalName, externalName {}", backend::external_name(service)),
        )
        .evidence(&who, "spec.template.spec.containers[].args", "", flag)
        .fix(case.fix(
            service,
            "spec.type",
            "make an ordinary Service with an EndpointSlice, or allow such Services in the controller",
            "",
        )?),
    ])
}

fn headless(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.open_rule() else { return Ok(Vec::new()) };
    let at = rule.backend.service();
    let Some(service) = case.get(&at)?.filter(|s| str_at(s, "/spec/clusterIP") == "None") else {
        return Ok(Vec::new());
    };
    let Some(route) = case.get(&rule.at)? else { return Ok(Vec::new()) };
    let native = || {
        let own = route.pointer(&format!("/spec/routes/{}/services", rule.index)).and_then(Value::as_array);
        let by_route = own.into_iter().flatten().any(|s| s.get("nativeLB") == Some(&Value::Bool(true)));
        by_route || annotation(service, "traefik.ingress.kubernetes.io/service.nativelb") == "true"
    };
    let (hit, field, option) = match rule.flavor {
        Flavor::Traefik => (native(), format!("spec.routes[{}].services[].nativeLB", rule.index), "nativeLB"),
        Flavor::Nginx => {
            let key = "nginx.ingress.kubernetes.io/service-upstream";
            (annotation(route, key) == "true", format!("metadata.annotations[{key}]"), "service-upstream")
        }
        _ => (false, String::new(), ""),
    };
    if !hit {
        return Ok(Vec::new());
    }
    Ok(vec![
        Match::on(&rule.at, format!("{} goes through the cluster IP of {at}, which has none.", rule.at))
            .evidence(&at, "spec.clusterIP", "None", format!("{at} is headless"))
            .evidence(&rule.at, &field, "true", format!("{option} sends to the cluster IP instead of the endpoints"))
            .fix(case.fix(
                route,
                &field,
                format!("take {option} away, or route to a Service with a cluster IP"),
                "",
            )?),
    ])
}

fn manual_slices(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let service = suspect.object;
    let by_hand = kin::selected(case, service)?.is_none();
    if !suspect.exists() || backend::is_external(service) || !by_hand {
        return Ok(Vec::new());
    }
    let port = backend::port(service, &suspect.focus, false);
    let ends = backend::endpoints(case, service, port)?;
    if ends.ready > 0 {
        return Ok(gone_pods(case, suspect)?.into_iter().collect());
    }
    let wanted = port.map_or("", |p| str_at(p, "/name"));
    let slices = backend::slices(case, service)?;
    let names: Vec<&str> = slices.iter().flat_map(|s| list_at(s, "/ports")).map(|p| str_at(p, "/name")).collect();
    let unlabelled = case.list(SLICES, Some(namespace(service)))?.into_iter().find(|s| {
        str_at(s, "/metadata/labels/kubernetes.io~1service-name").is_empty() && name(s).starts_with(&suspect.at.name)
    });
    let (at, field, why) = match (slices.first(), unlabelled) {
        (Some(slice), _) if ends.portless > 0 => (
            ObjectRef::of(slice),
            "ports[].name",
            format!("its ports are called {:?}, the Service's is called {wanted:?}", names.join(", ")),
        ),
        (Some(slice), _) => {
            (ObjectRef::of(slice), "endpoints[]", format!("none of its {} endpoints is ready", ends.all))
        }
        (None, Some(slice)) => (
            ObjectRef::of(slice),
            "metadata.labels",
            format!("it has no label kubernetes.io/service-name: {}, so it belongs to no Service", suspect.at.name),
        ),
        (None, None) => (
            suspect.at.clone(),
            "spec.selector",
            "it has no selector, and nobody made an EndpointSlice for it".to_owned(),
        ),
    };
    let object = case.get(&at)?.unwrap_or(service);
    Ok(vec![
        Match::on(&suspect.at, format!("{} has no usable endpoint: {why}.", suspect.at))
            .evidence(&suspect.at, "spec.selector", "", "no selector: its EndpointSlices are made by hand")
            .evidence(&at, field, "", format!("{at}: {why}"))
            .fix(case.fix(object, field, "correct the EndpointSlice", "")?),
    ])
}

/// Ready endpoints that name pods which do not exist.
fn gone_pods(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Option<Match>> {
    for slice in backend::slices(case, suspect.object)? {
        for endpoint in list_at(slice, "/endpoints") {
            let pod = str_at(endpoint, "/targetRef/name");
            if str_at(endpoint, "/targetRef/kind") != "Pod" || case.one(PODS, namespace(slice), pod)?.is_some() {
                continue;
            }
            let at = ObjectRef::of(slice);
            return Ok(Some(
                Match::on(&suspect.at, format!("{} sends to {pod}, which does not exist.", suspect.at))
                    .evidence(
                        &at,
                        "endpoints[].targetRef",
                        pod,
                        format!("{at} was made by hand and lists pod {pod}, which is gone"),
                    )
                    .fix(case.fix(slice, "endpoints", "take the endpoint away, or give the Service a selector", "")?),
            ));
        }
    }
    Ok(None)
}

fn foreign_pods(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !suspect.exists() || backend::is_external(suspect.object) {
        return Ok(Vec::new());
    }
    let Some((_, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let Some(owners) = owners(case, &ready)?.filter(|owners| owners.len() > 1) else { return Ok(Vec::new()) };
    let port = backend::port(suspect.object, &suspect.focus, false);
    let listens = |pod: &Value| {
        let declared: Vec<i64> = containers(pod)
            .iter()
            .flat_map(|c| list_at(c.spec, "/ports"))
            .filter_map(|p| int_at(p, "/containerPort"))
            .collect();
        // Declarations are only hints: a pod that declares nothing may listen on anything.
        let target = port.and_then(|p| backend::target(p, pod));
        (target.is_some_and(|t| declared.contains(&t)), declared.is_empty())
    };
    let own = owners.values().any(|pods| pods.first().is_some_and(|p| listens(p).0));
    let mut found = Vec::new();
    for (owner, pods) in &owners {
        let Some(pod) = pods.first() else { continue };
        let (right, silent) = listens(pod);
        let job = owner.kind == "Job";
        if !job && (right || !own || silent) {
            continue;
        }
        let why = if job { "they belong to a Job" } else { "they do not declare the port that the Service sends to" };
        let selector = backend::labels(suspect.object.pointer("/spec/selector"));
        let mut m = Match::on(&suspect.at, format!("{} also selects pods of {owner}: {why}.", suspect.at))
            .confidence(Confidence::High)
            .evidence(
                &suspect.at,
                "spec.selector",
                &selector,
                format!("selector {selector} matches pods of {} owners", owners.len()),
            );
        for (other, pods) in &owners {
            m = m.evidence(other, "metadata.labels", "", format!("{} ready pods of {other}", pods.len()));
        }
        let what = "add a label to the selector that only the meant pods carry";
        found.push(m.fix(case.fix(suspect.object, "spec.selector", what, "")?));
    }
    Ok(found)
}

/// Ready pods by the workload they belong to; `None` where all of them have one and the same controller.
fn owners<'a>(case: &Case<'a>, ready: &[&'a Value]) -> Fact<Option<BTreeMap<ObjectRef, Vec<&'a Value>>>> {
    let mut all: BTreeMap<ObjectRef, Vec<&'a Value>> = BTreeMap::new();
    for pod in ready {
        all.entry(kin::controller_ref(pod).unwrap_or_else(|| ObjectRef::of(pod))).or_default().push(pod);
    }
    if all.len() < 2 {
        return Ok(None);
    }
    // One list instead of one question for each ReplicaSet of a rollout.
    let Some(first) = ready.first() else { return Ok(None) };
    let sets = case.list(REPLICASETS, Some(namespace(first))).known()?.unwrap_or_default();
    let mut tops: BTreeMap<ObjectRef, Vec<&'a Value>> = BTreeMap::new();
    for (owner, pods) in all {
        let set = sets.iter().find(|rs| owner.kind == "ReplicaSet" && name(rs) == owner.name);
        let top = set.and_then(|rs| kin::controller_ref(rs)).unwrap_or(owner);
        tops.entry(top).or_default().extend(pods);
    }
    Ok(Some(tops))
}
