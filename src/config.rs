//! The user's `config.toml`: which repository belongs to which cluster, theme, keymap.
//!
//! Loading never fails: what can be read is used, and everything else becomes a [`Problem`] with file, line and what to
//! do about it. kokpit itself only ever appends to the file ([`add_cluster`], [`add_repository`]).

pub mod keys;
mod paths;
mod plugin;
mod read;
mod write;

use crate::world::choice::Choice;
use crate::world::glob::shell;

pub use paths::Paths;
pub use plugin::{Input, InputKind, Plugin};
pub use read::{Loaded, Problem, load, parse};
pub use write::{add_cluster, add_repository, init, replace};

/// Name of the file in the configuration directory.
pub const FILE: &str = "config.toml";
/// Where node manifests live unless a `[[cluster]]` says otherwise; `{cluster}` is the context's name.
pub const NODES: &str = "clusters/{cluster}/nodes";
/// Where records of nodes live that a cloud or an autoscaler manages, and that nothing may apply.
pub const LEDGER: &str = "clusters/{cluster}/ops/ledger";

/// Everything `config.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[ui]`
    pub ui: Ui,
    /// `[debug]`
    pub debug: Debug,
    /// `[[cluster]]`, in the order of the file.
    pub clusters: Vec<Cluster>,
    /// `[[repository]]`, in the order of the file.
    pub repositories: Vec<Repository>,
    /// Names for the `:` line.
    pub names: Names,
    /// `readonly`: patterns of contexts where nothing is changed.
    pub readonly: Vec<String>,
    /// `[columns]`: a kind as plural or `plural.group`, and the columns that its tables show.
    pub columns: Vec<(String, Vec<Choice>)>,
    /// `[[plugin]]`, in the order of the file.
    pub plugins: Vec<Plugin>,
    /// `[sort]`: a kind, the column that its tables are sorted by at first, and whether the largest comes first.
    pub sorts: Vec<(String, String, bool)>,
    /// `[widths]`: a kind, and columns of its tables with the width that a person gave them.
    pub widths: Vec<(String, Vec<(String, u16)>)>,
    /// `[secrets]`
    pub secrets: Secrets,
}

/// `[secrets] decode`: where values of Secrets may be shown on request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// Wherever the account may read them: to read changes nothing.
    #[default]
    Always,
    /// Neither in protected nor in read-only contexts.
    Unprotected,
    /// Nowhere.
    Never,
}

/// `[groups]`, `[aliases]`, `[namespaces]`: names that a person gives to what they look at often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `[groups]`: a name for several contexts, and the patterns (`*`, `?`) of their names.
    pub groups: Vec<(String, Vec<String>)>,
    /// `[aliases]`: a word for the `:` line, and the line it stands for.
    pub aliases: Vec<(String, String)>,
    /// `[namespaces] favourites`: behind the keys 1 to 9, in this order; patterns are allowed.
    pub favourites: Vec<String>,
}

impl Names {
    /// The patterns of a group.
    pub fn group(&self, name: &str) -> Option<&[String]> {
        self.groups.iter().find(|(group, _)| group == name).map(|(_, patterns)| patterns.as_slice())
    }

    /// The line that an alias stands for.
    pub fn alias(&self, name: &str) -> Option<&str> {
        self.aliases.iter().find(|(alias, _)| alias == name).map(|(_, line)| line.as_str())
    }

    /// Which of these contexts a name means: `@prod` or `prod-*`; `None` where it is the name of a context itself.
    ///
    /// # Errors
    /// A sentence where there is no such group, or nothing matches.
    pub fn contexts(&self, name: &str, all: &[String]) -> Option<Result<Vec<String>, String>> {
        let patterns = match name.strip_prefix('@') {
            Some(group) => match self.group(group) {
                Some(patterns) => patterns.to_vec(),
                None => {
                    let near = crate::world::text::closest(group, self.groups.iter().map(|(name, _)| name.as_str()));
                    let near = near.map_or_else(String::new, |near| format!("; did you mean @{near}?"));
                    return Some(Err(format!("config.toml has no group {group:?} under [groups]{near}")));
                }
            },
            None if crate::world::glob::is_pattern(name) => vec![name.to_string()],
            None => return None,
        };
        let found: Vec<String> = all.iter().filter(|c| patterns.iter().any(|p| shell(p, c))).cloned().collect();
        let nothing = || format!("{name} ({}) matches no context of the kubeconfig", patterns.join(", "));
        Some(if found.is_empty() { Err(nothing()) } else { Ok(found) })
    }
}

/// `[ui]`: how the screen looks and reacts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ui {
    /// Name of a theme, `dark`; `None` leaves the choice to kokpit.
    pub theme: Option<String>,
    /// How many colours the terminal has: `none`, `16`, `256`, `truecolor`; `None` finds out.
    pub colours: Option<String>,
    /// Draw nothing but ASCII.
    pub ascii: bool,
    /// Take clicks and the wheel from the start.
    pub mouse: bool,
    /// Leave the terminal's title alone.
    pub untitled: bool,
    /// How the desktop is told: `auto`, `osc9`, `osc99`, `bell`, `off`.
    pub notify: Option<String>,
    /// Whether URLs become links that the terminal opens: `auto`, `on`, `off`.
    pub links: Option<String>,
    /// Name of a keymap, `default`.
    pub keymap: Option<String>,
}

/// `[debug]`: what pods and nodes are debugged with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debug {
    /// Image; `None`: busybox.
    pub image: Option<String>,
    /// Namespace for pods on nodes; `None`: default.
    pub namespace: Option<String>,
}

/// `[[cluster]]`: settings of every context whose name the pattern matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Name of a context, `*` and `?` as in a shell.
    pub context: String,
    /// Name of a `[[repository]]`.
    pub repository: Option<String>,
    /// Every write asks for the cluster's name to be typed.
    pub protected: Option<bool>,
    /// Directory of node manifests in the repository; `{cluster}` is replaced.
    pub nodes: Option<String>,
    /// Directory of records of nodes that something else manages; `{cluster}` is replaced.
    pub ledger: Option<String>,
    /// Colour of the frame of confirmations, a name of the theme or `#rrggbb`.
    pub accent: Option<String>,
    /// Ask what CPU and memory are used.
    pub metrics: Option<bool>,
}

/// `[[repository]]`: a git repository that kokpit may push to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// Name that `[[cluster]]` entries refer to.
    pub name: String,
    /// Push URL: anything `git push` takes.
    pub url: String,
    /// Branch to commit to.
    pub branch: String,
    /// Further URLs under which Argo CD reads the same repository (`spec.source.repoURL`).
    pub argo_urls: Vec<String>,
    /// `Name <mail>` for commits; `None` takes `user.name` and `user.email` of git.
    pub author: Option<String>,
}

/// What holds for one context, after every matching `[[cluster]]` has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the repository, if one is configured.
    pub repository: Option<String>,
    /// Every write asks for the cluster's name to be typed.
    pub protected: bool,
    /// Directory of node manifests in the repository.
    pub nodes: String,
    /// Directory of records of nodes that something else manages.
    pub ledger: String,
    /// Colour of the frame of confirmations.
    pub accent: Option<String>,
    /// Ask what CPU and memory are used.
    pub metrics: bool,
}

impl Config {
    /// The settings of a context: of every field, the first matching `[[cluster]]` that sets it wins.
    pub fn settings(&self, context: &str) -> Settings {
        let matching = || self.clusters.iter().filter(|c| shell(&c.context, context));
        let place = |path: Option<String>, default: &str| {
            path.unwrap_or_else(|| default.into()).replace("{cluster}", &path_name(context))
        };
        Settings {
            repository: matching().find_map(|c| c.repository.clone()),
            protected: matching().find_map(|c| c.protected).unwrap_or(false),
            nodes: place(matching().find_map(|c| c.nodes.clone()), NODES),
            ledger: place(matching().find_map(|c| c.ledger.clone()), LEDGER),
            accent: matching().find_map(|c| c.accent.clone()),
            metrics: matching().find_map(|c| c.metrics).unwrap_or(true),
        }
    }

    /// Whether values of Secrets of a context may be shown.
    pub fn may_decode(&self, context: &str) -> bool {
        match self.secrets {
            Secrets::Always => true,
            Secrets::Unprotected => !self.settings(context).protected && !self.is_readonly(context),
            Secrets::Never => false,
        }
    }

    /// Whether nothing may be changed in a context, neither live nor in git.
    pub fn is_readonly(&self, context: &str) -> bool {
        self.readonly.iter().any(|pattern| shell(pattern, context))
    }

    /// The repository of this name.
    pub fn repository(&self, name: &str) -> Option<&Repository> {
        self.repositories.iter().find(|r| r.name == name)
    }
}

/// A context's name as one directory name: contexts may hold `/`, `:` and `@` (`arn:aws:eks:…:cluster/prod`).
fn path_name(context: &str) -> String {
    let name: String =
        context.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    if name.chars().all(|c| c == '.') { "cluster".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_that_sets_a_field_wins() {
        let config = parse(
            "config.toml",
            "[[cluster]]\ncontext = \"prod-eu\"\nrepository = \"fleet\"\n\
             [[cluster]]\ncontext = \"prod-*\"\nprotected = true\nrepository = \"other\"\n\
             [[repository]]\nname = \"fleet\"\nurl = \"/srv/fleet.git\"\n\
             [[repository]]\nname = \"other\"\nurl = \"/srv/other.git\"\n",
        )
        .config;
        let eu = config.settings("prod-eu");
        assert_eq!((eu.repository.as_deref(), eu.protected), (Some("fleet"), true));
        assert_eq!(config.settings("prod-us").repository.as_deref(), Some("other"));
        assert_eq!(config.settings("lab").repository, None);
        assert!(!config.settings("lab").protected);
    }

    #[test]
    fn values_of_secrets_are_shown_where_the_configuration_lets_them() {
        let text = "readonly = [\"edge\"]\n[[cluster]]\ncontext = \"prod-*\"\nprotected = true\n";
        let may = |more: &str| {
            let config = parse("config.toml", &format!("{text}{more}")).config;
            ["prod-eu", "edge", "lab"].map(|context| config.may_decode(context))
        };
        assert_eq!(may(""), [true, true, true]);
        assert_eq!(may("[secrets]\ndecode = \"unprotected\"\n"), [false, false, true]);
        assert_eq!(may("[secrets]\ndecode = \"never\"\n"), [false, false, false]);
        assert_eq!(may("[secrets]\ndecode = \"nevr\"\n"), [false, false, false], "a slip of the pen shows nothing");
    }

    #[test]
    fn read_only_contexts_go_by_pattern() {
        let config = parse("config.toml", "readonly = [\"prod-*\", \"edge\"]\n").config;
        let frozen = |name: &str| config.is_readonly(name);
        assert!(frozen("prod-eu") && frozen("edge") && !frozen("lab") && !frozen("edge-2"));
    }

    #[test]
    fn a_context_is_one_directory_name() {
        let settings = Config::default().settings("arn:aws:eks:eu-west-1:1:cluster/prod");
        assert_eq!(settings.nodes, "clusters/arn-aws-eks-eu-west-1-1-cluster-prod/nodes");
        assert_eq!(Config::default().settings("..").nodes, "clusters/cluster/nodes");
    }
}
