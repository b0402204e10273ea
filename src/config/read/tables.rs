//! `[sort]` and `[widths]`: how tables of a kind begin.

use super::{Reader, Table};

/// Columns of the terminal that a column may take.
const WIDEST: u16 = 500;
/// Columns of the terminal that a column takes at least.
const NARROWEST: u16 = 2;

impl Reader<'_> {
    /// The kind, the title of the column, and whether the largest comes first.
    pub(super) fn sorts(&mut self, root: &Table<'_>) -> Vec<(String, String, bool)> {
        let mut all = vec![];
        for (table, kind, span) in self.entries(root, "sort", "pods = \"AGE desc\"") {
            let Some(text) = self.string(table, &kind) else { continue };
            let (title, how) = match text.trim().rsplit_once(' ') {
                Some((title, how @ ("asc" | "desc"))) => (title.trim(), how),
                _ => (text.trim(), "asc"),
            };
            match title.is_empty() {
                true => self.problem(span, format!("{kind} is sorted by nothing: {kind} = \"AGE desc\"")),
                false => all.push((kind, title.to_uppercase(), how == "desc")),
            }
        }
        all
    }

    /// The kind, and of its columns those that a person gave a width.
    pub(super) fn widths(&mut self, root: &Table<'_>) -> Vec<(String, Vec<(String, u16)>)> {
        let mut all = vec![];
        for (table, kind, span) in self.entries(root, "widths", "pods = [\"NAME 40\"]") {
            let mut widths = vec![];
            for text in self.strings(table, &kind) {
                let parts = text.trim().rsplit_once(' ');
                match parts.and_then(|(title, width)| Some((title.trim(), width.parse::<u16>().ok()?))) {
                    Some((title, width)) if (NARROWEST..=WIDEST).contains(&width) && !title.is_empty() => {
                        widths.push((title.to_uppercase(), width));
                    }
                    _ => self.problem(
                        span.clone(),
                        format!(
                            "{text:?} is no column with its width ({NARROWEST} to {WIDEST}): {kind} = [\"NAME 40\"]"
                        ),
                    ),
                }
            }
            all.extend((!widths.is_empty()).then_some((kind, widths)));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn order_and_widths_are_read_by_kind() {
        let text =
            "[sort]\npods = \"last seen desc\"\nnodes = \"AGE\"\n[widths]\npods = [\"NAME 40\", \"LAST SEEN 9\"]\n";
        let loaded = parse("c.toml", text);
        assert_eq!(loaded.problems, vec![]);
        let sorts = &loaded.config.sorts;
        assert_eq!(sorts[0], ("pods".into(), "LAST SEEN".into(), true));
        assert_eq!(sorts[1], ("nodes".into(), "AGE".into(), false));
        let widths = vec![("NAME".to_string(), 40), ("LAST SEEN".to_string(), 9)];
        assert_eq!(loaded.config.widths, [("pods".to_string(), widths)]);
    }

    #[test]
    fn what_is_no_width_is_named() {
        let loaded = parse("c.toml", "[widths]\npods = [\"NAME\", \"AGE 0\", \"IP 12\"]\n[sort]\npods = \" \"\n");
        let said: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:2: \"NAME\" is no column with its width")), "{said:?}");
        assert_eq!(loaded.config.widths[0].1, [("IP".to_string(), 12)]);
    }
}
