//! Sync windows of an Argo CD project: which are meant for an Application, which are active, what they let through
//! (`SyncWindows` in Argo CD's types.go).

use super::cron::Schedule;
use super::glob;
use super::object::{bool_at, list_at, str_at};
use super::time::{Time, seconds, zone_offset};
use serde_json::Value;

/// A sync window that applies to an Application.
pub struct Window<'a> {
    /// Its place in `spec.syncWindows` of the project.
    pub index: usize,
    /// It.
    pub raw: &'a Value,
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

    /// `kind: deny`
    pub fn denies(&self) -> bool {
        str_at(self.raw, "/kind") == "deny"
    }

    /// Its time zone as written; empty: UTC.
    pub fn zone(&self) -> &'a str {
        str_at(self.raw, "/timeZone")
    }

    /// Like Argo CD, a zone that is not known counts as UTC.
    fn offset(&self, at: Time) -> i64 {
        zone_offset(self.zone(), at).unwrap_or_default()
    }

    /// Whether it is active: it started less than its duration ago, by the clock of its zone. A schedule that never
    /// starts is always active (the library's zero time lies before every time).
    pub fn active(&self, at: Time) -> bool {
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

    /// When it starts or ends next, as far as can be foreseen.
    pub fn flips(&self, now: Time) -> Option<Time> {
        first(self.edges(now), now, |at| self.active(at) != self.active(now))
    }

    /// `deny window 0 8 * * 1-5 for 10h (Europe/Berlin)`
    pub fn in_words(&self) -> String {
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
pub struct Gate<'a>(pub Vec<Window<'a>>);

impl<'a> Gate<'a> {
    /// The windows of a project that are meant for an Application.
    ///
    /// # Errors
    /// A window cannot be read: then Argo CD syncs nothing.
    pub fn of(project: &'a Value, app: &Value) -> Result<Self, String> {
        let all = list_at(project, "/spec/syncWindows").iter().enumerate();
        all.filter(|(_, raw)| applies(raw, app))
            .map(|(index, raw)| Window::read(index, raw))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The windows that block a sync at a time; empty where it may run (`CanSync` in Argo CD's types.go).
    pub fn blocking(&self, at: Time, manual: bool) -> Vec<&Window<'a>> {
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

    /// When the next window starts or ends, as far as can be foreseen.
    pub fn changes(&self, now: Time) -> Option<Time> {
        self.0.iter().flat_map(|w| w.edges(now)).filter(|t| *t > now).min()
    }

    /// When a sync may run again, as far as can be foreseen.
    pub fn opens(&self, now: Time, manual: bool) -> Option<Time> {
        first(self.edges(now), now, |at| self.blocking(at, manual).is_empty())
    }

    /// When syncs are let through that are blocked now, or the other way round, as far as can be foreseen.
    pub fn flips(&self, now: Time, manual: bool) -> Option<Time> {
        let open = self.blocking(now, manual).is_empty();
        first(self.edges(now), now, |at| self.blocking(at, manual).is_empty() != open)
    }

    fn edges(&self, now: Time) -> Vec<Time> {
        self.0.iter().flat_map(|w| w.edges(now)).collect()
    }
}

/// The first of some times later than now right after which something holds.
fn first(mut edges: Vec<Time>, now: Time, holds: impl Fn(Time) -> bool) -> Option<Time> {
    edges.retain(|at| *at > now);
    edges.sort();
    edges.into_iter().find(|at| holds(Time(at.0 + 1)))
}

/// Whether a window is meant for an Application: by its name, else by its cluster, else by its namespace; with
/// `andOperator` by all of these that are given (`Matches` in Argo CD's types.go).
pub fn applies(window: &Value, app: &Value) -> bool {
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
    fn what_changes_next_is_foreseen() {
        let windows = json!([{"kind": "allow", "schedule": "0 8 * * *", "duration": "10h"},
            {"kind": "deny", "schedule": "0 12 * * *", "duration": "1h", "manualSync": true}]);
        let gate = gate(&windows);
        let now = at("2026-03-01T09:00:00Z");
        assert_eq!(gate.flips(now, false), Some(at("2026-03-01T12:00:00Z")), "the deny window shuts it");
        assert_eq!(
            gate.flips(now, true),
            Some(at("2026-03-01T18:00:00Z")),
            "by hand only the end of the allow window does"
        );
        assert_eq!(
            (gate.0[0].flips(now), gate.0[1].flips(now)),
            (Some(at("2026-03-01T18:00:00Z")), Some(at("2026-03-01T12:00:00Z")))
        );
        let always = json!([{"kind": "allow", "schedule": "*/5 * * * *", "duration": "1h"}]);
        assert_eq!(self::gate(&always).flips(now, false), None, "it never ends before it starts again");
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
