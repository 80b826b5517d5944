//! Helpers to read TOML files without serde, shared by team files, the configuration and themes.
//!
//! Each of these checks its own keys over toml's spans, because serde's messages name Rust types where a person needs
//! the allowed keys and values. This file holds the common part: line numbers, syntax errors, the order of the keys,
//! and numbers.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// An error with its position in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Offset in bytes from the start of the text.
    pub at: usize,
    /// What is wrong and what is allowed, without the file name and the line.
    pub text: String,
}

impl Fault {
    /// Creates a fault at the start of this span.
    #[must_use]
    pub fn at(span: &Range<usize>, text: impl Into<String>) -> Self {
        Self { at: span.start, text: text.into() }
    }
}

/// Byte offsets of the line ends of a text, to convert offsets to line numbers.
#[derive(Debug, Clone)]
pub struct Lines(Vec<usize>);

impl Lines {
    /// Finds the line ends of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// Returns the number of the line that holds the byte at this offset, counted from 1.
    #[must_use]
    pub fn line(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }
}

/// A key with its span in the text.
pub type Key<'t> = Spanned<Cow<'t, str>>;

/// Parses a TOML text.
///
/// # Errors
/// The first syntax error, as one line.
pub fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Fault> {
    DeTable::parse(text).map_err(|error| {
        let said = error.message().trim().lines().collect::<Vec<_>>().join("; ");
        Fault::at(&error.span().unwrap_or(0..0), said)
    })
}

/// Returns the entries in the order of the file, so that the first reported fault is the first in the file.
#[must_use]
pub fn in_order<'a, 't>(table: &'a DeTable<'t>) -> Vec<(&'a Key<'t>, &'a Spanned<DeValue<'t>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Returns the value of an integer that is not negative, otherwise `None`.
#[must_use]
pub fn whole(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
        _ => None,
    }
}

/// Returns the value of an integer or a float, otherwise `None`.
#[must_use]
pub fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(digits) => i32::from_str_radix(digits.as_str(), digits.radix()).ok().map(f64::from),
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        _ => None,
    }
}

/// Returns the texts, numbers and switches of a table as JSON; anything else in it is null.
#[must_use]
pub fn plain(table: &DeTable<'_>) -> serde_json::Map<String, serde_json::Value> {
    let value = |value: &DeValue<'_>| match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(truth) => (*truth).into(),
        other => match whole(other) {
            Some(count) => count.into(),
            None => number(other).into(),
        },
    };
    in_order(table).into_iter().map(|(key, one)| (key.get_ref().to_string(), value(one.get_ref()))).collect()
}

/// Names the kind of a value for an error text. Never contains the value itself, which could be a secret.
#[must_use]
pub fn noun(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_on_the_line_that_holds_it() {
        let lines = Lines::of("a\nbc\n\nd");
        assert_eq!([0, 1, 2, 4, 5, 6, 9].map(|at| lines.line(at)), [1, 1, 2, 2, 3, 4, 4]);
    }

    #[test]
    fn entries_come_as_they_are_written_and_what_is_no_toml_is_one_line() {
        let read = parse("b = 0x10\na = 2.5\n").unwrap();
        let keys: Vec<&str> = in_order(read.get_ref()).iter().map(|(key, _)| key.get_ref().as_ref()).collect();
        assert_eq!(keys, ["b", "a"]);
        let values: Vec<_> = in_order(read.get_ref()).iter().map(|(_, value)| number(value.get_ref())).collect();
        assert_eq!(values, [Some(16.0), Some(2.5)]);
        let fault = parse("a = 1\n= 3").unwrap_err();
        assert_eq!((fault.at, fault.text.contains('\n')), (6, false), "{fault:?}");
    }
}
