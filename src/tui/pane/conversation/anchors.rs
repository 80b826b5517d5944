//! Positions in a conversation and movement between them: always from a row to its neighbours, so that the cost
//! does not depend on the length of the conversation.

use super::Conversation;

/// A row of a message, or of a part below the last message; parts are numbered after the last `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Number of the message or part, from 1.
    pub at: u64,
    /// Row in it, from 0; counts the empty row before it.
    pub row: usize,
}

/// The position of the view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The end; the view follows new messages.
    #[default]
    Tail,
    /// This row is at the top.
    Top(Place),
}

impl Conversation {
    /// Returns the number of the last message or part; 0 if there is none.
    pub(super) fn total(&self) -> u64 {
        self.head + self.foot.parts.len() as u64
    }

    /// Returns the row before; `None` at the start, or if the message before is not loaded.
    pub(super) fn before(&mut self, place: Place) -> Option<Place> {
        if place.row > 0 {
            return Some(Place { row: place.row - 1, ..place });
        }
        let at = place.at.checked_sub(1).filter(|at| *at > 0)?;
        let rows = self.rows_of(at)?;
        Some(Place { at, row: rows - 1 })
    }

    /// Returns the row after; `None` at the end, or if the message after is not loaded.
    pub(super) fn after(&mut self, place: Place) -> Option<Place> {
        if self.rows_of(place.at).is_some_and(|rows| place.row + 1 < rows) {
            return Some(Place { row: place.row + 1, ..place });
        }
        let at = place.at + 1;
        (at <= self.total() && self.rows_of(at).is_some()).then_some(Place { at, row: 0 })
    }

    /// Returns the row `by` rows away, or the last loaded one in that direction.
    pub(super) fn moved_by(&mut self, place: Place, by: isize) -> Place {
        let mut place = place;
        for _ in 0..by.unsigned_abs() {
            let next = if by < 0 { self.before(place) } else { self.after(place) };
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        place
    }

    /// Returns the last row, if it is loaded.
    pub(super) fn last_place(&mut self) -> Option<Place> {
        let at = self.total();
        let rows = self.rows_of(at)?;
        Some(Place { at, row: rows - 1 })
    }

    /// Returns the rows to show, at most `height`. If they would end before the bottom of the pane, changes the
    /// anchor to the tail.
    pub(super) fn fill(&mut self, height: usize) -> Vec<Place> {
        if let Anchor::Top(top) = self.anchor {
            if self.rows_of(top.at).is_none() && top.at <= self.head {
                return Vec::new();
            }
            let (places, ends) = self.rows_from(top, height);
            if !ends || places.len() == height {
                return places;
            }
            self.anchor = Anchor::Tail;
            self.held = None;
        }
        self.tail(height)
    }

    /// Returns the rows from `top` on, at most `height`, and whether the last of them is the end.
    fn rows_from(&mut self, top: Place, height: usize) -> (Vec<Place>, bool) {
        let mut places = Vec::with_capacity(height);
        let mut next = self.rows_of(top.at).map(|rows| Place { row: top.row.min(rows - 1), ..top });
        while let Some(place) = next.filter(|_| places.len() < height) {
            places.push(place);
            next = self.after(place);
        }
        (places, next.is_none() && self.rows_of(self.total()).is_some())
    }

    /// Returns the last rows. While an answer streams, the rows above it stay where they are until the pane is full;
    /// then most of them leave at once. A terminal cannot scroll a part of its width: moving the rows up for each new
    /// one would send the whole pane for every line of the answer.
    fn tail(&mut self, height: usize) -> Vec<Place> {
        let streaming = self.foot.is_streaming();
        if let Some(top) = self.held.take() {
            let (places, ends) = self.rows_from(top, height);
            if ends {
                self.held = Some(top);
                return places;
            }
            if let Some(last) = self.last_place().filter(|_| streaming) {
                let kept = isize::try_from(height / 3).unwrap_or(0);
                let top = self.moved_by(last, -kept);
                self.held = Some(top);
                return self.rows_from(top, height).0;
            }
        }
        let mut places = Vec::with_capacity(height);
        let mut next = self.last_place();
        while let Some(place) = next.filter(|_| places.len() < height) {
            places.push(place);
            next = self.before(place);
        }
        places.reverse();
        self.held = places.first().copied().filter(|_| streaming);
        places
    }

    /// Moves the view by rows, together with the cursor if there is one.
    pub(super) fn scroll(&mut self, by: isize) {
        let Some(top) = self.top() else { return };
        let moved = self.moved_by(top, by);
        self.anchor = Anchor::Top(moved);
        if let Some(cursor) = self.cursor {
            self.cursor = Some(self.moved_by(cursor, by));
        }
        // Decides now whether this is the tail, so that the next key starts from the right position.
        self.shown = self.fill(self.height);
        if self.anchor == Anchor::Tail && by > 0 {
            self.cursor = self.cursor.and(self.shown.last().copied());
        }
    }

    /// Moves the cursor line by rows and keeps it in view.
    pub(super) fn step(&mut self, by: isize) {
        let start = match self.cursor {
            Some(cursor) => self.moved_by(cursor, by),
            None => match self.shown.last().copied() {
                Some(last) => self.moved_by(last, if by < 0 { by } else { 0 }),
                None => return,
            },
        };
        self.cursor = Some(start);
        self.keep_in_view();
    }

    /// Moves the cursor to a row. If the row is not visible, scrolls it to a third from the top.
    pub(super) fn jump(&mut self, place: Place) {
        self.cursor = Some(place);
        if !self.shown.contains(&place) {
            let third = isize::try_from(self.height / 3).unwrap_or(0);
            self.anchor = Anchor::Top(self.moved_by(place, -third));
            self.shown = self.fill(self.height);
        }
    }

    fn keep_in_view(&mut self) {
        let (Some(cursor), Some(top), Some(bottom)) = (self.cursor, self.top(), self.shown.last().copied()) else {
            return;
        };
        if cursor < top {
            self.anchor = Anchor::Top(cursor);
        } else if cursor > bottom {
            let rows = isize::try_from(self.height.saturating_sub(1)).unwrap_or(0);
            self.anchor = Anchor::Top(self.moved_by(cursor, -rows));
        } else {
            return;
        }
        self.shown = self.fill(self.height);
    }

    /// Returns the row at the top of the view.
    pub(super) fn top(&self) -> Option<Place> {
        match self.anchor {
            Anchor::Top(top) => Some(top),
            Anchor::Tail => self.shown.first().copied(),
        }
    }
}
