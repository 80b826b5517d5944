//! Dynamic groups: a manager chooses who speaks, visibly, and nobody waits for a choice that does not come.

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{
    Block, Change, Content, Group, ManagerType, Message, NoticeKind, Run, RunKind, RunState, StopReason,
};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request};
use nightdesk::testing::llm::{Prompt, PromptMessage};
use serde_json::json;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id};

/// A dynamic group of ann, bob and cid under chair.
fn plan(script: Script) -> Plan {
    Plan { script, manager_type: ManagerType::Dynamic, manager: Some("chair"), ..Plan::default() }
}

fn set(plan: Plan, change: impl FnOnce(&mut Group)) -> Plan {
    let mut group = Group::new(group_id(), "test", ManagerType::Dynamic);
    change(&mut group);
    Plan { group: Some(group), ..plan }
}

/// The chair answers what was said last: the user chooses ann, ann's words bob, bob's the end.
fn talk() -> Script {
    Script::of([
        When::agent("chair").contains("hello").chooses("ann", "she began it"),
        When::agent("chair").contains("ann speaks").chooses("BOB", "he knows better"),
        When::agent("chair").chooses("done", "all is clear"),
    ])
    .or(When::any().text("{agent} speaks").chunk(4).delay_ms(500))
}

const TALKED: [&str; 6] = [
    "user: hello",
    "(chose ann: she began it)",
    "ann: ann speaks",
    "(chose bob: he knows better)",
    "bob: bob speaks",
    "(chose to end the turn: all is clear)",
];

fn notes(prompt: &Prompt) -> Vec<&str> {
    prompt
        .entries
        .iter()
        .filter_map(|entry| if let PromptMessage::System { text } = entry { Some(text.as_str()) } else { None })
        .collect()
}

/// The names the model may call with.
fn offered(prompt: &Prompt) -> Vec<String> {
    let [tool] = &prompt.tools[..] else { panic!("{:?}", prompt.tools) };
    assert_eq!(tool.name, "choose_next_speaker");
    let names = tool.schema["properties"]["agent"]["enum"].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_manager_chooses_after_every_speech_and_ends_the_turn() {
    let world = World::new(plan(talk())).await;
    let run = world.send("hello").await;
    assert_eq!(world.transcript().await, TALKED);
    assert_eq!(run.state, RunState::Finished { stop_reason: StopReason::EndTurn, error: None });
    assert_eq!(run.steps, 5, "choices are steps of the turn, too");
    let asked = world.asked_of("chair");
    assert_eq!(offered(&asked[0]), ["ann", "bob", "cid"], "nobody has spoken, so it is not done");
    assert_eq!(offered(&asked[1]), ["bob", "cid", "done"], "ann has just spoken");
    assert_eq!(offered(&asked[2]), ["ann", "cid", "done"]);
    let notice = world.messages(&world.conversation().await.id).await.remove(1);
    assert_eq!(notice.agent, Some(agent_id("chair")), "the choice is attributed");
    assert!(matches!(notice.content, Content::Notice { notice: NoticeKind::Choice, .. }));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn members_and_manager_are_told_who_is_here_and_what_ends_the_turn() {
    let world = World::new(set(plan(talk()), |group| {
        group.description = "We weigh contracts.".to_owned();
        group.termination_token = Some("ENOUGH".to_owned());
        group.roles.insert(agent_id("bob"), "reviewer".to_owned());
    }))
    .await;
    world.send("hello").await;
    let (member, chair) = (&world.asked_of("ann")[0].system, &world.asked_of("chair")[0].system);
    for part in ["Purpose: We weigh contracts.", "- bob (reviewer)", "- chair", "ENOUGH"] {
        assert!(member.contains(part), "{part}: {member}");
        assert!(chair.contains(part), "{part}: {chair}");
    }
    assert!(
        member.contains("- ann (you)") && member.contains("chair chooses who speaks next") && member.contains("`pass`"),
        "{member}"
    );
    assert!(chair.contains("- chair (you)") && chair.contains("You lead the talk"), "{chair}");
    let told = &world.asked_of("bob")[0].entries;
    let said = |by: Option<&str>, text: &str| PromptMessage::User { by: by.map(str::to_owned), text: text.to_owned() };
    assert_eq!(*told, [said(None, "hello"), said(Some("ann"), "ann speaks")], "choices are nobody's words");
    assert_eq!(world.asked_of("chair")[2].system, *chair, "nothing in it counts");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_turn_every_member_and_the_manager_read_the_whole_exchange() {
    let script = Script::of([
        When::agent("chair").contains("hello").text("cid"),
        When::agent("chair").contains("cid speaks").text("Done."),
        When::agent("chair").contains("and now").text("ann"),
        When::agent("chair").text("done"),
    ])
    .otherwise("{agent} speaks");
    let world = World::new(plan(script)).await;
    world.send("hello").await;
    world.send("and now?").await;
    let heard = |agent: &str| {
        let entries = world.asked_of(agent).pop().unwrap().entries;
        let words = entries.into_iter().filter_map(|entry| match entry {
            PromptMessage::User { by, text } => Some(format!("{}: {text}", by.as_deref().unwrap_or("user"))),
            PromptMessage::Assistant { text, .. } => Some(format!("own: {text}")),
            _ => None,
        });
        words.collect::<Vec<_>>()
    };
    let ann = ["user: hello", "chair: cid", "cid: cid speaks", "chair: Done.", "user: and now?", "chair: ann"];
    assert_eq!(heard("ann"), ann);
    assert_eq!(heard("chair")[2..], ["cid: cid speaks", "own: Done.", "user: and now?", "own: ann", "ann: ann speaks"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_word_that_ends_the_turn_ends_it_in_a_members_text() {
    let script =
        Script::of([When::agent("chair").chooses("ann", "go on"), When::agent("ann").text("That was all. DONE!")])
            .otherwise("{agent} speaks");
    let world = World::new(set(plan(script), |_| ())).await;
    let run = world.send("hello, and do not say DONE! too early").await;
    assert_eq!(stop(&run), StopReason::TerminationToken);
    assert_eq!(
        world.transcript().await[2..],
        ["ann: That was all. DONE!", "(the word that ends the turn was said (DONE!))"]
    );
    assert_eq!(world.asked_of("chair").len(), 1, "nobody is asked after the end");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_word_that_ends_the_turn_ends_it_in_the_managers_text() {
    let script = Script::of([
        When::agent("chair").contains("hello").text("ann, please"),
        When::agent("chair").text("Thank you, all is said: ENOUGH."),
    ])
    .otherwise("{agent} speaks");
    let world = World::new(set(plan(script), |group| group.termination_token = Some("ENOUGH".to_owned()))).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::TerminationToken);
    let expected = [
        "user: hello",
        "chair: ann, please",
        "(chose ann (read from its words))",
        "ann: ann speaks",
        "chair: Thank you, all is said: ENOUGH.",
        "(the word that ends the turn was said (ENOUGH))",
    ];
    assert_eq!(world.transcript().await, expected);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_leaves_no_copies_of_personas_and_no_tools_behind() {
    let world = World::new(plan(talk())).await;
    let before = world.store().all::<Block>().await.unwrap().rows;
    let group = world.store().row::<Group>(group_id().as_str()).await.unwrap();
    let agents = world.overview().await.agents;
    world.send("hello").await;
    world.send("hello").await;
    assert_eq!(world.store().all::<Block>().await.unwrap().rows, before);
    assert_eq!(world.store().row::<Group>(group_id().as_str()).await.unwrap(), group);
    assert_eq!(world.overview().await.agents, agents);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_choice_is_seen_told_to_the_manager_and_made_again() {
    let script = Script::of([
        When::agent("chair").step(1).chooses("marketing", "why not"),
        When::agent("chair").step(2).chooses("bob", "then he"),
    ])
    .otherwise("{agent} speaks");
    let world = World::new(Plan { max_turns: Some(1), ..plan(script) }).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::MaxTurns);
    let expected = [
        "user: hello",
        "(the choice cannot be used: \"marketing\" is nobody here; asked again)",
        "(chose bob: then he)",
        "bob: bob speaks",
        "(the limit on speeches was reached (1))",
    ];
    assert_eq!(world.transcript().await, expected);
    let told = world.asked_of("chair").pop().unwrap();
    assert!(notes(&told)[0].contains("\"marketing\" is nobody here"), "{:?}", told.entries);
    assert!(notes(&world.asked_of("bob")[0]).is_empty(), "it is no matter of the others");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_choice_that_never_fits_does_not_fail_the_turn_the_next_in_order_speaks() {
    let chair = || When::agent("chair");
    for reply in [
        chair().text("Whoever likes."),
        chair().chooses("nobody", ""),
        chair().chooses("done", ""),
        chair().call("choose_next_speaker", json!({ "speaker": 7 })),
        chair().text("ann, bob or cid"),
        chair(),
    ] {
        let script = Script::of([reply.clone()]).otherwise("{agent} speaks");
        let reply = format!("{reply:?}");
        let world = World::new(plan(script)).await;
        let run = world.send("hello").await;
        // `done` fits once somebody has spoken.
        let ends = if reply.contains("done") { StopReason::EndTurn } else { StopReason::MaxTurns };
        assert_eq!(stop(&run), ends, "{reply}");
        let lines = world.transcript().await;
        let unusable = lines.iter().filter(|line| line.contains("cannot be used")).collect::<Vec<_>>();
        assert!(unusable[2].ends_with("; ann speaks, the next in order)"), "{reply}: {lines:?}");
        let spoke: Vec<_> = lines.iter().filter(|line| line.ends_with("speaks")).collect();
        let all = ["ann: ann speaks", "bob: bob speaks", "cid: cid speaks"];
        assert_eq!(spoke, all[..spoke.len()], "{reply}");
        if ends == StopReason::MaxTurns {
            assert_eq!((spoke.len(), unusable.len()), (3, 9), "{reply}: each choice is tried three times");
        }
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_manager_with_few_steps_has_as_few_tries() {
    let script = Script::of([When::agent("chair").text("?")]).otherwise("{agent} speaks");
    let world = World::new(Plan { max_turns: Some(1), max_steps: Some(2), ..plan(script) }).await;
    world.send("hello").await;
    let lines = world.transcript().await;
    assert_eq!(lines[4], "(the choice cannot be used: it named nobody; ann speaks, the next in order)");
    assert_eq!(lines[5], "ann: ann speaks");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn choosing_the_previous_speaker_lets_the_next_in_order_speak_visibly_and_costs_no_other_call() {
    let script = Script::of([When::agent("chair").chooses("bob", "always bob")]).otherwise("{agent} speaks");
    let world = World::new(Plan { max_turns: Some(2), ..plan(script.clone()) }).await;
    world.send("hello").await;
    let lines = world.transcript().await;
    let again = "(chose bob, who has just spoken; cid speaks, the next in order)";
    assert_eq!(lines[1..5], ["(chose bob: always bob)", "bob: bob speaks", again, "cid: cid speaks"]);
    assert_eq!(world.asked_of("chair").len(), 2);
    world.close().await;

    let words = Script::of([When::agent("chair").text("Bob, please.")]).otherwise("{agent} speaks");
    let world = World::new(Plan { max_turns: Some(2), ..plan(words) }).await;
    world.send("hello").await;
    assert_eq!(world.transcript().await[5..7], [again, "cid: cid speaks"], "also where it is said in words");
    world.close().await;

    let world = World::new(set(Plan { max_turns: Some(2), ..plan(script) }, |group| group.allow_repeat = true)).await;
    world.send("hello").await;
    let lines = world.transcript().await;
    assert_eq!(lines.iter().filter(|line| *line == "bob: bob speaks").count(), 2, "{lines:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_in_another_name_is_not_taken_for_it() {
    let script = Script::of([
        When::agent("chair").contains("hello").text("anna should begin"),
        When::agent("chair").text("Now ann-marie."),
    ])
    .otherwise("{agent} speaks");
    let members = &["ann", "anna", "ann-marie"];
    let world = World::new(Plan { members, max_turns: Some(2), ..plan(script) }).await;
    world.send("hello").await;
    let lines = world.transcript().await;
    assert_eq!(lines[2..4], ["(chose anna (read from its words))", "anna: anna speaks"]);
    assert_eq!(lines[5..7], ["(chose ann-marie (read from its words))", "ann-marie: ann-marie speaks"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_members_speech_is_a_visible_pass_and_all_passing_ends_the_turn() {
    let script = Script::of([When::agent("chair").text("")]).otherwise("");
    let world = World::new(Plan { max_turns: Some(9), ..plan(script) }).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::AllPassed);
    let lines = world.transcript().await;
    let passed: Vec<_> = lines.iter().filter(|line| line.contains("passed")).collect();
    assert_eq!(passed, ["(ann passed)", "(bob passed)", "(cid passed)", "(everyone passed)"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn one_members_failing_provider_leaves_the_others_answers_and_only_all_failing_fails_the_turn() {
    let script = Script::of([
        When::agent("chair").contains("hello").text("?"),
        When::agent("chair").contains("speaks").text("done"),
        When::agent("ann").status(401),
    ])
    .otherwise("{agent} speaks");
    let world = World::new(plan(script)).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::EndTurn);
    let lines = world.transcript().await;
    assert!(lines.iter().any(|line| line.starts_with("(ann could not answer: 401")), "{lines:?}");
    assert!(lines.contains(&"bob: bob speaks".to_owned()), "{lines:?}");
    world.close().await;

    let world = World::new(plan(Script::of([]).or(When::any().status(401)))).await;
    assert_eq!(stop(&world.send("hello").await), StopReason::Error);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_cannot_be_asked_says_so_and_the_members_speak_in_order() {
    let script = Script::of([When::agent("chair").status(500)]).otherwise("{agent} speaks");
    let world = World::new(Plan { max_turns: Some(2), ..plan(script) }).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::MaxTurns);
    let lines = world.transcript().await;
    assert!(
        lines[1].starts_with("(chair could not choose: 500 ") && lines[1].contains("; ann speaks, the next"),
        "{lines:?}"
    );
    assert_eq!(lines[2], "ann: ann speaks");
    assert!(lines[3].contains("; bob speaks, the next in order)"), "{lines:?}");
    assert_eq!(lines[4], "bob: bob speaks");
    assert_eq!(world.asked_of("chair").len(), 8, "each choice has the retries of any call");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_ended_anywhere_and_started_again_goes_on_and_gives_the_same_sequence() {
    let world = World::new(plan(talk())).await;
    let first = *world.store().head().borrow();
    world.send("hello").await;
    let last = *world.store().head().borrow();
    world.close().await;
    for at in first + 2..last {
        let world = World::new(plan(talk())).await;
        let run = world.post("hello").await;
        world.when(async |world| (*world.store().head().borrow() >= at).then_some(())).await;
        let world = world.restart().await;
        assert_eq!(stop(&world.finished(&run).await), StopReason::EndTurn, "ended after change {at}");
        assert_eq!(world.transcript().await, TALKED, "ended after change {at}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn tries_of_a_choice_are_counted_over_a_restart() {
    let script =
        Script::of([When::agent("chair").text("Whoever likes.").first_delay_ms(1_000)]).otherwise("{agent} speaks");
    let world = World::new(Plan { max_turns: Some(1), ..plan(script.clone()) }).await;
    world.send("hello").await;
    let expected = world.transcript().await;
    world.close().await;
    let mut world = World::new(Plan { max_turns: Some(1), ..plan(script) }).await;
    let run = world.post("hello").await;
    for tries in 1..3 {
        world
            .when(async |world| world.store().row::<Run>(run.as_str()).await.unwrap().filter(|run| run.steps >= tries))
            .await;
        world = world.restart().await;
    }
    world.finished(&run).await;
    assert_eq!(world.transcript().await, expected);
    assert_eq!(expected.iter().filter(|line| line.contains("cannot be used")).count(), 3);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_choice_is_cancelled_like_a_speech() {
    let script = Script::of([]).or(When::any().text("Let me think about who").chunk(4).delay_ms(500));
    let world = World::new(plan(script)).await;
    let run = world.post("hello").await;
    world.speaking("chair").await;
    assert_eq!(world.cancel().await, (true, Vec::new()));
    assert_eq!(stop(&world.finished(&run).await), StopReason::Cancelled);
    let lines = world.transcript().await;
    assert!(lines[1].starts_with("chair: Let ") && lines[1].ends_with("[cancelled]"), "{lines:?}");
    let runs = world.store().runs_of(&run).await.unwrap();
    assert!(runs.iter().all(|run| stop(run) == StopReason::Cancelled), "{runs:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_at_work_elsewhere_is_waited_for_visibly() {
    let script = Script::of([When::agent("chair").text("ann").first_delay_ms(1_000)]).otherwise("{agent} speaks");
    let world = World::new(Plan { max_turns: Some(1), ..plan(script) }).await;
    let to = Recipient::Agent(agent_id("chair"));
    let Reply::Sent { run: direct, .. } = world.ask(Request::Send { to, text: "hi".to_owned() }).await.unwrap() else {
        panic!("it was not sent")
    };
    world.when(async |world| world.store().runs_of(&direct).await.unwrap().into_iter().next()).await;
    let turn = world.post("hello").await;
    let choice = world.when(async |world| world.store().runs_of(&turn).await.unwrap().into_iter().next()).await;
    assert!(matches!(choice.kind, RunKind::Choice { .. }) && choice.state == RunState::Queued, "{choice:?}");
    world.finished(&turn).await;
    assert_eq!(world.waits_of("chair"), [Duration::from_secs(1)]);
    world.close().await;
}

/// Puts the group again with a change.
async fn regroup(world: &World, change: impl FnOnce(&mut Group)) {
    let mut group = world.store().row::<Group>(group_id().as_str()).await.unwrap().unwrap();
    change(&mut group);
    world.apply(vec![Change::GroupPut(group)]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn members_and_limits_changed_while_it_runs_hold_from_the_next_move() {
    let script = Script::of([
        When::agent("chair").contains("hello").text("bob"),
        When::agent("chair").text("cid").first_delay_ms(2_000),
    ])
    .or(When::any().text("{agent} speaks").chunk(4).delay_ms(500));
    let world = World::new(Plan { max_turns: Some(9), ..plan(script) }).await;
    let run = world.post("hello").await;
    world.speaking("bob").await;
    regroup(&world, |group| group.max_turns = Some(2)).await;
    world.when(async |world| (world.asked_of("chair").len() == 2).then_some(())).await;
    // While the chair names cid, cid leaves.
    regroup(&world, |group| group.members.retain(|member| *member != agent_id("cid"))).await;
    assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns);
    let lines = world.transcript().await;
    let spoke: Vec<_> = lines.iter().filter(|line| line.ends_with("speaks")).collect();
    assert_eq!(spoke, ["bob: bob speaks", "ann: ann speaks"], "{lines:?}");
    let left = "(the choice cannot be used: cid has left the group; asked again)";
    assert!(lines.contains(&left.to_owned()), "{lines:?}");
    assert_eq!(offered(world.asked_of("chair").last().unwrap()), ["ann", "done"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn at_name_asks_no_manager_and_the_word_means_nothing_there() {
    let world = World::new(plan(Script::always("I am not DONE! yet"))).await;
    let run = world.send("@bob what do you say?").await;
    assert_eq!(stop(&run), StopReason::EndTurn);
    assert_eq!(world.transcript().await[1..], ["bob: I am not DONE! yet"]);
    assert!(world.asked_of("chair").is_empty());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_model_writes_as_a_name_or_a_reason_is_one_short_line() {
    let script = Script::of([
        When::agent("chair").step(1).chooses("a\u{1b}[31m\nb", ""),
        When::agent("chair").chooses("ann", "one\n\n  two"),
    ])
    .otherwise("{agent} speaks");
    let world = World::new(Plan { max_turns: Some(1), ..plan(script) }).await;
    world.send("hello").await;
    let messages: Vec<Message> = world.messages(&world.conversation().await.id).await;
    assert!(messages.iter().all(|message| !message.text().contains(['\n', '\u{1b}'])), "{messages:?}");
    assert_eq!(messages[2].text(), "chose ann: one two");
    world.close().await;
}
