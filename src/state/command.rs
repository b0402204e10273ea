//! The line after `:`. `KIND [NAMESPACE] [/filter] [-l selector] [label=value,…] [@context]`, the names of screens,
//! `why URL`, `why KIND/NAME`, and the name of any action.

use super::State;
use super::list::ListOf;
use crate::actions;
use crate::diagnose::case::Subject;
use crate::kinds;
use crate::kinds::resolve::{Resolved, resolve};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, Resource, ResourceId};
use crate::world::text::closest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A table. `None`: as on the screen it was typed on.
    Table {
        resource: ResourceId,
        namespaces: Option<Vec<String>>,
        filter: Option<String>,
        clusters: Option<Vec<ClusterId>>,
    },
    /// A list.
    List(ListOf),
    /// Look at these clusters.
    Context(Vec<ClusterId>),
    /// Look at these namespaces; empty: all.
    Namespace(Vec<String>),
    /// Diagnose.
    Why { subject: Subject, clusters: Option<Vec<ClusterId>> },
    /// Do something with what is selected; the rest of the line goes with it.
    Action(&'static actions::Action, String),
}

/// Names shipped beside those of discovery (as k9s' aliases.yaml).
const ALIASES: &[(&str, &str, &str)] = &[
    ("dp", "apps", "deployments"),
    ("sec", "", "secrets"),
    ("jo", "batch", "jobs"),
    ("cr", "rbac.authorization.k8s.io", "clusterroles"),
    ("crb", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("ro", "rbac.authorization.k8s.io", "roles"),
    ("rb", "rbac.authorization.k8s.io", "rolebindings"),
    ("np", "networking.k8s.io", "networkpolicies"),
];

/// Names of screens, each with the ways to type it.
const SCREENS: &[(&[&str], ListOf)] = &[
    (&["fleet", "ctx", "context", "contexts", "clusters"], ListOf::Fleet),
    (&["problems"], ListOf::Problems),
    (&["operations", "ops"], ListOf::Operations),
    (&["notices", "messages"], ListOf::Notices),
    (&["aliases", "alias", "a"], ListOf::Aliases),
    (&["help", "h", "?", "keys"], ListOf::Help),
];

/// Reads a command line.
///
/// # Errors
/// A sentence that says what was not understood, and what it may have been meant to be.
pub fn parse(state: &State, line: &str) -> Result<Command, String> {
    let words = split(line);
    let Some((first, rest)) = words.split_first() else { return Err("nothing to do: the command is empty".into()) };
    match first.as_str() {
        "why" => return why(state, rest),
        "ns" | "namespace" | "namespaces" => return namespace(state, rest),
        "ctx" | "context" | "contexts" if !rest.is_empty() => {
            return Ok(Command::Context(context(state, rest[0].trim_start_matches('@'))?));
        }
        "q" | "q!" | "qa" | "Q" | "quit" | "exit" => return action("quit", ""),
        _ => {}
    }
    if let Some((_, list)) = SCREENS.iter().find(|(names, _)| names.contains(&first.as_str())) {
        return Ok(Command::List(list.clone()));
    }
    if let Some(resource) = resource(state, first) {
        return table(state, resource, rest);
    }
    if actions::find(first).is_some() {
        let args = line.trim_start().strip_prefix(first.as_str()).unwrap_or_default().trim();
        return action(first, args);
    }
    Err(unknown(state, first))
}

fn action(name: &str, args: &str) -> Result<Command, String> {
    actions::find(name).map(|a| Command::Action(a, args.into())).ok_or_else(|| format!("no action {name}"))
}

fn table(state: &State, resource: ResourceId, rest: &[String]) -> Result<Command, String> {
    let (mut namespaces, mut filter, mut clusters) = (None, None, None);
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if let Some(text) = word.strip_prefix('/') {
            filter = Some(text.to_string());
        } else if let Some(name) = word.strip_prefix('@') {
            clusters = Some(context(state, name)?);
        } else if word == "-l" {
            filter = Some(format!("-l {}", words.next().ok_or("-l needs a label selector, such as app=web")?));
        } else if let Some(selector) = word.strip_prefix("-l") {
            filter = Some(format!("-l {selector}"));
        } else if word.contains('=') {
            filter = Some(format!("-l {word}"));
        } else {
            namespaces = Some(if matches!(word.as_str(), "all" | "*" | "-A") {
                vec![]
            } else {
                word.split(',').map(String::from).collect()
            });
        }
    }
    Ok(Command::Table { resource, namespaces, filter, clusters })
}

fn namespace(_: &State, rest: &[String]) -> Result<Command, String> {
    Ok(match rest.first().map(String::as_str) {
        None => Command::List(ListOf::Namespaces),
        Some("all" | "*" | "-A") => Command::Namespace(vec![]),
        Some(names) => Command::Namespace(names.split(',').map(String::from).collect()),
    })
}

/// The clusters that a name after `@` means: exact, or the only one that begins or contains it; `*`: all opened.
fn context(state: &State, name: &str) -> Result<Vec<ClusterId>, String> {
    if matches!(name, "*" | "all") {
        return Ok(state.opened.iter().copied().collect());
    }
    if name.contains(',') {
        return name.split(',').map(|one| context(state, one)).collect::<Result<Vec<_>, _>>().map(|all| all.concat());
    }
    let pick = |test: &dyn Fn(&str) -> bool| -> Vec<ClusterId> {
        state.fleet.iter().filter(|(_, shard)| test(&shard.name)).map(|(id, _)| id).collect()
    };
    for found in [pick(&|n| n == name), pick(&|n| n.starts_with(name)), pick(&|n| n.contains(name))] {
        match found.len() {
            0 => {}
            1 => return Ok(found),
            _ => {
                let names: Vec<&str> = found.iter().map(|id| state.fleet.shard(*id).name.as_str()).collect();
                return Err(format!("@{name} is more than one context: {}", names.join(", ")));
            }
        }
    }
    let known = state.fleet.shards.iter().map(|shard| shard.name.as_str());
    Err(format!("no context `{name}` in the kubeconfig{}", did_you_mean(name, known)))
}

fn why(state: &State, rest: &[String]) -> Result<Command, String> {
    let usage = "why what? `:why https://host/path`, `:why pod/NAME [NAMESPACE]`, or x on a row";
    let (mut subject, mut namespace, mut clusters) = (None, None, None);
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if let Some(name) = word.strip_prefix('@') {
            clusters = Some(context(state, name)?);
        } else if word == "-n" {
            namespace = words.next().cloned();
        } else if subject.is_none() {
            subject = Some(word.clone());
        } else {
            namespace = Some(word.clone());
        }
    }
    let Some(text) = subject else {
        return action("why", "");
    };
    if text.contains("://") {
        return Ok(Command::Why { subject: Subject::Url(text), clusters });
    }
    let (kind, name) = text.split_once('/').ok_or(usage)?;
    let id = resource(state, kind).ok_or_else(|| unknown(state, kind))?;
    let (kind, namespaced) = kind_of(state, &id);
    let namespace = match (namespaced, namespace) {
        (false, _) => String::new(),
        (true, Some(namespace)) => namespace,
        (true, None) => find_namespace(state, &id, name)?,
    };
    Ok(Command::Why { subject: Subject::Object(ObjectRef::new(&id.group, &kind, &namespace, name)), clusters })
}

/// The namespace of an object that was named without one: the one in view, or where the only one of that name is.
fn find_namespace(state: &State, id: &ResourceId, name: &str) -> Result<String, String> {
    let scope = &state.nav.top().scope;
    if let [one] = scope.namespaces.as_slice() {
        return Ok(one.clone());
    }
    let tables = scope.clusters.iter().filter_map(|cluster| state.fleet.shard(*cluster).table(id));
    let found: BTreeSet<String> = tables
        .flat_map(|table| table.rows().filter(|(_, row)| row.meta.name == name))
        .map(|(_, row)| row.meta.namespace.to_string())
        .collect();
    match found.len() {
        1 => Ok(found.into_iter().next().unwrap_or_default()),
        0 => Ok("default".into()),
        _ => Err(format!("{name} is in more than one namespace ({}): name one", Vec::from_iter(found).join(", "))),
    }
}

/// Kind in CamelCase and whether it is namespaced; from our own table, else from what a cluster said.
pub fn kind_of(state: &State, id: &ResourceId) -> (String, bool) {
    if let Some(kind) = kinds::of(id) {
        return (kind.kind.into(), kind.namespaced);
    }
    let known = state.fleet.shards.iter().flat_map(|shard| shard.catalog.iter()).find(|r| r.id == *id);
    known.map_or_else(|| (id.plural.clone(), true), |r| (r.kind.clone(), r.namespaced))
}

/// The resource of a kind in CamelCase; where an evidence line leads.
pub fn resource_of(state: &State, object: &ObjectRef) -> Option<ResourceId> {
    let own = kinds::TABLE.iter().find(|kind| kind.kind == object.kind && kind.group == object.group);
    own.map(|kind| kind.id()).or_else(|| {
        let known = state.fleet.shards.iter().flat_map(|shard| shard.catalog.iter());
        known.into_iter().find(|r| r.kind == object.kind && r.id.group == object.group).map(|r| r.id.clone())
    })
}

/// What a name means: kinds with a file of their own first, then what the clusters serve, then shipped aliases.
pub fn resource(state: &State, name: &str) -> Option<ResourceId> {
    let name = name.to_lowercase();
    let own = kinds::TABLE
        .iter()
        .find(|kind| kind.plural == name || kind.kind.to_lowercase() == name || kind.short.contains(&name.as_str()));
    if let Some(kind) = own {
        return Some(kind.id());
    }
    if let Some((_, group, plural)) = ALIASES.iter().find(|(alias, _, _)| *alias == name) {
        return Some(ResourceId::new(group, plural));
    }
    let in_view = state.nav.top().scope.clusters.iter().map(|id| state.fleet.shard(*id));
    let mut catalogs = in_view.chain(&state.fleet.shards).map(|shard| shard.catalog.clone());
    let served = |catalog: Arc<[Resource]>| match resolve(&catalog, &name) {
        Resolved::One(found) => Some(found.id.clone()),
        Resolved::Several(found) => found.first().map(|found| found.id.clone()),
        Resolved::Nothing(_) => None,
    };
    // Until a cluster has said what it serves, the usual kinds are known.
    catalogs.find_map(served).or_else(|| served(kinds::well_known()))
}

/// Every kind: its resource, its kind, and the names it answers to.
pub fn names(state: &State) -> Vec<(ResourceId, String, Vec<String>)> {
    let mut all: BTreeMap<ResourceId, (String, BTreeSet<String>)> = BTreeMap::new();
    for kind in kinds::TABLE {
        let (_, names) = all.entry(kind.id()).or_insert_with(|| (kind.kind.into(), BTreeSet::new()));
        names.insert(kind.plural.into());
        names.extend(kind.short.iter().map(|name| name.to_string()));
    }
    for r in state.fleet.shards.iter().flat_map(|shard| shard.catalog.iter()) {
        let (_, names) = all.entry(r.id.clone()).or_insert_with(|| (r.kind.clone(), BTreeSet::new()));
        names.insert(r.id.plural.clone());
        names.extend(r.short_names.iter().cloned());
    }
    for (alias, group, plural) in ALIASES {
        if let Some((_, names)) = all.get_mut(&ResourceId::new(group, plural)) {
            names.insert(alias.to_string());
        }
    }
    all.into_iter().map(|(id, (kind, names))| (id, kind, names.into_iter().collect())).collect()
}

/// Namespaces seen on these clusters: the objects themselves, and those that rows live in.
pub fn namespaces(state: &State, clusters: &[ClusterId]) -> Vec<String> {
    let mut all = BTreeSet::new();
    for id in clusters {
        let shard = state.fleet.shard(*id);
        if let Some(table) = shard.table(&ResourceId::core("namespaces")) {
            all.extend(table.rows().map(|(_, row)| row.meta.name.to_string()));
        }
        if let Some(table) = shard.table(&ResourceId::core("pods")) {
            let mut last: &str = "";
            for (_, row) in table.rows() {
                if *row.meta.namespace != *last {
                    last = &row.meta.namespace;
                    if !all.contains(last) {
                        all.insert(last.to_string());
                    }
                }
            }
        }
    }
    all.into_iter().collect()
}

/// What the line could become: the first is shown behind the cursor, the rest with the arrow keys.
pub fn complete(state: &State, line: &str) -> Vec<String> {
    let (before, word) = match line.rfind(' ') {
        Some(at) => line.split_at(at + 1),
        None => ("", line),
    };
    if word.is_empty() {
        return vec![];
    }
    let begins = |candidate: &String| candidate.starts_with(word) && candidate != word;
    let mut candidates: Vec<String> = if before.trim().is_empty() {
        let kinds = names(state).into_iter().flat_map(|(id, _, names)| names.into_iter().chain([id.to_string()]));
        let screens = SCREENS.iter().flat_map(|(names, _)| names.iter().map(|name| name.to_string()));
        let actions = actions::TABLE.iter().map(|action| action.name.to_string());
        let own = ["why", "ns", "quit"].map(String::from);
        kinds.chain(screens).chain(own).chain(actions).filter(begins).collect()
    } else if let Some(name) = word.strip_prefix('@') {
        let contexts = state.fleet.shards.iter().map(|shard| shard.name.as_str());
        contexts.filter(|context| context.starts_with(name) && *context != name).map(|c| format!("@{c}")).collect()
    } else if matches!(before.trim(), "ctx" | "context" | "contexts") {
        state.fleet.shards.iter().map(|shard| shard.name.clone()).filter(begins).collect()
    } else {
        namespaces(state, &state.nav.top().scope.clusters).into_iter().filter(begins).collect()
    };
    // Shortest first: `pods` before `poddisruptionbudgets`.
    candidates.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    candidates.dedup();
    candidates.truncate(50);
    candidates.into_iter().map(|c| format!("{before}{c}")).collect()
}

/// Words at spaces; `'…'` and `"…"` keep them together.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (vec![], String::new(), None, false);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => (quote, open) = (Some(c), true),
            (c, None) if c.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (c, None) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

fn unknown(state: &State, name: &str) -> String {
    let kinds = names(state);
    let kinds = kinds.iter().flat_map(|(_, _, names)| names.iter().map(String::as_str));
    let screens = SCREENS.iter().flat_map(|(names, _)| names.iter().copied());
    let actions = actions::TABLE.iter().map(|action| action.name);
    let meant = did_you_mean(name, kinds.chain(screens).chain(actions));
    format!("no kind, screen or action `{name}`{meant} (Ctrl-A lists the kinds)")
}

/// `; did you mean `pods`?`, or nothing where no name is near.
fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        assert_eq!(split(" pods  shop '/a b' \"x y\" "), ["pods", "shop", "/a b", "x y"]);
        assert_eq!(split("pods ''"), ["pods", ""]);
        assert!(split("  ").is_empty());
    }
}
