//! The copies that run, and what the top line says of them.

use super::State;
use super::forwards::bytes;
use crate::msg::Level;
use crate::msg::transfer::TransferMsg;
use crate::theme::Meaning;

/// A copy that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Number of its own.
    pub id: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
}

impl State {
    /// Takes in what is told of a copy.
    pub fn transferred(&mut self, msg: TransferMsg) {
        self.touch();
        match msg {
            TransferMsg::Begun { id } => self.transfers.push(Transfer { id, bytes: 0, total: None }),
            // (What is on its way from one that was stopped since says nothing any more.)
            TransferMsg::Under { id, bytes, total } => {
                let known = self.transfers.iter_mut().filter(|known| known.id == id);
                known.for_each(|known| *known = Transfer { id, bytes, total });
            }
            TransferMsg::Ended { id, what, result } => {
                self.transfers.retain(|known| known.id != id);
                match result {
                    Ok(said) => self.say(format!("{what}: {said}")),
                    Err(why) => self.notices.add(Level::Error, format!("{what} failed: {why}"), self.now),
                }
            }
        }
    }
}

/// For the top line: how far the copies are together.
pub fn span(state: &State) -> Option<(Meaning, String)> {
    if state.transfers.is_empty() {
        return None;
    }
    let done: u64 = state.transfers.iter().map(|t| t.bytes).sum();
    let total: Option<u64> = state.transfers.iter().map(|t| t.total).sum();
    let of = match total.filter(|total| *total > 0) {
        Some(total) => format!("/{} {}%", bytes(total), (done.min(total) * 100).checked_div(total).unwrap_or(0)),
        None => String::new(),
    };
    Some((Meaning::Warn, format!("cp {}{of}", bytes(done))))
}
