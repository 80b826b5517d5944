//! A message as a prompt needs it: parsed once, small, shared by all who read the conversation.

use std::sync::{Arc, OnceLock};

use super::tables::json_bytes;
use crate::domain::{AgentId, Content, Message, NoticeKind, RunId, StepId};

/// What a prompt puts around a message at least, in bytes. It is counted, so that a prompt is read from a bounded number
/// of messages however short they are.
pub const FRAME_BYTES: usize = 48;

/// A message without what no prompt shows: its id, its time, the reasoning behind it.
#[derive(Debug, Clone)]
pub struct TranscriptMessage {
    /// Its position in the conversation, from 1.
    pub seq: u64,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// The step that made it.
    pub step: Option<StepId>,
    /// For a worker's message: the manager's step that delegated to it.
    pub answers: Option<StepId>,
    /// Its author.
    pub author: Arc<Author>,
    /// Its words.
    pub words: Words,
    opens_turn: bool,
    seen_by_author: bool,
    seen_by_others: bool,
    tokens: OnceLock<u32>,
}

/// The author of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The agent; `None` for a person.
    pub agent: Option<AgentId>,
    /// The agent's short name at the time; empty for a person.
    pub name: Box<str>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Words {
    /// Text.
    Text {
        /// The text.
        text: Box<str>,
        /// True when a person cancelled it before its end.
        cancelled: bool,
    },
    /// A tool call with its result.
    Tool(Box<ToolUse>),
    /// A notice of the engine.
    Notice {
        /// The kind.
        notice: NoticeKind,
        /// One sentence.
        text: Box<str>,
    },
}

/// A tool call with its result, as in [`Content::Tool`].
#[derive(Debug, Clone, PartialEq)]
pub struct ToolUse {
    /// The provider's id of the call.
    pub call: String,
    /// The tool.
    pub name: String,
    /// A JSON object.
    pub arguments: serde_json::Value,
    /// The size of the arguments as JSON text, in bytes.
    pub argument_bytes: usize,
    /// False when the tool refused or failed.
    pub ok: bool,
    /// The tool's result.
    pub text: String,
}

impl TranscriptMessage {
    /// What a prompt needs of this message.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        Self::new(message, &mut Authors::default())
    }

    pub(super) fn new(message: &Message, authors: &mut Authors) -> Self {
        let words = match &message.content {
            Content::Text { text, cancelled, .. } => Words::Text { text: text.as_str().into(), cancelled: *cancelled },
            Content::Notice { notice, text } => Words::Notice { notice: *notice, text: text.as_str().into() },
            Content::Tool { call, name, arguments, ok, text } => Words::Tool(Box::new(ToolUse {
                call: call.clone(),
                name: name.clone(),
                argument_bytes: json_bytes(arguments),
                arguments: arguments.clone(),
                ok: *ok,
                text: text.clone(),
            })),
        };
        Self {
            seq: message.seq,
            run: message.run.clone(),
            step: message.step.clone(),
            answers: message.answers.clone(),
            author: authors.of(message),
            words,
            opens_turn: message.opens_turn(),
            seen_by_author: message.is_seen_by(message.agent.as_ref()),
            seen_by_others: message.is_seen_by(None),
            tokens: OnceLock::new(),
        }
    }

    /// As [`Message::opens_turn`].
    #[must_use]
    pub fn opens_turn(&self) -> bool {
        self.opens_turn
    }

    /// True if this agent is its author.
    #[must_use]
    pub fn is_by(&self, agent: &AgentId) -> bool {
        self.author.agent.as_ref() == Some(agent)
    }

    /// As [`Message::is_seen_by`].
    #[must_use]
    pub fn is_seen_by(&self, me: Option<&AgentId>) -> bool {
        if me.is_some_and(|me| self.is_by(me)) { self.seen_by_author } else { self.seen_by_others }
    }

    /// The text of any words.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.words {
            Words::Text { text, .. } | Words::Notice { text, .. } => text,
            Words::Tool(used) => &used.text,
        }
    }

    /// The size of its text in tokens, as `count` gives it; counted once.
    pub fn tokens(&self, count: impl FnOnce(&str) -> usize) -> usize {
        let counted = self.tokens.get_or_init(|| u32::try_from(count(self.text())).unwrap_or(u32::MAX));
        usize::try_from(*counted).unwrap_or(usize::MAX)
    }

    /// Its size in a context, in bytes: its frame, its text, the arguments of a call. A prompt of `shown` bytes shows at
    /// most a third of them of one result, and half of them of another text.
    pub(super) fn size(&self, shown: usize) -> usize {
        FRAME_BYTES
            + match &self.words {
                Words::Tool(used) => used.text.len().min(shown / 3) + used.argument_bytes,
                Words::Text { text, .. } | Words::Notice { text, .. } => text.len().min(shown / 2),
            }
    }

    /// The memory it takes, in bytes, about.
    pub(super) fn memory(&self) -> usize {
        /// What an allocation, a counter and a place in a list take.
        const EACH: usize = 48;
        let id = |id: Option<&str>| id.map_or(0, |id| id.len() + EACH / 3);
        let called = match &self.words {
            Words::Tool(used) => {
                size_of::<ToolUse>() + used.call.len() + used.name.len() + 2 * used.argument_bytes + EACH
            }
            Words::Text { .. } | Words::Notice { .. } => 0,
        };
        let ids = [
            self.run.as_ref().map(RunId::as_str),
            self.step.as_ref().map(StepId::as_str),
            self.answers.as_ref().map(StepId::as_str),
        ];
        size_of::<Self>() + EACH + ids.into_iter().map(id).sum::<usize>() + self.text().len() + called
    }
}

impl PartialEq for TranscriptMessage {
    fn eq(&self, other: &Self) -> bool {
        let all = |message: &Self| {
            let Self { opens_turn, seen_by_author, seen_by_others, .. } = *message;
            (message.seq, opens_turn, seen_by_author, seen_by_others)
        };
        all(self) == all(other)
            && (&self.run, &self.step, &self.answers) == (&other.run, &other.step, &other.answers)
            && (&self.author, &self.words) == (&other.author, &other.words)
    }
}

/// The authors of a conversation, each once.
#[derive(Debug, Default)]
pub(super) struct Authors(Vec<Arc<Author>>);

impl Authors {
    /// More authors than a conversation has, short of renames without end.
    const MOST: usize = 128;

    fn of(&mut self, message: &Message) -> Arc<Author> {
        let known = |author: &&Arc<Author>| author.agent == message.agent && *author.name == *message.name;
        if let Some(author) = self.0.iter().find(known) {
            return Arc::clone(author);
        }
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        let author = Arc::new(Author { agent: message.agent.clone(), name: message.name.as_str().into() });
        self.0.push(Arc::clone(&author));
        author
    }
}
