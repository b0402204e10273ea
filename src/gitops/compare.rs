//! What git says of an Application's objects against how they live, the way Argo CD compares them (`gitops-engine/pkg/diff`):
//! what would live after an apply is predicted, and that is compared with what lives. A field that git does not mention
//! stays as it is and is no difference; one that was applied before and is not in git any more goes. Pure.

mod ignore;
mod manifests;
mod normal;
mod owned;

use crate::kinds::yaml;
use crate::world::merge::three_way;
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use crate::world::writers::{By, Path, by, writer_of, writers};
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

pub use ignore::Rules;
pub use manifests::{Manifest, complete, read};

/// Lines around a difference.
const AROUND: usize = 3;
/// Differing fields of which is said who wrote them.
const WRITTEN: usize = 6;

/// How an object stands against git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// As git says.
    Same,
    /// In another way.
    Differs,
    /// It does not live; a sync makes it.
    Missing,
    /// Git has it no more; a sync with prune deletes it.
    Extra,
    /// It cannot be said; why.
    Unknown(String),
}

/// One object compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Which.
    pub object: ObjectRef,
    /// Its file in the repository; empty where it has none.
    pub file: String,
    /// How it stands.
    pub standing: Standing,
    /// What else is to be said: who wrote what differs.
    pub notes: Vec<String>,
    /// The unified difference, from what lives (`-`) to what git says (`+`), without control characters; hunks begin with
    /// `@@`. Values of Secrets are masked.
    pub diff: Vec<String>,
}

/// An Application compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Which.
    pub application: ObjectRef,
    /// `OutOfSync at 4f1c2ab, Healthy`, as Argo CD says.
    pub state: String,
    /// What it was compared with: `4f1c2ab of main, apps/shop`; empty where that could not be rendered.
    pub git: String,
    /// The repositories it was read from, without credentials.
    pub repositories: Vec<String>,
    /// The cluster that the objects live in, where it is not the one of the Application.
    pub cluster: Option<String>,
    /// What is to be known before the rest is read.
    pub notes: Vec<String>,
    /// The objects, in the order of git.
    pub objects: Vec<Compared>,
}

impl Comparison {
    /// How many objects stand so.
    pub fn count(&self, stands: impl Fn(&Standing) -> bool) -> usize {
        self.objects.iter().filter(|one| stands(&one.standing)).count()
    }

    /// Whether anything is not as git says.
    pub fn differs(&self) -> bool {
        self.count(|s| matches!(s, Standing::Differs | Standing::Missing | Standing::Extra)) > 0
    }
}

/// What an Application's objects are compared by.
pub struct Judge<'a> {
    /// The Application.
    pub application: &'a Value,
    /// What its differences are that do not count.
    pub rules: &'a Rules,
    /// The time.
    pub now: Time,
}

impl Judge<'_> {
    /// Compares an object of git, [completed](complete), with the one that lives.
    pub fn compare(&self, manifest: &Manifest, live: Option<&Value>) -> Compared {
        let object = ObjectRef::of(&manifest.object);
        let of = |standing, notes, diff| Compared {
            object: object.clone(),
            file: clean(&manifest.file).into_owned(),
            standing,
            notes,
            diff,
        };
        let Some(live) = live else {
            let mut wanted = manifest.object.clone();
            normal::wanted(&mut wanted);
            normal::mask(&mut wanted, None);
            return of(Standing::Missing, vec![], unified(&[], &yaml::plain(&wanted)));
        };
        let (mut before, mut after) = (live.clone(), self.predicted(live, &manifest.object));
        self.rules.apply(live, &mut before, &mut after);
        normal::both(&mut before, &mut after);
        if before == after {
            return of(Standing::Same, vec![], vec![]);
        }
        let mut notes = self.tracked(live);
        notes.extend(self.written(live, &differing(&before, &after)));
        normal::mask(&mut before, Some(&mut after));
        of(Standing::Differs, notes, unified(&yaml::plain(&before), &yaml::plain(&after)))
    }

    /// What would live after an apply.
    fn predicted(&self, live: &Value, wanted: &Value) -> Value {
        let mut wanted = wanted.clone();
        normal::wanted(&mut wanted);
        normal::keep_marks(live, &mut wanted, str_at(self.application, "/metadata/name"));
        let mut after = live.clone();
        if self.server_side(&wanted) {
            three_way(&mut after, None, &wanted);
            owned::take_back(live, &wanted, &mut after);
        } else {
            let mut last = last_applied(live);
            last.iter_mut().for_each(normal::wanted);
            three_way(&mut after, last.as_ref(), &wanted);
        }
        normal::drop_empty(live, &mut after);
        after
    }

    /// Whether an object is applied server-side: by the option of the Application, or its own.
    fn server_side(&self, wanted: &Value) -> bool {
        let own = wanted.pointer("/metadata/annotations").and_then(|a| a.get("argocd.argoproj.io/sync-options"));
        let own = own.and_then(Value::as_str).unwrap_or_default();
        let says = |option: &str| own.split(',').any(|o| o.trim() == option);
        let all = list_at(self.application, "/spec/syncPolicy/syncOptions").iter();
        says("ServerSideApply=true")
            || (!says("ServerSideApply=false") && all.filter_map(Value::as_str).any(|o| o == "ServerSideApply=true"))
    }

    /// Where the live object says that it belongs elsewhere.
    fn tracked(&self, live: &Value) -> Vec<String> {
        match super::locate::tracking(live) {
            Ok(tracking) if !tracking.is(self.application) => {
                vec![format!("live it is tracked by another Application: {}", clean(&tracking.application))]
            }
            _ => vec![],
        }
    }

    /// Who wrote the fields that differ, where it was not Argo CD.
    fn written(&self, live: &Value, differing: &[Path]) -> Vec<String> {
        let mut notes = vec![];
        for path in differing {
            let Some(writer) = writer_of(live, path).filter(|w| by(w.manager) != By::Argo) else { continue };
            let ago = writer.time.map_or(String::new(), |t| format!(" {} ago", human(t.age(self.now))));
            notes.push(clean(&format!("written by {}{ago}: {path}", writer.in_words())).into_owned());
        }
        let more = notes.len().saturating_sub(WRITTEN);
        notes.truncate(WRITTEN);
        notes.extend((more > 0).then(|| format!("… and {more} more fields by others than Argo CD")));
        notes
    }

    /// Compares an object with what Argo CD applied of it last, for Applications that cannot be rendered here. What was
    /// applied server-side is not kept in the object; then it is said who else wrote into it.
    pub fn against_last_applied(&self, live: &Value) -> Compared {
        let object = ObjectRef::of(live);
        if let Some(last) = last_applied(live) {
            return self.compare(&Manifest { object: last, file: String::new() }, Some(live));
        }
        let others = writers(live).filter(|w| by(w.manager) != By::Argo && w.wrote_wishes());
        let notes = others.map(|w| {
            let ago = w.time.map_or(String::new(), |t| format!(", {} ago", human(t.age(self.now))));
            let mut fields = w.fields();
            let more = fields.len().saturating_sub(WRITTEN);
            fields.truncate(WRITTEN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            clean(&format!("{} wrote {}{more}{ago}", w.in_words(), fields.join(", "))).into_owned()
        });
        let notes: Vec<String> = notes.collect();
        let standing = Standing::Unknown(match notes.is_empty() {
            true => "OutOfSync, and nobody but Argo CD wrote into it: git has changed".into(),
            false => {
                "OutOfSync; what Argo CD applied is not kept in the object, so the fields of others are named".into()
            }
        });
        Compared { object, file: String::new(), standing, notes, diff: vec![] }
    }
}

/// An object that lives and is not in git any more.
pub fn extra(object: ObjectRef) -> Compared {
    Compared { object, file: String::new(), standing: Standing::Extra, notes: vec![], diff: vec![] }
}

/// An object of which nothing can be said.
pub fn unknown(object: ObjectRef, file: &str, why: &str) -> Compared {
    let standing = Standing::Unknown(clean(why).into_owned());
    Compared { object, file: clean(file).into_owned(), standing, notes: vec![], diff: vec![] }
}

/// What a client-side apply left in the object.
fn last_applied(live: &Value) -> Option<Value> {
    let text = live.pointer("/metadata/annotations")?.get(yaml::LAST_APPLIED)?.as_str()?;
    serde_json::from_str(text).ok().filter(Value::is_object)
}

/// The fields that differ; of lists of different lengths the whole.
fn differing(before: &Value, after: &Value) -> Vec<Path> {
    let mut found = vec![];
    walk(Some(before), Some(after), &Path::default(), &mut found);
    found
}

fn walk(before: Option<&Value>, after: Option<&Value>, path: &Path, found: &mut Vec<Path>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(b)), Some(Value::Object(a))) => {
            let added = a.keys().filter(|key| !b.contains_key(*key));
            for key in b.keys().chain(added) {
                walk(b.get(key), a.get(key), &path.key(key), found);
            }
        }
        (Some(Value::Array(b)), Some(Value::Array(a))) if b.len() == a.len() => {
            for (n, (one, other)) in b.iter().zip(a).enumerate() {
                walk(Some(one), Some(other), &path.item(n, one), found);
            }
        }
        _ => found.push(path.clone()),
    }
}

/// The unified difference of two texts.
fn unified(before: &[String], after: &[String]) -> Vec<String> {
    let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let (before, after) = (text(before), text(after));
    let diff = TextDiff::from_lines(&before, &after);
    let whole = diff.unified_diff().context_radius(AROUND).to_string();
    whole.lines().map(|line| line.trim_end().to_string()).collect()
}

#[cfg(test)]
mod tests;
