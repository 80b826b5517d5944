//! The commands that create, change, share and delete blocks. Each lists first whom it touches.

use super::Blocks;
use crate::domain::BlockId;
use crate::engine::protocol::{BlockChange, BlockRequest, Recipient, Reply, Request};
use crate::tui::command::Command;
use crate::tui::dialog::access::Access;
use crate::tui::dialog::confirm::Confirm;
use crate::tui::dialog::form::Form;
use crate::tui::dialog::share::Share;
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::pane::PaneId;
use crate::tui::text::clean::clean_line;

impl Blocks {
    /// Executes a command that creates, changes, shares or deletes; false if `command` is none.
    pub(super) fn change(&mut self, command: Command, cx: &mut Context<'_>) -> bool {
        let selected = self.block(cx.model).map(|block| block.id.clone());
        match (command, selected) {
            (Command::NewBlock, _) => match cx.model.place.group.clone() {
                Some(group) => open(Form::new_block(cx.model, Recipient::Group(group)), cx),
                None => cx.fault("there is no group yet: N in the agents (1) creates one"),
            },
            (Command::NewOwnBlock, _) => match cx.model.place.agent.clone() {
                Some(agent) => open(Form::new_block(cx.model, Recipient::Agent(agent)), cx),
                None => cx.fault("select an agent in the agents (1) first: the block becomes its own"),
            },
            (Command::BlockSettings, Some(id)) => open(Form::block(cx.model, &id), cx),
            (Command::Share | Command::Unshare, Some(id)) => {
                match Share::new(cx.model, &id, command == Command::Share) {
                    Ok(dialog) => cx.open(dialog),
                    Err(text) => cx.fault(text),
                }
            }
            (Command::Access, Some(id)) => cx.open(Access::new(id)),
            (Command::Delete, Some(id)) => self.look_at_deletion(id, cx),
            (Command::BlockSettings | Command::Share | Command::Unshare | Command::Access | Command::Delete, None) => {
                cx.fault("there is no block yet: n creates one");
            }
            _ => return false,
        }
        true
    }

    /// Asks whom a deletion touches; the reply opens the confirmation.
    fn look_at_deletion(&mut self, id: BlockId, cx: &mut Context<'_>) {
        let request = BlockRequest::Change { id: id.clone(), change: BlockChange::Delete, really: false };
        self.looked = Some((cx.ask(Request::Block(Box::new(request))), id));
    }

    /// Handles a reply to a request of this file; false for others.
    pub(super) fn change_answered(&mut self, serial: u64, reply: &Reply, cx: &mut Context<'_>) -> bool {
        let Reply::BlockChanged { lines, done, .. } = reply else { return false };
        if *done {
            cx.toast(lines.first().map_or_else(|| "done".to_owned(), |line| clean_line(line).into_owned()));
        } else if let Some((_, id)) = self.looked.take_if(|(asked, _)| *asked == serial) {
            let label = cx.model.block(&id).map(|block| clean_line(&block.label).into_owned()).unwrap_or_default();
            let request = BlockRequest::Change { id, change: BlockChange::Delete, really: true };
            let really = AppAction::Ask(Requester::Pane(PaneId::Blocks), Box::new(Request::Block(Box::new(request))));
            cx.open(Confirm::listing(&format!("Delete {label}?"), lines, "delete it permanently", vec![really]));
        }
        true
    }
}

fn open(form: Option<Form>, cx: &mut Context<'_>) {
    if let Some(form) = form {
        cx.open(form);
    }
}
