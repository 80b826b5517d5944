//! The scripted model.

use std::path::Path;

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::{ChatModel, Delta, Done, ModelError, Prompt};

/// Replies from a TOML file.
#[derive(Debug)]
pub struct Scripted;

impl Scripted {
    /// Reads the script.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        std::fs::read_to_string(path)
            .map(|_| Self)
            .map_err(|error| ModelError::terminal(format!("cannot read the script {}: {error}", path.display())))
    }
}

impl ChatModel for Scripted {
    fn stream(&self, _prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        stream::iter([Ok(Delta::Done(Done::default()))]).boxed()
    }
}
