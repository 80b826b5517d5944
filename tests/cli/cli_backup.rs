//! Backups: made while the store is in use, put back, and refused with a sentence.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::desk;
use crate::support::shell::Shell;

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn messages(shell: &Shell) -> usize {
    shell.json(&["message", "list", "desk", "--json"]).as_array().unwrap().len()
}

#[test]
fn a_backup_of_a_store_in_use_is_restored_and_what_came_after_it_is_kept_beside_it() {
    let shell = desk();
    let copy = text(&shell.path("copy.db"));
    let work = shell.work();
    shell.ok(&["send", "desk", "before"]);
    let before = messages(&shell);
    assert!(shell.ok(&["backup", &copy]).starts_with(&copy));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(shell.refused(&["backup", &copy]).ends_with("exists already; give another name"));
    shell.ok(&["send", "desk", "after"]);
    let pid = work.child.id();
    let refused = shell.refused(&["restore", &copy]);
    assert_eq!(refused, format!("process {pid} has the store open; end it first, or add --stop if it is a worker"));
    let told = shell.ok(&["restore", &copy, "--stop"]);
    assert_eq!(work.wait().0, Some(0));
    assert_eq!(messages(&shell), before);
    let kept = told.lines().last().unwrap().strip_prefix("the store as it was is kept as ").unwrap().to_owned();
    let list = shell.json(&["--store", &kept, "message", "list", "desk", "--json"]);
    assert!(list.as_array().unwrap().len() > before);
    assert!(shell.ok(&["send", "desk", "again"]).contains("Ann heard: again"));
    shell.folds();
}

#[test]
fn backups_without_a_name_are_kept_so_many_and_what_takes_room_is_listed() {
    let shell = desk();
    shell.ok(&["send", "desk", "hello"]);
    for _ in 0..3 {
        shell.ok(&["backup", "--keep", "2"]);
    }
    let directory = shell.store().with_file_name("backups");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2);
    let space = shell.json(&["doctor", "--space", "--json"]);
    assert_eq!(space["can_go"].as_array().unwrap().len(), 2, "{space}");
    assert_eq!(space["groups"][0]["name"], "desk");
    let names = |part: &str| space["groups"][0]["parts"].as_array().unwrap().iter().any(|known| known["name"] == part);
    assert!(names("conversation") && names("block notes"), "{space}");
    assert!(space["file"].as_u64() > space["free"].as_u64());
    let told = shell.ok(&["doctor", "--space"]);
    assert!(told.contains("log of changes") && told.contains("CAN GO"), "{told}");
    let misused = shell.run(&["backup", "copy.db", "--keep", "2"]);
    assert_eq!(misused.code, Some(2), "a file of another name is never removed: {misused:?}");
}

#[test]
fn what_is_no_backup_is_refused_with_a_sentence() {
    let shell = desk();
    let missing = shell.refused(&["restore", &text(&shell.path("none.db"))]);
    assert!(missing.starts_with("there is no file ") && missing.ends_with("check the path"), "{missing}");
    let other = shell.write("other.db", "not a store at all");
    assert!(shell.refused(&["restore", &other]).contains("it is not a Nightdesk store"));
    let nowhere = text(&shell.path("no/such/place.db"));
    assert!(shell.refused(&["backup", &nowhere]).contains("choose another place"));
    let store = text(&shell.path("none/desk.db"));
    assert!(shell.refused(&["--store", &store, "backup"]).ends_with("to back up"));
    shell.folds();
}
