//! The inbox: what an agent may only do with a person's yes, asked and answered by the real program.

use crate::support::script::{Script, When};
use crate::support::shell::Shell;
use serde_json::{Value, json};

/// Ann wants to write into a block, then says what came of it.
fn script() -> Script {
    Script::of([
        When::agent("ann").step(1).text("I note that.").replaces("persona", "I ask.", "I note."),
        When::agent("ann").text("Ann is done."),
        When::agent("bob").text("Bob is done."),
    ])
}

fn desk() -> Shell {
    let shell = Shell::new();
    let script = shell.write("script.toml", &script().to_toml());
    let model = format!("scripted/{script}");
    shell.ok(&["group", "create", "desk", "--type", "round_robin", "--member", "ann", "bob"]);
    shell.ok(&["agent", "update", "ann", "--model", &model, "--persona", "I ask.", "--approvals", "memory_replace"]);
    shell.ok(&["agent", "update", "bob", "--model", &model]);
    shell
}

fn inbox(shell: &Shell) -> Value {
    shell.json(&["inbox", "list", "--json"])
}

fn persona(shell: &Shell) -> String {
    shell.ok(&["block", "show", "--agent", "ann", "persona"])
}

#[test]
fn a_turn_that_waits_for_a_person_ends_send_with_the_inbox_id_and_exit_0() {
    let shell = desk();
    let ended = shell.run(&["send", "desk", "hello"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let waiting = inbox(&shell);
    let id = waiting[0]["id"].as_str().unwrap();
    assert_eq!(ended.out, format!("ann: I note that.\nrequires_approval {id}\n"));
    assert!(ended.err.contains(&format!("nightdesk inbox approve {id}")), "{}", ended.err);
    let keys: Vec<&String> = waiting[0].as_object().unwrap().keys().collect();
    for key in ["id", "kind", "agent", "run", "tool", "arguments", "created_at"] {
        assert!(keys.iter().any(|other| *other == key), "{key}: {keys:?}");
    }
    assert_eq!((&waiting[0]["kind"], &waiting[0]["agent"]), (&json!("approval"), &json!("ann")));
    assert_eq!(waiting[0]["tool"], "memory_replace");
    let arguments = json!({"label": "persona", "old_str": "I ask.", "new_str": "I note."});
    assert_eq!(waiting[0]["arguments"], arguments, "exactly what would run");
    assert_eq!(shell.json(&["inbox", "show", id, "--json"]), waiting[0]);
    assert!(shell.ok(&["inbox", "list"]).contains("memory_replace {"));
    assert_eq!(persona(&shell), "I ask.\n", "nothing has run yet");
    shell.folds();
}

#[test]
fn the_last_event_of_a_turn_that_waits_is_run_waiting_for_approval() {
    let shell = desk();
    let out = shell.ok(&["send", "desk", "hello", "--json"]);
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let id = inbox(&shell)[0]["id"].clone();
    assert_eq!((&last["event"], &last["for"], &last["ids"]), (&json!("run_waiting"), &json!("approval"), &json!([id])));
    let queued = shell.ok(&["send", "desk", "and more", "--json"]);
    let last: Value = serde_json::from_str(queued.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["ids"]), (&json!("run_waiting"), &json!([id])), "it is queued behind it");
    let queued = shell.run(&["send", "desk", "and more"]);
    assert_eq!(queued.out, format!("requires_approval {}\n", id.as_str().unwrap()));
    assert!(queued.err.contains("queued behind"), "{}", queued.err);
    shell.folds();
}

#[test]
fn what_is_approved_runs_and_the_turn_goes_on() {
    let shell = desk();
    shell.ok(&["send", "desk", "hello"]);
    let id = inbox(&shell)[0]["id"].as_str().unwrap().to_owned();
    let short = id.get(..14).unwrap();
    let ended = shell.run(&["inbox", "approve", short]);
    assert!(ended.out.starts_with("approved: ann may call memory_replace"), "{ended:?}");
    assert!(ended.err.contains("nightdesk work"), "{ended:?}");
    assert_eq!(inbox(&shell), json!([]));
    assert!(shell.refused(&["inbox", "approve", &id]).contains("no call"));
    shell.ok(&["work", "--drain"]);
    assert_eq!(persona(&shell), "I note.\n");
    let said = shell.ok(&["message", "list", "desk"]);
    assert!(said.contains("ann: Ann is done.") && said.contains("bob: Bob is done."), "{said}");
    shell.folds();
}

#[test]
fn what_is_denied_does_not_run_and_the_agent_is_told_why() {
    let shell = desk();
    shell.ok(&["send", "desk", "hello"]);
    let id = inbox(&shell)[0]["id"].as_str().unwrap().to_owned();
    let denied = shell.json(&["inbox", "deny", &id, "--reason", "keep who you are", "--json"]);
    assert_eq!((&denied["decision"], &denied["reason"]), (&json!("denied"), &json!("keep who you are")));
    assert_eq!(denied["id"], id.as_str());
    shell.ok(&["work", "--drain"]);
    assert_eq!(persona(&shell), "I ask.\n");
    let said = shell.ok(&["message", "list", "desk"]);
    assert!(said.contains("keep who you are") && said.contains("bob: Bob is done."), "{said}");
    shell.folds();
}

#[test]
fn work_that_drains_takes_up_the_job_whose_call_was_approved() {
    let shell = Shell::new();
    let team = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/teams/approvals.toml");
    shell.ok(&["apply", team]);
    shell.ok(&["send", "approvals", "We decided to launch on the third of May."]);
    shell.ok(&["send", "approvals", "Anna tells the printers."]);
    shell.ok(&["work", "--drain"]);
    let waiting = inbox(&shell);
    assert_eq!(waiting[0]["agent"], "keeper", "{waiting}");
    shell.ok(&["inbox", "approve", waiting[0]["id"].as_str().unwrap()]);
    let worked = shell.ok(&["work", "--drain"]);
    assert!(worked.contains("keeper completed"), "{worked}");
    assert!(shell.ok(&["block", "show", "approvals", "plan"]).contains("Anna tells the printers"));
    shell.folds();
}

#[test]
fn a_decision_goes_through_the_program_that_owns_the_store() {
    let shell = desk();
    shell.ok(&["send", "desk", "hello"]);
    let work = shell.work();
    let id = inbox(&shell)[0]["id"].as_str().unwrap().to_owned();
    let ended = shell.run(&["inbox", "approve", &id, "--for-run"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains(&format!("process {}", work.child.id())), "{}", ended.err);
    shell.until("the turn goes on", |shell| {
        shell.ok(&["message", "list", "desk"]).contains("bob: Bob is done.").then_some(())
    });
    assert_eq!(persona(&shell), "I note.\n");
    drop(work);
    shell.folds();
}

#[test]
fn an_empty_inbox_says_so_and_a_wrong_id_is_a_sentence() {
    let shell = desk();
    let ended = shell.run(&["inbox", "list"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""));
    assert!(ended.err.contains("nothing waits"), "{ended:?}");
    assert!(shell.refused(&["inbox", "show", "approval-1"]).contains("approval-1"));
    assert!(shell.refused(&["inbox", "deny", "approval-1"]).contains("inbox list"));
}
