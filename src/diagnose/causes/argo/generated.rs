//! Argo CD: Applications that something else makes: an ApplicationSet, or a parent Application.
//!
//! ## argo-appset-error
//! **You see.** Applications that should exist do not, or do not change; or one stays OutOfSync on purpose.
//! **Why.** The ApplicationSet cannot generate, render, validate or write its Applications; or its progressive sync waits
//! for an Application of an earlier step.
//! **How kokpit knows.** Conditions ErrorOccurred, ResourcesUpToDate and ParametersGenerated of the ApplicationSet;
//! `status.applicationStatus` with its steps.
//! **Looks alike.** `argo-autosync-off`, `argo-sync-window`.
//! **Mend it.** Git: the generator or the template that the message names; for a waiting step, its Application.
//!
//! ## argo-appset-reverts
//! **You see.** A change of an Application disappears after a moment.
//! **Why.** An ApplicationSet generates it and writes its template over it.
//! **How kokpit knows.** The owner, and a person's tool that wrote fields which `ignoreApplicationDifferences` does not
//! cover; or the ApplicationSet has updated the Application again and again.
//! **Looks alike.** `argo-spec-drift-from-parent` (a parent Application).
//! **Mend it.** Git: the template of the ApplicationSet, or `spec.ignoreApplicationDifferences`.
//!
//! ## argo-spec-drift-from-parent
//! **You see.** An Application deploys another revision or path than git says.
//! **Why.** It is itself an object of a parent Application, and its spec was changed live.
//! **How kokpit knows.** The parent lists it as OutOfSync at a revision that was synced; the fields and who wrote them.
//! **Looks alike.** `argo-appset-reverts`, `argo-drift-selfheal-off`.
//! **Mend it.** Commit the change where the parent's manifests are, or sync the parent.

use super::automation::heals_at;
use super::drift::difference::differences;
use super::{at_synced_revision, in_git, operation, reference, sync_command};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect, shorten};
use crate::diagnose::git::{application_of, lists};
use crate::diagnose::kin::controller_ref;
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, str_at};
use crate::world::time::human;
use crate::world::writers::{By, Writer, by, writers};
use serde_json::Value;

causes! { "generated.rs";
    "argo-appset-error" "an ApplicationSet cannot make its Applications, or holds them back" Outage ["ApplicationSet", "Application"] appset_error;
    "argo-appset-reverts" "an ApplicationSet takes back what is changed" Degraded ["Application"] reverts;
    "argo-spec-drift-from-parent" "an Application differs from what its parent has in git" Degraded ["Application"] from_parent;
}

/// Seconds that a step of a progressive sync may take.
const STEP_S: i64 = 600;

/// The ApplicationSet that generates an Application.
fn generator(app: &Value) -> Option<ObjectRef> {
    controller_ref(app).filter(|owner| APPLICATIONSETS.is(owner))
}

fn appset_error(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if suspect.at.kind == "Application" {
        return held_back(case, suspect);
    }
    let set = suspect.object;
    let says = |kind: &str, status: &str| {
        let all = list_at(set, "/status/conditions").iter();
        all.filter(|c| str_at(c, "/type") == kind).find(|c| str_at(c, "/status") == status)
    };
    let bad =
        says("ErrorOccurred", "True").or(says("ResourcesUpToDate", "False")).or(says("ParametersGenerated", "False"));
    // While a progressive sync goes on the resources are not up to date, and that is no error.
    let Some(bad) =
        bad.filter(|c| str_at(c, "/type") == "ErrorOccurred" || says("RolloutProgressing", "True").is_none())
    else {
        return waiting_step(case, suspect);
    };
    let (reason, message) = (str_at(bad, "/reason"), str_at(bad, "/message"));
    let field = match reason {
        "ApplicationGenerationFromParamsError" => "spec.generators",
        "ApplicationSetInvalidRolloutConfig" => "spec.strategy",
        _ => "spec.template",
    };
    let age = case.age(str_at(bad, "/lastTransitionTime"));
    let path = format!("status.conditions[{}]", str_at(bad, "/type"));
    Ok(vec![
        Match::on(&suspect.at, format!("It cannot make its Applications: {}", shorten(message, 240)))
            .evidence_aged(&suspect.at, &path, message, age, format!("{} {reason}: {message}", str_at(bad, "/type")))
            .fix(case.fix(set_of(case, suspect)?, field, format!("correct {field} of the ApplicationSet"), "")?),
    ])
}

/// The ApplicationSet as the case holds it.
fn set_of<'a>(case: &Case<'a>, suspect: &Suspect<'_>) -> Fact<&'a Value> {
    Ok(case.get(&suspect.at)?.unwrap_or(&crate::diagnose::facts::NOTHING))
}

fn step(entry: &Value) -> i64 {
    str_at(entry, "/step").parse().ok().or_else(|| int_at(entry, "/step")).unwrap_or_default()
}

fn is_rolling(set: &Value) -> bool {
    str_at(set, "/spec/strategy/type") == "RollingSync"
}

/// The Applications of earlier steps that are not Healthy yet.
fn blockers(set: &Value, before: i64) -> Vec<&Value> {
    let all = list_at(set, "/status/applicationStatus").iter();
    all.filter(|e| step(e) < before && str_at(e, "/status") != "Healthy").collect()
}

/// A match on the ApplicationSet whose step waits for others.
fn waits(case: &Case<'_>, at: &ObjectRef, what: String, blockers: &[&Value]) -> Match {
    let mut m = Match::on(at, what);
    let mut young = true;
    for entry in blockers.iter().take(5) {
        let age = case.age(str_at(entry, "/lastTransitionTime"));
        young &= age.is_some_and(|age| age < STEP_S);
        let app = str_at(entry, "/application");
        let text =
            format!("{app} of step {} is {}: {}", step(entry), str_at(entry, "/status"), str_at(entry, "/message"));
        m = m
            .evidence_aged(at, "status.applicationStatus[]", str_at(entry, "/status"), age, text)
            .because(APPLICATIONS.at(&at.namespace, app));
    }
    if young { m.aside() } else { m }
}

fn waiting_step(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let set = suspect.object;
    let held: Vec<&Value> =
        list_at(set, "/status/applicationStatus").iter().filter(|e| str_at(e, "/status") == "Waiting").collect();
    let Some(first) = held.iter().map(|e| step(e)).min().filter(|_| is_rolling(set)) else { return Ok(Vec::new()) };
    let blockers = blockers(set, first);
    if blockers.is_empty() {
        return Ok(Vec::new());
    }
    let what =
        format!("Its progressive sync holds {} Applications back until step {} is healthy.", held.len(), first - 1);
    Ok(vec![waits(case, &suspect.at, what, &blockers)])
}

/// An Application that is OutOfSync because its ApplicationSet has not reached its step.
fn held_back(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(at) = generator(app).filter(|_| str_at(app, "/status/sync/status") == "OutOfSync") else {
        return Ok(Vec::new());
    };
    let Some(set) = case.get(&at)?.filter(|set| is_rolling(set)) else { return Ok(Vec::new()) };
    let mut entries = list_at(set, "/status/applicationStatus").iter();
    let mine = entries.find(|e| str_at(e, "/application") == name(app) && str_at(e, "/status") == "Waiting");
    let Some(mine) = mine else { return Ok(Vec::new()) };
    let blockers = blockers(set, step(mine));
    if blockers.is_empty() {
        return Ok(Vec::new());
    }
    let what = format!("{at} holds {} back on purpose: its step {} waits for an earlier one.", name(app), step(mine));
    Ok(vec![waits(case, &at, what, &blockers)])
}

/// Updates of an Application by its ApplicationSet within an hour that are too many to be changes of the template.
const MANY: i64 = 3;

fn reverts(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(at) = generator(app) else { return Ok(Vec::new()) };
    let person = |w: &Writer<'_>| by(w.manager) == By::Person && w.wrote_wishes();
    let edit = writers(app).filter(person).max_by_key(|w| w.time);
    if edit.is_none() && !suspect.asked {
        return Ok(Vec::new());
    }
    let Some(set) = case.get(&at)? else { return Ok(Vec::new()) };
    if matches!(str_at(set, "/spec/syncPolicy/applicationsSync"), "create-only" | "create-delete") {
        return Ok(Vec::new());
    }
    let fields: Vec<String> = edit.map(|w| w.fields()).unwrap_or_default();
    let fields: Vec<String> = fields.into_iter().filter(|f| f.starts_with("spec.") && !ignored(set, app, f)).collect();
    let fix = || {
        case.fix(
            set,
            "spec.template.spec",
            "change the template of the ApplicationSet, or ignoreApplicationDifferences",
            "",
        )
    };
    if let Some(edit) = edit.filter(|_| !fields.is_empty()) {
        let age = edit.time.map(|t| t.age(case.now()));
        let what = fields.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
        return Ok(vec![
            Match::on(
                &suspect.at,
                format!("{at} generates it and writes over the change of {what} by {}.", edit.in_words()),
            )
            .confidence(Confidence::High)
            .evidence_aged(
                &suspect.at,
                "metadata.managedFields",
                edit.manager,
                age,
                format!("{} wrote {what}", edit.in_words()),
            )
            .evidence(&at, "spec.ignoreApplicationDifferences", "", "ignoreApplicationDifferences does not cover it")
            .fix(fix()?),
        ]);
    }
    let events = case.events_of(set)?;
    let words = format!("Application \"{}\"", name(app));
    let updates = events.iter().filter(|e| e.reason.eq_ignore_ascii_case("updated") && e.message.ends_with(&words));
    let recent = updates.filter(|e| e.last.age(case.now()) < 3600);
    let count: i64 = recent.map(|e| e.count).sum();
    if count < MANY {
        return Ok(Vec::new());
    }
    Ok(vec![
        Match::on(
            &suspect.at,
            format!("{at} has written over it {count} times within the hour: somebody changes it live."),
        )
        .confidence(Confidence::Medium)
        .evidence(&at, "", &count.to_string(), format!("{count} events: updated {words}"))
        .aside()
        .fix(fix()?),
    ])
}

/// Whether an ApplicationSet leaves a field of an Application alone. Expressions in jq count for every field.
fn ignored(set: &Value, app: &Value, field: &str) -> bool {
    list_at(set, "/spec/ignoreApplicationDifferences").iter().any(|rule| {
        let mine = matches!(str_at(rule, "/name"), "") || str_at(rule, "/name") == name(app);
        let covers = |pointer: &Value| {
            let path = pointer.as_str().unwrap_or_default().trim_start_matches('/').replace('/', ".");
            field == path || field.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.'))
        };
        mine && (!list_at(rule, "/jqPathExpressions").is_empty() || list_at(rule, "/jsonPointers").iter().any(covers))
    })
}

fn from_parent(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let mut found = Vec::new();
    for at in differing(app) {
        if let Some(Some(child)) = case.get(&at).known()? {
            found.push(drifted(case, app, child));
        }
    }
    if let Some(parent) = application_of(case, app)?
        .filter(|parent| lists(parent, &suspect.at) && differing(parent).contains(&suspect.at))
    {
        found.push(drifted(case, parent, app));
    }
    Ok(found)
}

/// The child Applications that differ from git at a revision that was synced.
fn differing(parent: &Value) -> Vec<ObjectRef> {
    if str_at(operation(parent), "/phase") != "Succeeded" || !at_synced_revision(parent) {
        return Vec::new();
    }
    let all = list_at(parent, "/status/resources").iter().filter(|r| str_at(r, "/status") == "OutOfSync");
    all.map(reference).filter(|at| APPLICATIONS.is(at)).take(10).collect()
}

fn drifted(case: &Case<'_>, parent: &Value, child: &Value) -> Match {
    let (at, above) = (ObjectRef::of(child), ObjectRef::of(parent));
    let fields = differences(child).unwrap_or_default();
    let first = fields.first().map_or_else(String::new, |d| format!(" in {}", d.path));
    let mut m = Match::on(&at, format!("It differs{first} from what its parent {} has in git.", name(parent)))
        .evidence(&above, "status.resources[]", "OutOfSync", format!("{above} lists it as OutOfSync"));
    for d in fields.iter().take(5) {
        m = d.show(case, child, m);
    }
    for w in writers(child).filter(|w| by(w.manager) == By::Person && w.wrote_wishes()) {
        let age = w.time.map(|t| t.age(case.now()));
        m = m.evidence_aged(&at, "metadata.managedFields", w.manager, age, format!("{} wrote its spec", w.in_words()));
    }
    if let Some(next) = heals_at(parent) {
        let when = human((next.0 - case.now().0).max(0));
        m = m.evidence(
            &above,
            "spec.syncPolicy.automated.selfHeal",
            "true",
            format!("self-heal puts it back within {when}"),
        );
    }
    let field = fields.first().map(|d| d.path.to_string()).unwrap_or_default();
    m.fix(in_git(
        parent,
        "commit the change where the parent's manifests are, or sync the parent",
        &field,
        &sync_command(parent),
    ))
}
