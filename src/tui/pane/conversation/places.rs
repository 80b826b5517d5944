//! Where one is in a conversation, and how to move there: always from a row to its neighbours, so that no
//! step costs more in a long conversation than in a short one.

use super::Conversation;

/// A row: of a message by its `seq`, of what stands at the foot by the numbers after the last `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Which message, from 1.
    pub at: u64,
    /// The row in it, the empty row before it included.
    pub row: usize,
}

/// What the view is tied to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The end: what comes is followed.
    #[default]
    Tail,
    /// This row stands at the top.
    Top(Place),
}

impl Conversation {
    /// The number of the last message or part at the foot; 0 where there is nothing.
    pub(super) fn total(&self) -> u64 {
        self.head + self.foot.parts.len() as u64
    }

    /// The row before; `None` at the beginning, and where the message before is not held.
    pub(super) fn before(&mut self, place: Place) -> Option<Place> {
        if place.row > 0 {
            return Some(Place { row: place.row - 1, ..place });
        }
        let at = place.at.checked_sub(1).filter(|at| *at > 0)?;
        let rows = self.rows_of(at)?;
        Some(Place { at, row: rows - 1 })
    }

    /// The row after; `None` at the end, and where the message after is not held.
    pub(super) fn after(&mut self, place: Place) -> Option<Place> {
        if self.rows_of(place.at).is_some_and(|rows| place.row + 1 < rows) {
            return Some(Place { row: place.row + 1, ..place });
        }
        let at = place.at + 1;
        (at <= self.total() && self.rows_of(at).is_some()).then_some(Place { at, row: 0 })
    }

    /// The row `by` rows away, or the last one on the way there that is held.
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

    /// The last row there is, where it is held.
    pub(super) fn last_place(&mut self) -> Option<Place> {
        let at = self.total();
        let rows = self.rows_of(at)?;
        Some(Place { at, row: rows - 1 })
    }

    /// The rows to show, at most `height`, and the anchor they end up with: a view that would show less than
    /// it could at the end is the tail.
    pub(super) fn fill(&mut self, height: usize) -> Vec<Place> {
        if let Anchor::Top(top) = self.anchor {
            let rows = self.rows_of(top.at);
            if rows.is_none() && top.at <= self.head {
                return Vec::new();
            }
            let mut places = Vec::with_capacity(height);
            let mut next = rows.map(|rows| Place { row: top.row.min(rows - 1), ..top });
            while let Some(place) = next.filter(|_| places.len() < height) {
                places.push(place);
                next = self.after(place);
            }
            let short = places.len() < height && places.last().is_none_or(|last| last.at >= self.total());
            if !short {
                return places;
            }
            self.anchor = Anchor::Tail;
        }
        let mut places = Vec::with_capacity(height);
        let mut next = self.last_place();
        while let Some(place) = next.filter(|_| places.len() < height) {
            places.push(place);
            next = self.before(place);
        }
        places.reverse();
        places
    }

    /// Moves the view by rows; the cursor goes with it where there is one.
    pub(super) fn scroll(&mut self, by: isize) {
        let Some(top) = self.top() else { return };
        let moved = self.moved_by(top, by);
        self.anchor = Anchor::Top(moved);
        if let Some(cursor) = self.cursor {
            self.cursor = Some(self.moved_by(cursor, by));
        }
        // Settles at once whether that is the tail, so that the next key starts from where one is.
        self.shown = self.fill(self.height);
        if self.anchor == Anchor::Tail && by > 0 {
            self.cursor = self.cursor.and(self.shown.last().copied());
        }
    }

    /// Moves the cursor line by rows; the view follows.
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

    /// Puts the cursor on a row and the view where it is seen, a third from the top when it was not.
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

    /// The row at the top of the view.
    pub(super) fn top(&self) -> Option<Place> {
        match self.anchor {
            Anchor::Top(top) => Some(top),
            Anchor::Tail => self.shown.first().copied(),
        }
    }
}
