//! A commit, as much of it as a person wants to read in one line.

use super::time::Time;

/// One commit of a git repository. Texts are cleaned of control sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Full hash.
    pub id: String,
    /// When it was committed.
    pub time: Time,
    /// Name of its author.
    pub author: String,
    /// First line of its message.
    pub subject: String,
}

impl Commit {
    /// The hash as people quote it: seven digits.
    pub fn short(&self) -> &str {
        self.id.get(..7).unwrap_or(&self.id)
    }
}
