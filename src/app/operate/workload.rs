//! Workloads: what restarts, rollbacks, runs of CronJobs and live changes are planned from, and what of them is done.

use super::Site;
use super::gather::{self, PlanError};
use crate::cluster::api::MERGE_PATCH;
use crate::gitops::field::FieldPath;
use crate::gitops::{Refusal, locate};
use crate::kinds;
use crate::workflows::create::{self, CreatePlan};
use crate::workflows::edit::{self, EditFacts};
use crate::workflows::field::{self, Want};
use crate::workflows::rollback::{self, Kept, Revision};
use crate::workflows::rollout::{RolloutPlan, rolls, stand};
use crate::workflows::{Event, Line, Occasion, Part, Plan, restart as restarting};
use crate::world::object::{ObjectRef, name, namespace};
use serde_json::Value;

/// How often something that lost against another writer is decided anew.
const CONFLICTS: usize = 6;

/// Plans a restart.
pub(super) async fn restart(site: &Site, on: &Occasion<'_>, objects: &[ObjectRef]) -> Result<Plan, PlanError> {
    let mut found = vec![];
    for object in objects {
        found.push(gather::fetched_object(site, object).await?);
    }
    let plan = restarting::plan(on, &found)?;
    let mut untried = vec![];
    for part in &plan.parts {
        let Part::Live { patches } = part else { continue };
        for patch in patches {
            untried.extend(
                gather::try_out(site, &patch.path, MERGE_PATCH, &edit::merge_patch(&patch.fields)).await?.err(),
            );
        }
    }
    Ok(with(plan, untried))
}

/// Plans a run of a CronJob.
pub(super) async fn trigger(site: &Site, on: &Occasion<'_>, object: &ObjectRef, job: &str) -> Result<Plan, PlanError> {
    let (cron, _) = gather::fetched_object(site, object).await?;
    let plan = create::trigger(on, &cron, job)?;
    let mut untried = vec![];
    for part in &plan.parts {
        let Part::Create(create) = part else { continue };
        match site.api.post(&format!("{}?dryRun=All", create.collection), &create.manifest).await {
            Ok(_) => {}
            Err(e) if e.code() == 403 => {
                untried.push(Line::warning(format!("the server did not try it out for us: {e}")));
            }
            Err(e) => return Err(PlanError::Refused(format!("{} refuses the Job: {e}", site.cluster))),
        }
    }
    Ok(with(plan, untried))
}

/// Plans going back to an earlier pod template.
pub(super) async fn rollback(
    site: &Site,
    on: &Occasion<'_>,
    object: &ObjectRef,
    to: Revision,
) -> Result<Plan, PlanError> {
    let (live, path) = gather::fetched_object(site, object).await?;
    let all = revisions(site, &live).await?;
    let chosen = rollback::choose(&live, &all, to)?;
    let mut plan = match locate::tracking(&live) {
        Ok(_) => {
            let fields = rollback::git_fields(&live, &chosen).map_err(|r| {
                Refusal(format!(
                    "{object} is tracked by Argo CD, so it is rolled back in git, and that cannot be done here: {}",
                    r.0
                ))
            })?;
            let want = Want::Template(fields);
            let rejected = gather::dry_run(site, &path, &live, &want).await?;
            gather::commit(site, on, (live.clone(), path), &want, rejected).await?
        }
        Err(untracked) => {
            let after = rollback::target(&live, &chosen);
            replaced(site, on, live.clone(), path, after, untracked).await?
        }
    };
    plan.kind = "rollback".into();
    plan.title = rollback::title(&live, &chosen, &site.cluster);
    plan.lines.splice(0..0, rollback::lines(&all, &chosen, on.now));
    Ok(plan)
}

/// The kept pod templates of a workload, newest first.
async fn revisions(site: &Site, live: &Value) -> Result<Vec<Kept>, PlanError> {
    let me = ObjectRef::of(live);
    let keeper = match (me.group.as_str(), me.kind.as_str()) {
        ("apps", "Deployment") => "ReplicaSet",
        ("apps", "StatefulSet" | "DaemonSet") => "ControllerRevision",
        _ => {
            return Err(Refusal(format!("{me} keeps no revisions: Deployments, StatefulSets and DaemonSets do")).into());
        }
    };
    let keepers = gather::list(site, "apps", "v1", keeper, Some(namespace(live)), "").await;
    let keepers = keepers.map_err(|e| {
        PlanError::Refused(format!(
            "the {keeper}s of {} cannot be read, so its revisions are not known: {e}",
            name(live)
        ))
    })?;
    Ok(rollback::history(live, &keepers))
}

/// Plans a change of an object that no repository holds.
pub(super) async fn live(
    site: &Site,
    on: &Occasion<'_>,
    object: Value,
    path: String,
    want: &Want,
    untracked: Refusal,
) -> Result<Plan, PlanError> {
    let me = ObjectRef::of(&object);
    let wanted = field::fields(&object, want)?;
    if matches!(want, Want::Replicas(_)) {
        // (Where autoscalers cannot be read, the write is still the person's to decide.)
        let all = gather::list(site, "autoscaling", "v2", "HorizontalPodAutoscaler", Some(&me.namespace), "").await;
        field::autoscaled(&me, &all.unwrap_or_default())?;
    }
    let mut after = object.clone();
    for (path, value) in &wanted {
        match value {
            Some(value) => drop(path.set(&mut after, value.clone())),
            None => drop(path.remove(&mut after)),
        }
    }
    let follow = want.rolls() && rolls(&object);
    let mut plan = replaced(site, on, object, path, after, untracked).await?;
    if !follow {
        plan.parts.retain(|part| !matches!(part, Part::Rollout(_)));
    }
    let kind = want.kind();
    plan.title = plan.title.replacen("edit", kind, 1);
    plan.kind = kind.into();
    Ok(plan)
}

/// A live change from one state of an object to another, followed where it makes pods anew.
async fn replaced(
    site: &Site,
    on: &Occasion<'_>,
    object: Value,
    path: String,
    after: Value,
    untracked: Refusal,
) -> Result<Plan, PlanError> {
    let fields = edit::live_fields(&object, &after);
    if fields.is_empty() {
        return Err(PlanError::Refused(format!("{} is so already: there is nothing to do", ObjectRef::of(&object))));
    }
    let (stored, untried) = match gather::try_out(site, &path, MERGE_PATCH, &edit::merge_patch(&fields)).await? {
        Ok(stored) => (Some(stored), None),
        Err(untried) => (None, Some(untried)),
    };
    let text =
        |object: &Value| kinds::yaml::lines(&edit::editable(object), kinds::yaml::Options::default()).join("\n") + "\n";
    let (before, shown) = (text(&object), text(&after));
    let followed = rolls(&object).then(|| vec![(ObjectRef::of(&object), path.clone())]);
    let fields = match stored {
        Some(stored) => edit::as_stored(fields, &stored),
        None => fields,
    };
    let templated = fields.iter().any(|f| f.path.0.starts_with(&FieldPath::keys(["spec", "template"]).0));
    let facts = EditFacts { object, path, fields, untracked: untracked.0, before, after: shown };
    let mut plan = edit::plan(on, &facts)?;
    if let Some(followed) = followed.filter(|_| templated) {
        plan.parts.push(Part::Rollout(RolloutPlan::new(followed)));
    }
    if !on.reason.trim().is_empty() {
        plan.lines.push(Line::new("reason", crate::world::text::clean(on.reason.trim()).into_owned()));
    }
    Ok(with(plan, untried))
}

fn with(mut plan: Plan, more: impl IntoIterator<Item = Line>) -> Plan {
    plan.lines.extend(more);
    plan
}

/// How far a workload is.
pub(super) async fn follow(site: &Site, object: &ObjectRef, path: &str) -> Result<Event, String> {
    match site.api.get(path).await {
        Ok(live) => Ok(Event::Stands { object: object.clone(), stand: stand(&live) }),
        Err(e) => Err(format!("{object} cannot be read, so whether it rolled out is not known: {e}")),
    }
}

/// Creates an object once.
pub(super) async fn create(site: &Site, create: &CreatePlan) -> Result<Event, String> {
    let object = create.object.clone();
    for _ in 0..CONFLICTS {
        match site.api.get(&create.path()).await {
            Ok(live) if create.made(&live) => return Ok(Event::Created { object }),
            Ok(_) => {
                return Err(format!(
                    "there is a {object} already, and this operation has not made it: choose another name"
                ));
            }
            Err(e) if e.code() == 404 => {}
            Err(e) => return Err(format!("{object} cannot be read: {e}")),
        }
        match site.api.post(&create.collection, &create.manifest).await {
            Ok(_) => return Ok(Event::Created { object }),
            // There is one of this name, or nobody knows whether it arrived: look.
            Err(e) if matches!(e.code(), 0 | 409 | 500..) => {}
            Err(e) => return Err(format!("{object} cannot be created: {e}")),
        }
    }
    Err(format!("{object} could not be created in {CONFLICTS} attempts; finish it when the cluster is calmer"))
}
