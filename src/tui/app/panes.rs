//! The panes of a workbench, each by its type and all by their ids.

use crate::tui::pane::Pane;
use crate::tui::pane::id::{PaneId, panes};

macro_rules! define_panes {
    ($($(#[cfg($cfg:meta)])? $id:ident: $file:ident::$type:ident, $name:literal, $slot:ident, $goes:literal;)*) => {
        /// The panes of a workbench.
        #[derive(Debug, Default)]
        pub struct Panes {
            $($(#[cfg($cfg)])? #[doc = concat!("The pane ", $name, ".")] pub $file: crate::tui::pane::$file::$type,)*
        }

        impl Panes {
            /// One of them.
            #[must_use]
            pub fn get(&self, id: PaneId) -> &dyn Pane {
                match id {
                    $($(#[cfg($cfg)])? PaneId::$id => &self.$file,)*
                }
            }

            /// One of them, to change.
            pub fn get_mut(&mut self, id: PaneId) -> &mut dyn Pane {
                match id {
                    $($(#[cfg($cfg)])? PaneId::$id => &mut self.$file,)*
                }
            }
        }
    };
}

panes!(define_panes);
