//! Background jobs (J1 to J9, F6, F10) on the scripted model and a paused clock.

#[path = "jobs/ending.rs"]
mod ending;
#[path = "jobs/making.rs"]
mod making;
#[path = "jobs/owning.rs"]
mod owning;
#[path = "jobs/undoing.rs"]
mod undoing;
#[path = "jobs/windows.rs"]
mod windows;
#[path = "jobs/yielding.rs"]
mod yielding;

use nightdesk::testing::domain::{CauseKind, Job, JobId, JobState};
use nightdesk::testing::engine::protocol::{Reply, Request, RequestError};

use crate::support::engine_harness::{Plan, World, agent_id, group_id};
use crate::support::script::Script;

/// One speaker, one background agent, a job every turn.
fn desk(script: Script) -> Plan {
    Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), ..Plan::default() }
}

fn kinds(job: &Job) -> Vec<CauseKind> {
    job.causes.iter().map(|cause| cause.kind.clone()).collect()
}

fn turns(job: &Job) -> Vec<u64> {
    kinds(job)
        .into_iter()
        .filter_map(|kind| if let CauseKind::Turn { turn } = kind { Some(turn) } else { None })
        .collect()
}

async fn asked_for(world: &World, request: Request) -> Result<Job, RequestError> {
    match world.ask(request).await? {
        Reply::Job(job) => Ok(*job),
        other => panic!("{other:?}"),
    }
}

async fn cancel(world: &World, id: &JobId) -> Result<Job, RequestError> {
    asked_for(world, Request::CancelJob { id: id.clone() }).await
}

async fn retry(world: &World, id: &JobId) -> Result<Job, RequestError> {
    asked_for(world, Request::RetryJob { id: id.clone() }).await
}

async fn run_now(world: &World, agent: &str, instruction: Option<&str>) -> Result<Job, RequestError> {
    let instruction = instruction.map(str::to_owned);
    asked_for(world, Request::RunJob { agent: agent_id(agent), group: group_id(), instruction }).await
}

/// The first job that a turn with these words makes.
async fn job_after(world: &World, text: &str) -> Job {
    let before = world.jobs().await.len();
    world.send(text).await;
    world.jobs().await.remove(before)
}

/// The newest job after a turn with these words, once it is final.
async fn job_over_after(world: &World, text: &str) -> Job {
    world.send(text).await;
    world.job_over().await
}

/// Waits until this job is as it should be.
async fn until(world: &World, id: &JobId, is: impl Fn(&Job) -> bool) -> Job {
    world
        .when(async |world| {
            let job = world.job(id).await;
            is(&job).then_some(job)
        })
        .await
}

fn runs(job: &Job) -> bool {
    matches!(job.state, JobState::Running { .. })
}

fn is_over(job: &Job) -> bool {
    job.state.is_final()
}
