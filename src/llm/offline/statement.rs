//! Classifies sentences (fact, decision, statement about the person, question, request, small talk) and derives the
//! lines for blocks.

use super::dates;
use super::language::{OPEN, capital, is_stop, sentences, shorten, terms, words};
use super::line_match::Sense;

/// Longest line in code points.
const LINE: usize = 200;

/// The kind of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// States a decision.
    Decision,
    /// States something about the person who says it.
    Person,
    /// States a fact.
    Fact,
    /// States a possibility.
    Idea,
    /// Asks a question.
    Question,
    /// Requests work, "write me …", or an overview, "what is decided?".
    Request,
    /// Small talk: greetings, thanks, hedges.
    Talk,
}

/// A sentence with its kind and its line for a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub kind: Kind,
    /// Original sentence.
    pub said: String,
    /// Line for a list, without the list mark: "Launch: 3 May, decided".
    pub line: String,
    /// The line, prepared for comparison.
    pub sense: Sense,
}

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
    "i wonder",
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
];
const IDEAS: &[&str] = &["i think", "i guess", "i believe", "maybe", "perhaps", "ich glaube", "vielleicht"];
/// Subjects of questions that request an overview.
const OVERVIEW: &str =
    "decide decided settle settled agree agreed open question summarise summarize summary recap status stand";
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
/// Starts of a reason behind a date.
const REASONS: &[&str] = &[" because ", " since ", ", ", "; "];
/// Verbs that make the date the point of a sentence.
const MOVED: &[&str] = &["move", "postpone", "due", "set for", "takes place", "will be", "is now", "starts"];
/// Phrases between a subject and its date.
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

/// Classifies the sentences of `text`, in order.
pub(super) fn read(text: &str) -> Vec<Statement> {
    sentences(text).iter().map(|sentence| statement(sentence)).collect()
}

fn statement(said: &str) -> Statement {
    let bare = without_lead(said.trim_end_matches(['.', '!', ' ', '。', '！']));
    let kind = kind(said, bare);
    let line = match kind {
        Kind::Question => format!("{OPEN}{}", lower_first(bare)),
        Kind::Decision => decision(bare),
        _ => dated(bare).unwrap_or_else(|| capital(&dates::tidy(bare))),
    };
    let line = shorten(&line, LINE);
    Statement { kind, said: said.to_owned(), sense: Sense::of(&line), line }
}

fn kind(said: &str, bare: &str) -> Kind {
    let lower = bare.to_lowercase().replace('’', "'");
    let all = words(bare);
    let first = all.first().map_or("", String::as_str);
    let starts = |list: &[&str]| list.iter().any(|start| format!("{lower} ").starts_with(start));
    if said.trim_end_matches(['"', '”', ')', ' ']).ends_with(['?', '？']) {
        let about = terms(bare);
        let is_overview = !about.is_empty() && about.is_subset(&terms(OVERVIEW));
        return if is_overview || REQUESTS.contains(&first) { Kind::Request } else { Kind::Question };
    }
    if starts(IDEAS) {
        return if terms(bare).len() >= 2 { Kind::Idea } else { Kind::Talk };
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
    // A script without spaces makes one word of a sentence, so its length decides.
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
        None if mark.is_some() => format!("Decided: {}", dates::tidy(rest)),
        None => capital(&dates::tidy(rest)),
    }
}

/// Rewrites "The launch has moved to the tenth of May" to "Launch: 10 May". `None` for sentences of another form.
fn dated(text: &str) -> Option<String> {
    let text = dates::tidy(text);
    DATED.iter().find_map(|mark| {
        let (what, rest) = text.split_once(mark)?;
        let kept: Vec<&str> = what.split_whitespace().filter(|word| !is_stop(&word.to_lowercase())).collect();
        let cut = REASONS.iter().filter_map(|reason| rest.find(reason)).min();
        let (when, why) = cut.map_or((rest, ""), |at| rest.split_at(at));
        let when = when.trim_end_matches(" now").trim_end_matches(" instead");
        let is_short = when.split_whitespace().count() <= 5 && (1..=2).contains(&kept.len());
        // Text behind a date is kept only if the verb makes the date the subject.
        let is_point = why.is_empty() || MOVED.iter().any(|verb| mark.contains(verb));
        let only_when = dates::tells_when(when) && !when.contains([',', ';']) && !when.contains(" and ");
        // "Mira came on Friday" does not date Mira.
        let is_topic =
            kept.len() == 1 || what.starts_with(|letter: char| letter.is_lowercase()) || what.starts_with("The ");
        (is_short && is_point && only_when && is_topic).then(|| format!("{}: {when}{why}", capital(&kept.join(" "))))
    })
}

fn lower_first(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    // Names and "I" keep their capital; the first words of questions do not.
    if is_stop(&first.to_lowercase()) && first != "I" {
        text.chars().take(1).flat_map(char::to_lowercase).chain(text.chars().skip(1)).collect()
    } else {
        text.to_owned()
    }
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
        assert_eq!(lines("Maybe we launch in June.")[0].0, Kind::Idea);
        for overview in ["What is decided?", "What's still open?", "Where do we stand?", "Can you summarise?"] {
            assert_eq!(lines(overview)[0].0, Kind::Request, "{overview}");
        }
        for talk in ["ok", "Thanks!", "I am not sure about it."] {
            assert_eq!(lines(talk)[0].0, Kind::Talk, "{talk}");
        }
        assert_eq!(lines("Write a poem about bees.")[0].0, Kind::Request);
    }

    #[test]
    fn a_dated_sentence_becomes_a_topic_with_its_date() {
        assert_eq!(lines("Actually, the launch has moved to May 10.")[0].1, "Launch: 10 May");
        assert_eq!(lines("We launch on 10 May instead.")[0].1, "Launch: 10 May");
        assert_eq!(
            lines("The launch has moved to 10 May because the paper is late.")[0].1,
            "Launch: 10 May because the paper is late"
        );
        assert_eq!(
            lines("The printers were told on 28 April, by Anna.")[0].1,
            "The printers were told on 28 April, by Anna"
        );
    }

    #[test]
    fn another_language_is_kept_as_it_was_said() {
        assert_eq!(
            lines("Die Druckerei in Luzern öffnet um acht."),
            [(Kind::Fact, "Die Druckerei in Luzern öffnet um acht".to_owned())]
        );
        assert_eq!(
            lines("Wir haben beschlossen, am 3. Mai zu starten.")[0],
            (Kind::Decision, "Wir haben beschlossen, am 3. Mai zu starten".to_owned())
        );
        assert_eq!(lines("ミラはルツェルンで蜂を飼っています。")[0].0, Kind::Fact);
    }
}
