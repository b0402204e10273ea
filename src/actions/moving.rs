//! Moving, scrolling and marking.

use crate::effect::Effect;
use crate::state::State;
use crate::state::list::ListView;
use crate::state::nav::View;

/// Rows of the body below a header line.
fn page(state: &State) -> usize {
    usize::from(state.areas().body.height.saturating_sub(1)).max(1)
}

/// Moves the cursor, or scrolls where there is none.
pub fn step(state: &mut State, by: isize) -> Vec<Effect> {
    let height = usize::from(state.areas().body.height);
    if let Some(keys) = list_keys(state) {
        if let View::List(list) = &mut state.nav.top_mut().view {
            step_list(list, &keys, by);
        }
        return state.preview();
    }
    match &mut state.nav.top_mut().view {
        View::Table(_) => {}
        View::Tree(tree) => tree.step(by),
        View::Text(text) => text.step(by, height),
        View::Logs(logs) => logs.scroll(by, height),
        View::Operation(screen) => screen.top = screen.top.saturating_add_signed(by),
        View::List(_) => {}
    }
    let fleet = &state.fleet;
    if let View::Table(table) = &mut state.nav.top_mut().view {
        table.step(fleet, by);
    }
    vec![]
}

fn list_keys(state: &State) -> Option<Vec<String>> {
    let screen = state.nav.top();
    let View::List(list) = &screen.view else { return None };
    Some(list.listing(state, &screen.scope).selectable().map(|row| row.key.clone()).collect())
}

fn step_list(list: &mut ListView, keys: &[String], by: isize) {
    if let Some(at) = list.selected.as_ref().and_then(|key| keys.iter().position(|k| k == key)) {
        list.cursor.at = at;
    }
    list.cursor.step(by, keys.len());
    list.selected = keys.get(list.cursor.at).cloned();
}

pub fn down(state: &mut State, _: &str) -> Vec<Effect> {
    step(state, 1)
}

pub fn up(state: &mut State, _: &str) -> Vec<Effect> {
    step(state, -1)
}

pub fn first(state: &mut State, _: &str) -> Vec<Effect> {
    step(state, isize::MIN)
}

pub fn last(state: &mut State, _: &str) -> Vec<Effect> {
    step(state, isize::MAX)
}

pub fn page_down(state: &mut State, _: &str) -> Vec<Effect> {
    let page = page(state);
    step(state, page as isize)
}

pub fn page_up(state: &mut State, _: &str) -> Vec<Effect> {
    let page = page(state);
    step(state, -(page as isize))
}

pub fn half_page_down(state: &mut State, _: &str) -> Vec<Effect> {
    let half = page(state).div_ceil(2);
    step(state, half as isize)
}

pub fn half_page_up(state: &mut State, _: &str) -> Vec<Effect> {
    let half = page(state).div_ceil(2);
    step(state, -(half as isize))
}

pub fn left(state: &mut State, _: &str) -> Vec<Effect> {
    scroll(state, -1)
}

pub fn right(state: &mut State, _: &str) -> Vec<Effect> {
    scroll(state, 1)
}

/// Sideways: a column of a table, eight characters of a text.
fn scroll(state: &mut State, by: isize) -> Vec<Effect> {
    let columns = match &state.nav.top().view {
        View::Table(table) => table.columns(&state.fleet, &state.nav.top().scope).len(),
        _ => 0,
    };
    match &mut state.nav.top_mut().view {
        View::Table(table) => table.left = table.left.saturating_add_signed(by).min(columns.saturating_sub(2)),
        View::Text(text) => text.left = text.left.saturating_add_signed(by * 8).min(100_000),
        View::Logs(logs) => logs.left = logs.left.saturating_add_signed(by * 8).min(100_000),
        View::List(_) | View::Tree(_) | View::Operation(_) => {}
    }
    vec![]
}

/// Marks the row and goes on to the next, so that holding Space marks many.
pub fn mark(state: &mut State, _: &str) -> Vec<Effect> {
    let key = state.list_key();
    let fleet = &state.fleet;
    match &mut state.nav.top_mut().view {
        View::Table(table) => {
            if let Some(key) = table.key_at(fleet, table.cursor.at) {
                if !table.marks.remove(&key) {
                    table.marks.insert(key);
                }
                table.anchor = Some(key);
            }
        }
        View::List(list) => {
            if let Some(key) = key
                && !list.marks.remove(&key)
            {
                list.marks.insert(key);
            }
        }
        _ => {}
    }
    step(state, 1)
}

pub fn mark_range(state: &mut State, _: &str) -> Vec<Effect> {
    let fleet = &state.fleet;
    if let View::Table(table) = &mut state.nav.top_mut().view {
        let keys: Vec<_> = (0..table.order.entries.len()).map(|at| table.key_at(fleet, at)).collect();
        let here = table.cursor.at;
        let from = table.anchor.and_then(|anchor| keys.iter().position(|key| *key == Some(anchor))).unwrap_or(here);
        let range = from.min(here)..=from.max(here);
        table.marks.extend(keys.get(range).unwrap_or_default().iter().copied().flatten());
        table.anchor = keys.get(here).copied().flatten();
    }
    vec![]
}

pub fn mark_none(state: &mut State, _: &str) -> Vec<Effect> {
    if let View::Table(table) = &mut state.nav.top_mut().view {
        table.marks.clear();
        table.anchor = None;
    }
    vec![]
}
