//! Watchers: every change once and in order, live text never lost, never twice, however slow they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::change::ChangeKind;
use nightdesk::testing::domain::{Change, Content, LogEntry, Run, RunId, RunState, StepId};
use nightdesk::testing::engine::handle::Subscription;
use nightdesk::testing::engine::protocol::{Filter, Recipient, Reply, Request, Update};
use nightdesk::testing::store::Mode;

use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};

fn script() -> Script {
    Script::of([When::agent("bob").step(1).text("I note that down.").chunk(3).delay_ms(20).replaces(
        "story",
        "spring",
        "early spring",
    )])
    .or(When::any().text("{agent} says a few words about turn {turn}").reasoning("hm, hm").chunk(5).delay_ms(10))
}

/// What a watcher's screen would show, checked at every update.
#[derive(Default)]
struct Screen {
    last: u64,
    live: BTreeMap<StepId, String>,
    done: BTreeSet<StepId>,
    said: Vec<String>,
}

impl Screen {
    fn take(&mut self, update: Update) {
        match update {
            Update::Committed { upto, changes, .. } => {
                for logged in changes {
                    assert_eq!(logged.n, self.last + 1, "a gap or a repetition");
                    self.last = logged.n;
                    let Change::MessageAppended(message) = logged.change else { continue };
                    if let (Some(step), Content::Text { text, .. }) = (message.step, message.content) {
                        let shown = self.live.remove(&step).unwrap_or_default();
                        assert!(text.starts_with(&shown), "{shown:?} was shown of {text:?}");
                        self.said.push(text);
                        self.done.insert(step);
                    }
                }
                assert_eq!(upto, self.last);
            }
            Update::Live(live) => {
                let again = self.done.contains(&live.step) && !live.text.is_empty();
                assert!(!again, "{:?} shows beside its message", live.text);
                self.live.entry(live.step).or_default().push_str(&live.text);
            }
            Update::Over { step } => {
                let shown = self.live.remove(&step).unwrap_or_default();
                assert!(shown.is_empty(), "{shown:?} left the screen before its message came");
            }
            Update::Trouble { text } => panic!("{text}"),
        }
    }
}

async fn watch(mut following: Subscription, upto: u64, pause: Duration) -> Screen {
    let mut screen = Screen::default();
    while screen.last < upto {
        screen.take(following.next().await.unwrap());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    screen
}

#[tokio::test(start_paused = true)]
async fn prompt_slow_stalled_and_late_watchers_all_see_everything_once() {
    let world = World::new(Plan { script: script(), ..Plan::default() }).await;
    let paces = [0, 3, 37, 900].map(Duration::from_millis);
    let mut watchers = Vec::new();
    for pace in paces {
        // More than will be: each is stopped when the rest is told.
        watchers.push((pace, world.handle.follow(0).await.unwrap()));
    }
    let stalled = world.handle.follow(0).await.unwrap();
    let turns = async {
        for turn in 0..20 {
            world.send(&format!("turn {turn}")).await;
        }
        *world.store().head().borrow()
    };
    let expected = 20 * 16;
    let mut watching = Vec::new();
    for (pace, following) in watchers {
        watching.push(tokio::spawn(watch(following, expected, pace)));
    }
    let head = turns.await;
    assert!(head >= expected, "{head} changes");
    let mut said = Vec::new();
    for watcher in watching {
        said.push(watcher.await.unwrap().said.len());
    }
    assert!(said.iter().all(|count| *count >= 60), "{said:?}");
    let late = watch(stalled, head, Duration::ZERO).await;
    let after = watch(world.handle.follow(0).await.unwrap(), head, Duration::ZERO).await;
    assert_eq!(late.said.len(), 80);
    assert_eq!(late.said, after.said);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_comes_from_a_cursor_gets_what_follows_and_the_text_that_is_on() {
    let world = World::new(Plan { script: script(), members: &["ann"], ..Plan::default() }).await;
    world.send("one").await;
    let overview = world.overview().await;
    let run = world.post("two").await;
    world.live(|live| live.text.contains("words")).await;
    let mut following = world.handle.follow(overview.upto).await.unwrap();
    let mut screen = Screen { last: overview.upto, ..Screen::default() };
    while screen.live.values().all(String::is_empty) {
        screen.take(following.next().await.unwrap());
    }
    let shown = screen.live.values().next().unwrap();
    assert!(shown.starts_with("ann says a few"), "{shown}");
    world.finished(&run).await;
    while screen.said.is_empty() {
        screen.take(following.next().await.unwrap());
    }
    assert_eq!(screen.said, ["ann says a few words about turn 2"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_loses_nothing() {
    let world = World::new(Plan { script: script(), ..Plan::default() }).await;
    let mut following = world.handle.follow(0).await.unwrap();
    let run = world.post("hello").await;
    let mut screen = Screen::default();
    loop {
        // Given up after every millisecond, as a select beside keys and timers does.
        if let Ok(update) = tokio::time::timeout(Duration::from_millis(1), following.next()).await {
            screen.take(update.unwrap());
        }
        let over =
            world.store().row::<nightdesk::testing::domain::Run>(run.as_str()).await.unwrap().unwrap().is_finished();
        if over && screen.last == *world.store().head().borrow() {
            break;
        }
    }
    assert_eq!(screen.said.len(), 4);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_watcher_far_behind_keeps_live_text_until_its_message_comes() {
    let world = World::new(Plan { script: script(), ..Plan::default() }).await;
    for turn in 0..40 {
        world.send(&format!("turn {turn}")).await;
    }
    let run = world.post("one more").await;
    world.live(|live| live.name == "ann" && live.text.contains("words")).await;
    let mut following = world.handle.follow(0).await.unwrap();
    let mut screen = Screen::default();
    screen.take(following.next().await.unwrap());
    screen.take(following.next().await.unwrap());
    world.finished(&run).await;
    while screen.last < *world.store().head().borrow() {
        screen.take(following.next().await.unwrap());
    }
    assert_eq!(screen.said.len(), 41 * 4);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_real_threads_no_text_shows_beside_its_message() {
    let script = Script::of([]).or(When::any().text("{agent} says {turn}").repeat(20).chunk(3));
    let world = World::new(Plan { script, mode: Mode::Threads, ..Plan::default() }).await;
    let mut watching = Vec::new();
    for pace in [0, 0, 1, 7].map(Duration::from_millis) {
        let following = world.handle.follow(0).await.unwrap();
        watching.push(tokio::spawn(watch(following, 15 * 15, pace)));
    }
    for turn in 0..20 {
        world.send(&format!("turn {turn}")).await;
    }
    for watcher in watching {
        assert!(watcher.await.unwrap().said.len() >= 30);
    }
    world.close().await;
}

/// The changes a filter lets through, of all up to `head`, and the agents whose live text came.
async fn filtered(mut following: Subscription, last: u64) -> (Vec<LogEntry>, BTreeSet<String>) {
    let (mut entries, mut live) = (Vec::new(), BTreeSet::new());
    while entries.last().is_none_or(|entry: &LogEntry| entry.n < last) {
        match following.next().await.unwrap() {
            Update::Committed { changes, rows, upto } => {
                assert!(!changes.is_empty() && changes.last().unwrap().n <= upto);
                let touched: BTreeSet<_> = changes.iter().flat_map(|entry| entry.change.touches()).collect();
                assert!(rows.iter().all(|row| touched.contains(&row.key())), "a row of what was left out");
                entries.extend(changes);
            }
            Update::Live(update) => {
                live.insert(update.name);
            }
            Update::Over { .. } => {}
            Update::Trouble { text } => panic!("{text}"),
        }
    }
    (entries, live)
}

/// The run that a change is about, for the changes of turns.
fn run_of(entry: &LogEntry) -> Option<&RunId> {
    match &entry.change {
        Change::RunCreated(created) => Some(&created.id),
        Change::RunMoved { id, .. } => Some(id),
        Change::StepFinished(step) => Some(&step.run),
        Change::CallMade(call) => Some(&call.run),
        Change::MessageAppended(message) => message.run.as_ref(),
        Change::BlockEdited(revision) => revision.run.as_ref(),
        _ => None,
    }
}

/// Whose live text comes until this turn is over, whether of a run below it, and whether it is the turn's.
async fn live_of(mut following: Subscription, turn: RunId) -> BTreeSet<(String, bool, bool)> {
    let ends = |entry: &LogEntry| matches!(&entry.change, Change::RunMoved { id, to: RunState::Finished { .. } } if *id == turn);
    let mut live = BTreeSet::new();
    loop {
        match following.next().await.unwrap() {
            Update::Live(update) => {
                live.insert((update.name, update.run != turn, update.root == turn));
            }
            Update::Committed { changes, .. } if changes.iter().any(ends) => return live,
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_with_a_filter_gets_what_it_asked_for_and_nothing_else() {
    let world = World::new(Plan { script: script(), ..Plan::default() }).await;
    let first = world.send("one").await;
    let to = Recipient::Agent(agent_id("cid"));
    let Reply::Sent { run: direct, .. } = world.ask(Request::Send { to, text: "you alone".into() }).await.unwrap()
    else {
        panic!("not sent");
    };
    world.finished(&direct).await;
    let talk = world.conversation().await.id;
    let filters = |run: &RunId| {
        [
            Filter { conversation: Some(talk.clone()), ..Filter::default() },
            Filter { group: Some(group_id()), ..Filter::default() },
            Filter { run: Some(run.clone()), ..Filter::default() },
            Filter {
                run: Some(run.clone()),
                kinds: vec![ChangeKind::MessageAppended],
                live: false,
                ..Filter::default()
            },
        ]
    };
    let mut early = Vec::new();
    for filter in filters(&first.id) {
        early.push(world.handle.follow_some(0, filter).await.unwrap());
    }
    let log = world.store().log(0, 10_000).await.unwrap();
    let mut of_runs = BTreeMap::new();
    for entry in &log {
        if let Change::RunCreated(run) = &entry.change {
            of_runs.insert(run.id.clone(), run.clone());
        }
    }
    let expected = |keeps: &dyn Fn(&Run) -> bool| -> Vec<u64> {
        log.iter()
            .filter(|entry| run_of(entry).and_then(|id| of_runs.get(id)).is_some_and(keeps))
            .map(|e| e.n)
            .collect()
    };
    let of_talk = expected(&|run| run.conversation == talk);
    let of_run = expected(&|run| run.root == first.id);
    let messages: Vec<u64> = log
        .iter()
        .filter(|e| of_run.contains(&e.n) && matches!(e.change, Change::MessageAppended(_)))
        .map(|e| e.n)
        .collect();
    assert!(of_run.len() >= 14 && messages.len() == 6, "{of_run:?} {messages:?}");
    let mut got = Vec::new();
    for (following, last) in early.into_iter().zip([of_talk.last(), of_talk.last(), of_run.last(), messages.last()]) {
        let (entries, _) = filtered(following, *last.unwrap()).await;
        got.push(entries);
    }
    let numbers = |entries: &[LogEntry]| entries.iter().map(|entry| entry.n).collect::<Vec<_>>();
    let with_runs = |entries: &[LogEntry]| {
        entries.iter().filter(|entry| run_of(entry).is_some()).map(|entry| entry.n).collect::<Vec<_>>()
    };
    assert_eq!((with_runs(&got[0]), with_runs(&got[1])), (of_talk.clone(), of_talk));
    assert_eq!((numbers(&got[2]), numbers(&got[3])), (of_run, messages));
    assert!(got[1].iter().any(|entry| matches!(entry.change, Change::GroupPut(_))), "the group itself, too");
    assert!(got[2].iter().any(|entry| matches!(entry.change, Change::BlockEdited(_))), "what the run wrote, too");

    // The same from the tail, as it happens, beside another conversation.
    let head = *world.store().head().borrow();
    let second = world.post("two").await;
    let mut watching = Vec::new();
    for filter in filters(&second).into_iter().take(3) {
        let following = world.handle.follow_some(head, filter).await.unwrap();
        watching.push(tokio::spawn(live_of(following, second.clone())));
    }
    let to = Recipient::Agent(agent_id("cid"));
    world.ask(Request::Send { to, text: "and again".into() }).await.unwrap();
    for watcher in watching {
        let live = watcher.await.unwrap();
        let expected = ["ann", "bob", "cid"].map(|name| (name.to_owned(), true, true));
        assert_eq!(live, expected.into(), "the live text of the turn, and not of the direct one");
    }
    world.at_rest().await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_overview_tells_which_version_of_a_block_each_agent_saw_last() {
    let world = World::new(Plan { members: &["ann", "bob"], ..Plan::default() }).await;
    let seen = async |name: &str| {
        let overview = world.overview().await;
        let of = overview.seen.into_iter().find(|(agent, _)| *agent == agent_id(name));
        of.and_then(|(_, blocks)| blocks.into_iter().find(|(id, _)| *id == story())).map(|(_, at)| at)
    };
    assert_eq!(seen("ann").await, None, "nobody has spoken");
    world.send("hello").await;
    let first = world.block(&story()).await.version;
    assert_eq!((seen("ann").await, seen("bob").await), (Some(first), Some(first)));
    world.edit(|value| format!("{value} and more")).await;
    world.send("@bob again").await;
    assert_eq!((seen("ann").await, seen("bob").await), (Some(first), Some(first + 1)));
}
