//! Screens and decisions about port-forwards, copies and going into containers.

use super::fixture::*;
use super::tests::everywhere;
use crate::effect::Effect;
use crate::effect::forward::{ForwardEffect, Wish};
use crate::effect::terminal::Inside;
use crate::kinds::ports::Pair;
use crate::msg::Msg;
use crate::msg::forward::{ForwardMsg, ForwardView, Seen};
use crate::msg::transfer::TransferMsg;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::time::Time;

fn wish(ports: &str) -> Wish {
    let pair = Pair::parse(ports).unwrap();
    Wish {
        cluster: EU,
        resource: ResourceId::core("services"),
        object: ObjectRef::new("", "Service", "shop", "web"),
        pair,
    }
}

fn forward(id: u64, local: u16, seen: Seen) -> ForwardView {
    let failed = if seen.errors > 0 { Time(NOW.0 - 60) } else { Time::NEVER };
    ForwardView {
        id,
        wish: wish("8080:http"),
        local: ([127, 0, 0, 1], local).into(),
        seen,
        since: Time(NOW.0 - 300),
        failed,
    }
}

fn serving() -> Seen {
    Seen {
        target: Some(("web-66c8-9mxrt".into(), 8080)),
        open: 2,
        served: 17,
        up: 4_400,
        down: 118_000_000,
        error: "web-66c8-2fx7b is gone, and a connection to it with it".into(),
        errors: 1,
        ..Seen::default()
    }
}

#[test]
fn port_forwards() {
    let mut stage = Stage::live(100, 14);
    stage.tell(Msg::Forward(ForwardMsg::Stands(Box::new(forward(1, 8080, serving())))));
    assert!(stage.screen().contains("http://127.0.0.1:8080 leads to svc/web"));
    let waiting = Seen { waits: "no ready pod of Service web".into(), ..Seen::default() };
    stage.tell(Msg::Forward(ForwardMsg::Stands(Box::new(forward(2, 9090, waiting)))));
    assert!(stage.screen().lines().next().is_some_and(|head| head.contains("pf 2")), "{}", stage.screen());
    stage.type_in(":pf\n");
    everywhere(&mut stage, "port_forwards");
    stage.effects();
    stage.press("c");
    assert_eq!(stage.effects(), [Effect::Copy("http://127.0.0.1:8080".into())]);
    stage.press("ctrl-d");
    assert_eq!(stage.effects(), [Effect::Forward(ForwardEffect::Stop(1))]);
    assert!(!stage.screen().contains("8080") && stage.screen().contains("9090"));
}

#[test]
fn a_port_that_is_taken_is_asked_for_again() {
    let mut stage = Stage::live(100, 14);
    let why = "port 8080 on 127.0.0.1 is taken by another program".to_string();
    stage.tell(Msg::Forward(ForwardMsg::Refused { wish: wish("8080:http"), why, instead: Some("8081:http".into()) }));
    assert!(stage.screen().contains("is taken by another program") && stage.screen().contains("8081:http"));
    stage.effects();
    stage.type_in("\n");
    assert_eq!(stage.effects(), [Effect::Forward(ForwardEffect::Begin(wish("8081:http")))]);
}

#[test]
fn ports_that_make_no_sense_stay_in_the_prompt() {
    let mut stage = Stage::live(100, 14);
    let Wish { cluster, resource, object, .. } = wish("1:2");
    let offered =
        ForwardMsg::Offered { cluster, resource, object, text: String::new(), note: "it declares no ports".into() };
    stage.tell(Msg::Forward(offered));
    stage.effects();
    stage.type_in("x:80\n");
    assert!(stage.screen().contains("no local port") && stage.effects().is_empty(), "{}", stage.screen());
}

#[test]
fn copies_show_how_far_they_are() {
    let mut stage = Stage::live(100, 14);
    let under = |bytes| TransferMsg::Under { id: 1, bytes, total: Some(4096) };
    stage.tell(Msg::Transfer(TransferMsg::Begun { id: 1 }));
    assert!(stage.screen().contains("cp 0"), "{}", stage.screen());
    stage.tell(Msg::Transfer(under(1024)));
    assert!(stage.screen().contains("cp 1.0K/4.0K 25%"), "{}", stage.screen());
    let result = Err("the connection broke in the middle: the rest is missing".into());
    stage.tell(Msg::Transfer(TransferMsg::Ended { id: 1, what: "copy of web:/x".into(), result }));
    assert!(!stage.screen().contains("cp 1.0K") && stage.screen().contains("copy of web:/x failed"));
    // What is heard of one that was stopped brings it back in no way.
    stage.tell(Msg::Transfer(TransferMsg::Begun { id: 2 }));
    stage.type_in(":stop-copies\n");
    assert!(stage.screen().contains("1 copy stopped"), "{}", stage.screen());
    stage.tell(Msg::Transfer(TransferMsg::Under { id: 2, bytes: 2048, total: None }));
    assert!(!stage.screen().contains("cp 2.0K"), "{}", stage.screen());
}

#[test]
fn what_was_made_to_debug_with_is_finished_when_it_is_left() {
    let mut stage = Stage::live(100, 14);
    stage.effects();
    let (namespace, pod, container) = ("default".to_string(), "node-debugger-n1-x".to_string(), "debugger".to_string());
    let operation = Some("01JD".to_string());
    stage.tell(Msg::Enter {
        cluster: EU,
        namespace: namespace.clone(),
        pod: pod.clone(),
        container: container.clone(),
        operation: operation.clone(),
    });
    let what = Inside::Debug(operation);
    assert_eq!(stage.effects(), [Effect::Shell { cluster: EU, namespace, pod, container, what }]);
    stage.tell(Msg::Left("01JD".into()));
    assert_eq!(stage.effects(), [Effect::Finish { operation: "01JD".into() }]);
}
