//! Text edits of a block: the operations of the memory tools, the merge of concurrent edits, the changed lines, and who
//! wrote each line.
//!
//! The checks are Letta's (release 0.15): an edit quotes its old text, which has to be in the block exactly once. Letta
//! also refuses text with line numbers, because it shows them; nothing here shows any, so a line that begins with
//! `1→` is a line like others. Letta's defects are not copied: tabs stay tabs, an empty block gets no blank first line.
//!
//! Models quote text as it looks. Where the old text is not in the block to the byte, the only text that looks like it is
//! taken for it: see [`replace`]. A block keeps its own line ends and Unicode form outside the edited place.

mod blame;
mod changed;
pub mod diff;
mod fold;
mod merge;
mod patch;
mod undo;

use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};
use unicode_segmentation::UnicodeSegmentation as _;

pub use blame::LineWalk;
pub use changed::changed_lines;
use fold::{Fold, Folded, is_boundary, occurrences};
pub use merge::{Merge, Piece, merge};
pub use patch::patch;
pub use undo::{Undo, UndoClash, undo};

/// Most places of an ambiguous text that are named.
const PLACES: usize = 10;
/// Most characters quoted of a text that was matched.
const QUOTE: usize = 160;

/// Why an edit was rejected: one sentence for the agent or the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EditFault(pub String);

fn fault<T>(text: impl Into<String>) -> Result<T, EditFault> {
    Err(EditFault(text.into()))
}

/// A text after [`replace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The new text.
    pub value: String,
    /// A sentence that says which text was replaced, if it is not `old` to the byte.
    pub note: Option<String>,
}

/// Replaces the only occurrence of `old` by `new`. Sentences call `old` by the name of its argument.
///
/// If `old` does not occur, the only text that looks like it is replaced: with other line ends, another Unicode normal
/// form, other spaces, quotes or dashes, without invisible characters; then with another amount of space; then without
/// line numbers in front of the lines of `old`. What `old` and `new` begin or end with alike keeps its form.
///
/// # Errors
/// If `old` is empty, or if no text or several texts match.
pub fn replace(argument: &str, value: &str, old: &str, new: &str) -> Result<Replaced, EditFault> {
    if old.is_empty() {
        return fault(format!("{argument} is empty; give the exact text to replace, or use a tool that adds"));
    }
    let is_whole = |at: &Range<usize>| is_boundary(value, at.start) && is_boundary(value, at.end);
    let whole: Vec<Range<usize>> = occurrences(value, old).filter(is_whole).take(PLACES + 1).collect();
    if !whole.is_empty() {
        return Ok(Replaced { value: spliced(value, only(argument, value, &whole)?, new), note: None });
    }
    if let Some(replaced) = replace_lookalike(argument, value, old, new)? {
        return Ok(replaced);
    }
    // Part of a grapheme, such as the LF of a CRLF, is meant only if nothing else can be.
    let parts: Vec<Range<usize>> = occurrences(value, old).take(PLACES + 1).collect();
    if !parts.is_empty() {
        return Ok(Replaced { value: spliced(value, only(argument, value, &parts)?, new), note: None });
    }
    if let Some(bare_old) = without_numbers(old) {
        let bare_new = without_numbers(new);
        let bare_new = bare_new.as_deref().unwrap_or(new);
        let argument = format!("Without its line numbers, {argument}");
        if let Some(replaced) = replace_lookalike(&argument, value, &bare_old, bare_new)? {
            return Ok(replaced);
        }
    }
    fault(format!("{argument} does not occur verbatim in the block; quote the text exactly as the block has it"))
}

/// Replaces the only text that looks like `old`; `None` if none does.
fn replace_lookalike(argument: &str, value: &str, old: &str, new: &str) -> Result<Option<Replaced>, EditFault> {
    for fold in [Fold::Form, Fold::Spaces] {
        let folded = Folded::new(value, fold);
        let sought = Folded::new(old, fold);
        if sought.text().trim().is_empty() {
            continue;
        }
        let places = folded.places(sought.text(), PLACES + 1);
        if places.is_empty() {
            continue;
        }
        let at = only(argument, value, &places)?;
        let matched = &value[at.clone()];
        let mut quoted: String = matched.chars().take(QUOTE).collect();
        if quoted.len() < matched.len() {
            quoted.push('…');
        }
        let note = if matched == old {
            format!("{argument} is this text: {quoted:?}")
        } else {
            format!(
                "{argument} is not in the block verbatim; it was taken for the only text that looks like it: {quoted:?}"
            )
        };
        let (at, new) = narrowed(value, at, old, new, fold);
        return Ok(Some(Replaced { value: spliced(value, at, new), note: Some(note) }));
    }
    Ok(None)
}

/// Leaves out of a replacement what both texts begin with and what both end with, so that it keeps its form.
fn narrowed<'a>(value: &str, at: Range<usize>, old: &str, new: &'a str, fold: Fold) -> (Range<usize>, &'a str) {
    let looks = |text: &str| Folded::new(text, fold).text().to_owned();
    let matched = &value[at.clone()];
    let (mut old_left, mut new_left, mut start) = (old, new, at.start);
    let mut kept = matched.graphemes(true);
    let mut olds = old.graphemes(true);
    let mut news = new.graphemes(true);
    while let (Some(a), Some(b), Some(c)) = (kept.next(), olds.next(), news.next()) {
        if b != c || looks(a) != looks(b) {
            break;
        }
        (start, old_left, new_left) = (start + a.len(), olds.as_str(), news.as_str());
    }
    let mut end = at.end;
    let mut kept = value[start..at.end].graphemes(true);
    let (mut olds, mut news) = (old_left.graphemes(true), new_left.graphemes(true));
    while let (Some(a), Some(b), Some(c)) = (kept.next_back(), olds.next_back(), news.next_back()) {
        if b != c || looks(a) != looks(b) {
            break;
        }
        (end, new_left) = (end - a.len(), news.as_str());
    }
    (start..end, new_left)
}

/// The only place, or why there is not one.
fn only(argument: &str, value: &str, places: &[Range<usize>]) -> Result<Range<usize>, EditFault> {
    if let [place] = places {
        return Ok(place.clone());
    }
    let lines = places.iter().take(PLACES).map(|at| (value[..at.start].matches('\n').count() + 1).to_string());
    let lines: Vec<String> = lines.collect();
    let (count, more) = if places.len() > PLACES {
        (format!("more than {PLACES}"), " and others")
    } else {
        (places.len().to_string(), "")
    };
    fault(format!(
        "{argument} occurs {count} times in the block, on lines {}{more}; quote more of it so that it is unique",
        lines.join(", ")
    ))
}

fn spliced(value: &str, at: Range<usize>, new: &str) -> String {
    format!("{}{}{}", &value[..at.start], ended_as(value, new), &value[at.end..])
}

/// The line end of a text: CRLF if all its lines end with it.
#[must_use]
pub fn line_end(text: &str) -> &'static str {
    let crlf = text.matches("\r\n").count();
    if crlf > 0 && crlf == text.matches('\n').count() { "\r\n" } else { "\n" }
}

/// `new` with the line ends of `value`.
fn ended_as(value: &str, new: &str) -> String {
    if line_end(value) == "\r\n" { new.replace("\r\n", "\n").replace('\n', "\r\n") } else { new.to_owned() }
}

/// The lines without the numbers in front of them; `None` if a line has none. Some programs show text so, and models
/// then quote it so: `12→text`, `12<tab>text`, `12: text`, `12| text`.
fn without_numbers(text: &str) -> Option<String> {
    let bare = |line: &str| -> Option<String> {
        let line = line.trim_start_matches([' ', '\t']);
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let mark = rest.chars().next().filter(|c| rest.len() < line.len() && "→\t:|".contains(*c))?;
        let rest = &rest[mark.len_utf8()..];
        Some(if mark == '\t' { rest } else { rest.strip_prefix(' ').unwrap_or(rest) }.to_owned())
    };
    let (text, end) = text.strip_suffix('\n').map_or((text, ""), |text| (text, "\n"));
    let lines = text.split('\n').map(bare).collect::<Option<Vec<_>>>()?;
    Some(lines.join("\n") + end)
}

/// Inserts `new` after line `after`: 0 is the top, -1 the end.
///
/// # Errors
/// If `new` is empty, or if there is no such line.
pub fn insert(value: &str, new: &str, after: i64) -> Result<String, EditFault> {
    if new.is_empty() {
        return fault("new_str is empty; there is nothing to insert");
    }
    if value.is_empty() {
        return if matches!(after, -1 | 0) {
            Ok(new.to_owned())
        } else {
            fault("the block is empty; insert_line is 0 or -1")
        };
    }
    let mut lines: Vec<&str> = value.split('\n').collect();
    let count = lines.len();
    let at = match usize::try_from(after) {
        Ok(at) if at <= count => at,
        Err(_) if after == -1 => count,
        _ => {
            return fault(format!(
                "insert_line {after} is outside the block; it has lines 0 to {count}, or -1 for the end"
            ));
        }
    };
    // A value that ends with a newline has an empty last line; text added at the end goes before it.
    let at = if at == count && count > 1 && lines[count - 1].is_empty() { count - 1 } else { at };
    let new = new.replace("\r\n", "\n");
    let new = new.trim_end_matches('\n');
    if line_end(value) == "\n" {
        lines.splice(at..at, new.split('\n'));
        return Ok(lines.join("\n"));
    }
    let mut lines: Vec<&str> = lines.into_iter().map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    lines.splice(at..at, new.split('\n'));
    Ok(lines.join("\r\n"))
}

/// Returns the line of `theirs` after which an insertion after line `after` of `own` belongs; `None` if others changed
/// the lines on both sides of that place together. -1, the end, stays the end.
#[must_use]
pub fn carried(own: &str, theirs: &str, after: i64) -> Option<i64> {
    let [old, new] = [own, theirs].map(|text| text.split('\n').collect::<Vec<_>>());
    let Ok(at) = usize::try_from(after) else { return Some(after) };
    if at >= old.len() {
        return Some(-1);
    }
    let mut carried = at;
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let (tag, was, is) = op.as_tag_tuple();
        if was.start > at || was.start == at && at > 0 && tag != DiffTag::Insert {
            break;
        }
        carried = match tag {
            DiffTag::Equal if at <= was.end => is.start + (at - was.start),
            // At the top, text goes above what others wrote there; elsewhere below.
            _ if at == 0 => 0,
            _ if was.end <= at => is.end,
            _ => return None,
        };
        if at == 0 {
            break;
        }
    }
    i64::try_from(carried).ok()
}

#[cfg(test)]
mod tests;
