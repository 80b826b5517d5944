//! What a parked run waits for and which answers it has, derived from committed rows so that it survives restarts.

use jiff::{SignedDuration, Timestamp};

use super::pending::{mails_of, replies_to};
use super::{Engine, EngineError, cancellation};
use crate::domain::run::CallResult;
use crate::domain::status::Work;
use crate::domain::{
    AgentId, Content, Job, Mail, MailStatus, Message, NoticeKind, PendingCall, PendingKind, Run, RunId, RunState,
    StopReason, Trigger, excerpt,
};
use crate::llm::marks;
use crate::store::{StandingWork, Store, StoreError};

/// All unfinished runs, with the unanswered calls of each parked run, and what else may be due.
pub struct OpenRuns {
    /// Sorted by creation.
    pub open: Vec<Run>,
    calls: Vec<PendingCall>,
    mails: Vec<Mail>,
    /// The unfinished jobs, sorted by creation.
    pub jobs: Vec<Job>,
    /// The triggers that wait for a time.
    pub timers: Vec<Trigger>,
    /// The triggers that read files, sorted by creation.
    pub sources: Vec<Trigger>,
    /// True when any mail is pending.
    pub has_pending_mail: bool,
}

impl OpenRuns {
    /// Reads the store.
    pub async fn read(store: &Store) -> Result<Self, StoreError> {
        let StandingWork { runs: open, calls, mails, jobs, timers, sources, has_pending_mail } =
            store.standing_work().await?;
        Ok(Self { open, calls, mails, jobs, timers, sources, has_pending_mail })
    }

    /// Returns a view of these rows.
    #[must_use]
    pub fn work(&self) -> Work<'_> {
        Work { runs: &self.open, calls: &self.calls, mails: &self.mails }
    }

    /// Times out overdue calls. Returns the next deadline; `None` without one.
    pub async fn expire(&self, engine: &Engine) -> Result<Option<Timestamp>, EngineError> {
        let now = engine.spans.now();
        let (over, next) = self.work().expired(now);
        for call in over {
            let run = call.run.as_str();
            if engine.lock_tasks().given_up.contains(run) {
                continue;
            }
            match self.time_out(engine, call).await {
                Err(trouble) if !trouble.is_temporary() => self.fail(engine, call, &trouble).await?,
                other => other?,
            }
        }
        Ok(next)
    }

    /// Fails the run whose call can neither be answered nor timed out.
    async fn fail(&self, engine: &Engine, call: &PendingCall, trouble: &EngineError) -> Result<(), EngineError> {
        let caller: Vec<&Run> = self.open.iter().filter(|run| run.id == call.run).collect();
        let to = RunState::Finished { stop_reason: StopReason::Error, error: Some(trouble.to_string()) };
        match cancellation::end(engine, &caller, &to, cancellation::Mode::Immediate, Vec::new()).await {
            Err(trouble) if !trouble.is_temporary() => {
                engine.give_up(call.run.as_str(), &trouble).await;
                Ok(())
            }
            other => other,
        }
    }

    /// Cancels the runs and fails the mail that have not answered the call in time.
    async fn time_out(&self, engine: &Engine, call: &PendingCall) -> Result<(), EngineError> {
        let seconds = call.until.map_or(0, |until| until.duration_since(call.since).as_secs());
        let words = format!("no answer within {seconds} s");
        tracing::warn!(run = %call.run, tool = %call.name, "{words}");
        let mut late: Vec<&Run> = self.work().workers(call).collect();
        for mail in mails_of(engine, call).await?.iter().filter(|mail| !mail.is_settled()) {
            late.extend(self.open.iter().filter(|open| mail.run.as_ref() == Some(&open.id)));
        }
        let over = |error: String| RunState::Finished { stop_reason: StopReason::Cancelled, error: Some(error) };
        // Runs blocked on the user get their own error text.
        let (held, late): (Vec<&Run>, Vec<&Run>) =
            late.into_iter().partition(|run| self.work().waits_for_a_person(run));
        if !held.is_empty() {
            let why = format!("it needs the user's approval, which did not come within {seconds} s");
            cancellation::end(engine, &held, &over(why), cancellation::Mode::Immediate, Vec::new()).await?;
        }
        cancellation::end_call(engine, call, &late, &over(words.clone()), &words).await
    }
}

/// Reads the store; returns true if all that the call waits for has answered, failed or been cancelled.
pub async fn is_answered(engine: &Engine, call: &PendingCall) -> Result<bool, EngineError> {
    // Read mail first, so that a run that takes it later is in `runs`.
    let mails = mails_of(engine, call).await?;
    let runs = engine.store.standing_runs().await?;
    Ok(Work { runs: &runs, calls: &[], mails: &mails }.is_settled(call))
}

/// Returns `since + seconds`.
#[must_use]
pub fn until(since: Timestamp, seconds: u32) -> Timestamp {
    since.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

/// Returns the result of a settled call: the answers with names, in the order asked. Only the name of an answer stands
/// at the beginning of a line. If they have more than `most` bytes together, the longest are cut in the middle, each to
/// the same size.
pub async fn collect_results(engine: &Engine, call: &PendingCall, most: usize) -> Result<CallResult, EngineError> {
    let mut answers = Vec::new();
    if call.kind == PendingKind::Workers {
        let runs = engine.store.runs_of(&call.run).await?;
        let made =
            |run: &&Run| run.task.as_ref().is_some_and(|task| task.step == call.step && task.ordinal == call.ordinal);
        let runs: Vec<&Run> = runs.iter().filter(made).collect();
        let said = said(engine, &runs).await?;
        for (run, said) in runs.into_iter().zip(said) {
            answers.push((name(engine, run.agent()).await?, outcome(run, said)));
        }
    } else {
        for mail in mails_of(engine, call).await? {
            let reply = replies_to(engine, &mail).await?.pop();
            let outcome = match (reply, mail.status) {
                (Some(reply), _) => Ok(reply.text),
                (None, MailStatus::Expired) => Err("it expired before it could be delivered".to_owned()),
                (None, MailStatus::Read) if mail.run.is_none() => Err("the user took it; no reply comes".to_owned()),
                (None, _) => Err(mail.error.unwrap_or_else(|| "no answer came".to_owned())),
            };
            answers.push((name(engine, mail.to.as_ref()).await?, outcome));
        }
    }
    if answers.is_empty() {
        let text = "the answers cannot be read".to_owned();
        return Ok(CallResult { ok: false, text, for_run: false, by: None });
    }
    let ok = answers.iter().any(|(_, outcome)| outcome.is_ok());
    let words = |outcome: &Result<String, String>| outcome.as_ref().map_or_else(String::len, String::len);
    let share = excerpt::fair_share(answers.iter().map(|(_, outcome)| words(outcome)), most);
    let lines = answers.into_iter().map(|(name, outcome)| match outcome {
        Ok(words) => format!("{name} answered: {}", marks::line(&excerpt::to_bytes(&words, share))),
        Err(why) => format!("{name} did not answer: {}", marks::line(&excerpt::to_bytes(&why, share))),
    });
    Ok(CallResult { ok, text: lines.collect::<Vec<_>>().join("\n\n"), for_run: false, by: None })
}

/// Returns a run's outcome.
fn outcome(run: &Run, said: Option<String>) -> Result<String, String> {
    match (&run.state, said) {
        (RunState::Finished { stop_reason: StopReason::Passed, .. }, _) => Ok("(had nothing to say)".to_owned()),
        (RunState::Finished { stop_reason, error }, said) => match stop_reason {
            StopReason::Error | StopReason::Cancelled | StopReason::Interrupted => {
                Err(error.clone().unwrap_or_else(|| stop_reason.sentence().to_owned()))
            }
            StopReason::Budget => said.ok_or_else(|| stop_reason.sentence().to_owned()),
            _ => said.ok_or_else(|| "it ended without a word".to_owned()),
        },
        (_, _) => Err("it is not over".to_owned()),
    }
}

/// The last text of each run.
async fn said(engine: &Engine, runs: &[&Run]) -> Result<Vec<Option<String>>, EngineError> {
    let messages = engine.store.messages_of(runs.iter().map(|run| run.id.clone()).collect()).await?;
    Ok(runs.iter().map(|run| last_words(&messages, &run.id)).collect())
}

/// Returns the run's last text; `None` without one.
#[must_use]
pub fn last_words(messages: &[Message], run: &RunId) -> Option<String> {
    let mut why = None;
    messages.iter().rev().filter(|message| message.run.as_ref() == Some(run)).find_map(|message| {
        match &message.content {
            Content::Notice { notice: NoticeKind::Incomplete, text } => {
                why = Some(text.as_str());
                None
            }
            Content::Text { text, .. } if message.agent.is_some() && !text.trim().is_empty() => {
                Some(why.map_or_else(|| text.clone(), |why| format!("{text} [{why}]")))
            }
            _ => None,
        }
    })
}

async fn name(engine: &Engine, agent: Option<&AgentId>) -> Result<String, EngineError> {
    let Some(id) = agent else { return Ok("the user".to_owned()) };
    Ok(engine.agent_name(id).await?)
}
