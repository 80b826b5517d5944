//! The errors of the store: one sentence each, with advice.

use std::path::{Path, PathBuf};

use crate::domain::Conflict;
use crate::domain::state::{ApplyError, RowFault};

/// An error of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be opened.
    #[error("opening the store {}: {what}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        what: String,
    },
    /// The store has an older schema, which is upgraded by opening it for writing.
    #[error("opening the store {}: it is from an older Nightdesk; open it for writing once to upgrade it", .path.display())]
    Older {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full. Nothing of the commit was written.
    #[error("disk full while saving: free some space and do it again, nothing that was saved is lost")]
    Full,
    /// The commit could not be written; nothing of it was.
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
    /// A row cannot be parsed.
    #[error("{what}")]
    Row {
        /// Which row, and why.
        what: String,
    },
    /// The file was removed or replaced while it was open.
    #[error(
        "saving: the store {} was removed or replaced while it was open; put it back or start again",
        .path.display()
    )]
    Vanished {
        /// The file.
        path: PathBuf,
    },
    /// The write-ahead log or the lock was removed or replaced while the store was open: nothing more is written.
    #[error(
        "saving: {} was removed or replaced while the store was open, so this program no longer writes to it; {}; start \
         it again",
        .path.display(), what_is_kept(*.kept)
    )]
    Uprooted {
        /// The file that is gone.
        path: PathBuf,
        /// True if all that was saved is in the store's file.
        kept: bool,
    },
    /// A commit on a read-only handle.
    #[error("saving: the store {} is open for reading only", .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Another program has raised the epoch: it is the owner now.
    #[error("saving: another program has become the owner of the store, so this one no longer writes to it; close it")]
    NotOwner,
    /// The thread of the store has ended.
    #[error("the store is closed")]
    Closed,
}

fn what_is_kept(kept: bool) -> &'static str {
    if kept { "nothing that was saved is lost" } else { "what was saved last may be lost" }
}

/// Why a commit failed. Nothing of it was applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommitError {
    /// It was rejected in the current state.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The internal error: of the database, or of an unreadable row.
#[derive(Debug)]
pub(super) enum Fault {
    /// An error of the database.
    Sql(rusqlite::Error),
    /// An unreadable row: one sentence.
    Row(String),
    /// An unreadable state row.
    Damaged(RowFault),
    /// Another program is the owner.
    NotOwner,
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode};
        // A value that does not fit its column is a matter of its row, and would fail again.
        let of_a_row = match &error {
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnType(..) => true,
            error => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
            ),
        };
        if of_a_row { Self::Row(format!("a row cannot be read or written: {error}")) } else { Self::Sql(error) }
    }
}

impl From<rusqlite::Error> for ApplyError<Fault> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl Fault {
    /// True when only one row is unreadable and the store works.
    pub(super) fn is_of_a_row(&self) -> bool {
        matches!(self, Self::Row(_) | Self::Damaged(_))
    }

    /// The public error of opening the store at this path.
    pub(super) fn opening(self, path: &Path) -> StoreError {
        let what = match self {
            Self::Sql(error) => sentence(&error),
            Self::Row(what) => what,
            Self::Damaged(fault) => fault.to_string(),
            Self::NotOwner => return StoreError::NotOwner,
        };
        StoreError::Open { path: path.to_owned(), what }
    }

    /// The public error of a read.
    pub(super) fn reading(self) -> StoreError {
        match self {
            Self::Sql(error) => StoreError::Read { what: sentence(&error) },
            Self::Row(what) => StoreError::Row { what },
            Self::Damaged(fault) => StoreError::Row { what: fault.to_string() },
            Self::NotOwner => StoreError::NotOwner,
        }
    }

    /// The public error of a commit.
    pub(super) fn saving(self) -> StoreError {
        match self {
            Self::Sql(error) if is_full(&error) => StoreError::Full,
            Self::Sql(error) => StoreError::Save { what: sentence(&error) },
            Self::Row(what) => StoreError::Row { what },
            Self::Damaged(fault) => StoreError::Row { what: fault.to_string() },
            Self::NotOwner => StoreError::NotOwner,
        }
    }
}

/// True if there is no space, also for the shared memory beside the file.
fn is_full(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(rusqlite::ffi::SQLITE_FULL | rusqlite::ffi::SQLITE_IOERR_SHMSIZE))
}

/// A database error as a sentence with advice.
pub(super) fn sentence(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has been writing to it for 5 seconds; end that one or try again".to_owned()
        }
        _ if is_full(error) => "the disk is full; free some space".to_owned(),
        Some(ErrorCode::SystemIoFailure) => format!("the disk reports an error ({error}); check the disk first"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            format!("the file is not writable ({error}); check its permissions")
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("the file is damaged ({error}); run `nightdesk doctor`, or restore a backup")
        }
        Some(ErrorCode::NotADatabase) => "it is not a Nightdesk store; give the path of another file".to_owned(),
        Some(ErrorCode::CannotOpen) => format!("it cannot be opened ({error}); check the path and its permissions"),
        _ => error.to_string(),
    }
}
