//! What is told about port-forwards.

use crate::effect::forward::Wish;
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::time::Time;
use std::net::SocketAddr;

/// One port-forward as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardView {
    /// Number of its own.
    pub id: u64,
    /// What was asked for.
    pub wish: Wish,
    /// Where it listens.
    pub local: SocketAddr,
    /// How it stands.
    pub seen: Seen,
    /// Since when.
    pub since: Time,
    /// When its last error came; [`Time::NEVER`] without one.
    pub failed: Time,
}

impl ForwardView {
    /// Where a browser finds it.
    pub fn url(&self) -> String {
        let tls = self.seen.target.as_ref().is_some_and(|(_, port)| matches!(port, 443 | 6443 | 8443));
        let scheme = if tls { "https" } else { "http" };
        let mut local = self.local;
        // Listening everywhere includes here.
        if local.ip().is_unspecified() {
            local.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("{scheme}://{local}")
    }
}

/// What a port-forward does at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The pod it leads to now, and the pod's port; `None` while there is none.
    pub target: Option<(String, u16)>,
    /// Why there is none.
    pub waits: String,
    /// Connections that are open.
    pub open: usize,
    /// Connections that there were, the open ones included.
    pub served: u64,
    /// Bytes to the pod.
    pub up: u64,
    /// Bytes from the pod.
    pub down: u64,
    /// How often another pod took the place of the one before.
    pub changes: u64,
    /// What went wrong last; empty: nothing so far.
    pub error: String,
    /// How often something went wrong.
    pub errors: u64,
}

/// What is heard of port-forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardMsg {
    /// Answer to [`ForwardEffect::Offer`](crate::effect::forward::ForwardEffect::Offer): what could be typed, and what
    /// there is.
    Offered { cluster: ClusterId, resource: ResourceId, object: ObjectRef, text: String, note: String },
    /// It could not be begun: why, and what could be asked for instead.
    Refused { wish: Wish, why: String, instead: Option<String> },
    /// How one stands now.
    Stands(Box<ForwardView>),
}
