//! The meter: runs a program on a pseudo-terminal and measures what it does there.
//!
//! A thread reads what the program writes and hands each chunk to a byte log, a splitter of synchronised
//! updates (mode 2026) and a terminal emulator. Every wait is for a condition on those, with a generous
//! deadline. The meter answers no query of the program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

pub use portable_pty::{CommandBuilder, ExitStatus};
use portable_pty::{MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

/// How long a condition may take before the wait for it fails.
pub const DEADLINE: Duration = Duration::from_secs(30);
const SYNC_BEGIN: &[u8] = b"\x1b[?2026h";
const SYNC_END: &[u8] = b"\x1b[?2026l";

/// A program on a pseudo-terminal. Dropping it kills the program.
pub struct Meter {
    /// None after the terminal was hung up.
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    shared: Arc<Shared>,
}

/// A place in the stream of bytes the program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// All that was seen of the program so far.
pub struct Seen {
    /// Every byte it wrote.
    pub bytes: Vec<u8>,
    /// The terminal as it looks now.
    pub terminal: vt100::Parser,
    /// Where each complete synchronised update lies in `bytes`, brackets included.
    pub frames: Vec<std::ops::Range<usize>>,
    /// Nobody has the terminal open any more.
    pub closed: bool,
    open_frame: Option<usize>,
    scanned: usize,
    /// Bytes a second that are read; none: as fast as they come.
    rate: Option<usize>,
    /// The reading thread is to let go of the terminal.
    hang_up: bool,
}

impl Seen {
    /// The text on the screen.
    pub fn text(&self) -> String {
        self.terminal.screen().contents()
    }

    /// What was written since `mark`, as text.
    pub fn since(&self, mark: Mark) -> String {
        String::from_utf8_lossy(&self.bytes[mark.0..]).into_owned()
    }

    fn take(&mut self, chunk: &[u8]) {
        self.bytes.extend(chunk);
        self.terminal.process(chunk);
        let len = SYNC_BEGIN.len();
        while self.scanned + len <= self.bytes.len() {
            let window = &self.bytes[self.scanned..self.scanned + len];
            if window == SYNC_BEGIN {
                self.open_frame = Some(self.scanned);
            } else if window == SYNC_END
                && let Some(begin) = self.open_frame.take()
            {
                self.frames.push(begin..self.scanned + len);
            }
            self.scanned += 1;
        }
    }
}

impl Meter {
    /// A command with the environment of a plain terminal on this machine.
    pub fn command(program: impl AsRef<std::ffi::OsStr>) -> CommandBuilder {
        let mut command = CommandBuilder::new(program);
        for name in ["SSH_CONNECTION", "SSH_TTY", "TMUX", "NO_COLOR", "COLORTERM", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command
    }

    /// Runs `command` on a terminal of this size in cells.
    pub fn spawn(command: CommandBuilder, cols: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(pty_size(cols, rows)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        let seen = Mutex::new(Seen {
            bytes: Vec::new(),
            terminal: vt100::Parser::new(cells(rows), cells(cols), 0),
            frames: Vec::new(),
            closed: false,
            open_frame: None,
            scanned: 0,
            rate: None,
            hang_up: false,
        });
        let shared = Arc::new(Shared { seen, changed: Condvar::new() });
        let reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let feed = Arc::clone(&shared);
        thread::spawn(move || read_all(reader, &feed));
        Self { master: Some(pair.master), keys: Some(keys), child, shared }
    }

    /// Sends bytes as if they were typed.
    pub fn type_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        let keys = self.keys.as_mut().unwrap();
        keys.write_all(bytes.as_ref()).unwrap();
        keys.flush().unwrap();
    }

    /// Waits until the text on the screen is as wanted, and returns it.
    pub fn until(&self, wanted: impl Fn(&str) -> bool) -> Result<String, String> {
        self.until_seen(|seen| wanted(&seen.text()))?;
        Ok(self.screen())
    }

    /// Waits until this text is on the screen; fails the test when it does not come.
    pub fn until_text(&self, wanted: &str) -> String {
        self.until(|text| text.contains(wanted)).unwrap_or_else(|problem| panic!("waiting for {wanted:?}: {problem}"))
    }

    /// Waits until what was seen is as wanted.
    pub fn until_seen(&self, wanted: impl Fn(&Seen) -> bool) -> Result<(), String> {
        let until = Instant::now() + DEADLINE;
        let mut seen = self.shared.seen.lock().unwrap();
        loop {
            if wanted(&seen) {
                return Ok(());
            }
            if seen.closed || Instant::now() >= until {
                let why = if seen.closed { "the program ended" } else { "it did not happen in time" };
                return Err(format!("{why}; the screen was:\n{}", seen.text()));
            }
            let left = until.saturating_duration_since(Instant::now());
            seen = self.shared.changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Looks at what was seen.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.lock())
    }

    /// The text on the screen.
    pub fn screen(&self) -> String {
        self.look(Seen::text)
    }

    /// The rows of the screen, without trailing blanks.
    pub fn rows(&self) -> Vec<String> {
        self.look(|seen| {
            let screen = seen.terminal.screen();
            let (_, cols) = screen.size();
            screen.rows(0, cols.get()).map(|row| row.trim_end().to_owned()).collect()
        })
    }

    /// The place behind the last byte seen.
    pub fn mark(&self) -> Mark {
        self.look(|seen| Mark(seen.bytes.len()))
    }

    /// The bytes written since `mark`.
    pub fn bytes_since(&self, mark: Mark) -> Vec<u8> {
        self.look(|seen| seen.bytes[mark.0..].to_vec())
    }

    /// The complete synchronised updates begun since `mark`, brackets included.
    pub fn frames_since(&self, mark: Mark) -> Vec<Vec<u8>> {
        self.look(|seen| {
            let since = seen.frames.iter().filter(|frame| frame.start >= mark.0);
            since.map(|frame| seen.bytes[frame.clone()].to_vec()).collect()
        })
    }

    /// Waits until a synchronised update begun after `mark` is complete.
    pub fn until_frame_after(&self, mark: Mark) {
        self.until_seen(|seen| seen.frames.iter().any(|frame| frame.start >= mark.0)).unwrap();
    }

    /// Changes the terminal's size in cells.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.lock().terminal.screen_mut().set_size(cells(rows), cells(cols));
        self.master.as_ref().unwrap().resize(pty_size(cols, rows)).unwrap();
    }

    /// From now on reads this many bytes a second: a slow link. Zero is a link that stands still, none a fast one.
    pub fn throttle(&self, rate: Option<usize>) {
        self.lock().rate = rate;
        self.shared.changed.notify_all();
    }

    /// The process id of the program that was spawned.
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// How often the threads of the program went to sleep so far: each is a wakeup.
    pub fn wakeups(&self) -> u64 {
        wakeups_by_thread(self.pid()).values().sum()
    }

    /// How many writes the program made so far, to any file.
    pub fn writes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/io", self.pid())).unwrap();
        field(&text, "syscw:")
    }

    /// Waits until the program sleeps: neither bytes nor wakeups for a tenth of a second.
    pub fn until_idle(&self) {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            if self.activity_in(Duration::from_millis(100)) == (0, 0) {
                return;
            }
        }
        panic!("the program does not come to rest");
    }

    /// Watches for `span` and returns how many bytes and wakeups there were. That nothing happens can be
    /// proved in no other way than by looking for a while.
    pub fn activity_in(&self, span: Duration) -> (usize, u64) {
        let (bytes, before) = (self.mark().0, wakeups_by_thread(self.pid()));
        let until = Instant::now() + span;
        let mut seen = self.lock();
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            seen = self.shared.changed.wait_timeout(seen, left).unwrap().0;
        }
        let after = seen.bytes.len();
        drop(seen);
        let now = wakeups_by_thread(self.pid());
        let woken = now.iter().map(|(thread, count)| count - before.get(thread).unwrap_or(&0)).sum::<u64>();
        // A thread that has ended has woken up for that.
        let ended = before.keys().filter(|thread| !now.contains_key(*thread)).count() as u64;
        (after - bytes, woken + ended)
    }

    /// Kills the program.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
    }

    /// Waits until the program ended and everything it wrote was seen.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        let mut seen = self.shared.seen.lock().unwrap();
        while !seen.closed {
            assert!(Instant::now() < until, "the program does not end:\n{}", seen.text());
            let left = until.saturating_duration_since(Instant::now());
            seen = self.shared.changed.wait_timeout(seen, left).unwrap().0;
        }
        drop(seen);
        self.child.wait().unwrap()
    }

    /// Closes the terminal under the program, as a dropped connection does, and waits until it ended. The
    /// program must answer the key `x` with a frame: that is what gets the reading thread off the terminal.
    pub fn hang_up(&mut self) -> ExitStatus {
        self.lock().hang_up = true;
        self.type_bytes("x");
        drop(self.shared.changed.wait_while(self.lock(), |seen| !seen.closed).unwrap());
        self.keys = None;
        self.master = None;
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the program goes on without a terminal");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.throttle(None);
        self.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub fn send_signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// How often each thread of a process went to sleep so far.
fn wakeups_by_thread(pid: u32) -> BTreeMap<OsString, u64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let count = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("status")).ok()?;
        Some((task.file_name(), field(&text, "voluntary_ctxt_switches:")))
    };
    tasks.filter_map(|task| count(task.ok()?)).collect()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

fn pty_size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

/// Reads until nobody has the terminal open, at the rate asked for.
fn read_all(mut reader: Box<dyn Read + Send>, shared: &Shared) {
    const SLICES: usize = 20;
    let mut chunk = [0; 4096];
    loop {
        let mut seen = shared.seen.lock().unwrap();
        while seen.rate == Some(0) {
            seen = shared.changed.wait(seen).unwrap();
        }
        let rate = seen.rate;
        drop(seen);
        let len = rate.map_or(chunk.len(), |rate| (rate / SLICES).clamp(1, chunk.len()));
        let read = reader.read(&mut chunk[..len]);
        let mut seen = shared.seen.lock().unwrap();
        let ended = seen.hang_up || !matches!(read, Ok(1..));
        if let Ok(len) = read {
            seen.take(&chunk[..len]);
        }
        drop(seen);
        if ended {
            drop(reader);
            shared.seen.lock().unwrap().closed = true;
            shared.changed.notify_all();
            return;
        }
        shared.changed.notify_all();
        if rate.is_some() {
            // This is the slow link, not a wait for something to happen.
            thread::sleep(Duration::from_secs(1) / u32::try_from(SLICES).unwrap());
        }
    }
}
