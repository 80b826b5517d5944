//! Finds the model behind a name such as `openai/gpt-4.1-mini`, `local/qwen3`, `scripted//path/replies.toml` or
//! `offline`.
//!
//! Nothing is asked of any network here, except by [`Models::probe`] when a person wants to know.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt as _;
use strum::{IntoEnumIterator as _, VariantNames as _};
use tokio::time::{Instant, timeout};

use super::offline::Offline;
use super::provider::{Address, Clients, Remote};
use super::scripted::Scripted;
use super::secret::{self, Env};
use super::{ChatModel, Delta, Entry, ErrorClass, ModelError, Prompt, ToolSpec};
use crate::config::{Config, KeySource, Provider, ProviderKind};

/// How many calls of one provider may run at once, where nothing says otherwise.
const MAX_PARALLEL: u32 = 50;
/// How long a probe may take in all: a local server may have to load the model first.
const PROBE: Duration = Duration::from_mins(2);

/// The models that can be named. Cheap to clone; all clones see the same configuration.
#[derive(Clone)]
pub struct Models {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    config: RwLock<Config>,
    clients: Arc<Clients>,
    offline: Arc<dyn ChatModel>,
    scripts: Mutex<HashMap<PathBuf, Arc<dyn ChatModel>>>,
    /// Models the caller brought, by their whole names.
    brought: RwLock<HashMap<String, ModelHandle>>,
}

/// A model ready to be asked.
#[derive(Clone)]
pub struct ModelHandle {
    /// Answers prompts.
    pub model: Arc<dyn ChatModel>,
    /// The part of the name before the slash; `offline` and `scripted` are providers too.
    pub provider: String,
    /// The part behind it: what [`Prompt::model`] should say.
    pub model_name: String,
    /// How many calls of this provider may run at once.
    pub max_parallel: u32,
}

impl std::fmt::Debug for ModelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModelHandle({}/{}, {} at once)", self.provider, self.model_name, self.max_parallel)
    }
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
            clients: Arc::default(),
            offline: Arc::new(Offline::new()),
            scripts: Mutex::default(),
            brought: RwLock::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes another configuration from now on. Handles given out before stay as they are.
    pub fn replace(&self, config: Config) {
        *self.inner.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Answers to this name, `provider/model`, with a model of the caller's own, before any configuration. At most
    /// `max_parallel` calls of its provider run at once.
    pub fn bring(&self, name: &str, model: Arc<dyn ChatModel>, max_parallel: u32) {
        let (provider, model_name) = name.split_once('/').unwrap_or((name, name));
        let brought = handle(model, provider, model_name, max_parallel);
        self.inner.brought.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), brought);
    }

    /// Finds the model of this name. The error is terminal and says what is missing, a key's variable by its name.
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
        let remote = Remote {
            provider: provider.to_owned(),
            kind: entry.kind,
            address,
            key: entry.key,
            model: model.to_owned(),
            env: Arc::clone(&self.inner.env),
            clients: Arc::clone(&self.inner.clients),
        };
        Ok(handle(Arc::new(remote), provider, model, entry.max_parallel.unwrap_or(usual)))
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

    /// Asks the model one short question and offers it one tool, over the network and at the user's cost.
    pub async fn probe(&self, name: &str) -> Result<ProbeReport, ModelError> {
        let handle = self.get(name)?;
        let with_tool = ask(&handle, true);
        let late = || ModelError::transient(format!("{name} gave no whole answer within {} s", PROBE.as_secs()));
        let asked = async {
            match with_tool.await {
                // A model that knows no tools is refused by its server, and may still be good for talking.
                Err(error) if error.class == ErrorClass::Terminal && error.text.contains("tool") => {
                    ask(&handle, false).await
                }
                other => other,
            }
        };
        timeout(PROBE, asked).await.unwrap_or_else(|_| Err(late()))
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
        Provider { kind, base_url, key, max_parallel: None }
    }
}

fn handle(model: Arc<dyn ChatModel>, provider: &str, model_name: &str, max_parallel: u32) -> ModelHandle {
    ModelHandle { model, provider: provider.to_owned(), model_name: model_name.to_owned(), max_parallel }
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
        model: handle.model_name.clone(),
        entries: vec![Entry::Said { by: None, text: question.to_owned() }],
        tools,
        max_tokens: Some(512),
        ..Prompt::default()
    };
    let start = Instant::now();
    let mut answer = handle.model.stream(prompt);
    let mut report = ProbeReport { latency: Duration::ZERO, said: String::new(), tool_calling: false };
    while let Some(delta) = answer.next().await {
        if report.latency.is_zero() {
            report.latency = start.elapsed();
        }
        match delta? {
            Delta::Text(text) => report.said.push_str(&text),
            Delta::Done(done) => {
                report.tool_calling = done.calls.iter().any(|call| call.name == "ready");
                return Ok(report);
            }
            Delta::Reasoning(_) | Delta::Draft { .. } => {}
        }
    }
    Err(ModelError::transient(format!("{} ended without an answer", handle.provider)))
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
