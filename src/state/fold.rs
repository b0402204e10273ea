//! Blocks of YAML that can be folded: what is indented below a line belongs to it.

/// What is known of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Lines below that belong to it.
    pub lines: usize,
    /// Blocks around it.
    pub depth: usize,
    /// Tells it from every other, also when the text is written anew.
    pub path: String,
}

/// The blocks of a text, one for each line, as YAML is printed here: block style, lists not indented.
pub fn outline(lines: &[String]) -> Vec<Block> {
    let margins = margins(lines);
    let mut blocks: Vec<Block> = Vec::with_capacity(lines.len());
    // The lines around: where they stand in `blocks`.
    let mut around: Vec<usize> = vec![];
    // How many items each of them (and the text) has had so far.
    let mut items: Vec<usize> = vec![0];
    for (n, line) in lines.iter().enumerate() {
        while let Some(&last) = around.last()
            && !belongs((line, margins[n]), (&lines[last], margins[last]))
        {
            around.pop();
            items.truncate(around.len() + 1);
        }
        let parent = around.last().map_or("", |at| blocks[*at].path.as_str());
        let label = match is_item(line) {
            true => {
                let count = items.last_mut().map_or(0, |count| {
                    *count += 1;
                    *count
                });
                format!("[{count}]")
            }
            false => line.trim().split(": ").next().unwrap_or_default().trim_end_matches(':').to_string(),
        };
        let path = format!("{parent}/{label}");
        around.iter().for_each(|at| blocks[*at].lines += 1);
        blocks.push(Block { lines: 0, depth: around.len(), path });
        around.push(n);
        items.push(0);
    }
    blocks
}

/// How far each line is indented. Blank lines within a text have lost it: they go with the line above.
fn margins(lines: &[String]) -> Vec<usize> {
    let mut above = 0;
    let margin = |line: &String| {
        let text = line.trim_start_matches(' ');
        if !text.is_empty() {
            above = line.len() - text.len();
        }
        above
    };
    lines.iter().map(margin).collect()
}

fn is_item(line: &str) -> bool {
    let text = line.trim_start_matches(' ');
    text.starts_with("- ") || text == "-"
}

/// Whether a line belongs to one above it; each with how far it is indented.
fn belongs((line, here): (&str, usize), (above, there): (&str, usize)) -> bool {
    here > there || (here == there && is_item(line) && !is_item(above) && above.trim_end().ends_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks(text: &str) -> Vec<(usize, usize)> {
        let lines: Vec<String> = text.lines().map(String::from).collect();
        outline(&lines).iter().map(|block| (block.lines, block.depth)).collect()
    }

    #[test]
    fn what_is_below_belongs_to_it() {
        let text = "apiVersion: v1\nlist:\n- a: 1\n  b:\n  - x\n  - y\n- []\nmeta:\n  name: web\n  text: |\n    one\n\n    two\nend: 1";
        assert_eq!(
            blocks(text),
            [
                (0, 0),
                (5, 0),
                (3, 1),
                (2, 2),
                (0, 3),
                (0, 3),
                (0, 1),
                (5, 0),
                (0, 1),
                (3, 1),
                (0, 2),
                (0, 2),
                (0, 2),
                (0, 0),
            ]
        );
    }

    #[test]
    fn a_block_keeps_its_name_when_what_is_above_changes() {
        let path = |text: &str, line: &str| {
            let lines: Vec<String> = text.lines().map(String::from).collect();
            let at = lines.iter().position(|l| l == line).unwrap();
            outline(&lines)[at].path.clone()
        };
        let (before, after) =
            ("a: 1\nspec:\n  list:\n  - x: 1\n  - y: 2", "a: 1\nb:\n  c: 1\nspec:\n  list:\n  - x: 9\n  - y: 2");
        assert_eq!(path(before, "  - y: 2"), "/spec/list/[2]");
        assert_eq!(path(before, "  - y: 2"), path(after, "  - y: 2"));
    }

    proptest! {
        #[test]
        fn blocks_lie_within_the_text_and_within_each_other(lines in prop::collection::vec("[ ]{0,6}(- )?[a-z]{0,3}:?", 0..40)) {
            let blocks = outline(&lines);
            prop_assert_eq!(blocks.len(), lines.len());
            for (n, block) in blocks.iter().enumerate() {
                prop_assert!(n + block.lines < lines.len());
                let within = blocks.iter().enumerate().skip(n).take(block.lines + 1);
                for (inner, part) in within {
                    prop_assert!(inner + part.lines <= n + block.lines);
                }
            }
        }
    }
}
