//! Saving and restoring the state that survives a restart of the workbench.

use super::App;
use crate::engine::protocol::Recipient;
use crate::tui::effect::{AppAction, Toast};
use crate::tui::pane::PaneId;
use crate::tui::pane::conversation::{Anchor, Place};
use crate::tui::session::Session;

impl App {
    /// Returns the state to restore at the next start.
    #[must_use]
    pub fn session(&self) -> Session {
        let (draft, pastes) = self.composer.draft();
        Session {
            draft,
            pastes,
            drafts: self.composer.other_drafts(),
            history: self.composer.history().to_vec(),
            pane: Some(self.pane),
            side: Some(self.side),
            lower: Some(self.lower),
            zoom: self.zoom,
            dividers: self.dividers,
            address: self.model.place.address.clone(),
            anchor: match self.panes.conversation.anchor() {
                Anchor::Top(top) => Some((top.at, top.row)),
                Anchor::Tail => None,
            },
            seen: self.model.seen.clone(),
            unsaved: self.panes.blocks.unsaved(),
        }
    }

    /// Restores a saved session; ignores groups, agents and blocks that no longer exist. The composer has the focus,
    /// whatever had it before: what is typed before the first frame must not become commands.
    pub fn restore(&mut self, session: Session) {
        self.composer.set_history(session.history);
        // Messages since the last start are unread. A conversation unknown to that start counts as read.
        for (conversation, seen) in &mut self.model.seen {
            *seen = session.seen.get(conversation).map_or(*seen, |known| *known.min(seen));
        }
        self.composing = true;
        self.pane = session.pane.unwrap_or(self.pane);
        self.side = session.side.unwrap_or(self.side);
        self.lower = session.lower.filter(|id| PaneId::LOWER.contains(id)).unwrap_or(self.lower);
        self.zoom = session.zoom;
        self.dividers = session.dividers;
        if let Some(address) = session.address.filter(|address| self.is_there(address)) {
            self.show(address);
            if let Some((at, row)) = session.anchor {
                self.panes.conversation.restore(Anchor::Top(Place { at, row }));
            }
        }
        let drafts = session.drafts.into_iter().filter(|draft| self.is_there(&draft.to)).collect();
        self.composer.restore((&session.draft, session.pastes), drafts);
        if let Some(unsaved) = session.unsaved {
            let label = self.panes.blocks.reopen(unsaved, &self.model);
            let told = label.map(|label| format!("your unsaved changes to {label} are open in the blocks (Alt-3)"));
            if let Some(text) = told {
                self.mailbox.push(AppAction::Toast(Toast::plain(text)));
            }
        }
    }

    fn is_there(&self, address: &Recipient) -> bool {
        match address {
            Recipient::Group(id) => self.model.group(id).is_some(),
            Recipient::Agent(id) => self.model.agent(id).is_some(),
        }
    }
}
