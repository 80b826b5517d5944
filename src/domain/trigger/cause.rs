//! The list of trigger kinds, and what each of them stores: what fires it ([`When`]) and what it records in the job
//! ([`CauseKind`]). What a kind does is in its file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::occasion::Occasion;
use super::schedule::Schedule;
use super::source_files::Source;
use crate::domain::{BlockId, JobId, Priority, ReadingId, TriggerId};

/// The list of trigger kinds, one line each: the module, the variant of [`When`], the variant of [`CauseKind`].
macro_rules! triggers {
    ($with:ident) => {
        $with! {
            turns:
                /// After every Nth turn of the group.
                EveryTurns {
                    /// N, at least 1.
                    turns: u32
                }
                /// The group finished its Nth turn.
                => Turn {
                    /// The number of the turn.
                    turn: u64
                };
            idle:
                /// When nothing was said for some time after a turn.
                Idle {
                    /// The time, in seconds, at least 1.
                    seconds: u32
                }
                /// Nothing was said for some time after a turn.
                => Idle {
                    /// The time, in seconds.
                    seconds: u32
                };
            block_changed:
                /// When a block of the group is edited.
                BlockChanged {
                    /// The label of the block.
                    label: String,
                    /// True if edits of jobs count, too.
                    any: bool
                }
                /// A block was edited.
                => BlockChanged {
                    /// The block.
                    block: BlockId,
                    /// Its label at that time.
                    label: String,
                    /// The version before the edit.
                    before: u64,
                    /// The version after it.
                    version: u64,
                    /// The editor's name.
                    by: String
                };
            event:
                /// When a named event is reported.
                Event {
                    /// The name.
                    name: String
                }
                /// A named event was reported.
                => Event {
                    /// The name.
                    name: String,
                    /// What was reported with it; may be empty.
                    text: String
                };
            cron:
                /// At times of the clock.
                Cron {
                    /// When, and what becomes of missed times.
                    schedule: Schedule
                }
                /// It was due.
                => Cron {
                    /// The time; the last one if the job stands for several.
                    scheduled_at: Timestamp,
                    /// The first time the job stands for.
                    first: Timestamp,
                    /// For how many times it stands.
                    count: u32,
                    /// The name of the time zone.
                    zone: String
                };
            on:
                /// When something happens in the group.
                On {
                    /// What.
                    on: Occasion
                }
                /// Something happened in the group.
                => On {
                    /// What.
                    on: Occasion,
                    /// What the agent is told of it.
                    text: String
                };
            source:
                /// When files have new text.
                Source {
                    /// Which files.
                    source: Source
                }
                /// Files had new text.
                => Source {
                    /// The new text; `None` in a job that reads the rest of what another one was to read.
                    reading: Option<ReadingId>,
                    /// The names of the files.
                    files: Vec<String>,
                    /// The size of the text, in bytes.
                    bytes: u32
                };
            #[cfg(test)]
            signal:
                /// Only in tests.
                OnSignal {
                    /// The signal.
                    word: String
                }
                /// Only in tests.
                => Signal {
                    /// The signal.
                    word: String
                };
        }
    };
}
pub(crate) use triggers;

macro_rules! define_trigger {
    ($(
        $(#[cfg($cfg:meta)])? $module:ident:
        $(#[doc = $when_doc:literal])*
        $when:ident { $($(#[doc = $when_field_doc:literal])* $when_field:ident: $when_type:ty),* $(,)? }
        $(#[doc = $doc:literal])*
        => $variant:ident { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty),* $(,)? };
    )*) => {
        /// What fires a trigger.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum When {
            $($(#[doc = $when_doc])* $(#[cfg($cfg)])? $when {
                $($(#[doc = $when_field_doc])* $when_field: $when_type),*
            },)*
        }

        /// Why there is a job.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "trigger", rename_all = "snake_case")]
        pub enum CauseKind {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $variant { $($(#[doc = $field_doc])* $field: $type),* },)*
            /// A person asked for it.
            Person {
                /// What the person asked for, if given.
                #[serde(default)]
                instruction: Option<String>,
            },
            /// A retry of a failed or cancelled job.
            Retry {
                /// That job.
                job: JobId,
            },
        }
    };
}
triggers!(define_trigger);

/// A cause of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Why there is a job.
    #[serde(flatten)]
    pub kind: CauseKind,
    /// The trigger that fired; `None` for a person, a retry, and in stores of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<TriggerId>,
    /// What the trigger asks its agents to do, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// How soon the job is to start.
    #[serde(default, skip_serializing_if = "is_normal")]
    pub priority: Priority,
    /// The depth of a job with this cause: one more than that of the run that fired the trigger.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub depth: u32,
}

fn one() -> u32 {
    1
}

/// Omits the depth of most causes in JSON.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(depth: &u32) -> bool {
    *depth == 1
}

/// Omits the priority of most causes in JSON.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_normal(priority: &Priority) -> bool {
    *priority == Priority::Normal
}

impl Cause {
    /// The same cause for a job that reads the rest of a window: what the source brought is in the first one.
    #[must_use]
    pub(super) fn of_rest(&self) -> Self {
        let mut cause = self.clone();
        if let CauseKind::Source { reading, bytes, .. } = &mut cause.kind {
            (*reading, *bytes) = (None, 0);
        }
        cause
    }
}

impl From<CauseKind> for Cause {
    fn from(kind: CauseKind) -> Self {
        Self { kind, of: None, task: None, priority: Priority::Normal, depth: 1 }
    }
}
