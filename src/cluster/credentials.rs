//! Who we are at a cluster: tokens, token files, basic auth, and exec plugins run by ourselves.
//!
//! A plugin runs off the UI thread with its standard input closed, in a process group of its own, with a time limit
//! and its error output captured; at most one run at a time per context; again shortly before its credential expires,
//! and once after the server answered 401. (kube would run it three times on connecting, with our terminal.)
//! Protocol: <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>.

use crate::world::text::clean;
use crate::world::time::Time;
use base64::Engine;
use http::HeaderValue;
use kube::config::{AuthInfo, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a token read from a file is used before the file is read again (as client-go does).
const FILE_AGE: Duration = Duration::from_secs(60);
/// After a run that a 401 asked for, the next 401 must be at least this much later to cause another.
const RENEW_PAUSE: Duration = Duration::from_secs(30);

/// A client certificate with its key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// Certificate chain.
    pub certificate: String,
    /// Private key.
    pub key: String,
}

/// What authenticates a request.
#[derive(Clone, Default)]
pub struct Credential {
    /// The `Authorization` header.
    pub header: Option<HeaderValue>,
    /// A client certificate that a plugin handed out.
    pub identity: Option<Identity>,
    /// When it has to be replaced.
    expires: Option<Time>,
    /// When it is renewed: before it expires.
    renew: Option<Time>,
}

/// The credentials of one context; lives as long as the program, over every reconnection.
pub struct Credentials {
    context: String,
    source: Source,
    cached: Mutex<Cached>,
}

enum Source {
    /// Nothing to send (or kube does it: client certificates, OIDC).
    Fixed(Credential),
    /// What the kubeconfig says cannot be sent; the sentence says why.
    Unusable(String),
    File(PathBuf),
    Plugin(Box<Plugin>),
}

#[derive(Default)]
struct Cached {
    credential: Option<Credential>,
    /// When it was read or issued.
    since: Option<Instant>,
    /// When a 401 last caused a renewal.
    refused: Option<Instant>,
}

struct Plugin {
    context: String,
    exec: ExecConfig,
    cluster: Option<Value>,
    timeout: Duration,
}

impl Credentials {
    /// The credentials of a `users` entry. `cluster` is told to plugins that ask for it.
    pub fn new(context: &str, user: &AuthInfo, cluster: Option<&kube::config::Cluster>, timeout: Duration) -> Self {
        let source = source(context, user, cluster, timeout);
        // Of a token and a token file the file counts as long as it can be read (client-go:
        // `transport.NewBearerAuthWithRefreshRoundTripper`).
        let inline = user.token.as_ref().filter(|_| matches!(source, Source::File(_)));
        let credential = inline.and_then(|token| bearer(token.expose_secret()).ok()).map(Credential::of);
        Self {
            context: clean(context).into_owned(),
            source,
            cached: Mutex::new(Cached { credential, ..Cached::default() }),
        }
    }

    /// The current credential; runs the plugin where there is none that lasts.
    ///
    /// # Errors
    /// A sentence for people: what could not be read, or what the plugin said.
    pub async fn get(&self) -> Result<Credential, String> {
        match &self.source {
            Source::Fixed(credential) => Ok(credential.clone()),
            Source::Unusable(why) => Err(why.clone()),
            Source::File(path) => self.read_file(path, false).await,
            Source::Plugin(plugin) => {
                let mut cached = self.cached.lock().await;
                match &cached.credential {
                    Some(credential) if credential.renew.is_none_or(|at| now() < at) => Ok(credential.clone()),
                    _ => plugin.renew(&mut cached).await,
                }
            }
        }
    }

    /// A newer credential after the server refused `refused` with 401; `None` where there is no newer one to be had.
    ///
    /// # Errors
    /// As [`Credentials::get`].
    pub async fn after_401(&self, refused: &Credential) -> Result<Option<Credential>, String> {
        let newer = match &self.source {
            Source::Fixed(_) | Source::Unusable(_) => return Ok(None),
            Source::File(path) => self.read_file(path, true).await?,
            Source::Plugin(plugin) => {
                let mut cached = self.cached.lock().await;
                match &cached.credential {
                    Some(credential) if !credential.same(refused) => credential.clone(),
                    _ if cached.refused.is_some_and(|at| at.elapsed() < RENEW_PAUSE) => return Ok(None),
                    _ => {
                        cached.refused = Some(Instant::now());
                        plugin.renew(&mut cached).await?
                    }
                }
            }
        };
        Ok(Some(newer).filter(|credential| !credential.same(refused)))
    }

    async fn read_file(&self, path: &PathBuf, now: bool) -> Result<Credential, String> {
        let mut cached = self.cached.lock().await;
        let fresh = !now && cached.since.is_some_and(|at| at.elapsed() < FILE_AGE);
        if let Some(credential) = cached.credential.as_ref().filter(|_| fresh) {
            return Ok(credential.clone());
        }
        let place = format!("the token file {} of context {}", path.display(), self.context);
        match tokio::fs::read_to_string(path).await {
            Ok(token) => {
                let header = bearer(&token).map_err(|why| format!("{place}: {why}"))?;
                cached.credential = Some(Credential::of(header));
            }
            // Token files may be removed after the start to limit their exposure: the last one read stays in use.
            Err(e) if cached.credential.is_none() => {
                return Err(format!("{place} cannot be read ({e}); renew the credentials"));
            }
            Err(_) => {}
        }
        cached.since = Some(Instant::now());
        cached.credential.clone().ok_or_else(|| "no token".into())
    }
}

impl Credential {
    fn of(header: HeaderValue) -> Self {
        Self { header: Some(header), ..Self::default() }
    }

    fn same(&self, other: &Credential) -> bool {
        let key = |c: &Credential| c.identity.as_ref().map(|i| i.certificate.clone());
        self.header == other.header && key(self) == key(other)
    }

    /// Whether its certificate has to be replaced by now, which takes a new connection.
    pub fn is_over(&self) -> bool {
        self.identity.is_some() && self.renew.is_some_and(|at| now() >= at)
    }
}

fn source(context: &str, user: &AuthInfo, cluster: Option<&kube::config::Cluster>, timeout: Duration) -> Source {
    let fixed = |header: Result<HeaderValue, String>| match header {
        Ok(header) => Source::Fixed(Credential::of(header)),
        Err(why) => Source::Unusable(format!("the user of context {}: {why}; correct it", clean(context))),
    };
    if user.auth_provider.is_some() {
        return Source::Fixed(Credential::default());
    }
    if let (Some(name), Some(password)) = (&user.username, &user.password) {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{}", password.expose_secret()));
        return fixed(secret_header(&format!("Basic {pair}")));
    }
    if let Some(path) = user.token_file.as_ref().filter(|path| !path.is_empty()) {
        return Source::File(path.into());
    }
    if let Some(token) = user.token.as_ref().filter(|token| !token.expose_secret().is_empty()) {
        return fixed(bearer(token.expose_secret()));
    }
    let Some(exec) = &user.exec else { return Source::Fixed(Credential::default()) };
    let told = cluster.filter(|_| exec.provide_cluster_info).and_then(|c| ExecAuthCluster::try_from(c).ok());
    Source::Plugin(Box::new(Plugin {
        context: context.into(),
        exec: exec.clone(),
        cluster: told.and_then(|c| serde_json::to_value(c).ok()),
        timeout,
    }))
}

impl Plugin {
    async fn renew(&self, cached: &mut Cached) -> Result<Credential, String> {
        let said = self.run().await?;
        let credential = self.read(&said)?;
        (cached.credential, cached.since) = (Some(credential.clone()), Some(Instant::now()));
        Ok(credential)
    }

    /// The command line, for error texts and for the person who has to run it by hand.
    fn line(&self) -> String {
        let args = self.exec.args.iter().flatten().map(String::as_str);
        clean(&self.exec.command.iter().map(String::as_str).chain(args).collect::<Vec<_>>().join(" ")).into_owned()
    }

    fn error(&self, why: &str) -> String {
        format!("the credentials plugin of context {}, `{}`, {why}", clean(&self.context), self.line())
    }

    /// Runs the command once and returns what it printed.
    async fn run(&self) -> Result<Vec<u8>, String> {
        if self.exec.interactive_mode == Some(ExecInteractiveMode::Always) {
            return Err(self.error("wants a terminal; log in with it in a shell first"));
        }
        let command = self.exec.command.as_deref().ok_or_else(|| self.error("names no command"))?;
        let info = json!({
            "apiVersion": self.exec.api_version, "kind": "ExecCredential",
            "spec": {"interactive": false, "cluster": self.cluster},
        });
        let env = self.exec.env.iter().flatten().filter_map(|e| Some((e.get("name")?, e.get("value")?)));
        let child = tokio::process::Command::new(command)
            .args(self.exec.args.iter().flatten())
            .envs(env)
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| {
                let hint = self.exec.install_hint.as_deref().map(clean).unwrap_or_default();
                self.error(&format!("cannot be started ({e}); install it or correct the kubeconfig. {hint}"))
            })?;
        let group = child.id();
        let out = match tokio::time::timeout(self.timeout, child.wait_with_output()).await {
            Ok(out) => out.map_err(|e| self.error(&format!("could not be waited for ({e})")))?,
            Err(_) => {
                end_group(group);
                return Err(self.error(&format!(
                    "did not finish within {} s; run it in a shell to see what it waits for",
                    self.timeout.as_secs()
                )));
            }
        };
        if out.status.success() {
            return Ok(out.stdout);
        }
        let said = last_lines(&out.stderr);
        let status = out.status.code().map_or("a signal".into(), |code| format!("exit status {code}"));
        Err(self.error(&format!("ended with {status}: {said}")))
    }

    fn read(&self, printed: &[u8]) -> Result<Credential, String> {
        // Plugins print JSON; client-go reads YAML as well. What they printed is never quoted: it holds the token.
        let answer: Value = serde_json::from_slice(printed)
            .ok()
            .or_else(|| serde_saphyr::from_slice(printed).ok())
            .ok_or_else(|| self.error("printed something that is not an ExecCredential"))?;
        let text = |key: &str| answer.pointer(&format!("/status/{key}")).and_then(Value::as_str);
        let expires = text("expirationTimestamp").and_then(Time::parse);
        let identity = text("clientCertificateData")
            .zip(text("clientKeyData"))
            .map(|(certificate, key)| Identity { certificate: certificate.into(), key: key.into() });
        let header = text("token").map(bearer).transpose().map_err(|e| self.error(&e))?;
        if header.is_none() && identity.is_none() {
            return Err(self.error("printed an ExecCredential without a token or certificate"));
        }
        // Short-lived tokens are renewed late rather than on every request.
        let renew = expires.map(|at| Time(at.0 - (now().age(at) / 5).min(60)));
        Ok(Credential { header, identity, expires, renew })
    }
}

/// Ends a plugin that took too long, with whatever it started.
fn end_group(leader: Option<u32>) {
    let pid = leader.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

/// The last lines of an error output, one line, bounded.
fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(4096)..]).into_owned();
    let lines: Vec<String> =
        crate::world::text::clean_lines(&text).into_iter().filter(|line| !line.trim().is_empty()).collect();
    match lines.len() {
        0 => "it printed no reason".into(),
        n => lines[n.saturating_sub(3)..].join(" · ").chars().take(400).collect(),
    }
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    secret_header(&format!("Bearer {}", token.trim()))
}

fn secret_header(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "its token or password has characters that no header can carry")?;
    value.set_sensitive(true);
    Ok(value)
}

fn now() -> Time {
    Time(jiff::Timestamp::now().as_second())
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_file_is_read_again_when_its_token_has_aged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "first").unwrap();
        let user = AuthInfo { token_file: Some(path.to_string_lossy().into_owned()), ..AuthInfo::default() };
        let credentials = Credentials::new("dev", &user, None, FILE_AGE);
        let sent = async || credentials.get().await.unwrap().header.unwrap();
        assert_eq!(sent().await, "Bearer first");
        std::fs::write(&path, "second").unwrap();
        assert_eq!(sent().await, "Bearer first", "the disk is not asked for every request");
        credentials.cached.lock().await.since = Instant::now().checked_sub(FILE_AGE);
        assert_eq!(sent().await, "Bearer second");
    }
}
