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
//! focused pane is shown.

use ratatui::layout::{Rect, Size};

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
    /// Whether the focused pane fills the body.
    pub zoom: bool,
    /// Requested composer height in rows.
    pub composer: u16,
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
}

/// Returns a pane's area without its title row and, if there is room, without the empty row below the title.
#[must_use]
pub fn inside(area: Rect) -> Rect {
    let head = if area.height >= 8 { 2 } else { 1 };
    Rect { y: area.y + head, height: area.height.saturating_sub(head), ..area }
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
    if wish.zoom || width < TWO_COLUMNS {
        found.panes[wish.focus as usize] = Some(body);
        return;
    }
    if width < THREE_COLUMNS || body.height < STACKED {
        let line = width - width.saturating_mul(7) / 20;
        found.columns = vec![line];
        found.panes[PaneId::CENTRE as usize] = Some(column(0, line));
        found.panes[wish.side as usize] = Some(column(line + 1, width));
        return;
    }
    let first = (width / 6 + 1).clamp(20, 30);
    let second = width - (width.saturating_mul(31) / 100).clamp(30, 64) - 1;
    found.columns = vec![first, second];
    found.panes[PaneId::LEFT as usize] = Some(column(0, first));
    found.panes[PaneId::CENTRE as usize] = Some(column(first + 1, second));
    let right = column(second + 1, width);
    let jobs = (right.height.saturating_mul(2) / 5).max(3).min(right.height.saturating_sub(2));
    let split = right.bottom() - jobs - 1;
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
        LayoutInput { size, focus, side: PaneId::Blocks, lower, zoom: false, composer: 1 }
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
        assert_eq!(shown(LayoutInput { zoom: true, ..wish(200, 60) }), Some(1));
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

    proptest! {
        #[test]
        fn nothing_overlaps_and_nothing_leaves_the_screen(
            width in 40u16..400, height in 10u16..200, composer in 0u16..9, zoom: bool,
            focus in 0..PaneId::COUNT, lower in prop::sample::select(PaneId::LOWER.to_vec()),
            side in prop::sample::select(PaneId::ALL.into_iter().filter(|id| *id != PaneId::Conversation).collect::<Vec<_>>()),
        ) {
            assert_whole(&LayoutInput { size: Size { width, height }, focus: PaneId::ALL[focus], side, lower, zoom, composer });
        }
    }
}
