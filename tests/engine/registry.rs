//! Which model a name leads to, without any network, and what a probe finds out over one.

use std::sync::Arc;

use crate::support::wire::{Behaviour, Protocol, WireServer};
use nightdesk::testing::config::{Config, KeySource, Limits, Provider, ProviderKind};
use nightdesk::testing::llm::{ErrorClass, KeyState, Models};
use serde_json::json;

fn env(pairs: &[(&'static str, &str)]) -> impl Fn(&str) -> Option<String> + Send + Sync + 'static {
    let pairs: Vec<(&str, String)> = pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    move |wanted| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
}

fn config(text: &str) -> Config {
    Config::parse(text, "config.toml").unwrap()
}

fn refusal(models: &Models, name: &str) -> String {
    let error = models.get(name).unwrap_err();
    assert_eq!(error.class, ErrorClass::Terminal);
    error.text
}

#[test]
fn a_name_is_a_provider_and_a_model_that_may_hold_slashes() {
    let models = Models::new(
        config("[provider.router]\nkind = \"openai\"\nbase_url = \"https://openrouter.ai/api/v1\"\n"),
        env(&[]),
    );
    let handle = models.get("router/meta/llama-3").unwrap();
    assert_eq!((handle.provider.as_str(), handle.model_name.as_str()), ("router", "meta/llama-3"));
    assert_eq!(models.get("offline").unwrap().provider, "offline");
    let unknown = "there is no provider \"nobody\"; known are router, anthropic, gemini, ollama, openai, and offline";
    assert_eq!(refusal(&models, "nobody/m"), unknown);
    assert!(refusal(&models, "gpt-4.1-mini").contains("write provider/model"));
    assert!(refusal(&models, "router/").contains("write provider/model"));
}

#[test]
fn a_missing_key_is_told_by_its_variable() {
    let models = Models::new(Config::default(), env(&[]));
    for (name, variable) in
        [("openai/m", "OPENAI_API_KEY"), ("anthropic/m", "ANTHROPIC_API_KEY"), ("gemini/m", "GEMINI_API_KEY")]
    {
        let text = refusal(&models, name);
        assert!(text.contains(&format!("{variable} is not set")), "{text}");
    }
    assert!(models.get("ollama/m").is_ok(), "a server on this machine wants no key");
}

#[test]
fn the_usual_variables_are_enough_without_an_entry() {
    let keys = env(&[("OPENAI_API_KEY", "k1"), ("ANTHROPIC_API_KEY", "k2"), ("GEMINI_API_KEY", "k3")]);
    let models = Models::new(Config::default(), keys);
    for name in ["openai/m", "anthropic/m", "gemini/m", "ollama/m"] {
        assert!(models.get(name).is_ok(), "{name}");
    }
}

#[tokio::test]
async fn openai_base_url_and_ollama_host_lead_elsewhere() {
    let openai = WireServer::start(Protocol::OpenAi, |_| Behaviour::say("ready")).await;
    let ollama = WireServer::start(Protocol::Ollama, |_| Behaviour::say("ready")).await;
    let host = ollama.base_url().trim_start_matches("http://").to_owned();
    let models =
        Models::new(Config::default(), env(&[("OPENAI_BASE_URL", &openai.base_url()), ("OLLAMA_HOST", &host)]));
    models.probe("openai/m").await.unwrap();
    models.probe("ollama/m").await.unwrap();
    assert_eq!(openai.requests()[0].path, "/v1/chat/completions");
    assert_eq!(ollama.requests()[0].path, "/api/chat");
}

#[test]
fn a_server_on_this_machine_is_asked_one_thing_at_a_time_unless_told() {
    let text = "[provider.near]\nkind = \"openai\"\nbase_url = \"http://localhost:8080\"\n\
                [provider.wide]\nkind = \"openai\"\nbase_url = \"http://[::1]:8080/v1\"\nmax_parallel = 4\n\
                [provider.far]\nkind = \"openai\"\nbase_url = \"https://example.org/v1\"\n";
    let models = Models::new(config(text), env(&[]));
    let parallel = |name: &str| models.get(name).unwrap().max_parallel;
    assert_eq!((parallel("near/m"), parallel("wide/m"), parallel("far/m")), (1, 4, 50));
    assert_eq!((parallel("ollama/m"), parallel("offline")), (1, 50));
}

#[test]
fn another_configuration_counts_from_now_on() {
    let models = Models::new(Config::default(), env(&[]));
    let clone = models.clone();
    assert!(clone.get("mine/m").is_err());
    models.replace(config("[provider.mine]\nkind = \"ollama\"\n"));
    assert!(clone.get("mine/m").is_ok());
}

#[test]
fn a_script_is_read_once_and_named_when_it_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("replies.toml");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models/faults.toml"), &file).unwrap();
    let models = Models::new(Config::default(), env(&[]));
    let name = format!("scripted/{}", file.display());
    let first = models.get(&name).unwrap();
    assert_eq!((first.provider.as_str(), first.max_parallel), ("scripted", 50));
    std::fs::remove_file(&file).unwrap();
    assert!(Arc::ptr_eq(&first.model, &models.get(&name).unwrap().model), "the same script, read once");
    let missing = format!("scripted/{}/gone.toml", dir.path().display());
    assert!(refusal(&models, &missing).contains("gone.toml"));
    assert!(refusal(&models, "scripted/replies.toml").contains("wants the whole path"));
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for endless in [format!("scripted/{}", pipe.display()), "scripted//dev/zero".to_owned()] {
        assert!(refusal(&models, &endless).ends_with("cannot be read: it is not a regular file"), "{endless}");
    }
    let key = KeySource::File(pipe.clone());
    let provider =
        Provider { kind: ProviderKind::OpenAi, base_url: None, key, max_parallel: None, limits: Limits::default() };
    let config = Config { provider: [("local".to_owned(), provider)].into(), ..Config::default() };
    let listed = Models::new(config, env(&[])).list();
    let told = KeyState::Missing(format!("cannot read the key file {}: it is not a regular file", pipe.display()));
    assert!(listed.iter().any(|known| known.key == told), "{listed:?}");
    let read = Config::load(&pipe).unwrap_err().to_string();
    assert!(read.contains("it is not a regular file"), "{read}");
}

#[test]
fn the_list_tells_what_is_there_and_never_a_key() {
    let text =
        "[provider.router]\nkind = \"openai\"\nbase_url = \"https://openrouter.ai/api/v1\"\nkey_env = \"ROUTER_KEY\"\n";
    let models = Models::new(config(text), env(&[("ROUTER_KEY", "sk-planted-0123456789")]));
    let list = models.list();
    let names: Vec<&str> = list.iter().map(|known| known.name.as_str()).collect();
    assert_eq!(names, ["offline", "anthropic", "gemini", "ollama", "openai", "router"]);
    let of = |name: &str| list.iter().find(|known| known.name == name).unwrap();
    assert_eq!(of("router").key, KeyState::There("ROUTER_KEY".into()));
    assert!(of("router").configured && !of("openai").configured);
    assert!(matches!(&of("openai").key, KeyState::Missing(text) if text.contains("OPENAI_API_KEY")));
    assert_eq!(of("ollama").key, KeyState::NotNeeded);
    assert_eq!((of("ollama").address.as_str(), of("ollama").local), ("http://127.0.0.1:11434", true));
    assert!(!format!("{list:?}").contains("planted"));
}

#[tokio::test]
async fn a_probe_tells_whether_the_model_calls_tools() {
    for protocol in <Protocol as strum::IntoEnumIterator>::iter() {
        let server = WireServer::start(protocol, |request| {
            assert_eq!(request.tools(), ["ready"]);
            Behaviour::call("ready", &json!({"word": "yes"}))
        })
        .await;
        let report = Models::new(server.config("local"), env(&[])).probe("local/m").await.unwrap();
        assert!(report.tool_calling && !report.latency.is_zero(), "{protocol:?}: {report:?}");
    }
    let server = WireServer::start(Protocol::OpenAi, |_| Behaviour::say("ready")).await;
    let report = Models::new(server.config("local"), env(&[])).probe("local/m").await.unwrap();
    assert_eq!((report.tool_calling, report.said.as_str()), (false, "ready"));
}

#[tokio::test]
async fn a_model_whose_server_refuses_tools_is_still_probed() {
    let server = WireServer::start(Protocol::Ollama, |request| {
        if request.tools().is_empty() {
            Behaviour::say("ready")
        } else {
            Behaviour::status(400, r#"{"error": "m does not support tools"}"#)
        }
    })
    .await;
    let report = Models::new(server.config("local"), env(&[])).probe("local/m").await.unwrap();
    assert_eq!((report.tool_calling, report.said.as_str()), (false, "ready"));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn nothing_is_asked_before_a_person_wants_it() {
    let server = WireServer::start(Protocol::OpenAi, |_| Behaviour::say("ready")).await;
    let models = Models::new(server.config("local"), env(&[]));
    let handle = models.get("local/m").unwrap();
    drop(handle.model.stream(nightdesk::testing::llm::Prompt::default()));
    assert_eq!(models.list().len(), 6);
    assert!(server.requests().is_empty());
}

#[test]
fn handles_do_not_print_their_keys() {
    let provider = Provider {
        kind: ProviderKind::OpenAi,
        base_url: None,
        key: KeySource::Env("MY_KEY".into()),
        max_parallel: None,
        limits: Limits::default(),
    };
    let config = Config { provider: [("mine".to_owned(), provider)].into(), ..Config::default() };
    let models = Models::new(config, env(&[("MY_KEY", "sk-planted-0123456789")]));
    let handle = models.get("mine/m").unwrap();
    assert_eq!(format!("{handle:?}"), "ModelHandle(mine/m, 50 at once)");
    assert_eq!(Arc::strong_count(&handle.model), 1);
}
