//! Embedded API servers: real HTTP on loopback, for the demo, recordings and tests.
//!
//! A [`store::Store`] holds the objects of one cluster; the [`server`] speaks HTTP over it, and the simulated
//! controllers read and write it directly.

pub mod argo;
pub mod controllers;
pub mod demo;
pub mod discovery;
pub mod endpoints;
mod fields;
pub mod http;
pub mod kubeconfig;
pub mod kubelet;
pub mod metrics;
pub mod nodes;
mod patch;
pub mod recording;
pub mod scheduler;
pub mod server;
pub mod store;
pub mod subresources;
mod table;
pub mod tutorial;
mod watch;
pub mod workloads;
