//! Patches by media type: JSON patch (RFC 6902), JSON merge patch (RFC 7396), strategic merge patch.

mod strategic;

use crate::sim::store::{Failure, is_custom};
use crate::world::object::Resource;
use serde_json::Value;

/// Applies a patch to an object of a kind.
///
/// # Errors
/// 415 for another media type (custom kinds have no strategic merge patch), 400 for a patch that cannot be read,
/// 422 for a JSON patch that does not fit.
pub fn apply(media: &str, patch: &[u8], object: &mut Value, kind: &Resource) -> Result<(), Failure> {
    let unreadable = |e: serde_json::Error| Failure::bad_request(format!("error decoding patch: {e}"));
    match media {
        "application/json-patch+json" => {
            let operations: json_patch::Patch = serde_json::from_slice(patch).map_err(unreadable)?;
            json_patch::patch(object, &operations).map_err(|e| {
                Failure::new(
                    422,
                    "Invalid",
                    format!("the server rejected our request due to an error in our request: {e}"),
                )
            })
        }
        "application/merge-patch+json" => {
            json_patch::merge(object, &read_object(patch)?);
            Ok(())
        }
        "application/strategic-merge-patch+json" if !is_custom(&kind.id) => {
            strategic::merge(object, &read_object(patch)?)
        }
        _ => {
            let strategic = if is_custom(&kind.id) { "" } else { "application/strategic-merge-patch+json, " };
            let sentence = format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, {strategic}application/apply-patch+yaml"
            );
            Err(Failure::new(415, "UnsupportedMediaType", sentence))
        }
    }
}

fn read_object(patch: &[u8]) -> Result<Value, Failure> {
    match serde_json::from_slice(patch) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::bad_request("error decoding patch: the patch is not a JSON object")),
        Err(e) => Err(Failure::bad_request(format!("error decoding patch: {e}"))),
    }
}
