//! git, and the repositories of config.toml: reachable, with their branch, and whether a push would be taken.

use super::Finding;
use crate::app::repositories;
use crate::app::session::Session;
use crate::config::Repository;
use crate::world::text::clean;
use tokio::process::Command;

/// Looks at git itself, then at every repository, side by side.
pub async fn examine(session: &Session) -> Vec<Finding> {
    let version = Command::new("git").arg("--version").output().await;
    let version = match version {
        Ok(out) if out.status.success() => clean(String::from_utf8_lossy(&out.stdout).trim()).into_owned(),
        _ => return vec![Finding::fail("git", "git is not found", "install git: changes are committed with it")],
    };
    let mut findings = vec![Finding::ok("git", version)];
    let repositories = &session.config.repositories;
    if repositories.is_empty() {
        let advice = "the first change asks for one; or write [[repository]] and [[cluster]]";
        findings.push(Finding::warn("git", "config.toml names no repository", advice));
    }
    findings.extend(futures::future::join_all(repositories.iter().map(|r| repository(session, r))).await);
    findings
}

async fn repository(session: &Session, repository: &Repository) -> Finding {
    let area = format!("git {}", clean(&repository.name));
    let tried = async {
        let mirror = repositories::mirror(&session.paths, repository).await?;
        let tip = mirror.fetch().await?;
        mirror.try_push(&tip.sha).await?;
        mirror.identity().await
    };
    match tried.await {
        Ok(who) => Finding::ok(&area, format!("{} can be read and pushed to, as {}", repository.branch, clean(&who))),
        Err(e) => Finding::fail(&area, clean(&e.to_string()), "correct [[repository]] in config.toml, or git's access"),
    }
}
