//! Plays a prepared answer at a given pace, for the built-in models.
//!
//! Decides when each delta is sent. Uses tokio's time, so tests can pause the clock; a zero pace uses no timer.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use super::{Delta, ModelError, Prompt, PromptMessage};

/// The timing of a prepared answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    /// The delay before the first delta.
    pub first: Duration,
    /// The delay between deltas.
    pub between: Duration,
}

/// Returns a stream of `deltas` at `pace`; it ends after the last one.
pub(super) fn play(
    deltas: impl Iterator<Item = Result<Delta, ModelError>> + Send + 'static,
    pace: Pace,
) -> BoxStream<'static, Result<Delta, ModelError>> {
    stream::unfold((deltas, pace.first), move |(mut deltas, wait)| async move {
        let delta = deltas.next()?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Some((delta, (deltas, pace.between)))
    })
    .boxed()
}

/// A text split into pieces of `size` code points.
pub(super) struct Pieces {
    text: String,
    at: usize,
    size: usize,
}

impl Pieces {
    /// Splits `text`; a `size` of 0 counts as 1.
    pub(super) fn new(text: String, size: usize) -> Self {
        Self { text, at: 0, size: size.max(1) }
    }
}

impl Iterator for Pieces {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let len = rest.char_indices().nth(self.size).map_or(rest.len(), |(at, _)| at);
        self.at += len;
        Some(rest[..len].to_owned())
    }
}

/// Returns the token count of the built-in models: one per four bytes, rounded up.
pub(super) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// Returns the bytes a provider would receive for `prompt`, without tool schemas.
pub(super) fn bytes_of(prompt: &Prompt) -> usize {
    let entries: usize = prompt
        .entries
        .iter()
        .map(|entry| match entry {
            PromptMessage::User { text, .. }
            | PromptMessage::ToolResult { text, .. }
            | PromptMessage::System { text } => text.len(),
            PromptMessage::Assistant { text, calls } => {
                text.len() + calls.iter().map(|call| call.name.len() + call.arguments.to_string().len()).sum::<usize>()
            }
        })
        .sum();
    prompt.system_text().len() + entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text_and_never_cut_a_code_point() {
        let text = "Grüße aus Luzern 🐝";
        let pieces: Vec<String> = Pieces::new(text.to_owned(), 3).collect();
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| piece.chars().count() <= 3));
        assert_eq!(pieces[0], "Grü");
    }

    #[test]
    fn four_bytes_are_a_token() {
        assert_eq!([0, 1, 4, 5].map(tokens), [0, 1, 1, 2]);
    }
}
