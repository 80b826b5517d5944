//! Basic text analysis: sentences, words, stems and the overlap of two texts.
//!
//! The rules are for English. In other languages there are no stop words and no stems, so sentences are compared word
//! by word and quoted unchanged.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use unicode_segmentation::UnicodeSegmentation as _;

use super::dates;

/// Stems of the meaningful words of a text.
pub(super) type Terms = BTreeSet<String>;

/// Prefix of a line with an open question.
pub(super) const OPEN: &str = "Open: ";

/// Stop words: they do not indicate the subject of a sentence.
const STOP: &str = "a about again all also am an and any are as at be been being but by can could did do does \
    doing done called far for from get had has have having he her here hers him his how i if in into is it its just know let many \
    may me might mine much my name no not now of on one or our ours out over please shall she should so some still such than that \
    the their them then there these they this those to too under up us very was we were what when where which who \
    whom whose why will with would yes yet you your yours it's that's let's i'm we're don't what's who's where's when's how's there's \
    der die das den dem des ein eine einen einem einer und oder aber ist sind war waren ich du er sie es wir ihr \
    mein dein sein nicht mit von zu im in am um auf für wer was wann wo wie warum welche haben hat hatte wird werden ";

/// Abbreviations whose full stop does not end a sentence.
const ABBREVIATIONS: &str = " mr. mrs. ms. dr. prof. st. no. nr. vs. etc. e.g. i.e. ca. approx. z.b. d.h. bzw. usw. ";

/// Irregular past forms with their stems.
const IRREGULAR: &[(&str, &str)] = &[
    ("began", "begin"),
    ("bought", "buy"),
    ("brought", "bring"),
    ("built", "build"),
    ("chose", "choose"),
    ("gave", "give"),
    ("held", "hold"),
    ("kept", "keep"),
    ("left", "leave"),
    ("made", "make"),
    ("met", "meet"),
    ("paid", "pay"),
    ("ran", "run"),
    ("said", "say"),
    ("sent", "send"),
    ("told", "tell"),
    ("took", "take"),
    ("went", "go"),
    ("wrote", "write"),
];

/// Splits `text` into sentences, without list marks and empty ones.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches(['-', '*', '#', '>', '•']).trim();
        let mut whole = String::new();
        for piece in line.split_sentence_bounds() {
            whole.push_str(piece);
            if !goes_on(whole.trim_end()) {
                found.push(std::mem::take(&mut whole).trim().to_owned());
            }
        }
        found.push(whole.trim().to_owned());
    }
    found.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    found
}

/// Returns whether the sentence continues after a full stop: after an abbreviation, an initial or a number as in
/// "3. Mai".
fn goes_on(text: &str) -> bool {
    let last = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let Some(stem) = last.strip_suffix('.') else { return false };
    ABBREVIATIONS.contains(&format!(" {} ", last.to_lowercase()))
        || (stem.chars().count() == 1 && stem.chars().all(char::is_alphabetic) && stem != "I")
        || (stem.len() <= 2 && text.len() > last.len() && stem.chars().all(|digit| digit.is_ascii_digit()))
}

/// Returns the words of `text` in lower case, in order.
pub(super) fn words(text: &str) -> Vec<String> {
    text.unicode_words().map(|word| word.to_lowercase().replace('’', "'")).collect()
}

/// Normalizes `text` for comparison: words only, lower case, dates in one form.
pub(super) fn normal(text: &str) -> String {
    words(&dates::rewrite(text)).join(" ")
}

/// Returns whether `word`, in lower case, is a stop word.
pub(super) fn is_stop(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| STOP.split_whitespace().collect());
    WORDS.contains(word)
}

/// Returns the stems of the meaningful words.
pub(super) fn terms(text: &str) -> Terms {
    words(&dates::rewrite(text)).iter().filter(|word| !is_stop(word)).map(|word| stem(word)).collect()
}

/// Removes the most common English endings from a word in lower case.
pub(super) fn stem(word: &str) -> String {
    let word = IRREGULAR.iter().find(|(form, _)| *form == word).map_or(word, |(_, base)| base);
    let mut word = word.strip_suffix("'s").unwrap_or(word).to_owned();
    if !word.is_ascii() {
        return word;
    }
    if word.len() > 4 && word.ends_with("ies") {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us") {
        word.pop();
    }
    for (ending, least) in [("ing", 6), ("ed", 5), ("ly", 5)] {
        if word.len() >= least && word.ends_with(ending) {
            word.truncate(word.len() - ending.len());
            break;
        }
    }
    if word.len() > 3 && word.ends_with('e') {
        word.pop();
    }
    word
}

/// Returns the share of `part` that is in `whole`, from 0 to 1. 0 for an empty `part`.
pub(super) fn containment(part: &Terms, whole: &Terms) -> f64 {
    if part.is_empty() {
        return 0.0;
    }
    let shared = u32::try_from(part.intersection(whole).count()).unwrap_or(u32::MAX);
    f64::from(shared) / f64::from(u32::try_from(part.len()).unwrap_or(u32::MAX))
}

/// Returns `text` with a capital first letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Returns `text` cut to `most` code points, with a mark if it was cut.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
        assert_eq!(
            sentences("We launch on 3. Mai. Dr. Keller knows!\n- Who tells J. Frey? Nobody"),
            ["We launch on 3. Mai.", "Dr. Keller knows!", "Who tells J. Frey?", "Nobody"]
        );
        assert_eq!(sentences("一つ目。二つ目。"), ["一つ目。", "二つ目。"]);
        assert!(sentences(" \n...\n").is_empty());
    }

    #[test]
    fn terms_leave_out_what_says_nothing_and_meet_across_forms() {
        let terms = |text| super::terms(text).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(terms("Who told the printers?"), "printer tell");
        assert_eq!(terms("The printer is telling us"), "printer tell");
        assert_eq!(terms("launches, launched, launching"), "launch");
    }

    #[test]
    fn dates_compare_equal_however_they_are_written() {
        assert_eq!(normal("Launch on the third of May!"), normal("launch on 3 May"));
    }

    #[test]
    fn shortening_counts_code_points() {
        assert_eq!(shorten("äöüß", 4), "äöüß");
        assert_eq!(shorten("äöü ßx", 5), "äöü…");
    }
}
