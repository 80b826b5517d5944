//! Keys: reads them and keeps them out of all output.
//!
//! A [`Key`] has no `Display`, its `Debug` is `***`, and it is read when a call starts. Every text that may contain one
//! passes [`clean`], answers and the log pass [`blot()`]: both look for all the keys that this program has read and that
//! are long enough to be no other word. [`clean`] is for what a server says of a call: it also masks the key of that
//! call, however short, and what looks like a key.

mod blot;

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ModelError;
use crate::config::{KeySource, begins_like_key};
use crate::domain::invisible::is_invisible;
use crate::text_file;
use blot::MASK;
pub use blot::blot;
pub(super) use blot::{Blotter, blot_json};

/// The environment: returns the value of a variable.
pub type Env = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A key that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The most bytes read of a key file's first line, far above the length of any provider's key.
const LONGEST_KEY: u64 = 16 * 1024;

impl Key {
    /// Takes a key from text, trimmed; `None` if nothing is left.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// Returns the key itself; only for sending it.
    #[must_use]
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// Reads the key now. Returns `Ok(None)` if the server needs none.
///
/// The error is terminal and names the variable or the file. A file is read synchronously.
pub fn read(source: &KeySource, env: &Env) -> Result<Option<Key>, ModelError> {
    let key = match source {
        KeySource::None => return Ok(None),
        KeySource::Env(name) => env(name).and_then(|value| Key::new(&value)).ok_or_else(|| {
            ModelError::terminal(format!("{name} is not set; put the key there, or choose another model"))
        })?,
        KeySource::File(path) => from_file(path, env)?,
    };
    if key.0.chars().all(|c| c.is_ascii_graphic()) {
        blot::remember(&key);
        return Ok(Some(key));
    }
    let place = place(source);
    Err(ModelError::terminal(format!("the key in {place} has a character no key has; copy it again")))
}

fn from_file(path: &Path, env: &Env) -> Result<Key, ModelError> {
    let unreadable = |why: String| ModelError::terminal(format!("cannot read the key file {}: {why}", path.display()));
    let file = text_file::open_regular(&expand(path, env)).map_err(|error| unreadable(error.to_string()))?;
    let mut line = Vec::new();
    BufReader::new(file.take(LONGEST_KEY))
        .read_until(b'\n', &mut line)
        .map_err(|error| unreadable(error.to_string()))?;
    Key::new(&String::from_utf8_lossy(&line)).ok_or_else(|| unreadable("its first line is empty".to_owned()))
}

fn expand(path: &Path, env: &Env) -> PathBuf {
    match (path.strip_prefix("~"), env("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

/// Returns where a key is stored, in words: the variable's name or the file.
#[must_use]
pub fn place(source: &KeySource) -> String {
    match source {
        KeySource::Env(name) => name.clone(),
        KeySource::File(path) => format!("the file {}", path.display()),
        KeySource::None => "no place".to_owned(),
    }
}

/// Makes foreign text safe for a sentence: no key, no control or direction characters, one line, at most 300
/// characters.
#[must_use]
pub fn clean(text: &str, key: Option<&Key>) -> String {
    // Before anything is cut or replaced.
    let (long, short) = match key.map(|key| key.0.as_str()) {
        Some(key) if key.len() < LEAST_WITHIN_WORD => (None, Some(key)),
        key => (key, None),
    };
    let blotted = blot::blot_also(text, long);
    let visible: String =
        blotted.chars().take(20_000).map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect();
    let masked = short.map_or_else(|| visible.clone(), |key| mask_word(&visible, key));
    let words: Vec<&str> =
        masked.split_whitespace().map(|word| if looks_like_key(word) { MASK } else { word }).collect();
    let line = words.join(" ");
    if line.chars().count() <= 300 {
        return line;
    }
    line.chars().take(299).chain(['…']).collect()
}

/// The least bytes of a key that is masked in the middle of a word; a shorter one may be part of any.
const LEAST_WITHIN_WORD: usize = 6;

/// Masks a short key where it is a whole word.
fn mask_word(text: &str, key: &str) -> String {
    let edge = |c: char| !c.is_alphanumeric();
    text.split_inclusive(edge)
        .map(|piece| {
            let word = piece.trim_end_matches(edge);
            if word == key { piece.replacen(word, MASK, 1) } else { piece.to_owned() }
        })
        .collect()
}

fn looks_like_key(word: &str) -> bool {
    let bare = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    begins_like_key(bare)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Env, Key, clean, read};
    use crate::config::KeySource;

    fn env(pairs: &'static [(&str, &str)]) -> Env {
        Arc::new(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_key_never_prints() {
        let key = Key::new(" sk-secret-0123 \n");
        assert_eq!(format!("{key:?}"), "Some(***)");
    }

    #[test]
    fn foreign_text_loses_the_key_and_its_like_and_becomes_one_clean_line() {
        let key = Key::new("hunter2-hunter2");
        let text = "bad key hunter2-hunter2\u{1b}[31m\r\n\u{202e}or 'sk-proj-****wxyz' \t was given";
        assert_eq!(clean(text, key.as_ref()), "bad key *** [31m or *** was given");
        assert_eq!(clean("a bad a, banana", Key::new("a").as_ref()), "*** bad ***, banana");
        assert_eq!(clean(&"x".repeat(5000), None).chars().count(), 300);
    }

    #[test]
    fn a_key_file_gives_its_first_line_and_its_home_is_found() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("k"), "  key-of-mine \nsecond line\n").unwrap();
        let at = home.path().display().to_string();
        let env: Env = Arc::new(move |name| (name == "HOME").then(|| at.clone()));
        assert_eq!(read(&KeySource::File("~/k".into()), &env).unwrap(), Key::new("key-of-mine"));
        let error = read(&KeySource::File("~/gone".into()), &env).unwrap_err().text;
        assert!(error.starts_with("cannot read the key file ~/gone: "), "{error}");
    }

    #[test]
    fn a_missing_or_mangled_key_is_told_by_its_place_and_not_by_its_value() {
        let env = env(&[("BAD", "käy"), ("EMPTY", "  ")]);
        let said = |name: &str| read(&KeySource::Env(name.to_owned()), &env).unwrap_err().text;
        assert_eq!(said("GONE"), "GONE is not set; put the key there, or choose another model");
        assert_eq!(said("EMPTY"), "EMPTY is not set; put the key there, or choose another model");
        assert_eq!(said("BAD"), "the key in BAD has a character no key has; copy it again");
    }
}
