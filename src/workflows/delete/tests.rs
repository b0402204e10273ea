use super::super::machine::Machine;
use super::super::{Occasion, Part, Plan};
use super::*;

fn doomed(name: &str) -> Doomed {
    Doomed {
        object: ObjectRef::new("apps", "Deployment", "shop", name),
        path: format!("/apis/apps/v1/namespaces/shop/deployments/{name}"),
        uid: format!("uid-{name}"),
        generation: Some(3),
        op: String::new(),
    }
}

fn live(name: &str) -> Value {
    json!({"metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "7", "generation": 3}})
}

fn machine(names: &[&str]) -> (Plan, Machine) {
    let targets = names.iter().map(|name| doomed(name)).collect();
    let part = Part::Delete(DeletePlan { targets, how: Deletion::default(), patience_s: 60, kept: vec![] });
    let plan = Plan {
        id: "01JD".into(),
        kind: "delete".into(),
        title: "delete".into(),
        cluster: "prod".into(),
        identity: None,
        protected: false,
        at: Time(0),
        parts: vec![part],
        lines: vec![],
        blocked: vec![],
    };
    let machine = Machine::new(&plan);
    (plan, machine)
}

fn ending(name: &str) -> Event {
    Event::Ending { object: doomed(name).object, held: "waits for example.com/hold".into() }
}

fn deleted(name: &str) -> Event {
    Event::Deleted { object: doomed(name).object }
}

#[test]
fn words_in_front_of_the_reason_say_how() {
    let how = |cascade, force| Deletion { cascade, force };
    assert_eq!(Deletion::parse(""), (Deletion::default(), String::new()));
    assert_eq!(Deletion::parse("disk is full"), (Deletion::default(), "disk is full".into()));
    assert_eq!(Deletion::parse("Foreground force  the rest"), (how(Cascade::Foreground, true), "the rest".into()));
    assert_eq!(Deletion::parse("orphan"), (how(Cascade::Orphan, false), String::new()));
}

#[test]
fn only_what_was_shown_is_deleted_and_at_the_version_just_read() {
    let how = Deletion { cascade: Cascade::Foreground, force: true };
    let Decision::Send(options) = decide(&live("web"), &doomed("web"), &how) else { panic!("it is sent") };
    assert_eq!(options["preconditions"], json!({"uid": "uid-web", "resourceVersion": "7"}));
    assert_eq!((&options["propagationPolicy"], &options["gracePeriodSeconds"]), (&json!("Foreground"), &json!(0)));
    let mut other = live("web");
    other["metadata"]["uid"] = json!("another");
    assert_eq!(decide(&other, &doomed("web"), &how), Decision::Gone);
    let mut changed = live("web");
    changed["metadata"]["generation"] = json!(4);
    assert!(matches!(decide(&changed, &doomed("web"), &how), Decision::Changed(why) if why.contains("it stays")));
}

#[test]
fn what_is_ending_is_left_to_end_unless_it_is_forced() {
    let mut pod = live("web");
    pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T10:00:00Z");
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    pod["metadata"]["generation"] = json!(4);
    let calm = Deletion::default();
    assert_eq!(decide(&pod, &doomed("web"), &calm), Decision::Ending("has 30s to end".into()));
    let force = Deletion { force: true, ..calm };
    assert!(matches!(decide(&pod, &doomed("web"), &force), Decision::Send(_)));
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    assert_eq!(decide(&pod, &doomed("web"), &force), Decision::Ending("waits for example.com/hold".into()));
}

#[test]
fn where_the_uid_is_not_known_the_op_id_decides() {
    let target = Doomed { uid: String::new(), op: "01JD".into(), ..doomed("web") };
    let mut mine = live("web");
    assert_eq!(decide(&mine, &target, &Deletion::default()), Decision::Gone);
    mine["metadata"]["annotations"] = json!({"kokpit.dev/op": "01JD"});
    assert!(matches!(decide(&mine, &target, &Deletion::default()), Decision::Send(_)));
}

#[test]
fn all_are_deleted_and_waited_for() {
    let (_, mut machine) = machine(&["a", "b"]);
    let first = machine.step(None, Time(0));
    assert!(matches!(&first[..], [Effect::Delete { .. }, Effect::Delete { .. }]), "{first:?}");
    assert!(machine.step(Some(deleted("a")), Time(1)).is_empty());
    let wait = machine.step(Some(ending("b")), Time(1));
    assert!(matches!(wait[..], [Effect::Wait { .. }]));
    let look = machine.step(Some(Event::Waited), Time(2));
    assert!(matches!(&look[..], [Effect::Await(target)] if target.object.name == "b"), "{look:?}");
    assert!(machine.step(Some(deleted("b")), Time(3)).is_empty());
    assert!(machine.finished());
}

#[test]
fn a_finalizer_is_named_and_not_waited_for_without_end() {
    let (_, mut machine) = machine(&["a"]);
    machine.step(None, Time(0));
    machine.step(Some(ending("a")), Time(1));
    machine.step(Some(Event::Waited), Time(61));
    assert!(machine.finished());
    let said = machine.steps();
    assert!(said.iter().any(|s| s.text.contains("not gone yet: it waits for example.com/hold")), "{said:?}");
}

#[test]
fn what_is_refused_stops_it_after_the_others() {
    let (_, mut machine) = machine(&["a", "b"]);
    machine.step(None, Time(0));
    machine.step(Some(Event::Kept { object: doomed("a").object, why: "a is forbidden".into() }), Time(1));
    assert!(machine.step(Some(deleted("b")), Time(1)).is_empty());
    assert_eq!(machine.failure(), Some("a is forbidden"));
    assert!(machine.touched() && machine.irrevocable());
}

#[test]
fn after_a_crash_it_goes_on_with_what_is_left() {
    let (plan, mut machine) = machine(&["a", "b"]);
    let begun = machine.step(None, Time(0));
    let mut again = Machine::new(&plan);
    begun.iter().for_each(|effect| again.attempted(effect));
    again.absorb(&deleted("a"), Time(1));
    assert!(again.irrevocable());
    let next = again.step(None, Time(9));
    assert!(matches!(&next[..], [Effect::Delete { target, .. }] if target.object.name == "b"), "{next:?}");
}

#[test]
fn the_title_names_what_goes() {
    let title = |live: Value| {
        let on =
            Occasion { id: "01JD".into(), cluster: "prod", identity: None, protected: false, now: Time(0), reason: "" };
        let found = plan::Found { live, path: String::new(), argo: None };
        let facts = plan::Facts { plural: "things".into(), objects: vec![found], ..plan::Facts::default() };
        plan::plan(&on, &facts, &Deletion::default(), vec![]).title
    };
    assert_eq!(title(json!({"kind": "Namespace", "metadata": {"name": "shop"}})), "delete namespace/shop on prod");
    let pod = json!({"kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop"}});
    assert_eq!(title(pod), "delete pod/shop/web-1 on prod");
}
