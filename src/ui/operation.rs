//! An operation: its plan with the buttons, or its steps.

use super::brush::{Brush, row, width};
use crate::msg::{OperationStatus, OperationView, PlanLine, Sign, StepMark, StepView};
use crate::state::State;
use crate::state::grid::wrapped;
use crate::state::operation::OperationScreen;
use crate::theme::Meaning;
use crate::world::time::{Time, human};
use ratatui::layout::{Position, Rect};

/// Columns of the labels on the left.
const LABELS: usize = 8;

/// Draws the box.
pub fn draw(brush: &mut Brush, area: Rect, state: &State, screen: &OperationScreen) {
    let Some(operation) = screen.id.as_ref().and_then(|id| state.operation(id)) else {
        let inside = brush.frame(area, &screen.title, Meaning::Write);
        let (text, meaning) = match &screen.error {
            Some(error) => (format!("This cannot be planned: {error}. Nothing was changed."), Meaning::Bad),
            None => ("finding out what this would do …".into(), Meaning::Muted),
        };
        for (n, part) in wrapped(&text, inside.width.into()).iter().enumerate() {
            brush.line(row(inside, n + 1), part, meaning);
        }
        return;
    };
    let inside = brush.frame(area, &title(operation), Meaning::Write);
    if let Some(accent) = state.accents.get(&operation.cluster) {
        brush.recolour_frame(area, accent);
    }
    let below = if operation.status == OperationStatus::Planned { 2 } else { 1 };
    let room = Rect { height: inside.height.saturating_sub(below), ..inside };
    let lines = body(operation, usize::from(inside.width), state.now);
    let top = screen.top.min(lines.len().saturating_sub(room.height.into()));
    for (n, line) in lines.iter().skip(top).take(room.height.into()).enumerate() {
        brush.spans(row(room, n), line);
    }
    let hidden = lines.len().saturating_sub(top + usize::from(room.height));
    let rule = row(inside, usize::from(inside.height.saturating_sub(below)));
    if operation.status == OperationStatus::Planned {
        if hidden > 0 {
            brush.line(rule, &format!("… {hidden} more lines below"), Meaning::Warn);
        }
        buttons(brush, row(inside, usize::from(inside.height.saturating_sub(1))), operation, screen);
    } else {
        brush.line(rule, &outcome(operation, hidden), status_meaning(operation.status));
    }
}

/// What and where; the cluster is named even where the title does not.
fn title(operation: &OperationView) -> String {
    let place = format!(" on {}", operation.cluster);
    if operation.title.ends_with(&place) { operation.title.clone() } else { format!("{}{place}", operation.title) }
}

type Line = Vec<(Meaning, String)>;

fn body(operation: &OperationView, columns: usize, now: Time) -> Vec<Line> {
    let mut lines: Vec<Line> = vec![];
    for blocked in &operation.blocked {
        labelled(&mut lines, "blocked", blocked, Meaning::Bad, columns);
    }
    // Once it runs, how far it is matters more than what was planned.
    if !operation.steps.is_empty() {
        lines.extend(operation.steps.iter().map(|line| step(line, now)));
        lines.push(vec![]);
    }
    for line in &operation.plan {
        plan(&mut lines, line, columns);
    }
    lines
}

fn plan(lines: &mut Vec<Line>, line: &PlanLine, columns: usize) {
    match line.sign {
        Sign::Plain => labelled(lines, &line.label, &line.text, Meaning::Text, columns),
        Sign::Warning => labelled(lines, &line.label, &line.text, Meaning::Warn, columns),
        // A diff keeps its columns.
        Sign::Added => lines.push(diff(line, '+', Meaning::Added)),
        Sign::Removed => lines.push(diff(line, '-', Meaning::Removed)),
    }
}

fn diff(line: &PlanLine, sign: char, meaning: Meaning) -> Line {
    vec![(Meaning::Label, format!("{:<LABELS$}", line.label)), (meaning, format!("{sign} {}", line.text))]
}

fn labelled(lines: &mut Vec<Line>, label: &str, text: &str, meaning: Meaning, columns: usize) {
    let indent = text.len() - text.trim_start().len();
    let room = columns.saturating_sub(LABELS + indent).max(8);
    for (n, part) in wrapped(text.trim_start(), room).into_iter().enumerate() {
        let label = if n == 0 { label } else { "" };
        lines.push(vec![
            (Meaning::Label, format!("{label:<LABELS$}")),
            (meaning, format!("{}{part}", " ".repeat(indent))),
        ]);
    }
}

fn step(step: &StepView, now: Time) -> Line {
    let (mark, meaning) = match step.mark {
        StepMark::Waiting => ("·", Meaning::Muted),
        StepMark::Running => ("…", Meaning::Busy),
        StepMark::Done => ("✓", Meaning::Good),
        StepMark::Failed => ("✗", Meaning::Bad),
        StepMark::Skipped => ("–", Meaning::Done),
    };
    let age = if step.at.is_set() { format!("  {} ago", human(step.at.age(now))) } else { String::new() };
    vec![(meaning, format!("  {mark} {}", step.text)), (Meaning::Muted, age)]
}

fn status_meaning(status: OperationStatus) -> Meaning {
    match status {
        OperationStatus::Planned | OperationStatus::Running => Meaning::Busy,
        OperationStatus::Open => Meaning::Warn,
        OperationStatus::Done => Meaning::Good,
        OperationStatus::Failed => Meaning::Bad,
        OperationStatus::Undone => Meaning::Done,
    }
}

fn outcome(operation: &OperationView, hidden: usize) -> String {
    let more = if hidden > 0 { format!("  (… {hidden} more lines below)") } else { String::new() };
    let what = match operation.status {
        OperationStatus::Planned => "planned",
        OperationStatus::Running => "running; it goes on when you leave this screen",
        OperationStatus::Open => "left open by an earlier run: f finishes it, u undoes it",
        OperationStatus::Done => "done, and recorded",
        OperationStatus::Failed => "failed; the steps say where, and nothing after that was done",
        OperationStatus::Undone => "undone",
    };
    format!("{what}  op {}{more}", operation.id)
}

fn buttons(brush: &mut Brush, area: Rect, operation: &OperationView, screen: &OperationScreen) {
    if !operation.blocked.is_empty() {
        brush.line(area, "It cannot be run as it is. Enter or Esc goes back.", Meaning::Bad);
        return;
    }
    if operation.protected {
        let ask = ask(operation);
        let used = brush.put(area, &ask, brush.look(Meaning::Write));
        let rest = Rect { x: area.x + used, width: area.width.saturating_sub(used), ..area };
        let typed = screen.typed.value();
        let pad = width(&operation.cluster).saturating_sub(width(typed)) + 1;
        let field = format!("[{typed}{}]  Esc cancels", " ".repeat(pad));
        brush.line(rest, &field, Meaning::Text);
        return;
    }
    let look = |chosen: bool| if chosen { Meaning::Selected } else { Meaning::Text };
    let sign = |chosen: bool| if chosen { "▸" } else { " " };
    brush.spans(
        area,
        &[
            (look(!screen.go), format!("{}[ Cancel ]", sign(!screen.go))),
            (Meaning::Text, "  ".into()),
            (look(screen.go), format!("{}[ Do it ]", sign(screen.go))),
            (Meaning::Muted, "   Tab switches, Enter presses, Esc cancels".into()),
        ],
    );
}

fn ask(operation: &OperationView) -> String {
    format!("{} is protected: type its name to go on  ", operation.cluster)
}

/// Where the cursor stands while the name of a protected cluster is typed.
pub fn cursor(area: Rect, state: &State) -> Option<Position> {
    let crate::state::nav::View::Operation(screen) = &state.nav.top().view else { return None };
    let operation = state.operation(screen.id.as_ref()?)?;
    if !operation.protected || !operation.blocked.is_empty() || !state.is_planned(operation) || area.height < 3 {
        return None;
    }
    let x = width(&ask(operation)) + 1 + screen.typed.visual_cursor();
    Some(Position::new(area.x.saturating_add(2).saturating_add(u16::try_from(x).ok()?), area.y + area.height - 2))
}
