//! What subscribers receive.

use serde::{Deserialize, Serialize};

use crate::domain::state::{Kind, Row as _, RowFault};
use crate::domain::{
    Agent, AgentId, Block, Conversation, ConversationId, Group, Job, LogEntry, Mail, PendingCall, Run, RunId, StepId,
    Trigger,
};

/// An update to subscribers. Committed changes arrive in order and without gaps. Live text is latest-wins: what a slow
/// subscriber missed arrives in few pieces, of a limited size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "update", rename_all = "snake_case")]
pub enum Update {
    /// Changes were committed.
    Committed {
        /// The number of the last of them.
        upto: u64,
        /// The changes, in order.
        changes: Vec<LogEntry>,
        /// The current state of the rows they touched.
        rows: Vec<RowUpdate>,
    },
    /// A step in progress began or changed.
    Live(LiveUpdate),
    /// A step is no longer in progress, or restarted; its live text is to be removed.
    Over {
        /// The step.
        step: StepId,
    },
    /// An error of the engine itself, for example a full disk.
    Trouble {
        /// Sentence that says what happened and what to do.
        text: String,
    },
}

macro_rules! define_row_update {
    (
        followed { $($(#[doc = $doc:literal])* $kind:ident($row:ty) $table:literal $noun:literal;)* }
        internal $internal:tt
    ) => {
        /// The current state of a row.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "row", rename_all = "snake_case")]
        pub enum RowUpdate {
            $($(#[doc = $doc])* $kind($row),)*
            /// A row that was deleted.
            Gone {
                /// Its kind.
                kind: Kind,
                /// Its key.
                key: String,
            },
        }

        impl RowUpdate {
            /// Reads the JSON text of a row; without a text, the row was deleted. Returns `None` for a kind that is not
            /// followed.
            ///
            /// # Errors
            /// [`RowFault`] if the text is no row of this kind.
            pub fn read(kind: Kind, key: &str, body: Option<&str>) -> Result<Option<Self>, RowFault> {
                let Some(body) = body else { return Ok(Some(Self::Gone { kind, key: key.to_owned() })) };
                let read = match kind {
                    $(Kind::$kind => serde_json::from_str::<$row>(body).map(Self::$kind),)*
                    _ => return Ok(None),
                };
                read.map(Some).map_err(|error| RowFault { kind, key: key.to_owned(), why: error.to_string() })
            }

            /// The kind and the key of the row.
            #[must_use]
            pub fn key(&self) -> (Kind, String) {
                match self {
                    $(Self::$kind(row) => (Kind::$kind, row.key()),)*
                    Self::Gone { kind, key } => (*kind, key.clone()),
                }
            }
        }
    };
}
crate::domain::state::row_kinds!(define_row_update);

/// The state of a step in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveUpdate {
    /// The id it will be committed with.
    pub step: StepId,
    /// Its run.
    pub run: RunId,
    /// The turn or job the run belongs to.
    pub root: RunId,
    /// The conversation its message will be appended to.
    pub conversation: ConversationId,
    /// The agent that speaks.
    pub agent: AgentId,
    /// The agent's short name.
    pub name: String,
    /// The current phase.
    pub phase: Phase,
    /// Text since the last update.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Reasoning since the last update.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
}

/// The phase of a step in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Waiting for its agent or for a slot of its provider.
    Waiting,
    /// The model was called and has not answered yet.
    Thinking,
    /// Receiving text or reasoning.
    Speaking,
    /// The model is writing, or the engine is running, a call of this tool.
    Calling {
        /// The tool.
        tool: String,
    },
    /// A model call failed and will be repeated.
    Retrying {
        /// Sentence with the error and the time of the next try.
        text: String,
    },
}
