//! Names of fieldless enums on the wire, in the store and in files.
//!
//! An enum derives the names with `strum` in snake case, like `serde`, and is listed in `named_enums!`.

/// Implements `ALL`, `as_str` and `named` for each of these enums.
macro_rules! named_enums {
    ($($type:ty),* $(,)?) => {
        $(impl $type {
            /// Every variant, in order of declaration.
            pub const ALL: [Self; <Self as strum::EnumCount>::COUNT] = {
                let all = <Self as strum::VariantArray>::VARIANTS;
                let mut each = [all[0]; <Self as strum::EnumCount>::COUNT];
                let mut at = 0;
                while at < each.len() {
                    each[at] = all[at];
                    at += 1;
                }
                each
            };

            /// The name on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            /// The variant with this name on the wire.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                name.parse().ok()
            }
        })*

        #[cfg(test)]
        mod tests {
            use super::*;

            fn check<T: serde::Serialize + PartialEq + Copy + std::fmt::Debug>(
                all: &[T], name: impl Fn(T) -> &'static str, named: impl Fn(&str) -> Option<T>,
            ) {
                assert!(!all.is_empty());
                for &one in all {
                    assert_eq!(serde_json::to_value(one).unwrap(), name(one));
                    assert_eq!(named(name(one)), Some(one));
                }
                assert_eq!(named("nonsense"), None);
            }

            #[test]
            fn the_names_are_those_of_serde() {
                $(check(&<$type>::ALL, <$type>::as_str, <$type>::named);)*
            }
        }
    };
}

use super::block::Level;
use super::{GroupStatus, MailKind, MailStatus, ManagerType, PendingKind, Priority, StopReason};

named_enums!(GroupStatus, Level, MailKind, ManagerType, MailStatus, PendingKind, Priority, StopReason);
