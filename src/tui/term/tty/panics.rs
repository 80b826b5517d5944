//! Panic reports while the terminal is in use: logged, buffered, and printed after it is restored.
//!
//! Process-wide, like the panic hook. The hook does not restore the terminal, because a panic in an engine task
//! does not end the interface; unwinding through the owner of the terminal does.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// Reports buffered at most; later ones are only logged.
const KEPT: usize = 8;

static HOLDERS: AtomicUsize = AtomicUsize::new(0);
static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Installs the hook in front of the current one. Only the first call has an effect.
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

/// Starts buffering reports: the terminal is in use.
pub fn hold() {
    HOLDERS.fetch_add(1, Ordering::SeqCst);
}

/// Stops buffering reports: the terminal is restored.
pub fn release() {
    HOLDERS.fetch_sub(1, Ordering::SeqCst);
}

/// Removes and returns the buffered reports.
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
