//! The changed lines of a text with a little context: bounded, whatever the edit.

use crate::domain::excerpt::{ceil, floor, to_bytes};

/// Unchanged lines shown before and after the change.
const CONTEXT_LINES: usize = 2;
/// Most bytes of unchanged text on each side.
const CONTEXT: usize = 200;
/// Most bytes of changed text.
const CHANGED: usize = 1_000;

/// The changed lines of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedLines {
    /// Number of its first line in the text, from 1.
    pub first: usize,
    /// Number of its last line.
    pub last: usize,
    /// The lines, without the last line end; unchanged text is cut where it says so with `…`.
    pub text: String,
}

/// Returns the part of `after` that differs from `before`; `None` if nothing does, or if `after` is empty.
#[must_use]
pub fn changed_lines(before: &str, after: &str) -> Option<ChangedLines> {
    if before == after || after.is_empty() {
        return None;
    }
    let same = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
    let from = floor(after, same);
    let rest = before.len().min(after.len()) - same;
    let same = before.bytes().rev().zip(after.bytes().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let to = ceil(after, after.len() - same).max(from);

    let (start, cut_start) = start_of_context(after, from);
    let (end, cut_end) = end_of_context(after, to);
    let mut text = String::new();
    text.push_str(if cut_start { "…" } else { "" });
    text.push_str(&after[start..from]);
    text.push_str(&to_bytes(&after[from..to], CHANGED));
    text.push_str(&after[to..end]);
    text.push_str(if cut_end { "…" } else { "" });
    let line = |at: usize| after[..at].matches('\n').count() + 1;
    let last = line(end - usize::from(end > start && after[..end].ends_with('\n')));
    let text = text.replace("\r\n", "\n");
    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
    Some(ChangedLines { first: line(start), last, text })
}

/// Where the context before a place begins, and whether that is within a line.
fn start_of_context(text: &str, at: usize) -> (usize, bool) {
    let start = text[..at].rmatch_indices('\n').nth(CONTEXT_LINES).map_or(0, |(end, _)| end + 1);
    if at - start <= CONTEXT { (start, false) } else { (ceil(text, at - CONTEXT).min(at), true) }
}

/// Where the context behind a place ends, and whether that is within a line.
fn end_of_context(text: &str, at: usize) -> (usize, bool) {
    // The rest of the line of the change, and the lines behind it.
    let lines = if at > 0 && text[..at].ends_with('\n') { CONTEXT_LINES - 1 } else { CONTEXT_LINES };
    let end = text[at..].match_indices('\n').nth(lines).map_or(text.len(), |(end, _)| at + end + 1);
    if end - at <= CONTEXT { (end, false) } else { (floor(text, at + CONTEXT).max(at), true) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::*;

    fn numbers(count: usize) -> String {
        (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join("\n")
    }

    fn of(before: &str, after: &str) -> (usize, usize, String) {
        let ChangedLines { first, last, text } = changed_lines(before, after).unwrap();
        (first, last, text)
    }

    #[test]
    fn the_changed_lines_are_shown_with_two_lines_around_them() {
        let text = numbers(20);
        assert_eq!(of(&text, &text.replace("10", "ten")), (8, 12, "8\n9\nten\n11\n12".to_owned()));
        assert_eq!(of(&text, &text.replace("10\n", "")), (8, 12, "8\n9\n11\n12\n13".to_owned()));
        let inserted = text.replace("10\n", "10\nnew\n");
        assert_eq!(of(&text, &inserted), (9, 13, "9\n10\nnew\n11\n12".to_owned()));
        assert_eq!(of("", "new\n"), (1, 1, "new".to_owned()));
        assert_eq!(of("a\r\nb\r\n", "a\r\nB\r\n"), (1, 2, "a\nB".to_owned()));
        assert_eq!(changed_lines("a", "a"), None);
        assert_eq!(changed_lines("a", ""), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn they_are_bounded_and_cut_no_grapheme_whatever_changes(
            head in "[a\n é]{0,40}", old in "[b\n é]{0,40}", new in "[c\n é👩\u{200d}]{0,40}", times in 1usize..90,
        ) {
            let [head, old, new] = [head, old, new].map(|text| text.repeat(times));
            let (before, after) = (format!("{head}{old}{head}"), format!("{head}{new}{head}"));
            if let Some(lines) = changed_lines(&before, &after) {
                prop_assert!(lines.text.len() <= 2 * CONTEXT + CHANGED + 200, "{}", lines.text.len());
                prop_assert!(1 <= lines.first && lines.first <= lines.last);
                prop_assert!(lines.last <= after.matches('\n').count() + 1);
                let whole: BTreeSet<&str> = after.graphemes(true).collect();
                let cut = lines.text.graphemes(true).find(|part| part.contains('\u{200d}') && !whole.contains(part));
                prop_assert_eq!(cut, None);
            }
        }
    }
}
