//! One model call as seen by its caller: limits silence and does not call a provider that is down.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt as _};
use tokio::time::timeout;

use super::health::{Health, Ticket};
use super::window::Window;
use super::{ChatModel, Delta, ErrorClass, ModelError, Prompt};

/// How long a provider may be silent. Every byte it sends, even a comment, restarts the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Before the first piece of the answer.
    pub first: Duration,
    /// Between later pieces of the answer.
    pub idle: Duration,
}

impl Patience {
    /// For built-in models.
    pub(super) const BUILT_IN: Self = Self { first: Duration::from_mins(2), idle: Duration::from_mins(1) };
    /// For a remote server: a model may think for minutes before its first word.
    pub(super) const AWAY: Self = Self { first: Duration::from_mins(5), idle: Duration::from_mins(2) };
    /// For a server on this machine, which may load the model first and may read a long prompt for minutes.
    pub(super) const HERE: Self = Self { first: Duration::from_mins(15), idle: Duration::from_mins(5) };
}

/// A model ready to be called.
#[derive(Clone)]
pub struct ModelHandle {
    /// The model.
    pub model: Arc<dyn ChatModel>,
    /// The part of the name before the slash; `offline` and `scripted` are providers too.
    pub provider: String,
    /// The part after the slash: the value for [`Prompt::model`].
    pub model_name: String,
    /// The maximum number of concurrent calls to this provider.
    pub max_parallel: u32,
    /// How long the provider may be silent.
    pub patience: Patience,
    /// The model's context window.
    pub window: Arc<Window>,
    /// The provider's health; `None` for built-in models.
    pub(super) health: Option<Arc<Health>>,
}

impl ModelHandle {
    /// How long its provider is not to be called, at least 1 s; `None` if it can be called now.
    #[must_use]
    pub fn paused_for(&self) -> Option<Duration> {
        self.health.as_ref().and_then(|health| health.paused_for())
    }
}

impl std::fmt::Debug for ModelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModelHandle({}/{}, {} at once)", self.provider, self.model_name, self.max_parallel)
    }
}

/// A running model call.
pub struct Asking {
    /// `None` if the provider is not called.
    stream: Option<BoxStream<'static, Result<Delta, ModelError>>>,
    refused: Option<ModelError>,
    provider: String,
    patience: Patience,
    configurable: bool,
    ticket: Option<Ticket>,
    begun: bool,
}

impl ModelHandle {
    /// Starts one model call. Dropping it cancels the call.
    #[must_use]
    pub fn ask(&self, prompt: Prompt) -> Asking {
        let entered = self.health.as_ref().map(Health::enter).transpose();
        self.asking(
            prompt,
            entered.map_err(|refusal| {
                let secs = refusal.wait.as_secs().max(1);
                let text = format!(
                    "{} failed several times in a row and is left alone for {secs} s more: {}",
                    self.provider, refusal.why
                );
                ModelError { class: ErrorClass::Down, text, retry_after: Some(refusal.wait) }
            }),
        )
    }

    /// Starts one model call even if the provider is down, because a person asked for it.
    pub(super) fn ask_anyway(&self, prompt: Prompt) -> Asking {
        self.asking(prompt, Ok(None))
    }

    fn asking(&self, prompt: Prompt, entered: Result<Option<Ticket>, ModelError>) -> Asking {
        let (ticket, refused) = match entered {
            Ok(ticket) => (ticket, None),
            Err(refused) => (None, Some(refused)),
        };
        let stream = refused.is_none().then(|| self.model.stream(prompt));
        let (provider, patience) = (self.provider.clone(), self.patience);
        Asking { stream, refused, provider, patience, configurable: self.health.is_some(), ticket, begun: false }
    }

    /// Records that the provider answers.
    pub(super) fn is_well(&self) {
        self.health.iter().for_each(|health: &Arc<Health>| health.well());
    }
}

impl Asking {
    /// Returns the next delta, never [`Delta::Alive`]. The answer ends after one [`Delta::Done`] or one error.
    pub async fn next(&mut self) -> Result<Delta, ModelError> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        let item = self.hear().await;
        match &item {
            Ok(_) => {
                self.begun = true;
                if let Some(ticket) = self.ticket.take() {
                    ticket.answered();
                }
            }
            Err(fault) => {
                // An error in the middle of an answer does not count as a failure of the provider.
                let ticket = self.ticket.take().filter(|_| !self.begun);
                match ticket {
                    Some(ticket) if fault.class == ErrorClass::Transient => ticket.failed(&fault.text),
                    // A refusal is an answer too.
                    Some(ticket) if fault.class == ErrorClass::Terminal => ticket.answered(),
                    _ => {}
                }
            }
        }
        item
    }

    async fn hear(&mut self) -> Result<Delta, ModelError> {
        let Self { stream: Some(stream), provider, .. } = self else {
            return Err(ModelError::transient(format!("{} was not asked", self.provider)));
        };
        let (patience, setting) = if self.begun {
            (self.patience.idle, "idle_timeout")
        } else {
            (self.patience.first, "first_token_timeout")
        };
        loop {
            return match timeout(patience, stream.next()).await {
                Ok(Some(Ok(Delta::Alive))) => continue,
                Ok(Some(item)) => item,
                Ok(None) => Err(ModelError::transient(format!("the answer of {provider} was cut short"))),
                Err(_) => {
                    let advice = if self.configurable {
                        format!("; {setting} in [provider.{provider}] says how long it may")
                    } else {
                        String::new()
                    };
                    let secs = patience.as_secs();
                    Err(ModelError::transient(format!("{provider} sent nothing for {secs} s{advice}")))
                }
            };
        }
    }
}
