//! Removes the marks with which an agent repeats its own name around its answer: the prompt names it already.
//!
//! Removed are `<message from="ann">`, `ann:`, `**ann:**`, `[ann]:` and `ann (critic):` at the beginning, one after the
//! other, and a closing mark at the end. Words and marks in the name of others stay: they are this agent's words.

use std::ops::ControlFlow;

use super::attribute;
use crate::domain::block::folded;

/// The end of what an agent said.
const CLOSING: &str = "</message>";
/// The most characters of a role behind a name.
const LONGEST_ROLE: usize = 64;
/// The most bytes of a mark besides the name.
const LONGEST_MARK: usize = 48;

/// Returns the words of a complete answer of the agent with this name.
pub(crate) fn own_words<'a>(name: &str, answer: &'a str) -> &'a str {
    let start = opening(name, answer, true).unwrap_or(0);
    let words = &answer[start..];
    let ended = words.trim_end();
    let Some(at) = ended.len().checked_sub(CLOSING.len()).filter(|at| ended.is_char_boundary(*at)) else {
        return words;
    };
    let (before, closing) = ended.split_at(at);
    let lower = before.to_ascii_lowercase();
    let whole = lower.matches("<message").count() <= lower.matches(CLOSING).count();
    let alone = start > 0 || before.is_empty() || before.ends_with('\n');
    if whole && alone && closing.eq_ignore_ascii_case(CLOSING) { before.trim_end() } else { words }
}

/// The most bytes of marks that are waited for while an answer streams.
const LONGEST_MARKS: usize = 4096;

/// Follows an answer while it streams.
#[derive(Debug, Default)]
pub(crate) struct OwnWords {
    /// The end of what was returned, in bytes of the answer.
    given: usize,
    /// The length of the marks at the beginning; `None` while more of the answer decides.
    start: Option<usize>,
}

impl OwnWords {
    /// Returns the next piece that [`own_words`] will keep, given the whole answer so far.
    pub(crate) fn next<'a>(&mut self, name: &str, answer: &'a str) -> &'a str {
        let start = self.start.or_else(|| opening(name, answer, answer.len() > LONGEST_MARKS));
        self.start = start;
        let Some(start) = start else { return "" };
        let (from, to) = (start.max(self.given), settled(answer));
        if to <= from {
            return "";
        }
        self.given = to;
        &answer[from..to]
    }
}

/// Returns the length without an end that may become a closing mark.
fn settled(answer: &str) -> usize {
    let tail = answer.char_indices().rev().take(CLOSING.len() + 2).find(|(_, sign)| *sign == '<');
    let may_close = |at: &usize| CLOSING.starts_with(&answer[*at..].trim_end().to_ascii_lowercase());
    tail.map(|(at, _)| at).filter(may_close).unwrap_or(answer.len())
}

/// Returns the length of the marks at the beginning; `None` if more of the answer decides.
fn opening(name: &str, answer: &str, complete: bool) -> Option<usize> {
    let mut start = 0;
    loop {
        let rest = &answer[start..];
        let blank = rest.len() - rest.trim_start().len();
        let found =
            if rest[blank..].starts_with('<') { tag(name, &rest[blank..]) } else { prefix(name, &rest[blank..]) };
        match found {
            Found::Mark(len) => start += blank + len,
            Found::Unfinished if !complete => return None,
            Found::Unfinished | Found::Nothing => return Some(start),
        }
        let rest = &answer[start..];
        start += rest.len() - rest.trim_start().len();
    }
}

/// What the beginning of a text is.
enum Found {
    /// An own mark of this length in bytes.
    Mark(usize),
    /// The beginning of one.
    Unfinished,
    Nothing,
}

/// Reads `<message from="NAME">`.
fn tag(name: &str, text: &str) -> Found {
    let name = attribute(name);
    let Some(end) = text.find('>') else {
        let begun = text.len().min("<message".len());
        let fits = text.get(..begun).is_some_and(|begun| "<message".starts_with(&begun.to_ascii_lowercase()));
        return if fits && text.len() < LONGEST_MARK + name.len() { Found::Unfinished } else { Found::Nothing };
    };
    let from = text.get(1..8).filter(|word| word.eq_ignore_ascii_case("message")).map(|_| text[8..end].trim());
    let from = from.and_then(|rest| rest.strip_prefix("from")).and_then(|rest| rest.trim_start().strip_prefix('='));
    let from = from.map(|value| value.trim().trim_matches(['"', '\'']));
    if from.is_some_and(|from| folded(from) == folded(&name)) { Found::Mark(end + 1) } else { Found::Nothing }
}

/// Reads `NAME:` with emphasis, brackets and a role.
fn prefix(name: &str, text: &str) -> Found {
    let most = text.chars().take_while(|sign| "*_[@".contains(*sign)).take(4).count();
    // A name may begin with an underscore.
    let read = |opened: usize| match head(name, &text[opened..], &text[..opened]) {
        ControlFlow::Continue(rest) => Found::Mark(text.len() - rest.len()),
        ControlFlow::Break(found) => found,
    };
    let mut all = (0..=most).map(read).filter(|found| !matches!(found, Found::Nothing));
    all.next().unwrap_or(Found::Nothing)
}

/// Returns what follows the name and its colon.
fn head<'a>(name: &str, text: &'a str, opened: &str) -> ControlFlow<Found, &'a str> {
    let mut rest = named(name, text)?;
    let mut closed = String::new();
    rest = close(rest, &mut closed);
    if let Some(inside) = rest.strip_prefix(" (").or_else(|| rest.strip_prefix('(')) {
        let Some((role, after)) = inside.split_once(')') else {
            let begun = inside.chars().count() <= LONGEST_ROLE && !inside.contains('\n');
            return ControlFlow::Break(if begun { Found::Unfinished } else { Found::Nothing });
        };
        if role.chars().count() > LONGEST_ROLE || role.contains('\n') {
            return ControlFlow::Break(Found::Nothing);
        }
        rest = close(after, &mut closed);
    }
    if rest.is_empty() || rest == " " {
        return ControlFlow::Break(Found::Unfinished);
    }
    let Some(after) = rest.strip_prefix([':', '：']) else { return ControlFlow::Break(Found::Nothing) };
    let words = close(after, &mut closed);
    if words.trim_start().is_empty() {
        return ControlFlow::Break(Found::Unfinished);
    }
    let count = |text: &str, signs: &str| text.chars().filter(|sign| signs.contains(*sign)).count();
    let even = count(opened, "*_") == count(&closed, "*_") && count(opened, "[") == count(&closed, "]");
    let apart = rest.starts_with('：') || words.starts_with(char::is_whitespace);
    if even && apart { ControlFlow::Continue(words) } else { ControlFlow::Break(Found::Nothing) }
}

/// Skips closing emphasis and brackets.
fn close<'a>(text: &'a str, closed: &mut String) -> &'a str {
    let rest = text.trim_start_matches(['*', '_', ']']);
    closed.push_str(&text[..text.len() - rest.len()]);
    rest
}

/// Skips the name, in any case.
fn named<'a>(name: &str, text: &'a str) -> ControlFlow<Found, &'a str> {
    let mut rest = text.chars();
    for wanted in name.chars() {
        match rest.next() {
            None => return ControlFlow::Break(Found::Unfinished),
            Some(sign) if sign.to_lowercase().eq(wanted.to_lowercase()) => {}
            Some(_) => return ControlFlow::Break(Found::Nothing),
        }
    }
    ControlFlow::Continue(rest.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_that_begins_with_its_own_name_is_said_without_it() {
        for answer in [
            "ann: Yes: we print.",
            "Ann:\nYes: we print.",
            "**ann:** Yes: we print.",
            "**ann**: Yes: we print.",
            "[ann]: Yes: we print.",
            "ann (critic): Yes: we print.",
            "**ann (critic):** Yes: we print.",
            "ann：Yes: we print.",
            "\n ann: ann: Yes: we print.",
            "<message from=\"ann\">\nYes: we print.\n</message>",
            "<message from=\"ann\">\nann: Yes: we print.\n</message>\n",
            "<Message from='Ann'>Yes: we print.",
            "Yes: we print.\n</message>",
        ] {
            assert_eq!(own_words("ann", answer), "Yes: we print.", "{answer}");
        }
        assert_eq!(own_words("_x", "_x: Hi"), "Hi");
        assert_eq!(own_words("ann", "<message from=\"ann\">\n</message>"), "");
    }

    #[test]
    fn other_words_stay_as_they_are() {
        for answer in [
            "",
            " \n",
            "ann",
            "ann:",
            "ann thinks: yes",
            "anna: yes",
            "ann-marie: yes",
            "ann://host",
            "**ann: all of this is bold**",
            "bob: I would wait.",
            "<message from=\"bob\">\nI would wait.\n</message>",
            "Yes.\n\nann: again",
            "The end is written </message>",
            "<message from=\"ann",
            "<note>ann</note>",
        ] {
            assert_eq!(own_words("ann", answer), answer);
        }
        assert_eq!(own_words("ann", "ann: Hi\nbob: Ho"), "Hi\nbob: Ho");
    }

    proptest! {
        #[test]
        fn what_streams_is_what_remains(
            parts in prop::collection::vec(prop::sample::select(vec![
                "ann", "Ann", ":", "：", "**", "_", "[", "]", " ", "\n", "(critic)", "(", ")", "<message from=\"ann\">", "</message>",
                "<message", " from=\"bob\">", "<", "/", "é", "words",
            ]), 0..10),
            cuts in prop::collection::vec(0usize..80, 0..8),
        ) {
            let whole = parts.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|at| whole.is_char_boundary(*at)).collect();
            cuts.sort_unstable();
            let (mut streamed, mut follow) = (String::new(), OwnWords::default());
            for at in cuts.into_iter().chain([whole.len()]) {
                streamed.push_str(follow.next("ann", &whole[..at]));
            }
            let words = own_words("ann", &whole);
            prop_assert!(words.starts_with(streamed.trim_end()), "{streamed:?} of {words:?}");
        }
    }
}
