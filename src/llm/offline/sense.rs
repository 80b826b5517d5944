//! What a line says, made comparable once: whether another says the same, changes it, or answers it.

use super::dates;
use super::language::{OPEN, Terms, containment, is_stop, normal, terms, words};

/// What questions begin with that want a yes or a no.
const YES_OR_NO: &[&str] = &["is", "are", "was", "were", "do", "does", "did", "has", "have", "will"];

/// A line with what comparing it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sense {
    /// The line itself.
    pub text: String,
    /// All its terms, its mark of being open left out.
    pub terms: Terms,
    normal: String,
    words: Vec<String>,
    /// Its terms without the mark of being decided.
    gist: Terms,
    /// The gist without its numbers.
    wording: Terms,
    numbers: Vec<String>,
    topic: Option<Terms>,
    is_open: bool,
    is_decided: bool,
    is_negated: bool,
}

impl Sense {
    /// Reads a line.
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

    /// True when it has the same words as `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.normal == other.normal
    }
}

fn is_number(term: &str) -> bool {
    term.starts_with(|digit: char| digit.is_ascii_digit())
}

/// The topic of a line "Topic: what is said of it".
fn topic(line: &str) -> Option<Terms> {
    let (topic, _) = line.split_once(": ")?;
    let is_label = !matches!(topic, "Open" | "Decided") && topic.split_whitespace().count() <= 4;
    is_label.then(|| terms(topic)).filter(|topic| !topic.is_empty())
}

/// What a line is about besides its mark of being decided.
fn gist(line: &str) -> &str {
    let line = line.strip_prefix("Decided: ").unwrap_or(line);
    line.strip_suffix(", decided").unwrap_or(line)
}

/// True when `old` says already what `new` says.
pub(super) fn says(old: &Sense, new: &Sense) -> bool {
    old.is_same(new)
        || old.is_open == new.is_open
            && (old.is_decided || !new.is_decided)
            && old.is_negated == new.is_negated
            && new.numbers.iter().all(|number| old.numbers.contains(number))
            && containment(&new.gist, &old.gist) >= 0.85
}

/// True when `new` says something else about the very thing `old` is about: a moved date, a new number.
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
    // "Room 3 is blue" and "Room 4 is red" are about two rooms: a number behind the first word is a name.
    let named = |sense: &Sense| sense.words.get(1).filter(|word| word.parse::<u64>().is_ok()).cloned();
    named(old) == named(new) && old.wording == new.wording
}

/// True when `line` answers `question`.
pub(super) fn answers(question: &Sense, line: &Sense) -> bool {
    if line.is_open || line.text.trim_end().ends_with(['?', '？']) {
        return false;
    }
    let all = &question.words;
    let first = all.first().map_or("", String::as_str);
    // "Is the launch on 3 May?" is answered by another date too.
    let asked = if YES_OR_NO.contains(&first) { &question.wording } else { &question.terms };
    // A reason is named beside a result that often has other words.
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

/// The words of `line` that look like names of somebody or something.
pub(super) fn names(line: &str) -> Vec<String> {
    let rewritten = dates::rewrite(line);
    let text = rewritten.strip_suffix(", decided").unwrap_or(&rewritten);
    // What stands before a colon is a topic.
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
