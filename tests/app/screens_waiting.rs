//! What waits for somebody, as it is seen and decided: roster, delegations, choices, inbox and mail.

use crate::support::app_harness::{self, Desk, overview, said};
use crate::support::waiting::{
    self, asking, bridge, call, calls, chosen, gathered, id, mails, post, stream, supervisor,
};
use nightdesk::testing::domain::run::CallResult;
use nightdesk::testing::domain::{GroupStatus, ManagerType, PendingCall, PendingKind, Priority, RunState};
use nightdesk::testing::engine::protocol::{Phase, Recipient, Request, RequestError, RowUpdate};
use nightdesk::testing::tui::effect::{Effect, Msg};
use nightdesk::testing::tui::glyph;
use nightdesk::testing::tui::pane::PaneId;

const USUAL: (u16, u16) = (120, 40);
const SIZES: [(&str, (u16, u16)); 2] = [("80x24", (80, 24)), ("120x40", USUAL)];

/// The screen after these keys, at both sizes.
fn at_both_sizes(name: &str, make: impl Fn((u16, u16)) -> Desk, keys: &str) {
    for (size_name, size) in SIZES {
        let mut desk = make(size);
        desk.keys(keys);
        assert_screen!(format!("{name}_{size_name}"), desk.text());
    }
}

/// The last request, taken.
fn asked(desk: &mut Desk) -> Request {
    desk.asked.pop().expect("nothing was asked").1
}

fn toast(desk: &Desk) -> &str {
    desk.app.toast.as_ref().map_or("", |(toast, _)| toast.text.as_str())
}

/// A call is answered: what the engine tells once a decision is committed.
fn decided(desk: &mut Desk, call: PendingCall) {
    let answer = CallResult { ok: true, text: String::new(), for_run: false, by: None };
    desk.committed(Vec::new(), vec![RowUpdate::Call(PendingCall { answer: Some(answer), ..call })]);
}

/// The rows of the screen that hold `needle`.
fn rows_with(desk: &Desk, needle: &str) -> Vec<usize> {
    desk.lines().iter().enumerate().filter(|(_, line)| line.contains(needle)).map(|(at, _)| at).collect()
}

// The roster.

#[test]
fn the_roster_tells_who_manages_who_waits_for_whom_and_who_is_queued() {
    at_both_sizes("supervisor_roster", supervisor, "<Esc>1j");
    let mut wide = supervisor((200, 60));
    wide.keys("<Esc>1j");
    assert_screen!("supervisor_roster_200x60", wide.text());
}

#[test]
fn a_selected_group_says_what_its_manager_type_is_best_for() {
    for (kind, words) in [(ManagerType::Supervisor, "one question"), (ManagerType::Dynamic, "open talk among")] {
        let mut desk = Desk::new(bridge(kind, 2), waiting::delegated(), USUAL);
        desk.keys("<Esc>1");
        let column: Vec<String> = desk.lines().iter().map(|line| line.chars().take(21).collect()).collect();
        let told = column.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_group_that_is_paused_or_archived_says_so_in_words() {
    for (status, word) in [(GroupStatus::Paused, "paused"), (GroupStatus::Archived, "archived")] {
        let mut overview = bridge(ManagerType::Dynamic, 2);
        overview.groups[0].status = status;
        let desk = Desk::new(overview, waiting::delegated(), USUAL);
        assert_eq!(rows_with(&desk, word).len(), 2, "in the title and in the roster: {}", desk.text());
    }
}

#[test]
fn who_is_next_is_told_only_where_the_order_is_known() {
    for kind in [ManagerType::RoundRobin, ManagerType::Dynamic, ManagerType::Supervisor] {
        let mut overview = bridge(kind, 2);
        overview.runs = vec![app_harness::turn(RunState::Running), waiting::speech("critic", 0, RunState::Running)];
        overview.groups[0].continue_order = true;
        overview.groups[0].roles.clear();
        let desk = Desk::new(overview, waiting::delegated(), USUAL);
        let next: Vec<String> = desk.lines().iter().filter(|line| line.contains("next")).cloned().collect();
        match kind {
            // It went on with the critic, so the clerk is next, whose place in the turn would be the first's.
            ManagerType::RoundRobin => assert!(next.len() == 1 && next[0].contains("clerk"), "{next:?}"),
            _ => assert_eq!(next, [""; 0]),
        }
    }
}

#[test]
fn mail_to_the_person_is_counted_beside_who_wrote_it() {
    let mut desk = post(USUAL);
    let counted: Vec<String> = desk.lines().into_iter().filter(|line| line.contains("1 mail")).collect();
    assert!(counted.len() == 2 && counted[0].contains("critic") && counted[1].contains("editor"), "{counted:?}");
    desk.keys("<Esc>1gh");
    let folded = desk.lines().into_iter().find(|line| line.contains("2 mail")).unwrap();
    assert!(folded.contains("newsroom"), "{folded}");
}

// The conversation.

#[test]
fn workers_stream_below_each_other_and_nothing_moves_while_they_type() {
    at_both_sizes("delegation", supervisor, "");
    let mut desk = supervisor(USUAL);
    let before = [rows_with(&desk, "engineer  │"), rows_with(&desk, "critic    │"), rows_with(&desk, "clerk     │")];
    assert!(before.iter().all(|rows| rows.len() == 1), "{before:?} {}", desk.text());
    for _ in 0..12 {
        stream(&mut desk, "critic", Phase::Speaking, " And nobody will, as long as it is closed at night.");
        stream(&mut desk, "engineer", Phase::Calling { tool: "archival_memory_search".into() }, " Or more.");
    }
    let after = [rows_with(&desk, "engineer  │"), rows_with(&desk, "critic    │"), rows_with(&desk, "clerk     │")];
    assert_eq!(before, after, "{}", desk.text());
    // A step is over and the next one not begun: its place is kept.
    desk.send(Msg::Update(Box::new(nightdesk::testing::engine::protocol::Update::Over { step: "step-critic".into() })));
    assert_eq!(rows_with(&desk, "critic    │"), before[1], "{}", desk.text());
}

#[test]
fn a_delegation_reads_as_one_piece_and_its_result_as_one_line() {
    let make = |size| {
        let said = gathered();
        Desk::new(bridge(ManagerType::Supervisor, said.len() as u64), said, size)
    };
    at_both_sizes("gathered", make, "");
    assert!(make(USUAL).text().contains("gathered 2 answers, 1 failed"));
    let mut desk = make(USUAL);
    desk.keys("<Esc>2kk<Enter>");
    assert!(desk.text().contains("message: what holds, what does it"), "{}", desk.text());
}

#[test]
fn choices_passes_and_the_end_of_a_turn_are_quiet_lines() {
    let make = |size| {
        let said = chosen();
        Desk::new(bridge(ManagerType::Dynamic, said.len() as u64), said, size)
    };
    at_both_sizes("dynamic", make, "");
}

#[test]
fn a_turn_that_is_over_leaves_no_worker_behind() {
    let mut desk = supervisor(USUAL);
    let over = || RunState::Finished { stop_reason: nightdesk::testing::domain::StopReason::EndTurn, error: None };
    for name in ["engineer", "critic", "clerk"] {
        desk.committed(Vec::new(), vec![RowUpdate::Run(waiting::worker(name, over()))]);
    }
    assert_eq!(desk.app.model.runs.len(), 5, "they count until the turn is over");
    let rows = [waiting::speech("chair", 0, over()), app_harness::turn(over())].map(RowUpdate::Run);
    desk.committed(Vec::new(), rows.into());
    assert_eq!(desk.app.model.runs, []);
}

// Decisions.

#[test]
fn a_call_that_waits_stands_at_the_foot_of_its_conversation_with_the_keys() {
    at_both_sizes("approval", asking, "");
    let mut desk = asking(USUAL);
    desk.keys("<Esc>2a");
    let decide = Request::Decide {
        step: "step-critic".into(),
        ordinal: 0,
        approve: true,
        for_run: false,
        reason: String::new(),
    };
    assert_eq!(asked(&mut desk), decide, "the one that has waited longest");
}

#[test]
fn the_inbox_lists_what_waits_oldest_first_and_opens_what_would_run() {
    at_both_sizes("inbox", asking, "<Esc>5");
    at_both_sizes("inbox_open", asking, "<Esc>5<Enter>");
    at_both_sizes("inbox_open_other", asking, "<Esc>5j<Enter>");
    at_both_sizes("inbox_deny", asking, "<Esc>5dtoo early");
    at_both_sizes("inbox_empty", Desk::newsroom, "<Esc>5");
    let mut empty = Desk::newsroom((80, 24));
    for pane in ["<Esc>5", "<Esc>6"] {
        empty.keys(pane);
        let lines = empty.lines();
        let hints = lines.last().unwrap();
        let without = ["Enter", "approve", "deny", "answer"];
        assert!(hints.contains("? help") && without.iter().all(|key| !hints.contains(key)), "{hints}");
    }
}

#[test]
fn a_approves_and_capital_a_approves_for_the_rest_of_the_run() {
    for (key, for_run) in [("a", false), ("A", true)] {
        for open in ["", "<Enter>"] {
            let mut desk = asking(USUAL);
            desk.keys(&format!("<Esc>5{open}{key}"));
            let Request::Decide { step, ordinal, approve, for_run: whole, reason } = asked(&mut desk) else {
                panic!("another request")
            };
            assert_eq!(
                (step.as_str(), ordinal, approve, whole, reason.as_str()),
                ("step-critic", 0, true, for_run, "")
            );
        }
    }
}

#[test]
fn a_denial_carries_its_reason_and_may_have_none() {
    for (typed, wanted) in [("not before the board has met", "not before the board has met"), ("", "")] {
        let mut desk = asking(USUAL);
        desk.keys(&format!("<Esc>5d{typed}<Enter>"));
        let Request::Decide { approve: false, reason, for_run: false, .. } = asked(&mut desk) else {
            panic!("another request")
        };
        assert_eq!(reason, wanted);
        assert!(desk.app.dialogs.is_empty());
    }
}

#[test]
fn a_call_leaves_the_inbox_when_the_decision_is_committed_and_not_before() {
    let mut desk = asking(USUAL);
    desk.keys("<Esc>5a");
    assert!(desk.text().contains("critic  approving"), "{}", desk.text());
    assert!(desk.lines()[23].contains("5 Inbox ▲2"), "{}", desk.lines()[23]);
    desk.keys("a");
    assert_eq!(desk.asked.len(), 1, "it is asked once: {}", toast(&desk));
    decided(&mut desk, calls()[1].clone());
    assert!(desk.lines()[23].contains("5 Inbox ▲1") && !desk.text().contains("approving"), "{}", desk.text());
    assert_eq!(desk.app.panes.inbox.selected(), Some(&("step-critic".into(), 1)));
}

#[test]
fn what_is_decided_elsewhere_closes_what_is_open_about_it() {
    let mut desk = asking(USUAL);
    desk.keys("<Esc>5<Enter>d");
    assert_eq!(desk.app.dialogs.len(), 2);
    decided(&mut desk, calls()[1].clone());
    assert!(desk.app.dialogs.is_empty() && desk.asked.is_empty());
}

#[test]
fn a_decision_the_engine_refuses_is_told_and_its_reason_comes_back() {
    let mut desk = asking(USUAL);
    desk.keys("<Esc>5dtoo early<Enter>");
    let (ticket, _) = desk.asked.pop().unwrap();
    desk.send(Msg::Answered(ticket, Err(RequestError::new("the disk is full; free some space"))));
    assert!(toast(&desk).contains("the disk is full"));
    assert!(desk.text().contains("too early"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(matches!(asked(&mut desk), Request::Decide { reason, .. } if reason == "too early"));
}

#[test]
fn what_waits_for_the_person_is_told_at_every_size() {
    for (_, size) in SIZES {
        let desk = asking(size);
        let text = desk.text();
        assert!(text.contains("5 Inbox ▲2"), "{text}");
        assert!(desk.lines().last().unwrap().trim_end().ends_with("▲ 2"), "{text}");
    }
    let narrow = asking((40, 12)).text();
    assert!(narrow.contains("▲2") && narrow.contains("▲ 2"), "{narrow}");
}

#[test]
fn an_edit_that_would_be_refused_says_so_before_it_is_approved() {
    let mut desk = asking(USUAL);
    let stale = serde_json::json!({ "label": "Story", "old_str": "- Launch: 9 May", "new_str": "- Launch: 4 May" });
    let call = call("critic", 0, PendingKind::Approval, "memory_replace", stale);
    desk.committed(Vec::new(), vec![RowUpdate::Call(call)]);
    desk.keys("<Esc>5<Enter>");
    assert!(desk.text().contains("With the current text of the block it would be rejected"), "{}", desk.text());
}

#[test]
fn a_call_of_a_background_job_waits_in_the_inbox_too() {
    let mut desk = asking(USUAL);
    let group = nightdesk::testing::domain::GroupId::from("group-1");
    let kind = nightdesk::testing::domain::RunKind::Job { agent: id("archivist"), group, job: "job-2".into() };
    let run = app_harness::run("run-archivist-9", kind, RunState::Parked);
    let run = nightdesk::testing::domain::Run { conversation: "conversation-job".into(), ..run };
    let call = call("archivist", 2, PendingKind::Approval, "print_paper", serde_json::json!({}));
    desk.committed(Vec::new(), vec![RowUpdate::Run(run), RowUpdate::Call(call)]);
    desk.keys("<Esc>5G<Enter>");
    assert!(desk.text().contains("in the background of newsroom"), "{}", desk.text());
    desk.keys("<Enter>");
    assert_eq!(desk.app.model.place.address, Some(Recipient::Group("group-1".into())));
}

// Mail.

#[test]
fn mail_is_listed_opened_and_written() {
    at_both_sizes("mail", post, "<Esc>6");
    at_both_sizes("mail_open", post, "<Esc>6<Enter>");
    at_both_sizes("mail_write", post, "<Esc>6rThe fourth. Tell them<C-j>tonight.");
    at_both_sizes("mail_empty", Desk::newsroom, "<Esc>6");
    let mut failed = post(USUAL);
    failed.keys("<Esc>6G<Enter>");
    assert_screen!("mail_failed_120x40", failed.text());
}

#[test]
fn opening_mail_to_the_person_marks_it_read_once_and_other_mail_never() {
    let mut desk = post(USUAL);
    desk.keys("<Esc>6<Enter>");
    desk.draw();
    assert_eq!(asked(&mut desk), Request::ReadMail { id: "mail-1".into() });
    assert!(desk.asked.is_empty());
    desk.keys("<Esc>j<Enter>");
    assert!(desk.asked.is_empty(), "it is for the critic");
    let read =
        nightdesk::testing::domain::Mail { status: nightdesk::testing::domain::MailStatus::Read, ..mails()[0].clone() };
    desk.keys("<Esc>");
    assert!(desk.lines()[23].contains("6 Mail ●2"), "{}", desk.lines()[23]);
    desk.committed(Vec::new(), vec![RowUpdate::Mail(read)]);
    assert!(desk.lines()[23].contains("6 Mail ●1"), "{}", desk.lines()[23]);
}

#[test]
fn an_answer_names_the_mail_it_answers_and_keeps_its_priority() {
    let mut desk = post(USUAL);
    desk.keys("<Esc>6rThe fourth.<Tab><Enter>");
    let Request::SendMail { to, text, priority, expires_in: None, in_reply_to } = asked(&mut desk) else {
        panic!("another request")
    };
    assert_eq!((to, text.as_str(), in_reply_to), (id("editor"), "The fourth.", Some("mail-1".into())));
    assert_eq!(priority, Priority::Low, "high is what it answered, Tab goes round");
    desk.keys("jr");
    assert!(desk.app.dialogs.is_empty() && toast(&desk).contains("not addressed to you"), "{}", toast(&desk));
}

#[test]
fn mail_that_is_refused_comes_back_and_unsent_mail_is_not_thrown_away_by_escape() {
    let mut desk = post(USUAL);
    desk.keys("<Esc>1jwTidy up<Enter>");
    let (ticket, request) = desk.asked.pop().unwrap();
    assert!(matches!(request, Request::SendMail { to, .. } if to == id("reporter")));
    desk.send(Msg::Answered(ticket, Err(RequestError::new("reporter is archived"))));
    assert!(desk.text().contains("Tidy up") && toast(&desk).contains("archived"), "{}", desk.text());
    desk.keys("<Esc>");
    assert!(desk.text().contains("This mail has not been sent."));
    desk.keys("<Esc>!<Enter>");
    assert!(matches!(asked(&mut desk), Request::SendMail { text, .. } if text == "Tidy up!"));
    desk.keys("wx<Esc>t");
    assert!(desk.app.dialogs.is_empty() && desk.asked.is_empty());
}

#[test]
fn mail_is_filtered_to_the_selected_agent_and_back() {
    let mut desk = post(USUAL);
    desk.keys("<Esc>6f");
    assert!(toast(&desk).contains("select an agent first"), "{}", toast(&desk));
    desk.keys("1jjjj6f");
    assert!(desk.text().contains("of archivist only") && !desk.text().contains("I doubt the date"), "{}", desk.text());
    desk.keys("f");
    assert!(desk.text().contains("I doubt the date"), "{}", desk.text());
}

// All of them.

#[test]
fn one_of_three_panes_is_open_below_the_blocks_and_every_number_leads_to_its_pane() {
    let mut desk = asking(USUAL);
    for (key, pane) in [("5", PaneId::Inbox), ("6", PaneId::Mail), ("4", PaneId::Jobs), ("<A-5>", PaneId::Inbox)] {
        desk.keys(&format!("<Esc>{key}"));
        assert_eq!((desk.app.pane, desk.app.lower), (pane, pane));
    }
    desk.keys("3");
    assert_eq!(desk.app.lower, PaneId::Inbox, "it stays open");
    let kept = desk.app.session();
    let mut next = asking(USUAL);
    next.app.restore(kept);
    assert_eq!(next.app.lower, PaneId::Inbox);
    let mut narrow = asking((80, 24));
    narrow.keys("<Esc>1<Tab><Tab><Tab><Tab>");
    assert!(narrow.text().contains("›5 Inbox"), "{}", narrow.text());
}

#[test]
fn in_ascii_everything_that_waits_is_still_told() {
    for (name, mut desk) in [("supervisor", supervisor(USUAL)), ("asking", asking(USUAL)), ("post", post(USUAL))] {
        desk.app.look.glyphs = &glyph::ASCII;
        desk.keys(if name == "post" { "<Esc>16" } else { "<Esc>15" });
        desk.resize(ratatui::layout::Size { width: 119, height: 40 });
        assert_screen!(format!("ascii_{name}"), desk.text());
        assert!(desk.text().is_ascii(), "{}", desk.text());
    }
}

#[test]
fn nothing_in_arguments_mail_or_roles_reaches_the_terminal_as_a_command() {
    const HOSTILE: &str = "\u{1b}]52;c;cHduZWQ=\u{7}\u{1b}[2J\u{202e}evil\u{200b}\tend\u{9b}31m";
    let mut overview = overview(4);
    overview.calls = calls();
    overview.mails = mails();
    for call in &mut overview.calls {
        call.name = format!("{}{HOSTILE}", call.name);
        call.arguments = serde_json::json!({ "label": HOSTILE, HOSTILE: [HOSTILE], "new_memory": HOSTILE });
    }
    overview.calls[1].name = "memory_rethink".into();
    overview.calls[1].arguments = serde_json::json!({ "label": "story", "new_memory": HOSTILE });
    for mail in &mut overview.mails {
        mail.text = HOSTILE.into();
        mail.error = Some(HOSTILE.into());
    }
    for agent in &mut overview.agents {
        agent.name = format!("{}{HOSTILE}", agent.name);
    }
    overview.groups[0].roles.insert(id("editor"), HOSTILE.into());
    let mut desk = Desk::new(overview, said(), USUAL);
    let all = ["", "<Esc>5", "<Enter>", "d", "<Esc><Esc>j<Enter>", "<Esc>6", "<Enter>", "r", "<Esc><Esc>1jjj", "w"];
    for keys in all {
        desk.keys(keys);
        let bytes = String::from_utf8_lossy(&desk.frame).into_owned();
        for bad in ["\u{1b}]", "\u{7}", "\u{1b}[2J", "\u{202e}", "\u{200b}", "\u{9b}", "\t"] {
            assert!(!bytes.contains(bad), "{bad:?} after {keys}");
        }
    }
    desk.keys("<Esc>5y");
    let Some(Effect::Copy { text, .. }) = desk.effects.last() else { panic!("nothing is copied") };
    assert!(text.chars().all(|char| "\n\t".contains(char) || !char.is_control()), "{text:?}");
}

#[test]
fn a_letter_in_an_agents_own_conversation_bears_its_writers_name() {
    use nightdesk::testing::domain::{Conversation, ConversationOwner, Message};

    let said = vec![Message {
        conversation: "conversation-talk".into(),
        ..app_harness::message(1, Some("reporter"), 9, app_harness::words("Who told the printers?"))
    }];
    let mut overview = overview(1);
    let owner = ConversationOwner::Agent(id("critic"));
    overview.conversations.push(Conversation { id: "conversation-talk".into(), owner, head: 1, asked: 1, turns: 0 });
    let mut desk = Desk::new(overview, said, USUAL);
    desk.keys("<Esc>1jj<Enter>");
    assert_eq!(desk.app.model.place.address, Some(Recipient::Agent(id("critic"))));
    let line = desk.lines().into_iter().find(|line| line.contains("Who told the printers?")).unwrap();
    assert!(line.contains("09:41 ■ reporter"), "{line}");
}

#[test]
fn tab_completes_a_name_behind_an_at_sign_and_else_goes_to_the_panes() {
    let mut desk = Desk::new(bridge(ManagerType::Supervisor, 2), waiting::delegated(), USUAL);
    desk.keys("@e<Tab>");
    assert_eq!(desk.app.composer.text(), "@engineer ");
    desk.keys("<C-u>@C<Tab>");
    assert_eq!(desk.app.composer.text(), "@c");
    assert!(toast(&desk).contains("critic") && toast(&desk).contains("clerk"), "{}", toast(&desk));
    desk.keys("h<Tab>why?");
    assert_eq!(desk.app.composer.text(), "@chair why?");
    desk.keys("<Tab>");
    assert!(!desk.app.composing);
}

// One status, told by an agent's tool, by the command line and on the screen.

/// A store in which each agent is in a state of its own; what each of them is to be called.
async fn everybody_at_something(path: &std::path::Path) -> Vec<(&'static str, &'static str)> {
    use nightdesk::testing::domain::{
        Actor, Agent, CauseKind, Change, Commit, Conversation, ConversationId, ConversationOwner, Group, GroupId, Job,
        JobId, JobState, Run, RunId, RunKind, StepId, Task,
    };
    use nightdesk::testing::store::{Lane, Options, Store};

    let store = Store::open(path, Options::default()).unwrap();
    let told = vec![
        ("watcher", "speaking"),
        ("idler", "idle"),
        ("speaker", "speaking"),
        ("latecomer", "queued"),
        ("manager", "waiting for hand and latecomer"),
        ("hand", "speaking"),
        ("asker", "waiting for speaker"),
        ("careful", "waiting for approval"),
        ("sleeper", "on a job"),
        ("patient", "idle"),
    ];
    let home = GroupId::from("group-crew");
    let mut group = Group::new(home.clone(), "crew", ManagerType::RoundRobin);
    group.members = told.iter().map(|(name, _)| id(name)).collect();
    let talk = |name: &str| ConversationId(format!("conversation-{name}"));
    let turn = |name: &str, state: RunState| {
        Run::new(RunId(format!("run-{name}")), talk(name), RunKind::Turn { group: None, only: Some(id(name)) }, state)
    };
    let speech = |name: &str, of: &str, state: RunState| {
        let kind = RunKind::Speech { agent: id(name), group: None, index: 0 };
        let parent = turn(of, RunState::Running);
        Run::new(RunId(format!("run-{name}-9")), talk(of), kind, state).under(&parent)
    };
    let worker = |name: &str, state: RunState| {
        let asked = Task { step: StepId::from("step-manager"), ordinal: 0, by: id("manager"), text: "go".into() };
        Run { parent: Some(RunId::from("run-manager-9")), task: Some(asked), ..speech(name, "manager", state) }
    };
    let parked = |name: &str, call: PendingCall| {
        [Change::CallPending(call), Change::RunMoved { id: RunId(format!("run-{name}-9")), to: RunState::Parked }]
    };
    let job = |name: &str| {
        let fresh = Job::new(JobId(format!("job-{name}")), id(name), home.clone(), CauseKind::Turn { turn: 1 });
        let (run, conversation) = (RunId(format!("run-{name}-work")), ConversationId(format!("notes-{name}")));
        let claim = Change::JobClaimed { id: fresh.id.clone(), epoch: 1, run, conversation, upto: None };
        [Change::JobCreated(fresh), claim]
    };
    let mut changes: Vec<Change> = Vec::new();
    changes.extend(told.iter().map(|(name, _)| Change::AgentPut(Agent::new(id(name), *name, home.clone()))));
    changes.push(Change::GroupPut(group));
    let owner = ConversationOwner::Group(home.clone());
    changes.push(Change::ConversationOpened(Conversation::new(talk("crew"), owner)));
    for name in ["watcher", "speaker", "manager", "asker", "careful"] {
        changes.push(Change::ConversationOpened(Conversation::new(talk(name), ConversationOwner::Agent(id(name)))));
        changes.push(Change::RunCreated(turn(name, RunState::Running)));
        changes.push(Change::RunCreated(speech(name, name, RunState::Running)));
    }
    changes.extend([worker("hand", RunState::Running), worker("latecomer", RunState::Queued)].map(Change::RunCreated));
    let none = serde_json::json!({});
    let workers = call("manager", 0, PendingKind::Workers, "delegate", none.clone());
    changes.extend(parked("manager", PendingCall { whom: ["hand", "latecomer"].map(id).into(), ..workers }));
    let letter = nightdesk::testing::domain::Mail {
        status: nightdesk::testing::domain::MailStatus::Pending,
        kind: nightdesk::testing::domain::MailKind::Request,
        from: Some(id("asker")),
        to: Some(id("speaker")),
        sent_by: Some((StepId::from("step-asker"), 0)),
        waited_for: true,
        run: None,
        in_reply_to: None,
        error: None,
        group: None,
        ..mails()[0].clone()
    };
    changes.push(Change::MailSent(letter));
    let asks = call("asker", 0, PendingKind::Reply, "send_message_to_agent_and_wait_for_reply", none.clone());
    changes.extend(parked("asker", PendingCall { whom: vec![id("speaker")], ..asks }));
    changes.extend(parked("careful", call("careful", 0, PendingKind::Approval, "print_paper", none)));
    changes.extend(job("sleeper"));
    changes.extend(job("patient"));
    let later = JobState::Retryable { since: None, run_at: app_harness::nine(), error: "busy".into() };
    changes.push(Change::JobMoved { id: JobId::from("job-patient"), to: later });
    for change in changes {
        store.commit(Lane::Foreground, Commit::new(Actor::Engine, vec![change])).await.unwrap();
    }
    told
}

#[tokio::test]
async fn a_tool_the_command_line_and_the_screen_have_the_same_word_for_the_same_rows() {
    use nightdesk::testing::engine::Handle;
    use nightdesk::testing::engine::directory::Colleagues;
    use nightdesk::testing::store::{Options, Store, StoreLock};
    use nightdesk::testing::tools::Directory as _;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let told = everybody_at_something(&path).await;

    let store = Store::open_read_only(&path, Options::default()).unwrap();
    let mut seen = Vec::new();
    // Who is waited for is named, also to itself.
    for me in ["watcher", "speaker"] {
        let view = store.step_view(&format!("run-{me}-9").as_str().into(), 1_000).await.unwrap();
        seen.push((me, Colleagues::new(&store, &view).colleagues().await.unwrap()));
    }

    // The screen has a program that owns the store.
    let _owner = StoreLock::take(&path).unwrap();
    let mut listing = std::process::Command::new(env!("CARGO_BIN_EXE_nightdesk"));
    listing.env_clear().env("HOME", dir.path()).arg("--store").arg(&path).args(["agent", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listing.output().unwrap().stdout).unwrap();

    let overview = Handle::read_only(&path, "offline".into()).unwrap().overview().await.unwrap();
    let mut screen = Desk::new(overview, Vec::new(), (200, 60));
    screen.keys("<Esc>1");
    let lines = screen.lines();

    for (name, word) in told {
        for (me, colleagues) in &seen {
            let spoken = colleagues.iter().find(|colleague| colleague.name == name).map(|other| other.state.as_str());
            assert!(name == *me || spoken == Some(word), "the tool: {name} {spoken:?}");
        }
        let row = listed.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
        assert_eq!(row["state"], word, "the command line: {name}");
        let at =
            lines.iter().position(|line| line.contains(&format!(" {name} "))).unwrap_or_else(|| panic!("{lines:#?}"));
        // Words that do not fit beside the name stand below it.
        let column = lines[at..=at + 2].iter().filter_map(|line| line.split('│').next());
        let shown = column.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        // Who is idle has the sign for it, and where the column is narrow its model for the word.
        let expected = if word == "idle" { format!("○ {name}") } else { format!("{name} {word}") };
        assert!(shown.contains(&expected), "{expected}: {shown}");
    }
}

#[test]
fn a_worker_whose_agent_speaks_elsewhere_is_told_to_wait_for_that() {
    use nightdesk::testing::domain::Run;

    let mut desk = supervisor(USUAL);
    assert!(desk.text().contains("◔ queued ") && !desk.text().contains("busy elsewhere"), "{}", desk.text());
    let elsewhere = Run {
        id: "run-elsewhere".into(),
        conversation: "conversation-elsewhere".into(),
        ..waiting::speech("clerk", 0, RunState::Running)
    };
    desk.committed(Vec::new(), vec![RowUpdate::Run(elsewhere)]);
    assert!(desk.text().contains("◔ queued: busy elsewhere"), "{}", desk.text());
}

#[test]
fn rows_that_cannot_be_read_are_told_on_the_status_line_and_in_their_lists() {
    use nightdesk::testing::domain::state::{Kind, RowFault};

    let damaged = |kind: Kind, key: &str| RowFault { kind, key: key.into(), why: "expected value at line 1".into() };
    let overview = nightdesk::testing::engine::protocol::Overview {
        faults: vec![
            damaged(Kind::Agent, "agent-lost"),
            damaged(Kind::Block, "block-lost"),
            damaged(Kind::Job, "job-lost"),
            damaged(Kind::Call, "step-lost/0000"),
            damaged(Kind::Mail, "mail-lost"),
        ],
        ..overview(said().len() as u64)
    };
    let mut desk = Desk::new(overview, said(), USUAL);
    assert!(desk.lines().last().unwrap().contains("5 unreadable"), "{}", desk.text());
    let flat = |desk: &Desk| desk.text().replace(['│', '┃'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for (pane, kind, key) in [
        ('1', Kind::Agent, "agent-lost"),
        ('3', Kind::Block, "block-lost"),
        ('4', Kind::Job, "job-lost"),
        ('5', Kind::Call, "step-lost/0000"),
        ('6', Kind::Mail, "mail-lost"),
    ] {
        desk.keys(&format!("<Esc>{pane}z"));
        let shown = flat(&desk);
        for part in [&format!("{} {key} cannot be read", kind.noun()), "expected value at line 1", "restore a backup"] {
            assert!(shown.contains(part), "{part}: {}", desk.text());
        }
        desk.keys("z");
    }
    // Written anew it can be read again.
    let block = app_harness::story(9, "whole");
    desk.committed(
        Vec::new(),
        vec![RowUpdate::Block(nightdesk::testing::domain::Block { id: "block-lost".into(), ..block })],
    );
    assert!(desk.lines().last().unwrap().contains("4 unreadable"), "{}", desk.text());
}
