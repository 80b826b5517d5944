//! The nouns and the rules: no I/O, no async, no clock.
//!
//! Every durable change is a [`Change`] in a [`Commit`]. What a change means is
//! written once, in [`state::apply`], over the [`Rows`](state::Rows) of whoever holds them: the store's
//! tables, or [`Memory`](state::Memory), with which the log is folded and compared to the tables (F16).

pub mod agent;
pub mod block;
pub mod change;
pub mod group;
pub mod id;
pub mod job;
pub mod mail;
pub mod memory;
pub mod message;
mod names;
pub mod pattern;
pub mod rule;
pub mod run;
pub mod setting;
pub mod spelling;
pub mod state;
pub mod status;
mod stop_reason;
pub mod terminate;
pub mod trigger;

pub use agent::Agent;
pub use block::{Block, BlockOwner, Editor, Revision};
pub use change::{Actor, Change, Commit, Conflict, Logged, Rest};
pub use group::{Group, GroupStatus, Sleeptime};
pub use id::{AgentId, BlockId, ConversationId, GroupId, Ids, JobId, MailId, MessageId, RunId, StepId};
pub use job::{Cursor, Job, JobOutcome, JobState};
pub use mail::{Mail, MailKind, MailStatus, Priority};
pub use message::{Content, Conversation, ConversationOwner, Message, NoticeKind};
pub use pattern::ManagerType;
pub use rule::Rule;
pub use run::{Choice, Kept, PendingCall, PendingKind, Run, RunKind, RunKindName, RunState, Step, Task};
pub use setting::{Configurable, Setting, Value};
pub use spelling::nearest;
pub use stop_reason::StopReason;
pub use terminate::TerminationCondition;
pub use trigger::Trigger;
