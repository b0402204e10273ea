//! The controller that serves a route: its workloads, pods, arguments, and the Services by which traffic comes in.
//!
//! Controllers run as Deployments or DaemonSets. Those are looked through in the whole cluster, for there are few of
//! them; pods are read only in the namespaces where a controller was found.

use super::flavor::Flavor;
use super::route::Rule;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{is_finished, is_true};
use crate::world::object::{list_at, namespace, str_at};
use crate::world::selector::Selector;
use serde_json::Value;

/// The pods of a controller.
#[derive(Debug, Default)]
pub struct Control<'a> {
    /// Deployments and DaemonSets.
    pub workloads: Vec<&'a Value>,
    /// All its pods that carry traffic.
    pub pods: Vec<&'a Value>,
    /// The ready ones.
    pub ready: Vec<&'a Value>,
}

impl<'a> Control<'a> {
    /// The arguments and commands of its containers.
    pub fn arguments(&self) -> impl Iterator<Item = &'a str> {
        let pods = self.pods.iter().map(|pod| pod.pointer("/spec"));
        let templates = self.workloads.iter().map(|w| w.pointer("/spec/template/spec"));
        let specs: Vec<&'a Value> = pods.chain(templates).flatten().collect();
        specs
            .into_iter()
            .flat_map(|spec| list_at(spec, "/containers"))
            .flat_map(|c| list_at(c, "/args").iter().chain(list_at(c, "/command")))
            .filter_map(Value::as_str)
    }

    /// The value of a flag, compared without case: `--a=b`, or `true` for a bare `--a`.
    pub fn flag(&self, name: &str) -> Option<&'a str> {
        self.arguments().find_map(|argument| {
            let argument = argument.trim_start_matches('-');
            let (key, value) = argument.split_once('=').unwrap_or((argument, "true"));
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Whether a flag is switched on.
    pub fn has(&self, name: &str) -> bool {
        self.flag(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Traefik's `allowEmptyServices` of any of its Kubernetes providers.
    pub fn allows_empty(&self) -> bool {
        self.arguments().any(|a| a.to_lowercase().contains("allowemptyservices=true"))
    }
}

/// The controller that serves a rule.
pub fn of_rule<'a>(case: &Case<'a>, rule: &Rule) -> Fact<Control<'a>> {
    control(case, rule.flavor, rule.gateway.as_ref().map_or("", |lead| &lead.at.name))
}

/// The controller of a flavour, found by images and labels; `gateway` as in [`Flavor::serves`].
pub fn control<'a>(case: &Case<'a>, flavor: Flavor, gateway: &str) -> Fact<Control<'a>> {
    if flavor == Flavor::Other {
        return Ok(Control::default());
    }
    let (deployments, daemonsets) = (case.list(DEPLOYMENTS, None), case.list(DAEMONSETS, None));
    let template = "/spec/template";
    let workloads: Vec<&Value> = deployments?
        .into_iter()
        .chain(daemonsets?)
        .filter(|w| {
            let spec = w.pointer(&format!("{template}/spec")).unwrap_or(&Value::Null);
            flavor.serves(w.pointer(&format!("{template}/metadata/labels")), spec, gateway)
        })
        .collect();
    let mut homes: Vec<&str> = workloads.iter().map(|w| namespace(w)).collect();
    homes.sort_unstable();
    homes.dedup();
    let mut pods = Vec::new();
    for home in homes {
        let here = case.list(PODS, Some(home))?;
        pods.extend(here.into_iter().filter(|p| {
            let spec = p.get("spec").unwrap_or(&Value::Null);
            !is_finished(p) && flavor.carries(spec) && flavor.serves(p.pointer("/metadata/labels"), spec, gateway)
        }));
    }
    let ready = pods.iter().copied().filter(|p| is_true(p, "Ready")).collect();
    Ok(Control { workloads, pods, ready })
}

/// The Services of type LoadBalancer that lead to a controller's pods.
pub fn entrances<'a>(case: &Case<'a>, control: &Control<'_>) -> Fact<Vec<&'a Value>> {
    let templates = control.workloads.iter().map(|w| (namespace(w), w.pointer("/spec/template/metadata/labels")));
    let mut found: Vec<&Value> = Vec::new();
    for (home, labels) in templates {
        let services = case.list(SERVICES, Some(home)).known()?.unwrap_or_default();
        found.extend(services.into_iter().filter(|service| {
            let selector = service.pointer("/spec/selector").filter(|s| s.as_object().is_some_and(|m| !m.is_empty()));
            str_at(service, "/spec/type") == "LoadBalancer"
                && selector.is_some_and(|s| Selector::from_map(s).matches(labels))
        }));
    }
    found.dedup();
    Ok(found)
}

/// The addresses that a LoadBalancer Service has been given.
pub fn addresses(object: &Value) -> Vec<String> {
    list_at(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|a| [str_at(a, "/ip"), str_at(a, "/hostname")].concat())
        .filter(|a| !a.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn flags_are_read_whatever_their_case() {
        let pod =
            json!({"spec": {"containers": [{"args": ["--entryPoints.web.address=:8000", "--api", "--x=false"]}]}});
        let control = Control { pods: vec![&pod], ..Control::default() };
        assert_eq!(control.flag("entrypoints.web.address"), Some(":8000"));
        assert!(control.has("api") && !control.has("x") && !control.has("nothing"));
    }
}
