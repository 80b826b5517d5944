//! Reads a TOML table key by key. Each getter returns a value of the expected type, or adds a fault with its line.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Table, unknown};
use super::{Fault, Name, TeamError};
use crate::toml_file::{self, Lines};

/// Collects the faults and warnings of one file.
pub(super) struct Reader<'a> {
    file: &'a str,
    lines: Lines,
    pub faults: Vec<Fault>,
    warned: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub fn new(text: &str, file: &'a str) -> Self {
        Self { file, lines: Lines::of(text), faults: Vec::new(), warned: Vec::new() }
    }

    /// Returns the line where a span starts, counted from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        self.lines.line(span.start)
    }

    pub fn fault(&mut self, line: usize, text: impl Into<String>) {
        self.faults.push(Fault { file: self.file.to_owned(), line: Some(line), text: text.into() });
    }

    pub fn warn(&mut self, line: usize, text: impl Into<String>) {
        self.warned.push(Fault { file: self.file.to_owned(), line: Some(line), text: text.into() });
    }

    pub fn warnings(&mut self) -> Vec<String> {
        self.warned.sort_by_key(|warned| warned.line);
        self.warned.iter().map(ToString::to_string).collect()
    }

    pub fn into_error(mut self) -> TeamError {
        self.faults.sort_by_key(|fault| fault.line);
        TeamError { faults: self.faults }
    }
}

/// A table of the file with its position.
pub(super) struct Section<'t> {
    table: Table,
    map: &'t DeTable<'t>,
    /// Line where the table starts, counted from 1.
    pub line: usize,
}

impl<'t> Section<'t> {
    /// Opens a table and reports its unknown keys.
    pub fn open(reader: &mut Reader<'_>, table: Table, value: &'t DeTable<'t>, span: &Range<usize>) -> Self {
        for key in value.keys() {
            let name: &str = key.get_ref();
            if !table.keys().contains(&name) {
                let line = reader.line(&key.span());
                reader.fault(line, unknown(table, name));
            }
        }
        Self { table, map: value, line: reader.line(span) }
    }

    /// Opens an inline table on this line.
    pub fn at(reader: &mut Reader<'_>, table: Table, value: &'t DeTable<'t>, line: usize) -> Self {
        Self { line, ..Self::open(reader, table, value, &(0..0)) }
    }

    /// Returns the tables of `[[key]]` with their spans. `brackets` is the full name, such as `[[agent.rule]]`.
    pub fn tables(&self, reader: &mut Reader<'_>, key: &str, brackets: &str) -> Vec<(&'t DeTable<'t>, Range<usize>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.fault(reader, key, format!("is written once per {key}, with two brackets: {brackets}"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in array {
            if let DeValue::Table(map) = item.get_ref() {
                found.push((map, item.span()));
            } else {
                let line = reader.line(&item.span());
                reader.fault(line, format!("each {key} is a table of its own, under the line {brackets}"));
            }
        }
        found
    }

    pub fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.map.get(key)
    }

    /// Returns the line of this key, or of the table if the key is missing.
    pub fn line_of(&self, reader: &Reader<'_>, key: &str) -> usize {
        self.map.get_key_value(key).map_or(self.line, |(key, _)| reader.line(&key.span()))
    }

    /// Adds a fault on this key. The text continues a sentence that starts with the key: "members is …".
    pub fn fault(&self, reader: &mut Reader<'_>, key: &str, text: impl Display) {
        let line = self.line_of(reader, key);
        reader.fault(line, format!("{key} {text}"));
    }

    fn wrong(&self, reader: &mut Reader<'_>, key: &str, wanted: &str, value: &DeValue<'_>) {
        let here = shown(value);
        self.fault(reader, key, format!("of {} is {wanted}; found {here}", self.table.title()));
    }

    /// Returns a text with its line.
    pub fn name(&self, reader: &mut Reader<'_>, key: &str) -> Option<Name> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Name { text: text.to_string(), line: reader.line(&value.span()) }),
            other => {
                self.wrong(reader, key, "a text in quotes", other);
                None
            }
        }
    }

    /// Returns a text.
    pub fn text(&self, reader: &mut Reader<'_>, key: &str) -> Option<String> {
        self.name(reader, key).map(|name| name.text)
    }

    /// Returns a list of texts with their lines.
    pub fn names(&self, reader: &mut Reader<'_>, key: &str) -> Option<Vec<Name>> {
        const LIST: &str = "a list of texts such as [\"one\", \"two\"]";
        let value = self.get(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong(reader, key, LIST, value.get_ref());
            return None;
        };
        let mut names = Vec::new();
        for item in array {
            match item.get_ref() {
                DeValue::String(text) => {
                    names.push(Name { text: text.to_string(), line: reader.line(&item.span()) });
                }
                other => {
                    let line = reader.line(&item.span());
                    let place = self.table.title();
                    reader.fault(line, format!("{key} of {place} is {LIST}; found {} in it", shown(other)));
                }
            }
        }
        Some(names)
    }

    /// Returns an integer in this range.
    pub fn whole(&self, reader: &mut Reader<'_>, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.get(key)?;
        let found = toml_file::whole(value.get_ref()).and_then(|number| u32::try_from(number).ok());
        let found = found.filter(|number| range.contains(number));
        if found.is_none() {
            let wanted = format!("a whole number from {} to {}", range.start(), range.end());
            self.wrong(reader, key, &wanted, value.get_ref());
        }
        found
    }

    /// Returns an integer from 1, up to 64 bits.
    pub fn count(&self, reader: &mut Reader<'_>, key: &str) -> Option<u64> {
        let value = self.get(key)?;
        let found = toml_file::whole(value.get_ref()).filter(|number| *number > 0);
        if found.is_none() {
            self.wrong(reader, key, "a whole number, 1 or more", value.get_ref());
        }
        found
    }

    /// Returns an integer or a float in this range.
    pub fn number(&self, reader: &mut Reader<'_>, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.get(key)?;
        let found = toml_file::number(value.get_ref()).filter(|number| range.contains(number));
        if found.is_none() {
            let wanted = format!("a number from {} to {}", range.start(), range.end());
            self.wrong(reader, key, &wanted, value.get_ref());
        }
        found
    }

    /// Returns a Boolean.
    pub fn truth(&self, reader: &mut Reader<'_>, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong(reader, key, "true or false", value.get_ref());
        }
        found
    }
}

/// Describes a value for an error text.
fn shown(value: &DeValue<'_>) -> Cow<'static, str> {
    match value {
        DeValue::String(text) if text.chars().count() <= 40 => format!("the text {text:?}").into(),
        DeValue::String(_) => "a text".into(),
        DeValue::Integer(number) => number.to_string().into(),
        DeValue::Float(number) => number.to_string().into(),
        DeValue::Boolean(truth) => truth.to_string().into(),
        other => toml_file::noun(other).into(),
    }
}
