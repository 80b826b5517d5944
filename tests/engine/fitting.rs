//! What a prompt shows of a conversation that is too long for it: what the turn is about, then what is newest.

use nightdesk::testing::domain::{Block, ManagerType};
use nightdesk::testing::engine::protocol::{Recipient, Request};
use nightdesk::testing::llm::{Prompt, PromptMessage};

use crate::support::engine_harness::{Plan, World, agent_id};
use crate::support::script::{Script, When};

/// Far more than any prompt of these tests may have.
const LARGE: usize = 130_000;

/// The texts of others in the prompt.
fn heard(prompt: &Prompt) -> Vec<&str> {
    let texts = prompt.entries.iter().filter_map(|entry| match entry {
        PromptMessage::User { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn notes(prompt: &Prompt) -> Vec<&str> {
    let texts = prompt.entries.iter().filter_map(|entry| match entry {
        PromptMessage::System { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn results(prompt: &Prompt) -> Vec<&str> {
    let texts = prompt.entries.iter().filter_map(|entry| match entry {
        PromptMessage::ToolResult { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// The prompt as a provider's cache compares it.
fn whole(prompt: &Prompt) -> String {
    let entries = prompt.entries.iter().map(|entry| format!("\n{entry:?}"));
    prompt.system_text() + &entries.collect::<String>()
}

/// Steps that call `memory_insert` so often.
fn inserts(agent: &str, step: u32, times: usize) -> When {
    (0..times).fold(When::agent(agent).step(step), |when, at| when.inserts("story", &format!("- fact {step} {at}")))
}

#[tokio::test(start_paused = true)]
async fn a_pasted_document_is_seen_by_every_member_in_every_step() {
    let script = Script::of([inserts("ann", 1, 1)]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann", "bob"], ..Plan::default() }).await;
    world.send("an earlier turn").await;
    let document = format!("SUMMARISE THIS: {} THE END", "lorem ipsum dolor. ".repeat(9_000));
    world.send(&document).await;
    for (agent, at) in [("ann", 2), ("ann", 3), ("bob", 1)] {
        let prompt = &world.asked_of(agent)[at];
        let question = heard(prompt).into_iter().find(|text| text.contains("SUMMARISE THIS")).unwrap();
        assert!(question.contains("characters are left out here") && question.ends_with("THE END"), "{agent} {at}");
        assert!((60_000..LARGE).contains(&question.len()), "{}", question.len());
        assert!(whole(prompt).len() < LARGE);
    }
    world.send("what did it say?").await;
    let next = world.asked_of("bob").pop().unwrap();
    assert!(heard(&next).iter().any(|text| text.contains("SUMMARISE THIS")), "a later turn still has its beginning");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn tool_calls_of_others_take_no_room() {
    let script = Script::of([inserts("ann", 1, 6)]).otherwise("{agent} speaks");
    let world = World::new(Plan { script, members: &["ann", "bob"], ..Plan::default() }).await;
    world.edit(|_| "x".repeat(19_000)).await;
    world.send("an earlier turn").await;
    world.send("WHAT IS THE LAUNCH DATE?").await;
    for agent in ["ann", "bob"] {
        for prompt in &world.asked_of(agent)[2..] {
            assert!(heard(prompt).contains(&"WHAT IS THE LAUNCH DATE?"), "{agent}: {prompt:?}");
        }
    }
    let bob = world.asked_of("bob").pop().unwrap();
    assert_eq!(heard(&bob)[0], "an earlier turn");
    assert_eq!(notes(&bob), Vec::<&str>::new(), "nothing is left out of what it sees");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_keeps_the_question_and_a_part_of_every_long_answer() {
    let script = Script::of([
        When::agent("boss").step(1).delegates(&[("ann", "report"), ("bob", "report"), ("cid", "be brief")]),
        When::agent("boss").text("done"),
        When::agent("cid").text("It is on 9 May."),
    ])
    .or(When::any().text("{agent}-word-abcdef-").repeat(2_500).chunk(40_000));
    let plan = Plan { script, manager_type: ManagerType::Supervisor, manager: Some("boss"), ..Plan::default() };
    let world = World::new(Plan { tools: &[], ..plan }).await;
    world.send("WHAT IS THE LAUNCH DATE?").await;
    let boss = &world.asked_of("boss")[1];
    assert!(heard(boss).contains(&"WHAT IS THE LAUNCH DATE?"));
    let [answers] = results(boss)[..] else { panic!("{boss:?}") };
    assert!((15_000..50_000).contains(&answers.len()), "{}", answers.len());
    for part in ["ann answered: ann-word", "bob answered: bob-word", "cid answered: It is on 9 May."] {
        assert!(answers.contains(part), "{part}");
    }
    assert_eq!(answers.matches("characters are left out here").count(), 2, "the short one is whole");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_job_and_a_long_speech_shorten_what_their_first_steps_got() {
    let steps = |agent: &'static str| (1..=12).map(move |step| inserts(agent, step, 4));
    let script = Script::of(steps("cleo").chain([When::in_job().finishes()]).chain(steps("ann"))).otherwise("so it is");
    let plan = Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), ..Plan::default() };
    let world = World::new(Plan { max_steps: Some(50), ..plan }).await;
    world.edit(|_| "x".repeat(18_000)).await;
    world.send("GO ON").await;
    world.job_over().await;
    for agent in ["ann", "cleo"] {
        let prompts = world.asked_of(agent);
        assert_eq!(prompts.len(), 13, "{agent}");
        for prompt in &prompts {
            let size = whole(prompt).len();
            assert!(size < LARGE, "{agent}: {size}");
            assert!(heard(prompt).contains(&"GO ON"), "{agent}");
            let calls = prompt.entries.iter().map(|entry| match entry {
                PromptMessage::Assistant { calls, .. } => calls.len(),
                _ => 0,
            });
            assert_eq!(results(prompt).len(), calls.sum::<usize>(), "{agent}");
        }
        assert!(prompts.last().unwrap().entries.len() > 8, "{agent}: short results leave room for its steps");
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_choice_a_task_and_a_mail_keep_their_words_behind_a_long_conversation() {
    let long = || When::any().text("{agent} says a word. ").repeat(2_400).chunk(40_000);
    let script = Script::of([
        When::agent("chair").contains("begin").chooses("ann", "first"),
        When::agent("chair").contains("ann says").chooses("bob", "then"),
        When::agent("chair").contains("bob says").chooses("cid", "then"),
        When::agent("chair").contains("cid says").chooses("done", "over"),
    ])
    .or(long());
    let plan = Plan { script, manager_type: ManagerType::Dynamic, manager: Some("chair"), ..Plan::default() };
    let world = World::new(Plan { max_turns: Some(9), ..plan }).await;
    for turn in 1..=3 {
        world.send(&format!("begin {turn}")).await;
    }
    for prompt in world.asked_of("chair") {
        let question = format!("begin {}", prompt.place.turn);
        assert!(heard(&prompt).contains(&question.as_str()), "{question}");
        assert!(notes(&prompt).last().unwrap().starts_with("Choose now: "));
        assert!(whole(&prompt).len() < LARGE);
    }
    let text = format!("PLEASE READ: {} WELL?", "a long letter. ".repeat(2_100));
    for _ in 0..5 {
        let to = Recipient::Agent(agent_id("ann"));
        world.ask(Request::Send { to, text: text.clone() }).await.unwrap();
        world.at_rest().await;
    }
    let ann = world.asked_of("ann").pop().unwrap();
    assert_eq!(heard(&ann).last().copied(), Some(text.as_str()), "the newest is whole");
    assert!(notes(&ann)[0].starts_with("Earlier messages are not shown"));
    assert!(whole(&ann).len() < LARGE);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_prompt_begins_with_the_last_one_but_for_a_few_moves_of_the_window() {
    let script = Script::always("{agent} speaks on {turn}");
    let world = World::new(Plan { script, members: &["ann", "bob"], ..Plan::default() }).await;
    for turn in 0..150 {
        world.send(&format!("question {turn} {}", "word ".repeat(400))).await;
    }
    let prompts: Vec<String> = world.asked_of("bob").iter().map(whole).collect();
    let shares: Vec<usize> = prompts
        .windows(2)
        .map(|pair| {
            let same = pair[0].bytes().zip(pair[1].bytes()).take_while(|(last, next)| last == next).count();
            same * 100 / pair[0].len()
        })
        .collect();
    println!("percent of the last prompt that begins the next: {shares:?}");
    let moves: Vec<usize> = (0..shares.len()).filter(|at| shares[*at] < 99).collect();
    assert!((1..=12).contains(&moves.len()), "the window moves at {moves:?}");
    assert!(shares.iter().sum::<usize>() >= 90 * shares.len(), "{moves:?}");
    let sizes: Vec<usize> = prompts.iter().skip(moves[0] + 1).map(String::len).collect();
    assert!(sizes.iter().all(|size| (50_000..LARGE).contains(size)), "{sizes:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_block_does_not_move_the_window() {
    let script = Script::always("{agent} speaks on {turn}");
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    for turn in 0..70 {
        world.send(&format!("question {turn} {}", "word ".repeat(400))).await;
    }
    let first = |prompt: &Prompt| heard(prompt)[0].to_owned();
    let before = first(&world.asked_of("ann").pop().unwrap());
    for at in 0..3 {
        world.edit(|value| format!("{value}\n- fact {at}")).await;
        world.send("and?").await;
        assert_eq!(first(&world.asked_of("ann").pop().unwrap()), before);
    }
    let block: Block = world.block(&crate::support::engine_harness::story()).await;
    assert_eq!(block.version, 4);
    world.close().await;
}
