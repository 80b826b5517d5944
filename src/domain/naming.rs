//! The names that new agents, groups and blocks may have.
//!
//! Older stores may hold others, so the state accepts more than this ([`super::agent::is_name`],
//! [`super::block::check_label`]); requests, team files and forms check new names with these rules.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

use super::block::folded;
use super::invisible::is_invisible;
use super::pattern::dynamic::DONE;
use super::spelling::LONGEST_NAME;

/// Names of the person, in prompts and on screens.
const PERSON: [&str; 3] = ["you", "user", "the-user"];

/// Checks the name of a new agent.
///
/// # Errors
/// What is wrong with it, to follow the name and a colon.
pub fn check_agent_name(name: &str) -> Result<(), String> {
    check_name(name)?;
    // A name in full-width letters looks the same.
    let plain: String = folded(&name.nfkc().collect::<String>());
    if PERSON.iter().any(|person| looks_like(person, name)) {
        return Err("this name means the user, so an agent cannot have it".to_owned());
    }
    if plain == DONE {
        return Err("choosing this name ends the turn of a dynamic group, so an agent cannot have it".to_owned());
    }
    Ok(())
}

/// Returns true if two names look the same or nearly so, by Unicode's skeletons of confusable characters.
#[must_use]
pub fn looks_like(one: &str, other: &str) -> bool {
    let look = |name: &str| {
        let plain: String = name.nfkc().collect();
        skeleton(&skeleton(&plain).collect::<String>().to_lowercase()).collect::<String>()
    };
    folded(one) == folded(other) || look(one) == look(other)
}

/// Checks the name of a new group.
///
/// # Errors
/// What is wrong with it, to follow the name and a colon.
pub fn check_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Err(format!("it has {length} characters, and {LONGEST_NAME} are the most"));
    }
    // Some letters and combining marks do not show: two names that look alike would differ.
    let plain = |c: char| (c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '-' | '_')) && !is_invisible(c);
    if !name.chars().all(plain) || !name.contains(char::is_alphanumeric) {
        return Err("use letters, digits, - and _".to_owned());
    }
    Ok(())
}

/// Checks the label of a new block.
///
/// # Errors
/// A sentence that says what a label looks like.
pub fn check_new_label(label: &str) -> Result<(), String> {
    super::block::check_label(label)?;
    check_name(label).map_err(|_| super::block::invalid_label(label))
}

/// Returns true if the text that ends a turn of a group would be said with this name.
#[must_use]
pub fn holds_token(name: &str, token: &str) -> bool {
    !token.is_empty() && (name.contains(token) || folded(name) == folded(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_of_any_script_digits_hyphens_and_underscores() {
        for name in ["ann", "Ann-Marie_2", "李雷", "Zoë", "Zoe\u{308}", "नमस्ते", "2nd", "users", "-x"] {
            assert_eq!(check_agent_name(name), Ok(()), "{name}");
        }
        for name in [
            "",
            "a b",
            "a:b",
            "ann.",
            "DONE!",
            "<b>",
            "a\"",
            "a\u{200b}n",
            "a\nb",
            "-",
            "__",
            "🙂",
            "a/b",
            "@a",
            "ann\u{fe0f}",
            "an\u{34f}n",
            "\u{3164}",
            "a\u{1160}",
        ] {
            assert_eq!(check_agent_name(name).unwrap_err(), "use letters, digits, - and _", "{name}");
            assert!(check_new_label(name).unwrap_err().contains("is not a valid block label"), "{name}");
        }
        assert_eq!(check_name(&"é".repeat(64)), Ok(()));
        assert_eq!(check_name(&"é".repeat(65)).unwrap_err(), "it has 65 characters, and 64 are the most");
    }

    #[test]
    fn letters_of_another_script_do_not_make_another_name() {
        for (one, other) in [("ann", "Ann"), ("ann", "\u{430}nn"), ("bob1", "bobl"), ("rn", "m"), ("İ", "i\u{307}")] {
            assert!(looks_like(one, other), "{one} {other}");
        }
        for (one, other) in [("ann", "anna"), ("李雷", "李蕾"), ("bob1", "bob2"), ("Zoë", "Zoe")] {
            assert!(!looks_like(one, other), "{one} {other}");
        }
    }

    #[test]
    fn names_of_the_person_and_of_the_end_of_a_turn_are_no_names_of_agents() {
        // The last begins with a Cyrillic letter.
        for name in ["you", "You", "USER", "user", "ｙｏｕ", "the-user", "\u{443}ou"] {
            assert!(check_agent_name(name).unwrap_err().contains("means the user"), "{name}");
            assert_eq!(check_name(name), Ok(()), "a group may have it");
        }
        assert!(check_agent_name("Done").unwrap_err().contains("ends the turn"));
        assert!(holds_token("READY", "READY") && holds_token("ready", "READY") && holds_token("notREADY", "READY"));
        assert!(!holds_token("ann", "READY") && !holds_token("ann", ""));
    }
}
