//! Mail on the command line: the real program, as a person or a script uses it.

use crate::support::script::{Script, When};
use crate::support::shell::Shell;
use rustix::process::Signal;
use serde_json::Value;

const TEAM: &str = r#"
[group]
name = "desk"
manager_type = "round_robin"
members = ["ann", "bob"]
[[agent]]
name = "ann"
model = "scripted/script.toml"
[[agent]]
name = "bob"
model = "scripted/script.toml"
"#;

fn script() -> Script {
    Script::always("{agent} heard {last}")
}

/// An answer that never comes, until another script is written.
fn hanging() -> Script {
    Script::of([]).or(When::any().text("so it begins").hang_after(9))
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

fn send(shell: &Shell, to: &str, text: &str) -> String {
    shell.json(&["mail", "send", to, text, "--json"])["id"].as_str().unwrap().to_owned()
}

fn status(shell: &Shell, id: &str) -> String {
    shell.json(&["mail", "show", id, "--json"])["status"].as_str().unwrap().to_owned()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap()).collect()
}

#[test]
fn mail_is_sent_listed_shown_and_read_with_the_fields_it_promises() {
    let shell = desk();
    assert_eq!(shell.json(&["mail", "list", "--json"]), Value::Array(vec![]));
    let sent =
        shell.json(&["mail", "send", "desk/ann", "Is it so?", "--priority", "high", "--expires", "10m", "--json"]);
    let fields = sent.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(", ");
    assert_eq!(fields, "id, from, to, type, status, priority, text, in_reply_to, created_at, expires_at");
    let shown = ["to", "type", "status", "priority", "text"].map(|key| sent[key].as_str().unwrap());
    assert_eq!(shown, ["ann", "request", "pending", "high", "Is it so?"]);
    assert_eq!((&sent["from"], &sent["in_reply_to"]), (&Value::Null, &Value::Null));
    let time = |key: &str| sent[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    // The time runs from the sending, which the commit follows by a moment.
    let seconds = time("expires_at").duration_since(time("created_at")).as_secs();
    assert!((598..=600).contains(&seconds), "{sent}");

    assert_eq!(shell.run_with("From a pipe.", &["mail", "send", "bob", "-"]).code, Some(0));
    let list = |arguments: &[&str]| shell.json(&[&["mail", "list", "--json"], arguments].concat());
    assert_eq!(texts(&list(&[])), ["From a pipe.", "Is it so?"], "newest first");
    assert_eq!(list(&["--agent", "ann"]), Value::Array(vec![sent.clone()]));
    assert_eq!(list(&["--status", "pending", "--agent", "desk/bob"])[0]["expires_at"], Value::Null);
    assert_eq!(list(&["--status", "failed"]), Value::Array(vec![]));
    let id = sent["id"].as_str().unwrap();
    assert_eq!(shell.json(&["mail", "show", &id[..14], "--json"]), sent, "a beginning of the id will do");
    let card = shell.ok(&["mail", "show", id]);
    assert!(card.contains("from         you\nto           desk/ann\n"), "{card}");
    let table = shell.ok(&["mail", "list"]);
    assert!(table.contains("request, high  pending  Is it so?"), "{table}");

    let read = shell.json(&["mail", "read", id, "--json"]);
    assert_eq!((&read["status"], &read["id"]), (&"read".into(), &sent["id"]));
    assert!(shell.refused(&["mail", "read", id]).contains("read already"));
    shell.ok(&["work", "--drain"]);
    assert_eq!(shell.ok(&["message", "list", "--agent", "ann"]), "", "what you read does not reach its agent");
    assert!(shell.ok(&["message", "list", "--agent", "bob"]).starts_with("1 you: From a pipe.\n2 bob: bob heard"));
    shell.folds();
}

#[test]
fn what_cannot_be_sent_is_a_sentence_and_what_cannot_be_meant_is_usage() {
    let shell = Shell::new();
    assert!(shell.refused(&["mail", "list"]).contains("there is no store"));
    let shell = desk();
    for (arguments, why) in [
        (&["send", "zoe", "hi"][..], "no agent named \"zoe\"; there are desk/ann, desk/bob"),
        (&["send", "ann", " "], "empty"),
        (&["list", "--agent", "zoe"], "no agent named"),
        (&["show", "mail-1"], "there is no mail mail-1; `nightdesk mail list`"),
        (&["read", "mail-"], "there is no mail"),
    ] {
        let sentence = shell.refused(&[&["mail"], arguments].concat());
        assert!(sentence.contains(why), "{arguments:?}: {sentence}");
    }
    for (arguments, why) in [
        (&["send", "ann", "hi", "--priority", "urgent"][..], "low, normal or high"),
        (&["send", "ann", "hi", "--expires", "soon"], "\"soon\" is not a time; write a time such as 45s"),
        (&["list", "--status", "lost"], "pending, delivered, read, expired, failed"),
    ] {
        let usage = shell.run(&[&["mail"], arguments].concat());
        assert!(usage.code == Some(2) && usage.err.contains(why), "{arguments:?}: {usage:?}");
    }
    let long = shell.run_with(&"x".repeat(40_000), &["mail", "send", "ann", "-"]);
    assert!(long.code == Some(1) && long.err.contains("32768"), "{long:?}");
    for usage in [&["mail"][..], &["mail", "send", "ann"], &["mail", "show"], &["mail", "frob"]] {
        assert_eq!(shell.run(usage).code, Some(2), "{usage:?}");
    }
    assert_eq!(shell.json(&["mail", "list", "--json"]), Value::Array(vec![]), "none of it was sent");
    shell.folds();
}

#[test]
fn draining_delivers_what_waits_and_says_so_before() {
    let shell = desk();
    let said = shell.ok(&["mail", "send", "ann", "first"]);
    assert!(said.contains(" pending; the workbench or `nightdesk work` delivers it"), "{said}");
    shell.ok(&["mail", "send", "ann", "second"]);
    shell.ok(&["mail", "send", "ann", "urgent", "--priority", "high"]);
    shell.ok(&["send", "desk", "hello"]);
    assert_eq!(shell.ok(&["message", "list", "--agent", "ann"]), "", "a turn of the group delivers no other mail");
    shell.ok(&["work", "--drain"]);
    let expected = "1 you: urgent\n2 ann: ann heard urgent\n3 you: first\n4 ann: ann heard first\n\
                    5 you: second\n6 ann: ann heard second\n";
    assert_eq!(shell.ok(&["message", "list", "--agent", "ann"]), expected);
    let list = |status: &str| shell.json(&["mail", "list", "--agent", "ann", "--status", status, "--json"]);
    assert_eq!(texts(&list("read")), ["urgent", "second", "first"]);
    let replies = list("delivered");
    assert_eq!(texts(&replies), ["ann heard second", "ann heard first", "ann heard urgent"]);
    for (reply, asked) in replies.as_array().unwrap().iter().zip(["second", "first", "urgent"]) {
        assert_eq!((&reply["from"], &reply["to"], &reply["type"]), (&"ann".into(), &Value::Null, &"reply".into()));
        let about = shell.json(&["mail", "show", reply["in_reply_to"].as_str().unwrap(), "--json"]);
        assert_eq!(about["text"], asked);
    }
    let opened = shell.ok(&["mail", "read", replies[0]["id"].as_str().unwrap()]);
    assert!(opened.contains("desk/ann") && opened.ends_with("ann heard second\n"), "{opened}");
    assert_eq!(texts(&list("delivered")).len(), 2);
    shell.folds();
}

#[test]
fn beside_an_owner_mail_goes_through_it_and_the_list_needs_no_lock_f8() {
    let shell = desk_with(&hanging());
    let work = shell.work();
    let said = shell.ok(&["mail", "send", "ann", "now"]);
    assert!(said.contains(" pending; desk/ann reads it as soon as it is free"), "{said}");
    let id = said.split_once(' ').unwrap().0.to_owned();
    let delivered = |shell: &Shell| (status(shell, &id) == "delivered").then_some(());
    shell.until("it is delivered", delivered);
    assert!(shell.refused(&["mail", "read", &id]).contains("reads it with its next step"));
    let second = send(&shell, "ann", "then");
    work.signal(Signal::KILL);
    work.wait();
    shell.write("script.toml", &script().to_toml());
    shell.ok(&["work", "--drain"]);
    assert_eq!((status(&shell, &id), status(&shell, &second)), ("read".to_owned(), "read".to_owned()));
    let talk = shell.ok(&["message", "list", "--agent", "ann"]);
    let words: Vec<&str> = talk.lines().filter(|line| !line.contains('[')).map(|line| &line[2..]).collect();
    assert_eq!(words, ["you: now", "ann: ann heard now", "you: then", "ann: ann heard then"], "once each: {talk}");
    shell.folds();
}

#[test]
fn a_list_is_read_while_another_program_holds_the_store() {
    let shell = desk_with(&hanging());
    let id = send(&shell, "ann", "later");
    let busy = shell.start(&["send", "desk", "hello", "--json"]);
    busy.line_with("delta");
    assert_eq!(texts(&shell.json(&["mail", "list", "--json"])), ["later"]);
    assert_eq!(status(&shell, &id), "pending");
    let refused = shell.refused(&["mail", "send", "bob", "hi"]);
    assert!(refused.contains("process"), "{refused}");
    busy.signal(Signal::INT);
    busy.wait();
    shell.folds();
}

#[test]
fn one_turn_delivers_what_it_waits_for_and_its_mail_is_in_its_events() {
    let shell = Shell::new();
    let call = "send_message_to_agent_and_wait_for_reply";
    let script = Script::of([When::agent("ann").step(1).asks("bob", "Is it so?")]).then(script());
    shell.write("script.toml", &script.to_toml());
    let ann = "name = \"ann\"\n";
    let team = shell.write("team.toml", &TEAM.replace(ann, &format!("{ann}tools = [\"{call}\"]\n")));
    shell.ok(&["apply", &team]);
    shell.ok(&["mail", "send", "bob", "not of this turn"]);
    let out = shell.ok(&["send", "desk", "@ann go", "--json"]);
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mail = events.iter().filter(|event| event["event"] == "mail");
    let told: Vec<String> = mail
        .map(|event| {
            let [from, to, kind, status, text] =
                ["from", "to", "type", "status", "text"].map(|key| event[key].as_str());
            format!("{} to {}: {} {} {:?}", from.unwrap(), to.unwrap(), kind.unwrap(), status.unwrap(), text.unwrap())
        })
        .collect();
    let expected = [
        "ann to bob: request pending \"Is it so?\"",
        "ann to bob: request delivered \"Is it so?\"",
        "ann to bob: request read \"Is it so?\"",
        "bob to ann: reply delivered \"bob heard Is it so?\"",
        "bob to ann: reply read \"bob heard Is it so?\"",
    ];
    assert_eq!(told, expected);
    assert!(out.contains("bob answered: bob heard Is it so?"), "{out}");
    assert_eq!(texts(&shell.json(&["mail", "list", "--status", "pending", "--json"])), ["not of this turn"]);
    shell.folds();
}
