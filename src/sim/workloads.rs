//! The workload controllers: Deployment, ReplicaSet, StatefulSet, DaemonSet and what they keep, Job, garbage, disruption.
//!
//! Each is a pure function over a [`Snapshot`](crate::sim::controllers::plan::Snapshot).

pub mod budget;
pub mod daemonset;
pub mod deployment;
pub mod garbage;
pub mod job;
pub mod replicaset;
pub mod revision;
pub mod rolling;
pub mod statefulset;
pub mod template;
