//! `kokpit port-forward`.

use super::args::{Args, PortForward};
use crate::app::session::Session;
use crate::app::why::subject;
use crate::cluster::forward::{self, Ask, Refused};
use crate::diagnose::case::Subject;
use crate::kinds::ports::Pair;
use crate::msg::forward::Seen;
use anyhow::{Result, anyhow, bail};
use futures::future::join_all;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Forwards until the program is ended.
///
/// # Errors
/// When the target or a port is of no use, or a local port is taken.
pub async fn run(args: &Args, wanted: &PortForward) -> Result<ExitCode> {
    let mut pairs =
        wanted.ports.iter().map(|p| Pair::parse(p)).collect::<Result<Vec<_>, _>>().map_err(|e| anyhow!(e))?;
    if let Some(address) = wanted.address {
        pairs.iter_mut().for_each(|pair| pair.address = address);
    }
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    session.notices.iter().for_each(|notice| eprintln!("kokpit: {notice}"));
    let cluster = session.one()?;
    let context = session.context(cluster);
    let trouble = |e: &dyn std::fmt::Display| anyhow!("{}: {e}", context.name);
    session.hub.open(cluster);
    let api = session.hub.api(cluster).await.map_err(|e| trouble(&e))?;
    let catalog = session.hub.catalog(cluster).await.map_err(|e| trouble(&e))?;
    let namespace = match (&args.global.namespace, context.namespace.as_str()) {
        (Some(named), _) => named.as_str(),
        (None, "") => "default",
        (None, own) => own,
    };
    let target = if wanted.target.contains('/') { wanted.target.clone() } else { format!("pod/{}", wanted.target) };
    let Subject::Object(object) = subject(&catalog, &target, namespace).map_err(|e| anyhow!(e))? else {
        bail!("`{}` is a URL: name a pod, a service or a workload, such as svc/web", wanted.target);
    };
    let resource = catalog.iter().find(|kind| kind.kind == object.kind && kind.id.group == object.group).cloned();
    let resource = resource.ok_or_else(|| anyhow!("{} has no {}", context.name, object.kind))?;
    let mut forwards = Vec::new();
    for pair in pairs {
        let (namespace, name) = (object.namespace.clone(), object.name.clone());
        let ask = Ask { resource: resource.clone(), namespace, name, pair: pair.clone() };
        forwards.push(match forward::open(api.clone(), ask).await {
            Ok(forward) => forward,
            Err(Refused::Taken(at)) => {
                let free = forward::free_port(at.ip(), at.port()).await;
                let free = free.map_or_else(String::new, |port| format!("; {port} is free"));
                bail!("{}{free}", Refused::Taken(at));
            }
            Err(refused) => bail!("{}: {refused}", context.name),
        });
    }
    let running = forwards.into_iter().map(|forward| {
        let local = forward.local();
        let before = Mutex::new(Seen::default());
        forward.run(move |seen| {
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            tell(&local.to_string(), &before, &seen);
            *before = seen;
        })
    });
    join_all(running).await;
    Ok(ExitCode::SUCCESS)
}

/// Says what changed.
fn tell(local: &str, before: &Seen, now: &Seen) {
    if let Some((pod, port)) = now.target.as_ref().filter(|_| now.target != before.target) {
        let mut out = std::io::stdout().lock();
        // Whoever started us may wait for this line; who does not listen any more does not need it.
        let _ = writeln!(out, "{local} -> {pod}:{port}").and_then(|()| out.flush());
    }
    if now.errors > before.errors {
        eprintln!("kokpit: {local}: {}", now.error);
    }
    if !now.waits.is_empty() && now.waits != before.waits {
        eprintln!("kokpit: {local}: {}", now.waits);
    }
}
