//! What the journal keeps of things that are done in one go (a plugin's run, a copy), as the screen shows it.

use crate::journal::Header;
use crate::msg::{OperationStatus, OperationView, PlanLine, StepMark, StepView};
use crate::world::text::clean;
use crate::world::time::Time;

/// How a part of it ended.
pub fn step(text: &str, at: Time, ok: bool) -> StepView {
    StepView { text: clean(text).into_owned(), at, mark: if ok { StepMark::Done } else { StepMark::Failed } }
}

/// The whole. Nothing blocks it; whether its cluster is protected is for whoever plans it to say.
pub fn view(header: &Header, plan: Vec<PlanLine>, status: OperationStatus, steps: Vec<StepView>) -> OperationView {
    OperationView {
        id: header.id.clone(),
        title: clean(&header.title).into_owned(),
        cluster: header.cluster.clone(),
        protected: false,
        plan,
        blocked: vec![],
        steps,
        status,
        started: header.at,
    }
}
