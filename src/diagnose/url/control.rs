//! The controller that serves a route: its workloads, pods, arguments, and the Services by which traffic comes in.
//!
//! Controllers run as Deployments or DaemonSets. Those are looked through in the whole cluster, for there are few of
//! them; pods are read only in the namespaces where a controller was found.

use super::backend;
use super::flavor::Flavor;
use super::route::Rule;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{is_finished, is_true};
use crate::world::object::{list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use serde_json::Value;
use std::collections::BTreeSet;

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

    /// Whether a Service's selector matches its pods, those of today or those that its workloads would make.
    pub fn is_led_to_by(&self, service: &Value) -> bool {
        let Some(selector) = selector(service) else { return false };
        let labels = self.workloads.iter().map(|w| (namespace(w), w.pointer("/spec/template/metadata/labels")));
        let pods = self.pods.iter().map(|pod| (namespace(pod), pod.pointer("/metadata/labels")));
        labels.chain(pods).any(|(home, labels)| home == namespace(service) && selector.matches(labels))
    }

    /// The namespaces where it runs.
    fn homes(&self) -> BTreeSet<&'a str> {
        self.workloads.iter().map(|w| namespace(w)).collect()
    }

    /// The name of the Service whose addresses it was told to publish.
    fn published(&self) -> Option<&'a str> {
        const FLAGS: &[&str] =
            &["publish-service", "external-service", "providers.kubernetesingress.ingressendpoint.publishedservice"];
        let told = FLAGS.iter().find_map(|flag| self.flag(flag))?;
        Some(told.rsplit_once('/').map_or(told, |(_, name)| name))
    }

    /// Whether a Service is called as one of its workloads, or made by the same release.
    fn shares_a_name(&self, service: &Value) -> bool {
        let part = |of: &'_ Value, key: &str| {
            let labels = of.pointer("/metadata/labels");
            labels.and_then(|l| l.get(format!("app.kubernetes.io/{key}"))).and_then(Value::as_str).map(str::to_owned)
        };
        let same = |w: &Value, key: &str| part(w, key).is_some_and(|own| part(service, key) == Some(own));
        let here = self.workloads.iter().filter(|w| namespace(w) == namespace(service));
        here.into_iter().any(|w| name(w) == name(service) || (same(w, "instance") && same(w, "name")))
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
    let homes: BTreeSet<&str> = workloads.iter().map(|w| namespace(w)).collect();
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
    let beside = beside(case, control)?;
    Ok(beside.into_iter().filter(|service| control.is_led_to_by(service)).collect())
}

/// The Services of type LoadBalancer that are meant for a controller and lead to none of its pods: those that it
/// publishes, those whose address the route announces though no other Service has it, and, where no Service leads to the
/// controller, those that share its name and lead nowhere.
pub fn strays<'a>(case: &Case<'a>, control: &Control<'_>, announced: &[String]) -> Fact<Vec<&'a Value>> {
    let (proper, stray): (Vec<&Value>, Vec<&Value>) =
        beside(case, control)?.into_iter().partition(|service| control.is_led_to_by(service));
    let taken: Vec<String> = proper.iter().flat_map(|service| addresses(service)).collect();
    let mut found = Vec::new();
    for service in stray.into_iter().filter(|service| selector(service).is_some()) {
        let own = addresses(service);
        let meant = control.published() == Some(name(service))
            || own.iter().any(|address| announced.contains(address) && !taken.contains(address));
        let nowhere = || Ok(backend::pods(case, service)?.is_some_and(|(pods, _)| pods.is_empty()));
        if meant || (proper.is_empty() && control.shares_a_name(service) && nowhere()?) {
            found.push(service);
        }
    }
    Ok(found)
}

/// The Services of type LoadBalancer in the namespaces of a controller.
fn beside<'a>(case: &Case<'a>, control: &Control<'_>) -> Fact<Vec<&'a Value>> {
    let mut found: Vec<&Value> = Vec::new();
    for home in control.homes() {
        found.extend(case.list(SERVICES, Some(home)).known()?.unwrap_or_default());
    }
    found.retain(|service| str_at(service, "/spec/type") == "LoadBalancer");
    Ok(found)
}

fn selector(service: &Value) -> Option<Selector> {
    let map = service.pointer("/spec/selector").filter(|s| s.as_object().is_some_and(|m| !m.is_empty()));
    map.map(Selector::from_map)
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
