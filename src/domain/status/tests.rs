use serde_json::json;

use super::*;
use crate::domain::run::CallResult;
use crate::domain::{CauseKind, GroupId, ManagerType, Priority};
use crate::domain::{MailId, MailKind, StepId, Task};

fn id(name: &str) -> AgentId {
    AgentId(format!("agent-{name}"))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The turn of an agent's own conversation.
fn turn(name: &str, state: RunState) -> Run {
    let kind = RunKind::Turn { group: None, only: Some(id(name)) };
    Run::new(RunId(format!("turn-{name}")), ConversationId(format!("talk-{name}")), kind, state)
}

/// The agent's speech in the turn of `of`.
fn speech(name: &str, of: &str, state: RunState) -> Run {
    let kind = RunKind::Speech { agent: id(name), group: None, index: 0 };
    let parent = turn(of, RunState::Running);
    Run::new(RunId(format!("run-{name}")), parent.conversation.clone(), kind, state).under(&parent)
}

fn worker(name: &str, of: &str, state: RunState) -> Run {
    let task = Task { step: StepId(format!("step-{of}")), ordinal: 0, by: id(of), text: "go".into() };
    Run { parent: Some(RunId(format!("run-{of}"))), task: Some(task), ..speech(name, of, state) }
}

fn job_run(name: &str, state: RunState) -> Run {
    let kind = RunKind::Job { agent: id(name), group: GroupId::from("group"), job: JobId(format!("job-{name}")) };
    Run::new(RunId(format!("work-{name}")), ConversationId(format!("notes-{name}")), kind, state)
}

fn job(name: &str, state: JobState) -> Job {
    let fresh = Job::new(JobId(format!("job-{name}")), id(name), GroupId::from("group"), CauseKind::Turn { turn: 1 });
    Job { state, run: Some(RunId(format!("work-{name}"))), ..fresh }
}

/// A call of this run, made by the step of this agent.
fn call(run: &str, name: &str, kind: PendingKind, whom: &[&str]) -> PendingCall {
    PendingCall {
        run: RunId::from(run),
        step: StepId(format!("step-{name}")),
        ordinal: 0,
        call: "call".into(),
        name: "tool".into(),
        arguments: json!({}),
        kind,
        whom: whom.iter().map(|name| id(name)).collect(),
        since: at(0),
        until: None,
        answer: None,
    }
}

/// Mail the step of `from` sent and waits for, taken by this turn.
fn mail(from: &str, to: &str, status: MailStatus, taken: Option<&str>) -> Mail {
    Mail {
        id: MailId(format!("mail-{from}-{to}")),
        from: Some(id(from)),
        from_person: None,
        to: Some(id(to)),
        to_person: None,
        kind: MailKind::Request,
        status,
        priority: Priority::Normal,
        text: "hello".into(),
        in_reply_to: None,
        sent_by: Some((StepId(format!("step-{from}")), 0)),
        waited_for: true,
        group: None,
        run: taken.map(|name| RunId(format!("turn-{name}"))),
        root: None,
        depth: 1,
        error: None,
        created_at: at(0),
        expires_at: None,
    }
}

const PARKED: RunState = RunState::Parked;
const RUNNING: RunState = RunState::Running;
const QUEUED: RunState = RunState::Queued;

fn over() -> RunState {
    RunState::Finished { stop_reason: crate::domain::StopReason::EndTurn, error: None }
}

fn running() -> JobState {
    JobState::Running { epoch: 1 }
}

/// Ten seconds, on both clocks.
fn now() -> Now {
    Now { span: at(10), wall: at(10) }
}

fn scheduled(second: i64) -> JobState {
    JobState::Scheduled { run_at: at(second), why: "used up".into() }
}

fn retryable(second: i64) -> JobState {
    JobState::Retryable { since: None, run_at: at(second), error: "busy".into() }
}

#[test]
fn what_an_agent_does_is_told_by_one_word_for_the_same_rows() {
    use PendingKind::{Approval, Reply, Workers};

    type Case = (&'static str, Vec<Run>, Vec<PendingCall>, Vec<Mail>, Vec<Job>, &'static str);
    let answered = |call: PendingCall| {
        let answer = CallResult { ok: true, text: String::new(), for_run: false, by: None };
        PendingCall { answer: Some(answer), ..call }
    };
    let two = || vec![worker("ben", "ann", RUNNING), worker("cleo", "ann", QUEUED)];
    let managing = || vec![turn("ann", PARKED), speech("ann", "ann", PARKED)];
    let delegated = || call("run-ann", "ann", Workers, &["ben", "cleo"]);
    let asked = |whom: &[&str]| call("run-ann", "ann", Reply, whom);
    let approval = |run: &str| call(run, "ann", Approval, &[]);
    let pending = MailStatus::Pending;
    #[rustfmt::skip]
    let cases: Vec<Case> = vec![
        ("nothing", vec![], vec![], vec![], vec![], "idle"),
        ("a speech that is over", vec![turn("ann", RUNNING), speech("ann", "ann", over())], vec![], vec![], vec![], "idle"),
        ("another's speech", vec![speech("ben", "ben", RUNNING)], vec![], vec![], vec![], "idle"),
        ("a speech", vec![turn("ann", RUNNING), speech("ann", "ann", RUNNING)], vec![], vec![], vec![], "speaking"),
        ("a queued speech", vec![speech("ann", "ben", QUEUED)], vec![], vec![], vec![], "queued"),
        ("queued, speaks elsewhere", vec![speech("ann", "ben", QUEUED), Run { id: "other".into(), ..speech("ann", "ann", RUNNING) }],
            vec![], vec![], vec![], "speaking"),
        ("two workers", [managing(), two()].concat(), vec![delegated()], vec![], vec![], "waiting for ben and cleo"),
        ("one worker left", [managing(), vec![worker("cleo", "ann", QUEUED)]].concat(), vec![delegated()], vec![], vec![], "waiting for cleo"),
        ("one worker is over", [managing(), vec![worker("ben", "ann", over()), worker("cleo", "ann", RUNNING)]].concat(),
            vec![delegated()], vec![], vec![], "waiting for cleo"),
        ("all workers are over", managing(), vec![delegated()], vec![], vec![], "queued"),
        ("mail on its way", managing(), vec![asked(&["ben"])], vec![mail("ann", "ben", pending, None)], vec![], "waiting for ben"),
        ("mail being answered", [managing(), vec![turn("ben", RUNNING)]].concat(), vec![asked(&["ben"])],
            vec![mail("ann", "ben", MailStatus::Delivered, Some("ben"))], vec![], "waiting for ben"),
        ("mail answered", managing(), vec![asked(&["ben"])], vec![mail("ann", "ben", MailStatus::Delivered, Some("ben"))], vec![], "queued"),
        ("one of two mails failed", managing(), vec![asked(&["ben", "cleo"])],
            vec![mail("ann", "ben", MailStatus::Failed, None), mail("ann", "cleo", pending, None)], vec![], "waiting for cleo"),
        ("mail the user took", managing(), vec![asked(&["ben"])], vec![mail("ann", "ben", MailStatus::Read, None)], vec![], "queued"),
        ("three mails", managing(), vec![asked(&["ben", "cleo", "dan"])],
            ["ben", "cleo", "dan"].map(|to| mail("ann", to, pending, None)).into(), vec![], "waiting for 3 agents"),
        ("an approval", managing(), vec![approval("run-ann")], vec![], vec![], "waiting for approval"),
        ("an approval that is there", managing(), vec![answered(approval("run-ann"))], vec![], vec![], "queued"),
        ("an approval of its job", vec![job_run("ann", PARKED)], vec![approval("work-ann")], vec![], vec![job("ann", JobState::Parked)],
            "waiting for approval"),
        ("a job", vec![job_run("ann", RUNNING)], vec![], vec![], vec![job("ann", running())], "on a job"),
        ("a job before its next try", vec![job_run("ann", RUNNING)], vec![], vec![], vec![job("ann", retryable(9))], "idle"),
        ("a job that made way", vec![job_run("ann", RUNNING), speech("ann", "ann", RUNNING)], vec![], vec![],
            vec![job("ann", JobState::Available)], "speaking"),
        ("a job and a queued speech", vec![job_run("ann", RUNNING), speech("ann", "ben", QUEUED)], vec![], vec![],
            vec![job("ann", running())], "on a job"),
    ];
    for (case, runs, calls, mails, jobs, expected) in cases {
        let status = Work { runs: &runs, calls: &calls, mails: &mails }.agent(&id("ann"), &jobs);
        let words = status.words(|id| id.as_str().trim_start_matches("agent-").to_owned());
        assert_eq!(words, expected, "{case}");
    }
}

#[test]
fn what_a_run_is_blocked_on_names_the_call_the_agents_the_run_or_the_turn() {
    let runs = [
        turn("ann", PARKED),
        speech("ann", "ann", PARKED),
        worker("ben", "ann", RUNNING),
        turn("cleo", PARKED),
        speech("cleo", "cleo", PARKED),
        turn("dan", RUNNING),
        speech("ben", "dan", QUEUED),
        Run { id: "turn-2".into(), ..turn("dan", QUEUED) },
    ];
    let runs: Vec<Run> =
        runs.map(|run| {
            if run.state == QUEUED && run.id.as_str() == "run-ben" { Run { id: "queued".into(), ..run } } else { run }
        })
        .into();
    let calls = [
        call("run-ann", "ann", PendingKind::Workers, &["ben"]),
        call("run-cleo", "cleo", PendingKind::Approval, &[]),
        PendingCall { ordinal: 1, ..call("run-cleo", "cleo", PendingKind::Behind, &[]) },
    ];
    let work = Work { runs: &runs, calls: &calls, mails: &[] };
    let run = |id: &str| runs.iter().find(|run| run.id.as_str() == id).unwrap();
    let ben = id("ben");
    assert_eq!(work.blockers(run("run-ann")), [Blocker::Workers(&calls[0], vec![&ben])]);
    assert_eq!(work.blockers(run("turn-ann")), [Blocker::Workers(&calls[0], vec![&ben])], "as its part");
    assert_eq!(work.blockers(run("run-cleo")), [Blocker::Approval(&calls[1])]);
    assert_eq!(work.blockers(run("queued")), [Blocker::Agent(run("run-ben"))]);
    assert_eq!(work.blockers(run("turn-2")), [Blocker::Turn(run("turn-dan"))]);
    assert_eq!(work.blockers(run("run-ben")), []);
    let ready: Vec<&str> = work.ready_turns().into_iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ready, ["turn-dan"], "the others wait, and one a conversation goes");
    assert_eq!(work.ready_workers().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["run-ben"]);
    assert!(work.waits_for_a_person(run("turn-cleo")) && !work.waits_for_a_person(run("turn-ann")));
}

#[test]
fn a_turn_is_held_by_a_person_only_where_nothing_of_it_goes_on_by_itself() {
    let held = |runs: &[Run], calls: &[PendingCall], mails: &[Mail]| {
        Work { runs, calls, mails }.held_by_person(&runs[0]).iter().map(|call| call.run.0.clone()).collect::<Vec<_>>()
    };
    let approval = |run: &str| call(run, "x", PendingKind::Approval, &[]);
    let managing = [turn("ann", PARKED), speech("ann", "ann", PARKED)];
    assert_eq!(held(&managing, &[approval("run-ann")], &[]), ["run-ann"]);
    assert!(held(&managing[..1], &[], &[]).is_empty(), "it has not begun");
    // A worker that waits for a person holds its manager, unless another works on.
    let workers = call("run-ann", "ann", PendingKind::Workers, &["ben", "cleo"]);
    let both = |state: RunState| {
        [managing.to_vec(), vec![worker("ben", "ann", PARKED), worker("cleo", "ann", state)]].concat()
    };
    let calls = [workers, approval("run-ben"), approval("run-cleo")];
    assert_eq!(held(&both(PARKED), &calls, &[]), ["run-ben", "run-cleo"]);
    assert!(held(&both(RUNNING), &calls, &[]).is_empty());
    assert!(held(&both(QUEUED), &calls, &[]).is_empty());
    assert!(held(&managing, &calls[..1], &[]).is_empty(), "all workers are over: it goes on");
    // Mail: its reader in this chain of causes may be held; undelivered mail does not depend on this turn.
    let asks = [call("run-ann", "ann", PendingKind::Reply, &["ben"]), approval("run-ben")];
    let reading = turn("ben", PARKED);
    let reader = Run { root: turn("ann", PARKED).root, ..speech("ben", "ben", PARKED) };
    let chain = [managing.to_vec(), vec![reading, reader]].concat();
    assert_eq!(held(&chain, &asks, &[mail("ann", "ben", MailStatus::Delivered, Some("ben"))]), ["run-ben"]);
    assert!(held(&chain, &asks, &[mail("ann", "ben", MailStatus::Pending, None)]).is_empty());
}

#[test]
fn jobs_are_due_in_their_time_and_behind_the_one_whose_window_comes_first() {
    let claimed = |name: &str, state: JobState, upto: u64| Job { window: Some((0, upto)), ..job(name, state) };
    let second = |state: JobState| Job { id: JobId::from("second"), ..job("ann", state) };
    let cursor = |seq: u64| [Cursor { agent: id("ann"), group: GroupId::from("group"), seq }];
    let parked = [job_run("ann", PARKED)];
    let calls = [call("work-ann", "ann", PendingKind::Approval, &[])];
    let none = Work { runs: &[], calls: &[], mails: &[] };
    let due = |work: Work<'_>, jobs: &[Job], cursors: &[Cursor]| {
        let due = work.due_jobs(jobs, cursors, now());
        (due.now.iter().map(|job| job.id.0.clone()).collect::<Vec<_>>(), due.next)
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(due(none, &[job("ann", JobState::Available)], &[]), (ids(&["job-ann"]), None));
    assert_eq!(due(none, &[job("ann", running())], &[]), (ids(&[]), None));
    assert_eq!(due(none, &[job("ann", retryable(10))], &[]), (ids(&["job-ann"]), None));
    assert_eq!(due(none, &[job("ann", retryable(11)), job("ben", retryable(12))], &[]), (ids(&[]), Some(at(11))));
    let behind = [claimed("ann", retryable(11), 5), second(JobState::Available)];
    assert_eq!(due(none, &behind, &[]), (ids(&[]), Some(at(11))), "its window begins where the first one's ends");
    assert_eq!(due(none, &behind, &cursor(5)), (ids(&["second"]), Some(at(11))), "a retry's window is read already");
    let budget = [job("ann", scheduled(11)), job("ben", scheduled(10)), job("cid", scheduled(12))];
    assert_eq!(due(none, &budget, &[]), (ids(&["job-ben"]), None), "its budget is whole again");
    let behind = Now { wall: at(9), ..now() };
    let waits = none.due_jobs(&budget, &[], behind);
    assert_eq!((waits.now.len(), waits.scheduled.len(), waits.reset()), (0, 3, Some(at(10))), "by the wall clock");
    let waiting = Work { runs: &parked, calls: &calls, mails: &[] };
    assert_eq!(due(waiting, &[job("ann", JobState::Parked)], &[]), (ids(&[]), None));
    let answered = Work { calls: &[], ..waiting };
    assert_eq!(due(answered, &[job("ann", JobState::Parked)], &[]), (ids(&["job-ann"]), None));
}

#[test]
fn at_rest_is_what_a_person_a_pause_or_a_later_time_holds() {
    let active = Group::new(GroupId::from("group"), "group", ManagerType::RoundRobin);
    let paused = Group { status: GroupStatus::Paused, ..active.clone() };
    let calls = [call("run-ann", "ann", PendingKind::Approval, &[])];
    let held = [turn("ann", PARKED), speech("ann", "ann", PARKED)];
    let in_group = |state: RunState| {
        let kind = RunKind::Turn { group: Some(GroupId::from("group")), only: None };
        [Run { kind, ..turn("ann", state) }]
    };
    let rests = |runs: &[Run], jobs: &[Job], group: &Group| {
        Work { runs, calls: &calls, mails: &[] }.is_at_rest(jobs, &[], std::slice::from_ref(group), now())
    };
    assert!(rests(&[], &[], &active));
    assert!(rests(&held, &[], &active));
    assert!(!rests(&[turn("ben", RUNNING)], &[], &active));
    assert!(!rests(&[turn("ben", RUNNING)], &[], &paused), "what has begun goes on");
    assert!(!rests(&in_group(QUEUED), &[], &active));
    assert!(rests(&in_group(QUEUED), &[], &paused), "nothing starts in a group that is paused");
    for (state, in_active, in_paused) in [
        (JobState::Available, false, true),
        (running(), false, false),
        (retryable(10), false, true),
        (retryable(11), true, true),
    ] {
        let jobs = [job("ben", state.clone())];
        assert_eq!(rests(&[], &jobs, &active), in_active, "{state:?}");
        assert_eq!(rests(&[], &jobs, &paused), in_paused, "{state:?}");
    }
}

#[test]
fn waits_end_in_their_time_and_settled_ones_do_not() {
    let runs = [speech("ann", "ann", PARKED), worker("ben", "ann", RUNNING)];
    let until = |ordinal: u32, second: i64| PendingCall {
        ordinal,
        until: Some(at(second)),
        ..call("run-ann", "ann", PendingKind::Workers, &["ben"])
    };
    let other = |second: i64| PendingCall { kind: PendingKind::Approval, ..until(1, second) };
    let expired = |calls: &[PendingCall], now: i64| {
        let (over, next) = Work { runs: &runs, calls, mails: &[] }.expired(at(now));
        (over.len(), next)
    };
    assert_eq!(expired(&[until(0, 10), other(20)], 9), (0, Some(at(10))));
    assert_eq!(expired(&[until(0, 10), other(20)], 10), (1, Some(at(20))));
    assert_eq!(expired(&[until(1, 10)], 10), (0, None), "its workers are over");
}
