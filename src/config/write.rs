//! Changes single values of `config.toml` and keeps everything else, including comments, as the user wrote it.
//!
//! The new text is checked, written to a temporary file beside the old one, synced, and renamed over it: a reader sees
//! the old file or the new one. Only the owner may read the result (0600).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, value};

use crate::text_file;
use crate::toml_file::Lines;

use super::{Config, ConfigError, Glyphs, KeySource, MOST_BYTES, Provider};

/// A single value that the interface saves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The model of agents that have none.
    Model(String),
    /// The theme.
    Theme(String),
    /// The glyph set.
    Glyphs(Glyphs),
}

/// Writes `[provider.NAME]`, and the default model if one is given; the provider's limits stay as they are. Returns the new
/// configuration.
///
/// # Errors
/// [`ConfigError`] if the file is unreadable, was invalid before or would be invalid, or cannot be written. It is then
/// unchanged.
pub fn save_provider(path: &Path, name: &str, provider: &Provider, model: Option<&str>) -> Result<Config, ConfigError> {
    edit(path, |document| {
        let Some(entry) = provider_table(document, name) else { return };
        set(entry, "kind", Some(value(<&str>::from(provider.kind))));
        set(entry, "base_url", provider.base_url.clone().map(value));
        let (env, file) = match &provider.key {
            KeySource::Env(name) => (Some(value(name)), None),
            KeySource::File(path) => (None, Some(value(path.display().to_string()))),
            KeySource::None => (None, None),
        };
        set(entry, "key_env", env);
        set(entry, "key_file", file);
        set(entry, "max_parallel", provider.max_parallel.map(|number| value(i64::from(number))));
        if let Some(model) = model {
            put(document, "model", model);
        }
    })
}

/// Writes one value. Returns the new configuration.
///
/// # Errors
/// As [`save_provider`].
pub fn save_choice(path: &Path, choice: &Choice) -> Result<Config, ConfigError> {
    edit(path, |document| match choice {
        Choice::Model(model) => put(document, "model", model),
        Choice::Theme(theme) => put(document, "theme", theme),
        Choice::Glyphs(glyphs) => put(document, "glyphs", glyphs.into()),
    })
}

fn put(document: &mut DocumentMut, key: &str, text: &str) {
    set(document.as_table_mut(), key, Some(value(text)));
}

/// Replaces a value and keeps the comment after it; `None` removes the line.
fn set(table: &mut Table, key: &str, item: Option<Item>) {
    let Some(mut item) = item else {
        table.remove(key);
        return;
    };
    if let (Some(old), Some(new)) = (table.get(key).and_then(Item::as_value), item.as_value_mut()) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(key, item);
}

/// The table of this provider, created if missing and expanded if written inline.
fn provider_table<'a>(document: &'a mut DocumentMut, name: &str) -> Option<&'a mut Table> {
    let hidden = || {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    };
    let all = spelled_out(document.as_table_mut().entry("provider").or_insert_with(hidden))?;
    spelled_out(all.entry(name).or_insert_with(|| Item::Table(Table::new())))
}

fn spelled_out(item: &mut Item) -> Option<&mut Table> {
    if let Some(inline) = item.as_inline_table() {
        *item = Item::Table(inline.clone().into_table());
    }
    item.as_table_mut()
}

fn edit(path: &Path, change: impl FnOnce(&mut DocumentMut)) -> Result<Config, ConfigError> {
    let file = path.display().to_string();
    let old = match text_file::read(path, MOST_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
    };
    Config::parse(&old, &file)?;
    let mut document: DocumentMut = old.parse().map_err(|error: toml_edit::TomlError| ConfigError::Bad {
        file: file.clone(),
        line: Lines::of(&old).line(error.span().map_or(0, |span| span.start)),
        text: error.message().replace('\n', "; "),
    })?;
    change(&mut document);
    let new = document.to_string();
    let config = Config::parse(&new, &file)?;
    replace(path, &new).map_err(|source| ConfigError::Write { path: path.to_owned(), source })?;
    Ok(config)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let target = behind_links(path);
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let beside = dir.join(format!(".{name}.{}.new", std::process::id()));
    let written = text_file::write_own(&beside, text.as_bytes()).and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        // Best effort: the first error is the one to report.
        let _ = fs::remove_file(&beside);
        return written;
    }
    File::open(dir)?.sync_all()
}

/// The target of a symbolic link: the configuration may be a link into a repository, and the link must stay.
fn behind_links(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
