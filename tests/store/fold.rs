//! The store against its reference: random commits mean the same on tables as on maps, accepted or refused, and the
//! log folds to the tables (F16).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::support::fixtures;
use crate::support::fold;
use jiff::Timestamp;
use nightdesk::testing::domain::block::{Editor, Grantee, Level};
use nightdesk::testing::domain::job::JobFault;
use nightdesk::testing::domain::run::{CallResult, PendingKind, RunStateName};
use nightdesk::testing::domain::state::{
    ApplyError, DeletedBlock, InMemoryRows, MailRate, Row, Rows as _, StoreMeta, check,
};
use nightdesk::testing::domain::trigger::{MarkMove, News, Piece, derived_changes};
use nightdesk::testing::domain::{
    Actor, Agent, AgentId, Basis, Block, BlockOwner, Call, CareMark, CareTask, CauseKind, Change, Choice, Commit,
    Conflict, Conversation, ConversationOwner, Cursor, Group, Ids, Job, JobId, JobOutcome, JobState, LogEntry, Mail,
    MailId, MailKind, MailStatus, Occurrence, PendingCall, Person, PersonId, Precondition, Priority, Reading,
    RemovedRecord, RosterEdit, Run, RunId, RunKind, RunState, Source, SourceMark, StepId, StopReason, Trigger,
    TriggerId, When, way_back,
};
use nightdesk::testing::store::{Clock as _, CommitError, Lane, ManualClock, Mode, Options, Store, Synchronous};
use proptest::collection::vec;
use proptest::prelude::*;

/// One change to be, in small numbers: which kind, what it touches, and how it goes wrong.
#[derive(Debug, Clone)]
struct Op {
    kind: u8,
    which: usize,
    other: usize,
    variant: u8,
    text: String,
}

fn op() -> impl Strategy<Value = Op> {
    (0_u8..42, 0_usize..4, 0_usize..4, 0_u8..6, "[a-c é]{0,6}").prop_map(|(kind, which, other, variant, text)| Op {
        kind,
        which,
        other,
        variant,
        text,
    })
}

const NAMES: [&str; 4] = ["ann", "ben", "cleo", "dan"];

fn agent_id(at: usize) -> AgentId {
    AgentId(format!("agent-{}", NAMES[at]))
}

fn run_state(variant: u8) -> RunState {
    match variant {
        0..=1 => RunState::Running,
        2 => RunState::Parked,
        3 => RunState::Queued,
        _ => RunState::Finished { stop_reason: StopReason::EndTurn, error: None },
    }
}

fn job_state(variant: u8, text: &str) -> JobState {
    match variant {
        0 => JobState::Retryable { since: None, run_at: Timestamp::UNIX_EPOCH, error: text.to_owned() },
        1 => JobState::Completed { outcome: JobOutcome::Changed },
        2 => JobState::Completed { outcome: JobOutcome::NothingToDo },
        3 => JobState::Failed { class: JobFault::Terminal, error: text.to_owned() },
        4 => JobState::Cancelled { why: text.to_owned() },
        _ if text.is_empty() => JobState::Available,
        _ => JobState::Scheduled { run_at: Timestamp::UNIX_EPOCH, why: text.to_owned() },
    }
}

/// The jobs there are, made by triggers or by hand; one that is not where there are none.
fn some_job(state: &mut InMemoryRows, at: usize) -> Job {
    let Ok(jobs) = state.all::<Job>();
    let none = Job::new("job-none".into(), agent_id(0), fixtures::GROUP.into(), CauseKind::Turn { turn: 1 });
    jobs.get(at % jobs.len().max(1)).cloned().unwrap_or(none)
}

fn block_change(state: &mut InMemoryRows, op: &Op) -> Change {
    let id = format!("block-{}", op.which);
    let Ok(block) = state.get::<Block>(&id);
    match op.kind {
        0 => Change::BlockCreated(Block {
            owner: if op.variant == 0 {
                BlockOwner::Agent(agent_id(op.other))
            } else {
                fixtures::block("", "", "").owner
            },
            limit: 5,
            ..fixtures::block(&id, ["a", "A", "b", "not one"][op.other], &op.text)
        }),
        1 if op.variant == 3 => Change::BlockAccessSet {
            id: id.as_str().into(),
            who: if op.other == 0 { Grantee::Everybody } else { Grantee::Agent(agent_id(op.other)) },
            level: (op.text.len() % 2 == 1).then_some(Level::Read),
            before: None,
            by: (op.other == 1).then(|| agent_id(0)),
            reason: op.text.clone(),
        },
        1 => Change::BlockConfigured {
            id: id.as_str().into(),
            description: op.text.clone(),
            limit: u32::from(op.variant) * 2,
            read_only: op.variant % 2 == 1,
            tags: vec![op.text.clone()],
            owner: BlockOwner::Agent(agent_id(op.other)),
            from_file: Some(op.text.clone()),
            label: (op.variant == 1).then(|| ["a", "A", "b", "not one"][op.other].to_owned()),
            local_only: (op.variant > 3).then_some(op.variant.is_multiple_of(2)),
        },
        _ => {
            let behind = u64::from(op.variant == 0);
            let version = block.map_or(1, |block| block.version) + 1 - behind;
            let Change::BlockEdited(mut revision) = fixtures::edit(&id, version, &op.text) else { unreachable!() };
            let job = (op.variant > 4).then(|| some_job(state, op.other).id);
            revision.editor = match op.variant {
                1 => Editor::File,
                2.. => Editor::Agent { id: agent_id(op.other), name: NAMES[op.other].to_owned(), job },
                _ => Editor::Person(PersonId::local()),
            };
            Change::BlockEdited(revision)
        }
    }
}

fn people_change(op: &Op) -> Change {
    if op.kind == 5 {
        let mut agent = fixtures::agent(NAMES[op.which]);
        agent.blocks = (0..op.other).map(|at| format!("block-{at}").as_str().into()).collect();
        agent.temperature = Some(0.1 + f64::from(op.variant) / 3.0);
        NAMES[op.variant as usize % 4].clone_into(&mut agent.name);
        return Change::AgentPut(agent);
    }
    let mut group = fixtures::group(&NAMES[..op.which], &NAMES[op.other..], u32::from(op.variant));
    group.shared_blocks = (0..op.variant).map(|at| format!("block-{at}").as_str().into()).collect();
    Change::GroupPut(group)
}

fn run_change(state: &mut InMemoryRows, op: &Op) -> Change {
    let id = format!("run-{}", op.which);
    let Ok(run) = state.get::<Run>(&id);
    let steps = run.map_or(0, |run| run.steps);
    match op.kind {
        9 if op.variant < 2 => fixtures::turn(&id),
        9 if op.variant < 4 => fixtures::queued_turn(&id, &op.text),
        9 => fixtures::speech(&id, &format!("run-{}", op.other), NAMES[op.other]),
        10..=12 => fixtures::moved(&id, run_state(op.variant)),
        13..=14 => fixtures::step(&id, NAMES[op.other], steps + u32::from(op.variant > 0), vec![("block-0".into(), 1)]),
        15 => Change::CallPending(PendingCall {
            run: RunId(id.clone()),
            step: format!("step-{id}-1").as_str().into(),
            ordinal: u32::from(op.variant),
            call: "call".to_owned(),
            name: "ask".to_owned(),
            arguments: serde_json::json!({ "x": 0.1, "text": op.text }),
            kind: PendingKind::Approval,
            whom: (0..op.which % 3).map(agent_id).collect(),
            since: Timestamp::UNIX_EPOCH,
            until: None,
            answer: None,
        }),
        _ => {
            let (step, ordinal) = waited_for(state).unwrap_or((StepId(format!("step-{id}-1")), u32::from(op.variant)));
            Change::CallAnswered {
                step,
                ordinal,
                answer: CallResult { ok: true, text: op.text.clone(), for_run: false, by: None },
            }
        }
    }
}

/// A call that a parked run waits for, where there is one.
fn waited_for(state: &mut InMemoryRows) -> Option<(StepId, u32)> {
    let Ok(calls) = state.all::<PendingCall>();
    let waits = |call: &&PendingCall| {
        let Ok(run) = state.get::<Run>(call.run.as_str());
        run.is_some_and(|run| run.state == RunState::Parked) && call.answer.is_none()
    };
    calls.iter().find(waits).map(|call| (call.step.clone(), call.ordinal))
}

fn job_change(state: &mut InMemoryRows, op: &Op) -> Change {
    let job = some_job(state, op.which);
    match op.kind {
        17 => {
            let mut job = Job::new(
                JobId(format!("job-{}", op.which)),
                agent_id(op.other),
                fixtures::GROUP.into(),
                CauseKind::Person { instruction: Some(op.text.clone()) },
            );
            job.window = (op.variant == 0).then_some((0, 1));
            Change::JobCreated(job)
        }
        18 => Change::JobCaused { id: job.id, cause: CauseKind::Person { instruction: None }.into() },
        19..=20 => Change::JobClaimed {
            id: job.id,
            epoch: 1,
            run: format!("run-{}", op.other).as_str().into(),
            conversation: format!("conversation-{}", op.other).as_str().into(),
            upto: (op.variant < 2).then_some(u64::from(op.variant)),
        },
        21 if op.variant.is_multiple_of(2) => Change::JobHandedBack { id: job.id, to: job_state(5, &op.text) },
        21 => Change::JobYielded { id: job.id },
        22 => Change::JobRecovered { id: job.id },
        _ => Change::JobMoved { id: job.id, to: job_state(op.variant, &op.text) },
    }
}

/// Mail there is; one that is not where there is none.
fn some_mail(state: &mut InMemoryRows, at: usize) -> MailId {
    let Ok(mails) = state.all::<Mail>();
    mails.get(at % mails.len().max(1)).map_or("mail-none".into(), |mail| mail.id.clone())
}

fn mail_change(state: &mut InMemoryRows, op: &Op) -> Change {
    if op.kind >= 27 {
        let to = MailStatus::ALL[op.variant as usize % MailStatus::ALL.len()];
        let run = (op.variant == 1).then(|| RunId(format!("run-{}", op.other)));
        return Change::MailMoved { id: some_mail(state, op.which), to, run, error: Some(op.text.clone()) };
    }
    let agent = |at: usize| (at > 0).then(|| agent_id(at));
    Change::MailSent(Mail {
        id: format!("mail-{}-{}", op.text, op.which).as_str().into(),
        from: agent(op.which),
        from_person: None,
        to: agent(op.other),
        to_person: None,
        kind: MailKind::ALL[op.variant as usize % MailKind::ALL.len()],
        status: MailStatus::Pending,
        priority: Priority::ALL[op.which % Priority::ALL.len()],
        text: op.text.clone(),
        in_reply_to: None,
        sent_by: (op.variant > 1).then(|| (StepId(format!("step-{}", op.text)), u32::from(op.variant))),
        waited_for: op.variant > 4,
        group: Some(fixtures::GROUP.into()),
        run: None,
        root: None,
        depth: u32::from(op.variant) + 1,
        error: None,
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: None,
    })
}

/// Deletions, words from outside, choices.
fn other_change(op: &Op) -> Change {
    let run = || RunId(format!("run-{}", op.which));
    match (op.kind, op.variant) {
        (29, 0..=1) => Change::AgentDeleted { id: agent_id(op.which) },
        (29, 2) => Change::GroupDeleted { id: fixtures::GROUP.into() },
        (29, _) => Change::BlockDeleted { id: format!("block-{}", op.which).as_str().into() },
        (30, _) => Change::RunSignalled { id: run(), word: op.text.clone() },
        (31, 0) => Change::RunChosen { id: run(), choice: Choice::Member(agent_id(op.other)) },
        (31, 1 | 2) => Change::RunChosen { id: run(), choice: Choice::Done },
        _ => {
            let kind = RunKind::Choice {
                agent: agent_id(op.other),
                group: fixtures::GROUP.into(),
                index: 0,
                among: vec![agent_id(0), agent_id(1)],
            };
            Change::RunCreated(fixtures::run(&format!("run-{}", op.which), fixtures::TALK, kind, None))
        }
    }
}

/// A call in a run there is, mostly of the run's own agent.
fn call_change(state: &mut InMemoryRows, op: &Op) -> Change {
    let Ok(runs) = state.all::<Run>();
    let found = runs.iter().filter(|run| run.agent().is_some()).nth(op.which % 2);
    let agent = found.and_then(Run::agent).filter(|_| op.variant > 0).cloned();
    let run = found.map_or_else(|| RunId(format!("run-{}", op.which)), |run| run.id.clone());
    Change::CallMade(Call {
        step: StepId(format!("step-{run}-1")),
        run,
        ordinal: u32::from(op.variant),
        agent: agent.unwrap_or_else(|| agent_id(op.other)),
        group: None,
        tool: op.text.clone(),
        ok: op.variant.is_multiple_of(2),
        at: Timestamp::UNIX_EPOCH,
    })
}

/// A trigger there is, mostly; what a person cannot ask for is refused or applied alike.
fn trigger_change(state: &mut InMemoryRows, op: &Op) -> Change {
    let Ok(all) = state.all::<Trigger>();
    let none = Trigger::new(&Ids::seeded(1), fixtures::GROUP.into(), When::EveryTurns { turns: 7 }.into());
    let some = all.get(op.which % all.len().max(1)).cloned().unwrap_or(none);
    let id = some.id.clone();
    match op.variant {
        0 if op.other == 0 => Change::EventReported { name: op.text.clone(), text: op.text.clone(), group: None },
        0 => Change::TriggerPut(Trigger { id: format!("trigger-{}", op.other).as_str().into(), ..some }),
        1 => Change::TriggerRemoved { id },
        2 => Change::TriggerFired { id, cause: CauseKind::Turn { turn: 1 }, depth: 2 },
        3 => Change::TriggerArmed { id, seconds: 60 },
        4 if op.other > 0 => source_change(state, id, op),
        4 => Change::TriggerDue { id, scheduled_at: some.next_due.unwrap_or_default() },
        5 if op.other == 0 => Change::TriggerPaused { id, paused: !some.paused },
        5 if op.other == 1 => {
            let next = some.waiting.unwrap_or_default() + Duration::from_secs(1);
            Change::TriggerScheduled { id, waiting: next, next_due: next }
        }
        _ => Change::TriggerHeld { id, why: Some(op.text.clone()).filter(|text| !text.is_empty()) },
    }
}

/// A source there is by then, which reads a file from where its mark is, or from elsewhere.
fn source_change(state: &mut InMemoryRows, id: TriggerId, op: &Op) -> Change {
    let Ok(trigger) = state.get::<Trigger>("trigger-source");
    let Some(trigger) = trigger else {
        let source = Source::of_folder("/notes").unwrap();
        let made = Trigger::new(&Ids::seeded(1), fixtures::GROUP.into(), When::Source { source }.into());
        return Change::TriggerPut(Trigger { id: "trigger-source".into(), ..made });
    };
    let (reader, path) = (trigger.reader().unwrap(), format!("{}.md", op.which % 2));
    let Ok(mark) = state.get::<SourceMark>(&SourceMark::path_key(&reader, &path));
    let offset = mark.map(|mark| mark.offset);
    let from = if op.text.is_empty() { Some((path.clone(), 3)) } else { offset.map(|offset| (path.clone(), offset)) };
    let text = op.text.clone();
    let offset = offset.unwrap_or(0) + text.len() as u64;
    let to = SourceMark { reader, path: path.clone(), offset, hash: text.clone(), device: 1, inode: 1 };
    let piece = Piece { file: path, news: News::Lines, text };
    let reading = (op.which > 0)
        .then(|| Reading { id: format!("reading-{}-{}", op.text, op.which).as_str().into(), pieces: vec![piece] });
    let id = if op.which > 2 { id } else { trigger.id };
    Change::SourceRead { id, moves: vec![MarkMove { from, to }], forgotten: Vec::new(), reading }
}

/// Care of the store, what it removes, and ways back.
fn care_change(state: &mut InMemoryRows, op: &Op) -> Change {
    let task = [CareTask::Check, CareTask::Index][op.other % 2];
    let (Ok(deleted), Ok(readings), Ok(edits)) =
        (state.all::<DeletedBlock>(), state.all::<Reading>(), state.all::<RosterEdit>());
    match (op.kind, op.variant) {
        (39, 0) => Change::CareBegun { task },
        (39, 1..=3) => {
            let (scheduled_at, first) = (Timestamp::from_second(i64::from(op.variant)).unwrap(), Timestamp::UNIX_EPOCH);
            let cause = CauseKind::Cron { scheduled_at, first, count: 2, zone: "UTC".to_owned() };
            Change::JobCreated(Job::of_care(JobId(format!("job-{}-{}", op.which, op.text)), task, cause))
        }
        (39, _) => Change::CareClaimed { id: some_job(state, op.which).id, epoch: 1 },
        (40, 0) => Change::MailRemoved { id: some_mail(state, op.which), sent: 0 },
        (40, _) => Change::JobExpired { id: some_job(state, op.which).id, runs: Vec::new(), conversation: None },
        (_, 0) => Change::ReadingRemoved {
            id: readings.first().map_or("reading-none".into(), |reading| reading.id.clone()),
            brought: 0,
        },
        (_, 1) => Change::RosterUndone { number: edits.last().map_or(7, |edit| edit.number) },
        (_, 2) => {
            let agents = state.all::<Agent>().unwrap();
            let put = people_change(&Op { kind: 5, ..op.clone() });
            let Some(edit) = way_back(&[], &agents, &[], &[put]) else { unreachable!() };
            Change::RosterEdited(edit)
        }
        _ => {
            let found = deleted.first().map(|block| (block.id.to_string(), block.version));
            let (id, version) = found.unwrap_or(("block-none".to_owned(), 3));
            let version = version + u64::from(op.variant == 3 && op.other == 3);
            Change::BlockRestored(Block { version, ..fixtures::block(&id, "again", &op.text) })
        }
    }
}

/// What removing leaves of the log before it.
fn rewrite(log: &mut [LogEntry], change: &Change) {
    for entry in log {
        let removed = match (&mut entry.change, change) {
            (Change::MessageAppended(message), Change::JobExpired { conversation: Some(notes), .. })
                if message.conversation == *notes =>
            {
                RemovedRecord::Message { conversation: notes.clone(), seq: message.seq }
            }
            (Change::StepFinished(step), Change::JobExpired { runs, .. }) if runs.contains(&step.run) => {
                RemovedRecord::Step {
                    run: step.run.clone(),
                    index: step.index,
                    tokens: step.tokens_in + step.tokens_out,
                    asked: step.retries + 1,
                }
            }
            (Change::SourceRead { reading: Some(reading), .. }, Change::ReadingRemoved { id, brought })
                if reading.id == *id && entry.n == *brought =>
            {
                reading.pieces.clear();
                continue;
            }
            (Change::MailSent(mail), Change::MailRemoved { id, sent }) if mail.id == *id && entry.n == *sent => {
                "(removed)".clone_into(&mut mail.text);
                continue;
            }
            _ => continue,
        };
        entry.change = Change::RecordRemoved(removed);
    }
}

fn change(state: &mut InMemoryRows, op: &Op) -> Change {
    match op.kind {
        32 => call_change(state, op),
        36 => Change::RunCancelled { id: RunId(format!("run-{}", op.which)) },
        33 => Change::PersonPut(Person { id: PersonId(format!("person-{}", op.which)), name: op.text.clone() }),
        0..=3 => block_change(state, op),
        4 => {
            let Ok(desk) = state.get::<StoreMeta>(StoreMeta::KEY);
            Change::EpochRaised { epoch: desk.unwrap_or_default().epoch + u64::from(op.variant > 1) }
        }
        5..=6 => people_change(op),
        7 => {
            let owner = ConversationOwner::Agent(agent_id(op.other));
            Change::ConversationOpened(Conversation::new(format!("conversation-{}", op.which).as_str().into(), owner))
        }
        8 => {
            let talk = if op.variant < 4 { fixtures::TALK.to_owned() } else { format!("conversation-{}", op.which) };
            let Change::MessageAppended(mut message) = fixtures::said(&talk, None, &op.text) else { unreachable!() };
            message.seq = if op.variant == 0 { 3 } else { 0 };
            Change::MessageAppended(message)
        }
        9..=16 | 34..=35 => run_change(state, op),
        39..=41 => care_change(state, op),
        37.. => trigger_change(state, op),
        17..=24 => job_change(state, op),
        25..=28 => mail_change(state, op),
        _ => other_change(op),
    }
}

fn rest(state: &mut InMemoryRows, op: &Op) -> Precondition {
    match op.variant % 4 {
        0 => {
            let id = RunId(format!("run-{}", op.which));
            return Precondition::Run {
                id,
                state: RunStateName::Running,
                steps: u32::from(op.other.is_multiple_of(2)),
            };
        }
        2 => {
            let mut basis = state.all::<Agent>().unwrap().remove(0);
            if op.variant == 2 {
                basis.name.clone_from(&op.text);
            }
            return Precondition::unchanged(Basis::Agent(basis));
        }
        _ => {}
    }
    let job = some_job(state, op.which);
    Precondition::JobFence(job.id, job.fence - u64::from(op.variant == 5 && job.fence > 0))
}

/// The reference: the same commit on maps.
struct Reference {
    state: InMemoryRows,
    log: Vec<LogEntry>,
    ids: Ids,
}

impl Reference {
    fn commit(&mut self, commit: &Commit, at: Timestamp) -> Result<Vec<LogEntry>, Conflict> {
        let mut trial = self.state.clone();
        for rest in &commit.preconditions {
            match check(&mut trial, rest) {
                Ok(()) => {}
                Err(ApplyError::Conflict(conflict)) => return Err(conflict),
                Err(ApplyError::Fault(never)) => match never {},
            }
        }
        let mut made = Vec::new();
        let mut todo: Vec<(Change, Actor, Option<u64>)> = Vec::new();
        for change in commit.changes.iter().rev() {
            todo.push((change.clone(), commit.by.clone(), commit.cause));
        }
        while let Some((change, by, cause)) = todo.pop() {
            let n = (self.log.len() + made.len() + 1) as u64;
            let change = trial.apply(change, at)?;
            let Ok(next) = derived_changes(&mut trial, &change, &self.ids, at);
            todo.extend(next.into_iter().rev().map(|change| (change, Actor::Engine, Some(n))));
            made.push(LogEntry { n, change, by, at, cause });
        }
        self.state = trial;
        for entry in &made {
            self.log.push(entry.clone());
            rewrite(&mut self.log, &entry.change);
        }
        Ok(made)
    }
}

async fn same_rows<T: Row + PartialEq + std::fmt::Debug + Send + 'static>(store: &Store, state: &mut InMemoryRows) {
    let mut listed = store.all::<T>().await.unwrap();
    assert_eq!(listed.faults, []);
    listed.rows.sort_by_key(Row::key);
    let Ok(expected) = state.all::<T>();
    assert_eq!(listed.rows, expected);
}

async fn same_state(store: &Store, reference: &mut Reference) {
    let state = &mut reference.state;
    same_rows::<StoreMeta>(store, state).await;
    same_rows::<Person>(store, state).await;
    same_rows::<DeletedBlock>(store, state).await;
    same_rows::<Agent>(store, state).await;
    same_rows::<Group>(store, state).await;
    same_rows::<Block>(store, state).await;
    same_rows::<Conversation>(store, state).await;
    same_rows::<Run>(store, state).await;
    same_rows::<PendingCall>(store, state).await;
    same_rows::<Job>(store, state).await;
    same_rows::<Cursor>(store, state).await;
    same_rows::<Mail>(store, state).await;
    same_rows::<MailRate>(store, state).await;
    same_rows::<Trigger>(store, state).await;
    same_rows::<Occurrence>(store, state).await;
    same_rows::<SourceMark>(store, state).await;
    same_rows::<Reading>(store, state).await;
    same_rows::<CareMark>(store, state).await;
    same_rows::<RosterEdit>(store, state).await;
    assert_eq!(store.log(0, usize::MAX).await.unwrap(), reference.log);
    fold::assert_folds(store).await;
}

/// What was tried: the kinds of changes kept, and how many commits were refused.
struct Outcome {
    kinds: BTreeSet<&'static str>,
    refused: usize,
}

async fn play(commits: Vec<(Vec<Op>, Option<Op>)>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let options = Options {
        mode: Mode::Inline,
        clock: Arc::clone(&clock) as _,
        ids: Ids::seeded(7),
        synchronous: Synchronous::Normal,
        page_limit: None,
        ..Options::default()
    };
    let path = dir.path().join("desk.db");
    let mut store = Store::open(&path, options.clone()).unwrap();
    let mut reference = Reference { state: InMemoryRows::default(), log: Vec::new(), ids: Ids::seeded(7) };
    let mut refused = 0;
    let opening = fixtures::newsroom();
    reference.commit(&opening, clock.now()).unwrap();
    store.commit(Lane::Foreground, opening).await.unwrap();
    let half = commits.len() / 2;
    for (at, (ops, on)) in commits.into_iter().enumerate() {
        if at == half {
            // As after an update with stricter rules: the replay starts from here.
            drop(store);
            rusqlite::Connection::open(&path).unwrap().execute_batch("UPDATE base SET rules = 1").unwrap();
            store = Store::open(&path, options.clone()).unwrap();
        }
        clock.advance(Duration::from_millis(1_001));
        let mut changes: Vec<Change> = ops.iter().map(|op| change(&mut reference.state, op)).collect();
        for change in &mut changes {
            if let Change::MailRemoved { id, sent } = change {
                let last = reference
                    .log
                    .iter()
                    .rev()
                    .find(|entry| matches!(&entry.change, Change::MailSent(mail) if mail.id == *id));
                *sent = last.map_or(0, |entry| entry.n);
            }
            let Change::ReadingRemoved { id, brought } = change else { continue };
            let of = |entry: &&LogEntry| matches!(&entry.change, Change::SourceRead { reading: Some(reading), .. } if reading.id == *id);
            *brought = reference.log.iter().find(of).map_or(0, |entry| entry.n);
        }
        let mut commit = Commit::new(Actor::Person(PersonId::local()), changes);
        if let Some(on) = on {
            commit = commit.requiring(rest(&mut reference.state, &on));
        }
        match (reference.commit(&commit, clock.now()), store.commit(Lane::Foreground, commit).await) {
            (Ok(expected), Ok(made)) => {
                assert_eq!(made, expected);
            }
            (Err(expected), Err(CommitError::Conflict(conflict))) => {
                refused += 1;
                assert_eq!(conflict, expected);
            }
            (expected, made) => panic!("the reference says {expected:?}, the store {made:?}"),
        }
    }
    same_state(&store, &mut reference).await;
    Outcome { kinds: reference.log.iter().map(|logged| logged.change.kind()).collect(), refused }
}

fn run_async<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_commits_mean_the_same_on_tables_and_on_maps(
        commits in vec((vec(op(), 1..4), proptest::option::weighted(0.15, op())), 1..60)
    ) {
        run_async(play(commits));
    }
}

/// The random commits are worth something only while they reach every kind of change, and are refused as well.
#[test]
fn random_commits_reach_every_kind_of_change_and_are_refused_too() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = vec((vec(op(), 1..3), proptest::option::weighted(0.15, op())), 300);
    let mut all = Outcome { kinds: BTreeSet::new(), refused: 0 };
    for _ in 0..8 {
        let commits = strategy.new_tree(&mut runner).unwrap().current();
        let outcome = run_async(play(commits));
        all.kinds.extend(outcome.kinds);
        all.refused += outcome.refused;
    }
    // What can be deleted only at rest is deleted before anything else happens.
    let op = |kind, which, variant| Op { kind, which, other: 0, variant, text: String::new() };
    let deletions = [op(5, 3, 3), op(29, 3, 0), op(29, 0, 2), op(29, 0, 0), op(0, 3, 1), op(29, 3, 3), op(41, 0, 3)];
    let outcome = run_async(play(deletions.into_iter().map(|op| (vec![op], None)).collect()));
    assert_eq!(outcome.refused, 0);
    all.kinds.extend(outcome.kinds);
    // And a source that was put is read at once.
    let source = |text: &str| Op { kind: 37, which: 1, other: 1, variant: 4, text: text.to_owned() };
    let removed = Op { kind: 41, which: 0, other: 0, variant: 0, text: String::new() };
    let read = [source("a"), source("b"), source("c"), removed.clone(), removed];
    let outcome = run_async(play(read.into_iter().map(|op| (vec![op], None)).collect()));
    assert_eq!(outcome.refused, 0);
    all.kinds.extend(outcome.kinds);
    // A job with a note that expires, and a trigger whose time has come.
    let op = |kind, which, other, variant| Op { kind, which, other, variant, text: "a".to_owned() };
    let noted = [op(7, 2, 1, 0), op(17, 1, 0, 1), op(19, 0, 2, 5), op(8, 2, 0, 4), op(23, 0, 0, 1), op(40, 0, 0, 1)];
    let timed = [op(37, 0, 0, 3), op(37, 0, 0, 4)];
    for ops in [noted.to_vec(), timed.to_vec()] {
        let outcome = run_async(play(ops.into_iter().map(|op| (vec![op], None)).collect()));
        assert_eq!(outcome.refused, 0, "{:?}", outcome.kinds);
        all.kinds.extend(outcome.kinds);
    }
    assert_eq!(all.kinds.len(), 50, "{:?}", all.kinds);
    assert!(all.refused > 100, "{} refused", all.refused);
}
