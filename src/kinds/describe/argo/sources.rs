//! Where an Application comes from, with what its renderers are told.

use super::short;
use crate::kinds::describe::page::Page;
use crate::kinds::describe::{Mark, joined, scalar};
use crate::world::object::{bool_at, list_at, str_at};
use serde_json::Value;

/// Every source in one line each, and beneath it what is set for it.
pub fn describe(page: &mut Page, app: &Value) {
    let single = app.pointer("/spec/source").into_iter();
    let all: Vec<&Value> = single.chain(list_at(app, "/spec/sources")).collect();
    let several = all.len() > 1;
    page.list("Source", all.iter().map(|source| line(source)), "none");
    for (n, source) in all.iter().enumerate().filter(|(_, source)| has_settings(source)) {
        page.section(&if several { format!("Source {}", n + 1) } else { "Source".into() });
        if several {
            page.some("Compared at", short(str_at(app, &format!("/status/sync/revisions/{n}"))));
        }
        settings(page, source);
    }
    hydrator(page, app);
}

/// `https://… path shop at main`
fn line(source: &Value) -> String {
    let what = match (str_at(source, "/chart"), str_at(source, "/path"), str_at(source, "/ref")) {
        ("", "", name) => format!("as ${name}"),
        ("", path, "") => format!("path {path}"),
        ("", path, name) => format!("path {path} and as ${name}"),
        (chart, ..) => format!("chart {chart}"),
    };
    let at = match str_at(source, "/targetRevision") {
        "" => "HEAD",
        revision => revision,
    };
    format!("{} {what} at {at}", str_at(source, "/repoURL"))
}

fn has_settings(source: &Value) -> bool {
    ["helm", "kustomize", "directory", "plugin"]
        .iter()
        .any(|key| source.get(key).and_then(Value::as_object).is_some_and(|map| !map.is_empty()))
}

fn settings(page: &mut Page, source: &Value) {
    let of = |key: &str| source.get(key).filter(|value| value.is_object());
    of("helm").into_iter().for_each(|helm| self::helm(page, helm));
    of("kustomize").into_iter().for_each(|kustomize| self::kustomize(page, kustomize));
    of("directory").into_iter().for_each(|directory| self::directory(page, directory));
    of("plugin").into_iter().for_each(|plugin| self::plugin(page, plugin));
}

fn helm(page: &mut Page, helm: &Value) {
    page.field(
        "Helm",
        joined_words(&[
            ("release", str_at(helm, "/releaseName")),
            ("namespace", str_at(helm, "/namespace")),
            ("version", str_at(helm, "/version")),
            ("for Kubernetes", str_at(helm, "/kubeVersion")),
        ]),
    );
    page.list("Value files", list_at(helm, "/valueFiles").iter().map(scalar), "");
    page.list("Parameters", list_at(helm, "/parameters").iter().map(parameter), "");
    let files = list_at(helm, "/fileParameters").iter();
    page.list("File parameters", files.map(|p| format!("{}={}", str_at(p, "/name"), str_at(p, "/path"))), "");
    page.some("API versions", joined(helm, "/apiVersions"));
    let switches = [
        ("/ignoreMissingValueFiles", "missing value files are ignored"),
        ("/skipCrds", "without CRDs"),
        ("/skipTests", "without tests"),
        ("/skipSchemaValidation", "values are not checked by their schema"),
        ("/passCredentials", "credentials go to every domain"),
    ];
    page.some("Options", switched(helm, &switches));
    if let Some(values) = helm.get("valuesObject").filter(|v| v.is_object()) {
        page.nested(Mark::Heading, "Values", |page| page.yaml(values));
    } else if !str_at(helm, "/values").is_empty() {
        page.nested(Mark::Heading, "Values", |page| page.text(Mark::Plain, str_at(helm, "/values")));
    }
}

/// `image.tag=v2`, `replicas="3" (as text)`
fn parameter(parameter: &Value) -> String {
    let (name, value) = (str_at(parameter, "/name"), str_at(parameter, "/value"));
    if bool_at(parameter, "/forceString") { format!("{name}={value} (as text)") } else { format!("{name}={value}") }
}

fn kustomize(page: &mut Page, kustomize: &Value) {
    page.field(
        "Kustomize",
        joined_words(&[
            ("prefix", str_at(kustomize, "/namePrefix")),
            ("suffix", str_at(kustomize, "/nameSuffix")),
            ("namespace", str_at(kustomize, "/namespace")),
            ("version", str_at(kustomize, "/version")),
        ]),
    );
    page.list("Images", list_at(kustomize, "/images").iter().map(scalar), "");
    let replicas = list_at(kustomize, "/replicas").iter();
    let count = |r: &Value| r.get("count").map(scalar).unwrap_or_default();
    page.list("Replicas", replicas.map(|r| format!("{}: {}", str_at(r, "/name"), count(r))), "");
    page.list("Components", list_at(kustomize, "/components").iter().map(scalar), "");
    page.pairs("Labels", kustomize.get("commonLabels"), "=");
    page.pairs("Annotations", kustomize.get("commonAnnotations"), ": ");
    for patch in list_at(kustomize, "/patches") {
        let target = patch.get("target").map_or("by its own names".into(), |t| {
            format!("to {} {}", str_at(t, "/kind"), str_at(t, "/name")).trim_end().to_string()
        });
        page.nested(Mark::Heading, &format!("Patch {target}"), |page| match str_at(patch, "/patch") {
            "" => page.field("File", str_at(patch, "/path")),
            text => page.text(Mark::Plain, text),
        });
    }
}

fn directory(page: &mut Page, directory: &Value) {
    let words = joined_words(&[("only", str_at(directory, "/include")), ("without", str_at(directory, "/exclude"))]);
    let below = if bool_at(directory, "/recurse") { "with those below" } else { "without those below" };
    page.field("Directory", if words.is_empty() { below.into() } else { format!("{below}, {words}") });
    for (label, at) in [("Jsonnet variables", "/jsonnet/extVars"), ("Jsonnet arguments", "/jsonnet/tlas")] {
        page.list(label, list_at(directory, at).iter().map(parameter), "");
    }
    page.some("Jsonnet libraries", joined(directory, "/jsonnet/libs"));
}

fn plugin(page: &mut Page, plugin: &Value) {
    page.field(
        "Plugin",
        match str_at(plugin, "/name") {
            "" => "the one that fits",
            name => name,
        },
    );
    page.list("Environment", list_at(plugin, "/env").iter().map(parameter), "");
    let parameters = list_at(plugin, "/parameters").iter();
    let value = |p: &Value| {
        let given = ["string", "array", "map"].iter().find_map(|key| p.get(key));
        given.map(scalar).unwrap_or_default()
    };
    page.list("Parameters", parameters.map(|p| format!("{}={}", str_at(p, "/name"), value(p))), "");
}

/// What is rendered by Argo CD itself, and where that is kept.
fn hydrator(page: &mut Page, app: &Value) {
    let Some(hydrator) = app.pointer("/spec/sourceHydrator").filter(|h| h.is_object()) else { return };
    let of = |at: &str| str_at(hydrator, at);
    page.section("Hydrated");
    let revision = of("/drySource/targetRevision");
    page.field("From", format!("{} path {} at {revision}", of("/drySource/repoURL"), of("/drySource/path")));
    page.field("Into", format!("branch {} path {}", of("/syncSource/targetBranch"), of("/syncSource/path")));
    page.some("By way of", of("/hydrateTo/targetBranch"));
}

/// `release shop, namespace web`, without what is not set.
fn joined_words(all: &[(&str, &str)]) -> String {
    let said = all.iter().filter(|(_, value)| !value.is_empty()).map(|(word, value)| format!("{word} {value}"));
    said.collect::<Vec<_>>().join(", ")
}

fn switched(object: &Value, all: &[(&str, &str)]) -> String {
    let on = all.iter().filter(|(at, _)| bool_at(object, at)).map(|(_, words)| *words);
    on.collect::<Vec<_>>().join(", ")
}
