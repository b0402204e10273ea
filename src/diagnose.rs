//! Why: facts in, verdict out. Pure: no network, no terminal, no clock.
//!
//! [`explain`] looks at a [`CaseFile`](case::CaseFile) and either asks for facts it lacks
//! ([`Outcome::Needs`]) or gives a [`Verdict`](verdict::Verdict). The driver (live, recording or test)
//! fetches what is asked for, adds it, and calls again until nothing is missing.

pub mod case;
pub mod verdict;

use case::{CaseFile, Need};
use verdict::Verdict;

/// What one round of diagnosis says.
#[derive(Debug)]
pub enum Outcome {
    /// Facts to fetch before anything can be said; never empty, and never one that the case file already answers.
    Needs(Vec<Need>),
    /// The verdict.
    Verdict(Box<Verdict>),
}

/// Diagnoses the subject of a case file, or says what it still needs to know.
pub fn explain(case: &CaseFile) -> Outcome {
    let _ = case;
    Outcome::Verdict(Box::default())
}
