//! Stores of earlier programs: they are copied and upgraded, with their whole history, and nothing in it is judged by
//! rules that came later.

use std::path::{Path, PathBuf};

use crate::support::fixtures;
use crate::support::fold::assert_folds;
use nightdesk::testing::domain::{
    Actor, Block, Change, Editor, Group, Mail, MessageQuery, PendingCall, PersonId, Run, RunId, RunState, StopReason,
    Trigger, TriggerSpec, When,
};
use nightdesk::testing::store::{CommitError, Lane, Options, Store};
use rusqlite::Connection;

const FIRST: &str = include_str!("../../src/store/migrations/0001.sql");
const SECOND: &str = include_str!("../../src/store/migrations/0002.sql");

/// A store as the program of this schema left it.
fn written(path: &Path, version: usize) {
    let sql = Connection::open(path).unwrap();
    sql.pragma_update(None, "journal_mode", "WAL").unwrap();
    sql.execute_batch(FIRST).unwrap();
    sql.execute_batch(include_str!("old.sql")).unwrap();
    if version > 1 {
        sql.execute_batch(SECOND).unwrap();
        sql.execute_batch(include_str!("old_mail.sql")).unwrap();
    }
    sql.pragma_update(None, "application_id", 0x4445_534B).unwrap();
    sql.pragma_update(None, "user_version", version).unwrap();
}

fn old(version: usize) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    written(&path, version);
    (dir, path)
}

fn you() -> PersonId {
    PersonId::local()
}

/// A speech of ann in the talk.
fn speech(id: &str, parent: Option<&str>) -> Change {
    let Change::RunCreated(mut run) = fixtures::speech(id, id, "ann") else { unreachable!() };
    run.conversation = "conversation-1".into();
    run.parent = parent.map(RunId::from);
    Change::RunCreated(run)
}

async fn refused(store: &Store, change: Change) -> String {
    match store.commit(Lane::Foreground, fixtures::by_person(vec![change])).await {
        Err(CommitError::Conflict(conflict)) => conflict.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_of_each_earlier_schema_opens_with_its_whole_history() {
    for version in [1, 2] {
        let (_dir, path) = old(version);
        let store = Store::open(&path, Options::default()).unwrap();
        assert_folds(&store).await;
        let log = store.log(0, 100).await.unwrap();
        assert_eq!(log.len(), if version == 1 { 18 } else { 20 });
        let copy = Connection::open(path.with_added_extension(format!("v{version}"))).unwrap();
        let kept: i64 = copy.query_row("SELECT count(*) FROM team", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 1, "the copy is the store as it was");
        assert_eq!(store.background().search(MessageQuery::new(None, "know", 10)).await.unwrap().messages.len(), 1);
        assert_eq!(store.steps(&RunId::from("run-2")).await.unwrap().len(), 1);

        // It can be written, and the replay follows.
        store.commit(Lane::Foreground, fixtures::by_person(vec![fixtures::edit("block-1", 3, "three")])).await.unwrap();
        assert_folds(&store).await;
    }
}

#[tokio::test]
async fn history_is_the_local_persons_wherever_a_person_acted() {
    let (_dir, path) = old(2);
    let store = Store::open(&path, Options::default()).unwrap();
    let log = store.log(0, 100).await.unwrap();
    let by_person = log.iter().filter(|logged| logged.by == Actor::Person(you())).count();
    assert_eq!(by_person, 11);
    assert!(log.iter().all(|logged| match &logged.change {
        Change::BlockCreated(block) => block.editor == Editor::Person(you()),
        Change::BlockEdited(revision) => revision.editor == Editor::Person(you()),
        Change::CallAnswered { answer, .. } => answer.by == Some(you()),
        _ => true,
    }));
    assert_eq!(store.row::<Block>("block-1").await.unwrap().unwrap().editor, Editor::Person(you()));
    let call = store.row::<PendingCall>("step-1/0002").await.unwrap().unwrap();
    assert_eq!(call.answer.unwrap().by, Some(you()));
    let messages = store.messages(&"conversation-1".into(), 1, 9).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.person.clone()).collect::<Vec<_>>(), [Some(you()), None, None]);
    let mail = |key| store.row::<Mail>(key);
    assert_eq!(mail("mail-1").await.unwrap().unwrap().from_person, Some(you()));
    assert_eq!(mail("mail-2").await.unwrap().unwrap().to_person, Some(you()));
    let runs = ["run-1", "run-2"].map(String::from).to_vec();
    let runs: Vec<Run> = store.rows(runs).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.person.clone()).collect::<Vec<_>>(), [Some(you()), None]);
}

#[tokio::test]
async fn what_was_called_before_is_in_the_calls_with_its_place_in_the_step() {
    let (_dir, path) = old(1);
    drop(Store::open(&path, Options::default()).unwrap());
    let sql = Connection::open(&path).unwrap();
    let query = "SELECT n || ' ' || run || ' ' || step || ' ' || ordinal || ' ' || agent || ' ' || group_id || ' ' || \
                 tool || ' ' || ok FROM call ORDER BY n";
    let mut calls = sql.prepare(query).unwrap();
    let calls: Vec<String> = calls.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        calls,
        [
            "11 run-2 step-1 0 agent-ann group-1 conversation_search 1",
            "12 run-2 step-1 1 agent-ann group-1 memory_replace 0",
        ]
    );
}

#[tokio::test]
async fn a_stricter_rule_judges_what_comes_and_nothing_that_was_logged_before_it() {
    let (_dir, path) = old(1);
    let store = Store::open(&path, Options::default()).unwrap();
    assert_folds(&store).await;
    let again = refused(&store, Change::BlockCreated(fixtures::block("block-2", "again", ""))).await;
    assert!(again.contains("its id cannot be used again"), "{again}");
    let child = refused(&store, speech("run-3", Some("run-1"))).await;
    assert_eq!(child, "run run-1 has gone on or ended meanwhile");
    drop(store);

    // Without the base the same log is refused: the rules have become stricter.
    Connection::open(&path).unwrap().execute_batch("DELETE FROM base_row; UPDATE base SET n = 0").unwrap();
    let store = Store::open(&path, Options::default()).unwrap();
    let differences = store.background().verify_replay().await.unwrap().differences;
    assert!(
        differences.iter().any(|sentence| sentence.starts_with("change 16 does not apply: run run-1 cannot end")),
        "{differences:?}"
    );
}

#[tokio::test]
async fn no_run_ends_over_an_open_child_or_a_call_without_a_result() {
    let (_dir, path) = old(2);
    let store = Store::open(&path, Options::default()).unwrap();
    let over = || RunState::Finished { stop_reason: StopReason::EndTurn, error: None };
    let commit = |changes| store.commit(Lane::Foreground, fixtures::by_person(changes));
    commit(vec![speech("run-4", None), speech("run-5", Some("run-4"))]).await.unwrap();
    let text = refused(&store, fixtures::moved("run-4", over())).await;
    assert_eq!(text, "run run-4 cannot end before run-5, which it started");
    let call = store.row::<PendingCall>("step-1/0002").await.unwrap().unwrap();
    let call = PendingCall { run: "run-5".into(), step: "step-5".into(), answer: None, ..call };
    let moves = [RunState::Running, RunState::Parked].map(|to| fixtures::moved("run-5", to));
    commit(moves.into_iter().chain([Change::CallPending(call)]).collect()).await.unwrap();
    let text = refused(&store, fixtures::moved("run-5", over())).await;
    assert_eq!(text, "run run-5 cannot end before its call of memory_insert has a result");
    assert_folds(&store).await;
}

#[tokio::test]
async fn a_group_of_an_earlier_store_gets_the_trigger_it_always_had_and_keeps_it() {
    for (version, every, turns) in [(1, "3", 3), (2, "null", 5)] {
        let (_dir, path) = old(version);
        let policy = format!(r#"{{"agents":["agent-ann"],"every_turns":{every}}}"#);
        let put = "UPDATE team SET body = json_set(body, '$.sleeptime', json(?1))";
        Connection::open(&path).unwrap().execute(put, [policy]).unwrap();
        let store = Store::open(&path, Options::default()).unwrap();
        assert_folds(&store).await;
        let triggers = store.all::<Trigger>().await.unwrap().rows;
        let specs: Vec<&TriggerSpec> = triggers.iter().map(|trigger| &trigger.spec).collect();
        assert_eq!(specs, [&When::EveryTurns { turns }.into()]);
        let uuid = triggers[0].id.as_str().strip_prefix("trigger-").map(uuid::Uuid::parse_str).unwrap().unwrap();
        assert_eq!(uuid.get_version_num(), 4);

        let group = store.row::<Group>("group-1").await.unwrap().unwrap();
        store.commit(Lane::Foreground, fixtures::by_person(vec![Change::GroupPut(group)])).await.unwrap();
        assert_eq!(store.all::<Trigger>().await.unwrap().rows, triggers);
        assert_folds(&store).await;
    }
}

#[test]
fn a_store_under_newer_rules_is_refused_with_a_sentence() {
    let (_dir, path) = old(2);
    drop(Store::open(&path, Options::default()).unwrap());
    Connection::open(&path).unwrap().execute_batch("UPDATE base SET rules = 99").unwrap();
    let sentence = Store::open(&path, Options::default()).unwrap_err().to_string();
    assert!(sentence.contains("newer Nightdesk (rules 99") && sentence.ends_with("update Nightdesk"), "{sentence}");
    Connection::open(&path).unwrap().execute_batch("UPDATE base SET rules = 1").unwrap();
    let sentence = Store::open_read_only(&path, Options::default()).unwrap_err().to_string();
    assert!(sentence.contains("open it for writing once"), "{sentence}");
}
