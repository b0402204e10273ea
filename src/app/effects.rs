//! Runs effects: each becomes a task that ends in a message. What needs the terminal is handed back to the loop.

use super::compare::{Asked, compare};
use super::desk::Desk;
use super::inbox::Sender;
use super::session::Session;
use super::shell::Visit;
use super::why::{self, Source};
use crate::cluster::access::may_all;
use crate::cluster::api::{Api, ApiError, encode};
use crate::cluster::raw;
use crate::diagnose::case::Subject;
use crate::effect::logs::LogRequest;
use crate::effect::plugin::PluginCall;
use crate::effect::{Effect, RequestId};
use crate::kinds::secret;
use crate::msg::{Level, Msg, WhyAnswer};
use crate::world::access::Access;
use crate::world::fleet::{ClusterId, Delta, TableDelta};
use crate::world::object::{ObjectRef, Resource, ResourceId};
use serde_json::Value;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Name of the file in the state directory that keeps the commands typed.
pub const HISTORY: &str = "history";
/// Name of the file in the state directory that keeps the namespaces visited.
pub const NAMESPACES: &str = "namespaces";
/// Name of the file in the state directory that keeps the columns chosen, as config.toml has them.
pub const COLUMNS: &str = "columns.toml";

/// An effect that only the owner of the terminal can run.
#[derive(Debug, PartialEq, Eq)]
pub enum ForTerminal {
    /// A shell in a container.
    Shell(Visit),
    /// An object in the editor.
    Edit { cluster: ClusterId, resource: ResourceId, namespace: String, name: String },
    /// A plugin that uses the terminal; the id under which it was confirmed.
    Plugin { call: Box<PluginCall>, operation: Option<String> },
    /// Another theme.
    Theme(String),
    /// Mouse events, or none.
    Mouse(bool),
    /// Something for the desktop.
    Notify(String),
    /// Text for the clipboard.
    Copy(String),
    /// Stop the process until it is continued.
    Suspend,
    /// Draw everything again.
    Repaint,
    /// Leave.
    Quit,
}

/// Turns effects into tasks.
pub struct Runner {
    session: Arc<Session>,
    sender: Sender,
    runtime: Handle,
    /// Tasks that a later effect may stop: log streams, diagnoses.
    running: HashMap<RequestId, Vec<AbortHandle>>,
    operations: super::operations::Operations,
    desk: Arc<Desk>,
    forwards: super::forwards::Forwards,
    transfers: super::transfers::Transfers,
}

impl Runner {
    /// A runner that answers through `sender`.
    pub fn new(session: Arc<Session>, sender: Sender, runtime: Handle) -> Self {
        let operations = super::operations::Operations::new(session.clone(), sender.clone(), runtime.clone());
        let desk = Arc::new(Desk::new(sender.clone()));
        let transfers = super::transfers::Transfers::new(session.clone(), sender.clone(), runtime.clone());
        let forwards = super::forwards::Forwards::new(session.clone(), sender.clone(), runtime.clone());
        Self { session, sender, runtime, running: HashMap::new(), operations, desk, forwards, transfers }
    }

    /// Runs one effect, or hands it back.
    pub fn run(&mut self, effect: Effect) -> Option<ForTerminal> {
        let hub = &self.session.hub;
        match effect {
            Effect::Open(cluster) => hub.open(cluster),
            Effect::Close(cluster) => hub.close(cluster),
            Effect::Retry(cluster) => hub.retry(cluster),
            Effect::Watch { cluster, resource, namespaces } => hub.watch(cluster, resource, namespaces),
            Effect::Unwatch { cluster, resource } => hub.unwatch(cluster, &resource),
            Effect::Measure { cluster, wanted } => hub.measure(cluster, wanted),
            Effect::FetchObject { request, cluster, resource, namespace, name } => {
                self.fetch_object(request, cluster, resource, namespace, name);
            }
            Effect::Reveal { request, cluster, namespace, name } => self.reveal(request, cluster, namespace, name),
            Effect::FetchBeside { request, cluster, resource, namespace, name } => {
                let (session, sender) = (self.session.clone(), self.sender.clone());
                self.spawn(None, async move {
                    let answer = match read(&session, cluster, &resource, &namespace, &name).await {
                        // What is not there has nothing to say.
                        Err(e) if e.code() == 404 => Ok(Arc::new(Value::Null)),
                        answer => answer.map(Arc::new).map_err(|e| e.to_string()),
                    };
                    sender.send(Msg::Beside { request, answer });
                });
            }
            Effect::FetchEvents { request, cluster, object } => self.fetch_events(request, cluster, object),
            Effect::StartLogs { request, logs } => self.start_logs(request, logs),
            Effect::SaveLog { path, name, text } => self.save_log(path, name, text),
            Effect::Review { cluster, accesses } => self.review(cluster, accesses),
            Effect::Why { request, cluster, subject } => self.why(request, cluster, subject),
            Effect::Compare { request, cluster, application, only, revision } => {
                self.compare(request, Asked { cluster, application, only, revision });
            }
            Effect::Diagnose { cluster, subjects } => self.look_into(cluster, subjects, why::BACKGROUND),
            Effect::Glance { cluster, subjects } => self.look_into(cluster, subjects, why::GLANCE),
            Effect::Repack { cluster, resource, objects } => {
                let sender = self.sender.clone();
                self.runtime.spawn_blocking(move || {
                    let tell = |delta| sender.send(Msg::World(vec![(cluster, Delta::Table(resource.clone(), delta))]));
                    raw::repack(objects, |portion| tell(TableDelta::Repacked(portion)));
                    tell(TableDelta::Swept);
                });
            }
            Effect::Recalled { ticket, kept } => self.desk.answer(ticket, kept),
            Effect::StopLogs(request) | Effect::StopWhy(request) | Effect::StopLook(request) => self.stop(request),
            Effect::SaveHistory(lines) => self.save(HISTORY, lines, "the command history"),
            Effect::SaveColumns(lines) => self.save(COLUMNS, lines, "the columns chosen"),
            Effect::Look { request, resource, paths, objects } => {
                let task = super::objects::cells(self.sender.clone(), resource, paths, objects);
                self.spawn(Some(request), task);
            }
            Effect::Export(export) => {
                let task = super::export::run(self.session.clone(), self.sender.clone(), *export);
                self.spawn(None, task);
            }
            Effect::SaveNamespaces(names) => self.save(NAMESPACES, names, "the namespaces visited"),
            Effect::Shell { cluster, namespace, pod, container, what } => {
                return Some(ForTerminal::Shell(Visit { cluster, namespace, pod, container, what }));
            }
            Effect::Edit { cluster, resource, namespace, name } => {
                return Some(ForTerminal::Edit { cluster, resource, namespace, name });
            }
            Effect::Plugin { call, operation } if call.plugin.background => self.plugin(*call, operation),
            Effect::Plugin { call, operation } => return Some(ForTerminal::Plugin { call, operation }),
            Effect::Transfer(effect) => self.transfers.run(effect),
            Effect::Forward(effect) => self.forwards.run(effect),
            Effect::Theme(name) => return Some(ForTerminal::Theme(name)),
            Effect::Mouse(on) => return Some(ForTerminal::Mouse(on)),
            Effect::Notify(text) => return Some(ForTerminal::Notify(text)),
            Effect::Copy(text) => return Some(ForTerminal::Copy(text)),
            Effect::Suspend => return Some(ForTerminal::Suspend),
            Effect::Repaint => return Some(ForTerminal::Repaint),
            Effect::Quit => return Some(ForTerminal::Quit),
            operation => self.operations.run(operation),
        }
        None
    }

    /// The operations that are running; quitting waits for them.
    pub fn busy(&self) -> bool {
        self.operations.busy()
    }

    fn spawn(&mut self, request: Option<RequestId>, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.runtime.spawn(task).abort_handle();
        if let Some(request) = request {
            self.running.entry(request).or_default().push(handle);
        }
    }

    fn stop(&mut self, request: RequestId) {
        self.running.remove(&request).unwrap_or_default().iter().for_each(AbortHandle::abort);
    }

    fn fetch_object(
        &mut self,
        request: RequestId,
        cluster: ClusterId,
        id: ResourceId,
        namespace: String,
        name: String,
    ) {
        let (session, sender) = (self.session.clone(), self.sender.clone());
        self.spawn(None, async move {
            let answer = read(&session, cluster, &id, &namespace, &name).await;
            sender.send(Msg::Object { request, answer: answer.map(Arc::new).map_err(|e| e.to_string()) });
        });
    }

    /// Reads one Secret for the person's eyes: decoded here, and kept by nobody but the screen that asked.
    fn reveal(&mut self, request: RequestId, cluster: ClusterId, namespace: String, name: String) {
        let (session, sender) = (self.session.clone(), self.sender.clone());
        self.spawn(None, async move {
            let answer = async {
                let api = session.hub.api(cluster).await?;
                let path = format!("/api/v1/namespaces/{}/secrets/{}", encode(&namespace), encode(&name));
                api.get(&path).await
            };
            let answer = answer.await.map(secret::decode).map_err(|e: ApiError| e.to_string());
            sender.send(Msg::Revealed { request, answer });
        });
    }

    fn fetch_events(&mut self, request: RequestId, cluster: ClusterId, object: ObjectRef) {
        let (session, sender) = (self.session.clone(), self.sender.clone());
        self.spawn(None, async move {
            let answer = async {
                let (api, kind) = reach(&session, cluster, &ResourceId::core("events")).await?;
                // Events of cluster-scoped objects (nodes) live in `default`.
                let namespace = if object.namespace.is_empty() { "default" } else { &object.namespace };
                let selector = format!("involvedObject.kind={},involvedObject.name={}", object.kind, object.name);
                api.list(&kind, Some(namespace), &format!("fieldSelector={}", encode(&selector))).await
            };
            let answer = answer.await.map_err(|e: ApiError| e.to_string());
            sender.send(Msg::Events { request, answer });
        });
    }

    fn review(&mut self, cluster: ClusterId, accesses: Vec<Access>) {
        let (session, sender) = (self.session.clone(), self.sender.clone());
        self.spawn(None, async move {
            let Ok(api) = session.hub.api(cluster).await else { return };
            let answers = may_all(&api, accesses).await;
            sender.send(Msg::Reviewed { cluster, answers });
        });
    }

    fn start_logs(&mut self, request: RequestId, wanted: LogRequest) {
        self.running.entry(request).or_default().retain(|task| !task.is_finished());
        for stream in wanted.streams.clone() {
            let (session, sender) = (self.session.clone(), self.sender.clone());
            let wanted = LogRequest { streams: vec![], ..wanted };
            self.spawn(Some(request), super::logs::stream(session, sender, request, wanted, stream));
        }
    }

    /// Writes a log into a file that is not there yet, for its owner's eyes.
    fn save_log(&mut self, path: Option<String>, name: String, text: String) {
        let (state, sender) = (self.session.paths.state.join("logs"), self.sender.clone());
        self.runtime.spawn_blocking(move || {
            let lines = text.lines().count();
            let msg = match super::logs::save(path.as_deref(), &state, &name, &text) {
                Ok(file) => Msg::Notice(Level::Info, format!("{lines} lines saved to {}", file.display())),
                Err(sentence) => Msg::Notice(Level::Error, sentence),
            };
            sender.send(msg);
        });
    }

    /// Runs a plugin that needs no terminal.
    fn plugin(&mut self, call: PluginCall, operation: Option<String>) {
        let (session, sender) = (self.session.clone(), self.sender.clone());
        sender.send(Msg::Notice(Level::Info, format!("{} runs in the background", call.plugin.name)));
        self.runtime.spawn_blocking(move || {
            let ended = super::plugin::background(&session, &call, operation);
            ended.messages().into_iter().for_each(|msg| sender.send(msg));
        });
    }

    fn look_into(&mut self, cluster: ClusterId, subjects: Vec<Subject>, budget: why::Budget) {
        let (session, sender, desk) = (self.session.clone(), self.sender.clone(), self.desk.clone());
        self.spawn(None, async move {
            let source = Source { session: &session, cluster, desk: Some(&desk) };
            let came = why::look_into(source, subjects, budget).await;
            sender.send(Msg::Diagnosed { cluster, came });
        });
    }

    fn why(&mut self, request: RequestId, cluster: ClusterId, subject: Subject) {
        let (session, sender, desk) = (self.session.clone(), self.sender.clone(), self.desk.clone());
        self.spawn(Some(request), async move {
            let progress = |facts: usize, now: String| {
                sender.send(Msg::Why { request, answer: WhyAnswer::Reading { facts, now } });
            };
            let source = Source { session: &session, cluster, desk: Some(&desk) };
            let answer = match why::diagnose(source, subject, progress).await {
                Ok(verdict) => WhyAnswer::Verdict(Box::new(verdict)),
                Err(e) => WhyAnswer::Failed(e.to_string()),
            };
            sender.send(Msg::Why { request, answer });
        });
    }

    fn compare(&mut self, request: RequestId, asked: Asked) {
        let (session, sender) = (self.session.clone(), self.sender.clone());
        self.spawn(Some(request), async move {
            let answer = compare(&session, &asked).await.map(Box::new);
            sender.send(Msg::Compared { request, answer });
        });
    }

    fn save(&mut self, name: &str, lines: Vec<String>, what: &'static str) {
        let file = self.session.paths.state.join(name);
        let sender = self.sender.clone();
        self.runtime.spawn_blocking(move || {
            let saved = std::fs::create_dir_all(file.parent().unwrap_or(&file))
                .and_then(|()| std::fs::write(&file, lines.join("\n") + "\n"));
            if let Err(e) = saved {
                sender.send(Msg::Notice(Level::Warn, format!("{what} could not be kept in {}: {e}", file.display())));
            }
        });
    }
}

/// One object as it is now.
async fn read(
    session: &Session,
    cluster: ClusterId,
    id: &ResourceId,
    namespace: &str,
    name: &str,
) -> Result<Value, ApiError> {
    let (api, kind) = reach(session, cluster, id).await?;
    api.get(&kind.object_path(namespace, &encode(name))).await
}

pub(super) async fn reach(session: &Session, cluster: ClusterId, id: &ResourceId) -> Result<(Api, Resource), ApiError> {
    let api = session.hub.api(cluster).await?;
    let catalog = session.hub.catalog(cluster).await?;
    let kind = catalog.iter().find(|kind| kind.id == *id).cloned();
    kind.map(|kind| (api, kind)).ok_or_else(|| ApiError::Malformed(format!("this cluster has no {id}")))
}
