//! What the line could become while it is typed: words that fit, best first, each with one line of help.

use super::{SCREENS, head_at, names, namespaces, split};
use crate::actions;
use crate::state::State;
use crate::world::fleet::Link;
use crate::world::glob::shell;
use std::collections::{BTreeMap, HashMap};

/// Offers kept.
const MOST: usize = 50;

/// Something that the line could become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The whole line.
    pub line: String,
    /// The word that is offered.
    pub word: String,
    /// What it is.
    pub help: String,
}

/// Words that begin a line and are neither kind, screen, action nor alias.
const OWN: &[(&str, &str)] = &[
    ("why", "Explain a URL or an object: why https://host/path, why pod/NAME"),
    ("ns", "List the namespaces; with names: look at those only"),
    ("xray", "A tree of what belongs together: xray deploy, xray svc/web shop"),
    ("quit", "Leave"),
];

/// A word with its help, and other words for the same.
struct Candidate {
    word: String,
    also: Vec<String>,
    help: String,
}

impl Candidate {
    fn new(word: impl Into<String>, help: impl Into<String>) -> Self {
        Self { word: word.into(), also: vec![], help: help.into() }
    }
}

/// What the line could become: the first is shown behind the cursor, the rest with the arrow keys.
pub fn complete(state: &State, line: &str) -> Vec<Offer> {
    let (before, word) = match line.rfind(' ') {
        Some(at) => line.split_at(at + 1),
        None => ("", line),
    };
    // In `shop,d` the last name is being typed.
    let (kept, word) = match (word.strip_prefix('@').is_some(), word.rfind(',')) {
        (true, comma) => word.split_at(comma.map_or(1, |at| at + 1)),
        (false, comma) => word.split_at(comma.map_or(0, |at| at + 1)),
    };
    if word.is_empty() && kept != "@" {
        return vec![];
    }
    let before_words = split(before);
    let head = head_at(&before_words).and_then(|at| before_words.get(at)).map(String::as_str);
    let candidates = match head {
        _ if kept.starts_with('@') => contexts(state),
        Some("ctx" | "context" | "contexts") => contexts(state),
        Some("theme") => state.look.themes().map(|name| Candidate::new(name, String::new())).collect(),
        // The kind is named behind these.
        Some("xray" | "xr" | "x") if before_words.len() == 1 => kinds(state),
        None if !word.starts_with(['/', '-']) => first_words(state),
        Some(_) if !word.starts_with(['/', '-']) => places(state),
        _ => vec![],
    };
    let best = |candidate: &Candidate| {
        let own = score(word, &candidate.word);
        // Another name for it counts a little less than its own.
        own.max(candidate.also.iter().filter_map(|name| score(word, name)).max().map(|score| score.saturating_sub(1)))
    };
    let mut found: Vec<(u32, Candidate)> =
        candidates.into_iter().filter(|c| c.word != word).filter_map(|c| Some((best(&c)?, c))).collect();
    found.sort_by(|(a, x), (b, y)| {
        b.cmp(a).then_with(|| x.word.len().cmp(&y.word.len())).then_with(|| x.word.cmp(&y.word))
    });
    found.dedup_by(|(_, a), (_, b)| a.word == b.word);
    found.truncate(MOST);
    let offer = |c: Candidate| Offer { line: format!("{before}{kept}{}", c.word), word: c.word, help: c.help };
    found.into_iter().map(|(_, candidate)| offer(candidate)).collect()
}

/// How well a typed word fits a candidate, more is better: the same, its beginning, the beginning of a part of it, a
/// part, its letters in order. `None`: not at all.
fn score(typed: &str, candidate: &str) -> Option<u32> {
    let (typed, candidate) = (typed.to_lowercase(), candidate.to_lowercase());
    if typed == candidate {
        return Some(1000);
    }
    if candidate.starts_with(&typed) {
        return Some(800);
    }
    let is_start = |at: usize| candidate[..at].ends_with(['-', '.', '_', '/']);
    if candidate.match_indices(&typed).any(|(at, _)| is_start(at)) {
        return Some(600);
    }
    if typed.len() > 1 && candidate.contains(&typed) {
        return Some(400);
    }
    letters(&typed, &candidate).map(|gaps| 300_u32.saturating_sub(gaps))
}

/// The letters in order, the first one at the start: how many letters lie between them.
fn letters(typed: &str, candidate: &str) -> Option<u32> {
    if typed.chars().next() != candidate.chars().next() {
        return None;
    }
    let (mut gaps, mut rest) = (0, candidate.chars());
    for wanted in typed.chars() {
        gaps += u32::try_from(rest.by_ref().position(|c| c == wanted)?).unwrap_or(u32::MAX);
    }
    Some(gaps)
}

/// Everything that can begin a line.
fn first_words(state: &State) -> Vec<Candidate> {
    let aliases = state.names.aliases.iter().map(|(alias, line)| Candidate::new(alias, format!("alias for :{line}")));
    let screens = SCREENS.iter().map(|(names, _, help)| Candidate {
        word: names.first().copied().unwrap_or_default().into(),
        also: names.iter().skip(1).map(|name| name.to_string()).collect(),
        help: help.to_string(),
    });
    let own = OWN.iter().map(|(word, help)| Candidate::new(*word, *help));
    let may = |action: &&actions::Action| {
        // (Those have words of their own.)
        let own = matches!(action.name, "quit" | "xray" | "plugin");
        !own && actions::is_offered(state, action)
    };
    let actions = actions::TABLE.iter().filter(may).map(|action| {
        let help = actions::denied(state, action).unwrap_or_else(|| action.doc.into());
        Candidate::new(action.name, help)
    });
    let run = actions::find("plugin");
    let plugins = state.plugins.iter().filter(|plugin| state.takes(plugin)).map(|plugin| {
        let refused = run.and_then(|run| actions::refusal_of(state, run, &plugin.name));
        Candidate::new(&plugin.name, refused.unwrap_or_else(|| plugin.doc.clone()))
    });
    aliases.chain(kinds(state)).chain(screens).chain(own).chain(actions).chain(plugins).collect()
}

fn kinds(state: &State) -> Vec<Candidate> {
    let all = names(state);
    let mut plurals: HashMap<&str, usize> = HashMap::new();
    for (id, ..) in &all {
        *plurals.entry(id.plural.as_str()).or_default() += 1;
    }
    let candidate = |(id, kind, names): &(_, String, Vec<String>)| {
        let id: &crate::world::object::ResourceId = id;
        // What the short word means is decided in one place; the others are offered by their whole name.
        let meant =
            plurals.get(id.plural.as_str()) == Some(&1) || super::resource(state, &id.plural).as_ref() == Some(id);
        let word = if meant { id.plural.clone() } else { id.to_string() };
        let also: Vec<String> = names.iter().filter(|name| **name != word).cloned().collect();
        let group = if id.group.is_empty() { String::new() } else { format!(" of {}", id.group) };
        let short: Vec<&str> = also.iter().filter(|name| **name != id.plural).map(String::as_str).collect();
        let short = if short.is_empty() { String::new() } else { format!(" · {}", short.join(" ")) };
        Candidate {
            word,
            help: format!("{kind}{group}{short}"),
            also: also.into_iter().chain([kind.clone()]).collect(),
        }
    };
    all.iter().map(candidate).collect()
}

fn contexts(state: &State) -> Vec<Candidate> {
    let groups = state.names.groups.iter().map(|(group, patterns)| {
        let all = state.fleet.shards.iter().map(|shard| shard.name.as_str());
        let members: Vec<&str> = all.filter(|name| patterns.iter().any(|pattern| shell(pattern, name))).collect();
        let members = if members.is_empty() { "no context matches".into() } else { members.join(", ") };
        Candidate::new(group, format!("group: {members}"))
    });
    let contexts = state.fleet.shards.iter().map(|shard| {
        let link = match &shard.link {
            Link::Closed => "not opened".into(),
            Link::Connecting => "connecting".into(),
            Link::Live => shard.version.clone(),
            Link::Lost { reason, .. } => format!("unreachable: {reason}"),
        };
        Candidate::new(&shard.name, link)
    });
    groups.chain(contexts).collect()
}

/// Namespaces of the clusters in view, with where they are and their keys.
fn places(state: &State) -> Vec<Candidate> {
    let clusters = &state.nav.top().scope.clusters;
    // Each cluster is asked once: it may have many rows.
    let mut homes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for &id in clusters {
        for name in namespaces(state, &[id]) {
            homes.entry(name).or_default().push(state.fleet.shard(id).name.as_str());
        }
    }
    let mut found = vec![Candidate::new("all", "all namespaces · key 0")];
    found.extend(homes.into_iter().map(|(name, homes)| {
        let key = state.favourites.key(&name).map(|key| format!(" · key {key}")).unwrap_or_default();
        let place = if clusters.len() > 1 { format!(" on {}", homes.join(", ")) } else { String::new() };
        Candidate { help: format!("namespace{place}{key}"), word: name, also: vec![] }
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn the_better_fit_has_more() {
        let order = ["pod", "pods", "horizontal-pods", "xpods", "pxoxd"];
        let scores: Vec<u32> = order.iter().filter_map(|name| score("pod", name)).collect();
        assert_eq!(scores.len(), 5, "{scores:?}");
        assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
        assert!(score("dply", "deployments").is_some());
        assert!(score("dpl", "deployments") > score("dpm", "deployments"));
        assert_eq!(score("web", "deployments"), None);
        assert_eq!(score("e", "services"), None);
        assert!(score("Pod", "pods").is_some());
    }
}
