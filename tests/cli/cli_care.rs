//! Care of the store by the real program: what it lists, what it does at once, and how little is left of it.

use crate::support::script::{Script, When};
use crate::support::shell::Shell;
use serde_json::json;

const TEAM: &str = r#"[group]
name = "desk"
members = ["ann"]
[group.sleeptime]
agents = ["keeper"]
[[agent]]
name = "ann"
model = "scripted/script.toml"
[[agent]]
name = "keeper"
model = "scripted/script.toml"
"#;

fn desk() -> Shell {
    let shell = Shell::new();
    let script = Script::of([When::agent("ann").text("Ann heard it."), When::in_job().finishes()]);
    shell.write("script.toml", &script.to_toml());
    let team = shell.write("team.toml", TEAM);
    shell.ok(&["apply", &team]);
    shell
}

#[test]
fn care_is_listed_done_by_a_worker_and_shown_among_the_jobs() {
    let shell = desk();
    let listed = shell.json(&["care", "list", "--json"]);
    let when: Vec<_> =
        listed.as_array().unwrap().iter().map(|row| json!([row["task"], row["when"].is_null()])).collect();
    assert_eq!(json!(when), json!([["backup", true], ["check", false], ["retention", false], ["index", false]]));
    for task in ["backup", "check", "retention", "index"] {
        let told = shell.ok(&["care", "run", task]);
        assert!(told.ends_with(" created; the workbench or `nightdesk work` runs it\n"), "{told}");
    }
    let again = shell.json(&["care", "run", "check", "--json"]);
    assert_eq!(
        (&again["care"], &again["agent"], &again["status"]),
        (&json!("check of the store"), &json!(null), &json!("created"))
    );
    // What is due later keeps no worker; what is due is done first.
    let worked = shell.ok(&["work", "--drain"]);
    assert!(worked.contains("check of the store completed  sound: "), "{worked}");
    let jobs = shell.json(&["job", "list", "--json"]);
    let jobs = jobs.as_array().unwrap();
    assert_eq!(jobs.len(), 4);
    assert!(jobs.iter().all(|job| job["status"] == "completed" && job["group"].is_null()), "{jobs:?}");
    assert_eq!(shell.json(&["job", "list", "desk", "--json"]), json!([]), "they are no group's");
    let id = again["id"].as_str().unwrap();
    let shown = shell.ok(&["job", "show", id]);
    assert!(
        shown.contains("care           check of the store\n")
            && shown.contains("trigger        you asked, you asked\n"),
        "{shown}"
    );
    assert!(shell.ok(&["job", "wait", id]).contains("completed  sound: "));
    let table = shell.ok(&["care", "list"]);
    let backup = table.lines().find(|line| line.starts_with("backup ")).unwrap();
    assert!(backup.contains(" off ") && backup.contains(" completed ") && backup.ends_with(" MB"), "{table}");
    let refused = shell.run(&["care", "run", "sweep"]);
    assert!(
        refused.code == Some(2) && refused.err.contains("possible values: backup, check, retention, index"),
        "{refused:?}"
    );
}

#[test]
fn old_jobs_are_cleared_and_a_dry_run_says_which() {
    let shell = desk();
    let none = shell.ok(&["job", "clear", "--dry-run"]);
    assert_eq!(none, "0 jobs with 0 messages and steps, 0 B: would go\n");
    let cleared = shell.json(&["job", "clear", "--older-than", "36h", "--failed", "--json"]);
    assert_eq!(cleared, json!({ "jobs": 0, "records": 0, "bytes": 0, "mails": 0, "removed": true }));
    let early = shell.run(&["job", "clear", "--older-than", "2h"]);
    assert!(early.code == Some(1) && early.err.contains("a day after they ended"), "{early:?}");
    let bad = shell.run(&["job", "clear", "--older-than", "soon"]);
    assert!(bad.code == Some(2) && bad.err.contains("is a time such as 7d or 36h"), "{bad:?}");
    let space = shell.json(&["doctor", "--space", "--json"]);
    assert_eq!((&space["expired_jobs"]["count"], &space["retention"]), (&json!(0), &json!(true)));
}

#[test]
fn the_last_change_of_groups_and_agents_is_undone_by_command() {
    let shell = desk();
    let before = shell.json(&["agent", "show", "keeper", "--json"]);
    shell.ok(&["group", "delete", "desk", "--yes"]);
    let told = shell.run(&["undo"]);
    assert!(told.out.starts_with("you deleted group desk at "), "{told:?}");
    assert!(
        told.out.contains("\ngroup desk comes back\n") && told.out.contains("\nagent keeper comes back\n"),
        "{told:?}"
    );
    assert!(told.err.contains("nothing was undone; add --yes"), "{told:?}");
    let done = shell.json(&["undo", "--yes", "--json"]);
    assert_eq!((&done["title"], &done["undone"]), (&json!("deleted group desk"), &json!(true)));
    assert_eq!(shell.json(&["agent", "show", "keeper", "--json"]), before);
    // The one before is that of the team file.
    let earlier = shell.json(&["undo", "--json"]);
    assert_eq!(earlier["title"], json!("created group desk"));
}
