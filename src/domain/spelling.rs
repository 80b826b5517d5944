//! Wrong names in errors: quotations and suggestions.

/// The most characters of a name or a label.
pub const LONGEST_NAME: usize = 64;

/// Returns a name as an error shows it: quoted, and cut if it is too long.
#[must_use]
pub fn shown(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

/// The most similar candidate, if at most a third of its letters differ. Ignores case.
#[must_use]
pub fn nearest<'a>(wrong: &str, right: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let near = right.into_iter().map(|one| (strsim::osa_distance(&wrong, &one.to_lowercase()), one));
    let (distance, one) = near.min_by_key(|(distance, _)| *distance)?;
    let bearable = wrong.chars().count().min(one.chars().count()) / 3;
    (distance <= bearable).then_some(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slip_of_the_pen_is_answered_with_a_guess() {
        assert_eq!(nearest("memebrs", ["members", "name"]), Some("members"));
        assert_eq!(nearest("max_turn", ["max_turns", "members"]), Some("max_turns"));
        assert_eq!(nearest("colour", ["members", "name"]), None);
        assert_eq!(nearest("x", ["y"]), None, "a whole word for another is no slip");
    }

    #[test]
    fn a_swap_a_drop_a_change_and_an_addition_are_slips() {
        for slip in ["modle", "mdel", "nodel", "modell"] {
            assert_eq!(nearest(slip, ["glyphs", "model"]), Some("model"), "{slip}");
        }
        assert_eq!(nearest("", ["model"]), None);
    }
}
