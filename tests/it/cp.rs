//! Copies from and to containers, by tar and without it, and archives that mean harm.

use crate::embedded::Embedded;
use crate::support::{Home, Ran, until};
use kokpit::sim::server::Faults;
use kokpit::sim::subresources::disk::Entry;
use kokpit::world::object::{ResourceId, str_at};
use serde_json::json;
use std::time::Duration;

/// A home with the shop and a pod `box` that has these programs (empty: all).
fn shop(programs: &str) -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "box", "namespace": "shop"},
                         "spec": {"containers": [{"name": "app", "image": "box:1"}]}});
    if !programs.is_empty() {
        pod["metadata"]["annotations"] = json!({"sim.kokpit.dev/programs": programs});
    }
    cluster.store.create(&ResourceId::core("pods"), pod).expect("valid");
    until("the pod to run", || {
        let pod = cluster.get("pods", "shop", "box")?;
        (str_at(&pod, "/status/phase") == "Running").then_some(())
    });
    (home, cluster)
}

fn put(cluster: &Embedded, path: &str, content: &[u8]) {
    cluster.disk().put("shop/box/app", path, Entry::File(content.to_vec()));
}

fn inside(cluster: &Embedded, path: &str) -> Option<Vec<u8>> {
    match cluster.disk().get("shop/box/app", path)? {
        Entry::File(content) => Some(content),
        Entry::Link(_) => None,
    }
}

fn cp(home: &Home, from: &str, to: &str) -> Ran {
    home.run(&["cp", "-n", "shop", "--yes", from, to])
}

/// More than fits into any buffer on the way, and no text.
fn noise() -> Vec<u8> {
    (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn there_and_back_again() {
    let (home, cluster) = shop("");
    let noise = noise();
    home.write("tree/a/noise", &noise);
    home.write("tree/b", "text");
    home.write("tree/empty", "");
    let ran = cp(&home, "tree", "box:/srv/copy");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("3 files, 1200004 bytes copied to /srv/copy"), "{ran:?}");
    assert!(inside(&cluster, "/srv/copy/a/noise").is_some_and(|there| there == noise));
    // Into a directory that is there already it goes under its own name.
    assert_eq!(cp(&home, "tree/b", "box:/srv/copy/a").code, Some(0));
    assert_eq!(inside(&cluster, "/srv/copy/a/b").as_deref(), Some(b"text".as_slice()));
    let ran = cp(&home, "shop/box:/srv/copy", "back");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(std::fs::read(home.path("back/a/noise")).expect("it is there") == noise);
    assert_eq!((home.read("back/b"), home.read("back/empty")), ("text".into(), String::new()));
    // A single file, into a directory and under a new name.
    std::fs::create_dir(home.path("here")).expect("a directory");
    assert_eq!(cp(&home, "box:/srv/copy/b", "here").code, Some(0));
    assert_eq!(cp(&home, "box:/srv/copy/b", "here/other").code, Some(0));
    assert_eq!((home.read("here/b"), home.read("here/other")), ("text".into(), "text".into()));
}

#[test]
fn without_tar_single_files_are_copied() {
    let (home, cluster) = shop("cat,sh,head,test");
    put(&cluster, "/data/f", b"\0binary");
    assert_eq!(cp(&home, "box:/data/f", "f").code, Some(0));
    assert_eq!(home.read("f"), "\0binary");
    home.write("up", "upwards");
    let ran = cp(&home, "up", "box:/data/up");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(inside(&cluster, "/data/up").as_deref(), Some(b"upwards".as_slice()));
    home.write("dir/x", "x");
    let ran = cp(&home, "dir", "box:/data/dir");
    assert!(ran.code == Some(2) && ran.err.contains("no tar, so only single files"), "{ran:?}");
    let ran = cp(&home, "box:/nothing", "nothing");
    assert!(ran.code == Some(2) && ran.err.contains("No such file"), "{ran:?}");
    assert!(!home.path("nothing").exists());
}

#[test]
fn a_container_with_nothing_says_so() {
    let (home, _cluster) = shop("app");
    let ran = cp(&home, "box:/etc/hosts", "hosts");
    assert!(ran.code == Some(2) && ran.err.contains("neither tar nor cat") && ran.err.contains("debug"), "{ran:?}");
}

#[test]
fn links_do_not_lead_out() {
    let (home, cluster) = shop("");
    put(&cluster, "/data/real", b"content");
    let link = |path: &str, to: &str| cluster.disk().put("shop/box/app", path, Entry::Link(to.into()));
    link("/data/inside", "real");
    link("/data/out", "../../../etc/passwd");
    link("/data/absolute", "/etc/passwd");
    let ran = cp(&home, "box:/data", "data");
    assert_eq!(ran.code, Some(1), "something was left out: {ran:?}");
    assert!(ran.err.contains("out leads out") && ran.err.contains("absolute leads out"), "{ran:?}");
    assert_eq!(std::fs::read_link(home.path("data/inside")).expect("a link").to_str(), Some("real"));
    assert!(home.path("data/out").symlink_metadata().is_err());
    // What is named and is a link (as every file of a mounted ConfigMap) is followed in the container.
    assert_eq!(cp(&home, "box:/data/inside", "one").code, Some(0));
    assert_eq!(home.read("one"), "content");
    // A link of this machine that leads out does not go into the container.
    home.write("up/x", "x");
    std::os::unix::fs::symlink("/etc/passwd", home.path("up/secret")).expect("a link");
    let ran = cp(&home, "up", "box:/up");
    assert!(ran.code == Some(1) && ran.err.contains("leads out"), "{ran:?}");
    assert!(cluster.disk().get("shop/box/app", "/up/secret").is_none());
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let (home, _cluster) = shop("");
    for (from, to, said) in [("a", "b", "one side must be"), ("box:/a", "box:/b", "only one side")] {
        let ran = cp(&home, from, to);
        assert!(ran.code == Some(2) && ran.err.contains(said), "{ran:?}");
    }
    let ran = home.run(&["cp", "--readonly", "-n", "shop", "a", "box:/a"]);
    assert!(ran.code == Some(2) && ran.err.contains("read-only"), "{ran:?}");
}

#[test]
fn the_cockpit_copies_and_says_what_came() {
    let (home, cluster) = shop("");
    put(&cluster, "/data/f", &noise());
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 24);
    tui.send(":pods /box\r").wait_for("the pod", |screen| {
        let text = screen.contents();
        text.contains("box") && text.contains("Running") && !text.contains("web-")
    });
    tui.does("copy-from", "t").wait("copy from box app");
    tui.send("/data/f copied\r").wait("1 file, 1200000 bytes copied to copied");
    assert!(std::fs::read(home.path("copied")).expect("it is there") == noise());
    home.write("up", "upwards");
    tui.does("copy-to", "\u{14}").wait("copy to box app");
    tui.send("up /srv/up\r").wait("cannot bring it back");
    tui.send("\t\r").wait("copied to /srv/up");
    assert_eq!(inside(&cluster, "/srv/up").as_deref(), Some(b"upwards".as_slice()));
    tui.send("\u{1b}").wait("NAME");
    // One that the server is slow to begin is stopped.
    cluster.faults(Faults { delay: Duration::from_secs(60), ..Faults::default() });
    tui.send(":copy-from /data/f late\r").wait("cp 0");
    tui.does("stop-copies", ":stop-copies\r").wait("1 copy stopped");
    tui.wait_gone("cp 0");
    cluster.faults(Faults::default());
    tui.quit();
    assert!(!home.path("late").exists());
}

/// A copy into a container is a change: shown first, confirmed, recorded. One out of it is not.
#[test]
fn what_goes_into_a_container_is_shown_first_and_recorded() {
    let (home, cluster) = shop("");
    home.write("up", "upwards");
    for arguments in
        [&["cp", "-n", "shop", "up", "box:/data/up"][..], &["cp", "-n", "shop", "up", "box:/data/up", "--dry-run"]]
    {
        let ran = home.run(arguments);
        assert!(ran.err.contains("(1 file, 7 bytes)") && ran.err.contains("pod shop/box"), "{ran:?}");
        assert!(ran.err.contains("kokpit cannot bring it back"), "{ran:?}");
        let asked = ran.err.contains("nobody is here to confirm: add --yes; nothing was done");
        assert_eq!((ran.code, asked), (Some(if asked { 2 } else { 0 }), !arguments.contains(&"--dry-run")), "{ran:?}");
    }
    assert!(inside(&cluster, "/data/up").is_none() && home.run(&["ops"]).out.trim().lines().count() <= 1);
    assert_eq!(cp(&home, "up", "box:/data/up").code, Some(0));
    assert_eq!(cp(&home, "box:/data/up", "down").code, Some(0));
    assert_eq!(cp(&home, "up", "gone:/data/up").code, Some(2));
    let recorded = home.run(&["ops"]).out;
    let of = |what: &str| recorded.lines().filter(|line| line.contains(what)).count();
    assert_eq!((of("copy to shop/box"), of("copy to shop/gone"), of("copy")), (1, 1, 2), "{recorded}");
    // In the cockpit.
    home.write("more", "and more");
    let mut tui = home.tui(&["--context", "dev", "-n", "shop"]);
    tui.send(":pods\r").wait("box");
    tui.send("/box\r").wait_gone("web-");
    tui.send(":copy-to more /data/more\r").wait("(1 file, 8 bytes)");
    tui.wait("kokpit cannot bring it back");
    assert!(inside(&cluster, "/data/more").is_none(), "nothing is written before it is confirmed");
    tui.send("\t\r").wait("1 file, 8 bytes copied to /data/more");
    assert_eq!(inside(&cluster, "/data/more").as_deref(), Some(b"and more".as_slice()));
    tui.send("\u{1b}").send(":ops\r").wait("copy to shop/box");
    tui.quit();
    let recorded = home.run(&["ops"]).out;
    assert_eq!(recorded.lines().filter(|line| line.contains("copy to shop/box")).count(), 2, "{recorded}");
}

#[test]
fn a_protected_cluster_wants_its_name_before_anything_goes_in() {
    let (home, cluster) = shop("");
    home.write("config/config.toml", "[[cluster]]\ncontext = \"dev\"\nprotected = true\n");
    home.write("up", "upwards");
    let ran = cp(&home, "up", "box:/data/up");
    assert!(ran.code == Some(2) && ran.err.contains("dev is protected: add --confirm dev"), "{ran:?}");
    assert!(inside(&cluster, "/data/up").is_none());
    let ran = home.run(&["cp", "-n", "shop", "--yes", "--confirm", "dev", "up", "box:/data/up"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(inside(&cluster, "/data/up").as_deref(), Some(b"upwards".as_slice()));
}
