//! The session file: draft, history, focus and scroll position, saved beside the store for the next start.
//!
//! It belongs to the workbench and is not part of the store. It is written about a second after a change and when
//! the workbench ends. An unreadable file counts as an empty session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use super::composer::draft::Draft;
use super::composer::pastes::Pastes;
use super::layout::Dividers;
use super::pane::id::PaneId;
use crate::domain::BlockId;
use crate::engine::protocol::Recipient;
use crate::text_file;

/// The most bytes of the file.
const MOST_BYTES: u64 = 64 << 20;

/// Maximum number of sent messages kept.
pub const HISTORY: usize = 100;

/// State restored at the next start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Text of the composer for the shown conversation.
    pub draft: String,
    /// Texts folded to labels in `draft`.
    pub pastes: Pastes,
    /// Texts of the composer for other conversations.
    pub drafts: Vec<Draft>,
    /// Sent messages, oldest first, at most [`HISTORY`].
    pub history: Vec<String>,
    /// The last focused pane.
    #[serde(deserialize_with = "known")]
    pub pane: Option<PaneId>,
    /// The pane shown beside the conversation in the two-column layout.
    #[serde(deserialize_with = "known")]
    pub side: Option<PaneId>,
    /// The open pane below the blocks.
    #[serde(deserialize_with = "known")]
    pub lower: Option<PaneId>,
    /// Whether the focused pane fills the body.
    pub zoom: bool,
    /// Where the user moved the lines between panes to.
    pub dividers: Dividers,
    /// Owner of the shown conversation.
    pub address: Option<Recipient>,
    /// `seq` of the first visible message and its first visible row; `None` while the end is followed.
    pub anchor: Option<(u64, usize)>,
    /// The `seq` up to which each conversation was read, by conversation id.
    pub seen: BTreeMap<String, u64>,
    /// Unsaved changes of the block being edited.
    pub unsaved: Option<Unsaved>,
}

/// Deserialises a pane id. Unknown names become `None`: another version may have other panes.
fn known<'de, D: Deserializer<'de>>(name: D) -> Result<Option<PaneId>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(name)?).unwrap_or_default())
}

/// Unsaved changes of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsaved {
    /// The edited block.
    pub block: BlockId,
    /// The version the edit started from.
    pub version: u64,
    /// The value at that version, the base for merging.
    pub base: String,
    /// The edited text.
    pub text: String,
}

impl Session {
    /// Returns the session path of a store: the store's path with `.session` appended.
    #[must_use]
    pub fn path(store: &Path) -> PathBuf {
        let mut name = store.as_os_str().to_owned();
        name.push(".session");
        PathBuf::from(name)
    }

    /// Reads a session; returns an empty one if the file is missing or invalid.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let text = text_file::read_own(path, MOST_BYTES).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes the session atomically, readable by this user only.
    ///
    /// # Errors
    /// Fails if the file cannot be written or renamed.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        let text = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        text_file::write_own(&fresh, &text)?;
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
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "a draft is for its user alone");
        std::fs::write(&path, "{\"draft\": ").unwrap();
        assert_eq!(Session::load(&path), Session::default());
    }

    #[test]
    fn a_pane_of_another_build_is_none_and_all_else_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = Session::path(&dir.path().join("desk.db"));
        let text = r#"{"draft":"half a thought","pane":"calendar","side":7,"lower":"inbox"}"#;
        std::fs::write(&path, text).unwrap();
        let wanted = Session { draft: "half a thought".into(), lower: Some(PaneId::Inbox), ..Session::default() };
        assert_eq!(Session::load(&path), wanted);
    }
}
