//! A turn with its parts so far: what is committed, and what a commit in the making adds to it.

use super::{Engine, EngineError};
use crate::domain::pattern::{Part, speeches};
use crate::domain::{Change, Message, Run, RunId};

/// A turn, its parts, and what is not committed yet.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The turn as it was read, or as it is created.
    pub read: Run,
    /// The turn after the changes.
    pub turn: Run,
    /// Its speeches and choices, in order of creation, after the changes.
    pub parts: Vec<Run>,
    /// The model calls that the changes add, with their retries.
    pub calls: u32,
    /// The tokens that the changes add.
    pub tokens: u64,
    /// The messages that the changes append.
    staged: Vec<Message>,
}

impl Progress {
    /// A turn that is not committed yet, or has no parts.
    #[must_use]
    pub fn new(turn: &Run) -> Self {
        Self { read: turn.clone(), turn: turn.clone(), parts: Vec::new(), calls: 0, tokens: 0, staged: Vec::new() }
    }

    /// A turn of which only the unfinished part is of interest.
    #[must_use]
    pub fn at(turn: &Run, part: Run) -> Self {
        Self { parts: vec![part], ..Self::new(turn) }
    }

    /// Reads a turn; `None` if it is gone.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails or the turn cannot be read.
    pub async fn read(engine: &Engine, turn: &RunId) -> Result<Option<Self>, EngineError> {
        let found = engine.store.run_and_children(turn).await?;
        Ok(found.map(|(turn, parts)| Self { parts, ..Self::new(&turn) }))
    }

    /// Adds changes that are not committed yet.
    #[must_use]
    pub fn with(mut self, changes: &[Change]) -> Self {
        for change in changes {
            match change {
                Change::RunMoved { id, to } => {
                    if let Some(run) = self.run(id) {
                        run.state = to.clone();
                    }
                }
                Change::RunChosen { id, choice } => {
                    if let Some(run) = self.run(id) {
                        run.chosen = Some(choice.clone());
                    }
                }
                Change::StepFinished(step) => {
                    self.turn.tokens += step.tokens_in + step.tokens_out;
                    self.tokens += step.tokens_in + step.tokens_out;
                    self.calls = self.calls.saturating_add(step.retries.saturating_add(1));
                }
                Change::MessageAppended(message) => self.staged.push(message.clone()),
                _ => {}
            }
        }
        self
    }

    fn run(&mut self, id: &RunId) -> Option<&mut Run> {
        if self.turn.id == *id {
            return Some(&mut self.turn);
        }
        self.parts.iter_mut().find(|part| part.id == *id)
    }

    /// The part that is not finished, if there is one.
    #[must_use]
    pub fn unfinished(&self) -> Option<&Run> {
        self.parts.iter().find(|part| !part.is_finished())
    }

    /// The finished parts as the pattern sees them.
    #[must_use]
    pub fn finished(&self) -> Vec<Part> {
        self.parts.iter().filter_map(Part::of).collect()
    }

    /// The number of the next speech, from 0.
    #[must_use]
    pub fn index(&self) -> u32 {
        u32::try_from(speeches(&self.finished()).len()).unwrap_or(u32::MAX)
    }

    /// The messages of the turn, from the one it answers, in order.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn messages(&self, engine: &Engine) -> Result<Vec<Message>, EngineError> {
        // One that begins with these changes has none before them.
        let mut messages = match self.read.input {
            0 => Vec::new(),
            first => engine.store.messages(&self.turn.conversation, first, u64::MAX).await?,
        };
        messages.extend_from_slice(&self.staged);
        Ok(messages)
    }
}
