//! What nodes and containers use, as the metrics API of a cluster says (`metrics.k8s.io`), with a little of how it was
//! before. It stands beside the rows: a row is found by its namespace and name, as the API knows no uids.

use super::fleet::Feed;
use super::object::ResourceId;
use super::row::{Body, Row, Str, Tone};
use super::time::Time;
use compact_str::CompactString;
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};

/// Samples that are remembered of everything: some ten minutes.
pub const REMEMBERED: usize = 32;
/// Seconds after which a sample says nothing any more about what is.
pub const OLD: i64 = 180;

/// The kind that says what pods use.
pub fn of_pods() -> ResourceId {
    ResourceId::new("metrics.k8s.io", "pods")
}

/// The kind that says what nodes use.
pub fn of_nodes() -> ResourceId {
    ResourceId::new("metrics.k8s.io", "nodes")
}

/// CPU and memory, used or promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Thousandths of a CPU.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
}

impl std::ops::Add for Usage {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu.saturating_add(other.cpu), memory: self.memory.saturating_add(other.memory) }
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| sum + one)
    }
}

/// How much something is of a whole, in percent, rounded; `None` of nothing.
pub fn percent(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 100.0).round() as i64)
}

/// From these percents on a resource is about to be short (as k9s has them).
const WARN: i64 = 70;
const BAD: i64 = 90;

/// How so many percent of a request, a limit or a node stand.
pub fn tone(percent: i64) -> Tone {
    match percent {
        BAD.. => Tone::Bad,
        WARN.. => Tone::Warn,
        _ => Tone::Ok,
    }
}

/// A sample as it is remembered: thousandths of a CPU and Ki, in eight bytes.
type Sample = (u32, u32);

/// The last samples of one thing, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend(VecDeque<Sample>);

impl Trend {
    /// Remembers one more, and forgets the oldest.
    pub fn push(&mut self, usage: Usage) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        let fits = |n: i64| n.clamp(0, i64::from(u32::MAX)) as u32;
        self.0.push_back((fits(usage.cpu), fits(usage.memory >> 10)));
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = Usage> + ExactSizeIterator + '_ {
        self.0.iter().map(|(cpu, ki)| Usage { cpu: (*cpu).into(), memory: i64::from(*ki) << 10 })
    }

    /// The newest one.
    pub fn last(&self) -> Option<Usage> {
        self.samples().next_back()
    }
}

/// What is known of one object.
#[derive(Clone, Debug, Default)]
struct Known {
    /// When the newest sample was taken, as the cluster says.
    at: Time,
    /// The round of the list in which it was seen last.
    round: u32,
    /// Containers by name; of a node one without a name.
    parts: Vec<(Str, Trend)>,
}

impl Known {
    /// Takes in a sample; the same one twice counts once.
    fn take(&mut self, at: Time, round: u32, parts: Vec<(Str, Usage)>) -> bool {
        self.round = round;
        if at <= self.at && !self.parts.is_empty() {
            return false;
        }
        self.at = at;
        self.parts.retain(|(name, _)| parts.iter().any(|(new, _)| new == name));
        for (name, usage) in parts {
            match self.parts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, trend)) => trend.push(usage),
                None => {
                    let mut trend = Trend::default();
                    trend.push(usage);
                    self.parts.push((name, trend));
                }
            }
        }
        true
    }
}

/// One object as it was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Empty for nodes.
    pub namespace: Str,
    /// Its name.
    pub name: CompactString,
    /// When.
    pub at: Time,
    /// Its containers; of a node one without a name.
    pub parts: Vec<(Str, Usage)>,
}

/// Nodes or pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Nodes.
    Nodes,
    /// Pods.
    Pods,
}

impl Of {
    /// The kind that says what they use.
    pub fn kind(self) -> ResourceId {
        match self {
            Self::Nodes => of_nodes(),
            Self::Pods => of_pods(),
        }
    }
}

/// What a cluster task says about use.
#[derive(Debug)]
pub enum MetricsDelta {
    /// How it is to be had.
    Feed(Of, Feed),
    /// Samples of a list that is under way.
    Samples(Of, Vec<Measured>),
    /// The list is whole, at this time: what it did not have is gone.
    End(Of, Time),
}

/// What is wanted of a cluster's metrics; nothing: nobody looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What nodes use.
    pub nodes: bool,
    /// What the pods of these namespaces use; none named: of all.
    pub pods: Option<Vec<String>>,
}

impl Wanted {
    /// Whether it is nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let pods = match (self.pods, other.pods) {
            (Some(a), Some(b)) if a.is_empty() || b.is_empty() => Some(vec![]),
            (Some(mut a), Some(b)) => {
                a.extend(b);
                a.sort();
                a.dedup();
                Some(a)
            }
            (a, b) => a.or(b),
        };
        Self { nodes: self.nodes || other.nodes, pods }
    }
}

/// The metrics of one cluster, as far as somebody looks at them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// How those of nodes are to be had.
    pub nodes_feed: Feed,
    /// How those of pods are to be had.
    pub pods_feed: Feed,
    /// When a list was whole last.
    pub heard: Option<Time>,
    /// Grows with every whole list.
    pub revision: u64,
    /// All nodes together.
    whole: Trend,
    round: u32,
    renewed: bool,
    nodes: HashMap<CompactString, Known, RandomState>,
    pods: HashMap<Str, HashMap<CompactString, Known, RandomState>, RandomState>,
}

/// What is known of the use of one object.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a>(&'a Known);

impl<'a> Reading<'a> {
    /// Its containers, each with its samples; of a node one without a name.
    pub fn parts(&self) -> impl Iterator<Item = (&'a Str, &'a Trend)> + use<'a> {
        self.0.parts.iter().map(|(name, trend)| (name, trend))
    }

    /// Its use now, of all containers.
    pub fn now(&self) -> Usage {
        self.0.parts.iter().filter_map(|(_, trend)| trend.last()).sum()
    }

    /// The use of one container now.
    pub fn part(&self, container: &str) -> Option<Usage> {
        self.trend(container)?.last()
    }

    /// The samples of one container.
    pub fn trend(&self, container: &str) -> Option<&Trend> {
        self.0.parts.iter().find(|(name, _)| &**name == container).map(|(_, trend)| trend)
    }

    /// The samples of all containers together, oldest first.
    pub fn history(&self) -> Vec<Usage> {
        let longest = self.0.parts.iter().map(|(_, trend)| trend.0.len()).max().unwrap_or(0);
        let mut sums = vec![Usage::default(); longest];
        for (_, trend) in &self.0.parts {
            // The newest stand together: a container that came later has fewer.
            for (sum, sample) in sums.iter_mut().rev().zip(trend.samples().rev()) {
                *sum = *sum + sample;
            }
        }
        sums
    }
}

impl Metrics {
    /// How those of nodes, or of pods, are to be had.
    pub fn feed(&self, of: Of) -> &Feed {
        match of {
            Of::Nodes => &self.nodes_feed,
            Of::Pods => &self.pods_feed,
        }
    }

    /// What the object of a row uses; `None` where that is not known (yet). A pod that was made anew under its name is
    /// not taken for the one before.
    pub fn of_row(&self, row: &Row) -> Option<Reading<'_>> {
        let known = match &row.body {
            Body::Pod(_) => self.pods.get(&row.meta.namespace)?.get(&row.meta.name)?,
            Body::Cells(_) if row.meta.namespace.is_empty() => self.nodes.get(&row.meta.name)?,
            Body::Cells(_) => return None,
        };
        (known.at >= row.meta.created).then_some(Reading(known))
    }

    /// What a pod uses.
    pub fn of_pod(&self, namespace: &str, name: &str) -> Option<Reading<'_>> {
        self.pods.get(namespace)?.get(name).map(Reading)
    }

    /// What a node uses.
    pub fn of_node(&self, name: &str) -> Option<Reading<'_>> {
        self.nodes.get(name).map(Reading)
    }

    /// All nodes together, oldest first.
    pub fn whole(&self) -> &Trend {
        &self.whole
    }

    /// Every pod: namespace, name, what it uses.
    pub fn pods(&self) -> impl Iterator<Item = (&Str, &CompactString, Reading<'_>)> {
        let of = |(namespace, pods): (_, _)| (namespace, pods);
        self.pods.iter().map(of).flat_map(|(namespace, pods): (&Str, &HashMap<_, Known, _>)| {
            pods.iter().map(move |(name, known)| (namespace, name, Reading(known)))
        })
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.pods.is_empty()
    }

    /// Forgets samples that say nothing any more about what is. Whether there were any.
    pub fn forget_old(&mut self, now: Time) -> bool {
        let old = self.heard.is_some_and(|at| at.age(now) > OLD) && !self.is_empty();
        if old {
            let (nodes_feed, pods_feed) = (self.nodes_feed.clone(), self.pods_feed.clone());
            *self = Self { nodes_feed, pods_feed, revision: self.revision + 1, ..Self::default() };
        }
        old
    }

    /// Takes in what a cluster task said.
    pub fn apply(&mut self, delta: MetricsDelta) {
        match delta {
            MetricsDelta::Feed(Of::Nodes, feed) => self.nodes_feed = feed,
            MetricsDelta::Feed(Of::Pods, feed) => self.pods_feed = feed,
            MetricsDelta::Samples(of, samples) => {
                for sample in samples {
                    self.take(of, sample);
                }
            }
            MetricsDelta::End(of, at) => self.end(of, at),
        }
    }

    fn take(&mut self, of: Of, Measured { namespace, name, at, parts }: Measured) {
        let known = match of {
            Of::Nodes => self.nodes.entry(name).or_default(),
            Of::Pods => self.pods.entry(namespace).or_default().entry(name).or_default(),
        };
        self.renewed |= known.take(at, self.round, parts);
    }

    /// Drops what the list did not have, and remembers what all nodes use together.
    fn end(&mut self, of: Of, at: Time) {
        let round = self.round;
        match of {
            Of::Nodes => {
                self.nodes.retain(|_, known| known.round == round);
                if self.renewed {
                    self.whole.push(self.nodes.values().map(|known| Reading(known).now()).sum());
                }
            }
            Of::Pods => self.pods.retain(|_, pods| {
                pods.retain(|_, known| known.round == round);
                !pods.is_empty()
            }),
        }
        (self.heard, self.renewed) = (Some(at), false);
        self.round = self.round.wrapping_add(1);
        self.revision += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, at: i64, parts: &[(&str, i64, i64)]) -> Measured {
        let parts = parts.iter().map(|(name, cpu, mi)| ((*name).into(), Usage { cpu: *cpu, memory: mi << 20 }));
        Measured { namespace: "shop".into(), name: name.into(), at: Time(at), parts: parts.collect() }
    }

    fn listed(metrics: &mut Metrics, of: Of, at: i64, samples: Vec<Measured>) {
        metrics.apply(MetricsDelta::Samples(of, samples));
        metrics.apply(MetricsDelta::End(of, Time(at)));
    }

    #[test]
    fn samples_are_remembered_and_the_same_one_counts_once() {
        let mut metrics = Metrics::default();
        for at in [10, 10, 25, 25, 40] {
            listed(&mut metrics, Of::Pods, at, vec![sample("web", at, &[("app", at, 64), ("side", 1, 1)])]);
        }
        let web = metrics.of_pod("shop", "web").unwrap();
        assert_eq!(web.now(), Usage { cpu: 41, memory: 65 << 20 });
        assert_eq!(web.history().iter().map(|u| u.cpu).collect::<Vec<_>>(), [11, 26, 41]);
        assert_eq!(web.part("app").map(|u| u.cpu), Some(40));
        for at in 0..100 {
            listed(&mut metrics, Of::Pods, at, vec![sample("web", 100 + at, &[("app", at, 64)])]);
        }
        let web = metrics.of_pod("shop", "web").unwrap();
        assert_eq!((web.history().len(), web.part("side")), (REMEMBERED, None));
    }

    #[test]
    fn a_container_that_came_later_is_added_where_it_was() {
        let mut metrics = Metrics::default();
        listed(&mut metrics, Of::Pods, 1, vec![sample("web", 1, &[("app", 10, 1)])]);
        listed(&mut metrics, Of::Pods, 2, vec![sample("web", 2, &[("app", 10, 1), ("debug", 5, 1)])]);
        let history = metrics.of_pod("shop", "web").unwrap().history();
        assert_eq!(history.iter().map(|u| u.cpu).collect::<Vec<_>>(), [10, 15]);
    }

    #[test]
    fn what_a_list_does_not_have_is_gone() {
        let mut metrics = Metrics::default();
        listed(&mut metrics, Of::Pods, 1, vec![sample("a", 1, &[("c", 1, 1)]), sample("b", 1, &[("c", 1, 1)])]);
        listed(&mut metrics, Of::Nodes, 1, vec![sample("n1", 1, &[("", 100, 9)]), sample("n2", 1, &[("", 50, 9)])]);
        listed(&mut metrics, Of::Pods, 2, vec![sample("b", 2, &[("c", 1, 1)])]);
        assert!(metrics.of_pod("shop", "a").is_none() && metrics.of_pod("shop", "b").is_some());
        assert_eq!(metrics.whole().last().map(|u| u.cpu), Some(150));
        listed(&mut metrics, Of::Nodes, 3, vec![sample("n2", 3, &[("", 70, 9)])]);
        assert_eq!(metrics.whole().samples().map(|u| u.cpu).collect::<Vec<_>>(), [150, 70]);
        assert!(!metrics.forget_old(Time(3 + OLD)) && metrics.forget_old(Time(4 + OLD)) && metrics.is_empty());
    }

    #[test]
    fn wants_add_up_and_all_is_more_than_some() {
        let some = |names: &[&str]| Wanted { nodes: false, pods: Some(names.iter().map(|n| n.to_string()).collect()) };
        assert_eq!(some(&["a"]).and(some(&["b", "a"])), some(&["a", "b"]));
        assert_eq!(some(&["a"]).and(some(&[])), some(&[]));
        assert_eq!(some(&["a"]).and(Wanted { nodes: true, pods: None }).pods, some(&["a"]).pods);
        assert!(Wanted::default().is_nothing() && !some(&[]).is_nothing());
    }

    #[test]
    fn what_is_about_to_be_short_stands_out() {
        let tones = [0, 69, 70, 89, 90, 250].map(tone);
        assert_eq!(tones, [Tone::Ok, Tone::Ok, Tone::Warn, Tone::Warn, Tone::Bad, Tone::Bad]);
    }

    #[test]
    fn percents_of_nothing_are_none() {
        assert_eq!((percent(1, 3), percent(2, 3), percent(5, 0)), (Some(33), Some(67), None));
    }
}
