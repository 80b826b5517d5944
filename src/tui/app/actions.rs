//! Commands handled by the workbench itself, and the actions queued by panes, dialogs and the composer.

use super::{App, TOAST};
use crate::domain::{AgentId, ConversationId, ConversationOwner, PendingKind};
use crate::engine::protocol::{Recipient, Request};
use crate::tui::command::{Command, KeyContext};
use crate::tui::dialog::commands::Commands;
use crate::tui::dialog::models::Models;
use crate::tui::effect::{AppAction, Effect, Requester, Toast};
use crate::tui::pane::PaneId;
use crate::tui::text::clean::clean_line;

/// Returns the key of a command that applies anywhere.
fn command_key(command: Command) -> String {
    command.key_text(KeyContext::COMPOSER).unwrap_or_default()
}

impl App {
    /// Performs a command, or passes it to the dialog, composer or pane that handles it.
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Interrupt => self.interrupt(),
            Command::Suspend => self.mailbox.push(AppAction::Effect(Effect::Suspend)),
            Command::Mouse => self.switch_mouse(),
            Command::StopWorker => self.ask_to_stop_worker(),
            Command::Close => {
                self.dialogs.pop();
            }
            Command::Help if !self.dialogs.last().is_some_and(|dialog| dialog.is_help()) => self.open(command),
            _ if !self.dialogs.is_empty() => {
                self.with_dialog(|dialog, cx| dialog.command(command, cx));
            }
            Command::Palette | Command::Help | Command::Models => self.open(command),
            Command::Compose => self.composing = true,
            Command::LeaveComposer => self.composing = false,
            Command::NextPane if self.composing && self.complete_name() => {}
            Command::NextPane if self.composing => self.focus(self.pane),
            Command::NextPane => self.focus(self.pane.step(1)),
            Command::PreviousPane => self.focus(self.pane.step(PaneId::COUNT - 1)),
            Command::Focus(id) => self.focus(id),
            Command::Wider | Command::Narrower | Command::Higher | Command::Lower | Command::EvenSizes => {
                self.resize_pane(command);
            }
            Command::Zoom => self.zoom = !self.zoom,
            Command::Back if self.zoom => self.zoom = false,
            Command::ApproveWaiting => self.approve_waiting(),
            Command::Latest => self.panes.conversation.follow_tail(),
            Command::PageUp | Command::PageDown if self.composing => {
                self.with_pane(PaneId::Conversation, |pane, cx| pane.command(command, cx));
            }
            _ if self.composing => self.with_composer(|composer, cx| composer.command(command, cx)),
            _ => self.with_pane(self.pane, |pane, cx| pane.command(command, cx)),
        }
    }

    /// Turns mouse reporting on or off until the workbench ends.
    fn switch_mouse(&mut self) {
        self.mouse = !self.mouse;
        self.mailbox.push(AppAction::Effect(Effect::Mouse(self.mouse)));
        let key = command_key(Command::Mouse);
        let text = if self.mouse {
            format!("the mouse works here: click, wheel, drag a line between panes; {key} turns it off")
        } else {
            format!("the mouse is off here: it selects text of the terminal; {key} turns it on")
        };
        self.mailbox.push(AppAction::Toast(Toast::plain(text)));
    }

    /// Completes the name after an `@` in the composer. Returns false if there is nothing to complete.
    fn complete_name(&mut self) -> bool {
        let Some(group) = self.model.shown_group() else { return false };
        let answering = group.members.iter().chain(&group.manager_agent);
        let names: Vec<&str> =
            answering.filter_map(|id| self.model.agent(id)).map(|agent| agent.name.as_str()).collect();
        match self.composer.complete(&names).as_slice() {
            [] => false,
            [_] => true,
            several => {
                self.mailbox.push(AppAction::Toast(Toast::plain(clean_line(&several.join("  ")).into_owned())));
                true
            }
        }
    }

    /// Opens the palette, the help or the model dialog.
    fn open(&mut self, command: Command) {
        self.dialogs.push(match command {
            Command::Palette => Box::new(Commands::palette(self.context())),
            Command::Help => Box::new(Commands::help(self.context())),
            _ => Box::new(Models::new(&self.model)),
        });
    }

    pub(super) fn focus(&mut self, id: PaneId) {
        self.composing = false;
        self.pane = id;
        if id != PaneId::CENTRE {
            self.side = id;
        }
        if PaneId::LOWER.contains(&id) {
            self.lower = id;
        }
    }

    /// Ctrl-C: cancels the running or queued turns of the shown conversation; without any, asks to quit.
    fn interrupt(&mut self) {
        let running = self.model.shown_conversation().filter(|conversation| {
            self.model.running_turn(&conversation.id).is_some() || self.model.queued(&conversation.id).next().is_some()
        });
        if let Some(conversation) = running.map(|conversation| conversation.id.clone()) {
            return self.cancel_reply(conversation);
        }
        self.ask_to_quit();
    }

    fn cancel_reply(&mut self, conversation: ConversationId) {
        let to = match self.model.conversation(&conversation).map(|known| known.owner.clone()) {
            Some(ConversationOwner::Group(group)) => Recipient::Group(group),
            Some(ConversationOwner::Agent(agent)) => Recipient::Agent(agent),
            Some(ConversationOwner::Job(_)) | None => return,
        };
        let serial = self.mailbox.ask(Requester::App, Request::Cancel { conversation });
        self.cancelling.push((serial, to));
    }

    /// Approves the call that has waited longest in the shown conversation, if it is on the screen; else shows it.
    fn approve_waiting(&mut self) {
        let shown = self.model.shown_conversation().map(|conversation| &conversation.id);
        let waits =
            shown.is_some_and(|id| self.model.waiting_in(id).iter().any(|call| call.kind == PendingKind::Approval));
        let visible = self.area_of(PaneId::Conversation).is_some() && self.panes.conversation.shows_approval();
        if waits && !visible {
            self.panes.conversation.follow_tail();
            let key = Command::Focus(PaneId::Inbox).key_text(KeyContext::COMPOSER).unwrap_or_default();
            let text = format!(
                "look at the call before you approve it: it is at the end of the conversation, and {key} shows it whole"
            );
            return self.mailbox.push(AppAction::Toast(Toast::error(text)));
        }
        self.with_pane(PaneId::Conversation, |pane, cx| pane.command(Command::Approve, cx));
    }

    /// Performs the queued actions until the queue is empty. Returns their effects, in order.
    pub(super) fn settle(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(act) = self.mailbox.take() {
            self.act(act, &mut effects);
        }
        effects
    }

    fn act(&mut self, act: AppAction, effects: &mut Vec<Effect>) {
        match act {
            AppAction::Toast(toast) => self.toast = Some((toast, self.look.now + TOAST)),
            AppAction::Focus(id) => self.focus(id),
            AppAction::Follow => self.panes.conversation.follow_tail(),
            AppAction::Draft(text) => {
                self.composer.prepend(&text);
                self.composing = true;
            }
            AppAction::CancelReply(conversation) => self.cancel_reply(conversation),
            AppAction::Open(dialog) => self.dialogs.push(dialog),
            AppAction::Close => {
                self.dialogs.pop();
            }
            AppAction::Show(address) => self.show(address),
            AppAction::Select(agent) => self.select(agent),
            AppAction::Goto(conversation, seq) => self.go_to(&conversation, seq),
            AppAction::Do(command) => self.command(command),
            AppAction::Effect(effect) => effects.push(effect),
            AppAction::Ask(owner, request) => {
                self.mailbox.ask(owner, *request);
            }
            AppAction::Block(act) => self.panes.blocks.told(&act),
            AppAction::Decide(decision) if self.panes.inbox.is_decided(&decision.call) => {
                self.mailbox
                    .push(AppAction::Toast(Toast::error("this call is already decided; the decision is being saved")));
            }
            AppAction::Decide(decision) => {
                let serial = self.mailbox.ask(Requester::Pane(PaneId::Inbox), decision.request());
                self.panes.inbox.asked(serial, *decision);
            }
            AppAction::Post(draft) => {
                let serial = self.mailbox.ask(Requester::Pane(PaneId::Mail), draft.request());
                self.panes.mail.asked(serial, *draft);
            }
        }
    }

    pub(super) fn show(&mut self, address: Recipient) {
        let place = &mut self.model.place;
        match &address {
            Recipient::Group(group) => {
                if place.group.as_ref() != Some(group) {
                    place.agent = None;
                }
                place.group = Some(group.clone());
            }
            Recipient::Agent(agent) => place.agent = Some(agent.clone()),
        }
        place.address = Some(address);
        self.moved();
    }

    fn select(&mut self, agent: Option<AgentId>) {
        self.model.place.agent = agent;
        self.moved();
    }

    fn go_to(&mut self, conversation: &ConversationId, seq: u64) {
        let owner = self.model.conversation(conversation).map(|conversation| conversation.owner.clone());
        match owner {
            Some(ConversationOwner::Group(group)) => self.show(Recipient::Group(group)),
            Some(ConversationOwner::Agent(agent)) => self.show(Recipient::Agent(agent)),
            Some(ConversationOwner::Job(_)) | None => return,
        }
        self.panes.conversation.go_to(seq);
        self.focus(PaneId::Conversation);
    }
}
