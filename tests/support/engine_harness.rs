//! A team in a temporary store with an engine on scripted models: what most engine tests start from.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::invariants;
use super::script::Script;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use nightdesk::testing::config::{Care, Config};
use nightdesk::testing::domain::block::DEFAULT_LIMIT;
use nightdesk::testing::domain::{
    Agent, AgentId, Basis, Block, BlockId, BlockOwner, Change, Commit, Content, Conversation, ConversationId, Editor,
    Group, GroupId, Ids, Job, JobId, ManagerType, Message, NoticeKind, Rule, Run, RunId, RunState, Sleeptime,
    TriggerSpec,
};
use nightdesk::testing::engine::protocol::{LiveUpdate, Overview, Recipient, Reply, Request, RequestError, Update};
use nightdesk::testing::engine::{Engine, Handle, Options};
use nightdesk::testing::llm::scripted::Scripted;
use nightdesk::testing::llm::{ChatModel, Delta, ModelError, Models, Prompt};
use nightdesk::testing::store::{self, Clock, Lane, Mode, Observer, Store};
use nightdesk::testing::tools::ToolRegistry;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Seeds the interleaving of every test that has no seed of its own.
const SEED: &str = "NIGHTDESK_YIELDS";

/// Time that moves with the runtime's clock, so that a paused test pauses both; the wall clock can be set besides.
pub struct RuntimeClock {
    base: Mutex<Timestamp>,
    start: tokio::time::Instant,
    /// Tells that the wall clock was set.
    set: tokio::sync::watch::Sender<()>,
}

impl RuntimeClock {
    pub fn new() -> Self {
        let base = Mutex::new("2026-05-01T09:00:00Z".parse().unwrap());
        Self { base, start: tokio::time::Instant::now(), set: tokio::sync::watch::Sender::new(()) }
    }

    /// Sets the wall clock forward, or back.
    pub fn set(&self, by: SignedDuration) {
        *self.base.lock().unwrap() += by;
        self.set.send_replace(());
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        *self.base.lock().unwrap() + self.start.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        let mut set = self.set.subscribe();
        let left = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
        Box::pin(async move {
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = set.changed() => {}
            }
        })
    }
}

/// Lets other tasks run around every call of the store, a number of times that follows from the seed.
struct Yields {
    rng: Mutex<StdRng>,
    inner: Option<Arc<dyn Observer>>,
}

impl Observer for Yields {
    fn commit(&self, lane: Lane, commit: &Commit) {
        if let Some(inner) = &self.inner {
            inner.commit(lane, commit);
        }
    }

    fn read(&self, lane: Lane) {
        if let Some(inner) = &self.inner {
            inner.read(lane);
        }
    }

    fn yields(&self) -> u32 {
        let mut rng = self.rng.lock().unwrap();
        // Mostly a few, and now and then so many that another task makes a whole step meanwhile.
        match rng.random_range(0..16) {
            0..8 => 0,
            8..15 => rng.random_range(1..4),
            _ => rng.random_range(4..64),
        }
    }
}

/// The store, its engine and a handle to it.
pub struct World {
    pub setting: Setting,
    pub engine: Arc<Engine>,
    pub handle: Handle,
}

/// What stays when the engine ends.
#[derive(Clone)]
pub struct Setting {
    pub dir: Arc<tempfile::TempDir>,
    pub clock: Arc<RuntimeClock>,
    ids: Ids,
    toolbox: ToolRegistry,
    options: Options,
    max_parallel: u32,
    mode: Mode,
    config: Config,
    chat: Option<Arc<dyn ChatModel>>,
    also: &'static [&'static str],
    observer: Option<Arc<dyn Observer>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A model call as the model saw it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: tokio::time::Instant,
    pub prompt: Prompt,
}

/// A model, which keeps what it is asked.
struct Recorder {
    chat: Arc<dyn ChatModel>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ChatModel for Recorder {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        self.asked.lock().unwrap().push(Asked { at: tokio::time::Instant::now(), prompt: prompt.clone() });
        self.chat.stream(prompt)
    }
}

/// What a world is made from.
pub struct Plan {
    pub script: Script,
    pub manager_type: ManagerType,
    pub members: &'static [&'static str],
    pub manager: Option<&'static str>,
    pub background: &'static [&'static str],
    pub every_turns: Option<u32>,
    pub idle: Option<u32>,
    pub triggers: Vec<TriggerSpec>,
    pub max_turns: Option<u32>,
    pub toolbox: ToolRegistry,
    pub options: Options,
    /// What every agent asks for.
    pub tools: &'static [&'static str],
    /// The rules of every agent.
    pub rules: Vec<Rule>,
    /// What else the group sets; its members, manager, blocks and background are taken from here.
    pub group: Option<Group>,
    pub max_steps: Option<u32>,
    /// Calls of the scripted provider at once.
    pub max_parallel: u32,
    /// Where the store works: inline for a paused clock.
    pub mode: Mode,
    /// Every agent's model; `None` means the script.
    pub model: Option<&'static str>,
    /// Answers in the place of the script.
    pub chat: Option<Arc<dyn ChatModel>>,
    /// Further names under which it answers, of providers in the configuration.
    pub also: &'static [&'static str],
    pub config: Config,
    /// Sees the commits and reads of the store.
    pub observer: Option<Arc<dyn Observer>>,
    /// Seeds the interleaving of tasks; `None` means that a call of the store lets no other task run.
    pub yields: Option<u64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            script: Script::always("{agent} heard {last}"),
            manager_type: ManagerType::RoundRobin,
            members: &["ann", "bob", "cid"],
            manager: None,
            background: &[],
            every_turns: None,
            idle: None,
            triggers: Vec::new(),
            max_turns: None,
            toolbox: ToolRegistry::default(),
            options: Options { seed: Some(1), ..Options::default() },
            tools: &["ask_person"],
            rules: Vec::new(),
            group: None,
            max_steps: None,
            max_parallel: 50,
            mode: Mode::Inline,
            model: None,
            chat: None,
            also: &[],
            config: Config { care: Care::off(), ..Config::default() },
            observer: None,
            yields: std::env::var(SEED).ok().map(|seed| seed.parse().expect("a number")),
        }
    }
}

pub fn group_id() -> GroupId {
    GroupId::from("group-test")
}

pub fn agent_id(name: &str) -> AgentId {
    AgentId(format!("agent-{name}"))
}

pub fn story() -> BlockId {
    BlockId::from("block-story")
}

impl World {
    /// A fresh store with this team, and its engine.
    pub async fn new(plan: Plan) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("script.toml"), plan.script.to_toml()).unwrap();
        let clock = Arc::new(RuntimeClock::new());
        let changes = team(&plan, &dir.path().join("script.toml"), clock.now());
        let setting = Setting {
            dir,
            clock,
            ids: Ids::seeded(1),
            toolbox: plan.toolbox,
            options: plan.options,
            max_parallel: plan.max_parallel,
            mode: plan.mode,
            config: plan.config,
            chat: plan.chat,
            also: plan.also,
            observer: match plan.yields {
                Some(seed) => {
                    let rng = Mutex::new(StdRng::seed_from_u64(seed));
                    Some(Arc::new(Yields { rng, inner: plan.observer }))
                }
                None => plan.observer,
            },
            asked: Arc::default(),
        };
        let world = Self::open(setting).await;
        world.apply(changes).await.unwrap();
        world
    }

    async fn open(setting: Setting) -> Self {
        let mut opened = store::Options {
            mode: setting.mode,
            // Nothing here cuts the power.
            synchronous: store::Synchronous::Normal,
            clock: Arc::<RuntimeClock>::clone(&setting.clock),
            ids: setting.ids.clone(),
            ..store::Options::default()
        };
        if let Some(observer) = &setting.observer {
            opened.observer = Arc::clone(observer);
        }
        let store = Store::open(&setting.dir.path().join("desk.db"), opened).unwrap();
        let config = setting.config.clone();
        let models = Models::new(config.clone(), |_| None);
        let path = setting.dir.path().join("script.toml");
        let chat = setting.chat.clone().unwrap_or_else(|| Arc::new(Scripted::load(&path).unwrap()));
        let recorder = Arc::new(Recorder { chat, asked: Arc::clone(&setting.asked) });
        models.bring(&format!("scripted/{}", path.display()), Arc::<Recorder>::clone(&recorder), setting.max_parallel);
        for name in setting.also {
            models.bring(name, Arc::<Recorder>::clone(&recorder), setting.max_parallel);
        }
        let engine =
            Engine::start(store, &config, models, setting.toolbox.clone(), setting.options.clone()).await.unwrap();
        let handle = Handle::local(Arc::clone(&engine));
        Self { setting, engine, handle }
    }

    /// Ends the engine without a word, as a kill would, and starts another on the same store.
    pub async fn restart(self) -> Self {
        self.restart_after(Duration::ZERO).await
    }

    /// The same, with some time in between.
    pub async fn restart_after(self, pause: Duration) -> Self {
        let Self { setting, engine, handle } = self;
        engine.abort().await;
        drop((engine, handle));
        tokio::time::advance(pause).await;
        Self::open(setting).await
    }

    /// Ends the engine in order, as a person does, and starts another on the same store.
    pub async fn stop_and_start(self) -> Self {
        let Self { mut setting, engine, handle } = self;
        engine.stop().await;
        drop((engine, handle));
        setting.options.after_crash = false;
        let world = Self::open(setting).await;
        Self {
            setting: Setting {
                options: Options { after_crash: true, ..world.setting.options.clone() },
                ..world.setting
            },
            ..world
        }
    }

    /// Another engine on the same store, as a program that found no lock would start it.
    pub async fn beside(&self) -> Self {
        Self::open(self.setting.clone()).await
    }

    /// Sets the wall clock forward, or back.
    pub fn set_clock(&self, by: SignedDuration) {
        self.setting.clock.set(by);
    }

    /// The end of every test: nothing is left half done, no place is held, and the log folds to the tables (F16).
    pub async fn close(self) {
        let was_idle = self.engine.is_idle();
        self.engine.stop().await;
        invariants::assert_quiet(&self.engine, was_idle).await;
        invariants::assert_sound(self.store()).await;
    }

    /// The model calls so far, in order.
    pub fn asked(&self) -> Vec<Prompt> {
        self.setting.asked.lock().unwrap().iter().map(|asked| asked.prompt.clone()).collect()
    }

    /// The same with the moment of each.
    pub fn asked_at(&self) -> Vec<Asked> {
        self.setting.asked.lock().unwrap().clone()
    }

    /// What this agent was asked, in order.
    pub fn asked_of(&self, agent: &str) -> Vec<Prompt> {
        self.asked().into_iter().filter(|prompt| prompt.agent == agent).collect()
    }

    /// When this agent was asked, in seconds between one call and the next.
    pub fn waits_of(&self, agent: &str) -> Vec<Duration> {
        let asked = self.setting.asked.lock().unwrap();
        let times: Vec<_> = asked.iter().filter(|asked| asked.prompt.agent == agent).map(|asked| asked.at).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Waits until no task is at work.
    pub async fn idle(&self) {
        let wait = async {
            while !self.engine.is_idle() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_hours(12), wait).await.expect("it is never idle");
    }

    pub fn store(&self) -> &Store {
        self.engine.store()
    }

    pub async fn ask(&self, request: Request) -> Result<Reply, RequestError> {
        self.handle.ask(request).await
    }

    /// Applies changes that rest on the rows as they are now.
    pub async fn apply(&self, changes: Vec<Change>) -> Result<Reply, RequestError> {
        let read = read_by(self.store(), &changes).await;
        self.ask(Request::Apply { changes, read }).await
    }

    /// Sends to the group and waits for the turn's end.
    pub async fn send(&self, text: &str) -> Run {
        let run = self.post(text).await;
        self.finished(&run).await
    }

    /// Sends to the group.
    pub async fn post(&self, text: &str) -> RunId {
        let to = Recipient::Group(group_id());
        match self.ask(Request::Send { to, text: text.to_owned() }).await.unwrap() {
            Reply::Sent { run, .. } => run,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the run is over.
    pub async fn finished(&self, id: &RunId) -> Run {
        self.when(async |world| world.store().row::<Run>(id.as_str()).await.unwrap().filter(Run::is_finished)).await
    }

    /// Waits until the run is in this state.
    pub async fn in_state(&self, id: &RunId, state: RunState) -> Run {
        self.when(async |world| world.store().row::<Run>(id.as_str()).await.unwrap().filter(|run| run.state == state))
            .await
    }

    /// Waits until the newest job is final.
    pub async fn job_over(&self) -> Job {
        self.when(async |world| {
            let jobs = world.store().jobs(None, 1).await.unwrap().rows;
            jobs.into_iter().next().filter(|job| job.state.is_final())
        })
        .await
    }

    /// Waits until no turn is unfinished and no mail is under way.
    pub async fn at_rest(&self) {
        self.when(async |world| world.is_at_rest().await.then_some(())).await;
        self.idle().await;
    }

    /// True if no turn is unfinished and no mail under way.
    pub async fn is_at_rest(&self) -> bool {
        let head = *self.store().head().borrow();
        let pending = self.store().has_pending_mail().await.unwrap();
        let turns = self.store().turn_runs().await.unwrap();
        // Both looks were at one state only if nothing was committed between them.
        !pending && turns.is_empty() && head == *self.store().head().borrow()
    }

    /// Looks after every update until there is something.
    pub async fn when<T>(&self, look: impl AsyncFn(&Self) -> Option<T>) -> T {
        let mut following = self.handle.follow(*self.store().head().borrow()).await.unwrap();
        let wait = async {
            loop {
                if let Some(found) = look(self).await {
                    return found;
                }
                following.next().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_hours(12), wait).await.expect("it never came to that")
    }

    /// Waits until live text of this agent is on the screens.
    pub async fn speaking(&self, name: &str) {
        self.live(|live| live.name == name && !live.text.is_empty()).await;
    }

    /// Waits until the screens show this of a step.
    pub async fn live(&self, shows: impl Fn(&LiveUpdate) -> bool) {
        let mut following = self.handle.follow(*self.store().head().borrow()).await.unwrap();
        let wait = async {
            loop {
                if let Update::Live(live) = following.next().await.unwrap()
                    && shows(&live)
                {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_hours(12), wait).await.expect("it never came to that");
    }

    /// Waits until this many jobs are over; all of them, newest first.
    pub async fn jobs_over(&self, count: usize) -> Vec<Job> {
        self.when(async |world| {
            let jobs = world.jobs().await;
            (jobs.iter().filter(|job| job.state.is_final()).count() >= count).then_some(jobs)
        })
        .await
    }

    /// Every job, oldest first.
    pub async fn jobs(&self) -> Vec<Job> {
        let mut jobs = self.store().jobs(None, 10_000).await.unwrap().rows;
        jobs.reverse();
        jobs
    }

    pub async fn job(&self, id: &JobId) -> Job {
        self.store().row::<Job>(id.as_str()).await.unwrap().unwrap()
    }

    /// A person's edit, resting on the newest version.
    pub async fn edit(&self, change: impl Fn(&str) -> String) {
        let Block { version: base, value, .. } = self.block(&story()).await;
        let edit = Request::EditBlock { id: story(), base, value: change(&value), merge: true };
        self.ask(edit).await.unwrap();
    }

    /// Cancels what the group does: whether something ran, and what was queued.
    pub async fn cancel(&self) -> (bool, Vec<String>) {
        let conversation = self.conversation().await.id;
        match self.ask(Request::Cancel { conversation }).await.unwrap() {
            Reply::Cancelled { running, queued } => (running, queued),
            other => panic!("{other:?}"),
        }
    }

    pub async fn overview(&self) -> Overview {
        self.handle.overview().await.unwrap()
    }

    pub async fn conversation(&self) -> Conversation {
        self.store().find::<Conversation>(group_id().as_str()).await.unwrap().remove(0)
    }

    pub async fn messages(&self, conversation: &ConversationId) -> Vec<Message> {
        self.store().messages(conversation, 1, u64::MAX).await.unwrap()
    }

    /// The group's conversation, a line a message.
    pub async fn transcript(&self) -> Vec<String> {
        let talk = self.conversation().await;
        lines(&self.messages(&talk.id).await)
    }

    pub async fn block(&self, id: &BlockId) -> Block {
        self.store().row::<Block>(id.as_str()).await.unwrap().unwrap()
    }
}

/// Messages as compact lines; what a restart says about itself is left out.
pub fn lines(messages: &[Message]) -> Vec<String> {
    let name = |message: &Message| if message.agent.is_some() { message.name.clone() } else { "user".to_owned() };
    messages
        .iter()
        .filter_map(|message| match &message.content {
            Content::Text { text, cancelled, .. } => {
                Some(format!("{}: {text}{}", name(message), if *cancelled { " [cancelled]" } else { "" }))
            }
            Content::Tool { name: tool, ok, text, .. } => {
                let first = text.lines().next().unwrap_or_default();
                Some(format!("{} {tool} {}: {first}", name(message), if *ok { "ok" } else { "refused" }))
            }
            Content::Notice { notice: NoticeKind::Resumed, .. } => None,
            Content::Notice { text, .. } => Some(format!("({text})")),
        })
        .collect()
}

/// The rows that these changes replace or configure, as they are now.
pub async fn read_by(store: &Store, changes: &[Change]) -> Vec<Basis> {
    let mut read = Vec::new();
    for change in changes {
        let key = change.subject();
        read.extend(match change {
            Change::GroupPut(_) => store.row(key).await.unwrap().map(Basis::Group),
            Change::AgentPut(_) => store.row(key).await.unwrap().map(Basis::Agent),
            Change::BlockConfigured { .. } => store.row(key).await.unwrap().map(Basis::Block),
            _ => None,
        });
    }
    read
}

/// The changes that make the team.
pub fn team(plan: &Plan, script: &Path, now: Timestamp) -> Vec<Change> {
    let block = Block {
        id: story(),
        label: "story".to_owned(),
        description: "What we know so far".to_owned(),
        value: "The story so far\n- Launch: some time in spring".to_owned(),
        limit: DEFAULT_LIMIT,
        read_only: false,
        tags: Vec::new(),
        owner: BlockOwner::Group(group_id()),
        version: 1,
        editor: Editor::File,
        edited_at: now,
        from_file: None,
        access: Vec::new(),
        local_only: false,
    };
    let mut changes = vec![Change::BlockCreated(block)];
    for name in plan.members.iter().chain(&plan.manager).chain(plan.background) {
        changes.push(Change::AgentPut(Agent {
            model: Some(plan.model.map_or_else(|| format!("scripted/{}", script.display()), str::to_owned)),
            tools: plan.tools.iter().map(|tool| (*tool).to_owned()).collect(),
            rules: plan.rules.clone(),
            max_steps: plan.max_steps,
            ..Agent::new(agent_id(name), *name, group_id())
        }));
    }
    changes.push(Change::GroupPut(Group {
        members: plan.members.iter().map(|name| agent_id(name)).collect(),
        manager_agent: plan.manager.map(agent_id),
        max_turns: plan.max_turns,
        shared_blocks: vec![story()],
        sleeptime: (!plan.background.is_empty()).then(|| Sleeptime {
            every_turns: plan.every_turns,
            idle: plan.idle,
            triggers: plan.triggers.clone(),
            ..Sleeptime::new(plan.background.iter().map(|name| agent_id(name)).collect())
        }),
        ..plan.group.clone().unwrap_or_else(|| Group::new(group_id(), "test", plan.manager_type))
    }));
    changes
}
