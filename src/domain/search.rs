//! Searches in the messages: what is looked for, and what is found.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ConversationId, Message};

/// What to look for in the messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MessageQuery {
    /// The words that a message contains.
    #[serde(rename = "query")]
    pub text: String,
    /// Only in this conversation; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Only messages of these; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<SpeakerRole>,
    /// Only messages of the agent with this short name, regardless of case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Only messages from this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only messages before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// Most results.
    pub limit: usize,
}

/// Who said something, in the words of chat models.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SpeakerRole {
    /// A person.
    User,
    /// An agent.
    Assistant,
}

impl MessageQuery {
    /// A query for these words in one conversation or in all.
    #[must_use]
    pub fn new(conversation: Option<ConversationId>, text: impl Into<String>, limit: usize) -> Self {
        Self { text: text.into(), conversation, limit, ..Self::default() }
    }

    /// True for a message by one whom the query asks for, in the time it asks for. Its words are not looked at.
    #[must_use]
    pub fn admits(&self, message: &Message) -> bool {
        let is_role = |role: &SpeakerRole| <&str>::from(role) == message.role();
        let is_by = |name: &String| message.agent.is_some() && message.name.to_lowercase() == name.to_lowercase();
        (self.roles.is_empty() || self.roles.iter().any(is_role))
            && self.speaker.as_ref().is_none_or(is_by)
            && self.since.is_none_or(|since| since <= message.at)
            && self.before.is_none_or(|before| message.at < before)
    }
}

/// The span of time that a text names: a day (`2026-05-03`), a moment of the clock in this zone (`2026-05-03T14:30`, or
/// with a space) or one with an offset (`2026-05-03T14:30+02:00`). A day lasts until the next midnight; a moment has no
/// length.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn time_span(text: &str, zone: &TimeZone) -> Result<(Timestamp, Timestamp), String> {
    let text = text.trim();
    let wrong = || format!("{text:?} is no date: write 2026-05-03, 2026-05-03T14:30 or 2026-05-03T14:30:00+02:00");
    // A date with a time parses as a date as well.
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok((moment, moment));
    }
    let begin = |at: DateTime| zone.to_timestamp(at).map_err(|_| wrong());
    if let Some(date) = text.parse::<Date>().ok().filter(|date| date.to_string() == text) {
        let next = date.checked_add(Span::new().days(1)).map_err(|_| wrong())?;
        return Ok((begin(date.into())?, begin(next.into())?));
    }
    let at = begin(text.parse().map_err(|_| wrong())?)?;
    Ok((at, at))
}

/// The messages that a search found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// The number of messages read, if the search stopped at its limit: older ones may match, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_after: Option<usize>,
}

impl SearchResult {
    /// One sentence if the search stopped early: what was not searched, and what to do.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let count = self.stopped_after?;
        Some(format!(
            "the search stopped after reading {count} messages and older ones may match, too; search for a longer text"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_until_the_next_midnight_of_its_zone_and_a_moment_has_no_length() {
        let zone = TimeZone::get("Europe/Zurich").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (text, from, to) in [
            ("2026-05-03", "2026-05-02T22:00:00Z", "2026-05-03T22:00:00Z"),
            // The day on which clocks go forward has 23 hours.
            ("2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (" 2026-05-03T14:30 ", "2026-05-03T12:30:00Z", "2026-05-03T12:30:00Z"),
            ("2026-05-03 14:30:05", "2026-05-03T12:30:05Z", "2026-05-03T12:30:05Z"),
            ("2026-05-03T14:30:00-01:00", "2026-05-03T15:30:00Z", "2026-05-03T15:30:00Z"),
        ] {
            assert_eq!(time_span(text, &zone), Ok((at(from), at(to))), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "03.05.2026", "9999-12-31"] {
            assert!(time_span(text, &zone).unwrap_err().contains("is no date: write"), "{text}");
        }
    }
}
