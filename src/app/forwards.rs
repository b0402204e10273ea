//! The port-forwards of the cockpit: begins, tells the screen, ends. What runs ends with the program.

use super::effects::reach;
use super::inbox::Sender;
use super::session::Session;
use crate::cluster::forward::{self, Ask, Refused};
use crate::effect::forward::{ForwardEffect, Wish};
use crate::kinds::ports::{self, Offer, Pair};
use crate::msg::forward::{ForwardMsg, ForwardView, Seen};
use crate::msg::{Level, Msg};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::time::Time;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Runs the effects about port-forwards.
pub struct Forwards {
    session: Arc<Session>,
    sender: Sender,
    runtime: Handle,
    running: HashMap<u64, AbortHandle>,
    last: u64,
}

impl Forwards {
    /// Answers through `sender`.
    pub fn new(session: Arc<Session>, sender: Sender, runtime: Handle) -> Self {
        Self { session, sender, runtime, running: HashMap::new(), last: 0 }
    }

    /// Runs one effect.
    pub fn run(&mut self, effect: ForwardEffect) {
        let (session, sender) = (self.session.clone(), self.sender.clone());
        match effect {
            ForwardEffect::Offer { cluster, resource, object } => {
                self.runtime.spawn(async move {
                    sender.send(match offer(&session, cluster, &resource, &object).await {
                        Ok((text, note)) => Msg::Forward(ForwardMsg::Offered { cluster, resource, object, text, note }),
                        Err(why) => Msg::Notice(Level::Error, format!("{object} cannot be forwarded: {why}")),
                    });
                });
            }
            ForwardEffect::Begin(wish) => {
                self.last += 1;
                let id = self.last;
                let task = self.runtime.spawn(async move { serve(&session, &sender, id, wish).await });
                self.running.insert(id, task.abort_handle());
            }
            ForwardEffect::Stop(id) => {
                if let Some(task) = self.running.remove(&id) {
                    task.abort();
                }
            }
            ForwardEffect::Browse(url) => {
                if let Err(why) = browse(&url) {
                    sender.send(Msg::Notice(Level::Warn, why));
                }
            }
        }
    }
}

/// What could be typed, and what there is.
async fn offer(
    session: &Session,
    cluster: ClusterId,
    resource: &ResourceId,
    object: &ObjectRef,
) -> Result<(String, String), String> {
    let (api, kind) = reach(session, cluster, resource).await.map_err(|e| e.to_string())?;
    let value = api.get(&kind.object_path(&object.namespace, &object.name)).await.map_err(|e| e.to_string())?;
    let offers = ports::offers(&value);
    let Some(first) = offers.first() else { return Ok((String::new(), "it declares no ports".into())) };
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let wanted = ports::proposed(first.number);
    let free = forward::free_port(here, wanted).await.unwrap_or(0);
    let named = |offer: &Offer| match offer.name.as_str() {
        "" => offer.number.to_string(),
        name => format!("{} {name}", offer.number),
    };
    let mut note = offers.iter().map(named).collect::<Vec<_>>().join(", ");
    if free != wanted {
        note.push_str(&format!("; {wanted} is taken here"));
    }
    Ok((format!("{free}:{}", first.number), note))
}

async fn serve(session: &Session, sender: &Sender, id: u64, wish: Wish) {
    let began = async {
        let (api, kind) =
            reach(session, wish.cluster, &wish.resource).await.map_err(|e| Refused::Other(e.to_string()))?;
        let (namespace, name) = (wish.object.namespace.clone(), wish.object.name.clone());
        forward::open(api, Ask { resource: kind, namespace, name, pair: wish.pair.clone() }).await
    };
    let forward = match began.await {
        Ok(forward) => forward,
        Err(refused) => {
            let instead = match &refused {
                Refused::Taken(at) => forward::free_port(at.ip(), at.port()).await,
                Refused::Other(_) => None,
            };
            let instead = instead.map(|free| Pair { local: Some(free), ..wish.pair.clone() }.to_string());
            sender.send(Msg::Forward(ForwardMsg::Refused { wish, why: refused.to_string(), instead }));
            return;
        }
    };
    let (local, since) = (forward.local(), super::clock());
    // When the last error came, and how many there were by then.
    let failed = Mutex::new((0, Time::NEVER));
    forward
        .run(|seen: Seen| {
            let mut last = failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if seen.errors > last.0 {
                *last = (seen.errors, super::clock());
            }
            let view = ForwardView { id, wish: wish.clone(), local, seen, since, failed: last.1 };
            sender.send(Msg::Forward(ForwardMsg::Stands(Box::new(view))));
        })
        .await;
}

/// Opens a URL with $BROWSER, else with what the desktop has for that.
fn browse(url: &str) -> Result<(), String> {
    let own = std::env::var("BROWSER").ok().filter(|program| !program.is_empty());
    let program = own.unwrap_or_else(|| if cfg!(target_os = "macos") { "open" } else { "xdg-open" }.into());
    let mut command = std::process::Command::new(&program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| format!("{program} cannot be run ({e}): open {url} yourself"))?;
    // Somebody has to hear of its end, or it stays as a zombie.
    std::thread::spawn(move || child.wait());
    Ok(())
}
