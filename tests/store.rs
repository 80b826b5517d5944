//! What the store promises those who commit to it and read from it, while it lives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

#[path = "support"]
mod support {
    pub mod child;
    pub mod fixtures;
    pub mod fold;
}

#[path = "store/files.rs"]
mod files;
#[path = "store/fold.rs"]
mod fold;
#[path = "store/migrating.rs"]
mod migrating;
#[path = "store/rules.rs"]
mod rules;
#[path = "store/step_inputs.rs"]
mod step_inputs;
#[path = "store/store_crash.rs"]
mod store_crash;
#[path = "store/store_faults.rs"]
mod store_faults;
#[path = "store/transcripts.rs"]
mod transcripts;
#[path = "store/waits.rs"]
mod waits;
#[path = "store/writing.rs"]
mod writing;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::support::fixtures::{self, BLOCK, TALK, by_person, edit, newsroom, said};
use crate::support::fold::assert_folds;
use jiff::Timestamp;
use nightdesk::testing::domain::run::RunStateName;
use nightdesk::testing::domain::{
    Actor, Block, CauseKind, Change, Commit, Conflict, Content, Job, JobState, Message, MessageQuery, NoticeKind,
    PendingCall, PendingKind, Precondition, Run, RunState, StopReason,
};
use nightdesk::testing::store::{
    Clock, CommitError, FRAME_BYTES, Lane, ManualClock, MessagePage, Mode, Options, Store, StoreError, SystemClock,
};
use tempfile::TempDir;

fn desk(dir: &TempDir) -> PathBuf {
    dir.path().join("desk.db")
}

fn manual() -> Options {
    Options { clock: Arc::new(ManualClock::default()), ..Options::default() }
}

async fn opened(dir: &TempDir, options: Options) -> Store {
    let store = Store::open(&desk(dir), options).unwrap();
    store.commit(Lane::Foreground, newsroom()).await.unwrap();
    store
}

async fn say(store: &Store, text: &str) -> u64 {
    let made = store.commit(Lane::Foreground, by_person(vec![said(TALK, None, text)])).await.unwrap();
    made[0].n
}

fn text_of(change: &Change) -> Option<&str> {
    match change {
        Change::MessageAppended(message) => Some(message.text()),
        _ => None,
    }
}

/// A clock at which the writer stops, inside its transaction, until it is let go.
struct Gate {
    arrived: Mutex<mpsc::Sender<()>>,
    go: Mutex<mpsc::Receiver<()>>,
}

/// The other side of a [`Gate`].
struct Gatekeeper {
    arrived: mpsc::Receiver<()>,
    /// The gate opens when this is dropped.
    _go: mpsc::Sender<()>,
}

fn gate() -> (Arc<Gate>, Gatekeeper) {
    let (tell, arrived) = mpsc::channel();
    let (go, wait) = mpsc::channel();
    (Arc::new(Gate { arrived: Mutex::new(tell), go: Mutex::new(wait) }), Gatekeeper { arrived, _go: go })
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        // Without a gatekeeper the gate stands open.
        let _ = self.arrived.lock().unwrap().send(());
        let _ = self.go.lock().unwrap().recv();
        SystemClock.now()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// A store whose writer stands inside a transaction with the first commit, and the commits that wait behind it.
async fn held_up(
    dir: &TempDir,
    page_limit: Option<u32>,
    waiting: Vec<(Lane, Commit)>,
) -> (Store, Gatekeeper, Vec<tokio::task::JoinHandle<Result<(), CommitError>>>) {
    drop(opened(dir, Options::default()).await);
    let (clock, keeper) = gate();
    let store = Store::open(&desk(dir), Options { clock, page_limit, ..Options::default() }).unwrap();
    let mut tasks = Vec::new();
    let first = (Lane::Background, by_person(vec![said(TALK, None, "first")]));
    for (at, (lane, commit)) in std::iter::once(first).chain(waiting).enumerate() {
        let committing = store.clone();
        tasks.push(tokio::spawn(async move { committing.commit(lane, commit).await.map(drop) }));
        if at == 0 {
            tokio::task::yield_now().await;
            keeper.arrived.recv().unwrap();
        } else {
            while store.counters().waiting < at as u64 {
                tokio::task::yield_now().await;
            }
        }
    }
    (store, keeper, tasks)
}

async fn let_go(keeper: Gatekeeper, tasks: Vec<tokio::task::JoinHandle<Result<(), CommitError>>>) -> Vec<bool> {
    drop(keeper);
    let mut kept = Vec::new();
    for task in tasks {
        kept.push(task.await.unwrap().is_ok());
    }
    kept
}

#[tokio::test]
async fn foreground_goes_first_and_waits_for_one_background_batch_at_most() {
    for background in [0, 1, 8, 50] {
        let dir = tempfile::tempdir().unwrap();
        let said = |lane, what: &str, at: u64| (lane, by_person(vec![said(TALK, None, &format!("{what} {at}"))]));
        let mut waiting: Vec<_> = (0..background).map(|at| said(Lane::Background, "back", at)).collect();
        waiting.extend((0..5).map(|at| said(Lane::Foreground, "fore", at)));
        let (store, keeper, tasks) = held_up(&dir, None, waiting).await;
        let before = store.counters().transactions;
        assert!(let_go(keeper, tasks).await.into_iter().all(|kept| kept));

        let log = store.log(0, 1_000).await.unwrap();
        let texts: Vec<&str> = log.iter().filter_map(|logged| text_of(&logged.change)).collect();
        let expected: Vec<String> = std::iter::once("first".to_owned())
            .chain((0..5).map(|at| format!("fore {at}")))
            .chain((0..background).map(|at| format!("back {at}")))
            .collect();
        assert_eq!(texts, expected, "the foreground waits for the batch that has begun, and for no other");
        // The first alone, the foreground together, the background by eights.
        assert_eq!(store.counters().transactions - before, 1 + 1 + background.div_ceil(8));
        println!("with {background} background commits waiting, a foreground commit waits for 1 background batch");
        assert_folds(&store).await;
    }
}

#[tokio::test]
async fn a_background_batch_is_bounded_in_bytes_too() {
    let dir = tempfile::tempdir().unwrap();
    let big = "x".repeat(200 * 1024);
    let waiting = (0..3).map(|_| (Lane::Background, by_person(vec![said(TALK, None, &big)]))).collect();
    let (store, keeper, tasks) = held_up(&dir, None, waiting).await;
    let before = store.counters().transactions;
    assert!(let_go(keeper, tasks).await.into_iter().all(|kept| kept));
    assert_eq!(store.counters().transactions - before, 4, "two such commits are over 256 KiB");
}

#[tokio::test]
async fn a_refused_commit_leaves_the_others_of_its_batch_alone() {
    let dir = tempfile::tempdir().unwrap();
    let waiting = vec![
        (Lane::Foreground, by_person(vec![said(TALK, None, "before")])),
        (Lane::Foreground, by_person(vec![said(TALK, None, "half"), edit(BLOCK, 9, "stale")])),
        (Lane::Foreground, by_person(vec![said(TALK, None, "after")])),
    ];
    let (store, keeper, tasks) = held_up(&dir, None, waiting).await;
    assert_eq!(let_go(keeper, tasks).await, [true, true, false, true]);
    let messages = store.messages(&TALK.into(), 1, 100).await.unwrap();
    let texts: Vec<&str> = messages.iter().map(Message::text).collect();
    assert_eq!(texts, ["first", "before", "after"]);
    assert_eq!(messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_folds(&store).await;
}

#[tokio::test]
async fn f4_a_full_disk_refuses_the_commit_that_does_not_fit_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(&dir, Options::default()).await);
    let pages = u32::try_from(std::fs::metadata(desk(&dir)).unwrap().len() / 4096).unwrap();
    let huge = "x".repeat(2 * 1024 * 1024);
    let dir = tempfile::tempdir().unwrap();
    let waiting = vec![
        (Lane::Foreground, by_person(vec![said(TALK, None, "small one")])),
        (Lane::Foreground, by_person(vec![said(TALK, None, &huge)])),
        (Lane::Foreground, by_person(vec![said(TALK, None, "small two")])),
    ];
    let (store, keeper, tasks) = held_up(&dir, Some(pages + 50), waiting).await;
    assert_eq!(let_go(keeper, tasks).await, [true, true, false, true]);

    let full = store.commit(Lane::Foreground, by_person(vec![said(TALK, None, &huge)])).await.unwrap_err();
    assert_eq!(full, CommitError::Store(StoreError::Full));
    assert!(full.to_string().contains("free some space"), "{full}");
    let texts = store.messages(&TALK.into(), 1, 100).await.unwrap();
    assert_eq!(texts.iter().map(Message::text).collect::<Vec<_>>(), ["first", "small one", "small two"]);
    say(&store, "works again").await;
    assert_folds(&store).await;

    drop(store);
    let store = Store::open(&desk(&dir), Options::default()).unwrap();
    say(&store, &huge).await;
    assert_folds(&store).await;
}

#[tokio::test]
async fn reads_go_on_while_the_writer_stands_in_a_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keeper, tasks) = held_up(&dir, None, Vec::new()).await;
    let block = store.row::<Block>(BLOCK).await.unwrap().unwrap();
    assert_eq!((block.value.as_str(), block.version), ("first", 1));
    assert_eq!(store.messages(&TALK.into(), 1, 9).await.unwrap(), []);
    assert_eq!(let_go(keeper, tasks).await, [true]);
    assert_eq!(store.messages(&TALK.into(), 1, 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_followed_gap_free_by_the_doorbell_and_an_answer_comes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, Options::default()).await;
    let (writers, each) = (8_u64, 25_u64);
    let (mut bell, start) = (store.head(), *store.head().borrow());
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for at in 0..each {
                let lane = if writer % 2 == 0 { Lane::Foreground } else { Lane::Background };
                let commit = by_person(vec![said(TALK, None, &format!("{writer} {at}"))]);
                let made = store.commit(lane, commit).await.unwrap();
                let n = made[0].n;
                assert!(*store.head().borrow() >= n, "answered before the doorbell");
                assert_eq!(store.log(n - 1, 1).await.unwrap(), made, "what was answered is what is logged");
            }
        }));
    }
    let mut seen = start;
    while seen < start + writers * each {
        let head = *bell.borrow_and_update();
        for logged in store.log(seen, 7).await.unwrap() {
            seen += 1;
            assert_eq!(logged.n, seen);
        }
        if seen >= head && seen < start + writers * each {
            bell.changed().await.unwrap();
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.log(seen, 10).await.unwrap(), []);
    let messages = store.messages(&TALK.into(), 1, u64::MAX).await.unwrap();
    for writer in 0..writers {
        let own: Vec<_> = messages.iter().filter(|m| m.text().starts_with(&format!("{writer} "))).collect();
        let expected: Vec<String> = (0..each).map(|at| format!("{writer} {at}")).collect();
        assert_eq!(own.iter().map(|m| m.text()).collect::<Vec<_>>(), expected, "each writer's order is kept");
    }
    assert_folds(&store).await;
}

#[tokio::test]
async fn a_stale_edit_is_a_conflict_that_carries_the_block_as_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    store.commit(Lane::Foreground, by_person(vec![edit(BLOCK, 2, "second")])).await.unwrap();
    let stale = store.commit(Lane::Background, by_person(vec![edit(BLOCK, 2, "mine")])).await.unwrap_err();
    let CommitError::Conflict(Conflict::Block { current }) = stale else { panic!("{stale}") };
    assert_eq!((current.value.as_str(), current.version), ("second", 2));

    let revisions = store.revisions(&BLOCK.into(), None, 10).await.unwrap();
    let values: Vec<_> = revisions.iter().map(|(_, _, rev)| (rev.version, rev.value.as_str())).collect();
    assert_eq!(values, [(2, "second"), (1, "first")], "newest first, from version 1 on");
    assert_eq!(store.revision(&BLOCK.into(), 1).await.unwrap().unwrap().reason, "created");
    assert_folds(&store).await;
}

fn claim(job: &Job, epoch: u64) -> Commit {
    let change = Change::JobClaimed {
        id: job.id.clone(),
        epoch,
        run: "run-work".into(),
        conversation: "conversation-work".into(),
        upto: None,
    };
    Commit::new(Actor::Engine, vec![change])
}

/// A turn with one speech of one step, from its message to its end.
async fn whole_turn(store: &Store, name: &str) -> Vec<nightdesk::testing::domain::LogEntry> {
    let speech = format!("{name}-speech");
    let ended = || RunState::Finished { stop_reason: StopReason::EndTurn, error: None };
    let changes = vec![
        fixtures::turn(name),
        said(TALK, None, &format!("question {name}")),
        fixtures::speech(&speech, name, "ann"),
        fixtures::moved(&speech, RunState::Running),
        fixtures::step(&speech, "ann", 1, vec![(BLOCK.into(), 1)]),
        said(TALK, Some("ann"), &format!("answer {name}")),
        fixtures::moved(&speech, ended()),
        fixtures::moved(name, ended()),
    ];
    store.commit(Lane::Foreground, by_person(changes)).await.unwrap()
}

#[tokio::test]
async fn j1_a_job_is_logged_with_its_cause_and_j4_a_stale_fence_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    let made = whole_turn(&store, "run-1").await;
    let (cause, follows) = (&made[made.len() - 2], &made[made.len() - 1]);
    assert_eq!((follows.cause, &follows.by), (Some(cause.n), &Actor::Engine));
    let jobs = store.unfinished_jobs().await.unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].causes.iter().map(|cause| &cause.kind).collect::<Vec<_>>(), [&CauseKind::Turn { turn: 1 }]);

    store.commit(Lane::Background, claim(&jobs[0], 1)).await.unwrap();
    let yielded = Commit::new(Actor::Engine, vec![Change::JobYielded { id: jobs[0].id.clone() }]);
    store.commit(Lane::Background, yielded).await.unwrap();
    store.commit(Lane::Background, claim(&jobs[0], 1)).await.unwrap();
    let effect = |fence| {
        Commit::new(Actor::Engine, vec![edit(BLOCK, 2, "by a job")])
            .requiring(Precondition::JobFence(jobs[0].id.clone(), fence))
    };
    let stale = store.commit(Lane::Background, effect(1)).await.unwrap_err();
    assert_eq!(stale, CommitError::Conflict(Conflict::Fenced { job: jobs[0].id.clone() }));
    assert_eq!(store.row::<Block>(BLOCK).await.unwrap().unwrap().version, 1, "nothing of it happened");
    store.commit(Lane::Background, effect(2)).await.unwrap();

    let again = by_person(vec![said(TALK, None, "x")]).requiring(Precondition::Run {
        id: "run-1".into(),
        state: RunStateName::Running,
        steps: 0,
    });
    let over = store.commit(Lane::Foreground, again).await.unwrap_err();
    assert_eq!(over, CommitError::Conflict(Conflict::Run { run: "run-1".into() }));
    assert_folds(&store).await;
}

#[tokio::test]
async fn one_commit_is_one_transaction_and_a_refused_one_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    let before = store.counters();
    whole_turn(&store, "run-1").await;
    let after = store.counters();
    assert_eq!(after.transactions, before.transactions + 1);
    assert!(after.statements > before.statements);
    store.commit(Lane::Foreground, by_person(vec![edit(BLOCK, 7, "stale")])).await.unwrap_err();
    assert_eq!(store.counters().transactions, after.transactions);
}

#[tokio::test]
async fn queries_answer_in_order_of_creation() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    for name in ["run-9", "run-5", "run-7"] {
        whole_turn(&store, name).await;
    }
    store
        .commit(Lane::Foreground, by_person(vec![fixtures::turn("run-2"), fixtures::queued_turn("run-1", "later")]))
        .await
        .unwrap();
    // A row keeps its place when it changes.
    store.commit(Lane::Foreground, by_person(vec![fixtures::moved("run-2", RunState::Parked)])).await.unwrap();
    let ids = |runs: Vec<nightdesk::testing::domain::Run>| runs.into_iter().map(|run| run.id.0).collect::<Vec<_>>();
    assert_eq!(ids(store.turn_runs().await.unwrap()), ["run-2", "run-1"]);
    assert_eq!(ids(store.runs_of(&"run-5".into()).await.unwrap()), ["run-5-speech"]);
    let all = store.all::<nightdesk::testing::domain::Agent>().await.unwrap();
    assert_eq!(all.rows.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["ann", "ben", "cleo"]);
    let steps = store.steps(&"run-5-speech".into()).await.unwrap();
    assert_eq!(steps.iter().map(|step| (step.index, step.tokens_in)).collect::<Vec<_>>(), [(1, 10)]);
    let jobs = store.jobs(Some(&fixtures::GROUP.into()), 10).await.unwrap();
    assert_eq!(jobs.rows.len(), 1, "further causes join the job that waits");
    assert_eq!(jobs.rows[0].causes.len(), 3);
    assert_eq!(store.jobs(Some(&"group-other".into()), 10).await.unwrap().rows, []);
    assert_folds(&store).await;
}

#[tokio::test]
async fn a_page_holds_the_newest_or_oldest_that_fit_and_one_at_least() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    for text in ["aaaa", "bbbb", "cccc", "dddd"] {
        say(&store, text).await;
    }
    let one = serde_json::to_vec(&nightdesk::testing::domain::Content::said("aaaa")).unwrap().len();
    let page = async |newest, range, messages, bytes| {
        let found = store.messages_page(&TALK.into(), range, MessagePage { newest, messages, bytes }).await.unwrap();
        found.iter().map(|message| message.seq).collect::<Vec<_>>()
    };
    assert_eq!(page(true, (1, u64::MAX), 9, 2 * one).await, [3, 4]);
    assert_eq!(page(true, (1, 4), 9, 3 * one - 1).await, [3, 4]);
    assert_eq!(page(true, (1, 3), 9, 3 * one).await, [1, 2, 3]);
    assert_eq!(page(true, (1, 2), 9, 0).await, [2]);
    assert_eq!(page(true, (0, 0), 9, 100).await, Vec::<u64>::new());
    assert_eq!(page(true, (1, 4), 3, usize::MAX).await, [2, 3, 4]);
    assert_eq!(page(false, (2, 4), 9, 2 * one).await, [2, 3]);
    assert_eq!(page(false, (2, 4), 1, usize::MAX).await, [2]);
    assert_eq!(page(false, (2, 4), 9, 0).await, [2]);
}

#[tokio::test]
async fn search_takes_any_text_for_words_and_gives_the_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    let texts =
        ["The agent-loop stalls", "Café at noon", "私の記憶は長い", "cafeteria: \"closed\"", "-->", "agent and loop"];
    for text in texts {
        say(&store, text).await;
    }
    let notice = Change::MessageAppended(Message {
        content: Content::Notice { notice: NoticeKind::Error, text: "cafe failed".to_owned() },
        ..match said(TALK, Some("ann"), "x") {
            Change::MessageAppended(message) => message,
            _ => unreachable!(),
        }
    });
    store.commit(Lane::Foreground, by_person(vec![notice])).await.unwrap();
    let find = async |query: &str, limit| {
        let found = store.background().search(MessageQuery::new(Some(TALK.into()), query, limit)).await.unwrap();
        assert_eq!(found.stopped_after, None);
        found.messages.iter().map(|message| message.seq).collect::<Vec<_>>()
    };
    assert_eq!(find("cafe", 10).await, [4, 2], "accents and case do not matter, the last word is a beginning");
    assert_eq!(find("CAFÉ noon", 10).await, [2]);
    assert_eq!(find("agent-loop", 10).await, [1], "a word with signs is a phrase, not a query");
    assert_eq!(find("agent loop", 10).await, [6, 1]);
    assert_eq!(find("agent loop", 1).await, [6]);
    assert_eq!(find("\"closed\" OR NEAR(", 10).await, Vec::<u64>::new());
    assert_eq!(find("cafeteria \"closed", 10).await, [4]);
    assert_eq!(find("記憶", 10).await, [3]);
    assert_eq!(find("-->", 10).await, [5]);
    assert_eq!(find("  ", 10).await, Vec::<u64>::new());
    let other = "conversation-other".into();
    assert_eq!(store.background().search(MessageQuery::new(Some(other), "cafe", 10)).await.unwrap().messages, []);
    assert_eq!(store.background().search(MessageQuery::new(None, "記憶", 10)).await.unwrap().messages.len(), 1);
    // Models name times, too: the ends of all time are no end of the program.
    let ever = |since, before| MessageQuery { since, before, ..MessageQuery::new(None, "記憶", 10) };
    let (first, last) = (Some(jiff::Timestamp::MIN), Some(jiff::Timestamp::MAX));
    for (query, count) in [(ever(first, last), 1), (ever(last, None), 0), (ever(None, first), 0)] {
        assert_eq!(store.background().search(query).await.unwrap().messages.len(), count);
    }
}

#[tokio::test]
async fn a_speech_is_made_from_the_newest_messages_and_every_block_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    whole_turn(&store, "run-1").await;
    let mut ann = fixtures::agent("ann");
    ann.blocks = vec!["block-own".into(), BLOCK.into()];
    let changes = vec![
        Change::BlockCreated(fixtures::block("block-own", "own", "mine")),
        Change::AgentPut(ann),
        fixtures::turn("run-2"),
        said(TALK, None, "again"),
        fixtures::speech("run-2-speech", "run-2", "ann"),
    ];
    store.commit(Lane::Foreground, by_person(changes)).await.unwrap();
    let room = "again".len() + "answer run-1".len() + 2 * FRAME_BYTES;
    let view = store.step_view(&"run-2-speech".into(), room).await.unwrap();
    assert_eq!(view.messages.iter().map(|message| message.text()).collect::<Vec<_>>(), ["answer run-1", "again"]);
    assert_eq!((view.earlier, view.turn_cut, view.run.steps), (1, false, 0));
    assert_eq!(view.blocks.iter().map(|block| block.label.as_str()).collect::<Vec<_>>(), ["own", "style"]);
    assert_eq!(view.roster.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["ann", "ben", "cleo"]);
    assert_eq!(view.seen, [(BLOCK.into(), 1)], "what the agent saw in another run");
    assert_eq!((view.agent.name.as_str(), view.conversation.id.as_str()), ("ann", TALK));
    assert!(view.job.is_none() && view.notes.is_empty());

    let turn = store.step_view(&"run-2".into(), 100).await.unwrap_err();
    assert!(turn.to_string().contains("speeches make the steps"), "{turn}");
    let none = store.step_view(&"run-none".into(), 100).await.unwrap_err();
    assert_eq!(none.to_string(), "there is no run run-none");
}

#[tokio::test]
async fn what_an_agent_does_not_see_takes_no_room_and_the_message_it_answers_is_always_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    whole_turn(&store, "run-1").await;
    let called = |agent: &str, text: String| {
        let Change::MessageAppended(message) = said(TALK, Some(agent), &text[..9]) else { unreachable!() };
        let (call, name, arguments) = (text[..9].to_owned(), "look".to_owned(), serde_json::json!({}));
        Change::MessageAppended(Message { content: Content::Tool { call, name, arguments, ok: true, text }, ..message })
    };
    let Change::RunCreated(speech) = fixtures::speech("run-2-speech", "run-2", "ann") else { unreachable!() };
    let turn = vec![
        fixtures::turn("run-2"),
        said(TALK, None, "again"),
        Change::RunCreated(Run { input: 3, ..speech }),
        called("ann", "ann looks ".repeat(90)),
        called("ben", "ben looks ".repeat(9_000)),
        said(TALK, Some("ben"), "ben answers"),
    ];
    store.commit(Lane::Foreground, by_person(turn)).await.unwrap();
    let seen = async |bytes: usize| {
        let view = store.step_view(&"run-2-speech".into(), bytes).await.unwrap();
        (view.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), view.earlier, view.turn_cut)
    };
    assert_eq!(seen(1_000).await, (vec![1, 2, 3, 4, 6], 0, false), "ben's call is ben's");
    assert_eq!(seen(600).await, (vec![1, 2, 3, 4, 6], 0, false), "of a result a third is shown");
    assert_eq!(seen(1).await, (vec![3, 6], 2, true), "what the turn answers is read in any case");
    assert_folds(&store).await;
}

#[tokio::test]
async fn the_mail_that_a_call_waits_for_is_found_by_the_call() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    let sent = [1, 2].map(|second| Change::MailSent(rules::mail(second)));
    store.commit(Lane::Foreground, by_person(sent.into())).await.unwrap();
    let call = |kind| PendingCall {
        run: "run-1".into(),
        step: "step-1".into(),
        ordinal: 0,
        call: "call".to_owned(),
        name: "ask".to_owned(),
        arguments: serde_json::json!({}),
        kind,
        whom: vec!["agent-ben".into()],
        since: Timestamp::UNIX_EPOCH,
        until: None,
        answer: None,
    };
    let waited_for = async |kind| store.mail_waited_for(&[call(kind)]).await.unwrap();
    let mails = waited_for(PendingKind::Reply).await;
    assert_eq!(mails.iter().map(|mail| mail.id.as_str()).collect::<Vec<_>>(), ["mail-1"]);
    assert!(waited_for(PendingKind::Approval).await.is_empty());
}

#[tokio::test]
async fn a_job_is_made_from_its_window_from_the_start_and_its_own_notes() {
    use nightdesk::testing::domain::{Conversation, ConversationOwner, RunKind};
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    whole_turn(&store, "run-1").await;
    whole_turn(&store, "run-2").await;
    let job = store.unfinished_jobs().await.unwrap().remove(0);
    let notes = Conversation::new("conversation-work".into(), ConversationOwner::Job(job.id.clone()));
    let (agent, group) = (job.agent().unwrap().clone(), job.group().unwrap().clone());
    let kind = RunKind::Job { agent, group, job: job.id.clone() };
    let mut claimed = claim(&job, 1);
    claimed.changes.push(Change::ConversationOpened(notes));
    claimed.changes.push(Change::RunCreated(fixtures::run("run-work", "conversation-work", kind, None)));
    claimed.changes.push(said("conversation-work", Some("cleo"), "my note"));
    store.commit(Lane::Background, claimed).await.unwrap();
    whole_turn(&store, "run-3").await;

    let all = store.step_view(&"run-work".into(), 10_000).await.unwrap();
    assert_eq!(all.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((all.turn_cut, all.earlier), (false, 0));
    assert_eq!(all.notes.iter().map(|message| message.text()).collect::<Vec<_>>(), ["my note"]);
    assert_eq!(all.conversation.id.as_str(), TALK);
    let shown = store.background().owned_conversations().await.unwrap().rows;
    assert_eq!(shown.iter().map(|talk| talk.id.as_str()).collect::<Vec<_>>(), [TALK], "an overview reads no job's");
    assert!(matches!(all.job.unwrap().state, JobState::Running { epoch: 1 }));
    let cut = store.step_view(&"run-work".into(), 1).await.unwrap();
    assert_eq!(cut.messages.len(), 4, "a window is read whole");
    assert_eq!((cut.notes.len(), cut.turn_cut), (1, false));
    assert_folds(&store).await;
}

#[tokio::test]
async fn inline_the_store_does_the_same_and_a_paused_clock_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, Options { mode: Mode::Inline, ..manual() }).await;
    whole_turn(&store, "run-1").await;
    let stale = store.commit(Lane::Foreground, by_person(vec![edit(BLOCK, 5, "stale")])).await.unwrap_err();
    assert!(matches!(stale, CommitError::Conflict(Conflict::Block { .. })));
    assert_eq!(*store.head().borrow(), store.log(0, 100).await.unwrap().len() as u64);
    assert_folds(&store).await;
}
