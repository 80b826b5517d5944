//! What a step reads of a conversation is kept in memory between steps: it is what the file holds, whoever wrote it.

use std::path::Path;

use crate::store_faults::by_sql;
use crate::support::fixtures::{self, BLOCK, TALK, by_person, edit, newsroom, said};
use crate::support::fold;
use nightdesk::testing::domain::{Change, Commit, Content, Message, NoticeKind};
use nightdesk::testing::store::{CommitError, Lane, Mode, Options, Store, Synchronous};
use proptest::collection::vec;
use proptest::prelude::*;

/// One thing that happens to the store.
#[derive(Debug, Clone)]
enum Op {
    /// This program appends messages in one commit.
    Here(Vec<Said>),
    /// Another program does.
    There(Vec<Said>),
    /// This program's commit is refused after its messages were applied.
    Refused(Said),
    /// This program ends, and another takes its place.
    Reopened,
}

/// A message: who made it, what it is, how long it is, whether it answers the first agent's step.
#[derive(Debug, Clone)]
struct Said {
    by: Option<usize>,
    kind: u8,
    length: usize,
    answers: bool,
}

const AGENTS: [&str; 2] = ["ann", "ben"];

fn message() -> impl Strategy<Value = Said> {
    let length = prop::sample::select(vec![0_usize, 1, 11, 200, 5_000]);
    (prop::option::of(0..AGENTS.len()), 0_u8..8, length, prop::bool::weighted(0.2))
        .prop_map(|(by, kind, length, answers)| Said { by, kind, length, answers })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => vec(message(), 1..8).prop_map(Op::Here),
        // More than a reader takes at once.
        1 => vec(message(), 600..700).prop_map(Op::Here),
        3 => vec(message(), 1..8).prop_map(Op::There),
        1 => message().prop_map(Op::Refused),
        1 => Just(Op::Reopened),
    ]
}

fn appended(said: &Said, at: usize) -> Change {
    let Change::MessageAppended(message) = fixtures::said(TALK, said.by.map(|by| AGENTS[by]), &format!("m{at}")) else {
        unreachable!()
    };
    let text = "x".repeat(said.length);
    let content = match said.kind {
        0 => Content::notice(NoticeKind::Choice, text),
        1 => Content::notice(NoticeKind::Pass, text),
        2 | 3 if said.by.is_some() => {
            let (call, name, arguments) = (format!("call-{at}"), "look".to_owned(), serde_json::json!({"at": 0.1}));
            Content::Tool { call, name, arguments, ok: at.is_multiple_of(2), text }
        }
        4 => Content::Text { text, reasoning: "because".to_owned(), cancelled: true },
        _ => Content::said(text),
    };
    let step = said.by.map(|by| format!("step-{by}-{}", at / 3).as_str().into());
    let run = Some(["run-ann", "run-ben", "run-turn"][at % 3].into());
    let answers = said.answers.then(|| format!("step-0-{}", (at + 3) / 3).as_str().into());
    Change::MessageAppended(Message { content, step, run, answers, ..message })
}

fn options() -> Options {
    Options { mode: Mode::Inline, synchronous: Synchronous::Normal, ..Options::default() }
}

async fn begin(path: &Path) -> Store {
    let store = Store::open(path, options()).unwrap();
    store.commit(Lane::Foreground, newsroom()).await.unwrap();
    let speeches = AGENTS.map(|name| fixtures::speech(&format!("run-{name}"), "run-turn", name));
    let runs = [fixtures::turn("run-turn")].into_iter().chain(speeches).collect();
    store.commit(Lane::Foreground, by_person(runs)).await.unwrap();
    store
}

/// What each agent reads, at several sizes of its prompt, is what a program reads that has kept nothing.
async fn reads_what_the_file_holds(store: &Store, path: &Path) -> Result<(), TestCaseError> {
    for name in AGENTS {
        for bytes in [1, 400, 6_000, 60_000] {
            let fresh = Store::open_read_only(path, options()).unwrap();
            let run = format!("run-{name}").as_str().into();
            let (kept, read) = (store.step_view(&run, bytes).await, fresh.step_view(&run, bytes).await);
            prop_assert_eq!(kept.unwrap(), read.unwrap(), "{} at {} bytes", name, bytes);
        }
    }
    Ok(())
}

async fn play(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let mut here = begin(&path).await;
    let there = Store::open(&path, options()).unwrap();
    let mut count = 0;
    for op in ops {
        let mut commit = |messages: &[Said]| {
            let changes = messages.iter().map(|said| {
                count += 1;
                appended(said, count)
            });
            by_person(changes.collect())
        };
        match op {
            Op::Here(messages) => drop(here.commit(Lane::Foreground, commit(&messages)).await.unwrap()),
            Op::There(messages) => drop(there.commit(Lane::Foreground, commit(&messages)).await.unwrap()),
            Op::Refused(message) => {
                let Commit { mut changes, .. } = commit(&[message]);
                changes.push(edit(BLOCK, 99, "stale"));
                let refused = here.commit(Lane::Foreground, by_person(changes)).await;
                prop_assert!(matches!(refused, Err(CommitError::Conflict(_))));
            }
            Op::Reopened => {
                drop(here);
                here = Store::open(&path, options()).unwrap();
            }
        }
        reads_what_the_file_holds(&here, &path).await?;
        reads_what_the_file_holds(&there, &path).await?;
    }
    fold::assert_folds(&here).await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn what_is_kept_of_a_conversation_is_what_the_file_holds(ops in vec(op(), 1..10)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(ops))?;
    }
}

#[tokio::test]
async fn a_message_is_read_from_the_file_once_and_not_at_all_where_this_program_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let store = begin(&path).await;
    let words: Vec<Change> = (0..2_000).map(|at| said(TALK, None, &format!("word {at}"))).collect();
    store.commit(Lane::Foreground, by_person(words)).await.unwrap();
    let read = async |bytes: usize| {
        let before = store.counters().messages;
        let view = store.step_view(&"run-ann".into(), bytes).await.unwrap();
        (view.messages.len(), store.counters().messages - before)
    };
    let (shown, from_file) = read(10_000).await;
    assert!(shown > 100 && from_file < 1_000, "{shown} of {from_file}");
    assert_eq!(read(10_000).await, (shown, 1), "only the message that its turn answers, which is far back");
    store.commit(Lane::Foreground, by_person(vec![said(TALK, None, "news")])).await.unwrap();
    let view = store.step_view(&"run-ben".into(), 1_000).await.unwrap();
    assert_eq!(view.messages.last().map(|message| message.text()), Some("news"));
    assert_eq!(read(10_000).await.1, 1, "another member reads what is there");
}

#[tokio::test]
async fn messages_without_words_take_room_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = begin(&dir.path().join("desk.db")).await;
    let empty: Vec<Change> = (0..1_000).map(|_| said(TALK, None, "")).collect();
    store.commit(Lane::Foreground, by_person(empty)).await.unwrap();
    let view = store.step_view(&"run-ann".into(), 4_800).await.unwrap();
    // The message that its turn answers, and a hundred more.
    assert_eq!((view.messages.len(), view.messages[0].seq, view.messages[1].seq), (101, 1, 901));
}

#[tokio::test]
async fn what_another_program_changed_in_the_file_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let store = begin(&path).await;
    store.commit(Lane::Foreground, by_person(vec![said(TALK, None, "as it was")])).await.unwrap();
    let texts = async || -> Vec<String> {
        let view = store.step_view(&"run-ann".into(), 10_000).await.unwrap();
        view.messages.iter().map(|message| message.text().to_owned()).collect()
    };
    assert!(texts().await.contains(&"as it was".to_owned()));
    by_sql(&path, "UPDATE message SET body = replace(body, 'as it was', 'as it is')");
    store.commit(Lane::Foreground, by_person(vec![said(TALK, None, "news")])).await.unwrap();
    let now = texts().await;
    assert!(now.contains(&"as it is".to_owned()) && !now.contains(&"as it was".to_owned()), "{now:?}");
}
