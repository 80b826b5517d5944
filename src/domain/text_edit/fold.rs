//! Text as it looks: what models change when they quote a text is folded away, so that the quotation is found again.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

use crate::domain::invisible::is_invisible;

/// How much is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Line ends, Unicode normal forms, kinds of spaces, quotes and dashes, invisible characters.
    Form,
    /// Also the amount of space between words and at the ends of lines.
    Spaces,
}

/// A folded text, and what each part of it stands for.
#[derive(Debug)]
pub struct Folded {
    text: String,
    /// For each grapheme that shows: its place in the folded text, and its bytes in the original one.
    pieces: Vec<(usize, Range<usize>)>,
}

impl Folded {
    /// Folds a text.
    #[must_use]
    pub fn new(text: &str, fold: Fold) -> Self {
        let mut folded = Self { text: String::with_capacity(text.len()), pieces: Vec::new() };
        // A run of spaces that is not yet known to be in front of a line end.
        let mut space: Option<Range<usize>> = None;
        for (at, grapheme) in text.grapheme_indices(true) {
            let bytes = at..at + grapheme.len();
            let shown = shown(grapheme);
            let blank = !shown.is_empty() && shown.chars().all(|c| c == ' ' || c == '\t');
            if fold == Fold::Spaces && blank {
                space = Some(space.map_or(bytes.start, |run| run.start)..bytes.end);
                continue;
            }
            if shown.is_empty() {
                continue;
            }
            if let Some(run) = space.take().filter(|_| shown != "\n") {
                folded.push(" ", run);
            }
            folded.push(&shown, bytes);
        }
        if let Some(run) = space {
            folded.push(" ", run);
        }
        folded
    }

    fn push(&mut self, shown: &str, bytes: Range<usize>) {
        self.pieces.push((self.text.len(), bytes));
        self.text.push_str(shown);
    }

    /// The folded text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a folded text occurs, in bytes of the original text; whole graphemes only. At most `most` places.
    #[must_use]
    pub fn places(&self, sought: &str, most: usize) -> Vec<Range<usize>> {
        let whole = |at: Range<usize>| {
            let first = self.pieces.binary_search_by_key(&at.start, |(start, _)| *start).ok()?;
            let after = self.pieces.partition_point(|(start, _)| *start < at.end);
            let ends = self.pieces.get(after).map_or(self.text.len(), |(start, _)| *start) == at.end;
            let last = &self.pieces.get(after.checked_sub(1)?)?.1;
            ends.then(|| self.pieces[first].1.start..last.end)
        };
        occurrences(&self.text, sought).filter_map(whole).take(most).collect()
    }
}

/// The occurrences of a text, also those that overlap.
pub fn occurrences<'a>(text: &'a str, sought: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let step = sought.chars().next().map_or(1, char::len_utf8);
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + text.get(from..)?.find(sought)?;
        from = at + step;
        Some(at..at + sought.len())
    })
}

/// True if no grapheme of `text` is cut at this byte.
#[must_use]
pub fn is_boundary(text: &str, at: usize) -> bool {
    text.is_char_boundary(at) && GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap_or(false)
}

/// A grapheme as it looks, without what models leave out; empty if it does not show.
fn shown(grapheme: &str) -> String {
    if grapheme.len() == 1 && grapheme != "\r" {
        return grapheme.to_owned();
    }
    if matches!(grapheme, "\r\n" | "\r") {
        return "\n".to_owned();
    }
    grapheme.nfkd().filter(|c| !is_invisible(*c)).map(lookalike).collect()
}

/// The plain character for a typographic one.
fn lookalike(c: char) -> char {
    match c {
        '‘' | '’' | '‚' | '‛' | '‹' | '›' | '′' => '\'',
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' => '-',
        '\u{1680}' => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, sought: &str, fold: Fold) -> Vec<String> {
        let found = Folded::new(text, fold).places(Folded::new(sought, fold).text(), 10);
        found.into_iter().map(|at| text[at].to_owned()).collect()
    }

    #[test]
    fn a_text_is_found_by_what_it_looks_like_and_given_back_as_it_is() {
        for (text, sought, found) in [
            ("x cafe\u{301} y", "café", "cafe\u{301}"),
            ("x café y", "cafe\u{301}", "café"),
            ("10\u{a0}km", "10 km", "10\u{a0}km"),
            ("a\r\nb", "a\nb", "a\r\nb"),
            ("“so” – he…", "\"so\" - he...", "“so” – he…"),
            ("می\u{200c}خواهم", "میخواهم", "می\u{200c}خواهم"),
            ("I ❤\u{fe0f} it", "❤", "❤\u{fe0f}"),
            ("\u{1112}\u{1161}\u{11ab}", "한", "\u{1112}\u{1161}\u{11ab}"),
        ] {
            assert_eq!(places(text, sought, Fold::Form), [found], "{sought:?} in {text:?}");
        }
    }

    #[test]
    fn the_amount_of_space_counts_only_where_it_is_not_folded() {
        assert!(places("a\tb", "a b", Fold::Form).is_empty());
        assert_eq!(places("a\tb", "a b", Fold::Spaces), ["a\tb"]);
        assert_eq!(places("a  \nb", "a\nb", Fold::Spaces), ["a  \nb"]);
        assert!(places("ab", "a b", Fold::Spaces).is_empty());
    }

    #[test]
    fn a_grapheme_is_never_cut() {
        assert!(places("cafe\u{301}", "cafe", Fold::Form).is_empty());
        assert!(places("👩\u{200d}🚀", "👩", Fold::Form).is_empty());
    }

    #[test]
    fn occurrences_may_overlap() {
        assert_eq!(occurrences("aaa", "aa").count(), 2);
        assert_eq!(occurrences("éaéaé", "éaé").count(), 2);
    }
}
