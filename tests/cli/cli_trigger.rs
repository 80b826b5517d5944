//! Triggers by the real program: from a team file over an event to a job, and what `group show` tells of them.

use crate::support::script::{Script, When};
use crate::support::shell::Shell;
use serde_json::json;

const AGENTS: &str = r#"[[agent]]
name = "ann"
model = "scripted/script.toml"
[[agent]]
name = "keeper"
model = "scripted/script.toml"
[[agent]]
name = "critic"
model = "scripted/script.toml"
"#;

/// A store in which this group was applied with its agents, and the path of its file.
fn applied(group: &str) -> (Shell, String) {
    let shell = Shell::new();
    let script = Script::of([When::agent("ann").text("Ann heard it."), When::in_job().finishes()]);
    shell.write("script.toml", &script.to_toml());
    let team = shell.write("team.toml", &format!("{group}{AGENTS}"));
    shell.ok(&["apply", &team]);
    assert_eq!(shell.ok(&["apply", &team]).trim(), "nothing to change");
    (shell, team)
}

const TEAM: &str = r#"[group]
name = "desk"
members = ["ann"]
shared_blocks = ["story"]
[group.sleeptime]
agents = ["keeper", "critic"]
idle = "5m"
[[group.trigger]]
event = "deploy"
agent = "critic"
task = "Note the version."
[[group.trigger]]
block_changed = "story"
from = "any"
[[block]]
label = "story"
"#;

#[test]
fn an_event_becomes_a_job_of_its_agent_and_the_group_tells_what_came_of_it() {
    let (shell, _) = applied(TEAM);
    let triggers = || shell.json(&["group", "show", "desk", "--json"])["triggers"].as_array().unwrap().clone();
    let told: Vec<_> = triggers().iter().map(|row| json!([row["kind"], row["when"], row["agent"]])).collect();
    let expected = json!([
        ["idle", "5m of silence", null],
        ["event", "event deploy", "critic"],
        ["block_changed", "any change of story", null],
    ]);
    assert_eq!(json!(told), expected);

    let early = shell.json(&["event", "deploy", "--json"]);
    assert_eq!(early, json!({ "event": "deploy", "jobs": [], "why_not": ["desk has said nothing yet"] }));
    shell.ok(&["send", "desk", "hello"]);
    assert!(triggers()[0]["next_due"].is_string(), "the silence has begun");
    let ended = shell.run_with("version 7 is out\n", &["event", "deploy", "-", "--group", "desk", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    shell.ok(&["work", "--drain"]);
    let jobs = shell.json(&["job", "list", "desk", "--json"]);
    assert_eq!((jobs.as_array().unwrap().len(), &jobs[0]["agent"]), (1, &json!("critic")));
    assert!(ended.out.contains(jobs[0]["id"].as_str().unwrap()), "{ended:?}");
    let fired = &triggers()[1];
    assert_eq!((&fired["last_outcome"], &fired["why_not"]), (&json!("completed"), &json!(null)));
    assert_eq!((&fired["task"], fired["last_fired"].is_string()), (&json!("Note the version."), true));

    let sentence = shell.refused(&["event", "deplyo"]);
    assert_eq!(sentence, "no trigger listens to the event \"deplyo\"; there are deploy");
    let long = shell.run_with(&"x".repeat(30_000), &["event", "deploy", "-"]);
    assert!(long.err.contains("characters and may have 20000"), "{long:?}");

    // What is no longer asked for is gone, and the others stay as they are.
    let kept = triggers()[1].clone();
    shell.ok(&["group", "update", "desk", "--idle", "none"]);
    assert_eq!(triggers().len(), 2);
    assert_eq!(triggers()[0], kept);
    shell.folds();
}

const CLOCK: &str = r#"[group]
name = "desk"
members = ["ann"]
[group.sleeptime]
agents = ["keeper", "critic"]
[[group.trigger]]
agent = "keeper"
cron = "0 7 * * 1-5"
zone = "Europe/Zurich"
missed = "all"
missed_within = "2h"
between = "06:00-22:00"
task = "Write the digest."
priority = "high"
[[group.trigger]]
on = "run_failed"
"#;

#[test]
fn triggers_are_listed_shown_fired_paused_and_resumed() {
    let (shell, team) = applied(CLOCK);
    let listed = || shell.json(&["trigger", "list", "desk", "--json"]).as_array().unwrap().clone();
    let rows = listed();
    let told: Vec<_> =
        rows.iter().map(|row| json!([row["kind"], row["agent"], row["priority"], row["paused"]])).collect();
    assert_eq!(json!(told), json!([["cron", "keeper", "high", false], ["on", null, "normal", false]]));
    let written = json!({
        "cron": "0 7 * * 1-5", "zone": "Europe/Zurich", "missed": "all", "missed_within": "2h",
        "between": "06:00-22:00", "agent": "keeper", "task": "Write the digest.", "priority": "high",
    });
    assert_eq!((&rows[0]["written"], rows[0]["next_due"].is_string()), (&written, true));
    let id = rows[0]["id"].as_str().unwrap().to_owned();
    let short = &id[..16];

    assert_eq!(shell.refused(&["trigger", "fire", short]), "the trigger does not fire: desk has said nothing yet");
    shell.ok(&["send", "desk", "hello"]);
    let fired = shell.json(&["trigger", "fire", short, "--json"]);
    shell.ok(&["work", "--drain"]);
    let jobs = shell.json(&["job", "list", "desk", "--json"]);
    assert_eq!((&fired["jobs"][0], &jobs[0]["agent"]), (&jobs[0]["id"], &json!("keeper")));
    assert_eq!(listed()[0]["last_outcome"], "completed");

    shell.ok(&["trigger", "pause", short]);
    let paused = &listed()[0];
    assert_eq!(
        (&paused["paused"], &paused["next_due"], &paused["why_not"]),
        (&json!(true), &json!(null), &json!("it is paused"))
    );
    assert_eq!(shell.refused(&["trigger", "pause", &id]), "the trigger is paused already");
    shell.ok(&["apply", &team]);
    assert_eq!(listed()[0]["paused"], true, "the file says nothing of it");
    let resumed = shell.ok(&["trigger", "resume", short]);
    assert!(resumed.contains("resumed, next due "), "{resumed}");

    let table = shell.ok(&["trigger", "list"]);
    assert!(table.starts_with("ID") && table.contains("a failed run") && table.contains("completed"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() < 240), "{table}");
    let card = shell.ok(&["trigger", "show", short]);
    for part in ["at 07:00", "between 06:00-22:00, Europe/Zurich", "Write the digest.", "high", "missed = \"all\""] {
        assert!(card.contains(part), "{part}: {card}");
    }
    let shown = shell.ok(&["group", "show", "desk"]);
    assert!(shown.contains("at 07:00") && shown.contains("next due"), "{shown}");
    let unknown = shell.refused(&["trigger", "show", "trigger-none"]);
    assert_eq!(unknown, "there is no trigger trigger-none; `nightdesk trigger list` shows all triggers");

    // The command line takes what the file takes, and refuses what it refuses.
    let update = |text: &str| ["group", "update", "desk", "--trigger", text].map(str::to_owned);
    let words = update("[{ cron = \"*/5 * * * *\", agent = \"critic\" }]");
    shell.ok(&words.each_ref().map(String::as_str));
    assert_eq!((listed().len(), &listed()[0]["when"]), (1, &json!("every 5 minutes, UTC")));
    let words = update("[{ cron = \"soon\" }]");
    let refused = shell.run(&words.each_ref().map(String::as_str));
    assert!(refused.code != Some(0) && refused.err.contains("cron \"soon\" is no schedule"), "{refused:?}");
    shell.folds();
}

const SOURCE: &str = r#"[group]
name = "desk"
members = ["ann"]
[group.sleeptime]
agents = ["keeper", "critic"]
[[group.source]]
file = "notes/*.md"
agent = "keeper"
task = "File the notes."
[[group.source]]
folder = "inbox"
every = "10m"
"#;

#[test]
fn new_lines_of_a_file_become_the_input_of_a_job() {
    let (shell, team) = applied(SOURCE);
    let home = shell.path("").canonicalize().unwrap().display().to_string();
    std::fs::create_dir(shell.path("notes")).unwrap();
    std::fs::create_dir(shell.path("inbox")).unwrap();
    let listed = || shell.json(&["trigger", "list", "desk", "--json"]).as_array().unwrap().clone();
    let told: Vec<_> =
        listed().iter().map(|row| json!([row["kind"], row["when"], row["agent"], row["written"]])).collect();
    let expected = json!([
        ["source", "new text in notes/*.md", "keeper", {
            "file": format!("{home}/notes/*.md"), "agent": "keeper", "task": "File the notes.",
        }],
        ["source", "new text in inbox/, every 10m", null, { "folder": format!("{home}/inbox"), "every": "10m" }],
    ]);
    assert_eq!(json!(told), expected);
    shell.ok(&["send", "desk", "hello"]);
    shell.write("notes/a.md", "one\n");
    shell.ok(&["work", "--drain"]);
    shell.write("notes/a.md", "one\ntwo\n");
    shell.ok(&["work", "--drain"]);
    let jobs = shell.json(&["job", "list", "desk", "--json"]);
    assert_eq!((jobs.as_array().unwrap().len(), &jobs[0]["agent"]), (2, &json!("keeper")));
    assert_eq!(jobs[0]["trigger"], "new in notes/a.md");
    let read = |sql: &str| -> Vec<String> {
        let store = rusqlite::Connection::open(shell.store()).unwrap();
        let mut query = store.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let input = read("SELECT body ->> '$.pieces[0].text' FROM reading ORDER BY position");
    assert_eq!(input, ["one\n", "two\n"], "each job has just what is new");
    assert_eq!(shell.ok(&["apply", &team]).trim(), "nothing to change");
    // A last line without an end is given, too, before there is nothing left to do; every agent gets it.
    shell.write("inbox/letter.txt", "Dear all");
    shell.ok(&["work", "--drain"]);
    assert_eq!(read("SELECT body ->> '$.pieces[0].text' FROM reading ORDER BY position")[2..], ["Dear all"]);
    assert_eq!(shell.json(&["job", "list", "desk", "--json"]).as_array().unwrap().len(), 4);

    // A source that is no longer asked for is gone with its marks.
    let other =
        shell.write("team.toml", &format!("{}{AGENTS}", SOURCE.split("[[group.source]]\nfolder").next().unwrap()));
    shell.ok(&["apply", &other]);
    assert_eq!(listed().len(), 1);
    let marks = read("SELECT body ->> '$.path' FROM source_mark");
    assert_eq!(marks, ["a.md"]);
    shell.folds();
}

#[test]
fn a_source_outside_the_team_files_directory_needs_the_word_of_a_person() {
    let (shell, _) = applied(SOURCE);
    std::fs::create_dir(shell.path("outside")).unwrap();
    std::fs::create_dir(shell.path("team")).unwrap();
    std::os::unix::fs::symlink(shell.path("outside"), shell.path("team/link")).unwrap();
    let apply = |source: &str, more: &[&str]| {
        let script = shell.path("script.toml").display().to_string();
        std::fs::copy(script, shell.path("team/script.toml")).unwrap();
        let group = "[group]\nname = \"other\"\nmembers = [\"ann\"]\n[group.sleeptime]\nagents = [\"keeper\"]\n";
        let file = shell.write("team/team.toml", &format!("{group}[[group.source]]\n{source}\n{AGENTS}"));
        shell.run(&[&["apply", &file], more].concat())
    };
    for source in ["file = \"../outside/*.md\"", "folder = \"/etc\"", "file = \"link/*.md\""] {
        let refused = apply(source, &[]);
        let said =
            "cannot be used: it lies outside the team file's directory; to allow that once, apply with --allow-outside";
        assert!(refused.code != Some(0) && refused.err.contains(said), "{source}: {refused:?}");
        assert!(refused.err.contains("team.toml:6: [[group.source]]: "), "{source}: {refused:?}");
        let allowed = apply(source, &["--allow-outside"]);
        assert_eq!(allowed.code, Some(0), "{source}: {allowed:?}");
    }
    for (source, said) in [
        ("into = \"archive\"\nfile = \"*.md\"", "into is one of input"),
        ("every = \"1h\"", "a source needs file or folder"),
        ("file = \"a.md\"\nfolder = \"b\"", "file and folder are in one source; write two"),
        ("file = \"a.md\"\ncron = \"0 7 * * *\"", "cron is no key of a source; allowed are file, folder, every, into"),
        ("file = \".env\"", "names hidden files, which are not read"),
        ("file = \"a.md\"\nagent = \"ann\"", "ann has a source and does not work in the background"),
    ] {
        let refused = apply(source, &[]);
        assert!(refused.code != Some(0) && refused.err.contains(said), "{source}: {refused:?}");
    }
    let words = ["group", "update", "desk", "--source", "[{ folder = \"inbox\" }]"];
    let refused = shell.run(&words);
    assert!(refused.err.contains("folder \"inbox\" is no whole path"), "{refused:?}");
    shell.folds();
}
