//! Fields of a workload that an Application tracks from a plain directory: scale, requests and limits of a container.
//!
//! Commit first and no live write: Argo CD would take a live change back within seconds (docs `auto_sync.md`).

use super::{CommitPlan, Line, Occasion, Part, Patch, Plan, SyncPlan, Target, live, message::Message};
use crate::gitops::change::{Applied, Change, FieldChange, diff, show};
use crate::gitops::field::{FieldPath, Segment};
use crate::gitops::{Refusal, yaml};
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::quantity::{Amounts, Quantity};
use crate::world::text::clean;
use serde_json::{Value, json};

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// `spec.replicas`
    Replicas(u32),
    /// `resources` of a container; what is not named stays. An empty name means the only container.
    Resources {
        /// Name of the container.
        container: String,
        /// What it is promised.
        requests: Amounts,
        /// What it may use.
        limits: Amounts,
    },
    /// Images of containers, `(container, image)`; an empty name means the only container.
    Images(Vec<(String, String)>),
    /// `spec.suspend` of a CronJob or a Job.
    Suspend(bool),
    /// Fields of an earlier pod template ([`super::rollback::git_fields`]).
    Template(Vec<FieldChange>),
    /// Fields as edited by hand ([`super::edit::git_fields`]).
    Fields(Vec<FieldChange>),
}

impl Want {
    /// Name of the workflow.
    pub fn kind(&self) -> &'static str {
        match self {
            Want::Replicas(_) => "scale",
            Want::Resources { .. } => "resources",
            Want::Images(_) => "set-image",
            Want::Suspend(true) => "suspend-job",
            Want::Suspend(false) => "resume-job",
            Want::Template(_) => "rollback",
            Want::Fields(_) => "edit",
        }
    }

    /// Whether pods are made anew by it.
    pub fn rolls(&self) -> bool {
        matches!(self, Want::Resources { .. } | Want::Images(_) | Want::Template(_))
    }
}

/// What is known of the object and its place in git.
#[derive(Clone, Debug)]
pub struct FieldFacts {
    /// The live object.
    pub object: Value,
    /// Its path on the API server.
    pub path: String,
    /// The Application that tracks it.
    pub application: Value,
    /// How to wait for it.
    pub sync: SyncPlan,
    /// Every HorizontalPodAutoscaler of the namespace.
    pub autoscalers: Vec<Value>,
    /// The file.
    pub file: String,
    /// Its text at the tip of the branch.
    pub text: String,
    /// Its text at the revision that is deployed, where that is known.
    pub deployed: Option<String>,
    /// Who changed the file since that revision, where somebody did.
    pub ahead: Option<String>,
}

/// A field and its new value; `None` takes it away.
pub type Wanted = (FieldPath, Option<Value>);

/// The fields to change and their new values.
///
/// # Errors
/// No such container, not a quantity, a request that would be above the limit, a kind without such fields.
pub fn fields(object: &Value, want: &Want) -> Result<Vec<Wanted>, Refusal> {
    let me = ObjectRef::of(object);
    let known =
        me.group == "apps" && ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"].contains(&me.kind.as_str());
    match want {
        Want::Images(images) => super::image::fields(object, images),
        Want::Suspend(suspend) => super::image::suspend(object, *suspend),
        Want::Fields(fields) | Want::Template(fields) => {
            super::edit::unchanged(object, fields)?;
            Ok(fields.iter().map(|f| (f.path.clone(), f.after.clone())).collect())
        }
        Want::Replicas(n) if known && me.kind != "DaemonSet" => {
            Ok(vec![(FieldPath::keys(["spec", "replicas"]), Some(json!(n)))])
        }
        Want::Replicas(_) => Err(Refusal(format!("{me} has no replicas to scale"))),
        Want::Resources { .. } if !known => {
            Err(Refusal(format!("{me} is no workload whose requests and limits kokpit can change")))
        }
        Want::Resources { container, requests, limits } => {
            resources(object, container, [("requests", requests), ("limits", limits)])
        }
    }
}

fn resources(object: &Value, container: &str, wanted: [(&str, &Amounts); 2]) -> Result<Vec<Wanted>, Refusal> {
    let me = ObjectRef::of(object);
    let containers = list_at(object, "/spec/template/spec/containers");
    let names = || containers.iter().map(|c| str_at(c, "/name")).collect::<Vec<_>>().join(", ");
    let mut found = match containers {
        [only] if container.is_empty() => only.clone(),
        all => all
            .iter()
            .find(|c| str_at(c, "/name") == container)
            .cloned()
            .ok_or_else(|| Refusal(format!("{me} has no container {container:?}; it has {}", names())))?,
    };
    let base = FieldPath::keys(["spec", "template", "spec", "containers"]).item(str_at(&found, "/name"));
    let mut fields = vec![];
    for (kind, amounts) in wanted {
        for (resource, text) in amounts.named() {
            Quantity::parse(text).filter(|q| q.0 > 0).ok_or_else(|| {
                Refusal(format!("{text:?} is not an amount of {resource}: write something like 500m or 512Mi"))
            })?;
            FieldPath::keys(["resources", kind, resource]).set(&mut found, json!(text));
            fields.push((base.clone().key("resources").key(kind).key(resource), Some(json!(text))));
        }
    }
    if fields.is_empty() {
        return Err(Refusal("no request and no limit was named: say cpu or memory".into()));
    }
    within_limits(&found).map(|()| fields)
}

/// Refuses a container whose request is above its limit: no pod of it would be accepted (validation of
/// `ResourceRequirements`).
fn within_limits(container: &Value) -> Result<(), Refusal> {
    for resource in ["cpu", "memory"] {
        let amount = |kind: &str| match container.pointer(&format!("/resources/{kind}/{resource}")) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let (Some(request), Some(limit)) = (amount("requests"), amount("limits")) else { continue };
        if let (Some(r), Some(l)) = (Quantity::parse(&request), Quantity::parse(&limit))
            && r > l
        {
            return Err(Refusal(format!(
                "the request of {request} {resource} would be above the limit of {limit}: change both"
            )));
        }
    }
    Ok(())
}

/// A strategic merge patch with the same fields, for the server's dry run.
pub fn dry_run_patch(fields: &[Wanted]) -> Value {
    let mut patch = json!({});
    for (path, value) in fields {
        let part = path.0.iter().rev().fold(value.clone().unwrap_or(Value::Null), |inner, segment| match segment {
            Segment::Key(key) => json!({ key.as_str(): inner }),
            Segment::Item { name } => {
                let mut item = json!({ "name": name });
                json_merge(&mut item, inner);
                json!([item])
            }
            Segment::Index(_) => inner,
        });
        json_merge(&mut patch, part);
    }
    patch
}

fn json_merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.into_iter().for_each(|(key, value)| json_merge(into.entry(key).or_insert(Value::Null), value));
        }
        (Value::Array(into), Value::Array(from)) if into.len() == from.len() => {
            into.iter_mut().zip(from).for_each(|(into, from)| json_merge(into, from));
        }
        (into, from) => *into = from,
    }
}

/// Plans the change.
///
/// # Errors
/// An autoscaler owns the field, Argo CD is told to ignore it, git is ahead of the cluster, the file cannot be edited.
pub fn plan(on: &Occasion<'_>, target: &Target, facts: &FieldFacts, want: &Want) -> Result<Plan, Refusal> {
    let me = ObjectRef::of(&facts.object);
    let wanted = fields(&facts.object, want)?;
    if wanted.iter().any(|(path, _)| *path == FieldPath::keys(["spec", "replicas"])) {
        autoscaled(&me, &facts.autoscalers)?;
    }
    let (mut changes, mut checks, mut warnings) = (vec![], vec![], vec![]);
    for (path, value) in &wanted {
        ignored(&facts.application, &me, path)?;
        let read = |text: &str| yaml::read(text, &me, path).map_err(|r| Refusal(format!("{} {}", facts.file, r.0)));
        let (in_git, live) = (read(&facts.text)?, path.get(&facts.object).filter(|v| !v.is_null()).cloned());
        if let Some(Ok(deployed)) = facts.deployed.as_deref().map(read)
            && deployed != in_git
        {
            let who = facts.ahead.as_ref().map_or(String::new(), |who| format!(" ({who})"));
            return Err(Refusal(format!(
                "git is ahead of the cluster{who}: {path} is {} at the tip of {}, and {} where the Application stands. \
                 Wait until Argo CD has taken that",
                show(&in_git),
                target.branch,
                show(&deployed)
            )));
        }
        let patch = |after: Option<Value>| Patch {
            object: me.clone(),
            path: facts.path.clone(),
            fields: vec![FieldChange::new(path.clone(), live.clone(), after)],
        };
        let drifted = in_git.is_some() && live::differs(&facts.object, &patch(in_git.clone())).is_some();
        if in_git.is_none() && value.is_none() {
            return Err(Refusal(format!("{} does not set {path}, so it cannot be taken away there", facts.file)));
        }
        if path.0.iter().any(|s| matches!(s, Segment::Index(_))) && in_git != live {
            return Err(Refusal(format!(
                "{path} is {} in {} and {} live: which item is meant is not known, change the file by hand",
                show(&in_git),
                facts.file,
                show(&live)
            )));
        }
        if in_git == *value && !drifted {
            continue;
        }
        if in_git.is_none() {
            warnings.push(format!("git does not set {path} yet; from now on it does"));
        }
        if drifted {
            let who = live::writer(&facts.object, path).map_or(String::new(), |who| format!(" (by {who})"));
            warnings.push(format!("live it is {}{who}, git says {}", show(&live), show(&in_git)));
        }
        changes.push(FieldChange::new(path.clone(), in_git, value.clone()));
        checks.push(FieldChange::new(path.clone(), live, value.clone()));
    }
    let automated = facts.sync.automated;
    if !automated {
        let app = &facts.sync.application.name;
        warnings.push(format!("{app} does not sync by itself: after the commit, sync it (argocd app sync {app})"));
    }
    let kind = want.kind();
    let title = format!("{kind} {}/{}", me.kind.to_lowercase(), qualified(&facts.object));
    let mut draft = on.draft(kind, format!("{title} on {}", on.cluster));
    let change = Change { file: facts.file.clone(), object: me.clone(), baseline: None, fields: changes };
    for (path, value) in &wanted {
        let live = path.get(&facts.object).filter(|v| !v.is_null()).cloned();
        let arrow = format!("{}  {path}: {} → {}", qualified(&facts.object), show(&live), show(value));
        draft.lines.push(Line::new("live", arrow));
    }
    if change.fields.is_empty() {
        draft.lines.push(Line::new("", "nothing to do: the cluster and git say so already"));
        return Ok(draft);
    }
    let after = match change.apply(Some(&facts.text))? {
        Applied::Texts(texts) => texts.last().cloned().unwrap_or_default(),
        Applied::Already => facts.text.clone(),
    };
    let app = format!("{}/{}", facts.sync.application.namespace, facts.sync.application.name);
    draft.lines.push(Line::new("git", format!("{} {}  {}", target.repository, target.branch, facts.file)));
    draft.lines.extend(Line::diff(diff(&facts.text, &after).iter().map(|l| clean(l).into_owned()).collect()));
    let signed = if target.signed { ", signed" } else { "" };
    draft.lines.push(Line::new("", format!("by {}{signed}", target.by)));
    draft.lines.push(Line::new("order", format!("commit, push, refresh of {app}, then verified live; no live write")));
    draft.lines.push(Line::new("undo", format!("kokpit ops {} --undo", on.id)));
    if !on.reason.trim().is_empty() {
        draft.lines.push(Line::new("reason", clean(on.reason.trim()).into_owned()));
    }
    draft.lines.extend(warnings.into_iter().map(|w| Line::warning(clean(&w).into_owned())));
    let message = Message {
        subject: format!("ops({kind}): {} {}", title.trim_start_matches(kind).trim(), summary(&wanted)),
        reason: on.reason,
        op: kind,
        id: &on.id,
        cluster: on.cluster,
        object: me.clone(),
        application: Some(app),
    };
    let commit = CommitPlan { change, message: message.text(), adopt: String::new() };
    let verify = Patch { object: me, path: facts.path.clone(), fields: checks };
    draft.parts = vec![
        Part::Git(target.plan(&on.id, vec![commit])),
        Part::Sync(facts.sync.clone()),
        Part::Verify { patches: vec![verify] },
    ];
    if matches!(want, Want::Images(_) | Want::Template(_)) && super::rollout::rolls(&facts.object) {
        let followed = vec![(ObjectRef::of(&facts.object), facts.path.clone())];
        draft.parts.push(Part::Rollout(super::rollout::RolloutPlan::new(followed)));
    }
    Ok(draft)
}

fn qualified(object: &Value) -> String {
    match namespace(object) {
        "" => name(object).into(),
        ns => format!("{ns}/{}", name(object)),
    }
}

/// `replicas 5`, `requests.memory 512Mi, limits.memory 1Gi`
fn summary(wanted: &[Wanted]) -> String {
    let one = |(path, value): &Wanted| {
        let name = match &path.0[..] {
            [.., Segment::Key(kind), Segment::Key(resource)] if ["requests", "limits"].contains(&kind.as_str()) => {
                format!("{kind}.{resource}")
            }
            [.., Segment::Key(key)] => key.clone(),
            _ => path.to_string(),
        };
        let value = match value {
            Some(Value::String(text)) => text.lines().next().unwrap_or_default().to_string(),
            other => show(other),
        };
        format!("{name} {value}")
    };
    match wanted {
        [first, _, _, rest @ ..] if !rest.is_empty() => format!("{} and {} more", one(first), wanted.len() - 1),
        few => few.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

/// Refuses where a HorizontalPodAutoscaler (KEDA makes one too) sets the replicas.
///
/// # Errors
/// One does.
pub fn autoscaled(me: &ObjectRef, autoscalers: &[Value]) -> Result<(), Refusal> {
    let owner = autoscalers.iter().find(|hpa| {
        let target = |field: &str| str_at(hpa, &format!("/spec/scaleTargetRef/{field}"));
        namespace(hpa) == me.namespace && target("kind") == me.kind && target("name") == me.name
    });
    owner.map_or(Ok(()), |hpa| {
        let bound = |field: &str| hpa.pointer(&format!("/spec/{field}")).map_or("1".into(), Value::to_string);
        let (hpa, min, max) = (name(hpa), bound("minReplicas"), bound("maxReplicas"));
        Err(Refusal(format!(
            "the HorizontalPodAutoscaler {hpa} owns the replicas of {me} ({min} to {max}): change its bounds instead"
        )))
    })
}

/// Refuses fields that Argo CD is told to ignore: a commit of such a field alone never arrives.
fn ignored(application: &Value, me: &ObjectRef, path: &FieldPath) -> Result<(), Refusal> {
    let keys: Option<Vec<&str>> =
        path.0.iter().map(|s| if let Segment::Key(k) = s { Some(k.as_str()) } else { None }).collect();
    let pointer = keys.map(|keys| format!("/{}", keys.join("/")));
    let applies = |rule: &&Value| {
        let matches = |field: &str, mine: &str| ["", "*", mine].contains(&str_at(rule, &format!("/{field}")));
        let covers =
            |listed: &Value| listed.as_str().is_some_and(|l| pointer.as_deref().is_some_and(|p| p.starts_with(l)));
        matches("group", &me.group)
            && matches("kind", &me.kind)
            && matches("name", &me.name)
            && matches("namespace", &me.namespace)
            && list_at(rule, "/jsonPointers").iter().any(covers)
    };
    match list_at(application, "/spec/ignoreDifferences").iter().any(|rule| applies(&rule)) {
        true => Err(Refusal(format!(
            "Application {} ignores differences of {path} (ignoreDifferences): a commit of it alone would never arrive. \
             Change it live, or take the rule away",
            name(application)
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
