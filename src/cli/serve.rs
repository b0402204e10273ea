//! `kokpit demo` and `kokpit sim`: the embedded clusters, with the cockpit on them or for other tools.

use super::args::Sim;
use crate::app::session;
use crate::sim::kubeconfig;
use anyhow::{Context as _, Result};
use std::io::Write;
use std::process::ExitCode;

/// Serves recordings until Ctrl-C.
///
/// # Errors
/// When a recording cannot be read or the kubeconfig cannot be written.
pub async fn sim(sim: &Sim) -> Result<ExitCode> {
    let served = session::serve(&sim.recordings).await?;
    let temporary = tempfile::Builder::new().prefix("kokpit-sim-").suffix(".kubeconfig").tempfile()?;
    let file = sim.write_kubeconfig.as_deref().unwrap_or(temporary.path());
    let contexts: Vec<_> = served.iter().map(|s| kubeconfig::Context::new(&s.name, &s.url)).collect();
    kubeconfig::write(file, &contexts).with_context(|| format!("cannot write {}", file.display()))?;
    println!("export KUBECONFIG={}", file.display());
    println!("# Ctrl-C ends the servers");
    std::io::stdout().flush()?;
    until_stopped().await
}

async fn until_stopped() -> Result<ExitCode> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped?,
        _ = terminate.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}
