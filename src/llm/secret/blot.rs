//! Finds keys in text and masks them, whatever stands between their letters.
//!
//! A key is compared by its letters and digits. What a screen does not show, punctuation, white space, terminal
//! sequences and the escapes of JSON, URLs and HTML are read as what they stand for or skipped, so a key that a server
//! writes in another form is found as well. Text may come in pieces: what may be the beginning of a key is held back.
//! The work is linear in the text.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

use super::Key;

/// What a key is replaced by.
pub(super) const MASK: &str = "***";
/// The least characters of a key that is masked in every text; a shorter one may be a word of anything.
const LEAST: usize = 16;
/// The least letters and digits of a key that is compared by these alone.
const LEAST_LETTERS: usize = 12;
/// How many characters of a key are held back: one alone ends half of all pieces, and says nothing.
const HELD: usize = 2;
/// The first bytes of what stands for another character: escapes, terminal sequences, full-width forms.
const ESCAPES: [u8; 5] = [b'%', b'\\', b'&', 0x1b, 0xef];
/// The most bytes of an escape.
const LONGEST_ESCAPE: usize = 32;

/// The keys that this program has read.
static KNOWN: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// Masks this key from now on in every text that leaves the program. A key of less than 16 characters is only masked
/// in texts about its own provider.
pub(super) fn remember(key: &Key) {
    if key.expose().chars().count() >= LEAST {
        KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(key.expose().to_owned());
    }
}

/// Masks all known keys in a whole text.
#[must_use]
pub fn blot(text: &str) -> String {
    blot_also(text, None)
}

/// Masks all known keys and this one.
pub(super) fn blot_also(text: &str, key: Option<&str>) -> String {
    Blotter::with(key).whole(text)
}

/// Masks all known keys in the texts of a JSON value.
pub(crate) fn blot_json(value: &mut Value) {
    let mut blotter = Blotter::new();
    if !blotter.patterns.is_empty() {
        blotter.json(value);
    }
}

/// One key to look for, as an automaton of Knuth, Morris and Pratt.
struct Pattern {
    signs: Vec<char>,
    /// For each prefix: the length of its longest end that is a prefix, too.
    back: Vec<usize>,
    /// True if punctuation is skipped.
    letters_only: bool,
    /// Where the characters begin that match so far.
    matched: VecDeque<usize>,
}

impl Pattern {
    fn new(key: &str) -> Self {
        let letters: Vec<char> = key.chars().filter(char::is_ascii_alphanumeric).collect();
        let letters_only = letters.len() >= LEAST_LETTERS;
        let signs = if letters_only { letters } else { key.chars().filter(char::is_ascii_graphic).collect() };
        let mut back = vec![0; signs.len()];
        let mut length = 0;
        for at in 1..signs.len() {
            while length > 0 && signs[at] != signs[length] {
                length = back[length - 1];
            }
            length += usize::from(signs[at] == signs[length]);
            back[at] = length;
        }
        Self { signs, back, letters_only, matched: VecDeque::new() }
    }

    /// Takes the next character, which begins at `start`. Returns where the key begins if it is complete.
    fn take(&mut self, sign: char, start: usize) -> Option<usize> {
        if self.letters_only && !sign.is_ascii_alphanumeric() {
            return None;
        }
        while !self.matched.is_empty() && self.signs[self.matched.len()] != sign {
            let shorter = self.back[self.matched.len() - 1];
            self.matched.drain(..self.matched.len() - shorter);
        }
        if self.signs[self.matched.len()] == sign {
            self.matched.push_back(start);
        }
        self.begun().filter(|_| self.matched.len() == self.signs.len())
    }

    /// Where the characters that match so far begin; `None` if none do.
    fn begun(&self) -> Option<usize> {
        self.matched.front().copied()
    }

    /// The same, if so many match that they are held back.
    fn held(&self) -> Option<usize> {
        self.begun().filter(|_| self.matched.len() >= HELD)
    }

    fn reset(&mut self) {
        self.matched.clear();
    }
}

/// Masks the known keys in a text that comes in pieces.
pub(crate) struct Blotter {
    patterns: Vec<Pattern>,
    /// By byte: true for what a key may begin with, in any form.
    begins: [bool; 256],
    /// What was pushed and not returned.
    held: String,
    /// How much of that is read.
    read: usize,
    /// The offset of `held` in the whole text.
    base: usize,
}

impl Blotter {
    /// Creates one for all keys that are known now.
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    fn with(key: Option<&str>) -> Self {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        let all = known.iter().map(String::as_str).chain(key.filter(|key| !known.contains(*key)));
        let patterns: Vec<Pattern> = all.map(Pattern::new).filter(|pattern| !pattern.signs.is_empty()).collect();
        let mut begins = [false; 256];
        let first = patterns.iter().filter_map(|pattern| u8::try_from(pattern.signs[0]).ok());
        first.chain(ESCAPES).for_each(|byte| begins[usize::from(byte)] = true);
        Self { patterns, begins, held: String::new(), read: 0, base: 0 }
    }

    /// Takes the next piece. Returns what cannot be a part of a key any more.
    pub(crate) fn push(&mut self, more: &str) -> String {
        if self.patterns.is_empty() {
            return more.to_owned();
        }
        self.held.push_str(more);
        self.advance(false)
    }

    /// Returns the rest after the last piece.
    pub(crate) fn finish(&mut self) -> String {
        let mut rest = self.advance(true);
        rest.push_str(&self.held);
        self.held.clear();
        self.read = 0;
        self.patterns.iter_mut().for_each(Pattern::reset);
        rest
    }

    /// Masks the keys in a whole text.
    fn whole(&mut self, text: &str) -> String {
        let mut clean = self.push(text);
        clean.push_str(&self.finish());
        clean
    }

    /// Masks the keys in each text of a JSON value.
    fn json(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.whole(text),
            Value::Array(list) => list.iter_mut().for_each(|item| self.json(item)),
            Value::Object(object) => {
                let inner = std::mem::take(object).into_iter().map(|(name, mut item)| {
                    self.json(&mut item);
                    (self.whole(&name), item)
                });
                *object = inner.collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn advance(&mut self, last: bool) -> String {
        let mut out = String::new();
        // What of `held` was returned or masked.
        let mut given = 0;
        loop {
            self.skip();
            let Some((sign, len)) = token(&self.held[self.read..], last) else { break };
            let start = self.base + self.read;
            self.read += len;
            let Some(sign) = sign else { continue };
            let found = self.patterns.iter_mut().filter_map(|pattern| pattern.take(sign, start)).min();
            if let Some(found) = found {
                out.push_str(&self.held[given..given.max(found.saturating_sub(self.base))]);
                out.push_str(MASK);
                given = self.read;
                self.patterns.iter_mut().for_each(Pattern::reset);
            }
        }
        let begun = self.patterns.iter().filter_map(Pattern::held).min();
        let sure = begun.map_or(self.read, |begun| given.max(begun.saturating_sub(self.base)));
        out.push_str(&self.held[given..sure]);
        self.drop_first(sure);
        out
    }

    /// Reads on to what a key may begin with, if none has begun.
    fn skip(&mut self) {
        if self.patterns.iter().all(|pattern| pattern.matched.is_empty()) {
            let rest = &self.held.as_bytes()[self.read..];
            let next = rest.iter().position(|byte| self.begins[usize::from(*byte)]);
            self.read += next.unwrap_or(rest.len());
        }
    }

    fn drop_first(&mut self, bytes: usize) {
        self.held.drain(..bytes);
        self.read -= bytes;
        self.base += bytes;
    }
}

/// Returns the next printable ASCII character that the text stands for, or `None` for what is skipped, with its length
/// in bytes. `None` at the end, and where more of the text decides unless this is the `last` of it.
fn token(text: &str, last: bool) -> Option<(Option<char>, usize)> {
    let c = text.chars().next()?;
    let plain = (Some(c).filter(char::is_ascii_graphic), c.len_utf8());
    let escape = match c {
        '%' => hex(&text[1..], 2, 2).map(|(sign, len)| (Some(sign), 1 + len)),
        '\\' => backslash(&text[1..]).map(|(sign, len)| (sign, 1 + len)),
        '&' => entity(&text[1..]).map(|(sign, len)| (Some(sign), 1 + len)),
        '\u{1b}' => sequence(&text[1..]).map(|len| (None, 1 + len)),
        // Full-width forms look like ASCII.
        '\u{ff01}'..='\u{ff5e}' => Escape::Is((char::from_u32(u32::from(c) - 0xfee0), c.len_utf8())),
        _ => Escape::No,
    };
    match escape {
        Escape::Is(token) => Some(token),
        Escape::Unfinished if !last && text.len() < LONGEST_ESCAPE => None,
        Escape::Unfinished | Escape::No => Some(plain),
    }
}

enum Escape<T> {
    Is(T),
    Unfinished,
    No,
}

impl<T> Escape<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Escape<U> {
        match self {
            Self::Is(inner) => Escape::Is(with(inner)),
            Self::Unfinished => Escape::Unfinished,
            Self::No => Escape::No,
        }
    }
}

/// Reads the number of a character in hexadecimal digits.
fn hex(text: &str, least: usize, most: usize) -> Escape<(char, usize)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_hexdigit).count();
    if digits < least {
        return if digits == text.len() { Escape::Unfinished } else { Escape::No };
    }
    let number = u32::from_str_radix(&text[..digits], 16).ok().and_then(char::from_u32);
    Escape::Is((number.unwrap_or('\u{fffd}'), digits))
}

/// Reads what follows a backslash in JSON and in most languages.
fn backslash(text: &str) -> Escape<(Option<char>, usize)> {
    let shown = |(sign, len): (char, usize)| (Some(sign).filter(char::is_ascii_graphic), len + 1);
    match text.as_bytes().first() {
        None => Escape::Unfinished,
        Some(b'u') if text[1..].starts_with('{') => {
            let inner = &text[2..];
            match hex(inner, 1, 6) {
                Escape::Is((sign, len)) if inner[len..].starts_with('}') => Escape::Is(shown((sign, len + 2))),
                Escape::Is((_, len)) if len == inner.len() => Escape::Unfinished,
                Escape::Unfinished => Escape::Unfinished,
                _ => Escape::No,
            }
        }
        Some(b'u') => hex(&text[1..], 4, 4).map(shown),
        Some(b'x') => hex(&text[1..], 2, 2).map(shown),
        Some(b'n' | b'r' | b't' | b'b' | b'f' | b'/' | b'\\' | b'"' | b'\'') => Escape::Is((None, 1)),
        Some(_) => Escape::No,
    }
}

/// Reads what follows the `&` of a character's number in HTML.
fn entity(text: &str) -> Escape<(char, usize)> {
    let Some(number) = text.strip_prefix('#') else {
        return if text.is_empty() { Escape::Unfinished } else { Escape::No };
    };
    let (radix, digits) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (16, digits),
        None => (10, number),
    };
    let len = digits.chars().take_while(|c| c.is_digit(radix)).count();
    if len == digits.len() {
        return Escape::Unfinished;
    }
    let sign = u32::from_str_radix(&digits[..len], radix).ok().and_then(char::from_u32);
    let before = text.len() - digits.len() + len;
    match sign {
        Some(sign) => Escape::Is((sign, before + usize::from(digits[len..].starts_with(';')))),
        None => Escape::No,
    }
}

/// Returns the length of a terminal's control sequence after its ESC.
fn sequence(text: &str) -> Escape<usize> {
    let Some(parameters) = text.strip_prefix('[') else {
        return if text.is_empty() { Escape::Unfinished } else { Escape::No };
    };
    match parameters.bytes().position(|byte| !(0x20..0x40).contains(&byte)) {
        None => Escape::Unfinished,
        Some(at) if (0x40..0x7f).contains(&parameters.as_bytes()[at]) => Escape::Is(at + 2),
        Some(_) => Escape::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-Blot_0123-456789abc";

    fn pieces(text: &str, size: usize) -> String {
        let mut blotter = Blotter::with(Some(KEY));
        let letters: Vec<char> = text.chars().collect();
        let mut out = String::new();
        for piece in letters.chunks(size) {
            out.push_str(&blotter.push(&piece.iter().collect::<String>()));
        }
        out + &blotter.finish()
    }

    #[test]
    fn a_key_is_found_whatever_stands_between_its_letters_and_however_it_is_cut() {
        let between = |sign: &str| KEY.chars().flat_map(|c| [c.to_string(), sign.to_owned()]).collect::<String>();
        let each = |form: &dyn Fn(u32) -> String| KEY.chars().map(|c| form(u32::from(c))).collect::<String>();
        for hidden in [
            KEY.to_owned(),
            between("\u{200b}"),
            between("\u{1b}[31m"),
            between(" "),
            between("\n"),
            between("\\n"),
            between("."),
            between("\u{202e}"),
            each(&|c| format!("%{c:02x}")),
            each(&|c| format!("\\u{c:04X}")),
            each(&|c| format!("\\u{{{c:x}}}")),
            each(&|c| format!("&#{c};")),
            each(&|c| format!("&#x{c:x};")),
            KEY.replace('4', "%34").replace('a', "\\u0061"),
            KEY.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect(),
        ] {
            for size in [1, 2, 3, 7, 1_000] {
                let found = pieces(&format!("it is {hidden}; sk-Blot"), size);
                // The first letter may have gone out before the second was known, with what stands between them.
                let rest = found.strip_prefix("it is ").and_then(|rest| rest.split_once("***"));
                let (first, rest) = rest.unwrap_or_else(|| panic!("{hidden:?} by {size}: {found:?}"));
                assert!(first.len() < 10 && !first.contains('k'), "{hidden:?} by {size}: {first:?}");
                assert!(rest.ends_with("; sk-Blot") && rest.len() < 20, "{hidden:?} by {size}: {rest:?}");
            }
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "",
            "sk",
            "sk-Blot_0123-456789ab",
            "100 % of \\u00e4 &#38; \u{1b}[1m bold",
            "ssk-Blot_0123%",
            "%\\&\u{1b}[",
        ] {
            for size in [1, 5, 100] {
                assert_eq!(pieces(text, size), text, "by {size}");
            }
        }
        let twice = format!("sk-Blot_{KEY}{KEY}");
        assert_eq!(pieces(&twice, 1_000), "sk-Blot_******");
        let between = format!("ä{KEY} and sk-Bl{KEY}\u{ff05}");
        for size in [3, 4, 1_000] {
            assert_eq!(pieces(&between, size), "ä*** and sk-Bl***\u{ff05}", "by {size}");
        }
    }

    #[test]
    fn what_is_held_back_costs_no_more_than_its_length() {
        let long = format!("s{}", "\u{200b}".repeat(1 << 15));
        assert_eq!(pieces(&long, 1), long);
    }
}
