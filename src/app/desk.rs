//! The desk between diagnosis, which runs in tasks, and the state, which one thread owns: a task asks for facts that
//! the watches may keep and waits for the answer.

use super::inbox::Sender;
use crate::diagnose::case::{Need, Recalled};
use crate::msg::Msg;
use crate::world::fleet::ClusterId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a task waits; whoever owns the state may have lent the terminal to a shell. The server answers then.
const PATIENCE: Duration = Duration::from_secs(5);

type Answer = Vec<(Need, Recalled)>;

/// Questions that wait for an answer.
pub struct Desk {
    sender: Sender,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
}

impl Desk {
    /// A desk whose questions go to the owner of the state.
    pub fn new(sender: Sender) -> Self {
        Self { sender, next: AtomicU64::new(0), waiting: Mutex::default() }
    }

    /// What the watches keep of these facts; nothing where no answer comes in time.
    pub async fn recall(&self, cluster: ClusterId, needs: Vec<Need>) -> Answer {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.waiting().insert(ticket, tell);
        self.sender.send(Msg::Recall { ticket, cluster, needs });
        let answer = tokio::time::timeout(PATIENCE, told).await;
        self.waiting().remove(&ticket);
        answer.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// The answer to a question. Whoever asked may have left.
    pub fn answer(&self, ticket: u64, kept: Answer) {
        if let Some(tell) = self.waiting().remove(&ticket) {
            let _ = tell.send(kept);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
