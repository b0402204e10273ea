//! Every look with a sample, beside the list of themes.

use super::brush::{Brush, row};
use crate::state::State;
use crate::state::list::ListOf;
use crate::state::nav::View;
use crate::theme::MEANINGS;
use ratatui::layout::Rect;

/// Columns of the samples, and what the list needs beside them.
const SAMPLES: u16 = 24;
const LIST: u16 = 52;

/// Draws the samples where the list of themes is in view and there is room.
pub fn beside(brush: &mut Brush, area: Rect, state: &State) {
    let shown = matches!(&state.nav.top().view, View::List(list) if list.of == ListOf::Themes);
    if !shown || area.width < LIST + SAMPLES {
        return;
    }
    let area = Rect { x: area.x + area.width - SAMPLES, width: SAMPLES, ..area };
    for (n, (name, meaning)) in MEANINGS.iter().enumerate() {
        let line = row(area, n);
        brush.clear(line);
        brush.fill(line, *meaning);
        brush.line(line, &format!(" {name:<10} web-66c8 "), *meaning);
    }
}
