//! What changed shortly before the trouble began: a rollout, a commit that was synced, the node, the configuration.
//!
//! No cause and no proof, but the first question that people ask. Nothing is looked for beyond the workload at fault, its
//! Application, the pod's node, and the ConfigMaps and Secrets that the pod names.

use super::facts::{Case, Fact, Knowable};
use super::finding::shorten;
use super::index::By;
use super::kinds::*;
use super::pods::condition;
use super::verdict::{Change, Verdict};
use super::{git, kin};
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::text::clean;
use crate::world::time::Time;
use crate::world::writers::last_change;
use serde_json::Value;
use std::collections::BTreeSet;

/// How long before the trouble a change is worth a line, and how far clocks and watches may differ.
const WINDOW_S: i64 = 3_600;
const SLACK_S: i64 = 60;
/// How long a new node takes to say for the first time how it is.
const JOINING_S: i64 = 120;
/// ConfigMaps and Secrets looked at, at most.
const MOST_NAMED: usize = 6;

/// The changes before the trouble of a verdict's subject, newest first.
pub fn changes(case: &Case<'_>, root: &ObjectRef, verdict: &Verdict) -> Fact<Vec<Change>> {
    let Some(object) = anchor(case, root, verdict)? else { return Ok(Vec::new()) };
    let look = Look { case, began: began(object) };
    let top = kin::top_owner(case, object)?;
    // All are asked before any answer is waited for: what they lack is fetched in one round.
    let (commit, rollout) = (look.commit(top), look.rollout(top));
    let (node, named) = (look.node(object), look.named(object));
    let mut found: Vec<Change> = commit?.into_iter().chain(rollout?).chain(node?).chain(named?).collect();
    found.sort_by_key(|change| change.age_s);
    Ok(found)
}

/// Where the trouble is seen: the subject or the object at fault, whichever is a pod, else a workload, else the subject.
fn anchor<'a>(case: &Case<'a>, root: &ObjectRef, verdict: &Verdict) -> Fact<Option<&'a Value>> {
    let fault = verdict.primary.as_ref().filter(|primary| primary.cluster.is_none()).map(|primary| &primary.object);
    let chain = verdict.contributing.iter().filter(|finding| finding.cluster.is_none()).map(|finding| &finding.object);
    let all: Vec<&ObjectRef> = [root].into_iter().chain(fault).chain(chain).filter(|at| at.kind != "URL").collect();
    let rank = |at: &&&ObjectRef| match at.kind.as_str() {
        "Pod" => 0,
        kind if kin::WORKLOADS.contains(&kind) => 1,
        _ => 2,
    };
    match all.iter().min_by_key(rank) {
        Some(at) => Ok(case.get(at).known()?.flatten()),
        None => Ok(None),
    }
}

/// When the trouble began, as far as the object says it; else it may be as old as the object.
fn began(object: &Value) -> Option<Time> {
    let ill = ["Ready", "PodScheduled", "Available", "Progressing"].iter().filter_map(|kind| condition(object, kind));
    let since = ill.filter(|c| str_at(c, "/status") == "False").filter_map(|c| time(c, "/lastTransitionTime")).min();
    since.or_else(|| time(object, "/status/health/lastTransitionTime")).or_else(|| time(object, CREATED))
}

const CREATED: &str = "/metadata/creationTimestamp";

fn time(object: &Value, pointer: &str) -> Option<Time> {
    Time::parse(str_at(object, pointer))
}

/// One look back from the time when the trouble began.
struct Look<'c, 'a> {
    case: &'c Case<'a>,
    began: Option<Time>,
}

impl<'a> Look<'_, 'a> {
    /// Whether a time lies shortly before the trouble.
    fn fits(&self, at: Time) -> bool {
        let Some(began) = self.began else { return false };
        at.0 <= began.0.saturating_add(SLACK_S) && at.0 >= began.0.saturating_sub(WINDOW_S)
    }

    fn change(&self, object: ObjectRef, at: Time, text: impl AsRef<str>) -> Change {
        let text = shorten(&clean(text.as_ref()), 300);
        Change { object, age_s: at.age(self.case.now()), text, revision: String::new() }
    }

    /// The newest sync of the Application behind the workload (`status.history`, its newest last).
    fn commit(&self, top: &Value) -> Fact<Option<Change>> {
        let app = match str_at(top, "/kind") {
            "Application" => self.case.get(&ObjectRef::of(top))?,
            _ => git::manager_of(self.case, top)?.map(|(app, _)| app),
        };
        let Some(app) = app else { return Ok(None) };
        let synced = |entry: &&Value| time(entry, "/deployedAt").is_some_and(|at| self.fits(at));
        let Some(entry) = list_at(app, "/status/history").iter().rev().find(synced) else { return Ok(None) };
        let revision = match str_at(entry, "/revision") {
            "" => list_at(entry, "/revisions").first().and_then(Value::as_str).unwrap_or_default(),
            one => one,
        };
        let commit = revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
        let revision = clean(if commit { revision.get(..7).unwrap_or_default() } else { revision }).into_owned();
        let Some(at) = time(entry, "/deployedAt") else { return Ok(None) };
        let text = format!("Application {} synced {revision}", name(app));
        Ok(Some(Change { revision, ..self.change(ObjectRef::of(app), at, text) }))
    }

    /// The newest revision of a Deployment, and what it changed in the template.
    fn rollout(&self, top: &Value) -> Fact<Option<Change>> {
        if str_at(top, "/kind") != "Deployment" {
            return Ok(None);
        }
        let at = ObjectRef::of(top);
        let all = self.case.list_by(REPLICASETS, Some(namespace(top)), By::Controller, &at.name);
        let own =
            all.known()?.unwrap_or_default().into_iter().filter(|rs| kin::controller_ref(rs).as_ref() == Some(&at));
        let Some(newest) = own.max_by_key(|rs| kin::revision(rs)) else { return Ok(None) };
        let Some(made) = time(newest, CREATED).filter(|made| self.fits(*made)) else { return Ok(None) };
        let revision = kin::revision(newest);
        if revision < 2 {
            return Ok(None);
        }
        let what = kin::template_changes(self.case, newest)?.map_or(String::new(), |what| format!(": {what}"));
        Ok(Some(self.change(ObjectRef::of(newest), made, format!("{at} rolled out revision {revision}{what}"))))
    }

    /// What happened to the pod's node.
    fn node(&self, pod: &Value) -> Fact<Vec<Change>> {
        let node = str_at(pod, "/spec/nodeName");
        if node.is_empty() {
            return Ok(Vec::new());
        }
        let at = NODES.at("", node);
        let Some(node) = self.case.get(&at).known()?.flatten() else { return Ok(Vec::new()) };
        let made = time(node, CREATED);
        // What its kubelet says of a new node for the first time is no change, the node is.
        let first = |when: &Time| made.is_some_and(|made| when.0 <= made.0.saturating_add(JOINING_S));
        let joined = made
            .filter(|made| self.fits(*made))
            .map(|made| self.change(at.clone(), made, format!("{at} joined the cluster")));
        let conditions = list_at(node, "/status/conditions").iter().filter_map(|c| {
            let when = time(c, "/lastTransitionTime").filter(|when| self.fits(*when) && !first(when))?;
            Some(self.change(at.clone(), when, format!("{at}: {} became {}", str_at(c, "/type"), str_at(c, "/status"))))
        });
        let taints = list_at(node, "/spec/taints").iter().filter_map(|taint| {
            let when = time(taint, "/timeAdded").filter(|when| self.fits(*when))?;
            Some(self.change(at.clone(), when, format!("{at} got the taint {}", str_at(taint, "/key"))))
        });
        Ok(joined.into_iter().chain(conditions).chain(taints).collect())
    }

    /// ConfigMaps and Secrets that the pod names and that were written after they were made.
    fn named(&self, pod: &Value) -> Fact<Vec<Change>> {
        let mut found = Vec::new();
        let asked: Vec<_> =
            named(pod).into_iter().take(MOST_NAMED).map(|at| (self.case.get(&at).known(), at)).collect();
        for (object, at) in asked {
            let Some(object) = object?.flatten() else { continue };
            let Some((who, when)) = last_change(object) else { continue };
            let made = time(object, CREATED).unwrap_or(Time::NEVER);
            if self.fits(when) && when.0 > made.0.saturating_add(1) {
                found.push(self.change(at.clone(), when, format!("{at} was changed by {who}")));
            }
        }
        Ok(found)
    }
}

/// The ConfigMaps and Secrets that a pod names in volumes and environments; what it can do without too.
fn named(pod: &Value) -> BTreeSet<ObjectRef> {
    let ns = namespace(pod);
    let mut found = BTreeSet::new();
    let mut add = |kind: Known, wanted: &str| {
        if !wanted.is_empty() && wanted != "kube-root-ca.crt" {
            found.insert(kind.at(ns, wanted));
        }
    };
    for volume in list_at(pod, "/spec/volumes") {
        add(CONFIGMAPS, str_at(volume, "/configMap/name"));
        add(SECRETS, str_at(volume, "/secret/secretName"));
        for source in list_at(volume, "/projected/sources") {
            add(CONFIGMAPS, str_at(source, "/configMap/name"));
            add(SECRETS, str_at(source, "/secret/name"));
        }
    }
    for container in ["/spec/initContainers", "/spec/containers"].iter().flat_map(|list| list_at(pod, list)) {
        for from in list_at(container, "/envFrom") {
            add(CONFIGMAPS, str_at(from, "/configMapRef/name"));
            add(SECRETS, str_at(from, "/secretRef/name"));
        }
        for variable in list_at(container, "/env") {
            add(CONFIGMAPS, str_at(variable, "/valueFrom/configMapKeyRef/name"));
            add(SECRETS, str_at(variable, "/valueFrom/secretKeyRef/name"));
        }
    }
    found
}
