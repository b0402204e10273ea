//! What Argo CD is asked for: each leads to a plan, on the Applications marked, the one under the cursor, or the one whose
//! resources are listed.

use super::objects::again;
use super::writing::plan;
use crate::effect::{Effect, Intent};
use crate::state::State;
use crate::state::list::ListOf;
use crate::state::nav::View;
use crate::workflows::argo::{Ask, Selected, SyncOptions, verb};
use crate::world::fleet::ClusterId;
use crate::world::object::ObjectRef;

/// The Application whose resources are listed, or the one under the cursor.
pub(super) fn application(state: &State) -> Option<(ClusterId, ObjectRef)> {
    if let Some((cluster, object, _)) = listed(state) {
        return Some((cluster, object));
    }
    let picked = state.picked()?;
    is_application(&picked.object).then_some((picked.cluster, picked.object))
}

fn is_application(object: &ObjectRef) -> bool {
    object.group == "argoproj.io" && object.kind == "Application"
}

/// The Application whose resources are listed, and those that are marked.
fn listed(state: &State) -> Option<(ClusterId, ObjectRef, Vec<Selected>)> {
    let View::List(list) = &state.nav.top().view else { return None };
    let ListOf::Managed { cluster, namespace, name } = &list.of else { return None };
    let selected = list.marks.iter().map(|key| {
        let mut parts = key.split('|').map(str::to_string);
        let mut part = || parts.next().unwrap_or_default();
        Selected { group: part(), kind: part(), namespace: part(), name: part() }
    });
    Some((*cluster, ObjectRef::new("argoproj.io", "Application", namespace, name), selected.collect()))
}

pub fn on_application(state: &State) -> bool {
    application(state).is_some()
}

/// The Applications meant, all of one cluster.
fn meant(state: &mut State) -> Option<(ClusterId, Vec<ObjectRef>)> {
    if let Some((cluster, object, _)) = listed(state) {
        return Some((cluster, vec![object]));
    }
    let picked = state.picked_all();
    let cluster = picked.first()?.cluster;
    if picked.iter().any(|one| one.cluster != cluster) {
        state.warn("what is marked is in several clusters: one cluster at a time".into());
        return None;
    }
    Some((cluster, picked.into_iter().map(|one| one.object).filter(is_application).collect()))
}

fn asked(state: &mut State, ask: Ask, reason: &str) -> Vec<Effect> {
    let Some((cluster, applications)) = meant(state) else { return vec![] };
    let called = match &applications[..] {
        [one] => one.name.clone(),
        all => format!("{} Applications", all.len()),
    };
    let title = format!("{} {called}", verb(&ask));
    plan(state, cluster, title, Intent::Application { applications, ask, reason: reason.into() })
}

/// A comparison changes nothing by itself, so the button that goes on is the first.
fn compare(state: &mut State, hard: bool, reason: &str) -> Vec<Effect> {
    let effects = asked(state, Ask::Refresh { hard }, reason);
    if !effects.is_empty()
        && let View::Operation(screen) = &mut state.nav.top_mut().view
    {
        screen.go = true;
    }
    effects
}

pub fn refresh(state: &mut State, reason: &str) -> Vec<Effect> {
    compare(state, false, reason)
}

pub fn hard_refresh(state: &mut State, reason: &str) -> Vec<Effect> {
    compare(state, true, reason)
}

/// `prune`, `dry-run`, `force`, `server-side`, `revision=…` and `Option=value` may stand in front of the reason.
pub fn sync(state: &mut State, args: &str) -> Vec<Effect> {
    let (mut how, reason) = SyncOptions::parse(args);
    how.resources = listed(state).map(|(.., selected)| selected).unwrap_or_default();
    asked(state, Ask::Sync(how), &reason)
}

pub fn terminate(state: &mut State, reason: &str) -> Vec<Effect> {
    asked(state, Ask::Terminate, reason)
}

/// `on` or `off`, `prune` and `self-heal` may stand in front of the reason.
pub fn auto_sync(state: &mut State, args: &str) -> Vec<Effect> {
    let (mut on, mut prune, mut self_heal, mut rest) = (None, false, false, args.trim());
    loop {
        let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match word {
            "on" => on = Some(true),
            "off" => on = Some(false),
            "prune" => prune = true,
            "self-heal" => self_heal = true,
            _ => break,
        }
        rest = behind.trim_start();
    }
    asked(state, Ask::AutoSync { on, prune, self_heal }, rest)
}

pub fn on_planned_sync(state: &State) -> bool {
    matches!(super::asked(state), Some(Intent::Application { ask: Ask::Sync(_), .. }))
}

pub fn on_planned_rollback(state: &State) -> bool {
    matches!(super::asked(state), Some(Intent::Application { ask: Ask::Rollback { .. }, .. }))
}

pub fn on_planned_prune(state: &State) -> bool {
    on_planned_sync(state) || on_planned_rollback(state)
}

pub fn prune(state: &mut State, _: &str) -> Vec<Effect> {
    again(state, |intent| {
        if let Intent::Application { ask: Ask::Sync(SyncOptions { prune, .. }) | Ask::Rollback { prune, .. }, .. } =
            intent
        {
            *prune = !*prune;
        }
    })
}

pub fn dry_run(state: &mut State, _: &str) -> Vec<Effect> {
    again(state, |intent| {
        if let Intent::Application { ask: Ask::Sync(how), .. } = intent {
            how.dry_run = !how.dry_run;
        }
    })
}

/// Hooks run, or not.
pub fn apply_only(state: &mut State, _: &str) -> Vec<Effect> {
    again(state, |intent| {
        if let Intent::Application { ask: Ask::Sync(how), .. } = intent {
            how.apply_only = !how.apply_only;
        }
    })
}

fn switch(state: &mut State, word: &str) -> Vec<Effect> {
    again(state, |intent| {
        if let Intent::Application { ask: Ask::Sync(how), .. } = intent {
            how.switch(word);
        }
    })
}

pub fn server_side(state: &mut State, _: &str) -> Vec<Effect> {
    switch(state, "server-side")
}

pub fn replace(state: &mut State, _: &str) -> Vec<Effect> {
    switch(state, "replace")
}

pub fn only_differing(state: &mut State, _: &str) -> Vec<Effect> {
    switch(state, "only-differing")
}

pub fn auto_sync_off(state: &mut State, _: &str) -> Vec<Effect> {
    again(state, |intent| {
        if let Intent::Application { ask: Ask::Rollback { auto_sync_off, .. }, .. } = intent {
            *auto_sync_off = !*auto_sync_off;
        }
    })
}
