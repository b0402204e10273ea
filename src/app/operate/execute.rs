//! Doing one effect. Each looks first, so that doing it twice is doing it once.

use super::{Site, argo, deletion, gather, workload};
use crate::cluster::api::{ApiError, FIELD_MANAGER, MERGE_PATCH, STRATEGIC_PATCH, encode};
use crate::gitops::Refusal;
use crate::gitops::change::Applied;
use crate::gitops::mirror::{GitError, Mirror, Push, Remote};
use crate::workflows::debug::{DebugPlan, Make, Standing, is_ours, standing};
use crate::workflows::live::{Decision, decide, differs};
use crate::workflows::{Effect, Event, GitPlan, Observed, Patch, Plan, PodRef, SyncPlan};
use crate::world::object::{list_at, str_at};
use crate::world::text::clean;
use serde_json::{Value, json};
use std::time::Duration;

/// How often a patch that lost against another writer is decided anew.
const CONFLICTS: usize = 6;

/// Does an effect and answers what came of it.
pub(super) async fn run(site: &Site, plan: &Plan, effect: &Effect) -> Event {
    if effect.step().is_some()
        && let Err(why) = same_cluster(site, plan).await
    {
        return Event::Failed { why };
    }
    let done = match effect {
        Effect::Patch(patch) => live(site, patch).await,
        Effect::Commit(git) => commit(site, git).await,
        Effect::Push { git, commit, parent } => push(site, git, commit, parent).await,
        Effect::Refresh(sync) => refresh(site, sync).await,
        Effect::Observe { sync, git, commit } => observe(site, sync, git.as_ref(), commit).await,
        Effect::Evict { pod, grace_s, .. } => Ok(evict(site, pod, *grace_s).await),
        Effect::Look(pod) => Ok(look(site, pod).await),
        Effect::Debug(plan) => make(site, plan).await,
        Effect::Stand(plan) => stand(site, plan).await,
        Effect::Remove(plan) => remove(site, plan).await,
        Effect::Delete { target, how } => deletion::delete(site, target, how).await,
        Effect::Create(create) => workload::create(site, create).await,
        Effect::Follow { object, path } => workload::follow(site, object, path).await,
        Effect::Ask(request) => argo::ask(site, request).await,
        Effect::Hear(request) => argo::hear(site, request).await,
        Effect::Await(target) => Ok(deletion::look(site, target).await),
        Effect::Read(patch) => match site.api.get(&patch.path).await {
            Ok(live) => Ok(Event::Seen { object: patch.object.clone(), differs: differs(&live, patch) }),
            Err(e) => Err(format!("{} cannot be read back: {e}", patch.object)),
        },
        Effect::Wait { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            Ok(Event::Waited)
        }
    };
    done.unwrap_or_else(|why| Event::Failed { why: clean(&why).into_owned() })
}

/// The cluster behind the context's name is still the one that was planned for.
async fn same_cluster(site: &Site, plan: &Plan) -> Result<(), String> {
    let now = gather::identity(site).await.map_err(|e| e.to_string())?;
    match (&plan.identity, &now) {
        (Some(planned), Some(found)) if planned != found => Err(format!(
            "{} is another cluster by now (kube-system has the UID {found}, planned was {planned}): nothing was written",
            site.cluster
        )),
        (Some(_), None) => Err(format!(
            "{} does not let us read its identity any more (namespace kube-system): nothing was written",
            site.cluster
        )),
        _ => Ok(()),
    }
}

async fn live(site: &Site, patch: &Patch) -> Result<Event, String> {
    let object = patch.object.clone();
    let cannot = |e: ApiError| format!("{} cannot be changed: {e}", patch.object);
    let mut sent = false;
    for _ in 0..CONFLICTS {
        let live = site.api.get(&patch.path).await.map_err(cannot)?;
        let body = match decide(&live, patch) {
            Decision::Already => return Ok(Event::Patched { object, already: !sent }),
            Decision::Changed(why) => return Err(why),
            Decision::Send(body) => body,
        };
        let path = format!("{}?fieldManager={FIELD_MANAGER}", patch.path);
        match site.api.patch(&format!("{path}&dryRun=All"), MERGE_PATCH, &body).await {
            Ok(_) => {}
            Err(e) if e.code() == 409 => continue,
            Err(e) => return Err(cannot(e)),
        }
        match site.api.patch(&path, MERGE_PATCH, &body).await {
            Ok(_) => return Ok(Event::Patched { object, already: false }),
            // Somebody (the kubelet's status, usually) was faster: decide anew.
            Err(e) if e.code() == 409 => {}
            Err(ApiError::Status { code, reason, message, details }) if code < 500 => {
                return Err(cannot(ApiError::Status { code, reason, message, details }));
            }
            // Nobody knows whether it arrived: look before anything else.
            Err(_) => sent = true,
        }
    }
    Err(format!(
        "{object} was changed by others {CONFLICTS} times while this was being written; finish it when it is calmer"
    ))
}

/// Makes what one debugs with, unless it is there already.
async fn make(site: &Site, plan: &DebugPlan) -> Result<Event, String> {
    let place = format!("{}/{}", plan.namespace, plan.pod);
    match &plan.make {
        Make::Ephemeral { uid, container } => {
            let pod = site.api.get(&plan.path()).await.map_err(|e| format!("pod {place} cannot be read: {e}"))?;
            if str_at(&pod, "/metadata/uid") != uid {
                return Err(format!("pod {place} is another one by now: nothing was done; look at the new one"));
            }
            let names = list_at(&pod, "/spec/ephemeralContainers").iter().map(|c| str_at(c, "/name"));
            if names.into_iter().any(|name| name == plan.container) {
                return Ok(Event::Debugging);
            }
            let body = json!({"spec": {"ephemeralContainers": [container]}});
            let path = format!("{}/ephemeralcontainers?fieldManager={FIELD_MANAGER}", plan.path());
            match site.api.patch(&path, STRATEGIC_PATCH, &body).await {
                Ok(_) => Ok(Event::Debugging),
                Err(e) if e.code() == 404 => {
                    Err(format!("this cluster has no ephemeral containers, or {place} is gone: {e}"))
                }
                Err(e) => Err(format!("no container can be added to {place}: {e}")),
            }
        }
        Make::Pod { manifest } => match site.api.get(&plan.path()).await {
            Ok(pod) if is_ours(&pod, plan) => Ok(Event::Debugging),
            Ok(_) => Err(format!("there is a pod {place} already, which is not ours")),
            Err(e) if e.code() == 404 => {
                let path = format!("/api/v1/namespaces/{}/pods?fieldManager={FIELD_MANAGER}", plan.namespace);
                match site.api.post(&path, manifest).await {
                    Ok(_) => Ok(Event::Debugging),
                    Err(e) => Err(format!("pod {place} cannot be created: {e}")),
                }
            }
            Err(e) => Err(format!("pod {place} cannot be read: {e}")),
        },
    }
}

async fn stand(site: &Site, plan: &DebugPlan) -> Result<Event, String> {
    match site.api.get(&plan.path()).await {
        Ok(pod) => match standing(&pod, &plan.container) {
            Standing::Runs => Ok(Event::Standing { runs: true, why: String::new() }),
            Standing::Not(why) => Ok(Event::Standing { runs: false, why: clean(&why).into_owned() }),
            Standing::Over(why) => Err(format!("{}: {why}", plan.container)),
        },
        Err(e) if e.code() == 404 => Err(format!("pod {}/{} is gone", plan.namespace, plan.pod)),
        // Nobody knows: look again.
        Err(e) => Ok(Event::Standing { runs: false, why: e.to_string() }),
    }
}

async fn remove(site: &Site, plan: &DebugPlan) -> Result<Event, String> {
    let place = format!("{}/{}", plan.namespace, plan.pod);
    let pod = match site.api.get(&plan.path()).await {
        Ok(pod) if is_ours(&pod, plan) => pod,
        // Whatever bears its name by now is none of ours.
        Ok(_) => return Ok(Event::Removed),
        Err(e) if e.code() == 404 => return Ok(Event::Removed),
        Err(e) => return Err(format!("pod {place} cannot be read: {e}")),
    };
    // A shell does not end when it is asked to.
    let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 1,
                      "preconditions": {"uid": str_at(&pod, "/metadata/uid")}});
    match site.api.send(http::Method::DELETE, &plan.path(), "application/json", body.to_string().into_bytes()).await {
        Ok(_) => Ok(Event::Removed),
        Err(e) if e.code() == 404 => Ok(Event::Removed),
        Err(e) => Err(format!("pod {place} cannot be deleted: {e}")),
    }
}

async fn mirror(site: &Site, git: &GitPlan) -> Result<Mirror, String> {
    let remote = Remote { url: git.url.clone(), branch: git.branch.clone(), author: git.author.clone() };
    Mirror::open(&site.paths.mirrors(), remote).await.map_err(|e| e.to_string())
}

async fn commit(site: &Site, git: &GitPlan) -> Result<Event, String> {
    let mirror = mirror(site, git).await?;
    build(&mirror, git).await.map_err(|e| match e.passing() {
        true => format!("{e}. Nothing is lost: finish the operation when the repository answers again"),
        false => e.to_string(),
    })
}

async fn build(mirror: &Mirror, git: &GitPlan) -> Result<Event, GitError> {
    let tip = mirror.fetch().await?.sha;
    if !mirror.contains(&git.base, &tip).await? {
        return Err(GitError::Refused(Refusal(format!(
            "the branch {} of {} was rewound or rewritten since this was planned; nothing was pushed. Look at it, then plan again",
            git.branch, git.repository
        ))));
    }
    if let Some(commit) = mirror.find_op(&git.base, &tip, &git.op).await? {
        return Ok(Event::Pushed { commit, said: String::new() });
    }
    let mut parent = tip.clone();
    for planned in &git.commits {
        let change = &planned.change;
        let current = mirror.read(&parent, &change.file).await?;
        let texts = match change.apply(current.as_deref()) {
            Ok(Applied::Already) => continue,
            Ok(Applied::Texts(texts)) => texts,
            Err(refusal) => {
                let who = mirror.last_change(&git.base, &tip, &change.file).await?;
                let who = who.map_or(String::new(), |who| format!(" (last changed in {who})"));
                return Err(GitError::Refused(Refusal(format!("{}{who}", refusal.0))));
            }
        };
        let flips = texts.len().saturating_sub(1);
        for (i, text) in texts.iter().enumerate() {
            let adopts = i < flips || (current.is_none() && change.fields.is_empty());
            let message = if adopts { &planned.adopt } else { &planned.message };
            parent = mirror.commit(&parent, &change.file, text, message).await?;
        }
    }
    Ok(match parent == tip {
        true => Event::Already { tip },
        false => Event::Committed { commit: parent, parent: tip },
    })
}

async fn push(site: &Site, git: &GitPlan, commit: &str, parent: &str) -> Result<Event, String> {
    let mirror = mirror(site, git).await?;
    if !mirror.contains(parent, commit).await.map_err(|e| e.to_string())? {
        return Ok(Event::Stale { said: "the commit is not in the cache any more".into() });
    }
    match mirror.push(commit, parent).await {
        Ok(Push::Done { said }) => Ok(Event::Pushed { commit: commit.into(), said: clean(&said).into_owned() }),
        Ok(Push::Stale(said)) => Ok(Event::Stale { said: clean(&said).into_owned() }),
        Err(e) if e.passing() => Err(format!(
            "{e}. The commit is made but perhaps not pushed: finish the operation when the repository answers again"
        )),
        Err(e) => Err(e.to_string()),
    }
}

async fn refresh(site: &Site, sync: &SyncPlan) -> Result<Event, String> {
    let body = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    match site.api.patch(&format!("{}?fieldManager={FIELD_MANAGER}", sync.path), MERGE_PATCH, &body).await {
        Ok(_) => Ok(Event::Refreshed),
        // Argo CD looks by itself within three minutes.
        Err(e) if e.code() == 403 => Ok(Event::Refreshed),
        Err(e) => Err(format!("{} cannot be asked to refresh: {e}. The commit is pushed", sync.application)),
    }
}

async fn observe(site: &Site, sync: &SyncPlan, git: Option<&GitPlan>, commit: &str) -> Result<Event, String> {
    let app = site.api.get(&sync.path).await.map_err(|e| format!("{} cannot be read: {e}", sync.application))?;
    let revision = str_at(&app, "/status/sync/revision").to_string();
    let result = str_at(&app, "/status/operationState/syncResult/revision");
    let mirror = match git {
        Some(git) => Some(mirror(site, git).await?),
        None => None,
    };
    let ours = newer(mirror.as_ref(), commit, &revision).await?;
    let last_is_ours = newer(mirror.as_ref(), commit, result).await?;
    let failure = list_at(&app, "/status/conditions").iter().find(|c| str_at(c, "/type").ends_with("Error"));
    let message = failure.map_or_else(|| str_at(&app, "/status/operationState/message"), |c| str_at(c, "/message"));
    Ok(Event::Observed(Observed {
        ours,
        sync: str_at(&app, "/status/sync/status").into(),
        phase: if last_is_ours { str_at(&app, "/status/operationState/phase").into() } else { String::new() },
        message: clean(message).into_owned(),
        revision,
    }))
}

/// Whether a revision is our commit or newer. One that the mirror does not know yet is fetched first.
async fn newer(mirror: Option<&Mirror>, commit: &str, revision: &str) -> Result<bool, String> {
    if revision == commit {
        return Ok(true);
    }
    let Some(mirror) = mirror.filter(|_| !revision.is_empty()) else { return Ok(false) };
    let text = |e: GitError| e.to_string();
    if !mirror.contains(revision, revision).await.map_err(text)? {
        mirror.fetch().await.map_err(text)?;
    }
    mirror.contains(commit, revision).await.map_err(text)
}

async fn evict(site: &Site, pod: &PodRef, grace_s: Option<i64>) -> Event {
    let path = format!("{}/eviction", pod_path(pod));
    let mut options = json!({"preconditions": {"uid": pod.uid}});
    if let (Some(seconds), Some(map)) = (grace_s, options.as_object_mut()) {
        map.insert("gracePeriodSeconds".into(), json!(seconds));
    }
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace}, "deleteOptions": options});
    let uid = pod.uid.clone();
    match site.api.post(&path, &body).await {
        Ok(_) => Event::Evicted { uid },
        Err(e) => match e.code() {
            404 => Event::Gone { uid },
            429 => Event::Blocked { uid, why: e.to_string() },
            403 if e.to_string().contains("being terminated") => Event::Blocked { uid, why: e.to_string() },
            // The precondition failed (another pod of this name), or nobody knows whether it arrived: look.
            0 | 409 | 503 | 504 => look(site, pod).await,
            _ => Event::Stuck { uid, why: e.to_string() },
        },
    }
}

async fn look(site: &Site, pod: &PodRef) -> Event {
    let uid = pod.uid.clone();
    match site.api.get(&pod_path(pod)).await {
        Ok(found) if str_at(&found, "/metadata/uid") != pod.uid => Event::Gone { uid },
        Ok(found) if deleting(&found) => Event::Evicted { uid },
        Ok(_) => Event::Blocked { uid, why: "not evicted yet".into() },
        Err(e) if e.code() == 404 => Event::Gone { uid },
        Err(e) => Event::Blocked { uid, why: clean(&e.to_string()).into_owned() },
    }
}

fn deleting(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

fn pod_path(pod: &PodRef) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", encode(&pod.namespace), encode(&pod.name))
}
