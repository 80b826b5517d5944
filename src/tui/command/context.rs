//! Key contexts: where a command applies.

use crate::tui::pane::id::PaneId;

/// First bit of the pane contexts; lower bits are the other contexts.
const PANE_BITS: u32 = 16;

/// A set of key contexts. Exactly one context is active at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyContext(u32);

impl KeyContext {
    /// The composer has the focus.
    pub const COMPOSER: Self = Self(1);
    /// The roster has the focus.
    pub const ROSTER: Self = Self::pane(PaneId::Roster);
    /// The conversation has the focus.
    pub const CONVERSATION: Self = Self::pane(PaneId::Conversation);
    /// The blocks pane has the focus.
    pub const BLOCKS: Self = Self::pane(PaneId::Blocks);
    /// The jobs pane has the focus.
    pub const JOBS: Self = Self::pane(PaneId::Jobs);
    /// A block is being edited in place.
    pub const EDITOR: Self = Self(1 << 1);
    /// A search line in a pane is being typed.
    pub const SEARCH: Self = Self(1 << 2);
    /// A dialog with a list or choices is open.
    pub const DIALOG: Self = Self(1 << 3);
    /// The dialog that resolves conflicting edits is open.
    pub const MERGE: Self = Self(1 << 4);
    /// The details of a job are open.
    pub const JOB: Self = Self(1 << 5);
    /// A form is open.
    pub const FORM: Self = Self(1 << 6);
    /// The inbox pane has the focus.
    pub const INBOX: Self = Self::pane(PaneId::Inbox);
    /// The mail pane has the focus.
    pub const MAIL: Self = Self::pane(PaneId::Mail);
    /// The details of a call that awaits approval are open.
    pub const CALL: Self = Self(1 << 7);
    /// A mail is open.
    pub const LETTER: Self = Self(1 << 8);
    /// A text to find in the edited block is being typed.
    pub const FIND: Self = Self(1 << 9);
    /// A text is being typed: a message, a block, a form.
    pub const TEXT: Self = Self::COMPOSER.or(Self::EDITOR).or(Self::FORM);
    /// The history of a block is open in its pane.
    pub const HISTORY: Self = Self(1 << 10);
    /// Any pane has the focus and no text is being typed in it.
    pub const PANES: Self = {
        let (mut panes, mut at) = (Self::HISTORY, 0);
        while at < PaneId::COUNT {
            panes = panes.or(Self::pane(PaneId::ALL[at]));
            at += 1;
        }
        panes
    };
    /// Everywhere except in dialogs.
    pub const OUTSIDE: Self = Self::COMPOSER.or(Self::PANES).or(Self::EDITOR).or(Self::FIND).or(Self::SEARCH);
    /// Everywhere.
    pub const ANYWHERE: Self =
        Self::OUTSIDE.or(Self::DIALOG).or(Self::MERGE).or(Self::JOB).or(Self::CALL).or(Self::LETTER).or(Self::FORM);

    /// The given pane has the focus and no text is being typed in it.
    #[must_use]
    pub const fn pane(id: PaneId) -> Self {
        Self(1 << (PANE_BITS + id as u32))
    }

    /// Union of both sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set contains `context`.
    #[must_use]
    pub const fn has(self, context: Self) -> bool {
        self.0 & context.0 != 0
    }

    /// Names the set, for the help title and the README.
    #[must_use]
    pub fn text(self) -> String {
        let whole = [
            (Self::ANYWHERE, "anywhere"),
            (Self::OUTSIDE, "outside dialogs"),
            (Self::PANES, "panes"),
            (Self::TEXT, "any text"),
        ];
        if let Some((_, name)) = whole.iter().find(|(set, _)| *set == self) {
            return (*name).to_owned();
        }
        let mut left = self;
        let mut parts = Vec::new();
        if left.0 & Self::PANES.0 == Self::PANES.0 {
            parts.push("panes");
            left = Self(left.0 & !Self::PANES.0);
        }
        if left.has(Self::COMPOSER) {
            parts.push("composer");
        }
        parts.extend(PaneId::ALL.iter().filter(|id| left.has(Self::pane(**id))).map(|id| id.noun()));
        let names = [
            (Self::EDITOR, "editing a block"),
            (Self::HISTORY, "a block's history"),
            (Self::FIND, "finding in a block"),
            (Self::SEARCH, "search line"),
            (Self::DIALOG, "dialogs"),
            (Self::MERGE, "a conflict"),
            (Self::JOB, "a job"),
            (Self::FORM, "a form"),
            (Self::CALL, "a call"),
            (Self::LETTER, "an open mail"),
        ];
        parts.extend(names.iter().filter(|(set, _)| left.has(*set)).map(|(_, name)| *name));
        parts.join(", ")
    }
}
