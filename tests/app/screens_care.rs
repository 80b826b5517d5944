//! Care of the store in the jobs pane, and the way back from changes in the agents.

use crate::support::app_harness::{Desk, nine, overview, said};
use nightdesk::testing::domain::job::JobFault;
use nightdesk::testing::domain::{CareTask, CauseKind, Job, JobOutcome, JobState};
use nightdesk::testing::engine::protocol::{Reply, Request};
use nightdesk::testing::tui::effect::Msg;

fn care(id: &str, task: CareTask, state: JobState) -> Job {
    let made = Job::of_care(id.into(), task, CauseKind::Person { instruction: None });
    Job { state, attempt: 1, created_at: nine(), started_at: Some(nine()), ended_at: Some(nine()), ..made }
}

fn desk(size: (u16, u16)) -> Desk {
    let mut overview = overview(said().len() as u64);
    let report = "sound: 48 changes, 19 rows".to_owned();
    let damaged = JobState::Failed { class: JobFault::Terminal, error: "the disk is full".to_owned() };
    overview.jobs = vec![
        care("job-2", CareTask::Backup, damaged),
        care("job-1", CareTask::Check, JobState::Completed { outcome: JobOutcome::CareTaken { report } }),
    ];
    Desk::new(overview, said(), size)
}

fn asked(desk: &mut Desk) -> Request {
    desk.asked.pop().expect("nothing was asked").1
}

#[test]
fn care_of_the_store_is_below_the_jobs_of_agents_and_done_again_by_key() {
    for size in [(80, 24), (120, 40)] {
        let mut desk = desk(size);
        desk.keys("<Esc>4");
        let text = desk.text();
        for part in ["Care of the store", "backup", "the disk is full", "check of th", "done"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        desk.keys("R");
        assert_eq!(asked(&mut desk), Request::RunCare { task: CareTask::Backup });
        desk.keys("r");
        assert_eq!(asked(&mut desk), Request::RetryJob { id: "job-2".into() });
        desk.keys("j<Enter>");
        assert_eq!(asked(&mut desk), Request::JobDetail { id: "job-1".into() });
        let text = desk.text();
        assert!(text.contains("completed, sound: 48 changes, 19 rows"), "{text}");
        desk.keys("<Enter>");
        assert!(desk.text().contains("care of the store has no place in a conversation"), "{}", desk.text());
    }
}

#[test]
fn the_last_change_of_groups_and_agents_is_shown_before_it_is_taken_back() {
    let mut desk = desk((80, 24));
    desk.keys("<Esc>1u");
    let (ticket, request) = desk.asked.pop().unwrap();
    assert_eq!(request, Request::UndoRoster { really: false });
    let undo = |done| Reply::RosterUndo {
        title: "deleted group pair".to_owned(),
        at: nine(),
        lines: vec!["group pair comes back".to_owned(), "agent ann comes back".to_owned()],
        done,
    };
    desk.send(Msg::Answered(ticket, Ok(undo(false))));
    let text = desk.text();
    for part in ["Take back that you deleted group pair?", "agent ann comes back", "take it back"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    desk.keys("n");
    assert!(desk.asked.is_empty(), "nothing is done without a yes");
    desk.keys("u");
    let (ticket, _) = desk.asked.pop().unwrap();
    desk.send(Msg::Answered(ticket, Ok(undo(false))));
    desk.keys("y");
    let (ticket, request) = desk.asked.pop().unwrap();
    assert_eq!(request, Request::UndoRoster { really: true });
    desk.send(Msg::Answered(ticket, Ok(undo(true))));
    assert!(desk.text().contains("undone: you deleted group pair"), "{}", desk.text());
}
