//! The programs of one command line, started together: each reads what the one before it prints.

use crate::workflows::plugin::CommandLine;
use crate::world::text::clean;
use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Whether the programs have the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// It was lent to them.
    Lent,
    /// They run without one, and what they print is kept.
    None,
}

/// How they ended.
pub struct How {
    /// `ended with exit status 1`
    pub text: String,
    /// All of them did what they should.
    pub ok: bool,
    /// The last line that was printed; empty on a terminal, which has shown it.
    pub last: String,
}

/// Runs them to their end.
pub fn run(line: &CommandLine, kubeconfig: &OsStr, terminal: Terminal) -> How {
    match finish(line, kubeconfig, terminal) {
        Ok((statuses, last)) => {
            let failed = statuses.iter().enumerate().rev().find(|(n, status)| fails(**status, n + 1 == statuses.len()));
            let text = match failed {
                Some((n, status)) if statuses.len() > 1 => format!("{} in {}", words(*status), line.stages[n][0]),
                Some((_, status)) => words(*status),
                None => "ended".into(),
            };
            How { text, ok: failed.is_none(), last }
        }
        Err(why) => How { text: why, ok: false, last: String::new() },
    }
}

/// Whether a program of a pipe failed. One whose reader has gone (`| head`) did not.
fn fails(status: ExitStatus, last: bool) -> bool {
    let pipe = rustix::process::Signal::PIPE.as_raw();
    let deserted = status.signal() == Some(pipe) || status.code() == Some(128 + pipe);
    !status.success() && (last || !deserted)
}

fn finish(line: &CommandLine, kubeconfig: &OsStr, terminal: Terminal) -> Result<(Vec<ExitStatus>, String), String> {
    let nowhere = |e: io::Error| format!("cannot be started: {e}");
    // A file takes what they complain about: nobody waits for somebody to read it.
    let mut complaints = tempfile::tempfile().map_err(nowhere)?;
    let mut children: Vec<Child> = vec![];
    for (n, argv) in line.stages.iter().enumerate() {
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).envs(line.env.iter().cloned()).env("KUBECONFIG", kubeconfig);
        match children.last_mut().and_then(|before| before.stdout.take()) {
            Some(out) => drop(command.stdin(out)),
            None if terminal == Terminal::None => drop(command.stdin(Stdio::null())),
            None => {}
        }
        if n + 1 < line.stages.len() || terminal == Terminal::None {
            command.stdout(Stdio::piped());
        }
        if terminal == Terminal::None {
            command.stderr(complaints.try_clone().map_err(nowhere)?);
        }
        match command.spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                children.iter_mut().for_each(end);
                return Err(cannot(&argv[0], &error));
            }
        }
    }
    let mut printed = vec![];
    if let Some(mut out) = children.last_mut().and_then(|last| last.stdout.take()) {
        let _ = out.read_to_end(&mut printed);
    }
    let statuses = children.iter_mut().map(Child::wait).collect::<io::Result<Vec<_>>>();
    if printed.trim_ascii().is_empty() {
        let _ = complaints.seek(SeekFrom::Start(0)).and_then(|_| complaints.read_to_end(&mut printed));
    }
    let text = String::from_utf8_lossy(&printed).trim().to_string();
    let last = text.lines().next_back().map(|line| clean(line).into_owned()).unwrap_or_default();
    Ok((statuses.map_err(|e| format!("was lost sight of: {e}"))?, last))
}

/// Ends a program whose reader could not be started.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn cannot(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("cannot be started: there is no program {program}"),
        _ => format!("cannot be started: {program}: {error}"),
    }
}

fn words(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => "ended".into(),
        Some(code) => format!("ended with exit status {code}"),
        None => format!("was ended by a signal ({status})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(stages: &[&[&str]]) -> How {
        let stages = stages.iter().map(|argv| argv.iter().map(|word| word.to_string()).collect()).collect();
        run(&CommandLine { stages, env: vec![] }, OsStr::new("none"), Terminal::None)
    }

    #[test]
    fn each_reads_what_the_one_before_it_prints() {
        let how = ran(&[&["printf", "b\\na\\n"], &["sort"], &["tr", "ab", "AB"]]);
        assert_eq!((how.text.as_str(), how.ok, how.last.as_str()), ("ended", true, "B"));
        let how = ran(&[&["sh", "-c", "echo no >&2"]]);
        assert_eq!((how.ok, how.last.as_str()), (true, "no"));
    }

    #[test]
    fn who_fails_is_named_wherever_it_stands() {
        let how = ran(&[&["sh", "-c", "exit 3"], &["cat"]]);
        assert_eq!((how.text.as_str(), how.ok), ("ended with exit status 3 in sh", false));
        let how = ran(&[&["sh", "-c", "exit 3"]]);
        assert_eq!(how.text, "ended with exit status 3");
        // Whoever was cut short by its reader did what it should.
        let how = ran(&[&["yes"], &["head", "-n", "1"]]);
        assert_eq!((how.text.as_str(), how.ok, how.last.as_str()), ("ended", true, "y"));
        // What waits for nobody is not left behind.
        let how = ran(&[&["sleep", "1000"], &["/no/such/program"]]);
        assert_eq!((how.text.as_str(), how.ok), ("cannot be started: there is no program /no/such/program", false));
    }
}
