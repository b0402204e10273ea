//! Colours by meaning.

/// Styles by meaning.
#[derive(Clone, Debug, Default)]
pub struct Theme {}

impl Theme {
    /// A shipped theme (`dark`, `light`, `ansi16`) or the text of the user's own, with what is wrong in it.
    /// Mistakes cost their own line only.
    pub fn load(name: &str, user: Option<&str>) -> (Self, Vec<String>) {
        let _ = (name, user);
        (Self::default(), vec![])
    }

    /// No colour at all (`NO_COLOR`, `TERM=dumb`): bold, reverse and words carry what colours say otherwise.
    pub fn plain() -> Self {
        Self::default()
    }
}
