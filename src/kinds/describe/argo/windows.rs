//! The sync windows of an Application's project: what they let through now, and when that changes.

use crate::kinds::describe::page::Page;
use crate::kinds::describe::{Mark, joined};
use crate::world::object::{bool_at, str_at};
use crate::world::sync_window::{Gate, Window};
use crate::world::time::{Time, human};
use serde_json::Value;

/// The section. `project`: the AppProject, or why it cannot be read.
pub fn describe(page: &mut Page, app: &Value, project: &Result<Value, String>) {
    let project = match project {
        Ok(project) => project,
        Err(why) => {
            page.section("Sync windows");
            page.text(Mark::Warn, &format!("not known, the project cannot be read: {why}"));
            return;
        }
    };
    match Gate::of(project, app) {
        Ok(gate) if gate.0.is_empty() => {}
        Ok(gate) => {
            page.section(&format!("Sync windows of project {}", str_at(project, "/metadata/name")));
            state(page, &gate);
            table(page, &gate);
        }
        Err(why) => {
            page.section("Sync windows");
            page.text(Mark::Bad, &format!("a window cannot be read, so Argo CD syncs nothing: {why}"));
        }
    }
}

/// What may run now, by itself and by hand.
fn state(page: &mut Page, gate: &Gate<'_>) {
    let now = page.now();
    for (label, manual) in [("Automated syncs", false), ("Syncs by hand", true)] {
        let blocking = gate.blocking(now, manual);
        let changes = gate.flips(now, manual).map(|at| when(at, now));
        match (blocking.first(), changes) {
            (None, Some(at)) => page.field(label, format!("allowed until {at}")),
            (None, None) => page.field(label, "allowed"),
            (Some(window), at) => {
                let why = if window.denies() { "denied by" } else { "outside of" };
                let at = at.map_or("and no end can be foreseen".into(), |at| format!("until {at}"));
                page.warn(label, format!("blocked {at}, {why} the {}", window.in_words()));
            }
        }
    }
}

fn table(page: &mut Page, gate: &Gate<'_>) {
    let now = page.now();
    let rows = gate.0.iter().map(|window| {
        let active = window.active(now);
        let text = |field: &str| str_at(window.raw, field).to_string();
        let next = window.flips(now).map_or("never".into(), |at| when(at, now));
        let zone = if window.zone().is_empty() { "UTC" } else { window.zone() };
        let cells = vec![
            text("/kind"),
            text("/schedule"),
            text("/duration"),
            zone.into(),
            (if active { "active" } else { "-" }).into(),
            format!("{} {next}", if active { "ends" } else { "starts" }),
            (if bool_at(window.raw, "/manualSync") { "free" } else { "bound" }).into(),
            (if bool_at(window.raw, "/syncOverrun") { "may end" } else { "stops" }).into(),
            meant(window),
        ];
        (if active && window.denies() { Mark::Warn } else { Mark::Plain }, cells)
    });
    let rows = rows.collect();
    let heads = ["KIND", "SCHEDULE", "DURATION", "ZONE", "NOW", "NEXT", "BY HAND", "RUNNING", "MEANT FOR"];
    page.table(&heads, rows);
}

/// Why it is meant for this Application.
fn meant(window: &Window<'_>) -> String {
    let all = ["applications", "clusters", "namespaces"].iter().filter_map(|key| {
        let patterns = joined(window.raw, &format!("/{key}"));
        (!patterns.is_empty()).then(|| format!("{key} {patterns}"))
    });
    let between = if bool_at(window.raw, "/andOperator") { " and " } else { " or " };
    all.collect::<Vec<_>>().join(between)
}

/// `2026-11-21T18:00:00Z (in 3h)`
fn when(at: Time, now: Time) -> String {
    format!("{} (in {})", at.rfc3339(), human(now.age(at)))
}
