//! Conversations and their messages.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AgentId, ConversationId, GroupId, JobId, MessageId, PersonId, Run, RunId, StepId};

/// An ordered list of messages with `seq` from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The owner.
    pub owner: ConversationOwner,
    /// The `seq` of its last message; 0 when empty.
    pub head: u64,
    /// The number of turns created.
    pub asked: u64,
    /// The number of finished turns with at least one step, which count for triggers.
    pub turns: u64,
}

/// The owner of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationOwner {
    /// A group's.
    Group(GroupId),
    /// A direct conversation with one agent.
    Agent(AgentId),
    /// The working notes of one job, read only by that job.
    Job(JobId),
}

impl Conversation {
    /// An empty conversation.
    #[must_use]
    pub fn new(id: ConversationId, owner: ConversationOwner) -> Self {
        Self { id, owner, head: 0, asked: 0, turns: 0 }
    }
}

impl ConversationOwner {
    /// The owner's id.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Group(id) => id.as_str(),
            Self::Agent(id) => id.as_str(),
            Self::Job(id) => id.as_str(),
        }
    }
}

/// One message. Insert-only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The conversation.
    pub conversation: ConversationId,
    /// Its position in the conversation, from 1. In a commit, 0 means the next position.
    pub seq: u64,
    /// The run it belongs to; for a user's message, the turn it started.
    pub run: Option<RunId>,
    /// The step that made it.
    #[serde(default)]
    pub step: Option<StepId>,
    /// For a worker's message: the manager's step that delegated to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<StepId>,
    /// The author, if it is an agent.
    pub agent: Option<AgentId>,
    /// The author, if it is a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// The author's short name at the time; empty for a person.
    #[serde(default)]
    pub name: String,
    /// The content.
    pub content: Content,
    /// When it was committed.
    pub at: Timestamp,
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// The model's reasoning, if the provider returned it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reasoning: String,
        /// True when a person cancelled it before its end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cancelled: bool,
    },
    /// One tool call with its one result.
    Tool {
        /// The provider's id of the call.
        call: String,
        /// The tool.
        name: String,
        /// A JSON object.
        arguments: serde_json::Value,
        /// False when the tool refused or failed.
        ok: bool,
        /// The tool's result.
        text: String,
    },
    /// A notice of the engine.
    Notice {
        /// The kind.
        notice: NoticeKind,
        /// One sentence.
        text: String,
    },
}

/// The kind of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The agent passed.
    Pass,
    /// The agent's speech failed.
    Error,
    /// The run was resumed after a restart of the program.
    Resumed,
    /// The run stopped and does not continue by itself.
    Stopped,
    /// The manager chose the next speaker, or failed to.
    Choice,
    /// The manager delegated work; the answers follow.
    Delegated,
    /// Why the turn ended before everyone had spoken.
    Ended,
    /// A fallback model answers, and why.
    Fallback,
    /// The words before it are not all the model would have said, and why.
    Incomplete,
}

impl NoticeKind {
    /// True if agents are told, too.
    #[must_use]
    pub fn is_for_agents(self) -> bool {
        matches!(self, Self::Pass | Self::Error | Self::Incomplete)
    }
}

/// The most bytes of one message of a person.
pub const MESSAGE_BYTES: usize = 1 << 20;

/// Checks the size of a text that a person sends, in bytes.
///
/// # Errors
/// A sentence, if it is longer than [`MESSAGE_BYTES`].
pub fn check_size(bytes: usize) -> Result<(), String> {
    if bytes <= MESSAGE_BYTES {
        return Ok(());
    }
    Err(format!(
        "the message has more than {MESSAGE_BYTES} bytes (1 MiB), the most one may have; shorten it or send it in parts"
    ))
}

impl Content {
    /// A complete text without reasoning.
    #[must_use]
    pub fn said(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), reasoning: String::new(), cancelled: false }
    }

    /// A notice.
    #[must_use]
    pub fn notice(notice: NoticeKind, text: impl Into<String>) -> Self {
        Self::Notice { notice, text: text.into() }
    }
}

impl Message {
    /// The next message of the run's conversation. A text is by the person who began the run, unless [`Message::by`]
    /// sets an agent.
    #[must_use]
    pub fn new(id: MessageId, run: &Run, content: Content, at: Timestamp) -> Self {
        let person = run.person.clone().filter(|_| matches!(content, Content::Text { .. }));
        Self {
            run: Some(run.id.clone()),
            answers: run.task.as_ref().map(|task| task.step.clone()),
            person,
            ..Self::without_run(id, run.conversation.clone(), content, at)
        }
    }

    /// The next message of a conversation, of no run and without an author.
    #[must_use]
    pub fn without_run(id: MessageId, conversation: ConversationId, content: Content, at: Timestamp) -> Self {
        Self {
            id,
            conversation,
            seq: 0,
            run: None,
            step: None,
            answers: None,
            agent: None,
            person: None,
            name: String::new(),
            content,
            at,
        }
    }

    /// Sets the author to an agent with this current short name.
    #[must_use]
    pub fn by(self, agent: &AgentId, name: impl Into<String>) -> Self {
        Self { agent: Some(agent.clone()), person: None, name: name.into(), ..self }
    }

    /// Sets the step.
    #[must_use]
    pub fn in_step(self, step: &StepId) -> Self {
        Self { step: Some(step.clone()), ..self }
    }

    /// True if it began a turn: a person's message or mail, which no step made.
    #[must_use]
    pub fn opens_turn(&self) -> bool {
        self.step.is_none() && matches!(self.content, Content::Text { .. })
    }

    /// True if the prompts of `me` contain it; `None` is a reader without messages of its own in the conversation.
    /// Others' tool calls and notices for people are not part of a prompt.
    #[must_use]
    pub fn is_seen_by(&self, me: Option<&AgentId>) -> bool {
        let own = me.is_some() && self.agent.as_ref() == me;
        match &self.content {
            Content::Text { text, .. } => own || self.opens_turn() || !text.trim().is_empty(),
            Content::Tool { .. } => own,
            Content::Notice { notice, .. } => notice.is_for_agents(),
        }
    }

    /// The role on the wire: `user`, `assistant` or `system`; a tool's result is `tool`.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match (&self.content, &self.agent) {
            (Content::Text { .. }, None) => "user",
            (Content::Text { .. }, Some(_)) => "assistant",
            (Content::Tool { .. }, _) => "tool",
            (Content::Notice { .. }, _) => "system",
        }
    }

    /// The text, with the author's name in front if it is a notice that needs one: for displays without a name column.
    #[must_use]
    pub fn stated(&self) -> String {
        match &self.content {
            Content::Notice { notice: NoticeKind::Choice | NoticeKind::Delegated, text } => {
                format!("{} {text}", self.name)
            }
            _ => self.text().to_owned(),
        }
    }

    /// The text of any content.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.content {
            Content::Text { text, .. } | Content::Tool { text, .. } | Content::Notice { text, .. } => text,
        }
    }
}
