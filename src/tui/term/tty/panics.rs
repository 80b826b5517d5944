//! Panics while the terminal is held: kept, logged, and printed once it is given back.
//!
//! Process-wide, because the panic hook is. The hook does not give the terminal back itself: a panic in one
//! task of the engine does not end the interface. Unwinding through the terminal's owner does that.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// More reports than this say nothing new.
const KEPT: usize = 8;

static HOLDERS: AtomicUsize = AtomicUsize::new(0);
static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Puts the hook before the one there is. Has an effect only the first time.
pub fn keep() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if HOLDERS.load(Ordering::SeqCst) == 0 {
                before(info);
            } else {
                record(info);
            }
        }));
    });
}

/// The terminal is held: from now on panics are kept.
pub fn hold() {
    HOLDERS.fetch_add(1, Ordering::SeqCst);
}

/// The terminal was given back: from now on panics print as usual.
pub fn release() {
    HOLDERS.fetch_sub(1, Ordering::SeqCst);
}

/// Takes the reports kept so far.
pub fn take() -> Vec<String> {
    std::mem::take(&mut *REPORTS.lock().unwrap_or_else(PoisonError::into_inner))
}

fn record(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let mut report = format!("thread '{}' {info}", thread.name().unwrap_or("unnamed"));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        report = format!("{report}\n{trace}");
    }
    tracing::error!("{report}");
    let mut reports = REPORTS.lock().unwrap_or_else(PoisonError::into_inner);
    if reports.len() < KEPT {
        reports.push(report);
    }
}
