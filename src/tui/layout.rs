//! Screen layout: a pure function of the screen size, the focus and the open panes.
//!
//! ```text
//! title
//! ─────────┬──────────────┬───────────
//!  agents  │ conversation │ blocks
//!          │              ├───────────
//!          │              │ jobs, inbox or mail
//! ─────────┴──────────────┴───────────
//! composer
//! status
//! ```
//!
//! Jobs, inbox and mail share the area below the blocks: their titles form a row of tabs, and one pane is open. On
//! a narrower screen, all panes except the conversation share one area beside it; on the narrowest, only the
//! focused pane is shown. The user can move the lines between panes ([`Dividers`]).

use ratatui::layout::{Position, Rect, Size};
use serde::{Deserialize, Serialize};

use super::pane::id::PaneId;

/// Minimum screen size; on a smaller screen only a notice is shown.
pub const LEAST: Size = Size { width: 40, height: 10 };
/// Minimum width, in cells, for three columns.
const THREE_COLUMNS: u16 = 100;
/// Minimum height of the body, in rows, for stacking the panes of the third column.
const STACKED: u16 = 10;
/// Minimum width, in cells, for a pane beside the conversation.
const TWO_COLUMNS: u16 = 64;
/// Minimum height, in rows, for an empty line above the status line.
const ROOMY: u16 = 30;

/// Minimum width of the first, the second and the third column, in cells.
const LEAST_COLUMNS: (u16, u16, u16) = (16, 30, 24);
/// Minimum height, in rows, of the two areas of the third column.
const LEAST_AREA: u16 = 3;

/// Minimum width, in cells, for a pane that has more room than usual beside the conversation.
const WIDE_BESIDE: u16 = 100;

/// How much room the focused pane takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Room {
    /// Its usual area.
    #[default]
    Usual,
    /// All but the conversation, if that has room beside it; else the whole body. While a text is edited in it.
    Beside,
    /// The whole body.
    Whole,
}

/// A line between panes that can be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Divider {
    /// Between the first and the second of three columns.
    Left,
    /// Between the second and the third of three columns.
    Right,
    /// Between the conversation and the pane beside it, in two columns.
    Side,
    /// Between the blocks and the panes below them.
    Split,
}

/// Where the user moved the lines between panes to, in thousandths of the body's width or height, so that a place is
/// kept when the screen changes its size. `None` for the default place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dividers {
    /// Place of [`Divider::Left`].
    pub left: Option<u16>,
    /// Place of [`Divider::Right`].
    pub right: Option<u16>,
    /// Place of [`Divider::Side`].
    pub side: Option<u16>,
    /// Place of [`Divider::Split`].
    pub split: Option<u16>,
}

impl Dividers {
    /// Sets the place of a divider to `at` of `whole` cells.
    pub fn set(&mut self, divider: Divider, at: u16, whole: u16) {
        let share = (u32::from(at) * 1_000 + u32::from(whole) / 2) / u32::from(whole.max(1));
        let place = match divider {
            Divider::Left => &mut self.left,
            Divider::Right => &mut self.right,
            Divider::Side => &mut self.side,
            Divider::Split => &mut self.split,
        };
        *place = Some(share.min(1_000) as u16);
    }
}

/// Returns the cell, of `whole` cells, at a place in thousandths.
fn cell_of(share: u16, whole: u16) -> u16 {
    ((u32::from(share) * u32::from(whole) + 500) / 1_000) as u16
}

/// Input of [`layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutInput {
    /// Screen size in cells.
    pub size: Size,
    /// The focused pane, or the last focused one.
    pub focus: PaneId,
    /// The pane shown beside the conversation in the two-column layout.
    pub side: PaneId,
    /// The open pane below the blocks, one of [`PaneId::LOWER`].
    pub lower: PaneId,
    /// How much room the focused pane takes.
    pub room: Room,
    /// Requested composer height in rows.
    pub composer: u16,
    /// Where the user moved the lines between panes to.
    pub dividers: Dividers,
}

/// Screen areas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The title line.
    pub title: Rect,
    /// Area of each pane including its title row, by pane index; `None` if hidden.
    pub panes: [Option<Rect>; PaneId::COUNT],
    /// Area of all panes and the lines between them.
    pub body: Rect,
    /// Rows of the horizontal lines above and below the body.
    pub rules: (u16, u16),
    /// X positions of the vertical lines between columns.
    pub columns: Vec<u16>,
    /// Row of the line below the blocks; the line runs from the last column line to the right edge.
    pub split: Option<u16>,
    /// Tabs of the panes that share the area below that line, each with room for a badge.
    pub tabs: Vec<(PaneId, Rect)>,
    /// The composer.
    pub composer: Rect,
    /// The status line.
    pub status: Rect,
}

impl Layout {
    /// Returns the area of a pane including its title row; `None` if hidden.
    #[must_use]
    pub fn pane(&self, id: PaneId) -> Option<Rect> {
        self.panes[id as usize]
    }

    /// Returns the movable line at a position; `None` if there is none.
    #[must_use]
    pub fn divider_at(&self, at: Position) -> Option<Divider> {
        if !self.body.contains(at) {
            return None;
        }
        let column = self.columns.iter().position(|x| *x == at.x);
        let right_of_all = self.columns.last().is_some_and(|x| at.x > *x);
        match (column, self.columns.len()) {
            (Some(_), 1) => Some(Divider::Side),
            (Some(0), _) => Some(Divider::Left),
            (Some(_), _) => Some(Divider::Right),
            (None, _) => (self.split == Some(at.y) && right_of_all).then_some(Divider::Split),
        }
    }

    /// Returns where a movable line is, as cells from the left or upper edge of the body, and the size of the body in
    /// that direction; `None` if it is not shown.
    #[must_use]
    pub fn place_of(&self, divider: Divider) -> Option<(u16, u16)> {
        let three = self.columns.len() == 2;
        let column = |at: usize| self.columns.get(at).map(|x| (*x, self.body.width));
        match divider {
            Divider::Left if three => column(0),
            Divider::Right if three => column(1),
            Divider::Side if !three => column(0),
            Divider::Split => self.split.map(|y| (y - self.body.y, self.body.height)),
            Divider::Left | Divider::Right | Divider::Side => None,
        }
    }
}

/// Returns a pane's area without its title row and, if there is room, without the empty row below the title.
#[must_use]
pub fn inside(area: Rect) -> Rect {
    let head = if area.height >= 8 { 2 } else { 1 };
    Rect { y: area.y + head, height: area.height.saturating_sub(head), ..area }
}

/// Whether a pane that needs room leaves the conversation beside it on a screen of this size.
#[must_use]
pub fn has_room_beside(size: Size) -> bool {
    size.width >= WIDE_BESIDE
}

/// Computes the layout; `None` if the screen is smaller than [`LEAST`].
#[must_use]
pub fn layout(wish: &LayoutInput) -> Option<Layout> {
    let Size { width, height } = wish.size;
    if width < LEAST.width || height < LEAST.height {
        return None;
    }
    let gap = u16::from(height >= ROOMY);
    let composer = wish.composer.clamp(1, (height / 4).clamp(1, 5));
    let below = composer + gap + 1;
    let lower = height - below - 1;
    let body = Rect::new(0, 2, width, lower - 2);
    let mut found = Layout {
        title: Rect::new(0, 0, width, 1),
        body,
        rules: (1, lower),
        composer: Rect::new(0, lower + 1, width, composer),
        status: Rect::new(0, height - 1, width, 1),
        ..Layout::default()
    };
    place_panes(&mut found, wish);
    Some(found)
}

fn place_panes(found: &mut Layout, wish: &LayoutInput) {
    let body = found.body;
    let column = |x: u16, end: u16| Rect::new(x, body.y, end - x, body.height);
    let width = body.width;
    let beside = wish.room == Room::Beside && wish.focus != PaneId::CENTRE;
    if wish.room == Room::Whole || width < TWO_COLUMNS || beside && !has_room_beside(wish.size) {
        found.panes[wish.focus as usize] = Some(body);
        return;
    }
    if width < THREE_COLUMNS || body.height < STACKED || beside {
        let (_, centre, side) = LEAST_COLUMNS;
        let line = wish.dividers.side.map(|share| cell_of(share, width).clamp(centre, width - side - 1));
        let usual = if beside { width.saturating_mul(2) / 5 } else { width - width.saturating_mul(7) / 20 };
        let line = line.unwrap_or(usual);
        found.columns = vec![line];
        found.panes[PaneId::CENTRE as usize] = Some(column(0, line));
        found.panes[if beside { wish.focus } else { wish.side } as usize] = Some(column(line + 1, width));
        return;
    }
    let (left, centre, side) = LEAST_COLUMNS;
    let place = |moved: Option<u16>, usual: u16| moved.map_or(usual, |share| cell_of(share, width));
    // The second line gives way to the first only where the third column would become too narrow.
    let first = place(wish.dividers.left, (width / 6 + 1).clamp(20, 30)).clamp(left, width - side - centre - 2);
    let second = place(wish.dividers.right, width - (width.saturating_mul(31) / 100).clamp(30, 64) - 1)
        .clamp(first + centre + 1, width - side - 1);
    found.columns = vec![first, second];
    found.panes[PaneId::LEFT as usize] = Some(column(0, first));
    found.panes[PaneId::CENTRE as usize] = Some(column(first + 1, second));
    let right = column(second + 1, width);
    let jobs = (right.height.saturating_mul(2) / 5).max(3).min(right.height.saturating_sub(2));
    let split = match wish.dividers.split {
        Some(share) => {
            let least = LEAST_AREA.min((right.height - 1) / 2);
            right.y + cell_of(share, right.height).clamp(least, right.height - least - 1)
        }
        None => right.bottom() - jobs - 1,
    };
    let jobs = right.bottom() - split - 1;
    found.split = Some(split);
    found.panes[PaneId::UPPER as usize] = Some(Rect { height: split - right.y, ..right });
    let lower = Rect { y: split + 1, height: jobs, ..right };
    found.panes[wish.lower as usize] = Some(lower);
    found.tabs = tabs(lower, &PaneId::LOWER, wish.lower);
}

/// Lays out the tabs in `place`. The result depends on the width and the open pane only, so that no tab moves when
/// a badge grows. If the names do not fit, only the open pane shows its name.
fn tabs(place: Rect, panes: &[PaneId], open: PaneId) -> Vec<(PaneId, Rect)> {
    let all =
        |named, digits, gap| panes.iter().map(|id| tab(*id, named || *id == open, digits) + gap).sum::<u16>() - gap;
    let forms = [(true, 2, 2), (true, 2, 1), (true, 2, 0), (true, 1, 0), (false, 2, 1), (false, 1, 0)];
    let fits = forms.into_iter().find(|(named, digits, gap)| all(*named, *digits, *gap) <= place.width);
    let (named, digits, gap) = fits.unwrap_or((false, 1, 0));
    let mut x = place.x;
    let mut found = Vec::new();
    for id in panes {
        let width = tab(*id, named || *id == open, digits).min(place.right().saturating_sub(x));
        found.push((*id, Rect { x, width, height: 1, ..place }));
        x = (x + width + gap).min(place.right());
    }
    found
}

/// Width of a tab in cells: focus mark, number, optional name, space, badge glyph, digits of the badge.
fn tab(id: PaneId, named: bool, digits: u16) -> u16 {
    let name = if named { id.name().len() as u16 + 1 } else { 0 };
    4 + name + digits
}

/// Whether a tab has room for the pane's name.
#[must_use]
pub fn has_name(id: PaneId, title: Rect) -> bool {
    title.width >= tab(id, true, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish(width: u16, height: u16) -> LayoutInput {
        let size = Size { width, height };
        let (focus, lower) = (PaneId::Conversation, PaneId::Jobs);
        let dividers = Dividers::default();
        LayoutInput { size, focus, side: PaneId::Blocks, lower, room: Room::Usual, composer: 1, dividers }
    }

    #[test]
    fn the_number_of_panes_follows_the_width() {
        let shown = |wish| layout(&wish).map(|found| found.panes.iter().flatten().count());
        assert_eq!(shown(wish(200, 60)), Some(4));
        assert_eq!(shown(wish(120, 40)), Some(4));
        assert_eq!(shown(wish(80, 24)), Some(2));
        assert_eq!(shown(wish(200, 12)), Some(2), "two panes do not fit above each other");
        assert_eq!(shown(wish(40, 12)), Some(1));
        assert_eq!(shown(wish(39, 12)), None);
        assert_eq!(shown(wish(40, 9)), None);
        assert_eq!(shown(LayoutInput { room: Room::Whole, ..wish(200, 60) }), Some(1));
    }

    #[test]
    fn a_pane_that_needs_room_has_the_conversation_beside_it_where_both_fit() {
        let of = |width| layout(&LayoutInput { focus: PaneId::Blocks, room: Room::Beside, ..wish(width, 24) }).unwrap();
        let wide = of(120);
        let shown: Vec<PaneId> = PaneId::ALL.into_iter().filter(|id| wide.pane(*id).is_some()).collect();
        assert_eq!(shown, [PaneId::Conversation, PaneId::Blocks]);
        assert!(wide.pane(PaneId::Blocks).unwrap().width > 60);
        assert_eq!(of(99).pane(PaneId::Blocks), Some(of(99).body));
    }

    #[test]
    fn a_narrow_screen_shows_the_pane_that_has_the_focus() {
        let found = layout(&LayoutInput { focus: PaneId::Jobs, ..wish(50, 20) }).unwrap();
        assert_eq!(found.pane(PaneId::Jobs), Some(found.body));
        assert_eq!(found.pane(PaneId::Conversation), None);
    }

    #[test]
    fn below_the_blocks_one_of_three_is_open_and_all_their_titles_stand_whole() {
        const THREE: [PaneId; 3] = [PaneId::Jobs, PaneId::Inbox, PaneId::Mail];
        for width in 100..240 {
            for lower in THREE {
                let found = layout(&LayoutInput { lower, ..wish(width, 40) }).unwrap();
                let place = found.pane(lower).unwrap();
                assert_eq!(PaneId::LOWER.iter().filter(|id| found.pane(**id).is_some()).count(), 1);
                let least = |id: PaneId| id.name().len() as u16 + 5;
                let titles = tabs(place, &THREE, lower);
                assert!(titles.iter().all(|(id, at)| at.width > least(*id) && at.right() <= place.right()));
            }
        }
    }

    #[test]
    fn where_the_titles_are_too_many_the_open_one_has_its_name_and_the_others_their_numbers() {
        for lower in PaneId::LOWER {
            let titles = layout(&LayoutInput { lower, ..wish(100, 40) }).unwrap().tabs;
            assert_eq!(titles.len(), 4, "one more than there is room for");
            for (id, at) in titles {
                assert_eq!(has_name(id, at), id == lower);
                assert!(at.width >= 5 && at.right() <= 100);
            }
        }
        let wide = layout(&wish(200, 40)).unwrap().tabs;
        assert!(wide.iter().all(|(id, at)| has_name(*id, *at)));
    }

    /// Panics if rectangles overlap, are empty or leave the screen.
    fn assert_whole(wish: &LayoutInput) {
        let found = layout(wish).unwrap();
        let screen = Rect { x: 0, y: 0, width: wish.size.width, height: wish.size.height };
        let mut all = vec![found.title, found.composer, found.status];
        all.extend(found.panes.iter().flatten());
        for (at, one) in all.iter().enumerate() {
            assert!(one.height > 0 && one.width > 0 && screen.union(*one) == screen, "{one:?} {wish:?}");
            assert!(!one.rows().any(|row| row.y == found.rules.0 || row.y == found.rules.1), "{one:?} {wish:?}");
            for other in &all[at + 1..] {
                assert!(!one.intersects(*other), "{one:?} {other:?} {wish:?}");
            }
        }
    }

    #[test]
    fn four_panes_on_the_fewest_rows_with_a_tall_composer_are_whole() {
        for side in [PaneId::Roster, PaneId::Blocks] {
            assert_whole(&LayoutInput { focus: PaneId::ALL[0], side, composer: 2, ..wish(100, 10) });
        }
    }

    #[test]
    fn a_line_that_was_moved_is_where_it_was_moved_to_at_every_size() {
        for width in 100..400 {
            let mut dividers = Dividers::default();
            dividers.set(Divider::Left, 24, width);
            dividers.set(Divider::Right, width - 36, width);
            dividers.set(Divider::Split, 5, 34);
            let found = layout(&LayoutInput { dividers, ..wish(width, 40) }).unwrap();
            assert_eq!(found.columns, [24, width - 36]);
            assert_eq!(found.place_of(Divider::Left), Some((24, width)));
            assert_eq!(found.place_of(Divider::Split), Some((5, 34)));
            assert_eq!(found.divider_at((24, 10).into()), Some(Divider::Left));
            assert_eq!(found.divider_at((width - 36, 10).into()), Some(Divider::Right));
            assert_eq!(found.divider_at((width - 1, 7).into()), Some(Divider::Split));
            assert_eq!(found.divider_at((30, 10).into()), None);
        }
        let mut dividers = Dividers::default();
        dividers.set(Divider::Side, 40, 80);
        let found = layout(&LayoutInput { dividers, ..wish(80, 24) }).unwrap();
        assert_eq!((found.columns.as_slice(), found.place_of(Divider::Side)), (&[40][..], Some((40, 80))));
        assert_eq!(found.divider_at((40, 10).into()), Some(Divider::Side));
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_nothing_leaves_the_screen(
            width in 40u16..400, height in 10u16..200, composer in 0u16..9,
            room in prop::sample::select(vec![Room::Usual, Room::Beside, Room::Whole]),
            focus in 0..PaneId::COUNT, lower in prop::sample::select(PaneId::LOWER.to_vec()),
            places in prop::array::uniform4(prop::option::of(0u16..=1_000)),
            side in prop::sample::select(PaneId::ALL.into_iter().filter(|id| *id != PaneId::Conversation).collect::<Vec<_>>()),
        ) {
            let [left, right, beside, split] = places;
            let dividers = Dividers { left, right, side: beside, split };
            let (size, focus) = (Size { width, height }, PaneId::ALL[focus]);
            assert_whole(&LayoutInput { size, focus, side, lower, room, composer, dividers });
        }
    }
}
