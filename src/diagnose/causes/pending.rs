//! Pods that no node accepts, and what they wait for. The filters are evaluated for every node
//! ([`scheduling`](crate::diagnose::scheduling)); the scheduler's own words only confirm the result.
//!
//! Which of several obstacles is *the* reason: the one that the smallest change addresses, because that change was
//! seen to let the pod be placed. The other obstacles are named as consequences of its standing in the way.

use super::Cause;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::index::By;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{self, condition};
use crate::diagnose::scheduling::changes::{self, Changes};
use crate::diagnose::scheduling::filter::PLUGINS;
use crate::diagnose::scheduling::judgement::{in_place, is_place};
use crate::diagnose::scheduling::pod::shape;
use crate::diagnose::scheduling::preemption::{self, Victims};
use crate::diagnose::scheduling::snapshot::counts;
use crate::diagnose::scheduling::{
    Failing, Judgement, Node, Objects, Pod, Snapshot, inter_pod_affinity, judge, message, migration, nominated, report,
    volume_binding, volume_restrictions,
};
use crate::diagnose::verdict::{Confidence, Fix, Scheduling};
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::text::clean;
pub use crate::world::text::count;
use serde_json::Value;
use std::sync::Arc;

mod autoscaler;
mod claim;
mod devices;
mod features;
mod fit;
mod gang;
mod karpenter;
mod mixed;
mod neighbours;
mod node;
mod node_name;
mod preempting;
mod refused;
mod resource_claim;
mod scale_up;
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
    devices::CAUSES,
    features::CAUSES,
    mixed::CAUSES,
    preempting::CAUSES,
    gang::CAUSES,
    autoscaler::CAUSES,
    scale_up::CAUSES,
    karpenter::CAUSES,
    resource_claim::CAUSES,
    refused::CAUSES,
];

/// How many nodes a line of evidence names.
const NAMED: usize = 8;

/// Everything that the filters say about a pod that waits for a node; the same for all pods of one shape.
pub struct Placement {
    /// The cluster as the pod sees it: with the pods that are nominated to a node before it.
    pub world: Arc<Snapshot>,
    /// What fails where.
    pub judgement: Judgement,
    /// The same for the verdict.
    pub scheduling: Arc<Scheduling>,
    /// What would help.
    pub changes: Changes,
    /// Pods of lower priority that would have to go.
    pub victims: Option<Victims>,
    /// Whether a list could not be read, so that nothing is certain.
    partial: bool,
}

/// The deciding obstacle where each node is closed for a reason of its own and no single change helps.
const EACH_ITS_OWN: &str = "each node for a reason of its own";

/// A pod that waits for a node, with its evaluation; `None` for any other object.
pub fn placement(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Option<Arc<Placement>>> {
    if suspect.at.kind != "Pod" || !waits_for_node(case, suspect) {
        return Ok(None);
    }
    // Every cause asks, and the shape of a pod is as long as the pod.
    let whose = format!("{}/{}", suspect.at.namespace, suspect.at.name);
    Ok(Some(case.memo(&whose, || evaluated(case, suspect.object))?.as_ref().clone()))
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

/// Evaluates a pod, once for all of its shape.
pub fn evaluated(case: &Case<'_>, raw: &Value) -> Fact<Arc<Placement>> {
    case.memo(&shape(raw), || {
        let (world, partial) = &*snapshot(case, raw)?;
        let pod = Pod::new(raw);
        let judgement = judge(world, &pod);
        let changes = changes::search(world, raw, &judgement);
        let victims = victims(case, world, &pod, &judgement)?;
        let seen = nominated::seen_by(world, &pod).map_or_else(|| world.clone(), Arc::new);
        let scheduling = Arc::new(report(&seen, &pod, &judgement));
        Ok(Placement { world: seen, judgement, scheduling, changes, victims, partial: *partial })
    })
}

/// The pods that would have to go for a pod that fits nowhere. Budgets are asked for only where there are any.
fn victims(case: &Case<'_>, world: &Snapshot, pod: &Pod<'_>, judgement: &Judgement) -> Fact<Option<Victims>> {
    let lowest = case.memo("lowest priority", || {
        let pods = case.list(PODS, None).known()?.unwrap_or_default();
        Ok(pods.into_iter().filter(|p| counts(p)).map(preemption::priority).min())
    })?;
    if judgement.any_fits() || lowest.is_none_or(|lowest| lowest >= preemption::priority(pod.raw)) {
        return Ok(None);
    }
    let pods = case.list(PODS, None).known()?.unwrap_or_default();
    let own = preemption::priority(pod.raw);
    let lower = case.memo(&format!("below priority {own}"), || Ok(preemption::Lower::than(own, &pods)))?;
    let budgets = case.list(PDBS, None).known()?.unwrap_or_default();
    Ok(preemption::cheapest(world, pod, judgement, &pods, &lower, &budgets))
}

/// The pods that take room on a node.
pub fn pods_on<'a>(case: &Case<'a>, node: &str) -> Fact<Vec<&'a Value>> {
    let there = case.list_by(PODS, None, By::Node, node).known()?.unwrap_or_default();
    Ok(there.into_iter().filter(|pod| counts(pod)).collect())
}

/// What the scheduler said of a pod, cleaned; empty when it said nothing.
pub fn said(pod: &Value) -> String {
    clean(condition(pod, "PodScheduled").map_or("", |c| str_at(c, "/message"))).into_owned()
}

/// The cluster as filters see it, and whether a list was missing; storage and devices are read only for pods that use
/// them.
fn snapshot(case: &Case<'_>, pod: &Value) -> Fact<Arc<(Arc<Snapshot>, bool)>> {
    let storage = list_at(pod, "/spec/volumes").iter().any(|v| {
        ["persistentVolumeClaim", "ephemeral"].iter().any(|kind| v.get(kind).is_some_and(|source| !source.is_null()))
            || migration::of_source(v).is_some()
    });
    let devices = !list_at(pod, "/spec/resourceClaims").is_empty();
    case.memo(&format!("storage {storage}, devices {devices}"), || {
        let nodes = case.list(NODES, None);
        let pods = case.list(PODS, None).known();
        let optional = |wanted: bool, kind: Known| {
            if wanted { case.list(kind, None).known() } else { Ok(Some(vec![])) }
        };
        let claims = optional(storage, CLAIMS);
        let (volumes, classes) = (optional(storage, VOLUMES), optional(storage, STORAGECLASSES));
        let (csinodes, csidrivers) = (optional(storage, CSINODES), optional(storage, CSIDRIVERS));
        let (capacities, attachments) = (optional(storage, CSICAPACITIES), optional(storage, ATTACHMENTS));
        let resource_claims = optional(devices, RESOURCECLAIMS);
        let (resource_slices, device_classes) = (optional(devices, RESOURCESLICES), optional(devices, DEVICECLASSES));
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
            resource_claims: resource_claims?,
            resource_slices: resource_slices?,
            device_classes: device_classes?,
        };
        let unread = [&objects.volumes, &objects.classes, &objects.resource_claims, &objects.resource_slices];
        let partial = partial || unread.iter().any(|list| list.is_none());
        Ok((Arc::new(Snapshot::build(&objects)), partial))
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
        let fails = |failing: &Failing| failing.iter().any(|(at, _)| PLUGINS[*at].name == plugin);
        self.nodes_where(fails).map(|(node, failing)| (node, failing.len() == 1)).collect()
    }

    /// Nodes on which a filter gives this very reason.
    pub fn with_reason(&self, reason: &str) -> Vec<&Node> {
        self.nodes_where(|failing| gives(failing, reason)).map(|(node, _)| node).collect()
    }

    /// Nodes with what fails there; each combination of failures is asked about once, not once for each of its nodes.
    fn nodes_where(&self, wanted: impl Fn(&Failing) -> bool) -> impl Iterator<Item = (&Node, &Failing)> {
        let kinds: Vec<Option<&Failing>> = self.judgement.kinds().iter().map(|f| wanted(f).then_some(f)).collect();
        let nodes = self.world.nodes.iter().map(AsRef::as_ref).enumerate();
        nodes.filter_map(move |(at, node)| Some((node, (*kinds.get(self.judgement.kind_of(at)?)?)?)))
    }

    /// Why a plugin refuses the pod before looking at nodes.
    pub fn refusal(&self, plugin: &str) -> Option<&str> {
        self.scheduling.prefilter.get(plugin).map(String::as_str)
    }

    /// The filter that stands in the way. Where the pod may go at all is its owner's wish: as long as that leaves nodes,
    /// what keeps it from those is the reason. Among these the filter that the smallest change addresses, else the one
    /// that fails most; [`EACH_ITS_OWN`] where no single change helps and no filter closes all of them.
    pub fn deciding(&self) -> &'static str {
        if let Some((at, _)) = self.judgement.refused.first() {
            // Whichever plugin misses a claim first, it is the same trouble.
            let plugin = PLUGINS[*at].name;
            return if plugin.starts_with("Volume") { "VolumeBinding" } else { plugin };
        }
        let left = self.judgement.leaves_nodes();
        let kinds: Vec<(&Failing, usize)> = self.judgement.counted().filter(|(f, _)| !left || in_place(f)).collect();
        let nodes: usize = kinds.iter().map(|(_, nodes)| nodes).sum();
        let fails_on = |plugin: &str, failing: &Failing| failing.iter().any(|(at, _)| PLUGINS[*at].name == plugin);
        let closed = |plugin: &str| kinds.iter().filter(|(f, _)| fails_on(plugin, f)).map(|(_, n)| n).sum::<usize>();
        let single = !self.changes.found.is_empty() && !self.changes.pairs;
        if !single && nodes > 1 && PLUGINS.iter().all(|p| closed(p.name) < nodes) {
            return EACH_ITS_OWN;
        }
        let counts = |plugin: &str| !left || !is_place(plugin);
        if let Some(change) = self.changes.found.iter().find(|change| counts(change.plugin)) {
            return change.plugin;
        }
        let most = PLUGINS.iter().rev().max_by_key(|p| closed(p.name));
        most.map_or("NodeResourcesFit", |p| p.name)
    }

    /// Whether a filter has a share in that the pod waits: it closes a node that the deciding one leaves open, or no
    /// node is closed by the deciding one alone. Else the pod could be placed in spite of it.
    fn adds_to(&self, deciding: &str, plugin: &str) -> bool {
        let kinds = self.judgement.kinds();
        if !self.judgement.refused.is_empty() {
            return kinds.iter().all(|failing| !failing.is_empty());
        }
        let fails = |failing: &Failing, plugin: &str| failing.iter().any(|(at, _)| PLUGINS[*at].name == plugin);
        let alone = |failing: &Failing| failing.iter().all(|(at, _)| PLUGINS[*at].name == deciding);
        !kinds.iter().any(alone) || kinds.iter().any(|failing| fails(failing, plugin) && !fails(failing, deciding))
    }

    /// Certain when the scheduler says the same as the evaluation.
    fn confidence(&self, pod: &Value) -> Confidence {
        match () {
            _ if self.partial => Confidence::Medium,
            _ if message::agrees(&self.scheduling.message, &said(pod)) => Confidence::Certain,
            _ => Confidence::High,
        }
    }

    /// Finishes the match of a filter's cause: matrix, the scheduler's words, what would help, its place in the graph.
    pub fn finish<'a>(&self, case: &Case<'a>, suspect: &Suspect<'a>, plugin: &str, mut found: Match) -> Fact<Match> {
        found = found.confidence(self.confidence(suspect.object)).scheduling(self.scheduling.clone());
        if self.judgement.any_fits() {
            return Ok(found.aside());
        }
        found = found.because_cause("preemption-in-progress").because_cause("ca-scale-up-");
        let deciding = self.deciding();
        if deciding != plugin {
            let found = found.because_cause(self.cause_of(deciding));
            return Ok(if self.adds_to(deciding, plugin) { found } else { found.beside() });
        }
        found = self.scheduler_said(suspect, found);
        if self.changes.pairs {
            found = found.evidence(&suspect.at, "", "", "no single change lets it be placed; these pairs do");
        } else if self.changes.found.is_empty() {
            let text = "no change of one or two steps that was tried lets it be placed";
            found = found.evidence(&suspect.at, "", "", text);
        }
        for change in self.changes.found.iter() {
            found = found.fix(fix_of(case, suspect, change)?);
        }
        Ok(self.displacing(suspect, found))
    }

    fn scheduler_said(&self, suspect: &Suspect<'_>, found: Match) -> Match {
        let (path, said) = ("status.conditions[PodScheduled].message", said(suspect.object));
        let text = match &self.scheduling.message {
            ours if message::agrees(ours, &said) => format!("the scheduler says the same: {ours}"),
            ours if said.is_empty() => format!("the scheduler has not said why; it would say: {ours}"),
            ours => format!("the scheduler said: {said} (as the cluster stands now: {ours})"),
        };
        found.evidence(&suspect.at, path, &said, text)
    }

    /// The pods of lower priority whose eviction was seen to make room, and why the scheduler does not do it itself.
    fn displacing(&self, suspect: &Suspect<'_>, found: Match) -> Match {
        let Some(victims) = &self.victims else { return found };
        let names: Vec<String> = (victims.pods.iter().take(NAMED))
            .map(|(ns, name, priority)| format!("{ns}/{name} (priority {priority})"))
            .collect();
        let more = victims.pods.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let guard = match victims.protected {
            0 => String::new(),
            n => format!("; {} protected by a PodDisruptionBudget", count(n, "pod")),
        };
        let never = str_at(suspect.object, "/spec/preemptionPolicy") == "Never";
        let policy = if never { "; its preemptionPolicy is Never, so the scheduler displaces nobody" } else { "" };
        let (node, names) = (&victims.node, names.join(", "));
        let text = format!("{node} would take it without {names}{more}, of lower priority{guard}{policy}");
        let found = found.evidence(&node_ref(node), "", "", text);
        match &victims.pods[..] {
            [(ns, name, _)] if victims.protected == 0 => found.fix(Fix {
                summary: format!("evict {ns}/{name}, of lower priority → fits {node}"),
                live: format!("kubectl -n {ns} delete pod {name}"),
                verified: true,
                ..Fix::default()
            }),
            _ => found,
        }
    }

    /// The id of the cause that speaks for a filter.
    fn cause_of(&self, plugin: &str) -> &'static str {
        let any = |reason: &str| self.judgement.kinds().iter().any(|failing| gives(failing, reason));
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
            "DynamicResources" => "dra-unallocatable",
            "NodeDeclaredFeatures" => "node-features-mismatch",
            EACH_ITS_OWN => "no-single-node-fits",
            "InterPodAffinity" if any(inter_pod_affinity::ANTI_AFFINITY) => "pod-anti-affinity-self",
            "InterPodAffinity" if any(inter_pod_affinity::EXISTING) => "existing-anti-affinity",
            _ => "pod-affinity-unmatched",
        }
    }
}

/// Whether a reason is among those of a node.
fn gives(failing: &Failing, reason: &str) -> bool {
    failing.iter().any(|(_, reasons)| reasons.iter().any(|r| r == reason))
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
