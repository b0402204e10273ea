//! What is shown before objects are deleted: what goes with them, what brings them back, and what to do in git instead.

use super::{Cascade, DeletePlan, Deletion, Doomed};
use crate::diagnose::eviction::called;
use crate::diagnose::pods::is_finished;
use crate::workflows::{Line, Occasion, Part, Plan};
use crate::world::object::{ObjectRef, controller, int_at, name, namespace, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use serde_json::Value;
use std::collections::BTreeMap;

/// Lines of one list before the rest is only counted.
const SHOWN: usize = 12;
/// Seconds that a deletion is watched at least.
const PATIENCE: i64 = 60;

/// What is known when a deletion is planned.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The plural of their kind, `pods`.
    pub plural: String,
    /// The objects, all of one kind.
    pub objects: Vec<Found>,
    /// What goes with them.
    pub takes: Takes,
    /// What else is worth knowing (who mounts the claim, what the finalizer does).
    pub warnings: Vec<String>,
}

/// One object to delete.
#[derive(Clone, Debug)]
pub struct Found {
    /// As it is now; a Secret without its values.
    pub live: Value,
    /// Its path on the API server.
    pub path: String,
    /// What Argo CD has to do with it.
    pub argo: Option<Argo>,
}

/// The Application that tracks an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argo {
    /// Its name.
    pub application: String,
    /// `spec.syncPolicy.automated` is set and not switched off.
    pub automated: bool,
    /// `selfHeal`
    pub heals: bool,
    /// `prune`
    pub prunes: bool,
    /// Where its manifest stands: `apps/web.yaml of fleet main`, or as near as is known.
    pub place: String,
}

/// What goes with the deleted objects: names by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Kind → what is shown of each.
    pub by_kind: BTreeMap<String, Vec<String>>,
    /// Why they go: `owned by it`, `in it`.
    pub because: String,
    /// There may be more: lists were cut, or could not be read.
    pub unsure: Vec<String>,
}

impl Takes {
    /// How many.
    pub fn count(&self) -> usize {
        self.by_kind.values().map(Vec::len).sum()
    }
}

/// Plans a deletion. `kept` is what the journal keeps of each object.
pub fn plan(on: &Occasion<'_>, facts: &Facts, how: &Deletion, kept: Vec<Value>) -> Plan {
    let targets: Vec<Doomed> = facts.objects.iter().map(doomed).collect();
    let what = match facts.objects.as_slice() {
        // Namespaces and nodes have no namespace of their own.
        [one] => format!("{}/{}", str_at(&one.live, "/kind").to_lowercase(), called(&one.live).trim_start_matches('/')),
        all => format!("{} {}", all.len(), facts.plural),
    };
    let what = clean(&what).into_owned();
    let mut lines = vec![];
    list(&mut lines, "live", facts.objects.iter().map(|found| about(found, on.now)));
    lines.extend(takes(facts, how));
    lines.extend(after(facts));
    lines.push(Line::new("order", order(how)));
    let back = if facts.objects.iter().all(|found| controller(&found.live).is_some()) {
        "nothing brings these back; their controllers make new ones"
    } else {
        "nothing takes a deletion back"
    };
    lines.push(Line::new("undo", format!("{back}; kokpit ops {} --manifests prints what they were", on.id)));
    if !on.reason.trim().is_empty() {
        lines.push(Line::new("reason", clean(on.reason.trim()).into_owned()));
    }
    if how.force {
        lines.push(Line::warning(
            "forced: without time to end; the API server forgets a pod at once, and on a node that does not answer its \
             containers may go on running",
        ));
    }
    lines.extend(facts.warnings.iter().chain(&facts.takes.unsure).map(|text| Line::warning(clean(text).into_owned())));
    let grace = facts.objects.iter().filter_map(|f| int_at(&f.live, "/spec/terminationGracePeriodSeconds")).max();
    let patience_s = if how.force { PATIENCE } else { PATIENCE.max(grace.unwrap_or(0).min(3_600) + 30) };
    Plan {
        parts: vec![Part::Delete(DeletePlan { targets, how: *how, patience_s, kept })],
        lines,
        ..on.draft("delete", format!("{} {what} on {}", if how.force { "kill" } else { "delete" }, on.cluster))
    }
}

fn doomed(found: &Found) -> Doomed {
    Doomed {
        object: ObjectRef::of(&found.live),
        path: found.path.clone(),
        uid: str_at(&found.live, "/metadata/uid").into(),
        generation: int_at(&found.live, "/metadata/generation"),
        op: String::new(),
    }
}

/// `Pod shop/web-1, 5d old, of ReplicaSet web-7d`
fn about(found: &Found, now: Time) -> String {
    let live = &found.live;
    let age = Time::parse(str_at(live, "/metadata/creationTimestamp"));
    let age = age.map_or(String::new(), |t| format!(", {} old", human(t.age(now))));
    let owner = controller(live).map_or(String::new(), |(_, kind, owner)| format!(", of {kind} {owner}"));
    let ending = if live.pointer("/metadata/deletionTimestamp").is_some() { ", ending already" } else { "" };
    format!("{}{age}{owner}{ending}", ObjectRef::of(live))
}

/// The first lines of a list, and how many more there are.
fn list(lines: &mut Vec<Line>, label: &str, all: impl ExactSizeIterator<Item = String>) {
    let more = all.len().saturating_sub(SHOWN);
    for (n, text) in all.take(SHOWN).enumerate() {
        lines.push(Line::new(if n == 0 { label } else { "" }, clean(&text).into_owned()));
    }
    if more > 0 {
        lines.push(Line::new("", format!("and {more} more")));
    }
}

fn takes(facts: &Facts, how: &Deletion) -> Vec<Line> {
    let takes = &facts.takes;
    let stay = how.cascade == Cascade::Orphan && takes.because == OWNED;
    let (label, verb) = if stay { ("stays", "stay, without an owner") } else { ("takes", "go with it") };
    if takes.count() == 0 {
        return match takes.unsure.is_empty() {
            true => vec![Line::new("takes", "nothing else")],
            false => vec![],
        };
    }
    let mut lines = vec![Line::new(label, format!("{} objects {} {verb}", takes.count(), takes.because))];
    for (kind, names) in &takes.by_kind {
        let shown = names.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(6);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(Line::new("", clean(&format!("{} {kind}: {shown}{more}", names.len())).into_owned()));
    }
    lines
}

/// Why dependents go.
pub const OWNED: &str = "owned by it";

/// What is there afterwards: a new one of the controller, the one that Argo CD brings back, or nothing.
fn after(facts: &Facts) -> Vec<Line> {
    let mut lines = vec![];
    let mut makers: BTreeMap<String, usize> = BTreeMap::new();
    for found in &facts.objects {
        if let Some((_, kind, owner)) = controller(&found.live) {
            *makers.entry(format!("{kind} {owner}")).or_default() += 1;
        }
    }
    let count = |n: usize| if n == 1 { "a new one".to_string() } else { format!("{n} new ones") };
    list(
        &mut lines,
        "after",
        makers.iter().map(|(maker, n)| format!("{maker} makes {} (if it still wants it)", count(*n))),
    );
    let mut seen: Vec<&Argo> = vec![];
    for argo in facts.objects.iter().filter_map(|found| found.argo.as_ref()) {
        if !seen.contains(&argo) {
            seen.push(argo);
        }
    }
    for argo in seen.iter().take(SHOWN) {
        let app = &argo.application;
        let text = match (argo.automated, argo.heals) {
            (true, true) => format!("Argo CD: {app} heals itself, so it is made again within seconds"),
            (true, false) => {
                format!("Argo CD: {app} is OutOfSync (Missing) until its next commit, then it is made again")
            }
            (false, _) => {
                format!("Argo CD: {app} is OutOfSync (Missing) until somebody syncs it, then it is made again")
            }
        };
        let prune = if argo.automated && argo.prunes { "Argo CD prunes it then" } else { "sync with prune then" };
        lines.push(Line::warning(clean(&text).into_owned()));
        lines.push(Line::new(
            "git",
            clean(&format!("to be rid of it, take it out of {}; {prune}", argo.place)).into_owned(),
        ));
    }
    if makers.is_empty() && seen.is_empty() {
        lines.push(Line::new("after", "nothing makes it again"));
    }
    lines
}

fn order(how: &Deletion) -> &'static str {
    match how.cascade {
        Cascade::Background => "background: the object goes, then the garbage collector takes what it owns",
        Cascade::Foreground => "foreground: what it owns goes first, the object stays visible until then",
        Cascade::Orphan => "orphan: only the object goes; what it owns stays and belongs to nobody",
    }
}

/// The pods of a namespace that mount a claim.
pub fn mounted_by<'a>(pods: &'a [Value], claim: &Value) -> Vec<&'a str> {
    let mounts = |pod: &&Value| {
        let volumes = crate::world::object::list_at(pod, "/spec/volumes").iter();
        !is_finished(pod)
            && namespace(pod) == namespace(claim)
            && volumes.filter(|v| str_at(v, "/persistentVolumeClaim/claimName") == name(claim)).count() > 0
    };
    pods.iter().filter(mounts).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn on() -> Occasion<'static> {
        let at = Time::parse("2026-11-21T10:00:00Z").unwrap();
        Occasion { id: "01JD".into(), cluster: "prod", identity: None, protected: true, now: at, reason: "it leaks" }
    }

    fn found(argo: Option<Argo>) -> Found {
        let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop",
            "uid": "u1", "generation": 2, "creationTimestamp": "2026-11-20T10:00:00Z"}});
        Found { live, path: "/web".into(), argo }
    }

    fn argo(automated: bool, heals: bool) -> Argo {
        let (application, place) = ("shop".into(), "apps/web.yaml of fleet main".into());
        Argo { application, automated, heals, prunes: automated, place }
    }

    fn shown(facts: &Facts, how: Deletion) -> String {
        let plan = plan(&on(), facts, &how, vec![]);
        assert!(plan.protected && plan.title.ends_with("deployment/shop/web on prod"), "{}", plan.title);
        plan.lines.iter().map(|l| format!("{} {}\n", l.label, l.text)).collect()
    }

    fn facts(argo: Option<Argo>) -> Facts {
        let by_kind = BTreeMap::from([("Pod".into(), (0..9).map(|n| format!("web-{n}")).collect())]);
        let takes = Takes { by_kind, because: OWNED.into(), unsure: vec![] };
        Facts { plural: "deployments".into(), objects: vec![found(argo)], takes, warnings: vec![] }
    }

    #[test]
    fn the_plan_says_what_goes_what_comes_back_and_what_to_do_in_git() {
        let text = shown(&facts(Some(argo(true, true))), Deletion::default());
        for part in [
            "live Deployment shop/web, 24h old",
            "takes 9 objects owned by it go with it",
            "9 Pod: web-0, web-1, web-2, web-3, web-4, web-5 and 3 more",
            "made again within seconds",
            "git to be rid of it, take it out of apps/web.yaml of fleet main; Argo CD prunes it then",
            "undo nothing takes a deletion back; kokpit ops 01JD --manifests",
            "reason it leaks",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let manual = shown(&facts(Some(argo(false, false))), Deletion::default());
        assert!(manual.contains("until somebody syncs it") && manual.contains("sync with prune then"), "{manual}");
        assert!(shown(&facts(Some(argo(true, false))), Deletion::default()).contains("until its next commit"));
        assert!(shown(&facts(None), Deletion::default()).contains("after nothing makes it again"));
    }

    #[test]
    fn orphans_stay_and_force_is_a_warning() {
        let how = Deletion { cascade: Cascade::Orphan, force: true };
        let text = shown(&facts(None), how);
        assert!(text.contains("stays 9 objects owned by it stay, without an owner"), "{text}");
        assert!(text.contains("forced: without time to end"), "{text}");
    }

    #[test]
    fn a_controller_makes_a_new_one() {
        let mut pod = found(None);
        pod.live = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d", "controller": true}]},
            "spec": {"terminationGracePeriodSeconds": 300}});
        let facts = Facts { plural: "pods".into(), objects: vec![pod], ..Facts::default() };
        let plan = plan(&on(), &facts, &Deletion::default(), vec![]);
        assert!(plan.lines.iter().any(|l| l.text.starts_with("ReplicaSet web-7d makes a new one")));
        let Part::Delete(delete) = &plan.parts[0] else { panic!("it deletes") };
        assert_eq!(delete.patience_s, 330, "a pod is waited for as long as it may take");
    }

    #[test]
    fn who_mounts_a_claim() {
        let claim = json!({"metadata": {"name": "data", "namespace": "shop"}});
        let pod = |name: &str, claim: &str, phase: &str| {
            json!({"metadata": {"name": name, "namespace": "shop"}, "status": {"phase": phase},
                "spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]}})
        };
        let pods = [pod("a", "data", "Running"), pod("b", "other", "Running"), pod("c", "data", "Succeeded")];
        assert_eq!(mounted_by(&pods, &claim), ["a"]);
    }
}
