//! The causes of jobs: triggers of the group's background policy, or a person.
//!
//! A new trigger is one file beside this one and one line in `triggers!`. The file has: `KEY`, its setting in
//! `[group.sleeptime]`; `fires`, the cause if a change fires it; `text` and `after`, that cause in a few words;
//! `schedule` and `prose`, when it fires, for a table and for a sentence.

use serde::{Deserialize, Serialize};

#[cfg(test)]
use super::signal;
use super::turns;
use crate::domain::state::Rows;
use crate::domain::{Change, Group, JobId, Sleeptime};

macro_rules! triggers {
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

        impl Trigger {
            /// The keys of the triggers in a group's background policy.
            pub const KEYS: &[&str] = &[$($(#[cfg($cfg)])? $module::KEY),*];

            /// The cause in a few words: `turn 12`.
            #[must_use]
            pub fn text(&self) -> String {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant { $($field),* } => $module::text($($field),*),)*
                    Self::Person { .. } => "you asked".to_owned(),
                    Self::Retry { .. } => "retry".to_owned(),
                }
            }

            /// The time of the cause, to follow a result: `after turn 12`; `None` if a person was the cause.
            #[must_use]
            pub fn after(&self) -> Option<String> {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant { $($field),* } => Some($module::after($($field),*)),)*
                    Self::Person { .. } | Self::Retry { .. } => None,
                }
            }

            /// What the person asked for, if given.
            #[must_use]
            pub fn instruction(&self) -> Option<&str> {
                if let Self::Person { instruction } = self { instruction.as_deref() } else { None }
            }

            /// True when a person asked for the job: it runs even if there are no new messages.
            #[must_use]
            pub fn is_asked_for(&self) -> bool {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant { .. } => false,)*
                    Self::Person { .. } | Self::Retry { .. } => true,
                }
            }

            /// The triggers this change fires, each with the group whose background agents get a job.
            pub(super) fn fired<R: Rows>(rows: &mut R, change: &Change) -> Result<Vec<(Group, Self)>, R::Fault> {
                let mut fired = Vec::new();
                $($(#[cfg($cfg)])? fired.extend($module::fires(rows, change)?);)*
                Ok(fired)
            }
        }

        impl Sleeptime {
            /// When jobs are created: `every 5 turns`.
            #[must_use]
            pub fn schedule(&self) -> String {
                either([$($(#[cfg($cfg)])? $module::schedule(self)),*])
            }

            /// [`Self::schedule`] for use in a sentence: `every second turn`.
            #[must_use]
            pub fn schedule_in_prose(&self) -> String {
                either([$($(#[cfg($cfg)])? $module::prose(self)),*])
            }
        }
    };
}

triggers! {
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

/// Joins the schedules with "or".
fn either<const N: usize>(schedules: [Option<String>; N]) -> String {
    schedules.into_iter().flatten().collect::<Vec<_>>().join(" or ")
}
