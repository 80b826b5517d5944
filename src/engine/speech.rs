//! The steps of one agent, one after the other: a speech of a turn, or the work of a job.

use tokio_util::sync::CancellationToken;

use super::gates::{Place, Room, Side};
use super::step::{self, Made};
use super::{Engine, Trouble};
use crate::domain::run::Answer;
use crate::domain::{
    Actor, Agent, AgentId, Change, Content, JobId, Message, MessageId, NoticeKind, PendingCall, Run, RunId, RunKind,
    RunState, StopReason,
};
use crate::llm::ModelError;
use crate::store::Lane;

/// Whose steps are made, and what calls them off.
#[derive(Debug, Clone)]
pub struct Work {
    /// The speech's or job's run.
    pub run: RunId,
    /// The turn a speech belongs to.
    pub turn: Option<RunId>,
    /// The job and the fence it is held under.
    pub job: Option<(JobId, u64)>,
    /// A person called it off.
    pub cancel: CancellationToken,
    /// The foreground wants its place.
    pub give_way: CancellationToken,
    /// Attempts of a job before this one.
    pub attempts_before: u32,
}

impl Work {
    /// True for a job.
    #[must_use]
    pub fn is_background(&self) -> bool {
        self.job.is_some()
    }

    /// The lane its commits take.
    #[must_use]
    pub fn lane(&self) -> Lane {
        if self.is_background() { Lane::Background } else { Lane::Foreground }
    }

    /// How it asks for a place.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.is_background() { Side::Background(self.give_way.clone()) } else { Side::Foreground }
    }

    /// Who makes its commits.
    #[must_use]
    pub fn actor(&self, agent: &AgentId) -> Actor {
        Actor::Agent { agent: agent.clone(), run: self.run.clone() }
    }

    /// The run's end.
    #[must_use]
    pub fn finish(&self, stop_reason: StopReason, error: Option<String>) -> Vec<Change> {
        vec![Change::RunMoved { id: self.run.clone(), to: RunState::Finished { stop_reason, error } }]
    }
}

/// How a speech left its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// It is over, one way or another.
    Over,
    /// It waits for somebody; the turn waits with it.
    Parked,
    /// A person cancelled it.
    Cancelled,
}

/// Makes a new speech of this turn, or goes on with one that a restart or a wait left unfinished.
pub async fn speak(
    engine: &Engine,
    turn: &Run,
    agent: &AgentId,
    unfinished: Option<&Run>,
    index: u32,
    cancel: &CancellationToken,
) -> Result<Spoken, Trouble> {
    let kind = RunKind::Speech { agent: agent.clone(), group: turn.group().cloned(), index };
    let Some((run, place)) = begin(engine, turn, agent, kind, unfinished, cancel).await? else {
        return Ok(Spoken::Cancelled);
    };
    let work = Work {
        run,
        turn: Some(turn.id.clone()),
        job: None,
        cancel: cancel.clone(),
        give_way: CancellationToken::new(),
        attempts_before: 0,
    };
    loop {
        match step::make(engine, &work).await? {
            Made::Next | Made::GaveWay => {}
            Made::Over => return Ok(Spoken::Over),
            Made::Parked => {
                engine.lock_tasks().kept.insert(work.run, place);
                return Ok(Spoken::Parked);
            }
            Made::Cancelled => return Ok(Spoken::Cancelled),
            Made::Failed(fault) => {
                fail(engine, turn, &work, agent, &fault).await?;
                return Ok(Spoken::Over);
            }
        }
    }
}

/// The run with its agent's place: an agent has one run at a time, others queue and are seen to.
pub(super) async fn begin(
    engine: &Engine,
    turn: &Run,
    agent: &AgentId,
    kind: RunKind,
    unfinished: Option<&Run>,
    cancel: &CancellationToken,
) -> Result<Option<(RunId, Place<AgentId>)>, Trouble> {
    let kept = unfinished.and_then(|run| engine.lock_tasks().kept.remove(&run.id));
    let free = kept.or_else(|| engine.agents.try_enter(agent, Room::ONE, &Side::Foreground));
    let state = if free.is_some() { RunState::Running } else { RunState::Queued };
    let (id, created) = if let Some(run) = unfinished {
        (run.id.clone(), run.state.clone())
    } else {
        let run =
            Run::new(RunId::fresh(engine.store.ids()), turn.conversation.clone(), kind, state.clone()).under(turn);
        let id = run.id.clone();
        engine.commit_here(vec![Change::RunCreated(run)]).await?;
        (id, state)
    };
    let place = if let Some(place) = free {
        place
    } else {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                let to = RunState::Finished { stop_reason: StopReason::Cancelled, error: None };
                engine.commit_here(vec![Change::RunMoved { id, to }]).await?;
                return Ok(None);
            }
            place = engine.agents.enter(agent, Room::ONE, Side::Foreground) => place,
        }
    };
    if created == RunState::Queued {
        engine.commit_here(vec![Change::RunMoved { id: id.clone(), to: RunState::Running }]).await?;
    }
    Ok(Some((id, place)))
}

/// The member's error stands in the conversation, attributed, and the pattern goes on.
async fn fail(engine: &Engine, turn: &Run, work: &Work, agent: &AgentId, fault: &ModelError) -> Result<(), Trouble> {
    let name = engine.store.row::<Agent>(agent.as_str()).await?.map_or_else(|| agent.to_string(), |agent| agent.name);
    tracing::warn!(run = %work.run, agent = %name, "{fault}");
    let notice = Message {
        id: MessageId::fresh(engine.store.ids()),
        conversation: turn.conversation.clone(),
        seq: 0,
        run: Some(work.run.clone()),
        step: None,
        answers: None,
        agent: Some(agent.clone()),
        name: name.clone(),
        content: Content::Notice { notice: NoticeKind::Error, text: format!("{name} could not answer: {fault}") },
        at: engine.store.clock().now(),
    };
    let mut changes = vec![Change::MessageAppended(notice)];
    changes.extend(work.finish(StopReason::Error, Some(fault.text.clone())));
    engine.commit_here(changes).await
}

/// True when no pending call of the run waits any more.
#[must_use]
pub fn is_answered(calls: &[PendingCall]) -> bool {
    calls.iter().all(|call| call.answer.is_some() || call.kind == crate::domain::PendingKind::Behind)
}

/// The results of a parked run's calls become messages, and the run runs again.
///
/// Calls that stood behind the one that waited were not made: the agent is told, and may make them again.
pub async fn unpark(engine: &Engine, turn: &Run, speech: &Run, calls: &[PendingCall]) -> Result<(), Trouble> {
    // A run that parked before has calls of those steps, too; the step it is parked on is its last.
    let steps = engine.store.steps(&speech.id).await?;
    let Some(last) = steps.last().map(|step| &step.id) else { return Ok(()) };
    let Some(agent) = speech.agent() else { return Ok(()) };
    let name = engine.store.row::<Agent>(agent.as_str()).await?.map(|agent| agent.name).unwrap_or_default();
    let mut changes = Vec::new();
    for call in calls.iter().filter(|call| call.step == *last) {
        let answer = call.answer.clone().unwrap_or(Answer {
            for_run: false,
            ok: false,
            text: "not called: a call before it had to wait; call it again if it is still wanted".to_owned(),
        });
        changes.push(Change::MessageAppended(Message {
            id: MessageId::fresh(engine.store.ids()),
            conversation: speech.conversation.clone(),
            seq: 0,
            run: Some(speech.id.clone()),
            step: Some(call.step.clone()),
            answers: None,
            agent: Some(agent.clone()),
            name: name.clone(),
            content: Content::Tool {
                call: call.call.clone(),
                name: call.name.clone(),
                arguments: call.arguments.clone(),
                ok: answer.ok,
                text: answer.text,
            },
            at: engine.store.clock().now(),
        }));
    }
    changes.push(Change::RunMoved { id: speech.id.clone(), to: RunState::Running });
    if turn.state == RunState::Parked {
        changes.push(Change::RunMoved { id: turn.id.clone(), to: RunState::Running });
    }
    engine.commit_here(changes).await
}
