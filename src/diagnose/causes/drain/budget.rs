//! Budgets that let no pod of a node go.
//!
//! ## drain-pdb-zero
//! **You see.** A drain repeats `Cannot evict pod as it would violate the pod's disruption budget` every five seconds
//! and never ends; all pods are healthy.
//! **Why.** The PodDisruptionBudget leaves nothing to spare: `minAvailable` is as high as the number of pods, or
//! `maxUnavailable` is 0. A single replica with `minAvailable: 1` is the usual case.
//! **How kokpit knows.** `status.disruptionsAllowed` is 0 while `currentHealthy` is `expectedPods`; the budget's
//! arithmetic is done again with one replica more, and only what helps is proposed.
//! **Looks alike.** `drain-pdb-unhealthy` (pods are broken), `drain-pdb-no-spare-capacity` (a pod has no node).
//! **Mend it.** Live: scale up by one, where that helps. Git: `spec.maxUnavailable: 1` of the budget.
//!
//! ## drain-pdb-unhealthy
//! **You see.** A drain repeats `… needs 2 healthy pods and has 1 currently`.
//! **Why.** Pods of the budget are broken somewhere else, so no healthy one may go. Under the default policy
//! `IfHealthyBudget` the broken ones may not be evicted either.
//! **How kokpit knows.** `currentHealthy` is less than `expectedPods`; what is wrong with the other pods becomes the
//! reason.
//! **Looks alike.** `drain-pdb-zero`: there all pods are healthy. Pods that have just started count as on their way.
//! **Mend it.** Mend the broken pods. Git: `unhealthyPodEvictionPolicy: AlwaysAllow`, where a broken pod is on the node.
//!
//! ## drain-pdb-multiple
//! **You see.** A drain ends at once with `This pod has more than one PodDisruptionBudget, which the eviction subresource
//! does not support.` (500).
//! **Why.** Two or more budgets select the same pod. The API server evicts no such pod, whatever the budgets allow.
//! **How kokpit knows.** The selectors of the namespace's budgets are matched with the pod's labels.
//! **Looks alike.** `drain-pdb-zero` is asked again and again; this one fails at once.
//! **Mend it.** Git: narrow one selector, or delete one of the budgets.
//!
//! ## drain-pdb-syncfailed
//! **You see.** A drain repeats `… does not allow evicting pods currently because it failed sync`, or `… is still being
//! processed by the server`.
//! **Why.** The disruption controller cannot count: a percentage or `maxUnavailable` needs a scale, and the pods' owner
//! has none. Or it has not looked at the budget since it changed.
//! **How kokpit knows.** Condition DisruptionAllowed has the reason `SyncFailed`, or `observedGeneration` is behind
//! `generation`.
//! **Looks alike.** `drain-pdb-zero`: there the numbers are right.
//! **Mend it.** Git: a plain number as `minAvailable`; or mend the pods' owner.
//!
//! ## drain-pdb-no-spare-capacity
//! **You see.** A drain stops half-way: the evicted pod's replacement is Pending, so the budget lets no further one go.
//! **Why.** The rest of the cluster has no room for the pods that leave.
//! **How kokpit knows.** A pod of the budget has no node; every filter is evaluated for it, and what keeps it from being
//! placed becomes the reason.
//! **Looks alike.** `drain-pdb-unhealthy`: there the pods run and fail.
//! **Mend it.** Add a node, or uncordon one; smaller requests.

use super::{Hold, count, left};
use crate::diagnose::eviction::{self, Count, Why, called};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::{PDBS, PODS};
use crate::diagnose::pods::{self, condition};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, name, namespace, str_at};
use serde_json::Value;

causes! { "budget.rs";
    "drain-pdb-zero" "a disruption budget leaves no pod to spare" Degraded ["Node", "PodDisruptionBudget"] zero;
    "drain-pdb-unhealthy" "a disruption budget lets no pod go while others are broken" Degraded ["Node", "PodDisruptionBudget"]
        |c, s| held_by(c, s, Why::Unhealthy);
    "drain-pdb-multiple" "several disruption budgets select the same pod" Degraded ["Node", "PodDisruptionBudget"] multiple;
    "drain-pdb-syncfailed" "a disruption budget could not be counted" Degraded ["Node", "PodDisruptionBudget"]
        |c, s| held_by(c, s, Why::NotCounted);
    "drain-pdb-no-spare-capacity" "a disruption budget waits for a pod that finds no node" Degraded ["Node", "PodDisruptionBudget"]
        |c, s| held_by(c, s, Why::NoRoom);
}

/// A budget that holds pods back.
struct Held<'a> {
    budget: &'a Value,
    /// The pods that it holds: on the node, where a node is asked about.
    held: Vec<&'a Value>,
    /// All pods that it selects, as far as they can be read.
    selected: Vec<&'a Value>,
    why: Why,
}

/// The budgets that hold back pods of a node that is being emptied, or the budget asked about.
fn budgets<'a>(case: &Case<'a>, suspect: &Suspect<'a>) -> Fact<Vec<Held<'a>>> {
    let mut found: Vec<(&'a Value, Vec<&'a Value>)> = Vec::new();
    if suspect.at.kind == "Node" {
        for one in left(case, suspect)? {
            let Hold::Budget(budget) = one.hold else { continue };
            match found.iter_mut().find(|(known, _)| std::ptr::eq(*known, budget)) {
                Some((_, pods)) => pods.push(one.pod),
                None => found.push((budget, vec![one.pod])),
            }
        }
    } else if suspect.exists() && Count::of(suspect.object).allowed <= 0 {
        found.push((suspect.object, Vec::new()));
    }
    let mut all = Vec::new();
    for (budget, held) in found {
        let others = case.list(PODS, Some(namespace(budget))).known()?;
        let selected = others.map_or(held.clone(), |pods| {
            pods.into_iter().filter(|pod| eviction::selects(budget, pod) && !pods::is_finished(pod)).collect()
        });
        let stuck = |pod: &&&Value| matches!(eviction::hold(pod, [budget]), Hold::Budget(_));
        let held = if held.is_empty() { selected.iter().filter(stuck).copied().collect() } else { held };
        if !held.is_empty() {
            let why = eviction::why(budget, &selected, case.now());
            all.push(Held { budget, held, selected, why });
        }
    }
    Ok(all)
}

fn zero(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for held in budgets(case, suspect)? {
        let count = Count::of(held.budget);
        // The budget of broken pods would go on refusing when they are mended: worth saying beside it.
        let also = matches!(held.why, Why::Unhealthy | Why::NoRoom) && count.never_allows();
        let itself = held.why == Why::Zero || (held.why == Why::Moving && count.never_allows());
        if !also && !itself {
            continue;
        }
        let (rule, pods, budget) = (&count.rule, super::count(held.selected.len()), called(held.budget));
        let summary = match also {
            true => format!("Even with every pod healthy, PDB {budget} lets none go: {rule} of {pods}."),
            false => format!("PDB {budget} lets no pod go: {rule} of {pods} leaves none to spare."),
        };
        let mut m = held.describe(suspect, Match::on(&ObjectRef::of(held.budget), summary));
        m = held.spare(case, m)?;
        found.push(if also { m.aside() } else { m });
    }
    Ok(found)
}

fn held_by(case: &Case<'_>, suspect: &Suspect<'_>, why: Why) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for held in budgets(case, suspect)?.iter().filter(|held| held.why == why) {
        let summary = held.summary();
        let mut m = held.describe(suspect, Match::on(&ObjectRef::of(held.budget), summary));
        m = match why {
            Why::NotCounted => held.uncounted(case, m)?,
            _ => held.because_of_others(case, m)?,
        };
        found.push(m);
    }
    Ok(found)
}

impl Held<'_> {
    fn summary(&self) -> String {
        let (budget, numbers) = (called(self.budget), Count::of(self.budget));
        let (current, desired) = (numbers.current, numbers.desired);
        match self.why {
            Why::NoRoom => {
                format!("PDB {budget} lets no pod go: {current} healthy of {desired} needed, a pod of it has no node.")
            }
            Why::NotCounted => format!("PDB {budget} lets no pod go: its pods could not be counted."),
            _ => format!("PDB {budget} lets no pod go: {current} healthy of {desired} needed."),
        }
    }

    /// Evidence: the arithmetic, the pods that are held, what a drain does about it.
    fn describe(&self, suspect: &Suspect<'_>, mut m: Match) -> Match {
        let (at, numbers) = (ObjectRef::of(self.budget), Count::of(self.budget));
        let value = format!(
            "disruptionsAllowed={} currentHealthy={} desiredHealthy={} expectedPods={} unhealthyPodEvictionPolicy={}",
            numbers.allowed, numbers.current, numbers.desired, numbers.expected, numbers.policy
        );
        let text = format!("PDB {} {}: {}", called(self.budget), numbers.rule, numbers.in_words());
        m = m.evidence(&at, "status", &value, text);
        for pod in self.held.iter().take(6) {
            m = m.evidence(&ObjectRef::of(pod), "", "", self.refusal(pod, &numbers));
        }
        if self.held.len() > 6 {
            m = m.evidence(&at, "", "", format!("and {} more pods are held", self.held.len() - 6));
        }
        if suspect.at.kind == "Node" {
            let text = "their eviction is answered 429; kubectl drain asks again every 5 s, without --timeout for ever";
            m = m.evidence(&suspect.at, "", "", text);
        }
        m
    }

    fn refusal(&self, pod: &Value, numbers: &Count<'_>) -> String {
        let (who, node) = (called(pod), str_at(pod, "/spec/nodeName"));
        match pods::is_true(pod, "Ready") {
            true => format!("{who} on {node} is held: without it {} healthy pods are left", numbers.current - 1),
            false => format!("{who} on {node} is held, though not ready: {} needs the budget healthy", numbers.policy),
        }
    }

    /// Fixes that leave a pod to spare.
    fn spare<'a>(&self, case: &Case<'a>, mut m: Match) -> Fact<Match>
    where
        Self: 'a,
    {
        let budget = self.budget;
        let owner = match self.held.first() {
            Some(pod) => kin::top_owner(case, pod)?,
            None => budget,
        };
        let (ns, kind, who) = (namespace(owner), str_at(owner, "/kind").to_lowercase(), name(owner));
        if let Some(replicas) = eviction::scale_that_helps(budget, owner) {
            let summary = format!("raise {kind}/{who} to {replicas} replicas: then one pod may go");
            let live = format!("kubectl -n {ns} scale {kind}/{who} --replicas={replicas}");
            let mut fix = case.fix(owner, "spec.replicas", summary, live)?;
            fix.verified = true;
            m = m.fix(fix);
        }
        let live = format!(
            "kubectl -n {ns} patch pdb {} --type=merge -p '{{\"spec\":{{\"minAvailable\":null,\"maxUnavailable\":1}}}}'",
            name(budget)
        );
        let cost = match kin::replicas(owner) {
            Some(1) => "let its only pod go (it is down while it moves): maxUnavailable 1",
            _ => "let one pod go at a time: maxUnavailable 1",
        };
        Ok(m.fix(case.fix(budget, "spec.maxUnavailable", cost, live)?))
    }

    /// The pods that are not healthy are the reason; where they were never made, their owner is.
    fn because_of_others<'a>(&self, case: &Case<'a>, mut m: Match) -> Fact<Match>
    where
        Self: 'a,
    {
        let homeless = |pod: &&Value| str_at(pod, "/spec/nodeName").is_empty();
        let wanted: Vec<&Value> = match self.why {
            Why::NoRoom => self.selected.iter().copied().filter(homeless).collect(),
            _ => self.selected.clone(),
        };
        let ill = kin::ill_pods(case, &wanted);
        for lead in ill.iter().take(6) {
            let pod = wanted.iter().find(|pod| ObjectRef::of(pod) == lead.at).copied().unwrap_or(&Value::Null);
            let node = str_at(pod, "/spec/nodeName");
            let place = if node.is_empty() { "has no node".to_owned() } else { format!("on {node}") };
            let text = format!("{} {place} is not healthy", called(pod));
            m = m.evidence(&lead.at, "status.conditions[Ready]", "False", text);
        }
        if ill.is_empty()
            && let Some(pod) = self.held.first()
        {
            m = m.because(ObjectRef::of(kin::top_owner(case, pod)?));
        }
        let unready = self.held.iter().any(|pod| !pods::is_true(pod, "Ready"));
        if unready && Count::of(self.budget).policy != "AlwaysAllow" {
            let live = format!(
                "kubectl -n {} patch pdb {} --type=merge -p '{{\"spec\":{{\"unhealthyPodEvictionPolicy\":\"AlwaysAllow\"}}}}'",
                namespace(self.budget),
                name(self.budget)
            );
            let what = "let pods go that are not ready anyway";
            m = m.fix(case.fix(self.budget, "spec.unhealthyPodEvictionPolicy", what, live)?);
        }
        Ok(m.because_all(ill))
    }

    /// Why its controller could not count, and what it can count.
    fn uncounted<'a>(&self, case: &Case<'a>, mut m: Match) -> Fact<Match>
    where
        Self: 'a,
    {
        let at = ObjectRef::of(self.budget);
        match condition(self.budget, "DisruptionAllowed").filter(|c| str_at(c, "/reason") == "SyncFailed") {
            Some(said) => {
                let age = case.age(str_at(said, "/lastTransitionTime"));
                let message = str_at(said, "/message");
                m = m.evidence_aged(
                    &at,
                    "status.conditions[DisruptionAllowed]",
                    message,
                    age,
                    format!("SyncFailed: {message}"),
                );
            }
            None => {
                let text = "the budget has changed and kube-controller-manager has not counted since: the API server waits for it";
                m = m.evidence(&at, "status.observedGeneration", "", text).confidence(Confidence::High);
            }
        }
        let healthy = self.selected.iter().filter(|pod| pods::is_true(pod, "Ready")).count();
        let least = healthy.saturating_sub(1).max(1);
        let live = format!(
            "kubectl -n {} patch pdb {} --type=merge -p '{{\"spec\":{{\"maxUnavailable\":null,\"minAvailable\":{least}}}}}'",
            namespace(self.budget),
            name(self.budget)
        );
        let what = "say how many as a plain number, which needs no scale of the owner";
        Ok(m.fix(case.fix(self.budget, "spec.minAvailable", what, live)?))
    }
}

fn multiple(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut groups: Vec<(Vec<&Value>, Vec<&Value>)> = Vec::new();
    for one in several(case, suspect)? {
        match groups.iter_mut().find(|(budgets, _)| *budgets == one.0) {
            Some((_, pods)) => pods.push(one.1),
            None => groups.push((one.0, vec![one.1])),
        }
    }
    let mut found = Vec::new();
    for (budgets, pods) in groups {
        let (Some(first), Some(pod)) = (budgets.first(), pods.first()) else { continue };
        let (names, at) = (super::names(&budgets), ObjectRef::of(first));
        let who = if pods.len() == 1 { called(pod) } else { count(pods.len()) };
        let mut m =
            Match::on(&at, format!("PDBs {names} all select {who}: the API server refuses the eviction (500)."));
        for budget in &budgets {
            let selector = budget.pointer("/spec/selector").map(ToString::to_string).unwrap_or_default();
            m = m.evidence(
                &ObjectRef::of(budget),
                "spec.selector",
                &selector,
                format!("PDB {} selects {selector}", called(budget)),
            );
        }
        for pod in pods.iter().take(6) {
            m = m.evidence(&ObjectRef::of(pod), "metadata.labels", "", format!("{} matches all of them", called(pod)));
        }
        m = m.evidence(&suspect.at, "", "", "a drain does not ask again: it fails");
        let live = format!("kubectl -n {} edit pdb {}", namespace(first), name(first));
        found.push(m.fix(case.fix(
            first,
            "spec.selector",
            "narrow one of the selectors, or delete one budget",
            live,
        )?));
    }
    Ok(found)
}

/// Pods that several budgets select, with those budgets: pods on a node that is being emptied, or pods of a budget.
fn several<'a>(case: &Case<'a>, suspect: &Suspect<'a>) -> Fact<Vec<(Vec<&'a Value>, &'a Value)>> {
    let pods: Vec<(Hold<'a>, &'a Value)> = match suspect.at.kind.as_str() {
        "Node" => left(case, suspect)?.into_iter().map(|one| (one.hold, one.pod)).collect(),
        _ => {
            let ns = Some(suspect.at.namespace.as_str());
            let budgets = case.list(PDBS, ns)?;
            if budgets.len() < 2 || !suspect.exists() {
                return Ok(Vec::new());
            }
            let pods = case.list(PODS, ns)?.into_iter().filter(|pod| eviction::selects(suspect.object, pod));
            pods.map(|pod| (eviction::hold(pod, budgets.iter().copied()), pod)).collect()
        }
    };
    Ok(pods
        .into_iter()
        .filter_map(|(hold, pod)| match hold {
            Hold::Several(budgets) => Some((budgets, pod)),
            _ => None,
        })
        .collect())
}
