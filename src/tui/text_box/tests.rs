use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::tui::text::width::width;

/// One grapheme each: a family, a flag, jamo, a conjunct, a combining mark, a keycap, a skin tone.
const GRAPHEMES: [&str; 10] = [
    "👩\u{200d}👩\u{200d}👧",
    "🇨🇭",
    "\u{1112}\u{1161}\u{11ab}",
    "क्षि",
    "e\u{301}",
    "1\u{fe0f}\u{20e3}",
    "👍🏽",
    "ﻻ\u{200d}",
    "x",
    "新",
];

fn pressed(text: &mut TextBox, code: KeyCode) -> bool {
    text.key(KeyEvent::from(code))
}

fn with(text: &str) -> TextBox {
    let mut with = TextBox::new(vec![String::new()], true);
    with.insert(text);
    with
}

#[test]
fn the_caret_passes_and_deletes_a_grapheme_as_one() {
    for grapheme in GRAPHEMES {
        let mut text = with(&format!("a{grapheme}b"));
        pressed(&mut text, KeyCode::Left);
        pressed(&mut text, KeyCode::Left);
        assert_eq!(text.caret(), (0, 1), "{grapheme:?}");
        pressed(&mut text, KeyCode::Right);
        assert_eq!(text.caret(), (0, 1 + grapheme.chars().count()), "{grapheme:?}");
        assert!(pressed(&mut text, KeyCode::Backspace));
        assert_eq!((text.lines()[0].as_str(), text.caret()), ("ab", (0, 1)), "{grapheme:?}");
        assert!(text.undo());
        text.key(KeyEvent::new(KeyCode::Char('a'), KeyModifiers::CONTROL));
        pressed(&mut text, KeyCode::Right);
        assert!(pressed(&mut text, KeyCode::Delete));
        assert_eq!((text.lines()[0].as_str(), text.caret()), ("ab", (0, 1)), "{grapheme:?}");
    }
}

#[test]
fn a_move_passes_line_ends_and_ends_at_the_ends_of_the_text() {
    let mut text = with("a\n🇨🇭");
    for _ in 0..2 {
        pressed(&mut text, KeyCode::Left);
    }
    assert_eq!(text.caret(), (0, 1));
    for _ in 0..5 {
        pressed(&mut text, KeyCode::Left);
    }
    assert_eq!(text.caret(), (0, 0));
    for _ in 0..5 {
        pressed(&mut text, KeyCode::Right);
    }
    assert_eq!(text.caret(), (1, 2));
}

#[test]
fn a_deleted_word_leaves_no_part_of_a_grapheme() {
    let mut text = with("so!\u{301}");
    text.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
    assert_eq!(text.lines(), ["so"]);
    let mut text = with("so!\u{301} no");
    text.key(KeyEvent::new(KeyCode::Char('a'), KeyModifiers::CONTROL));
    for _ in 0..2 {
        pressed(&mut text, KeyCode::Right);
    }
    text.key(KeyEvent::new(KeyCode::Char('d'), KeyModifiers::ALT));
    assert_eq!(text.lines(), ["so no"]);
}

#[test]
fn shift_selects_whole_graphemes() {
    let mut text = with("a👩\u{200d}🚀b");
    pressed(&mut text, KeyCode::Left);
    text.key(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT));
    assert!(pressed(&mut text, KeyCode::Backspace));
    assert_eq!(text.lines(), ["ab"]);
}

#[test]
fn a_move_without_shift_ends_the_selection() {
    let mut text = with("abc");
    text.key(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT));
    pressed(&mut text, KeyCode::Left);
    pressed(&mut text, KeyCode::Backspace);
    assert_eq!(text.lines(), ["bc"]);
    let mut text = with("abc\nde");
    text.key(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT));
    pressed(&mut text, KeyCode::Up);
    pressed(&mut text, KeyCode::Backspace);
    assert_eq!(text.lines(), ["bc", "de"]);
}

#[test]
fn a_deleted_grapheme_is_not_what_ctrl_y_inserts() {
    let mut text = with("🇨🇭 word");
    text.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
    assert!(pressed(&mut text, KeyCode::Backspace) && pressed(&mut text, KeyCode::Backspace) && text.is_empty());
    text.key(KeyEvent::new(KeyCode::Char('y'), KeyModifiers::CONTROL));
    assert_eq!(text.lines(), ["word"]);
}

#[test]
fn a_cr_before_a_line_end_takes_no_cell() {
    let mut text = TextBox::new(vec!["ab\r".to_owned(), "c".to_owned()], true);
    text.go_to_line_end();
    let mut terminal = Terminal::new(TestBackend::new(20, 2)).unwrap();
    let mut caret = Position::default();
    terminal.draw(|frame| caret = text.draw(frame, frame.area(), &Look::default(), &[]).caret).unwrap();
    assert_eq!(caret, Position { x: 2, y: 0 });
}

#[test]
fn up_and_down_keep_to_the_drawn_column() {
    let mut text = with("👩\u{200d}👩\u{200d}👧abc\n123456789");
    pressed(&mut text, KeyCode::Left);
    pressed(&mut text, KeyCode::Up);
    // Cells 0 to 5 are the family, cleaned; behind it two letters.
    assert_eq!(text.caret(), (0, 7));
    assert!(text.is_at_edge(false) && !text.is_at_edge(true));
    assert!(text.step(true) && !text.step(true));
    assert_eq!(text.caret(), (1, 8));
}

fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(GRAPHEMES.to_vec()),
        2 => prop::sample::select(vec![" ", "\n", "\t", "\u{301}", "\u{200d}", "\u{fe0f}", "!", "🇨", "\u{202e}"]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_key_leaves_the_caret_between_graphemes(
        text in any_text(), keys in prop::collection::vec(0usize..12, 1..12),
    ) {
        let mut written = with(&text);
        for key in keys {
            let key = match key {
                0 => KeyEvent::from(KeyCode::Left),
                1 => KeyEvent::from(KeyCode::Right),
                2 => KeyEvent::from(KeyCode::Up),
                3 => KeyEvent::from(KeyCode::Down),
                4 => KeyEvent::from(KeyCode::Home),
                5 => KeyEvent::from(KeyCode::End),
                6 => KeyEvent::new(KeyCode::Left, KeyModifiers::CONTROL),
                7 => KeyEvent::new(KeyCode::Right, KeyModifiers::CONTROL),
                8 => KeyEvent::new(KeyCode::Right, KeyModifiers::SHIFT),
                9 => KeyEvent::from(KeyCode::PageUp),
                10 => KeyEvent::new(KeyCode::Char('e'), KeyModifiers::CONTROL),
                _ => KeyEvent::from(KeyCode::PageDown),
            };
            written.key(key);
            let (row, col) = written.caret();
            prop_assert!(stops(&written.lines()[row]).any(|stop| stop == col), "{:?} after {:?}", written.caret(), key);
            prop_assert_eq!(written.lines().join("\n"), text.as_str());
        }
    }

    #[test]
    fn as_many_backspaces_as_graphemes_delete_a_line(text in any_text()) {
        let line = text.replace('\n', "");
        let mut written = with(&line);
        for _ in 0..line.graphemes(true).count() {
            prop_assert!(pressed(&mut written, KeyCode::Backspace));
        }
        prop_assert!(written.is_empty(), "{:?} of {:?}", written.lines(), line);
    }

    #[test]
    fn only_cleaned_text_is_drawn_and_the_caret_stands_behind_it(text in any_text()) {
        let line = text.replace('\n', "");
        let written = with(&line);
        let mut terminal = Terminal::new(TestBackend::new(120, 1)).unwrap();
        let mut caret = Position::default();
        terminal.draw(|frame| caret = written.draw(frame, frame.area(), &Look::default(), &[]).caret).unwrap();
        let cleaned = clean_line(&line).into_owned();
        prop_assert_eq!(usize::from(caret.x), width(&cleaned), "{:?}", cleaned);
        let cells = terminal.backend().buffer();
        prop_assert!(cells.content().iter().all(|cell| clean_line(cell.symbol()) == cell.symbol()));
    }
}

fn typed(text: &mut TextBox, what: &str) {
    for letter in what.chars() {
        pressed(text, if letter == '\n' { KeyCode::Enter } else { KeyCode::Char(letter) });
    }
}

#[test]
fn what_is_typed_is_undone_by_words_and_made_again() {
    let mut text = with("");
    typed(&mut text, "the hall of mirrors\nand more");
    let mut seen = Vec::new();
    while text.undo() {
        seen.push(text.lines().join("\n"));
    }
    let steps = [
        "the hall of mirrors\nand ",
        "the hall of mirrors\n",
        "the hall of mirrors",
        "the hall of ",
        "the hall ",
        "the ",
        "",
    ];
    assert_eq!(seen, steps);
    assert!(!text.undo() && text.redo() && text.redo());
    assert_eq!((text.lines().join("\n").as_str(), text.caret()), ("the hall ", (0, 9)));
    typed(&mut text, "x");
    assert!(!text.redo(), "what was undone gives way to what is typed then");
    assert_eq!(text.lines(), ["the hall x"]);
}

#[test]
fn deleted_words_a_paste_and_a_cut_come_back_one_by_one() {
    let mut text = with("one two three");
    for _ in 0..="three".len() {
        pressed(&mut text, KeyCode::Backspace);
    }
    text.insert(" 2\nand 3");
    text.key(KeyEvent::new(KeyCode::Char('a'), KeyModifiers::ALT));
    text.key(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::ALT));
    assert!(text.is_empty());
    text.key(KeyEvent::new(KeyCode::Char('y'), KeyModifiers::CONTROL));
    assert_eq!(text.lines(), ["one two 2", "and 3"]);
    let mut seen = Vec::new();
    while text.key(KeyEvent::new(KeyCode::Char('7'), KeyModifiers::CONTROL)) {
        seen.push(text.lines().join("\n"));
    }
    assert_eq!(seen, ["", "one two 2\nand 3", "one two", "one two three", ""]);
}

#[test]
fn a_copied_selection_stays_and_is_put_in_elsewhere() {
    let mut text = with("ab\ncd");
    text.key(KeyEvent::new(KeyCode::Up, KeyModifiers::SHIFT));
    assert_eq!(text.selected(), "\ncd");
    text.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::ALT));
    assert_eq!((text.lines().join("\n").as_str(), text.selected().as_str()), ("ab\ncd", ""));
    text.key(KeyEvent::new(KeyCode::Char('y'), KeyModifiers::CONTROL));
    assert_eq!(text.lines(), ["ab", "cd", "cd"]);
}

#[test]
fn a_text_is_found_regardless_of_case_unless_it_has_a_capital() {
    let text = with("Launch: launch\nthe LAUNCH\n👩\u{200d}🚀launch");
    let at = |sought: &str| text.find(sought).iter().map(|found| (found.line, found.from)).collect::<Vec<_>>();
    assert_eq!(at("launch"), [(0, 0), (0, 8), (1, 4), (2, 3)]);
    assert_eq!(at("Launch"), [(0, 0)]);
    assert_eq!(at("aunch: l"), [(0, 1)]);
    assert_eq!(at(""), []);
}

#[test]
fn what_is_found_is_highlighted_where_it_is_drawn() {
    let mut text = with("some words and then the sought word here");
    text.go_to((0, 0));
    let found = text.find("sought word");
    let style = Style::new().bg(ratatui::style::Color::Red);
    let mut terminal = Terminal::new(TestBackend::new(12, 6)).unwrap();
    terminal
        .draw(|frame| {
            text.draw(frame, frame.area(), &Look { found: style, ..Look::default() }, &found);
        })
        .unwrap();
    let cells = terminal.backend().buffer().content();
    let marked: String =
        cells.iter().filter(|cell| cell.style().bg == style.bg).map(ratatui::buffer::Cell::symbol).collect();
    assert_eq!(marked.replace(' ', ""), "soughtword");
}

proptest! {
    #[test]
    fn undone_to_the_start_and_made_again_it_is_the_same_text(
        start in any_text(), keys in prop::collection::vec(0usize..12, 1..40),
    ) {
        let mut written = TextBox::new(start.split('\n').map(str::to_owned).collect(), true);
        for key in keys {
            let key = match key {
                0..4 => KeyEvent::from(KeyCode::Char(['a', ' ', 'é', '新'][key])),
                4 => KeyEvent::from(KeyCode::Enter),
                5 => KeyEvent::from(KeyCode::Backspace),
                6 => KeyEvent::from(KeyCode::Delete),
                7 => KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL),
                8 => KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT),
                9 => KeyEvent::from(KeyCode::Right),
                10 => KeyEvent::new(KeyCode::Char('y'), KeyModifiers::CONTROL),
                _ => KeyEvent::new(KeyCode::Char('7'), KeyModifiers::CONTROL),
            };
            written.key(key);
        }
        while written.redo() {}
        let end = written.lines().join("\n");
        while written.undo() {}
        prop_assert_eq!(written.lines().join("\n"), start);
        while written.redo() {}
        prop_assert_eq!(written.lines().join("\n"), end);
    }
}
