//! What a terminal shows, at every size we promise: text, styles and cursor.

use crate::support::app_harness::{self, Desk};
use nightdesk::testing::engine::protocol::Phase;

fn at_work(size: (u16, u16)) -> Desk {
    let mut desk = Desk::newsroom(size);
    desk.stream("critic", Phase::Speaking, "The block now says\nsomething else: it");
    desk
}

#[test]
fn newsroom_at_120x40() {
    assert_screen!(at_work((120, 40)).picture());
}

#[test]
fn newsroom_at_200x60() {
    assert_screen!(at_work((200, 60)).picture());
}

#[test]
fn newsroom_at_80x24() {
    assert_screen!(at_work((80, 24)).picture());
}

#[test]
fn newsroom_at_40x12() {
    assert_screen!(at_work((40, 12)).picture());
}

#[test]
fn a_notice_at_39x9() {
    assert_screen!(at_work((39, 9)).picture());
}

#[test]
fn the_first_minute_at_120x40() {
    assert_screen!(Desk::new(app_harness::overview(0), Vec::new(), (120, 40)).picture());
}
