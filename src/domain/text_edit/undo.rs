//! Takes edits back out of a text that others may have changed since.

use super::{Merge, Piece, merge};

/// A text without some of its edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// The text without the edits; what others wrote stays.
    Clean(String),
    /// Others changed lines of the edits since. What nobody else touched is undone in all three texts, so they differ in
    /// these lines only.
    Clash(Box<UndoClash>),
}

/// The three texts between which a person has to choose; they differ where others changed lines of the edits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UndoClash {
    /// With the lines as the edits left them.
    pub edited: String,
    /// With the lines as others changed them.
    pub current: String,
    /// With the lines as they were before the edits.
    pub before: String,
}

/// Takes edits, each `(before, after)` and the oldest first, back out of `current`, the newest first.
#[must_use]
pub fn undo(current: &str, edits: &[(&str, &str)]) -> Undo {
    let [edited, theirs, mine] = [Side::Base, Side::Theirs, Side::Mine].map(|side| taken(current, edits, side));
    match merge(&edited, &theirs, &mine) {
        Merge::Clean(text) => Undo::Clean(text),
        Merge::Clash(_) => Undo::Clash(Box::new(UndoClash { edited, current: theirs, before: mine })),
    }
}

#[derive(Clone, Copy)]
enum Side {
    Base,
    Theirs,
    Mine,
}

/// The text without the edits, with this side of each clash.
fn taken(current: &str, edits: &[(&str, &str)], side: Side) -> String {
    edits.iter().rev().fold(current.to_owned(), |text, (before, after)| match merge(after, &text, before) {
        Merge::Clean(undone) => undone,
        Merge::Clash(pieces) => {
            let mut chosen: String = pieces
                .iter()
                .map(|piece| match (piece, side) {
                    (Piece::Same(same), _) => same.as_str(),
                    (Piece::Clash { base, .. }, Side::Base) => base,
                    (Piece::Clash { theirs, .. }, Side::Theirs) => theirs,
                    (Piece::Clash { mine, .. }, Side::Mine) => mine,
                })
                .collect();
            if !text.ends_with('\n') && !before.ends_with('\n') {
                chosen.truncate(chosen.trim_end_matches(['\r', '\n']).len());
            }
            chosen
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> Undo {
        Undo::Clean(text.to_owned())
    }

    #[test]
    fn what_others_wrote_between_and_after_the_edits_stays() {
        let first = ("a\nb\nc\nd\ne", "A\nb\nc\nd\ne");
        let second = ("A\nb\ntheirs\nd\ne", "A\nb\ntheirs\nd\nE");
        assert_eq!(undo("A\nb\ntheirs\nd\nE", &[first, second]), clean("a\nb\ntheirs\nd\ne"));
        assert_eq!(undo("A\nb\nc\nd\ne\nlast", &[first]), clean("a\nb\nc\nd\ne\nlast"));
        assert_eq!(undo("a\nb\nc\nd\ne", &[first]), clean("a\nb\nc\nd\ne"), "it is undone already");
    }

    #[test]
    fn what_others_wrote_over_the_edits_is_for_a_person_to_choose() {
        let edit = ("one\n\nfar\n\na", "ONE\n\nfar\n\nA");
        let Undo::Clash(clash) = undo("ONE\n\nfar\n\nA, says Mira", &[edit]) else { panic!() };
        assert_eq!(clash.edited, "one\n\nfar\n\nA", "what nobody touched is undone");
        assert_eq!(clash.current, "one\n\nfar\n\nA, says Mira");
        assert_eq!(clash.before, "one\n\nfar\n\na");
    }

    #[test]
    fn a_clash_between_the_edits_is_not_lost_behind_later_ones() {
        let first = ("a", "A");
        let second = ("A, says Mira", "A, says Mira, twice");
        let Undo::Clash(clash) = undo("A, says Mira, twice", &[first, second]) else { panic!() };
        assert_eq!((clash.edited.as_str(), clash.current.as_str(), clash.before.as_str()), ("A", "A, says Mira", "a"));
    }

    proptest! {
        #[test]
        fn an_edit_that_nobody_touched_is_undone_to_the_byte(before in "([abc]{0,2}\n){0,6}", after in "([abc]{0,2}\n){0,6}") {
            prop_assert_eq!(undo(&after, &[(&before, &after)]), Undo::Clean(before));
        }

        #[test]
        fn a_line_that_only_others_wrote_is_in_what_they_have(
            before in "([abc]{0,2}\n){0,6}", after in "([abc]{0,2}\n){0,6}", other in "([abc]{0,2}\n){0,6}",
        ) {
            let current = format!("{other}others wrote this\n");
            let kept = match undo(&current, &[(&before, &after)]) {
                Undo::Clean(text) => text,
                Undo::Clash(clash) => clash.current,
            };
            prop_assert!(kept.contains("others wrote this\n"), "{}", kept);
        }
    }
}
