//! The engine: runs, steps and background agents over the store.
//!
//! Commands come in and updates go out through the [`handle`]; everything durable is a commit. The
//! [`driver`] looks after each commit what is due and starts it: a [`turn`] performs its pattern's moves, a
//! [`speech`] and a manager's [`choice`] make their agent's [`step`]s as long as no condition of [`termination`]
//! holds, a job is worked off in the [`background`]. The engine knows no face.
//!
//! Of those, each imports only what stands before it: [`work`], [`candidates`], [`context`], [`termination`],
//! [`call`], [`step`], [`speech`], [`choice`], [`turn`], [`driver`].

pub mod answer;
pub mod background;
pub mod call;
pub mod candidates;
pub mod choice;
pub mod context;
pub mod directory;
pub mod driver;
pub mod ending;
pub mod event;
pub mod follow;
pub mod gates;
pub mod handle;
pub mod live;
pub mod mail;
pub mod pending;
pub mod read;
pub mod session;
pub mod socket;
pub mod speech;
pub mod step;
pub mod termination;
pub mod turn;
pub mod wait;
pub mod wire;
pub mod work;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::state::Desk;
use crate::domain::{
    Actor, AgentId, Change, Commit, Conflict, Content, ConversationId, GroupId, JobId, Logged, Message, MessageId, Run,
    RunId,
};
use crate::llm::Models;
use crate::store::{CommitError, Lane, Store, StoreError};
use crate::tools::Toolbox;
use follow::Follower;
use gates::{Gates, Place};
use live::Live;

pub use handle::Handle;

/// Until something is tried again after a fault of the store.
const AFTER_TROUBLE: Duration = Duration::from_secs(10);

/// What an engine is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether it runs background jobs.
    pub jobs: bool,
    /// Whose turns it performs.
    pub scope: Scope,
    /// Where the configuration is read again from.
    pub config: Option<PathBuf>,
    /// The seed of backoffs; `None` takes the operating system's randomness.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { jobs: true, scope: Scope::All, config: None, seed: None }
    }
}

/// Whose turns an engine performs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// One group's.
    Group(GroupId),
    /// One agent's direct talk.
    Agent(AgentId),
    /// Nobody's: it only does what it is asked.
    Nobody,
}

/// The engine of a store. One a store: who starts it holds the store's owner lock.
pub struct Engine {
    store: Store,
    models: Models,
    tools: Toolbox,
    live: Live,
    agents: Gates<AgentId>,
    providers: Gates<String>,
    tasks: Mutex<Tasks>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    dice: Mutex<StdRng>,
    default_model: RwLock<String>,
    /// Held from reading groups and agents to committing what becomes of them: such a row is put whole.
    roster: tokio::sync::Mutex<()>,
    options: Options,
    epoch: u64,
    wake: Notify,
    stop: CancellationToken,
}

/// What is being worked on in this program, and how to call it off.
#[derive(Debug, Default)]
struct Tasks {
    turns: HashMap<RunId, (ConversationId, CancellationToken)>,
    workers: HashMap<RunId, CancellationToken>,
    jobs: HashMap<JobId, CancellationToken>,
    /// Agents kept by speeches that are parked: a parked run has no task, but its agent speaks nowhere else.
    kept: HashMap<RunId, Place<AgentId>>,
}

/// Why the engine could not go on with something.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the commit rested on had moved on: somebody else's commit came first.
    #[error("somebody else's commit came first")]
    Moved,
    /// A commit made no sense as things stand.
    #[error("{0}")]
    Refused(String),
}

impl Engine {
    /// Takes the store into a new epoch, recovers what a former owner left and begins to work.
    pub async fn start(
        store: Store,
        config: &Config,
        models: Models,
        tools: Toolbox,
        options: Options,
    ) -> Result<Arc<Self>, Trouble> {
        let epoch = store.row::<Desk>(Desk::KEY).await?.unwrap_or_default().epoch + 1;
        let dice = options.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        let engine = Arc::new(Self {
            store,
            models,
            tools,
            live: Live::default(),
            agents: Gates::default(),
            providers: Gates::default(),
            tasks: Mutex::default(),
            handles: Mutex::default(),
            dice: Mutex::new(dice),
            default_model: RwLock::new(config.model.clone()),
            roster: tokio::sync::Mutex::default(),
            options,
            epoch,
            wake: Notify::new(),
            stop: CancellationToken::new(),
        });
        engine.commit_here(vec![Change::EpochRaised { epoch }]).await?;
        driver::recover(&engine).await?;
        let driver = tokio::spawn(driver::drive(Arc::clone(&engine)));
        engine.keep(driver);
        Ok(engine)
    }

    /// Stops: what is not committed is thrown away and will be made again, by whoever owns the store next.
    pub async fn stop(&self) {
        self.stop.cancel();
        loop {
            let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
            if handles.is_empty() {
                return;
            }
            for handle in handles {
                handle.abort();
                // An aborted task answers with an error that says so; there is nothing else to learn from it.
                let _ = handle.await;
            }
            // The driver may have started something while the others ended.
        }
    }

    /// The store it works on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A watcher that knows everything up to this change.
    #[must_use]
    pub fn follow(&self, after: u64) -> Follower {
        Follower::new(self.store.clone(), self.live.clone(), after)
    }

    /// True when no turn is being answered and no job runs in this program.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let tasks = self.lock_tasks();
        tasks.turns.is_empty() && tasks.workers.is_empty() && tasks.jobs.is_empty()
    }

    fn default_model(&self) -> String {
        self.default_model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Exponential backoff with full jitter: between nothing and `first · 2^(n-1)`.
    fn backoff(&self, first: Duration, attempt: u32) -> Duration {
        let most = first.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random_range(Duration::ZERO..=most)
    }

    async fn commit(&self, lane: Lane, commit: Commit) -> Result<Vec<Logged>, Trouble> {
        self.store.commit(lane, commit).await.map_err(|fault| match fault {
            CommitError::Conflict(Conflict::Refused { text }) => Trouble::Refused(text),
            CommitError::Conflict(_) => Trouble::Moved,
            CommitError::Store(fault) => Trouble::Store(fault),
        })
    }

    /// A commit of the engine itself; where somebody else's came first, theirs holds.
    async fn commit_here(&self, changes: Vec<Change>) -> Result<(), Trouble> {
        match self.commit(Lane::Foreground, Commit::new(Actor::Engine, changes)).await {
            Ok(_) | Err(Trouble::Moved) => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn must_run(&self, id: &RunId) -> Result<Run, Trouble> {
        let run = self.store.row::<Run>(id.as_str()).await?;
        run.ok_or_else(|| Trouble::Refused(format!("run {id} is gone")))
    }

    /// The next message of the run's conversation, with a fresh id and the time now.
    fn message(&self, run: &Run, content: Content) -> Message {
        Message::new(MessageId::fresh(self.store.ids()), run, content, self.store.clock().now())
    }

    /// Tells everybody who watches of a fault of the engine itself.
    fn tell(&self, trouble: &Trouble) {
        tracing::error!("{trouble}");
        self.live.trouble(trouble.to_string());
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.keep(tokio::spawn(work));
    }

    fn keep(&self, handle: JoinHandle<()>) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|handle| !handle.is_finished());
        handles.push(handle);
    }
}
