//! Text edits of a block: the operations of the memory tools, and the merge of two concurrent edits.
//!
//! The checks are Letta's (release 0.15): an edit quotes its old text exactly, and line numbers are rejected.
//! Letta's defects are not copied: tabs stay tabs, an empty block gets no blank first line.

/// Why an edit was rejected: one sentence for the agent or the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EditFault(pub String);

fn fault<T>(text: impl Into<String>) -> Result<T, EditFault> {
    Err(EditFault(text.into()))
}

/// Replaces the only occurrence of `old` by `new`.
///
/// # Errors
/// If `old` is empty, does not occur exactly once, or a text contains displayed line numbers.
pub fn replace(value: &str, old: &str, new: &str) -> Result<String, EditFault> {
    refuse_line_numbers(old)?;
    refuse_line_numbers(new)?;
    if old.is_empty() {
        return fault("old_str is empty; give the exact text to replace, or use memory_insert to add");
    }
    let lines: Vec<String> =
        value.match_indices(old).map(|(at, _)| (value[..at].matches('\n').count() + 1).to_string()).collect();
    match lines.len() {
        0 => fault("old_str does not occur verbatim in the block; quote the text exactly as the block has it"),
        1 => Ok(value.replacen(old, new, 1)),
        n => fault(format!(
            "old_str occurs {n} times in the block, on lines {}; quote more of it so that it is unique",
            lines.join(", ")
        )),
    }
}

/// Inserts `new` after line `after`: 0 is the top, -1 the end.
///
/// # Errors
/// If `new` is empty or contains displayed line numbers, or if there is no such line.
pub fn insert(value: &str, new: &str, after: i64) -> Result<String, EditFault> {
    refuse_line_numbers(new)?;
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
    lines.splice(at..at, new.trim_end_matches('\n').split('\n'));
    Ok(lines.join("\n"))
}

/// Letta shows numbered lines to some models; a model that quotes the numbers would write them into the block.
fn refuse_line_numbers(text: &str) -> Result<(), EditFault> {
    let numbered = |line: &str| {
        let digits = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < line.trim_start().len() && digits.starts_with('→')
    };
    if text.lines().any(numbered) {
        return fault("a line begins with a line number and an arrow; leave the numbers out");
    }
    Ok(())
}

/// The result of merging two edits of one base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// The edits touch different lines or agree: the merged text.
    Clean(String),
    /// The edits conflict: the whole text in pieces, in order.
    Clash(Vec<Piece>),
}

/// A piece of a text with conflicting edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Lines without a conflict.
    Same(String),
    /// Lines that both edits changed, with their line ends.
    Clash {
        /// The lines before both edits.
        base: String,
        /// The current lines.
        theirs: String,
        /// The lines of this edit.
        mine: String,
    },
}

/// The length of a conflict marker, chosen so that no line of a block looks like one by accident.
const MARKER: usize = 31;

/// Merges two edits of one base line by line. `theirs` is the current text, `mine` the new edit.
#[must_use]
pub fn merge(base: &str, theirs: &str, mine: &str) -> Merge {
    if theirs == mine || base == mine {
        return Merge::Clean(theirs.to_owned());
    }
    if base == theirs {
        return Merge::Clean(mine.to_owned());
    }
    // Every line needs its end: a last line without one would conflict with any line added after it.
    let [lined_base, lined_theirs, lined_mine] = [base, theirs, mine].map(lined);
    let mut options = diffy::MergeOptions::new();
    options.set_conflict_marker_length(MARKER).set_conflict_style(diffy::ConflictStyle::Diff3);
    match options.merge(&lined_base, &lined_theirs, &lined_mine) {
        Ok(text) if theirs.ends_with('\n') || mine.ends_with('\n') => Merge::Clean(text),
        Ok(mut text) => {
            text.truncate(text.trim_end_matches('\n').len());
            Merge::Clean(text)
        }
        Err(text) => Merge::Clash(pieces(&text)),
    }
}

fn lined(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

fn pieces(marked: &str) -> Vec<Piece> {
    let [ours, original, middle, end] = ["<", "|", "=", ">"].map(|sign| sign.repeat(MARKER));
    let mut pieces = Vec::new();
    let mut same = String::new();
    // While inside a conflict: theirs, base, mine, and the index of the one being read.
    let mut clash: Option<([String; 3], usize)> = None;
    for line in marked.split_inclusive('\n') {
        if line.starts_with(&ours) {
            if !same.is_empty() {
                pieces.push(Piece::Same(std::mem::take(&mut same)));
            }
            clash = Some((Default::default(), 0));
        } else if let Some((parts, reading)) = &mut clash {
            if line.starts_with(&original) {
                *reading = 1;
            } else if line.starts_with(&middle) {
                *reading = 2;
            } else if line.starts_with(&end) {
                let [theirs, base, mine] = std::mem::take(parts);
                pieces.push(Piece::Clash { base, theirs, mine });
                clash = None;
            } else {
                parts[*reading].push_str(line);
            }
        } else {
            same.push_str(line);
        }
    }
    if !same.is_empty() {
        pieces.push(Piece::Same(same));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replace_wants_its_old_text_exactly_once() {
        assert_eq!(replace("a b c", "b", "x"), Ok("a x c".to_owned()));
        assert!(replace("a b c", "z", "x").unwrap_err().0.contains("verbatim"));
        assert!(replace("b\na\nb", "b", "x").unwrap_err().0.contains("lines 1, 3"));
        assert!(replace("abc", "", "x").is_err(), "an empty old text would match everywhere");
        assert!(replace("abc", "2→ abc", "x").is_err());
    }

    #[test]
    fn insert_counts_lines_and_adds_no_blank_ones() {
        assert_eq!(insert("", "new", -1), Ok("new".to_owned()));
        assert_eq!(insert("a\nb", "x", 0), Ok("x\na\nb".to_owned()));
        assert_eq!(insert("a\nb", "x\ny", 1), Ok("a\nx\ny\nb".to_owned()));
        assert_eq!(insert("a\nb", "x", -1), Ok("a\nb\nx".to_owned()));
        assert_eq!(insert("a\nb\n", "x", -1), Ok("a\nb\nx\n".to_owned()));
        assert!(insert("a\nb", "x", 3).unwrap_err().0.contains("0 to 2"));
        assert!(insert("a\nb", "x", -2).is_err());
    }

    #[test]
    fn edits_of_different_lines_merge() {
        let merged = merge("a\nb\nc\nd", "a\nB\nc\nd", "a\nb\nc\nd\ne");
        assert_eq!(merged, Merge::Clean("a\nB\nc\nd\ne".to_owned()));
    }

    #[test]
    fn edits_of_one_line_clash_and_nothing_is_lost() {
        let Merge::Clash(pieces) = merge("a\nb\nc", "a\ntheirs\nc", "a\nmine\nc") else { panic!("it merged") };
        assert_eq!(
            pieces,
            [
                Piece::Same("a\n".into()),
                Piece::Clash { base: "b\n".into(), theirs: "theirs\n".into(), mine: "mine\n".into() },
                Piece::Same("c\n".into()),
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn one_sided_edits_always_merge_to_that_side(base in "[ab\n]{0,12}", other in "[ab\n]{0,12}") {
            proptest::prop_assert_eq!(merge(&base, &other, &base), Merge::Clean(other.clone()));
            proptest::prop_assert_eq!(merge(&base, &base, &other), Merge::Clean(other));
        }
    }
}
