//! Messages found and exported by the real program.

use crate::support::script::Script;
use crate::support::shell::Shell;
use serde_json::{Value, json};

/// A group of two that has talked about bees and a launch, and a direct talk with one of them.
fn talked() -> Shell {
    let shell = Shell::new();
    let script = shell.write("script.toml", &Script::always("{agent} heard {last}").to_toml());
    shell.ok(&["group", "create", "desk", "--type", "round_robin", "--member", "ann", "bob"]);
    for agent in ["desk/ann", "desk/bob"] {
        shell.ok(&["agent", "update", agent, "--model", &format!("scripted/{script}")]);
    }
    shell.ok(&["send", "desk", "Mira keeps bees."]);
    shell.ok(&["send", "--agent", "ann", "Do the bees swarm?"]);
    shell
}

/// Where a search finds something: of which conversation, its number there, and who said it.
fn found(shell: &Shell, arguments: &[&str]) -> Vec<(String, u64, Value)> {
    let all: Vec<&str> = ["message", "search", "--json"].iter().chain(arguments).copied().collect();
    let rows = shell.json(&all);
    let place =
        |row: &Value| (row["of"].as_str().unwrap().to_owned(), row["seq"].as_u64().unwrap(), row["agent"].clone());
    rows.as_array().unwrap().iter().map(place).collect()
}

#[test]
fn messages_are_found_by_words_speaker_role_conversation_and_time() {
    let shell = talked();
    let place = |of: &str, seq: u64, agent: Option<&str>| (of.to_owned(), seq, json!(agent));
    let (desk, ann) = ("desk", "desk/ann");
    assert_eq!(found(&shell, &["bees"]).len(), 5, "in all conversations");
    assert_eq!(found(&shell, &["swarm"]), [place(ann, 2, Some("ann")), place(ann, 1, None)], "newest first");
    assert_eq!(found(&shell, &["bees", "--by", "BOB"]), [place(desk, 3, Some("bob"))]);
    assert_eq!(found(&shell, &["bees", "--role", "user"]), [place(ann, 1, None), place(desk, 1, None)]);
    assert_eq!(found(&shell, &["bees", "--group", "desk"]).len(), 3);
    assert_eq!(found(&shell, &["bees", "--agent", "ann", "--role", "assistant"]), [place(ann, 2, Some("ann"))]);
    assert_eq!(found(&shell, &["bees", "--limit", "1"]), [place(ann, 2, Some("ann"))]);
    assert_eq!(found(&shell, &["bees", "--since", "2999-01-01"]), []);
    assert_eq!(found(&shell, &["bees", "--until", "2001-01-01"]), []);
    assert_eq!(found(&shell, &["bees", "--since", "2001-01-01", "--until", "2999-12-30"]).len(), 5);
    let line = shell.ok(&["message", "search", "swarm", "--role", "user"]);
    assert!(line.ends_with(" desk/ann 1 you: Do the bees swarm?\n"), "{line}");
    for (wrong, why) in [
        (&["x", "--since", "yesterday"][..], "--since: \"yesterday\" is no date: write 2026-05-03"),
        (&["x", "--group", "desks"][..], "desks"),
    ] {
        let all: Vec<&str> = ["message", "search"].iter().chain(wrong).copied().collect();
        assert!(shell.refused(&all).contains(why), "{wrong:?}");
    }
}

#[test]
fn a_conversation_is_exported_whole_as_markdown_and_as_json() {
    let shell = talked();
    let markdown = shell.ok(&["message", "export", "desk"]);
    let lines: Vec<&str> = markdown.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[0], "# desk");
    assert!(lines[1].starts_with("## 1 · you · 20") && lines[2] == "Mira keeps bees.", "{markdown}");
    assert!(lines[3].starts_with("## 2 · ann · 20") && lines[4] == "ann heard Mira keeps bees.", "{markdown}");
    let json = shell.ok(&["message", "export", "desk", "--format", "json"]);
    let all: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all.iter().map(|message| message["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(all[2]["content"], json!({"kind": "text", "text": "bob heard ann heard Mira keeps bees."}));
    shell.ok(&["group", "create", "silent", "--type", "round_robin", "--member", "cid"]);
    assert_eq!(shell.ok(&["message", "export", "silent"]), "# silent\n");
    assert!(shell.refused(&["message", "export", "nobody"]).contains("nobody"));
}
