//! The programs of the user's own: for which objects they are, and what they are told.

use super::State;
use super::command::resource;
use super::list::ListOf;
use super::nav::View;
use super::picked::Picked;
use crate::config::Plugin;
use crate::effect::plugin::{PluginCall, Target};
use crate::keymap::{Chord, Found};
use crate::world::object::ResourceId;

/// The scope of a plugin for containers of a pod.
const CONTAINERS: &[&str] = &["containers", "container"];
/// The scope of a plugin for everything.
const ALL: &str = "all";

impl State {
    /// The plugin of this name.
    pub fn plugin(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// Whether a plugin is for what is under the cursor.
    pub fn takes(&self, plugin: &Plugin) -> bool {
        let Some(picked) = self.picked_all().into_iter().next() else { return false };
        let everything = plugin.kinds.is_empty() || plugin.kinds.iter().any(|kind| kind == ALL);
        let inside = container_list(self).is_some();
        let meant = |kind: &String| match CONTAINERS.contains(&kind.as_str()) {
            true => inside,
            false => !inside && is_of(self, kind, &picked.resource),
        };
        everything || plugin.kinds.iter().any(meant)
    }

    /// What a plugin is told when it is run now, on the marked rows or on what is under the cursor.
    ///
    /// # Errors
    /// A sentence: it would have to run in several clusters.
    pub fn plugin_call(&self, plugin: &Plugin) -> Result<PluginCall, String> {
        let all = self.picked_all();
        let cluster = all.first().ok_or("there is nothing under the cursor")?.cluster;
        if all.iter().any(|picked| picked.cluster != cluster) {
            return Err("the marked rows are in several clusters: one cluster at a time".into());
        }
        let target = |picked: &Picked| Target { object: words(picked), variables: variables(self, picked) };
        let targets = all.iter().map(target).collect();
        Ok(PluginCall { cluster, plugin: plugin.clone(), targets, inputs: vec![] })
    }

    /// Binds the keys of plugins, and gives a sentence for each that cannot be.
    pub(super) fn bind_plugins(&mut self) -> Vec<String> {
        let mut wrong = vec![];
        for plugin in self.plugins.clone() {
            let Some(text) = &plugin.key else { continue };
            let place = format!("config.toml:{}: the plugin {}", plugin.line, plugin.name);
            let chord = match Chord::parse(text) {
                Ok(chord) => chord,
                Err(why) => {
                    wrong.push(format!("{place} has no key: {why}"));
                    continue;
                }
            };
            for section in sections(self, &plugin) {
                let around = if CONTAINERS.contains(&section.as_str()) { "list" } else { "table" };
                let here = [section.clone(), around.into(), "global".into()];
                let taken = match self.keymap.resolve(&here, chord.keys(), |_| true) {
                    Found::Nothing => None,
                    Found::Waits => Some(format!("{chord} begins other keys there")),
                    Found::Runs(name) => Some(format!("{chord} is {name} there")),
                };
                match taken.filter(|_| !plugin.replaces) {
                    Some(taken) => wrong.push(format!(
                        "{place} has no key on {section}: {taken}; choose another, or say `override = true`"
                    )),
                    None => self.keymap.bind(&section, &chord, &format!(":plugin {}", plugin.name)),
                }
            }
        }
        wrong
    }
}

/// The sections of the keymap that its key belongs to.
fn sections(state: &State, plugin: &Plugin) -> Vec<String> {
    let section = |kind: &String| match kind.as_str() {
        ALL => "table".into(),
        kind if CONTAINERS.contains(&kind) => CONTAINERS[0].to_string(),
        kind => resource(state, kind)
            .map_or_else(|| kind.split('.').next().unwrap_or(kind).to_lowercase(), |resource| resource.plural),
    };
    let mut sections: Vec<String> = plugin.kinds.iter().map(section).collect();
    if sections.is_empty() || sections.iter().any(|section| section == "table") {
        return vec!["table".into()];
    }
    sections.sort();
    sections.dedup();
    sections
}

/// Whether a word names a kind.
fn is_of(state: &State, word: &str, id: &ResourceId) -> bool {
    let word = word.to_lowercase();
    word == id.plural || word == id.to_string() || resource(state, &word).as_ref() == Some(id)
}

/// Namespace and pod of the list of containers in view.
fn container_list(state: &State) -> Option<(&str, &str)> {
    match &state.nav.top().view {
        View::List(list) => match &list.of {
            ListOf::Containers { namespace, pod, .. } => Some((namespace, pod)),
            _ => None,
        },
        _ => None,
    }
}

/// `pods shop/web`
fn words(picked: &Picked) -> String {
    let name = &picked.object.name;
    match picked.object.namespace.as_str() {
        "" => format!("{} {name}", picked.resource.plural),
        namespace => format!("{} {namespace}/{name}", picked.resource.plural),
    }
}

/// The variables of k9s that a view can answer; what only the kubeconfig knows comes later.
fn variables(state: &State, picked: &Picked) -> Vec<(String, String)> {
    let screen = state.nav.top();
    let (mut name, mut pod, mut container) = (picked.object.name.clone(), String::new(), String::new());
    if container_list(state).is_some() {
        container = state.list_key().unwrap_or_default();
        (pod, name) = (name, container.clone());
    } else if picked.object.kind == "Pod" {
        pod.clone_from(&name);
    }
    let (filter, columns) = match &screen.view {
        View::Table(table) => {
            let cells = picked
                .row(state)
                .map(|row| table.cells(&state.fleet, &state.problems, &screen.scope, state.now, (picked.cluster, row)));
            (table.filter.text().to_string(), cells.unwrap_or_default())
        }
        _ => (String::new(), vec![]),
    };
    let catalog = &state.fleet.shard(picked.cluster).catalog;
    let version = catalog.iter().find(|kind| kind.id == picked.resource).map(|kind| kind.version.clone());
    let mut all: Vec<(String, String)> = vec![
        ("NAME".into(), name),
        ("NAMESPACE".into(), picked.object.namespace.clone()),
        ("POD".into(), pod),
        ("CONTAINER".into(), container),
        ("FILTER".into(), filter),
        ("RESOURCE_GROUP".into(), picked.resource.group.clone()),
        ("RESOURCE_VERSION".into(), version.unwrap_or_default()),
        ("RESOURCE_NAME".into(), picked.resource.plural.clone()),
    ];
    all.extend(columns.into_iter().map(|(title, text)| (format!("COL-{title}"), text)));
    all
}
