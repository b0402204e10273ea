//! The copies of the cockpit: begins, tells the screen, ends.

mod record;

pub use record::{KIND, Recorded, header, recorded, view};

use super::inbox::Sender;
use super::operations::configuration;
use super::session::Session;
use super::transfer::{self, Place, Progress};
use crate::effect::transfer::{Errand, TransferEffect};
use crate::journal::Header;
use crate::msg::transfer::TransferMsg;
use crate::msg::{Msg, OperationStatus, OperationView};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Progress is told at most this often.
const TELL: Duration = Duration::from_millis(250);

/// Runs the effects about copies.
pub struct Transfers {
    session: Arc<Session>,
    sender: Sender,
    runtime: Handle,
    running: Vec<AbortHandle>,
    last: u64,
}

impl Transfers {
    /// Answers through `sender`.
    pub fn new(session: Arc<Session>, sender: Sender, runtime: Handle) -> Self {
        Self { session, sender, runtime, running: vec![], last: 0 }
    }

    /// Runs one effect.
    pub fn run(&mut self, effect: TransferEffect) {
        match effect {
            TransferEffect::StopAll => self.running.drain(..).for_each(|task| task.abort()),
            TransferEffect::Begin(errand, operation) => {
                self.last += 1;
                let (id, session, sender) = (self.last, self.session.clone(), self.sender.clone());
                self.running.retain(|task| !task.is_finished());
                // At once: a server that is slow to answer is what one wants to see, and to stop.
                sender.send(Msg::Transfer(TransferMsg::Begun { id }));
                let task = self.runtime.spawn(async move {
                    let what = what(&errand);
                    let result = copy(&session, &sender, id, (errand, operation)).await;
                    sender.send(Msg::Transfer(TransferMsg::Ended { id, what, result }));
                });
                self.running.push(task.abort_handle());
            }
        }
    }
}

fn what(errand: &Errand) -> String {
    let there = format!("{}:{}", errand.pod, errand.there);
    match errand.out {
        true => format!("copy of {there}"),
        false => format!("copy of {} to {there}", errand.here.display()),
    }
}

/// What a copy into a container would write, as a plan.
///
/// # Errors
/// A sentence: it may not be, or what is to be copied cannot be read.
pub fn planned(session: &Session, errand: &Errand) -> Result<OperationView, String> {
    configuration(session, errand.cluster)?;
    let name = &session.context(errand.cluster).name;
    let errand = Errand { here: home(&errand.here), ..errand.clone() };
    let mut view = view(&header(name, &errand)?, OperationStatus::Planned, vec![]);
    view.protected = session.config.settings(name).protected;
    Ok(view)
}

async fn copy(
    session: &Session,
    sender: &Sender,
    id: u64,
    (errand, operation): (Errand, Option<String>),
) -> Result<String, String> {
    let errand = Errand { here: home(&errand.here), ..errand };
    let api = session.hub.api(errand.cluster).await.map_err(|e| e.to_string())?;
    let Errand { namespace, pod, container, .. } = errand.clone();
    let place = Place { api, namespace, pod, container };
    let (began, told) = (Instant::now(), AtomicU64::new(0));
    let tell = |Progress { bytes, total }| {
        let now = began.elapsed().as_millis() as u64;
        let before = told.load(Ordering::Relaxed);
        if before == 0 || now.saturating_sub(before) >= TELL.as_millis() as u64 {
            told.store(now.max(1), Ordering::Relaxed);
            sender.send(Msg::Transfer(TransferMsg::Under { id, bytes, total }));
        }
    };
    if errand.out {
        let done = transfer::from_container(&place, &errand.there, &errand.here, tell).await?;
        return Ok(done.sentence());
    }
    let operation = operation.ok_or("it was not shown and confirmed")?;
    configuration(session, errand.cluster)?;
    let header = Header { id: operation, ..header(&session.context(errand.cluster).name, &errand)? };
    let recorded = Recorded::begin(session.paths.journal(), header)?;
    sender.send(Msg::Operation(Box::new(recorded.running())));
    let done = transfer::into_container(&place, &errand.here, &errand.there, tell).await;
    sender.send(Msg::Operation(Box::new(recorded.close(&done))));
    done.map(|done| done.sentence())
}

/// `~/x` means what it means in a shell.
fn home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.into(),
    }
}
