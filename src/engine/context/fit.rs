//! Fits a conversation into the room of a prompt.
//!
//! What the turn is about stays: its input, a task, a mail, the instruction of a step, a job's window; they are only
//! shortened, in the middle, if they alone are too long. Besides them the oldest whole turns leave first; then, early
//! in the turn itself, results and others' texts are shortened, and then leave.
//!
//! The cut is derived from the rows alone and moves in large steps: a tail that fits may keep as little as
//! [`LEAST_KEPT`] of the room, and of the places where it may begin the one of the highest [`rank`] is taken, which
//! stays the best while the conversation grows by much of the rest. So most prompts begin with all of the one before,
//! which a provider's cache repays.

use std::borrow::Cow;
use std::ops::Range;

use crate::domain::{StepId, excerpt};
use crate::llm::window::{Budget, FRAME, call_tokens, entry_tokens, tokens};
use crate::llm::{PromptMessage, ToolCall};
use crate::store::TranscriptMessage;
use crate::tools::conversation::CONVERSATION_SEARCH;

/// The least part of the room that a cut conversation keeps where it can, in percent.
const LEAST_KEPT: usize = 60;
/// The tokens that a shortened pinned text keeps at least; if there is no room for that, the oldest leave.
const LEAST_PINNED: usize = 64;

/// An entry of a prompt with its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The entry.
    pub entry: PromptMessage,
    /// Its size in tokens.
    size: usize,
    /// The place of its message in the conversation.
    pub seq: u64,
    /// The step, for what the agent itself said, called and got.
    pub step: Option<StepId>,
    /// True if it began a turn.
    pub opens: bool,
    /// True if it is what the turn is about.
    pub pinned: bool,
}

impl Shown {
    /// The entry of a message, with its text.
    pub fn of(message: &TranscriptMessage, entry: PromptMessage) -> Self {
        let by = match &entry {
            PromptMessage::User { by, .. } => by.as_deref().map_or(0, tokens),
            _ => 0,
        };
        let size = FRAME + by + message.tokens(tokens);
        Self { entry, size, seq: message.seq, step: None, opens: message.opens_turn(), pinned: false }
    }

    /// An instruction for this step.
    pub fn instruction(text: String) -> Self {
        Self::pinned(PromptMessage::System { text })
    }

    /// A pinned entry without a message.
    pub fn pinned(entry: PromptMessage) -> Self {
        Self { pinned: true, ..Self::loose(entry) }
    }

    /// An entry without a message that is not pinned.
    pub fn loose(entry: PromptMessage) -> Self {
        Self { size: entry_tokens(&entry), entry, seq: 0, step: None, opens: false, pinned: false }
    }

    /// The same at a place in the conversation, of a step of the agent.
    pub fn in_step(self, seq: u64, step: Option<&StepId>) -> Self {
        Self { seq, step: step.cloned(), ..self }
    }

    /// Adds a call to what the agent itself said.
    pub fn call(&mut self, call: ToolCall) {
        if let PromptMessage::Assistant { calls, .. } = &mut self.entry {
            self.size += call_tokens(&call);
            calls.push(call);
        }
    }

    /// Counts its size again after its entry was changed.
    pub fn measure(&mut self) {
        self.size = entry_tokens(&self.entry);
    }

    /// Its size in tokens.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Shortens its text to this many tokens; the agent's own calls and words stay.
    fn shorten(&mut self, most: usize) {
        if !matches!(self.entry, PromptMessage::Assistant { .. }) {
            self.cut(most);
        }
    }

    /// Applies the limits that hold everywhere but to what is pinned.
    fn limit(&mut self, budget: &Budget) {
        self.cut(if matches!(self.entry, PromptMessage::ToolResult { .. }) { budget.result() } else { budget.text() });
    }

    fn cut(&mut self, most: usize) {
        // Its text is a part of it.
        if self.size <= most {
            return;
        }
        let (PromptMessage::User { text, .. }
        | PromptMessage::System { text }
        | PromptMessage::ToolResult { text, .. }
        | PromptMessage::Assistant { text, .. }) = &mut self.entry;
        if shorten(text, most) {
            self.size = entry_tokens(&self.entry);
        }
    }
}

/// A conversation that may be too long.
#[derive(Debug)]
pub struct Conversation {
    /// Its entries in order. The current turn begins with the first pinned one.
    pub entries: Vec<Shown>,
    /// True if older entries exist that are not among them.
    pub earlier: bool,
    /// True if entries of the current turn exist that are not among them.
    pub turn_cut: bool,
    /// True if the agent can search what is left out.
    pub searches: bool,
}

/// Consecutive entries that stay or leave together: a turn, a step, a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// The place of its first message.
    seq: u64,
    /// In tokens.
    size: usize,
}

/// Returns the entries that fit into `room` tokens.
#[must_use]
pub fn fit(conversation: Conversation, budget: &Budget, room: usize) -> Vec<Shown> {
    let Conversation { mut entries, earlier, mut turn_cut, searches } = conversation;
    let current = entries.iter().position(|shown| shown.pinned).unwrap_or(0);
    for shown in entries.iter_mut().filter(|shown| !shown.pinned) {
        shown.limit(budget);
    }
    let mut turn = entries.split_off(current);
    turn_cut |= fit_pinned(&mut turn, room / 4 * 3);
    let pinned = total(turn.iter().filter(|shown| shown.pinned));
    turn_cut |= fit_loose(&mut turn, budget, room.saturating_sub(pinned), turn_cut);
    let kept = history(&entries, &turn, earlier, room);
    let mut fitting = Vec::with_capacity(entries.len() - kept + turn.len() + 2);
    if earlier || kept > 0 {
        fitting.push(Shown { pinned: false, ..Shown::instruction(left_out("Earlier messages", searches)) });
    }
    fitting.extend(entries.drain(kept..));
    if turn_cut {
        let at = turn.iter().position(|shown| !shown.pinned).unwrap_or(turn.len());
        let note = Shown::instruction(left_out("Earlier parts", searches));
        turn.insert(at, Shown { pinned: false, ..note });
    }
    fitting.extend(turn);
    fitting
}

/// The note on omitted entries. It counts nothing, so that it stays the same.
fn left_out(what: &str, searches: bool) -> String {
    let advice = if searches { format!("; {CONVERSATION_SEARCH} finds them") } else { String::new() };
    format!("{what} are not shown{advice}.")
}

/// Shortens the longest pinned texts until all of them fit; drops the oldest if there are too many. Returns true if
/// some were dropped.
fn fit_pinned(turn: &mut Vec<Shown>, room: usize) -> bool {
    let pinned: Vec<usize> = turn.iter().filter(|shown| shown.pinned).map(Shown::size).collect();
    if pinned.iter().sum::<usize>() <= room {
        return false;
    }
    let mut excess = (pinned.len() * LEAST_PINNED).saturating_sub(room).div_ceil(LEAST_PINNED).min(pinned.len() - 1);
    let dropped = excess > 0;
    let sizes = pinned.into_iter().skip(excess);
    let share = excerpt::fair_share(sizes, room);
    turn.retain(|shown| {
        let drop = shown.pinned && excess > 0;
        excess -= usize::from(drop);
        !drop
    });
    for shown in turn.iter_mut().filter(|shown| shown.pinned && shown.size() > share) {
        shown.shorten(share.saturating_sub(FRAME));
    }
    dropped
}

/// Fits the rest of the turn: early results and texts are shortened, then the oldest parts leave. Returns true if some
/// left.
fn fit_loose(turn: &mut Vec<Shown>, budget: &Budget, room: usize, cut: bool) -> bool {
    let ranges = units(turn);
    let parts = |turn: &[Shown]| -> Vec<Part> {
        ranges.iter().map(|range| Part { seq: turn[range.start].seq, size: total(&turn[range.clone()]) }).collect()
    };
    let full = parts(turn);
    let Some(last) = full.len().checked_sub(1).filter(|_| full.iter().map(|part| part.size).sum::<usize>() > room)
    else {
        return false;
    };
    let half = room / 2;
    let whole = start(&full[..last], full[last], half, true);
    for range in &ranges[..whole] {
        for shown in &mut turn[range.clone()] {
            shown.shorten(budget.shortened());
        }
    }
    if full[last].size > half {
        let range = ranges[last].clone();
        let share = excerpt::fair_share(turn[range.clone()].iter().map(Shown::size), half);
        for shown in turn[range].iter_mut().filter(|shown| shown.size() > share) {
            shown.shorten(share);
        }
    }
    let short = parts(turn);
    let left = start(&short[..whole], Part { size: 0, ..short[whole] }, half, cut);
    let from = ranges[left].start;
    let mut at = 0;
    turn.retain(|shown| {
        at += 1;
        shown.pinned || at > from
    });
    left > 0
}

/// The entries of the turn that are not pinned, what belongs to one step together.
fn units(turn: &[Shown]) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    for (at, shown) in turn.iter().enumerate().filter(|(_, shown)| !shown.pinned) {
        match units.last_mut() {
            Some(unit) if unit.end == at && shown.step.is_some() && turn[unit.start].step == shown.step => {
                unit.end += 1;
            }
            _ => units.push(at..at + 1),
        }
    }
    units
}

/// Returns the index of the first entry before the turn that stays: whole turns that fit beside it.
fn history(entries: &[Shown], turn: &[Shown], earlier: bool, room: usize) -> usize {
    let mut begins: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].opens).collect();
    if !earlier && !entries.is_empty() && begins.first() != Some(&0) {
        begins.insert(0, 0);
    }
    let ends = begins.iter().skip(1).copied().chain([entries.len()]);
    let parts: Vec<Part> = begins
        .iter()
        .zip(ends)
        .map(|(from, to)| Part { seq: entries[*from].seq, size: total(&entries[*from..to]) })
        .collect();
    let seq = turn.iter().map(|shown| shown.seq).find(|seq| *seq > 0).unwrap_or_default();
    let kept = start(&parts, Part { seq, size: total(turn) }, room, earlier);
    begins.get(kept).copied().unwrap_or(entries.len())
}

/// Returns the index of the first of `parts` that stays, so that together with `tail` they fit into `room`; their
/// number if none stays. `cut` means that there are parts before the first, so it cannot be the beginning of all.
fn start(parts: &[Part], tail: Part, room: usize, cut: bool) -> usize {
    let mut first = parts.len();
    let mut kept = tail.size;
    while first > 0 && kept + parts[first - 1].size <= room {
        first -= 1;
        kept += parts[first].size;
    }
    if first == 0 && !cut {
        return 0;
    }
    let seq = |at: usize| parts.get(at).map_or(tail.seq, |part| part.seq);
    let rank = |at: usize| at.checked_sub(1).map_or(0, |before| rank(seq(before), seq(at)));
    let mut best = first;
    for (at, part) in parts.iter().enumerate().skip(first) {
        kept -= part.size;
        if kept * 100 < room * LEAST_KEPT {
            break;
        }
        if rank(at + 1) > rank(best) {
            best = at + 1;
        }
    }
    best
}

/// How rare a beginning is: the highest power of two that has a multiple after the place before it and up to its own,
/// from 1; the places are those of the first messages.
fn rank(before: u64, own: u64) -> u32 {
    (before ^ own).checked_ilog2().map_or(0, |power| power + 1)
}

fn total<'a>(entries: impl IntoIterator<Item = &'a Shown>) -> usize {
    entries.into_iter().map(Shown::size).sum()
}

/// Shortens a text to at most this many tokens; the sentence about the cut counts, and always stays. Returns false if it
/// stays as it is.
fn shorten(text: &mut String, most: usize) -> bool {
    let size = tokens(text);
    if size <= most {
        return false;
    }
    let least = tokens(&excerpt::to_bytes(text, 0));
    let mut bytes = text.len().saturating_mul(most.saturating_sub(least)) / size;
    let mut cut = excerpt::to_bytes(text, bytes);
    // Head and tail may have fewer bytes a token than the whole.
    while bytes > 0 && tokens(&cut) > most {
        bytes = bytes / 10 * 9;
        cut = excerpt::to_bytes(text, bytes);
    }
    let Cow::Owned(cut) = cut else { return false };
    *text = cut;
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{Conversation, Part, Shown, fit, shorten, start, tokens, total};
    use crate::config::Limits;
    use crate::domain::StepId;
    use crate::llm::window::{Budget, Window};
    use crate::llm::{PromptMessage, ToolCall};

    fn budget() -> Budget {
        let limits = Limits { context: Some(4_096), ..Limits::default() };
        Window::new(&limits, "m").budget(None)
    }

    fn said(seq: u64, opens: bool, text: &str) -> Shown {
        let entry = PromptMessage::User { by: (!opens).then(|| "bob".to_owned()), text: text.to_owned() };
        Shown { seq, opens, ..Shown::loose(entry) }
    }

    #[test]
    fn a_text_keeps_nearly_what_it_may_also_if_its_ends_have_more_tokens_than_its_middle() {
        let ends = "7".repeat(3_000);
        let mut text = format!("{ends}{}{ends}", "a".repeat(30_000));
        shorten(&mut text, 1_000);
        assert!((800..=1_000).contains(&tokens(&text)), "{}", tokens(&text));
    }

    /// A step of one call and its result.
    fn step(seq: u64, result: &str) -> [Shown; 2] {
        let (id, name) = (format!("call-{seq}"), "look".to_owned());
        let call = ToolCall { id: id.clone(), name: name.clone(), arguments: json!({}) };
        let own = |entry| Shown { step: Some(StepId(format!("step-{seq}"))), ..Shown::pinned(entry) };
        [
            PromptMessage::Assistant { text: String::new(), calls: vec![call] },
            PromptMessage::ToolResult { call: id, name, ok: true, text: result.to_owned() },
        ]
        .map(|entry| Shown { seq, pinned: false, ..own(entry) })
    }

    fn fitted(entries: Vec<Shown>, earlier: bool, room: usize) -> Vec<Shown> {
        fit(Conversation { entries, earlier, turn_cut: false, searches: true }, &budget(), room)
    }

    fn text(shown: &Shown) -> &str {
        match &shown.entry {
            PromptMessage::User { text, .. }
            | PromptMessage::System { text }
            | PromptMessage::ToolResult { text, .. }
            | PromptMessage::Assistant { text, .. } => text,
        }
    }

    #[test]
    fn what_fits_is_whole_and_what_does_not_loses_its_oldest_turns() {
        let turns = |count: u64| -> Vec<Shown> {
            let turn = |at: u64| [said(2 * at + 1, true, &"word ".repeat(100)), said(2 * at + 2, false, "so it is")];
            let mut entries: Vec<Shown> = (0..count).flat_map(turn).collect();
            entries.push(Shown { pinned: true, ..said(2 * count + 1, true, "and now?") });
            entries
        };
        let all = turns(3);
        assert_eq!(fitted(all.clone(), false, 3_000), all);
        let cut = fitted(turns(30), false, 3_000);
        assert_eq!(text(&cut[0]), "Earlier messages are not shown; conversation_search finds them.");
        assert!(cut[1].opens, "it begins with a whole turn");
        assert_eq!(cut.last().map(text), Some("and now?"));
        assert!((1_700..=3_000).contains(&total(&cut)), "{}", total(&cut));
    }

    #[test]
    fn early_results_of_a_turn_are_shortened_and_then_leave_while_its_input_stays() {
        let turn = |steps: u64| {
            let mut entries = vec![Shown { pinned: true, ..said(1, true, "look everywhere") }];
            entries.extend((0..steps).flat_map(|at| step(at + 2, &format!("seen {at} {}", "word ".repeat(400)))));
            fitted(entries, false, 3_000)
        };
        assert_eq!(turn(3).len(), 7);
        let some = turn(8);
        assert_eq!(text(&some[0]), "look everywhere");
        assert!(text(&some[2]).contains("characters are left out here"), "{some:?}");
        assert!(text(some.last().unwrap()).len() > 2_000, "the newest is whole");
        let many = turn(80);
        assert_eq!(text(&many[0]), "look everywhere");
        assert_eq!(text(&many[1]), "Earlier parts are not shown; conversation_search finds them.");
        assert!(total(&many) <= 3_100);
        let one = fitted(
            [vec![Shown { pinned: true, ..said(1, true, "go") }], step(2, &"word ".repeat(9_000)).to_vec()].concat(),
            false,
            1_000,
        );
        assert!(total(&one) <= 1_100, "one result alone is cut too: {}", total(&one));
    }

    #[test]
    fn the_beginning_stays_while_the_conversation_grows() {
        let parts: Vec<Part> = (0..2_000).map(|at| Part { seq: 2 * at + 1, size: 70 + at as usize % 50 }).collect();
        let begins: Vec<u64> = (1..parts.len())
            .map(|count| {
                let tail = Part { seq: parts[count].seq, size: 60 };
                parts[start(&parts[..count], tail, 10_000, false)].seq
            })
            .collect();
        assert!(begins.is_sorted(), "it never moves back");
        let moves = begins.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!((40..=110).contains(&moves), "{moves} moves in 2,000 turns of which a hundred fit");
    }

    /// Entries of a conversation with one turn in progress.
    fn conversation() -> impl Strategy<Value = Vec<Shown>> {
        let word = prop::sample::select(vec![1_usize, 10, 100, 3_000]);
        let entry = (0..4_u8, word);
        (prop::collection::vec(entry.clone(), 0..40), prop::collection::vec(entry, 0..20), 1..5_000_usize).prop_map(
            |(before, after, input)| {
                let made = |seq: u64, (kind, size): (u8, usize)| match kind {
                    0 => vec![said(seq, true, &"a".repeat(size))],
                    1 => vec![said(seq, false, &"词".repeat(size))],
                    _ => step(seq, &"{1}".repeat(size)).to_vec(),
                };
                let mut entries: Vec<Shown> = (1..).zip(before).flat_map(|(seq, entry)| made(seq, entry)).collect();
                let input = format!("QUESTION {}", "word ".repeat(input));
                entries.push(Shown { pinned: true, ..said(100, true, &input) });
                entries.extend((101..).zip(after).filter(|(_, (kind, _))| *kind > 0).flat_map(|(seq, e)| made(seq, e)));
                entries
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_the_conversation_holds_it_fits_and_keeps_its_input_and_whole_steps(
            entries in conversation(), room in 1_500_usize..3_000, earlier in any::<bool>()
        ) {
            let all = total(&entries);
            let fitting = fitted(entries.clone(), earlier, room);
            prop_assert!(total(&fitting) <= room + 100, "{} in {room}", total(&fitting));
            prop_assert!(fitting.iter().any(|shown| shown.opens && text(shown).starts_with("QUESTION")));
            if all <= room / 2 && !earlier {
                prop_assert_eq!(fitting.len(), entries.len());
            }
            let calls = |shown: &&Shown| matches!(&shown.entry, PromptMessage::Assistant { .. });
            let results = |shown: &&Shown| matches!(&shown.entry, PromptMessage::ToolResult { .. });
            prop_assert_eq!(fitting.iter().filter(calls).count(), fitting.iter().filter(results).count());
        }
    }
}
