//! A program of the user's own, to be run on an object.

use crate::config::Plugin;
use crate::world::fleet::ClusterId;

/// What is run, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginCall {
    /// The cluster that it is meant for.
    pub cluster: ClusterId,
    /// As configured.
    pub plugin: Plugin,
    /// For people: `pods shop/web`.
    pub object: String,
    /// What the view knows, by name: `NAME`, `COL-STATUS` ….
    pub variables: Vec<(String, String)>,
}
