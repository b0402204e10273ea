//! What is told about copies from and to containers.

/// What is heard of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferMsg {
    /// It was begun; the container may not have been reached yet.
    Begun {
        /// Number of its own.
        id: u64,
    },
    /// How far it is.
    Under {
        /// Its number.
        id: u64,
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
