//! Our own log: a file under the state directory, never the screen.

use std::path::Path;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

/// Starts logging to `kokpit.log` in the state directory; `KOKPIT_LOG` filters (`debug`, `kokpit=trace`).
/// The guard writes what is left when it is dropped. `None` where the file cannot be written: logging is a convenience.
pub fn start(state: &Path) -> Option<WorkerGuard> {
    std::fs::create_dir_all(state).ok()?;
    let file = std::fs::OpenOptions::new().create(true).append(true).open(state.join("kokpit.log")).ok()?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    let filter = EnvFilter::try_from_env("KOKPIT_LOG").unwrap_or_else(|_| EnvFilter::new("kokpit=info,warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(writer).try_init().ok()?;
    Some(guard)
}
