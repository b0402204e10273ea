//! Rows of everything else that has columns of its own: services, configuration, storage, events.

use super::Printer;
use super::cells::{age, any_or, joined, labels, name, number, selector, since, text_or};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};

/// Columns and printer of a kind of this file.
pub fn of_kind(key: (&str, &str)) -> Option<(&'static [&'static str], Printer)> {
    Some(match key {
        ("", "services") => {
            (&["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "*Selector"], service as Printer)
        }
        ("", "events") => (
            &[
                "Last Seen",
                "Type",
                "Reason",
                "Object",
                "*Subobject",
                "*Source",
                "Message",
                "*First Seen",
                "*Count",
                "*Name",
            ],
            event,
        ),
        ("", "configmaps") => (&["Name", "Data", "Age"], |o, now| vec![name(o), data(o), age(o, now)]),
        ("", "secrets") => {
            (&["Name", "Type", "Data", "Age"], |o, now| vec![name(o), str_at(o, "/type").into(), data(o), age(o, now)])
        }
        ("", "namespaces") => {
            (&["Name", "Status", "Age"], |o, now| vec![name(o), str_at(o, "/status/phase").into(), age(o, now)])
        }
        ("", "serviceaccounts") => {
            (&["Name", "Secrets", "Age"], |o, now| vec![name(o), json!(list_at(o, "/secrets").len()), age(o, now)])
        }
        ("", "endpoints") => (&["Name", "Endpoints", "Age"], endpoints),
        ("", "limitranges") => (&["Name", "Created At"], created_at),
        ("", "resourcequotas") => (&["Name", "Request", "Limit", "Age"], quota),
        ("", "persistentvolumeclaims") => (
            &[
                "Name",
                "Status",
                "Volume",
                "Capacity",
                "Access Modes",
                "StorageClass",
                "VolumeAttributesClass",
                "Age",
                "*VolumeMode",
            ],
            claim,
        ),
        ("", "persistentvolumes") => (
            &[
                "Name",
                "Capacity",
                "Access Modes",
                "Reclaim Policy",
                "Status",
                "Claim",
                "StorageClass",
                "VolumeAttributesClass",
                "Reason",
                "Age",
                "*VolumeMode",
            ],
            volume,
        ),
        ("storage.k8s.io", "storageclasses") => (
            &["Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"],
            storage_class,
        ),
        ("storage.k8s.io", "csinodes") => {
            (&["Name", "Drivers", "Age"], |o, now| vec![name(o), json!(list_at(o, "/spec/drivers").len()), age(o, now)])
        }
        ("storage.k8s.io", "volumeattachments") => {
            (&["Name", "Attacher", "PV", "Node", "Attached", "Age"], |o, now| {
                let texts = ["/spec/attacher", "/spec/source/persistentVolumeName", "/spec/nodeName"]
                    .map(|at| str_at(o, at).into());
                let [attacher, volume, node] = texts;
                vec![name(o), attacher, volume, node, json!(bool_at(o, "/status/attached")), age(o, now)]
            })
        }
        ("networking.k8s.io", "ingresses") => (&["Name", "Class", "Hosts", "Address", "Ports", "Age"], ingress),
        ("networking.k8s.io", "ingressclasses") => (&["Name", "Controller", "Parameters", "Age"], |o, now| {
            vec![
                name(o),
                str_at(o, "/spec/controller").into(),
                text_or(o, "/spec/parameters/kind", "<none>"),
                age(o, now),
            ]
        }),
        ("networking.k8s.io", "networkpolicies") => (&["Name", "Pod-Selector", "Age"], |o, now| {
            vec![name(o), selector(&o["spec"]["podSelector"]).into(), age(o, now)]
        }),
        ("discovery.k8s.io", "endpointslices") => {
            (&["Name", "AddressType", "Ports", "Endpoints", "Age"], endpoint_slice)
        }
        ("coordination.k8s.io", "leases") => {
            (&["Name", "Holder", "Age"], |o, now| vec![name(o), str_at(o, "/spec/holderIdentity").into(), age(o, now)])
        }
        ("scheduling.k8s.io", "priorityclasses") => {
            (&["Name", "Value", "Global-Default", "Age", "PreemptionPolicy"], |o, now| {
                let policy = text_or(o, "/preemptionPolicy", "PreemptLowerPriority");
                vec![name(o), number(o, "/value"), json!(bool_at(o, "/globalDefault")), age(o, now), policy]
            })
        }
        ("apiextensions.k8s.io", "customresourcedefinitions")
        | ("rbac.authorization.k8s.io", "roles" | "clusterroles") => (&["Name", "Created At"], created_at),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            (&["Name", "Role", "Age", "*Users", "*Groups", "*ServiceAccounts"], binding)
        }
        _ => return None,
    })
}

fn created_at(object: &Value, _: Time) -> Vec<Value> {
    vec![name(object), str_at(object, "/metadata/creationTimestamp").into()]
}

fn data(object: &Value) -> Value {
    let keys = |field: &str| object.get(field).and_then(Value::as_object).map_or(0, serde_json::Map::len);
    json!(keys("data") + keys("binaryData"))
}

fn service(service: &Value, now: Time) -> Vec<Value> {
    let kind = str_at(service, "/spec/type");
    let external = list_at(service, "/spec/externalIPs").iter().filter_map(Value::as_str).map(String::from);
    let balanced = list_at(service, "/status/loadBalancer/ingress").iter().map(|ingress| {
        let ip = str_at(ingress, "/ip");
        if ip.is_empty() { str_at(ingress, "/hostname").to_string() } else { ip.to_string() }
    });
    let external = match kind {
        "LoadBalancer" => joined(balanced.chain(external), "<pending>"),
        "ExternalName" => str_at(service, "/spec/externalName").into(),
        _ => joined(external, "<none>"),
    };
    let ports = list_at(service, "/spec/ports").iter().map(|port| {
        let node = int_at(port, "/nodePort").filter(|n| *n > 0).map(|n| format!(":{n}")).unwrap_or_default();
        let protocol = if str_at(port, "/protocol").is_empty() { "TCP" } else { str_at(port, "/protocol") };
        format!("{}{node}/{protocol}", int_at(port, "/port").unwrap_or(0))
    });
    vec![
        name(service),
        kind.into(),
        text_or(service, "/spec/clusterIP", "<none>"),
        external.into(),
        joined(ports, "<none>").into(),
        age(service, now),
        joined(labels(service.pointer("/spec/selector")), "<none>").into(),
    ]
}

fn event(event: &Value, now: Time) -> Vec<Value> {
    let first_of = |fields: &[&str]| {
        let found = fields.iter().map(|at| str_at(event, at)).find(|text| !text.is_empty());
        since(found.unwrap_or_default(), now)
    };
    let object =
        format!("{}/{}", str_at(event, "/involvedObject/kind").to_lowercase(), str_at(event, "/involvedObject/name"));
    let source = match (str_at(event, "/source/component"), str_at(event, "/source/host")) {
        ("", _) => str_at(event, "/reportingComponent").to_string(),
        (component, "") => component.into(),
        (component, host) => format!("{component}, {host}"),
    };
    let count = int_at(event, "/series/count").or(int_at(event, "/count")).filter(|n| *n > 0).unwrap_or(1);
    vec![
        first_of(&["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"]).into(),
        str_at(event, "/type").into(),
        str_at(event, "/reason").into(),
        object.into(),
        str_at(event, "/involvedObject/fieldPath").into(),
        source.into(),
        str_at(event, "/message").trim().into(),
        first_of(&["/firstTimestamp", "/eventTime"]).into(),
        json!(count),
        name(event),
    ]
}

/// `a,b,c + 2 more...`, as endpoints are shortened.
fn shortened(mut all: Vec<String>) -> String {
    const SHOWN: usize = 3;
    if all.is_empty() {
        return "<none>".into();
    }
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    let shown = all.join(",");
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

fn endpoints(object: &Value, now: Time) -> Vec<Value> {
    let all = list_at(object, "/subsets").iter().flat_map(|subset| {
        let ports = list_at(subset, "/ports").iter().map(|port| format!(":{}", int_at(port, "/port").unwrap_or(0)));
        let ports: Vec<String> = ports.collect();
        list_at(subset, "/addresses").iter().flat_map(move |address| {
            let ip = str_at(address, "/ip").to_string();
            match ports.is_empty() {
                true => vec![ip],
                false => ports.iter().map(|port| format!("{ip}{port}")).collect(),
            }
        })
    });
    vec![name(object), shortened(all.collect()).into(), age(object, now)]
}

fn endpoint_slice(object: &Value, now: Time) -> Vec<Value> {
    let ports = match list_at(object, "/ports") {
        [] => "<unset>".to_string(),
        ports => shortened(ports.iter().map(|p| int_at(p, "/port").map_or("*".into(), |n| n.to_string())).collect()),
    };
    let each = list_at(object, "/endpoints").iter().flat_map(|e| list_at(e, "/addresses"));
    let addresses: Vec<String> = each.filter_map(Value::as_str).map(Into::into).collect();
    let shown = if addresses.is_empty() { "<unset>".into() } else { shortened(addresses) };
    vec![name(object), str_at(object, "/addressType").into(), ports.into(), shown.into(), age(object, now)]
}

fn quota(object: &Value, now: Time) -> Vec<Value> {
    let hard = object.pointer("/status/hard").and_then(Value::as_object);
    let side = |limits: bool| {
        let entries = hard.into_iter().flatten().filter(|(key, _)| key.starts_with("limits.") == limits);
        let parts = entries.map(|(key, hard)| {
            let used =
                object.pointer("/status/used").and_then(|used| used.get(key)).and_then(Value::as_str).unwrap_or("0");
            format!("{key}: {used}/{}", hard.as_str().unwrap_or_default())
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    vec![name(object), side(false).into(), side(true).into(), age(object, now)]
}

fn access_modes(modes: &[Value]) -> String {
    let short = modes.iter().filter_map(Value::as_str).map(|mode| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    });
    short.collect::<Vec<_>>().join(",")
}

fn claim(claim: &Value, now: Time) -> Vec<Value> {
    let bound = !str_at(claim, "/spec/volumeName").is_empty();
    let phase = match str_at(claim, "/metadata/deletionTimestamp") {
        "" => str_at(claim, "/status/phase"),
        _ => "Terminating",
    };
    let (capacity, modes) = match bound {
        true => (str_at(claim, "/status/capacity/storage").into(), access_modes(list_at(claim, "/status/accessModes"))),
        false => (String::new(), String::new()),
    };
    vec![
        name(claim),
        phase.into(),
        str_at(claim, "/spec/volumeName").into(),
        capacity.into(),
        modes.into(),
        str_at(claim, "/spec/storageClassName").into(),
        text_or(claim, "/spec/volumeAttributesClassName", "<unset>"),
        age(claim, now),
        text_or(claim, "/spec/volumeMode", "<unset>"),
    ]
}

fn volume(volume: &Value, now: Time) -> Vec<Value> {
    let claim = match str_at(volume, "/spec/claimRef/name") {
        "" => String::new(),
        name => format!("{}/{name}", str_at(volume, "/spec/claimRef/namespace")),
    };
    let phase = match str_at(volume, "/metadata/deletionTimestamp") {
        "" => str_at(volume, "/status/phase"),
        _ => "Terminating",
    };
    vec![
        name(volume),
        str_at(volume, "/spec/capacity/storage").into(),
        access_modes(list_at(volume, "/spec/accessModes")).into(),
        str_at(volume, "/spec/persistentVolumeReclaimPolicy").into(),
        phase.into(),
        claim.into(),
        str_at(volume, "/spec/storageClassName").into(),
        text_or(volume, "/spec/volumeAttributesClassName", "<unset>"),
        str_at(volume, "/status/reason").into(),
        age(volume, now),
        text_or(volume, "/spec/volumeMode", "<unset>"),
    ]
}

fn storage_class(class: &Value, now: Time) -> Vec<Value> {
    let default =
        class.pointer("/metadata/annotations").and_then(|a| a.get("storageclass.kubernetes.io/is-default-class"));
    let mark = if default.is_some_and(|value| value == "true") { " (default)" } else { "" };
    vec![
        format!("{}{mark}", str_at(class, "/metadata/name")).into(),
        str_at(class, "/provisioner").into(),
        text_or(class, "/reclaimPolicy", "Delete"),
        text_or(class, "/volumeBindingMode", "Immediate"),
        json!(bool_at(class, "/allowVolumeExpansion")),
        age(class, now),
    ]
}

fn ingress(ingress: &Value, now: Time) -> Vec<Value> {
    let hosts: Vec<String> = list_at(ingress, "/spec/rules")
        .iter()
        .map(|rule| str_at(rule, "/host").to_string())
        .filter(|h| !h.is_empty())
        .collect();
    let hosts = if hosts.is_empty() { "*".to_string() } else { shortened(hosts) };
    let addresses = list_at(ingress, "/status/loadBalancer/ingress").iter().map(|entry| {
        let ip = str_at(entry, "/ip");
        if ip.is_empty() { str_at(entry, "/hostname").to_string() } else { ip.to_string() }
    });
    let ports = if list_at(ingress, "/spec/tls").is_empty() { "80" } else { "80, 443" };
    vec![
        name(ingress),
        any_or(ingress, "/spec/ingressClassName", "<none>"),
        hosts.into(),
        joined(addresses, "").into(),
        ports.into(),
        age(ingress, now),
    ]
}

fn binding(binding: &Value, now: Time) -> Vec<Value> {
    let role = format!("{}/{}", str_at(binding, "/roleRef/kind"), str_at(binding, "/roleRef/name"));
    let subjects = |kind: &str| {
        let all = list_at(binding, "/subjects").iter().filter(|subject| str_at(subject, "/kind") == kind);
        let named = all.map(|subject| match str_at(subject, "/namespace") {
            "" => str_at(subject, "/name").to_string(),
            ns => format!("{ns}/{}", str_at(subject, "/name")),
        });
        Value::from(named.collect::<Vec<_>>().join(", "))
    };
    vec![name(binding), role.into(), age(binding, now), subjects("User"), subjects("Group"), subjects("ServiceAccount")]
}
