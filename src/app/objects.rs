//! Looks at whole objects in the background, some at a time, so that nobody waits for it and it can be stopped.

use super::inbox::Sender;
use crate::effect::Objects;
use crate::msg::Msg;
use crate::world::choice::{Choice, evaluate};
use crate::world::object::ResourceId;
use crate::world::row::Unpacker;

/// Objects looked at before what was found is told.
const PART: usize = 4096;

/// Reads columns from objects and tells what they say.
pub async fn cells(sender: Sender, resource: ResourceId, paths: Vec<Choice>, objects: Objects) {
    let mut rest = objects;
    while !rest.is_empty() {
        let later = rest.split_off(rest.len().min(PART));
        let (part, wanted) = (std::mem::replace(&mut rest, later), paths.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut unpacker = Unpacker::default();
            let read = part.into_iter().map(|(cluster, uid, raw)| {
                let cells = evaluate(&wanted, &mut unpacker, &raw);
                (cluster, uid, raw, cells)
            });
            read.collect()
        });
        let Ok(found) = read.await else { return };
        sender.send(Msg::Looked { resource: resource.clone(), paths: paths.clone(), found });
    }
}
