//! How the store fails: one sentence each, with what can be done about it.

use std::path::PathBuf;

use crate::domain::Conflict;
use crate::domain::state::{Halt, RowFault};

/// The store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("opening the store {}: {what}", .path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why, and what to do.
        what: String,
    },
    /// There is no room for the commit. Nothing of it was written.
    #[error("disk full while saving: free some space and do it again, nothing that was saved is lost")]
    Full,
    /// The commit could not be written. Nothing of it was.
    #[error("saving: {what}; nothing that was saved before is lost")]
    Save {
        /// Why.
        what: String,
    },
    /// A read failed.
    #[error("reading the store: {what}")]
    Read {
        /// Why.
        what: String,
    },
    /// A row cannot be understood.
    #[error("{what}")]
    Row {
        /// Which row, and why.
        what: String,
    },
    /// The file was removed or replaced while open.
    #[error(
        "saving: the store {} was removed or replaced while it was open; put it back or start again",
        .path.display()
    )]
    Vanished {
        /// Which file.
        path: PathBuf,
    },
    /// A commit to a handle that only reads.
    #[error("saving: the store {} is open for reading only", .path.display())]
    ReadOnly {
        /// Which file.
        path: PathBuf,
    },
    /// The store's thread has ended.
    #[error("the store is closed")]
    Closed,
}

/// Why a commit was not kept. Nothing of it has happened.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommitError {
    /// It was refused as things stand.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What goes wrong below: the database, or a row nobody understands.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database's own error.
    Sql(rusqlite::Error),
    /// A row that cannot be read: one sentence.
    Row(String),
    /// A state row that cannot be read.
    Damaged(RowFault),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<rusqlite::Error> for Halt<Fault> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(Fault::Sql(error))
    }
}

impl Fault {
    /// True when one row is at fault, and not the store.
    pub(super) fn is_of_a_row(&self) -> bool {
        matches!(self, Self::Row(_) | Self::Damaged(_))
    }

    /// As a reader is told.
    pub(super) fn reading(self) -> StoreError {
        match self {
            Self::Sql(error) => StoreError::Read { what: sentence(&error) },
            Self::Row(what) => StoreError::Row { what },
            Self::Damaged(fault) => StoreError::Row { what: fault.to_string() },
        }
    }

    /// As a committer is told.
    pub(super) fn saving(self) -> StoreError {
        match self {
            Self::Sql(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
            Self::Sql(error) => StoreError::Save { what: sentence(&error) },
            Self::Row(what) => StoreError::Row { what },
            Self::Damaged(fault) => StoreError::Row { what: fault.to_string() },
        }
    }
}

/// The database's error with what can be done about it.
pub(super) fn sentence(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has been writing to it for 5 seconds; end that one or try again".to_owned()
        }
        Some(ErrorCode::SystemIoFailure) => format!("the disk fails ({error}); look at it before anything else"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            format!("the file may not be written ({error}); check its permissions")
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("the file is damaged ({error}); run `nightdesk doctor`, or restore a backup")
        }
        Some(ErrorCode::NotADatabase) => "it is no Nightdesk store; give the path of another file".to_owned(),
        Some(ErrorCode::CannotOpen) => format!("it cannot be opened ({error}); check the path and its permissions"),
        Some(ErrorCode::DiskFull) => "the disk is full; free some space".to_owned(),
        _ => error.to_string(),
    }
}
