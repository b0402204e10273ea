//! The agents of a node: pods of DaemonSets that serve the other pods there, as network plugin or storage driver.
//!
//! They are known by what they do, not by their names: a network plugin writes into the host's CNI directories
//! (containernetworking/cni: `/etc/cni/net.d`, `/opt/cni/bin`), the node part of a CSI driver carries the driver's
//! name in its arguments or environment (node-driver-registrar: `--kubelet-registration-path=…/plugins/<driver>/…`).

use super::facts::{Case, Fact, Knowable};
use super::finding::Match;
use super::kin;
use super::kinds::{DAEMONSETS, PODS};
use super::pods::{self, Stand, is_true};
use super::verdict::Fix;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use serde_json::Value;

/// A DaemonSet that serves nodes, and its pod on one of them.
pub struct Agent<'a> {
    daemonset: &'a Value,
    pod: Option<&'a Value>,
    /// Whether pods of it on other nodes are in trouble.
    ill_elsewhere: bool,
}

/// The network plugins of a node.
pub fn network<'a>(case: &Case<'a>, node: &str) -> Fact<Vec<Agent<'a>>> {
    const DIRECTORIES: &[&str] = &["/etc/cni", "/opt/cni"];
    of_node(case, node, |template| {
        let paths = list_at(template, "/volumes").iter().map(|v| str_at(v, "/hostPath/path"));
        paths.into_iter().any(|path| DIRECTORIES.iter().any(|d| path.starts_with(d)))
    })
}

/// The node parts of a CSI driver.
pub fn storage<'a>(case: &Case<'a>, driver: &str, node: &str) -> Fact<Vec<Agent<'a>>> {
    let names = |value: &Value| value.as_str().is_some_and(|text| text.contains(driver));
    of_node(case, node, |template| {
        list_at(template, "/containers").iter().any(|container| {
            let words = ["/args", "/command"].iter().flat_map(|at| list_at(container, at));
            let values = list_at(container, "/env").iter().filter_map(|env| env.get("value"));
            words.chain(values).any(names)
        })
    })
}

fn of_node<'a>(case: &Case<'a>, node: &str, serves: impl Fn(&Value) -> bool) -> Fact<Vec<Agent<'a>>> {
    let mut agents = Vec::new();
    for daemonset in case.list(DAEMONSETS, None).known()?.unwrap_or_default() {
        if !daemonset.pointer("/spec/template/spec").is_some_and(&serves) {
            continue;
        }
        let owner = [str_at(daemonset, "/metadata/uid").to_owned()];
        let all = case.list(PODS, Some(namespace(daemonset))).known()?.unwrap_or_default();
        let (here, elsewhere): (Vec<&Value>, Vec<&Value>) = (all.into_iter().filter(|p| kin::owned_by(p, &owner)))
            .partition(|pod| str_at(pod, "/spec/nodeName") == node);
        let ill_elsewhere = !kin::ill_pods(case, &elsewhere).is_empty();
        agents.push(Agent { daemonset, pod: here.first().copied(), ill_elsewhere });
    }
    Ok(agents)
}

/// Adds to a match what the agents of a node do: evidence, the way to an agent in trouble, and how to restart it.
pub fn follow(case: &Case<'_>, agents: &[Agent<'_>], node: &str, mut m: Match) -> Match {
    for agent in agents {
        let daemonset = ObjectRef::of(agent.daemonset);
        let Some(pod) = agent.pod else {
            m = m.evidence(&daemonset, "", "", format!("{daemonset} has no pod on {node}"));
            // What is wrong with its pods on other nodes says nothing about this one.
            if !agent.ill_elsewhere {
                m = m.because(daemonset.clone());
            }
            m = m.fix(Fix {
                summary: format!("let {daemonset} run on {node}: its nodeSelector, affinity and tolerations decide"),
                ..Fix::default()
            });
            continue;
        };
        let at = ObjectRef::of(pod);
        if is_true(pod, "Ready") {
            m = m.evidence(&at, "status.conditions[Ready]", "True", format!("its agent {at} on {node} is ready"));
        } else {
            m = m.evidence(&at, "status.conditions[Ready]", "False", format!("its agent {at} on {node} is not ready"));
        }
        if pods::stand(pod, case.now()) == Stand::Ill {
            m = m.because(at.clone());
        }
        m = m.fix(Fix {
            summary: format!("restart {} on {node}", name(agent.daemonset)),
            live: format!("kubectl -n {} delete pod {}", at.namespace, at.name),
            ..Fix::default()
        });
    }
    m
}
