//! Argo CD in one cluster, what it deploys in another: the place in git of what is wrong, and the reason of what Argo CD
//! shows, are found across the two.

use crate::embedded::Embedded;
use crate::recordings;
use crate::support::{Home, until};
use kokpit::world::object::ResourceId;
use serde_json::{Value, json};

/// The hub and the cluster it deploys to; the pod of Deployment `api` there asks for more than any node has.
fn fleet() -> (Embedded, Embedded) {
    let (hub, prod) = (Embedded::shop(), Embedded::shop());
    let labels = json!({"app": "api"});
    let tracked = json!({"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/api"});
    let containers = json!([{"name": "app", "image": "api:1", "resources": {"requests": {"cpu": "64"}}}]);
    let api = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "api", "namespace": "shop", "labels": labels, "annotations": tracked},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}});
    prod.store.create(&ResourceId::new("apps", "deployments"), api).expect("a Deployment");
    (hub, prod)
}

fn application(server: &str, name: &str) -> Value {
    let api = json!({"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "api", "status": "Synced"});
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {"project": "default", "destination": {"server": server, "name": name, "namespace": "shop"},
            "source": {"repoURL": "https://git.example.com/fleet.git", "path": "apps/shop", "targetRevision": "main"}},
        "status": {"controllerNamespace": "argocd", "sync": {"status": "Synced"}, "resources": [api],
            "health": {"status": "Degraded", "lastTransitionTime": "2026-01-01T00:00:00Z"}}})
}

fn deploy(hub: &Embedded, application: Value) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}});
    hub.store.create(&ResourceId::core("namespaces"), namespace).expect("a namespace");
    hub.store.create(&ResourceId::new("argoproj.io", "applications"), application).expect("an Application");
}

/// The verdict on a target in a cluster of the fleet, once it names a reason.
fn verdict(home: &Home, target: &str, namespace: &str, cluster: &str) -> Value {
    until("a reason", || {
        let ran = home.run(&["why", target, "-n", namespace, "--all-contexts", "-o", "json"]);
        let told = ran.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        told.into_iter().find(|v| v["cluster"] == cluster && v["primary"]["cause"] == "fit-insufficient-resource")
    })
}

#[test]
fn what_a_hub_deploys_has_its_place_in_git() {
    for by_name in [false, true] {
        let (home, (hub, prod)) = (Home::new(), fleet());
        home.kubeconfig(&[("prod", &prod.url()), ("hub", &hub.url())]);
        deploy(&hub, if by_name { application("", "prod") } else { application(&prod.url(), "") });
        let told = verdict(&home, "deployment/api", "shop", "prod");
        let places = told["primary"]["fixes"].as_array().into_iter().flatten().map(|fix| &fix["git"]);
        let place = places.into_iter().find(|git| !git.is_null()).unwrap_or_else(|| panic!("no place in git: {told}"));
        assert_eq!((&place["application"], &place["cluster"]), (&json!("argocd/shop"), &json!("hub")), "{told}");
        assert_eq!(place["repo"], "https://git.example.com/fleet.git");
        // Without the hub nobody knows.
        let alone = home.run(&["why", "deployment/api", "-n", "shop", "--context", "prod"]);
        assert!(alone.out.contains("found in no open cluster"), "{}", alone.out);
    }
    // An Application that deploys somewhere else proves nothing.
    let (home, (hub, prod)) = (Home::new(), fleet());
    home.kubeconfig(&[("prod", &prod.url()), ("hub", &hub.url())]);
    deploy(&hub, application("https://kubernetes.default.svc", ""));
    let told = verdict(&home, "deployment/api", "shop", "prod");
    assert!(told["primary"]["fixes"].as_array().into_iter().flatten().all(|fix| fix["git"].is_null()), "{told}");
}

#[test]
fn an_application_is_followed_into_the_cluster_it_deploys_to() {
    let (home, (hub, prod)) = (Home::new(), fleet());
    home.kubeconfig(&[("hub", &hub.url()), ("prod", &prod.url())]);
    deploy(&hub, application(&prod.url(), ""));
    let told = verdict(&home, "application/shop", "argocd", "hub");
    assert_eq!((&told["primary"]["cluster"], &told["primary"]["object"]["kind"]), (&json!("prod"), &json!("Pod")));
    let follows = told["contributing"].as_array().into_iter().flatten().map(|finding| &finding["cause"]);
    assert!(follows.into_iter().any(|cause| cause == "argo-health-degraded-child"), "{told}");
    recordings::holds("finding", &told["primary"]);
    let text = home.run(&["why", "application/shop", "-n", "argocd", "--all-contexts"]).out;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("in cluster prod") && text.contains("kubectl --context prod "), "{text}");
    // On the screen too.
    let mut tui = home.tui_sized(&["--all-contexts"], 150, 40);
    tui.wait("prod");
    tui.send(":applications @hub\r").wait("Degraded");
    tui.send("x").wait("in cluster prod");
    tui.quit();
}
