//! Cordon and uncordon, with a record in git.
//!
//! Cordon is live first, because seconds count, and commits in the same operation. Uncordon commits first, waits for Argo CD
//! where it applies the manifest, then patches live: Argo CD does not enforce `unschedulable: false`, and a field that
//! others own as well stays when it is dropped from the manifest.

use super::{CommitPlan, Line, Occasion, Part, Patch, Plan, SyncPlan, Target, annotation, live, message::Message};
use crate::gitops::change::{Applied, Change, FieldChange, diff};
use crate::gitops::field::FieldPath;
use crate::gitops::{Refusal, yaml};
use crate::world::object::{ObjectRef, bool_at, name};
use crate::world::text::clean;
use serde_json::{Value, json};

/// Labels and annotations of nodes that something else makes and removes: a manifest for one would bring it back as a
/// ghost. Their record is kept where nothing applies it.
const MANAGED: [&str; 7] = [
    "karpenter.sh/nodepool",
    "cluster.x-k8s.io/machine",
    "machine.openshift.io/machine",
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "node.gardener.cloud/machine-name",
];

/// Whether a node is one of those that stay, so that a manifest for it makes sense.
pub fn is_static(node: &Value) -> bool {
    let has = |pointer: &str, key: &str| node.pointer(pointer).is_some_and(|map| map.get(key).is_some());
    !MANAGED.iter().any(|key| has("/metadata/labels", key) || has("/metadata/annotations", key))
}

/// What is known of one node.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// The live object.
    pub node: Value,
    /// Its file in the repository.
    pub file: String,
    /// The file's text at the tip of the branch; `None`: there is none.
    pub text: Option<String>,
    /// The Application that applies the file, where one does.
    pub sync: Option<SyncPlan>,
}

impl NodeFacts {
    fn object(&self) -> ObjectRef {
        ObjectRef::new("", "Node", "", name(&self.node))
    }

    fn path(&self) -> String {
        format!("/api/v1/nodes/{}", name(&self.node))
    }

    fn live(&self, path: &FieldPath) -> Option<Value> {
        path.get(&self.node).filter(|v| !v.is_null()).cloned()
    }

    fn in_git(&self, path: &FieldPath) -> Result<Option<Value>, Refusal> {
        let Some(text) = &self.text else { return Ok(None) };
        yaml::read(text, &self.object(), path).map_err(|r| Refusal(format!("{} {}", self.file, r.0)))
    }

    /// Sentence about who cordoned it, where that was not us.
    fn foreign(&self) -> Option<String> {
        let path = unschedulable();
        let ours = self.live(&FieldPath::annotation(annotation::OP)).is_some();
        (self.live(&path) == Some(json!(true)) && !ours).then(|| {
            let who = live::writer(&self.node, &path).unwrap_or_else(|| "somebody else".into());
            clean(&format!("{} was cordoned by {who}, not by kokpit", name(&self.node))).into_owned()
        })
    }

    /// The manifest before the first operation: no opinion about the node. `ServerSideApply` because a client-side apply of
    /// a partial Node deletes labels; `Prune=false,Delete=false` because deleting a Node object throws the node out.
    fn baseline(&self) -> String {
        format!(
            "# Managed by kokpit. Uncordon by editing, never by deleting this file.\napiVersion: v1\nkind: Node\nmetadata:\n  \
             name: {}\n  annotations:\n    argocd.argoproj.io/sync-options: ServerSideApply=true,Prune=false,Delete=false\n    \
             argocd.argoproj.io/compare-options: IgnoreExtraneous\n",
            name(&self.node)
        )
    }
}

fn unschedulable() -> FieldPath {
    FieldPath::keys(["spec", "unschedulable"])
}

/// Plans a cordon of nodes.
///
/// # Errors
/// A manifest that cannot be read or edited.
pub fn cordon(on: &Occasion<'_>, target: &Target, nodes: &[NodeFacts]) -> Result<Plan, Refusal> {
    let reason = clean(on.reason.trim()).into_owned();
    let wanted: Vec<(FieldPath, Value)> = [
        (FieldPath::annotation(annotation::REASON), json!(reason)),
        (FieldPath::annotation(annotation::BY), json!(target.by)),
        (FieldPath::annotation(annotation::OP), json!(on.id)),
        (unschedulable(), json!(true)),
    ]
    .into_iter()
    .filter(|(_, v)| *v != json!(""))
    .collect();
    let mut draft = Draft::new(on, "cordon", nodes);
    for node in nodes {
        if bool_at(&node.node, "/spec/unschedulable") {
            let by_us = format!("{} is cordoned already", name(&node.node));
            draft.warnings.push(format!("{}; it is left as it is live", node.foreign().unwrap_or(by_us)));
        } else {
            let fields =
                wanted.iter().map(|(p, v)| FieldChange::new(p.clone(), node.live(p), Some(v.clone()))).collect();
            draft.live(node, fields);
        }
        if node.in_git(&unschedulable())? != Some(json!(true)) {
            let fields: Result<Vec<FieldChange>, Refusal> =
                wanted.iter().map(|(p, v)| Ok(FieldChange::new(p.clone(), node.in_git(p)?, Some(v.clone())))).collect();
            draft.git(node, fields?, Some(node.baseline()))?;
        }
    }
    if reason.is_empty() {
        draft.warnings.push("no reason given: nobody will know why".into());
    }
    let names = draft.names.join(" ");
    let (live, git) = (draft.live_part(), draft.git_part(target));
    let parts: Vec<Part> = live.into_iter().chain(git).collect();
    Ok(draft.plan(
        target,
        parts,
        "live first, commit in the same operation (evidence must not wait)",
        &format!("kokpit uncordon {names}"),
    ))
}

/// Plans an uncordon of nodes.
///
/// # Errors
/// A manifest that cannot be read or edited.
pub fn uncordon(on: &Occasion<'_>, target: &Target, nodes: &[NodeFacts]) -> Result<Plan, Refusal> {
    let fields = [
        unschedulable(),
        FieldPath::annotation(annotation::REASON),
        FieldPath::annotation(annotation::BY),
        FieldPath::annotation(annotation::OP),
    ];
    let mut draft = Draft::new(on, "uncordon", nodes);
    let mut sync = None;
    for node in nodes {
        let op = node.live(&FieldPath::annotation(annotation::OP));
        if let Some(foreign) = node.foreign() {
            draft.warnings.push(format!("{foreign}: this overrules them"));
        } else if let Some(Value::String(op)) = op {
            let why = node.live(&FieldPath::annotation(annotation::REASON));
            let why = why.as_ref().and_then(Value::as_str).unwrap_or("no reason given");
            draft.facts.push(clean(&format!("{} was cordoned by op {op}: {why}", name(&node.node))).into_owned());
        }
        let live = |p: &FieldPath| node.live(p).map(|v| FieldChange::new(p.clone(), Some(v), None));
        draft.live(node, fields.iter().filter_map(live).collect());
        let mut in_git = vec![];
        for path in &fields {
            in_git.extend(node.in_git(path)?.map(|v| FieldChange::new(path.clone(), Some(v), None)));
        }
        if !in_git.is_empty() {
            draft.git(node, in_git, None)?;
            sync = sync.or_else(|| node.sync.clone().filter(|s| s.automated));
        }
    }
    let names = draft.names.join(" ");
    let git = draft.git_part(target);
    let sync = if git.is_some() { sync.map(Part::Sync) } else { None };
    let parts: Vec<Part> = git.into_iter().chain(sync).chain(draft.live_part()).collect();
    Ok(draft.plan(target, parts, "commit first, then live, then verified", &format!("kokpit cordon {names}")))
}

/// A plan of node changes being put together.
struct Draft<'a> {
    on: &'a Occasion<'a>,
    kind: &'static str,
    names: Vec<String>,
    patches: Vec<Patch>,
    commits: Vec<CommitPlan>,
    live_lines: Vec<Line>,
    git_lines: Vec<Line>,
    facts: Vec<String>,
    warnings: Vec<String>,
}

impl<'a> Draft<'a> {
    fn new(on: &'a Occasion<'a>, kind: &'static str, nodes: &[NodeFacts]) -> Self {
        let names = nodes.iter().map(|n| name(&n.node).to_string()).collect();
        let (patches, commits, live_lines, git_lines) = (vec![], vec![], vec![], vec![]);
        Self { on, kind, names, patches, commits, live_lines, git_lines, facts: vec![], warnings: vec![] }
    }

    fn live(&mut self, node: &NodeFacts, fields: Vec<FieldChange>) {
        if fields.is_empty() {
            return;
        }
        let shown = fields.iter().find(|f| f.path == unschedulable()).map_or("annotations only", |f| match f.after {
            Some(_) => "spec.unschedulable: true",
            None => "spec.unschedulable is removed",
        });
        self.live_lines.push(Line::new("live", format!("nodes/{}  {shown}", name(&node.node))));
        self.patches.push(Patch { object: node.object(), path: node.path(), fields });
    }

    fn git(&mut self, node: &NodeFacts, fields: Vec<FieldChange>, baseline: Option<String>) -> Result<(), Refusal> {
        let baseline = baseline.filter(|_| node.text.is_none());
        let change = Change { file: node.file.clone(), object: node.object(), baseline, fields };
        let before = node.text.clone().unwrap_or_default();
        let Applied::Texts(texts) = change.apply(node.text.as_deref())? else { return Ok(()) };
        let after = texts.last().map_or("", String::as_str);
        self.git_lines.push(Line::new("git", clean(&node.file).into_owned()));
        if texts.len() > 1 {
            self.git_lines.push(Line::new("", "the file is new: one commit adopts the node, a second one changes it"));
        }
        let lines = diff(&before, after).into_iter().map(|l| clean(&l).into_owned()).collect();
        self.git_lines.extend(Line::diff(lines));
        let subject = |what: &str| format!("{what} {} on {}", name(&node.node), self.on.cluster);
        let message = Message {
            subject: subject(&format!("ops(node): {}", self.kind)),
            reason: self.on.reason,
            op: self.kind,
            id: &self.on.id,
            cluster: self.on.cluster,
            object: node.object(),
            application: node.sync.as_ref().map(|s| format!("{}/{}", s.application.namespace, s.application.name)),
        };
        let adopt = Message { subject: subject("chore(nodes): adopt"), reason: "", op: "adopt", ..message.clone() };
        self.commits.push(CommitPlan { change, message: message.text(), adopt: adopt.text() });
        Ok(())
    }

    fn live_part(&self) -> Option<Part> {
        (!self.patches.is_empty()).then(|| Part::Live { patches: self.patches.clone() })
    }

    fn git_part(&self, target: &Target) -> Option<Part> {
        (!self.commits.is_empty()).then(|| Part::Git(target.plan(&self.on.id, self.commits.clone())))
    }

    fn plan(self, target: &Target, mut parts: Vec<Part>, order: &str, undo: &str) -> Plan {
        let mut lines = self.live_lines;
        if let Some(first) = self.git_lines.first() {
            lines.push(Line::new("git", format!("{} {}  {}", target.repository, target.branch, first.text)));
            lines.extend(self.git_lines.into_iter().skip(1));
            let signed = if target.signed { ", signed" } else { "" };
            lines.push(Line::new("", format!("by {}{signed}", target.by)));
        }
        if parts.is_empty() {
            lines.push(Line::new("", "nothing to do: the cluster and git say so already"));
        } else {
            lines.push(Line::new("order", order));
            lines.push(Line::new("undo", format!("{undo}  ·  op {}", self.on.id)));
        }
        lines.extend(self.facts.into_iter().map(|text| Line::new("", text)));
        if !self.on.reason.trim().is_empty() {
            lines.push(Line::new("reason", clean(self.on.reason.trim()).into_owned()));
        }
        lines.extend(self.warnings.into_iter().map(Line::warning));
        if !self.patches.is_empty() {
            parts.push(Part::Verify { patches: self.patches });
        }
        Plan {
            parts,
            lines,
            ..self.on.draft(self.kind, format!("{} {} on {}", self.kind, self.names.join(" "), self.on.cluster))
        }
    }
}

#[cfg(test)]
mod tests;
