//! The block editor: find, undo, what others change meanwhile, and a merge that is left half done.

use crate::support::app_harness::{Desk, story_edited};
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use nightdesk::testing::domain::{Change, Editor, Revision};
use nightdesk::testing::engine::protocol::{Request, RowUpdate};
use nightdesk::testing::tui::command::KeyContext;
use nightdesk::testing::tui::effect::{Effect, Msg};
use nightdesk::testing::tui::glyph;
use nightdesk::testing::tui::pane::PaneId;
use nightdesk::testing::tui::theme::Theme;

const SIZES: [(&str, (u16, u16)); 4] =
    [("40x12", (40, 12)), ("80x24", (80, 24)), ("120x40", (120, 40)), ("200x60", (200, 60))];

fn draft(desk: &Desk) -> String {
    desk.app.panes.blocks.draft().expect("the editor is open")
}

/// A version by an agent of this name.
fn edited_by(name: &str, version: u64, value: &str) -> (Change, RowUpdate) {
    let (change, row) = story_edited(version, value);
    let (Change::BlockEdited(revision), RowUpdate::Block(block)) = (change, row) else { panic!("another change") };
    let editor = Editor::Agent { id: format!("agent-{name}").as_str().into(), name: name.to_owned(), job: None };
    let revision = Revision { editor: editor.clone(), ..revision };
    (Change::BlockEdited(revision), RowUpdate::Block(nightdesk::testing::domain::Block { editor, ..block }))
}

fn commit(desk: &mut Desk, (change, row): (Change, RowUpdate)) {
    desk.committed(vec![change], vec![row]);
}

/// Two lines of the story and one more, so that there is something to find.
fn editing(size: (u16, u16)) -> Desk {
    let mut desk = Desk::newsroom(size);
    desk.keys("<Esc>3e");
    desk
}

#[test]
fn words_are_undone_and_made_again_while_a_block_is_edited() {
    let mut desk = editing((120, 40));
    desk.keys("<Down><End> by the board");
    desk.keys("<C-7><C-7>");
    assert!(draft(&desk).contains("decided by\n") || draft(&desk).contains("decided by \n"), "{}", draft(&desk));
    desk.keys("<C-r>");
    assert!(draft(&desk).contains("decided by the \n"), "{}", draft(&desk));
}

#[test]
fn a_text_is_found_while_it_is_typed_and_the_places_are_counted() {
    for (name, size) in SIZES {
        let mut desk = editing(size);
        desk.keys("<C-f>in");
        assert_eq!(desk.app.context(), KeyContext::FIND);
        assert_screen!(format!("editor_find_{name}"), desk.text());
    }
    let mut desk = editing((120, 40));
    desk.keys("<C-f>the");
    assert!(desk.text().contains("1 of 1"), "{}", desk.text());
    desk.keys("<C-u>e");
    let of = |desk: &Desk| desk.text().lines().find_map(|line| Some(line.split_once(" find ")?.1.to_owned())).unwrap();
    assert!(of(&desk).contains("1 of "), "{}", of(&desk));
    desk.keys("<Enter>");
    assert!(of(&desk).contains("2 of "), "{}", of(&desk));
    desk.keys("<Up><Up>");
    let last = of(&desk);
    let (at, all) = last.trim().rsplit_once(" of ").map(|(at, all)| (at.rsplit(' ').next().unwrap(), all)).unwrap();
    assert_eq!(at, all, "before the first comes the last");
    desk.keys("<Esc>");
    assert_eq!(desk.app.context(), KeyContext::EDITOR);
    assert!(!desk.text().contains(" find e"));
    desk.keys("<C-f>nowhere");
    assert!(desk.text().contains("no \"nowhere\""), "{}", desk.text());
    assert!(!draft(&desk).contains("nowhere"), "what is typed to find is no edit");
}

#[test]
fn what_is_copied_in_the_editor_is_in_the_clipboard_and_can_be_put_in() {
    let mut desk = editing((120, 40));
    desk.keys("<A-a><A-c><Down><End><C-y>");
    let story = "The story so far\n- Launch: 3 May, decided\n- Mira keeps bees in Lucerne";
    assert!(matches!(&desk.effects[..], [Effect::Copy { text, .. }] if text == story), "{:?}", desk.effects);
    assert_eq!(draft(&desk).matches("Mira").count(), 2);
    desk.keys("<A-c>");
    assert!(desk.text().contains("nothing is selected"), "{}", desk.text());
}

#[test]
fn line_numbers_are_shown_on_demand() {
    let mut desk = editing((120, 40));
    assert!(!desk.text().contains("2 - Launch"));
    desk.keys("<A-l>");
    assert!(desk.text().contains("2 - Launch"), "{}", desk.text());
}

#[test]
fn what_each_agent_does_is_shown_at_its_lines_while_one_edits() {
    for (name, size) in SIZES {
        let mut desk = editing(size);
        desk.keys("<Down><Down><End> and Bern");
        commit(
            &mut desk,
            edited_by("archivist", 13, "The story so far\n- Launch: 4 May\n- Mira keeps bees in Lucerne"),
        );
        let more = "The story so far\n- Launch: 4 May\n- Mira keeps bees in Lucerne\n- Printers told";
        commit(&mut desk, edited_by("critic", 14, more));
        assert_screen!(format!("editor_others_{name}"), desk.text());
    }
}

#[test]
fn the_marks_are_told_apart_without_colours_and_in_ascii_and_have_the_colours_of_the_theme() {
    let changed = |desk: &mut Desk| {
        desk.keys("<Down><Down><End> and Bern");
        commit(desk, edited_by("archivist", 13, "The story so far\n- Launch: 4 May\n- Mira keeps goats"));
    };
    let mut desk = Desk::newsroom((80, 24));
    desk.app.look.glyphs = &glyph::ASCII;
    desk.keys("<Esc>3e");
    changed(&mut desk);
    let text = desk.text();
    assert!(text.is_ascii() && text.contains(" ~ - Launch") && text.contains(" ! - Mira"), "{text}");
    for theme in ["dark", "light"] {
        let mut desk = Desk::newsroom((80, 24));
        desk.app.look.theme = Theme::load(theme, |_| None).unwrap();
        desk.keys("<Esc>3e");
        changed(&mut desk);
        assert_screen!(format!("editor_others_{theme}_80x24"), desk.picture());
    }
}

#[test]
fn the_editor_has_the_conversation_beside_it_where_there_is_room() {
    let mut desk = editing((120, 40));
    assert!(desk.text().contains("2 Conversation") && desk.text().contains("We decided to launch"));
    desk.keys("x");
    desk.say(Some("critic"), "Said while the block is edited");
    assert!(desk.text().contains("Said while the block"), "{}", desk.text());
    assert!(draft(&desk).starts_with('x'));
    let layout = desk.app.layout().unwrap();
    assert!(layout.pane(PaneId::Blocks).unwrap().width > layout.pane(PaneId::Conversation).unwrap().width);
    let narrow = editing((80, 24));
    assert_eq!(narrow.app.layout().unwrap().pane(PaneId::Conversation), None);
}

#[test]
fn a_click_places_the_caret_and_a_drag_selects() {
    let mut desk = editing((120, 40));
    let at = |kind, column, row| {
        Msg::Mouse(MouseEvent { kind, column, row, modifiers: crossterm::event::KeyModifiers::NONE })
    };
    let (row, column) = desk
        .lines()
        .iter()
        .enumerate()
        .find_map(|(row, line)| Some((row, line[..line.find("Mira keeps")?].chars().count())))
        .unwrap();
    let (row, column) = (u16::try_from(row).unwrap(), u16::try_from(column).unwrap());
    desk.send(at(MouseEventKind::Down(MouseButton::Left), column, row));
    desk.keys("old ");
    assert!(draft(&desk).ends_with("- old Mira keeps bees in Lucerne"), "{}", draft(&desk));
    desk.send(at(MouseEventKind::Down(MouseButton::Left), column, row));
    desk.send(at(MouseEventKind::Drag(MouseButton::Left), column + 4, row));
    desk.keys("<Backspace>");
    assert!(draft(&desk).ends_with("- Mira keeps bees in Lucerne"), "{}", draft(&desk));
}

/// A text whose two lines are far enough from its ends.
fn lines(one: &str, two: &str) -> String {
    format!("top\n\n{one}\nmiddle\n{two}\n\nend")
}

/// Two lines changed here and by an agent.
fn clashing(size: (u16, u16)) -> Desk {
    let mut desk = Desk::newsroom(size);
    commit(&mut desk, story_edited(13, &lines("one", "two")));
    desk.keys("<Esc>3e<Down><Down><End> mine<Down><Down><End> mine");
    commit(&mut desk, story_edited(14, &lines("one theirs", "two theirs")));
    desk.keys("<C-s>");
    desk
}

fn asked(desk: &mut Desk) -> Request {
    desk.asked.pop().expect("nothing was asked").1
}

#[test]
fn a_conflict_can_be_seen_and_decided_on_every_screen() {
    for (name, size) in SIZES {
        let mut desk = clashing(size);
        assert_screen!(format!("merge_two_{name}"), desk.text());
        desk.keys("t<Enter>y<Enter>");
        let Request::EditBlock { base: 14, value, .. } = asked(&mut desk) else { panic!("another request at {name}") };
        assert_eq!(value, lines("one theirs", "two mine"));
    }
}

/// The workbench is killed and started again.
fn restarted(desk: &Desk, size: (u16, u16), version: u64, value: &str) -> Desk {
    let session = desk.app.session();
    let session = serde_json::from_str(&serde_json::to_string(&session).unwrap()).unwrap();
    let mut again = Desk::newsroom(size);
    commit(&mut again, story_edited(version, value));
    again.app.restore(session);
    again.send(Msg::Tick);
    again
}

#[test]
fn a_half_done_merge_outlives_the_program_and_what_is_decided_stays_decided() {
    let size = (80, 24);
    let theirs = lines("one theirs", "two theirs");
    let mut desk = clashing(size);
    desk.keys("t<Enter>e");
    desk.send(Msg::Paste(" and this".into()));
    let mut again = restarted(&desk, size, 14, &theirs);
    assert!(again.app.dialogs.is_empty(), "what is typed first must not decide anything");
    assert_eq!(draft(&again), lines("one mine", "two mine"));
    again.keys("<Esc><C-s>");
    assert!(again.text().contains("conflict 2 of 2"), "{}", again.text());
    again.keys("e");
    assert!(again.text().contains("and this"), "what was typed for the piece: {}", again.text());
    again.keys("<C-s><Enter>");
    let Request::EditBlock { base: 14, value, .. } = asked(&mut again) else { panic!("another request") };
    assert!(value.contains("one theirs\nmiddle\n") && value.contains(" and this"), "{value}");

    // Another line changed since: what was decided of the others holds.
    let mut again = restarted(&desk, size, 15, &theirs.replace("end", "the end"));
    again.keys("<Esc><C-s>y<Enter>");
    let Request::EditBlock { base: 15, value, .. } = asked(&mut again) else { panic!("another request") };
    assert_eq!(value, lines("one theirs", "two mine").replace("end", "the end"));
}

#[test]
fn a_merge_that_is_left_for_the_draft_goes_on_where_it_was() {
    let mut desk = clashing((120, 40));
    desk.keys("b<Esc>");
    assert!(desk.app.dialogs.is_empty());
    desk.keys("<C-s>");
    assert!(desk.text().contains("conflict 2 of 2"), "{}", desk.text());
    desk.keys("y<Enter>");
    let Request::EditBlock { value, .. } = asked(&mut desk) else { panic!("another request") };
    assert_eq!(value, lines("one theirs\none mine", "two mine"));
    assert!(desk.asked.is_empty());
}
