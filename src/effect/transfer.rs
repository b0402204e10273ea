//! What is wanted of copies from and to containers.

use crate::world::fleet::ClusterId;
use std::path::PathBuf;

/// One copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The cluster.
    pub cluster: ClusterId,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The path in the container.
    pub there: String,
    /// The path on this machine.
    pub here: PathBuf,
    /// From the container; else into it.
    pub out: bool,
}

/// Something to be done about copies; all of them end with the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEffect {
    /// Begin; answered by [`TransferMsg`](crate::msg::transfer::TransferMsg). A copy into a container was shown and
    /// confirmed as this operation.
    Begin(Errand, Option<String>),
    /// End all that run.
    StopAll,
}
