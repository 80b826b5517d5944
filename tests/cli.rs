//! The command line: the real program, run as a person or a script runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what a real model said is read by a person")]

#[path = "support"]
mod support {
    pub mod large;
    pub mod real_model;
    #[allow(dead_code, reason = "a part of it; tests/engine.rs uses the whole, and there rustc sees what is dead")]
    pub mod script;
    pub mod shell;
}

#[path = "cli/architecture.rs"]
mod architecture;
#[path = "cli/cli_apply.rs"]
mod cli_apply;
#[path = "cli/cli_backup.rs"]
mod cli_backup;
#[path = "cli/cli_block.rs"]
mod cli_block;
#[path = "cli/cli_care.rs"]
mod cli_care;
#[path = "cli/cli_erase.rs"]
mod cli_erase;
#[path = "cli/cli_inbox.rs"]
mod cli_inbox;
#[path = "cli/cli_job.rs"]
mod cli_job;
#[path = "cli/cli_mail.rs"]
mod cli_mail;
#[path = "cli/cli_message.rs"]
mod cli_message;
#[path = "cli/cli_owner.rs"]
mod cli_owner;
#[path = "cli/cli_roster.rs"]
mod cli_roster;
#[path = "cli/cli_store.rs"]
mod cli_store;
#[path = "cli/cli_trigger.rs"]
mod cli_trigger;
#[path = "cli/cli_work.rs"]
mod cli_work;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/readme.rs"]
mod readme;
#[path = "cli/real_model.rs"]
mod real_model;
#[path = "cli/socket.rs"]
mod socket;
#[path = "cli/team_faults.rs"]
mod team_faults;
#[path = "cli/team_files.rs"]
mod team_files;

use std::time::{Duration, Instant};

use crate::support::script::{Script, When};
use crate::support::shell::{Ended, Shell, fixture};
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;

/// A team of two and a keeper whose answers are written down, and come at once.
const TEAM: &str = r#"
[group]
name = "desk"
manager_type = "round_robin"
members = ["ann", "bob"]
shared_blocks = ["notes"]
[group.sleeptime]
agents = ["keeper"]
every_turns = 2
[[block]]
label = "notes"
value = "begun"
[[agent]]
name = "ann"
model = "scripted/script.toml"
[[agent]]
name = "bob"
model = "scripted/script.toml"
[[agent]]
name = "keeper"
model = "scripted/script.toml"
"#;

fn script() -> Script {
    Script::of([
        When::agent("ann").text("Ann heard: {last}").chunk(4),
        When::agent("bob").contains("fail").status(400),
        When::agent("ann").contains("fail").status(400),
        When::agent("bob").step(1).text("Bob looks.").call("conversation_search", json!({ "query": "heard" })),
        When::agent("bob").text("Bob is done.\n"),
        When::agent("keeper")
            .step(1)
            .call("memory_insert", json!({ "label": "notes", "new_str": "kept", "insert_line": -1 })),
        When::agent("keeper").finishes(),
    ])
}

fn desk() -> Shell {
    desk_with(&script())
}

fn desk_with(script: &Script) -> Shell {
    let shell = Shell::new();
    shell.write("script.toml", &script.to_toml());
    let team = shell.write("team.toml", TEAM);
    shell.ok(&["apply", &team]);
    shell
}

fn events(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_long_conversation_is_listed_to_its_end() {
    let shell = Shell::new();
    std::fs::create_dir_all(shell.store().parent().unwrap()).unwrap();
    crate::support::large::make(&shell.store(), 2_500).await;
    let listed = |arguments: &[&str]| shell.json(arguments).as_array().unwrap().len();
    assert_eq!(listed(&["message", "list", "newsroom", "--json"]), 2_500);
    assert_eq!(listed(&["message", "list", "newsroom", "--since", "1000", "--json"]), 1_500);
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_team_is_applied_once_and_a_dry_run_changes_nothing() {
    let shell = Shell::new();
    let team = fixture("teams/newsroom.toml");
    let dry = shell.ok(&["apply", &team, "--dry-run"]);
    assert!(!shell.store().exists(), "a dry run makes no store");
    assert_eq!(shell.ok(&["apply", &team]), dry, "it did what it said");
    assert!(dry.contains("+ agent reporter"), "{dry}");
    let before = shell.json(&["block", "list", "--json"]);
    assert_eq!(shell.ok(&["apply", &team]), "nothing to change\n");
    assert_eq!(shell.json(&["block", "list", "--json"]), before);
    let broken = shell.write("broken.toml", &std::fs::read_to_string(&team).unwrap().replace("max_turns", "max_tunrs"));
    let sentence = shell.refused(&["apply", &broken]);
    assert!(sentence.contains("broken.toml:") && sentence.contains("max_tunrs"), "{sentence}");
    shell.folds();
}

#[test]
fn a_dry_run_refuses_names_and_labels_that_look_like_others_as_apply_does() {
    let shell = desk();
    // Each has a Cyrillic letter.
    let group = TEAM.replace("name = \"desk\"", "name = \"d\u{435}sk\"");
    let agents = TEAM.replace("\"bob\"", "\"\u{430}nn\"");
    let labels = TEAM
        .replace("[\"notes\"]", "[\"notes\", \"n\u{43e}tes\"]")
        .replace("value = \"begun\"", "value = \"begun\"\n[[block]]\nlabel = \"n\u{43e}tes\"");
    for (text, looks) in [
        (group, "looks like the group \"desk\""),
        (agents, "looks like \"ann\""),
        (labels, "looks like the block \"notes\""),
    ] {
        let team = shell.write("twin.toml", &text);
        let dry = shell.refused(&["apply", &team, "--dry-run"]);
        assert!(dry.contains(looks), "{dry}");
        assert_eq!(shell.refused(&["apply", &team]), dry);
    }
    shell.folds();
}

#[test]
fn a_value_edited_since_is_kept_unless_told_otherwise() {
    let shell = desk();
    let team = shell.path("team.toml").display().to_string();
    assert_eq!(shell.run_with("mine\n", &["block", "set", "desk", "notes"]).code, Some(0));
    shell.write("team.toml", &TEAM.replace("begun", "begun anew"));
    shell.ok(&["apply", &team]);
    assert_eq!(shell.ok(&["block", "show", "desk", "notes"]), "mine\n");
    shell.ok(&["apply", &team, "--overwrite-blocks"]);
    assert_eq!(shell.ok(&["block", "show", "desk", "notes"]), "begun anew\n");
    shell.folds();
}

#[test]
fn a_turn_comes_as_text_with_each_speaker_named() {
    let shell = desk();
    let ended = shell.run(&["send", "desk", "hello"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out, "ann: Ann heard: hello\nbob: Bob looks.\nbob: Bob is done.\n");
    assert!(ended.err.contains("bob ▸ conversation_search"), "{}", ended.err);
    let piped = shell.run_with("from a pipe", &["send", "desk", "-"]);
    assert!(piped.out.starts_with("ann: Ann heard: from a pipe\n"), "{piped:?}");
    shell.folds();
}

#[test]
fn events_come_in_order_and_a_message_only_once_it_is_committed() {
    let shell = desk();
    let events = events(&shell.ok(&["send", "desk", "hello", "--json"]));
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((names[0], *names.last().unwrap()), ("run_started", "run_finished"), "{names:?}");
    let turn = &events[0]["run"];
    assert_eq!(events.last().unwrap()["run"], *turn, "it ends with its own run");
    assert_eq!(events.last().unwrap()["stop_reason"], "max_turns");
    assert_eq!((&events[1]["event"], &events[1]["role"]), (&"message".into(), &"user".into()));
    let started = names.iter().filter(|name| **name == "run_started").count();
    assert_eq!(started, 3, "a turn and two speeches: {names:?}");
    for run in events.iter().filter(|event| event["event"] == "run_started").map(|event| &event["run"]) {
        let of: Vec<&Value> = events.iter().filter(|event| event["run"] == *run).collect();
        assert_eq!((&of[0]["event"], &of.last().unwrap()["event"]), (&"run_started".into(), &"run_finished".into()));
    }
    let ann = |event: &&Value| event["agent"] == "ann";
    let said: String = events
        .iter()
        .filter(ann)
        .filter(|event| event["event"] == "delta")
        .map(|event| event["text"].as_str().unwrap())
        .collect();
    let at = |name: &str| events.iter().rposition(|event| event["event"] == name && ann(&event)).unwrap();
    assert_eq!(events[at("message")]["text"], said, "what streamed is what was committed");
    assert!(at("delta") < at("message"), "no text after its message");
    let listed = shell.json(&["message", "list", "desk", "--json"]);
    let told: Vec<&Value> =
        events.iter().filter(|event| event["event"] == "message").map(|event| &event["id"]).collect();
    let kept: Vec<&Value> =
        listed.as_array().unwrap().iter().filter(|row| row["role"] != "tool").map(|row| &row["id"]).collect();
    assert_eq!(told, kept);
    let call = events.iter().find(|event| event["event"] == "tool_call").unwrap();
    let result = events.iter().find(|event| event["event"] == "tool_result").unwrap();
    assert_eq!((&call["name"], &call["id"]), (&"conversation_search".into(), &result["id"]));
    shell.folds();
}

#[test]
fn a_turn_nobody_could_answer_exits_1_and_says_why() {
    let shell = desk_with(&Script::of([When::agent("ann").status(400), When::agent("bob").status(400)]));
    let ended = shell.run(&["send", "desk", "hello"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.err.contains("ann could not answer") && ended.err.contains("400"), "{}", ended.err);
    let ended = shell.run(&["send", "desk", "hello", "--json"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(events(&ended.out).last().unwrap()["stop_reason"], "error");
    shell.folds();
}

#[test]
fn an_agent_is_spoken_to_directly_by_its_short_or_its_full_name() {
    let shell = desk();
    assert_eq!(shell.ok(&["send", "--agent", "ann", "one"]), "ann: Ann heard: one\n");
    assert_eq!(shell.ok(&["send", "--agent", "desk/ann", "two"]), "ann: Ann heard: two\n");
    shell.write("other.toml", &TEAM.replace("\"desk\"", "\"other\""));
    shell.ok(&["apply", &shell.path("other.toml").display().to_string()]);
    let sentence = shell.refused(&["send", "--agent", "ann", "three"]);
    assert!(sentence.contains("desk/ann, other/ann"), "{sentence}");
    let talk = shell.json(&["message", "list", "--agent", "desk/ann", "--json"]);
    assert_eq!(talk.as_array().unwrap().len(), 4);
    assert_eq!(shell.json(&["message", "list", "--agent", "other/ann", "--json"]), Value::Array(vec![]));
    shell.folds();
}

#[test]
fn messages_are_listed_from_where_one_left_off() {
    let shell = desk();
    shell.ok(&["send", "desk", "hello"]);
    let all = shell.json(&["message", "list", "desk", "--json"]);
    let all = all.as_array().unwrap();
    let seqs: Vec<u64> = all.iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=5).collect::<Vec<_>>());
    assert_eq!(all[0]["agent"], Value::Null);
    assert_eq!(all[1]["agent"], "ann");
    assert!(all[1]["agent_id"].as_str().unwrap().starts_with("agent-"));
    assert!(all[0]["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    let rest = shell.json(&["message", "list", "desk", "--since", "3", "--json"]);
    assert_eq!(rest.as_array().unwrap().as_slice(), &all[3..]);
    assert!(shell.ok(&["message", "list", "desk", "--since", "4"]).starts_with("5 bob: Bob is done."));
    shell.folds();
}

#[test]
fn draining_runs_the_due_job_and_sending_runs_none() {
    let shell = desk();
    shell.ok(&["send", "desk", "one"]);
    assert_eq!(shell.json(&["job", "list", "--json"]), Value::Array(vec![]));
    let last = events(&shell.ok(&["send", "desk", "two", "--json"])).into_iter().next_back().unwrap();
    assert_eq!((&last["event"], &last["status"]), (&"job".into(), &"created".into()), "it follows from the turn's end");
    let job = &shell.json(&["job", "list", "desk", "--json"])[0];
    let shown = ["agent", "group", "trigger", "status", "state"].map(|key| job[key].as_str().unwrap());
    assert_eq!(shown, ["keeper", "desk", "turn 2", "created", "available"]);
    assert_eq!((&job["attempt"], &job["error"]), (&0.into(), &Value::Null));
    assert_eq!(shell.ok(&["work", "--drain"]), "desk/keeper completed  1 edit\n");
    assert_eq!(shell.json(&["job", "list", "--json"])[0]["status"], "completed");
    assert_eq!(shell.ok(&["block", "show", "desk", "notes"]), "begun\nkept\n");
    assert_eq!(shell.ok(&["work", "--drain"]), "", "nothing is left");
    shell.folds();
}

#[test]
fn a_job_is_cancelled_and_retried_by_a_beginning_of_its_id() {
    let shell = desk();
    shell.ok(&["send", "desk", "one"]);
    shell.ok(&["send", "desk", "two"]);
    let id = ids(&shell.json(&["job", "list", "--json"])).remove(0);
    assert_eq!(shell.json(&["job", "cancel", &id[..16], "--json"])["status"], "cancelled");
    let again = shell.refused(&["job", "cancel", &id]);
    assert!(again.contains("cancelled already"), "{again}");
    let fresh = shell.json(&["job", "retry", id.strip_prefix("job-").unwrap(), "--json"]);
    assert_eq!(
        (&fresh["status"], &fresh["trigger"]),
        (&"created".into(), &"turn 2, retry".into()),
        "its causes go with it"
    );
    assert_ne!(fresh["id"], id.as_str());
    let sentence = shell.refused(&["job", "show", "job-"]);
    assert!(sentence.contains("no job"), "{sentence}");
    shell.ok(&["work", "--drain"]);
    assert_eq!(shell.json(&["job", "show", fresh["id"].as_str().unwrap(), "--json"])["status"], "completed");
    shell.folds();
}

#[test]
fn a_block_is_set_from_standard_input_and_a_clash_writes_nothing() {
    let shell = desk();
    let set = shell.run_with("first\nsecond\n", &["block", "set", "desk", "notes", "--expect-version", "1", "--json"]);
    let block: Value = serde_json::from_str(&set.out).unwrap();
    assert_eq!((&block["version"], &block["value"]), (&2.into(), &"first\nsecond".into()));
    assert_eq!((&block["group"], &block["agent"], &block["editor"]), (&"desk".into(), &Value::Null, &"you".into()));
    let clash = shell.run_with("late", &["block", "set", "desk", "notes", "--base", "1"]);
    assert_eq!((clash.code, clash.out.as_str()), (Some(1), "version 2\nfirst\nsecond\n"));
    assert!(clash.err.contains("version 2 by you") && clash.err.contains("nothing is written"), "{}", clash.err);
    assert_eq!(shell.json(&["block", "show", "desk", "notes", "--json"]), block);
    assert_eq!(shell.run_with("now", &["block", "set", "desk", "NOTES"]).code, Some(0), "on the current version");
    assert_eq!(shell.ok(&["block", "show", "desk", "notes"]), "now\n");
    let over = shell.run_with(&"x".repeat(20_001), &["block", "set", "desk", "notes"]);
    assert_eq!(over.code, Some(1));
    assert!(over.err.contains("20000"), "{}", over.err);
    shell.folds();
}

#[test]
fn lists_and_shows_have_the_fields_they_promise() {
    let shell = desk();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(", ");
    let groups = shell.json(&["group", "list", "--json"]);
    assert_eq!(
        fields(&groups[0]),
        "id, name, manager_type, description, manager_agent, members, background, every_turns, idle, trigger, source, \
         max_turns, termination_token, allow_repeat, max_rounds, continue_order, terminate, roles, status, wait_seconds, \
         mail_per_minute, max_calls, max_job_calls, max_tokens_per_run, max_tokens_per_day, shared_blocks, settings, \
         tokens_today, resets_at, triggers"
    );
    assert_eq!(groups[0]["members"], serde_json::json!(["ann", "bob"]));
    assert_eq!(shell.json(&["group", "show", "desk", "--json"]), groups[0]);
    let trigger = &groups[0]["triggers"][0];
    assert_eq!(
        fields(trigger),
        "id, group, kind, when, agent, task, priority, written, paused, next_due, waiting, last_fired, last_outcome, \
         last_job, why_not"
    );
    assert_eq!(trigger["when"], "every 2 turns");
    let agents = shell.json(&["agent", "list", "desk", "--json"]);
    assert_eq!(
        fields(&agents[0]),
        "id, name, group, state, rules, description, model, fallback_models, system, blocks, tools, require_approval, contacts, tags, \
         max_steps, max_step_calls, temperature, max_tokens, max_tokens_per_day, tool_seconds, settings, tokens_today, \
         resets_at"
    );
    assert_eq!((&agents[0]["group"], &agents[0]["state"]), (&"desk".into(), &"idle".into()));
    assert_eq!(shell.json(&["agent", "show", "desk/bob", "--json"]), agents[1]);
    let blocks = shell.json(&["block", "list", "desk", "--json"]);
    assert_eq!(
        fields(&blocks[0]),
        "id, group, agent, label, value, version, limit, description, read_only, local_only, tags, editor, edited_at"
    );
    for table in [["group", "list"], ["agent", "list"], ["block", "list"], ["job", "list"]] {
        shell.ok(&table);
    }
    shell.folds();
}

#[test]
fn what_cannot_be_done_is_one_sentence_and_what_cannot_be_meant_is_usage() {
    let shell = Shell::new();
    assert!(shell.refused(&["group", "list"]).contains("there is no store"), "and none is made");
    assert!(!shell.store().exists());
    let shell = desk();
    assert_eq!(shell.refused(&["send", "nobody", "hi"]), "there is no group named \"nobody\"; there are desk");
    assert!(shell.refused(&["agent", "show", "zoe"]).ends_with("there are desk/ann, desk/bob, desk/keeper"));
    assert!(shell.refused(&["block", "show", "desk", "nope"]).ends_with("it has notes"));
    assert!(shell.refused(&["send", "desk", " "]).contains("nothing to send"));
    assert!(shell.refused(&["apply", "/nowhere.toml"]).contains("no such file"));
    let config = shell.write("bad.toml", "colour = 1\n");
    assert!(shell.refused(&["--config", &config, "send", "desk", "hi"]).contains("bad.toml:1: unknown key"));
    for usage in
        [&["send", "desk"][..], &["send", "--agent", "ann"], &["job", "frob"], &["message", "list"], &["--nope"]]
    {
        assert_eq!(shell.run(usage).code, Some(2), "{usage:?}");
    }
    assert_eq!(shell.run(&["--help"]).code, Some(0));
    shell.folds();
}

#[test]
fn another_store_is_another_desk() {
    let shell = desk();
    let other = shell.path("elsewhere/other.db").display().to_string();
    shell.ok(&["apply", &fixture("teams/pair.toml"), "--store", &other]);
    assert_eq!(shell.json(&["--store", &other, "group", "list", "--json"])[0]["name"], "pair");
    assert_eq!(shell.json(&["group", "list", "--json"])[0]["name"], "desk");
    shell.folds();
}

#[test]
fn a_closed_pipe_is_no_fault() {
    let shell = desk();
    let mut send = shell.command(&["send", "desk", "hello"]).spawn().unwrap();
    drop(send.stdout.take());
    assert_eq!(send.wait().unwrap().code(), Some(0));
    assert_eq!(ids(&shell.json(&["message", "list", "desk", "--json"])).len(), 5, "the turn is whole all the same");
    let mut list = shell.command(&["message", "list", "desk"]).spawn().unwrap();
    drop(list.stdout.take());
    assert_eq!(list.wait().unwrap().code(), Some(0));
    shell.folds();
}

#[test]
fn beside_an_owner_commands_go_through_it_f8() {
    let shell = desk();
    let work = shell.work();
    let owner = work.child.id();
    assert_eq!(shell.ok(&["send", "desk", "one"]), "ann: Ann heard: one\nbob: Bob looks.\nbob: Bob is done.\n");
    let set = shell.run_with("set beside", &["block", "set", "desk", "notes"]);
    assert_eq!(set.code, Some(0), "{set:?}");
    shell.ok(&["send", "desk", "two"]);
    shell.ok(&["work", "--drain"]);
    assert_eq!(
        shell.json(&["job", "list", "--json"])[0]["status"],
        "completed",
        "it waited until the owner had run it"
    );
    assert_eq!(work.line_with("keeper"), "desk/keeper completed  1 edit");
    assert_eq!(shell.ok(&["block", "show", "desk", "notes"]), "set beside\nkept\n");
    let begun = Instant::now();
    let sentence = shell.refused(&["work"]);
    assert!(sentence.contains(&format!("process {owner} ")), "{sentence}");
    assert!(begun.elapsed() < Duration::from_secs(2), "a second, and one for a busy machine");
    assert_eq!(shell.signed_owner(), Some(owner), "nobody else has owned it meanwhile");
    let lists = [&["job", "list", "--json"][..], &["block", "list", "--json"], &["agent", "list", "--json"]];
    let beside = lists.map(|list| shell.json(list));
    work.signal(Signal::TERM);
    assert_eq!(work.wait().0, Some(0), "it stops cleanly");
    assert!(!shell.path("data/nightdesk/desk.db.sock").exists());
    assert_eq!(lists.map(|list| shell.json(list)), beside, "alone and beside an owner alike");
    shell.folds();
}

/// An answer that never comes, until another script is applied.
fn hanging() -> Script {
    Script::of([When::agent("ann").text("Ann begins and").chunk(3).hang_after(9)]).otherwise("done")
}

#[test]
fn a_store_that_is_busy_is_told_with_its_process_and_its_turn_is_picked_up_f8() {
    let shell = desk_with(&hanging());
    let send = shell.start(&["send", "desk", "hello", "--json"]);
    send.line_with("delta");
    let begun = Instant::now();
    let team = shell.path("team.toml").display().to_string();
    let sentence = shell.refused(&["apply", &team]);
    assert!(sentence.contains(&format!("process {} ", send.child.id())), "{sentence}");
    assert!(begun.elapsed() < Duration::from_secs(2), "a second, and one for a busy machine");
    assert_eq!(shell.json(&["agent", "show", "ann", "--json"])["state"], "speaking", "reading needs no lock");
    send.signal(Signal::KILL);
    send.wait();
    shell.write("script.toml", &script().to_toml());
    let out = shell.ok(&["send", "desk", "again"]);
    let first = "ann: Ann heard: hello\nbob: Bob looks.\nbob: Bob is done.\n";
    assert_eq!(out, format!("{first}{}", first.replace("hello", "again")), "the unfinished turn comes first");
    shell.folds();
}

#[test]
fn a_turn_is_taken_over_when_its_owner_is_killed() {
    let shell = desk_with(&hanging());
    let work = shell.work();
    let send = shell.start(&["send", "desk", "hello", "--json"]);
    send.line_with("delta");
    shell.write("script.toml", &script().to_toml());
    work.signal(Signal::KILL);
    work.wait();
    let (code, lines) = send.wait();
    assert_eq!(code, Some(0));
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["stop_reason"]), (&"run_finished".into(), &"max_turns".into()));
    assert!(shell.ok(&["message", "list", "desk"]).contains("ann: Ann heard: hello"));
    shell.folds();
}

#[test]
fn draining_goes_on_with_what_a_killed_program_left() {
    let shell = desk_with(&hanging());
    let send = shell.start(&["send", "desk", "hello", "--json"]);
    send.line_with("delta");
    send.signal(Signal::KILL);
    send.wait();
    shell.write("script.toml", &script().to_toml());
    shell.ok(&["work", "--drain"]);
    let talk = shell.ok(&["message", "list", "desk"]);
    assert!(talk.ends_with("bob: Bob is done.\n"), "{talk}");
    shell.folds();
}

#[test]
fn ctrl_c_cancels_the_turn_and_keeps_what_was_said() {
    let shell = desk_with(&hanging());
    let send = shell.start(&["send", "desk", "hello", "--json"]);
    let first = send.line_with("delta");
    send.signal(Signal::INT);
    let (code, lines) = send.wait();
    assert_eq!(code, Some(1));
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(last["stop_reason"], "cancelled");
    let talk = shell.ok(&["message", "list", "desk"]);
    let begun = serde_json::from_str::<Value>(&first).unwrap()["text"].as_str().unwrap().to_owned();
    assert!(talk.contains(&begun) && talk.contains("(cancelled)"), "{talk}");
    shell.folds();
}

#[test]
fn the_doctor_tells_what_is_sound_and_what_is_not() {
    let shell = Shell::new();
    let fresh = shell.json(&["doctor", "--json"]);
    assert_eq!(fresh["ok"], true, "a fresh machine is no fault: {fresh}");
    assert!(!shell.store().exists());
    let shell = desk();
    let sound = shell.ok(&["doctor", "--deep"]);
    assert!(sound.contains("replay to the") && sound.lines().all(|line| line.starts_with("ok ")), "{sound}");
    std::fs::remove_file(shell.path("script.toml")).unwrap();
    let ended = shell.run(&["doctor", "--json"]);
    assert_eq!(ended.code, Some(1));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let bad: Vec<&Value> = report["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false).collect();
    assert_eq!(report["ok"], false);
    assert!(bad.len() == 1 && bad[0]["name"].as_str().unwrap().starts_with("model scripted/"), "{report}");
    assert!(bad[0]["text"].as_str().unwrap().contains("script.toml"), "{report}");
    shell.write("script.toml", &script().to_toml());
    shell.folds();
}

#[test]
fn the_log_goes_to_a_file_and_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = desk_with(&Script::of([]).or(When::any().status(400)));
    assert_eq!(shell.run(&["send", "desk", "hello"]).code, Some(1));
    let logs: Vec<_> = std::fs::read_dir(shell.path("state/nightdesk/logs")).unwrap().collect();
    let log = std::fs::read_to_string(logs[0].as_ref().unwrap().path()).unwrap();
    assert!(log.contains("run=run-") && log.contains("agent=ann"), "one grep follows one run: {log}");
    let mode = |name: &str| std::fs::metadata(shell.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("data/nightdesk"), mode("state/nightdesk/logs"), mode("data/nightdesk/desk.db")),
        (0o700, 0o700, 0o600)
    );
    shell.folds();
}

/// What bash offers for the last of these words.
fn completed_by_bash(shell: &Shell, words: &[&str]) -> Vec<String> {
    let script = shell.write("complete.bash", &shell.ok(&["completions", "bash"]));
    let mut bash = std::process::Command::new("bash");
    bash.args(["--norc", "-c"]).arg(
        r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
           _clap_complete_nightdesk nightdesk "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
           printf '%s\n' "${COMPREPLY[@]}""#,
    );
    bash.args(["bash", &script]).args(words);
    bash.env_clear().envs(shell.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended: Ended = bash.env("PATH", "/usr/bin:/bin").output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_the_names_in_the_store() {
    let shell = desk();
    for text in ["One.", "Two."] {
        shell.ok(&["send", "desk", text]);
    }
    let job = shell.json(&["job", "list", "--json"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(completed_by_bash(&shell, &["nightdesk", "sen"]), ["send"]);
    assert!(completed_by_bash(&shell, &["nightdesk", "send", ""]).contains(&"desk".to_owned()));
    assert_eq!(completed_by_bash(&shell, &["nightdesk", "send", "--agent", "an"]), ["ann"]);
    assert_eq!(completed_by_bash(&shell, &["nightdesk", "send", "--agent", "desk/b"]), ["desk/bob"]);
    assert_eq!(completed_by_bash(&shell, &["nightdesk", "block", "show", "desk", "no"]), ["notes"]);
    assert_eq!(completed_by_bash(&shell, &["nightdesk", "job", "show", "job-"]), [job]);
    let store = shell.store().display().to_string();
    assert_eq!(completed_by_bash(&shell, &["nightdesk", "--store", &store, "group", "show", "d"]), ["desk"]);
}

#[test]
fn without_a_store_completion_offers_no_names_and_makes_nothing() {
    let shell = Shell::new();
    assert_eq!(completed_by_bash(&shell, &["nightdesk", "send", "--agent", "a"]), Vec::<String>::new());
    assert_eq!(completed_by_bash(&shell, &["nightdesk", "doc"]), ["doctor"]);
    assert!(!shell.store().exists());
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let shell = Shell::new();
    let page = shell.ok(&["man"]);
    assert!(page.contains(".TH nightdesk 1") && page.contains(".SH SUBCOMMANDS"), "{page}");
    let dir = shell.path("man1");
    shell.ok(&["man", "--dir", &dir.display().to_string()]);
    for name in ["nightdesk.1", "nightdesk-send.1", "nightdesk-group-create.1"] {
        assert!(dir.join(name).is_file(), "{name}");
    }
}
