//! Keys: to the prompt while something is typed, else through the keymap to an action.

use crate::actions;
use crate::effect::Effect;
use crate::keymap::{Found, Key, written};
use crate::msg::Level;
use crate::state::nav::View;
use crate::state::prompt::{Asks, Prompt};
use crate::state::{State, WhySubject, command, head};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::InputRequest;
use tui_input::backend::crossterm::to_input_request;

/// Commands kept for the next start.
const HISTORY: usize = 200;

/// A key.
pub fn key(state: &mut State, event: KeyEvent) -> Vec<Effect> {
    state.touch();
    state.notices.see();
    if state.prompt.is_some() {
        return prompt(state, event);
    }
    let mut keys = std::mem::take(&mut state.pending);
    if keys.is_empty() && typed_name(state, event) {
        return vec![];
    }
    if !keys.is_empty() && event.code == KeyCode::Esc {
        return vec![];
    }
    keys.push(Key::of(&event));
    let sections = state.sections(state.nav.top());
    let name = match state.keymap.resolve(&sections, &keys, |name| head::applies(state, name)) {
        Found::Runs(name) => name.to_string(),
        Found::Waits => {
            state.pending = keys;
            return vec![];
        }
        Found::Nothing => {
            if keys.len() > 1 {
                state.warn(format!("{} leads nowhere", written(&keys)));
                return vec![];
            }
            return apart(state, event);
        }
    };
    match actions::find(&name) {
        Some(action) => actions::perform(state, action, ""),
        None => run(state, name.trim_start_matches(':')),
    }
}

/// Esc and a key that come together, as they do over a slow line, look like Alt and the key: where that means nothing,
/// they are what they were.
fn apart(state: &mut State, event: KeyEvent) -> Vec<Effect> {
    if !event.modifiers.contains(KeyModifiers::ALT) {
        return vec![];
    }
    let mut effects = key(state, KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    effects.extend(key(state, KeyEvent::new(event.code, event.modifiers - KeyModifiers::ALT)));
    effects
}

/// Pasted text goes where text is typed; line breaks do not press Enter.
pub fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    state.touch();
    let clean = crate::world::text::clean(text.trim()).into_owned();
    if let Some(prompt) = &mut state.prompt {
        type_in(&mut prompt.input, &clean);
        return typed(state);
    }
    if let Some(screen) = naming(state) {
        type_in(&mut screen.typed, &clean);
    }
    vec![]
}

fn type_in(input: &mut tui_input::Input, text: &str) {
    for c in text.chars() {
        input.handle(InputRequest::InsertChar(c));
    }
}

/// The operation that waits for the name of its protected cluster.
fn naming(state: &mut State) -> Option<&mut crate::state::operation::OperationScreen> {
    let View::Operation(screen) = &state.nav.top().view else { return None };
    let operation = screen.id.as_ref().and_then(|id| state.operation(id))?;
    if !(operation.protected && operation.blocked.is_empty() && state.is_planned(operation)) {
        return None;
    }
    match &mut state.nav.top_mut().view {
        View::Operation(screen) => Some(screen),
        _ => None,
    }
}

/// While a name is to be typed, characters and erasing belong to it.
fn typed_name(state: &mut State, event: KeyEvent) -> bool {
    let plain = (event.modifiers - KeyModifiers::SHIFT).is_empty();
    let edits = matches!(event.code, KeyCode::Char(_) | KeyCode::Backspace | KeyCode::Delete);
    match (plain && edits, naming(state)) {
        (true, Some(screen)) => {
            if let Some(request) = to_input_request(&Event::Key(event)) {
                screen.typed.handle(request);
            }
            true
        }
        _ => false,
    }
}

/// A key while something is typed (k9s: Tab, →, Ctrl-F accept the offer, ↑ ↓ walk offers or the history).
fn prompt(state: &mut State, event: KeyEvent) -> Vec<Effect> {
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let request = request(event);
    if event.modifiers.contains(KeyModifiers::ALT) && request.is_none() {
        return apart(state, event);
    }
    let Some(prompt) = &mut state.prompt else { return vec![] };
    let at_end = prompt.input.cursor() >= prompt.input.value().chars().count();
    match event.code {
        KeyCode::Esc => return cancel(state),
        // Ctrl-G leaves every line editor of Emacs' family.
        KeyCode::Char('c' | 'g') if ctrl => return cancel(state),
        KeyCode::Enter => return enter(state),
        KeyCode::Char('e') if ctrl && prompt.asks == Asks::Command => return enter(state),
        KeyCode::Tab => return accept(state),
        KeyCode::Right | KeyCode::End if at_end && !prompt.ghost().is_empty() => return accept(state),
        KeyCode::Char('f') if ctrl && at_end => return accept(state),
        KeyCode::Up => return walk(state, 1),
        KeyCode::Down => return walk(state, -1),
        KeyCode::Backspace if prompt.input.value().is_empty() => return cancel(state),
        _ => {}
    }
    if let Some(request) = request {
        prompt.input.handle(request);
    }
    typed(state)
}

/// What a key does to a line of text; words with Alt as in readline, which tui-input knows with Meta only.
fn request(event: KeyEvent) -> Option<InputRequest> {
    match (event.code, event.modifiers) {
        (KeyCode::Char('b'), KeyModifiers::ALT) => Some(InputRequest::GoToPrevWord),
        (KeyCode::Char('f'), KeyModifiers::ALT) => Some(InputRequest::GoToNextWord),
        (KeyCode::Char('d'), KeyModifiers::ALT) => Some(InputRequest::DeleteNextWord),
        _ => to_input_request(&Event::Key(event)),
    }
}

/// The text changed: offers for commands; filters and searches apply as one types.
fn typed(state: &mut State) -> Vec<Effect> {
    let Some(mut prompt) = state.prompt.take() else { return vec![] };
    prompt.error = None;
    prompt.recalled = None;
    prompt.offer = 0;
    prompt.chosen = false;
    let text = prompt.input.value().to_string();
    match prompt.asks {
        Asks::Command => prompt.offers = command::complete(state, &text),
        Asks::Filter | Asks::Search => state.set_filter(&text),
        _ => {}
    }
    state.prompt = Some(prompt);
    vec![]
}

fn cancel(state: &mut State) -> Vec<Effect> {
    if let Some(prompt) = state.prompt.take()
        && matches!(prompt.asks, Asks::Filter | Asks::Search)
    {
        state.set_filter(&prompt.before);
    }
    vec![]
}

fn accept(state: &mut State) -> Vec<Effect> {
    let Some(prompt) = &mut state.prompt else { return vec![] };
    match prompt.offers.get(prompt.offer) {
        Some(offer) => {
            prompt.input = tui_input::Input::new(offer.line.clone());
            typed(state)
        }
        None => vec![],
    }
}

/// Offers where something was typed, else the history; `by` 1 is upwards.
fn walk(state: &mut State, by: isize) -> Vec<Effect> {
    let Some(prompt) = &mut state.prompt else { return vec![] };
    if prompt.asks != Asks::Command {
        return vec![];
    }
    if !prompt.input.value().is_empty() && prompt.recalled.is_none() {
        let last = prompt.offers.len().saturating_sub(1);
        // The first is chosen by going to it: until then what was typed counts.
        prompt.offer = if prompt.chosen { prompt.offer.saturating_add_signed(by).min(last) } else { 0 };
        prompt.chosen = !prompt.offers.is_empty();
        return vec![];
    }
    let next = match prompt.recalled {
        None if by > 0 => Some(0),
        None => None,
        Some(n) => n.checked_add_signed(by),
    };
    let next = next.map(|n| n.min(state.history.len().saturating_sub(1)));
    let line = next.and_then(|n| state.history.iter().rev().nth(n)).cloned().unwrap_or_default();
    prompt.recalled = next.filter(|_| !line.is_empty());
    prompt.input = tui_input::Input::new(line);
    prompt.offers.clear();
    vec![]
}

fn enter(state: &mut State) -> Vec<Effect> {
    let Some(prompt) = &state.prompt else { return vec![] };
    let text = prompt.input.value().trim().to_string();
    match prompt.asks {
        Asks::Filter | Asks::Search => {
            state.prompt = None;
            let on_table = matches!(state.nav.top().view, View::Table(_));
            match text.strip_prefix('~').filter(|_| on_table) {
                // As it was typed: quotes and spaces are part of it.
                Some(text) => actions::find("grep").map(|grep| actions::perform(state, grep, text)).unwrap_or_default(),
                None => vec![],
            }
        }
        Asks::Command if text.is_empty() => cancel(state),
        Asks::Command => {
            let offered = prompt.recalled.is_none().then(|| prompt.offers.get(prompt.offer)).flatten();
            let (line, chosen) = (offered.map(|offer| offer.line.clone()), prompt.chosen);
            state.prompt = None;
            match line {
                Some(line) if chosen => enter_command(state, &line, None),
                // Only what goes on from the typed word is taken for it: nothing is guessed.
                line => enter_command(state, &text, line.filter(|line| line.starts_with(&text))),
            }
        }
        Asks::Column { .. } if text.is_empty() => cancel(state),
        Asks::Column { .. } => actions::column_answered(state),
        Asks::Input { .. } => actions::input_answered(state),
        Asks::WhyUrl if text.is_empty() => cancel(state),
        Asks::WhyUrl => {
            state.prompt = None;
            let url = if text.contains("://") { text } else { format!("https://{text}") };
            actions::ask_why(state, WhySubject::Url(url), None)
        }
        _ => actions::answered(state),
    }
}

/// A command that cannot be understood stays in the prompt, with what is wrong with it. What was typed counts as it is;
/// only where that means nothing is the offer behind it taken.
fn enter_command(state: &mut State, text: &str, offered: Option<String>) -> Vec<Effect> {
    let line = match (command::parse(state, text), offered) {
        // (A cluster is never guessed.)
        (Err(_), Some(offer)) if !offer.contains('@') && command::parse(state, &offer).is_ok() => offer,
        _ => text.to_string(),
    };
    match actions::run_line(state, &line) {
        Ok(mut effects) => {
            effects.extend(remember(state, &line));
            effects
        }
        Err(error) => {
            let mut prompt = Prompt::with(Asks::Command, text);
            prompt.error = Some(error);
            state.prompt = Some(prompt);
            vec![]
        }
    }
}

fn remember(state: &mut State, line: &str) -> Vec<Effect> {
    state.history.retain(|known| known != line);
    state.history.push(line.into());
    let excess = state.history.len().saturating_sub(HISTORY);
    state.history.drain(..excess);
    vec![Effect::SaveHistory(state.history.clone())]
}

/// A command from the keymap.
fn run(state: &mut State, line: &str) -> Vec<Effect> {
    actions::run_line(state, line).unwrap_or_else(|error| {
        state.notices.add(Level::Warn, error, state.now);
        vec![]
    })
}
