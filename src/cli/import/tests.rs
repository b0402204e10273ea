use super::*;
use crate::theme::{Meaning, Theme};
use ratatui::style::Color;

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/k9s")
}

/// A plan for a configuration directory with these files in it.
fn planned(files: &[(&str, &str)]) -> (tempfile::TempDir, Plan) {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::below(home.path());
    for (name, text) in files {
        let file = paths.config.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let plan = plan(&example(), &paths).unwrap();
    (home, plan)
}

fn text<'a>(plan: &'a Plan, name: &str) -> &'a str {
    plan.files.iter().find(|file| file.path.ends_with(name)).map_or("", |file| &file.text)
}

#[test]
fn everything_that_can_be_said_is_taken_over() {
    let (_home, plan) = planned(&[]);
    insta::assert_snapshot!("config", text(&plan, "config.toml"));
    insta::assert_snapshot!("keymap", text(&plan, "keymap.toml"));
    insta::assert_snapshot!("theme", text(&plan, "themes/harbour.toml"));
}

/// What is written is understood, to the last line.
#[test]
fn what_is_written_is_read_without_complaint() {
    let (_home, plan) = planned(&[]);
    let loaded = config::parse("config.toml", text(&plan, "config.toml"));
    assert_eq!(loaded.problems, vec![]);
    assert_eq!(loaded.config.names.alias("roll"), Some("rollouts.argoproj.io"));
    assert_eq!(loaded.config.plugins.len(), 5);
    let named = |name: &str| loaded.config.plugins.iter().find(|plugin| plugin.name == name).unwrap();
    assert_eq!(named("piped").pipes, ["grep -v DEBUG", "less"]);
    let asked: Vec<String> = named("resize").inputs.iter().map(config::Input::question).collect();
    assert_eq!(asked, ["How large: ", "class (fast, slow, may be empty): "]);
    assert_eq!(named("resize").inputs[0].default, "10");
    let (keymap, wrong) = Keymap::load(Some(text(&plan, "keymap.toml")));
    assert_eq!(wrong, Vec::<String>::new());
    let keys = Chord::parse("@").unwrap();
    let on = ["table".to_string(), "global".into()];
    assert_eq!(keymap.resolve(&on, keys.keys(), |_| true), crate::keymap::Found::Runs(":pods all"));
    let own = |name: &str| (name == "harbour").then(|| text(&plan, "themes/harbour.toml").to_string());
    let (theme, wrong) = Theme::load("harbour", &own);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(theme.style(Meaning::Bad).fg, Some(Color::Rgb(0xfa, 0x80, 0x72)));
    assert_eq!(theme.style(Meaning::Text).bg, Some(Color::Rgb(0x10, 0x20, 0x2f)));
}

#[test]
fn what_is_left_out_is_named_with_its_line_and_the_reason() {
    let (_home, plan) = planned(&[]);
    for said in [
        "aliases.yaml:5: beat: kokpit has no screen pulses",
        "aliases.yaml:6: q: the alias q would hide :q",
        "views.yaml:2: v1/pods: column PF: kokpit's pods have none of that name",
        "views.yaml:2: v1/pods: column ZONE:.spec.nodeSelector.zone|W: ",
        "views.yaml:17: v1/services@shop.*: columns hold for every namespace here",
        "hotkeys.yaml:6: here: its command has a variable",
        "hotkeys.yaml:9: taken: Shift-N is sort-name here",
        "plugins.yaml:32: choosy: the input how has nothing to choose from",
        "skins/harbour.yaml: frame.status.pendingColor: there is no colour unheard-of",
        "skins/harbour.yaml: can hardly be read on their ground, so that kokpit's own are kept: frame.status.killColor (1.1:1: muted, ",
        "plugins.yaml:27: greedy: its key Ctrl-D is delete on deployments here; it is taken over without",
        "plugins/twice.yaml:2: look: a plugin of that name is there already",
    ] {
        assert!(plan.left.iter().any(|left| left.starts_with(said)), "{said}\n{:#?}", plan.left);
    }
}

#[test]
fn what_is_there_already_stays_as_it_is() {
    let mine = "# mine\n[aliases] # words\ndp = \"pods\" # shorter\n\n# columns, dearly bought\n[columns]\npods = [\n  \"NAME\",\n]\n\
                [ui]\ntheme = \"nord\"\n";
    let (_home, plan) = planned(&[
        ("config.toml", mine),
        ("keymap.toml", "[global]\n\"shift-2\" = \"quit\"\n\"@\" = \":nodes\"\n"),
        ("themes/harbour.toml", "inherits = \"dark\"\n"),
    ]);
    let merged = text(&plan, "config.toml");
    for line in mine.lines() {
        assert!(merged.lines().any(|l| l == line), "{line} is gone:\n{merged}");
    }
    assert!(merged.contains("dp = \"pods\" # shorter\nweb = \"pods shop app=web\"\n"), "{merged}");
    assert!(merged.contains("  \"NAME\",\n]\n\"deployments.apps\" = [\"NAME\", \"READY\"]\n[ui]"), "{merged}");
    assert_eq!(config::parse("c", merged).problems, vec![]);
    assert!(!text(&plan, "keymap.toml").contains(":pods all"));
    assert_eq!(text(&plan, "themes/harbour.toml"), "");
    for said in [
        "config.toml has the alias dp already",
        "config.toml has columns of pods already",
        "keymap.toml has @ in [global]",
    ] {
        assert!(plan.left.iter().any(|left| left.starts_with(said)), "{said}\n{:#?}", plan.left);
    }
    assert!(plan.left.iter().any(|left| left.contains("harbour.toml is there already")), "{:#?}", plan.left);
}

#[test]
fn a_second_import_finds_nothing_to_write() {
    let (home, first) = planned(&[]);
    let paths = Paths::below(home.path());
    for file in &first.files {
        config::replace(&file.path, &file.text).unwrap();
    }
    let again = plan(&example(), &paths).unwrap();
    assert!(again.files.is_empty(), "{:?}", again.files.iter().map(|file| &file.added).collect::<Vec<_>>());
}

#[test]
fn broken_files_are_named_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("aliases.yaml"), "aliases: [\n").unwrap();
    std::fs::write(dir.path().join("hotkeys.yaml"), "hotKeys:\n  a:\n    shortCut: F9\n    command: nodes\n").unwrap();
    let found = read(dir.path(), &Keymap::load(None).0);
    assert!(found.left.iter().any(|left| left.starts_with("aliases.yaml: is not YAML: ")), "{:?}", found.left);
    assert_eq!(found.keys, [("global".into(), "f9".into(), ":nodes".into())]);
}

#[test]
fn the_directory_is_found_as_k9s_does() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::create_dir_all(at("x/k9s")).unwrap();
    std::fs::create_dir_all(at("Library/Application Support/k9s")).unwrap();
    let env = |set: &'static [(&'static str, &'static str)]| {
        let root = home.path().to_path_buf();
        move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| root.join(value))
    };
    let found = |set| default_dir(&env(set)).unwrap();
    assert_eq!(found(&[("K9S_CONFIG_DIR", "mine"), ("HOME", "")]), at("mine"));
    assert_eq!(found(&[("XDG_CONFIG_HOME", "x"), ("HOME", "")]), at("x/k9s"));
    assert_eq!(found(&[("HOME", "")]), at("Library/Application Support/k9s"));
    std::fs::create_dir_all(at(".config/k9s")).unwrap();
    assert_eq!(found(&[("HOME", "")]), at(".config/k9s"));
    assert!(default_dir(&env(&[("HOME", "nowhere")])).unwrap_err().to_string().contains("name it"));
}
