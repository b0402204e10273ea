//! The first minutes: the configuration file, completions, the man page.

use crate::support::Home;

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
