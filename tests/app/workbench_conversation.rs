//! Talking: drafts, pastes, what waits, and what streams below the fold.

use crate::support::app_harness::{self, Desk, overview, said};
use crate::support::waiting::{self, asking, call};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use nightdesk::testing::domain::{Conversation, Group, GroupId, ManagerType, PendingKind};
use nightdesk::testing::engine::protocol::{Phase, Recipient, Reply, Request, RequestError, RowUpdate};
use nightdesk::testing::tui::effect::{Effect, Msg};
use nightdesk::testing::tui::theme::Theme;

const USUAL: (u16, u16) = (120, 40);
const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 60)];

fn forty_lines() -> String {
    (1..=40).map(|at| format!("line {at}\n")).collect::<Vec<_>>().concat()
}

/// The newsroom and a second group.
fn two_groups() -> Desk {
    let mut overview = overview(4);
    let other = Group::new(GroupId::from("group-2"), "review", ManagerType::RoundRobin);
    overview.groups.push(Group { members: overview.groups[0].members.clone(), ..other });
    let owner = nightdesk::testing::domain::ConversationOwner::Group(GroupId::from("group-2"));
    overview.conversations.push(Conversation::new("conversation-2".into(), owner));
    Desk::new(overview, said(), USUAL)
}

fn show(desk: &mut Desk, group: &str) {
    let at = desk.app.model.groups.iter().position(|known| known.name == group).unwrap();
    let keys = if at == 0 { "<Esc>1g<Enter>" } else { "<Esc>1G<Enter>" };
    desk.keys(keys);
    let shown = desk.app.model.shown_group().map(|group| group.name.clone());
    assert_eq!(shown.as_deref(), Some(group), "{}", desk.text());
}

fn sends(desk: &Desk) -> Vec<(Recipient, String)> {
    let sent = desk.asked.iter().filter_map(|(_, request)| match request {
        Request::Send { to, text } => Some((to.clone(), text.clone())),
        _ => None,
    });
    sent.collect()
}

/// The text of the conversation pane, its rows joined.
fn joined(desk: &Desk) -> String {
    desk.text()
        .split(['\n', '│'])
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_draft_belongs_to_its_conversation_and_both_survive_a_restart() {
    let mut desk = two_groups();
    desk.keys("for the newsroom");
    show(&mut desk, "review");
    assert_eq!(desk.app.composer.text(), "");
    desk.keys("for the review");
    show(&mut desk, "newsroom");
    assert_eq!(desk.app.composer.text(), "for the newsroom");
    let kept = serde_json::to_string(&desk.app.session()).unwrap();
    let mut next = two_groups();
    next.app.restore(serde_json::from_str(&kept).unwrap());
    next.draw();
    assert_eq!(next.app.composer.text(), "for the newsroom");
    show(&mut next, "review");
    assert_eq!(next.app.composer.text(), "for the review");
}

#[test]
fn an_entry_of_the_history_replaces_no_draft_until_it_is_changed() {
    let mut desk = two_groups();
    desk.keys("sent before<Enter>see ");
    for (ticket, _) in std::mem::take(&mut desk.asked) {
        desk.send(Msg::Answered(ticket, Ok(Reply::Done)));
    }
    desk.send(Msg::Paste(forty_lines()));
    let draft = format!("see {}", forty_lines());
    desk.keys("<Up>");
    assert_eq!(desk.app.composer.text(), "sent before");
    let kept = desk.app.session();
    assert_eq!((kept.draft.as_str(), kept.pastes.is_empty()), ("see [pasted 40 lines]", false), "as after a restart");
    show(&mut desk, "review");
    show(&mut desk, "newsroom");
    assert_eq!(desk.app.composer.text(), draft);
    desk.keys("<Up><Down>");
    assert!(desk.text().contains("› see [pasted 40 lines]"), "still folded: {}", desk.text());
    assert_eq!(desk.app.composer.text(), draft);
    desk.keys("<Up>, and more");
    show(&mut desk, "review");
    show(&mut desk, "newsroom");
    assert_eq!(desk.app.composer.text(), "sent before, and more");
}

#[test]
fn a_draft_to_whom_there_is_no_longer_is_not_kept_after_a_restart() {
    let mut desk = two_groups();
    desk.keys("for the newsroom");
    show(&mut desk, "review");
    desk.keys("for the review");
    show(&mut desk, "newsroom");
    let kept = desk.app.session();
    assert_eq!(kept.drafts.len(), 1);
    let mut next = Desk::newsroom(USUAL);
    next.app.restore(kept);
    assert_eq!(next.app.composer.text(), "for the newsroom");
    assert_eq!(next.app.session().drafts, []);
}

#[test]
fn what_comes_back_returns_to_the_draft_of_its_own_conversation() {
    let mut desk = two_groups();
    desk.keys("to the newsroom<Enter><C-c>");
    show(&mut desk, "review");
    desk.keys("mine<Esc>");
    let asked = std::mem::take(&mut desk.asked);
    for (ticket, request) in asked {
        let reply = match request {
            Request::Send { .. } => Err(RequestError::new("the disk is full; free some space")),
            Request::Cancel { .. } => Ok(Reply::Cancelled { running: true, queued: vec!["queued before".to_owned()] }),
            _ => continue,
        };
        desk.send(Msg::Answered(ticket, reply));
    }
    assert_eq!(desk.app.composer.text(), "mine");
    assert!(!desk.app.composing, "what comes back to another draft moves no focus");
    show(&mut desk, "newsroom");
    assert_eq!(desk.app.composer.text(), "queued before\nto the newsroom");
}

#[test]
fn what_is_sent_and_not_committed_is_in_the_draft_of_its_conversation_after_a_restart() {
    let mut desk = two_groups();
    desk.keys("to the newsroom<Enter>");
    show(&mut desk, "review");
    desk.keys("mine");
    let kept = serde_json::to_string(&desk.app.session()).unwrap();
    let mut next = two_groups();
    next.app.restore(serde_json::from_str(&kept).unwrap());
    next.draw();
    assert_eq!(next.app.composer.text(), "mine");
    show(&mut next, "newsroom");
    assert_eq!(next.app.composer.text(), "to the newsroom");
}

#[test]
fn a_text_from_the_editor_has_no_control_characters_and_keeps_all_else() {
    let mut desk = Desk::newsroom(USUAL);
    let edited = "می\u{200c}خواهم \u{1b}[31mred\r\nend\n".to_owned();
    desk.keys("<C-g>");
    let Some(Effect::Editor { owner, .. }) = desk.effects.pop() else { panic!("{:?}", desk.effects) };
    desk.send(Msg::Edited(owner, Ok(edited)));
    assert_eq!(desk.app.composer.text(), "می\u{200c}خواهم red\nend");
}

#[test]
fn what_is_typed_after_a_conversation_was_chosen_is_a_message_and_no_command() {
    let mut desk = two_groups();
    desk.keys("<Esc>1G<Enter>new eRNe<Enter>");
    assert!(desk.app.dialogs.is_empty());
    assert_eq!(sends(&desk).len(), 1);
    assert_eq!(sends(&desk)[0].1, "new eRNe");
    // Where the chosen conversation is on the screen already, too.
    desk.keys("<Esc>1G<Enter>eN");
    assert!(desk.app.dialogs.is_empty());
    assert_eq!(desk.app.composer.text(), "eN");
}

#[test]
fn the_composer_says_to_whom_it_goes() {
    let mut desk = two_groups();
    assert!(desk.text().contains(" to newsroom "), "{}", desk.text());
    desk.keys("@critic is it true?");
    assert!(desk.text().contains(" to critic only "), "{}", desk.text());
    show(&mut desk, "review");
    assert!(desk.text().contains(" to review "), "{}", desk.text());
}

#[test]
fn focus_begins_in_the_composer_whatever_had_it_before() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("<Esc>4");
    let kept = serde_json::to_string(&desk.app.session()).unwrap();
    let mut next = Desk::newsroom(USUAL);
    next.app.restore(serde_json::from_str(&kept).unwrap());
    next.keys("xrd");
    assert_eq!(next.app.composer.text(), "xrd", "typed ahead, and no command");
    assert!(next.asked.is_empty(), "{:?}", next.asked);
}

#[test]
fn sending_again_asks_before_it_spends_a_turn() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("<Esc>2r");
    assert!(desk.text().contains("Send your message again?"), "{}", desk.text());
    assert_eq!(sends(&desk), []);
    desk.keys("k<Esc>2r<Esc>");
    assert_eq!(sends(&desk), []);
    desk.keys("rs");
    let sent = sends(&desk);
    assert!(matches!(&sent[..], [(_, text)] if text == "We decided to launch on the third of May."), "{sent:?}");
}

#[test]
fn only_keys_that_work_where_the_focus_is_are_named_at_a_call() {
    for (focus, named, unnamed) in
        [("", "Ctrl-O approve", "d deny"), ("<Esc>2", "a approve", "Ctrl-O"), ("<Esc>3", "2 decide here", "approve")]
    {
        let mut desk = asking(USUAL);
        desk.keys(focus);
        let foot = joined(&desk);
        let foot = foot.split("wants to call").nth(1).unwrap().split("waits").next().unwrap().to_owned();
        assert!(foot.contains(named), "{focus:?}: {}", desk.text());
        assert!(!foot.contains(unnamed), "{focus:?}: {}", desk.text());
    }
}

#[test]
fn one_chord_approves_from_the_composer_once_the_call_is_on_the_screen() {
    let mut desk = asking(USUAL);
    desk.keys("half a thought<C-o>");
    let decided = |desk: &Desk| {
        let decisions =
            desk.asked.iter().filter(|(_, request)| matches!(request, Request::Decide { approve: true, .. }));
        decisions.count()
    };
    assert_eq!(decided(&desk), 1, "{:?}", desk.asked);
    assert_eq!(desk.app.composer.text(), "half a thought");

    let mut overview = overview(300);
    overview.calls = waiting::calls();
    let said = (1..=300).map(|seq| app_harness::message(seq, None, 9, app_harness::words("many words"))).collect();
    let mut desk = Desk::new(overview, said, USUAL);
    desk.keys("<PgUp><PgUp><C-o>");
    assert_eq!(decided(&desk), 0, "it was not to be seen");
    assert!(desk.text().contains("wants to call") && desk.text().contains("look at the call"), "{}", desk.text());
    desk.keys("<C-o>");
    assert_eq!(decided(&desk), 1);

    let mut desk = Desk::newsroom(USUAL);
    desk.keys("<C-o>");
    assert_eq!(decided(&desk), 0);
    assert!(desk.text().contains("nothing in this conversation waits for you"), "{}", desk.text());
}

#[test]
fn a_reason_to_wait_is_shown_in_full_at_every_size() {
    let text = "429 from openai: you have sent too many requests in a short time, next try in 12 s (2 of 8)";
    for size in SIZES {
        let mut desk = Desk::newsroom(size);
        desk.keys("<A-2>i");
        desk.stream("critic", Phase::Retrying { text: text.to_owned() }, "");
        assert!(joined(&desk).contains(text), "{size:?}: {}", desk.text());
    }
    for size in SIZES {
        let mut overview = overview(4);
        let waits =
            call("critic", 0, PendingKind::Reply, "send_message_to_agent_and_wait_for_reply", serde_json::json!({}));
        let until = app_harness::nine() + jiff::SignedDuration::from_mins(10);
        overview.calls = vec![nightdesk::testing::domain::PendingCall { until: Some(until), ..waits }];
        let mut desk = Desk::new(overview, said(), size);
        desk.keys("<A-2>i");
        assert!(joined(&desk).contains("until 09:51 at the latest"), "{size:?}: {}", desk.text());
    }
}

#[test]
fn a_reply_that_streams_below_the_fold_is_counted_and_one_chord_goes_there() {
    let mut desk = Desk::long(300, USUAL);
    desk.keys("<PgUp><PgUp>");
    desk.stream("critic", Phase::Speaking, "It is settled");
    assert!(desk.text().contains("1 new ↓ Ctrl-L"), "{}", desk.text());
    desk.keys("<C-l>");
    assert!(desk.text().contains("It is settled ▌") && !desk.text().contains("new ↓"), "{}", desk.text());
}

#[test]
fn rows_stand_still_while_a_reply_streams_until_the_pane_is_full() {
    let mut desk = Desk::long(300, USUAL);
    let mut tops: Vec<String> = Vec::new();
    for at in 0..120 {
        desk.stream("critic", Phase::Speaking, &format!("Line {at}.\n"));
        let shown = desk.text();
        assert!(at == 0 || shown.contains(&format!("Line {at}.")), "the newest is shown: {shown}");
        let top = desk.lines()[4].clone();
        if tops.last() != Some(&top) {
            tops.push(top);
        }
    }
    assert!(tops.len() <= 8, "the rows moved {} times for 120 lines: {tops:?}", tops.len());
    desk.keys("<C-l>");
    let last = desk.lines().iter().rposition(|line| line.contains("Line 119.")).unwrap();
    assert!(last >= 33, "at the end of the pane: row {last}\n{}", desk.text());
}

#[test]
fn a_long_paste_is_a_label_that_is_sent_whole_unfolds_and_is_deleted_at_once() {
    let lines = forty_lines();
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("look: ");
    desk.send(Msg::Paste(lines.clone()));
    assert!(desk.text().contains("› look: [pasted 40 lines]"), "{}", desk.text());
    let kept = serde_json::to_string(&desk.app.session()).unwrap();
    desk.keys("<Enter>");
    assert_eq!(sends(&desk)[0].1, format!("look: {lines}"));

    let mut next = Desk::newsroom(USUAL);
    next.app.restore(serde_json::from_str(&kept).unwrap());
    next.draw();
    assert!(next.text().contains("[pasted 40 lines]"), "folded after a restart too: {}", next.text());
    assert_eq!(next.app.composer.text(), format!("look: {lines}"));
    for delete in ["<Backspace>", "<C-h>"] {
        next.keys(delete);
        assert_eq!(next.app.composer.text(), "look: ");
        next.keys("<C-_>");
        assert_eq!(next.app.composer.text(), format!("look: {lines}"), "and comes back as one");
    }
    next.keys(" and");
    for _ in 0..4 {
        next.send(Msg::Key(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT)));
    }
    next.keys("<Backspace>");
    assert_eq!(next.app.composer.text(), format!("look: {lines}"), "only what was selected goes");
    next.keys("<C-t>");
    assert!(next.text().contains("line 40"), "{}", next.text());
    assert_eq!(next.app.composer.text(), format!("look: {lines}"));
}

#[test]
fn a_message_above_its_limit_is_refused_on_the_status_line_and_nothing_of_it_is_lost() {
    let mut desk = Desk::newsroom(USUAL);
    let refused = "the message has more than 1048576 bytes (1 MiB), the most one may have; shorten it";
    let is_refused = |desk: &Desk| desk.lines().last().unwrap().contains(refused);
    let most = "x".repeat(1 << 20);
    desk.send(Msg::Paste(most.clone()));
    desk.keys("y");
    assert!(!is_refused(&desk));
    desk.keys("<Enter>");
    assert!(is_refused(&desk) && sends(&desk).is_empty(), "{}", desk.text());
    let written = format!("{most}y");
    assert!(desk.app.composer.text() == written, "it stays");
    desk.keys("<Esc>i<Backspace>");
    desk.send(Msg::Paste("more".to_owned()));
    assert!(is_refused(&desk), "{}", desk.text());
    assert!(desk.app.composer.text() == most, "what was there stays");
    desk.keys("<Enter>");
    assert!(sends(&desk).len() == 1 && sends(&desk)[0].1 == most, "the limit itself is sent");
}

#[test]
fn a_long_message_of_the_person_is_folded_and_opens() {
    let lines = forty_lines();
    let mut desk = Desk::newsroom(USUAL);
    desk.say(None, &lines);
    assert!(desk.text().contains("▸ 34 more lines") && !desk.text().contains("line 40"), "{}", desk.text());
    desk.keys("<Esc>2k<Enter>G");
    assert!(desk.text().contains("line 40"), "{}", desk.text());
    desk.keys("<Enter>/line 39<Enter>");
    assert!(desk.text().contains("line 39"), "a match in the folded part unfolds it: {}", desk.text());
}

#[test]
fn a_message_too_long_to_copy_goes_to_a_file() {
    let mut desk = Desk::newsroom(USUAL);
    let long = "word ".repeat(20_000);
    desk.say(Some("critic"), &long);
    desk.keys("<Esc>2y");
    assert!(desk.text().contains("too many for the terminal's clipboard"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.effects.is_empty() && desk.text().contains("type the path of a new file"), "{}", desk.text());
    desk.keys("~/long.md<Enter>");
    let Some(Effect::WriteFile { ticket, path, text }) = desk.effects.pop() else { panic!("{:?}", desk.effects) };
    assert_eq!((path.as_str(), text.len()), ("~/long.md", long.len()));
    desk.send(Msg::Answered(ticket, Err(RequestError::new("~/long.md exists already; give another name"))));
    assert!(desk.text().contains("exists already"), "{}", desk.text());
    desk.keys("x<Enter>");
    let Some(Effect::WriteFile { ticket, .. }) = desk.effects.pop() else { panic!("{:?}", desk.effects) };
    desk.send(Msg::Answered(ticket, Ok(Reply::Done)));
    assert!(desk.text().contains("message 5 is written to ~/long.mdx"), "{}", desk.text());
    desk.keys("s");
    assert!(desk.text().contains("Write message 5 to a file"), "{}", desk.text());
}

/// A conversation with all of it: a folded message, wrapped code, a table, an answer that waits.
fn much(size: (u16, u16), theme: Option<&str>) -> Desk {
    let mut desk = Desk::newsroom(size);
    if let Some(name) = theme {
        desk.app.look.theme = Theme::load(name, |_| None).unwrap();
    }
    desk.say(None, &forty_lines());
    let code = "```rust\nlet printers = tell(\"the third of May\").expect(\"somebody has to tell them in time\");\n```";
    let table = "| who | what they know |\n|---|---|\n| reporter | the printers were told on the third of May |";
    desk.say(Some("editor"), &format!("{code}\n\n{table}"));
    let retry = "429 from openai: too many requests, next try in 12 s (2 of 8)";
    desk.stream("critic", Phase::Retrying { text: retry.to_owned() }, "");
    desk.committed(Vec::new(), vec![RowUpdate::Run(app_harness::waiting("and the printers?"))]);
    desk.send(Msg::Paste("x\n".repeat(12)));
    desk
}

#[test]
fn conversation_at_every_size() {
    for (width, height) in [(40, 12), (80, 24), (120, 40), (200, 60)] {
        assert_screen!(format!("conversation_{width}x{height}"), much((width, height), None).text());
    }
    for theme in ["light", "dark"] {
        for (width, height) in [(80, 24), (120, 40), (200, 60)] {
            assert_screen!(
                format!("conversation_{theme}_{width}x{height}"),
                much((width, height), Some(theme)).picture()
            );
        }
    }
}
