//! Checks the text of `config.toml`, key by key, and says what is wrong in words.
//!
//! The checks are written by hand over toml's spans, because serde's messages name types where a
//! person needs the keys and values that are allowed. No sentence quotes a value that could be a key.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use strum::VariantNames as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key_shape::is_key_rather_than_name;
use super::value::{Checked, KEY_ADVICE, did_you_mean, fault, number, unknown, words};
use super::{Config, Glyphs, KeySource, Limits, OnHangup, Provider, ProviderKind};
use crate::toml_file::{self, Fault, in_order, noun};

const TOP: [&str; 8] = ["alert_command", "care", "glyphs", "model", "mouse", "on_hangup", "provider", "theme"];
const PROVIDER: [&str; 9] = [
    "base_url",
    "context",
    "first_token_timeout",
    "idle_timeout",
    "key_env",
    "key_file",
    "kind",
    "max_parallel",
    "step_timeout",
];
/// The least and most tokens a model may be said to hold.
const CONTEXT: RangeInclusive<u32> = 1024..=100_000_000;
/// The least and most seconds of silence and of a step.
const SILENCE: RangeInclusive<u32> = 1..=86_400;

/// Checks a whole file.
pub(super) fn config(text: &str) -> Checked<Config> {
    let table =
        toml_file::parse(text).map_err(|fault| Fault { text: format!("this is no TOML: {}", fault.text), ..fault })?;
    let mut config = Config::default();
    let mut model_at = 0;
    for (key, value) in in_order(table.get_ref()) {
        match key.get_ref().as_ref() {
            "model" => {
                words("model", value)?.clone_into(&mut config.model);
                model_at = value.span().start;
            }
            "theme" => config.theme = theme(value)?,
            "glyphs" => config.glyphs = glyphs(value)?,
            "mouse" => config.mouse = Some(switch("mouse", value)?),
            "on_hangup" => config.on_hangup = on_hangup(value)?,
            "alert_command" => config.alert_command = command("alert_command", value)?,
            "care" => config.care = super::care::care(value)?,
            "provider" => config.provider = providers(value)?,
            other => return Err(unknown(other, &key.span(), &TOP)),
        }
    }
    model(&config, model_at)?;
    Ok(config)
}

fn theme(value: &Spanned<DeValue<'_>>) -> Checked<String> {
    let name = words("theme", value)?;
    if name.starts_with('.') || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        let text = "theme wants a name: terminal, dark, light, or a file of the themes directory without its .toml";
        return fault(&value.span(), text);
    }
    Ok(name.to_owned())
}

fn glyphs(value: &Spanned<DeValue<'_>>) -> Checked<Glyphs> {
    let word = words("glyphs", value)?;
    let unknown = |_| fault(&value.span(), format!("glyphs is \"unicode\" or \"ascii\", not \"{word}\""));
    word.parse().or_else(unknown)
}

fn on_hangup(value: &Spanned<DeValue<'_>>) -> Checked<OnHangup> {
    let word = words("on_hangup", value)?;
    let unknown = |_| fault(&value.span(), format!("on_hangup is \"work\" or \"stop\", not \"{word}\""));
    word.parse().or_else(unknown)
}

/// A program and its arguments, which no shell reads.
fn command(key: &str, value: &Spanned<DeValue<'_>>) -> Checked<Vec<String>> {
    let wanted = format!("{key} wants the program and its arguments in a list: [\"notify-send\", \"Nightdesk\"]");
    let DeValue::Array(words) = value.get_ref() else { return fault(&value.span(), wanted) };
    let word = |word: &Spanned<DeValue<'_>>| match word.get_ref() {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        _ => fault(&word.span(), wanted.clone()),
    };
    let words = words.iter().map(word).collect::<Checked<Vec<_>>>()?;
    if words.first().is_some_and(|program| program.trim().is_empty()) {
        return fault(&value.span(), wanted);
    }
    Ok(words)
}

fn switch(key: &str, value: &Spanned<DeValue<'_>>) -> Checked<bool> {
    match value.get_ref() {
        DeValue::Boolean(on) => Ok(*on),
        other => fault(&value.span(), format!("{key} is true or false without quotes, not {}", noun(other))),
    }
}

/// The default model must be one that can be found: its provider has an entry or needs none.
fn model(config: &Config, at: usize) -> Checked<()> {
    let bad = |text: String| Err(Fault { at, text });
    let name = config.model.as_str();
    if name == "offline" {
        return Ok(());
    }
    let Some((provider, model)) = name.split_once('/').filter(|(_, model)| !model.is_empty()) else {
        return bad(format!(
            "model wants provider/model, for example \"openai/gpt-4.1-mini\", or \"offline\", not \"{name}\""
        ));
    };
    if provider == "scripted" {
        return if model.starts_with('/') {
            Ok(())
        } else {
            bad("model wants the whole path after scripted/, for example \"scripted//home/me/replies.toml\"".to_owned())
        };
    }
    let mut known: Vec<&str> = config.provider.keys().map(String::as_str).collect();
    known.extend(ProviderKind::VARIANTS);
    known.sort_unstable();
    known.dedup();
    if known.contains(&provider) {
        return Ok(());
    }
    bad(format!(
        "model names the provider \"{provider}\"{}, which has no [provider.{provider}]; known here: {}",
        did_you_mean(provider, &known),
        known.join(", ")
    ))
}

fn providers(value: &Spanned<DeValue<'_>>) -> Checked<BTreeMap<String, Provider>> {
    let DeValue::Table(table) = value.get_ref() else {
        return fault(&value.span(), "provider wants tables: write [provider.NAME] on a line of its own");
    };
    let mut providers = BTreeMap::new();
    for (key, value) in in_order(table) {
        let name = key.get_ref().as_ref();
        let DeValue::Table(entry) = value.get_ref() else {
            return fault(
                &key.span(),
                format!("provider.{name} wants a table: write [provider.{name}] and its keys below"),
            );
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty() || !name.chars().all(plain) || ["offline", "scripted"].contains(&name) {
            let text =
                "a provider's name is letters, digits, dot, dash and underscore, and neither offline nor scripted";
            return fault(&key.span(), text);
        }
        providers.insert(name.to_owned(), provider(name, key.span().start, entry)?);
    }
    Ok(providers)
}

fn provider(name: &str, at: usize, entry: &DeTable<'_>) -> Checked<Provider> {
    let (mut kind, mut base_url, mut key_source, mut max_parallel) = (name.parse().ok(), None, None, None);
    let mut limits = Limits::default();
    for (key, value) in in_order(entry) {
        match key.get_ref().as_ref() {
            "kind" => kind = Some(provider_kind(value)?),
            "base_url" => base_url = Some(address(value)?),
            "key_env" | "key_file" if key_source.is_some() => {
                return fault(&key.span(), "a provider has one key: give key_env or key_file, not both");
            }
            "key_env" => key_source = Some(KeySource::Env(variable(value)?)),
            "key_file" => key_source = Some(KeySource::File(PathBuf::from(key_file(value)?))),
            "max_parallel" => max_parallel = Some(number("max_parallel", value, &(1..=1000))?),
            "first_token_timeout" => limits.first_token_timeout = Some(seconds("first_token_timeout", value)?),
            "idle_timeout" => limits.idle_timeout = Some(seconds("idle_timeout", value)?),
            "step_timeout" => limits.step_timeout = Some(seconds("step_timeout", value)?),
            "context" => contexts(value, &mut limits)?,
            other => return Err(unknown(other, &key.span(), &PROVIDER)),
        }
    }
    let Some(kind) = kind else {
        return Err(Fault { at, text: format!("provider.{name} lacks its kind: one of {}", kinds()) });
    };
    let key = key_source.unwrap_or_else(|| usual_key(kind, base_url.is_some()));
    Ok(Provider { kind, base_url, key, max_parallel, limits })
}

/// A server of one's own wants no key unless told; a provider's own address wants the usual one.
fn usual_key(kind: ProviderKind, own_server: bool) -> KeySource {
    match kind.usual_key() {
        Some(name) if !own_server => KeySource::Env(name.to_owned()),
        _ => KeySource::None,
    }
}

fn kinds() -> String {
    ProviderKind::VARIANTS.join(", ")
}

fn provider_kind(value: &Spanned<DeValue<'_>>) -> Checked<ProviderKind> {
    let word = words("kind", value)?;
    word.parse().or_else(|_| {
        let near = did_you_mean(word, ProviderKind::VARIANTS);
        fault(&value.span(), format!("kind is one of {}, not \"{word}\"{near}", kinds()))
    })
}

fn address(value: &Spanned<DeValue<'_>>) -> Checked<String> {
    let url = words("base_url", value)?;
    let example = "for example \"http://127.0.0.1:8080/v1\"";
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
        return fault(&value.span(), format!("base_url begins with http:// or https://, {example}"));
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return fault(&value.span(), format!("base_url holds a name or password before the @; {KEY_ADVICE}"));
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || "?#".contains(c);
    if host.is_empty() || host.starts_with(':') || rest.contains(odd) {
        return fault(&value.span(), format!("base_url is a host and a path and nothing else, {example}"));
    }
    Ok(url.to_owned())
}

fn variable(value: &Spanned<DeValue<'_>>) -> Checked<String> {
    let name = words("key_env", value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let key = is_key_rather_than_name(name);
    if name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) && !key {
        return Ok(name.to_owned());
    }
    fault(
        &value.span(),
        "key_env wants the name of a variable, for example \"OPENAI_API_KEY\", and never the key itself",
    )
}

fn key_file<'a>(value: &'a Spanned<DeValue<'_>>) -> Checked<&'a str> {
    let path = words("key_file", value)?;
    if path.starts_with('/') || path.starts_with("~/") {
        return Ok(path);
    }
    fault(&value.span(), "key_file wants a path that begins with / or ~/, and never the key itself")
}

fn seconds(key: &str, value: &Spanned<DeValue<'_>>) -> Checked<u32> {
    number(key, value, &SILENCE).map_err(|fault| Fault { text: format!("{}; it counts seconds", fault.text), ..fault })
}

/// `context = N`, or `context = { MODEL = N }` where its models differ.
fn contexts(value: &Spanned<DeValue<'_>>, limits: &mut Limits) -> Checked<()> {
    let DeValue::Table(models) = value.get_ref() else {
        limits.context = Some(number("context", value, &CONTEXT).map_err(|fault| Fault {
            text: format!("{} (tokens), or {{ \"MODEL\" = N }} for single models", fault.text),
            ..fault
        })?);
        return Ok(());
    };
    for (model, value) in in_order(models) {
        let tokens = number("context of a model", value, &CONTEXT)?;
        limits.contexts.insert(model.get_ref().as_ref().to_owned(), tokens);
    }
    Ok(())
}
