//! The kinds of state rows, and the [`Rows`] trait of their storage.

#[cfg(test)]
pub mod sample;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::domain::{
    Agent, AgentId, Block, BlockId, BlockOwner, CareMark, CareTask, Conversation, Cursor, Group, GroupId, Job, JobWork,
    Mail, Occurrence, PendingCall, Person, Reading, RosterEdit, Run, SourceMark, StepId, Trigger, TriggerId,
};

/// The kinds of state rows, one line each: `Kind(Type) "table" "noun"`. Rows of `followed` kinds are sent to
/// subscribers of the engine, `internal` ones are not.
///
/// A new kind is a type that implements [`Row`], a line here, and a migration that creates its table.
macro_rules! row_kinds {
    ($with:ident) => {
        $with! {
            followed {
                /// An agent.
                Agent(Agent) "agent" "agent";
                /// A group.
                Group(Group) "groups" "group";
                /// A block.
                Block(Block) "block" "block";
                /// A conversation.
                Conversation(Conversation) "conversation" "conversation";
                /// A run.
                Run(Run) "run" "run";
                /// A pending call.
                Call(PendingCall) "pending_call" "pending call";
                /// A job.
                Job(Job) "job" "job";
                /// Mail.
                Mail(Mail) "mail" "mail";
                /// A trigger.
                Trigger(Trigger) "triggers" "trigger";
            }
            internal {
                /// Store-wide metadata: a single row.
                StoreMeta(StoreMeta) "store_meta" "store metadata";
                /// A person.
                Person(Person) "person" "person";
                /// How far a background agent has read.
                Cursor(Cursor) "cursor" "cursor";
                /// How much mail a group has sent in the last minute.
                MailRate(MailRate) "mail_rate" "mail rate";
                /// A time at which a trigger was due.
                Occurrence(Occurrence) "occurrence" "occurrence";
                /// How far a source has read a file.
                SourceMark(SourceMark) "source_mark" "mark of a source";
                /// What a source read.
                Reading(Reading) "reading" "reading";
                /// How far the schedule of a task of care is decided.
                CareMark(CareMark) "care_mark" "mark of care";
                /// A change of groups and agents that can be taken back.
                RosterEdit(RosterEdit) "roster_edit" "change of the roster";
                /// The id of a deleted block.
                DeletedBlock(DeletedBlock) "deleted_block" "deleted block";
                /// Only in tests.
                #[cfg(test)]
                Sample(sample::Sample) "sample" "sample";
            }
        }
    };
}
pub(crate) use row_kinds;

macro_rules! define_kinds {
    (
        followed { $($(#[doc = $followed_doc:literal])* $followed:ident($f:ty) $followed_table:literal $followed_noun:literal;)* }
        internal { $($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $kind:ident($i:ty) $table:literal $noun:literal;)* }
    ) => {
        /// The kinds of state rows. Each has a table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[doc = $followed_doc])* $followed,)*
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$followed,)* $($(#[cfg($cfg)])? Self::$kind,)*];

            /// True if rows of this kind are sent to subscribers of the engine.
            #[must_use]
            pub fn is_followed(self) -> bool {
                match self {
                    $(Self::$followed => true,)*
                    $($(#[cfg($cfg)])? Self::$kind => false,)*
                }
            }

            /// The name of the table.
            #[must_use]
            pub fn table(self) -> &'static str {
                match self {
                    $(Self::$followed => $followed_table,)*
                    $($(#[cfg($cfg)])? Self::$kind => $table,)*
                }
            }

            /// True if the row of this kind with this JSON text is open; false if it cannot be parsed.
            pub(super) fn is_open(self, body: &str) -> bool {
                match self {
                    $(Self::$followed => open::<$f>(body),)*
                    $($(#[cfg($cfg)])? Self::$kind => open::<$i>(body),)*
                }
            }

            /// The noun for such a row in messages.
            #[must_use]
            pub fn noun(self) -> &'static str {
                match self {
                    $(Self::$followed => $followed_noun,)*
                    $($(#[cfg($cfg)])? Self::$kind => $noun,)*
                }
            }
        }
    };
}
row_kinds!(define_kinds);

fn open<T: Row>(body: &str) -> bool {
    serde_json::from_str::<T>(body).is_ok_and(|row| row.is_open())
}

/// A row that cannot be read: damaged, or written by another version of Nightdesk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{} {key} cannot be read: {why}", .kind.noun())]
pub struct RowFault {
    /// The kind of the row.
    pub kind: Kind,
    /// The key of the row.
    pub key: String,
    /// Why it cannot be read.
    pub why: String,
}

impl RowFault {
    /// Advice for people.
    pub const ADVICE: &str = "it is left out and everything else works; open the store with the version of Nightdesk \
                              that wrote it, or restore a backup";
}

/// A row of the state.
pub trait Row: Serialize + DeserializeOwned {
    /// Its kind.
    const KIND: Kind;

    /// The primary key, unique in the kind: usually the id.
    fn key(&self) -> String;

    /// The secondary key for [`Rows::find`], not unique; `None` if it cannot be found by one.
    fn lookup(&self) -> Option<String> {
        None
    }

    /// False once the row is final; [`Rows::open`] omits final rows. Only a [`Run`] ever is.
    fn is_open(&self) -> bool {
        true
    }
}

/// Storage of state rows: the store's tables inside a transaction, or [`super::InMemoryRows`]. Lists omit rows that
/// cannot be parsed.
pub trait Rows {
    /// The error of the storage.
    type Fault;

    /// The row with this key.
    ///
    /// # Errors
    /// [`Self::Fault`] if the storage cannot be read or a row cannot be parsed.
    fn get<T: Row>(&mut self, key: &str) -> Result<Option<T>, Self::Fault>;

    /// The same, without a row that cannot be parsed: what follows from a change must not prevent it.
    ///
    /// # Errors
    /// [`Self::Fault`] if the storage cannot be read.
    fn readable<T: Row>(&mut self, key: &str) -> Result<Option<T>, Self::Fault> {
        self.get(key)
    }

    /// All rows with this [`Row::lookup`], in key order.
    ///
    /// # Errors
    /// [`Self::Fault`] if the storage cannot be read.
    fn find<T: Row>(&mut self, lookup: &str) -> Result<Vec<T>, Self::Fault>;

    /// All rows of the kind, in key order.
    ///
    /// # Errors
    /// [`Self::Fault`] if the storage cannot be read.
    fn all<T: Row>(&mut self) -> Result<Vec<T>, Self::Fault>;

    /// All rows of the kind that are [`Row::is_open`], in key order.
    ///
    /// # Errors
    /// [`Self::Fault`] if the storage cannot be read.
    fn open<T: Row>(&mut self) -> Result<Vec<T>, Self::Fault>;

    /// The parked runs of an agent, in key order.
    ///
    /// # Errors
    /// [`Self::Fault`] if the storage cannot be read.
    fn parked(&mut self, agent: &AgentId) -> Result<Vec<Run>, Self::Fault>;

    /// Inserts the row, or replaces the one with its key.
    ///
    /// # Errors
    /// [`Self::Fault`] if the storage cannot be written.
    fn put<T: Row>(&mut self, row: &T) -> Result<(), Self::Fault>;

    /// Removes the row with this key, if there is one.
    ///
    /// # Errors
    /// [`Self::Fault`] if the storage cannot be written.
    fn delete<T: Row>(&mut self, key: &str) -> Result<(), Self::Fault>;
}

/// Store-wide metadata: a single row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreMeta {
    /// Incremented each time a program takes the store (J6).
    pub epoch: u64,
}

impl StoreMeta {
    /// The key of the only row.
    pub const KEY: &'static str = "desk";
}

impl Row for StoreMeta {
    const KIND: Kind = Kind::StoreMeta;

    fn key(&self) -> String {
        Self::KEY.to_owned()
    }
}

impl Row for Person {
    const KIND: Kind = Kind::Person;

    fn key(&self) -> String {
        self.id.0.clone()
    }
}

impl Row for Agent {
    const KIND: Kind = Kind::Agent;

    fn key(&self) -> String {
        self.id.0.clone()
    }

    fn lookup(&self) -> Option<String> {
        Some(Self::name_key(&self.group, &self.name))
    }
}

impl Agent {
    /// The lookup of the agent with this home group and name.
    #[must_use]
    pub fn name_key(group: &GroupId, name: &str) -> String {
        format!("{group}/{name}")
    }
}

impl Row for Group {
    const KIND: Kind = Kind::Group;

    fn key(&self) -> String {
        self.id.0.clone()
    }

    fn lookup(&self) -> Option<String> {
        Some(self.name.clone())
    }
}

impl Row for Block {
    const KIND: Kind = Kind::Block;

    fn key(&self) -> String {
        self.id.0.clone()
    }

    fn lookup(&self) -> Option<String> {
        Some(Self::label_key(&self.owner, &self.label))
    }
}

impl Block {
    /// The lookup of the block with this owner and label, regardless of case.
    #[must_use]
    pub fn label_key(owner: &BlockOwner, label: &str) -> String {
        let owner = match owner {
            BlockOwner::Group(id) => id.as_str(),
            BlockOwner::Agent(id) => id.as_str(),
        };
        format!("{owner}/{}", crate::domain::block::folded(label))
    }
}

impl Row for Conversation {
    const KIND: Kind = Kind::Conversation;

    fn key(&self) -> String {
        self.id.0.clone()
    }

    fn lookup(&self) -> Option<String> {
        Some(self.owner.key().to_owned())
    }
}

impl Row for Run {
    const KIND: Kind = Kind::Run;

    fn key(&self) -> String {
        self.id.0.clone()
    }

    /// The parent of a child run, the conversation of an unfinished turn.
    fn lookup(&self) -> Option<String> {
        match &self.parent {
            Some(parent) => Some(parent.0.clone()),
            None => (self.kind.is_turn() && !self.is_finished()).then(|| self.conversation.0.clone()),
        }
    }

    fn is_open(&self) -> bool {
        !self.is_finished()
    }
}

impl Row for PendingCall {
    const KIND: Kind = Kind::Call;

    fn key(&self) -> String {
        Self::place_key(&self.step, self.ordinal)
    }

    fn lookup(&self) -> Option<String> {
        Some(self.run.0.clone())
    }
}

impl PendingCall {
    /// The key of the call with this index in this step.
    #[must_use]
    pub fn place_key(step: &StepId, ordinal: u32) -> String {
        format!("{step}/{ordinal:04}")
    }
}

impl Row for Job {
    const KIND: Kind = Kind::Job;

    fn key(&self) -> String {
        self.id.0.clone()
    }

    /// Whose work it is, while the job is unfinished.
    fn lookup(&self) -> Option<String> {
        (!self.state.is_final()).then(|| self.work.key())
    }
}

impl JobWork {
    /// The lookup of the unfinished jobs of this work.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Agent(work) => Job::pair_key(&work.agent, &work.group),
            Self::Care { care } => Job::care_key(*care),
        }
    }
}

impl Job {
    /// The lookup of the unfinished jobs of this agent for this group.
    #[must_use]
    pub fn pair_key(agent: &AgentId, group: &GroupId) -> String {
        format!("{agent}/{group}")
    }

    /// The lookup of the unfinished jobs of this task of care.
    #[must_use]
    pub fn care_key(care: CareTask) -> String {
        format!("care/{}", care.as_str())
    }
}

impl Row for RosterEdit {
    const KIND: Kind = Kind::RosterEdit;

    fn key(&self) -> String {
        Self::number_key(self.number)
    }
}

impl RosterEdit {
    /// The key of the change with this number.
    #[must_use]
    pub fn number_key(number: u64) -> String {
        format!("{number:012}")
    }
}

impl Row for CareMark {
    const KIND: Kind = Kind::CareMark;

    fn key(&self) -> String {
        self.task.as_str().to_owned()
    }
}

impl Row for Cursor {
    const KIND: Kind = Kind::Cursor;

    fn key(&self) -> String {
        Self::pair_key(&self.agent, &self.group)
    }
}

impl Cursor {
    /// The key of this agent's cursor in this group.
    #[must_use]
    pub fn pair_key(agent: &AgentId, group: &GroupId) -> String {
        format!("{agent}/{group}")
    }
}

impl Row for Mail {
    const KIND: Kind = Kind::Mail;

    fn key(&self) -> String {
        self.id.0.clone()
    }

    /// The step that sent it; for a reply or notice of the engine, the mail it is about.
    fn lookup(&self) -> Option<String> {
        match (&self.sent_by, &self.in_reply_to) {
            (Some((step, _)), _) => Some(step.0.clone()),
            (None, Some(about)) => Some(about.0.clone()),
            (None, None) => None,
        }
    }
}

impl Row for Trigger {
    const KIND: Kind = Kind::Trigger;

    fn key(&self) -> String {
        self.id.0.clone()
    }

    /// What the trigger listens to.
    fn lookup(&self) -> Option<String> {
        Some(self.topic())
    }
}

impl Row for Occurrence {
    const KIND: Kind = Kind::Occurrence;

    fn key(&self) -> String {
        Self::time_key(&self.trigger, self.scheduled_at)
    }

    fn lookup(&self) -> Option<String> {
        Some(self.trigger.0.clone())
    }
}

impl Occurrence {
    /// The key of this trigger's occurrence at this time.
    #[must_use]
    pub fn time_key(trigger: &TriggerId, scheduled_at: Timestamp) -> String {
        format!("{trigger}@{scheduled_at}")
    }
}

impl Row for SourceMark {
    const KIND: Kind = Kind::SourceMark;

    fn key(&self) -> String {
        Self::path_key(&self.reader, &self.path)
    }

    fn lookup(&self) -> Option<String> {
        Some(self.reader.clone())
    }
}

impl SourceMark {
    /// The key of this reader's mark in the file with this path.
    #[must_use]
    pub fn path_key(reader: &str, path: &str) -> String {
        format!("{reader} {path}")
    }
}

impl Row for Reading {
    const KIND: Kind = Kind::Reading;

    fn key(&self) -> String {
        self.id.0.clone()
    }
}

/// How much mail a group has sent in the last minute, counted per second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRate {
    /// The group.
    pub group: String,
    /// (seconds since the Unix epoch, number of messages), in order.
    pub sent: Vec<(i64, u32)>,
}

impl Row for MailRate {
    const KIND: Kind = Kind::MailRate;

    fn key(&self) -> String {
        self.group.clone()
    }
}

/// The id of a deleted block, which is never used for another: the block's revisions stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedBlock {
    /// The id.
    pub id: BlockId,
    /// Its last version; 0 in stores of older versions.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub version: u64,
}

/// Omits the version where it is unknown.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_unknown(version: &u64) -> bool {
    *version == 0
}

impl Row for DeletedBlock {
    const KIND: Kind = Kind::DeletedBlock;

    fn key(&self) -> String {
        self.id.0.clone()
    }
}
