//! Finds the model behind a name such as `openai/gpt-4.1-mini`, `local/qwen3`, `scripted//path/replies.toml` or
//! `offline`.
//!
//! Only [`Models::probe`], which a person starts, uses the network.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use strum::{IntoEnumIterator as _, VariantNames as _};
use tokio::time::Instant;

use super::asking::{ModelHandle, Patience};
use super::health::Health;
use super::http::{Address, Client, off_thread};
use super::offline::Offline;
use super::provider::Remote;
use super::scripted::Scripted;
use super::secret::{self, Env};
use super::throttle::Throttle;
use super::window::Window;
use super::{ChatModel, Delta, ErrorClass, ModelError, Prompt, PromptMessage, ToolSpec};
use crate::config::{Config, KeySource, Limits, Provider, ProviderKind};

/// The default maximum of concurrent calls to one provider.
const MAX_PARALLEL: u32 = 50;

/// The models available by name. Cheap to clone; all clones share one configuration.
#[derive(Clone)]
pub struct Models {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    config: RwLock<Config>,
    /// State shared by all handles of a provider, by provider name.
    providers: Mutex<HashMap<String, Arc<Shared>>>,
    /// The pace that long answers of all providers share.
    throttle: Arc<Throttle>,
    offline: Arc<dyn ChatModel>,
    scripts: Mutex<HashMap<PathBuf, Arc<dyn ChatModel>>>,
    /// Models supplied by the caller, by full name.
    brought: RwLock<HashMap<String, ModelHandle>>,
}

/// State shared by all handles of one provider.
struct Shared {
    client: Arc<Client>,
    health: Arc<Health>,
    windows: Mutex<HashMap<String, Arc<Window>>>,
}

/// A provider as shown by the model dialog and `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its protocol; `None` for the offline model.
    pub kind: Option<ProviderKind>,
    /// Its address; empty for the offline model.
    pub address: String,
    /// True if the server runs on this machine.
    pub local: bool,
    /// True if it has an entry in the configuration.
    pub configured: bool,
    /// Whether its key is available.
    pub key: KeyState,
}

/// Whether a provider's key is available. Does not contain the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The server needs none.
    NotNeeded,
    /// The key exists here: the variable's name or the file.
    There(String),
    /// The key is missing; the sentence says what to do.
    Missing(String),
}

/// The result of a small real call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// The time from the request to the first piece of the answer.
    pub latency: Duration,
    /// The model's text; empty if it wrote none.
    pub said: String,
    /// True if it called the offered tool.
    pub tool_calling: bool,
}

impl Models {
    /// Creates the models of a configuration. `env` returns the value of an environment variable and is used to read
    /// keys at every call.
    #[must_use]
    pub fn new(config: Config, env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let inner = Inner {
            env: Arc::new(env),
            config: RwLock::new(config),
            providers: Mutex::default(),
            throttle: Arc::default(),
            offline: Arc::new(Offline::new()),
            scripts: Mutex::default(),
            brought: RwLock::default(),
        };
        let models = Self { inner: Arc::new(inner) };
        models.read_keys();
        models
    }

    /// Reads all keys, so that none of them leaves the program. A key that cannot be read is reported when it is needed.
    fn read_keys(&self) {
        let config = self.inner.config.read().unwrap_or_else(PoisonError::into_inner).clone();
        let usual = ProviderKind::iter().map(|kind| self.usual(kind).key);
        for key in config.provider.into_values().map(|provider| provider.key).chain(usual) {
            let _ = secret::read(&key, &self.inner.env);
        }
    }

    /// Replaces the configuration; reads the key files. Existing handles stay unchanged.
    pub fn replace(&self, config: Config) {
        *self.inner.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        self.inner.providers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.read_keys();
    }

    /// Registers the caller's own model under the name `provider/model`; it overrides the configuration. At most
    /// `max_parallel` calls to its provider run concurrently.
    pub fn bring(&self, name: &str, model: Arc<dyn ChatModel>, max_parallel: u32) {
        let (provider, model_name) = name.split_once('/').unwrap_or((name, name));
        // It answers in the name of a provider of the configuration, if there is one.
        let entry = self.inner.config.read().unwrap_or_else(PoisonError::into_inner).provider.get(provider).cloned();
        let address = entry.map(|entry| Address::new(entry.kind, entry.base_url.as_deref()));
        let local = address.is_none_or(|address| address.is_ok_and(|address| address.is_local()));
        let brought = ModelHandle { local, ..handle(model, provider, model_name, max_parallel) };
        self.inner.brought.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), brought);
    }

    /// Returns the model of this name.
    ///
    /// # Errors
    /// A terminal [`ModelError`] that names what is missing: the provider, its key (by variable name), the script.
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
        let local = address.is_local();
        let usual = if local { 1 } else { MAX_PARALLEL };
        let shared = self.shared(provider);
        let window = shared.window(&entry.limits, model);
        let patience = patience(&entry.limits, local);
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
        Ok(ModelHandle { patience, window, local, health: Some(Arc::clone(&shared.health)), ..built_in })
    }

    /// Like [`Models::get`], but reads a script off the threads of the engine.
    ///
    /// # Errors
    /// As [`Models::get`].
    pub async fn find(&self, name: &str) -> Result<ModelHandle, ModelError> {
        let unread = name.strip_prefix("scripted/").map(PathBuf::from).filter(|path| {
            let scripts = self.inner.scripts.lock().unwrap_or_else(PoisonError::into_inner);
            let brought = self.inner.brought.read().unwrap_or_else(PoisonError::into_inner);
            !scripts.contains_key(path) && !brought.contains_key(name)
        });
        if let Some(path) = unread {
            let models = self.clone();
            off_thread(move || models.script(&path).map(drop)).await?;
        }
        self.get(name)
    }

    /// Returns the offline model, then every configured or built-in provider by name. Reads the key files.
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

    /// Sends the model one short question and offers one tool, over the network and at the user's cost, exactly like a
    /// step: streaming, same request, same patience.
    ///
    /// # Errors
    /// The [`ModelError`] of the call or of [`Models::get`].
    pub async fn probe(&self, name: &str) -> Result<ProbeReport, ModelError> {
        let handle = self.find(name).await?;
        let report = match ask(&handle, true).await {
            // A server may reject tools for a model that still works without them.
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
        let fresh = || Arc::new(Shared::new(&self.inner.throttle));
        Arc::clone(providers.entry(provider.to_owned()).or_insert_with(fresh))
    }

    fn script(&self, file: &Path) -> Result<Arc<dyn ChatModel>, ModelError> {
        if !file.is_absolute() {
            let shown = file.display();
            return Err(ModelError::terminal(format!("scripted/{shown} wants the whole path, which begins with /")));
        }
        let scripts = || self.inner.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(script) = scripts().get(file) {
            return Ok(Arc::clone(script));
        }
        // Not under the lock, which others wait for.
        let script: Arc<dyn ChatModel> = Arc::new(Scripted::load(file)?);
        Ok(Arc::clone(scripts().entry(file.to_owned()).or_insert(script)))
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

    /// Returns the default for a missing `[provider.KIND]`: the variables the provider's own tools use.
    fn usual(&self, kind: ProviderKind) -> Provider {
        let env = |name: &str| (self.inner.env)(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        let base_url = match kind {
            ProviderKind::OpenAi => env("OPENAI_BASE_URL"),
            ProviderKind::Ollama => env("OLLAMA_HOST").map(|host| ollama_host(&host)),
            ProviderKind::Anthropic | ProviderKind::Gemini => None,
        };
        let key = match kind.usual_key() {
            // A custom server may need no key; if the variable is set, the key is sent.
            Some(name) if base_url.is_none() || env(name).is_some() => KeySource::Env(name.to_owned()),
            _ => KeySource::None,
        };
        Provider { kind, base_url, key, max_parallel: None, limits: Limits::default() }
    }
}

impl Shared {
    fn new(throttle: &Arc<Throttle>) -> Self {
        Self { client: Arc::new(Client::new(throttle)), health: Arc::default(), windows: Mutex::default() }
    }

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
        local: true,
        max_parallel,
        patience: Patience::BUILT_IN,
        window: Arc::default(),
        health: None,
    }
}

fn patience(limits: &Limits, local: bool) -> Patience {
    let usual = if local { Patience::HERE } else { Patience::AWAY };
    let seconds = |setting: Option<u32>, usual| setting.map_or(usual, |secs| Duration::from_secs(u64::from(secs)));
    Patience {
        first: seconds(limits.first_token_timeout, usual.first),
        idle: seconds(limits.idle_timeout, usual.idle),
        step: seconds(limits.step_timeout, usual.step),
    }
}

/// Parses `OLLAMA_HOST` like Ollama: scheme and port are optional, and `0.0.0.0` means this machine.
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
        ("Call the tool ready with the word yes. If you cannot call tools, say: ready.", vec![Arc::new(tool)])
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
