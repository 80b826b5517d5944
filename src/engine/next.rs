//! What follows the parts of a turn: another part, or its end.
//!
//! There is one rule ([`decide`]), and two ways to carry it out. A message begins its turn with the first part
//! ([`begin`]), and a step that ends a part carries what follows it ([`finish`]), each in its own commit. What cannot go
//! with them, for example after a failure, a restart or a cancel, is decided and committed by the turn itself.

use tokio_util::sync::CancellationToken;

use super::limits::{Capacity, Priority};
use super::progress::Progress;
use super::termination::{self, Ending, Staged};
use super::work::Outcome;
use super::{Engine, EngineError, wait};
use crate::domain::pattern::{self, Config, Move};
use crate::domain::{
    AgentId, Basis, Change, Commit, Conflict, Content, Group, LogEntry, Mail, MailId, MailKind, NoticeKind,
    Precondition, Run, RunId, RunKind, RunState, StopReason,
};
use crate::store::{CommitError, Lane, MessagePage};

/// Bytes of messages read first when searching for the last speaker; grows fourfold per try.
const LOOK_BACK_BYTES: usize = 4 * 1024;

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// A run of this kind: a speech or a choice.
    Part(RunKind),
    /// The end of the turn, with a sentence where it needs explaining.
    End(StopReason, Option<String>),
}

/// What a commit carries besides its own changes, and what that rests on.
struct Carried {
    changes: Vec<Change>,
    preconditions: Vec<Precondition>,
}

/// The agent of a run that is not committed yet. Released unless the run is.
struct Kept<'a> {
    engine: &'a Engine,
    run: Option<RunId>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if let Some(run) = &self.run {
            self.engine.lock_tasks().kept.remove(run);
        }
    }
}

/// Commits. The parts and workers that it creates run where their agents are free, which they then keep until their
/// speeches begin; the others are queued.
///
/// # Errors
/// As [`Store::commit`](crate::store::Store::commit).
pub async fn commit(engine: &Engine, lane: Lane, mut commit: Commit) -> Result<Vec<LogEntry>, CommitError> {
    let kept = enter(engine, &mut commit.changes);
    let made = engine.store.commit(lane, commit).await;
    if made.is_ok() {
        for mut kept in kept {
            kept.run.take();
        }
    }
    made
}

/// Takes the agents that are free for the new runs of their parts.
fn enter<'a>(engine: &'a Engine, changes: &mut [Change]) -> Vec<Kept<'a>> {
    let mut kept = Vec::new();
    for change in changes {
        let Change::RunCreated(run) = change else { continue };
        let Some(agent) = run.kind.agent().filter(|_| run.parent.is_some() && run.state == RunState::Queued) else {
            continue;
        };
        if let Some(place) = engine.agents.try_enter(agent, Capacity::ONE, &Priority::Foreground) {
            engine.lock_tasks().kept.insert(run.id.clone(), place);
            kept.push(Kept { engine, run: Some(run.id.clone()) });
            run.state = RunState::Running;
        }
    }
    kept
}

/// Makes the commit that begins this turn, with its first part if that can be said yet. `group` is the group of the
/// turn, if it has been read.
///
/// # Errors
/// As [`Store::commit`](crate::store::Store::commit).
pub async fn begin(
    engine: &Engine,
    turn: &Run,
    group: Option<&Group>,
    commit: Commit,
) -> Result<Vec<LogEntry>, CommitError> {
    carry(engine, Lane::Foreground, commit, group, Place::Before(turn)).await
}

/// Makes the commit that ends this part of a turn, with what follows it if that can be said yet. `group` is the group of
/// the turn, if it has been read. For a run that is no part of a turn nothing follows. Returns
/// [`Outcome::Followed`], [`Outcome::TurnEnded`], or [`Outcome::Finished`] if the turn decides.
///
/// # Errors
/// As [`Store::commit`](crate::store::Store::commit).
pub async fn finish(
    engine: &Engine,
    lane: Lane,
    part: &Run,
    group: Option<&Group>,
    commit: Commit,
) -> Result<Outcome, CommitError> {
    let logged = carry(engine, lane, commit, group, Place::After(part)).await?;
    let Some(turn) = &part.parent else { return Ok(Outcome::Finished) };
    let follows = logged.into_iter().find_map(|entry| match entry.change {
        Change::RunCreated(run) if run.parent.as_ref() == Some(turn) => Some(Outcome::Followed(Box::new(run))),
        Change::RunMoved { id, to: RunState::Finished { .. } } if id == *turn => Some(Outcome::TurnEnded),
        _ => None,
    });
    Ok(follows.unwrap_or(Outcome::Finished))
}

/// Where a turn is.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// It begins.
    Before(&'a Run),
    /// This part of it has ended.
    After(&'a Run),
}

/// Commits with what follows: first as it follows from the group as it was read, then from the rows as they are now,
/// and at last alone. What has no plan, or is refused for it, is left to the turn.
async fn carry(
    engine: &Engine,
    lane: Lane,
    commit: Commit,
    group: Option<&Group>,
    place: Place<'_>,
) -> Result<Vec<LogEntry>, CommitError> {
    for known in [group, None] {
        let carried = match place {
            Place::Before(turn) => first(engine, turn, &commit.changes, known).await,
            Place::After(part) => after(engine, part, &commit.changes, known).await,
        };
        let carried = carried.unwrap_or_else(|trouble| {
            tracing::debug!("{trouble}; what follows is left to the turn");
            None
        });
        let Some(mut carried) = carried else { break };
        let mut whole = commit.clone();
        whole.changes.append(&mut carried.changes);
        whole.preconditions.append(&mut carried.preconditions);
        match self::commit(engine, lane, whole).await {
            Ok(logged) => return Ok(logged),
            Err(CommitError::Conflict(Conflict::Changed { .. })) => {}
            Err(CommitError::Conflict(Conflict::Refused { .. } | Conflict::Run { .. })) => break,
            Err(other) => return Err(other),
        }
    }
    self::commit(engine, lane, commit).await
}

/// The move that follows the finished parts of a turn.
///
/// # Errors
/// [`EngineError`] if the store fails, or the turn has lost its group.
pub async fn decide(engine: &Engine, progress: &Progress) -> Result<Next, EngineError> {
    let config = config(engine, progress, None).await?;
    decide_in(engine, progress, &config).await
}

async fn decide_in(engine: &Engine, progress: &Progress, config: &Config) -> Result<Next, EngineError> {
    if let Some(ending) = ending(engine, progress, config).await? {
        return Ok(Next::End(ending.stop, Some(ending.why)));
    }
    let index = progress.index();
    let turn = &progress.turn;
    Ok(match pattern::next(config, &progress.finished()) {
        Move::Finish(stop) => Next::End(stop, why(config, stop)),
        Move::Speak(agent) => Next::Part(RunKind::Speech { agent, group: turn.group().cloned(), index }),
        Move::Choose { manager: agent, among } => {
            let Some(group) = turn.group().cloned() else {
                return Err(EngineError::Refused(format!("turn {} has no group to choose in", turn.id)));
            };
            Next::Part(RunKind::Choice { agent, group, index, among })
        }
    })
}

/// What the commit that begins this turn carries: its first part, unless the turn may end before.
async fn first(
    engine: &Engine,
    turn: &Run,
    changes: &[Change],
    group: Option<&Group>,
) -> Result<Option<Carried>, EngineError> {
    let progress = Progress::new(turn).with(changes);
    let config = config(engine, &progress, group).await?;
    match decide_in(engine, &progress, &config).await? {
        Next::Part(kind) => part(engine, &progress, config, kind, None).await,
        Next::End(..) => Ok(None),
    }
}

/// What the commit carries that ends this part of a turn with these changes. `None` if it is left to the turn.
async fn after(
    engine: &Engine,
    run: &Run,
    changes: &[Change],
    group: Option<&Group>,
) -> Result<Option<Carried>, EngineError> {
    let Some(turn) = run.parent.as_ref().filter(|_| run.task.is_none()) else { return Ok(None) };
    let Some(progress) = Progress::read(engine, turn).await? else { return Ok(None) };
    let progress = progress.with(changes);
    if progress.turn.cancelled || progress.turn.state != RunState::Running || progress.unfinished().is_some() {
        return Ok(None);
    }
    let config = config(engine, &progress, group).await?;
    match decide_in(engine, &progress, &config).await? {
        Next::Part(kind) => part(engine, &progress, config, kind, run.agent()).await,
        Next::End(stop, why) => {
            let changes = end(engine, &progress, stop, why).await?;
            Ok(Some(Carried { changes, preconditions: preconditions(&progress, config) }))
        }
    }
}

/// The next part. `None` if `busy` is its agent, which is free only after the commit, or if it works in the background,
/// where it is told to give way only once it has begun.
async fn part(
    engine: &Engine,
    progress: &Progress,
    config: Config,
    kind: RunKind,
    busy: Option<&AgentId>,
) -> Result<Option<Carried>, EngineError> {
    let turn = &progress.turn;
    if kind.agent() == busy || !matches!(side(engine, turn).await?, Priority::Foreground) {
        return Ok(None);
    }
    let run = Run::new(RunId::fresh(engine.store.ids()), turn.conversation.clone(), kind, RunState::Queued).under(turn);
    Ok(Some(Carried { changes: vec![Change::RunCreated(run)], preconditions: preconditions(progress, config) }))
}

/// What the move rests on. A turn that is created has nothing that could have changed.
fn preconditions(progress: &Progress, config: Config) -> Vec<Precondition> {
    let group = match config {
        Config::Group { group, .. } => Some(Basis::Group(*group)),
        Config::Only(_) => None,
    };
    let turn = (progress.read.input > 0).then(|| Basis::Run(progress.read.clone()));
    turn.into_iter().chain(group).map(Precondition::unchanged).collect()
}

/// The changes that end a turn.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn end(
    engine: &Engine,
    progress: &Progress,
    stop_reason: StopReason,
    why: Option<String>,
) -> Result<Vec<Change>, EngineError> {
    let turn = &progress.turn;
    let error = if stop_reason == StopReason::Error { Some(unanswered(engine, progress).await?) } else { None };
    let to = RunState::Finished { stop_reason, error };
    let mut changes: Vec<Change> = why.map(|why| notice(engine, turn, NoticeKind::Ended, why)).into_iter().collect();
    changes.extend(reply(engine, progress, stop_reason).await?);
    changes.push(Change::RunMoved { id: turn.id.clone(), to });
    Ok(changes)
}

/// The change that appends a notice of the engine to the turn's conversation.
#[must_use]
pub fn notice(engine: &Engine, turn: &Run, notice: NoticeKind, text: String) -> Change {
    Change::MessageAppended(engine.message(turn, Content::notice(notice, text)))
}

/// The priority of a turn. One that answers mail of a job is background work, like the job itself.
pub(super) async fn side(engine: &Engine, run: &Run) -> Result<Priority, EngineError> {
    if run.depth > 0 {
        let root = engine.readable::<Run>(run.root.as_str()).await?;
        if root.is_some_and(|root| matches!(root.kind, RunKind::Job { .. })) {
            return Ok(Priority::Background(CancellationToken::new()));
        }
    }
    Ok(Priority::Foreground)
}

async fn config(engine: &Engine, progress: &Progress, known: Option<&Group>) -> Result<Config, EngineError> {
    match &progress.turn.kind {
        RunKind::Turn { only: Some(agent), .. } => Ok(Config::Only(agent.clone())),
        RunKind::Turn { group: Some(group), .. } => {
            let group = if let Some(known) = known.filter(|known| known.id == *group) {
                known.clone()
            } else {
                let read = engine.store.row::<Group>(group.as_str()).await?;
                read.ok_or_else(|| EngineError::Refused("the group of the turn is gone".to_owned()))?
            };
            let after = if group.continue_order { spoke_before(engine, &progress.read, &group).await? } else { None };
            Ok(Config::Group { group: Box::new(group), after })
        }
        _ => Err(EngineError::Refused(format!("run {} is no turn", progress.turn.id))),
    }
}

/// The member of the group that spoke last before this turn, if any.
async fn spoke_before(engine: &Engine, turn: &Run, group: &Group) -> Result<Option<AgentId>, EngineError> {
    // Before one that begins now, all is.
    let before = turn.input.checked_sub(1).unwrap_or(u64::MAX);
    let mut bytes = LOOK_BACK_BYTES;
    loop {
        let page = MessagePage { newest: true, messages: u32::MAX, bytes };
        let messages = engine.store.messages_page(&turn.conversation, (1, before), page).await?;
        let mut spoke = messages.iter().rev().filter_map(|message| message.agent.as_ref());
        if let Some(last) = spoke.find(|agent| group.members.contains(agent)) {
            return Ok(Some(last.clone()));
        }
        if messages.first().is_none_or(|first| first.seq <= 1) {
            return Ok(None);
        }
        bytes = bytes.saturating_mul(4);
    }
}

/// The condition that ends the turn before its next move, if one holds.
async fn ending(engine: &Engine, progress: &Progress, config: &Config) -> Result<Option<Ending>, EngineError> {
    let group = match config {
        Config::Group { group, .. } => Some(group.as_ref()),
        Config::Only(_) => None,
    };
    let staged = Staged { calls: progress.calls, tokens: progress.tokens };
    if let Some(spent) = termination::spent(engine, &progress.read, staged, group).await? {
        return Ok(Some(spent));
    }
    // In an agent's own conversation, its speech ends by that.
    let Some(group) = group else { return Ok(None) };
    match termination::spent_today(engine, group, staged).await? {
        Some(spent) => Ok(Some(spent)),
        None => termination::met(engine, progress, group).await,
    }
}

/// Sentence for a stop that needs explaining: the pattern's own, or the one of the condition that ended the last
/// speech.
fn why(config: &Config, stop: StopReason) -> Option<String> {
    let own = match config {
        Config::Group { group, .. } => (group.manager_type.pattern().why)(group, stop),
        Config::Only(_) => None,
    };
    own.or_else(|| stop.is_condition().then(|| stop.sentence().to_owned()))
}

/// Error text of a failed turn. Names the agent if only one spoke, because its workers may have answered.
async fn unanswered(engine: &Engine, progress: &Progress) -> Result<String, EngineError> {
    let mut agents = progress.parts.iter().filter(|run| run.kind.is_speech()).filter_map(Run::agent);
    let (Some(one), None) = (agents.next(), agents.next()) else { return Ok("nobody could answer".to_owned()) };
    Ok(format!("{} could not answer", engine.agent_name(one).await?))
}

/// The reply of a turn that answers mail: its last text. `None` if nobody waits for it or the turn failed.
async fn reply(engine: &Engine, progress: &Progress, stop_reason: StopReason) -> Result<Option<Change>, EngineError> {
    let Some(id) = &progress.turn.mail else { return Ok(None) };
    let Some(mail) = engine.store.row::<Mail>(id.as_str()).await? else { return Ok(None) };
    // A notice whose sender is gone has no `from`, as the person's mail has.
    let expected = mail.waited_for || mail.from.is_none() && mail.kind != MailKind::Notice;
    if stop_reason == StopReason::Error || !expected {
        return Ok(None);
    }
    let said = progress.messages(engine).await?;
    let words = progress.parts.iter().rev().find_map(|part| wait::last_words(&said, &part.id));
    let words = words.unwrap_or_else(|| match stop_reason {
        StopReason::Budget => format!("(did not answer: {})", stop_reason.sentence()),
        _ => "(had nothing to say)".to_owned(),
    });
    Ok(Some(Change::MailSent(mail.back(MailId::fresh(engine.store.ids()), MailKind::Reply, words))))
}
