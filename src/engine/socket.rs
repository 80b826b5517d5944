//! The owner's socket: carries the handle's values, one JSON object per line, to the other programs of this user.
//!
//! A connection either sends requests, which are carried out side by side and answered under their ids, or follows
//! updates from a cursor. Everything a client can make this program hold is bounded: connections, the size and the time
//! of a line, requests at once, and what is sent and not read. Nothing is kept for a follower that does not read: it is
//! cut off and comes back by its cursor.

mod client;
mod lines;
mod place;
mod serve;
mod silence;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Engine;
use super::protocol::RequestError;
use serve::Shared;

pub use client::{AskError, Client, JoinError, Updates};
pub use silence::Silent;
pub(super) use silence::is_suspended;

/// The maximum number of connections. Well below the number of files that a process may have open.
const CONNECTIONS: usize = 256;
/// Pause after an error of accepting, such as too many open files.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Spawns a task that listens at `path` until the engine stops.
///
/// The caller holds the owner lock, so no other program listens there.
///
/// # Errors
/// [`RequestError`] if the socket cannot be created.
pub fn listen(engine: &Arc<Engine>, path: &Path) -> Result<(), RequestError> {
    let bound = place::bind(path).map_err(|error| {
        RequestError::new(format!(
            "opening the socket {}: {error}; other programs cannot join this one",
            path.display()
        ))
    })?;
    let (task, shared) = (Arc::clone(engine), Arc::new(Shared::default()));
    let (own, places) = (rustix::process::geteuid().as_raw(), Arc::new(Semaphore::new(CONNECTIONS)));
    engine.spawn(async move {
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                () = task.stop.cancelled() => return,
                accepted = bound.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!("no program can join until it passes: accepting a connection failed: {error}");
                    }
                    tokio::time::sleep(AFTER_ERROR).await;
                    continue;
                }
            };
            if std::mem::take(&mut failing) {
                tracing::info!("programs can join again");
            }
            if !stream.peer_cred().is_ok_and(|peer| peer.uid() == own) {
                let why = RequestError::new("the store is open in a program of another user");
                task.spawn(serve::refuse(stream, why));
                continue;
            }
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                let why =
                    format!("the program that owns the store has {CONNECTIONS} connections, its limit; close some");
                task.spawn(serve::refuse(stream, RequestError::new(why)));
                continue;
            };
            let (engine, shared) = (Arc::clone(&task), Arc::clone(&shared));
            task.spawn(async move {
                if let Err(error) = serve::serve(&engine, &shared, stream).await {
                    tracing::debug!("a client connection ended: {error}");
                }
                drop(place);
            });
        }
    });
    Ok(())
}
