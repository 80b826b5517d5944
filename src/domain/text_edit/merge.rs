//! The merge of two edits of one text, by lines. It works on ranges of lines, never on marked-up text, so no text can
//! imitate a mark.

use similar::{MergeRegion, MergeResolution, TextMerge};

use super::line_end;

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

/// Merges two edits of one base line by line. `theirs` is the current text, `mine` the new edit. Edits of
/// neighbouring lines conflict, as in git.
#[must_use]
pub fn merge(base: &str, theirs: &str, mine: &str) -> Merge {
    if theirs == mine || base == mine {
        return Merge::Clean(theirs.to_owned());
    }
    if base == theirs {
        return Merge::Clean(mine.to_owned());
    }
    // Every line needs its end: a last line without one would conflict with any line added after it.
    let lined = [base, theirs, mine].map(lined);
    let [base, current, new] = lined.each_ref().map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let merged = TextMerge::from_lines(lined[0].as_str(), lined[1].as_str(), lined[2].as_str());
    let mut pieces = Vec::new();
    for region in merged.regions() {
        if region.is_conflict() {
            pieces.push(Piece::Clash {
                base: base[region.base_range()].concat(),
                theirs: current[region.ours_range()].concat(),
                mine: new[region.theirs_range()].concat(),
            });
        } else {
            push_same(&mut pieces, &taken(region, &current, &new));
        }
    }
    if merged.is_conflicted() {
        return Merge::Clash(pieces);
    }
    let mut text = String::new();
    for piece in pieces {
        if let Piece::Same(same) = piece {
            text.push_str(&same);
        }
    }
    if !theirs.ends_with('\n') && !mine.ends_with('\n') {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    Merge::Clean(text)
}

/// The lines of a region without a conflict.
fn taken(region: &MergeRegion, current: &[&str], new: &[&str]) -> String {
    match region.resolution() {
        MergeResolution::Theirs => new[region.theirs_range()].concat(),
        _ => current[region.ours_range()].concat(),
    }
}

fn push_same(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Same(same)) => same.push_str(text),
        _ => pieces.push(Piece::Same(text.to_owned())),
    }
}

fn lined(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}{}", line_end(text)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clash(base: &str, theirs: &str, mine: &str) -> Piece {
        Piece::Clash { base: base.into(), theirs: theirs.into(), mine: mine.into() }
    }

    #[test]
    fn edits_of_different_lines_merge() {
        let merged = merge("a\nb\nc\nd", "a\nB\nc\nd", "a\nb\nc\nd\ne");
        assert_eq!(merged, Merge::Clean("a\nB\nc\nd\ne".to_owned()));
    }

    #[test]
    fn edits_of_different_lines_merge_and_keep_crlf() {
        let merged = merge("a\r\nb\r\nc", "A\r\nb\r\nc", "a\r\nb\r\nc\r\nd");
        assert_eq!(merged, Merge::Clean("A\r\nb\r\nc\r\nd".to_owned()));
    }

    #[test]
    fn edits_of_one_line_clash_and_nothing_is_lost() {
        let Merge::Clash(pieces) = merge("a\nb\nc", "a\ntheirs\nc", "a\nmine\nc") else { panic!("it merged") };
        assert_eq!(pieces, [Piece::Same("a\n".into()), clash("b\n", "theirs\n", "mine\n"), Piece::Same("c\n".into())]);
    }

    #[test]
    fn a_heading_underlined_as_a_mark_stays_whole_on_every_side() {
        let line = "=".repeat(34);
        let sides = ["Old heading", "Their heading", "My heading"]
            .map(|heading| format!("intro\n{heading}\n{line}{}\n{}\nbody\n", &heading[..1], "<".repeat(31)));
        let Merge::Clash(pieces) = merge(&sides[0], &sides[1], &sides[2]) else { panic!("it merged") };
        let under = |heading: &str| format!("{heading}\n{line}{}\n", &heading[..1]);
        let middle = clash(&under("Old heading"), &under("Their heading"), &under("My heading"));
        let rest = format!("{}\nbody\n", "<".repeat(31));
        assert_eq!(pieces, [Piece::Same("intro\n".into()), middle, Piece::Same(rest)]);
    }

    /// Lines, some of which look like the marks of a merge.
    fn lines() -> impl Strategy<Value = String> {
        let mark = (prop::sample::select(vec!["=", "<", ">", "|"]), 7usize..40).prop_map(|(sign, n)| sign.repeat(n));
        let line = prop_oneof![2 => "[abc]{0,2}".prop_map(String::from), 1 => mark];
        prop::collection::vec(line.prop_map(|line| line + "\n"), 0..5).prop_map(|lines| lines.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn one_sided_edits_always_merge_to_that_side(base in "[ab\n]{0,12}", other in "[ab\n]{0,12}") {
            prop_assert_eq!(merge(&base, &other, &base), Merge::Clean(other.clone()));
            prop_assert_eq!(merge(&base, &base, &other), Merge::Clean(other));
        }

        #[test]
        fn lines_that_look_like_marks_stay_lines_of_their_side(theirs in lines(), mine in lines()) {
            let whole = |middle: &str| format!("top\n{middle}end\n");
            let (theirs, mine) = (whole(&format!("1\n{theirs}")), whole(&format!("2\n{mine}")));
            let Merge::Clash(pieces) = merge(&whole("was\n"), &theirs, &mine) else { panic!("it merged") };
            let mut sides = [String::new(), String::new()];
            for piece in &pieces {
                let (theirs, mine) = match piece {
                    Piece::Same(same) => (same, same),
                    Piece::Clash { theirs, mine, .. } => (theirs, mine),
                };
                sides[0].push_str(theirs);
                sides[1].push_str(mine);
            }
            prop_assert_eq!(sides, [theirs, mine]);
        }
    }
}
