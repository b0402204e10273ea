//! Rows to files and the clipboard.

use crate::effect::Effect;
use crate::effect::export::{Export, Format, Target};
use crate::state::State;
use crate::state::nav::View;
use std::path::PathBuf;

const USAGE: &str = "export how? `:export csv`, `json` or `yaml`, and a file, or - for the clipboard";

/// `csv FILE`, `json`, `yaml -`: the marked rows, or all that are shown.
pub fn export(state: &mut State, args: &str) -> Vec<Effect> {
    let (format, target) = args.trim().split_once(' ').unwrap_or((args.trim(), ""));
    let Some(format) = Format::named(format) else {
        state.warn(USAGE.into());
        return vec![];
    };
    let screen = state.nav.top();
    let View::Table(table) = &screen.view else { return vec![] };
    let target = match target.trim() {
        "-" => Target::Clipboard,
        "" => Target::File(default_name(state, &table.resource.plural, format)),
        name => Target::File(home(name)),
    };
    let (titles, paths, rows) = table.export_rows(&state.fleet, &state.problems, &screen.scope, format == Format::Csv);
    if rows.is_empty() {
        state.warn("there are no rows to write".into());
        return vec![];
    }
    let export = Export { format, target, resource: table.resource.clone(), titles, paths, rows, now: state.now };
    vec![Effect::Export(Box::new(export))]
}

/// `pods-prod-eu-2026-11-21T10-00-00Z.csv`
fn default_name(state: &State, plural: &str, format: Format) -> PathBuf {
    let scope = &state.nav.top().scope;
    let mut parts = vec![plural.to_string()];
    if let [one] = scope.clusters.as_slice() {
        parts.push(state.fleet.shard(*one).name.clone());
    }
    parts.extend(scope.one_namespace().map(String::from));
    parts.push(state.now.rfc3339().replace(':', "-"));
    let safe = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = parts.join("-").chars().map(safe).collect();
    PathBuf::from(format!("{name}.{}", format.ending()))
}

/// `~/x` is below the home directory.
fn home(name: &str) -> PathBuf {
    match (name.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(name),
    }
}
