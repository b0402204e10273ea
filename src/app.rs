//! The program around the heart: event loop, effect runner, drivers of diagnosis and operations.

pub mod compare;
pub mod desk;
pub mod doctor;
pub mod edit;
pub mod effects;
pub mod export;
pub mod forwards;
pub mod headless;
pub mod inbox;
pub mod logging;
pub mod logs;
pub mod look;
pub mod objects;
pub mod operate;
pub mod operations;
pub mod plugin;
pub mod record;
mod recorded;
mod repositories;
pub mod run;
pub mod session;
pub mod shell;
pub mod transfer;
pub mod transfers;
pub mod why;

use crate::world::time::Time;

/// The system's time; the only place outside of `cluster` and `sim` that asks for it.
pub fn clock() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX)))
}
