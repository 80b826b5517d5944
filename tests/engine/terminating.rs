//! Conditions end a turn, whatever its pattern: each by its key, with a sentence, and from committed rows alone.

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Group, ManagerType, StopReason, TerminationCondition};
use nightdesk::testing::engine::protocol::Request;
use serde_json::json;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id};

fn speaks() -> Script {
    Script::of([]).or(When::any().text("{agent} speaks").first_delay_ms(2_000).tokens(90, 10))
}

/// A round robin of three with nine speeches that ends so.
fn ends(terminate: TerminationCondition) -> Plan {
    let group = Group { terminate: Some(terminate), ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    Plan { script: speaks(), max_turns: Some(9), group: Some(group), ..Plan::default() }
}

/// How the turn ends, how often anybody spoke in it, and its last line.
async fn played(plan: Plan) -> (StopReason, usize, String) {
    let world = World::new(plan).await;
    let run = world.send("hello").await;
    let lines = world.transcript().await;
    world.close().await;
    let spoke = lines.iter().filter(|line| line.ends_with(" speaks")).count();
    (stop(&run), spoke, lines.last().unwrap().clone())
}

#[tokio::test(start_paused = true)]
async fn each_condition_ends_a_round_robin_turn_with_its_key_and_a_sentence() {
    let text = |text: &str| TerminationCondition::Text(text.to_owned());
    let cases = [
        (TerminationCondition::MaxTurns(4), StopReason::MaxTurns, 4, "(the limit on speeches was reached (4))"),
        (text("bob speaks"), StopReason::Text, 2, "(the text that ends the turn was said (bob speaks))"),
        (
            TerminationCondition::Speaker(agent_id("cid")),
            StopReason::Speaker,
            3,
            "(cid has spoken, which ends the turn)",
        ),
        (TerminationCondition::Tokens(500), StopReason::Tokens, 5, "(the token limit was reached (500))"),
        (TerminationCondition::Seconds(7), StopReason::Seconds, 4, "(the time limit was reached (7 s))"),
        (
            TerminationCondition::Any(vec![TerminationCondition::Tokens(20_000), text("ann speaks")]),
            StopReason::Text,
            1,
            "(the text that ends the turn was said (ann speaks))",
        ),
        (
            TerminationCondition::All(vec![text("ann speaks"), TerminationCondition::Tokens(600)]),
            StopReason::Tokens,
            6,
            "(the token limit was reached (600))",
        ),
    ];
    for (terminate, reason, spoke, last) in cases {
        let told = format!("{terminate:?}");
        assert_eq!(played(ends(terminate)).await, (reason, spoke, last.to_owned()), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_user_says_and_what_was_said_in_turns_before_ends_nothing() {
    let world = World::new(Plan {
        max_turns: Some(3),
        ..ends(TerminationCondition::Any(vec![
            TerminationCondition::Text("hello".to_owned()),
            TerminationCondition::Seconds(10),
            TerminationCondition::Tokens(400),
        ]))
    })
    .await;
    for _ in 0..3 {
        assert_eq!(stop(&world.send("hello").await), StopReason::MaxTurns);
    }
    assert!(
        !world.transcript().await.iter().any(|line| line.starts_with('(')),
        "a turn that goes its way needs no word"
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn time_spent_in_the_queue_is_no_time_of_the_turn() {
    let world = World::new(Plan { max_turns: Some(3), ..ends(TerminationCondition::Seconds(8)) }).await;
    let mut runs = Vec::new();
    for text in ["one", "two", "three"] {
        runs.push(world.post(text).await);
    }
    for run in runs {
        assert_eq!(stop(&world.finished(&run).await), StopReason::MaxTurns);
    }
    world.close().await;
}

/// Ann notes something for ever; each step costs 100 tokens and two seconds.
fn notes() -> Script {
    Script::of([When::agent("ann")
        .text("{agent} speaks")
        .first_delay_ms(2_000)
        .tokens(90, 10)
        .inserts("story", "- more")])
    .otherwise("{agent} speaks")
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_holds_in_the_middle_of_a_speech_ends_it_before_its_next_step() {
    for (terminate, reason) in [
        (TerminationCondition::Tokens(300), StopReason::Tokens),
        (TerminationCondition::Seconds(5), StopReason::Seconds),
        (TerminationCondition::Tool("memory_insert".to_owned()), StopReason::Tool),
        (TerminationCondition::Text("ann speaks".to_owned()), StopReason::Text),
    ] {
        let steps = if matches!(reason, StopReason::Tokens | StopReason::Seconds) { 3 } else { 1 };
        let world = World::new(Plan { script: notes(), ..ends(terminate) }).await;
        let run = world.send("hello").await;
        assert_eq!((stop(&run), run.steps), (reason, steps));
        let speeches = world.store().runs_of(&run.id).await.unwrap();
        assert_eq!(speeches.iter().map(stop).collect::<Vec<_>>(), [reason], "the speech ends for the same reason");
        assert!(world.asked_of("bob").is_empty());
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_failed_ends_nothing() {
    let script = Script::of([When::agent("ann").step(1).inserts("nowhere", "- more")]).otherwise("{agent} speaks");
    let plan = Plan { script, max_turns: Some(3), ..ends(TerminationCondition::Tool("memory_insert".to_owned())) };
    let (reason, spoke, last) = played(plan).await;
    assert_eq!((reason, spoke, last.as_str()), (StopReason::MaxTurns, 3, "cid: cid speaks"));
}

#[tokio::test(start_paused = true)]
async fn a_speaker_that_passed_or_failed_has_not_spoken() {
    let script = Script::of([When::agent("ann").turn(1).step(1).text(""), When::agent("bob").status(401)])
        .otherwise("{agent} speaks");
    let either = ["ann", "bob"].map(|name| TerminationCondition::Speaker(agent_id(name))).to_vec();
    let world = World::new(Plan { script, max_turns: Some(3), ..ends(TerminationCondition::Any(either)) }).await;
    assert_eq!(stop(&world.send("hello").await), StopReason::MaxTurns);
    assert_eq!(stop(&world.send("hello").await), StopReason::Speaker);
    assert_eq!(world.transcript().await.last().unwrap(), "(ann has spoken, which ends the turn)");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_hands_the_turn_back_to_the_user_where_its_group_lets_it() {
    let script = Script::of([When::agent("bob")
        .text("{agent} speaks")
        .call("return_to_user", json!({ "reason": "which of the two budgets holds?" }))])
    .otherwise("{agent} speaks");
    let world = World::new(Plan { script: script.clone(), ..ends(TerminationCondition::ToUser(true)) }).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::ToUser);
    let expected = [
        "user: hello",
        "ann: ann speaks",
        "bob: bob speaks",
        "bob return_to_user ok: the user is next",
        "(bob returned it to you: which of the two budgets holds?)",
    ];
    assert_eq!(world.transcript().await, expected);
    let told = &world.asked_of("bob")[0];
    assert!(told.tools.iter().any(|tool| tool.name == "return_to_user"));
    assert!(told.system.contains("`return_to_user`"), "{}", told.system);
    world.close().await;

    let world = World::new(Plan { script, max_turns: Some(3), ..Plan::default() }).await;
    assert_eq!(stop(&world.send("hello").await), StopReason::MaxTurns);
    assert!(world.transcript().await[3].starts_with("bob return_to_user refused: you have no tool"));
    assert!(!world.asked_of("bob")[0].system.contains("return_to_user"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_word_from_outside_ends_the_turn_at_the_next_step() {
    let world = World::new(ends(TerminationCondition::External("enough".to_owned()))).await;
    let conversation = {
        world.send("@ann warm up").await;
        world.conversation().await.id
    };
    let signal = |word: &str| Request::Signal { conversation: conversation.clone(), word: word.to_owned() };
    assert!(world.ask(signal("enough")).await.is_err(), "there is no turn to end");
    let run = world.post("hello").await;
    world.live(|live| live.name == "bob").await;
    world.ask(signal("something else")).await.unwrap();
    world.ask(signal("enough")).await.unwrap();
    let run = world.finished(&run).await;
    assert_eq!(stop(&run), StopReason::External);
    let lines = world.transcript().await;
    let tail = ["bob: bob speaks", "(an external signal ended it (enough))"];
    assert_eq!(lines[lines.len() - 2..], tail, "what bob was saying is heard");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_ends_by_a_condition_ends_alike_after_a_restart() {
    let all = || {
        ends(TerminationCondition::All(vec![
            TerminationCondition::Text("bob speaks".to_owned()),
            TerminationCondition::Tokens(400),
        ]))
    };
    let expected = played(all()).await;
    assert_eq!(expected.0, StopReason::Tokens);
    for speaker in ["ann", "bob", "cid"] {
        let world = World::new(all()).await;
        let run = world.post("hello").await;
        world.live(|live| live.name == speaker).await;
        let world = world.restart().await;
        assert_eq!(stop(&world.finished(&run).await), expected.0);
        let lines = world.transcript().await;
        assert_eq!(lines.iter().filter(|line| line.ends_with(" speaks")).count(), expected.1);
        assert_eq!(*lines.last().unwrap(), expected.2);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_end_dynamic_supervisor_and_sleeptime_turns_too() {
    let of = |kind: ManagerType, terminate: TerminationCondition| {
        let group = Group { terminate: Some(terminate), ..Group::new(group_id(), "test", kind) };
        let (members, background): (&[&str], &[&str]) =
            if kind == ManagerType::Sleeptime { (&[], &["night"]) } else { (&["bob", "cid"], &[]) };
        Plan { script: notes(), members, background, manager: Some("ann"), group: Some(group), ..Plan::default() }
    };
    for kind in [ManagerType::Supervisor, ManagerType::Sleeptime] {
        let (reason, spoke, last) = played(of(kind, TerminationCondition::Tokens(200))).await;
        assert_eq!((reason, spoke), (StopReason::Tokens, 2), "{kind:?}");
        assert_eq!(last, "(the token limit was reached (200))");
    }
    // The manager's tries count, too: none of its calls is a choice.
    let (reason, spoke, last) = played(of(ManagerType::Dynamic, TerminationCondition::Tokens(200))).await;
    assert_eq!((reason, spoke, last.as_str()), (StopReason::Tokens, 2, "(the token limit was reached (200))"));
}

#[tokio::test(start_paused = true)]
async fn what_workers_say_and_spend_ends_the_turn_of_their_manager() {
    // The workers are at work at the same time. Bob is asked before cid is through: a turn that has ended asks nobody.
    let script = Script::of([
        When::agent("ann").tokens(90, 10).delegates(&[("bob", "look"), ("cid", "look, too")]),
        When::agent("cid").text("{agent} speaks").tokens(90, 10).first_delay_ms(1_000),
    ])
    .or(When::any().text("{agent} speaks").tokens(90, 10));
    for (terminate, reason, last) in [
        (TerminationCondition::Tokens(250), StopReason::Tokens, "(the token limit was reached (250))"),
        (TerminationCondition::MaxTurns(2), StopReason::MaxTurns, "(the limit on speeches was reached (2))"),
        (TerminationCondition::Speaker(agent_id("cid")), StopReason::Speaker, "(cid has spoken, which ends the turn)"),
    ] {
        let group = Group { terminate: Some(terminate), ..Group::new(group_id(), "test", ManagerType::Supervisor) };
        let plan = Plan {
            script: script.clone(),
            members: &["bob", "cid"],
            manager: Some("ann"),
            group: Some(group),
            ..Plan::default()
        };
        let world = World::new(plan).await;
        assert_eq!(stop(&world.send("hello").await), reason);
        assert_eq!(world.transcript().await.last().unwrap(), last);
        assert_eq!(world.asked_of("ann").len(), 1, "the manager is not asked again");
        assert_eq!((world.asked_of("bob").len(), world.asked_of("cid").len()), (1, 1));
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_begins_after_the_one_who_spoke_last_where_the_group_says_so() {
    let group = Group { continue_order: true, ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    let script = Script::of([When::agent("bob").turn(1).text("")]).otherwise("{agent} on {turn}");
    let world = World::new(Plan { script, max_turns: Some(2), group: Some(group), ..Plan::default() }).await;
    for text in ["one", "two", "@ann three", "four"] {
        world.send(text).await;
    }
    let expected = [
        "user: one",
        "ann: ann on 1",
        "(bob passed)",
        "user: two",
        "cid: cid on 2",
        "ann: ann on 2",
        "user: @ann three",
        "ann: ann on 3",
        "user: four",
        "bob: bob on 4",
        "cid: cid on 4",
    ];
    assert_eq!(world.transcript().await, expected);
    let run = world.post("five").await;
    let world = world.restart().await;
    world.finished(&run).await;
    assert_eq!(world.transcript().await[11..], ["user: five", "ann: ann on 5", "bob: bob on 5"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_without_conditions_reads_nothing_for_them() {
    let cost = async |terminate: Option<TerminationCondition>| {
        let group = Group { terminate, ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
        // How many statements a turn takes depends on the order of tasks.
        let world = World::new(Plan { group: Some(group), yields: None, ..Plan::default() }).await;
        world.send("warm up").await;
        let before = world.store().counters().statements;
        world.send("hello").await;
        let cost = world.store().counters().statements - before;
        world.close().await;
        cost
    };
    let (none, some) = (cost(None).await, cost(Some(TerminationCondition::Tokens(1_000_000))).await);
    println!("statements a turn of three steps: {none} without, {some} with a condition");
    assert!(none < some, "{none} {some}");
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_to_people_and_not_to_models() {
    let world = World::new(ends(TerminationCondition::MaxTurns(2))).await;
    world.send("hello").await;
    world.send("again").await;
    let told = world.asked_of("ann").pop().unwrap();
    assert!(!format!("{:?}", told.entries).contains("are spent"), "{:?}", told.entries);
    world.close().await;
}
