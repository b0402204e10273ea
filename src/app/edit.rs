//! An object in the person's own editor, on the terminal that the cockpit has lent. Nothing is written to a cluster
//! here: what was changed becomes an intent, which is planned and shown like every other.

use super::effects::reach;
use super::session::Session;
use crate::cluster::api::{ApiError, encode};
use crate::effect::Intent;
use crate::gitops::yaml;
use crate::kinds::yaml as print;
use crate::workflows::edit;
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::text::clean;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Fetches an object and lets the person edit it until the editor ends. `None`: it came out as it went in.
///
/// # Errors
/// A sentence. What was typed is kept in the file that it names.
pub fn run(
    session: &Session,
    runtime: &Handle,
    cluster: ClusterId,
    resource: &ResourceId,
    namespace: &str,
    name: &str,
) -> Result<Option<Intent>, String> {
    let (live, path) = runtime
        .block_on(async {
            let (api, kind) = reach(session, cluster, resource).await?;
            let path = kind.object_path(&encode(namespace), &encode(name));
            Ok((api.get(&path).await?, path))
        })
        .map_err(|e: ApiError| e.to_string())?;
    if print::is_secret(&live) {
        return Err("Secrets are not edited here: their values would stand in the record of the operation".into());
    }
    let place = format!("{resource} {namespace}/{name} on {}", session.context(cluster).name);
    offer(&live, path, &place, |file| ask(&editor(), file))
}

/// Writes the object into a file of its own (mode 0600), has it edited, and reads it back.
fn offer(
    live: &Value,
    path: String,
    place: &str,
    edit_file: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<Option<Intent>, String> {
    let body = print::lines(&edit::editable(live), print::Options::default()).join("\n") + "\n";
    // What is compared is what was shown: characters that no terminal may see are not a change.
    let before = yaml::documents(&body).ok().and_then(|mut all| all.pop()).ok_or("it cannot be shown as YAML")?;
    let header = format!(
        "# {}\n# Save and leave: the changes are shown as a plan first. Leave without saving: nothing happens.\n",
        clean(place)
    );
    let cannot = |e: std::io::Error| format!("no temporary file can be written: {e}");
    let mut file = tempfile::Builder::new().prefix("kokpit-edit-").suffix(".yaml").tempfile().map_err(cannot)?;
    let offered = header + &body;
    file.write_all(offered.as_bytes()).and_then(|()| file.flush()).map_err(cannot)?;
    let file = file.into_temp_path();
    if let Err(why) = edit_file(&file) {
        if std::fs::read_to_string(&file).is_ok_and(|text| text == offered) {
            return Err(why);
        }
        let kept = file.keep().map_err(|e| e.to_string())?;
        return Err(format!("the text is kept in {}: {why}", kept.display()));
    }
    let after = std::fs::read_to_string(&file)
        .map_err(|e| format!("cannot be read: {e}"))
        .and_then(|text| edit::read(&before, &text).map_err(|refusal| refusal.0));
    match after {
        Ok(None) => Ok(None),
        Ok(Some(after)) => {
            let object = ObjectRef::of(&before);
            let file = file.keep().map_err(|e| e.to_string())?;
            Ok(Some(Intent::Edit { object, path, before: Arc::new(before), after: Arc::new(after), file }))
        }
        Err(why) => {
            let kept = file.keep().map_err(|e| e.to_string())?;
            // The path first: a long reason is cut at the edge of the screen.
            Err(format!("nothing was done, the text is kept in {}: it {}", kept.display(), clean(&why)))
        }
    }
}

/// The editor as kubectl chooses it, with the common `VISUAL` in between.
fn editor() -> String {
    let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    ["KUBE_EDITOR", "VISUAL", "EDITOR"].iter().find_map(set).unwrap_or_else(|| "vi".into())
}

/// Runs the editor through the shell, because the variable may hold arguments (`code --wait`).
fn ask(editor: &str, file: &Path) -> Result<(), String> {
    let ended = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the editor `{editor}` ended with {status}; nothing was done")),
        Err(e) => Err(format!("the editor `{editor}` cannot be started: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    fn config_map() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop", "uid": "u"},
            "data": {"mode": "on", "text": "a\nb\n"}})
    }

    fn edited(change: impl FnOnce(&Path) -> Result<(), String>) -> Result<Option<Intent>, String> {
        offer(&config_map(), "/x".into(), "configmaps shop/c on prod", change)
    }

    fn typed(from: &'static str, to: &'static str) -> Result<Option<Intent>, String> {
        edited(move |file| {
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(file, text.replace(from, to)).map_err(|e| e.to_string())
        })
    }

    #[test]
    fn the_file_is_private_and_goes_when_nothing_changed() {
        let mut seen = None;
        let end = edited(|file| {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
            seen = Some(file.to_path_buf());
            Ok(())
        });
        assert!(matches!(end, Ok(None)), "{end:?}");
        assert!(!seen.unwrap().exists());
    }

    #[test]
    fn a_change_becomes_an_intent() {
        let Ok(Some(Intent::Edit { before, after, file, object, .. })) = typed("a\n", "z\n") else {
            panic!("a change")
        };
        assert_eq!((object.kind.as_str(), object.name.as_str()), ("ConfigMap", "c"));
        assert_eq!((&before["data"]["text"], &after["data"]["text"]), (&json!("a\nb\n"), &json!("z\nb\n")));
        std::fs::remove_file(file).unwrap();
    }

    fn kept_in(why: &str) -> &str {
        why.split("is kept in ").nth(1).and_then(|rest| rest.split(": ").next()).unwrap()
    }

    #[test]
    fn what_cannot_be_read_is_kept() {
        let why = typed("kind: ConfigMap", "kind: [").unwrap_err();
        let kept = kept_in(&why);
        assert!(why.contains("not YAML"), "{why}");
        assert!(std::fs::read_to_string(kept).unwrap().contains("kind: ["));
        std::fs::remove_file(kept).unwrap();
        let why = typed("name: c", "name: d").unwrap_err();
        assert!(why.contains("cannot be edited"), "{why}");
        std::fs::remove_file(kept_in(&why)).unwrap();
    }

    #[test]
    fn an_editor_that_fails_is_named() {
        assert!(ask("false", Path::new("/x")).unwrap_err().contains("`false` ended with"));
        assert!(ask("true --wait", Path::new("/x")).is_ok());
    }
}
