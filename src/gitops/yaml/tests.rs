use super::*;
use proptest::prelude::*;
use serde_json::json;
use similar::{ChangeTag, TextDiff};

const FILES: [(&str, &str); 6] = [
    ("anchors", include_str!("../../../tests/data/yaml/anchors.yaml")),
    ("multi", include_str!("../../../tests/data/yaml/multi.yaml")),
    ("indentless", include_str!("../../../tests/data/yaml/indentless.yaml")),
    ("flow", include_str!("../../../tests/data/yaml/flow.yaml")),
    ("crlf", include_str!("../../../tests/data/yaml/crlf.yaml")),
    ("tabs", include_str!("../../../tests/data/yaml/tabs.yaml")),
];
const NODE: &str = include_str!("../../../tests/data/yaml/node.yaml");

fn web() -> ObjectRef {
    ObjectRef::new("apps", "Deployment", "shop", "web")
}

fn resources() -> FieldPath {
    FieldPath::keys(["spec", "template", "spec", "containers"]).item("web").key("resources")
}

/// Lines taken out and put in.
fn changed(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let (mut out, mut put) = (vec![], vec![]);
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let line = change.value().trim().to_string();
        match change.tag() {
            ChangeTag::Delete => out.push(line),
            ChangeTag::Insert => put.push(line),
            ChangeTag::Equal => {}
        }
    }
    (out, put)
}

fn edit(text: &str, edit: Edit) -> Result<String, Refusal> {
    apply("web.yaml", text, &web(), &[edit])
}

#[test]
fn a_value_is_replaced_on_its_line_in_every_style() {
    for (name, text) in FILES {
        let path = resources().key("limits").key("memory");
        let after = edit(text, Edit::Set(path.clone(), json!("1Gi"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (out, put) = changed(text, &after);
        assert_eq!((out.len(), put.len()), (1, 1), "{name}\n{after}");
        assert_eq!(out[0].replace("128Mi", "1Gi"), put[0], "{name}: only the token changes");
        assert_eq!(read(&after, &web(), &path).unwrap(), Some(json!("1Gi")), "{name}");
        let replicas = FieldPath::keys(["spec", "replicas"]);
        let after = edit(text, Edit::Set(replicas, json!(7))).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(changed(text, &after).1.len(), 1, "{name}\n{after}");
    }
}

#[test]
fn a_key_is_added_beside_its_siblings() {
    for (name, text) in FILES {
        let path = FieldPath::keys(["spec", "paused"]);
        let after = edit(text, Edit::Set(path.clone(), json!(true))).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (out, put) = changed(text, &after);
        assert!(out.len() <= 1 && put.len() == out.len() + 1, "{name}: {out:?} {put:?}");
        assert_eq!(read(&after, &web(), &path).unwrap(), Some(json!(true)), "{name}");
    }
}

#[test]
fn missing_mappings_on_the_way_are_made() {
    for (name, text) in FILES {
        let path = FieldPath::keys(["spec", "strategy", "rollingUpdate", "maxSurge"]);
        let after = edit(text, Edit::Set(path.clone(), json!("25%"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read(&after, &web(), &path).unwrap(), Some(json!("25%")), "{name}\n{after}");
    }
}

#[test]
fn a_key_is_taken_out_with_its_line_only() {
    for (name, text) in FILES {
        let path = resources().key("limits").key("cpu");
        let after = edit(text, Edit::Remove(path.clone())).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (out, put) = changed(text, &after);
        assert!(out.len() == put.len() + usize::from(name != "flow"), "{name}: {out:?} {put:?}");
        assert_eq!(read(&after, &web(), &path).unwrap(), None, "{name}");
        let memory = resources().key("limits").key("memory");
        assert_eq!(read(&after, &web(), &memory).unwrap(), Some(json!("128Mi")), "{name}: the sibling stays");
    }
}

#[test]
fn a_cordon_and_its_reverse_give_the_baseline_back_byte_for_byte() {
    let node = ObjectRef::new("", "Node", "", "worker-3");
    let reason = "EXT4-fs error on sda; keep evidence: yes # really";
    let flip = [
        Edit::Set(FieldPath::annotation("kokpit.dev/reason"), json!(reason)),
        Edit::Set(FieldPath::annotation("kokpit.dev/op"), json!("01JD3M")),
        Edit::Set(FieldPath::keys(["spec", "unschedulable"]), json!(true)),
    ];
    let cordoned = apply("n.yaml", NODE, &node, &flip).unwrap();
    assert!(cordoned.ends_with("spec:\n  unschedulable: true\n"), "{cordoned}");
    assert_eq!(read(&cordoned, &node, flip[0].path()).unwrap(), Some(json!(reason)));
    assert_eq!(apply("n.yaml", &cordoned, &node, &flip).unwrap(), cordoned, "the second time changes nothing");
    let back: Vec<Edit> = flip.iter().map(|e| Edit::Remove(e.path().clone())).collect();
    assert_eq!(apply("n.yaml", &cordoned, &node, &back).unwrap(), NODE);
}

#[test]
fn strings_that_yaml_reads_otherwise_are_quoted() {
    let node = ObjectRef::new("", "Node", "", "worker-3");
    for text in ["on", "no", "1:30", "0017", "2026-11-21", "", "~", "1e3", "y", "a: b", "# x", "- x", "@x", "*x", "x "]
    {
        let set = Edit::Set(FieldPath::annotation("kokpit.dev/reason"), json!(text));
        let after = apply("n.yaml", NODE, &node, &[set]).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        let line = after.lines().find(|l| l.contains("kokpit.dev/reason")).unwrap();
        assert!(line.ends_with('"') || line.ends_with('\''), "{line}");
    }
}

#[test]
fn quotes_of_the_old_value_are_kept() {
    let text = |a: &str, b: &str| {
        format!("apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  labels:\n    a: \"{a}\"  # c\n    b: '{b}'\n")
    };
    let node = ObjectRef::new("", "Node", "", "n1");
    let edits = ["a", "b"].map(|k| Edit::Set(FieldPath::keys(["metadata", "labels", k]), json!("new")));
    assert_eq!(apply("n.yaml", &text("x", "y"), &node, &edits).unwrap(), text("new", "new"));
}

fn refused(text: &str, path: FieldPath, value: Value) -> String {
    edit(text, Edit::Set(path, value)).expect_err("this edit must be refused").0
}

const HEAD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";

#[test]
fn what_is_shared_is_refused() {
    let anchors = FILES[0].1;
    let cpu = FieldPath::keys(["spec", "template", "spec", "containers"]).item("side").key("resources").key("requests");
    assert!(refused(anchors, cpu.key("cpu"), json!(1)).contains("alias"));
    assert!(refused(anchors, resources().key("requests").key("cpu"), json!("1")).contains("anchor shares it"));
    let merged = FieldPath::keys(["spec", "template", "metadata", "labels", "app"]);
    assert!(refused(anchors, merged, json!("x")).contains("merge key"));
    let own = FieldPath::keys(["spec", "template", "metadata", "labels", "track"]);
    assert!(edit(anchors, Edit::Set(own, json!("canary"))).is_ok(), "a key of its own beside a merge key is fine");
}

#[test]
fn what_is_not_understood_is_refused() {
    let replicas = FieldPath::keys(["spec", "replicas"]);
    for (body, why) in [
        ("spec: {replicas: 1,\n  paused: true}\n", "braces over several lines"),
        ("spec:\n  replicas: 1\n  replicas: 2\n", "duplicate"),
        ("spec: !mine\n  replicas: 1\n", "tag"),
        ("? spec\n: replicas: 1\n", "`?` key"),
        ("spec:\n\treplicas: 1\n", "is not YAML"),
        ("spec:\n  replicas: |\n    1\n", "over several lines"),
        ("spec:\n  replicas: [1]\n", "a mapping or a list"),
        ("spec: 3\n", "something"),
        ("spec:\n  replicas: {{ .Values.n }}\n", "template"),
        ("spec: &x\n  replicas: 1\nagain: *x\n", "anchor"),
        ("sops:\n  mac: x\nspec:\n  replicas: 1\n", "SOPS"),
    ] {
        let refusal = refused(&format!("{HEAD}{body}"), replicas.clone(), json!(2));
        assert!(refusal.contains(why), "{body}: {refusal}");
        assert!(refusal.starts_with("web.yaml "), "{refusal}");
    }
    let twice = format!("{HEAD}---\n{HEAD}");
    assert!(refused(&twice, replicas.clone(), json!(2)).contains("twice"));
    assert!(refused("a: 1\n", replicas.clone(), json!(2)).contains("does not hold Deployment shop/web"));
    assert!(refused("- [\n", replicas, json!(2)).contains("is not YAML"));
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n";
    let secret_ref = ObjectRef::new("", "Secret", "", "s");
    let set = Edit::Set(FieldPath::keys(["type"]), json!("x"));
    assert!(apply("s.yaml", secret, &secret_ref, &[set]).unwrap_err().0.contains("Secret"));
}

/// A small random tree of mappings with scalar leaves.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-5i64..5000).prop_map(Value::from),
        "[a-zA-Z0-9 :#~_./-]{0,12}".prop_map(Value::from),
        Just(json!("off")),
        Just(json!(["x", {"name": "y", "k": 1}])),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop::collection::btree_map("[a-z][a-zA-Z]{0,6}", inner, 1..5)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    })
}

/// Prints a tree as people write manifests: two or four spaces, comments, blank lines, quotes of either kind, LF or CRLF.
struct Printer {
    out: String,
    indent: usize,
    noise: Vec<u8>,
    at: usize,
}

impl Printer {
    fn dice(&mut self) -> u8 {
        self.at += 1;
        self.noise[self.at % self.noise.len()]
    }

    fn scalar(&mut self, value: &Value) -> String {
        let text = match value {
            Value::String(text)
                if ambiguous(text) || text.contains([':', '#', ' ']) || text.starts_with(['-', '.']) =>
            {
                if self.dice().is_multiple_of(2) { format!("{text:?}") } else { format!("'{text}'") }
            }
            Value::String(text) if self.dice().is_multiple_of(3) => format!("{text:?}"),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if self.dice().is_multiple_of(4) { format!("{text}  # note {}", self.at) } else { text }
    }

    fn map(&mut self, value: &Value, depth: usize) {
        for (key, value) in value.as_object().unwrap() {
            let pad = " ".repeat(depth * self.indent);
            match self.dice() % 7 {
                0 => self.out += &format!("{pad}# about {key}\n"),
                1 => self.out += "\n",
                _ => {}
            }
            match value {
                Value::Object(_) => {
                    self.out += &format!("{pad}{key}:\n");
                    self.map(value, depth + 1);
                }
                Value::Array(items) => {
                    self.out += &format!("{pad}{key}:\n");
                    for item in items {
                        let item = item
                            .as_object()
                            .map_or(item.to_string(), |o| format!("name: {}\n{pad}  k: {}", o["name"], o["k"]));
                        self.out += &format!("{pad}- {item}\n");
                    }
                }
                scalar => {
                    let scalar = self.scalar(scalar);
                    self.out += &format!("{pad}{key}: {scalar}\n");
                }
            }
        }
    }
}

fn print(spec: &Value, noise: &[u8]) -> String {
    let mut printer = Printer { out: String::new(), indent: 2, noise: noise.to_vec(), at: 0 };
    if printer.dice().is_multiple_of(3) {
        printer.indent = 4;
    }
    if printer.dice().is_multiple_of(2) {
        printer.out += "# first\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: |\n    ---\n---\n";
    }
    printer.out += HEAD;
    printer.out += "spec:\n";
    printer.map(spec, 1);
    if printer.dice().is_multiple_of(4) {
        printer.out += "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    }
    if printer.dice().is_multiple_of(5) {
        printer.out.pop();
    }
    if printer.dice().is_multiple_of(4) { printer.out.replace('\n', "\r\n") } else { printer.out }
}

/// Every path to a leaf or a mapping of a tree.
fn paths(value: &Value, so_far: &FieldPath, found: &mut Vec<(FieldPath, bool)>) {
    for (key, below) in value.as_object().into_iter().flatten() {
        let path = so_far.clone().key(key);
        found.push((path.clone(), below.is_object()));
        paths(below, &path, found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// A random edit of a random file: what comes out differs in exactly the intended field, whoever parses it.
    #[test]
    fn random_edits_change_exactly_one_field(
        spec in tree().prop_filter("a mapping", Value::is_object),
        noise in prop::collection::vec(any::<u8>(), 16..48),
        pick in any::<prop::sample::Index>(),
        what in 0..4u8,
        text in "[a-z0-9 :#'\"~-]{0,10}",
    ) {
        let file = print(&spec, &noise);
        let before = documents(&file).unwrap();
        let index = before.iter().position(|d| names(d, &web())).unwrap();
        prop_assert_eq!(&before[index]["spec"], &spec, "the printer prints what it should:\n{}", file);
        let mut all = vec![];
        paths(&spec, &FieldPath::keys(["spec"]), &mut all);
        let (path, is_mapping) = pick.get(&all).clone();
        let edit = match (what, is_mapping) {
            (0, false) if !path.get(&before[index]).unwrap().is_array() => Edit::Set(path.clone(), json!(text)),
            (0 | 1, true) => Edit::Set(path.clone().key("added"), json!(text)),
            (2, true) => Edit::Set(path.clone().key("added").key("deep"), json!(17)),
            _ => Edit::Remove(path.clone()),
        };
        let mut expected = before.clone();
        match &edit {
            Edit::Set(path, value) => prop_assert!(path.set(&mut expected[index], value.clone())),
            Edit::Remove(path) => prop_assert!(path.remove(&mut expected[index])),
        }
        let after = super::apply("f.yaml", &file, &web(), std::slice::from_ref(&edit));
        let after = after.map_err(|e| TestCaseError::fail(format!("{edit:?}\n{e}\n{file}")))?;
        prop_assert_eq!(documents(&after).unwrap(), expected, "{:?}\n{}\n---->\n{}", edit, file, after);
        prop_assert_eq!(after.contains("\r\n"), file.contains("\r\n"));
    }
}
