//! What the next step of an agent reads, and what of it takes no room.

use nightdesk::testing::domain::{Change, Message, Run, Task};
use nightdesk::testing::store::{FRAME_BYTES, Lane, StepInput};

use super::{manual, opened, whole_turn};
use crate::support::fixtures::{self, TALK, by_person, said};

/// A text of an agent in this step, or an answer to a call of that one.
fn of(agent: &str, text: &str, step: Option<&str>, answers: Option<&str>) -> Change {
    let Change::MessageAppended(message) = said(TALK, Some(agent), text) else { unreachable!() };
    let (step, answers) = (step.map(Into::into), answers.map(Into::into));
    Change::MessageAppended(Message { step, answers, ..message })
}

fn places(view: &StepInput) -> Vec<u64> {
    view.messages.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn an_answer_takes_no_room_for_the_agent_whose_call_has_it_as_its_result() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    whole_turn(&store, "run-1").await;
    let turn = vec![
        fixtures::turn("run-2"),
        said(TALK, None, "again"),
        fixtures::speech("run-2-speech", "run-2", "ann"),
        of("ben", "to the call of ann", None, Some("step-ann")),
        of("ben", "to the call of cleo", None, Some("step-cleo")),
        of("cleo", "cleo was answered", Some("step-cleo"), None),
        of("ann", "ann was answered", Some("step-ann"), None),
    ];
    store.commit(Lane::Foreground, by_person(turn)).await.unwrap();
    let view = store.step_view(&"run-2-speech".into(), 1_000).await.unwrap();
    assert_eq!(places(&view), [1, 2, 3, 5, 6, 7]);
}

#[tokio::test]
async fn a_worker_too_reads_in_any_case_what_its_turn_answers() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir, manual()).await;
    whole_turn(&store, "run-1").await;
    let Change::RunCreated(worker) = fixtures::speech("run-2-worker", "run-2-speech", "ben") else { unreachable!() };
    let task = Task { step: "step-1".into(), ordinal: 0, by: "agent-ann".into(), text: "look".to_owned() };
    let turn = vec![
        fixtures::turn("run-2"),
        said(TALK, None, "again"),
        fixtures::speech("run-2-speech", "run-2", "ann"),
        of("ann", "who can look?", Some("step-1"), None),
        of("ann", "ben has to look", Some("step-1"), None),
        Change::RunCreated(Run { input: 5, task: Some(task), ..worker }),
    ];
    store.commit(Lane::Foreground, by_person(turn)).await.unwrap();
    // As much as the texts of both messages of the step, each in its frame.
    let bytes = 2 * FRAME_BYTES + "who can look?".len() + "ben has to look".len();
    let view = store.step_view(&"run-2-worker".into(), bytes).await.unwrap();
    assert_eq!(places(&view), [3, 4, 5]);
    assert_eq!((view.earlier, view.turn_cut), (2, true));
}
