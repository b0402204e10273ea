//! A monkey at the keyboard while clusters say what they like: nothing panics, nothing gets stuck, what is on the screen
//! is what the state says, and read-only mode changes nothing.
//!
//! Everything follows from the seed, which a failure prints; `KOKPIT_MONKEY_SEED=7` walks that one alone,
//! `KOKPIT_MONKEY_SEED=0..500` many.

use super::fixture::*;
use super::tests::{plan, tutorial, verdict};
use crate::actions;
use crate::diagnose::case::{Need, Subject};
use crate::diagnose::ledger::Diagnosis;
use crate::effect::forward::{ForwardEffect, Wish};
use crate::effect::transfer::TransferEffect;
use crate::effect::{Effect, Intent};
use crate::msg::forward::{ForwardMsg, ForwardView, Seen};
use crate::msg::logs::LogLine;
use crate::msg::transfer::TransferMsg;
use crate::msg::*;
use crate::state::nav::View;
use crate::world::fleet::{ClusterId, Delta, Feed, Link, TableDelta};
use crate::world::metrics::{Measured, MetricsDelta, Of, Usage};
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::Row;
use crate::world::time::Time;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Walks in the normal run, and steps of each.
const SEEDS: std::ops::Range<u64> = 0..8;
const STEPS: usize = 160;

/// Random numbers that are the same everywhere (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    fn roll(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// Texts as they come from outside, cleaned as they are there.
const WORDS: &[&str] = &[
    "web",
    "shop",
    "日本語-クラスタ",
    "👩‍👩‍👧‍👦 emoji",
    "مرحبا",
    "e\u{301}\u{301}\u{301}combining",
    "",
    "-",
    "a very long text that goes on and on beyond what any column has room for, and then some more",
    "/",
    "*",
    "1",
    "99999999999999999999",
    "{\"a\": 1}",
];

const LINES: &[&str] = &[
    "pods",
    "nodes",
    "deploy",
    "rs",
    "apps",
    "events",
    "wd",
    "cm",
    "ops",
    "pf",
    "notices",
    "aliases",
    "help",
    "problems",
    "ns",
    "theme",
    "fleet",
    "pods shop",
    "pods @*",
    "pods @prod-us /web",
    "pods -l app=web",
    "pods -A",
    "ns shop",
    "ctx prod-us",
    "ctx prod-eu",
    "xray deploy",
    "xray pods",
    "why pods/web-66c8-9mxrt",
    "why https://x.example.com",
    "pods @lab",
    "nosuch",
    "no",
    "-n db",
    "/crash",
    "@edge",
];

/// The monkey, and what it did last.
struct Monkey {
    seed: u64,
    dice: Dice,
    stage: Stage,
    readonly: bool,
    did: Vec<String>,
    now: Time,
}

/// A panic anywhere names the way there.
impl Drop for Monkey {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last = &self.did[self.did.len().saturating_sub(12)..];
            eprintln!(
                "KOKPIT_MONKEY_SEED={} after {} steps; the last:\n{}",
                self.seed,
                self.did.len(),
                last.join("\n")
            );
        }
    }
}

impl Monkey {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let readonly = dice.once_in(2);
        let map = dice.pick(&["default", "default", "vim", "emacs"]);
        let mut stage = Stage::started(100, 30, |start| {
            start.readonly = readonly;
            start.keymap = crate::keymap::Keymap::named(map, &|_| None, None).0;
        });
        stage.connect(EU);
        stage.connect(US);
        let mut monkey = Self { seed, dice, stage, readonly, did: vec![], now: NOW };
        for _ in 0..6 {
            monkey.cluster();
        }
        monkey.stage.effects();
        monkey
    }

    fn tell(&mut self, msg: Msg) {
        self.did.push(format!("{msg:?}").chars().take(300).collect());
        self.stage.tell(msg);
    }

    /// One thing happens, answers come, and the screen is looked at.
    fn step(&mut self) {
        match self.dice.roll(20) {
            0..=8 => self.key(),
            9 | 10 => self.line(),
            11 | 12 => self.deep(),
            13 => self.mouse(),
            14 => self.around(),
            _ => self.cluster(),
        }
        self.answers();
        self.look();
    }

    fn key(&mut self) {
        const OTHERS: &[KeyCode] = &[
            KeyCode::Enter,
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::BackTab,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Backspace,
            KeyCode::Delete,
            KeyCode::Insert,
            KeyCode::F(5),
        ];
        const MODIFIERS: &[KeyModifiers] =
            &[KeyModifiers::NONE, KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::SHIFT, KeyModifiers::ALT];
        let code = match self.dice.roll(8) {
            0..=2 => self.dice.pick(OTHERS),
            3 => KeyCode::Char(self.dice.pick(&['é', '日', '👍', '\u{301}', 'ß'])),
            _ => KeyCode::Char(char::from(b' ' + self.dice.roll(95) as u8)),
        };
        let modifiers = self.dice.pick(MODIFIERS);
        self.tell(Msg::Key(KeyEvent::new(code, modifiers)));
    }

    /// A whole command, so that walks get deep.
    fn line(&mut self) {
        let mut line = match self.dice.roll(3) {
            0 => actions::TABLE[self.dice.roll(actions::TABLE.len())].name.to_string(),
            _ => self.dice.pick(LINES).to_string(),
        };
        if self.dice.once_in(4) {
            line = format!("{line} {}", self.dice.pick(WORDS));
        }
        self.did.push(format!(":{line}"));
        self.stage.press("esc");
        self.stage.type_in(&format!(":{line}\n"));
    }

    /// An action on a row, with what it may ask for.
    fn deep(&mut self) {
        const WAYS: &[(&str, &str)] = &[
            ("pods", "logs"),
            ("pods", "logs"),
            ("pods", "describe"),
            ("pods", "yaml"),
            ("pods", "why"),
            ("pods", "delete"),
            ("pods", "debug"),
            ("pods", "edit"),
            ("pods", "shell"),
            ("pods", "port-forward"),
            ("pods", "copy-to"),
            ("pods", "copy-from"),
            ("nodes", "cordon"),
            ("nodes", "drain"),
            ("deployments", "scale"),
            ("deployments", "restart"),
            ("deployments", "rollback"),
            ("deployments", "xray"),
            ("applications", "open"),
        ];
        let (kind, action) = self.dice.pick(WAYS);
        self.did.push(format!(":{action} on {kind}"));
        let row = self.row(kind);
        self.stage.press("esc");
        self.stage.type_in(&format!(":{kind} -A @prod-eu\n"));
        self.stage.rows(EU, kind, vec![row]);
        self.stage.type_in(&format!(":{action}\n"));
        if self.dice.once_in(2) {
            let text = self.dice.pick(&["3", "disk errors", "/tmp/a /tmp/b", "8080:80"]);
            self.stage.type_in(&format!("{text}\n"));
            self.answers();
            self.stage.press("tab enter");
        }
    }

    fn mouse(&mut self) {
        let kind = self.dice.pick(&[
            MouseEventKind::Down(MouseButton::Left),
            MouseEventKind::Down(MouseButton::Left),
            MouseEventKind::Down(MouseButton::Right),
            MouseEventKind::Up(MouseButton::Left),
            MouseEventKind::Drag(MouseButton::Left),
            MouseEventKind::ScrollDown,
            MouseEventKind::ScrollUp,
        ]);
        let (column, row) = (self.dice.roll(320) as u16, self.dice.roll(60) as u16);
        let (column, row) = if self.dice.once_in(4) { (column, row) } else { (column % 60, row % 20) };
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        let double = self.dice.once_in(3);
        self.tell(Msg::Mouse { event, double });
    }

    /// What the terminal and the program itself say.
    fn around(&mut self) {
        let text = self.dice.pick(WORDS).to_string();
        let msg = match self.dice.roll(10) {
            0 => Msg::Paste(format!("{text}\n{text}\u{1b}[31m")),
            1 | 2 => Msg::Resize(self.dice.roll(220) as u16, self.dice.roll(70) as u16),
            3 => Msg::Resize(80, 24),
            4 => Msg::Focus(self.dice.once_in(2)),
            5 => Msg::Notice(self.dice.pick(&[Level::Info, Level::Warn, Level::Error]), text),
            6 => Msg::Tutorial(if self.dice.once_in(2) { tutorial() } else { vec![] }),
            7 => Msg::Resumed,
            8 => {
                let (status, id) = (self.status(), self.dice.roll(3).to_string());
                let steps = vec![StepView { text, mark: self.dice.pick(MARKS), at: self.now }];
                Msg::Operations(vec![OperationView { id, status, steps, ..plan(false) }])
            }
            _ => {
                self.now = Time(self.now.0 + [1, 1, 60, 90_000][self.dice.roll(4)]);
                Msg::Tick(self.now)
            }
        };
        self.tell(msg);
    }

    fn status(&mut self) -> OperationStatus {
        use OperationStatus::*;
        self.dice.pick(&[Running, Open, Done, Failed, Undone])
    }

    fn row(&mut self, plural: &str) -> Row {
        let n = self.dice.roll(30);
        let namespace = ["shop", "db", "argocd"][n % 3];
        let status = self.dice.pick(&["Running", "Pending", "CrashLoopBackOff", "Completed", "ContainerCreating"]);
        match plural {
            "pods" if n == 0 => pod(self.dice.pick(&["日本語-ポッド", "👍-1"]), namespace, status, 1, 1, "ノード"),
            "pods" => pod(&format!("web-{n}"), namespace, status, self.dice.roll(3) as u16, 2, "n1"),
            "nodes" => node(&format!("n{n}"), !self.dice.once_in(4), self.dice.once_in(4)),
            "deployments" => deployment(&format!("web-{n}"), namespace),
            "replicasets" => replica_set(&format!("web-{n}-x"), namespace, &format!("web-{n}"), 2),
            "applications" => application(&format!("a{n}"), self.dice.pick(&["Synced", "OutOfSync"])),
            "events" => object(
                "events",
                json!({"metadata": {"name": format!("e{n}"), "namespace": namespace}, "type": "Warning",
                    "reason": "BackOff", "message": self.dice.pick(WORDS), "involvedObject": {"kind": "Pod", "name": "web-1"}}),
            ),
            _ => printed("Widget", &format!("w{n}"), namespace),
        }
    }

    /// What a cluster says that is used, or why it does not.
    fn measured(&mut self, cluster: ClusterId) {
        let of = self.dice.pick(&[Of::Nodes, Of::Pods]);
        let mut sample = || Measured {
            namespace: if of == Of::Nodes { "" } else { "shop" }.into(),
            name: format!("{}{}", if of == Of::Nodes { "n" } else { "web-" }, self.dice.roll(30)).into(),
            at: self.now,
            parts: vec![(
                self.dice.pick(&["", "app", "side1"]).into(),
                Usage {
                    cpu: self.dice.pick(&[0, 1, 250, i64::MAX]),
                    memory: self.dice.pick(&[0, -1, 1 << 30, i64::MAX]),
                },
            )],
        };
        let samples = (0..20).map(|_| sample()).collect();
        let feed = match self.dice.roll(4) {
            0 => Feed::Idle,
            1 => Feed::Denied("no".into()),
            2 => Feed::Unknown("none".into()),
            _ => Feed::Live,
        };
        let deltas =
            [MetricsDelta::Samples(of, samples), MetricsDelta::End(of, self.now), MetricsDelta::Feed(of, feed)];
        self.tell(Msg::World(deltas.into_iter().map(|delta| (cluster, Delta::Metrics(delta))).collect()));
    }

    /// What clusters say, in any order: lists, events, refusals, losses.
    fn cluster(&mut self) {
        let cluster = self.dice.pick(&[EU, EU, US, EDGE, ClusterId(3), ClusterId(77)]);
        if self.dice.once_in(8) {
            return match self.dice.roll(4) {
                3 => self.measured(cluster),
                0 if cluster.0 < 4 => self.stage.connect(cluster),
                1 => {
                    let text = self.dice.pick(WORDS).into();
                    self.tell(Msg::World(vec![(cluster, Delta::Notice(text))]));
                }
                _ => {
                    let lost = Link::Lost {
                        reason: self.dice.pick(WORDS).into(),
                        since: self.now,
                        retry_at: Time(self.now.0 + 5),
                    };
                    let link = match self.dice.roll(4) {
                        0 => Link::Closed,
                        1 => Link::Connecting,
                        2 => Link::Live,
                        _ => lost,
                    };
                    self.tell(Msg::World(vec![(cluster, Delta::Link(link))]));
                }
            };
        }
        let kinds =
            ["pods", "pods", "pods", "nodes", "deployments", "replicasets", "applications", "events", "widgets"];
        let plural = self.dice.pick(&kinds);
        let rows = |monkey: &mut Self, most: usize| -> Vec<Row> {
            let n = monkey.dice.roll(most);
            (0..n).map(|_| monkey.row(plural)).collect()
        };
        let deltas = match self.dice.roll(10) {
            0..=2 => vec![
                TableDelta::ListStart,
                TableDelta::Upsert(rows(self, 40)),
                TableDelta::ListEnd,
                TableDelta::Feed(Feed::Live),
                TableDelta::Heard(self.now),
            ],
            3 => vec![TableDelta::ListStart, TableDelta::Upsert(rows(self, 5))],
            4 => vec![TableDelta::Gone(rows(self, 20).iter().map(|row| row.meta.uid).collect())],
            5 => {
                let why: String = self.dice.pick(WORDS).into();
                let feed = [
                    Feed::Denied(why.clone()),
                    Feed::Stale { reason: why.clone(), since: self.now },
                    Feed::Loading { seen: 3, about: Some(2) },
                    Feed::Unknown(why),
                    Feed::Idle,
                ];
                vec![TableDelta::Feed(feed[self.dice.roll(5)].clone())]
            }
            6 => vec![TableDelta::Narrowed(vec!["shop".into(); self.dice.roll(3)])],
            _ => vec![TableDelta::Upsert(rows(self, 4))],
        };
        self.did.push(format!("{cluster:?} {plural}: {} deltas", deltas.len()));
        self.stage.table(cluster, plural, deltas);
    }

    fn look(&mut self) {
        let before = self.stage.drawn.clone();
        let changed = self.stage.changed();
        let after = self.stage.screen();
        // What is not drawn because nothing changed must be on the screen already.
        assert!(changed || before.is_empty() || before == after, "stale:\n{before}\n\nright:\n{after}");
        assert!(!self.stage.changed(), "a screen that just was drawn is not drawn again");
        if self.dice.once_in(10) {
            self.rebuilt(&after);
        }
    }

    /// Rows were put in order one by one; all at once gives the same.
    fn rebuilt(&mut self, before: &str) {
        if let View::Table(table) = &mut self.stage.state.nav.top_mut().view {
            table.unordered = true;
            self.stage.state.reorder();
            assert_eq!(self.stage.screen(), before, "the order of the rows");
        }
    }

    /// Effects are answered as the outside would: well, badly, or never.
    fn answers(&mut self) {
        for effect in self.stage.effects() {
            if self.readonly {
                let changes = matches!(
                    effect,
                    Effect::Plan { .. }
                        | Effect::Run { .. }
                        | Effect::Finish { .. }
                        | Effect::Undo { .. }
                        | Effect::Edit { .. }
                        | Effect::Shell { .. }
                );
                let into = matches!(&effect, Effect::Transfer(TransferEffect::Begin(errand, _)) if !errand.out);
                assert!(!changes && !into, "in read-only mode: {effect:?}");
            }
            if !self.dice.once_in(4) {
                self.answer(effect);
            }
        }
    }

    fn answer(&mut self, effect: Effect) {
        let text = self.dice.pick(WORDS).to_string();
        let fails = self.dice.once_in(3);
        let msg = match effect {
            Effect::Open(cluster) if !fails => return self.stage.connect(cluster),
            Effect::FetchObject { request, name, .. } => {
                let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"a": text}},
                    "spec": {"containers": [{"name": "app", "image": text}]}, "data": [1, null, {"x": [[], {}]}]});
                Msg::Object { request, answer: if fails { Err(text) } else { Ok(Arc::new(value)) } }
            }
            Effect::FetchEvents { request, .. } => {
                let event = json!({"type": "Warning", "reason": text, "message": text, "lastTimestamp": "nonsense"});
                Msg::Events { request, answer: if fails { Err(text) } else { Ok(vec![event, Value::Null]) } }
            }
            Effect::StartLogs { request, logs, .. } => {
                for stream in &logs.streams {
                    let line = |n: usize| {
                        let at = if n.is_multiple_of(3) { "" } else { "2026-11-21T09:59:58Z " };
                        LogLine::new(format!("{at}{}", WORDS[n % WORDS.len()].repeat(n % 4)))
                    };
                    let lines = (0..self.dice.roll(120)).map(line).collect();
                    let source = stream.source.clone();
                    self.tell(Msg::LogLines { request, source: source.clone(), lines });
                    self.tell(Msg::LogNote { request, source, text: text.clone() });
                }
                let Some(stream) = logs.streams.first() else { return };
                Msg::LogEnd { request, source: stream.source.clone(), reason: fails.then_some(text) }
            }
            Effect::Why { request, .. } => {
                self.tell(Msg::Why { request, answer: WhyAnswer::Reading { facts: 3, now: text.clone() } });
                let answer = if fails { WhyAnswer::Failed(text) } else { WhyAnswer::Verdict(verdict().into()) };
                Msg::Why { request, answer }
            }
            Effect::Diagnose { cluster, subjects } | Effect::Glance { cluster, subjects } => {
                let found = |subject: Subject| Diagnosis {
                    subject,
                    verdict: if fails { Err(text.clone()) } else { Ok(verdict().into()) },
                    read: vec![],
                };
                let needs = vec![Need::List { resource: ResourceId::core("pods"), namespace: None }];
                self.tell(Msg::Recall { ticket: 1, cluster, needs });
                Msg::Diagnosed { cluster, came: subjects.into_iter().map(found).collect() }
            }
            Effect::Plan { request, cluster, intent, .. } => match self.dice.roll(5) {
                0 => Msg::AskRepository { request, cluster, intent, url: fails.then_some(text) },
                1 => Msg::Planned { request, answer: Err(text) },
                _ => {
                    let blocked = if fails { vec![text] } else { vec![] };
                    let view =
                        OperationView { id: self.dice.roll(3).to_string(), blocked, ..plan(self.dice.once_in(3)) };
                    Msg::Planned { request, answer: Ok(view.into()) }
                }
            },
            Effect::Run { operation } | Effect::Finish { operation } | Effect::Undo { operation } => {
                let steps = vec![StepView { text, mark: self.dice.pick(MARKS), at: self.now }];
                let view = OperationView { id: operation, status: self.status(), steps, ..plan(false) };
                Msg::Operation(view.into())
            }
            Effect::Edit { cluster, name, .. } => {
                let object = ObjectRef::new("", "Pod", "shop", &name);
                let (before, after) = (Arc::new(json!({})), Arc::new(json!({"a": text})));
                let intent = Intent::Edit { object, path: String::new(), before, after, file: "/tmp/x".into() };
                Msg::Edited { cluster, intent }
            }
            Effect::Shell { .. } | Effect::Suspend => Msg::Resumed,
            Effect::Transfer(TransferEffect::Begin(errand, _)) => {
                let id = self.dice.roll(3) as u64;
                self.tell(Msg::Transfer(TransferMsg::Begun { id }));
                self.tell(Msg::Transfer(TransferMsg::Under { id, bytes: u64::MAX, total: Some(0) }));
                let result = if fails { Err(text) } else { Ok(text) };
                Msg::Transfer(TransferMsg::Ended { id, what: errand.there, result })
            }
            Effect::Forward(ForwardEffect::Offer { cluster, resource, object }) => {
                Msg::Forward(ForwardMsg::Offered { cluster, resource, object, text: "8080:80".into(), note: text })
            }
            Effect::Forward(ForwardEffect::Begin(wish)) if fails => {
                Msg::Forward(ForwardMsg::Refused { wish, why: text, instead: Some("1".into()) })
            }
            Effect::Forward(ForwardEffect::Begin(wish)) => self.stands(wish),
            _ => return,
        };
        self.tell(msg);
    }

    fn stands(&mut self, wish: Wish) -> Msg {
        let target = (!self.dice.once_in(3)).then(|| (self.dice.pick(WORDS).to_string(), 443));
        let seen = Seen { target, up: u64::MAX, changes: self.dice.next(), ..Seen::default() };
        let local = std::net::SocketAddr::from(([0, 0, 0, 0], 8080));
        let id = self.dice.roll(3) as u64;
        let view = ForwardView { id, wish, local, seen, since: self.now, failed: Time::NEVER };
        Msg::Forward(ForwardMsg::Stands(view.into()))
    }

    /// Wherever it ended, these keys lead back to the clusters and from there to a table.
    fn home(&mut self) {
        self.tell(Msg::Resize(100, 30));
        self.stage.press("esc esc esc");
        self.stage.type_in(":fleet\n");
        let screen = self.stage.screen();
        assert!(screen.contains("CLUSTER") && screen.contains("prod-us"), "stuck:\n{screen}");
        self.stage.type_in(":pods -A @prod-eu @prod-us\n");
        self.stage.rows(US, "pods", vec![pod("last-1", "shop", "Running", 1, 1, "n1")]);
        self.stage.type_in("/last-1\n");
        let screen = self.stage.screen();
        assert!(screen.contains("last-1 "), "stuck:\n{screen}");
    }
}

const MARKS: &[StepMark] = &[StepMark::Waiting, StepMark::Running, StepMark::Done, StepMark::Failed, StepMark::Skipped];

/// The names of the screens that were seen.
fn walk(seed: u64, seen: &mut BTreeSet<&'static str>) {
    let mut monkey = Monkey::new(seed);
    for _ in 0..STEPS {
        monkey.step();
        seen.insert(match &monkey.stage.state.nav.top().view {
            View::Table(_) => "table",
            View::List(_) => "list",
            View::Text(_) => "text",
            View::Tree(_) => "tree",
            View::Logs(_) => "logs",
            View::Operation(_) => "operation",
        });
    }
    monkey.home();
}

#[test]
fn a_monkey_breaks_nothing() {
    let mut seen = BTreeSet::new();
    let chosen = std::env::var("KOKPIT_MONKEY_SEED").unwrap_or_default();
    let number = |text: &str| text.parse::<u64>().ok();
    match (chosen.split_once(".."), number(&chosen)) {
        (_, Some(seed)) => return walk(seed, &mut seen),
        (Some((from, to)), _) => {
            let range = number(from).unwrap_or(0)..number(to).expect("KOKPIT_MONKEY_SEED is FROM..TO");
            range.for_each(|seed| walk(seed, &mut seen));
        }
        _ => SEEDS.for_each(|seed| walk(seed, &mut seen)),
    }
    // One that gets nowhere finds nothing.
    assert_eq!(seen.len(), 6, "{seen:?}");
}
