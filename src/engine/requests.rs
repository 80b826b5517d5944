//! Handles the requests of faces: writes here, reads in [`super::read`].

mod care;
mod event;
mod mail;
mod roster;
mod trigger;
mod undo;

use std::sync::PoisonError;

use super::cancellation::{self, CANCELLED, Mode};
use super::protocol::{BlockRequest, Recipient, Reply, Request, RequestError};
use super::read::{self, Reader};
use super::{Engine, EngineError, budget, next, sources};
use crate::config::{Config, ConfigError};
use crate::domain::message::check_size;
use crate::domain::run::CallResult;
use crate::domain::text_edit::Merge;
use crate::domain::trigger::coalesce;
use crate::domain::{
    Actor, Agent, AgentId, Block, BlockId, CauseKind, Change, Commit, Conflict, Content, Conversation, ConversationId,
    ConversationOwner, Group, GroupId, GroupStatus, Job, JobId, JobState, LogEntry, PendingCall, PersonId,
    Precondition, Revision, Run, RunId, RunKind, RunState, StepId,
};
use crate::store::{CommitError, Lane, StoreError};

/// Tries of a commit when other commits come first.
const TRIES: u32 = 5;

impl From<StoreError> for RequestError {
    fn from(fault: StoreError) -> Self {
        Self::new(fault.to_string())
    }
}

impl From<EngineError> for RequestError {
    fn from(trouble: EngineError) -> Self {
        Self::new(trouble.to_string())
    }
}

impl From<CommitError> for RequestError {
    fn from(fault: CommitError) -> Self {
        match fault {
            CommitError::Conflict(conflict) => Self { text: conflict.to_string(), conflict: Some(Box::new(conflict)) },
            CommitError::Store(fault) => fault.into(),
        }
    }
}

impl Engine {
    /// Handles a request and returns its reply.
    ///
    /// # Errors
    /// [`RequestError`] if the request is refused, conflicts with another commit, or the store fails.
    pub async fn handle(&self, request: Request) -> Result<Reply, RequestError> {
        match request {
            Request::Send { to, text } => self.send(&to, &text).await,
            Request::Cancel { conversation } => self.cancel(&conversation).await,
            Request::EditBlock { id, base, value, merge } => self.edit_block(&id, base, value, merge).await,
            Request::Block(request) => match *request {
                BlockRequest::Create { owner, form, really } => self.create_block(&owner, &form, really).await,
                BlockRequest::Change { id, change, really } => self.change_block(&id, &change, really).await,
                BlockRequest::Restore { id, version, base } => self.restore_block(&id, version, base).await,
                read => self.reader().answer(Request::Block(Box::new(read))).await,
            },
            Request::SetModel { agent, model } => self.set_model(&agent, model).await,
            Request::Apply { changes, read } => self.apply(changes, read).await,
            Request::CancelJob { id } => self.cancel_job(&id).await,
            Request::RetryJob { id } => self.retry_job(&id).await,
            Request::UndoJob { id, clashes } => self.undo_job(&id, clashes).await,
            Request::RunJob { agent, group, instruction } => self.run_job(&agent, &group, instruction).await,
            Request::RunCare { task } => self.run_care(task).await,
            Request::ClearJobs { completed, others } => self.clear_jobs(completed, others).await,
            Request::ReportEvent { name, text, group } => self.report_event(name, text, group).await,
            Request::FireTrigger { id } => self.fire_trigger(id).await,
            Request::PauseTrigger { id, paused } => self.pause_trigger(id, paused).await,
            Request::Decide { step, ordinal, approve, for_run, reason } => {
                let by = Some(PersonId::local());
                self.decide(step, ordinal, CallResult { ok: approve, text: reason, for_run, by }).await
            }
            Request::Signal { conversation, word } => self.signal(&conversation, &word).await,
            Request::CreateGroup { form } => self.create_group(*form).await,
            Request::UpdateGroup { id, form } => self.update_group(&id, *form).await,
            Request::CreateAgent { group, form } => self.create_agent(&group, *form).await,
            Request::UpdateAgent { id, form } => self.update_agent(&id, *form).await,
            Request::Delete { what, really } => self.delete(&what, really).await,
            Request::UndoRoster { really } => self.undo_roster(really).await,
            Request::SendMail { to, text, priority, expires_in, in_reply_to } => {
                self.send_mail(&to, text, priority, expires_in, in_reply_to).await
            }
            Request::ReadMail { id } => self.read_mail(&id).await,
            Request::Probe { model } => self.probe(&model).await,
            Request::Reconfigure => self.reconfigure().await,
            Request::Due => {
                sources::settled(self).await?;
                if self.options.jobs {
                    let jobs = self.store.unfinished_jobs().await?;
                    super::care::plan(self, &jobs).await?;
                    // A budget that was raised while no program ran jobs.
                    let scheduled: Vec<&Job> = jobs.iter().filter(|job| job.state.scheduled_at().is_some()).collect();
                    budget::review(self, &scheduled).await?;
                }
                Ok(read::due(&self.store, self.now()).await?)
            }
            read @ (Request::Mails { .. }
            | Request::Overview
            | Request::Messages { .. }
            | Request::Search(_)
            | Request::Revisions { .. }
            | Request::Revision { .. }
            | Request::Audit { .. }
            | Request::Jobs { .. }
            | Request::JobDetail { .. }
            | Request::Care
            | Request::Expired { .. }
            | Request::Held { .. }
            | Request::CheckStore { .. }
            | Request::Space) => self.reader().answer(read).await,
        }
    }

    fn reader(&self) -> Reader {
        Reader::new(self.store.clone(), self.default_model())
    }

    /// The person who asks: every request comes from the person at whose login the store is.
    pub(super) fn asker() -> Actor {
        Actor::Person(PersonId::local())
    }

    /// Commits changes as the person. Returns what was logged.
    async fn person(&self, changes: Vec<Change>) -> Result<Vec<LogEntry>, RequestError> {
        Ok(self.store.commit(Lane::Foreground, Commit::new(Self::asker(), changes)).await?)
    }

    async fn send(&self, to: &Recipient, text: &str) -> Result<Reply, RequestError> {
        if text.trim().is_empty() {
            return Err(RequestError::new("there is nothing to send: type a message first"));
        }
        check_size(text.len()).map_err(RequestError::new)?;
        let (owner, group, only, text) = match to {
            Recipient::Group(id) => {
                let group = self.must::<Group>(id.as_str(), "group").await?;
                match group.status {
                    GroupStatus::Active => {}
                    GroupStatus::Paused => return Err(RequestError::new(format!("{} is paused", group.name))),
                    GroupStatus::Archived => return Err(RequestError::new(format!("{} is archived", group.name))),
                }
                let (only, text) = self.addressed(&group, text).await?;
                (ConversationOwner::Group(id.clone()), Some(group), only, text)
            }
            Recipient::Agent(id) => {
                self.must::<Agent>(id.as_str(), "agent").await?;
                (ConversationOwner::Agent(id.clone()), None, Some(id.clone()), text.to_owned())
            }
        };
        let kind = RunKind::Turn { group: group.as_ref().map(|group| group.id.clone()), only };
        for _ in 0..TRIES {
            let (changes, turn) = self.turn_of(&owner, kind.clone(), &text).await?;
            let queued = turn.queued.is_some();
            let commit = Commit::new(Self::asker(), changes);
            let made = if queued || !self.options.scope.covers(&turn) {
                self.store.commit(Lane::Foreground, commit).await
            } else {
                next::begin(self, &turn, group.as_ref(), commit).await
            };
            match made {
                Ok(_) => return Ok(Reply::Sent { run: turn.id, conversation: turn.conversation, queued }),
                // Another turn, or the conversation itself, was created in between: read again.
                Err(CommitError::Conflict(Conflict::Refused { .. })) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(RequestError::new("too many messages at once; send it again"))
    }

    /// Parses `@name text`: returns the agent that alone answers, if any, and the text.
    async fn addressed(&self, group: &Group, text: &str) -> Result<(Option<AgentId>, String), RequestError> {
        let Some((name, words)) =
            text.strip_prefix('@').map(|rest| rest.split_once(char::is_whitespace).unwrap_or((rest, "")))
        else {
            return Ok((None, text.to_owned()));
        };
        let mut names = Vec::new();
        for id in group.agents() {
            let agent = self.must::<Agent>(id.as_str(), "agent").await?;
            if agent.name == name.trim_end_matches([',', ':']) {
                if words.trim().is_empty() {
                    return Err(RequestError::new(format!("say something to {name}: @{name} and then the words")));
                }
                return Ok((Some(agent.id), text.to_owned()));
            }
            names.push(agent.name);
        }
        Err(RequestError::new(format!(
            "{} has no agent named {name:?}; its agents are {}",
            group.name,
            names.join(", ")
        )))
    }

    /// A turn, queued if the conversation has an unfinished one, and the changes that create it.
    async fn turn_of(
        &self,
        owner: &ConversationOwner,
        kind: RunKind,
        text: &str,
    ) -> Result<(Vec<Change>, Run), RequestError> {
        let ids = self.store.ids();
        let mut changes = Vec::new();
        let (conversation, queued) = self.store.conversation_of(owner).await?.unwrap_or_else(|| {
            let fresh = Conversation::new(ConversationId::fresh(ids), owner.clone());
            changes.push(Change::ConversationOpened(fresh.clone()));
            (fresh, false)
        });
        let state = if queued { RunState::Queued } else { RunState::Running };
        let run = Run::new(RunId::fresh(ids), conversation.id, kind, state);
        let run = Run { person: Some(PersonId::local()), queued: queued.then(|| text.to_owned()), ..run };
        changes.push(Change::RunCreated(run.clone()));
        if !queued {
            changes.push(Change::MessageAppended(self.message(&run, Content::said(text))));
        }
        Ok((changes, run))
    }

    async fn cancel(&self, conversation: &ConversationId) -> Result<Reply, RequestError> {
        // Queued turns first, so that none starts when the running one ends.
        let queued = self.take_back(conversation).await?;
        let mut running = false;
        for run in self.store.find::<Run>(conversation.as_str()).await? {
            if run.queued.is_some() {
                // Sent after this request.
                continue;
            }
            running = true;
            match self.person(vec![Change::RunCancelled { id: run.id.clone() }]).await {
                Ok(_) => {}
                // It has ended by itself.
                Err(fault) if matches!(fault.conflict.as_deref(), Some(Conflict::Run { .. })) => continue,
                Err(fault) => return Err(fault),
            }
            let task = self.lock_tasks().turns.get(&run.id).map(|(_, cancel)| cancel.clone());
            if let Some(cancel) = task {
                // Its task commits the text so far, marked as cancelled, and ends the turn.
                cancel.cancel();
                continue;
            }
            cancellation::end(self, &[&run], &CANCELLED, Mode::Graceful, Vec::new()).await?;
        }
        Ok(Reply::Cancelled { running, queued })
    }

    /// Ends the queued turns of a conversation in one commit. Returns their texts, oldest first: none of them is in the
    /// conversation, since a turn that begins meanwhile makes the commit be tried again without it.
    async fn take_back(&self, conversation: &ConversationId) -> Result<Vec<String>, RequestError> {
        for _ in 0..TRIES {
            let mut queued = self.store.find::<Run>(conversation.as_str()).await?;
            queued.retain(|run| run.queued.is_some());
            if queued.is_empty() {
                return Ok(Vec::new());
            }
            let over = |run: &Run| Change::RunMoved { id: run.id.clone(), to: CANCELLED };
            let mut commit = Commit::new(Self::asker(), queued.iter().map(over).collect());
            commit.preconditions = queued.iter().map(Precondition::run).collect();
            match self.store.commit(Lane::Foreground, commit).await {
                Ok(_) => return Ok(queued.into_iter().filter_map(|run| run.queued).collect()),
                Err(CommitError::Conflict(Conflict::Run { .. })) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(RequestError::new("the messages that wait begin faster than they can be taken back; cancel again"))
    }

    async fn edit_block(&self, id: &BlockId, base: u64, value: String, merging: bool) -> Result<Reply, RequestError> {
        for _ in 0..TRIES {
            let block = self.must::<Block>(id.as_str(), "block").await?;
            let value = if block.version == base || !merging {
                value.clone()
            } else {
                let conflict =
                    || RequestError::from(CommitError::from(Conflict::Block { current: Box::new(block.clone()) }));
                let rested = self.store.revision(id, base).await?.ok_or_else(conflict)?;
                match block.merge((base, &rested.value), &value) {
                    Merge::Clean(merged) => merged,
                    Merge::Clash(_) => return Err(conflict()),
                }
            };
            if value == block.value && block.version == base {
                return Ok(Reply::Block(Box::new(block)));
            }
            let version = if merging { block.version + 1 } else { base + 1 };
            let revision = Revision::by_person(id.clone(), version, value, "edited");
            let commit = Commit::new(Self::asker(), vec![Change::BlockEdited(revision)]);
            match self.store.commit(Lane::Foreground, commit).await {
                Ok(_) => return Ok(Reply::Block(Box::new(self.must::<Block>(id.as_str(), "block").await?))),
                // Edited in between: merge with that edit as well.
                Err(CommitError::Conflict(Conflict::Block { .. })) if merging => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(RequestError::new("the block changes faster than it can be saved; try again"))
    }

    async fn restore_block(&self, id: &BlockId, version: u64, base: u64) -> Result<Reply, RequestError> {
        let block = self.must::<Block>(id.as_str(), "block").await?;
        if block.version != base {
            return Err(CommitError::from(Conflict::Block { current: Box::new(block) }).into());
        }
        let Some(old) = self.store.revision(id, version).await? else {
            let text = format!("block {} has no version {version}; its newest is v{}", block.label, block.version);
            return Err(RequestError::new(text));
        };
        if old.value == block.value {
            return Err(RequestError::new(format!("block {} reads as in v{version} already", block.label)));
        }
        let revision = Revision::by_person(id.clone(), base + 1, old.value, format!("restored v{version}"));
        self.person(vec![Change::BlockEdited(revision)]).await?;
        Ok(Reply::Block(Box::new(self.must::<Block>(id.as_str(), "block").await?)))
    }

    async fn set_model(&self, agent: &AgentId, model: Option<String>) -> Result<Reply, RequestError> {
        if let Some(name) = &model {
            self.models.find(name).await.map_err(|fault| RequestError::new(fault.text))?;
        }
        self.put_model(agent, model).await
    }

    async fn cancel_job(&self, id: &JobId) -> Result<Reply, RequestError> {
        for _ in 0..TRIES {
            let job = self.must::<Job>(id.as_str(), "job").await?;
            if job.state.is_final() {
                return Err(RequestError::new(format!("the job is {} already", job.state.shown())));
            }
            let mut ending = cancellation::plan_job(self, &job, "you cancelled it").await?;
            match self.store.commit(Lane::Foreground, ending.commit(Self::asker())).await {
                Ok(_) => {
                    ending.tell(self);
                    // Only now: a task stopped before a commit that fails would leave a running job with nobody at it.
                    if let Some(task) = self.lock_tasks().jobs.get(id) {
                        task.cancel.cancel();
                    }
                    return self.job(id).await;
                }
                // It was claimed, or went on, meanwhile.
                Err(CommitError::Conflict(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(RequestError::new("the job moves faster than it can be cancelled; cancel it again"))
    }

    async fn retry_job(&self, id: &JobId) -> Result<Reply, RequestError> {
        let job = self.must::<Job>(id.as_str(), "job").await?;
        if job.expired_at.is_some() {
            return Err(RequestError::new("what the job read and did is removed already; the job cannot run again"));
        }
        if let Some(work) = job.agent_work()
            && (self.store.row::<Agent>(work.agent.as_str()).await?.is_none()
                || self.store.row::<Group>(work.group.as_str()).await?.is_none())
        {
            return Err(RequestError::new("the agent or the group of the job was deleted; the job cannot run again"));
        }
        let again = CauseKind::Retry { job: id.clone() };
        let change = match &job.state {
            JobState::Failed { .. } | JobState::Cancelled { .. } => {
                let mut fresh = Job::of(JobId::fresh(self.store.ids()), job.work, again.into());
                // The new job keeps the causes of the old one.
                fresh.causes.splice(0..0, job.causes);
                fresh.retry_of = Some(id.clone());
                // A failed job owns its window; a cancelled one left it to the next job.
                fresh.window = job.window.filter(|_| matches!(job.state, JobState::Failed { .. }));
                if fresh.window.is_none() { self.joined(fresh).await? } else { Change::JobCreated(fresh) }
            }
            JobState::Retryable { .. } => {
                Change::JobCaused { id: id.clone(), cause: CauseKind::Person { instruction: None }.into() }
            }
            JobState::Scheduled { why, .. } => {
                return Err(RequestError::new(format!("the job waits: {why}; raise that, and it goes on at once")));
            }
            other => return Err(RequestError::new(format!("the job is {}; there is nothing to retry", other.shown()))),
        };
        self.queue(change).await
    }

    async fn run_job(
        &self,
        agent: &AgentId,
        group: &GroupId,
        instruction: Option<String>,
    ) -> Result<Reply, RequestError> {
        let team = self.must::<Group>(group.as_str(), "group").await?;
        if !team.in_background(agent) {
            let agent = self.must::<Agent>(agent.as_str(), "agent").await?;
            return Err(RequestError::new(format!("{} does not work in the background of {}", agent.name, team.name)));
        }
        check_size(instruction.as_ref().map_or(0, String::len)).map_err(RequestError::new)?;
        let cause = CauseKind::Person { instruction };
        let fresh = Job::new(JobId::fresh(self.store.ids()), agent.clone(), group.clone(), cause);
        if self.store.find::<Conversation>(group.as_str()).await?.is_empty() {
            return Err(RequestError::new(format!("{} has said nothing yet; there is nothing to work on", team.name)));
        }
        let change = self.joined(fresh).await?;
        self.queue(change).await
    }

    /// The change that creates the job, or adds its cause to one that is waiting already (J3).
    async fn joined(&self, job: Job) -> Result<Change, RequestError> {
        let unfinished = self.store.find::<Job>(&job.work.key()).await?;
        Ok(coalesce(unfinished, job))
    }

    async fn queue(&self, change: Change) -> Result<Reply, RequestError> {
        let id = JobId(change.subject().to_owned());
        self.person(vec![change]).await?;
        self.job(&id).await
    }

    async fn job(&self, id: &JobId) -> Result<Reply, RequestError> {
        Ok(Reply::Job(Box::new(self.must::<Job>(id.as_str(), "job").await?)))
    }

    async fn decide(&self, step: StepId, ordinal: u32, answer: CallResult) -> Result<Reply, RequestError> {
        let call: Option<PendingCall> = self.store.row(&PendingCall::place_key(&step, ordinal)).await?;
        let asked = call.as_ref().filter(|_| answer.ok).and_then(|call| Some((call, call.asks_for_access()?)));
        let decision = Change::CallAnswered { step, ordinal, answer: answer.clone() };
        match asked {
            Some((call, (label, level))) => self.grant_request(decision, call, label, level).await?,
            None => drop(self.person(vec![decision]).await?),
        }
        Ok(Reply::Done)
    }

    async fn signal(&self, conversation: &ConversationId, word: &str) -> Result<Reply, RequestError> {
        let turns = self.store.find::<Run>(conversation.as_str()).await?;
        let Some(turn) = turns.into_iter().find(|turn| turn.queued.is_none()) else {
            return Err(RequestError::new("nothing is being answered there; there is no turn to end"));
        };
        self.person(vec![Change::RunSignalled { id: turn.id, word: word.to_owned() }]).await?;
        Ok(Reply::Done)
    }

    async fn probe(&self, model: &str) -> Result<Reply, RequestError> {
        let report = self.models.probe(model).await.map_err(|fault| RequestError::new(fault.text))?;
        let tools = if report.tool_calling { "it calls tools" } else { "it called no tool when asked to" };
        let words = if report.said.is_empty() { String::new() } else { format!(" {:?}", report.said) };
        let text = format!("{model} answered{words} in {} ms; {tools}", report.latency.as_millis());
        Ok(Reply::Probed { text, tools: report.tool_calling })
    }

    async fn reconfigure(&self) -> Result<Reply, RequestError> {
        let Some(path) = self.options.config.clone() else { return Ok(Reply::Done) };
        let models = self.models.clone();
        let read = tokio::task::spawn_blocking(move || {
            let config = Config::load(&path)?;
            models.replace(config.clone());
            Ok::<_, ConfigError>(config)
        });
        let read = read.await.map_err(|_| RequestError::new("the program is shutting down"))?;
        let config = read.map_err(|fault| RequestError::new(fault.to_string()))?;
        self.alerts.configure(&config);
        self.care.configure(&config.care);
        if self.options.jobs {
            super::care::begin(self).await?;
        }
        self.wake.notify_one();
        *self.default_model.write().unwrap_or_else(PoisonError::into_inner) = config.model;
        Ok(Reply::Done)
    }

    async fn must<T: crate::domain::state::Row + Send + 'static>(
        &self,
        key: &str,
        noun: &str,
    ) -> Result<T, RequestError> {
        read::must(&self.store, key, noun).await
    }
}
