//! More than half of what an API server sends of a pod stands in arrays and objects of which no row shows anything, a
//! third of it in `metadata.managedFields` alone. Finding the end of one is several times quicker than parsing through it.

/// What was left out of a text: the inside of an array or object.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Where, in the text that is left.
    at: usize,
    /// How many bytes.
    bytes: usize,
}

/// A pod without what stands in the arrays and objects that rows do not need.
#[derive(Default)]
pub struct Skimmed {
    text: Vec<u8>,
    cuts: Vec<Cut>,
}

/// Arrays of a pod of which rows show nothing; in no part of a pod does an array of the same name matter to one.
fn is_unneeded_array(key: &[u8]) -> bool {
    matches!(
        key,
        b"managedFields"
            | b"volumes"
            | b"volumeMounts"
            | b"env"
            | b"envFrom"
            | b"ports"
            | b"args"
            | b"command"
            | b"tolerations"
            | b"topologySpreadConstraints"
            | b"imagePullSecrets"
            | b"hostAliases"
            | b"hostIPs"
            | b"podIPs"
    )
}

/// The same of objects. (Labels may have any key, but only texts as values.)
fn is_unneeded_object(key: &[u8]) -> bool {
    matches!(
        key,
        b"annotations"
            | b"livenessProbe"
            | b"readinessProbe"
            | b"startupProbe"
            | b"lifecycle"
            | b"securityContext"
            | b"affinity"
            | b"nodeSelector"
            | b"limits"
            | b"allocatedResources"
    )
}

impl Skimmed {
    /// Takes in the beginning of a text that begins with an object. It may end anywhere: what is open at its end is left
    /// as it stands.
    pub fn read(&mut self, json: &[u8]) {
        self.text.clear();
        self.cuts.clear();
        let (mut copied, mut at) = (0, 0);
        while let Some(bracket) = memchr::memchr2(b'[', b'{', &json[at..]) {
            let open = at + bracket + 1;
            at = open;
            let Some(key) = key_before(&json[..open - 1]) else { continue };
            let end = match json[open - 1] {
                b'[' if is_unneeded_array(key) => end_of(json, open, b'[', b']'),
                b'{' if is_unneeded_object(key) => end_of(json, open, b'{', b'}'),
                _ => continue,
            };
            let Some(end) = end else { break };
            self.text.extend_from_slice(&json[copied..open]);
            self.cuts.push(Cut { at: self.text.len(), bytes: end - open });
            (copied, at) = (end, end);
        }
        self.text.extend_from_slice(&json[copied..]);
    }

    /// What is left.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where a place of what is left stood in the whole text.
    pub fn place(&self, at: usize) -> usize {
        at + self.cuts.iter().take_while(|cut| cut.at < at).map(|cut| cut.bytes).sum::<usize>()
    }
}

/// The key of the member whose value begins behind this text. A string that only looks like one has a backslash before
/// its second quote, which then belongs to the key.
fn key_before(json: &[u8]) -> Option<&[u8]> {
    let key = json.strip_suffix(b"\":")?;
    Some(&key[memchr::memrchr(b'"', key)? + 1..])
}

/// Where the bracket stands that closes the array or object whose inside begins at `from`. A bracket behind an odd number
/// of quotes stands in a string and does not count; nor does a quote behind a backslash, which only strings have.
fn end_of(json: &[u8], from: usize, open: u8, close: u8) -> Option<usize> {
    let first = from + memchr::memchr2(open, close, &json[from..])?;
    if json[first] == close && is_outside(&json[first + 1..]) {
        return Some(first);
    }
    let inside = &json[from..];
    let (mut depth, mut quotes, mut counted, mut escaped) = (1, 0, 0, None);
    for at in memchr::memchr3_iter(open, close, b'\\', inside) {
        if escaped == Some(at) {
            continue;
        }
        if inside[at] == b'\\' {
            escaped = Some(at + 1);
            quotes += usize::from(inside.get(at + 1) == Some(&b'"'));
            continue;
        }
        quotes += memchr::memchr_iter(b'"', &inside[counted..at]).count();
        counted = at;
        if quotes % 2 == 1 {
            continue;
        }
        if inside[at] == open {
            depth += 1;
            continue;
        }
        depth -= 1;
        if depth == 0 {
            return Some(from + at);
        }
    }
    None
}

/// Whether it is plain from what follows a bracket that it does not stand in a string: after `,"` or `,{"` comes what no
/// JSON has behind the end of a string. `managedFields` hold thousands of braces, but no other array, and end so.
fn is_outside(rest: &[u8]) -> bool {
    let closed = rest.iter().take_while(|byte| matches!(byte, b']' | b'}')).count();
    let Some(member) = rest[closed..].strip_prefix(b",") else { return false };
    let member = member.strip_prefix(b"{").unwrap_or(member);
    matches!(member, [b'"', first, ..] if first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::decode::Decoder;
    use crate::cluster::split::Step;
    use crate::world::object::{Resource, ResourceId};
    use crate::world::row::Row;

    fn skimmed(text: &str) -> String {
        let mut skimmed = Skimmed::default();
        skimmed.read(text.as_bytes());
        String::from_utf8(skimmed.text().to_vec()).unwrap()
    }

    #[test]
    fn unneeded_arrays_are_left_out_and_nothing_else() {
        for inside in ["", "[1]", r#""]""#, r#""\\""#, r#""\"]""#, r#"{"k:{\"type\":\"]\"}":["[",{}]},"a""#] {
            let text = format!(r#"{{"env":[{inside}],"conditions":[{inside}],"args":null}}"#);
            assert_eq!(skimmed(&text), format!(r#"{{"env":[],"conditions":[{inside}],"args":null}}"#));
        }
        for inside in ["", r#""a":1"#, r#""}":"{""#, r#""\\":{}"#, r#""\"}":[{}]"#, r#""a":{"b":"\\\"}"}"#] {
            let text = format!(r#"{{"annotations":{{{inside}}},"labels":{{{inside}}},"affinity":null}}"#);
            assert_eq!(skimmed(&text), format!(r#"{{"annotations":{{}},"labels":{{{inside}}},"affinity":null}}"#));
        }
        for inside in
            [r#""a],\"b""#, r#""a],","b""#, r#"{"a]},":1}"#, r#"{"k:{\"a\":\"],{\"}":{}},{"]":1}"#, r#""[","]","c""#]
        {
            let text = format!(r#"{{"env":[{inside}],"conditions":[{{"env":[{inside}]}},{{"b":[{inside}]}}]}}"#);
            let left = format!(r#"{{"env":[],"conditions":[{{"env":[]}},{{"b":[{inside}]}}]}}"#);
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
            assert_eq!(skimmed(&text), left);
        }
        let inner = r#"{"volumes":[{"projected":{"sources":[{"items":[1]}]}}],"x":1}"#;
        assert_eq!(skimmed(inner), r#"{"volumes":[],"x":1}"#);
        for same in [
            r#"{"env":["a","b"#,
            r#"{"note":"\"env\":[1]","b":[2]}"#,
            r#"{"env": [1]}"#,
            "",
            "[",
            "{",
            r#"":["#,
            r#"{"affinity":{"a":1"#,
        ] {
            assert_eq!(skimmed(same), same);
        }
    }

    #[test]
    fn places_are_those_of_the_whole_text() {
        let text = r#"{"env":[1,2],"a":{"ports":[3]},"b":4}"#;
        let mut skimmed = Skimmed::default();
        skimmed.read(text.as_bytes());
        let left = std::str::from_utf8(skimmed.text()).unwrap().to_string();
        for part in ["{", "\"a\"", "\"b\"", ":4}"] {
            assert_eq!(skimmed.place(left.find(part).unwrap()), text.find(part).unwrap(), "{part}");
        }
        assert_eq!(skimmed.place(left.len()), text.len());
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
        match decoder.step(bytes, 0, |read| row = Some(read)) {
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
            r#","managedFields":[{"x":["y"]}],"annotations":{"a":"\"env\":[1]"}"#,
            r#","annotations":{"a":"{\"env\":{}","b\\":"}"},"managedFields":[{"x":["y"]}]"#,
        ] {
            let (text, len) = list(managed);
            let mut decoder = Decoder::new(&resource, Default::default());
            for cut in 0..len {
                assert!(decode(&mut decoder, &text.as_bytes()[..cut]).1.is_none(), "cut at {cut}");
            }
            let (row, used) = decode(&mut decoder, text.as_bytes());
            decoder.seal(text.as_bytes());
            let row = row.unwrap();
            assert_eq!((row.meta.name.as_str(), used), ("web-1", Some(len)));
            let kept = row.raw.value().unwrap();
            assert_eq!((&kept["kind"], &kept["spec"]["nodeName"]), (&"Pod".into(), &"n1".into()));
            assert_eq!(kept["metadata"].get("managedFields").is_some(), !managed.is_empty());
        }
    }
}
