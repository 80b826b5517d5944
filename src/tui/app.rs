//! The workbench as plain data: one message in, effects out; no I/O, no clock of its own.
//!
//! [`App::update`] hands each message to whom it concerns: the dialog on top, else the composer or the pane
//! with the focus. What those want of the workbench itself comes back as [`Act`]s and is done at once; what
//! they want of the world comes out as [`Effect`]s. [`App::prepare`] lays out what the next frame shows and
//! [`view::view`] draws it. An `App` owns nothing process-wide: several can run side by side.

pub mod chrome;
pub mod keep;
pub mod view;

use crossterm::event::KeyEvent;
use jiff::{SignedDuration, Timestamp};
use ratatui::layout::{Rect, Size};

use crate::domain::{AgentId, Group, GroupStatus};
use crate::engine::wire::{Address, Fault, Overview, Reply, Request, Update};

use super::command::{Command, When};
use super::composer::Composer;
use super::dialog::Dialog;
use super::dialog::commands::Commands;
use super::dialog::confirm::{Choice, Confirm};
use super::dialog::models::Models;
use super::effect::{Act, Cx, Effect, Leave, Msg, Owner, Ticket, Toast};
use super::layout::{self, Layout, Wish};
use super::model::Model;
use super::pane::{Look, PaneId, Panes};

/// How long a toast is shown.
const TOAST: SignedDuration = SignedDuration::from_secs(4);

/// The workbench.
#[derive(Debug)]
pub struct App {
    /// The mirror of the engine, with what is looked at.
    pub model: Model,
    /// The panes.
    pub panes: Panes,
    /// Where messages are written.
    pub composer: Composer,
    /// Dialogs, the last on top.
    pub dialogs: Vec<Dialog>,
    /// True when the composer has the focus and not a pane.
    pub composing: bool,
    /// The pane that has the focus, or had it last.
    pub pane: PaneId,
    /// The pane beside the conversation, where there is room for one only.
    pub side: PaneId,
    /// The focused pane has the whole body.
    pub zoom: bool,
    /// The screen's size in cells.
    pub size: Size,
    /// Whether the terminal's window has the focus.
    pub window: bool,
    /// How it looks.
    pub look: Look,
    /// The sentence that is shown for a while, and until when.
    pub toast: Option<(Toast, Timestamp)>,
    layout: Option<Layout>,
    effects: Vec<Effect>,
    acts: Vec<Act>,
    serial: u64,
}

/// What a message led to.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// What the loop is to do, in order.
    pub effects: Vec<Effect>,
    /// What there is to draw.
    pub draw: Draw,
}

/// Why a frame is to be drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Draw {
    /// Nothing changed.
    #[default]
    Nothing,
    /// The engine did something.
    Delta,
    /// A person did something, or waits for this.
    Key,
}

impl App {
    /// A workbench over an overview, on the first group that takes turns, with the composer focused.
    #[must_use]
    pub fn new(overview: Overview, look: Look, size: Size) -> Self {
        let mut app = Self {
            model: Model::new(overview),
            panes: Panes::default(),
            composer: Composer::default(),
            dialogs: Vec::new(),
            composing: true,
            pane: PaneId::Conversation,
            side: PaneId::Blocks,
            zoom: false,
            size,
            window: true,
            look,
            toast: None,
            layout: None,
            effects: Vec::new(),
            acts: Vec::new(),
            serial: 0,
        };
        let groups = &app.model.groups;
        let first = groups.iter().find(|group| group.status == GroupStatus::Active).or(groups.first());
        if let Some(address) = first.map(|group| Address::Group(group.id.clone())) {
            app.show(address);
        }
        app
    }

    /// Handles a message that arrived at `now`.
    pub fn update(&mut self, msg: Msg, now: Timestamp) -> Outcome {
        self.look.now = now;
        let draw = match &msg {
            Msg::Update(_) | Msg::Renewed(_) | Msg::Answered(..) | Msg::Tick => Draw::Delta,
            Msg::Focus(_) => Draw::Nothing,
            Msg::Key(_) | Msg::Paste(_) | Msg::Mouse(_) | Msg::Resize(_) | Msg::Edited(..) | Msg::Told(_) => Draw::Key,
        };
        match msg {
            Msg::Key(key) => self.key(key),
            Msg::Paste(text) => self.paste(&text),
            Msg::Mouse(event) => self.mouse(event),
            Msg::Resize(size) => self.size = size,
            Msg::Focus(window) => self.window = window,
            Msg::Update(update) => self.updated(&update),
            Msg::Renewed(overview) => {
                self.model.renew(*overview);
                self.moved();
            }
            Msg::Answered(ticket, reply) => self.answered(ticket, reply),
            Msg::Edited(owner, Ok(text)) => self.edited(owner, text),
            Msg::Edited(_, Err(why)) => self.acts.push(Act::Toast(Toast::error(why))),
            Msg::Told(toast) => self.acts.push(Act::Toast(toast)),
            Msg::Tick => {}
        }
        self.settle();
        Outcome { effects: std::mem::take(&mut self.effects), draw }
    }

    /// Lays out what the next frame shows; effects are what has to be read for it.
    pub fn prepare(&mut self, now: Timestamp) -> Vec<Effect> {
        self.look.now = now;
        if self.toast.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.toast = None;
        }
        self.layout = layout::layout(&Wish {
            size: self.size,
            focus: self.pane,
            side: self.side,
            zoom: self.zoom || (!self.composing && self.panes.get(self.pane).fills_screen()),
            composer: self.composer.rows(self.size.width),
        });
        for id in PaneId::ALL {
            let Some(area) = self.layout.as_ref().and_then(|layout| layout.pane(id)) else { continue };
            let look = self.look.clone();
            self.with_pane(id, |pane, cx| pane.prepare(view::inside(area), &look, cx));
        }
        self.settle();
        std::mem::take(&mut self.effects)
    }

    /// When the screen looks different without anything happening.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let shown = PaneId::ALL.into_iter().filter(|id| self.area_of(*id).is_some());
        let panes = shown.filter_map(|id| self.panes.get(id).wake(&self.look, &self.model));
        panes.chain(self.toast.as_ref().map(|(_, until)| *until)).min()
    }

    /// The keys that apply now.
    #[must_use]
    pub fn context(&self) -> When {
        match self.dialogs.last() {
            Some(dialog) => dialog.modal().context(),
            None if self.composing => When::COMPOSER,
            None => self.panes.get(self.pane).context(),
        }
    }

    /// The layout of the last frame.
    #[must_use]
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    fn area_of(&self, id: PaneId) -> Option<Rect> {
        self.layout.as_ref().and_then(|layout| layout.pane(id))
    }

    fn with_pane<T>(&mut self, id: PaneId, f: impl FnOnce(&mut dyn super::pane::Pane, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx {
            model: &self.model,
            now: self.look.now,
            owner: Owner::Pane(id),
            effects: &mut self.effects,
            acts: &mut self.acts,
            serial: &mut self.serial,
        };
        f(self.panes.get_mut(id), &mut cx)
    }

    fn with_composer<T>(&mut self, f: impl FnOnce(&mut Composer, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx {
            model: &self.model,
            now: self.look.now,
            owner: Owner::Composer,
            effects: &mut self.effects,
            acts: &mut self.acts,
            serial: &mut self.serial,
        };
        f(&mut self.composer, &mut cx)
    }

    fn with_dialog<T>(&mut self, f: impl FnOnce(&mut dyn super::dialog::Modal, &mut Cx<'_>) -> T) -> Option<T> {
        let mut cx = Cx {
            model: &self.model,
            now: self.look.now,
            owner: Owner::Dialog,
            effects: &mut self.effects,
            acts: &mut self.acts,
            serial: &mut self.serial,
        };
        self.dialogs.last_mut().map(|dialog| f(dialog.modal_mut(), &mut cx))
    }

    fn key(&mut self, key: KeyEvent) {
        if self.with_dialog(|dialog, cx| dialog.key(key, cx)) == Some(true) {
            return;
        }
        match Command::of(&key, self.context()) {
            Some(command) => self.command(command),
            None if !self.dialogs.is_empty() => {}
            None if self.composing => self.with_composer(|composer, cx| composer.key(key, cx)),
            None => self.with_pane(self.pane, |pane, cx| pane.key(key, cx)),
        }
    }

    fn paste(&mut self, text: &str) {
        if self.with_dialog(|dialog, cx| dialog.paste(text, cx)).is_some() {
            return;
        }
        // In a pane that types nothing, pasted text is a message to be.
        let typing = When::EDITOR.or(When::SEARCH).has(self.context());
        if typing {
            self.with_pane(self.pane, |pane, cx| pane.paste(text, cx));
        } else {
            self.composing = true;
            self.composer.paste(text);
        }
    }

    fn mouse(&mut self, event: crossterm::event::MouseEvent) {
        use crossterm::event::MouseEventKind;

        let at = (event.column, event.row).into();
        let under = PaneId::ALL.into_iter().find(|id| self.area_of(*id).is_some_and(|area| area.contains(at)));
        let Some((id, area)) = under.and_then(|id| Some((id, self.area_of(id)?))) else {
            if matches!(event.kind, MouseEventKind::Down(_)) && self.dialogs.is_empty() {
                self.composing = true;
            }
            return;
        };
        if self.dialogs.is_empty() {
            if matches!(event.kind, MouseEventKind::Down(_)) {
                self.focus(id);
            }
            self.with_pane(id, |pane, cx| pane.mouse(event, view::inside(area), cx));
        }
    }

    fn updated(&mut self, update: &Update) {
        self.model.apply(update, self.look.now);
        if let Update::Trouble { text } = update {
            self.acts.push(Act::Toast(Toast::error(text)));
        }
        if self.model.place.address.is_none() && !self.model.groups.is_empty() {
            let first = self.model.groups[0].id.clone();
            self.show(Address::Group(first));
        }
        for id in PaneId::ALL {
            self.with_pane(id, |pane, cx| pane.updated(update, cx));
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Fault>) {
        match ticket.owner {
            Owner::App => match reply {
                Ok(Reply::Overview(overview)) => self.model.default_model = overview.default_model,
                Err(fault) => self.acts.push(Act::Toast(Toast::error(fault.text))),
                Ok(Reply::Cancelled { queued, .. }) if !queued.is_empty() => {
                    self.acts.push(Act::Draft(queued.join("\n")));
                }
                Ok(_) => {}
            },
            Owner::Composer => self.with_composer(|composer, cx| composer.answered(ticket.serial, reply, cx)),
            Owner::Pane(id) => self.with_pane(id, |pane, cx| pane.answered(ticket.serial, reply, cx)),
            Owner::Dialog => {
                self.with_dialog(|dialog, cx| dialog.answered(ticket.serial, reply, cx));
            }
        }
    }

    fn edited(&mut self, owner: Owner, text: String) {
        match owner {
            Owner::App | Owner::Composer => self.composer.set_text(text.trim_end_matches('\n')),
            Owner::Pane(id) => self.with_pane(id, |pane, cx| pane.edited(text, cx)),
            Owner::Dialog => {
                self.with_dialog(|dialog, cx| dialog.edited(text, cx));
            }
        }
    }

    /// Does a command, wherever it came from.
    fn command(&mut self, command: Command) {
        match command {
            Command::Interrupt => self.interrupt(),
            Command::Suspend => self.effects.push(Effect::Suspend),
            Command::Close => {
                self.dialogs.pop();
            }
            Command::Help if !matches!(self.dialogs.last(), Some(Dialog::Commands(_))) => self.open(command),
            _ if !self.dialogs.is_empty() => {
                self.with_dialog(|dialog, cx| dialog.command(command, cx));
            }
            Command::Palette | Command::Help | Command::Models => self.open(command),
            Command::Compose => self.composing = true,
            Command::LeaveComposer => self.composing = false,
            Command::NextPane if self.composing => self.focus(self.pane),
            Command::NextPane => self.focus(self.pane.step(1)),
            Command::PreviousPane => self.focus(self.pane.step(PaneId::ALL.len() - 1)),
            Command::Roster => self.focus(PaneId::Roster),
            Command::Conversation => self.focus(PaneId::Conversation),
            Command::Blocks => self.focus(PaneId::Blocks),
            Command::Jobs => self.focus(PaneId::Jobs),
            Command::Zoom => self.zoom = !self.zoom,
            Command::PageUp | Command::PageDown if self.composing => {
                self.with_pane(PaneId::Conversation, |pane, cx| pane.command(command, cx));
            }
            _ if self.composing => self.with_composer(|composer, cx| composer.command(command, cx)),
            _ => self.with_pane(self.pane, |pane, cx| pane.command(command, cx)),
        }
    }

    /// Opens the dialog of a command that applies anywhere.
    fn open(&mut self, command: Command) {
        let dialog = match command {
            Command::Palette => Dialog::Commands(Commands::palette(self.context())),
            Command::Help => Dialog::Commands(Commands::help(self.context())),
            _ => Dialog::Models(Box::new(Models::new(&self.model))),
        };
        self.dialogs.push(dialog);
    }

    fn focus(&mut self, id: PaneId) {
        self.composing = false;
        self.pane = id;
        if id != PaneId::Conversation {
            self.side = id;
        }
    }

    /// Ctrl-C: cancels what is being answered here, else asks to quit; a second time, quits.
    fn interrupt(&mut self) {
        let running = self.model.shown_conversation().filter(|conversation| {
            self.model.running_turn(&conversation.id).is_some() || self.model.queued(&conversation.id).next().is_some()
        });
        if let Some(conversation) = running.map(|conversation| conversation.id.clone()) {
            self.serial += 1;
            let ticket = Ticket { owner: Owner::App, serial: self.serial };
            self.effects.push(Effect::Ask(ticket, Request::Cancel { conversation }));
            return;
        }
        let quit = |leave| vec![Act::Effect(Box::new(Effect::Quit(leave)))];
        if self.dialogs.iter().any(|dialog| matches!(dialog, Dialog::Confirm(confirm) if confirm.quits())) {
            self.effects.push(Effect::Quit(Leave::Stop));
            return;
        }
        let due = self.model.jobs_running() + self.model.jobs_waiting() + self.model.runs.len();
        let question = if due > 0 { "Quit? Work is not finished." } else { "Quit?" };
        let mut choices = vec![Choice::new('q', "quit; what is due waits for the next start", quit(Leave::Stop))];
        if due > 0 {
            choices.push(Choice::new('w', "quit, and keep working without a screen", quit(Leave::KeepWorking)));
        }
        choices.push(Choice::new('s', "stay", Vec::new()));
        self.dialogs.push(Dialog::Confirm(Confirm::new(question, choices)));
    }

    /// Does what panes, dialogs and composer asked for, until nothing is left to do.
    fn settle(&mut self) {
        while !self.acts.is_empty() {
            for act in std::mem::take(&mut self.acts) {
                self.act(act);
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Toast(toast) => self.toast = Some((toast, self.look.now + TOAST)),
            Act::Focus(id) => self.focus(id),
            Act::Compose => self.composing = true,
            Act::Draft(text) => {
                self.composer.prepend(&text);
                self.composing = true;
            }
            Act::Open(dialog) => self.dialogs.push(*dialog),
            Act::Close => {
                self.dialogs.pop();
            }
            Act::Show(address) => self.show(address),
            Act::Select(agent) => self.select(agent),
            Act::Goto(conversation, seq) => self.go_to(&conversation, seq),
            Act::Do(command) => self.command(command),
            Act::Effect(effect) => self.effects.push(*effect),
            Act::Ask(owner, request) => {
                self.serial += 1;
                self.effects.push(Effect::Ask(Ticket { owner, serial: self.serial }, *request));
            }
            Act::Block(act) => self.panes.blocks.told(&act),
        }
    }

    fn show(&mut self, address: Address) {
        let place = &mut self.model.place;
        match &address {
            Address::Group(group) => {
                if place.group.as_ref() != Some(group) {
                    place.agent = None;
                }
                place.group = Some(group.clone());
            }
            Address::Agent(agent) => place.agent = Some(agent.clone()),
        }
        place.address = Some(address);
        self.moved();
    }

    fn select(&mut self, agent: Option<AgentId>) {
        self.model.place.agent = agent;
        self.moved();
    }

    fn go_to(&mut self, conversation: &crate::domain::ConversationId, seq: u64) {
        use crate::domain::ConversationOwner;

        let owner = self.model.conversation(conversation).map(|conversation| conversation.owner.clone());
        match owner {
            Some(ConversationOwner::Group(group)) => self.show(Address::Group(group)),
            Some(ConversationOwner::Agent(agent)) => self.show(Address::Agent(agent)),
            Some(ConversationOwner::Job(_)) | None => return,
        }
        self.panes.conversation.go_to(seq);
        self.focus(PaneId::Conversation);
    }

    fn moved(&mut self) {
        for id in PaneId::ALL {
            self.with_pane(id, |pane, cx| pane.moved(cx));
        }
    }

    /// The group whose name stands in the title.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        self.model.shown_group()
    }
}
