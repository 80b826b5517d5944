//! A choice: the manager of a dynamic group selects the next speaker.
//!
//! It is a run below the turn, like a speech: it takes the manager, every try is a committed step, and earlier tries
//! are read from rows. An unusable try is shown in the conversation and told to the manager; after the last try nobody
//! is chosen, and the pattern continues in order. So it does, without another try, where the manager chooses the member
//! that has just spoken and the group does not allow that.

use std::ops::ControlFlow;

use tokio_util::sync::CancellationToken;

use super::call::{self, Answered};
use super::candidates::{Candidates, Selection};
use super::context::PromptRequest;
use super::limits::Priority;
use super::work::{Outcome, RunContext};
use super::{Engine, EngineError, context, next, speech};
use crate::domain::pattern::{Part, dynamic};
use crate::domain::{
    AgentId, Change, Choice, Commit, Content, Group, NoticeKind, Precondition, Run, RunKind, StepId, StopReason,
};
use crate::llm::ModelError;
use crate::store::StepInput;

/// Most tries of one choice; a smaller `max_steps` of the manager lowers it.
pub const TRIES: u32 = 3;

/// Runs a new choice of this turn, or resumes one that a restart left unfinished.
///
/// # Errors
/// [`EngineError`] if the store fails or the state does not allow a commit.
pub async fn choose(
    engine: &Engine,
    turn: &Run,
    kind: RunKind,
    unfinished: Option<&Run>,
    cancel: &CancellationToken,
) -> Result<Outcome, EngineError> {
    // The manager is held until the choice is made.
    let Some((manager, run, _place)) =
        speech::begin(engine, turn, kind, unfinished, &Priority::Foreground, cancel).await?
    else {
        return Ok(Outcome::Cancelled);
    };
    let work = RunContext::of_speech(run, cancel);
    loop {
        let outcome = match ask(engine, &work).await {
            Err(trouble) if !trouble.is_temporary() => Outcome::Failed(ModelError::terminal(trouble.to_string())),
            done => done?,
        };
        match outcome {
            Outcome::Continue | Outcome::Preempted => {}
            Outcome::Parked => return Ok(Outcome::Finished),
            Outcome::Finished
            | Outcome::TurnEnded
            | Outcome::Followed(_)
            | Outcome::Cancelled
            // Of jobs only.
            | Outcome::Postponed(_) => return Ok(outcome),
            Outcome::Failed(fault) => {
                fail(engine, &work, &manager, &fault).await?;
                return Ok(Outcome::Finished);
            }
        }
    }
}

/// Runs one try.
async fn ask(engine: &Engine, work: &RunContext) -> Result<Outcome, EngineError> {
    let mut view = match call::snapshot(engine, work).await? {
        ControlFlow::Continue(view) => view,
        ControlFlow::Break(outcome) => return Ok(outcome),
    };
    let Some(offer) = Candidates::of(&view) else {
        return Err(EngineError::Refused(format!("run {} has no group to choose in", work.run)));
    };
    let prompt = |view: &StepInput, request: &PromptRequest<'_>| context::choice_prompt(view, &offer, request);
    match call::ask(engine, work, &mut view, prompt).await? {
        ControlFlow::Continue(answered) => commit_selection(engine, work, &view, &offer, answered).await,
        ControlFlow::Break(outcome) => Ok(outcome),
    }
}

/// Judges the answer of a try and commits it with the result.
async fn commit_selection(
    engine: &Engine,
    work: &RunContext,
    view: &StepInput,
    offer: &Candidates,
    answered: Answered,
) -> Result<Outcome, EngineError> {
    // Keeps the step on the screens until it is committed.
    let Answered { step, text, reasoning, calls, live: _live, .. } = answered;
    let verdict = still_here(engine, view, offer.judge(&text, &calls)).await?;
    let (id, index) = (step.id.clone(), step.index);
    let say = |content| said(engine, view, &id, content);
    let notice = |text: String| say(Content::notice(NoticeKind::Choice, text));
    let mut changes = vec![Change::StepFinished(step)];
    if !text.trim().is_empty() || !reasoning.is_empty() {
        changes.push(say(Content::Text { text, reasoning, cancelled: false }));
    }
    let tries = view.agent.max_steps.unwrap_or(TRIES).min(TRIES);
    let mut outcome = Outcome::Finished;
    match verdict {
        Selection::Ends => changes.extend(end(work, Choice::Done, StopReason::TerminationToken)),
        Selection::Chosen { choice, reason, from_words } => {
            changes.push(notice(describe(offer, &choice, &reason, from_words)));
            changes.extend(end(work, choice, StopReason::EndTurn));
        }
        // Understood, but the group does not allow it: another call would only be asked for another name.
        Selection::Repeated(name) => {
            let instead = fallback(engine, &view.run).await?;
            changes.push(notice(format!("chose {name}, who has just spoken; {instead}")));
            changes.extend(end(work, Choice::Nobody, StopReason::EndTurn));
        }
        Selection::Unusable(why) if index < tries => {
            changes.push(notice(format!("the choice cannot be used: {why}; asked again")));
            outcome = Outcome::Continue;
        }
        Selection::Unusable(why) => {
            let instead = fallback(engine, &view.run).await?;
            changes.push(notice(format!("the choice cannot be used: {why}; {instead}")));
            changes.extend(end(work, Choice::Nobody, StopReason::EndTurn));
        }
    }
    if outcome != Outcome::Finished {
        return work.commit(engine, view, changes, outcome).await;
    }
    let commit = Commit::new(work.actor(&view.agent.id), changes).requiring(Precondition::run(&view.run));
    let made = next::finish(engine, work.lane(), &view.run, view.group.as_ref(), commit).await;
    match made.map_err(EngineError::from) {
        Err(EngineError::Moved) => Ok(Outcome::Finished),
        other => other,
    }
}

/// Replaces the verdict if the chosen member has left the group meanwhile.
async fn still_here(engine: &Engine, view: &StepInput, verdict: Selection) -> Result<Selection, EngineError> {
    let Selection::Chosen { choice: Choice::Member(agent), .. } = &verdict else { return Ok(verdict) };
    let Some(id) = view.run.group() else { return Ok(verdict) };
    if engine.store.row::<Group>(id.as_str()).await?.is_some_and(|group| group.members.contains(agent)) {
        return Ok(verdict);
    }
    let name = view.roster.iter().find(|known| known.id == *agent).map_or(agent.as_str(), |known| known.name.as_str());
    Ok(Selection::Unusable(format!("{name} has left the group")))
}

/// Finishes a choice whose model call failed, with a notice; the pattern continues in order.
async fn fail(engine: &Engine, work: &RunContext, manager: &AgentId, fault: &ModelError) -> Result<(), EngineError> {
    let run = engine.must_run(&work.run).await?;
    let name = engine.agent_name(manager).await?;
    tracing::warn!(run = %work.run, agent = %name, "{fault}");
    let text = format!("{name} could not choose: {fault}; {}", fallback(engine, &run).await?);
    let notice = engine.message(&run, Content::notice(NoticeKind::Error, text)).by(manager, name);
    let mut changes = vec![Change::MessageAppended(notice)];
    changes.push(Change::RunChosen { id: work.run.clone(), choice: Choice::Nobody });
    changes.extend(work.finish(StopReason::Error, Some(fault.text.clone())));
    engine.commit_as_engine(changes).await
}

fn end(work: &RunContext, choice: Choice, stop: StopReason) -> Vec<Change> {
    let mut changes = vec![Change::RunChosen { id: work.run.clone(), choice }];
    changes.extend(work.finish(stop, None));
    changes
}

/// Sentence for the conversation that describes a choice.
fn describe(offer: &Candidates, choice: &Choice, reason: &str, from_words: bool) -> String {
    let chosen = match choice {
        Choice::Member(id) => {
            let found = offer.open.iter().find(|(open, _)| open == id);
            format!("chose {}", found.map_or(id.as_str(), |(_, name)| name))
        }
        Choice::Done => "chose to end the turn".to_owned(),
        Choice::Nobody => "chose nobody".to_owned(),
    };
    let how = if from_words { " (read from its words)" } else { "" };
    let colon = if reason.is_empty() { "" } else { ": " };
    format!("{chosen}{how}{colon}{reason}")
}

/// Sentence that names who speaks if nobody was chosen.
async fn fallback(engine: &Engine, run: &Run) -> Result<String, EngineError> {
    let children = match &run.parent {
        Some(turn) => engine.store.runs_of(turn).await?,
        None => Vec::new(),
    };
    let so_far: Vec<Part> = children.iter().filter_map(Part::of).collect();
    let group = match run.group() {
        Some(group) => engine.readable::<Group>(group.as_str()).await?,
        None => None,
    };
    Ok(match group.as_ref().and_then(|group| dynamic::in_order(group, &so_far)) {
        Some(next) => format!("{} speaks, the next in order", engine.agent_name(next).await?),
        None => "nobody is there to speak".to_owned(),
    })
}

/// The change that appends content in the manager's name.
fn said(engine: &Engine, view: &StepInput, step: &StepId, content: Content) -> Change {
    let message = engine.message(&view.run, content).by(&view.agent.id, &view.agent.name);
    Change::MessageAppended(message.in_step(step))
}
