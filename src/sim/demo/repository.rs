//! The demo's repository, made with the git program: a bare one, with a history of several authors.

use super::fleet::{CHANGES, files};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Makes `fleet.git` in a directory, replacing an earlier one; the answer is its path.
///
/// # Errors
/// When git is missing or fails, or a file cannot be written.
pub async fn create(dir: &Path) -> Result<PathBuf> {
    let (bare, work) = (dir.join("fleet.git"), dir.join("fleet.seed"));
    for old in [&bare, &work] {
        if old.exists() {
            std::fs::remove_dir_all(old).with_context(|| format!("demo: {} cannot be removed", old.display()))?;
        }
    }
    git(dir, &["init", "-q", "--bare", "-b", "main", "fleet.git"], "").await?;
    git(dir, &["init", "-q", "-b", "main", "fleet.seed"], "").await?;
    for (path, text) in files() {
        write(&work.join(path), &text)?;
    }
    commit(&work, "Ada Jensen", "The fleet as it stands").await?;
    for change in &CHANGES {
        let file = work.join(change.path);
        let text = std::fs::read_to_string(&file).with_context(|| format!("demo: {}", file.display()))?;
        write(&file, &text.replace(change.edit.0, change.edit.1))?;
        commit(&work, change.author, change.subject).await?;
    }
    let target = bare.to_string_lossy().into_owned();
    git(&work, &["push", "-q", &target, "main"], "").await?;
    std::fs::remove_dir_all(&work).with_context(|| format!("demo: {} cannot be removed", work.display()))?;
    Ok(bare)
}

fn write(file: &Path, text: &str) -> Result<()> {
    let parent = file.parent().context("demo: a file without a directory")?;
    std::fs::create_dir_all(parent).with_context(|| format!("demo: {} cannot be made", parent.display()))?;
    std::fs::write(file, text).with_context(|| format!("demo: {} cannot be written", file.display()))
}

async fn commit(work: &Path, author: &str, subject: &str) -> Result<()> {
    git(work, &["add", "-A"], author).await?;
    git(work, &["commit", "-q", "-m", subject], author).await
}

/// Runs git as an author, with nobody's configuration.
async fn git(at: &Path, arguments: &[&str], author: &str) -> Result<()> {
    let first = author.split(' ').next().unwrap_or_default().to_lowercase();
    let mail = format!("{first}@example.com");
    let output = Command::new("git")
        .arg("-C")
        .arg(at)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs([("GIT_AUTHOR_NAME", author), ("GIT_COMMITTER_NAME", author)])
        .envs([("GIT_AUTHOR_EMAIL", &mail), ("GIT_COMMITTER_EMAIL", &mail)])
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .kill_on_drop(true)
        .output()
        .await
        .context("demo: git cannot be started; it has to be installed")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("demo: git {} in {} failed: {}", arguments.first().unwrap_or(&""), at.display(), why.trim());
    }
    Ok(())
}
