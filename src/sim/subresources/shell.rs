//! A small shell for the containers of an embedded cluster: enough to look around in, nothing runs outside this process.

use super::disk::{Entry, Files};
use std::collections::BTreeMap;

/// What a command said and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Exit code.
    pub code: i32,
    /// Whether the shell itself is to end.
    pub exit: bool,
    /// Whether an interactive shell takes its place (`exec sh`).
    pub becomes_shell: bool,
}

impl Outcome {
    fn said(out: impl Into<String>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }

    fn failed(code: i32, err: impl Into<String>) -> Self {
        Self { err: err.into(), code, ..Self::default() }
    }
}

/// Where commands run: one container.
#[derive(Clone)]
pub struct Shell {
    /// Name of the pod, its host name.
    pub host: String,
    /// Its files.
    pub files: Files,
    /// Environment of the container.
    pub env: BTreeMap<String, String>,
    /// It runs Windows: other shells, and none of the usual programs.
    pub windows: bool,
    /// The programs that it has; `None`: all that are known.
    pub programs: Option<Vec<String>>,
    /// Columns and rows of its terminal.
    pub size: (u16, u16),
}

impl Shell {
    /// Whether a program is there.
    pub fn has(&self, program: &str) -> bool {
        let name = program.rsplit('/').next().unwrap_or_default();
        let builtin = matches!(name, "cd" | "exit" | "exec" | "command");
        match &self.programs {
            _ if self.windows => builtin || matches!(name, "powershell" | "cmd"),
            Some(programs) => builtin || programs.iter().any(|known| known == name),
            None => Self::knows(name),
        }
    }

    fn knows(name: &str) -> bool {
        matches!(
            name,
            "sh" | "ash"
                | "bash"
                | "echo"
                | "cat"
                | "ls"
                | "env"
                | "printenv"
                | "hostname"
                | "pwd"
                | "true"
                | "false"
                | "exit"
                | "exec"
                | "command"
                | "cd"
                | "stty"
                | "head"
                | "du"
                | "test"
                | "tar"
        )
    }

    /// Runs one program with its arguments.
    pub fn run(&self, command: &[String]) -> Outcome {
        let Some((program, args)) = command.split_first() else { return Outcome::default() };
        if !self.has(program) {
            return Outcome::failed(127, format!("sh: {program}: not found\n"));
        }
        match program.rsplit('/').next().unwrap_or_default() {
            "sh" | "ash" | "bash" => match args {
                [flag, script, ..] if flag == "-c" => self.script(script),
                _ => Outcome::default(),
            },
            "echo" => match args.split_first() {
                Some((flag, rest)) if flag == "-n" => Outcome::said(rest.join(" ")),
                _ => Outcome::said(format!("{}\n", args.join(" "))),
            },
            "cat" => self.cat(args),
            "ls" => Outcome::said(self.list(args.iter().find(|arg| !arg.starts_with('-')).map_or("/", String::as_str))),
            "env" | "printenv" => {
                Outcome::said(self.env.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>())
            }
            "hostname" => Outcome::said(format!("{}\n", self.host)),
            "pwd" => Outcome::said("/\n"),
            "true" | "cd" => Outcome::default(),
            "stty" => Outcome::said(format!("{} {}\n", self.size.1, self.size.0)),
            "test" => match args {
                [flag, path] if flag == "-d" => {
                    let directory = self.files.get(path).is_none() && !self.files.under(path).is_empty();
                    Outcome { code: i32::from(!directory), ..Outcome::default() }
                }
                _ => Outcome { code: 2, ..Outcome::default() },
            },
            "du" => self.disk_usage(args),
            "tar" => Outcome::said("tar (embedded) 1.0\n"),
            "false" => Outcome { code: 1, ..Outcome::default() },
            "command" => match args {
                [flag, wanted] if flag == "-v" && self.has(wanted) => Outcome::said(format!("{wanted}\n")),
                _ => Outcome { code: 127, ..Outcome::default() },
            },
            "exec" => match args {
                [program] if matches!(program.as_str(), "sh" | "ash" | "bash") => {
                    Outcome { becomes_shell: true, exit: true, ..Outcome::default() }
                }
                command => Outcome { exit: true, ..self.run(command) },
            },
            "exit" => Outcome {
                code: args.first().and_then(|n| n.parse().ok()).unwrap_or(0),
                exit: true,
                ..Outcome::default()
            },
            _ => Outcome::failed(127, format!("sh: {program}: not found\n")),
        }
    }

    /// Runs the commands of a line, one after another, `&&`, `||` and `;` between them. Redirected output is not shown.
    pub fn script(&self, text: &str) -> Outcome {
        let mut all = Outcome::default();
        for (after, words) in commands(text) {
            let go = match after {
                After::Success => all.code == 0,
                After::Failure => all.code != 0,
                After::Any => true,
            };
            let redirected = words.iter().any(|word| word.starts_with('>'));
            let words: Vec<String> = words.into_iter().filter(|w| !w.contains('>') && w != "/dev/null").collect();
            if !go || words.is_empty() {
                continue;
            }
            let one = self.run(&words);
            if !redirected {
                all.out.push_str(&one.out);
                all.err.push_str(&one.err);
            }
            all.code = one.code;
            if one.exit {
                (all.exit, all.becomes_shell) = (true, one.becomes_shell);
                break;
            }
        }
        all
    }

    fn cat(&self, paths: &[String]) -> Outcome {
        let mut all = Outcome::default();
        for path in paths.iter().filter(|path| *path != "--") {
            match self.files.get(path) {
                Some(Entry::File(bytes)) => all.out.push_str(&String::from_utf8_lossy(&bytes)),
                _ => {
                    all.err.push_str(&format!("cat: can't open '{path}': No such file or directory\n"));
                    all.code = 1;
                }
            }
        }
        all
    }

    /// `du -sk`: kilobytes, rounded up file by file.
    fn disk_usage(&self, args: &[String]) -> Outcome {
        let Some(path) = args.iter().find(|arg| !arg.starts_with('-')) else { return Outcome::default() };
        let all = self.files.under(path);
        if all.is_empty() {
            return Outcome::failed(1, format!("du: {path}: No such file or directory\n"));
        }
        let blocks = all.iter().map(|(_, entry)| match entry {
            Entry::File(bytes) => bytes.len().div_ceil(1024),
            Entry::Link(_) => 0,
        });
        Outcome::said(format!("{}\t{path}\n", blocks.sum::<usize>()))
    }

    fn list(&self, directory: &str) -> String {
        let prefix = format!("{}/", directory.trim_end_matches('/'));
        let inside = self.files.under(directory);
        let mut names: Vec<&str> =
            inside.iter().filter_map(|(path, _)| path.strip_prefix(&prefix)?.split('/').next()).collect();
        names.dedup();
        names.iter().map(|name| format!("{name}\n")).collect()
    }
}

/// When the next command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Any,
    Success,
    Failure,
}

/// Splits a line into commands of words; quotes hold words together.
fn commands(text: &str) -> Vec<(After, Vec<String>)> {
    let mut all = vec![(After::Any, Vec::new())];
    let (mut word, mut open, mut quote) = (String::new(), false, None);
    let mut chars = text.chars().peekable();
    let finish = |all: &mut Vec<(After, Vec<String>)>, word: &mut String, open: &mut bool| {
        if std::mem::take(open) {
            let word = std::mem::take(word);
            if let Some((_, words)) = all.last_mut() {
                words.push(word);
            }
        }
    };
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, open) = (Some(c), true),
            (None, '\\') => {
                word.extend(chars.next());
                open = true;
            }
            // `2>&1` is one word.
            (None, '&') if word.ends_with('>') => word.push(c),
            (None, ';' | '\n' | '&' | '|') => {
                finish(&mut all, &mut word, &mut open);
                let doubled = matches!(c, '&' | '|') && chars.next_if_eq(&c).is_some();
                let after = match (c, doubled) {
                    ('&', true) => After::Success,
                    ('|', true) => After::Failure,
                    _ => After::Any,
                };
                all.push((after, Vec::new()));
            }
            (None, c) if c.is_whitespace() => finish(&mut all, &mut word, &mut open),
            (None, c) => {
                word.push(c);
                open = true;
            }
        }
    }
    finish(&mut all, &mut word, &mut open);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::subresources::disk::Disk;

    fn shell() -> Shell {
        let files = [("/etc/app/config", "port=80\n"), ("/etc/hosts", "x\n")];
        let files = files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
        Shell {
            host: "web-1".into(),
            files: Disk::default().files(&files, "shop/web-1/app"),
            env: BTreeMap::from([("A".to_string(), "1".to_string())]),
            windows: false,
            programs: None,
            size: (80, 24),
        }
    }

    #[test]
    fn a_line_of_commands() {
        let shell = shell();
        assert_eq!(shell.script("echo 'a  b' && cat /etc/hosts; false && echo no; hostname").out, "a  b\nx\nweb-1\n");
        assert_eq!(shell.script("ls /etc").out, "app\nhosts\n");
        assert_eq!(shell.script("nothing").code, 127);
        assert_eq!(shell.script("false || echo yes && echo too").out, "yes\ntoo\n");
        assert_eq!(shell.script("echo quiet >/dev/null 2>&1 && echo loud").out, "loud\n");
        let replaced = shell.script("command -v bash >/dev/null 2>&1 && exec bash || exec sh");
        assert_eq!((replaced.becomes_shell, replaced.out.as_str()), (true, ""));
        let ended = shell.script("exit 3; echo no");
        assert_eq!((ended.code, ended.exit, ended.out.as_str()), (3, true, ""));
    }

    #[test]
    fn a_program_with_arguments() {
        let run = |words: &[&str]| shell().run(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>());
        assert_eq!(run(&["sh", "-c", "cat /etc/app/config"]).out, "port=80\n");
        assert_eq!(run(&["cat", "/nothing"]).code, 1);
        assert_eq!(run(&["env"]).out, "A=1\n");
        assert!(shell().has("/bin/sh") && !shell().has("rm") && !shell().has("powershell"));
        let windows = Shell { windows: true, ..shell() };
        assert!(windows.has("powershell") && !windows.has("sh"));
        let small = Shell { programs: Some(vec!["ash".into()]), ..shell() };
        assert!(small.has("/bin/ash") && small.has("exec") && !small.has("sh"));
    }
}
