//! `kokpit cp`.

use super::args::{Args, Confirm, Copy};
use super::operations::confirmed;
use crate::app::operations::configuration;
use crate::app::session::Session;
use crate::app::transfer::{self, Place, Progress, Side};
use crate::app::transfers::{self, Recorded};
use crate::effect::transfer::Errand;
use crate::msg::OperationStatus;
use anyhow::{Result, anyhow, bail};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Progress is printed at most this often.
const TELL: Duration = Duration::from_millis(200);

/// Copies once.
///
/// # Errors
/// When the arguments are of no use, or something was not copied.
pub async fn run(args: &Args, wanted: &Copy) -> Result<ExitCode> {
    let (from, to) = (Side::parse(&wanted.source), Side::parse(&wanted.destination));
    let there = match (&from, &to) {
        (Side::There { .. }, Side::Here(_)) => &from,
        (Side::Here(_), Side::There { .. }) => &to,
        (Side::Here(_), Side::Here(_)) => bail!("one side must be in a pod: POD:/path or NAMESPACE/POD:/path"),
        _ => bail!("only one side can be in a pod; copy to this machine first"),
    };
    let Side::There { namespace, pod, .. } = there else { bail!("one side must be in a pod") };
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    session.notices.iter().for_each(|notice| eprintln!("kokpit: {notice}"));
    let cluster = session.one()?;
    let context = session.context(cluster);
    if matches!(to, Side::There { .. }) {
        configuration(&session, cluster).map_err(|e| anyhow!(e))?;
    }
    session.hub.open(cluster);
    let api = session.hub.api(cluster).await.map_err(|e| anyhow!("{}: {e}", context.name))?;
    let own = Some(context.namespace.clone()).filter(|own| !own.is_empty());
    let namespace = namespace.clone().or_else(|| args.global.namespace.clone()).or(own);
    let place = Place {
        api,
        namespace: namespace.unwrap_or_else(|| "default".into()),
        pod: pod.clone(),
        container: wanted.container.clone().unwrap_or_default(),
    };
    let mut record = None;
    if let (Side::Here(here), Side::There { path, .. }) = (&from, &to) {
        let errand = Errand {
            cluster,
            namespace: place.namespace.clone(),
            pod: place.pod.clone(),
            container: place.container.clone(),
            there: path.clone(),
            here: here.clone(),
            out: false,
        };
        let Some(recorded) = begin(&session, &errand, wanted)? else { return Ok(ExitCode::SUCCESS) };
        record = Some(recorded);
    }
    let shows = std::io::stderr().is_terminal();
    let told = Mutex::new(None::<Instant>);
    let tell = |progress: Progress| {
        let Ok(mut told) = told.lock() else { return };
        if shows && told.is_none_or(|at| at.elapsed() >= TELL) {
            *told = Some(Instant::now());
            let of = progress.total.map_or_else(String::new, |total| format!(" of {total}"));
            eprint!("\r{}{of} bytes\u{1b}[K", progress.bytes);
            let _ = std::io::stderr().flush();
        }
    };
    let done = match (&from, &to) {
        (Side::There { path, .. }, Side::Here(here)) => transfer::from_container(&place, path, here, tell).await,
        (Side::Here(here), Side::There { path, .. }) => transfer::into_container(&place, here, path, tell).await,
        _ => Err("one side must be in a pod".into()),
    };
    if shows {
        eprint!("\r\u{1b}[K");
    }
    record.into_iter().for_each(|record| drop(record.close(&done)));
    let done = done.map_err(|e| anyhow!("{}/{}: {e}", place.namespace, place.pod))?;
    done.notes.iter().for_each(|note| eprintln!("kokpit: left out: {note}"));
    writeln!(std::io::stdout(), "{}", done.copied())?;
    Ok(if done.notes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::FOUND) })
}

/// Shows what would be written, and begins the record of it once that is confirmed.
fn begin(session: &Session, errand: &Errand, wanted: &Copy) -> Result<Option<Recorded>> {
    let name = &session.context(errand.cluster).name;
    let header = transfers::header(name, errand).map_err(|e| anyhow!(e))?;
    let view = transfers::view(&header, OperationStatus::Planned, vec![]);
    eprintln!("{} on {name}", view.title);
    view.plan.iter().for_each(|line| eprintln!("  {:<5} {}", line.label, line.text));
    if wanted.dry_run {
        return Ok(None);
    }
    let protected = session.config.settings(name).protected;
    let confirm = Confirm { yes: wanted.yes, confirm: wanted.confirm.clone(), ..Confirm::default() };
    if !confirmed(name, protected, &confirm)? {
        bail!("nothing was copied");
    }
    Recorded::begin(session.paths.journal(), header).map(Some).map_err(|e| anyhow!(e))
}
