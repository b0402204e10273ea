//! Init containers that wait.
//!
//! ## init-running-long
//! **You see.** `Init:0/1` for a long time; nothing fails.
//! **Why.** An init container waits for something that does not come.
//! **How kokpit knows.** It runs since longer than two minutes; its last log line names a host, which is followed to
//! its Service.
//! **Looks alike.** `init-crashloop` (it fails), `sidecar-not-started`.
//! **Mend it.** Mend what it waits for.

use super::follow_log;
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::pods::{self, containers};
use crate::diagnose::verdict::Confidence;
use crate::world::time::human;

causes! { "init.rs";
    "init-running-long" "an init container waits for something that does not come" Degraded ["Pod"] init_waits;
}

fn init_waits(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for container in containers(suspect.object).into_iter().filter(|c| c.init) {
        let Some(age) = container.running_since().map(|t| t.age(case.now())).filter(|age| *age > pods::START_GATE_S)
        else {
            continue;
        };
        let m =
            Match::on(&suspect.at, format!("Init container {} has been waiting for {}.", container.name, human(age)))
                .confidence(Confidence::Medium)
                .evidence_aged(
                    &suspect.at,
                    "status.initContainerStatuses[].state.running.startedAt",
                    "",
                    Some(age),
                    format!("init container {} runs since {}", container.name, human(age)),
                );
        found.push(follow_log(case, suspect, container.name, m)?);
    }
    Ok(found)
}
