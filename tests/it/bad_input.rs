//! Input that is broken: kubeconfigs, servers, repositories. Each gets a sentence that says what, where and what to do;
//! nothing is lost and nothing hangs.

use crate::support::http::{Reply, Request, Server, pod, small_cluster};
use crate::support::{Home, LIMIT};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

mod clusters;
mod repositories;

/// A kubeconfig as text, with one context `dev` and what a case wants to break.
fn kubeconfig(cluster: &str, current: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {current}\nclusters:\n- name: dev\n  cluster:\n    {cluster}\nusers:\n- name: dev\n  user: {{}}\ncontexts:\n- name: dev\n  context:\n    cluster: dev\n    user: dev\n"
    )
}

/// Asks something of the cluster and expects a refusal in one sentence with all of `parts`.
fn refused(home: &Home, args: &[&str], parts: &[&str]) {
    let ran = home.run(&[&["why", "pod/web-1"], args].concat());
    assert_eq!(ran.code, Some(2), "could not find out: {}{}", ran.out, ran.err);
    for part in parts {
        assert!(ran.err.contains(part), "`{part}` is missing in: {}", ran.err);
    }
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    assert!(ran.out.is_empty(), "errors go to standard error: {}", ran.out);
}

#[test]
fn a_kubeconfig_that_is_missing() {
    let home = Home::new();
    let path = home.path("kubeconfig").to_string_lossy().into_owned();
    refused(&home, &[], &[&path, "KUBECONFIG"]);
    refused(&home, &["--kubeconfig", "/does/not/exist"], &["/does/not/exist", "--kubeconfig"]);
}

#[test]
fn a_kubeconfig_that_is_empty_or_not_yaml() {
    let home = Home::new();
    let path = home.write("kubeconfig", "\n").to_string_lossy().into_owned();
    refused(&home, &[], &[&path, "is empty"]);
    home.write("kubeconfig", "clusters: [\n  token: hunter2: }\n");
    refused(&home, &[], &[&path, "line", "YAML", "correct"]);
    assert!(!home.run(&["why", "pod/x"]).err.contains("hunter2"), "what may be a credential is not quoted");
    home.write("kubeconfig", [0xff, 0xfe, 0x00, 0x01]);
    refused(&home, &[], &[&path]);
}

#[test]
fn a_context_that_is_not_there() {
    let home = Home::new();
    let path = home.write("kubeconfig", kubeconfig("server: http://127.0.0.1:9", "dev"));
    let path = path.to_string_lossy().into_owned();
    refused(&home, &["--context", "prod"], &["\"prod\"", "dev", &path]);
    refused(&home, &["--context", "dve"], &["\"dve\"", "did you mean \"dev\"?"]);
    home.write("kubeconfig", kubeconfig("server: http://127.0.0.1:9", "gone"));
    refused(&home, &[], &["\"gone\"", "current-context", "--context", &path]);
}

#[test]
fn a_kubeconfig_that_points_at_a_file_that_is_gone() {
    let home = Home::new();
    let cluster = "server: https://127.0.0.1:9\n    certificate-authority: /gone/ca.crt";
    home.write("kubeconfig", kubeconfig(cluster, "dev"));
    refused(&home, &[], &["/gone/ca.crt", "certificate-authority", "restore the file or correct the entry"]);
}

#[test]
fn a_terminal_that_is_none() {
    let home = Home::new();
    home.kubeconfig(&[("dev", "http://127.0.0.1:9")]);
    let ran = home.run(&[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("terminal") && ran.err.contains("kokpit why"), "{}", ran.err);
    assert!(!ran.out.contains('\u{1b}'), "no escape sequence goes into a pipe");
}
