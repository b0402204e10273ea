//! Which columns tables of a kind show, and in which order.

use crate::effect::Effect;
use crate::state::State;
use crate::state::layout::Layout;
use crate::state::list::{ListOf, ListView};
use crate::state::nav::View;
use crate::state::prompt::{Asks, Prompt};
use crate::world::choice::{Choice, From, parse_all};
use crate::world::object::ResourceId;

/// The kind whose columns are meant: of the table in view, or of the list of its columns.
fn kind_in_view(state: &State) -> Option<ResourceId> {
    match &state.nav.top().view {
        View::Table(table) => Some(table.resource.clone()),
        View::List(ListView { of: ListOf::Columns { resource }, .. }) => Some(resource.clone()),
        _ => None,
    }
}

/// Whether there is a table, or the list of its columns.
pub fn has_columns(state: &State) -> bool {
    kind_in_view(state).is_some()
}

/// Whether the list of columns is in view.
pub fn on_columns(state: &State) -> bool {
    matches!(&state.nav.top().view, View::List(list) if matches!(list.of, ListOf::Columns { .. }))
}

/// `columns` lists them; `columns reset`, `columns NAME,labels.app`, `columns +.spec.nodeName`, `columns -IP`.
pub fn columns(state: &mut State, args: &str) -> Vec<Effect> {
    let Some(resource) = kind_in_view(state) else { return vec![] };
    let all = state.columns_of(&resource);
    let titles = |layout: &Layout| layout.columns.iter().map(|(choice, _)| choice.title.clone()).collect::<Vec<_>>();
    match args.trim() {
        "" if on_columns(state) => vec![],
        "" => state.show_list(ListOf::Columns { resource }),
        "reset" => reset(state, &resource),
        text if text.starts_with('+') => add(state, &resource, all, &text[1..]),
        text if text.starts_with('-') => {
            let title = text[1..].trim().to_uppercase();
            let mut layout = all;
            match layout.columns.iter_mut().find(|(choice, _)| choice.title == title) {
                Some((_, shown)) => *shown = false,
                None => {
                    let known = titles(&layout).join(", ");
                    state.warn(format!("there is no column {title} to hide (there are: {known})"));
                    return vec![];
                }
            }
            state.set_columns(&resource, layout)
        }
        text => {
            let (choices, wrong) = parse_all(split(text).iter().map(String::as_str));
            let known = titles(&all);
            let unknown = choices.iter().find(|choice| choice.from == From::Own && !known.contains(&choice.title));
            let unknown = unknown.map(|choice| no_such(&choice.title, &resource, &known));
            if let Some(error) = wrong.into_iter().next().or(unknown) {
                state.warn(error);
                return vec![];
            }
            state.set_columns(&resource, Layout::new(choices))
        }
    }
}

fn no_such(title: &str, resource: &ResourceId, known: &[String]) -> String {
    format!(
        "{} have no column {title} (there are: {}; or write labels.app, annotations.owner, .spec.nodeName)",
        resource.plural,
        known.join(", ")
    )
}

/// At commas, those in brackets aside.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0_i32);
    for c in text.chars() {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth -= 1,
            ',' if depth <= 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_string()).filter(|part| !part.is_empty()).collect()
}

fn reset(state: &mut State, resource: &ResourceId) -> Vec<Effect> {
    if !state.layouts.forget(resource) {
        state.say(format!("the columns of {} are the usual ones already", resource.plural));
        return vec![];
    }
    state.layouts_changed(resource)
}

/// Shows one more column, the last but those hidden.
fn add(state: &mut State, resource: &ResourceId, mut layout: Layout, text: &str) -> Vec<Effect> {
    let choice = match Choice::parse(text) {
        Ok(choice) => choice,
        Err(error) => {
            state.warn(error);
            return vec![];
        }
    };
    match layout.columns.iter_mut().find(|(known, _)| known.title == choice.title) {
        Some((known, shown)) if known.from == choice.from => *shown = true,
        Some((known, _)) => {
            let text = format!("{} is called {} already: give the new one a title with `as`", known.text, known.title);
            state.warn(text);
            return vec![];
        }
        None if choice.from == From::Own => {
            let known: Vec<String> = layout.columns.iter().map(|(choice, _)| choice.title.clone()).collect();
            state.warn(no_such(&choice.title, resource, &known));
            return vec![];
        }
        None => {
            let last =
                layout.columns.iter().rposition(|(choice, shown)| *shown && choice.title != crate::state::table::WHY);
            layout.columns.insert(last.map_or(0, |at| at + 1), (choice, true));
        }
    }
    state.set_columns(resource, layout)
}

/// The row of the list under the cursor.
fn picked(state: &State) -> Option<(ResourceId, Layout, usize)> {
    let resource = kind_in_view(state)?;
    let (layout, key) = (state.columns_of(&resource), state.list_key()?);
    let at = layout.columns.iter().position(|(choice, _)| choice.title == key)?;
    Some((resource, layout, at))
}

/// Shows the column under the cursor, or hides it.
pub fn show(state: &mut State, _: &str) -> Vec<Effect> {
    let Some((resource, mut layout, at)) = picked(state) else { return vec![] };
    let Some((choice, shown)) = layout.columns.get_mut(at) else { return vec![] };
    if *shown && choice.title == "CLUSTER" {
        state.warn("CLUSTER stays: rows of several clusters must be told apart".into());
        return vec![];
    }
    *shown = !*shown;
    if layout.shown().all(|choice| choice.title == "CLUSTER") {
        state.warn("one column must stay".into());
        return vec![];
    }
    let effects = state.set_columns(&resource, layout);
    super::moving::down(state, "");
    effects
}

pub fn earlier(state: &mut State, _: &str) -> Vec<Effect> {
    shift(state, -1)
}

pub fn later(state: &mut State, _: &str) -> Vec<Effect> {
    shift(state, 1)
}

/// Moves the column under the cursor; the cursor stays on it.
fn shift(state: &mut State, by: isize) -> Vec<Effect> {
    let Some((resource, mut layout, at)) = picked(state) else { return vec![] };
    let Some(to) = at.checked_add_signed(by).filter(|to| *to < layout.columns.len()) else { return vec![] };
    let key = layout.columns[at].0.title.clone();
    layout.columns.swap(at, to);
    if let View::List(list) = &mut state.nav.top_mut().view {
        list.selected = Some(key);
    }
    state.set_columns(&resource, layout)
}

/// Asks for a column that the kind does not have.
pub fn ask(state: &mut State, text: &str) -> Vec<Effect> {
    let Some(resource) = kind_in_view(state) else { return vec![] };
    if !text.is_empty() {
        let all = state.columns_of(&resource);
        return add(state, &resource, all, text);
    }
    state.prompt = Some(Prompt::new(Asks::Column { resource }));
    vec![]
}

/// The answer; what is wrong with it stands in the prompt.
pub fn answered(state: &mut State) -> Vec<Effect> {
    let Some(prompt) = &mut state.prompt else { return vec![] };
    let Asks::Column { resource } = prompt.asks.clone() else { return vec![] };
    let text = prompt.input.value().trim().to_string();
    if let Err(error) = Choice::parse(&text) {
        prompt.error = Some(error);
        return vec![];
    }
    state.prompt = None;
    let all = state.columns_of(&resource);
    add(state, &resource, all, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_told_apart_at_commas_outside_of_brackets() {
        assert_eq!(
            split("NAME, labels.app ,.a[?(@.b==\"x,y\")].c as C,"),
            ["NAME", "labels.app", ".a[?(@.b==\"x,y\")].c as C"]
        );
    }
}
