//! Characters that do not show: a text with them looks like one without.

/// True for Unicode's default-ignorable characters and the marks around annotations: soft hyphens, joiners, variation
/// selectors, fillers, tags, marks that direct text.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::is_invisible;

    #[test]
    fn what_shows_or_makes_room_is_visible() {
        for c in "aé新\u{301}👩🏽\u{20e3} \t\n\u{a0}\u{3000}\0".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn all_that_unicode_lets_be_ignored_is_invisible(text in "\\p{Default_Ignorable_Code_Point}") {
            prop_assert!(text.chars().all(is_invisible), "{text:?}");
        }

        #[test]
        fn nothing_else_is(text in "[^\\p{Default_Ignorable_Code_Point}\u{fff9}-\u{fffb}]") {
            prop_assert!(!text.chars().any(is_invisible), "{text:?}");
        }
    }
}
