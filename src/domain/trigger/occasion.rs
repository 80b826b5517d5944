//! What happens in a group, for the triggers that listen to it.

use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

/// What happens in a group.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Occasion {
    /// A turn or a job of the group ends with an error.
    RunFailed,
    /// A job of the group completes that had something to do.
    JobCompleted,
    /// An agent of the group asks for approval of a tool call.
    Approval,
    /// Mail that answers none is sent to an agent of the group.
    Mail,
}

impl Occasion {
    /// The name in a team file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// A noun for it.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::RunFailed => "failed run",
            Self::JobCompleted => "completed job",
            Self::Approval => "request for approval",
            Self::Mail => "mail",
        }
    }

    /// Each occasion with its meaning.
    #[must_use]
    pub fn choices() -> Vec<(&'static str, &'static str)> {
        let about = |occasion| match occasion {
            Self::RunFailed => "a turn or a job of the group ends with an error",
            Self::JobCompleted => "a job of the group completes that had something to do",
            Self::Approval => "an agent of the group asks for approval of a tool call",
            Self::Mail => "mail that answers none is sent to an agent of the group",
        };
        Self::VARIANTS.iter().map(|occasion| (occasion.as_str(), about(*occasion))).collect()
    }
}
