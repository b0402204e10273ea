//! Kubelets that cannot do what a pod asks for.
//!
//! ## node-features-mismatch
//! **You see.** A pod stays Pending; the scheduler says `node(s) didn't match Pod's required features`.
//! **Why.** The pod uses a field that only newer kubelets (or those with a feature gate) understand, and the nodes do not
//! declare it: kubelets of different versions in one cluster.
//! **How kokpit knows.** What the pod's fields need is compared with `status.declaredFeatures` of every node; where it
//! does not know a field's feature, the scheduler's words count.
//! **Looks alike.** `node-affinity-mismatch` (labels).
//! **Mend it.** Upgrade the old nodes, or drop the new field from the pod.

use super::{NAMED, node_ref, placement, said};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::NODES;
use crate::diagnose::scheduling::node_declared_features::{REASON, needed};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{list_at, name, str_at};
use crate::world::text::clean;
use serde_json::Value;

causes! { "features.rs";
    "node-features-mismatch" "the nodes' kubelets lack a feature that the pod needs" Degraded ["Pod"] judge;
}

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let failing = placement.with_reason(REASON);
    if failing.is_empty() && !said(suspect.object).contains(REASON) {
        return Ok(vec![]);
    }
    let needed = needed(suspect.object);
    let names: Vec<&str> = needed.iter().map(|(feature, _)| *feature).collect();
    let text = match names.is_empty() {
        true => "It needs a feature of the kubelet that nodes do not declare.".to_owned(),
        false => format!("It needs {} of the kubelet, and nodes do not declare it.", names.join(" and ")),
    };
    let mut found = Match::on(&suspect.at, text);
    for (feature, field) in &needed {
        found = found.evidence(&suspect.at, field, feature, format!("{field} needs {feature}"));
    }
    let raw = case.list(NODES, None).known()?.unwrap_or_default();
    let lacking = |n: &&Value| failing.is_empty() || failing.iter().any(|f| f.name == name(n));
    for node in raw.into_iter().filter(lacking).take(NAMED) {
        let version = clean(str_at(node, "/status/nodeInfo/kubeletVersion")).into_owned();
        let features: Vec<&str> = list_at(node, "/status/declaredFeatures").iter().filter_map(Value::as_str).collect();
        let declared = if features.is_empty() { "nothing".to_owned() } else { features.join(", ") };
        let text = format!("{}: kubelet {version} declares {declared}", name(node));
        found = found.evidence(&node_ref(name(node)), "status.declaredFeatures", "", text);
    }
    // Where the feature is unknown to us, only the scheduler's words count: nothing was evaluated, nothing stands below.
    found = match failing.is_empty() {
        true => found.scheduling(placement.scheduling.clone()),
        false => placement.finish(case, suspect, "NodeDeclaredFeatures", found)?,
    };
    let fix = Fix { summary: "upgrade the old nodes, or drop the field from the pod".into(), ..Fix::default() };
    Ok(vec![found.confidence(Confidence::Medium).fix(fix)])
}
