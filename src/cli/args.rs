//! The arguments, as clap reads them. `kokpit --help` is made from these comments.

mod argo;
mod objects;

pub use argo::{AutoSync, Diff, Refresh, Switch, Sync, Terminate};
pub use objects::{Delete, Hold, Leftovers, Restart, Rollback, SetImage, Trigger};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Watches every Kubernetes cluster of a kubeconfig, explains what is wrong, and carries the cure through as a git commit.
///
/// Without a command it opens the cockpit. In it: `?` all keys, `:` go anywhere, `x` why, `Esc` back.
#[derive(Parser, Debug)]
#[command(name = "kokpit", version, max_term_width = 100, subcommand_precedence_over_arg = true)]
pub struct Args {
    /// Options that hold for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do; nothing opens the cockpit.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that hold for every command.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Global {
    /// Kubeconfig file; without it KUBECONFIG (several files are merged), then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context to open at once (repeatable), also `@GROUP` or 'prod-*'; every other context stays one key away
    #[arg(long = "context", global = true, value_name = "NAME")]
    pub contexts: Vec<String>,
    /// Group of contexts to open at once, as named under [groups] in config.toml (repeatable)
    #[arg(long = "group", global = true, value_name = "NAME")]
    pub groups: Vec<String>,
    /// Open every context at once
    #[arg(long, global = true)]
    pub all_contexts: bool,
    /// Namespace to look at
    #[arg(short, long, global = true, value_name = "NS")]
    pub namespace: Option<String>,
    /// Look at all namespaces
    #[arg(short = 'A', long, global = true, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Change nothing, neither in a cluster nor in git
    #[arg(long, global = true)]
    pub readonly: bool,
    /// Draw with ASCII only: no lines, arrows or marks that some fonts and screen readers do not know
    #[arg(long, global = true)]
    pub ascii: bool,
    /// How long to wait for one answer: 10s, 500ms, 1m
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "15s")]
    pub request_timeout: Duration,
    /// Impersonate this user
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,
    /// Open recordings (or scheduler worlds) as if they were clusters (repeatable)
    #[arg(long, global = true, value_name = "FILE", num_args = 1..)]
    pub from: Vec<PathBuf>,
}

impl Args {
    /// Reads the arguments of the process.
    ///
    /// `--from` takes several files, so in `kokpit why --from FILE pod/web` it takes the target too: what is no file
    /// on disk, and stands last, was meant as the target.
    pub fn read() -> Self {
        Self::parse().mended(|path| path.exists())
    }

    fn mended(mut self, exists: impl Fn(&Path) -> bool) -> Self {
        if let Some(Command::Why(why)) = &mut self.command
            && why.target.is_none()
            && !why.pending
            && let Some(last) = self.global.from.pop_if(|last| !exists(last) && !is_meant_as_file(last))
        {
            why.target = Some(last.to_string_lossy().into_owned());
        }
        self
    }
}

/// Whether a word can only mean a file: none of a target's forms begins or ends so.
fn is_meant_as_file(word: &Path) -> bool {
    let ends = word.extension().is_some_and(|end| ["json", "gz", "jsonl"].iter().any(|known| end == *known));
    ends || ["/", ".", "~"].iter().any(|begin| word.to_string_lossy().starts_with(begin))
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say why something is not as it should be
    Why(Why),
    /// Show the page of a cause, or list all causes
    Explain {
        /// Id of a cause, as printed by `why`
        cause: Option<String>,
    },
    /// Keep new pods off a node: live at once, and committed
    Cordon(NodeOp),
    /// Let pods onto a node again: committed, then live, then verified
    Uncordon(NodeOp),
    /// Move the pods off a node: plan first, cordon committed, then evictions
    Drain(Drain),
    /// Change the replicas of a Deployment: in the repository it is deployed from, live where nothing tracks it
    Scale(Scale),
    /// Change requests and limits of a Deployment's container in the repository it is deployed from
    Resources(Resources),
    /// Forward local ports to a pod, a service or a workload, and to the successor when the pod is replaced
    PortForward(PortForward),
    /// Copy files and directories from and to containers
    Cp(Copy),
    /// Delete objects: the plan says what goes with them and what brings them back
    Delete(Delete),
    /// Replace the pods of workloads, some at a time, and wait until they have rolled out
    Restart(Restart),
    /// Go back to an earlier revision of a workload, in the repository where it is deployed from one
    Rollback(Rollback),
    /// Change images, in the repository where the object is deployed from one
    SetImage(SetImage),
    /// Make a Job from a CronJob now
    Trigger(Trigger),
    /// Suspend a CronJob or a Job
    SuspendJob(Hold),
    /// Resume a CronJob or a Job
    ResumeJob(Hold),
    /// Let Argo CD compare Applications with git now
    Refresh(Refresh),
    /// Let Argo CD apply what git says
    Sync(Sync),
    /// End the operation of an Application that runs
    Terminate(Terminate),
    /// Let an Application sync by itself, or not
    AutoSync(AutoSync),
    /// Compare git with what lives: exit status 0 the same, 1 something differs, 2 could not find out
    Diff(Diff),
    /// List recorded operations, or show one
    Ops(Ops),
    /// Record a cluster's state into a file that --from opens; what looks like a secret is left out
    Record(Record),
    /// Two clusters with five incidents, on this machine, to try everything on
    Demo(Demo),
    /// Serve recordings as read-only clusters
    Sim(Sim),
    /// List the themes, or see how one looks on this terminal
    Theme {
        /// What about them
        #[command(subcommand)]
        command: ThemeCommand,
    },
    /// Check terminal, kubeconfig, clusters, rights, git, Argo CD and configuration, and say what to do
    Doctor {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Write, check or describe config.toml
    Config {
        /// What about it
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Take over what kokpit's configuration can say of another program's
    Import {
        /// Of which program
        #[command(subcommand)]
        from: ImportFrom,
    },
    /// Print what makes a shell complete kokpit's commands and options
    Completion {
        /// For which shell: `source <(kokpit completion bash)`
        shell: clap_complete::Shell,
    },
    /// Print the man page: `kokpit man | man -l -`
    Man,
}

/// `kokpit theme`
#[derive(Subcommand, Debug)]
pub enum ThemeCommand {
    /// Name every theme; `*` marks the one in use
    List,
    /// Print every look, its colours and its contrast, and sample rows
    Preview {
        /// Theme; without it the one in use
        name: Option<String>,
    },
}

/// `kokpit import`
#[derive(Subcommand, Debug)]
pub enum ImportFrom {
    /// k9s: aliases, columns, hotkeys, plugins and skins; nothing that is there already is changed
    K9s(ImportK9s),
}

/// `kokpit import k9s`
#[derive(ClapArgs, Debug)]
pub struct ImportK9s {
    /// Its configuration directory [default: K9S_CONFIG_DIR, XDG_CONFIG_HOME/k9s, ~/.config/k9s or macOS' place]
    pub dir: Option<PathBuf>,
    /// Show what would be written and what is left out, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `kokpit config`
#[derive(Subcommand, Debug, Clone, Copy)]
pub enum ConfigCommand {
    /// Write the file with every setting explained and none set; one that is there is left alone
    Init,
    /// Say what in the file cannot be used, with the line
    Check,
    /// Print a JSON schema of the file, for editors
    Schema,
    /// Print where the file is
    Path,
}

/// `kokpit why`
#[derive(ClapArgs, Debug)]
pub struct Why {
    /// `pod/NAME`, `node/NAME`, `app/NAME`, `deployment/NAME` …, or a URL: `https://host/path`; nothing lists all that is
    /// wrong
    pub target: Option<String>,
    /// Keep watching, print what changes, and end when it is solved
    #[arg(short, long, conflicts_with = "pending")]
    pub watch: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Judge every unscheduled pod: one document per pod (JSON lines with -o json)
    #[arg(long, conflicts_with = "target")]
    pub pending: bool,
}

/// `kokpit record`
#[derive(ClapArgs, Debug)]
pub struct Record {
    /// File to write, gzipped if it ends in .gz; `-` prints it [default: CONTEXT-TIME.json.gz]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How to print.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// For programs: docs/why-json.md
    Json,
}

/// `kokpit cordon`, `kokpit uncordon`
#[derive(ClapArgs, Debug)]
pub struct NodeOp {
    /// The node
    pub node: String,
    /// Why; it stands in the commit and on the node
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// How an operation is confirmed.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Confirm {
    /// Do not ask; on a protected cluster --confirm NAME is needed as well
    #[arg(short, long)]
    pub yes: bool,
    /// Name of the protected cluster, instead of typing it
    #[arg(long, value_name = "CLUSTER")]
    pub confirm: Option<String>,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Push URL of the repository that belongs to the cluster, remembered in config.toml on first use
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// Branch of that repository
    #[arg(long, value_name = "BRANCH", requires = "repo")]
    pub branch: Option<String>,
}

/// `kokpit drain`
#[derive(ClapArgs, Debug)]
pub struct Drain {
    /// The node and how it is confirmed
    #[command(flatten)]
    pub node: NodeOp,
    /// Evict pods that have emptyDir volumes too; their data is lost
    #[arg(long)]
    pub delete_emptydir_data: bool,
    /// Evict pods that nothing will recreate
    #[arg(long)]
    pub force: bool,
    /// Empty the node although it is the last ready one of the control plane
    #[arg(long)]
    pub last_control_plane: bool,
    /// Empty the node although it is the last one of its zone that takes pods
    #[arg(long)]
    pub last_of_zone: bool,
    /// Give up after this long: 15m, 90s
    #[arg(long, value_parser = duration, default_value = "15m")]
    pub timeout: Duration,
}

/// `kokpit scale`
#[derive(ClapArgs, Debug)]
pub struct Scale {
    /// `deployment/NAME` or just the name
    pub target: String,
    /// How many
    #[arg(long)]
    pub replicas: u32,
    /// Why; it stands in the commit
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// `kokpit resources`
#[derive(ClapArgs, Debug)]
pub struct Resources {
    /// `deployment/NAME` or just the name
    pub target: String,
    /// Container; may be left out where there is only one
    #[arg(short, long)]
    pub container: Option<String>,
    /// What it is promised: `cpu=250m,memory=1Gi`
    #[arg(long, value_name = "AMOUNTS")]
    pub requests: Option<String>,
    /// What it may use: `cpu=500m,memory=2Gi`
    #[arg(long, value_name = "AMOUNTS")]
    pub limits: Option<String>,
    /// Why; it stands in the commit
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How the operation is confirmed
    #[command(flatten)]
    pub confirm: Confirm,
}

/// `kokpit cp`
#[derive(ClapArgs, Debug)]
pub struct Copy {
    // (Not called `from`: that is a global option.)
    /// `POD:/path`, `NAMESPACE/POD:/path`, or a path of this machine
    #[arg(value_name = "FROM")]
    pub source: String,
    /// The other side
    #[arg(value_name = "TO")]
    pub destination: String,
    /// Container; else the pod's only or default one
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Do not ask before something is written into the container; on a protected cluster --confirm NAME is needed as well
    #[arg(short, long)]
    pub yes: bool,
    /// Name of the protected cluster, instead of typing it
    #[arg(long, value_name = "CLUSTER")]
    pub confirm: Option<String>,
    /// Show what would be written into the container and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// `kokpit port-forward`
#[derive(ClapArgs, Debug)]
pub struct PortForward {
    /// A pod's name, or `svc/NAME`, `deploy/NAME`, `sts/NAME` …
    pub target: String,
    /// `LOCAL:REMOTE`, `PORT` (the same on both sides) or `:REMOTE` (any free one); REMOTE may be the port's name
    #[arg(required = true, value_name = "PORTS")]
    pub ports: Vec<String>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<std::net::IpAddr>,
}

/// `kokpit ops`
#[derive(ClapArgs, Debug)]
pub struct Ops {
    /// Show this operation step by step
    pub id: Option<String>,
    /// Finish this open operation
    #[arg(long, requires = "id", conflicts_with = "undo")]
    pub finish: bool,
    /// Undo this open operation
    #[arg(long, requires = "id")]
    pub undo: bool,
    /// What else of it
    #[command(flatten)]
    pub leftovers: Leftovers,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `kokpit demo`
#[derive(ClapArgs, Debug)]
pub struct Demo {
    /// Only serve the clusters, print the kubeconfig and wait; for kubectl and other tools
    #[arg(long)]
    pub serve: bool,
    /// Keep the demo's files here instead of a temporary directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `kokpit sim`
#[derive(ClapArgs, Debug)]
pub struct Sim {
    /// Recording to serve (repeatable); each becomes a cluster
    #[arg(long = "recording", value_name = "FILE", num_args = 1.., required = true)]
    pub recordings: Vec<PathBuf>,
    /// Where to write the kubeconfig; default: a temporary file
    #[arg(long, value_name = "FILE")]
    pub write_kubeconfig: Option<PathBuf>,
}

/// `10s`, `500ms`, `2m`, `1h`, or plain seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a time; write 10s, 500ms, 2m or 1h");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| bad())?;
    let unit = match &text[end..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(bad()),
    };
    Duration::try_from_secs_f64(number * unit).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_target_may_stand_behind_the_recordings() {
        let read = |line: &str| {
            let args = Args::try_parse_from(line.split(' ')).unwrap().mended(|path| path.ends_with("a.gz"));
            let Some(Command::Why(why)) = args.command else { panic!("{line}") };
            (args.global.from.len(), why.target)
        };
        for line in [
            "kokpit --from a.gz why pod/x",
            "kokpit why --from a.gz pod/x",
            "kokpit why pod/x --from a.gz",
            "kokpit why pod/x -n y --from a.gz",
        ] {
            assert_eq!(read(line), (1, Some("pod/x".into())), "{line}");
        }
        assert_eq!(read("kokpit why --pending --from a.gz a.gz"), (2, None));
        assert_eq!(read("kokpit why --from b.gz"), (1, None), "a file that is not there is no target");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert!(duration("soon").is_err());
        assert!(duration("-1s").is_err());
    }
}
