//! A scrollable list of items of several rows each, selected by item and scrolled by row; used by most panes.
//!
//! The selection is stored by key, so it stays on its item while other items are added and removed. Growing rows
//! above the selected item do not move it on the screen.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{RenderContext, put_row};
use crate::tui::command::Command;
use crate::tui::text::width::{truncate, width};
use crate::tui::text::{Row, Span};
use crate::tui::theme::{Role, Theme};

/// Returns a row of `cells` with left- and right-aligned text. The right text is complete; the left one is truncated
/// if needed.
#[must_use]
pub fn two_ends(left: Vec<Span>, right: Vec<Span>, cells: usize, ellipsis: &str) -> Row {
    let taken: usize = right.iter().map(|span| width(&span.text)).sum();
    let room = cells.saturating_sub(taken + usize::from(taken > 0));
    let mut row = cut(left, room, ellipsis);
    if taken > 0 {
        row.push(Span::new(" ".repeat(cells.saturating_sub(row.width() + taken)), Role::Text));
    }
    for span in right {
        row.push(span);
    }
    row
}

/// Truncates spans to at most `cells`. A truncated row ends in `ellipsis`.
#[must_use]
pub fn cut(spans: Vec<Span>, cells: usize, ellipsis: &str) -> Row {
    let mut row = Row::default();
    let mut room = cells;
    for span in spans {
        let wide = width(&span.text);
        if wide <= room {
            room -= wide;
            row.push(span);
        } else {
            let text = truncate(&span.text, room, ellipsis).into_owned();
            row.push(Span { text, ..span });
            return row;
        }
    }
    row
}

/// Lays out keys with their descriptions in rows of `cells`, indented by `indent` blanks. A key and its description
/// stay in one row.
#[must_use]
pub fn packed(pairs: impl Iterator<Item = (Span, Span)>, indent: usize, cells: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (key, what) in pairs {
        let wide = width(&key.text) + width(&what.text);
        let fits = rows.last().is_some_and(|row| row.width() + 2 + wide <= cells);
        if !fits {
            rows.push(Row::default());
        }
        if let Some(row) = rows.last_mut() {
            row.push(Span::new(" ".repeat(if fits { 2 } else { indent }), Role::Dim));
            row.push(key);
            row.push(what);
        }
    }
    rows
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<K> {
    /// Identifies the item; `None` for rows that cannot be selected: headings and empty lines.
    pub key: Option<K>,
    /// Rows, at least one; the first one shows the selection.
    pub rows: Vec<Row>,
}

impl<K> Item<K> {
    /// Creates an item that cannot be selected.
    #[must_use]
    pub fn rest(rows: Vec<Row>) -> Self {
        Self { key: None, rows }
    }
}

/// A list with its selection and scroll position.
#[derive(Debug)]
pub struct List<K> {
    items: Vec<Item<K>>,
    selected: Option<K>,
    /// Index of the selected item; when that item is removed, the nearest one is selected.
    place: usize,
    /// First row shown, counted over all items.
    top: usize,
    height: usize,
    /// Whether the first and the last row tell how many items are hidden, where some are.
    counted: bool,
    /// True while the first row stays in view although new items come above; `None` for a list that never does so.
    follows: Option<bool>,
    /// True once a command came: before that, a list that follows selects its first item.
    used: bool,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            selected: None,
            place: 0,
            top: 0,
            height: 0,
            counted: false,
            follows: None,
            used: false,
        }
    }
}

impl<K: Clone + PartialEq> List<K> {
    /// Creates a list whose first and last row tell how many items are hidden, where some are.
    #[must_use]
    pub fn counted() -> Self {
        Self { counted: true, ..Self::default() }
    }

    /// Creates a list whose newest item comes first and is in view until a command moves off the first item. A key that comes
    /// while the selected item is out of view only selects the first one, so that nothing is done to an item unseen.
    #[must_use]
    pub fn newest_first() -> Self {
        Self { follows: Some(true), ..Self::default() }
    }

    /// Returns the key of the selected item.
    #[must_use]
    pub fn selected(&self) -> Option<&K> {
        self.selected.as_ref()
    }

    /// Returns all items.
    #[must_use]
    pub fn items(&self) -> &[Item<K>] {
        &self.items
    }

    /// Selects an item and scrolls to it; an unknown key is selected if the next [`List::set`] has it.
    pub fn select(&mut self, key: K) {
        self.selected = Some(key);
        self.find();
        self.show_selected();
    }

    /// Replaces the items and sets the height in rows.
    pub fn set(&mut self, items: Vec<Item<K>>, height: u16) {
        let (start, top) = (self.start(self.place), self.top);
        self.items = items;
        self.height = height.into();
        if self.follows == Some(true) && !self.used {
            let first = self.selectable().next();
            self.selected = first.and_then(|at| self.items[at].key.clone());
        }
        if !self.find() {
            let near = self.selectable().min_by_key(|at| at.abs_diff(self.place));
            self.place = near.unwrap_or(0);
            self.selected = near.and_then(|at| self.items[at].key.clone());
        }
        self.top = if self.follows == Some(true) { 0 } else { (self.start(self.place) + top).saturating_sub(start) };
        self.clamp();
    }

    /// Scrolls to an item without selecting it.
    pub fn reveal(&mut self, key: &K) {
        if let Some(at) = self.items.iter().position(|item| item.key.as_ref() == Some(key)) {
            self.show(at);
        }
    }

    /// Executes a movement command; false if `command` is none.
    pub fn command(&mut self, command: Command) -> bool {
        self.used = true;
        if self.follows == Some(true) && self.start(self.place) >= self.height.max(1) {
            let first = self.selectable().next();
            self.jump(first, 0);
            return true;
        }
        let moved = self.movement(command);
        if moved {
            self.note_place();
        }
        moved
    }

    /// Follows the newest item from the first one on, and only there.
    fn note_place(&mut self) {
        let first = self.top == 0 && self.selectable().next() == Some(self.place);
        self.follows = self.follows.map(|_| first);
    }

    fn movement(&mut self, command: Command) -> bool {
        let half = isize::try_from(self.height / 2).unwrap_or(0);
        let page = isize::try_from(self.height.max(2) - 1).unwrap_or(0);
        match command {
            Command::Up => self.step(false),
            Command::Down => self.step(true),
            Command::HalfUp => self.scroll(-half),
            Command::HalfDown => self.scroll(half),
            Command::PageUp => self.scroll(-page),
            Command::PageDown => self.scroll(page),
            Command::Top => {
                let first = self.selectable().next();
                self.jump(first, 0);
            }
            Command::End => {
                let last = self.selectable().next_back();
                self.jump(last, usize::MAX);
            }
            _ => return false,
        }
        true
    }

    /// Returns the key of the item at a row of the pane, from 0.
    #[must_use]
    pub fn at(&self, row: u16) -> Option<&K> {
        let mut left = self.top + usize::from(row);
        for item in &self.items {
            if left < item.rows.len() {
                return item.key.as_ref();
            }
            left -= item.rows.len();
        }
        None
    }

    /// Scrolls by rows; the selection moves into view.
    pub fn scroll(&mut self, rows: isize) {
        self.top = self.top.saturating_add_signed(rows);
        self.clamp();
        let (above, below) = self.margins();
        let (from, to) = (self.top + above, (self.top + self.height).saturating_sub(below));
        let here = |at: &usize| self.start(*at) >= from && self.start(*at) < to;
        if !here(&self.place) {
            let all: Vec<usize> = self.selectable().collect();
            let inside = all.iter().copied().filter(here);
            let next = if rows < 0 { inside.last() } else { inside.min() };
            // Within one long item no other item starts: it stays selected.
            if let Some(at) = next {
                self.take(at);
            }
        }
    }

    /// Handles a mouse event in the list's `area`: the wheel scrolls, a click selects. A click on the selected item
    /// returns its key: the caller opens it.
    pub fn mouse(&mut self, event: MouseEvent, area: Rect) -> Option<K> {
        match event.kind {
            MouseEventKind::ScrollDown => self.scroll(3),
            MouseEventKind::ScrollUp => self.scroll(-3),
            MouseEventKind::Down(MouseButton::Left) => {
                let key = self.at(event.row.saturating_sub(area.y)).cloned()?;
                let again = self.selected() == Some(&key);
                self.select(key.clone());
                self.note_place();
                return again.then_some(key);
            }
            _ => return None,
        }
        self.note_place();
        None
    }

    /// Draws the list; if `focused`, highlights the first row of the selected item.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme, focused: bool) {
        let mut at = 0;
        for (index, item) in self.items.iter().enumerate() {
            for (nth, row) in item.rows.iter().enumerate() {
                if at >= self.top && at < self.top + usize::from(area.height) {
                    let y = area.y + (at - self.top) as u16;
                    put_row(buffer, (area.x, y), area.width, row, theme);
                    if focused && nth == 0 && index == self.place && item.key.is_some() {
                        buffer.set_style(Rect { y, height: 1, ..area }, theme.style(Role::Selection));
                    }
                }
                at += 1;
            }
        }
    }

    /// Returns the number of rows below the visible ones.
    #[must_use]
    pub fn below(&self) -> usize {
        self.start(self.items.len()).saturating_sub(self.top + self.height)
    }

    fn selectable(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.items.iter().enumerate().filter(|(_, item)| item.key.is_some()).map(|(at, _)| at)
    }

    fn find(&mut self) -> bool {
        let found = self.items.iter().position(|item| item.key.is_some() && item.key == self.selected);
        if let Some(at) = found {
            self.place = at;
        }
        found.is_some()
    }

    fn take(&mut self, at: usize) {
        self.place = at;
        self.selected = self.items.get(at).and_then(|item| item.key.clone());
    }

    fn jump(&mut self, at: Option<usize>, top: usize) {
        if let Some(at) = at {
            self.take(at);
            self.top = top;
            self.clamp();
        }
    }

    fn step(&mut self, down: bool) {
        let end = self.start(self.place + 1);
        if down && end > self.top + self.height {
            return self.scroll(1);
        }
        if !down && self.start(self.place) < self.top {
            return self.scroll(-1);
        }
        let next = if down {
            self.selectable().find(|at| *at > self.place)
        } else {
            self.selectable().rfind(|at| *at < self.place)
        };
        match next {
            Some(at) => {
                self.take(at);
                self.show_selected();
            }
            None if down => {}
            // Show the headings above the first item.
            None => self.top = 0,
        }
    }

    fn show_selected(&mut self) {
        self.show(self.place);
    }

    fn show(&mut self, at: usize) {
        let (start, end) = (self.start(at), self.start(at + 1));
        // The first and the last row may tell what is hidden.
        let above = usize::from(self.counted && start > 0);
        let below = usize::from(self.counted && end < self.start(self.items.len()));
        if end + below > self.top + self.height {
            self.top = (end + below).saturating_sub(self.height).min(start.saturating_sub(above));
        }
        if start < self.top + above {
            self.top = start.saturating_sub(above);
        }
    }

    /// Returns 1 for each end at which a row tells what is hidden, else 0.
    fn margins(&self) -> (usize, usize) {
        (usize::from(self.counted && self.top > 0), usize::from(self.counted && self.below() > 0))
    }

    /// Returns how many items are hidden above and below the visible ones: those that `counts` names, or where none of
    /// them is hidden, all that can be selected.
    fn hidden(&self, counts: impl Fn(&K) -> bool) -> (usize, usize) {
        let (above, below) = self.margins();
        let (from, to) = (self.top + above, (self.top + self.height).saturating_sub(below));
        let count = |is_hidden: &dyn Fn(usize) -> bool| {
            let hidden = || self.selectable().filter(|at| is_hidden(self.start(*at)));
            let counted = hidden().filter(|at| self.items[*at].key.as_ref().is_some_and(&counts)).count();
            if counted > 0 { counted } else { hidden().count() }
        };
        (count(&|start| start < from), count(&|start| start >= to))
    }

    /// Draws over the first and the last row how many items are hidden, where some are: those that `counts` names.
    pub fn draw_hidden(&self, buffer: &mut Buffer, area: Rect, look: &RenderContext, counts: impl Fn(&K) -> bool) {
        let (above, below) = self.hidden(counts);
        let last = area.bottom().saturating_sub(1);
        for (count, y, arrow) in [(above, area.y, look.glyphs.up), (below, last, look.glyphs.down)] {
            if count == 0 || area.height < 3 {
                continue;
            }
            let text = format!("   {} {count} more {arrow}", look.glyphs.ellipsis);
            let row = cut(vec![Span::new(text, Role::Dim)], area.width.into(), look.glyphs.ellipsis);
            buffer.set_stringn(area.x, y, " ".repeat(area.width.into()), area.width.into(), look.theme.base());
            buffer.set_style(Rect { y, height: 1, ..area }, look.theme.base());
            put_row(buffer, (area.x, y), area.width, &row, &look.theme);
        }
    }

    /// Returns the first row of an item, counted over all items.
    fn start(&self, at: usize) -> usize {
        self.items.iter().take(at).map(|item| item.rows.len()).sum()
    }

    fn clamp(&mut self) {
        let all = self.start(self.items.len());
        self.top = self.top.min(all.saturating_sub(self.height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: Option<u8>, rows: usize) -> Item<u8> {
        Item { key, rows: vec![Row::default(); rows] }
    }

    fn list(rows: &[usize], height: u16) -> List<u8> {
        let mut list = List::default();
        list.set(rows.iter().enumerate().map(|(at, rows)| item(Some(at as u8), *rows)).collect(), height);
        list
    }

    #[test]
    fn the_right_end_is_whole_and_the_left_gives_way() {
        let spans = |text: &str| vec![Span::new(text, Role::Text)];
        let shown = |left, right, cells| two_ends(spans(left), spans(right), cells, "…").text();
        assert_eq!(shown("story", "v12", 12), "story    v12");
        assert_eq!(shown("a long label", "v12", 10), "a lon… v12");
        assert_eq!(shown("a long label", "", 8), "a long …");
    }

    #[test]
    fn the_newest_items_stay_in_view_until_one_moves_off_the_first_and_no_key_acts_on_one_unseen() {
        let items = |keys: &[u8]| keys.iter().map(|key| item(Some(*key), 1)).collect::<Vec<_>>();
        let mut list = List::newest_first();
        list.set(items(&[1, 0]), 2);
        list.set(items(&[2, 1, 0]), 2);
        assert_eq!(list.selected(), Some(&2), "the first one is selected until a key comes");
        list.command(Command::Top);
        list.set(items(&[4, 3, 2, 1, 0]), 2);
        assert_eq!((list.at(0), list.selected()), (Some(&4), Some(&2)), "the newest is shown");
        assert!(list.command(Command::Cancel), "it only selects");
        assert_eq!(list.selected(), Some(&4));
        assert!(!list.command(Command::Cancel), "the pane does it");
        list.command(Command::Down);
        list.command(Command::Down);
        list.set(items(&[5, 4, 3, 2, 1, 0]), 2);
        assert_eq!((list.at(0), list.selected()), (Some(&3), Some(&2)), "what one looks at stays in its place");
        list.command(Command::Top);
        list.set(items(&[6, 5, 4, 3, 2, 1, 0]), 2);
        assert_eq!(list.at(0), Some(&6), "back at the first one, it follows again");
    }

    #[test]
    fn the_selection_stays_on_its_item_when_others_come() {
        let mut list = list(&[1, 1, 1], 3);
        list.command(Command::Down);
        list.set(vec![item(Some(9), 1), item(Some(0), 1), item(Some(1), 1), item(Some(2), 1)], 3);
        assert_eq!(list.selected(), Some(&1));
    }

    #[test]
    fn when_the_selected_item_goes_its_neighbour_is_selected() {
        let mut list = list(&[1, 1, 1], 3);
        list.command(Command::End);
        list.set(vec![item(Some(0), 1), item(Some(1), 1)], 3);
        assert_eq!(list.selected(), Some(&1));
        list.set(Vec::new(), 3);
        assert_eq!(list.selected(), None);
    }

    #[test]
    fn headings_are_passed_over() {
        let mut list = List::default();
        list.set(vec![item(None, 1), item(Some(1), 1), item(None, 1), item(Some(2), 1)], 9);
        assert_eq!(list.selected(), Some(&1));
        list.command(Command::Down);
        assert_eq!(list.selected(), Some(&2));
        list.command(Command::Up);
        list.command(Command::Up);
        assert_eq!(list.selected(), Some(&1));
    }

    #[test]
    fn every_row_of_an_item_longer_than_the_pane_can_be_read() {
        let mut list = list(&[10, 1], 4);
        let mut seen: Vec<u16> = Vec::new();
        for _ in 0..6 {
            seen.push(list.top as u16);
            list.command(Command::Down);
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        assert_eq!((list.selected(), list.top), (Some(&0), 6));
        list.command(Command::Down);
        assert_eq!((list.selected(), list.below()), (Some(&1), 0));
    }

    #[test]
    fn rows_that_grow_above_do_not_move_what_is_read() {
        let mut list = list(&[2, 2, 2, 2, 2], 4);
        list.command(Command::End);
        let before = list.start(list.place) - list.top;
        list.set((0..5).map(|at| item(Some(at), 4)).collect(), 4);
        assert_eq!(list.start(list.place) - list.top, before);
    }
}
