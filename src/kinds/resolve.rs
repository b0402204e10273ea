//! What `:po`, `deploy`, `Deployment` or `deployments.apps` means on a cluster.

use super::of;
use crate::world::object::Resource;
use crate::world::text::closest;

/// What a word means.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved<'a> {
    /// This kind.
    One(&'a Resource),
    /// Any of these; each can be told apart by its full name.
    Several(Vec<&'a Resource>),
    /// Nothing; the nearest words, nearest first, may be empty.
    Nothing(Vec<String>),
}

/// Resolves a word: plural, singular, kind or short name in any case, with or without `.group` or `.version.group`.
/// Where groups share a name, the core group wins, then kinds with a file of their own; else the answer is several.
pub fn resolve<'a>(catalog: &'a [Resource], word: &str) -> Resolved<'a> {
    let word = word.trim().to_lowercase();
    let listable = || catalog.iter().filter(|resource| resource.can("list"));
    let found: Vec<&Resource> = listable().filter(|resource| means(resource, &word)).collect();
    let first = found.iter().find(|r| r.id.group.is_empty()).or_else(|| found.iter().find(|r| of(&r.id).is_some()));
    match (found.as_slice(), first) {
        ([], _) => Resolved::Nothing(candidates(listable(), &word)),
        ([one], _) => Resolved::One(one),
        (_, Some(first)) => Resolved::One(first),
        _ => Resolved::Several(found),
    }
}

fn means(resource: &Resource, word: &str) -> bool {
    let (name, group) = word.split_once('.').unwrap_or((word, ""));
    let versioned = || group.split_once('.').is_some_and(|(v, g)| v == resource.version && g == resource.id.group);
    names(resource).any(|known| known == name) && (group.is_empty() || group == resource.id.group || versioned())
}

/// Every name of a kind, lower case.
pub fn names(resource: &Resource) -> impl Iterator<Item = String> + '_ {
    let own = of(&resource.id).into_iter().flat_map(|kind| kind.short.iter().copied());
    [resource.id.plural.as_str(), resource.singular.as_str(), resource.kind.as_str()]
        .into_iter()
        .chain(resource.short_names.iter().map(String::as_str))
        .chain(own)
        .filter(|name| !name.is_empty())
        .map(str::to_lowercase)
}

/// Names that begin with the word, else the nearest one.
fn candidates<'a>(resources: impl Iterator<Item = &'a Resource>, word: &str) -> Vec<String> {
    let all: Vec<String> = resources.flat_map(names).collect();
    let mut near: Vec<String> = all.iter().filter(|name| !word.is_empty() && name.starts_with(word)).cloned().collect();
    near.sort();
    near.dedup();
    if near.is_empty() {
        near.extend(closest(word, all.iter().map(String::as_str)).map(String::from));
    }
    near.truncate(8);
    near
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::object::ResourceId;

    fn catalog() -> Vec<Resource> {
        let kind = |group: &str, plural: &str, kind: &str, short: &[&str]| Resource {
            id: ResourceId::new(group, plural),
            version: "v1".into(),
            kind: kind.into(),
            singular: kind.to_lowercase(),
            namespaced: true,
            short_names: short.iter().map(|s| s.to_string()).collect(),
            verbs: vec!["list".into()],
        };
        vec![
            kind("", "pods", "Pod", &["po"]),
            kind("", "events", "Event", &["ev"]),
            kind("events.k8s.io", "events", "Event", &["ev"]),
            kind("apps", "deployments", "Deployment", &["deploy"]),
            kind("a.example", "widgets", "Widget", &[]),
            kind("b.example", "widgets", "Widget", &[]),
            kind("argoproj.io", "applications", "Application", &[]),
            kind("app.k8s.io", "applications", "Application", &[]),
        ]
    }

    #[test]
    fn every_form_finds_the_kind() {
        let catalog = catalog();
        for word in ["deploy", "deployment", "deployments", "Deployment", "deployments.apps", "deploy.v1.apps"] {
            assert!(matches!(resolve(&catalog, word), Resolved::One(r) if r.kind == "Deployment"), "{word}");
        }
        assert!(matches!(resolve(&catalog, "ev"), Resolved::One(r) if r.id.group.is_empty()));
        assert!(matches!(resolve(&catalog, "events.events.k8s.io"), Resolved::One(r) if r.id.group == "events.k8s.io"));
        assert!(matches!(resolve(&catalog, "apps"), Resolved::One(r) if r.id.group == "argoproj.io"));
    }

    #[test]
    fn doubt_and_typos_are_answered() {
        let catalog = catalog();
        assert!(matches!(resolve(&catalog, "widgets"), Resolved::Several(r) if r.len() == 2));
        assert_eq!(resolve(&catalog, "deploymnets"), Resolved::Nothing(vec!["deployments".into()]));
        assert_eq!(
            resolve(&catalog, "depl"),
            Resolved::Nothing(["deploy", "deployment", "deployments"].map(String::from).into())
        );
        assert_eq!(resolve(&catalog, "xyzzy"), Resolved::Nothing(vec![]));
    }
}
