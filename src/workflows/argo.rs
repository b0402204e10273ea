//! Argo CD asked through the Application object: refresh, sync, terminate, roll back, without its API server.
//!
//! The Application has no status subresource, so one merge patch does what the API server of Argo CD does: an annotation
//! asks for a comparison, the field `operation` for a sync, `status.operationState.phase` for an end of one. An operation
//! of ours carries our Op-Id in `operation.info`, which the controller copies into `status.operationState`: so a sync is
//! known again after a crash and never asked for twice.

mod follow;
mod lines;
mod request;
mod sync;

pub(super) use follow::Follow;
pub use request::{Answer, Decision, Request, What, answer, begin};
pub use sync::{SWITCHES, Selected, SyncOptions};

use super::rollback::Revision;
use super::{Line, Occasion, Part, Patch, Plan};
use crate::gitops::Refusal;
use crate::gitops::change::FieldChange;
use crate::gitops::field::FieldPath;
use crate::world::object::{ObjectRef, bool_at, int_at, list_at, name, namespace, str_at};
use crate::world::text::clean;
use serde_json::{Value, json};

/// The annotation that asks for a comparison.
pub const REFRESH: &str = "argocd.argoproj.io/refresh";
/// Seconds that a refresh may take.
const REFRESH_TIMEOUT_S: i64 = 60;
/// Seconds that an operation is followed; its waves may wait for long.
const OPERATION_TIMEOUT_S: i64 = 30 * 60;

/// What Argo CD is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Compare now; `hard`: forget the rendered manifests first.
    Refresh {
        /// Without the cache of manifests.
        hard: bool,
    },
    /// Apply what git says.
    Sync(SyncOptions),
    /// End the operation that runs.
    Terminate,
    /// Go back to an entry of `status.history`.
    Rollback {
        /// Its id, or how many before the last.
        to: Revision,
        /// Switch automated sync off first.
        auto_sync_off: bool,
        /// Delete what that revision does not have.
        prune: bool,
    },
    /// Sync by itself, or not.
    AutoSync {
        /// On or off; `None`: the other way round.
        on: Option<bool>,
        /// Delete what git does not have any more.
        prune: bool,
        /// Take live changes back.
        self_heal: bool,
    },
}

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The Application, as it is now.
    pub application: Value,
    /// Its path on the API server.
    pub path: String,
    /// Its project; `None`: there is none, or it cannot be read.
    pub project: Option<Value>,
    /// What cannot be read.
    pub unread: Option<String>,
}

impl Facts {
    fn reference(&self) -> ObjectRef {
        ObjectRef::of(&self.application)
    }

    fn request(&self, on: &Occasion<'_>, what: What, timeout_s: i64) -> Request {
        Request {
            application: self.reference(),
            path: self.path.clone(),
            uid: str_at(&self.application, "/metadata/uid").into(),
            op: on.id.clone(),
            what,
            timeout_s,
        }
    }
}

/// Plans everything but [`Ask::AutoSync`], which is a change of a field.
///
/// # Errors
/// What cannot be asked for: an entry of the history that is not there, nothing to terminate.
pub fn plan(on: &Occasion<'_>, ask: &Ask, all: &[Facts]) -> Result<Plan, Refusal> {
    let [first, ..] = all else { return Err(Refusal::new("no Application is named")) };
    let (mut lines, mut blocked, mut parts, mut requests) = (vec![], vec![], vec![], vec![]);
    for facts in all {
        let app = &facts.application;
        if app.pointer("/metadata/deletionTimestamp").is_some() {
            blocked.push(format!("{} is being deleted", facts.reference()));
        }
        let what = match ask {
            Ask::Refresh { hard } => {
                lines::refresh(&mut lines, facts, *hard);
                What::Refresh { hard: *hard }
            }
            Ask::Sync(options) => {
                blocked.extend(sync::blocked(on, facts, options));
                sync::lines(on, &mut lines, facts, options);
                What::Operate { operation: sync::operation(on, app, options) }
            }
            Ask::Terminate => {
                lines::terminate(&mut lines, on, facts)?;
                What::Terminate { started: str_at(app, "/status/operationState/startedAt").into() }
            }
            Ask::Rollback { to, auto_sync_off, prune } => {
                let entry = entry(app, *to)?;
                if automated(app) && !auto_sync_off {
                    blocked.push(format!(
                        "{} syncs by itself, so it would go forward again at once: switch that off first (auto-sync off), \
                         or let this operation do it (in the cockpit `a`, on the command line --auto-sync-off)",
                        facts.reference()
                    ));
                }
                if automated(app) && *auto_sync_off {
                    parts.push(Part::Live { patches: vec![switched_off(facts)] });
                }
                blocked.extend(sync::busy(facts).or(sync::shut(on, facts)));
                lines::rollback(&mut lines, on, facts, entry, (*prune, *auto_sync_off));
                What::Operate { operation: rolled_back(on, app, entry, *prune) }
            }
            Ask::AutoSync { .. } => return Err(Refusal::new("auto-sync is a field, not something asked for")),
        };
        let timeout = if matches!(ask, Ask::Refresh { .. }) { REFRESH_TIMEOUT_S } else { OPERATION_TIMEOUT_S };
        requests.push(facts.request(on, what, timeout));
        lines.extend(facts.unread.iter().map(|text| Line::warning(clean(text).into_owned())));
    }
    if !on.reason.trim().is_empty() {
        lines.push(Line::new("reason", clean(on.reason.trim()).into_owned()));
    }
    parts.push(Part::Application { requests });
    let called = match all {
        [_] => name(&first.application).to_string(),
        all => format!("{} Applications", all.len()),
    };
    let verb = verb(ask);
    Ok(Plan {
        parts,
        lines,
        blocked: blocked.into_iter().map(|text| clean(&text).into_owned()).collect(),
        ..on.draft(verb.replace(' ', "-"), clean(&format!("{verb} {called} on {}", on.cluster)).into_owned())
    })
}

/// What it is called.
pub fn verb(ask: &Ask) -> &'static str {
    match ask {
        Ask::Refresh { hard: false } => "refresh",
        Ask::Refresh { hard: true } => "hard refresh",
        Ask::Sync(options) if options.dry_run => "sync dry run",
        Ask::Sync(_) => "sync",
        Ask::Terminate => "terminate",
        Ask::Rollback { .. } => "rollback",
        Ask::AutoSync { on: Some(true), .. } => "auto-sync on",
        Ask::AutoSync { on: Some(false), .. } => "auto-sync off",
        Ask::AutoSync { on: None, .. } => "auto-sync",
    }
}

/// Whether an Application syncs by itself.
pub fn automated(app: &Value) -> bool {
    let policy = app.pointer("/spec/syncPolicy/automated").filter(|p| p.is_object());
    policy.is_some_and(|p| p.get("enabled") != Some(&json!(false)))
}

/// `spec.syncPolicy.automated`
fn policy() -> FieldPath {
    FieldPath::keys(["spec", "syncPolicy", "automated"])
}

/// Automated sync off, in a way that every version of Argo CD knows.
fn switched_off(facts: &Facts) -> Patch {
    let before = policy().get(&facts.application).cloned();
    let fields = vec![FieldChange::new(policy(), before, None)];
    Patch { object: facts.reference(), path: facts.path.clone(), fields }
}

/// The fields of an Application that make it sync by itself, or not. `knows_enabled`: this Argo CD keeps
/// `automated.enabled` (since 3.1), so that prune and self-heal survive being off.
///
/// # Errors
/// It is so already.
pub fn auto_sync(app: &Value, ask: &Ask, knows_enabled: bool) -> Result<Vec<FieldChange>, Refusal> {
    let Ask::AutoSync { on, prune, self_heal } = ask else { return Ok(vec![]) };
    let on = on.unwrap_or(!automated(app));
    let before = policy().get(app).filter(|p| p.is_object()).cloned();
    let mut after = before.clone().unwrap_or_else(|| json!({}));
    let Some(map) = after.as_object_mut() else { return Ok(vec![]) };
    match (on, &before) {
        (true, _) => {
            map.shift_remove("enabled");
            for (key, wanted) in [("prune", *prune), ("selfHeal", *self_heal)] {
                if wanted {
                    map.insert(key.into(), json!(true));
                }
            }
        }
        (false, Some(_)) if knows_enabled => drop(map.insert("enabled".into(), json!(false))),
        (false, _) => {}
    }
    let after = (on || knows_enabled).then_some(after);
    if before == after || (!on && !automated(app)) {
        let how = if on { "syncs by itself already" } else { "does not sync by itself" };
        return Err(Refusal(format!("{} {how}: there is nothing to do", ObjectRef::of(app))));
    }
    // A merge patch of a whole map keeps keys that it does not name, so each key is a change of its own.
    let (Some(old), Some(new)) = (&before, &after) else { return Ok(vec![FieldChange::new(policy(), before, after)]) };
    let keys = ["enabled", "prune", "selfHeal"].into_iter().filter(|key| old.get(key) != new.get(key));
    Ok(keys.map(|key| FieldChange::new(policy().key(key), old.get(key).cloned(), new.get(key).cloned())).collect())
}

/// The ApplicationSet that made an Application.
pub fn generated_by(app: &Value) -> Option<&str> {
    let owners = list_at(app, "/metadata/ownerReferences");
    owners.iter().find(|o| str_at(o, "/kind") == "ApplicationSet").map(|set| str_at(set, "/name"))
}

/// The entry of the history that is meant.
fn entry(app: &Value, to: Revision) -> Result<&Value, Refusal> {
    let all = list_at(app, "/status/history");
    let found = match to {
        Revision::Number(id) => all.iter().find(|entry| int_at(entry, "/id") == Some(id)),
        Revision::Back(n) => all.iter().rev().nth(n as usize),
    };
    let found = found.ok_or_else(|| {
        let ids: Vec<String> = all.iter().filter_map(|e| int_at(e, "/id")).map(|id| id.to_string()).collect();
        let me = ObjectRef::of(app);
        Refusal(match (to, ids.is_empty()) {
            (_, true) => format!("{me} has no history: it was never synced as a whole"),
            (Revision::Number(id), _) => format!("{me} has no entry {id} in its history; it has {}", ids.join(", ")),
            (Revision::Back(n), _) => {
                format!("{me} has {} entries in its history: none is {n} before the last", ids.len())
            }
        })
    })?;
    if found.get("source").is_none_or(|s| str_at(s, "/repoURL").is_empty()) && list_at(found, "/sources").is_empty() {
        return Err(Refusal(format!(
            "the entry {} of {} names no source, so nobody can go back to it",
            int_at(found, "/id").unwrap_or_default(),
            ObjectRef::of(app)
        )));
    }
    Ok(found)
}

/// The operation as the API server of Argo CD makes it for a rollback (`server/application`, `Rollback`).
fn rolled_back(on: &Occasion<'_>, app: &Value, entry: &Value, prune: bool) -> Value {
    let mut sync = json!({"syncStrategy": {"apply": {}}});
    let several = !list_at(entry, "/sources").is_empty();
    for key in if several { ["revisions", "sources"] } else { ["revision", "source"] } {
        if let Some(value) = entry.get(key) {
            sync[key] = value.clone();
        }
    }
    if prune {
        sync["prune"] = json!(true);
    }
    if let Some(options) = app.pointer("/spec/syncPolicy/syncOptions") {
        sync["syncOptions"] = options.clone();
    }
    envelope(on, sync, None)
}

/// What is the same in every operation of ours.
fn envelope(on: &Occasion<'_>, sync: Value, retry: Option<&Value>) -> Value {
    let mut info = vec![json!({"name": super::annotation::OP, "value": on.id})];
    if !on.reason.trim().is_empty() {
        info.push(json!({"name": super::annotation::REASON, "value": on.reason.trim()}));
    }
    let mut operation = json!({"initiatedBy": {"username": "kokpit"}, "info": info, "sync": sync});
    if let Some(retry) = retry {
        operation["retry"] = retry.clone();
    }
    operation
}

/// The revision that was compared last; several are joined.
fn revision(app: &Value) -> String {
    match str_at(app, "/status/sync/revision") {
        "" => list_at(app, "/status/sync/revisions")
            .iter()
            .filter_map(Value::as_str)
            .map(super::short)
            .collect::<Vec<_>>()
            .join(" "),
        one => super::short(one).into(),
    }
}

/// `Synced at 4f1c2ab, Healthy`
pub fn state(app: &Value) -> String {
    let word = |text: &str| if text.is_empty() { "Unknown".to_string() } else { text.to_string() };
    let (sync, health) = (word(str_at(app, "/status/sync/status")), word(str_at(app, "/status/health/status")));
    match revision(app) {
        none if none.is_empty() => format!("{sync}, {health}"),
        at => format!("{sync} at {at}, {health}"),
    }
}

/// `auto-sync on, prune, self-heal`
fn policy_words(app: &Value) -> String {
    if !automated(app) {
        return "auto-sync off: it syncs when somebody asks for it".into();
    }
    let mut words = vec!["auto-sync on"];
    let policy = app.pointer("/spec/syncPolicy/automated").unwrap_or(&Value::Null);
    words.extend(
        [("/prune", "prune"), ("/selfHeal", "self-heal")].iter().filter(|(k, _)| bool_at(policy, k)).map(|(_, w)| *w),
    );
    words.join(", ")
}

/// `argocd/shop`
fn called(app: &Value) -> String {
    format!("{}/{}", namespace(app), name(app))
}

#[cfg(test)]
mod tests;
