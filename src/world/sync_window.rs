//! Sync windows of an Argo CD project: which are meant for an Application, which are active, what they let through
//! (`SyncWindows` in Argo CD's types.go).

use super::cron::Schedule;
use super::glob;
use super::object::{bool_at, list_at, str_at};
use super::time::{Time, clock_change, seconds, zone_offset};
use serde_json::Value;

/// Seconds of a day, and how much a clock is changed at most.
const DAY: i64 = 86_400;
const MOST: i64 = 2 * 3_600;

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

    /// The next times at which it may start or end: by the clock of its zone as it goes then, and when that is changed.
    fn edges(&self, now: Time) -> Vec<Time> {
        let mut edges = Vec::new();
        let mut from = Time(now.0 + self.offset(now) - self.duration - MOST);
        for _ in 0..64 {
            let Some(start) = self.schedule.next(from) else { break };
            edges.extend([start.0, start.0 + self.duration].into_iter().flat_map(|local| self.instants(local)));
            from = start;
        }
        let changes = std::iter::successors(clock_change(self.zone(), now), |at| clock_change(self.zone(), *at));
        edges.extend(changes.take(2));
        edges
    }

    /// When the clock of its zone shows a time: on a day on which the clock is changed perhaps twice, or not at all.
    fn instants(&self, local: i64) -> impl Iterator<Item = Time> {
        let offsets = [self.offset(Time(local - DAY)), self.offset(Time(local + DAY))];
        let second = (offsets[0] != offsets[1]).then_some(offsets[1]);
        [Some(offsets[0]), second].into_iter().flatten().map(move |offset| Time(local - offset))
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

    /// Europe/Berlin goes from UTC+1 to UTC+2 on 2026-03-29 and back on 2026-10-25, at 01:00 UTC.
    #[test]
    fn what_is_foreseen_goes_by_the_clock_of_that_day() {
        if clock_change("Europe/Berlin", at("2026-03-01T00:00:00Z")).is_none() {
            eprintln!("skipped: this machine knows no time zones");
            return;
        }
        let window = |kind: &str, schedule: &str, duration: &str| json!([{"kind": kind, "schedule": schedule, "duration": duration, "timeZone": "Europe/Berlin"}]);
        let office = window("allow", "0 8 * * *", "10h");
        for (now, opens) in [
            ("2026-03-27T20:00:00Z", "2026-03-28T07:00:00Z"),
            ("2026-03-28T20:00:00Z", "2026-03-29T06:00:00Z"),
            ("2026-10-24T20:00:00Z", "2026-10-25T07:00:00Z"),
        ] {
            assert_eq!(gate(&office).opens(at(now), false), Some(at(opens)), "{now}");
            assert_eq!(gate(&office).0[0].flips(at(now)), Some(at(opens)), "{now}");
        }
        // What begins before the change ends by the clock after it.
        let night = window("deny", "30 1 * * *", "1h30m");
        for (now, ends) in
            [("2026-10-24T23:45:00Z", "2026-10-25T02:00:00Z"), ("2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z")]
        {
            let gate = gate(&night);
            assert_eq!(gate.blocking(at(now), false).len(), 1, "{now}");
            assert_eq!(gate.opens(at(now), false), Some(at(ends)), "{now}");
        }
        // What would begin at 02:30 when there is none begins with the hour that there is.
        let gone = window("deny", "30 2 * * *", "2h");
        assert_eq!(gate(&gone).flips(at("2026-03-29T00:30:00Z"), false), Some(at("2026-03-29T01:00:00Z")));
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
