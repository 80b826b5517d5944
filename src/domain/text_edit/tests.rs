use proptest::prelude::*;

use super::*;

fn replace(value: &str, old: &str, new: &str) -> Result<Replaced, EditFault> {
    super::replace("old_str", value, old, new)
}

fn replaced(value: &str, old: &str, new: &str) -> String {
    replace(value, old, new).unwrap().value
}

#[test]
fn replace_wants_its_old_text_exactly_once() {
    assert_eq!(replace("a b c", "b", "x"), Ok(Replaced { value: "a x c".to_owned(), note: None }));
    assert!(replace("a b c", "z", "x").unwrap_err().0.contains("verbatim"));
    assert!(replace("b\na\nb", "b", "x").unwrap_err().0.contains("occurs 2 times in the block, on lines 1, 3"));
    assert!(replace("aaa", "aa", "x").unwrap_err().0.contains("2 times"), "overlapping ones are two");
    assert!(replace(&"b ".repeat(5_000), "b", "x").unwrap_err().0.len() < 300);
    assert!(replace("abc", "", "x").is_err(), "an empty old text would match everywhere");
}

#[test]
fn text_that_looks_like_a_line_number_is_text_where_the_block_has_it() {
    assert_eq!(replaced("Migrations\n1→2: open", "1→2: open", "1→2: done"), "Migrations\n1→2: done");
    assert_eq!(replaced("abc", "b", "2→ b"), "a2→ bc");
    assert_eq!(insert("a", "1→ b", -1), Ok("a\n1→ b".to_owned()));
}

#[test]
fn line_numbers_in_front_of_a_quotation_are_left_out_if_the_block_has_none() {
    for old in ["1→ one\n2→ two", "     1\tone\n     2\ttwo", "1: one\n2: two", "1|one\n2|two\n"] {
        let found = replace("one\ntwo\nthree", old, "12").unwrap();
        assert!(found.value.starts_with("12") && found.value.ends_with("three"), "{old:?}: {found:?}");
        assert!(found.note.unwrap().contains("Without its line numbers"), "{old:?}");
    }
    assert_eq!(replaced("one\ntwo", "2→two", "2→TWO"), "one\nTWO", "the new text was numbered by the same habit");
    assert!(replace("one\none", "1→one", "x").unwrap_err().0.contains("2 times"));
}

#[test]
fn a_block_keeps_its_form_outside_the_edited_place() {
    for (value, old, new, wanted) in [
        ("one\r\ntwo\r\nthree\r\n", "one\ntwo", "both", "both\r\nthree\r\n"),
        ("one\r\ntwo\r\n", "two", "2\n3", "one\r\n2\r\n3\r\n"),
        ("one\r\ntwo\r\n", "\ntwo", "", "one\r\n"),
        ("cafe\u{301} a\ncafe\u{301} b", "café b", "café c", "cafe\u{301} a\ncafe\u{301} c"),
        ("10\u{a0}km or\u{a0}so", "10 km or", "12 km or", "12\u{a0}km or\u{a0}so"),
        ("he said “no” – twice", "\"no\" - twice", "\"yes\" - once", "he said “yes\" - once"),
        ("a\tb\tc", "a b", "a x", "a\tx\tc"),
        ("می\u{200c}خواهم", "میخواهم", "نه", "نه"),
    ] {
        let found = replace(value, old, new).unwrap();
        assert_eq!(found.value, wanted, "{old:?} in {value:?}");
    }
    let note = replace("10\u{a0}km", "10 km", "x").unwrap().note.unwrap();
    assert!(note.ends_with("the only text that looks like it: \"10\\u{a0}km\""), "{note}");
}

#[test]
fn what_only_looks_like_the_old_text_has_to_be_the_only_one() {
    assert!(replace("10\u{a0}km, 10\u{202f}km", "10 km", "x").unwrap_err().0.contains("2 times"));
    assert_eq!(replaced("10\u{a0}km, 10 km", "10 km", "x"), "10\u{a0}km, x", "to the byte comes first");
    assert_eq!(replaced("👩 and 👩\u{200d}🚀", "👩", "x"), "x and 👩\u{200d}🚀", "whole characters come first");
    assert_eq!(replaced("cafe\u{301}", "cafe", "x"), "x\u{301}", "and what is there to the byte is what it says");
}

#[test]
fn insert_counts_lines_and_adds_no_blank_ones() {
    assert_eq!(insert("", "new", -1), Ok("new".to_owned()));
    assert_eq!(insert("a\nb", "x", 0), Ok("x\na\nb".to_owned()));
    assert_eq!(insert("a\nb", "x\ny", 1), Ok("a\nx\ny\nb".to_owned()));
    assert_eq!(insert("a\nb", "x", -1), Ok("a\nb\nx".to_owned()));
    assert_eq!(insert("a\nb\n", "x", -1), Ok("a\nb\nx\n".to_owned()));
    assert!(insert("a\nb", "x", 3).unwrap_err().0.contains("0 to 2"));
    assert!(insert("a\nb", "x", -2).is_err());
}

#[test]
fn insert_keeps_crlf() {
    assert_eq!(insert("a\r\nb", "x\ny", 1), Ok("a\r\nx\r\ny\r\nb".to_owned()));
    assert_eq!(insert("a\r\nb", "x", -1), Ok("a\r\nb\r\nx".to_owned()));
    assert_eq!(insert("a\r\n", "x\r\n", -1), Ok("a\r\nx\r\n".to_owned()));
}

#[test]
fn a_line_is_found_again_in_what_others_made_of_the_text() {
    let own = "1\n2\n3\n4\n5";
    for (theirs, after, wanted) in [
        ("1\n2\n3\n4\n5", 3, Some(3)),
        ("0\n1\n2\n3\n4\n5", 3, Some(4)),
        ("1\n2\n3\n4\nV", 3, Some(3)),
        ("1\n2\nIII\n4\n5", 3, Some(3)),
        ("1\n2\n3\nIV\n5", 3, Some(3)),
        ("1\n2\n3\nx\n4\n5", 3, Some(4)),
        ("1\n2\nthree and four\n5", 3, None),
        ("0\n1\n2\n3\n4\n5", 0, Some(0)),
        ("1\n2", 5, Some(-1)),
        ("1\n2", -1, Some(-1)),
    ] {
        assert_eq!(carried(own, theirs, after), wanted, "after {after} in {theirs:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_text_that_is_in_the_block_once_is_replaced_to_the_byte(
        head in "[a \r\n\u{301}é→1“👩\u{200d}\u{a0}]{0,8}", old in "[b \r\n\u{301}é→1“👩\u{200d}\u{a0}]{1,8}",
        tail in "[a \r\n\u{301}é→1“👩\u{200d}\u{a0}]{0,8}",
    ) {
        // A space, so that the quotation ends between graphemes.
        let value = format!("{head}<{old}> {tail}");
        let old = format!("<{old}>");
        prop_assert_eq!(replace(&value, &old, "x").unwrap().value, format!("{head}x {tail}"));
    }

    #[test]
    fn what_a_model_makes_of_a_quotation_is_still_found(
        lines in prop::collection::vec("[a-zéüñ가한“”’–\u{a0} ]{1,12}", 2..6), at in 0usize..4, crlf: bool, form in 0usize..4,
    ) {
        use unicode_normalization::UnicodeNormalization as _;

        // A line of its own, so that the quotation is unique.
        let mut lines: Vec<String> = lines;
        let at = at % (lines.len() - 1);
        lines[at].push_str("#1");
        let end = if crlf { "\r\n" } else { "\n" };
        let value = lines.join(end);
        let old = format!("{}\n{}", lines[at], lines[at + 1]);
        let old: String = match form {
            0 => old.nfc().collect(),
            1 => old.nfd().collect(),
            2 => old.replace(['“', '”'], "\"").replace('’', "'").replace('–', "-").replace('\u{a0}', " "),
            _ => old,
        };
        let found = replace(&value, &old, "@");
        prop_assert!(found.is_ok(), "{:?} in {:?}: {:?}", old, value, found);
        let mut wanted = lines.clone();
        wanted.splice(at..at + 2, ["@".to_owned()]);
        let found = found.unwrap().value;
        prop_assert_eq!(found, wanted.join(end));
    }

    #[test]
    fn insertions_give_the_same_lines_whether_or_not_others_edit_elsewhere(
        places in prop::collection::vec(0i64..6, 1..4),
    ) {
        let base = "1\n2\n3\n4\n5\n6\n7\n8\n9";
        let (mut own, mut theirs) = (base.to_owned(), base.replace('9', "nine"));
        for (n, after) in places.iter().enumerate() {
            let new = format!("new {n}");
            let line = carried(&own, &theirs, *after).unwrap();
            theirs = insert(&theirs, &new, line).unwrap();
            own = insert(&own, &new, *after).unwrap();
        }
        prop_assert_eq!(theirs, own.replace('9', "nine"));
    }
}
