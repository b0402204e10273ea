//! Aliases of the configuration: a word for a whole line. What is typed behind it is added to the line.

use super::{head_at, split};
use crate::state::State;

/// Aliases within aliases.
const DEPTH: usize = 8;

/// The words with the alias among them, if there is one, replaced by what it stands for. As in a shell, an alias may
/// use the name that it hides (`pods = "pods shop"`).
///
/// # Errors
/// Where aliases stand for each other without end.
pub fn expand(state: &State, mut words: Vec<String>) -> Result<Vec<String>, String> {
    let mut used: Vec<String> = vec![];
    while let Some((at, line)) = head_at(&words)
        .and_then(|at| Some((at, state.names.alias(words.get(at)?)?)))
        .filter(|(at, _)| !used.contains(&words[*at]))
    {
        if used.len() == DEPTH {
            return Err(format!("the aliases {} stand for each other without end", used.join(", ")));
        }
        used.push(words.remove(at));
        words.splice(at..at, split(line));
    }
    Ok(words)
}
