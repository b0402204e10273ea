//! Argo CD: somebody writes against self-heal.
//!
//! ## argo-two-writers
//! **You see.** Values flap; the Application is OutOfSync, then Synced, then OutOfSync. Its last sync is always young.
//! **Why.** Self-heal puts back what another writer changes: an autoscaler, a controller, a second Application, a cron
//! job. After each attempt Argo CD waits longer (2 s to 5 min), until a new revision starts the count anew.
//! **How kokpit knows.** `autoHealAttemptsCount` of the last operation, the objects that it healed, and who else wrote the
//! fields that differ. One heal right after the first sync is normal.
//! **Looks alike.** `argo-drift-selfheal-off` (nobody puts it back), `argo-drift-hpa-replicas` (the reason, often).
//! **Mend it.** Stop one of the writers; or ignoreDifferences for the field with `RespectIgnoreDifferences=true`.

use super::automation::{heals, heals_at};
use super::drift::difference::differences;
use super::{elsewhere, in_git, operation, out_of_sync, reference};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::self_heals;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::human;
use crate::world::writers::{By, by, writers};
use serde_json::Value;

causes! { "fight.rs";
    "argo-two-writers" "self-heal and another writer change the same field in turn" Degraded ["Application"] two_writers;
}

/// Heals of one revision that are a fight; one after the first sync is normal.
const FIGHT: usize = 2;
/// Seconds after the last heal in which a fight may go on although all is in sync at the moment; the longest back-off
/// and as much again.
const YOUNG_S: i64 = 600;
/// Objects that are looked at.
const MOST: usize = 5;

/// Whether self-heal has synced this revision again and again.
pub fn fights(app: &Value) -> bool {
    self_heals(app) && heals(app) >= FIGHT && !list_at(operation(app), "/operation/sync/resources").is_empty()
}

fn two_writers(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let state = operation(app);
    let healed = list_at(state, "/operation/sync/resources");
    let age = case.age(str_at(state, "/finishedAt"));
    let out = str_at(app, "/status/sync/status") == "OutOfSync";
    if !fights(app) || !out && age.is_some_and(|age| age >= YOUNG_S) {
        return Ok(Vec::new());
    }
    let mut m = Match::on(&suspect.at, "").confidence(Confidence::High).evidence_aged(
        &suspect.at,
        "status.operationState.operation.sync.autoHealAttemptsCount",
        &heals(app).to_string(),
        age,
        format!("self-heal has put this revision back {} times, the last time", heals(app)),
    );
    let mut others: Vec<String> = Vec::new();
    let objects = objects(app, healed);
    for at in &objects {
        m = written(case, elsewhere(app), at, m, &mut others)?;
    }
    others.dedup();
    if let Some(next) = heals_at(app) {
        let left = next.0 - case.now().0;
        let when = if left > 0 { format!("in {} ({})", human(left), next.rfc3339()) } else { "now".into() };
        m = m.evidence(&suspect.at, "", "", format!("self-heal puts it back {when}"));
    }
    let what = objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let who = if others.is_empty() { "another writer".to_owned() } else { others.join(", ") };
    m.finding.summary = clean(&format!("Argo CD and {who} change {what} in turn.")).into_owned();
    Ok(vec![
        m.because_cause("argo-drift-hpa-replicas")
            .because_cause("argo-drift-mutating-webhook")
            .because_cause("argo-drift-random")
            .because_cause("argo-shared-resource")
            .because_cause("argo-prune-disabled")
            .fix(in_git(
                app,
                "stop one of the writers, or ignoreDifferences for the field with RespectIgnoreDifferences=true",
                "spec.ignoreDifferences",
                "",
            )),
    ])
}

/// What was healed last, and what differs now.
fn objects(app: &Value, healed: &[Value]) -> Vec<ObjectRef> {
    let same = |a: &Value, b: &Value| ["/group", "/kind", "/name"].iter().all(|f| str_at(a, f) == str_at(b, f));
    let all = list_at(app, "/status/resources").iter().filter(|r| healed.iter().any(|h| same(h, r)));
    let mut found: Vec<ObjectRef> = all.chain(out_of_sync(app)).map(reference).collect();
    found.sort();
    found.dedup();
    found.truncate(MOST);
    found
}

/// Adds who else writes an object, and what differs now.
fn written(case: &Case<'_>, cluster: Option<&str>, at: &ObjectRef, m: Match, others: &mut Vec<String>) -> Fact<Match> {
    let Some(Some(object)) = case.get_in(cluster, at).known()? else { return Ok(m) };
    let mut m = m;
    let fields = differences(object).unwrap_or_default();
    for d in fields.iter().take(MOST) {
        m = d.show(case, object, m);
        others.extend(d.other_writer(object).map(|w| w.in_words()));
    }
    if fields.is_empty() {
        for w in writers(object).filter(|w| by(w.manager) != By::Argo && w.wrote_wishes()) {
            let age = w.time.map(|t| t.age(case.now()));
            m = m.evidence_aged(
                at,
                "metadata.managedFields",
                w.manager,
                age,
                format!("{at} is written by {} too", w.in_words()),
            );
            others.push(w.in_words());
        }
    }
    Ok(m)
}
