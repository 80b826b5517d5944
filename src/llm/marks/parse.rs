//! Reads marks back, for tests.

use super::{INDENT, begins_mark, breaks_line, is_less_than};
use crate::llm::MemoryBlock;

/// A mark of a conversation with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// What somebody said.
    Message { from: String, text: String },
    /// What the program said.
    Note(String),
    /// The result of a tool.
    Result { of: String, text: String },
}

impl Mark {
    /// Reads every mark of a text that holds nothing else.
    pub fn all(text: &str) -> Vec<Self> {
        let mut lines = text.split('\n');
        let mut marks = Vec::new();
        while let Some(line) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let (name, attributes) = open(line).unwrap_or_else(|| panic!("no mark: {line:?} in {text}"));
            let text = body(&mut lines, &name);
            let value = || attributes[0].1.clone();
            marks.push(match name.as_str() {
                "message" => Self::Message { from: value(), text },
                "note" => Self::Note(text),
                "result" => Self::Result { of: value(), text },
                other => panic!("a mark {other} in a conversation"),
            });
        }
        marks
    }
}

/// Reads the memory blocks of a system text.
pub fn blocks(system: &str) -> Vec<MemoryBlock> {
    let mut lines = system.split('\n').skip_while(|line| *line != "<memory_blocks>").skip(2);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line == "</memory_blocks>" {
            assert_eq!(lines.next(), None, "nothing follows the blocks");
            return blocks;
        }
        let (name, attributes) = open(line).unwrap_or_else(|| panic!("no block: {line:?}"));
        assert_eq!(name, "block");
        let of = |key: &str| attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        let value = body(&mut lines, "block");
        assert_eq!(of("chars_current").unwrap(), value.chars().count().to_string());
        blocks.push(MemoryBlock {
            label: of("label").unwrap(),
            description: of("description").unwrap(),
            limit: of("chars_limit").unwrap().parse().unwrap(),
            version: of("version").unwrap().parse().unwrap(),
            read_only: of("read_only").is_some(),
            changed_by: of("changed_since_you_spoke_by"),
            kept_here: of("kept_here").is_some(),
            value,
        });
    }
    assert!(blocks.is_empty(), "the blocks have no end");
    blocks
}

/// Reads the lines up to the end of the mark.
fn body<'a>(lines: &mut impl Iterator<Item = &'a str>, name: &str) -> String {
    let end = format!("</{name}>");
    let mut text = Vec::new();
    loop {
        match lines.next() {
            Some(line) if line == end => return unescape(&text.join("\n")),
            Some(line) => text.push(line),
            None => panic!("{name} has no end: {text:?}"),
        }
    }
}

fn open(line: &str) -> Option<(String, Vec<(String, String)>)> {
    let inside = line.strip_prefix('<')?.strip_suffix('>')?;
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    while let Some((key, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"')?;
        attributes.push((key.trim().to_owned(), unattribute(value)));
        rest = after;
    }
    Some((name.to_owned(), attributes))
}

fn unattribute(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        let (code, after) = after.split_once(';').unwrap();
        text.push_str(before);
        text.push(match code {
            "amp" => '&',
            "quot" => '"',
            "lt" => '<',
            number => char::from_u32(number.strip_prefix('#').unwrap().parse().unwrap()).unwrap(),
        });
        rest = after;
    }
    text + rest
}

/// Undoes `escape`.
pub fn unescape(text: &str) -> String {
    let lines: Option<Vec<&str>> = text.split('\n').map(|line| line.strip_prefix("> ")).collect();
    let Some(quoted) = lines.map(|lines| lines.join("\n")) else { return text.to_owned() };
    match unshield(&quoted) {
        plain if plain == quoted => text.to_owned(),
        plain => plain,
    }
}

fn unshield(text: &str) -> String {
    let mut plain = String::new();
    let mut skip = false;
    for (at, sign) in text.char_indices() {
        if std::mem::take(&mut skip) {
            continue;
        }
        plain.push(sign);
        let after = at + sign.len_utf8();
        skip = is_less_than(sign) && text[after..].starts_with('\\') && begins_mark(text, after);
    }
    plain
}

/// Undoes the indentation of `line`.
pub fn unline(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        plain.push(sign);
        rest = &rest[sign.len_utf8()..];
        if breaks_line(sign) && !(sign == '\r' && rest.starts_with('\n')) {
            rest = rest.strip_prefix(INDENT).expect("an indented line");
        }
    }
    plain
}
