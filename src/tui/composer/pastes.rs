//! Long pasted texts, folded to a label in the composer: `[pasted 40 lines]`. The message is sent with the texts.

use serde::{Deserialize, Serialize};

/// Pasted lines that are shown as they are.
const LINES: usize = 5;
/// Pasted characters that are shown as they are.
const CHARS: usize = 2_000;

/// Pastes of one length in one message that are folded.
const MOST: usize = 1_000;

/// A pasted text and the label that stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paste {
    /// What the composer shows, unique among the pastes of one message.
    pub label: String,
    /// The whole text.
    pub text: String,
}

/// The folded texts of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pastes(Vec<Paste>);

impl Pastes {
    /// Keeps `text` and returns its label; `None` if it is short enough to be shown. `written` is the message so far,
    /// which the label must differ from.
    pub fn fold(&mut self, text: &str, written: &str) -> Option<String> {
        let (lines, chars) = (text.lines().count(), text.chars().count());
        let what = match (lines > LINES, chars > CHARS) {
            (true, _) => format!("{lines} lines"),
            (false, true) => format!("{chars} characters"),
            (false, false) => return None,
        };
        let numbered = |number: usize| match number {
            1 => format!("[pasted {what}]"),
            _ => format!("[pasted {what}, {number}]"),
        };
        let taken = |label: &String| written.contains(label) || self.0.iter().any(|paste| paste.label == *label);
        let label = (1..=MOST).map(numbered).find(|label| !taken(label))?;
        self.0.push(Paste { label: label.clone(), text: text.to_owned() });
        Some(label)
    }

    /// Returns `written` with every label replaced by its text.
    #[must_use]
    pub fn expand(&self, written: &str) -> String {
        let mut whole = String::with_capacity(written.len());
        let mut rest = written;
        while let Some((at, paste)) = self.first_in(rest) {
            whole.push_str(&rest[..at]);
            whole.push_str(&paste.text);
            rest = &rest[at + paste.label.len()..];
        }
        whole.push_str(rest);
        whole
    }

    /// Returns the paste whose label ends `written`.
    #[must_use]
    pub fn ending(&self, written: &str) -> Option<&Paste> {
        self.0.iter().find(|paste| written.ends_with(&paste.label))
    }

    /// Takes the last paste whose label is in `written`, which then is ordinary text.
    pub fn take_last(&mut self, written: &str) -> Option<Paste> {
        let found = self.0.iter().enumerate().filter_map(|(at, paste)| Some((written.rfind(&paste.label)?, at)));
        let (_, at) = found.max()?;
        Some(self.0.remove(at))
    }

    /// Returns true if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn first_in(&self, written: &str) -> Option<(usize, &Paste)> {
        let found = self.0.iter().filter_map(|paste| Some((written.find(&paste.label)?, paste)));
        found.min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_folds_and_the_message_has_it_whole() {
        let mut pastes = Pastes::default();
        assert_eq!(pastes.fold("one\ntwo\nthree\nfour\nfive\n", ""), None, "five lines are shown");
        let forty = "line\n".repeat(40);
        assert_eq!(pastes.fold(&forty, "").as_deref(), Some("[pasted 40 lines]"));
        assert_eq!(pastes.fold(&"x".repeat(2_001), "").as_deref(), Some("[pasted 2001 characters]"));
        let written = "see [pasted 40 lines]and [pasted 2001 characters].";
        assert_eq!(pastes.expand(written), format!("see {forty}and {}.", "x".repeat(2_001)));
    }

    #[test]
    fn two_pastes_of_one_length_stay_apart_and_a_label_inside_a_paste_is_text() {
        let mut pastes = Pastes::default();
        let (first, second) = ("a\n".repeat(9), format!("{}[pasted 9 lines]\n", "b\n".repeat(8)));
        let one = pastes.fold(&first, "").unwrap();
        let two = pastes.fold(&second, &one).unwrap();
        assert_eq!((one.as_str(), two.as_str()), ("[pasted 9 lines]", "[pasted 9 lines, 2]"));
        assert_eq!(pastes.expand(&format!("{two}{one}")), format!("{second}{first}"));
        let (written, unfolded) = (format!("{one} and {two} or"), pastes.clone().take_last(&format!("{one} and")));
        assert_eq!(unfolded.map(|paste| paste.label), Some(one), "the last before the caret");
        assert_eq!(pastes.clone().take_last(&written).map(|paste| paste.label), Some(two), "and the last of all");
        let typed = "[pasted 7 lines]";
        assert_eq!(pastes.fold(&"c\n".repeat(7), typed).as_deref(), Some("[pasted 7 lines, 2]"), "typed by hand");
    }
}
