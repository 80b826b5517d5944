//! People: who acts through a workbench or the command line.

use serde::{Deserialize, Serialize};

use super::PersonId;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Its id.
    pub id: PersonId,
    /// The name others see, at first that of the login.
    pub name: String,
}

impl PersonId {
    /// The person at whose login the store is, the same id in every store.
    #[must_use]
    pub fn local() -> Self {
        Self::from("person-00000000-0000-4000-8000-000000000001")
    }
}
