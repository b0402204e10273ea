//! Generated documentation is up to date.
