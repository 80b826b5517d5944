//! Where a command applies.

use crate::tui::pane::id::PaneId;

/// The first bit of the panes' contexts; those before it are the other contexts'.
const PANE_BITS: u32 = 16;

/// Where a command applies: a set of contexts, of which exactly one holds at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When(u32);

impl When {
    /// Typing in the composer.
    pub const COMPOSER: Self = Self(1);
    /// The roster has the focus.
    pub const ROSTER: Self = Self::pane(PaneId::Roster);
    /// The conversation has the focus.
    pub const CONVERSATION: Self = Self::pane(PaneId::Conversation);
    /// The blocks has the focus.
    pub const BLOCKS: Self = Self::pane(PaneId::Blocks);
    /// The jobs has the focus.
    pub const JOBS: Self = Self::pane(PaneId::Jobs);
    /// A block is being edited in place.
    pub const EDITOR: Self = Self(1 << 1);
    /// A search line is being typed, in a pane.
    pub const SEARCH: Self = Self(1 << 2);
    /// A dialog is open: lists and choices.
    pub const DIALOG: Self = Self(1 << 3);
    /// The dialog that settles a clash of two edits is open.
    pub const MERGE: Self = Self(1 << 4);
    /// A job is opened.
    pub const JOB: Self = Self(1 << 5);
    /// A form is open and one of its fields has the caret.
    pub const FORM: Self = Self(1 << 6);
    /// The inbox has the focus.
    pub const INBOX: Self = Self::pane(PaneId::Inbox);
    /// The mail has the focus.
    pub const MAIL: Self = Self::pane(PaneId::Mail);
    /// A call that waits for the person is opened.
    pub const CALL: Self = Self(1 << 7);
    /// A piece of mail is opened.
    pub const LETTER: Self = Self(1 << 8);
    /// Any pane has the focus and nothing is being typed in it.
    pub const PANES: Self = {
        let (mut panes, mut at) = (Self(0), 0);
        while at < PaneId::COUNT {
            panes = panes.or(Self::pane(PaneId::ALL[at]));
            at += 1;
        }
        panes
    };
    /// Everywhere but in dialogs.
    pub const OUTSIDE: Self = Self::COMPOSER.or(Self::PANES).or(Self::EDITOR).or(Self::SEARCH);
    /// Everywhere.
    pub const ANYWHERE: Self =
        Self::OUTSIDE.or(Self::DIALOG).or(Self::MERGE).or(Self::JOB).or(Self::CALL).or(Self::LETTER).or(Self::FORM);

    /// A pane has the focus, and nothing is being typed in it.
    #[must_use]
    pub const fn pane(id: PaneId) -> Self {
        Self(1 << (PANE_BITS + id as u32))
    }

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a context is in the set.
    #[must_use]
    pub const fn has(self, context: Self) -> bool {
        self.0 & context.0 != 0
    }

    /// The set in a few words, for help and README.
    #[must_use]
    pub fn text(self) -> String {
        let whole = [(Self::ANYWHERE, "anywhere"), (Self::OUTSIDE, "outside dialogs"), (Self::PANES, "panes")];
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
            (Self::SEARCH, "search line"),
            (Self::DIALOG, "dialogs"),
            (Self::MERGE, "a clash"),
            (Self::JOB, "a job"),
            (Self::FORM, "a form"),
            (Self::CALL, "a call"),
            (Self::LETTER, "a letter"),
        ];
        parts.extend(names.iter().filter(|(set, _)| left.has(*set)).map(|(_, name)| *name));
        parts.join(", ")
    }
}
