//! The event loop: the terminal and the engine in, frames out.
//!
//! One task. It waits for, in this order: the terminal (signals, then input), answers of asked requests, the
//! engine's updates, and one deadline. Nothing ticks: at rest it waits without a timer. A key is drawn in the
//! next frame; what the engine does is drawn at most so often; while a frame is on its way to a slow terminal
//! nothing is drawn, and then the newest state is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::app::{App, Draw, view};
use super::effect::{Connect, Effect, Leave, Msg, Owner, Ticket, Toast};
use super::pane::Look;
use super::session::Session;
use super::term::input::Input;
use super::term::pacer::{Gaps, Pacer};
use super::term::screen::Screen;
use super::term::sequence::{self, Modes};
use super::term::tty::{Tty, TtyEvent};
use super::term::{Environment, TermError};
use crate::engine::Handle;
use crate::engine::handle::Following;
use crate::engine::wire::{Fault, Request, Update};

/// Updates handled before the next look at the terminal.
const BATCH: Duration = Duration::from_millis(2);
/// Frames over SSH larger than this are followed by a question whether they have arrived.
const LARGE: usize = 256;
/// How long leaving waits for the answers that are still to come, so that no shell reads them.
const ANSWERS: Duration = Duration::from_millis(300);
/// From the last change of what a session keeps to its being written.
const SAVE_AFTER: Duration = Duration::from_secs(1);

/// What the workbench is run with.
pub struct Options {
    /// The terminal's surroundings.
    pub environment: Environment,
    /// How it looks.
    pub look: Look,
    /// Whether the mouse is asked for.
    pub mouse: bool,
    /// Where draft, focus and place are kept for the next start.
    pub session: PathBuf,
    /// The configuration file that the model dialog writes.
    pub config: PathBuf,
    /// The program that edits text, as the shell would run it.
    pub editor: Option<String>,
    /// The time of day.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Why the workbench could not run.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal.
    #[error(transparent)]
    Terminal(#[from] TermError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] Fault),
}

/// Runs the workbench until a person leaves it or the terminal goes away.
pub async fn run(handle: Handle, options: Options) -> Result<Leave, TuiError> {
    let overview = handle.overview().await?;
    let following = handle.follow(overview.upto).await?;
    let modes = Modes { mouse: options.mouse };
    let tty = Tty::open(&options.environment, modes)?;
    let mut app = App::new(overview, options.look.clone(), tty.size());
    app.restore(Session::load(&options.session));
    let gaps = if options.environment.over_ssh { Gaps::OVER_SSH } else { Gaps::LOCAL };
    let screen = Screen::new(tty.size(), options.environment.caps());
    let (answers, answered) = mpsc::unbounded_channel();
    let saved = app.session();
    let mut bench = Bench {
        options,
        tty,
        screen,
        app,
        pacer: Pacer::new(gaps),
        said: send_in_order(handle.clone(), answers.clone()),
        handle,
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

/// Asks one after the other, in a task that ends with the sender.
fn send_in_order(handle: Handle, answers: mpsc::UnboundedSender<Msg>) -> mpsc::UnboundedSender<(Ticket, Request)> {
    let (said, mut queue) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some((ticket, request)) = queue.recv().await {
            let reply = handle.ask(request).await;
            let _ = answers.send(Msg::Answered(ticket, reply));
        }
    });
    said
}

/// The workbench with all it works with.
struct Bench {
    handle: Handle,
    options: Options,
    tty: Tty,
    screen: Screen,
    app: App,
    pacer: Pacer,
    answers: mpsc::UnboundedSender<Msg>,
    /// Messages on their way to the engine, in order.
    said: mpsc::UnboundedSender<(Ticket, Request)>,
    /// The session as last written.
    saved: Session,
    /// When a changed session is written.
    save_at: Option<Instant>,
    leave: Option<Leave>,
    /// Questions whether a frame has arrived that the terminal has not answered.
    unanswered: u32,
}

fn is_here(input: &Input) -> bool {
    matches!(input, Input::Reply(reply) if reply == sequence::HERE)
}

impl Bench {
    async fn turn(
        &mut self,
        mut following: Following,
        mut answered: mpsc::UnboundedReceiver<Msg>,
    ) -> Result<Leave, TuiError> {
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
                update = following.next() => self.updates(update, &mut following).await?,
                () = tokio::time::sleep_until(at), if due.is_some() => self.woken().await?,
            }
        }
    }

    /// Draws if there is something to draw, its time has come and the terminal has taken the frame before.
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
        // What the frame shows has to be read: the answers bring the next frame.
        for effect in effects {
            if let Effect::Ask(ticket, request) = effect {
                self.ask(ticket, request);
            }
        }
    }

    /// Sends a frame; over SSH a large one asks the terminal to tell when it has it, so that a fast link is used
    /// and a slow one never has more than a frame before it.
    fn send(&mut self, mut frame: Vec<u8>, now: Instant) {
        if frame.is_empty() {
            return;
        }
        if self.options.environment.over_ssh && frame.len() > LARGE {
            frame.extend(sequence::ARE_YOU_THERE);
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

    /// Takes in the answers that are still on their way.
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
        // A terminal that does not answer is left all the same.
        let _ = tokio::time::timeout(ANSWERS, answers).await;
    }

    /// The one deadline: a frame that is due, something that looks different by itself, a session to write.
    fn due(&self) -> Option<Instant> {
        let frame = self.pacer.next().filter(|_| self.tty.ready_for_frame());
        // A frame that is due anyway shows what a moment changes.
        let wake = self.app.wake_at().filter(|_| self.pacer.next().is_none()).map(|at| {
            let wait = at.duration_since((self.options.now)());
            Instant::now() + Duration::try_from(wait).unwrap_or_default()
        });
        [frame, wake, self.save_at].into_iter().flatten().min()
    }

    async fn woken(&mut self) -> Result<(), TuiError> {
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
            // The interface ends; what is committed stays, and what is due goes on where somebody works it off.
            TtyEvent::Hangup | TtyEvent::Terminate => self.leave = Some(Leave::Stop),
            TtyEvent::Drained => {}
        }
        Ok(())
    }

    async fn resized(&mut self, size: ratatui::layout::Size) -> Result<(), TuiError> {
        self.screen.resize(size);
        self.handle_msg(Msg::Resize(size)).await
    }

    /// Handles this update and those that are ready behind it, for a bounded time.
    async fn updates(&mut self, first: Result<Update, Fault>, following: &mut Following) -> Result<(), TuiError> {
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
        let outcome = self.app.update(msg, (self.options.now)());
        match outcome.draw {
            Draw::Nothing => {}
            Draw::Delta => self.pacer.delta(Instant::now()),
            Draw::Key => {
                self.pacer.key(Instant::now());
                if self.save_at.is_none() && self.app.session() != self.saved {
                    self.save_at = Some(Instant::now() + SAVE_AFTER);
                }
            }
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
            Effect::Editor { owner, text } => self.edit(owner, &text).await?,
            Effect::Connect(ticket, connect) => self.connect(ticket, *connect),
            Effect::Suspend => {
                if let event @ TtyEvent::Resumed(_) = self.tty.suspend().await? {
                    Box::pin(self.terminal(event)).await?;
                }
            }
            Effect::Bell => self.tty.send(sequence::BELL.as_ref()),
            Effect::Quit(leave) => self.leave = Some(leave),
        }
        Ok(())
    }

    /// Asks in a task of its own, so that a slow answer holds up nothing. What is said goes in the order it
    /// was said.
    fn ask(&self, ticket: Ticket, request: Request) {
        if let Request::Send { .. } = request {
            // The receiver ends with the program's runtime.
            let _ = self.said.send((ticket, request));
            return;
        }
        let (handle, answers) = (self.handle.clone(), self.answers.clone());
        tokio::spawn(async move {
            let reply = handle.ask(request).await;
            // Nobody waits for the answer when the workbench has been left.
            let _ = answers.send(Msg::Answered(ticket, reply));
        });
    }

    /// Writes a provider into the configuration, and has the engine read it.
    fn connect(&self, ticket: Ticket, connect: Connect) {
        let (handle, answers, config) = (self.handle.clone(), self.answers.clone(), self.options.config.clone());
        tokio::spawn(async move {
            let saved = tokio::task::spawn_blocking(move || connect.save(&config).map_err(|error| error.to_string()));
            let reply = match saved.await {
                Ok(Ok(_)) => handle.ask(Request::Reconfigure).await,
                Ok(Err(sentence)) => Err(Fault::new(sentence)),
                Err(error) => Err(Fault::new(format!("the configuration was not written: {error}"))),
            };
            let _ = answers.send(Msg::Answered(ticket, reply));
        });
    }

    fn copy(&mut self, text: &str, what: &str) {
        let toast = match sequence::copy(text, self.options.environment.in_tmux) {
            Ok(bytes) => {
                self.tty.send(bytes.as_ref());
                let route = if self.options.environment.in_tmux { "OSC 52 through tmux" } else { "OSC 52" };
                Toast::plain(format!("{what} copied by {route}; no terminal confirms it"))
            }
            Err(too_large) => Toast::error(too_large.to_string()),
        };
        self.tell(Msg::Told(toast));
    }

    fn tell(&self, msg: Msg) {
        // The receiver lives as long as the loop that calls this.
        let _ = self.answers.send(msg);
    }

    /// Hands the terminal to the editor, with the text in a file only this user can read.
    async fn edit(&mut self, owner: Owner, text: &str) -> Result<(), TuiError> {
        let edited = match &self.options.editor {
            None => Err("set VISUAL or EDITOR to the editor you want, then try again".to_owned()),
            Some(editor) => match Scratch::new(text) {
                Err(error) => Err(format!("the text cannot be handed to {editor}: {error}")),
                Ok(file) => {
                    let left = self.tty.hand_over(async || file.open_in(editor).await).await?;
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
            if let Err(error) = session.save(&self.options.session) {
                tracing::warn!("the draft is not kept: {error}");
            }
            self.saved = session;
        }
    }
}

/// A file with a text being edited, in a directory of its own; both go when it is dropped.
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

    async fn open_in(&self, editor: &str) -> Result<(), String> {
        let mut shell = tokio::process::Command::new("sh");
        shell.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&self.file);
        match shell.status().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{editor} ended with {status}; the text is as it was")),
            Err(error) => Err(format!("{editor} cannot be started: {error}")),
        }
    }

    fn read(&self) -> Result<String, String> {
        std::fs::read_to_string(&self.file).map_err(|error| format!("the edited text cannot be read: {error}"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the temporary directory is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
