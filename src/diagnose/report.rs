//! The verdict as text for people: lines of styled spans for 80 columns (or more), which the terminal screen draws
//! and `kokpit why` prints.
//!
//! Every line may carry the object it speaks of (what Enter jumps to) and the number of a fix (what a digit runs).

mod wrap;

use super::case::Subject;
use super::status;
use super::verdict::{Change, Confidence, Evidence, Finding, Fix, Hop, Mark, Scheduling, State, Verdict};
use crate::world::object::ObjectRef;
use crate::world::time::human;
use wrap::{pad, width};

/// What a piece of text is, so that a theme (or a terminal without colour) can decide how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// Running text.
    Plain,
    /// The headline and section titles.
    Title,
    /// What is wrong: the reason, a broken hop, a refusing filter.
    Bad,
    /// What works.
    Good,
    /// What could not be said.
    Warn,
    /// Ids, rules, what follows from something else.
    Dim,
    /// A command to run.
    Command,
}

/// One line: spans from left to right, and what it is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Styled pieces of text.
    pub spans: Vec<(Style, String)>,
    /// The object to jump to.
    pub object: Option<ObjectRef>,
    /// The cluster that it lives in, where that is another one than the subject's.
    pub cluster: Option<String>,
    /// The number of the fix that this line (and the ones after it without a number) describes, from 1.
    pub fix: Option<usize>,
}

impl Line {
    fn new(spans: impl IntoIterator<Item = (Style, String)>) -> Self {
        Self { spans: spans.into_iter().collect(), ..Self::default() }
    }

    fn about(mut self, object: &ObjectRef) -> Self {
        self.object = Some(object.clone());
        self
    }

    /// The text without styles.
    pub fn text(&self) -> String {
        self.spans.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// The report for a width of `columns` (at least 40 are assumed).
pub fn lines(verdict: &Verdict, columns: usize) -> Vec<Line> {
    let mut page = Page { columns: columns.max(40), lines: Vec::new() };
    page.headline(verdict);
    page.rule();
    page.body(verdict);
    page.lines
}

/// The report without its headline, for where that is shown already.
pub fn body(verdict: &Verdict, columns: usize) -> Vec<Line> {
    let mut page = Page { columns: columns.max(40), lines: Vec::new() };
    page.body(verdict);
    page.lines
}

/// The report as plain text for 80 columns, a newline after every line.
pub fn plain(verdict: &Verdict) -> String {
    lines(verdict, 80).iter().map(|line| format!("{}\n", line.text().trim_end())).collect()
}

struct Page {
    columns: usize,
    lines: Vec<Line>,
}

impl Page {
    fn body(&mut self, verdict: &Verdict) {
        self.reason(verdict);
        self.chain(&verdict.chain);
        if let Some(scheduling) = &verdict.scheduling {
            self.matrix(scheduling);
        }
        self.fixes(verdict);
        self.changes(&verdict.changed_before);
        self.findings("Follows from it", &verdict.contributing);
        self.findings("Also true, not the reason", &verdict.also_true);
        self.unreadable(verdict);
    }

    fn headline(&mut self, verdict: &Verdict) {
        let subject = match &verdict.subject {
            Some(Subject::Object(at)) => format!("{at}  {}", verdict.headline),
            Some(Subject::Url(_)) | None => verdict.headline.clone(),
        };
        let left = [verdict.cluster.as_str(), subject.as_str()]
            .iter()
            .filter(|t| !t.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("  ");
        let right = match (&verdict.primary, verdict.state) {
            (Some(primary), _) => confidence(primary.confidence),
            (None, State::Fine) => "fine",
            (None, _) => "unknown",
        };
        let room = self.columns.saturating_sub(width(right) + 2);
        let mut parts = wrap::wrap(&left, room.saturating_sub(1));
        let first = if parts.is_empty() { String::new() } else { parts.remove(0) };
        let style = match verdict.state {
            State::Broken => Style::Bad,
            State::Fine => Style::Good,
            State::Unknown => Style::Warn,
        };
        let mut line = Line::new([(Style::Title, format!(" {}", pad(&first, room))), (style, right.to_owned())]);
        if let Some(Subject::Object(at)) = &verdict.subject {
            line = line.about(at);
        }
        self.lines.push(line);
        self.lines.extend(parts.into_iter().map(|p| Line::new([(Style::Title, format!(" {p}"))])));
    }

    fn rule(&mut self) {
        self.lines.push(Line::new([(Style::Dim, format!(" {}", "─".repeat(self.columns.saturating_sub(2))))]));
    }

    fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.spans.is_empty()) {
            self.lines.push(Line::default());
        }
    }

    fn reason(&mut self, verdict: &Verdict) {
        let Some(primary) = &verdict.primary else {
            let (style, text) = match verdict.state {
                State::Fine if verdict.in_progress => (Style::Good, "✓ Nothing is wrong so far; it is not done yet."),
                State::Fine => (Style::Good, "✓ Nothing is wrong."),
                State::Unknown if verdict.headline == status::NOT_FOUND => (
                    Style::Warn,
                    "? There is no such object here; look at the name, the namespace (-n) and the context.",
                ),
                _ => (Style::Warn, "? No known cause matches. What was looked at stands below."),
            };
            self.lines.push(Line::new([(style, format!(" {text}"))]));
            return;
        };
        let from = self.lines.len();
        self.wrapped(" ● ", Style::Bad, &primary.summary, Some(&primary.object));
        let what = format!("{}  on {}", primary.cause, place(primary));
        self.wrapped("   ", Style::Dim, &what, Some(&primary.object));
        for evidence in &primary.evidence {
            self.evidence(evidence, &primary.object);
        }
        self.place(from, primary);
    }

    /// The lines since `from` speak of what lives in the finding's cluster, unless they say another one.
    fn place(&mut self, from: usize, finding: &Finding) {
        for line in self.lines.iter_mut().skip(from).filter(|line| line.cluster.is_none()) {
            line.cluster.clone_from(&finding.cluster);
        }
    }

    /// The lines since `from` speak of what was read in this cluster.
    fn read_in(&mut self, from: usize, evidence: &Evidence) {
        self.lines.iter_mut().skip(from).for_each(|line| line.cluster.clone_from(&evidence.cluster));
    }

    fn evidence(&mut self, evidence: &Evidence, of: &ObjectRef) {
        let mut text = evidence.text.clone();
        if let Some(age) = evidence.age_s.filter(|_| !text.contains(" ago")) {
            text.push_str(&format!("  ({} ago)", human(age)));
        }
        if evidence.object != *of && !text.contains(&evidence.object.name) {
            text = format!("{}: {text}", evidence.object);
        }
        let from = self.lines.len();
        self.wrapped("   · ", Style::Plain, &text, Some(&evidence.object));
        self.read_in(from, evidence);
    }

    fn chain(&mut self, chain: &[Hop]) {
        if chain.is_empty() {
            return;
        }
        self.blank();
        let name = chain.iter().map(|hop| width(&hop.name)).max().unwrap_or_default();
        for hop in chain {
            let (mark, style) = match hop.mark {
                Mark::Ok => ("✓", Style::Good),
                Mark::Broken => ("✗", Style::Bad),
                Mark::Follows => ("·", Style::Dim),
                Mark::Unknown => ("?", Style::Warn),
            };
            let text_style = if hop.mark == Mark::Follows { Style::Dim } else { Style::Plain };
            let head = format!(" {mark} {}  ", pad(&hop.name, name));
            let room = self.columns.saturating_sub(width(&head) + 1);
            for (n, part) in wrap::wrap(&hop.text, room).into_iter().enumerate() {
                let first = if n == 0 { head.clone() } else { " ".repeat(width(&head)) };
                let mut line = Line::new([(style, first), (text_style, part)]);
                line.object.clone_from(&hop.object);
                self.lines.push(line);
            }
        }
    }

    /// A row per node, nearest miss first; columns for which there is no room are left out, the verdict never.
    fn matrix(&mut self, scheduling: &Scheduling) {
        self.blank();
        for (plugin, text) in &scheduling.prefilter {
            self.wrapped(" ✗ ", Style::Bad, &format!("{plugin}: {text} (before any node is looked at)"), None);
        }
        let Some(first) = scheduling.matrix.first() else { return };
        let titles: Vec<&str> = first.cells.iter().map(|(title, ..)| &**title).collect();
        let cell = |text: &str, passes: bool| if passes { text.to_owned() } else { format!("✗ {text}") };
        // There may be 5,000 rows, and no text is wider than it has bytes: most need not be measured.
        let mut node = 4;
        let mut widths: Vec<usize> = titles.iter().map(|t| width(t)).collect();
        for row in &scheduling.matrix {
            if row.node.len() > node {
                node = node.max(width(&row.node).min(24));
            }
            for ((_, text, passes), w) in row.cells.iter().zip(&mut widths) {
                let mark = if *passes { 0 } else { 2 };
                if text.len() + mark > *w && *w < 26 {
                    *w = (*w).max((width(text) + mark).min(26));
                }
            }
        }
        let shown = shown_columns(scheduling, &widths, self.columns.saturating_sub(node + 4 + 8));
        let mut head = format!("   {}  ", pad("NODE", node));
        for (title, w) in shown.iter().filter_map(|n| titles.get(*n).zip(widths.get(*n))) {
            head.push_str(&format!("{}  ", pad(title, *w)));
        }
        self.lines.push(Line::new([(Style::Dim, format!("{head}verdict"))]));
        const MOST: usize = 12;
        for row in scheduling.matrix.iter().take(MOST) {
            let mut line = Line::new([(Style::Plain, format!("   {}  ", pad(&row.node, node)))]);
            for ((_, text, passes), w) in shown.iter().filter_map(|n| row.cells.get(*n).zip(widths.get(*n))) {
                let style = if *passes { Style::Dim } else { Style::Bad };
                line.spans.push((style, format!("{}  ", pad(&cell(text, *passes), *w))));
            }
            line.spans.push(match row.away {
                0 => (Style::Good, "fits".to_owned()),
                n => (Style::Plain, format!("{n} away")),
            });
            self.lines.push(line.about(&ObjectRef::new("", "Node", "", &row.node)));
        }
        if scheduling.matrix.len() > MOST {
            let more = scheduling.matrix.len() - MOST;
            self.lines.push(Line::new([(Style::Dim, format!("   … and {more} more nodes"))]));
        }
    }

    fn fixes(&mut self, verdict: &Verdict) {
        let Some(primary) = verdict.primary.as_ref().filter(|p| !p.fixes.is_empty()) else { return };
        self.blank();
        let verified = primary.fixes.iter().any(|fix| fix.verified);
        let title = match (verdict.scheduling.is_some(), verified) {
            (true, true) => "Smallest change that makes it fit (checked by re-evaluating):",
            _ => "How to mend it, smallest change first:",
        };
        self.lines.push(Line::new([(Style::Title, format!(" {title}"))]));
        for (n, fix) in primary.fixes.iter().enumerate() {
            self.fix(n + 1, fix, &primary.object);
        }
    }

    fn fix(&mut self, number: usize, fix: &Fix, of: &ObjectRef) {
        let from = self.lines.len();
        self.wrapped(&format!("   {number}  "), Style::Plain, &fix.summary, Some(of));
        if !fix.live.is_empty() {
            // A command is never wrapped: it is there to be copied.
            self.lines.push(Line::new([(Style::Dim, "      live  ".into()), (Style::Command, fix.live.clone())]));
        }
        if let Some(git) = &fix.git {
            let revision = if git.revision.is_empty() { String::new() } else { format!(" {}", git.revision) };
            let far = git.cluster.as_ref().map_or(String::new(), |cluster| format!(" in cluster {cluster}"));
            let field = if git.field.is_empty() { String::new() } else { format!("  {}", git.field) };
            let text = format!("{}{revision} {}{field}  (Application {}{far})", git.repo, git.path, git.application);
            self.wrapped("      git   ", Style::Plain, &text, None);
        }
        if let Some(line) = self.lines.get_mut(from) {
            line.fix = Some(number);
        }
    }

    fn findings(&mut self, title: &str, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        self.blank();
        self.lines.push(Line::new([(Style::Title, format!(" {title}:"))]));
        for finding in findings {
            let from = self.lines.len();
            self.wrapped(
                "   · ",
                Style::Plain,
                &format!("{}  [{} on {}]", finding.summary, finding.cause, place(finding)),
                Some(&finding.object),
            );
            // What the sentence says already needs no second line.
            for evidence in finding.evidence.iter().filter(|e| !finding.summary.contains(&e.text)).take(6) {
                let text = match evidence.age_s.filter(|_| !evidence.text.contains(" ago")) {
                    Some(age) => format!("{}  ({} ago)", evidence.text, human(age)),
                    None => evidence.text.clone(),
                };
                let from = self.lines.len();
                self.wrapped("       ", Style::Dim, &text, Some(&evidence.object));
                self.read_in(from, evidence);
            }
            self.place(from, finding);
        }
    }

    fn changes(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        self.blank();
        self.lines.push(Line::new([(Style::Title, " Changed before:".to_owned())]));
        for change in changes {
            let text = format!("{}  ({} ago)", change.text, human(change.age_s));
            self.wrapped("   · ", Style::Plain, &text, Some(&change.object));
        }
    }

    fn unreadable(&mut self, verdict: &Verdict) {
        if verdict.unreadable.is_empty() {
            return;
        }
        self.blank();
        self.lines.push(Line::new([(Style::Warn, " Not readable:".to_owned())]));
        for hole in &verdict.unreadable {
            let text = format!("{} ({}) – would decide: {}", hole.resource, hole.reason, hole.would_decide);
            self.wrapped("   · ", Style::Warn, &text, None);
        }
    }

    /// A paragraph behind a first column; the lines after the first are indented alike.
    fn wrapped(&mut self, head: &str, style: Style, text: &str, object: Option<&ObjectRef>) {
        let indent = width(head);
        let room = self.columns.saturating_sub(indent + 1);
        for (n, part) in wrap::wrap(text, room).into_iter().enumerate() {
            let first = if n == 0 { head.to_owned() } else { " ".repeat(indent) };
            let spans = vec![(style, first), (style, part)];
            self.lines.push(Line { spans, object: object.cloned(), ..Line::default() });
        }
    }
}

/// The columns of a matrix for which there is room, in their order; those where a node fails have precedence.
fn shown_columns(scheduling: &Scheduling, widths: &[usize], mut room: usize) -> Vec<usize> {
    let passes = |n: &usize| scheduling.matrix.iter().all(|row| row.cells.get(*n).is_none_or(|(_, _, ok)| *ok));
    let mut order: Vec<usize> = (0..widths.len()).collect();
    order.sort_by_key(passes);
    order.retain(|n| {
        let wanted = widths.get(*n).map_or(0, |w| w + 2);
        let fits = room >= wanted;
        room -= if fits { wanted } else { 0 };
        fits
    });
    order.sort_unstable();
    order
}

/// The object at fault, and its cluster where that is another one.
fn place(finding: &Finding) -> String {
    match &finding.cluster {
        Some(cluster) => format!("{} in cluster {cluster}", finding.object),
        None => finding.object.to_string(),
    }
}

/// The word for a confidence.
pub fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "certain",
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::finding::Match;
    use crate::diagnose::verdict::NodeRow;

    fn verdict() -> Verdict {
        let pod = ObjectRef::new("", "Pod", "shop", "web-1");
        let found = Match::on(&pod, "Container web is killed at its memory limit (OOMKilled).").evidence_aged(
            &pod,
            "status",
            "137",
            Some(90),
            "OOMKilled: exit 137 after about 40 s, which is a long story that has to be wrapped somewhere",
        );
        let mut finding = found.finding;
        finding.cause = "crash-oom-container".into();
        finding.fixes.push(Fix {
            summary: "raise the limit".into(),
            live: "kubectl set resources".into(),
            ..Fix::default()
        });
        Verdict {
            subject: Some(Subject::Object(pod)),
            state: State::Broken,
            headline: "CrashLoopBackOff 4m".into(),
            primary: Some(finding),
            ..Verdict::default()
        }
    }

    #[test]
    fn no_line_but_a_command_is_wider_than_the_screen() {
        for columns in [40, 80, 120] {
            for line in lines(&verdict(), columns) {
                let command = line.spans.iter().any(|(style, _)| *style == Style::Command);
                assert!(command || width(&line.text()) <= columns, "{columns}: {}", line.text());
            }
        }
    }

    #[test]
    fn the_report_says_what_where_and_how() {
        let text = plain(&verdict());
        for wanted in [
            "Pod shop/web-1  CrashLoopBackOff 4m",
            "certain",
            "● Container web",
            "crash-oom-container",
            "1  raise the limit",
            "live  kubectl",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
        }
        let with_fix = lines(&verdict(), 80).into_iter().find(|line| line.fix == Some(1)).unwrap();
        assert_eq!(with_fix.object.unwrap().name, "web-1");
    }

    #[test]
    fn a_column_where_a_node_fails_is_shown_before_one_where_all_pass() {
        let cell = |title: &str, ok: bool| (title.into(), if ok { "ok (16Gi)" } else { "kept away" }.into(), ok);
        let titles = ["cpu", "memory", "ephemeral-storage", "pods", "taint", "affinity", "other pods"];
        let cells = titles.map(|title| cell(title, title != "other pods")).to_vec();
        let matrix = vec![NodeRow { node: "n1".into(), away: 1, cells }];
        let scheduling = Some(std::sync::Arc::new(Scheduling { matrix, ..Scheduling::default() }));
        let narrow = lines(&Verdict { scheduling, ..verdict() }, 60).iter().map(Line::text).collect::<Vec<_>>();
        let text = narrow.join("\n");
        assert!(text.contains("✗ kept away") && text.contains("cpu") && !text.contains("affinity"), "{text}");
        assert!(text.find("cpu") < text.find("other pods"), "in the order of the filters:\n{text}");
    }

    #[test]
    fn nothing_wrong_is_said_in_a_sentence() {
        let fine = Verdict { state: State::Fine, headline: "3/3 ready".into(), ..Verdict::default() };
        assert!(plain(&fine).contains("✓ Nothing is wrong."));
    }
}
