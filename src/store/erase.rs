//! Takes texts out of a store for good: out of rows, the log, messages, versions and the search index.
//!
//! No program may have the store open, so that no text is left in a memory. All is one transaction, at the end of which
//! the log is replayed from a new base; if anything does not agree, or a text is part of a name or an id, nothing is done.
//! The file is written anew afterwards, so that no free page keeps what was erased.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use super::backup::CopyError;
use super::connection::Sql;
use super::error::{Fault, sentence};
use super::owner::StoreLock;
use super::tables::{json, lossy};
use super::terms::Terms;
use super::{Options, StoreError, base, file, replay, schema};
use crate::domain::state::Kind;
use crate::domain::{BlockId, Content};

/// What stands in the place of an erased text. Not longer than any text that can be erased, so that no limit is exceeded.
pub const ERASED: &str = "███";
/// The fewest characters of a text to erase.
pub const FEWEST: usize = 3;
/// The fewest characters of a line of a block that is erased wherever else it is: shorter ones are said by chance.
const FEWEST_OF_A_LINE: usize = 12;
/// The most lines of a block.
const MOST_LINES: usize = 100_000;

/// The keys of JSON under which a text is free: somebody wrote it, and nothing rests on it.
const FREE: [&str; 24] = [
    "after",
    "answer",
    "arguments",
    "before",
    "causes",
    "description",
    "error",
    "from_file",
    "instruction",
    "kept",
    "outcome",
    "pieces",
    "queued",
    "reason",
    "reasoning",
    "signals",
    "system",
    "tags",
    "task",
    "termination_token",
    "text",
    "value",
    "why",
    "word",
];
/// Of those, under which all strings are free, however deep; in the others, only a string, a list of strings or a further
/// free key is.
const WHOLE: [&str; 2] = ["arguments", "kept"];

/// What is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erase {
    /// A text, wherever it is, whatever the case of its ASCII letters.
    Text(String),
    /// All versions of a block, and their lines wherever else they are.
    Block(BlockId),
}

/// What was erased of a file, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedFile {
    /// The file.
    pub path: PathBuf,
    /// How many rows of each kind have the text.
    pub rows: BTreeMap<String, u64>,
    /// Why nothing was done in it; `None` if it was.
    pub skipped: Option<String>,
}

/// Erases from a store, which no program may have open, and from copies of it; without `really`, only counts. Blocks for
/// as long as that takes.
///
/// # Errors
/// [`CopyError`] if a program owns the store, the text is too short or part of a name, or the store is damaged. Nothing is
/// changed then, neither in the store nor in a copy.
pub fn erase(store: &Path, what: &Erase, copies: &[PathBuf], really: bool) -> Result<Vec<ErasedFile>, CopyError> {
    if file::identity(store).is_none() {
        return Err(CopyError::Failed(format!("there is no store {}", store.display())));
    }
    let lock = StoreLock::take(store)?;
    let path = lock.path();
    let sql = Sql::writing(path, &Options::default(), &Arc::default())?;
    schema::migrate(&sql, path, schema::MIGRATIONS)?;
    let sought = Sought::of(&sql, what).map_err(|fault| fault.opening(path))??;
    let mut erased = vec![in_file(&sql, path, &sought, really)?];
    for copy in copies {
        erased.push(in_copy(copy, &sought, really));
    }
    Ok(erased)
}

/// Erases from a copy of this version; any other is left as it is.
fn in_copy(path: &Path, sought: &Sought, really: bool) -> ErasedFile {
    let skipped = |why: String| ErasedFile { path: path.to_owned(), rows: BTreeMap::new(), skipped: Some(why) };
    // Somebody may look into a copy, or go on with it as a store of its own.
    if let Some(holder) = StoreLock::owner(path) {
        return skipped(holder.to_string());
    }
    let opened = file::refuse_irregular(path).and_then(|()| Sql::writing(path, &Options::default(), &Arc::default()));
    let sql = match opened.and_then(|sql| schema::verify(&sql, path).map(|()| sql)) {
        Ok(sql) => sql,
        Err(StoreError::Older { .. }) => return skipped("it was written by an older version".to_owned()),
        Err(fault) => return skipped(fault.to_string()),
    };
    in_file(&sql, path, sought, really).unwrap_or_else(|error| skipped(error.to_string()))
}

fn in_file(sql: &Sql, path: &Path, sought: &Sought, really: bool) -> Result<ErasedFile, CopyError> {
    let failed = |error: rusqlite::Error| CopyError::Store(file::refused(path, sentence(&error)));
    let run = |statement: &str| sql.conn().execute_batch(statement).map_err(failed);
    sql.conn().pragma_update(None, "secure_delete", true).map_err(failed)?;
    run("BEGIN IMMEDIATE")?;
    let done = redact(sql, sought).map_err(|fault| CopyError::Store(fault.opening(path))).and_then(|found| found);
    let keep = really && done.as_ref().is_ok_and(|rows| !rows.is_empty());
    run(if keep { "COMMIT" } else { "ROLLBACK" })?;
    let rows = done?;
    if keep {
        // The file anew, without free pages, and nothing in its log.
        let empty = || sql.conn().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed);
        empty()?;
        run("VACUUM")?;
        empty()?;
    }
    Ok(ErasedFile { path: path.to_owned(), rows, skipped: None })
}

/// What is sought.
struct Sought {
    texts: Option<AhoCorasick>,
    /// The block whose versions become empty.
    block: Option<BlockId>,
}

impl Sought {
    fn of(sql: &Sql, what: &Erase) -> Result<Result<Self, CopyError>, Fault> {
        let refused = |text: String| Ok(Err(CopyError::Failed(text)));
        match what {
            Erase::Text(text) if text.trim().chars().count() < FEWEST => {
                refused(format!("{text:?} is too short to be erased everywhere; give {FEWEST} characters or more"))
            }
            Erase::Text(text) => Ok(Self::new(std::slice::from_ref(text), None)),
            Erase::Block(id) => {
                let values = "SELECT body ->> '$.value' FROM revision WHERE block = ?1";
                let mut lines = BTreeSet::new();
                let mut versions = 0;
                sql.each(values, [id.as_str()], |row| {
                    versions += 1;
                    let value = lossy(row, 0)?;
                    let long = |line: &&str| line.trim().chars().count() >= FEWEST_OF_A_LINE;
                    lines.extend(value.lines().filter(long).map(|line| line.trim().to_owned()));
                    Ok(lines.len() <= MOST_LINES)
                })?;
                if versions == 0 {
                    return refused(format!("there are no versions of block {id}"));
                }
                if lines.len() > MOST_LINES {
                    let text = format!("the versions of block {id} have more than {MOST_LINES} different lines");
                    return refused(format!("{text}; erase its texts one by one"));
                }
                Ok(Self::new(&lines.into_iter().collect::<Vec<_>>(), Some(id.clone())))
            }
        }
    }

    fn new(texts: &[String], block: Option<BlockId>) -> Result<Self, CopyError> {
        if texts.is_empty() {
            return Ok(Self { texts: None, block });
        }
        let built =
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).ascii_case_insensitive(true).build(texts);
        let texts = built.map_err(|error| CopyError::Failed(format!("the texts cannot be sought: {error}")))?;
        Ok(Self { texts: Some(texts), block })
    }

    fn is_in(&self, text: &str) -> bool {
        self.texts.as_ref().is_some_and(|texts| texts.is_match(text))
    }

    /// A single text has to be gone everywhere. A line of a block that is also a name stays one.
    fn is_strict(&self) -> bool {
        self.block.is_none()
    }
}

/// Erases inside the transaction of the caller. Returns how many rows of each kind had a text.
fn redact(sql: &Sql, sought: &Sought) -> Result<Result<BTreeMap<String, u64>, CopyError>, Fault> {
    let mut work = Work { sought, found: BTreeMap::new(), fixed: None };
    for kind in Kind::ALL {
        work.table(sql, kind.table(), "position", kind.noun())?;
    }
    work.table(sql, "changes", "n", "log entry")?;
    work.table(sql, "step", "n", "step")?;
    work.table(sql, "revision", "n", "version of a block")?;
    let messages = work.table(sql, "message", "n", "message")?;
    work.columns(sql)?;
    if let Some(place) = work.fixed {
        return Ok(Err(CopyError::Failed(format!(
            "the text is part of {place}, on which other things rest; rename that first, or erase a longer text"
        ))));
    }
    if work.found.is_empty() {
        return Ok(Ok(work.found));
    }
    if messages {
        index(sql)?;
    }
    base::write(sql)?;
    let report = replay::check(sql)?;
    Ok(match report.differences.first() {
        None => Ok(work.found),
        Some(first) => {
            Err(CopyError::Failed(format!("without the text the log would not agree with the rows ({first})")))
        }
    })
}

struct Work<'a> {
    sought: &'a Sought,
    found: BTreeMap<String, u64>,
    /// Where a text is that cannot be erased.
    fixed: Option<String>,
}

impl Work<'_> {
    /// Erases from the bodies of a table. Returns true if there was anything to erase.
    fn table(&mut self, sql: &Sql, table: &str, number: &str, noun: &str) -> Result<bool, Fault> {
        let mut changed: Vec<(i64, String)> = Vec::new();
        let block = if table == "revision" { "block" } else { "''" };
        let query = format!("SELECT {number}, body, {block} FROM {table} WHERE body IS NOT NULL");
        sql.each(&query, [], |row| {
            let (at, body): (i64, String) = (row.get(0)?, lossy(row, 1)?);
            // What cannot be read is sought in as it is, below.
            let Ok(mut value) = serde_json::from_str::<Value>(&body) else {
                if self.sought.is_in(&body) {
                    self.fixed.get_or_insert_with(|| format!("a damaged {noun}"));
                }
                return Ok(true);
            };
            let of = |id: &BlockId| lossy(row, 2).is_ok_and(|of| of == id.as_str());
            let mut differs = self.sought.block.as_ref().is_some_and(of) && empty(&mut value);
            differs |= self.value(&mut value, Place { free: false, whole: false }, noun, "");
            if differs {
                changed.push((at, json(&value)?));
            }
            Ok(true)
        })?;
        if changed.is_empty() {
            return Ok(false);
        }
        let update = format!("UPDATE {table} SET body = ?2 WHERE {number} = ?1");
        for (at, body) in &changed {
            sql.run(&update, (at, body))?;
        }
        let count = u64::try_from(changed.len()).unwrap_or(u64::MAX);
        *self.found.entry(noun.to_owned()).or_default() += count;
        Ok(true)
    }

    /// Erases from a value of JSON. Returns true if there was anything to erase.
    fn value(&mut self, value: &mut Value, place: Place, noun: &str, key: &str) -> bool {
        match value {
            Value::String(text) if !self.sought.is_in(text) => false,
            Value::String(text) if place.free => {
                if let Some(texts) = &self.sought.texts {
                    *text = texts.replace_all(text, &vec![ERASED; texts.patterns_len()]);
                }
                true
            }
            Value::String(_) => {
                if self.sought.is_strict() {
                    self.fixed.get_or_insert_with(|| format!("{key:?} of a {noun}"));
                }
                false
            }
            Value::Array(items) => {
                let mut differs = false;
                for item in items {
                    differs |= self.value(item, place, noun, key);
                }
                differs
            }
            Value::Object(_) => {
                let mut differs = self.sought.block.as_ref().is_some_and(|id| is_of(value, id)) && empty(value);
                let Value::Object(fields) = value else { return differs };
                for (key, value) in fields {
                    if self.sought.is_strict() && self.sought.is_in(key) {
                        self.fixed.get_or_insert_with(|| format!("the key {key:?} in a {noun}"));
                    }
                    let whole = place.whole || WHOLE.contains(&key.as_str());
                    let free = whole || FREE.contains(&key.as_str());
                    differs |= self.value(value, Place { free, whole }, noun, key);
                }
                differs
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Looks for a text where names and ids are.
    fn columns(&mut self, sql: &Sql) -> Result<(), Fault> {
        if !self.sought.is_strict() {
            return Ok(());
        }
        let mut queries = vec![("the name of a speaker".to_owned(), "SELECT DISTINCT name FROM message".to_owned())];
        for kind in Kind::ALL {
            let (noun, table) = (kind.noun(), kind.table());
            queries.push((format!("the id of a {noun}"), format!("SELECT key FROM {table}")));
            queries.push((
                format!("the name of a {noun}"),
                format!("SELECT lookup FROM {table} WHERE lookup IS NOT NULL"),
            ));
        }
        for (place, query) in queries {
            sql.each(&query, [], |row| {
                if self.sought.is_in(&lossy(row, 0)?) {
                    self.fixed.get_or_insert_with(|| place.clone());
                }
                Ok(self.fixed.is_none())
            })?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Place {
    free: bool,
    whole: bool,
}

/// True for the row of the block or a version of it, wherever it is kept: a change that can be taken back has some, too.
fn is_of(value: &Value, id: &BlockId) -> bool {
    let named = ["id", "block"].iter().any(|key| value.get(key).and_then(Value::as_str) == Some(id.as_str()));
    named && (value.get("value").is_some() || value.get("from_file").is_some())
}

/// Empties the value of a block or of a version of it.
fn empty(value: &mut Value) -> bool {
    let mut differs = false;
    for key in ["value", "from_file"] {
        if let Some(Value::String(text)) = value.get_mut(key)
            && !text.is_empty()
        {
            text.clear();
            differs = true;
        }
    }
    differs
}

/// Makes the search index anew.
fn index(sql: &Sql) -> Result<(), Fault> {
    sql.run("INSERT INTO message_search (message_search) VALUES ('delete-all')", [])?;
    let mut texts: Vec<(i64, String, String)> = Vec::new();
    let mut after = i64::MIN;
    loop {
        // A part at a time: all texts of a long conversation need not be in memory.
        sql.each("SELECT n, body, conversation FROM message WHERE n > ?1 ORDER BY n LIMIT 1000", [after], |row| {
            texts.push((row.get(0)?, lossy(row, 1)?, lossy(row, 2)?));
            Ok(true)
        })?;
        let Some((last, _, _)) = texts.last() else { return Ok(()) };
        after = *last;
        for (n, body, conversation) in texts.drain(..) {
            let Ok(Content::Text { text, .. }) = serde_json::from_str(&body) else { continue };
            let terms = Terms::of(&text);
            sql.run(
                "INSERT INTO message_search (rowid, words, pairs, signs, conversation) VALUES (?1, ?2, ?3, ?4, hex(?5))",
                (n, terms.words, terms.pairs, terms.signs, conversation),
            )?;
        }
    }
}
