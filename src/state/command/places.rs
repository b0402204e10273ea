//! Clusters and namespaces by name.

use super::did_you_mean;
use crate::state::State;
use crate::world::fleet::ClusterId;
use crate::world::glob::{is_pattern, shell};
use crate::world::object::ResourceId;
use std::collections::BTreeSet;

/// The clusters that a name after `@` means: a context, a group, a pattern (`prod-*`), or the only context that begins
/// with it or contains it; `*`: all opened.
pub(super) fn context(state: &State, name: &str) -> Result<Vec<ClusterId>, String> {
    if matches!(name, "*" | "all") {
        return Ok(state.opened.iter().copied().collect());
    }
    if name.contains(',') {
        return name.split(',').map(|one| context(state, one)).collect::<Result<Vec<_>, _>>().map(|all| all.concat());
    }
    let pick = |test: &dyn Fn(&str) -> bool| -> Vec<ClusterId> {
        state.fleet.iter().filter(|(_, shard)| test(&shard.name)).map(|(id, _)| id).collect()
    };
    let exact = pick(&|n| n == name);
    if !exact.is_empty() {
        return Ok(exact);
    }
    if let Some(patterns) = state.names.group(name) {
        let found = pick(&|n| patterns.iter().any(|pattern| shell(pattern, n)));
        return match found.is_empty() {
            true => Err(format!("the group @{name} ({}) matches no context of the kubeconfig", patterns.join(", "))),
            false => Ok(found),
        };
    }
    if is_pattern(name) {
        let found = pick(&|n| shell(name, n));
        return if found.is_empty() { Err(format!("no context matches @{name}")) } else { Ok(found) };
    }
    for found in [pick(&|n| n.starts_with(name)), pick(&|n| n.contains(name))] {
        match found.len() {
            0 => {}
            1 => return Ok(found),
            _ => {
                let names: Vec<&str> = found.iter().map(|id| state.fleet.shard(*id).name.as_str()).collect();
                return Err(format!("@{name} is more than one context: {}", names.join(", ")));
            }
        }
    }
    let groups = state.names.groups.iter().map(|(group, _)| group.as_str());
    let known = state.fleet.shards.iter().map(|shard| shard.name.as_str()).chain(groups);
    Err(format!("no context or group `{name}`{}", did_you_mean(name, known)))
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

/// A sentence about a namespace that none of these clusters has, as far as is known. It may be there all the same: then
/// the sentence costs nothing.
pub fn unheard_of(state: &State, clusters: &[ClusterId], names: &[String]) -> Option<String> {
    let known = namespaces(state, clusters);
    let is_there = |name: &String| known.iter().any(|known| shell(name, known));
    let name = names.iter().find(|name| !is_there(name)).filter(|_| !known.is_empty())?;
    match is_pattern(name) {
        true => Some(format!("no namespace is known that matches {name}")),
        false => {
            let meant = did_you_mean(name, known.iter().map(String::as_str));
            (!meant.is_empty()).then(|| format!("no namespace `{name}` is known{meant}"))
        }
    }
}
