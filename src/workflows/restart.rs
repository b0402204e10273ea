//! Restart: the annotation in the pod template by which `kubectl rollout restart` makes a workload replace its pods.
//!
//! It is written live, also where Argo CD tracks the object: git does not set this annotation, and Argo CD neither shows
//! nor takes back what git does not set (measured, under client-side and server-side apply).

use super::rollout::{RolloutPlan, rolls};
use super::{Line, Occasion, Part, Patch, Plan, live};
use crate::gitops::Refusal;
use crate::gitops::change::FieldChange;
use crate::gitops::field::FieldPath;
use crate::world::object::{ObjectRef, bool_at, int_at, str_at};
use crate::world::text::clean;
use serde_json::{Value, json};

/// The annotation.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Where it stands.
pub fn path() -> FieldPath {
    FieldPath::keys(["spec", "template", "metadata", "annotations", RESTARTED_AT])
}

/// Plans a restart of workloads: each with its path on the API server.
///
/// # Errors
/// A kind that has no pods to replace, a Deployment that is paused.
pub fn plan(on: &Occasion<'_>, objects: &[(Value, String)]) -> Result<Plan, Refusal> {
    let (mut lines, mut warnings, mut patches, mut followed) = (vec![], vec![], vec![], vec![]);
    for (n, (object, at)) in objects.iter().enumerate() {
        let me = ObjectRef::of(object);
        if me.group != "apps" || !["Deployment", "StatefulSet", "DaemonSet"].contains(&me.kind.as_str()) {
            return Err(Refusal(format!("{me} cannot be restarted: Deployments, StatefulSets and DaemonSets can")));
        }
        if bool_at(object, "/spec/paused") {
            return Err(Refusal(format!("{me} is paused, so nothing would happen: take spec.paused away first")));
        }
        let before = path().get(object).filter(|v| !v.is_null()).cloned();
        lines.push(Line::new(if n == 0 { "live" } else { "" }, format!("{me}  {}", pods(object))));
        if let Some(owner) = live::writer(object, &path()).filter(|who| who.starts_with("argocd")) {
            warnings.push(format!("{me}: {owner} wrote that annotation, so git sets it: with selfHeal it is put back"));
        }
        match rolls(object) {
            true => followed.push((me.clone(), at.clone())),
            false => warnings
                .push(format!("{me} has the strategy OnDelete: a pod is replaced when it is deleted, not before")),
        }
        let field = FieldChange::new(path(), before, Some(json!(on.now.rfc3339())));
        patches.push(Patch { object: me, path: at.clone(), fields: vec![field] });
    }
    lines.push(Line::new("", format!("spec.template.metadata.annotations[{RESTARTED_AT}]: {}", on.now.rfc3339())));
    if objects.iter().any(|(object, _)| crate::gitops::locate::tracking(object).is_ok()) {
        lines.push(Line::new("git", "no commit: Argo CD leaves alone what git does not set, and shows no difference"));
    }
    lines.push(Line::new("order", "live, then followed until the new pods are available"));
    lines.push(Line::new("undo", format!("kokpit ops {} --undo  ·  replaces the pods once more", on.id)));
    if !on.reason.trim().is_empty() {
        lines.push(Line::new("reason", clean(on.reason.trim()).into_owned()));
    }
    lines.extend(warnings.into_iter().map(|text| Line::warning(clean(&text).into_owned())));
    let what = match objects {
        [(one, _)] => {
            let me = ObjectRef::of(one);
            format!("{}/{}/{}", me.kind.to_lowercase(), me.namespace, me.name)
        }
        all => format!("{} workloads", all.len()),
    };
    let mut parts = vec![Part::Live { patches }];
    if !followed.is_empty() {
        parts.push(Part::Rollout(RolloutPlan::new(followed)));
    }
    Ok(Plan { parts, lines, ..on.draft("restart", format!("restart {what} on {}", on.cluster)) })
}

/// How its pods are replaced.
fn pods(object: &Value) -> String {
    let wanted = int_at(object, "/status/desiredNumberScheduled").or(int_at(object, "/spec/replicas")).unwrap_or(1);
    match str_at(object, "/spec/strategy/type") {
        _ if wanted == 0 => "it has no pods: nothing to replace".into(),
        "Recreate" => format!("all {wanted} pods are ended, then new ones are made (Recreate): it is down meanwhile"),
        _ => format!("{wanted} pods are replaced, some at a time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::time::Time;

    fn on() -> Occasion<'static> {
        let now = Time::parse("2026-11-21T10:00:00Z").unwrap();
        Occasion { id: "01JD".into(), cluster: "prod", identity: None, protected: false, now, reason: "" }
    }

    fn web(extra: Value) -> (Value, String) {
        let mut web = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"}, "spec": {"replicas": 2, "template": {}}});
        json_patch::merge(&mut web, &extra);
        (web, "/web".into())
    }

    #[test]
    fn the_annotation_is_written_live_and_the_rollout_followed() {
        let plan = plan(&on(), &[web(json!({}))]).unwrap();
        let [Part::Live { patches }, Part::Rollout(_)] = &plan.parts[..] else { panic!("{:?}", plan.parts) };
        let live::Decision::Send(body) = live::decide(&web(json!({})).0, &patches[0]) else { panic!("it is sent") };
        assert_eq!(body["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT], "2026-11-21T10:00:00Z");
        assert_eq!(plan.title, "restart deployment/shop/web on prod");
        assert!(plan.lines.iter().any(|l| l.text.contains("2 pods are replaced, some at a time")));
    }

    #[test]
    fn what_argo_cd_does_with_it_is_said() {
        let id =
            json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}});
        let tracked = plan(&on(), &[web(id)]).unwrap();
        assert!(tracked.lines.iter().any(|l| l.label == "git" && l.text.starts_with("no commit")));
        let fields =
            json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {format!("f:{RESTARTED_AT}"): {}}}}}});
        let owned = json!({"metadata": {"managedFields": [{"manager": "argocd-controller", "fieldsV1": fields}]}});
        let owned = plan(&on(), &[web(owned)]).unwrap();
        assert!(owned.lines.iter().any(|l| l.text.contains("git sets it: with selfHeal it is put back")));
    }

    #[test]
    fn what_would_do_nothing_is_refused_or_said() {
        assert!(plan(&on(), &[web(json!({"spec": {"paused": true}}))]).unwrap_err().0.contains("is paused"));
        assert!(plan(&on(), &[web(json!({"kind": "ReplicaSet"}))]).unwrap_err().0.contains("cannot be restarted"));
        let set = json!({"kind": "DaemonSet", "spec": {"updateStrategy": {"type": "OnDelete"}}});
        let idle = plan(&on(), &[web(set)]).unwrap();
        assert!(idle.parts.len() == 1 && idle.lines.iter().any(|l| l.text.contains("OnDelete")));
    }
}
