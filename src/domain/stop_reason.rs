//! Why a run ended.

use serde::{Deserialize, Serialize};

use super::terminate::termination_conditions;

macro_rules! define_stop_reasons {
    ($(
        $(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])?
        $condition:ident($type:ty) $module:ident $whose:ident $of_condition:literal;
    )*) => {
        stop_reasons! {
            itself {
                EndTurn "it finished";
                Passed "had nothing to add";
                AllPassed "everyone passed";
                MaxSteps "the step limit of a speech was reached";
                Budget "its budget of model calls or tokens was used up";
                Cancelled "you cancelled it";
                Interrupted "it was interrupted when the program ended";
                Error "it failed";
            }
            condition {
                TerminationToken ends "the word that ends the turn was said";
                $($(#[cfg($cfg)])? $condition $whose $of_condition;)*
            }
        }
    };
}

macro_rules! stop_reasons {
    (
        itself { $($own:ident $sentence:literal;)* }
        condition { $($(#[cfg($cfg:meta)])? $condition:ident $whose:ident $of_condition:literal;)* }
    ) => {
        /// Why a run ended.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize,
            strum::VariantArray, strum::EnumCount, strum::IntoStaticStr, strum::EnumString
        )]
        #[serde(rename_all = "snake_case")]
        #[strum(serialize_all = "snake_case")]
        pub enum StopReason {
            $(#[doc = $sentence] $own,)*
            $(#[doc = $of_condition] $(#[cfg($cfg)])? $condition,)*
        }

        impl StopReason {
            /// The reason as a short sentence for people.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$own => $sentence,)*
                    $($(#[cfg($cfg)])? Self::$condition => $of_condition,)*
                }
            }

            /// True when only a termination condition or the termination token ends a turn with this reason.
            #[must_use]
            pub fn is_condition(self) -> bool {
                match self {
                    $(Self::$own => false,)*
                    $($(#[cfg($cfg)])? Self::$condition => only_conditions!($whose),)*
                }
            }
        }
    };
}

macro_rules! only_conditions {
    (ends) => {
        true
    };
    (shares) => {
        false
    };
}

termination_conditions!(define_stop_reasons);
