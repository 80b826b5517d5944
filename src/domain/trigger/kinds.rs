//! What makes a job: a trigger of the group's policy, or a person.
//!
//! A new kind of trigger is one file beside this one and its line in [`triggers`]. The file has: `KEY`, the setting of
//! `[group.sleeptime]` it goes by; `fires`, the cause a change is where the policy says so; `text` and `after`, that
//! cause in a few words; `schedule` and `prose`, when it fires, for a table and for a sentence.

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
        /// What made a job.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "trigger", rename_all = "snake_case")]
        pub enum Trigger {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $variant { $($(#[doc = $field_doc])* $field: $type),* },)*
            /// A person asked.
            Person {
                /// What for, if said.
                #[serde(default)]
                instruction: Option<String>,
            },
            /// A failed or cancelled job is worked off again.
            Retry {
                /// Which.
                job: JobId,
            },
        }

        impl Trigger {
            /// The keys of the triggers a group's policy may have.
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

            /// When that was, for what came of it: `after turn 12`; `None` where a person was the cause.
            #[must_use]
            pub fn after(&self) -> Option<String> {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant { $($field),* } => Some($module::after($($field),*)),)*
                    Self::Person { .. } | Self::Retry { .. } => None,
                }
            }

            /// What a person asked for in so many words.
            #[must_use]
            pub fn instruction(&self) -> Option<&str> {
                if let Self::Person { instruction } = self { instruction.as_deref() } else { None }
            }

            /// True where a person wants the work done, whether or not there is anything new to read.
            #[must_use]
            pub fn is_asked_for(&self) -> bool {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant { .. } => false,)*
                    Self::Person { .. } | Self::Retry { .. } => true,
                }
            }

            /// Every cause this change is, each with the group whose background agents it sets to work.
            pub(super) fn fired<R: Rows>(rows: &mut R, change: &Change) -> Result<Vec<(Group, Self)>, R::Fault> {
                let mut fired = Vec::new();
                $($(#[cfg($cfg)])? fired.extend($module::fires(rows, change)?);)*
                Ok(fired)
            }
        }

        impl Sleeptime {
            /// When its agents work: `every 5 turns`.
            #[must_use]
            pub fn schedule(&self) -> String {
                either([$($(#[cfg($cfg)])? $module::schedule(self)),*])
            }

            /// The same in a sentence: `every second turn`.
            #[must_use]
            pub fn schedule_in_prose(&self) -> String {
                either([$($(#[cfg($cfg)])? $module::prose(self)),*])
            }
        }
    };
}

triggers! {
    /// The Nth turn.
    Turn {
        /// Which turn.
        turn: u64
    } => turns;
    /// What the tests add.
    #[cfg(test)]
    Signal {
        /// The word.
        word: String
    } => signal;
}

/// What is there, with "or" between.
fn either<const N: usize>(schedules: [Option<String>; N]) -> String {
    schedules.into_iter().flatten().collect::<Vec<_>>().join(" or ")
}
