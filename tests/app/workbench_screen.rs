//! The screen around the panes: mouse, lines between panes, roster, title line, help.

use crate::support::app_harness::{self, Desk};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use nightdesk::testing::domain::{Agent, AgentId, RunState, StopReason};
use nightdesk::testing::engine::protocol::{Overview, Phase, RowUpdate};
use nightdesk::testing::tui::app::App;
use nightdesk::testing::tui::effect::{Effect, Msg};
use ratatui::layout::Size;

const USUAL: (u16, u16) = (120, 40);

fn mouse(desk: &mut Desk, kind: MouseEventKind, (column, row): (u16, u16)) {
    desk.send(Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

/// Takes the line at a place and drops it at another.
fn drag(desk: &mut Desk, from: (u16, u16), to: (u16, u16)) {
    mouse(desk, MouseEventKind::Down(MouseButton::Left), from);
    mouse(desk, MouseEventKind::Drag(MouseButton::Left), to);
    mouse(desk, MouseEventKind::Up(MouseButton::Left), to);
}

fn columns(desk: &Desk) -> Vec<u16> {
    desk.app.layout().unwrap().columns.clone()
}

#[test]
fn one_key_gives_the_mouse_back_to_the_terminal_and_says_so() {
    let mut desk = Desk::newsroom(USUAL);
    desk.keys("half a thought<A-m>");
    assert_eq!(desk.effects, [Effect::Mouse(false)]);
    assert!(desk.lines().last().unwrap().contains("the mouse is off here"), "{}", desk.text());
    assert_eq!(desk.app.composer.text(), "half a thought");
    desk.keys("<A-m>");
    assert_eq!(desk.effects, [Effect::Mouse(false), Effect::Mouse(true)]);
    assert!(desk.lines().last().unwrap().contains("the mouse works here"), "{}", desk.text());
    desk.keys("<C-p>turn the mouse<Enter>");
    assert_eq!(desk.effects.last(), Some(&Effect::Mouse(false)), "and the palette has it");
}

#[test]
fn lines_between_panes_follow_the_mouse_and_stay_after_a_restart() {
    let mut desk = Desk::newsroom(USUAL);
    let layout = desk.app.layout().unwrap().clone();
    let (left, right, split) = (layout.columns[0], layout.columns[1], layout.split.unwrap());
    drag(&mut desk, (left, 10), (left + 8, 12));
    drag(&mut desk, (right, 10), (right - 10, 10));
    drag(&mut desk, (right + 5, split), (right + 5, split - 6));
    assert_eq!(columns(&desk), [left + 8, right - 10]);
    assert_eq!(desk.app.layout().unwrap().split, Some(split - 6));
    assert!(desk.app.composing, "taking a line moves no focus");
    mouse(&mut desk, MouseEventKind::Drag(MouseButton::Left), (right + 5, split));
    assert_eq!(desk.app.layout().unwrap().split, Some(split - 6), "a line that was dropped stays");
    desk.keys("<F1>");
    drag(&mut desk, (left + 8, 10), (left, 10));
    desk.keys("<Esc>");
    assert_eq!(columns(&desk), [left + 8, right - 10], "below a dialog no line is taken");
    let mut again = App::new(app_harness::overview(4), app_harness::look(), Size { width: 120, height: 40 });
    again.restore(desk.app.session());
    again.prepare(app_harness::nine());
    assert_eq!(again.layout(), desk.app.layout());
}

#[test]
fn a_line_between_panes_leaves_every_pane_on_the_screen() {
    for size in [USUAL, (80, 24), (64, 12)] {
        let mut desk = Desk::newsroom(size);
        for to in [(0, 0), (size.0 - 1, size.1 - 1)] {
            for at in columns(&desk) {
                drag(&mut desk, (at, 4), to);
            }
            let layout = desk.app.layout().unwrap();
            assert!(layout.panes.iter().flatten().all(|area| area.width >= 16 && area.height >= 3), "{layout:?}");
        }
    }
}

#[test]
fn keys_make_the_focused_pane_wider_and_higher_and_one_key_undoes_it() {
    let mut desk = Desk::newsroom(USUAL);
    let usual = desk.app.layout().unwrap().clone();
    let [left, right] = [usual.columns[0], usual.columns[1]];
    desk.keys("<A-1>>>");
    assert_eq!(columns(&desk), [left + 4, right]);
    desk.keys("3>");
    assert_eq!(columns(&desk), [left + 4, right - 2], "the third column grows to the left");
    desk.keys("2>");
    assert_eq!(columns(&desk), [left + 4, right], "and the conversation to the right");
    desk.keys("3}}");
    assert_eq!(desk.app.layout().unwrap().split, usual.split.map(|at| at + 2));
    desk.keys("4}");
    assert_eq!(desk.app.layout().unwrap().split, usual.split.map(|at| at + 1));
    desk.keys("=");
    assert_eq!(desk.app.layout().unwrap().columns, usual.columns);
    desk.keys("z<");
    assert!(desk.lines().last().unwrap().contains("the pane has the whole width"), "{}", desk.text());
}

/// A newsroom of so many members, named `agent01` and so on.
fn crowd(count: usize) -> Overview {
    let mut overview = app_harness::overview(4);
    let names: Vec<String> = (1..=count).map(|at| format!("agent{at:02}")).collect();
    let id = |name: &String| AgentId(format!("agent-{name}"));
    overview.agents = names.iter().map(|name| Agent::new(id(name), name, "group-1".into())).collect();
    let group = &mut overview.groups[0];
    group.members = names.iter().map(id).collect();
    (group.max_turns, group.sleeptime) = (None, None);
    (overview.runs, overview.jobs) = (Vec::new(), Vec::new());
    overview
}

#[test]
fn with_30_agents_the_roster_follows_who_speaks_and_counts_the_hidden() {
    let mut desk = Desk::new(crowd(30), Vec::new(), (80, 24));
    // The roster beside the conversation, the focus in the composer.
    desk.keys("<A-1>i");
    let roster = |desk: &Desk| -> String {
        desk.lines().iter().filter_map(|line| Some(format!("{}\n", line.split_once('│')?.1))).collect()
    };
    let shown = |desk: &Desk| -> Vec<usize> {
        (1..=30).filter(|at| roster(desk).contains(&format!(" agent{at:02}"))).collect()
    };
    let hidden = |desk: &Desk| -> usize {
        let more = |line: &str| line.split_once("… ")?.1.split_once(" more")?.0.parse::<usize>().ok();
        roster(desk).lines().filter_map(more).sum()
    };
    assert_eq!(shown(&desk).first(), Some(&1));
    for speaker in [25, 3, 30, 1, 14] {
        desk.stream(&format!("agent{speaker:02}"), Phase::Speaking, "I");
        let seen = shown(&desk);
        assert!(seen.contains(&speaker), "{speaker}: {}", desk.text());
        assert_eq!(hidden(&desk), 30 - seen.len(), "{}", desk.text());
    }
    desk.keys("<A-1>G");
    assert!(shown(&desk).contains(&30));
    desk.stream("agent02", Phase::Speaking, "I");
    assert!(shown(&desk).contains(&30), "what somebody reads there stays");
}

#[test]
fn thirty_agents_at_80x24() {
    let mut desk = Desk::new(crowd(30), Vec::new(), (80, 24));
    desk.keys("<A-1>i");
    desk.stream("agent14", Phase::Speaking, "I am in the middle.");
    assert_screen!(desk.picture());
}

/// Where a word is in the title line.
fn place(desk: &Desk, word: &str) -> usize {
    let title = &desk.lines()[0];
    title.find(word).unwrap_or_else(|| panic!("no {word:?} in {title}"))
}

#[test]
fn the_figures_of_the_title_line_keep_their_places() {
    for size in [USUAL, (80, 24), (64, 20)] {
        let mut desk = Desk::newsroom(size);
        let words: &[&str] =
            if size == USUAL { &["tokens", "turn", "offline"] } else { &["turn", "offline", "4 ", "6 "] };
        let places = |desk: &Desk| words.iter().map(|word| place(desk, word)).collect::<Vec<_>>();
        let before = places(&desk);
        for (number, tokens) in [(7, 0), (7, 840), (7, 12_345), (10, 1_234_567), (123, 9)] {
            let mut turn = app_harness::turn(RunState::Running);
            (turn.turn, turn.tokens) = (number, tokens);
            desk.committed(Vec::new(), vec![RowUpdate::Run(turn)]);
            assert_eq!(places(&desk), before, "{number}, {tokens}: {}", desk.lines()[0]);
        }
        desk.committed(Vec::new(), vec![RowUpdate::Conversation(app_harness::room(4))]);
        assert_eq!(places(&desk), before);
    }
}

#[test]
fn after_a_restart_the_title_line_has_the_figures_it_had() {
    let ended = RunState::Finished { stop_reason: StopReason::EndTurn, error: None };
    let mut desk = Desk::newsroom(USUAL);
    desk.committed(Vec::new(), vec![RowUpdate::Run(app_harness::turn(ended.clone()))]);
    let before = desk.lines()[0].clone();
    assert!(before.contains("1.2 k tokens"), "{before}");
    let overview =
        Overview { runs: Vec::new(), last_turns: vec![app_harness::turn(ended)], ..app_harness::overview(4) };
    assert_eq!(Desk::new(overview, app_harness::said(), USUAL).lines()[0], before);
}

#[test]
fn no_key_in_the_help_touches_the_name_of_its_command() {
    for size in [(80, 24), USUAL] {
        let mut desk = Desk::newsroom(size);
        desk.keys("<F1>");
        assert!(desk.text().contains("Ctrl-J Alt-Enter  new line"), "{}", desk.text());
    }
}

#[test]
fn a_description_that_does_not_fit_beside_its_command_is_whole_below_the_list() {
    let mut desk = Desk::newsroom((80, 24));
    desk.keys("<F1>$EDITOR");
    assert!(desk.text().contains("Open the message, block or form text in $EDITOR"), "{}", desk.text());
}
