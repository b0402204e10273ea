//! `metadata.managedFields`: a third of what an API server sends, and nothing of it is needed for a row. Finding its end
//! is several times quicker than parsing through it.

use memchr::memmem;

/// Where the elements of the first `managedFields` stand: behind its `[`, up to its `]`.
///
/// It is exact. The key is one: a quote inside a string has a backslash before it, not a brace or a comma. The bracket
/// is the one that closes it: there is no other array in between, and it does not stand in a string, because as many
/// quotes open as close. Where that cannot be told so simply (a backslash that escapes something else than a quote,
/// an array inside), there is no answer.
pub fn elements(bytes: &[u8]) -> Option<(usize, usize)> {
    const KEY: &[u8] = b"\"managedFields\":[";
    let key = memmem::find(bytes, KEY)?;
    if !matches!(bytes.get(key.checked_sub(1)?), Some(b',' | b'{')) {
        return None;
    }
    let from = key + KEY.len();
    let to = from + memchr::memchr(b']', &bytes[from..])?;
    let inside = &bytes[from..to];
    let mut escapes = 0;
    for at in memchr::memchr2_iter(b'\\', b'[', inside) {
        match (inside[at], inside.get(at + 1)) {
            (b'\\', Some(b'"')) => escapes += 1,
            _ => return None,
        }
    }
    let quotes = memchr::memchr_iter(b'"', inside).count();
    (quotes - escapes).is_multiple_of(2).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::decode::Decoder;
    use crate::cluster::split::Step;
    use crate::world::object::{Resource, ResourceId};
    use crate::world::row::Row;

    fn inside(text: &str) -> Option<&str> {
        elements(text.as_bytes()).map(|(from, to)| &text[from..to])
    }

    #[test]
    fn the_end_is_exact_or_not_told() {
        let managed = r#"{"f:spec":{"k:{\"type\":\"]\"}":{}},"manager":"a"}"#;
        assert_eq!(inside(&format!(r#"{{"name":"x","managedFields":[{managed}]}},"spec":[1]"#)), None, "] in a string");
        assert_eq!(inside(r#"{"managedFields":[{"k:{\"a\"}":{}}]}"#), Some(r#"{"k:{\"a\"}":{}}"#));
        assert_eq!(inside(r#"{"managedFields":[]}"#), Some(""));
        assert_eq!(inside(r#"{"managedFields":[{"a":[1]}]}"#), None, "an array inside");
        assert_eq!(inside(r#"{"managedFields":[{"a":"\\"}]}"#), None, "another escape");
        assert_eq!(inside(r#"{"managedFields":[{"a":"b"#), None, "cut off");
        assert_eq!(inside(r#"{"note":"\"managedFields\":[","b":[2]}"#), None, "inside a string");
    }

    /// A pod as a list carries it; another follows, so that what is left out may be that one's.
    fn list(managed: &str) -> (String, usize) {
        let pod = |name: &str, managed: &str| {
            format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"shop","labels":{{"app":"web"}}{managed}}},"spec":{{"nodeName":"n1","containers":[{{"name":"app","image":"a:1"}}]}},"status":{{"phase":"Running"}}}}"#
            )
        };
        let first = pod("web-1", managed);
        let second = pod("web-2", r#","managedFields":[{"manager":"kubelet"}]"#);
        (format!("{first},{second}]}}"), first.len())
    }

    fn decode(decoder: &mut Decoder, bytes: &[u8]) -> (Option<Row>, Option<usize>) {
        let mut row = None;
        match decoder.step(bytes, |read| row = Some(read)) {
            Step::Used(used) => (row, Some(used)),
            _ => (row, None),
        }
    }

    #[test]
    fn a_pod_reads_the_same_with_and_without_them_wherever_it_is_cut() {
        let resource = Resource {
            id: ResourceId::core("pods"),
            version: "v1".into(),
            kind: "Pod".into(),
            singular: "pod".into(),
            namespaced: true,
            short_names: vec![],
            verbs: vec![],
        };
        for managed in [
            "",
            r#","managedFields":[{"manager":"kubelet","fieldsV1":{"f:status":{"k:{\"type\":\"Ready\"}":{}}}}]"#,
            r#","managedFields":[{"x":["y"]}]"#,
        ] {
            let (text, len) = list(managed);
            let mut decoder = Decoder::new(&resource, Default::default());
            for cut in 0..len {
                assert!(decode(&mut decoder, &text.as_bytes()[..cut]).1.is_none(), "cut at {cut}");
            }
            let (row, used) = decode(&mut decoder, text.as_bytes());
            decoder.seal();
            let row = row.unwrap();
            assert_eq!((row.meta.name.as_str(), used), ("web-1", Some(len)));
            let kept = row.raw.value().unwrap();
            assert_eq!((&kept["kind"], &kept["spec"]["nodeName"]), (&"Pod".into(), &"n1".into()));
            assert_eq!(kept["metadata"].get("managedFields").is_some(), !managed.is_empty());
        }
    }
}
