//! Status derived from rows: what an agent does, what blocks a run, what is ready, which jobs are due.
//!
//! The engine, the command line and the terminal all use these functions, so the same rows give the same status. State
//! that only the running program has (a streaming step, a provider without a free slot) is not in rows; the terminal
//! adds it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    AgentId, ConversationId, Cursor, Group, GroupStatus, Job, JobId, JobState, Mail, MailStatus, PendingCall,
    PendingKind, Run, RunId, RunKind, RunState, span,
};

/// What an agent is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentStatus {
    /// Nothing.
    Idle,
    /// It has a running speech or choice.
    Speaking,
    /// It has a run that is ready, but the agent or the engine is busy.
    Queued,
    /// It waits for answers of these agents.
    WaitingFor(Vec<AgentId>),
    /// It waits for a person's decision on a tool call.
    WaitingForApproval,
    /// It has a running job.
    OnJob,
}

impl AgentStatus {
    /// The status where no program owns the store: what was going on waits for the next owner.
    #[must_use]
    pub fn without_owner(self) -> Self {
        match self {
            Self::Speaking | Self::OnJob => Self::Queued,
            other => other,
        }
    }

    /// The status in words, with agents named by `name`.
    #[must_use]
    pub fn words(&self, name: impl Fn(&AgentId) -> String) -> String {
        match self {
            Self::Idle => "idle".to_owned(),
            Self::Speaking => "speaking".to_owned(),
            Self::Queued => "queued".to_owned(),
            Self::WaitingFor(whom) => match whom.as_slice() {
                [one] => format!("waiting for {}", name(one)),
                [one, other] => format!("waiting for {} and {}", name(one), name(other)),
                many => format!("waiting for {} agents", many.len()),
            },
            Self::WaitingForApproval => "waiting for approval".to_owned(),
            Self::OnJob => "on a job".to_owned(),
        }
    }
}

/// The displayed name of a job's state: one of Letta's five. Only the owner of the store runs jobs; without one
/// (`owned` is false) nothing runs, and what a crash left unfinished starts again with the next owner.
#[must_use]
pub fn job_word(state: &JobState, owned: bool) -> &'static str {
    match state {
        JobState::Running { .. } | JobState::Parked if !owned => JobState::Available.shown(),
        state => state.shown(),
    }
}

/// What keeps a run from continuing.
#[derive(Debug, Clone, PartialEq)]
pub enum Blocker<'a> {
    /// A person has to decide on this call.
    Approval(&'a PendingCall),
    /// These agents have not yet answered the mail of this call.
    Reply(&'a PendingCall, Vec<&'a AgentId>),
    /// These workers of this call have not finished.
    Workers(&'a PendingCall, Vec<&'a AgentId>),
    /// Another run holds its agent.
    Agent(&'a Run),
    /// An earlier turn of its conversation is unfinished.
    Turn(&'a Run),
}

/// The present moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// On the clock of spans: for what waits so long.
    pub span: Timestamp,
    /// On the wall clock: for what waits until then.
    pub wall: Timestamp,
}

/// The jobs that can run now, and when the next one can.
#[derive(Debug, Clone, PartialEq)]
pub struct DueJobs<'a> {
    /// The jobs that can run now, in the order given.
    pub now: Vec<&'a Job>,
    /// The earliest time of a retry that is not due yet, if any.
    pub next: Option<Timestamp>,
    /// The jobs that wait for a budget, in the order given.
    pub scheduled: Vec<&'a Job>,
}

impl DueJobs<'_> {
    /// The earliest time at which a budget that a job waits for is whole again.
    #[must_use]
    pub fn reset(&self) -> Option<Timestamp> {
        self.scheduled.iter().filter_map(|job| job.state.scheduled_at()).min()
    }
}

/// The rows from which the status is derived.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The unfinished runs, in order of creation. Finished ones are ignored.
    pub runs: &'a [Run],
    /// The pending calls of parked runs. Answered ones are ignored.
    pub calls: &'a [PendingCall],
    /// The mail those calls sent. Other mail is ignored.
    pub mails: &'a [Mail],
}

impl<'a> Work<'a> {
    /// The status of an agent. If several apply, waiting for a person comes first, then the foreground, then jobs.
    #[must_use]
    pub fn agent(&self, id: &AgentId, jobs: &[Job]) -> AgentStatus {
        let own: Vec<&Run> = self.open().filter(|run| run.agent() == Some(id)).collect();
        let parked = || own.iter().copied().filter(|run| run.state == RunState::Parked);
        let in_turn = |state: &RunState| own.iter().any(|run| !is_job(run) && run.state == *state);
        if parked().flat_map(|run| self.calls_of(run)).any(|call| call.kind == PendingKind::Approval) {
            return AgentStatus::WaitingForApproval;
        }
        if in_turn(&RunState::Running) {
            return AgentStatus::Speaking;
        }
        let mut whom: Vec<AgentId> = Vec::new();
        for agent in parked().flat_map(|run| self.calls_of(run)).flat_map(|call| self.missing(call)) {
            if !whom.contains(agent) {
                whom.push(agent.clone());
            }
        }
        if !whom.is_empty() {
            return AgentStatus::WaitingFor(whom);
        }
        // The run of a job stays `Running` while the job waits for a retry, so the state of the job decides.
        if jobs.iter().any(|job| job.agent() == Some(id) && matches!(job.state, JobState::Running { .. })) {
            return AgentStatus::OnJob;
        }
        if in_turn(&RunState::Queued) || parked().next().is_some() {
            return AgentStatus::Queued;
        }
        AgentStatus::Idle
    }

    /// What blocks a run; empty if nothing does. A turn is blocked by the blockers of its parts.
    #[must_use]
    pub fn blockers(&self, run: &Run) -> Vec<Blocker<'a>> {
        match (&run.state, run.agent()) {
            (RunState::Running | RunState::Finished { .. }, _) => Vec::new(),
            (RunState::Queued, None) => {
                let first = self.first_turns().into_iter().find(|turn| turn.conversation == run.conversation);
                first.filter(|turn| turn.id != run.id).map(Blocker::Turn).into_iter().collect()
            }
            (RunState::Queued, Some(agent)) => {
                let holds = |other: &&Run| other.agent() == Some(agent) && other.state != RunState::Queued;
                // A parked job does not hold its agent.
                let parked_job = |other: &Run| is_job(other) && other.state == RunState::Parked;
                let holder = self.open().find(|other| holds(other) && other.id != run.id && !parked_job(other));
                holder.map(Blocker::Agent).into_iter().collect()
            }
            (RunState::Parked, Some(_)) => self
                .calls_of(run)
                .filter(|call| !self.is_settled(call))
                .map(|call| match call.kind {
                    PendingKind::Workers => Blocker::Workers(call, self.missing(call)),
                    PendingKind::Reply => Blocker::Reply(call, self.missing(call)),
                    PendingKind::Approval | PendingKind::Group | PendingKind::Behind => Blocker::Approval(call),
                })
                .collect(),
            (RunState::Parked, None) => self.below(run).flat_map(|child| self.blockers(child)).collect(),
        }
    }

    /// True when a parked run can continue; other runs are always ready.
    #[must_use]
    pub fn is_ready(&self, run: &Run) -> bool {
        if run.state != RunState::Parked {
            return true;
        }
        match run.agent() {
            Some(_) => self.calls_of(run).all(|call| self.is_settled(call)),
            None => self.below(run).filter(|child| child.state == RunState::Parked).all(|child| self.is_ready(child)),
        }
    }

    /// True when all agents or persons this call waits for have answered, failed or been cancelled.
    #[must_use]
    pub fn is_settled(&self, call: &PendingCall) -> bool {
        match call.kind {
            PendingKind::Workers => self.workers(call).next().is_none(),
            PendingKind::Reply => self.unanswered(call).next().is_none(),
            PendingKind::Approval | PendingKind::Group | PendingKind::Behind => call.answer.is_some(),
        }
    }

    /// The unfinished worker runs of a delegation.
    pub fn workers(&self, call: &PendingCall) -> impl Iterator<Item = &'a Run> {
        self.open()
            .filter(|run| run.task.as_ref().is_some_and(|task| task.step == call.step && task.ordinal == call.ordinal))
    }

    /// The agents that have not yet answered a call, in the order they were asked.
    #[must_use]
    pub fn missing(&self, call: &'a PendingCall) -> Vec<&'a AgentId> {
        let is_missing = |agent: &&AgentId| match call.kind {
            PendingKind::Workers => self.workers(call).any(|run| run.agent() == Some(*agent)),
            PendingKind::Reply => self.unanswered(call).any(|mail| mail.to.as_ref() == Some(*agent)),
            PendingKind::Approval | PendingKind::Group | PendingKind::Behind => true,
        };
        call.whom.iter().filter(is_missing).collect()
    }

    /// True when this run or one below it waits for a person.
    #[must_use]
    pub fn waits_for_a_person(&self, run: &Run) -> bool {
        let parked = run.state == RunState::Parked;
        parked && self.calls_of(run).any(|call| call.kind == PendingKind::Approval)
            || self.below(run).any(|child| self.waits_for_a_person(child))
    }

    /// The calls a person has to decide on if nothing in this turn can continue without them: each of its speeches is
    /// parked on a person or on agents that are. Empty if a part of the turn can continue.
    #[must_use]
    pub fn held_by_person(&self, turn: &Run) -> Vec<&'a PendingCall> {
        let speeches = || self.open().filter(|run| run.root == turn.root && run.agent().is_some());
        // Mail that no speech of this turn answers yet does not depend on this turn.
        let is_read = |mail: &Mail| speeches().any(|run| run.parent.is_some() && run.parent == mail.run);
        let holds = |call: &PendingCall| match call.kind {
            PendingKind::Reply => self.unanswered(call).any(is_read),
            _ => !self.is_settled(call),
        };
        let is_held = |run: &Run| run.state == RunState::Parked && self.calls_of(run).any(holds);
        if !speeches().all(is_held) {
            return Vec::new();
        }
        speeches().flat_map(|run| self.calls_of(run)).filter(|call| call.kind == PendingKind::Approval).collect()
    }

    /// The first unfinished turn of each conversation. Later turns wait for it.
    #[must_use]
    pub fn first_turns(&self) -> Vec<&'a Run> {
        let mut first: BTreeMap<&ConversationId, &Run> = BTreeMap::new();
        for run in self.open().filter(|run| matches!(run.kind, RunKind::Turn { .. })) {
            first.entry(&run.conversation).or_insert(run);
        }
        first.into_values().collect()
    }

    /// The turns that can continue now, at most one per conversation.
    #[must_use]
    pub fn ready_turns(&self) -> Vec<&'a Run> {
        self.first_turns().into_iter().filter(|run| self.is_ready(run)).collect()
    }

    /// The worker runs of delegations that can continue now.
    pub fn ready_workers(&self) -> impl Iterator<Item = &'a Run> {
        self.open().filter(|run| run.task.is_some() && self.is_ready(run))
    }

    /// The calls that have timed out at `now`, and when the next one will.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> (Vec<&'a PendingCall>, Option<Timestamp>) {
        let waiting = self.calls.iter().filter(|call| call.is_open() && !self.is_settled(call));
        let (over, later): (Vec<_>, Vec<_>) = waiting
            .filter_map(|call| Some((call, span::over_at(call.since, call.until?, now))))
            .partition(|(_, at)| *at <= now);
        (over.into_iter().map(|(call, _)| call).collect(), later.into_iter().map(|(_, at)| at).min())
    }

    /// The jobs that can run at `now`. `cursors` are those of the jobs' agents and groups.
    #[must_use]
    pub fn due_jobs<'j>(&self, jobs: &'j [Job], cursors: &[Cursor], now: Now) -> DueJobs<'j> {
        let ahead = ahead(jobs, cursors);
        let mut due = DueJobs { now: Vec::new(), next: None, scheduled: Vec::new() };
        for job in jobs {
            // The window of a job starts where the previous one ends, so the previous job goes first.
            let pair = |other: &&Job| other.work == job.work;
            let behind = job.window.is_none() && jobs.iter().filter(pair).any(|other| ahead.contains(&&other.id));
            if behind {
                continue;
            }
            if job.state.scheduled_at().is_some_and(|at| at > now.wall) {
                due.scheduled.push(job);
                continue;
            }
            match job.state.next_try(now.span) {
                Some(at) if at > now.span => due.next = Some(due.next.map_or(at, |next| next.min(at))),
                Some(_) => due.now.push(job),
                None if job.state.waits() => due.now.push(job),
                None => {}
            }
        }
        let is_answered = |job: &&Job| {
            let own = self.open().find(|run| job.run.as_ref() == Some(&run.id));
            job.state == JobState::Parked && own.is_some_and(|run| self.is_ready(run))
        };
        due.now.extend(jobs.iter().filter(is_answered));
        due
    }

    /// True when no turn and no job can continue at `now`: everything left waits for a person, for an inactive group or
    /// for a later time. Ignores undelivered mail.
    #[must_use]
    pub fn is_at_rest(&self, jobs: &[Job], cursors: &[Cursor], groups: &[Group], now: Now) -> bool {
        let group = |id: &super::GroupId| groups.iter().find(|group| group.id == *id);
        let rests =
            |turn: &&Run| !may_start(turn, turn.group().and_then(group)) || !self.held_by_person(turn).is_empty();
        let active = |job: &&Job| is_active(job.group().and_then(group));
        self.first_turns().iter().all(rests)
            && !jobs.iter().any(|job| matches!(job.state, JobState::Running { .. }))
            && !self.due_jobs(jobs, cursors, now).now.iter().any(active)
    }

    fn open(&self) -> impl Iterator<Item = &'a Run> + use<'a> {
        self.runs.iter().filter(|run| !run.is_finished())
    }

    fn below(&self, run: &Run) -> impl Iterator<Item = &'a Run> {
        self.open().filter(|child| child.parent.as_ref() == Some(&run.id))
    }

    fn calls_of(&self, run: &Run) -> impl Iterator<Item = &'a PendingCall> + use<'a> {
        let id: RunId = run.id.clone();
        self.calls.iter().filter(move |call| call.run == id && call.is_open())
    }

    /// The mail of a call that can still be answered.
    fn unanswered(&self, call: &PendingCall) -> impl Iterator<Item = &'a Mail> {
        let sent = |mail: &&Mail| {
            mail.sent_by.as_ref().is_some_and(|(step, ordinal)| *step == call.step && *ordinal == call.ordinal)
        };
        self.mails.iter().filter(sent).filter(|mail| {
            // Read without a turn: a person took it.
            let taken = mail.status == MailStatus::Read && mail.run.is_none();
            !taken && !mail.is_settled() && mail.run.as_ref().is_none_or(|run| self.open().any(|open| open.id == *run))
        })
    }
}

fn is_job(run: &Run) -> bool {
    matches!(run.kind, RunKind::Job { .. })
}

/// False for a paused or archived group, in which nothing starts.
#[must_use]
pub fn is_active(group: Option<&Group>) -> bool {
    group.is_none_or(|group| group.status == GroupStatus::Active)
}

/// False for a queued turn of an inactive group.
#[must_use]
pub fn may_start(turn: &Run, group: Option<&Group>) -> bool {
    turn.state != RunState::Queued || is_active(group)
}

/// The jobs that still have unread messages. A retry of a failed job has none: its window ends at the cursor.
fn ahead<'j>(jobs: &'j [Job], cursors: &[Cursor]) -> Vec<&'j JobId> {
    let read = |job: &Job| {
        let own = cursors.iter().find(|cursor| {
            job.agent_work().is_some_and(|work| cursor.agent == work.agent && cursor.group == work.group)
        });
        own.map_or(0, |cursor| cursor.seq)
    };
    jobs.iter().filter(|job| job.window.is_some_and(|(_, upto)| upto > read(job))).map(|job| &job.id).collect()
}

#[cfg(test)]
mod tests;
