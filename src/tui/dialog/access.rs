//! Dialog with what each agent may do with a block, and the rules behind it, which a key sets or removes.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::confirm::Confirm;
use super::form::known::name_in;
use super::{Modal, frame_box};
use crate::domain::block::{Grantee, Level};
use crate::domain::{Agent, Block, BlockId};
use crate::engine::protocol::{BlockChange, BlockRequest, Reply, Request, RequestError};
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::model::Model;
use crate::tui::pane::list::{packed, two_ends};
use crate::tui::pane::{PaneId, RenderContext, put, put_row};
use crate::tui::text::Span;
use crate::tui::text::clean::clean_line;
use crate::tui::theme::Role;

/// The keys that set a rule for the selected line; `None` removes it.
const KEYS: [(char, Option<Level>, &str); 5] = [
    ('n', Some(Level::None), "none"),
    ('r', Some(Level::Read), "read"),
    ('w', Some(Level::ReadWrite), "read and edit"),
    ('a', Some(Level::Admin), "admin"),
    ('x', None, "remove the rule"),
];

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    block: BlockId,
    selected: usize,
    /// Serial of the pending request, and the change that it lists.
    asked: Option<(u64, BlockChange)>,
    fault: Option<String>,
}

/// A line: whom it is about, the name, what they may do, and whether a rule says so.
struct Line {
    who: Grantee,
    name: String,
    level: Level,
    rule: bool,
}

impl Access {
    /// Creates the dialog for a block.
    #[must_use]
    pub fn new(block: BlockId) -> Self {
        Self { block, selected: 0, asked: None, fault: None }
    }

    /// Returns everybody, the roles of the groups that share the block, and the agents that have it or a rule.
    fn lines(block: &Block, model: &Model) -> Vec<Line> {
        let ruled = |who: &Grantee| block.access.iter().find(|rule| rule.who == *who).map(|rule| rule.level);
        let line = |who: Grantee, name: String, usual: Level| {
            let rule = ruled(&who);
            Line { who, name, level: rule.unwrap_or(usual), rule: rule.is_some() }
        };
        let everybody = line(Grantee::Everybody, "everybody".to_owned(), Level::USUAL);
        let usual = everybody.level;
        let shares = model.groups.iter().filter(|group| group.shared_blocks.contains(&block.id));
        let mut roles: Vec<String> = shares.flat_map(|group| group.roles.values().cloned()).collect();
        roles.extend(block.access.iter().filter_map(|rule| match &rule.who {
            Grantee::Role(role) => Some(role.clone()),
            Grantee::Agent(_) | Grantee::Everybody => None,
        }));
        roles.sort_unstable();
        roles.dedup();
        let roles = roles.into_iter().map(|name| {
            let shown = format!("role {}", clean_line(&name));
            line(Grantee::Role(name), shown, usual)
        });
        let level = |agent: &Agent| {
            let groups = model.groups.iter().filter(|group| group.agents().contains(&&agent.id));
            groups.map(|group| block.level(agent, Some(group))).max().unwrap_or_else(|| block.level(agent, None))
        };
        let agents = model.agents.iter().filter_map(|agent| {
            let who = Grantee::Agent(agent.id.clone());
            let (level, rule) = (level(agent), ruled(&who).is_some());
            let name = || clean_line(&name_in(None, agent, model)).into_owned();
            (level > Level::None || rule || has(block, agent, model)).then(|| Line { who, name: name(), level, rule })
        });
        std::iter::once(everybody).chain(roles).chain(agents).collect()
    }

    fn request(&self, change: BlockChange, really: bool) -> Request {
        Request::Block(Box::new(BlockRequest::Change { id: self.block.clone(), change, really }))
    }
}

/// Whether an agent has the block of its own, or a group shares it with the agent.
fn has(block: &Block, agent: &Agent, model: &Model) -> bool {
    let shares =
        |group: &crate::domain::Group| group.shared_blocks.contains(&block.id) && group.agents().contains(&&agent.id);
    agent.blocks.contains(&block.id) || model.groups.iter().any(shares)
}

impl Modal for Access {
    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> bool {
        let KeyCode::Char(letter) = key.code else { return false };
        let chosen = KEYS.iter().find(|(known, ..)| *known == letter && key.modifiers.is_empty());
        let Some((_, level, _)) = chosen else { return false };
        let line =
            cx.model.block(&self.block).and_then(|block| Self::lines(block, cx.model).into_iter().nth(self.selected));
        if let Some(line) = line.filter(|_| self.asked.is_none()) {
            self.fault = None;
            let change = BlockChange::Access { who: line.who, level: *level, reason: String::new() };
            self.asked = Some((cx.ask(self.request(change.clone(), false)), change));
        }
        true
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        let count = cx.model.block(&self.block).map_or(0, |block| Self::lines(block, cx.model).len());
        match command {
            Command::Up => self.selected = self.selected.saturating_sub(1),
            Command::Down => self.selected = (self.selected + 1).min(count.saturating_sub(1)),
            Command::Top => self.selected = 0,
            Command::End => self.selected = count.saturating_sub(1),
            _ => {}
        }
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let Some((_, change)) = self.asked.take_if(|(asked, _)| *asked == serial) else { return };
        match reply {
            Ok(Reply::BlockChanged { lines, .. }) => {
                let request = Box::new(self.request(change, true));
                let really = vec![AppAction::Ask(Requester::Pane(PaneId::Blocks), request)];
                cx.open(Confirm::listing("Change the access?", &lines, "yes", really));
            }
            Ok(_) => {}
            Err(fault) => self.fault = Some(fault.text),
        }
    }

    fn is_over(&self, model: &Model) -> bool {
        model.block(&self.block).is_none()
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, model: &Model) {
        let Some(block) = model.block(&self.block) else { return };
        let size = (screen.width.min(64), screen.height.saturating_sub(2).min(20));
        let title = format!("Who may do what with {}", clean_line(&block.label));
        let inside = frame_box(frame, screen, size, &title, look);
        let theme = &look.theme;
        let (x, room) = (inside.x + 1, inside.width.saturating_sub(2));
        let pairs = KEYS
            .iter()
            .map(|(key, _, what)| (Span::new(key.to_string(), Role::Accent), Span::new(format!(" {what}"), Role::Dim)));
        let keys =
            packed(pairs.chain([(Span::new("Esc", Role::Accent), Span::new(" close", Role::Dim))]), 0, room.into());
        let foot = keys.len() as u16 + 1;
        let buffer = frame.buffer_mut();
        let rows = inside.height.saturating_sub(foot);
        let skip = (self.selected + 1).saturating_sub(rows.into());
        let lines = Self::lines(block, model);
        for ((at, line), y) in lines.iter().enumerate().skip(skip).take(rows.into()).zip(inside.y..) {
            let level = KEYS.iter().find(|(_, level, _)| *level == Some(line.level)).map_or("", |(.., what)| what);
            let right = vec![Span::new(level, if line.rule { Role::Text } else { Role::Dim })];
            let left = vec![Span::new(line.name.clone(), if line.rule { Role::Strong } else { Role::Text })];
            put_row(buffer, (x, y), room, &two_ends(left, right, room.into(), look.glyphs.ellipsis), theme);
            if at == self.selected {
                buffer.set_style(Rect { y, height: 1, ..inside }, theme.style(Role::Selection));
            }
        }
        let y = inside.bottom().saturating_sub(keys.len() as u16);
        for (row, y) in keys.iter().zip(y..) {
            put_row(buffer, (x, y), room, row, theme);
        }
        if let Some(text) = &self.fault {
            put(buffer, (x, y.saturating_sub(1)), room, &clean_line(text), Role::Error, theme);
        }
    }
}
