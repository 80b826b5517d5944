//! The changed part of a text with a little context: bounded, whatever the edit.

use std::fmt::Write as _;

use unicode_segmentation::GraphemeCursor;

/// Unchanged lines shown before and after the change.
const CONTEXT_LINES: usize = 2;
/// Most bytes of unchanged text on each side.
const CONTEXT: usize = 200;
/// Most bytes of changed text shown at its start and at its end, if it is longer than both.
const SHOWN: usize = 500;

/// The changed part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Number of its first line in the text, from 1.
    pub first: usize,
    /// Number of its last line.
    pub last: usize,
    /// The lines, without the last line end; cut where it says so with `…`.
    pub text: String,
}

/// Returns the part of `after` that differs from `before`; `None` if nothing does, or if `after` is empty.
#[must_use]
pub fn excerpt(before: &str, after: &str) -> Option<Excerpt> {
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
    if to - from > 2 * SHOWN {
        let (head, tail) = (floor(after, from + SHOWN), ceil(after, to - SHOWN));
        let left_out = after[head..tail].chars().count();
        let _ = write!(text, "{}… {left_out} characters …{}", &after[from..head], &after[tail..to]);
    } else {
        text.push_str(&after[from..to]);
    }
    text.push_str(&after[to..end]);
    text.push_str(if cut_end { "…" } else { "" });
    let line = |at: usize| after[..at].matches('\n').count() + 1;
    let last = line(end - usize::from(end > start && after[..end].ends_with('\n')));
    let text = text.replace("\r\n", "\n");
    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
    Some(Excerpt { first: line(start), last, text })
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

/// The nearest place at or before `at` that cuts no grapheme.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    match cursor.is_boundary(text, 0) {
        Ok(true) => at,
        _ => cursor.prev_boundary(text, 0).ok().flatten().unwrap_or(0),
    }
}

/// The nearest place at or behind `at` that cuts no grapheme.
fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    match cursor.is_boundary(text, 0) {
        Ok(true) => at,
        _ => cursor.next_boundary(text, 0).ok().flatten().unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(count: usize) -> String {
        (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join("\n")
    }

    fn of(before: &str, after: &str) -> (usize, usize, String) {
        let Excerpt { first, last, text } = excerpt(before, after).unwrap();
        (first, last, text)
    }

    #[test]
    fn the_changed_lines_are_shown_with_two_lines_around_them() {
        let text = numbers(20);
        assert_eq!(of(&text, &text.replace("10", "ten")), (8, 12, "8\n9\nten\n11\n12".to_owned()));
        assert_eq!(of(&text, &text.replace("10\n", "")), (8, 12, "8\n9\n11\n12\n13".to_owned()));
        assert_eq!(of("", "new\n"), (1, 1, "new".to_owned()));
        assert_eq!(of("a\r\nb\r\n", "a\r\nB\r\n"), (1, 2, "a\nB".to_owned()));
        assert_eq!(excerpt("a", "a"), None);
        assert_eq!(excerpt("a", ""), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn an_excerpt_is_bounded_whatever_changes(
            head in "[a\n é]{0,40}", old in "[b\n é]{0,40}", new in "[c\n é👩\u{200d}]{0,40}", times in 1usize..90,
        ) {
            let [head, old, new] = [head, old, new].map(|text| text.repeat(times));
            let (before, after) = (format!("{head}{old}{head}"), format!("{head}{new}{head}"));
            if let Some(excerpt) = excerpt(&before, &after) {
                prop_assert!(excerpt.text.len() <= 2 * (CONTEXT + SHOWN) + 200, "{}", excerpt.text.len());
                prop_assert!(1 <= excerpt.first && excerpt.first <= excerpt.last);
                prop_assert!(excerpt.last <= after.matches('\n').count() + 1);
            }
        }
    }
}
