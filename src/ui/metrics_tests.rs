//! CPU and memory in use: columns, containers, descriptions and pulses.

use super::fixture::*;
use super::tests::everywhere;
use crate::effect::Effect;
use crate::kinds;
use crate::msg::Msg;
use crate::world::fleet::{ClusterId, Delta, Feed};
use crate::world::metrics::{Measured, MetricsDelta, Of, Usage, Wanted};
use crate::world::object::Resource;
use crate::world::time::Time;
use insta::assert_snapshot;
use serde_json::json;
use std::sync::Arc;

/// The cluster serves `metrics.k8s.io`.
fn serve(stage: &mut Stage, cluster: ClusterId) {
    let kind = |of: Of| Resource { id: of.kind(), verbs: vec!["list".into()], ..kinds::well_known()[0].clone() };
    let catalog: Arc<[Resource]> =
        kinds::well_known().iter().cloned().chain([kind(Of::Nodes), kind(Of::Pods)]).collect();
    stage.tell(Msg::World(vec![(cluster, Delta::Discovered { version: "v1.36.2".into(), catalog })]));
}

fn samples(stage: &mut Stage, cluster: ClusterId, of: Of, at: i64, all: &[(&str, &str, i64, i64)]) {
    let sample = |(namespace, name, cpu, mi): &(&str, &str, i64, i64)| Measured {
        namespace: (*namespace).into(),
        name: (*name).into(),
        at: Time(NOW.0 + at),
        parts: vec![(if of == Of::Nodes { "" } else { "app" }.into(), Usage { cpu: *cpu, memory: mi << 20 })],
    };
    let deltas = [
        MetricsDelta::Samples(of, all.iter().map(sample).collect()),
        MetricsDelta::End(of, Time(NOW.0 + at)),
        MetricsDelta::Feed(of, Feed::Live),
    ];
    stage.tell(Msg::World(deltas.into_iter().map(|delta| (cluster, Delta::Metrics(delta))).collect()));
}

/// Two clusters, of which `prod-eu` is measured three times and `prod-us` cannot be.
fn measured(width: u16, height: u16) -> Stage {
    let mut stage = Stage::live(width, height);
    serve(&mut stage, EU);
    for n in 0..3 {
        let at = -30 + 15 * n;
        let pods = [
            ("shop", "cart-7d9f-x2k4q", 100 + 60 * n, 200),
            ("shop", "web-66c8-9mxrt", 20, 500 - 10 * n),
            ("shop", "api-5f7d-aaaaa", 400 - 100 * n, 96),
        ];
        samples(&mut stage, EU, Of::Pods, at, &pods);
        samples(
            &mut stage,
            EU,
            Of::Nodes,
            at,
            &[("", "n1", 1200 + 400 * n, 12_000), ("", "n2", 900, 3_000), ("", "n4", 100, 800)],
        );
    }
    stage
}

/// What was asked to be measured last.
fn asked(stage: &mut Stage, cluster: ClusterId) -> Option<Wanted> {
    stage.screen();
    stage.tell(Msg::Tick(NOW));
    stage.effects().into_iter().rev().find_map(|effect| match effect {
        Effect::Measure { cluster: of, wanted } if of == cluster => Some(wanted),
        _ => None,
    })
}

fn titles(stage: &mut Stage) -> Vec<String> {
    stage.screen();
    stage.state.painted.grid.columns.iter().map(|column| column.title.clone()).collect()
}

#[test]
fn only_what_is_shown_is_asked_for() {
    let mut stage = Stage::live(120, 30);
    serve(&mut stage, EU);
    assert_eq!(asked(&mut stage, EU), None, "the fleet shows nothing of it");
    stage.type_in(":pods shop @prod-eu\n");
    assert_eq!(asked(&mut stage, EU), Some(Wanted { nodes: false, pods: Some(vec!["shop".into()]) }));
    stage.type_in(":nodes @prod-eu\n");
    assert_eq!(asked(&mut stage, EU), Some(Wanted { nodes: true, pods: None }));
    stage.type_in(":services\n");
    assert_eq!(asked(&mut stage, EU), Some(Wanted::default()));
    // Where there is no room for it, it is not shown; until somebody wants it.
    let mut stage = Stage::live(70, 24);
    serve(&mut stage, EU);
    stage.type_in(":pods @prod-eu\n");
    assert_eq!(asked(&mut stage, EU), None);
    assert_eq!(titles(&mut stage), ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "NODE"]);
    stage.press("shift-c");
    assert_eq!(asked(&mut stage, EU), Some(Wanted { nodes: false, pods: Some(vec![]) }));
    assert!(titles(&mut stage).contains(&"CPU".into()) && !titles(&mut stage).contains(&"MEM".into()));
    // A table that stands still needs nothing new.
    stage.press("shift-h");
    assert_eq!(asked(&mut stage, EU), Some(Wanted::default()));
}

#[test]
fn what_nobody_looks_at_is_forgotten_and_what_is_old_says_nothing() {
    let mut stage = measured(120, 30);
    stage.type_in(":pods @prod-eu\n");
    asked(&mut stage, EU);
    assert!(stage.screen().contains("220m"), "{}", stage.drawn);
    stage.tell(Msg::Tick(Time(NOW.0 + 200)));
    assert!(!stage.screen().contains("220m"), "{}", stage.drawn);
    samples(&mut stage, EU, Of::Pods, 200, &[("shop", "cart-7d9f-x2k4q", 77, 1)]);
    assert!(stage.screen().contains("77m"), "{}", stage.drawn);
    stage.type_in(":services\n");
    stage.tell(Msg::Tick(Time(NOW.0 + 210)));
    assert!(!stage.state.fleet.shard(EU).metrics.is_empty());
    stage.tell(Msg::Tick(Time(NOW.0 + 600)));
    assert!(stage.state.fleet.shard(EU).metrics.is_empty());
}

#[test]
fn a_pod_made_anew_is_not_taken_for_the_one_before() {
    let mut stage = measured(120, 30);
    let mut anew = pod("cart-7d9f-x2k4q", "shop", "Running", 1, 1, "n2");
    anew.meta.created = Time(NOW.0 + 1);
    stage.rows(EU, "pods", vec![anew]);
    stage.type_in(":pods @prod-eu\n");
    assert!(stage.screen().contains("n/a") && !stage.drawn.contains("220m"), "{}", stage.drawn);
}

#[test]
fn the_largest_comes_first_and_what_is_not_known_last() {
    let mut stage = measured(140, 30);
    stage.type_in(":pods @prod-eu\n");
    let order = |stage: &mut Stage| -> Vec<String> {
        let screen = stage.screen();
        let names = ["cart", "web", "api", "db-0"];
        let line = |name: &&str| screen.lines().skip(2).position(|line| line.contains(*name));
        let mut found: Vec<_> = names.iter().map(|name| (line(name), name.to_string())).collect();
        found.sort();
        found.into_iter().map(|(_, name)| name).collect()
    };
    stage.press("shift-c");
    assert_eq!(order(&mut stage), ["cart", "api", "web", "db-0"]);
    stage.press("shift-c");
    assert_eq!(order(&mut stage), ["web", "api", "cart", "db-0"], "{}", stage.drawn);
    // As samples come, rows move.
    let now = [("shop", "cart-7d9f-x2k4q", 1, 200), ("shop", "web-66c8-9mxrt", 20, 500)];
    samples(&mut stage, EU, Of::Pods, 15, &now);
    assert_eq!(order(&mut stage)[..2], ["cart", "web"], "{}", stage.drawn);
    stage.press("shift-m");
    assert_eq!(order(&mut stage)[..2], ["web", "cart"], "{}", stage.drawn);
}

#[test]
fn clusters_without_it_say_so_once() {
    let mut stage = Stage::live(120, 30);
    stage.type_in(":pods\n");
    assert!(!titles(&mut stage).contains(&"CPU".into()), "no column of which nothing is known");
    stage.press("ctrl-w");
    assert_eq!(asked(&mut stage, US), Some(Wanted { nodes: false, pods: Some(vec![]) }));
    for _ in 0..3 {
        for of in [Of::Pods, Of::Nodes] {
            let feed = Feed::Unknown("the cluster has no metrics API".into());
            stage.tell(Msg::World(vec![(US, Delta::Metrics(MetricsDelta::Feed(of, feed)))]));
        }
    }
    assert!(stage.screen().contains("n/a"), "{}", stage.drawn);
    stage.type_in(":notices\n");
    let screen = stage.screen();
    assert_eq!(screen.matches("prod-us: CPU and memory in use are not shown").count(), 1, "{screen}");
}

#[test]
fn pods_wide() {
    let mut stage = measured(160, 20);
    stage.type_in(":pods shop @prod-eu\n");
    stage.press("ctrl-w");
    everywhere(&mut stage, "metrics_pods_wide");
}

#[test]
fn nodes() {
    let mut stage = measured(110, 14);
    stage.type_in(":nodes\n");
    everywhere(&mut stage, "metrics_nodes");
}

#[test]
fn containers() {
    let mut stage = measured(80, 24);
    let amounts = json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}});
    let spec = json!({"containers": [{"name": "app", "resources": amounts}]});
    stage.rows(EU, "pods", vec![with_spec(pod("cart-7d9f-x2k4q", "shop", "Running", 2, 2, "n2"), spec)]);
    stage.type_in(":pods shop @prod-eu\n");
    stage.press("enter");
    assert_eq!(asked(&mut stage, EU), Some(Wanted { nodes: false, pods: Some(vec!["shop".into()]) }));
    let narrow = stage.screen();
    stage.tell(Msg::Resize(130, 12));
    assert_snapshot!("metrics_containers", format!("{narrow}\n{}", stage.screen()));
}

#[test]
fn descriptions_say_what_is_used_as_it_comes() {
    let mut stage = measured(100, 60);
    stage.type_in(":nodes @prod-eu\n");
    stage.press("d");
    let request = stage.effects().into_iter().find_map(|effect| match effect {
        Effect::FetchObject { request, .. } => Some(request),
        _ => None,
    });
    let value = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
        "status": {"allocatable": {"cpu": "4", "memory": "16Gi"}}});
    stage.tell(Msg::Object { request: request.unwrap(), answer: Ok(Arc::new(value)) });
    let line = |stage: &mut Stage| {
        let screen = stage.screen();
        screen.lines().find(|line| line.contains(" cpu ") && line.contains("of 4")).unwrap_or_default().to_string()
    };
    assert!(line(&mut stage).contains("50% of 4") && line(&mut stage).contains("▅▇█"), "{}", stage.drawn);
    samples(&mut stage, EU, Of::Nodes, 15, &[("", "n1", 3000, 12_000)]);
    assert!(line(&mut stage).contains("75% of 4"), "{}", stage.drawn);
}

#[test]
fn pulses() {
    let mut stage = measured(80, 24);
    stage.type_in(":pulses\n");
    assert_eq!(asked(&mut stage, EU), Some(Wanted { nodes: true, pods: Some(vec![]) }));
    stage.tell(Msg::World(vec![(
        US,
        Delta::Metrics(MetricsDelta::Feed(Of::Nodes, Feed::Unknown("the cluster has no metrics API".into()))),
    )]));
    stage.press("down up");
    everywhere(&mut stage, "pulses");
}

#[test]
fn every_pulse_leads_somewhere() {
    let lead = |downs: usize| {
        let mut stage = measured(80, 30);
        stage.type_in(":pu @prod-eu\n");
        for _ in 0..downs {
            stage.press("tab");
        }
        stage.press("enter");
        let sort = match &stage.state.nav.top().view {
            crate::state::nav::View::Table(table) => table.sort.as_ref().map(|sort| sort.column.clone()),
            _ => None,
        };
        let picked = stage.state.picked().map(|picked| picked.object.name).unwrap_or_default();
        (stage.screen().lines().next().unwrap_or_default().to_string(), sort, picked)
    };
    let (head, sort, picked) = lead(0);
    assert!(head.contains("prod-eu  nodes"), "{head}");
    assert_eq!((sort.as_deref(), picked.as_str()), (Some("%CPU"), "n1"));
    assert_eq!(lead(1).1.as_deref(), Some("%MEM"));
    assert!(lead(2).0.contains("prod-eu  pods"));
    // Four rows of each of two clusters, then what uses most: cart, api, web by CPU.
    assert_eq!((lead(8).2, lead(9).2), ("cart-7d9f-x2k4q".into(), "api-5f7d-aaaaa".into()));
}

#[test]
fn what_is_about_to_be_short_stands_out_in_its_cell() {
    let mut stage = measured(120, 30);
    // Of 4 CPUs and 16 Gi each.
    let all = [("", "n1", 2800, 800), ("", "n2", 3800, 12_000), ("", "n4", 2700, 800)];
    samples(&mut stage, EU, Of::Nodes, 20, &all);
    stage.type_in(":nodes @prod-eu\nG");
    let (screen, styles) = stage.coloured();
    let style = |node: &str, percent: &str| {
        let (line, letters) = screen.lines().zip(styles.lines()).find(|(line, _)| line.contains(node)).unwrap();
        let at = line.chars().collect::<String>().find(&format!(" {percent} ")).unwrap_or_else(|| panic!("{screen}"));
        let letter = letters.chars().nth(line[..at].chars().count() + 1).unwrap();
        let meant = styles.lines().find(|line| line.starts_with(&format!("{letter} ")));
        meant.map_or(String::new(), |meant| meant[2..].to_string())
    };
    let (usual, warn, bad) = (style("n1", "5"), style("n1", "70"), style("n2", "95"));
    assert!(usual != warn && usual != bad && warn != bad, "{usual} | {warn} | {bad}");
    assert_eq!(style("n2", "73"), warn);
    // Under the cursor the letters keep their colour.
    assert_eq!(style("n4", "68").split(' ').next(), usual.split(' ').next());
}

#[test]
fn a_cluster_that_is_not_to_be_asked_is_not() {
    let mut stage = Stage::started(200, 30, |start| start.unmeasured = vec!["prod-eu".into()]);
    stage.connect(EU);
    stage.rows(EU, "pods", vec![pod("web-1", "shop", "Running", 1, 1, "n1")]);
    serve(&mut stage, EU);
    stage.type_in(":pods shop @prod-eu\n");
    assert_eq!(asked(&mut stage, EU), None);
    assert!(!titles(&mut stage).contains(&"CPU".into()), "{:?}", titles(&mut stage));
    assert_eq!(stage.state.notices.all().count(), 0, "nobody wanted to see it");
    // Whoever wants to see it is told.
    stage.press("shift-c");
    assert_eq!(asked(&mut stage, EU), None);
    let said: Vec<String> = stage.state.notices.all().map(|notice| notice.text.clone()).collect();
    let why = "prod-eu: CPU and memory in use are not shown: switched off (metrics in config.toml)";
    assert_eq!(said, [why]);
    stage.type_in(":pulses @prod-eu\n");
    assert_eq!(asked(&mut stage, EU), None);
    assert!(stage.screen().contains("switched off (metrics in config.toml)"), "{}", stage.screen());
}
