//! Kubeconfig files for embedded servers.

use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// One context of a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Name of the context, its cluster and its user.
    pub name: String,
    /// URL of the server.
    pub url: String,
    /// Bearer token, if the server wants one.
    pub token: Option<String>,
}

impl Context {
    /// A context without a token.
    pub fn new(name: &str, url: &str) -> Self {
        Self { name: name.into(), url: url.into(), token: None }
    }
}

/// The text of a kubeconfig (JSON, which is YAML) with these contexts; the first is the current one.
pub fn text(contexts: &[Context]) -> String {
    let each = |make: &dyn Fn(&Context) -> Value| contexts.iter().map(make).collect::<Vec<Value>>();
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": contexts.first().map_or("", |context| context.name.as_str()),
        "clusters": each(&|c| json!({"name": c.name, "cluster": {"server": c.url}})),
        "users": each(&|c| json!({"name": c.name, "user": c.token.as_ref().map_or(json!({}), |token| json!({"token": token}))})),
        "contexts": each(&|c| json!({"name": c.name, "context": {"cluster": c.name, "user": c.name}})),
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// Writes a kubeconfig, readable by its owner alone since it may hold tokens.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, contexts: &[Context]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text(contexts).as_bytes())
}
