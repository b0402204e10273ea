//! Programs of the user's own: keys, the `:` line, help, what they are told, and what refuses them.

use super::fixture::*;
use crate::config::{Input, InputKind, Plugin};
use crate::effect::Effect;
use crate::effect::plugin::PluginCall;
use crate::state::Start;

fn plugin(name: &str, key: &str, kinds: &[&str]) -> Plugin {
    Plugin {
        name: name.into(),
        key: Some(key.into()),
        kinds: kinds.iter().map(|kind| kind.to_string()).collect(),
        command: name.into(),
        doc: format!("Run {name} on it."),
        changes: true,
        line: 3,
        ..Plugin::default()
    }
}

fn looks(name: &str, key: &str, kinds: &[&str]) -> Plugin {
    Plugin { changes: false, ..plugin(name, key, kinds) }
}

fn stage(plugins: Vec<Plugin>, change: impl FnOnce(&mut Start)) -> Stage {
    let mut stage = Stage::started(100, 30, |start| {
        start.plugins = plugins;
        change(start);
    });
    stage.connect(EU);
    stage.rows(EU, "pods", vec![pod("web-1", "shop", "Running", 1, 1, "n1")]);
    stage.rows(EU, "nodes", vec![node("n1", true, false)]);
    stage
}

/// What was started at once, or shown first.
fn called(stage: &mut Stage) -> Option<(bool, PluginCall)> {
    stage.effects().into_iter().find_map(|effect| match effect {
        Effect::Plugin { call, .. } => Some((true, *call)),
        Effect::PlanPlugin { call, .. } => Some((false, *call)),
        _ => None,
    })
}

fn variable<'a>(call: &'a PluginCall, name: &str) -> &'a str {
    call.targets[0].variables.iter().find(|(known, _)| known == name).map_or("(unknown)", |(_, value)| value)
}

#[test]
fn a_plugin_is_told_what_is_under_the_cursor() {
    let mut stage = stage(vec![looks("stern", "shift-q", &["po"])], |_| {});
    stage.type_in(":pods shop @prod-eu /web\n");
    stage.press("shift-q");
    let (at_once, call) = called(&mut stage).expect("a call");
    assert!(at_once, "what changes nothing needs no plan");
    assert_eq!((call.cluster, call.object().as_str()), (EU, "pods shop/web-1"));
    for (name, value) in [
        ("NAME", "web-1"),
        ("POD", "web-1"),
        ("NAMESPACE", "shop"),
        ("RESOURCE_NAME", "pods"),
        ("RESOURCE_VERSION", "v1"),
        ("FILTER", "web"),
        ("COL-STATUS", "Running"),
        ("COL-IP", "10.0.0.7"),
        ("CONTAINER", ""),
    ] {
        assert_eq!(variable(&call, name), value, "{name}");
    }
    // By its name, and by the long way.
    for line in [":stern\n", ":plugin stern\n"] {
        stage.type_in(line);
        assert!(called(&mut stage).is_some(), "{line}");
    }
    // Not for nodes.
    stage.type_in(":nodes @prod-eu\n");
    stage.type_in(":stern\n");
    assert!(called(&mut stage).is_none());
    assert!(stage.screen().contains("stern does not apply here: it is for po"), "{}", stage.screen());
}

#[test]
fn containers_have_plugins_of_their_own() {
    let mut stage =
        stage(vec![looks("dive", "shift-q", &["containers"]), looks("stern", "shift-e", &["pods"])], |_| {});
    stage.type_in(":pods shop @prod-eu\n");
    stage.press("shift-q");
    assert!(called(&mut stage).is_none());
    stage.press("enter shift-e");
    assert!(called(&mut stage).is_none(), "a plugin of pods is not one of containers");
    stage.press("shift-q");
    let (_, call) = called(&mut stage).expect("a call");
    let told = ["NAME", "CONTAINER", "POD"].map(|name| variable(&call, name));
    assert_eq!(told, ["app", "app", "web-1"]);
}

#[test]
fn it_runs_on_every_marked_row_of_one_cluster() {
    let mut stage = stage(vec![looks("stern", "shift-q", &["pods"])], |_| {});
    let pods = ["web-1", "web-2", "web-3"].map(|name| pod(name, "shop", "Running", 1, 1, "n1"));
    stage.rows(EU, "pods", pods.to_vec());
    stage.type_in(":pods shop\n");
    stage.press("space j space");
    stage.press("shift-q");
    let (_, call) = called(&mut stage).expect("a call");
    let objects: Vec<&str> = call.targets.iter().map(|target| target.object.as_str()).collect();
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert_eq!(call.object(), "2 pods");
    for target in &call.targets {
        let name = target.object.rsplit('/').next().unwrap();
        for variable in ["NAME", "COL-NAME"] {
            let value = target.variables.iter().find(|(known, _)| known == variable).map(|(_, value)| value.as_str());
            assert_eq!(value, Some(name), "each is told its own {variable}");
        }
    }
    // One cluster at a time.
    stage.connect(US);
    stage.rows(US, "pods", vec![pod("api-1", "shop", "Running", 1, 1, "n1")]);
    stage.type_in(":pods shop\n");
    stage.press("g space G space shift-q");
    assert!(called(&mut stage).is_none());
    assert!(stage.screen().contains("the marked rows are in several clusters"), "{}", stage.screen());
}

#[test]
fn it_asks_for_what_it_wants_to_know_one_thing_after_the_other() {
    let input = |name: &str, kind, required, default: &str| Input {
        name: name.into(),
        label: format!("the {name}"),
        kind,
        required,
        default: default.into(),
    };
    let inputs = vec![
        input("size", InputKind::Number, true, "3"),
        input("speed", InputKind::Choice(vec!["fast".into(), "slow".into()]), false, ""),
    ];
    let mut stage = stage(vec![Plugin { inputs, ..looks("resize", "shift-q", &[]) }], |_| {});
    stage.type_in(":pods shop @prod-eu\n");
    stage.press("shift-q");
    assert!(stage.screen().contains("resize, the size (a number): 3"), "{}", stage.screen());
    stage.type_in("x\n");
    assert!(stage.screen().contains("`3x` is not a number"), "{}", stage.screen());
    stage.press("backspace");
    stage.type_in("5\n");
    assert!(called(&mut stage).is_none());
    assert!(stage.screen().contains("the speed (fast, slow, may be empty):"), "{}", stage.screen());
    stage.type_in("sl\n");
    let (_, call) = called(&mut stage).expect("a call");
    let wanted = [("INPUT_SIZE", "35"), ("INPUT_SPEED", "slow")];
    assert_eq!(call.inputs, wanted.map(|(name, value)| (name.to_string(), value.to_string())));
    // Nothing runs when one leaves.
    stage.press("shift-q");
    stage.press("esc");
    assert!(called(&mut stage).is_none());
    assert!(!stage.screen().contains("the size"), "{}", stage.screen());
}

#[test]
fn what_may_change_something_is_shown_first_and_refused_where_nothing_may_be_changed() {
    let plugins = || vec![plugin("bump", "shift-q", &[]), looks("stern", "shift-e", &[])];
    let mut stage_rw = stage(plugins(), |_| {});
    stage_rw.type_in(":pods shop @prod-eu\n");
    stage_rw.press("shift-q");
    let (at_once, _) = called(&mut stage_rw).expect("a plan");
    assert!(!at_once);
    assert!(stage_rw.screen().contains("finding out what this would do"), "{}", stage_rw.screen());
    for (frozen, said) in [(false, "read-only: bump is refused"), (true, "prod-eu is read-only: bump is refused")] {
        let mut stage = stage(plugins(), |start| {
            start.readonly = !frozen;
            start.frozen = if frozen { vec!["prod-*".into()] } else { vec![] };
        });
        stage.type_in(":pods shop @prod-eu\n");
        stage.press("shift-q");
        assert!(called(&mut stage).is_none());
        assert!(stage.screen().contains(said), "{}", stage.screen());
        stage.press("shift-e");
        assert!(called(&mut stage).is_some(), "what only looks may run");
    }
}

#[test]
fn a_key_that_is_taken_stays_what_it_is() {
    let mut greedy = looks("greedy", "ctrl-d", &["pods"]);
    let mut stage_kept = stage(vec![greedy.clone(), looks("odd", "hyper-x", &[])], |_| {});
    let said: Vec<String> = stage_kept.state.notices.all().map(|notice| notice.text.clone()).collect();
    assert!(
        said.iter().any(|s| s.starts_with("config.toml:3: the plugin greedy has no key on pods: Ctrl-D is delete")),
        "{said:?}"
    );
    assert!(said.iter().any(|s| s.starts_with("config.toml:3: the plugin odd has no key: ")), "{said:?}");
    stage_kept.type_in(":pods shop @prod-eu\n");
    stage_kept.press("ctrl-d");
    assert!(called(&mut stage_kept).is_none());
    greedy.replaces = true;
    let mut stage = stage(vec![greedy], |_| {});
    stage.type_in(":pods shop @prod-eu\n");
    stage.press("ctrl-d");
    assert!(called(&mut stage).is_some());
}

#[test]
fn help_and_the_line_know_plugins() {
    let mut stage = stage(vec![looks("stern", "shift-q", &["pods"]), looks("other", "", &["nodes"])], |_| {});
    stage.type_in(":pods shop @prod-eu\n");
    stage.type_in(":ster");
    assert!(stage.screen().contains("Run stern on it."), "{}", stage.screen());
    stage.press("esc ?");
    stage.press("/");
    stage.type_in("Run .* on it\n");
    let screen = stage.screen();
    assert!(screen.contains("Shift-Q") && screen.contains("Run stern on it."), "{screen}");
    assert!(screen.contains(":other") && screen.contains("For nodes."), "{screen}");
}
