//! What the jobs pane tells of triggers, and what keys do with them.

use crate::support::app_harness::{Desk, overview, said};
use nightdesk::testing::domain::trigger::{Hours, Missed, Schedule};
use nightdesk::testing::domain::{Ids, Trigger, TriggerSpec, When};
use nightdesk::testing::engine::protocol::{Reply, Request};
use nightdesk::testing::tui::effect::Msg;

/// One at times of the clock that was held, one on an event that is paused, one after a silence.
fn triggers() -> Vec<Trigger> {
    let schedule = Schedule {
        pattern: "0 7 * * 1".to_owned(),
        zone: "UTC".to_owned(),
        missed: Missed::Once,
        missed_within: None,
        between: Some(Hours::try_from("06:00-22:00".to_owned()).unwrap()),
    };
    let of = |id: &str, when: When| {
        let spec = TriggerSpec { agent: Some("agent-archivist".into()), ..when.into() };
        Trigger { id: id.into(), ..Trigger::new(&Ids::seeded(1), "group-1".into(), spec) }
    };
    let why = "2026-04-27 07:00 was skipped: it was more than 2h ago".to_owned();
    vec![
        Trigger {
            next_due: Some("2026-05-04T07:00:00Z".parse().unwrap()),
            why_not: Some(why),
            ..of("trigger-1", When::Cron { schedule })
        },
        Trigger {
            paused: true,
            why_not: Some("it is paused".to_owned()),
            ..of("trigger-2", When::Event { name: "deploy".to_owned() })
        },
        of("trigger-3", When::Idle { seconds: 300 }),
    ]
}

fn desk(size: (u16, u16)) -> Desk {
    let said = said();
    let mut overview = overview(said.len() as u64);
    overview.triggers = triggers();
    Desk::new(overview, said, size)
}

/// The last request, taken.
fn asked(desk: &mut Desk) -> Request {
    desk.asked.pop().expect("nothing was asked").1
}

#[test]
fn the_jobs_pane_tells_of_each_trigger_when_it_fires_for_whom_and_why_not() {
    for (name, size) in [("80x24", (80, 24)), ("120x40", (120, 40))] {
        let mut desk = desk(size);
        desk.keys("<Esc>4z");
        assert_screen!(format!("triggers_{name}"), desk.text());
    }
}

#[test]
fn a_trigger_is_fired_paused_resumed_and_changed_by_key() {
    let mut desk = desk((120, 40));
    desk.keys("<Esc>4G");
    desk.keys("kkR");
    assert_eq!(asked(&mut desk), Request::FireTrigger { id: "trigger-1".into() });
    desk.keys("p");
    let (ticket, request) = desk.asked.pop().expect("nothing was asked");
    assert_eq!(request, Request::PauseTrigger { id: "trigger-1".into(), paused: true });
    desk.send(Msg::Answered(ticket, Ok(Reply::Trigger(Box::new(triggers().remove(0))))));
    assert!(desk.app.toast.as_ref().unwrap().0.text.starts_with("paused: at 07:00"));
    desk.keys("jp");
    assert_eq!(asked(&mut desk), Request::PauseTrigger { id: "trigger-2".into(), paused: false });
    desk.keys("e");
    assert!(desk.text().contains("Group newsroom") && desk.text().contains("Triggers"), "{}", desk.text());
}
