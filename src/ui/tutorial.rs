//! The tutorial: a panel on the right where there is room, else a strip above the bottom line.

use super::brush::{Brush, row, width};
use crate::state::State;
use crate::state::grid::wrapped;
use crate::theme::Meaning;
use ratatui::layout::Rect;

/// Draws the step to do now; with room, every step.
pub fn draw(brush: &mut Brush, area: Rect, state: &State) {
    if area.is_empty() {
        return;
    }
    brush.clear(area);
    let steps = &state.tutorial;
    let done = steps.iter().filter(|step| step.done).count();
    let current = steps.iter().position(|step| !step.done);
    let title = format!("tutorial {done}/{}", steps.len());
    if area.height > 6 {
        let inside = brush.frame(area, &format!("{title} ({})", hint(state)), Meaning::Title);
        panel(brush, inside, state, current);
        return;
    }
    brush.rule(row(area, 0));
    let (head, text) = match current.and_then(|n| steps.get(n)) {
        Some(step) => (step.title.clone(), step.text.clone()),
        None => ("all done".into(), "Every incident is healed, each by a commit. :q leaves.".into()),
    };
    let line = row(area, 1);
    brush.spans(line, &[(Meaning::Title, format!(" {title}  ")), (Meaning::Key, head)]);
    let hint = hint(state);
    let room = (width(&hint) as u16 + 1).min(line.width);
    let end = Rect { x: line.x + line.width - room, width: room, ..line };
    brush.line(end, &format!(" {hint}"), Meaning::Muted);
    let columns = usize::from(area.width.saturating_sub(2));
    for (n, line) in wrapped(&text, columns).iter().take(usize::from(area.height.saturating_sub(2))).enumerate() {
        brush.line(row(area, n + 2), &format!(" {line}"), Meaning::Text);
    }
}

/// The key that hides it, as the keymap has it.
fn hint(state: &State) -> String {
    let sections = state.sections(state.nav.top());
    match state.keymap.key_for(&sections, "tutorial", |_| true) {
        Some(key) => format!("{key} hides"),
        None => ":tutorial hides".into(),
    }
}

fn panel(brush: &mut Brush, area: Rect, state: &State, current: Option<usize>) {
    let mut y = 0;
    for (n, step) in state.tutorial.iter().enumerate() {
        let (mark, meaning) = match (step.done, current == Some(n)) {
            (true, _) => ("✓", Meaning::Good),
            (false, true) => ("▸", Meaning::Key),
            (false, false) => ("·", Meaning::Muted),
        };
        brush.line(row(area, y), &format!("{mark} {}", step.title), meaning);
        y += 1;
        if current == Some(n) {
            for line in wrapped(&step.text, usize::from(area.width.saturating_sub(2))) {
                brush.line(row(area, y), &format!("  {line}"), Meaning::Text);
                y += 1;
            }
        }
    }
    if current.is_none() {
        brush.line(row(area, y + 1), "all done", Meaning::Good);
    }
}
