//! Frames against a terminal emulator, cell by cell.

use std::num::NonZeroU16;

use nightdesk::testing::tui::term::screen::{Caps, Screen};
use proptest::collection::vec;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

const COLS: u16 = 30;
const ROWS: u16 = 6;

/// Text put on a frame.
#[derive(Debug, Clone)]
struct Put {
    x: u16,
    y: u16,
    text: String,
    style: Style,
}

fn color() -> impl Strategy<Value = Color> {
    prop_oneof![
        4 => Just(Color::Reset),
        2 => prop::sample::select(vec![Color::Red, Color::Gray, Color::DarkGray, Color::White, Color::Black]),
        1 => any::<u8>().prop_map(Color::Indexed),
        1 => any::<(u8, u8, u8)>().prop_map(|(r, g, b)| Color::Rgb(r, g, b)),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    let modifiers = Modifier::BOLD | Modifier::DIM | Modifier::ITALIC | Modifier::UNDERLINED | Modifier::REVERSED;
    (color(), color(), any::<u16>()).prop_map(move |(fg, bg, bits)| {
        let modifier = Modifier::from_bits_truncate(bits & (bits >> 8)) & modifiers;
        Style::new().fg(fg).bg(bg).add_modifier(modifier)
    })
}

fn text() -> impl Strategy<Value = String> {
    let glyph = prop_oneof![
        6 => "[a-z ]",
        2 => Just(" ".repeat(14)),
        2 => prop::sample::select(vec!["\u{4e2d}", "\u{6587}", "\u{1f600}", "e\u{301}", "\u{2500}", "\u{e9}", "\u{ff21}"])
            .prop_map(str::to_owned),
    ];
    vec(glyph, 0..20).prop_map(|glyphs| glyphs.concat())
}

fn frame() -> impl Strategy<Value = (Vec<Put>, Option<(u16, u16)>)> {
    let put = (0..COLS, 0..ROWS, text(), style()).prop_map(|(x, y, text, style)| Put { x, y, text, style });
    (vec(put, 0..8), prop::option::of((0..COLS, 0..ROWS)))
}

fn emulator(cols: u16, rows: u16) -> vt100::Parser {
    vt100::Parser::new(NonZeroU16::new(rows).unwrap(), NonZeroU16::new(cols).unwrap(), 0)
}

fn emulated(color: Color) -> vt100::Color {
    match color {
        Color::Reset => vt100::Color::Default,
        Color::Indexed(index) => vt100::Color::Idx(index),
        Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
        Color::Black => vt100::Color::Idx(0),
        Color::Red => vt100::Color::Idx(1),
        Color::Gray => vt100::Color::Idx(7),
        Color::DarkGray => vt100::Color::Idx(8),
        Color::White => vt100::Color::Idx(15),
        other => panic!("{other:?} is not drawn here"),
    }
}

/// Compares all that can be seen. Behind a wide glyph nothing can; on a blank only the background and what
/// lines or reverses it.
fn compare(drawn: &Buffer, terminal: &vt100::Screen) -> Result<(), TestCaseError> {
    for y in drawn.area.top()..drawn.area.bottom() {
        let mut x = 0;
        while x < drawn.area.width {
            let (cell, shown) = (&drawn[(x, y)], terminal.cell(y, x).unwrap());
            let contents = if shown.has_contents() { shown.contents() } else { " " };
            prop_assert_eq!(contents, cell.symbol(), "at {},{}", x, y);
            prop_assert_eq!(shown.bgcolor(), emulated(cell.bg), "background at {},{}", x, y);
            let (underline, inverse) = (Modifier::UNDERLINED, Modifier::REVERSED);
            prop_assert_eq!(shown.underline(), cell.modifier.contains(underline), "underline at {},{}", x, y);
            prop_assert_eq!(shown.inverse(), cell.modifier.contains(inverse), "reverse at {},{}", x, y);
            if cell.symbol() != " " || shown.inverse() || shown.underline() {
                prop_assert_eq!(shown.fgcolor(), emulated(cell.fg), "colour at {},{}", x, y);
                // The emulator knows one of the two at a time.
                if !cell.modifier.contains(Modifier::BOLD | Modifier::DIM) {
                    prop_assert_eq!(shown.bold(), cell.modifier.contains(Modifier::BOLD), "bold at {},{}", x, y);
                    prop_assert_eq!(shown.dim(), cell.modifier.contains(Modifier::DIM), "dim at {},{}", x, y);
                }
                prop_assert_eq!(shown.italic(), cell.modifier.contains(Modifier::ITALIC), "italic at {},{}", x, y);
            }
            x += cell.symbol().width().max(1) as u16;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_terminal_shows_what_was_drawn(frames in vec((frame(), 0..12u8), 1..6)) {
        let mut screen = Screen::new(Size::new(COLS, ROWS), Caps { sync: true, color: true });
        let mut terminal = emulator(COLS, ROWS);
        for ((puts, cursor), event) in frames {
            match event {
                0 => screen.invalidate(),
                1 => {
                    screen.resize(Size::new(COLS - 5, ROWS));
                    terminal.process(&screen.draw(|_| {}));
                    screen.resize(Size::new(COLS, ROWS));
                }
                _ => {}
            }
            let mut drawn = Buffer::default();
            let bytes = screen.draw(|frame| {
                for put in &puts {
                    frame.buffer_mut().set_string(put.x, put.y, &put.text, put.style);
                }
                if let Some(cursor) = cursor {
                    frame.set_cursor_position(cursor);
                }
                drawn = frame.buffer_mut().clone();
            });
            terminal.process(&bytes);
            compare(&drawn, terminal.screen())?;
            prop_assert_eq!(terminal.screen().hide_cursor(), cursor.is_none());
            if let Some((x, y)) = cursor {
                prop_assert_eq!(terminal.screen().cursor_position(), (y, x));
            }
        }
    }
}

#[test]
fn any_single_changed_character_costs_few_bytes() {
    let size = Size::new(200, 60);
    let mut screen = Screen::new(size, Caps { sync: true, color: true });
    let draw = |screen: &mut Screen, at: (u16, u16), symbol: &str, style: Style| {
        screen.draw(|frame| {
            frame.buffer_mut().set_string(at.0, at.1, symbol, style);
            frame.set_cursor_position((199, 59));
        })
    };
    draw(&mut screen, (0, 0), "", Style::new());
    for (x, y) in [(0, 0), (100, 30), (199, 59), (0, 59), (199, 0)] {
        for style in [Style::new(), Style::new().fg(Color::LightBlue).bg(Color::DarkGray).add_modifier(Modifier::BOLD)]
        {
            let bytes = draw(&mut screen, (x, y), "x", style);
            assert!(bytes.len() <= 64, "{:?}", String::from_utf8_lossy(&bytes));
            assert!(draw(&mut screen, (x, y), "x", style).is_empty());
            draw(&mut screen, (0, 0), "", Style::new());
        }
    }
}
