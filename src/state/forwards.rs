//! The port-forwards that run: their list, and what the top line says of them.

use super::State;
use super::list::{ListOf, ListRow, Listing};
use super::nav::View;
use crate::effect::forward::Wish;
use crate::kinds;
use crate::kinds::ports::Pair;
use crate::msg::forward::ForwardView;
use crate::theme::Meaning;
use crate::world::object::ResourceId;
use crate::world::row::Tone;
use crate::world::time::human;

impl State {
    /// The port-forward under the cursor of their list.
    pub fn forward(&self) -> Option<&ForwardView> {
        match &self.nav.top().view {
            View::List(list) if list.of == ListOf::Forwards => {
                let key = self.list_key()?;
                self.forwards.iter().find(|forward| forward.id.to_string() == key)
            }
            _ => None,
        }
    }
}

/// `svc/web`, with the short name that people type.
pub fn short(resource: &ResourceId, name: &str) -> String {
    let kind = kinds::of(resource).and_then(|kind| kind.short.first()).copied();
    format!("{}/{name}", kind.unwrap_or(&resource.plural))
}

/// `8080:80`, with the address where it is not loopback.
fn ports(forward: &ForwardView) -> String {
    let pair = Pair { address: forward.local.ip(), local: Some(forward.local.port()), ..forward.wish.pair.clone() };
    pair.to_string()
}

/// `serving`, or why not.
fn state_of(forward: &ForwardView) -> (String, Tone) {
    match (&forward.seen.target, forward.seen.waits.as_str()) {
        (Some(_), "") => ("serving".into(), Tone::Ok),
        // The pod goes on serving while the watch is broken.
        (Some(_), waits) => (format!("serving; {waits}"), Tone::Warn),
        (None, waits) => (format!("waiting: {waits}"), Tone::Busy),
    }
}

/// Every port-forward, oldest first.
pub fn listing(state: &State) -> Listing {
    let rows = state.forwards.iter().map(|forward| {
        let Wish { cluster, resource, object, .. } = &forward.wish;
        let seen = &forward.seen;
        let (word, tone) = state_of(forward);
        let pod = seen.target.as_ref().map_or_else(|| "–".into(), |(pod, port)| format!("{pod}:{port}"));
        let cells = vec![
            short(resource, &object.name),
            object.namespace.clone(),
            ports(forward),
            pod,
            format!("{}/{}", seen.open, seen.served),
            format!("{}/{}", bytes(seen.up), bytes(seen.down)),
            human(forward.since.age(state.now)),
            state.fleet.shard(*cluster).name.clone(),
            word,
        ];
        let note = (seen.errors > 0).then(|| {
            let more = if seen.errors > 1 { format!(" ({} errors so far)", seen.errors) } else { String::new() };
            format!("└ {} ago: {}{more}", human(forward.failed.age(state.now)), seen.error)
        });
        ListRow { note, ..ListRow::new(forward.id.to_string(), cells).tone(tone) }
    });
    Listing {
        columns: &[
            ("OBJECT", false),
            ("NAMESPACE", false),
            ("PORTS", false),
            ("POD", false),
            ("CONNS", true),
            ("UP/DOWN", true),
            ("AGE", true),
            ("CLUSTER", false),
            ("STATE", false),
        ],
        rows: rows.collect(),
        empty: "nothing is forwarded: port-forward (Shift-F) on a pod, a service or a workload begins",
        ..Listing::default()
    }
}

/// `17`, `4.2K`, `118M`: bytes for people, in steps of 1024.
pub fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "");
    for next in ["K", "M", "G", "T"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    match (unit, value < 9.95) {
        ("", _) => count.to_string(),
        (unit, true) => format!("{value:.1}{unit}"),
        (unit, false) => format!("{value:.0}{unit}"),
    }
}

/// For the top line: how many run, and whether one waits.
pub fn span(state: &State) -> Option<(Meaning, String)> {
    if matches!(&state.nav.top().view, View::List(list) if list.of == ListOf::Forwards) {
        return None;
    }
    let waiting = state.forwards.iter().any(|forward| forward.seen.target.is_none());
    match state.forwards.len() {
        0 => None,
        n => Some((if waiting { Meaning::Warn } else { Meaning::Muted }, format!("pf {n}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        let shown: Vec<String> = [0, 999, 1000, 1024, 10_300, 1_048_576, 5_000_000_000].map(bytes).into();
        assert_eq!(shown, ["0", "999", "1.0K", "1.0K", "10K", "1.0M", "4.7G"]);
    }

    #[test]
    fn objects_are_named_as_typed() {
        assert_eq!(short(&ResourceId::core("services"), "web"), "svc/web");
        assert_eq!(short(&ResourceId::new("x.dev", "things"), "a"), "things/a");
    }
}
