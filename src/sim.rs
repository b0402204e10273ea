//! Embedded API servers: real HTTP on loopback, for the demo, recordings and tests.
//!
//! A [`store::Store`] holds the objects of one cluster; the server speaks HTTP over it, and the simulated controllers
//! read and write it directly.

pub mod controllers;
pub mod endpoints;
pub mod kubelet;
pub mod nodes;
pub mod scheduler;
pub mod store;
pub mod workloads;
