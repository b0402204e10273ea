//! `kokpit cordon`, `uncordon`, `drain`, `scale`, `resources`, `delete` …, `ops`: operations without a screen, with the same plan,
//! the same journal and the same steps as in the cockpit.

pub mod argo;
pub mod objects;

use super::FOUND;
use super::args::{Args, Confirm, Drain, NodeOp, Ops, Output, Resources, Scale};
use crate::app::operate::{self, Options, PlanError, Site};
use crate::app::operations::{cluster_called, remember_repository, site};
use crate::app::session::Session;
use crate::effect::Intent;
use crate::msg::{OperationStatus, OperationView, Sign, StepMark};
use crate::workflows::Plan;
use crate::workflows::drain;
use crate::world::fleet::ClusterId;
use crate::world::object::ObjectRef;
use crate::world::quantity::Amounts;
use crate::world::time::human;
use anyhow::{Result, anyhow, bail};
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// `kokpit cordon`
///
/// # Errors
/// When there is no reason, no plan, or the operation could not be begun.
pub async fn cordon(args: &Args, op: &NodeOp) -> Result<ExitCode> {
    need_reason(&op.reason)?;
    let intent = Intent::Cordon { nodes: vec![op.node.clone()], reason: op.reason.clone() };
    operation(args, &op.confirm, intent, Options::default()).await
}

/// `kokpit uncordon`
///
/// # Errors
/// When there is no plan, or the operation could not be begun.
pub async fn uncordon(args: &Args, op: &NodeOp) -> Result<ExitCode> {
    let intent = Intent::Uncordon { nodes: vec![op.node.clone()], reason: op.reason.clone() };
    operation(args, &op.confirm, intent, Options::default()).await
}

/// `kokpit drain`
///
/// # Errors
/// When there is no reason, no plan, or the operation could not be begun.
pub async fn drain(args: &Args, op: &Drain) -> Result<ExitCode> {
    need_reason(&op.node.reason)?;
    let drain = drain::Options {
        delete_emptydir_data: op.delete_emptydir_data,
        force: op.force,
        last_control_plane: op.last_control_plane,
        last_of_zone: op.last_of_zone,
        timeout_s: i64::try_from(op.timeout.as_secs()).unwrap_or(i64::MAX),
        ..drain::Options::default()
    };
    let intent = Intent::Drain { node: op.node.node.clone(), reason: op.node.reason.clone() };
    operation(args, &op.node.confirm, intent, Options { drain }).await
}

/// `kokpit scale`
///
/// # Errors
/// When the target is not understood, there is no plan, or the operation could not be begun.
pub async fn scale(args: &Args, op: &Scale) -> Result<ExitCode> {
    let intent = |object| Intent::Scale { object, replicas: op.replicas, reason: op.reason.clone() };
    workload(args, &op.confirm, &op.target, intent).await
}

/// `kokpit resources`
///
/// # Errors
/// As [`scale`].
pub async fn resources(args: &Args, op: &Resources) -> Result<ExitCode> {
    let requests = amounts(op.requests.as_deref(), "--requests")?;
    let limits = amounts(op.limits.as_deref(), "--limits")?;
    if requests.is_empty() && limits.is_empty() {
        bail!("say what to change: --requests cpu=250m,memory=1Gi, --limits cpu=500m,memory=2Gi, or both");
    }
    let container = op.container.clone().unwrap_or_default();
    let intent = |object| Intent::Resources {
        object,
        container: container.clone(),
        requests: requests.clone(),
        limits: limits.clone(),
        reason: op.reason.clone(),
    };
    workload(args, &op.confirm, &op.target, intent).await
}

/// `kokpit ops`
///
/// # Errors
/// When there is no such operation, or it can be neither finished nor undone.
pub async fn ops(args: &Args, ops: &Ops) -> Result<ExitCode> {
    let paths = crate::config::Paths::from_env().map_err(|e| anyhow!(e))?;
    let (views, problems) = operate::list(&paths);
    problems.iter().for_each(|problem| eprintln!("kokpit: {problem}"));
    let Some(id) = &ops.id else {
        list(&views, ops.output)?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut matching = views.iter().filter(|view| view.id.eq_ignore_ascii_case(id) || view.id.ends_with(id.as_str()));
    let (Some(view), None) = (matching.next(), matching.next()) else {
        bail!("the journal has no single operation {id}; `kokpit ops` lists them");
    };
    if ops.leftovers.manifests {
        return objects::manifests(&paths, &view.id);
    }
    if ops.leftovers.close {
        operate::abandon(&paths, &view.id, crate::app::clock()).map_err(|e| anyhow!(e))?;
        println!("operation {} is closed; what was done stays", view.id);
        return Ok(ExitCode::SUCCESS);
    }
    if !ops.finish && !ops.undo {
        match ops.output {
            Output::Json => println!("{}", as_json(view)),
            Output::Text => show(view, true)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    let cluster = cluster_called(&session, &view.cluster).map_err(|e| anyhow!(e))?;
    let site = site(&session, cluster).await.map_err(|e| anyhow!(e))?;
    let steps = Steps::default();
    let done = match ops.finish {
        true => operate::finish(&site, &view.id, |view| steps.tell(view)).await,
        false => operate::undo(&site, &view.id, |view| steps.tell(view)).await,
    };
    Ok(status(&done.map_err(|e| anyhow!(e))?))
}

fn need_reason(reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        bail!("a reason is needed: --reason \"disk errors on sda\"; it is what the next person reads");
    }
    Ok(())
}

/// `cpu=250m,memory=1Gi`
fn amounts(text: Option<&str>, flag: &str) -> Result<Amounts> {
    let mut amounts = Amounts::default();
    for part in text.unwrap_or_default().split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (field, value) = part
            .split_once('=')
            .ok_or_else(|| anyhow!("{flag}: `{part}` is not cpu=QUANTITY or memory=QUANTITY, such as memory=1Gi"))?;
        amounts.set(field, value).map_err(|e| anyhow!("{flag}: {e}"))?;
    }
    Ok(amounts)
}

/// An operation on a Deployment: `NAME`, `deployment/NAME` or `deploy/NAME` in the namespace of the context or `-n`.
async fn workload(
    args: &Args,
    confirm: &Confirm,
    target: &str,
    intent: impl Fn(ObjectRef) -> Intent,
) -> Result<ExitCode> {
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    let cluster = session.one()?;
    let context = session.context(cluster);
    let name = match target.split_once('/') {
        None => target,
        Some(("deployment" | "deployments" | "deploy" | "deployments.apps", name)) => name,
        Some((kind, _)) => bail!("{kind} cannot be changed here; Deployments can: deployment/NAME"),
    };
    let namespace = if context.namespace.is_empty() { "default" } else { &context.namespace };
    let object = ObjectRef::new("apps", "Deployment", namespace, name);
    perform(&session, cluster, confirm, intent(object), Options::default()).await
}

async fn operation(args: &Args, confirm: &Confirm, intent: Intent, options: Options) -> Result<ExitCode> {
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    let cluster = session.one()?;
    perform(&session, cluster, confirm, intent, options).await
}

/// Plan, show, confirm, run.
async fn perform(
    session: &Session,
    cluster: ClusterId,
    confirm: &Confirm,
    intent: Intent,
    options: Options,
) -> Result<ExitCode> {
    session.notices.iter().for_each(|notice| eprintln!("kokpit: {notice}"));
    let (site, plan) = plan(session, cluster, confirm, &intent, &options).await?;
    let view = operate::planned(&plan);
    show(&view, false)?;
    if !plan.blocked.is_empty() {
        return Ok(ExitCode::from(FOUND));
    }
    if plan.is_empty() {
        println!("nothing to do: the cluster and git say so already");
        return Ok(ExitCode::SUCCESS);
    }
    if confirm.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !confirmed(&plan.cluster, plan.protected, confirm)? {
        println!("nothing was done");
        return Ok(ExitCode::from(FOUND));
    }
    let steps = Steps::default();
    let done = operate::run(&site, &plan, |view| steps.tell(view)).await.map_err(|e| anyhow!(e))?;
    Ok(status(&done))
}

/// Plans; where no repository is configured, takes `--repo` or asks, writes config.toml, and plans again.
async fn plan(
    session: &Session,
    cluster: ClusterId,
    confirm: &Confirm,
    intent: &Intent,
    options: &Options,
) -> Result<(Site, Plan)> {
    let name = session.context(cluster).name.clone();
    let here = site(session, cluster).await.map_err(|e| anyhow!(e))?;
    let hint = match operate::plan(&here, intent, options).await {
        Ok(plan) => return Ok((here, plan)),
        Err(PlanError::NoRepository { url, .. }) => url,
        Err(PlanError::Refused(why)) => bail!("{name}: {why}"),
    };
    let file = session.paths.config_file();
    let answer = match &confirm.repo {
        Some(url) => format!("{url} {}", confirm.branch.as_deref().unwrap_or("main")),
        None if std::io::stdin().is_terminal() => {
            let default = hint.as_ref().map_or(String::new(), |url| format!(" [{url}]"));
            let typed = ask(&format!(
                "{} names no git repository for {name}. Push URL (and branch){default}: ",
                file.display()
            ))?;
            if typed.is_empty() { hint.unwrap_or_default() } else { typed }
        }
        None => bail!("{} names no git repository for {name}: add --repo URL [--branch main], once", file.display()),
    };
    remember_repository(&session.paths, &name, &answer).map_err(|e| anyhow!(e))?;
    eprintln!("kokpit: {name} belongs to {answer}, written to {}", file.display());
    let here = site(session, cluster).await.map_err(|e| anyhow!(e))?;
    let plan = operate::plan(&here, intent, options).await.map_err(|e| anyhow!("{name}: {e}"))?;
    Ok((here, plan))
}

/// Whether a person wants it.
///
/// # Errors
/// When nobody is here to say so, or the name given is not the cluster's.
pub fn confirmed(cluster: &str, protected: bool, confirm: &Confirm) -> Result<bool> {
    if protected {
        return match &confirm.confirm {
            Some(name) if name == cluster => Ok(confirm.yes || ask_yes()?),
            Some(name) => bail!("--confirm {name}: the cluster is called {}; nothing was done", cluster),
            None if std::io::stdin().is_terminal() => {
                Ok(ask(&format!("{} is protected: type its name to go on: ", cluster))? == cluster)
            }
            None => bail!("{} is protected: add --confirm {}; nothing was done", cluster, cluster),
        };
    }
    if confirm.yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("nobody is here to confirm: add --yes; nothing was done");
    }
    ask_yes()
}

/// Asks on the terminal; anything but yes is no.
///
/// # Errors
/// When the terminal is gone.
pub fn ask_yes() -> Result<bool> {
    Ok(matches!(ask("go on? [y/N] ")?.to_lowercase().as_str(), "y" | "yes"))
}

fn ask(question: &str) -> Result<String> {
    print!("{question}");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_string())
}

/// Prints a step when it has changed.
#[derive(Default)]
struct Steps(RefCell<HashMap<usize, (StepMark, String)>>);

impl Steps {
    fn tell(&self, view: &OperationView) {
        let mut told = self.0.borrow_mut();
        for (i, step) in view.steps.iter().enumerate().filter(|(_, step)| step.mark != StepMark::Waiting) {
            let now = (step.mark, step.text.clone());
            if told.get(&i) != Some(&now) {
                println!("{} {}", mark(step.mark), step.text);
                told.insert(i, now);
            }
        }
    }
}

fn mark(mark: StepMark) -> &'static str {
    match mark {
        StepMark::Waiting => "·",
        StepMark::Running => "…",
        StepMark::Done => "✓",
        StepMark::Failed => "✗",
        StepMark::Skipped => "-",
    }
}

fn status(view: &OperationView) -> ExitCode {
    println!("operation {} {}", view.id, view.status.word());
    match view.status {
        OperationStatus::Done | OperationStatus::Undone => ExitCode::SUCCESS,
        _ => {
            println!(
                "finish it with: kokpit ops {} --finish   take it back with: kokpit ops {} --undo",
                view.id, view.id
            );
            ExitCode::from(FOUND)
        }
    }
}

/// The plan (and the steps) for people.
fn show(view: &OperationView, with_steps: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}   {}", view.title, view.status.word())?;
    for line in &view.plan {
        let sign = match line.sign {
            Sign::Added => "+ ",
            Sign::Removed => "- ",
            Sign::Warning => "! ",
            Sign::Plain => "  ",
        };
        writeln!(out, "{:>8} {sign}{}", line.label, line.text)?;
    }
    for blocked in &view.blocked {
        writeln!(out, " blocked ! {blocked}")?;
    }
    if with_steps {
        for step in &view.steps {
            let at = if step.at.is_set() { step.at.rfc3339() } else { String::new() };
            writeln!(out, "  {} {:20} {}", mark(step.mark), at, step.text)?;
        }
    }
    Ok(())
}

fn list(views: &[OperationView], output: Output) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if output == Output::Json {
        for view in views {
            writeln!(out, "{}", as_json(view))?;
        }
        return Ok(());
    }
    if views.is_empty() {
        writeln!(out, "no operation has been recorded on this machine")?;
        return Ok(());
    }
    let now = crate::app::clock();
    writeln!(out, "{:26} {:8} {:>6}  WHAT", "OPERATION", "STATUS", "AGE")?;
    for view in views.iter().rev() {
        let age = human(view.started.age(now));
        writeln!(out, "{:26} {:8} {age:>6}  {}", view.id, view.status.word(), view.title)?;
    }
    Ok(())
}

/// One operation as a JSON object (one line).
fn as_json(view: &OperationView) -> serde_json::Value {
    let mark = |mark| match mark {
        StepMark::Waiting => "waiting",
        StepMark::Running => "running",
        StepMark::Done => "done",
        StepMark::Failed => "failed",
        StepMark::Skipped => "skipped",
    };
    let at = |at: crate::world::time::Time| at.is_set().then(|| at.rfc3339());
    let steps = view.steps.iter().map(|s| json!({"text": s.text, "state": mark(s.mark), "at": at(s.at)}));
    json!({
        "version": 1,
        "id": view.id,
        "title": view.title,
        "cluster": view.cluster,
        "status": view.status.word(),
        "started": at(view.started),
        "plan": view.plan.iter().map(|l| json!({"label": l.label, "text": l.text})).collect::<Vec<_>>(),
        "blocked": view.blocked,
        "steps": steps.collect::<Vec<_>>(),
    })
}
