//! Patches as models write them: hunks of lines, found by their text and not by line numbers.

use super::{EditFault, PLACES, fault, line_end};

/// Most hunks of a patch.
const MAX_HUNKS: usize = 100;
/// Most characters quoted of a line.
const QUOTE: usize = 80;

/// A hunk: the lines that have to be there, and what becomes of them.
#[derive(Default)]
struct Hunk<'a> {
    /// The lines with their signs.
    lines: Vec<(Sign, &'a str)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Stays,
    Goes,
    Comes,
}

impl<'a> Hunk<'a> {
    fn without(&self, left_out: Sign) -> Vec<&'a str> {
        self.lines.iter().filter(|(sign, _)| *sign != left_out).map(|(_, text)| *text).collect()
    }
}

/// Applies the hunks of a patch in order, each where its lines stand: the lines that stay and those that go have to be in
/// the text, as the hunks before left it, in exactly one place. A text without lines takes a hunk that only adds.
///
/// # Errors
/// A sentence if the patch has no hunks or too many, has a line without a sign, or a hunk that changes nothing, fits
/// nowhere or fits several places. It names the hunk or the line of the patch.
pub fn patch(value: &str, patch: &str) -> Result<String, EditFault> {
    let hunks = hunks(patch)?;
    let crlf = line_end(value) == "\r\n";
    let (body, is_ended) = value.strip_suffix('\n').map_or((value, false), |body| (body, true));
    let bare = |line| if crlf { strip_return(line) } else { line };
    let mut lines: Vec<&str> = if value.is_empty() { Vec::new() } else { body.split('\n').map(bare).collect() };
    for (number, hunk) in (1..).zip(&hunks) {
        let old = hunk.without(Sign::Comes);
        if old == hunk.without(Sign::Goes) {
            return fault(format!("hunk {number} of the patch changes nothing; mark lines with - and +"));
        }
        if old.is_empty() && !lines.is_empty() {
            return fault(format!(
                "hunk {number} of the patch has only lines to add; add the line of the block before or after them, \
                 beginning with a space, to say where"
            ));
        }
        let at = place(number, &lines, &old)?;
        // A line that stays keeps its form: it may end with a carriage return that the patch leaves out.
        let mut kept = at;
        let mut made = Vec::with_capacity(hunk.lines.len());
        for (sign, text) in &hunk.lines {
            match sign {
                Sign::Comes => made.push(*text),
                Sign::Stays => made.extend(lines.get(kept)),
                Sign::Goes => {}
            }
            kept += usize::from(*sign != Sign::Comes);
        }
        lines.splice(at..at + old.len(), made);
    }
    let end = if crlf { "\r\n" } else { "\n" };
    let last = if is_ended && !lines.is_empty() { end } else { "" };
    Ok(lines.join(end) + last)
}

/// Returns the only place where these lines stand one after another.
fn place(number: usize, lines: &[&str], old: &[&str]) -> Result<usize, EditFault> {
    if old.is_empty() {
        return Ok(0);
    }
    let same = |(line, old): (&&str, &&str)| strip_return(line) == strip_return(old);
    let fits = |at: &usize| lines[*at..].iter().zip(old).all(same);
    let starts = (lines.len() + 1).saturating_sub(old.len());
    let places: Vec<usize> = (0..starts).filter(fits).take(PLACES + 1).collect();
    match places[..] {
        [place] => Ok(place),
        [] => {
            let is_missing = |old: &&&str| !lines.iter().any(|line| same((line, *old)));
            let why = match old.iter().find(is_missing) {
                Some(line) => format!("its line {:?} is no line of the block", quoted(line)),
                None => "its lines are in the block, but not one after another".to_owned(),
            };
            fault(format!(
                "hunk {number} of the patch does not fit: {why}; give the lines that stay and go exactly as the block \
                 has them"
            ))
        }
        _ => {
            let named: Vec<String> = places.iter().take(PLACES).map(|at| (at + 1).to_string()).collect();
            let more = if places.len() > PLACES { " and others" } else { "" };
            fault(format!(
                "hunk {number} of the patch fits several places, from lines {}{more}; give more lines around it, so \
                 that it fits one",
                named.join(", ")
            ))
        }
    }
}

/// The hunks of a patch. Headers of files, and what stands before the first hunk, are passed over.
fn hunks(patch: &str) -> Result<Vec<Hunk<'_>>, EditFault> {
    let mut hunks: Vec<Hunk> = vec![Hunk::default()];
    let mut is_within = false;
    let mut after_header = false;
    let all: Vec<&str> = patch.split('\n').map(strip_return).collect();
    for (at, line) in all.iter().copied().enumerate() {
        if std::mem::take(&mut after_header) {
            continue;
        }
        if line.starts_with("@@") {
            is_within = true;
            if hunks.last().is_some_and(|hunk| !hunk.lines.is_empty()) {
                if hunks.len() == MAX_HUNKS {
                    return fault(format!("the patch has more than {MAX_HUNKS} hunks; send it in parts"));
                }
                hunks.push(Hunk::default());
            }
            continue;
        }
        let next = all.get(at + 1).copied().unwrap_or_default();
        if !is_within && line.starts_with("--- ") && next.starts_with("+++ ") {
            after_header = true;
            continue;
        }
        let signed = match line.chars().next() {
            Some(' ') => (Sign::Stays, &line[1..]),
            Some('-') => (Sign::Goes, &line[1..]),
            Some('+') => (Sign::Comes, &line[1..]),
            // Models leave out the space of an empty line.
            None if is_within => (Sign::Stays, ""),
            Some('\\' | '*') => continue,
            _ if !is_within => continue,
            _ => {
                return fault(format!(
                    "line {} of the patch, {:?}, begins with neither a space, - nor +",
                    at + 1,
                    quoted(line)
                ));
            }
        };
        is_within = true;
        if let Some(hunk) = hunks.last_mut() {
            // Empty lines between hunks are not theirs.
            let rest = &all[at..];
            let is_blank = line.is_empty();
            let ends =
                || rest.iter().find(|line| !line.is_empty()).is_none_or(|line| line.starts_with(['@', '*', '\\']));
            if !is_blank || !hunk.lines.is_empty() && !ends() {
                hunk.lines.push(signed);
            }
        }
    }
    hunks.retain(|hunk| !hunk.lines.is_empty());
    if hunks.is_empty() {
        return fault(
            "the patch has no hunks; begin each with a line @@, and its lines with a space, - or +, for lines that \
             stay, go and come",
        );
    }
    Ok(hunks)
}

fn strip_return(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line)
}

fn quoted(line: &str) -> String {
    let mut text: String = line.chars().take(QUOTE).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::diff::unified;
    use super::*;

    fn patched(value: &str, text: &str) -> String {
        patch(value, text).unwrap()
    }

    fn why(value: &str, text: &str) -> String {
        patch(value, text).unwrap_err().0
    }

    #[test]
    fn hunks_are_applied_in_order_where_their_lines_stand() {
        let text = "@@ -7 +9 @@ anywhere\n a\n-b\n+B\n+B2\n@@\n-d\n@@\n e\n+f\n";
        assert_eq!(patched("a\nb\nc\nd\ne", text), "a\nB\nB2\nc\ne\nf");
        assert_eq!(patched("a\nb", "@@\n-a\n+x\n@@\n x\n-b"), "x", "a hunk sees what those before it made");
    }

    #[test]
    fn headers_a_missing_mark_and_empty_lines_between_hunks_are_taken_as_they_are_meant() {
        let header = "diff --git a/x b/x\nindex 1..2\n--- a/x\n+++ b/x\n";
        assert_eq!(patched("a", &format!("{header}@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n")), "b");
        assert_eq!(patched("a", "--- x\n+++ x\n-a\n+b"), "b");
        assert_eq!(patched("a", "*** Begin Patch\n*** Update Block: x\n@@\n-a\n+b\n*** End Patch"), "b");
        assert_eq!(patched("a\n\nb\nc", "@@\n a\n\n-b\n+B\n\n\n@@\n-c\n\n"), "a\n\nB");
        assert_eq!(patched("-- a\nx", "@@\n--- a\n x"), "x", "within a hunk there is no header");
    }

    #[test]
    fn an_empty_block_takes_what_only_adds_and_a_block_can_become_empty() {
        assert_eq!(patched("", "@@ -0,0 +1,2 @@\n+a\n+b"), "a\nb");
        assert_eq!(patched("a\nb\n", "@@\n-a\n-b"), "");
    }

    #[test]
    fn a_block_keeps_its_line_ends() {
        assert_eq!(patched("a\r\nb", "@@\n b\n+c\n"), "a\r\nb\r\nc");
        assert_eq!(patched("a\r\nb\r\n", "@@\r\n-b\r\n+c\r\n"), "a\r\nc\r\n");
        assert_eq!(patched("a\r\nb\nc", "@@\n a\n-b\n+B"), "a\r\nB\nc");
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_hunk_and_what_to_do() {
        for (text, said) in [
            ("", "the patch has no hunks; begin each"),
            ("@@\n@@\n", "the patch has no hunks"),
            ("make it better", "the patch has no hunks"),
            (
                "@@\n a\n-z\n",
                "hunk 1 of the patch does not fit: its line \"z\" is no line of the block; give the lines",
            ),
            ("@@\n-a\n@@\n-c\n b\n b2", "hunk 2 of the patch does not fit: its line \"b2\""),
            (
                "@@\n-x\n+y\n@@\n b\n-a\n",
                "hunk 2 of the patch fits several places, from lines 2, 4; give more lines around",
            ),
            ("@@\n a\n-a\n", "hunk 1 of the patch does not fit: its lines are in the block, but not one after another"),
            ("@@\n-A\n", "hunk 1 of the patch does not fit: its line \"A\""),
            ("@@\n a\n", "hunk 1 of the patch changes nothing"),
            ("@@\n+x\n", "hunk 1 of the patch has only lines to add; add the line of the block before or after"),
            ("@@\n-a\nb\n", "line 3 of the patch, \"b\", begins with neither a space, - nor +"),
        ] {
            let value = if said.contains("several") { "x\nb\na\nb\na" } else { "a\nb\nc" };
            assert!(why(value, text).starts_with(said), "{text:?}: {}", why(value, text));
        }
    }

    #[test]
    fn refusals_are_short_and_hunks_are_counted() {
        let long = "x".repeat(10_000);
        assert!(why("a", &format!("@@\n-{long}")).len() < 300);
        assert!(
            why(&"b\n".repeat(5_000), "@@\n-b")
                .ends_with(" and others; give more lines around it, so that it fits one")
        );
        assert!(why("a", &"@@\n-a\n+a2\n".repeat(MAX_HUNKS + 1)).contains("more than 100 hunks"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn a_difference_with_all_its_context_is_a_patch(old in "[ab\n]{0,20}", new in "[ab\n]{0,20}") {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let [old, new] = [old, new].map(|text| format!("{text}z"));
            let text = unified(&old, &new, ["v1", "v2"], 100);
            if text.is_empty() {
                return Ok(());
            }
            prop_assert_eq!(lines(&patched(&old, &text)), lines(&new), "{}", text);
        }

        #[test]
        fn no_patch_makes_it_panic(value in "[ab\r\n]{0,20}", text in "[ab@+ *\\\\\r\n-]{0,30}") {
            let _ = patch(&value, &text);
        }
    }
}
