//! F12: a person and agents edit one block at the same time. Every accepted edit is in the history, and the final text is
//! explained by them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use nightdesk::testing::domain::{Block, Change, Conflict, Editor};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request};
use nightdesk::testing::llm::{ChatModel, Delta, Done, ModelError, Prompt, Stop, ToolCall};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use crate::support::engine_harness::{Plan, World, agent_id, story};

const AGENTS: [&str; 4] = ["ann", "bob", "cid", "dan"];
const PERSON: &str = "you";
/// Edits of an agent in one turn.
const A_TURN: u32 = 40;
/// How long an agent thinks before each edit.
const THINKS: Duration = Duration::from_millis(20);

/// What came of the edits.
#[derive(Debug, Default)]
pub struct Edits {
    /// Edits that were accepted, of the agents and of the person.
    pub accepted: u64,
    /// Of these, those that the text does not show.
    pub lost: u64,
    /// Saves of the person that rested on an older version.
    pub stale: u64,
    /// Of these, those that were merged by themselves.
    pub merged: u64,
}

impl std::fmt::Display for Edits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accepted, lost, stale, merged } = self;
        let share = 100 * merged / stale.max(&1);
        write!(
            f,
            "{accepted} edits accepted, {lost} lost; {merged} of {stale} stale saves merged by themselves ({share} %)"
        )
    }
}

/// Counts an agent's own line up, again and again, and then ends its turn.
struct Counts;

impl ChatModel for Counts {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        let own = count(&prompt.memory[0].value, &prompt.agent);
        let done = if prompt.place.step <= A_TURN {
            let line = |count| format!("- {}: {count};", prompt.agent);
            let arguments = json!({ "label": "story", "old_str": line(own), "new_str": line(own + 1) });
            let call = ToolCall { id: format!("call-{own}"), name: "memory_replace".to_owned(), arguments };
            Done { stop: Stop::Calls, calls: vec![call], ..Done::default() }
        } else {
            Done::default()
        };
        let text = if done.calls.is_empty() { vec![Ok(Delta::Text("Counted.".to_owned()))] } else { Vec::new() };
        let answer = futures::stream::iter(text.into_iter().chain([Ok(Delta::Done(done))]));
        tokio::time::sleep(THINKS).map(|()| answer).flatten_stream().boxed()
    }
}

/// The first text: a line for each editor, with others between them, so that two editors change no neighbouring lines.
fn lines() -> String {
    let editors = AGENTS.iter().chain([&PERSON]);
    editors
        .map(|name| format!("- {name}: 0; marks 0\n  (of {name})\n  (and of nobody else)\n"))
        .collect::<Vec<_>>()
        .concat()
}

fn line_of<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(&format!("- {name}: "))).unwrap()
}

/// How far an editor has counted in this text.
fn count(text: &str, name: &str) -> u64 {
    let (count, _) = line_of(text, name).trim_start_matches(&format!("- {name}: ")).split_once(';').unwrap();
    count.parse().unwrap()
}

/// How many marks the person has made on the line of this editor.
fn marks(text: &str, name: &str) -> u64 {
    line_of(text, name).rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// The text with this line in the place of the editor's.
fn with_line(text: &str, name: &str, line: &str) -> String {
    text.replace(line_of(text, name), line)
}

/// Counts the person's own line up, or marks an agent's, on a version that others have left behind meanwhile. Returns how
/// often each was accepted.
async fn person(world: &World, saves: u64, edits: &mut Edits) -> BTreeMap<&'static str, u64> {
    let mut dice = StdRng::seed_from_u64(12);
    let mut accepted = BTreeMap::new();
    for _ in 0..saves {
        let Block { version: base, value, .. } = world.block(&story()).await;
        tokio::time::sleep(THINKS * dice.random_range(0..4) / 2).await;
        let (whose, line) = if dice.random_bool(0.7) {
            (PERSON, format!("- {PERSON}: {}; marks 0", count(&value, PERSON) + 1))
        } else {
            let name = AGENTS[dice.random_range(0..AGENTS.len())];
            (name, format!("- {name}: {}; marks {}", count(&value, name), marks(&value, name) + 1))
        };
        let save = Request::EditBlock { id: story(), base, value: with_line(&value, whose, &line), merge: true };
        let was_stale = u64::from(world.block(&story()).await.version > base);
        match world.ask(save).await {
            Ok(_) => {
                edits.stale += was_stale;
                edits.merged += was_stale;
                *accepted.entry(whose).or_default() += 1;
            }
            Err(fault) => {
                assert!(matches!(fault.conflict.as_deref(), Some(Conflict::Block { .. })), "{fault:?}");
                edits.stale += 1;
            }
        }
    }
    accepted
}

/// An agent's turns, one after the other.
async fn agent(world: &World, name: &str, turns: u64) {
    for _ in 0..turns {
        let to = Recipient::Agent(agent_id(name));
        let sent = world.ask(Request::Send { to, text: "Count on.".to_owned() }).await.unwrap();
        let Reply::Sent { run, .. } = sent else { panic!("{sent:?}") };
        world.finished(&run).await;
    }
}

/// Lets four agents edit, so often in all, and a person beside them.
pub async fn played(count_of_edits: u64) -> Edits {
    let turns = count_of_edits.div_ceil(5 * u64::from(A_TURN));
    let plan = Plan { chat: Some(Arc::new(Counts)), members: &AGENTS, yields: Some(12), ..Plan::default() };
    let world = World::new(plan).await;
    world.edit(|_| lines()).await;
    let first = world.block(&story()).await;
    let mut edits = Edits::default();
    let agents = futures::future::join_all(AGENTS.map(|name| agent(&world, name, turns)));
    let (_, by_person) = tokio::join!(agents, person(&world, turns * u64::from(A_TURN), &mut edits));
    explained(&world, &first, &by_person, &mut edits).await;
    world.close().await;
    edits
}

/// Checks that each version is the one before with the one line that its editor was told of as accepted, and counts.
async fn explained(world: &World, first: &Block, by_person: &BTreeMap<&str, u64>, edits: &mut Edits) {
    let mut by_agent: BTreeMap<String, u64> = BTreeMap::new();
    let mut text = first.value.clone();
    let mut version = first.version;
    for logged in world.store().log(0, usize::MAX >> 1).await.unwrap() {
        match logged.change {
            Change::CallMade(call) if call.tool == "memory_replace" => {
                assert!(call.ok, "{call:?}");
                *by_agent.entry(call.agent.as_str().trim_start_matches("agent-").to_owned()).or_default() += 1;
            }
            Change::BlockEdited(edit) if edit.version > first.version => {
                version += 1;
                assert_eq!(edit.version, version);
                let editors_line = |whose: &str| with_line(&text, whose, line_of(&edit.value, whose)) == edit.value;
                let is_explained = match &edit.editor {
                    Editor::Agent { name, .. } => {
                        editors_line(name) && count(&edit.value, name) == count(&text, name) + 1
                    }
                    _ => AGENTS.iter().chain([&PERSON]).any(|whose| editors_line(whose)),
                };
                assert!(is_explained, "version {version} is not an edit of version {}", version - 1);
                text = edit.value;
            }
            _ => {}
        }
    }
    let last = world.block(&story()).await;
    assert_eq!((last.version, &last.value), (version, &text), "the history ends with the text");
    for name in AGENTS {
        let (told, marked) = (by_agent[name], by_person.get(name).copied().unwrap_or_default());
        edits.accepted += told + marked;
        edits.lost += told.abs_diff(count(&text, name)) + marked.abs_diff(marks(&text, name));
    }
    let told = by_person[PERSON];
    edits.accepted += told;
    edits.lost += told.abs_diff(count(&text, PERSON));
}

#[tokio::test(start_paused = true)]
async fn f12_a_person_and_four_agents_edit_one_block_200_times_and_no_accepted_edit_is_lost() {
    let edits = played(200).await;
    println!("{edits}");
    assert_eq!(edits.lost, 0, "{edits}");
    assert!(edits.accepted > 150 && edits.stale > edits.merged && edits.merged > 0, "it is no race: {edits}");
}
