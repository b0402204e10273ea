//! Argo CD: objects that differ from git although the last sync succeeded at this very revision.
//!
//! What git says is read from the object: client-side apply leaves what it applied in an annotation
//! ([`difference`]), and `metadata.managedFields` names who wrote a field ([`writers`](crate::world::writers)).
//!
//! ## argo-drift-selfheal-off
//! **You see.** OutOfSync at the revision that was synced.
//! **Why.** Somebody changed or deleted an object live, and self-heal is off. The next sync for any other reason takes
//! the change back.
//! **How kokpit knows.** A field is not as it was applied, or the object is gone; managedFields names a person's tool
//! that wrote it, or wrote after the last sync.
//! **Looks alike.** `argo-drift-mutating-webhook` (a program wrote it), `argo-drift-hpa-replicas`,
//! `argo-drift-defaulted-fields`. A field that git does not mention is kept and is no drift.
//! **Mend it.** Commit the change, or sync it away.
//!
//! ## argo-drift-hpa-replicas
//! **You see.** A Deployment is OutOfSync, or its replicas flap.
//! **Why.** An autoscaler and git both set `spec.replicas`.
//! **How kokpit knows.** An HPA targets the object whose replicas differ.
//! **Looks alike.** `argo-drift-selfheal-off`.
//! **Mend it.** Git: ignoreDifferences on `/spec/replicas` with `RespectIgnoreDifferences=true`. Merely removing the
//! field drops the workload to one replica under client-side apply.
//!
//! ## argo-drift-defaulted-fields
//! **You see.** OutOfSync for good; every sync succeeds.
//! **Why.** With ServerSideApply the defaults that a CRD fills in inside a list count as a difference.
//! **How kokpit knows.** Last sync Succeeded at this revision, `ServerSideApply=true`, and only objects of custom kinds
//! known for defaults in lists differ, without a later writer.
//! **Looks alike.** `argo-drift-selfheal-off` (somebody changed it live).
//! **Mend it.** Git: write the defaults, or `argocd.argoproj.io/compare-options: ServerSideDiff=true`.
//!
//! ## argo-drift-mutating-webhook
//! **You see.** OutOfSync right after every sync.
//! **Why.** An admission webhook or another program changes what Argo CD applies: injected labels, image rewrites, a
//! `caBundle`, recommendations of a VPA.
//! **How kokpit knows.** A field is not as it was applied. Either a program other than Argo CD owns it, or nobody wrote
//! it after Argo CD did: then it was changed on its way in. Mutating webhooks for the kind are named.
//! **Looks alike.** `argo-drift-selfheal-off` (a person did it), `argo-two-writers` (with self-heal).
//! **Mend it.** Git: ignoreDifferences (`managedFieldsManagers`, or the field), or `ServerSideDiff=true`; or write the
//! value that the webhook sets.
//!
//! ## argo-drift-quantity
//! **You see.** OutOfSync for good, although the values mean the same.
//! **Why.** `1000m` and `1`, `60s` and `1m0s`, `"80"` and `80`: in objects of custom kinds they count as different.
//! **How kokpit knows.** Every differing field is the same amount in other words.
//! **Looks alike.** `argo-drift-mutating-webhook`.
//! **Mend it.** Git: write the value as the cluster has it.
//!
//! ## argo-drift-random
//! **You see.** OutOfSync soon after every sync; Secrets or checksums change, pods restart.
//! **Why.** The manifests differ each time they are rendered: `randAlphaNum`, `genCA`, `now`, `lookup` in a chart.
//! **How kokpit knows.** The object is exactly as it was applied and nobody wrote it since, the revision and the source
//! are those of the last sync, and yet it counts as different. Of Secrets, whose values are never read, only that nobody
//! wrote them.
//! **Looks alike.** `argo-drift-selfheal-off`, `argo-drift-defaulted-fields`.
//! **Mend it.** Git: fix the value, or take it from an existing Secret.
//!
//! ## argo-drift-unknown-field
//! **You see.** OutOfSync for good, without any error; or a sync that fails with `field not declared in schema`.
//! **Why.** Git has a field that the kind does not know (a misspelling, most often): the API server drops it.
//! **How kokpit knows.** A field that was applied is not there, and nobody wrote the object since. Server-side apply says
//! it in words.
//! **Looks alike.** `argo-drift-selfheal-off` (somebody removed the field).
//! **Mend it.** Git: correct or remove the field.
//!
//! ## argo-drift-live-state-committed
//! **You see.** OutOfSync for good.
//! **Why.** Git holds what only the cluster may set: `status`, `resourceVersion`, `uid`, `clusterIP`, `nodePort`,
//! `volumeName`. It was exported from a cluster.
//! **How kokpit knows.** Those fields were applied and differ.
//! **Looks alike.** `argo-drift-unknown-field`.
//! **Mend it.** Git: remove those fields.
//!
//! ## argo-drift-immutable-sts
//! **You see.** A StatefulSet stays OutOfSync.
//! **Why.** A field differs that a StatefulSet never changes: `volumeClaimTemplates`, `serviceName`, `selector`,
//! `podManagementPolicy`. With ServerSideApply the defaults in `volumeClaimTemplates` are enough.
//! **How kokpit knows.** The last sync was refused for such a field (`argo-sync-immutable`), or it succeeded, only the
//! StatefulSet differs, and nobody wrote it since.
//! **Looks alike.** `argo-drift-selfheal-off`.
//! **Mend it.** `kubectl delete statefulset --cascade=orphan` and sync: pods and volumes stay. For defaults: write them
//! into git, or `ServerSideDiff=true`.

use super::fight::fights;
use super::{at_synced_revision, elsewhere, in_git, is_deleted, operation, out_of_sync, reference};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::{claim, self_heals};
use crate::diagnose::kinds::{self, *};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, bool_at, list_at, str_at};
use crate::world::time::Time;
use crate::world::writers::{By, Writer, by, writers};
use difference::{Difference, Shape, differences};
use serde_json::Value;

pub mod difference;

causes! { "drift.rs";
    "argo-drift-selfheal-off" "somebody changed an object live, and self-heal is off" Degraded ["Application"] drift, id;
    "argo-drift-hpa-replicas" "an autoscaler and git both set the replicas" Nuisance ["Application"] drift, id;
    "argo-drift-defaulted-fields" "defaults that the API fills in count as a difference" Nuisance ["Application"] drift, id;
    "argo-drift-mutating-webhook" "another program changes what Argo CD applies" Nuisance ["Application"] drift, id;
    "argo-drift-quantity" "the same amount is written in two ways" Nuisance ["Application"] drift, id;
    "argo-drift-random" "the manifests differ each time they are rendered" Nuisance ["Application"] drift, id;
    "argo-drift-unknown-field" "git has a field that the kind does not know" Nuisance ["Application"] unknown_field;
    "argo-drift-live-state-committed" "git holds what only the cluster may set" Nuisance ["Application"] drift, id;
    "argo-drift-immutable-sts" "a StatefulSet differs in a field that never changes" Degraded ["Application"] immutable_sts;
}

/// Objects that are looked at; a request each.
const MOST: usize = 10;
/// Differences that are shown of an object.
const SHOWN: usize = 5;

/// Custom kinds with defaults inside lists (argo-cd#22151, external-secrets#6398), and the fields.
const DEFAULTED: &[(&str, &str)] = &[
    ("ExternalSecret", "spec.data[].remoteRef conversionStrategy, decodingStrategy, metadataPolicy, nullBytePolicy"),
    ("ClusterExternalSecret", "spec.externalSecretSpec.data[].remoteRef"),
    ("HTTPRoute", "parentRefs[] group, kind and backendRefs[] group, kind, weight"),
    ("GRPCRoute", "parentRefs[] group, kind and backendRefs[] group, kind, weight"),
];

/// Fields of a StatefulSet that an update may not touch.
const STS_FIXED: &[&str] = &["volumeClaimTemplates", "serviceName", "selector", "podManagementPolicy"];

/// An object that differs at a revision that was synced.
struct Drifted<'a> {
    at: ObjectRef,
    /// `None` when it is not there.
    object: Option<&'a Value>,
    /// Where it lives, if not here.
    cluster: Option<&'a str>,
    /// What differs, where that can be known.
    fields: Option<Vec<Difference>>,
    /// Its autoscaler.
    scaler: Option<ObjectRef>,
    /// Who wrote it after the last sync.
    late: Option<Writer<'a>>,
}

/// Everything that differs although the last sync succeeded at this revision. What another Application has taken
/// over is no drift.
fn drifted<'a>(case: &Case<'a>, app: &'a Value) -> Fact<Vec<Drifted<'a>>> {
    let state = operation(app);
    if str_at(state, "/phase") != "Succeeded" || !at_synced_revision(app) || is_deleted(app) {
        return Ok(Vec::new());
    }
    let finished = Time::parse(str_at(state, "/finishedAt")).unwrap_or(Time::NEVER);
    let cluster = elsewhere(app);
    let mut all = Vec::new();
    let ours =
        |r: &&Value| !bool_at(r, "/requiresPruning") && !bool_at(r, "/hook") && str_at(r, "/kind") != "Application";
    for entry in out_of_sync(app).into_iter().filter(ours).take(MOST) {
        let at = reference(entry);
        let object = case.get_in(cluster, &at)?;
        if object.is_some_and(|object| claim(object).is_some_and(|claim| claim.proven && !claim.is(app))) {
            continue;
        }
        all.push(Drifted {
            scaler: if cluster.is_none() { scaler(case, &at)? } else { None },
            fields: object.filter(|object| !server_side(app, object)).and_then(differences),
            late: object.and_then(|object| late_writer(object, finished)),
            at,
            object,
            cluster,
        });
    }
    Ok(all)
}

impl Drifted<'_> {
    /// The cause that speaks for it.
    fn cause(&self, app: &Value) -> Option<&'static str> {
        let heals = self_heals(app);
        let live = if heals { None } else { Some("argo-drift-selfheal-off") };
        let Some(object) = self.object else { return live };
        let fields = self.fields.as_deref();
        let replicas = fields.is_none_or(|all| all.iter().any(|d| d.path.to_string() == "spec.replicas"));
        if self.scaler.is_some() && replicas {
            return Some("argo-drift-hpa-replicas");
        }
        let written: Vec<By> =
            fields.unwrap_or_default().iter().filter_map(|d| Some(by(d.other_writer(object)?.manager))).collect();
        let late = self.late.map(|w| by(w.manager));
        match (fields, late) {
            // What a late writer added is not in git, and is no drift.
            (Some([]), Some(_)) => None,
            _ if written.contains(&By::Person) || late == Some(By::Person) => live,
            (Some(_), _) if self.scaled_to_zero() => live,
            // With self-heal this is a fight, told as such.
            _ if written.contains(&By::Program) || late == Some(By::Program) => {
                (!fights(app)).then_some("argo-drift-mutating-webhook")
            }
            (Some([]), _) => (same_source(app) && is_claimed(app, object)).then_some("argo-drift-random"),
            (Some(all), _) => Some(self.by_shape(all)),
            (None, _) => self.by_kind(app, object),
        }
    }

    /// A scale to zero leaves no owner of the field.
    fn scaled_to_zero(&self) -> bool {
        let zero = |d: &Difference| {
            d.path.to_string() == "spec.replicas" && d.live.as_ref().and_then(Value::as_i64) == Some(0)
        };
        self.fields.as_deref().unwrap_or_default().iter().any(zero)
    }

    fn by_shape(&self, all: &[Difference]) -> &'static str {
        let fixed = |d: &Difference| STS_FIXED.iter().any(|field| d.path.starts_with(&["spec", field]));
        match all.iter().map(Difference::shape).min() {
            _ if self.at.kind == "StatefulSet" && all.iter().any(fixed) => "argo-drift-immutable-sts",
            Some(Shape::LiveState) => "argo-drift-live-state-committed",
            Some(Shape::Dropped) => "argo-drift-unknown-field",
            Some(Shape::Amount) => "argo-drift-quantity",
            _ => "argo-drift-mutating-webhook",
        }
    }

    /// What is left to go by when nothing tells what was applied.
    fn by_kind(&self, app: &Value, object: &Value) -> Option<&'static str> {
        let server_side = server_side(app, object);
        match self.at.kind.as_str() {
            kind if server_side && DEFAULTED.iter().any(|(known, _)| *known == kind) => {
                Some("argo-drift-defaulted-fields")
            }
            "StatefulSet" if server_side => Some("argo-drift-immutable-sts"),
            "Secret" if renders(app) && same_source(app) && is_claimed(app, object) => Some("argo-drift-random"),
            _ => None,
        }
    }
}

/// Whether an object is applied on the server: what the annotation says of it is out of date, if it is there at all.
fn server_side(app: &Value, object: &Value) -> bool {
    const OPTION: &str = "ServerSideApply=true";
    let own = str_at(object, "/metadata/annotations/argocd.argoproj.io~1sync-options");
    own.split(',').any(|o| o.trim() == OPTION)
        || list_at(app, "/spec/syncPolicy/syncOptions").iter().any(|o| o == OPTION)
}

/// Whether the object says that it belongs to the Application: one that does not may differ for that alone.
fn is_claimed(app: &Value, object: &Value) -> bool {
    claim(object).is_some_and(|claim| claim.proven && claim.is(app))
}

/// Whether a template engine makes the manifests.
fn renders(app: &Value) -> bool {
    let engine = |kind: &str| matches!(kind, "Helm" | "Plugin");
    engine(str_at(app, "/status/sourceType"))
        || list_at(app, "/status/sourceTypes").iter().filter_map(Value::as_str).any(engine)
}

/// Whether the Application's source is still the one that was synced: new parameters are no riddle.
fn same_source(app: &Value) -> bool {
    let same = |now: &str, synced: &str| match (app.pointer(now), operation(app).pointer(synced)) {
        (Some(now), Some(synced)) => now == synced,
        _ => true,
    };
    same("/spec/source", "/syncResult/source") && same("/spec/sources", "/syncResult/sources")
}

fn drift(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let count = out_of_sync(app).len();
    let mut found = Vec::new();
    for one in drifted(case, app)?.iter().filter(|one| one.cause(app) == Some(id)) {
        let at = &one.at;
        let on = if one.cluster.is_some() { &suspect.at } else { at };
        let only = if count == 1 { "only " } else { "" };
        let mut m = Match::on(on, summary(one, id)).confidence(sure(one, id)).evidence(
            &suspect.at,
            "status.resources[]",
            "OutOfSync",
            format!("{only}{at} is OutOfSync; the last sync Succeeded at the same revision"),
        );
        m = shown(case, m, one);
        m = special(case, m, suspect, one, id)?;
        if str_at(app, "/status/health/status") == "Healthy" {
            m = m.evidence(&suspect.at, "status.health.status", "Healthy", "the Application is healthy");
        }
        found.push(m.fix(in_git(app, cure(id), &field(one, id), "")));
    }
    Ok(found)
}

/// How sure: the fields themselves prove it; a pattern without them does not.
fn sure(one: &Drifted<'_>, id: &str) -> Confidence {
    match id {
        "argo-drift-random" if one.fields.is_none() => Confidence::Medium,
        "argo-drift-mutating-webhook" => Confidence::Medium,
        "argo-drift-immutable-sts" if one.fields.is_none() => Confidence::Medium,
        _ => Confidence::High,
    }
}

fn summary(one: &Drifted<'_>, id: &str) -> String {
    let place = one.cluster.map_or(String::new(), |cluster| format!(" in cluster {cluster}"));
    let at = format!("{}{place}", one.at);
    let who = || {
        let written = one.object.and_then(|o| one.fields.iter().flatten().find_map(|d| d.other_writer(o)));
        written.map(|w| w.in_words()).or(one.late.map(|w| w.in_words())).unwrap_or_else(|| "somebody".into())
    };
    let first = || one.fields.iter().flatten().next().map_or("a field".to_owned(), |d| d.path.to_string());
    match id {
        "argo-drift-selfheal-off" if one.object.is_none() => {
            format!("{at} is not there although it was synced, and self-heal is off.")
        }
        "argo-drift-selfheal-off" => format!("{at} was changed live by {}, and self-heal is off.", who()),
        "argo-drift-hpa-replicas" => format!("{at} differs: its autoscaler and git both set spec.replicas."),
        "argo-drift-defaulted-fields" => format!("{at} differs only by defaults that its CRD fills in inside lists."),
        "argo-drift-mutating-webhook" => match who().as_str() {
            "somebody" => format!("{at} is not as it was applied: {} is changed on its way in.", first()),
            who => format!("{at} is not as it was applied: {who} changes {}.", first()),
        },
        "argo-drift-quantity" => format!("{at} differs only in how {} is written.", first()),
        "argo-drift-random" => {
            format!("{at} is as it was applied, yet differs: its manifest changes with every rendering.")
        }
        "argo-drift-live-state-committed" => format!("Git holds {} of {at}, which only the cluster sets.", first()),
        "argo-drift-immutable-sts" => format!("{at} differs in fields that a StatefulSet never changes."),
        _ => format!("{at} has no field {}: the API server dropped it.", first()),
    }
}

/// The differing fields with their writers, and who came late.
fn shown(case: &Case<'_>, m: Match, one: &Drifted<'_>) -> Match {
    let Some(object) = one.object else { return m };
    let mut m = m;
    for d in one.fields.iter().flatten().take(SHOWN) {
        m = d.show(case, object, m);
    }
    if let Some(late) = one.late {
        let age = late.time.map(|t| t.age(case.now()));
        let text = format!("{} wrote after the last sync", late.in_words());
        m = m.evidence_aged(&one.at, "metadata.managedFields", late.manager, age, text);
    }
    m
}

/// What one cause has to show beyond the fields.
fn special(case: &Case<'_>, m: Match, suspect: &Suspect<'_>, one: &Drifted<'_>, id: &str) -> Fact<Match> {
    let at = &one.at;
    Ok(match id {
        "argo-drift-hpa-replicas" => match &one.scaler {
            Some(hpa) => m.evidence(hpa, "spec.scaleTargetRef", "", format!("{hpa} targets it")),
            None => m,
        },
        "argo-drift-defaulted-fields" => {
            let fields = DEFAULTED.iter().find(|(kind, _)| *kind == at.kind).map_or("", |(_, fields)| *fields);
            let text = "ServerSideApply=true: lists are compared whole";
            m.evidence(&suspect.at, "spec.syncPolicy.syncOptions", "ServerSideApply=true", text).evidence(
                at,
                "spec",
                "",
                format!("defaulted: {fields}"),
            )
        }
        "argo-drift-selfheal-off" if one.scaled_to_zero() => {
            m.evidence(at, "spec.replicas", "0", "a scale to zero leaves no trace of who did it")
        }
        "argo-drift-mutating-webhook" if one.cluster.is_none() => {
            let names = webhooks_for(case, at)?;
            match names.is_empty() {
                true => m,
                false => m.evidence(at, "", "", format!("mutating webhooks for its kind: {}", names.join(", "))),
            }
        }
        _ => m,
    })
}

fn cure(id: &str) -> &'static str {
    match id {
        "argo-drift-hpa-replicas" => "ignoreDifferences on /spec/replicas with RespectIgnoreDifferences=true",
        "argo-drift-selfheal-off" => "commit the change, or sync it away",
        "argo-drift-defaulted-fields" => "write the defaults into git, or compare-options: ServerSideDiff=true",
        "argo-drift-mutating-webhook" => "ignoreDifferences for the field, or compare-options: ServerSideDiff=true",
        "argo-drift-quantity" => "write the value as the cluster has it",
        "argo-drift-random" => "fix the value, or take it from a Secret that exists",
        "argo-drift-live-state-committed" => "remove what only the cluster sets",
        "argo-drift-immutable-sts" => "write the defaults into git, or compare-options: ServerSideDiff=true",
        _ => "correct or remove the field",
    }
}

/// The field to change in git, where it is known.
fn field(one: &Drifted<'_>, id: &str) -> String {
    match id {
        "argo-drift-hpa-replicas" | "argo-drift-defaulted-fields" => String::new(),
        _ => one.fields.iter().flatten().next().map(|d| d.path.to_string()).unwrap_or_default(),
    }
}

fn unknown_field(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = super::refused::sync_failed(case, suspect, "argo-drift-unknown-field")?;
    found.extend(drift(case, suspect, "argo-drift-unknown-field")?);
    Ok(found)
}

fn immutable_sts(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let mut found = drift(case, suspect, "argo-drift-immutable-sts")?;
    let failed = list_at(operation(app), "/syncResult/resources").iter();
    for entry in failed.filter(|r| str_at(r, "/message").contains("updates to statefulset spec for fields other than"))
    {
        let at = reference(entry);
        let delete = format!("kubectl -n {} delete statefulset/{} --cascade=orphan", at.namespace, at.name);
        let m = Match::on(&at, format!("{at} stays as it is: git changes a field that a StatefulSet never changes."))
            .evidence(
                &suspect.at,
                "status.operationState.syncResult.resources[]",
                "",
                format!("fields that never change: {}", STS_FIXED.join(", ")),
            )
            .because_cause("argo-sync-immutable");
        found.push(m.fix(in_git(app, "delete it and sync: its pods and volumes stay", "", &delete)));
    }
    Ok(found)
}

/// The autoscaler of an object.
fn scaler(case: &Case<'_>, at: &ObjectRef) -> Fact<Option<ObjectRef>> {
    if !matches!(at.kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet" | "Rollout") {
        return Ok(None);
    }
    let all = case.list(HPAS, Some(&at.namespace)).known()?.unwrap_or_default();
    let mine = |h: &&Value| {
        str_at(h, "/spec/scaleTargetRef/kind") == at.kind && str_at(h, "/spec/scaleTargetRef/name") == at.name
    };
    Ok(all.into_iter().find(mine).map(ObjectRef::of))
}

/// The last one, Argo CD aside, who wrote what people set after a time.
fn late_writer(object: &Value, after: Time) -> Option<Writer<'_>> {
    writers(object)
        .filter(|w| by(w.manager) != By::Argo && w.wrote_wishes())
        .filter(|w| w.time.is_some_and(|t| t > after))
        .max_by_key(|w| w.time)
}

/// Mutating webhooks whose rules name the kind.
fn webhooks_for(case: &Case<'_>, at: &ObjectRef) -> Fact<Vec<String>> {
    let resource = kinds::resource_of(at);
    let all = case.list(MUTATINGWEBHOOKS, None).known()?.unwrap_or_default();
    let names = |rule: &Value, list: &str, wanted: &str| {
        list_at(rule, list).iter().any(|v| v == "*" || v == "*/*" || v.as_str() == Some(wanted))
    };
    let mut found = Vec::new();
    for config in all {
        for webhook in list_at(config, "/webhooks") {
            let mut rules = list_at(webhook, "/rules").iter();
            if rules.any(|r| names(r, "/apiGroups", &resource.group) && names(r, "/resources", &resource.plural)) {
                found.push(str_at(webhook, "/name").to_owned());
            }
        }
    }
    found.truncate(SHOWN);
    Ok(found)
}
