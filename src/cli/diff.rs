//! `kokpit diff`: git against what lives.

use super::args::{Args, Diff, Output};
use super::{FOUND, TROUBLE, why};
use crate::app::compare::{Asked, compare};
use crate::app::operate;
use crate::app::operations::look;
use crate::app::session::Session;
use crate::app::why::subject;
use crate::diagnose::case::Subject;
use crate::gitops::compare::{Comparison, Standing};
use crate::gitops::locate;
use crate::state::difference;
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId, namespace};
use anyhow::{Result, anyhow, bail};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Exit status 0: everything is as git says, 1: something differs, 2: it could not be found out.
///
/// # Errors
/// The target is not understood, or the cluster cannot be read.
pub async fn diff(args: &Args, op: &Diff) -> Result<ExitCode> {
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    session.notices.iter().for_each(|notice| eprintln!("kokpit: {notice}"));
    let cluster = session.one()?;
    let (application, object) = target(&session, cluster, args, &op.target).await?;
    let selected = op.resources.iter().map(|r| ObjectRef::new(&r.group, &r.kind, &r.namespace, &r.name));
    let only: Vec<ObjectRef> = object.into_iter().chain(selected).collect();
    let asked = Asked { cluster, application, only, revision: op.revision.clone() };
    let comparison = compare(&session, &asked).await.map_err(|e| anyhow!(e))?;
    if !asked.only.is_empty() && comparison.objects.is_empty() {
        bail!("{} has none of the objects named, neither in git nor among its resources", asked.application);
    }
    print(&comparison, op.output)?;
    let known = comparison.count(|s| !matches!(s, Standing::Unknown(_))) > 0 || comparison.objects.is_empty();
    Ok(match comparison.differs() {
        true => ExitCode::from(FOUND),
        false if known && comparison.count(|s| matches!(s, Standing::Unknown(_))) == 0 => ExitCode::SUCCESS,
        false => ExitCode::from(TROUBLE),
    })
}

fn print(comparison: &Comparison, output: Output) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(comparison)?)?,
        Output::Text => {
            for line in difference::lines(comparison) {
                writeln!(out, "{}", line.plain())?;
            }
        }
    }
    Ok(())
}

/// The Application, and the object in it that is meant: `app/NAME`, `NAMESPACE/NAME` or `NAME` of an Application, or
/// `KIND/NAME` of an object that one applies.
async fn target(
    session: &Session,
    cluster: ClusterId,
    args: &Args,
    wanted: &str,
) -> Result<(ObjectRef, Option<ObjectRef>)> {
    let context = session.context(cluster);
    let site = look(session, cluster).await.map_err(|e| anyhow!(e))?;
    let catalog = session.hub.catalog(cluster).await.map_err(|e| anyhow!("{}: {e}", context.name))?;
    let fallback = if context.namespace.is_empty() { "default" } else { &context.namespace };
    let object = match subject(&catalog, wanted, args.global.namespace.as_deref().unwrap_or(fallback)) {
        Ok(Subject::Object(object)) if object.kind != "Application" || object.group != "argoproj.io" => {
            why::located(session, cluster, &catalog, object).await
        }
        _ => {
            let names = [wanted.to_string()];
            let found = operate::applications(&site, &names, args.global.namespace.as_deref()).await;
            let application = found.map_err(|e| anyhow!(e))?.into_iter().next();
            return Ok((application.ok_or_else(|| anyhow!("no Application {wanted}"))?, None));
        }
    };
    let kind = catalog.iter().find(|kind| kind.kind == object.kind && kind.id.group == object.group);
    let kind = kind.ok_or_else(|| anyhow!("this cluster has no {}", object.kind))?;
    let path = kind.object_path(&object.namespace, &object.name);
    let live = site.api.get(&path).await.map_err(|e| anyhow!("{object} cannot be read: {e}"))?;
    let tracking = locate::tracking(&live).map_err(|e| anyhow!(e))?;
    let applications = ResourceId::new("argoproj.io", "applications");
    let kind = catalog
        .iter()
        .find(|kind| kind.id == applications)
        .ok_or_else(|| anyhow!("{} has no Argo CD", context.name))?;
    let all = site.api.list(kind, None, "").await.map_err(|e| anyhow!("the Applications cannot be read: {e}"))?;
    let mut named = all.iter().filter(|app| tracking.is(app));
    match (named.next(), named.next()) {
        (Some(app), None) => {
            Ok((ObjectRef::new("argoproj.io", "Application", namespace(app), &tracking.application), Some(object)))
        }
        (None, _) => bail!(
            "{object} is tracked by the Application {}, which {} does not have",
            tracking.application,
            context.name
        ),
        (Some(_), Some(_)) => {
            bail!("{} has several Applications {}; name one as app/NAME", context.name, tracking.application)
        }
    }
}
