//! Several workbenches on one store, and what goes on when one of them ends.

use std::path::Path;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::binary::{command, output, run};
use crate::support::pty::{DEADLINE, Meter};

fn open(dir: &Path, (cols, rows): (u16, u16)) -> Meter {
    let meter = Meter::spawn(command(dir), cols, rows);
    meter.until_text("Conversation");
    meter
}

/// Opens a workbench on a team whose background agent is due an hour after a turn, and has one turn.
fn with_a_turn(dir: &Path) -> Meter {
    let mut meter = open(dir, (120, 40));
    run(dir, &["group", "update", "newsroom", "--idle", "1h"]);
    meter.type_bytes("is the date safe?\r");
    until_said(dir, "is the date safe?");
    settled(dir, &meter);
    meter
}

fn signal(meter: &Meter, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(meter.pid()).unwrap()).unwrap(), signal).unwrap();
}

/// Waits until nothing is due and the screen shows it.
fn settled(dir: &Path, meter: &Meter) {
    run(dir, &["work", "--drain"]);
    meter.until_idle();
}

/// What `doctor` says of the owner of the store.
fn owner(dir: &Path) -> String {
    let report = String::from_utf8(output(dir, &["doctor"]).stdout).unwrap();
    report.lines().find(|line| line.contains("owner: ")).unwrap_or_default().to_owned()
}

/// Waits until `doctor` says this of the owner.
fn until_owner(dir: &Path, wanted: &str) -> String {
    let begun = Instant::now();
    loop {
        let owner = owner(dir);
        if owner.contains(wanted) {
            return owner;
        }
        assert!(begun.elapsed() < DEADLINE, "waiting for {wanted:?}: {owner}");
    }
}

/// How often the person has said this.
fn said(dir: &Path, text: &str) -> usize {
    let list = run(dir, &["message", "list", "newsroom", "--json"]);
    let messages: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
    messages.iter().filter(|message| message["role"] == "user" && message["text"] == text).count()
}

fn until_said(dir: &Path, text: &str) {
    let begun = Instant::now();
    while said(dir, text) == 0 {
        assert!(begun.elapsed() < DEADLINE, "{text:?} is not said");
    }
}

/// The number that follows these words.
fn number_after(text: &str, words: &str) -> u32 {
    let rest = text.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {text}")).1;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
fn when_the_owner_ends_the_next_workbench_takes_over_and_keeps_its_place() {
    for signal_of_end in [Signal::TERM, Signal::KILL] {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), (120, 40));
        let mut second = open(dir.path(), (120, 40));
        second.until_text(&format!("workbench {}", first.pid()));
        second.type_bytes("is the date safe?\r");
        until_said(dir.path(), "is the date safe?");
        settled(dir.path(), &second);
        second.type_bytes("half a thought");
        second.until_text("half a thought");
        signal(&first, signal_of_end);
        let screen = second.until_text("it runs here now");
        assert!(screen.contains("half a thought"), "the composer stays: {screen}");
        assert!(screen.contains("is the date safe?"), "the conversation stays: {screen}");
        let owner = until_owner(dir.path(), "it is a workbench");
        assert_eq!(number_after(&owner, "process "), second.pid());
        second.type_bytes(", I wonder\r");
        until_said(dir.path(), "half a thought, I wonder");
        second.until_text("turn 2");
        assert_eq!((said(dir.path(), "is the date safe?"), said(dir.path(), "half a thought, I wonder")), (1, 1));
    }
}

#[test]
fn of_two_workbenches_that_take_over_at_once_one_owns_the_store_and_the_other_joins_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), (120, 40));
    let [mut one, mut other] = [(); 2].map(|()| open(dir.path(), (120, 40)));
    for meter in [&one, &other] {
        meter.until_text(&format!("workbench {}", first.pid()));
    }
    signal(&first, Signal::KILL);
    let owns = [&one, &other].map(|meter| {
        let told = |text: &str| text.contains("it runs here now") || text.contains("runs the engine now");
        meter.until(told).unwrap().contains("it runs here now")
    });
    assert_ne!(owns[0], owns[1], "{}\n{}", one.screen(), other.screen());
    one.type_bytes("from the one\r");
    other.until_text("from the one");
    settled(dir.path(), &other);
    other.type_bytes("from the other\r");
    one.until_text("from the other");
    assert_eq!((said(dir.path(), "from the one"), said(dir.path(), "from the other")), (1, 1));
}

#[test]
fn a_closed_terminal_keeps_the_draft_and_what_is_scheduled_goes_on_until_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let mut meter = with_a_turn(dir.path());
    meter.type_bytes("half a thought ");
    meter.until_text("half a thought");
    meter.hang_up();
    let told = until_owner(dir.path(), "it is a worker");
    assert!(told.contains("`nightdesk work --stop` stops it"), "{told}");
    let worker = number_after(&told, "process ");
    let again = open(dir.path(), (80, 24));
    let screen = again.until_text(&format!("worker {worker}"));
    assert!(screen.contains("half a thought"), "{screen}");
    // It is stopped from elsewhere, and the workbench goes on with its engine.
    let stopped = run(dir.path(), &["work", "--stop"]);
    assert!(stopped.starts_with(&format!("the worker {worker} has ended\n")), "{stopped}");
    again.until_text("it runs here now");
}

#[test]
fn a_closed_terminal_ends_all_where_the_configuration_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config/nightdesk");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "on_hangup = \"stop\"\n").unwrap();
    let mut meter = with_a_turn(dir.path());
    meter.hang_up();
    let owner = owner(dir.path());
    assert!(owner.contains("no program has the store open"), "{owner}");
}

#[test]
fn quitting_with_work_due_names_the_worker_and_a_key_stops_it_from_a_workbench() {
    let dir = tempfile::tempdir().unwrap();
    let mut meter = with_a_turn(dir.path());
    meter.type_bytes("\u{3}");
    meter.until_text("keep working without a screen");
    meter.type_bytes("w");
    meter.wait();
    let worker = number_after(&meter.screen(), "in process ");
    let owner = until_owner(dir.path(), "it is a worker");
    assert_eq!(number_after(&owner, "process "), worker);
    let mut again = open(dir.path(), (120, 40));
    again.until_text(&format!("worker {worker}"));
    // Alt-W asks first.
    again.type_bytes("\u{1b}w");
    again.until_text(&format!("Stop the worker {worker}?"));
    again.type_bytes("y");
    again.until_text("it runs here now");
    let owner = until_owner(dir.path(), "it is a workbench");
    assert_eq!(number_after(&owner, "process "), again.pid());
}
