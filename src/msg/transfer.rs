//! What is told about copies from and to containers.

/// What is heard of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferMsg {
    /// How far it is.
    Under {
        /// Number of its own.
        id: u64,
        /// What is copied.
        what: String,
        /// Bytes so far.
        bytes: u64,
        /// Of how many, where that is known.
        total: Option<u64>,
    },
    /// It has ended: what was copied, or why not.
    Ended {
        /// Its number.
        id: u64,
        /// What is copied.
        what: String,
        /// In a sentence.
        result: Result<String, String>,
    },
}
