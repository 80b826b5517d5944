//! `nightdesk job` by the real program.

use crate::support::script::{Script, When};
use crate::support::shell::Shell;

const TEAM: &str = r#"[group]
name = "desk"
members = ["ann"]
shared_blocks = ["story"]
[group.sleeptime]
agents = ["keeper"]
every_turns = 1
[[block]]
label = "story"
value = "The story so far."
[[agent]]
name = "ann"
model = "scripted/script.toml"
[[agent]]
name = "keeper"
model = "scripted/script.toml"
"#;

/// A group with one job of the keeper that waits, and its id.
fn waiting(shell: &Shell) -> String {
    let script = Script::of([
        When::agent("ann").text("Ann heard it."),
        When::in_job().step(1).inserts("story", "- kept"),
        When::in_job().finishes(),
    ]);
    shell.write("script.toml", &script.to_toml());
    shell.ok(&["apply", &shell.write("team.toml", TEAM)]);
    shell.ok(&["send", "desk", "hello"]);
    shell.json(&["job", "list", "--json"])[0]["id"].as_str().unwrap().to_owned()
}

fn value(shell: &Shell) -> String {
    shell.json(&["block", "show", "desk", "story", "--json"])["value"].as_str().unwrap().to_owned()
}

#[test]
fn a_job_is_waited_for_and_its_edits_are_undone_beside_those_of_others() {
    let shell = Shell::new();
    let id = waiting(&shell);
    assert!(shell.refused(&["job", "wait", &id]).contains("no program works on jobs; start"));
    let work = shell.work();
    let told = shell.ok(&["job", "wait", &id]);
    assert_eq!(told.trim(), format!("{id} completed  1 edit"));
    assert_eq!(shell.ok(&["job", "wait", &id]), told, "an ended job is told at once");
    assert!(value(&shell).contains("- kept"));
    let undone = shell.ok(&["job", "undo", &id]);
    assert!(undone.starts_with("story is v3 now, without what "), "{undone}");
    assert_eq!(value(&shell).trim_end(), "The story so far.");
    assert!(shell.refused(&["job", "undo", &id]).contains("nothing is left to undo"));
    drop(work);
}

#[test]
fn an_undo_that_clashes_shows_both_texts_and_is_done_as_the_person_says() {
    let shell = Shell::new();
    let id = waiting(&shell);
    shell.ok(&["work", "--drain"]);
    let now = value(&shell);
    let edited = shell.run_with(&now.replace("- kept", "- kept, says Mira"), &["block", "set", "desk", "story"]);
    assert_eq!(edited.code, Some(0), "{edited:?}");
    let refused = shell.run(&["job", "undo", &id]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("story stays as it is: others changed lines of the job since"), "{refused:?}");
    assert!(refused.err.contains("now        - kept, says Mira"), "{refused:?}");
    assert!(value(&shell).contains("says Mira"));
    let clashing = shell.run(&["job", "undo", &id, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&clashing.out).unwrap();
    assert_eq!((clashing.code, &json["clashes"][0]["label"]), (Some(1), &"story".into()));
    shell.ok(&["job", "undo", &id, "--clashes", "restore"]);
    assert_eq!(value(&shell).trim_end(), "The story so far.");
}

#[test]
fn a_job_whose_budget_is_used_up_says_until_when_it_waits_and_a_larger_budget_frees_it() {
    let shell = Shell::new();
    let id = waiting(&shell);
    shell.ok(&["agent", "update", "keeper", "--max-tokens-per-day", "1"]);
    shell.ok(&["work", "--drain"]);
    let job = shell.json(&["job", "show", &id, "--json"]);
    assert_eq!((&job["status"], &job["state"], &job["attempt"]), (&"created".into(), &"scheduled".into(), &0.into()));
    let agent = shell.json(&["agent", "show", "keeper", "--json"]);
    assert_eq!(agent["resets_at"], job["run_at"], "it waits until the budget is whole again");
    assert!(agent["tokens_today"].as_u64().unwrap() > 1, "{agent}");
    let told = "keeper has used its 1 tokens of today (max_tokens_per_day of keeper)";
    assert_eq!(job["waits_for"], told);
    let card = shell.ok(&["job", "show", &id]);
    assert!(card.contains(&format!("{told}, goes on at ")), "{card}");
    let card = shell.ok(&["agent", "show", "keeper"]);
    assert!(card.contains(" of at most 1, from 0 again at "), "{card}");
    let group = shell.json(&["group", "show", "desk", "--json"]);
    assert!(group["tokens_today"].as_u64() > agent["tokens_today"].as_u64(), "ann spoke, too: {group}");
    let refused = shell.refused(&["job", "retry", &id]);
    assert!(refused.ends_with("raise that, and it goes on at once"), "{refused}");
    shell.ok(&["agent", "update", "keeper", "--max-tokens-per-day", "1000000"]);
    shell.ok(&["work", "--drain"]);
    assert_eq!(shell.json(&["job", "show", &id, "--json"])["state"], "completed");
    shell.folds();
}
