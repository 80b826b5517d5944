//! The offline model as a supervisor: sends each worker the sentences in its field, or the whole message to all if no
//! word distinguishes the workers, and collects the answers, one line per worker.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Answer;
use super::frames::{DISCLAIMER, is_framed};
use super::language::{Terms, sentences, shorten, terms};
use super::members::{self, Person};
use super::statement::{Kind, read};
use crate::llm::{Prompt, PromptMessage, ToolCall};

const DELEGATE: &str = "delegate";
const BROADCAST: &str = "send_message_to_all_agents_in_group";
/// Longest quotation of a worker, in code points.
const QUOTE: usize = 300;
/// Prefixes of sentences about a worker that did not answer.
const FAILURES: &[&str] = &[
    "failed",
    "error",
    "did not",
    "gave no",
    "no answer",
    "no response",
    "could not",
    "timed out",
    "was cancelled",
    "passed",
];

/// Returns the answer of a supervisor. `None` for other agents, or if there is nothing to delegate.
pub(super) fn answer(prompt: &Prompt) -> Option<Answer> {
    if !manages(prompt) {
        return None;
    }
    let at = prompt.entries.iter().rposition(|entry| matches!(entry, PromptMessage::User { by: None, .. }))?;
    let PromptMessage::User { text, .. } = &prompt.entries[at] else { return None };
    let since = &prompt.entries[at + 1..];
    let workers = members::workers(prompt);
    if let Some(calls) = calls(since) {
        return Some(gather(prompt, since, &workers, &calls));
    }
    if workers.is_empty() || read(text).iter().all(|statement| statement.kind == Kind::Talk) {
        return None;
    }
    Some(Answer::calling(vec![split(prompt, text, &workers)]))
}

/// Returns whether the agent is a supervisor: it can delegate, or has delegated in this turn.
pub(super) fn manages(prompt: &Prompt) -> bool {
    let since = prompt.entries.iter().rev().take_while(|entry| !matches!(entry, PromptMessage::User { by: None, .. }));
    prompt.tools.iter().any(|tool| tool.name == DELEGATE)
        || since.into_iter().any(|entry| matches!(entry, PromptMessage::ToolResult { name, .. } if name == DELEGATE))
}

/// Returns the calls that delegated work since the person's message.
fn calls(since: &[PromptMessage]) -> Option<Vec<&ToolCall>> {
    let all = since.iter().filter_map(|entry| match entry {
        PromptMessage::Assistant { calls, .. } => Some(calls),
        _ => None,
    });
    let given: Vec<&ToolCall> = all.flatten().filter(|call| call.name == DELEGATE || call.name == BROADCAST).collect();
    (!given.is_empty()).then_some(given)
}

/// Builds the call that delegates `text`. Each worker gets the sentences that are in nobody's field, as context, and
/// then its own.
fn split(prompt: &Prompt, text: &str, workers: &[Person]) -> (&'static str, Value) {
    let mut parts: Vec<Vec<String>> = vec![Vec::new(); workers.len()];
    let mut about: Vec<String> = Vec::new();
    for sentence in sentences(text) {
        match members::most(&members::fields(&sentence, workers)) {
            Some(at) => parts[at].push(sentence),
            None => about.push(sentence),
        }
    }
    let tasks: Vec<Value> = workers
        .iter()
        .zip(parts)
        .filter(|(_, own)| !own.is_empty())
        .map(|(worker, own)| {
            let task: Vec<&str> = about.iter().chain(&own).map(String::as_str).collect();
            json!({ "agent": worker.name, "task": task.join(" ") })
        })
        .collect();
    let can_broadcast = prompt.tools.iter().any(|tool| tool.name == BROADCAST);
    if tasks.is_empty() && can_broadcast {
        return (BROADCAST, json!({ "message": text.trim() }));
    }
    if tasks.is_empty() {
        let all = workers.iter().map(|worker| json!({ "agent": worker.name, "task": text.trim() }));
        return (DELEGATE, json!({ "tasks": all.collect::<Vec<_>>() }));
    }
    (DELEGATE, json!({ "tasks": tasks }))
}

/// Returns one line per asked worker: its main sentence, or a note that there is none.
fn gather(prompt: &Prompt, since: &[PromptMessage], workers: &[Person], calls: &[&ToolCall]) -> Answer {
    let names: Vec<String> = workers.iter().map(|worker| worker.name.clone()).collect();
    let mut asked: Vec<(String, Terms)> = Vec::new();
    for call in calls {
        let tasks = call.arguments.get("tasks").and_then(Value::as_array);
        for task in tasks.into_iter().flatten() {
            let text = |key: &str| task.get(key).and_then(Value::as_str).unwrap_or_default();
            asked.push((text("agent").to_owned(), terms(text("task"))));
        }
        if let Some(message) = call.arguments.get("message").and_then(Value::as_str) {
            asked.extend(names.iter().map(|name| (name.clone(), terms(message))));
        }
    }
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut refused: Vec<&str> = Vec::new();
    for entry in since {
        match entry {
            PromptMessage::User { by: Some(name), text } if names.contains(name) => {
                said.insert(name.clone(), text.clone());
            }
            PromptMessage::ToolResult { call, ok, text, .. } if calls.iter().any(|one| one.id == *call) => {
                let found = answers(text, &names);
                if found.is_empty() && !*ok {
                    refused.push(text);
                }
                said.extend(found);
            }
            _ => {}
        }
    }
    let mut lines: Vec<String> = Vec::new();
    if said.is_empty() && !refused.is_empty() {
        lines.push(format!("I could not give the work away: {}", shorten(refused.join(" ").trim(), QUOTE)));
    } else {
        asked.dedup_by(|one, other| one.0 == other.0);
        lines.extend(asked.iter().map(|(name, task)| told(name, said.get(name).map_or("", String::as_str), task)));
    }
    if prompt.place.turn <= 1 {
        lines.push(DISCLAIMER.to_owned());
    }
    Answer::saying(lines.join("\n"))
}

/// Returns the line about one worker.
fn told(name: &str, text: &str, task: &Terms) -> String {
    let all: Vec<String> = sentences(text).into_iter().filter(|one| !DISCLAIMER.contains(one.as_str())).collect();
    let Some(first) = all.first() else { return format!("{name} gave no answer.") };
    let lower = first.to_lowercase();
    if FAILURES.iter().any(|failure| lower.starts_with(failure)) {
        return format!("{name} did not answer: {}", shorten(first, QUOTE));
    }
    // New content is preferred to repetitions of the task, and questions come last.
    let rank = |one: &&String| {
        let news = terms(one).difference(task).count();
        (!one.trim_end().ends_with('?'), !is_framed(one) || one.contains(" says \""), news.min(1))
    };
    let mut best = first;
    for one in &all {
        if rank(&one) > rank(&best) {
            best = one;
        }
    }
    let best = shorten(best, QUOTE);
    // A sentence with a quotation is not quoted again.
    if best.contains('"') { format!("{name}: {best}") } else { format!("{name} says \"{best}\"") }
}

/// Returns the answers by worker, from a result in JSON or in lines that start with a name.
fn answers(text: &str, names: &[String]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() || value.is_array() => in_value(&value, names, &mut found),
        _ => in_lines(text, names, &mut found),
    }
    found
}

fn in_value(value: &Value, names: &[String], found: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| match item {
            Value::String(line) => in_lines(line, names, found),
            other => in_value(other, names, found),
        }),
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str);
            let who =
                ["agent", "name", "from"].into_iter().find_map(text).filter(|name| names.iter().any(|one| one == name));
            if let Some(who) = who {
                let said = ["text", "answer", "reply", "message", "result", "error"].into_iter().find_map(text);
                found.insert(who.to_owned(), said.unwrap_or_default().to_owned());
                return;
            }
            for (key, value) in fields {
                match value {
                    Value::String(said) if names.contains(key) => {
                        found.insert(key.clone(), said.clone());
                    }
                    other => in_value(other, names, found),
                }
            }
        }
        _ => {}
    }
}

fn in_lines(text: &str, names: &[String], found: &mut BTreeMap<String, String>) {
    let mut open: Option<&String> = None;
    for line in text.lines() {
        let bare = line.trim_start_matches(['-', '*', '#', '[', ' ']);
        let begins = names.iter().filter_map(|name| Some((name, after_name(bare.strip_prefix(name.as_str())?)?)));
        // If one name is a prefix of another, the longer match counts.
        if let Some((name, rest)) = begins.max_by_key(|(name, _)| name.len()) {
            found.insert(name.clone(), rest.trim().to_owned());
            open = Some(name);
        } else if let Some(said) = open.and_then(|name| found.get_mut(name)) {
            said.push('\n');
            said.push_str(line);
        }
    }
}

/// Returns the text behind a name at the start of a line. `None` if the name is only part of a word.
fn after_name(rest: &str) -> Option<&str> {
    let marked = rest.trim_start().trim_start_matches(']');
    let marked = match marked.trim_start().strip_prefix('(').and_then(|inner| inner.split_once(')')) {
        Some((_, after)) => after,
        None => marked,
    };
    let marked = marked.trim_start();
    let said = ["said:", "says:", "answers:", "answered:", "replied:", ":"];
    if let Some(words) = said.into_iter().find_map(|mark| marked.strip_prefix(mark)) {
        return Some(words);
    }
    let lower = marked.to_lowercase();
    (rest.is_empty() || FAILURES.iter().any(|failure| lower.starts_with(failure))).then_some(marked)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::llm::{CallContext, ToolSpec};

    const SYSTEM: &str = "<group name=\"desk\">\n- chief (you): Plans\n- writer: Writes headlines and texts\n\
        - checker (facts): Checks names, dates and numbers\n- legal: Libel, privacy and copyright\n\
        - scribe (in the background): Writes notes\n</group>";
    const ASKED: &str =
        "The story is about Mira. Is the date of the launch right? Who owns the copyright of the picture?";

    fn prompt(entries: Vec<PromptMessage>) -> Prompt {
        let tool =
            |name: &str| Arc::new(ToolSpec { name: name.to_owned(), description: String::new(), schema: json!({}) });
        Prompt {
            agent: "chief".to_owned(),
            system: SYSTEM.to_owned(),
            entries,
            tools: vec![tool(DELEGATE), tool(BROADCAST)],
            place: CallContext { turn: 2, step: 1, attempt: 1, background: false },
            ..Prompt::default()
        }
    }

    fn said(text: &str) -> PromptMessage {
        PromptMessage::User { by: None, text: text.to_owned() }
    }

    /// Returns the reply after the delegation of the first step returned this result.
    fn gathered(message: &str, ok: bool, result: &str) -> String {
        let given = answer(&prompt(vec![said(message)])).expect("work is given");
        let calls = given.calls(&prompt(Vec::new()));
        let (call, name) = (calls[0].id.clone(), calls[0].name.clone());
        let own = PromptMessage::Assistant { text: String::new(), calls };
        let back = PromptMessage::ToolResult { call, name, ok, text: result.to_owned() };
        let after = answer(&prompt(vec![said(message), own, back])).expect("an answer");
        assert_eq!(after.wanted, [], "it delegates once a turn");
        after.text
    }

    #[test]
    fn each_worker_gets_the_sentences_of_its_field_and_what_they_are_about() {
        let (name, arguments) = answer(&prompt(vec![said(ASKED)])).expect("work").wanted.remove(0);
        assert_eq!(name, DELEGATE);
        assert_eq!(
            arguments,
            json!({ "tasks": [
                { "agent": "checker", "task": "The story is about Mira. Is the date of the launch right?" },
                { "agent": "legal", "task": "The story is about Mira. Who owns the copyright of the picture?" },
            ]})
        );
    }

    #[test]
    fn everybody_is_asked_where_no_word_tells_the_workers_apart_and_nobody_for_a_greeting() {
        let given = answer(&prompt(vec![said("What do we make of the bees in Lucerne?")])).expect("work");
        assert_eq!(given.wanted, [(BROADCAST, json!({ "message": "What do we make of the bees in Lucerne?" }))]);
        assert_eq!(answer(&prompt(vec![said("Hello!")])), None);
        let mut plain = prompt(vec![said(ASKED)]);
        plain.tools.retain(|tool| tool.name == BROADCAST);
        assert_eq!(answer(&plain), None, "who may write to all is no supervisor yet");
    }

    #[test]
    fn what_comes_back_is_gathered_a_line_a_worker_with_failures_and_silence_named() {
        let lines = "checker: Which date? The launch is on 3 May.\nlegal failed: the provider does not answer";
        assert_eq!(
            gathered(ASKED, true, lines),
            "checker says \"The launch is on 3 May.\"\nlegal did not answer: failed: the provider does not answer"
        );
        let quoting =
            "checker: Story says \"Launch: 3 May\".\n(I am the offline model: I quote and sort, I do not understand.)";
        assert_eq!(gathered(ASKED, true, quoting), "checker: Story says \"Launch: 3 May\".\nlegal gave no answer.");
        let value = r#"[{"agent": "checker", "status": "success", "text": "It is right."}]"#;
        assert_eq!(gathered(ASKED, true, value), "checker says \"It is right.\"\nlegal gave no answer.");
        assert_eq!(
            gathered("What of the bees?", true, "writer: Bees!\nchecker (facts) said: Twelve hives.\n\nlegal: "),
            "writer says \"Bees!\"\nchecker says \"Twelve hives.\"\nlegal gave no answer."
        );
    }

    #[test]
    fn work_that_could_not_be_given_away_is_told() {
        assert_eq!(
            gathered(ASKED, false, "there is no checker"),
            "I could not give the work away: there is no checker"
        );
    }
}
