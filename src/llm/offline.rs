//! The offline model.

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::{ChatModel, Delta, Done, ModelError, Prompt};

/// Deterministic and rule-based; needs no key and no network.
#[derive(Debug, Default)]
pub struct Offline;

impl Offline {
    /// The offline model.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl ChatModel for Offline {
    fn stream(&self, _prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        stream::iter([Ok(Delta::Done(Done::default()))]).boxed()
    }
}
