//! The table of causes: one row each, in one file per cause or tight family under `causes/`.
//!
//! A new cause is its own file and one word in [`FAMILIES`]. A file's header holds the page of each of its causes
//! under a `## id` heading; `kokpit explain` and docs/causes print it.

use super::facts::{Case, Fact};
use super::finding::{Match, Suspect};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The rows of a family: file name (its header holds the pages), then id, title, severity, kinds and judge of each. A
/// judge that serves several rows is told the id of its row, and what else follows.
///
/// ```text
/// causes! { "image.rs";
///     "image-slow-pull" "the pull takes long" Degraded ["Pod"] slow;
///     "image-auth" "the registry refuses the credentials" Outage ["Pod"] pull_failed, id;
///     "crash-segv" "the process dies of a signal" Outage ["Pod"] crashed, id, signal;
/// }
/// ```
macro_rules! causes {
    (@judge $id:literal $judge:expr) => { $judge };
    (@judge $id:literal $judge:expr, id) => { |case, suspect| $judge(case, suspect, $id) };
    (@judge $id:literal $judge:expr, id, $more:expr) => { |case, suspect| $judge(case, suspect, $id, $more) };
    ($file:literal; $($id:literal $title:literal $severity:ident $kinds:tt $judge:expr $(, id $(, $more:expr)?)?;)+) => {
        /// The family's rows.
        pub const CAUSES: &[$crate::diagnose::causes::Cause] = &[$($crate::diagnose::causes::Cause {
            id: $id,
            title: $title,
            severity: $crate::diagnose::causes::Severity::$severity,
            kinds: &$kinds,
            file: include_str!($file),
            judge: causes!(@judge $id $judge $(, id $(, $more)?)?),
        }),+];
    };
}

mod apiservice;
mod argo;
mod certificate;
mod cluster_dns;
mod config;
mod crash;
mod created;
mod drain;
mod endpoints;
mod evicted;
mod gateway;
mod gateway_listener;
mod image;
mod ingress;
mod ingress_config;
mod lb;
mod netpol;
mod node;
pub mod pending;
mod probe;
mod protocol;
mod running;
mod sandbox;
mod secretstore;
mod service;
mod service_kind;
mod service_port;
mod start;
mod stuck;
mod traefik;
mod upstream;
mod volume;
mod workload;

/// How bad it is when this is the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// S3: a nuisance.
    Nuisance,
    /// S2: degraded.
    Degraded,
    /// S1: an outage.
    Outage,
}

/// One row of the table.
pub struct Cause {
    /// Kebab-case id, as in the verdict and in `kokpit explain`.
    pub id: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Kinds of objects it is looked for at; `URL` for URLs.
    pub kinds: &'static [&'static str],
    /// Text of the file it stands in; its header holds the page.
    pub file: &'static str,
    /// Facts in, matches out. `Err` where facts are missing.
    pub judge: fn(&Case<'_>, &Suspect<'_>) -> Fact<Vec<Match>>,
}

impl Cause {
    /// Whether it is looked for at objects of this kind.
    pub fn is_for(&self, kind: &str) -> bool {
        self.kinds.contains(&kind)
    }
}

/// The table, family by family.
static FAMILIES: &[&[Cause]] = &[
    config::CAUSES,
    image::CAUSES,
    image::secret::CAUSES,
    image::slow::CAUSES,
    sandbox::CAUSES,
    volume::missing::CAUSES,
    volume::attach::CAUSES,
    volume::driver::CAUSES,
    volume::mount::CAUSES,
    start::CAUSES,
    stuck::CAUSES,
    crash::memory::CAUSES,
    crash::code::CAUSES,
    crash::log::CAUSES,
    crash::restarts::CAUSES,
    probe::kill::CAUSES,
    probe::ready::CAUSES,
    probe::wrong::CAUSES,
    probe::init::CAUSES,
    running::CAUSES,
    evicted::kubelet::CAUSES,
    evicted::disrupted::CAUSES,
    workload::replicas::CAUSES,
    workload::rollout::CAUSES,
    workload::statefulset::CAUSES,
    workload::daemonset::CAUSES,
    workload::job::CAUSES,
    workload::autoscaler::CAUSES,
    cluster_dns::CAUSES,
    lb::CAUSES,
    ingress::CAUSES,
    ingress_config::CAUSES,
    traefik::CAUSES,
    gateway::CAUSES,
    gateway_listener::CAUSES,
    service::CAUSES,
    service_kind::CAUSES,
    service_port::CAUSES,
    endpoints::CAUSES,
    netpol::CAUSES,
    protocol::CAUSES,
    upstream::CAUSES,
    certificate::CAUSES,
    node::CAUSES,
    node::cordon::CAUSES,
    node::coming::CAUSES,
    node::going::CAUSES,
    node::sick::CAUSES,
    drain::budget::CAUSES,
    drain::pods::CAUSES,
    apiservice::CAUSES,
    created::quota::CAUSES,
    created::policy::CAUSES,
    created::missing::CAUSES,
    secretstore::CAUSES,
];

/// Every cause.
pub fn table() -> impl Iterator<Item = &'static Cause> {
    FAMILIES.iter().chain(pending::FAMILIES).chain(argo::FAMILIES).copied().flatten()
}

/// The cause of an id.
pub fn find(id: &str) -> Option<&'static Cause> {
    table().find(|cause| cause.id == id)
}

/// The page of a cause: what one sees, why, how kokpit knows, what looks alike, how to mend it. Markdown.
pub fn explain_cause(id: &str) -> Option<&'static str> {
    static PAGES: LazyLock<HashMap<&'static str, String>> =
        LazyLock::new(|| table().filter_map(|cause| Some((cause.id, page(cause.file, cause.id)?))).collect());
    PAGES.get(id).map(String::as_str)
}

/// Every cause's id and title, in the order of the table.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    table().map(|cause| (cause.id, cause.title))
}

/// The part of a file's header under `## id`.
fn page(file: &str, id: &str) -> Option<String> {
    let header =
        file.lines().map_while(|line| line.strip_prefix("//!")).map(|line| line.strip_prefix(' ').unwrap_or(line));
    let mut lines = header.skip_while(|line| line.strip_prefix("## ") != Some(id));
    lines.next()?;
    let body: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    Some(body.join("\n").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_cause_has_its_page() {
        for cause in table() {
            let page = explain_cause(cause.id).unwrap_or_else(|| panic!("no page for {}", cause.id));
            for part in ["**You see.**", "**Why.**", "**How kokpit knows.**", "**Looks alike.**", "**Mend it.**"] {
                assert!(page.contains(part), "the page of {} has no part {part}", cause.id);
            }
        }
    }

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let mut seen = HashSet::new();
        for cause in table() {
            assert!(seen.insert(cause.id), "{} stands twice", cause.id);
            assert!(cause.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", cause.id);
            assert!(!cause.title.is_empty() && !cause.kinds.is_empty(), "{}", cause.id);
        }
    }
}
