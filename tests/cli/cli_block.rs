//! Blocks made, changed and looked into by the real program.

use crate::support::script::{Script, When};
use crate::support::shell::Shell;
use serde_json::{Value, json};

/// A group of two on a script; ann notes a line in her first step.
fn desk() -> Shell {
    let shell = Shell::new();
    let script = Script::of([When::agent("ann").step(1).turn(1).inserts("notes", "- from ann")]);
    let script = shell.write("script.toml", &script.otherwise("{agent} speaks").to_toml());
    shell.ok(&["group", "create", "desk", "--type", "round_robin", "--member", "ann", "bob"]);
    for agent in ["desk/ann", "desk/bob"] {
        shell.ok(&["agent", "update", agent, "--model", &format!("scripted/{script}")]);
    }
    shell
}

fn block(shell: &Shell, arguments: &[&str]) -> Value {
    shell.json(&[&["block"], arguments, &["--json"]].concat())
}

#[test]
fn a_block_is_made_changed_and_deleted_and_each_command_tells_whom_it_touches() {
    let shell = desk();
    let told = shell.ok(&["block", "create", "desk", "notes", "--text", "one", "--dry-run"]);
    assert_eq!(told, "the group desk shares the new block notes: desk/ann, desk/bob\n");
    assert_eq!(shell.json(&["block", "list", "--json"]), json!([]));
    let input = ["block", "create", "desk", "notes", "--text", "-", "--description", "What was said", "--json"];
    let made = shell.run_with("one\ntwo\n", &input);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    assert_eq!((&made["done"], &made["label"], &made["version"]), (&json!(true), &json!("notes"), &json!(1)));
    let row = block(&shell, &["show", "desk", "notes"]);
    assert_eq!((&row["value"], &row["description"]), (&json!("one\ntwo"), &json!("What was said")));
    shell.ok(&["block", "create", "--agent", "bob", "diary"]);

    let told = shell.ok(&["block", "configure", "desk", "notes", "--read-only", "--limit", "50", "--tags", "a,b"]);
    assert!(told.contains("agents may no longer edit it: desk/ann, desk/bob"), "{told}");
    let row = block(&shell, &["show", "desk", "notes"]);
    let set = (&row["read_only"], &row["limit"], &row["tags"], &row["description"]);
    assert_eq!(set, (&json!(true), &json!(50), &json!(["a", "b"]), &json!("What was said")));
    let told = block(&shell, &["configure", "desk", "notes", "--read-only", "false", "--tags", "none"]);
    assert_eq!(told["done"], true);
    assert_eq!(block(&shell, &["show", "desk", "notes"])["tags"], json!([]));
    let sentence = shell.refused(&["block", "configure", "desk", "notes"]);
    assert!(sentence.contains("say what to change"), "{sentence}");

    let rename = ["block", "rename", "desk", "notes", "--to", "facts"];
    let ended = shell.run(&rename);
    assert!(ended.err.contains("nothing was changed; add --yes to rename"), "{ended:?}");
    assert_eq!(ended.out, "the block notes is called facts from now on, for desk/ann, desk/bob\n");
    assert_eq!(block(&shell, &["show", "desk", "notes"])["label"], "notes");
    shell.ok(&[&rename[..], &["--yes"]].concat());
    let sentence = shell.refused(&["block", "rename", "desk", "facts", "--to", "Diary", "--yes"]);
    assert!(sentence.contains("agent bob would have two blocks with the label"), "{sentence}");

    shell.ok(&["group", "create", "other", "--type", "round_robin", "--member", "eva"]);
    let told = shell.ok(&["block", "attach", "desk", "facts", "--to-group", "other"]);
    assert_eq!(told, "other shares the block facts: other/eva\n");
    let told = shell.ok(&["block", "detach", "desk", "facts", "--from-group", "desk", "--yes"]);
    assert_eq!(told, "desk has the block facts no longer; desk/ann, desk/bob lose it\nother/eva still has it\n");
    let told = shell.ok(&["block", "delete", "desk", "facts"]);
    assert!(told.starts_with("the block facts (7 characters) is deleted: other/eva loses it\n"), "{told}");
    let gone = block(&shell, &["delete", "desk", "facts", "--yes"]);
    assert_eq!((&gone["done"], &gone["id"]), (&json!(true), &Value::Null));
    let sentence = shell.refused(&["block", "show", "desk", "facts"]);
    assert!(sentence.contains("desk has no blocks of its own"), "{sentence}");
    shell.folds();
}

#[test]
fn what_is_no_text_no_label_or_too_long_is_refused_with_a_sentence_and_writes_nothing() {
    let shell = desk();
    shell.ok(&["block", "create", "desk", "Zoë", "--text", "one"]);
    let create = |label: &str| shell.refused(&["block", "create", "desk", label]);
    assert!(create("ZOË").contains("already, which differs only in case or in Unicode form"));
    assert!(create("zoe\u{308}").contains("already, which differs only in case or in Unicode form"));
    assert!(create("no label").contains("is not a valid block label"));
    let set = |input: &[u8]| {
        let ended = shell.run_with_bytes(input, &["block", "set", "desk", "Zoë"]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        ended.err
    };
    let sentence = set(b"good\xff\xfe");
    assert!(sentence.contains("is not UTF-8: byte 5 begins no letter"), "{sentence}");
    let sentence = set(b"a\0b");
    assert!(sentence.contains("its text has a NUL at character 2, which no text has; remove it"), "{sentence}");
    let sentence = set(&vec![b'x'; 10 << 20]);
    assert!(sentence.contains("Zoë holds 20000 characters, and the new text has more"), "{sentence}");
    let sentence = set(&vec![b'x'; 20_001]);
    assert!(sentence.contains("20001 characters are over its limit of 20000"), "{sentence}");
    let sentence = shell.refused(&["block", "create", "desk", "long", "--limit", "3", "--text", "four"]);
    assert!(sentence.contains("4 characters are over its limit of 3"), "{sentence}");
    let file = shell.write("bad.txt", "");
    std::fs::write(&file, b"\xff").unwrap();
    let sentence = shell.refused(&["block", "create", "desk", "bad", "--text-file", &file]);
    assert!(sentence.contains("cannot be read from"), "{sentence}");
    assert_eq!(block(&shell, &["show", "desk", "Zoë"])["version"], 1);
    assert_eq!(shell.json(&["block", "list", "--json"]).as_array().unwrap().len(), 1);
    shell.folds();
}

#[test]
fn the_history_of_a_block_is_listed_compared_blamed_and_restored() {
    let shell = desk();
    shell.ok(&["block", "create", "desk", "notes", "--text", "one\ntwo"]);
    shell.ok(&["send", "desk", "note it"]);
    shell.run_with("one\nTWO\n- from ann\n", &["block", "set", "desk", "notes"]);
    let versions = block(&shell, &["history", "desk", "notes"]);
    let told: Vec<[&Value; 4]> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|one| [&one["version"], &one["editor"], &one["reason"], &one["message"]])
        .collect();
    let [three, two, one] = [json!(3), json!(2), json!(1)];
    let [you, ann, edited] = [json!("you"), json!("ann"), json!("edited")];
    let [inserted, created] = [json!("memory_insert"), json!("created")];
    let none = Value::Null;
    assert_eq!(told, [[&three, &you, &edited, &none], [&two, &ann, &inserted, &one], [&one, &you, &created, &none]]);
    assert_eq!(versions[1]["conversation_of"], "desk");
    let table = shell.run(&["block", "history", "desk", "notes", "--limit", "2"]);
    assert!(table.out.contains("memory_insert") && table.out.contains("desk 1"), "{}", table.out);
    assert!(table.err.contains("older versions: --before 2"), "{}", table.err);

    let diff = shell.ok(&["block", "diff", "desk", "notes"]);
    assert_eq!(diff, "--- notes v2\n+++ notes v3\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n - from ann\n");
    let diff = block(&shell, &["diff", "desk", "notes", "--from", "3", "--to", "1"]);
    assert!(diff["diff"].as_str().unwrap().contains("-- from ann\n"), "{diff}");
    let sentence = shell.refused(&["block", "diff", "desk", "notes", "--to", "9"]);
    assert!(sentence.ends_with("notes has no version 9; its versions go from 1 to 3"), "{sentence}");

    let lines = block(&shell, &["blame", "desk", "notes"]);
    let by: Vec<(&Value, &Value)> =
        lines.as_array().unwrap().iter().map(|line| (&line["version"], &line["editor"])).collect();
    assert_eq!(by, [(&one, &you), (&three, &you), (&two, &ann)]);
    let table = shell.ok(&["block", "blame", "desk", "notes"]);
    assert!(table.lines().nth(3).unwrap().ends_with("3     - from ann"), "{table}");

    let known = |message: &str| block(&shell, &["show", "desk", "notes", "--as-of", message])["version"].clone();
    assert_eq!((known("1"), known("3")), (json!(1), json!(2)), "before ann's edit, and after it");
    assert_eq!(block(&shell, &["show", "desk", "notes", "--version", "1"])["value"], "one\ntwo");
    let sentence = shell.refused(&["block", "show", "desk", "notes", "--as-of", "99"]);
    assert!(sentence.contains("there is no message 99"), "{sentence}");

    let stale = shell.run(&["block", "restore", "desk", "notes", "--version", "1", "--expect-version", "2"]);
    assert_eq!(stale.code, Some(1));
    assert!(stale.err.contains("notes is at version 3 by you"), "{}", stale.err);
    let restored = block(&shell, &["restore", "desk", "notes", "--version", "1"]);
    assert_eq!((&restored["version"], &restored["value"]), (&json!(4), &json!("one\ntwo")));
    assert_eq!(block(&shell, &["history", "desk", "notes", "--limit", "1"])[0]["reason"], "restored v1");
    shell.folds();
}

#[test]
fn access_is_listed_granted_asked_for_in_the_inbox_and_revoked() {
    let shell = Shell::new();
    let ask = json!({"label": "notes", "level": "read_write", "reason": "to note dates"});
    let script = Script::of([When::agent("ann").step(1).turn(1).call("request_block_access", ask)]);
    let script = shell.write("script.toml", &script.otherwise("{agent} speaks").to_toml());
    let team = shell.write(
        "team.toml",
        &format!(
            "[group]\nname = \"desk\"\nmembers = [\"ann\", \"bob\"]\nshared_blocks = [\"notes\"]\n\
             roles = {{ bob = \"editor\" }}\n\n[[block]]\nlabel = \"notes\"\nlocal_only = true\n\
             access = {{ ann = \"none\", editor = \"admin\" }}\n\n\
             [[agent]]\nname = \"ann\"\nmodel = \"scripted/{script}\"\n\n[[agent]]\nname = \"bob\"\nmodel = \"scripted/{script}\"\n"
        ),
    );
    shell.ok(&["apply", &team]);
    assert!(shell.ok(&["apply", &team]).contains("nothing to change"));
    let levels = |shell: &Shell| -> Vec<String> {
        let access = block(shell, &["access", "list", "desk", "notes"]);
        let agents = access["agents"].as_array().unwrap().iter();
        agents.map(|has| format!("{} {}", has["agent"].as_str().unwrap(), has["level"].as_str().unwrap())).collect()
    };
    assert_eq!(levels(&shell), ["desk/ann none", "desk/bob admin"]);
    assert_eq!(block(&shell, &["show", "desk", "notes"])["local_only"], true);

    shell.ok(&["send", "desk", "hello"]);
    let open = shell.json(&["inbox", "list", "--json"]);
    let id = open[0]["id"].as_str().unwrap().to_owned();
    assert!(shell.ok(&["inbox", "show", &id]).contains("to note dates"));
    shell.ok(&["inbox", "approve", &id]);
    assert_eq!(levels(&shell), ["desk/ann read_write", "desk/bob admin"]);

    let revoke = ["block", "access", "revoke", "desk", "notes", "--of-agent", "ann", "--reason", "done"];
    assert!(shell.ok(&[&revoke[..], &["--dry-run"]].concat()).starts_with("the rule about desk/ann is removed"));
    shell.ok(&revoke);
    assert!(shell.refused(&revoke).contains("has no rule about desk/ann"));
    let told = shell.ok(&["block", "access", "grant", "desk", "notes", "--of-everybody", "--level", "read"]);
    assert_eq!(told, "everybody may read it: the block notes\ndesk/ann may read it from now on\n");
    let wrong = shell.run(&["block", "access", "grant", "desk", "notes", "--of-everybody", "--level", "write"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("use one of none, read, read_write, admin"), "{}", wrong.err);
    // The file sets its rules anew where its table says them.
    let told = shell.ok(&["apply", &team]);
    assert!(told.contains("~ block notes: access of * → no rule\n~ block notes: access of ann → none"), "{told}");
    assert_eq!(levels(&shell), ["desk/ann none", "desk/bob admin"]);
    shell.folds();
}

#[test]
fn the_audit_tells_reads_edits_refusals_requests_decisions_and_settings_with_their_values() {
    let shell = Shell::new();
    let ask = json!({"label": "notes", "level": "read_write", "reason": "to note dates"});
    let script = Script::of([
        When::agent("ann").step(1).turn(1).inserts("notes", "- too early").call("request_block_access", ask),
        When::agent("ann").step(2).turn(1).inserts("notes", "- from ann"),
    ]);
    let script = shell.write("script.toml", &script.otherwise("{agent} speaks").to_toml());
    shell.ok(&["group", "create", "desk", "--type", "round_robin", "--member", "ann", "bob"]);
    for agent in ["desk/ann", "desk/bob"] {
        shell.ok(&["agent", "update", agent, "--model", &format!("scripted/{script}")]);
    }
    shell.ok(&["block", "create", "desk", "notes", "--text", "one"]);
    shell.ok(&["block", "access", "grant", "desk", "notes", "--of-agent", "ann", "--level", "read", "--reason", "new"]);
    shell.ok(&["send", "desk", "hello"]);
    let id = shell.json(&["inbox", "list", "--json"])[0]["id"].as_str().unwrap().to_owned();
    shell.ok(&["inbox", "approve", &id]);
    shell.ok(&["work", "--drain"]);
    shell.ok(&["group", "update", "desk", "--max-turns", "3"]);
    shell.ok(&["block", "configure", "desk", "notes", "--limit", "500"]);

    let audit = |arguments: &[&str]| -> Vec<Value> {
        let lines = shell.ok(&[&["audit", "--json"], arguments].concat());
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let told = |arguments: &[&str]| -> Vec<String> {
        let short = |one: Value| format!("{} {}", one["by"].as_str().unwrap(), one["text"].as_str().unwrap());
        audit(arguments).into_iter().map(short).collect()
    };
    let edit = &audit(&["--kind", "edit"])[0];
    assert_eq!((&edit["by"], &edit["before"]), (&json!("desk/ann"), &json!("one")));
    assert_eq!((&edit["after"], &edit["reason"]), (&json!("one\n- from ann"), &json!("memory_insert")));
    assert_eq!(edit["blocks"][0]["label"], "notes");
    let refusal = &audit(&["--kind", "refusal"])[0];
    assert_eq!(refusal["text"], "was refused memory_insert");
    assert!(refusal["reason"].as_str().unwrap().contains("you may read block notes and not edit it"), "{refusal}");
    assert_eq!(
        told(&["--kind", "request,decision"]),
        ["you approved request_block_access", "desk/ann asks for a decision about request_block_access"]
    );
    let access = audit(&["--kind", "access", "--block", "notes"]);
    let values: Vec<(&Value, &Value, &Value)> =
        access.iter().map(|one| (&one["before"], &one["after"], &one["reason"])).collect();
    let [no_rule, read, read_write] = [json!("no rule"), json!("read"), json!("read_write")];
    let [asked, new] = [json!("asked for it: to note dates"), json!("new")];
    assert_eq!(values, [(&read, &read_write, &asked), (&no_rule, &read, &new)]);
    let group = &audit(&["--kind", "group"])[0];
    assert_eq!((&group["text"], &group["after"]), (&json!("changed the group desk"), &json!("max_turns: 3")));
    let block = &audit(&["--kind", "block", "--block", "desk/notes"])[0];
    assert_eq!((&block["before"], &block["after"]), (&json!("limit: 20000"), &json!("limit: 500")));
    assert!(audit(&["--kind", "read"]).iter().all(|one| one["blocks"][0]["label"] == "notes"));
    assert_eq!(audit(&["--search", "TO NOTE DATES"]).len(), 4, "request, its call, decision, access");
    assert!(told(&["--agent", "bob"]).iter().all(|one| one.contains("bob")), "{:?}", told(&["--agent", "bob"]));
    assert_eq!(audit(&["--since", "2100-01-01"]).len(), 0);
    assert_eq!(audit(&["--since", "1h", "--limit", "2"]).len(), 2);

    let summary = shell.json(&["audit", "--summary", "--json"]);
    assert_eq!(summary["by"]["desk/ann"]["edit"], 1);
    assert_eq!(summary["blocks"]["notes"]["access"], 2);
    assert_eq!(summary["entries"].as_u64().unwrap(), audit(&[]).len() as u64);
    let table = shell.ok(&["audit", "--summary"]);
    assert!(table.contains("you") && table.contains("1 edit"), "{table}");
    let table = shell.run(&["audit", "--limit", "1"]);
    assert!(table.out.contains("configured the block notes") && table.err.contains("raise --limit"), "{table:?}");
    let sentence = shell.refused(&["audit", "--block", "nots"]);
    assert!(sentence.contains("there is no block \"nots\""), "{sentence}");
    let wrong = shell.run(&["audit", "--kind", "reads"]);
    assert_eq!(wrong.code, Some(2));
    // What comes back with a group that was deleted is told, too.
    shell.ok(&["group", "delete", "desk", "--yes"]);
    shell.ok(&["undo", "--yes"]);
    let back = &audit(&["--kind", "block", "--block", "desk/notes"])[0];
    assert_eq!((&back["by"], &back["text"]), (&json!("you"), &json!("brought back the block notes")));
    assert_eq!(back["after"], "one\n- from ann");
    shell.ok(&["block", "configure", "desk", "notes", "--limit", "600"]);
    let block = &audit(&["--kind", "block", "--block", "desk/notes"])[0];
    assert_eq!((&block["before"], &block["after"]), (&json!("limit: 500"), &json!("limit: 600")));
    shell.folds();
}
