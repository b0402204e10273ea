//! What an action needs to apply, in words: the other half of its condition, said where it does not.

/// Actions that share a condition, and what it asks for.
const REASONS: &[(&[&str], &str)] = &[
    (&["filter"], "the screen of an operation has nothing to filter"),
    (&["objects"], "it needs a problem under the cursor"),
    (&["close-cluster"], "it needs an opened cluster under the cursor, or marked ones; :ctx lists them"),
    (&["tutorial"], "only `kokpit demo` has a tutorial"),
    (&["open"], "there is nothing under the cursor"),
    (&["mark"], "it needs a row of a table, of the clusters or of the namespaces"),
    (
        &[
            "mark-range",
            "mark-none",
            "wide",
            "faults",
            "sort-name",
            "sort-age",
            "sort-namespace",
            "sort-status",
            "sort-column",
            "column-left",
            "column-right",
            "columns",
            "export",
            "freeze",
            "grep",
        ],
        "it is for tables",
    ),
    (
        &[
            "copy-namespace",
            "children",
            "application",
            "xray",
            "row-namespace",
            "describe",
            "yaml",
            "edit",
            "delete",
            "diff",
        ],
        "it needs an object under the cursor",
    ),
    (
        &["column-show", "column-earlier", "column-later", "column-add"],
        "it is for the list of a table's columns; :columns opens it",
    ),
    (&["owner"], "it needs an object that a controller owns"),
    (&["node", "kill"], "it is for pods"),
    (&["used-by"], "it is for ConfigMaps, Secrets, claims and ServiceAccounts"),
    (&["fold", "unfold", "in-table"], "it is for trees"),
    (&["fold-all"], "it is for trees and YAML"),
    (&["decode"], "it is for Secrets"),
    (&["why"], "nothing is known to explain about this kind"),
    (&["logs", "logs-previous"], "it is for pods, containers, Services, workloads and Applications"),
    (&["shell", "attach", "copy-from", "copy-to"], "it is for pods and their containers"),
    (&["stop-copies"], "nothing is being copied"),
    (&["port-forward"], "it is for pods, Services and workloads"),
    (&["stop-forward", "open-url", "copy-url"], "it needs a port-forward under the cursor; :pf lists them"),
    (&["debug"], "it is for pods and nodes"),
    (&["restart", "rollback"], "it is for Deployments, StatefulSets and DaemonSets"),
    (&["set-image"], "it is for workloads"),
    (&["trigger"], "it is for CronJobs"),
    (&["suspend-job"], "it is for CronJobs and Jobs that are not suspended"),
    (&["resume-job"], "it is for CronJobs and Jobs that are suspended"),
    (&["propagation"], "it needs a plan to delete"),
    (&["force"], "it needs a plan to delete or to sync"),
    (&["older", "newer", "auto-sync-off"], "it needs a plan to roll back"),
    (&["prune"], "it needs a plan to sync or to roll back"),
    (&["dry-run", "apply-only", "server-side", "replace", "only-differing"], "it needs a plan to sync"),
    (&["sync", "refresh-app", "hard-refresh", "terminate", "auto-sync"], "it is for Applications of Argo CD"),
    (&["next-hit", "previous-hit"], "nothing is searched for; / does"),
    (&["next-link", "previous-link"], "it is for texts"),
    (&["wrap"], "it is for texts and logs"),
    (&["managed-fields", "fold-line"], "it is for YAML"),
    (
        &[
            "follow",
            "timestamps",
            "previous",
            "next-container",
            "all-containers",
            "clear",
            "log-sources",
            "log-raw",
            "log-full",
            "log-mark",
            "log-hide",
            "log-context",
            "save",
            "logs-tail",
            "logs-head",
            "logs-1m",
            "logs-5m",
            "logs-15m",
            "logs-30m",
            "logs-1h",
        ],
        "it is for logs",
    ),
    (&["plugin"], "config.toml has no [[plugin]]"),
    (&["cordon", "uncordon", "drain"], "it is for nodes"),
    (&["scale", "limits"], "it is for workloads"),
    (&["confirm", "switch"], "it needs a plan that waits for an answer"),
    (&["finish", "undo"], "it needs an operation that was left open; :operations lists them"),
];

/// What an action needs, as the end of a sentence.
pub fn of(action: &str) -> Option<&'static str> {
    REASONS.iter().find(|(names, _)| names.contains(&action)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions;

    /// Only reasons of actions that there are, or that are about to be.
    #[test]
    fn no_action_has_two_reasons() {
        for (n, (names, why)) in REASONS.iter().enumerate() {
            for name in *names {
                let before = REASONS[..n].iter().any(|(others, _)| others.contains(name));
                assert!(!before, "{name} has a reason already, not only: {why}");
            }
        }
        assert!(of(actions::TABLE[1].name).is_some());
    }
}
