//! Who owns a store, by whatever name it is given, and what an owner leaves when it ends (F8, J6).

use rustix::process::Signal;
use serde_json::Value;

use crate::support::script::{Script, When};
use crate::support::shell::Shell;
use crate::{desk, desk_with, script};

#[test]
fn by_whatever_name_of_the_store_a_second_program_joins_the_first() {
    let shell = desk();
    std::os::unix::fs::symlink(shell.store(), shell.path("link.db")).unwrap();
    std::fs::hard_link(shell.store(), shell.path("hard.db")).unwrap();
    let work = shell.work();
    let owner = work.child.id();
    for name in ["link.db", "hard.db"] {
        let path = shell.path(name).display().to_string();
        assert!(shell.ok(&["--store", &path, "send", "desk", name]).contains(&format!("ann: Ann heard: {name}")));
        let refused = shell.refused(&["--store", &path, "work"]);
        assert!(refused.contains(&format!("process {owner} ")), "{refused}");
    }
    std::fs::remove_file(format!("{}.lock", shell.store().display())).unwrap();
    let refused = shell.refused(&["work"]);
    assert!(refused.contains(&format!("process {owner} ")), "without its lock file, too: {refused}");
    drop(work);
    // What the killed owner had not moved from its log is found under the other name.
    let path = shell.path("hard.db").display().to_string();
    assert!(shell.ok(&["--store", &path, "message", "list", "desk"]).contains("Ann heard: hard.db"));
    shell.folds();
}

#[test]
fn the_socket_and_the_lock_of_an_owner_are_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = desk();
    let work = shell.work();
    for (end, expected) in [("sock", 0o700), ("sock/owner", 0o600), ("lock", 0o600)] {
        let path = format!("{}.{end}", shell.store().display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{path}");
    }
    drop(work);
    shell.folds();
}

#[test]
fn no_job_is_said_to_run_where_no_program_runs_it_and_an_orderly_stop_counts_nothing() {
    let shell = desk_with(&Script::of([When::agent("keeper").text("hm").hang_after(0)]).then(script()));
    let job = |shell: &Shell| shell.json(&["job", "list", "--json"])[0].clone();
    let runs = |shell: &Shell| (job(shell)["status"] == "running").then_some(());
    let left = |shell: &Shell| {
        let job = job(shell);
        assert_eq!(
            (&job["status"], &job["state"], &job["error"]),
            (&"created".into(), &"available".into(), &Value::Null)
        );
        job["attempt"].as_u64().unwrap()
    };
    let work = shell.work();
    shell.ok(&["send", "desk", "one"]);
    shell.ok(&["send", "desk", "two"]);
    shell.until("the job runs", runs);
    work.signal(Signal::KILL);
    work.wait();
    assert_eq!(left(&shell), 1);
    for signal in [Signal::INT, Signal::TERM, Signal::INT] {
        let work = shell.work();
        shell.until("the job runs", runs);
        work.signal(signal);
        assert_eq!(work.wait().0, Some(0));
        assert_eq!(left(&shell), 1, "the kill counts, the stops do not");
    }
    shell.write("script.toml", &script().to_toml());
    shell.ok(&["work", "--drain"]);
    assert_eq!(job(&shell)["status"], "completed");
    shell.folds();
}
