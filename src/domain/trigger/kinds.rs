//! What the kinds of triggers do.
//!
//! A new kind is one file beside this one and one line in the list of [`super::cause`]. The file has: `KEY`, its name in a
//! team file; `FIELDS`, the keys of its table, with `read` and `write` for their values; `of`, the triggers of this kind
//! that the settings of a group ask for; `topic`, by which they are looked up; `heard`, the changes that follow from a
//! change, such as its firing; `HAS_INPUT`, whether its job has something to do without new messages; `text` and
//! `after`, its cause in a few words; `brought`, what its job is told; `schedule` and `prose`, when it fires, for a table
//! and for a sentence.

use jiff::Timestamp;

use super::cause::triggers;
#[cfg(test)]
use super::signal;
use super::table::{Field, Input, Values};
use super::{Cause, CauseKind, TriggerSpec, When, block_changed, cron, event, idle, on, source, turns};
use crate::domain::setting::Value;
use crate::domain::state::Rows;
use crate::domain::{Change, Group, GroupId, Sleeptime};

macro_rules! define_behaviour {
    ($(
        $(#[cfg($cfg:meta)])? $module:ident:
        $(#[doc = $when_doc:literal])*
        $when:ident { $($(#[doc = $when_field_doc:literal])* $when_field:ident: $when_type:ty),* $(,)? }
        $(#[doc = $doc:literal])*
        => $variant:ident { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty),* $(,)? };
    )*) => {
        impl When {
            /// The names of the kinds in a team file.
            pub const KEYS: &[&str] = &[$($(#[cfg($cfg)])? $module::KEY),*];

            /// The name of the kind in a team file.
            #[must_use]
            pub fn key(&self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Self::$when { .. } => $module::KEY,)*
                }
            }

            /// The keys of the table of the kind with this name.
            pub(super) fn fields_of(key: &str) -> &'static [Field] {
                $($(#[cfg($cfg)])? if key == $module::KEY { return $module::FIELDS; })*
                &[]
            }

            /// Reads the checked values of the table of the kind with this name.
            pub(super) fn read(key: &str, values: &Values) -> Result<Self, String> {
                $($(#[cfg($cfg)])? if key == $module::KEY { return $module::read(values); })*
                Err(format!("there is no trigger {key}"))
            }

            /// The values of its table.
            pub(super) fn write(&self) -> Vec<(&'static str, Value)> {
                match self {
                    $($(#[cfg($cfg)])? Self::$when { $($when_field),* } => $module::write($($when_field),*),)*
                }
            }

            /// What a trigger of the group listens to.
            #[must_use]
            pub fn topic(&self, group: &GroupId) -> String {
                match self {
                    $($(#[cfg($cfg)])? Self::$when { $($when_field),* } => $module::topic(group, $($when_field),*),)*
                }
            }

            /// When it fires: `every 5 turns`.
            #[must_use]
            pub fn schedule(&self) -> String {
                match self {
                    $($(#[cfg($cfg)])? Self::$when { $($when_field),* } => $module::schedule($($when_field),*),)*
                }
            }

            /// [`Self::schedule`] for use in a sentence: `every second turn`.
            #[must_use]
            pub fn prose(&self) -> String {
                match self {
                    $($(#[cfg($cfg)])? Self::$when { $($when_field),* } => $module::prose($($when_field),*),)*
                }
            }
        }

        impl CauseKind {
            /// The cause in a few words: `turn 12`.
            #[must_use]
            pub fn text(&self) -> String {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant { $($field),* } => $module::text($($field),*),)*
                    Self::Person { .. } => "you asked".to_owned(),
                    Self::Retry { .. } => "retry".to_owned(),
                }
            }

            /// Whether its job has something to do without new messages.
            fn input(&self) -> Input {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant { .. } => $module::HAS_INPUT,)*
                    Self::Person { .. } | Self::Retry { .. } => Input::Always,
                }
            }

            /// What the agent is told of it, in sentences, if that is more than when it was.
            #[must_use]
            pub fn brought(&self) -> Option<String> {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant { $($field),* } => $module::brought($($field),*),)*
                    Self::Person { .. } | Self::Retry { .. } => None,
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
        }

        impl Sleeptime {
            /// The triggers it asks for.
            #[must_use]
            pub fn all_triggers(&self) -> Vec<TriggerSpec> {
                let mut specs = Vec::new();
                $($(#[cfg($cfg)])? specs.extend($module::of(self));)*
                specs.extend(self.triggers.iter().cloned());
                specs
            }
        }

        /// What follows from the change for all triggers.
        pub(super) fn heard<R: Rows>(rows: &mut R, change: &Change, at: Timestamp) -> Result<Vec<Change>, R::Fault> {
            let mut made = Vec::new();
            $($(#[cfg($cfg)])? made.extend($module::heard(rows, change, at)?);)*
            Ok(made)
        }
    };
}
triggers!(define_behaviour);

impl Cause {
    /// True when its job has something to do without new messages (J9).
    #[must_use]
    pub fn has_input(&self) -> bool {
        match self.kind.input() {
            Input::Always => true,
            Input::WithTask => self.task.is_some(),
            Input::Never => false,
        }
    }

    /// What a person asked for, if given.
    #[must_use]
    pub fn instruction(&self) -> Option<&str> {
        if let CauseKind::Person { instruction } = &self.kind { instruction.as_deref() } else { None }
    }
}

impl Sleeptime {
    /// When jobs are created: `every 5 turns`.
    #[must_use]
    pub fn schedule(&self) -> String {
        either(self.all_triggers().iter().map(|spec| spec.when.schedule()))
    }

    /// [`Self::schedule`] for use in a sentence: `every second turn`.
    #[must_use]
    pub fn schedule_in_prose(&self) -> String {
        either(self.all_triggers().iter().map(|spec| spec.when.prose()))
    }
}

impl Group {
    /// The triggers of its background policy.
    #[must_use]
    pub fn triggers(&self) -> Vec<TriggerSpec> {
        self.sleeptime.as_ref().map(Sleeptime::all_triggers).unwrap_or_default()
    }
}

/// Joins the schedules with "or".
fn either(schedules: impl Iterator<Item = String>) -> String {
    schedules.collect::<Vec<_>>().join(" or ")
}
