//! The session: drafts, history, focus and place, kept in a file beside the store for the next start.
//!
//! It is the interface's own and no part of the store. It is written about a second after the last change, and
//! when the workbench ends, however that comes about; a file that cannot be read is an empty session.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use super::pane::id::PaneId;
use crate::domain::BlockId;
use crate::engine::wire::Address;

/// How many sent messages are kept.
pub const HISTORY: usize = 100;

/// What one start hands to the next.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// What stands in the composer.
    pub draft: String,
    /// What was sent, oldest first, at most [`HISTORY`].
    pub history: Vec<String>,
    /// Whether a pane and not the composer has the focus.
    pub in_panes: bool,
    /// The pane that has the focus, or had it last.
    #[serde(deserialize_with = "known")]
    pub pane: Option<PaneId>,
    /// The pane beside the conversation where there is room for one.
    #[serde(deserialize_with = "known")]
    pub side: Option<PaneId>,
    /// The pane that is open below the blocks.
    #[serde(deserialize_with = "known")]
    pub lower: Option<PaneId>,
    /// Whether the pane has the whole body.
    pub zoom: bool,
    /// Whose conversation is shown.
    pub address: Option<Address>,
    /// The first message on the screen and its first row there; absent while the end is followed.
    pub anchor: Option<(u64, usize)>,
    /// The `seq` up to which each conversation was seen.
    pub seen: BTreeMap<String, u64>,
    /// The changes of a block that are not saved.
    pub unsaved: Option<Unsaved>,
}

/// The pane of that name, or none: another build may have panes that this one has not.
fn known<'de, D: Deserializer<'de>>(name: D) -> Result<Option<PaneId>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(name)?).unwrap_or_default())
}

/// Changes of a block that are not saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsaved {
    /// Which block.
    pub block: BlockId,
    /// The version they rest on.
    pub version: u64,
    /// The value at that version: what others changed since is told apart from it.
    pub base: String,
    /// What is written.
    pub text: String,
}

impl Session {
    /// Where the session of a store is kept.
    #[must_use]
    pub fn path(store: &Path) -> PathBuf {
        let mut name = store.as_os_str().to_owned();
        name.push(".session");
        PathBuf::from(name)
    }

    /// What the last start left, or nothing.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes it whole or not at all, for this user only.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        let text = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_a_damaged_file_is_an_empty_session() {
        let dir = tempfile::tempdir().unwrap();
        let path = Session::path(&dir.path().join("desk.db"));
        assert_eq!(Session::load(&path), Session::default());
        let session = Session { draft: "half a thought".into(), zoom: true, ..Session::default() };
        session.save(&path).unwrap();
        assert_eq!(Session::load(&path), session);
        std::fs::write(&path, "{\"draft\": ").unwrap();
        assert_eq!(Session::load(&path), Session::default());
    }

    #[test]
    fn a_pane_of_another_build_is_none_and_all_else_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = Session::path(&dir.path().join("desk.db"));
        let text = r#"{"draft":"half a thought","pane":"calendar","side":7,"lower":"inbox","in_panes":true}"#;
        std::fs::write(&path, text).unwrap();
        let wanted = Session {
            draft: "half a thought".into(),
            in_panes: true,
            lower: Some(PaneId::Inbox),
            ..Session::default()
        };
        assert_eq!(Session::load(&path), wanted);
    }
}
