//! Finds the model behind a name such as `openai/gpt-4.1-mini`, `local/qwen3`, `scripted//path/replies.toml` or
//! `offline`.
//!
//! Nothing is asked of any network here, except by [`Models::probe`] when a person wants to know.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use strum::{IntoEnumIterator as _, VariantNames as _};
use tokio::time::Instant;

use super::asking::{ModelHandle, Patience};
use super::health::Health;
use super::http::{Address, Client};
use super::offline::Offline;
use super::provider::Remote;
use super::scripted::Scripted;
use super::secret::{self, Env};
use super::window::Window;
use super::{ChatModel, Delta, ErrorClass, ModelError, Prompt, PromptMessage, ToolSpec};
use crate::config::{Config, KeySource, Limits, Provider, ProviderKind};

/// How many calls of one provider may run at once, where nothing says otherwise.
const MAX_PARALLEL: u32 = 50;

/// The models that can be named. Cheap to clone; all clones see the same configuration.
#[derive(Clone)]
pub struct Models {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    config: RwLock<Config>,
    /// What is shared by all handles of a provider, by its name.
    providers: Mutex<HashMap<String, Arc<Shared>>>,
    offline: Arc<dyn ChatModel>,
    scripts: Mutex<HashMap<PathBuf, Arc<dyn ChatModel>>>,
    /// Models the caller brought, by their whole names.
    brought: RwLock<HashMap<String, ModelHandle>>,
}

/// What all handles of one provider share.
#[derive(Default)]
struct Shared {
    client: Arc<Client>,
    health: Arc<Health>,
    windows: Mutex<HashMap<String, Arc<Window>>>,
}

/// A provider as the model dialog and `doctor` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its protocol; `None` for the offline model.
    pub kind: Option<ProviderKind>,
    /// Where it listens; empty for the offline model.
    pub address: String,
    /// True when the server is on this machine.
    pub local: bool,
    /// True when it has an entry in the configuration.
    pub configured: bool,
    /// Whether it could be asked now.
    pub key: KeyState,
}

/// Whether a provider's key is there. The key itself is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The server wants none.
    NotNeeded,
    /// It lies there: the variable's name or the file.
    There(String),
    /// It is missing; the sentence says what to do.
    Missing(String),
}

/// What a tiny real call showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// From the question to the first piece of the answer.
    pub latency: Duration,
    /// What the model said, if it used words.
    pub said: String,
    /// True when it called the tool it was offered.
    pub tool_calling: bool,
}

impl Models {
    /// The models of this configuration. `env` answers the value of an environment variable; keys are read through
    /// it at every call.
    #[must_use]
    pub fn new(config: Config, env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let inner = Inner {
            env: Arc::new(env),
            config: RwLock::new(config),
            providers: Mutex::default(),
            offline: Arc::new(Offline::new()),
            scripts: Mutex::default(),
            brought: RwLock::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes another configuration from now on. Handles given out before stay as they are.
    pub fn replace(&self, config: Config) {
        *self.inner.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        self.inner.providers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Answers to this name, `provider/model`, with a model of the caller's own, before any configuration. At most
    /// `max_parallel` calls of its provider run at once.
    pub fn bring(&self, name: &str, model: Arc<dyn ChatModel>, max_parallel: u32) {
        let (provider, model_name) = name.split_once('/').unwrap_or((name, name));
        let brought = handle(model, provider, model_name, max_parallel);
        self.inner.brought.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), brought);
    }

    /// Finds the model of this name.
    ///
    /// # Errors
    /// A terminal [`ModelError`] that says what is missing: the provider, its key (by the name of the variable), the script.
    pub fn get(&self, name: &str) -> Result<ModelHandle, ModelError> {
        if let Some(brought) = self.inner.brought.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(brought.clone());
        }
        if name == "offline" {
            let model = Arc::clone(&self.inner.offline);
            return Ok(handle(model, "offline", "offline", MAX_PARALLEL));
        }
        let Some((provider, model)) = name.split_once('/').filter(|(_, model)| !model.is_empty()) else {
            return Err(ModelError::terminal(format!(
                "no model is called \"{name}\"; write provider/model, for example openai/gpt-4.1-mini, or offline"
            )));
        };
        if provider == "scripted" {
            let script = self.script(Path::new(model))?;
            return Ok(handle(script, provider, model, MAX_PARALLEL));
        }
        let entry = self.entry(provider)?;
        let address = Address::new(entry.kind, entry.base_url.as_deref())?;
        if let KeySource::Env(_) = entry.key {
            secret::read(&entry.key, &self.inner.env).map_err(|error| {
                let text = format!("{provider} cannot be asked: {}", error.text);
                ModelError { text, ..error }
            })?;
        }
        let usual = if address.is_local() { 1 } else { MAX_PARALLEL };
        let shared = self.shared(provider);
        let window = shared.window(&entry.limits, model);
        let patience = patience(&entry.limits, address.is_local());
        let remote = Remote {
            provider: provider.to_owned(),
            kind: entry.kind,
            address,
            key: entry.key,
            model: model.to_owned(),
            env: Arc::clone(&self.inner.env),
            client: Arc::clone(&shared.client),
            window: Arc::clone(&window),
        };
        let built_in = handle(Arc::new(remote), provider, model, entry.max_parallel.unwrap_or(usual));
        Ok(ModelHandle { patience, window, health: Some(Arc::clone(&shared.health)), ..built_in })
    }

    /// Every provider that has an entry or needs none, by name, and the offline model first. Reads the key files.
    #[must_use]
    pub fn list(&self) -> Vec<Known> {
        let mut entries: BTreeMap<String, (Provider, bool)> =
            ProviderKind::iter().map(|kind| (<&str>::from(kind).to_owned(), (self.usual(kind), false))).collect();
        let config = self.inner.config.read().unwrap_or_else(PoisonError::into_inner).clone();
        entries.extend(config.provider.into_iter().map(|(name, entry)| (name, (entry, true))));
        let offline = Known {
            name: "offline".to_owned(),
            kind: None,
            address: String::new(),
            local: true,
            configured: false,
            key: KeyState::NotNeeded,
        };
        let known = entries.into_iter().map(|(name, (entry, configured))| self.known(name, &entry, configured));
        std::iter::once(offline).chain(known).collect()
    }

    fn known(&self, name: String, entry: &Provider, configured: bool) -> Known {
        let address = Address::new(entry.kind, entry.base_url.as_deref());
        let key = match secret::read(&entry.key, &self.inner.env) {
            Ok(None) => KeyState::NotNeeded,
            Ok(Some(_)) => KeyState::There(secret::place(&entry.key)),
            Err(error) => KeyState::Missing(error.text),
        };
        let local = address.as_ref().is_ok_and(Address::is_local);
        let address = address.map_or_else(|error| error.text, |address| address.shown().to_owned());
        Known { name, kind: Some(entry.kind), address, local, configured, key }
    }

    /// Asks the model one short question and offers it one tool, over the network and at the user's cost, exactly as
    /// a step would: streaming, by the same request, with the same patience.
    ///
    /// # Errors
    /// The [`ModelError`] of the call, or that of [`Models::get`].
    pub async fn probe(&self, name: &str) -> Result<ProbeReport, ModelError> {
        let handle = self.get(name)?;
        let report = match ask(&handle, true).await {
            // A model that knows no tools is refused by its server, and may still be good for talking.
            Err(error) if error.class == ErrorClass::Terminal && error.text.contains("tool") => {
                ask(&handle, false).await
            }
            other => other,
        };
        if report.is_ok() {
            handle.is_well();
        }
        report
    }

    fn shared(&self, provider: &str) -> Arc<Shared> {
        let mut providers = self.inner.providers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(providers.entry(provider.to_owned()).or_default())
    }

    fn script(&self, file: &Path) -> Result<Arc<dyn ChatModel>, ModelError> {
        if !file.is_absolute() {
            let shown = file.display();
            return Err(ModelError::terminal(format!("scripted/{shown} wants the whole path, which begins with /")));
        }
        let mut scripts = self.inner.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(script) = scripts.get(file) {
            return Ok(Arc::clone(script));
        }
        let script: Arc<dyn ChatModel> = Arc::new(Scripted::load(file)?);
        scripts.insert(file.to_owned(), Arc::clone(&script));
        Ok(script)
    }

    fn entry(&self, name: &str) -> Result<Provider, ModelError> {
        let config = self.inner.config.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = config.provider.get(name) {
            return Ok(entry.clone());
        }
        name.parse().map(|kind| self.usual(kind)).map_err(|_| {
            let known = config.provider.keys().map(String::as_str);
            let known: Vec<&str> = known.chain(ProviderKind::VARIANTS.iter().copied()).collect();
            let known = known.join(", ");
            ModelError::terminal(format!("there is no provider \"{name}\"; known are {known}, and offline"))
        })
    }

    /// What stands for `[provider.KIND]` when the file has none: the variables the provider's own tools use.
    fn usual(&self, kind: ProviderKind) -> Provider {
        let env = |name: &str| (self.inner.env)(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        let base_url = match kind {
            ProviderKind::OpenAi => env("OPENAI_BASE_URL"),
            ProviderKind::Ollama => env("OLLAMA_HOST").map(|host| ollama_host(&host)),
            ProviderKind::Anthropic | ProviderKind::Gemini => None,
        };
        let key = match kind.usual_key() {
            // A server of one's own may want no key; where the variable is set, it is sent.
            Some(name) if base_url.is_none() || env(name).is_some() => KeySource::Env(name.to_owned()),
            _ => KeySource::None,
        };
        Provider { kind, base_url, key, max_parallel: None, limits: Limits::default() }
    }
}

impl Shared {
    fn window(&self, limits: &Limits, model: &str) -> Arc<Window> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(windows.entry(model.to_owned()).or_insert_with(|| Arc::new(Window::new(limits, model))))
    }
}

fn handle(model: Arc<dyn ChatModel>, provider: &str, model_name: &str, max_parallel: u32) -> ModelHandle {
    ModelHandle {
        model,
        provider: provider.to_owned(),
        model_name: model_name.to_owned(),
        max_parallel,
        patience: Patience::BUILT_IN,
        window: Arc::default(),
        health: None,
    }
}

fn patience(limits: &Limits, local: bool) -> Patience {
    let usual = if local { Patience::HERE } else { Patience::AWAY };
    let seconds = |setting: Option<u32>, usual| setting.map_or(usual, |secs| Duration::from_secs(u64::from(secs)));
    Patience { first: seconds(limits.first_token_timeout, usual.first), idle: seconds(limits.idle_timeout, usual.idle) }
}

/// `OLLAMA_HOST` as Ollama reads it: scheme and port may be missing, and the address of all interfaces is this machine.
fn ollama_host(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let after_brackets = authority.rsplit(']').next().unwrap_or(authority);
    let port = if after_brackets.contains(':') || host.contains("://") { "" } else { ":11434" };
    let authority = authority.replacen("0.0.0.0", "127.0.0.1", 1);
    format!("{scheme}://{authority}{port}/{path}")
}

async fn ask(handle: &ModelHandle, offer_tool: bool) -> Result<ProbeReport, ModelError> {
    let tool = ToolSpec {
        name: "ready".to_owned(),
        description: "Tells that you are ready.".to_owned(),
        schema: serde_json::json!({"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}),
    };
    let (question, tools) = if offer_tool {
        ("Call the tool ready with the word yes. If you cannot call tools, say: ready.", vec![tool])
    } else {
        ("Say one word: ready.", vec![])
    };
    let prompt = Prompt {
        agent: "doctor".to_owned(),
        model: handle.model_name.clone(),
        system: "You are being tried out. Be brief.".to_owned(),
        entries: vec![PromptMessage::User { by: None, text: question.to_owned() }],
        tools,
        ..Prompt::default()
    };
    let start = Instant::now();
    let mut answer = handle.ask_anyway(prompt);
    let mut report = ProbeReport { latency: Duration::ZERO, said: String::new(), tool_calling: false };
    loop {
        let delta = answer.next().await?;
        if report.latency.is_zero() {
            report.latency = start.elapsed();
        }
        match delta {
            Delta::Text(text) => report.said.push_str(&text),
            Delta::TextWasReasoning => report.said.clear(),
            Delta::Done(done) => {
                report.tool_calling = done.calls.iter().any(|call| call.name == "ready");
                return Ok(report);
            }
            Delta::Reasoning(_) | Delta::ToolCallStarted { .. } | Delta::Alive => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ollama_host;

    #[test]
    fn ollama_host_is_read_as_ollama_reads_it() {
        assert_eq!(ollama_host("127.0.0.1"), "http://127.0.0.1:11434/");
        assert_eq!(ollama_host("0.0.0.0:8000"), "http://127.0.0.1:8000/");
        assert_eq!(ollama_host("https://box.example"), "https://box.example/");
        assert_eq!(ollama_host("http://box:1/ollama"), "http://box:1/ollama");
        assert_eq!(ollama_host("[::1]"), "http://[::1]:11434/");
    }
}
