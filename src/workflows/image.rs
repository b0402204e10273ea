//! Images and suspension: which field of which kind they are.

use crate::gitops::Refusal;
use crate::gitops::field::FieldPath;
use crate::world::object::{ObjectRef, list_at, str_at};
use serde_json::{Value, json};

/// Reads `app=web:2 side=proxy:1 because …`: images, and the reason behind them. One image without a container is meant
/// for the only one.
///
/// # Errors
/// There is no image.
pub fn parse(text: &str) -> Result<(Vec<(String, String)>, String), String> {
    let mut images = vec![];
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match word.split_once('=') {
            Some((container, image)) if !container.is_empty() && !image.is_empty() => {
                images.push((container.to_string(), image.to_string()));
            }
            Some(_) => return Err(format!("`{word}` is not CONTAINER=IMAGE")),
            None if images.is_empty() => images.push((String::new(), word.to_string())),
            None => break,
        }
        rest = after.trim_start();
    }
    match images.is_empty() {
        true => Err("say which image: IMAGE, or CONTAINER=IMAGE".into()),
        false => Ok((images, rest.to_string())),
    }
}

/// The fields of these images and their new values.
///
/// # Errors
/// A kind without containers, no such container, several where none was named.
pub fn fields(object: &Value, images: &[(String, String)]) -> Result<Vec<super::field::Wanted>, Refusal> {
    let me = ObjectRef::of(object);
    let pod: &[&str] = match (me.group.as_str(), me.kind.as_str()) {
        ("", "Pod") => &["spec"],
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => &["spec", "template", "spec"],
        ("batch", "CronJob") => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => return Err(Refusal(format!("{me} has no containers whose image could be changed"))),
    };
    let base = FieldPath::keys(pod.iter().copied());
    let at = format!("/{}", pod.join("/"));
    let names = |list: &str| -> Vec<&str> {
        list_at(object, &format!("{at}/{list}")).iter().map(|c| str_at(c, "/name")).collect()
    };
    let (usual, first) = (names("containers"), names("initContainers"));
    let one = |(container, image): &(String, String)| {
        let (list, name) = match (container.as_str(), usual.as_slice()) {
            ("", [only]) => ("containers", *only),
            (name, _) if usual.contains(&name) => ("containers", name),
            (name, _) if first.contains(&name) => ("initContainers", name),
            (name, _) => {
                let all = usual.iter().chain(&first).copied().collect::<Vec<_>>().join(", ");
                return Err(Refusal(match name {
                    "" => format!("{me} has several containers ({all}): say CONTAINER=IMAGE"),
                    name => format!("{me} has no container {name:?}; it has {all}"),
                }));
            }
        };
        if image.chars().any(char::is_whitespace) || image.is_empty() {
            return Err(Refusal(format!("{image:?} is not an image")));
        }
        Ok((base.clone().key(list).item(name).key("image"), Some(json!(image))))
    };
    images.iter().map(one).collect()
}

/// The field that holds a CronJob or a Job back.
///
/// # Errors
/// Another kind, or a Job that has ended.
pub fn suspend(object: &Value, suspend: bool) -> Result<Vec<super::field::Wanted>, Refusal> {
    let me = ObjectRef::of(object);
    if me.group != "batch" || !["CronJob", "Job"].contains(&me.kind.as_str()) {
        return Err(Refusal(format!("{me} cannot be suspended: CronJobs and Jobs can")));
    }
    let ended = |c: &&Value| ["Complete", "Failed"].contains(&str_at(c, "/type")) && str_at(c, "/status") == "True";
    if me.kind == "Job" && list_at(object, "/status/conditions").iter().any(|c| ended(&c)) {
        return Err(Refusal(format!("{me} has ended: there is nothing to hold back")));
    }
    Ok(vec![(FieldPath::keys(["spec", "suspend"]), Some(json!(suspend)))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_and_the_rest_is_the_reason() {
        let one = |c: &str, i: &str| (c.to_string(), i.to_string());
        assert_eq!(parse("web:2"), Ok((vec![one("", "web:2")], String::new())));
        let both = vec![one("app", "r/web:2"), one("side", "p@sha256:0")];
        assert_eq!(parse(" app=r/web:2 side=p@sha256:0  the old one leaks"), Ok((both, "the old one leaks".into())));
        assert!(parse("").is_err() && parse("app=").is_err() && parse("=x").is_err());
    }

    #[test]
    fn containers_are_found_by_kind() {
        let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "load"}]}}}});
        let path = |object: &Value, container: &str| {
            fields(object, &[(container.into(), "x:1".into())]).map(|f| f[0].0.to_string()).map_err(|r| r.0)
        };
        assert_eq!(path(&web, "").unwrap(), "spec.template.spec.containers[app].image");
        assert_eq!(path(&web, "load").unwrap(), "spec.template.spec.initContainers[load].image");
        assert!(path(&web, "nope").unwrap_err().contains("it has app, load"));
        let two = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        assert!(path(&two, "").unwrap_err().contains("say CONTAINER=IMAGE"));
        assert_eq!(path(&two, "b").unwrap(), "spec.containers[b].image");
        assert!(path(&json!({"kind": "Service", "apiVersion": "v1"}), "").is_err());
    }

    #[test]
    fn jobs_that_ended_are_not_suspended() {
        let job = |kind: &str, done: &str| json!({"apiVersion": "batch/v1", "kind": kind, "status": {"conditions": [{"type": "Complete", "status": done}]}});
        assert!(suspend(&job("Job", "True"), true).unwrap_err().0.contains("has ended"));
        assert_eq!(suspend(&job("Job", "False"), true).unwrap()[0].1, Some(json!(true)));
        assert!(suspend(&job("CronJob", "True"), false).is_ok());
        assert!(suspend(&json!({"apiVersion": "apps/v1", "kind": "Deployment"}), true).is_err());
    }
}
