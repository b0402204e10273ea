//! Why: facts in, verdict out. Pure: no network, no terminal, no clock.
//!
//! [`explain`] looks at a [`CaseFile`](case::CaseFile) and either asks for facts it lacks
//! ([`Outcome::Needs`]) or gives a [`Verdict`](verdict::Verdict). The driver (live, recording or test)
//! fetches what is asked for, adds it, and calls again until nothing is missing.
//!
//! | file | what stands there |
//! |---|---|
//! | [`causes`] | the table of causes, one file per cause or tight family, each with its page |
//! | [`engine`](explain) | visits the subject and what its causes lead to |
//! | [`graph`] | cause → consequence, and which match is the reason |
//! | [`facts`] | what a cause may ask, and what happens when there is no answer |
//! | [`finding`] | what a cause returns |
//! | [`agents`] | the DaemonSets that serve a node: network plugins, storage drivers |
//! | [`writers`] | who wrote which field of an object |
//! | [`eviction`] | who leaves a node that is emptied, and what a budget refuses |
//! | [`kin`], [`pods`], [`events`], [`git`], [`status`] | reading owners, pods, events, tracking ids, conditions |
//! | [`usage`] | what containers use, by the metrics API |
//! | [`url`] | the way of a URL, hop by hop |
//! | [`screen`] | what looks wrong in a row, before anything is diagnosed |
//! | [`ledger`], [`problem`] | what looks wrong in the fleet, what was found out about it, and that as a list |

pub mod agents;
mod before;
pub mod case;
pub mod causes;
pub mod crash;
pub mod dependency;
mod engine;
pub mod events;
pub mod eviction;
pub mod facts;
pub mod finding;
pub mod git;
pub mod graph;
pub mod index;
pub mod kin;
pub mod kinds;
pub mod ledger;
pub mod pods;
pub mod problem;
pub mod report;
pub mod scheduling;
pub mod screen;
pub mod status;
pub mod url;
pub mod usage;
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
    engine::explain(case)
}
