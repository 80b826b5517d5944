//! Which panes there are: the one table of them.
//!
//! A pane is its file, declared in [`super`], and its line in the table. The line makes its [`PaneId`], its place in
//! [`crate::tui::app::panes::Panes`] and in the layout, the keys that go to it, its context of keys, its name in
//! the session file, and its row in the README.

use serde::{Deserialize, Serialize};

/// Where a pane stands on a screen with room for three columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The first column, by itself.
    Left,
    /// The second column, by itself.
    Centre,
    /// The top of the third column, by itself.
    Upper,
    /// The bottom of the third column: all panes that stand there share it, and one of them is open.
    Lower,
}

/// Calls the macro `$define` with the table. A line: id, type in the pane's file, name, slot, and what the command
/// does that goes to it. The order is that of their numbers; each has a digit for a key.
macro_rules! panes {
    ($define:ident) => {
        $define! {
            Roster: roster::Roster, "Agents", Left, "Goes to the agents";
            Conversation: conversation::Conversation, "Conversation", Centre, "Goes to the conversation";
            Blocks: blocks::Blocks, "Blocks", Upper, "Goes to the blocks";
            Jobs: jobs::Jobs, "Jobs", Lower, "Goes to the jobs";
            Inbox: inbox::Inbox, "Inbox", Lower, "Goes to what waits for you";
            Mail: mail::Mails, "Mail", Lower, "Goes to the mail";
            #[cfg(test)]
            Probe: probe::Probe, "Probe", Lower, "Goes to the pane of the tests";
        }
    };
}
pub(in crate::tui) use panes;

macro_rules! define_ids {
    ($($(#[cfg($cfg:meta)])? $id:ident: $file:ident::$type:ident, $name:literal, $slot:ident, $goes:literal;)*) => {
        /// Which pane.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum PaneId {
            $($(#[cfg($cfg)])? #[doc = concat!("The pane ", $name, ".")] $id,)*
        }

        impl PaneId {
            /// How many there are.
            pub const COUNT: usize = [$($(#[cfg($cfg)])? Self::$id),*].len();
            /// All panes, in the order of their numbers.
            pub const ALL: [Self; Self::COUNT] = [$($(#[cfg($cfg)])? Self::$id),*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Self::$id => $name,)*
                }
            }

            /// Its name inside a sentence, in small letters.
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

            /// Where it stands.
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

/// The panes of a slot.
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
    "only the lower slot is shared: a new pane stands there"
);
const _: () = assert!(PaneId::COUNT <= 9, "a pane is reached by one digit");

impl PaneId {
    /// The pane in the first column.
    pub const LEFT: Self = standing::<1>(Slot::Left)[0];
    /// The pane in the second column.
    pub const CENTRE: Self = standing::<1>(Slot::Centre)[0];
    /// The pane at the top of the third column.
    pub const UPPER: Self = standing::<1>(Slot::Upper)[0];
    /// The panes that share the place below it: one of them is open.
    pub const LOWER: [Self; count(Slot::Lower)] = standing(Slot::Lower);

    /// Its number, from 1.
    #[must_use]
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// The digit that goes to it.
    #[must_use]
    pub const fn digit(self) -> char {
        (b'1' + self as u8) as char
    }

    /// The pane this many places on, round in a circle.
    #[must_use]
    pub fn step(self, by: usize) -> Self {
        Self::ALL[(self as usize + by) % Self::COUNT]
    }
}
