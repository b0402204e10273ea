//! Containers that the kubelet kills for a probe.
//!
//! ## kill-liveness
//! **You see.** Restarts, often exit 137 or 143, while the application thinks nothing happened.
//! **Why.** The liveness probe failed `failureThreshold` times in a row, so the kubelet killed the container.
//! **How kokpit knows.** The kubelet's event `Killing … failed liveness probe` around the end of the run. The probe and
//! its last output are shown.
//! **Looks alike.** `crash-oom-container` is 137 too. A dependency checked inside the liveness probe restarts every
//! replica when the dependency is down: then `crash-missing-dependency` is the reason.
//! **Mend it.** Git: a startupProbe, a longer `timeoutSeconds`, the right path and port; never check others in liveness.
//!
//! ## kill-startup
//! **You see.** Restarts before the container was ever ready.
//! **Why.** The startup probe's budget, `failureThreshold × periodSeconds`, is shorter than the start takes.
//! **How kokpit knows.** The event `Killing … failed startup probe`.
//! **Looks alike.** `kill-liveness`.
//! **Mend it.** Git: `startupProbe.failureThreshold`.

use super::{gives_up_after, with_probe};
use crate::diagnose::crash::{Crash, crashes};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::pods::{Container, condition, containers, is_true};
use crate::world::object::str_at;
use crate::world::time::Time;
use serde_json::Value;

causes! { "kill.rs";
    "kill-liveness" "the liveness probe fails, so the kubelet kills the container" Outage ["Pod"] killed, id;
    "kill-startup" "the container does not start within its startup probe's budget" Outage ["Pod"] killed, id;
}

fn killed(case: &Case<'_>, suspect: &Suspect<'_>, id: &str) -> Fact<Vec<Match>> {
    let kind = if id == "kill-startup" { "Startup" } else { "Liveness" };
    let (all, containers) = (crashes(case, suspect.object)?, containers(suspect.object));
    let mut found = Vec::new();
    for crash in all.iter().filter(|c| c.cause == id) {
        let Some(container) = containers.iter().find(|c| c.name == crash.container) else { continue };
        found.push(tell(case, suspect, crash, container, kind)?);
    }
    Ok(found)
}

fn tell(case: &Case<'_>, suspect: &Suspect<'_>, crash: &Crash, container: &Container<'_>, kind: &str) -> Fact<Match> {
    let lower = kind.to_lowercase();
    let mut m =
        Match::on(&suspect.at, format!("The kubelet kills container {}: its {lower} probe fails.", crash.container))
            .evidence(
                &suspect.at,
                "",
                "Killing",
                format!("Container {} failed {lower} probe, will be restarted", crash.container),
            )
            .evidence_aged(
                &suspect.at,
                "status.containerStatuses[].lastState.terminated",
                &crash.code.to_string(),
                Some(crash.finished.age(case.now())),
                crash.end_in_words(),
            )
            .because_cause("crash-missing-dependency")
            .because_cause("probe-")
            .because_cause("cpu-throttled")
            .because_cause("memory-thrash-at-limit");
    m = with_probe(case, suspect, container, kind, m)?;
    let field = format!("{}.{lower}Probe", crash.path);
    if let Some(probe) = container.spec.get(format!("{lower}Probe")) {
        let text = format!("a probe that never passes ends the container after about {} s", gives_up_after(probe));
        m = m.evidence(&suspect.at, &field, "", text);
    }
    let top = kin::top_owner(case, suspect.object)?;
    if kind == "Startup"
        && let Some(seconds) = healthy_start(case, top, container.name)?
    {
        m = m.evidence(&suspect.at, "", "", format!("a replica that is ready took {seconds} s to become so"));
    }
    let what = match kind {
        "Startup" => "allow a longer start: raise failureThreshold of the startup probe",
        _ => "let the probe ask the right place, wait longer, and depend on nothing but the container itself",
    };
    Ok(m.fix(case.fix(top, &template_field(top, &field), what, kin::edit(top))?))
}

/// How long a container of a ready replica took from its start until the pod was ready, in seconds.
fn healthy_start(case: &Case<'_>, top: &Value, container: &str) -> Fact<Option<i64>> {
    let siblings = kin::pods_of(case, top).known()?.unwrap_or_default();
    Ok(siblings.into_iter().filter(|pod| is_true(pod, "Ready")).find_map(|pod| {
        let started = containers(pod).into_iter().find(|c| c.name == container)?.running_since()?;
        let ready = Time::parse(str_at(condition(pod, "Ready")?, "/lastTransitionTime"))?;
        Some(started.age(ready)).filter(|s| *s >= 0)
    }))
}
