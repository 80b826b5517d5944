//! The manager of a dynamic group: chooses the next speaker by comparing the words of the message with the fields of the
//! candidates, each once per turn, and ends the turn when all matching agents have spoken.

use serde_json::{Value, json};

use super::Answer;
use super::evidence;
use super::frames::is_framed;
use super::language::{sentences, words};
use super::members::{self, Person};
use crate::llm::{Prompt, PromptMessage};

/// Tool that selects the next speaker.
const CHOOSE: &str = "choose_next_speaker";
const DONE: &str = "done";
/// Most words in a reason.
const NAMED: usize = 3;

/// Returns whether the prompt asks for a choice.
pub(super) fn manages(prompt: &Prompt) -> bool {
    prompt.tools.iter().any(|tool| tool.name == CHOOSE)
}

/// Returns the choice. `None` if the prompt does not ask for one.
pub(super) fn answer(prompt: &Prompt) -> Option<Answer> {
    let tool = prompt.tools.iter().find(|tool| tool.name == CHOOSE)?;
    let listed = tool.schema.pointer("/properties/agent/enum").and_then(Value::as_array)?;
    let mut names: Vec<String> = listed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let may_end = names.iter().any(|name| name == DONE);
    names.retain(|name| name != DONE);
    let (name, reason) = choose(prompt, &members::named(prompt, &names), may_end)?;
    Some(Answer::calling(vec![(CHOOSE, json!({ "agent": name, "reason": reason }))]))
}

fn choose(prompt: &Prompt, open: &[Person], may_end: bool) -> Option<(String, String)> {
    let turn = Turn::of(prompt);
    let fresh: Vec<Person> = open.iter().filter(|person| !turn.has_spoken(&person.name)).cloned().collect();
    if let Some(called) = fresh.iter().find(|person| is_named(&turn.message, &person.name)) {
        return Some((called.name.clone(), format!("{} is asked for by name.", called.name)));
    }
    // Fields are compared among all candidates, including those who have spoken.
    let best = |text: &str, source: &str| {
        let fields: Vec<Vec<String>> = open
            .iter()
            .zip(members::fields(text, open))
            .map(|(person, field)| if turn.has_spoken(&person.name) { Vec::new() } else { field })
            .collect();
        members::most(&fields).map(|at| (open[at].name.clone(), reason(&open[at].name, source, &fields[at])))
    };
    let found = best(&turn.message, "the message").or_else(|| best(&turn.last, "what was said last"));
    if found.is_some() {
        return found;
    }
    if may_end && turn.anybody {
        return Some((DONE.to_owned(), "Everybody whose field this touches has spoken.".to_owned()));
    }
    let questions = evidence::open_questions(prompt).join(" ");
    best(&questions, "what is still open").or_else(|| {
        let next = fresh.first().or(open.first())?;
        Some((next.name.clone(), format!("No word points to anybody in particular; {} is next in order.", next.name)))
    })
}

fn reason(name: &str, source: &str, field: &[String]) -> String {
    let named: Vec<String> = field.iter().take(NAMED).map(|word| format!("\"{word}\"")).collect();
    let verb = if named.len() == 1 { "is" } else { "are" };
    let list = match named.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        few => few.concat(),
    };
    format!("{list} in {source} {verb} for {name}.")
}

fn is_named(text: &str, name: &str) -> bool {
    let (said, name) = (words(text), words(name));
    !name.is_empty() && said.windows(name.len()).any(|part| part == name)
}

/// The part of the conversation since the person's last message.
struct Turn {
    /// Last message of the person.
    message: String,
    /// Last message of an agent, without sentences that only repeat others.
    last: String,
    /// Agents that have spoken.
    spoke: Vec<String>,
    /// Notes of the engine, such as "critic passed".
    notes: Vec<String>,
    anybody: bool,
}

impl Turn {
    fn of(prompt: &Prompt) -> Self {
        let at = prompt.entries.iter().rposition(|entry| matches!(entry, PromptMessage::User { by: None, .. }));
        let message = match at.and_then(|at| prompt.entries.get(at)) {
            Some(PromptMessage::User { text, .. }) => text.clone(),
            _ => String::new(),
        };
        let mut turn = Self { message, last: String::new(), spoke: Vec::new(), notes: Vec::new(), anybody: false };
        for entry in &prompt.entries[at.map_or(0, |at| at + 1)..] {
            match entry {
                PromptMessage::User { by: Some(name), text } => {
                    turn.spoke.push(name.clone());
                    turn.last = sentences(text).into_iter().filter(|one| !is_framed(one)).collect::<Vec<_>>().join(" ");
                    turn.anybody = true;
                }
                PromptMessage::System { text } => turn.notes.push(text.clone()),
                _ => {}
            }
        }
        turn
    }

    fn has_spoken(&self, name: &str) -> bool {
        let passed = |note: &String| note.split_whitespace().next() == Some(name);
        self.spoke.iter().any(|one| one == name) || self.notes.iter().any(passed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::llm::ToolSpec;

    const SYSTEM: &str = "<group name=\"panel\">\n- chair (you): Chooses\n- engineer: Builds it: what is feasible, how \
        long it takes, what it costs to run\n- designer: How it looks and whether people understand the screen\n\
        - lawyer (reviewer): Contracts, privacy, liability, what the law allows\n</group>";

    fn prompt(entries: &[(Option<&str>, &str)], names: &[&str]) -> Prompt {
        let said = |(by, text): &(Option<&str>, &str)| PromptMessage::User {
            by: by.map(str::to_owned),
            text: (*text).to_owned(),
        };
        Prompt {
            agent: "chair".to_owned(),
            system: SYSTEM.to_owned(),
            entries: entries.iter().map(said).collect(),
            tools: vec![Arc::new(ToolSpec {
                name: CHOOSE.to_owned(),
                description: String::new(),
                schema: json!({ "properties": { "agent": { "enum": names }, "reason": {} } }),
            })],
            ..Prompt::default()
        }
    }

    const ALL: [&str; 3] = ["engineer", "designer", "lawyer"];

    /// Returns the chosen speakers in order if each replies with `says`; at most ten.
    fn talk(message: &str, says: &str) -> Vec<(String, String)> {
        let mut entries: Vec<(Option<String>, String)> = vec![(None, message.to_owned())];
        let mut chosen = Vec::new();
        for nth in 0..10 {
            let last = entries.last().and_then(|(by, _)| by.clone());
            let mut names: Vec<&str> = ALL.into_iter().filter(|name| last.as_deref() != Some(*name)).collect();
            if nth > 0 {
                names.push(DONE);
            }
            let borrowed: Vec<(Option<&str>, &str)> =
                entries.iter().map(|(by, text)| (by.as_deref(), text.as_str())).collect();
            let call = answer(&prompt(&borrowed, &names)).expect("a choice").wanted.remove(0).1;
            let [name, reason] = ["agent", "reason"].map(|key| call[key].as_str().unwrap_or_default().to_owned());
            assert!(names.contains(&name.as_str()), "{name} may be chosen");
            chosen.push((name.clone(), reason));
            if name == DONE {
                return chosen;
            }
            entries.push((Some(name), says.to_owned()));
        }
        panic!("it never ends: {chosen:?}");
    }

    fn names(chosen: &[(String, String)]) -> Vec<&str> {
        chosen.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn those_whose_field_the_message_touches_speak_once_each_then_it_is_done() {
        let chosen = talk("What would it cost to build, is it feasible, and what does the privacy law say?", "Well.");
        assert_eq!(names(&chosen), ["engineer", "lawyer", "done"]);
        assert_eq!(chosen[0].1, "\"cost\", \"build\" and \"feasible\" in the message are for engineer.");
        assert_eq!(chosen[1].1, "\"privacy\" and \"law\" in the message are for lawyer.");
    }

    #[test]
    fn what_a_member_brings_up_calls_for_the_one_it_concerns() {
        let chosen = talk("How long does it take?", "Two weeks, once somebody has drawn the screen.");
        assert_eq!(names(&chosen), ["engineer", "designer", "done"]);
        assert_eq!(chosen[1].1, "\"screen\" in what was said last is for designer.");
    }

    #[test]
    fn where_no_word_points_to_anybody_the_first_speaks_and_a_name_always_does() {
        assert_eq!(names(&talk("Bees?", "Hm.")), ["engineer", "done"]);
        assert_eq!(names(&talk("What does the lawyer think?", "Hm.")), ["lawyer", "done"]);
    }

    #[test]
    fn who_passed_has_had_its_turn() {
        let mut prompt = prompt(&[(None, "Is that legal under privacy law?")], &["engineer", "lawyer", DONE]);
        prompt.entries.push(PromptMessage::System { text: "lawyer passed".to_owned() });
        let call = answer(&prompt).expect("a choice").wanted.remove(0).1;
        assert_eq!(call["agent"], "engineer");
    }

    #[test]
    fn where_it_may_not_end_somebody_is_chosen() {
        let entries = [(None, "Bees?"), (Some("engineer"), "Hm."), (Some("designer"), "Hm.")];
        let call = answer(&prompt(&entries, &["engineer"])).expect("a choice").wanted.remove(0).1;
        assert_eq!(call["agent"], "engineer");
    }
}
