//! The offline model in a conversation: answers questions with quotations, comments on statements by the angle of its
//! persona, and passes when it has nothing to add.

use serde_json::json;

use super::Answer;
use super::evidence::{self, Source};
use super::frames::DISCLAIMER;
use super::language::{capital, is_stop, normal, sentences, stem, terms, words};
use super::line_match::{changes, says};
use super::persona::{self, Angle};
use super::scene::ReplyInput;
use super::statement::{Kind, Statement, read};
use crate::llm::{Prompt, PromptMessage};

const SEARCH: &str = "conversation_search";
const PASS: &str = "pass";
/// Most sentences in a reply.
const SENTENCES: usize = 4;

/// Returns the answer of one step of a speech.
pub(super) fn answer(prompt: &Prompt) -> Answer {
    let scene = ReplyInput::of(prompt);
    let angle = persona::of(prompt);
    if let Some(result) = search_result(prompt) {
        return say(prompt, &scene, from_search(&scene, result));
    }
    if scene.is_empty {
        return greet(prompt, &scene);
    }
    if !scene.stated.is_empty() {
        return say(prompt, &scene, persona::reply(angle, &scene));
    }
    if let Some(kept) = overview(prompt, &scene) {
        return say(prompt, &scene, kept);
    }
    if scene.is_request {
        return say(prompt, &scene, request(prompt, &scene));
    }
    if let Some(question) = scene.unanswered.first()
        && scene.others.is_empty()
        && prompt.tools.iter().any(|tool| tool.name == SEARCH)
    {
        let query: Vec<String> = words(question).into_iter().filter(|word| !is_stop(word)).collect();
        if !query.is_empty() {
            return Answer::calling(vec![(SEARCH, json!({ "query": query.join(" ") }))]);
        }
    }
    say(prompt, &scene, to_question(angle, &scene))
}

/// Returns the answer of one step of a task. Leaves out the disclaimer, because the manager says it for all workers.
pub(super) fn answer_task(prompt: &Prompt) -> Answer {
    let mut answer = answer(prompt);
    if let Some(own) = answer.text.strip_suffix(DISCLAIMER) {
        answer.text = own.trim_end().to_owned();
    }
    answer
}

/// Returns the result of the search since the person's last message.
fn search_result(prompt: &Prompt) -> Option<&str> {
    let since = prompt.entries.iter().rev().take_while(|entry| !matches!(entry, PromptMessage::User { by: None, .. }));
    since.into_iter().find_map(|entry| match entry {
        PromptMessage::ToolResult { name, ok, text, .. } if name == SEARCH => {
            Some(if *ok { text.as_str() } else { "" })
        }
        _ => None,
    })
}

fn from_search(scene: &ReplyInput, result: &str) -> Vec<String> {
    let found = evidence::found(result);
    let hit = scene.asked.iter().find_map(|question| evidence::answer(question, &found));
    let near = || scene.asked.iter().find_map(|question| evidence::related(question, &found));
    // The result can contain the question itself.
    let is_echo = |source: &Source| scene.asked.iter().any(|question| normal(question) == normal(&source.text.text));
    match hit.or_else(near).filter(|source| !is_echo(source)) {
        Some(source) => vec![format!("I find in the conversation: {}.", source.quoted())],
        None => {
            vec!["Nothing in the blocks or the conversation answers that.".to_owned(), "Who would know?".to_owned()]
        }
    }
}

fn to_question(angle: Angle, scene: &ReplyInput) -> Vec<String> {
    let mut said = Vec::new();
    for question in &scene.asked {
        let Some(source) = evidence::answer(question, &scene.visible) else { continue };
        let told = scene.others.iter().any(|text| normal(text).contains(&normal(&source.text.text)));
        match (angle, told) {
            (_, false) => {
                said.push(capital(&format!("{}.", source.quoted())));
                let other = scene.visible.iter().find(|other| changes(&other.line, &source.line));
                said.extend(other.map(|other| format!("But {}.", other.quoted())));
            }
            (Angle::Critic, true) if !source.is_block => {
                said.push("No block holds that yet: is it settled?".to_owned());
            }
            _ => {}
        }
    }
    match (scene.unanswered.first(), angle) {
        (None, _) => {}
        (Some(question), Angle::Editor) => said.push(format!("Still open: \"{question}\"")),
        (Some(question), Angle::Critic) => {
            said.push(format!("I see no answer to \"{question}\": who finds out, and by when?"));
        }
        (Some(_), _) => {
            said.push("Nothing in the blocks or the conversation answers that.".to_owned());
            said.push("Who would know?".to_owned());
        }
    }
    said
}

/// Returns the lists for questions such as "What is decided?", "what is open?" or "summarise".
fn overview(prompt: &Prompt, scene: &ReplyInput) -> Option<Vec<String>> {
    let about = terms(last_of_person(prompt));
    let is = |list: &[&str]| list.iter().any(|word| about.contains(&stem(word)));
    let whole = is(&["summarise", "summarize", "summary", "recap", "status", "stand"]);
    let decided = whole || is(&["decide", "settle", "agree"]);
    let open = whole || is(&["open"]);
    if !scene.is_request || !(decided || open) {
        return None;
    }
    let mut lines: Vec<Statement> = Vec::new();
    for line in scene.visible.iter().flat_map(|source| read(&source.text.text)) {
        // Blocks come first: the messages behind them repeat them or are outdated.
        if !lines.iter().any(|kept| says(&kept.sense, &line.sense) || changes(&kept.sense, &line.sense)) {
            lines.push(line);
        }
    }
    let list = |kind: Kind| {
        let kept = lines.iter().filter(|one| one.kind == kind).take(5).map(|one| {
            let line = one.line.trim_end_matches(", decided");
            line.strip_prefix("Decided: ").unwrap_or(line)
        });
        kept.collect::<Vec<_>>().join("; ")
    };
    let questions =
        scene.open.iter().take(5).map(|question| question.trim_end_matches('?')).collect::<Vec<_>>().join("; ");
    let parts =
        [(decided, "Decided", list(Kind::Decision)), (whole, "On record", list(Kind::Fact)), (open, "Open", questions)];
    let wanted = parts.into_iter().filter(|(wanted, ..)| *wanted);
    Some(
        wanted
            .map(
                |(_, name, text)| {
                    if text.is_empty() { format!("{name}: nothing yet.") } else { format!("{name}: {text}.") }
                },
            )
            .collect(),
    )
}

fn last_of_person(prompt: &Prompt) -> &str {
    let said = prompt.entries.iter().rev().find_map(|entry| match entry {
        PromptMessage::User { by: None, text } => Some(text.as_str()),
        _ => None,
    });
    said.unwrap_or_default()
}

/// Returns the reply to a request that needs a language model.
fn request(prompt: &Prompt, scene: &ReplyInput) -> Vec<String> {
    let last = last_of_person(prompt);
    let about = terms(last);
    let near = evidence::related(last, &scene.earlier)
        .or_else(|| scene.earlier.iter().find(|source| !source.text.terms.is_disjoint(&about)));
    let mut said = vec!["I cannot do that: no language model is connected.".to_owned()];
    said.extend(near.map(|source| format!("I find on it: {}.", source.quoted())));
    said
}

fn greet(prompt: &Prompt, scene: &ReplyInput) -> Answer {
    let first = words(last_of_person(prompt)).into_iter().next().unwrap_or_default();
    let greets = ["hello", "hi", "hey", "hallo", "good", "guten"].contains(&first.as_str());
    let said =
        if greets { vec!["Hello: tell us what is decided, or ask what a block holds.".to_owned()] } else { Vec::new() };
    say(prompt, scene, said)
}

/// Returns the sentences that nobody has said since the person's message, or a pass if there are none.
fn say(prompt: &Prompt, scene: &ReplyInput, said: Vec<String>) -> Answer {
    let before: Vec<String> = scene.others.iter().flat_map(|text| sentences(text)).map(|text| normal(&text)).collect();
    let mut said: Vec<String> =
        said.into_iter().filter(|text| !sentences(text).iter().any(|one| before.contains(&normal(one)))).collect();
    said.truncate(SENTENCES);
    if said.is_empty() {
        return if prompt.tools.iter().any(|tool| tool.name == PASS) {
            Answer::calling(vec![(PASS, json!({}))])
        } else {
            Answer::saying("Nothing to add.")
        };
    }
    let is_first = prompt.place.turn <= 1
        && !prompt.entries.iter().any(|entry| matches!(entry, PromptMessage::User { by: Some(_), .. }))
        && !prompt
            .entries
            .iter()
            .any(|entry| matches!(entry, PromptMessage::Assistant { text, .. } if !text.is_empty()));
    if is_first {
        said.truncate(SENTENCES - 1);
        said.push(DISCLAIMER.to_owned());
    }
    Answer::saying(said.join(" "))
}
