use super::*;

fn line(depth: usize, text: &str) -> Line {
    Line {
        key: text.into(),
        depth,
        cluster: ClusterId(0),
        object: ObjectRef::default(),
        container: None,
        text: text.into(),
        status: String::new(),
        note: String::new(),
        tone: Tone::Ok,
        created: Time::NEVER,
        fold: Fold::Leaf,
    }
}

#[test]
fn a_filter_keeps_what_leads_to_what_it_finds() {
    let tree = [(0, "root"), (1, "web"), (2, "web-1"), (2, "web-2"), (1, "cart"), (2, "cart-1"), (0, "other")];
    let lines = || tree.iter().map(|(depth, text)| line(*depth, text)).collect::<Vec<_>>();
    let kept = |filter: &str| sift(lines(), &Filter::parse(filter)).into_iter().map(|l| l.text).collect::<Vec<_>>();
    assert_eq!(kept("web-2"), ["root", "web", "web-2"]);
    assert_eq!(kept("cart$"), ["root", "cart"]);
    assert_eq!(kept("other"), ["other"]);
    assert_eq!(kept("nothing"), Vec::<String>::new());
    assert_eq!(kept("").len(), 7);
}
