//! How the screen is drawn, as far as the state has a say in it: which themes there are and which one is shown.

use super::State;
use super::list::{ListOf, ListRow, Listing};
use super::nav::View;
use crate::effect::Effect;
use crate::msg::Level;
use crate::theme::SHIPPED;
use crate::world::row::Tone;
use crate::world::text::closest;

/// How the screen is drawn.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Look {
    /// The theme that was chosen.
    pub theme: String,
    /// Names of themes in the configuration directory.
    pub own: Vec<String>,
    /// Nothing but ASCII is drawn.
    pub ascii: bool,
    /// Clicks and the wheel are ours; else the terminal's own selection works.
    pub mouse: bool,
    /// The terminal opens links.
    pub links: bool,
    /// The terminal said that its window lost the focus.
    pub away: bool,
}

impl Look {
    /// Every theme, the shipped ones first.
    pub fn themes(&self) -> impl Iterator<Item = &str> {
        let own = self.own.iter().map(String::as_str).filter(|name| SHIPPED.iter().all(|(known, _)| known != name));
        SHIPPED.iter().map(|(name, _)| *name).chain(own)
    }
}

/// Every theme; the one under the cursor is shown at once.
pub fn listing(state: &State) -> Listing {
    let look = &state.look;
    let rows = look.themes().map(|name| {
        let from = match (look.own.iter().any(|own| own == name), SHIPPED.iter().any(|(known, _)| *known == name)) {
            (true, true) => "yours, instead of the shipped one",
            (true, false) => "yours",
            (false, _) => "shipped",
        };
        let now = if name == look.theme { "*" } else { "" };
        let row = ListRow::new(name, vec![name.into(), now.into(), from.into()]);
        if now.is_empty() { row } else { row.tone(Tone::Busy) }
    });
    Listing {
        columns: &[("NAME", false), ("NOW", false), ("FROM", false)],
        rows: rows.collect(),
        empty: "no theme",
        ..Listing::default()
    }
}

impl State {
    /// Shows the theme under the cursor of the list of themes.
    pub fn preview(&self) -> Vec<Effect> {
        match &self.nav.top().view {
            View::List(list) if list.of == ListOf::Themes => {
                list.selected.iter().map(|name| Effect::Theme(name.clone())).collect()
            }
            _ => vec![],
        }
    }

    /// Takes a theme for this run.
    pub fn choose_theme(&mut self, name: &str) -> Vec<Effect> {
        if !self.look.themes().any(|known| known == name) {
            let near = closest(name, self.look.themes()).map(|near| format!("; did you mean `{near}`?"));
            self.warn(format!("there is no theme `{name}`{}", near.unwrap_or_default()));
            return vec![];
        }
        self.look.theme = name.into();
        let text = format!("theme {name}; `theme = \"{name}\"` under [ui] in config.toml keeps it");
        self.notices.add(Level::Info, text, self.now);
        vec![Effect::Theme(name.into())]
    }
}
