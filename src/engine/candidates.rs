//! Judges a manager's answer: a member who may speak, the end of the turn, or unusable with a reason.
//!
//! A model is asked for a tool call with an exact name. If it answers in words instead, they are searched for names as
//! whole words, and count only if exactly one eligible member is named.

use crate::domain::block::folded;
use crate::domain::pattern::dynamic::{CHOOSE, DONE};
use crate::domain::{AgentId, Choice, RunKind};
use crate::llm::ToolCall;
use crate::store::StepInput;
use crate::tools::turn::NextSpeaker;

/// Most characters quoted of a reason or a wrong name.
const QUOTE: usize = 300;

/// Whom a manager may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Eligible members with their names, in the group's order.
    pub open: Vec<(AgentId, String)>,
    /// Names of members that are not eligible because they have just spoken.
    pub shut: Vec<String>,
    /// Names of the group's other agents, which are never eligible.
    pub others: Vec<String>,
    /// Whether the turn may be ended.
    pub done: bool,
    /// The text that ends the turn; `None` if the group has none.
    pub token: Option<String>,
}

/// The result of judging an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// A choice.
    Chosen {
        /// The choice.
        choice: Choice,
        /// The manager's reason; may be empty.
        reason: String,
        /// True if it was read from the manager's text, not from a tool call.
        from_words: bool,
    },
    /// The answer contains the text that ends the turn.
    Ends,
    /// The member of this name, which is not eligible because it has just spoken.
    Repeated(String),
    /// Unusable, with the reason.
    Unusable(String),
}

impl Candidates {
    /// The candidates of a choice run; `None` for other runs.
    #[must_use]
    pub fn of(view: &StepInput) -> Option<Self> {
        let (RunKind::Choice { index, among, .. }, Some(group)) = (&view.run.kind, &view.group) else { return None };
        let mut offer = Self { open: Vec::new(), shut: Vec::new(), others: Vec::new(), done: *index > 0, token: None };
        offer.token = group.token().map(str::to_owned);
        for agent in &view.roster {
            if !group.members.contains(&agent.id) {
                offer.others.push(agent.name.clone());
            } else if among.contains(&agent.id) {
                offer.open.push((agent.id.clone(), agent.name.clone()));
            } else {
                offer.shut.push(agent.name.clone());
            }
        }
        Some(offer)
    }

    /// The values the call accepts: names, and [`DONE`] if the turn may end and no member has that name.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.open.iter().map(|(_, name)| name.as_str()).collect();
        if self.done && !names.iter().any(|name| folded(name) == DONE) {
            names.push(DONE);
        }
        names
    }

    /// Judges an answer.
    #[must_use]
    pub fn judge(&self, text: &str, calls: &[ToolCall]) -> Selection {
        if self.token.as_ref().is_some_and(|token| text.contains(token.as_str())) {
            return Selection::Ends;
        }
        let judged = if calls.is_empty() { self.read(text) } else { self.called(calls) };
        judged.unwrap_or_else(Selection::Unusable)
    }

    /// Judges tool calls; all of them must name the same agent.
    fn called(&self, calls: &[ToolCall]) -> Result<Selection, String> {
        if let Some(other) = calls.iter().find(|call| call.name != CHOOSE) {
            return Err(format!("it called {}, and only {CHOOSE} can be called now", quoted(&other.name)));
        }
        let mut wanted = calls.iter().map(|call| NextSpeaker::read(&call.arguments)).collect::<Result<Vec<_>, _>>()?;
        if let Some(pair) = wanted.windows(2).find(|pair| folded(&pair[0].agent) != folded(&pair[1].agent)) {
            let (one, other) = (quoted(&pair[0].agent), quoted(&pair[1].agent));
            return Err(format!("it chose {one} and {other}, and one speaks at a time"));
        }
        let NextSpeaker { agent, reason } = wanted.swap_remove(0);
        if let Some(repeated) = self.repeated(agent.trim()) {
            return Ok(repeated);
        }
        Ok(Selection::Chosen { choice: self.exactly(&agent)?, reason: line(&reason), from_words: false })
    }

    /// Matches a name exactly, apart from case and surrounding whitespace.
    fn exactly(&self, name: &str) -> Result<Choice, String> {
        let name = name.trim();
        let wanted = folded(name);
        if let Some((id, _)) = self.open.iter().find(|(_, open)| folded(open) == wanted) {
            return Ok(Choice::Member(id.clone()));
        }
        if wanted == DONE || self.token.as_ref().is_some_and(|token| folded(token) == wanted) {
            return if self.done {
                Ok(Choice::Done)
            } else {
                Err("nobody has spoken yet, so it is not done".to_owned())
            };
        }
        if name.is_empty() {
            return Err("it named nobody".to_owned());
        }
        Err(self.why_not(&wanted).unwrap_or_else(|| format!("{} is nobody here", quoted(name))))
    }

    /// The selection of a member that has just spoken; `None` for other names.
    fn repeated(&self, name: &str) -> Option<Selection> {
        self.shut.iter().find(|shut| folded(shut) == folded(name)).cloned().map(Selection::Repeated)
    }

    /// Why an agent of the group that is no member is not eligible; `None` for an unknown name.
    fn why_not(&self, name: &str) -> Option<String> {
        let other = self.others.iter().find(|other| folded(other) == name)?;
        Some(format!("{other} is no member, and members speak"))
    }

    /// Finds the one name in the manager's text.
    fn read(&self, text: &str) -> Result<Selection, String> {
        let words = line(text);
        let chosen = |choice| Ok(Selection::Chosen { choice, reason: String::new(), from_words: true });
        let bare = words.trim_matches(|c: char| !c.is_alphanumeric());
        let open: Vec<&str> = self.open.iter().map(|(_, name)| name.as_str()).collect();
        let rest = self.shut.iter().chain(&self.others).map(String::as_str);
        let all: Vec<&str> = open.iter().copied().chain(rest).collect();
        let named = mentioned(text, &all);
        let able: Vec<&str> = named.iter().filter(|at| **at < open.len()).map(|at| open[*at]).collect();
        match (able.as_slice(), named.as_slice()) {
            ([one], _) => chosen(self.exactly(one)?),
            ([], _) if folded(bare) == DONE => chosen(self.exactly(DONE)?),
            ([], []) if words.is_empty() => Err("it said nothing".to_owned()),
            ([], []) => Err("it named nobody".to_owned()),
            ([], [other, ..]) => match self.repeated(all[*other]) {
                Some(repeated) => Ok(repeated),
                None => Err(self.why_not(&folded(all[*other])).unwrap_or_default()),
            },
            (several, _) => Err(format!("it named {}, and one speaks at a time", several.join(" and "))),
        }
    }
}

/// Sorted indices of the names that occur in the text as whole words. Of overlapping names, such as `ann` in
/// `ann-marie`, only the longest counts.
fn mentioned(text: &str, names: &[&str]) -> Vec<usize> {
    let text = folded(text);
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (which, name) in names.iter().enumerate() {
        let name = folded(name);
        for (at, _) in text.match_indices(&name) {
            let end = at + name.len();
            if !runs_on(text[..at].chars().rev()) && !runs_on(text[end..].chars()) {
                found.push((at, end, which));
            }
        }
    }
    let inside = |one: &(usize, usize, usize)| {
        found.iter().any(|other| other.0 <= one.0 && one.1 <= other.1 && other.1 - other.0 > one.1 - one.0)
    };
    let mut there: Vec<usize> = found.iter().filter(|one| !inside(one)).map(|one| one.2).collect();
    there.sort_unstable();
    there.dedup();
    there
}

/// True when the word continues here: with a letter, a digit, an underscore, or a hyphen or dot before one of these.
fn runs_on(mut beyond: impl Iterator<Item = char>) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    match beyond.next() {
        Some('-' | '.') => beyond.next().is_some_and(word),
        Some(next) => word(next),
        None => false,
    }
}

/// The text on one line, cut after [`QUOTE`] characters.
#[must_use]
pub fn line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(QUOTE) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn quoted(name: &str) -> String {
    format!("{:?}", line(name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn offer() -> Candidates {
        let open = |name: &str| (AgentId(format!("agent-{name}")), name.to_owned());
        Candidates {
            open: vec![open("ann"), open("ann-marie"), open("Engineer"), open("anna")],
            shut: vec!["bob".to_owned()],
            others: vec!["chair".to_owned()],
            done: true,
            token: Some("DONE!".to_owned()),
        }
    }

    fn call(arguments: Value) -> Vec<ToolCall> {
        vec![ToolCall { id: "1".to_owned(), name: CHOOSE.to_owned(), arguments }]
    }

    fn named(name: &str) -> Vec<ToolCall> {
        call(json!({"agent": name, "reason": "it  is\nits field"}))
    }

    fn member(name: &str) -> Choice {
        Choice::Member(AgentId(format!("agent-{name}")))
    }

    #[track_caller]
    fn unusable(verdict: &Selection) -> &str {
        let Selection::Unusable(why) = verdict else { panic!("{verdict:?}") };
        why
    }

    #[test]
    fn a_call_names_one_that_may_speak_exactly_but_for_capitals() {
        for name in ["Engineer", "engineer", " ENGINEER "] {
            let reason = "it is its field".to_owned();
            let expected = Selection::Chosen { choice: member("Engineer"), reason, from_words: false };
            assert_eq!(offer().judge("", &named(name)), expected, "{name:?}");
        }
        assert!(matches!(
            offer().judge("ann should be glad", &named("anna")),
            Selection::Chosen { choice, .. } if choice == member("anna")
        ));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (name, why) in [
            ("marketing", "\"marketing\" is nobody here"),
            ("engin", "\"engin\" is nobody here"),
            ("chair", "chair is no member"),
            (" ", "it named nobody"),
        ] {
            let verdict = offer().judge("", &named(name));
            assert!(unusable(&verdict).contains(why), "{name:?}: {verdict:?}");
        }
        assert_eq!(offer().judge("", &named(" BOB")), Selection::Repeated("bob".to_owned()));
        let early = Candidates { done: false, ..offer() };
        assert!(unusable(&early.judge("", &named("done"))).contains("nobody has spoken yet"));
        assert!(unusable(&offer().judge("", &call(json!({"name": "ann"})))).contains("do not fit"));
        assert!(unusable(&offer().judge(" \n", &[])).contains("said nothing"));
        let two = [named("ann"), named("anna")].concat();
        assert!(unusable(&offer().judge("", &two)).contains("one speaks at a time"));
        let other = vec![ToolCall { name: "memory_insert".to_owned(), ..named("ann").remove(0) }];
        assert!(unusable(&offer().judge("", &other)).contains("only choose_next_speaker"));
    }

    #[test]
    fn words_are_read_by_whole_names_and_only_where_one_is_named() {
        let read = |text: &str| offer().judge(text, &[]);
        for (text, name) in [
            ("ann", "ann"),
            ("Let ann. She knows.", "ann"),
            ("**Ann-Marie**, please", "ann-marie"),
            ("After all of that I would hear ann-marie", "ann-marie"),
            ("anna's turn", "anna"),
            ("bob was clear; now the engineer, as the engineer built it", "Engineer"),
            ("{\"agent\": \"anna\"}", "anna"),
        ] {
            let expected = Selection::Chosen { choice: member(name), reason: String::new(), from_words: true };
            assert_eq!(read(text), expected, "{text:?}");
        }
        for (text, why) in [
            ("annabel, an engineering matter", "it named nobody"),
            ("ann or anna", "it named ann and anna"),
            ("I, the chair, will answer", "chair is no member"),
        ] {
            assert!(unusable(&read(text)).contains(why), "{text:?}: {:?}", read(text));
        }
        assert_eq!(read("**Bob** again"), Selection::Repeated("bob".to_owned()));
        assert_eq!(read("bob, not the chair"), Selection::Repeated("bob".to_owned()));
        let done = Selection::Chosen { choice: Choice::Done, reason: String::new(), from_words: true };
        assert_eq!(read("Done."), done);
        assert!(matches!(read("The work is done as far as I see"), Selection::Unusable(_)));
    }

    #[test]
    fn the_word_that_ends_the_turn_ends_it_whatever_else_is_said() {
        assert_eq!(offer().judge("Thank you all. DONE!", &[]), Selection::Ends);
        assert_eq!(offer().judge("DONE!", &named("ann")), Selection::Ends);
        assert!(matches!(offer().judge("", &named("DONE!")), Selection::Chosen { choice: Choice::Done, .. }));
    }

    #[test]
    fn done_is_offered_once_somebody_has_spoken() {
        assert_eq!(offer().names(), ["ann", "ann-marie", "Engineer", "anna", "done"]);
        assert_eq!(Candidates { done: false, ..offer() }.names().last(), Some(&"anna"));
    }
}
