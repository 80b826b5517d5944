//! Triggers by the real program: from a team file over an event to a job, and what `group show` tells of them.

use crate::support::script::{Script, When};
use crate::support::shell::Shell;
use serde_json::json;

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
[[agent]]
name = "ann"
model = "scripted/script.toml"
[[agent]]
name = "keeper"
model = "scripted/script.toml"
[[agent]]
name = "critic"
model = "scripted/script.toml"
"#;

#[test]
fn an_event_becomes_a_job_of_its_agent_and_the_group_tells_what_came_of_it() {
    let shell = Shell::new();
    let script = Script::of([When::agent("ann").text("Ann heard it."), When::in_job().finishes()]);
    shell.write("script.toml", &script.to_toml());
    let team = shell.write("team.toml", TEAM);
    shell.ok(&["apply", &team]);
    assert_eq!(shell.ok(&["apply", &team]).trim(), "nothing to change");
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
