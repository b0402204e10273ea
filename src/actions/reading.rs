//! Looking at one object: describe, YAML, why; and what can be done in those views.

use crate::effect::Effect;
use crate::state::list::ListOf;
use crate::state::nav::{Scope, Screen, View};
use crate::state::picked::Picked;
use crate::state::problems::Problem;
use crate::state::prompt::{Asks, Prompt};
use crate::state::text::{TextOf, TextView};
use crate::state::{State, WhySubject};
use crate::world::fleet::ClusterId;
use crate::world::object::ObjectRef;
use std::sync::Arc;

pub fn describe(state: &mut State, _: &str) -> Vec<Effect> {
    show_object(state, TextOf::Describe)
}

pub fn yaml(state: &mut State, _: &str) -> Vec<Effect> {
    show_object(state, TextOf::Yaml { managed_fields: false })
}

/// The values of a Secret, on a screen of their own.
pub fn decode(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(Picked { cluster, resource, object }) = state.picked() else { return vec![] };
    if state.sealed.contains(&cluster) {
        let name = state.fleet.shard(cluster).name.clone();
        state.warn(format!("values of Secrets on {name} are not shown ([secrets] decode in config.toml)"));
        return vec![];
    }
    let request = state.request();
    let (namespace, name) = (object.namespace.clone(), object.name.clone());
    let mut text = TextView::new(TextOf::Decoded { entries: vec![] }, cluster, object, request);
    text.resource = Some(resource);
    let scope = Scope { clusters: vec![cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    let mut effects = state.push(Screen { scope, view: View::Text(Box::new(text)) });
    effects.push(Effect::Reveal { request, cluster, namespace, name });
    effects
}

/// Folds or unfolds the block under the cursor.
pub fn fold_line(state: &mut State, _: &str) -> Vec<Effect> {
    text(state, TextView::fold)
}

/// Shows at once what the row keeps of the object, and asks for it as it is now.
fn show_object(state: &mut State, of: TextOf) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    let request = state.request();
    let Picked { cluster, resource, object } = picked.clone();
    let mut effects = vec![Effect::FetchObject {
        request,
        cluster,
        resource: resource.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }];
    let mut text = TextView::new(of, cluster, object.clone(), request);
    if matches!(text.of, TextOf::Describe) {
        effects.push(Effect::FetchEvents { request, cluster, object: object.clone() });
    }
    text.value = picked.row(state).and_then(|row| row.raw.value()).map(Arc::new);
    text.resource = Some(resource);
    text.write(state.now);
    let scope = Scope { clusters: vec![cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    effects.extend(state.push(Screen { scope, view: View::Text(Box::new(text)) }));
    effects
}

/// On an object or a problem: why it stands as it does. Elsewhere: asks for a URL.
pub fn why(state: &mut State, _: &str) -> Vec<Effect> {
    if let Some(problem) = state.problem().cloned() {
        return why_problem(state, &problem);
    }
    match state.picked() {
        Some(picked) => ask_why(state, WhySubject::Object(picked.object), Some(vec![picked.cluster])),
        None => {
            state.prompt = Some(Prompt::new(Asks::WhyUrl));
            vec![]
        }
    }
}

/// Why there is a problem: what was found out in the background at once, and asked again as it is now.
pub fn why_problem(state: &mut State, problem: &Problem) -> Vec<Effect> {
    let (cluster, subject) = problem.ask.clone();
    let effects = ask_why(state, subject, Some(vec![cluster]));
    let now = state.now;
    if let (View::Text(text), Some(reason)) = (&mut state.nav.top_mut().view, &problem.cause)
        && let TextOf::Why { verdict, .. } = &mut text.of
    {
        *verdict = Some(Box::new((*reason.verdict).clone()));
        text.write(now);
    }
    effects
}

/// Diagnoses; a URL in the first cluster in view where none is named.
pub fn ask_why(state: &mut State, subject: WhySubject, clusters: Option<Vec<ClusterId>>) -> Vec<Effect> {
    let clusters = clusters.unwrap_or_else(|| state.nav.top().scope.clusters.clone());
    let Some(&cluster) = clusters.first() else {
        state.warn("no cluster is opened to ask: `:fleet`, then Enter on one".into());
        return vec![];
    };
    if clusters.len() > 1 {
        let name = state.fleet.shard(cluster).name.clone();
        state.say(format!("asking {name}; @NAME behind the command asks another cluster"));
    }
    let mut effects = state.open(&[cluster]);
    let request = state.request();
    let object = match &subject {
        WhySubject::Object(object) => object.clone(),
        WhySubject::Url(_) => ObjectRef::default(),
    };
    let resource = crate::state::command::resource_of(state, &object);
    let of = TextOf::Why { subject: subject.clone(), verdict: None };
    let mut text = TextView::new(of, cluster, object, request);
    text.resource = resource;
    let scope = Scope { clusters: vec![cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    effects.extend(state.push(Screen { scope, view: View::Text(Box::new(text)) }));
    effects.push(Effect::Why { request, cluster, subject });
    effects
}

/// Names of the marked rows or the one under the cursor; the whole text of a text.
pub fn copy(state: &mut State, _: &str) -> Vec<Effect> {
    let text = match &state.nav.top().view {
        View::Text(text) if matches!(text.of, TextOf::Decoded { .. }) => return copy_value(state),
        View::Text(text) => text.plain(),
        View::Logs(logs) => logs.plain(),
        View::List(list) if !matches!(list.of, ListOf::Managed { .. }) => state.list_key().unwrap_or_default(),
        View::Operation(_) => return vec![],
        _ => {
            let names: Vec<String> = state.picked_all().into_iter().map(|picked| picked.object.name).collect();
            names.join("\n")
        }
    };
    copied(state, text)
}

/// One value of a Secret. What is said of it names the key and nothing else.
fn copy_value(state: &mut State) -> Vec<Effect> {
    let View::Text(text) = &state.nav.top().view else { return vec![] };
    match text.entry().map(|entry| (entry.key.clone(), entry.text().map(String::from))) {
        Some((key, Some(value))) => {
            state.say(format!("copied the value of {key}; the clipboard keeps it"));
            vec![Effect::Copy(value)]
        }
        Some((key, None)) => {
            state.warn(format!("{key} is no text that could be copied"));
            vec![]
        }
        None => vec![],
    }
}

pub fn copy_namespace(state: &mut State, _: &str) -> Vec<Effect> {
    let mut names: Vec<String> = state.picked_all().into_iter().map(|picked| picked.object.namespace).collect();
    names.dedup();
    copied(state, names.join("\n"))
}

fn copied(state: &mut State, text: String) -> Vec<Effect> {
    if text.is_empty() {
        state.warn("nothing to copy here".into());
        return vec![];
    }
    match text.trim_end().lines().count() {
        1 => state.say(format!("copied {}", text.trim_end())),
        n => state.say(format!("copied {n} lines")),
    }
    vec![Effect::Copy(text)]
}

fn text(state: &mut State, change: impl FnOnce(&mut TextView)) -> Vec<Effect> {
    if let View::Text(text) = &mut state.nav.top_mut().view {
        change(text);
    }
    vec![]
}

pub fn next_hit(state: &mut State, _: &str) -> Vec<Effect> {
    if matches!(state.nav.top().view, View::Logs(_)) {
        return super::logging::next_hit(state, true);
    }
    text(state, |text| text.next_hit(true))
}

pub fn previous_hit(state: &mut State, _: &str) -> Vec<Effect> {
    if matches!(state.nav.top().view, View::Logs(_)) {
        return super::logging::next_hit(state, false);
    }
    text(state, |text| text.next_hit(false))
}

pub fn next_link(state: &mut State, _: &str) -> Vec<Effect> {
    text(state, |text| text.next_target(true))
}

pub fn previous_link(state: &mut State, _: &str) -> Vec<Effect> {
    text(state, |text| text.next_target(false))
}

pub fn wrap(state: &mut State, _: &str) -> Vec<Effect> {
    match &mut state.nav.top_mut().view {
        View::Text(text) => text.wrap = !text.wrap,
        View::Logs(logs) => logs.wrap = !logs.wrap,
        _ => {}
    }
    vec![]
}

pub fn managed_fields(state: &mut State, _: &str) -> Vec<Effect> {
    let now = state.now;
    text(state, |text| {
        if let TextOf::Yaml { managed_fields } = &mut text.of {
            *managed_fields = !*managed_fields;
            text.write(now);
        }
    })
}
