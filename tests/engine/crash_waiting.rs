//! F1 and F2 for everything that waits: ended at each point of each commit of a delegation, an approval, a mail that is
//! waited for and a dynamic turn, or killed at random, and started again, the final conversation is the one nobody ended.

use std::path::Path;
use std::sync::Mutex;

use crate::support::engine_harness::{Plan, agent_id, group_id, lines, story};
use crate::support::kill::{End, PLACE, SESSION, Session, Tally, play, rounds, runtime, store_of, surplus};
use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Conversation, MailStatus, ManagerType, PendingCall, PendingKind, Rule};
use nightdesk::testing::engine::protocol::{Recipient, Request};
use nightdesk::testing::engine::{Engine, Handle};
use nightdesk::testing::store::{self};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const SESSIONS: [&str; 5] = ["delegation", "approval", "job", "mail", "dynamic"];

fn delegation() -> Script {
    Script::of([
        When::agent("boss")
            .step(1)
            .text("Let me ask.")
            .inserts("story", "- asked")
            .delegates(&[("ann", "write it"), ("bob", "check it")])
            .inserts("story", "- answered"),
        When::agent("boss").text("Here it is."),
        When::agent("ann").text("Written."),
        When::agent("bob").step(1).inserts("story", "- checked"),
        When::agent("bob").text("Checked."),
    ])
}

fn approval() -> Script {
    Script::of([When::agent("ann").step(1).text("May I?").rethinks("story", "all anew").inserts("story", "- and more")])
        .otherwise("{agent} is done")
}

fn job() -> Script {
    Script::of([When::agent("zoe").step(1).rethinks("story", "all anew")]).otherwise("{agent} is done")
}

fn mail() -> Script {
    Script::of([
        When::agent("ann").step(1).text("I ask bob.").asks("bob", "what do you know?").mails("bob", "thank you"),
        When::agent("bob").contains("what do you know?").text("The bees are well."),
    ])
    .otherwise("{agent} is done")
}

fn dynamic() -> Script {
    Script::of([
        When::agent("boss").step(1).contains("go on").chooses("bob", "he knows"),
        When::agent("boss").chooses("done", "all is said"),
    ])
    .otherwise("{agent} has spoken")
}

fn plan(session: &str) -> Plan {
    let plan = Plan { tools: &["memory_rethink"], members: &["ann", "bob"], ..Plan::default() };
    let managed =
        |script: Script, manager_type| Plan { script, manager_type, manager: Some("boss"), ..Plan::default() };
    match session {
        "delegation" => Plan { members: &["ann", "bob"], tools: &[], ..managed(delegation(), ManagerType::Supervisor) },
        "approval" => {
            let rules = vec![Rule::RequiresApproval { tool_name: "memory_rethink".to_owned() }];
            Plan { script: approval(), rules, ..plan }
        }
        "job" => {
            let rules = vec![Rule::RequiresApproval { tool_name: "memory_rethink".to_owned() }];
            let (background, every_turns) = (&["zoe"][..], Some(1));
            Plan { script: job(), rules, background, every_turns, members: &["ann"], ..plan }
        }
        "mail" => {
            let tools = &["send_message_to_agent_and_wait_for_reply"];
            // Only ann speaks in the group, so that the order of what bob does is one.
            Plan { script: mail(), tools, max_turns: Some(1), ..plan }
        }
        "dynamic" => Plan { members: &["ann", "bob"], tools: &[], ..managed(dynamic(), ManagerType::Dynamic) },
        other => panic!("no session {other}"),
    }
}

/// The process the others end: plays the session as far as it is not played yet, the person at the desk included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let session = Session::open(Path::new(&place), &plan(&std::env::var(SESSION).unwrap())).await;
    let (engine, handle) = (&session.engine, &session.handle);
    if engine.store().find::<Conversation>(group_id().as_str()).await.unwrap().is_empty() {
        let to = Recipient::Group(group_id());
        handle.ask(Request::Send { to, text: "go on".to_owned() }).await.unwrap();
    }
    session.end(async |engine, handle| over(engine, handle).await).await;
}

/// Says yes to whatever waits for a person, until nothing is open and no mail is on its way.
async fn over(engine: &Engine, handle: &Handle) {
    let mut head = engine.store().head();
    loop {
        head.borrow_and_update();
        let open = engine.store().open_runs().await.unwrap();
        let mails = engine.store().mails(None, Some(MailStatus::Pending), 1).await.unwrap();
        let jobs = engine.store().unfinished_jobs().await.unwrap();
        if open.is_empty() && mails.is_empty() && jobs.is_empty() {
            return;
        }
        for run in open {
            let calls = engine.store().calls(&run.id).await.unwrap();
            for call in calls.iter().filter(|call| call.is_open() && call.kind == PendingKind::Approval) {
                let PendingCall { step, ordinal, .. } = call.clone();
                let yes = Request::Decide { step, ordinal, approve: true, for_run: false, reason: String::new() };
                // It may have been decided in the commit that rang.
                let _ = handle.ask(yes).await;
            }
        }
        head.changed().await.unwrap();
    }
}

/// What has to be the same in the end. Workers speak side by side, so their lines are compared without their order.
#[derive(Debug, PartialEq)]
struct Outcome {
    conversation: Vec<String>,
    direct: Vec<String>,
    block: Vec<String>,
    mails: Vec<String>,
    steps: u32,
    runs: usize,
    /// Runs that are not over.
    open: usize,
}

impl Outcome {
    /// What is there more often than it should be.
    fn doubled(&self, expected: &Self) -> u64 {
        let runs = self.runs.saturating_sub(expected.runs) as u64;
        let parts = [
            (&self.conversation, &expected.conversation),
            (&self.direct, &expected.direct),
            (&self.block, &expected.block),
            (&self.mails, &expected.mails),
        ];
        parts.into_iter().map(|(lines, expected)| surplus(lines, expected)).sum::<u64>() + runs
    }
}

/// Reads the outcome, and how many acknowledged changes are not in it.
async fn outcome(place: &Path, acks: &[String]) -> (Outcome, u64) {
    let (store, lost) = store_of(place, acks).await;
    let open = store.open_runs().await.unwrap().len();
    let said = async |owner: &str| match store.find::<Conversation>(owner).await.unwrap().pop() {
        Some(talk) => lines(&store.messages(&talk.id, 1, u64::MAX).await.unwrap()),
        None => Vec::new(),
    };
    let mut conversation = said(group_id().as_str()).await;
    let workers = |line: &String| line.starts_with("ann") || line.starts_with("bob");
    if let Some(first) = conversation.iter().position(workers) {
        let end = conversation.iter().rposition(workers).unwrap();
        conversation[first..=end].sort();
    }
    let block = store.row::<nightdesk::testing::domain::Block>(story().as_str()).await.unwrap().unwrap();
    let mut block: Vec<String> = block.value.lines().map(str::to_owned).collect();
    block.sort();
    let mails = store.mails(None, None, 100).await.unwrap();
    let mut mails: Vec<String> = mails
        .iter()
        .map(|mail| format!("{:?}→{:?} {:?} {} {}", mail.from, mail.to, mail.kind, mail.status.as_str(), mail.text))
        .collect();
    mails.sort();
    let runs: Vec<_> = store.all::<nightdesk::testing::domain::Run>().await.unwrap().rows;
    let steps = runs.iter().filter(|run| run.parent.is_none()).map(|run| run.steps).sum();
    let direct = said(agent_id("bob").as_str()).await;
    (Outcome { conversation, direct, block, mails, steps, runs: runs.len(), open }, lost)
}

/// Plays a session that ends in these ways one after the other, then to its end. Panics if the outcome is another than
/// expected in a way that the tally does not tell.
async fn ended(session: &str, ends: &[End], expected: Option<&Outcome>) -> (Tally, Outcome) {
    let place = tempfile::tempdir().unwrap();
    let (mut acks, mut tally) = (Vec::new(), Tally::default());
    for end in ends.iter().chain([&End::Never]) {
        let heard = play(module_path!(), place.path(), session, end);
        tally.add(&heard);
        acks.extend(heard.acks);
        if heard.done {
            break;
        }
    }
    let (outcome, lost) = outcome(place.path(), &acks).await;
    tally.lost = lost;
    if let Some(expected) = expected.filter(|expected| tally.stuck == 0 && outcome != **expected) {
        tally.doubled = outcome.doubled(expected);
        println!("{session} ended by {ends:?}: {outcome:#?} is not {expected:#?}");
        assert!(tally.doubled > 0, "the outcome lacks something");
    }
    (tally, outcome)
}

fn f1(session: &str, least: u64) -> Outcome {
    let (_, expected) = runtime().block_on(ended(session, &[], None));
    let hits = Mutex::new(Vec::new());
    rounds(store::POINTS.len() as u64, |number| {
        let point = store::POINTS[usize::try_from(number).unwrap()];
        let runtime = runtime();
        for passage in 1.. {
            let (tally, _) = runtime.block_on(ended(session, &[End::Probe(point, passage)], Some(&expected)));
            tally.assert_sound();
            if tally.kills == 0 {
                hits.lock().unwrap().push((point, passage - 1));
                break;
            }
        }
    });
    let hits = hits.into_inner().unwrap();
    println!("{session}, ends by point: {hits:?}");
    assert!(hits.iter().all(|(_, count)| *count >= least), "{hits:?}");
    expected
}

/// Kills so many sessions of each kind at random.
pub fn killed_at_random(count: u64) -> Tally {
    let mut sum = Tally::default();
    for session in SESSIONS {
        let (whole, expected) = runtime().block_on(ended(session, &[], None));
        let of_session = Mutex::new(Tally::default());
        rounds(count, |number| {
            let mut dice = StdRng::seed_from_u64(number);
            let end = End::Kill(dice.random_range(1..=whole.acknowledged), dice.random_range(0..400_000));
            let (tally, _) = runtime().block_on(ended(session, &[end], Some(&expected)));
            *of_session.lock().unwrap() += tally;
        });
        let of_session = of_session.into_inner().unwrap();
        println!("{session}, {count} rounds: {of_session}");
        sum += of_session;
    }
    sum
}

#[test]
fn f2_killed_at_random_what_waits_comes_to_the_same_end() {
    let sum = killed_at_random(4);
    sum.assert_sound();
    assert!(sum.kills > 0, "{sum}");
}

#[test]
fn f1_ended_at_every_point_of_a_delegation_the_conversation_is_the_one_nobody_ended() {
    let outcome = f1("delegation", 8);
    let expected = [
        "user: go on",
        "boss: Let me ask.",
        "boss memory_insert ok: Block story, version 2, 54 of 20000 characters; lines 1 to 3 now read:",
        "(asks ann: write it\nasks bob: check it)",
        "ann: Written.",
        "bob memory_insert ok: Block story, version 3, 64 of 20000 characters; lines 1 to 4 now read:",
        "bob: Checked.",
        "boss delegate ok: ann answered: Written.",
        "boss memory_insert ok: Block story, version 4, 75 of 20000 characters; lines 2 to 5 now read:",
        "boss: Here it is.",
    ];
    assert_eq!(outcome.conversation, expected);
}

#[test]
fn f1_ended_at_every_point_of_an_approval_the_conversation_is_the_one_nobody_ended() {
    let outcome = f1("approval", 6);
    let expected = [
        "user: go on",
        "ann memory_insert ok: Block story, version 2, 19 of 20000 characters; lines 1 to 2 now read:",
        "ann memory_rethink ok: Block story, version 2, 8 of 20000 characters; line 1 now reads:",
        "ann: May I?",
        "ann: ann is done",
        "bob: bob is done",
    ];
    let mut conversation = outcome.conversation;
    conversation[1..].sort();
    assert_eq!(conversation, expected);
}

#[test]
fn f1_ended_at_every_point_of_a_job_that_asks_the_block_is_the_one_nobody_ended() {
    let outcome = f1("job", 6);
    assert_eq!(outcome.conversation, ["user: go on", "ann: ann is done"]);
    assert_eq!(outcome.block, ["all anew"]);
}

#[test]
fn f1_ended_at_every_point_of_a_mail_that_is_waited_for_the_conversation_is_the_one_nobody_ended() {
    let outcome = f1("mail", 8);
    assert!(
        outcome
            .conversation
            .contains(&"ann send_message_to_agent_and_wait_for_reply ok: bob answered: The bees are well.".to_owned())
    );
    assert_eq!(outcome.mails.len(), 3, "{:?}", outcome.mails);
    assert!(outcome.mails.iter().all(|mail| mail.contains(" read ")), "{:?}", outcome.mails);
    assert_eq!(outcome.direct.len(), 4, "{:?}", outcome.direct);
}

#[test]
fn f1_ended_at_every_point_of_a_dynamic_turn_the_conversation_is_the_one_nobody_ended() {
    let outcome = f1("dynamic", 7);
    assert!(outcome.conversation.contains(&"bob: bob has spoken".to_owned()), "{:?}", outcome.conversation);
}
