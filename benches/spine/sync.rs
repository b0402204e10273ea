//! One sync: every pod through the hub into the fleet, as the cockpit does it.

use crate::measure::{cpu, memory};
use anyhow::{Result, bail};
use kokpit::cluster::hub::{Hub, HubOptions};
use kokpit::cluster::kubeconfig::Context;
use kokpit::world::fleet::{ClusterId, Delta, Feed, Fleet, TableDelta};
use kokpit::world::object::ResourceId;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Longest time for a sync.
const LIMIT: Duration = Duration::from_secs(120);

/// Prints, for one sync: microseconds to synced, to the first rows, of processor time; MiB at most, and afterwards.
pub fn report(url: &str, pods: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (sender, deltas) = mpsc::channel();
    let sink = Arc::new(move |cluster: ClusterId, delta: Delta| drop(sender.send((cluster, delta))));
    let context = Context::for_server("big", url);
    let hub = Hub::new(vec![context], HubOptions::default(), runtime.handle().clone(), sink);
    let mut fleet = Fleet::new(["big".to_string()]);
    let (cluster, resource) = (ClusterId(0), ResourceId::core("pods"));
    hub.open(cluster);
    while fleet.shard(cluster).catalog.is_empty() {
        let (id, delta) = deltas.recv_timeout(LIMIT)?;
        fleet.apply(id, delta);
    }
    let (start, before, mut first) = (Instant::now(), cpu(std::process::id()), None);
    hub.watch(cluster, resource.clone(), Vec::new());
    loop {
        let (id, delta) = deltas.recv_timeout(LIMIT)?;
        let rows = matches!(&delta, Delta::Table(_, TableDelta::Upsert(rows)) if !rows.is_empty());
        let live = matches!(&delta, Delta::Table(of, TableDelta::Feed(Feed::Live)) if *of == resource);
        fleet.apply(id, delta);
        if rows && first.is_none() {
            first = Some(start.elapsed());
        }
        if live {
            break;
        }
    }
    let synced = start.elapsed();
    let spent = cpu(std::process::id()).saturating_sub(before);
    let most = memory(std::process::id(), "VmHWM");
    std::thread::sleep(Duration::from_secs(2));
    let after = memory(std::process::id(), "VmRSS");
    // Last, because it unpacks and parses every object.
    let table = fleet.shard(cluster).table(&resource);
    let kept = table.into_iter().flat_map(|table| table.rows()).filter(|(_, row)| row.raw.value().is_some()).count();
    if kept != pods {
        bail!("{kept} of {pods} whole objects are at hand after the sync");
    }
    println!("{} {} {} {most} {after}", synced.as_micros(), first.unwrap_or(synced).as_micros(), spent.as_micros());
    // Whatever still runs in the background has nothing left to say.
    runtime.shutdown_background();
    Ok(())
}
