//! The cockpit without a screen: the same state, watches and diagnosis, for commands that print.

use super::effects::Runner;
use super::inbox::{self, Inbox};
use super::session::Session;
use crate::cli::args::Global;
use crate::effect::Effect;
use crate::keymap::Keymap;
use crate::msg::Msg;
use crate::state::problems::Problems;
use crate::state::{Start, State};
use crate::update;
use crate::world::fleet::ClusterId;
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// A state that hears its clusters and is drawn nowhere.
pub struct Headless {
    /// The contexts and the way to them.
    pub session: Arc<Session>,
    /// What is known.
    pub state: State,
    inbox: Inbox,
    runner: Runner,
    every: Duration,
    tick: Instant,
}

impl Headless {
    /// Reads kubeconfig and configuration. `every` is how often trouble is looked at: the state counts its patience in
    /// these.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub async fn start(global: &Global, every: Duration) -> Result<Self> {
        let (sender, inbox) = inbox::channel().context("cannot create the event loop")?;
        let sink = {
            let sender = sender.clone();
            Arc::new(move |cluster, delta| sender.send(Msg::World(vec![(cluster, delta)])))
        };
        let session = Arc::new(Session::start(global, None, sink).await?);
        let state = State::new(Start {
            contexts: session.names(),
            open: Vec::new(),
            namespaces: global.namespace.iter().cloned().collect(),
            readonly: true,
            frozen: Vec::new(),
            sealed: Vec::new(),
            unmeasured: Vec::new(),
            now: session.now(),
            size: (80, 24),
            keymap: Keymap::load(None).0,
            history: Vec::new(),
            command: None,
            accents: HashMap::new(),
            names: session.config.names.clone(),
            visited: Vec::new(),
            layouts: Default::default(),
            plugins: Vec::new(),
            servers: session.contexts.iter().map(|context| context.server.clone()).collect(),
            look: Default::default(),
        });
        let runner = Runner::new(session.clone(), sender, Handle::current());
        Ok(Self { session, state, inbox, runner, every, tick: Instant::now() })
    }

    /// Opens clusters and watches what tells trouble there; symptoms must last for so many looks.
    pub fn open(&mut self, clusters: &[ClusterId], patience: u64) {
        self.state.problems = Problems::new(patience);
        let mut effects = self.state.open(clusters);
        effects.extend(
            update::start(&mut self.state).into_iter().filter(|effect| !effects.contains(effect)).collect::<Vec<_>>(),
        );
        self.run(effects);
    }

    /// Runs effects.
    pub fn run(&mut self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            // What needs a terminal has none.
            let _ = self.runner.run(effect);
        }
    }

    /// Waits for something to happen and takes it in, until the next look is over; `hear` sees every message first.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn turn(&mut self, mut hear: impl FnMut(&Msg)) -> Result<()> {
        self.tick += self.every;
        loop {
            while let Some(msg) = self.inbox.take() {
                hear(&msg);
                self.take(msg);
            }
            let left = self.tick.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.inbox.wait_for_messages(left).context("cannot wait for messages")?;
        }
        self.tick = self.tick.max(Instant::now());
        let now = self.session.now();
        self.take(Msg::Tick(now));
        self.state.problems.refresh(now);
        Ok(())
    }

    fn take(&mut self, msg: Msg) {
        let effects = update::update(&mut self.state, msg);
        self.run(effects);
    }
}
