//! A choice: the manager of a dynamic group says who speaks next.
//!
//! A run of its own under the turn, made like a speech: it takes the manager's place, every try is a committed
//! step, and what has been tried is read from the rows. A try that cannot be used stands in the conversation and
//! is told to the manager; after the last one nobody is chosen, and the pattern goes on in order.

mod verdict;

use tokio_util::sync::CancellationToken;

pub use verdict::{Offer, Verdict, line};

use super::gates::Side;
use super::speech::{self, Spoken, Work};
use super::step::{self, Answer, Made};
use super::{Engine, Trouble, turn};
use crate::domain::pattern::{Part, dynamic};
use crate::domain::{
    Agent, AgentId, Change, Choice, Commit, Content, Group, Message, NoticeKind, Rest, Run, RunKind, Step, StepId,
    StopReason,
};
use crate::llm::ModelError;
use crate::store::StepView;

/// How often a manager is asked for one choice, where its own `max_steps` is not less.
pub const TRIES: u32 = 3;

/// Makes a new choice of this turn, or goes on with one that a restart left unfinished.
pub async fn choose(
    engine: &Engine,
    turn: &Run,
    manager: &AgentId,
    kind: RunKind,
    unfinished: Option<&Run>,
    cancel: &CancellationToken,
) -> Result<Spoken, Trouble> {
    // The place is the manager's as long as it chooses.
    let Some((run, _place)) = speech::begin(engine, turn, manager, kind, unfinished, &Side::Foreground, cancel).await?
    else {
        return Ok(Spoken::Cancelled);
    };
    let work = Work::of_speech(run, cancel);
    loop {
        match step::make(engine, &work).await? {
            Made::Next | Made::GaveWay => {}
            Made::Over | Made::Parked => return Ok(Spoken::Over),
            Made::Cancelled => return Ok(Spoken::Cancelled),
            Made::Failed(fault) => {
                fail(engine, &work, &fault).await?;
                return Ok(Spoken::Over);
            }
        }
    }
}

/// Judges the answer of a try and commits it with what it comes to.
pub async fn settle(
    engine: &Engine,
    work: &Work,
    view: &StepView,
    offer: &Offer,
    step: Step,
    answer: &Answer,
) -> Result<Made, Trouble> {
    let verdict = still_here(engine, view, offer.judge(&answer.text, &answer.done.calls)).await?;
    let say = |content| said(engine, view, Some(&step.id), content);
    let notice = |text: String| say(Content::Notice { notice: NoticeKind::Choice, text });
    let mut changes = vec![Change::StepFinished(step.clone())];
    if !answer.text.trim().is_empty() || !answer.reasoning.is_empty() {
        let (text, reasoning) = (answer.text.clone(), answer.reasoning.clone());
        changes.push(say(Content::Text { text, reasoning, cancelled: false }));
    }
    let tries = view.agent.max_steps.unwrap_or(TRIES).min(TRIES);
    let mut made = Made::Over;
    match verdict {
        Verdict::Ends => changes.extend(end(work, Choice::Done, StopReason::TerminationToken)),
        Verdict::Chosen { choice, reason, from_words } => {
            changes.push(notice(told(offer, &choice, &reason, from_words)));
            changes.extend(end(work, choice, StopReason::EndTurn));
        }
        Verdict::Unusable(why) if step.index < tries => {
            changes.push(notice(format!("the choice cannot be used: {why}; asked again")));
            made = Made::Next;
        }
        Verdict::Unusable(why) => {
            let instead = instead(engine, view).await?;
            changes.push(notice(format!("the choice cannot be used: {why}; {instead}")));
            changes.extend(end(work, Choice::Nobody, StopReason::EndTurn));
        }
    }
    let commit = Commit::new(work.actor(&view.agent.id), changes).on(Rest::RunRunning(work.run.clone()));
    match engine.commit(work.lane(), commit).await {
        Ok(_) => Ok(made),
        Err(Trouble::Moved) => Ok(Made::Over),
        Err(other) => Err(other),
    }
}

/// The verdict, unless the one chosen has left the group while the manager was asked.
async fn still_here(engine: &Engine, view: &StepView, verdict: Verdict) -> Result<Verdict, Trouble> {
    let Verdict::Chosen { choice: Choice::Member(agent), .. } = &verdict else { return Ok(verdict) };
    let Some(id) = view.run.group() else { return Ok(verdict) };
    if engine.store.row::<Group>(id.as_str()).await?.is_some_and(|group| group.members.contains(agent)) {
        return Ok(verdict);
    }
    let name = view.roster.iter().find(|known| known.id == *agent).map_or(agent.as_str(), |known| known.name.as_str());
    Ok(Verdict::Unusable(format!("{name} has left the group")))
}

/// The manager could not be asked: that stands in the conversation, and the pattern goes on in order.
async fn fail(engine: &Engine, work: &Work, fault: &ModelError) -> Result<(), Trouble> {
    let view = engine.store.step_view(&work.run, 1).await?;
    let name = &view.agent.name;
    tracing::warn!(run = %work.run, agent = %name, "{fault}");
    let text = format!("{name} could not choose: {fault}; {}", instead(engine, &view).await?);
    let mut changes = vec![said(engine, &view, None, Content::Notice { notice: NoticeKind::Error, text })];
    changes.push(Change::RunChosen { id: work.run.clone(), choice: Choice::Nobody });
    changes.extend(work.finish(StopReason::Error, Some(fault.text.clone())));
    engine.commit_here(changes).await
}

fn end(work: &Work, choice: Choice, stop: StopReason) -> Vec<Change> {
    let mut changes = vec![Change::RunChosen { id: work.run.clone(), choice }];
    changes.extend(work.finish(stop, None));
    changes
}

/// A choice in words, for those who watch.
fn told(offer: &Offer, choice: &Choice, reason: &str, from_words: bool) -> String {
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

/// Who speaks where nobody was chosen, in words.
async fn instead(engine: &Engine, view: &StepView) -> Result<String, Trouble> {
    let children = match &view.run.parent {
        Some(turn) => engine.store.runs_of(turn).await?,
        None => Vec::new(),
    };
    let so_far: Vec<Part> = children.iter().filter_map(Part::of).collect();
    let next = view.group.as_ref().and_then(|group| dynamic::in_order(group, &so_far));
    let named = view.roster.iter().find(|agent| Some(&agent.id) == next);
    Ok(match named {
        Some(Agent { name, .. }) => format!("{name} speaks, the next in order"),
        None => "nobody is there to speak".to_owned(),
    })
}

/// Something of the manager in the conversation.
fn said(engine: &Engine, view: &StepView, step: Option<&StepId>, content: Content) -> Change {
    Change::MessageAppended(Message {
        step: step.cloned(),
        agent: Some(view.agent.id.clone()),
        name: view.agent.name.clone(),
        content,
        ..turn::words_of_person(engine, &view.run, String::new())
    })
}

/// The kind of a choice run of this turn.
#[must_use]
pub fn kind(turn: &Run, manager: &AgentId, among: Vec<AgentId>, index: u32) -> Option<RunKind> {
    let group = turn.group()?.clone();
    Some(RunKind::Choice { agent: manager.clone(), group, index, among })
}
