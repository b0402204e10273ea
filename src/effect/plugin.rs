//! A program of the user's own, to be run on one object or on several, one after the other.

use crate::config::{Input, Plugin};
use crate::world::fleet::ClusterId;

/// What is run, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginCall {
    /// The cluster that it is meant for.
    pub cluster: ClusterId,
    /// As configured.
    pub plugin: Plugin,
    /// What it is run on, one after the other; never empty.
    pub targets: Vec<Target>,
    /// What was typed for it: `INPUT_SIZE`, and the answer.
    pub inputs: Vec<(String, String)>,
}

/// One object that it is run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// For people: `pods shop/web`.
    pub object: String,
    /// What the view knows, by name: `NAME`, `COL-STATUS` ….
    pub variables: Vec<(String, String)>,
}

impl PluginCall {
    /// What it wants to know next.
    pub fn waiting(&self) -> Option<&Input> {
        self.plugin.inputs.get(self.inputs.len())
    }

    /// `pods shop/web`, or `3 pods`.
    pub fn object(&self) -> String {
        match self.targets.as_slice() {
            [one] => one.object.clone(),
            all => {
                let kind = all.first().and_then(|target| target.object.split(' ').next()).unwrap_or("objects");
                format!("{} {kind}", all.len())
            }
        }
    }
}
