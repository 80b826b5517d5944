//! The phrases of the offline model's own sentences, so that it does not treat them as new statements.

/// Disclaimer of the offline model, said once per conversation.
pub(super) const DISCLAIMER: &str = "(I am the offline model: I quote and sort, I do not understand.)";

/// Prefixes of the sentences that the offline model says about other sentences.
const META_PREFIXES: &[&str] = &[
    "Noted: ",
    "Settled: ",
    "On record: ",
    "Open: ",
    "Decided: ",
    "I see no answer",
    "That contradicts",
    "That stands already",
    "That goes with",
    "I take from this",
    "Nothing ",
    "Who ",
    "What ",
    "(I am the offline model",
    "\"",
    "Still open",
    "Agreed: ",
    "I cannot ",
    "I find ",
    "Hello",
    "An idea,",
    "Not settled yet: ",
    "But ",
    "Where does ",
    "Where can ",
    "No block holds",
];

/// Returns whether a sentence only repeats or comments on others.
pub(super) fn is_framed(sentence: &str) -> bool {
    META_PREFIXES.iter().any(|frame| sentence.starts_with(frame))
        || sentence.contains(" says \"")
        || sentence.contains(" said \"")
}
