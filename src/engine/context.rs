//! Builds the prompt of one step from committed rows.
//!
//! The context is a query over the conversation: others' text with names, the agent's own calls with their
//! results, as much as [`fit`] finds room for. The order suits provider caches: instructions, group and tools first,
//! blocks last, no clock or counters.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use similar::TextDiff;

use super::candidates::Candidates;
use crate::domain::block::{Level, REQUEST_BLOCK_ACCESS};
use crate::domain::excerpt;
use crate::domain::pattern::Seat;
use crate::domain::pattern::dynamic::CHOOSE;
use crate::domain::terminate::RETURN_TO_USER;
use crate::domain::{
    Agent, AgentId, Cause, Group, Kept, Mail, MailKind, NoticeKind, RunKind, StepId, Task, TerminationCondition,
};
use crate::llm::window::{self, Budget};
use crate::llm::{CallContext, Prompt, PromptMessage, ToolCall, ToolSpec, marks};
use crate::store::{FRAME_BYTES, StepInput, TranscriptMessage, Words};
use crate::tools::access::SET_BLOCK_ACCESS;
use crate::tools::conversation::CONVERSATION_SEARCH;
use crate::tools::turn::choose_next_speaker;

mod blocks;
pub mod fit;

pub use blocks::{goes_to, withheld};
use blocks::{hide_withheld, memory};
use fit::Shown;

/// Bytes of conversation that a step reads; a model that is configured to hold more reads more.
pub const CONTEXT_BYTES: usize = window::USUAL * window::MOST_BYTES_PER_TOKEN;

// The store reads no more messages than can fit.
const _: () = assert!(FRAME_BYTES == window::FRAME * window::MOST_BYTES_PER_TOKEN);

/// The call that a prompt is built for.
#[derive(Debug, Clone, Copy)]
pub struct PromptRequest<'a> {
    /// The model's name behind its provider.
    pub model: &'a str,
    /// What it holds.
    pub budget: Budget,
    /// The attempt at this step, from 1.
    pub attempt: u32,
    /// True if it runs on this machine: blocks that are kept here go to no other.
    pub local: bool,
}

/// Builds the prompt of a speech or job step.
#[must_use]
pub fn prompt(view: &StepInput, request: &PromptRequest<'_>, tools: Vec<Arc<ToolSpec>>) -> Prompt {
    let entries = if is_background(view) { job_entries(view, request.local) } else { speech_entries(view) };
    framed(view, request, entries, tools)
}

/// Builds the prompt of a choice.
#[must_use]
pub fn choice_prompt(view: &StepInput, offer: &Candidates, request: &PromptRequest<'_>) -> Prompt {
    framed(view, request, choice_entries(view, offer), vec![Arc::new(choose_next_speaker(&offer.names()))])
}

fn framed(view: &StepInput, request: &PromptRequest<'_>, mut entries: Vec<Shown>, tools: Vec<Arc<ToolSpec>>) -> Prompt {
    let background = is_background(view);
    hide_withheld(view, request.local, &mut entries);
    let mut prompt = Prompt {
        agent: view.agent.name.clone(),
        model: request.model.to_owned(),
        system: system(view, background),
        memory: memory(view, request.local),
        kept: BTreeMap::new(),
        entries: Vec::new(),
        tools,
        temperature: view.agent.temperature,
        max_tokens: view.agent.max_tokens,
        place: CallContext { turn: view.run.turn, step: view.run.steps + 1, attempt: request.attempt, background },
    };
    let conversation = fit::Conversation {
        entries,
        earlier: view.earlier > 0 && !background,
        turn_cut: view.turn_cut,
        searches: !background && prompt.tools.iter().any(|tool| tool.name == CONVERSATION_SEARCH),
    };
    let room = request.budget.beside(window::prompt_tokens(&prompt));
    let shown = fit::fit(conversation, &request.budget, room);
    prompt.kept = kept(view, &shown);
    prompt.entries = shown.into_iter().map(|shown| shown.entry).collect();
    prompt
}

fn is_background(view: &StepInput) -> bool {
    matches!(view.run.kind, RunKind::Job { .. })
}

/// Returns the provider data to send back with the agent's calls, by entry index.
fn kept(view: &StepInput, shown: &[Shown]) -> BTreeMap<usize, Kept> {
    let calls = |shown: &Shown| matches!(&shown.entry, PromptMessage::Assistant { calls, .. } if !calls.is_empty());
    let own = shown.iter().enumerate().filter(|(_, shown)| calls(shown));
    own.filter_map(|(at, shown)| Some((at, view.kept.get(shown.step.as_ref()?)?.clone()))).collect()
}

/// Returns where a job's window ends, so that what an agent sees of it takes at most `room` tokens: before a turn where
/// one ends in it. `more` says that there are messages after these. `None` if the window has all.
#[must_use]
pub fn window_end(messages: &[Arc<TranscriptMessage>], more: bool, room: usize) -> Option<u64> {
    let mut left = room;
    let over = messages.iter().position(|message| {
        let size: usize = said(std::slice::from_ref(message), None).iter().map(Shown::size).sum();
        let over = size > left;
        left = left.saturating_sub(size);
        over
    });
    match over.map(|at| at.max(1)).filter(|at| *at < messages.len()) {
        None if more => messages.last().map(|last| last.seq),
        None => None,
        Some(over) => {
            let turn = (1..=over).rev().find(|at| messages[*at].opens_turn());
            Some(messages[turn.unwrap_or(over)].seq - 1)
        }
    }
}

/// Returns true if the manager of a supervisor group takes this step and may delegate.
#[must_use]
pub fn manages(view: &StepInput) -> bool {
    let speaks = matches!(view.run.kind, RunKind::Speech { .. }) && view.run.task.is_none();
    let group = view.group.as_ref().filter(|group| !group.manager_type.pattern().manager_tools.is_empty());
    speaks && group.is_some_and(|group| group.manager_agent.as_ref() == Some(&view.agent.id))
}

/// Returns the agent's tools in this step: its own, and those that its role in the group and its access to blocks add.
#[must_use]
pub fn tool_names(view: &StepInput) -> Vec<String> {
    let background = is_background(view);
    let mut names = view.agent.tool_names(background);
    let group = view.group.as_ref().filter(|_| manages(view));
    let delegates = group.map_or(&[][..], |group| group.manager_type.pattern().manager_tools);
    let returns = view.group.as_ref().is_some_and(may_return) && !background;
    let own_levels = || view.blocks.iter().map(|block| view.level(block));
    let asks = !view.withheld.is_empty() || own_levels().any(|level| level == Level::Read);
    let decides = own_levels().any(|level| level == Level::Admin);
    let access = [asks.then_some(REQUEST_BLOCK_ACCESS), decides.then_some(SET_BLOCK_ACCESS)];
    for name in delegates.iter().copied().chain(returns.then_some(RETURN_TO_USER)).chain(access.into_iter().flatten()) {
        if !names.iter().any(|own| own == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn may_return(group: &Group) -> bool {
    group.terminate.as_ref().is_some_and(TerminationCondition::has_return)
}

fn system(view: &StepInput, background: bool) -> String {
    let agent = &view.agent;
    let mut text = match &agent.system {
        Some(own) => marks::shield(own).into_owned(),
        None if background => BACKGROUND.replace("{name}", &agent.name),
        None => FOREGROUND.replace("{name}", &agent.name),
    };
    if agent.system.is_some() && background {
        let _ = write!(text, "\n\n{}", BACKGROUND.replace("{name}", &agent.name));
    }
    if let Some(group) = &view.group {
        text.push_str("\n\n");
        text.push_str(&framing(agent, group, &view.roster, background));
    }
    text
}

const FOREGROUND: &str = "You are {name}. Your memory is kept in labelled blocks, shown below; the block `persona`, \
                          if you have one, says who you are. What you write is heard by everybody in the \
                          conversation. Be brief and speak as yourself. Change memory with the memory tools when you \
                          learn something that should outlast this conversation.";

const BACKGROUND: &str = "You are {name}, a background agent. You review a conversation after the fact; you are not \
                          one of its speakers and nobody reads what you write. Your work is memory: keep the blocks \
                          below correct, readable and current. Use memory_replace and memory_insert for small edits, \
                          memory_rethink to reorganise a block. Write absolute dates. Do not repeat what a block \
                          already says; correct what has changed. Call memory_finish_edits when nothing more is \
                          worth changing, at once if nothing is.";

/// Describes purpose, members and how to take part.
fn framing(agent: &Agent, group: &Group, roster: &[Agent], background: bool) -> String {
    let mut text = String::new();
    if !group.description.is_empty() {
        let _ = writeln!(text, "Purpose: {}", marks::line(&group.description));
    }
    for other in roster {
        let role = group.roles.get(&other.id).map(|role| format!(" ({})", in_brackets(role))).unwrap_or_default();
        let you = if other.id == agent.id { " (you)" } else { "" };
        let place = if group.in_background(&other.id) { " (in the background)" } else { "" };
        let colon = if other.description.is_empty() { "" } else { ": " };
        let does = marks::line(&other.description);
        let _ = writeln!(text, "- {}{role}{you}{place}{colon}{does}", other.name);
    }
    if background {
        text.push_str("The others see the blocks you share with them; that is how you reach them.\n");
    } else {
        text.push_str(&marks::shield(&part(agent, group, roster)));
        if may_return(group) {
            let _ = writeln!(text, "When only the user can go on, call `{RETURN_TO_USER}`: that ends the turn.");
        }
    }
    marks::group(&group.name, &text)
}

/// Returns a text for the brackets behind a name: on one line, without brackets of its own.
fn in_brackets(text: &str) -> String {
    marks::line(&text.split_whitespace().collect::<Vec<_>>().join(" ").replace('(', "[").replace(')', "]"))
}

/// Returns the pattern's text for this agent.
fn part(agent: &Agent, group: &Group, roster: &[Agent]) -> String {
    let leads = group.manager_agent.as_ref() == Some(&agent.id);
    let manager = roster.iter().find(|other| group.manager_agent.as_ref() == Some(&other.id));
    let manager = manager.map_or("the manager", |other| other.name.as_str());
    (group.manager_type.pattern().framing)(&Seat { group, leads, manager })
}

fn speech_entries(view: &StepInput) -> Vec<Shown> {
    let mut entries = match (&view.run.task, &view.mail) {
        (Some(task), _) => worker_entries(view, task),
        (None, Some(mail)) => mail_entries(view, mail),
        (None, None) => said(&view.messages, Some(&view.agent.id)),
    };
    pin_input(view, &mut entries);
    entries
}

/// Pins the message that the turn answers.
fn pin_input(view: &StepInput, entries: &mut [Shown]) {
    let input = entries.iter_mut().rev().find(|shown| shown.opens && shown.seq <= view.run.input);
    if let Some(input) = input {
        input.pinned = true;
    }
}

/// A worker's entries: the conversation, the manager's task, the worker's own messages.
fn worker_entries(view: &StepInput, task: &Task) -> Vec<Shown> {
    let own = |message: &Arc<TranscriptMessage>| message.run.as_ref() == Some(&view.run.id);
    let begun = view.messages.iter().position(own).unwrap_or(view.messages.len());
    let mut entries = said(&view.messages[..begun], Some(&view.agent.id));
    let by = view.roster.iter().find(|agent| agent.id == task.by);
    let by = by.map_or_else(|| task.by.to_string(), |agent| agent.name.clone());
    entries.push(Shown::pinned(PromptMessage::User { by: Some(by), text: task.text.clone() }));
    entries.extend(said(&view.messages[begun..], Some(&view.agent.id)));
    entries
}

/// Entries of a mail turn: earlier messages, a note, the mail.
fn mail_entries(view: &StepInput, mail: &Mail) -> Vec<Shown> {
    let at = view.messages.partition_point(|message| message.seq < view.run.input);
    let (before, from_here) = view.messages.split_at(at);
    let mut entries = said(before, Some(&view.agent.id));
    let sender = from_here.first().map_or("", |message| &message.author.name);
    entries.push(Shown::instruction(about_mail(mail, sender)));
    let mut turn = said(from_here, Some(&view.agent.id));
    if mail.kind == MailKind::Notice
        && mail.sent_by.is_none()
        && let Some(PromptMessage::User { text, .. }) = turn.first().map(|shown| &shown.entry)
    {
        // The program wrote it, in nobody's name.
        turn[0].entry = PromptMessage::System { text: text.clone() };
    }
    entries.extend(turn);
    entries
}

/// Entries of a choice: the conversation, the manager's earlier attempts, the candidates.
fn choice_entries(view: &StepInput, offer: &Candidates) -> Vec<Shown> {
    let tries = |message: &Arc<TranscriptMessage>| message.run.as_ref() == Some(&view.run.id);
    let begun = view.messages.iter().position(tries).unwrap_or(view.messages.len());
    let mut entries = said(&view.messages[..begun], Some(&view.agent.id));
    pin_input(view, &mut entries);
    for message in view.messages[begun..].iter().filter(|message| tries(message)) {
        match &message.words {
            Words::Text { text, .. } => {
                let entry = PromptMessage::Assistant { text: text.to_string(), calls: Vec::new() };
                entries.push(Shown::of(message, entry));
            }
            Words::Notice { notice: NoticeKind::Choice, text } => {
                entries.push(Shown::of(message, PromptMessage::System { text: text.to_string() }));
            }
            _ => {}
        }
    }
    entries.push(Shown::instruction(format!(
        "Choose now: {}. Call `{CHOOSE}` with exactly one of these. If you cannot call tools, write exactly one of \
         these and nothing else.",
        offer.names().join(", ")
    )));
    entries
}

/// Returns the note before a mail: its sender, who awaits a reply.
fn about_mail(mail: &Mail, sender: &str) -> String {
    if mail.from.is_none() && mail.kind != MailKind::Notice {
        return "The next message is mail from the user. Your final words go back as your reply.".to_owned();
    }
    if mail.sent_by.is_none() {
        return "The next message tells what became of mail of yours. Nobody waits for an answer.".to_owned();
    }
    if mail.waited_for {
        return format!(
            "The next message is mail from the agent {sender}, who waits for your answer: your final words are the \
             reply."
        );
    }
    format!(
        "The next message is mail from the agent {sender}, who does not wait for an answer and does not hear your \
         words here; to answer, call send_message_to_agent_async."
    )
}

/// The most characters of a change of a block in a job's note.
const LONGEST_DIFF: usize = 4_000;

/// A job's entries: its window, a note, its own work.
fn job_entries(view: &StepInput, local: bool) -> Vec<Shown> {
    let mut entries = said(&view.messages, None);
    for shown in &mut entries {
        shown.pinned = true;
    }
    let causes = view.job.iter().flat_map(|job| &job.causes);
    let asked: Vec<&str> = causes.filter_map(Cause::instruction).collect();
    let mut note = String::from(
        "You are the background agent. The conversation above has ended for now; the lines are the user's and the \
         other agents'. Review it and update memory.",
    );
    for instruction in asked {
        let _ = write!(note, " The user asks you in particular: {}", marks::line(instruction));
    }
    let mut tasks: Vec<&str> =
        view.job.iter().flat_map(|job| &job.causes).filter_map(|cause| cause.task.as_deref()).collect();
    tasks.sort_unstable();
    tasks.dedup();
    for task in tasks {
        let _ = write!(note, " Your task: {}", marks::line(task));
    }
    for cause in view.job.iter().flat_map(|job| &job.causes) {
        if let Some(brought) = cause.kind.brought() {
            let _ = write!(note, "\n{}", marks::line(&brought));
        }
    }
    for piece in view.readings.iter().flat_map(|reading| &reading.pieces) {
        let _ = write!(note, "\n{}", marks::line(&piece.told()));
    }
    for change in &view.block_changes {
        let (label, by) = (marks::line(&change.label), marks::line(&change.by.join(", ")));
        let kept_here = view.blocks.iter().any(|block| block.id == change.block && !goes_to(block, local));
        if !change.readable || kept_here {
            let why = if kept_here { "its text stays on the user's machine" } else { "you may not read it" };
            let _ = write!(note, "\nThe block {label} was changed by {by}; {why}.");
            continue;
        }
        let diff = TextDiff::from_lines(&change.before, &change.after).unified_diff().context_radius(1).to_string();
        let _ = write!(
            note,
            "\nThe block {label} was changed by {by}:\n{}",
            marks::line(&excerpt::to_chars(&diff, LONGEST_DIFF))
        );
    }
    entries.push(Shown::instruction(note));
    entries.extend(said(&view.notes, Some(&view.agent.id)));
    entries
}

/// Returns the note behind words that were cut; `None` is this agent.
fn interrupted(who: Option<&str>) -> PromptMessage {
    let who = who.map_or_else(|| "you were".to_owned(), |name| format!("{name} was"));
    PromptMessage::System { text: format!("Here {who} interrupted by the user.") }
}

/// Returns the entries as `me` sees them; with `None`, every message is another's.
fn said(messages: &[Arc<TranscriptMessage>], me: Option<&AgentId>) -> Vec<Shown> {
    let mut entries: Vec<Shown> = Vec::with_capacity(messages.len());
    // The step of the last own entry.
    let mut open: Option<StepId> = None;
    // The open step's results, after its entry.
    let mut results: Vec<Shown> = Vec::new();
    let is_own = |message: &TranscriptMessage| me.is_some_and(|me| message.is_by(me));
    let delegated = messages.iter().any(|message| message.answers.is_some());
    let own = messages.iter().filter(|message| delegated && is_own(message));
    let own_steps: BTreeSet<&StepId> = own.filter_map(|message| message.step.as_ref()).collect();
    for message in messages.iter().filter(|message| message.is_seen_by(me)) {
        // The result of the delegating call already holds the workers' answers.
        if message.answers.as_ref().is_some_and(|step| own_steps.contains(step)) {
            continue;
        }
        let own = is_own(message);
        if !own || message.step != open {
            entries.append(&mut results);
            open = None;
        }
        let step = message.step.as_ref().filter(|_| own);
        let shown = |entry| Shown::of(message, entry).in_step(message.seq, step);
        let name = || message.author.name.to_string();
        match &message.words {
            Words::Text { text, cancelled } => {
                let text = text.to_string();
                entries.push(shown(if own {
                    open = message.step.clone().filter(|_| !cancelled);
                    PromptMessage::Assistant { text, calls: Vec::new() }
                } else {
                    PromptMessage::User { by: message.author.agent.is_some().then(name), text }
                }));
                if *cancelled {
                    let note = interrupted((!own).then_some(&message.author.name));
                    entries.push(Shown::loose(note).in_step(message.seq, step));
                }
            }
            Words::Tool(used) => {
                if open.is_none() {
                    let empty = Shown::loose(PromptMessage::Assistant { text: String::new(), calls: Vec::new() });
                    entries.push(empty.in_step(message.seq, step));
                    open.clone_from(&message.step);
                }
                if let Some(last) = entries.last_mut() {
                    let (id, name) = (used.call.clone(), used.name.clone());
                    last.call(ToolCall { id, name, arguments: used.arguments.clone() });
                }
                results.push(shown(PromptMessage::ToolResult {
                    call: used.call.clone(),
                    name: used.name.clone(),
                    ok: used.ok,
                    text: used.text.clone(),
                }));
            }
            Words::Notice { text, .. } => entries.push(shown(PromptMessage::System { text: text.to_string() })),
        }
    }
    entries.append(&mut results);
    entries
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Content, ConversationId, ManagerType, Message, MessageId};

    fn message(seq: u64, agent: Option<&str>, step: Option<&str>, content: Content) -> Arc<TranscriptMessage> {
        let (id, talk) = (MessageId(format!("message-{seq}")), ConversationId::from("conversation-1"));
        Arc::new(TranscriptMessage::of(&Message {
            seq,
            step: step.map(StepId::from),
            agent: agent.map(AgentId::from),
            name: agent.unwrap_or_default().to_owned(),
            ..Message::without_run(id, talk, content, jiff::Timestamp::UNIX_EPOCH)
        }))
    }

    fn text(text: &str) -> Content {
        Content::Text { text: text.to_owned(), reasoning: String::new(), cancelled: false }
    }

    fn tool(call: &str) -> Content {
        let (call, name) = (call.to_owned(), "memory_insert".to_owned());
        Content::Tool { call, name, arguments: json!({}), ok: true, text: "done".to_owned() }
    }

    #[test]
    fn an_agent_is_told_the_purpose_of_its_group_and_who_is_in_it() {
        let mut ann = Agent::new("agent-ann".into(), "ann", "group-desk".into());
        ann.description = "writes".to_owned();
        let roster = [ann.clone(), Agent::new("agent-bob".into(), "bob", "group-desk".into())];
        let mut group = Group::new("group-desk".into(), "desk", ManagerType::RoundRobin);
        group.description = "a paper".to_owned();
        group.members = roster.iter().map(|agent| agent.id.clone()).collect();
        group.roles.insert("agent-bob".into(), "reviewer".to_owned());
        let told = framing(&ann, &group, &roster, true);
        let expected = "<group name=\"desk\">\nPurpose: a paper\n- ann (you): writes\n- bob (reviewer)\nThe others see the \
                        blocks you share with them; that is how you reach them.\n</group>";
        assert_eq!(told, expected);
    }

    #[test]
    fn every_own_call_is_followed_by_its_one_result_and_others_are_attributed() {
        let log = [
            message(1, None, None, text("hello")),
            message(2, Some("critic"), Some("step-1"), text("hm")),
            message(3, Some("me"), Some("step-2"), text("let me see")),
            message(4, Some("me"), Some("step-2"), tool("a")),
            message(5, Some("me"), Some("step-2"), tool("b")),
            message(6, Some("me"), Some("step-3"), tool("c")),
            message(7, Some("critic"), Some("step-4"), tool("x")),
            message(8, Some("me"), Some("step-5"), text("done")),
        ];
        let entries = said(&log, Some(&AgentId::from("me")));
        let shapes: Vec<String> = entries
            .iter()
            .map(|shown| match &shown.entry {
                PromptMessage::User { by, text } => format!("{}: {text}", by.as_deref().unwrap_or("user")),
                PromptMessage::Assistant { text, calls } => format!("own {text:?} {}", calls.len()),
                PromptMessage::ToolResult { call, .. } => format!("result {call}"),
                PromptMessage::System { text } => format!("note {text}"),
            })
            .collect();
        assert_eq!(
            shapes,
            [
                "user: hello",
                "critic: hm",
                "own \"let me see\" 2",
                "result a",
                "result b",
                "own \"\" 1",
                "result c",
                "own \"done\" 0",
            ]
        );
    }
}
