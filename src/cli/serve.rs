//! `kokpit demo` and `kokpit sim`: the embedded clusters, with the cockpit on them or for other tools.

use super::args::{Args, Demo, Sim};
use crate::app::{run, session};
use crate::config::Paths;
use crate::msg::{Msg, StepState};
use crate::sim::{demo, kubeconfig};
use anyhow::{Context as _, Result};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often the tutorial looks whether a step was done.
const TUTOR: Duration = Duration::from_millis(500);

/// Starts the demo's two clusters and opens the cockpit on them, or serves them for other tools.
///
/// # Errors
/// When the demo cannot be set up (no git, no free port) or the terminal is missing.
pub fn demo(args: &Args, demo: &Demo, runtime: &Handle) -> Result<ExitCode> {
    let temporary =
        tempfile::Builder::new().prefix("kokpit-demo-").tempdir().context("no place for the demo's files")?;
    let dir = demo.dir.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let clusters = runtime.block_on(demo::start(dir)).context("the demo could not be set up")?;
    let places = Paths::below(dir);
    write_config(&places, &clusters)?;
    if demo.serve {
        println!("export KUBECONFIG={}", clusters.kubeconfig.display());
        println!("# repository: {}", clusters.repo.display());
        println!("# configuration of kokpit: export KOKPIT_CONFIG_DIR={}", places.config.display());
        println!("# Ctrl-C ends the clusters");
        std::io::stdout().flush()?;
        return runtime.block_on(until_stopped());
    }
    let mut global = args.global.clone();
    global.kubeconfig = Some(clusters.kubeconfig.clone());
    global.all_contexts = global.contexts.is_empty();
    let tutorial = clusters.tutorial;
    let clone = format!(" (git clone {})", clusters.repo.display());
    run::run(&global, Some(places), runtime, |sender| {
        runtime.spawn(async move {
            let mut before = Vec::new();
            loop {
                let steps: Vec<StepState> = tutorial
                    .progress()
                    .into_iter()
                    .map(|step| StepState {
                        title: step.title.into(),
                        text: step.text.replace('\n', " ") + if step.text.contains("apps/") { &clone } else { "" },
                        done: step.done,
                    })
                    .collect();
                if steps != before {
                    sender.send(Msg::Tutorial(steps.clone()));
                    before = steps;
                }
                tokio::time::sleep(TUTOR).await;
            }
        });
    })
}

/// The demo's configuration: which repository belongs to its clusters, and who signs the commits
/// (a fresh machine has no git identity).
fn write_config(places: &Paths, demo: &demo::Demo) -> Result<()> {
    let text = format!(
        "# Written by `kokpit demo`.\n\n[[repository]]\nname = \"fleet\"\nurl = {url:?}\nbranch = \"main\"\nauthor = \"Demo <demo@kokpit.example>\"\n\n[[cluster]]\ncontext = \"*\"\nrepository = \"fleet\"\nnodes = \"clusters/{{cluster}}/nodes\"\n",
        url = demo.repo_url
    );
    std::fs::create_dir_all(&places.config)?;
    let file = places.config_file();
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

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
