//! The terms under which the search index finds a text.
//!
//! Words are found by the index's own tokenizer. It splits at spaces and signs, so it finds neither signs nor a part of
//! a text in a script without spaces. The characters of both are *parts* here: each pair of neighbours is a term, and
//! so is each character. A part of one character is looked up as such, a longer one as the phrase of its pairs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

/// The most characters of one run of parts that are looked up. Longer ones are compared with the text that is found.
const LOOKED_UP: usize = 64;

/// What the index has of a text, a column each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// The text without the characters of scripts without spaces.
    pub words: String,
    /// The pairs of neighbouring parts, in order.
    pub pairs: String,
    /// The different parts.
    pub signs: String,
}

impl Terms {
    pub(super) fn of(text: &str) -> Self {
        let mut pairs = String::new();
        let mut signs = BTreeSet::new();
        let folded = fold(text);
        for run in runs(&folded) {
            signs.extend(run.iter().copied());
            for pair in run.windows(2) {
                push_pair(&mut pairs, pair);
            }
        }
        let mut all = String::new();
        for sign in signs {
            let _ = write!(all, "{:06x} ", u32::from(sign));
        }
        Self { words: text.replace(unspaced, " "), pairs, signs: all }
    }
}

/// A text in the form in which parts are compared: width, composition and case do not matter.
pub(super) fn fold(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase()
}

/// The condition under which the index may have a folded text with these parts; `None` if it has none.
pub(super) fn condition(folded: &str) -> Option<String> {
    let of = |run: Vec<char>| match run.as_slice() {
        [sign] => format!("signs : \"{:06x}\"", u32::from(*sign)),
        longer => {
            let mut phrase = String::new();
            longer.windows(2).take(LOOKED_UP).for_each(|pair| push_pair(&mut phrase, pair));
            format!("pairs : \"{}\"", phrase.trim_end())
        }
    };
    let all: Vec<String> = runs(folded).into_iter().map(of).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

fn push_pair(pairs: &mut String, pair: &[char]) {
    for part in pair {
        let _ = write!(pairs, "{:06x}", u32::from(*part));
    }
    pairs.push(' ');
}

/// The runs of neighbouring parts.
fn runs(folded: &str) -> Vec<Vec<char>> {
    let runs = folded.split(|c| !is_part(c)).filter(|run| !run.is_empty());
    runs.map(|run| run.chars().collect()).collect()
}

fn is_part(c: char) -> bool {
    unspaced(c) || !(c.is_alphanumeric() || c.is_whitespace() || c.is_control())
}

/// True for letters of scripts without spaces between words: Thai to Khmer, Chinese, Japanese, Korean.
pub(super) fn unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x2E80..=0x2FFF | 0x3001..=0x30FF | 0x3100..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0xFF66..=0xFF9F
        | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signs_and_letters_without_spaces_are_indexed_by_themselves_and_words_beside_them() {
        let terms = Terms::of("我们 GPT。");
        assert_eq!(terms.words, "   GPT ");
        assert_eq!(terms.pairs, "006211004eec ");
        assert_eq!(terms.signs, "003002 004eec 006211 ");
    }

    #[test]
    fn a_part_is_looked_up_by_itself_and_a_longer_text_by_its_pairs() {
        assert_eq!(condition("的"), Some("signs : \"007684\"".to_owned()));
        assert_eq!(condition("記憶は"), Some("pairs : \"008a180061b6 0061b600306f\"".to_owned()));
        assert_eq!(condition("word"), None);
    }

    proptest! {
        #[test]
        fn every_part_of_a_text_is_among_its_terms(text in "[a-c 記憶長กั한ｶﾞ。()é-]{0,20}", from in 0_usize..20, len in 1_usize..6) {
            let part: String = text.chars().skip(from).take(len).filter(|c| !c.is_whitespace()).collect();
            prop_assume!(text.contains(&part));
            let (terms, folded) = (Terms::of(&text), fold(&part));
            prop_assume!(fold(&text).contains(&folded));
            for run in runs(&folded) {
                let found = match run.as_slice() {
                    [one] => terms.signs.contains(&format!("{:06x}", u32::from(*one))),
                    longer => {
                        let mut phrase = String::new();
                        longer.windows(2).for_each(|pair| push_pair(&mut phrase, pair));
                        terms.pairs.contains(&phrase)
                    }
                };
                prop_assert!(found, "{run:?} of {text:?}");
            }
        }
    }
}
