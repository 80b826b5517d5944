//! Mail: kept, delivered once and in order, given up in time, told back to its sender (J11).

use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::mail::MAX_DEPTH;
use nightdesk::testing::domain::{
    Actor, Agent, Change, Commit, Conflict, Conversation, ConversationId, Group, GroupStatus, LogEntry, Mail, MailId,
    MailKind, MailStatus, ManagerType, PersonId, Priority, RunKind, RunState, StepId, StopReason,
};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request};
use nightdesk::testing::engine::{Options, Scope};
use nightdesk::testing::llm::PromptMessage;
use nightdesk::testing::store::{CommitError, Lane};

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id, lines};

/// What an agent sends without waiting, from a step of its own a piece.
fn from(sender: &str, to: &str, text: &str) -> Mail {
    Mail {
        id: MailId(format!("mail-{text}")),
        from: Some(agent_id(sender)),
        from_person: None,
        to: Some(agent_id(to)),
        to_person: None,
        kind: MailKind::Notice,
        status: MailStatus::Pending,
        priority: Priority::Normal,
        text: text.to_owned(),
        in_reply_to: None,
        sent_by: Some((StepId(format!("step-{text}")), 0)),
        waited_for: false,
        group: Some(group_id()),
        run: None,
        root: None,
        depth: 1,
        error: None,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        expires_at: None,
    }
}

async fn try_post(world: &World, mails: Vec<Mail>) -> Result<Vec<LogEntry>, CommitError> {
    let changes = mails.into_iter().map(Change::MailSent).collect();
    world.store().commit(Lane::Foreground, Commit::new(Actor::Engine, changes)).await
}

async fn post(world: &World, mails: Vec<Mail>) {
    try_post(world, mails).await.unwrap();
}

async fn mail(world: &World, text: &str) -> Mail {
    world.store().row::<Mail>(&format!("mail-{text}")).await.unwrap().unwrap()
}

async fn settled(world: &World, text: &str, status: MailStatus) -> Mail {
    world.when(async |world| Some(mail(world, text).await).filter(|mail| mail.status == status)).await
}

/// The agent's own conversation, a line a message; empty where there is none.
async fn talk(world: &World, agent: &str) -> Vec<String> {
    match conversation(world, agent).await {
        Some(talk) => lines(&world.messages(&talk).await),
        None => Vec::new(),
    }
}

async fn conversation(world: &World, agent: &str) -> Option<ConversationId> {
    let found = world.store().find::<Conversation>(agent_id(agent).as_str()).await.unwrap();
    found.into_iter().next().map(|talk| talk.id)
}

async fn set_status(world: &World, status: GroupStatus) {
    let group = world.store().row::<Group>(group_id().as_str()).await.unwrap().unwrap();
    world.apply(vec![Change::GroupPut(Group { status, ..group })]).await.unwrap();
}

fn paused() -> Plan {
    let group = Group::new(group_id(), "test", ManagerType::RoundRobin);
    Plan { group: Some(Group { status: GroupStatus::Paused, ..group }), ..Plan::default() }
}

async fn notices(world: &World) -> Vec<Mail> {
    let mails = world.store().mails(None, None, 100).await.unwrap();
    mails.into_iter().filter(|mail| mail.sent_by.is_none()).collect()
}

#[tokio::test(start_paused = true)]
async fn x7_mail_is_durable_visible_as_a_run_and_read_with_its_first_step_j11() {
    let world = World::new(Plan::default()).await;
    post(&world, vec![from("ann", "bob", "check this")]).await;
    let read = settled(&world, "check this", MailStatus::Read).await;
    let run = world.finished(read.run.as_ref().unwrap()).await;
    assert_eq!((run.mail.as_ref(), run.depth, &run.root), (Some(&read.id), 1, &run.id));
    assert_eq!(run.kind, RunKind::Turn { group: None, only: Some(agent_id("bob")) });
    assert_eq!(talk(&world, "bob").await, ["ann: check this", "bob: bob heard check this"]);
    let asked = world.asked_of("bob").remove(0);
    let heard = PromptMessage::User { by: Some("ann".to_owned()), text: "check this".to_owned() };
    let at = asked.entries.iter().position(|entry| *entry == heard).unwrap();
    let PromptMessage::System { text } = &asked.entries[at - 1] else { panic!("{:?}", asked.entries) };
    assert!(text.contains("mail from the agent ann, who does not wait"), "{text}");

    let log = world.store().log(0, 1_000).await.unwrap();
    let kinds: Vec<&str> = log.iter().map(|logged| logged.change.kind()).collect();
    let sent = kinds.iter().position(|kind| *kind == "mail_sent").unwrap();
    let delivery = ["mail_sent", "conversation_opened", "mail_moved", "run_created", "message_appended"];
    assert_eq!(kinds[sent..sent + 5], delivery, "one commit a delivery");
    let step = kinds.iter().position(|kind| *kind == "step_finished").unwrap();
    assert!(kinds[step..step + 4].contains(&"mail_moved"), "read in the commit of the step: {kinds:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_goes_first_and_then_what_was_sent_first_j11() {
    let world = World::new(Plan::default()).await;
    let urgent = |priority: Priority, mail: Mail| Mail { priority, ..mail };
    let mails = vec![
        urgent(Priority::Low, from("ann", "bob", "whenever")),
        from("ann", "bob", "one"),
        from("cid", "bob", "two"),
        from("ann", "bob", "three"),
        urgent(Priority::High, from("cid", "bob", "fire")),
        from("bob", "cid", "beside it"),
    ];
    post(&world, mails).await;
    world.at_rest().await;
    let said: Vec<String> = talk(&world, "bob").await.into_iter().filter(|line| !line.starts_with("bob:")).collect();
    assert_eq!(said, ["cid: fire", "ann: one", "cid: two", "ann: three", "ann: whenever"]);
    assert_eq!(talk(&world, "cid").await[0], "bob: beside it");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_recipient_queues_and_takes_mail_when_its_talk_is_free() {
    let script = Script::of([]).or(When::any().text("{agent} heard {last}").first_delay_ms(20_000));
    let world = World::new(Plan { script, ..Plan::default() }).await;
    let to = Recipient::Agent(agent_id("bob"));
    let sent = world.ask(Request::Send { to, text: "first me".to_owned() }).await.unwrap();
    let Reply::Sent { run, .. } = sent else { panic!("{sent:?}") };
    post(&world, vec![from("ann", "bob", "then me")]).await;
    world.when(async |world| (!world.asked().is_empty()).then_some(())).await;
    assert_eq!(mail(&world, "then me").await.status, MailStatus::Pending);
    world.finished(&run).await;
    world.at_rest().await;
    let expected = ["user: first me", "bob: bob heard first me", "ann: then me", "bob: bob heard then me"];
    assert_eq!(talk(&world, "bob").await, expected);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn mail_for_an_agent_that_speaks_in_its_group_waits_visibly_for_its_place() {
    let script = Script::of([]).or(When::any().text("{agent} heard {last}").first_delay_ms(20_000));
    let world = World::new(Plan { script, members: &["bob"], ..Plan::default() }).await;
    let turn = world.post("talk").await;
    world.when(async |world| (!world.asked().is_empty()).then_some(())).await;
    post(&world, vec![from("bob", "bob", "a note")]).await;
    let taken = settled(&world, "a note", MailStatus::Delivered).await.run.unwrap();
    let queued = world.when(async |world| world.store().runs_of(&taken).await.unwrap().into_iter().next()).await;
    assert_eq!(queued.state, RunState::Queued, "an agent has one run at a time");
    world.finished(&turn).await;
    world.at_rest().await;
    assert_eq!(mail(&world, "a note").await.status, MailStatus::Read);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_group_holds_its_mail_until_its_time_is_over_and_the_sender_is_told_once() {
    let world = World::new(paused()).await;
    let begun = world.store().clock().now();
    let in_time =
        |mail: Mail, millis: i64| Mail { expires_at: Some(begun + jiff::SignedDuration::from_millis(millis)), ..mail };
    let mails = vec![
        in_time(from("ann", "bob", "in ten minutes"), 600_250),
        in_time(from("ann", "bob", "a moment before"), 600_000),
        in_time(from("ann", "bob", "tomorrow"), 86_400_000),
    ];
    post(&world, mails).await;
    settled(&world, "a moment before", MailStatus::Expired).await;
    assert_eq!(mail(&world, "in ten minutes").await.status, MailStatus::Pending, "to the part of a second");
    settled(&world, "in ten minutes", MailStatus::Expired).await;
    let waited = world.store().clock().now().duration_since(begun);
    assert_eq!(waited.as_secs(), 600, "nothing but its time woke it: {waited:?}");
    assert_eq!(mail(&world, "tomorrow").await.status, MailStatus::Pending);
    assert!(world.asked().is_empty() && talk(&world, "bob").await.is_empty());

    let told = notices(&world).await;
    assert_eq!(told.len(), 2, "{told:?}");
    for notice in &told {
        assert_eq!((notice.kind, &notice.from), (MailKind::Notice, &Some(agent_id("bob"))));
        assert_eq!((&notice.to, notice.status), (&Some(agent_id("ann")), MailStatus::Pending));
        assert!(notice.text.contains("expired before it could be delivered. You wrote: "), "{}", notice.text);
    }
    set_status(&world, GroupStatus::Active).await;
    world.at_rest().await;
    assert_eq!(notices(&world).await.len(), 2, "no notice about a notice");
    assert_eq!(talk(&world, "ann").await.len(), 4, "both are read and heard");
    assert_eq!(talk(&world, "bob").await[0], "ann: tomorrow");
    let asked = world.asked_of("ann").remove(0).entries;
    assert!(
        asked
            .iter()
            .any(|entry| matches!(entry, PromptMessage::System { text } if text.contains("what became of mail")))
    );
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn mail_that_expired_while_no_program_ran_is_not_delivered() {
    let world = World::new(paused()).await;
    let at = world.store().clock().now() + jiff::SignedDuration::from_mins(5);
    let stale = Mail { expires_at: Some(at), ..from("ann", "bob", "by noon") };
    post(&world, vec![stale, from("ann", "bob", "any time")]).await;
    let open = Group { status: GroupStatus::Active, ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    let world = world.restart_after(Duration::from_hours(1)).await;
    settled(&world, "by noon", MailStatus::Expired).await;
    assert_eq!(mail(&world, "any time").await.status, MailStatus::Pending, "its group is paused still");
    set_status(&world, open.status).await;
    world.at_rest().await;
    assert_eq!(talk(&world, "bob").await, ["ann: any time", "bob: bob heard any time"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn mail_whose_turn_fails_comes_back_and_a_notice_that_fails_does_not() {
    let script = Script::of([When::agent("cid").text("fine")]).or(When::any().status(400));
    let world = World::new(Plan { script, ..Plan::default() }).await;
    post(&world, vec![from("ann", "bob", "to one who fails"), from("ann", "cid", "to one who does not")]).await;
    world.at_rest().await;
    assert_eq!(mail(&world, "to one who does not").await.status, MailStatus::Read);
    let failed = mail(&world, "to one who fails").await;
    assert_eq!((failed.status, failed.error.is_some()), (MailStatus::Failed, true));
    let told = notices(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].in_reply_to.as_ref(), told[0].status), (Some(&failed.id), MailStatus::Failed));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn mail_to_an_agent_that_goes_fails_and_its_sender_is_told() {
    let world = World::new(Plan::default()).await;
    let changes = vec![
        Change::AgentPut(Agent::new(agent_id("zed"), "zed", group_id())),
        Change::MailSent(from("ann", "zed", "are you there")),
        Change::AgentDeleted { id: agent_id("zed") },
    ];
    world.apply(changes).await.unwrap();
    let failed = settled(&world, "are you there", MailStatus::Failed).await;
    assert_eq!(failed.error.as_deref(), Some("its recipient is gone"));
    world.at_rest().await;
    assert!(notices(&world).await[0].text.contains("its recipient is gone"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_minute_is_kept_inside_the_commit_and_tells_how_long_to_wait() {
    let group = Group::new(group_id(), "test", ManagerType::RoundRobin);
    let group = Group { status: GroupStatus::Paused, mail_per_minute: Some(2), ..group };
    let world = World::new(Plan { group: Some(group), ..Plan::default() }).await;
    post(&world, vec![from("ann", "bob", "one"), from("ann", "cid", "two")]).await;
    let refusal = async |world: &World| match try_post(world, vec![from("ann", "bob", "three")]).await {
        Err(CommitError::Conflict(Conflict::Call { ordinal: 0, text, .. })) => text,
        other => panic!("{other:?}"),
    };
    let text = refusal(&world).await;
    assert!(text.contains("2 messages") && text.ends_with("try again in 60 s"), "{text}");
    assert!(world.store().row::<Mail>("mail-three").await.unwrap().is_none(), "nothing of it happened");
    tokio::time::advance(Duration::from_secs(45)).await;
    let text = refusal(&world).await;
    assert!(text.ends_with("try again in 15 s"), "{text}");
    tokio::time::advance(Duration::from_secs(15)).await;
    post(&world, vec![from("ann", "bob", "three")]).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_mail_ends_and_one_call_sends_a_recipient_one_piece() {
    let world = World::new(paused()).await;
    let deep = Mail { depth: MAX_DEPTH, ..from("ann", "bob", "just deep enough") };
    post(&world, vec![deep]).await;
    let deeper = Mail { depth: MAX_DEPTH + 1, ..from("ann", "bob", "too deep") };
    let fault = try_post(&world, vec![deeper]).await.unwrap_err();
    let CommitError::Conflict(Conflict::Call { text, .. }) = fault else { panic!("{fault:?}") };
    assert!(text.contains("5 turns have caused each other"), "{text}");
    let twin = Mail { id: "mail-twin".into(), ..from("ann", "bob", "just deep enough") };
    let fault = try_post(&world, vec![twin]).await.unwrap_err();
    assert!(fault.to_string().contains("has sent its mail already"), "{fault}");
    world.close().await;
}

/// Writes as the person; the mail as committed.
async fn write(world: &World, to: &str, text: &str) -> Mail {
    let (to, text, priority) = (agent_id(to), text.to_owned(), Priority::High);
    let sent = world.ask(Request::SendMail { to, text, priority, expires_in: Some(600), in_reply_to: None }).await;
    match sent.unwrap() {
        Reply::Mail(mail) => *mail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_writes_to_an_agent_as_themselves() {
    let world = World::new(Plan::default()).await;
    let sent = write(&world, "bob", "is it safe?").await;
    assert_eq!((sent.kind, sent.status, &sent.from), (MailKind::Request, MailStatus::Pending, &None));
    assert_eq!((sent.priority, sent.depth, sent.waited_for), (Priority::High, 0, false));
    let seconds = sent.expires_at.unwrap().duration_since(sent.created_at).as_secs();
    assert!((599..=600).contains(&seconds));
    world.at_rest().await;
    assert_eq!(talk(&world, "bob").await[..2], ["user: is it safe?", "bob: bob heard is it safe?"]);
    let heard = world.asked_of("bob").remove(0).entries;
    assert!(
        heard
            .iter()
            .any(|entry| matches!(entry, PromptMessage::System { text } if text.contains("back as your reply")))
    );
    let fault = async |to: &str, text: &str| {
        let (to, text) = (agent_id(to), text.to_owned());
        let priority = Priority::Normal;
        world.ask(Request::SendMail { to, text, priority, expires_in: None, in_reply_to: None }).await.unwrap_err().text
    };
    assert!(fault("zoe", "hello").await.contains("there is no agent"));
    assert!(fault("bob", " ").await.contains("empty"));
    assert!(fault("bob", &"x".repeat(40_000)).await.contains("32768"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn mail_a_person_reads_in_an_agents_place_does_not_reach_it() {
    let world = World::new(paused()).await;
    post(&world, vec![from("ann", "bob", "for you"), from("ann", "bob", "for you too")]).await;
    let read = async |text: &str| world.ask(Request::ReadMail { id: MailId(format!("mail-{text}")) }).await;
    let Reply::Mail(taken) = read("for you").await.unwrap() else { panic!() };
    assert_eq!((taken.status, taken.run), (MailStatus::Read, None));
    assert!(read("for you").await.unwrap_err().text.contains("read already"));
    assert!(read("nobody").await.unwrap_err().text.contains("there is no mail"));
    set_status(&world, GroupStatus::Active).await;
    world.at_rest().await;
    assert_eq!(talk(&world, "bob").await, ["ann: for you too", "bob: bob heard for you too"]);
    assert!(notices(&world).await.is_empty(), "read is not failed");

    let reply = Mail {
        to: None,
        kind: MailKind::Reply,
        status: MailStatus::Delivered,
        sent_by: None,
        ..from("bob", "ann", "an answer")
    };
    post(&world, vec![reply]).await;
    let Reply::Mail(opened) = read("an answer").await.unwrap() else { panic!() };
    assert_eq!(opened.status, MailStatus::Read);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_delivery_and_reading_delivers_nothing_twice() {
    let script = Script::of([]).or(When::any().text("{agent} heard {last}").chunk(4).delay_ms(500));
    let world = World::new(Plan { script, ..Plan::default() }).await;
    post(&world, vec![from("ann", "bob", "once")]).await;
    world.speaking("bob").await;
    assert_eq!(mail(&world, "once").await.status, MailStatus::Delivered);
    let world = world.restart_after(Duration::from_mins(1)).await;
    let read = settled(&world, "once", MailStatus::Read).await;
    assert_eq!(stop(&world.finished(read.run.as_ref().unwrap()).await), StopReason::EndTurn);
    world.at_rest().await;
    assert_eq!(talk(&world, "bob").await, ["ann: once", "bob: bob heard once"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn killed_between_any_two_commits_no_mail_is_lost_or_doubled() {
    let sent = ["one", "two", "three"];
    for kill_after in 1..30 {
        let world = World::new(Plan::default()).await;
        post(&world, sent.map(|text| from("ann", "bob", text)).into()).await;
        let begun = *world.store().head().borrow();
        // Whatever is committed beyond this number of changes is the first commit after it.
        let head = world
            .when(async |world| {
                let head = *world.store().head().borrow();
                let over = world.store().turn_runs().await.unwrap().is_empty()
                    && !world.store().has_pending_mail().await.unwrap();
                (head >= begun + kill_after || over).then_some(head)
            })
            .await;
        let done = head < begun + kill_after;
        let world = world.restart().await;
        world.at_rest().await;
        let expected: Vec<String> =
            sent.iter().flat_map(|text| [format!("ann: {text}"), format!("bob: bob heard {text}")]).collect();
        assert_eq!(talk(&world, "bob").await, expected, "killed after {kill_after} changes");
        world.close().await;
        if done {
            return;
        }
    }
    panic!("it never came to its end");
}

fn only(scope: Scope) -> Plan {
    Plan { options: Options { scope, jobs: false, seed: Some(1), ..Options::default() }, ..Plan::default() }
}

#[tokio::test(start_paused = true)]
async fn a_program_for_one_group_delivers_only_what_its_turns_led_to_and_overtakes_nothing() {
    let world = World::new(only(Scope::Group(group_id()))).await;
    let turn = world.send("hello").await;
    let ours = |mail: Mail| Mail { root: Some(turn.id.clone()), ..mail };
    let mails = vec![
        from("ann", "bob", "not ours"),
        ours(from("ann", "bob", "ours, behind it")),
        ours(from("cid", "bob", "ours")),
        from("bob", "cid", "not ours either"),
    ];
    post(&world, mails).await;
    let read = settled(&world, "ours", MailStatus::Read).await;
    let run = world.finished(read.run.as_ref().unwrap()).await;
    assert_eq!(run.root, turn.id, "the chain of causes goes on");
    world.idle().await;
    for text in ["not ours", "ours, behind it", "not ours either"] {
        assert_eq!(mail(&world, text).await.status, MailStatus::Pending, "{text}");
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_for_one_agent_answers_in_its_own_conversation_and_in_no_other() {
    let world = World::new(only(Scope::Agent(agent_id("bob")))).await;
    world.post("hello").await;
    let to = |name: &str| Request::Send { to: Recipient::Agent(agent_id(name)), text: "hello".to_owned() };
    world.ask(to("ann")).await.unwrap();
    let Reply::Sent { run, .. } = world.ask(to("bob")).await.unwrap() else { panic!("it was not sent") };
    assert_eq!(stop(&world.finished(&run).await), StopReason::EndTurn);
    world.idle().await;
    let asked: Vec<String> = world.asked().into_iter().map(|prompt| prompt.agent).collect();
    assert_eq!(asked, ["bob"]);
    assert_eq!(world.store().turn_runs().await.unwrap().len(), 2, "the others wait for a program for them");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_only_does_what_it_is_asked_delivers_nothing() {
    let world = World::new(only(Scope::Nobody)).await;
    post(&world, vec![from("ann", "bob", "later")]).await;
    // Another commit, and time: neither makes it look.
    set_status(&world, GroupStatus::Active).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(mail(&world, "later").await.status, MailStatus::Pending);
    assert!(world.store().turn_runs().await.unwrap().is_empty());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_pending_pieces_cost_no_more_statements_than_their_recipients() {
    let world = World::new(only(Scope::Nobody)).await;
    let at = world.store().clock().now() + jiff::SignedDuration::from_hours(24);
    let names = ["ann", "bob", "cid"];
    for batch in 0..10 {
        let mails = (0..1_000).map(|nth| {
            let text = format!("{batch} {nth}");
            let unasked = Mail { sent_by: None, expires_at: Some(at), ..from("ann", names[nth % 3], &text) };
            Mail { priority: Priority::ALL[nth % 2], ..unasked }
        });
        post(&world, mails.collect()).await;
    }
    let before = world.store().counters().statements;
    let due = world.store().due_mail(None).await.unwrap();
    let expiring = world.store().expiring_mail(world.store().clock().now()).await.unwrap();
    let statements = world.store().counters().statements - before;
    let first: Vec<&str> = due.iter().map(|due| due.mail.text.as_str()).collect();
    assert_eq!(first, ["0 3", "0 1", "0 5"], "the first of the more urgent, a recipient each");
    assert!(expiring.over.is_empty() && expiring.next == Some(at));
    assert!(statements <= 20, "{statements}");
    world.engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn old_mail_between_agents_goes_with_retention_and_what_was_said_of_it_stays() {
    let world = World::new(Plan { script: Script::always("{agent} speaks"), ..Plan::default() }).await;
    let own = Mail { from: None, from_person: Some(PersonId::local()), sent_by: None, ..from("ann", "bob", "mine") };
    post(&world, vec![from("ann", "bob", "plan-a"), own]).await;
    settled(&world, "plan-a", MailStatus::Read).await;
    world.at_rest().await;
    let said = talk(&world, "bob").await;
    let clear = Request::ClearJobs { completed: None, others: Some(30 * 86_400) };
    let Reply::Expired(early) = world.ask(clear.clone()).await.unwrap() else { panic!() };
    assert_eq!(early.mails, 0, "it was sent just now");
    world.set_clock(jiff::SignedDuration::from_hours(31 * 24));
    post(&world, vec![from("bob", "ann", "new")]).await;
    let Reply::Expired(gone) = world.ask(clear).await.unwrap() else { panic!() };
    assert_eq!(gone.mails, 1);
    assert_eq!(world.store().row::<Mail>("mail-plan-a").await.unwrap(), None);
    assert_eq!(mail(&world, "mine").await.text, "mine", "a person's stays");
    assert_eq!(talk(&world, "bob").await, said);
    let sent: Vec<String> = world
        .store()
        .log(0, usize::MAX)
        .await
        .unwrap()
        .into_iter()
        .filter_map(|logged| if let Change::MailSent(mail) = logged.change { Some(mail.text) } else { None })
        .collect();
    assert!(sent.iter().any(|text| text == "(removed)") && !sent.iter().any(|text| text == "plan-a"), "{sent:?}");
    world.at_rest().await;
    world.close().await;
}
