//! What every command starts with: the kubeconfig's contexts (or recordings served as clusters), the hub that reaches
//! them, and the user's configuration.

use crate::cli::args::Global;
use crate::cluster::hub::{Hub, HubOptions, Sink};
use crate::cluster::kubeconfig::{self, Context, Flags};
use crate::config::{self, Config, Names, Paths};
use crate::gitops::locate::same_server;
use crate::kinds;
use crate::sim::recording::Recording;
use crate::sim::server::{Options, Server};
use crate::world::fleet::ClusterId;
use crate::world::glob::is_pattern;
use crate::world::text::closest;
use crate::world::time::Time;
use anyhow::{Context as _, Result, anyhow, bail};
use std::path::PathBuf;

/// The contexts, the way to reach them, and the user's configuration.
pub struct Session {
    /// In the order of the kubeconfig; a [`ClusterId`] is an index.
    pub contexts: Vec<Context>,
    /// The current context, and those named on the command line: opened at once.
    pub open: Vec<ClusterId>,
    /// `--readonly`: nothing is changed anywhere.
    pub readonly: bool,
    /// Whether contexts were named: then no other is opened by itself.
    pub named: bool,
    /// The way to the clusters.
    pub hub: Hub,
    /// The user's configuration.
    pub config: Config,
    /// Where configuration, cache and state live.
    pub paths: Paths,
    /// What to tell the user at the start.
    pub notices: Vec<String>,
    /// Recordings, with their servers; they live as long as the session.
    served: Vec<Served>,
}

/// A recording served on loopback.
pub struct Served {
    /// The recording's name: its file without directory and endings.
    pub name: String,
    /// URL of its server.
    pub url: String,
    /// When it was made; ages are judged against this.
    pub recorded_at: Time,
    _server: Server,
}

impl Session {
    /// Reads kubeconfig and configuration and prepares the hub; nothing is connected yet.
    /// `paths` overrides the user's directories (the demo has its own).
    ///
    /// # Errors
    /// When the kubeconfig or a recording cannot be read, or a context is not there.
    pub async fn start(global: &Global, paths: Option<Paths>, sink: Sink) -> Result<Self> {
        let served = serve(&global.from).await?;
        let paths = paths.map_or_else(Paths::from_env, Ok).map_err(|e| anyhow!(e))?;
        let loaded = config::load(&paths.config_file());
        let wanted = wanted(global, &loaded.config.names, |global| match served.is_empty() {
            true => from_kubeconfig(global).map(|(contexts, ..)| contexts),
            false => Ok(from_recordings(&served, global)?.0),
        })?;
        let (contexts, mut open, mut notices) = match served.is_empty() {
            true => from_kubeconfig(&wanted)?,
            false => from_recordings(&served, &wanted)?,
        };
        if global.all_contexts {
            open = (0..contexts.len()).collect();
        }
        notices.extend(loaded.problems.iter().map(ToString::to_string));
        notices.extend(unknown_titles(&paths.config_file().display().to_string(), &loaded));
        let hub = Hub::new(contexts.clone(), HubOptions::default(), tokio::runtime::Handle::current(), sink);
        Ok(Self {
            contexts,
            open: open.into_iter().map(|i| ClusterId(i as u16)).collect(),
            readonly: global.readonly,
            named: !wanted.contexts.is_empty(),
            hub,
            config: loaded.config,
            paths,
            notices,
            served,
        })
    }

    /// The one cluster that a command without a screen works on: the current context, or the one named.
    ///
    /// # Errors
    /// When there is no current context and none was named.
    pub fn one(&self) -> Result<ClusterId> {
        match self.open.as_slice() {
            [] => bail!(
                "no context: the kubeconfig has no current-context; name one with --context (there are: {})",
                self.names().join(", ")
            ),
            [first, ..] => Ok(*first),
        }
    }

    /// The time on screen: now, or where recordings are looked at, when the newest of them was made.
    pub fn now(&self) -> Time {
        self.served.iter().map(|s| s.recorded_at).max().unwrap_or_else(super::clock)
    }

    /// The context of a cluster.
    pub fn context(&self, id: ClusterId) -> &Context {
        &self.contexts[usize::from(id.0)]
    }

    /// The cluster that is called so: by the name of its context, or by the URL of its API server.
    pub fn called(&self, called: &str) -> Option<ClusterId> {
        let at = |is: &dyn Fn(&Context) -> bool| self.contexts.iter().position(is);
        let found = at(&|c| c.name == called).or_else(|| at(&|c| same_server(&c.server, called)));
        found.filter(|_| !called.is_empty()).and_then(|at| u16::try_from(at).ok()).map(ClusterId)
    }

    /// All context names.
    pub fn names(&self) -> Vec<String> {
        self.contexts.iter().map(|c| c.name.clone()).collect()
    }
}

/// The arguments with groups (`--group prod`, `--context @prod`) and patterns (`--context 'prod-*'`) written out.
/// `contexts` gives all contexts there are.
fn wanted(global: &Global, names: &Names, contexts: impl Fn(&Global) -> Result<Vec<Context>>) -> Result<Global> {
    let groups = global.groups.iter().map(|group| format!("@{}", group.trim_start_matches('@')));
    let named: Vec<String> = global.contexts.iter().cloned().chain(groups).collect();
    let mut wanted = Global { contexts: vec![], groups: vec![], ..global.clone() };
    if named.iter().all(|name| !name.starts_with('@') && !is_pattern(name)) {
        return Ok(Global { contexts: named, ..wanted });
    }
    let all: Vec<String> = contexts(&wanted)?.into_iter().map(|context| context.name).collect();
    for name in named {
        // A context may be called like a pattern.
        let meant = names.contexts(&name, &all).filter(|_| !all.contains(&name));
        let found = meant.transpose().map_err(|e| anyhow!("--context {name}: {e}"))?.unwrap_or(vec![name]);
        let new: Vec<String> = found.into_iter().filter(|name| !wanted.contexts.contains(name)).collect();
        wanted.contexts.extend(new);
    }
    Ok(wanted)
}

/// Columns that the configuration names and a kind does not have; only of kinds whose columns are ours.
fn unknown_titles(file: &str, loaded: &config::Loaded) -> Vec<String> {
    let unknown = loaded.titles.iter().filter_map(|(kind, title, line)| {
        let known = kinds::TABLE.iter().find(|known| known.plural == kind || known.id().to_string() == *kind)?;
        let own = known.columns.iter().map(|column| &*column.title);
        let titles: Vec<&str> = own.chain(["CLUSTER", "NAMESPACE", "WHY"]).collect();
        if titles.contains(&title.as_str()) {
            return None;
        }
        let near =
            closest(title, titles.iter().copied()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Some(format!("{file}:{line}: {kind} have no column {title:?}{near} (there are: {})", titles.join(", ")))
    });
    unknown.collect()
}

/// Contexts, the indices to open at once, notices.
type Opened = (Vec<Context>, Vec<usize>, Vec<String>);

fn from_kubeconfig(global: &Global) -> Result<Opened> {
    let loaded = kubeconfig::load(&Flags {
        kubeconfig: global.kubeconfig.clone(),
        contexts: global.contexts.clone(),
        namespace: global.namespace.clone(),
        user_as: global.as_user.clone(),
        request_timeout: Some(global.request_timeout),
    })?;
    Ok((loaded.contexts, loaded.open, loaded.notices))
}

/// Recordings are all open, unless some are named.
fn from_recordings(served: &[Served], global: &Global) -> Result<Opened> {
    let contexts: Vec<Context> = served
        .iter()
        .map(|s| Context {
            namespace: global.namespace.clone().unwrap_or_default(),
            request_timeout: global.request_timeout,
            ..Context::for_server(&s.name, &s.url)
        })
        .collect();
    let names = || served.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(missing) = global.contexts.iter().find(|c| served.iter().all(|s| s.name != **c)) {
        bail!("--context {missing}: no recording of that name is open (there are: {})", names());
    }
    let named = |s: &Served| global.contexts.is_empty() || global.contexts.contains(&s.name);
    let open = served.iter().enumerate().filter(|(_, s)| named(s)).map(|(i, _)| i).collect();
    Ok((contexts, open, Vec::new()))
}

/// Serves recordings on loopback, each as a read-only cluster named after its file.
///
/// # Errors
/// When a file is not a recording, or no port can be had.
pub async fn serve(files: &[PathBuf]) -> Result<Vec<Served>> {
    let mut served: Vec<Served> = Vec::new();
    for file in files {
        let recording = Recording::open(file)?;
        let server = recording.serve(Options::default()).await.context("no port on loopback for a recording")?;
        let same = served.iter().filter(|s| s.name.split('~').next() == Some(&recording.name)).count();
        let name = if same == 0 { recording.name } else { format!("{}~{}", recording.name, same + 1) };
        served.push(Served { name, url: server.url.clone(), recorded_at: recording.recorded_at, _server: server });
    }
    Ok(served)
}
