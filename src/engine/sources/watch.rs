//! The system's notifications of changes in the folders of sources.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{CreateKind, EventKind, ModifyKind, RemoveKind};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::domain::{Source, TriggerId};

/// Watches folders. It has no thread before the first one.
pub struct Watch {
    watcher: Mutex<Option<RecommendedWatcher>>,
    watched: Arc<Mutex<HashMap<TriggerId, Watched>>>,
    /// Told when something happened.
    wake: Arc<Notify>,
}

/// A watched source.
struct Watched {
    folder: PathBuf,
    /// The device and number of the folder: another folder in its place is not watched.
    identity: (u64, u64),
    deep: bool,
    matches: Box<dyn Fn(&str) -> bool + Send + Sync>,
    touched: Arc<AtomicBool>,
    /// What the system said since, if it stopped telling of changes.
    lost: Option<String>,
}

impl Watch {
    pub fn new(wake: Arc<Notify>) -> Self {
        Self { watcher: Mutex::default(), watched: Arc::default(), wake }
    }

    /// Watches the folder of a source, unless it does so already: each change sets `touched`. May take as long as the
    /// file system takes to list the folder.
    ///
    /// # Errors
    /// Why the system does not tell of changes, as the end of a sentence.
    pub fn follow(&self, id: &TriggerId, source: &Source, touched: &Arc<AtomicBool>) -> Result<(), String> {
        let folder = PathBuf::from(&source.folder);
        let meta = std::fs::metadata(&folder).map_err(|error| error.to_string())?;
        let identity = (meta.dev(), meta.ino());
        let known = self.lock().get(id).map(|known| (known.identity == identity, known.lost.is_none()));
        match known {
            Some((true, true)) => return Ok(()),
            Some(_) => self.leave(id),
            None => {}
        }
        let watched = Watched {
            folder: folder.clone(),
            identity,
            deep: source.is_deep(),
            matches: Box::new(source.matcher()),
            touched: Arc::clone(touched),
            lost: None,
        };
        // Before the system watches it, so that no event is missed.
        self.lock().insert(id.clone(), watched);
        self.update(&folder).inspect_err(|_| {
            self.lock().remove(id);
        })
    }

    /// Ends watching for a source.
    pub fn leave(&self, id: &TriggerId) {
        let Some(gone) = self.lock().remove(id) else { return };
        // The folder may be gone, and its watch with it.
        let _ = self.update(&gone.folder);
    }

    /// The sources that are watched.
    pub fn known(&self) -> Vec<TriggerId> {
        self.lock().keys().cloned().collect()
    }

    /// Makes the system watch the folder as its sources need it.
    fn update(&self, folder: &Path) -> Result<(), String> {
        let wanted: Vec<bool> =
            self.lock().values().filter(|known| known.folder == folder).map(|known| known.deep).collect();
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.is_empty() && watcher.is_none() {
            return Ok(());
        }
        let said = |error: notify::Error| error.to_string();
        if watcher.is_none() {
            let (sources, wake) = (Arc::clone(&self.watched), Arc::clone(&self.wake));
            let tell = move |event| heard(&sources, &wake, &event);
            *watcher =
                Some(RecommendedWatcher::new(tell, Config::default().with_follow_symlinks(false)).map_err(said)?);
        }
        let Some(watcher) = watcher.as_mut() else { return Ok(()) };
        // A folder that was not watched is nothing to tell.
        let _ = watcher.unwatch(folder);
        if wanted.is_empty() {
            return Ok(());
        }
        let mode = if wanted.contains(&true) { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        watcher.watch(folder, mode).map_err(said)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TriggerId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an event of the system.
fn heard(watched: &Mutex<HashMap<TriggerId, Watched>>, wake: &Notify, event: &notify::Result<Event>) {
    let mut new = false;
    for watched in watched.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
        let concerned = match event {
            Ok(event) => watched.is_concerned(event),
            Err(error) => {
                watched.lost = Some(error.to_string());
                true
            }
        };
        new |= concerned && !watched.touched.swap(true, Ordering::SeqCst);
    }
    if new {
        wake.notify_one();
    }
}

impl Watched {
    fn is_concerned(&self, event: &Event) -> bool {
        // A look opens files, too.
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        let of_folder = matches!(
            event.kind,
            EventKind::Create(CreateKind::Folder | CreateKind::Any)
                | EventKind::Remove(RemoveKind::Folder | RemoveKind::Other | RemoveKind::Any)
                | EventKind::Modify(ModifyKind::Name(_))
        );
        let is_own = |path: &PathBuf| match path.strip_prefix(&self.folder).map(Path::to_str) {
            Ok(Some("")) => true,
            Ok(Some(path)) => (self.matches)(path) || self.deep && of_folder,
            _ => false,
        };
        event.need_rescan() || event.paths.iter().any(is_own)
    }
}
