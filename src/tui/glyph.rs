//! The signs of the screen, in Unicode and in ASCII. Every sign takes exactly one cell.

use crate::config::Glyphs;

macro_rules! glyphs {
    ($($(#[$doc:meta])* $name:ident = $unicode:literal $ascii:literal,)*) => {
        /// One set of signs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct GlyphSet {
            $($(#[$doc])* pub $name: &'static str,)*
            /// Stands before a speaker's name, by the index of [`crate::tui::theme::Role::speaker`], so that
            /// speakers are told apart without colour. None of them is a sign of a state.
            pub speakers: [&'static str; crate::tui::theme::SPEAKERS],
        }

        /// Unicode signs that the usual monospaced fonts have.
        pub const UNICODE: GlyphSet = GlyphSet {
            $($name: $unicode,)*
            speakers: ["■", "□", "★", "☆", "✚", "✱", "▰", "▱"],
        };

        /// Signs of 7-bit ASCII.
        pub const ASCII: GlyphSet = GlyphSet {
            $($name: $ascii,)*
            speakers: ["A", "B", "C", "D", "E", "F", "G", "H"],
        };

        impl GlyphSet {
            /// Every sign of the set with its name, the speakers' last.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
                [$((stringify!($name), self.$name),)*].into_iter().chain(self.speakers.map(|sign| ("speakers", sign)))
            }
        }
    };
}

glyphs! {
    /// An agent with nothing to do.
    idle = "○" ".",
    /// An agent whose model answers.
    thinking = "◐" "*",
    /// An agent in a tool call.
    tool = "◆" "#",
    /// An agent that waits for somebody.
    waiting = "◔" "~",
    /// Something waits for the person.
    needs_you = "▲" "!",
    /// The manager of a group.
    manager = "◇" "%",
    /// A background job.
    background = "◌" "o",
    /// Something done.
    done = "✓" "=",
    /// Something changed since it was last looked at.
    changed = "●" "@",
    /// Something that failed.
    failed = "✗" "x",
    /// Something folded.
    folded = "▸" ">",
    /// Something unfolded.
    open = "▾" "v",
    /// Where streamed text goes on.
    cursor = "▌" "_",
    /// Before the composer.
    prompt = "›" ">",
    /// Between facts in one line.
    dot = "·" "-",
    /// Between the ends of a range.
    range = "–" "-",
    /// Stands for what was cut.
    ellipsis = "…" "~",
    /// More above.
    up = "↑" "^",
    /// More below.
    down = "↓" "v",
    /// Earlier, or back.
    left = "←" "<",
    /// Later, or leads to.
    right = "→" ">",
    /// An item of a list.
    bullet = "•" "*",
    /// Times, as in "3 times".
    times = "×" "x",
    /// A vertical line; a quote's bar.
    vertical = "│" "|",
    /// A horizontal line.
    horizontal = "─" "-",
    /// A line that leaves downwards.
    tee_down = "┬" "+",
    /// A line that leaves upwards.
    tee_up = "┴" "+",
    /// A line that leaves to the right.
    tee_right = "├" "+",
    /// A line that leaves to the left.
    tee_left = "┤" "+",
    /// Two lines that cross.
    cross = "┼" "+",
}

impl GlyphSet {
    /// The set the configuration asks for.
    #[must_use]
    pub const fn of(glyphs: Glyphs) -> &'static Self {
        match glyphs {
            Glyphs::Unicode => &UNICODE,
            Glyphs::Ascii => &ASCII,
        }
    }

    /// The mark of the speaker with this stable index in its group.
    #[must_use]
    pub fn speaker(&self, index: usize) -> &'static str {
        self.speakers[index % self.speakers.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::text::{clean::clean, width::width};

    #[test]
    fn every_sign_takes_one_cell_and_is_safe_to_draw() {
        for (name, sign) in UNICODE.all().chain(ASCII.all()) {
            assert_eq!(width(sign), 1, "{name} {sign}");
            assert_eq!(clean(sign), sign, "{name}");
        }
    }

    #[test]
    fn the_ascii_set_is_ascii() {
        for (name, sign) in ASCII.all() {
            assert!(sign.is_ascii(), "{name} {sign}");
        }
    }

    #[test]
    fn states_and_speakers_are_told_apart_by_sign_alone() {
        for set in [UNICODE, ASCII] {
            let mut signs = vec![
                set.idle,
                set.thinking,
                set.tool,
                set.waiting,
                set.needs_you,
                set.background,
                set.manager,
                set.done,
                set.changed,
                set.failed,
                set.folded,
                set.open,
            ];
            signs.extend(set.speakers);
            let count = signs.len();
            signs.sort_unstable();
            signs.dedup();
            assert_eq!(signs.len(), count);
        }
    }
}
