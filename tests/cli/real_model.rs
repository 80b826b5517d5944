//! The whole program with a real model.

use super::TEAM;
use crate::support::real_model::RealModel;
use crate::support::shell::Shell;

/// The team of the other tests on the real model, with short answers and a job after every turn.
fn team() -> String {
    TEAM.replace("model = \"scripted/script.toml\"", "max_tokens = 80\nmax_steps = 2")
        .replace("every_turns = 2", "every_turns = 1")
}

/// Turns of the conversation; what a small model says is not judged.
const TURNS: usize = 5;

#[test]
#[ignore = "needs a server with a model, named in NIGHTDESK_REAL_MODEL"]
fn a_conversation_with_a_real_model_never_breaks() {
    let Some(model) = RealModel::from_env() else { return };
    let shell = Shell::new();
    std::fs::create_dir_all(shell.path("config/nightdesk")).unwrap();
    shell.write("config/nightdesk/config.toml", &model.config());
    let team = shell.write("team.toml", &team());
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
