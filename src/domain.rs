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
pub mod rule;
pub mod run;
pub mod state;
pub mod terminate;
pub mod trigger;

pub use agent::Agent;
pub use block::{Block, BlockOwner, Editor, Revision};
pub use change::{Actor, Change, Commit, Conflict, Logged, Rest};
pub use group::{Group, GroupStatus, ManagerType, Sleeptime};
pub use id::{AgentId, BlockId, ConversationId, GroupId, Ids, JobId, MailId, MessageId, RunId, StepId};
pub use job::{Cursor, Job, JobOutcome, JobState, Trigger};
pub use mail::{Mail, MailKind, MailStatus, Priority};
pub use message::{Content, Conversation, ConversationOwner, Message, NoticeKind};
pub use rule::Rule;
pub use run::{Choice, Kept, PendingCall, PendingKind, Run, RunKind, RunState, Step, StopReason, Task};
pub use terminate::Terminate;
