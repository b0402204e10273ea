//! Arguments of the commands that ask Argo CD for something.

use super::{Confirm, Output};
use crate::workflows::argo::Selected;
use clap::{Args as ClapArgs, ValueEnum};

/// `kokpit refresh`
#[derive(ClapArgs, Debug)]
pub struct Refresh {
    /// `NAME` or `NAMESPACE/NAME` of Applications
    #[arg(required = true, value_name = "APP")]
    pub applications: Vec<String>,
    /// Render the manifests anew as well
    #[arg(long)]
    pub hard: bool,
    /// Why; it stands in the record of the operation
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// `kokpit diff`
#[derive(ClapArgs, Debug)]
pub struct Diff {
    /// `app/NAME`, or an object that an Application applies: `deploy/NAME`
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Commit, tag or branch, instead of what Argo CD compared with last
    #[arg(long, value_name = "REVISION", default_value = "")]
    pub revision: String,
    /// Only this object: GROUP:KIND:NAME or GROUP:KIND:NAMESPACE/NAME (repeatable)
    #[arg(long = "resource", value_name = "OBJECT", value_parser = Selected::parse)]
    pub resources: Vec<Selected>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `kokpit sync`
#[derive(ClapArgs, Debug)]
pub struct Sync {
    /// `NAME` or `NAMESPACE/NAME` of Applications
    #[arg(required = true, value_name = "APP")]
    pub applications: Vec<String>,
    /// Delete what git does not have any more
    #[arg(long)]
    pub prune: bool,
    /// Let Argo CD try it out and say what it would do (--dry-run shows the plan only)
    #[arg(long)]
    pub server_dry_run: bool,
    /// Delete and make anew what cannot be changed
    #[arg(long)]
    pub force: bool,
    /// Without hooks
    #[arg(long)]
    pub apply_only: bool,
    /// Let the API server merge (ServerSideApply=true)
    #[arg(long)]
    pub server_side: bool,
    /// Replace objects instead of merging into them (Replace=true)
    #[arg(long)]
    pub replace: bool,
    /// Apply only what differs (ApplyOutOfSyncOnly=true)
    #[arg(long)]
    pub only_differing: bool,
    /// Commit, tag or branch, instead of the one that the Application follows
    #[arg(long, value_name = "REVISION", default_value = "")]
    pub revision: String,
    /// Sync option, laid over those of the Application: Replace=true (repeatable)
    #[arg(long = "option", value_name = "NAME=VALUE")]
    pub options: Vec<String>,
    /// Only this object: GROUP:KIND:NAME or GROUP:KIND:NAMESPACE/NAME (repeatable)
    #[arg(long = "resource", value_name = "OBJECT", value_parser = Selected::parse)]
    pub resources: Vec<Selected>,
    /// Why; it stands in the operation and its record
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// `kokpit terminate`
#[derive(ClapArgs, Debug)]
pub struct Terminate {
    /// `NAME` or `NAMESPACE/NAME` of the Application
    #[arg(value_name = "APP")]
    pub application: String,
    /// Why; it stands in the record of the operation
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// On or off.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It syncs by itself.
    On,
    /// It syncs when somebody asks for it.
    Off,
}

/// `kokpit auto-sync`
#[derive(ClapArgs, Debug)]
pub struct AutoSync {
    /// `NAME` or `NAMESPACE/NAME` of the Application
    #[arg(value_name = "APP")]
    pub application: String,
    /// On or off
    #[arg(value_enum)]
    pub state: Switch,
    /// Delete what git does not have any more
    #[arg(long)]
    pub prune: bool,
    /// Take live changes back
    #[arg(long)]
    pub self_heal: bool,
    /// Why; it stands in the commit, where there is one
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}
