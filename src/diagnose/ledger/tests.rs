//! The ledger by itself: what is asked when, what is kept, and the list that comes of it.

use super::*;
use crate::diagnose::causes;
use crate::diagnose::problem::{Problem, problems};
use crate::diagnose::verdict::{Change, Confidence, Finding};
use crate::world::row::{Block, Body, Meta, Raw};
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
    let (text, block) = (value.to_string(), Arc::new(Block::default()));
    block.fill(zstd::encode_all(text.as_bytes(), 1).unwrap().into(), None);
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
    Row { meta, body: Body::Cells([].into()), tone: Tone::Bad, raw: Raw::part(block, 0..text.len()) }
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
    ledger.found(round.cluster, came.collect(), |_| None);
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
    assert_eq!(rounds, [Round { cluster: EU, subjects: vec![Subject::Object(web.clone())] }]);
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
    ledger.found(EU, came, |_| None);
    assert!(problems(&ledger, NOW).is_empty());
    assert_eq!(beats(&mut ledger, DOUBTED).len(), 1, "and looked at again soon");
    let lost = vec![Diagnosis { subject: round.subjects[0].clone(), verdict: Err("no answer".into()), read: vec![] }];
    ledger.found(EU, lost, |_| None);
    assert_eq!(titles(&problems(&ledger, NOW)), ["bad deployment web cannot create pods | not found out: no answer"]);
}
