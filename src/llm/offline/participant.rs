//! The offline model in a conversation: it answers questions with sentences it can point to, takes
//! statements by its persona's angle, and passes when it has nothing to add.

use serde_json::json;

use super::Answer;
use super::angle::{self, Angle};
use super::evidence::{self, Source};
use super::language::{capital, is_stop, normal, sentences, stem, terms, words};
use super::sense::{changes, says};
use super::statement::{Kind, Statement, read};
use crate::llm::{Entry, Prompt};

const SEARCH: &str = "conversation_search";
const PASS: &str = "pass";
pub(super) const HONEST: &str = "(I am the offline model: I quote and sort, I do not understand.)";
/// The longest reply, in sentences.
const SENTENCES: usize = 4;

/// How the offline model begins sentences about sentences; such words are no news.
const FRAMES: &[&str] = &[
    "Noted: ",
    "Settled: ",
    "On record: ",
    "Open: ",
    "Decided: ",
    "I see no answer",
    "That contradicts",
    "That stands already",
    "That goes with",
    "I take from this",
    "Nothing ",
    "Who ",
    "What ",
    "(I am the offline model",
    "\"",
    "Still open",
    "Agreed: ",
    "I cannot ",
    "I find ",
    "Hello",
    "An idea,",
    "Not settled yet: ",
    "But ",
    "Where does ",
    "Where can ",
    "No block holds",
];

/// True for a sentence that only says what others said.
pub(super) fn is_framed(sentence: &str) -> bool {
    FRAMES.iter().any(|frame| sentence.starts_with(frame))
        || sentence.contains(" says \"")
        || sentence.contains(" said \"")
}

/// What an agent sees when it is its turn to speak.
pub(super) struct Scene {
    /// What the person's last message states.
    pub stated: Vec<Statement>,
    /// The questions of the person's last message.
    pub asked: Vec<String>,
    /// Those of them that nothing visible answers.
    pub unanswered: Vec<String>,
    /// Questions that stand open in the blocks.
    pub open: Vec<String>,
    /// The lines of the blocks.
    pub blocks: Vec<Source>,
    /// Blocks and all words before the person's last message.
    pub earlier: Vec<Source>,
    /// Blocks and all words, the person's last message among them.
    pub visible: Vec<Source>,
    /// What others said since the person's last message.
    pub others: Vec<String>,
    /// The conversation's turn.
    pub turn: u64,
    is_request: bool,
    is_empty: bool,
}

impl Scene {
    fn of(prompt: &Prompt) -> Self {
        let last = prompt.entries.iter().rposition(|entry| matches!(entry, Entry::Said { by: None, .. }));
        let at = last.unwrap_or(prompt.entries.len());
        let text = match prompt.entries.get(at) {
            Some(Entry::Said { text, .. }) => text.as_str(),
            // Without a person, the last words of another agent are what there is to answer.
            _ => prompt.entries.iter().rev().find_map(said_by_agent).unwrap_or_default(),
        };
        let all = read(text);
        let asked: Vec<String> = of_kind(&all, Kind::Question);
        let since = prompt.entries.get(at + 1..).unwrap_or_default();
        let visible = evidence::visible(prompt, (at + 1).min(prompt.entries.len()));
        let unanswered =
            asked.iter().filter(|question| evidence::answer(question, &visible).is_none()).cloned().collect();
        Self {
            unanswered,
            open: evidence::open_questions(prompt)
                .into_iter()
                .filter(|question| evidence::answer(question, &visible).is_none())
                .collect(),
            turn: prompt.place.turn,
            blocks: evidence::blocks(prompt),
            earlier: evidence::visible(prompt, at),
            visible,
            others: since.iter().filter_map(said_by_agent).map(str::to_owned).collect(),
            is_request: all.iter().any(|statement| statement.kind == Kind::Request),
            is_empty: all.iter().all(|statement| statement.kind == Kind::Talk),
            asked,
            stated: all
                .into_iter()
                .filter(|one| matches!(one.kind, Kind::Fact | Kind::Decision | Kind::Person | Kind::Idea))
                .collect(),
        }
    }

    /// A sentence on where the person's words contradict what stands.
    pub(super) fn contradiction(&self) -> Option<String> {
        self.stated.iter().find_map(|statement| {
            let source = self.earlier.iter().find(|source| changes(&source.line, &statement.sense))?;
            let verb = if source.is_block { "it has" } else { "earlier" };
            Some(format!("That contradicts {}: {verb} \"{}\".", source.by, source.text.text))
        })
    }

    /// True when another agent has already told `line` since the person spoke.
    pub(super) fn was_told(&self, line: &str) -> bool {
        let line = terms(line);
        self.others.iter().any(|text| line.is_subset(&terms(text)))
    }
}

fn said_by_agent(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Said { by: Some(_), text } => Some(text),
        _ => None,
    }
}

fn of_kind(all: &[Statement], kind: Kind) -> Vec<String> {
    all.iter().filter(|statement| statement.kind == kind).map(|statement| statement.said.clone()).collect()
}

/// Answers one step of a speech.
pub(super) fn answer(prompt: &Prompt) -> Answer {
    let scene = Scene::of(prompt);
    let angle = angle::of(prompt);
    if let Some(result) = search_result(prompt) {
        return say(prompt, &scene, from_search(&scene, result));
    }
    if scene.is_empty {
        return greet(prompt, &scene);
    }
    if !scene.stated.is_empty() {
        return say(prompt, &scene, angle::reply(angle, &scene));
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

/// Answers one step of a task. Of those who work side by side none is the first: whoever asked is the one to say
/// what model this is.
pub(super) fn answer_task(prompt: &Prompt) -> Answer {
    let mut answer = answer(prompt);
    if let Some(own) = answer.text.strip_suffix(HONEST) {
        answer.text = own.trim_end().to_owned();
    }
    answer
}

/// What the search since the person's last message brought.
fn search_result(prompt: &Prompt) -> Option<&str> {
    let since = prompt.entries.iter().rev().take_while(|entry| !matches!(entry, Entry::Said { by: None, .. }));
    since.into_iter().find_map(|entry| match entry {
        Entry::Result { name, ok, text, .. } if name == SEARCH => Some(if *ok { text.as_str() } else { "" }),
        _ => None,
    })
}

fn from_search(scene: &Scene, result: &str) -> Vec<String> {
    let found = evidence::found(result);
    let hit = scene.asked.iter().find_map(|question| evidence::answer(question, &found));
    let near = || scene.asked.iter().find_map(|question| evidence::related(question, &found));
    // A result may hold the question itself.
    let is_echo = |source: &Source| scene.asked.iter().any(|question| normal(question) == normal(&source.text.text));
    match hit.or_else(near).filter(|source| !is_echo(source)) {
        Some(source) => vec![format!("I find in the conversation: {}.", source.quoted())],
        None => {
            vec!["Nothing in the blocks or the conversation answers that.".to_owned(), "Who would know?".to_owned()]
        }
    }
}

fn to_question(angle: Angle, scene: &Scene) -> Vec<String> {
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

/// "What is decided?", "what is open?", "summarise": the lists themselves.
fn overview(prompt: &Prompt, scene: &Scene) -> Option<Vec<String>> {
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
        // What stands in a block comes first: the words it was taken from say it again, or say what was before.
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
        Entry::Said { by: None, text } => Some(text.as_str()),
        _ => None,
    });
    said.unwrap_or_default()
}

/// A request for work a language model would do.
fn request(prompt: &Prompt, scene: &Scene) -> Vec<String> {
    let last = last_of_person(prompt);
    let about = terms(last);
    let near = evidence::related(last, &scene.earlier)
        .or_else(|| scene.earlier.iter().find(|source| !source.text.terms.is_disjoint(&about)));
    let mut said = vec!["I cannot do that: no language model is connected.".to_owned()];
    said.extend(near.map(|source| format!("I find on it: {}.", source.quoted())));
    said
}

fn greet(prompt: &Prompt, scene: &Scene) -> Answer {
    let first = words(last_of_person(prompt)).into_iter().next().unwrap_or_default();
    let greets = ["hello", "hi", "hey", "hallo", "good", "guten"].contains(&first.as_str());
    let said =
        if greets { vec!["Hello: tell us what is decided, or ask what a block holds.".to_owned()] } else { Vec::new() };
    say(prompt, scene, said)
}

/// Says what nobody said since the person spoke, or passes.
fn say(prompt: &Prompt, scene: &Scene, said: Vec<String>) -> Answer {
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
        && !prompt.entries.iter().any(|entry| matches!(entry, Entry::Said { by: Some(_), .. }))
        && !prompt.entries.iter().any(|entry| matches!(entry, Entry::Own { text, .. } if !text.is_empty()));
    if is_first {
        said.truncate(SENTENCES - 1);
        said.push(HONEST.to_owned());
    }
    Answer::saying(said.join(" "))
}
