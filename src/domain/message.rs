//! Conversations and their messages. Each message is stored once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AgentId, ConversationId, GroupId, JobId, MessageId, Run, RunId, StepId};

/// An ordered list of messages, dense in `seq` from 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Whose it is.
    pub owner: ConversationOwner,
    /// The `seq` of its last message; 0 when empty.
    pub head: u64,
    /// Turns begun.
    pub asked: u64,
    /// Turns that count for triggers: over, with a step committed.
    pub turns: u64,
}

/// Whose conversation it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationOwner {
    /// A group's.
    Group(GroupId),
    /// A person's direct talk with one agent.
    Agent(AgentId),
    /// The working notes of one job; nobody else reads them.
    Job(JobId),
}

impl Conversation {
    /// An empty one.
    #[must_use]
    pub fn new(id: ConversationId, owner: ConversationOwner) -> Self {
        Self { id, owner, head: 0, asked: 0, turns: 0 }
    }
}

impl ConversationOwner {
    /// One text that is unique to the owner.
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
    /// Where it stands.
    pub conversation: ConversationId,
    /// Its place there, from 1. A commit writes 0, which means: next.
    pub seq: u64,
    /// The run it belongs to: a user's message names the turn it began.
    pub run: Option<RunId>,
    /// The step that made it.
    #[serde(default)]
    pub step: Option<StepId>,
    /// For a worker's words: the manager's step that delegated to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<StepId>,
    /// Who said it; `None` is a person.
    pub agent: Option<AgentId>,
    /// The speaker's short name at the time; empty for a person.
    #[serde(default)]
    pub name: String,
    /// What it is.
    pub content: Content,
    /// When it was committed.
    pub at: Timestamp,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// What the model thought before, if it told.
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
        /// What the tool said.
        text: String,
    },
    /// Something the engine states in the conversation.
    Notice {
        /// Which kind.
        notice: NoticeKind,
        /// One sentence.
        text: String,
    },
}

/// What the engine states in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The agent had nothing to say.
    Pass,
    /// The agent's speech failed.
    Error,
    /// The run was picked up again after the program ended.
    Resumed,
    /// The run stopped and will not go on by itself.
    Stopped,
    /// The manager chose who speaks next, or could not.
    Choice,
    /// The manager gave work to others; their answers follow.
    Delegated,
    /// The turn is over before everyone has spoken, and why.
    Ended,
    /// The words before it are not all the model would have said, and why.
    Incomplete,
}

impl Content {
    /// Words that were said to their end, without reasoning.
    #[must_use]
    pub fn said(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), reasoning: String::new(), cancelled: false }
    }

    /// A statement of the engine.
    #[must_use]
    pub fn notice(notice: NoticeKind, text: impl Into<String>) -> Self {
        Self::Notice { notice, text: text.into() }
    }
}

impl Message {
    /// The next message of the run's conversation. It is a person's, unless [`Message::by`] names an agent.
    #[must_use]
    pub fn new(id: MessageId, run: &Run, content: Content, at: Timestamp) -> Self {
        Self {
            id,
            conversation: run.conversation.clone(),
            seq: 0,
            run: Some(run.id.clone()),
            step: None,
            answers: run.task.as_ref().map(|task| task.step.clone()),
            agent: None,
            name: String::new(),
            content,
            at,
        }
    }

    /// The message as this agent's, under the short name it has now.
    #[must_use]
    pub fn by(self, agent: &AgentId, name: impl Into<String>) -> Self {
        Self { agent: Some(agent.clone()), name: name.into(), ..self }
    }

    /// The message as made by this step.
    #[must_use]
    pub fn in_step(self, step: &StepId) -> Self {
        Self { step: Some(step.clone()), ..self }
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

    /// What the engine states, with whose doing it is where the sentence does not say: for readers who see no name
    /// beside it.
    #[must_use]
    pub fn stated(&self) -> String {
        match &self.content {
            Content::Notice { notice: NoticeKind::Choice | NoticeKind::Delegated, text } => {
                format!("{} {text}", self.name)
            }
            _ => self.text().to_owned(),
        }
    }

    /// The words of it, whatever it is.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.content {
            Content::Text { text, .. } | Content::Tool { text, .. } | Content::Notice { text, .. } => text,
        }
    }
}
