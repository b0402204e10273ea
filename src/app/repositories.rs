//! The repositories of the configuration, as Applications name them, and their mirrors.

use crate::config::{Paths, Repository};
use crate::gitops::locate::Candidate;
use crate::gitops::mirror::{GitError, Mirror, Remote};

/// The repositories as an Application's source may name them.
pub(super) fn candidates(repositories: &[Repository]) -> Vec<Candidate<'_>> {
    repositories
        .iter()
        .map(|r| Candidate {
            urls: std::iter::once(&r.url).chain(&r.argo_urls).map(String::as_str).collect(),
            branch: &r.branch,
        })
        .collect()
}

/// The mirror of a repository, as it was left; nothing is fetched.
///
/// # Errors
/// See [`Mirror::open`].
pub(super) async fn mirror(paths: &Paths, repository: &Repository) -> Result<Mirror, GitError> {
    let (url, branch, author) = (repository.url.clone(), repository.branch.clone(), repository.author.clone());
    Mirror::open(&paths.mirrors(), Remote { url, branch, author }).await
}
