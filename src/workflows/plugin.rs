//! The command line of a plugin: its arguments with the variables replaced, so that nothing that comes from a cluster is
//! ever run as code.
//!
//! An argument that is one word gets the values as they are: the program receives it whole. The script of a POSIX shell
//! (`sh -c SCRIPT`) is not changed by values at all: they travel in the environment, and the script names them. Any other
//! argument with blanks, quotes or brackets in it may be code of some language; it takes values without any of them only.
//! What follows in a pipe is held to the same, word by word.

use crate::world::text::split;

/// Names and values: `NAME`, `CONTEXT`, `COL-STATUS` …
pub type Variables = [(String, String)];

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Programs with their arguments, never empty; each reads what the one before it prints.
    pub stages: Vec<Vec<String>>,
    /// Variables of its environment.
    pub env: Vec<(String, String)>,
}

/// Shells whose scripts read `${NAME}`.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"];

/// Replaces the variables: `$NAME`, `${NAME}`, and `$!NAME` for the opposite of true or false. What is no variable stays.
///
/// # Errors
/// A sentence that names the variable whose value cannot stand there.
pub fn expand(command: &str, args: &[String], pipes: &[String], variables: &Variables) -> Result<CommandLine, String> {
    let mut env = vec![];
    let mut stages = vec![stage(command, args, variables, &mut env)?];
    for pipe in pipes {
        let words = split(pipe);
        let (command, args) = words.split_first().ok_or("one of its pipes has no program")?;
        stages.push(stage(command, args, variables, &mut env)?);
    }
    Ok(CommandLine { stages, env })
}

/// One program with its arguments.
fn stage(
    command: &str,
    args: &[String],
    variables: &Variables,
    env: &mut Vec<(String, String)>,
) -> Result<Vec<String>, String> {
    let script = script_of(command, args);
    let mut argv = vec![command.to_string()];
    for (n, arg) in args.iter().enumerate() {
        argv.push(match script == Some(n) {
            true => in_script(arg, variables, env),
            false => in_word(arg, variables)?,
        });
    }
    Ok(argv)
}

/// Which argument is the script of a shell: the one after `-c`, `-lc` ….
fn script_of(command: &str, args: &[String]) -> Option<usize> {
    let program = command.rsplit('/').next().unwrap_or(command);
    if !SHELLS.contains(&program) {
        return None;
    }
    let asks = |arg: &String| arg.starts_with('-') && !arg.starts_with("--") && arg.ends_with('c');
    let at = args.iter().take_while(|arg| arg.starts_with('-')).position(asks)?;
    (at + 1 < args.len()).then_some(at + 1)
}

/// A piece of an argument.
enum Piece<'a> {
    Text(&'a str),
    Variable { name: String, value: String, negated: bool },
}

fn pieces<'a>(text: &'a str, variables: &Variables) -> Vec<Piece<'a>> {
    let (mut out, mut rest, mut from) = (vec![], text, text);
    while let Some(at) = rest.find('$') {
        let behind = &rest[at + 1..];
        match variable(behind, variables) {
            Some((piece, length)) => {
                let start = from.len() - rest.len() + at;
                out.push(Piece::Text(&from[..start]));
                out.push(piece);
                rest = &behind[length..];
                from = rest;
            }
            None => rest = behind,
        }
    }
    out.push(Piece::Text(from));
    out
}

/// The variable that a text behind `$` begins with, and how many bytes it takes.
fn variable<'a>(text: &str, variables: &Variables) -> Option<(Piece<'a>, usize)> {
    let (inside, around) = match text.strip_prefix('{') {
        Some(rest) => (rest.split_once('}')?.0, 2),
        None => (text, 0),
    };
    let negated = inside.starts_with('!');
    let word = inside.strip_prefix('!').unwrap_or(inside);
    let end = match around {
        0 => word.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')).unwrap_or(word.len()),
        _ => word.len(),
    };
    let mut name = &word[..end];
    loop {
        // Columns are named as they stand on screen, in whatever case.
        let known = variables.iter().find(|(known, _)| match name.strip_prefix("COL-") {
            Some(column) => known.strip_prefix("COL-").is_some_and(|k| k.eq_ignore_ascii_case(column)),
            None => known == name,
        });
        if let Some((known, value)) = known {
            let piece = Piece::Variable { name: known.clone(), value: value.clone(), negated };
            return Some((piece, name.len() + usize::from(negated) + around));
        }
        // `$NAME-copy`: a name ends where it must.
        name = match around {
            0 => &name[..name.rfind('-')?],
            _ => return None,
        };
    }
}

fn value_of(value: &str, negated: bool) -> &str {
    match (value, negated) {
        ("true", true) => "false",
        ("false", true) => "true",
        (value, _) => value,
    }
}

/// An argument of its own.
fn in_word(arg: &str, variables: &Variables) -> Result<String, String> {
    let pieces = pieces(arg, variables);
    let special = |piece: &Piece<'_>| matches!(piece, Piece::Text(text) if !text.chars().all(harmless));
    let (mut out, code) = (String::new(), pieces.iter().any(special));
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable { name, value, negated } => {
                let value = value_of(&value, negated);
                if code && !value.chars().all(harmless) {
                    return Err(format!(
                        "${name} is {value:?}, which may not stand in {arg:?}: some program could take it for code; give it \
                         an argument of its own, or write the script for sh -c"
                    ));
                }
                if out.is_empty() && value.starts_with('-') {
                    return Err(format!("${name} is {value:?}, which would be read as an option"));
                }
                out.push_str(value);
            }
        }
    }
    Ok(out)
}

/// Means nothing to a shell or any other language.
fn harmless(c: char) -> bool {
    c.is_alphanumeric() || "._:/@%+,=-".contains(c)
}

/// The script of a shell, which finds the values in its environment. Between single quotes nothing is looked up there, so
/// they are left for the moment.
fn in_script(script: &str, variables: &Variables, env: &mut Vec<(String, String)>) -> String {
    let (mut out, mut quotes) = (String::new(), Quotes::default());
    for piece in pieces(script, variables) {
        match piece {
            Piece::Text(text) => {
                text.chars().for_each(|c| quotes.pass(c));
                out.push_str(text);
            }
            Piece::Variable { name, value, negated } => {
                let mut own: String = name
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                    .collect();
                own.insert_str(0, if negated { "KOKPIT_NOT_" } else { "KOKPIT_" });
                out.push_str(&match quotes.single {
                    true => format!("'\"${{{own}}}\"'"),
                    false => format!("${{{own}}}"),
                });
                if !env.iter().any(|(known, _)| *known == own) {
                    env.push((own, value_of(&value, negated).into()));
                }
            }
        }
    }
    out
}

/// Which quotes of a script are open.
#[derive(Default)]
struct Quotes {
    single: bool,
    double: bool,
    escaped: bool,
    comment: bool,
    /// The character before begins a word: `#` is a comment then.
    within_word: bool,
}

impl Quotes {
    fn pass(&mut self, c: char) {
        let open = self.single || self.double;
        match c {
            _ if self.comment => self.comment = c != '\n',
            _ if self.escaped => self.escaped = false,
            '\\' if !self.single => self.escaped = true,
            '\'' if !self.double => self.single = !self.single,
            '"' if !self.single => self.double = !self.double,
            '#' if !open && !self.within_word => self.comment = true,
            _ => {}
        }
        self.within_word = !c.is_whitespace() && c != ';';
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn variables() -> Vec<(String, String)> {
        let pairs = [
            ("NAME", "web-1"),
            ("NAMESPACE", "shop"),
            ("CONTEXT", "prod"),
            ("FILTER", "$(touch /tmp/x); 'a' \"b\" `id`"),
            ("COL-STATUS", "-rf"),
            ("COL-LAST SEEN", "3m"),
            ("COL-READY", "true"),
        ];
        pairs.map(|(name, value)| (name.to_string(), value.to_string())).to_vec()
    }

    fn argv(command: &str, args: &[&str]) -> Result<Vec<String>, String> {
        let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
        expand(command, &args, &[], &variables()).map(|line| line.stages[0][1..].to_vec())
    }

    #[test]
    fn every_form_of_a_variable_is_replaced_and_what_is_none_stays() {
        let args =
            ["$NAMESPACE/$NAME", "${NAME}-copy", "$NAME-copy", "${COL-Last Seen}", "$!COL-READY", "$patch", "$name"];
        let wanted = ["shop/web-1", "web-1-copy", "web-1-copy", "3m", "false", "$patch", "$name"];
        assert_eq!(argv("kubectl", &args).unwrap(), wanted);
        assert_eq!(argv("kubectl", &["-p={\"$x\": \"100$\"}", "a $ b"]).unwrap(), ["-p={\"$x\": \"100$\"}", "a $ b"]);
    }

    #[test]
    fn a_word_takes_any_value_but_none_that_would_be_an_option() {
        assert_eq!(argv("grep", &["--text=$FILTER"]).unwrap(), ["--text=$(touch /tmp/x); 'a' \"b\" `id`"]);
        assert!(argv("rm", &["$COL-STATUS"]).unwrap_err().contains("would be read as an option"));
    }

    #[test]
    fn what_may_be_code_takes_harmless_values_only() {
        assert_eq!(argv("watch", &["kubectl get pod $NAME"]).unwrap(), ["kubectl get pod web-1"]);
        for arg in ["echo;$FILTER", "{\"name\":\"$FILTER\"}", "f($FILTER)"] {
            assert!(argv("sh", &["-ci", arg]).is_err(), "{arg}");
        }
        let said = argv("pwsh", &["-Command", "echo $FILTER"]).unwrap_err();
        assert!(said.starts_with("$FILTER is ") && said.contains("take it for code"), "{said}");
    }

    #[test]
    fn pipes_are_words_that_take_values_as_arguments_do() {
        let piped = |pipes: &[&str]| {
            let pipes: Vec<String> = pipes.iter().map(|pipe| pipe.to_string()).collect();
            expand("kubectl", &["get".into(), "$NAME".into()], &pipes, &variables())
        };
        let line = piped(&["grep -v '$NAME of 1'", "sh -c 'echo \"$FILTER\"'", "less"]).unwrap();
        let stages: Vec<String> = line.stages.iter().map(|argv| argv.join("|")).collect();
        assert_eq!(stages, ["kubectl|get|web-1", "grep|-v|web-1 of 1", "sh|-c|echo \"${KOKPIT_FILTER}\"", "less"]);
        assert_eq!(line.env.len(), 1);
        assert!(piped(&["awk '/$FILTER/ {print}'"]).unwrap_err().contains("take it for code"));
    }

    /// Real shells print what they were given, whatever it is and however it stands there.
    #[test]
    fn a_shell_finds_the_values_in_its_environment() {
        let script = "printf '%s|' \"$FILTER\" '$FILTER' x'$NAME'y # don't $NAME\nprintf '%s' $NAME-$COL-LAST";
        let args = ["-ec".to_string(), script.into(), "$NAME".into()];
        let mut all = variables();
        all.push(("COL-LAST".into(), "2".into()));
        let line = expand("/bin/sh", &args, &[], &all).unwrap();
        let argv = &line.stages[0];
        assert!(!argv[2].contains("touch"), "{argv:?}");
        assert_eq!(argv[3], "web-1");
        let out = Command::new(&argv[0]).args(&argv[1..]).envs(line.env).output().unwrap();
        let evil = "$(touch /tmp/x); 'a' \"b\" `id`";
        assert_eq!(String::from_utf8_lossy(&out.stdout), format!("{evil}|{evil}|xweb-1y|web-1-2"));
    }
}
