//! Failpoints: named points of a commit at which a test can abort the process (F1). Only in debug builds.

/// The environment variable. `POINT:K` aborts the process when that point is reached for the `K`th time.
pub const VARIABLE: &str = "NIGHTDESK_PROBE";

/// The failpoints, in the order in which a commit reaches them.
pub const POINTS: [&str; 6] =
    ["before_begin", "after_begin", "after_apply", "before_commit", "after_commit", "before_ack"];

/// The failpoint between the statements of a migration and its commit (F13).
pub(super) const MIGRATION: &str = "in_migration";

#[cfg(debug_assertions)]
pub(super) fn pass(point: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ASKED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let asked = ASKED.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let (point, count) = text.split_once(':')?;
        Some((point.to_owned(), count.parse().ok()?))
    });
    if let Some((wanted, count)) = asked
        && wanted == point
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub(super) fn pass(_point: &str) {}
