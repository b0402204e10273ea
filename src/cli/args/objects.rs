//! Arguments of the commands that change single objects.

use super::Confirm;
use crate::workflows::delete::Cascade;
use clap::Args as ClapArgs;

/// `kokpit delete`
#[derive(ClapArgs, Debug)]
pub struct Delete {
    /// `pod/NAME`, `cm/NAME` …, all of one kind
    #[arg(required = true)]
    pub targets: Vec<String>,
    /// What becomes of what they own: background, foreground or orphan
    #[arg(long, value_name = "HOW", value_parser = cascade, default_value = "background")]
    pub cascade: Cascade,
    /// At once, without the time that pods have to end
    #[arg(long)]
    pub force: bool,
    /// Why; it stands in the record of the operation
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

fn cascade(word: &str) -> Result<Cascade, String> {
    Cascade::parse(word).ok_or_else(|| format!("`{word}` is none of background, foreground, orphan"))
}

/// `kokpit restart`
#[derive(ClapArgs, Debug)]
pub struct Restart {
    /// `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`, also several
    #[arg(required = true)]
    pub targets: Vec<String>,
    /// Why; it stands in the record of the operation
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// `kokpit rollback`
#[derive(ClapArgs, Debug)]
pub struct Rollback {
    /// `deployment/NAME`, `statefulset/NAME`, `daemonset/NAME`, or an Argo CD Application: `app/NAME`
    pub target: String,
    /// Number of the revision, of an Application the id in its history; without it the one before. --dry-run lists them
    #[arg(long, value_name = "NUMBER")]
    pub to_revision: Option<i64>,
    /// Of an Application: switch auto-sync off first
    #[arg(long)]
    pub auto_sync_off: bool,
    /// Of an Application: delete what that revision does not have
    #[arg(long)]
    pub prune: bool,
    /// Why; it stands in the commit
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// `kokpit set-image`
#[derive(ClapArgs, Debug)]
pub struct SetImage {
    /// `deployment/NAME`, `cronjob/NAME`, `pod/NAME` …
    pub target: String,
    /// `CONTAINER=IMAGE`, also several; just `IMAGE` where there is one container
    #[arg(required = true)]
    pub images: Vec<String>,
    /// Why; it stands in the commit
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// `kokpit trigger`
#[derive(ClapArgs, Debug)]
pub struct Trigger {
    /// `cronjob/NAME`
    pub target: String,
    /// Name of the Job; without it one is made up
    #[arg(long, default_value = "")]
    pub name: String,
    /// Why; it stands on the Job
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// `kokpit suspend-job`, `kokpit resume-job`
#[derive(ClapArgs, Debug)]
pub struct Hold {
    /// `cronjob/NAME` or `job/NAME`
    pub target: String,
    /// Why; it stands in the commit
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// What of an operation `kokpit ops` prints or does besides.
#[derive(ClapArgs, Debug)]
pub struct Leftovers {
    /// Print what this operation deleted, as YAML, without values of Secrets
    #[arg(long, requires = "id", conflicts_with_all = ["finish", "undo", "close"])]
    pub manifests: bool,
    /// Close this open operation as it is: what was done stays
    #[arg(long, requires = "id", conflicts_with_all = ["finish", "undo"])]
    pub close: bool,
}
