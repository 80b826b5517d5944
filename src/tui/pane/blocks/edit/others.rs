//! What others changed in a block since the version that is edited here, by line: who changed, added or removed it.
//!
//! Every version that comes is compared with the one before it, so that each line has its own author. The lines are then
//! shown at the lines of the edited text that they belong to.

use std::collections::BTreeMap;

use similar::DiffTag;

use crate::domain::text_edit::diff::compare;
use crate::domain::text_edit::{Merge, Piece};
use crate::domain::{Block, Editor};
use crate::tui::text::clean::clean_line;

/// What happened to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Lines were added behind it, or above the first one.
    Added,
    /// It was removed.
    Removed,
    /// It has another text.
    Changed,
}

/// A change at a line of the edited text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The line of the edited text, from 0.
    pub line: usize,
    /// What happened to it.
    pub sign: Sign,
    /// Who did it, as shown.
    pub who: String,
    /// The line as it is there now; empty if it was removed.
    pub text: String,
    /// The line is changed here, too, so that both have to be looked at.
    pub clashes: bool,
}

/// A line of the newest version.
#[derive(Debug, Clone)]
struct Line {
    text: String,
    who: Option<String>,
}

/// The newest version, and who made it what it is.
#[derive(Debug, Clone)]
pub struct Others {
    base: Vec<String>,
    /// The newest version.
    pub version: u64,
    /// Its value.
    pub value: String,
    /// Who changed it since the base, the last one last.
    pub names: Vec<String>,
    lines: Vec<Line>,
    /// Who removed a line of the base.
    gone: BTreeMap<usize, String>,
    /// For each line of the newest version, the line of the base that it is.
    kept: Vec<Option<usize>>,
    /// Number of conflicts with the edited text.
    pub clashes: usize,
    /// The changes, by line of the edited text.
    pub marks: Vec<Mark>,
}

impl Others {
    /// Nobody has changed this version yet.
    #[must_use]
    pub fn new(version: u64, value: &str) -> Self {
        let base: Vec<String> = split(value).into_iter().map(str::to_owned).collect();
        Self {
            kept: (0..base.len()).map(Some).collect(),
            lines: base.iter().map(|text| Line { text: text.clone(), who: None }).collect(),
            base,
            version,
            value: value.to_owned(),
            names: Vec::new(),
            gone: BTreeMap::new(),
            clashes: 0,
            marks: Vec::new(),
        }
    }

    /// Takes in a version that somebody wrote; one that is known already changes nothing.
    pub fn take(&mut self, version: u64, value: &str, editor: &Editor) {
        if version <= self.version {
            return;
        }
        let who = clean_line(editor.name_elsewhere()).into_owned();
        let old: Vec<&str> = self.lines.iter().map(|line| line.text.as_str()).collect();
        let new = split(value);
        let (mut lines, mut kept) = (Vec::new(), Vec::new());
        for op in compare(&old, &new) {
            let (tag, was, is) = op.as_tag_tuple();
            if tag == DiffTag::Equal {
                lines.extend_from_slice(&self.lines[was.clone()]);
                kept.extend_from_slice(&self.kept[was]);
                continue;
            }
            for base in self.kept[was].iter().flatten() {
                self.gone.insert(*base, who.clone());
            }
            lines.extend(new[is.clone()].iter().map(|text| Line { text: (*text).to_owned(), who: Some(who.clone()) }));
            kept.extend(is.map(|_| None));
        }
        (self.lines, self.kept) = (lines, kept);
        self.names.retain(|name| *name != who);
        self.names.push(who);
        (self.version, self.value) = (version, value.to_owned());
    }

    /// Returns true if somebody has changed the version that is edited here.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.names.is_empty()
    }

    /// Compares with the edited text, which rests on the version this was created with.
    pub fn compare(&mut self, block: &Block, base: (u64, &str), mine: &str) {
        if !self.any() {
            return;
        }
        self.clashes = match block.merge(base, mine) {
            Merge::Clean(_) => 0,
            Merge::Clash(pieces) => pieces.iter().filter(|piece| matches!(piece, Piece::Clash { .. })).count(),
        };
        self.marks = self.marks(mine);
    }

    fn marks(&self, mine: &str) -> Vec<Mark> {
        let base: Vec<&str> = self.base.iter().map(String::as_str).collect();
        let theirs: Vec<&str> = self.lines.iter().map(|line| line.text.as_str()).collect();
        let places = Places::new(&base, &split(mine));
        let last = self.names.last().map_or("", String::as_str);
        let mut marks = Vec::new();
        for op in compare(&base, &theirs) {
            let (tag, was, is) = op.as_tag_tuple();
            if tag == DiffTag::Equal {
                continue;
            }
            let pairs = was.len().min(is.len());
            let who = |line: usize| self.lines[line].who.clone().unwrap_or_else(|| last.to_owned());
            for at in 0..was.len() {
                let (line, clashes) = places.of(was.start + at);
                let mark = if at < pairs {
                    let text = theirs[is.start + at].to_owned();
                    Mark { line, sign: Sign::Changed, who: who(is.start + at), text, clashes }
                } else {
                    let who = self.gone.get(&(was.start + at)).map_or(last, String::as_str).to_owned();
                    Mark { line, sign: Sign::Removed, who, text: String::new(), clashes }
                };
                marks.push(mark);
            }
            let (line, clashes) = was.end.checked_sub(1).map_or((0, false), |before| places.of(before));
            for new in is.skip(pairs) {
                let text = theirs[new].to_owned();
                marks.push(Mark { line, sign: Sign::Added, who: who(new), text, clashes });
            }
        }
        marks
    }
}

/// Where the lines of the base are in the edited text.
struct Places {
    lines: Vec<(usize, bool)>,
}

impl Places {
    fn new(base: &[&str], mine: &[&str]) -> Self {
        let mut lines = Vec::with_capacity(base.len());
        for op in compare(base, mine) {
            let (tag, was, is) = op.as_tag_tuple();
            let last = mine.len().saturating_sub(1);
            let place = |at: usize| match tag {
                DiffTag::Equal => is.start + at,
                _ => (is.start + at).min(is.end.saturating_sub(1).max(is.start)).min(last),
            };
            lines.extend((0..was.len()).map(|at| (place(at), tag != DiffTag::Equal)));
        }
        Self { lines }
    }

    /// Returns the line of the edited text where a line of the base is, and whether it was changed there.
    fn of(&self, base: usize) -> (usize, bool) {
        self.lines.get(base).copied().unwrap_or_default()
    }
}

fn split(text: &str) -> Vec<&str> {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::BlockOwner;

    fn agent(name: &str) -> Editor {
        Editor::Agent { id: "agent-1".into(), name: name.to_owned(), job: None }
    }

    fn block(version: u64, value: &str) -> Block {
        let fresh = Block::new("block-1".into(), "story", BlockOwner::Group("group-1".into()), Editor::File);
        Block { value: value.to_owned(), version, ..fresh }
    }

    #[test]
    fn each_line_has_its_own_author_at_the_line_it_belongs_to() {
        let base = "one\ntwo\nthree\nfour";
        let mut others = Others::new(1, base);
        others.take(2, "one\nTWO\nthree\nfour", &agent("ann"));
        others.take(3, "one\nTWO\nthree\nfour\nfive", &agent("ben"));
        others.take(4, "one\nTWO\nfour\nfive", &agent("cat"));
        others.take(4, "a version that is known changes nothing", &agent("dan"));
        let mine = "zero\none\ntwo\nthree\nfour, mine";
        others.compare(&block(4, "one\nTWO\nfour\nfive"), (1, base), mine);
        let told: Vec<_> =
            others.marks.iter().map(|mark| (mark.line, mark.sign, mark.who.as_str(), mark.clashes)).collect();
        assert_eq!(
            told,
            [(2, Sign::Changed, "ann", false), (3, Sign::Removed, "cat", false), (4, Sign::Added, "ben", true)]
        );
        assert_eq!(others.names, ["ann", "ben", "cat"]);
        assert_eq!(others.clashes, 1);
    }

    #[test]
    fn a_line_that_is_as_it_was_has_no_mark() {
        let mut others = Others::new(1, "one\ntwo");
        others.take(2, "one\nTWO", &agent("ann"));
        others.take(3, "one\ntwo", &agent("ben"));
        others.compare(&block(3, "one\ntwo"), (1, "one\ntwo"), "one\ntwo\nmine");
        assert_eq!(others.marks, []);
        assert!(others.any());
    }
}
