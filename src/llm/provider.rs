//! A model behind a provider: builds and sends the request, reads the answer, turns faults into sentences.
//!
//! Message formats are in [`super::protocol`], transport in [`super::http`].

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, BoxStream, StreamExt as _};

use super::fault::Callee;
use super::http::{Address, Client, off_thread};
use super::protocol::read::Reading;
use super::protocol::{self, Names, Options};
use super::secret::{self, Env, Key};
use super::window::{Server, Window};
use super::{ChatModel, Delta, ModelError, Prompt};
use crate::config::{KeySource, ProviderKind};
use crate::domain::Kept;

/// How often a refused limit of the answer is lowered within one call.
const LOWERED: u32 = 3;

/// A model behind a provider.
#[derive(Clone)]
pub struct Remote {
    /// The provider's name, as used in sentences.
    pub provider: String,
    /// Its protocol.
    pub kind: ProviderKind,
    /// Its address.
    pub address: Address,
    /// Where its key is stored; read at every call.
    pub key: KeySource,
    /// The model used if the prompt names none.
    pub model: String,
    /// The environment for reading the key.
    pub env: Env,
    /// The provider's HTTP client.
    pub client: Arc<Client>,
    /// The model's context window.
    pub window: Arc<Window>,
}

impl ChatModel for Remote {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        stream::unfold(Step::Ask(Box::new((self.clone(), prompt))), advance).boxed()
    }

    fn learn_window(&self) -> Option<BoxFuture<'_, ()>> {
        self.window.is_asked_for(self.kind, &self.address).then(|| {
            async {
                // A missing key is reported by the call itself.
                if let Ok(key) = self.key().await {
                    self.window.learn(&self.server(key.as_ref())).await;
                }
            }
            .boxed()
        })
    }
}

/// The state of a call. The stream ends at `Over`.
enum Step {
    Ask(Box<(Remote, Prompt)>),
    Read(Box<(Reading, Callee)>),
    Over,
}

async fn advance(step: Step) -> Option<(Result<Delta, ModelError>, Step)> {
    let mut reading = match step {
        Step::Ask(asked) => match asked.0.open(&asked.1).await {
            Ok(reading) => Box::new(reading),
            Err(error) => return Some((Err(error), Step::Over)),
        },
        Step::Read(reading) => reading,
        Step::Over => return None,
    };
    let item = match reading.0.next().await? {
        Ok(Delta::Done(mut done)) => {
            done.kept = done.kept.map(|kept| Kept {
                protocol: <&str>::from(reading.1.kind).to_owned(),
                provider: reading.1.provider.clone(),
                model: reading.1.model.clone(),
                ..kept
            });
            Ok(Delta::Done(done))
        }
        Ok(delta) => return Some((Ok(delta), Step::Read(reading))),
        Err(fault) => Err(reading.1.fault(fault)),
    };
    Some((item, Step::Over))
}

impl Remote {
    async fn key(&self) -> Result<Option<Key>, ModelError> {
        // Only a file makes its reader wait.
        let KeySource::File(_) = self.key else { return secret::read(&self.key, &self.env) };
        let (source, env) = (self.key.clone(), Arc::clone(&self.env));
        off_thread(move || secret::read(&source, &env)).await
    }

    fn server<'a>(&'a self, key: Option<&'a Key>) -> Server<'a> {
        Server { kind: self.kind, address: &self.address, client: &self.client, model: &self.model, key }
    }

    /// Sends the request; asks again with a lower limit of the answer where the server refuses the limit.
    async fn open(&self, prompt: &Prompt) -> Result<(Reading, Callee), ModelError> {
        let key = self.key().await?;
        let model = if prompt.model.is_empty() { &self.model } else { &prompt.model };
        let names = Names::of(&prompt.tools);
        let num_ctx = match self.kind {
            ProviderKind::Ollama => Some(self.window.to_ask_for(&self.server(key.as_ref()), prompt).await),
            _ => None,
        };
        let url = self.address.below(&protocol::path(self.kind, model));
        let headers = headers(self.kind, key.as_ref());
        let mut options = Options {
            provider: &self.provider,
            model,
            official: self.address.is_official(),
            num_ctx,
            max_tokens: None,
            names: names.clone(),
        };
        let mut callee = Callee {
            kind: self.kind,
            provider: self.provider.clone(),
            model: model.clone(),
            address: self.address.shown().to_owned(),
            key_place: key.as_ref().map(|_| secret::place(&self.key)),
            agent: prompt.agent.clone(),
            limit: None,
            key,
        };
        let needed = protocol::answer_limit(self.kind, prompt, model);
        let mut lowered = 0;
        loop {
            callee.limit = self.window.answer_limit(prompt.max_tokens, needed);
            options.max_tokens = callee.limit;
            let body = protocol::request(self.kind, prompt, &options);
            let refusal = match self.client.send(&self.address, &url, &headers, &body, &callee).await {
                Ok(incoming) => return Ok((Reading::new(self.kind, names, incoming), callee)),
                Err(refusal) => refusal,
            };
            match refusal.lower_limit.filter(|_| lowered < LOWERED) {
                Some(limit) => self.window.lower_answer(limit),
                None => return Err(refusal.error),
            }
            lowered += 1;
        }
    }
}

/// Returns the headers of the protocol; no other part of the request contains the key.
fn headers(kind: ProviderKind, key: Option<&Key>) -> Vec<(&'static str, String)> {
    let version = (kind == ProviderKind::Anthropic).then(|| ("anthropic-version", "2023-06-01".to_owned()));
    let key = key.map(|key| match kind {
        ProviderKind::OpenAi | ProviderKind::Ollama => ("authorization", format!("Bearer {}", key.expose())),
        ProviderKind::Anthropic => ("x-api-key", key.expose().to_owned()),
        ProviderKind::Gemini => ("x-goog-api-key", key.expose().to_owned()),
    });
    version.into_iter().chain(key).collect()
}
