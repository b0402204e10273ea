//! `kokpit` alone: the cockpit; on a machine without any kubeconfig an offer of the demo.

use super::args::{Args, Demo};
use super::{TROUBLE, serve};
use crate::app;
use crate::cluster::kubeconfig::KubeconfigError;
use anyhow::Result;
use crossterm::event::{Event, KeyCode, KeyEventKind, read};
use crossterm::terminal;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tokio::runtime::Handle;

/// Opens the cockpit; where there is no kubeconfig and somebody is there to be asked, offers the demo.
///
/// # Errors
/// As [`app::run::cockpit`].
pub fn cockpit(args: &Args, runtime: &Handle) -> Result<ExitCode> {
    let error = match app::run::cockpit(args, runtime) {
        Err(e) if e.downcast_ref::<KubeconfigError>().is_some_and(KubeconfigError::is_nothing) => e,
        other => return other,
    };
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return Err(error);
    }
    println!(
        "kokpit watches the Kubernetes clusters of a kubeconfig, and this machine has none.\n\n  {error:#}\n\n\
         The demo has two clusters with five incidents on this machine alone, with a tutorial; nothing is left behind.\n\n\
         \x20 d       start the demo (later: kokpit demo)\n  any key leave\n"
    );
    std::io::stdout().flush()?;
    match pressed()? {
        KeyCode::Char('d' | 'D') | KeyCode::Enter => serve::demo(args, &Demo { serve: false, dir: None }, runtime),
        _ => Ok(ExitCode::from(TROUBLE)),
    }
}

/// Waits for one key.
fn pressed() -> Result<KeyCode> {
    /// Gives the terminal back however it ends.
    struct Raw;
    impl Drop for Raw {
        fn drop(&mut self) {
            let _ = terminal::disable_raw_mode();
        }
    }
    terminal::enable_raw_mode()?;
    let _raw = Raw;
    loop {
        if let Event::Key(key) = read()?
            && key.kind != KeyEventKind::Release
        {
            return Ok(key.code);
        }
    }
}
