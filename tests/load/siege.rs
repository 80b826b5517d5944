//! Everything hostile at once, beside a group that talks: providers without end and providers that misbehave over four
//! protocols, files that are none, two thousand clients of the socket, an owner that is suspended, files that are
//! removed.
//!
//! What is lost, the keys and the second in which a cancel and SIGTERM work are asserted, and in a release build the
//! memory; the pace is printed, because it is that of whatever else the machine does. The attackers run on threads that
//! give way to all others, and a hostile group is spoken to after a pause: in earnest they are other machines, which take
//! none of the time of this one's processors beyond what the program spends on them. Servers without end send as fast
//! as they are read.

#[path = "siege/attack.rs"]
mod attack;
#[path = "siege/crowd.rs"]
mod crowd;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nightdesk::testing::domain::change::ChangeKind;
use nightdesk::testing::domain::{Change, Content, Conversation, ConversationId, Group, GroupId, RunId, RunState};
use nightdesk::testing::engine::Handle;
use nightdesk::testing::engine::Options;
use nightdesk::testing::engine::handle::Subscription;
use nightdesk::testing::engine::protocol::{Filter, Recipient, Reply, Request, Update};
use nightdesk::testing::engine::session::Session;
use nightdesk::testing::store::{self, Store};
use rustix::process::Signal;
use strum::IntoEnumIterator as _;
use tokio::runtime::Runtime;

use crate::support::shell::{DEADLINE, Running, Shell};
use crate::support::wire::{Behaviour, Protocol, WireServer};
use attack::Attack;

/// The promised limits.
const MEMORY_MIB: u64 = 128;
const PACE: f64 = 2.0;
/// A second; a debug build beside other tests gets two more.
const AT_ONCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3 } else { 1 });

/// The least time between two messages to a hostile group.
const BETWEEN: Duration = Duration::from_millis(50);

/// How much of everything.
#[derive(Clone, Copy)]
struct Size {
    alone: Duration,
    beside: Duration,
    clients: usize,
}

const SMALL: Size = Size { alone: Duration::from_secs(1), beside: Duration::from_secs(4), clients: 200 };
const WHOLE: Size = Size { alone: Duration::from_secs(10), beside: Duration::from_secs(40), clients: 2_000 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_siege_loses_nothing_and_tells_no_key() {
    let _alone = crate::ALONE.lock().await;
    siege(SMALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute"]
async fn a_siege_of_a_minute_loses_nothing_and_tells_no_key() {
    let _alone = crate::ALONE.lock().await;
    siege(WHOLE).await;
}

/// The key of a provider: it has characters that nothing else has.
fn key(provider: &str) -> String {
    format!("sk-{provider}-Zq7Xw9Kv3Rt5")
}

fn name(protocol: Protocol) -> &'static str {
    protocol.into()
}

/// What every group is: its agents' provider, and how many there are.
fn team(group: &str, agents: &[(&str, &str)]) -> String {
    let names: Vec<&str> = agents.iter().map(|(agent, _)| *agent).collect();
    let tables = agents.iter().map(|(agent, model)| format!("[[agent]]\nname = {agent:?}\nmodel = {model:?}\n"));
    let head = format!("[group]\nname = {group:?}\nmanager_type = \"round_robin\"\nmembers = {names:?}\n");
    tables.fold(head, |text, table| text + &table)
}

/// Makes this thread give way to all others.
fn give_way() {
    // Where it cannot be done, the figures are worse.
    let _ = rustix::process::nice(19);
}

/// The servers, and the program under siege.
struct Desk {
    shell: Shell,
    work: Option<Running>,
    _servers: Vec<WireServer>,
    /// Where the attackers run.
    hostile: Option<Runtime>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(hostile) = self.hostile.take() {
            hostile.shutdown_background();
        }
    }
}

impl Desk {
    async fn start() -> Self {
        let shell = Shell::new();
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        let hostile = threads.worker_threads(2).enable_all().on_thread_start(give_way).build().unwrap();
        let mut servers = Vec::new();
        let mut config = Vec::new();
        let mut provider = |name: &str, protocol: Protocol, server: WireServer, step_timeout: u32| {
            config.push(format!(
                "[provider.{name}]\nkind = \"{}\"\nbase_url = \"{}\"\nkey_env = \"KEY_{name}\"\nstep_timeout = {step_timeout}\n",
                crate::siege::name(protocol),
                server.base_url(),
            ));
            servers.push(server);
        };
        let words = || ["I ", "say ", "what ", "I ", "think."].map(str::to_owned).to_vec();
        let good = move |_: &_| Behaviour::Text { chunks: words(), delay: Duration::ZERO };
        provider("good", Protocol::OpenAi, WireServer::start(Protocol::OpenAi, good).await, 60);
        let drip = |_: &_| Attack::Drip.behaviour(Protocol::OpenAi);
        let drip = hostile.spawn(WireServer::start(Protocol::OpenAi, drip)).await.unwrap();
        provider("drip", Protocol::OpenAi, drip, 600);
        for protocol in Protocol::iter() {
            let (attacks, next) = (Attack::all(protocol), AtomicUsize::new(0));
            let script = move |request: &_| {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                // A stride, so that like and like are apart.
                attacks[nth * 37 % attacks.len()].answer(protocol, request, &key(name(protocol)), nth as u64)
            };
            let server = hostile.spawn(WireServer::start(protocol, script)).await.unwrap();
            provider(name(protocol), protocol, server, 3);
        }
        let pipe = shell.path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        std::os::unix::fs::symlink("/dev/zero", shell.path("zero")).unwrap();
        config.push(format!(
            "[provider.pipe]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\nkey_file = \"{}\"\n",
            pipe.display()
        ));
        std::fs::create_dir_all(shell.path("config/nightdesk")).unwrap();
        shell.write("config/nightdesk/config.toml", &config.concat());
        let desk = Self { shell, work: None, _servers: servers, hostile: Some(hostile) };
        desk.apply(&team("talk", &[("ann", "good/m"), ("bob", "good/m")]));
        desk.apply(&team("drip", &[("ann", "drip/m")]));
        for protocol in Protocol::iter() {
            let model = format!("{}/m", name(protocol));
            desk.apply(&team(name(protocol), &[("ann", &model)]));
        }
        let files = [("zero", "scripted/zero"), ("fifo", "scripted/pipe"), ("key", "pipe/m")];
        desk.apply(&team("files", &files));
        desk
    }

    fn apply(&self, team: &str) {
        let path = self.shell.write("team.toml", team);
        self.shell.ok(&["apply", &path, "--allow-outside"]);
    }

    /// Starts the program with every provider's key, and waits until it listens.
    fn work(&mut self) {
        let mut command = self.shell.command(&["work"]);
        let names = Protocol::iter().map(name).chain(["good", "drip"]);
        command.envs(names.map(|name| (format!("KEY_{name}"), key(name))));
        let work = Running::start(command);
        let listens = |shell: &Shell| std::os::unix::net::UnixStream::connect(shell.socket()).ok();
        self.shell.until("work listens", listens);
        self.work = Some(work);
    }

    fn owner(&self) -> &Running {
        self.work.as_ref().unwrap()
    }

    /// Waits for the program's end: its exit code and how long that took.
    fn ended(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let work = RefCell::new(self.work.take().unwrap());
        let code = self.shell.until("it ends", |_| work.borrow_mut().child.try_wait().unwrap());
        (code.code(), begun.elapsed())
    }

    async fn join(&self) -> Handle {
        let setup = || Err("the program does not run".into());
        let store = self.shell.store();
        let session =
            Session::open::<Box<dyn std::error::Error + Send + Sync>>(&store, Options::default(), false, setup);
        session.await.unwrap().handle().clone()
    }
}

/// Somebody who says one thing after the other to a group, and waits each time until its turn is over.
struct Talker {
    handle: Handle,
    group: GroupId,
    following: Subscription,
    /// What was acknowledged.
    sent: Vec<RunId>,
}

impl Talker {
    async fn new(desk: &Desk, group: &str) -> Self {
        let handle = desk.join().await;
        let now = handle.overview().await.unwrap();
        let group = now.groups.iter().find(|one| one.name == group).unwrap().id.clone();
        let filter = Filter { kinds: vec![ChangeKind::RunMoved], live: false, ..Filter::default() };
        let following = handle.follow_some(now.upto, filter).await.unwrap();
        Self { handle, group, following, sent: Vec::new() }
    }

    async fn send(&mut self) -> (RunId, ConversationId) {
        let text = format!("hello {}", self.sent.len());
        let sent = self.handle.ask(Request::Send { to: Recipient::Group(self.group.clone()), text }).await.unwrap();
        let Reply::Sent { run, conversation, .. } = sent else { panic!("{sent:?}") };
        self.sent.push(run.clone());
        (run, conversation)
    }

    async fn until_over(&mut self, run: &RunId) {
        let over =
            |change: &Change| matches!(change, Change::RunMoved { id, to: RunState::Finished { .. } } if id == run);
        loop {
            let Update::Committed { changes, .. } = self.following.next().await.unwrap() else { continue };
            if changes.iter().any(|entry| over(&entry.change)) {
                return;
            }
        }
    }

    /// Lets turns follow each other for so long, with a pause after each. Returns how long each took, in ms.
    async fn talk(&mut self, time: Duration, pause: Duration) -> Vec<f64> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            let before = Instant::now();
            let (run, _) = self.send().await;
            self.until_over(&run).await;
            took.push(before.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(pause).await;
        }
        took
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

async fn siege(size: Size) {
    let mut desk = Desk::start().await;
    desk.work();
    let mut good = Talker::new(&desk, "talk").await;
    let alone = good.talk(size.alone, Duration::ZERO).await;

    // The attackers: groups whose models misbehave, clients of the socket, commands on files that are none.
    let ends = Arc::new(AtomicBool::new(false));
    let mut hostile = Vec::new();
    for group in Protocol::iter().map(name).chain(["files"]) {
        let mut talker = Talker::new(&desk, group).await;
        hostile.push(desk.hostile.as_ref().unwrap().spawn(async move {
            let turns = talker.talk(size.beside, BETWEEN).await.len();
            (talker.sent, turns)
        }));
    }
    let mut dripping = Talker::new(&desk, "drip").await;
    let clients = crowd::start(desk.shell.socket(), size.clients, size.beside, Arc::clone(&ends));
    let beside = good.talk(size.beside, Duration::ZERO).await;

    // A cancel in the middle of it.
    let (run, conversation) = dripping.send().await;
    let live = dripping.handle.follow(dripping.handle.overview().await.unwrap().upto).await;
    until_live(&mut live.unwrap()).await;
    let before = Instant::now();
    dripping.handle.ask(Request::Cancel { conversation }).await.unwrap();
    dripping.until_over(&run).await;
    let cancel = before.elapsed();

    let mut sent = BTreeMap::new();
    let mut hostile_turns = 0;
    for task in hostile {
        let (runs, turns) = tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
        hostile_turns += turns;
        sent.extend(runs.into_iter().map(|run| (run, "hostile")));
    }
    ends.store(true, Ordering::Relaxed);
    let clients = clients.join().unwrap();
    let refused = hostile_files(&desk.shell);

    // An owner that is suspended is named; what was given up is not carried out.
    desk.owner().signal(Signal::STOP);
    let told = desk.shell.refused(&["send", "talk", "given up"]);
    assert!(told.contains("is suspended"), "{told}");
    desk.owner().signal(Signal::CONT);
    let (run, _) = good.send().await;
    good.until_over(&run).await;

    // SIGTERM in the middle of an answer that drips.
    dripping.send().await;
    let peak = desk.owner().peak();
    desk.owner().signal(Signal::TERM);
    let (code, term) = desk.ended();
    assert_eq!(code, Some(0));

    removed_files(&mut desk).await;
    sent.extend(good.sent.iter().chain(&dripping.sent).cloned().map(|run| (run, "good")));
    let lost = lost(&desk.shell.store(), &sent).await;
    sound(&desk.shell);
    let told = told_keys(&desk.shell);

    let (turns, before, after) = (beside.len(), median(alone.clone()), median(beside));
    println!(
        "siege of {} s: {} turns alone, {turns} beside {hostile_turns} hostile ones, {clients} clients and {refused} hostile \
         files; median {before:.1} ms alone, {after:.1} ms beside, {:.1} times (wanted {PACE}); at most {peak} MiB (limit \
         {MEMORY_MIB}); {lost} of {} lost; cancel {:.0} ms, SIGTERM {:.0} ms",
        size.beside.as_secs(),
        alone.len(),
        after / before,
        sent.len(),
        cancel.as_secs_f64() * 1e3,
        term.as_secs_f64() * 1e3,
    );
    assert_eq!(lost, 0);
    assert_eq!(told, [""; 0], "files with a key in them");
    // The promise is that of a release build; one without optimisation is larger, and only prints its figure.
    assert!(cfg!(debug_assertions) || peak < MEMORY_MIB, "{peak} MiB");
    assert!(cancel < AT_ONCE && term < AT_ONCE, "cancel {cancel:?}, SIGTERM {term:?}");
}

/// The file is whole and its log replays to its tables; that the models cannot be asked is no matter here.
fn sound(shell: &Shell) {
    let report = shell.run(&["doctor", "--deep", "--json"]).out;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let checks = report["checks"].as_array().unwrap();
    for name in ["store", "log"] {
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!(check["ok"], true, "{check}");
    }
}

async fn until_live(following: &mut Subscription) {
    while !matches!(following.next().await.unwrap(), Update::Live(_)) {}
}

/// Commands on pipes, devices and links: each is refused at once. Returns how many.
fn hostile_files(shell: &Shell) -> usize {
    let at = |name: &str| shell.path(name).display().to_string();
    let (pipe, zero) = (at("pipe"), at("zero"));
    let prompt = shell.write(
        "prompt.toml",
        &team("files", &[("zero", "scripted/zero")]).replace("[[agent]]\n", "[[agent]]\nsystem_file = \"pipe\"\n"),
    );
    let outside = shell.write("outside.toml", &team("files", &[("zero", "scripted//dev/zero")]));
    let commands: [&[&str]; 6] = [
        &["apply", &pipe],
        &["apply", &zero],
        &["apply", &prompt],
        &["apply", &outside],
        &["--store", &pipe, "group", "list"],
        &["--store", &zero, "send", "talk", "hello"],
    ];
    for command in commands {
        let begun = Instant::now();
        let ended = shell.run(command);
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{command:?} took {:?}", begun.elapsed());
    }
    commands.len()
}

/// Removes the socket, the lock and the log below an owner. Without the socket it keeps the store; without one of the
/// others it ends.
async fn removed_files(desk: &mut Desk) {
    let beside = |desk: &Desk, ending: &str| format!("{}{ending}", desk.shell.store().display());
    desk.work();
    std::fs::remove_file(desk.shell.socket()).unwrap();
    let told = desk.shell.refused(&["send", "talk", "hello"]);
    assert!(told.contains(&format!("process {} ", desk.owner().child.id())), "{told}");
    desk.owner().signal(Signal::KILL);
    desk.ended();
    for ending in [".lock", "-wal"] {
        desk.work();
        let mut talker = Talker::new(desk, "talk").await;
        talker.talk(Duration::from_millis(1), Duration::ZERO).await;
        std::fs::remove_file(beside(desk, ending)).unwrap();
        assert_eq!(desk.ended().0, Some(1), "without {ending}");
        let sent = talker.sent.iter().cloned().map(|run| (run, ending)).collect();
        assert_eq!(lost(&desk.shell.store(), &sent).await, 0, "without {ending}");
    }
}

/// How many of the runs that were acknowledged are not in the log, or have not said their message once.
async fn lost(path: &Path, sent: &BTreeMap<RunId, &str>) -> usize {
    let store = Store::open_read_only(path, store::Options::default()).unwrap();
    let mut created = BTreeMap::<RunId, usize>::new();
    let mut after = 0;
    loop {
        let page = store.log(after, 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.n;
        for entry in page {
            if let Change::RunCreated(run) = entry.change {
                *created.entry(run.id).or_default() += 1;
            }
        }
    }
    let mut said = BTreeMap::<RunId, usize>::new();
    for group in store.all::<Group>().await.unwrap().rows {
        for talk in store.find::<Conversation>(group.id.as_str()).await.unwrap() {
            for message in store.messages(&talk.id, 1, u64::MAX).await.unwrap() {
                if let (Content::Text { .. }, Some(_), Some(run)) = (&message.content, &message.person, message.run) {
                    *said.entry(run).or_default() += 1;
                }
            }
        }
    }
    sent.keys().filter(|run| created.get(run) != Some(&1) || said.get(run).is_some_and(|count| *count != 1)).count()
}

/// The files that hold a key in any of its forms.
fn told_keys(shell: &Shell) -> Vec<String> {
    let needles: Vec<String> = attack::forms("Xw9Kv3Rt").iter().map(|form| letters(form.as_bytes())).collect();
    let mut found = Vec::new();
    let mut open = ["data", "config", "state"].map(|dir| shell.path(dir)).to_vec();
    let mut read = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            read += 1;
            let text = letters(&std::fs::read(&path).unwrap());
            let has = needles.iter().filter(|needle| text.contains(*needle));
            found.extend(has.map(|needle| format!("{needle}: {}", path.display())));
        }
    }
    assert!(read >= 3, "the store, the configuration and the log");
    found
}

/// The ASCII letters and digits of some bytes, in lower case.
fn letters(bytes: &[u8]) -> String {
    bytes.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}
