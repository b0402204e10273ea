//! What we know of the clusters, as lean plain data: one [`Shard`](fleet::Shard) per cluster.
//!
//! Nothing here reads a socket or a clock: deltas come in through [`Fleet::apply`](fleet::Fleet::apply),
//! and whoever asks for an age hands in the time.

pub mod access;
pub mod ascii;
pub mod choice;
pub mod column;
pub mod commit;
pub mod cron;
pub mod csv;
pub mod fleet;
pub mod glob;
pub mod jsonpath;
pub mod loose;
pub mod merge;
pub mod metrics;
pub mod object;
pub mod pod;
pub mod quantity;
pub mod row;
pub mod selector;
pub mod sparkline;
pub mod sync_window;
pub mod tar;
pub mod text;
pub mod time;
pub mod wire;
pub mod writers;
