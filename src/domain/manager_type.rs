//! The manager types: the list of patterns by name. What each pattern does is in its file in [`super::pattern`].

use serde::{Deserialize, Serialize};

/// The list of patterns, one line each: the manager type, and the module that holds its `PATTERN`. The name on the
/// wire and in files is the variant in snake case.
macro_rules! patterns {
    ($with:ident) => {
        $with! {
            /// Members speak in stored order.
            RoundRobin => round_robin;
            /// A manager delegates to the members, collects their answers, and answers.
            Supervisor => supervisor;
            /// A manager chooses who speaks next.
            Dynamic => dynamic;
            /// One manager agent answers; others work in the background.
            Sleeptime => sleeptime;
            /// Only in tests.
            #[cfg(test)]
            Relay => relay;
        }
    };
}
pub(crate) use patterns;

macro_rules! define_manager_type {
    ($($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $variant:ident => $module:ident;)*) => {
        /// The manager types: the patterns by name.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize,
            strum::VariantArray, strum::EnumCount, strum::IntoStaticStr, strum::EnumString
        )]
        #[serde(rename_all = "snake_case")]
        #[strum(serialize_all = "snake_case")]
        pub enum ManagerType {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $variant,)*
        }
    };
}
patterns!(define_manager_type);
