//! One model call as seen by its caller: limits silence, time and size, and does not call a provider that is down.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::answer_size::{CONTENT_BYTES, TOO_MUCH_CONTENT, content_bytes};
use super::fault::endless;
use super::health::{Health, Ticket};
use super::secret::{self, Blotter};
use super::window::Window;
use super::{ChatModel, Delta, ErrorClass, ModelError, Prompt};

/// The longest time of a step whose model says nothing of it.
pub const STEP_TIMEOUT: Duration = Duration::from_mins(15);

/// How long a provider may be silent, and how long a step may take. Every byte it sends, even a comment, restarts the
/// wait for a sign of life; nothing restarts the time of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Before the first piece of the answer.
    pub first: Duration,
    /// Between later pieces of the answer.
    pub idle: Duration,
    /// For a whole step.
    pub step: Duration,
}

impl Patience {
    /// For built-in models.
    pub(super) const BUILT_IN: Self =
        Self { first: Duration::from_mins(2), idle: Duration::from_mins(1), step: STEP_TIMEOUT };
    /// For a remote server: a model may think for minutes before its first word.
    pub(super) const AWAY: Self =
        Self { first: Duration::from_mins(5), idle: Duration::from_mins(2), step: STEP_TIMEOUT };
    /// For a server on this machine, which may load the model first and may read a long prompt for minutes.
    pub(super) const HERE: Self =
        Self { first: Duration::from_mins(15), idle: Duration::from_mins(5), step: Duration::from_hours(1) };
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
    /// True if it runs on this machine.
    pub local: bool,
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
    /// Returns the end of a step that begins now.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.patience.step
    }

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
    agent: String,
    patience: Patience,
    until: Instant,
    /// Bytes of the answer so far.
    size: usize,
    masks: Masks,
    configurable: bool,
    ticket: Option<Ticket>,
    begun: bool,
}

impl ModelHandle {
    /// Starts one model call that ends by `until`. Dropping it cancels the call.
    #[must_use]
    pub fn ask(&self, prompt: Prompt, until: Instant) -> Asking {
        let entered = self.health.as_ref().map(Health::enter).transpose();
        self.asking(
            prompt,
            until,
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
        self.asking(prompt, self.deadline(), Ok(None))
    }

    fn asking(&self, prompt: Prompt, until: Instant, entered: Result<Option<Ticket>, ModelError>) -> Asking {
        let (ticket, refused) = match entered {
            Ok(ticket) => (ticket, None),
            Err(refused) => (None, Some(refused)),
        };
        let agent = prompt.agent.clone();
        let stream = refused.is_none().then(|| self.model.stream(prompt));
        let (provider, patience, configurable) = (self.provider.clone(), self.patience, self.health.is_some());
        Asking {
            stream,
            refused,
            provider,
            agent,
            patience,
            until,
            size: 0,
            masks: Masks::new(),
            configurable,
            ticket,
            begun: false,
        }
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
        let item = loop {
            if let Some(ready) = self.masks.ready.pop_front() {
                break Ok(ready);
            }
            match self.hear().await {
                Ok(delta) => self.masks.take(delta),
                Err(fault) => break Err(ModelError { text: secret::blot(&fault.text), ..fault }),
            }
        };
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
        let Self { stream: Some(stream), provider, until, .. } = self else {
            return Err(ModelError::transient(format!("{} was not asked", self.provider)));
        };
        let (patience, setting) = if self.begun {
            (self.patience.idle, "idle_timeout")
        } else {
            (self.patience.first, "first_token_timeout")
        };
        loop {
            let silent_at = Instant::now() + patience;
            return match timeout_at(silent_at.min(*until), stream.next()).await {
                // What is always ready is never timed out.
                Ok(Some(Ok(_))) if Instant::now() >= *until => Err(self.out_of_time()),
                Ok(Some(Ok(Delta::Alive))) => continue,
                Ok(Some(Ok(delta))) => self.measured(delta),
                Ok(Some(Err(fault))) => Err(fault),
                Ok(None) => Err(ModelError::transient(format!("the answer of {provider} was cut short"))),
                Err(_) if *until < silent_at => Err(self.out_of_time()),
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

    fn out_of_time(&self) -> ModelError {
        let (provider, secs) = (&self.provider, self.patience.step.as_secs());
        let place = if self.configurable {
            format!("step_timeout in [provider.{provider}]")
        } else {
            "the limit of a step with a built-in model".to_owned()
        };
        ModelError::transient(format!("{provider} did not end its answer within {secs} s, {place}"))
    }

    /// Refuses an answer that becomes too large.
    fn measured(&mut self, delta: Delta) -> Result<Delta, ModelError> {
        self.size += match &delta {
            Delta::Text(more) | Delta::Reasoning(more) => more.len(),
            Delta::Done(done) => done.calls.iter().map(|call| call.name.len() + content_bytes(&call.arguments)).sum(),
            Delta::TextWasReasoning | Delta::Alive | Delta::ToolCallStarted { .. } => 0,
        };
        if self.size > CONTENT_BYTES { Err(endless(&self.provider, &self.agent, TOO_MUCH_CONTENT)) } else { Ok(delta) }
    }
}

/// Masks keys in an answer before anybody sees it; what may be the beginning of a key waits for what follows.
struct Masks {
    text: Blotter,
    reasoning: Blotter,
    ready: VecDeque<Delta>,
}

impl Masks {
    fn new() -> Self {
        Self { text: Blotter::new(), reasoning: Blotter::new(), ready: VecDeque::new() }
    }

    fn take(&mut self, delta: Delta) {
        match delta {
            Delta::Text(more) => {
                let more = self.text.push(&more);
                self.say(Delta::Text(more));
            }
            Delta::Reasoning(more) => {
                let more = self.reasoning.push(&more);
                self.say(Delta::Reasoning(more));
            }
            Delta::TextWasReasoning => {
                self.end();
                self.ready.push_back(Delta::TextWasReasoning);
            }
            Delta::ToolCallStarted { name } => {
                self.ready.push_back(Delta::ToolCallStarted { name: secret::blot(&name) });
            }
            Delta::Alive => {}
            Delta::Done(mut done) => {
                self.end();
                for call in &mut done.calls {
                    (call.id, call.name) = (secret::blot(&call.id), secret::blot(&call.name));
                    secret::blot_json(&mut call.arguments);
                }
                if let Some(kept) = &mut done.kept {
                    secret::blot_json(&mut kept.value);
                }
                self.ready.push_back(Delta::Done(done));
            }
        }
    }

    /// Gives out what was held back.
    fn end(&mut self) {
        let (reasoning, text) = (self.reasoning.finish(), self.text.finish());
        self.say(Delta::Reasoning(reasoning));
        self.say(Delta::Text(text));
    }

    fn say(&mut self, delta: Delta) {
        if !matches!(&delta, Delta::Text(more) | Delta::Reasoning(more) if more.is_empty()) {
            self.ready.push_back(delta);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    /// Has a sign of a call ready whenever it is asked, or nothing ever.
    struct Model {
        ready: bool,
    }

    impl ChatModel for Model {
        fn stream(&self, _: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
            if self.ready {
                stream::repeat_with(|| Ok(Delta::ToolCallStarted { name: "look".to_owned() })).boxed()
            } else {
                stream::pending().boxed()
            }
        }
    }

    /// The end of an answer whose step has so much time.
    async fn end(ready: bool, time: Duration) -> (ModelError, Duration) {
        let model = ModelHandle {
            model: Arc::new(Model { ready }),
            provider: "local".to_owned(),
            model_name: "m".to_owned(),
            local: true,
            max_parallel: 1,
            patience: Patience::BUILT_IN,
            window: Arc::default(),
            health: None,
        };
        let begun = Instant::now();
        let mut asking = model.ask(Prompt::default(), begun + time);
        loop {
            match asking.next().await {
                Ok(_) => assert!(begun.elapsed() < time + Duration::from_secs(30), "it goes on"),
                Err(error) => return (error, begun.elapsed()),
            }
        }
    }

    #[tokio::test]
    async fn a_model_that_is_always_ready_ends_with_the_time_of_its_step() {
        let (ended, _) = end(true, Duration::from_millis(50)).await;
        assert!(ended.text.starts_with("local did not end its answer within"), "{ended}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_ends_with_the_time_of_the_step_if_that_is_shorter() {
        let (ended, after) = end(false, Duration::from_secs(10)).await;
        assert!(ended.text.starts_with("local did not end its answer within"), "{ended}");
        assert_eq!(after.as_secs(), 10);
        let (ended, after) = end(false, Patience::BUILT_IN.step).await;
        assert_eq!((ended.text.as_str(), after.as_secs()), ("local sent nothing for 120 s", 120));
    }
}
