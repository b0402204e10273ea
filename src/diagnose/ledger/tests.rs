//! The ledger by itself: what is asked when, what is kept, and the list that comes of it.

use super::*;
use crate::diagnose::causes;
use crate::diagnose::problem::{Problem, problems};
use crate::diagnose::verdict::{Change, Confidence, Finding};
use crate::world::row::{Body, Meta, Raw};
use serde_json::{Value, json};

const NOW: Time = Time(1_000_000);
const EU: ClusterId = ClusterId(0);
const US: ClusterId = ClusterId(1);

/// A Deployment that cannot create pods for ten minutes.
fn stuck(namespace: &str, name: &str) -> Row {
    let since = Time(NOW.0 - 600).rfc3339();
    row(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "lastTransitionTime": since}]}}))
}

fn row(value: Value) -> Row {
    let part = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (part("/metadata/namespace"), part("/metadata/name"));
    let meta = Meta {
        uid: Uid::of_name(namespace, name),
        name: name.into(),
        namespace: namespace.into(),
        created: Time(NOW.0 - 86_400),
        deleting: false,
        labels: [].into(),
        owner: None,
    };
    Row { meta, body: Body::Cells([].into()), tone: Tone::Bad, raw: Raw::alone(value.to_string().as_bytes()) }
}

fn deployments() -> ResourceId {
    ResourceId::new("apps", "deployments")
}

fn tell(ledger: &mut Ledger, cluster: ClusterId, rows: Vec<Row>) {
    ledger.hear(cluster, &deployments(), &TableDelta::Upsert(rows), NOW);
}

fn beats(ledger: &mut Ledger, count: u64) -> Vec<Round> {
    let mut rounds = Vec::new();
    for _ in 0..count {
        ledger.beat(NOW, |_| false);
        rounds.extend(ledger.rounds(NOW, |_| true));
    }
    rounds
}

fn verdict(subject: &Subject, object: &ObjectRef, commit: &str) -> Box<Verdict> {
    let finding = Finding {
        cause: "rs-failed-create-quota".into(),
        object: object.clone(),
        cluster: None,
        summary: "The quota is used up.".into(),
        confidence: Confidence::Certain,
        evidence: vec![],
        fixes: vec![],
    };
    let change = Change { object: object.clone(), age_s: 60, text: "synced".into(), revision: commit.into() };
    Box::new(Verdict {
        subject: Some(subject.clone()),
        state: State::Broken,
        primary: Some(finding),
        changed_before: vec![change],
        ..Verdict::default()
    })
}

/// Answers a round: everything is the fault of one object.
fn answer(ledger: &mut Ledger, round: &Round, object: &ObjectRef, read: &[Uid]) {
    let came = round.subjects.iter().map(|subject| Diagnosis {
        subject: subject.clone(),
        verdict: Ok(verdict(subject, object, "4f1c2ab")),
        read: read.to_vec(),
    });
    ledger.found(round.cluster, came.collect(), NOW, |_| None);
}

fn titles(list: &[Problem]) -> Vec<String> {
    list.iter().map(|p| format!("{} {} | {}", p.severity(), p.title, p.why)).collect()
}

#[test]
fn the_cause_of_these_tests_exists() {
    assert!(causes::find("rs-failed-create-quota").is_some());
}

#[test]
fn a_symptom_is_looked_into_once_it_has_lasted() {
    let mut ledger = Ledger::new(3);
    tell(&mut ledger, EU, vec![stuck("shop", "web")]);
    assert_eq!(beats(&mut ledger, 2), []);
    let rounds = beats(&mut ledger, 1);
    let web = ObjectRef::new("apps", "Deployment", "shop", "web");
    assert_eq!(rounds, [Round { cluster: EU, subjects: vec![Subject::Object(web.clone())], glance: false }]);
    assert_eq!(
        titles(&problems(&ledger, NOW)),
        ["bad deployment web cannot create pods | "],
        "listed before it is explained"
    );
    assert_eq!(beats(&mut ledger, 100), [], "one round at a time");
    answer(&mut ledger, &rounds[0], &web, &[]);
    assert_eq!(
        titles(&problems(&ledger, NOW)),
        ["S1 deployment web cannot create pods | The quota is used up, since 4f1c2ab"]
    );
    assert_eq!(beats(&mut ledger, OLD - 1), [], "a verdict is kept");
    assert_eq!(beats(&mut ledger, 1).len(), 1, "until it is old");
}

#[test]
fn a_verdict_goes_when_something_that_it_read_changes() {
    let (mut ledger, quota) = (Ledger::new(0), ObjectRef::new("", "ResourceQuota", "shop", "all"));
    tell(&mut ledger, EU, vec![stuck("shop", "web")]);
    let rounds = beats(&mut ledger, 1);
    answer(&mut ledger, &rounds[0], &quota, &[Uid::of_name("shop", "quota")]);
    let mut other = stuck("shop", "other");
    other.tone = Tone::Ok;
    tell(&mut ledger, EU, vec![other]);
    assert_eq!(beats(&mut ledger, CHANGED), []);
    let mut read = stuck("shop", "quota");
    read.tone = Tone::Ok;
    tell(&mut ledger, EU, vec![read]);
    assert_eq!(beats(&mut ledger, 1).len(), 1);
}

#[test]
fn what_is_well_again_is_gone() {
    let mut ledger = Ledger::new(0);
    tell(&mut ledger, EU, vec![stuck("shop", "web"), stuck("shop", "cart")]);
    let mut well = stuck("shop", "web");
    well.tone = Tone::Ok;
    tell(&mut ledger, EU, vec![well]);
    assert_eq!(titles(&problems(&ledger, NOW)), ["bad deployment cart cannot create pods | "]);
    let gone = stuck("shop", "cart").meta.uid;
    ledger.hear(EU, &deployments(), &TableDelta::Gone(vec![gone]), NOW);
    assert!(problems(&ledger, NOW).is_empty());
    tell(&mut ledger, EU, vec![stuck("shop", "web")]);
    ledger.listed(EU, &deployments(), &Table::default());
    assert!(problems(&ledger, NOW).is_empty(), "a new list does not have it");
}

#[test]
fn a_round_is_small_and_a_dead_cluster_holds_up_no_other() {
    let mut ledger = Ledger::new(0);
    for cluster in [EU, US] {
        tell(&mut ledger, cluster, (0..20).map(|n| stuck("shop", &format!("web{n}"))).collect());
    }
    ledger.beat(NOW, |_| false);
    let rounds = ledger.rounds(NOW, |cluster| cluster == US);
    assert_eq!((rounds.len(), rounds[0].cluster, rounds[0].subjects.len()), (1, US, TOGETHER));
    // The first cluster comes back: the other one's round, still under way, does not matter.
    let rounds = ledger.rounds(NOW, |_| true);
    assert_eq!((rounds.len(), rounds[0].cluster), (1, EU));
}

#[test]
fn no_more_than_so_many_are_ever_looked_into() {
    let mut ledger = Ledger::new(0);
    tell(&mut ledger, EU, (0..3 * MOST).map(|n| stuck("shop", &format!("web{n}"))).collect());
    let mut asked = 0;
    for _ in 0..MOST {
        for round in beats(&mut ledger, 1) {
            asked += round.subjects.len();
            answer(&mut ledger, &round, &ObjectRef::new("", "ResourceQuota", "shop", "all"), &[]);
        }
    }
    assert_eq!(asked, MOST);
    assert!(ledger.is_settled(EU, NOW));
    assert!(problems(&ledger, NOW).len() <= 3, "{:?}", titles(&problems(&ledger, NOW)));
}

#[test]
fn one_cause_at_many_objects_and_in_many_clusters_is_one_problem() {
    let (mut ledger, quota) = (Ledger::new(0), ObjectRef::new("", "ResourceQuota", "shop", "all"));
    for cluster in [EU, US] {
        tell(&mut ledger, cluster, vec![stuck("shop", "web"), stuck("shop", "cart")]);
    }
    for round in beats(&mut ledger, 1) {
        answer(&mut ledger, &round, &quota, &[]);
    }
    let list = problems(&ledger, NOW);
    assert_eq!(titles(&list), ["S1 4 deployments cannot create pods | The quota is used up, since 4f1c2ab"]);
    assert_eq!(list[0].clusters().into_iter().collect::<Vec<_>>(), [EU, US]);
    assert_eq!(list[0].since, Time(NOW.0 - 600));
}

#[test]
fn what_is_not_deployed_twice_is_not_one_problem() {
    let mut ledger = Ledger::new(0);
    for cluster in [EU, US] {
        tell(&mut ledger, cluster, vec![stuck("shop", "web")]);
    }
    for round in beats(&mut ledger, 1) {
        answer(&mut ledger, &round, &ObjectRef::new("", "Node", "", "n1"), &[]);
    }
    assert_eq!(problems(&ledger, NOW).len(), 2, "two nodes that happen to have the same name");
}

#[test]
fn what_is_found_to_be_fine_is_not_listed() {
    let mut ledger = Ledger::new(0);
    tell(&mut ledger, EU, vec![stuck("shop", "web")]);
    let round = beats(&mut ledger, 1).remove(0);
    let fine = Verdict { state: State::Fine, ..Verdict::default() };
    let came = vec![Diagnosis { subject: round.subjects[0].clone(), verdict: Ok(Box::new(fine)), read: vec![] }];
    ledger.found(EU, came, NOW, |_| None);
    assert!(problems(&ledger, NOW).is_empty());
    assert_eq!(beats(&mut ledger, DOUBTED).len(), 1, "and looked at again soon");
    let lost = vec![Diagnosis { subject: round.subjects[0].clone(), verdict: Err("no answer".into()), read: vec![] }];
    ledger.found(EU, lost, NOW, |_| None);
    assert_eq!(titles(&problems(&ledger, NOW)), ["bad deployment web cannot create pods | not found out: no answer"]);
}

fn of_kind(kind: &str, namespace: &str, name: &str, spec: Value) -> Row {
    let made = Time(NOW.0 - 86_400).rfc3339();
    let meta = json!({"name": name, "namespace": namespace, "creationTimestamp": made});
    let version = if matches!(kind, "Ingress" | "NetworkPolicy") { "networking.k8s.io/v1" } else { "v1" };
    Row { tone: Tone::Ok, ..row(json!({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec})) }
}

/// A cluster with one Ingress before a Service with a ready endpoint: no row says that anything is wrong.
fn with_an_ingress(ledger: &mut Ledger) {
    let tell = |ledger: &mut Ledger, kind: ResourceId, row: Row| {
        ledger.hear(EU, &kind, &TableDelta::Upsert(vec![row]), NOW);
    };
    let rule = json!({"host": "shop.example.com", "http": {"paths": [{"path": "/", "backend": {"service": {"name": "web"}}}]}});
    let ingress = of_kind("Ingress", "shop", "web", json!({ "rules": [rule] }));
    tell(ledger, ResourceId::new("networking.k8s.io", "ingresses"), ingress);
    tell(ledger, ResourceId::core("services"), of_kind("Service", "shop", "web", json!({})));
    let mut slice = of_kind("EndpointSlice", "shop", "web-1", json!({}));
    slice.meta.labels = [("kubernetes.io/service-name".into(), "web".into())].into();
    tell(ledger, ResourceId::new("discovery.k8s.io", "endpointslices"), slice);
}

fn policy(ledger: &mut Ledger, port: i64) {
    let spec = json!({"ingress": [{"ports": [{"port": port}]}]});
    let kind = ResourceId::new("networking.k8s.io", "networkpolicies");
    ledger.hear(EU, &kind, &TableDelta::Upsert(vec![of_kind("NetworkPolicy", "shop", "allow", spec)]), NOW);
}

fn whole_beats(ledger: &mut Ledger, now: Time, count: u64) -> Vec<Round> {
    let mut rounds = Vec::new();
    for _ in 0..count {
        ledger.beat(now, |_| true);
        rounds.extend(ledger.rounds(now, |_| true));
    }
    rounds
}

/// Answers a round with a policy that stands in the way, as sure as this.
fn in_the_way(ledger: &mut Ledger, round: &Round, confidence: Confidence, now: Time) {
    let policy = ObjectRef::new("networking.k8s.io", "NetworkPolicy", "shop", "allow");
    let came = round.subjects.iter().map(|subject| {
        let mut verdict = verdict(subject, &policy, "4f1c2ab");
        verdict.headline = "https://shop.example.com/ → 504 (predicted)".into();
        if let Some(primary) = &mut verdict.primary {
            (primary.cause, primary.confidence) = ("netpol-deny-ingress".into(), confidence);
        }
        Diagnosis { subject: subject.clone(), verdict: Ok(verdict), read: vec![] }
    });
    let came = came.collect();
    ledger.found(round.cluster, came, now, |_| None);
}

#[test]
fn a_way_that_looks_well_is_walked_and_what_is_found_is_looked_at() {
    let mut ledger = Ledger::new(2);
    with_an_ingress(&mut ledger);
    let rounds = whole_beats(&mut ledger, NOW, 1);
    let url = Subject::Url("http://shop.example.com/".into());
    assert_eq!(rounds, [Round { cluster: EU, subjects: vec![url.clone()], glance: true }]);
    assert!(!ledger.is_settled(EU, NOW), "somebody who wants the whole list waits for it");
    in_the_way(&mut ledger, &rounds[0], Confidence::High, NOW);
    let rounds = whole_beats(&mut ledger, NOW, 5);
    assert_eq!(rounds, [Round { cluster: EU, subjects: vec![url], glance: false }], "now it is looked at closely");
    in_the_way(&mut ledger, &rounds[0], Confidence::High, NOW);
    assert!(ledger.is_settled(EU, NOW));
    let told = titles(&problems(&ledger, NOW));
    assert_eq!(told, ["S1 shop.example.com/ answers 504 | The quota is used up, since 4f1c2ab"]);
    // Well again, when it is looked at the next time.
    let rounds = whole_beats(&mut ledger, NOW, 301);
    ledger.found(EU, rounds[0].subjects.iter().map(fine).collect(), NOW, |_| None);
    assert!(problems(&ledger, NOW).is_empty());
}

fn fine(subject: &Subject) -> Diagnosis {
    let verdict = Verdict { subject: Some(subject.clone()), state: State::Fine, ..Verdict::default() };
    Diagnosis { subject: subject.clone(), verdict: Ok(verdict.into()), read: vec![] }
}

#[test]
fn a_guess_on_patrol_is_nothing_to_tell() {
    let mut ledger = Ledger::new(2);
    with_an_ingress(&mut ledger);
    let rounds = whole_beats(&mut ledger, NOW, 1);
    in_the_way(&mut ledger, &rounds[0], Confidence::Medium, NOW);
    let rounds = whole_beats(&mut ledger, NOW, 5);
    assert!(!rounds[0].glance && problems(&ledger, NOW).is_empty(), "it is looked at closely first");
    in_the_way(&mut ledger, &rounds[0], Confidence::Medium, NOW);
    assert!(whole_beats(&mut ledger, NOW, 100).is_empty() && problems(&ledger, NOW).is_empty());
    // What pods show they show by themselves, in their own time.
    let rounds = whole_beats(&mut ledger, NOW, 900);
    let pod = ObjectRef::new("", "Pod", "shop", "web-1");
    answer(&mut ledger, &rounds[0], &pod, &[]);
    assert!(rounds[0].glance && problems(&ledger, NOW).is_empty());
}

#[test]
fn a_change_on_the_way_is_walked_soon_and_may_pass() {
    let mut ledger = Ledger::new(2);
    with_an_ingress(&mut ledger);
    policy(&mut ledger, 8080);
    let rounds = whole_beats(&mut ledger, NOW, 1);
    ledger.found(EU, rounds[0].subjects.iter().map(fine).collect(), NOW, |_| None);
    assert!(whole_beats(&mut ledger, NOW, 60).is_empty());
    policy(&mut ledger, 80);
    assert!(whole_beats(&mut ledger, NOW, 14).is_empty(), "it may be changed once more");
    let rounds = whole_beats(&mut ledger, NOW, 2);
    assert!(rounds.len() == 1 && rounds[0].glance);
    in_the_way(&mut ledger, &rounds[0], Confidence::High, NOW);
    assert!(whole_beats(&mut ledger, NOW, 10).is_empty() && problems(&ledger, NOW).is_empty(), "it may pass");
    let later = Time(NOW.0 + 15);
    let rounds = whole_beats(&mut ledger, later, 1);
    assert!(rounds.len() == 1 && !rounds[0].glance);
    in_the_way(&mut ledger, &rounds[0], Confidence::High, later);
    assert_eq!(problems(&ledger, later).len(), 1);
    // The Ingress is gone, and its trouble with it.
    let uid = Uid::of_name("shop", "web");
    ledger.hear(EU, &ResourceId::new("networking.k8s.io", "ingresses"), &TableDelta::Gone(vec![uid]), later);
    whole_beats(&mut ledger, later, 1);
    assert!(problems(&ledger, later).is_empty());
}

#[test]
fn a_new_route_is_given_time() {
    let mut ledger = Ledger::new(2);
    with_an_ingress(&mut ledger);
    let soon = Time(NOW.0 - 86_400 + 60);
    assert!(whole_beats(&mut ledger, soon, 30).is_empty() && ledger.is_settled(EU, soon));
    assert_eq!(whole_beats(&mut ledger, Time(soon.0 + 60), 1).len(), 1);
    // Who asks for the list wants to hear of it at once.
    let mut ledger = Ledger::new(0);
    with_an_ingress(&mut ledger);
    let rounds = whole_beats(&mut ledger, soon, 1);
    assert_eq!(rounds.len(), 1);
    // Also of what is no outage: its certificate may be on its way, but it is not there.
    let ingress = ObjectRef::new("networking.k8s.io", "Ingress", "shop", "web");
    certificate_missing(&mut ledger, &rounds[0], &ingress, soon);
    let rounds = whole_beats(&mut ledger, soon, 2);
    assert!(!rounds[0].glance, "now it is looked at closely");
    certificate_missing(&mut ledger, &rounds[0], &ingress, soon);
    assert_eq!(
        titles(&problems(&ledger, soon)),
        ["S2 shop.example.com/ has a certificate that clients refuse | The quota is used up, since 4f1c2ab"]
    );
}

/// Answers a round with a certificate that is not there.
fn certificate_missing(ledger: &mut Ledger, round: &Round, ingress: &ObjectRef, now: Time) {
    let came = round.subjects.iter().map(|subject| {
        let mut verdict = verdict(subject, ingress, "4f1c2ab");
        verdict.headline = "https://shop.example.com/ → a certificate that clients refuse".into();
        if let Some(primary) = &mut verdict.primary {
            primary.cause = "ingress-tls-secret-missing".into();
        }
        Diagnosis { subject: subject.clone(), verdict: Ok(verdict), read: vec![] }
    });
    let came = came.collect();
    ledger.found(round.cluster, came, now, |_| None);
}
