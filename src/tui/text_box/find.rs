//! Finding a text in a text box.

use super::TextBox;

/// Most places that are looked for.
const MOST: usize = 10_000;

/// A place that was found, in `char`s of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The line, from 0.
    pub line: usize,
    /// The first `char`.
    pub from: usize,
    /// The `char` behind it.
    pub to: usize,
}

impl TextBox {
    /// Returns where a text occurs, regardless of case unless it has a capital letter. Empty for an empty text.
    #[must_use]
    pub fn find(&self, sought: &str) -> Vec<Found> {
        let exact = sought.chars().any(char::is_uppercase);
        let same = |a: char, b: char| a == b || !exact && a.to_lowercase().eq(b.to_lowercase());
        let sought: Vec<char> = sought.chars().collect();
        let mut found = Vec::new();
        for (line, text) in self.lines().iter().enumerate().filter(|_| !sought.is_empty()) {
            let chars: Vec<char> = text.chars().collect();
            let mut from = 0;
            while from + sought.len() <= chars.len() && found.len() < MOST {
                let to = from + sought.len();
                if chars[from..to].iter().zip(&sought).all(|(a, b)| same(*a, *b)) {
                    found.push(Found { line, from, to });
                    from = to;
                } else {
                    from += 1;
                }
            }
        }
        found
    }

    /// Selects a place that was found; the caret is behind it.
    pub fn select_found(&mut self, found: Found) {
        self.go_to((found.line, found.from));
        self.area.start_selection();
        self.jump((found.line, found.to));
    }
}
