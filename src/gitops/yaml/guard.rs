//! The guard: an edit is accepted only if another parser sees exactly the intended difference, and the text changed in
//! no more lines than it had to.

use super::super::Refusal;
use super::documents;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use yaml_edit::YamlFile;

/// How many lines an edit may take out and put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    removed: usize,
    added: usize,
    comments_may_go: bool,
}

impl Bound {
    /// A scalar on its line.
    pub fn set() -> Self {
        Self { removed: 1, added: 1, comments_may_go: false }
    }

    /// `lines` new lines; one more on both sides when the last line had no line break or the mapping is flow.
    pub fn add(lines: usize, flow: bool) -> Self {
        let added = if flow { 1 } else { lines + 1 };
        Self { removed: 1, added, comments_may_go: false }
    }

    /// An entry of so many lines.
    pub fn remove(lines: usize, flow: bool) -> Self {
        let (removed, added) = if flow { (1, 1) } else { (lines, 0) };
        Self { removed, added, comments_may_go: true }
    }
}

/// Compares the file before and after. `expected` are the documents as they should be.
pub(super) fn check(before: &str, after: &str, expected: &[Value], bound: &Bound) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal(format!("cannot be edited without touching something else ({why})")));
    match documents(after) {
        Err(e) => return refuse(&e.0),
        Ok(found) if found != expected => return refuse("another value would change, or an anchor shares it"),
        Ok(_) => {}
    }
    let (mut removed, mut added) = (0, 0);
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        match change.tag() {
            // A blank line may go with the entry below or above it.
            ChangeTag::Delete => removed += usize::from(!change.value().trim().is_empty()),
            ChangeTag::Insert => added += 1,
            ChangeTag::Equal => {}
        }
    }
    // The last line of a file without a final line break changes when a line is taken out or put in behind it.
    let last = usize::from(!before.ends_with('\n'));
    if removed > bound.removed + last || added > bound.added + last {
        return refuse(&format!("{removed} lines would go and {added} come"));
    }
    if !bound.comments_may_go && comments(after) < comments(before) {
        return refuse("a comment would be lost");
    }
    let bare = |text: &str| text.matches('\n').count() - text.matches("\r\n").count();
    if before.contains("\r\n") && bare(after) > bare(before) {
        return refuse("line ends would be mixed");
    }
    if before.ends_with('\n') != after.ends_with('\n') {
        return refuse("the end of the file would change");
    }
    Ok(())
}

fn comments(text: &str) -> usize {
    YamlFile::parse(text).tree().comments().count()
}
