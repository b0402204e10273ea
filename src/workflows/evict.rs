//! Evicting pods: all at once, those that a budget holds back again and again, until all are gone or time is up.

use super::machine::{Facts, Run};
use super::{Effect, Event, EvictPlan, Mark, PodRef, Step};
use crate::world::time::{Time, human};

/// The part that evicts.
#[derive(Debug)]
pub(super) struct Evict {
    plan: EvictPlan,
    pods: Vec<(PodRef, State, u32)>,
    since: Option<Time>,
    rested: bool,
    at: Time,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Here,
    Blocked(String),
    Ending,
    Gone,
    Stuck(String),
}

impl Evict {
    pub fn new(plan: EvictPlan) -> Self {
        let pods = plan.pods.iter().map(|p| (p.clone(), State::Here, 0)).collect();
        Self { plan, pods, since: None, rested: true, at: Time::NEVER }
    }

    fn set(&mut self, uid: &str, state: State, now: Time) {
        self.at = now;
        self.pods.iter_mut().filter(|(pod, ..)| pod.uid == uid).for_each(|(_, s, _)| *s = state.clone());
    }

    /// `shop/web-1: Cannot evict pod …; shop/db-0: still ending`
    fn pending(&self) -> String {
        let line = |(pod, state, _): &(PodRef, State, u32)| {
            let why = match state {
                State::Gone => return None,
                State::Here => "not evicted yet",
                State::Ending => "still ending",
                State::Blocked(why) | State::Stuck(why) => why,
            };
            Some(format!("{}/{}: {why}", pod.namespace, pod.name))
        };
        self.pods.iter().filter_map(line).collect::<Vec<_>>().join("; ")
    }

    fn count(&self, wanted: impl Fn(&State) -> bool) -> usize {
        self.pods.iter().filter(|(_, state, _)| wanted(state)).count()
    }
}

impl Run for Evict {
    fn absorb(&mut self, event: &Event, _: &mut Facts, now: Time) {
        match event {
            Event::Evicted { uid } => self.set(uid, State::Ending, now),
            Event::Gone { uid } => self.set(uid, State::Gone, now),
            Event::Blocked { uid, why } => self.set(uid, State::Blocked(why.clone()), now),
            Event::Stuck { uid, why } => self.set(uid, State::Stuck(why.clone()), now),
            Event::Waited => self.rested = true,
            _ => {}
        }
    }

    fn decide(&mut self, _: &Facts, now: Time) -> Result<Vec<Effect>, String> {
        let since = *self.since.get_or_insert(now);
        if self.plan.timeout_s > 0 && since.age(now) >= self.plan.timeout_s {
            return Err(format!(
                "not all pods left {} within {}; the node stays cordoned. {}",
                self.plan.node,
                human(self.plan.timeout_s),
                self.pending()
            ));
        }
        let moving = self.count(|s| !matches!(s, State::Gone | State::Stuck(_)));
        if moving == 0 {
            return Err(format!("{} keeps pods; it stays cordoned. {}", self.plan.node, self.pending()));
        }
        if !self.rested {
            // kubectl's rhythm: look every second, try a refused eviction again after five.
            let ms = if self.count(|s| *s == State::Ending) > 0 { 1000 } else { 5000 };
            return Ok(vec![Effect::Wait { ms }]);
        }
        self.rested = false;
        let grace_s = self.plan.grace_s;
        let mut effects = vec![];
        for (pod, state, attempts) in &mut self.pods {
            match state {
                State::Here | State::Blocked(_) => {
                    *attempts += 1;
                    effects.push(Effect::Evict { pod: pod.clone(), grace_s, attempt: *attempts });
                }
                State::Ending => effects.push(Effect::Look(pod.clone())),
                State::Gone | State::Stuck(_) => {}
            }
        }
        Ok(effects)
    }

    fn done(&self) -> bool {
        self.pods.iter().all(|(_, state, _)| *state == State::Gone)
    }

    fn touched(&self) -> bool {
        self.count(|s| matches!(s, State::Ending | State::Gone)) > 0
    }

    fn steps(&self) -> Vec<Step> {
        let (gone, all) = (self.count(|s| *s == State::Gone), self.pods.len());
        let mut steps = vec![Step {
            text: format!("evict {gone} of {all} pods from {}", self.plan.node),
            mark: if self.done() { Mark::Done } else { Mark::Waiting },
            at: self.at,
        }];
        for (pod, state, _) in &self.pods {
            let (text, mark) = match state {
                State::Blocked(why) => (why.clone(), Mark::Waiting),
                State::Stuck(why) => (why.clone(), Mark::Failed),
                State::Ending => ("ending".into(), Mark::Running),
                State::Here | State::Gone => continue,
            };
            steps.push(Step { text: format!("  {}/{}: {text}", pod.namespace, pod.name), mark, at: self.at });
        }
        steps
    }
}
