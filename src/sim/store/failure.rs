//! [`Failure`]: a request that was refused, as the `Status` object a real API server answers with.
//!
//! Codes, reasons and sentences: `apimachinery/pkg/api/errors/errors.go`.

use crate::world::object::Resource;
use serde_json::{Value, json};

/// A refused request: HTTP code, `reason`, sentence and `details` of its `Status`.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// HTTP status code.
    pub code: u16,
    /// `NotFound`, `Conflict`, … ; may be empty.
    pub reason: String,
    /// The sentence for people.
    pub message: String,
    /// `details` of the `Status`, or null; boxed, because refusals travel through every result.
    pub details: Box<Value>,
    /// `metadata.continue` of the `Status`: where an expired list may go on without consistency.
    pub resume: Option<String>,
}

/// One entry of `details.causes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, …
    pub reason: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// Path of the field, `spec.containers`.
    pub field: String,
}

impl Cause {
    /// A required field that is missing.
    pub fn required(field: &str) -> Self {
        Self { reason: "FieldValueRequired", message: "Required value".into(), field: field.into() }
    }

    /// A field with a value that is not allowed.
    pub fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self { reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {why}"), field: field.into() }
    }

    /// A field that must not be set or changed.
    pub fn forbidden(field: &str, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {why}"), field: field.into() }
    }
}

impl Failure {
    /// A refusal without details.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), details: Value::Null.into(), resume: None }
    }

    fn about(code: u16, reason: &str, message: String, kind: &Resource, name: &str) -> Self {
        let mut details = json!({});
        if !name.is_empty() {
            details["name"] = name.into();
        }
        if !kind.id.group.is_empty() {
            details["group"] = kind.id.group.clone().into();
        }
        details["kind"] = kind.id.plural.clone().into();
        Self { details: details.into(), ..Self::new(code, reason, message) }
    }

    /// 404 for one object.
    pub fn not_found(kind: &Resource, name: &str) -> Self {
        Self::about(404, "NotFound", format!("{} \"{name}\" not found", kind.id), kind, name)
    }

    /// 404 for a path or kind that is not served.
    pub fn no_such_path() -> Self {
        let mut failure = Self::new(404, "NotFound", "the server could not find the requested resource");
        failure.details = json!({}).into();
        failure
    }

    /// 409 for a name that is taken.
    pub fn already_exists(kind: &Resource, name: &str) -> Self {
        Self::about(409, "AlreadyExists", format!("{} \"{name}\" already exists", kind.id), kind, name)
    }

    /// 409 for a failed precondition, with its sentence.
    pub fn conflict(kind: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.id);
        Self::about(409, "Conflict", message, kind, name)
    }

    /// 409 for a resource version that is no longer the latest.
    pub fn modified(kind: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// 403 with the sentence of the authoriser.
    pub fn forbidden(kind: &Resource, name: &str, why: &str) -> Self {
        let subject = if name.is_empty() { kind.id.to_string() } else { format!("{} \"{name}\"", kind.id) };
        Self::about(403, "Forbidden", format!("{subject} is forbidden: {why}"), kind, name)
    }

    /// 422 with every field that is wrong.
    pub fn invalid(kind: &Resource, name: &str, causes: &[Cause]) -> Self {
        let list: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let text = if list.len() == 1 { list.concat() } else { format!("[{}]", list.join(", ")) };
        let group = &kind.id.group;
        let qualified = if group.is_empty() { kind.kind.clone() } else { format!("{}.{group}", kind.kind) };
        let message = format!("{qualified} \"{name}\" is invalid: {text}");
        let mut details = json!({"name": name});
        if !group.is_empty() {
            details["group"] = group.clone().into();
        }
        details["kind"] = kind.kind.clone().into();
        let causes = causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field}));
        details["causes"] = causes.collect();
        Self { details: details.into(), ..Self::new(422, "Invalid", message) }
    }

    /// 400 with a sentence.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 405 for a verb a kind does not have.
    pub fn method_not_allowed() -> Self {
        Self {
            details: json!({}).into(),
            ..Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }

    /// 405 for a write to something that only shows what once was.
    pub fn read_only(sentence: &str) -> Self {
        Self::new(405, "MethodNotAllowed", sentence)
    }

    /// 410 for a watch from a resource version whose events are gone.
    pub fn expired(version: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {version} ({oldest})"))
    }

    /// 410 for a continue token whose snapshot is gone; `resume` is a token that goes on in the present.
    pub fn expired_token(resume: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
                       list without the continue parameter, or use the continue token in this response to retrieve the \
                       remainder of the results. Continuing with the provided token results in an inconsistent list - \
                       objects that were created, modified, or deleted between the time the first chunk was returned and \
                       now may show up in the list.";
        Self { resume: Some(resume), ..Self::new(410, "Expired", message) }
    }

    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                                "message": self.message});
        if let Some(token) = &self.resume {
            status["metadata"]["continue"] = token.clone().into();
        }
        if !self.reason.is_empty() {
            status["reason"] = self.reason.clone().into();
        }
        if !self.details.is_null() {
            status["details"] = (*self.details).clone();
        }
        status["code"] = self.code.into();
        status
    }
}

/// Its sentence, for logs and tests.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for Failure {}
