//! Shortens texts for a prompt: head and tail stay, a sentence between them tells what is left out.

use std::borrow::Cow;

use unicode_segmentation::GraphemeCursor;

/// Returns `text` if it has at most `most` bytes, else its head and tail with at most that many bytes together, and a
/// sentence between them. No grapheme is cut.
#[must_use]
pub fn to_bytes(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let tail = most / 3;
    cut(text, floor(text, most - tail), ceil(text, text.len() - tail))
}

/// Returns `text` if it has at most `most` code points, else its head and tail with at most that many code points
/// together, and a sentence between them. No grapheme is cut.
#[must_use]
pub fn to_chars(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most || text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let tail = most / 3;
    let head = text.char_indices().nth(most - tail).map_or(text.len(), |(at, _)| at);
    let from = tail.checked_sub(1).and_then(|last| text.char_indices().nth_back(last)).map_or(text.len(), |(at, _)| at);
    cut(text, floor(text, head), ceil(text, from))
}

fn cut(text: &str, head: usize, tail: usize) -> Cow<'_, str> {
    let left_out = text[head..tail].chars().count();
    let (head, tail) = (&text[..head], &text[tail..]);
    Cow::Owned(format!("{head}\n[{left_out} characters are left out here: the text is too long]\n{tail}"))
}

/// Returns the largest size to which each of `sizes` may be cut so that together they are at most `room`.
#[must_use]
pub fn fair_share(sizes: impl IntoIterator<Item = usize>, room: usize) -> usize {
    let mut sizes: Vec<usize> = sizes.into_iter().collect();
    sizes.sort_unstable();
    let mut left = room;
    for (at, size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - at);
        if *size > share {
            return share;
        }
        left -= size;
    }
    sizes.last().copied().unwrap_or(room).max(room)
}

/// The nearest place at or before `at` that cuts no grapheme.
pub(super) fn floor(text: &str, at: usize) -> usize {
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
pub(super) fn ceil(text: &str, at: usize) -> usize {
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
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::{fair_share, to_bytes, to_chars};

    #[test]
    fn head_and_tail_stay_and_a_sentence_says_how_much_is_left_out() {
        assert_eq!(to_bytes("short", 5), "short");
        let text = format!("QUESTION {} END", "é".repeat(200));
        let cut = to_bytes(&text, 60);
        assert!(cut.starts_with("QUESTION é") && cut.ends_with("é END"), "{cut}");
        let gone = text.chars().count() - cut.chars().filter(|c| *c == 'é').count() - "QUESTION  END".len();
        assert!(cut.contains(&format!("\n[{gone} characters are left out here")), "{cut}");
        assert_eq!(to_chars(&text, 213), text, "code points count, not bytes");
        assert!(to_chars(&text, 212).contains("\n[1 characters are left out here"));
    }

    #[test]
    fn small_sizes_keep_what_they_need_and_large_ones_share_the_rest() {
        assert_eq!(fair_share([10, 20, 30], 60), 60);
        assert_eq!(fair_share([10, 90, 90], 110), 50);
        assert_eq!(fair_share([5, 5], 4), 2);
        assert_eq!(fair_share([], 7), 7);
    }

    proptest! {
        #[test]
        fn what_stays_is_within_the_limit(text in "\\PC{0,80}", most in 0_usize..60) {
            let extra = |cut: &str| cut.split("\n[").nth(1).and_then(|rest| rest.split(']').next()).map_or(0, |s| s.len() + 4);
            let bytes = to_bytes(&text, most);
            let plain = !text.contains("\n[");
            prop_assert!(!plain || bytes.len() <= most + extra(&bytes));
            let chars = to_chars(&text, most);
            prop_assert!(!plain || chars.chars().count() <= most + extra(&chars));
        }

        #[test]
        fn no_grapheme_is_cut(text in "[a👩é\u{301}\u{200d}🇨🇭]{0,60}", most in 0_usize..90) {
            let edges: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect();
            for cut in [to_bytes(&text, most), to_chars(&text, most)] {
                let Some((head, rest)) = cut.split_once("\n[") else { continue };
                let (_, tail) = rest.split_once("]\n").unwrap();
                prop_assert!(text.starts_with(head) && edges.contains(&head.len()), "{head:?}");
                prop_assert!(text.ends_with(tail) && edges.contains(&(text.len() - tail.len())), "{tail:?}");
            }
        }

        #[test]
        fn shares_fill_the_room_and_no_more(sizes in prop::collection::vec(0_usize..50, 1..9), room in 0_usize..200) {
            let share = fair_share(sizes.iter().copied(), room);
            let used = |most: usize| sizes.iter().map(|size| (*size).min(most)).sum::<usize>();
            prop_assert!(used(share) <= room);
            prop_assert!(used(share + 1) > room || sizes.iter().all(|size| *size <= share));
        }
    }
}
