//! A text that is erased by the real program is in no file of the store any more, and the log still agrees with the rows.

use std::path::Path;

use crate::support::script::{Script, When};
use crate::support::shell::Shell;
use serde_json::{Value, json};

const SECRET: &str = "the \"code\" is\n4711-Lucerne";

/// True if the bytes of any file below this directory have this text.
fn is_on_disk(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_on_disk(&path, text);
        }
        let is_script = path.extension().is_some_and(|ending| ending == "toml");
        let bytes = std::fs::read(&path).unwrap_or_default();
        !is_script && bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

/// A group that has said and noted the secret, and a backup of its store.
fn desk() -> Shell {
    let shell = Shell::new();
    let script = Script::of([
        When::agent("ann").step(1).turn(1).inserts("notes", SECRET),
        When::agent("ann").step(2).turn(1).text(&format!("I noted that {SECRET}.")),
    ]);
    let script = shell.write("script.toml", &script.otherwise("{agent} speaks").to_toml());
    shell.ok(&["group", "create", "desk", "--type", "round_robin", "--member", "ann", "bob"]);
    for agent in ["desk/ann", "desk/bob"] {
        shell.ok(&["agent", "update", agent, "--model", &format!("scripted/{script}")]);
    }
    shell.ok(&["block", "create", "desk", "notes", "--text", "one line of the notes that is long"]);
    shell.ok(&["send", "desk", &format!("Remember: {SECRET}, please.")]);
    shell.ok(&["mail", "send", "bob", &format!("Ann says {}", SECRET.to_uppercase())]);
    shell.ok(&["backup"]);
    shell.run_with("short\n", &["block", "set", "desk", "notes"]);
    shell
}

fn store_dir(shell: &Shell) -> std::path::PathBuf {
    shell.store().parent().unwrap().to_owned()
}

#[test]
fn a_text_is_erased_from_blocks_versions_messages_mail_log_search_and_backups_and_the_replay_is_still_true() {
    let shell = desk();
    let erase = |arguments: &[&str]| {
        let ended = shell.run_with_bytes(SECRET.as_bytes(), &[&["erase", "-", "--json"], arguments].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    let preview = erase(&[]);
    assert_eq!((&preview["erased"], preview["files"].as_array().unwrap().len()), (&json!(false), 2));
    let rows = &preview["files"][0]["rows"];
    for (noun, count) in [("version of a block", 1), ("message", 3), ("mail", 1)] {
        assert_eq!(rows[noun], count, "{rows}");
    }
    assert!(is_on_disk(&store_dir(&shell), "4711-Lucerne"), "a preview changes nothing");
    let done = erase(&["--yes"]);
    assert_eq!((&done["erased"], &done["files"][0]["rows"]), (&json!(true), rows));
    assert!(!done["files"][1]["rows"].as_object().unwrap().is_empty(), "{done}");
    let left = ["4711-Lucerne", "4711-LUCERNE"].map(|text| is_on_disk(&store_dir(&shell), text));
    assert_eq!(left, [false; 2], "not in the store, its log, its index or its backup");
    assert_eq!(erase(&["--yes"])["erased"], false, "there is nothing left");
    shell.folds();
    let messages = shell.ok(&["message", "list", "desk"]);
    assert!(messages.contains("Remember: ███, please."), "{messages}");
    let old = shell.json(&["block", "show", "desk", "notes", "--version", "2", "--json"]);
    assert_eq!(old["value"], "one line of the notes that is long\n███");
    // What is left is found, and the store goes on.
    shell.ok(&["send", "desk", "go on"]);
    let backups: Vec<_> = std::fs::read_dir(store_dir(&shell).join("backups")).unwrap().flatten().collect();
    shell.ok(&["restore", backups[0].path().to_str().unwrap()]);
    shell.folds();
    assert!(!is_on_disk(&store_dir(&shell), "4711-Lucerne"));
}

#[test]
fn a_block_is_erased_with_all_its_versions_and_its_longer_lines_wherever_they_are() {
    let shell = desk();
    let done = shell.json(&["erase", "--block", "desk/notes", "--yes", "--json"]);
    assert_eq!(done["erased"], true);
    for version in ["1", "2", "3"] {
        let old = shell.json(&["block", "show", "desk", "notes", "--version", version, "--json"]);
        assert_eq!(old["value"], "", "v{version}");
    }
    assert!(!is_on_disk(&store_dir(&shell), "one line of the notes that is long"));
    assert!(!is_on_disk(&store_dir(&shell), "4711-Lucerne"));
    shell.folds();
    shell.ok(&["send", "desk", "go on"]);
}

#[test]
fn a_block_is_erased_out_of_the_changes_that_can_be_taken_back_and_they_still_can() {
    let shell = Shell::new();
    shell.ok(&["group", "create", "desk", "--type", "round_robin", "--member", "ann"]);
    shell.ok(&["block", "create", "desk", "notes", "--text", "pin 9183"]);
    // Once in the log only, once in a row: too short to be sought wherever else it is.
    shell.ok(&["group", "delete", "desk", "--yes"]);
    shell.ok(&["undo", "--yes"]);
    let team = "[group]\nname = \"desk\"\nmembers = [\"ann\"]\nshared_blocks = [\"notes\"]\n\n\
                [[block]]\nlabel = \"notes\"\ndescription = \"new\"\n\n[[agent]]\nname = \"ann\"\n";
    let team = shell.write("team.toml", team);
    shell.ok(&["apply", &team]);
    assert!(is_on_disk(&store_dir(&shell), "pin 9183"));
    let done = shell.json(&["erase", "--block", "desk/notes", "--yes", "--json"]);
    assert_eq!((&done["erased"], &done["files"][0]["rows"]["change of the roster"]), (&json!(true), &json!(1)));
    assert!(!is_on_disk(&store_dir(&shell), "pin 9183"));
    shell.folds();
    shell.ok(&["undo", "--yes"]);
    let block = shell.json(&["block", "show", "desk", "notes", "--json"]);
    assert_eq!((&block["value"], &block["description"]), (&json!(""), &json!("")));
    shell.folds();
}

#[test]
fn a_backup_that_a_program_has_open_as_its_store_is_named_and_left() {
    let shell = desk();
    let backup = std::fs::read_dir(store_dir(&shell).join("backups")).unwrap().flatten().next().unwrap().path();
    let mut work = shell.start(&["--store", backup.to_str().unwrap(), "work"]);
    let lock = format!("{}.lock", backup.display());
    let signed = |_: &Shell| std::fs::read_to_string(&lock).ok().filter(|text| !text.is_empty());
    shell.until("work owns the backup", signed);
    let report = shell.json(&["erase", "4711-Lucerne", "--yes", "--json"]);
    work.child.kill().unwrap();
    work.child.wait().unwrap();
    let why = report["files"][1]["not_touched"].as_str().unwrap();
    assert!(why.contains("another program has the store open"), "{report}");
    assert!(!report["files"][0]["rows"].as_object().unwrap().is_empty());
}

#[test]
fn what_cannot_be_erased_is_refused_with_a_sentence_and_nothing_is_changed() {
    let shell = desk();
    let sentence = shell.refused(&["erase", "4", "--yes"]);
    assert!(sentence.contains("is too short to be erased everywhere"), "{sentence}");
    let sentence = shell.refused(&["erase", "desk", "--yes"]);
    assert!(sentence.contains("the text is part of"), "{sentence}");
    let sentence = shell.refused(&["erase", "--block", "desk/other", "--yes"]);
    assert!(sentence.contains("there is no block"), "{sentence}");
    let mut work = shell.work();
    let sentence = shell.refused(&["erase", "4711-Lucerne", "--yes"]);
    assert!(sentence.contains(&format!("process {} has the store open", work.child.id())), "{sentence}");
    work.child.kill().unwrap();
    work.child.wait().unwrap();
    // A copy that an older version made is named and left.
    std::fs::write(format!("{}.v1", shell.store().display()), "no store").unwrap();
    let told = shell.ok(&["erase", "4711-Lucerne", "--yes"]);
    assert!(told.contains(".v1: not touched:"), "{told}");
    shell.folds();
}
