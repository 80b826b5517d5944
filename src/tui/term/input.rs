//! The input tokeniser: splits the bytes from a terminal into events.
//!
//! A pure state machine: bytes and instants in, events and one deadline out. The events do not depend on how the
//! bytes are split in transit. terminput decodes single key and mouse sequences; this module finds where each
//! sequence ends, which terminput does not.
//!
//! - A terminal's reply to a query is [`Input::Reply`], never typing.
//! - A lone ESC becomes the Esc key after a timeout. A `[` or `O` soon after that still counts as its
//!   continuation, so that over a slow link an arrow key becomes Esc and the arrow, never text.
//! - ESC before any other character is Alt. Two ESC are the Esc key twice.
//! - An unfinished sequence is dropped after [`STALL`]; an unfinished paste is delivered after [`PASTE_STALL`].
//!   Memory for unfinished input is bounded.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseEvent};

/// Time without new bytes after which an unfinished sequence is dropped.
pub const STALL: Duration = Duration::from_secs(1);
/// Time without new bytes after which an unfinished paste is delivered. Long, because later bytes would be
/// treated as typing.
pub const PASTE_STALL: Duration = Duration::from_secs(5);
/// Longer pastes are delivered in pieces of at most this many bytes.
pub const PASTE_PIECE: usize = 1 << 20;
/// Longer control sequences, in bytes, are skipped.
const CSI_LIMIT: usize = 64;
/// Longer strings (OSC, DCS, …), in bytes, are skipped.
const STRING_LIMIT: usize = 4096;
/// Timeout for a sequence of which only two bytes arrived, and for a continuation after the Esc key, as a
/// multiple of the timeout for a lone ESC.
const PATIENCE: u32 = 3;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const PASTE_END: &[u8] = b"\x1b[201~";

/// An event from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key press.
    Key(KeyEvent),
    /// Pasted text; lines end with LF.
    Paste(String),
    /// A mouse event.
    Mouse(MouseEvent),
    /// The terminal window gained (`true`) or lost the focus.
    Focus(bool),
    /// A reply or report of the terminal: the whole sequence.
    Reply(Vec<u8>),
}

/// Splits a terminal's bytes into [`Input`]s; see the module documentation.
#[derive(Debug)]
pub struct Tokeniser {
    escape_wait: Duration,
    mode: Mode,
    /// Bytes not yet decoded, of bounded length between calls.
    pending: Vec<u8>,
    /// Arrival of the last bytes.
    touched: Option<Instant>,
    /// Until then `[` and `O` continue an ESC that was already delivered as the Esc key.
    late_until: Option<Instant>,
    /// True if the ESC at the start of `pending` was already delivered.
    late: bool,
}

#[derive(Debug)]
enum Mode {
    Ground,
    Paste(Vec<u8>),
    /// Discarding an overlong control sequence up to its final byte.
    SkipControl,
    /// Discarding an overlong string up to its terminator.
    SkipString,
}

/// Token at the start of the pending bytes, with its length in bytes.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// One event, to be decoded.
    Event(usize),
    /// A reply or report of the terminal.
    Reply(usize),
    /// Start of a paste.
    PasteStart(usize),
    /// Bytes without a meaning, to be dropped.
    Junk(usize),
    /// A control sequence longer than [`CSI_LIMIT`].
    LongControl,
    /// A string longer than [`STRING_LIMIT`].
    LongString,
    /// More bytes are needed.
    Incomplete,
}

impl Tokeniser {
    /// Creates a tokeniser that treats a lone ESC as the Esc key after `escape_wait` (40 ms; 150 ms over SSH).
    #[must_use]
    pub fn new(escape_wait: Duration) -> Self {
        Self { escape_wait, mode: Mode::Ground, pending: Vec::new(), touched: None, late_until: None, late: false }
    }

    /// Processes bytes that arrived at `now` and returns the completed events.
    pub fn feed(&mut self, bytes: &[u8], now: Instant) -> Vec<Input> {
        let Some(first) = bytes.first() else { return Vec::new() };
        let late = self.late_until.take().is_some_and(|until| now <= until);
        if late && self.idle() && matches!(first, b'[' | b'O') {
            self.pending.push(ESC);
            self.late = true;
        }
        self.touched = Some(now);
        self.pending.extend(bytes);
        let mut events = Vec::new();
        while self.step(&mut events) {}
        events
    }

    /// Returns when [`Tokeniser::expire`] must be called if no more bytes arrive; `None` if nothing is unfinished.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.idle() {
            return None;
        }
        let wait = match (&self.mode, self.pending.as_slice()) {
            (Mode::Paste(_), _) => PASTE_STALL,
            (Mode::Ground, [ESC]) => self.escape_wait,
            (Mode::Ground, [ESC, (b' '..=b'~')]) => self.escape_wait * PATIENCE,
            _ => STALL,
        };
        self.touched.map(|touched| touched + wait)
    }

    /// Ends the unfinished input if its deadline has passed, and returns the resulting events.
    pub fn expire(&mut self, now: Instant) -> Vec<Input> {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return Vec::new();
        }
        let pending = std::mem::take(&mut self.pending);
        let late = std::mem::take(&mut self.late);
        match (std::mem::replace(&mut self.mode, Mode::Ground), pending.as_slice()) {
            (Mode::Paste(mut text), rest) => {
                text.extend(rest);
                vec![paste(&text)]
            }
            (Mode::Ground, [ESC]) => {
                self.late_until = self.touched.map(|touched| touched + self.escape_wait * PATIENCE);
                vec![key(KeyCode::Esc, KeyModifiers::NONE)]
            }
            (Mode::Ground, [ESC, typed @ (b' '..=b'~')]) => {
                let shift = if typed.is_ascii_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
                let alt = if late { KeyModifiers::NONE } else { KeyModifiers::ALT };
                vec![key(KeyCode::Char((*typed).into()), shift | alt)]
            }
            _ => Vec::new(),
        }
    }

    /// Discards unfinished input, because another program used the terminal.
    pub fn reset(&mut self) {
        *self = Self::new(self.escape_wait);
    }

    fn idle(&self) -> bool {
        self.pending.is_empty() && matches!(self.mode, Mode::Ground)
    }

    /// Removes one token from the pending bytes; false if more bytes are needed.
    fn step(&mut self, events: &mut Vec<Input>) -> bool {
        match &mut self.mode {
            Mode::Ground => self.step_ground(events),
            Mode::Paste(text) => {
                let end = find(&self.pending, PASTE_END);
                let taken = end.unwrap_or_else(|| self.pending.len() - overlap(&self.pending, PASTE_END));
                text.extend(self.pending.drain(..taken));
                while text.len() > PASTE_PIECE {
                    let rest = text.split_off(piece_end(text));
                    events.push(paste(text));
                    *text = rest;
                }
                if end.is_some() {
                    self.pending.drain(..PASTE_END.len());
                    events.push(paste(text));
                    self.mode = Mode::Ground;
                }
                end.is_some()
            }
            Mode::SkipControl => {
                let end = self.pending.iter().position(|byte| !(b' '..=b'?').contains(byte));
                if let Some(end) = end {
                    let kept = usize::from((b'@'..=b'~').contains(&self.pending[end]));
                    self.pending.drain(..end + kept);
                    self.mode = Mode::Ground;
                } else {
                    self.pending.clear();
                }
                end.is_some()
            }
            Mode::SkipString => {
                let (taken, ended) = match string_end(&self.pending) {
                    StringEnd::Terminated(end) | StringEnd::Aborted(end) => (end, true),
                    StringEnd::Open => (self.pending.len() - overlap(&self.pending, b"\x1b\\"), false),
                };
                self.pending.drain(..taken);
                if ended {
                    self.mode = Mode::Ground;
                }
                ended
            }
        }
    }

    fn step_ground(&mut self, events: &mut Vec<Input>) -> bool {
        let token = token(&self.pending);
        let len = match token {
            Token::Incomplete => return false,
            Token::LongControl | Token::LongString => 2,
            Token::Event(len) | Token::Reply(len) | Token::PasteStart(len) | Token::Junk(len) => len,
        };
        let bytes: Vec<u8> = self.pending.drain(..len).collect();
        self.late = false;
        match token {
            Token::Event(_) => events.extend(decode(&bytes)),
            Token::Reply(_) => events.push(Input::Reply(bytes)),
            Token::PasteStart(_) => self.mode = Mode::Paste(Vec::new()),
            Token::LongControl => self.mode = Mode::SkipControl,
            Token::LongString => self.mode = Mode::SkipString,
            Token::Junk(_) | Token::Incomplete => {}
        }
        !self.pending.is_empty()
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Key(KeyEvent::new(code, modifiers))
}

fn paste(text: &[u8]) -> Input {
    Input::Paste(String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n"))
}

/// Returns the end of a piece of an overlong paste: never inside a character or a CRLF.
fn piece_end(text: &[u8]) -> usize {
    let mut end = PASTE_PIECE;
    while end > PASTE_PIECE - 4 && (text[end] & 0xc0 == 0x80 || text[end - 1] == b'\r') {
        end -= 1;
    }
    end
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Returns how many bytes at the end of `bytes` may be the start of `wanted`.
fn overlap(bytes: &[u8], wanted: &[u8]) -> usize {
    (1..wanted.len()).rev().find(|len| bytes.ends_with(&wanted[..*len])).unwrap_or(0)
}

/// Classifies the start of the pending bytes.
fn token(bytes: &[u8]) -> Token {
    match bytes {
        [] | [ESC] => Token::Incomplete,
        [ESC, ESC, ..] => Token::Event(1),
        [ESC, b'[', ..] => control(bytes),
        [ESC, b'O', rest @ ..] => match rest {
            [] => Token::Incomplete,
            [(b'A'..=b'D') | b'F' | b'H' | (b'P'..=b'S'), ..] => Token::Event(3),
            [(b'@'..=b'~'), ..] => Token::Junk(3),
            _ => Token::Event(2),
        },
        [ESC, b']' | b'P' | b'_' | b'^', rest @ ..] => string(rest),
        [ESC, rest @ ..] => match character(rest) {
            Token::Event(len) => Token::Event(len + 1),
            Token::Junk(len) => Token::Junk(len + 1),
            other => other,
        },
        _ => character(bytes),
    }
}

/// Classifies a UTF-8 character or a control character.
fn character(bytes: &[u8]) -> Token {
    let len = match bytes {
        [] => return Token::Incomplete,
        [(..=0x7f), ..] => return Token::Event(1),
        [(0xc2..=0xdf), ..] => 2,
        [(0xe0..=0xef), ..] => 3,
        [(0xf0..=0xf4), ..] => 4,
        _ => return Token::Junk(1),
    };
    let valid = bytes.iter().take(len).skip(1).take_while(|byte| **byte & 0xc0 == 0x80).count() + 1;
    if valid == len {
        if std::str::from_utf8(&bytes[..len]).is_ok() { Token::Event(len) } else { Token::Junk(len) }
    } else if valid == bytes.len() {
        Token::Incomplete
    } else {
        Token::Junk(valid)
    }
}

/// Classifies a control sequence: `ESC [`, parameters, a final byte.
fn control(bytes: &[u8]) -> Token {
    match &bytes[2..] {
        [] | [b'['] => return Token::Incomplete,
        // The Linux console's F1 to F5.
        [b'[', (b'A'..=b'E'), ..] => return Token::Event(4),
        [b'[', ..] => return Token::Junk(3),
        // A click in the X10 encoding: three bytes of any value follow.
        [b'M', rest @ ..] if rest.len() < 3 => return Token::Incomplete,
        [b'M', ..] => return Token::Event(6),
        _ => {}
    }
    let Some(end) = bytes.iter().skip(2).take(CSI_LIMIT).position(|byte| !(b' '..=b'?').contains(byte)) else {
        return if bytes.len() > CSI_LIMIT + 2 { Token::LongControl } else { Token::Incomplete };
    };
    let last = end + 2;
    if !(b'@'..=b'~').contains(&bytes[last]) {
        return Token::Junk(last);
    }
    let len = last + 1;
    let parameters = &bytes[2..last];
    match (parameters, bytes[last]) {
        (b"200", b'~') => Token::PasteStart(len),
        // F3 with a modifier looks like a cursor position in the first row.
        ([b'1', b';', (b'2'..=b'9')] | [b'1', b';', b'1', (b'0'..=b'6')] | [], b'R') => Token::Event(len),
        ([b'?' | b'>' | b'=', ..], _) | (_, b'y' | b't' | b'n' | b'c' | b'R') => Token::Reply(len),
        _ if parameters.iter().any(|byte| *byte < b'0') => Token::Junk(len),
        _ => Token::Event(len),
    }
}

/// Classifies the rest of a string (OSC, DCS, APC, PM) after its two opening bytes.
fn string(rest: &[u8]) -> Token {
    let kept = &rest[..rest.len().min(STRING_LIMIT)];
    match string_end(kept) {
        StringEnd::Terminated(end) => Token::Reply(end + 2),
        StringEnd::Aborted(end) => Token::Junk(end + 2),
        StringEnd::Open if rest.len() > STRING_LIMIT => Token::LongString,
        StringEnd::Open => Token::Incomplete,
    }
}

enum StringEnd {
    /// Length including the terminator.
    Terminated(usize),
    /// Length up to another sequence, or including a cancel byte, that ends the string early.
    Aborted(usize),
    Open,
}

fn string_end(bytes: &[u8]) -> StringEnd {
    let Some(at) = bytes.iter().position(|byte| matches!(*byte, ESC | BEL | 0x18 | 0x1a)) else {
        return StringEnd::Open;
    };
    match &bytes[at..] {
        [BEL, ..] => StringEnd::Terminated(at + 1),
        [ESC] => StringEnd::Open,
        [ESC, b'\\', ..] => StringEnd::Terminated(at + 2),
        [ESC, ..] => StringEnd::Aborted(at),
        _ => StringEnd::Aborted(at + 1),
    }
}

/// Decodes one complete sequence; `None` if it is unknown.
fn decode(bytes: &[u8]) -> Option<Input> {
    if let [ESC, letter @ (b'O' | b'[')] = bytes {
        return Some(key(KeyCode::Char((*letter).into()), KeyModifiers::ALT));
    }
    let event = terminput::Event::parse_from(bytes).ok().flatten()?;
    match terminput_crossterm::to_crossterm(event).ok()? {
        Event::Key(key) => Some(Input::Key(key)),
        Event::Mouse(mouse) => Some(Input::Mouse(mouse)),
        Event::FocusGained => Some(Input::Focus(true)),
        Event::FocusLost => Some(Input::Focus(false)),
        Event::Paste(_) | Event::Resize(..) => None,
    }
}

#[cfg(test)]
mod tests;
