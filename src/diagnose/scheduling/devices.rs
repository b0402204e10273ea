//! Devices for dynamic resource allocation (`resource.k8s.io`): what drivers publish, what is taken, what claims ask.
//!
//! Source: `k8s.io/dynamic-resource-allocation/structured`. Selectors are written in CEL, which is not evaluated here.
//! One form is understood, `device.driver == "…"` (also joined by `&&`); of everything else it is assumed that it might
//! hold, and it is named as not evaluated. So "no device" is certain, "there is one" may not be.

use super::labels::Labels;
use super::node::Node;
use super::node_selector::NodeTerms;
use crate::world::object::{bool_at, int_at, list_at, name, namespace, str_at};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Driver, pool and name of a device.
pub type DeviceId = (String, String, String);

/// The objects of `resource.k8s.io`.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    claims: HashMap<(String, String), Value>,
    /// The conditions of every class; `None` where classes could not be read.
    classes: Option<HashMap<String, Condition>>,
    /// `None` where slices could not be read.
    devices: Option<Vec<Device>>,
    taken: HashSet<DeviceId>,
}

/// A device of a ResourceSlice.
#[derive(Clone, Debug)]
struct Device {
    id: DeviceId,
    reach: Reach,
    /// Effects of its taints; whether a request tolerates them is not looked at.
    tainted: bool,
}

/// The nodes from which a device can be used.
#[derive(Clone, Debug)]
enum Reach {
    All,
    Node(String),
    Selected(NodeTerms),
}

impl Reach {
    fn of(spec: &Value) -> Option<Self> {
        let selected = spec.get("nodeSelector").filter(|s| !s.is_null());
        match str_at(spec, "/nodeName") {
            "" if bool_at(spec, "/allNodes") => Some(Self::All),
            "" => selected.map(|s| Self::Selected(NodeTerms::from_value(s))),
            node => Some(Self::Node(node.to_owned())),
        }
    }

    fn includes(&self, node: &str, labels: &Labels) -> bool {
        match self {
            Self::All => true,
            Self::Node(name) => name == node,
            Self::Selected(terms) => terms.matches(node, labels),
        }
    }
}

/// Selectors of a class or a request, as far as they are understood.
#[derive(Clone, Debug, Default)]
struct Condition {
    drivers: Vec<String>,
    unknown: Vec<String>,
}

impl Condition {
    fn of(selectors: &[Value]) -> Self {
        let mut all = Self::default();
        for part in selectors.iter().flat_map(|s| str_at(s, "/cel/expression").split("&&")).map(str::trim) {
            match driver_named(part) {
                Some(driver) => all.drivers.push(driver.to_owned()),
                None => all.unknown.push(part.to_owned()),
            }
        }
        all
    }

    fn may_hold(&self, device: &Device) -> bool {
        self.drivers.iter().all(|d| *d == device.id.0)
    }
}

/// The driver of `device.driver == "gpu.example.com"`.
fn driver_named(expression: &str) -> Option<&str> {
    let literal = expression.strip_prefix("device.driver")?.trim_start().strip_prefix("==")?.trim();
    let quoted = |mark: char| literal.strip_prefix(mark)?.strip_suffix(mark).filter(|t| !t.contains(mark));
    quoted('"').or_else(|| quoted('\''))
}

/// One thing that a request would be content with.
#[derive(Clone, Debug)]
struct Choice {
    class: Condition,
    own: Condition,
    count: usize,
    /// Admin access shares devices that others have.
    shared: bool,
}

impl Choice {
    fn may_take(&self, device: &Device, taken: &HashSet<DeviceId>) -> bool {
        self.may_be(device) && (self.shared || !taken.contains(&device.id)) && !device.tainted
    }

    fn may_be(&self, device: &Device) -> bool {
        self.class.may_hold(device) && self.own.may_hold(device)
    }
}

/// A request of a claim that has no devices yet.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The claim's name.
    pub claim: String,
    /// The request's name.
    pub request: String,
    /// The classes it names, first choice first.
    pub classes: Vec<String>,
    choices: Vec<Choice>,
    /// What was not evaluated: expressions, constraints, modes.
    pub not_evaluated: BTreeSet<String>,
}

impl Wish {
    /// The least number of devices that it takes.
    pub fn count(&self) -> usize {
        self.choices.iter().map(|c| c.count).min().unwrap_or(1)
    }
}

/// `exactly` of the current API, the request itself of the older one.
fn exact(request: &Value) -> &Value {
    request.get("exactly").filter(|e| !e.is_null()).unwrap_or(request)
}

impl Devices {
    /// Reads the lists. Claims must be known; slices and classes may not be.
    pub fn new(claims: &[&Value], slices: Option<&[&Value]>, classes: Option<&[&Value]>) -> Self {
        let taken = claims.iter().flat_map(|c| list_at(c, "/status/allocation/devices/results"));
        let taken = taken.filter(|r| !bool_at(r, "/adminAccess"));
        let text = |v: &Value, pointer| str_at(v, pointer).to_owned();
        let condition = |c: &&Value| (name(c).to_owned(), Condition::of(list_at(c, "/spec/selectors")));
        Self {
            taken: taken.map(|r| (text(r, "/driver"), text(r, "/pool"), text(r, "/device"))).collect(),
            claims: claims.iter().map(|c| ((namespace(c).into(), name(c).into()), (*c).clone())).collect(),
            classes: classes.map(|all| all.iter().map(condition).collect()),
            devices: slices.map(published),
        }
    }

    /// A claim by namespace and name.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&Value> {
        self.claims.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Whether slices and classes could be read, so that free devices can be counted.
    pub fn counted(&self) -> bool {
        self.devices.is_some() && self.classes.is_some()
    }

    /// What an unallocated claim asks for.
    ///
    /// # Errors
    /// The scheduler's sentence for a class that does not exist.
    pub fn wishes(&self, claim: &Value) -> Result<Vec<Wish>, String> {
        let constrained = !list_at(claim, "/spec/devices/constraints").is_empty();
        let requests = list_at(claim, "/spec/devices/requests").iter();
        requests
            .map(|request| {
                let own = str_at(request, "/name").to_owned();
                let mut wish = Wish {
                    claim: name(claim).to_owned(),
                    request: own.clone(),
                    classes: vec![],
                    choices: vec![],
                    not_evaluated: BTreeSet::new(),
                };
                if constrained {
                    wish.not_evaluated.insert("the claim's constraints".into());
                }
                let first = list_at(request, "/firstAvailable");
                for sub in first {
                    self.choose(sub, &format!("{own}/{}", str_at(sub, "/name")), &mut wish)?;
                }
                if first.is_empty() {
                    self.choose(exact(request), &own, &mut wish)?;
                }
                Ok(wish)
            })
            .collect()
    }

    fn choose(&self, request: &Value, called: &str, wish: &mut Wish) -> Result<(), String> {
        let name = str_at(request, "/deviceClassName");
        let class = match self.classes.as_ref().map(|all| all.get(name)) {
            Some(Some(class)) => class.clone(),
            Some(None) => return Err(format!("request {called}: device class {name} does not exist")),
            None => Condition::default(),
        };
        let own = Condition::of(list_at(request, "/selectors"));
        let all = str_at(request, "/allocationMode") == "All";
        wish.not_evaluated.extend(class.unknown.iter().chain(&own.unknown).cloned());
        if all {
            wish.not_evaluated.insert("allocationMode All".into());
        }
        if request.get("capacity").is_some_and(|c| !c.is_null()) {
            wish.not_evaluated.insert("the capacity asked for".into());
        }
        let count = int_at(request, "/count").filter(|_| !all).unwrap_or(1);
        wish.classes.push(name.to_owned());
        wish.choices.push(Choice {
            class,
            own,
            count: usize::try_from(count).unwrap_or(1),
            shared: bool_at(request, "/adminAccess"),
        });
        Ok(())
    }

    /// Devices on a node that a wish might mean: all of them, and those that are free.
    pub fn on(&self, node: &Node, wish: &Wish) -> (usize, usize) {
        let here = || self.devices.iter().flatten().filter(|d| d.reach.includes(&node.name, &node.labels));
        let meant = here().filter(|d| wish.choices.iter().any(|c| c.may_be(d))).count();
        let free = here().filter(|d| wish.choices.iter().any(|c| c.may_take(d, &self.taken))).count();
        (meant, free)
    }

    /// Whether a node may have devices for all wishes at once. `true` where slices could not be read.
    pub fn may_serve(&self, node: &Node, wishes: &[Wish]) -> bool {
        let Some(all) = &self.devices else { return true };
        let here: Vec<&Device> = all.iter().filter(|d| d.reach.includes(&node.name, &node.labels)).collect();
        let slots: Vec<Vec<usize>> = (wishes.iter())
            .flat_map(|wish| {
                let takes = |d: &Device| wish.choices.iter().any(|c| c.may_take(d, &self.taken));
                let candidates: Vec<usize> = (0..here.len()).filter(|at| takes(here[*at])).collect();
                std::iter::repeat_n(candidates, wish.count())
            })
            .collect();
        assignable(&slots, here.len())
    }
}

/// Whether every slot can have a device of its own among its candidates (augmenting paths).
fn assignable(slots: &[Vec<usize>], devices: usize) -> bool {
    let mut owner: Vec<Option<usize>> = vec![None; devices];
    (0..slots.len()).all(|slot| place(slot, slots, &mut owner, &mut vec![false; devices]))
}

fn place(slot: usize, slots: &[Vec<usize>], owner: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for &device in &slots[slot] {
        if std::mem::replace(&mut seen[device], true) {
            continue;
        }
        if owner[device].is_none_or(|other| place(other, slots, owner, seen)) {
            owner[device] = Some(slot);
            return true;
        }
    }
    false
}

/// The devices of the newest generation of every pool.
fn published(slices: &[&Value]) -> Vec<Device> {
    let pool = |s: &Value| (str_at(s, "/spec/driver").to_owned(), str_at(s, "/spec/pool/name").to_owned());
    let generation = |s: &Value| int_at(s, "/spec/pool/generation").unwrap_or_default();
    let mut newest: HashMap<(String, String), i64> = HashMap::new();
    for slice in slices {
        let known = newest.entry(pool(slice)).or_insert(i64::MIN);
        *known = (*known).max(generation(slice));
    }
    let current = slices.iter().filter(|s| newest.get(&pool(s)) == Some(&generation(s)));
    current.flat_map(|slice| devices_of(slice)).collect()
}

fn devices_of(slice: &Value) -> Vec<Device> {
    let spec = slice.get("spec").unwrap_or(&Value::Null);
    let (driver, pool) = (str_at(spec, "/driver"), str_at(spec, "/pool/name"));
    let device = |raw: &Value| {
        let body = raw.get("basic").unwrap_or(raw);
        let reach = Reach::of(spec).or_else(|| Reach::of(body))?;
        let keeps_away = |t: &Value| matches!(str_at(t, "/effect"), "NoSchedule" | "NoExecute");
        Some(Device {
            id: (driver.to_owned(), pool.to_owned(), str_at(raw, "/name").to_owned()),
            reach,
            tainted: list_at(body, "/taints").iter().any(keeps_away),
        })
    };
    list_at(spec, "/devices").iter().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(node: &str, generation: i64, devices: &[&str]) -> Value {
        let devices: Vec<Value> = devices.iter().map(|d| json!({"name": d})).collect();
        json!({"spec": {"driver": "gpu.example.com", "nodeName": node, "devices": devices,
            "pool": {"name": node, "generation": generation, "resourceSliceCount": 1}}})
    }

    fn class(expression: &str) -> Value {
        json!({"metadata": {"name": "gpu"}, "spec": {"selectors": [{"cel": {"expression": expression}}]}})
    }

    fn claim(name: &str, requests: Value, results: Value) -> Value {
        json!({"metadata": {"namespace": "ml", "name": name}, "spec": {"devices": {"requests": requests}},
            "status": {"allocation": {"devices": {"results": results}}}})
    }

    fn node(name: &str) -> Node {
        Node { name: name.into(), ..Node::default() }
    }

    #[test]
    fn free_devices_are_counted_and_old_generations_are_not() {
        let mine = claim("mine", json!([{"name": "g", "exactly": {"deviceClassName": "gpu", "count": 2}}]), json!([]));
        let other = claim("other", json!([]), json!([{"driver": "gpu.example.com", "pool": "n1", "device": "a"}]));
        let slices = [slice("n1", 2, &["a", "b"]), slice("n1", 1, &["x", "y"]), slice("n2", 1, &["a", "b"])];
        let devices = Devices::new(
            &[&mine, &other],
            Some(&slices.iter().collect::<Vec<_>>()),
            Some(&[&class("device.driver == \"gpu.example.com\"")]),
        );
        let wishes = devices.wishes(&mine).unwrap();
        assert_eq!(devices.on(&node("n1"), &wishes[0]), (2, 1));
        assert!(!devices.may_serve(&node("n1"), &wishes) && devices.may_serve(&node("n2"), &wishes));
        assert!(wishes[0].not_evaluated.is_empty());
    }

    #[test]
    fn an_expression_that_is_not_understood_is_said_and_closes_nothing() {
        let mine = claim("mine", json!([{"name": "g", "exactly": {"deviceClassName": "gpu"}}]), json!([]));
        let expression = "device.attributes[\"gpu.example.com\"].memory > 10";
        let slices = [slice("n1", 1, &["a"])];
        let devices = Devices::new(&[&mine], Some(&slices.iter().collect::<Vec<_>>()), Some(&[&class(expression)]));
        let wishes = devices.wishes(&mine).unwrap();
        assert!(devices.may_serve(&node("n1"), &wishes));
        assert!(wishes[0].not_evaluated.contains(expression));
    }

    #[test]
    fn two_requests_do_not_share_a_device() {
        let two = json!([{"name": "g", "exactly": {"deviceClassName": "gpu"}},
            {"name": "h", "firstAvailable": [{"name": "big", "deviceClassName": "gpu", "count": 4},
                {"name": "small", "deviceClassName": "gpu"}]}]);
        let mine = claim("mine", two, json!([]));
        let one = [slice("n1", 1, &["a"])];
        let classes = [&class("device.driver == 'gpu.example.com'")];
        let devices = Devices::new(&[&mine], Some(&[&one[0]]), Some(&classes));
        assert!(!devices.may_serve(&node("n1"), &devices.wishes(&mine).unwrap()));
        let two = slice("n1", 1, &["a", "b"]);
        let devices = Devices::new(&[&mine], Some(&[&two]), Some(&classes));
        assert!(devices.may_serve(&node("n1"), &devices.wishes(&mine).unwrap()));
    }

    #[test]
    fn a_class_that_is_not_there_refuses() {
        let mine = claim("mine", json!([{"name": "g", "deviceClassName": "tpu"}]), json!([]));
        let devices = Devices::new(&[&mine], Some(&[]), Some(&[]));
        assert_eq!(devices.wishes(&mine).unwrap_err(), "request g: device class tpu does not exist");
    }
}
