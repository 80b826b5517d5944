//! The workbench without a terminal: a made-up newsroom with fixed ids and times, keys in, screens out.
//!
//! Requests for messages and searches are answered from what the newsroom said; all others are kept for the
//! test to look at and to answer. The screen is what a terminal emulator shows of the bytes written.

use std::fmt::Write as _;
use std::num::NonZeroU16;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use nightdesk::testing::domain::group::Sleeptime;
use nightdesk::testing::domain::{
    Actor, Agent, AgentId, Block, BlockId, BlockOwner, CauseKind, Change, Content, Conversation, ConversationId,
    ConversationOwner, Editor, Group, GroupId, Job, JobId, JobOutcome, JobState, LogEntry, ManagerType, Message,
    MessageId, MessageQuery, Revision, Run, RunId, RunKind, RunState, SearchResult, StepId,
};
use nightdesk::testing::engine::protocol::{
    LiveUpdate, Overview, Phase, Reply, Request, RequestError, RowUpdate, Update,
};
use nightdesk::testing::tui::app::{App, view::view};
use nightdesk::testing::tui::effect::{Effect, Msg, RequestId};
use nightdesk::testing::tui::glyph;
use nightdesk::testing::tui::pane::RenderContext;
use nightdesk::testing::tui::term::screen::{Caps, Screen};
use nightdesk::testing::tui::theme::Theme;
use ratatui::layout::Size;

/// The newsroom's conversation.
pub const ROOM: &str = "conversation-1";

/// The moment the newsroom is looked at.
pub fn nine() -> Timestamp {
    "2026-05-01T09:41:00Z".parse().unwrap()
}

/// How it looks in tests: the terminal's own colours, Unicode, nothing moves, UTC.
pub fn look() -> RenderContext {
    RenderContext {
        theme: Theme::terminal(),
        glyphs: &glyph::UNICODE,
        over_ssh: false,
        motion: false,
        now: nine(),
        zone: TimeZone::UTC,
    }
}

/// The workbench and what is around it.
pub struct Desk {
    pub app: App,
    pub now: Timestamp,
    /// What the room has said, by `seq` from 1.
    pub said: Vec<Message>,
    /// Requests that were not answered here.
    pub asked: Vec<(RequestId, Request)>,
    /// Searches are kept for the test to answer.
    pub hold: bool,
    /// The most messages in a reply, as if they were large.
    pub page: usize,
    /// Reading messages fails.
    pub fail: bool,
    /// How often it did.
    pub failures: usize,
    /// Effects that are no requests.
    pub effects: Vec<Effect>,
    screen: Screen,
    terminal: vt100::Parser,
    /// Bytes of the last frame.
    pub frame: Vec<u8>,
    n: u64,
}

impl Desk {
    /// A desk over an overview on a screen of this size.
    pub fn new(overview: Overview, said: Vec<Message>, (width, height): (u16, u16)) -> Self {
        let size = Size { width, height };
        let mut desk = Self {
            app: App::new(overview, look(), size),
            now: nine(),
            said,
            asked: Vec::new(),
            hold: false,
            fail: false,
            page: usize::MAX,
            failures: 0,
            effects: Vec::new(),
            screen: Screen::new(size, Caps { sync: false, color: true }),
            terminal: vt100::Parser::new(NonZeroU16::new(height).unwrap(), NonZeroU16::new(width).unwrap(), 0),
            frame: Vec::new(),
            n: 1_000,
        };
        desk.draw();
        desk
    }

    /// The newsroom at work.
    pub fn newsroom(size: (u16, u16)) -> Self {
        let said = said();
        Self::new(overview(said.len() as u64), said, size)
    }

    /// The newsroom after so many messages more.
    pub fn long(count: u64, size: (u16, u16)) -> Self {
        let mut all: Vec<Message> = (1..=count).map(filler).collect();
        let from = count;
        all.extend(said().into_iter().map(|message| Message { seq: message.seq + from, ..message }));
        Self::new(overview(all.len() as u64), all, size)
    }

    /// Handles a message and everything that follows from it, then draws.
    pub fn send(&mut self, msg: Msg) {
        let outcome = self.app.update(msg, self.now);
        self.carry_out(outcome.effects);
        self.draw();
    }

    /// Draws until no more messages are asked for.
    pub fn draw(&mut self) {
        loop {
            let effects = self.app.prepare(self.now);
            let app = &self.app;
            self.frame = self.screen.draw(|frame| view(app, frame));
            self.terminal.process(&self.frame);
            if effects.is_empty() {
                return;
            }
            self.carry_out(effects);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask(ticket, request) => match self.answer(&request) {
                    Some(reply) => {
                        let failed = self.fail && matches!(request, Request::Messages { .. });
                        self.failures += usize::from(failed);
                        let reply = if failed { Err(RequestError::new("the file cannot be read")) } else { Ok(reply) };
                        let outcome = self.app.update(Msg::Answered(ticket, reply), self.now);
                        self.carry_out(outcome.effects);
                    }
                    None => self.asked.push((ticket, request)),
                },
                other => self.effects.push(other),
            }
        }
    }

    fn answer(&self, request: &Request) -> Option<Reply> {
        match request {
            Request::Messages { from, to, newest, .. } => {
                let found: Vec<_> =
                    self.said.iter().filter(|said| (*from..=*to).contains(&said.seq)).cloned().collect();
                let beyond = found.len().saturating_sub(self.page);
                let page = if *newest { &found[beyond..] } else { &found[..found.len() - beyond] };
                Some(Reply::Messages { messages: page.to_vec() })
            }
            Request::Search(MessageQuery { text: query, limit, .. }) if !self.hold => {
                let query = query.to_lowercase();
                let found = self.said.iter().rev().filter(|message| message.text().to_lowercase().contains(&query));
                let messages = found.take(*limit).cloned().collect();
                Some(Reply::Found(SearchResult { messages, ..SearchResult::default() }))
            }
            _ => None,
        }
    }

    /// Types keys: characters as themselves, others in angle brackets: `<Esc>`, `<C-d>`, `<A-1>`, `<Enter>`.
    pub fn keys(&mut self, keys: &str) {
        let mut rest = keys;
        while let Some(first) = rest.chars().next() {
            let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
            let event = if let Some((name, after)) = named {
                rest = after;
                named_key(name)
            } else {
                rest = &rest[first.len_utf8()..];
                KeyEvent::from(KeyCode::Char(first))
            };
            self.send(Msg::Key(event));
        }
    }

    /// The engine committed these changes and rows.
    pub fn committed(&mut self, changes: Vec<Change>, rows: Vec<RowUpdate>) {
        let changes = changes
            .into_iter()
            .map(|change| {
                self.n += 1;
                LogEntry { n: self.n, change, by: Actor::Engine, at: self.now, cause: None }
            })
            .collect();
        self.send(Msg::Update(Box::new(Update::Committed { upto: self.n, changes, rows })));
    }

    /// Somebody says something in the room.
    pub fn say(&mut self, speaker: Option<&str>, text: &str) {
        let seq = self.said.len() as u64 + 1;
        let message = Message { seq, ..message(seq, speaker, 9, words(text)) };
        self.said.push(message.clone());
        let room = room(seq);
        self.committed(vec![Change::MessageAppended(message)], vec![RowUpdate::Conversation(room)]);
    }

    /// A step streams.
    pub fn stream(&mut self, agent: &str, phase: Phase, text: &str) {
        self.send(Msg::Update(Box::new(Update::Live(live(agent, phase, text)))));
    }

    /// The terminal gets another size.
    pub fn resize(&mut self, size: Size) {
        self.screen.resize(size);
        let (height, width) = (NonZeroU16::new(size.height).unwrap(), NonZeroU16::new(size.width).unwrap());
        self.terminal.screen_mut().set_size(height, width);
        self.send(Msg::Resize(size));
    }

    /// Time goes by.
    pub fn later(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.send(Msg::Tick);
    }

    /// What the terminal shows, without styles.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.lines().iter().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }

    /// The rows of the terminal.
    pub fn lines(&self) -> Vec<String> {
        let screen = self.terminal.screen();
        let (rows, cols) = (screen.size().0.get(), screen.size().1.get());
        (0..rows).map(|row| screen.contents_between(row, 0, row, cols)).collect()
    }

    /// What the terminal shows, then its styles by run of cells, then its cursor.
    pub fn picture(&self) -> String {
        let mut out = String::new();
        for line in self.lines() {
            let _ = writeln!(out, "|{}", line.trim_end());
        }
        let screen = self.terminal.screen();
        let (rows, cols) = (screen.size().0.get(), screen.size().1.get());
        for row in 0..rows {
            let mut styles: Vec<(String, u16, u16)> = Vec::new();
            for col in 0..cols {
                let cell = screen.cell(row, col).unwrap();
                let style = style(cell);
                match styles.last_mut() {
                    Some((last, _, to)) if *last == style => *to = col,
                    _ => styles.push((style, col, col)),
                }
            }
            let told = styles.iter().filter(|(style, ..)| !style.is_empty());
            let told: Vec<String> = told.map(|(style, from, to)| format!("{from}-{to} {style}")).collect();
            if !told.is_empty() {
                let _ = writeln!(out, "{row}: {}", told.join(", "));
            }
        }
        let (row, col) = screen.cursor_position();
        let _ =
            writeln!(out, "cursor {}", if screen.hide_cursor() { "hidden".to_owned() } else { format!("{row},{col}") });
        out
    }
}

fn style(cell: &vt100::Cell) -> String {
    let color = |prefix: &str, color: vt100::Color| match color {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => Some(format!("{prefix}{index}")),
        vt100::Color::Rgb(r, g, b) => Some(format!("{prefix}#{r:02x}{g:02x}{b:02x}")),
    };
    let blank = !cell.has_contents() || cell.contents().trim().is_empty();
    let mut parts: Vec<String> = color("fg", cell.fgcolor()).filter(|_| !blank).into_iter().collect();
    parts.extend(color("bg", cell.bgcolor()));
    let flags = [
        (cell.bold() && !blank, "bold"),
        (cell.dim() && !blank, "dim"),
        (cell.italic() && !blank, "italic"),
        (cell.underline(), "underline"),
        (cell.inverse(), "inverse"),
    ];
    parts.extend(flags.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()));
    parts.join(" ")
}

fn named_key(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.split_once('-') {
        Some(("C", rest)) => (KeyModifiers::CONTROL, rest),
        Some(("A", rest)) => (KeyModifiers::ALT, rest),
        Some(("S", rest)) => (KeyModifiers::SHIFT, rest),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "Esc" => KeyCode::Esc,
        "Enter" => KeyCode::Enter,
        "Tab" => KeyCode::Tab,
        "BackTab" => KeyCode::BackTab,
        "Backspace" => KeyCode::Backspace,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "Space" => KeyCode::Char(' '),
        "F1" => KeyCode::F(1),
        "F2" => KeyCode::F(2),
        one if one.chars().count() == 1 => KeyCode::Char(one.chars().next().unwrap()),
        other => panic!("no key <{other}>"),
    };
    KeyEvent::new(code, modifiers)
}

fn at(minute: i64) -> Timestamp {
    nine() + SignedDuration::from_mins(minute - 9)
}

pub fn words(text: &str) -> Content {
    Content::Text { text: text.to_owned(), reasoning: String::new(), cancelled: false }
}

/// A message of the room; a speaker's messages of one minute are one speech.
pub fn message(seq: u64, speaker: Option<&str>, minute: i64, content: Content) -> Message {
    let id = MessageId(format!("message-{seq}"));
    Message {
        seq,
        run: Some(RunId(format!("run-{}-{minute}", speaker.unwrap_or("turn")))),
        agent: speaker.map(|name| AgentId(format!("agent-{name}"))),
        name: speaker.unwrap_or_default().to_owned(),
        ..Message::without_run(id, ConversationId::from(ROOM), content, at(minute))
    }
}

fn filler(seq: u64) -> Message {
    let speaker = [None, Some("reporter"), Some("critic"), Some("editor")][(seq % 4) as usize];
    let text = format!("Message {seq:06} of many. {}", "It has a few words to wrap. ".repeat((seq % 5) as usize));
    message(seq, speaker, -i64::try_from(seq % 500).unwrap(), words(&text))
}

/// What the newsroom said.
pub fn said() -> Vec<Message> {
    let search = Content::Tool {
        call: "1".into(),
        name: "conversation_search".into(),
        arguments: serde_json::json!({ "query": "launch" }),
        ok: true,
        text: "3 found\n1: spring\n2: May".into(),
    };
    let rich = "Noted: the launch is on **3 May**. Who told the printers?\n\n```\nprint --date 3\n```";
    let thought = Content::Text {
        text: "That contradicts turn 3, where the date was still open.".into(),
        reasoning: "The block says May. Turn 3 says open.".into(),
        cancelled: false,
    };
    vec![
        message(1, None, 8, words("We decided to launch on the third of May.")),
        message(2, Some("reporter"), 8, words(rich)),
        message(3, Some("critic"), 9, search),
        message(4, Some("critic"), 9, thought),
    ]
}

fn agent(name: &str) -> Agent {
    Agent::new(AgentId(format!("agent-{name}")), name, GroupId::from("group-1"))
}

/// The room's conversation with so many messages.
pub fn room(head: u64) -> Conversation {
    let owner = ConversationOwner::Group(GroupId::from("group-1"));
    Conversation { id: ConversationId::from(ROOM), owner, head, asked: 7.min(head), turns: 6.min(head) }
}

/// The block `story` at a version.
pub fn story(version: u64, value: &str) -> Block {
    Block {
        id: BlockId::from("block-story"),
        label: "story".into(),
        description: "What we know so far".into(),
        value: value.into(),
        limit: 5_000,
        read_only: false,
        tags: Vec::new(),
        owner: BlockOwner::Group(GroupId::from("group-1")),
        version,
        editor: archivist(),
        edited_at: nine(),
        from_file: None,
        access: Vec::new(),
        local_only: false,
    }
}

fn archivist() -> Editor {
    Editor::Agent { id: AgentId::from("agent-archivist"), name: "archivist".into(), job: Some(JobId::from("job-2")) }
}

/// The story gets a new value.
pub fn story_edited(version: u64, value: &str) -> (Change, RowUpdate) {
    let revision = Revision {
        block: BlockId::from("block-story"),
        version,
        value: value.into(),
        editor: archivist(),
        run: None,
        step: None,
        calls: Vec::new(),
        reason: "memory_replace".into(),
    };
    (Change::BlockEdited(revision), RowUpdate::Block(story(version, value)))
}

/// A run of the room: its seventh turn, or a speech of it.
pub fn run(id: &str, kind: RunKind, state: RunState) -> Run {
    let parent = matches!(kind, RunKind::Speech { .. }).then(|| RunId::from("run-7"));
    let fresh = Run::new(RunId::from(id), ConversationId::from(ROOM), kind, state);
    Run {
        parent,
        root: RunId::from("run-7"),
        input: 1,
        turn: 7,
        steps: 2,
        tokens: 1_234,
        created_at: nine(),
        moved_at: nine(),
        ..fresh
    }
}

/// The seventh turn.
pub fn turn(state: RunState) -> Run {
    run("run-7", RunKind::Turn { group: Some(GroupId::from("group-1")), only: None }, state)
}

/// A turn that waits with these words.
pub fn waiting(text: &str) -> Run {
    let kind = RunKind::Turn { group: Some(GroupId::from("group-1")), only: None };
    Run { queued: Some(text.into()), root: RunId::from("run-8"), ..run("run-8", kind, RunState::Queued) }
}

fn speech(name: &str, index: u32, state: RunState) -> Run {
    let kind =
        RunKind::Speech { agent: AgentId(format!("agent-{name}")), group: Some(GroupId::from("group-1")), index };
    run(&format!("run-{name}-9"), kind, state)
}

fn live(agent: &str, phase: Phase, text: &str) -> LiveUpdate {
    LiveUpdate {
        step: StepId(format!("step-{agent}")),
        run: RunId(format!("run-{agent}-9")),
        root: RunId::from("run-7"),
        conversation: ConversationId::from(ROOM),
        agent: AgentId(format!("agent-{agent}")),
        name: agent.to_owned(),
        phase,
        text: text.to_owned(),
        reasoning: String::new(),
    }
}

fn job(id: &str, agent: &str, cause: u64, state: JobState) -> Job {
    let cause = CauseKind::Turn { turn: cause };
    let made = Job::new(JobId::from(id), AgentId(format!("agent-{agent}")), GroupId::from("group-1"), cause);
    Job {
        state,
        attempt: 1,
        tokens: 1_200,
        edits: 3,
        created_at: nine() - SignedDuration::from_secs(4),
        started_at: Some(nine() - SignedDuration::from_secs(4)),
        ..made
    }
}

/// The newsroom: three that speak, one in the background, two blocks, jobs, with so many messages.
pub fn overview(head: u64) -> Overview {
    let human = Block { id: BlockId::from("block-human"), label: "human".into(), ..story(3, "Mira keeps bees.") };
    let group = Group {
        description: "Two reporters and an editor work a story".into(),
        members: ["reporter", "critic", "editor"].map(|name| AgentId(format!("agent-{name}"))).into(),
        max_turns: Some(3),
        shared_blocks: vec![BlockId::from("block-story"), BlockId::from("block-human")],
        sleeptime: Some(Sleeptime { every_turns: Some(2), ..Sleeptime::new(vec![AgentId::from("agent-archivist")]) }),
        ..Group::new(GroupId::from("group-1"), "newsroom", ManagerType::RoundRobin)
    };
    let done = JobState::Completed { outcome: JobOutcome::Changed };
    Overview {
        upto: 1_000,
        groups: vec![group],
        agents: ["reporter", "critic", "editor", "archivist"].map(agent).into(),
        blocks: vec![
            story(12, "The story so far\n- Launch: 3 May, decided\n- Mira keeps bees in Lucerne"),
            Block { limit: 2_000, ..human },
        ],
        conversations: vec![room(head)],
        runs: if head == 0 {
            Vec::new()
        } else {
            vec![
                turn(RunState::Running),
                speech("reporter", 0, RunState::Running),
                speech("critic", 1, RunState::Running),
            ]
        },
        jobs: if head == 0 {
            Vec::new()
        } else {
            vec![job("job-2", "archivist", 6, JobState::Running { epoch: 1 }), job("job-1", "archivist", 4, done)]
        },
        last_turns: Vec::new(),
        calls: Vec::new(),
        mails: Vec::new(),
        triggers: Vec::new(),
        faults: Vec::new(),
        default_model: "offline".into(),
        ..Overview::default()
    }
}
