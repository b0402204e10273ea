//! The lean row of a pod, and the one place where a pod's status is judged (as `kubectl get pods` prints it:
//! `pkg/printers/internalversion/printers.go`, printPod).

use super::row::Str;
use super::time::Time;

/// What tables and screening need of every pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRow {
    /// `spec.nodeName`, empty while unscheduled.
    pub node: Str,
    /// What `kubectl` prints as STATUS: `Running`, `CrashLoopBackOff`, `Init:0/2`, `Terminating` …
    pub status: Str,
    /// `status.podIP`, empty while there is none.
    pub ip: Str,
    /// Ready containers (sidecars included).
    pub ready: u16,
    /// Containers (sidecars included).
    pub total: u16,
    /// Restarts of all containers.
    pub restarts: u32,
    /// End of the last run that was restarted; [`Time::NEVER`] where there is none.
    pub last_restart: Time,
    /// Since when the pod is not Ready (`PodScheduled=False` or `Ready=False` transition); [`Time::NEVER`] when Ready.
    pub unready_since: Time,
    /// `status.qosClass`
    pub qos: Str,
    /// Requested CPU of all containers, in thousandths.
    pub cpu: i64,
    /// Requested memory of all containers, in bytes.
    pub memory: i64,
    /// The containers, init containers first.
    pub containers: Box<[ContainerRow]>,
}

/// What tables need of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerRow {
    /// Its name.
    pub name: Str,
    /// Its image as written in the spec.
    pub image: Str,
    /// Whether it is an init container (sidecars included).
    pub init: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Restarts.
    pub restarts: u32,
    /// `Running`, the waiting or terminated reason, or `ExitCode:n`.
    pub state: Str,
    /// Exit code of the last run, if one ended.
    pub last_exit: Option<i32>,
    /// Reason the last run ended with, empty where there is none.
    pub last_reason: Str,
}
