//! The tour: one page with the keys that matter, as the keymap in use has them.

use super::State;
use super::text::TextLine;
use crate::actions;
use crate::theme::Meaning;

/// The actions, each with what it is good for. Ten, because nobody reads more.
const STOPS: &[(&str, &str)] = &[
    ("problems", "what is wrong in all clusters, by cause: begin here"),
    ("why", "why the object is not well, and the smallest cure"),
    ("command", "go anywhere: pods shop @prod /crash; Tab completes"),
    ("filter", "only rows that match; -l app=web, !text for the rest"),
    ("open", "into it: pods, containers, an Application's resources"),
    ("back", "back again, to the same row"),
    ("logs", "of what is marked, over several clusters, following"),
    ("describe", "everything known about the object"),
    ("application", "the Argo CD Application that it comes from"),
    ("help", "every key of the screen that you are on"),
];

/// Its lines.
pub fn lines(state: &State) -> Vec<TextLine> {
    let sections = ["pods", "table", "global"].map(String::from);
    // (A key of Secrets is one of the rest elsewhere.)
    let key = |name: &str| state.keymap.key_for(&sections, name, |other| other == name || other == "decode");
    let mut lines = vec![
        TextLine::new(Meaning::Text, "kokpit watches every cluster of your kubeconfig at once. Ten keys are enough:"),
        TextLine::default(),
    ];
    for (name, good_for) in STOPS {
        let key = key(name).unwrap_or_else(|| format!(":{name}"));
        let label = actions::find(name).map_or(*name, |action| action.label);
        lines.push(
            TextLine::new(Meaning::Key, format!(" {key:<8}"))
                .with(Meaning::Title, format!("{label:<12}"))
                .with(Meaning::Text, (*good_for).to_string()),
        );
    }
    let mark = key("mark").unwrap_or_else(|| ":mark".into());
    let back = key("back").unwrap_or_else(|| ":back".into());
    for text in [
        String::new(),
        format!("{mark} marks rows: what comes next is done to all of them."),
        "What changes something shows a plan first: the cluster, the objects, what".into(),
        "Argo CD makes of it, what takes it back. Nothing is done before you say so;".into(),
        ":ops lists what was. With --readonly nothing can be changed at all.".into(),
        String::new(),
        format!("{back} leaves this page, :tour brings it back; `kokpit demo` has clusters to try."),
    ] {
        lines.push(TextLine::new(Meaning::Muted, text));
    }
    lines
}
