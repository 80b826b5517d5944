//! The whole program with a real model.

use crate::support::real_model::RealModel;
use crate::support::shell::Shell;

/// Two that speak and one in the background, who works after every turn.
const TEAM: &str = r#"
[group]
name = "desk"
manager_type = "round_robin"
members = ["ann", "bob"]
shared_blocks = ["notes"]
[group.sleeptime]
agents = ["keeper"]
every_turns = 1
[[block]]
label = "notes"
value = "The launch is on 3 May."
[[agent]]
name = "ann"
persona = "I answer in one short sentence."
max_tokens = 80
[[agent]]
name = "bob"
persona = "I doubt what ann says, in one short sentence."
max_tokens = 80
[[agent]]
name = "keeper"
persona = "I keep notes in one line."
max_steps = 2
max_tokens = 120
"#;

/// Turns of the conversation; what a small model says is not judged.
const TURNS: usize = 5;

#[test]
#[ignore = "needs a server with a model, named in NIGHTDESK_REAL_MODEL"]
fn a_conversation_with_a_real_model_never_breaks() {
    let Some(model) = RealModel::from_env() else { return };
    let shell = Shell::new();
    std::fs::create_dir_all(shell.path("config/nightdesk")).unwrap();
    shell.write("config/nightdesk/config.toml", &model.config());
    let team = shell.write("team.toml", TEAM);
    shell.ok(&["apply", &team]);
    for turn in 1..=TURNS {
        let sent = shell.run(&["send", "desk", &format!("Question {turn}: what do we print on 3 May?")]);
        assert_eq!(sent.code, Some(0), "turn {turn}: {sent:?}");
        println!("{}", sent.out);
    }
    let jobs = shell.run(&["work", "--drain"]);
    println!("{}{}", jobs.out, jobs.err);
    let messages = shell.json(&["message", "list", "desk", "--json"]);
    let asked = messages
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["text"].as_str().is_some_and(|text| text.starts_with("Question ")));
    assert_eq!(asked.count(), TURNS, "{messages}");
    shell.folds();
}
