//! The rules of retention: what can be removed, and what goes with it.

use jiff::Timestamp;

use super::{ApplyError, Row as _, Rows, reject, require};
use crate::domain::{
    Conversation, ConversationId, Job, JobId, Mail, MailId, MailStatus, PendingCall, Reading, ReadingId, Run, RunId,
};

/// The runs of a job and the conversation of its notes.
pub(super) type Gone = (Vec<RunId>, Option<ConversationId>);

/// Removes a job that ended, with its runs, their calls and its notes. A job whose edits blocks name keeps its header.
/// Returns the runs and the conversation of the notes.
pub(super) fn expire<R: Rows>(rows: &mut R, id: &JobId, at: Timestamp) -> Result<Gone, ApplyError<R::Fault>> {
    let mut job = require::<Job, R>(rows, id.as_str(), "job")?;
    if !job.state.is_final() {
        return reject(format!("job {id} is {}, and only what has ended can go", job.state.as_str()));
    }
    if job.expired_at.is_some() {
        return reject(format!("what job {id} left is removed already"));
    }
    let mut runs: Vec<RunId> = job.run.take().into_iter().collect();
    let mut next = 0;
    while let Some(run) = runs.get(next).cloned() {
        let below = rows.find::<Run>(run.as_str())?.into_iter();
        runs.extend(below.filter(|child| child.parent.as_ref() == Some(&run)).map(|child| child.id));
        next += 1;
    }
    if let Some(open) = rows.open::<Run>()?.into_iter().find(|open| runs.contains(&open.root)) {
        return reject(format!("job {id} led to run {}, which has not ended", open.id));
    }
    for run in &runs {
        for call in rows.find::<PendingCall>(run.as_str())? {
            rows.delete::<PendingCall>(&call.key())?;
        }
        rows.delete::<Run>(run.as_str())?;
    }
    let notes = job.conversation.take();
    if let Some(notes) = &notes {
        rows.delete::<Conversation>(notes.as_str())?;
    }
    if job.edits > 0 {
        job.expired_at = Some(at);
        rows.put(&job)?;
    } else {
        rows.delete::<Job>(id.as_str())?;
    }
    Ok((runs, notes))
}

pub(super) fn forget_reading<R: Rows>(rows: &mut R, id: &ReadingId) -> Result<(), ApplyError<R::Fault>> {
    require::<Reading, R>(rows, id.as_str(), "reading")?;
    Ok(rows.delete::<Reading>(id.as_str())?)
}

/// Removes mail between agents that is over: nobody is to read or answer it, and no call waits for it.
pub(super) fn forget_mail<R: Rows>(rows: &mut R, id: &MailId) -> Result<(), ApplyError<R::Fault>> {
    let mail = require::<Mail, R>(rows, id.as_str(), "mail")?;
    if mail.from.is_none() || mail.to.is_none() {
        return reject(format!("mail {id} is a person's"));
    }
    if matches!(mail.status, MailStatus::Pending | MailStatus::Delivered) {
        return reject(format!("mail {id} is {}, and only what is over can go", mail.status.as_str()));
    }
    if let Some((step, ordinal)) = &mail.sent_by {
        let call = rows.get::<PendingCall>(&PendingCall::place_key(step, *ordinal))?;
        if call.is_some_and(|call| call.answer.is_none()) {
            return reject(format!("a call waits for the answer to mail {id}"));
        }
    }
    if let Some(run) = &mail.run
        && rows.get::<Run>(run.as_str())?.is_some_and(|run| !run.is_finished())
    {
        return reject(format!("mail {id} is being answered"));
    }
    Ok(rows.delete::<Mail>(id.as_str())?)
}
