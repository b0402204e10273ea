//! Argo CD: the times at which a project lets nothing be synced.
//!
//! ## argo-sync-window
//! **You see.** OutOfSync, no error, no operation; or a sync that runs and does nothing.
//! **Why.** A sync window of the project: a `deny` window is active, or there are `allow` windows and none is active.
//! Argo CD writes no condition about it.
//! **How kokpit knows.** It evaluates the windows that match the Application (name, cluster or namespace; all of them
//! with `andOperator`) with their schedule, duration and time zone.
//! **Looks alike.** `argo-autosync-off`; `argo-autosync-gave-up` (there an error stands in the conditions).
//! **Mend it.** Wait for the time given; sync by hand where the windows let that through (`manualSync`); or change
//! `spec.syncWindows` of the AppProject in git.

use super::automation::{Move, next_move};
use super::{operation, project_of, sync_command};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, bool_at, str_at};
use crate::world::sync_window::{Gate, Window};
use crate::world::time::{human, zone_offset};

causes! { "sync_window.rs";
    "argo-sync-window" "a sync window of the project blocks the sync" Degraded ["Application"] blocked;
}

fn blocked(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let state = operation(app);
    let running = str_at(state, "/phase") == "Running"
        && str_at(state, "/message").starts_with("Sync operation blocked by sync window");
    if !running && !matches!(next_move(app), Move::Sync | Move::Heal) {
        return Ok(Vec::new());
    }
    let at = project_of(app);
    let Some(project) = case.get(&at)? else { return Ok(Vec::new()) };
    let manual = running && !bool_at(state, "/operation/initiatedBy/automated");
    let fix = |what: &str| case.fix(project, "spec.syncWindows", what, "");
    let gate = match Gate::of(project, app) {
        Ok(gate) => gate,
        // Prefixes of the schedule that only the library knows: nothing can be said.
        Err(why) if why.contains("TZ=") => return Ok(Vec::new()),
        Err(why) => {
            return Ok(vec![
                Match::on(&at, format!("A sync window of project {} is invalid, so Argo CD syncs nothing.", at.name))
                    .evidence(&at, "spec.syncWindows", "", format!("invalid sync windows: {why}"))
                    .fix(fix("correct the window")?),
            ]);
        }
    };
    let blocking = gate.blocking(case.now(), manual);
    if blocking.is_empty() {
        return Ok(Vec::new());
    }
    let opens = gate.opens(case.now(), manual);
    let until = opens.map_or_else(String::new, |t| format!(" until {}", t.rfc3339()));
    let what = if manual { "The sync" } else { "Automated sync" };
    let mut m = Match::on(&suspect.at, format!("{what} is blocked by a sync window of project {}{until}.", at.name));
    for window in &blocking {
        m = shown(case, m, &at, window);
    }
    if let Some(opens) = opens {
        m = m.evidence(&at, "", "", format!("opens in {}", human(opens.0 - case.now().0)));
    }
    if running {
        m = m.evidence(
            &suspect.at,
            "status.operationState.message",
            str_at(state, "/message"),
            str_at(state, "/message"),
        );
    }
    if blocking.iter().any(|w| zone_offset(w.zone(), case.now()).is_none()) {
        m = m.confidence(Confidence::Medium);
    }
    if !manual && gate.blocking(case.now(), true).is_empty() {
        m = m.fix(Fix {
            summary: "sync by hand: the window lets that through".into(),
            live: sync_command(app),
            ..Fix::default()
        });
    }
    Ok(vec![m.fix(fix("wait, or change the window")?)])
}

/// A blocking window as a line of evidence.
fn shown(case: &Case<'_>, m: Match, project: &ObjectRef, window: &Window<'_>) -> Match {
    let state = if window.denies() { "is active" } else { "is not active, and syncs are allowed only inside it" };
    let hand =
        if bool_at(window.raw, "/manualSync") { "lets syncs by hand through" } else { "blocks syncs by hand too" };
    let zone = match zone_offset(window.zone(), case.now()) {
        None => format!("; time zone {} is not known here, UTC assumed", window.zone()),
        Some(_) => String::new(),
    };
    m.evidence(
        project,
        &format!("spec.syncWindows[{}]", window.index),
        str_at(window.raw, "/schedule"),
        format!("{} {state}; it {hand}{zone}", window.in_words()),
    )
}
