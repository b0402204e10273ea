//! The first minutes: the configuration file, completions, the man page.

use crate::embedded::Embedded;
use crate::support::{Home, kokpit};
use kokpit::sim::server::{Deny, Faults};

#[test]
fn the_configuration_is_written_once_and_checked() {
    let home = Home::new();
    let file = home.path("config/config.toml");
    assert_eq!(home.run(&["config", "path"]).out.trim(), file.display().to_string());
    assert!(home.run(&["config", "check"]).out.contains("is not there, which is fine"));
    let ran = home.run(&["config", "init"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(home.read("config/config.toml").contains("#theme = \"dark\""));
    let ran = home.run(&["config", "check"]);
    assert_eq!((ran.code, ran.out.contains("everything in it is understood")), (Some(0), true), "{}", ran.out);
    home.write("config/config.toml", "# mine\n[ui]\nthme = \"dark\"\n");
    let ran = home.run(&["config", "init"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("was left alone"), "{}", ran.err);
    assert!(home.read("config/config.toml").starts_with("# mine"));
    let ran = home.run(&["config", "check"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.out, format!("{}:3: [ui] has no key \"thme\"; did you mean \"theme\"?\n", file.display()));
}

#[test]
fn shells_and_pagers_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = home.run(&["completion", shell]);
        assert_eq!(ran.code, Some(0), "{shell}: {}", ran.err);
        assert!(ran.out.contains("all-contexts") && ran.out.contains("uncordon"), "{shell}");
    }
    let page = home.run(&["man"]).out;
    for part in [".TH kokpit", ".SH \"KOKPIT DRAIN\"", "delete\\-emptydir\\-data", "impersonate", "Impersonate"] {
        assert!(page.to_lowercase().contains(&part.to_lowercase()), "{part} is not in the man page");
    }
}

#[test]
fn without_a_kubeconfig_the_demo_is_offered() {
    let home = Home::new();
    // Nobody is there to be asked: a sentence with the hint.
    let ran = home.run(&[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("no kubeconfig") && ran.err.contains("kokpit demo"), "{}", ran.err);
    let mut tui = home.terminal(kokpit(), &[], 100, 30);
    tui.wait("start the demo");
    tui.send("x");
    assert_eq!(tui.ended(), Some(2));
    tui.assert_restored();
    let mut tui = home.terminal(kokpit(), &[], 120, 40);
    tui.wait("start the demo");
    tui.send("d").wait_for("the cockpit on the demo", |screen| {
        screen.alternate_screen() && screen.contents().contains("prod-eu")
    });
    tui.quit();
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let cluster = Embedded::shop();
    let mut home = Home::new();
    home.kubeconfig(&[("prod", &cluster.url()), ("gone", "http://127.0.0.1:9")]);
    home.set("TERM", "xterm-256color");
    let bare = home.repository("fleet", &[]);
    home.write(
        "config/config.toml",
        format!("[[repository]]\nname = \"fleet\"\nurl = {bare:?}\n[[repository]]\nname = \"none\"\nurl = \"/nowhere.git\"\n"),
    );
    cluster.faults(Faults { deny: vec![Deny::new("list", "events")], ..Faults::default() });
    let before = home.git(&bare, &["rev-parse", "main"]);
    let ran = home.run(&["doctor", "-o", "json"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    let found: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let says = |area: &str, level: &str, text: &str| {
        found["findings"].as_array().into_iter().flatten().any(|finding| {
            finding["area"] == area
                && finding["level"] == level
                && finding["text"].as_str().is_some_and(|said| said.contains(text))
        })
    };
    assert!(says("terminal", "ok", "UTF-8"), "{}", ran.out);
    assert!(says("cluster prod", "ok", "v1.36.2 answers in"), "{}", ran.out);
    assert!(says("cluster prod", "warn", "list on events"), "{}", ran.out);
    assert!(says("cluster gone", "fail", ""), "{}", ran.out);
    assert!(says("git fleet", "ok", "main can be read and pushed to"), "{}", ran.out);
    assert!(says("git none", "fail", ""), "{}", ran.out);
    assert_eq!(home.git(&bare, &["rev-parse", "main"]), before, "nothing was pushed");
    assert_eq!(cluster.writes(), 0, "nothing was written");
    // What is wrong comes with what to do, also for people.
    let text = home.run(&["doctor", "--context", "gone"]).out;
    assert!(text.contains("fail  cluster gone") && text.contains("→ "), "{text}");
    assert!(!text.contains("cluster prod"), "only what was named is asked: {text}");
}
