use super::*;
use serde_json::json;

fn deployment(id: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {TRACKING_ID: id}}})
}

fn app(extra: Value) -> Value {
    let mut app = json!({"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {
        "source": {"repoURL": "https://git.example.com/ops/fleet.git", "path": "./apps/shop/", "targetRevision": "main"},
        "syncPolicy": {"automated": {}}}});
    json_patch::merge(&mut app, &extra);
    app
}

#[test]
fn tracking_ids_count_only_when_they_name_their_bearer() {
    let tracked = tracking(&deployment("shop:apps/Deployment:shop/web")).unwrap();
    assert_eq!(tracked, Tracking { namespace: None, application: "shop".into() });
    let elsewhere = tracking(&deployment("team_shop:apps/Deployment:shop/web")).unwrap();
    assert_eq!(elsewhere.namespace.as_deref(), Some("team"));
    assert!(!elsewhere.is(&app(json!({}))) && tracked.is(&app(json!({}))));
    for (id, why) in [
        ("shop:apps/Deployment:shop/other", "copy"),
        ("shop:apps/StatefulSet:shop/web", "copy"),
        ("shop:/Deployment:shop/web", "copy"),
        ("shop:apps/Deployment:else/web", "copy"),
        ("nonsense", "not one of Argo CD's"),
    ] {
        assert!(tracking(&deployment(id)).unwrap_err().0.contains(why), "{id}");
    }
    let bare = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n4"}});
    assert!(tracking(&bare).unwrap_err().0.contains("Node n4 is not tracked"));
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n4",
        "annotations": {TRACKING_ID: "nodes:/Node:default/n4"}}});
    assert_eq!(tracking(&node).unwrap().application, "nodes", "the namespace part of a Node is the destination's");
}

#[test]
fn a_plain_directory_is_read_with_its_options() {
    let plain = source(&app(json!({}))).unwrap();
    assert_eq!((plain.path.as_str(), plain.recurse, plain.automated), ("apps/shop", false, true));
    let off =
        json!({"spec": {"source": {"directory": {"recurse": true}}, "syncPolicy": {"automated": {"enabled": false}}}});
    let off = source(&app(off)).unwrap();
    assert!(off.recurse && off.explicit && !off.automated);
    assert!(!source(&app(json!({"spec": {"syncPolicy": null}}))).unwrap().automated);
}

#[test]
fn everything_rendered_is_refused_by_its_name() {
    for (extra, why) in [
        (json!({"spec": {"source": {"helm": {"valueFiles": ["v.yaml"]}}}}), "Helm"),
        (json!({"spec": {"source": {"chart": "redis"}}}), "Helm chart from a chart repository"),
        (json!({"spec": {"source": {"kustomize": {}}}}), "Kustomize"),
        (json!({"spec": {"source": {"plugin": {}}}}), "plugin"),
        (json!({"status": {"sourceType": "Kustomize"}}), "Kustomize"),
        (json!({"spec": {"source": {"directory": {"exclude": "*.x"}}}}), "pattern"),
        (json!({"spec": {"sources": [{}, {}]}}), "2 sources"),
        (json!({"spec": {"source": null}}), "no source"),
        (json!({"spec": {"sourceHydrator": {}}}), "hydrated"),
        (json!({"metadata": {"ownerReferences": [{"kind": "ApplicationSet", "name": "all"}]}}), "ApplicationSet all"),
        (json!({"metadata": {"annotations": {WRITE_BACK: "deny"}}}), "deny"),
        (json!({"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}}), "being deleted"),
    ] {
        let refusal = source(&app(extra.clone())).expect_err("must be refused").0;
        assert!(refusal.contains(why) && refusal.contains("argocd/shop"), "{extra}: {refusal}");
    }
}

#[test]
fn urls_have_one_spelling() {
    let one = normalise("https://git.example.com/ops/fleet.git");
    for url in [
        "https://Git.Example.com/ops/fleet",
        "git@git.example.com:ops/fleet.git",
        "ssh://git@git.example.com:22/ops/fleet.git/",
        "https://token:x@git.example.com:443/ops/fleet/",
    ] {
        assert_eq!(normalise(url), one, "{url}");
    }
    assert_ne!(normalise("https://git.example.com/ops/Fleet"), one);
    assert_eq!(normalise("file:///srv/fleet.git/"), normalise("/srv/fleet"));
    assert_eq!(redact("https://mara:s3cret@git.example.com/ops/fleet"), "https://git.example.com/ops/fleet");
}

#[test]
fn the_repository_is_found_by_any_of_its_urls_and_its_branch() {
    let source = source(&app(json!({}))).unwrap();
    let one = Candidate { urls: vec!["git@git.example.com:ops/fleet"], branch: "main" };
    let other = Candidate { urls: vec!["git@git.example.com:ops/other"], branch: "main" };
    assert_eq!(repository(&source.url, &source.revision, &[other.clone(), one.clone()]), Ok(1));
    assert!(repository(&source.url, &source.revision, &[other]).unwrap_err().0.contains("argo_urls"));
    let branch = Candidate { branch: "release", ..one };
    assert!(repository(&source.url, &source.revision, &[branch]).unwrap_err().0.contains("another branch"));
}

#[test]
fn the_file_is_the_only_one_that_holds_the_object() {
    let web = ObjectRef::new("apps", "Deployment", "shop", "web");
    let doc = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";
    let file = |name: &str, text: &str| (name.to_string(), text.to_string());
    let flat = source(&app(json!({}))).unwrap();
    let files = [
        file("apps/shop/web.yaml", doc),
        file("apps/shop/sub/web.yaml", doc),
        file("apps/shop/readme.md", doc),
        file("apps/shopping/web.yaml", doc),
        file("apps/shop/broken.yaml", "web: ["),
    ];
    assert_eq!(pick(&flat, &files, &web).unwrap(), "apps/shop/web.yaml");
    let deep = Source { recurse: true, ..flat.clone() };
    assert!(pick(&deep, &files, &web).unwrap_err().0.contains("several files"));
    let refusal = pick(&flat, &files[4..], &web).unwrap_err().0;
    assert!(refusal.contains("broken.yaml is not YAML"), "{refusal}");
    let kustomized = [file("apps/shop/kustomization.yaml", "resources: []"), files[0].clone()];
    assert!(pick(&flat, &kustomized, &web).unwrap_err().0.contains("Kustomize"));
}

#[test]
fn directories_are_read_whoever_may_write_to_them() {
    let plain = app(
        json!({"metadata": {"annotations": {WRITE_BACK: "deny"}, "ownerReferences": [{"kind": "ApplicationSet", "name": "all"}]}}),
    );
    let found = directories(&plain).unwrap();
    assert_eq!(found.iter().map(|(n, s)| (*n, s.path.as_str())).collect::<Vec<_>>(), [(0, "apps/shop")]);
    let several = app(json!({"spec": {"source": null, "sources": [
        {"repoURL": "https://a", "path": "one"}, {"repoURL": "https://b", "ref": "values"}, {"repoURL": "https://c", "path": "two"}]}}));
    let found = directories(&several).unwrap();
    assert_eq!(found.iter().map(|(n, s)| (*n, s.path.as_str())).collect::<Vec<_>>(), [(0, "one"), (2, "two")]);
    for (extra, why) in [
        (json!({"spec": {"source": {"helm": {}}}}), "argocd/shop renders a Helm chart"),
        (json!({"spec": {"source": {"directory": {"jsonnet": {"libs": ["x"]}}}}}), "Jsonnet"),
        (json!({"spec": {"sources": [{"path": "a"}, {"chart": "redis"}]}}), "installs a Helm chart"),
        (
            json!({"spec": {"sources": [{"path": "a"}, {"path": "b"}]}, "status": {"sourceTypes": ["Directory", "Kustomize"]}}),
            "Kustomize",
        ),
        (json!({"spec": {"sourceHydrator": {}}}), "hydrated"),
        (json!({"spec": {"source": null}}), "has no source"),
    ] {
        let refusal = directories(&app(extra.clone())).expect_err("must be refused").0;
        assert!(refusal.contains(why) && !refusal.contains("by hand"), "{extra}: {refusal}");
    }
}

#[test]
fn a_destination_is_here_or_has_a_name_or_a_server() {
    let to = |destination: Value| app(json!({"spec": {"destination": destination}}));
    for here in [json!({}), json!({"server": "https://kubernetes.default.svc/"}), json!({"name": "in-cluster"})] {
        assert_eq!(destination(&to(here.clone())), Destination::Here, "{here}");
    }
    let there = to(json!({"name": "prod"}));
    assert_eq!(destination(&there), Destination::There { name: "prod", server: "" });
    assert!(same_server("https://API.example.com:443/", "https://api.example.com"));
    assert!(!same_server("https://a", "https://b"));
}
