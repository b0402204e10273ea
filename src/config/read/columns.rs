//! `[columns]`: which columns a table of a kind shows.

use super::{Reader, Table};
use crate::world::choice::{Choice, From, parse_all};

impl Reader<'_> {
    pub(super) fn columns(&mut self, root: &Table<'_>) -> Vec<(String, Vec<Choice>)> {
        let mut all = vec![];
        for (table, kind, span) in self.entries(root, "columns", "pods = [\"NAME\", \"labels.app\"]") {
            let Some(value) = table.get(kind.as_str()) else { continue };
            let list = value.get_ref().as_array();
            let texts: Option<Vec<(&str, _)>> =
                list.and_then(|list| list.iter().map(|v| Some((v.get_ref().as_str()?, v.span()))).collect());
            let Some(texts) = texts else {
                let _: Option<()> = self.wrong(&kind, value, "a list of columns in quotes");
                continue;
            };
            let (choices, wrong) = parse_all(texts.iter().map(|(text, _)| *text));
            // Each mistake is told where its column stands; two of one name where the second does.
            for error in wrong {
                let at = texts.iter().rev().find(|(text, _)| error.contains(text.trim())).map(|(_, span)| span.clone());
                self.problem(at.unwrap_or_else(|| span.clone()), error);
            }
            for (text, at) in &texts {
                if let Some(own) = choices.iter().find(|choice| choice.from == From::Own && choice.text == text.trim())
                {
                    let line = self.line(at);
                    self.titles.push((kind.clone(), own.title.clone(), line));
                }
            }
            match choices.is_empty() {
                true => self.problem(span.clone(), format!("{kind} shows no columns: {kind} = [\"NAME\", \"AGE\"]")),
                false => all.push((kind, choices)),
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn columns_are_read_in_their_order() {
        let loaded = parse(
            "c.toml",
            "[columns]\npods = [\"NAMESPACE\", \"NAME\", \"labels.app\", \".spec.nodeName as NODE\"]\n\
             \"rollouts.argoproj.io\" = [\"NAME\"]\n",
        );
        assert_eq!(loaded.problems, vec![]);
        let titles: Vec<&str> = loaded.config.columns[0].1.iter().map(|choice| choice.title.as_str()).collect();
        assert_eq!((loaded.config.columns[0].0.as_str(), titles), ("pods", vec!["NAMESPACE", "NAME", "APP", "NODE"]));
        assert_eq!(loaded.config.columns[1].0, "rollouts.argoproj.io");
        assert_eq!(loaded.titles.first(), Some(&("pods".to_string(), "NAMESPACE".to_string(), 2)));
    }

    #[test]
    fn mistakes_are_named_with_their_line_and_cost_their_own_column() {
        let text = "[columns]\npods = [\n  \"NAME\",\n  \".spec..x\",\n  \"labels.app\",\n  \".spec.app\",\n]\nnodes = 3\nevents = []\n";
        let loaded = parse("c.toml", text);
        let said: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|p| p.starts_with("c.toml:4: .spec..x has a dot")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:6: labels.app and .spec.app would both")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:8: nodes must be a list")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:9: events shows no columns")), "{said:?}");
        assert_eq!(loaded.config.columns.len(), 1);
        assert_eq!(loaded.config.columns[0].1.len(), 2);
    }
}
