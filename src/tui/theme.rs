//! Themes: a style for every role. Only this module handles RGB colours.
//!
//! A theme is a TOML file with styles for roles, not for widgets. Three are built in: `terminal`, which uses the
//! terminal's own 16 colours and no background, `dark` and `light`. A user's file names the theme it `inherits`
//! (default `terminal`) and the roles that differ.

mod depth;
mod file;

pub use depth::Depth;
pub use file::Source;

use ratatui::style::{Color, Modifier, Style};

pub use crate::tui::text::{Role, SPEAKERS};

/// A set of styles, one per role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Name under which the theme was loaded.
    pub name: String,
    /// Background colour of the screen; [`Color::Reset`] keeps the terminal's own.
    pub background: Color,
    styles: Vec<Style>,
}

impl Theme {
    /// Returns the style of a role.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role.slot()).copied().unwrap_or_default()
    }

    /// Returns the style the whole screen is filled with before drawing.
    #[must_use]
    pub fn base(&self) -> Style {
        self.style(Role::Text).bg(self.background)
    }

    /// Returns the theme without colours, for `NO_COLOR`. Modifiers are kept; a role with a background colour is
    /// reversed instead.
    #[must_use]
    pub fn monochrome(&self) -> Self {
        let plain = |style: &Style| {
            let reversed = style.bg.is_some() && !style.add_modifier.contains(Modifier::REVERSED);
            let kept = Style::new().add_modifier(style.add_modifier);
            if reversed { kept.add_modifier(Modifier::REVERSED) } else { kept }
        };
        Self { name: self.name.clone(), background: Color::Reset, styles: self.styles.iter().map(plain).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str) -> Theme {
        Theme::load(name, |_| None).unwrap()
    }

    /// The relative luminance of WCAG 2, from 0 to 1.
    fn luminance(colour: Color) -> f64 {
        let Color::Rgb(red, green, blue) = colour else { panic!("{colour:?} is left to the terminal") };
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    fn contrast(one: Color, other: Color) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn the_contrast_is_computed_as_the_standard_says() {
        assert!((contrast(Color::Rgb(0, 0, 0), Color::Rgb(255, 255, 255)) - 21.0).abs() < 0.01);
        assert!((contrast(Color::Rgb(0x77, 0x77, 0x77), Color::Rgb(255, 255, 255)) - 4.48).abs() < 0.01);
    }

    #[test]
    fn every_role_of_dark_and_light_can_be_read() {
        for theme in ["dark", "light"].map(shipped) {
            for role in Role::all() {
                let style = theme.style(role);
                let reached = contrast(style.fg.unwrap(), style.bg.unwrap_or(theme.background));
                // A lower contrast is enough for lines than for text.
                let wanted = if role == Role::Border { 3.0 } else { 4.5 };
                assert!(reached >= wanted, "{} {role:?}: {reached:.2}", theme.name);
            }
        }
    }

    #[test]
    fn the_default_theme_uses_the_terminals_own_colours() {
        let theme = Theme::terminal();
        for role in Role::all() {
            let style = theme.style(role);
            for colour in [style.fg, style.bg].into_iter().flatten() {
                assert!(!matches!(colour, Color::Rgb(..) | Color::Indexed(_)), "{role:?} {colour:?}");
            }
        }
        assert_eq!(theme.base().bg, Some(Color::Reset));
    }

    #[test]
    fn no_two_speakers_share_a_colour() {
        for theme in Theme::builtin_names().map(shipped) {
            let mut seen = Vec::new();
            for index in 0..SPEAKERS {
                let style = theme.style(Role::speaker(index));
                assert!(!seen.contains(&style), "{} speaker {index}", theme.name);
                seen.push(style);
            }
            assert_eq!(Role::speaker(SPEAKERS), Role::speaker(0));
        }
    }

    #[test]
    fn without_colours_weight_and_reversal_stay() {
        for theme in Theme::builtin_names().map(shipped) {
            let mono = theme.monochrome();
            for role in Role::all() {
                let style = mono.style(role);
                assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
                assert!(style.add_modifier.contains(theme.style(role).add_modifier));
            }
            for told in [Role::Selection, Role::Match] {
                assert!(mono.style(told).add_modifier.contains(Modifier::REVERSED), "{} {told:?}", theme.name);
            }
            for told in [Role::Focus, Role::Heading, Role::Error, Role::Accent, Role::Link] {
                assert_ne!(mono.style(told), mono.style(Role::Text), "{} {told:?}", theme.name);
            }
        }
    }
}
