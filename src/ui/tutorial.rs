//! The tutorial: a panel on the right where there is room, else a strip above the bottom line.

use super::brush::{Brush, row};
use super::grid::wrapped;
use crate::state::State;
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
        let inside = brush.frame(area, &title, Meaning::Title);
        panel(brush, inside, state, current);
        return;
    }
    brush.rule(row(area, 0));
    let (head, text) = match current.and_then(|n| steps.get(n)) {
        Some(step) => (step.title.clone(), step.text.clone()),
        None => ("all done".into(), "Every incident is healed, each by a commit. :q leaves.".into()),
    };
    brush.spans(row(area, 1), &[(Meaning::Title, format!(" {title}  ")), (Meaning::Key, head)]);
    let width = usize::from(area.width.saturating_sub(2));
    for (n, line) in wrapped(&text, width).iter().take(usize::from(area.height.saturating_sub(2))).enumerate() {
        brush.line(row(area, n + 2), &format!(" {line}"), Meaning::Text);
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
