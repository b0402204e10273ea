//! What is wanted of port-forwards.

use crate::kinds::ports::Pair;
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};

/// What is to be forwarded where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The cluster.
    pub cluster: ClusterId,
    /// The object's kind as a path names it.
    pub resource: ResourceId,
    /// A pod, a Service, or a workload.
    pub object: ObjectRef,
    /// From where to where.
    pub pair: Pair,
}

/// Something to be done about port-forwards; all of them end with the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardEffect {
    /// Find out which ports an object offers, and which local ones are free; answered by
    /// [`ForwardMsg::Offered`](crate::msg::forward::ForwardMsg::Offered).
    Offer { cluster: ClusterId, resource: ResourceId, object: ObjectRef },
    /// Begin; answered by [`ForwardMsg::Stands`](crate::msg::forward::ForwardMsg::Stands) now and whenever something
    /// changed, or by [`ForwardMsg::Refused`](crate::msg::forward::ForwardMsg::Refused).
    Begin(Wish),
    /// End one.
    Stop(u64),
    /// Show a URL in the browser.
    Browse(String),
}
