//! The log: one file per day in the state directory, for this user only, without keys.
//!
//! Only events of this program are logged: libraries log what servers send. Each event is one line, cleaned before it is
//! cut.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rustix::fs::OFlags;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::llm::secret::blot;

/// Number of log files to keep, one per day.
const KEPT: usize = 7;
/// Log filter if `NIGHTDESK_LOG` is not set.
const LOGGED: &str = "nightdesk=info";
/// The target of this program's events, and the beginning of their targets.
const OWN: &str = env!("CARGO_CRATE_NAME");
/// The most characters of an event.
const LONGEST: usize = 4_096;

/// Starts logging, never to the terminal. Does nothing if the files cannot be kept for this user alone. `filter` replaces
/// the usual levels; it never adds events of others.
pub fn start(dir: &Path, filter: Option<String>) {
    let Ok(file) = LogFile::open(dir) else { return };
    let filter = filter.and_then(|filter| EnvFilter::try_new(filter).ok()).unwrap_or_else(|| EnvFilter::new(LOGGED));
    let own = filter_fn(|event| event.target().split("::").next() == Some(OWN));
    let log = fmt::layer().with_ansi(false).with_writer(Mutex::new(file)).with_filter(filter.and(own));
    // Fails only if a logger is already installed.
    let _ = tracing_subscriber::registry().with(log).try_init();
}

/// The file of the day.
struct LogFile {
    dir: PathBuf,
    /// The day whose file is prepared.
    day: Option<Date>,
    to: RollingFileAppender,
}

impl LogFile {
    fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        for entry in std::fs::read_dir(dir)?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                narrow(&entry.path())?;
            }
        }
        let today = today();
        prepare(&path(dir, today))?;
        let to = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix("nightdesk")
            .filename_suffix("log")
            .max_log_files(KEPT)
            .build(dir)
            .map_err(io::Error::other)?;
        Ok(Self { dir: dir.to_owned(), day: Some(today), to })
    }
}

impl Write for LogFile {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let today = today();
        if self.day != Some(today) {
            prepare(&path(&self.dir, today))?;
            self.day = Some(today);
        }
        self.to.write_all(line(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Makes one line of an event.
fn line(event: &str) -> String {
    let masked = blot(event.trim_end_matches('\n'));
    let shown = masked.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = shown.take(LONGEST).collect();
    if masked.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line.push('\n');
    line
}

/// The day by which the appender names its files.
fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

fn path(dir: &Path, day: Date) -> PathBuf {
    dir.join(format!("nightdesk.{day}.log"))
}

/// Creates the file, or takes it from all others; a link in its place is refused.
fn prepare(path: &Path) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags.bits().cast_signed()).open(path)?;
    narrow(path)
}

fn narrow(path: &Path) -> io::Result<()> {
    let mode = std::fs::symlink_metadata(path)?.permissions().mode();
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::KeySource;
    use crate::llm::secret::{self, Env};

    #[test]
    fn a_key_that_was_read_is_in_no_line() {
        let key = "sk-Logged-0123456789";
        let env: Env = Arc::new(|_| Some(key.to_owned()));
        secret::read(&KeySource::Env("LOGGED_KEY".to_owned()), &env).unwrap();
        assert_eq!(line(&format!("the server said {key}!\n")), "the server said ***!\n");
    }

    #[test]
    fn the_log_is_for_its_user_alone_and_an_event_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("nightdesk.2020-01-01.log");
        std::fs::write(&old, "old").unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut log = LogFile::open(dir.path()).unwrap();
        log.write_all(format!("one\nERROR two\u{1b}[31m{}\n", "x".repeat(1 << 20)).as_bytes()).unwrap();
        log.write_all(b"three\n").unwrap();
        drop(log);
        let today = path(dir.path(), today());
        for file in [&old, &today] {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
        let text = std::fs::read_to_string(&today).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("one ERROR two [31mxxx") && lines[0].ends_with('…'), "{:.60}", lines[0]);
        assert_eq!((lines.len(), lines[1]), (2, "three"));
        assert!(text.len() < 10_000);
    }
}
