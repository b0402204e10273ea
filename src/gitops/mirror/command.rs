//! Running `git`: no prompts, no pager, no locale, no environment of a surrounding hook, a process group of its own, and a
//! limit in time.

use super::error::GitError;
use crate::world::text::clean_lines;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Limit for calls that stay on this machine.
pub(super) const LOCAL: Duration = Duration::from_secs(60);
/// Limit for calls that go over the network.
pub(super) const NETWORK: Duration = Duration::from_secs(120);

/// `git` on one bare repository.
#[derive(Clone, Debug)]
pub(super) struct Git {
    dir: PathBuf,
    shown: String,
    extra: Vec<(&'static str, String)>,
}

/// What a call printed.
pub(super) struct Output {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

impl Output {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub fn stderr(&self) -> String {
        clean_lines(&String::from_utf8_lossy(&self.err)).join("\n")
    }
}

impl Git {
    /// `shown` is the remote's URL for people.
    pub fn new(dir: PathBuf, shown: String) -> Self {
        Self { dir, shown, extra: vec![] }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn with_index(mut self, index: &Path) -> Self {
        self.extra.push(("GIT_INDEX_FILE", index.display().to_string()));
        self
    }

    /// `Name <mail>` as author and committer.
    pub fn with_author(mut self, who: &str) -> Self {
        let (name, mail) = who.split_once('<').unwrap_or((who, ""));
        let (name, mail) = (name.trim().to_string(), mail.trim().trim_end_matches('>').to_string());
        self.extra.extend([("GIT_AUTHOR_NAME", name.clone()), ("GIT_COMMITTER_NAME", name)]);
        self.extra.extend([("GIT_AUTHOR_EMAIL", mail.clone()), ("GIT_COMMITTER_EMAIL", mail)]);
        self
    }

    fn command(&self, args: &[&str], here: bool) -> Command {
        let mut command = Command::new("git");
        if here {
            command.current_dir(&self.dir).arg("--git-dir=.");
        }
        command.args(["--no-pager", "-c", "core.quotePath=false", "-c", "gc.auto=0"]).args(args);
        for name in
            ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_NAMESPACE"]
        {
            command.env_remove(name);
        }
        // An empty GIT_ASKPASS and an SSH_ASKPASS that always declines: nothing may ask on the terminal under the screen.
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "").env("LC_ALL", "C");
        command.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force").env("GIT_OPTIONAL_LOCKS", "0");
        command.envs(self.extra.iter().map(|(k, v)| (k, v)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command
    }

    /// Runs and answers what it printed.
    pub async fn run(&self, args: &[&str], limit: Duration) -> Result<Output, GitError> {
        self.finish(self.command(args, true), args, vec![], limit).await
    }

    /// Runs outside the repository (which need not exist yet).
    pub async fn check(&self, args: &[&str]) -> Result<Output, GitError> {
        self.finish(self.command(args, false), args, vec![], LOCAL).await
    }

    /// Runs with something to read.
    pub async fn feed(&self, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>, GitError> {
        Ok(self.finish(self.command(args, true), args, input, LOCAL).await?.out)
    }

    /// Runs and answers the text, without the last line break.
    pub async fn lines(&self, args: &[&str]) -> Result<String, GitError> {
        Ok(self.run(args, LOCAL).await?.stdout().trim_end().to_string())
    }

    /// Runs a question that is answered by exit status 0 or 1.
    pub async fn answer(&self, args: &[&str]) -> Result<bool, GitError> {
        match self.run(args, LOCAL).await {
            Ok(_) => Ok(true),
            Err(GitError::Failed { code: 1 | 128, .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn finish(
        &self,
        mut command: Command,
        args: &[&str],
        input: Vec<u8>,
        limit: Duration,
    ) -> Result<Output, GitError> {
        command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
        let mut child = command.spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound if self.dir.exists() || args.first() == Some(&"check-ref-format") => {
                GitError::NoGit
            }
            _ => GitError::Config(format!("git cannot be started in {}: {e}", self.dir.display())),
        })?;
        let group = child.id();
        let (stdin, verb) = (child.stdin.take(), verb(args));
        let work = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // A child that stops reading says why on stderr.
                    let _ = stdin.write_all(&input).await;
                }
            };
            tokio::join!(write, child.wait_with_output()).1
        };
        match tokio::time::timeout(limit, work).await {
            Ok(Ok(done)) if done.status.success() => Ok(Output { out: done.stdout, err: done.stderr }),
            Ok(Ok(done)) => Err(GitError::Failed {
                verb,
                code: done.status.code().unwrap_or(-1),
                text: clean_lines(&String::from_utf8_lossy(&done.stderr)).join("\n"),
                out: String::from_utf8_lossy(&done.stdout).into_owned(),
            }),
            Ok(Err(e)) => Err(GitError::Config(format!("git {verb} cannot be run: {e}"))),
            Err(_) => {
                kill_group(group);
                Err(GitError::Timeout { verb, url: self.shown.clone(), seconds: limit.as_secs() })
            }
        }
    }
}

/// The subcommand, past `-c name=value`.
fn verb(args: &[&str]) -> String {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "-c" => drop(args.next()),
            other => return other.into(),
        }
    }
    String::new()
}

/// Ends `git` and what it started (ssh, credential helpers): they are a group of their own.
fn kill_group(id: Option<u32>) {
    #[cfg(unix)]
    if let Some(pid) = id.and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).unwrap_or(0))) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = id;
}
