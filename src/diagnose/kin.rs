//! Who belongs to whom: owners, the pods of a workload, and the objects whose trouble is an object's own.

use super::facts::{Case, Fact, Knowable};
use super::finding::{Lead, Suspect, in_namespace, target};
use super::index::By;
use super::kinds::*;
use super::pods::{self, Stand};
use super::scheduling;
use super::scheduling::storage::{Claim, Class};
use crate::world::object::{ObjectRef, controller, int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Kinds that own pods, directly or through another object.
pub const WORKLOADS: &[&str] =
    &["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController", "Rollout"];

/// The reference to an object's controller.
pub fn controller_ref(object: &Value) -> Option<ObjectRef> {
    controller(object).map(|(api, kind, owner)| {
        let group = api.split_once('/').map_or("", |(group, _)| group);
        let ns = if kind == "Node" { "" } else { namespace(object) };
        ObjectRef::new(group, kind, ns, owner)
    })
}

/// The topmost owner of an object that can be read, or the object itself (pod → ReplicaSet → Deployment).
pub fn top_owner<'a>(case: &Case<'a>, object: &'a Value) -> Fact<&'a Value> {
    let mut top = object;
    for _ in 0..5 {
        let Some(above) = controller_ref(top) else { break };
        match case.get(&above).known()?.flatten() {
            Some(owner) => top = owner,
            None => break,
        }
    }
    Ok(top)
}

/// The pods of a workload: controlled by it, or by a ReplicaSet or Job that it controls.
pub fn pods_of<'a>(case: &Case<'a>, workload: &Value) -> Fact<Vec<&'a Value>> {
    let ns = Some(namespace(workload));
    let mut owners = vec![str_at(workload, "/metadata/uid").to_owned()];
    let middle = match str_at(workload, "/kind") {
        "Deployment" | "Rollout" => Some(REPLICASETS),
        "CronJob" => Some(JOBS),
        _ => None,
    };
    if let Some(middle) = middle {
        let owned = case.list_by_any(middle, ns, By::Owner, &owners)?;
        owners.extend(owned.into_iter().map(|o| str_at(o, "/metadata/uid").to_owned()));
    }
    case.list_by_any(PODS, ns, By::Owner, &owners)
}

/// Whether an object's controller has one of these uids.
pub fn owned_by(object: &Value, uids: &[String]) -> bool {
    list_at(object, "/metadata/ownerReferences").iter().any(|owner| {
        let uid = str_at(owner, "/uid");
        !uid.is_empty() && uids.iter().any(|u| u == uid)
    })
}

/// Leads to the ill ones of these pods, one for all that stand alike.
pub fn ill_pods(case: &Case<'_>, pods: &[&Value]) -> Vec<Lead> {
    pods_that_stand(case, pods, Stand::Ill)
}

fn pods_that_stand(case: &Case<'_>, pods: &[&Value], wanted: Stand) -> Vec<Lead> {
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pods::stand(pod, case.now()) == wanted) {
        groups.entry(pods::shape(pod)).or_default().push(pod);
    }
    groups
        .into_values()
        .filter_map(|group| {
            let first = group.iter().min_by_key(|pod| str_at(pod, "/metadata/name"))?;
            Some(Lead { at: ObjectRef::of(first), focus: String::new(), alike: (group.len(), pods.len()) })
        })
        .collect()
}

/// Leads to Applications that are not Synced and Healthy, one for all that stand alike.
fn ill_applications(apps: Vec<&Value>) -> Vec<Lead> {
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for app in &apps {
        let (sync, health) = (str_at(app, "/status/sync/status"), str_at(app, "/status/health/status"));
        if sync != "Synced" || !matches!(health, "Healthy" | "Suspended") {
            let said = list_at(app, "/status/conditions").first().map_or("", |c| str_at(c, "/type"));
            groups.entry(format!("{sync} {health} {said}")).or_default().push(app);
        }
    }
    let lead = |group: Vec<&Value>| {
        let first = group.iter().min_by_key(|app| str_at(app, "/metadata/name"))?;
        Some(Lead { at: ObjectRef::of(first), focus: String::new(), alike: (group.len(), apps.len()) })
    };
    groups.into_values().filter_map(lead).collect()
}

/// Whether an Application's trouble is that its project refuses it.
fn is_refused_by_project(app: &Value) -> bool {
    let conditions = list_at(app, "/status/conditions").iter();
    let invalid = conditions
        .filter(|c| str_at(c, "/type") == "InvalidSpecError")
        .any(|c| str_at(c, "/message").contains("project"));
    invalid || str_at(app, "/status/operationState/message").contains("is not permitted in project")
}

/// The pods that a Service selects; `None` without a selector (its endpoints are made by hand).
pub fn selected<'a>(case: &Case<'a>, service: &Value) -> Fact<Option<Vec<&'a Value>>> {
    let Some(selector) = service.pointer("/spec/selector").filter(|s| s.as_object().is_some_and(|m| !m.is_empty()))
    else {
        return Ok(None);
    };
    let selector = Selector::from_map(selector);
    let pods = case.list(PODS, Some(namespace(service)))?;
    Ok(Some(pods.into_iter().filter(|pod| selector.matches(pod.pointer("/metadata/labels"))).collect()))
}

/// Deployments, StatefulSets and DaemonSets of a namespace.
pub fn workloads<'a>(case: &Case<'a>, ns: &str) -> Fact<Vec<&'a Value>> {
    let mut all = Vec::new();
    for kind in [DEPLOYMENTS, STATEFULSETS, DAEMONSETS] {
        all.extend(case.list(kind, Some(ns)).known()?.unwrap_or_default());
    }
    Ok(all)
}

/// The replicas a workload is to have; `None` for kinds without that field.
pub fn replicas(workload: &Value) -> Option<i64> {
    match str_at(workload, "/kind") {
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" | "Rollout" => {
            Some(int_at(workload, "/spec/replicas").unwrap_or(1))
        }
        _ => None,
    }
}

/// The command that changes a workload's template; empty for a bare pod, whose containers cannot be changed.
pub fn edit(top: &Value) -> String {
    match str_at(top, "/kind") {
        "Pod" => String::new(),
        kind => format!("kubectl -n {} edit {}/{}", namespace(top), kind.to_lowercase(), str_at(top, "/metadata/name")),
    }
}

/// The HorizontalPodAutoscaler that scales a workload.
pub fn autoscaler_of<'a>(case: &Case<'a>, workload: &Value) -> Fact<Option<&'a Value>> {
    let all = case.list(HPAS, Some(namespace(workload)))?;
    let scales = |hpa: &&Value| {
        str_at(hpa, "/spec/scaleTargetRef/kind") == str_at(workload, "/kind")
            && str_at(hpa, "/spec/scaleTargetRef/name") == str_at(workload, "/metadata/name")
    };
    Ok(all.into_iter().find(scales))
}

/// The newest Job of a CronJob, if it has failed.
fn failed_job(case: &Case<'_>, cronjob: &Value) -> Fact<Option<Lead>> {
    let owner = str_at(cronjob, "/metadata/uid");
    let jobs = case.list_by(JOBS, Some(namespace(cronjob)), By::Owner, owner)?;
    let newest = jobs
        .into_iter()
        .max_by_key(|job| str_at(job, "/metadata/creationTimestamp"))
        .filter(|job| pods::is_true(job, "Failed"));
    Ok(newest.map(|job| Lead::to(ObjectRef::of(job))))
}

/// The StatefulSet that should make a pod that is not there, by the pod's name (`web-2` is of `web`).
fn maker_of(case: &Case<'_>, pod: &ObjectRef) -> Fact<Option<Lead>> {
    let Some((set, number)) = pod.name.rsplit_once('-') else { return Ok(None) };
    let Ok(number) = number.parse::<i64>() else { return Ok(None) };
    let at = STATEFULSETS.at(&pod.namespace, set);
    let wants = |set: &Value| {
        let start = int_at(set, "/spec/ordinals/start").unwrap_or_default();
        (start..start.saturating_add(replicas(set).unwrap_or_default())).contains(&number)
    };
    Ok(case.get(&at).known()?.flatten().is_some_and(wants).then(|| Lead::to(at)))
}

/// The objects whose trouble is this object's trouble, without a cause in between.
pub fn leads(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Lead>> {
    match suspect.at.kind.as_str() {
        "URL" => super::url::leads(case, &suspect.at.name),
        "Pod" if !suspect.exists() => Ok(maker_of(case, &suspect.at)?.into_iter().collect()),
        _ if !suspect.exists() => Ok(Vec::new()),
        "Service" => super::url::service_leads(case, suspect),
        "Ingress" | "IngressRoute" | "HTTPRoute" | "GRPCRoute" => super::url::route_leads(case, suspect),
        "Gateway" if suspect.focus.is_empty() => Ok(vec![super::url::route::no_listener(suspect.at.clone())]),
        "PersistentVolumeClaim" if suspect.asked => claim_leads(case, suspect.object),
        "ApplicationSet" => {
            let uid = str_at(suspect.object, "/metadata/uid");
            Ok(ill_applications(case.list_by(APPLICATIONS, Some(namespace(suspect.object)), By::Owner, uid)?))
        }
        "AppProject" => {
            let project = &suspect.at;
            let home = |app: &Value| match str_at(app, "/status/controllerNamespace") {
                "" => namespace(app) == project.namespace,
                controller => controller == project.namespace,
            };
            let mine = |app: &Value| str_at(app, "/spec/project") == project.name && home(app);
            let refused = |app: &&Value| mine(app) && is_refused_by_project(app);
            Ok(ill_applications(case.list(APPLICATIONS, None)?.into_iter().filter(refused).collect()))
        }
        kind if WORKLOADS.contains(&kind) => {
            let pods = pods_of(case, suspect.object)?;
            let finished = kind == "Job" && pods::is_true(suspect.object, "Complete");
            let mut leads = if finished { Vec::new() } else { ill_pods(case, &pods) };
            if suspect.asked && !finished && leads.is_empty() {
                // Too young to be ill, and yet something may be known that no time will mend.
                leads = pods_that_stand(case, &pods, Stand::Starting);
            }
            if kind == "CronJob" {
                leads.extend(failed_job(case, suspect.object)?);
            }
            Ok(leads)
        }
        _ => Ok(Vec::new()),
    }
}

/// The pods that mount a claim and wait for a node.
pub fn waiting_for<'a>(case: &Case<'a>, claim: &Value) -> Fact<Vec<&'a Value>> {
    let all = case.list(PODS, Some(namespace(claim))).known()?.unwrap_or_default();
    let mounts = |p: &&Value| scheduling::pod::claims(p).iter().any(|used| used.claim == name(claim));
    Ok(all.into_iter().filter(|p| str_at(p, "/spec/nodeName").is_empty()).filter(mounts).collect())
}

/// Whether a claim is open because its class binds only when a pod gets a node.
pub fn waits_for_pod(case: &Case<'_>, claim: &Value) -> Fact<bool> {
    let open = Claim::new(claim);
    if open.bound || open.deleting || !open.volume.is_empty() || open.class.is_empty() {
        return Ok(false);
    }
    let class = case.one(STORAGECLASSES, "", &open.class).known()?.flatten();
    Ok(class.is_some_and(|class| Class::new(class).waits))
}

/// A claim that waits for its pod has the trouble of the pods that wait with it.
fn claim_leads(case: &Case<'_>, claim: &Value) -> Fact<Vec<Lead>> {
    if !waits_for_pod(case, claim)? {
        return Ok(Vec::new());
    }
    Ok(ill_pods(case, &waiting_for(case, claim)?))
}

/// What changed in a pod's template since the revision before: `since revision 1: spec.securityContext.runAsUser
/// (none) → 1000`. `None` where there is no earlier revision, or nothing changed.
pub fn changes(case: &Case<'_>, pod: &Value) -> Fact<Option<String>> {
    let Some(owner) = controller_ref(pod).filter(|o| o.kind == "ReplicaSet") else { return Ok(None) };
    let Some(now) = case.get(&owner).known()?.flatten() else { return Ok(None) };
    Ok(template_changes(case, now)?.map(|what| format!("changed {what}")))
}

/// The ReplicaSet of the revision before that of a pod; `None` for other pods and for a first revision.
pub fn replicaset_before<'a>(case: &Case<'a>, pod: &Value) -> Fact<Option<&'a Value>> {
    let Some(owner) = controller_ref(pod).filter(|o| o.kind == "ReplicaSet") else { return Ok(None) };
    let Some(now) = case.get(&owner).known()?.flatten() else { return Ok(None) };
    before(case, now)
}

/// The command that goes back a revision; empty where there is none to go back to, for kubectl refuses that (`no last
/// revision to roll back to`).
pub fn undo(case: &Case<'_>, top: &Value) -> Fact<String> {
    let earlier = match str_at(top, "/kind") {
        "Deployment" => {
            let at = ObjectRef::of(top);
            let all = case.list_by(REPLICASETS, Some(namespace(top)), By::Controller, &at.name).known()?;
            let own = all.unwrap_or_default().into_iter().filter(|rs| controller_ref(rs).as_ref() == Some(&at));
            own.map(revision).collect::<BTreeSet<_>>().len() > 1
        }
        // ControllerRevisions are not read: a set that is between two has both, a DaemonSet counts its templates.
        "StatefulSet" => {
            let of = |field: &str| str_at(top, field);
            !of("/status/currentRevision").is_empty() && of("/status/currentRevision") != of("/status/updateRevision")
        }
        "DaemonSet" => {
            let annotations = top.pointer("/metadata/annotations");
            let count = annotations.and_then(|a| a.get("deprecated.daemonset.template.generation"));
            count.and_then(Value::as_str).and_then(|n| n.parse::<i64>().ok()).is_some_and(|n| n > 1)
        }
        _ => false,
    };
    let command = || format!("kubectl{} rollout undo {}", in_namespace(top), target(top));
    Ok(if earlier { command() } else { String::new() })
}

/// The ReplicaSet of the revision before, of the same Deployment.
fn before<'a>(case: &Case<'a>, now: &Value) -> Fact<Option<&'a Value>> {
    let Some(deployment) = controller_ref(now) else { return Ok(None) };
    let own = case.list_by(REPLICASETS, Some(namespace(now)), By::Controller, &deployment.name);
    let own = own.known()?.unwrap_or_default();
    let this = revision(now);
    let earlier = |rs: &&Value| controller_ref(rs).as_ref() == Some(&deployment) && revision(rs) < this;
    Ok(own.into_iter().filter(earlier).max_by_key(|rs| revision(rs)))
}

/// What a ReplicaSet changed in the template of its Deployment: `since revision 1: spec.… (none) → 1000`.
pub fn template_changes(case: &Case<'_>, now: &Value) -> Fact<Option<String>> {
    let Some(before) = before(case, now)? else { return Ok(None) };
    let mut changed = Vec::new();
    let template = |rs: &'_ Value| rs.pointer("/spec/template/spec").cloned().unwrap_or_default();
    differences("spec", &template(before), &template(now), &mut changed);
    if changed.is_empty() {
        return Ok(None);
    }
    let more = changed.len().saturating_sub(3);
    changed.truncate(3);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok(Some(format!("since revision {}: {}{tail}", revision(before), changed.join("; "))))
}

/// The revision of a ReplicaSet, 0 where it carries none.
pub fn revision(replicaset: &Value) -> i64 {
    let annotations = replicaset.pointer("/metadata/annotations");
    let text = annotations.and_then(|a| a.get("deployment.kubernetes.io/revision")).and_then(Value::as_str);
    text.and_then(|t| t.parse().ok()).unwrap_or_default()
}

/// Leaves that differ between two objects, as `path old → new`.
fn differences(path: &str, a: &Value, b: &Value, out: &mut Vec<String>) {
    match (a, b) {
        _ if a == b => {}
        (Value::Object(x), Value::Object(y)) => {
            let keys = x.keys().chain(y.keys().filter(|k| !x.contains_key(*k)));
            for key in keys {
                let none = &Value::Null;
                differences(&format!("{path}.{key}"), x.get(key).unwrap_or(none), y.get(key).unwrap_or(none), out);
            }
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            for (n, (p, q)) in x.iter().zip(y).enumerate() {
                differences(&format!("{path}[{n}]"), p, q, out);
            }
        }
        // A literal value of the environment may be a password.
        _ if path.contains(".env[") && path.ends_with(".value") => out.push(format!("{path} (value not shown)")),
        _ => out.push(format!("{path} {} → {}", brief(a), brief(b))),
    }
}

fn brief(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => super::finding::shorten(text, 60),
        other => super::finding::shorten(&other.to_string(), 60),
    }
}
