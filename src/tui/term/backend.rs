//! A ratatui backend that encodes each frame into a byte buffer.
//!
//! The size is set by the caller, never queried. An unchanged frame produces no bytes, an unchanged cursor no
//! cursor sequence; a few unchanged cells between changed ones are printed again. Every frame starts and ends in the
//! default style. Control characters and bidirectional overrides in cells are never sent, even if the layers above let
//! them through.
//!
//! crossterm's backend is not used because it resets four attributes per frame, flushes at each cursor change,
//! and keeps the colour switch in process-wide state.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io::Write as _;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

use super::Caps;
use super::sequence::{SYNC_BEGIN, SYNC_END};

/// Runs of at least this many default blanks are erased, which is shorter than printing them.
const ERASE_FROM: u16 = 10;

/// At most so many unchanged columns are printed again rather than skipped: the sequence that skips them is longer.
const REPRINTED: u16 = 3;

/// Attributes that are visible on a blank cell.
const VISIBLE_ON_BLANK: Modifier =
    Modifier::UNDERLINED.union(Modifier::REVERSED).union(Modifier::CROSSED_OUT).union(Modifier::SLOW_BLINK);

/// The terminal's current style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CellStyle {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl CellStyle {
    const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

    /// Returns true if a blank looks the same in both styles.
    fn same_blank(self, other: Self) -> bool {
        let bare = |pen: Self| pen.modifier.intersection(VISIBLE_ON_BLANK).is_empty();
        self == other || (self.bg == other.bg && bare(self) && bare(other))
    }
}

/// A cell that was erased, or printed as a blank in the default style.
const BLANK: (u8, CellStyle) = (b' ', CellStyle::PLAIN);

/// A pending run of default blanks, printed or erased when it ends.
#[derive(Debug, Clone, Copy)]
struct BlankRun {
    start: Position,
    count: u16,
}

/// Collects the bytes of one frame; see the module documentation.
#[derive(Debug)]
pub struct FrameBackend {
    size: Size,
    caps: Caps,
    frame: Vec<u8>,
    pen: CellStyle,
    /// Position of the terminal's cursor, if known.
    at: Option<Position>,
    /// Visibility of the terminal's cursor, if known.
    shown: Option<bool>,
    blanks: Option<BlankRun>,
    /// What the terminal shows, by row and column: a printable ASCII character and its style; `None` if unknown or
    /// something else.
    known: Vec<Option<(u8, CellStyle)>>,
    /// Positions at which the terminal shows glyphs of two columns.
    wide: HashSet<Position>,
}

impl FrameBackend {
    /// Creates a backend of `size` cells for a blank terminal.
    #[must_use]
    pub fn new(size: Size, caps: Caps) -> Self {
        Self {
            size,
            caps,
            frame: Vec::new(),
            pen: CellStyle::PLAIN,
            at: None,
            shown: None,
            blanks: None,
            known: vec![Some(BLANK); usize::from(size.width) * usize::from(size.height)],
            wide: HashSet::new(),
        }
    }

    /// Sets a new size and discards what is known of the terminal.
    pub fn set_size(&mut self, size: Size) {
        self.size = size;
        self.known = vec![None; usize::from(size.width) * usize::from(size.height)];
        self.forget();
    }

    /// Discards what is known of the terminal, because another program has written to it.
    pub fn forget(&mut self) {
        self.at = None;
        self.shown = None;
        self.known.fill(None);
    }

    /// Returns the bytes since the last call, as one synchronised update if [`Caps::sync`] is set; empty if
    /// nothing changed.
    pub fn take_frame(&mut self) -> Vec<u8> {
        let body = std::mem::take(&mut self.frame);
        if body.is_empty() || !self.caps.sync {
            return body;
        }
        [SYNC_BEGIN, &body, SYNC_END].concat()
    }

    fn pen_of(&self, cell: &Cell, glyph: &str) -> CellStyle {
        let mut pen = CellStyle { fg: cell.fg, bg: cell.bg, modifier: cell.modifier };
        if !self.caps.color {
            pen.fg = Color::Reset;
            pen.bg = Color::Reset;
        }
        if glyph == " " && pen.same_blank(CellStyle { bg: pen.bg, ..CellStyle::PLAIN }) {
            pen = CellStyle { bg: pen.bg, ..CellStyle::PLAIN };
        }
        pen
    }

    fn print(&mut self, to: Position, pen: CellStyle, glyph: &str) {
        let columns = glyph.width() as u16;
        if !self.wide.is_empty() {
            let last = Position { x: to.x + columns.saturating_sub(1), y: to.y };
            if self.wide.remove(&last) && !CellStyle::PLAIN.same_blank(pen) {
                self.clear_wide(last);
            }
            self.wide.remove(&to);
            // What the terminal makes of the other half of a wide glyph is its own affair.
            for x in [to.x.checked_sub(1), last.x.checked_add(1)].into_iter().flatten() {
                self.learn(Position { x, y: to.y }, None);
            }
        }
        if columns > 1 {
            self.wide.insert(to);
        }
        self.move_to(to);
        if !(glyph == " " && pen.same_blank(self.pen)) {
            self.set_pen(pen);
        }
        self.frame.extend(glyph.as_bytes());
        let ascii = match glyph.as_bytes() {
            [one @ (b' '..=b'~')] => Some((*one, pen)),
            _ => None,
        };
        for x in to.x..to.x.saturating_add(columns.max(1)) {
            self.learn(Position { x, y: to.y }, ascii);
        }
        self.at = self.after(to, glyph);
    }

    fn index(&self, at: Position) -> Option<usize> {
        (at.x < self.size.width).then(|| usize::from(at.y) * usize::from(self.size.width) + usize::from(at.x))
    }

    fn learn(&mut self, at: Position, shows: Option<(u8, CellStyle)>) {
        if let Some(cell) = self.index(at).and_then(|index| self.known.get_mut(index)) {
            *cell = shows;
        }
    }

    /// Returns what the terminal shows in a row from the column `from` to before `to`; `None` if some of it is unknown.
    fn shows(&self, y: u16, from: u16, to: u16) -> Option<impl Iterator<Item = (u8, CellStyle)>> {
        let start = self.index(Position { x: from, y })?;
        let cells = self.known.get(start..start + usize::from(to.checked_sub(from)?))?;
        cells.iter().all(Option::is_some).then(|| cells.iter().flatten().copied())
    }

    /// Blanks a wide glyph of which only the first column is about to be overwritten in a visible style: terminals
    /// fill the freed column with the current style, and ratatui's difference does not contain that cell.
    fn clear_wide(&mut self, at: Position) {
        self.move_to(at);
        self.set_pen(CellStyle::PLAIN);
        self.frame.extend(b"  ");
        for x in [at.x, at.x + 1] {
            self.learn(Position { x, y: at.y }, Some(BLANK));
        }
        self.at = (at.x + 2 < self.size.width).then_some(Position { x: at.x + 2, y: at.y });
    }

    /// Returns the cursor position after printing `glyph` at `from`. `None` at the right edge, where terminals
    /// wrap differently, and after a cluster of several code points, whose width differs between terminals.
    fn after(&self, from: Position, glyph: &str) -> Option<Position> {
        let single = glyph.chars().nth(1).is_none() && glyph != "\u{fffd}";
        let x = from.x.saturating_add(glyph.width() as u16);
        (single && x < self.size.width).then_some(Position { x, y: from.y })
    }

    fn hold_blank(&mut self, at: Position) {
        if let Some(BlankRun { start, count }) = self.blanks.filter(|blanks| blanks.start.y == at.y) {
            // Blanks between two runs are as good as erased.
            let end = start.x + count;
            let gap = at.x.saturating_sub(end);
            let short = gap <= REPRINTED || count + gap + 1 >= ERASE_FROM;
            let blank =
                gap == 0 || self.shows(at.y, end, at.x).is_some_and(|mut cells| cells.all(|cell| cell == BLANK));
            if at.x >= end && short && blank {
                self.blanks = Some(BlankRun { start, count: count + gap + 1 });
                return;
            }
        }
        self.flush_blanks();
        self.blanks = Some(BlankRun { start: at, count: 1 });
    }

    fn flush_blanks(&mut self) {
        let Some(BlankRun { start, count }) = self.blanks.take() else { return };
        if count < ERASE_FROM {
            for step in 0..count {
                self.print(Position { x: start.x + step, y: start.y }, CellStyle::PLAIN, " ");
            }
            return;
        }
        self.move_to(start);
        // Erased cells take the current background, in some terminals also reverse and underline.
        if !CellStyle::PLAIN.same_blank(self.pen) {
            self.set_pen(CellStyle::PLAIN);
        }
        self.put(format_args!("\x1b[{count}X"));
        for x in start.x..start.x + count {
            self.learn(Position { x, y: start.y }, Some(BLANK));
        }
    }

    fn set_pen(&mut self, to: CellStyle) {
        if to == self.pen {
            return;
        }
        let mut change = Vec::new();
        push_difference(&mut change, self.pen, to);
        let mut afresh = vec![0];
        push_difference(&mut afresh, CellStyle::PLAIN, to);
        let (change, afresh) = (sgr(&change), sgr(&afresh));
        self.frame.extend(if afresh.len() < change.len() { afresh } else { change });
        self.pen = to;
    }

    fn move_to(&mut self, to: Position) {
        if self.at == Some(to) {
            return;
        }
        if self.reprint(to) {
            return;
        }
        let mut best = absolute(to);
        if let Some(relative) = self.at.and_then(|from| relative(from, to))
            && relative.len() < best.len()
        {
            best = relative;
        }
        self.frame.extend(best.as_bytes());
        self.at = Some(to);
    }

    /// Moves a few columns to the right by printing what is there already, which is shorter than a sequence. Returns
    /// false if it is not known or has another style.
    fn reprint(&mut self, to: Position) -> bool {
        let Some(from) = self.at.filter(|from| from.y == to.y && from.x < to.x && to.x - from.x <= REPRINTED) else {
            return false;
        };
        let pen = self.pen;
        let same = |(byte, style): (u8, CellStyle)| style == pen || byte == b' ' && style.same_blank(pen);
        let Some(cells) = self.shows(to.y, from.x, to.x) else { return false };
        let cells: Vec<(u8, CellStyle)> = cells.collect();
        let found = cells.iter().all(|cell| same(*cell));
        if found {
            self.frame.extend(cells.iter().map(|(byte, _)| byte));
            self.at = Some(to);
        }
        found
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to memory cannot fail.
        let _ = self.frame.write_fmt(text);
    }
}

/// Returns the sequence that moves the cursor to `to` from any position.
fn absolute(to: Position) -> String {
    match (to.x, to.y) {
        (0, 0) => "\x1b[H".to_owned(),
        (0, y) => format!("\x1b[{}H", y + 1),
        (x, y) => format!("\x1b[{};{}H", y + 1, x + 1),
    }
}

/// Returns a relative sequence that moves the cursor from `from` to `to`; `None` if there is no short one.
fn relative(from: Position, to: Position) -> Option<String> {
    let numbered = |count: u16, letter: char| match count {
        1 => format!("\x1b[{letter}"),
        _ => format!("\x1b[{count}{letter}"),
    };
    if to.x == 0 && to.y == from.y {
        Some("\r".to_owned())
    } else if to.x == 0 && to.y == from.y + 1 {
        Some("\r\n".to_owned())
    } else if to.y != from.y {
        None
    } else if to.x > from.x {
        Some(numbered(to.x - from.x, 'C'))
    } else if from.x - to.x <= 3 {
        Some("\x08".repeat(usize::from(from.x - to.x)))
    } else {
        Some(numbered(from.x - to.x, 'D'))
    }
}

fn sgr(codes: &[u16]) -> Vec<u8> {
    match codes {
        [0] => b"\x1b[m".to_vec(),
        codes => format!("\x1b[{}m", codes.iter().map(u16::to_string).collect::<Vec<_>>().join(";")).into_bytes(),
    }
}

/// Attributes with the SGR codes that set and clear them. Code 22 clears both bold and dim.
const ATTRIBUTES: [(Modifier, u16, u16); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// Appends the SGR codes that change style `from` to style `to`.
fn push_difference(codes: &mut Vec<u16>, from: CellStyle, to: CellStyle) {
    let mut held = from.modifier;
    for (attribute, _, clear) in ATTRIBUTES {
        if held.contains(attribute) && !to.modifier.contains(attribute) {
            codes.push(clear);
            for (other, _, other_clear) in ATTRIBUTES {
                if other_clear == clear {
                    held.remove(other);
                }
            }
        }
    }
    for (attribute, set, _) in ATTRIBUTES {
        if to.modifier.contains(attribute) && !held.contains(attribute) {
            codes.push(set);
        }
    }
    if to.fg != from.fg {
        push_color(codes, to.fg, 30);
    }
    if to.bg != from.bg {
        push_color(codes, to.bg, 40);
    }
}

/// Appends the SGR codes of a colour; `base` is 30 for the foreground, 40 for the background.
fn push_color(codes: &mut Vec<u16>, color: Color, base: u16) {
    const BRIGHT: u16 = 60;
    match color {
        Color::Reset => codes.push(base + 9),
        Color::Black => codes.push(base),
        Color::Red => codes.push(base + 1),
        Color::Green => codes.push(base + 2),
        Color::Yellow => codes.push(base + 3),
        Color::Blue => codes.push(base + 4),
        Color::Magenta => codes.push(base + 5),
        Color::Cyan => codes.push(base + 6),
        Color::Gray => codes.push(base + 7),
        Color::DarkGray => codes.push(base + BRIGHT),
        Color::LightRed => codes.push(base + BRIGHT + 1),
        Color::LightGreen => codes.push(base + BRIGHT + 2),
        Color::LightYellow => codes.push(base + BRIGHT + 3),
        Color::LightBlue => codes.push(base + BRIGHT + 4),
        Color::LightMagenta => codes.push(base + BRIGHT + 5),
        Color::LightCyan => codes.push(base + BRIGHT + 6),
        Color::White => codes.push(base + BRIGHT + 7),
        Color::Indexed(index) => codes.extend([base + 8, 5, index.into()]),
        Color::Rgb(r, g, b) => codes.extend([base + 8, 2, r.into(), g.into(), b.into()]),
    }
}

/// Returns the text printed for a cell: its symbol, or a replacement if the symbol is unsafe or has no width.
fn glyph(cell: &Cell) -> &str {
    let symbol = cell.symbol();
    match symbol.as_bytes() {
        [(b' '..=b'~')] => symbol,
        _ if symbol.chars().any(hostile) => "\u{fffd}",
        _ if symbol.width() == 0 => " ",
        _ => symbol,
    }
}

/// Returns true for control characters, line separators, and invisible characters that reorder or hide text.
fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

impl Backend for FrameBackend {
    type Error = Infallible;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), Infallible>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        for (x, y, cell) in content {
            let glyph = glyph(cell);
            let pen = self.pen_of(cell, glyph);
            if glyph == " " && pen == CellStyle::PLAIN {
                self.hold_blank(Position { x, y });
            } else {
                self.flush_blanks();
                self.print(Position { x, y }, pen, glyph);
            }
        }
        self.flush_blanks();
        self.set_pen(CellStyle::PLAIN);
        Ok(())
    }

    fn hide_cursor(&mut self) -> Result<(), Infallible> {
        if self.shown != Some(false) {
            self.frame.extend(b"\x1b[?25l");
            self.shown = Some(false);
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> Result<(), Infallible> {
        if self.shown != Some(true) {
            self.frame.extend(b"\x1b[?25h");
            self.shown = Some(true);
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> Result<Position, Infallible> {
        Ok(self.at.unwrap_or(Position::ORIGIN))
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), Infallible> {
        self.move_to(position.into());
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Infallible> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> Result<(), Infallible> {
        let erase: &[u8] = match clear_type {
            ClearType::All => b"\x1b[2J",
            ClearType::AfterCursor => b"\x1b[J",
            ClearType::BeforeCursor => b"\x1b[1J",
            ClearType::CurrentLine => b"\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[K",
        };
        if clear_type == ClearType::All {
            self.wide.clear();
        }
        self.known.fill((clear_type == ClearType::All).then_some(BLANK));
        self.frame.extend(erase);
        Ok(())
    }

    fn size(&self) -> Result<Size, Infallible> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> Result<WindowSize, Infallible> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
