//! Reads single values of `config.toml`, and says what is wrong with one.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::DeValue;

use crate::domain::nearest;
use crate::toml_file::{self, Fault, noun};

pub(super) type Checked<T> = Result<T, Fault>;

pub(super) const KEY_ADVICE: &str = "a key does not belong in this file; keep it in a variable and name that here \
    (key_env = \"OPENAI_API_KEY\"), or in a file of its own (key_file = \"~/.config/nightdesk/openai.key\")";

pub(super) fn fault<T>(span: &Range<usize>, text: impl Into<String>) -> Checked<T> {
    Err(Fault::at(span, text))
}

pub(super) fn unknown(key: &str, span: &Range<usize>, known: &[&str]) -> Fault {
    if ["api_key", "apikey", "key", "token", "secret", "password"].contains(&key.to_lowercase().as_str()) {
        return Fault { at: span.start, text: KEY_ADVICE.to_owned() };
    }
    Fault {
        at: span.start,
        text: format!("unknown key \"{key}\"{}; known here: {}", did_you_mean(key, known), known.join(", ")),
    }
}

pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known.iter().copied()).map_or(String::new(), |near| format!(" (did you mean \"{near}\"?)"))
}

pub(super) fn words<'a>(key: &str, value: &'a Spanned<DeValue<'_>>) -> Checked<&'a str> {
    match value.get_ref() {
        DeValue::String(text) if !text.trim().is_empty() => Ok(text),
        DeValue::String(_) => fault(&value.span(), format!("{key} is empty; leave the line out for the default")),
        other => fault(&value.span(), format!("{key} wants text in quotes, not {}", noun(other))),
    }
}

pub(super) fn number(key: &str, value: &Spanned<DeValue<'_>>, range: &RangeInclusive<u32>) -> Checked<u32> {
    let number = toml_file::whole(value.get_ref()).and_then(|number| u32::try_from(number).ok());
    let (least, most) = (range.start(), range.end());
    number
        .filter(|number| range.contains(number))
        .map_or_else(|| fault(&value.span(), format!("{key} is a whole number from {least} to {most}")), Ok)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_far_word_suggests_nothing() {
        assert_eq!(did_you_mean("colour", &["glyphs", "model"]), "");
        assert_eq!(did_you_mean("glyps", &["glyphs", "model"]), " (did you mean \"glyphs\"?)");
    }
}
