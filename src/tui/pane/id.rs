//! The table of panes.
//!
//! A pane is a file, declared in [`super`], and a line in the table. The line defines its [`PaneId`], its field in
//! [`crate::tui::app::panes::Panes`], its slot in the layout, its key, its key context, its name in the session
//! file, and its row in the README.

use serde::{Deserialize, Serialize};

/// Position of a pane on a screen with three columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The first column, by itself.
    Left,
    /// The second column, by itself.
    Centre,
    /// The top of the third column, by itself.
    Upper,
    /// The bottom of the third column, shared by all panes of this slot; one of them is open.
    Lower,
}

/// Calls the macro `$define` with the table. A line has the id, the type, the name, the slot, and the description
/// of the command that focuses the pane. The order defines the pane numbers, which are also the keys.
macro_rules! panes {
    ($define:ident) => {
        $define! {
            Roster: roster::Roster, "Agents", Left, "Go to the agents";
            Conversation: conversation::Conversation, "Conversation", Centre, "Go to the conversation";
            Blocks: blocks::Blocks, "Blocks", Upper, "Go to the blocks";
            Jobs: jobs::Jobs, "Jobs", Lower, "Go to the jobs";
            Inbox: inbox::Inbox, "Inbox", Lower, "Go to the inbox";
            Mail: mail::Mails, "Mail", Lower, "Go to the mail";
            #[cfg(test)]
            Probe: probe::Probe, "Probe", Lower, "Go to the test pane";
        }
    };
}
pub(in crate::tui) use panes;

macro_rules! define_ids {
    ($($(#[cfg($cfg:meta)])? $id:ident: $file:ident::$type:ident, $name:literal, $slot:ident, $goes:literal;)*) => {
        /// Identifier of a pane.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum PaneId {
            $($(#[cfg($cfg)])? #[doc = concat!("The pane ", $name, ".")] $id,)*
        }

        impl PaneId {
            /// Number of panes.
            pub const COUNT: usize = [$($(#[cfg($cfg)])? Self::$id),*].len();
            /// All panes, by number.
            pub const ALL: [Self; Self::COUNT] = [$($(#[cfg($cfg)])? Self::$id),*];

            /// Returns the name, as shown in the title row.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Self::$id => $name,)*
                }
            }

            /// Returns the name in lower case, for use in a sentence.
            #[must_use]
            pub const fn noun(self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Self::$id => {
                        const NOUN: [u8; $name.len()] = lowercase($name);
                        match std::str::from_utf8(&NOUN) {
                            Ok(noun) => noun,
                            Err(_) => $name,
                        }
                    })*
                }
            }

            /// Returns the slot.
            #[must_use]
            pub const fn slot(self) -> Slot {
                match self {
                    $($(#[cfg($cfg)])? Self::$id => Slot::$slot,)*
                }
            }
        }
    };
}

panes!(define_ids);

const fn lowercase<const N: usize>(name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(name.as_bytes());
    bytes.make_ascii_lowercase();
    bytes
}

const fn count(slot: Slot) -> usize {
    let (mut count, mut at) = (0, 0);
    while at < PaneId::COUNT {
        count += (PaneId::ALL[at].slot() as usize == slot as usize) as usize;
        at += 1;
    }
    count
}

/// Returns the panes of a slot.
const fn standing<const N: usize>(slot: Slot) -> [PaneId; N] {
    let mut found = [PaneId::ALL[0]; N];
    let (mut to, mut at) = (0, 0);
    while at < PaneId::COUNT {
        if PaneId::ALL[at].slot() as usize == slot as usize {
            found[to] = PaneId::ALL[at];
            to += 1;
        }
        at += 1;
    }
    found
}

const _: () = assert!(
    count(Slot::Left) == 1 && count(Slot::Centre) == 1 && count(Slot::Upper) == 1,
    "a new pane must use the lower slot: only that one is shared"
);
const _: () = assert!(PaneId::COUNT <= 9, "the key of a pane is one digit");

impl PaneId {
    /// The pane in the first column.
    pub const LEFT: Self = standing::<1>(Slot::Left)[0];
    /// The pane in the second column.
    pub const CENTRE: Self = standing::<1>(Slot::Centre)[0];
    /// The pane at the top of the third column.
    pub const UPPER: Self = standing::<1>(Slot::Upper)[0];
    /// The panes that share the bottom of the third column; one of them is open.
    pub const LOWER: [Self; count(Slot::Lower)] = standing(Slot::Lower);

    /// Returns its number, from 1.
    #[must_use]
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// Returns the digit key that focuses it.
    #[must_use]
    pub const fn digit(self) -> char {
        (b'1' + self as u8) as char
    }

    /// Returns the pane `by` positions later, with wrap-around.
    #[must_use]
    pub fn step(self, by: usize) -> Self {
        Self::ALL[(self as usize + by) % Self::COUNT]
    }
}
