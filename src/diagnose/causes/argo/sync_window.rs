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
use crate::world::cron::Schedule;
use crate::world::glob;
use crate::world::object::{ObjectRef, bool_at, list_at, str_at};
use crate::world::time::{Time, human, seconds, zone_offset};
use serde_json::Value;

causes! { "sync_window.rs";
    "argo-sync-window" "a sync window of the project blocks the sync" Degraded ["Application"] blocked;
}

/// A sync window that applies to an Application.
struct Window<'a> {
    index: usize,
    raw: &'a Value,
    schedule: Schedule,
    duration: i64,
}

impl<'a> Window<'a> {
    /// `Err` where Argo CD cannot read it either.
    fn read(index: usize, raw: &'a Value) -> Result<Self, String> {
        let (schedule, duration) = (str_at(raw, "/schedule"), str_at(raw, "/duration"));
        Ok(Self {
            index,
            raw,
            schedule: Schedule::parse(schedule).ok_or_else(|| format!("cannot parse schedule '{schedule}'"))?,
            duration: seconds(duration).ok_or_else(|| format!("cannot parse duration '{duration}'"))?,
        })
    }

    fn denies(&self) -> bool {
        str_at(self.raw, "/kind") == "deny"
    }

    fn zone(&self) -> &'a str {
        str_at(self.raw, "/timeZone")
    }

    /// Like Argo CD, a zone that is not known counts as UTC.
    fn offset(&self, at: Time) -> i64 {
        zone_offset(self.zone(), at).unwrap_or_default()
    }

    /// Whether it is active: it started less than its duration ago, by the clock of its zone. A schedule that never
    /// starts is always active (the library's zero time lies before every time).
    fn active(&self, at: Time) -> bool {
        let local = at.0 + self.offset(at);
        self.schedule.next(Time(local - self.duration)).is_none_or(|start| start.0 < local)
    }

    /// The next times at which it starts or ends.
    fn edges(&self, now: Time) -> Vec<Time> {
        let offset = self.offset(now);
        let mut edges = Vec::new();
        let mut from = Time(now.0 + offset - self.duration);
        for _ in 0..64 {
            let Some(start) = self.schedule.next(from) else { break };
            edges.extend([Time(start.0 - offset), Time(start.0 - offset + self.duration)]);
            from = start;
        }
        edges
    }

    /// `deny window 0 8 * * 1-5 for 10h (Europe/Berlin)`
    fn in_words(&self) -> String {
        let zone = if self.zone().is_empty() { "UTC" } else { self.zone() };
        let text = |field: &str| str_at(self.raw, field);
        let note = match text("/description") {
            "" => String::new(),
            note => format!(", {note}"),
        };
        format!("{} window {} for {} ({zone}{note})", text("/kind"), text("/schedule"), text("/duration"))
    }
}

/// The windows that apply to one Application.
struct Gate<'a>(Vec<Window<'a>>);

impl<'a> Gate<'a> {
    /// `Err` where a window cannot be read: then Argo CD syncs nothing.
    fn of(project: &'a Value, app: &Value) -> Result<Self, String> {
        let all = list_at(project, "/spec/syncWindows").iter().enumerate();
        all.filter(|(_, raw)| applies(raw, app))
            .map(|(index, raw)| Window::read(index, raw))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The windows that block a sync at a time; empty where it may run (`CanSync` in Argo CD's types.go).
    fn blocking(&self, at: Time, manual: bool) -> Vec<&Window<'a>> {
        let (active, asleep): (Vec<_>, Vec<_>) = self.0.iter().partition(|w| w.active(at));
        let denies: Vec<_> = active.iter().copied().filter(|w| w.denies()).collect();
        let blocking = match () {
            _ if !denies.is_empty() => denies,
            _ if active.is_empty() => asleep.into_iter().filter(|w| !w.denies()).collect(),
            _ => Vec::new(),
        };
        let let_through = manual && blocking.iter().all(|w| bool_at(w.raw, "/manualSync"));
        if let_through { Vec::new() } else { blocking }
    }

    /// When a sync may run again, as far as can be foreseen.
    fn opens(&self, now: Time, manual: bool) -> Option<Time> {
        let mut edges: Vec<Time> = self.0.iter().flat_map(|w| w.edges(now)).filter(|t| *t > now).collect();
        edges.sort();
        edges.into_iter().find(|t| self.blocking(Time(t.0 + 1), manual).is_empty())
    }
}

/// Whether a window is meant for an Application: by its name, else by its cluster, else by its namespace; with
/// `andOperator` by all of these that are given (`Matches` in Argo CD's types.go).
fn applies(window: &Value, app: &Value) -> bool {
    let destination = |field: &str| str_at(app, &format!("/spec/destination/{field}"));
    let given = |list: &str, values: &[&str]| {
        let patterns = list_at(window, list);
        let hit = |p: &Value| values.iter().any(|v| p.as_str().is_some_and(|p| glob::matches(p, v)));
        (!patterns.is_empty()).then(|| patterns.iter().any(hit))
    };
    let cluster: Vec<&str> =
        [destination("name"), destination("server")].into_iter().filter(|v| !v.is_empty()).collect();
    let said = [
        given("/applications", &[str_at(app, "/metadata/name")]),
        given("/clusters", &cluster),
        given("/namespaces", &[destination("namespace")]),
    ];
    let mut said = said.into_iter().flatten().peekable();
    match bool_at(window, "/andOperator") {
        true => said.peek().is_some() && said.all(|hit| hit),
        false => said.any(|hit| hit),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn gate(windows: &Value) -> Gate<'_> {
        let all = windows.as_array().into_iter().flatten().enumerate();
        Gate(all.map(|(n, raw)| Window::read(n, raw).unwrap()).collect())
    }

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    #[test]
    fn a_deny_wins_and_allow_windows_shut_what_lies_outside() {
        let allow = json!([{"kind": "allow", "schedule": "0 8 * * *", "duration": "10h"}]);
        for (time, blocked) in [
            ("2026-03-01T07:59:00Z", true),
            ("2026-03-01T08:01:00Z", false),
            ("2026-03-01T17:59:00Z", false),
            ("2026-03-01T18:00:00Z", true),
        ] {
            assert_eq!(!gate(&allow).blocking(at(time), false).is_empty(), blocked, "{time}");
        }
        let both = json!([{"kind": "allow", "schedule": "0 8 * * *", "duration": "10h"},
            {"kind": "deny", "schedule": "0 12 * * *", "duration": "1h", "manualSync": true}]);
        assert_eq!(gate(&both).blocking(at("2026-03-01T12:30:00Z"), false).len(), 1);
        assert!(gate(&both).blocking(at("2026-03-01T12:30:00Z"), true).is_empty(), "by hand");
        assert_eq!(gate(&both).opens(at("2026-03-01T12:30:00Z"), false), Some(at("2026-03-01T13:00:00Z")));
        assert_eq!(gate(&both).opens(at("2026-03-01T19:00:00Z"), false), Some(at("2026-03-02T08:00:00Z")));
        let never = json!([{"kind": "deny", "schedule": "0 0 30 2 *", "duration": "1h"}]);
        assert!(!gate(&never).blocking(at("2026-03-01T12:00:00Z"), false).is_empty());
    }

    #[test]
    fn windows_go_by_the_clock_of_their_zone() {
        let deny = json!([{"kind": "deny", "schedule": "0 8 * * *", "duration": "1h", "timeZone": "America/New_York"}]);
        if zone_offset("America/New_York", at("2026-01-05T13:30:00Z")).is_some() {
            assert_eq!(gate(&deny).blocking(at("2026-01-05T13:30:00Z"), false).len(), 1, "winter: 8:30 there");
            assert!(gate(&deny).blocking(at("2026-07-06T13:30:00Z"), false).is_empty(), "summer: 9:30 there");
        }
    }

    #[test]
    fn a_window_applies_by_any_of_its_lists_or_by_all() {
        let app = json!({"metadata": {"name": "shop"}, "spec": {"destination":
            {"server": "https://kubernetes.default.svc", "namespace": "shop-prod"}}});
        for (window, wanted) in [
            (json!({"applications": ["sh*"]}), true),
            (json!({"applications": ["web"], "namespaces": ["*-prod"]}), true),
            (json!({"applications": ["web"], "namespaces": ["*-prod"], "andOperator": true}), false),
            (json!({"applications": ["shop"], "namespaces": ["*-prod"], "andOperator": true}), true),
            (json!({"clusters": ["https://*"]}), true),
            (json!({"clusters": ["in-cluster"]}), false),
            (json!({}), false),
        ] {
            assert_eq!(applies(&window, &app), wanted, "{window}");
        }
    }
}
