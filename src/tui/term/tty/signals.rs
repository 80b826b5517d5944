//! The signals that concern a terminal program.

use std::io;

use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A received signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Request to exit: `SIGTERM`, or `SIGINT` from another process (in raw mode Ctrl-C is a key).
    Terminate,
    /// The terminal was closed (`SIGHUP`).
    Hangup,
    /// The process was resumed after a stop (`SIGCONT`).
    Continued,
    /// The terminal's size changed (`SIGWINCH`).
    Resized,
}

/// Listens for the signals of [`Notice`].
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Never read: Ctrl-\ typed into another program signals this one, too, and must not end it.
    _quit: Signal,
    hangup: Signal,
    continued: Signal,
    resized: Signal,
}

impl Signals {
    /// Installs the handlers; the default actions of these signals are disabled from then on.
    ///
    /// # Errors
    /// The system rejects a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            continued: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
            resized: signal(SignalKind::window_change())?,
        })
    }

    /// Waits for the next signal; of several pending ones the most severe comes first. Cancel-safe.
    pub async fn next(&mut self) -> Notice {
        tokio::select! {
            biased;
            _ = self.hangup.recv() => Notice::Hangup,
            _ = self.terminate.recv() => Notice::Terminate,
            _ = self.interrupt.recv() => Notice::Terminate,
            _ = self.continued.recv() => Notice::Continued,
            _ = self.resized.recv() => Notice::Resized,
        }
    }

    /// Discards pending interrupts, continuations and resizes, because the caller measures and redraws next.
    pub fn forget_job_control(&mut self) {
        for pending in [&mut self.interrupt, &mut self.continued, &mut self.resized] {
            while pending.recv().now_or_never().is_some() {}
        }
    }
}
