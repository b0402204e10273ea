//! Where a field stands in git, as far as the objects prove it.
//!
//! An object that Argo CD manages carries `argocd.argoproj.io/tracking-id: <app>:<group>/<Kind>:<ns>/<name>`. An
//! annotation that names another object was copied and proves nothing (Argo CD ignores it too). The instance label
//! alone is no proof: Helm charts write it as well.

use super::facts::{Case, Fact, Knowable};
use super::kin;
use super::kinds::APPLICATIONS;
use super::verdict::{Fix, GitField};
use crate::world::object::{ObjectRef, bool_at, list_at, name, namespace, str_at};
use serde_json::Value;

/// Annotation with the tracking id.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";

/// The Application that manages an object, by the object's own tracking id.
pub fn application_of<'a>(case: &Case<'a>, object: &Value) -> Fact<Option<&'a Value>> {
    let annotations = object.pointer("/metadata/annotations");
    let Some(id) = annotations.and_then(|a| a.get(TRACKING_ID)).and_then(Value::as_str) else { return Ok(None) };
    let Some((app_ns, app)) = tracked_by(id, &ObjectRef::of(object)) else { return Ok(None) };
    let apps = case.list(APPLICATIONS, None).known()?.unwrap_or_default();
    Ok(apps.into_iter().find(|a| name(a) == app && app_ns.is_none_or(|ns| namespace(a) == ns)))
}

/// The Application (and its namespace, where the id names one) of a tracking id, if it speaks of this very object.
fn tracked_by<'i>(id: &'i str, at: &ObjectRef) -> Option<(Option<&'i str>, &'i str)> {
    let mut parts = id.splitn(3, ':');
    let (app, kind, object) = (parts.next()?, parts.next()?, parts.next()?);
    let (group, kind) = kind.split_once('/')?;
    let (ns, object) = object.split_once('/')?;
    let same_ns = at.namespace.is_empty() || ns == at.namespace;
    if group != at.group || kind != at.kind || object != at.name || !same_ns {
        return None;
    }
    Some(match app.split_once('_') {
        Some((ns, app)) => (Some(ns), app),
        None => (None, app),
    })
}

/// Whether an Application puts back what is changed live.
pub fn self_heals(app: &Value) -> bool {
    let off = app.pointer("/spec/syncPolicy/automated/enabled") == Some(&Value::Bool(false));
    !off && bool_at(app, "/spec/syncPolicy/automated/selfHeal")
}

/// The place of a field in the repository of an Application.
pub fn field_of(app: &Value, field: &str) -> GitField {
    let single = app.pointer("/spec/source");
    let source = single.or_else(|| list_at(app, "/spec/sources").iter().find(|s| str_at(s, "/ref").is_empty()));
    let at = |pointer: &str| source.map_or("", |s| str_at(s, pointer)).to_owned();
    let path = match at("/path") {
        path if path.is_empty() => at("/chart"),
        path => path,
    };
    GitField {
        application: format!("{}/{}", namespace(app), name(app)),
        repo: at("/repoURL"),
        path,
        revision: at("/targetRevision"),
        field: field.into(),
    }
}

impl<'a> Case<'a> {
    /// A fix for a field of an object, or of the workload that made it. With an Application behind it the fix
    /// names the place in git, and says so when a live change would not last.
    pub fn fix(
        &self,
        object: &'a Value,
        field: &str,
        summary: impl Into<String>,
        live: impl Into<String>,
    ) -> Fact<Fix> {
        let mut fix = Fix { summary: summary.into(), live: live.into(), git: None, verified: false };
        let root = kin::top_owner(self, object)?;
        if let Some(app) = application_of(self, root)? {
            fix.git = Some(field_of(app, field));
            if self_heals(app) && !fix.live.is_empty() {
                fix.summary.push_str(&format!(
                    " (change it in git: Application {} heals itself and reverts a live change of what git sets)",
                    name(app)
                ));
            }
        }
        Ok(fix)
    }
}

/// A field of a container as the workload's manifest has it: `spec.containers[0].image` of a pod is
/// `spec.template.spec.containers[0].image` of its Deployment.
pub fn template_field(workload: &Value, field: &str) -> String {
    match str_at(workload, "/kind") {
        "Pod" => field.to_owned(),
        "CronJob" => format!("spec.jobTemplate.spec.template.{field}"),
        _ => format!("spec.template.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracking_id_proves_only_its_own_object() {
        let web = ObjectRef::new("apps", "Deployment", "shop", "web");
        assert_eq!(tracked_by("shop:apps/Deployment:shop/web", &web), Some((None, "shop")));
        assert_eq!(tracked_by("team_shop:apps/Deployment:shop/web", &web), Some((Some("team"), "shop")));
        assert_eq!(tracked_by("shop:apps/Deployment:shop/api", &web), None, "copied from another object");
        assert_eq!(tracked_by("shop:/Node:default/n1", &ObjectRef::new("", "Node", "", "n1")), Some((None, "shop")));
        assert_eq!(tracked_by("nonsense", &web), None);
    }
}
