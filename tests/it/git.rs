//! Commits through the bare mirror, against real repositories on this machine.

use kokpit::gitops::mirror::{GitError, Mirror, Push, Remote};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A bare repository with one commit on `main`, and a checkout of somebody else.
struct Server {
    dir: tempfile::TempDir,
}

impl Server {
    fn new(files: &[(&str, &str)]) -> Self {
        let server = Self { dir: tempfile::tempdir().unwrap() };
        git(server.dir.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "fleet.git"]);
        git(server.dir.path(), &["clone", "--quiet", "fleet.git", "other"]);
        git(&server.other(), &["checkout", "--quiet", "-B", "main"]);
        for (name, text) in files {
            server.write(name, text);
        }
        server.publish("first");
        server
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("fleet.git")
    }

    fn other(&self) -> PathBuf {
        self.dir.path().join("other")
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.other().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// Commits everything in the checkout and pushes it, by force if need be.
    fn publish(&self, message: &str) -> String {
        git(&self.other(), &["add", "-A"]);
        git(&self.other(), &["commit", "--quiet", "--allow-empty", "-m", message]);
        git(&self.other(), &["push", "--quiet", "--force", "origin", "main"]);
        git(&self.other(), &["rev-parse", "HEAD"])
    }

    fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.path().join("hooks").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn remote(&self) -> Remote {
        Remote {
            url: self.path().display().to_string(),
            branch: "main".into(),
            author: Some("Mara Example <mara@example.com>".into()),
        }
    }

    async fn mirror(&self, cache: &str) -> Mirror {
        Mirror::open(&self.dir.path().join(cache), self.remote()).await.unwrap()
    }

    fn show(&self, what: &str) -> String {
        git(&self.path(), &["show", what])
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .current_dir(dir)
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .args(["-c", "user.name=Other", "-c", "user.email=other@example.com", "-c", "commit.gpgsign=false"])
        .args(args)
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim_end().to_string()
}

#[tokio::test]
async fn a_commit_touches_one_file_and_carries_author_and_trailers() {
    let server = Server::new(&[("a.yaml", "a: 1\n"), ("dir/b.yaml", "b: 1\n")]);
    let mirror = server.mirror("cache").await;
    let tip = mirror.fetch().await.unwrap();
    assert_eq!(mirror.read(&tip.sha, "dir/b.yaml").await.unwrap().as_deref(), Some("b: 1\n"));
    let message = "ops(node): cordon n4\n\nBecause.\n\nOp: cordon\nOp-Id: 01ABC\n";
    let sha = mirror.commit(&tip.sha, "dir/new.yaml", "c: 1\n", message).await.unwrap();
    assert_eq!(mirror.push(&sha, &tip.sha).await.unwrap(), Push::Done { said: String::new() });
    assert_eq!(git(&server.path(), &["rev-parse", "main"]), sha);
    assert_eq!(server.show("main:dir/new.yaml"), "c: 1");
    assert_eq!(git(&server.path(), &["diff", "--name-only", "main~1", "main"]), "dir/new.yaml");
    let who = git(&server.path(), &["log", "-1", "--format=%an <%ae> %cn %(trailers:key=Op-Id,valueonly)", "main"]);
    assert_eq!(who.trim(), "Mara Example <mara@example.com> Mara Example 01ABC");
    let after = mirror.fetch().await.unwrap();
    assert_eq!(mirror.find_op(&tip.sha, &after.sha, "01ABC").await.unwrap(), Some(sha.clone()));
    assert_eq!(mirror.find_op(&tip.sha, &after.sha, "01AB").await.unwrap(), None);
    assert_eq!(mirror.push(&sha, &tip.sha).await.unwrap(), Push::Done { said: String::new() }, "twice is once");
}

#[tokio::test]
async fn files_are_found_in_their_directory_only() {
    let server = Server::new(&[
        ("apps/a.yaml", "a: 1\n"),
        ("apps/deep/b.yml", "b: ü\n"),
        ("apps/c.txt", "no"),
        ("d.json", "{}"),
    ]);
    let mirror = server.mirror("cache").await;
    let tip = mirror.fetch().await.unwrap().sha;
    let names = |all: Vec<(String, String)>| all.into_iter().map(|(n, t)| format!("{n}={t}")).collect::<Vec<_>>();
    assert_eq!(names(mirror.manifests(&tip, "apps", false).await.unwrap()), ["apps/a.yaml=a: 1\n"]);
    assert_eq!(
        names(mirror.manifests(&tip, "apps", true).await.unwrap()),
        ["apps/a.yaml=a: 1\n", "apps/deep/b.yml=b: ü\n"]
    );
    assert_eq!(mirror.manifests(&tip, "", true).await.unwrap().len(), 3);
    assert!(mirror.manifests(&tip, "nowhere", true).await.unwrap().is_empty());
    assert_eq!(mirror.read(&tip, "apps/none.yaml").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_not_a_plain_file_is_refused() {
    let server = Server::new(&[("real.yaml", "a: 1\n")]);
    std::os::unix::fs::symlink("real.yaml", server.other().join("link.yaml")).unwrap();
    std::fs::write(server.other().join("latin1.yaml"), b"a: \xfc\n").unwrap();
    server.write("dir/a.yaml", "a: 1\n");
    server.publish("odd files");
    let mirror = server.mirror("cache").await;
    let tip = mirror.fetch().await.unwrap().sha;
    for (path, why) in [
        ("link.yaml", "symlink"),
        ("latin1.yaml", "UTF-8"),
        ("dir", "directory"),
        ("../etc/passwd", "not a path inside"),
        ("/etc/passwd", "not a path inside"),
        (".git/config", "not a path inside"),
        ("a\nb", "not a path inside"),
    ] {
        let error = mirror.read(&tip, path).await.unwrap_err().to_string();
        assert!(error.contains(why), "{path}: {error}");
    }
    assert!(mirror.commit(&tip, "../x", "a", "m").await.is_err());
}

/// What the workflow does: fetch, apply again, commit, push, until nobody was faster.
async fn append(mirror: &Mirror, line: &str) -> usize {
    for attempt in 1..60 {
        let tip = mirror.fetch().await.unwrap().sha;
        let text = mirror.read(&tip, "log.yaml").await.unwrap().unwrap_or_default();
        let sha = mirror.commit(&tip, "log.yaml", &format!("{text}{line}: 1\n"), line).await.unwrap();
        if let Push::Done { .. } = mirror.push(&sha, &tip).await.unwrap() {
            return attempt;
        }
    }
    panic!("{line} never got through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_pushers_lose_nothing() {
    let server = Server::new(&[("log.yaml", "start: 1\n")]);
    // Two share a mirror, as two windows of one user do; the others have their own.
    let caches = ["one", "one", "two", "three"];
    let mut tasks = vec![];
    for (i, cache) in caches.into_iter().enumerate() {
        let mirror = server.mirror(cache).await;
        tasks.push(tokio::spawn(async move {
            for round in 0..3 {
                append(&mirror, &format!("k{i}-{round}")).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let log = server.show("main:log.yaml");
    for i in 0..caches.len() {
        for round in 0..3 {
            assert!(log.contains(&format!("k{i}-{round}: 1")), "{log}");
        }
    }
    assert_eq!(git(&server.path(), &["rev-list", "--count", "main"]), "13", "one commit each, none twice");
    let left: Vec<_> = std::fs::read_dir(server.mirror("one").await.dir()).unwrap().flatten().collect();
    assert!(left.iter().all(|e| !e.file_name().to_string_lossy().starts_with("index-kokpit")), "no scratch files stay");
}

#[tokio::test]
async fn a_stale_parent_is_told_and_a_rewound_branch_is_not_brought_back() {
    let server = Server::new(&[("a.yaml", "a: 1\n")]);
    let mirror = server.mirror("cache").await;
    server.write("a.yaml", "a: 2\n");
    server.publish("second");
    let tip = mirror.fetch().await.unwrap().sha;
    let sha = mirror.commit(&tip, "b.yaml", "b: 1\n", "ours").await.unwrap();
    server.write("c.yaml", "c: 1\n");
    server.publish("faster");
    assert!(matches!(mirror.push(&sha, &tip).await.unwrap(), Push::Stale(_)));

    // Rewound behind our parent: to a plain push our commit would be a fast-forward, and `second` would come back.
    git(&server.other(), &["reset", "--quiet", "--hard", "HEAD~2"]);
    git(&server.other(), &["push", "--quiet", "--force", "origin", "main"]);
    assert!(matches!(mirror.push(&sha, &tip).await.unwrap(), Push::Stale(_)));
    let fetched = mirror.fetch().await.unwrap();
    assert!(fetched.rewound);
    assert!(!mirror.contains(&tip, &fetched.sha).await.unwrap());

    // Deleted.
    git(&server.path(), &["update-ref", "-d", "refs/heads/main"]);
    assert!(matches!(mirror.push(&sha, &tip).await.unwrap(), Push::Stale(_)));
    let error = mirror.fetch().await.unwrap_err();
    assert!(matches!(error, GitError::NoBranch { .. }), "{error}");
    assert!(error.to_string().contains("has no branch main: create it"));
}

#[tokio::test]
async fn a_hook_that_says_no_is_quoted() {
    let server = Server::new(&[("a.yaml", "a: 1\n")]);
    server.hook("pre-receive", "echo 'only pull requests go to main' >&2; exit 1");
    let mirror = server.mirror("cache").await;
    let tip = mirror.fetch().await.unwrap().sha;
    let sha = mirror.commit(&tip, "b.yaml", "b: 1\n", "ours").await.unwrap();
    let error = mirror.push(&sha, &tip).await.unwrap_err();
    assert!(matches!(error, GitError::Rejected { .. }));
    assert!(error.to_string().contains("only pull requests go to main"), "{error}");
    assert_eq!(git(&server.path(), &["rev-parse", "main"]), tip);
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let remote = |url: &str| Remote { url: url.into(), branch: "main".into(), author: None };
    let gone = dir.path().join("gone.git").display().to_string();
    let mirror = Mirror::open(dir.path(), remote(&gone)).await.unwrap();
    let error = mirror.fetch().await.unwrap_err();
    assert!(error.passing() && error.to_string().contains(&gone), "{error}");
    // Nobody listens on port 1.
    let mirror = Mirror::open(dir.path(), remote("http://mara:secret@127.0.0.1:1/fleet.git")).await.unwrap();
    let error = mirror.fetch().await.unwrap_err().to_string();
    assert!(error.contains("cannot be reached") && !error.contains("secret"), "{error}");
    for (url, branch) in [("", "main"), ("-oProxyCommand=x", "main"), ("/srv/x.git", "a..b")] {
        let error = Mirror::open(dir.path(), Remote { url: url.into(), branch: branch.into(), author: None }).await;
        assert!(matches!(error, Err(GitError::Config(_))), "{url} {branch}");
    }
}

#[tokio::test]
async fn without_an_identity_nothing_is_committed() {
    let server = Server::new(&[("a.yaml", "a: 1\n")]);
    let mirror = Mirror::open(server.dir.path(), Remote { author: None, ..server.remote() }).await.unwrap();
    let tip = mirror.fetch().await.unwrap().sha;
    // Settings of the mirror win over those of the user who runs the tests.
    git(&mirror.dir(), &["config", "user.email", ""]);
    git(&mirror.dir(), &["config", "user.name", ""]);
    let error = mirror.commit(&tip, "b.yaml", "b: 1\n", "m").await.unwrap_err();
    assert!(matches!(error, GitError::Identity), "{error}");
    git(&mirror.dir(), &["config", "user.email", "mirror@example.com"]);
    git(&mirror.dir(), &["config", "user.name", "Mirror"]);
    assert_eq!(mirror.identity().await.unwrap(), "Mirror <mirror@example.com>");
    mirror.commit(&tip, "b.yaml", "b: 1\n", "m").await.unwrap();
}

#[tokio::test]
async fn commits_are_signed_when_the_user_signs() {
    let server = Server::new(&[("a.yaml", "a: 1\n")]);
    let key = server.dir.path().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    if !made.is_ok_and(|s| s.success()) {
        eprintln!("skipped: there is no ssh-keygen here");
        return;
    }
    let mirror = server.mirror("cache").await;
    let tip = mirror.fetch().await.unwrap().sha;
    git(&mirror.dir(), &["config", "commit.gpgsign", "true"]);
    git(&mirror.dir(), &["config", "gpg.format", "ssh"]);
    git(&mirror.dir(), &["config", "user.signingkey", &key.display().to_string()]);
    let sha = mirror.commit(&tip, "b.yaml", "b: 1\n", "signed").await.unwrap();
    assert!(git(&mirror.dir(), &["cat-file", "commit", &sha]).contains("BEGIN SSH SIGNATURE"));
    git(&mirror.dir(), &["config", "user.signingkey", "/nonexistent"]);
    let error = mirror.commit(&tip, "b.yaml", "b: 2\n", "signed").await.unwrap_err();
    assert!(matches!(error, GitError::Signing(_)), "{error}");
}

#[tokio::test]
async fn any_commit_branch_or_tag_is_found_and_nothing_that_is_none() {
    let server = Server::new(&[("a.yaml", "a: 1\n")]);
    let first = git(&server.other(), &["rev-parse", "HEAD"]);
    git(&server.other(), &["tag", "-a", "v1", "-m", "one"]);
    git(&server.other(), &["push", "--quiet", "origin", "v1"]);
    git(&server.other(), &["push", "--quiet", "origin", "HEAD:refs/heads/release/1"]);
    server.write("a.yaml", "a: 2\n");
    let second = server.publish("second");
    let mirror = server.mirror("cache").await;
    mirror.fetch().await.unwrap();
    for (revision, wanted) in [
        ("v1", &first),
        ("release/1", &first),
        ("refs/heads/release/1", &first),
        ("main", &second),
        ("HEAD", &second),
        (&*first, &first),
        (&first[..10], &first),
    ] {
        assert_eq!(mirror.resolve(revision).await.unwrap().trim(), wanted.trim(), "{revision}");
    }
    assert_eq!(mirror.manifests(&first, "", false).await.unwrap(), [("a.yaml".to_string(), "a: 1\n".to_string())]);
    assert!(matches!(mirror.resolve("no-such").await, Err(GitError::NoBranch { branch, .. }) if branch == "no-such"));
    for nonsense in ["", "--upload-pack=x", "a b", "v1.*", "a..b", "x:refs/heads/main", "+main"] {
        let answer = mirror.resolve(nonsense).await;
        assert!(answer.is_err(), "{nonsense}: {answer:?}");
    }
    assert_eq!(server.show("main:a.yaml"), "a: 2\n".trim_end(), "nothing is written");
}
