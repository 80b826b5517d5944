//! A store whose place lets it down: a full disk (F4), a file of another user.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

use crate::desk;
use crate::support::shell::Ended;

/// Runs a script of the shell in which `nightdesk` is the program, and the desk lies on a disk of 4 MiB that `fill` and
/// `free` change. Returns what it prints; `None` where these tests may mount no disk.
fn on_small_disk(script: &str) -> Option<String> {
    let shell = desk();
    let (data, team) = (shell.path("data"), shell.path("team.toml"));
    let nightdesk = shell.command(&[]);
    let begin = format!(
        "mount -t tmpfs -o size=4m tmpfs '{data}' || exit 77
        program='{program}'
        socket='{data}/nightdesk/desk.db.sock/owner'
        nightdesk() {{ \"$program\" \"$@\" 2>&1; echo \"exit $?\"; }}
        fill() {{ head -c 8000000 /dev/zero 2>/dev/null >'{data}/filler'; }}
        free() {{ rm '{data}/filler'; }}
        much() {{ head -c 1000000 /dev/zero | tr '\\0' x; }}
        nightdesk apply '{team}' >/dev/null
        ",
        data = data.display(),
        team = team.display(),
        program = nightdesk.get_program().display(),
    );
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "sh",
        "-c",
        &(begin + script),
    ]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.envs(nightdesk.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = command.output().map(Ended::from).ok()?;
    if ended.code == Some(0) {
        return Some(ended.out);
    }
    println!("left out: no disk can be mounted here: {}", ended.err);
    None
}

/// Checks that each command was refused with one sentence that has these words.
fn refused(told: &str, count: usize, words: &str) {
    let commands: Vec<&str> = told.trim_end().split("exit 1\n").map(|told| told.trim_end_matches("exit 1")).collect();
    let commands: Vec<&str> = commands.into_iter().map(str::trim_end).filter(|told| !told.is_empty()).collect();
    assert_eq!(commands.len(), count, "{told}");
    for told in commands {
        assert!(told.contains(words) && told.lines().count() == 1, "{told}");
    }
}

#[test]
fn f4_a_command_on_a_full_disk_says_so_writes_nothing_half_and_goes_well_once_there_is_space() {
    let script = r#"
        nightdesk send desk before
        fill
        echo "--- full"
        much | nightdesk send desk -
        head -c 10000 /dev/zero | tr '\0' x | nightdesk block set desk notes
        nightdesk message list desk
        free
        echo "--- space"
        nightdesk message list desk --json
        nightdesk block show desk notes
        nightdesk send desk after
        nightdesk doctor --deep --json
    "#;
    let Some(out) = on_small_disk(script) else { return };
    let (before, rest) = out.split_once("--- full\n").unwrap();
    let (full, space) = rest.split_once("--- space\n").unwrap();
    assert!(before.contains("Ann heard: before") && before.ends_with("exit 0\n"), "{before}");
    refused(full, 3, "the disk is full; free some space");
    assert!(!space.contains("xxx") && space.contains("begun"), "nothing of it is there: {space}");
    assert!(space.contains("Ann heard: after") && !space.contains("exit 1"), "{space}");
}

#[test]
fn f4_an_owner_on_a_full_disk_refuses_what_it_cannot_save_and_goes_on_once_there_is_space() {
    let script = r#"
        "$program" work >/dev/null 2>&1 & work=$!
        until test -S "$socket"; do sleep 0.1; done
        nightdesk send desk before
        fill
        echo "--- full"
        much | nightdesk send desk -
        free
        echo "--- space"
        nightdesk send desk after
        kill $work
        wait
        nightdesk message list desk --json
        nightdesk doctor --deep --json
    "#;
    let Some(out) = on_small_disk(script) else { return };
    let (before, rest) = out.split_once("--- full\n").unwrap();
    let (full, space) = rest.split_once("--- space\n").unwrap();
    assert!(before.contains("Ann heard: before") && before.ends_with("exit 0\n"), "{before}");
    refused(full, 1, "disk full while saving: free some space and do it again, nothing that was saved is lost");
    assert!(!space.contains("xxx"), "nothing of it is there: {space}");
    assert!(space.contains("Ann heard: after") && !space.contains("exit 1"), "{space}");
}

#[test]
fn root_leaves_nothing_beside_the_store_of_another_user() {
    let shell = desk();
    let store = shell.store();
    let dir = store.parent().unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        if chown(entry.unwrap().path(), Some(65_534), None).is_err() {
            return println!("left out: only root can give a file away");
        }
    }
    chown(dir, Some(65_534), None).unwrap();
    let team = shell.path("team.toml").display().to_string();
    assert!(shell.ok(&["group", "list"]).contains("desk"), "root may read");
    for command in [&["send", "desk", "hello"][..], &["work", "--drain"], &["apply", &team]] {
        let told = shell.refused(command);
        assert!(told.contains("it belongs to another user (65534)") && told.contains("run as that user"), "{told}");
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            assert_eq!(entry.metadata().unwrap().uid(), 65_534, "{command:?}: {:?}", entry.file_name());
        }
    }
}
