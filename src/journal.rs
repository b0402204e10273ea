//! The write-ahead record of every operation.
