//! YAML: hits, folds, long lines, who wrote what.

use super::*;

#[test]
fn yaml_is_searched_folded_and_wrapped() {
    let (home, cluster) = shop("");
    let long = format!("{}the-end", "0123456789".repeat(12));
    let by = json!([{"manager": "somebody", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}]);
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "texts", "namespace": "shop", "managedFields": by},
        "data": {"first": "a hit", "long": long, "second": "a hit"}});
    cluster.create("configmaps", object);
    let mut tui = home.tui_sized(&["-n", "shop"], 100, 40);
    tui.send(":cm /texts\r");
    wait_cursor(&tui, "texts");
    tui.send("y").wait("second: a hit");
    tui.send("/a hit\r").wait("1 of 2");
    tui.does("next-hit", "n").wait("2 of 2");
    tui.does("previous-hit", "N").wait("1 of 2");
    tui.send("\u{1b}").wait_gone("1 of 2");
    assert!(!tui.text().contains("the-end"), "the line is cut:\n{}", tui.text());
    tui.does("wrap", "w").wait("the-end");
    tui.does("managed-fields", "m").wait("managedFields:");
    tui.does("managed-fields", "m").wait_gone("managedFields:");
    // What belongs to the line under the cursor is folded away.
    tui.does("fold-line", "\r").wait("data: … 3 lines");
    tui.does("fold-line", "\r").wait_gone("data: … 3 lines");
    tui.quit();
}
