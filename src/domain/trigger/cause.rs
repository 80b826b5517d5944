//! The cause of a job: the list of triggers, and what each of them records. What a trigger does is in its file.

use serde::{Deserialize, Serialize};

use crate::domain::JobId;

/// The list of triggers, one line each: the cause with its fields, and the module of the trigger.
macro_rules! triggers {
    ($with:ident) => {
        $with! {
            /// The group finished its Nth turn.
            Turn {
                /// The number of the turn.
                turn: u64
            } => turns;
            /// Only in tests.
            #[cfg(test)]
            Signal {
                /// The signal.
                word: String
            } => signal;
        }
    };
}
pub(crate) use triggers;

macro_rules! define_trigger {
    ($(
        $(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])?
        $variant:ident { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty),* } => $module:ident;
    )*) => {
        /// The cause of a job.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "trigger", rename_all = "snake_case")]
        pub enum Trigger {
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
