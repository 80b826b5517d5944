//! What a key looks like, to refuse one where it does not belong and to mask one that nobody has named.

/// Prefixes of providers' keys.
const BEGINNINGS: [&str; 8] = ["sk-", "sk_", "AIza", "gsk_", "xai-", "hf_", "pk_", "r8_"];
/// The least characters of a word with such a prefix that is taken for a key.
const LEAST: usize = 8;
/// The most characters of a variable's name that has no underscore.
const LONGEST_WORD: usize = 24;

/// Returns true if a word begins as providers' keys do. Servers may quote keys similar to the one sent.
#[must_use]
pub fn begins_like_key(word: &str) -> bool {
    word.len() >= LEAST && BEGINNINGS.iter().any(|beginning| word.starts_with(beginning))
}

/// Returns true if what should be the name of a variable is more likely a key: names are words in one case.
pub(super) fn is_key_rather_than_name(name: &str) -> bool {
    let has = |kind: fn(&char) -> bool| name.chars().any(|c| kind(&c));
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_lowercase);
    begins_like_key(name)
        || mixed && has(char::is_ascii_uppercase) && name.len() >= 2 * LEAST
        || !name.contains('_') && (name.len() > LONGEST_WORD || mixed && name.len() >= 2 * LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_are_no_keys() {
        for name in ["OPENAI_API_KEY", "key", "OPENROUTER_KEY_2", "my_router_key_for_work_2026", "LLM", "hf"] {
            assert!(!is_key_rather_than_name(name), "{name}");
        }
        for key in [
            "sk_live_51Habc",
            "AIzaSyD3adb33f",
            "hf_abcdefgh",
            "a1b2c3d4e5f6a7b8c9d0",
            "Zm9vYmFy_MTIzNDU2Nzg5",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
        ] {
            assert!(is_key_rather_than_name(key), "{key}");
        }
    }
}
