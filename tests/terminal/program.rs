//! The small program that the tests run on a pseudo-terminal: a line to type on, and a key for each thing
//! that can happen to a terminal program.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};
use nightdesk::testing::tui::term::Environment;
use nightdesk::testing::tui::term::input::Input;
use nightdesk::testing::tui::term::pacer::{FrameIntervals, Pacer};
use nightdesk::testing::tui::term::screen::Screen;
use nightdesk::testing::tui::term::sequence::Modes;
use nightdesk::testing::tui::term::tty::{Tty, TtyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

/// Set in the environment of the program, and only there.
pub const SWITCH: &str = "NIGHTDESK_TEST_PROGRAM";
/// How this binary is to be called to run the program.
pub const ARGUMENTS: [&str; 4] = ["--exact", "program::the_program", "--nocapture", "--quiet"];

/// Polls until `wanted`, for what no pseudo-terminal tells.
pub fn poll(wanted: impl Fn() -> bool) {
    let until = Instant::now() + crate::support::pty::DEADLINE;
    while !wanted() {
        assert!(Instant::now() < until, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// In the environment of the tests this is no program and does nothing; the tests call it through
/// [`ARGUMENTS`].
#[test]
fn the_program() {
    if std::env::var_os(SWITCH).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(run());
    if let Err(problem) = &ended {
        println!("{problem}");
    }
    // The test harness around it would report to a terminal that may be gone.
    std::process::exit(i32::from(ended.is_err()));
}

struct App {
    screen: Screen,
    pacer: Pacer,
    line: String,
    last: String,
    note: String,
    resumed: usize,
    edited: usize,
    flood: Option<usize>,
    quit: bool,
}

async fn run() -> Result<(), nightdesk::testing::tui::term::TermError> {
    let environment = Environment::from_vars(|name| std::env::var(name).ok());
    let mut tty = Tty::open(&environment, Modes::default())?;
    let mut app = App {
        screen: Screen::new(tty.size(), environment.caps()),
        pacer: Pacer::new(FrameIntervals::LOCAL),
        line: String::new(),
        last: String::new(),
        note: String::new(),
        resumed: 0,
        edited: 0,
        flood: None,
        quit: false,
    };
    let progress = std::env::var("NIGHTDESK_TEST_PROGRESS").ok();
    let mut progress = progress.map(|path| std::fs::File::options().append(true).open(path).unwrap());
    app.pacer.key(Instant::now());
    while !app.quit {
        if tty.ready_for_frame() && app.pacer.due(Instant::now()) {
            let (screen, view) = (&mut app.screen, View::of(&app.line, &app.last, &app.note, app.resumed, app.flood));
            tty.send(&screen.draw(|frame| view.draw(frame)));
            app.pacer.drew(Instant::now());
        }
        let due = app.pacer.next().filter(|_| tty.ready_for_frame());
        let at = tokio::time::Instant::from_std(due.unwrap_or_else(Instant::now));
        tokio::select! {
            biased;
            event = tty.next() => app.on(event, &mut tty).await?,
            () = tokio::time::sleep_until(at), if due.is_some() => {}
            () = tokio::task::yield_now(), if app.flood.is_some() => {
                let count = app.flood.map_or(0, |count| count + 1);
                app.flood = Some(count);
                app.pacer.delta(Instant::now());
                if let Some(file) = &mut progress {
                    writeln!(file, "{count}").unwrap();
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
    }
    Ok(())
}

impl App {
    async fn on(&mut self, event: TtyEvent, tty: &mut Tty) -> Result<(), nightdesk::testing::tui::term::TermError> {
        self.pacer.key(Instant::now());
        match event {
            TtyEvent::Input(inputs) => {
                for input in inputs {
                    self.input(input, tty).await?;
                }
            }
            TtyEvent::Resize(size) => self.screen.resize(size),
            TtyEvent::Resumed(size) => {
                self.resumed += 1;
                self.screen.invalidate();
                self.screen.resize(size);
            }
            TtyEvent::Hangup | TtyEvent::Terminate => self.quit = true,
            TtyEvent::Drained => {}
        }
        Ok(())
    }

    async fn input(&mut self, input: Input, tty: &mut Tty) -> Result<(), nightdesk::testing::tui::term::TermError> {
        let key = match input {
            Input::Key(key) => key,
            Input::Paste(text) => {
                self.last = format!("paste {text:?}");
                return Ok(());
            }
            _ => return Ok(()),
        };
        match (key.code, key.modifiers) {
            (KeyCode::Char('q'), KeyModifiers::CONTROL) => self.quit = true,
            (KeyCode::Char('p'), KeyModifiers::CONTROL) => panic!("the program fell over"),
            (KeyCode::Char('l'), KeyModifiers::CONTROL) => {}
            (KeyCode::Char('t'), KeyModifiers::CONTROL) => {
                let task = tokio::spawn(async { panic!("the task fell over") });
                let ended: Result<(), _> = task.await;
                self.note = ended.map_or("a task ended badly".into(), |()| String::new());
            }
            (KeyCode::Char('f'), KeyModifiers::CONTROL) => {
                self.flood = if self.flood.is_some() { None } else { Some(0) };
            }
            (KeyCode::Char('z'), KeyModifiers::CONTROL) => {
                let event = tty.suspend().await?;
                Box::pin(self.on(event, tty)).await?;
            }
            (KeyCode::Char('e'), KeyModifiers::CONTROL) => {
                let script = r#"kill -QUIT "$PPID"; printf 'editor: '; read -r line; printf '%s.' "$line" >&3"#;
                let file = tempfile::NamedTempFile::new().unwrap();
                let mut editor = tokio::process::Command::new("sh");
                editor.args(["-c", &format!("exec 3>'{}'; {script}", file.path().display())]);
                tty.hand_over(async || editor.status().await).await?.unwrap();
                self.edited += 1;
                self.note = format!("edited {}: {}", self.edited, std::fs::read_to_string(file.path()).unwrap());
                self.screen.invalidate();
                self.screen.resize(tty.size());
            }
            (KeyCode::Char(c), KeyModifiers::NONE) => self.line.push(c),
            (code, _) => self.last = format!("key {code}"),
        }
        Ok(())
    }
}

struct View(Vec<String>);

impl View {
    fn of(line: &str, last: &str, note: &str, resumed: usize, flood: Option<usize>) -> Self {
        let mut rows = vec![
            format!("ready pid {}", std::process::id()),
            format!("{last} {note}"),
            format!("resumed {resumed}"),
            flood.map_or(String::new(), |count| format!("flood {count} ")),
            format!("> {line}"),
        ];
        if let Some(count) = flood {
            // Every cell of the rest changes with every frame.
            let fill = char::from(b'a' + (count % 26) as u8);
            rows.extend((0..60).map(|_| fill.to_string().repeat(300)));
        }
        Self(rows)
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        for (y, row) in (0..area.height).zip(&self.0) {
            frame.render_widget(row.as_str(), Rect { y, height: 1, ..area });
        }
        let size = format!("size {}x{}", area.width, area.height);
        let at = Rect { x: area.width.saturating_sub(size.len() as u16), y: 2, width: size.len() as u16, height: 1 };
        frame.render_widget(size, at);
        let cursor = self.0[4].len() as u16;
        frame.set_cursor_position((cursor.min(area.width - 1), 4.min(area.height - 1)));
    }
}
