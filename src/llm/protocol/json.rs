//! Parses JSON from servers: an unpaired surrogate costs one character instead of the whole answer.

use serde_json::Value;

/// Parses a text. An unpaired surrogate becomes U+FFFD.
pub(super) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match mended(text) {
        Some(mended) => serde_json::from_str(&mended),
        None => Err(error),
    })
}

/// Replaces every escaped unpaired surrogate with `\ufffd`; `None` if there is none.
fn mended(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut changed = false;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (len, replacement) = match unit(rest) {
            Some(0xd800..=0xdbff) if matches!(rest.get(6..).and_then(unit), Some(0xdc00..=0xdfff)) => (12, None),
            Some(0xd800..=0xdfff) => (6, Some("\\ufffd")),
            Some(_) => (6, None),
            None => (1 + rest[1..].chars().next().map_or(0, char::len_utf8), None),
        };
        changed |= replacement.is_some();
        out.push_str(replacement.unwrap_or(&rest[..len]));
        rest = &rest[len..];
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// Returns the code unit of the escape at the start of `text`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Returns a non-empty text member.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Returns a member that is not `null`.
pub(super) fn there<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|value| !value.is_null())
}

/// Returns a list member; empty if absent.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns a count; `None` if absent or not a whole number.
pub(super) fn count(value: &Value, key: &str) -> Option<u64> {
    value.get(key).and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn half_a_pair_costs_one_character() {
        assert_eq!(parse(r#""a\ud83db""#).unwrap(), json!("a\u{fffd}b"));
        assert_eq!(parse(r#""\ude00\ud83d\ude00\ud83d""#).unwrap(), json!("\u{fffd}😀\u{fffd}"));
        assert_eq!(parse(r#""\\ud83d \ud83d""#).unwrap(), json!("\\ud83d \u{fffd}"));
        assert!(parse(r#"{"half": "#).is_err());
        assert!(parse(r#""\ud83"#).is_err());
    }
}
