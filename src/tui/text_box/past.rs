//! The changes of a text, each with what undoes it.
//!
//! Typing is undone by words: characters that follow each other are one change until the next word begins. A paste, a cut
//! or a line break is a change of its own.

use std::collections::VecDeque;

/// Most changes that are kept.
const MOST: usize = 1_000;
/// Most bytes of text that they hold.
const MOST_BYTES: usize = 4 << 20;

/// A line and a `char` of it.
type Place = (usize, usize);

/// A change: `removed` gave way to `inserted`, `at` bytes from the start of the text.
#[derive(Debug, Clone)]
struct Change {
    at: usize,
    removed: String,
    inserted: String,
    /// The caret before and after it.
    carets: (Place, Place),
    /// What is typed next may become part of it.
    typed: bool,
}

/// What can be undone and made again.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    changes: VecDeque<Change>,
    /// How many of them are made; the others were undone.
    made: usize,
    bytes: usize,
}

impl Past {
    /// Keeps a change from one text to another, each with its caret. What was undone before cannot be made again.
    pub fn keep(&mut self, (old, before): (&[String], Place), (new, after): (&[String], Place), typed: bool) {
        // Where the same letter is typed twice, the caret tells which of both is new.
        let most = offset(old, before).min(offset(new, after));
        let (old, new) = (old.join("\n"), new.join("\n"));
        if old == new {
            return;
        }
        for gone in self.changes.drain(self.made..) {
            self.bytes -= gone.bytes();
        }
        let same = old.bytes().zip(new.bytes()).take(most).take_while(|(a, b)| a == b).count();
        let at = floor(&old, same).min(floor(&new, same));
        let rest = old.len().min(new.len()) - at;
        let same = old.bytes().rev().zip(new.bytes().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let tail = |text: &str| text.len() - ceil(text, text.len() - same);
        let tail = tail(&old).min(tail(&new));
        let change = Change {
            at,
            removed: old[at..old.len() - tail].to_owned(),
            inserted: new[at..new.len() - tail].to_owned(),
            carets: (before, after),
            typed,
        };
        self.bytes += change.bytes();
        match self.changes.back_mut().filter(|last| last.is_followed_by(&change)) {
            Some(last) => last.join(change),
            None => self.changes.push_back(change),
        }
        while self.changes.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
        self.made = self.changes.len();
    }

    /// Returns the text and the caret before the last change; `None` if there is none.
    pub fn undo(&mut self, lines: &[String]) -> Option<(Vec<String>, Place)> {
        let at = self.made.checked_sub(1)?;
        let change = self.changes.get_mut(at)?;
        self.made = at;
        change.typed = false;
        Some((spliced(lines, change.at, &change.inserted, &change.removed), change.carets.0))
    }

    /// Returns the text and the caret after the change that was undone last; `None` if none was.
    pub fn redo(&mut self, lines: &[String]) -> Option<(Vec<String>, Place)> {
        let change = self.changes.get(self.made)?;
        self.made += 1;
        Some((spliced(lines, change.at, &change.removed, &change.inserted), change.carets.1))
    }
}

impl Change {
    fn bytes(&self) -> usize {
        self.removed.len() + self.inserted.len()
    }

    /// Whether `next` belongs to the same word, typed or deleted in one go.
    fn is_followed_by(&self, next: &Self) -> bool {
        let breaks = |text: &str| text.contains('\n');
        if !self.typed || !next.typed || breaks(&next.inserted) || breaks(&next.removed) || breaks(&self.inserted) {
            return false;
        }
        let begins_word = |before: &str, after: &str| {
            before.ends_with(char::is_whitespace) && !after.starts_with(char::is_whitespace)
        };
        if next.removed.is_empty() {
            return !self.inserted.is_empty()
                && next.at == self.at + self.inserted.len()
                && !begins_word(&self.inserted, &next.inserted);
        }
        let only_deletes = self.inserted.is_empty() && next.inserted.is_empty();
        let ends_word = self.removed.starts_with(char::is_whitespace) && !next.removed.ends_with(char::is_whitespace);
        let backwards = next.at + next.removed.len() == self.at && !ends_word;
        let forwards = next.at == self.at && !begins_word(&self.removed, &next.removed);
        only_deletes && (backwards || forwards)
    }

    fn join(&mut self, next: Self) {
        if next.removed.is_empty() {
            self.inserted.push_str(&next.inserted);
        } else if next.at < self.at {
            (self.at, self.removed) = (next.at, next.removed + &self.removed);
        } else {
            self.removed.push_str(&next.removed);
        }
        self.carets.1 = next.carets.1;
    }
}

/// The lines with `new` in place of `old`.
fn spliced(lines: &[String], at: usize, old: &str, new: &str) -> Vec<String> {
    let mut text = lines.join("\n");
    if text.get(at..at + old.len()) == Some(old) {
        text.replace_range(at..at + old.len(), new);
    }
    text.split('\n').map(str::to_owned).collect()
}

/// The bytes of the text before a place.
fn offset(lines: &[String], (row, col): Place) -> usize {
    let before: usize = lines.iter().take(row).map(|line| line.len() + 1).sum();
    before + lines.get(row).map_or(0, |line| line.char_indices().nth(col).map_or(line.len(), |(at, _)| at))
}

/// The last place between `char`s up to `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The first place between `char`s from `at`.
fn ceil(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}
