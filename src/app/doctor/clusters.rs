//! The kubeconfig's contexts: entries, certificates, the way to the server, rights, Argo CD.

use super::Finding;
use crate::app::session::Session;
use crate::cluster::access::may_all;
use crate::cluster::api::Api;
use crate::cluster::certificate;
use crate::gitops::locate::{normalise, redact};
use crate::world::access::Access;
use crate::world::fleet::ClusterId;
use crate::world::object::{Resource, namespace, str_at};
use crate::world::text::clean;
use crate::world::time::human;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

/// Certificates that end within this time are told of: 14 days, in seconds.
const SOON: i64 = 14 * 86_400;
/// An answer that takes longer is told of, in milliseconds.
const SLOW: u128 = 1_000;

/// What can be said of the contexts without asking anybody.
pub fn kubeconfig(session: &Session) -> Vec<Finding> {
    let mut findings = vec![];
    for context in &session.contexts {
        let area = format!("context {}", clean(&context.name));
        let mut found = vec![];
        match certificate::expiry(context) {
            None => {}
            Some(Err(e)) => found.push(Finding::fail(&area, clean(&e), "write the certificate anew")),
            Some(Ok(end)) => {
                let left = end.0 - session.now().0;
                let renew = "have it renewed, then correct the user of the context";
                found.push(match left {
                    ..=0 => Finding::fail(&area, format!("the client certificate ended {} ago", human(-left)), renew),
                    1..=SOON => Finding::warn(&area, format!("the client certificate ends in {}", human(left)), renew),
                    _ => Finding::ok(&area, format!("the client certificate lasts {}", human(left))),
                });
            }
        }
        if let Some(program) = context.program() {
            found.push(match on_path(&program) {
                true => Finding::ok(&area, format!("credentials come from {}", clean(&program))),
                false => Finding::fail(
                    &area,
                    format!("the program for credentials, {}, is not found", clean(&program)),
                    "install it, or put it on PATH",
                ),
            });
        }
        if context.server.is_empty() {
            found.push(Finding::fail(&area, "names no server", "correct the context's cluster"));
        }
        if found.is_empty() {
            found.push(Finding::ok(&area, format!("in {}", context.file.display())));
        }
        findings.extend(found);
    }
    findings
}

fn on_path(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// A context that nobody is asked about.
pub fn left_out(session: &Session, id: ClusterId) -> Finding {
    let name = &session.context(id).name;
    let advice = format!("kokpit doctor --context {}", clean(name));
    let text = "not asked: its program for credentials may open a login page";
    Finding::warn(&format!("cluster {}", clean(name)), text, advice)
}

/// Asks one cluster.
pub async fn examine(session: &Session, id: ClusterId) -> Vec<Finding> {
    let context = session.context(id);
    let area = format!("cluster {}", clean(&context.name));
    session.hub.open(id);
    let connected = tokio::time::timeout(context.request_timeout * 2, session.hub.api(id)).await;
    let api = match connected {
        Ok(Ok(api)) => api,
        Ok(Err(e)) => return vec![Finding::fail(&area, clean(&e.to_string()), "see that it runs and can be reached")],
        Err(_) => return vec![Finding::fail(&area, "no answer in time", "see that it runs and can be reached")],
    };
    let began = Instant::now();
    let version = api.get("/version").await;
    let took = began.elapsed().as_millis();
    let mut findings = vec![match version {
        Err(e) => Finding::warn(&area, format!("does not tell its version: {e}"), "see its log"),
        Ok(version) => {
            let text = format!("{} answers in {took} ms", clean(str_at(&version, "/gitVersion")));
            match took > SLOW {
                true => Finding::warn(&area, text, "a slow way: watch fewer namespaces with -n"),
                false => Finding::ok(&area, text),
            }
        }
    }];
    let catalog = match session.hub.catalog(id).await {
        Ok(catalog) => catalog,
        Err(e) => {
            findings.push(Finding::warn(&area, format!("does not tell its kinds: {e}"), "see its log"));
            return findings;
        }
    };
    let argo = catalog.iter().find(|kind| kind.id.group == "argoproj.io" && kind.id.plural == "applications");
    findings.extend(rights(&area, &api, argo.is_some()).await);
    findings.extend(match argo {
        Some(kind) => applications(session, &context.name, &api, kind).await,
        None => vec![Finding::ok(&area, "no Argo CD: changes of nodes go to git, everything else is live")],
    });
    findings
}

/// What kokpit reads and writes, and which of it may not be done.
async fn rights(area: &str, api: &Api, argo: bool) -> Vec<Finding> {
    let mut wanted = vec![
        Access::new("list", "", "pods", ""),
        Access::new("list", "", "nodes", ""),
        Access::new("list", "", "events", ""),
        Access::new("patch", "", "nodes", ""),
        Access::new("create", "", "pods/eviction", ""),
    ];
    if argo {
        wanted.push(Access::new("list", "argoproj.io", "applications", ""));
    }
    let answers = may_all(api, wanted).await;
    let named = |wanted: Option<bool>| -> Vec<String> {
        answers.iter().filter(|(_, may)| *may == wanted).map(|(access, _)| access.to_string()).collect()
    };
    let (denied, unknown) = (named(Some(false)), named(None));
    let mut findings = vec![];
    if !denied.is_empty() {
        findings.push(Finding::warn(
            area,
            format!("you may not, over all namespaces: {}", denied.join(", ")),
            "name your namespaces with -n, or ask for the rights",
        ));
    }
    if !unknown.is_empty() {
        let text = format!("it is not said whether you may: {}", unknown.join(", "));
        findings.push(Finding::warn(area, text, "nothing is refused for that"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(area, "you may read what is looked at, cordon and drain"));
    }
    findings
}

/// Argo CD's Applications, and whether config.toml knows the repositories that they are deployed from.
async fn applications(session: &Session, cluster: &str, api: &Api, kind: &Resource) -> Vec<Finding> {
    let area = format!("argo {}", clean(cluster));
    let all = match api.list(kind, None, "").await {
        Ok(all) => all,
        Err(e) => {
            let text = format!("Applications cannot be read: {e}");
            return vec![Finding::warn(&area, text, "changes of what Argo CD deploys need them: ask for the right")];
        }
    };
    let instances: BTreeSet<&str> = all.iter().map(namespace).collect();
    let urls: BTreeSet<String> = all.iter().flat_map(sources).collect();
    let known: BTreeSet<String> = session
        .config
        .repositories
        .iter()
        .flat_map(|r| r.argo_urls.iter().chain([&r.url]))
        .map(|url| normalise(url))
        .collect();
    let missing: Vec<String> = urls.iter().filter(|url| !known.contains(&normalise(url))).map(|u| redact(u)).collect();
    let text = format!(
        "{} Applications in {}, from {} repositories",
        all.len(),
        instances.into_iter().map(|name| clean(name).into_owned()).collect::<Vec<_>>().join(", "),
        urls.len()
    );
    let mut findings = vec![Finding::ok(&area, text)];
    if !missing.is_empty() {
        let shown: Vec<&str> = missing.iter().take(3).map(String::as_str).collect();
        findings.push(Finding::warn(
            &area,
            format!("config.toml does not know {} of them: {}", missing.len(), clean(&shown.join(", "))),
            "add them as [[repository]] (url, argo_urls) where changes are to be committed there",
        ));
    }
    findings
}

fn sources(application: &Value) -> Vec<String> {
    let spec = application.get("spec").unwrap_or(&Value::Null);
    let several = spec.get("sources").and_then(Value::as_array).into_iter().flatten();
    let all = spec.get("source").into_iter().chain(several);
    // Charts come from a registry, where nothing is committed.
    let plain = all.filter(|source| str_at(source, "/chart").is_empty());
    plain.map(|source| str_at(source, "/repoURL").to_string()).filter(|url| !url.is_empty()).collect()
}
