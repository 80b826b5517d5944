//! What a sentence does: state a fact, a decision, something about the person, ask, or just talk;
//! and the line a block keeps of it.

use super::dates;
use super::language::{Terms, capital, containment, is_stop, normal, sentences, shorten, terms, words};

/// The longest line kept, in code points.
const LINE: usize = 200;

/// What a sentence does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It says that something was decided.
    Decision,
    /// It says something about the person who says it.
    Person,
    /// It says how things are.
    Fact,
    /// It asks.
    Question,
    /// It asks for work: "write me …".
    Request,
    /// Greetings, thanks, hedges.
    Talk,
}

/// A sentence, what it does, and the line a block keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub kind: Kind,
    /// The sentence as it was said.
    pub said: String,
    /// What a list keeps, without its mark: "Launch: 3 May, decided".
    pub line: String,
}

/// How a line about an open question begins.
pub(super) const OPEN: &str = "Open: ";

const DECIDED: &[&str] = &[
    "we have decided that ",
    "we have decided to ",
    "we decided that ",
    "we decided to ",
    "we've decided to ",
    "we have agreed that ",
    "we have agreed to ",
    "we agreed that ",
    "we agreed to ",
    "we agreed on ",
    "it is decided that ",
    "it was decided that ",
    "it was decided to ",
    "decision: ",
    "decided: ",
    "agreed: ",
    "let's ",
    "let us ",
    "we decided ",
    "we decided on ",
    "wir haben beschlossen, ",
    "wir haben entschieden, ",
];
const DECIDING: &[&str] = &["decided", "agreed", "beschlossen", "entschieden", "vereinbart"];
const PERSON: &[&str] = &[
    "i am ",
    "i'm ",
    "my ",
    "i prefer ",
    "i like ",
    "i love ",
    "i hate ",
    "i live ",
    "i work ",
    "i never ",
    "i always ",
    "i don't like ",
    "i do not like ",
    "call me ",
    "ich bin ",
    "ich heiße ",
    "ich mag ",
    "ich wohne ",
    "ich arbeite ",
    "mein ",
    "meine ",
];
const HEDGED: &[&str] = &[
    "i am not sure",
    "i'm not sure",
    "i am sure",
    "i'm sure",
    "i am afraid",
    "i'm afraid",
    "i am sorry",
    "i'm sorry",
    "i think",
    "i guess",
    "i wonder",
    "maybe",
    "perhaps",
    "hello",
    "hi ",
    "hey",
    "good morning",
    "good evening",
    "thank",
    "ok",
    "okay",
    "great",
    "fine",
    "sure",
    "yes",
    "no,",
    "hallo",
    "danke",
    "vielleicht",
];
const REQUESTS: &[&str] = &[
    "write",
    "tell",
    "show",
    "give",
    "summarise",
    "summarize",
    "list",
    "draft",
    "explain",
    "translate",
    "describe",
    "find",
    "make",
    "create",
    "help",
    "compare",
    "suggest",
    "check",
    "can",
    "could",
    "would",
    "please",
    "recap",
    "remind",
];
const LEADS: &[&str] = &[
    "and ",
    "so ",
    "also ",
    "also, ",
    "actually, ",
    "actually ",
    "well, ",
    "by the way, ",
    "fyi, ",
    "fyi: ",
    "please note that ",
    "please note: ",
    "note that ",
    "note: ",
    "remember that ",
    "remember: ",
    "correction: ",
    "as a reminder, ",
    "in fact, ",
];
/// Between what is dated and when it is.
const DATED: &[&str] = &[
    " has been moved to ",
    " has been postponed to ",
    " was moved to ",
    " was postponed to ",
    " is moved to ",
    " is postponed to ",
    " has moved to ",
    " moves to ",
    " moved to ",
    " postponed to ",
    " is now on ",
    " is due on ",
    " takes place on ",
    " will be on ",
    " is set for ",
    " is on ",
    " is in ",
    " starts on ",
    " is ",
    " on ",
    " by ",
    " in ",
    " at ",
];

/// The statements of `text`, in order.
pub(super) fn read(text: &str) -> Vec<Statement> {
    sentences(text).iter().map(|sentence| statement(sentence)).collect()
}

fn statement(said: &str) -> Statement {
    let bare = without_lead(said.trim_end_matches(['.', '!', ' ', '。', '！']));
    let kind = kind(said, bare);
    let line = match kind {
        Kind::Question => format!("{OPEN}{}", lower_first(bare)),
        Kind::Decision => decision(bare),
        _ => dated(bare).unwrap_or_else(|| capital(&dates::rewrite(bare))),
    };
    Statement { kind, said: said.to_owned(), line: shorten(&line, LINE) }
}

fn kind(said: &str, bare: &str) -> Kind {
    let lower = bare.to_lowercase().replace('’', "'");
    let all = words(bare);
    let first = all.first().map_or("", String::as_str);
    let starts = |list: &[&str]| list.iter().any(|start| format!("{lower} ").starts_with(start));
    if said.trim_end_matches(['"', '”', ')', ' ']).ends_with(['?', '？']) {
        return if REQUESTS.contains(&first) { Kind::Request } else { Kind::Question };
    }
    if starts(HEDGED) {
        return Kind::Talk;
    }
    if starts(DECIDED) || all.iter().any(|word| DECIDING.contains(&word.as_str())) && !all.contains(&"not".to_owned()) {
        return Kind::Decision;
    }
    if starts(PERSON) {
        return Kind::Person;
    }
    if REQUESTS.contains(&first) {
        return Kind::Request;
    }
    // Scripts that do not part their words make one word of a sentence; length tells then.
    let says_something = all.len() >= 3 && terms(bare).len() >= 2 || (!bare.is_ascii() && bare.chars().count() >= 8);
    if says_something { Kind::Fact } else { Kind::Talk }
}

fn without_lead(text: &str) -> &str {
    let lead = LEADS.iter().find(|lead| text.get(..lead.len()).is_some_and(|start| start.eq_ignore_ascii_case(lead)));
    lead.map_or(text, |lead| text[lead.len()..].trim_start())
}

fn decision(bare: &str) -> String {
    let mark = DECIDED
        .iter()
        .filter(|mark| bare.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark)))
        .max_by_key(|mark| mark.len());
    let rest = mark.map_or(bare, |mark| bare[mark.len()..].trim_start());
    match dated(rest) {
        Some(line) if mark.is_some() => format!("{line}, decided"),
        Some(line) => line,
        None if mark.is_some() => format!("Decided: {}", dates::rewrite(rest)),
        None => capital(&dates::rewrite(rest)),
    }
}

/// "The launch has moved to the tenth of May" as "Launch: 10 May"; none where the sentence is not of that form.
fn dated(text: &str) -> Option<String> {
    let text = dates::rewrite(text);
    DATED.iter().find_map(|mark| {
        let (what, when) = text.split_once(mark)?;
        let kept: Vec<&str> = what.split_whitespace().filter(|word| !is_stop(&word.to_lowercase())).collect();
        let when = when.trim_end_matches(" now").trim_end_matches(" instead");
        let short = when.split_whitespace().count() <= 5 && (1..=2).contains(&kept.len());
        // A clause after the date would be lost behind a colon.
        let only_when = dates::tells_when(when) && !when.contains([',', ';']) && !when.contains(" and ");
        // "Mira came on Friday" is a story about Mira, not her date.
        let is_topic =
            kept.len() == 1 || what.starts_with(|letter: char| letter.is_lowercase()) || what.starts_with("The ");
        (short && only_when && is_topic).then(|| format!("{}: {when}", capital(&kept.join(" "))))
    })
}

fn lower_first(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    // A name or an "I" keeps its capital; the words questions begin with do not.
    if is_stop(&first.to_lowercase()) && first != "I" {
        text.chars().take(1).flat_map(char::to_lowercase).chain(text.chars().skip(1)).collect()
    } else {
        text.to_owned()
    }
}

/// The topic of a line "Topic: what is said of it".
fn topic(line: &str) -> Option<Terms> {
    let (topic, _) = line.split_once(": ")?;
    let is_label = !matches!(topic, "Open" | "Decided") && topic.split_whitespace().count() <= 4;
    is_label.then(|| terms(topic)).filter(|topic| !topic.is_empty())
}

/// What a line is about besides its mark of being decided.
fn gist(line: &str) -> &str {
    line.strip_prefix("Decided: ").unwrap_or(line).strip_suffix(", decided").unwrap_or(line)
}

/// True when `old` says already what `new` says.
pub(super) fn says(old: &str, new: &str) -> bool {
    if normal(old) == normal(new) {
        return true;
    }
    if old.starts_with(OPEN) != new.starts_with(OPEN) {
        return false;
    }
    let more = new.ends_with(", decided") && !old.ends_with(", decided");
    let negated = |text: &str| {
        words(text)
            .iter()
            .any(|word| matches!(word.as_str(), "not" | "no" | "never" | "nicht" | "kein") || word.ends_with("n't"))
    };
    let (old, new) = (gist(old), gist(new));
    !more
        && negated(old) == negated(new)
        && dates::numbers(new).iter().all(|number| dates::numbers(old).contains(number))
        && containment(&terms(new), &terms(old)) >= 0.85
}

/// True when `new` says something else about the very thing `old` is about: a moved date, a new number.
pub(super) fn changes(old: &str, new: &str) -> bool {
    if says(old, new) || old.starts_with(OPEN) || new.starts_with(OPEN) {
        return false;
    }
    if let (Some(old), Some(new)) = (topic(old), topic(new)) {
        return old == new;
    }
    let (old_numbers, new_numbers) = (dates::numbers(old), dates::numbers(new));
    let differing = old_numbers.iter().zip(&new_numbers).filter(|(old, new)| old != new).count();
    if old_numbers.len() != new_numbers.len() || differing != 1 {
        return false;
    }
    // "Room 3 is blue" and "Room 4 is red" are about two rooms: a number behind the first word is a name.
    let named = |line: &str| words(line).get(1).filter(|word| word.parse::<u64>().is_ok()).cloned();
    let wording = |line: &str| -> Terms {
        terms(gist(line)).into_iter().filter(|term| !term.starts_with(|digit: char| digit.is_ascii_digit())).collect()
    };
    named(old) == named(new) && wording(old) == wording(new)
}

/// True when `line` answers `question`.
pub(super) fn answers(question: &str, line: &str) -> bool {
    let asked = terms(question.trim_start_matches(OPEN));
    if line.trim_end().ends_with(['?', '？']) || containment(&asked, &terms(line)) < 0.6 {
        return false;
    }
    let all = words(question.trim_start_matches(OPEN));
    match (all.first().map(String::as_str), all.get(1).map(String::as_str)) {
        (Some("when" | "wann"), _) | (Some("what" | "which"), Some("date" | "day" | "time")) => dates::tells_when(line),
        (Some("who" | "whom" | "wer"), _) => names(line).iter().any(|name| !all.contains(&name.to_lowercase())),
        (Some("how"), Some("many" | "much")) => !dates::numbers(line).is_empty(),
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

    fn lines(text: &str) -> Vec<(Kind, String)> {
        read(text).into_iter().map(|statement| (statement.kind, statement.line)).collect()
    }

    #[test]
    fn each_sentence_becomes_what_it_does() {
        assert_eq!(
            lines("We decided to launch on the third of May. Mira keeps bees in Lucerne. Who tells the printers?"),
            [
                (Kind::Decision, "Launch: 3 May, decided".to_owned()),
                (Kind::Fact, "Mira keeps bees in Lucerne".to_owned()),
                (Kind::Question, "Open: who tells the printers?".to_owned()),
            ]
        );
        assert_eq!(lines("Let's print 400 copies!"), [(Kind::Decision, "Decided: print 400 copies".to_owned())]);
        assert_eq!(lines("I prefer tea."), [(Kind::Person, "I prefer tea".to_owned())]);
        for talk in ["ok", "Thanks!", "Maybe we launch in June.", "I am not sure about it."] {
            assert_eq!(lines(talk)[0].0, Kind::Talk, "{talk}");
        }
        assert_eq!(lines("Write a poem about bees.")[0].0, Kind::Request);
    }

    #[test]
    fn a_dated_sentence_becomes_a_topic_with_its_date() {
        assert_eq!(lines("Actually, the launch has moved to May 10.")[0].1, "Launch: 10 May");
        assert_eq!(lines("We launch on 10 May instead.")[0].1, "Launch: 10 May");
        assert_eq!(
            lines("The printers were told on 28 April, by Anna.")[0].1,
            "The printers were told on 28 April, by Anna"
        );
    }

    #[test]
    fn a_fact_restated_is_known_and_a_changed_one_is_a_change() {
        assert!(says("Mira keeps bees in Lucerne", "In Lucerne, Mira keeps bees"));
        assert!(says("Launch: 3 May, decided", "Launch: 3 May"));
        assert!(!says("Launch: 3 May", "Launch: 3 May, decided"));
        assert!(!says("The board approved the budget", "The board never approved the budget"));
        assert!(changes("Launch: some time in spring", "Launch: 3 May, decided"));
        assert!(changes("Mira has 12 hives", "Mira has 15 hives"));
        assert!(!changes("Room 3 is blue", "Room 4 is blue"));
        assert!(!changes("Mira keeps bees in Lucerne", "Anna keeps bees in Lucerne"));
    }

    #[test]
    fn an_answer_has_what_the_question_asks_for() {
        assert!(answers("When do we launch?", "Launch: 3 May, decided"));
        assert!(!answers("When do we launch?", "The launch is expensive"));
        assert!(answers("Who keeps bees?", "Mira keeps bees in Lucerne"));
        assert!(!answers("Who tells the printers?", "The printers were told on 28 April"));
        assert!(answers("Open: who tells the printers?", "Anna tells the printers"));
        assert!(!answers("How many hives has Mira?", "Mira has hives"));
    }

    #[test]
    fn another_language_is_kept_as_it_was_said() {
        assert_eq!(
            lines("Die Druckerei in Luzern öffnet um acht."),
            [(Kind::Fact, "Die Druckerei in Luzern öffnet um acht".to_owned())]
        );
        assert_eq!(lines("ミラはルツェルンで蜂を飼っています。")[0].0, Kind::Fact);
    }
}
