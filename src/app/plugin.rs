//! Plugins: programs of the user's own, on the terminal that the cockpit has lent, or in the background.
//!
//! A program is told the cluster: its `KUBECONFIG` begins with a file that says nothing but which context is the current
//! one, so that a `kubectl` without `--context` acts on what was on screen, and a `use-context` in it stays there. What may
//! change something is recorded in the journal before it starts.

use super::operations::configuration;
use super::session::Session;
use crate::config::Plugin;
use crate::effect::plugin::PluginCall;
use crate::journal::{End, Header, Journal, Line, Record, Story};
use crate::msg::{Level, Msg, OperationStatus, OperationView, PlanLine, Sign, StepMark, StepView};
use crate::workflows::plugin::{CommandLine, expand};
use crate::world::text::clean;
use crate::world::time::Time;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use tempfile::TempPath;

/// The workflow of records in the journal.
pub const KIND: &str = "plugin";
/// Lines of what a program in the background printed that are said of it.
const LAST: usize = 1;

/// Ready to be started.
struct Prepared {
    line: CommandLine,
    kubeconfig: OsString,
    /// Names the current context; gone when dropped.
    _context: TempPath,
}

impl Prepared {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.line.argv[0]);
        command.args(&self.line.argv[1..]).envs(self.line.env.iter().cloned()).env("KUBECONFIG", &self.kubeconfig);
        command
    }
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
    let prepared = prepare(session, call)?;
    let header = header(session, call, &prepared, ulid::Ulid::new().to_string());
    let mut view = view(&header, OperationStatus::Planned, vec![]);
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
    let (plugin, place) = (&call.plugin, place(session, call));
    run(session, call, operation, |prepared| {
        println!("{}: {place}: {}", plugin.name, shown(&prepared.line.argv));
        let ended = prepared.command().status();
        let failed = !matches!(&ended, Ok(status) if status.success());
        if failed || plugin.wait {
            let how = ended.as_ref().map_or_else(|e| cannot(&prepared.line, e), |status| words(*status));
            print!("\n{} {how}; Enter goes back to kokpit ", plugin.name);
            let _ = std::io::stdout().flush();
            // An end of input is as good as Enter.
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        ended.map(|status| (status, String::new()))
    })
}

/// Runs it without a terminal, to its end; what it printed last is said.
pub fn background(session: &Session, call: &PluginCall, operation: Option<String>) -> Ended {
    run(session, call, operation, |prepared| {
        let mut command = prepared.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let out = command.output()?;
        let said = if out.stdout.trim_ascii().is_empty() { &out.stderr } else { &out.stdout };
        let text = String::from_utf8_lossy(said).trim().to_string();
        let last: Vec<String> = text.lines().rev().take(LAST).map(|line| clean(line).into_owned()).collect();
        Ok((out.status, last.into_iter().rev().collect::<Vec<_>>().join(" ")))
    })
}

fn run(
    session: &Session,
    call: &PluginCall,
    operation: Option<String>,
    start: impl FnOnce(&Prepared) -> std::io::Result<(ExitStatus, String)>,
) -> Ended {
    let name = &call.plugin.name;
    let begun = check(session, call, operation.is_some()).and_then(|()| prepare(session, call)).and_then(|prepared| {
        let id = operation.unwrap_or_else(|| ulid::Ulid::new().to_string());
        let header = header(session, call, &prepared, id);
        let record = call.plugin.changes.then(|| begin(session, &header)).transpose()?;
        Ok((prepared, header, record))
    });
    let (prepared, header, record) = match begun {
        Ok(begun) => begun,
        Err(why) => return Ended::failed(format!("{name}: {why}")),
    };
    let ended = start(&prepared).map_err(|e| cannot(&prepared.line, &e));
    let (how, ok) = match &ended {
        Ok((status, _)) => (words(*status), status.success()),
        Err(why) => (why.clone(), false),
    };
    let last = ended.map(|(_, last)| last).unwrap_or_default();
    let more = if last.is_empty() { String::new() } else { format!(": {last}") };
    let sentence = format!("{name} on {} {how}{more}", call.object);
    let view = record.map(|record| close(&header, record, &how, ok));
    Ended { said: if ok { Ok(sentence) } else { Err(sentence) }, view }
}

/// Whether it may be run where it is meant to.
fn check(session: &Session, call: &PluginCall, confirmed: bool) -> Result<(), String> {
    if call.plugin.changes {
        configuration(session, call.cluster)?;
        if is_protected(session, call) && !confirmed {
            let context = &session.context(call.cluster).name;
            return Err(format!(
                "{context} is protected: what changes something is shown first; take `confirm = false` away"
            ));
        }
    }
    Ok(())
}

fn prepare(session: &Session, call: &PluginCall) -> Result<Prepared, String> {
    let context = session.context(call.cluster);
    if call.plugin.changes {
        configuration(session, call.cluster)?;
    }
    if context.file.as_os_str().is_empty() {
        return Err(format!("{} is a recording, which other programs cannot reach", context.name));
    }
    if let Some(user) = context.impersonated_by_flag() {
        return Err(format!("it would not act as {user} (--as), but as yourself"));
    }
    let (file, kubeconfig) = kubeconfig(&context.name, &context.file, std::env::var_os("KUBECONFIG"))
        .map_err(|e| format!("no temporary file can be written: {e}"))?;
    let mut variables = call.variables.clone();
    variables.extend(
        [("CONTEXT", &context.name), ("CLUSTER", &context.cluster), ("USER", &context.user)]
            .map(|(name, value)| (name.to_string(), value.clone())),
    );
    variables.push(("KUBECONFIG".into(), kubeconfig.to_string_lossy().into_owned()));
    let line = expand(&call.plugin.command, &call.plugin.args, &variables)?;
    Ok(Prepared { line, kubeconfig, _context: file })
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

fn place(session: &Session, call: &PluginCall) -> String {
    format!("{} ({})", call.object, session.context(call.cluster).name)
}

/// A command line as one would type it.
fn shown(argv: &[String]) -> String {
    let plain =
        |word: &String| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "._:/@%+,=-".contains(c));
    let words = argv.iter().map(|word| match plain(word) {
        true => word.clone(),
        false => format!("'{}'", clean(word).replace('\'', "'\\''")),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn cannot(line: &CommandLine, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("cannot be started: there is no program {}", line.argv[0]),
        _ => format!("cannot be started: {error}"),
    }
}

fn words(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => "ended".into(),
        Some(code) => format!("ended with exit status {code}"),
        None => format!("was ended by a signal ({status})"),
    }
}

fn header(session: &Session, call: &PluginCall, prepared: &Prepared, id: String) -> Header {
    let context = &session.context(call.cluster).name;
    let Plugin { name, .. } = &call.plugin;
    Header {
        id,
        kind: KIND.into(),
        title: format!("{name} on {}", call.object),
        cluster: context.clone(),
        at: super::clock(),
        plan: json!({"plugin": name, "object": call.object, "argv": prepared.line.argv}),
    }
}

fn begin(session: &Session, header: &Header) -> Result<Record, String> {
    let nothing = |e| format!("{e}; nothing was done");
    let mut record = Journal::new(session.paths.journal()).create(header).map_err(nothing)?;
    let line = Line::Intent { step: KIND.into(), at: super::clock(), data: Value::Null };
    record.append(&line).map_err(nothing)?;
    Ok(record)
}

/// Writes how it ended.
fn close(header: &Header, mut record: Record, how: &str, ok: bool) -> OperationView {
    let (at, end) = (super::clock(), if ok { End::Done } else { End::Abandoned });
    let written = record
        .append(&Line::Outcome { step: KIND.into(), at, data: json!(how) })
        .and_then(|()| record.append(&Line::Closed { at, how: end, note: String::new() }));
    let mut steps = vec![step(how, at, ok)];
    steps.extend(written.err().map(|e| step(&e.to_string(), at, false)));
    view(header, if ok { OperationStatus::Done } else { OperationStatus::Failed }, steps)
}

fn step(text: &str, at: Time, ok: bool) -> StepView {
    StepView { text: clean(text).into_owned(), at, mark: if ok { StepMark::Done } else { StepMark::Failed } }
}

/// A run as the journal has it. One that was never closed is not open: nobody can go on with it.
pub fn recorded(story: &Story, busy: bool) -> OperationView {
    let outcome = story.lines.iter().find_map(|line| match line {
        Line::Outcome { at, data, .. } => Some((data.as_str().unwrap_or_default(), *at)),
        _ => None,
    });
    let (status, steps) = match (story.end(), outcome, busy) {
        (Some((End::Done, ..)), Some((how, at)), _) => (OperationStatus::Done, vec![step(how, at, true)]),
        (_, Some((how, at)), _) => (OperationStatus::Failed, vec![step(how, at, false)]),
        (_, None, true) => (OperationStatus::Running, vec![]),
        (_, None, false) => {
            let lost = "kokpit ended while it ran: what came of it is not known";
            (OperationStatus::Failed, vec![step(lost, story.header.at, false)])
        }
    };
    view(&story.header, status, steps)
}

fn view(header: &Header, status: OperationStatus, steps: Vec<StepView>) -> OperationView {
    let argv: Vec<String> = serde_json::from_value(header.plan["argv"].clone()).unwrap_or_default();
    let line = |label: &str, text: String| PlanLine { label: label.into(), text, sign: Sign::Plain };
    let object = clean(header.plan["object"].as_str().unwrap_or_default()).into_owned();
    OperationView {
        id: header.id.clone(),
        title: clean(&header.title).into_owned(),
        cluster: header.cluster.clone(),
        protected: false,
        plan: vec![line("run", shown(&argv)), line("for", object)],
        blocked: vec![],
        steps,
        status,
        started: header.at,
    }
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
        let text: Value = serde_json::from_slice(&std::fs::read(&made).unwrap()).unwrap();
        assert_eq!(text["current-context"], "prod \"x\"");
        // A file of --kubeconfig stands in no variable.
        let other = dir.path().join("c");
        let (_made, value) = kubeconfig("prod", &other, Some(both)).unwrap();
        assert_eq!(std::env::split_paths(&value).skip(1).collect::<Vec<_>>(), [other]);
    }

    #[test]
    fn a_command_line_reads_as_it_would_be_typed() {
        let argv = ["sh", "-c", "echo 'a'\n$X", "", "a=b"].map(String::from);
        assert_eq!(shown(&argv), "sh -c 'echo '\\''a'\\'' $X' '' a=b");
    }

    #[test]
    fn a_run_that_nobody_closed_is_not_left_open() {
        let header = Header {
            id: "1".into(),
            kind: KIND.into(),
            title: "bump on pods shop/web".into(),
            cluster: "prod".into(),
            at: Time(1),
            plan: json!({"argv": ["bump"], "object": "pods shop/web"}),
        };
        let story = Story { header, lines: vec![] };
        let view = recorded(&story, false);
        assert_eq!(view.status, OperationStatus::Failed);
        assert!(view.steps[0].text.contains("is not known"));
        assert_eq!(recorded(&story, true).status, OperationStatus::Running);
    }
}
