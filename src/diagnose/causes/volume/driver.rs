//! Storage drivers that do not run on the pod's node.
//!
//! ## volume-csi-driver-missing
//! **You see.** A pod stays in `ContainerCreating`; an event says `not found in the list of registered CSI drivers`.
//! **Why.** The node part of the CSI driver does not run on the pod's node.
//! **How kokpit knows.** The driver is not in `CSINode.spec.drivers` of the node. The driver's DaemonSet and its pod there
//! are looked at next.
//! **Looks alike.** `volume-mount-failed` (the driver runs and fails). Right after a node starts it registers by itself.
//! **Mend it.** Live: restart the driver's pod on the node. Git: tolerations of the driver's DaemonSet.

use super::{bound, complaints, is_silent};
use crate::diagnose::agents;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::CSINODES;
use crate::diagnose::pods;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{list_at, str_at};
use serde_json::Value;

causes! { "driver.rs";
    "volume-csi-driver-missing" "the volume's driver does not run on the node" Outage ["Pod"] driver_missing;
}

fn driver_missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    if !pods::waits_for_sandbox(pod) || !pods::is_ill(case, suspect) {
        return Ok(vec![]);
    }
    let (all, silent) = (complaints(case, suspect)?, is_silent(case, suspect)?);
    let said = all.iter().find(|c| c.cause == "volume-csi-driver-missing");
    let named = said.and_then(|c| c.event.message.split_once("driver name ")?.1.split_whitespace().next());
    let drivers: Vec<String> = match named {
        Some(driver) => vec![driver.to_owned()],
        None if silent => drivers_of(case, pod)?,
        None => vec![],
    };
    let node = str_at(pod, "/spec/nodeName");
    let mut found = vec![];
    for driver in drivers {
        let at = CSINODES.at("", node);
        let object = case.get(&at).known()?;
        let list = object.map(|o| o.map_or(&[][..], |o| list_at(o, "/spec/drivers")));
        let registered = list.is_some_and(|list| list.iter().any(|d| str_at(d, "/name") == driver));
        if registered || (said.is_none() && list.is_none()) {
            continue;
        }
        let sure = if said.is_some() && list.is_some() { Confidence::Certain } else { Confidence::High };
        let text = format!("Storage driver {driver} does not run on node {node}, so the volume cannot be mounted.");
        let mut m = Match::on(&suspect.at, text).confidence(sure);
        if let Some(list) = list {
            let names = list.iter().map(|d| str_at(d, "/name")).collect::<Vec<_>>().join(", ");
            let has = if names.is_empty() { "no driver at all" } else { &names };
            m = m.evidence(&at, "spec.drivers", &names, format!("CSINode {node} has {has}"));
        }
        if let Some(said) = said {
            m = said.tell(case, suspect, m);
        }
        let agents = agents::storage(case, &driver, node)?;
        if agents.is_empty() {
            m = m.fix(Fix {
                summary: format!("install {driver} on {node}, or start its node part there"),
                ..Fix::default()
            });
        }
        found.push(agents::follow(case, &agents, node, m));
    }
    Ok(found)
}

/// The CSI drivers that a pod's volumes need: of its bound claims, and of `csi` volumes in its own spec.
fn drivers_of(case: &Case<'_>, pod: &Value) -> Fact<Vec<String>> {
    let of_claims = bound(case, pod)?;
    let of_claims = of_claims.iter().map(|b| str_at(b.volume, "/spec/csi/driver"));
    let inline = list_at(pod, "/spec/volumes").iter().map(|v| str_at(v, "/csi/driver"));
    let mut all: Vec<String> = of_claims.chain(inline).filter(|d| !d.is_empty()).map(Into::into).collect();
    all.sort();
    all.dedup();
    Ok(all)
}
