//! The line after `:`. `KIND [NAMESPACE …] [/filter] [-l selector] [label=value,…] [@context]` in any order, the names of
//! screens, `why URL`, `why KIND/NAME`, the name of any action, and the aliases of the configuration.

mod alias;
mod complete;
mod places;

pub use complete::{Offer, complete};
use places::context;
pub use places::{namespaces, unheard_of};

use super::State;
use super::list::ListOf;
use crate::actions;
use crate::diagnose::case::Subject;
use crate::kinds;
use crate::kinds::resolve::{Resolved, resolve};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, Resource, ResourceId};
use crate::world::text::{closest, split};
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
    /// Look at other rows in the view that there is.
    Look(Look),
    /// A tree of one object, or of every object of a kind.
    Xray { resource: ResourceId, name: Option<String>, look: Look },
    /// Logs of the pods with labels.
    Logs(Look),
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
    // kubectl's own, for the moment before a cluster has said them.
    ("cm", "", "configmaps"),
    ("sa", "", "serviceaccounts"),
    ("ep", "", "endpoints"),
    ("quota", "", "resourcequotas"),
    ("cj", "batch", "cronjobs"),
    ("hpa", "autoscaling", "horizontalpodautoscalers"),
    ("pdb", "policy", "poddisruptionbudgets"),
    ("netpol", "networking.k8s.io", "networkpolicies"),
];

/// Names of screens, each with the ways to type it, and one line of help.
const SCREENS: &[(&[&str], ListOf, &str)] = &[
    (
        &["fleet", "ctx", "context", "contexts", "clusters"],
        ListOf::Fleet,
        "Every cluster: open, close, mark several to view them together",
    ),
    (&["problems"], ListOf::Problems, "What is wrong in the fleet, grouped by cause"),
    (
        &["pulses", "pulse", "pu", "hz"],
        ListOf::Pulses,
        "CPU, memory, pods and nodes of every cluster, and what uses most",
    ),
    (&["operations", "ops"], ListOf::Operations, "Everything that was changed, and how it went"),
    (&["forwards", "pf", "portforward", "portforwards"], ListOf::Forwards, "The port-forwards that run"),
    (&["notices", "messages"], ListOf::Notices, "What was said so far, newest first"),
    (&["aliases", "alias", "a"], ListOf::Aliases, "Every kind with the names it answers to, and your own aliases"),
    (&["help", "h", "?", "keys"], ListOf::Help, "The keys of this screen and every action"),
    (&["themes", "skins", "skin"], ListOf::Themes, "Every theme; the one under the cursor is shown at once"),
];

/// Reads a command line. Its parts may stand in any order: the first word that is no part of another kind (`@…`, `/…`,
/// `-l …`, `label=…`, `-n …`, `-A`) says what it is about.
///
/// # Errors
/// A sentence that says what was not understood, and what it may have been meant to be.
pub fn parse(state: &State, line: &str) -> Result<Command, String> {
    let mut words = alias::expand(state, split(line))?;
    if words.is_empty() {
        return Err("nothing to do: the command is empty".into());
    }
    let Some(at) = head(state, &words) else { return Look::read(state, &words).map(Look::here) };
    let head = words.remove(at);
    let rest = words.as_slice();
    match head.as_str() {
        "why" => return why(state, rest),
        "logs" if rest.iter().any(|word| word.starts_with("-l") || word.contains('=')) => {
            return Look::read(state, rest).map(Command::Logs);
        }
        "ns" | "namespace" | "namespaces" if rest.is_empty() => return Ok(Command::List(ListOf::Namespaces)),
        "ns" | "namespace" | "namespaces" => return Look::read(state, rest).map(Look::here),
        "ctx" | "context" | "contexts" if !rest.is_empty() => return clusters_named(state, rest),
        "xray" | "xr" | "x" if !rest.is_empty() => return xray(state, rest),
        "xr" | "x" => return action("xray", ""),
        "q" | "q!" | "qa" | "Q" | "quit" | "exit" => return action("quit", ""),
        _ => {}
    }
    if let Some((_, list, _)) = SCREENS.iter().find(|(names, ..)| names.contains(&head.as_str())) {
        return Ok(Command::List(list.clone()));
    }
    if let Some(resource) = resource(state, &head) {
        let Look { namespaces, filter, clusters } = Look::read(state, rest)?;
        return Ok(Command::Table { resource, namespaces, filter, clusters });
    }
    match actions::find(&head) {
        Some(_) => action(&head, &rest.join(" ")),
        None if state.plugin(&head).is_some() => action("plugin", &head),
        None => Err(unknown(state, &head)),
    }
}

fn action(name: &str, args: &str) -> Result<Command, String> {
    actions::find(name).map(|a| Command::Action(a, args.into())).ok_or_else(|| format!("no action {name}"))
}

/// Where the word stands that says what a line is about: the first that is no option, or behind names of namespaces the
/// first that is a kind.
fn head(state: &State, words: &[String]) -> Option<usize> {
    let first = head_at(words)?;
    let word = words.get(first)?;
    let own = ["why", "ns", "namespace", "namespaces", "xray", "xr", "x", "q", "q!", "qa", "Q", "quit", "exit"];
    let known = own.contains(&word.as_str())
        || SCREENS.iter().any(|(names, ..)| names.contains(&word.as_str()))
        || actions::find(word).is_some()
        || state.plugin(word).is_some();
    if known || resource(state, word).is_some() {
        return Some(first);
    }
    let mut at = first + 1;
    while let Some(next) = words.get(at..).and_then(head_at).map(|more| at + more) {
        if words.get(next).is_some_and(|word| resource(state, word).is_some()) {
            return Some(next);
        }
        at = next + 1;
    }
    Some(first)
}

/// Where the first word stands that is no option.
fn head_at(words: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.as_str() {
            "-l" | "-n" => at += 2,
            _ if word.starts_with(['@', '/', '-']) || (word.contains('=') && !word.contains("://")) => at += 1,
            _ => return Some(at),
        }
    }
    None
}

/// `xray deploy shop`, `xray deploy/web shop`
fn xray(state: &State, rest: &[String]) -> Result<Command, String> {
    let mut words = rest.to_vec();
    let Some(at) = head_at(&words) else {
        return Err("xray of what? `:xray deploy`, `:xray deploy/web shop`, or b on a row".into());
    };
    let word = words.remove(at);
    let (kind, name) =
        word.split_once('/').map_or((word.as_str(), None), |(kind, name)| (kind, Some(name.to_string())));
    let resource = resource(state, kind).ok_or_else(|| unknown(state, kind))?;
    Ok(Command::Xray { resource, name, look: Look::read(state, &words)? })
}

/// `ctx prod-eu prod-us`, `ctx @prod`
fn clusters_named(state: &State, names: &[String]) -> Result<Command, String> {
    let mut clusters = vec![];
    for name in names {
        clusters.extend(context(state, name.trim_start_matches('@'))?);
    }
    clusters.sort();
    clusters.dedup();
    Ok(Command::Look(Look { clusters: Some(clusters), ..Look::default() }))
}

/// Which rows a line asks for. `None`: as on the screen it was typed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Names and patterns; empty: all.
    pub namespaces: Option<Vec<String>>,
    /// As typed after `/`.
    pub filter: Option<String>,
    /// The clusters.
    pub clusters: Option<Vec<ClusterId>>,
}

impl Look {
    fn here(self) -> Command {
        Command::Look(self)
    }

    fn read(state: &State, words: &[String]) -> Result<Self, String> {
        let (mut look, mut label, mut text) = (Self::default(), None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some(filter) = word.strip_prefix('/') {
                text = Some(filter.to_string());
            } else if let Some(name) = word.strip_prefix('@') {
                look.clusters.get_or_insert_default().extend(context(state, name)?);
            } else if word == "-l" {
                label = Some(words.next().ok_or("-l needs a label selector, such as app=web")?.clone());
            } else if let Some(selector) = word.strip_prefix("-l") {
                label = Some(selector.to_string());
            } else if word == "-n" {
                look.add(words.next().ok_or("-n needs a namespace")?);
            } else if word == "-A" {
                look.namespaces = Some(vec![]);
            } else if word.starts_with('-') {
                return Err(format!("{word} is none of -l SELECTOR, -n NAMESPACE, -A (all namespaces)"));
            } else if word.contains('=') {
                label = Some(word.clone());
            } else {
                look.add(word);
            }
        }
        if let Some(clusters) = &mut look.clusters {
            clusters.sort();
            clusters.dedup();
        }
        look.filter = match (label, text) {
            (None, text) => text,
            (Some(label), None) => Some(format!("-l {label}")),
            (Some(label), Some(text)) => Some(format!("-l {label} /{text}")),
        };
        Ok(look)
    }

    fn add(&mut self, names: &str) {
        match names {
            "all" | "*" => self.namespaces = Some(vec![]),
            _ => self
                .namespaces
                .get_or_insert_default()
                .extend(names.split(',').filter(|n| !n.is_empty()).map(Into::into)),
        }
    }
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
    if let Some(one) = scope.one_namespace() {
        return Ok(one.into());
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

fn unknown(state: &State, name: &str) -> String {
    let kinds = names(state);
    let kinds = kinds.iter().flat_map(|(_, _, names)| names.iter().map(String::as_str));
    let screens = SCREENS.iter().flat_map(|(names, ..)| names.iter().copied());
    let actions = actions::TABLE.iter().map(|action| action.name);
    let aliases = state.names.aliases.iter().map(|(alias, _)| alias.as_str());
    let meant = did_you_mean(name, kinds.chain(screens).chain(actions).chain(aliases));
    format!("no kind, screen or action `{name}`{meant} (Ctrl-A lists the kinds)")
}

/// `; did you mean `pods`?`, or nothing where no name is near.
fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
