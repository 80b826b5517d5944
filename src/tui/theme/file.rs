//! Theme files: parsing, validation and inheritance.

use std::fmt::Write as _;
use std::ops::Range;

use ratatui::style::{Color, Modifier, Style};
use toml::Spanned;
use toml::de::DeValue;

use super::Theme;
use crate::toml_file::{self, Fault, Lines, in_order};
use crate::tui::text::{NAMED, Role, SPEAKERS};

/// The built-in themes: name, file, content.
const BUILTIN: [(&str, &str, &str); 3] = [
    ("terminal", "themes/terminal.toml", include_str!("../../../themes/terminal.toml")),
    ("dark", "themes/dark.toml", include_str!("../../../themes/dark.toml")),
    ("light", "themes/light.toml", include_str!("../../../themes/light.toml")),
];

/// The theme inherited by default, and the only one that inherits nothing.
const ROOT: &str = "terminal";

/// The named colours: the terminal's own 16, and its default.
const COLOURS: [(&str, Color); 17] = [
    ("default", Color::Reset),
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("white", Color::Gray),
    ("bright-black", Color::DarkGray),
    ("bright-red", Color::LightRed),
    ("bright-green", Color::LightGreen),
    ("bright-yellow", Color::LightYellow),
    ("bright-blue", Color::LightBlue),
    ("bright-magenta", Color::LightMagenta),
    ("bright-cyan", Color::LightCyan),
    ("bright-white", Color::White),
];

/// The modifiers of a style.
const MODIFIERS: [(&str, Modifier); 6] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
    ("struck", Modifier::CROSSED_OUT),
];

/// A theme file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path, used in error messages.
    pub file: String,
    /// Content.
    pub text: String,
}

/// Error of loading a theme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThemeError {
    /// The theme is neither built in nor a file of the user.
    #[error("there is no theme `{name}`: use {}, or write a file of that name", builtin_names())]
    Unknown {
        /// The requested name.
        name: String,
    },
    /// A theme file is invalid.
    #[error("{file} line {line}: {fault}")]
    Fault {
        /// Path of the file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The error and how to correct it.
        fault: String,
    },
}

impl Theme {
    /// Returns the names of the built-in themes.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, ..)| *name)
    }

    /// Loads a theme by name. `user` returns the user's file for a theme name; it takes precedence over a built-in
    /// theme of the same name. A user's file that inherits its own name inherits the built-in theme.
    ///
    /// # Errors
    /// Fails if a theme is unknown, a file is invalid, or inheritance is circular.
    pub fn load(name: &str, user: impl Fn(&str) -> Option<Source>) -> Result<Self, ThemeError> {
        let mut layers = Vec::new();
        let mut wanted = (name.to_owned(), None::<(String, usize)>);
        let mut seen: Vec<(String, bool)> = Vec::new();
        loop {
            let (current, asked_by) = wanted;
            let above_is_same = seen.last().is_some_and(|(last, own)| *own && *last == current);
            let own = if above_is_same { None } else { user(&current) };
            let key = (current.clone(), own.is_some());
            let Some(source) = own.or_else(|| builtin(&current)) else {
                return Err(match asked_by {
                    Some((file, line)) => {
                        ThemeError::Fault { file, line, fault: ThemeError::Unknown { name: current }.to_string() }
                    }
                    None => ThemeError::Unknown { name: current },
                });
            };
            if let (true, Some((file, line))) = (seen.contains(&key), asked_by) {
                let chain: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).chain([current.as_str()]).collect();
                let fault = format!("`inherits` is circular ({}): remove it from one of them", chain.join(" > "));
                return Err(ThemeError::Fault { file, line, fault });
            }
            let is_root = current == ROOT && !key.1;
            seen.push(key);
            let layer = Layer::parse(&source)?;
            let parent = layer.inherits.clone();
            layers.push(layer);
            wanted = match parent {
                Some((parent, line)) => (parent, Some((source.file, line))),
                None if is_root => break,
                None => (ROOT.to_owned(), Some((source.file, 1))),
            };
        }
        let mut theme = Self {
            name: name.to_owned(),
            background: Color::Reset,
            styles: vec![Style::new(); NAMED.len() + SPEAKERS],
        };
        for layer in layers.into_iter().rev() {
            layer.apply(&mut theme);
        }
        Ok(theme)
    }

    /// Returns the default theme.
    #[must_use]
    pub fn terminal() -> Self {
        let bare = Self { name: ROOT.to_owned(), background: Color::Reset, styles: Vec::new() };
        Self::load(ROOT, |_| None).unwrap_or(bare)
    }
}

fn builtin(name: &str) -> Option<Source> {
    let (_, file, text) = BUILTIN.iter().find(|(builtin, ..)| *builtin == name)?;
    Some(Source { file: (*file).to_owned(), text: (*text).to_owned() })
}

fn builtin_names() -> String {
    Theme::builtin_names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Content of one theme file.
#[derive(Default)]
struct Layer {
    inherits: Option<(String, usize)>,
    background: Option<Color>,
    styles: Vec<(Role, Style)>,
}

impl Layer {
    fn parse(source: &Source) -> Result<Self, ThemeError> {
        let lines = Lines::of(&source.text);
        let located = |Fault { at, text }| ThemeError::Fault {
            file: source.file.clone(),
            line: lines.line(at),
            fault: one_line(&text),
        };
        let table = toml_file::parse(&source.text).map_err(located)?;
        let mut layer = Self::default();
        for (key, value) in in_order(table.get_ref()) {
            layer.entry(key.get_ref(), &key.span(), value, &lines).map_err(located)?;
        }
        Ok(layer)
    }

    fn entry(
        &mut self,
        key: &str,
        at: &Range<usize>,
        value: &Spanned<DeValue<'_>>,
        lines: &Lines,
    ) -> Result<(), Fault> {
        match key {
            "inherits" => {
                let name =
                    value.get_ref().as_str().ok_or_else(|| fault(value, "`inherits` must be the name of a theme"))?;
                self.inherits = Some((name.to_owned(), lines.line(at.start)));
            }
            "background" => self.background = Some(colour(value)?),
            "speakers" => {
                let styles = value.get_ref().as_array().filter(|array| array.len() == SPEAKERS);
                let styles =
                    styles.ok_or_else(|| fault(value, &format!("`speakers` must be a list of {SPEAKERS} styles")))?;
                for (index, entry) in styles.iter().enumerate() {
                    self.styles.push((Role::speaker(index), style(entry)?));
                }
            }
            _ => {
                let Some((_, role)) = NAMED.iter().find(|(name, _)| *name == key) else {
                    let mut known = String::new();
                    for (name, _) in NAMED {
                        let _ = write!(known, "{name}, ");
                    }
                    let key = one_line(key);
                    let message =
                        format!("there is no role `{key}`: use one of {known}speakers, background or inherits");
                    return Err(Fault::at(at, message));
                };
                self.styles.push((*role, style(value)?));
            }
        }
        Ok(())
    }

    fn apply(self, theme: &mut Theme) {
        if let Some(background) = self.background {
            theme.background = background;
        }
        for (role, style) in self.styles {
            if let Some(slot) = theme.styles.get_mut(role.slot()) {
                *slot = style;
            }
        }
    }
}

fn fault(value: &Spanned<DeValue<'_>>, message: &str) -> Fault {
    Fault::at(&value.span(), message)
}

fn one_line(text: &str) -> String {
    crate::tui::text::clean::clean_line(text).into_owned()
}

/// Parses a style: a foreground colour, or a table of `fg`, `bg` and modifiers.
fn style(value: &Spanned<DeValue<'_>>) -> Result<Style, Fault> {
    let Some(table) = value.get_ref().as_table() else {
        return Ok(Style::new().fg(colour(value)?));
    };
    let mut style = Style::new();
    for (key, entry) in in_order(table) {
        let name = key.get_ref().as_ref();
        if name == "fg" {
            style = style.fg(colour(entry)?);
        } else if name == "bg" {
            style = style.bg(colour(entry)?);
        } else if let Some((_, modifier)) = MODIFIERS.iter().find(|(known, _)| *known == name) {
            let on =
                entry.get_ref().as_bool().ok_or_else(|| fault(entry, &format!("`{name}` must be true or false")))?;
            style = if on { style.add_modifier(*modifier) } else { style };
        } else {
            let known = MODIFIERS.map(|(known, _)| known).join(", ");
            let name = one_line(name);
            return Err(Fault::at(&key.span(), format!("a style has no `{name}`: use fg, bg, {known}")));
        }
    }
    Ok(style)
}

fn colour(value: &Spanned<DeValue<'_>>) -> Result<Color, Fault> {
    let name = value.get_ref().as_str().unwrap_or_default();
    let known = COLOURS.iter().find(|(known, _)| *known == name).map(|(_, colour)| *colour);
    known.or_else(|| rgb(name)).ok_or_else(|| {
        let names = COLOURS.map(|(known, _)| known).join(", ");
        fault(value, &format!("this is not a colour: write \"#rrggbb\" or one of {names}"))
    })
}

fn rgb(name: &str) -> Option<Color> {
    let digits = name.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let digits = digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(digits)?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    let [_, red, green, blue] = value.to_be_bytes();
    Some(Color::Rgb(red, green, blue))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(files: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<Source> {
        |name| {
            let (name, text) = files.iter().find(|(file, _)| *file == name)?;
            Some(Source { file: format!("themes/{name}.toml"), text: (*text).to_owned() })
        }
    }

    fn refused(name: &str, files: &'static [(&'static str, &'static str)]) -> String {
        Theme::load(name, user(files)).unwrap_err().to_string()
    }

    #[test]
    fn every_builtin_theme_names_every_role_itself() {
        for (name, file, text) in BUILTIN {
            let layer = Layer::parse(&Source { file: file.to_owned(), text: text.to_owned() }).unwrap();
            for role in Role::all() {
                assert!(layer.styles.iter().any(|(named, _)| *named == role), "{name} lacks {role:?}");
            }
        }
    }

    #[test]
    fn a_users_theme_says_only_what_differs() {
        let theme = Theme::load("mine", user(&[("mine", "inherits = \"dark\"\naccent = \"#ff8800\"\n")])).unwrap();
        let dark = Theme::load("dark", |_| None).unwrap();
        assert_eq!(theme.style(Role::Accent).fg, Some(Color::Rgb(0xff, 0x88, 0)));
        assert_eq!(theme.style(Role::Error), dark.style(Role::Error));
        assert_eq!(theme.background, dark.background);
    }

    #[test]
    fn a_users_theme_may_build_on_the_builtin_of_its_name() {
        let theme = Theme::load("dark", user(&[("dark", "inherits = \"dark\"\ntext = \"red\"")])).unwrap();
        assert_eq!(theme.style(Role::Text).fg, Some(Color::Red));
        assert_ne!(theme.background, Color::Reset);
    }

    #[test]
    fn an_unknown_role_is_told_with_file_and_line() {
        let told = refused("mine", &[("mine", "inherits = \"dark\"\n\nfoo = \"red\"\n")]);
        assert!(told.starts_with("themes/mine.toml line 3: there is no role `foo`: use one of text, dim,"), "{told}");
        assert!(!told.contains('\n'));
    }

    #[test]
    fn each_fault_has_its_line_and_what_would_be_right() {
        for (text, start) in [
            ("text = \"pink\"", "themes/m.toml line 1: this is not a colour: write \"#rrggbb\" or"),
            ("\ntext = \"#12345é\"", "themes/m.toml line 2: this is not a colour"),
            ("text = 7", "themes/m.toml line 1: this is not a colour"),
            ("text = { fg = \"red\", blink = true }", "themes/m.toml line 1: a style has no `blink`"),
            ("text = { bold = 1 }", "themes/m.toml line 1: `bold` must be true or false"),
            ("speakers = [\"red\"]", "themes/m.toml line 1: `speakers` must be a list of 8 styles"),
            ("inherits = 3", "themes/m.toml line 1: `inherits` must be the name of a theme"),
            ("text = \"red\"\n= 3", "themes/m.toml line 2: "),
            ("\ninherits = \"nope\"", "themes/m.toml line 2: there is no theme `nope`: use `terminal`"),
        ] {
            let files: &'static [_] = Box::leak(Box::new([("m", text)]));
            let told = refused("m", files);
            assert!(told.starts_with(start), "{text}: {told}");
        }
    }

    #[test]
    fn a_circle_is_refused_where_it_closes() {
        let told = refused("a", &[("a", "inherits = \"b\""), ("b", "\ninherits = \"a\"")]);
        assert_eq!(told, "themes/b.toml line 2: `inherits` is circular (a > b > a): remove it from one of them");
    }

    #[test]
    fn an_unknown_theme_is_told_with_the_ones_there_are() {
        assert_eq!(
            refused("noir", &[]),
            "there is no theme `noir`: use `terminal`, `dark`, `light`, or write a file of that name"
        );
    }
}
