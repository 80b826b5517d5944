//! Replies to statements by persona: looking for facts, for gaps, or for settled points.

use super::language::{OPEN, Terms, capital, shorten, terms};
use super::line_match::{names, says};
use super::scene::ReplyInput;
use super::statement::{Kind, Statement};
use super::{dates, evidence, statement};
use crate::llm::Prompt;

/// The focus of a persona.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Angle {
    /// Facts and their sources.
    Facts,
    /// What is unclear or contradictory, or has no date, number or responsible person.
    Critic,
    /// What is settled and what is open.
    Editor,
    /// No particular focus.
    Plain,
}

/// Longest quotation of a statement, in code points.
const QUOTE: usize = 120;

const FACTS: &str = "fact source report reporter research researcher check verify evidence news who where when";
const CRITIC: &str = "critic critical criticise unclear doubt contradict contradiction question risk weak sceptic sceptical skeptic \
    skeptical challenge gap missing review reviewer object";
const EDITOR: &str =
    "editor edit sum summary summarise summarize settle settled open moderate moderator chair conclude decide lead";

/// Returns the angle of the agent, by its name and its persona, or its instructions if it has no persona.
pub(super) fn of(prompt: &Prompt) -> Angle {
    let personas = prompt.memory.iter().filter(|block| block.label.to_lowercase().contains("persona"));
    let persona: String = personas.map(|block| block.value.as_str()).collect::<Vec<_>>().join(" ");
    let text = if persona.trim().is_empty() { instructions(&prompt.system) } else { persona };
    let (name, is) = (terms(&prompt.agent), terms(&text));
    let score = |words: &str| -> usize {
        let words: Terms = terms(words);
        words.intersection(&is).count() + 2 * words.intersection(&name).count()
    };
    let scores = [(Angle::Facts, score(FACTS)), (Angle::Critic, score(CRITIC)), (Angle::Editor, score(EDITOR))];
    let most = scores.iter().map(|(_, score)| *score).max().unwrap_or_default();
    scores.iter().find(|(_, score)| *score == most && most > 0).map_or(Angle::Plain, |(angle, _)| *angle)
}

/// Returns the part of the system prompt about this agent: in the group section, only its own line.
fn instructions(system: &str) -> String {
    let (own, group) = system.split_once("<group").unwrap_or((system, ""));
    let line = group.lines().find(|line| line.contains(" (you)")).unwrap_or_default();
    format!("{own} {line}")
}

/// Returns the sentences of a reply to statements. The last one is a question.
pub(super) fn reply(angle: Angle, scene: &ReplyInput) -> Vec<String> {
    match angle {
        Angle::Facts => facts(scene),
        Angle::Critic => critic(scene),
        Angle::Editor => editor(scene),
        Angle::Plain => plain(scene),
    }
}

/// Formats a statement for use within a sentence.
fn told(statement: &Statement) -> String {
    let line = statement.line.trim_end_matches(", decided");
    let line = line.strip_prefix("Decided: ").unwrap_or(line);
    let line = &shorten(line, QUOTE);
    match line.split_once(": ") {
        Some((topic, when)) if dates::tells_when(when) => {
            let first = when.starts_with(|digit: char| digit.is_ascii_digit());
            format!("{} {}{when}", topic.to_lowercase(), if first { "on " } else { "" })
        }
        _ => line.to_owned(),
    }
}

fn list(statements: &[&Statement]) -> String {
    statements.iter().take(3).map(|statement| told(statement)).collect::<Vec<_>>().join("; ")
}

fn facts(scene: &ReplyInput) -> Vec<String> {
    let known = |statement: &Statement| scene.blocks.iter().find(|source| says(&source.line, &statement.sense));
    let new: Vec<&Statement> = scene.stated.iter().filter(|statement| known(statement).is_none()).collect();
    let mut said = Vec::new();
    if new.is_empty() {
        let Some(source) = scene.stated.iter().find_map(known) else { return said };
        said.push(format!("That stands already: {}.", source.quoted()));
        return said;
    }
    if new.iter().all(|statement| statement.kind == Kind::Idea) {
        return vec![
            format!("An idea, not yet a fact: {}.", list(&new)),
            "What do we know that speaks for it?".to_owned(),
        ];
    }
    said.push(format!("Noted: {}.", list(&new)));
    let named = new.iter().find_map(|statement| names(&statement.line).into_iter().next());
    said.push(match (named, new[0].kind) {
        (Some(name), _) => match scene.turn % 3 {
            2 => format!("Who told us about {name}, and can we quote them?"),
            0 => format!("Who else can confirm that about {name}?"),
            _ => format!("Where can we check that about {name}?"),
        },
        (None, Kind::Decision) => "Who decided that, and can we quote them?".to_owned(),
        (None, Kind::Person) => return said,
        (None, _) => "Who said so, and where can we check it?".to_owned(),
    });
    said
}

fn critic(scene: &ReplyInput) -> Vec<String> {
    let mut said = scene.contradiction().into_iter().collect::<Vec<_>>();
    if let Some(question) = scene.unanswered.first() {
        said.push(format!("I see no answer yet to \"{question}\"."));
    }
    let decision = scene.stated.iter().find(|statement| statement.kind == Kind::Decision);
    let of = |kind: Kind| scene.stated.iter().find(|statement| statement.kind == kind);
    let about = decision.or_else(|| of(Kind::Fact)).or_else(|| of(Kind::Idea));
    let Some(statement) = about else { return said };
    let told = told(statement);
    let owned = !names(&statement.line).is_empty();
    let when = dates::tells_when(&statement.line);
    let number = dates::numbers(&statement.line).into_iter().next();
    said.push(match statement.kind {
        Kind::Idea => format!("\"{}\" is a guess so far: what would settle it?", capital(&told)),
        Kind::Decision if !when => format!("\"{}\" has no date: by when?", capital(&told)),
        Kind::Decision if !owned => format!("\"{}\" names nobody who sees to it: who does?", capital(&told)),
        _ if !when && number.is_some() => {
            format!("Where does the {} come from, and how sure is it?", number.unwrap_or_default())
        }
        _ if !when => format!("\"{}\" has no date: since when is that so?", capital(&told)),
        _ => format!("What happens if \"{told}\" turns out wrong?"),
    });
    said
}

fn editor(scene: &ReplyInput) -> Vec<String> {
    let of = |kind: Kind| scene.stated.iter().filter(|statement| statement.kind == kind).collect::<Vec<_>>();
    let mut said = Vec::new();
    let (decided, facts) = (of(Kind::Decision), of(Kind::Fact));
    if !decided.is_empty() {
        said.push(format!("Settled: {}.", list(&decided)));
    }
    if !facts.is_empty() {
        said.push(format!("On record: {}.", list(&facts)));
    }
    let ideas = of(Kind::Idea);
    if !ideas.is_empty() {
        said.push(format!("Not settled yet: {}.", list(&ideas)));
    }
    if said.is_empty() {
        return said;
    }
    let open = scene.unanswered.first().or(scene.open.first());
    said.push(match open {
        Some(question) => format!("{OPEN}{question}", question = lower(question)),
        None => "Nothing is open; what comes next?".to_owned(),
    });
    said
}

fn lower(question: &str) -> String {
    statement::read(question).first().map_or_else(String::new, |asked| asked.line.trim_start_matches(OPEN).to_owned())
}

fn plain(scene: &ReplyInput) -> Vec<String> {
    let mut said = scene.contradiction().into_iter().collect::<Vec<_>>();
    let Some(first) = scene.stated.iter().find(|statement| !scene.was_told(&statement.line)).or(scene.stated.first())
    else {
        return said;
    };
    if said.is_empty() {
        match evidence::related(&first.said, &scene.earlier) {
            Some(source) if !says(&source.line, &first.sense) => {
                said.push(format!("That goes with what {}.", source.quoted()));
            }
            _ => said.push(format!("I take from this: {}.", told(first))),
        }
    }
    let topic = names(&first.line).into_iter().next();
    said.push(topic.map_or_else(
        || "What follows from that for us?".to_owned(),
        |name| format!("What does that change for {name}?"),
    ));
    said
}
