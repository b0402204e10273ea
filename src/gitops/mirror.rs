//! Commits from a bare mirror in the cache directory: never in a checkout of the user, never by force.
//!
//! The user's own `git` does transport, credentials and signing. A commit is built from trees (no worktree); a push names
//! the commit it expects the branch to be at, so it is a compare-and-swap that can only go forward.

mod command;
mod error;

use super::Refusal;
use super::locate::{normalise, redact};
use crate::world::commit::Commit;
use crate::world::text::clean;
use crate::world::time::Time;
use command::{Git, LOCAL, NETWORK};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use error::GitError;

/// Largest file that is read; no manifest is larger.
const MAX_FILE: u64 = 4 << 20;

/// The repository as it is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Anything `git push` takes.
    pub url: String,
    /// The branch.
    pub branch: String,
    /// `Name <mail>`; `None` takes git's `user.name` and `user.email`.
    pub author: Option<String>,
}

/// A bare mirror of one repository.
#[derive(Clone, Debug)]
pub struct Mirror {
    remote: Remote,
    git: Git,
}

/// Where the branch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Full hash of the newest commit.
    pub sha: String,
    /// The branch does not hold what it held when we last looked: somebody rewound or rewrote it.
    pub rewound: bool,
}

/// What came of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// The branch is at our commit.
    Done {
        /// What the server said besides (`Bypassed rule violations …`), may be empty.
        said: String,
    },
    /// Somebody was faster: fetch and apply the operation again.
    Stale(String),
}

impl Mirror {
    /// The mirror of a repository below `cache`, made on first use.
    ///
    /// # Errors
    /// No `git`, no place to write, or not a name for a branch.
    pub async fn open(cache: &Path, remote: Remote) -> Result<Self, GitError> {
        let dir = cache.join(directory(&remote.url));
        let git = Git::new(dir.clone(), redact(&remote.url));
        let branch = format!("refs/heads/{}", remote.branch);
        git.check(&["check-ref-format", &branch]).await.map_err(|e| match e {
            GitError::Failed { .. } => GitError::Config(format!("{:?} is not a name for a branch", remote.branch)),
            other => other,
        })?;
        if remote.url.is_empty() || remote.url.starts_with('-') {
            return Err(GitError::Config(format!("{:?} is not the URL of a repository", remote.url)));
        }
        if !dir.join("HEAD").exists() {
            std::fs::create_dir_all(&dir)
                .map_err(|e| GitError::Config(format!("{} cannot be made: {e}", dir.display())))?;
            git.run(&["init", "--quiet", "--bare", "."], LOCAL).await?;
        }
        Ok(Self { remote, git })
    }

    /// What is written to.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// The mirror's directory.
    pub fn dir(&self) -> PathBuf {
        self.git.dir().to_path_buf()
    }

    fn local_ref(&self) -> String {
        format!("refs/kokpit/{}", self.remote.branch)
    }

    /// Brings the branch up to date.
    ///
    /// # Errors
    /// Unreachable, not allowed, no such branch, no answer in time.
    pub async fn fetch(&self) -> Result<Tip, GitError> {
        let before = self.git.lines(&["rev-parse", "--quiet", "--verify", &self.local_ref()]).await.ok();
        let spec = format!("+refs/heads/{}:{}", self.remote.branch, self.local_ref());
        self.fetch_ref(&spec).await.map_err(|e| error::transport(e, &self.remote))?;
        let sha = self.git.lines(&["rev-parse", "--verify", &self.local_ref()]).await?;
        let rewound = match before {
            Some(before) if before != sha => !self.contains(&before, &sha).await?,
            _ => false,
        };
        Ok(Tip { sha, rewound })
    }

    async fn fetch_ref(&self, spec: &str) -> Result<(), GitError> {
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", &self.remote.url, spec];
        let mut tries = 0;
        loop {
            match self.git.run(&fetch, NETWORK).await {
                Ok(_) => return Ok(()),
                // Another kokpit is fetching into the same mirror.
                Err(e) if e.text().contains("cannot lock ref") && tries < 5 => tries += 1,
                Err(e) => return Err(e),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50 << tries)).await;
        }
    }

    /// The full hash of the commit that a revision stands for: a commit, a branch, a tag, or `HEAD` of the remote. What the
    /// mirror does not have is fetched.
    ///
    /// # Errors
    /// Not a name for a revision, there is none of it, or those of [`Mirror::fetch`].
    pub async fn resolve(&self, revision: &str) -> Result<String, GitError> {
        let named = format!("refs/kokpit-read/{revision}");
        if self.git.check(&["check-ref-format", &named]).await.is_err() || revision.starts_with('-') {
            return Err(GitError::Config(format!("{revision:?} is not the name of a commit, branch or tag")));
        }
        if revision.len() >= 7 && self.known(revision).await? {
            return self.git.lines(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")]).await;
        }
        let remote = Remote { branch: revision.into(), ..self.remote.clone() };
        let spec = format!("+{revision}:{named}");
        self.fetch_ref(&spec).await.map_err(|e| error::transport(e, &remote))?;
        self.git.lines(&["rev-parse", "--verify", &format!("{named}^{{commit}}")]).await
    }

    /// Whether `commit` is `tip` or an ancestor of it. A commit that the mirror does not have is not.
    ///
    /// # Errors
    /// Those of running `git`.
    pub async fn contains(&self, commit: &str, tip: &str) -> Result<bool, GitError> {
        if !self.known(commit).await? || !self.known(tip).await? {
            return Ok(false);
        }
        self.git.answer(&["merge-base", "--is-ancestor", commit, tip]).await
    }

    async fn known(&self, commit: &str) -> Result<bool, GitError> {
        if commit.is_empty() || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(false);
        }
        self.git.answer(&["cat-file", "-e", &format!("{commit}^{{commit}}")]).await
    }

    /// A file at a commit; `None` where there is none.
    ///
    /// # Errors
    /// The path leaves the repository, is a symlink, a submodule or a directory, is too large, or is not UTF-8.
    pub async fn read(&self, at: &str, path: &str) -> Result<Option<String>, GitError> {
        checked(path)?;
        let refuse = |why: &str| Err(GitError::Refused(Refusal(format!("{path} {why}"))));
        let Some(entry) = self.entries(at, path, false).await?.into_iter().find(|e| e.path == path) else {
            return Ok(None);
        };
        match entry.mode.as_str() {
            "100644" | "100755" => {}
            "120000" => return refuse("is a symlink: kokpit does not follow it; name its target instead"),
            "160000" => return refuse("is a submodule: it belongs to another repository"),
            _ => return refuse("is a directory"),
        }
        if entry.size > MAX_FILE {
            return refuse("is larger than 4 MiB: it is no manifest");
        }
        let bytes = self.git.run(&["cat-file", "blob", &entry.id], LOCAL).await?.out;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => refuse("is not UTF-8 text"),
        }
    }

    /// Every manifest (`.yaml`, `.yml`, `.json`, `Kustomization`) in a directory at a commit, as (path, text). Files that
    /// are not UTF-8 or too large are left out. An empty directory, or none, gives nothing.
    ///
    /// # Errors
    /// The path leaves the repository, or `git` fails.
    pub async fn manifests(&self, at: &str, dir: &str, recurse: bool) -> Result<Vec<(String, String)>, GitError> {
        let prefix = match dir {
            "" => String::new(),
            dir => {
                checked(dir)?;
                format!("{dir}/")
            }
        };
        let wanted = |e: &Entry| {
            let name = e.path.rsplit('/').next().unwrap_or_default();
            let manifest = [".yaml", ".yml", ".json"].iter().any(|ext| name.ends_with(ext)) || name == "Kustomization";
            manifest && e.mode.starts_with("100") && e.size <= MAX_FILE
        };
        let all: Vec<Entry> = self.entries(at, &prefix, recurse).await?.into_iter().filter(wanted).collect();
        let mut texts = vec![];
        let ids: String = all.iter().map(|e| format!("{}\n", e.id)).collect();
        let blobs = self.git.feed(&["cat-file", "--batch"], ids.into_bytes()).await?;
        let mut rest = blobs.as_slice();
        for entry in all {
            // `<id> blob <size>\n<content>\n`
            let Some(end) = rest.iter().position(|b| *b == b'\n') else { break };
            let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
            let Some(content) = rest.get(end + 1..).and_then(|r| r.get(..size)) else { break };
            texts.extend(String::from_utf8(content.to_vec()).ok().map(|text| (entry.path, text)));
            rest = rest.get(end + 2 + size..).unwrap_or_default();
        }
        Ok(texts)
    }

    async fn entries(&self, at: &str, path: &str, recurse: bool) -> Result<Vec<Entry>, GitError> {
        let mut args = vec!["ls-tree", "-z", "-l", "--full-tree"];
        args.extend(recurse.then_some("-r"));
        args.push(at);
        args.extend((!path.is_empty()).then_some(path));
        let out = self.git.run(&args, LOCAL).await?.out;
        Ok(out.split(|b| *b == 0).filter_map(Entry::parse).collect())
    }

    /// Author of the commits that would be made, `Name <mail>`.
    ///
    /// # Errors
    /// [`GitError::Identity`]: git does not know who the user is.
    pub async fn identity(&self) -> Result<String, GitError> {
        if let Some(author) = &self.remote.author {
            return Ok(author.clone());
        }
        let ident = self.git.lines(&["-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"]).await;
        match ident {
            Ok(text) => Ok(text.rsplit_once('>').map_or(text.clone(), |(who, _)| format!("{who}>"))),
            Err(GitError::Failed { .. }) => Err(GitError::Identity),
            Err(e) => Err(e),
        }
    }

    /// Whether commits will be signed (`commit.gpgsign`).
    pub async fn signs(&self) -> bool {
        self.git.lines(&["config", "--type=bool", "commit.gpgsign"]).await.is_ok_and(|v| v == "true")
    }

    /// Makes a commit on top of `parent` that sets one file. Nothing is pushed. Answers its full hash.
    ///
    /// # Errors
    /// No identity, signing fails, or the path cannot be written.
    pub async fn commit(&self, parent: &str, path: &str, text: &str, message: &str) -> Result<String, GitError> {
        checked(path)?;
        let who = self.identity().await?;
        let index = Scratch::new(self.git.dir());
        let git = self.git.clone().with_index(&index.0).with_author(&who);
        git.run(&["read-tree", parent], LOCAL).await?;
        let blob = first_line(&git.feed(&["hash-object", "-w", "--stdin"], text.into()).await?);
        let mode = match self.entries(parent, path, false).await?.into_iter().find(|e| e.path == path) {
            Some(entry) if entry.mode == "100755" => "100755",
            _ => "100644",
        };
        git.run(&["update-index", "--add", "--cacheinfo", &format!("{mode},{blob},{path}")], LOCAL).await?;
        let tree = git.lines(&["write-tree"]).await?;
        let mut args = vec!["commit-tree", &tree, "-p", parent];
        let signs = self.signs().await;
        args.extend(signs.then_some("-S"));
        args.extend(["-F", "-"]);
        let commit = match git.feed(&args, message.into()).await {
            Ok(out) => first_line(&out),
            Err(GitError::Failed { text, .. }) if signs => return Err(GitError::Signing(text)),
            Err(e) => return Err(e),
        };
        let touched = self.git.run(&["diff-tree", "-r", "-z", "--name-only", parent, &commit], LOCAL).await?.out;
        match touched.split(|b| *b == 0).filter(|n| !n.is_empty()).collect::<Vec<_>>()[..] {
            [one] if one == path.as_bytes() => Ok(commit),
            _ => Err(GitError::Refused(Refusal(format!(
                "the commit would touch something else than {path}; not pushed"
            )))),
        }
    }

    /// Pushes a commit whose (grand)parent is `parent`, if the branch is still there.
    ///
    /// # Errors
    /// Rejected for good (protection, hook), unreachable, not allowed. After a network error nobody knows whether it
    /// arrived: fetch and look.
    pub async fn push(&self, commit: &str, parent: &str) -> Result<Push, GitError> {
        let branch = format!("refs/heads/{}", self.remote.branch);
        // Exact equality with the parent. Without the lease a branch that was rewound or deleted would be accepted and
        // what somebody took out on purpose would come back. The commit is a child of the lease: never a forced update.
        if !self.contains(parent, commit).await? {
            return Err(GitError::Refused(Refusal(format!("commit {commit} is not on top of {parent}; not pushed"))));
        }
        let lease = format!("--force-with-lease={branch}:{parent}");
        let spec = format!("{commit}:{branch}");
        let args = ["-c", "core.abbrev=no", "push", "--porcelain", &lease, "--", &self.remote.url, &spec];
        match self.git.run(&args, NETWORK).await {
            Ok(done) => error::pushed(&done.stdout(), &done.stderr(), parent, commit),
            Err(GitError::Failed { text, out, .. }) => error::rejected(&out, &text, &self.remote),
            Err(e) => Err(error::transport(e, &self.remote)),
        }
    }

    /// Asks the server whether a push to the branch would be taken, without pushing: `tip` is what it has already.
    ///
    /// # Errors
    /// Unreachable, or not allowed.
    pub async fn try_push(&self, tip: &str) -> Result<(), GitError> {
        let spec = format!("{tip}:refs/heads/{}", self.remote.branch);
        let args = ["push", "--dry-run", "--porcelain", "--", &self.remote.url, &spec];
        self.git.run(&args, NETWORK).await.map(drop).map_err(|e| error::transport(e, &self.remote))
    }

    /// The newest commit between `base` and `tip` whose trailer `Op-Id` is this.
    ///
    /// # Errors
    /// Those of running `git`.
    pub async fn find_op(&self, base: &str, tip: &str, op: &str) -> Result<Option<String>, GitError> {
        let (range, grep) = (format!("{base}..{tip}"), format!("--grep=Op-Id: {op}"));
        let format = "--format=%H %(trailers:key=Op-Id,valueonly,separator=%x20)";
        let out = self.git.lines(&["log", "--fixed-strings", &grep, format, &range]).await?;
        let mut rows = out.lines().filter_map(|row| row.split_once(' '));
        Ok(rows.find(|(_, ops)| ops.split_whitespace().any(|o| o == op)).map(|(sha, _)| sha.to_string()))
    }

    /// The commits of the branch, as far as it was fetched, that touch a directory (empty: any) and are not in `base`:
    /// newest first, `most` of them. `None` where the mirror does not know the branch or `base`.
    ///
    /// # Errors
    /// Those of running `git`.
    pub async fn commits_after(&self, base: &str, dir: &str, most: usize) -> Result<Option<Vec<Commit>>, GitError> {
        let tip = self.git.lines(&["rev-parse", "--quiet", "--verify", &self.local_ref()]).await.unwrap_or_default();
        if tip.is_empty() || !self.known(base).await? {
            return Ok(None);
        }
        let (range, count) = (format!("{base}..{tip}"), format!("--max-count={most}"));
        let mut args = vec!["log", "-z", "--format=%H%n%ct%n%an%n%s", &count, &range, "--"];
        if !dir.is_empty() {
            checked(dir)?;
            args.push(dir);
        }
        let out = self.git.run(&args, LOCAL).await?.stdout();
        Ok(Some(out.split('\0').filter_map(logged).collect()))
    }

    /// Who last changed a file between two commits: `4f1c2ab by Mara: subject`.
    ///
    /// # Errors
    /// Those of running `git`.
    pub async fn last_change(&self, base: &str, tip: &str, path: &str) -> Result<Option<String>, GitError> {
        let out =
            self.git.lines(&["log", "-1", "--format=%h by %an: %s", &format!("{base}..{tip}"), "--", path]).await?;
        Ok(Some(clean(&out).into_owned()).filter(|line| !line.is_empty()))
    }
}

/// One record of `git log --format=%H%n%ct%n%an%n%s`.
fn logged(record: &str) -> Option<Commit> {
    let mut lines = record.splitn(4, '\n');
    let (id, time) = (lines.next()?, lines.next()?.parse().ok()?);
    let mut text = || lines.next().map(|line| clean(line).into_owned());
    Some(Commit { id: id.into(), time: Time(time), author: text()?, subject: text()? })
}

struct Entry {
    mode: String,
    id: String,
    size: u64,
    path: String,
}

impl Entry {
    /// `<mode> <type> <id> <size>\t<path>`
    fn parse(row: &[u8]) -> Option<Self> {
        let row = std::str::from_utf8(row).ok()?;
        let (head, path) = row.split_once('\t')?;
        let mut parts = head.split_whitespace();
        let (mode, _, id, size) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self { mode: mode.into(), id: id.into(), size: size.parse().unwrap_or(0), path: path.into() })
    }
}

/// A temporary index, removed with its lock when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(dir.join(format!("index-kokpit-{}-{n}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A path inside a repository: relative, without `..`, `.git`, or characters that end a line.
fn checked(path: &str) -> Result<(), GitError> {
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.eq_ignore_ascii_case(".git");
    if path.split('/').any(bad) || path.contains(char::is_control) || path.starts_with('-') {
        return Err(GitError::Refused(Refusal(format!("{path:?} is not a path inside the repository"))));
    }
    Ok(())
}

/// Directory name of a mirror: readable, and one per normalised URL (FNV-1a, which never changes between versions).
fn directory(url: &str) -> String {
    let url = normalise(url);
    let hash = url.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let name: String =
        url.rsplit('/').next().unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    format!("{name}-{hash:016x}.git")
}

fn first_line(out: &[u8]) -> String {
    String::from_utf8_lossy(out).lines().next().unwrap_or_default().to_string()
}
