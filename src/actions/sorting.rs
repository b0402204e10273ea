//! Which rows and columns a table shows, and in which order.

use crate::effect::Effect;
use crate::state::State;
use crate::state::nav::View;
use crate::state::table::TableView;

/// Changes the table in view.
fn table(state: &mut State, change: impl FnOnce(&mut TableView)) -> Vec<Effect> {
    if let View::Table(table) = &mut state.nav.top_mut().view {
        change(table);
    }
    vec![]
}

/// Titles of the columns in view.
fn titles(state: &State) -> Vec<String> {
    match &state.nav.top().view {
        View::Table(table) => {
            table.columns(&state.fleet, &state.nav.top().scope).into_iter().map(|(_, title, _)| title).collect()
        }
        _ => vec![],
    }
}

/// Sorts by the first of these columns that the table has.
fn by(state: &mut State, names: &[&str]) -> Vec<Effect> {
    let titles = titles(state);
    if let Some(name) = names.iter().find(|name| titles.iter().any(|title| title == *name)) {
        return table(state, |table| table.sort_by(name));
    }
    // A column that is not shown sorts too; that it does is said, as no arrow tells it.
    let hidden = match &state.nav.top().view {
        View::Table(table) => {
            let kind = table.kind_columns(&state.fleet, &state.nav.top().scope);
            names.iter().find_map(|name| Some((name, kind.iter().find(|column| column.title == **name)?.yields)))
        }
        _ => None,
    };
    match hidden {
        // One that only gave way comes back by this.
        Some((name, true)) => table(state, |table| table.sort_by(name)),
        Some((name, false)) => {
            state.say(format!("sorted by {name}, which is not shown (Ctrl-W shows all columns)"));
            table(state, |table| table.sort_by(name))
        }
        None => {
            state.warn(format!("this table has no column {}", names.first().unwrap_or(&"")));
            vec![]
        }
    }
}

pub fn by_name(state: &mut State, _: &str) -> Vec<Effect> {
    by(state, &["NAME"])
}

pub fn by_age(state: &mut State, _: &str) -> Vec<Effect> {
    by(state, &["AGE", "LAST SEEN"])
}

pub fn by_namespace(state: &mut State, _: &str) -> Vec<Effect> {
    by(state, &["NAMESPACE"])
}

pub fn by_status(state: &mut State, _: &str) -> Vec<Effect> {
    by(state, &["STATUS", "HEALTH", "SYNC", "PHASE", "READY", "TYPE"])
}

pub fn by_chosen(state: &mut State, args: &str) -> Vec<Effect> {
    let typed = args.to_uppercase();
    let chosen = match &state.nav.top().view {
        View::Table(table) => table.chosen.clone(),
        _ => None,
    };
    match (typed.as_str(), chosen) {
        ("", Some(title)) => table(state, |table| table.sort_by(&title)),
        ("", None) => column(state, 1),
        (title, _) => by(state, &[title]),
    }
}

pub fn column_left(state: &mut State, _: &str) -> Vec<Effect> {
    column(state, -1)
}

pub fn column_right(state: &mut State, _: &str) -> Vec<Effect> {
    column(state, 1)
}

/// Chooses a neighbouring column and sorts by it.
fn column(state: &mut State, by: isize) -> Vec<Effect> {
    let titles = titles(state);
    table(state, |table| {
        let current = table.chosen.as_ref().or(table.sort.as_ref().map(|sort| &sort.column));
        let at = current.and_then(|chosen| titles.iter().position(|title| title == chosen));
        let next = at.map_or(0, |at| at.saturating_add_signed(by).min(titles.len().saturating_sub(1)));
        if let Some(title) = titles.get(next) {
            table.chosen = Some(title.clone());
            table.sort = Some(crate::state::order::Sort { column: title.clone(), reverse: false });
            table.unordered = true;
        }
    })
}

pub fn wide(state: &mut State, _: &str) -> Vec<Effect> {
    table(state, |table| table.wide = !table.wide)
}

/// The table stands still, or goes on.
pub fn freeze(state: &mut State, _: &str) -> Vec<Effect> {
    let (fleet, now) = (&state.fleet, state.now);
    let screen = state.nav.top_mut();
    if let View::Table(table) = &mut screen.view {
        table.freeze(fleet, &screen.scope, now);
    }
    vec![]
}

/// Only rows whose objects contain a text.
pub fn grep(state: &mut State, text: &str) -> Vec<Effect> {
    let text = text.trim();
    let View::Table(table) = &state.nav.top().view else { return vec![] };
    if !text.is_empty() && crate::kinds::of(&table.resource).is_none() {
        let kind = table.resource.plural.clone();
        state.warn(format!(
            "whole objects of {kind} are not kept, so there is nothing to search; /{text} looks at the cells"
        ));
        return vec![];
    }
    state.set_grep(text)
}

pub fn faults(state: &mut State, _: &str) -> Vec<Effect> {
    table(state, |table| {
        table.faults = !table.faults;
        table.unordered = true;
    })
}

/// All namespaces (0), or the n-th favourite.
pub fn namespace<const N: usize>(state: &mut State, _: &str) -> Vec<Effect> {
    let namespaces = match N {
        0 => vec![],
        n => match state.favourites.get(n) {
            Some(name) => vec![name.to_string()],
            None => {
                state.warn(format!("no favourite namespace {n} yet: `:ns NAME` adds one"));
                return vec![];
            }
        },
    };
    state.set_namespaces(namespaces.clone());
    state.prefer(&namespaces)
}

pub fn row_namespace(state: &mut State, _: &str) -> Vec<Effect> {
    if let Some(namespace) = state.picked().map(|picked| picked.object.namespace).filter(|ns| !ns.is_empty()) {
        state.set_namespaces(vec![namespace]);
    }
    vec![]
}
