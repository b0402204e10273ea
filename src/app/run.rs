//! The event loop: one thread owns the state, hears keys and messages, updates, and draws when something changed.

use super::edit;
use super::effects::{COLUMNS, ForTerminal, HISTORY, NAMESPACES, Runner};
use super::inbox::{self, Inbox, Sender};
use super::look::{self, Look};
use super::plugin;
use super::session::Session;
use super::shell;
use crate::cli::args::{Args, Global};
use crate::cluster::kubeconfig::Context;
use crate::config::{self, Paths};
use crate::effect::Effect;
use crate::effect::terminal::Inside;
use crate::keymap::Keymap;
use crate::msg::{Level, Msg};
use crate::state::layout::Layouts;
use crate::state::{Start, State, head};
use crate::terminal::input::{self, Heard, Input};
use crate::terminal::{self, Notify, Screen};
use crate::ui;
use crate::update;
use crate::world::fleet::ClusterId;
use anyhow::{Context as _, Result};
use crossterm::event::{Event, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

/// Ages change once a second; nothing else does by itself.
const TICK: Duration = Duration::from_secs(1);
/// At most about 30 frames a second for what clusters say; a key press is drawn at once.
const FRAME: Duration = Duration::from_millis(33);
/// Two clicks at one place within this are a double click.
const DOUBLE: Duration = Duration::from_millis(400);
/// How long messages are worked off before the keyboard is looked at again.
const SLICE: Duration = Duration::from_millis(4);

/// Opens the cockpit and runs it until the user leaves.
///
/// # Errors
/// When the kubeconfig cannot be read, there is no terminal, or the terminal goes away.
pub fn cockpit(args: &Args, runtime: &Handle) -> Result<ExitCode> {
    run(&args.global, None, runtime, |_| {})
}

/// As [`cockpit`]; `paths` overrides the user's directories, and `with` is handed the sender before the loop starts
/// (the demo's tutorial reports through it).
///
/// # Errors
/// As [`cockpit`].
pub fn run(global: &Global, paths: Option<Paths>, runtime: &Handle, with: impl FnOnce(Sender)) -> Result<ExitCode> {
    let (sender, inbox) = inbox::channel().context("cannot create the event loop")?;
    let sink = {
        let sender = sender.clone();
        Arc::new(move |cluster, delta| sender.send(Msg::World(vec![(cluster, delta)])))
    };
    let demo = paths.is_some();
    let session = Arc::new(runtime.block_on(Session::start(global, paths, sink))?);
    // (The demo has its tutorial.)
    let first = !demo && !session.paths.log_file().exists();
    let _log = super::logging::start(&session.paths.state);
    let (look, keymap, warnings) = look_of(&session);
    let screen = Screen::take()?;
    let mut cockpit = Loop {
        runner: Runner::new(session.clone(), sender.clone(), runtime.clone()),
        state: State::new(start_of(global, &session, screen.size()?, keymap, &look)),
        look,
        input: Input::default(),
        stale: Arc::default(),
        titled: String::new(),
        click: None,
        screen,
        inbox,
        session: session.clone(),
        runtime: runtime.clone(),
        heard: true,
        over: None,
    };
    signals(runtime, &sender);
    if first {
        let text = "new here? :tour has the ten keys that matter, ? all of them";
        sender.send(Msg::Notice(Level::Info, text.into()));
    }
    for notice in session.notices.iter().cloned().chain(warnings) {
        sender.send(Msg::Notice(Level::Warn, notice));
    }
    with(sender);
    // What is begun here keeps every core busy for a moment: the first frame comes before it.
    let begun = update::start(&mut cockpit.state);
    update::settle(&mut cockpit.state);
    cockpit.draw()?;
    begun.into_iter().for_each(|effect| cockpit.perform(effect));
    if session.config.ui.mouse {
        cockpit.screen.mouse(true).context("the terminal is gone")?;
    }
    cockpit.run()
}

/// Theme and keymap as configured, and what could not be used of them.
fn look_of(session: &Session) -> (Look, Keymap, Vec<String>) {
    let ui = &session.config.ui;
    let config = &session.paths.config;
    let unread = RefCell::new(Vec::new());
    let read = |file: PathBuf| look::read(&file, &unread);
    let own = |name: &str| read(look::file_of(&config.join("keymaps"), name)?);
    let overlay = read(config.join("keymap.toml"));
    let (keymap, still_more) = Keymap::named(ui.keymap.as_deref().unwrap_or("default"), &own, overlay.as_deref());
    let mut warnings = unread.into_inner();
    let (look, more) = Look::new(&session.paths.config, ui, &look::env);
    warnings.extend(more.into_iter().chain(still_more));
    for (context, accent) in accents(session) {
        if let Err(error) = look.theme.colour(&accent) {
            warnings.push(format!("config.toml: the accent of {context}: {error}"));
        }
    }
    (look, keymap, warnings)
}

/// The colours that the configuration gives to clusters.
fn accents(session: &Session) -> HashMap<String, String> {
    let accent = |name: String| Some((name.clone(), session.config.settings(&name).accent?));
    session.names().into_iter().filter_map(accent).collect()
}

/// What the state starts with. Contexts that were not named are opened too while the fleet is looked at, except
/// those whose credentials come from a program: it might open a login page, and ten of them would open ten.
fn start_of(global: &Global, session: &Session, size: (u16, u16), keymap: Keymap, look: &Look) -> Start {
    let mut open = session.open.clone();
    if !session.named {
        let quiet = |c: &&(ClusterId, &Context)| !c.1.runs_program() && !session.open.contains(&c.0);
        let all = session.contexts.iter().enumerate().map(|(i, c)| (ClusterId(i as u16), c));
        open.extend(all.collect::<Vec<_>>().iter().filter(quiet).map(|(id, _)| *id));
    }
    let kept = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(session.paths.state.join(name)).unwrap_or_default();
        text.lines().map(Into::into).collect()
    };
    let chosen = config::load(&session.paths.state.join(COLUMNS)).config;
    let sealed = |name: &String| !session.config.may_decode(name);
    Start {
        sealed: session.names().into_iter().filter(sealed).collect(),
        unmeasured: session.names().into_iter().filter(|name| !session.config.settings(name).metrics).collect(),
        contexts: session.names(),
        open,
        namespaces: global.namespace.iter().cloned().collect(),
        readonly: global.readonly,
        frozen: session.config.readonly.clone(),
        now: session.now(),
        size,
        keymap,
        history: kept(HISTORY),
        command: None,
        accents: accents(session),
        names: session.config.names.clone(),
        visited: kept(NAMESPACES),
        layouts: Layouts::new(&session.config.columns, &chosen.columns).with(
            &session.config.sorts,
            &session.config.widths,
            &chosen.widths,
        ),
        plugins: session.config.plugins.clone(),
        servers: session.contexts.iter().map(|context| context.server.clone()).collect(),
        look: crate::state::look::Look {
            theme: look.name.clone(),
            own: look.own(),
            ascii: global.ascii || session.config.ui.ascii,
            mouse: session.config.ui.mouse,
            links: terminal::links::detect(session.config.ui.links.as_deref(), &look::env),
            away: false,
        },
    }
}

struct Loop {
    runner: Runner,
    state: State,
    look: Look,
    input: Input,
    /// A file of the theme changed.
    stale: Arc<AtomicBool>,
    /// The terminal's title now.
    titled: String,
    /// The click before.
    click: Option<(Instant, (u16, u16))>,
    screen: Screen,
    inbox: Inbox,
    session: Arc<Session>,
    runtime: Handle,
    /// Something was heard since the last look at what is visible.
    heard: bool,
    over: Option<ExitCode>,
}

impl Loop {
    fn run(mut self) -> Result<ExitCode> {
        let (mut tick, mut drawn) = (Instant::now() + TICK, None::<Instant>);
        loop {
            if let Some(code) = self.over {
                return Ok(code);
            }
            if self.inbox.wait(self.nap(tick, drawn)).context("cannot wait for the terminal")? {
                return Ok(ExitCode::from(128 + 1));
            }
            let pressed = self.read_keys()?;
            self.work_off();
            if SUSPEND.swap(false, Ordering::SeqCst) {
                self.suspend()?;
            }
            if Instant::now() >= tick {
                self.hear(Msg::Tick(self.session.now()));
                self.watch_theme();
                tick = Instant::now() + TICK;
            }
            // A key is answered at once; what clusters say waits for the next frame.
            let due = self.heard && (pressed || drawn.is_none_or(|at| at.elapsed() >= FRAME));
            if due {
                self.heard = false;
            }
            if due && update::settle(&mut self.state) {
                self.draw()?;
                if drawn.is_none() && self.look.asks_ground(&self.session.config.ui) {
                    self.ask_ground();
                }
                drawn = Some(Instant::now());
                self.title()?;
            }
        }
    }

    fn draw(&mut self) -> Result<()> {
        let (state, theme) = (&self.state, &self.look.theme);
        self.screen.draw(|frame| ui::draw_linked(state, theme, frame)).context("the terminal is gone")
    }

    /// How long the loop may sleep: until the next tick, or until a change may be drawn.
    fn nap(&self, tick: Instant, drawn: Option<Instant>) -> Duration {
        if self.inbox.has_messages() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let until_tick = tick.saturating_duration_since(now).min(self.input.rest(now).unwrap_or(TICK));
        match drawn {
            _ if !self.heard => until_tick,
            Some(at) => FRAME.saturating_sub(at.elapsed()).min(until_tick),
            None => Duration::ZERO,
        }
    }

    /// Takes every key and paste that waits; whether there was one.
    fn read_keys(&mut self) -> Result<bool> {
        let heard = self.input.read(Instant::now()).context("the terminal is gone")?;
        let any = !heard.is_empty();
        for heard in heard {
            match heard {
                Heard::Event(event) => self.typed(event),
                Heard::Ground(light) => {
                    let wrong = self.look.ground(light);
                    self.themed(self.look.name.clone(), wrong);
                }
            }
        }
        Ok(any)
    }

    fn typed(&mut self, event: Event) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.hear(Msg::Key(key)),
            Event::Mouse(event) => {
                let msg = self.clicked(event);
                self.hear(msg);
            }
            Event::FocusGained => self.hear(Msg::Focus(true)),
            Event::FocusLost => self.hear(Msg::Focus(false)),
            Event::Paste(text) => self.hear(Msg::Paste(text)),
            Event::Key(_) | Event::Resize(..) => {}
        }
    }

    /// The terminal's title follows where one is.
    fn title(&mut self) -> Result<()> {
        let title = head::title(&self.state);
        if self.session.config.ui.untitled || title == self.titled {
            return Ok(());
        }
        self.screen.title(&title).context("the terminal is gone")?;
        self.titled = title;
        Ok(())
    }

    /// A click is the second of two when it comes at the same place soon after another one.
    fn clicked(&mut self, event: MouseEvent) -> Msg {
        let down = event.kind == MouseEventKind::Down(MouseButton::Left);
        let place = (event.column, event.row);
        let double = down && self.click.is_some_and(|(at, before)| before == place && at.elapsed() < DOUBLE);
        if down {
            self.click = (!double).then(|| (Instant::now(), place));
        }
        Msg::Mouse { event, double }
    }

    /// Asks the terminal for the colour of its ground; nothing waits for the answer.
    fn ask_ground(&mut self) {
        if let Err(e) = self.screen.write(input::ASK) {
            tracing::error!("terminal: {e}");
        }
    }

    /// Looks whether the theme's files changed, on a thread of its own: a home directory may be far away.
    fn watch_theme(&mut self) {
        if self.stale.swap(false, Ordering::SeqCst) {
            let name = self.look.name.clone();
            let wrong = self.look.show(&name);
            // While another is only looked at, the one chosen stays the one chosen.
            self.themed(self.state.look.theme.clone(), wrong);
        }
        let (files, stale) = (self.look.files(), self.stale.clone());
        if !files.is_empty() {
            self.runtime.spawn_blocking(move || {
                if look::changed(&files) {
                    stale.store(true, Ordering::SeqCst);
                }
            });
        }
    }

    /// Tells the state about the theme, and what is wrong with it.
    fn themed(&mut self, theme: String, wrong: Vec<String>) {
        self.hear(Msg::Themed { theme, own: self.look.own() });
        wrong.into_iter().for_each(|text| self.hear(Msg::Notice(Level::Warn, text)));
    }

    /// Works off messages for at most a slice, so that a key never waits behind a long list.
    fn work_off(&mut self) {
        let start = Instant::now();
        while start.elapsed() < SLICE {
            let Some(msg) = self.inbox.take() else { break };
            self.hear(msg);
        }
    }

    fn hear(&mut self, msg: Msg) {
        if matches!(msg, Msg::Terminate) {
            self.over = Some(ExitCode::from(128 + 15));
        }
        self.heard = true;
        for effect in update::update(&mut self.state, msg) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let Some(outside) = self.runner.run(effect) else { return };
        let done = match outside {
            ForTerminal::Quit => {
                self.over = Some(ExitCode::SUCCESS);
                Ok(())
            }
            ForTerminal::Repaint => self.screen.repaint(),
            ForTerminal::Theme(name) => {
                let wrong = self.look.show(&name);
                wrong.into_iter().for_each(|text| self.hear(Msg::Notice(Level::Warn, text)));
                Ok(())
            }
            ForTerminal::Mouse(on) => self.screen.mouse(on),
            ForTerminal::Notify(text) => {
                let how = self.session.config.ui.notify.as_deref().unwrap_or("auto");
                self.screen.notify(&text, Notify::named(how, &look::env))
            }
            ForTerminal::Copy(text) => self.screen.copy(&text),
            ForTerminal::Suspend => self.suspend(),
            ForTerminal::Edit { cluster, resource, namespace, name } => {
                let (session, runtime) = (&self.session, &self.runtime);
                let ended = self.screen.lend(|| edit::run(session, runtime, cluster, &resource, &namespace, &name));
                ended.map(|end| {
                    self.hear(Msg::Resumed);
                    self.hear(match end {
                        Ok(Some(intent)) => Msg::Edited { cluster, intent },
                        Ok(None) => Msg::Notice(Level::Info, format!("{name} was not changed")),
                        Err(e) => Msg::Notice(Level::Error, format!("edit of {name}: {e}")),
                    });
                })
            }
            ForTerminal::Plugin { call, operation } => {
                let session = &self.session;
                let ended = self.screen.lend(|| plugin::foreground(session, &call, operation));
                ended.map(|ended| {
                    self.hear(Msg::Resumed);
                    ended.messages().into_iter().for_each(|msg| self.hear(msg));
                })
            }
            ForTerminal::Shell(visit) => {
                let (session, runtime) = (&self.session, &self.runtime);
                let ended = self.screen.lend(|| shell::run(session, runtime, &visit));
                ended.map(|end| {
                    self.hear(Msg::Resumed);
                    if let Inside::Debug(Some(operation)) = &visit.what {
                        self.hear(Msg::Left(operation.clone()));
                    }
                    self.hear(match end {
                        Ok(said) => Msg::Notice(Level::Info, said),
                        Err(e) => {
                            let (what, place) =
                                (shell::word(&visit.what), format!("{}/{}", visit.namespace, visit.pod));
                            Msg::Notice(Level::Error, format!("{what} in {place}: {e}"))
                        }
                    });
                })
            }
        };
        if let Err(e) = done {
            tracing::error!("terminal: {e}");
            self.over = Some(ExitCode::from(128 + 1));
        }
    }

    /// `Ctrl-Z` and SIGTSTP: gives the terminal back, stops, and takes it again when the shell continues us.
    fn suspend(&mut self) -> std::io::Result<()> {
        if !can_be_continued() {
            let text = "not suspended: no shell with job control started kokpit, nobody could bring it back";
            self.hear(Msg::Notice(Level::Warn, text.into()));
            return Ok(());
        }
        self.screen.lend(stop)?;
        let (width, height) = self.screen.size()?;
        self.hear(Msg::Resize(width, height));
        self.hear(Msg::Resumed);
        Ok(())
    }
}

/// Whether somebody could continue us. A shell with job control puts what it starts into a group of its own; in the
/// group that the session began with (`tmux new kokpit`, `exec kokpit`) there is none, and the kernel stops nothing there.
fn can_be_continued() -> bool {
    let session = rustix::process::getsid(None);
    session.is_ok_and(|session| session != rustix::process::getpgrp())
}

/// Stops this process until the shell continues it.
fn stop() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
}

/// Somebody sent SIGTSTP; the loop stops itself when it has given the terminal back.
static SUSPEND: AtomicBool = AtomicBool::new(false);

/// Signals become messages. Should the loop be stuck, the terminal is given back without it.
fn signals(runtime: &Handle, sender: &Sender) {
    let _inside = runtime.enter();
    let listen = |kind: SignalKind, act: Arc<dyn Fn() + Send + Sync>| {
        if let Ok(mut signals) = signal(kind) {
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    act();
                }
            });
        }
    };
    for kind in [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()] {
        let sender = sender.clone();
        let handle = runtime.clone();
        listen(
            kind,
            Arc::new(move || {
                // Ctrl-C is for the program that has the terminal.
                if kind == SignalKind::interrupt() && terminal::is_lent() {
                    return;
                }
                sender.send(Msg::Terminate);
                handle.spawn(async move {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    terminal::give_back();
                    std::process::exit(128 + kind.as_raw_value());
                });
            }),
        );
    }
    let resized = sender.clone();
    listen(
        SignalKind::window_change(),
        Arc::new(move || {
            if let Ok((width, height)) = terminal::size() {
                resized.send(Msg::Resize(width, height));
            }
        }),
    );
    let stopped = sender.clone();
    listen(
        SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()),
        Arc::new(move || {
            // The program that has the terminal was stopped, and we wait for it: the shell must see us stop too.
            if terminal::is_lent() {
                if can_be_continued() {
                    stop();
                }
                return;
            }
            SUSPEND.store(true, Ordering::SeqCst);
            stopped.wake();
        }),
    );
}
