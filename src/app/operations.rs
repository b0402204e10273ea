//! The operations of the cockpit: plans, runs, recovers, and tells the screen.

use super::inbox::Sender;
use super::session::Session;
use crate::effect::Effect;
use crate::msg::{Level, Msg};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Runs the effects that plan and run operations.
pub struct Operations {
    sender: Sender,
}

impl Operations {
    /// Answers through `sender`.
    pub fn new(_session: Arc<Session>, sender: Sender, _runtime: Handle) -> Self {
        Self { sender }
    }

    /// Whether an operation is running.
    pub fn busy(&self) -> bool {
        false
    }

    /// Runs one effect.
    pub fn run(&mut self, effect: Effect) {
        self.sender.send(Msg::Notice(Level::Warn, format!("not built yet: {effect:?}")));
    }
}
