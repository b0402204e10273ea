//! What a cause's judge returns: [`Match`], a finding with its place in the graph.

use super::verdict::{Confidence, Evidence, Finding, Fix, Scheduling};
use crate::world::object::{ObjectRef, namespace, str_at};
use crate::world::text::clean;
use serde_json::Value;
use std::sync::Arc;

/// The object a cause looks at.
#[derive(Clone, Debug)]
pub struct Suspect<'a> {
    /// Which object; a URL is an object of kind `URL`.
    pub at: ObjectRef,
    /// The object as served; null when it is not there.
    pub object: &'a Value,
    /// What is looked at in particular: the port of a Service that a route uses; usually empty.
    pub focus: String,
    /// How many objects (of how many) stand exactly like this one; (1, 1) for a single one.
    pub alike: (usize, usize),
    /// Whether this is what was asked about.
    pub asked: bool,
}

impl Suspect<'_> {
    /// Whether the object exists.
    pub fn exists(&self) -> bool {
        !self.object.is_null()
    }
}

/// Beginning of the focus of a lead into another cluster; no port, rule or listener is called so.
const FAR: &str = "cluster ";

/// A way from one object's trouble to another object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The object to look at.
    pub at: ObjectRef,
    /// See [`Suspect::focus`].
    pub focus: String,
    /// See [`Suspect::alike`].
    pub alike: (usize, usize),
}

impl Lead {
    /// To a single object.
    pub fn to(at: ObjectRef) -> Self {
        Self { at, focus: String::new(), alike: (1, 1) }
    }

    /// To an object of another cluster of the fleet, named as Argo CD calls it; to a single one here where none is.
    pub fn across(cluster: Option<&str>, at: ObjectRef) -> Self {
        Self { focus: cluster.map_or(String::new(), |cluster| format!("{FAR}{cluster}")), ..Self::to(at) }
    }

    /// The other cluster that it leads to.
    pub fn cluster(&self) -> Option<&str> {
        self.focus.strip_prefix(FAR)
    }

    /// To a port of a Service, by its name or number.
    pub fn to_port(at: ObjectRef, port: &str) -> Self {
        Self { at, focus: port.into(), alike: (1, 1) }
    }
}

/// What stands upstream of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// Whatever is wrong with another object.
    Object(Lead),
    /// A match on the same suspect whose id starts so.
    Cause(&'static str),
}

/// A matched cause with its place in the graph.
#[derive(Clone, Debug)]
pub struct Match {
    /// The finding as it will stand in the verdict; `cause` is filled in by the engine.
    pub finding: Finding,
    /// True, but not able to produce the trouble.
    pub aside: bool,
    /// With [`Match::aside`]: trouble of its own kind, and the reason where nothing else is wrong.
    pub alone: bool,
    /// True beside what stands upstream: with that mended, it does not make the trouble on its own.
    pub beside: bool,
    /// What stands upstream, if it is matched too.
    pub because: Vec<Because>,
    /// Objects whose trouble follows from this.
    pub explains: Vec<Lead>,
    /// The matrix, for causes of unscheduled pods.
    pub scheduling: Option<Arc<Scheduling>>,
}

impl Match {
    /// A match on an object: the object at fault and one sentence for people.
    pub fn on(at: &ObjectRef, summary: impl AsRef<str>) -> Self {
        Self {
            finding: Finding {
                cause: String::new(),
                object: at.clone(),
                cluster: None,
                summary: clean(summary.as_ref()).into_owned(),
                confidence: Confidence::Certain,
                evidence: Vec::new(),
                fixes: Vec::new(),
            },
            aside: false,
            alone: false,
            beside: false,
            because: Vec::new(),
            explains: Vec::new(),
            scheduling: None,
        }
    }

    /// How sure (engine rule 6); certain unless said otherwise, and never certain when a hole was met.
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.finding.confidence = confidence;
        self
    }

    /// True, but not able to produce the trouble: will stand under "also true".
    pub fn aside(mut self) -> Self {
        self.aside = true;
        self
    }

    /// As [`Match::aside`], unless nothing else is wrong: then it is the reason.
    pub fn aside_unless_alone(mut self) -> Self {
        (self.aside, self.alone) = (true, true);
        self
    }

    /// Not among what follows from its upstream, but true beside it.
    pub fn beside(mut self) -> Self {
        self.beside = true;
        self
    }

    /// A line of evidence: which object, which field, the value there, and the line for people.
    pub fn evidence(mut self, at: &ObjectRef, path: &str, value: &str, text: impl AsRef<str>) -> Self {
        self.finding.evidence.push(evidence(at, path, value, None, text.as_ref()));
        self
    }

    /// A line of evidence with its age in seconds.
    pub fn evidence_aged(
        mut self,
        at: &ObjectRef,
        path: &str,
        value: &str,
        age_s: Option<i64>,
        text: impl AsRef<str>,
    ) -> Self {
        self.finding.evidence.push(evidence(at, path, value, age_s, text.as_ref()));
        self
    }

    /// Adds a fix; the smallest first.
    pub fn fix(mut self, fix: Fix) -> Self {
        self.finding.fixes.push(fix);
        self
    }

    /// Whatever is wrong with this object is the reason for it.
    pub fn because(mut self, at: ObjectRef) -> Self {
        self.because.push(Because::Object(Lead::to(at)));
        self
    }

    /// As [`Match::because`], for leads made elsewhere.
    pub fn because_all(mut self, leads: impl IntoIterator<Item = Lead>) -> Self {
        self.because.extend(leads.into_iter().map(Because::Object));
        self
    }

    /// A match on the same object whose id starts so is the reason for it.
    pub fn because_cause(mut self, prefix: &'static str) -> Self {
        self.because.push(Because::Cause(prefix));
        self
    }

    /// The trouble of this object follows from it.
    pub fn explains(self, at: ObjectRef) -> Self {
        self.explains_lead(Lead::to(at))
    }

    /// As [`Match::explains`], for a lead made elsewhere.
    pub fn explains_lead(mut self, lead: Lead) -> Self {
        self.explains.push(lead);
        self
    }

    /// Hands over the matrix of an unscheduled pod.
    pub fn scheduling(mut self, scheduling: Arc<Scheduling>) -> Self {
        self.scheduling = Some(scheduling);
        self
    }
}

/// A line of evidence, cleaned.
pub fn evidence(at: &ObjectRef, path: &str, value: &str, age_s: Option<i64>, text: &str) -> Evidence {
    Evidence {
        object: at.clone(),
        cluster: None,
        path: path.into(),
        value: shorten(&clean(value), 400),
        age_s,
        text: shorten(&clean(text), 600),
    }
}

/// At most `max` characters, with an ellipsis where something was cut.
pub fn shorten(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// `-n shop`, or nothing for cluster-scoped objects.
pub fn in_namespace(object: &Value) -> String {
    match namespace(object) {
        "" => String::new(),
        ns => format!(" -n {ns}"),
    }
}

/// `deploy/web`-like target of a kubectl command.
pub fn target(object: &Value) -> String {
    format!("{}/{}", str_at(object, "/kind").to_lowercase(), str_at(object, "/metadata/name"))
}
