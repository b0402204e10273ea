//! Colours by meaning: themes/*.toml, or the user's own file that inherits from one of them.

pub mod colour;
mod depth;
mod read;

pub use depth::{Depth, light_ground};

use ratatui::style::{Color, Style};
use std::collections::BTreeMap;

/// What a piece of the screen means; a theme gives each its look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Meaning {
    /// Ordinary text.
    #[default]
    Text,
    /// Less important.
    Muted,
    /// Heads of sections, names of screens.
    Title,
    /// Names of clusters in the frame.
    Cluster,
    /// Names of fields and columns.
    Label,
    /// Keys in hints.
    Key,
    /// As it should be.
    Good,
    /// Finished.
    Done,
    /// On its way.
    Busy,
    /// Not as it should be, but working.
    Warn,
    /// Broken.
    Bad,
    /// Under the cursor.
    Selected,
    /// Marked with Space.
    Marked,
    /// What a filter or search found.
    Match,
    /// A line that a diff adds.
    Added,
    /// A line that a diff removes.
    Removed,
    /// Frames and rules.
    Border,
    /// The frame of something that is about to write.
    Write,
    /// What stands before typed text.
    Prompt,
    /// What typed text could become.
    Ghost,
    /// Not current any more.
    Stale,
    /// The two lines of frame.
    Head,
}

/// Every meaning with its name in theme files.
pub const MEANINGS: &[(&str, Meaning)] = &[
    ("text", Meaning::Text),
    ("muted", Meaning::Muted),
    ("title", Meaning::Title),
    ("cluster", Meaning::Cluster),
    ("label", Meaning::Label),
    ("key", Meaning::Key),
    ("good", Meaning::Good),
    ("done", Meaning::Done),
    ("busy", Meaning::Busy),
    ("warn", Meaning::Warn),
    ("bad", Meaning::Bad),
    ("selected", Meaning::Selected),
    ("marked", Meaning::Marked),
    ("match", Meaning::Match),
    ("added", Meaning::Added),
    ("removed", Meaning::Removed),
    ("border", Meaning::Border),
    ("write", Meaning::Write),
    ("prompt", Meaning::Prompt),
    ("ghost", Meaning::Ghost),
    ("stale", Meaning::Stale),
    ("head", Meaning::Head),
];

/// The shipped themes.
pub const SHIPPED: &[(&str, &str)] = &[
    ("dark", include_str!("../themes/dark.toml")),
    ("light", include_str!("../themes/light.toml")),
    ("ansi16", include_str!("../themes/ansi16.toml")),
    ("high-contrast", include_str!("../themes/high-contrast.toml")),
    ("colour-blind", include_str!("../themes/colour-blind.toml")),
    ("catppuccin", include_str!("../themes/catppuccin.toml")),
    ("gruvbox", include_str!("../themes/gruvbox.toml")),
    ("nord", include_str!("../themes/nord.toml")),
    ("solarized", include_str!("../themes/solarized.toml")),
    ("dracula", include_str!("../themes/dracula.toml")),
    ("tokyo-night", include_str!("../themes/tokyo-night.toml")),
    ("mono", include_str!("../themes/mono.toml")),
];

/// Styles by meaning, and the colours by name that they are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    styles: BTreeMap<Meaning, Style>,
    palette: BTreeMap<String, Color>,
}

impl Default for Theme {
    fn default() -> Self {
        Self::load("dark", &|_| None).0
    }
}

impl Theme {
    /// The theme of this name, with what is wrong in it: sentences that name file and line. `own` gives the text of the
    /// user's file of a name; it wins over a shipped theme, and may inherit from the one that it replaces.
    /// Mistakes cost their own line only.
    pub fn load(name: &str, own: &dyn Fn(&str) -> Option<String>) -> (Self, Vec<String>) {
        let mut chain = read::Chain::new(own);
        chain.add(name);
        let (files, mut wrong) = chain.end();
        let mut palette = BTreeMap::new();
        for file in files.iter().rev() {
            palette.extend(file.palette.iter().map(|(name, colour)| (name.clone(), *colour)));
        }
        let mut styles = BTreeMap::new();
        for file in files.iter().rev() {
            for look in &file.looks {
                match look.style(&palette) {
                    Ok(style) => drop(styles.insert(look.meaning, style)),
                    Err(error) => wrong.push(format!("{}:{}: {error}", file.name, look.line)),
                }
            }
        }
        (Self { styles, palette }, wrong)
    }

    /// No colour at all (`NO_COLOR`, `TERM=dumb`): bold, reverse and words carry what colours say otherwise.
    pub fn plain() -> Self {
        Self::load("mono", &|_| None).0
    }

    /// The same theme with the colours that a terminal has; the nearest where it lacks one.
    pub fn at(mut self, depth: Depth) -> Self {
        if depth == Depth::None {
            return Self::plain();
        }
        for style in self.styles.values_mut() {
            *style = depth.style(*style);
        }
        for colour in self.palette.values_mut() {
            *colour = depth.colour(*colour);
        }
        self
    }

    /// The look of a meaning.
    pub fn style(&self, meaning: Meaning) -> Style {
        self.styles.get(&meaning).copied().unwrap_or_default()
    }

    /// Whether anything has a colour.
    pub fn coloured(&self) -> bool {
        self.styles.values().any(|style| style.fg.is_some() || style.bg.is_some())
    }

    /// A colour as the configuration names it: of the palette, of the terminal, `#rrggbb` or 0–255.
    ///
    /// # Errors
    /// A sentence that names the colour nearest to what is none.
    pub fn colour(&self, name: &str) -> Result<Color, String> {
        read::colour(name, &self.palette)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Modifier;

    fn own(text: &'static str) -> impl Fn(&str) -> Option<String> {
        move |name| (name == "mine").then(|| text.to_string())
    }

    #[test]
    fn shipped_themes_are_without_fault_and_name_every_meaning() {
        assert_eq!(SHIPPED.len(), 12);
        for (name, _) in SHIPPED {
            let (theme, wrong) = Theme::load(name, &|_| None);
            assert_eq!(wrong, Vec::<String>::new(), "{name}");
            for (meaning, value) in MEANINGS {
                assert!(theme.styles.contains_key(value), "{name} says nothing about {meaning}");
            }
        }
    }

    #[test]
    fn ansi16_uses_the_terminals_colours_only() {
        let (theme, _) = Theme::load("ansi16", &|_| None);
        let ok = |c: Option<Color>| !matches!(c, Some(Color::Rgb(..) | Color::Indexed(_)));
        assert!(theme.styles.values().all(|style| ok(style.fg) && ok(style.bg)));
    }

    #[test]
    fn no_colour_means_none_and_still_shows_the_cursor() {
        for theme in [Theme::plain(), Theme::default().at(Depth::None)] {
            assert!(!theme.coloured());
            assert!(theme.style(Meaning::Selected).add_modifier.contains(Modifier::REVERSED));
        }
        let (mono, plain) = (Theme::load("mono", &|_| None).0, Theme::plain());
        assert_eq!(mono, plain);
    }

    #[test]
    fn a_theme_of_ones_own_names_what_differs_and_mistakes_are_named_with_their_line() {
        let text = "inherits = \"light\"\n[palette]\nred = \"#ff0000\"\n[style]\nbda = \"red\"\ngood = { fg = \"gren\" }\n\
                    warn = { blod = true }\nbad = { fg = \"red\", bold = 1 }\n[pallete]\n";
        let (theme, wrong) = Theme::load("mine", &own(text));
        let said = [
            "themes/mine.toml:5: there is no meaning `bda`; did you mean `bad`?",
            "themes/mine.toml:6: there is no colour `gren`; did you mean `green`?",
            "themes/mine.toml:7: there is no property `blod`; did you mean `bold`?",
            "themes/mine.toml:8: `bold` is true or false",
            "themes/mine.toml:9: there is no section `pallete`; did you mean `palette`?",
        ];
        assert_eq!(wrong.len(), said.len(), "{wrong:#?}");
        for said in said {
            assert!(wrong.iter().any(|w| w.starts_with(said)), "{said}: {wrong:#?}");
        }
        let light = Theme::load("light", &|_| None).0;
        // The palette's red holds in what is inherited too.
        assert_eq!(theme.style(Meaning::Removed).fg, Some(Color::Rgb(255, 0, 0)));
        assert_eq!(theme.style(Meaning::Good), light.style(Meaning::Good));
    }

    #[test]
    fn a_file_of_ones_own_replaces_a_shipped_theme_and_may_build_on_it() {
        let own =
            |name: &str| (name == "dark").then(|| "inherits = \"dark\"\n[style]\nbad = \"#010203\"\n".to_string());
        let (theme, wrong) = Theme::load("dark", &own);
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(theme.style(Meaning::Bad).fg, Some(Color::Rgb(1, 2, 3)));
        assert_eq!(theme.style(Meaning::Good), Theme::default().style(Meaning::Good));
    }

    #[test]
    fn unknown_broken_and_circular_themes_fall_back() {
        let (theme, wrong) = Theme::load("drak", &|_| None);
        assert_eq!(theme, Theme::default());
        assert!(wrong[0].contains("did you mean `dark`"), "{wrong:?}");
        let (theme, wrong) = Theme::load("mine", &own("\nstyle = ["));
        assert_eq!(theme, Theme::default());
        assert!(wrong[0].starts_with("themes/mine.toml:2: "), "{wrong:?}");
        let circle = |name: &str| Some(format!("inherits = \"{}\"\n", if name == "a" { "b" } else { "a" }));
        let (theme, wrong) = Theme::load("a", &circle);
        assert_eq!(theme, Theme::default());
        assert!(wrong.iter().any(|w| w.contains("inherits from itself")), "{wrong:?}");
    }

    #[test]
    fn accents_are_colours_of_the_palette_or_any_other() {
        let theme = Theme::default();
        assert_eq!(theme.colour("#102030"), Ok(Color::Rgb(16, 32, 48)));
        assert_eq!(theme.colour("violet"), Ok(Color::Rgb(0xc7, 0x92, 0xea)));
        assert!(theme.colour("vilet").unwrap_err().contains("did you mean `violet`"));
    }

    /// What a look is seen against: its own ground, the two lines of frame, or the terminal's where the theme has none.
    fn grounds(name: &str, theme: &Theme, meaning: Meaning) -> Vec<Color> {
        let own = theme.style(meaning).bg;
        let text = theme.style(Meaning::Text).bg.filter(|bg| *bg != Color::Reset);
        let terminal: &[Color] = match (own.or(text), name) {
            (Some(ground), _) => &[ground],
            // The grounds that terminals ship with.
            (None, "light") => &[Color::Rgb(255, 255, 255), Color::Rgb(0xf5, 0xf5, 0xf5)],
            (None, _) => &[Color::Rgb(0, 0, 0), Color::Rgb(0x28, 0x2c, 0x34)],
        };
        let framed = !matches!(meaning, Meaning::Selected | Meaning::Head) && own.is_none();
        terminal.iter().copied().chain(theme.style(Meaning::Head).bg.filter(|_| framed)).collect()
    }

    #[test]
    fn everything_can_be_read_on_its_ground_in_every_depth() {
        let mut wrong = vec![];
        for (name, _) in SHIPPED.iter().filter(|(name, _)| !matches!(*name, "ansi16" | "mono")) {
            for depth in [Depth::True, Depth::Indexed] {
                let theme = Theme::load(name, &|_| None).0.at(depth);
                for (word, meaning) in MEANINGS {
                    let style = theme.style(*meaning);
                    let text = theme.style(Meaning::Text).fg;
                    let Some(fg) = style.fg.or(text) else { panic!("{name} gives {word} no colour") };
                    let least = if *name == "high-contrast" && *meaning != Meaning::Border { 4.5 } else { 3.0 };
                    for ground in grounds(name, &theme, *meaning) {
                        let found = colour::contrast(fg, ground).unwrap_or(0.0);
                        if found < least {
                            wrong.push(format!("{name} {depth:?} {word}: {fg} on {ground} is {found:.2}, not {least}"));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn states_differ_from_each_other_in_every_theme() {
        let told_apart = [Meaning::Good, Meaning::Busy, Meaning::Warn, Meaning::Bad];
        for (name, _) in SHIPPED.iter().filter(|(name, _)| *name != "mono") {
            let theme = Theme::load(name, &|_| None).0;
            for (n, a) in told_apart.iter().enumerate() {
                for b in &told_apart[..n] {
                    assert_ne!(theme.style(*a), theme.style(*b), "{name}: {a:?} looks like {b:?}");
                }
            }
        }
    }
}
