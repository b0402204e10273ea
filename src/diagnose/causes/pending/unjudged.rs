//! Pods that no scheduler has judged.
//!
//! ## scheduling-gated
//! **You see.** A pod shows `SchedulingGated`; there is no event of the scheduler.
//! **Why.** `spec.schedulingGates` is not empty: some controller (a queue, a quota) wants to let the pod go by itself.
//! **How kokpit knows.** The gates stand in the pod.
//! **Looks alike.** A pod that the scheduler refused has `Unschedulable` as its reason.
//! **Mend it.** The controller that set the gate takes it away; look at its queue. In an emergency remove the gate by
//! hand.
//!
//! ## scheduler-name-unknown
//! **You see.** A pod stays Pending without any event.
//! **Why.** `spec.schedulerName` names a scheduler that does not run here, so nobody looks at the pod.
//! **How kokpit knows.** The pod has no PodScheduled condition, its scheduler is not the default one, no pod of that
//! scheduler ever got a node, and no pod looks like it.
//! **Looks alike.** `no-scheduler-verdict` (the default scheduler is down, or the pod is young).
//! **Mend it.** Git: `spec.template.spec.schedulerName`, or install that scheduler.
//!
//! ## no-scheduler-verdict
//! **You see.** A pod stays Pending without any event, with the default scheduler.
//! **Why.** The scheduler is down, has no leader, or cannot reach the API server.
//! **How kokpit knows.** The pod is older than half a minute and has no PodScheduled condition; the scheduler's lease is
//! stale, has no holder, or cannot be seen.
//! **Looks alike.** `scheduler-name-unknown`, `scheduling-gated`.
//! **Mend it.** Live: restart the scheduler.

use super::{count, resource_claim};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::{EVENTS, LEASES, PODS};
use crate::diagnose::pods::condition;
use crate::diagnose::scheduling::changes::Template;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{int_at, list_at, name, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use serde_json::{Value, json};

const DEFAULT: &str = "default-scheduler";
/// A pod without a verdict for this long is not just new.
const GATE_S: i64 = 30;

causes! { "unjudged.rs";
    "scheduling-gated" "a scheduling gate holds the pod back" Degraded ["Pod"] gated;
    "scheduler-name-unknown" "no scheduler of that name runs" Outage ["Pod"] unknown;
    "no-scheduler-verdict" "the scheduler says nothing" Outage ["Pod"] silent;
}

fn is_waiting(pod: &Value) -> bool {
    pod.is_object()
        && str_at(pod, "/spec/nodeName").is_empty()
        && str_at(pod, "/metadata/deletionTimestamp").is_empty()
        && matches!(str_at(pod, "/status/phase"), "" | "Pending")
}

/// The gates of a pod.
fn gates(pod: &Value) -> Vec<&str> {
    list_at(pod, "/spec/schedulingGates").iter().map(|g| str_at(g, "/name")).collect()
}

fn gated(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let gates = gates(suspect.object);
    if !is_waiting(suspect.object) || gates.is_empty() {
        return Ok(vec![]);
    }
    let list = gates.join(", ");
    let (ns, pod) = (&suspect.at.namespace, &suspect.at.name);
    let age = Some(case.age_of(suspect.object));
    let owner = match gates.iter().any(|g| g.starts_with("kueue.x-k8s.io/")) {
        true => "Kueue holds it in a queue; look at its Workload and ClusterQueue",
        false => "whoever set the gate takes it away",
    };
    let found = Match::on(&suspect.at, format!("It is held back by the scheduling gate {list}."))
        .evidence_aged(&suspect.at, "spec.schedulingGates", &list, age, format!("waiting for scheduling gates: {list}"))
        .evidence(&suspect.at, "", "", owner)
        .fix(Fix { summary: format!("let the controller of {list} release it"), ..Fix::default() })
        .fix(Fix {
            summary: "in an emergency remove the first gate by hand".into(),
            live: format!(
                "kubectl -n {ns} patch pod {pod} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/spec/schedulingGates/0\"}}]'"
            ),
            ..Fix::default()
        });
    Ok(vec![found])
}

/// Whether nobody has judged the pod although there was time.
fn unjudged(case: &Case<'_>, pod: &Value) -> bool {
    is_waiting(pod)
        && gates(pod).is_empty()
        && condition(pod, "PodScheduled").is_none_or(|c| str_at(c, "/status") == "Unknown")
        && case.age_of(pod) > GATE_S
}

fn scheduler(pod: &Value) -> &str {
    match str_at(pod, "/spec/schedulerName") {
        "" => DEFAULT,
        name => name,
    }
}

fn unknown(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let wanted = scheduler(suspect.object);
    if !unjudged(case, suspect.object) || wanted == DEFAULT || resource_claim::awaited(case, suspect.object)?.is_some()
    {
        return Ok(vec![]);
    }
    let runs = case.memo(&format!("scheduler {wanted}"), || {
        let bound = |p: &&Value| scheduler(p) == wanted && !str_at(p, "/spec/nodeName").is_empty();
        let looks_like_it = |p: &&Value| name(p).contains(wanted) && str_at(p, "/status/phase") == "Running";
        Ok(case.list(PODS, None)?.iter().any(|p| bound(p) || looks_like_it(p)))
    })?;
    if *runs {
        return Ok(vec![]);
    }
    let template = Template::of(suspect.object);
    let wanted = clean(wanted);
    let mut found =
        Match::on(&suspect.at, format!("It wants the scheduler {wanted}, and none of that name runs here."))
            .evidence(&suspect.at, "spec.schedulerName", &wanted, format!("schedulerName {wanted}"))
            .evidence(
                &suspect.at,
                "",
                "",
                "no scheduler of that name runs: it never gave a pod a node, and no pod looks like it",
            )
            .evidence_aged(
                &suspect.at,
                "status.conditions",
                "",
                Some(case.age_of(suspect.object)),
                "no PodScheduled condition: nobody has looked at it",
            )
            .confidence(Confidence::High);
    if let Some(time) = *case.memo("last bound", || last_bound(case))? {
        let seconds = time.age(case.now());
        found = found.evidence_aged(
            &suspect.at,
            "",
            "",
            Some(seconds),
            format!("{DEFAULT} bound other pods about {} ago", about(seconds)),
        );
    }
    let live = template.patch(json!({"schedulerName": DEFAULT}));
    let text = format!("let {DEFAULT} place it, or install {wanted}");
    Ok(vec![found.fix(case.fix(suspect.object, &template.field("spec.schedulerName"), text, live)?)])
}

/// `1m` rather than `72s`: the exact second says nothing here.
fn about(seconds: i64) -> String {
    human(if seconds >= 60 { seconds - seconds % 60 } else { seconds }).replace("60s", "1m")
}

/// When the default scheduler last bound a pod, by events or conditions.
fn last_bound(case: &Case<'_>) -> Fact<Option<Time>> {
    let events = case.list(EVENTS, None).known()?.unwrap_or_default();
    let by_event = events.iter().filter(|e| str_at(e, "/reason") == "Scheduled").filter_map(|e| {
        let time = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
        time.iter().find_map(|t| Time::parse(str_at(e, t)))
    });
    let all = case.list(PODS, None).known()?.unwrap_or_default();
    let by_pod = all.iter().filter(|p| scheduler(p) == DEFAULT).filter_map(|p| {
        let c = condition(p, "PodScheduled").filter(|c| str_at(c, "/status") == "True")?;
        Time::parse(str_at(c, "/lastTransitionTime"))
    });
    Ok(by_event.chain(by_pod).max())
}

fn silent(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let own = scheduler(suspect.object) == DEFAULT;
    if !own || !unjudged(case, suspect.object) || resource_claim::awaited(case, suspect.object)?.is_some() {
        return Ok(vec![]);
    }
    let at = LEASES.at("kube-system", "kube-scheduler");
    let lease = case.get(&at).known()?.flatten();
    let age = Some(case.age_of(suspect.object));
    let found = Match::on(&suspect.at, "The scheduler has said nothing about it: is it running?").evidence_aged(
        &suspect.at,
        "status.conditions",
        "",
        age,
        "no PodScheduled condition",
    );
    let (text, confidence) = lease_state(case, lease);
    let found = found.evidence(&at, "spec", "", text).confidence(confidence);
    let alike = case.memo("pods without a verdict", || {
        let all = case.list(PODS, None).known()?.unwrap_or_default();
        Ok(all.into_iter().filter(|pod| unjudged(case, pod)).count())
    })?;
    let text = format!("{} without a verdict", count(*alike, "pod"));
    let found = found.evidence(&suspect.at, "", "", text);
    Ok(vec![found.fix(Fix {
        summary: "look at the scheduler's pods and restart them".into(),
        live: "kubectl -n kube-system get pods -l component=kube-scheduler".into(),
        ..Fix::default()
    })])
}

fn lease_state(case: &Case<'_>, lease: Option<&Value>) -> (String, Confidence) {
    let Some(lease) = lease else {
        return (
            "no lease kube-system/kube-scheduler to be seen (a managed control plane hides it)".into(),
            Confidence::Medium,
        );
    };
    let age = case.age(str_at(lease, "/spec/renewTime")).unwrap_or(i64::MAX);
    let duration = int_at(lease, "/spec/leaseDurationSeconds").unwrap_or(15);
    match () {
        // A scheduler that stopped in order leaves an empty holder behind.
        _ if str_at(lease, "/spec/holderIdentity").is_empty() => {
            ("the scheduler's lease has no holder".into(), Confidence::High)
        }
        _ if age > duration => (format!("the scheduler's lease was last renewed {} ago", human(age)), Confidence::High),
        _ => ("the scheduler's lease is fresh".into(), Confidence::Medium),
    }
}
