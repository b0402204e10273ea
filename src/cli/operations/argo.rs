//! `kokpit refresh`, `sync`, `terminate`, `auto-sync`, and `rollback app/NAME`: Applications, without Argo CD's API server.

use super::perform;
use crate::app::operate::{self, Options};
use crate::app::operations::site;
use crate::app::session::Session;
use crate::cli::args::{Args, AutoSync, Confirm, Refresh, Switch, Sync, Terminate};
use crate::effect::Intent;
use crate::workflows::argo::{Ask, SyncOptions};
use anyhow::{Result, anyhow};
use std::process::ExitCode;
use std::sync::Arc;

/// Finds the Applications by their names, then plans, shows, confirms and runs.
///
/// # Errors
/// No Application of a name, or several; there is no plan, or the operation could not be begun.
pub async fn on_applications(
    args: &Args,
    confirm: &Confirm,
    names: &[String],
    ask: Ask,
    reason: &str,
) -> Result<ExitCode> {
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    let cluster = session.one()?;
    let site = site(&session, cluster).await.map_err(|e| anyhow!(e))?;
    let within = args.global.namespace.as_deref();
    let applications = operate::applications(&site, names, within).await.map_err(|e| anyhow!(e))?;
    let intent = Intent::Application { applications, ask, reason: reason.into() };
    perform(&session, cluster, confirm, intent, Options::default()).await
}

/// `kokpit refresh`
///
/// # Errors
/// As [`on_applications`].
pub async fn refresh(args: &Args, op: &Refresh) -> Result<ExitCode> {
    on_applications(args, &op.confirm, &op.applications, Ask::Refresh { hard: op.hard }, &op.reason).await
}

/// `kokpit sync`
///
/// # Errors
/// As [`on_applications`].
pub async fn sync(args: &Args, op: &Sync) -> Result<ExitCode> {
    let mut how = SyncOptions {
        prune: op.prune,
        dry_run: op.server_dry_run,
        force: op.force,
        apply_only: op.apply_only,
        revision: op.revision.clone(),
        options: op.options.clone(),
        resources: op.resources.clone(),
    };
    let wanted = [("server-side", op.server_side), ("replace", op.replace), ("only-differing", op.only_differing)];
    wanted.iter().filter(|(_, on)| *on).for_each(|(word, _)| how.switch_on(word));
    on_applications(args, &op.confirm, &op.applications, Ask::Sync(how), &op.reason).await
}

/// `kokpit terminate`
///
/// # Errors
/// As [`on_applications`].
pub async fn terminate(args: &Args, op: &Terminate) -> Result<ExitCode> {
    on_applications(args, &op.confirm, std::slice::from_ref(&op.application), Ask::Terminate, &op.reason).await
}

/// `kokpit auto-sync`
///
/// # Errors
/// As [`on_applications`].
pub async fn auto_sync(args: &Args, op: &AutoSync) -> Result<ExitCode> {
    let ask = Ask::AutoSync { on: Some(op.state == Switch::On), prune: op.prune, self_heal: op.self_heal };
    on_applications(args, &op.confirm, std::slice::from_ref(&op.application), ask, &op.reason).await
}
