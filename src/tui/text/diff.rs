//! The difference between two values of a block: for change highlights, the history and conflicts.
//!
//! Compares lines, and marks the words that differ in a replaced line.

use std::borrow::Cow;

use ratatui::style::Modifier;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};

use super::clean::clean;
use super::wrap::{Shape, wrap};
use super::{Role, Row, Span, push_joined};
use crate::domain::text_edit::diff::hunks;
use crate::tui::glyph::GlyphSet;

/// Above this many words in a pair of lines, their words are not compared.
const MAX_WORDS: usize = 200;

/// Kind of a line in a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Unchanged.
    Same,
    /// Only in the new value.
    Added,
    /// Only in the old value.
    Removed,
    /// Placeholder for this many unchanged lines.
    Skipped(usize),
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLine {
    /// Kind of the line.
    pub sign: Sign,
    /// Cleaned text. Words that differ from the corresponding line are bold; a line without a counterpart has no
    /// bold words. Empty for [`Sign::Skipped`].
    pub spans: Vec<Span>,
}

/// Returns the changed lines from `old` to `new` with up to `context` unchanged lines around each change. Empty if
/// the cleaned values are equal; a missing line break at the end does not count.
#[must_use]
pub fn lines(old: &str, new: &str, context: usize) -> Vec<DiffLine> {
    let (old, new) = (with_end(old), with_end(new));
    if old == new {
        return Vec::new();
    }
    let (old, new): (Vec<_>, Vec<_>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut out = Vec::new();
    let skip = |count: usize, out: &mut Vec<DiffLine>| {
        if count > 0 {
            out.push(DiffLine { sign: Sign::Skipped(count), spans: Vec::new() });
        }
    };
    let mut told = 0;
    for op in hunks(&old, &new, context).into_iter().flatten() {
        let (tag, was, is) = op.as_tag_tuple();
        skip(was.start - told, &mut out);
        told = was.end;
        match tag {
            DiffTag::Equal => out.extend(old[was].iter().map(|line| plain(Sign::Same, line))),
            DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => replace(&old[was], &new[is], &mut out),
        }
    }
    skip(old.len() - told, &mut out);
    out
}

/// Returns the difference as rows of `cells`: `+`, `-` or a space, then the text, wrapped with a hanging indent.
#[must_use]
pub fn rows(old: &str, new: &str, context: usize, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    lines(old, new, context).iter().flat_map(|line| signed(line, cells, glyphs)).collect()
}

/// Returns the rows of a line behind its sign.
fn signed(line: &DiffLine, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let (sign, role) = match line.sign {
        Sign::Same => ("  ", Role::Dim),
        Sign::Added => ("+ ", Role::Added),
        Sign::Removed => ("- ", Role::Removed),
        Sign::Skipped(count) => {
            let plural = if count == 1 { "line" } else { "lines" };
            let told = format!("  {} {count} unchanged {plural}", glyphs.ellipsis);
            return wrap(&[Span::new(told, Role::Dim)], &Shape::plain(cells));
        }
    };
    let shape = Shape { first: vec![Span::new(sign, role)], rest: vec![Span::new("  ", role)], ..Shape::plain(cells) };
    wrap(&line.spans, &shape)
}

/// Returns the difference as rows of `cells` with the old lines on the left and the new ones on the right, each line beside
/// the one that takes its place.
#[must_use]
pub fn sides(old: &str, new: &str, context: usize, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let bar = format!(" {} ", glyphs.vertical);
    let half = cells.saturating_sub(3) / 2;
    let all = lines(old, new, context);
    let mut rows = Vec::new();
    let mut at = 0;
    while let Some(line) = all.get(at) {
        let of = |sign, from: usize| all[from..].iter().take_while(|line| line.sign == sign).count();
        let (left, right) = match line.sign {
            Sign::Removed | Sign::Added => {
                let removed = of(Sign::Removed, at);
                let added = of(Sign::Added, at + removed);
                let (start, middle) = (at, at + removed);
                at = middle + added;
                for pair in 0..removed.max(added) {
                    let left = all[start..middle].get(pair);
                    let right = all[middle..at].get(pair);
                    rows.extend(beside(left, right, (half, &bar), glyphs));
                }
                continue;
            }
            Sign::Same | Sign::Skipped(_) => (line, line),
        };
        rows.extend(beside(Some(left), Some(right), (half, &bar), glyphs));
        at += 1;
    }
    rows
}

/// Returns the rows of two lines beside each other.
fn beside(
    left: Option<&DiffLine>,
    right: Option<&DiffLine>,
    (half, bar): (usize, &str),
    glyphs: &GlyphSet,
) -> Vec<Row> {
    let [left, right] = [left, right].map(|line| line.map(|line| signed(line, half, glyphs)).unwrap_or_default());
    let both = (0..left.len().max(right.len())).map(|at| {
        let mut row = left.get(at).cloned().unwrap_or_default();
        row.push(Span::new(" ".repeat(half.saturating_sub(row.width())), Role::Text));
        row.push(Span::new(bar, Role::Border));
        row.spans.extend(right.get(at).cloned().unwrap_or_default().spans);
        row
    });
    both.collect()
}

/// Returns `text` as shown (cleaned) with a line break at the end; empty stays empty.
fn with_end(text: &str) -> Cow<'_, str> {
    match clean(text) {
        cleaned if cleaned.is_empty() || cleaned.ends_with('\n') => cleaned,
        cleaned => Cow::Owned(cleaned.into_owned() + "\n"),
    }
}

/// Appends removed lines and the added lines that replace them, paired in order.
fn replace(gone: &[&str], come: &[&str], out: &mut Vec<DiffLine>) {
    let pairs = gone.len().min(come.len());
    let (mut removed, mut added): (Vec<_>, Vec<_>) = gone.iter().zip(come).map(|(was, is)| words(was, is)).unzip();
    removed.extend(gone[pairs..].iter().map(|line| plain(Sign::Removed, line)));
    added.extend(come[pairs..].iter().map(|line| plain(Sign::Added, line)));
    out.append(&mut removed);
    out.append(&mut added);
}

fn role(sign: Sign) -> Role {
    match sign {
        Sign::Added => Role::Added,
        Sign::Removed => Role::Removed,
        Sign::Same | Sign::Skipped(_) => Role::Dim,
    }
}

fn plain(sign: Sign, line: &str) -> DiffLine {
    DiffLine { sign, spans: vec![Span::new(line.trim_end_matches('\n'), role(sign))] }
}

/// Compares the words of a line and its replacement. Marks none if fewer than a third of the words are unchanged.
fn words(was: &str, is: &str) -> (DiffLine, DiffLine) {
    let (old, new) = (split_words(was), split_words(is));
    if old.len() + new.len() > MAX_WORDS {
        return (plain(Sign::Removed, was), plain(Sign::Added, is));
    }
    let ops = capture_diff_slices(Algorithm::Myers, &old, &new);
    let same = |op: &DiffOp| op.tag() == DiffTag::Equal;
    let kept: usize = ops.iter().filter(|op| same(op)).map(|op| op.old_range().len()).sum();
    if kept * 3 < old.len().max(new.len()) {
        return (plain(Sign::Removed, was), plain(Sign::Added, is));
    }
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for op in &ops {
        let modifier = if same(op) { Modifier::empty() } else { Modifier::BOLD };
        for word in &old[op.old_range()] {
            push_joined(&mut removed, Span::new(*word, Role::Removed).with(modifier));
        }
        for word in &new[op.new_range()] {
            push_joined(&mut added, Span::new(*word, Role::Added).with(modifier));
        }
    }
    (DiffLine { sign: Sign::Removed, spans: removed }, DiffLine { sign: Sign::Added, spans: added })
}

/// Splits a line, without its line break, into words, spaces and punctuation.
fn split_words(line: &str) -> Vec<&str> {
    use unicode_segmentation::UnicodeSegmentation as _;
    line.trim_end_matches('\n').split_word_bounds().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::glyph::UNICODE;
    use crate::tui::text::clean;
    use proptest::prelude::*;

    fn shown(old: &str, new: &str, context: usize) -> Vec<String> {
        rows(old, new, context, 40, &UNICODE).iter().map(Row::text).collect()
    }

    #[test]
    fn what_came_and_went_has_its_sign_and_some_context() {
        let old = "The story so far\n- a\n- b\n- c\n- Launch: some time in spring\n";
        let new = "The story so far\n- a\n- b\n- c\n- Launch: 3 May, decided\n- Mira keeps bees in Lucerne";
        assert_eq!(
            shown(old, new, 1),
            [
                "  … 3 unchanged lines",
                "  - c",
                "- - Launch: some time in spring",
                "+ - Launch: 3 May, decided",
                "+ - Mira keeps bees in Lucerne",
            ]
        );
        assert!(shown(old, old.trim_end(), 3).is_empty());
    }

    #[test]
    fn the_words_that_differ_stand_out() {
        let lines = lines("the launch is in May", "the launch is in June", 0);
        let bold = |line: &DiffLine| -> String {
            line.spans.iter().filter(|s| s.modifier.contains(Modifier::BOLD)).map(|s| s.text.as_str()).collect()
        };
        assert_eq!((lines[0].sign, bold(&lines[0])), (Sign::Removed, "May".to_owned()));
        assert_eq!((lines[1].sign, bold(&lines[1])), (Sign::Added, "June".to_owned()));
        let lines = super::lines("one two", "nothing here is alike", 0);
        assert_eq!(lines.iter().map(bold).collect::<String>(), "");
    }

    #[test]
    fn long_lines_wrap_under_themselves() {
        assert_eq!(
            rows("", "one two three", 0, 9, &UNICODE).iter().map(Row::text).collect::<Vec<_>>(),
            ["+ one two", "  three"]
        );
    }

    #[test]
    fn two_large_values_without_a_common_line_are_not_compared_line_by_line() {
        let value = |word: &str| format!("{word} word\n").repeat(20_000);
        let lines = lines(&value("a"), &value("b"), 3);
        assert_eq!(lines.len(), 40_000);
        assert!(lines[..20_000].iter().all(|line| line.sign == Sign::Removed));
    }

    proptest! {
        #[test]
        fn both_values_can_be_read_out_of_their_difference(
            old in prop::collection::vec(prop::sample::select(vec!["a", "b b", "c, d", "", "新 e"]), 0..12),
            new in prop::collection::vec(prop::sample::select(vec!["a", "b c", "c, e", "", "新 f"]), 0..12),
        ) {
            let (old, new) = (old.join("\n"), new.join("\n"));
            let lines = lines(&old, &new, usize::MAX);
            let side = |left_out: Sign| -> Vec<String> {
                lines.iter().filter(|line| line.sign != left_out)
                    .map(|line| line.spans.iter().map(|span| span.text.as_str()).collect()).collect()
            };
            if with_end(&old) != with_end(&new) {
                prop_assert_eq!(side(Sign::Added), old.lines().collect::<Vec<_>>());
                prop_assert_eq!(side(Sign::Removed), new.lines().collect::<Vec<_>>());
            }
        }

        #[test]
        fn rows_of_a_hostile_value_fit_and_are_safe(
            old in clean::tests::hostile(), new in clean::tests::hostile(), cells in 4usize..30,
        ) {
            for row in rows(&old, &new, 1, cells, &UNICODE) {
                prop_assert!(row.width() <= cells);
                prop_assert!(!row.text().contains(char::is_control));
            }
        }
    }
}
