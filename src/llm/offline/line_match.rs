//! The content of a line, prepared for comparison: whether another line repeats, changes or answers it.

use super::dates;
use super::language::{OPEN, Terms, containment, is_stop, normal, terms, words};

/// First words of yes-or-no questions.
const YES_OR_NO: &[&str] = &["is", "are", "was", "were", "do", "does", "did", "has", "have", "will"];

/// A line with precomputed data for comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sense {
    /// Original text of the line.
    pub text: String,
    /// All terms, without the prefix of open questions.
    pub terms: Terms,
    normal: String,
    words: Vec<String>,
    /// Terms without the mark of decisions.
    gist: Terms,
    /// Gist without the numbers.
    wording: Terms,
    numbers: Vec<String>,
    topic: Option<Terms>,
    is_open: bool,
    is_decided: bool,
    is_negated: bool,
}

impl Sense {
    /// Analyses a line.
    pub(super) fn of(text: &str) -> Self {
        let bare = text.trim_start_matches(OPEN);
        let line = gist(text);
        let gist = terms(line);
        let words = words(bare);
        Self {
            text: text.to_owned(),
            terms: terms(bare),
            normal: normal(text),
            wording: gist.iter().filter(|term| !is_number(term)).cloned().collect(),
            gist,
            numbers: dates::numbers(line),
            topic: topic(text),
            is_open: text.starts_with(OPEN),
            is_decided: text.ends_with(", decided"),
            is_negated: words.iter().any(|word| {
                matches!(word.as_str(), "not" | "no" | "never" | "nicht" | "kein") || word.ends_with("n't")
            }),
            words,
        }
    }

    /// Returns whether it has the same words as `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.normal == other.normal
    }
}

fn is_number(term: &str) -> bool {
    term.starts_with(|digit: char| digit.is_ascii_digit())
}

/// Returns the topic of a line of the form "Topic: text".
fn topic(line: &str) -> Option<Terms> {
    let (topic, _) = line.split_once(": ")?;
    let is_label = !matches!(topic, "Open" | "Decided") && topic.split_whitespace().count() <= 4;
    is_label.then(|| terms(topic)).filter(|topic| !topic.is_empty())
}

/// Returns a line without the marks of decisions.
fn gist(line: &str) -> &str {
    let line = line.strip_prefix("Decided: ").unwrap_or(line);
    line.strip_suffix(", decided").unwrap_or(line)
}

/// Returns whether `old` already contains what `new` says.
pub(super) fn says(old: &Sense, new: &Sense) -> bool {
    old.is_same(new)
        || old.is_open == new.is_open
            && (old.is_decided || !new.is_decided)
            && old.is_negated == new.is_negated
            && new.numbers.iter().all(|number| old.numbers.contains(number))
            && containment(&new.gist, &old.gist) >= 0.85
}

/// Returns whether `new` changes `old`: the same subject with another date or number.
pub(super) fn changes(old: &Sense, new: &Sense) -> bool {
    if old.is_open || new.is_open || says(old, new) {
        return false;
    }
    if let (Some(old), Some(new)) = (&old.topic, &new.topic) {
        return old == new;
    }
    let differing = old.numbers.iter().zip(&new.numbers).filter(|(old, new)| old != new).count();
    if old.numbers.len() != new.numbers.len() || differing != 1 {
        return false;
    }
    // "Room 3 is blue" and "Room 4 is red" have different subjects: a number behind the first word is part of a name.
    let named = |sense: &Sense| sense.words.get(1).filter(|word| word.parse::<u64>().is_ok()).cloned();
    named(old) == named(new) && old.wording == new.wording
}

/// Returns whether `line` answers `question`.
pub(super) fn answers(question: &Sense, line: &Sense) -> bool {
    if line.is_open || line.text.trim_end().ends_with(['?', '？']) {
        return false;
    }
    let all = &question.words;
    let first = all.first().map_or("", String::as_str);
    // Another date also answers "Is the launch on 3 May?".
    let asked = if YES_OR_NO.contains(&first) { &question.wording } else { &question.terms };
    // A reason often comes with words that the question does not contain.
    let enough = if first == "why" { 0.5 } else { 0.6 };
    if containment(asked, &line.terms) < enough {
        return false;
    }
    let text = line.text.as_str();
    match (first, all.get(1).map(String::as_str)) {
        ("when" | "wann", _) | ("what" | "which", Some("date" | "day" | "time")) => dates::tells_when(text),
        ("who" | "whom" | "wer", _) => names(text).iter().any(|name| !all.contains(&name.to_lowercase())),
        ("why" | "warum", _) => {
            [" because ", " since ", " due ", " so that ", " weil "].iter().any(|why| text.contains(why))
        }
        ("how", Some("many" | "much")) => !line.numbers.is_empty(),
        _ => true,
    }
}

/// Returns the words of `line` that look like names.
pub(super) fn names(line: &str) -> Vec<String> {
    let rewritten = dates::rewrite(line);
    let text = rewritten.strip_suffix(", decided").unwrap_or(&rewritten);
    // The text before a colon is the topic.
    let text = text.split_once(": ").map_or(text, |(_, rest)| rest);
    text.split(|sign: char| !sign.is_alphanumeric() && sign != '-')
        .filter(|word| word.starts_with(char::is_uppercase) && word.chars().count() > 1)
        .filter(|word| !is_stop(&word.to_lowercase()) && !dates::tells_when(word))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(old: &str, new: &str) -> bool {
        says(&Sense::of(old), &Sense::of(new))
    }

    fn moved(old: &str, new: &str) -> bool {
        changes(&Sense::of(old), &Sense::of(new))
    }

    fn told(question: &str, line: &str) -> bool {
        answers(&Sense::of(question), &Sense::of(line))
    }

    #[test]
    fn a_fact_restated_is_known_and_a_changed_one_is_a_change() {
        assert!(known("Mira keeps bees in Lucerne", "In Lucerne, Mira keeps bees"));
        assert!(known("Launch: 3 May, decided", "Launch: 3 May"));
        assert!(!known("Launch: 3 May", "Launch: 3 May, decided"));
        assert!(!known("The board approved the budget", "The board never approved the budget"));
        assert!(moved("Launch: some time in spring", "Launch: 3 May, decided"));
        assert!(moved("Mira has 12 hives", "Mira has 15 hives"));
        assert!(!moved("Room 3 is blue", "Room 4 is blue"));
        assert!(!moved("Mira keeps bees in Lucerne", "Anna keeps bees in Lucerne"));
    }

    #[test]
    fn an_answer_has_what_the_question_asks_for() {
        assert!(told("When do we launch?", "Launch: 3 May, decided"));
        assert!(!told("When do we launch?", "The launch is expensive"));
        assert!(told("Who keeps bees?", "Mira keeps bees in Lucerne"));
        assert!(!told("Who tells the printers?", "The printers were told on 28 April"));
        assert!(told("Open: who tells the printers?", "Anna tells the printers"));
        assert!(!told("How many hives has Mira?", "Mira has hives"));
        assert!(told("Is the launch on 3 May?", "Launch: 10 May"));
        assert!(told("Why did the launch move?", "Launch: 10 May because the paper is late"));
        assert!(told("How much does it cost?", "It costs 900 francs"));
        assert!(told("Why did the launch move?", "The launch has moved to 10 May because the paper is late"));
        assert!(told("What is the name of our cat?", "Our cat is called Bruno"));
    }
}
