//! What an operation does to one file, as something that can be applied again to any newer version of that file.
//!
//! This is what is retried after a rejected push: not the text of a commit, but its meaning. Every field carries the value
//! it had when the operation was planned, so that a newer decision of somebody else is never overwritten.

use super::Refusal;
use super::field::FieldPath;
use super::yaml::{self, Edit};
use crate::world::object::ObjectRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// A change of one object's manifest in one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Path inside the repository.
    pub file: String,
    /// Whose manifest it is.
    pub object: ObjectRef,
    /// The manifest to begin with where there is no file yet; it becomes a commit of its own, so that reverting the
    /// change never deletes the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The fields.
    pub fields: Vec<FieldChange>,
}

/// One field, before and after; `None` is "not there".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where.
    pub path: FieldPath,
    /// The value seen when it was planned.
    pub before: Option<Value>,
    /// The value it shall have.
    pub after: Option<Value>,
}

impl FieldChange {
    /// A change of a field.
    pub fn new(path: FieldPath, before: Option<Value>, after: Option<Value>) -> Self {
        Self { path, before, after }
    }

    /// The same the other way round.
    pub fn reversed(&self) -> Self {
        Self { path: self.path.clone(), before: self.after.clone(), after: self.before.clone() }
    }
}

/// What came of applying a change to a version of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Everything is as wanted already.
    Already,
    /// New versions of the file, one commit each: the baseline first where there was no file.
    Texts(Vec<String>),
}

impl Change {
    /// Applies the change to a version of the file (`None`: there is no file).
    ///
    /// # Errors
    /// A field is neither as planned nor as wanted (somebody decided otherwise since), the file is gone or cannot be edited.
    pub fn apply(&self, current: Option<&str>) -> Result<Applied, Refusal> {
        let (start, mut texts) = match (current, &self.baseline) {
            (Some(text), _) => (text, vec![]),
            (None, Some(baseline)) => (baseline.as_str(), vec![baseline.clone()]),
            // Nothing is wanted, and nothing is there.
            (None, None) if self.fields.iter().all(|f| f.after.is_none()) => return Ok(Applied::Already),
            (None, None) => return Err(Refusal(format!("{} is not in the repository any more", self.file))),
        };
        let mut edits = vec![];
        for field in &self.fields {
            edits.extend(self.edit(start, field)?);
        }
        if !edits.is_empty() {
            texts.push(yaml::apply(&self.file, start, &self.object, &edits)?);
        }
        Ok(if texts.is_empty() { Applied::Already } else { Applied::Texts(texts) })
    }

    /// The edit of one field, `None` where it is as wanted already.
    fn edit(&self, text: &str, field: &FieldChange) -> Result<Option<Edit>, Refusal> {
        let found = yaml::read(text, &self.object, &field.path)
            .map_err(|refusal| Refusal(format!("{} {}", self.file, refusal.0)))?;
        if found == field.after {
            return Ok(None);
        }
        if found != field.before {
            return Err(Refusal(format!(
                "{} has {} {} by now, not {}: somebody decided otherwise since this was planned; plan it again",
                self.file,
                field.path,
                show(&found),
                show(&field.before)
            )));
        }
        Ok(Some(match &field.after {
            Some(value) => Edit::Set(field.path.clone(), value.clone()),
            None => Edit::Remove(field.path.clone()),
        }))
    }

    /// The change that takes this one back. The file stays.
    pub fn reversed(&self) -> Self {
        Self {
            file: self.file.clone(),
            object: self.object.clone(),
            baseline: None,
            fields: self.fields.iter().map(FieldChange::reversed).collect(),
        }
    }
}

/// A value for a sentence.
pub fn show(value: &Option<Value>) -> String {
    match value {
        None => "unset".into(),
        Some(Value::String(text)) => format!("{text:?}"),
        Some(value) => value.to_string(),
    }
}

/// The changed lines of a file with two lines around them: `+ …`, `- …`, `  …`, and `…` between places.
pub fn diff(before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = vec![];
    for (i, group) in diff.grouped_ops(2).iter().enumerate() {
        if i > 0 {
            lines.push("…".into());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign} {}", change.value().trim_end_matches(['\r', '\n'])));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BASE: &str = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n4\n";

    fn cordon() -> Change {
        Change {
            file: "nodes/n4.yaml".into(),
            object: ObjectRef::new("", "Node", "", "n4"),
            baseline: Some(BASE.into()),
            fields: vec![FieldChange::new(FieldPath::keys(["spec", "unschedulable"]), None, Some(json!(true)))],
        }
    }

    #[test]
    fn a_missing_file_becomes_two_commits() {
        let Applied::Texts(texts) = cordon().apply(None).unwrap() else { panic!("there is something to do") };
        assert_eq!(texts, [BASE.to_string(), format!("{BASE}spec:\n  unschedulable: true\n")]);
    }

    #[test]
    fn done_twice_is_done_once_and_taken_back_is_the_baseline() {
        let Applied::Texts(texts) = cordon().apply(Some(BASE)).unwrap() else { panic!("there is something to do") };
        assert_eq!(cordon().apply(Some(&texts[0])).unwrap(), Applied::Already);
        assert_eq!(cordon().reversed().apply(Some(&texts[0])).unwrap(), Applied::Texts(vec![BASE.into()]));
    }

    #[test]
    fn a_newer_decision_is_not_overwritten() {
        let other = format!("{BASE}spec:\n  unschedulable: false\n");
        let refusal = cordon().apply(Some(&other)).unwrap_err().0;
        assert!(refusal.contains("spec.unschedulable false by now, not unset"), "{refusal}");
        assert_eq!(cordon().reversed().apply(None).unwrap(), Applied::Already, "what was never there is taken back");
        let gone = Change { baseline: None, ..cordon() };
        assert!(gone.apply(None).unwrap_err().0.contains("not in the repository"));
    }

    #[test]
    fn diffs_show_the_lines_around() {
        let after = format!("{BASE}spec:\n  unschedulable: true\n");
        assert_eq!(diff(BASE, &after), ["  metadata:", "    name: n4", "+ spec:", "+   unschedulable: true"]);
    }
}
