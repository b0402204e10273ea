//! Which logs to read, and from where on.

use crate::world::fleet::ClusterId;
use std::fmt;
use std::sync::Arc;

/// One container, whose log is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogSource {
    /// Whose.
    pub cluster: ClusterId,
    /// Namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
}

/// `web-1/app`
impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pod, self.container)
    }
}

/// Streams to begin; they join those of the same request that run already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// Container by container.
    pub streams: Vec<LogStream>,
    /// The run before the current one (never followed).
    pub previous: bool,
    /// Last lines of each source to begin with; `None`: from the beginning.
    pub tail: Option<u32>,
    /// Only what was written in the last so many seconds.
    pub since_seconds: Option<i64>,
}

/// One stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStream {
    /// The container.
    pub source: Arc<LogSource>,
    /// Its first line.
    pub from: LogFrom,
    /// What is said before the first line of the present run; empty: nothing.
    pub note: String,
}

/// Where a stream begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFrom {
    /// As the request says.
    Asked,
    /// At the first line of the log: the container is younger than the window.
    Start,
    /// Behind a line that was read before. `missed`: the container was started anew meanwhile, and what its run before
    /// wrote at the end may be missing.
    After {
        /// The last line that was read.
        place: LogPlace,
        /// Ask for the rest of the run before too.
        missed: bool,
    },
}

/// A place in a log: a timestamp, and how many lines with it were read (several may share one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// As the server wrote it (RFC 3339).
    pub at: String,
    /// Lines.
    pub lines: u32,
}
