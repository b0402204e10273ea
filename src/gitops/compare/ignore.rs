//! Differences that do not count: `spec.ignoreDifferences` of the Application and those of Argo CD's own settings
//! (`argocd-cm`, `resource.customizations.ignoreDifferences.…`; docs `diffing.md`).
//!
//! Of the jq expressions, paths are understood: `.spec.containers[] | select(.name == "app") | .resources`,
//! `.webhooks[]?.clientConfig.caBundle`. What else is written there is said, and its differences are shown.

use super::differing;
use crate::world::glob;
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::text::clean;
use crate::world::writers::{Path, Step, writers};
use serde_json::Value;

const SETTINGS: &str = "resource.customizations.ignoreDifferences.";

/// All rules that hold for an Application.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Expressions that are not understood here.
    pub unread: Vec<String>,
}

#[derive(Debug, Default)]
struct Rule {
    group: String,
    kind: String,
    namespace: String,
    name: String,
    ways: Vec<Vec<Part>>,
    managers: Vec<String>,
}

/// A step to what is ignored.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// A field; in a list, the item at this place.
    Key(String),
    /// Every item, or those of which a field has a value (or another one).
    Each(Option<Test>),
}

#[derive(Clone, Debug, PartialEq)]
struct Test {
    way: Vec<String>,
    equal: bool,
    value: Value,
}

impl Test {
    fn passes(&self, item: &Value) -> bool {
        let found = self.way.iter().try_fold(item, |at, key| at.get(key)).unwrap_or(&Value::Null);
        (*found == self.value) == self.equal
    }
}

impl Rules {
    /// The rules of an Application and of its Argo CD's settings, the ConfigMap `argocd-cm`.
    pub fn of(application: &Value, settings: Option<&Value>) -> Self {
        let mut all = Self::default();
        for rule in list_at(application, "/spec/ignoreDifferences") {
            let of = |key: &str| str_at(rule, key).to_string();
            let place = Rule {
                group: of("/group"),
                kind: of("/kind"),
                namespace: of("/namespace"),
                name: of("/name"),
                ..Rule::default()
            };
            all.add(place, rule);
        }
        let data = settings.and_then(|s| s.get("data")).and_then(Value::as_object);
        for (key, text) in data.into_iter().flatten() {
            let Some(kind) = key.strip_prefix(SETTINGS) else { continue };
            let Some(rule) = text.as_str().and_then(|text| serde_saphyr::from_str::<Value>(text).ok()) else {
                continue;
            };
            let (group, kind) = match kind {
                "all" => ("*", "*"),
                kind => kind.rsplit_once('_').unwrap_or(("", kind)),
            };
            all.add(Rule { group: group.into(), kind: kind.into(), ..Rule::default() }, &rule);
        }
        all
    }

    fn add(&mut self, mut rule: Rule, written: &Value) {
        let texts = |at: &str| list_at(written, at).iter().filter_map(Value::as_str);
        rule.ways = texts("/jsonPointers").map(pointer).collect();
        for expression in texts("/jqPathExpressions") {
            match jq(expression) {
                Some(way) => rule.ways.push(way),
                None => self.unread.push(clean(expression).into_owned()),
            }
        }
        rule.managers = texts("/managedFieldsManagers").map(str::to_string).collect();
        self.rules.push(rule);
    }

    /// Takes what is ignored out of both sides; `live` is the object with its `managedFields`.
    pub fn apply(&self, live: &Value, before: &mut Value, after: &mut Value) {
        let me = ObjectRef::of(live);
        for rule in self.rules.iter().filter(|rule| rule.is_for(&me)) {
            for way in &rule.ways {
                take(before, way);
                take(after, way);
            }
            for writer in writers(live).filter(|w| rule.managers.iter().any(|name| name == w.manager)) {
                for path in differing(before, after).iter().filter(|path| writer.owns(path)) {
                    let value = find(before, path).cloned();
                    put(after, &path.0, value);
                }
            }
        }
    }
}

impl Rule {
    fn is_for(&self, object: &ObjectRef) -> bool {
        glob::matches(&self.group, &object.group)
            && glob::matches(&self.kind, &object.kind)
            && (self.name.is_empty() || self.name == object.name)
            && (self.namespace.is_empty() || self.namespace == object.namespace)
    }
}

/// A JSON pointer (RFC 6901).
fn pointer(text: &str) -> Vec<Part> {
    let parts = text.split('/').skip(1);
    parts.map(|part| Part::Key(part.replace("~1", "/").replace("~0", "~"))).collect()
}

/// A path in jq; `None` for everything that is more than that.
fn jq(text: &str) -> Option<Vec<Part>> {
    let mut way = vec![];
    for piece in pieces(text)? {
        match piece.strip_prefix("select(").and_then(|rest| rest.strip_suffix(')')) {
            Some(test) => match way.last_mut() {
                Some(Part::Each(none @ None)) => *none = Some(read_test(test)?),
                _ => return None,
            },
            None => steps(&piece, &mut way)?,
        }
    }
    (!way.is_empty()).then_some(way)
}

/// What stands between the bars.
fn pieces(text: &str) -> Option<Vec<String>> {
    let (mut all, mut depth, mut quoted) = (vec![String::new()], 0_i32, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            '|' if !quoted && depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        all.last_mut()?.push(c);
    }
    (depth == 0 && !quoted).then(|| all.iter().map(|piece| piece.trim().to_string()).collect())
}

/// `.name == "app"`, `.kind != "Secret"`
fn read_test(text: &str) -> Option<Test> {
    let (equal, (way, value)) = match text.split_once("==") {
        Some(sides) => (true, sides),
        None => (false, text.split_once("!=")?),
    };
    let mut parts = vec![];
    steps(way.trim(), &mut parts)?;
    let way = parts.into_iter().map(|part| if let Part::Key(key) = part { Some(key) } else { None });
    Some(Test { way: way.collect::<Option<_>>()?, equal, value: serde_json::from_str(value.trim()).ok()? })
}

/// `.spec.containers[0].image`, `.metadata.annotations["a/b"]`, `.webhooks[]?`
fn steps(text: &str, way: &mut Vec<Part>) -> Option<()> {
    let mut rest = text.strip_prefix('.')?;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(['?', '.']) {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("[]") {
            way.push(Part::Each(None));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            let key = match inside.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"')?,
                None => inside.parse::<usize>().ok().map(|_| inside)?,
            };
            way.push(Part::Key(key.into()));
            rest = after;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"')?;
            way.push(Part::Key(key.into()));
            rest = after;
        } else {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() {
                return None;
            }
            way.push(Part::Key(key.into()));
            rest = after;
        }
    }
    Some(())
}

/// Takes out what a way leads to.
fn take(value: &mut Value, way: &[Part]) {
    let Some((first, rest)) = way.split_first() else { return };
    match (first, value) {
        (Part::Key(key), Value::Object(map)) if rest.is_empty() => drop(map.shift_remove(key)),
        (Part::Key(key), Value::Object(map)) => map.get_mut(key).into_iter().for_each(|child| take(child, rest)),
        (Part::Key(key), Value::Array(items)) => {
            let Some(at) = key.parse().ok().filter(|at: &usize| *at < items.len()) else { return };
            if rest.is_empty() { drop(items.remove(at)) } else { take(&mut items[at], rest) }
        }
        (Part::Each(test), Value::Array(items)) => {
            let chosen = |item: &Value| test.as_ref().is_none_or(|test| test.passes(item));
            if rest.is_empty() {
                items.retain(|item| !chosen(item));
            } else {
                items.iter_mut().filter(|item| chosen(item)).for_each(|item| take(item, rest));
            }
        }
        (Part::Each(_), Value::Object(map)) if rest.is_empty() => map.clear(),
        (Part::Each(_), Value::Object(map)) => map.iter_mut().for_each(|(_, child)| take(child, rest)),
        _ => {}
    }
}

fn find<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.0.iter().try_fold(value, |at, step| match step {
        Step::Key(key) => at.get(key),
        Step::Item(n, _) => at.get(*n),
    })
}

/// Puts a value where a path leads, or takes out what is there.
fn put(value: &mut Value, path: &[Step], new: Option<Value>) {
    let Some((first, rest)) = path.split_first() else { return };
    match (first, value) {
        (Step::Key(key), Value::Object(map)) if rest.is_empty() => match new {
            Some(new) => drop(map.insert(key.clone(), new)),
            None => drop(map.shift_remove(key)),
        },
        (Step::Key(key), Value::Object(map)) => {
            map.get_mut(key).into_iter().for_each(|child| put(child, rest, new.clone()))
        }
        (Step::Item(n, _), Value::Array(items)) => match (items.get_mut(*n), new) {
            (Some(item), Some(new)) if rest.is_empty() => *item = new,
            (Some(item), new) => put(item, rest, new),
            (None, _) => {}
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn without(rule: Value, mut object: Value) -> Value {
        let application = json!({"spec": {"ignoreDifferences": [rule]}});
        let rules = Rules::of(&application, None);
        assert_eq!(rules.unread, Vec::<String>::new());
        let (live, mut other) = (object.clone(), object.clone());
        rules.apply(&live, &mut object, &mut other);
        assert_eq!(object, other);
        object
    }

    #[test]
    fn pointers_and_paths_take_out_what_they_name() {
        let hook = |bundle: Value| {
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "m"}, "webhooks": [{"name": "a", "clientConfig": bundle}, {"name": "b", "clientConfig": bundle}]})
        };
        let rule = |how: Value| {
            let mut rule = json!({"group": "admissionregistration.k8s.io", "kind": "*"});
            json_patch::merge(&mut rule, &how);
            rule
        };
        let full = hook(json!({"caBundle": "x", "url": "u"}));
        let bare = hook(json!({"url": "u"}));
        let each = rule(json!({"jqPathExpressions": [".webhooks[]?.clientConfig.caBundle"]}));
        assert_eq!(without(each, full.clone()), bare);
        let one = rule(json!({"jqPathExpressions": [".webhooks[] | select(.name == \"b\") | .clientConfig.caBundle"]}));
        assert_eq!(without(one, full.clone())["webhooks"], json!([full["webhooks"][0], bare["webhooks"][1]]));
        let at = rule(json!({"jsonPointers": ["/webhooks/0/clientConfig/caBundle", "/not/there"]}));
        assert_eq!(without(at, full.clone())["webhooks"], json!([bare["webhooks"][0], full["webhooks"][1]]));
        let all = rule(json!({"jqPathExpressions": [".webhooks[]"]}));
        assert_eq!(without(all, full.clone())["webhooks"], json!([]));
        let other = json!({"group": "apps", "kind": "Deployment", "jsonPointers": ["/webhooks"]});
        assert_eq!(without(other, full.clone()), full);
    }

    #[test]
    fn what_is_more_than_a_path_is_said() {
        for text in [".a | test(\"x\")", "..", ".a, .b", ".a[] | select(.b)", "del(.a)", "", ".a | select(.b == 1)"] {
            let rule = json!({"kind": "*", "group": "*", "jqPathExpressions": [text]});
            let rules = Rules::of(&json!({"spec": {"ignoreDifferences": [rule]}}), None);
            assert_eq!(rules.unread, [text], "{text}");
        }
        assert_eq!(jq(".a.\"b/c\"[2]").unwrap().len(), 3);
    }

    #[test]
    fn fields_of_a_manager_and_the_settings_of_argo_cd_count() {
        let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "managedFields": [
            {"manager": "kube-hpa", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
            "spec": {"replicas": 5, "paused": true}});
        let wanted = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}});
        let settings = json!({"data": {
            "resource.customizations.ignoreDifferences.apps_Deployment": "managedFieldsManagers: [kube-hpa]\njsonPointers: [/spec/paused]\n",
            "resource.customizations.ignoreDifferences.all": "jsonPointers:\n- /metadata/managedFields\n", "other": "x"}});
        let rules = Rules::of(&json!({}), Some(&settings));
        let (mut before, mut after) = (live.clone(), wanted);
        rules.apply(&live, &mut before, &mut after);
        assert_eq!(before, after);
        assert_eq!(after["spec"], json!({"replicas": 5}), "as it lives");
    }
}
