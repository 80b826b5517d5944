//! The engine: runs turns, steps and jobs over the store.
//!
//! Requests come in and updates go out through the [`handle`]; everything durable is a commit. After each commit the
//! [`scheduler`] starts what is due: a [`turn`] performs the moves of its pattern; a [`speech`] and a manager's
//! [`speaker_selection`] run [`step`]s of their agent until a condition of [`termination`] holds; a job runs in the
//! [`background`]. The engine knows no face.
//!
//! After an error that is no model's, work goes on as [`errors`] decides.
//!
//! Each of these modules imports only modules listed before it: [`work`], [`candidates`], [`context`], [`progress`],
//! [`budget`], [`termination`], [`fallback`], [`call`], [`next`], [`step`], [`speech`], [`speaker_selection`], [`turn`], [`scheduler`].

pub mod alerts;
pub mod background;
pub mod budget;
pub mod call;
pub mod cancellation;
pub mod candidates;
pub mod care;
pub mod claim_order;
pub mod connection;
pub mod context;
pub mod copies;
pub mod directory;
pub mod errors;
pub mod event;
pub mod fallback;
pub mod follow;
pub mod handle;
pub mod lasting;
pub mod limits;
pub mod live;
pub mod mail;
pub mod next;
pub mod pending;
pub mod progress;
pub mod protocol;
pub mod read;
pub mod requests;
pub mod scheduler;
pub mod session;
pub mod socket;
pub mod sources;
pub mod span_clock;
pub mod speaker_selection;
pub mod speech;
pub mod step;
pub mod termination;
pub mod timers;
pub mod turn;
pub mod wait;
pub mod work;
pub mod worker;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::state::StoreMeta;
use crate::domain::status::Now;
use crate::domain::{
    Actor, AgentId, Change, Commit, Content, ConversationId, GroupId, Job, JobId, JobState, LogEntry, Message,
    MessageId, Person, PersonId, Run, RunId,
};
use crate::llm::Models;
use crate::store::{CommitError, Lane, Store};
use crate::tools::ToolRegistry;
use alerts::Alerts;
use care::CarePlan;
use connection::Program;
use errors::Told;
use follow::Subscriber;
use limits::{KeyedSemaphore, Permit};
use live::StreamingSteps;
use protocol::Filter;
use sources::Sources;
use span_clock::SpanClock;

pub use errors::EngineError;
pub use handle::Handle;

/// How an engine is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Run background jobs.
    pub jobs: bool,
    /// Whose turns the engine performs.
    pub scope: Scope,
    /// The file that [`protocol::Request::Reconfigure`] reads again; `None` ignores that request.
    pub config: Option<PathBuf>,
    /// The name of the person at this login, for a store that has nobody yet.
    pub person: String,
    /// Seed of the backoff delays; `None` seeds from the operating system.
    pub seed: Option<u64>,
    /// The previous owner of the store ended without releasing it: a job that it left running counts a crash (J7).
    pub after_crash: bool,
    /// What this program tells those that join it.
    pub program: Program,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: true,
            scope: Scope::All,
            config: None,
            person: "user".to_owned(),
            seed: None,
            after_crash: true,
            program: Program::default(),
        }
    }
}

/// Whose turns an engine performs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All turns.
    All,
    /// The turns of one group.
    Group(GroupId),
    /// The turns of one agent's direct conversation.
    Agent(AgentId),
    /// No turns: the engine only handles requests.
    Nobody,
}

/// The engine of a store. There is one per store: the caller holds the store's owner lock.
pub struct Engine {
    store: Store,
    spans: SpanClock,
    models: Models,
    tools: ToolRegistry,
    live: StreamingSteps,
    agents: KeyedSemaphore<AgentId>,
    providers: KeyedSemaphore<String>,
    tasks: Mutex<Tasks>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    rng: Mutex<StdRng>,
    default_model: RwLock<String>,
    /// Held from reading groups and agents until their new rows are committed, because a row is replaced as a whole.
    roster: tokio::sync::Mutex<()>,
    options: Options,
    epoch: u64,
    wake: Arc<Notify>,
    sources: Sources,
    alerts: Alerts,
    care: CarePlan,
    stop: CancellationToken,
    /// Why this program may not write to the store any more.
    lost: OnceLock<String>,
    told: Told,
}

/// The tasks of this program, with the tokens that cancel them.
#[derive(Debug, Default)]
struct Tasks {
    turns: HashMap<RunId, (ConversationId, CancellationToken)>,
    workers: HashMap<RunId, CancellationToken>,
    jobs: HashMap<JobId, JobTask>,
    /// How many jobs this program has started to claim.
    claims: u64,
    /// Agents kept by parked speeches, which have no task, but whose agents must not speak elsewhere, and by parts and
    /// workers that are committed and about to begin.
    kept: HashMap<RunId, Permit<AgentId>>,
    /// Runs and jobs, by id, whose end cannot be committed: nothing is tried with them until the program starts again.
    given_up: HashSet<String>,
    /// Jobs whose claim was refused, with the number of the last change at that time: a claim is tried again after
    /// another commit only.
    refused: HashMap<JobId, u64>,
}

/// The places an engine holds.
#[derive(Debug)]
pub struct Held {
    /// Parked speeches, and parts and workers about to begin, each of which keeps its agent.
    pub kept: Vec<RunId>,
    /// Places of agents that are held or waited for, those of parked speeches included.
    pub agents: usize,
    /// Model calls that are made or wait for their provider.
    pub calls: usize,
}

/// A job that runs in this program.
#[derive(Debug)]
struct JobTask {
    cancel: CancellationToken,
    /// The provider of its agent's model, empty for a model that is not configured; `None` for care of the store.
    provider: Option<String>,
}

impl Engine {
    /// Starts a new epoch of the store, recovers the runs and jobs of the previous owner, and spawns the driver.
    ///
    /// # Errors
    /// [`EngineError`] if reading or writing the store fails.
    pub async fn start(
        store: Store,
        config: &Config,
        models: Models,
        tools: ToolRegistry,
        options: Options,
    ) -> Result<Arc<Self>, EngineError> {
        let epoch = store.row::<StoreMeta>(StoreMeta::KEY).await?.unwrap_or_default().epoch + 1;
        let dice = options.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        let wake = Arc::new(Notify::new());
        let care = CarePlan::read(&store, &config.care).await?;
        let engine = Arc::new(Self {
            sources: Sources::new(Arc::clone(&wake)),
            spans: SpanClock::new(Arc::clone(store.clock())),
            store,
            models,
            tools,
            live: StreamingSteps::default(),
            agents: KeyedSemaphore::default(),
            providers: KeyedSemaphore::default(),
            tasks: Mutex::default(),
            handles: Mutex::default(),
            rng: Mutex::new(dice),
            default_model: RwLock::new(config.model.clone()),
            roster: tokio::sync::Mutex::default(),
            options,
            epoch,
            wake,
            alerts: Alerts::default(),
            care,
            stop: CancellationToken::new(),
            lost: OnceLock::new(),
            told: Told::default(),
        });
        let mut changes = vec![Change::EpochRaised { epoch }];
        let id = PersonId::local();
        if engine.store.row::<Person>(id.as_str()).await?.is_none() {
            changes.push(Change::PersonPut(Person { id, name: engine.options.person.clone() }));
        }
        engine.commit_as_engine(changes).await?;
        if engine.options.jobs {
            care::begin(&engine).await?;
        }
        Box::pin(scheduler::recover(&engine)).await?;
        let driver = tokio::spawn(scheduler::run(Arc::clone(&engine)));
        engine.track(driver);
        engine.alerts.configure(config);
        engine.spawn(alerts::run(Arc::clone(&engine)));
        Ok(engine)
    }

    /// Aborts all tasks, waits for them and hands their jobs back. Uncommitted work is lost; the next owner of the store
    /// repeats it.
    pub async fn stop(&self) {
        self.abort().await;
        if let Err(trouble) = background::hand_back_all(self).await {
            tracing::warn!("{trouble}; its jobs are not handed back");
        }
    }

    /// Aborts all tasks and waits for them, as a crash would: nothing is handed back.
    pub async fn abort(&self) {
        self.stop.cancel();
        loop {
            let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
            if handles.is_empty() {
                return;
            }
            for handle in handles {
                handle.abort();
                // The error only says that the task was aborted.
                let _ = handle.await;
            }
            // The driver may have spawned another task meanwhile.
        }
    }

    /// The store this engine works on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns a subscriber that receives what `filter` lets through of the changes after number `after`.
    #[must_use]
    pub fn follow(&self, after: u64, filter: Filter) -> Subscriber {
        let screen = filter.live.then(|| self.alerts.screen());
        Subscriber::new(self.store.clone(), self.live.clone(), after, filter).with_screen(screen)
    }

    /// True when this program is running no turn, worker or job.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let tasks = self.lock_tasks();
        tasks.turns.is_empty() && tasks.workers.is_empty() && tasks.jobs.is_empty()
    }

    /// The places that are held now.
    #[must_use]
    pub fn held(&self) -> Held {
        let kept = self.lock_tasks().kept.keys().cloned().collect();
        Held { kept, agents: self.agents.held(), calls: self.providers.held() }
    }

    /// The present moment, on both clocks.
    fn now(&self) -> Now {
        Now { span: self.spans.now(), wall: self.store.clock().now() }
    }

    fn default_model(&self) -> String {
        self.default_model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Exponential backoff with full jitter: a random delay from 0 to `first · 2^(attempt - 1)`.
    fn backoff(&self, first: Duration, attempt: u32) -> Duration {
        let most = first.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(Duration::ZERO..=most)
    }

    async fn commit(&self, lane: Lane, commit: Commit) -> Result<Vec<LogEntry>, EngineError> {
        Ok(self.store.commit(lane, commit).await?)
    }

    /// Commits `changes` as the engine. Returns `Ok` without committing if another commit came first.
    async fn commit_as_engine(&self, changes: Vec<Change>) -> Result<(), EngineError> {
        match self.commit(Lane::Foreground, Commit::new(Actor::Engine, changes)).await {
            Ok(_) | Err(EngineError::Moved) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// True for a job that this program has claimed.
    fn runs(&self, job: &Job) -> bool {
        job.state == JobState::Running { epoch: self.epoch }
    }

    async fn must_run(&self, id: &RunId) -> Result<Run, EngineError> {
        let run = self.store.row::<Run>(id.as_str()).await?;
        run.ok_or_else(|| EngineError::Refused(format!("run {id} no longer exists")))
    }

    /// Creates the next message of the run's conversation, with a new id and the current time.
    fn message(&self, run: &Run, content: Content) -> Message {
        Message::new(MessageId::fresh(self.store.ids()), run, content, self.store.clock().now())
    }

    /// Spawns a task that looks at the files beside the store when something happens to one of them, so that what was
    /// saved is not lost with a removed file even if nothing more is committed.
    fn watch_ground(self: &Arc<Self>) {
        let Ok(watch) = self.store.watch_ground() else { return };
        let engine = Arc::clone(self);
        self.spawn(async move {
            while watch.changed().await.is_ok() {
                let nothing = Commit::new(Actor::Engine, Vec::new());
                if let Err(CommitError::Store(fault)) = engine.store.commit(Lane::Foreground, nothing).await {
                    engine.report(&fault.into());
                    if engine.stop.is_cancelled() {
                        return;
                    }
                }
            }
        });
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.track(tokio::spawn(work));
    }

    fn track(&self, handle: JoinHandle<()>) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|handle| !handle.is_finished());
        handles.push(handle);
    }
}
