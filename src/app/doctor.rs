//! `kokpit doctor`: whether everything around kokpit is as it needs it. Only what is configured is asked, and nothing is
//! changed: a push is tried with `--dry-run`.

mod clusters;
mod git;
mod here;

use super::session::Session;
use crate::cli::args::Global;
use crate::world::fleet::ClusterId;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Something will not work, or not as well.
    Warn,
    /// What kokpit is for will not work.
    Fail,
}

impl Level {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `terminal`, `config`, `kubeconfig`, `cluster prod-eu`, `git`, `argo prod-eu`.
    pub area: String,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What to do; empty where nothing needs to be done.
    pub advice: String,
}

impl Finding {
    fn ok(area: &str, text: impl Into<String>) -> Self {
        Self { area: area.into(), level: Level::Ok, text: text.into(), advice: String::new() }
    }

    fn warn(area: &str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warn, advice: advice.into(), ..Self::ok(area, text) }
    }

    fn fail(area: &str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Fail, ..Self::warn(area, text, advice) }
    }
}

/// Looks at everything. Clusters and repositories are asked side by side.
pub async fn examine(global: &Global) -> Vec<Finding> {
    let mut findings = here::terminal(&super::look::env, here::size());
    findings.extend(here::config());
    let session = match Session::start(global, None, Arc::new(|_, _| {})).await {
        Ok(session) => session,
        Err(e) => {
            findings.push(Finding::fail("kubeconfig", format!("{e:#}"), "or see what kokpit does: kokpit demo"));
            return findings;
        }
    };
    findings.extend(clusters::kubeconfig(&session));
    let all = (0..session.contexts.len()).map(|at| ClusterId(at as u16));
    // A program for credentials may open a login page: it is started only for contexts that were named.
    let (asked, left): (Vec<_>, Vec<_>) = all.partition(|id| {
        let quiet = !session.context(*id).runs_program() || session.open.contains(id) && session.named;
        quiet && (!session.named || session.open.contains(id))
    });
    let looked = futures::future::join_all(asked.into_iter().map(|id| clusters::examine(&session, id)));
    let (looked, repositories) = futures::future::join(looked, git::examine(&session)).await;
    findings.extend(looked.into_iter().flatten());
    if !session.named {
        findings.extend(left.into_iter().map(|id| clusters::left_out(&session, id)));
    }
    findings.extend(repositories);
    findings
}
