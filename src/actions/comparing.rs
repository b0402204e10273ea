//! What differs between git and what lives, of an Application or of one object.

use crate::effect::Effect;
use crate::state::State;
use crate::state::nav::{Scope, Screen, View};
use crate::state::text::{TextOf, TextView};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};

/// Of the Application under the cursor, or of the object in its Application. What follows the name is a revision; without
/// one it is what Argo CD compared with last. On the screen of a comparison it is made anew.
pub fn diff(state: &mut State, revision: &str) -> Vec<Effect> {
    let revision = revision.trim().to_string();
    if let View::Text(text) = &state.nav.top().view
        && let TextOf::Difference { only, revision: shown, .. } = &text.of
    {
        let (cluster, application, only) = (text.cluster, text.object.clone(), only.clone());
        let revision = if revision.is_empty() { shown.clone() } else { revision };
        let (new, effect) = text_of(state, cluster, application, only, revision);
        return again(state, new, effect);
    }
    // In the list of an Application's resources, it is the one that is meant, whoever else lists the object.
    let (cluster, application, only) = match (super::argo::application(state), state.picked()) {
        (Some((cluster, application)), Some(picked)) if picked.object != application => {
            (cluster, application, vec![picked.object])
        }
        (Some((cluster, application)), _) => (cluster, application, vec![]),
        (None, None) => return vec![],
        (None, Some(picked)) => match state.tracked(&picked) {
            Some((cluster, application, object)) => (cluster, application, vec![object]),
            None => {
                let object = picked.object;
                state.warn(format!(
                    "{object} belongs to no Application of the opened clusters, so no git is known for it"
                ));
                return vec![];
            }
        },
    };
    let (text, effect) = text_of(state, cluster, application, only, revision);
    show(state, text, effect)
}

/// A screen that waits for a comparison, and what makes it.
fn text_of(
    state: &mut State,
    cluster: ClusterId,
    application: ObjectRef,
    only: Vec<ObjectRef>,
    revision: String,
) -> (TextView, Effect) {
    let request = state.request();
    let of = TextOf::Difference { only: only.clone(), revision: revision.clone(), found: None };
    let mut text = TextView::new(of, cluster, application.clone(), request);
    text.resource = Some(ResourceId::new("argoproj.io", "applications"));
    text.waiting = Some("reading git and what lives".into());
    (text, Effect::Compare { request, cluster, application, only, revision })
}

fn show(state: &mut State, text: TextView, effect: Effect) -> Vec<Effect> {
    let scope = Scope { clusters: vec![text.cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    let mut effects = state.push(Screen { scope, view: View::Text(Box::new(text)) });
    effects.push(effect);
    effects
}

/// The same on the same screen; what was shown stays until it is there.
fn again(state: &mut State, new: TextView, effect: Effect) -> Vec<Effect> {
    let View::Text(text) = &mut state.nav.top_mut().view else { return vec![] };
    let stopped = Effect::StopWhy(text.request);
    (text.of, text.waiting) = (new.of.clone(), new.waiting.clone());
    (text.request, text.error) = (new.request, None);
    vec![stopped, effect]
}
