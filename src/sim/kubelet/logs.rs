//! What containers print: computed from the pod and the clock when somebody asks, so that following a log is alive and
//! nobody asking costs nothing.

use super::behaviour::{echoes, end};
use crate::sim::controllers::meta::{annotation, fnv, time_at};
use crate::world::object::{list_at, name, str_at};
use crate::world::time::Time;
use serde_json::Value;

/// One line of a log: when it was printed, and its text.
pub type LogLine = (Time, String);

/// Lines that are kept for one run: what a rotated log file would still hold.
const KEPT: i64 = 1_000;
/// Seconds between two lines of a running container.
const PACE: i64 = 2;

/// The log of a container; `container` empty means the first. `previous` asks for the run before the present one.
///
/// # Errors
/// The API server's sentence for a container that is unknown or has not run.
pub fn read(pod: &Value, container: &str, previous: bool, now: Time) -> Result<Vec<LogLine>, String> {
    let specs = ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"];
    let spec = specs
        .iter()
        .flat_map(|list| list_at(pod, list))
        .find(|c| container.is_empty() || str_at(c, "/name") == container)
        .ok_or_else(|| format!("container {container} is not valid for pod {}", name(pod)))?;
    let wanted = str_at(spec, "/name");
    let statuses = ["/status/containerStatuses", "/status/initContainerStatuses", "/status/ephemeralContainerStatuses"];
    let status =
        statuses.iter().flat_map(|list| list_at(pod, list)).find(|c| str_at(c, "/name") == wanted).ok_or_else(
            || format!("container \"{wanted}\" in pod \"{}\" is waiting to start: ContainerCreating", name(pod)),
        )?;
    let (from, to, ended) = run(status, previous, now).ok_or_else(|| match previous {
        true => format!("previous terminated container \"{wanted}\" in pod \"{}\" not found", name(pod)),
        false => {
            let why = str_at(status, "/state/waiting/reason");
            let doing = if why.contains("Image") { "trying and failing to pull image".into() } else { why.to_string() };
            format!("container \"{wanted}\" in pod \"{}\" is waiting to start: {doing}", name(pod))
        }
    })?;
    Ok(lines(pod, spec, from, to, ended))
}

/// Start, end and whether it has ended, of the run that is asked for. While a container waits for its restart, its
/// current log is that of the run before.
fn run(status: &Value, previous: bool, now: Time) -> Option<(Time, Time, bool)> {
    let ended = |at: &str| {
        let (from, to) = (time_at(status, &format!("{at}/startedAt")), time_at(status, &format!("{at}/finishedAt")));
        from.is_set().then_some((from, to, true))
    };
    let last = ended("/lastState/terminated");
    if previous {
        return last;
    }
    let running = time_at(status, "/state/running/startedAt");
    if running.is_set() {
        return Some((running, now, false));
    }
    ended("/state/terminated").or(last)
}

fn lines(pod: &Value, spec: &Value, from: Time, to: Time, ended: bool) -> Vec<LogLine> {
    let said = echoes(spec);
    if !said.is_empty() {
        // Spread over the run, whether it has ended by now or not: a line keeps its time.
        let init = list_at(pod, "/spec/initContainers").iter().any(|c| str_at(c, "/name") == str_at(spec, "/name"));
        let lasts = end(pod, spec, !init).map_or(0, |end| end.after);
        let count = said.len() as i64;
        let at = |i: usize| Time(from.0 + lasts * i as i64 / count);
        return said.into_iter().enumerate().map(|(i, text)| (at(i), text)).filter(|(at, _)| *at <= to).collect();
    }
    let program = Program::of(spec);
    let salt = fnv(name(pod));
    let total = (to.0 - from.0).max(0) / PACE + 1;
    let mut all: Vec<LogLine> = ((total - KEPT).max(0)..total)
        .map(|i| (Time(from.0 + i * PACE), program.line(Time(from.0 + i * PACE), i, salt)))
        .collect();
    if ended && !annotation(pod, super::behaviour::WORKING_SET).is_empty() {
        all.push((to, "allocating page cache for the next batch".into()));
    }
    all
}

/// What kind of program an image is, as far as its log is concerned.
enum Program {
    Web,
    Postgres,
    Worker(String),
}

impl Program {
    fn of(spec: &Value) -> Self {
        let image = str_at(spec, "/image");
        let short = image.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default();
        match short {
            "postgres" => Program::Postgres,
            _ if !list_at(spec, "/ports").is_empty() => Program::Web,
            other => Program::Worker(other.to_string()),
        }
    }

    /// Line `i` of a run: the same whenever it is asked for.
    fn line(&self, at: Time, i: i64, salt: u64) -> String {
        let dice = fnv(&format!("{salt}/{i}"));
        let pick = |list: &[&'static str]| list[(dice % list.len() as u64) as usize];
        let stamp = at.rfc3339();
        match self {
            _ if i == 0 => format!("{stamp} INFO starting"),
            Program::Web => {
                let path =
                    pick(&["/", "/cart", "/healthz", "/products/418", "/products/77", "/checkout", "/assets/app.js"]);
                let code = if dice.is_multiple_of(97) { 404 } else { 200 };
                format!(
                    "10.244.{}.{} - - [{stamp}] \"GET {path} HTTP/1.1\" {code} {} {}ms",
                    dice % 5,
                    dice / 7 % 200 + 2,
                    dice / 11 % 9_000 + 120,
                    dice / 13 % 90 + 2
                )
            }
            Program::Postgres => {
                let text = pick(&[
                    "checkpoint starting: time",
                    "checkpoint complete: wrote 42 buffers (0.3%)",
                    "connection received: host=10.244.1.7",
                    "connection authorized: user=shop database=shop",
                ]);
                format!("{stamp} [{}] LOG:  {text}", dice % 900 + 100)
            }
            Program::Worker(short) => {
                let text = pick(&["batch done", "queue empty, waiting", "heartbeat ok", "cache refreshed"]);
                format!("{stamp} INFO {short}: {text} seq={i} took={}ms", dice / 17 % 400 + 3)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(state: Value, last: Value, command: &str) -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "r.io/worker:1", "command": [command]}]},
            "status": {"containerStatuses": [{"name": "c", "state": state, "lastState": last}]}})
    }

    #[test]
    fn a_running_log_grows_and_never_changes() {
        let p = pod(json!({"running": {"startedAt": "1970-01-01T00:00:00Z"}}), json!({}), "run");
        let early = read(&p, "", false, Time(20)).unwrap();
        let late = read(&p, "c", false, Time(30)).unwrap();
        assert_eq!((early.len(), late.len()), (11, 16));
        assert_eq!(early[..], late[..11]);
        assert_eq!(read(&p, "c", false, Time(1_000_000)).unwrap().len(), KEPT as usize);
    }

    #[test]
    fn what_is_echoed_keeps_its_time_when_the_run_ends() {
        let script = "echo one; echo two; sleep 6; exit 3";
        let p = pod(json!({"running": {"startedAt": "1970-01-01T00:00:00Z"}}), json!({}), script);
        assert_eq!(read(&p, "c", false, Time(2)).unwrap(), [(Time(0), "one".to_string())]);
        let running = read(&p, "c", false, Time(5)).unwrap();
        let run = json!({"terminated": {"exitCode": 3, "startedAt": "1970-01-01T00:00:00Z", "finishedAt": "1970-01-01T00:00:06Z"}});
        assert_eq!(read(&pod(run, json!({}), script), "c", false, Time(9)).unwrap(), running);
        assert_eq!(running.len(), 2);
    }

    #[test]
    fn a_crashed_run_is_the_previous_one() {
        let run = json!({"terminated": {"exitCode": 3, "startedAt": "1970-01-01T00:00:00Z", "finishedAt": "1970-01-01T00:00:01Z"}});
        let p = pod(json!({"waiting": {"reason": "CrashLoopBackOff"}}), run, "echo 'panic: no DATABASE_URL'; exit 3");
        let texts: Vec<_> = read(&p, "c", true, Time(9)).unwrap().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["panic: no DATABASE_URL"]);
        assert_eq!(read(&p, "c", false, Time(9)).unwrap().len(), 1, "waiting shows the same");
    }

    #[test]
    fn what_has_not_run_says_so() {
        let p = pod(json!({"waiting": {"reason": "ContainerCreating"}}), json!({}), "run");
        assert_eq!(
            read(&p, "c", false, Time(9)).unwrap_err(),
            "container \"c\" in pod \"p\" is waiting to start: ContainerCreating"
        );
        assert!(read(&p, "x", false, Time(9)).unwrap_err().contains("not valid"));
    }
}
