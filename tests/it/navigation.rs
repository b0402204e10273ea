//! Getting around: sets of contexts and namespaces, the `:` line, jumps, the tree.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use kokpit::world::object::ResourceId;
use serde_json::json;

/// Three clusters with a shop each, and a configuration with names for them.
struct Fleet {
    home: Home,
    clusters: Vec<Embedded>,
}

const NAMES: [&str; 3] = ["prod-eu", "prod-us", "lab"];

impl Fleet {
    fn new(config: &str) -> Self {
        let (home, clusters) = (Home::new(), Vec::from_iter(NAMES.map(|_| Embedded::shop())));
        let urls: Vec<String> = clusters.iter().map(Embedded::url).collect();
        home.kubeconfig(&NAMES.iter().copied().zip(urls.iter().map(String::as_str)).collect::<Vec<_>>());
        home.write("config/config.toml", config);
        for cluster in &clusters {
            until("the pods of the shop", || (cluster.pods().len() == 3).then_some(()));
            for (namespace, name) in
                [("shop", "app-config"), ("db", "db-config"), ("team-a", "a-config"), ("team-b", "b-config")]
            {
                if cluster.get("namespaces", "", namespace).is_none() {
                    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
                    cluster.store.create(&ResourceId::core("namespaces"), object).expect("a namespace");
                }
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"LOG_LEVEL": "info"}});
                cluster.store.create(&ResourceId::core("configmaps"), object).expect("a ConfigMap");
            }
        }
        Self { home, clusters }
    }

    fn tui(&self, args: &[&str]) -> Tui {
        self.home.tui_sized(args, 120, 30)
    }
}

/// Rows of the table that hold a text; the bar may hold it too.
fn rows(text: &str, wanted: &str) -> usize {
    text.lines().skip(1).filter(|line| !line.trim_start().starts_with('!')).filter(|line| line.contains(wanted)).count()
}

fn head(tui: &Tui) -> String {
    tui.text().lines().next().unwrap_or_default().to_string()
}

/// Waits until the top line begins like this.
fn wait_head(tui: &Tui, text: &str) {
    tui.wait_for(&format!("a top line with `{text}`"), |screen| {
        screen.contents().lines().next().is_some_and(|line| line.contains(text))
    });
}

const GROUPS: &str =
    "[groups]\nprod = [\"prod-*\"]\n[aliases]\nbig = \"pods -A /big\"\n[namespaces]\nfavourites = [\"db\"]\n";

#[test]
fn a_group_of_contexts_is_viewed_as_one() {
    let fleet = Fleet::new(GROUPS);
    let mut tui = fleet.tui(&["--group", "prod"]);
    tui.send(":pods shop\r").wait_for("the pods of both", |screen| rows(&screen.contents(), " big ") == 2);
    assert!(head(&tui).contains("prod-eu · prod-us") && !tui.text().contains("lab"), "{}", tui.text());
    tui.quit();
    // A pattern is a group without a name; one that is not there is named with its neighbour.
    let mut tui = fleet.tui(&["--context", "l*"]);
    tui.send(":pods shop\r").wait("big");
    assert!(head(&tui).contains("lab"), "{}", tui.text());
    tui.send(":pods @prod\r").wait_for("the pods of the group", |screen| rows(&screen.contents(), " big ") == 2);
    wait_head(&tui, "prod-eu · prod-us");
    tui.quit();
    let ran = fleet.home.run(&["--context", "@prd", "why", "pod/big", "-n", "shop"]);
    assert!(ran.code != Some(0) && ran.err.contains("did you mean @prod?"), "{ran:?}");
}

#[test]
fn clusters_are_marked_opened_and_closed_from_the_list() {
    let fleet = Fleet::new("");
    let mut tui = fleet.tui(&["--context", "prod-eu"]);
    tui.wait("not opened (Enter opens)");
    // Two marks, viewed together.
    tui.send(" ")
        .send("j")
        .send(" ")
        .does("open", "\r")
        .wait_for("the pods of both", |screen| rows(&screen.contents(), " big ") == 2);
    assert!(head(&tui).contains("prod-eu · lab"), "{}", tui.text());
    tui.send(":ctx\r").wait("CLUSTER");
    // Closing one leaves the other as it is.
    tui.does("close-cluster", "\u{4}").wait("let go of prod-eu");
    tui.send("\u{1b}").wait_for("the pods of one", |screen| {
        let text = screen.contents();
        rows(&text, " big ") == 1 && text.lines().next().is_some_and(|line| !line.contains("prod-eu"))
    });
    tui.quit();
}

#[test]
fn a_cluster_that_fails_leaves_the_others_still() {
    let mut fleet = Fleet::new("");
    let mut tui = fleet.tui(&["--all-contexts"]);
    tui.send(":pods shop\r").wait_for("the pods of all", |screen| rows(&screen.contents(), " big ") == 3);
    let others = |tui: &Tui| -> Vec<String> {
        tui.text()
            .lines()
            .skip(2)
            .filter(|line| line.contains(" big ") && !line.contains("prod-us"))
            // (Without their age.)
            .map(|line| line.split_whitespace().take(5).collect::<Vec<_>>().join(" "))
            .collect()
    };
    let before = others(&tui);
    fleet.clusters[1].stop();
    tui.wait("prod-us unreachable");
    assert_eq!(others(&tui), before);
    assert!(tui.row_with("prod-us ").is_some(), "its rows stay");
    fleet.clusters[1].start();
    tui.wait_gone("prod-us unreachable");
    assert_eq!(others(&tui), before);
    tui.quit();
}

#[test]
fn namespaces_are_marked_matched_and_come_back_without_a_list() {
    let fleet = Fleet::new(GROUPS);
    let cluster = &fleet.clusters[0];
    let mut tui = fleet.tui(&["--context", "prod-eu"]);
    tui.send(":cm shop\r").wait("app-config");
    let lists = || cluster.listed("configmaps");
    let first = lists();
    tui.send(":cm db\r").wait("db-config");
    let second = lists();
    assert_eq!(second, first + 1, "only the namespace that was new is listed");
    // To and fro: nothing is asked again, and what changed meanwhile is there.
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new-config", "namespace": "shop"}});
    cluster.store.create(&ResourceId::core("configmaps"), object).expect("a ConfigMap");
    tui.send(":cm shop\r").wait("new-config");
    tui.send(":cm db\r").wait("db-config");
    assert_eq!(lists(), second);
    // The configured favourite has the key 1; a pattern takes several.
    tui.does("namespace-all", "0").wait("a-config");
    tui.does("namespace-1", "1").wait("ns db");
    tui.send(":cm team-?\r").wait("team-b");
    assert!(tui.text().contains("a-config") && !tui.text().contains("app-config"), "{}", tui.text());
    assert!(tui.text().contains("NAMESPACE"), "several namespaces are told apart");
    // Marks in the list.
    tui.send(":ns\r").wait("IN VIEW");
    tui.send("/team\r").wait_gone("kube-system");
    tui.send(" ").send(" ").send("\r");
    wait_head(&tui, "ns team-a,team-b");
    tui.send(":ns shpo\r").wait("did you mean `shop`");
    tui.quit();
    // Visited namespaces are remembered.
    assert!(fleet.home.read("state/namespaces").lines().any(|line| line == "shop"));
}

#[test]
fn the_line_knows_aliases_takes_its_parts_in_any_order_and_explains_them() {
    let fleet = Fleet::new(GROUPS);
    let mut tui = fleet.tui(&["--all-contexts"]);
    tui.send(":big @prod-us\r").wait(" big ");
    wait_head(&tui, "/big");
    assert!(head(&tui).contains("prod-us  pods  all namespaces"), "{}", head(&tui));
    tui.send(":@prod /web -l app=web shop pods\r");
    wait_head(&tui, "prod-eu · prod-us  pods  ns shop  /-l app=web /web  4");
    // Without a kind it is the view there is.
    tui.send(":@lab\r");
    wait_head(&tui, "lab  pods  ns shop");
    // Letters in order find a word, with its help; the arrow chooses it.
    tui.send(":dply").wait("Deployment of apps");
    tui.send("\u{1b}[A\r");
    wait_head(&tui, "deployments");
    tui.send(":uncordn\r").wait("did you mean `uncordon`?");
    tui.send("\u{1b}");
    tui.send(":pods @pr").wait("group: prod-eu, prod-us");
    tui.send("\u{1b}");
    tui.quit();
}

/// A Deployment whose pods use a ConfigMap that is there and a Secret that is not.
fn api(cluster: &Embedded) {
    let labels = json!({"app": "api"});
    let container = json!({"name": "app", "image": "api:1", "envFrom": [{"configMapRef": {"name": "app-config"}}],
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api-token", "key": "token"}}}]});
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop", "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}});
    cluster.store.create(&ResourceId::new("apps", "deployments"), object).expect("a Deployment");
    until("its pod", || cluster.pods().iter().any(|pod| pod.starts_with("api-")).then_some(()));
}

#[test]
fn a_tree_shows_what_is_missing_and_heals_before_ones_eyes() {
    let fleet = Fleet::new("");
    let cluster = &fleet.clusters[0];
    api(cluster);
    let mut tui = fleet.tui(&["--context", "prod-eu"]);
    tui.send(":deploy shop\r").wait("▸api");
    tui.does("xray", "b").wait("Secret api-token");
    tui.wait_for("the Secret that is missing", |screen| {
        screen.contents().lines().any(|line| line.contains("Secret api-token") && line.contains("missing"))
    });
    // (It grows while what belongs to it is read.)
    tui.wait_for("the ConfigMap that is there", |screen| {
        let there = |line: &str| line.contains("ConfigMap app-config") && line.contains("envFrom");
        screen.contents().lines().any(|line| there(line) && !line.contains("missing"))
    });
    tui.wait("ReplicaSet api-");
    tui.wait("Pod api-");
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api-token", "namespace": "shop"}, "data": {"token": "c2VjcmV0"}});
    cluster.store.create(&ResourceId::core("secrets"), object).expect("a Secret");
    tui.wait_gone("missing");
    // Fold the root, unfold it; go down to the pod, describe it, come back to the same line.
    tui.send("\r").wait_gone("Pod api-");
    tui.send("\r").wait("Pod api-");
    tui.send("jj").send("d").wait("QoS class");
    tui.send("\u{1b}").wait_for("the cursor on the pod", |screen| {
        screen.contents().lines().any(|line| line.starts_with('▸') && line.contains("Pod api-"))
    });
    tui.quit();
}

#[test]
fn who_uses_a_config_map_is_one_key_away() {
    let fleet = Fleet::new("");
    api(&fleet.clusters[0]);
    let mut tui = fleet.home.tui_sized(&["--context", "prod-eu"], 80, 24);
    tui.send(":cm shop /app-config\r").wait("DATA");
    tui.wait("▸app-config");
    tui.does("used-by", "u").wait("Deployment api");
    tui.wait("Pod api-");
    assert!(head(&tui).contains("xray  ConfigMap shop/app-config"), "{}", tui.text());
    // From the pod's line to the pod among the others, to its owner, and back step by step.
    // (The tree grows while what belongs to it is read.)
    tui.send("G").wait_for("the cursor on the pod", |screen| {
        screen.contents().lines().any(|line| line.starts_with('▸') && line.contains("Pod api-"))
    });
    tui.does("in-table", "t").wait("pods  ns shop");
    tui.does("owner", "J").wait("replicasets");
    tui.send("\u{1b}").send("\u{1b}");
    wait_head(&tui, "xray");
    tui.quit();
}
