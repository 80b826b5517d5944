//! The real terminal: acquired when the workbench starts, restored however the workbench ends.
//!
//! Owns the terminal device, its modes, its signals, and the bytes not yet written to it. A process has at most
//! one [`Tty`].
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
//! Invariants:
//! - At most one frame is being written, so a slow link gets newer frames, not more frames.
//! - Nothing is read or written while another program uses the terminal.
//! - While the terminal is in use, the only timer is the timeout of unfinished input.
//! - The size is read on start, on `SIGWINCH` and on resume.
//! - Panic reports are buffered and printed after the terminal is restored: printed immediately, they would
//!   disturb the alternate screen and disappear with it.
//! - A background process does not touch the terminal.

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

/// Longest wait for a terminal that accepts no bytes, while restoring it.
const LEAVE_WAIT: Duration = Duration::from_millis(500);
/// Time after which [`Tty::suspend`] assumes that the process is not going to be stopped.
const STOP_WAIT: Duration = Duration::from_millis(200);
/// Size assumed for a terminal that reports none.
const FALLBACK: Size = Size { width: 80, height: 24 };

/// An event of the terminal or of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TtyEvent {
    /// Decoded input; never empty.
    Input(Vec<Input>),
    /// The new terminal size in cells.
    Resize(Size),
    /// The process was resumed after a stop. The screen has this size and must be invalidated.
    Resumed(Size),
    /// The terminal was closed (or `SIGHUP`): the interface must end.
    Hangup,
    /// Request to exit (`SIGTERM`, `SIGINT`).
    Terminate,
    /// The pending frame is completely written: the next may be drawn.
    Drained,
}

/// State of the connection to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    /// Lost; [`TtyEvent::Hangup`] is not yet returned.
    Broken,
    /// Lost; [`TtyEvent::Hangup`] was returned.
    Told,
}

/// The controlling terminal; see the module documentation. Dropping it restores the terminal.
#[derive(Debug)]
pub struct Tty {
    device: OwnedFd,
    /// The device, registered for readability. The pipe type is used because it only waits, reads and writes;
    /// tokio's general `AsyncFd` needs `unsafe`.
    reader: pipe::Receiver,
    /// The device, registered for writability; `None` while all bytes are written, to avoid needless wakeups.
    writer: Option<pipe::Sender>,
    /// Terminal settings before [`Tty::open`], restored on release.
    found: Termios,
    modes: Modes,
    tokeniser: Tokeniser,
    signals: Signals,
    /// Bytes passed to [`Tty::send`] and not yet written.
    unsent: Vec<u8>,
    size: Size,
    link: Link,
    /// True while acquired: raw mode, alternate screen.
    entered: bool,
    chunk: Box<[u8]>,
}

impl Tty {
    /// Acquires the controlling terminal: raw mode, alternate screen, `modes`. Requires a tokio runtime with I/O
    /// and time enabled.
    ///
    /// # Errors
    /// There is no controlling terminal, it cannot show the workbench (`TERM=dumb`), or a system call fails.
    pub fn open(environment: &Environment, modes: Modes) -> Result<Self, TermError> {
        environment.check()?;
        // A new file description: setting it non-blocking does not affect the standard input of the shell or of
        // child processes.
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

    /// Returns the terminal size in cells, as last measured.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns true if all bytes are written, so that the next frame may be drawn.
    #[must_use]
    pub fn ready_for_frame(&self) -> bool {
        self.unsent.is_empty() && self.entered
    }

    /// Sends a frame or another sequence. Writes immediately as many bytes as the terminal accepts; [`Tty::next`]
    /// writes the rest. Draw and send frames only if [`Tty::ready_for_frame`] is true.
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

    /// Turns mouse reporting on or off.
    pub fn set_mouse(&mut self, on: bool) {
        self.modes.mouse = on;
        self.send(&sequence::mouse(on));
    }

    /// Waits for the next event. Cancel-safe: dropping the future loses nothing.
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

    /// Restores the terminal and stops the process, as Ctrl-Z does in a shell. Returns [`TtyEvent::Resumed`] when
    /// the process continues, or the event that ends it. If the process cannot be stopped, continues after a
    /// short wait.
    ///
    /// # Errors
    /// The stop signal cannot be sent, or the terminal cannot be acquired again.
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
                // Continued in the background: the shell still owns the terminal.
                Some(Notice::Resized | Notice::Continued) | None if !self.in_foreground() => {}
                Some(Notice::Resized) => stopping = true,
                Some(Notice::Continued) | None => {
                    self.acquire()?;
                    return Ok(TtyEvent::Resumed(self.size));
                }
            }
        }
    }

    /// Releases the terminal to another program, such as `$EDITOR`, while `run` executes, then acquires it again.
    /// No input is read in between. `run` is a closure because tokio starts a command when its future is created,
    /// which must not happen before the release. Afterwards the screen must be invalidated and resized to
    /// [`Tty::size`]. Not cancel-safe: if the future is dropped, the terminal stays released.
    ///
    /// # Errors
    /// The terminal cannot be acquired again; the result of `run` is lost.
    pub async fn hand_over<T>(&mut self, run: impl AsyncFnOnce() -> T) -> Result<T, TermError> {
        self.release();
        let outcome = run().await;
        // Ctrl-C, Ctrl-\ and Ctrl-Z typed into the other program also signalled this process.
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

    /// Writes more of the unsent bytes when the terminal accepts bytes again.
    fn write_on(&mut self) -> Option<TtyEvent> {
        if let Some(writer) = &self.writer {
            let written = writer.try_write(&self.unsent);
            self.written(written);
        }
        self.unsent.is_empty().then_some(TtyEvent::Drained)
    }

    /// Removes the written bytes from `unsent`; registers for writability only while some are left.
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

    /// Sets raw mode and the workbench's modes, whatever the terminal's state, and measures the size.
    fn acquire(&mut self) -> Result<(), TermError> {
        let mut raw = self.found.clone();
        raw.make_raw();
        termios::tcsetattr(&self.device, OptionalActions::Now, &raw).map_err(TermError::io("taking the terminal"))?;
        self.writer = None;
        let mut bytes = Vec::new();
        if !std::mem::take(&mut self.unsent).is_empty() {
            bytes.extend(sequence::CANCEL_SEQUENCE);
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

    /// Restores the terminal to the state it was found in. Does nothing if the terminal is closed, or if another
    /// job is in the foreground: writing would then stop this process.
    fn release(&mut self) {
        if !std::mem::take(&mut self.entered) {
            return;
        }
        if self.link == Link::Up && self.in_foreground() {
            // Settings first: the user may type as soon as the screen changes.
            let _ = termios::tcsetattr(&self.device, OptionalActions::Now, &self.found);
            let mut bytes = std::mem::take(&mut self.unsent);
            bytes.extend(sequence::leave(self.modes));
            self.write_all(&bytes, Instant::now() + LEAVE_WAIT);
            if self.modes.mouse {
                // The shell would read pending mouse reports as typing.
                let _ = termios::tcflush(&self.device, QueueSelector::IFlush);
            }
        }
        panics::release();
    }

    /// Writes all of `bytes`, waiting for the terminal until `deadline`. Errors are ignored: at this point they
    /// can be neither reported nor handled.
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
            // Standard error may be closed; there is no other output.
            let _ = writeln!(io::stderr(), "{report}");
        }
    }
}

/// Waits for input and reads it. Cancel-safe: waits only before reading.
async fn read(reader: &pipe::Receiver, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        reader.readable().await?;
        match reader.try_read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

/// Waits until the terminal accepts bytes; forever if there is no `writer`. An error surfaces at the next write.
async fn room(writer: Option<&pipe::Sender>) {
    match writer {
        Some(writer) => drop(writer.writable().await),
        None => std::future::pending().await,
    }
}

fn input(events: Vec<Input>) -> Option<TtyEvent> {
    (!events.is_empty()).then_some(TtyEvent::Input(events))
}
