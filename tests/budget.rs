//! What the program may cost, as counts: bytes, writes, wakeups, statements, memory. Each line printed is a
//! figure and its limit; raising a limit needs its reason in the commit.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]

#[path = "support"]
mod support {
    pub mod binary;
    #[allow(dead_code, reason = "a part of it; tests/engine.rs uses the whole, and there rustc sees what is dead")]
    pub mod child;
    #[allow(dead_code, reason = "a part of it; tests/engine.rs uses the whole, and there rustc sees what is dead")]
    pub mod engine_harness;
    pub mod fold;
    pub mod invariants;
    pub mod large;
    #[allow(dead_code, reason = "a part of it; tests/terminal.rs uses the whole, and there rustc sees what is dead")]
    pub mod pty;
    #[allow(dead_code, reason = "a part of it; tests/engine.rs uses the whole, and there rustc sees what is dead")]
    pub mod script;
}

#[path = "budget/editing.rs"]
mod editing;
#[path = "budget/following.rs"]
mod following;
#[path = "budget/long_talks.rs"]
mod long_talks;
#[path = "budget/stored_bytes.rs"]
mod stored_bytes;
#[path = "budget/streaming.rs"]
mod streaming;
#[path = "budget/turns.rs"]
mod turns;

use std::sync::Arc;
use std::time::Duration;

use crate::support::binary::{self, Bench};
use crate::support::large;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nightdesk::testing::config::{Config, Glyphs};
use nightdesk::testing::domain::{
    Agent, AgentId, Block, BlockId, Change, Group, GroupId, ManagerType, Priority, Rule, RunState,
};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request};
use nightdesk::testing::engine::{self, Engine, Handle};
use nightdesk::testing::llm::Models;
use nightdesk::testing::store::{self, Mode, Store};
use nightdesk::testing::tools::ToolRegistry;
use nightdesk::testing::tui::app::{App, view};
use nightdesk::testing::tui::effect::{Effect, Msg};
use nightdesk::testing::tui::glyph::GlyphSet;
use nightdesk::testing::tui::pane::RenderContext;
use nightdesk::testing::tui::term::screen::{Caps, Screen};
use nightdesk::testing::tui::theme::Theme;
use ratatui::layout::Size;

use crate::support::engine_harness::{self, Plan, World};
use crate::support::script::{Script, When};

fn budget(what: &str, figure: u64, limit: u64) {
    println!("{what}: {figure} (limit {limit})");
    assert!(figure <= limit, "{what}: {figure} is over its limit of {limit}");
}

#[tokio::test(start_paused = true)]
async fn a_step_costs_few_statements_and_one_wait_for_the_disk() {
    let world = World::new(Plan::default()).await;
    world.send("warm up").await;
    let before = world.store().counters();
    world.send("hello").await;
    let after = world.store().counters();
    // Three speeches of one step each: a commit for the message, with which the first speech begins, and three for the
    // steps, each with what follows it.
    budget("transactions a turn of three steps", after.transactions - before.transactions, 4);
    budget("statements a step", (after.statements - before.statements) / 3, 32);
}

/// Commits that come close together are looked at once or twice, as it falls out; a look is one statement, or a few where
/// jobs and mail wait.
const SOME_LOOKS: u64 = 6;

/// So many more groups, each with an agent and a block of its own.
fn bystanders(count: usize) -> Vec<Change> {
    let id = |at| GroupId(format!("group-by-{at}"));
    let agent = |at| AgentId(format!("agent-by-{at}"));
    let agents = (0..count).map(|at| Change::AgentPut(Agent::new(agent(at), "by", id(at))));
    let groups = (0..count).map(|at| {
        let plain = Group::new(id(at), format!("by-{at}"), ManagerType::RoundRobin);
        Change::GroupPut(Group { members: vec![agent(at)], ..plain })
    });
    agents.chain(groups).collect()
}

#[tokio::test(start_paused = true)]
async fn a_turn_costs_the_same_statements_beside_a_thousand_other_groups() {
    let world = World::new(Plan::default()).await;
    world.send("warm up").await;
    let mut cost = [0; 2];
    for (at, cost) in cost.iter_mut().enumerate() {
        if at == 1 {
            world.apply(bystanders(1_000)).await.unwrap();
            world.idle().await;
        }
        let before = world.store().counters().statements;
        world.send("hello").await;
        world.idle().await;
        *cost = world.store().counters().statements - before;
    }
    println!("statements a turn, alone and beside 1,000 groups: {cost:?}");
    assert!(cost[0].abs_diff(cost[1]) <= SOME_LOOKS, "{cost:?}");
}

/// Forty members.
const NAMES: [&str; 40] = [
    "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8",
    "b9", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7",
    "d8", "d9",
];

/// What gives the group so many more blocks.
async fn more_blocks(world: &World, count: usize) -> Vec<Change> {
    let story = world.block(&engine_harness::story()).await;
    let mut group = world.store().row::<Group>(engine_harness::group_id().as_str()).await.unwrap().unwrap();
    let block = |at| Block { id: BlockId(format!("block-{at}")), label: format!("b{at}"), ..story.clone() };
    let blocks: Vec<Block> = (0..count).map(block).collect();
    group.shared_blocks.extend(blocks.iter().map(|block| block.id.clone()));
    blocks.into_iter().map(Change::BlockCreated).chain([Change::GroupPut(group)]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_step_costs_the_same_statements_in_a_large_group_with_many_blocks() {
    let mut each = Vec::new();
    for (members, blocks) in [(3, 0), (40, 80)] {
        let world = World::new(Plan { members: &NAMES[..members], ..Plan::default() }).await;
        world.apply(more_blocks(&world, blocks).await).await.unwrap();
        world.send("@a0 warm up").await;
        let before = world.store().counters().statements;
        world.send("@a0 hello").await;
        world.idle().await;
        each.push(world.store().counters().statements - before);
    }
    println!("statements a turn of one speech, with 3 agents and 1 block, with 40 and 81: {each:?}");
    assert!(each[0].abs_diff(each[1]) <= SOME_LOOKS, "{each:?}");
}

#[tokio::test(start_paused = true)]
async fn a_commit_costs_the_same_statements_beside_runs_that_are_parked_and_mail_that_waits_for_them() {
    let script = Script::of([When::any().contains("park").step(1).inserts("story", "x")]).otherwise("{agent} speaks");
    let rules = vec![Rule::RequiresApproval { tool_name: "memory_insert".to_owned() }];
    let world = World::new(Plan { members: &NAMES, script, rules, ..Plan::default() }).await;
    let mut each = Vec::new();
    for parked in [0, 20] {
        for name in &NAMES[..parked] {
            let to = engine_harness::agent_id(name);
            let asked = Request::Send { to: Recipient::Agent(to.clone()), text: "park".to_owned() };
            let Reply::Sent { run, .. } = world.ask(asked).await.unwrap() else { panic!("it was not sent") };
            world.in_state(&run, RunState::Parked).await;
            let (text, priority) = ("later".to_owned(), Priority::Normal);
            let mail = Request::SendMail { to, text, priority, expires_in: None, in_reply_to: None };
            world.ask(mail).await.unwrap();
        }
        world.idle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = world.store().counters().statements;
        world.edit(|value| format!("{value}.")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        each.push(world.store().counters().statements - before);
    }
    println!("statements a commit, alone and beside 20 parked runs with mail: {each:?}");
    assert!(each[0].abs_diff(each[1]) <= SOME_LOOKS, "{each:?}");
}

/// The workbench at 120x40 over a store with so many messages.
fn workbench(messages: u64) -> Bench {
    Bench::start((120, 40), |dir| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(large::make(&dir.join("desk.db"), messages));
    })
}

/// What one key costs, all counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    rows_wrapped: u64,
    messages_read: u64,
    cells_drawn: u64,
    statements: u64,
}

/// The workbench without a terminal: the same update, view and engine, driven step by step.
struct Desk {
    app: App,
    screen: Screen,
    engine: Arc<Engine>,
    /// Where the store lies, if it is this desk's own.
    dir: Option<tempfile::TempDir>,
}

impl Desk {
    async fn make(messages: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        large::make(&path, messages).await;
        Self { dir: Some(dir), ..Self::open(&path).await }
    }

    async fn open(path: &std::path::Path) -> Self {
        let store = Store::open(path, store::Options { mode: Mode::Inline, ..store::Options::default() }).unwrap();
        let (config, options) = (Config::default(), engine::Options { jobs: false, ..engine::Options::default() });
        let models = Models::new(config.clone(), |_| None);
        let engine = Engine::start(store, &config, models, ToolRegistry::default(), options).await.unwrap();
        let overview = Handle::local(Arc::clone(&engine)).overview().await.unwrap();
        let look = RenderContext {
            theme: Theme::terminal(),
            glyphs: GlyphSet::of(Glyphs::Unicode),
            over_ssh: false,
            motion: true,
            now: now(),
            zone: TimeZone::UTC,
        };
        let size = Size::new(120, 40);
        let screen = Screen::new(size, Caps { sync: true, color: true });
        let mut desk = Self { app: App::new(overview, look, size), screen, engine, dir: None };
        desk.settle(Vec::new()).await;
        desk
    }

    /// Draws, and answers what is asked, until nothing is.
    async fn settle(&mut self, mut effects: Vec<Effect>) {
        loop {
            effects.extend(self.app.prepare(now()));
            let app = &self.app;
            drop(self.screen.draw(|frame| view::view(app, frame)));
            if effects.is_empty() {
                return;
            }
            for effect in std::mem::take(&mut effects) {
                if let Effect::Ask(ticket, request) = effect {
                    let reply = self.engine.handle(request).await;
                    effects.extend(self.app.update(Msg::Answered(ticket, reply), now()).effects);
                }
            }
        }
    }

    async fn cost_of(&mut self, key: KeyEvent) -> Cost {
        let (before, statements) = (self.app.panes.conversation.counters(), self.statements());
        let effects = self.app.update(Msg::Key(key), now()).effects;
        self.settle(effects).await;
        let after = self.app.panes.conversation.counters();
        Cost {
            rows_wrapped: after.rows_wrapped - before.rows_wrapped,
            messages_read: after.messages_read - before.messages_read,
            cells_drawn: after.cells_drawn - before.cells_drawn,
            statements: self.statements() - statements,
        }
    }

    fn statements(&self) -> u64 {
        self.engine.store().counters().statements
    }
}

fn now() -> Timestamp {
    "2026-05-01T10:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn a_key_costs_the_same_at_two_hundred_and_at_a_hundred_thousand_messages() {
    let mut small = Desk::make(200).await;
    let mut large = Desk::make(100_000).await;
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    let keys = [
        ("a letter", plain(KeyCode::Char('x'))),
        ("a page up", plain(KeyCode::PageUp)),
        ("another", plain(KeyCode::PageUp)),
        ("a page down", plain(KeyCode::PageDown)),
        ("leaving the composer", plain(KeyCode::Esc)),
        ("the conversation", plain(KeyCode::Char('2'))),
        ("a line up", plain(KeyCode::Char('k'))),
        ("half a page up", control('u')),
        ("half a page down", control('d')),
        ("the end", plain(KeyCode::Char('G'))),
    ];
    for (name, key) in keys {
        let (few, many) = (small.cost_of(key).await, large.cost_of(key).await);
        println!("{name}: {many:?}");
        assert_eq!(few, many, "{name}");
    }
    let typed = large.cost_of(plain(KeyCode::Char('i'))).await;
    assert_eq!((typed.statements, typed.messages_read), (0, 0));
    assert!(small.dir.is_some() && large.dir.is_some(), "the stores were theirs");
}

#[test]
fn a_typed_key_costs_one_frame_and_few_bytes_and_a_key_without_effect_none() {
    let mut bench = workbench(200);
    bench.answer_to("a");
    let mut most = 0;
    for key in ["b", "c", " ", "d"] {
        let mark = bench.meter.mark();
        let frames = bench.answer_to(key);
        // One frame is one write (tests/terminal.rs counts them where nothing else is written).
        assert_eq!(frames.len(), 1, "frames for {key:?}");
        assert_eq!(bench.meter.bytes_since(mark), frames.concat(), "bytes outside of the frame for {key:?}");
        most = most.max(frames[0].len() as u64);
    }
    budget("bytes a typed key, with mode 2026", most, 64);
    let mark = bench.meter.mark();
    // The terminal's window gets the focus: handled, nothing looks different.
    bench.meter.type_bytes("\x1b[I");
    bench.answer_to("e");
    budget("frames for a focus event and a key", bench.meter.frames_since(mark).len() as u64, 1);
}

#[test]
fn at_rest_nothing_is_written_and_nothing_wakes() {
    let bench = workbench(2_000);
    // The pool that read the first screen has gone back to sleep for good.
    let (bytes, wakeups) = bench.meter.activity_in(Duration::from_secs(10));
    budget("bytes in 10 s of rest", bytes as u64, 0);
    budget("wakeups in 10 s of rest", wakeups, 1);
}

#[test]
fn at_rest_nothing_wakes_although_a_trigger_is_due_in_an_hour() {
    let bench = Bench::start((120, 40), |dir| {
        let due = (Timestamp::now() + Duration::from_hours(1)).strftime("%M %H * * *").to_string();
        let text = format!(
            "[group]\nname = \"desk\"\nmembers = [\"ann\"]\n[group.sleeptime]\nagents = [\"cleo\"]\n\
             [[group.trigger]]\ncron = \"{due}\"\n[[agent]]\nname = \"ann\"\n[[agent]]\nname = \"cleo\"\n"
        );
        let team = dir.join("team.toml");
        std::fs::write(&team, text).unwrap();
        binary::run(dir, &["apply", team.to_str().unwrap()]);
    });
    let (bytes, wakeups) = bench.meter.activity_in(Duration::from_secs(10));
    budget("bytes in 10 s before a trigger is due", bytes as u64, 0);
    budget("wakeups in 10 s before a trigger is due", wakeups, 1);
}

#[test]
fn at_rest_nothing_wakes_although_a_folder_is_watched() {
    use std::os::unix::fs::MetadataExt as _;
    let mut inode = 0;
    let bench = Bench::start((120, 40), |dir| {
        std::fs::create_dir(dir.join("notes")).unwrap();
        inode = std::fs::metadata(dir.join("notes")).unwrap().ino();
        std::fs::write(dir.join("notes/a.md"), "one\n").unwrap();
        let text = "[group]\nname = \"desk\"\nmembers = [\"ann\"]\n[group.sleeptime]\nagents = [\"cleo\"]\n\
                    [[group.source]]\nfile = \"notes/*.md\"\n[[agent]]\nname = \"ann\"\n[[agent]]\nname = \"cleo\"\n";
        let team = dir.join("team.toml");
        std::fs::write(&team, text).unwrap();
        binary::run(dir, &["apply", team.to_str().unwrap()]);
        binary::run(dir, &["send", "desk", "hello"]);
        binary::run(dir, &["work", "--drain"]);
    });
    let (bytes, wakeups) = bench.meter.activity_in(Duration::from_secs(10));
    budget("bytes in 10 s beside a watched folder", bytes as u64, 0);
    budget("wakeups in 10 s beside a watched folder", wakeups, 1);
    let open = std::fs::read_dir(format!("/proc/{}/fdinfo", bench.meter.pid())).unwrap();
    let told = open.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok()).collect::<Vec<_>>().concat();
    assert!(told.contains(&format!("ino:{inode:x} ")), "the folder is watched: {told}");
}

#[test]
fn a_hundred_thousand_messages_fit_in_memory_and_scroll_like_two_hundred() {
    let mut small = workbench(200);
    let mut large = workbench(100_000);
    let mut scrolled = [0; 2];
    for (bench, bytes) in [&mut small, &mut large].into_iter().zip(&mut scrolled) {
        bench.answer_to("\x1b");
        bench.answer_to("2");
        for key in ["k", "k", "\x15", "\x15", "\x04", "\x04", "G"] {
            *bytes += bench.answer_to(key).concat().len() as u64;
        }
    }
    println!("bytes for scrolling: {scrolled:?}");
    for key in ["g", "\x04", "\x04", "G", "\x15", "\x15"] {
        large.answer_to(key);
    }
    budget("RssAnon at 100,000 messages, KiB", large.rss_anon(), 48 * 1024);
}

#[test]
fn on_a_slow_link_a_key_is_echoed_within_two_frames_of_a_stream() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/stream.toml");
    let mut bench = Bench::start_with((120, 40), &[("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")], |dir| {
        let team = dir.join("team.toml");
        let text = format!(
            "[group]\nname = \"stream\"\nmembers = [\"ann\"]\n[[agent]]\nname = \"ann\"\nmodel = \"scripted/{model}\"\n"
        );
        std::fs::write(&team, text).unwrap();
        binary::run(dir, &["apply", "--allow-outside", team.to_str().unwrap()]);
    });
    bench.meter.throttle(Some(4 * 1024));
    bench.meter.type_bytes("go\r");
    // Some rows of the stream are there: from now on each further one scrolls the pane.
    bench.meter.until_seen(|seen| seen.frames.len() > 12).unwrap();
    let (mut typed, mut worst) = (String::new(), 0);
    for key in ["x", "y", "z", "w"] {
        typed.push_str(key);
        let mark = bench.meter.mark();
        bench.meter.type_bytes(key);
        bench.meter.until_text(&format!("› {typed}"));
        worst = worst.max(bench.meter.bytes_since(mark).len());
    }
    let largest = bench.meter.look(|seen| seen.frames.iter().skip(1).map(ExactSizeIterator::len).max()).unwrap();
    println!("bytes until a key's echo on a link of 4 KB/s: {worst} (limit two frames of {largest})");
    assert!(worst <= 2 * largest);
    assert!(bench.meter.screen().contains("answering"), "the stream is still on:\n{}", bench.meter.screen());
}

/// The store and the number of keys of a replay, which is what the counted program does.
const REPLAY: [&str; 2] = ["NIGHTDESK_REPLAY_STORE", "NIGHTDESK_REPLAY_KEYS"];

/// Does nothing unless it is the counted program of the test below.
#[test]
fn replay() {
    let [Ok(store), Ok(keys)] = REPLAY.map(std::env::var) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut desk = Desk::open(std::path::Path::new(&store)).await;
        for at in 0..keys.parse::<u32>().unwrap() {
            // Typed and taken back, so that each pair of frames is like the last.
            let code = if at % 2 == 0 { KeyCode::Char('x') } else { KeyCode::Backspace };
            desk.cost_of(KeyEvent::new(code, KeyModifiers::NONE)).await;
        }
    });
}

/// Instructions of a run of so many keys, as callgrind counts them.
fn instructions(store: &std::path::Path, keys: u32) -> u64 {
    let mut command = std::process::Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "replay", "--nocapture", "--test-threads=1"]);
    command.env(REPLAY[0], store).env(REPLAY[1], keys.to_string());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = told.lines().find_map(|line| line.split_once("Collected :")).unwrap_or_else(|| panic!("{told}"));
    line.1.trim().parse().unwrap()
}

#[test]
#[ignore = "callgrind: some minutes, and only where valgrind is installed"]
fn a_key_costs_the_same_instructions_at_two_hundred_and_at_a_hundred_thousand_messages() {
    if std::process::Command::new("valgrind").arg("--version").output().is_err() {
        println!("valgrind is not installed: nothing is counted");
        return;
    }
    let cost = |messages| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(large::make(&path, messages));
        // The difference leaves out start and end.
        (instructions(&path, 120) - instructions(&path, 20)) / 100
    };
    let (few, many) = (cost(200), cost(100_000));
    println!("instructions a key frame: {few} at 200, {many} at 100,000 messages (limit 1.05 times)");
    assert!(many * 100 <= few * 105);
}
