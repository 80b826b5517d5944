//! A model behind a provider: builds and sends the request, reads the answer, turns faults into sentences.
//!
//! Message formats are in [`super::protocol`], transport in [`super::http`].

use std::sync::Arc;

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
    async fn open(&self, prompt: &Prompt) -> Result<(Reading, Callee), ModelError> {
        let (source, env) = (self.key.clone(), Arc::clone(&self.env));
        let key = off_thread(move || secret::read(&source, &env)).await?;
        let model = if prompt.model.is_empty() { &self.model } else { &prompt.model };
        let names = Names::of(&prompt.tools);
        let server = Server {
            kind: self.kind,
            address: &self.address,
            client: &self.client,
            model: &self.model,
            key: key.as_ref(),
        };
        self.window.learn(&server, prompt).await;
        let options = Options {
            provider: &self.provider,
            model,
            official: self.address.is_official(),
            num_ctx: match self.kind {
                ProviderKind::Ollama => Some(self.window.to_ask_for(&server, prompt).await),
                _ => None,
            },
            names: names.clone(),
        };
        let body = protocol::request(self.kind, prompt, &options);
        let callee = Callee {
            kind: self.kind,
            provider: self.provider.clone(),
            model: model.clone(),
            address: self.address.shown().to_owned(),
            key_place: key.as_ref().map(|_| secret::place(&self.key)),
            agent: prompt.agent.clone(),
            limit: protocol::answer_limit(self.kind, prompt, model),
            key,
        };
        let url = self.address.below(&protocol::path(self.kind, model));
        let headers = headers(self.kind, callee.key.as_ref());
        let incoming = self.client.send(&self.address, &url, &headers, &body, &callee).await?;
        Ok((Reading::new(self.kind, names, incoming), callee))
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
