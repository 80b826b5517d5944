//! Turns provider errors into one sentence each.
//!
//! Every text from a server passes [`clean`] before it becomes part of a sentence.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::protocol::Fault;
use super::secret::{Key, clean};
use super::{ErrorClass, ModelError};
use crate::config::ProviderKind;

/// The target of a call; provides the details for the sentences.
#[derive(Debug, Clone)]
pub(super) struct Callee {
    /// Its protocol.
    pub kind: ProviderKind,
    /// The provider's name.
    pub provider: String,
    /// The model's name behind it.
    pub model: String,
    /// Its address.
    pub address: String,
    /// Where the key is stored, in words; `None` if none is sent.
    pub key_place: Option<String>,
    /// The agent that called, to name the setting to change.
    pub agent: String,
    /// The maximum number of tokens in the answer; `None` if no limit was sent.
    pub limit: Option<u32>,
    /// The key that was sent, to keep it out of the sentences.
    pub key: Option<Key>,
}

/// Phrases servers use for a prompt that exceeds the model's window, in lower case.
const TOO_LONG: [&str; 19] = [
    "context_length_exceeded",
    "context length",
    "context_size",
    "context size",
    "context window",
    "context limit",
    "maximum model length",
    "maximum prompt length",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input token count",
    "reduce the length",
    "too large for model",
    "too many input tokens",
    "max_prompt_tokens",
    "request_too_large",
    "exceeds the maximum number of tokens",
    "tokens too many",
];

/// What servers call the limit of an answer, in lower case.
const LIMIT: [&str; 7] = [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxoutputtokens",
    "num_predict",
    "output tokens",
    "completion tokens",
];
/// The smallest limit of an answer that a refusal leads to, in tokens.
const LEAST_LIMIT: u32 = 256;

/// The numbers in a sentence, without those in names such as `claude-3-5-haiku-20241022`; `8,192` is one number.
fn numbers(words: &str) -> impl Iterator<Item = u32> {
    words
        .split(|c: char| !(c.is_alphanumeric() || "-_.,/".contains(c)))
        .filter_map(|word| word.trim_matches(['.', ',']).replace(',', "").parse().ok())
}

/// Returns true if an error body says that the prompt exceeds the model's window.
fn is_too_long(body: &str) -> bool {
    let body = body.to_lowercase();
    TOO_LONG.iter().any(|words| body.contains(words))
}

impl Callee {
    /// Makes a server's text safe for a sentence.
    pub fn clean(&self, text: &str) -> String {
        clean(text, self.key.as_ref())
    }

    /// Builds the error for a non-success status.
    pub fn status(&self, status: u16, reason: &str, wait: Option<Duration>, body: &str) -> ModelError {
        let (name, body_says) = (&self.provider, self.body_says(body));
        let says = |fallback: &str| if body_says.is_empty() { fallback.to_owned() } else { body_says.clone() };
        let and = if body_says.is_empty() { String::new() } else { format!(": {body_says}") };
        let text = match (status, &self.key_place) {
            // The body of a 401 often quotes part of the key, so it is left out.
            (401, Some(place)) => format!("{name} refused the key in {place} (401)"),
            (401, None) => format!("{name} wants a key (401); name one with key_env in [provider.{name}]"),
            (403, _) => format!("{name} does not allow this (403){and}"),
            (404, _) => format!("{name} knows no model \"{}\" at {} (404){and}", self.model, self.address),
            (429, _) if out_of_credit(body) => format!("429 from {name}: the account has no credit left{and}"),
            (429, _) => format!("429 from {name}: too many requests{}", asks_to_wait(wait)),
            (300..=399, _) => format!("{status} from {name}: {} sends us elsewhere; correct base_url", self.address),
            (500.., _) => format!("{status} from {name}: {}{}", says(&reason.to_lowercase()), asks_to_wait(wait)),
            _ => format!("{status} from {name}: {}", says(&reason.to_lowercase())),
        };
        let class = match status {
            429 if out_of_credit(body) => ErrorClass::Terminal,
            400 | 413 | 422 | 500 if is_too_long(body) => return self.too_long(&text),
            _ => class_of(status),
        };
        let advice = match status {
            403 => format!("; does the key cover {}?", self.model),
            404 => format!("; choose a model it has, or correct base_url in [provider.{name}]"),
            429 if class == ErrorClass::Terminal => "; add credit, or choose another provider's model".to_owned(),
            400 | 405..=499 if class == ErrorClass::Terminal => {
                format!("; choose another model, or correct [provider.{name}]")
            }
            _ => String::new(),
        };
        ModelError { class, text: text + &advice, retry_after: wait }
    }

    /// Builds the error for a prompt that exceeds the model's window.
    fn too_long(&self, told: &str) -> ModelError {
        let (name, model) = (&self.provider, &self.model);
        let advice = format!("say in [provider.{name}] how many tokens {model} holds: context = N");
        ModelError { class: ErrorClass::TooLong, text: format!("{told}; {advice}"), retry_after: None }
    }

    /// Returns the limit of the answer to ask for instead, in tokens, if an error body says that the one sent is too
    /// high: the one it names, else half.
    pub fn lower_limit(&self, status: u16, body: &str) -> Option<u32> {
        let sent = self.limit.filter(|sent| *sent > LEAST_LIMIT && matches!(status, 400 | 422))?;
        let told = self.body_says(body);
        let words = told.to_lowercase();
        if !LIMIT.iter().any(|name| words.contains(name)) {
            return None;
        }
        if is_too_long(body) {
            // "1000 + 16384 > 8192": a shorter prompt helps only if the limit leaves room for one.
            let window = numbers(told.split_once('>')?.1).next()?;
            return (sent > window / 2).then_some((window / 4).max(LEAST_LIMIT));
        }
        let named = numbers(&words).filter(|number| (LEAST_LIMIT..sent).contains(number)).max();
        let exclusive = u32::from(words.contains("exclusive"));
        Some(named.map_or(sent / 2, |named| named - exclusive).max(LEAST_LIMIT))
    }

    /// Builds the error for a [`Fault`].
    pub fn fault(&self, fault: Fault) -> ModelError {
        let name = &self.provider;
        match fault {
            Fault::Told(error) => self.event(&error),
            Fault::Words(words) => {
                ModelError::transient(format!("{name} did not answer but said: {}", self.clean(&words)))
            }
            Fault::Page(words) => ModelError::transient(format!(
                "{name} answered with a web page (HTML) and not with words of a model: {}; does a network here want \
                 you to sign in, or is base_url wrong?",
                self.clean(&words)
            )),
            Fault::Blocked(reason) => ModelError::terminal(format!(
                "{name} refused the prompt, which was blocked: {}; say it in other words",
                self.clean(&reason)
            )),
            Fault::Malformed(what) => self.malformed(&what),
            Fault::Limit { call } => {
                let now = self.limit.map_or(String::new(), |limit| format!(", now {limit}"));
                let call = self.clean(&call);
                ModelError::terminal(format!(
                    "the answer of {name} was cut short: the token limit ended it inside a call of {call}; {}{now}",
                    raise(&self.agent)
                ))
            }
            Fault::Endless(why) => endless(name, &self.agent, why),
            Fault::Broken(why) => self.broken(&why),
            Fault::Cut => self.cut_short(),
        }
    }

    /// Builds the error that the server reported inside its answer.
    pub fn event(&self, body: &Value) -> ModelError {
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
        let word = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| match error.get(key) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        let code = number("code").or_else(|| number("status")).and_then(|code| u16::try_from(code).ok());
        let stays = [
            "invalid_request",
            "authentication",
            "permission",
            "not_found",
            "billing",
            "INVALID_ARGUMENT",
            "BadRequest",
            "insufficient_quota",
        ];
        let class = match code {
            Some(code @ 400..) => class_of(code),
            _ if stays.iter().any(|kind| word("type").contains(kind) || word("status").contains(kind)) => {
                ErrorClass::Terminal
            }
            _ => ErrorClass::Transient,
        };
        let body = body.to_string();
        let told = self.body_says(&body);
        let why = if told.is_empty() { "it did not say why" } else { &told };
        let text = format!("{} broke off its answer: {why}", self.provider);
        if is_too_long(&body) { self.too_long(&text) } else { ModelError { class, text, retry_after: None } }
    }

    /// Builds the error for a failed connection.
    pub fn unreachable(&self, why: &str) -> ModelError {
        ModelError::transient(format!("could not reach {}: {}", self.address, self.clean(why)))
    }

    /// Builds the error for a broken connection or unreadable data.
    pub fn broken(&self, why: &str) -> ModelError {
        ModelError::transient(format!("the answer of {} was cut short: {}", self.provider, self.clean(why)))
    }

    /// Builds the error for an incomplete answer.
    pub fn cut_short(&self) -> ModelError {
        ModelError::transient(format!("the answer of {} was cut short", self.provider))
    }

    /// Builds the error for a complete answer with unusable calls.
    pub fn malformed(&self, what: &str) -> ModelError {
        ModelError::transient(format!("{} sent a malformed tool call: {}", self.provider, self.clean(what)))
    }

    /// Builds the error for a call the protocol cannot express.
    pub fn unsendable(&self, why: &str) -> ModelError {
        ModelError::terminal(format!("cannot ask {}: {}", self.provider, self.clean(why)))
    }

    /// Returns the message in an error body: from the usual JSON fields, else the text unless it is HTML.
    fn body_says(&self, body: &str) -> String {
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            let page = body.trim_start().starts_with('<');
            return if page { String::new() } else { self.clean(body) };
        };
        let first = value.get(0).unwrap_or(&value);
        let places = ["/error/message", "/error", "/message", "/detail"];
        let found = places.iter().find_map(|place| first.pointer(place).and_then(Value::as_str));
        // A gateway reports the underlying provider's message separately.
        let behind = first.pointer("/error/metadata/raw").and_then(Value::as_str);
        let both = behind.map(|behind| format!("{}: {behind}", found.unwrap_or_default()));
        self.clean(both.as_deref().or(found).unwrap_or_default()).trim_end_matches('.').to_owned()
    }
}

/// Builds the error for an answer that exceeds a limit of size.
pub(super) fn endless(provider: &str, agent: &str, why: &str) -> ModelError {
    ModelError::terminal(format!(
        "the answer of {provider} does not end: {why}; lower max_tokens of {agent}, or choose another model"
    ))
}

/// Returns the advice for an answer cut by the token limit.
pub(crate) fn raise(agent: &str) -> String {
    if agent.is_empty() { "raise max_tokens".to_owned() } else { format!("raise max_tokens of {agent}") }
}

fn out_of_credit(body: &str) -> bool {
    body.contains("insufficient_quota")
}

fn asks_to_wait(wait: Option<Duration>) -> String {
    wait.map_or(String::new(), |wait| format!(", it asks to wait {} s", wait.as_millis().div_ceil(1000)))
}

/// Returns which statuses are worth retrying (J7).
fn class_of(status: u16) -> ErrorClass {
    match status {
        408 | 425 | 429 | 500.. => ErrorClass::Transient,
        _ => ErrorClass::Terminal,
    }
}

/// Returns how long the server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date. A date is
/// relative to the server's `date` header if present, else to `now`, because the two clocks may differ.
pub(super) fn retry_after<'a>(header: impl Fn(&str) -> Option<&'a str>, now: Timestamp) -> Option<Duration> {
    if let Some(millis) = header("retry-after-ms").and_then(|text| text.trim().parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let text = header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let moment = |text: &str| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok();
    let from = header("date").and_then(moment).unwrap_or(now);
    Some(Duration::try_from(moment(text)?.duration_since(from)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use serde_json::json;

    use super::{Callee, retry_after};
    use crate::config::ProviderKind;
    use crate::llm::ErrorClass;
    use crate::llm::secret::Key;

    fn callee(key_place: Option<&str>) -> Callee {
        Callee {
            kind: ProviderKind::OpenAi,
            agent: String::new(),
            limit: None,
            provider: "openai".into(),
            model: "gpt-4.1-mini".into(),
            address: "https://api.openai.com/v1/".into(),
            key_place: key_place.map(str::to_owned),
            key: Key::new("sk-0123456789"),
        }
    }

    #[test]
    fn each_status_is_a_sentence_with_its_class() {
        let wait = Some(Duration::from_millis(11_500));
        let body = r#"{"error":{"message":"The server is sad.","type":"x"}}"#;
        let of = |status, body| {
            let error = callee(Some("OPENAI_API_KEY")).status(status, "Some Reason", None, body);
            (error.class == ErrorClass::Transient, error.text)
        };
        let waiting = callee(None).status(429, "", wait, "").text;
        assert_eq!(waiting, "429 from openai: too many requests, it asks to wait 12 s");
        assert_eq!(of(401, body), (false, "openai refused the key in OPENAI_API_KEY (401)".into()));
        assert_eq!(
            of(403, body),
            (false, "openai does not allow this (403): The server is sad; does the key cover gpt-4.1-mini?".into())
        );
        assert_eq!(of(503, body), (true, "503 from openai: The server is sad".into()));
        assert_eq!(of(503, "<html>a page</html>"), (true, "503 from openai: some reason".into()));
        let plain = "400 from openai: plain words; choose another model, or correct [provider.openai]";
        assert_eq!(of(400, "plain\nwords"), (false, plain.into()));
        assert_eq!(of(529, "[{\"error\":{\"message\":\"in a list\"}}]"), (true, "529 from openai: in a list".into()));
        let none_left = r#"{"error":{"message":"Buy some.","code":"insufficient_quota"}}"#;
        let none_told = "the account has no credit left: Buy some; add credit, or choose another provider's model";
        assert_eq!(of(429, none_left), (false, format!("429 from openai: {none_told}")));
        let missing = "openai knows no model \"gpt-4.1-mini\" at https://api.openai.com/v1/ (404); choose a model it \
                       has, or correct base_url in [provider.openai]";
        assert_eq!(of(404, ""), (false, missing.into()));
        let elsewhere = "307 from openai: https://api.openai.com/v1/ sends us elsewhere; correct base_url";
        assert_eq!(of(307, ""), (false, elsewhere.into()));
    }

    #[test]
    fn an_error_in_the_stream_has_the_class_of_its_type_or_code() {
        let class = |body| callee(None).event(&body).class;
        assert_eq!(class(json!({"error": {"type": "overloaded_error", "message": "m"}})), ErrorClass::Transient);
        assert_eq!(class(json!({"error": {"type": "invalid_request_error"}})), ErrorClass::Terminal);
        assert_eq!(class(json!({"code": 502, "message": "m"})), ErrorClass::Transient);
        assert_eq!(class(json!({"code": 402, "message": "m"})), ErrorClass::Terminal);
        assert_eq!(callee(None).event(&json!({"message": "gone"})).text, "openai broke off its answer: gone");
    }

    #[test]
    fn a_prompt_that_is_too_long_is_known_by_the_words_of_every_server() {
        for words in [
            r#"{"error": {"message": "This model's maximum context length is 8192 tokens.", "code": "context_length_exceeded"}}"#,
            r#"{"type": "error", "error": {"message": "prompt is too long: 200001 tokens > 200000 maximum"}}"#,
            r#"{"error": {"message": "input length and `max_tokens` exceed context limit: 1 + 2 > 2"}}"#,
            r#"{"error": {"message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}"#,
            r#"{"error": {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."}}"#,
            r#"{"error": "Please reduce the length of the messages or completion."}"#,
        ] {
            let error = callee(None).status(400, "Bad Request", None, words);
            assert_eq!(error.class, ErrorClass::TooLong, "{words}");
            assert!(error.text.ends_with("how many tokens gpt-4.1-mini holds: context = N"), "{}", error.text);
            let told = callee(None).event(&serde_json::from_str(words).unwrap());
            assert_eq!(told.class, ErrorClass::TooLong, "{words}");
        }
    }

    #[test]
    fn a_refused_limit_of_the_answer_is_lowered_to_the_one_that_is_named_or_halved() {
        let lower = |words: &str| {
            let callee = Callee { limit: Some(16_384), ..callee(None) };
            callee.lower_limit(400, &json!({"error": {"message": words}, "request": 900}).to_string())
        };
        let named =
            "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for claude-3-5-1024";
        assert_eq!(lower(named), Some(8_192));
        assert_eq!(
            lower("max_tokens is too large: 16384. This model supports at most 4,096 completion tokens."),
            Some(4_096)
        );
        assert_eq!(
            lower("maxOutputTokens: the supported range is from 1 (inclusive) to 8193 (exclusive)."),
            Some(8_192)
        );
        assert_eq!(lower("Invalid value for max_tokens."), Some(8_192));
        assert_eq!(lower("input length and `max_tokens` exceed context limit: 900 + 16384 > 8192"), Some(2_048));
        assert_eq!(lower("input length and `max_tokens` exceed context limit: 190000 + 16384 > 200000"), None);
        assert_eq!(lower("temperature: range 0..1"), None);
        assert_eq!(callee(None).lower_limit(400, "max_tokens"), None, "no limit was sent");
    }

    #[test]
    fn waiting_is_read_as_seconds_milliseconds_or_a_date() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let wait = |headers: &[(&str, &'static str)]| {
            retry_after(|name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value), now)
        };
        assert_eq!(wait(&[("retry-after", "12")]), Some(Duration::from_secs(12)));
        assert_eq!(wait(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(wait(&[("retry-after-ms", "250"), ("retry-after", "1")]), Some(Duration::from_millis(250)));
        let date = ("retry-after", "Fri, 20 Nov 2026 08:00:30 GMT");
        assert_eq!(wait(&[date]), Some(Duration::from_secs(30)));
        assert_eq!(wait(&[date, ("date", "Fri, 20 Nov 2026 08:00:10 GMT")]), Some(Duration::from_secs(20)));
        assert_eq!(wait(&[("retry-after", "Fri, 20 Nov 2026 07:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "-1")]), None);
        assert_eq!(wait(&[]), None);
    }
}
