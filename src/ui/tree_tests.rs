//! Trees: what belongs to what, over owners, uses, Services, Ingresses, nodes and Applications.

use super::fixture::*;
use super::tests::everywhere;
use crate::effect::Effect;
use crate::msg::Msg;
use crate::state::nav::View;
use crate::world::fleet::TableDelta;
use crate::world::time::Time;
use insta::assert_snapshot;
use serde_json::json;

fn template() -> serde_json::Value {
    json!({
        "containers": [{"name": "app", "image": "registry.example.com/shop/web:1.4.2",
            "env": [{"name": "LOG_LEVEL", "valueFrom": {"configMapKeyRef": {"name": "app-config", "key": "level"}}}],
            "envFrom": [{"secretRef": {"name": "app-secret"}}]}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "web-data"}},
            {"name": "extra", "configMap": {"name": "extra", "optional": true}}],
    })
}

/// The shop in prod-eu: Ingress, Service, Deployment, an old ReplicaSet, pods; and what they use.
fn shop(width: u16, height: u16) -> Stage {
    let mut stage = Stage::live(width, height);
    let web = with_spec(deployment("web", "shop"), json!({"template": {"spec": template()}}));
    stage.rows(EU, "deployments", vec![web, deployment("cart", "shop")]);
    let sets = vec![replica_set("web-66c8", "shop", "web", 2), replica_set("web-5d41", "shop", "web", 0)];
    stage.rows(EU, "replicasets", sets);
    let pods = [("web-66c8-9mxrt", "CrashLoopBackOff", 0), ("web-66c8-kkgnx", "Running", 1)];
    let pods = pods.map(|(name, status, ready)| with_spec(pod(name, "shop", status, ready, 1, "n1"), template()));
    stage.rows(EU, "pods", pods.into_iter().chain([pod("db-0", "db", "Running", 1, 1, "n2")]).collect());
    let claim = object(
        "persistentvolumeclaims",
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "web-data", "namespace": "shop"},
            "spec": {}, "status": {"phase": "Bound"}}),
    );
    stage.rows(EU, "persistentvolumeclaims", vec![claim]);
    let service = object(
        "services",
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"type": "ClusterIP", "selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    );
    stage.rows(EU, "services", vec![service]);
    let endpoint = |ip: &str, ready: bool, pod: &str| json!({"addresses": [ip], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}});
    let mut slice = object(
        "endpointslices",
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "web-abcde", "namespace": "shop"},
            "endpoints": [endpoint("10.0.0.7", true, "web-66c8-kkgnx"), endpoint("10.0.0.8", false, "web-66c8-9mxrt")],
            "ports": [{"port": 8080}]}),
    );
    slice.meta.labels = [("kubernetes.io/service-name".into(), "web".into())].into();
    stage.rows(EU, "endpointslices", vec![slice]);
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let gone = json!({"service": {"name": "carts", "port": {"number": 80}}});
    let ingress = object(
        "ingresses",
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop", "namespace": "shop"},
            "spec": {"tls": [{"secretName": "shop-tls", "hosts": ["shop.example.com"]}],
                "rules": [{"host": "shop.example.com", "http": {"paths": [{"path": "/", "backend": backend}, {"path": "/cart", "backend": gone}]}}]}}),
    );
    stage.rows(EU, "ingresses", vec![ingress]);
    stage
}

fn lines(stage: &Stage) -> Vec<String> {
    match &stage.state.nav.top().view {
        View::Tree(tree) => tree.lines.iter().map(|l| format!("{}{}", "  ".repeat(l.depth), l.text)).collect(),
        view => panic!("no tree: {view:?}"),
    }
}

#[test]
fn a_deployment_with_all_that_belongs_to_it() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut stage = shop(width, height);
        stage.type_in(":xray deploy/web shop @prod-eu\n");
        // What its pods use is watched in its namespace only; until it is there nothing is said to be missing.
        let asked = stage.effects();
        let only_shop = |e: &Effect| matches!(e, Effect::Watch { resource, namespaces, .. } if resource.plural == "secrets" && namespaces == &["shop"]);
        assert!(asked.iter().any(only_shop), "{asked:?}");
        assert!(!stage.screen().contains("missing"));
        stage.rows(EU, "configmaps", vec![printed("ConfigMap", "other", "shop")]);
        stage.rows(EU, "secrets", vec![printed("Secret", "app-secret", "shop")]);
        stage.press("down down enter");
        assert_snapshot!(format!("xray_of_a_deployment_{width}x{height}"), stage.screen());
    }
}

#[test]
fn it_folds_filters_and_lives() {
    let mut stage = shop(80, 24);
    stage.type_in(":xray deploy/web shop @prod-eu\n");
    let all = lines(&stage);
    stage.press("enter");
    assert_eq!(lines(&stage), ["Deployment shop/web"]);
    stage.press("space right");
    assert_eq!(lines(&stage), all);
    // A pod that comes is there; the cursor stays on its line.
    stage.press("down down");
    let new = with_spec(pod("web-66c8-00000", "shop", "Running", 1, 1, "n1"), template());
    stage.table(EU, "pods", vec![TableDelta::Upsert(vec![new])]);
    assert!(lines(&stage).iter().any(|line| line.ends_with("Pod web-66c8-00000")), "{:?}", lines(&stage));
    assert_eq!(stage.state.picked().unwrap().object.name, "web-66c8-9mxrt");
    stage.press("left");
    assert_eq!(stage.state.picked().unwrap().object.name, "web-66c8");
    stage.type_in("/kkgnx\n");
    assert_eq!(lines(&stage), ["Deployment shop/web", "  ReplicaSet web-66c8", "    Pod web-66c8-kkgnx"]);
    stage.press("esc z");
    assert!(lines(&stage).iter().any(|line| line.contains("container app")), "{:?}", lines(&stage));
    stage.press("z");
    assert_eq!(lines(&stage), ["Deployment shop/web"]);
    stage.tell(Msg::Tick(Time(NOW.0 + 1)));
    stage.press("esc");
    assert!(matches!(stage.state.nav.top().view, View::List(_)));
}

#[test]
fn the_usual_keys_work_on_a_line() {
    let mut stage = shop(80, 24);
    stage.type_in(":xray deploy/web shop @prod-eu\n");
    stage.press("down down right down");
    assert!(stage.screen().contains("▸") && stage.state.picked().unwrap().object.kind == "Pod");
    stage.effects();
    stage.press("l");
    assert!(stage.effects().iter().any(|e| matches!(e, Effect::StartLogs { logs, .. } if logs.streams.len() == 1 && logs.streams[0].source.to_string() == "web-66c8-9mxrt/app")));
    stage.press("esc up d");
    assert!(stage.effects().iter().any(|e| matches!(e, Effect::FetchObject { name, .. } if name == "web-66c8-9mxrt")));
    stage.press("esc x");
    assert!(stage.effects().iter().any(|e| matches!(e, Effect::Why { .. })));
    stage.press("esc t");
    assert!(stage.screen().starts_with(" prod-eu  pods  ns shop"), "{}", stage.screen());
    assert!(stage.screen().lines().next().unwrap().contains("‹ xray Deployment shop/web"), "{}", stage.screen());
}

#[test]
fn an_ingress_leads_over_services_and_slices_to_pods() {
    let mut stage = shop(100, 24);
    stage.type_in(":xray ing/shop shop @prod-eu\n");
    stage.rows(EU, "secrets", vec![]);
    everywhere(&mut stage, "xray_of_an_ingress");
}

#[test]
fn who_uses_a_config_map() {
    let mut stage = shop(80, 24);
    stage.type_in(":configmaps shop @prod-eu\n");
    stage.rows(
        EU,
        "configmaps",
        vec![printed("ConfigMap", "app-config", "shop"), printed("ConfigMap", "lonely", "shop")],
    );
    stage.press("u");
    assert_eq!(
        lines(&stage),
        ["ConfigMap shop/app-config", "  Deployment web", "    Pod web-66c8-9mxrt", "    Pod web-66c8-kkgnx"]
    );
    assert!(stage.screen().contains("env LOG_LEVEL"));
    stage.press("esc down u");
    assert_eq!(lines(&stage), ["ConfigMap shop/lonely", "  no pod, workload or Ingress that is known here uses it"]);
    // On a node the key takes it back into scheduling.
    stage.type_in(":nodes @prod-eu\n");
    stage.press("u");
    assert!(stage.screen().contains("reason to uncordon n1"));
}

#[test]
fn a_node_and_an_application() {
    let mut stage = shop(80, 24);
    stage.type_in(":xray no/n1 @prod-eu\n");
    assert_eq!(lines(&stage), ["Node n1", "  Pod shop/web-66c8-9mxrt", "  Pod shop/web-66c8-kkgnx"]);
    stage.type_in(":xray app/shop @prod-eu\n");
    assert_eq!(
        lines(&stage)[..3],
        ["Application argocd/shop", "  Deployment shop/web", "    ReplicaSet web-66c8"].map(String::from)
    );
    // And from a pod back to it: the Application lists the Deployment above it.
    stage.type_in(":pods shop @prod-eu\n");
    stage.press("shift-b");
    assert_eq!(stage.state.picked().unwrap().object.to_string(), "Application argocd/shop");
}

#[test]
fn a_kind_as_a_forest_and_the_way_down() {
    let mut stage = shop(80, 24);
    stage.type_in(":xray deploy shop @prod-eu\n");
    let roots: Vec<String> = lines(&stage).into_iter().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(roots, ["Deployment shop/cart", "Deployment shop/web"]);
    stage.type_in(":deploy shop @prod-eu\n");
    stage.press("down z");
    assert!(stage.screen().contains("replicasets  ns shop  of Deployment web  2"), "{}", stage.screen());
    let head = |stage: &mut Stage| stage.screen().lines().next().unwrap().to_string();
    assert!(head(&mut stage).contains("‹ deployments"), "{}", head(&mut stage));
    stage.press("ctrl-g");
    assert!(!head(&mut stage).contains('‹'));
}
