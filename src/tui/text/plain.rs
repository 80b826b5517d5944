//! The filter of text that is entered or copied. Unlike [`super::clean`], which is for drawing, it keeps every
//! character that belongs to the text, whether it shows or not: joiners, variation selectors, direction marks.

use std::borrow::Cow;

/// Returns `text` without control characters: line breaks become `\n`, tabs stay, escape sequences are removed as a
/// whole. Borrows if nothing changes; linear in the length of `text`.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {
                out.push('\n');
                rest = rest.strip_prefix('\n').unwrap_or(rest);
            }
            '\u{85}' => out.push('\n'),
            '\u{1b}' => rest = behind_sequence(rest),
            '\u{9b}' => rest = behind_control(rest).unwrap_or(rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => rest = behind_string(rest).unwrap_or(rest),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Like [`plain`], for a single line: line breaks become spaces.
#[must_use]
pub fn plain_line(text: &str) -> Cow<'_, str> {
    match plain(text) {
        plain if !plain.contains('\n') => plain,
        plain => Cow::Owned(plain.replace('\n', " ")),
    }
}

/// What follows the sequence that an ESC begins; an ESC that begins none stands alone.
fn behind_sequence(rest: &str) -> &str {
    let behind = match rest.as_bytes().first() {
        Some(b'[') => behind_control(&rest[1..]),
        Some(b']' | b'P' | b'X' | b'^' | b'_') => behind_string(&rest[1..]),
        _ => None,
    };
    behind.unwrap_or(rest)
}

/// What follows the parameters and the final byte of a control sequence; `None` if it has no final byte.
fn behind_control(rest: &str) -> Option<&str> {
    let len = rest.bytes().take_while(|b| matches!(b, 0x20..=0x3f)).count();
    matches!(rest.as_bytes().get(len), Some(0x40..=0x7e)).then(|| &rest[len + 1..])
}

/// What follows a control string (a title, a clipboard request); `None` if it has no end, or more than one line.
fn behind_string(rest: &str) -> Option<&str> {
    let end = rest.find(['\u{7}', '\u{1b}', '\u{9c}', '\n', '\r'])?;
    let rest = &rest[end..];
    rest.strip_prefix(['\u{7}', '\u{9c}']).or_else(|| rest.strip_prefix("\u{1b}\\"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_belongs_to_a_text_is_kept() {
        for text in [
            "می\u{200c}خواهم",
            "❤\u{fe0f} 1\u{fe0f}\u{20e3} 👩\u{200d}🚀 👍🏽",
            "क्\u{200d}ष",
            "soft\u{ad}hyphen \u{200f}\u{202b}right\u{202c} \u{2066}x\u{2069}\u{feff}",
            "tab\there\nand a line\u{2028}break",
        ] {
            assert!(matches!(plain(text), Cow::Borrowed(_)), "{text:?}");
        }
    }

    #[test]
    fn control_characters_are_removed() {
        assert_eq!(plain("a\r\nb\rc\u{85}d"), "a\nb\nc\nd");
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m \u{9b}2Jx\u{0}\u{7f}\u{8}\u{84}"), "red x");
        assert_eq!(plain("\u{1b}]52;c;aGk=\u{7}a\u{1b}]0;title\u{1b}\\b\u{90}q\u{9c}c"), "abc");
        assert_eq!(plain("\u{1b}hello \u{1b}]no end\nnext \u{1b}[31"), "hello ]no end\nnext [31");
        assert_eq!(plain_line("a\r\nb"), "a b");
    }

    proptest! {
        #[test]
        fn only_control_characters_and_their_sequences_go(text in "[a\\[\\];0m\u{1b}\u{7}\u{9b}\r\n\t\u{200d}é👩]{0,30}") {
            let kept = plain(&text).into_owned();
            prop_assert!(!kept.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
            prop_assert_eq!(plain(&kept), kept.as_str(), "again it changes nothing");
            let sparse = |text: &str| text.chars().filter(|c| "é👩\u{200d}\t".contains(*c)).collect::<String>();
            if !text.contains(['\u{1b}', '\u{9b}']) {
                prop_assert_eq!(sparse(&kept), sparse(&text));
            }
        }
    }
}
