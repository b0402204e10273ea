//! What a repository holds that Argo CD has not seen: read from the mirror that operations commit from.

use crate::app::repositories;
use crate::app::session::Session;
use crate::config::Repository;
use crate::diagnose::case::Answer;
use crate::gitops::locate;
use crate::gitops::mirror::GitError;
use std::time::Duration;

/// Commits that are told at most.
const MOST: usize = 20;
/// Who asks why waits no longer than this for a repository; what the mirror holds must do then.
const PATIENCE: Duration = Duration::from_secs(10);

/// The commits of a branch that touch `path` and are not yet in `after`. A repository that the configuration does not
/// name is not asked: to clone it would take its time and may want a password.
pub(super) async fn since(session: &Session, ask: bool, url: &str, branch: &str, path: &str, after: &str) -> Answer {
    let known = &session.config.repositories;
    let Ok(index) = locate::repository(url, branch, &repositories::candidates(known)) else { return Answer::Absent };
    let Some(repository) = known.get(index) else { return Answer::Absent };
    match read(session, ask, repository, path, after).await {
        Ok(answer) => answer,
        Err(error) => Answer::Failed(error.to_string()),
    }
}

async fn read(
    session: &Session,
    ask: bool,
    repository: &Repository,
    path: &str,
    after: &str,
) -> Result<Answer, GitError> {
    let mirror = repositories::mirror(&session.paths, repository).await?;
    if ask && let Ok(Err(error)) = tokio::time::timeout(PATIENCE, mirror.fetch()).await {
        tracing::debug!("{}: {error}", locate::redact(&repository.url));
    }
    Ok(mirror.commits_after(after, path, MOST).await?.map_or(Answer::Absent, |all| Answer::Commits(all.into())))
}
