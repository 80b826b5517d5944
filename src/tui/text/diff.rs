//! What changed between two values of a block, for a flash, the history and conflicts.
//!
//! By lines; where a line was replaced by another, the words that differ stand out in it.

use std::borrow::Cow;

use diffy::{DiffOptions, Line};
use ratatui::style::Modifier;

use super::clean::clean;
use super::wrap::{Mode, Shape, wrap};
use super::{Role, Row, Span, push_joined};
use crate::tui::glyph::GlyphSet;

/// Lines that differ, above which they are not compared with each other any more but shown as all old, all
/// new: comparing costs the product of both counts at worst.
const MAX_COMPARED: usize = 2_000;

/// Words of a pair of lines above which the words are not compared.
const MAX_WORDS: usize = 200;

/// What happened to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It stands in both.
    Same,
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It stands for this many lines that are the same.
    Skipped(usize),
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLine {
    /// What happened to it.
    pub sign: Sign,
    /// Its text, cleaned. Words that differ from the line it replaces are bold; a line without a partner has
    /// no bold words. Empty where lines were skipped.
    pub spans: Vec<Span>,
}

/// The lines that changed from `old` to `new`, each with up to `context` same lines around. Empty when the
/// values show the same; a missing line break at the end is no difference.
#[must_use]
pub fn lines(old: &str, new: &str, context: usize) -> Vec<DiffLine> {
    let (old, new) = (with_end(old), with_end(new));
    if old == new {
        return Vec::new();
    }
    let compared = compare(&old, &new);
    keep_context(pair_words(&compared), context)
}

/// The difference as rows of `cells`: `+`, `-` or a space, then the text, wrapped under itself.
#[must_use]
pub fn rows(old: &str, new: &str, context: usize, cells: usize, glyphs: &GlyphSet) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in lines(old, new, context) {
        let (sign, role) = match line.sign {
            Sign::Same => ("  ", Role::Dim),
            Sign::Added => ("+ ", Role::Added),
            Sign::Removed => ("- ", Role::Removed),
            Sign::Skipped(count) => {
                let plural = if count == 1 { "line" } else { "lines" };
                let told = format!("  {} {count} {plural} the same", glyphs.ellipsis);
                rows.extend(wrap(&[Span::new(told, Role::Dim)], &Shape::plain(cells)));
                continue;
            }
        };
        let shape = Shape {
            width: cells,
            first: vec![Span::new(sign, role)],
            rest: vec![Span::new("  ", role)],
            mode: Mode::Words,
        };
        rows.extend(wrap(&line.spans, &shape));
    }
    rows
}

/// Cleaned, with a line break at the end: the difference is of what is shown.
fn with_end(text: &str) -> Cow<'_, str> {
    match clean(text) {
        cleaned if cleaned.is_empty() || cleaned.ends_with('\n') => cleaned,
        cleaned => Cow::Owned(cleaned.into_owned() + "\n"),
    }
}

/// Every line of both texts with its sign, in order.
fn compare<'a>(old: &'a str, new: &'a str) -> Vec<(Sign, &'a str)> {
    let (old, new): (Vec<_>, Vec<_>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (gone, come) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let same = |lines: &[&'a str]| lines.iter().map(|line| (Sign::Same, *line)).collect::<Vec<_>>();
    let mut out = same(&old[..head]);
    if gone.len() + come.len() > MAX_COMPARED {
        out.extend(gone.iter().map(|line| (Sign::Removed, *line)));
        out.extend(come.iter().map(|line| (Sign::Added, *line)));
    } else {
        let (mut gone, mut come) = (gone.iter(), come.iter());
        for sign in signs(&gone.as_slice().concat(), &come.as_slice().concat()) {
            let line = match sign {
                Sign::Added => come.next(),
                Sign::Removed => gone.next(),
                Sign::Same | Sign::Skipped(_) => {
                    come.next();
                    gone.next()
                }
            };
            out.extend(line.map(|line| (sign, *line)));
        }
    }
    out.extend(same(&old[old.len() - tail..]));
    out
}

/// The signs of all lines of two texts, in order.
fn signs(old: &str, new: &str) -> Vec<Sign> {
    if old == new {
        return old.lines().map(|_| Sign::Same).collect();
    }
    let mut options = DiffOptions::new();
    // As much context as there can be lines: one hunk then holds all of them.
    options.set_context_len(old.len() + new.len());
    let patch = options.create_patch(old, new);
    let lines = patch.hunks().iter().flat_map(diffy::Hunk::lines);
    lines
        .map(|line| match line {
            Line::Context(_) => Sign::Same,
            Line::Delete(_) => Sign::Removed,
            Line::Insert(_) => Sign::Added,
        })
        .collect()
}

/// Within each run of removed lines followed by added ones, the first replaces the first and so on.
fn pair_words(compared: &[(Sign, &str)]) -> Vec<DiffLine> {
    let mut out = Vec::with_capacity(compared.len());
    let mut rest = compared;
    while let Some((sign, line)) = rest.first() {
        if *sign != Sign::Removed {
            out.push(plain(*sign, line));
            rest = &rest[1..];
            continue;
        }
        let gone = rest.iter().take_while(|(sign, _)| *sign == Sign::Removed).count();
        let come = rest[gone..].iter().take_while(|(sign, _)| *sign == Sign::Added).count();
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for index in 0..gone.max(come) {
            let was = (index < gone).then(|| rest[index].1);
            let is = (index < come).then(|| rest[gone + index].1);
            match (was, is) {
                (Some(was), Some(is)) => {
                    let (was, is) = words(was, is);
                    removed.push(was);
                    added.push(is);
                }
                (Some(was), None) => removed.push(plain(Sign::Removed, was)),
                (None, Some(is)) => added.push(plain(Sign::Added, is)),
                (None, None) => {}
            }
        }
        out.append(&mut removed);
        out.append(&mut added);
        rest = &rest[gone + come..];
    }
    out
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

/// A line and the one that replaces it. Where less than a third of the words stayed, none is marked: all
/// of it is new.
fn words(was: &str, is: &str) -> (DiffLine, DiffLine) {
    let (old, new) = (split_words(was), split_words(is));
    if old.len() + new.len() > MAX_WORDS {
        return (plain(Sign::Removed, was), plain(Sign::Added, is));
    }
    let joined = |words: &[&str]| words.iter().flat_map(|word| [*word, "\n"]).collect::<String>();
    let signs = signs(&joined(&old), &joined(&new));
    let kept = signs.iter().filter(|sign| **sign == Sign::Same).count();
    if kept * 3 < old.len().max(new.len()) {
        return (plain(Sign::Removed, was), plain(Sign::Added, is));
    }
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.into_iter(), new.into_iter());
    for sign in signs {
        let modifier = if sign == Sign::Same { Modifier::empty() } else { Modifier::BOLD };
        let mark = |word: &str, role| Span::new(word, role).with(modifier);
        if sign != Sign::Added
            && let Some(word) = old.next()
        {
            push_joined(&mut removed, mark(word, Role::Removed));
        }
        if sign != Sign::Removed
            && let Some(word) = new.next()
        {
            push_joined(&mut added, mark(word, Role::Added));
        }
    }
    (DiffLine { sign: Sign::Removed, spans: removed }, DiffLine { sign: Sign::Added, spans: added })
}

/// Words, spaces and signs, one by one; together they are the line.
fn split_words(line: &str) -> Vec<&str> {
    use unicode_segmentation::UnicodeSegmentation as _;
    line.trim_end_matches('\n').split_word_bounds().collect()
}

fn keep_context(all: Vec<DiffLine>, context: usize) -> Vec<DiffLine> {
    let mut near = vec![false; all.len()];
    let changed = |line: &DiffLine| line.sign != Sign::Same;
    for distances in [reach(all.iter().map(changed)), {
        let mut back = reach(all.iter().rev().map(changed));
        back.reverse();
        back
    }] {
        for (near, distance) in near.iter_mut().zip(distances) {
            *near |= distance.is_some_and(|lines| lines <= context);
        }
    }
    let mut out: Vec<DiffLine> = Vec::new();
    for (line, near) in all.into_iter().zip(near) {
        if near {
            out.push(line);
        } else if let Some(DiffLine { sign: Sign::Skipped(count), .. }) = out.last_mut() {
            *count += 1;
        } else {
            out.push(DiffLine { sign: Sign::Skipped(1), spans: Vec::new() });
        }
    }
    out
}

/// For each line, how far behind it the nearest changed one is.
fn reach(changed: impl Iterator<Item = bool>) -> Vec<Option<usize>> {
    changed
        .scan(None, |since, changed| {
            *since = if changed { Some(0) } else { since.map(|lines: usize| lines + 1) };
            Some(*since)
        })
        .collect()
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
                "  … 3 lines the same",
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
