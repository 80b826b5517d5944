//! What holds at the end of every engine test, whatever the test is about.

use std::collections::{BTreeMap, BTreeSet};

use nightdesk::testing::domain::{Change, Content, Mail, MailStatus, PendingCall, Run, RunId, RunKind, Step, StepId};
use nightdesk::testing::engine::Engine;
use nightdesk::testing::store::Store;

use super::fold::assert_folds;

/// Fails if the rows contradict each other, or if the log does not fold to them (F16).
pub async fn assert_sound(store: &Store) {
    assert_folds(store).await;
    let runs: BTreeMap<RunId, Run> =
        store.all::<Run>().await.unwrap().rows.into_iter().map(|run| (run.id.clone(), run)).collect();
    let is_over = |id: &RunId| runs.get(id).is_some_and(Run::is_finished);
    for run in runs.values().filter(|run| !run.is_finished()) {
        let over = run.parent.as_ref().filter(|parent| is_over(parent));
        assert!(over.is_none(), "{run:?} is unfinished under a finished run");
    }
    let calls = store.all::<PendingCall>().await.unwrap().rows;
    for call in &calls {
        assert!(call.answer.is_some() || !is_over(&call.run), "{call:?} has no result, and its run is over");
    }
    for mail in store.all::<Mail>().await.unwrap().rows {
        let Some((step, ordinal)) = mail.sent_by.as_ref().filter(|_| mail.waited_for) else { continue };
        let caller = calls.iter().find(|call| call.step == *step && call.ordinal == *ordinal);
        let waits = caller.is_none_or(|call| !is_over(&call.run));
        assert!(waits || mail.status != MailStatus::Pending, "{mail:?} is pending, and nobody waits for the reply");
    }
    // A choice is an outcome of its run, not the result of a call.
    let calls =
        |id: &RunId| runs.get(id).is_some_and(|run| run.is_finished() && !matches!(run.kind, RunKind::Choice { .. }));
    one_result_each(store, &calls).await;
}

/// Fails unless each call of these runs was made once and has one result in the conversation.
async fn one_result_each(store: &Store, runs: &impl Fn(&RunId) -> bool) {
    let mut steps: Vec<Step> = Vec::new();
    let mut made: BTreeMap<StepId, BTreeSet<u32>> = BTreeMap::new();
    let mut results: BTreeMap<StepId, u32> = BTreeMap::new();
    for logged in store.log(0, usize::MAX >> 1).await.unwrap() {
        match logged.change {
            Change::StepFinished(step) => steps.push(step),
            Change::CallMade(call) => {
                let once = made.entry(call.step.clone()).or_default().insert(call.ordinal);
                assert!(once, "{call:?} was made twice");
            }
            Change::MessageAppended(message) if matches!(message.content, Content::Tool { .. }) => {
                *results.entry(message.step.unwrap()).or_default() += 1;
            }
            _ => {}
        }
    }
    for step in steps.iter().filter(|step| runs(&step.run)) {
        let calls = made.get(&step.id).map_or(0, BTreeSet::len);
        assert_eq!(calls, step.calls as usize, "the calls made in {step:?}");
        assert_eq!(results.get(&step.id).copied().unwrap_or_default(), step.calls, "the results of {step:?}");
    }
}

/// Fails if the engine, whose tasks have ended, holds a place for anything but a parked speech.
pub async fn assert_quiet(engine: &Engine, was_idle: bool) {
    let held = engine.held();
    assert_eq!((held.agents, held.calls), (held.kept.len(), 0), "places are held by nobody: {held:?}");
    for run in held.kept.iter().filter(|_| was_idle) {
        let run = engine.store().row::<Run>(run.as_str()).await.unwrap();
        assert!(run.as_ref().is_some_and(|run| !run.is_finished()), "its agent is kept: {run:?}");
    }
}
