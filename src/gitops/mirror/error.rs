//! What `git` says, told apart: what to try again, what is final, and a sentence for people.

use super::super::Refusal;
use super::super::locate::redact;
use super::{Push, Remote};

/// Why a git step did not work.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no `git`.
    #[error("git is not installed, or not in PATH: install it, kokpit commits with it")]
    NoGit,
    /// Something in the configuration or on the disk.
    #[error("{0}")]
    Config(String),
    /// The server does not answer.
    #[error("the repository {url} cannot be reached: {text}")]
    Unreachable {
        /// Where, without credentials.
        url: String,
        /// git's words.
        text: String,
    },
    /// The server does not let us.
    #[error("{url} does not let you in: {text}. Log in on a terminal (`git ls-remote {url}`), then try again")]
    Auth {
        /// Where, without credentials.
        url: String,
        /// git's words.
        text: String,
    },
    /// The branch is not there.
    #[error("{url} has no branch {branch}: create it, or name another one in config.toml")]
    NoBranch {
        /// Where, without credentials.
        url: String,
        /// Which.
        branch: String,
    },
    /// The server refused for good.
    #[error("{url} refuses the push to {branch}: {text}")]
    Rejected {
        /// Where, without credentials.
        url: String,
        /// Which.
        branch: String,
        /// The server's words.
        text: String,
    },
    /// git does not know who the user is.
    #[error(
        "git does not know who you are: run `git config --global user.email you@example.com` and \
             `git config --global user.name \"Your Name\"`, or set author of the [[repository]] in config.toml"
    )]
    Identity,
    /// The commit could not be signed.
    #[error("the commit cannot be signed: {0}. Unlock your key (`ssh-add`, gpg-agent), or switch commit.gpgsign off")]
    Signing(String),
    /// No end in time.
    #[error("git {verb} with {url} took longer than {seconds} s and was ended")]
    Timeout {
        /// The subcommand.
        verb: String,
        /// Where, without credentials.
        url: String,
        /// The limit.
        seconds: u64,
    },
    /// What was asked for is not done.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Anything else.
    #[error("git {verb} failed: {text}")]
    Failed {
        /// The subcommand.
        verb: String,
        /// Exit status.
        code: i32,
        /// What it printed to stderr.
        text: String,
        /// What it printed to stdout.
        out: String,
    },
}

impl GitError {
    /// git's own words, where there are some.
    pub(super) fn text(&self) -> &str {
        match self {
            GitError::Failed { text, .. } => text,
            _ => "",
        }
    }

    /// Whether it may work later without anybody changing anything (network, time).
    pub fn passing(&self) -> bool {
        matches!(self, GitError::Unreachable { .. } | GitError::Timeout { .. })
    }
}

/// Tells failures of fetch and push apart.
pub(super) fn transport(error: GitError, remote: &Remote) -> GitError {
    let GitError::Failed { verb, code, text, out } = error else { return error };
    let url = redact(&remote.url);
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    let line = telling(&text, &remote.url);
    if has(&["couldn't find remote ref", "Remote branch"]) {
        GitError::NoBranch { url, branch: remote.branch.clone() }
    } else if has(&[
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "Permission denied",
        "terminal prompts disabled",
        "Host key verification failed",
        "error: 401",
        "error: 403",
        "access denied",
        "not authorized",
    ]) {
        GitError::Auth { url, text: line }
    } else if has(&[
        "does not appear to be a git repository",
        "Could not resolve host",
        "unable to access",
        "Connection",
        "Could not read from remote",
        "could not read from remote",
        "not found",
        "hung up",
        "Could not connect",
        "timed out",
        "No route",
        "early EOF",
    ]) {
        GitError::Unreachable { url, text: line }
    } else {
        GitError::Failed { verb, code, text: line, out }
    }
}

/// The line that tells most, without credentials: `fatal:` before `error:` before `remote:`, without its prefix.
fn telling(text: &str, url: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|l| !l.is_empty());
    let with = |prefix: &str| lines().find_map(|l| l.strip_prefix(prefix).map(|l| l.trim().to_string()));
    let specific = lines().find(|l| {
        ["Permission denied", "Host key verification failed", "Could not resolve", "Connection refused", "timed out"]
            .iter()
            .any(|w| l.contains(w))
    });
    specific
        .map(|l| l.trim_start_matches("fatal:").trim().to_string())
        .or_else(|| with("fatal:"))
        .or_else(|| with("error:"))
        .or_else(|| lines().next().map(String::from))
        .unwrap_or_else(|| "git gave no reason".into())
        .replace(url, &redact(url))
}

/// Reads the line of our ref in the porcelain output of a push that ended well:
/// `<flag>\t<from>:<to>\t<old>..<new>`, flag space = fast-forward, `=` = there already.
pub(super) fn pushed(out: &str, err: &str, parent: &str, commit: &str) -> Result<Push, GitError> {
    let row = out.lines().find(|row| row.contains(":refs/heads/"));
    let (flag, summary) = row
        .map_or((' ', ""), |row| (row.chars().next().unwrap_or(' '), row.splitn(3, '\t').nth(2).unwrap_or_default()));
    let said = err.lines().filter(|l| l.contains("Bypassed rule violations")).collect::<Vec<_>>().join(" ");
    match flag {
        '=' => Ok(Push::Done { said }),
        ' ' if summary.starts_with(&format!("{parent}..{commit}")) => Ok(Push::Done { said }),
        _ => Err(GitError::Failed {
            verb: "push".into(),
            code: 0,
            text: format!("the server answered {flag:?} {summary:?} instead of {parent}..{commit}; look at the branch"),
            out: out.into(),
        }),
    }
}

/// Tells a push that lost a race (try again) from one that is refused (final) and one that never arrived.
pub(super) fn rejected(out: &str, err: &str, remote: &Remote) -> Result<Push, GitError> {
    let Some(row) = out.lines().find(|row| row.starts_with('!')) else {
        let failed = GitError::Failed { verb: "push".into(), code: 1, text: err.into(), out: out.into() };
        return Err(transport(failed, remote));
    };
    let summary = row.splitn(3, '\t').nth(2).unwrap_or(row);
    // The wordings of git, GitHub and GitLab for one thing: the branch is not where we thought.
    const RACES: [&str; 8] = [
        "non-fast-forward",
        "fetch first",
        "cannot lock ref",
        "incorrect old value provided",
        "failed to update ref",
        "reference already exists",
        "stale info",
        "needs force",
    ];
    if RACES.iter().any(|race| summary.contains(race)) {
        return Ok(Push::Stale(summary.to_string()));
    }
    let said: Vec<&str> = err.lines().filter_map(|l| l.trim().strip_prefix("remote:")).map(str::trim).collect();
    let said = said.into_iter().filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ");
    let text = if said.is_empty() { summary.to_string() } else { format!("{summary}: {said}") };
    Err(GitError::Rejected { url: redact(&remote.url), branch: remote.branch.clone(), text: text.replace("! ", "") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote() -> Remote {
        Remote { url: "https://mara:token@git.example.com/fleet".into(), branch: "main".into(), author: None }
    }

    fn failed(text: &str) -> GitError {
        GitError::Failed { verb: "fetch".into(), code: 128, text: text.into(), out: String::new() }
    }

    #[test]
    fn transport_errors_are_told_apart_without_credentials() {
        let sentence = |text: &str| transport(failed(text), &remote()).to_string();
        let auth = sentence(
            "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://mara:token@git.example.com/fleet/'",
        );
        assert!(auth.contains("does not let you in") && !auth.contains("token"), "{auth}");
        let dns = sentence("fatal: unable to access 'https://x/': Could not resolve host: git.example.com");
        assert!(dns.contains("cannot be reached") && dns.contains("Could not resolve host"), "{dns}");
        let key = sentence("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.");
        assert!(key.contains("Permission denied (publickey)"), "{key}");
        assert!(sentence("fatal: couldn't find remote ref refs/heads/main").contains("has no branch main"));
        assert!(transport(failed("fatal: the remote end hung up unexpectedly"), &remote()).passing());
    }

    #[test]
    fn every_wording_of_a_lost_race_means_try_again() {
        for summary in [
            "[rejected] (fetch first)",
            "[rejected] (non-fast-forward)",
            "[rejected] (stale info)",
            "[remote rejected] (cannot lock ref 'refs/heads/main': is at a but expected b)",
            "[remote rejected] (incorrect old value provided)",
            "[remote rejected] (failed to update ref)",
        ] {
            let out = format!("To x\n!\tabc:refs/heads/main\t{summary}\nDone\n");
            assert!(matches!(rejected(&out, "", &remote()), Ok(Push::Stale(_))), "{summary}");
        }
    }

    #[test]
    fn hooks_and_protection_are_final_and_quoted() {
        let out = "To x\n!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)\nDone\n";
        let err = "remote: only pull requests go to main\nremote: \nerror: failed to push some refs";
        let error = rejected(out, err, &remote()).unwrap_err().to_string();
        assert!(error.contains("hook declined") && error.contains("only pull requests go to main"), "{error}");
    }

    #[test]
    fn a_push_is_believed_only_with_the_right_old_value() {
        let out = " \tb:refs/heads/main\taaa..bbb\nDone\n";
        assert!(matches!(pushed(out, "", "aaa", "bbb"), Ok(Push::Done { .. })));
        assert!(pushed(out, "", "ccc", "bbb").is_err());
        let said = "remote: Bypassed rule violations for refs/heads/main:";
        assert!(matches!(pushed(out, said, "aaa", "bbb"), Ok(Push::Done { said }) if said.contains("Bypassed")));
    }
}
