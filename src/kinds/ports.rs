//! Ports to forward: how a person writes them, which ones an object offers, and which pod serves them.

use crate::world::object::{controller, int_at, list_at, name, str_at};
use crate::world::time::Time;
use serde_json::Value;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// A port by its number or by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// `8080`
    Number(u16),
    /// `http`
    Name(String),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Port::Number(number) => write!(f, "{number}"),
            Port::Name(name) => f.write_str(name),
        }
    }
}

/// One forward as a person asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Where we listen.
    pub address: IpAddr,
    /// The port we listen on; 0: any free one. `None`: the same as the remote one.
    pub local: Option<u16>,
    /// Where it leads: a port of the object.
    pub remote: Port,
}

impl Pair {
    /// Reads `8080`, `8080:80`, `8080:http`, `:80` (any free port), each with an address in front where it is not to be
    /// 127.0.0.1: `0.0.0.0:8080:80`, `[::1]:8080:80`, `localhost:8080:80`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, ports) = split_address(text)?;
        let (local, remote) = match ports.split_once(':') {
            None => (None, ports),
            Some(("", remote)) => (Some(0), remote),
            Some((local, remote)) => {
                let number = local.parse().map_err(|_| {
                    format!("`{local}` is no local port: write [ADDRESS:]LOCAL:REMOTE, such as 8080:http")
                })?;
                (Some(number), remote)
            }
        };
        Ok(Self { address, local, remote: port(remote)? })
    }

    /// Reads several, between spaces or commas.
    ///
    /// # Errors
    /// As [`Pair::parse`]; or there is none.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let pairs: Vec<Self> = words.map(Self::parse).collect::<Result<_, _>>()?;
        match pairs.is_empty() {
            true => Err("name a port, such as 8080:80 or 8080:http".into()),
            false => Ok(pairs),
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(Ipv4Addr::LOCALHOST) => {}
            IpAddr::V4(address) => write!(f, "{address}:")?,
            IpAddr::V6(address) => write!(f, "[{address}]:")?,
        }
        match self.local {
            Some(0) => write!(f, ":{}", self.remote),
            Some(local) => write!(f, "{local}:{}", self.remote),
            None => write!(f, "{}", self.remote),
        }
    }
}

/// The address in front, and what follows it.
fn split_address(text: &str) -> Result<(IpAddr, &str), String> {
    let address = |text: &str| match text {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        text => text.parse().map_err(|_| format!("`{text}` is no address to listen on, such as 127.0.0.1 or 0.0.0.0")),
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, ports) =
            rest.split_once("]:").ok_or_else(|| format!("`{text}` has no `]:` behind the address"))?;
        return Ok((address(inside)?, ports));
    }
    match text.match_indices(':').count() {
        0 | 1 => Ok((IpAddr::V4(Ipv4Addr::LOCALHOST), text)),
        2 => {
            let (before, ports) = text.split_once(':').unwrap_or_default();
            Ok((address(before)?, ports))
        }
        _ => Err(format!("`{text}` has too many colons: an IPv6 address stands in brackets, [::1]:8080:80")),
    }
}

fn port(text: &str) -> Result<Port, String> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        let number = text.parse().ok().filter(|number| *number > 0);
        return number.map(Port::Number).ok_or_else(|| format!("`{text}` is no port: 1 to 65535, or its name"));
    }
    // IANA_SVC_NAME (RFC 6335), which names of container and service ports are held to.
    let fits = text.len() <= 63 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    match fits {
        true => Ok(Port::Name(text.into())),
        false => Err(format!("`{text}` is no port: 1 to 65535, or its name")),
    }
}

/// A port that an object offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Number, as [`remote`] takes it.
    pub number: u16,
    /// Name, may be empty.
    pub name: String,
}

/// The TCP ports of a Service, or of the containers of a pod or of a workload's template, each once, those of
/// applications before those of sidecars.
pub fn offers(object: &Value) -> Vec<Offer> {
    let service = list_at(object, "/spec/ports").iter().map(|p| ("port", p));
    let spec = if object.pointer("/spec/template/spec").is_some() { "/spec/template/spec" } else { "/spec" };
    let containers =
        ["containers", "initContainers"].into_iter().flat_map(|list| list_at(object, &format!("{spec}/{list}")));
    let containers = containers.flat_map(|c| list_at(c, "/ports")).map(|p| ("containerPort", p));
    let mut all: Vec<Offer> = Vec::new();
    for (field, port) in service.chain(containers) {
        let tcp = matches!(str_at(port, "/protocol"), "" | "TCP");
        let number = int_at(port, &format!("/{field}")).and_then(|n| u16::try_from(n).ok());
        if let Some(number) =
            number.filter(|number| tcp && *number > 0 && all.iter().all(|known| known.number != *number))
        {
            all.push(Offer { number, name: str_at(port, "/name").into() });
        }
    }
    all
}

/// What is proposed for the local side: ports below 1024 are for root alone, so 80 becomes 8080 and 443 becomes 8443.
pub fn proposed(remote: u16) -> u16 {
    if remote < 1024 { remote + 8000 } else { remote }
}

/// The port of a pod that a port of an object leads to. A Service's port leads to its `targetPort`, which may be the name
/// of a container's port; of anything else the port is the container's own.
///
/// # Errors
/// A sentence, where the object has no such port or the pod does not name it.
pub fn remote(object: &Value, pod: &Value, wanted: &Port) -> Result<u16, String> {
    if str_at(object, "/kind") != "Service" {
        return of_container(pod, wanted);
    }
    let ports = list_at(object, "/spec/ports");
    let found = ports.iter().find(|p| match wanted {
        Port::Number(number) => int_at(p, "/port") == Some((*number).into()),
        Port::Name(wanted) => str_at(p, "/name") == wanted,
    });
    let Some(found) = found else {
        let known: Vec<String> = ports.iter().filter_map(|p| int_at(p, "/port")).map(|n| n.to_string()).collect();
        let known = if known.is_empty() { String::new() } else { format!(" (it has {})", known.join(", ")) };
        return Err(format!("Service {} has no port {wanted}{known}", name(object)));
    };
    match found.get("targetPort") {
        Some(Value::String(target)) => match target.parse() {
            Ok(number) => Ok(number),
            Err(_) => of_container(pod, &Port::Name(target.clone())),
        },
        Some(target) => of_number(target.as_i64().unwrap_or_default(), found),
        None => of_number(int_at(found, "/port").unwrap_or_default(), found),
    }
}

fn of_number(number: i64, found: &Value) -> Result<u16, String> {
    // An unset targetPort is sent as 0 by some clients and means the port itself.
    let number = if number == 0 { int_at(found, "/port").unwrap_or_default() } else { number };
    u16::try_from(number).ok().filter(|n| *n > 0).ok_or_else(|| format!("{number} is no port"))
}

fn of_container(pod: &Value, wanted: &Port) -> Result<u16, String> {
    let wanted = match wanted {
        Port::Number(number) => return Ok(*number),
        Port::Name(wanted) => wanted,
    };
    let lists = ["/spec/containers", "/spec/initContainers"];
    let mut ports = lists.iter().flat_map(|list| list_at(pod, list)).flat_map(|c| list_at(c, "/ports"));
    let found = ports.find(|p| str_at(p, "/name") == wanted).and_then(|p| int_at(p, "/containerPort"));
    let number = found.and_then(|n| u16::try_from(n).ok());
    number.ok_or_else(|| format!("no container of pod {} names a port `{wanted}`: use its number", name(pod)))
}

/// Which pods may serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The pod that was asked for by name: it serves whether ready or not, as long as it is there.
    pub name: Option<String>,
    /// UID of the owner whose pods are meant; `None`: everything that was listed.
    pub owner: Option<String>,
}

/// The pod to forward to: the one that serves already while it may, the one asked for by name, else a ready one, the
/// oldest first (it is the least likely to be in the middle of a rollout).
pub fn choose<'a>(pods: &'a [Value], wanted: &Wanted, now: Option<&str>) -> Option<&'a Value> {
    let named = |pod: &&Value| wanted.name.as_deref() == Some(name(pod));
    let serves = |pod: &&Value| runs(pod) && !going(pod) && (ready(pod) || named(pod));
    let mine = |pod: &&Value| wanted.owner.as_deref().is_none_or(|uid| named(pod) || owned_by(pod, uid));
    let current = pods.iter().find(|pod| Some(str_at(pod, "/metadata/uid")) == now && serves(pod));
    let by_name = || pods.iter().find(|pod| named(pod) && serves(pod));
    let ready_ones = || {
        let since = |pod: &&Value| Time::parse(str_at(pod, "/metadata/creationTimestamp")).map(|t| t.0);
        pods.iter().filter(|pod| mine(pod) && serves(pod)).min_by_key(since)
    };
    current.or_else(by_name).or_else(ready_ones)
}

fn owned_by(pod: &Value, uid: &str) -> bool {
    controller(pod).is_some()
        && list_at(pod, "/metadata/ownerReferences").iter().any(|owner| str_at(owner, "/uid") == uid)
}

fn runs(pod: &Value) -> bool {
    str_at(pod, "/status/phase") == "Running"
}

fn going(pod: &Value) -> bool {
    !str_at(pod, "/metadata/deletionTimestamp").is_empty()
}

fn ready(pod: &Value) -> bool {
    let conditions = list_at(pod, "/status/conditions");
    conditions.iter().any(|c| str_at(c, "/type") == "Ready" && str_at(c, "/status") == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_read_as_people_write_them() {
        for (text, shown) in [
            ("8080", "8080"),
            ("8080:80", "8080:80"),
            ("8080:http", "8080:http"),
            ("http", "http"),
            (":http", ":http"),
            ("0:80", ":80"),
            ("localhost:1:2", "1:2"),
            ("0.0.0.0:8080:80", "0.0.0.0:8080:80"),
            ("[::1]:8080:80", "[::1]:8080:80"),
            ("127.0.0.1::80", ":80"),
        ] {
            assert_eq!(Pair::parse(text).map(|pair| pair.to_string()), Ok(shown.into()), "{text}");
        }
        for (text, said) in [
            ("", "no port"),
            ("0", "no port"),
            ("80:0", "no port"),
            ("65536", "no port"),
            ("http:80", "no local port"),
            ("70000:80", "no local port"),
            ("1:2:3", "no address"),
            ("::1:80:80", "brackets"),
            ("[::1:80", "]:"),
            ("8080:HTTP", "no port"),
        ] {
            assert!(Pair::parse(text).unwrap_err().contains(said) || said == "no port" && text.is_empty(), "{text}");
        }
        assert_eq!(Pair::parse_all(" 1:2, 3 ").unwrap().len(), 2);
        assert!(Pair::parse_all(" ").is_err());
    }

    fn pod(name: &str, phase: &str, ready: &str, born: &str) -> Value {
        json!({"metadata": {"name": name, "uid": format!("u-{name}"), "creationTimestamp": born,
                            "ownerReferences": [{"uid": "rs", "kind": "ReplicaSet", "name": "web", "controller": true}]},
               "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]}]},
               "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[test]
    fn ports_lead_to_containers() {
        let pod = pod("a", "Running", "True", "2026-01-01T00:00:00Z");
        let service = json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [
            {"name": "web", "port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 9000}, {"port": 82}, {"port": 83, "targetPort": "gone"}]}});
        let number = |n| remote(&service, &pod, &Port::Number(n));
        assert_eq!((number(80), number(81), number(82)), (Ok(8080), Ok(9000), Ok(82)));
        assert_eq!(remote(&service, &pod, &Port::Name("web".into())), Ok(8080));
        assert!(number(83).unwrap_err().contains("`gone`"));
        assert!(number(8080).unwrap_err().contains("80, 81, 82, 83"));
        assert_eq!(remote(&pod, &pod, &Port::Number(4)), Ok(4));
        assert_eq!(remote(&pod, &pod, &Port::Name("http".into())), Ok(8080));
        assert!(remote(&pod, &pod, &Port::Name("grpc".into())).is_err());
        assert_eq!(offers(&pod), [Offer { number: 8080, name: "http".into() }]);
        assert_eq!(offers(&service).iter().map(|o| o.number).collect::<Vec<_>>(), [80, 81, 82, 83]);
        let workload = json!({"spec": {"template": {"spec": pod["spec"]}}});
        assert_eq!(offers(&workload).len(), 1);
        assert_eq!((proposed(80), proposed(443), proposed(5432)), (8080, 8443, 5432));
    }

    #[test]
    fn a_ready_pod_is_chosen_and_kept() {
        let any = Wanted { name: None, owner: None };
        let named =
            |pods: &[Value], wanted: &Wanted, now: Option<&str>| choose(pods, wanted, now).map(|p| name(p).to_string());
        let mut pods = vec![
            pod("new", "Running", "True", "2026-01-02T00:00:00Z"),
            pod("old", "Running", "True", "2026-01-01T00:00:00Z"),
            pod("sick", "Running", "False", "2025-01-01T00:00:00Z"),
            pod("done", "Succeeded", "True", "2025-01-01T00:00:00Z"),
        ];
        assert_eq!(named(&pods, &any, None).as_deref(), Some("old"));
        assert_eq!(named(&pods, &any, Some("u-new")).as_deref(), Some("new"), "what serves goes on");
        assert_eq!(named(&pods, &any, Some("u-sick")).as_deref(), Some("old"));
        let wanted = Wanted { name: Some("sick".into()), owner: Some("rs".into()) };
        assert_eq!(named(&pods, &wanted, None).as_deref(), Some("sick"), "asked for by name, ready or not");
        pods.remove(2);
        assert_eq!(named(&pods, &wanted, Some("u-sick")).as_deref(), Some("old"), "its successor");
        let foreign = Wanted { name: Some("sick".into()), owner: Some("other".into()) };
        assert_eq!(named(&pods, &foreign, None), None);
        pods[1]["metadata"]["deletionTimestamp"] = json!("2026-01-03T00:00:00Z");
        assert_eq!(named(&pods, &any, Some("u-old")).as_deref(), Some("new"), "who is going is left");
    }
}
