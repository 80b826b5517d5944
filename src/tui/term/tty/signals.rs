//! The signals a terminal program lives with, as notices.

use std::io;

use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// End (`SIGTERM`, or `SIGINT` sent from outside: Ctrl-C is a key in raw mode).
    Terminate,
    /// The terminal is gone (`SIGHUP`).
    Hangup,
    /// The process was stopped and goes on (`SIGCONT`).
    Continued,
    /// The terminal's size changed (`SIGWINCH`).
    Resized,
}

/// Listens for the signals of [`Notice`].
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    continued: Signal,
    resized: Signal,
}

impl Signals {
    /// Starts to listen; from then on none of these signals has its default effect.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            continued: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
            resized: signal(SignalKind::window_change())?,
        })
    }

    /// Waits for the next notice, the gravest first. Cancel-safe.
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

    /// Forgets pending interrupts, continuations and resizes: the caller is about to measure and draw anew.
    pub fn forget_job_control(&mut self) {
        for pending in [&mut self.interrupt, &mut self.continued, &mut self.resized] {
            while pending.recv().now_or_never().is_some() {}
        }
    }
}
