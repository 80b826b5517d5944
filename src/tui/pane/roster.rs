//! The roster pane: groups, their agents in order, and the state of each agent.

mod change;
mod rows;

pub use rows::Key;

use std::collections::BTreeMap;

use crossterm::event::MouseEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::list::{Item, List};
use super::{Pane, RenderContext, put_row, unreadable};
use crate::domain::state::Kind;
use crate::domain::{AgentId, Conversation, ConversationOwner, Group, GroupId, GroupStatus};
use crate::engine::protocol::{Recipient, Reply, Request, RequestError};
use crate::tui::command::{Command, KeyContext};
use crate::tui::dialog::compose_mail::write;
use crate::tui::dialog::set_model::SetModel;
use crate::tui::effect::{AppAction, Context};
use crate::tui::model::Model;
use crate::tui::text::Span;
use crate::tui::text::clean::clean_line;
use crate::tui::theme::Role;

/// Returns the number of rows for the explanation of the selection below the list, including an empty one.
fn explanation_rows(height: u16) -> u16 {
    match height {
        0..14 => 0,
        14..24 => 5,
        24.. => 9,
    }
}

/// A deletion whose effects were requested: serial number of the request, what to delete, and its name.
type Looked = (u64, Recipient, String);

/// State of the pane.
#[derive(Debug)]
pub struct Roster {
    list: List<Key>,
    /// Groups that the user folded (true) or unfolded (false); of the others only the shown group is unfolded.
    folds: BTreeMap<String, bool>,
    /// The shown group at the last move of the selection.
    shown: Option<GroupId>,
    /// The last requested deletion.
    looked: Option<Looked>,
    /// The agent that was last scrolled to because it began to speak.
    speaker: Option<AgentId>,
    /// Whether the pane has the focus and explains the selection below the list.
    focused: bool,
}

impl Default for Roster {
    fn default() -> Self {
        Self { list: List::counted(), folds: BTreeMap::new(), shown: None, looked: None, speaker: None, focused: false }
    }
}

impl Roster {
    fn folded(&self, group: &GroupId, model: &Model) -> bool {
        let shown = model.place.group.as_ref() == Some(group);
        self.folds.get(group.as_str()).copied().unwrap_or(!shown)
    }

    fn fold(&mut self, group: &GroupId, fold: bool) {
        self.folds.insert(group.0.clone(), fold);
        if fold {
            self.list.select(Key::Group(group.clone()));
        }
    }

    /// Tells the pane whether it has the focus; called before [`Pane::prepare`].
    pub fn set_focused(&mut self, focused: bool) {
        self.focused = focused;
    }

    /// Returns the area of the list: without the explanation, which is shown with the focus only.
    fn list_area(&self, area: Rect) -> Rect {
        let below = if self.focused { explanation_rows(area.height) } else { 0 };
        Rect { height: area.height - below, ..area }
    }

    /// Scrolls to the agent of the shown conversation that began to speak last. While the pane has the focus, the user
    /// scrolls.
    fn follow_speaker(&mut self, model: &Model) {
        if self.focused {
            return;
        }
        let talk = model.shown_conversation().map(|talk| &talk.id);
        let speaker = talk.and_then(|talk| model.live_in(talk).last()).map(|live| live.agent.clone());
        if speaker.is_none() || speaker == self.speaker {
            return;
        }
        self.speaker = speaker;
        let (Some(group), Some(agent)) = (model.shown_group(), &self.speaker) else { return };
        // With the first agent, the name of the group is shown too.
        if rows::in_order(group, model).first().is_some_and(|first| first.id == *agent) {
            self.list.reveal(&Key::Group(group.id.clone()));
        }
        self.list.reveal(&Key::Agent(group.id.clone(), agent.clone()));
    }

    /// Shows the conversation, where the next thing to do is to write.
    fn open(&mut self, key: Key, cx: &mut Context<'_>) {
        match key {
            Key::Group(group) => {
                self.folds.remove(group.as_str());
                cx.act(AppAction::Show(Recipient::Group(group)));
            }
            Key::Agent(group, agent) => {
                if cx.model.place.group.as_ref() != Some(&group) {
                    cx.act(AppAction::Show(Recipient::Group(group)));
                }
                cx.act(AppAction::Show(Recipient::Agent(agent)));
            }
        }
        cx.act(AppAction::Do(Command::Compose));
    }

    /// Selects the agent whose own blocks the blocks pane shows.
    fn point(&self, cx: &mut Context<'_>) {
        let wanted = match self.list.selected() {
            Some(Key::Agent(group, agent)) if cx.model.place.group.as_ref() == Some(group) => Some(agent.clone()),
            // In a direct conversation its agent stays selected.
            _ => match &cx.model.place.address {
                Some(Recipient::Agent(agent)) => Some(agent.clone()),
                _ => None,
            },
        };
        if cx.model.place.agent != wanted {
            cx.act(AppAction::Select(wanted));
        }
    }

    fn run_now(group: GroupId, agent: AgentId, cx: &mut Context<'_>) {
        let background = cx.model.group(&group).is_some_and(|group| group.in_background(&agent));
        if background {
            cx.ask(Request::RunJob { agent, group, instruction: None });
        } else {
            let name = cx.model.agent(&agent).map(|agent| clean_line(&agent.name).into_owned()).unwrap_or_default();
            cx.fault(format!("{name} answers in the conversation; only background agents run jobs"));
        }
    }

    fn about_agent(command: Command, group: GroupId, agent: AgentId, cx: &mut Context<'_>) {
        match command {
            Command::SetModel => {
                if let Some(dialog) = SetModel::new(cx.model, &agent) {
                    cx.open(dialog);
                }
            }
            Command::RunNow => Self::run_now(group, agent, cx),
            _ => {}
        }
    }
}

impl Pane for Roster {
    fn context(&self) -> KeyContext {
        KeyContext::ROSTER
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        if self.list.command(command) {
            return self.point(cx);
        }
        if self.change(command, cx) {
            return;
        }
        match (command, self.list.selected().cloned()) {
            (Command::Back, _) => {
                if let (Some(Recipient::Agent(_)), Some(group)) = (&cx.model.place.address, &cx.model.place.group) {
                    cx.act(AppAction::Show(Recipient::Group(group.clone())));
                }
            }
            (Command::Open, Some(key)) => self.open(key, cx),
            (Command::Fold, Some(Key::Group(group) | Key::Agent(group, _))) => self.fold(&group, true),
            (Command::Unfold, Some(Key::Group(group))) => self.fold(&group, false),
            (Command::SetModel | Command::RunNow, Some(Key::Agent(group, agent))) => {
                Self::about_agent(command, group, agent, cx);
            }
            (Command::WriteMail, Some(Key::Agent(_, agent))) => write(agent, cx),
            (Command::WriteMail, _) => cx.fault("select an agent first: mail goes to one agent"),
            (Command::SetModel | Command::RunNow, _) => {
                cx.fault("select an agent first: a group has no model of its own");
            }
            (Command::Copy, Some(key)) => {
                let name = match key {
                    Key::Group(id) => cx.model.group(&id).map(|group| group.name.clone()),
                    Key::Agent(_, id) => cx.model.agent(&id).map(|agent| agent.name.clone()),
                };
                cx.copy(name.unwrap_or_default(), "name");
            }
            _ => {}
        }
    }

    fn mouse(&mut self, event: MouseEvent, area: Rect, cx: &mut Context<'_>) {
        let opened = self.list.mouse(event, area);
        self.point(cx);
        if let Some(key) = opened {
            self.open(key, cx);
        }
    }

    fn moved(&mut self, cx: &mut Context<'_>) {
        // The selection follows to another shown group, unless it is already there. While the shown group stays
        // the same, the selection may be in any group.
        if self.shown == cx.model.place.group {
            return;
        }
        self.shown.clone_from(&cx.model.place.group);
        let Some(group) = &cx.model.place.group else { return };
        let inside = matches!(self.list.selected(), Some(Key::Group(at) | Key::Agent(at, _)) if at == group);
        if !inside {
            self.list.select(Key::Group(group.clone()));
        }
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        match reply {
            Ok(Reply::Job(job)) => {
                let name = clean_line(cx.model.worker_of(&job)).into_owned();
                cx.toast(format!("{name} has a background job; see the jobs"));
            }
            Ok(reply) => {
                self.change_answered(serial, &reply, cx);
            }
            Err(fault) => cx.fault(fault.text),
        }
    }

    fn prepare(&mut self, area: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        let cells = usize::from(area.width);
        let mut items = unreadable::items(&[Kind::Group, Kind::Agent, Kind::Conversation], cells, look, cx.model);
        let archived = |group: &&Group| group.status == GroupStatus::Archived;
        let (put_away, in_use): (Vec<&Group>, Vec<&Group>) = cx.model.groups.iter().partition(archived);
        let mail = cx.model.unread_mail();
        for group in in_use.into_iter().chain(put_away) {
            let folded = self.folded(&group.id, cx.model);
            let shape = rows::Shape { cells, names: rows::name_cells(group, cx.model), mail: &mail };
            let group_rows = rows::group(group, folded, &shape, look, cx.model);
            items.push(Item { key: Some(Key::Group(group.id.clone())), rows: group_rows });
            if !folded {
                for agent in rows::in_order(group, cx.model) {
                    let rows = rows::agent(group, agent, &shape, look, cx.model);
                    items.push(Item { key: Some(Key::Agent(group.id.clone(), agent.id.clone())), rows });
                }
            }
        }
        if items.is_empty() {
            items.push(Item::rest(rows::empty(cells)));
        }
        self.list.set(items, self.list_area(area).height);
        self.follow_speaker(cx.model);
    }

    fn badge(&self, look: &RenderContext, model: &Model) -> Option<Span> {
        let shown = model.shown_conversation().map(|shown| &shown.id);
        // The conversation of a background job is not addressed to the user.
        let to_you = |talk: &Conversation| !matches!(talk.owner, ConversationOwner::Job(_));
        let new =
            model.conversations.iter().any(|talk| to_you(talk) && Some(&talk.id) != shown && model.unread(talk) > 0);
        new.then(|| Span::new(look.glyphs.changed, Role::Accent))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, model: &Model, focused: bool) {
        let list = self.list_area(area);
        self.list.draw(frame.buffer_mut(), list, &look.theme, focused);
        self.list.draw_hidden(frame.buffer_mut(), list, look, |key| matches!(key, Key::Agent(..)));
        if !focused {
            return;
        }
        let room = usize::from(area.bottom().saturating_sub(list.bottom() + 1));
        let told = self.list.selected().map(|key| rows::explanation(key, (area.width.into(), room), look, model));
        for (row, y) in told.unwrap_or_default().iter().zip(list.bottom() + 1..area.bottom()) {
            put_row(frame.buffer_mut(), (area.x, y), area.width, row, &look.theme);
        }
    }
}
