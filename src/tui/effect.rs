//! Messages, effects and actions of the workbench, and the [`Modal`] trait of dialogs.
//!
//! The event loop passes [`Msg`]s in and performs the returned [`Effect`]s. Both are plain values: every screen can
//! be reproduced from a list of messages. Panes, [`Modal`]s and the composer queue [`AppAction`]s in one [`Mailbox`]; the
//! workbench performs them in order and returns the effects among them.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};

use crate::config::{Config, ConfigError, Provider, save_provider};
use crate::domain::{AgentId, ConversationId, MailId, Priority};
use crate::engine::connection::Connection;
use crate::engine::protocol::{Overview, Recipient, Reply, Request, RequestError, Update};

use super::command::{Command, KeyContext};
use super::model::Model;
use super::model::waiting::CallKey;
use super::pane::id::PaneId;
use super::render::RenderContext;
use super::session::Settled;

/// An input of the workbench.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// A key press.
    Key(KeyEvent),
    /// Pasted text; never submits.
    Paste(String),
    /// A mouse event.
    Mouse(MouseEvent),
    /// The terminal was resized to this size in cells.
    Resize(Size),
    /// The terminal window gained (true) or lost the focus.
    Focus(bool),
    /// An update from the engine.
    Update(Box<Update>),
    /// A new overview, because the subscription to updates was interrupted.
    Renewed(Box<Overview>),
    /// The engine is lost, or runs in another program than before.
    Connected(Connection),
    /// The reply to a request.
    Answered(RequestId, Result<Reply, RequestError>),
    /// The external editor has exited: the text, or the error text.
    Edited(Requester, Result<String, String>),
    /// The outcome of an effect, to be shown as a toast.
    Told(Toast),
    /// The deadline of [`super::app::App::wake_at`] has passed.
    Tick,
}

/// The component that issued a request and receives its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Requester {
    /// The workbench itself.
    App,
    /// The message input.
    Composer,
    /// A pane.
    Pane(PaneId),
    /// The dialogs. A reply goes to all of them, an edited text to the top one.
    Dialog,
}

/// Identifies a request and the component that receives its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    /// Component that issued the request.
    pub owner: Requester,
    /// Serial number, unique over all requests; the highest is the newest.
    pub serial: u64,
}

/// I/O that the event loop performs for the workbench.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Sends a request to the engine; the reply is [`Msg::Answered`].
    Ask(RequestId, Request),
    /// Writes a provider and a model to the configuration ([`Connect::save`]) and reloads it; the reply is
    /// [`Msg::Answered`] with [`Reply::Done`] or a fault.
    Connect(RequestId, Box<Connect>),
    /// Copies text to the clipboard.
    Copy {
        /// Text to copy.
        text: String,
        /// Description for the toast: `message`, `code`, `block story`.
        what: String,
    },
    /// Writes text to a new file at a path as typed (`~/` is the home directory); the reply is [`Msg::Answered`] with
    /// [`Reply::Done`] or a fault.
    WriteFile {
        /// Request that the reply belongs to.
        ticket: RequestId,
        /// Path of the file, which must not exist.
        path: String,
        /// Contents.
        text: String,
    },
    /// Opens the text in `$EDITOR`; the result is [`Msg::Edited`].
    Editor {
        /// Component that receives the edited text.
        owner: Requester,
        /// Initial text.
        text: String,
    },
    /// Turns mouse reporting of the terminal on or off.
    Mouse(bool),
    /// Suspends the process, as Ctrl-Z does in a shell.
    Suspend,
    /// Stops the worker that runs the engine. The next program that takes over the store is [`Msg::Connected`]; a failure
    /// is [`Msg::Told`].
    StopWorker,
    /// Ends the workbench.
    Quit(ExitMode),
}

/// A provider to write to the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Provider name, the prefix of its model names: `local` in `local/NAME`.
    pub name: String,
    /// Address and key source.
    pub provider: Provider,
    /// Default model to set, for example `local/NAME`; `None` keeps the current one.
    pub model: Option<String>,
}

impl Connect {
    /// Writes the provider to the configuration file at `path`, keeping its `max_parallel`. Blocks on file I/O.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is invalid or cannot be written.
    pub fn save(&self, path: &Path) -> Result<Config, ConfigError> {
        let known = Config::load(path)?.provider.remove(&self.name);
        let (max_parallel, limits) =
            known.map_or_else(Default::default, |provider| (provider.max_parallel, provider.limits));
        let provider = Provider { max_parallel, limits, ..self.provider.clone() };
        save_provider(path, &self.name, &provider, self.model.as_deref())
    }
}

/// What happens to unfinished work when the workbench ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitMode {
    /// It stops until the next start.
    Stop,
    /// It continues in a separate process without a screen.
    KeepWorking,
    /// The worker that runs the engine is stopped, too.
    StopWorker,
    /// The terminal was closed and nobody could be asked.
    HungUp,
}

/// An action that a pane, a dialog or the composer requests from the workbench.
#[derive(Debug)]
pub enum AppAction {
    /// Shows a toast.
    Toast(Toast),
    /// Moves the focus to a pane.
    Focus(PaneId),
    /// Scrolls the conversation to its end and follows new messages.
    Follow,
    /// Inserts text into the composer before its current text, and focuses it.
    Draft(String),
    /// Cancels the running and queued turns of a conversation; the queued texts return to its draft.
    CancelReply(ConversationId),
    /// Opens a dialog above the others.
    Open(Box<dyn Modal>),
    /// Closes the top dialog.
    Close,
    /// Shows the conversation of a group or an agent.
    Show(Recipient),
    /// Selects an agent, so that its own blocks are shown; `None` selects the group only.
    Select(Option<AgentId>),
    /// Scrolls to the message with this `seq` in a conversation.
    Goto(ConversationId, u64),
    /// Performs a command, as if its key had been pressed.
    Do(Command),
    /// Returns an effect to the event loop.
    Effect(Effect),
    /// Sends a request to the engine; the reply goes to the owner.
    Ask(Requester, Box<Request>),
    /// Tells the block editor the outcome of a dialog.
    Block(BlockAct),
    /// Decides a call that awaits approval; the inbox pane handles the reply.
    Decide(Box<Decision>),
    /// Sends mail; the mail pane handles the reply.
    Post(Box<Draft>),
}

impl AppAction {
    /// Creates an [`AppAction::Open`].
    #[must_use]
    pub fn open(dialog: impl Modal + 'static) -> Self {
        Self::Open(Box::new(dialog))
    }
}

/// Mail written by the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Recipient.
    pub to: AgentId,
    /// Body of the mail.
    pub text: String,
    /// Delivery priority.
    pub priority: Priority,
    /// The mail this one answers, if any.
    pub in_reply_to: Option<MailId>,
}

impl Draft {
    /// Builds the engine request.
    #[must_use]
    pub fn request(&self) -> Request {
        let Self { to, text, priority, in_reply_to } = self.clone();
        Request::SendMail { to, text, priority, expires_in: None, in_reply_to }
    }
}

/// The user's decision on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The call decided on.
    pub call: CallKey,
    /// True approves the call, false denies it.
    pub approve: bool,
    /// Whether the approval covers all calls of the same tool in this run.
    pub for_run: bool,
    /// Reason for a denial; may be empty.
    pub reason: String,
}

impl Decision {
    /// Builds the engine request.
    #[must_use]
    pub fn request(&self) -> Request {
        let (step, ordinal) = self.call.clone();
        let Self { approve, for_run, reason, .. } = self.clone();
        Request::Decide { step, ordinal, approve, for_run, reason }
    }
}

/// The outcome of a dialog that concerns the block editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockAct {
    /// The block was saved: the editor closes.
    Saved,
    /// The changes are discarded: the editor closes.
    Discard,
    /// These conflicts are resolved so far; the editor keeps them until the merge is saved.
    Settled(Vec<Settled>),
}

/// A text shown briefly in the status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// Text to show.
    pub text: String,
    /// Success or error.
    pub tone: Tone,
}

/// How a toast is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Information, or an action that succeeded.
    Plain,
    /// A failed action.
    Error,
}

impl Toast {
    /// Creates a toast for a success.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    /// Creates a toast for an error; the text says what to do.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Error }
    }
}

/// A dialog. The workbench keeps a stack of dialogs; the top one receives all keys first.
pub trait Modal: fmt::Debug + Send {
    /// Returns the dialog's key context.
    fn context(&self) -> KeyContext {
        KeyContext::DIALOG
    }

    /// Handles a key before the command table is consulted. Returns true if the key was handled.
    fn key(&mut self, _key: KeyEvent, _cx: &mut Context<'_>) -> bool {
        false
    }

    /// Handles pasted text.
    fn paste(&mut self, _text: &str, _cx: &mut Context<'_>) {}

    /// Performs a command that applies in [`Modal::context`], except [`Command::Close`], which the workbench performs.
    fn command(&mut self, command: Command, cx: &mut Context<'_>);

    /// Handles the reply to a request sent with [`Context::ask`].
    fn answered(&mut self, _serial: u64, _reply: Result<Reply, RequestError>, _cx: &mut Context<'_>) {}

    /// Handles the text returned by the external editor.
    fn edited(&mut self, _text: String, _cx: &mut Context<'_>) {}

    /// Handles an engine update, already applied to the model.
    fn updated(&mut self, _update: &Update, _cx: &mut Context<'_>) {}

    /// Whether the subject of the dialog no longer exists; the workbench then closes it.
    fn is_over(&self, _model: &Model) -> bool {
        false
    }

    /// Whether the dialog asks to quit; a second Ctrl-C then quits.
    fn asks_to_quit(&self) -> bool {
        false
    }

    /// Whether the dialog lists commands; the help then does not open above it.
    fn is_help(&self) -> bool {
        false
    }

    /// Describes unsaved input that quitting would lose, if any.
    fn unsaved_note(&self) -> Option<&'static str> {
        None
    }

    /// Lays out the dialog for the next frame.
    fn prepare(&mut self, _screen: Rect, _look: &RenderContext, _cx: &mut Context<'_>) {}

    /// Time of the next change of the display that needs no message.
    fn wake(&self) -> Option<Timestamp> {
        None
    }

    /// Draws the dialog; `screen` is the whole screen.
    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, model: &Model);
}

/// FIFO queue of actions for the workbench.
#[derive(Debug, Default)]
pub struct Mailbox {
    queue: VecDeque<AppAction>,
    /// Serial of the last request.
    serial: u64,
}

impl Mailbox {
    /// Appends an action.
    pub fn push(&mut self, act: AppAction) {
        self.queue.push_back(act);
    }

    /// Removes and returns the oldest action.
    pub fn take(&mut self) -> Option<AppAction> {
        self.queue.pop_front()
    }

    /// Queues a request to the engine on behalf of `owner`. Returns its serial.
    pub fn ask(&mut self, owner: Requester, request: Request) -> u64 {
        let ticket = self.ticket(owner);
        self.push(AppAction::Effect(Effect::Ask(ticket, request)));
        ticket.serial
    }

    fn ticket(&mut self, owner: Requester) -> RequestId {
        self.serial += 1;
        RequestId { owner, serial: self.serial }
    }
}

/// Context passed to a pane, a dialog or the composer while it handles a message.
pub struct Context<'a> {
    /// Mirror of the engine's state.
    pub model: &'a Model,
    /// Current time.
    pub now: Timestamp,
    /// The component being called.
    pub owner: Requester,
    /// Queue for actions and requests.
    pub mailbox: &'a mut Mailbox,
}

impl Context<'_> {
    /// Sends a request to the engine. The reply is passed to the caller's `answered`, with the serial returned here.
    pub fn ask(&mut self, request: Request) -> u64 {
        self.mailbox.ask(self.owner, request)
    }

    /// Writes a provider to the configuration; the reply arrives as for [`Context::ask`].
    pub fn connect(&mut self, connect: Connect) -> u64 {
        let ticket = self.mailbox.ticket(self.owner);
        self.act(AppAction::Effect(Effect::Connect(ticket, Box::new(connect))));
        ticket.serial
    }

    /// Queues an action.
    pub fn act(&mut self, act: AppAction) {
        self.mailbox.push(act);
    }

    /// Queues several actions, in order.
    pub fn acts(&mut self, acts: impl IntoIterator<Item = AppAction>) {
        acts.into_iter().for_each(|act| self.act(act));
    }

    /// Opens a dialog above the others.
    pub fn open(&mut self, dialog: impl Modal + 'static) {
        self.act(AppAction::open(dialog));
    }

    /// Shows a toast for a success.
    pub fn toast(&mut self, text: impl Into<String>) {
        self.act(AppAction::Toast(Toast::plain(text)));
    }

    /// Shows a toast for an error.
    pub fn fault(&mut self, text: impl Into<String>) {
        self.act(AppAction::Toast(Toast::error(text)));
    }

    /// Copies text to the clipboard; `what` describes it in the toast.
    pub fn copy(&mut self, text: impl Into<String>, what: impl Into<String>) {
        self.act(AppAction::Effect(Effect::Copy { text: text.into(), what: what.into() }));
    }

    /// Writes text to a new file; the reply arrives as for [`Context::ask`].
    pub fn write_file(&mut self, path: String, text: String) -> u64 {
        let ticket = self.mailbox.ticket(self.owner);
        self.act(AppAction::Effect(Effect::WriteFile { ticket, path, text }));
        ticket.serial
    }

    /// Opens text in `$EDITOR`; the result is passed to the caller's `edited`.
    pub fn editor(&mut self, text: impl Into<String>) {
        self.act(AppAction::Effect(Effect::Editor { owner: self.owner, text: text.into() }));
    }
}
