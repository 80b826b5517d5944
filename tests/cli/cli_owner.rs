//! Who owns a store, by whatever name it is given, and what an owner leaves when it ends (F8, J6).

use std::io::Read as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::script::{Script, When};
use crate::support::shell::{Ended, Shell};
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
fn an_owner_whose_log_or_lock_is_removed_says_so_and_ends_and_what_was_acknowledged_is_kept() {
    for ending in ["-wal", ".lock"] {
        let shell = desk();
        let mut work = shell.work();
        shell.ok(&["send", "desk", "hello"]);
        let gone = format!("{}{ending}", shell.store().display());
        std::fs::remove_file(&gone).unwrap();
        let mut told = String::new();
        work.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(work.wait().0, Some(1), "it ends by itself");
        let sentence = format!(
            "saving: {gone} was removed or replaced while the store was open, so this program no longer writes to it; \
             nothing that was saved is lost; start it again"
        );
        assert!(told.contains(&sentence), "{told}");
        assert!(shell.ok(&["message", "list", "desk"]).contains("Ann heard: hello"));
        assert!(shell.ok(&["send", "desk", "more"]).contains("Ann heard: more"));
        shell.folds();
    }
}

#[test]
fn messages_that_were_acknowledged_before_and_after_their_log_was_removed_outlive_a_kill() {
    let shell = desk();
    let work = shell.work();
    let mut acknowledged = vec!["zero".to_owned()];
    shell.ok(&["send", "desk", "zero"]);
    std::fs::remove_file(format!("{}-wal", shell.store().display())).unwrap();
    for text in ["one", "two", "three"] {
        if shell.run(&["send", "desk", text]).code == Some(0) {
            acknowledged.push(text.to_owned());
        }
    }
    drop(work);
    let kept = shell.ok(&["message", "list", "desk"]);
    for text in acknowledged {
        assert!(kept.contains(&format!("Ann heard: {text}")), "{text}: {kept}");
    }
    shell.folds();
}

#[test]
fn a_command_that_only_reads_upgrades_an_older_store_and_leaves_a_copy() {
    let shell = Shell::new();
    let store = shell.path("old.db");
    let sql = rusqlite::Connection::open(&store).unwrap();
    sql.pragma_update(None, "journal_mode", "WAL").unwrap();
    sql.execute_batch(include_str!("../../src/store/migrations/0001.sql")).unwrap();
    sql.execute_batch(include_str!("../store/old.sql")).unwrap();
    sql.pragma_update(None, "application_id", 0x4445_534B).unwrap();
    sql.pragma_update(None, "user_version", 1).unwrap();
    drop(sql);
    let path = store.display().to_string();
    assert_eq!(shell.json(&["--store", &path, "group", "list", "--json"]).as_array().unwrap().len(), 1);
    assert!(store.with_added_extension("v1").exists(), "the copy");
}

#[test]
fn a_message_from_standard_input_without_end_is_refused() {
    let shell = desk();
    let endless = std::fs::File::open("/dev/zero").unwrap();
    let ended = Ended::from(shell.command(&["send", "desk", "-"]).stdin(endless).output().unwrap());
    assert!(ended.code == Some(1) && ended.err.contains("more than 1048576 bytes"), "{ended:?}");
    assert!(!shell.ok(&["message", "list", "desk"]).contains("heard"));
}

#[test]
fn a_message_from_standard_input_of_the_longest_size_is_sent_and_one_byte_more_is_not() {
    let shell = desk();
    let longest = "x".repeat(1 << 20);
    let sent = shell.run_with(&longest, &["send", "desk", "-"]);
    assert_eq!(sent.code, Some(0), "{}", sent.err);
    let over = shell.run_with(&format!("{longest}x"), &["send", "desk", "-"]);
    assert!(over.code == Some(1) && over.err.contains("more than 1048576 bytes"), "{over:?}");
    let said = shell.json(&["message", "list", "desk", "--json"]);
    let said: Vec<usize> = said.as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap().len()).collect();
    assert_eq!(said.iter().filter(|bytes| **bytes == longest.len()).count(), 1, "{said:?}");
}

#[test]
fn a_directory_that_may_not_be_written_is_named_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = Shell::new();
    let locked = shell.path("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write everywhere, but not below /proc.
    let dirs = if rustix::process::geteuid().is_root() { vec!["/proc/1".into()] } else { vec![locked] };
    for dir in dirs {
        let store = dir.join("new/desk.db").display().to_string();
        let team = shell.write("team.toml", crate::TEAM);
        let told = shell.refused(&["--store", &store, "apply", &team]);
        assert!(told.contains("cannot be created") && told.ends_with("choose another path"), "{told}");
    }
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
