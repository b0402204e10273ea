//! The arrows between rooms: the table in docs/architecture.md says what a room may know, the sources are held to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may know, itself included.
type Allowed = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rooms named in a cell: `` `state`, `msg` `` or `world, kinds (decoders)`; notes in parentheses do not count.
fn words(cell: &str) -> Vec<String> {
    let mut depth = 0;
    let kept = cell.chars().filter(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => return depth == 0 && !matches!(c, '`' | '/'),
        }
        false
    });
    let kept: String = kept.collect();
    kept.split([',', '·']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_string).collect()
}

/// Reads the table whose head is `| room | … | may know |`. Rooms of one row may know each other.
fn table(doc: &str) -> Allowed {
    let rows: Vec<(Vec<String>, Vec<String>)> = doc
        .lines()
        .skip_while(|line| !line.starts_with("| room |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            (words(cells[0]), words(cells[cells.len() - 1]))
        })
        .collect();
    let all: BTreeSet<String> = rows.iter().flat_map(|(rooms, _)| rooms.clone()).collect();
    let mut above = BTreeSet::new();
    let mut allowed = Allowed::new();
    for (rooms, cell) in &rows {
        let mut known: BTreeSet<String> = rooms.iter().cloned().collect();
        let mut except = false;
        for word in cell {
            if let Some(room) = word.strip_prefix("everything above except ") {
                except = true;
                known.extend(above.iter().cloned());
                known.remove(room);
                continue;
            }
            match word.as_str() {
                "all" => known.extend(all.iter().cloned()),
                "everything above" => known.extend(above.iter().cloned()),
                "nothing of ours" | "nothing else" => {}
                room if except => drop(known.remove(room)),
                room => {
                    assert!(all.contains(room), "docs/architecture.md names the room `{room}`, which has no row");
                    known.insert(room.to_string());
                }
            }
        }
        for room in rooms {
            allowed.insert(room.clone(), known.clone());
        }
        above.extend(rooms.iter().cloned());
    }
    allowed
}

/// Every room a source text points at, with the byte offset of the pointer: `crate::room…`, `crate::{room…, room}`,
/// and `use super::room` where the file's own depth makes `super` the root.
fn arrows(source: &str, depth: usize) -> Vec<(usize, String)> {
    let source = blank_comments(source);
    let mut found = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        let before = source[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            found.extend(heads(&source[at + "crate::".len()..]).into_iter().map(|room| (at, room)));
        }
    }
    let up = format!("\nuse {}", "super::".repeat(depth));
    for (at, _) in source.match_indices(&up) {
        found.extend(heads(&source[at + up.len()..]).into_iter().map(|room| (at + 1, room)));
    }
    found
}

/// Line comments replaced by spaces, so that documentation may name anything.
fn blank_comments(source: &str) -> String {
    let line = |line: &str| match line.find("//") {
        // A URL in a string is no comment; nothing that follows one on its line is an import.
        Some(at) if !line[..at].ends_with(':') => format!("{}{}", &line[..at], " ".repeat(line.len() - at)),
        _ => line.to_string(),
    };
    source.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The first names of a path or of every path in a group: `a::b` → a; `{a::b, c}` → a, c.
fn heads(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return ident(path).into_iter().collect() };
    let mut depth = 0;
    let mut starts = vec![0];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    starts.into_iter().filter_map(|at| ident(group[at..].trim_start())).collect()
}

fn ident(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// What runs the wrong way in one file, as `file:line: sentence`.
fn wrong(file: &str, source: &str, allowed: &Allowed) -> Vec<String> {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    let room = inside.split('/').next().unwrap_or_default();
    if room == "lib" {
        return Vec::new();
    }
    let Some(known) = allowed.get(room) else {
        return vec![format!("{file}:1: the room `{room}` has no row in docs/architecture.md")];
    };
    arrows(source, inside.split('/').count())
        .into_iter()
        // Tests may use the stage that screens are tested on.
        .filter(|(at, _)| !source[*at..].starts_with("crate::ui::fixture"))
        .filter(|(_, target)| allowed.contains_key(target) && !known.contains(target))
        .map(|(at, target)| {
            let line = source[..at].matches('\n').count() + 1;
            format!("{file}:{line}: `{room}` may not know `{target}` (docs/architecture.md)")
        })
        .collect()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_arrow_is_in_the_table() {
    let allowed = table(&fs::read_to_string(root().join("docs/architecture.md")).unwrap());
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 20, "only {} sources were found", files.len());
    let problems: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            wrong(&name, &fs::read_to_string(path).unwrap(), &allowed)
        })
        .collect();
    assert!(problems.is_empty(), "arrows between rooms that run another way:\n{}", problems.join("\n"));
}

#[test]
fn the_table_is_read_as_it_is_meant() {
    let allowed = table(&fs::read_to_string(root().join("docs/architecture.md")).unwrap());
    let knows = |room: &str, other: &str| allowed[room].contains(other);
    assert_eq!(allowed["world"].len(), 1, "world knows nothing of ours");
    assert!(knows("kinds", "world") && !knows("kinds", "diagnose"));
    assert!(knows("workflows", "effect") && !knows("diagnose", "gitops"));
    assert!(knows("state", "update") && knows("update", "workflows") && !knows("state", "ui"));
    assert!(knows("ui", "state") && !knows("ui", "cluster") && !knows("ui", "sim"));
    assert!(knows("sim", "world") && !knows("sim", "diagnose") && knows("main", "sim"));
}

#[test]
fn wrong_arrows_are_found_in_every_form() {
    let allowed = table("| room | what | may know |\n|---|---|---|\n| `a/` | x | nothing of ours |\n| `b` | x | a |\n");
    let source = "//! [crate::b]\nuse crate::{\n    b::{c, d},\n    a,\n};\n// crate::b\nfn f() { crate::b::g(); mycrate::b(); }\n";
    assert_eq!(wrong("src/a/deep.rs", source, &allowed).len(), 2);
    assert!(wrong("src/a/deep.rs", source, &allowed)[0].starts_with("src/a/deep.rs:2: `a` may not know `b`"));
    assert!(wrong("src/a/deep.rs", source, &allowed)[1].starts_with("src/a/deep.rs:7:"));
    assert_eq!(wrong("src/a.rs", "\nuse super::b;\n", &allowed).len(), 1, "super of a room is the root");
    assert_eq!(wrong("src/a/deep.rs", "\nuse super::b;\n", &allowed).len(), 0);
    assert_eq!(wrong("src/b.rs", source, &allowed), Vec::<String>::new());
    assert_eq!(wrong("src/new.rs", "", &allowed), ["src/new.rs:1: the room `new` has no row in docs/architecture.md"]);
}
