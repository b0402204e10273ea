//! A fleet with rows for tests, and a stage on which keys are pressed and screens are read.

use crate::effect::logs::LogSource;
use crate::effect::{Effect, RequestId};
use crate::keymap::Keymap;
use crate::kinds;
use crate::msg::Msg;
use crate::msg::logs::LogLine;
use crate::state::look::Look;
use crate::state::{Start, State};
use crate::theme::Theme;
use crate::update::{settle, start, update};
use crate::world::column::Source;
use crate::world::fleet::{ClusterId, Delta, Feed, Link, TableDelta};
use crate::world::object::{Resource, ResourceId, str_at};
use crate::world::pod::{ContainerRow, PodRow, Role};
use crate::world::row::{Body, Meta, Owner, Raw, Row, Tone, Uid};
use crate::world::time::Time;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The time on every stage: 2026-11-21T10:00:00Z.
pub const NOW: Time = Time(1_795_255_200);
pub const EU: ClusterId = ClusterId(0);
pub const US: ClusterId = ClusterId(1);
pub const EDGE: ClusterId = ClusterId(2);

/// A state with a terminal around it.
pub struct Stage {
    pub state: State,
    /// What was asked of the outside since the last [`Stage::effects`].
    asked: Vec<Effect>,
    /// The last [`Stage::screen`].
    pub drawn: String,
    theme: Theme,
}

impl Stage {
    /// Contexts `prod-eu`, `prod-us`, `edge`, `lab`; the first two opened; nothing heard from them.
    pub fn silent(width: u16, height: u16) -> Self {
        Self::started(width, height, |_| {})
    }

    /// The same, with a start of one's own.
    pub fn started(width: u16, height: u16, change: impl FnOnce(&mut Start)) -> Self {
        let mut begin = Start {
            contexts: ["prod-eu", "prod-us", "edge", "lab"].map(String::from).into(),
            open: vec![EU, US],
            namespaces: vec![],
            readonly: false,
            frozen: vec![],
            sealed: vec![],
            unmeasured: vec![],
            now: NOW,
            size: (width, height),
            keymap: Keymap::load(None).0,
            history: vec!["nodes".into()],
            command: None,
            accents: HashMap::new(),
            names: Default::default(),
            visited: vec![],
            layouts: Default::default(),
            plugins: vec![],
            servers: vec![],
            look: Look { theme: "dark".into(), ..Look::default() },
        };
        change(&mut begin);
        let mut state = State::new(begin);
        let asked = start(&mut state);
        Self { state, asked, drawn: String::new(), theme: Theme::plain() }
    }

    /// Both clusters live, with pods, nodes, Deployments and Applications.
    pub fn live(width: u16, height: u16) -> Self {
        let mut stage = Self::silent(width, height);
        for cluster in [EU, US] {
            stage.connect(cluster);
        }
        stage.rows(
            EU,
            "pods",
            vec![
                pod("cart-7d9f-x2k4q", "shop", "Running", 1, 1, "n2"),
                pod("web-66c8-9mxrt", "shop", "CrashLoopBackOff", 0, 1, "n1"),
                pod("db-0", "db", "Pending", 0, 1, ""),
                pod("api-5f7d-aaaaa", "shop", "Running", 2, 2, "n1"),
            ],
        );
        stage.rows(US, "pods", vec![pod("web-66c8-kkgnx", "shop", "Pending", 0, 1, "")]);
        stage.rows(EU, "nodes", vec![node("n1", true, false), node("n2", true, false), node("n4", true, true)]);
        stage.rows(US, "nodes", vec![node("u1", true, false), node("u2", false, false)]);
        stage.rows(EU, "applications", vec![application("shop", "Synced"), application("payments", "OutOfSync")]);
        stage.rows(US, "applications", vec![]);
        stage
    }

    /// A cluster answers and says what it serves.
    pub fn connect(&mut self, cluster: ClusterId) {
        let extra = Resource {
            id: ResourceId::new("example.com", "widgets"),
            version: "v1".into(),
            kind: "Widget".into(),
            singular: "widget".into(),
            namespaced: true,
            short_names: vec!["wd".into()],
            verbs: vec!["list".into(), "watch".into()],
        };
        let catalog: Arc<[Resource]> = kinds::well_known().iter().cloned().chain([extra]).collect();
        self.tell(Msg::World(vec![
            (cluster, Delta::Link(Link::Connecting)),
            (cluster, Delta::Link(Link::Live)),
            (cluster, Delta::Discovered { version: "v1.36.2".into(), catalog }),
        ]));
    }

    /// A whole list of a kind.
    pub fn rows(&mut self, cluster: ClusterId, plural: &str, rows: Vec<Row>) {
        let deltas = [
            TableDelta::ListStart,
            TableDelta::Upsert(rows),
            TableDelta::ListEnd,
            TableDelta::Feed(Feed::Live),
            TableDelta::Heard(NOW),
        ];
        self.table(cluster, plural, deltas.into());
    }

    /// Deltas of a table.
    pub fn table(&mut self, cluster: ClusterId, plural: &str, deltas: Vec<TableDelta>) {
        let id = resource(plural);
        self.tell(Msg::World(deltas.into_iter().map(|d| (cluster, Delta::Table(id.clone(), d))).collect()));
    }

    /// A message.
    pub fn tell(&mut self, msg: Msg) {
        let effects = update(&mut self.state, msg);
        self.asked.extend(effects);
    }

    /// Lines of a container of namespace `shop` in `prod-eu`, with their timestamps.
    pub fn log(&mut self, request: RequestId, pod: &str, container: &str, lines: &[&str]) {
        let lines = lines.iter().map(|line| LogLine::new(line.to_string())).collect();
        self.tell(Msg::LogLines { request, source: log_source(EU, "shop", pod, container), lines });
    }

    /// Keys by name, as in keymaps, separated by spaces.
    pub fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.tell(Msg::Key(event(key)));
        }
    }

    /// Characters one by one; `\n` is Enter.
    pub fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
            self.tell(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
    }

    /// What was asked of the outside since the last call.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.asked)
    }

    /// Whether something visible changed since the last call or screen.
    pub fn changed(&mut self) -> bool {
        settle(&mut self.state)
    }

    /// The screen as text, lines without the blanks at their ends.
    pub fn screen(&mut self) -> String {
        settle(&mut self.state);
        self.drawn = text_of(&self.buffer(&self.theme));
        self.drawn.clone()
    }

    /// The screen in the colours of the theme `dark`: its text, and below it a letter for each cell's style, with what
    /// the letters mean. A cell in the terminal's own colours is a dot.
    pub fn coloured(&mut self) -> (String, String) {
        settle(&mut self.state);
        let buffer = self.buffer(&Theme::load("dark", &|_| None).0);
        (text_of(&buffer), styles_of(&buffer))
    }

    fn buffer(&self, theme: &Theme) -> Buffer {
        let (width, height) = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| crate::ui::draw(&self.state, theme, frame)).unwrap();
        terminal.backend().buffer().clone()
    }
}

fn text_of(buffer: &Buffer) -> String {
    let mut lines = vec![];
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += (unicode_width::UnicodeWidthStr::width(symbol) as u16).max(1);
        }
        lines.push(line.trim_end().to_string());
    }
    lines.join("\n")
}

fn styles_of(buffer: &Buffer) -> String {
    let mut legend: Vec<String> = vec![];
    let mut letter = |cell: &Cell| {
        // A foreground without a letter in it paints nothing.
        let blank = cell.symbol() == " " && !cell.modifier.intersects(Modifier::REVERSED | Modifier::UNDERLINED);
        let fg = if blank { Color::Reset } else { cell.fg };
        let modifier = if blank { Modifier::empty() } else { cell.modifier };
        if (fg, cell.bg, modifier) == (Color::Reset, Color::Reset, Modifier::empty()) {
            return '.';
        }
        let style = format!("{fg} on {} {modifier:?}", cell.bg);
        let at = legend.iter().position(|known| *known == style).unwrap_or_else(|| {
            legend.push(style);
            legend.len() - 1
        });
        char::from(b'a' + u8::try_from(at).expect("few styles"))
    };
    let rows = (0..buffer.area.height).map(|y| (0..buffer.area.width).map(|x| letter(&buffer[(x, y)])).collect());
    let rows: Vec<String> = rows.map(|row: String| row.trim_end_matches('.').to_string()).collect();
    let legend = legend.iter().enumerate().map(|(n, style)| format!("{} {style}", char::from(b'a' + n as u8)));
    rows.into_iter().chain(legend).collect::<Vec<_>>().join("\n")
}

/// A container whose log is read.
pub fn log_source(cluster: ClusterId, namespace: &str, pod: &str, container: &str) -> Arc<LogSource> {
    Arc::new(LogSource { cluster, namespace: namespace.into(), pod: pod.into(), container: container.into() })
}

fn event(key: &str) -> KeyEvent {
    let (modifiers, key) = match key.split_once("ctrl-") {
        Some(("", rest)) => (KeyModifiers::CONTROL, rest),
        _ => (KeyModifiers::NONE, key),
    };
    let (modifiers, key) = match key.split_once("alt-") {
        Some(("", rest)) => (modifiers | KeyModifiers::ALT, rest),
        _ => (modifiers, key),
    };
    let (modifiers, key) = match key.split_once("shift-") {
        Some(("", rest)) => (modifiers | KeyModifiers::SHIFT, rest),
        _ => (modifiers, key),
    };
    let code = match key {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "space" => KeyCode::Char(' '),
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "backspace" => KeyCode::Backspace,
        one => KeyCode::Char(one.chars().next().unwrap()),
    };
    KeyEvent::new(code, modifiers)
}

/// Group and plural of a kind with a file of its own, or of a core kind.
pub fn resource(plural: &str) -> ResourceId {
    kinds::TABLE.iter().find(|kind| kind.plural == plural).map_or_else(
        || if plural == "widgets" { ResourceId::new("example.com", plural) } else { ResourceId::core(plural) },
        |kind| kind.id(),
    )
}

fn uid(kind: &str, namespace: &str, name: &str) -> Uid {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (kind, namespace, name).hash(&mut hasher);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    Uid(bytes)
}

fn meta(kind: &str, namespace: &str, name: &str, age: i64) -> Meta {
    Meta {
        uid: uid(kind, namespace, name),
        name: name.into(),
        namespace: namespace.into(),
        created: Time(NOW.0 - age),
        deleting: false,
        labels: [(Arc::from("app"), Arc::from(name.split('-').next().unwrap()))].into(),
        owner: None,
    }
}

fn raw(value: &Value) -> Raw {
    Raw::alone(value.to_string().as_bytes())
}

/// A pod of a ReplicaSet (its name without the last part), with as many containers as `total`.
pub fn pod(name: &str, namespace: &str, status: &str, ready: u16, total: u16, node: &str) -> Row {
    let tone = match status {
        "Running" => Tone::Ok,
        "Completed" => Tone::Done,
        "ContainerCreating" => Tone::Busy,
        _ => Tone::Bad,
    };
    let container = |n: u16| ContainerRow {
        name: if n == 0 { "app".into() } else { format!("side{n}").into() },
        image: "registry.example.com/shop/web:1.4.2".into(),
        role: Role::Main,
        ready: n < ready,
        restarts: if tone == Tone::Bad { 14 } else { 0 },
        state: if tone == Tone::Bad { status.into() } else { "Running".into() },
        last_exit: (tone == Tone::Bad).then_some(1),
        last_reason: if tone == Tone::Bad { "Error".into() } else { "".into() },
    };
    let body = PodRow {
        node: node.into(),
        status: status.into(),
        ip: if node.is_empty() { "".into() } else { "10.0.0.7".into() },
        ready,
        total,
        restarts: if status == "CrashLoopBackOff" { 14 } else { 0 },
        last_restart: if status == "CrashLoopBackOff" { Time(NOW.0 - 120) } else { Time::NEVER },
        unready_since: if tone == Tone::Bad { Time(NOW.0 - 41 * 60) } else { Time::NEVER },
        qos: "Burstable".into(),
        cpu: 250,
        memory: 256 << 20,
        cpu_limit: 500,
        memory_limit: 512 << 20,
        containers: (0..total).map(container).collect(),
    };
    let value = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name.split('-').next()}, "managedFields": [{"manager": "kubectl"}]},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "registry.example.com/shop/web:1.4.2"}]},
        "status": {"phase": if tone == Tone::Ok { "Running" } else { "Pending" }},
    });
    let mut meta = meta("Pod", namespace, name, 3 * 86_400);
    if let Some((set, _)) = name.rsplit_once('-') {
        meta.owner = Some(Arc::new(Owner { kind: "ReplicaSet".into(), name: set.into() }));
    }
    Row { meta, body: Body::Pod(body.into()), tone, raw: raw(&value) }
}

/// A row of a kind with a file of its own, its cells worked out from the object as they are live.
pub fn object(plural: &str, value: Value) -> Row {
    let kind = kinds::of(&resource(plural)).unwrap();
    let cells = kind.columns.iter().filter_map(|column| match column.source {
        Source::Object(cell) => Some(cell(&value)),
        _ => None,
    });
    let meta = meta(kind.kind, str_at(&value, "/metadata/namespace"), str_at(&value, "/metadata/name"), 90_000);
    Row { meta, body: Body::Cells(cells.collect()), tone: (kind.tone)(&value), raw: raw(&value) }
}

pub fn node(name: &str, ready: bool, cordoned: bool) -> Row {
    let status = if ready { "True" } else { "False" };
    object(
        "nodes",
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "spec": {"unschedulable": cordoned},
            "status": {
                "conditions": [{"type": "Ready", "status": status}],
                "allocatable": {"cpu": "4", "memory": "16Gi"},
                "nodeInfo": {"kubeletVersion": "v1.36.2"},
            },
        }),
    )
}

pub fn deployment(name: &str, namespace: &str) -> Row {
    object(
        "deployments",
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}},
            "status": {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
        }),
    )
}

pub fn application(name: &str, sync: &str) -> Row {
    object(
        "applications",
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "namespace": "argocd"},
            "spec": {"source": {"repoURL": "https://git.example.com/fleet.git", "path": name, "targetRevision": "main"},
                     "destination": {"namespace": name, "server": "https://kubernetes.default.svc"}},
            "status": {"sync": {"status": sync, "revision": "4f1c2ab0"}, "health": {"status": "Healthy"},
                       "resources": [{"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "status": sync, "health": {"status": "Healthy"}}]},
        }),
    )
}

/// A row whose whole object has this spec too.
pub fn with_spec(mut row: Row, spec: Value) -> Row {
    let mut value = row.raw.value().unwrap();
    let known = value["spec"].as_object_mut().unwrap();
    known.extend(spec.as_object().unwrap().clone());
    row.raw = raw(&value);
    row
}

/// A row with an owner.
pub fn owned(mut row: Row, kind: &str, name: &str) -> Row {
    row.meta.owner = Some(Arc::new(Owner { kind: kind.into(), name: name.into() }));
    row
}

/// A row as the server prints it, of which nothing is kept.
pub fn printed(kind: &str, name: &str, namespace: &str) -> Row {
    let meta = meta(kind, namespace, name, 3_600);
    Row { meta, body: Body::Cells(Box::default()), tone: Tone::Ok, raw: Raw::default() }
}

pub fn replica_set(name: &str, namespace: &str, deployment: &str, replicas: u32) -> Row {
    let row = object(
        "replicasets",
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": replicas}, "status": {"replicas": replicas, "readyReplicas": replicas},
        }),
    );
    owned(row, "Deployment", deployment)
}
