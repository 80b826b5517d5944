//! Mail: a message from agent to agent, or between an agent and a person (J11).
//!
//! ```text
//! pending ──▶ delivered ──▶ read
//!    │            │           │
//!    ├─▶ expired  └───────────┴─▶ failed
//!    └─▶ failed
//! ```
//!
//! Delivering mail appends it to the recipient's own conversation and starts a turn there. Committing the first step
//! of that turn marks the mail as read.

use jiff::{Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AgentId, GroupId, MailId, PersonId, RunId, StepId, span};

/// One piece of mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// The sender, if it is an agent.
    pub from: Option<AgentId>,
    /// The sender, if it is a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_person: Option<PersonId>,
    /// The recipient; `None` is a person.
    pub to: Option<AgentId>,
    /// The recipient, if it is a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_person: Option<PersonId>,
    /// The kind.
    #[serde(rename = "type")]
    pub kind: MailKind,
    /// The delivery status.
    pub status: MailStatus,
    /// Mail of a higher priority is delivered first.
    pub priority: Priority,
    /// The text, not blank.
    pub text: String,
    /// The mail it replies to or is about.
    pub in_reply_to: Option<MailId>,
    /// The step and index of the call that sent it. Together with the recipient it is unique.
    pub sent_by: Option<(StepId, u32)>,
    /// True when the sending call waits for the reply.
    pub waited_for: bool,
    /// The group whose mail limit counts it.
    pub group: Option<GroupId>,
    /// The turn that answers it, once delivered.
    pub run: Option<RunId>,
    /// The first run of the chain of causes, if it was caused by a run.
    pub root: Option<RunId>,
    /// The length of that chain: 1 for mail sent in a turn that a person started.
    pub depth: u32,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was sent, on the clock of spans of the program that sent it; the Unix epoch until the store sets it.
    pub created_at: Timestamp,
    /// When it expires, if ever, on the same clock.
    pub expires_at: Option<Timestamp>,
}

/// The kind of a piece of mail.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MailKind {
    /// Asks for a reply.
    Request,
    /// A reply.
    Reply,
    /// Information that needs no reply.
    Notice,
    /// One of several copies of the same text.
    Broadcast,
}

/// The delivery status of a piece of mail.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MailStatus {
    /// Waits until the recipient is free.
    Pending,
    /// Is in the recipient's conversation; for a person, in the mail pane.
    Delivered,
    /// The first step of its turn is committed, or a person opened it.
    Read,
    /// Was not delivered in time.
    Expired,
    /// Could not be delivered, or its turn failed.
    Failed,
}

/// The priority of a piece of mail in the recipient's queue.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Priority {
    /// After all other mail.
    Low,
    /// In order of arrival.
    #[default]
    Normal,
    /// Before all other mail.
    High,
}

/// The maximum length of a chain of turns that cause each other by mail; a send beyond it is rejected.
pub const MAX_DEPTH: u32 = 5;

/// The maximum size of one piece of mail in bytes: a third of what a prompt quotes of a conversation.
pub const MAX_BYTES: usize = 32 * 1024;
/// The maximum expiry time, in seconds.
const MAX_EXPIRY: i64 = 366 * 24 * 3600;

/// Checks that a text can be sent as mail.
///
/// # Errors
/// A sentence, if the text is blank or longer than [`MAX_BYTES`].
pub fn check_text(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("the message is empty; write what you want to say".to_owned());
    }
    if text.len() > MAX_BYTES {
        return Err(format!(
            "the message has {} bytes, and {MAX_BYTES} go into one piece of mail; shorten it or send it in parts",
            text.len()
        ));
    }
    Ok(())
}

/// Parses a duration such as `10m`, `45 s`, `2h` or `1 day` into seconds.
///
/// # Errors
/// A sentence, if it is not a duration, has no fixed length, or is not between a second and a year.
pub fn expiry_seconds(text: &str) -> Result<u64, String> {
    let wrong = |what: &str| format!("{text:?} {what}; write a time such as 45s, 10m or 2h");
    let span: Span = text.trim().parse().map_err(|_| wrong("is not a time"))?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong("has no fixed length"))?;
    match duration.as_secs() {
        ..1 => Err(wrong("is shorter than a second")),
        over if over > MAX_EXPIRY => Err(wrong("is longer than a year")),
        seconds => Ok(seconds.unsigned_abs()),
    }
}

impl Mail {
    /// A reply or bounce to the sender, created by the engine.
    #[must_use]
    pub fn back(self, id: MailId, kind: MailKind, text: String) -> Self {
        let status = if kind == MailKind::Reply { MailStatus::Delivered } else { MailStatus::Pending };
        let priority = if kind == MailKind::Reply { self.priority } else { Priority::Normal };
        Self {
            from: self.to,
            from_person: self.to_person,
            to: self.from,
            to_person: self.from_person,
            kind,
            status,
            priority,
            text,
            in_reply_to: Some(self.id),
            sent_by: None,
            waited_for: false,
            run: None,
            error: None,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            id,
            ..self
        }
    }

    /// True when its expiry time has passed at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| span::is_over(self.created_at, at, now))
    }

    /// True when it has expired or failed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.status, MailStatus::Expired | MailStatus::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_people_write_it_and_anything_else_is_a_sentence() {
        let read = [("10m", 600), ("45 s", 45), ("2h", 7200), (" 1 day ", 86_400), ("1h 30m", 5400), ("PT5M", 300)];
        for (text, seconds) in read {
            assert_eq!(expiry_seconds(text), Ok(seconds), "{text}");
        }
        let refused =
            [("soon", "not a time"), ("10", "not a time"), ("0s", "shorter"), ("-5m", "shorter"), ("400d", "longer")];
        for (text, why) in refused.into_iter().chain([("1 month", "no fixed length"), ("", "not a time")]) {
            let sentence = expiry_seconds(text).unwrap_err();
            assert!(sentence.contains(why) && sentence.contains("10m"), "{text}: {sentence}");
        }
    }

    #[test]
    fn words_have_to_be_there_and_to_fit() {
        assert_eq!(check_text("hello"), Ok(()));
        assert!(check_text(" \n").unwrap_err().contains("empty"));
        assert_eq!(check_text(&"x".repeat(MAX_BYTES)), Ok(()));
        let sentence = check_text(&"é".repeat(MAX_BYTES)).unwrap_err();
        assert!(sentence.contains("65536 bytes") && sentence.contains("32768"), "{sentence}");
    }
}
