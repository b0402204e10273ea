//! Appending to `config.toml`: readable, commented, and without touching what is there.

use super::read::load;
use super::{Cluster, Repository};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Writes a file with every setting explained and none set.
///
/// # Errors
/// A sentence: it is there already (and stays as it is), or cannot be written.
pub fn init(file: &Path) -> Result<(), String> {
    let fail = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{} is there already and was left alone; `kokpit config check` reads it", file.display())
        }
        _ => format!("{} cannot be written: {e}", file.display()),
    };
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir).map_err(fail)?;
    }
    // One step: nobody's file is overwritten, also not one that came to be a moment ago.
    let mut out = fs::File::create_new(file).map_err(fail)?;
    out.write_all(super::keys::template().as_bytes()).map_err(fail)
}

/// Appends a `[[repository]]`.
///
/// # Errors
/// A sentence: the file is not usable as it is, already has a repository of this name, or cannot be written.
pub fn add_repository(file: &Path, repository: &Repository) -> Result<(), String> {
    let config = usable(file)?;
    if config.repository(&repository.name).is_some() {
        return Err(format!("{} already has a repository named {:?}", file.display(), repository.name));
    }
    let mut text = String::from("\n# A git repository that kokpit commits to.\n[[repository]]\n");
    text += &line("name", &repository.name, "");
    text += &line("url", &repository.url, "where `git push` goes");
    text += &line("branch", &repository.branch, "");
    if !repository.argo_urls.is_empty() {
        let urls: Vec<String> = repository.argo_urls.iter().map(|u| quoted(u)).collect();
        text += &format!("argo_urls = [{}]  # how Argo CD writes the same repository\n", urls.join(", "));
    }
    if let Some(author) = &repository.author {
        text += &line("author", author, "instead of git's user.name and user.email");
    }
    append(file, &text)
}

/// Appends a `[[cluster]]`.
///
/// # Errors
/// A sentence: the file is not usable as it is, or cannot be written.
pub fn add_cluster(file: &Path, cluster: &Cluster) -> Result<(), String> {
    usable(file)?;
    let mut text =
        String::from("\n# Contexts whose name matches, and the repository their state is kept in.\n[[cluster]]\n");
    text += &line("context", &cluster.context, "");
    for (key, value, comment) in [
        ("repository", &cluster.repository, "a [[repository]] of this file"),
        ("nodes", &cluster.nodes, "one manifest per node"),
        ("ledger", &cluster.ledger, "records of nodes that something else manages"),
        ("accent", &cluster.accent, "frame of confirmations"),
    ] {
        text += &value.as_ref().map_or(String::new(), |v| line(key, v, comment));
    }
    if let Some(protected) = cluster.protected {
        text += &format!("protected = {protected}  # true: every write asks for the cluster's name\n");
    }
    append(file, &text)
}

fn usable(file: &Path) -> Result<super::Config, String> {
    let loaded = load(file);
    match loaded.problems.iter().find(|p| p.line == 0 || p.text.starts_with("is not TOML")) {
        Some(problem) => Err(format!("{problem}; mend it first, kokpit will not write into a file it cannot read")),
        None => Ok(loaded.config),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

fn line(key: &str, value: &str, comment: &str) -> String {
    match comment {
        "" => format!("{key} = {}\n", quoted(value)),
        comment => format!("{key} = {}  # {comment}\n", quoted(value)),
    }
}

/// Adds text at the end of a file, which is made where there is none.
fn append(file: &Path, addition: &str) -> Result<(), String> {
    let mut text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => "# Configuration of kokpit.\n".into(),
        Err(e) => return Err(format!("{} cannot be written: {e}", file.display())),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    replace(file, &(text + addition))
}

/// Writes a whole file beside the old one and renames: nobody ever sees half a file. A symlink (a directory of dotfiles)
/// stays one.
///
/// # Errors
/// A sentence, when it cannot be written.
pub fn replace(file: &Path, text: &str) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{} cannot be written: {e}", file.display());
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    if let Some(dir) = target.parent() {
        fs::create_dir_all(dir).map_err(fail)?;
    }
    let beside = target.with_extension("toml.new");
    let write = || {
        let mut out = fs::File::create(&beside)?;
        if let Ok(old) = fs::metadata(&target) {
            out.set_permissions(old.permissions())?;
        }
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&beside, &target)
    };
    write().map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn fleet() -> Repository {
        Repository {
            name: "fleet".into(),
            url: "git@example.com:a/\"b\".git".into(),
            branch: "main".into(),
            argo_urls: vec!["https://example.com/a/b".into()],
            author: Some("Mara <m@example.com>".into()),
        }
    }

    #[test]
    fn what_is_appended_is_read_back_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kokpit/config.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "# mine\n[ui]\ntheme = \"light\" # bright room").unwrap();
        add_repository(&file, &fleet()).unwrap();
        let cluster = Cluster {
            context: "prod-*".into(),
            repository: Some("fleet".into()),
            protected: Some(true),
            nodes: Some("n/{cluster}".into()),
            ..Cluster::default()
        };
        add_cluster(&file, &cluster).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# mine\n[ui]\ntheme = \"light\" # bright room\n"), "{text}");
        let loaded = parse("c", &text);
        assert_eq!(loaded.problems, vec![]);
        assert_eq!(loaded.config.repositories, [fleet()]);
        assert_eq!(loaded.config.clusters, [cluster]);
        assert!(add_repository(&file, &fleet()).unwrap_err().contains("already has a repository"));
    }

    #[test]
    fn a_first_file_is_made_with_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b/config.toml");
        add_repository(&file, &fleet()).unwrap();
        assert_eq!(load(&file).config.repositories, [fleet()]);
    }

    #[test]
    fn the_commented_file_is_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kokpit/config.toml");
        init(&file).unwrap();
        assert_eq!(load(&file), super::super::Loaded::default());
        add_repository(&file, &fleet()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(init(&file).unwrap_err().contains("was left alone"));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(load(&file).config.repositories, [fleet()]);
    }

    #[test]
    fn a_file_that_is_not_toml_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        fs::write(&file, "theme = \n").unwrap();
        let refusal = add_cluster(&file, &Cluster::default()).unwrap_err();
        assert!(refusal.contains("is not TOML") && refusal.contains("mend it first"), "{refusal}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "theme = \n");
    }

    #[cfg(unix)]
    #[test]
    fn a_symlink_stays_a_symlink() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("dotfiles.toml"), dir.path().join("config.toml"));
        fs::write(&real, "[ui]\n").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        add_repository(&link, &fleet()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(load(&real).config.repositories.len(), 1);
    }
}
