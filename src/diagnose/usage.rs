//! What containers use now, as the metrics API says (`metrics.k8s.io`, served by metrics-server or another adapter).
//! A cluster need not have it: without it there is simply nothing to say.

use super::facts::{Case, Fact};
use super::kinds::POD_METRICS;
use crate::world::object::{list_at, name, namespace, str_at};
use crate::world::quantity::Quantity;
use serde_json::Value;

/// What a container uses, averaged over the metrics' window (about 15 to 60 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Thousandths of a CPU.
    pub cpu_milli: i64,
    /// Bytes of working set: what counts against the limit and cannot be given back at once.
    pub memory: i64,
}

/// What one container of a pod uses; `None` where no metrics are to be had.
pub fn usage(case: &Case<'_>, pod: &Value, container: &str) -> Fact<Option<Usage>> {
    let metrics = case.optional(&POD_METRICS.at(namespace(pod), name(pod)))?;
    let of_container = metrics.and_then(|m| list_at(m, "/containers").iter().find(|c| str_at(c, "/name") == container));
    Ok(of_container.and_then(|c| {
        Some(Usage {
            cpu_milli: Quantity::parse(str_at(c, "/usage/cpu"))?.milli(),
            memory: Quantity::parse(str_at(c, "/usage/memory"))?.units(),
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::case::{Answer, CaseFile, Need, Subject};
    use crate::world::object::ObjectRef;
    use crate::world::time::Time;
    use serde_json::json;
    use std::sync::Arc;

    /// What is known of a container's use when the metrics API answers so, and what is called unreadable.
    fn with(answer: Answer) -> (Option<Usage>, usize) {
        let mut file = CaseFile::new(Subject::Object(ObjectRef::new("", "Pod", "shop", "web-1")), Time(0));
        let need = Need::Object { resource: POD_METRICS.id(), namespace: "shop".into(), name: "web-1".into() };
        file.put(need, answer);
        let case = Case::new(&file);
        let pod = json!({"metadata": {"namespace": "shop", "name": "web-1"}});
        (usage(&case, &pod, "app").expect("nothing is asked for"), case.unreadable().len())
    }

    #[test]
    fn metrics_are_read_per_container() {
        let containers = json!([{"name": "proxy", "usage": {"cpu": "1", "memory": "1Gi"}},
                                {"name": "app", "usage": {"cpu": "12345678n", "memory": "100Ki"}}]);
        let (found, _) = with(Answer::Object(Arc::new(json!({ "containers": containers }))));
        assert_eq!(found, Some(Usage { cpu_milli: 13, memory: 102_400 }));
    }

    #[test]
    fn a_cluster_without_metrics_leaves_no_hole() {
        assert_eq!(with(Answer::Absent), (None, 0));
        assert_eq!(with(Answer::Denied("forbidden".into())), (None, 0));
        assert_eq!(with(Answer::Failed("503: no endpoints available".into())), (None, 0));
    }
}
