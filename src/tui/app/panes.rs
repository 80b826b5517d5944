//! The panes of a workbench, accessible by type and by id.

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
            /// Returns the pane with this id.
            #[must_use]
            pub fn get(&self, id: PaneId) -> &dyn Pane {
                match id {
                    $($(#[cfg($cfg)])? PaneId::$id => &self.$file,)*
                }
            }

            /// Returns the pane with this id, mutably.
            pub fn get_mut(&mut self, id: PaneId) -> &mut dyn Pane {
                match id {
                    $($(#[cfg($cfg)])? PaneId::$id => &mut self.$file,)*
                }
            }
        }
    };
}

panes!(define_panes);
