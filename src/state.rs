//! The one state that `update` owns and `ui` draws.

use crate::keymap::Keymap;
use crate::world::fleet::{ClusterId, Fleet};
use crate::world::time::Time;

/// What the program starts with.
#[derive(Debug)]
pub struct Start {
    /// Names of the kubeconfig's contexts, in its order; `ClusterId` is the index.
    pub contexts: Vec<String>,
    /// Clusters to open at once: the current context, or those named on the command line.
    pub open: Vec<ClusterId>,
    /// Namespaces to look at; empty: all.
    pub namespaces: Vec<String>,
    /// Refuse everything that writes.
    pub readonly: bool,
    /// The time.
    pub now: Time,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// What keys do.
    pub keymap: Keymap,
    /// Commands of earlier runs, oldest first.
    pub history: Vec<String>,
    /// A command to begin with, as typed after `:`; `None`: the start screen.
    pub command: Option<String>,
}

/// Everything there is.
#[derive(Debug)]
pub struct State {
    /// What we know of the clusters.
    pub fleet: Fleet,
    /// The time, as of the last tick.
    pub now: Time,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Refuse everything that writes.
    pub readonly: bool,
    /// What keys do.
    pub keymap: Keymap,
}

impl State {
    /// The state at the start; nothing is asked of the outside yet, see [`update::start`](crate::update::start).
    pub fn new(start: Start) -> Self {
        Self {
            fleet: Fleet::new(start.contexts),
            now: start.now,
            size: start.size,
            readonly: start.readonly,
            keymap: start.keymap,
        }
    }
}
