//! The part of an operation that asks Applications, and follows each to the end of what was asked for.

use super::request::{Answer, Request};
use crate::workflows::machine::{Facts, Run};
use crate::workflows::{Effect, Event, Mark, Step};
use crate::world::time::Time;

/// Milliseconds between two looks.
const PAUSE_MS: u64 = 400;

#[derive(Debug)]
struct One {
    request: Request,
    asked: bool,
    /// Asking was begun by an earlier run, and nobody knows whether it arrived.
    attempted: bool,
    answer: Option<Answer>,
    at: Time,
}

/// Whether it went well, what is said of it, and what became of each object.
type Ended<'a> = (bool, &'a str, &'a [(bool, String)]);

impl One {
    fn ended(&self) -> Option<Ended<'_>> {
        match &self.answer {
            Some(Answer::Ended { good, text, results }) => Some((*good, text, results)),
            _ => None,
        }
    }
}

/// The part.
#[derive(Debug)]
pub struct Follow {
    all: Vec<One>,
    since: Option<Time>,
    rested: bool,
}

impl Follow {
    pub fn new(requests: Vec<Request>) -> Self {
        let one = |request| One { request, asked: false, attempted: false, answer: None, at: Time::NEVER };
        Self { all: requests.into_iter().map(one).collect(), since: None, rested: true }
    }

    fn bad(&self) -> impl Iterator<Item = &One> {
        self.all.iter().filter(|one| one.ended().is_some_and(|(good, ..)| !good))
    }
}

impl Run for Follow {
    fn absorb(&mut self, event: &Event, _: &mut Facts, now: Time) {
        match event {
            Event::Asked { object } => {
                self.all.iter_mut().filter(|one| one.request.application == *object).for_each(|one| {
                    one.asked = true;
                    one.at = now;
                });
            }
            Event::Answered { object, answer } => {
                self.all.iter_mut().filter(|one| one.request.application == *object).for_each(|one| {
                    one.answer = Some(answer.clone());
                    one.at = now;
                });
            }
            Event::Waited => self.rested = true,
            _ => {}
        }
    }

    fn attempted(&mut self, effect: &Effect) {
        if let Effect::Ask(request) = effect {
            let same = self.all.iter_mut().filter(|one| one.request.application == request.application);
            same.for_each(|one| one.attempted = true);
        }
    }

    fn decide(&mut self, _: &Facts, now: Time) -> Result<Vec<Effect>, String> {
        let since = *self.since.get_or_insert(now);
        let open: Vec<&One> = self.all.iter().filter(|one| one.ended().is_none()).collect();
        if open.is_empty() {
            let bad: Vec<String> = self.bad().map(|one| one.request.application.name.clone()).collect();
            return Err(format!("it did not go well: {}", bad.join(", ")));
        }
        let fresh: Vec<Effect> =
            open.iter().filter(|one| !one.asked).map(|one| Effect::Ask(one.request.clone())).collect();
        if !fresh.is_empty() {
            return Ok(fresh);
        }
        if let Some(late) = open.iter().find(|one| since.age(now) >= one.request.timeout_s) {
            let text = match &late.answer {
                Some(Answer::Waiting { text }) => text.as_str(),
                _ => "no answer",
            };
            return Err(format!(
                "{} after {} s: {text}. It was asked; finish this operation to go on waiting, or look whether Argo CD's \
                 application controller runs",
                late.request.application,
                since.age(now)
            ));
        }
        if !std::mem::replace(&mut self.rested, false) {
            return Ok(vec![Effect::Wait { ms: PAUSE_MS }]);
        }
        Ok(open.iter().map(|one| Effect::Hear(one.request.clone())).collect())
    }

    fn done(&self) -> bool {
        self.all.iter().all(|one| one.ended().is_some()) && self.bad().next().is_none()
    }

    fn touched(&self) -> bool {
        self.all.iter().any(|one| one.asked || one.attempted)
    }

    fn irrevocable(&self) -> bool {
        self.touched()
    }

    fn lost(&self) -> bool {
        self.all.iter().all(|one| one.ended().is_some()) && self.bad().next().is_some()
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![];
        for one in &self.all {
            let name = &one.request.application.name;
            match (&one.answer, one.asked) {
                (Some(Answer::Ended { good, text, .. }), _) => {
                    let mark = if *good { Mark::Done } else { Mark::Failed };
                    steps.push(Step { text: format!("{name}: {text}"), mark, at: one.at });
                }
                (Some(Answer::Waiting { text }), _) => {
                    steps.push(Step { text: format!("{name}: {text}"), mark: Mark::Waiting, at: Time::NEVER });
                }
                (None, true) => {
                    steps.push(Step { text: format!("{name}: asked"), mark: Mark::Waiting, at: Time::NEVER });
                }
                (None, false) => {
                    steps.push(Step { text: format!("ask {name}"), mark: Mark::Waiting, at: Time::NEVER });
                }
            }
            let (_, _, results) = one.ended().unwrap_or((true, "", &[]));
            steps.extend(results.iter().map(|(good, text)| Step {
                text: format!("  {text}"),
                mark: if *good { Mark::Done } else { Mark::Failed },
                at: one.at,
            }));
        }
        steps
    }
}
