//! Git against what lives: reads the Application, its manifests from the mirror and its live objects, and has them
//! compared. Nothing is written but the mirror.

use super::repositories;
use super::session::Session;
use crate::cluster::api::{Api, encode};
use crate::config::{self, Config, Repository};
use crate::gitops::Refusal;
use crate::gitops::compare::{self, Compared, Comparison, Judge, Manifest, Rules, Standing};
use crate::gitops::locate::{self, Destination, Source, redact};
use crate::gitops::mirror::{GitError, Mirror, Tip};
use crate::workflows::{argo, short};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, Resource, bool_at, list_at, str_at};
use futures::StreamExt;
use serde_json::Value;

/// Live objects read at once.
const AT_ONCE: usize = 8;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The cluster that the Application lives in.
    pub cluster: ClusterId,
    /// The Application.
    pub application: ObjectRef,
    /// Only these of its objects; empty: all.
    pub only: Vec<ObjectRef>,
    /// Commit, branch or tag; empty: what Argo CD compared with last.
    pub revision: String,
}

impl Asked {
    fn wants(&self, object: &ObjectRef) -> bool {
        let same = |one: &ObjectRef| {
            (&one.group, &one.kind, &one.name) == (&object.group, &object.kind, &object.name)
                && (one.namespace == object.namespace || one.namespace.is_empty())
        };
        self.only.is_empty() || self.only.iter().any(same)
    }
}

/// Compares an Application with git, or, where it cannot be rendered here, with what Argo CD applied last.
///
/// # Errors
/// A sentence: the Application or its cluster cannot be read.
pub async fn compare(session: &Session, asked: &Asked) -> Result<Comparison, String> {
    let name = &session.context(asked.cluster).name;
    let api = session.hub.api(asked.cluster).await.map_err(|e| format!("{name}: {e}"))?;
    let at = &asked.application;
    let here =
        format!("/apis/argoproj.io/v1alpha1/namespaces/{}/applications/{}", encode(&at.namespace), encode(&at.name));
    let application = api.get(&here).await.map_err(|e| format!("{at} on {name} cannot be read: {e}"))?;
    let home = match str_at(&application, "/status/controllerNamespace") {
        "" => at.namespace.as_str(),
        home => home,
    };
    // Without the right to read it, only the rules of the Application are known.
    let settings = api.get(&format!("/api/v1/namespaces/{}/configmaps/argocd-cm", encode(home))).await.ok();
    let rules = Rules::of(&application, settings.as_ref());
    let there = Live::of(session, asked.cluster, &application).await?;
    let mut comparison = Comparison {
        application: at.clone(),
        state: argo::state(&application),
        git: String::new(),
        repositories: vec![],
        cluster: there.elsewhere.clone(),
        notes: rules
            .unread
            .iter()
            .map(|text| format!("not understood here, so its differences are shown: jq {text}"))
            .collect(),
        objects: vec![],
    };
    let judge = Judge { application: &application, rules: &rules, now: super::clock() };
    match rendered(session, asked, &application).await {
        Ok(rendered) => {
            comparison.git = rendered.git;
            comparison.repositories = rendered.repositories;
            comparison.notes.extend(rendered.notes);
            comparison.objects = there.against(&judge, asked, rendered.manifests).await;
        }
        // Who names a revision wants that one and nothing else.
        Err(Refusal(why)) if !asked.revision.is_empty() => {
            return Err(format!("{} cannot be compared with {}: {why}", at.name, asked.revision));
        }
        Err(Refusal(why)) => {
            comparison.notes.push(format!("git cannot be compared here: {why}"));
            let note = "shown instead is what is OutOfSync, against what Argo CD applied of it last";
            comparison.notes.push(note.into());
            comparison.objects = there.against_last_applied(&judge, asked).await;
        }
    }
    if comparison.objects.is_empty() && !asked.only.is_empty() {
        comparison.notes.push("neither git nor the resources of the Application have this object".into());
    }
    Ok(comparison)
}

/// What git says.
struct Rendered {
    /// `4f1c2ab of main, apps/shop`
    git: String,
    repositories: Vec<String>,
    notes: Vec<String>,
    manifests: Vec<Manifest>,
}

/// Reads every directory of the Application from the mirror.
async fn rendered(session: &Session, asked: &Asked, application: &Value) -> Result<Rendered, Refusal> {
    let sources = locate::directories(application)?;
    if sources.len() > 1 && !asked.revision.is_empty() {
        return Err(Refusal::new("it has several sources, and one revision does not say which of them is meant"));
    }
    let config = config::load(&session.paths.config_file()).config;
    let (mut git, mut repositories, mut notes, mut manifests) = (vec![], vec![], vec![], vec![]);
    for (n, source) in sources {
        let mirror = mirror(session, &config, &source).await?;
        let tip = mirror.fetch().await;
        let follows = if source.revision.is_empty() { mirror.remote().branch.clone() } else { source.revision.clone() };
        let compared = match str_at(application, &format!("/status/sync/revisions/{n}")) {
            "" => str_at(application, "/status/sync/revision"),
            one => one,
        };
        let is_commit = compared.len() >= 40 && compared.bytes().all(|b| b.is_ascii_hexdigit());
        let revision = match asked.revision.as_str() {
            "" if is_commit => compared,
            "" => &follows,
            named => named,
        };
        // A commit that the mirror has is read though the repository cannot be reached.
        let sha = match mirror.resolve(revision).await {
            Ok(sha) => sha,
            Err(e) => return Err(refused(tip.err().unwrap_or(e))),
        };
        notes.extend(
            ahead(&tip, &sha, &follows).filter(|_| asked.revision.is_empty() && follows == mirror.remote().branch),
        );
        let files = mirror.manifests(&sha, &source.path, source.recurse).await.map_err(refused)?;
        if files.is_empty() {
            let at = short(&sha);
            return Err(Refusal(format!("{:?} has no manifests at {at} of {}", source.path, redact(&source.url))));
        }
        manifests.extend(compare::read(&source, &files)?);
        let named = if asked.revision.is_empty() { follows } else { asked.revision.clone() };
        git.push(format!("{} of {named}, {}", short(&sha), source.path));
        repositories.push(redact(&source.url));
    }
    repositories.dedup();
    Ok(Rendered { git: git.join(" · "), repositories, notes, manifests })
}

/// What is to be said where the branch is elsewhere than at the commit compared.
fn ahead(tip: &Result<Tip, GitError>, sha: &str, branch: &str) -> Option<String> {
    match tip {
        Ok(tip) if tip.sha == sha => None,
        Ok(tip) => Some(format!(
            "{branch} is at {} by now; Argo CD has compared with {}: refresh, or name the revision {branch}",
            short(&tip.sha),
            short(sha)
        )),
        Err(e) => Some(format!("whether {branch} is ahead by now is not known: {e}")),
    }
}

fn refused(error: impl std::fmt::Display) -> Refusal {
    Refusal(error.to_string())
}

/// The mirror of the repository that a source reads. Only repositories of the configuration are fetched: the URL of an
/// Application is not a person's word.
async fn mirror(session: &Session, config: &Config, source: &Source) -> Result<Mirror, Refusal> {
    let same = locate::known(&source.url, &repositories::candidates(&config.repositories))?;
    let mut known: Vec<&Repository> = same.into_iter().filter_map(|n| config.repositories.get(n)).collect();
    known.sort_by_key(|r| r.branch != source.revision);
    let repository = known.first().ok_or_else(|| Refusal::new("no such repository"))?;
    repositories::mirror(&session.paths, repository).await.map_err(refused)
}

/// The cluster that an Application deploys to.
struct Live {
    api: Api,
    catalog: std::sync::Arc<[Resource]>,
    namespace: String,
    /// Its name, where it is not the one that the Application lives in.
    elsewhere: Option<String>,
}

impl Live {
    async fn of(session: &Session, cluster: ClusterId, application: &Value) -> Result<Self, String> {
        let there = match locate::destination(application) {
            Destination::Here => cluster,
            Destination::There { name, server } => {
                session.called(name).or_else(|| session.called(server)).ok_or_else(|| {
                    let called = if name.is_empty() { server } else { name };
                    format!("it deploys to {called}, and the kubeconfig has no context of that name or server")
                })?
            }
        };
        let name = &session.context(there).name;
        let api = session.hub.api(there).await.map_err(|e| format!("{name}: {e}"))?;
        let catalog = session.hub.catalog(there).await.map_err(|e| format!("{name}: {e}"))?;
        let elsewhere = (there != cluster).then(|| name.clone());
        Ok(Self { api, catalog, elsewhere, namespace: str_at(application, "/spec/destination/namespace").into() })
    }

    fn kind(&self, object: &ObjectRef) -> Option<&Resource> {
        self.catalog.iter().find(|kind| kind.kind == object.kind && kind.id.group == object.group)
    }

    /// The live object, in the version that git has where that is served; `None`: it does not live.
    async fn get(&self, kind: &Resource, object: &ObjectRef, api_version: &str) -> Result<Option<Value>, String> {
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let written = Resource { version: version.into(), ..kind.clone() };
        let mut ways = vec![&written, kind];
        ways.dedup_by_key(|way| way.version.clone());
        for way in ways.into_iter().filter(|way| !way.version.is_empty()) {
            match self.api.get(&way.object_path(&encode(&object.namespace), &encode(&object.name))).await {
                Ok(found) => return Ok(Some(found)),
                Err(e) if e.code() == 404 => {}
                Err(e) => return Err(format!("cannot be read: {e}")),
            }
        }
        Ok(None)
    }

    /// Every object of git, and what lives without being there.
    async fn against(&self, judge: &Judge<'_>, asked: &Asked, manifests: Vec<Manifest>) -> Vec<Compared> {
        let mut wanted = vec![];
        let mut done = vec![];
        for mut manifest in manifests {
            let kind = self.kind(&ObjectRef::of(&manifest.object));
            compare::complete(&mut manifest.object, kind.is_none_or(|k| k.namespaced), &self.namespace);
            let object = ObjectRef::of(&manifest.object);
            if asked.wants(&object) {
                match kind {
                    Some(kind) => wanted.push((manifest, kind.clone())),
                    None => done.push(compare::unknown(object, &manifest.file, "the cluster serves no such kind")),
                }
            }
        }
        let named: Vec<ObjectRef> = wanted.iter().map(|(m, _)| ObjectRef::of(&m.object)).collect();
        let mut found = futures::stream::iter(wanted)
            .map(|(manifest, kind)| async move {
                let object = ObjectRef::of(&manifest.object);
                let live = self.get(&kind, &object, str_at(&manifest.object, "/apiVersion")).await;
                (manifest, object, live)
            })
            .buffered(AT_ONCE);
        while let Some((manifest, object, live)) = found.next().await {
            done.push(match live {
                Ok(live) => judge.compare(&manifest, live.as_ref()),
                Err(why) => compare::unknown(object, &manifest.file, &why),
            });
            // Comparing is work, and others share the thread.
            tokio::task::yield_now().await;
        }
        let extra = listed(judge.application, |r| bool_at(r, "/requiresPruning"));
        done.extend(extra.into_iter().filter(|one| asked.wants(one) && !named.contains(one)).map(compare::extra));
        done
    }

    /// What is OutOfSync, against what was applied last.
    async fn against_last_applied(&self, judge: &Judge<'_>, asked: &Asked) -> Vec<Compared> {
        let mut done = vec![];
        let chosen = |r: &Value| !asked.only.is_empty() || str_at(r, "/status") == "OutOfSync";
        for resource in list_at(judge.application, "/status/resources").iter().filter(|r| chosen(r)) {
            let object = reference(resource);
            if !asked.wants(&object) {
                continue;
            }
            if bool_at(resource, "/requiresPruning") {
                done.push(compare::extra(object));
                continue;
            }
            let live = match self.kind(&object) {
                Some(kind) => self.get(kind, &object, str_at(resource, "/version")).await,
                None => Err("the cluster serves no such kind".into()),
            };
            done.push(match live {
                Ok(Some(live)) => judge.against_last_applied(&live),
                Ok(None) => Compared { standing: Standing::Missing, ..compare::extra(object) },
                Err(why) => compare::unknown(object, "", &why),
            });
        }
        done
    }
}

fn reference(resource: &Value) -> ObjectRef {
    let of = |key: &str| str_at(resource, key);
    ObjectRef::new(of("/group"), of("/kind"), of("/namespace"), of("/name"))
}

fn listed(application: &Value, which: impl Fn(&Value) -> bool) -> Vec<ObjectRef> {
    list_at(application, "/status/resources").iter().filter(|r| which(r)).map(reference).collect()
}
