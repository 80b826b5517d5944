//! The glyph sets, in Unicode and in ASCII. Every glyph is exactly one cell wide.

use crate::config::Glyphs;

macro_rules! glyphs {
    ($($(#[$doc:meta])* $name:ident = $unicode:literal $ascii:literal,)*) => {
        /// One set of glyphs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct GlyphSet {
            $($(#[$doc])* pub $name: &'static str,)*
            /// Marks before speaker names, by the index of [`crate::tui::theme::Role::speaker`], so that
            /// speakers can be distinguished without colour. None of them is also a state glyph.
            pub speakers: [&'static str; crate::tui::theme::SPEAKERS],
        }

        /// Unicode glyphs that common monospaced fonts contain.
        pub const UNICODE: GlyphSet = GlyphSet {
            $($name: $unicode,)*
            speakers: ["■", "□", "★", "☆", "✚", "✱", "▰", "▱"],
        };

        /// 7-bit ASCII glyphs.
        pub const ASCII: GlyphSet = GlyphSet {
            $($name: $ascii,)*
            speakers: ["A", "B", "C", "D", "E", "F", "G", "H"],
        };

        impl GlyphSet {
            /// Returns every glyph of the set with its name, the speakers' last.
            #[cfg(test)]
            pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
                [$((stringify!($name), self.$name),)*].into_iter().chain(self.speakers.map(|sign| ("speakers", sign)))
            }
        }
    };
}

glyphs! {
    /// An idle agent.
    idle = "○" ".",
    /// An agent whose model is running.
    thinking = "◐" "*",
    /// An agent in a tool call.
    tool = "◆" "#",
    /// An agent that waits for another agent, a provider or the user.
    waiting = "◔" "~",
    /// Something that waits for the user.
    needs_you = "▲" "!",
    /// The manager of a group.
    manager = "◇" "%",
    /// A background job.
    background = "◌" "o",
    /// Success, or the current choice.
    done = "✓" "=",
    /// Something changed since it was last viewed.
    changed = "●" "@",
    /// Failure.
    failed = "✗" "x",
    /// A folded item.
    folded = "▸" ">",
    /// An unfolded item.
    open = "▾" "v",
    /// End of streaming text.
    cursor = "▌" "_",
    /// Prompt of the composer and of text inputs; mark of the focus.
    prompt = "›" ">",
    /// Separator between facts in one line.
    dot = "·" "-",
    /// Separator between the ends of a range.
    range = "–" "-",
    /// Replaces truncated text.
    ellipsis = "…" "~",
    /// More content above.
    up = "↑" "^",
    /// More content below.
    down = "↓" "v",
    /// Previous, or back.
    left = "←" "<",
    /// Next, or "leads to".
    right = "→" ">",
    /// An item of a list.
    bullet = "•" "*",
    /// Times, as in "3 times".
    times = "×" "x",
    /// Before the continuation of a line of code that is wider than its room.
    wrapped = "↳" "\\",
    /// A vertical line; a quote's bar.
    vertical = "│" "|",
    /// A horizontal line.
    horizontal = "─" "-",
    /// A horizontal line with a branch down.
    tee_down = "┬" "+",
    /// A horizontal line with a branch up.
    tee_up = "┴" "+",
    /// A vertical line with a branch to the right.
    tee_right = "├" "+",
    /// A vertical line with a branch to the left.
    tee_left = "┤" "+",
    /// A crossing of two lines.
    cross = "┼" "+",
}

impl GlyphSet {
    /// Returns the configured set.
    #[must_use]
    pub const fn of(glyphs: Glyphs) -> &'static Self {
        match glyphs {
            Glyphs::Unicode => &UNICODE,
            Glyphs::Ascii => &ASCII,
        }
    }

    /// Returns the mark of the speaker with this index in its group; indices wrap around.
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
