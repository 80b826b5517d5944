//! The rules of mail: it is sent once, and its status only moves forward (J11).

use jiff::Timestamp;

use super::{ApplyError, MailRate, Rows, reject, require};
use crate::domain::group::DEFAULT_MAIL_PER_MINUTE;
use crate::domain::mail::MAX_DEPTH;
use crate::domain::{Agent, Conflict, Group, Mail, MailId, MailStatus, RunId};

/// The period of the mail limit, in seconds.
const WINDOW: i64 = 60;

pub(super) fn send<R: Rows>(rows: &mut R, mail: &mut Mail, at: Timestamp) -> Result<(), ApplyError<R::Fault>> {
    // The clock of spans, on which mail expires and its rate is counted, does not follow the settings of the wall clock.
    if mail.created_at == Timestamp::UNIX_EPOCH {
        mail.created_at = at;
    }
    if rows.get::<Mail>(mail.id.as_str())?.is_some() {
        return reject(format!("mail {} exists already", mail.id));
    }
    if mail.text.trim().is_empty() {
        return reject("mail needs a text");
    }
    for agent in mail.from.iter().chain(&mail.to) {
        require::<Agent, R>(rows, agent.as_str(), "agent")?;
    }
    if let Some((step, ordinal)) = &mail.sent_by {
        let sent = rows.find::<Mail>(step.as_str())?;
        let twin = |other: &Mail| other.to == mail.to && other.sent_by.as_ref().is_some_and(|(_, at)| at == ordinal);
        if sent.iter().any(twin) {
            return reject("this call has sent its mail already");
        }
        let told =
            |text: String| Err(ApplyError::Conflict(Conflict::Call { ordinal: *ordinal, text, and_later_mail: true }));
        if mail.depth > MAX_DEPTH {
            return told(format!(
                "not sent: {MAX_DEPTH} turns have caused each other by mail already; answer with what you have"
            ));
        }
        if let Some(wait) = count_against_rate(rows, mail)? {
            return told(format!(
                "not sent: the group has sent its {} messages of this minute; try again in {wait} s",
                limit(rows, mail)?
            ));
        }
    }
    Ok(rows.put(mail)?)
}

fn limit<R: Rows>(rows: &mut R, mail: &Mail) -> Result<u32, R::Fault> {
    let Some(group) = &mail.group else { return Ok(DEFAULT_MAIL_PER_MINUTE) };
    let group = rows.get::<Group>(group.as_str())?;
    Ok(group.and_then(|group| group.mail_per_minute).unwrap_or(DEFAULT_MAIL_PER_MINUTE))
}

/// Counts the mail against its group's limit. Returns the seconds to wait if the limit is reached.
fn count_against_rate<R: Rows>(rows: &mut R, mail: &Mail) -> Result<Option<i64>, R::Fault> {
    let Some(group) = &mail.group else { return Ok(None) };
    let now = mail.created_at.as_second();
    let mut postage = rows.get::<MailRate>(group.as_str())?.unwrap_or_default();
    group.as_str().clone_into(&mut postage.group);
    // After a restart with the clock set back there are seconds in the future; they count if less than a minute away.
    postage.sent.retain(|(second, _)| (*second - now).abs() < WINDOW);
    let count: u32 = postage.sent.iter().map(|(_, pieces)| pieces).sum();
    if count >= limit(rows, mail)? {
        let first = postage.sent.first().map_or(now, |(second, _)| *second);
        return Ok(Some((first + WINDOW - now).clamp(1, WINDOW)));
    }
    match postage.sent.last_mut() {
        Some((second, pieces)) if *second == now => *pieces += 1,
        _ => postage.sent.push((now, 1)),
    }
    rows.put(&postage)?;
    Ok(None)
}

pub(super) fn transition<R: Rows>(
    rows: &mut R,
    id: &MailId,
    to: MailStatus,
    run: Option<&RunId>,
    error: Option<&str>,
) -> Result<(), ApplyError<R::Fault>> {
    let mut mail = require::<Mail, R>(rows, id.as_str(), "mail")?;
    let allowed = match (mail.status, to) {
        (MailStatus::Pending, to) => to != MailStatus::Pending,
        (MailStatus::Delivered, to) => matches!(to, MailStatus::Read | MailStatus::Failed),
        (MailStatus::Read, to) => to == MailStatus::Failed,
        (MailStatus::Expired | MailStatus::Failed, _) => false,
    };
    if !allowed {
        return reject(format!("the mail is {} and cannot become {}", mail.status.as_str(), to.as_str()));
    }
    mail.status = to;
    if let Some(run) = run {
        mail.run = Some(run.clone());
    }
    if let Some(error) = error {
        mail.error = Some(error.to_owned());
    }
    Ok(rows.put(&mail)?)
}
