//! Nodes that are being emptied: which pods are left, and what keeps each of them.
//!
//! A node is being emptied when it is cordoned, when it is being deleted, or when an autoscaler marked it. The API
//! keeps no trace of a `kubectl drain`: an eviction that a budget refuses is answered (429) and forgotten. So what
//! would be answered is worked out for every pod that is left, by the rules of [`eviction`](crate::diagnose::eviction).

use crate::diagnose::eviction::{self, Count, Hold, Stays};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::PDBS;
use crate::world::object::{ObjectRef, bool_at, list_at, name, str_at};
use crate::world::time::{Time, human};
use serde_json::Value;

pub mod budget;
pub mod pods;

/// Taints that autoscalers put on a node that they are about to remove.
pub const LEAVING: &[&str] =
    &["ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler", "karpenter.sh/disrupted"];

/// How many pods are named one by one.
const NAMED: usize = 12;

/// Whether a node is being emptied.
pub fn is_emptied(node: &Value) -> bool {
    let marked = list_at(node, "/spec/taints")
        .iter()
        .any(|t| LEAVING.contains(&str_at(t, "/key")) && str_at(t, "/effect") != "PreferNoSchedule");
    bool_at(node, "/spec/unschedulable") || eviction::is_ending(node) || marked
}

/// A pod that is left on a node that is being emptied.
pub struct Left<'a> {
    /// The pod.
    pub pod: &'a Value,
    /// Why it stays and nobody minds.
    pub stays: Option<Stays>,
    /// What its budgets say.
    pub hold: Hold<'a>,
    /// What drain wants a flag for.
    pub flag: Option<Flag<'a>>,
}

/// What `kubectl drain` wants a flag for.
pub enum Flag<'a> {
    /// `--delete-emptydir-data`: names of the volumes.
    EmptyDir(Vec<&'a str>),
    /// `--force`
    Unmanaged,
}

/// The pods that are left on the node that was asked about, when it is being emptied, those that are held first.
/// (A node that is looked at for another reason gets no such answer: nobody asked why it is not empty.)
pub fn left<'a>(case: &Case<'a>, suspect: &Suspect<'_>) -> Fact<Vec<Left<'a>>> {
    if suspect.at.kind != "Node" || !suspect.asked || !is_emptied(suspect.object) {
        return Ok(Vec::new());
    }
    let pods = case.pods_on(&suspect.at.name)?;
    if pods.iter().all(|pod| eviction::stays(pod).is_some()) {
        return Ok(pods.into_iter().map(|pod| Left::of(pod, &[])).collect());
    }
    let budgets = case.list(PDBS, None).known()?.unwrap_or_default();
    let mut left: Vec<Left<'a>> = pods.into_iter().map(|pod| Left::of(pod, &budgets)).collect();
    left.sort_by_key(|left| (left.rank(), name(left.pod)));
    Ok(left)
}

impl<'a> Left<'a> {
    fn of(pod: &'a Value, budgets: &[&'a Value]) -> Self {
        let stays = eviction::stays(pod);
        let hold = match stays {
            Some(_) => Hold::Free,
            None => eviction::hold(pod, budgets.iter().copied()),
        };
        let volumes = eviction::empty_dirs(pod);
        let flag = match () {
            _ if stays.is_some() || eviction::is_ending(pod) => None,
            _ if !volumes.is_empty() => Some(Flag::EmptyDir(volumes)),
            _ if eviction::is_unmanaged(pod) => Some(Flag::Unmanaged),
            _ => None,
        };
        Self { pod, stays, hold, flag }
    }

    /// Whether it could be evicted now, without any flag.
    pub fn is_free(&self) -> bool {
        self.stays.is_none() && self.hold == Hold::Free && self.flag.is_none() && !eviction::is_ending(self.pod)
    }

    fn rank(&self) -> u8 {
        match () {
            _ if self.stays.is_some() => 4,
            _ if self.hold != Hold::Free => 0,
            _ if eviction::is_ending(self.pod) => 1,
            _ if self.flag.is_some() => 2,
            _ => 3,
        }
    }

    /// What keeps it, after its name.
    pub fn in_words(&self, case: &Case<'_>) -> String {
        let flag = match &self.flag {
            Some(Flag::EmptyDir(volumes)) => {
                format!("needs --delete-emptydir-data (emptyDir {} is lost)", volumes.join(", "))
            }
            Some(Flag::Unmanaged) => "needs --force (nothing would make it again)".to_owned(),
            None => String::new(),
        };
        let held = match (&self.hold, self.stays) {
            (_, Some(Stays::Daemon)) => "stays, its DaemonSet would make it again".to_owned(),
            (_, Some(Stays::Static)) => "stays, a static pod of the kubelet".to_owned(),
            (Hold::Budget(budget), _) => {
                format!("held by PDB {}: {}", eviction::called(budget), Count::of(budget).in_words())
            }
            (Hold::Several(budgets), _) => format!("held: PDBs {} all select it", names(budgets)),
            (Hold::Free, _) if eviction::is_ending(self.pod) => ending(case, self.pod),
            (Hold::Free, _) if self.flag.is_none() => "can be evicted".to_owned(),
            (Hold::Free, _) => String::new(),
        };
        [held, flag].iter().filter(|t| !t.is_empty()).map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

/// `shop/a and shop/b`
fn names(budgets: &[&Value]) -> String {
    budgets.iter().map(|b| eviction::called(b)).collect::<Vec<_>>().join(" and ")
}

/// How far a pod's end is. A deletionTimestamp is the time at which its grace ends.
fn ending(case: &Case<'_>, pod: &Value) -> String {
    match Time::parse(str_at(pod, "/metadata/deletionTimestamp")).unwrap_or(case.now()).0 - case.now().0 {
        over if over < 0 => format!("is ending, its grace was over {} ago", human(-over)),
        left => format!("is ending, its grace lasts {} more", human(left)),
    }
}

/// Evidence: pod by pod what keeps it; the ones that stay by nature are only counted.
pub fn pod_by_pod(case: &Case<'_>, left: &[Left<'_>], mut found: Match) -> Match {
    let (stay, go): (Vec<&Left<'_>>, Vec<&Left<'_>>) = left.iter().partition(|left| left.stays.is_some());
    for one in go.iter().take(NAMED) {
        let text = format!("{} {}", eviction::called(one.pod), one.in_words(case));
        found = found.evidence(&ObjectRef::of(one.pod), "", "", text);
    }
    if let (at, Some(more)) = (&found.finding.object.clone(), go.get(NAMED..).filter(|more| !more.is_empty())) {
        let free = more.iter().filter(|left| left.is_free()).count();
        found = found.evidence(at, "", "", format!("and {} more pods, {free} of which can be evicted", more.len()));
    }
    if !stay.is_empty() {
        let at = found.finding.object.clone();
        let text = format!("{} of DaemonSets and of the kubelet itself stay, as they should", count(stay.len()));
        found = found.evidence(&at, "", "", text);
    }
    found
}

/// `1 pod`, `3 pods`
pub fn count(n: usize) -> String {
    if n == 1 { "1 pod".into() } else { format!("{n} pods") }
}
