//! What turns cost, with the model inside: a benchmark. It prints and asserts nothing, because times are the machine's.
//!
//! Each figure stands beside the time that the disk takes for one fsync, measured in the same run.

#[path = "turns/model.rs"]
mod model;

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use nightdesk::testing::domain::{
    Agent, AgentId, Change, Content, Conversation, ConversationId, ConversationOwner, Group, GroupId, Ids, ManagerType,
    Message, MessageId, Priority, RunId, RunState, Sleeptime,
};
use nightdesk::testing::engine::protocol::{AgentForm, Recipient, Reply, Request, Update};
use nightdesk::testing::engine::{Engine, Handle, Options};
use nightdesk::testing::llm::Models;
use nightdesk::testing::store::{self, Store};
use nightdesk::testing::tools::ToolRegistry;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

use crate::support::load_team::fill;

/// How often each kind of turn is measured, after some that are not.
const ROUNDS: usize = 40;
const WARM: usize = 4;

/// An engine whose agents ask the local model.
struct Desk {
    engine: Arc<Engine>,
    handle: Handle,
    ends: Arc<Mutex<Ends>>,
    _dir: tempfile::TempDir,
}

/// The turns that are over, and who waits for one.
#[derive(Default)]
struct Ends {
    over: HashSet<RunId>,
    waiting: HashMap<RunId, oneshot::Sender<()>>,
}

impl Desk {
    async fn start(changes: &[Change], config: &nightdesk::testing::config::Config) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = dir.path().join("desk.db");
        fill(&path, changes).await;
        let store = Store::open(&path, store::Options::default()).unwrap();
        let models = Models::new(config.clone(), |_| None);
        let engine = Engine::start(store, config, models, ToolRegistry::default(), Options::default()).await.unwrap();
        let handle = Handle::local(Arc::clone(&engine));
        let ends = Arc::<Mutex<Ends>>::default();
        let mut following = handle.follow(*engine.store().head().borrow()).await.unwrap();
        let told = Arc::clone(&ends);
        tokio::spawn(async move {
            while let Ok(update) = following.next().await {
                let Update::Committed { changes, .. } = update else { continue };
                let mut ends = told.lock().unwrap();
                for logged in changes {
                    if let Change::RunMoved { id, to: RunState::Finished { .. } } = logged.change {
                        match ends.waiting.remove(&id) {
                            Some(waiting) => drop(waiting.send(())),
                            None => drop(ends.over.insert(id)),
                        }
                    }
                }
            }
        });
        Self { engine, handle, ends, _dir: dir }
    }

    /// A turn from the message to its end.
    async fn turn(&self, to: Recipient) {
        let text = "hello there".to_owned();
        let Reply::Sent { run, .. } = self.handle.ask(Request::Send { to, text }).await.unwrap() else { panic!() };
        self.over(&run).await;
    }

    async fn over(&self, run: &RunId) {
        let waiting = {
            let mut ends = self.ends.lock().unwrap();
            if ends.over.remove(run) {
                return;
            }
            let (tell, told) = oneshot::channel();
            ends.waiting.insert(run.clone(), tell);
            told
        };
        waiting.await.unwrap();
    }

    async fn end(self) {
        self.engine.stop().await;
    }
}

/// Seconds of all processors.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The time of one fsync behind a page, in milliseconds.
fn fsync() -> f64 {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut file = std::fs::File::create(dir.path().join("f")).unwrap();
    let mut times: Vec<f64> = (0..64)
        .map(|_| {
            let before = Instant::now();
            file.write_all(&[7; 4096]).unwrap();
            file.sync_data().unwrap();
            ms(before.elapsed())
        })
        .collect();
    median(&mut times)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Measures one thing again and again, and prints its wall, its CPU and its multiple of an fsync.
async fn measure(what: &str, fsync: f64, each: impl AsyncFn(usize)) -> f64 {
    for at in 0..WARM {
        each(at).await;
    }
    let (mut times, before) = (Vec::new(), cpu());
    for at in 0..ROUNDS {
        let begun = Instant::now();
        each(WARM + at).await;
        times.push(ms(begun.elapsed()));
    }
    let spent = (cpu() - before) * 1e3 / ROUNDS as f64;
    let wall = median(&mut times);
    println!("{what:<44} {wall:7.2} ms, CPU {spent:6.2} ms, {:5.1} fsyncs", wall / fsync);
    wall
}

fn agent(name: &str, group: &str) -> Change {
    Change::AgentPut(Agent { model: Some(model::MODEL.to_owned()), ..Agent::new(id(name), name, group.into()) })
}

fn id(name: &str) -> AgentId {
    AgentId(format!("agent-{name}"))
}

/// A group of these members, with what it sets besides.
fn group(name: &str, kind: ManagerType, members: &[&str], more: impl FnOnce(Group) -> Group) -> Vec<Change> {
    let key = format!("group-{name}");
    let mut changes: Vec<Change> = members.iter().map(|name| agent(name, &key)).collect();
    let members = members.iter().map(|name| id(name)).collect();
    changes.push(Change::GroupPut(more(Group { members, ..Group::new(GroupId(key), name, kind) })));
    changes
}

fn managed(name: &str, kind: ManagerType, manager: &str, members: &[&str], turns: Option<u32>) -> Vec<Change> {
    let mut changes = vec![agent(manager, &format!("group-{name}"))];
    let by = |group| Group { manager_agent: Some(id(manager)), max_turns: turns, ..group };
    changes.extend(group(name, kind, members, by));
    changes
}

/// A conversation with so many messages of 11 bytes.
fn talk(owner: ConversationOwner, messages: usize, ids: &Ids) -> Vec<Change> {
    let talk = Conversation::new(ConversationId::fresh(ids), owner);
    let said = |_| {
        let (id, content) = (MessageId::fresh(ids), Content::said("hello world"));
        Change::MessageAppended(Message::without_run(id, talk.id.clone(), content, jiff::Timestamp::UNIX_EPOCH))
    };
    std::iter::once(Change::ConversationOpened(talk.clone())).chain((0..messages).map(said)).collect()
}

/// The kinds of turns, each in a conversation of so many messages.
async fn kinds(messages: usize, config: &nightdesk::testing::config::Config, fsync: f64) -> Vec<f64> {
    let ids = Ids::seeded(5);
    let mut changes = group("robin", ManagerType::RoundRobin, &["r1", "r2", "r3"], |group| group);
    changes.extend(managed("crew", ManagerType::Supervisor, "boss", &["w1", "w2"], None));
    changes.extend(managed("panel", ManagerType::Dynamic, "chair", &["d1", "d2", "d3"], Some(3)));
    for name in ["robin", "crew", "panel"] {
        changes.extend(talk(ConversationOwner::Group(GroupId(format!("group-{name}"))), messages, &ids));
    }
    changes.extend(talk(ConversationOwner::Agent(id("r1")), messages, &ids));
    let desk = Desk::start(&changes, config).await;
    let to = |name: &str| Recipient::Group(GroupId(format!("group-{name}")));
    let mut walls = Vec::new();
    for (what, to) in [
        ("single", Recipient::Agent(id("r1"))),
        ("round robin of 3", to("robin")),
        ("supervisor with 2 workers", to("crew")),
        ("dynamic of 3", to("panel")),
    ] {
        let what = format!("{what}, {messages} messages");
        walls.push(measure(&what, fsync, async |_| desk.turn(to.clone()).await).await);
    }
    if messages < 1_000 {
        measure("creation of an agent", fsync, async |at| {
            let form = AgentForm { name: Some(format!("new{at}")), ..AgentForm::default() };
            desk.handle.ask(Request::CreateAgent { group: "group-robin".into(), form: Box::new(form) }).await.unwrap();
        })
        .await;
        measure("mail, sent to answered", fsync, async |_| {
            let (to, text) = (id("r2"), "hello".to_owned());
            let head = *desk.engine.store().head().borrow();
            let mut following = desk.handle.follow(head).await.unwrap();
            let mail = Request::SendMail { to, text, priority: Priority::Normal, expires_in: None, in_reply_to: None };
            let Reply::Mail(mail) = desk.handle.ask(mail).await.unwrap() else { panic!() };
            loop {
                let Update::Committed { changes, .. } = following.next().await.unwrap() else { continue };
                let run = changes.into_iter().find_map(|logged| match logged.change {
                    Change::MailMoved { id, run: Some(run), .. } if id == mail.id => Some(run),
                    _ => None,
                });
                if let Some(run) = run {
                    return desk.over(&run).await;
                }
            }
        })
        .await;
    }
    desk.end().await;
    walls
}

/// So many agents that talk for themselves, 50 in each group.
fn crowd(agents: usize) -> Vec<Change> {
    let names: Vec<String> = (0..agents).map(|at| format!("a{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let groups = names.chunks(50).enumerate();
    groups.flat_map(|(at, names)| group(&format!("crowd{at}"), ManagerType::RoundRobin, names, |group| group)).collect()
}

/// So many turns of each agent, all agents at once. Returns the turns a second.
async fn rounds(desk: &Arc<Desk>, agents: usize, turns: usize) -> f64 {
    let begun = Instant::now();
    let each = (0..agents).map(|at| {
        let desk = Arc::clone(desk);
        tokio::spawn(async move {
            for _ in 0..turns {
                desk.turn(Recipient::Agent(id(&format!("a{at}")))).await;
            }
        })
    });
    join_all(each).await;
    (agents * turns) as f64 / begun.elapsed().as_secs_f64()
}

fn status(key: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A conversation by itself, and one whose every turn leaves a job that runs beside the next.
async fn beside_jobs(config: &nightdesk::testing::config::Config, fsync: f64) {
    let mut walls = Vec::new();
    for jobs in [false, true] {
        let mut changes = vec![agent("keeper", "group-pair")];
        changes.extend(group("pair", ManagerType::RoundRobin, &["talker"], |group| Group {
            sleeptime: jobs.then(|| Sleeptime { every_turns: Some(1), ..Sleeptime::new(vec![id("keeper")]) }),
            ..group
        }));
        if !jobs {
            changes.retain(|change| !matches!(change, Change::AgentPut(agent) if agent.name == "keeper"));
        }
        let desk = Desk::start(&changes, config).await;
        let what = if jobs { "a reply beside the job of the turn before" } else { "a reply without jobs" };
        let turn = async |_| desk.turn(Recipient::Group("group-pair".into())).await;
        walls.push(measure(what, fsync, turn).await);
        desk.end().await;
    }
    println!("    {:+.0} % beside a job", (walls[1] / walls[0] - 1.0) * 100.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark of some minutes: cargo bench-turns"]
async fn bench_turns() {
    let _alone = crate::ALONE.lock().await;
    let (config, counts) = model::start().await;
    let fsync = fsync();
    println!("an fsync behind a page: {fsync:.2} ms");
    let short = kinds(100, &config, fsync).await;
    let long = kinds(100_000, &config, fsync).await;
    let grown: Vec<String> = short.iter().zip(&long).map(|(short, long)| format!("{:.2}", long / short)).collect();
    println!("    at 100,000 messages, times of those at 100: {}", grown.join(", "));

    for agents in [10, 50, 100] {
        let desk = Arc::new(Desk::start(&crowd(agents), &config).await);
        rounds(&desk, agents, 1).await;
        let rate = rounds(&desk, agents, 5).await;
        println!("{agents} agents at once: {rate:.0} turns a second, {:.2} ms a turn of one", 1e3 / rate);
        Arc::into_inner(desk).unwrap().end().await;
    }

    let desk = Arc::new(Desk::start(&crowd(50), &config).await);
    rounds(&desk, 50, 2).await;
    let first = rounds(&desk, 50, 20).await;
    let (threads, memory) = (status("Threads:"), status("RssAnon:"));
    println!("50 agents: {first:.0} turns a second at the start; {threads} threads, {memory} resident");
    rounds(&desk, 50, 160).await;
    let last = rounds(&desk, 50, 20).await;
    let memory = status("RssAnon:");
    println!("    {last:.0} turns a second after 200 turns each ({:.2} times), {memory} resident", last / first);
    Arc::into_inner(desk).unwrap().end().await;

    let groups = 1_000;
    let each = |at: usize| {
        let (name, member) = (format!("g{at}"), format!("a{at}"));
        group(&name, ManagerType::RoundRobin, &[&member], |group| group)
    };
    let desk = Arc::new(Desk::start(&(0..groups).flat_map(each).collect::<Vec<_>>(), &config).await);
    let begun = Instant::now();
    let turns = (0..groups).map(|at| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move { desk.turn(Recipient::Group(GroupId(format!("group-g{at}")))).await })
    });
    join_all(turns).await;
    let took = begun.elapsed().as_secs_f64();
    println!("{groups} groups, each with a turn: {took:.1} s, {:.0} turns a second", groups as f64 / took);
    Arc::into_inner(desk).unwrap().end().await;

    beside_jobs(&config, fsync).await;
    let (connections, requests) = (&counts.connections, &counts.requests);
    let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    println!("the model was connected to {} times for {} calls", count(connections), count(requests));
}
