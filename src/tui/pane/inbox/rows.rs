//! Rows of waiting calls: in the inbox, below a conversation, and in the detail view.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use crate::domain::block_edit::EditTool;
use crate::domain::setting::REQUIRE_APPROVAL;
use crate::domain::{Agent, Configurable as _, ConversationOwner, PendingCall, Run};
use crate::engine::protocol::Recipient;
use crate::tui::effect::Decision;
use crate::tui::model::Model;
use crate::tui::pane::RenderContext;
use crate::tui::pane::list::{cut, two_ends};
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::diff;
use crate::tui::text::width::width;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Characters of an argument used for its one-line summary.
const LOOKED_AT: usize = 200;
/// Unchanged lines shown around a change.
const CONTEXT: usize = 1;

/// Returns the two rows of a call in the inbox: the caller and the time, then the tool and its arguments.
pub(super) fn call(
    call: &PendingCall,
    decided: Option<&Decision>,
    cells: usize,
    look: &RenderContext,
    model: &Model,
) -> Vec<Row> {
    let (glyphs, cells) = (look.glyphs, cells.saturating_sub(1));
    let sign = match decided {
        None => Span::new(format!(" {} ", glyphs.needs_you), Role::Warning),
        Some(_) => Span::new(format!(" {} ", glyphs.waiting), Role::Dim),
    };
    let who = Span::new(caller(call, model), speaker(call, model));
    let mut left = vec![sign, who];
    match decided {
        Some(decision) if decision.approve => left.push(Span::new("  approving", Role::Dim)),
        Some(_) => left.push(Span::new("  denying", Role::Dim)),
        None => {}
    }
    let first = two_ends(left, vec![Span::new(look.clock(call.since), Role::Dim)], cells, glyphs.ellipsis);
    let mut second = vec![Span::new("   ", Role::Dim)];
    second.extend(what(call));
    vec![first, cut(second, cells, glyphs.ellipsis)]
}

fn speaker(call: &PendingCall, model: &Model) -> Role {
    model.caller(call).map_or(Role::Text, |agent| Role::speaker(model.speaker_index(agent)))
}

/// Returns the tool name and a one-line summary of its arguments.
#[must_use]
pub fn what(call: &PendingCall) -> Vec<Span> {
    let mut spans = vec![Span::new(clean_line(&call.name), Role::Text)];
    let given = gist(&call.arguments);
    if !given.is_empty() {
        spans.push(Span::new(format!(" {given}"), Role::Dim));
    }
    spans
}

/// Returns a one-line summary of arguments: a block by its label, strings in quotes, other values with their name.
#[must_use]
pub fn gist(arguments: &Value) -> String {
    let short = |text: &str| clean_line(&text.chars().take(LOOKED_AT).collect::<String>()).trim().to_owned();
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) if name == "label" => short(text),
        Value::String(text) => format!("\"{}\"", short(text)),
        other => format!("{} {}", short(name), short(&other.to_string())),
    };
    match arguments {
        Value::Object(given) => given.iter().map(one).collect::<Vec<_>>().join(" "),
        Value::Null => String::new(),
        other => short(&other.to_string()),
    }
}

/// Returns the text of a call for copying: the tool and its complete arguments.
#[must_use]
pub fn whole(call: &PendingCall) -> String {
    let arguments = serde_json::to_string_pretty(&call.arguments).unwrap_or_default();
    crate::tui::text::plain::plain(&format!("{} {arguments}", call.name)).into_owned()
}

/// Describes the context of a call: its group or direct conversation, the turn, and the delegating agent.
#[must_use]
pub fn whence(call: &PendingCall, model: &Model) -> String {
    let run = model.run(&call.run);
    let job = run.is_some_and(|run| run.kind.is_job());
    let turn = run.map(|run| run.turn).filter(|turn| *turn > 0);
    let turn = turn.map(|turn| format!(", turn {turn}")).unwrap_or_default();
    let mut text = match place(call, model) {
        Some(Recipient::Group(id)) => {
            let name = model.group(&id).map_or_else(|| "a group".into(), |group| clean_line(&group.name));
            if job { format!("in the background of {name}{turn}") } else { format!("in {name}{turn}") }
        }
        Some(Recipient::Agent(_)) => format!("in your direct conversation{turn}"),
        None => "in an unknown run".to_owned(),
    };
    if let Some(task) = run.and_then(|run: &Run| run.task.as_ref()) {
        let by = model.agent(&task.by).map_or_else(|| "the manager".into(), |agent| clean_line(&agent.name));
        let _ = write!(text, ", for {by}");
    }
    text
}

/// Returns the complete details of a call, for the decision.
#[must_use]
pub fn opened(call: &PendingCall, cells: usize, look: &RenderContext, model: &Model) -> Vec<Row> {
    let glyphs = look.glyphs;
    let told = |text: &str, role: Role| wrap(&[Span::new(clean(text), role)], &Shape::plain(cells));
    let head = vec![
        Span::new(format!("{} {}", glyphs.needs_you, caller(call, model)), Role::Strong),
        Span::new(" wants to call ", Role::Text),
        Span::new(clean_line(&call.name), Role::Strong),
    ];
    let mut rows = wrap(&head, &Shape::plain(cells));
    let since = format!("{} {} since {}", whence(call, model), glyphs.dot, look.clock(call.since));
    rows.extend(told(&since, Role::Dim));
    if let Some(until) = call.until {
        rows.extend(told(&format!("without an answer it is rejected at {}", look.clock(until)), Role::Dim));
    }
    rows.push(Row::default());
    rows.extend(would_run(call, cells, look, model));
    let behind = model.behind(call);
    if !behind.is_empty() {
        rows.push(Row::default());
        rows.extend(told("After it, in the same step:", Role::Dim));
        for call in behind {
            let mut spans = vec![Span::new("  ", Role::Dim)];
            spans.extend(what(call));
            rows.push(cut(spans, cells, glyphs.ellipsis));
        }
    }
    rows
}

/// Returns what the call would do: for a block edit the difference, otherwise all arguments.
fn would_run(call: &PendingCall, cells: usize, look: &RenderContext, model: &Model) -> Vec<Row> {
    let told = |text: &str, role: Role| wrap(&[Span::new(clean(text), role)], &Shape::plain(cells));
    let edit = EditTool::named(&call.name).and_then(|tool| {
        let (block, edit) = (model.block_of_call(call)?, tool.read(&call.arguments)?);
        Some((tool, block, edit.on(&block.value)))
    });
    match edit {
        Some((tool, block, Ok(edited))) => {
            let value = edited.value;
            let label = clean_line(&block.label);
            let mut rows = told(&format!("{label}, from v{}:", block.version), Role::Dim);
            let changed = diff::rows(&block.value, &value, CONTEXT, cells.saturating_sub(2), look.glyphs);
            if changed.is_empty() {
                rows.extend(told("  no change: the block already has this text", Role::Warning));
            }
            rows.extend(changed.into_iter().map(|row| indented(row, 2)));
            let (length, limit) = (value.chars().count(), block.limit as usize);
            if length > limit {
                let text = format!("It would be rejected: {length} characters, the block's limit is {limit}.");
                rows.extend(told(&text, Role::Warning));
            }
            // Arguments that the difference does not show.
            rows.extend(arguments(&call.arguments, |name| name == "label" || tool.takes(name), cells));
            rows
        }
        Some((_, _, Err(fault))) => {
            let mut rows = arguments(&call.arguments, |_| false, cells);
            rows.extend(told(
                &format!("With the current text of the block it would be rejected: {fault}."),
                Role::Warning,
            ));
            rows
        }
        None => {
            let rows = arguments(&call.arguments, |_| false, cells);
            if rows.is_empty() { told("without arguments", Role::Dim) } else { rows }
        }
    }
}

fn indented(row: Row, by: usize) -> Row {
    let mut spans = vec![Span::new(" ".repeat(by), Role::Text)];
    spans.extend(row.spans);
    Row { spans, fence: None }
}

/// Returns the rows of all arguments but those that `without` names, each in full next to its name.
fn arguments(arguments: &Value, without: impl Fn(&str) -> bool, cells: usize) -> Vec<Row> {
    let Value::Object(given) = arguments else {
        let text = if arguments.is_null() { String::new() } else { arguments.to_string() };
        let rows = wrap(&[Span::new(clean(&text), Role::Code)], &Shape::plain(cells));
        return if text.is_empty() { Vec::new() } else { rows };
    };
    let mut rows = Vec::new();
    let names = given.keys().map(|name| width(&clean_line(name))).max().unwrap_or(0).min(cells / 3);
    for (name, value) in given.iter().filter(|(name, _)| !without(name)) {
        let text = value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
        let name = crate::tui::text::width::fit(&clean_line(name), names, "~");
        let shape = Shape {
            first: vec![Span::new(format!("  {name}  "), Role::Dim)],
            rest: vec![Span::new(" ".repeat(names + 4), Role::Dim)],
            ..Shape::plain(cells)
        };
        rows.extend(wrap(&[Span::new(clean(&text), Role::Code)], &shape));
    }
    rows
}

/// Returns the text of the empty inbox.
pub(super) fn empty(cells: usize) -> Vec<Row> {
    let title = Agent::setting(REQUIRE_APPROVAL).map_or(REQUIRE_APPROVAL, |row| row.title);
    let text = format!(
        "Nothing waits for you. An agent's call appears here if it needs your approval: \"{title}\" in the agent's form \
         (1, e), requires_approval in a team file. The run waits until you decide."
    );
    let indent = || vec![Span::new(" ", Role::Dim)];
    let cells = cells.saturating_sub(1);
    wrap(&[Span::new(text, Role::Dim)], &Shape { first: indent(), rest: indent(), ..Shape::plain(cells) })
}

/// Returns the group, or the agent of a direct conversation, that a call belongs to.
#[must_use]
pub fn place(call: &PendingCall, model: &Model) -> Option<Recipient> {
    let run = model.run(&call.run)?;
    match model.conversation(&run.conversation).map(|talk| talk.owner.clone()) {
        Some(ConversationOwner::Group(id)) => Some(Recipient::Group(id)),
        Some(ConversationOwner::Agent(id)) => Some(Recipient::Agent(id)),
        Some(ConversationOwner::Job(_)) | None => run.group().cloned().map(Recipient::Group),
    }
}

/// Returns the name of the calling agent.
#[must_use]
pub fn caller(call: &PendingCall, model: &Model) -> String {
    let agent = model.run(&call.run).and_then(Run::agent).and_then(|id| model.agent(id));
    agent.map_or_else(|| "an unknown agent".to_owned(), |agent| clean_line(&agent.name).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_of_arguments_is_clean_short_and_says_which_block() {
        let long = "x".repeat(5_000);
        let given = json!({ "label": "story", "new_memory": format!("\u{1b}[2Ja\nb{long}"), "n": 3 });
        let line = gist(&given);
        assert!(line.starts_with("story \"") && line.ends_with(" n 3"), "{line}");
        assert!(!line.contains(['\u{1b}', '\n']) && line.len() < 300, "{line}");
        assert_eq!(gist(&json!({})), "");
        assert_eq!(gist(&json!([1, "a"])), "[1,\"a\"]");
    }
}
