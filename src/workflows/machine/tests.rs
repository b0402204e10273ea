use super::*;
use crate::gitops::change::{Change, FieldChange};
use crate::gitops::field::FieldPath;
use crate::workflows::{CommitPlan, EvictPlan, Observed, Patch, PodRef, SyncPlan};
use crate::world::object::ObjectRef;
use serde_json::json;

fn patch() -> Patch {
    Patch {
        object: ObjectRef::new("", "Node", "", "n4"),
        path: "/api/v1/nodes/n4".into(),
        fields: vec![FieldChange::new(FieldPath::keys(["spec", "unschedulable"]), None, Some(json!(true)))],
    }
}

fn git() -> GitPlan {
    let change = Change { file: "n4.yaml".into(), object: patch().object, baseline: None, fields: patch().fields };
    GitPlan {
        repository: "fleet".into(),
        url: "/srv/fleet.git".into(),
        branch: "main".into(),
        author: None,
        base: "b0".into(),
        op: "01".into(),
        commits: vec![CommitPlan {
            change,
            message: "ops(node): cordon n4\n\nOp-Id: 01\n".into(),
            adopt: String::new(),
        }],
    }
}

fn sync() -> SyncPlan {
    let application = ObjectRef::new("argoproj.io", "Application", "argocd", "shop");
    SyncPlan { application, path: "/x".into(), automated: true, timeout_s: 60 }
}

fn plan(parts: Vec<Part>) -> Plan {
    Plan {
        id: "01".into(),
        kind: "cordon".into(),
        title: "cordon n4 on prod".into(),
        cluster: "prod".into(),
        identity: None,
        protected: false,
        at: Time(0),
        parts,
        lines: vec![],
        blocked: vec![],
    }
}

fn patched() -> Event {
    Event::Patched { object: patch().object, already: false }
}

fn committed(commit: &str) -> Event {
    Event::Committed { commit: commit.into(), parent: "p".into() }
}

fn seen(differs: Option<&str>) -> Event {
    Event::Seen { object: patch().object, differs: differs.map(String::from) }
}

#[test]
fn parts_follow_one_another() {
    let parts = vec![Part::Live { patches: vec![patch()] }, Part::Git(git()), Part::Verify { patches: vec![patch()] }];
    let mut machine = Machine::new(&plan(parts));
    assert_eq!(machine.step(None, Time(1)), [Effect::Patch(patch())]);
    assert_eq!(machine.step(Some(patched()), Time(2)), [Effect::Commit(git())]);
    let push = Effect::Push { git: git(), commit: "c1".into(), parent: "p".into() };
    assert_eq!(machine.step(Some(committed("c1")), Time(3)), [push]);
    let pushed = Event::Pushed { commit: "c1".into(), said: String::new() };
    assert_eq!(machine.step(Some(pushed), Time(4)), [Effect::Read(patch())]);
    assert!(!machine.finished());
    assert_eq!(machine.step(Some(seen(None)), Time(5)), []);
    assert!(machine.finished() && machine.touched());
    assert!(machine.steps().iter().all(|s| s.mark == Mark::Done), "{:?}", machine.steps());
}

#[test]
fn a_lost_race_is_run_again_up_to_a_limit() {
    let mut machine = Machine::new(&plan(vec![Part::Git(git())]));
    let mut effects = machine.step(None, Time(1));
    for _ in 0..10 {
        assert_eq!(effects, [Effect::Commit(git())]);
        machine.step(Some(committed("c")), Time(2));
        let wait = machine.step(Some(Event::Stale { said: "fetch first".into() }), Time(3));
        effects = match &wait[..] {
            [Effect::Wait { ms }] if (50..20_000).contains(ms) => machine.step(Some(Event::Waited), Time(4)),
            other => other.to_vec(),
        };
    }
    assert_eq!(effects, []);
    assert!(machine.failure().unwrap().contains("moved 10 times") && !machine.touched());
}

#[test]
fn the_journal_is_taken_up_wherever_it_ends() {
    let parts = vec![Part::Live { patches: vec![patch()] }, Part::Git(git())];
    let mut machine = Machine::new(&plan(parts.clone()));
    machine.attempted(&Effect::Patch(patch()));
    assert!(machine.touched(), "it may have been done");
    machine.absorb(&patched(), Time(1));
    machine.absorb(&committed("c1"), Time(2));
    let push = Effect::Push { git: git(), commit: "c1".into(), parent: "p".into() };
    assert_eq!(machine.step(None, Time(9)), [push]);
    // What was begun and turns out to be so already was done by us; what was never begun was somebody else's.
    let already = Event::Patched { object: patch().object, already: true };
    for begun in [true, false] {
        let mut machine = Machine::new(&plan(parts.clone()));
        if begun {
            machine.attempted(&Effect::Patch(patch()));
        }
        machine.absorb(&already, Time(1));
        assert_eq!(machine.touched(), begun);
        assert_eq!(machine.undo(&plan(parts.clone())).0.parts.len(), usize::from(begun));
    }
}

#[test]
fn what_was_done_is_taken_back_with_a_commit_of_its_own() {
    let whole =
        plan(vec![Part::Live { patches: vec![patch()] }, Part::Git(git()), Part::Verify { patches: vec![patch()] }]);
    let mut machine = Machine::new(&whole);
    machine.absorb(&patched(), Time(1));
    machine.absorb(&Event::Pushed { commit: "c1".into(), said: String::new() }, Time(2));
    let (undo, mut machine) = machine.undo(&whole);
    assert_eq!(machine.step(None, Time(3)), [Effect::Patch(patch().reversed())]);
    let Part::Git(git) = &undo.parts[1] else { panic!("{:?}", undo.parts) };
    assert_eq!((git.op.as_str(), git.base.as_str()), ("01.undo", "b0"));
    assert!(git.commits[0].message.contains("Reverts-Op-Id: 01\n"));
    assert_eq!(git.commits[0].change.fields[0].after, None);
}

#[test]
fn argo_is_believed_at_our_commit_only() {
    let mut machine = Machine::new(&plan(vec![Part::Git(git()), Part::Sync(sync())]));
    machine.step(None, Time(0));
    let refresh = machine.step(Some(Event::Pushed { commit: "c1".into(), said: String::new() }), Time(1));
    assert_eq!(refresh, [Effect::Refresh(sync())]);
    let observe = [Effect::Observe { sync: sync(), git: Some(git()), commit: "c1".into() }];
    assert_eq!(machine.step(Some(Event::Refreshed), Time(2)), observe);
    let state = |ours, sync: &str, phase: &str| {
        Event::Observed(Observed {
            ours,
            sync: sync.into(),
            phase: phase.into(),
            revision: "r".into(),
            message: "no such image".into(),
        })
    };
    assert!(matches!(machine.step(Some(state(false, "Synced", "")), Time(3))[..], [Effect::Wait { .. }]));
    assert_eq!(machine.step(Some(Event::Waited), Time(4)), observe);
    assert!(matches!(machine.step(Some(state(true, "OutOfSync", "Running")), Time(5))[..], [Effect::Wait { .. }]));
    machine.step(Some(Event::Waited), Time(6));
    machine.step(Some(state(true, "OutOfSync", "Failed")), Time(7));
    assert!(machine.failure().unwrap().contains("no such image"));
}

#[test]
fn waiting_for_argo_has_an_end_and_says_where_it_stands() {
    let mut machine = Machine::new(&plan(vec![Part::Sync(sync())]));
    machine.step(None, Time(0));
    machine.step(Some(Event::Refreshed), Time(1));
    machine.step(
        Some(Event::Observed(Observed { sync: "Synced".into(), revision: "0123456789".into(), ..Observed::default() })),
        Time(90),
    );
    let why = machine.failure().unwrap();
    assert!(why.contains("after 60 s") && why.contains("at 0123456, Synced"), "{why}");
}

fn pod(n: u8) -> PodRef {
    PodRef { namespace: "shop".into(), name: format!("web-{n}"), uid: format!("u{n}") }
}

fn drain() -> Machine {
    let pods = vec![pod(1), pod(2), pod(3)];
    Machine::new(&plan(vec![Part::Evict(EvictPlan { node: "n4".into(), pods, timeout_s: 60, grace_s: None })]))
}

fn uid(n: u8) -> String {
    pod(n).uid
}

#[test]
fn blocked_evictions_are_tried_again_and_accepted_ones_watched() {
    let mut machine = drain();
    let evict = |n, attempt| Effect::Evict { pod: pod(n), grace_s: None, attempt };
    assert_eq!(machine.step(None, Time(0)), [evict(1, 1), evict(2, 1), evict(3, 1)]);
    assert_eq!(machine.step(Some(Event::Evicted { uid: uid(1) }), Time(1)), [], "the others are not answered yet");
    assert_eq!(machine.step(Some(Event::Gone { uid: uid(3) }), Time(1)), []);
    let wait = machine.step(Some(Event::Blocked { uid: uid(2), why: "budget".into() }), Time(1));
    assert_eq!(wait, [Effect::Wait { ms: 1000 }]);
    assert_eq!(machine.step(Some(Event::Waited), Time(2)), [Effect::Look(pod(1)), evict(2, 2)]);
    machine.step(Some(Event::Gone { uid: uid(1) }), Time(3));
    let wait = machine.step(Some(Event::Blocked { uid: uid(2), why: "budget".into() }), Time(3));
    assert_eq!(wait, [Effect::Wait { ms: 5000 }]);
    assert_eq!(machine.step(Some(Event::Waited), Time(8)), [evict(2, 3)]);
    machine.step(Some(Event::Gone { uid: uid(2) }), Time(9));
    assert!(machine.finished());
}

#[test]
fn a_drain_ends_in_time_and_names_who_stays() {
    let mut machine = drain();
    machine.step(None, Time(0));
    machine.step(Some(Event::Gone { uid: uid(1) }), Time(1));
    machine.step(Some(Event::Stuck { uid: uid(2), why: "denied by webhook".into() }), Time(1));
    machine.step(Some(Event::Blocked { uid: uid(3), why: "budget web".into() }), Time(1));
    machine.step(Some(Event::Waited), Time(6));
    machine.step(Some(Event::Blocked { uid: uid(3), why: "budget web".into() }), Time(61));
    let why = machine.failure().unwrap();
    assert!(why.contains("the node stays cordoned") && why.contains("shop/web-3: budget web"), "{why}");
    assert!(why.contains("shop/web-2: denied by webhook") && !why.contains("web-1"), "{why}");
}
