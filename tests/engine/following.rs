//! Watchers: every change once and in order, live text never lost, never twice, however slow they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Change, Content, StepId};
use nightdesk::testing::engine::handle::Subscription;
use nightdesk::testing::engine::protocol::Update;
use nightdesk::testing::store::Mode;

use crate::support::engine_harness::{Plan, World};

fn script() -> Script {
    Script::of([When::agent("bob")
        .step(1)
        .text("I note that down.")
        .chunk(3)
        .delay_ms(20)
        .replaces("story", "spring", "spring")])
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
