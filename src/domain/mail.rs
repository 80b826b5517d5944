//! Mail: a message from agent to agent, or between an agent and a person (J11).
//!
//! ```text
//! pending ──▶ delivered ──▶ read
//!    │            │           │
//!    ├─▶ expired  └───────────┴─▶ failed
//!    └─▶ failed
//! ```
//!
//! Delivered mail stands in the recipient's own conversation and has a turn there; it is read when the first step
//! of that turn is committed.

use jiff::{Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AgentId, GroupId, MailId, RunId, StepId};

/// One piece of mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// Who wrote it; `None` is a person.
    pub from: Option<AgentId>,
    /// Whom it is for; `None` is a person.
    pub to: Option<AgentId>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: MailKind,
    /// Where it stands.
    pub status: MailStatus,
    /// What goes first.
    pub priority: Priority,
    /// The words.
    pub text: String,
    /// The mail it answers, or tells of.
    pub in_reply_to: Option<MailId>,
    /// The call that sent it: with the recipient it names the mail once and for all.
    pub sent_by: Option<(StepId, u32)>,
    /// True when the call waits for the reply.
    pub waited_for: bool,
    /// The group in whose name it was sent: its limit counts it.
    pub group: Option<GroupId>,
    /// The turn that takes it, once delivered.
    pub run: Option<RunId>,
    /// The first run of the chain of causes, if a run caused it.
    pub root: Option<RunId>,
    /// How long that chain is: 1 for mail of a turn a person began.
    pub depth: u32,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// When it is not worth delivering any more.
    pub expires_at: Option<Timestamp>,
}

/// What a piece of mail is.
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
    /// It asks for a reply.
    Request,
    /// It is one.
    Reply,
    /// It tells something and asks for nothing.
    Notice,
    /// One of several with the same words.
    Broadcast,
}

/// Where a piece of mail stands.
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
    /// It waits for its recipient to be free.
    Pending,
    /// It stands in the recipient's conversation; for a person, in the mail pane.
    Delivered,
    /// The step that took it is committed, or a person opened it.
    Read,
    /// It was not delivered in time.
    Expired,
    /// It could not be delivered, or its turn failed.
    Failed,
}

/// What goes first.
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
    /// After everything else.
    Low,
    /// As it comes.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

/// The most turns that may cause each other by mail: deeper mail is refused at the send.
pub const MAX_DEPTH: u32 = 5;

/// The most bytes of one piece of mail: a third of what a prompt quotes of a conversation.
pub const MAX_BYTES: usize = 32 * 1024;
/// The longest time mail may wait, in seconds.
const MAX_EXPIRY: i64 = 366 * 24 * 3600;

/// Refuses words that cannot go by mail, with a sentence.
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

/// The seconds in a time as people write it: `10m`, `45 s`, `2h`, `1 day`. Anything else is a sentence.
pub fn expiry_seconds(text: &str) -> Result<u64, String> {
    let wrong = |what: &str| format!("{text:?} {what}; write a time such as 45s, 10m or 2h");
    let span: Span = text.trim().parse().map_err(|_| wrong("is no time"))?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong("has no fixed length"))?;
    match duration.as_secs() {
        ..1 => Err(wrong("is shorter than a second")),
        over if over > MAX_EXPIRY => Err(wrong("is longer than a year")),
        seconds => Ok(seconds.unsigned_abs()),
    }
}

impl Mail {
    /// Mail about this one to whoever sent it, from whom it was for; the engine sends it, no call does.
    #[must_use]
    pub fn back(self, id: MailId, kind: MailKind, text: String) -> Self {
        let status = if kind == MailKind::Reply { MailStatus::Delivered } else { MailStatus::Pending };
        let priority = if kind == MailKind::Reply { self.priority } else { Priority::Normal };
        Self {
            from: self.to,
            to: self.from,
            kind,
            status,
            priority,
            text,
            in_reply_to: Some(self.id),
            sent_by: None,
            waited_for: false,
            run: None,
            error: None,
            expires_at: None,
            id,
            ..self
        }
    }

    /// True when it is not worth delivering any more at this time.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// True when nothing more will happen to it by itself.
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
            [("soon", "no time"), ("10", "no time"), ("0s", "shorter"), ("-5m", "shorter"), ("400d", "longer")];
        for (text, why) in refused.into_iter().chain([("1 month", "no fixed length"), ("", "no time")]) {
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
