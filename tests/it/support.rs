//! Shared by the integration tests: homes, terminals, repositories, servers that misbehave.
//!
//! A test runs the real binary with an empty environment and directories of its own, drives it through a
//! pseudo-terminal, and judges the parsed screen.

// Each of the binaries that share this file uses its own part of it.
#![allow(dead_code)]

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use serde_json::Value;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

// With its path, because this file is also a module of tests/real.rs and of the benchmark.
#[path = "support/http.rs"]
pub mod http;

/// How long a condition may take to come true; far more than it needs, the tests share the machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// After a lone ESC: what follows at once would be read as Alt+key.
const ESC_GAP: Duration = Duration::from_millis(60);

/// The binary under test.
pub fn kokpit() -> &'static str {
    env!("CARGO_BIN_EXE_kokpit")
}

/// Waits until `ready` gives something, without sleeping longer than a blink; fails naming `what`.
pub fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "never saw {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A person's home: configuration, cache, state, kubeconfig, git identity. Gone when dropped.
pub struct Home {
    dir: TempDir,
    env: Vec<(String, String)>,
}

impl Home {
    /// An empty home with a git identity.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("kokpit-test-").tempdir().expect("a temporary directory");
        let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let mut env: Vec<(String, String)> = [
            ("HOME", at("")),
            ("KOKPIT_CONFIG_DIR", at("config")),
            ("KOKPIT_CACHE_DIR", at("cache")),
            ("KOKPIT_STATE_DIR", at("state")),
            ("KUBECONFIG", at("kubeconfig")),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
            ("LANG", "C.UTF-8".into()),
            ("RUST_BACKTRACE", "0".into()),
            // What `Tui::does` reads.
            ("KOKPIT_LOG", "kokpit=info,kokpit::actions=debug,warn".into()),
        ]
        .map(|(key, value)| (key.to_string(), value))
        .to_vec();
        if let Ok(path) = std::env::var("PATH") {
            env.push(("PATH".into(), path));
        }
        let home = Self { dir, env };
        home.write(
            ".gitconfig",
            "[user]\n\tname = Mara Test\n\temail = mara@example.com\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n",
        );
        home
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, with the directories that it needs.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("directories can be made");
        std::fs::write(&path, text).expect("files can be written");
        path
    }

    /// What a file holds.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A variable for every program run from here.
    pub fn set(&mut self, key: &str, value: &str) -> &mut Self {
        self.env.retain(|(name, _)| name != key);
        self.env.push((key.into(), value.into()));
        self
    }

    /// Writes the kubeconfig: a context, a cluster and a user for each `(name, server URL)`; the first is current.
    pub fn kubeconfig(&self, clusters: &[(&str, &str)]) -> PathBuf {
        let list = |key: &str, item: &dyn Fn(&str, &str) -> Value| -> Vec<Value> {
            clusters.iter().map(|(name, url)| serde_json::json!({"name": name, key: item(name, url)})).collect()
        };
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": clusters.first().map(|(name, _)| *name),
            "clusters": list("cluster", &|_, url| serde_json::json!({"server": url})),
            "users": list("user", &|_, _| serde_json::json!({})),
            "contexts": list("context", &|name, _| serde_json::json!({"cluster": name, "user": name})),
        });
        self.write("kubeconfig", config.to_string())
    }

    /// A program with this home's environment and nothing else.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env_clear().current_dir(self.dir.path());
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Runs `kokpit` to its end, standard input closed.
    pub fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(kokpit(), args), &format!("kokpit {}", args.join(" ")))
    }

    /// Runs git in a directory and gives what it prints; fails when git does.
    pub fn git(&self, dir: &Path, args: &[&str]) -> String {
        let mut command = self.command("git", args);
        command.current_dir(dir);
        let ran = finish(command, &format!("git {}", args.join(" ")));
        assert_eq!(ran.code, Some(0), "git {args:?} in {}: {}", dir.display(), ran.err);
        ran.out
    }

    /// A bare repository `<name>.git` with one commit of these files on `main`; the path is its URL.
    pub fn repository(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let bare = self.path(&format!("{name}.git"));
        let work = self.path(&format!("{name}-work"));
        for (path, text) in files {
            self.write(&format!("{name}-work/{path}"), text);
        }
        std::fs::create_dir_all(&work).expect("directories can be made");
        self.git(self.dir.path(), &["init", "--quiet", "--bare", "-b", "main", &bare.to_string_lossy()]);
        self.git(&work, &["init", "--quiet", "-b", "main"]);
        self.git(&work, &["add", "--all"]);
        self.git(&work, &["commit", "--quiet", "--allow-empty", "-m", "Begin"]);
        self.git(&work, &["push", "--quiet", &bare.to_string_lossy(), "main"]);
        bare
    }

    /// Commits a change to a repository from somebody else's checkout.
    pub fn commit(&self, bare: &Path, path: &str, text: &str, message: &str) {
        let scratch = tempfile::tempdir_in(self.dir.path()).expect("a temporary directory");
        let work = scratch.path().join("work");
        self.git(self.dir.path(), &["clone", "--quiet", &bare.to_string_lossy(), &work.to_string_lossy()]);
        let file = work.join(path);
        std::fs::create_dir_all(file.parent().expect("a file has a directory")).expect("directories can be made");
        std::fs::write(file, text).expect("files can be written");
        self.git(&work, &["add", "--all"]);
        self.git(&work, &["commit", "--quiet", "-m", message]);
        self.git(&work, &["push", "--quiet", "origin", "HEAD:main"]);
    }

    /// Starts `kokpit` in a terminal of 100 columns and 30 rows.
    pub fn tui(&self, args: &[&str]) -> Tui {
        self.tui_sized(args, 100, 30)
    }

    /// Starts `kokpit` in a terminal of this size.
    pub fn tui_sized(&self, args: &[&str], cols: u16, rows: u16) -> Tui {
        let mut tui = self.terminal(kokpit(), args, cols, rows);
        tui.cooked = true;
        tui
    }

    /// Starts any program in a terminal.
    pub fn terminal(&self, program: &str, args: &[&str], cols: u16, rows: u16) -> Tui {
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        command.cwd(self.dir.path());
        command.env("TERM", "xterm-256color");
        self.env.iter().for_each(|(key, value)| command.env(key, value));
        Tui::spawn(command, cols, rows, self.path("state/kokpit.log"))
    }
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs a program to its end within [`LIMIT`]; one that hangs is killed and fails the test.
pub fn finish(mut command: Command, what: &str) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{what} cannot be started: {e}"));
    let drain = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = drain(Box::new(child.stdout.take().expect("piped")));
    let err = drain(Box::new(child.stderr.take().expect("piped")));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what} did not end within {} s", LIMIT.as_secs());
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    let text = |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default();
    Ran { code: status.code(), out: text(out), err: text(err) }
}

/// What came out of a terminal so far.
struct Output {
    vt: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
}

/// A program in a pseudo-terminal.
pub struct Tui {
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    pty: Box<dyn MasterPty + Send>,
    shared: Arc<(Mutex<Output>, Condvar)>,
    /// The settings of the terminal before the program touched them.
    before: String,
    /// The cockpit was started and nothing typed yet: until it has taken the terminal, the line discipline would turn
    /// Enter into a line feed.
    cooked: bool,
    /// Where the program names the actions that it runs.
    log: PathBuf,
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("a terminal has cells")
}

impl Tui {
    fn spawn(command: CommandBuilder, cols: u16, rows: u16, log: PathBuf) -> Self {
        let pty = native_pty_system().openpty(size(cols, rows)).expect("a pseudo-terminal");
        let before = settings(&*pty.master);
        let child = pty.slave.spawn_command(command).expect("the program starts");
        // While somebody holds this end, the reader never sees the end of the stream.
        drop(pty.slave);
        let output = Output { vt: vt100::Parser::new(cells(rows), cells(cols), 0), raw: Vec::new(), ended: false };
        let shared = Arc::new((Mutex::new(output), Condvar::new()));
        let (mut reader, theirs) = (pty.master.try_clone_reader().expect("a reader"), shared.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            loop {
                let read = reader.read(&mut buffer).unwrap_or(0);
                let mut output = lock(&theirs.0);
                output.vt.process(&buffer[..read]);
                output.raw.extend_from_slice(&buffer[..read]);
                output.ended = read == 0;
                theirs.1.notify_all();
                if read == 0 {
                    break;
                }
            }
        });
        Self {
            input: pty.master.take_writer().expect("a writer"),
            child,
            pty: pty.master,
            shared,
            before,
            cooked: false,
            log,
        }
    }

    /// Waits until the screen satisfies a condition; the only way to synchronise. Gives the time it took.
    pub fn wait_for(&self, what: &str, seen: impl Fn(&vt100::Screen) -> bool) -> Duration {
        self.wait_within(LIMIT, what, seen)
    }

    /// As [`Tui::wait_for`], with a limit of its own.
    pub fn wait_within(&self, limit: Duration, what: &str, seen: impl Fn(&vt100::Screen) -> bool) -> Duration {
        let start = Instant::now();
        let mut output = lock(&self.shared.0);
        while !seen(output.vt.screen()) {
            let left = limit.saturating_sub(start.elapsed());
            let ended = if output.ended { " (the program has ended)" } else { "" };
            assert!(
                !left.is_zero() && !output.ended,
                "never saw {what}{ended}; the screen:\n{}",
                output.vt.screen().contents()
            );
            output = self.shared.1.wait_timeout(output, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        start.elapsed()
    }

    /// Waits until a text stands on the screen.
    pub fn wait(&self, text: &str) -> Duration {
        self.wait_for(&format!("`{text}`"), |screen| screen.contents().contains(text))
    }

    /// Waits until a text is no longer on the screen.
    pub fn wait_gone(&self, text: &str) -> Duration {
        self.wait_for(&format!("`{text}` gone"), |screen| !screen.contents().contains(text))
    }

    /// Types keys; after a lone ESC it waits as a person would.
    pub fn send(&mut self, keys: &str) -> &mut Self {
        if std::mem::take(&mut self.cooked) {
            self.wait_for("a first frame", |screen| screen.alternate_screen() && !screen.contents().trim().is_empty());
        }
        self.input.write_all(keys.as_bytes()).and_then(|()| self.input.flush()).expect("keys can be typed");
        if keys.ends_with('\u{1b}') {
            std::thread::sleep(ESC_GAP);
        }
        self
    }

    /// Types keys, or a `:` line, that must run this action of the table. What is seen of it is for the caller to wait
    /// for. `actions.rs` reads these calls: an action without one fails there.
    #[must_use = "that an action ran proves little: wait for what a person sees of it"]
    pub fn does(&mut self, action: &str, keys: &str) -> &mut Self {
        let before = self.runs_of(action);
        self.send(keys);
        self.did(action, before)
    }

    /// How often the log says that an action ran.
    pub fn runs_of(&self, action: &str) -> usize {
        let line = format!(" runs {action}");
        std::fs::read_to_string(&self.log).map_or(0, |log| log.lines().filter(|l| l.ends_with(&line)).count())
    }

    /// Waits until an action ran more often than that; for keys after which the program cannot write its log.
    #[must_use = "that an action ran proves little: wait for what a person sees of it"]
    pub fn did(&mut self, action: &str, before: usize) -> &mut Self {
        let start = Instant::now();
        while self.runs_of(action) == before {
            assert!(start.elapsed() < LIMIT, "{action} did not run; the screen:\n{}", self.text());
            std::thread::park_timeout(Duration::from_millis(5));
        }
        self
    }

    /// Types `Ctrl` and a letter.
    pub fn ctrl(&mut self, letter: char) -> &mut Self {
        let code = (letter.to_ascii_uppercase() as u8) & 0x1f;
        self.send(&(code as char).to_string())
    }

    /// The screen as text.
    pub fn text(&self) -> String {
        lock(&self.shared.0).vt.screen().contents()
    }

    /// The row of the screen that holds a text.
    pub fn row_with(&self, text: &str) -> Option<String> {
        self.text().lines().find(|line| line.contains(text)).map(str::to_string)
    }

    /// Looks at the screen.
    pub fn look<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        at(lock(&self.shared.0).vt.screen())
    }

    /// Every byte that the program wrote to the terminal.
    pub fn raw(&self) -> Vec<u8> {
        lock(&self.shared.0).raw.clone()
    }

    /// Forgets the bytes so far.
    pub fn forget_raw(&self) {
        lock(&self.shared.0).raw.clear();
    }

    /// Gives the terminal another size.
    pub fn resize(&self, cols: u16, rows: u16) {
        lock(&self.shared.0).vt.screen_mut().set_size(cells(rows), cells(cols));
        self.pty.resize(size(cols, rows)).expect("a terminal can be resized");
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a running program has an id")
    }

    /// Sends a signal by its name (`TERM`, `HUP`, `KILL`).
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "signal {name} can be sent");
    }

    /// Waits for the end of the program; gives its exit status, `None` when a signal ended it.
    pub fn ended(&mut self) -> Option<u32> {
        let status = until("the end of the program", || self.child.try_wait().expect("a child can be waited for"));
        until("the end of the output", || lock(&self.shared.0).ended.then_some(()));
        status.signal().is_none().then(|| status.exit_code())
    }

    /// Whether the program still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Leaves through the front door.
    pub fn quit(&mut self) {
        self.send("\u{1b}").send(":quit\r");
        self.ended();
    }

    /// Fails unless the terminal is as it was before the program: its settings, the normal screen, a visible cursor,
    /// no mouse reports, no bracketed paste.
    pub fn assert_restored(&self) {
        assert_eq!(settings(&*self.pty), self.before, "the settings of the terminal are restored");
        let output = lock(&self.shared.0);
        let screen = output.vt.screen();
        assert!(!screen.alternate_screen(), "the alternate screen was not left");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is still on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "mouse reports are still on");
    }
}

/// Nothing that a test started outlives it.
impl Drop for Tui {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The modes of the line discipline, comparable.
fn settings(pty: &dyn MasterPty) -> String {
    pty.get_termios().map_or_else(String::new, |t| {
        format!("{:?} {:?} {:?} {:?}", t.input_flags, t.output_flags, t.control_flags, t.local_flags)
    })
}

/// A program that serves in the background until dropped (`kokpit demo --serve`, `kokpit sim`).
pub struct Served {
    child: std::process::Child,
    /// The lines that it printed before it was ready.
    pub lines: Vec<String>,
}

impl Served {
    /// Starts a program and reads its standard output until a line satisfies `ready`.
    pub fn start(mut command: Command, ready: impl Fn(&str) -> bool) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the server starts");
        let mut reader = std::io::BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = std::io::BufRead::read_line(&mut reader, &mut line).unwrap_or(0);
            assert!(read > 0, "the server ended before it was ready; it said {lines:?}");
            lines.push(line.trim_end().to_string());
            if ready(line.trim_end()) {
                break;
            }
        }
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        Self { child, lines }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}
