//! What an action needs to be allowed, as data of its row.

use crate::state::picked::Picked;
use crate::world::access::Access;

/// One of some verbs on a resource, in the namespace of the object that the action is about.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Any of these will do; the first is the one that is named.
    pub verbs: &'static [&'static str],
    /// API group.
    pub group: &'static str,
    /// The resource; empty: the object's own.
    pub resource: &'static str,
    /// Objects that it counts for, as `plural`; empty: all.
    pub only: &'static str,
    /// Where Argo CD tracks the object it becomes a commit, which needs nothing in the cluster.
    pub untracked: bool,
}

impl Need {
    /// A verb on a resource of the core group.
    const fn core(verbs: &'static [&'static str], resource: &'static str) -> Self {
        Self { verbs, group: "", resource, only: "", untracked: false }
    }

    /// The same, for objects of one resource only.
    const fn only(self, plural: &'static str) -> Self {
        Self { only: plural, ..self }
    }

    /// What to ask about for one object: one of them must be allowed. Nothing where it does not count for the object.
    pub fn accesses(&self, picked: &Picked) -> Vec<Access> {
        if !self.only.is_empty() && self.only != picked.resource.plural {
            return vec![];
        }
        let (group, resource) = match self.resource {
            "" => (picked.resource.group.as_str(), picked.resource.plural.as_str()),
            named => (self.group, named),
        };
        let access = |verb: &&str| Access::new(verb, group, resource, &picked.object.namespace);
        self.verbs.iter().map(access).collect()
    }
}

pub const LOGS: &[Need] = &[Need::core(&["get"], "pods/log")];
// A websocket is opened with GET, and newer servers want `create` as well: who has either is not stopped.
pub const EXEC: &[Need] = &[Need::core(&["create", "get"], "pods/exec")];
pub const ATTACH: &[Need] = &[Need::core(&["create", "get"], "pods/attach")];
pub const FORWARD: &[Need] = &[Need::core(&["create", "get"], "pods/portforward")];
pub const PATCH_NODE: &[Need] = &[Need::core(&["patch"], "nodes")];
pub const GET_SECRET: &[Need] = &[Need::core(&["get"], "secrets")];
pub const DELETE: &[Need] = &[Need::core(&["delete"], "")];
pub const DELETE_POD: &[Need] = &[Need::core(&["delete"], "pods")];
pub const CREATE_JOB: &[Need] = &[Need { group: "batch", ..Need::core(&["create"], "jobs") }];
pub const PATCH: &[Need] = &[Need::core(&["patch"], "")];
pub const PATCH_UNTRACKED: &[Need] = &[Need { untracked: true, ..Need::core(&["patch"], "") }];
/// (On a resource in the list of an Application, that one is meant, which may stand elsewhere.)
pub const PATCH_APPLICATION: &[Need] = &[Need::core(&["patch"], "").only("applications")];
/// (Nodes are debugged with a pod in a namespace that the configuration names.)
pub const DEBUG: &[Need] = &[Need::core(&["patch"], "pods/ephemeralcontainers").only("pods")];
