//! The program around the heart: event loop, effect runner, drivers of diagnosis and operations.
pub mod operate;
