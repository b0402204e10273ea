//! Images that take long.
//!
//! ## image-slow-pull
//! **You see.** `ContainerCreating` for minutes; an event says `Pulling image`.
//! **Why.** The image is large, the registry slow, or the node pulls one image after the other.
//! **How kokpit knows.** The event `Pulling` of more than two minutes ago, and neither `Pulled` nor an error since. How
//! long the same image took for other pods is shown, where events tell.
//! **Looks alike.** `image-registry-unreachable` gives an error after a while. `volume-*`: the pod is not that far yet.
//! **Mend it.** Wait. A smaller image, or one that is pulled ahead of time (a DaemonSet that names it).

use crate::diagnose::events::Event;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::EVENTS;
use crate::diagnose::pods::{self, START_GATE_S, containers};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{namespace, str_at};
use crate::world::time::human;

causes! { "slow.rs";
    "image-slow-pull" "pulling the image takes long" Nuisance ["Pod"] slow;
}

fn slow(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    let waits = |c: &pods::Container<'_>| matches!(c.waiting(), "ContainerCreating" | "PodInitializing");
    if !pods::is_ill(case, suspect) || pods::waits_for_sandbox(pod) || !containers(pod).iter().any(waits) {
        return Ok(vec![]);
    }
    let events = case.events_of(pod)?;
    let mut found = vec![];
    for container in containers(pod).into_iter().filter(waits) {
        let image = container.image();
        let of_image = |e: &&Event<'_>| e.message.contains(&format!("\"{image}\""));
        // Newest first: whatever came after `Pulling` ended it.
        let Some(last) =
            events.iter().filter(of_image).find(|e| matches!(e.reason, "Pulling" | "Pulled" | "Failed" | "BackOff"))
        else {
            continue;
        };
        let age = last.last.age(case.now());
        if last.reason != "Pulling" || age < START_GATE_S {
            continue;
        }
        let node = str_at(pod, "/spec/nodeName");
        let mut m = Match::on(&suspect.at, format!("Node {node} has been pulling image {image} for {}.", human(age)))
            .confidence(Confidence::High)
            .evidence_aged(&suspect.at, "", last.reason, Some(age), format!("{}: {}", last.reason, last.message));
        for raw in case.list(EVENTS, Some(namespace(pod))).known()?.unwrap_or_default() {
            let other = Event::of(raw);
            if other.reason == "Pulled" && other.message.starts_with("Successfully pulled") && of_image(&&other) {
                let whose = str_at(raw, "/involvedObject/name");
                m = m.evidence(&suspect.at, "", other.reason, format!("for pod {whose}: {}", other.message));
                break;
            }
        }
        let top = kin::top_owner(case, pod)?;
        let field = template_field(top, &format!("{}.image", container.path));
        found.push(m.fix(case.fix(top, &field, "wait; then a smaller image, or one pulled ahead of time", "")?));
    }
    Ok(found)
}
