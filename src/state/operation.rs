//! One operation on screen: nothing happens before it was shown here and confirmed.

use crate::effect::{Intent, RequestId};
use crate::world::fleet::ClusterId;
use tui_input::Input;

/// State of the screen of an operation; the operation itself is in [`State::operations`](super::State::operations).
#[derive(Debug)]
pub struct OperationScreen {
    /// What it is called until its plan is there.
    pub title: String,
    /// The plan with this number is for us.
    pub request: RequestId,
    /// What was asked for, so that it can be planned anew in another way.
    pub asked: Option<(ClusterId, Intent)>,
    /// The operation, once planned.
    pub id: Option<String>,
    /// Why it could not be planned.
    pub error: Option<String>,
    /// The button under the cursor is the one that goes on; at first it is Cancel.
    pub go: bool,
    /// What was typed where a protected cluster wants its name.
    pub typed: Input,
    /// First visible line.
    pub top: usize,
}

impl OperationScreen {
    /// A screen that waits for its plan.
    pub fn planning(title: String, request: RequestId) -> Self {
        Self { title, request, asked: None, id: None, error: None, go: false, typed: Input::default(), top: 0 }
    }

    /// A screen for a known operation.
    pub fn of(id: &str, title: &str) -> Self {
        Self { id: Some(id.into()), ..Self::planning(title.into(), RequestId(0)) }
    }
}

/// Whether an earlier run of the program left it in the middle.
pub fn is_open(operation: &crate::msg::OperationView) -> bool {
    operation.status == crate::msg::OperationStatus::Open
}
