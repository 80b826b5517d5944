//! What the rules refuse, whoever commits it.

use crate::support::fixtures::{self, newsroom};
use jiff::Timestamp;
use nightdesk::testing::domain::state::InMemoryRows;
use nightdesk::testing::domain::{
    Call, Change, Conflict, Job, JobId, JobOutcome, JobState, Person, PersonId, RunState, StopReason, Trigger,
};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

/// The newsroom, in a turn in which ann speaks.
fn state() -> InMemoryRows {
    let mut state = InMemoryRows::default();
    let talk = [fixtures::turn("run-1"), fixtures::speech("speech", "run-1", "ann")];
    for change in newsroom().changes.into_iter().chain(talk) {
        state.apply(change, AT).unwrap();
    }
    state
}

fn refused(state: &mut InMemoryRows, change: Change) -> String {
    state.apply(change, AT).unwrap_err().to_string()
}

#[test]
fn a_call_is_recorded_for_the_agent_of_its_run_until_the_run_ends() {
    let mut state = state();
    let call = |agent: &str| {
        Change::CallMade(Call {
            run: "speech".into(),
            step: "step-1".into(),
            ordinal: 0,
            agent: agent.into(),
            group: None,
            tool: "memory_insert".to_owned(),
            ok: true,
            at: AT,
        })
    };
    assert_eq!(refused(&mut state, call("agent-ben")), "agent-ben makes no calls in run speech");
    let Change::CallMade(made) = state.apply(call("agent-ann"), AT).unwrap() else { unreachable!() };
    assert_eq!(made.group, Some(fixtures::GROUP.into()), "the group is that of the run");
    let over = RunState::Finished { stop_reason: StopReason::EndTurn, error: None };
    state.apply(fixtures::moved("speech", over), AT).unwrap();
    let late = state.apply(call("agent-ann"), AT).unwrap_err();
    assert_eq!(late, Conflict::Run { run: "speech".into() });
}

#[test]
fn a_person_has_a_name() {
    let person = |name: &str| Change::PersonPut(Person { id: PersonId::local(), name: name.to_owned() });
    assert_eq!(refused(&mut state(), person(" ")), "a person needs a name");
    state().apply(person("ada"), AT).unwrap();
}

#[test]
fn a_job_is_handed_back_to_wait_and_the_attempt_does_not_count() {
    let mut state = state();
    let id = || JobId::from("job-1");
    let job = Job::new(id(), "agent-cleo".into(), fixtures::GROUP.into(), Trigger::Turn { turn: 1 });
    let claim = Change::JobClaimed { id: id(), epoch: 1, run: "work".into(), conversation: "notes".into(), upto: None };
    for change in [Change::JobCreated(job), claim] {
        state.apply(change, AT).unwrap();
    }
    let back = |to| Change::JobHandedBack { id: id(), to };
    let over = JobState::Completed { outcome: JobOutcome::NothingToDo };
    assert_eq!(refused(&mut state, back(over)), "a job that is handed back cannot become completed");
    state.apply(back(JobState::Available), AT).unwrap();
    let Ok(job) = nightdesk::testing::domain::state::Rows::get::<Job>(&mut state, "job-1");
    assert_eq!(job.map(|job| (job.attempt, job.state)), Some((0, JobState::Available)));
    let twice = state.apply(back(JobState::Available), AT).unwrap_err();
    assert_eq!(twice, Conflict::Fenced { job: id() }, "it does not run");
}
