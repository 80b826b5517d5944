//! The text of an empty conversation: what the program is, which agents are here, and what to do first.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::engine::protocol::Recipient;
use crate::tui::command::{Command, KeyContext};
use crate::tui::model::Model;
use crate::tui::pane::{RenderContext, put_row};
use crate::tui::text::clean::clean;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Draws the greeting.
pub fn draw(frame: &mut Frame<'_>, area: Rect, look: &RenderContext, model: &Model) {
    let wide = usize::from(area.width.saturating_sub(3)).min(72);
    for (row, y) in rows(model, wide).iter().zip(area.y..area.bottom()) {
        put_row(frame.buffer_mut(), (area.x + 2, y), area.width.saturating_sub(3), row, &look.theme);
    }
}

fn rows(model: &Model, cells: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut say = |text: &str, role: Role| {
        rows.extend(wrap(&[Span::new(clean(text), role)], &Shape::plain(cells)));
    };
    let key = |command: Command| command.key_text(KeyContext::COMPOSER).unwrap_or_default();
    say("Nightdesk: groups of agents that keep thinking while you are away.", Role::Strong);
    say("What they know is in blocks of shared memory, which you watch and edit while you talk.", Role::Text);
    say("", Role::Text);
    let Some(group) = model.shown_group() else {
        say(
            "There is no group yet. N in the agents creates one; `nightdesk apply TEAM.toml` creates one from a team file.",
            Role::Text,
        );
        return rows;
    };
    match model.place.address.as_ref() {
        Some(Recipient::Agent(id)) => {
            let agent = model.agent(id);
            let (name, does) = agent.map_or(("", ""), |agent| (agent.name.as_str(), agent.description.as_str()));
            say(&format!("A direct conversation with {name}. {does}"), Role::Text);
        }
        Some(Recipient::Group(_)) | None => {
            let does = if group.description.is_empty() { "a group of agents" } else { &group.description };
            say(&format!("{}: {}.", group.name, does.trim_end_matches('.')), Role::Text);
            if let Some(sleeptime) = &group.sleeptime {
                let names: Vec<&str> =
                    sleeptime.agents.iter().filter_map(|id| model.agent(id)).map(|a| a.name.as_str()).collect();
                let every = format!("After {}", sleeptime.schedule_in_prose());
                let work = if names.len() == 1 { "works" } else { "work" };
                say(&format!("{every} {} {work} in the background; watch the blocks.", names.join(" and ")), Role::Dim);
            }
        }
    }
    say("", Role::Text);
    say(&format!("Type something and press {}.", key(Command::Send)), Role::Accent);
    if model.default_model == "offline" {
        let connect = key(Command::Models);
        say(
            &format!("The offline model answers by rules; it is not a language model. {connect} connects one."),
            Role::Dim,
        );
    }
    rows
}
