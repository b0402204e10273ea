//! Repositories on this machine, read with the git program: refs are looked at directly, trees and blobs are kept.

use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What was rendered from one directory of one commit: the objects, or a sentence.
type Rendered = Result<Arc<Vec<Value>>, String>;

/// The repositories that Applications name, with what was read of them.
#[derive(Default)]
pub struct Repositories {
    /// (URL, target revision) → commit, as last looked up.
    refs: HashMap<(String, String), Result<String, String>>,
    /// commit → its files.
    trees: HashMap<String, Arc<Vec<File>>>,
    /// (commit, path, recurse) → what it renders to.
    rendered: HashMap<(String, String, bool), Rendered>,
    /// blob → text.
    blobs: HashMap<String, Arc<str>>,
}

/// A file of a commit.
struct File {
    path: String,
    blob: String,
}

impl Repositories {
    /// Looks every known ref up again; true when one of them has moved.
    pub async fn poll(&mut self) -> bool {
        let mut moved = false;
        let known: Vec<_> = self.refs.keys().cloned().collect();
        for key in known {
            let found = resolve(&key.0, &key.1).await;
            moved |= self.refs.get(&key) != Some(&found);
            self.refs.insert(key, found);
        }
        moved
    }

    /// The commit that `target` stands for, and every object in the YAML files of a directory of it.
    ///
    /// # Errors
    /// The repo-server's sentence, with its gRPC code, for a repository, revision, path or file that cannot be read.
    pub async fn render(
        &mut self,
        url: &str,
        target: &str,
        path: &str,
        recurse: bool,
    ) -> Result<(String, Arc<Vec<Value>>), String> {
        let key = (url.to_string(), target.to_string());
        if !self.refs.contains_key(&key) {
            let found = resolve(url, target).await;
            self.refs.insert(key.clone(), found);
        }
        let sha = self.refs.get(&key).cloned().unwrap_or_else(|| Err(unknown("repository not found")))?;
        let path = path.trim_matches('/').to_string();
        let rendered = (sha.clone(), path.clone(), recurse);
        if !self.rendered.contains_key(&rendered) {
            self.forget_old(&sha);
            let objects = self.read(url, &sha, &path, recurse).await.map(Arc::new);
            self.rendered.insert(rendered.clone(), objects);
        }
        let objects = self.rendered.get(&rendered).cloned().unwrap_or_else(|| Err(unknown("nothing rendered")))?;
        Ok((sha, objects))
    }

    /// Keeps memory in bounds in a session of many commits.
    fn forget_old(&mut self, sha: &str) {
        if self.trees.len() > 20 && !self.trees.contains_key(sha) {
            self.trees.clear();
            self.rendered.clear();
            self.blobs.clear();
        }
    }

    async fn read(&mut self, url: &str, sha: &str, path: &str, recurse: bool) -> Result<Vec<Value>, String> {
        let repository = local_path(url).ok_or_else(|| unknown("repository not found"))?;
        if !self.trees.contains_key(sha) {
            let files = ls_tree(&repository, sha).await.map_err(|why| unknown(&why))?;
            self.trees.insert(sha.to_string(), Arc::new(files));
        }
        let tree = self.trees.get(sha).cloned().unwrap_or_default();
        let prefix = if path.is_empty() || path == "." { String::new() } else { format!("{path}/") };
        let inside: Vec<&File> = tree.iter().filter(|f| f.path.starts_with(&prefix)).collect();
        if inside.is_empty() {
            return Err(unknown(&format!("{path}: app path does not exist")));
        }
        let manifest = |f: &&File| {
            let rest = &f.path[prefix.len()..];
            (recurse || !rest.contains('/')) && [".yaml", ".yml", ".json"].iter().any(|end| rest.ends_with(end))
        };
        let manifests: Vec<&File> = inside.into_iter().filter(manifest).collect();
        self.fetch(&repository, &manifests).await?;
        let mut objects = Vec::new();
        for file in manifests {
            let text = self.blobs.get(&file.blob).cloned().unwrap_or_else(|| "".into());
            objects.extend(documents(&file.path[prefix.len()..], &text)?);
        }
        Ok(objects)
    }

    /// Reads the blobs that are not known yet, all with one process.
    async fn fetch(&mut self, repository: &Path, files: &[&File]) -> Result<(), String> {
        let missing: Vec<&str> =
            files.iter().map(|f| f.blob.as_str()).filter(|b| !self.blobs.contains_key(*b)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let input = missing.iter().map(|b| format!("{b}\n")).collect::<String>();
        let output = git(repository, &["cat-file", "--batch"], &input).await.map_err(|why| unknown(&why))?;
        let mut rest = &output[..];
        for blob in missing {
            // `<id> blob <size>\n<bytes>\n`
            let Some(end) = rest.iter().position(|b| *b == b'\n') else { break };
            let header = String::from_utf8_lossy(&rest[..end]).into_owned();
            let size: usize = header.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let from = end + 1;
            let to = (from + size).min(rest.len());
            self.blobs.insert(blob.to_string(), String::from_utf8_lossy(&rest[from..to]).into());
            rest = &rest[(to + 1).min(rest.len())..];
        }
        Ok(())
    }
}

fn unknown(why: &str) -> String {
    format!("rpc error: code = Unknown desc = {why}")
}

fn unreadable(file: &str, why: &str) -> String {
    format!("rpc error: code = FailedPrecondition desc = Failed to unmarshal \"{file}\": {why}")
}

/// Every object of a file; an empty document and `null` are none, a `List` is its items.
fn documents(file: &str, text: &str) -> Result<Vec<Value>, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|e| {
        let line = e.location().map_or_else(String::new, |at| format!("line {}: ", at.line()));
        let what = e.to_string();
        let what = what.lines().next().unwrap_or_default().trim_start_matches("error: ");
        unreadable(file, &format!("failed to unmarshal manifest: error converting YAML to JSON: yaml: {line}{what}"))
    })?;
    let mut objects = Vec::new();
    for document in documents.into_iter().filter(|d| !d.is_null()) {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
        if let Some(items) = document.get("items").and_then(Value::as_array).filter(|_| kind.ends_with("List")) {
            objects.extend(items.iter().cloned());
        } else if kind.is_empty() || document.pointer("/metadata/name").is_none() {
            let shown: String = document.to_string().chars().take(80).collect();
            return Err(unreadable(file, &format!("Object 'Kind' is missing in '{shown}'")));
        } else {
            objects.push(document);
        }
    }
    Ok(objects)
}

/// The directory behind `file:///…` or a plain absolute path.
pub fn local_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// The commit a branch, tag, `HEAD` or id stands for. A branch is read from its file, which costs nothing.
async fn resolve(url: &str, target: &str) -> Result<String, String> {
    let repository =
        local_path(url).filter(|p| p.is_dir()).ok_or_else(|| unknown("failed to list refs: repository not found"))?;
    let branch = if target.is_empty() { "HEAD" } else { target };
    let loose = std::fs::read_to_string(repository.join("refs/heads").join(branch)).unwrap_or_default();
    let loose = loose.trim();
    if loose.len() >= 40 && loose.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(loose.to_string());
    }
    let wanted = format!("{branch}^{{commit}}");
    let found = git(&repository, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted], "").await;
    let sha = found.map(|out| String::from_utf8_lossy(&out).trim().to_string()).unwrap_or_default();
    match sha.is_empty() {
        true => Err(unknown(&format!("unable to resolve '{branch}' to a commit SHA: revision not found"))),
        false => Ok(sha),
    }
}

async fn ls_tree(repository: &Path, sha: &str) -> Result<Vec<File>, String> {
    let output = git(repository, &["ls-tree", "-r", "-z", sha], "").await?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let file = |line: &str| {
        let (meta, path) = line.split_once('\t')?;
        let mut words = meta.split(' ').skip(1);
        let (kind, blob) = (words.next()?, words.next()?);
        (kind == "blob").then(|| File { path: path.into(), blob: blob.into() })
    };
    Ok(text.split('\0').filter_map(file).collect())
}

/// Runs git in a repository.
async fn git(repository: &Path, arguments: &[&str], input: &str) -> Result<Vec<u8>, String> {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("git cannot be started: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_string();
        // Written beside the reading, so that neither side waits for the other.
        tokio::spawn(async move {
            let _ = stdin.write_all(input.as_bytes()).await;
        });
    }
    let output = child.wait_with_output().await.map_err(|e| format!("git: {e}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_lists_and_mistakes() {
        let text = "---\n# nothing\n---\nkind: A\nmetadata: {name: a}\n---\nkind: List\nitems:\n- kind: B\n  metadata: {name: b}\n";
        let kinds: Vec<_> = documents("x.yaml", text).unwrap().iter().map(|o| o["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B"]);
        let bad = documents("bad.yaml", "kind: A\nmetadata:\n  name: a\n bad: [\n").unwrap_err();
        assert!(bad.contains("Failed to unmarshal \"bad.yaml\"") && bad.contains("yaml: line "), "{bad}");
        assert!(documents("x.yaml", "a: b\n").unwrap_err().contains("Object 'Kind' is missing"));
    }

    #[test]
    fn only_local_repositories() {
        assert_eq!(local_path("file:///srv/x.git"), Some("/srv/x.git".into()));
        assert_eq!(local_path("https://example.com/x.git"), None);
    }
}
