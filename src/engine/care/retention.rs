//! Retention: removes what jobs that ended long ago left, a few at a time (J14).

use jiff::{SignedDuration, Timestamp};

use super::{Engine, EngineError, Failure};
use crate::config::Care;
use crate::domain::{Actor, Change, Commit, Job, MailId, Precondition};
use crate::engine::protocol::Expired;
use crate::store::{Background, ExpiredJob, Expiry, Lane, Store, StoreError};

/// The most messages and steps that go in one commit, unless one job has more: the foreground waits for one at most.
const AT_ONCE: u64 = 300;
/// The most readings or mails that go in one commit.
const AT_ONCE_OTHERS: usize = 16;

/// The moments before which jobs ended that can go at `now`: completed ones, and others; each with its age in seconds.
#[must_use]
pub fn cutoffs(now: Timestamp, completed: Option<u32>, others: Option<u32>) -> Expiry {
    let before = |age: Option<u32>| {
        age.map(|age| now.saturating_sub(SignedDuration::from_secs(age.into())).unwrap_or(Timestamp::MIN))
    };
    Expiry { completed: before(completed), others: before(others) }
}

fn of(care: &Care, now: Timestamp) -> Expiry {
    cutoffs(now, Some(care.keep_completed), Some(care.keep_failed))
}

/// What can go.
///
/// # Errors
/// [`StoreError`] if a query fails.
pub async fn found(store: &Store<Background>, expiry: Expiry) -> Result<Expired, StoreError> {
    let jobs = store.expired_jobs(expiry).await?;
    let mails = match expiry.others {
        Some(before) => store.old_mail(before).await?.len() as u64,
        None => 0,
    };
    Ok(Expired { mails, ..sum(&jobs) })
}

fn sum(jobs: &[ExpiredJob]) -> Expired {
    Expired {
        jobs: jobs.len() as u64,
        records: jobs.iter().map(|job| job.records).sum(),
        bytes: jobs.iter().map(|job| job.bytes).sum(),
        mails: 0,
    }
}

/// Removes what can go, under the fence of the job.
pub(super) async fn perform(engine: &Engine, job: &Job) -> Result<String, Failure> {
    let expiry = of(&engine.care.care(), engine.store.clock().now());
    let under = Precondition::JobFence(job.id.clone(), job.fence);
    let gone = remove(engine, expiry, &Actor::Engine, Some(&under)).await?;
    let mails = match gone.mails {
        0 => String::new(),
        mails => format!(", {mails} mails"),
    };
    let jobs = match (gone.jobs, gone.records) {
        (0, _) if gone.mails == 0 => "nothing to remove".to_owned(),
        (1, records) => format!("removed 1 job, {records} messages and steps"),
        (jobs, records) => format!("removed {jobs} jobs, {records} messages and steps"),
    };
    Ok(jobs + &mails)
}

/// Removes what jobs that ended before these moments left, and what sources read for them. Returns what went. One job that
/// is not to go yet stays, and holds up no other.
///
/// # Errors
/// [`EngineError`] if the store fails, or what it rests on does not hold any more.
pub(in crate::engine) async fn remove(
    engine: &Engine,
    expiry: Expiry,
    by: &Actor,
    under: Option<&Precondition>,
) -> Result<Expired, EngineError> {
    let store = engine.store.background();
    let jobs = store.expired_jobs(expiry).await?;
    let mut gone: Vec<ExpiredJob> = Vec::new();
    let mut left = jobs.as_slice();
    while !left.is_empty() {
        let mut records = 0;
        let fits = left.iter().take_while(|job| {
            records += job.records + 1;
            records <= AT_ONCE
        });
        let (chunk, rest) = left.split_at(fits.count().max(1));
        left = rest;
        match commit(engine, chunk.iter().map(expired).collect(), by, under).await {
            Ok(()) => gone.extend_from_slice(chunk),
            Err(EngineError::Refused(_)) => {
                for job in chunk {
                    match commit(engine, vec![expired(job)], by, under).await {
                        Ok(()) => gone.push(job.clone()),
                        Err(EngineError::Refused(why)) => tracing::info!(job = %job.id, why, "not removed yet"),
                        Err(other) => return Err(other),
                    }
                }
            }
            Err(other) => return Err(other),
        }
        tokio::task::yield_now().await;
    }
    for chunk in store.unneeded_readings().await?.chunks(AT_ONCE_OTHERS) {
        let removed = |(id, brought): &(_, u64)| Change::ReadingRemoved { id: Clone::clone(id), brought: *brought };
        commit(engine, chunk.iter().map(removed).collect(), by, under).await?;
    }
    let mut mails = 0;
    let old = match expiry.others {
        Some(before) => store.old_mail(before).await?,
        None => Vec::new(),
    };
    for chunk in old.chunks(AT_ONCE_OTHERS) {
        let removed = |(id, sent): &(MailId, u64)| Change::MailRemoved { id: id.clone(), sent: *sent };
        match commit(engine, chunk.iter().map(removed).collect(), by, under).await {
            Ok(()) => mails += chunk.len() as u64,
            Err(EngineError::Refused(_)) => {
                for mail in chunk {
                    match commit(engine, vec![removed(mail)], by, under).await {
                        Ok(()) => mails += 1,
                        Err(EngineError::Refused(why)) => tracing::info!(mail = %mail.0, why, "not removed yet"),
                        Err(other) => return Err(other),
                    }
                }
            }
            Err(other) => return Err(other),
        }
    }
    Ok(Expired { mails, ..sum(&gone) })
}

fn expired(job: &ExpiredJob) -> Change {
    Change::JobExpired { id: job.id.clone(), runs: Vec::new(), conversation: None }
}

async fn commit(
    engine: &Engine,
    changes: Vec<Change>,
    by: &Actor,
    under: Option<&Precondition>,
) -> Result<(), EngineError> {
    let commit = Commit { preconditions: under.into_iter().cloned().collect(), ..Commit::new(by.clone(), changes) };
    engine.commit(Lane::Background, commit).await.map(drop)
}
