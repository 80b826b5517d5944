//! The loaded messages: a contiguous range of the conversation around the view.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::domain::{Content, Message, NoticeKind};

/// Maximum number of loaded messages.
const MOST: usize = 256;
/// Maximum bytes of loaded text; [`LEAST`] takes precedence.
const MOST_BYTES: usize = 4 << 20;
/// Messages on each side of the view that are never unloaded.
const LEAST: u64 = 48;

/// The tools that delegate work and collect the answers.
const DELEGATING: [&str; 2] = ["delegate", "send_message_to_all_agents_in_group"];

/// A contiguous range of messages, by `seq`.
#[derive(Debug, Default)]
pub struct Window {
    first: u64,
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Window {
    /// Returns true if no message is loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the `seq` of the first loaded message; 0 if empty.
    #[must_use]
    pub fn first(&self) -> u64 {
        if self.is_empty() { 0 } else { self.first }
    }

    /// Returns the `seq` of the last loaded message; 0 if empty.
    #[must_use]
    pub fn last(&self) -> u64 {
        if self.is_empty() { 0 } else { self.first + self.messages.len() as u64 - 1 }
    }

    /// Returns the message with this `seq`, if loaded.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&Message> {
        seq.checked_sub(self.first).and_then(|at| self.messages.get(usize::try_from(at).ok()?))
    }

    /// Returns the loaded messages in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.iter()
    }

    /// Summarises the outcome of a delegation, given the result of its tool call. `None` for any other message, or
    /// if the delegation is not fully loaded.
    #[must_use]
    pub fn gathered(&self, result: &Message) -> Option<String> {
        let Content::Tool { name, .. } = &result.content else { return None };
        if !DELEGATING.contains(&name.as_str()) {
            return None;
        }
        let step = result.step.as_ref()?;
        let (mut answered, mut failed, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        let earlier = (self.first()..result.seq).rev().filter_map(|seq| self.get(seq));
        let mut whole = self.first() == 1;
        for message in earlier {
            if matches!(message.content, Content::Notice { notice: NoticeKind::Delegated, .. }) {
                whole = true;
                break;
            }
            if message.answers.as_ref() != Some(step) {
                continue;
            }
            let seen = [&answered, &failed, &silent].into_iter().any(|runs| runs.contains(&&message.run));
            match &message.content {
                // The last message of a worker's run decides its outcome.
                _ if seen => {}
                Content::Notice { notice: NoticeKind::Pass, .. } => silent.push(&message.run),
                Content::Notice { notice: NoticeKind::Error | NoticeKind::Stopped, .. } => failed.push(&message.run),
                Content::Text { .. } => answered.push(&message.run),
                Content::Notice { .. } | Content::Tool { .. } => {}
            }
        }
        if !whole || answered.len() + failed.len() + silent.len() == 0 {
            return None;
        }
        let answers = if answered.len() == 1 { "answer" } else { "answers" };
        let mut text = format!("gathered {} {answers}", answered.len());
        for (count, what) in [(failed.len(), "failed"), (silent.len(), "said nothing")] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        Some(text)
    }

    /// Unloads all messages.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds messages, ordered by `seq`. Adjacent or overlapping ones extend the loaded range; others replace it.
    pub fn insert(&mut self, messages: Vec<Message>) {
        let (Some(first), Some(last)) = (messages.first().map(|m| m.seq), messages.last().map(|m| m.seq)) else {
            return;
        };
        if self.is_empty() || last + 1 < self.first || first > self.last() + 1 {
            self.clear();
            self.first = first;
        }
        let (known_first, known_last) = (self.first, self.last());
        for message in messages.iter().rev().filter(|message| message.seq < known_first) {
            self.bytes += size(message);
            self.messages.push_front(message.clone());
            self.first = message.seq;
        }
        for message in messages.into_iter().filter(|message| message.seq > known_last) {
            self.bytes += size(&message);
            self.messages.push_back(message);
        }
    }

    /// Adds a message that was just committed, if it directly follows the loaded range or nothing is loaded.
    pub fn append(&mut self, message: &Message) {
        if self.is_empty() || message.seq == self.last() + 1 {
            self.insert(vec![message.clone()]);
        }
    }

    /// Unloads the messages farthest from the visible ones, `from..=to`, down to the limits.
    pub fn trim(&mut self, from: u64, to: u64) {
        let full = |window: &Self| window.messages.len() > MOST || window.bytes > MOST_BYTES;
        while full(self) {
            let (before, after) = (from.saturating_sub(self.first), self.last().saturating_sub(to));
            if before.max(after) <= LEAST {
                return;
            }
            let dropped = if before >= after {
                self.first += 1;
                self.messages.pop_front()
            } else {
                self.messages.pop_back()
            };
            self.bytes -= dropped.as_ref().map_or(0, size);
        }
    }
}

fn size(message: &Message) -> usize {
    let more = match &message.content {
        Content::Text { reasoning, .. } => reasoning.len(),
        Content::Tool { .. } | Content::Notice { .. } => 0,
    };
    message.text().len() + more
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{ConversationId, MessageId};

    fn messages(from: u64, to: u64) -> Vec<Message> {
        (from..=to)
            .map(|seq| {
                let (id, talk) = (MessageId(format!("message-{seq}")), ConversationId::from("conversation-1"));
                let content = Content::said(seq.to_string());
                Message { seq, ..Message::without_run(id, talk, content, jiff::Timestamp::UNIX_EPOCH) }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_held_is_always_dense(loads in prop::collection::vec((1u64..900, 1u64..70), 1..40), at in 1u64..900) {
            let mut window = Window::default();
            for (from, count) in loads {
                window.insert(messages(from, from + count));
                window.append(&messages(from + count + 1, from + count + 1)[0]);
                prop_assert!(window.get(from).is_some(), "what was asked for is held");
                window.trim(at, at + 20);
                for (at, message) in window.iter().enumerate() {
                    prop_assert_eq!(message.seq, window.first() + at as u64);
                    prop_assert_eq!(window.get(message.seq), Some(message));
                }
                prop_assert!(window.messages.len() <= MOST);
                prop_assert_eq!(window.bytes, window.iter().map(size).sum::<usize>());
            }
        }
    }

    #[test]
    fn what_is_shown_is_never_let_go() {
        let mut window = Window::default();
        for from in (1..=1000).step_by(50) {
            window.insert(messages(from, from + 49));
            window.trim(from, from + 49);
        }
        assert!(window.get(951).is_some() && window.get(1000).is_some());
        assert!(window.first() > 700, "what is far is let go: {}", window.first());
    }
}
