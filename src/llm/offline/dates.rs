//! Normalizes dates and numbers in text: "the third of May" becomes "3 May".
//!
//! Only absolute dates are recognized; "tomorrow" is unchanged.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const GERMAN: [&str; 12] = [
    "januar",
    "februar",
    "märz",
    "april",
    "mai",
    "juni",
    "juli",
    "august",
    "september",
    "oktober",
    "november",
    "dezember",
];
const ORDINALS: [&str; 20] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
];
/// Words for times other than dates and months.
const WHEN: &str = " monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday tonight spring \
    summer autumn fall winter january february march april june july august september october november december \
    week month noon midnight morning evening ";

/// Rewrites all dates in `text` to the form "3 May" or "3 May 2026", for comparison.
pub(super) fn rewrite(text: &str) -> String {
    with_dates(text, false)
}

/// Rewrites dates as [`rewrite`], for display: dates in other languages are unchanged.
pub(super) fn tidy(text: &str) -> String {
    with_dates(text, true)
}

fn with_dates(text: &str, english: bool) -> String {
    let pieces: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < pieces.len() {
        let date = date_at(&pieces[at..])
            .filter(|(_, length)| !english || pieces[at..at + length].iter().all(|piece| is_english(piece)));
        if let Some((date, length)) = date {
            let last = pieces[at + length - 1];
            out.push_str(&date);
            out.push_str(&last[core_of(last).1..]);
            at += length;
        } else {
            out.push_str(pieces[at]);
            at += 1;
        }
    }
    out
}

/// Returns the numbers in `text` in order. Those of dates include the month: "3 may", "12".
pub(super) fn numbers(text: &str) -> Vec<String> {
    let text = rewrite(text);
    let words: Vec<&str> = text.split_whitespace().map(|piece| core_of(piece).0).collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if word.starts_with(|digit: char| digit.is_ascii_digit()) {
            let month = words.get(at + 1).and_then(|next| month(next));
            found.push(month.map_or_else(|| (*word).to_owned(), |month| format!("{word} {}", MONTHS[month])));
        }
    }
    found
}

/// Returns whether `text` contains a time.
pub(super) fn tells_when(text: &str) -> bool {
    let text = rewrite(text);
    let mut before = "";
    for piece in text.split_whitespace() {
        let word = core_of(piece).0;
        let lower = word.to_lowercase();
        let clock = word.split_once(':').is_some_and(|(hour, minute)| is_number(hour) && is_number(minute));
        let dated = is_number(before) && month(word).is_some();
        let year = word.len() == 4 && is_number(word) && (word.starts_with("19") || word.starts_with("20"));
        let iso = word.len() == 10 && word.split('-').count() == 3 && word.split('-').all(is_number);
        if clock || dated || year || iso || word == "May" || (!word.is_empty() && WHEN.contains(&format!(" {lower} ")))
        {
            return true;
        }
        before = word;
    }
    false
}

/// Returns false for the months of other languages.
fn is_english(piece: &str) -> bool {
    let word = core_of(piece).0;
    let is = |names: &[&str; 12]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    is(&MONTHS) || !is(&GERMAN)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|digit| digit.is_ascii_digit())
}

/// Parses a date at the start of `pieces`. Returns its normal form and the number of pieces it consists of.
fn date_at(pieces: &[&str]) -> Option<(String, usize)> {
    let word = |at: usize| pieces.get(at).map_or("", |piece| core_of(piece).0);
    // The end of a clause also ends a date.
    let open =
        |at: usize| pieces.get(at).is_some_and(|piece| !piece.trim_end().ends_with([',', ';', ':', '!', '?', ')']));
    let mut at = usize::from(word(0).eq_ignore_ascii_case("the"));
    let (day, month) = if let Some(day) = day(word(at), true) {
        if !open(at) {
            return None;
        }
        at += 1;
        if word(at).eq_ignore_ascii_case("of") {
            at += 1;
        }
        (day, month(word(at))?)
    } else {
        let month = month(word(at)).filter(|_| at == 0 && word(0).starts_with(char::is_uppercase) && open(0))?;
        at += 1;
        if word(at).eq_ignore_ascii_case("the") {
            at += 1;
        }
        (day(word(at), pieces.get(at).is_none_or(|piece| !piece.starts_with('$')))?, month)
    };
    let year = Some(word(at + 1)).filter(|year| year.len() == 4 && is_number(year) && ends_open(pieces[at]));
    let date = format!("{day} {}", MONTHS[month]);
    Some(match year {
        Some(year) => (format!("{date} {year}"), at + 2),
        None => (date, at + 1),
    })
}

/// Returns whether a year can follow `piece`: "May 3, 2026" has a comma, not a full stop.
fn ends_open(piece: &str) -> bool {
    !piece.trim_end().ends_with(['.', ';', '!', '?', ')'])
}

/// Returns the word in `piece` without the punctuation around it, and the offset of its end.
fn core_of(piece: &str) -> (&str, usize) {
    let end = piece.trim_end_matches(|sign: char| !sign.is_alphanumeric()).len();
    let start = end - piece[..end].trim_start_matches(['(', '"', '\'', '“', '‘']).len();
    (&piece[start..end], end)
}

fn day(word: &str, plain: bool) -> Option<u8> {
    let lower = word.to_lowercase();
    if let Some(nth) = ORDINALS.iter().position(|ordinal| *ordinal == lower) {
        return u8::try_from(nth + 1).ok();
    }
    for (tens, base) in [("twenty-", 20), ("thirty-", 30)] {
        if let Some(unit) = lower.strip_prefix(tens) {
            let nth = ORDINALS.iter().take(9).position(|ordinal| *ordinal == unit)?;
            return u8::try_from(base + nth + 1).ok().filter(|day| *day <= 31);
        }
    }
    if lower == "thirtieth" {
        return Some(30);
    }
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
    digits.parse().ok().filter(|day| (1..=31).contains(day) && plain && is_number(digits))
}

fn month(word: &str) -> Option<usize> {
    let lower = word.to_lowercase();
    let is = |name: &str| name.to_lowercase() == lower || (lower.len() == 3 && name.to_lowercase().starts_with(&lower));
    MONTHS.iter().position(|name| is(name)).or_else(|| GERMAN.iter().position(|name| *name == lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_date_becomes_one() {
        for written in
            ["the third of May", "3 May", "3rd of May", "May 3", "May the third", "3. Mai", "May 3rd", "3 may"]
        {
            assert_eq!(
                rewrite(&format!("We launch on {written}, they say.")),
                "We launch on 3 May, they say.",
                "{written}"
            );
        }
        assert_eq!(rewrite("on May 3, 2026."), "on 3 May 2026.");
        assert_eq!(tidy("am 3. Mai, on May 3rd"), "am 3. Mai, on 3 May");
        assert_eq!(rewrite("the twenty-first of June 2027!"), "21 June 2027!");
    }

    #[test]
    fn what_is_no_date_stays_as_it_was() {
        for text in
            ["You may 3 times try", "the first man", "on 45 May", "3, May agreed", "", "  two  spaces ", "im Mai"]
        {
            assert_eq!(rewrite(text), text);
        }
    }

    #[test]
    fn numbers_carry_their_month() {
        assert_eq!(numbers("12 hives since the third of May"), ["12", "3 May"]);
        assert!(numbers("no hive").is_empty());
    }

    #[test]
    fn when_is_told_by_dates_days_seasons_and_clocks() {
        for text in
            ["on the third of May", "some time in spring", "at 10:30", "on Friday", "2026-05-03", "in 2027", "in May"]
        {
            assert!(tells_when(text), "{text}");
        }
        assert!(!tells_when("Mira may keep 12 bees"));
    }
}
