//! A row kind only for tests, which shows what a new one needs.

use serde::{Deserialize, Serialize};

use super::{Kind, Row};

/// A word under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The key.
    pub key: String,
    /// The word.
    pub word: String,
}

impl Row for Sample {
    const KIND: Kind = Kind::Sample;

    fn key(&self) -> String {
        self.key.clone()
    }

    fn lookup(&self) -> Option<String> {
        Some(self.word.clone())
    }
}
