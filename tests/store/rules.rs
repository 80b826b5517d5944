//! What the rules refuse and what they set, whoever commits it.

use crate::support::fixtures::{self, BLOCK, newsroom};
use jiff::{SignedDuration, Timestamp};
use nightdesk::testing::domain::state::{ApplyError, InMemoryRows, Rows as _, check};
use nightdesk::testing::domain::{
    Basis, Call, Cause, CauseKind, Change, Conflict, Group, Ids, Job, JobId, JobOutcome, JobState, Mail, MailKind,
    MailStatus, Occurrence, Person, PersonId, Precondition, Priority, Revision, Run, RunState, StopReason, Trigger,
    When,
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
    state.apply(fixtures::moved("speech", over()), AT).unwrap();
    let late = state.apply(call("agent-ann"), AT).unwrap_err();
    assert_eq!(late, Conflict::Run { run: "speech".into() });
}

fn over() -> RunState {
    RunState::Finished { stop_reason: StopReason::EndTurn, error: None }
}

#[test]
fn a_run_starts_nothing_after_its_end() {
    let mut state = state();
    for run in ["speech", "run-1"] {
        state.apply(fixtures::moved(run, over()), AT).unwrap();
    }
    let late = state.apply(fixtures::speech("late", "run-1", "ben"), AT).unwrap_err();
    assert_eq!(late, Conflict::Run { run: "run-1".into() });
}

#[test]
fn a_part_that_begins_with_its_turn_answers_the_message_of_the_turn() {
    let mut state = InMemoryRows::default();
    for change in newsroom().changes {
        state.apply(change, AT).unwrap();
    }
    let Change::RunCreated(turn) = state.apply(fixtures::turn("run-1"), AT).unwrap() else { unreachable!() };
    let part = state.apply(fixtures::speech("speech", "run-1", "ann"), AT).unwrap();
    let Change::RunCreated(part) = part else { unreachable!() };
    assert!(turn.turn > 0 && turn.input > 0, "{turn:?}");
    assert_eq!((part.turn, part.input), (turn.turn, turn.input));
}

#[test]
fn what_rests_on_a_run_as_it_was_read_is_refused_once_it_has_changed() {
    let mut state = state();
    let read: Run = state.get("run-1").unwrap().unwrap();
    let as_read = Precondition::unchanged(Basis::Run(read));
    assert!(check(&mut state, &as_read).is_ok());
    state.apply(Change::RunSignalled { id: "run-1".into(), word: "enough".to_owned() }, AT).unwrap();
    let changed = check(&mut state, &as_read);
    assert!(matches!(changed, Err(ApplyError::Conflict(Conflict::Changed { .. }))), "{changed:?}");
}

#[test]
fn the_id_of_a_deleted_block_is_not_used_again() {
    let mut state = state();
    let made = || Change::BlockCreated(fixtures::block("block-x", "x", "text"));
    state.apply(made(), AT).unwrap();
    state.apply(Change::BlockDeleted { id: "block-x".into() }, AT).unwrap();
    assert_eq!(refused(&mut state, made()), "block block-x was deleted, and its id cannot be used again");
}

#[test]
fn an_edit_that_a_block_refuses_is_refused_to_its_last_call() {
    let mut state = state();
    let Change::BlockEdited(edit) = fixtures::edit(BLOCK, 2, &"x".repeat(1_001)) else { unreachable!() };
    let refusal = state.apply(Change::BlockEdited(Revision { calls: vec![0, 3], ..edit.clone() }), AT).unwrap_err();
    assert!(
        matches!(&refusal, Conflict::Call { ordinal: 3, text, .. } if text.starts_with("not done: ")),
        "{refusal:?}"
    );
    let refusal = state.apply(Change::BlockEdited(edit), AT).unwrap_err();
    assert!(matches!(&refusal, Conflict::Refused { text } if !text.starts_with("not done")), "{refusal:?}");
}

/// Mail of ann's call to ben, `seconds` after the epoch.
pub(super) fn mail(seconds: i64) -> Mail {
    Mail {
        id: format!("mail-{seconds}").as_str().into(),
        from: Some("agent-ann".into()),
        from_person: None,
        to: Some("agent-ben".into()),
        to_person: None,
        kind: MailKind::Request,
        status: MailStatus::Pending,
        priority: Priority::Normal,
        text: "hello".to_owned(),
        in_reply_to: None,
        sent_by: Some((format!("step-{seconds}").as_str().into(), 0)),
        waited_for: false,
        group: Some(fixtures::GROUP.into()),
        run: None,
        root: None,
        depth: 0,
        error: None,
        created_at: Timestamp::from_second(seconds).unwrap(),
        expires_at: None,
    }
}

#[test]
fn a_limit_on_mail_counts_what_lies_less_than_a_minute_away_on_either_side() {
    let mut state = state();
    let Ok(Some(group)) = state.get::<Group>(fixtures::GROUP) else { unreachable!() };
    state.apply(Change::GroupPut(Group { mail_per_minute: Some(1), ..group }), AT).unwrap();
    state.apply(Change::MailSent(mail(1_000)), AT).unwrap();
    for near in [941, 1_059] {
        let Conflict::Call { text, .. } = state.apply(Change::MailSent(mail(near)), AT).unwrap_err() else {
            panic!("{near} is refused to the call")
        };
        assert!(text.contains("the group has sent its 1 messages of this minute"), "{text}");
    }
    // The clock was set back by more than a minute.
    state.apply(Change::MailSent(mail(900)), AT).unwrap();
}

#[test]
fn a_limit_on_mail_forgets_each_second_by_itself() {
    let mut state = state();
    let Ok(Some(group)) = state.get::<Group>(fixtures::GROUP) else { unreachable!() };
    state.apply(Change::GroupPut(Group { mail_per_minute: Some(2), ..group }), AT).unwrap();
    for second in [1_000, 1_050, 1_065] {
        state.apply(Change::MailSent(mail(second)), AT).unwrap();
    }
    let refused = state.apply(Change::MailSent(mail(1_066)), AT).unwrap_err();
    assert!(refused.to_string().contains("the group has sent its 2 messages of this minute"), "{refused}");
}

#[test]
fn mail_that_comes_back_has_the_time_at_which_it_is_sent_back() {
    let mut state = state();
    state.apply(Change::MailSent(mail(1_000)), AT).unwrap();
    let later = Timestamp::from_second(2_000).unwrap();
    let back = mail(1_000).back("back".into(), MailKind::Reply, "hello, ann".to_owned());
    let Change::MailSent(back) = state.apply(Change::MailSent(back), later).unwrap() else { unreachable!() };
    assert_eq!(back.created_at, later);
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
    let job = Job::new(id(), "agent-cleo".into(), fixtures::GROUP.into(), CauseKind::Turn { turn: 1 });
    let claim = Change::JobClaimed { id: id(), epoch: 1, run: "work".into(), conversation: "notes".into(), upto: None };
    for change in [Change::JobCreated(job), claim] {
        state.apply(change, AT).unwrap();
    }
    let back = |to| Change::JobHandedBack { id: id(), to };
    let done = JobState::Completed { outcome: JobOutcome::NothingToDo };
    assert_eq!(refused(&mut state, back(done)), "a job that is handed back cannot become completed");
    state.apply(back(JobState::Available), AT).unwrap();
    let Ok(job) = state.get::<Job>("job-1");
    assert_eq!(job.map(|job| (job.attempt, job.state)), Some((0, JobState::Available)));
    let twice = state.apply(back(JobState::Available), AT).unwrap_err();
    assert_eq!(twice, Conflict::Fenced { job: id() }, "it does not run");
}

#[test]
fn a_time_of_a_trigger_is_taken_once_and_the_last_hundred_are_remembered() {
    let mut state = state();
    let trigger = Trigger::new(&Ids::seeded(1), fixtures::GROUP.into(), When::Idle { seconds: 60 }.into());
    let id = trigger.id.clone();
    state.apply(Change::TriggerPut(trigger), AT).unwrap();
    let at = |minute: i64| AT + SignedDuration::from_mins(minute);
    let due = |minute: i64| Change::TriggerDue { id: id.clone(), scheduled_at: at(minute) };
    let arm = || Change::TriggerArmed { id: id.clone(), seconds: 60 };
    state.apply(arm(), AT).unwrap();
    assert_eq!(refused(&mut state, due(2)), format!("trigger {id} is not due at {}", at(2)));
    state.apply(due(1), at(1)).unwrap();
    state.apply(arm(), AT).unwrap();
    assert_eq!(refused(&mut state, due(1)), format!("the time {} of trigger {id} was taken before", at(1)));
    for minute in 1..150 {
        state.apply(arm(), at(minute)).unwrap();
        state.apply(due(minute + 1), at(minute + 1)).unwrap();
    }
    let Ok(taken) = state.find::<Occurrence>(id.as_str());
    let oldest = taken.iter().map(|occurrence| occurrence.scheduled_at).min();
    assert_eq!((taken.len(), oldest), (100, Some(at(51))));
}

#[test]
fn a_waiting_job_is_as_deep_as_the_deepest_of_its_causes() {
    let mut state = state();
    let cause = |depth| Cause { depth, ..CauseKind::Person { instruction: None }.into() };
    let job = Job::new("job-1".into(), "agent-cleo".into(), fixtures::GROUP.into(), cause(1));
    let id = job.id.clone();
    state.apply(Change::JobCreated(job), AT).unwrap();
    for (caused, depth) in [(2, 2), (0, 2), (3, 3)] {
        state.apply(Change::JobCaused { id: id.clone(), cause: cause(caused) }, AT).unwrap();
        let Ok(Some(job)) = state.get::<Job>(id.as_str()) else { unreachable!() };
        assert_eq!(job.depth, depth);
    }
}

#[test]
fn a_commit_that_rests_on_a_run_is_refused_when_the_run_has_moved_or_made_a_step() {
    let mut state = state();
    let Ok(Some(run)) = state.get::<Run>("speech") else { unreachable!() };
    check(&mut state, &Precondition::run(&run)).unwrap();
    let stepped = Run { steps: run.steps + 1, ..run.clone() };
    let parked = Run { state: RunState::Parked, ..run.clone() };
    for now in [stepped, parked] {
        let Ok(()) = state.put(&now);
        let moved = check(&mut state, &Precondition::run(&run)).unwrap_err();
        assert!(matches!(moved, ApplyError::Conflict(Conflict::Run { .. })), "{moved:?}");
    }
}
