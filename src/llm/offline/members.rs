//! Reads the agents of the group from the prompt, and matches words to their fields.
//!
//! The prompt has a `<group …>` section with one line per agent: `- name (role): what it does`. Some marks in brackets
//! are not roles but positions in the group.

use std::collections::BTreeSet;

use super::language::{Terms, is_stop, stem, terms, words};
use crate::llm::{Prompt, PromptMessage};

/// Marks behind a name that are not roles.
const MARKS: [&str; 4] = ["you", "in the background", "manager", "the manager"];

/// Words that are too common to belong to a field.
const DULL: &str =
    "say tell ask think give need want thing way people person work answer help look good bad first every";

/// One agent of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub name: String,
    /// Texts in brackets behind the name.
    pub marks: Vec<String>,
    /// Terms of its name, its role, its description, and the block with its name.
    field: Terms,
}

impl Person {
    fn is(&self, mark: &str) -> bool {
        self.marks.iter().any(|one| one == mark)
    }
}

/// Returns the agents of the group section, in order.
pub(super) fn all(prompt: &Prompt) -> Vec<Person> {
    framing(prompt).lines().filter_map(|line| person(prompt, line)).collect()
}

/// Returns the group section of the instructions, or an empty text.
fn framing(prompt: &Prompt) -> &str {
    let Some((_, group)) = prompt.system.split_once("<group") else { return "" };
    group.split_once("</group>").map_or(group, |(group, _)| group)
}

fn person(prompt: &Prompt, line: &str) -> Option<Person> {
    let line = line.trim().strip_prefix("- ")?;
    let end = line.find(|c: char| c.is_whitespace() || "(:".contains(c)).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    let mut marks = Vec::new();
    while let Some((mark, after)) = rest.trim_start().strip_prefix('(').and_then(|inner| inner.split_once(')')) {
        marks.push(mark.trim().to_owned());
        rest = after;
    }
    let does = rest.trim_start().trim_start_matches([':', '-', '–']).trim();
    let roles = marks.iter().filter(|mark| !MARKS.contains(&mark.as_str()));
    let roles = roles.map(String::as_str).collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then(|| known(prompt, name, marks.clone(), &format!("{roles} {does}")))
}

fn known(prompt: &Prompt, name: &str, marks: Vec<String>, does: &str) -> Person {
    let own = prompt.memory.iter().filter(|block| block.label.eq_ignore_ascii_case(name));
    let own = own.map(|block| block.value.as_str()).collect::<Vec<_>>().join(" ");
    let field = terms(&format!("{} {does} {own}", name.replace(['_', '-'], " ")));
    Person { name: name.to_owned(), marks, field }
}

/// Phrases of the group section if members speak one after the other. Only then the last message of an agent is not a
/// task; otherwise it is a task of a manager, or mail.
const TALK: [&str; 2] = ["speaks in this order", "who speaks next"];

/// Turns a task of another agent into a message of the person, because both are answered alike. Returns whether there
/// was a task.
pub(super) fn take_task(prompt: &mut Prompt) -> bool {
    let group = framing(prompt);
    if TALK.iter().any(|talk| group.contains(talk)) {
        return false;
    }
    let last = prompt.entries.iter_mut().rev().find_map(|entry| match entry {
        PromptMessage::User { by, .. } => Some(by),
        _ => None,
    });
    last.and_then(Option::take).is_some()
}

/// Returns the agents with these names, in this order. An agent without a line is described by its name only.
pub(super) fn named(prompt: &Prompt, names: &[String]) -> Vec<Person> {
    let all = all(prompt);
    let find = |name: &String| {
        let found = all.iter().find(|person| person.name == *name).cloned();
        found.unwrap_or_else(|| known(prompt, name, Vec::new(), ""))
    };
    names.iter().map(find).collect()
}

/// Returns the agents that can be given work: all except this agent and the background agents.
pub(super) fn workers(prompt: &Prompt) -> Vec<Person> {
    let is_worker =
        |person: &Person| person.name != prompt.agent && !person.is("you") && !person.is("in the background");
    all(prompt).into_iter().filter(is_worker).collect()
}

/// Returns, for each agent, the words of `text` in its field. Leaves out words in the field of every agent.
pub(super) fn fields(text: &str, people: &[Person]) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = vec![Vec::new(); people.len()];
    let mut seen = BTreeSet::new();
    let dull = terms(DULL);
    for word in words(text) {
        let root = stem(&word);
        if is_stop(&word) || dull.contains(&root) || !seen.insert(root.clone()) {
            continue;
        }
        let meets = |person: &Person| person.field.iter().any(|term| meet(term, &root));
        let hits: Vec<usize> = (0..people.len()).filter(|at| meets(&people[*at])).collect();
        if hits.len() < people.len() || people.len() == 1 {
            for at in hits {
                found[at].push(word.clone());
            }
        }
    }
    found
}

/// Returns whether two words are forms of one word, such as "design" and "designer".
fn meet(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    one == other || short.len() >= 4 && long.len() - short.len() <= 3 && long.starts_with(short)
}

/// Returns the index of the longest list, the first of equals. `None` if all are empty.
pub(super) fn most(fields: &[Vec<String>]) -> Option<usize> {
    let longest = fields.iter().map(Vec::len).max().filter(|longest| *longest > 0)?;
    fields.iter().position(|field| field.len() == longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str = "You are chair.\n\n<group name=\"panel\">\nPurpose: - no line\n- chair (you) (manager): Picks\n\
        - engineer: Says what can be built and what it costs\n- lawyer (reviewer) : Contracts, liability, privacy\n\
        - scribe (in the background): Keeps notes\n- odd\nTalk.\n</group>\n- nobody: outside";

    fn prompt() -> Prompt {
        Prompt { agent: "chair".to_owned(), system: SYSTEM.to_owned(), ..Prompt::default() }
    }

    #[test]
    fn everybody_of_the_framing_is_known_with_marks_and_field() {
        let all = all(&prompt());
        let names: Vec<&str> = all.iter().map(|person| person.name.as_str()).collect();
        assert_eq!(names, ["chair", "engineer", "lawyer", "scribe", "odd"]);
        assert_eq!(all[2].marks, ["reviewer"]);
        assert!(all[2].field.contains("review") || all[2].field.contains("reviewer"), "{:?}", all[2].field);
        let workers: Vec<String> = workers(&prompt()).into_iter().map(|person| person.name).collect();
        assert_eq!(workers, ["engineer", "lawyer", "odd"]);
    }

    #[test]
    fn words_are_in_the_field_of_whoever_does_such_things() {
        let people = named(&prompt(), &["engineer".to_owned(), "lawyer".to_owned()]);
        let text = "What would building it cost, and does the contract say who is liable?";
        assert_eq!(fields(text, &people), [vec!["building", "cost"], vec!["contract"]]);
        assert_eq!(most(&fields("contract", &people)), Some(1));
        assert_eq!(most(&fields("bees", &people)), None);
        assert!(meet("design", "designer") && !meet("port", "portrait") && !meet("law", "lawn"));
    }
}
