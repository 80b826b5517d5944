//! Rows of the roster.

use std::collections::BTreeMap;

use crate::domain::status::AgentStatus;
use crate::domain::{Agent, AgentId, Group, GroupId, GroupStatus};
use crate::engine::protocol::Recipient;
use crate::tui::glyph::GlyphSet;
use crate::tui::model::{AgentActivity, Model};
use crate::tui::pane::RenderContext;
use crate::tui::pane::list::{cut, packed, two_ends};
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::{pad, truncate, width};
use crate::tui::text::wrap::{self, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Minimum width at which an agent's model is shown next to its state.
const WIDE: usize = 34;
/// Minimum cells for a truncated model name.
const LEAST_MODEL: usize = 8;
/// Minimum cells for a truncated state or role.
const LEAST_WORD: usize = 8;
/// Maximum width of the column of names.
const MAX_NAME: usize = 16;

/// Identifies a row of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A group.
    Group(GroupId),
    /// An agent of a group.
    Agent(GroupId, AgentId),
}

/// Returns the state of an agent as a sign, a few words and a role.
pub(super) fn doing(doing: &AgentActivity, model: &Model, glyphs: &GlyphSet) -> (&'static str, String, Role) {
    let words = |status: &AgentStatus| status.words(|id| clean_line(model.name_of(id)).into_owned());
    match doing {
        AgentActivity::Thinking => (glyphs.thinking, "thinking".to_owned(), Role::Accent),
        AgentActivity::Tool(tool) => (glyphs.tool, format!("calling {}", clean_line(tool)), Role::Accent),
        AgentActivity::Provider => (glyphs.waiting, "waiting".to_owned(), Role::Warning),
        AgentActivity::Is(status) => {
            let (sign, role) = match status {
                AgentStatus::Idle => (glyphs.idle, Role::Dim),
                AgentStatus::Speaking => (glyphs.thinking, Role::Accent),
                AgentStatus::Queued | AgentStatus::WaitingFor(_) => (glyphs.waiting, Role::Warning),
                AgentStatus::WaitingForApproval => (glyphs.needs_you, Role::Warning),
                AgentStatus::OnJob => (glyphs.background, Role::Accent),
            };
            (sign, words(status), role)
        }
    }
}

/// Returns the width of a group's column of names.
pub(super) fn name_cells(group: &Group, model: &Model) -> usize {
    let names = model.agents_of(group).into_iter().map(|agent| width(&clean_line(&agent.name)));
    names.max().unwrap_or(0).min(MAX_NAME)
}

/// Layout data shared by the rows of a group.
pub(super) struct Shape<'a> {
    /// Width of a row in cells.
    pub cells: usize,
    /// Width of the column of names in cells.
    pub names: usize,
    /// Number of unopened mails to the user, by sender.
    pub mail: &'a BTreeMap<&'a AgentId, usize>,
}

/// Returns the agents of a group in display order: the manager first.
pub(super) fn in_order<'a>(group: &Group, model: &'a Model) -> Vec<&'a Agent> {
    let mut agents = model.agents_of(group);
    agents.sort_by_key(|agent| !manages(group, &agent.id));
    agents
}

fn manages(group: &Group, agent: &AgentId) -> bool {
    group.manager_type.has_manager() && group.manager_agent.as_ref() == Some(agent)
}

/// Returns the rows of a group: its name with an indicator, and if unfolded its pattern.
pub(super) fn group(group: &Group, folded: bool, shape: &Shape<'_>, look: &RenderContext, model: &Model) -> Vec<Row> {
    let glyphs = look.glyphs;
    let cells = shape.cells.saturating_sub(1);
    let here = model.place.group.as_ref() == Some(&group.id);
    let sign = if folded { glyphs.folded } else { glyphs.open };
    let role = match group.status {
        _ if here => Role::Strong,
        GroupStatus::Active | GroupStatus::Paused => Role::Text,
        GroupStatus::Archived => Role::Dim,
    };
    let left = vec![Span::new(format!(" {sign} "), Role::Dim), Span::new(clean_line(&group.name), role)];
    let waiting = model.needs_you(Some(&group.id));
    // If unfolded, the rows of the agents show their mail.
    let by = |id: &&AgentId| shape.mail.get(*id).copied().unwrap_or(0);
    let letters: usize = if folded { group.agents().iter().map(by).sum() } else { 0 };
    let right = if waiting > 0 {
        vec![Span::new(format!("{} {waiting}", glyphs.needs_you), Role::Warning)]
    } else if group.status != GroupStatus::Active {
        vec![Span::new(group.status.as_str(), Role::Dim)]
    } else if letters > 0 {
        vec![Span::new(format!("{letters} mail"), Role::Accent)]
    } else {
        new_messages(&Recipient::Group(group.id.clone()), model)
    };
    let mut rows = vec![two_ends(left, right, cells, glyphs.ellipsis)];
    if !folded {
        let pattern = format!("   {}", model.pattern(group, glyphs.dot));
        rows.push(cut(vec![Span::new(pattern, Role::Dim)], cells, glyphs.ellipsis));
    }
    rows
}

/// Returns the row of an agent, and more rows if its state does not fit next to the name.
pub(super) fn agent(group: &Group, agent: &Agent, shape: &Shape<'_>, look: &RenderContext, model: &Model) -> Vec<Row> {
    let glyphs = look.glyphs;
    let (cells, names) = (shape.cells, shape.names);
    let state = model.doing(&agent.id);
    let (sign, word, role) = doing(&state, model, glyphs);
    let here = model.place.group.as_ref() == Some(&group.id);
    let talking = model.place.address == Some(Recipient::Agent(agent.id.clone()));
    let name_role = if here { Role::speaker(model.speaker_index(&agent.id)) } else { Role::Text };
    let clean_name = clean_line(&agent.name).into_owned();
    let name_wide = width(&clean_name);
    let mut name = Span::new(clean_name, name_role);
    if talking {
        name = name.with(ratatui::style::Modifier::BOLD);
    }
    let model_name = clean_line(model.model_of(agent)).into_owned();
    let next = model.next_speaker(group) == Some(&agent.id);
    let wide = cells >= WIDE;
    // The name is never truncated; the state is.
    let room = cells.saturating_sub(name_wide + 7);
    let below = match &state {
        // The sign before the name shows it too.
        AgentActivity::Is(AgentStatus::Idle | AgentStatus::Speaking)
        | AgentActivity::Thinking
        | AgentActivity::Tool(_)
        | AgentActivity::Provider => false,
        AgentActivity::Is(AgentStatus::Queued | AgentStatus::OnJob) => !wide && width(&word) > room,
        AgentActivity::Is(AgentStatus::WaitingFor(_) | AgentStatus::WaitingForApproval) => wide || width(&word) > room,
    };
    let right = match state {
        _ if shape.mail.contains_key(&agent.id) => {
            vec![Span::new(format!("{} mail", shape.mail[&agent.id]), Role::Accent)]
        }
        _ if below => Vec::new(),
        AgentActivity::Is(AgentStatus::Idle) => {
            let new = new_messages(&Recipient::Agent(agent.id.clone()), model);
            let word = if next { Some("next".to_owned()) } else { stands_for(group, agent) };
            match word {
                _ if !new.is_empty() => new,
                Some(word) if wide || width(&word) <= room => vec![Span::new(word, Role::Dim)],
                None if wide => vec![Span::new("idle", Role::Dim)],
                // Too narrow to be readable; the explanation below the list has the full text.
                Some(_) if room < LEAST_WORD => Vec::new(),
                Some(word) => vec![Span::new(truncate(&word, room, glyphs.ellipsis), Role::Dim)],
                None if cells < names + 7 + LEAST_MODEL => Vec::new(),
                None => {
                    let room = cells - names - 7;
                    vec![Span::new(truncate(&model_name, room, glyphs.ellipsis), Role::Dim)]
                }
            }
        }
        _ if wide => vec![Span::new(truncate(&word, cells / 2, glyphs.ellipsis), role)],
        // Only a tool's state is useful when truncated; for others the sign before the name is enough.
        AgentActivity::Tool(_) if room >= LEAST_WORD => vec![Span::new(truncate(&word, room, glyphs.ellipsis), role)],
        _ if width(&word) > room => Vec::new(),
        _ => vec![Span::new(word.clone(), role)],
    };
    let manager = if manages(group, &agent.id) { glyphs.manager } else { " " };
    let mut left = vec![Span::new(format!(" {manager} "), Role::Dim), Span::new(format!("{sign} "), role), name];
    if wide {
        let gap = names.saturating_sub(name_wide) + 2;
        left.push(Span::new(format!("{}{model_name}", " ".repeat(gap)), Role::Dim));
    }
    let mut rows = vec![two_ends(left, right, cells.saturating_sub(1), glyphs.ellipsis)];
    if below {
        let indent = || vec![Span::new("     ", Role::Dim)];
        let shape = wrap::Shape { first: indent(), rest: indent(), ..wrap::Shape::plain(cells.saturating_sub(1)) };
        rows.extend(wrap(&[Span::new(word, role)], &shape));
    }
    rows
}

/// Returns "manager" or the role of an agent in its group, if any.
fn stands_for(group: &Group, agent: &Agent) -> Option<String> {
    let role = group.roles.get(&agent.id).map(|role| clean_line(role).into_owned()).filter(|role| !role.is_empty());
    if manages(group, &agent.id) { Some("manager".to_owned()) } else { role }
}

fn new_messages(address: &Recipient, model: &Model) -> Vec<Span> {
    if model.place.address.as_ref() == Some(address) {
        return Vec::new();
    }
    match model.conversation_of(address).map_or(0, |talk| model.unread(talk)) {
        0 => Vec::new(),
        new => vec![Span::new(format!("{new} new"), Role::Accent)],
    }
}

/// Returns the explanation of a selected row and the available keys, `cells` wide and at most `room` rows.
pub(super) fn explanation(key: &Key, (cells, room): (usize, usize), look: &RenderContext, model: &Model) -> Vec<Row> {
    let mut said: Vec<(String, Role)> = Vec::new();
    let mut can = Vec::new();
    match key {
        Key::Group(id) => {
            let Some(group) = model.group(id) else { return Vec::new() };
            let status = match group.status {
                GroupStatus::Active => "",
                GroupStatus::Paused => "paused: nothing starts",
                GroupStatus::Archived => "archived: nothing starts",
            };
            said.push((status.to_owned(), Role::Warning));
            said.push((clean_line(&group.description).into_owned(), Role::Text));
            let title = group.manager_type.title();
            said.push((format!("{title}: {}", group.manager_type.best_for()), Role::Dim));
            can.extend([("Enter", "talk"), ("e", "edit"), ("n", "new agent"), ("+", "member"), ("D", "delete")]);
        }
        Key::Agent(group, id) => {
            let (Some(agent), Some(group)) = (model.agent(id), model.group(group)) else { return Vec::new() };
            let background = group.in_background(id);
            let mut is = Vec::new();
            if manages(group, id) {
                is.push("manager".to_owned());
            }
            is.extend(group.roles.get(id).map(|role| clean_line(role).into_owned()));
            if background {
                is.push("works in the background".to_owned());
            }
            said.push((is.join(", "), Role::Text));
            let (sign, word, role) = doing(&model.doing(id), model, look.glyphs);
            if role != Role::Dim {
                said.push((format!("{sign} {word}"), role));
            }
            said.push((clean_line(&agent.description).into_owned(), Role::Dim));
            said.push((clean_line(model.model_of(agent)).into_owned(), Role::Dim));
            can.extend([("Enter", "talk"), ("e", "edit"), ("m", "model"), ("w", "mail")]);
            can.extend([("-", "take out"), ("D", "delete")]);
            if background {
                can.insert(0, ("R", "run"));
            }
        }
    }
    let indent = || vec![Span::new(" ", Role::Text)];
    let cells = cells.saturating_sub(1);
    let mut rows = Vec::new();
    for (text, role) in said.into_iter().filter(|(text, _)| !text.is_empty()) {
        let shape = wrap::Shape { first: indent(), rest: indent(), ..wrap::Shape::plain(cells) };
        rows.extend(wrap(&[Span::new(text, role)], &shape));
    }
    let mut keys = keys(&can, cells);
    // Two rows of explanation take precedence over the last keys; the help lists all keys.
    keys.truncate(room.saturating_sub(rows.len().min(2)).max(1));
    let left = room.saturating_sub(keys.len());
    let is_cut = rows.len() > left;
    rows.truncate(left);
    if let Some(last) = rows.last_mut().filter(|_| is_cut) {
        // Every row has one free cell for it.
        last.push(Span::new(look.glyphs.ellipsis, Role::Dim));
    }
    rows.extend(keys);
    rows
}

/// Lays out keys with their descriptions.
fn keys(can: &[(&str, &str)], cells: usize) -> Vec<Row> {
    let one = |(key, what): &(&str, &str)| (Span::new(*key, Role::Accent), Span::new(format!(" {what}"), Role::Dim));
    packed(can.iter().map(one), 1, cells)
}

/// Returns the text of an empty roster.
pub(super) fn empty(cells: usize) -> Vec<Row> {
    let text = "No group yet.\nN creates one here.\nOr from a team file:\nnightdesk apply TEAM.toml";
    let shape = wrap::Shape {
        first: vec![Span::new(pad("", 1), Role::Dim)],
        rest: vec![Span::new(pad("", 1), Role::Dim)],
        ..wrap::Shape::plain(cells)
    };
    wrap(&[Span::new(text, Role::Dim)], &shape)
}
