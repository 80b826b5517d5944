//! Many agents on a real store, a real clock and real threads: what a full house costs.
//!
//! The agents answer from a script without any delay. Whoever is told to begin writes to four others; each piece of
//! mail is passed on until five turns have caused each other, which is where the program stops such chains. Every
//! second reader writes a line into a shared block on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nightdesk::testing::config::{Care, Config};
use nightdesk::testing::domain::block::DEFAULT_LIMIT;
use nightdesk::testing::domain::mail::MAX_DEPTH;
use nightdesk::testing::domain::{
    Actor, Agent, AgentId, Block, BlockId, BlockOwner, Change, Commit, Content, Conversation, Editor, Group, GroupId,
    LogEntry, Mail, MailId, MailStatus, ManagerType, PersonId, RunId, RunKind, RunState,
};
use nightdesk::testing::engine::protocol::{Recipient, Reply, Request, Update};
use nightdesk::testing::engine::{Engine, Handle, Options};
use nightdesk::testing::llm::Models;
use nightdesk::testing::llm::scripted::Scripted;
use nightdesk::testing::store::{self, Lane, Store};
use nightdesk::testing::tools::ToolRegistry;
use serde_json::json;

use super::script::{Script, When};

/// What everybody answers from.
const MODEL: &str = "scripted/crowd";
/// Whom the one who begins writes to, as distances.
const FIRST: [usize; 4] = [1, 2, 3, 5];
/// Whom mail goes on to, as a distance: to the other group, where there are two.
const ON: usize = 7;
/// Mail that one beginning leads to.
pub const MAILS_A_SEED: usize = FIRST.len() * MAX_DEPTH as usize;
/// Longer than any measurement, even where the machine has other work.
const PATIENCE: Duration = Duration::from_mins(20);

/// The manager asks everybody, and then says that all is done.
fn all_hands() -> Script {
    let arguments = json!({ "message": "all hands" });
    Script::of([When::agent("boss").step(1).call("send_message_to_all_agents_in_group", arguments)])
        .otherwise("{agent} is done")
}

/// How many there are of everything.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub groups: usize,
    /// In all groups together.
    pub agents: usize,
    /// In all groups together.
    pub blocks: usize,
}

/// A store with its engine.
pub struct Crowd {
    size: Size,
    pub engine: Arc<Engine>,
    pub handle: Handle,
    dir: Arc<tempfile::TempDir>,
}

pub fn group_id(at: usize) -> GroupId {
    GroupId(format!("group-{at}"))
}

pub fn agent_id(at: usize) -> AgentId {
    AgentId(format!("agent-{at}"))
}

impl Crowd {
    /// Round robins that write to each other.
    pub async fn of(size: Size) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        fill(&dir.path().join("desk.db"), &changes(size)).await;
        Self::open(dir, size, &script(size)).await
    }

    /// One group of workers under a manager that asks all of them at once.
    pub async fn supervised(workers: usize) -> Self {
        let size = Size { groups: 1, agents: workers, blocks: 1 };
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let mut changes = changes(size);
        changes.retain(|change| !matches!(change, Change::GroupPut(_)));
        let boss = AgentId::from("agent-boss");
        changes.push(Change::AgentPut(Agent {
            model: Some(MODEL.to_owned()),
            ..Agent::new(boss.clone(), "boss", group_id(0))
        }));
        changes.push(Change::GroupPut(Group {
            manager_agent: Some(boss),
            members: (0..workers).map(agent_id).collect(),
            shared_blocks: vec![BlockId::from("block-0")],
            ..Group::new(group_id(0), "crew", ManagerType::Supervisor)
        }));
        fill(&dir.path().join("desk.db"), &changes).await;
        Self::open(dir, size, &all_hands()).await
    }

    async fn open(dir: Arc<tempfile::TempDir>, size: Size, script: &Script) -> Self {
        let store = Store::open(&dir.path().join("desk.db"), store::Options::default()).unwrap();
        let config = Config { care: Care::off(), ..Config::default() };
        let models = Models::new(config.clone(), |_| None);
        models.bring(MODEL, Arc::new(Scripted::parse(&script.to_toml(), "crowd").unwrap()), 1_000);
        let engine = Engine::start(store, &config, models, ToolRegistry::default(), Options::default()).await.unwrap();
        let handle = Handle::local(Arc::clone(&engine));
        Self { size, engine, handle, dir }
    }

    /// Ends the engine and starts another on the same store; how long opening and starting took.
    pub async fn again(self) -> (Self, Duration) {
        let Self { size, engine, handle, dir } = self;
        engine.stop().await;
        drop((engine, handle));
        let before = Instant::now();
        let opened = Self::open(dir, size, &script(size)).await;
        (opened, before.elapsed())
    }

    pub fn store(&self) -> &Store {
        self.engine.store()
    }

    pub async fn say(&self, to: Recipient, text: &str) -> RunId {
        match self.handle.ask(Request::Send { to, text: text.to_owned() }).await.unwrap() {
            Reply::Sent { run, .. } => run,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until this turn is over; how long it took from the word that began it to the first run, and to its end.
    pub async fn turn(&self, to: Recipient, text: &str) -> (Duration, Duration) {
        let mut following = self.handle.follow(*self.store().head().borrow()).await.unwrap();
        let before = Instant::now();
        let turn = self.say(to, text).await;
        let mut started = None;
        loop {
            let Update::Committed { changes, .. } = following.next().await.unwrap() else { continue };
            for logged in changes {
                match logged.change {
                    Change::RunCreated(run) if run.id == turn => {
                        started.get_or_insert_with(|| before.elapsed());
                    }
                    Change::RunMoved { id, to: RunState::Finished { .. } } if id == turn => {
                        return (started.unwrap(), before.elapsed());
                    }
                    _ => {}
                }
            }
        }
    }

    /// How often each worker has said something in the first group.
    pub async fn answers(&self) -> BTreeMap<AgentId, u64> {
        let talk = self.store().find::<Conversation>(group_id(0).as_str()).await.unwrap().remove(0);
        let mut answers = BTreeMap::new();
        for message in self.store().messages(&talk.id, 1, u64::MAX).await.unwrap() {
            let Content::Text { .. } = message.content else { continue };
            if let Some(agent) = message.agent.filter(|agent| agent.as_str() != "agent-boss") {
                *answers.entry(agent).or_default() += 1;
            }
        }
        answers
    }

    /// Lets so many begin, with at most so many of them on at once, until all they led to is over.
    pub async fn play(&self, seeds: usize, at_once: usize) -> Seen {
        let after = *self.store().head().borrow();
        let mut following = self.handle.follow(after).await.unwrap();
        let before = (Instant::now(), self.store().counters());
        let mut seen = Seen { after, ..Seen::default() };
        let mut open: BTreeSet<RunId> = BTreeSet::new();
        let (mut begun, mut read) = (0, 0);
        let (mut steps, mut turns) = (0, 0);
        let play = async {
            while read < seeds * MAILS_A_SEED || !open.is_empty() {
                // The mail of `at_once` beginnings may be unread, and no more.
                while begun < seeds && begun * MAILS_A_SEED <= read + (at_once - 1) * MAILS_A_SEED {
                    let (handle, to) = (self.handle.clone(), Recipient::Agent(agent_id(begun % self.size.agents)));
                    tokio::spawn(async move {
                        handle.ask(Request::Send { to, text: "begin.".to_owned() }).await.unwrap();
                    });
                    begun += 1;
                }
                let changes = match following.next().await.unwrap() {
                    Update::Committed { changes, .. } => changes,
                    Update::Trouble { text } => panic!("{text}"),
                    _ => continue,
                };
                let now = Timestamp::now();
                for LogEntry { change, at, .. } in changes {
                    match change {
                        Change::BlockEdited(_) => seen.visible.push(now.duration_since(at)),
                        Change::RunCreated(run) if matches!(run.kind, RunKind::Turn { .. }) => {
                            turns += 1;
                            open.insert(run.id);
                        }
                        Change::RunMoved { id, to: RunState::Finished { .. } } => {
                            open.remove(&id);
                        }
                        Change::MailMoved { to: MailStatus::Read, .. } => read += 1,
                        Change::MailMoved { to: MailStatus::Failed | MailStatus::Expired, id, error, .. } => {
                            panic!("{id} came to nothing: {error:?}")
                        }
                        Change::StepFinished(_) => steps += 1,
                        _ => {}
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, play).await.expect("mail is left over");
        let counters = self.store().counters();
        seen.took = before.0.elapsed();
        seen.transactions = counters.transactions - before.1.transactions;
        seen.statements = counters.statements - before.1.statements;
        (seen.steps, seen.turns) = (steps, turns);
        self.times(&mut seen).await;
        seen
    }

    /// When mail was sent, delivered and read, from the log; each piece in its recipient's conversation, once.
    async fn times(&self, seen: &mut Seen) {
        let mut mails: BTreeMap<MailId, (Timestamp, Mail)> = BTreeMap::new();
        let mut cursor = seen.after;
        loop {
            let page = self.store().log(cursor, 2_000).await.unwrap();
            let Some(last) = page.last() else { break };
            cursor = last.n;
            for LogEntry { change, at, .. } in page {
                match change {
                    Change::MailSent(mail) => {
                        assert!(mails.insert(mail.id.clone(), (at, mail)).is_none());
                    }
                    Change::MailMoved { id, to, .. } => {
                        let took = at.duration_since(mails[&id].0);
                        match to {
                            MailStatus::Delivered => seen.delivered.push(took),
                            _ => seen.read.push(took),
                        }
                    }
                    _ => {}
                }
            }
        }
        seen.mails = mails.len();
        self.each_once(mails.into_values().map(|(_, mail)| mail)).await;
    }

    async fn each_once(&self, mails: impl Iterator<Item = Mail>) {
        let mut talks = BTreeMap::new();
        for at in 0..self.size.agents {
            let Some(talk) = self.store().find::<Conversation>(agent_id(at).as_str()).await.unwrap().pop() else {
                continue;
            };
            let mut by_run: BTreeMap<RunId, Vec<(AgentId, String)>> = BTreeMap::new();
            for message in self.store().messages(&talk.id, 1, u64::MAX).await.unwrap() {
                if let (Content::Text { text, .. }, Some(run), Some(from), None) =
                    (message.content, message.run, message.agent, message.step)
                {
                    by_run.entry(run).or_default().push((from, text));
                }
            }
            talks.insert(agent_id(at), by_run);
        }
        for sent in mails {
            let mail = self.store().row::<Mail>(sent.id.as_str()).await.unwrap().unwrap();
            assert_eq!(mail.status, MailStatus::Read, "{}", mail.id);
            let words = talks.get_mut(&mail.to.unwrap()).unwrap().remove(&mail.run.unwrap());
            assert_eq!(words, Some(vec![(mail.from.unwrap(), mail.text)]), "{}", mail.id);
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Seen {
    after: u64,
    pub took: Duration,
    pub mails: usize,
    pub turns: usize,
    pub steps: u64,
    pub transactions: u64,
    pub statements: u64,
    /// Sent to delivered.
    pub delivered: Vec<jiff::SignedDuration>,
    /// Sent to read.
    pub read: Vec<jiff::SignedDuration>,
    /// An edit committed to seen by one who follows.
    pub visible: Vec<jiff::SignedDuration>,
}

/// The time that so many in a hundred stay under, in milliseconds.
pub fn percentile(times: &[jiff::SignedDuration], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    let at = (times.len() * percent).div_ceil(100).max(1) - 1;
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// The most memory this program had since [`forget_peak`], in MB.
pub fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024 / 1_000_000
}

/// Counts the peak from here.
pub fn forget_peak() {
    // Where the kernel refuses, the peak is that of the whole program: higher, and still under the limit.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Writes the changes into a new store and closes it.
pub async fn fill(path: &Path, changes: &[Change]) {
    let options = store::Options { synchronous: store::Synchronous::Normal, ..store::Options::default() };
    let store = Store::open(path, options).unwrap();
    for part in changes.chunks(500) {
        store.commit(Lane::Foreground, Commit::new(Actor::Person(PersonId::local()), part.to_vec())).await.unwrap();
    }
}

/// Round robins with blocks of their own; agents go round the groups, so that neighbours are in different ones.
pub fn changes(size: Size) -> Vec<Change> {
    let Size { groups, agents, blocks } = size;
    let mut changes = Vec::new();
    for at in 0..blocks {
        changes.push(Change::BlockCreated(block(at, at % groups)));
    }
    let plain = |at: usize| Agent {
        model: Some(MODEL.to_owned()),
        ..Agent::new(agent_id(at), format!("a{at}"), group_id(at % groups))
    };
    changes.extend((0..agents).map(|at| Change::AgentPut(plain(at))));
    if groups == 2 {
        // Contacts have to be there before they are named.
        let known = |at: usize| FIRST.iter().chain(&[ON]).map(|by| agent_id((at + by) % agents)).collect();
        changes.extend((0..agents).map(|at| Change::AgentPut(Agent { contacts: known(at), ..plain(at) })));
    }
    for at in 0..groups {
        changes.push(Change::GroupPut(Group {
            members: (at..agents).step_by(groups).map(agent_id).collect(),
            shared_blocks: (at..blocks).step_by(groups).map(|at| BlockId(format!("block-{at}"))).collect(),
            // What is measured is not this limit.
            mail_per_minute: Some(1_000_000),
            ..Group::new(group_id(at), format!("g{at}"), ManagerType::RoundRobin)
        }));
    }
    changes
}

fn block(at: usize, group: usize) -> Block {
    Block {
        id: BlockId(format!("block-{at}")),
        label: format!("b{at}"),
        description: "What we know so far".to_owned(),
        value: "The story so far\n- Launch: some time in spring".to_owned(),
        limit: DEFAULT_LIMIT,
        read_only: false,
        tags: Vec::new(),
        owner: BlockOwner::Group(group_id(group)),
        version: 1,
        editor: Editor::Person(PersonId::local()),
        edited_at: Timestamp::UNIX_EPOCH,
        from_file: None,
        access: Vec::new(),
        local_only: false,
    }
}

fn script(size: Size) -> Script {
    let Size { groups, agents, blocks } = size;
    let send = |reply: When, at: usize, by: usize, hop: u32| {
        reply.mails(&format!("a{}", (at + by) % agents), &format!("hop-{hop}. Pass it on."))
    };
    let mut replies = Vec::new();
    // Of many groups nobody writes.
    for at in 0..if groups > 2 { 0 } else { agents } {
        let agent = || When::agent(&format!("a{at}"));
        let begins = agent().contains("begin.").text("I tell four");
        replies.push(FIRST.iter().fold(begins, |reply, by| send(reply, at, *by, 1)).passes());
        for hop in 1..MAX_DEPTH {
            let hears = agent().contains(&format!("hop-{hop}.")).text("I pass it on");
            let mut passes_on = send(hears, at, ON, hop + 1);
            if hop % 2 == 0 {
                // A block of its own group.
                let label = (at % groups..blocks).step_by(groups).cycle().nth(at / groups + hop as usize);
                passes_on = passes_on.inserts(&format!("b{}", label.unwrap()), "- heard of it");
            }
            replies.push(passes_on.passes());
        }
    }
    Script::of(replies).otherwise("{agent} heard it")
}
