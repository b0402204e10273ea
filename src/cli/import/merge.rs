//! Additions to TOML files that leave every line that is there as it is.

use crate::config::{Input, InputKind, Plugin};

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// A key, in quotes where it needs them.
pub fn key(text: &str) -> String {
    let bare = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { text.into() } else { quoted(text) }
}

/// The file with lines added at the end of a table, which is made where there is none; `[[name]]` is always one more.
///
/// # Errors
/// A sentence: the table is there in a form that has no end to add to.
pub fn insert(text: &str, table: &str, lines: &[String]) -> Result<String, String> {
    let added = lines.join("\n");
    let mut all: Vec<&str> = text.lines().collect();
    let head = all.iter().position(|line| is_head(line, table));
    let Some(head) = head else {
        let known = text.parse::<toml::Table>().is_ok_and(|root| root.contains_key(table));
        if known && !table.starts_with('[') {
            return Err(format!("{table} is not written as [{table}] there: add yourself\n{added}"));
        }
        let head = if table.starts_with('[') { table.to_string() } else { format!("[{table}]") };
        let gap = if text.is_empty() { "" } else { "\n" };
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Ok(format!("{text}{end}{gap}{head}\n{added}\n"));
    };
    // Behind the last line of the table that says something; comments above the next table belong to that.
    let next = all[head + 1..].iter().position(|line| line.trim_start().starts_with('[') && ends_table(line));
    let end = next.map_or(all.len(), |n| head + 1 + n);
    let last = (head..end).rev().find(|n| !all[*n].trim().is_empty() && !all[*n].trim().starts_with('#'));
    let at = last.unwrap_or(head) + 1;
    all.splice(at..at, lines.iter().map(String::as_str));
    let merged = all.join("\n") + "\n";
    match merged.parse::<toml::Table>() {
        Ok(_) => Ok(merged),
        Err(_) => Err(format!("nothing can be added to [{table}] as it is written there: add yourself\n{added}")),
    }
}

fn is_head(line: &str, table: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default().trim();
    let name = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name.is_some_and(|name| name.trim() == table) && !table.starts_with('[')
}

/// Whether a line that begins with a bracket is the head of a table, and not a part of a list over several lines.
fn ends_table(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default().trim();
    let name = line.trim_start_matches('[').trim_end_matches(']');
    line.ends_with(']')
        && !name.contains([',', '='])
        && !name.trim().is_empty()
        && !name.trim().starts_with(['"', '\''])
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// One of a plugin's questions, as a table in one line.
fn input(input: &Input) -> String {
    let mut all = vec![format!("name = {}", quoted(&input.name)), format!("type = {}", quoted(input.kind.word()))];
    all.extend((!input.label.is_empty()).then(|| format!("label = {}", quoted(&input.label))));
    all.extend(input.required.then(|| "required = true".to_string()));
    all.extend((!input.default.is_empty()).then(|| format!("default = {}", quoted(&input.default))));
    if let InputKind::Choice(options) = &input.kind {
        all.push(format!("options = {}", list(options)));
    }
    format!("    {{ {} }},", all.join(", "))
}

/// The lines of a `[[plugin]]`.
pub fn plugin(plugin: &Plugin) -> Vec<String> {
    let mut lines = vec![format!("name = {}", quoted(&plugin.name)), format!("doc = {}", quoted(&plugin.doc))];
    lines.extend(plugin.key.as_ref().map(|key| format!("key = {}", quoted(key))));
    if !plugin.kinds.is_empty() {
        lines.push(format!("kinds = {}", list(&plugin.kinds)));
    }
    lines.push(format!("command = {}", quoted(&plugin.command)));
    if !plugin.args.is_empty() {
        lines.push(format!("args = {}", list(&plugin.args)));
    }
    if !plugin.pipes.is_empty() {
        lines.push(format!("pipes = {}", list(&plugin.pipes)));
    }
    if !plugin.inputs.is_empty() {
        lines.push("inputs = [".into());
        lines.extend(plugin.inputs.iter().map(input));
        lines.push("]".into());
    }
    lines.extend(plugin.confirm.map(|confirm| format!("confirm = {confirm}")));
    for (flag, value, usual) in [
        ("changes", plugin.changes, true),
        ("background", plugin.background, false),
        ("override", plugin.replaces, false),
    ] {
        if value != usual {
            lines.push(format!("{flag} = {value}"));
        }
    }
    lines
}
