//! The kubeconfig, read the way `kubectl` reads it, with errors that say which file, what is wrong and what to do.
//!
//! Rules of merging: <https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>.
//! A missing file in the `KUBECONFIG` list is skipped with a notice (client-go: `ClientConfigLoadingRules.Load`).

use crate::world::text::clean;
use kube::config::{AuthInfo, Cluster, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the command line says about clusters.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--kubeconfig`: this file and no other; it must exist.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`, repeatable; the first one becomes the current context.
    pub contexts: Vec<String>,
    /// `-n`: overrides the namespace of every context.
    pub namespace: Option<String>,
    /// `--as`: impersonated user, overrides what the kubeconfig says.
    pub user_as: Option<String>,
    /// `--request-timeout`: bound of every plain request.
    pub request_timeout: Option<Duration>,
}

/// Where kubeconfigs are looked for when no flag says it; read from the environment by [`load`].
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The value of `KUBECONFIG`.
    pub kubeconfig: Option<OsString>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// `KUBERNETES_SERVICE_HOST` and `_PORT`: set inside a pod.
    pub in_cluster: Option<(String, String)>,
}

/// One context of the kubeconfig: where a cluster is and who we are there.
#[derive(Clone, Debug)]
pub struct Context {
    /// Its name; the cluster's name on screen.
    pub name: String,
    /// Name of the `clusters` entry.
    pub cluster: String,
    /// URL of the API server; empty where the entry is missing (connecting says so).
    pub server: String,
    /// Namespace of the context or of `-n`; empty where neither names one (`default` is meant then).
    pub namespace: String,
    /// Name of the `users` entry; may be empty.
    pub user: String,
    /// The user we act as, where impersonation is set.
    pub impersonate: Option<String>,
    /// The file that defines the context.
    pub file: PathBuf,
    /// Bound of every plain request.
    pub request_timeout: Duration,
    pub(crate) entries: Arc<Entries>,
    /// Whether `--as` says whom we act as.
    pub(crate) by_flag: bool,
}

/// The kubeconfig entries behind a context.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    /// The cluster and the file it stands in; `None` where the context names one that is not there.
    pub cluster: Option<(Cluster, PathBuf)>,
    /// The user and the file it stands in; an absent user is an anonymous one, as in client-go.
    pub user: (AuthInfo, PathBuf),
}

/// A kubeconfig that could be read.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every context, in the order of the files.
    pub contexts: Vec<Context>,
    /// Index of the current context: the first `--context`, else `current-context`.
    pub current: Option<usize>,
    /// Indices to open at once: those named on the command line, else the current one.
    pub open: Vec<usize>,
    /// Sentences for the person at the screen.
    pub notices: Vec<String>,
}

/// Why no kubeconfig could be read; a sentence with the file and what to do.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct KubeconfigError(pub String);

impl KubeconfigError {
    /// Whether there is no kubeconfig at all, rather than one that cannot be used.
    pub fn is_nothing(&self) -> bool {
        self.0.starts_with(NOTHING)
    }
}

/// How the sentence begins where there is no kubeconfig at all.
const NOTHING: &str = "no kubeconfig: ";

/// Bound of a plain request when `--request-timeout` is not given.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

impl Context {
    /// Whether credentials come from a program (`users[].user.exec`), which may open a login page.
    pub fn runs_program(&self) -> bool {
        self.entries.user.0.exec.is_some()
    }

    /// The program that credentials come from.
    pub fn program(&self) -> Option<String> {
        self.entries.user.0.exec.as_ref().map(|exec| exec.command.clone().unwrap_or_default())
    }

    /// The user we act as because `--as` says so, which other programs do not know.
    pub fn impersonated_by_flag(&self) -> Option<&str> {
        self.impersonate.as_deref().filter(|_| self.by_flag)
    }

    /// A context for a server without credentials, for embedded clusters (demo, recordings, tests).
    pub fn for_server(name: &str, server: &str) -> Self {
        let cluster = Cluster { server: Some(server.into()), ..Cluster::default() };
        Self {
            name: name.into(),
            cluster: name.into(),
            server: server.into(),
            namespace: String::new(),
            user: String::new(),
            impersonate: None,
            file: PathBuf::new(),
            request_timeout: REQUEST_TIMEOUT,
            by_flag: false,
            entries: Arc::new(Entries {
                cluster: Some((cluster, PathBuf::new())),
                user: (AuthInfo::default(), PathBuf::new()),
            }),
        }
    }
}

/// Reads the kubeconfig that the flags and the environment name.
///
/// # Errors
/// A sentence: the file is missing, empty, not YAML, or a context that was asked for is not in it.
pub fn load(flags: &Flags) -> Result<Loaded, KubeconfigError> {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    load_from(
        flags,
        &Places {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            home: std::env::var_os("HOME").map(PathBuf::from),
            in_cluster: var("KUBERNETES_SERVICE_HOST").zip(var("KUBERNETES_SERVICE_PORT")),
        },
    )
}

/// [`load`] with the environment handed in.
///
/// # Errors
/// As [`load`].
pub fn load_from(flags: &Flags, places: &Places) -> Result<Loaded, KubeconfigError> {
    let mut merged = Merged::default();
    let (paths, must_exist) = paths(flags, places)?;
    for path in &paths {
        match read(path)? {
            Some(config) => merged.add(path, config)?,
            None if must_exist => return Err(missing(path)),
            None => merged.notices.push(format!("kubeconfig {} does not exist; skipped", path.display())),
        }
    }
    if merged.files.is_empty() {
        match &places.in_cluster {
            Some((host, port)) => merged.add(Path::new("/var/run/secrets"), in_cluster(host, port))?,
            None => return Err(nothing(&paths)),
        }
    }
    merged.finish(flags)
}

/// The files to read, and whether a missing one is an error.
fn paths(flags: &Flags, places: &Places) -> Result<(Vec<PathBuf>, bool), KubeconfigError> {
    if let Some(path) = &flags.kubeconfig {
        return Ok((vec![path.clone()], true));
    }
    let listed: Vec<PathBuf> =
        places.kubeconfig.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty()).collect();
    if !listed.is_empty() {
        return Ok((listed, false));
    }
    let home = places.home.as_ref().ok_or_else(|| {
        KubeconfigError("no kubeconfig: neither KUBECONFIG nor HOME is set; name a file with --kubeconfig".into())
    })?;
    Ok((vec![home.join(".kube/config")], false))
}

fn missing(path: &Path) -> KubeconfigError {
    KubeconfigError(format!("kubeconfig {} does not exist; correct --kubeconfig", path.display()))
}

fn nothing(paths: &[PathBuf]) -> KubeconfigError {
    let looked: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    KubeconfigError(format!(
        "{NOTHING}{} not found; set KUBECONFIG or --kubeconfig, or try `kokpit demo`",
        if looked.len() == 1 { format!("{} was", looked[0]) } else { format!("none of {} was", looked.join(", ")) }
    ))
}

/// Reads one file; `None` where it does not exist.
fn read(path: &Path) -> Result<Option<Kubeconfig>, KubeconfigError> {
    let error = |why: String| KubeconfigError(format!("kubeconfig {}: {why}", path.display()));
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(error(format!("cannot be read ({e}); check the path and its permissions"))),
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(error(
            "is empty; write a kubeconfig into it, or name another file with --kubeconfig or KUBECONFIG".into(),
        ));
    }
    Kubeconfig::read_from(path).map(Some).map_err(|e| error(in_words(e)))
}

/// What is wrong with a file's content. The text of the file is never quoted: it holds credentials.
fn in_words(error: kube::config::KubeconfigError) -> String {
    match error {
        kube::config::KubeconfigError::Parse(e) => {
            let at = e.location().map(|l| format!("line {}, column {}: ", l.line(), l.column())).unwrap_or_default();
            let what = e.without_snippet().to_string();
            let what: String = clean(what.lines().next().unwrap_or_default()).chars().take(120).collect();
            format!("{at}not a kubeconfig in YAML: {what}; correct the file")
        }
        kube::config::KubeconfigError::ReadConfig(e, _) => {
            format!("cannot be read ({e}); check the file and its permissions")
        }
        other => format!("{other}; correct the file"),
    }
}

/// What a pod finds about its own cluster (client-go: `rest.InClusterConfig`).
fn in_cluster(host: &str, port: &str) -> Kubeconfig {
    let dir = "/var/run/secrets/kubernetes.io/serviceaccount";
    let host = if host.contains(':') { format!("[{host}]") } else { host.into() };
    let name = String::from("in-cluster");
    Kubeconfig {
        clusters: vec![NamedCluster {
            name: name.clone(),
            cluster: Some(Cluster {
                server: Some(format!("https://{host}:{port}")),
                certificate_authority: Some(format!("{dir}/ca.crt")),
                ..Cluster::default()
            }),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: name.clone(),
            auth_info: Some(AuthInfo { token_file: Some(format!("{dir}/token")), ..AuthInfo::default() }),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: name.clone(),
            context: Some(kube::config::Context {
                cluster: name.clone(),
                user: Some(name.clone()),
                namespace: std::fs::read_to_string(format!("{dir}/namespace")).ok(),
                ..kube::config::Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(name),
        ..Kubeconfig::default()
    }
}

/// Files merged so far: the first one to name an entry wins.
#[derive(Default)]
struct Merged {
    files: Vec<PathBuf>,
    clusters: HashMap<String, (Cluster, PathBuf)>,
    users: HashMap<String, (AuthInfo, PathBuf)>,
    contexts: Vec<(String, kube::config::Context, PathBuf)>,
    current: Option<(String, PathBuf)>,
    notices: Vec<String>,
}

impl Merged {
    fn add(&mut self, path: &Path, config: Kubeconfig) -> Result<(), KubeconfigError> {
        self.files.push(path.into());
        for entry in config.clusters {
            self.clusters.entry(entry.name).or_insert((entry.cluster.unwrap_or_default(), path.into()));
        }
        for entry in config.auth_infos {
            self.users.entry(entry.name).or_insert((entry.auth_info.unwrap_or_default(), path.into()));
        }
        for entry in config.contexts {
            if !self.contexts.iter().any(|(name, ..)| *name == entry.name) {
                self.contexts.push((entry.name, entry.context.unwrap_or_default(), path.into()));
            }
        }
        let current = config.current_context.filter(|name| !name.is_empty());
        self.current = self.current.take().or(current.map(|name| (name, path.into())));
        Ok(())
    }

    fn finish(self, flags: &Flags) -> Result<Loaded, KubeconfigError> {
        let files = self.files.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        if self.contexts.is_empty() {
            return Err(KubeconfigError(format!(
                "kubeconfig {files}: there is no context in it; add one with `kubectl config set-context`"
            )));
        }
        let open = flags.contexts.iter().map(|name| self.index(name, &files)).collect::<Result<Vec<_>, _>>()?;
        let current = match (open.first(), &self.current) {
            (Some(first), _) => Some(*first),
            (None, Some((name, file))) => Some(self.index(name, &file.display().to_string()).map_err(|e| {
                KubeconfigError(format!("{e} (it is the current-context; choose another with --context)"))
            })?),
            (None, None) => None,
        };
        let open = if open.is_empty() { current.into_iter().collect() } else { open };
        let contexts = self.contexts.iter().map(|(name, c, file)| self.context(name, c, file, flags)).collect();
        Ok(Loaded { contexts, current, open, notices: self.notices })
    }

    fn index(&self, wanted: &str, files: &str) -> Result<usize, KubeconfigError> {
        let names: Vec<&str> = self.contexts.iter().map(|(name, ..)| name.as_str()).collect();
        names.iter().position(|name| *name == wanted).ok_or_else(|| {
            let hint = match crate::world::text::closest(wanted, names.iter().copied()) {
                Some(near) => format!("did you mean \"{}\"?", clean(near)),
                None => {
                    format!("it has {}", names.iter().take(8).map(|n| clean(n)).collect::<Vec<_>>().join(", "))
                }
            };
            KubeconfigError(format!("kubeconfig {files}: there is no context \"{}\"; {hint}", clean(wanted)))
        })
    }

    fn context(&self, name: &str, context: &kube::config::Context, file: &Path, flags: &Flags) -> Context {
        let cluster = self.clusters.get(&context.cluster).cloned();
        let user_name = context.user.clone().unwrap_or_default();
        let mut user = self.users.get(&user_name).cloned().unwrap_or((AuthInfo::default(), file.into()));
        if flags.user_as.is_some() {
            user.0.impersonate = flags.user_as.clone();
            (user.0.impersonate_uid, user.0.impersonate_groups, user.0.impersonate_user_extra) = (None, None, None);
        }
        Context {
            name: name.into(),
            cluster: context.cluster.clone(),
            server: cluster.as_ref().and_then(|(c, _)| c.server.clone()).unwrap_or_default(),
            namespace: flags.namespace.clone().or(context.namespace.clone()).unwrap_or_default(),
            user: user_name,
            impersonate: user.0.impersonate.clone(),
            file: file.into(),
            request_timeout: flags.request_timeout.unwrap_or(REQUEST_TIMEOUT),
            by_flag: flags.user_as.is_some(),
            entries: Arc::new(Entries { cluster, user }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, extra: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\n{extra}clusters:\n- name: {name}\n  cluster: {{server: 'https://{name}:6443', certificate-authority: ca.crt}}\nusers:\n- name: {name}\n  user: {{token: from-{name}}}\ncontexts:\n- name: {name}\n  context: {{cluster: {name}, user: {name}, namespace: ns-{name}}}\n"
        )
    }

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn listed(paths: &[&Path]) -> Places {
        Places { kubeconfig: Some(std::env::join_paths(paths).unwrap()), ..Places::default() }
    }

    #[test]
    fn several_files_merge_and_the_first_wins() {
        let dir = tempfile::tempdir().unwrap();
        let a = write(dir.path(), "one/a", &config("a", "current-context: a\n"));
        let shadow = config("a", "current-context: b\n").replace("https://a:6443", "https://other");
        let b =
            write(dir.path(), "two/b", &(shadow + &config("b", "").replace("apiVersion: v1\nkind: Config\n", "---\n")));
        let loaded = load_from(&Flags::default(), &listed(&[&a, &dir.path().join("gone"), &b])).unwrap();
        let names: Vec<&str> = loaded.contexts.iter().map(|c| c.name.as_str()).collect();
        assert_eq!((names, loaded.current, &loaded.open[..]), (vec!["a", "b"], Some(0), &[0][..]));
        assert_eq!(loaded.contexts[0].server, "https://a:6443");
        assert_eq!(loaded.contexts[1].namespace, "ns-b");
        assert!(loaded.notices[0].contains("gone") && loaded.notices[0].contains("skipped"), "{:?}", loaded.notices);
        let (cluster, file) = loaded.contexts[1].entries.cluster.as_ref().unwrap();
        assert_eq!(cluster.certificate_authority.as_deref(), dir.path().join("two/ca.crt").to_str());
        assert_eq!(*file, b);
    }

    #[test]
    fn flags_override_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let a = write(dir.path(), "a", &config("a", "current-context: a\n"));
        let b = write(dir.path(), "b", &config("b", ""));
        let flags = Flags {
            contexts: vec!["b".into()],
            namespace: Some("shop".into()),
            user_as: Some("jane".into()),
            request_timeout: Some(Duration::from_secs(3)),
            ..Flags::default()
        };
        let loaded = load_from(&flags, &listed(&[&a, &b])).unwrap();
        assert_eq!((loaded.current, &loaded.open[..]), (Some(1), &[1][..]));
        let context = &loaded.contexts[1];
        assert_eq!((context.namespace.as_str(), context.impersonate.as_deref()), ("shop", Some("jane")));
        assert_eq!(context.request_timeout, Duration::from_secs(3));
    }

    #[test]
    fn mistakes_get_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let fails = |name: &str, text: &str, contexts: &[&str], words: &[&str]| {
            let path = write(dir.path(), name, text);
            let contexts = contexts.iter().map(|c| c.to_string()).collect();
            let flags = Flags { kubeconfig: Some(path), contexts, ..Flags::default() };
            let error = load_from(&flags, &Places::default()).unwrap_err().to_string();
            assert!(words.iter().chain(&[name]).all(|w| error.contains(w)), "{error}");
        };
        fails("empty", " \n", &[], &["is empty", "--kubeconfig"]);
        fails("broken", "clusters: [\n  x: {y", &[], &["line", "not a kubeconfig in YAML"]);
        fails("words", "just words", &[], &["not a kubeconfig in YAML"]);
        fails("none", "apiVersion: v1\nkind: Config\n", &[], &["no context"]);
        fails("typo", &config("staging", ""), &["stagin"], &["no context \"stagin\"", "did you mean \"staging\"?"]);
        fails("lost", &config("a", "current-context: zzz\n"), &[], &["no context \"zzz\"", "it has a", "--context"]);
    }

    #[test]
    fn a_missing_file_names_the_places() {
        let flags = Flags { kubeconfig: Some("/nowhere/config".into()), ..Flags::default() };
        assert!(load_from(&flags, &Places::default()).unwrap_err().0.contains("/nowhere/config does not exist"));
        let places = Places { home: Some("/nowhere".into()), ..Places::default() };
        assert!(load_from(&Flags::default(), &places).unwrap_err().0.contains("/nowhere/.kube/config"));
        let places = Places { in_cluster: Some(("fd00::1".into(), "443".into())), ..places };
        assert_eq!(load_from(&Flags::default(), &places).unwrap().contexts[0].server, "https://[fd00::1]:443");
    }

    #[test]
    fn secrets_are_never_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "c", "users:\n- name: a\n  user:\n    token: hunter2hunter2: [\n");
        let flags = Flags { kubeconfig: Some(path), ..Flags::default() };
        let error = load_from(&flags, &Places::default()).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
