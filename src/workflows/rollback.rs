//! Going back to an earlier pod template: a Deployment's ReplicaSets and the ControllerRevisions of StatefulSets and
//! DaemonSets keep them.

use super::restart::RESTARTED_AT;
use super::{Line, edit};
use crate::gitops::Refusal;
use crate::gitops::change::FieldChange;
use crate::gitops::field::FieldPath;
use crate::world::object::{ObjectRef, int_at, list_at, name, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use serde_json::{Value, json};

/// The annotation in which people say why they made a revision.
pub const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
/// The annotation by which the Deployment controller numbers ReplicaSets.
const NUMBER: &str = "deployment.kubernetes.io/revision";

/// Which revision to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// The one with this number.
    Number(i64),
    /// The n-th before the current one, from 1.
    Back(u32),
}

/// One kept pod template.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its number; the highest is the current one.
    pub number: i64,
    /// The pod template.
    pub template: Value,
    /// The change-cause annotation, may be empty.
    pub cause: String,
    /// When it was made first.
    pub at: Option<Time>,
}

/// The kept templates of a workload, newest first, from the ReplicaSets or ControllerRevisions of its namespace.
pub fn history(workload: &Value, keepers: &[Value]) -> Vec<Kept> {
    let uid = str_at(workload, "/metadata/uid");
    let mine = |keeper: &&Value| list_at(keeper, "/metadata/ownerReferences").iter().any(|o| str_at(o, "/uid") == uid);
    let mut all: Vec<Kept> = keepers.iter().filter(mine).filter_map(kept).collect();
    all.sort_by_key(|kept| std::cmp::Reverse(kept.number));
    all
}

fn kept(keeper: &Value) -> Option<Kept> {
    let annotation =
        |key: &str| keeper.pointer("/metadata/annotations").and_then(|a| a.get(key)).and_then(Value::as_str);
    let (number, at) = match int_at(keeper, "/revision") {
        Some(number) => (number, "/data/spec/template"),
        None => (annotation(NUMBER)?.parse().ok()?, "/spec/template"),
    };
    let mut template = keeper.pointer(at)?.clone();
    // The controller tells ReplicaSets apart by this label; ControllerRevisions are patches.
    FieldPath::keys(["metadata", "labels", "pod-template-hash"]).remove(&mut template);
    template.as_object_mut()?.shift_remove("$patch");
    let at = Time::parse(str_at(keeper, "/metadata/creationTimestamp"));
    Some(Kept { number, template, cause: annotation(CHANGE_CAUSE).unwrap_or_default().into(), at })
}

/// The revision that is meant.
///
/// # Errors
/// There is none of that number, none before the current one, or it is the current one.
pub fn choose(workload: &Value, all: &[Kept], to: Revision) -> Result<Kept, Refusal> {
    let me = ObjectRef::of(workload);
    let numbers = || all.iter().map(|kept| kept.number.to_string()).collect::<Vec<_>>().join(", ");
    let chosen = match to {
        Revision::Number(n) => all.iter().find(|kept| kept.number == n),
        Revision::Back(n) => all.get(n.max(1) as usize),
    };
    match (chosen, all) {
        (_, [] | [_]) => Err(Refusal(format!("{me} has no earlier revision to go back to"))),
        (None, _) => Err(Refusal(format!("{me} has no such revision; it has {}", numbers()))),
        (Some(kept), [current, ..]) if kept.number == current.number => {
            Err(Refusal(format!("{me} is at revision {} already", kept.number)))
        }
        (Some(kept), _) => Ok(kept.clone()),
    }
}

/// The workload as it would be.
pub fn target(workload: &Value, kept: &Kept) -> Value {
    let mut after = workload.clone();
    after["spec"]["template"] = kept.template.clone();
    if !kept.cause.is_empty() {
        FieldPath::annotation(CHANGE_CAUSE).set(&mut after, json!(kept.cause));
    }
    after
}

/// The fields to change in a manifest. The annotation of a restart is not in git and does not matter there.
///
/// # Errors
/// A list got or lost items: that is no change of single fields.
pub fn git_fields(workload: &Value, kept: &Kept) -> Result<Vec<FieldChange>, Refusal> {
    let template = |object: &Value| {
        let mut bare = json!({"spec": {"template": object.pointer("/spec/template").cloned().unwrap_or_default()}});
        FieldPath::keys(["spec", "template", "metadata", "annotations", RESTARTED_AT]).remove(&mut bare);
        bare
    };
    let fields = edit::git_fields(&template(workload), &template(&target(workload, kept)))?;
    match fields.is_empty() {
        true => Err(Refusal(format!(
            "revision {} differs from {} in nothing that stands in git",
            kept.number,
            ObjectRef::of(workload)
        ))),
        false => Ok(fields),
    }
}

/// The list of revisions, the chosen one marked.
pub fn lines(all: &[Kept], chosen: &Kept, now: Time) -> Vec<Line> {
    let current = all.first().map_or(0, |kept| kept.number);
    let line = |(n, kept): (usize, &Kept)| {
        let images: Vec<&str> =
            list_at(&kept.template, "/spec/containers").iter().map(|c| str_at(c, "/image")).collect();
        let age = kept.at.map_or(String::new(), |at| format!("  {} ago", human(at.age(now))));
        let cause = if kept.cause.is_empty() { String::new() } else { format!("  {}", kept.cause) };
        let mark = match kept.number {
            n if n == chosen.number => "→",
            n if n == current => "*",
            _ => " ",
        };
        let text = format!("{mark} {}  {}{age}{cause}", kept.number, images.join(" "));
        Line::new(if n == 0 { "revision" } else { "" }, clean(&text).into_owned())
    };
    all.iter().take(12).enumerate().map(line).collect()
}

/// `rollback deployment/shop/web to revision 3`
pub fn title(workload: &Value, kept: &Kept, cluster: &str) -> String {
    let me = ObjectRef::of(workload);
    let kind = me.kind.to_lowercase();
    clean(&format!("rollback {kind}/{}/{} to revision {} on {cluster}", me.namespace, name(workload), kept.number))
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "d"},
            "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "web"},
                "annotations": {RESTARTED_AT: "2026-11-21T10:00:00Z"}},
                "spec": {"containers": [{"name": "app", "image": "web:3"}]}}}})
    }

    fn set(number: &str, image: &str, cause: &str, owner: &str) -> Value {
        json!({"kind": "ReplicaSet", "metadata": {"name": format!("web-{number}"), "annotations": {NUMBER: number, CHANGE_CAUSE: cause},
            "ownerReferences": [{"uid": owner}]},
            "spec": {"template": {"metadata": {"labels": {"app": "web", "pod-template-hash": "7d"}},
                "spec": {"containers": [{"name": "app", "image": image}]}}}})
    }

    fn all() -> Vec<Kept> {
        let sets = [
            set("1", "web:1", "first", "d"),
            set("9", "x", "", "other"),
            set("3", "web:3", "", "d"),
            set("2", "web:2", "", "d"),
        ];
        history(&web(), &sets)
    }

    #[test]
    fn revisions_are_found_and_chosen() {
        let numbers: Vec<i64> = all().iter().map(|k| k.number).collect();
        assert_eq!(numbers, [3, 2, 1]);
        assert_eq!(choose(&web(), &all(), Revision::Back(1)).unwrap().number, 2);
        assert_eq!(choose(&web(), &all(), Revision::Number(1)).unwrap().cause, "first");
        assert!(choose(&web(), &all(), Revision::Number(3)).unwrap_err().0.contains("already"));
        assert!(choose(&web(), &all(), Revision::Number(7)).unwrap_err().0.contains("it has 3, 2, 1"));
        assert!(choose(&web(), &all()[..1], Revision::Back(1)).unwrap_err().0.contains("no earlier revision"));
    }

    #[test]
    fn the_template_comes_back_without_the_controllers_label() {
        let first = choose(&web(), &all(), Revision::Number(1)).unwrap();
        let after = target(&web(), &first);
        assert_eq!(after["spec"]["template"]["metadata"]["labels"], json!({"app": "web"}));
        assert_eq!(after["metadata"]["annotations"][CHANGE_CAUSE], "first");
        let fields = git_fields(&web(), &first).unwrap();
        assert_eq!(fields.len(), 1, "the restart is no change in git: {fields:?}");
        assert_eq!(fields[0].path.to_string(), "spec.template.spec.containers[app].image");
    }

    #[test]
    fn controller_revisions_keep_templates_too() {
        let keeper = json!({"kind": "ControllerRevision", "revision": 4, "metadata": {"ownerReferences": [{"uid": "d"}]},
            "data": {"spec": {"template": {"$patch": "replace", "spec": {"containers": []}}}}});
        let all = history(&web(), &[keeper]);
        assert_eq!((all[0].number, &all[0].template), (4, &json!({"spec": {"containers": []}})));
    }

    #[test]
    fn the_list_marks_where_one_is_and_where_one_goes() {
        let chosen = choose(&web(), &all(), Revision::Back(1)).unwrap();
        let text: Vec<String> = lines(&all(), &chosen, Time(0)).into_iter().map(|l| l.text).collect();
        assert_eq!(text, ["* 3  web:3", "→ 2  web:2", "  1  web:1  first"]);
    }
}
