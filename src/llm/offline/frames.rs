//! How the offline model frames its own sentences, so that it does not take them for news.

/// What the offline model says of itself, once a conversation.
pub(super) const HONEST: &str = "(I am the offline model: I quote and sort, I do not understand.)";

/// How the offline model begins sentences about sentences; such words are no news.
const FRAMES: &[&str] = &[
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

/// True for a sentence that only says what others said.
pub(super) fn is_framed(sentence: &str) -> bool {
    FRAMES.iter().any(|frame| sentence.starts_with(frame))
        || sentence.contains(" says \"")
        || sentence.contains(" said \"")
}
