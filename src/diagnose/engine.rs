//! The engine: looks at the subject and at whatever its causes lead to, and builds the graph of what matched.

use super::Outcome;
use super::case::{CaseFile, Subject};
use super::causes::{self, Cause, pending};
use super::facts::{Case, Fact, Gap, NOTHING};
use super::finding::{Because, Lead, Match, Suspect, evidence};
use super::graph::Graph;
use super::verdict::{Confidence, Finding, Hop, Mark, State, Verdict};
use super::{before, kin, status, url};
use crate::world::object::ObjectRef;
use std::collections::{BTreeMap, VecDeque};

/// More objects than any real chain visits; a guard against cases that lead in circles of growing size.
const MOST_SUSPECTS: usize = 300;

/// See [`super::explain`].
pub fn explain(file: &CaseFile) -> Outcome {
    let case = Case::new(file);
    let root = root_of(&file.subject);
    let graph = explore(&case, &root);
    let mut verdict = verdict_of(&case, &root, graph);
    if case.needs().is_empty() && verdict.state == State::Broken {
        // Only once the reason is known: what it takes to say this is not read for nothing.
        let changes = case.under("what changed before", || before::changes(&case, &root, &verdict)).0;
        verdict.changed_before = changes.unwrap_or_default();
        verdict.unreadable = case.unreadable();
    }
    match case.needs() {
        needs if needs.is_empty() => Outcome::Verdict(Box::new(verdict)),
        needs => Outcome::Needs(needs),
    }
}

/// The reference that stands for a subject; a URL is an object of kind `URL`.
fn root_of(subject: &Subject) -> ObjectRef {
    match subject {
        Subject::Object(at) => at.clone(),
        Subject::Url(text) => ObjectRef::new("", "URL", "", text),
    }
}

/// Visits the subject and, breadth first, everything that matches and leads point at.
fn explore(case: &Case<'_>, root: &ObjectRef) -> Graph {
    let mut graph = Graph::new(Lead::to(root.clone()));
    let mut queue = VecDeque::from([Lead::to(root.clone())]);
    let mut seen: BTreeMap<(ObjectRef, String), ()> = BTreeMap::new();
    while let Some(lead) = queue.pop_front() {
        let fresh = seen.insert((lead.at.clone(), lead.focus.clone()), ()).is_none();
        if !fresh || seen.len() > MOST_SUSPECTS {
            continue;
        }
        if let Some(cluster) = lead.cluster() {
            // What is wrong there is found out there, with the facts of that cluster.
            let found = case.under("", || case.verdict_in(cluster, &lead.at)).0;
            graph.add(&lead, found.ok().flatten().map(|verdict| from_afar(verdict, &lead)).unwrap_or_default(), vec![]);
            continue;
        }
        let Some(suspect) = suspect_of(case, &lead, lead.at == *root) else { continue };
        let matches = judge(case, &suspect);
        let leads = case.under("", || kin::leads(case, &suspect)).0;
        graph.blind |= leads == Err(Gap::Hole);
        let leads = leads.unwrap_or_default();
        queue.extend(leads.iter().cloned());
        for found in &matches {
            queue.extend(found.because.iter().filter_map(|b| match b {
                Because::Object(lead) => Some(lead.clone()),
                Because::Cause(_) => None,
            }));
            queue.extend(found.explains.iter().cloned());
        }
        graph.add(&lead, matches, leads);
    }
    graph
}

/// What was found in another cluster, as matches on the lead that goes there: the reason explains the rest.
fn from_afar(verdict: &Verdict, lead: &Lead) -> Vec<Match> {
    let told = |finding: &Finding| {
        let mut found = Match::on(&finding.object, "");
        found.finding = Finding { cluster: Some(verdict.cluster.clone()), ..finding.clone() };
        for fix in found.finding.fixes.iter_mut() {
            // A command is copied and run: it has to say where.
            if let Some(rest) = fix.live.strip_prefix("kubectl ") {
                fix.live = format!("kubectl --context {} {rest}", verdict.cluster);
            }
        }
        found
    };
    let primary = verdict.primary.iter().map(|reason| Match { explains: vec![lead.clone()], ..told(reason) });
    primary.chain(verdict.contributing.iter().map(told)).collect()
}

fn suspect_of<'a>(case: &Case<'a>, lead: &Lead, asked: bool) -> Option<Suspect<'a>> {
    let object = match lead.at.kind.as_str() {
        "URL" => &NOTHING,
        _ => match case.get(&lead.at) {
            Ok(found) => found.unwrap_or(&NOTHING),
            Err(_) => return None,
        },
    };
    Some(Suspect { at: lead.at.clone(), object, focus: lead.focus.clone(), alike: lead.alike, asked })
}

/// Runs every cause of the suspect's kind.
fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Vec<Match> {
    let (mut all, mut undecided) = (Vec::new(), false);
    for cause in causes::table().filter(|cause| cause.is_for(&suspect.at.kind)) {
        let (result, hole) = case.under(cause.id, || (cause.judge)(case, suspect));
        undecided |= matches!(result, Err(Gap::Hole));
        let afar = case.read_afar();
        let placed = result.into_iter().flatten().map(|found| located(found, &afar));
        all.extend(placed.map(|found| finished(cause, suspect, found, hole)));
    }
    if undecided {
        // The cause that could not be judged may be the one that explains the others.
        for found in &mut all {
            found.finding.confidence = found.finding.confidence.min(Confidence::Medium);
        }
    }
    all
}

/// Names the cluster of every line of evidence that was read in another one.
fn located(mut found: Match, afar: &BTreeMap<ObjectRef, String>) -> Match {
    for evidence in &mut found.finding.evidence {
        evidence.cluster = afar.get(&evidence.object).cloned();
    }
    found
}

/// Fills in what the engine knows better than the judge: the id, the count, the limit of confidence.
fn finished(cause: &Cause, suspect: &Suspect<'_>, mut found: Match, hole: bool) -> Match {
    found.finding.cause = cause.id.to_owned();
    if hole {
        found.finding.confidence = found.finding.confidence.min(Confidence::Medium);
    }
    let (count, total) = suspect.alike;
    let plural = match suspect.at.kind.as_str() {
        "Pod" => "pods",
        "Application" => "applications",
        _ => return found,
    };
    if total > 1 {
        found = found.evidence(&suspect.at, "", "", format!("{count} of {total} {plural}, same cause"));
    }
    found
}

/// The verdict as far as this round can tell.
fn verdict_of(case: &Case<'_>, root: &ObjectRef, graph: Graph) -> Verdict {
    let blind = graph.blind;
    let mut sorted = graph.sort(!blind && case.unreadable().is_empty());
    let standing = match suspect_of(case, &Lead::to(root.clone()), true) {
        Some(suspect) if root.kind == "URL" || suspect.exists() => case.under("", || status::of(case, &suspect)).0.ok(),
        Some(_) => Some(status::Standing::absent()),
        None => None,
    };
    let standing = standing.unwrap_or_else(status::Standing::unreadable);
    let unreadable = case.unreadable();
    // A pod's own status says whether it is well; everything else stands for more than one object.
    let seen = !blind && (unreadable.is_empty() || root.kind == "Pod");
    let state = match (&sorted.primary, standing.well) {
        (Some(_), _) => State::Broken,
        (None, Some(true)) if seen => State::Fine,
        (None, _) => State::Unknown,
    };
    if let Some(primary) = sorted.primary.as_mut().filter(|_| !unreadable.is_empty()) {
        // What could not be read may hold the cause of this cause.
        primary.confidence = primary.confidence.min(Confidence::High);
    }
    if let Some(primary) =
        sorted.primary.as_mut().filter(|p| p.object != *root && p.object.kind == "Pod" && p.cluster.is_none())
    {
        // A pod somewhere else is at fault: how it stands is not to be seen at the subject.
        if let Some(pod) = suspect_of(case, &Lead::to(primary.object.clone()), false).filter(Suspect::exists)
            && let Ok(standing) = case.under("", || status::of(case, &pod)).0
        {
            let text = format!("{} {}", primary.object.name, standing.headline);
            primary.evidence.insert(0, evidence(&primary.object, "status", &standing.headline, None, &text));
        }
    }
    let mut verdict = Verdict {
        version: 1,
        subject: Some(case.file().subject.clone()),
        state,
        in_progress: standing.underway && state == State::Fine,
        headline: standing.headline,
        primary: sorted.primary,
        contributing: sorted.contributing,
        also_true: sorted.also_true,
        scheduling: sorted.scheduling,
        ..Verdict::default()
    };
    if verdict.scheduling.is_none()
        && let Some(pod) = suspect_of(case, &Lead::to(root.clone()), true)
        && pod.at.kind == "Pod"
        && pending::is_unplaced(pod.object)
    {
        let placed = case.under("", || pending::evaluated(case, pod.object)).0;
        verdict.scheduling = placed.ok().map(|placement| placement.scheduling.clone());
    }
    if let Subject::Url(text) = &case.file().subject {
        let hops: Fact<_> = case.under("", || url::chain::chain(case, text, &verdict)).0;
        match hops {
            Ok((hops, headline)) => {
                verdict.chain = hops;
                verdict.headline = headline;
            }
            Err(_) => verdict.headline = format!("{text}: its way could not be read"),
        }
        // Without a route that can be followed nothing is known of what stands behind it.
        let lost = |hop: &Hop| hop.name == "Ingress" && hop.mark == Mark::Unknown;
        let bad = verdict.chain.is_empty() || verdict.chain.iter().any(|hop| hop.mark == Mark::Broken || lost(hop));
        if verdict.state == State::Fine && bad {
            verdict.state = State::Unknown;
        }
    }
    verdict.unreadable = case.unreadable();
    verdict
}
