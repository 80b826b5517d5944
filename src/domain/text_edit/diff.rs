//! The lines in which two texts differ. The comparison is bounded: texts are hostile.

use std::fmt::Write as _;
use std::ops::Range;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

/// Above this many differing lines, all old lines count as removed and all new ones as added: in the worst case the
/// comparison costs the product of both counts.
const MAX_COMPARED: usize = 2_000;

/// Returns the operations that turn the old lines into the new ones.
#[must_use]
pub fn compare(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_len, new_len) = (old.len() - head - tail, new.len() - head - tail);
    if old_len + new_len <= MAX_COMPARED {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    vec![
        DiffOp::Equal { old_index: 0, new_index: 0, len: head },
        DiffOp::Replace { old_index: head, old_len, new_index: head, new_len },
        DiffOp::Equal { old_index: old.len() - tail, new_index: new.len() - tail, len: tail },
    ]
}

/// Returns the same in groups, each with up to `context` unchanged lines around its changes.
#[must_use]
pub fn hunks(old: &[&str], new: &[&str], context: usize) -> Vec<Vec<DiffOp>> {
    group_diff_ops(compare(old, new), context.min(old.len()))
}

/// Returns the difference in the unified format under the names of both texts; empty if they have the same lines. A
/// missing line break at the end does not count.
#[must_use]
pub fn unified(old: &str, new: &str, names: [&str; 2], context: usize) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut text = String::new();
    for hunk in hunks(&old, &new, context) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        if text.is_empty() {
            let _ = writeln!(text, "--- {}\n+++ {}", names[0], names[1]);
        }
        let was = first.old_range().start..last.old_range().end;
        let is = first.new_range().start..last.new_range().end;
        let _ = writeln!(text, "@@ -{} +{} @@", place(&was), place(&is));
        for op in &hunk {
            let (tag, was, is) = op.as_tag_tuple();
            if tag == DiffTag::Equal {
                signed(&mut text, ' ', &old[was]);
                continue;
            }
            signed(&mut text, '-', &old[was]);
            signed(&mut text, '+', &new[is]);
        }
    }
    text
}

fn signed(text: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        let _ = writeln!(text, "{sign}{line}");
    }
}

/// The first line and the number of lines; an empty range names the line before it.
fn place(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        count => format!("{},{count}", lines.start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_written_as_patch_reads_it() {
        let told = unified("a\nb\nc\nd\n", "a\nB\nc\nd\ne", ["v1", "v2"], 1);
        assert_eq!(told, "--- v1\n+++ v2\n@@ -1,4 +1,5 @@\n a\n-b\n+B\n c\n d\n+e\n");
        assert_eq!(unified("", "a", ["v1", "v2"], 3), "--- v1\n+++ v2\n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("a\n", "a", ["v1", "v2"], 3), "");
    }

    #[test]
    fn two_large_texts_without_a_common_line_are_not_compared_line_by_line() {
        let lines = |word: &str| (0..20_000).map(|at| format!("{word}{at}")).collect::<Vec<_>>();
        let (old, new) = (lines("a"), lines("b"));
        let (old, new): (Vec<&str>, Vec<&str>) =
            (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
        assert_eq!(compare(&old, &new).iter().filter(|op| op.tag() == DiffTag::Replace).count(), 1);
    }
}
