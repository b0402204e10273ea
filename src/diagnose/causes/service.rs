//! Services that lead nowhere.
//!
//! ## svc-missing
//! **You see.** 503 (404 with Traefik and HAProxy, 500 with Envoy Gateway).
//! **Why.** The Service that a route or an application names does not exist in that namespace.
//! **How kokpit knows.** A look-up. Services of that name in other namespaces are shown.
//! **Looks alike.** `svc-selector-no-pods`: it exists and is empty.
//! **Mend it.** Create (sync) the Service, or correct the name; an Ingress cannot point into another namespace.
//!
//! ## svc-port-mismatch
//! **You see.** 503 (404 with Traefik and HAProxy, 500 with Envoy Gateway).
//! **Why.** The route names a port that the Service does not have.
//! **How kokpit knows.** Number and name are compared with `spec.ports[]`. ingress-nginx also takes a target port.
//! **Looks alike.** `svc-targetport-name-missing`: the Service has the port, the pods do not.
//! **Mend it.** Git: `backend.service.port` of the route, or `spec.ports[]` of the Service.
//!
//! ## svc-selector-no-pods
//! **You see.** 503; the Service has no endpoints.
//! **Why.** No pod carries the labels of the Service's selector.
//! **How kokpit knows.** The selector is matched against every pod of the namespace; the nearest workload is shown with
//! the labels that differ.
//! **Looks alike.** `workload-scaled-to-zero` (the labels fit, there are no pods), `eps-not-ready-only`.
//! **Mend it.** Live: `kubectl patch svc`. Git: `spec.selector` of the Service, or the labels of the pod template.
//!
//! ## svc-targetport-name-missing
//! **You see.** 503 although every pod is Ready.
//! **Why.** `targetPort` is a name, and the pods have no container port of that name (often since a rollout).
//! **How kokpit knows.** The name is looked up in every selected pod. The EndpointSlice lists ready endpoints, but no port.
//! **Looks alike.** `eps-not-ready-only`.
//! **Mend it.** Git: the container port's `name`, or a number in `targetPort`.
//!
//! ## svc-targetport-wrong
//! **You see.** 502 (503 with Envoy) although every pod is Ready.
//! **Why.** `targetPort` is a number at which the application does not listen.
//! **How kokpit knows.** No container declares that port, and the readiness probe asks another one; a "listening on"
//! line of the log is shown. Declarations are only hints, so this is never certain.
//! **Looks alike.** `pod-listens-localhost`: the port is right, the address is 127.0.0.1.
//! **Mend it.** Git: `spec.ports[].targetPort`.
//!
//! ## eps-not-ready-only
//! **You see.** 503; the Service has endpoints, none is ready.
//! **Why.** Every pod behind it is not Ready; why, is looked at next and becomes the reason.
//! **How kokpit knows.** EndpointSlices.
//! **Looks alike.** `svc-selector-no-pods`.
//! **Mend it.** Mend the pods.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{Stand, containers, log_lines, stand};
use crate::diagnose::url::backend;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use serde_json::Value;

causes! { "service.rs";
    "svc-missing" "the Service does not exist" Outage ["Service"] missing;
    "svc-port-mismatch" "the Service has no such port" Outage ["Service"] port_mismatch;
    "svc-selector-no-pods" "the Service's selector matches no pod" Outage ["Service"] no_pods;
    "svc-targetport-name-missing" "the pods have no port of the name that the Service's targetPort gives" Outage ["Service"] port_name_missing;
    "svc-targetport-wrong" "the Service sends to a port at which nobody listens" Outage ["Service"] port_wrong;
    "eps-not-ready-only" "the Service has endpoints, and none is ready" Outage ["Service"] not_ready;
}

fn missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if suspect.exists() {
        return Ok(Vec::new());
    }
    let all = case.list(SERVICES, None).known()?.unwrap_or_default();
    let elsewhere: Vec<&str> = all.iter().filter(|s| name(s) == suspect.at.name).map(|s| namespace(s)).collect();
    let near: Vec<&str> = all
        .iter()
        .filter(|s| namespace(s) == suspect.at.namespace && super::config::is_near(name(s), &suspect.at.name))
        .map(|s| name(s))
        .collect();
    let mut m = Match::on(&suspect.at, format!("{} does not exist.", suspect.at))
        .evidence(&suspect.at, "", "", format!("{} is not there", suspect.at))
        .because_all(super::config::applications_listing(case, &suspect.at)?);
    if !elsewhere.is_empty() {
        m = m.evidence(&suspect.at, "", "", format!("a Service of that name exists in {}", elsewhere.join(", ")));
    }
    if !near.is_empty() {
        m = m.evidence(&suspect.at, "", "", format!("Services with a similar name: {}", near.join(", ")));
    }
    Ok(vec![m.fix(crate::diagnose::verdict::Fix {
        summary: format!("create {}, or correct the name", suspect.at),
        ..Default::default()
    })])
}

/// The port looked at: the focus of the route, or every port when the Service itself was asked about.
fn ports<'a>(suspect: &Suspect<'a>) -> Vec<&'a Value> {
    match suspect.focus.as_str() {
        "" => list_at(suspect.object, "/spec/ports").iter().collect(),
        focus => backend::port(suspect.object, focus, false).into_iter().collect(),
    }
}

fn external(suspect: &Suspect<'_>) -> bool {
    !suspect.exists() || str_at(suspect.object, "/spec/type") == "ExternalName"
}

fn port_mismatch(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) || suspect.focus.is_empty() || !ports(suspect).is_empty() {
        return Ok(Vec::new());
    }
    let has: Vec<String> = list_at(suspect.object, "/spec/ports").iter().map(super::probe::port_in_words).collect();
    let wanted = &suspect.focus;
    Ok(vec![
        Match::on(&suspect.at, format!("{} has no port {wanted}.", suspect.at))
            .evidence(
                &suspect.at,
                "spec.ports",
                &has.join(", "),
                format!("asked for port {wanted}; it has {}", has.join(", ")),
            )
            .fix(case.fix(
                suspect.object,
                "spec.ports",
                "name a port that the Service has, or give it this one",
                "",
            )?),
    ])
}

fn no_pods(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) {
        return Ok(Vec::new());
    }
    let Some((pods, _)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    if !pods.is_empty() {
        return Ok(Vec::new());
    }
    let ns = namespace(suspect.object);
    let map = suspect.object.pointer("/spec/selector").unwrap_or(&Value::Null);
    let selector = backend::labels(Some(map));
    let all = case.list(PODS, Some(ns))?.len();
    let mut m = Match::on(&suspect.at, format!("{} selects {selector}, which matches no pod.", suspect.at))
        .evidence(
            &suspect.at,
            "spec.selector",
            &selector,
            format!("selector {selector} matches 0 of {all} pods in {ns}"),
        )
        .evidence(&suspect.at, "", "0", format!("{} has 0 endpoints", suspect.at));
    let workloads = kin::workloads(case, ns)?;
    let template = |w: &'_ Value| w.pointer("/spec/template/metadata/labels").cloned().unwrap_or_default();
    let fitting: Vec<&Value> =
        workloads.iter().copied().filter(|w| Selector::from_map(map).matches(Some(&template(w)))).collect();
    if !fitting.is_empty() {
        // The labels fit: whoever should run these pods has none.
        return Ok(vec![m.because_all(fitting.iter().map(|w| crate::diagnose::finding::Lead::to(ObjectRef::of(w))))]);
    }
    if let Some((near, differing)) = nearest(map, &workloads, &suspect.at.name) {
        let at = ObjectRef::of(near);
        let has = differing.join(",");
        let ready = int_at(near, "/status/readyReplicas").unwrap_or_default();
        let text = format!("{at} runs {ready} Ready pods with {has}");
        m = m.evidence(&at, "spec.template.metadata.labels", &has, text);
        for pod in kin::pods_of(case, near)?.into_iter().take(1).filter(|p| crate::diagnose::pods::is_true(p, "Ready"))
        {
            m = m.evidence(
                &ObjectRef::of(pod),
                "metadata.labels",
                &has,
                format!("{} is Ready and carries {has}", name(pod)),
            );
        }
        let patch: Vec<String> = differing
            .iter()
            .filter_map(|l| l.split_once('='))
            .map(|(k, v)| if v.is_empty() { format!("\"{k}\":null") } else { format!("\"{k}\":\"{v}\"") })
            .collect();
        let live = format!(
            "kubectl -n {ns} patch svc {} -p '{{\"spec\":{{\"selector\":{{{}}}}}}}'",
            suspect.at.name,
            patch.join(",")
        );
        m = m.fix(case.fix(
            suspect.object,
            "spec.selector",
            format!("let the selector say {has}, as {at} labels its pods"),
            live,
        )?);
    }
    Ok(vec![m])
}

/// The workload whose labels come nearest to a selector, with the labels it has instead: the one that shares most
/// labels, else the one whose name or label value is like the wanted one.
fn nearest<'a>(selector: &Value, workloads: &[&'a Value], service: &str) -> Option<(&'a Value, Vec<String>)> {
    let wanted = selector.as_object()?;
    let score = |w: &Value| {
        let labels = w.pointer("/spec/template/metadata/labels")?.as_object()?;
        let equal = wanted.iter().filter(|(k, v)| labels.get(*k) == Some(*v)).count();
        let alike = wanted
            .iter()
            .filter(|(k, v)| match (labels.get(*k).and_then(Value::as_str), v.as_str()) {
                (Some(has), Some(want)) if has != want => {
                    has.contains(want) || want.contains(has) || super::config::distance(has, want) <= 2
                }
                _ => false,
            })
            .count();
        let named = usize::from(name(w) == service || name(w).starts_with(&format!("{service}-")));
        let total = equal * 3 + alike * 2 + named * 2;
        let shares = wanted.keys().any(|k| labels.contains_key(k));
        (total > 0 && shares).then_some(total)
    };
    let near = workloads.iter().copied().filter_map(|w| Some((score(w)?, w))).max_by_key(|(score, _)| *score)?.1;
    let labels = near.pointer("/spec/template/metadata/labels")?.as_object()?;
    let differing = wanted
        .iter()
        .filter(|(k, v)| labels.get(*k) != Some(*v))
        .map(|(k, _)| format!("{k}={}", labels.get(k).and_then(Value::as_str).unwrap_or_default()))
        .collect();
    Some((near, differing))
}

fn port_name_missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) {
        return Ok(Vec::new());
    }
    let Some((pods, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for port in ports(suspect) {
        let Some(wanted) = port.get("targetPort").and_then(Value::as_str) else { continue };
        let without: Vec<&&Value> = pods.iter().filter(|p| backend::named_port(p, wanted).is_none()).collect();
        let Some(first) = without.first() else { continue };
        let has: Vec<String> =
            containers(first).iter().flat_map(|c| list_at(c.spec, "/ports")).map(super::probe::port_in_words).collect();
        let (n, all) = (without.len(), pods.len());
        let named: Vec<&str> = containers(first)
            .iter()
            .flat_map(|c| list_at(c.spec, "/ports"))
            .map(|p| str_at(p, "/name"))
            .filter(|n| !n.is_empty())
            .collect();
        let mut m = Match::on(
            &suspect.at,
            format!("{} sends to the port named {wanted}, which {n} of its {all} pods do not have.", suspect.at),
        )
        .evidence(&suspect.at, "spec.ports[].targetPort", wanted, format!("targetPort {wanted} is a name"))
        .evidence(
            &ObjectRef::of(first),
            "spec.containers[].ports",
            &has.join(", "),
            format!("the pods call their ports: {}", has.join(", ")),
        )
        .evidence(
            &suspect.at,
            "",
            "",
            format!("{} of {all} pods are Ready, but no endpoint has the port", ready.len()),
        );
        if let Some(rs) = kin::controller_ref(first).filter(|o| o.kind == "ReplicaSet")
            && let Some(owner) = case.get(&rs).known()?.flatten()
        {
            let text = format!("so it is since revision {} ({})", kin::revision(owner), rs.name);
            m = m.evidence(&rs, "metadata.annotations", "", text);
        }
        let index = list_at(suspect.object, "/spec/ports").iter().position(|p| p == port).unwrap_or_default();
        let live = named.first().map_or(String::new(), |name| {
            format!(
                "kubectl -n {} patch svc {} --type=json -p '[{{\"op\":\"replace\",\"path\":\"/spec/ports/{index}/targetPort\",\"value\":\"{name}\"}}]'",
                suspect.at.namespace, suspect.at.name
            )
        });
        let field = format!("spec.ports[{index}].targetPort");
        found.push(m.fix(case.fix(
            suspect.object,
            &field,
            "let targetPort name a port of the pods, or name the container port so",
            live,
        )?));
    }
    Ok(found)
}

fn port_wrong(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) {
        return Ok(Vec::new());
    }
    let Some((_, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let Some(pod) = ready.first() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for port in ports(suspect) {
        let Some(number) = port
            .get("targetPort")
            .and_then(Value::as_i64)
            .or_else(|| int_at(port, "/port").filter(|_| port.get("targetPort").is_none()))
        else {
            continue;
        };
        let all = containers(pod);
        let declared: Vec<i64> =
            all.iter().flat_map(|c| list_at(c.spec, "/ports")).filter_map(|p| int_at(p, "/containerPort")).collect();
        let probed: Vec<i64> = all
            .iter()
            .filter_map(|c| {
                let probe = c.spec.get("readinessProbe")?;
                ["/httpGet/port", "/tcpSocket/port", "/grpc/port"].iter().find_map(|p| match probe.pointer(p)? {
                    Value::String(named) => backend::named_port(pod, named),
                    number => number.as_i64(),
                })
            })
            .collect();
        if declared.is_empty() && probed.is_empty() || declared.contains(&number) || probed.contains(&number) {
            continue;
        }
        let heard = listening(case, pod)?;
        if heard.as_ref().is_some_and(|(_, port)| *port == Some(number)) {
            continue;
        }
        let instead = declared.first().or(probed.first()).copied().unwrap_or_default();
        let proof = !probed.is_empty() || heard.is_some();
        let mut m = Match::on(
            &suspect.at,
            format!("{} sends to port {number}, the application listens on {instead}.", suspect.at),
        )
        .confidence(if proof { Confidence::High } else { Confidence::Medium })
        .evidence(&suspect.at, "spec.ports[].targetPort", &number.to_string(), format!("targetPort {number}"))
        .evidence(
            &ObjectRef::of(pod),
            "spec.containers[].ports",
            &instead.to_string(),
            format!("the container declares {instead}; {} ready endpoints", ready.len()),
        );
        if let Some((line, _)) = heard {
            m = m.evidence(&ObjectRef::of(pod), "log", &line, format!("log: {line}"));
        }
        let index = list_at(suspect.object, "/spec/ports").iter().position(|p| p == port).unwrap_or_default();
        let live = format!(
            "kubectl -n {} patch svc {} --type=json -p '[{{\"op\":\"replace\",\"path\":\"/spec/ports/{index}/targetPort\",\"value\":{instead}}}]'",
            suspect.at.namespace, suspect.at.name
        );
        found.push(m.fix(case.fix(
            suspect.object,
            &format!("spec.ports[{index}].targetPort"),
            format!("send to {instead}"),
            live,
        )?));
    }
    Ok(found)
}

/// A log line that tells where the application listens, and the port in it.
fn listening(case: &Case<'_>, pod: &Value) -> Fact<Option<(String, Option<i64>)>> {
    for container in containers(pod).iter().filter(|c| !c.init) {
        let log = case.log(pod, container.name, false).known()?.unwrap_or_default();
        let lines = log_lines(log);
        if let Some(line) = lines.iter().rev().find(|l| l.to_lowercase().contains("listening on")) {
            let line = crate::diagnose::crash::without_time(line).to_owned();
            let port = line.rsplit_once(':').and_then(|(_, rest)| {
                rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
            });
            return Ok(Some((line, port)));
        }
    }
    Ok(None)
}

fn not_ready(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) || backend::publishes_unready(suspect.object) {
        return Ok(Vec::new());
    }
    let Some((pods, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let starting = pods.iter().any(|p| stand(p, case.now()) == Stand::Starting);
    if pods.is_empty() || !ready.is_empty() || starting {
        return Ok(Vec::new());
    }
    Ok(vec![
        Match::on(&suspect.at, format!("{} has {} pods, and none is ready.", suspect.at, pods.len()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_nearest_workload_is_the_one_that_shares_labels_or_spelling() {
        let workload = |name: &str, labels: Value| json!({"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": labels}}}});
        let (web, cart) = (workload("shop-web", json!({"app": "shop-web"})), workload("cart", json!({"app": "cart"})));
        let (near, differing) = nearest(&json!({"app": "shop"}), &[&cart, &web], "shop").unwrap();
        assert_eq!((name(near), differing), ("shop-web", vec!["app=shop-web".to_owned()]));
        assert!(nearest(&json!({"app": "ledger"}), &[&cart], "ledger").is_none(), "nothing is like it");
    }
}
