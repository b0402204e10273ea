//! Live object → Application → repository file and field; YAML edits; commits from a bare mirror.
//!
//! Everything here is pure but [`mirror`], which runs the user's `git`.

pub mod change;
pub mod compare;
pub mod field;
pub mod locate;
pub mod mirror;
pub mod yaml;

/// Why kokpit will not do something: one or two sentences, what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{0}")]
pub struct Refusal(pub String);

impl Refusal {
    /// A refusal from a sentence.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
