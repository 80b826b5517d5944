//! A desk where people and agents wait for each other: a supervisor at work, a dynamic group, calls and mail.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use nightdesk::testing::domain::run::Task;
use nightdesk::testing::domain::{
    Agent, AgentId, Content, GroupId, Mail, MailId, MailKind, MailStatus, ManagerType, Message, NoticeKind,
    PendingCall, PendingKind, Priority, Run, RunId, RunKind, RunState, StepId,
};
use nightdesk::testing::engine::protocol::{LiveUpdate, Overview, Phase, Update};
use nightdesk::testing::tui::effect::Msg;

use super::app_harness::{self, Desk, ROOM, message, nine, overview, run, turn};

pub fn id(name: &str) -> AgentId {
    AgentId(format!("agent-{name}"))
}

fn agent(name: &str, description: &str) -> Agent {
    Agent { description: description.into(), ..Agent::new(id(name), name, GroupId::from("group-1")) }
}

/// A speech of the seventh turn.
pub fn speech(name: &str, index: u32, state: RunState) -> Run {
    let kind = RunKind::Speech { agent: id(name), group: Some(GroupId::from("group-1")), index };
    run(&format!("run-{name}-9"), kind, state)
}

/// A worker's speech, asked by the chair's step.
pub fn worker(name: &str, state: RunState) -> Run {
    let task = Task { step: StepId::from("step-chair"), ordinal: 0, by: id("chair"), text: "What holds?".into() };
    Run { parent: Some(RunId::from("run-chair-9")), task: Some(task), ..speech(name, 0, state) }
}

/// A call that waits.
pub fn call(name: &str, ordinal: u32, kind: PendingKind, tool: &str, arguments: serde_json::Value) -> PendingCall {
    PendingCall {
        run: RunId(format!("run-{name}-9")),
        step: StepId(format!("step-{name}")),
        ordinal,
        call: format!("call-{ordinal}"),
        name: tool.into(),
        arguments,
        kind,
        whom: Vec::new(),
        since: nine() - SignedDuration::from_mins(3 - i64::from(ordinal)),
        until: None,
        answer: None,
    }
}

/// The bridge: a chair and three who know something, under a manager type.
pub fn bridge(manager_type: ManagerType, head: u64) -> Overview {
    let mut overview = overview(head);
    let group = &mut overview.groups[0];
    group.name = "bridge".into();
    group.manager_type = manager_type;
    group.manager_agent = Some(id("chair"));
    group.members = ["engineer", "critic", "clerk"].map(id).into();
    group.max_turns = None;
    group.sleeptime = None;
    group.description = "Whether the old bridge can carry the new tram".into();
    group.roles = BTreeMap::from([(id("engineer"), "load".to_owned()), (id("clerk"), "costs".to_owned())]);
    overview.agents = vec![
        agent("chair", "Splits the question and sums up"),
        agent("engineer", "Knows the load limits"),
        agent("critic", "Doubts every number"),
        agent("clerk", "Keeps the books"),
    ];
    overview.jobs.clear();
    overview.runs.clear();
    overview
}

fn notice(seq: u64, kind: NoticeKind, text: &str, minute: i64) -> Message {
    message(seq, Some("chair"), minute, Content::Notice { notice: kind, text: text.into() })
}

fn answer(seq: u64, name: &str, content: Content) -> Message {
    Message {
        answers: Some(StepId::from("step-chair")),
        run: Some(RunId(format!("run-{name}-9"))),
        ..message(seq, Some(name), 9, content)
    }
}

/// What stands in the room while the chair's workers are at it.
pub fn delegated() -> Vec<Message> {
    vec![
        message(1, None, 8, app_harness::words("Can the old bridge carry the new tram?")),
        notice(2, NoticeKind::Delegated, "engineer, critic, clerk: what holds, what does it cost?", 9),
    ]
}

/// The supervisor with three workers: two stream, one is queued.
pub fn supervisor(size: (u16, u16)) -> Desk {
    let said = delegated();
    let mut overview = bridge(ManagerType::Supervisor, said.len() as u64);
    let workers = [("engineer", RunState::Running), ("critic", RunState::Running), ("clerk", RunState::Queued)];
    overview.runs = vec![turn(RunState::Running), speech("chair", 0, RunState::Parked)];
    overview.runs.extend(workers.map(|(name, state)| worker(name, state)));
    let whom = ["engineer", "critic", "clerk"].map(id).into();
    let arguments = serde_json::json!({ "message": "what holds, what does it cost?" });
    let waits = call("chair", 0, PendingKind::Workers, "send_message_to_all_agents_in_group", arguments);
    overview.calls = vec![PendingCall { whom, ..waits }];
    let mut desk = Desk::new(overview, said, size);
    stream(&mut desk, "critic", Phase::Speaking, "Nobody measured the third pillar since 1961.");
    stream(&mut desk, "engineer", Phase::Speaking, "The deck holds forty tonnes.");
    desk
}

/// A step of this agent streams in the room.
pub fn stream(desk: &mut Desk, name: &str, phase: Phase, text: &str) {
    let update = LiveUpdate {
        step: StepId(format!("step-{name}")),
        run: RunId(format!("run-{name}-9")),
        root: RunId::from("run-7"),
        conversation: ROOM.into(),
        agent: id(name),
        name: name.to_owned(),
        phase,
        text: text.to_owned(),
        reasoning: String::new(),
    };
    desk.send(Msg::Update(Box::new(Update::Live(update))));
}

/// The same room after all have answered and the chair has summed up.
pub fn gathered() -> Vec<Message> {
    let mut said = delegated();
    let failed = Content::Notice { notice: NoticeKind::Error, text: "clerk: 429 from openai after 3 tries".into() };
    let result = Content::Tool {
        call: "call-0".into(),
        name: "send_message_to_all_agents_in_group".into(),
        arguments: serde_json::json!({ "message": "what holds, what does it cost?" }),
        ok: true,
        text: "engineer: The deck holds forty tonnes.\ncritic: Nobody measured it.\nclerk failed: 429".into(),
    };
    said.push(answer(
        3,
        "engineer",
        app_harness::words("The deck holds **forty tonnes**; the tram weighs thirty-six."),
    ));
    said.push(answer(4, "critic", app_harness::words("Nobody measured the third pillar since 1961.")));
    said.push(answer(5, "clerk", failed));
    said.push(Message { step: Some(StepId::from("step-chair")), ..message(6, Some("chair"), 9, result) });
    said.push(message(7, Some("chair"), 9, app_harness::words("It can, once the third pillar is measured.")));
    said
}

/// A dynamic turn that is over: two choices, a pass, and why it ended.
pub fn chosen() -> Vec<Message> {
    vec![
        message(1, None, 5, app_harness::words("Can the old bridge carry the new tram?")),
        notice(2, NoticeKind::Choice, "engineer: knows the load limits", 6),
        message(3, Some("engineer"), 6, app_harness::words("The deck holds forty tonnes.")),
        notice(4, NoticeKind::Choice, "critic: may doubt it", 7),
        message(5, None, 7, Content::Notice { notice: NoticeKind::Pass, text: "critic had nothing to add".into() }),
        notice(6, NoticeKind::Ended, "chair ended the turn: all has been said", 8),
    ]
}

/// The calls that wait for the person: two of the editor's turn, one behind, one in a background job.
pub fn calls() -> Vec<PendingCall> {
    let story = "The story so far\n- Launch: 4 May, says the board\n- Mira keeps bees in Lucerne";
    let rethink = serde_json::json!({ "label": "story", "new_memory": story });
    let run = serde_json::json!({ "command": "print --all", "copies": 40, "when": "tonight\nafter ten" });
    let behind = serde_json::json!({ "label": "human", "new_str": "Prints at night." });
    vec![
        call("critic", 1, PendingKind::Approval, "print_paper", run),
        call("critic", 0, PendingKind::Approval, "memory_rethink", rethink),
        call("critic", 2, PendingKind::Behind, "memory_insert", behind),
    ]
}

/// The newsroom where the critic wants two things.
pub fn asking(size: (u16, u16)) -> Desk {
    let said = app_harness::said();
    let mut overview = overview(said.len() as u64);
    for run in &mut overview.runs {
        if run.id == RunId::from("run-critic-9") {
            run.state = RunState::Parked;
        }
    }
    overview.calls = calls();
    Desk::new(overview, said, size)
}

/// A piece of mail.
pub fn mail(at: i64, from: Option<&str>, to: Option<&str>, status: MailStatus, text: &str) -> Mail {
    Mail {
        id: MailId(format!("mail-{at}")),
        from: from.map(id),
        from_person: None,
        to: to.map(id),
        to_person: None,
        kind: MailKind::Request,
        status,
        priority: Priority::Normal,
        text: text.into(),
        in_reply_to: None,
        sent_by: None,
        waited_for: false,
        group: Some(GroupId::from("group-1")),
        run: None,
        root: None,
        depth: 1,
        error: None,
        created_at: nine() - SignedDuration::from_mins(at),
        expires_at: None,
    }
}

/// Mail of every kind, newest first.
pub fn mails() -> Vec<Mail> {
    let letter = "The printers want an answer by ten.\n\nShall I tell them the third or the fourth of May?";
    let until = Some(nine() + SignedDuration::from_mins(19));
    vec![
        Mail { priority: Priority::High, ..mail(1, Some("editor"), None, MailStatus::Delivered, letter) },
        Mail { expires_at: until, ..mail(2, Some("reporter"), Some("critic"), MailStatus::Pending, "Who told them?") },
        mail(4, Some("critic"), None, MailStatus::Delivered, "I doubt the date."),
        Mail {
            kind: MailKind::Reply,
            in_reply_to: Some("mail-8".into()),
            ..mail(6, Some("critic"), Some("reporter"), MailStatus::Read, "The board, in April.")
        },
        mail(8, Some("reporter"), Some("critic"), MailStatus::Read, "Who decided the date?"),
        mail(30, None, Some("archivist"), MailStatus::Expired, "Tidy the story before nine."),
        Mail {
            error: Some("archivist is paused: nothing starts until its group goes on".into()),
            ..mail(40, Some("editor"), Some("archivist"), MailStatus::Failed, "Keep the old date too.")
        },
    ]
}

/// The newsroom with mail.
pub fn post(size: (u16, u16)) -> Desk {
    let said = app_harness::said();
    let overview = Overview { mails: mails(), ..overview(said.len() as u64) };
    Desk::new(overview, said, size)
}
