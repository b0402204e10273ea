//! `kokpit why` and `kokpit explain`.

use super::args::{Args, Output, Why};
use super::{FOUND, TROUBLE};
use crate::app::session::Session;
use crate::app::why::{Investigation, Source, subject};
use crate::cluster::api::ApiError;
use crate::diagnose::case::Subject;
use crate::diagnose::pods::is_finished;
use crate::diagnose::verdict::{State, Verdict};
use crate::diagnose::{causes, report};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, Resource, ResourceId, list_at, name, namespace, str_at};
use anyhow::{Result, anyhow, bail};
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs `kokpit why`: exit status 0 nothing wrong, 1 something found, 2 could not find out.
///
/// # Errors
/// When the target is not understood or the cluster cannot be reached.
pub async fn why(args: &Args, why: &Why) -> Result<ExitCode> {
    if why.watch && !args.global.from.is_empty() {
        bail!("-w waits for changes, and a recording stands still; leave it out");
    }
    match (&why.target, why.watch) {
        (None, _) if !why.pending => return super::problems::list(args, why).await,
        (Some(target), true) => return super::problems::follow(args, why, target).await,
        _ => {}
    }
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    session.notices.iter().for_each(|notice| eprintln!("kokpit: {notice}"));
    let clusters = clusters(&session, args)?;
    // All at once: what one cluster's Argo CD deploys may live in another one.
    clusters.iter().for_each(|cluster| session.hub.open(*cluster));
    let mut worst = ExitCode::SUCCESS;
    let mut rank = 0;
    for cluster in clusters {
        let context = session.context(cluster).name.clone();
        let source = Source { session: &session, cluster, desk: None };
        let mut investigation = Investigation::open(source).await.map_err(|e| anyhow!("{context}: {e}"))?;
        for subject in subjects(&session, cluster, args, why, &mut investigation).await? {
            let verdict = investigation.verdict(subject).await;
            print(&verdict, why.output)?;
            let (r, code) = match verdict.state {
                State::Fine => (0, ExitCode::SUCCESS),
                State::Broken => (2, ExitCode::from(FOUND)),
                State::Unknown => (1, ExitCode::from(TROUBLE)),
            };
            if r > rank {
                (rank, worst) = (r, code);
            }
        }
    }
    Ok(worst)
}

/// The clusters that are asked: those named, else the current one.
///
/// # Errors
/// When there is none.
pub fn clusters(session: &Session, args: &Args) -> Result<Vec<ClusterId>> {
    let named = !args.global.contexts.is_empty() || !args.global.from.is_empty() || args.global.all_contexts;
    Ok(if named { session.open.clone() } else { vec![session.one()?] })
}

/// What is asked about: the target, or every unscheduled pod.
pub async fn subjects(
    session: &Session,
    cluster: ClusterId,
    args: &Args,
    why: &Why,
    investigation: &mut Investigation<'_>,
) -> Result<Vec<Subject>> {
    let context = session.context(cluster);
    let trouble = |e: &dyn std::fmt::Display| anyhow!("{}: {e}", context.name);
    let catalog = session.hub.catalog(cluster).await.map_err(|e| trouble(&e))?;
    let given = args.global.namespace.clone();
    let target = match &why.target {
        Some(target) => target,
        None => return pending(investigation, given.as_deref()).await.map_err(|e| trouble(&e)),
    };
    let fallback = if context.namespace.is_empty() { "default".to_string() } else { context.namespace.clone() };
    let found = subject(&catalog, target, given.as_deref().unwrap_or(&fallback)).map_err(|e| anyhow!(e))?;
    match (found, given) {
        (Subject::Object(object), None) if !object.namespace.is_empty() => {
            Ok(vec![Subject::Object(located(session, cluster, &catalog, object).await)])
        }
        (subject, _) => Ok(vec![subject]),
    }
}

/// An object named without `-n`: where the context's namespace has none of that name but exactly one other has,
/// that one is meant (Applications live in `argocd`, whatever the context says).
pub async fn located(session: &Session, cluster: ClusterId, catalog: &[Resource], object: ObjectRef) -> ObjectRef {
    let Some(kind) = catalog.iter().find(|k| k.kind == object.kind && k.id.group == object.group) else {
        return object;
    };
    let Ok(api) = session.hub.api(cluster).await else { return object };
    if api.get(&kind.object_path(&object.namespace, &object.name)).await.is_ok() {
        return object;
    }
    let query = format!("fieldSelector=metadata.name%3D{}", crate::cluster::api::encode(&object.name));
    match api.list(kind, None, &query).await.as_deref() {
        Ok([only]) => ObjectRef { namespace: namespace(only).to_string(), ..object },
        _ => object,
    }
}

/// Every pod without a node that has not ended.
async fn pending(investigation: &mut Investigation<'_>, ns: Option<&str>) -> Result<Vec<Subject>, ApiError> {
    let unscheduled = |pod: &&Value| {
        str_at(pod, "/spec/nodeName").is_empty()
            && !is_finished(pod)
            && list_at(pod, "/status/conditions")
                .iter()
                .all(|c| str_at(c, "/type") != "PodScheduled" || str_at(c, "/status") != "True")
    };
    let list = investigation.list(ResourceId::core("pods"), ns).await?;
    Ok(list
        .iter()
        .filter(unscheduled)
        .map(|pod| Subject::Object(ObjectRef::new("", "Pod", namespace(pod), name(pod))))
        .collect())
}

/// Prints a verdict.
///
/// # Errors
/// When nobody takes the output.
pub fn print(verdict: &Verdict, output: Output) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(verdict)?)?,
        Output::Text => {
            out.write_all(report::plain(verdict).as_bytes())?;
        }
    }
    Ok(())
}

/// Prints the page of a cause, or the list of all.
///
/// # Errors
/// When there is no cause of that name.
pub fn explain(cause: Option<&str>) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match cause {
        None => {
            for (id, title) in causes::all() {
                writeln!(out, "{id:32} {title}")?;
            }
        }
        Some(id) => match causes::explain_cause(id) {
            Some(page) => writeln!(out, "{page}")?,
            None => return Err(anyhow!("no cause is called `{id}`; `kokpit explain` lists them all")),
        },
    }
    Ok(ExitCode::SUCCESS)
}
