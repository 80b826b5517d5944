//! Who wrote each line of a text, found by walking its versions from the newest back.

use similar::DiffTag;

use super::diff::compare;

/// A walk over the versions of a text. It needs one older version at a time and ends as soon as every line has its
/// version, so that a long history is read no further than needed.
#[derive(Debug, Clone)]
pub struct LineWalk {
    /// For each line of the text, the version that wrote it.
    written: Vec<Option<u64>>,
    /// The lines that are older than the versions so far: the line of the text, and its place in the oldest of them.
    open: Vec<(usize, usize)>,
    /// The oldest version so far, and its lines.
    oldest: (u64, Vec<String>),
}

impl LineWalk {
    /// Begins with this version of a text.
    #[must_use]
    pub fn new(version: u64, value: &str) -> Self {
        let lines: Vec<String> = value.lines().map(str::to_owned).collect();
        Self {
            written: vec![None; lines.len()],
            open: (0..lines.len()).map(|at| (at, at)).collect(),
            oldest: (version, lines),
        }
    }

    /// True if the version that wrote it is known of every line.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// Goes on to the version before: lines that it does not have were written by the version after it.
    pub fn earlier(&mut self, version: u64, value: &str) {
        let older: Vec<&str> = value.lines().collect();
        let newer: Vec<&str> = self.oldest.1.iter().map(String::as_str).collect();
        let mut place: Vec<Option<usize>> = vec![None; newer.len()];
        for op in compare(&older, &newer) {
            let (tag, was, is) = op.as_tag_tuple();
            if tag == DiffTag::Equal {
                was.zip(is).for_each(|(was, is)| place[is] = Some(was));
            }
        }
        let by = self.oldest.0;
        let written = &mut self.written;
        self.open.retain_mut(|(line, at)| {
            if let Some(before) = place[*at] {
                *at = before;
                return true;
            }
            written[*line] = Some(by);
            false
        });
        self.oldest = (version, older.into_iter().map(str::to_owned).collect());
    }

    /// Ends the walk: for each line the version that wrote it, `None` if that is older than the versions so far. The
    /// lines of the very first version were written by it.
    #[must_use]
    pub fn end(mut self) -> Vec<Option<u64>> {
        let (version, _) = self.oldest;
        if version == 1 {
            self.open.iter().for_each(|(line, _)| self.written[*line] = Some(version));
        }
        self.written
    }

    /// The oldest version so far.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.oldest.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Walks all of these versions, of which the first is version 1.
    fn walked(versions: &[String], from: usize) -> Vec<Option<u64>> {
        let number = |at: usize| u64::try_from(at).unwrap() + 1;
        let last = versions.len() - 1;
        let mut walk = LineWalk::new(number(last), &versions[last]);
        for at in (from..last).rev() {
            walk.earlier(number(at), &versions[at]);
        }
        walk.end()
    }

    fn texts(versions: &[&str]) -> Vec<String> {
        versions.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn each_line_has_the_version_that_wrote_it_wherever_others_moved_it() {
        let versions = texts(&["a\nb", "new top\na\nb", "new top\na\nB", "new top\na\nmiddle\nB"]);
        assert_eq!(walked(&versions, 0), [Some(2), Some(1), Some(4), Some(3)]);
    }

    #[test]
    fn a_walk_that_stops_early_leaves_older_lines_open() {
        let versions = texts(&["a", "a\nb", "a\nb\nc"]);
        assert_eq!(walked(&versions, 1), [None, None, Some(3)]);
        let mut walk = LineWalk::new(2, "x\ny");
        walk.earlier(1, "z");
        assert!(walk.is_done() && walk.reached() == 1);
    }

    proptest! {
        #[test]
        fn a_line_is_in_the_version_that_wrote_it_and_in_all_since(
            versions in prop::collection::vec("([abc]{0,2}\n){0,6}", 1..8),
        ) {
            let written = walked(&versions, 0);
            let lines: Vec<&str> = versions[versions.len() - 1].lines().collect();
            prop_assert_eq!(written.len(), lines.len());
            for (line, version) in lines.iter().zip(written) {
                let version = usize::try_from(version.unwrap()).unwrap();
                for text in &versions[version - 1..] {
                    prop_assert!(text.lines().any(|one| one == *line));
                }
            }
        }
    }
}
