//! Workers: how they end by themselves, and how they are stopped.

use rustix::process::Signal;

use crate::support::script::{Script, When};
use crate::{desk, desk_with, script};

#[test]
fn a_worker_is_stopped_from_elsewhere_which_tells_what_it_handed_back() {
    let shell = desk_with(&Script::of([When::agent("keeper").text("hm").hang_after(0)]).then(script()));
    let none = shell.refused(&["work", "--stop"]);
    assert_eq!(none, "there is no worker to stop: no program has the store open");
    let work = shell.work();
    let pid = work.child.id();
    shell.ok(&["send", "desk", "one"]);
    shell.ok(&["send", "desk", "two"]);
    shell.until("the job runs", |shell| {
        (shell.json(&["job", "list", "--json"])[0]["status"] == "running").then_some(())
    });
    let told = shell.ok(&["work", "--stop"]);
    assert_eq!(told, format!("the worker {pid} has ended\nhanded back: the job of desk/keeper\n"));
    assert_eq!(work.wait().0, Some(0));
    assert_eq!(shell.json(&["job", "list", "--json"])[0]["state"], "available");
    shell.folds();
}

#[test]
fn a_suspended_worker_is_named_and_not_stopped() {
    let shell = desk();
    let work = shell.work();
    work.signal(Signal::STOP);
    let told = shell.refused(&["work", "--stop"]);
    assert!(told.contains("is suspended; bring it back"), "{told}");
    work.signal(Signal::CONT);
    assert!(shell.ok(&["work", "--stop"]).contains("has ended"));
}

#[test]
fn a_detached_worker_ends_when_nothing_is_due_and_stays_for_what_is_scheduled() {
    let shell = desk();
    assert_eq!(shell.start(&["work", "--detached"]).wait().0, Some(0));
    // After a turn, an idle trigger has its time.
    shell.ok(&["group", "update", "desk", "--idle", "1h"]);
    shell.ok(&["send", "desk", "hello"]);
    let work = shell.start(&["work", "--detached"]);
    let pid = work.child.id();
    shell.until("it owns the store", |shell| (shell.signed_owner() == Some(pid)).then_some(()));
    // A closed terminal does not end it; when the trigger is gone, it ends by itself.
    let socket = shell.socket();
    shell.until("it listens", |_| std::os::unix::net::UnixStream::connect(&socket).ok());
    work.signal(Signal::HUP);
    shell.ok(&["send", "desk", "still there?"]);
    assert_eq!(shell.signed_owner(), Some(pid));
    shell.ok(&["group", "update", "desk", "--idle", "none"]);
    assert_eq!(work.wait().0, Some(0));
    shell.folds();
}

/// True if these tests run under nohup(1), which every worker they start inherits.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}

#[test]
fn a_worker_whose_terminal_is_closed_hands_back_what_it_runs() {
    if hangup_is_ignored() {
        return println!("left out: under nohup, a worker outlives its terminal");
    }
    let shell = desk();
    let work = shell.work();
    work.signal(Signal::HUP);
    assert_eq!(work.wait().0, Some(0), "it ends in order");
    assert_eq!(shell.signed_owner(), None, "the store is released");
}

#[test]
fn a_detached_worker_leaves_the_store_to_the_program_that_has_it() {
    let shell = desk();
    let work = shell.work();
    let second = shell.run(&["work", "--detached"]);
    let told = format!("process {} runs the engine already", work.child.id());
    assert_eq!((second.code, second.err.trim_end()), (Some(0), told.as_str()));
}

#[test]
fn a_command_is_no_worker_and_not_stopped() {
    let shell = desk_with(&Script::of([When::agent("ann").text("hm").hang_after(0)]).then(script()));
    let send = shell.start(&["send", "desk", "hello"]);
    let pid = send.child.id();
    shell.until("it owns the store", |shell| (shell.signed_owner() == Some(pid)).then_some(()));
    let told = shell.refused(&["work", "--stop"]);
    assert!(told.starts_with(&format!("process {pid} ")), "{told}");
    send.signal(Signal::KILL);
    send.wait();
}

#[test]
fn nohup_keeps_a_worker_alive() {
    let shell = desk();
    let mut nohup = std::process::Command::new("nohup");
    let plain = shell.command(&["work"]);
    nohup.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            nohup.env(name, value);
        }
    }
    let work = crate::support::shell::Running::start(nohup);
    let socket = shell.socket();
    shell.until("work listens", |_| std::os::unix::net::UnixStream::connect(&socket).ok());
    work.signal(Signal::HUP);
    assert!(shell.ok(&["send", "desk", "hello"]).contains("Ann heard: hello"));
    assert_eq!(shell.signed_owner(), Some(work.child.id()));
    work.signal(Signal::TERM);
    assert_eq!(work.wait().0, Some(0));
}
