//! Copies of a store as a file, putting one back, and erasing from a store and its copies. All runs on a thread of its own.

use std::path::{Path, PathBuf};

use super::care::backups::copying;
use super::protocol::RequestError;
use super::session::Session;
use super::worker;
use crate::store::{self, CopyError};

pub use crate::store::{Erase, ErasedFile};

/// Copies a store to a new file while programs work on it, and checks the copy. Returns its size in bytes.
///
/// # Errors
/// One sentence: the file exists or cannot be written, the store cannot be read or is damaged. Nothing is left then.
pub async fn back_up(store: &Path, target: &Path) -> Result<u64, RequestError> {
    let (store, target) = (store.to_owned(), target.to_owned());
    copying(move || store::back_up(&store, &target, &|| true)).await.map_err(request_error)
}

/// Puts a copy in the place of a store. The store as it was is kept beside it, under a name that ends with `stamp`; returns
/// that name, or `None` if there was no store. With `stop`, a worker that owns the store is stopped first.
///
/// # Errors
/// One sentence: a program owns the store, or the copy is no store, damaged or newer. The store is as it was then.
pub async fn restore(store: &Path, from: &Path, stamp: String, stop: bool) -> Result<Option<PathBuf>, RequestError> {
    if stop && Session::owner(store).is_some() {
        worker::stop(store).await?;
    }
    let (store, from) = (store.to_owned(), from.to_owned());
    copying(move || store::restore(&store, &from, &stamp)).await.map_err(request_error)
}

/// Takes a text out of a store that no program has open, and out of copies of it; without `really`, only counts. With
/// `stop`, a worker that owns the store is stopped first.
///
/// # Errors
/// One sentence: a program owns the store, or the text cannot be erased. Nothing is changed then.
pub async fn erase(
    store: &Path,
    what: Erase,
    copies: Vec<PathBuf>,
    really: bool,
    stop: bool,
) -> Result<Vec<ErasedFile>, RequestError> {
    if stop && Session::owner(store).is_some() {
        worker::stop(store).await?;
    }
    let store = store.to_owned();
    copying(move || store::erase(&store, &what, &copies, really)).await.map_err(request_error)
}

fn request_error(error: CopyError) -> RequestError {
    match error {
        CopyError::Held(held) if held.pid > 0 => RequestError::new(format!(
            "process {} has the store open; end it first, or add --stop if it is a worker",
            held.pid
        )),
        other => RequestError::new(other.to_string()),
    }
}
