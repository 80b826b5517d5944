//! Groups and agents made, changed and deleted by the real program.

use crate::support::script::Script;
use crate::support::shell::Shell;
use serde_json::{Value, json};

fn script() -> Script {
    Script::always("{agent} heard {last}")
}

/// A group of two on a script, made by the program.
fn desk() -> Shell {
    let shell = Shell::new();
    let script = shell.write("script.toml", &script().to_toml());
    shell.ok(&["group", "create", "desk", "--type", "round_robin", "--member", "ann", "bob"]);
    for agent in ["desk/ann", "desk/bob"] {
        shell.ok(&["agent", "update", agent, "--model", &format!("scripted/{script}")]);
    }
    shell
}

fn show(shell: &Shell, group: &str) -> Value {
    shell.json(&["group", "show", group, "--json"])
}

#[test]
fn a_group_is_made_with_the_agents_it_names_in_one_commit_and_answers() {
    let shell = desk();
    let group = show(&shell, "desk");
    assert_eq!((&group["manager_type"], &group["status"]), (&json!("round_robin"), &json!("active")));
    assert_eq!(group["members"], json!(["ann", "bob"]));
    assert_eq!(shell.ok(&["send", "desk", "hello"]), "ann: ann heard hello\nbob: bob heard ann heard hello\n");
    shell.folds();
}

#[test]
fn every_manager_type_can_be_made_and_what_is_missing_is_told() {
    let shell = Shell::new();
    let made = |arguments: &[&str]| {
        let all: Vec<&str> = ["group", "create"].iter().chain(arguments).chain(&["--json"]).copied().collect();
        shell.json(&all)
    };
    made(&["chain", "--type", "round_robin", "--member", "a", "--member", "b", "--continue-order", "true"]);
    let boss = made(&["crew", "--type", "supervisor", "--member", "a", "b", "--manager", "boss", "--max-rounds", "2"]);
    assert_eq!((&boss["manager_agent"], &boss["max_rounds"]), (&json!("boss"), &json!(2)));
    let limits = ["group", "update", "crew", "--wait-seconds", "60", "--mail-per-minute", "10", "--json"];
    let crew = shell.json(&limits);
    assert_eq!((&crew["wait_seconds"], &crew["mail_per_minute"]), (&json!(60), &json!(10)));
    let crew = shell.json(&["group", "update", "crew", "--wait-seconds", "none", "--json"]);
    assert_eq!((&crew["wait_seconds"], &crew["mail_per_minute"]), (&json!(null), &json!(10)));
    let host =
        made(&["panel", "--type", "dynamic", "--member", "a", "crew/b", "--manager", "host", "--allow-repeat", "true"]);
    assert_eq!(host["members"], json!(["a", "crew/b"]), "one of another group joins by reference");
    assert_eq!(host["termination_token"], "DONE!");
    let writer =
        made(&["pair", "--type", "sleeptime", "--manager", "writer", "--background", "keeper", "--every-turns", "2"]);
    assert_eq!((&writer["background"], &writer["every_turns"]), (&json!(["keeper"]), &json!(2)));
    let refused = |arguments: &[&str], word: &str| {
        let all: Vec<&str> = ["group", "create"].iter().chain(arguments).copied().collect();
        let sentence = shell.refused(&all);
        assert!(sentence.contains(word), "{arguments:?}: {sentence}");
    };
    refused(&["x", "--type", "round_robin"], "needs at least one member");
    refused(&["x", "--type", "round_robin", "--member", "a", "a"], "named twice");
    refused(&["x", "--type", "supervisor", "--member", "a"], "needs manager_agent");
    refused(&["x", "--type", "dynamic", "--member", "a", "--manager", "a"], "cannot be a member");
    refused(&["x", "--type", "round_robin", "--member", "a", "--manager", "b"], "has no manager_agent");
    refused(&["x", "--type", "sleeptime", "--manager", "a", "--background", "a"], "a cannot be the manager agent");
    refused(&["x", "--type", "round_robin", "--member", "a", "--max-rounds", "2"], "max_rounds belongs to supervisor");
    refused(&["x", "--type", "round_robin", "--member", "nowhere/a"], "there is no agent \"nowhere/a\"");
    refused(&["crew", "--type", "round_robin", "--member", "a"], "there is a group named crew already");
    let wrong = shell.run(&["group", "create", "x", "--type", "dynamc", "--member", "a"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("did you mean dynamic?"), "{}", wrong.err);
    let names = shell.json(&["group", "list", "--json"]);
    assert_eq!(names.as_array().unwrap().len(), 4, "what is refused leaves nothing behind: {names}");
    assert_eq!(shell.json(&["agent", "list", "--json"]).as_array().unwrap().len(), 9);
    shell.folds();
}

#[test]
fn settings_are_set_shown_and_taken_away_again() {
    let shell = desk();
    let ending = "{ any = [{ tokens = 20000 }, { speaker = \"bob\" }] }";
    let update = ["group", "update", "desk", "--max-turns", "3", "--terminate", ending, "--role", "ann=asks why"];
    shell.ok(&update);
    let group = show(&shell, "desk");
    assert_eq!((&group["max_turns"], &group["roles"]), (&json!(3), &json!({"ann": "asks why"})));
    assert_eq!(group["terminate"], json!({"any": [{"tokens": 20000}, {"speaker": "bob"}]}));
    let card = shell.ok(&["group", "show", "desk"]);
    for part in ["ann (asks why), bob", "max_turns 3", &format!("terminate {ending}")] {
        assert!(card.contains(part), "{part}: {card}");
    }
    let table = shell.ok(&["group", "list"]);
    assert!(table.contains("ann (asks why), bob") && table.contains("max_turns 3"), "{table}");
    shell.ok(&["group", "update", "desk", "--max-turns", "0", "--terminate", "none", "--role", "ann="]);
    let group = show(&shell, "desk");
    assert_eq!((&group["max_turns"], &group["terminate"]), (&Value::Null, &Value::Null));
    assert_eq!(group["roles"], json!({}));
    let wrong = shell.run(&["group", "update", "desk", "--terminate", "{ token = 5 }"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("team file"), "{}", wrong.err);
    shell.folds();
}

#[test]
fn members_come_and_go_and_an_empty_group_is_refused() {
    let shell = desk();
    shell.ok(&["agent", "create", "desk/cid", "--description", "checks dates"]);
    assert_eq!(show(&shell, "desk")["members"], json!(["ann", "bob", "cid"]));
    shell.ok(&["group", "update", "desk", "--role", "ann=lead", "--remove-member", "bob"]);
    shell.ok(&["group", "update", "desk", "--remove-member", "ann", "--add-member", "bob"]);
    let group = show(&shell, "desk");
    assert_eq!((&group["members"], &group["roles"]), (&json!(["cid", "bob"]), &json!({})));
    let sentence = shell.refused(&["group", "update", "desk", "--remove-member", "cid", "--remove-member", "bob"]);
    assert!(sentence.contains("needs at least one member"), "{sentence}");
    let sentence = shell.refused(&["group", "update", "desk", "--add-member", "anm"]);
    assert!(sentence.contains("did you mean ann?"), "{sentence}");
    let sentence = shell.refused(&["group", "update", "desk", "--type", "dynamic"]);
    assert!(sentence.contains("cannot change"), "{sentence}");
    assert_eq!(show(&shell, "desk"), group, "what is refused changes nothing");
    shell.ok(&["group", "update", "desk", "--member", "ann", "bob", "--background", "cid", "--every-turns", "1"]);
    assert_eq!(show(&shell, "desk")["background"], json!(["cid"]));
    shell.ok(&["group", "update", "desk", "--background", "none"]);
    assert_eq!(show(&shell, "desk")["background"], json!([]));
    shell.folds();
}

#[test]
fn an_archived_group_is_left_out_of_the_list_unless_asked_for() {
    let shell = desk();
    shell.ok(&["group", "update", "desk", "--status", "archived"]);
    let ended = shell.run(&["group", "list"]);
    assert!(ended.out.is_empty() && ended.err.contains("1 archived"), "{ended:?}");
    assert_eq!(shell.json(&["group", "list", "--json"]), json!([]));
    assert_eq!(shell.json(&["group", "list", "--all", "--json"])[0]["status"], "archived");
    assert_eq!(shell.run(&["send", "desk", "hello"]).code, Some(1));
    shell.ok(&["group", "update", "desk", "--status", "active"]);
    shell.ok(&["send", "desk", "hello"]);
    shell.folds();
}

#[test]
fn an_agent_is_made_changed_and_shown_with_rules_tools_and_contacts() {
    let shell = desk();
    shell.ok(&["group", "create", "crew", "--type", "round_robin", "--member", "zoe"]);
    let made = shell.json(&[
        "agent",
        "create",
        "desk/cid",
        "--persona",
        "I check dates.",
        "--tools",
        "memory_rethink,-pass",
        "--approvals",
        "memory_insert",
        "--contacts",
        "crew/zoe",
        "--tags",
        "facts,dates",
        "--max-steps",
        "4",
        "--json",
    ]);
    assert_eq!(made["rules"], json!([{"type": "requires_approval", "tool_name": "memory_insert"}]));
    assert_eq!((&made["contacts"], &made["tags"]), (&json!(["crew/zoe"]), &json!(["facts", "dates"])));
    let tools = made["tools"].to_string();
    assert!(tools.contains("memory_rethink") && !tools.contains("pass"), "{tools}");
    assert_eq!(shell.ok(&["block", "show", "--agent", "cid", "persona"]), "I check dates.\n");
    let card = shell.ok(&["agent", "show", "cid"]);
    assert!(card.contains("memory_insert needs your yes") && card.contains("crew/zoe"), "{card}");
    shell.ok(&["agent", "update", "cid", "--persona", "I check names.", "--approvals", "none", "--contacts", "none"]);
    let changed = shell.json(&["agent", "show", "cid", "--json"]);
    assert_eq!((&changed["rules"], &changed["contacts"]), (&json!([]), &json!([])));
    assert_eq!(shell.ok(&["block", "show", "--agent", "cid", "persona"]), "I check names.\n");
    shell.ok(&["agent", "update", "cid", "--max-steps", "none", "--model", "none", "--name", "dee"]);
    assert_eq!(shell.json(&["agent", "show", "desk/dee", "--json"])["max_steps"], Value::Null);
    for (arguments, word) in [
        (["--tools", "memory_insrt"], "did you mean memory_insert?"),
        (["--approvals", "shell"], "there is no tool \"shell\""),
        (["--contacts", "crew/zo"], "there is no agent \"crew/zo\""),
        (["--model", "nowhere/x"], "nowhere"),
    ] {
        let sentence = shell.refused(&["agent", "update", "dee", arguments[0], arguments[1]]);
        assert!(sentence.contains(word), "{arguments:?}: {sentence}");
    }
    let sentence = shell.refused(&["agent", "create", "eve"]);
    assert!(sentence.contains("GROUP/eve"), "{sentence}");
    shell.folds();
}

#[test]
fn a_delete_says_what_goes_and_takes_it_only_when_told_to() {
    let shell = desk();
    shell.ok(&["agent", "update", "ann", "--persona", "I ask."]);
    shell.ok(&["send", "--agent", "ann", "hello"]);
    shell.ok(&["send", "desk", "hello"]);
    let ended = shell.run(&["agent", "delete", "desk/ann"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.contains("--yes"), "{ended:?}");
    for part in
        ["the agent desk/ann", "(2 messages)", "leaves desk", "the block persona of desk/ann (6 characters)", "stays"]
    {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    assert_eq!(show(&shell, "desk")["members"], json!(["ann", "bob"]), "it only said it");
    assert_eq!(shell.ok(&["agent", "delete", "desk/ann", "--yes"]), ended.out, "it does what it said");
    assert_eq!(show(&shell, "desk")["members"], json!(["bob"]));
    let said = shell.ok(&["message", "list", "desk"]);
    assert!(said.contains("ann: ann heard hello"), "what was said stays, with the name: {said}");
    assert_eq!(shell.json(&["block", "list", "--json"]), json!([]));
    let sentence = shell.refused(&["agent", "delete", "bob", "--yes"]);
    assert!(sentence.contains("desk would be left without members"), "{sentence}");
    let gone = shell.json(&["group", "delete", "desk", "--yes", "--json"]);
    assert_eq!(gone["deleted"], true);
    assert_eq!(shell.json(&["group", "list", "--all", "--json"]), json!([]));
    assert_eq!(shell.json(&["agent", "list", "--json"]), json!([]));
    assert!(shell.refused(&["message", "list", "desk"]).contains("no group"));
    shell.folds();
}

#[test]
fn a_word_from_outside_needs_a_turn() {
    let shell = desk();
    assert!(shell.refused(&["group", "signal", "desk", "enough"]).contains("no turn"));
    shell.ok(&["send", "desk", "hello"]);
    assert!(shell.refused(&["group", "signal", "desk", "enough"]).contains("nothing is being answered"));
}

#[test]
fn a_row_that_cannot_be_read_is_told_beside_the_list_it_is_missing_from() {
    let shell = desk();
    let sql = rusqlite::Connection::open(shell.store()).unwrap();
    sql.execute("UPDATE agent SET body = '{\"id\":' WHERE body LIKE '%\"name\":\"bob\"%'", []).unwrap();
    drop(sql);
    let listed = shell.run(&["agent", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.out.contains("ann") && !listed.out.contains("bob"), "{listed:?}");
    let told: Vec<&str> = listed.err.lines().collect();
    assert_eq!(told.len(), 2, "which row, and what to do: {told:?}");
    assert!(told[0].starts_with("agent agent-") && told[0].contains(" cannot be read: "), "{told:?}");
    assert!(told[1].contains("restore a backup"), "{told:?}");
    assert_eq!(shell.run(&["block", "list"]).err, listed.err, "who is at home in a list may be missing there, too");
}
