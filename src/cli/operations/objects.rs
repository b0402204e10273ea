//! `kokpit delete`, `restart`, `rollback`, `set-image`, `trigger`, `suspend-job`, `resume-job`: single objects.

use super::perform;
use crate::app::operate::{self, Options};
use crate::app::session::Session;
use crate::app::why;
use crate::cli::args::{Args, Confirm, Delete, Hold, Restart, Rollback, SetImage, Trigger};
use crate::config::Paths;
use crate::diagnose::case::Subject;
use crate::effect::Intent;
use crate::kinds::yaml;
use crate::workflows::argo::Ask;
use crate::workflows::delete::Deletion;
use crate::workflows::image;
use crate::workflows::rollback::Revision;
use crate::world::object::{ObjectRef, ResourceId};
use anyhow::{Result, anyhow, bail};
use std::process::ExitCode;
use std::sync::Arc;

/// Finds out what the targets are, then plans, shows, confirms and runs.
async fn on_objects(
    args: &Args,
    confirm: &Confirm,
    targets: &[String],
    intent: impl FnOnce(ResourceId, Vec<ObjectRef>) -> Intent,
) -> Result<ExitCode> {
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    let cluster = session.one()?;
    let context = session.context(cluster);
    let catalog = session.hub.catalog(cluster).await.map_err(|e| anyhow!("{}: {e}", context.name))?;
    let namespace = if context.namespace.is_empty() { "default" } else { &context.namespace };
    let mut objects = vec![];
    for target in targets {
        match why::subject(&catalog, target, namespace).map_err(|e| anyhow!(e))? {
            Subject::Object(object) => objects.push(object),
            _ => bail!("{target} is not KIND/NAME"),
        }
    }
    let first = objects.first().ok_or_else(|| anyhow!("nothing is named"))?;
    if let Some(other) = objects.iter().find(|o| (&o.group, &o.kind) != (&first.group, &first.kind)) {
        bail!("{first} and {other} are of different kinds: one kind at a time");
    }
    let kind = catalog.iter().find(|kind| kind.kind == first.kind && kind.id.group == first.group);
    let resource = kind.map(|kind| kind.id.clone()).ok_or_else(|| anyhow!("this cluster has no {}", first.kind))?;
    perform(&session, cluster, confirm, intent(resource, objects), Options::default()).await
}

/// As [`on_objects`], for one.
async fn on_object(
    args: &Args,
    confirm: &Confirm,
    target: &str,
    intent: impl FnOnce(ObjectRef) -> Intent,
) -> Result<ExitCode> {
    on_objects(args, confirm, &[target.to_string()], |_, mut objects| intent(objects.remove(0))).await
}

/// `kokpit delete`
///
/// # Errors
/// When a target is not understood, there is no plan, or the operation could not be begun.
pub async fn delete(args: &Args, op: &Delete) -> Result<ExitCode> {
    let (how, reason) = (Deletion { cascade: op.cascade, force: op.force }, op.reason.clone());
    let intent = |resource, objects| Intent::Delete { resource, objects, how, reason };
    on_objects(args, &op.confirm, &op.targets, intent).await
}

/// `kokpit restart`
///
/// # Errors
/// As [`delete`].
pub async fn restart(args: &Args, op: &Restart) -> Result<ExitCode> {
    let reason = op.reason.clone();
    on_objects(args, &op.confirm, &op.targets, |_, objects| Intent::Restart { objects, reason }).await
}

/// `kokpit rollback`
///
/// # Errors
/// As [`delete`].
pub async fn rollback(args: &Args, op: &Rollback) -> Result<ExitCode> {
    let (to, reason) = (op.to_revision.map_or(Revision::Back(1), Revision::Number), op.reason.clone());
    if let Some(("app" | "application" | "applications" | "apps.argoproj.io", app)) = op.target.split_once('/') {
        let ask = Ask::Rollback { to, auto_sync_off: op.auto_sync_off, prune: op.prune };
        return super::argo::on_applications(args, &op.confirm, &[app.to_string()], ask, &op.reason).await;
    }
    on_object(args, &op.confirm, &op.target, |object| Intent::Rollback { object, to, reason }).await
}

/// `kokpit set-image`
///
/// # Errors
/// As [`delete`]; or an image is not understood.
pub async fn set_image(args: &Args, op: &SetImage) -> Result<ExitCode> {
    let (images, rest) = image::parse(&op.images.join(" ")).map_err(|e| anyhow!(e))?;
    if !rest.is_empty() {
        bail!("`{rest}` is not CONTAINER=IMAGE");
    }
    let reason = op.reason.clone();
    on_object(args, &op.confirm, &op.target, |object| Intent::SetImage { object, images, reason }).await
}

/// `kokpit trigger`
///
/// # Errors
/// As [`delete`].
pub async fn trigger(args: &Args, op: &Trigger) -> Result<ExitCode> {
    let (name, reason) = (op.name.clone(), op.reason.clone());
    on_object(args, &op.confirm, &op.target, |object| Intent::Trigger { object, name, reason }).await
}

/// `kokpit suspend-job`, `kokpit resume-job`
///
/// # Errors
/// As [`delete`].
pub async fn hold(args: &Args, op: &Hold, suspend: bool) -> Result<ExitCode> {
    let reason = op.reason.clone();
    on_object(args, &op.confirm, &op.target, |object| Intent::Suspend { object, suspend, reason }).await
}

/// `kokpit ops ID --manifests`
///
/// # Errors
/// When there is no such operation.
pub fn manifests(paths: &Paths, id: &str) -> Result<ExitCode> {
    let kept = operate::deleted(paths, id).map_err(|e| anyhow!(e))?;
    if kept.is_empty() {
        bail!("operation {id} deleted nothing that was kept");
    }
    for manifest in &kept {
        println!("---\n{}", yaml::lines(manifest, yaml::Options::default()).join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}
