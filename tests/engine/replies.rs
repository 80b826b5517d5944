//! Waiting for replies: the call parks, and its result tells an answer from every kind of silence.

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{
    Agent, Change, Group, Mail, MailKind, MailStatus, ManagerType, PendingKind, Priority, Rule, Run, RunState,
    StopReason,
};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request};
use nightdesk::testing::llm::PromptMessage;
use serde_json::json;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id};

const TOOLS: &[&str] = &[
    "send_message_to_agent_and_wait_for_reply",
    "send_message_to_agents_matching_tags",
    "send_message_to_all_agents_in_group",
    "memory_rethink",
];

/// Ann asks bob and says what came back; bob answers as the rest of the script says.
fn asking() -> Script {
    Script::of([When::agent("ann").step(1).asks("bob", "Is it true?"), When::agent("ann").text("I have asked.")])
}

fn plan(script: Script) -> Plan {
    let group = Group { wait_seconds: Some(60), ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    Plan { script, members: &["ann", "bob", "cid", "dan"], tools: TOOLS, group: Some(group), ..Plan::default() }
}

fn asks(answer: Script) -> Plan {
    plan(asking().then(answer))
}

/// What ann was told by her call, after a turn in which she asked.
async fn told(world: &World) -> String {
    let talk = world.conversation().await.id;
    let messages = world.messages(&talk).await;
    let results: Vec<&str> =
        messages.iter().filter(|it| it.role() == "tool").map(nightdesk::testing::domain::Message::text).collect();
    results.join("\n")
}

async fn requests(world: &World) -> Vec<Mail> {
    let mut mails = world.store().mails(None, None, 100).await.unwrap();
    mails.retain(|mail| mail.kind != MailKind::Reply);
    mails.reverse();
    mails
}

async fn run_of(world: &World, mail: &Mail) -> Run {
    world.store().row::<Run>(mail.run.as_ref().unwrap().as_str()).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn x1_a_call_that_waits_parks_and_the_reply_is_its_result_over_a_restart() {
    let world = World::new(asks(Script::of([When::agent("bob").text("Yes: {last}").first_delay_ms(5_000)]))).await;
    let turn = world.post("@ann go").await;
    world.in_state(&turn, RunState::Parked).await;
    let waiting = world.overview().await.calls.remove(0);
    assert_eq!((waiting.kind, &waiting.whom), (PendingKind::Reply, &vec![agent_id("bob")]));
    world.when(async |world| (!world.asked_of("bob").is_empty()).then_some(())).await;
    let world = world.restart_after(Duration::from_secs(10)).await;
    assert_eq!(stop(&world.finished(&turn).await), StopReason::EndTurn);
    let expected = [
        "user: @ann go",
        "ann send_message_to_agent_and_wait_for_reply ok: bob answered: Yes: Is it true?",
        "ann: I have asked.",
    ];
    assert_eq!(world.transcript().await, expected);
    let [asked] = &requests(&world).await[..] else { panic!() };
    assert_eq!((asked.status, asked.waited_for, asked.depth), (MailStatus::Read, true, 1));
    let run = run_of(&world, asked).await;
    assert_eq!((&run.root, run.depth), (&turn, 1), "one chain of causes");
    let replies = world.store().find::<Mail>(asked.id.as_str()).await.unwrap();
    let [reply] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!((&reply.from, &reply.to), (&Some(agent_id("bob")), &Some(agent_id("ann"))));
    assert_eq!((reply.kind, reply.status), (MailKind::Reply, MailStatus::Read));
    let heard = world.asked_of("bob").remove(0).entries;
    assert!(
        heard.iter().any(|entry| matches!(entry, PromptMessage::System { text } if text.contains("ann, who waits")))
    );
    assert_eq!(world.asked_of("ann").len(), 2, "she is asked once before and once after");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_silence_is_told_apart() {
    for (answer, expected) in [
        (Script::of([When::agent("bob").passes()]), "bob answered: (had nothing to say)"),
        (Script::of([When::agent("bob").status(400)]), "bob did not answer: 400 from scripted: the request is refused"),
        (
            Script::of([When::agent("bob").text("late").first_delay_ms(90_000)]),
            "bob did not answer: no answer within 60 s",
        ),
        (
            Script::of([When::agent("bob").rethinks("story", "mine")]),
            "bob did not answer: it needs the user's approval, which did not come within 60 s",
        ),
    ] {
        let rules = vec![Rule::RequiresApproval { tool_name: "memory_rethink".to_owned() }];
        let world = World::new(Plan { rules, ..asks(answer) }).await;
        assert_eq!(stop(&world.send("@ann go").await), StopReason::EndTurn);
        let told = told(&world).await;
        assert!(told.starts_with(expected), "{told:?}, not {expected}");
        let asked = requests(&world).await.remove(0);
        let run = run_of(&world, &asked).await;
        assert!(run.is_finished(), "whoever is not waited for any more is called off (X-6): {run:?}");
        let silent = told.contains("did not answer");
        assert_eq!(asked.status, if silent { MailStatus::Failed } else { MailStatus::Read }, "{expected}");
        assert_eq!(requests(&world).await.len(), 1, "who waited is told by the result and by no notice");
        world.close().await;
    }
}

/// Bob is busy in his own talk, with what ann asks behind it.
async fn busy_bob(expires_in: Option<&str>) -> (World, nightdesk::testing::domain::RunId) {
    let mut asked = json!({ "other_agent_id": "bob", "message": "Is it true?" });
    if let Some(expires_in) = expires_in {
        asked["expires_in"] = json!(expires_in);
    }
    let script = Script::of([
        When::agent("ann").step(1).call("send_message_to_agent_and_wait_for_reply", asked),
        When::agent("ann").text("I have asked."),
        When::agent("bob").text("busy").first_delay_ms(30_000),
    ]);
    let world = World::new(plan(script)).await;
    let to = Recipient::Agent(agent_id("bob"));
    world.ask(Request::Send { to, text: "me first".to_owned() }).await.unwrap();
    let turn = world.post("@ann go").await;
    world.in_state(&turn, RunState::Parked).await;
    (world, turn)
}

#[tokio::test(start_paused = true)]
async fn mail_that_expires_while_it_is_waited_for_ends_the_wait() {
    let (world, turn) = busy_bob(Some("5s")).await;
    let begun = tokio::time::Instant::now();
    world.finished(&turn).await;
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    assert_eq!(told(&world).await, "bob did not answer: it expired before it could be delivered");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn mail_the_user_takes_while_it_is_waited_for_ends_the_wait() {
    let (world, turn) = busy_bob(None).await;
    let begun = tokio::time::Instant::now();
    let id = requests(&world).await.remove(0).id;
    world.ask(Request::ReadMail { id }).await.unwrap();
    world.finished(&turn).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(told(&world).await, "bob did not answer: the user took it; no reply comes");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn x3_a_circle_of_waiting_through_mail_is_refused_and_named() {
    let world = World::new(asks(Script::of([
        When::agent("bob").step(1).asks("ann", "What do you think?"),
        When::agent("bob").text("I cannot ask back."),
    ])))
    .await;
    assert_eq!(stop(&world.send("@ann go").await), StopReason::EndTurn);
    assert_eq!(told(&world).await, "bob answered: I cannot ask back.");
    let results = world.asked_of("bob").remove(1).entries;
    let refusal = results.iter().find_map(|entry| match entry {
        PromptMessage::ToolResult { ok: false, text, .. } => Some(text.clone()),
        _ => None,
    });
    let refusal = refusal.unwrap();
    assert!(refusal.contains("(bob for ann, ann for bob)"), "{refusal}");
    assert_eq!(requests(&world).await.len(), 1, "what was refused was not sent");
    world.close().await;
}

fn calls_all() -> Script {
    Script::of([
        When::agent("ann").step(1).call(
            "send_message_to_agents_matching_tags",
            json!({ "message": "Report.", "match_all": ["facts"], "match_some": [] }),
        ),
        When::agent("ann").text("I have asked."),
        When::agent("bob").text("bob reports").first_delay_ms(9_000),
        When::agent("cid").status(400),
        When::agent("dan").text("dan reports"),
    ])
}

#[tokio::test(start_paused = true)]
async fn x2_x4_x5_a_broadcast_leaves_its_sender_out_keeps_its_order_and_one_failure_to_itself() {
    let world = World::new(plan(calls_all())).await;
    for name in ["ann", "bob", "cid", "dan"] {
        let agent = world.store().row::<Agent>(agent_id(name).as_str()).await.unwrap().unwrap();
        let tags = vec!["facts".to_owned()];
        world.apply(vec![Change::AgentPut(Agent { tags, ..agent })]).await.unwrap();
    }
    assert_eq!(stop(&world.send("@ann go").await), StopReason::EndTurn);
    let told = told(&world).await;
    let parts: Vec<&str> = told.split("\n\n").collect();
    assert_eq!((parts.len(), parts[0], parts[2]), (3, "bob answered: bob reports", "dan answered: dan reports"));
    assert_eq!(parts[1], "cid did not answer: 400 from scripted: the request is refused");
    let sent = requests(&world).await;
    let to: Vec<_> = sent.iter().map(|mail| mail.to.clone().unwrap()).collect();
    assert_eq!(to, ["bob", "cid", "dan"].map(agent_id));
    assert!(sent.iter().all(|mail| mail.kind == MailKind::Broadcast));
    world.close().await;
}

fn writes() -> Script {
    Script::of([
        When::agent("ann")
            .step(1)
            .call(
                "send_message_to_agent_async",
                json!({ "other_agent_id": "bob", "message": "Look at this.", "priority": "high" }),
            )
            .mails("cid", "And you."),
        When::agent("ann").text("I have written."),
    ])
    .otherwise("{agent} heard {last}")
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_without_waiting_goes_with_the_step_and_a_call_over_the_limit_alone_is_refused() {
    let group = Group { mail_per_minute: Some(1), ..plan(writes()).group.unwrap() };
    let world = World::new(Plan { group: Some(group), ..plan(writes()) }).await;
    let turn = world.send("@ann go").await;
    assert_eq!(stop(&turn), StopReason::EndTurn);
    let told = told(&world).await;
    let (first, second) = told.split_once('\n').unwrap();
    assert_eq!(first, "sent to bob");
    assert!(second.contains("try again in 60 s"), "{second}");
    world.at_rest().await;
    let [mail] = &requests(&world).await[..] else { panic!() };
    assert_eq!((mail.status, mail.priority, mail.waited_for), (MailStatus::Read, Priority::High, false));
    assert_eq!(mail.root.as_ref(), Some(&turn.id));
    assert!(world.store().find::<Mail>(mail.id.as_str()).await.unwrap().is_empty(), "nobody asked for a reply");
    assert_eq!(world.asked_of("ann").len(), 2, "she does not wait");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_gets_an_answer_and_reads_it() {
    let world = World::new(Plan::default()).await;
    let (to, text, priority) = (agent_id("bob"), "is it safe?".to_owned(), Priority::Normal);
    world.ask(Request::SendMail { to, text, priority, expires_in: None, in_reply_to: None }).await.unwrap();
    world.at_rest().await;
    let mails = world.store().mails(None, Some(MailStatus::Delivered), 10).await.unwrap();
    let [reply] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!((&reply.from, &reply.to, reply.kind), (&Some(agent_id("bob")), &None, MailKind::Reply));
    assert_eq!(reply.text, "bob heard is it safe?");
    assert_eq!(reply.in_reply_to, Some(requests(&world).await.remove(0).id));
    let Reply::Mail(read) = world.ask(Request::ReadMail { id: reply.id.clone() }).await.unwrap() else { panic!() };
    assert_eq!(read.status, MailStatus::Read);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_be_reached_fails_at_the_send() {
    let script =
        Script::of([When::agent("ann").step(1).asks("zoe", "Is it true?"), When::agent("ann").text("I have asked.")]);
    let world = World::new(plan(script)).await;
    world.send("@ann go").await;
    assert!(told(&world).await.ends_with("\"zoe\" is nobody you can reach; you can write to bob, cid, dan"));
    assert!(requests(&world).await.is_empty());
    world.close().await;
}
