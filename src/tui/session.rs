//! The session file: draft, history, focus and scroll position, saved beside the store for the next start.
//!
//! It belongs to the workbench and is not part of the store. It is written about a second after a change and when
//! the workbench ends. An unreadable file counts as an empty session. Several workbenches on one store share the file: each
//! writes only what it has changed itself.

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
    /// The conflicts that were resolved in a merge that is not saved yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<Settled>,
}

/// What was decided of a conflict between two edits. It holds for the same three texts, whatever else changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The lines before both edits.
    pub base: String,
    /// The current lines.
    pub theirs: String,
    /// The lines of the person's edit.
    pub mine: String,
    /// The lines that were chosen; `None` while they are undecided.
    pub result: Option<String>,
    /// Lines typed for the result that are not accepted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
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
        Self::read(path).unwrap_or_default()
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&text_file::read_own(path, MOST_BYTES).ok()?).ok()
    }

    /// Writes what has changed since `before`, which this workbench wrote or restored last, and keeps what other
    /// workbenches have written meanwhile.
    ///
    /// # Errors
    /// Fails if the file cannot be written or renamed.
    pub fn save_changes(&self, before: &Self, path: &Path) -> std::io::Result<()> {
        match Self::read(path) {
            Some(others) => self.clone().onto(before, others).save(path),
            None => self.save(path),
        }
    }

    /// This session where it differs from `before`, and `others` elsewhere. A draft of another workbench that has to give
    /// way becomes part of the history.
    fn onto(self, before: &Self, others: Self) -> Self {
        let (mine, known, theirs) = (self.all_drafts(), before.all_drafts(), others.all_drafts());
        let to = |drafts: &[Draft], whom: &Recipient| drafts.iter().find(|draft| draft.to == *whom).cloned();
        let mut whom: Vec<&Recipient> = Vec::new();
        for draft in mine.iter().chain(&theirs) {
            if !whom.contains(&&draft.to) {
                whom.push(&draft.to);
            }
        }
        let mut history = newer(self.history, &before.history, others.history);
        let mut drafts = Vec::new();
        for whom in whom {
            let (my, known, their) = (to(&mine, whom), to(&known, whom), to(&theirs, whom));
            if my == known {
                drafts.extend(their);
                continue;
            }
            if let Some(their) = their.filter(|their| known.as_ref() != Some(their) && my.as_ref() != Some(their)) {
                history.push(their.pastes.expand(&their.text));
            }
            drafts.extend(my);
        }
        // The place in a conversation goes with the conversation.
        let anchor = match (self.address == before.address, others.address == before.address) {
            (true, true) => newer(self.anchor, &before.anchor, others.anchor),
            (true, false) => others.anchor,
            (false, _) => self.anchor,
        };
        let address = newer(self.address, &before.address, others.address);
        let shown = drafts.iter().position(|draft| address.as_ref() == Some(&draft.to)).map(|at| drafts.remove(at));
        let (draft, pastes) = match shown {
            Some(shown) => (shown.text, shown.pastes),
            None if address.is_none() => (self.draft, self.pastes),
            None => <(String, Pastes)>::default(),
        };
        let mut seen = others.seen;
        for (conversation, seq) in self.seen {
            let upto = seen.entry(conversation).or_default();
            *upto = seq.max(*upto);
        }
        Self {
            draft,
            pastes,
            drafts,
            history,
            pane: newer(self.pane, &before.pane, others.pane),
            side: newer(self.side, &before.side, others.side),
            lower: newer(self.lower, &before.lower, others.lower),
            zoom: newer(self.zoom, &before.zoom, others.zoom),
            dividers: newer(self.dividers, &before.dividers, others.dividers),
            anchor,
            address,
            seen,
            unsaved: newer(self.unsaved, &before.unsaved, others.unsaved),
        }
    }

    /// The drafts to all conversations that have one.
    fn all_drafts(&self) -> Vec<Draft> {
        let shown = self.address.clone().filter(|_| !self.draft.is_empty());
        let shown = shown.map(|to| Draft { to, text: self.draft.clone(), pastes: self.pastes.clone() });
        self.drafts.iter().filter(|draft| !draft.text.is_empty()).cloned().chain(shown).collect()
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

/// `mine`, unless it is as before.
fn newer<T: PartialEq>(mine: T, before: &T, theirs: T) -> T {
    if mine == *before { theirs } else { mine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_workbenches_on_one_store_neither_overwrites_what_the_other_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let path = Session::path(&dir.path().join("desk.db"));
        let (room, agent) = (Recipient::Group("group-1".into()), Recipient::Agent("agent-1".into()));
        let shown = |to: &Recipient, draft: &str| Session {
            address: Some(to.clone()),
            draft: draft.to_owned(),
            ..Session::default()
        };
        let start = shown(&room, "");
        // The terminal of the first is closed with a draft; the second is closed later, as it was opened.
        let first = shown(&room, "half a thought");
        first.save_changes(&start, &path).unwrap();
        start.save_changes(&start, &path).unwrap();
        assert_eq!(Session::load(&path), first);
        // The second writes to somebody else, and reads on.
        let second = Session { seen: [("conversation-1".to_owned(), 7)].into(), ..shown(&agent, "for you") };
        second.save_changes(&start, &path).unwrap();
        let both = Session::load(&path);
        assert_eq!(
            (both.draft.as_str(), both.drafts.len(), both.drafts[0].text.as_str()),
            ("for you", 1, "half a thought")
        );
        assert_eq!(both.seen["conversation-1"], 7);
        // Two drafts to the same: the last one stays, the other one is a key away.
        let third = shown(&room, "another one");
        third.save_changes(&start, &path).unwrap();
        let kept = Session::load(&path);
        assert_eq!((kept.draft.as_str(), kept.drafts[0].text.as_str()), ("for you", "another one"));
        assert_eq!(kept.history, ["half a thought"]);
        // What was sent is gone for all.
        start.save_changes(&third, &path).unwrap();
        assert_eq!(Session::load(&path).drafts, []);
    }

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
