//! The rows of the roster.

use super::Key;
use crate::domain::{Agent, Group, GroupStatus, ManagerType};
use crate::engine::wire::Address;
use crate::tui::glyph::GlyphSet;
use crate::tui::model::{Doing, Model};
use crate::tui::pane::Look;
use crate::tui::pane::list::{cut, two_ends};
use crate::tui::text::clean::clean_line;
use crate::tui::text::width::{pad, truncate, width};
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// From this width on an agent's model stands beside its state.
const WIDE: usize = 34;
/// The least cells a model is shown in.
const LEAST_MODEL: usize = 8;
/// The least cells a longer word than that is shown in.
const LEAST_WORD: usize = 8;
/// The widest column of names.
const MAX_NAME: usize = 16;

/// What an agent does, as a sign and in a word or two.
pub(super) fn doing(doing: &Doing, glyphs: &GlyphSet) -> (&'static str, String, Role) {
    match doing {
        Doing::Idle => (glyphs.idle, "idle".to_owned(), Role::Dim),
        Doing::Thinking => (glyphs.thinking, "thinking".to_owned(), Role::Accent),
        Doing::Tool(tool) => (glyphs.tool, format!("calling {}", clean_line(tool)), Role::Accent),
        Doing::Waiting => (glyphs.waiting, "waiting".to_owned(), Role::Warning),
        Doing::Job => (glyphs.background, "job".to_owned(), Role::Accent),
        Doing::NeedsYou => (glyphs.needs_you, "needs you".to_owned(), Role::Warning),
    }
}

/// The cells of a group's column of names.
pub(super) fn name_cells(group: &Group, model: &Model) -> usize {
    let names = model.agents_of(group).into_iter().map(|agent| width(&clean_line(&agent.name)));
    names.max().unwrap_or(0).min(MAX_NAME)
}

/// A group's row.
pub(super) fn group(group: &Group, folded: bool, cells: usize, look: &Look, model: &Model) -> Row {
    let glyphs = look.glyphs;
    let here = model.place.group.as_ref() == Some(&group.id);
    let sign = if folded { glyphs.folded } else { glyphs.open };
    let name = Span::new(clean_line(&group.name), if here { Role::Strong } else { Role::Text });
    let left = vec![Span::new(format!(" {sign} "), Role::Dim), name];
    let waiting = model.needs_you(Some(&group.id));
    let right = if waiting > 0 {
        vec![Span::new(format!("{} {waiting}", glyphs.needs_you), Role::Warning)]
    } else if group.status == GroupStatus::Paused {
        vec![Span::new("paused", Role::Dim)]
    } else {
        new_messages(&Address::Group(group.id.clone()), model)
    };
    two_ends(left, right, cells.saturating_sub(1), glyphs.ellipsis)
}

/// An agent's row.
pub(super) fn agent(group: &Group, agent: &Agent, names: usize, cells: usize, look: &Look, model: &Model) -> Row {
    let glyphs = look.glyphs;
    let state = model.doing(&agent.id);
    let (sign, word, role) = doing(&state, glyphs);
    let here = model.place.group.as_ref() == Some(&group.id);
    let talking = model.place.address == Some(Address::Agent(agent.id.clone()));
    let name_role = if here { Role::speaker(model.speaker_index(&agent.id)) } else { Role::Text };
    let mut name = Span::new(clean_line(&agent.name), name_role);
    if talking {
        name = name.with(ratatui::style::Modifier::BOLD);
    }
    let model_name = clean_line(model.model_of(agent)).into_owned();
    let new = new_messages(&Address::Agent(agent.id.clone()), model);
    let next = model.next_speaker(group) == Some(&agent.id);
    let wide = cells >= WIDE;
    let right = match state {
        _ if !new.is_empty() => new,
        Doing::Idle if next => vec![Span::new("next", Role::Dim)],
        Doing::Idle if !wide => {
            let room = cells.saturating_sub(names + 7);
            // Half a name tells nothing; the explanation below the list has it whole.
            let shown = if room < LEAST_MODEL { "".into() } else { truncate(&model_name, room, glyphs.ellipsis) };
            vec![Span::new(shown, Role::Dim)]
        }
        _ if wide => vec![Span::new(truncate(&word, cells / 2, glyphs.ellipsis), role)],
        // The name stands whole; the word gives way.
        _ => {
            let room = cells.saturating_sub(width(&clean_line(&agent.name)) + 7);
            // Half a word tells less than the sign before the name.
            let shown =
                if room < LEAST_WORD.min(width(&word)) { "".into() } else { truncate(&word, room, glyphs.ellipsis) };
            vec![Span::new(shown, role)]
        }
    };
    let mut left = vec![Span::new(format!("   {sign} "), role), name];
    if wide {
        let gap = names.saturating_sub(width(&clean_line(&agent.name))) + 2;
        left.push(Span::new(format!("{}{model_name}", " ".repeat(gap)), Role::Dim));
    }
    two_ends(left, right, cells.saturating_sub(1), glyphs.ellipsis)
}

fn new_messages(address: &Address, model: &Model) -> Vec<Span> {
    if model.place.address.as_ref() == Some(address) {
        return Vec::new();
    }
    match model.conversation_of(address).map_or(0, |talk| model.unread(talk)) {
        0 => Vec::new(),
        new => vec![Span::new(format!("{new} new"), Role::Accent)],
    }
}

/// Two rows on what is selected and one on what can be done with it.
pub(super) fn explanation(key: &Key, cells: usize, look: &Look, model: &Model) -> Vec<Row> {
    let ellipsis = look.glyphs.ellipsis;
    let row = |spans: Vec<Span>| {
        let mut all = vec![Span::new(" ", Role::Text)];
        all.extend(spans);
        cut(all, cells.saturating_sub(1), ellipsis)
    };
    let dim = |text: String| row(vec![Span::new(text, Role::Dim)]);
    match key {
        Key::Group(id) => {
            let Some(group) = model.group(id) else { return Vec::new() };
            let what = match group.manager_type {
                ManagerType::RoundRobin | ManagerType::Supervisor | ManagerType::Dynamic => {
                    format!("{} of {}", group.manager_type.title(), group.members.len())
                }
                ManagerType::Sleeptime => group.manager_type.title().to_owned(),
            };
            vec![dim(what), dim(clean_line(&group.description).into_owned()), row(keys(&[("Enter", "show or fold")]))]
        }
        Key::Agent(group, id) => {
            let Some(agent) = model.agent(id) else { return Vec::new() };
            let background = model.group(group).is_some_and(|group| group.in_background(id));
            let mut can = vec![("Enter", "talk"), ("m", "model")];
            if background {
                can.insert(0, ("R", "run"));
            }
            vec![
                dim(clean_line(model.model_of(agent)).into_owned()),
                dim(clean_line(&agent.description).into_owned()),
                row(keys(&can)),
            ]
        }
    }
}

/// Keys with what they do.
fn keys(can: &[(&str, &str)]) -> Vec<Span> {
    let mut spans = Vec::new();
    for (at, (key, what)) in can.iter().enumerate() {
        spans.push(Span::new(if at == 0 { "" } else { "  " }, Role::Dim));
        spans.push(Span::new(*key, Role::Accent));
        spans.push(Span::new(format!(" {what}"), Role::Dim));
    }
    spans
}

/// What stands where there is no group.
pub(super) fn empty(cells: usize) -> Vec<Row> {
    let text = "No group yet.\nN makes one here.\nA team file makes one:\nnightdesk apply TEAM.toml";
    let shape = Shape {
        first: vec![Span::new(pad("", 1), Role::Dim)],
        rest: vec![Span::new(pad("", 1), Role::Dim)],
        ..Shape::plain(cells)
    };
    wrap(&[Span::new(text, Role::Dim)], &shape)
}
