//! The real terminal: taken when the workbench starts, given back exactly as it was however that ends.
//!
//! Owns the terminal's device, its modes, the signals about it, and the bytes on their way to it. One
//! [`Tty`] a process, by the nature of the thing.
//!
//! ```text
//! loop {
//!     select! { biased;
//!         event = tty.next() => ...          // signals, then input, then the rest of a frame
//!         change = engine.next() => ...
//!         () = sleep_until(due), if tty.ready_for_frame() && pacer has a deadline => {}
//!     }
//!     if tty.ready_for_frame() && pacer.due(now) { tty.send(screen.draw(view)); pacer.drew(now) }
//! }
//! ```
//!
//! Invariants: at most one frame is on its way, so a slow link sees newer frames, not more of them. Nothing
//! is read or written while another program has the terminal. Nothing waits with a timer, except a lone ESC.
//! The size is asked for at the start, on `SIGWINCH`, and on coming back. A panic anywhere is kept until the
//! terminal is given back and printed then: printed at once, it would be lost on the alternate screen or
//! paint over it. A process in the background does not touch the terminal.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ratatui::layout::Size;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::{self, OptionalActions, QueueSelector, Termios};
use tokio::net::unix::pipe;

use super::input::{Input, Tokeniser};
use super::sequence::{self, Modes};
use super::{Environment, TermError};

mod panics;
mod signals;

use signals::{Notice, Signals};

/// How long giving the terminal back may wait for a terminal that does not take its bytes.
const LEAVE_WAIT: Duration = Duration::from_millis(500);
/// How long the stop after [`Tty::suspend`] may take before it is clear that nothing stops this process.
const STOP_WAIT: Duration = Duration::from_millis(200);
/// What a terminal that does not know its size is taken for.
const FALLBACK: Size = Size { width: 80, height: 24 };

/// What the terminal, or a signal about it, says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TtyEvent {
    /// These events arrived; never empty.
    Input(Vec<Input>),
    /// The terminal has a new size in cells.
    Resize(Size),
    /// The process was stopped and goes on: the screen must be invalidated, and has this size.
    Resumed(Size),
    /// The terminal is gone (or `SIGHUP`): end the interface.
    Hangup,
    /// Somebody asks the program to end (`SIGTERM`, `SIGINT`).
    Terminate,
    /// The frame that was on its way is out: the next may be drawn.
    Drained,
}

/// Whether the terminal still answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    /// It does not, and [`TtyEvent::Hangup`] is due.
    Broken,
    /// It does not, and that was said.
    Told,
}

/// The controlling terminal; see the module's header. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Tty {
    device: OwnedFd,
    /// The device, watched for input. A pipe's end by its type only: all that type does is wait, read and
    /// write, and tokio's general watcher is not to be had without `unsafe`.
    reader: pipe::Receiver,
    /// The device, watched for room; only while there is none, so that a terminal taking its bytes wakes
    /// nobody.
    writer: Option<pipe::Sender>,
    /// The terminal's settings as they were found.
    found: Termios,
    modes: Modes,
    tokeniser: Tokeniser,
    signals: Signals,
    /// The unsent rest of what was given to [`Tty::send`].
    unsent: Vec<u8>,
    size: Size,
    link: Link,
    /// Whether the terminal is ours: raw and on the alternate screen.
    entered: bool,
    chunk: Box<[u8]>,
}

impl Tty {
    /// Takes the controlling terminal: raw mode, alternate screen, `modes`. Needs a tokio runtime with I/O and
    /// time enabled.
    ///
    /// Fails with a sentence where there is no terminal, or one that cannot be drawn on.
    pub fn open(environment: &Environment, modes: Modes) -> Result<Self, TermError> {
        environment.check()?;
        // Opened afresh, the description is ours alone: not blocking on it does not change what the shell, or
        // a program started from here, has as its standard input.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let device = rustix::fs::open("/dev/tty", flags, Mode::empty()).map_err(|e| TermError::NoTerminal(e.into()))?;
        let found = termios::tcgetattr(&device).map_err(|e| TermError::NoTerminal(e.into()))?;
        let watched = device.try_clone().map_err(TermError::io("watching the terminal"))?;
        let reader =
            pipe::Receiver::from_owned_fd_unchecked(watched).map_err(TermError::io("watching the terminal"))?;
        let signals = Signals::listen().map_err(TermError::io("listening for signals"))?;
        panics::keep();
        let mut tty = Self {
            device,
            reader,
            writer: None,
            found,
            modes,
            tokeniser: Tokeniser::new(environment.escape_wait()),
            signals,
            unsent: Vec::new(),
            size: FALLBACK,
            link: Link::Up,
            entered: false,
            chunk: vec![0; 16 * 1024].into(),
        };
        tty.acquire()?;
        Ok(tty)
    }

    /// The terminal's size in cells, as last reported.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Whether everything sent so far is out, so that the next frame may be drawn.
    #[must_use]
    pub fn ready_for_frame(&self) -> bool {
        self.unsent.is_empty() && self.entered
    }

    /// Sends a frame or another sequence: at once as far as the terminal takes it, the rest from
    /// [`Tty::next`]. Frames are to be drawn and sent only when [`Tty::ready_for_frame`] says so.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.link != Link::Up || bytes.is_empty() {
            return;
        }
        let idle = self.unsent.is_empty();
        self.unsent.extend(bytes);
        if idle {
            let written = rustix::io::write(&self.device, &self.unsent).map_err(Into::into);
            self.written(written);
        }
    }

    /// Waits for what happens next. Cancel-safe: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> TtyEvent {
        loop {
            if self.link == Link::Broken {
                self.link = Link::Told;
                self.unsent.clear();
                return TtyEvent::Hangup;
            }
            let up = self.link == Link::Up && self.entered;
            let settle = self.tokeniser.deadline();
            let at = tokio::time::Instant::from_std(settle.unwrap_or_else(Instant::now));
            let chunk = &mut self.chunk;
            let event = tokio::select! {
                biased;
                notice = self.signals.next() => self.noticed(notice),
                read = read(&self.reader, chunk), if up => self.arrived(&read),
                () = room(self.writer.as_ref()), if up => self.write_on(),
                () = tokio::time::sleep_until(at), if settle.is_some() => {
                    input(self.tokeniser.expire(Instant::now()))
                }
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// Gives the terminal back and stops the process, as Ctrl-Z does in a shell; returns when it goes on, with
    /// [`TtyEvent::Resumed`], or is to end. Where nothing can stop it, it goes on at once.
    pub async fn suspend(&mut self) -> Result<TtyEvent, TermError> {
        self.release();
        self.signals.forget_job_control();
        kill_current_process_group(Signal::TSTP).map_err(TermError::io("stopping the process"))?;
        let mut stopping = true;
        loop {
            let notice = tokio::select! {
                biased;
                notice = self.signals.next() => Some(notice),
                () = tokio::time::sleep(STOP_WAIT), if stopping => None,
            };
            stopping = false;
            match notice {
                Some(Notice::Terminate) => return Ok(TtyEvent::Terminate),
                Some(Notice::Hangup) => return Ok(TtyEvent::Hangup),
                // Sent on in the background: the terminal is still the shell's.
                Some(Notice::Resized | Notice::Continued) | None if !self.in_foreground() => {}
                Some(Notice::Resized) => stopping = true,
                Some(Notice::Continued) | None => {
                    self.acquire()?;
                    return Ok(TtyEvent::Resumed(self.size));
                }
            }
        }
    }

    /// Gives the terminal to another program, such as `$EDITOR`, for as long as `run` takes, then takes it
    /// back. Nothing is read meanwhile: every key is the other program's. `run` is a closure because tokio
    /// starts a command as soon as its future is made, which must not be before. The screen must be invalidated and
    /// resized to [`Tty::size`] afterwards. Not cancel-safe: dropped halfway, the terminal stays given back.
    pub async fn hand_over<T>(&mut self, run: impl AsyncFnOnce() -> T) -> Result<T, TermError> {
        self.release();
        let outcome = run().await;
        // A Ctrl-C or Ctrl-Z typed into the other program reached this process too, and was not meant for it.
        self.signals.forget_job_control();
        self.acquire()?;
        Ok(outcome)
    }

    fn noticed(&mut self, notice: Notice) -> Option<TtyEvent> {
        match notice {
            Notice::Terminate => Some(TtyEvent::Terminate),
            Notice::Hangup => Some(TtyEvent::Hangup),
            Notice::Resized => {
                let before = self.size;
                self.measure();
                (self.size != before).then_some(TtyEvent::Resize(self.size))
            }
            Notice::Continued if !self.in_foreground() => None,
            Notice::Continued => match self.acquire() {
                Ok(()) => Some(TtyEvent::Resumed(self.size)),
                Err(_) => Some(TtyEvent::Hangup),
            },
        }
    }

    fn arrived(&mut self, read: &io::Result<usize>) -> Option<TtyEvent> {
        match *read {
            Ok(len) if len > 0 => input(self.tokeniser.feed(&self.chunk[..len], Instant::now())),
            Err(ref error) if error.kind() == io::ErrorKind::Interrupted => None,
            Ok(_) | Err(_) => {
                self.link = Link::Broken;
                None
            }
        }
    }

    /// Writes on after the terminal has room again.
    fn write_on(&mut self) -> Option<TtyEvent> {
        if let Some(writer) = &self.writer {
            let written = writer.try_write(&self.unsent);
            self.written(written);
        }
        self.unsent.is_empty().then_some(TtyEvent::Drained)
    }

    /// Takes what was written off the unsent bytes, and watches for room exactly while some are left.
    fn written(&mut self, result: io::Result<usize>) {
        match result {
            Ok(len) => {
                self.unsent.drain(..len);
            }
            Err(error) => self.write_failed(error.kind()),
        }
        if self.unsent.is_empty() {
            self.writer = None;
        } else if self.writer.is_none() {
            match self.device.try_clone().and_then(pipe::Sender::from_owned_fd_unchecked) {
                Ok(writer) => self.writer = Some(writer),
                Err(error) => self.write_failed(error.kind()),
            }
        }
    }

    fn write_failed(&mut self, kind: io::ErrorKind) {
        if !matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) && self.link == Link::Up {
            self.link = Link::Broken;
        }
    }

    /// Makes the terminal ours, whatever it was before, and measures it.
    fn acquire(&mut self) -> Result<(), TermError> {
        let mut raw = self.found.clone();
        raw.make_raw();
        termios::tcsetattr(&self.device, OptionalActions::Now, &raw).map_err(TermError::io("taking the terminal"))?;
        self.writer = None;
        let mut bytes = Vec::new();
        if !std::mem::take(&mut self.unsent).is_empty() {
            bytes.extend(sequence::ABANDON);
        }
        bytes.extend(sequence::enter(self.modes));
        if !std::mem::replace(&mut self.entered, true) {
            panics::hold();
        }
        self.tokeniser.reset();
        self.send(&bytes);
        self.measure();
        Ok(())
    }

    /// Gives the terminal back as it was found. A terminal that is gone is left alone, and so is one that is
    /// another job's at the moment: touching it would stop this process.
    fn release(&mut self) {
        if !std::mem::take(&mut self.entered) {
            return;
        }
        if self.link == Link::Up && self.in_foreground() {
            // The settings first: who sees the screen change may type at once.
            let _ = termios::tcsetattr(&self.device, OptionalActions::Now, &self.found);
            let mut bytes = std::mem::take(&mut self.unsent);
            bytes.extend(sequence::leave(self.modes));
            self.write_all(&bytes, Instant::now() + LEAVE_WAIT);
            if self.modes.mouse {
                // Reports of the mouse on their way here would be typed into the shell.
                let _ = termios::tcflush(&self.device, QueueSelector::IFlush);
            }
        }
        panics::release();
    }

    /// Writes all of `bytes`, waiting for the terminal until `deadline`. There is nobody left to tell of a
    /// failure, and nothing more to be done about one.
    fn write_all(&self, mut bytes: &[u8], deadline: Instant) {
        while !bytes.is_empty() {
            match rustix::io::write(&self.device, bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let Ok(left) = Timespec::try_from(left) else { return };
                    let mut polled = [PollFd::new(&self.device, PollFlags::OUT)];
                    match rustix::event::poll(&mut polled, Some(&left)) {
                        Ok(0) => return,
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(_) => return,
                    }
                }
                Err(_) => return,
            }
        }
    }

    fn measure(&mut self) {
        if let Ok(found) = termios::tcgetwinsize(&self.device) {
            let known = found.ws_col > 0 && found.ws_row > 0;
            self.size = if known { Size::new(found.ws_col, found.ws_row) } else { FALLBACK };
        }
    }

    fn in_foreground(&self) -> bool {
        termios::tcgetpgrp(&self.device).is_ok_and(|foreground| foreground == getpgrp())
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.release();
        for report in panics::take() {
            // Standard error may be closed; there is no other place left.
            let _ = writeln!(io::stderr(), "{report}");
        }
    }
}

/// Reads once something is there. Cancel-safe: it waits only before it reads.
async fn read(reader: &pipe::Receiver, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        reader.readable().await?;
        match reader.try_read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

/// Waits until the terminal takes bytes again; for ever when it does. An error shows at the write.
async fn room(writer: Option<&pipe::Sender>) {
    match writer {
        Some(writer) => drop(writer.writable().await),
        None => std::future::pending().await,
    }
}

fn input(events: Vec<Input>) -> Option<TtyEvent> {
    (!events.is_empty()).then_some(TtyEvent::Input(events))
}
