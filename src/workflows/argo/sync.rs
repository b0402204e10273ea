//! Syncs: how, what stands in the way, and what would happen.

use super::{Facts, automated, called, envelope, generated_by, policy_words, request};
use crate::gitops::locate;
use crate::workflows::{Line, Occasion, short};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::sync_window::Gate;
use crate::world::text::clean;
use serde_json::{Value, json};

/// Objects of each sort that a plan names; the rest is counted.
const SHOWN: usize = 12;

/// One object of an Application, as `operation.sync.resources` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Group, empty for the core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for cluster-wide kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Selected {
    /// `GROUP:KIND:[NAMESPACE/]NAME`, as the argocd program takes it.
    ///
    /// # Errors
    /// It is written in another way.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [group, kind, rest] = parts[..] else {
            return Err(format!(
                "`{text}` is not GROUP:KIND:NAME or GROUP:KIND:NAMESPACE/NAME, such as apps:Deployment:web"
            ));
        };
        let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
        if kind.is_empty() || name.is_empty() {
            return Err(format!("`{text}` names no object: GROUP:KIND:NAME, such as apps:Deployment:web"));
        }
        Ok(Self { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() })
    }

    fn is(&self, resource: &Value) -> bool {
        str_at(resource, "/group") == self.group
            && str_at(resource, "/kind") == self.kind
            && str_at(resource, "/name") == self.name
            && (self.namespace.is_empty() || str_at(resource, "/namespace") == self.namespace)
    }
}

/// Sync options that have a word and a switch of their own, with what they do: `(word, name, in words)`.
pub const SWITCHES: [(&str, &str, &str); 3] = [
    ("server-side", "ServerSideApply", "server-side apply"),
    ("replace", "Replace", "replace instead of apply"),
    ("only-differing", "ApplyOutOfSyncOnly", "only what differs"),
];

/// How a sync is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// Delete what git does not have any more.
    pub prune: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Delete and make anew what cannot be changed.
    pub force: bool,
    /// Without hooks.
    pub apply_only: bool,
    /// Commit, tag or branch; empty: the one that the Application follows.
    pub revision: String,
    /// `Replace=true` …, laid over those of the Application.
    pub options: Vec<String>,
    /// Only these; empty: all.
    pub resources: Vec<Selected>,
}

impl SyncOptions {
    /// Reads `prune`, `dry-run`, `force`, `apply-only`, the words of [`SWITCHES`], `revision=…` and `Option=value` from the
    /// front of a text; the rest is the reason.
    pub fn parse(text: &str) -> (Self, String) {
        let mut options = Self::default();
        let mut rest = text.trim();
        loop {
            let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let key = word.split_once('=').map(|(key, _)| key);
            match word {
                "prune" => options.prune = true,
                "dry-run" => options.dry_run = true,
                "force" => options.force = true,
                "apply-only" => options.apply_only = true,
                _ if SWITCHES.iter().any(|(name, ..)| *name == word) => options.switch_on(word),
                _ if key == Some("revision") => options.revision = word.trim_start_matches("revision=").into(),
                _ if key.is_some_and(|k| k.starts_with(|c: char| c.is_ascii_uppercase())) => {
                    options.options.push(word.into());
                }
                _ => return (options, rest.into()),
            }
            rest = behind.trim_start();
        }
    }

    /// Sets the option of a word of [`SWITCHES`].
    pub fn switch_on(&mut self, word: &str) {
        let Some((_, name, _)) = SWITCHES.iter().find(|(known, ..)| *known == word) else { return };
        self.options.retain(|option| key_of(option) != *name);
        self.options.push(format!("{name}=true"));
    }

    /// The next of three: as the Application has it, on, off.
    pub fn switch(&mut self, word: &str) {
        let Some((_, name, _)) = SWITCHES.iter().find(|(known, ..)| *known == word) else { return };
        let now = self.options.iter().find(|option| key_of(option) == *name).cloned();
        self.options.retain(|option| key_of(option) != *name);
        match now {
            None => self.options.push(format!("{name}=true")),
            Some(on) if on.ends_with("=true") => self.options.push(format!("{name}=false")),
            Some(_) => {}
        }
    }

    /// Those of the Application with ours over them. (An operation does not inherit them: left out,
    /// `RespectIgnoreDifferences=true` would be lost.)
    fn laid_over(&self, app: &Value) -> Vec<String> {
        let theirs = list_at(app, "/spec/syncPolicy/syncOptions").iter().filter_map(Value::as_str);
        let kept = theirs.filter(|o| !self.options.iter().any(|own| key_of(own) == key_of(o))).map(str::to_string);
        kept.chain(self.options.iter().cloned()).collect()
    }
}

/// `Replace` of `Replace=true`.
fn key_of(option: &str) -> &str {
    option.split('=').next().unwrap_or_default()
}

/// The field `operation`.
pub fn operation(on: &Occasion<'_>, app: &Value, how: &SyncOptions) -> Value {
    let mut sync = json!({});
    if !how.revision.is_empty() {
        sync["revision"] = json!(how.revision);
    }
    for (key, wanted) in [("prune", how.prune), ("dryRun", how.dry_run)] {
        if wanted {
            sync[key] = json!(true);
        }
    }
    let options = how.laid_over(app);
    if !options.is_empty() {
        sync["syncOptions"] = json!(options);
    }
    if how.force || how.apply_only {
        let strategy = if how.apply_only { "apply" } else { "hook" };
        sync["syncStrategy"] = json!({strategy: if how.force { json!({"force": true}) } else { json!({}) }});
    }
    if !how.resources.is_empty() {
        let named = how.resources.iter().map(|r| {
            let mut one = json!({"kind": r.kind, "name": r.name});
            for (key, value) in [("group", &r.group), ("namespace", &r.namespace)] {
                if !value.is_empty() {
                    one[key] = json!(value);
                }
            }
            one
        });
        sync["resources"] = named.collect();
    }
    envelope(on, sync, app.pointer("/spec/syncPolicy/retry"))
}

/// An operation that runs already.
pub fn busy(facts: &Facts) -> Option<String> {
    let who = request::running(&facts.application)?;
    Some(format!("{} is busy: {who}. Wait for its end, or terminate it (:terminate)", called(&facts.application)))
}

/// A sync window that lets nothing through, also not by hand.
pub fn shut(on: &Occasion<'_>, facts: &Facts) -> Option<String> {
    let gate = match Gate::of(facts.project.as_ref()?, &facts.application) {
        Ok(gate) => gate,
        Err(why) => return Some(format!("a sync window of the project is invalid, so Argo CD syncs nothing: {why}")),
    };
    let blocking = gate.blocking(on.now, true);
    let first = blocking.first()?;
    let opens = gate.opens(on.now, true);
    let until = opens.map_or_else(String::new, |t| format!("; it may sync again at {}", t.rfc3339()));
    let state = if first.denies() { "is active" } else { "is not active, and syncs are allowed only inside it" };
    Some(format!("the {} {state}, also for syncs by hand{until}", first.in_words()))
}

/// Why it would not run: what the API server of Argo CD refuses, and what the controller would leave waiting.
pub fn blocked(on: &Occasion<'_>, facts: &Facts, how: &SyncOptions) -> Vec<String> {
    let app = &facts.application;
    let mut all: Vec<String> = busy(facts).into_iter().chain(shut(on, facts)).collect();
    let follows = match str_at(app, "/spec/source/targetRevision") {
        "" => "HEAD",
        revision => revision,
    };
    if automated(app) && !how.dry_run && !how.revision.is_empty() && how.revision != follows {
        all.push(format!(
            "{} syncs to {follows} by itself, so it would not stay at {}: switch auto-sync off first",
            called(app),
            how.revision
        ));
    }
    if !how.revision.is_empty() && !list_at(app, "/spec/sources").is_empty() {
        all.push(format!("{} has several sources: one revision does not say which of them is meant", called(app)));
    }
    for wanted in &how.resources {
        if !list_at(app, "/status/resources").iter().any(|r| wanted.is(r)) {
            all.push(format!("{} has no {} {}", called(app), wanted.kind, wanted.name));
        }
    }
    all
}

/// What is shown.
pub fn lines(on: &Occasion<'_>, lines: &mut Vec<Line>, facts: &Facts, how: &SyncOptions) {
    let app = &facts.application;
    let text = |text: String| clean(&text).into_owned();
    let to = if how.revision.is_empty() { follows(app) } else { how.revision.clone() };
    lines
        .push(Line::new("live", text(format!("Application {}: operation sync to {to}{}", called(app), switches(how)))));
    let options = how.laid_over(app);
    if !options.is_empty() {
        lines.push(Line::new("", text(format!("with {}", options.join(", ")))));
    }
    lines.push(Line::new("now", text(super::state(app))));
    resources(lines, app, how);
    lines.push(Line::new("policy", policy_words(app)));
    windows(on, lines, facts);
    lines.push(Line::new("order", "asked for live, then followed to its end; no commit"));
    lines.push(match (how.dry_run, last(app)) {
        (true, _) => Line::new("undo", "nothing to undo: a dry run changes nothing"),
        (_, Some((id, at))) => Line::new(
            "undo",
            text(format!("kokpit rollback app/{} --to-revision {id}  ·  back to {at}", super::name(app))),
        ),
        _ => Line::new("undo", "nothing takes a sync back; change git and sync again"),
    });
    if how.force {
        lines.push(Line::warning("force: what cannot be changed is deleted and made anew, with its pods"));
    }
    lines.extend(cautions(&options).into_iter().map(Line::warning));
    if !how.resources.is_empty() {
        lines.push(Line::warning("selected resources: hooks do not run, and the history gets no entry"));
    }
}

/// What options mean that are easily taken for less than they are (docs `sync-options.md`).
fn cautions(options: &[String]) -> Vec<&'static str> {
    let on = |name: &str| options.iter().any(|option| option == &format!("{name}=true"));
    let mut all = vec![];
    if on("Replace") {
        all.push("replace: objects become what git says and nothing else; what others wrote into them is lost");
    }
    if on("Replace") && on("ServerSideApply") {
        all.push("replace goes before server-side apply: Replace=true wins");
    }
    if on("ApplyOutOfSyncOnly") {
        all.push("only what differs: what is as git says is not applied again");
    }
    all
}

/// What it follows, and what that is known to be.
fn follows(app: &Value) -> String {
    let target = match str_at(app, "/spec/source/targetRevision") {
        "" => "HEAD",
        revision => revision,
    };
    match super::revision(app) {
        at if at.is_empty() || at == target => target.to_string(),
        at => format!("{target} ({at} when it was compared last)"),
    }
}

fn switches(how: &SyncOptions) -> String {
    let on = [(how.prune, "prune"), (how.dry_run, "dry run"), (how.force, "force"), (how.apply_only, "without hooks")];
    let words: Vec<&str> = on.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
    if words.is_empty() { String::new() } else { format!(", {}", words.join(", ")) }
}

/// The entry of the history to go back to after a sync.
fn last(app: &Value) -> Option<(i64, String)> {
    let entry = list_at(app, "/status/history").last()?;
    Some((int_at(entry, "/id")?, short(str_at(entry, "/revision")).to_string()))
}

/// What differs, and what a prune deletes.
fn resources(lines: &mut Vec<Line>, app: &Value, how: &SyncOptions) {
    let wanted = |r: &&Value| how.resources.is_empty() || how.resources.iter().any(|s| s.is(r));
    let all: Vec<&Value> = list_at(app, "/status/resources").iter().filter(wanted).collect();
    let (extra, rest): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|r| bool_at(r, "/requiresPruning"));
    let differing: Vec<&Value> = rest.into_iter().filter(|r| str_at(r, "/status") == "OutOfSync").collect();
    if differing.is_empty() && extra.is_empty() {
        lines.push(Line::new("differs", "nothing, when it was compared last"));
    }
    list(lines, "differs", &differing);
    if how.prune {
        list(lines, "deletes", &extra);
    } else if !extra.is_empty() {
        list(lines, "stays", &extra);
        lines.push(Line::new("", "not in git any more; deleted only with prune"));
    }
}

fn list(lines: &mut Vec<Line>, label: &str, all: &[&Value]) {
    for (n, resource) in all.iter().take(SHOWN).enumerate() {
        let of = |field: &str| str_at(resource, field);
        let place = if of("/namespace").is_empty() { String::new() } else { format!("{}/", of("/namespace")) };
        let health =
            if of("/health/status").is_empty() { String::new() } else { format!("  {}", of("/health/status")) };
        let text = format!("{} {place}{}{health}", of("/kind"), of("/name"));
        lines.push(Line::new(if n == 0 { label } else { "" }, clean(&text).into_owned()));
    }
    if all.len() > SHOWN {
        lines.push(Line::new("", format!("… and {} more", all.len() - SHOWN)));
    }
}

/// The windows of the project, where it has any for this Application.
fn windows(on: &Occasion<'_>, lines: &mut Vec<Line>, facts: &Facts) {
    let Some(Ok(gate)) = facts.project.as_ref().map(|project| Gate::of(project, &facts.application)) else { return };
    for (n, window) in gate.0.iter().enumerate() {
        let state = if window.active(on.now) { "active" } else { "not active" };
        lines.push(Line::new(
            if n == 0 { "windows" } else { "" },
            clean(&format!("{}: {state}", window.in_words())).into_owned(),
        ));
    }
}

/// Who takes a change of the Application itself back.
pub fn owner(app: &Value) -> Option<String> {
    if let Some(set) = generated_by(app) {
        return Some(format!("the ApplicationSet {set} writes it"));
    }
    locate::tracking(app).ok().map(|t| format!("the Application {} applies it from git", t.application))
}
