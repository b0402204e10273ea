//! The arguments, and the commands that run without a screen.

pub mod args;
pub mod config;
pub mod cp;
pub mod diff;
pub mod doctor;
pub mod first;
pub mod forward;
pub mod import;
pub mod operations;
pub mod problems;
pub mod record;
pub mod serve;
pub mod shell;
pub mod theme;
pub mod why;

use args::{Args, Command, ImportFrom};
use std::process::ExitCode;

/// What a command ends with: 0 nothing wrong, 1 something found (or the operation did not succeed),
/// 2 could not find out (bad arguments, no connection, no permission).
pub const FOUND: u8 = 1;
/// See [`FOUND`].
pub const TROUBLE: u8 = 2;

/// Reads the arguments and runs what they ask for.
pub fn main() -> ExitCode {
    let args = Args::read();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return trouble(&anyhow::anyhow!("cannot start: {e}")),
    };
    let result = match &args.command {
        None => first::cockpit(&args, runtime.handle()),
        Some(Command::Why(why)) => runtime.block_on(why::why(&args, why)),
        Some(Command::Explain { cause }) => why::explain(cause.as_deref()),
        Some(Command::Record(options)) => runtime.block_on(record::run(&args, options)),
        Some(Command::Sim(sim)) => runtime.block_on(serve::sim(sim)),
        Some(Command::Cordon(node)) => runtime.block_on(operations::cordon(&args, node)),
        Some(Command::Uncordon(node)) => runtime.block_on(operations::uncordon(&args, node)),
        Some(Command::Drain(drain)) => runtime.block_on(operations::drain(&args, drain)),
        Some(Command::Scale(scale)) => runtime.block_on(operations::scale(&args, scale)),
        Some(Command::Resources(resources)) => runtime.block_on(operations::resources(&args, resources)),
        Some(Command::Cp(wanted)) => runtime.block_on(cp::run(&args, wanted)),
        Some(Command::PortForward(wanted)) => runtime.block_on(forward::run(&args, wanted)),
        Some(Command::Delete(op)) => runtime.block_on(operations::objects::delete(&args, op)),
        Some(Command::Restart(op)) => runtime.block_on(operations::objects::restart(&args, op)),
        Some(Command::Rollback(op)) => runtime.block_on(operations::objects::rollback(&args, op)),
        Some(Command::SetImage(op)) => runtime.block_on(operations::objects::set_image(&args, op)),
        Some(Command::Trigger(op)) => runtime.block_on(operations::objects::trigger(&args, op)),
        Some(Command::SuspendJob(op)) => runtime.block_on(operations::objects::hold(&args, op, true)),
        Some(Command::ResumeJob(op)) => runtime.block_on(operations::objects::hold(&args, op, false)),
        Some(Command::Refresh(op)) => runtime.block_on(operations::argo::refresh(&args, op)),
        Some(Command::Sync(op)) => runtime.block_on(operations::argo::sync(&args, op)),
        Some(Command::Terminate(op)) => runtime.block_on(operations::argo::terminate(&args, op)),
        Some(Command::AutoSync(op)) => runtime.block_on(operations::argo::auto_sync(&args, op)),
        Some(Command::Diff(op)) => runtime.block_on(diff::diff(&args, op)),
        Some(Command::Ops(ops)) => runtime.block_on(operations::ops(&args, ops)),
        Some(Command::Theme { command }) => theme::theme(command),
        Some(Command::Doctor { output }) => runtime.block_on(doctor::run(&args, *output)),
        Some(Command::Config { command }) => config::run(*command),
        Some(Command::Import { from: ImportFrom::K9s(wanted) }) => import::k9s(wanted),
        Some(Command::Completion { shell }) => shell::completion(*shell),
        Some(Command::Man) => shell::man(),
        Some(Command::Demo(demo)) => serve::demo(&args, demo, runtime.handle()),
    };
    // Watches and half-read streams need no orderly end.
    runtime.shutdown_background();
    result.unwrap_or_else(|e| trouble(&e))
}

/// Everything but the screen runs here: two threads read what clusters say, others do what blocks.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).on_thread_start(yielding).enable_all().build()
}

/// The thread that hears keys and draws goes first where cores are few: the others ask for less of them. (Elsewhere than
/// on Linux this would be said of the whole process.)
fn yielding() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(5);
}

fn trouble(error: &anyhow::Error) -> ExitCode {
    eprintln!("kokpit: {error:#}");
    ExitCode::from(TROUBLE)
}
