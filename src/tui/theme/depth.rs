//! Reduces a theme to the terminal's colour depth.

use ratatui::style::{Color, Style};

use super::Theme;

/// Colour depth of the terminal, determined once at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// 24-bit RGB.
    True,
    /// The 256-colour palette of xterm.
    Indexed,
    /// The terminal's own 16 colours.
    #[default]
    Ansi,
    /// No colours: `NO_COLOR`, or a terminal without colours.
    Mono,
}

impl Theme {
    /// Returns the theme reduced to a colour depth. With 16 colours, a theme that uses RGB is replaced by the default
    /// theme, because 16 colours cannot approximate it.
    #[must_use]
    pub fn at(&self, depth: Depth) -> Self {
        match depth {
            Depth::Indexed => self.map(indexed),
            Depth::Ansi if self.names_rgb() => Self { name: self.name.clone(), ..Self::terminal() },
            Depth::True | Depth::Ansi => self.clone(),
            Depth::Mono => self.monochrome(),
        }
    }

    fn colours(&self) -> impl Iterator<Item = Color> {
        self.styles.iter().flat_map(|style| [style.fg, style.bg]).flatten().chain([self.background])
    }

    fn names_rgb(&self) -> bool {
        self.colours().any(|colour| matches!(colour, Color::Rgb(..)))
    }

    fn map(&self, change: fn(Color) -> Color) -> Self {
        let style = |style: &Style| Style { fg: style.fg.map(change), bg: style.bg.map(change), ..*style };
        Self {
            name: self.name.clone(),
            background: change(self.background),
            styles: self.styles.iter().map(style).collect(),
        }
    }
}

/// Channel levels of the palette's colour cube, which starts at index 16.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Returns the nearest of the 240 palette entries that are the same on every terminal.
fn indexed(colour: Color) -> Color {
    let Color::Rgb(red, green, blue) = colour else { return colour };
    let distance = |index: u8| {
        let (r, g, b) = entry(index);
        let square = |one: u8, other: u8| u32::from(one.abs_diff(other)).pow(2);
        square(r, red) + square(g, green) + square(b, blue)
    };
    Color::Indexed((16..=255).min_by_key(|index| distance(*index)).unwrap_or(16))
}

/// Returns the RGB value of a palette entry from 16 on: the cube, then 24 greys.
fn entry(index: u8) -> (u8, u8, u8) {
    if index >= 232 {
        let grey = 8 + 10 * (index - 232);
        return (grey, grey, grey);
    }
    let at = usize::from(index.saturating_sub(16));
    (CUBE[at / 36 % 6], CUBE[at / 6 % 6], CUBE[at % 6])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Role;

    #[test]
    fn rgb_goes_to_the_nearest_palette_entry() {
        assert_eq!(indexed(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(indexed(Color::Rgb(9, 8, 8)), Color::Indexed(232));
        assert_eq!(indexed(Color::Rgb(250, 254, 255)), Color::Indexed(231));
        assert_eq!(indexed(Color::Cyan), Color::Cyan, "the terminal's own stay");
    }

    #[test]
    fn each_depth_names_no_more_colours_than_it_has() {
        for theme in Theme::builtin_names().map(|name| Theme::load(name, |_| None).unwrap()) {
            assert_eq!(theme.at(Depth::True), theme);
            assert!(!theme.at(Depth::Indexed).names_rgb());
            let few = theme.at(Depth::Ansi);
            assert!(few.colours().all(|colour| !matches!(colour, Color::Rgb(..) | Color::Indexed(_))));
            assert!(theme.at(Depth::Mono).colours().all(|colour| colour == Color::Reset));
            assert!(theme.at(Depth::Indexed).style(Role::Error).fg.is_some());
        }
    }
}
