//! Pods that no node accepts, and what they wait for. The filters are evaluated for every node
//! ([`scheduling`](crate::diagnose::scheduling)); the scheduler's own words only confirm the result.
//!
//! Which of several obstacles is *the* reason: the one that the smallest change addresses, because that change was
//! seen to let the pod be placed. The other obstacles are named as consequences of its standing in the way.

use super::Cause;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{self, condition};
use crate::diagnose::scheduling::changes::{self, Changes};
use crate::diagnose::scheduling::filter::PLUGINS;
use crate::diagnose::scheduling::{
    Failing, Judgement, Node, Objects, Pod, Snapshot, inter_pod_affinity, is_place, judge, message, report,
    volume_binding, volume_restrictions,
};
use crate::diagnose::verdict::{Confidence, Fix, Scheduling};
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::text::clean;
use serde_json::Value;
use std::rc::Rc;

mod autoscaler;
mod claim;
mod fit;
mod neighbours;
mod node;
mod node_name;
mod spread;
mod static_volume;
mod taint;
mod unjudged;
mod volumes;

/// The families of this folder.
pub static FAMILIES: &[&[Cause]] = &[
    unjudged::CAUSES,
    fit::CAUSES,
    taint::CAUSES,
    node::CAUSES,
    node_name::CAUSES,
    volumes::CAUSES,
    claim::CAUSES,
    static_volume::CAUSES,
    spread::CAUSES,
    neighbours::CAUSES,
    autoscaler::CAUSES,
];

/// How many nodes a line of evidence names.
const NAMED: usize = 8;

/// Everything that the filters say about a pod that waits for a node.
pub struct Placement {
    /// The cluster.
    pub world: Rc<Snapshot>,
    /// What fails where.
    pub judgement: Judgement,
    /// The same for the verdict.
    pub scheduling: Scheduling,
    /// What would help.
    pub changes: Changes,
    /// What the scheduler said, cleaned; empty when it said nothing.
    pub said: String,
    /// Whether a list could not be read, so that nothing is certain.
    partial: bool,
}

/// A pod that waits for a node, with its evaluation; `None` for any other object.
pub fn placement(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Option<Rc<Placement>>> {
    if suspect.at.kind != "Pod" || !waits_for_node(case, suspect) {
        return Ok(None);
    }
    evaluated(case, suspect.object).map(Some)
}

/// Seconds in which a scheduler may not have looked at a pod yet; after that its silence is a finding of its own.
const YOUNG_S: i64 = 30;

/// Whether a pod should have a node by now: the scheduler has refused it, or it is the very pod that was asked about
/// and the scheduler has not spoken yet (what it will say can be told).
fn waits_for_node(case: &Case<'_>, suspect: &Suspect<'_>) -> bool {
    let pod = suspect.object;
    is_unplaced(pod)
        && match condition(pod, "PodScheduled") {
            Some(said) => pods::is_ill(case, suspect) && str_at(said, "/reason") == "Unschedulable",
            None => suspect.asked && list_at(pod, "/spec/schedulingGates").is_empty() && case.age_of(pod) <= YOUNG_S,
        }
}

/// Whether a pod has no node, has not ended, and is not on its way out.
pub fn is_unplaced(pod: &Value) -> bool {
    str_at(pod, "/status/phase") == "Pending"
        && str_at(pod, "/spec/nodeName").is_empty()
        && str_at(pod, "/metadata/deletionTimestamp").is_empty()
}

/// Evaluates a pod, once per round.
pub fn evaluated(case: &Case<'_>, raw: &Value) -> Fact<Rc<Placement>> {
    case.memo(&pods::path(raw), || {
        let (world, partial) = &*snapshot(case, raw)?;
        let pod = Pod::new(raw);
        let judgement = judge(world, &pod);
        let scheduling = report(world, &pod, &judgement);
        let changes = changes::search(world, raw, &judgement);
        let said = condition(raw, "PodScheduled").map_or("", |c| str_at(c, "/message"));
        let said = clean(said).into_owned();
        Ok(Placement { world: world.clone(), judgement, scheduling, changes, said, partial: *partial })
    })
}

/// The cluster as filters see it; storage is read only for pods that use claims.
fn snapshot(case: &Case<'_>, pod: &Value) -> Fact<Rc<(Rc<Snapshot>, bool)>> {
    let storage = list_at(pod, "/spec/volumes").iter().any(|v| {
        ["persistentVolumeClaim", "ephemeral"].iter().any(|kind| v.get(kind).is_some_and(|source| !source.is_null()))
    });
    case.memo(if storage { "with storage" } else { "without storage" }, || {
        let nodes = case.list(NODES, None);
        let pods = case.list(PODS, None).known();
        let optional = |kind: Known| if storage { case.list(kind, None).known() } else { Ok(Some(vec![])) };
        let claims = optional(CLAIMS);
        let (volumes, classes) = (optional(VOLUMES), optional(STORAGECLASSES));
        let (csinodes, csidrivers) = (optional(CSINODES), optional(CSIDRIVERS));
        let (capacities, attachments) = (optional(CSICAPACITIES), optional(ATTACHMENTS));
        let (nodes, mut pods, mut claims) = (nodes?, pods?, claims?);
        let own = Some(str_at(pod, "/metadata/namespace"));
        let partial = pods.is_none() || claims.is_none();
        if pods.is_none() {
            pods = case.list(PODS, own).known()?;
        }
        if claims.is_none() {
            claims = case.list(CLAIMS, own).known()?;
        }
        let pods = pods.unwrap_or_default();
        // Their labels matter only where a term selects namespaces by label; everything else goes by name.
        let by_label = pods.iter().any(|p| selects_namespaces(p));
        let namespaces = if by_label { case.list(NAMESPACES, None).known()? } else { None };
        let objects = Objects {
            nodes,
            pods,
            claims,
            volumes: volumes?,
            classes: classes?,
            csinodes: csinodes?,
            csidrivers: csidrivers?,
            capacities: capacities?,
            attachments: attachments?,
            namespaces,
            resource_claims: None,
        };
        let partial = partial || objects.volumes.is_none() || objects.classes.is_none();
        Ok((Rc::new(Snapshot::build(&objects)), partial))
    })
}

/// Whether a required (anti-)affinity term of a pod selects namespaces by their labels.
fn selects_namespaces(pod: &Value) -> bool {
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let terms = format!("/spec/affinity/{kind}/requiredDuringSchedulingIgnoredDuringExecution");
        list_at(pod, &terms).iter().any(|term| term.get("namespaceSelector").is_some_and(|s| !s.is_null()))
    })
}

impl Placement {
    /// Nodes on which a filter fails, with whether it is the only one there.
    pub fn failing(&self, plugin: &str) -> Vec<(&Node, bool)> {
        let fails = |failing: &[(usize, _)]| failing.iter().any(|(at, _)| PLUGINS[*at].name == plugin);
        let nodes = self.world.nodes.iter().map(AsRef::as_ref).zip(&self.judgement.nodes);
        nodes.filter(|(_, f)| fails(f)).map(|(node, f)| (node, f.len() == 1)).collect()
    }

    /// Nodes on which a filter gives this very reason.
    pub fn with_reason(&self, reason: &str) -> Vec<&Node> {
        let gives = |failing: &Failing| failing.iter().any(|(_, reasons)| reasons.iter().any(|r| r == reason));
        self.world.nodes.iter().zip(&self.judgement.nodes).filter(|(_, f)| gives(f)).map(|(n, _)| n.as_ref()).collect()
    }

    /// Why a plugin refuses the pod before looking at nodes.
    pub fn refusal(&self, plugin: &str) -> Option<&str> {
        self.scheduling.prefilter.get(plugin).map(String::as_str)
    }

    /// The filter that stands in the way. Where the pod may go at all is its owner's wish: as long as that leaves nodes,
    /// what keeps it from those is the reason. Among these the filter that the smallest change addresses, else the one
    /// that fails most.
    pub fn deciding(&self) -> &'static str {
        if let Some((at, _)) = self.judgement.refused.first() {
            // Whichever plugin misses a claim first, it is the same trouble.
            let plugin = PLUGINS[*at].name;
            return if plugin.starts_with("Volume") { "VolumeBinding" } else { plugin };
        }
        let left = self.judgement.nodes_left();
        let counts = |plugin: &str| left.is_empty() || !is_place(plugin);
        if let Some(change) = self.changes.found.iter().find(|change| counts(change.plugin)) {
            return change.plugin;
        }
        let fails_on = |plugin: &str, failing: &Failing| failing.iter().any(|(at, _)| PLUGINS[*at].name == plugin);
        let nodes = self.judgement.nodes.iter().enumerate().filter(|(at, _)| left.is_empty() || left.contains(at));
        let nodes: Vec<&Failing> = nodes.map(|(_, failing)| failing).collect();
        let most = PLUGINS.iter().rev().max_by_key(|p| nodes.iter().filter(|f| fails_on(p.name, f)).count());
        most.map_or("NodeResourcesFit", |p| p.name)
    }

    /// Certain when the scheduler says the same as the evaluation.
    fn confidence(&self) -> Confidence {
        match () {
            _ if self.partial => Confidence::Medium,
            _ if message::agrees(&self.scheduling.message, &self.said) => Confidence::Certain,
            _ => Confidence::High,
        }
    }

    /// Finishes the match of a filter's cause: matrix, the scheduler's words, what would help, its place in the graph.
    pub fn finish<'a>(&self, case: &Case<'a>, suspect: &Suspect<'a>, plugin: &str, mut found: Match) -> Fact<Match> {
        found = found.confidence(self.confidence()).scheduling(self.scheduling.clone());
        if self.judgement.any_fits() {
            return Ok(found.aside());
        }
        let deciding = self.deciding();
        if deciding == plugin {
            found = self.scheduler_said(suspect, found);
            for change in self.changes.found.iter() {
                found = found.fix(fix_of(case, suspect, change)?);
            }
            if self.changes.pairs {
                let text = "no single change lets it be placed; these pairs do";
                found = found.evidence(&suspect.at, "", "", text);
            }
        } else {
            found = found.because_cause(self.cause_of(deciding));
        }
        Ok(found)
    }

    fn scheduler_said(&self, suspect: &Suspect<'_>, found: Match) -> Match {
        let path = "status.conditions[PodScheduled].message";
        let text = match &self.scheduling.message {
            ours if message::agrees(ours, &self.said) => format!("the scheduler says the same: {ours}"),
            ours => format!("the scheduler said: {} (as the cluster stands now: {ours})", self.said),
        };
        found.evidence(&suspect.at, path, &self.said, text)
    }

    /// The id of the cause that speaks for a filter.
    fn cause_of(&self, plugin: &str) -> &'static str {
        let any = |reason: &str| !self.with_reason(reason).is_empty();
        let refused = !self.judgement.refused.is_empty();
        match plugin {
            "NodeAffinity" if refused => "node-affinity-conflict",
            "VolumeBinding" if refused => "pv",
            "NodeUnschedulable" => "node-cordoned",
            "TaintToleration" => "taint-untolerated",
            "NodeAffinity" | "NodeName" => "node-",
            "NodePorts" => "host-port-conflict",
            "NodeResourcesFit" => "fit-",
            "VolumeRestrictions" if any(volume_restrictions::DISK) => "legacy-disk-conflict",
            "VolumeRestrictions" => "rwop-in-use",
            "NodeVolumeLimits" => "csi-volume-limit",
            "VolumeBinding" if any(volume_binding::NO_VOLUME) => "pvc-no-matching-pv",
            "VolumeBinding" if any(volume_binding::NO_SPACE) => "csi-storage-capacity",
            "VolumeBinding" if any(volume_binding::VOLUME_GONE) => "pv-missing",
            "VolumeBinding" => "pv-node-affinity-conflict",
            "VolumeZone" => "volume-zone-conflict",
            "PodTopologySpread" => "spread-",
            "InterPodAffinity" if any(inter_pod_affinity::ANTI_AFFINITY) => "pod-anti-affinity-self",
            "InterPodAffinity" if any(inter_pod_affinity::EXISTING) => "existing-anti-affinity",
            _ => "pod-affinity-unmatched",
        }
    }
}

/// A checked change as a fix.
fn fix_of<'a>(case: &Case<'a>, suspect: &Suspect<'a>, change: &changes::Change) -> Fact<Fix> {
    let plain = || Fix { summary: change.in_words(), live: change.live.clone(), ..Fix::default() };
    let mut fix = match change.kind {
        changes::ChangeKind::Pod | changes::ChangeKind::Several if !change.field.is_empty() => {
            case.fix(suspect.object, &change.field, change.in_words(), change.live.clone())?
        }
        _ => plain(),
    };
    fix.verified = true;
    Ok(fix)
}

/// A reference to a node.
pub fn node_ref(name: &str) -> ObjectRef {
    NODES.at("", name)
}

/// `n1 n2 n3 and 4 more`
pub fn names<'n>(nodes: impl IntoIterator<Item = &'n Node>) -> String {
    let all: Vec<&str> = nodes.into_iter().map(|n| n.name.as_str()).collect();
    let more = all.len().saturating_sub(NAMED);
    let shown = all[..all.len() - more].join(" ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// `1 node`, `3 nodes`
pub fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
