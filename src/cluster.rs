//! The only code that speaks to an API server.

pub mod access;
pub mod api;
pub mod backoff;
pub mod certificate;
pub mod connect;
pub mod credentials;
pub mod decode;
pub mod discovery;
pub mod exec;
pub mod forward;
pub mod hub;
pub mod intern;
pub mod kubeconfig;
mod list;
pub mod logs;
mod metrics;
pub mod narrow;
pub mod raw;
pub mod skim;
pub mod split;
pub mod throttle;
mod watch;
mod words;

pub use hub::{Hub, HubOptions, Sink};
