//! Plugins: programs of the user's own, on the terminal that the cockpit has lent, or in the background.
//!
//! A program is told the cluster: its `KUBECONFIG` begins with a file that says nothing but which context is the current
//! one, so that a `kubectl` without `--context` acts on what was on screen, and a `use-context` in it stays there. What may
//! change something is recorded in the journal before it starts. On several objects it runs one after the other, until
//! one fails.

mod pipeline;
mod record;

pub use record::{KIND, recorded};

use super::operations::configuration;
use super::session::Session;
use crate::config::Plugin;
use crate::effect::plugin::PluginCall;
use crate::msg::{Level, Msg, OperationStatus, OperationView, PlanLine, Sign};
use crate::workflows::plugin::{CommandLine, expand};
use crate::world::text::clean;
use pipeline::{How, Terminal};
use record::Recorded;
use serde_json::json;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// Ready to be started.
struct Prepared {
    runs: Vec<Run>,
    kubeconfig: OsString,
    /// Names the current context; gone when dropped.
    _context: TempPath,
}

/// One object, and what is started for it.
struct Run {
    object: String,
    line: CommandLine,
}

/// How a run ended: what to say, and the operation where it was recorded.
pub struct Ended {
    /// A sentence; an error where it failed.
    pub said: Result<String, String>,
    /// Its record.
    pub view: Option<OperationView>,
}

impl Ended {
    fn failed(why: String) -> Self {
        Self { said: Err(why), view: None }
    }

    /// What the state is to hear of it.
    pub fn messages(self) -> Vec<Msg> {
        let said = match self.said {
            Ok(said) => Msg::Notice(Level::Info, said),
            Err(said) => Msg::Notice(Level::Error, said),
        };
        self.view.map(|view| Msg::Operation(Box::new(view))).into_iter().chain([said]).collect()
    }
}

/// What would be run, as a plan. Nothing is started.
///
/// # Errors
/// A sentence: it may not be run there, or a variable has a value that cannot stand where it is written.
pub fn planned(session: &Session, call: &PluginCall) -> Result<OperationView, String> {
    allowed(session, call)?;
    let prepared = prepare(session, call)?;
    let header = record::header(session, call, &prepared, ulid::Ulid::new().to_string());
    let mut view = record::view(&header, OperationStatus::Planned, vec![]);
    view.protected = is_protected(session, call);
    let warning = match call.plugin.changes {
        true => "what it changes is its own affair: kokpit records that it ran, and cannot take it back",
        false => "config.toml says that it changes nothing; it is not recorded",
    };
    view.plan.push(PlanLine { label: "note".into(), text: warning.into(), sign: Sign::Warning });
    Ok(view)
}

fn is_protected(session: &Session, call: &PluginCall) -> bool {
    session.config.settings(&session.context(call.cluster).name).protected
}

/// Runs it on the terminal, which is ours to use meanwhile. `operation`: it was shown and confirmed under this id.
pub fn foreground(session: &Session, call: &PluginCall, operation: Option<String>) -> Ended {
    let (plugin, context) = (&call.plugin, &session.context(call.cluster).name);
    let (ended, how) = run(session, call, operation, |prepared, run| {
        println!("{}: {} ({context}): {}", plugin.name, run.object, shown(&run.line));
        pipeline::run(&run.line, &prepared.kubeconfig, Terminal::Lent)
    });
    if let Some(how) = how.filter(|how| plugin.wait || !how.ok) {
        print!("\n{} {}; Enter goes back to kokpit ", plugin.name, how.text);
        let _ = std::io::stdout().flush();
        // An end of input is as good as Enter.
        let _ = std::io::stdin().read_line(&mut String::new());
    }
    ended
}

/// Runs it without a terminal, to its end; what it printed last is said.
pub fn background(session: &Session, call: &PluginCall, operation: Option<String>) -> Ended {
    run(session, call, operation, |prepared, run| pipeline::run(&run.line, &prepared.kubeconfig, Terminal::None)).0
}

/// Runs it on every object, until one fails; how it ended, unless nothing was begun.
fn run(
    session: &Session,
    call: &PluginCall,
    operation: Option<String>,
    start: impl Fn(&Prepared, &Run) -> How,
) -> (Ended, Option<How>) {
    let name = &call.plugin.name;
    let begun = check(session, call, operation.is_some()).and_then(|()| prepare(session, call)).and_then(|prepared| {
        let id = operation.unwrap_or_else(|| ulid::Ulid::new().to_string());
        let header = record::header(session, call, &prepared, id);
        let record = call.plugin.changes.then(|| Recorded::begin(session, header)).transpose()?;
        Ok((prepared, record))
    });
    let (prepared, mut record) = match begun {
        Ok(begun) => begun,
        Err(why) => return (Ended::failed(format!("{name}: {why}")), None),
    };
    let mut ended = vec![];
    for run in &prepared.runs {
        if let Some(record) = &mut record
            && let Err(why) = record.starts(run)
        {
            ended.push(How { text: why, ok: false, last: String::new() });
            break;
        }
        let how = start(&prepared, run);
        record.iter_mut().for_each(|record| record.ended(run, &how));
        let ok = how.ok;
        ended.push(how);
        if !ok {
            break;
        }
    }
    let how = together(&prepared.runs, ended);
    let view = record.map(|record| record.close(how.ok));
    let more = if how.last.is_empty() { String::new() } else { format!(": {}", how.last) };
    let sentence = format!("{name} on {} {}{more}", call.object(), how.text);
    (Ended { said: if how.ok { Ok(sentence) } else { Err(sentence) }, view }, Some(how))
}

/// How runs on several objects ended: the last of them, with its object where that is not clear.
fn together(runs: &[Run], mut ended: Vec<How>) -> How {
    let (begun, all) = (ended.len(), runs.len());
    let last = ended.pop().unwrap_or_else(|| How { text: "ended".into(), ok: true, last: String::new() });
    if all < 2 || last.ok {
        return last;
    }
    let left = match all - begun {
        0 => String::new(),
        n => format!("; {n} more not begun"),
    };
    How { text: format!("{} on {}{left}", last.text, runs[begun - 1].object), ..last }
}

/// Whether it may change what it may change.
fn allowed(session: &Session, call: &PluginCall) -> Result<(), String> {
    match call.plugin.changes {
        true => configuration(session, call.cluster).map(drop),
        false => Ok(()),
    }
}

/// Whether it may be run where it is meant to.
fn check(session: &Session, call: &PluginCall, confirmed: bool) -> Result<(), String> {
    allowed(session, call)?;
    if call.plugin.changes && is_protected(session, call) && !confirmed {
        let context = &session.context(call.cluster).name;
        return Err(format!(
            "{context} is protected: what changes something is shown first; take `confirm = false` away"
        ));
    }
    Ok(())
}

/// The command lines for every object: one that cannot be made stops all.
fn prepare(session: &Session, call: &PluginCall) -> Result<Prepared, String> {
    let context = session.context(call.cluster);
    if context.file.as_os_str().is_empty() {
        return Err(format!("{} is a recording, which other programs cannot reach", context.name));
    }
    if let Some(user) = context.impersonated_by_flag() {
        return Err(format!("it would not act as {user} (--as), but as yourself"));
    }
    let (file, kubeconfig) = kubeconfig(&context.name, &context.file, std::env::var_os("KUBECONFIG"))
        .map_err(|e| format!("no temporary file can be written: {e}"))?;
    let mut common: Vec<(String, String)> =
        [("CONTEXT", &context.name), ("CLUSTER", &context.cluster), ("USER", &context.user)]
            .map(|(name, value)| (name.to_string(), value.clone()))
            .to_vec();
    common.push(("KUBECONFIG".into(), kubeconfig.to_string_lossy().into_owned()));
    common.extend(call.inputs.iter().cloned());
    let Plugin { command, args, pipes, .. } = &call.plugin;
    let runs = call.targets.iter().map(|target| {
        let variables: Vec<(String, String)> = target.variables.iter().chain(&common).cloned().collect();
        Ok(Run { object: target.object.clone(), line: expand(command, args, pipes, &variables)? })
    });
    Ok(Prepared { runs: runs.collect::<Result<_, String>>()?, kubeconfig, _context: file })
}

/// A file that names the current context, and the value of `KUBECONFIG` with it in front: of two files that say the same,
/// the first counts.
fn kubeconfig(context: &str, file: &Path, variable: Option<OsString>) -> std::io::Result<(TempPath, OsString)> {
    let mut made = tempfile::Builder::new().prefix("kokpit-context-").suffix(".json").tempfile()?;
    made.write_all(json!({"apiVersion": "v1", "kind": "Config", "current-context": context}).to_string().as_bytes())?;
    let listed: Vec<PathBuf> = variable.iter().flat_map(std::env::split_paths).collect();
    let files = if listed.iter().any(|listed| listed == file) { listed } else { vec![file.into()] };
    let first = std::iter::once(made.path().to_path_buf());
    let joined = std::env::join_paths(first.chain(files)).map_err(std::io::Error::other)?;
    Ok((made.into_temp_path(), joined))
}

/// A command line as one would type it.
fn shown(line: &CommandLine) -> String {
    let plain =
        |word: &String| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "._:/@%+,=-".contains(c));
    let word = |word: &String| match plain(word) {
        true => word.clone(),
        false => format!("'{}'", clean(word).replace('\'', "'\\''")),
    };
    let stage = |argv: &Vec<String>| argv.iter().map(word).collect::<Vec<_>>().join(" ");
    line.stages.iter().map(stage).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_context_comes_first_and_the_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let both = std::env::join_paths([&a, &b]).unwrap();
        let (made, value) = kubeconfig("prod \"x\"", &b, Some(both.clone())).unwrap();
        let files: Vec<PathBuf> = std::env::split_paths(&value).collect();
        assert_eq!(files, [made.to_path_buf(), a, b]);
        let text: serde_json::Value = serde_json::from_slice(&std::fs::read(&made).unwrap()).unwrap();
        assert_eq!(text["current-context"], "prod \"x\"");
        // A file of --kubeconfig stands in no variable.
        let other = dir.path().join("c");
        let (_made, value) = kubeconfig("prod", &other, Some(both)).unwrap();
        assert_eq!(std::env::split_paths(&value).skip(1).collect::<Vec<_>>(), [other]);
    }

    #[test]
    fn a_command_line_reads_as_it_would_be_typed() {
        let argv = ["sh", "-c", "echo 'a'\n$X", "", "a=b"].map(String::from);
        let line = CommandLine { stages: vec![argv.to_vec(), vec!["less".into()]], env: vec![] };
        assert_eq!(shown(&line), "sh -c 'echo '\\''a'\\'' $X' '' a=b | less");
    }
}
