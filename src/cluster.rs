//! The only code that speaks to an API server.

pub mod api;
pub mod backoff;
pub mod connect;
pub mod credentials;
pub mod discovery;
pub mod kubeconfig;
