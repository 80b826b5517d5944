//! What the program may cost, as counts: bytes, writes, wakeups, statements, memory. Each line printed is a
//! figure and its limit; raising a limit needs its reason in the commit.

use std::time::Duration;

use meter::Meter;

#[path = "support/large.rs"]
mod large;
#[allow(dead_code)]
#[path = "support/meter.rs"]
mod meter;
#[allow(dead_code)]
#[path = "support/world.rs"]
mod world;

use world::{Plan, World};

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
    // Three speeches of one step each: a commit for the message, three for the speeches' beginnings, three for
    // their steps, one for the end.
    budget("transactions a turn of three steps", after.transactions - before.transactions, 8);
    budget("statements a step", (after.statements - before.statements) / 3, 80);
}

/// The real program on a pseudo-terminal of 120x40, over a store with so many messages.
struct Bench {
    meter: Meter,
    dir: tempfile::TempDir,
}

impl Bench {
    fn start(messages: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("desk.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(large::make(&store, messages));
        let mut command = Meter::command(env!("CARGO_BIN_EXE_nightdesk"));
        for (name, at) in [("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state")] {
            command.env(name, dir.path().join(at));
        }
        command.arg("--store");
        command.arg(&store);
        let meter = Meter::spawn(command, 120, 40);
        meter.until_text("1 Agents");
        meter.until_idle();
        Self { meter, dir: dir }
    }

    /// Resident memory that belongs to the process alone, in KiB.
    fn rss_anon(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.meter.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Waits until this draft is kept for the next start.
    fn until_saved(&self, draft: &str) {
        let file = self.dir.path().join("desk.db.session");
        let until = std::time::Instant::now() + meter::DEADLINE;
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&format!("\"draft\":\"{draft}\""))) {
            assert!(std::time::Instant::now() < until, "the draft {draft:?} is not kept");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types bytes and gives what came back once it is quiet again.
    fn answer_to(&mut self, bytes: &str) -> Vec<Vec<u8>> {
        let mark = self.meter.mark();
        self.meter.type_bytes(bytes);
        self.meter.until_idle();
        self.meter.frames_since(mark)
    }
}

#[test]
fn a_typed_key_costs_one_write_and_few_bytes_and_a_key_without_effect_none() {
    let mut bench = Bench::start(200);
    let (mut most, mut typed) = (0, String::from("a"));
    bench.answer_to("a");
    for key in ["b", "c", " ", "d"] {
        bench.until_saved(&typed);
        let (writes, mark) = (bench.meter.writes(), bench.meter.mark());
        bench.meter.type_bytes(key);
        bench.meter.until_frame_after(mark);
        // The draft is written a second later; until then all that is written is the frame.
        assert_eq!(bench.meter.writes() - writes, 1, "writes for {key:?}");
        bench.meter.until_idle();
        assert_eq!(bench.meter.frames_since(mark).len(), 1, "frames for {key:?}");
        most = most.max(bench.meter.bytes_since(mark).len() as u64);
        typed.push_str(key);
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
    let bench = Bench::start(2_000);
    // The pool that read the first screen has gone back to sleep for good.
    let (bytes, wakeups) = bench.meter.activity_in(Duration::from_secs(10));
    budget("bytes in 10 s of rest", bytes as u64, 0);
    budget("wakeups in 10 s of rest", wakeups, 1);
}

#[test]
fn a_hundred_thousand_messages_fit_in_memory_and_scroll_like_two_hundred() {
    let mut small = Bench::start(200);
    let mut large = Bench::start(100_000);
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
