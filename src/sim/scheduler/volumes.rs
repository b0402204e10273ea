//! The scheduler's view of claims (`framework/plugins/volumebinding`): what must be bound before, and where volumes can be.

use super::filters::{Refusal, matches_term};
use crate::sim::controllers::meta::{annotation, deleting, set_key};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::sim::controllers::volumes::{can_provision, class_of, find_volume, is_bound, waits_for_consumer};
use crate::world::object::{list_at, name, namespace, str_at};
use serde_json::{Value, json};

/// The annotation by which the scheduler tells the provisioner where.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The claims of one pod.
pub struct Claims<'a> {
    s: &'a Snapshot,
    bound: Vec<&'a Value>,
    delayed: Vec<&'a Value>,
}

impl<'a> Claims<'a> {
    /// Reads the claims.
    ///
    /// # Errors
    /// `PreFilter`'s sentence when one is missing, going away, or should have been bound already.
    pub fn of(s: &'a Snapshot, pod: &Value) -> Result<Self, String> {
        let mut claims = Claims { s, bound: Vec::new(), delayed: Vec::new() };
        let ns = namespace(pod);
        for volume in list_at(pod, "/spec/volumes") {
            let wanted = str_at(volume, "/persistentVolumeClaim/claimName");
            if wanted.is_empty() {
                continue;
            }
            let claim = s
                .get("persistentvolumeclaims", ns, wanted)
                .ok_or_else(|| format!("persistentvolumeclaim \"{wanted}\" not found"))?;
            if deleting(claim) {
                return Err(format!("persistentvolumeclaim \"{wanted}\" is being deleted"));
            }
            match (is_bound(claim), waits_for_consumer(s, claim)) {
                (true, _) => claims.bound.push(claim),
                (false, true) => claims.delayed.push(claim),
                (false, false) => return Err("pod has unbound immediate PersistentVolumeClaims".into()),
            }
        }
        Ok(claims)
    }

    /// Whether every volume is or can be where the node is.
    pub fn on(&self, node: &Value) -> Result<(), Refusal> {
        for claim in &self.bound {
            let volume = str_at(claim, "/spec/volumeName");
            match self.s.get("persistentvolumes", "", volume) {
                None => {
                    return Err(Refusal::hard(
                        "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
                    ));
                }
                Some(volume) if !reachable(volume, node) => {
                    return Err(Refusal::hard("node(s) didn't match PersistentVolume's node affinity"));
                }
                Some(_) => {}
            }
        }
        for claim in &self.delayed {
            let chosen = annotation(claim, SELECTED_NODE);
            let elsewhere = !chosen.is_empty() && chosen != name(node);
            let somehow = find_volume(self.s, claim, Some(node)).is_some()
                || class_of(self.s, claim).is_some_and(|class| can_provision(class, Some(node)));
            if elsewhere || !somehow {
                return Err(Refusal::hard("node(s) didn't find available persistent volumes to bind"));
            }
        }
        Ok(())
    }

    /// Names the node on claims that waited for it; true while one of them is still unbound.
    pub fn wait_for(&self, node: &Value, plan: &mut Plan) -> bool {
        for claim in self.delayed.iter().filter(|c| annotation(c, SELECTED_NODE).is_empty()) {
            let mut new = (*claim).clone();
            set_key(&mut new, "metadata.annotations", SELECTED_NODE, json!(name(node)));
            plan.push(Write::Update(new));
        }
        !self.delayed.is_empty()
    }
}

/// Whether a volume's node affinity lets a node use it.
pub fn reachable(volume: &Value, node: &Value) -> bool {
    let required = volume.pointer("/spec/nodeAffinity/required");
    required.is_none_or(|r| list_at(r, "/nodeSelectorTerms").iter().any(|term| matches_term(term, node)))
}
