//! The event loop: connects the terminal and the engine to the workbench.
//!
//! One task. It waits, in this priority, for the terminal (signals, then input), replies to requests, engine updates,
//! and one deadline. There is no interval timer: an idle workbench does not wake up. A key press is drawn with the
//! next frame; the frame rate of engine updates is limited. While a slow terminal still receives a frame, no new one
//! is drawn; the next frame then shows the newest state.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::app::{App, Draw, view};
use super::effect::{Connect, Effect, ExitMode, Msg, RequestId, Requester, Toast};
use super::pane::RenderContext;
use super::session::Session;
use super::term::input::Input;
use super::term::pacer::{FrameIntervals, Pacer};
use super::term::screen::Screen;
use super::term::sequence::{self, Modes};
use super::term::tty::{Tty, TtyEvent};
use super::term::{Environment, TermError};
use super::write_file;
use crate::engine::Handle;
use crate::engine::connection::Connection;
use crate::engine::handle::Subscription;
use crate::engine::protocol::{Overview, Reply, Request, RequestError, Update};
use crate::engine::worker;
use crate::text_file;

/// The most bytes of a text that the external editor returns.
const EDITED_BYTES: u64 = 16 << 20;

/// Maximum time spent on engine updates before the terminal is polled again.
const BATCH: Duration = Duration::from_millis(2);
/// Size in bytes above which a frame sent over SSH is followed by a status request, answered on arrival.
const LARGE: usize = 256;
/// How long leaving waits for outstanding terminal replies, so that they do not reach the shell.
const ANSWERS: Duration = Duration::from_millis(300);
/// Delay between a change of the session and its write to disk.
const SAVE_AFTER: Duration = Duration::from_secs(1);

/// Options of [`run`].
pub struct Options {
    /// Environment of the terminal.
    pub environment: Environment,
    /// Theme, glyphs and time zone.
    pub look: RenderContext,
    /// Whether to enable mouse reporting at the start.
    pub mouse: bool,
    /// Path of the store.
    pub store: PathBuf,
    /// Path of the session file.
    pub session: PathBuf,
    /// Path of the configuration file, written by the model dialog.
    pub config: PathBuf,
    /// Shell command of the external editor.
    pub editor: Option<String>,
    /// Environment variables that the editor does not inherit.
    pub withheld: Vec<String>,
    /// Clock.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Error of [`run`].
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal failed.
    #[error(transparent)]
    Terminal(#[from] TermError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] RequestError),
}

/// Runs the workbench until the user quits or the terminal is closed. `connection` tells where the engine of `handle` runs.
///
/// # Errors
/// Fails if the terminal cannot be opened or written to, or if the connection to the engine fails.
pub async fn run(
    handle: Handle,
    mut connection: watch::Receiver<Connection>,
    options: Options,
) -> Result<ExitMode, TuiError> {
    let at = connection.borrow_and_update().clone();
    let overview = handle.overview().await?;
    let following = handle.follow(overview.upto).await?;
    let modes = Modes { mouse: options.mouse };
    let tty = Tty::open(&options.environment, modes)?;
    let mut app = new_app(overview, &options, &tty, Session::load(&options.session));
    (app.mouse, app.connection) = (options.mouse, at);
    let gaps = if options.environment.over_ssh { FrameIntervals::OVER_SSH } else { FrameIntervals::LOCAL };
    let screen = Screen::new(tty.size(), options.environment.caps());
    let (answers, answered) = mpsc::unbounded_channel();
    let saved = app.session();
    let mut bench = EventLoop {
        options,
        tty,
        screen,
        app,
        pacer: Pacer::new(gaps),
        said: send_in_order(handle.clone(), answers.clone()),
        handle,
        connection,
        answers,
        saved,
        save_at: None,
        leave: None,
        unanswered: 0,
    };
    bench.pacer.key(Instant::now());
    let ended = bench.turn(following, answered).await;
    bench.save();
    bench.take_answers().await;
    ended
}

fn new_app(overview: Overview, options: &Options, tty: &Tty, session: Session) -> App {
    let mut app = App::new(overview, options.look.clone(), tty.size());
    app.restore(session);
    app
}

/// Spawns a task that sends requests to the engine one at a time, in order. It ends when the sender is dropped.
fn send_in_order(handle: Handle, answers: mpsc::UnboundedSender<Msg>) -> mpsc::UnboundedSender<(RequestId, Request)> {
    let (said, mut queue) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some((ticket, request)) = queue.recv().await {
            let reply = handle.ask(request).await;
            let _ = answers.send(Msg::Answered(ticket, reply));
        }
    });
    said
}

/// State of the event loop.
struct EventLoop {
    handle: Handle,
    connection: watch::Receiver<Connection>,
    options: Options,
    tty: Tty,
    screen: Screen,
    app: App,
    pacer: Pacer,
    answers: mpsc::UnboundedSender<Msg>,
    /// Queue of user messages to the engine, sent in order.
    said: mpsc::UnboundedSender<(RequestId, Request)>,
    /// The session as last written to disk.
    saved: Session,
    /// Deadline for writing the changed session.
    save_at: Option<Instant>,
    leave: Option<ExitMode>,
    /// Status requests that the terminal has not answered yet.
    unanswered: u32,
}

fn is_here(input: &Input) -> bool {
    matches!(input, Input::Reply(reply) if reply == sequence::DSR_OK)
}

impl EventLoop {
    async fn turn(
        &mut self,
        mut following: Subscription,
        mut answered: mpsc::UnboundedReceiver<Msg>,
    ) -> Result<ExitMode, TuiError> {
        loop {
            if let Some(leave) = self.leave {
                return Ok(leave);
            }
            self.draw();
            let due = self.due();
            let at = tokio::time::Instant::from_std(due.unwrap_or_else(Instant::now));
            tokio::select! {
                biased;
                event = self.tty.next() => self.terminal(event).await?,
                Some(msg) = answered.recv() => self.handle_msg(msg).await?,
                Ok(()) = self.connection.changed() => self.connected(&mut following).await?,
                update = following.next() => self.updates(update, &mut following).await?,
                () = tokio::time::sleep_until(at), if due.is_some() => self.on_deadline().await?,
            }
        }
    }

    /// Draws a frame if one is due and the terminal has accepted the previous one.
    fn draw(&mut self) {
        let now = Instant::now();
        if !self.tty.ready_for_frame() || !self.pacer.due(now) {
            return;
        }
        let effects = self.app.prepare((self.options.now)());
        let app = &self.app;
        let frame = self.screen.draw(|frame| view::view(app, frame));
        self.send(frame, now);
        self.pacer.drew(now);
        // The frame needs more data; the replies trigger the next frame.
        let asked = effects.into_iter().filter_map(|effect| match effect {
            Effect::Ask(ticket, request) => Some((ticket, request)),
            _ => None,
        });
        let asked: Vec<_> = asked.collect();
        self.pacer.asked(asked.len());
        for (ticket, request) in asked {
            self.ask(ticket, request);
        }
    }

    /// Sends a frame. Over SSH, a large frame ends with a status request: the reply shows that the frame has arrived,
    /// so that a slow link never has more than one frame in flight.
    fn send(&mut self, mut frame: Vec<u8>, now: Instant) {
        if frame.is_empty() {
            return;
        }
        if self.options.environment.over_ssh && frame.len() > LARGE {
            frame.extend(sequence::DSR_STATUS);
            self.unanswered += 1;
        }
        self.pacer.sent(frame.len(), now);
        self.tty.send(&frame);
    }

    fn arrived(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
        if self.unanswered == 0 {
            self.pacer.arrived();
        }
    }

    /// Reads the outstanding terminal replies.
    async fn take_answers(&mut self) {
        let answers = async {
            while self.unanswered > 0 {
                match self.tty.next().await {
                    TtyEvent::Input(inputs) => {
                        for _ in inputs.iter().filter(|input| is_here(input)) {
                            self.arrived();
                        }
                    }
                    TtyEvent::Hangup => return,
                    _ => {}
                }
            }
        };
        // The terminal may never reply.
        let _ = tokio::time::timeout(ANSWERS, answers).await;
    }

    /// Returns the next deadline: a frame, a timed change of the display, or a session write.
    fn due(&self) -> Option<Instant> {
        let frame = self.pacer.next().filter(|_| self.tty.ready_for_frame());
        // A frame that is already scheduled includes timed changes.
        let wake = self.app.wake_at().filter(|_| self.pacer.next().is_none()).map(|at| {
            let wait = at.duration_since((self.options.now)());
            Instant::now() + Duration::try_from(wait).unwrap_or_default()
        });
        [frame, wake, self.save_at].into_iter().flatten().min()
    }

    async fn on_deadline(&mut self) -> Result<(), TuiError> {
        if self.save_at.is_some_and(|at| at <= Instant::now()) {
            self.save();
        }
        let now = (self.options.now)();
        if self.pacer.next().is_none() && self.app.wake_at().is_some_and(|at| at <= now) {
            self.handle_msg(Msg::Tick).await?;
        }
        Ok(())
    }

    async fn terminal(&mut self, event: TtyEvent) -> Result<(), TuiError> {
        match event {
            TtyEvent::Input(inputs) => {
                for input in inputs {
                    let msg = match input {
                        Input::Key(key) => Msg::Key(key),
                        Input::Paste(text) => Msg::Paste(text),
                        Input::Mouse(event) => Msg::Mouse(event),
                        Input::Focus(focus) => Msg::Focus(focus),
                        Input::Reply(_) => {
                            if is_here(&input) {
                                self.arrived();
                            }
                            continue;
                        }
                    };
                    self.handle_msg(msg).await?;
                }
            }
            TtyEvent::Resize(size) => self.resized(size).await?,
            TtyEvent::Resumed(size) => {
                self.screen.invalidate();
                self.resized(size).await?;
            }
            TtyEvent::Hangup => self.leave = Some(ExitMode::HungUp),
            TtyEvent::Terminate => self.leave = Some(ExitMode::Stop),
            TtyEvent::Drained => {}
        }
        Ok(())
    }

    /// Shows where the engine runs now. Of a store that was replaced, all is read anew.
    async fn connected(&mut self, following: &mut Subscription) -> Result<(), TuiError> {
        let connection = self.connection.borrow_and_update().clone();
        if connection.replaced != self.app.connection.replaced {
            let overview = match self.handle.overview().await {
                Ok(overview) => overview,
                // What is shown is of the old store; the sentence says why there is no other.
                Err(fault) => return self.handle_msg(Msg::Told(Toast::error(fault.text))).await,
            };
            *following = self.handle.follow(overview.upto).await?;
            let (session, before) = (self.app.session(), self.app.connection.clone());
            let mouse = self.app.mouse;
            self.app = new_app(overview, &self.options, &self.tty, session);
            (self.app.mouse, self.app.connection) = (mouse, before);
        }
        self.handle_msg(Msg::Connected(connection)).await
    }

    async fn resized(&mut self, size: ratatui::layout::Size) -> Result<(), TuiError> {
        self.screen.resize(size);
        self.handle_msg(Msg::Resize(size)).await
    }

    /// Handles this update and those already queued behind it, for at most [`BATCH`].
    async fn updates(
        &mut self,
        first: Result<Update, RequestError>,
        following: &mut Subscription,
    ) -> Result<(), TuiError> {
        let until = Instant::now() + BATCH;
        let mut update = first?;
        loop {
            self.handle_msg(Msg::Update(Box::new(update))).await?;
            if Instant::now() >= until {
                return Ok(());
            }
            update = tokio::select! {
                biased;
                next = following.next() => next?,
                () = std::future::ready(()) => return Ok(()),
            };
        }
    }

    async fn handle_msg(&mut self, msg: Msg) -> Result<(), TuiError> {
        let answer = matches!(msg, Msg::Answered(..));
        let outcome = self.app.update(msg, (self.options.now)());
        if answer {
            self.pacer.answered(Instant::now());
        }
        outcome.draw.request(&mut self.pacer, Instant::now());
        if outcome.draw == Draw::Key && self.save_at.is_none() && self.app.session() != self.saved {
            self.save_at = Some(Instant::now() + SAVE_AFTER);
        }
        for effect in outcome.effects {
            self.effect(effect).await?;
        }
        Ok(())
    }

    async fn effect(&mut self, effect: Effect) -> Result<(), TuiError> {
        match effect {
            Effect::Ask(ticket, request) => self.ask(ticket, request),
            Effect::Copy { text, what } => self.copy(&text, &what),
            Effect::WriteFile { ticket, path, text } => self.write_file(ticket, path, text),
            Effect::Editor { owner, text } => self.edit(owner, &text).await?,
            Effect::Connect(ticket, connect) => self.connect(ticket, *connect),
            Effect::Mouse(on) => self.tty.set_mouse(on),
            Effect::Suspend => {
                if let event @ TtyEvent::Resumed(_) = self.tty.suspend().await? {
                    Box::pin(self.terminal(event)).await?;
                }
            }
            Effect::StopWorker => self.stop_worker(),
            Effect::Quit(leave) => self.leave = Some(leave),
        }
        Ok(())
    }

    /// Sends a request in a separate task, so that a slow reply blocks nothing. User messages are sent in order.
    fn ask(&self, ticket: RequestId, request: Request) {
        if let Request::Send { .. } = request {
            // The receiving task ends with the runtime only.
            let _ = self.said.send((ticket, request));
            return;
        }
        let (handle, answers) = (self.handle.clone(), self.answers.clone());
        tokio::spawn(async move {
            let reply = handle.ask(request).await;
            // Fails only after the workbench has ended.
            let _ = answers.send(Msg::Answered(ticket, reply));
        });
    }

    /// Writes a provider to the configuration and makes the engine reload it.
    fn connect(&self, ticket: RequestId, connect: Connect) {
        let (handle, answers, config) = (self.handle.clone(), self.answers.clone(), self.options.config.clone());
        tokio::spawn(async move {
            let saved = tokio::task::spawn_blocking(move || connect.save(&config).map_err(|error| error.to_string()));
            let reply = match saved.await {
                Ok(Ok(_)) => handle.ask(Request::Reconfigure).await,
                Ok(Err(sentence)) => Err(RequestError::new(sentence)),
                Err(error) => Err(RequestError::new(format!("cannot write the configuration: {error}"))),
            };
            let _ = answers.send(Msg::Answered(ticket, reply));
        });
    }

    fn stop_worker(&self) {
        let (answers, store) = (self.answers.clone(), self.options.store.clone());
        tokio::spawn(async move {
            if let Err(fault) = worker::stop(&store).await {
                // Fails only after the workbench has ended.
                let _ = answers.send(Msg::Told(Toast::error(fault.text)));
            }
        });
    }

    /// Writes a text to a new file in a separate task.
    fn write_file(&self, ticket: RequestId, path: String, text: String) {
        let answers = self.answers.clone();
        tokio::task::spawn_blocking(move || {
            let reply = write_file::write_new(&path, &text).map(|()| Reply::Done).map_err(RequestError::new);
            // Fails only after the workbench has ended.
            let _ = answers.send(Msg::Answered(ticket, reply));
        });
    }

    fn copy(&mut self, text: &str, what: &str) {
        let toast = match sequence::copy(text, self.options.environment.in_tmux) {
            Ok(bytes) => {
                self.tty.send(bytes.as_ref());
                let route = self.options.environment.copy_route();
                Toast::plain(format!("{what} sent to the clipboard by {route}; terminals do not confirm it"))
            }
            Err(too_large) => Toast::error(too_large.to_string()),
        };
        self.tell(Msg::Told(toast));
    }

    fn tell(&self, msg: Msg) {
        // The receiver lives as long as the event loop.
        let _ = self.answers.send(msg);
    }

    /// Runs the external editor in the terminal, on a temporary file that only this user can read.
    async fn edit(&mut self, owner: Requester, text: &str) -> Result<(), TuiError> {
        let edited = match &self.options.editor {
            None => Err("set VISUAL or EDITOR to the editor you want, then try again".to_owned()),
            Some(editor) => match Scratch::new(text) {
                Err(error) => Err(format!("cannot write the text to a file for {editor}: {error}")),
                Ok(file) => {
                    let left = self.tty.hand_over(async || file.open_in(editor, &self.options.withheld).await).await?;
                    self.screen.invalidate();
                    let size = self.tty.size();
                    Box::pin(self.resized(size)).await?;
                    left.and_then(|()| file.read())
                }
            },
        };
        self.tell(Msg::Edited(owner, edited));
        Ok(())
    }

    fn save(&mut self) {
        self.save_at = None;
        let session = self.app.session();
        if session != self.saved {
            if let Err(error) = session.save_changes(&self.saved, &self.options.session) {
                tracing::warn!("cannot save the session: {error}");
            }
            self.saved = session;
        }
    }
}

/// A temporary file for the external editor, in its own directory. Dropping it deletes both.
struct Scratch {
    directory: PathBuf,
    file: PathBuf,
}

impl Scratch {
    fn new(text: &str) -> std::io::Result<Self> {
        use std::io::Write as _;
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

        let directory = std::env::temp_dir().join(format!("nightdesk-{}", uuid::Uuid::new_v4()));
        std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let scratch = Self { file: directory.join("text.md"), directory };
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch.file)?;
        file.write_all(text.as_bytes())?;
        Ok(scratch)
    }

    async fn open_in(&self, editor: &str, withheld: &[String]) -> Result<(), String> {
        let mut shell = tokio::process::Command::new("sh");
        for name in withheld {
            shell.env_remove(name);
        }
        shell.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&self.file);
        match shell.status().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{editor} exited with {status}; the text is unchanged")),
            Err(error) => Err(format!("cannot start {editor}: {error}")),
        }
    }

    fn read(&self) -> Result<String, String> {
        text_file::read(&self.file, EDITED_BYTES).map_err(|error| format!("cannot read the edited text: {error}"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Anything left behind is in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_editor_inherits_the_environment_without_what_is_withheld() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        let scratch = Scratch::new("text").unwrap();
        // Cargo sets both for a test.
        let withheld = ["CARGO_PKG_NAME".to_owned()];
        scratch.open_in(&format!("env > {}; true", seen.display()), &withheld).await.unwrap();
        let seen = std::fs::read_to_string(seen).unwrap();
        assert!(seen.contains("\nCARGO_PKG_VERSION=") && !seen.contains("CARGO_PKG_NAME="), "{seen}");
        assert_eq!(scratch.read().unwrap(), "text");
    }
}
