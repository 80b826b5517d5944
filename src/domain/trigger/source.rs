//! A job when files have new text: what was added to them, or all of a file that is new or was changed otherwise.
//!
//! The engine looks at the files. What it finds is one change, [`Change::SourceRead`], with the new marks of the files, so
//! that no line is lost and none comes twice.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "all kinds of triggers have the same signatures"
)]

use jiff::Timestamp;

use super::fire::fire;
use super::schedule::checked_zone;
use super::source_files::Source;
use super::table::{Field, Input, Values};
use super::{CauseKind, Trigger, TriggerSpec, When};
use crate::domain::setting::{Kind, Value};
use crate::domain::state::Rows;
use crate::domain::{Change, GroupId, ReadingId, Sleeptime, span};

/// The name in a team file, of a table of its own.
pub const KEY: &str = Source::KEY;
const FILE: &str = "file";
const FOLDER: &str = "folder";
const EVERY: &str = "every";
const INTO: &str = "into";
const BETWEEN: &str = "between";
const ZONE: &str = "zone";
/// The keys in a table of its own.
pub const FIELDS: &[Field] = &[
    Field {
        key: FILE,
        kind: Kind::Word,
        doc: "The files whose new lines are read, such as notes/*.md; relative to the team file.",
    },
    Field { key: FOLDER, kind: Kind::Word, doc: "A folder whose files are read, instead of file." },
    Field {
        key: EVERY,
        kind: Kind::Span,
        doc: "How often it is looked at, such as 10m; without it, as soon as the system tells of a change.",
    },
    Field { key: INTO, kind: Kind::Choice(destinations), doc: "Where the new lines go: into the input of the job." },
    Field { key: BETWEEN, kind: Kind::Word, doc: "Hours in which it is looked at, such as 06:00-22:00." },
    Field { key: ZONE, kind: Kind::Word, doc: "Time zone of between, such as Europe/Zurich; UTC without it." },
];
/// Its job has the new text to look at.
pub const HAS_INPUT: Input = Input::Always;

/// The most files that are named one by one.
const MOST_NAMED: usize = 3;

fn destinations() -> Vec<(&'static str, &'static str)> {
    vec![("input", "into the input of the job")]
}

/// Reads the checked values of a table.
pub fn read(values: &Values) -> Result<When, String> {
    let word = |key: &str| Some(values.text(key).trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    let source = match (word(FILE), word(FOLDER)) {
        (Some(file), None) => Source::of_file(&file)?,
        (None, Some(folder)) => Source::of_folder(&folder)?,
        (Some(_), Some(_)) => return Err(format!("{FILE} and {FOLDER} are in one source; write two")),
        (None, None) => return Err(format!("a source needs {FILE} or {FOLDER}")),
    };
    let every = word(EVERY).map(|text| span::seconds(&text)).transpose()?;
    let between = word(BETWEEN).map(TryInto::try_into).transpose().map_err(|text| format!("{BETWEEN} {text}"))?;
    let zone = word(ZONE).map(|zone| checked_zone(&zone)).transpose()?.filter(|zone| zone != "UTC");
    Ok(When::Source { source: Source { every, between, zone, ..source } })
}

/// Writes them.
pub fn write(source: &Source) -> Vec<(&'static str, Value)> {
    let (key, path) = source.written();
    let mut all = vec![(key, Value::from(path))];
    all.extend(source.every.map(|every| (EVERY, span::written(every).into())));
    all.extend(source.between.map(|between| (BETWEEN, between.to_string().into())));
    all.extend(source.zone.as_ref().map(|zone| (ZONE, zone.as_str().into())));
    all
}

/// It has no setting of its own.
pub fn of(_policy: &Sleeptime) -> Option<TriggerSpec> {
    None
}

/// All sources are looked at together.
pub fn topic(_group: &GroupId, _source: &Source) -> String {
    KEY.to_owned()
}

/// Fires when new text was found.
pub fn heard<R: Rows>(rows: &mut R, change: &Change, _at: Timestamp) -> Result<Vec<Change>, R::Fault> {
    let Change::SourceRead { id, reading: Some(reading), .. } = change else { return Ok(Vec::new()) };
    let Some(trigger) = rows.readable::<Trigger>(id.as_str())? else { return Ok(Vec::new()) };
    let files = reading.pieces.iter().map(|piece| piece.file.clone()).collect();
    let cause = CauseKind::Source { reading: Some(reading.id.clone()), files, bytes: reading.bytes() };
    Ok(fire(rows, &trigger, cause, 0)?.into_iter().collect())
}

/// `new in notes/a.md`.
pub fn text(_reading: &Option<ReadingId>, files: &[String], _bytes: &u32) -> String {
    format!("new in {}", listed(files))
}

/// `notes/a.md, notes/b.md`, or `notes/a.md and 11 more`.
fn listed(files: &[String]) -> String {
    match files {
        [first, .., _] if files.len() > MOST_NAMED => format!("{first} and {} more", files.len() - 1),
        all => all.join(", "),
    }
}

/// Its job reads the new text, which is a row of its own.
pub fn brought(_reading: &Option<ReadingId>, _files: &[String], _bytes: &u32) -> Option<String> {
    None
}

/// `after new text in notes/a.md`.
pub fn after(_reading: &Option<ReadingId>, files: &[String], _bytes: &u32) -> String {
    format!("after new text in {}", listed(files))
}

/// `new text in notes/*.md, every 10m`.
pub fn schedule(source: &Source) -> String {
    let every = source.every.map(|every| format!(", every {}", span::written(every))).unwrap_or_default();
    let hours = source.between.map(|hours| format!(", between {hours}")).unwrap_or_default();
    let zone = source.zone.as_ref().map(|zone| format!(", {zone}")).unwrap_or_default();
    format!("new text in {}{every}{hours}{zone}", source.name())
}

/// The same text in a sentence.
pub fn prose(source: &Source) -> String {
    schedule(source)
}
