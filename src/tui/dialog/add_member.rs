//! Dialog that adds a member to a group: an existing agent, or a new one, for which a form opens.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::Modal;
use super::form::known::{candidates, name_in};
use super::form::{Form, pick};
use crate::domain::GroupId;
use crate::engine::protocol::{GroupForm, Reply, Request, RequestError};
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context};
use crate::tui::model::Model;
use crate::tui::pane::RenderContext;
use crate::tui::text::clean::clean_line;

use pick::{Other, Picked, Picker};

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct AddMember {
    group: GroupId,
    picker: Picker,
    /// Serial of the pending request, and the name it adds.
    asked: Option<(u64, String)>,
    fault: Option<String>,
}

impl AddMember {
    /// Creates the dialog for a group.
    ///
    /// # Errors
    /// Returns an error text if the group does not exist or its manager type has no members.
    pub fn new(model: &Model, id: &GroupId) -> Result<Self, String> {
        let group = model.group(id).ok_or("this group no longer exists")?;
        let name = clean_line(&group.name);
        if !group.manager_type.has_members() {
            let title = group.manager_type.title();
            return Err(format!("{name} is {title} and has no members; e edits its background agents"));
        }
        let taken: Vec<String> = group
            .agents()
            .into_iter()
            .filter_map(|id| model.agent(id))
            .map(|agent| name_in(Some(id), agent, model))
            .collect();
        let free = candidates(Some(id), model).into_iter().filter(|one| !taken.contains(&one.name)).collect();
        let picker = Picker::new(format!("Add a member to {name}"), Some(Other::Agent), free);
        Ok(Self { group: id.clone(), picker, asked: None, fault: None })
    }

    fn add(&mut self, name: String, cx: &mut Context<'_>) {
        if !self.picker.knows(&name) && !name.contains('/') {
            // A new agent becomes a member when it is created.
            cx.act(AppAction::Close);
            if let Some(form) = Form::new_agent(cx.model, &self.group, &name) {
                cx.open(form);
            }
            return;
        }
        let form = GroupForm { add: vec![name.clone()], ..GroupForm::default() };
        let serial = cx.ask(Request::UpdateGroup { id: self.group.clone(), form: Box::new(form) });
        self.asked = Some((serial, name));
    }
}

impl Modal for AddMember {
    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> bool {
        let context = self.context();
        if matches!(Command::of(&key, context), Some(Command::Interrupt | Command::Suspend)) {
            return false;
        }
        if self.asked.is_some() {
            return true;
        }
        match self.picker.key(key) {
            Picked::Still => {}
            Picked::Left => cx.act(AppAction::Close),
            Picked::Name(name) => {
                self.fault = None;
                self.add(name, cx);
            }
        }
        true
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        self.picker.paste(text);
    }

    fn command(&mut self, _command: Command, _cx: &mut Context<'_>) {}

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let Some((_, name)) = self.asked.take_if(|(asked, _)| *asked == serial) else { return };
        match reply {
            Ok(_) => {
                let group = cx.model.group(&self.group).map(|group| clean_line(&group.name).into_owned());
                cx.act(AppAction::Close);
                cx.toast(format!("{} joins {}", clean_line(&name), group.unwrap_or_default()));
            }
            Err(fault) => self.fault = Some(fault.text),
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        self.picker.draw(frame, screen, look, self.fault.as_deref());
    }
}
