//! What it costs the thread that owns the state to take in events, screen every row of them and keep the list of what
//! is wrong: the cockpit's own `update` and `settle`, without a terminal. Diagnosis itself runs elsewhere.

use crate::cockpit::rate;
use anyhow::{Result, bail};
use kokpit::cluster::hub::{Hub, HubOptions};
use kokpit::cluster::kubeconfig::Context;
use kokpit::diagnose::ledger::Diagnosis;
use kokpit::effect::Effect;
use kokpit::keymap::Keymap;
use kokpit::msg::Msg;
use kokpit::state::{Start, State};
use kokpit::update::{settle, start, update};
use kokpit::world::fleet::{ClusterId, Delta, Feed};
use kokpit::world::object::ResourceId;
use kokpit::world::time::Time;
use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long events are taken in.
const LASTS: Duration = Duration::from_secs(20);
/// Longest time for all rows to be there.
const LIMIT: Duration = Duration::from_secs(120);
/// As often as the cockpit draws at most.
const FRAME: Duration = Duration::from_millis(33);

/// A state without a terminal.
struct Cockpit {
    state: State,
    hub: Hub,
}

impl Cockpit {
    fn take(&mut self, msg: Msg) {
        let effects = update(&mut self.state, msg);
        effects.into_iter().for_each(|effect| self.run(effect));
    }

    /// Watches are real; a diagnosis comes to nothing, which is the most that the ledger can have to do.
    fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Open(cluster) => self.hub.open(cluster),
            Effect::Watch { cluster, resource, namespaces } => self.hub.watch(cluster, resource, namespaces),
            Effect::Diagnose { cluster, subjects } | Effect::Glance { cluster, subjects } => {
                let failed = |subject| Diagnosis { subject, verdict: Err("not measured".into()), read: vec![] };
                let came = subjects.into_iter().map(failed).collect();
                self.take(Msg::Diagnosed { cluster, came });
            }
            _ => {}
        }
    }
}

/// Prints the share of a core in percent, the rows taken in, and the lines of the list.
pub fn report(url: &str, pods: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (sender, deltas) = mpsc::channel();
    let sink = Arc::new(move |cluster: ClusterId, delta: Delta| drop(sender.send((cluster, delta))));
    let hub = Hub::new(vec![Context::for_server("big", url)], HubOptions::default(), runtime.handle().clone(), sink);
    // The pods of the benchmark stand as they did at that moment.
    let now = Time::parse("2026-11-21T10:00:00Z").unwrap_or_default();
    let state = State::new(Start {
        contexts: vec!["big".into()],
        open: vec![ClusterId(0)],
        namespaces: vec![],
        readonly: true,
        frozen: vec![],
        sealed: vec![],
        unmeasured: vec![],
        now,
        size: (160, 50),
        keymap: Keymap::load(None).0,
        history: vec![],
        command: Some("problems".into()),
        accents: HashMap::new(),
        names: Default::default(),
        visited: vec![],
        layouts: Default::default(),
        plugins: vec![],
        servers: vec![],
        look: Default::default(),
    });
    let mut cockpit = Cockpit { state, hub };
    start(&mut cockpit.state).into_iter().for_each(|effect| cockpit.run(effect));
    let (began, pods_kind) = (Instant::now(), ResourceId::core("pods"));
    loop {
        let delta = deltas.recv_timeout(LIMIT)?;
        cockpit.take(Msg::World(vec![delta]));
        let table = cockpit.state.fleet.shard(ClusterId(0)).table(&pods_kind);
        if table.is_some_and(|table| table.feed == Feed::Live && table.len() >= pods) {
            break;
        }
        if began.elapsed() > LIMIT {
            bail!("not all pods came within {} s", LIMIT.as_secs());
        }
    }
    rate(url, 1_000)?;
    let revision =
        |cockpit: &Cockpit| cockpit.state.fleet.shard(ClusterId(0)).table(&pods_kind).map_or(0, |t| t.revision);
    let (from, before, begun) = (revision(&cockpit), busy(), Instant::now());
    let (mut tick, mut frame) = (Instant::now(), Instant::now());
    let mut seconds = 0;
    while begun.elapsed() < LASTS {
        if let Ok(delta) = deltas.recv_timeout(FRAME) {
            cockpit.take(Msg::World(vec![delta]));
        }
        if tick.elapsed() >= Duration::from_secs(1) {
            (tick, seconds) = (Instant::now(), seconds + 1);
            cockpit.take(Msg::Tick(Time(now.0 + seconds)));
        }
        if frame.elapsed() >= FRAME {
            frame = Instant::now();
            settle(&mut cockpit.state);
        }
    }
    let share = busy().saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    let rows = revision(&cockpit) - from;
    rate(url, 0)?;
    if cockpit.state.problems.list.is_empty() {
        bail!("nothing is listed, though one pod in a hundred crashes");
    }
    println!("{share} {rows} {}", cockpit.state.problems.list.len());
    runtime.shutdown_background();
    Ok(())
}

/// Processor time of this thread so far (`/proc/thread-self/schedstat`, the first number, in nanoseconds).
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default())
}
