//! Events: one described, and the table of events about an object.

use super::page::Page;
use super::{Mark, dash};
use crate::world::object::{int_at, str_at};
use crate::world::time::{Time, human};
use serde_json::Value;

/// What an event says, whichever of its two API groups it comes from: core/v1 and events.k8s.io/v1 are views of the
/// same object with other names for the fields.
struct Seen<'a> {
    kind: &'a str,
    reason: &'a str,
    message: &'a str,
    source: &'a str,
    count: i64,
    first: Option<Time>,
    last: Option<Time>,
}

impl<'a> Seen<'a> {
    fn of(event: &'a Value) -> Self {
        let text =
            |pointers: &[&str]| pointers.iter().map(|at| str_at(event, at)).find(|t| !t.is_empty()).unwrap_or("");
        let time = |pointers: &[&str]| pointers.iter().find_map(|at| Time::parse(str_at(event, at)));
        let count = ["/series/count", "/count", "/deprecatedCount"].iter().find_map(|at| int_at(event, at));
        let created = "/metadata/creationTimestamp";
        Seen {
            kind: str_at(event, "/type"),
            reason: str_at(event, "/reason"),
            message: text(&["/message", "/note"]),
            source: text(&[
                "/source/component",
                "/reportingComponent",
                "/reportingController",
                "/deprecatedSource/component",
            ]),
            count: count.unwrap_or(1).max(1),
            first: time(&["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime", created]),
            last: time(&[
                "/series/lastObservedTime",
                "/lastTimestamp",
                "/deprecatedLastTimestamp",
                "/eventTime",
                created,
            ]),
        }
    }

    /// `3m`, or `3m (x14 over 41m)`.
    fn age(&self, now: Time) -> String {
        let age = |time: Option<Time>| time.map_or("-".into(), |time| human(time.age(now)));
        if self.count > 1 {
            format!("{} (x{} over {})", age(self.last), self.count, age(self.first))
        } else {
            age(self.last)
        }
    }

    fn mark(&self) -> Mark {
        if self.kind == "Warning" { Mark::Warn } else { Mark::Plain }
    }
}

/// Events in a description; of more, the newest.
const SHOWN: usize = 500;

/// The events about an object, the newest last.
pub fn table(page: &mut Page, events: &[Value]) {
    page.section("Events");
    if events.is_empty() {
        page.text(Mark::Plain, "none");
        return;
    }
    let mut seen: Vec<Seen<'_>> = events.iter().map(Seen::of).collect();
    seen.sort_by_key(|event| event.last);
    let older = seen.len().saturating_sub(SHOWN);
    if older > 0 {
        page.text(Mark::Plain, &format!("{older} older ones are not shown"));
    }
    let rows = seen[older..].iter().map(|event| {
        let text = |text: &str| dash(text);
        (
            event.mark(),
            vec![event.age(page.now()), text(event.kind), text(event.reason), text(event.source), event.message.into()],
        )
    });
    let rows = rows.collect();
    page.table(&["AGE", "TYPE", "REASON", "FROM", "MESSAGE"], rows);
}

/// The part of a description that is special to an Event.
pub fn describe(page: &mut Page, event: &Value) {
    let seen = Seen::of(event);
    let about = |at: &str| {
        ["/involvedObject", "/regarding"]
            .iter()
            .map(|root| str_at(event, &format!("{root}{at}")))
            .find(|t| !t.is_empty())
            .unwrap_or("")
    };
    page.marked(seen.mark(), "Type", seen.kind);
    page.field("Reason", seen.reason);
    page.field("About", [about("/kind"), about("/namespace"), about("/name")].join(" ").trim().replace("  ", " "));
    page.some("Field", about("/fieldPath"));
    page.field("Seen", seen.age(page.now()));
    page.some("From", seen.source);
    page.at("Host", event, "/source/host");
    page.at("Action", event, "/action");
    page.section("Message");
    page.text(seen.mark(), seen.message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_groups_say_the_same() {
        let now = Time::parse("2026-11-21T10:00:00Z").unwrap();
        let core = json!({"count": 14, "firstTimestamp": "2026-11-21T09:00:00Z", "lastTimestamp": "2026-11-21T09:57:00Z", "message": "m"});
        let new = json!({"deprecatedCount": 14, "deprecatedFirstTimestamp": "2026-11-21T09:00:00Z", "deprecatedLastTimestamp": "2026-11-21T09:57:00Z", "note": "m"});
        assert_eq!(Seen::of(&core).age(now), "3m (x14 over 60m)");
        assert_eq!(Seen::of(&new).age(now), Seen::of(&core).age(now));
        assert_eq!(Seen::of(&new).message, "m");
        let once = json!({"eventTime": "2026-11-21T09:59:00.123456Z", "firstTimestamp": null});
        assert_eq!(Seen::of(&once).age(now), "60s");
    }

    #[test]
    fn of_very_many_the_newest_are_shown() {
        let now = Time::parse("2026-11-21T10:00:00Z").unwrap();
        let event = |n: usize| json!({"reason": format!("R{n}"), "lastTimestamp": format!("2026-11-21T09:{:02}:{:02}Z", n / 60, n % 60)});
        let text = |count: usize| {
            let mut page = Page::new(now);
            table(&mut page, &(0..count).map(event).collect::<Vec<_>>());
            page.finish().into_iter().map(|line| line.text).collect::<Vec<_>>()
        };
        let all = text(3_000);
        assert!(all.iter().any(|line| line.contains("2500 older ones are not shown")));
        assert!(all.iter().any(|line| line.contains("R2999 ")) && !all.iter().any(|line| line.contains("R2499 ")));
        assert!(!text(SHOWN).iter().any(|line| line.contains("older")));
    }
}
