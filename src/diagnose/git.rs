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

/// What an object's tracking id claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The namespace of the Application, where the id names one: Applications outside Argo CD's own namespace.
    pub namespace: Option<&'a str>,
    /// The name of the Application.
    pub application: &'a str,
    /// Whether the id speaks of this very object; one that was copied from another object proves nothing.
    pub proven: bool,
}

impl Claim<'_> {
    /// Whether this Application is meant.
    pub fn is(&self, app: &Value) -> bool {
        let home = match str_at(app, "/status/controllerNamespace") {
            "" => namespace(app),
            home => home,
        };
        name(app) == self.application && namespace(app) == self.namespace.unwrap_or(home)
    }
}

/// What the tracking id of an object claims; `None` without one.
pub fn claim(object: &Value) -> Option<Claim<'_>> {
    let annotations = object.pointer("/metadata/annotations")?;
    read_claim(annotations.get(TRACKING_ID)?.as_str()?, &ObjectRef::of(object))
}

fn read_claim<'i>(id: &'i str, at: &ObjectRef) -> Option<Claim<'i>> {
    let mut parts = id.splitn(3, ':');
    let (app, kind, object) = (parts.next()?, parts.next()?, parts.next()?);
    let (group, kind) = kind.split_once('/')?;
    let (ns, object) = object.split_once('/')?;
    let same_ns = at.namespace.is_empty() || ns == at.namespace;
    let proven = group == at.group && kind == at.kind && object == at.name && same_ns;
    Some(match app.split_once('_') {
        Some((ns, application)) => Claim { namespace: Some(ns), application, proven },
        None => Claim { namespace: None, application: app, proven },
    })
}

/// The Application that manages an object, by the object's own tracking id.
pub fn application_of<'a>(case: &Case<'a>, object: &Value) -> Fact<Option<&'a Value>> {
    let Some(claim) = claim(object).filter(|claim| claim.proven) else { return Ok(None) };
    let apps = case.list(APPLICATIONS, None).known()?.unwrap_or_default();
    let all: Vec<&Value> = apps.into_iter().filter(|app| claim.is(app)).collect();
    // Several Argo CDs in one cluster may each have an Application of that name: the one that lists the object.
    Ok(match all.as_slice() {
        [only] => Some(only),
        several => several.iter().find(|app| lists(app, &ObjectRef::of(object))).copied(),
    })
}

/// The Application that manages an object: one of its own cluster, else one of another open cluster of the fleet that
/// deploys here, with the name of that cluster.
pub fn manager_of<'a>(case: &Case<'a>, object: &Value) -> Fact<Option<(&'a Value, Option<&'a str>)>> {
    if let Some(app) = application_of(case, object)? {
        return Ok(Some((app, None)));
    }
    let Some(claim) = claim(object).filter(|claim| claim.proven) else { return Ok(None) };
    let all: Vec<_> = case.deployers()?.iter().filter(|(_, app)| claim.is(app)).collect();
    let found = match all.as_slice() {
        [only] => Some(*only),
        several => several.iter().find(|(_, app)| lists(app, &ObjectRef::of(object))).copied(),
    };
    Ok(found.map(|(cluster, app)| (app, Some(cluster.as_str()))))
}

/// Whether an Application counts an object among its own.
pub fn lists(app: &Value, at: &ObjectRef) -> bool {
    list_at(app, "/status/resources").iter().any(|r| {
        let is = |field: &str, wanted: &str| str_at(r, field) == wanted;
        is("/group", &at.group) && is("/kind", &at.kind) && is("/namespace", &at.namespace) && is("/name", &at.name)
    })
}

/// Whether an Application puts back what is changed live.
pub fn self_heals(app: &Value) -> bool {
    let off = app.pointer("/spec/syncPolicy/automated/enabled") == Some(&Value::Bool(false));
    !off && bool_at(app, "/spec/syncPolicy/automated/selfHeal")
}

/// The place of a field in the repository of an Application: of its source, or of the first that renders something.
pub fn field_of(app: &Value, field: &str) -> GitField {
    let single = app.pointer("/spec/source");
    let source = single.or_else(|| list_at(app, "/spec/sources").iter().find(|s| str_at(s, "/ref").is_empty()));
    place(app, source.unwrap_or(&Value::Null), field)
}

/// The place of a field in the repository of one of several sources, by its index in `spec.sources`.
pub fn field_of_source(app: &Value, index: usize, field: &str) -> GitField {
    place(app, list_at(app, "/spec/sources").get(index).unwrap_or(&Value::Null), field)
}

fn place(app: &Value, source: &Value, field: &str) -> GitField {
    let path = match str_at(source, "/path") {
        "" => str_at(source, "/chart"),
        path => path,
    };
    GitField {
        application: format!("{}/{}", namespace(app), name(app)),
        cluster: None,
        repo: str_at(source, "/repoURL").into(),
        path: path.into(),
        revision: str_at(source, "/targetRevision").into(),
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
        let app = manager_of(self, root)?;
        let readable = || self.list(APPLICATIONS, None).is_ok();
        if let (None, Some(claim)) = (app, claim(root).filter(|claim| claim.proven && readable())) {
            fix.summary
                .push_str(&format!(" (Application {} manages it; it was found in no open cluster)", claim.application));
        }
        if let Some((app, cluster)) = app {
            fix.git = Some(GitField { cluster: cluster.map(Into::into), ..field_of(app, field) });
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
        let read = |id| read_claim(id, &web).map(|c| (c.namespace, c.application, c.proven));
        assert_eq!(read("shop:apps/Deployment:shop/web"), Some((None, "shop", true)));
        assert_eq!(read("team_shop:apps/Deployment:shop/web"), Some((Some("team"), "shop", true)));
        assert_eq!(read("shop:apps/Deployment:shop/api"), Some((None, "shop", false)), "copied from another object");
        let node = ObjectRef::new("", "Node", "", "n1");
        assert!(read_claim("shop:/Node:default/n1", &node).is_some_and(|c| c.proven));
        assert_eq!(read("nonsense"), None);
    }

    #[test]
    fn a_claim_means_the_application_of_its_own_argo() {
        let app = |ns: &str, controller: &str| {
            serde_json::json!({"metadata": {"name": "shop", "namespace": ns},
            "status": {"controllerNamespace": controller}})
        };
        let claim = Claim { namespace: None, application: "shop", proven: true };
        assert!(claim.is(&app("argocd", "argocd")));
        assert!(!claim.is(&app("team", "argocd")), "an Application elsewhere is called team_shop");
        assert!(Claim { namespace: Some("team"), ..claim }.is(&app("team", "argocd")));
    }
}
