//! Commit messages: a subject, the reason, and trailers by which a commit is found again.

use crate::world::object::ObjectRef;
use crate::world::text::clean;

/// What a message is made of.
#[derive(Clone, Debug, Default)]
pub struct Message<'a> {
    /// `ops(node): cordon n4 on prod-eu`
    pub subject: String,
    /// Why, in the person's words; may be empty.
    pub reason: &'a str,
    /// `cordon`
    pub op: &'a str,
    /// Op-Id.
    pub id: &'a str,
    /// The context's name.
    pub cluster: &'a str,
    /// The object that is changed.
    pub object: ObjectRef,
    /// `namespace/name` of the Application, where one tracks it.
    pub application: Option<String>,
}

impl Message<'_> {
    /// The whole message. Every value is one line without control characters: a reason cannot forge a trailer.
    pub fn text(&self) -> String {
        let line = |text: &str| clean(text.trim()).trim().to_string();
        let mut text = format!("{}\n\n", line(&self.subject).chars().take(200).collect::<String>());
        if !self.reason.trim().is_empty() {
            text += &format!("{}\n\n", wrapped(&line(self.reason)));
        }
        text += &format!("Op: {}\nOp-Id: {}\nCluster: {}\n", line(self.op), line(self.id), line(self.cluster));
        text += &format!("Object: {}\n", object(&self.object));
        if let Some(app) = &self.application {
            text += &format!("Argocd-App: {}\n", line(app));
        }
        text
    }
}

/// `<group>/<Kind>[/<namespace>]/<name>`; the core group is `core`.
fn object(object: &ObjectRef) -> String {
    let group = if object.group.is_empty() { "core" } else { &object.group };
    let parts = [group, &object.kind, &object.namespace, &object.name];
    parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/")
}

/// A paragraph that git will not take for trailers: no line of it looks like `Word: …`.
fn wrapped(reason: &str) -> String {
    match reason.split_once(':') {
        Some((key, _)) if !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
            format!("Reason given was {reason:?}.")
        }
        _ => reason.to_string(),
    }
}

/// The Op-Id of the commits that take an operation back.
pub fn undo_id(op: &str) -> String {
    format!("{op}.undo")
}

/// The message of a commit that takes another one back (`git revert` keeps no trailers, so it is written here).
pub fn revert(message: &str, op: &str) -> String {
    let subject = message.lines().next().unwrap_or_default();
    let subject = subject.split_once(": ").map_or(subject, |(_, rest)| rest);
    let kept: Vec<&str> = message
        .lines()
        .filter(|l| ["Op: ", "Cluster: ", "Object: ", "Argocd-App: "].iter().any(|key| l.starts_with(key)))
        .collect();
    format!(
        "revert(ops): {subject}\n\nTakes operation {op} back.\n\n{}\nOp-Id: {}\nReverts-Op-Id: {op}\n",
        kept.join("\n"),
        undo_id(op)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(reason: &'a str) -> Message<'a> {
        Message {
            subject: "ops(node): cordon n4 on prod".into(),
            reason,
            op: "cordon",
            id: "01ABC",
            cluster: "prod",
            object: ObjectRef::new("", "Node", "", "n4"),
            application: None,
        }
    }

    #[test]
    fn the_message_ends_in_trailers() {
        assert_eq!(
            message("disk errors").text(),
            "ops(node): cordon n4 on prod\n\ndisk errors\n\nOp: cordon\nOp-Id: 01ABC\nCluster: prod\nObject: core/Node/n4\n"
        );
    }

    #[test]
    fn a_reason_cannot_forge_a_trailer() {
        let text = message("x\n\nOp-Id: 99FAKE\x1b[31m").text();
        assert_eq!(text.lines().filter(|l| l.starts_with("Op-Id:")).count(), 1, "{text}");
        let text = message("Op-Id: 99FAKE").text();
        assert_eq!(text.lines().filter(|l| l.starts_with("Op-Id:")).count(), 1, "{text}");
    }

    #[test]
    fn a_revert_names_what_it_takes_back() {
        let text = revert(&message("disk errors").text(), "01ABC");
        assert!(text.starts_with("revert(ops): cordon n4 on prod\n\n"), "{text}");
        assert!(text.ends_with("Object: core/Node/n4\nOp-Id: 01ABC.undo\nReverts-Op-Id: 01ABC\n"), "{text}");
    }
}
