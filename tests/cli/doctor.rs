//! `nightdesk doctor`, and what the lists say where no program runs.

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use serde_json::Value;

use super::{desk, desk_with, ids};
use crate::support::script::{Script, When};
use crate::support::shell::Shell;

/// The checks of a report by name, each whether it is sound and what it says.
fn checks(report: &Value) -> Vec<(String, bool, String)> {
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let one = |check: &Value| (text(check, "name"), check["ok"] == true, text(check, "text"));
    report["checks"].as_array().unwrap().iter().map(one).collect()
}

fn said(report: &Value, name: &str) -> (bool, String) {
    let found = checks(report).into_iter().find(|(known, ..)| known == name);
    found.map_or_else(|| panic!("no {name}: {report}"), |(_, ok, text)| (ok, text))
}

fn report(shell: &Shell) -> (Option<i32>, Value) {
    let ended = shell.run(&["doctor", "--json"]);
    (ended.code, serde_json::from_str(&ended.out).unwrap())
}

/// Writes a file below the configuration directory.
fn configure(shell: &Shell, name: &str, text: &str) {
    std::fs::create_dir_all(shell.path("config/nightdesk/themes")).unwrap();
    shell.write(&format!("config/nightdesk/{name}"), text);
}

#[test]
fn the_doctor_finds_a_theme_that_the_workbench_would_refuse() {
    let shell = Shell::new();
    configure(&shell, "config.toml", "theme = \"mine\"\n");
    let (code, found) = report(&shell);
    let (ok, text) = said(&found, "theme");
    assert!(!ok && text.contains("there is no theme `mine`"), "{text}");
    assert_eq!(code, Some(1));

    configure(&shell, "themes/mine.toml", "inherits = \"dark\"\n[styles]\ntext = \"purplish\"\n");
    let (code, found) = report(&shell);
    let (ok, text) = said(&found, "theme");
    assert!(!ok && code == Some(1), "{text}");
    assert!(text.contains("mine.toml line 3") || text.contains("mine.toml line 2"), "what and where: {text}");

    let file = shell.path("config/nightdesk/themes/mine.toml");
    let unread: [(&dyn Fn(), &str); 3] = [
        (&|| std::fs::write(&file, b"\xff").unwrap(), "not UTF-8 text"),
        (&|| std::fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap(), "larger than 1 MiB"),
        (&|| std::fs::remove_file(&file).and_then(|()| std::fs::create_dir(&file)).unwrap(), "is a directory"),
    ];
    for (make, why) in unread {
        make();
        let (code, found) = report(&shell);
        let (ok, text) = said(&found, "theme");
        assert!(!ok && code == Some(1) && text.contains("cannot read the theme") && text.contains(why), "{text}");
    }
    std::fs::remove_dir(&file).unwrap();
    configure(&shell, "themes/mine.toml", "inherits = \"dark\"\n[styles]\ntext = \"purplish\"\n");

    configure(&shell, "config.toml", "theme = \"dark\"\n");
    let (code, found) = report(&shell);
    assert!(said(&found, "theme").0);
    let (ok, text) = said(&found, "theme mine");
    assert!(!ok && code == Some(1) && text.contains("not in use"), "{text}");

    configure(&shell, "themes/mine.toml", "inherits = \"dark\"\n");
    assert_eq!(report(&shell).0, Some(0));
}

#[test]
fn the_doctor_names_the_owner_of_the_store_and_the_route_of_copies() {
    let shell = desk();
    let (_, alone) = report(&shell);
    assert_eq!(said(&alone, "owner"), (true, "no program has the store open".to_owned()));
    assert!(said(&alone, "clipboard").1.contains("OSC 52"), "{alone}");
    assert!(!checks(&alone).iter().any(|(name, ..)| name == "tmux"), "there is none");
    let work = shell.work();
    let (code, beside) = report(&shell);
    let (_, text) = said(&beside, "owner");
    let named = [format!("process {} (nightdesk work) since ", work.child.id()), "other programs join it".to_owned()];
    assert!(named.iter().all(|part| text.contains(part)), "{text}");
    assert_eq!(code, Some(0));
}

/// A tmux that answers with these settings, first in the path.
fn with_tmux(shell: &Shell, answer: &str) -> Value {
    std::fs::create_dir_all(shell.path("bin")).unwrap();
    let tmux = shell.write("bin/tmux", &format!("#!/bin/sh\n{answer}\n"));
    std::fs::set_permissions(&tmux, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", shell.path("bin").display());
    let mut doctor = shell.command(&["doctor", "--json"]);
    let ended = doctor.env("TMUX", "/tmp/tmux,1,0").env("PATH", path).output().unwrap();
    let found: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(ended.status.success(), found["ok"] == true, "{found}");
    found
}

#[test]
fn the_doctor_tells_what_tmux_does_with_copies_and_what_to_write_into_its_configuration() {
    let shell = Shell::new();
    let dropped = with_tmux(&shell, "printf '3.3a\\nexternal\\n0\\noff\\n500\\nRGB,xterm-256color\\n'");
    let (ok, text) = said(&dropped, "clipboard");
    assert!(!ok && text.contains("set -g set-clipboard on"), "{text}");
    let (ok, text) = said(&dropped, "tmux");
    assert!(ok && text.contains("extended-keys off") && text.contains("escape-time 20"), "{text}");
    let passed = with_tmux(&shell, "printf '3.5\\non\\noff\\non\\n20\\nRGB,xterm-256color\\n'");
    let (ok, text) = said(&passed, "clipboard");
    assert!(ok && text.contains("OSC 52 through tmux"), "{text}");
    for silent in ["exec sleep 60", "exit 1", "head -c 100000 /dev/zero"] {
        let (ok, text) = said(&with_tmux(&shell, silent), "tmux");
        assert!(!ok && text.contains("unset TMUX"), "{silent}: {text}");
    }
}

#[test]
fn after_a_crash_no_list_says_that_something_runs() {
    let script = Script::of([When::agent("keeper").text("Keeper begins").chunk(3).hang_after(6)]).otherwise("done");
    let shell = desk_with(&script);
    shell.ok(&["send", "desk", "one"]);
    shell.ok(&["send", "desk", "two"]);
    let work = shell.work();
    let status = |shell: &Shell| shell.json(&["job", "list", "--json"])[0]["status"].as_str().unwrap().to_owned();
    shell.until("the job runs", |shell| (status(shell) == "running").then_some(()));
    assert!(shell.ok(&["agent", "list"]).contains("on a job"));
    work.signal(Signal::KILL);
    work.wait();
    let job = &shell.json(&["job", "list", "--json"])[0];
    assert_eq!((&job["status"], &job["state"]), (&"created".into(), &"available".into()), "{job}");
    let id = ids(&shell.json(&["job", "list", "--json"])).remove(0);
    for command in [&["job", "list"][..], &["job", "show", &id], &["job", "show", &id, "--json"], &["agent", "list"]] {
        let text = shell.ok(command);
        assert!(!text.contains("running") && !text.contains("on a job"), "{command:?}: {text}");
    }
    assert!(shell.ok(&["job", "list"]).contains("the next start runs it again"));
    shell.folds();
}

#[test]
fn a_flag_of_the_mouse_with_a_command_is_a_mistake() {
    let shell = Shell::new();
    for flag in ["--mouse", "--no-mouse"] {
        let ended = shell.run(&[flag, "group", "list"]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains("apply to the workbench only"), "{ended:?}");
    }
}
