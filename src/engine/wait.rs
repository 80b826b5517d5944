//! What a parked run waits for, and what has come of it: derived from committed rows, so a restart knows the same.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Engine, Trouble, ending};
use crate::domain::run::Answer;
use crate::domain::{
    Agent, AgentId, Change, Content, Mail, MailKind, MailStatus, Message, NoticeKind, PendingCall, PendingKind, Run,
    RunId, RunKind, RunState, StopReason,
};

/// The runs that are on or come next, and how those of them stand that wait.
pub struct Standing {
    /// In order of creation.
    pub open: Vec<Run>,
    waits: HashMap<RunId, Vec<Open>>,
}

/// A call that needs an answer.
struct Open {
    call: PendingCall,
    settled: bool,
}

impl Standing {
    /// As the store has it now.
    pub async fn read(engine: &Engine) -> Result<Self, Trouble> {
        let open = engine.store.standing_runs().await?;
        let mut waits = HashMap::new();
        for run in open.iter().filter(|run| run.state == RunState::Parked && run.agent().is_some()) {
            let mut calls = Vec::new();
            for call in engine.store.calls(&run.id).await?.into_iter().filter(PendingCall::is_open) {
                // Only the driver delivers, and it is at this: no turn takes mail meanwhile.
                let settled = is_settled(&open, &call, &mails_of(engine, &call).await?);
                calls.push(Open { call, settled });
            }
            waits.insert(run.id.clone(), calls);
        }
        Ok(Self { open, waits })
    }

    /// True when nothing keeps this run from going on.
    #[must_use]
    pub fn is_ready(&self, run: &Run) -> bool {
        if run.state != RunState::Parked {
            return true;
        }
        match self.waits.get(&run.id) {
            Some(calls) => calls.iter().all(|open| open.settled),
            None => self.below(run).filter(|child| child.state == RunState::Parked).all(|child| self.is_ready(child)),
        }
    }

    /// True when somewhere below this run a person is waited for.
    #[must_use]
    pub fn waits_for_a_person(&self, run: &Run) -> bool {
        let own = self.waits.get(&run.id).into_iter().flatten();
        own.into_iter().any(|open| open.call.kind == PendingKind::Approval)
            || self.below(run).any(|child| self.waits_for_a_person(child))
    }

    fn below<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = &'a Run> {
        self.open.iter().filter(|child| child.parent.as_ref() == Some(&run.id))
    }

    /// Ends what has been waited for too long; answers when the next wait is over.
    pub async fn expire(&self, engine: &Engine) -> Result<Option<Instant>, Trouble> {
        let now = engine.store.clock().now();
        let mut next: Option<Timestamp> = None;
        for open in self.waits.values().flatten().filter(|open| !open.settled) {
            let Some(until) = open.call.until else { continue };
            if until <= now {
                self.time_out(engine, &open.call).await?;
            } else {
                next = Some(next.map_or(until, |next| next.min(until)));
            }
        }
        Ok(next.map(|at| Instant::now() + Duration::try_from(at.duration_since(now)).unwrap_or_default()))
    }

    /// Whoever has not answered by now is called off, and the call goes on with what there is.
    async fn time_out(&self, engine: &Engine, call: &PendingCall) -> Result<(), Trouble> {
        let seconds = call.until.map_or(0, |until| until.duration_since(call.since).as_secs());
        let words = format!("no answer within {seconds} s");
        tracing::warn!(run = %call.run, tool = %call.name, "{words}");
        let mut changes = Vec::new();
        let mut late: Vec<&Run> = workers_of(&self.open, call).collect();
        if call.kind == PendingKind::Reply {
            for mail in mails_of(engine, call).await?.into_iter().filter(|mail| !mail.is_settled()) {
                match mail.run.as_ref() {
                    None => changes.push(Change::MailMoved {
                        id: mail.id,
                        to: MailStatus::Failed,
                        run: None,
                        error: Some(words.clone()),
                    }),
                    Some(run) => late.extend(self.open.iter().filter(|open| open.id == *run)),
                }
            }
        }
        let over = |error: String| RunState::Finished { stop_reason: StopReason::Cancelled, error: Some(error) };
        // Whose silence is a person's: who asked is to know that.
        let (held, late): (Vec<&Run>, Vec<&Run>) = late.into_iter().partition(|run| self.waits_for_a_person(run));
        if !held.is_empty() {
            let why = format!("it needs the user's approval, which did not come within {seconds} s");
            ending::end(engine, &held, &over(why), ending::Manner::AtOnce, Vec::new()).await?;
        }
        ending::end(engine, &late, &over(words), ending::Manner::AtOnce, changes).await
    }
}

/// The runs a call of the manager made that are not over.
fn workers_of<'a>(open: &'a [Run], call: &'a PendingCall) -> impl Iterator<Item = &'a Run> {
    open.iter()
        .filter(|run| run.task.as_ref().is_some_and(|task| task.step == call.step && task.ordinal == call.ordinal))
}

/// True when everybody this call waits for has answered, failed or was called off, as the store has it now.
pub async fn is_answered(engine: &Engine, call: &PendingCall) -> Result<bool, Trouble> {
    // The mail first: a turn that takes it after that is among the runs.
    let mails = mails_of(engine, call).await?;
    Ok(is_settled(&engine.store.standing_runs().await?, call, &mails))
}

fn is_settled(open: &[Run], call: &PendingCall, mails: &[Mail]) -> bool {
    match call.kind {
        PendingKind::Workers => workers_of(open, call).next().is_none(),
        PendingKind::Reply => !mails.iter().any(|mail| {
            // Read and taken by no turn: the user took it.
            let taken = mail.status == MailStatus::Read && mail.run.is_none();
            !taken && !mail.is_settled() && mail.run.as_ref().is_none_or(|run| open.iter().any(|open| open.id == *run))
        }),
        PendingKind::Approval | PendingKind::Group | PendingKind::Behind => call.answer.is_some(),
    }
}

/// The mail a call sent, in the order it was sent.
pub async fn mails_of(engine: &Engine, call: &PendingCall) -> Result<Vec<Mail>, Trouble> {
    if call.kind != PendingKind::Reply {
        return Ok(Vec::new());
    }
    let sent = engine.store.find::<Mail>(call.step.as_str()).await?;
    let own = |mail: &Mail| mail.sent_by.as_ref().is_some_and(|(_, ordinal)| *ordinal == call.ordinal);
    Ok(sent.into_iter().filter(own).collect())
}

/// The replies to this mail that nobody has taken yet: one, or none.
pub async fn replies_to(engine: &Engine, mail: &Mail) -> Result<Vec<Mail>, Trouble> {
    let about = engine.store.find::<Mail>(mail.id.as_str()).await?;
    Ok(about.into_iter().filter(|reply| reply.kind == MailKind::Reply).collect())
}

/// When waiting for this ends.
#[must_use]
pub fn until(since: Timestamp, seconds: u32) -> Timestamp {
    since.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

/// The result of a call whose answers are all there: who said what, in the order they were asked.
pub async fn gather(engine: &Engine, call: &PendingCall) -> Result<Answer, Trouble> {
    let mut answers = Vec::new();
    if call.kind == PendingKind::Workers {
        let runs = engine.store.runs_of(&call.run).await?;
        let made =
            |run: &&Run| run.task.as_ref().is_some_and(|task| task.step == call.step && task.ordinal == call.ordinal);
        let mut runs: Vec<&Run> = runs.iter().filter(made).collect();
        runs.sort_by_key(|run| match run.kind {
            RunKind::Speech { index, .. } => index,
            _ => 0,
        });
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
    let ok = answers.iter().any(|(_, outcome)| outcome.is_ok());
    let lines = answers.into_iter().map(|(name, outcome)| match outcome {
        Ok(words) => format!("{name} answered: {words}"),
        Err(why) => format!("{name} did not answer: {why}"),
    });
    Ok(Answer { ok, text: lines.collect::<Vec<_>>().join("\n\n"), for_run: false })
}

/// What a run that is over came to.
fn outcome(run: &Run, said: Option<String>) -> Result<String, String> {
    match (&run.state, said) {
        (RunState::Finished { stop_reason: StopReason::Passed, .. }, _) => Ok("(had nothing to say)".to_owned()),
        (RunState::Finished { stop_reason, error }, said) => match stop_reason {
            StopReason::Error | StopReason::Cancelled | StopReason::Interrupted => {
                Err(error.clone().unwrap_or_else(|| stop_reason.sentence().to_owned()))
            }
            _ => said.ok_or_else(|| "it ended without a word".to_owned()),
        },
        (_, _) => Err("it is not over".to_owned()),
    }
}

/// The last words of each run.
async fn said(engine: &Engine, runs: &[&Run]) -> Result<Vec<Option<String>>, Trouble> {
    let Some(first) = runs.first() else { return Ok(Vec::new()) };
    let from = runs.iter().map(|run| run.input).min().unwrap_or(0) + 1;
    let messages = engine.store.messages(&first.conversation, from, u64::MAX).await?;
    Ok(runs.iter().map(|run| last_words(&messages, &run.id)).collect())
}

/// The last words of this run among these messages.
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

async fn name(engine: &Engine, agent: Option<&AgentId>) -> Result<String, Trouble> {
    let Some(id) = agent else { return Ok("the user".to_owned()) };
    Ok(engine.store.row::<Agent>(id.as_str()).await?.map_or_else(|| id.to_string(), |agent| agent.name))
}
