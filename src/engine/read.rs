//! Requests that only read, for the owner of the store and for programs that open it read-only.

mod audit;
mod blocks;

use jiff::{SignedDuration, Timestamp};

use super::care;
use super::protocol::{
    JobDetail, JobEdit, LogCheck, Overview, Reply, Request, RequestError, Space, SpaceOf, SpaceOwner, StoreCheck,
    Timestamped,
};
use super::wait::OpenRuns;
use crate::domain::budget::Spending;
use crate::domain::state::Row;
use crate::domain::status::{Now, is_active};
use crate::domain::{
    Agent, AgentWork, Block, CareMark, Cursor, Group, GroupId, Job, JobId, Message, Revision, Run, RunId, RunState,
    Source, Trigger,
};
use crate::store::{Background, MessagePage, PartSpace, ReadLane, Store, StoreError};

/// Jobs in an overview, besides unfinished ones.
const SHOWN_JOBS: usize = 300;
/// Mails in an overview, besides those a call waits for.
const SHOWN_MAILS: usize = 300;
/// Messages in a reply, and the bytes of their contents.
const MESSAGES: u32 = 1_000;
const MESSAGE_BYTES: usize = 4 << 20;

/// Answers read requests from a store.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    default_model: String,
}

impl Reader {
    /// Creates a reader of this store; `default_model` is the model of agents that have none.
    #[must_use]
    pub fn new(store: Store, default_model: String) -> Self {
        Self { store, default_model }
    }

    /// Answers a request that only reads.
    ///
    /// # Errors
    /// [`RequestError`] if the request writes, names a row that does not exist, or the store cannot be read.
    pub async fn answer(&self, request: Request) -> Result<Reply, RequestError> {
        let store = &self.store;
        match request {
            Request::Overview => overview(store, &self.default_model).await,
            Request::Messages { conversation, from, to, newest } => {
                let page = MessagePage { newest, messages: MESSAGES, bytes: MESSAGE_BYTES };
                Ok(Reply::Messages { messages: store.messages_page(&conversation, (from, to), page).await? })
            }
            Request::Search(query) => Ok(Reply::Found(store.background().search(query).await?)),
            Request::Revisions { block, before, limit } => {
                Ok(Reply::Revisions { revisions: blocks::revisions(store, &block, before, limit).await? })
            }
            Request::Block(request) => blocks::answer(store, *request).await,
            // The first one before the next version, if it is that version.
            Request::Revision { block, version } => {
                let mut found = store.revisions(&block, Some(version.saturating_add(1)), 1).await?;
                found.retain(|(_, _, revision)| revision.version == version);
                Ok(timestamped(found))
            }
            Request::Audit { filter, before, limit } => {
                audit::answer(&store.background(), &filter, before, limit).await
            }
            Request::Jobs { group, limit } => {
                let jobs = store.background().jobs(group.as_ref(), limit).await?;
                Ok(Reply::Jobs { jobs: jobs.rows, faults: jobs.faults })
            }
            Request::JobDetail { id } => job_detail(&store.background(), &id).await,
            Request::Mails { agent, status, limit } => {
                let mails = store.list_mail(agent.as_ref(), status, limit).await?;
                Ok(Reply::Mails { mails: mails.rows, faults: mails.faults })
            }
            Request::Held { run } => held(store, &run).await,
            Request::Due => {
                let now = store.clock().now();
                Ok(due(store, Now { span: now, wall: now }).await?)
            }
            Request::Space => Ok(Reply::Space(Box::new(space(&store.background()).await?))),
            Request::Care => {
                let (marks, jobs) =
                    (store.background().all::<CareMark>().await?.rows, store.background().care_jobs().await?);
                Ok(Reply::Care { marks, jobs })
            }
            Request::Expired { completed, others } => {
                let expiry = care::cutoffs(store.clock().now(), completed, others);
                Ok(Reply::Expired(care::found(&store.background(), expiry).await?))
            }
            Request::CheckStore { deep } => Ok(Reply::StoreChecked(check(&store.background(), deep).await?)),
            Request::Send { .. }
            | Request::Cancel { .. }
            | Request::EditBlock { .. }
            | Request::SetModel { .. }
            | Request::Apply { .. }
            | Request::CancelJob { .. }
            | Request::RetryJob { .. }
            | Request::UndoJob { .. }
            | Request::RunJob { .. }
            | Request::RunCare { .. }
            | Request::ClearJobs { .. }
            | Request::ReportEvent { .. }
            | Request::FireTrigger { .. }
            | Request::PauseTrigger { .. }
            | Request::Decide { .. }
            | Request::Signal { .. }
            | Request::CreateGroup { .. }
            | Request::UpdateGroup { .. }
            | Request::CreateAgent { .. }
            | Request::UpdateAgent { .. }
            | Request::Delete { .. }
            | Request::UndoRoster { .. }
            | Request::SendMail { .. }
            | Request::ReadMail { .. }
            | Request::Probe { .. }
            | Request::Reconfigure => {
                Err(RequestError::new(format!("the store {} is open for reading only", store.path().display())))
            }
        }
    }
}

/// The cursors of the agent and group of each claimed job.
pub(super) async fn cursors(store: &Store, jobs: &[Job]) -> Result<Vec<Cursor>, StoreError> {
    let claimed = jobs.iter().filter(|job| job.window.is_some());
    let keys: Vec<String> = claimed.filter_map(Job::agent_work).map(AgentWork::key).collect();
    if keys.is_empty() { Ok(Vec::new()) } else { store.rows(keys).await }
}

fn timestamped(found: Vec<(u64, jiff::Timestamp, Revision)>) -> Reply {
    Reply::Revisions { revisions: found.into_iter().map(|(n, at, what)| Timestamped { n, at, what }).collect() }
}

async fn overview(store: &Store, default_model: &str) -> Result<Reply, RequestError> {
    // Taken first, so that changes committed while the rows are read are delivered again, not missed.
    let upto = *store.head().borrow();
    let spending = Spending::clone(&*store.spending().await?);
    let store = store.background();
    let groups = store.all::<Group>().await?;
    let agents = store.all::<Agent>().await?;
    let blocks = store.all::<Block>().await?;
    let mut jobs = store.jobs(None, SHOWN_JOBS).await?;
    for job in store.unfinished_jobs().await? {
        if !jobs.rows.iter().any(|known| known.id == job.id) {
            jobs.rows.push(job);
        }
    }
    let conversations = store.owned_conversations().await?;
    let runs = store.open_run_trees().await?;
    let last_turns = store.last_turns().await?;
    let calls = store.list_waiting_calls().await?;
    let mut mails = store.list_mail(None, None, SHOWN_MAILS).await?;
    for mail in store.mail_waited_for(&calls.rows).await? {
        if !mails.rows.iter().any(|known| known.id == mail.id) {
            mails.rows.push(mail);
        }
    }
    let triggers = store.all::<Trigger>().await?;
    let seen = store.last_seen(agents.rows.iter().map(|agent| agent.id.clone()).collect()).await?;
    let faults = [
        groups.faults,
        agents.faults,
        blocks.faults,
        jobs.faults,
        conversations.faults,
        runs.faults,
        calls.faults,
        mails.faults,
        triggers.faults,
    ]
    .concat();
    Ok(Reply::Overview(Box::new(Overview {
        upto,
        groups: groups.rows,
        agents: agents.rows,
        blocks: blocks.rows,
        conversations: conversations.rows,
        runs: runs.rows,
        last_turns,
        jobs: jobs.rows,
        calls: calls.rows,
        mails: mails.rows,
        triggers: triggers.rows,
        spending,
        seen,
        faults,
        default_model: default_model.to_owned(),
    })))
}

async fn job_detail(store: &Store<Background>, id: &JobId) -> Result<Reply, RequestError> {
    let job: Job = must(store, id.as_str(), "job").await?;
    let steps = match &job.run {
        Some(run) => store.steps(run).await?,
        None => Vec::new(),
    };
    let notes: Vec<Message> = match &job.conversation {
        Some(notes) => store.messages(notes, 1, u64::MAX).await?,
        None => Vec::new(),
    };
    let edits = job_edits(store, id).await?;
    Ok(Reply::JobDetail(Box::new(JobDetail { job, steps, notes, edits })))
}

/// The block versions that a job wrote, oldest first.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub(super) async fn job_edits<L: ReadLane>(store: &Store<L>, id: &JobId) -> Result<Vec<JobEdit>, StoreError> {
    let mut edits = Vec::new();
    for revision in store.job_revisions(id).await? {
        let block = store.row::<Block>(revision.block.as_str()).await?;
        let before = store.revision(&revision.block, revision.version.saturating_sub(1)).await?;
        edits.push(JobEdit {
            label: block.map_or_else(|| "(deleted)".to_owned(), |block| block.label),
            before: before.map(|revision| revision.value).unwrap_or_default(),
            revision,
        });
    }
    Ok(edits)
}

async fn held(store: &Store, run: &RunId) -> Result<Reply, RequestError> {
    let run: Run = must(store, run.as_str(), "run").await?;
    let standing = OpenRuns::read(store).await?;
    let queued = run.state == RunState::Queued;
    // A queued turn waits for the first turn of its conversation.
    let first = standing.work().first_turns().into_iter().find(|turn| turn.conversation == run.conversation);
    let turn = if queued { first.unwrap_or(&run) } else { &run };
    let calls = standing.work().held_by_person(turn).into_iter().cloned().collect();
    Ok(Reply::Held { calls, queued })
}

/// Whether mail, a turn or a job would proceed at `now`, and when a trigger, a look at files, a further try of a job or a
/// whole budget comes by itself. The rows are read in several queries; a commit between them makes them inconsistent and
/// counts as due.
pub(super) async fn due(store: &Store, now: Now) -> Result<Reply, StoreError> {
    let before = store.last_change().await?;
    let standing = OpenRuns::read(store).await?;
    let mail = standing.has_pending_mail && !store.due_mail(None).await?.is_empty();
    let overdue = standing.timers.iter().any(|trigger| trigger.is_due(now.wall));
    let cursors = cursors(store, &standing.jobs).await?;
    let groups = store.all::<Group>().await?.rows;
    let rests = standing.work().is_at_rest(&standing.jobs, &cursors, &groups, now);
    // In a group that is paused, nothing comes by itself.
    let active = |id: &GroupId| is_active(groups.iter().find(|group| group.id == *id));
    let jobs: Vec<Job> = standing.jobs.iter().filter(|job| job.group().is_none_or(&active)).cloned().collect();
    let later = standing.work().due_jobs(&jobs, &cursors, now);
    let again = [later.next, later.reset()].into_iter().flatten();
    let timer = standing.timers.iter().filter(|timer| active(&timer.group)).filter_map(|timer| timer.next_due).min();
    let waits = |source: &&Trigger| !source.paused && active(&source.group);
    let look = standing.sources.iter().filter(waits).filter_map(|source| source.spec.source()).map(|source| {
        let at_the_latest = source.every.unwrap_or(Source::FALLBACK);
        now.wall.saturating_add(SignedDuration::from_secs(at_the_latest.into())).unwrap_or(Timestamp::MAX)
    });
    let due = mail || overdue || !rests || store.last_change().await? != before;
    Ok(Reply::Due { due, scheduled: again.chain(timer).chain(look).min() })
}

/// What takes room in the store: in whole tables, and by whom it was written.
async fn space(store: &Store<Background>) -> Result<Space, StoreError> {
    let (groups, agents) = (store.all::<Group>().await?.rows, store.all::<Agent>().await?.rows);
    let blocks = store.all::<Block>().await?.rows;
    let file = store.file_space().await?;
    let mut rest = SpaceOf { of: SpaceOwner::JobsAndDeleted, count: 0, bytes: 0 };
    let mut parts = Vec::new();
    let mut put = |of: Option<SpaceOwner>, part: &PartSpace| {
        if let Some(of) = of {
            parts.push(SpaceOf { of, count: part.count, bytes: part.bytes });
        } else {
            rest.count += part.count;
            rest.bytes += part.bytes;
        }
    };
    for part in store.conversation_space().await? {
        let owner = part.owner.as_deref().unwrap_or_default();
        let group = groups.iter().find(|group| group.id.as_str() == owner);
        let agent = agents.iter().find(|agent| agent.id.as_str() == owner);
        let of = group.map(|group| SpaceOwner::Group(group.id.clone()));
        put(of.or_else(|| agent.map(|agent| SpaceOwner::Agent(agent.id.clone()))), &part);
    }
    for part in store.block_space().await? {
        let block = blocks.iter().find(|block| block.id.as_str() == part.id);
        put(block.map(|block| SpaceOwner::Block(block.id.clone())), &part);
    }
    if rest.count > 0 {
        parts.push(rest);
    }
    Ok(Space { file: file.file, free: file.free, tables: file.tables, parts })
}

async fn check(store: &Store<Background>, deep: bool) -> Result<StoreCheck, StoreError> {
    let faults = store.integrity().await?;
    let log = if deep {
        let report = store.verify_replay().await?;
        Some(LogCheck { changes: report.changes, rows: report.rows, differences: report.differences })
    } else {
        None
    };
    Ok(StoreCheck { faults, log })
}

/// The row with this key.
///
/// # Errors
/// [`RequestError`] if there is no such row or it cannot be read.
pub(super) async fn must<T: Row + Send + 'static, L: ReadLane>(
    store: &Store<L>,
    key: &str,
    noun: &str,
) -> Result<T, RequestError> {
    store.row(key).await?.ok_or_else(|| RequestError::new(format!("there is no {noun} {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    #[tokio::test]
    async fn a_reader_answers_what_only_reads_and_refuses_the_rest_with_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        let store = Store::open_read_only(&path, Options::default()).unwrap();
        let reader = Reader::new(store.clone(), "offline".to_owned());
        let Reply::Overview(overview) = reader.answer(Request::Overview).await.unwrap() else { panic!() };
        assert_eq!((overview.default_model.as_str(), overview.groups.len()), ("offline", 0));
        assert_eq!(reader.answer(Request::Due).await.unwrap(), Reply::Due { due: false, scheduled: None });
        let checked = reader.answer(Request::CheckStore { deep: true }).await.unwrap();
        let Reply::StoreChecked(StoreCheck { faults, log: Some(log) }) = checked else { panic!("{checked:?}") };
        assert_eq!((faults, log.differences), (Vec::<String>::new(), Vec::new()));
        for request in [Request::Reconfigure, Request::CancelJob { id: "job-1".into() }] {
            let fault = reader.answer(request).await.unwrap_err();
            assert!(fault.text.ends_with("desk.db is open for reading only"), "{fault}");
        }
        assert_eq!(store.last_change().await.unwrap(), 0);
    }
}
