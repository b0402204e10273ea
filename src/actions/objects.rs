//! Deleting, restarting, rolling back, images, runs of CronJobs. Each leads to a plan at once; what was typed behind the
//! action's name is the reason.

use super::writing::{ask, plan, workload};
use crate::effect::{Effect, Intent};
use crate::kinds::Can;
use crate::state::State;
use crate::state::nav::View;
use crate::state::operation::OperationScreen;
use crate::state::picked::Picked;
use crate::state::prompt::Asks;
use crate::workflows::argo::Ask;
use crate::workflows::delete::Deletion;
use crate::workflows::rollback::Revision;
use crate::world::fleet::ClusterId;
use crate::world::object::ObjectRef;

/// What is marked (or under the cursor) and can be done to, all of one cluster.
fn together(state: &mut State, can: Option<Can>) -> Option<(ClusterId, Vec<Picked>)> {
    let picked: Vec<Picked> = state.picked_all().into_iter().filter(|one| can.is_none_or(|can| one.can(can))).collect();
    let cluster = picked.first()?.cluster;
    if picked.iter().any(|one| one.cluster != cluster) {
        state.warn("what is marked is in several clusters: one cluster at a time".into());
        return None;
    }
    Some((cluster, picked))
}

fn called(objects: &[ObjectRef]) -> String {
    match objects {
        [one] => one.name.clone(),
        all => format!("{} objects", all.len()),
    }
}

/// `foreground`, `orphan` and `force` may stand in front of the reason.
pub fn delete(state: &mut State, args: &str) -> Vec<Effect> {
    let (how, reason) = Deletion::parse(args);
    remove(state, how, reason)
}

pub fn kill(state: &mut State, args: &str) -> Vec<Effect> {
    let (how, reason) = Deletion::parse(args);
    remove(state, Deletion { force: true, ..how }, reason)
}

fn remove(state: &mut State, how: Deletion, reason: String) -> Vec<Effect> {
    let Some((cluster, picked)) = together(state, None) else { return vec![] };
    let Some(resource) = picked.first().map(|one| one.resource.clone()) else { return vec![] };
    let objects: Vec<ObjectRef> = picked.into_iter().map(|one| one.object).collect();
    let title = format!("delete {}", called(&objects));
    plan(state, cluster, title, Intent::Delete { resource, objects, how, reason })
}

pub fn restart(state: &mut State, reason: &str) -> Vec<Effect> {
    let Some((cluster, picked)) = together(state, Some(Can::Roll)) else { return vec![] };
    let objects: Vec<ObjectRef> = picked.into_iter().map(|one| one.object).collect();
    let title = format!("restart {}", called(&objects));
    plan(state, cluster, title, Intent::Restart { objects, reason: reason.into() })
}

/// A number in front of the reason is the revision; without one it is the one before.
pub fn rollback(state: &mut State, args: &str) -> Vec<Effect> {
    let Some((cluster, object)) = super::argo::application(state).or_else(|| workload(state)) else { return vec![] };
    let (word, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let (to, reason) = match word.parse() {
        Ok(number) => (Revision::Number(number), rest.trim()),
        Err(_) => (Revision::Back(1), args),
    };
    let title = format!("rollback {}", object.name);
    if object.kind == "Application" {
        let ask = Ask::Rollback { to, auto_sync_off: false, prune: false };
        return plan(
            state,
            cluster,
            title,
            Intent::Application { applications: vec![object], ask, reason: reason.into() },
        );
    }
    plan(state, cluster, title, Intent::Rollback { object, to, reason: reason.into() })
}

pub fn set_image(state: &mut State, images: &str) -> Vec<Effect> {
    let Some((cluster, object)) = workload(state) else { return vec![] };
    ask(state, Asks::Image { cluster, object }, images)
}

pub fn trigger(state: &mut State, reason: &str) -> Vec<Effect> {
    let Some((cluster, object)) = workload(state) else { return vec![] };
    let title = format!("trigger {}", object.name);
    plan(state, cluster, title, Intent::Trigger { object, name: String::new(), reason: reason.into() })
}

pub fn suspend(state: &mut State, reason: &str) -> Vec<Effect> {
    hold(state, true, reason)
}

pub fn resume(state: &mut State, reason: &str) -> Vec<Effect> {
    hold(state, false, reason)
}

fn hold(state: &mut State, suspend: bool, reason: &str) -> Vec<Effect> {
    let Some((cluster, object)) = workload(state) else { return vec![] };
    let title = format!("{} {}", if suspend { "suspend" } else { "resume" }, object.name);
    plan(state, cluster, title, Intent::Suspend { object, suspend, reason: reason.into() })
}

/// The same planned in another way, on the same screen.
pub(super) fn again(state: &mut State, change: impl Fn(&mut Intent)) -> Vec<Effect> {
    let request = state.request();
    let View::Operation(screen) = &mut state.nav.top_mut().view else { return vec![] };
    let Some((cluster, mut intent)) = screen.asked.clone() else { return vec![] };
    change(&mut intent);
    let title = std::mem::take(&mut screen.title);
    let old = screen.id.take();
    let asked = Some((cluster, intent.clone()));
    *screen = OperationScreen { asked, ..OperationScreen::planning(title, request) };
    state.operations.retain(|operation| old.as_ref() != Some(&operation.id));
    let discard = old.map(|operation| Effect::Discard { operation });
    let anew = Effect::Plan { request, cluster, intent, repository: None };
    discard.into_iter().chain([anew]).collect()
}

pub fn cascade(state: &mut State, _: &str) -> Vec<Effect> {
    again(state, |intent| {
        if let Intent::Delete { how, .. } = intent {
            how.cascade = how.cascade.next();
        }
    })
}

pub fn force(state: &mut State, _: &str) -> Vec<Effect> {
    again(state, |intent| {
        if let Intent::Delete { how, .. } = intent {
            how.force = !how.force;
        }
        if let Intent::Application { ask: Ask::Sync(how), .. } = intent {
            how.force = !how.force;
        }
    })
}

pub fn older(state: &mut State, _: &str) -> Vec<Effect> {
    step(state, 1)
}

pub fn newer(state: &mut State, _: &str) -> Vec<Effect> {
    step(state, -1)
}

/// From a revision that was named by its number, stepping begins at the one before the current one.
fn step(state: &mut State, by: i32) -> Vec<Effect> {
    again(state, |intent| {
        if let Intent::Rollback { to, .. } | Intent::Application { ask: Ask::Rollback { to, .. }, .. } = intent {
            *to = match to {
                Revision::Back(n) => Revision::Back(n.saturating_add_signed(by).max(1)),
                Revision::Number(_) => Revision::Back(1),
            };
        }
    })
}
