//! The workbench as plain data: keys in, state and effects out.

use crate::support::app_harness::{self, Desk};
use nightdesk::testing::domain::StopReason;
use nightdesk::testing::domain::message::NoticeKind;
use nightdesk::testing::domain::{Change, Content, RunState, SearchResult};
use nightdesk::testing::engine::connection::{Connection, EngineAt, Program};
use nightdesk::testing::engine::protocol::{Phase, Reply, Request, RequestError, RowUpdate};
use nightdesk::testing::tui::effect::{Effect, ExitMode, Msg};
use nightdesk::testing::tui::pane::PaneId;
use ratatui::layout::Size;

const USUAL: (u16, u16) = (120, 40);

/// What was asked to be sent, in order.
fn sent(desk: &Desk) -> Vec<&str> {
    let texts = desk.asked.iter().filter_map(|(_, request)| match request {
        Request::Send { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// The rows of the screen that hold `needle`.
fn rows_with(desk: &Desk, needle: &str) -> Vec<usize> {
    desk.lines().iter().enumerate().filter(|(_, line)| line.contains(needle)).map(|(at, _)| at).collect()
}

fn paste(desk: &mut Desk, text: &str) {
    desk.send(Msg::Paste(text.to_owned()));
}

#[test]
fn enter_sends_and_what_the_engine_refuses_comes_back() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("Who prints it?<Enter>");
    assert_eq!(sent(&desk), ["Who prints it?"]);
    assert_eq!(desk.app.composer.text(), "");
    let (ticket, _) = desk.asked.pop().unwrap();
    desk.keys("more");
    desk.send(Msg::Answered(ticket, Err(RequestError::new("the disk is full; free some space"))));
    assert_eq!(desk.app.composer.text(), "Who prints it?\nmore");
    assert!(desk.text().contains("the disk is full; free some space"));
}

#[test]
fn nothing_but_enter_sends() {
    let mut desk = Desk::newsroom(USUAL);
    paste(&mut desk, "one\ntwo\n");
    desk.keys("three<C-j>four<A-Enter>five");
    assert_eq!(sent(&desk), [""; 0]);
    assert_eq!(desk.app.composer.text(), "one\ntwo\nthree\nfour\nfive");
    desk.keys("<Enter>");
    assert_eq!(sent(&desk).len(), 1);
    desk.keys("   <Enter>");
    assert_eq!(sent(&desk).len(), 1, "blanks are no message");
}

#[test]
fn a_pasted_escape_sequence_is_neutralised_before_it_is_shown_or_sent() {
    let mut desk = Desk::newsroom(USUAL);
    paste(&mut desk, "\u{1b}]52;c;aGk=\u{7}hi");
    desk.keys("<Enter>");
    assert!(sent(&desk)[0].chars().all(|char| !char.is_control()), "{:?}", sent(&desk));
}

#[test]
fn the_last_message_can_be_edited_and_sent_again() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("first<Enter>second<Enter>draft<Up>");
    assert_eq!(desk.app.composer.text(), "second");
    desk.keys("<Up><Up>");
    assert_eq!(desk.app.composer.text(), "first");
    desk.keys("<Down><Down>");
    assert_eq!(desk.app.composer.text(), "draft", "the draft is not lost");
    desk.keys("<C-u><Up>!<Enter>");
    assert_eq!(sent(&desk), ["first", "second", "second!"]);
}

#[test]
fn esc_leaves_the_composer_and_destroys_nothing() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("half a thought<Esc><Esc><Esc>");
    assert!(!desk.app.composing);
    assert_eq!(desk.app.composer.text(), "half a thought");
    desk.keys("3");
    assert_eq!(desk.app.pane, PaneId::Blocks);
    desk.keys("<Tab>");
    assert_eq!(desk.app.pane, PaneId::Jobs);
    desk.keys("<A-1>");
    assert_eq!(desk.app.pane, PaneId::Roster);
    desk.keys("i!");
    assert_eq!(desk.app.composer.text(), "half a thought!");
}

#[test]
fn ctrl_c_cancels_the_reply_and_what_was_queued_returns_to_the_composer() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("<C-c>");
    let (ticket, request) = desk.asked.pop().unwrap();
    assert!(matches!(request, Request::Cancel { .. }));
    let queued = vec!["and then?".to_owned()];
    desk.send(Msg::Answered(ticket, Ok(Reply::Cancelled { running: true, queued })));
    assert_eq!(desk.app.composer.text(), "and then?");
}

#[test]
fn ctrl_c_at_rest_asks_and_a_second_one_quits() {
    let mut desk = Desk::new(app_harness::overview(0), Vec::new(), USUAL);
    desk.keys("<C-c>");
    assert!(desk.effects.is_empty());
    assert!(desk.text().contains("Quit?"));
    desk.keys("<Esc>");
    assert!(!desk.text().contains("Quit?"));
    desk.keys("<C-c><C-c>");
    assert_eq!(desk.effects, [Effect::Quit(ExitMode::Stop)]);
}

#[test]
fn a_job_that_is_due_can_go_on_without_a_screen() {
    let mut overview = app_harness::overview(4);
    overview.runs.clear();
    let mut desk = Desk::new(overview, app_harness::said(), USUAL);
    desk.keys("<C-c>w");
    assert_eq!(desk.effects, [Effect::Quit(ExitMode::KeepWorking)]);
}

#[test]
fn a_workbench_that_joined_a_worker_names_it_and_leaves_it_running_or_stops_it() {
    let mut overview = app_harness::overview(4);
    overview.runs.clear();
    let mut desk = Desk::new(overview, app_harness::said(), USUAL);
    let at = |engine| Msg::Connected(Connection { engine, replaced: 0 });
    let worker = EngineAt::Elsewhere { pid: 4242, program: Program::Worker };
    desk.send(at(worker.clone()));
    assert!(desk.text().lines().next().unwrap().contains("worker 4242"), "{}", desk.text());
    desk.keys("<A-w>");
    assert!(desk.text().contains("Stop the worker 4242?"), "{}", desk.text());
    desk.keys("y");
    desk.keys("<C-c>");
    assert!(desk.text().contains("It goes on: the worker 4242 runs the engine."), "{}", desk.text());
    desk.keys("x");
    desk.keys("<C-c>q");
    let quit = [Effect::StopWorker, Effect::Quit(ExitMode::StopWorker), Effect::Quit(ExitMode::Stop)];
    assert_eq!(desk.effects, quit);
    // Without an engine, the status line says so until there is one.
    desk.send(at(EngineAt::Lost { why: "the program that ran the engine has ended; connecting again".to_owned() }));
    desk.keys("half a thought");
    assert!(desk.text().contains("has ended; connecting again"), "{}", desk.text());
    desk.send(at(EngineAt::Here));
    assert!(desk.text().contains("it runs here now") && desk.text().contains("half a thought"), "{}", desk.text());
}

#[test]
fn what_comes_is_followed_until_the_reader_leaves_the_end() {
    let mut desk = Desk::long(300, USUAL);
    desk.say(Some("editor"), "It goes to print tonight.");
    assert_eq!(rows_with(&desk, "goes to print").len(), 1);
    desk.keys("<Esc>2<C-u>");
    let before = desk.lines()[4..30].to_vec();
    desk.say(Some("reporter"), "Stop the press.");
    desk.say(Some("critic"), "Why?");
    assert!(desk.text().contains("2 new ↓"), "{}", desk.text());
    assert_eq!(desk.lines()[4..30], before, "the reader's rows stay where they are");
    desk.keys("G");
    assert!(desk.text().contains("Why?") && !desk.text().contains("new ↓"));
}

#[test]
fn an_answer_is_shown_once_while_it_streams_and_once_when_it_is_committed() {
    let mut desk = Desk::newsroom(USUAL);
    desk.stream("critic", Phase::Speaking, "It is ");
    desk.stream("critic", Phase::Speaking, "settled.");
    assert!(desk.text().contains("It is settled. ▌"));
    desk.say(Some("critic"), "It is settled.");
    let step = nightdesk::testing::domain::StepId::from("step-critic");
    desk.send(Msg::Update(Box::new(nightdesk::testing::engine::protocol::Update::Over { step })));
    assert_eq!(rows_with(&desk, "It is settled.").len(), 1);
    assert!(!desk.text().contains('▌'));
}

#[test]
fn a_queued_turn_stands_at_the_foot_until_it_starts() {
    let mut desk = Desk::newsroom(USUAL);
    desk.committed(Vec::new(), vec![RowUpdate::Run(app_harness::waiting("and the printers?"))]);
    assert_eq!(rows_with(&desk, "and the printers?").len(), 1);
    let started =
        nightdesk::testing::domain::Run { queued: None, state: RunState::Running, ..app_harness::waiting("") };
    desk.committed(Vec::new(), vec![RowUpdate::Run(started)]);
    assert_eq!(rows_with(&desk, "and the printers?").len(), 0);
}

#[test]
fn the_title_keeps_the_tokens_of_the_turn_that_is_over() {
    let mut desk = Desk::newsroom(USUAL);
    let over = RunState::Finished { stop_reason: StopReason::EndTurn, error: None };
    let turn = nightdesk::testing::domain::Run { tokens: 34_567, ..app_harness::turn(over) };
    desk.committed(Vec::new(), vec![RowUpdate::Run(turn)]);
    assert!(desk.lines()[0].contains(" 34 k tokens · turn 7"), "{}", desk.lines()[0]);
}

#[test]
fn search_goes_to_matches_back_and_forth_and_returns() {
    let mut desk = Desk::long(500, USUAL);
    desk.keys("<Esc>2/Message 0002");
    assert!(desk.text().contains("Message 000299 of many") && desk.text().contains("1 of 100"), "{}", desk.text());
    desk.keys("<Enter>n");
    assert!(desk.text().contains("2 of 100"));
    desk.keys("nnN");
    assert!(desk.text().contains("3 of 100"));
    desk.keys("/no such words");
    assert!(desk.text().contains("no match"));
    desk.keys("<Esc>");
    assert!(!desk.text().contains("no match"));
}

#[test]
fn the_newest_question_wins() {
    let mut desk = Desk::newsroom(USUAL);
    desk.hold = true;
    desk.keys("<Esc>2/la");
    let old = desk.asked.remove(0).0;
    let hits = SearchResult { messages: vec![desk.said[3].clone()], stopped_after: None };
    desk.send(Msg::Answered(old, Ok(Reply::Found(hits))));
    assert!(!desk.text().contains("1 of 1"), "the answer to an older question is dropped");
    let new = desk.asked.remove(0).0;
    let hits = SearchResult { messages: vec![desk.said[0].clone()], stopped_after: Some(10_000) };
    desk.send(Msg::Answered(new, Ok(Reply::Found(hits))));
    assert!(desk.text().contains("1 of 1"));
    assert!(desk.text().contains("the search stopped after"), "{}", desk.text());
}

#[test]
fn turns_and_both_ends_are_one_key_away_in_a_long_conversation() {
    let mut desk = Desk::long(5_000, USUAL);
    desk.keys("<Esc>2g");
    assert!(desk.text().contains("Message 000001 of many"), "{}", desk.text());
    desk.keys("]");
    assert!(rows_with(&desk, "Message 000004 of many").len() == 1);
    desk.keys("G[");
    let cursor = rows_with(&desk, "›09:40").len();
    assert_eq!(cursor, 1, "the cursor is on the last turn's message:\n{}", desk.text());
}

#[test]
fn messages_that_come_a_few_at_a_time_are_shown_as_those_that_come_together() {
    let mut desks = [usize::MAX, 3].map(|page| {
        let mut desk = Desk::long(5_000, USUAL);
        desk.page = page;
        desk
    });
    for keys in ["<Esc>2<PgUp><PgUp><PgUp><PgUp>", "g", "]<PgDn><PgDn><PgDn>", "G[", "/Message 002500<Enter>", "<PgUp>"]
    {
        let [together, apart] = &mut desks;
        together.keys(keys);
        apart.keys(keys);
        assert_eq!(together.text(), apart.text(), "after {keys}");
    }
}

#[test]
fn a_tool_call_opens_and_folds_and_reasoning_too() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("<Esc>2");
    while !desk.lines().iter().any(|line| line.contains("›09:41 □ critic")) {
        desk.keys("k");
    }
    desk.keys("<Enter>");
    assert!(desk.text().contains("query: launch") && desk.text().contains("2: May"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(!desk.text().contains("query: launch"));
    desk.keys("Gl");
    assert!(desk.text().contains("The block says May."), "{}", desk.text());
}

#[test]
fn a_message_and_its_code_are_copied_by_key() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("<Esc>2g<Down><Down><Down><Down>yY");
    let copies: Vec<(&str, &str)> = desk
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Copy { text, what } => Some((text.as_str(), what.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(copies.len(), 2, "{:?}\n{}", desk.effects, desk.text());
    assert!(copies[0].0.starts_with("Noted: ") && copies[0].1 == "message 2");
    assert_eq!((copies[1].0.trim_end(), copies[1].1), ("print --date 3", "code"));
}

#[test]
fn a_new_size_keeps_the_message_at_the_top() {
    let mut desk = Desk::long(300, USUAL);
    desk.keys("<Esc>2<PgUp><PgUp><PgUp>");
    let top = |desk: &Desk| desk.app.panes.conversation.anchor();
    let nightdesk::testing::tui::pane::conversation::Anchor::Top(before) = top(&desk) else { panic!("not at the end") };
    for (width, height) in [(100, 40), (200, 60), (80, 24), (120, 40)] {
        desk.resize(Size { width, height });
        let nightdesk::testing::tui::pane::conversation::Anchor::Top(after) = top(&desk) else {
            panic!("not at the end")
        };
        assert_eq!(after.at, before.at);
    }
}

#[test]
fn esc_ends_the_zoom_then_the_search_then_the_reading() {
    let mut desk = Desk::long(300, USUAL);
    desk.keys("<Esc>2/launch<Enter>z");
    assert!(!desk.lines()[2].contains("1 Agents") && desk.text().contains("/launch"));
    desk.keys("<Esc>");
    assert!(desk.lines()[2].contains("1 Agents") && desk.text().contains("/launch"));
    desk.keys("<Esc>");
    assert!(!desk.text().contains("/launch"));
    desk.keys("<PgUp><Esc>");
    assert!(desk.app.panes.conversation.at_tail());
}

#[test]
fn a_queued_turn_is_laid_out_once() {
    let mut desk = Desk::newsroom(USUAL);
    desk.committed(Vec::new(), vec![RowUpdate::Run(app_harness::waiting(&"and the printers? ".repeat(20)))]);
    let before = desk.app.panes.conversation.counters();
    desk.keys("x");
    assert_eq!(desk.app.panes.conversation.counters().rows_wrapped, before.rows_wrapped);
}

#[test]
fn draft_history_focus_and_place_survive_a_restart() {
    let mut desk = Desk::long(300, USUAL);
    desk.keys("sent before<Enter>half a thought<Esc>2<PgUp><PgUp>z");
    let ticket = desk.asked.pop().unwrap().0;
    let reply = Reply::Done;
    desk.send(Msg::Answered(ticket, Ok(reply)));
    let kept = serde_json::to_string(&desk.app.session()).unwrap();
    let mut next = Desk::long(300, USUAL);
    next.app.restore(serde_json::from_str(&kept).unwrap());
    next.draw();
    assert!(next.app.composing, "what is typed is never a command");
    next.keys("<Esc>");
    assert_eq!(next.text(), desk.text());
    next.keys("zi<C-u><Up>");
    assert_eq!(next.app.composer.text(), "sent before");
}

#[test]
fn at_rest_nothing_is_drawn_and_nothing_wakes() {
    let mut overview = app_harness::overview(4);
    overview.runs.clear();
    overview.jobs.clear();
    let mut desk = Desk::new(overview, app_harness::said(), USUAL);
    desk.draw();
    assert_eq!(desk.frame, b"");
    assert_eq!(desk.app.wake_at(), None);
    desk.send(Msg::Tick);
    assert_eq!(desk.frame, b"");
}

#[test]
fn a_sentence_is_shown_for_a_while_and_one_moment_ends_it() {
    let mut overview = app_harness::overview(4);
    overview.runs.clear();
    overview.jobs.clear();
    let mut desk = Desk::new(overview, app_harness::said(), USUAL);
    desk.keys("<Esc>2x");
    assert!(desk.text().contains("nothing is being answered here"));
    let until = desk.app.wake_at().unwrap();
    desk.now = until;
    desk.send(Msg::Tick);
    assert!(!desk.text().contains("nothing is being answered here"));
    assert_eq!(desk.app.wake_at(), None);
}

#[test]
fn a_typed_key_costs_the_same_in_a_short_and_in_a_long_conversation() {
    let cost = |count: u64| {
        let mut desk = Desk::long(count, USUAL);
        let before = desk.app.panes.conversation.counters();
        desk.keys("x");
        let typed = desk.frame.len();
        let after = desk.app.panes.conversation.counters();
        desk.keys("<Esc>2<PgUp>kk<C-u>");
        let moved = desk.app.panes.conversation.counters();
        let read = (moved.rows_wrapped - after.rows_wrapped, moved.messages_read - after.messages_read);
        (
            typed,
            after.rows_wrapped - before.rows_wrapped,
            after.messages_read - before.messages_read,
            after.cells_drawn - before.cells_drawn,
            read,
        )
    };
    let (short, long) = (cost(200), cost(100_000));
    assert!(short.0 <= 64, "{} bytes for a key", short.0);
    assert_eq!((short.1, short.2), (0, 0), "a typed key wraps and reads nothing");
    assert_eq!(short, long);
}

#[test]
fn what_a_model_prints_cannot_control_the_terminal() {
    let mut desk = Desk::newsroom(USUAL);
    let hostile = "\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\u{202e}evil\u{9b}31m\ttab 👩🏽‍🚀";
    desk.say(Some("critic"), hostile);
    let tool = Content::Tool {
        call: "9".into(),
        name: hostile.into(),
        arguments: serde_json::json!({ "a": hostile }),
        ok: false,
        text: hostile.into(),
    };
    let notice = Content::Notice { notice: NoticeKind::Error, text: hostile.into() };
    for content in [tool, notice] {
        let seq = desk.said.len() as u64 + 1;
        let message = app_harness::message(seq, Some("editor"), 9, content);
        desk.said.push(message.clone());
        let room = RowUpdate::Conversation(app_harness::room(seq));
        desk.committed(vec![Change::MessageAppended(message)], vec![room]);
        let frame = String::from_utf8(desk.frame.clone()).unwrap();
        assert!(!frame.contains("\u{1b}]") && !frame.contains("\u{1b}[2J"), "{frame:?}");
        assert!(!frame.contains(['\u{202e}', '\u{9b}', '\u{7}']), "{frame:?}");
    }
    assert_eq!(rows_with(&desk, "1 Agents").len(), 1, "the screen is whole");
}

#[test]
fn a_megabyte_without_a_line_break_is_shown_and_scrolled() {
    let mut desk = Desk::newsroom(USUAL);
    desk.say(Some("critic"), &"x".repeat(1 << 20));
    desk.say(Some("editor"), "done");
    desk.keys("<Esc>2<PgUp><PgUp>");
    assert!(desk.text().contains(&"x".repeat(30)));
    desk.keys("[");
    assert!(desk.text().contains("We decided to launch"), "{}", desk.text());
}

#[test]
fn a_read_that_fails_is_told_once_and_tried_again_by_hand() {
    let mut desk = Desk::long(300, USUAL);
    desk.fail = true;
    desk.keys("<Esc>2g");
    assert!(desk.text().contains("the file cannot be read"), "{}", desk.text());
    let failures = desk.failures;
    desk.keys("<A-2>");
    desk.later(10);
    assert_eq!(desk.failures, failures, "it does not ask again and again");
    desk.fail = false;
    desk.keys("g");
    assert!(desk.text().contains("Message 000001 of many"));
}

#[test]
fn what_the_workbench_states_is_put_into_nobodys_mouth() {
    let mut desk = Desk::newsroom(USUAL);
    let text = "picked up again after the program ended";
    let notice = Content::Notice { notice: NoticeKind::Resumed, text: text.into() };
    let seq = desk.said.len() as u64 + 1;
    let message = app_harness::message(seq, None, 9, notice);
    desk.said.push(message.clone());
    let room = RowUpdate::Conversation(app_harness::room(seq));
    desk.committed(vec![Change::MessageAppended(message)], vec![room]);
    let lines = desk.lines();
    let line = lines.iter().find(|line| line.contains("picked up again")).unwrap();
    assert!(!line.contains("you"), "{line}");
}

#[test]
fn going_to_a_message_that_is_not_there_shows_the_last_one_and_asks_for_nothing_again() {
    let mut desk = Desk::newsroom(USUAL);
    desk.app.panes.conversation.go_to(1_000);
    desk.draw();
    let read = desk.app.panes.conversation.counters().messages_read;
    desk.draw();
    assert_eq!(desk.app.panes.conversation.counters().messages_read, read);
    desk.keys("<Esc>2y");
    let last = format!("message {}", desk.said.len());
    assert!(matches!(desk.effects.last(), Some(Effect::Copy { what, .. }) if *what == last), "{:?}", desk.effects);
}

#[test]
fn who_sends_a_message_sees_it_said_wherever_one_was() {
    let mut desk = Desk::long(300, USUAL);
    desk.keys("<Esc>2<PgUp><PgUp>i");
    assert!(!desk.app.panes.conversation.at_tail());
    desk.keys("and now?<Enter>");
    assert!(desk.app.panes.conversation.at_tail());
}
