//! The domain types and their rules: no I/O, no async, no clock.
//!
//! Every durable change is a [`Change`] in a [`Commit`]. [`state::apply`] is the only implementation of a change. It
//! works on any [`Rows`](state::Rows): the store's tables, or [`InMemoryRows`](state::InMemoryRows), which replays the log to
//! compare it with the tables (F16).

pub mod agent;
pub mod block;
pub mod block_edit;
pub mod budget;
mod call;
mod care;
pub mod change;
pub mod excerpt;
pub mod group;
pub mod id;
pub mod invisible;
pub mod job;
pub mod mail;
mod manager_type;
pub mod message;
mod names;
pub mod naming;
pub mod new_names;
pub mod pattern;
mod person;
pub mod roster_edit;
pub mod rule;
pub mod run;
pub mod search;
pub mod setting;
pub mod span;
pub mod spelling;
pub mod state;
pub mod status;
mod stop_reason;
pub mod terminate;
pub mod text_edit;
pub mod trigger;
mod way_back;

pub use agent::Agent;
pub use block::{Block, BlockOwner, Editor, Revision};
pub use call::Call;
pub use care::{CareMark, CareTask};
pub use change::{Actor, Basis, Change, Commit, Conflict, LogEntry, Precondition, RemovedRecord};
pub use group::{Group, GroupStatus, Sleeptime};
pub use id::{
    AgentId, BlockId, ConversationId, GroupId, Ids, JobId, MailId, MessageId, PersonId, ReadingId, RunId, StepId,
    TriggerId,
};
pub use job::{AgentWork, Cursor, Job, JobOutcome, JobState, JobWork};
pub use mail::{Mail, MailKind, MailStatus, Priority};
pub use manager_type::ManagerType;
pub use message::{Content, Conversation, ConversationOwner, Message, NoticeKind};
pub use person::Person;
pub use roster_edit::{RosterEdit, RosterStep};
pub use rule::Rule;
pub use run::{Choice, Kept, PendingCall, PendingKind, Run, RunKind, RunKindName, RunState, Step, Stop, Task};
pub use search::{MessageQuery, SearchResult, SpeakerRole};
pub use setting::{Configurable, Setting, Value};
pub use spelling::nearest;
pub use stop_reason::StopReason;
pub use terminate::TerminationCondition;
pub use trigger::{Cause, CauseKind, Occurrence, Reading, Source, SourceMark, Trigger, TriggerSpec, When};
pub use way_back::way_back;
