//! What goes into the workbench and what is asked of it.
//!
//! [`Msg`] goes in and [`Effect`]s come out for the event loop, both plain values: every screen is replayable
//! from a list of messages. Panes, [`Modal`]s and the composer put what they want done into one [`Mailbox`] of
//! [`Act`]s: the workbench does them in order, and passes on those that are effects.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};

use crate::config::{Config, ConfigError, Provider, save_provider};
use crate::domain::{AgentId, ConversationId, MailId, Priority};
use crate::engine::wire::{Address, Fault, Overview, Reply, Request, Update};

use super::command::{Command, When};
use super::model::Model;
use super::model::waiting::CallKey;
use super::pane::id::PaneId;
use super::render::Look;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// A key.
    Key(KeyEvent),
    /// Pasted text; it never submits.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// The terminal has this size in cells.
    Resize(Size),
    /// The terminal's window got or lost the focus.
    Focus(bool),
    /// The engine tells something.
    Update(Box<Update>),
    /// The mirror was built anew, because following broke off.
    Renewed(Box<Overview>),
    /// An asked request is answered.
    Answered(Ticket, Result<Reply, Fault>),
    /// The external editor was left: the text, or a sentence why there is none.
    Edited(Owner, Result<String, String>),
    /// Something for the loop went wrong or well: a sentence to show.
    Told(Toast),
    /// A moment came that was asked for ([`super::app::App::wake_at`]).
    Tick,
}

/// Whose request or text it is, so that the answer finds its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The workbench itself.
    App,
    /// The composer.
    Composer,
    /// A pane.
    Pane(PaneId),
    /// The dialog on top.
    Dialog,
}

/// One request's return address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Who asked.
    pub owner: Owner,
    /// Counts all requests, so that the newest of several can be told.
    pub serial: u64,
}

/// What the event loop does for the workbench.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Asks the engine; answered with [`Msg::Answered`].
    Ask(Ticket, Request),
    /// Writes a provider and a model into the configuration ([`Connect::save`]); answered with
    /// [`Msg::Answered`]: [`Reply::Done`], or a fault with the sentence.
    Connect(Ticket, Box<Connect>),
    /// Puts text on the clipboard.
    Copy {
        /// The text.
        text: String,
        /// What it is, for the toast: `message`, `code`, `block story`.
        what: String,
    },
    /// Opens the text in `$EDITOR`; answered with [`Msg::Edited`].
    Editor {
        /// Whose text.
        owner: Owner,
        /// The text to start from.
        text: String,
    },
    /// Stops the process, as Ctrl-Z does in a shell.
    Suspend,
    /// Rings the bell.
    Bell,
    /// Ends the interface.
    Quit(Leave),
}

/// A provider to write into the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The name models there begin with: `local` in `local/NAME`.
    pub name: String,
    /// Where it is, and how its key is found.
    pub provider: Provider,
    /// The model of agents that name none, where it is to be set too: `local/NAME`.
    pub model: Option<String>,
}

impl Connect {
    /// Writes it; what the file says of parallel calls there stays as it is.
    pub fn save(&self, path: &Path) -> Result<Config, ConfigError> {
        let known = Config::load(path)?.provider.remove(&self.name);
        let (max_parallel, limits) =
            known.map_or_else(Default::default, |provider| (provider.max_parallel, provider.limits));
        let provider = Provider { max_parallel, limits, ..self.provider.clone() };
        save_provider(path, &self.name, &provider, self.model.as_deref())
    }
}

/// How the interface ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Work that is due stops until the next start.
    Stop,
    /// Work that is due goes on without a screen.
    KeepWorking,
}

/// What a pane, a dialog or the composer asks of the workbench.
#[derive(Debug)]
pub enum Act {
    /// Shows a sentence for a while.
    Toast(Toast),
    /// Gives a pane the focus.
    Focus(PaneId),
    /// Gives the composer the focus.
    Compose,
    /// Follows the end of the conversation again.
    Follow,
    /// Puts text into the composer, before what is there.
    Draft(String),
    /// Opens a dialog on top of the others.
    Open(Box<dyn Modal>),
    /// Closes the dialog on top.
    Close,
    /// Shows somebody's conversation.
    Show(Address),
    /// Selects an agent, whose own blocks are then shown; none for the group alone.
    Select(Option<AgentId>),
    /// Shows a message in its conversation.
    Goto(ConversationId, u64),
    /// Does a command, as if its key had been pressed.
    Do(Command),
    /// Has an effect on the world.
    Effect(Effect),
    /// Asks the engine; what comes of it goes to the owner.
    Ask(Owner, Box<Request>),
    /// Tells the block that is being edited what a dialog found out.
    Block(BlockAct),
    /// Decides on a call that waits for the person; what comes of it is the inbox's to tell.
    Decide(Box<Decision>),
    /// Sends mail; what comes of it is the mail pane's to tell.
    Post(Box<Draft>),
}

impl Act {
    /// Opens a dialog on top of the others.
    #[must_use]
    pub fn open(dialog: impl Modal + 'static) -> Self {
        Self::Open(Box::new(dialog))
    }
}

/// Mail the person has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// To whom.
    pub to: AgentId,
    /// The words.
    pub text: String,
    /// What goes first.
    pub priority: Priority,
    /// The mail it answers.
    pub in_reply_to: Option<MailId>,
}

impl Draft {
    /// What the engine is asked.
    #[must_use]
    pub fn request(&self) -> Request {
        let Self { to, text, priority, in_reply_to } = self.clone();
        Request::SendMail { to, text, priority, expires_in: None, in_reply_to }
    }
}

/// What the person decided on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The call.
    pub call: CallKey,
    /// False refuses it.
    pub approve: bool,
    /// The same tool needs no other yes in this run.
    pub for_run: bool,
    /// Why it is refused, if said.
    pub reason: String,
}

impl Decision {
    /// What the engine is asked.
    #[must_use]
    pub fn request(&self) -> Request {
        let (step, ordinal) = self.call.clone();
        let Self { approve, for_run, reason, .. } = self.clone();
        Request::Decide { step, ordinal, approve, for_run, reason }
    }
}

/// What a dialog tells the block that is being edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockAct {
    /// It is saved: the editor closes.
    Saved,
    /// Its changes are thrown away: the editor closes.
    Discard,
}

/// A sentence that is shown in the status line for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// The sentence.
    pub text: String,
    /// How it is shown.
    pub tone: Tone,
}

/// How a sentence is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done as asked.
    Plain,
    /// Did not go.
    Error,
}

impl Toast {
    /// Tells that something is done.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    /// Tells that something did not go, and what to do.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Error }
    }
}

/// A dialog. The workbench keeps a stack of them; the one on top takes all keys but those that apply anywhere.
pub trait Modal: fmt::Debug + Send {
    /// Which commands apply.
    fn context(&self) -> When {
        When::DIALOG
    }

    /// A key comes here before the table of commands is asked; true when it was taken.
    fn key(&mut self, _key: KeyEvent, _cx: &mut Cx<'_>) -> bool {
        false
    }

    /// Pasted text.
    fn paste(&mut self, _text: &str, _cx: &mut Cx<'_>) {}

    /// A command that applies in [`Modal::context`]; [`Command::Close`] is done by the workbench.
    fn command(&mut self, command: Command, cx: &mut Cx<'_>);

    /// A request of [`Cx::ask`] is answered.
    fn answered(&mut self, _serial: u64, _reply: Result<Reply, Fault>, _cx: &mut Cx<'_>) {}

    /// The external editor was left with this text.
    fn edited(&mut self, _text: String, _cx: &mut Cx<'_>) {}

    /// The engine told something, and the model has it already.
    fn updated(&mut self, _update: &Update, _cx: &mut Cx<'_>) {}

    /// True when what it is about is gone: the workbench takes it away.
    fn is_over(&self, _model: &Model) -> bool {
        false
    }

    /// Whether it asks to quit: Ctrl-C a second time then quits.
    fn asks_to_quit(&self) -> bool {
        false
    }

    /// Whether it lists commands as the help does, which then does not open over it.
    fn is_help(&self) -> bool {
        false
    }

    /// A sentence on what in it is not saved when the workbench is left now.
    fn unsaved_note(&self) -> Option<&'static str> {
        None
    }

    /// A frame is about to be drawn: lay out what drawing will show.
    fn prepare(&mut self, _screen: Rect, _look: &Look, _cx: &mut Cx<'_>) {}

    /// When it looks different without anything happening.
    fn wake(&self) -> Option<Timestamp> {
        None
    }

    /// Draws it over `screen`, which is all of it.
    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &Look, model: &Model);
}

/// What is asked of the workbench and not done yet, in order.
#[derive(Debug, Default)]
pub struct Mailbox {
    queue: VecDeque<Act>,
    /// Counts requests.
    serial: u64,
}

impl Mailbox {
    /// Puts something at the end.
    pub fn push(&mut self, act: Act) {
        self.queue.push_back(act);
    }

    /// Takes out what has waited longest.
    pub fn take(&mut self) -> Option<Act> {
        self.queue.pop_front()
    }

    /// Asks the engine for `owner`, and returns the serial of the request.
    pub fn ask(&mut self, owner: Owner, request: Request) -> u64 {
        let ticket = self.ticket(owner);
        self.push(Act::Effect(Effect::Ask(ticket, request)));
        ticket.serial
    }

    fn ticket(&mut self, owner: Owner) -> Ticket {
        self.serial += 1;
        Ticket { owner, serial: self.serial }
    }
}

/// What a pane, a dialog or the composer works with while it handles something.
pub struct Cx<'a> {
    /// The mirror of the engine.
    pub model: &'a Model,
    /// The time.
    pub now: Timestamp,
    /// Who works with it.
    pub owner: Owner,
    /// What is asked of the workbench and the world.
    pub mailbox: &'a mut Mailbox,
}

impl Cx<'_> {
    /// Asks the engine. The answer comes to `answered` of who asks, with the serial returned here.
    pub fn ask(&mut self, request: Request) -> u64 {
        self.mailbox.ask(self.owner, request)
    }

    /// Has a provider written into the configuration; answered as [`Cx::ask`] is.
    pub fn connect(&mut self, connect: Connect) -> u64 {
        let ticket = self.mailbox.ticket(self.owner);
        self.act(Act::Effect(Effect::Connect(ticket, Box::new(connect))));
        ticket.serial
    }

    /// Asks something of the workbench.
    pub fn act(&mut self, act: Act) {
        self.mailbox.push(act);
    }

    /// Asks several things of the workbench, in order.
    pub fn acts(&mut self, acts: impl IntoIterator<Item = Act>) {
        acts.into_iter().for_each(|act| self.act(act));
    }

    /// Opens a dialog on top of the others.
    pub fn open(&mut self, dialog: impl Modal + 'static) {
        self.act(Act::open(dialog));
    }

    /// Shows a sentence for a while.
    pub fn toast(&mut self, text: impl Into<String>) {
        self.act(Act::Toast(Toast::plain(text)));
    }

    /// Shows for a while what did not go.
    pub fn fault(&mut self, text: impl Into<String>) {
        self.act(Act::Toast(Toast::error(text)));
    }

    /// Puts text on the clipboard; `what` names it in the toast.
    pub fn copy(&mut self, text: impl Into<String>, what: impl Into<String>) {
        self.act(Act::Effect(Effect::Copy { text: text.into(), what: what.into() }));
    }

    /// Opens text in `$EDITOR`; what comes back goes to `edited` of who asks.
    pub fn editor(&mut self, text: impl Into<String>) {
        self.act(Act::Effect(Effect::Editor { owner: self.owner, text: text.into() }));
    }
}
