//! What sources have read: how far each file is read, and the new text that jobs get.

use serde::{Deserialize, Serialize};

use crate::domain::{Ids, ReadingId};

/// How far a source has read a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// For whom: [`Source::reader`](super::Source::reader).
    pub reader: String,
    /// The path below the folder of the source.
    pub path: String,
    /// The number of bytes that are read.
    pub offset: u64,
    /// The fingerprint of these bytes.
    pub hash: String,
    /// The device of the file.
    pub device: u64,
    /// The number of the file on its device, by which a renamed one is known.
    pub inode: u64,
}

/// A mark that moves on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkMove {
    /// Where it was: the path of the file at that time, and the number of bytes; `None` for a file that has none.
    pub from: Option<(String, u64)>,
    /// Where it is now.
    pub to: SourceMark,
}

/// The new text of some files, which is the input of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Its id.
    pub id: ReadingId,
    /// The text of each file.
    pub pieces: Vec<Piece>,
}

/// The new text of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The short name of the file: `notes/a.md`.
    pub file: String,
    /// Why the text is new.
    pub news: News,
    /// The text, without what is no UTF-8.
    pub text: String,
}

/// Why the text of a file is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// The file is seen for the first time: its beginning.
    File,
    /// The file has grown: what was added.
    Lines,
    /// What was read before has changed: the beginning of the file as it is now.
    Changed,
}

impl Reading {
    /// A reading with a new id.
    #[must_use]
    pub fn new(ids: &Ids, pieces: Vec<Piece>) -> Self {
        Self { id: ReadingId::fresh(ids), pieces }
    }

    /// The size of its texts, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        u32::try_from(self.pieces.iter().map(|piece| piece.text.len()).sum::<usize>()).unwrap_or(u32::MAX)
    }
}

impl Piece {
    /// What an agent is told: whose text it is, and the text on further lines.
    #[must_use]
    pub fn told(&self) -> String {
        let Self { file, news, text } = self;
        let what = match news {
            News::File => format!("The file {file} is new"),
            News::Lines => format!("New lines of {file}"),
            News::Changed => format!("The file {file} was changed and begins anew"),
        };
        format!("{what}:\n{text}")
    }
}
