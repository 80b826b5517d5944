//! Dialog with the blocks as an agent saw them when it wrote a message.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::call::scrolled;
use super::{Modal, frame_box};
use crate::domain::ConversationId;
use crate::engine::protocol::{BlockRequest, Reply, Request, RequestError, SeenBlocks};
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::model::Model;
use crate::tui::pane::list::two_ends;
use crate::tui::pane::{RenderContext, put, put_row};
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span, diff};
use crate::tui::theme::Role;

/// Unchanged lines shown around a change.
const CONTEXT: usize = 2;

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    seq: u64,
    known: Option<Result<Box<SeenBlocks>, String>>,
    /// What has changed since is shown instead of what was seen.
    since: bool,
    rows: Vec<Row>,
    top: usize,
    height: usize,
}

impl Seen {
    /// Returns the actions that open the dialog for a message and request what its agent saw.
    #[must_use]
    pub fn acts(conversation: ConversationId, seq: u64) -> [AppAction; 2] {
        let dialog = Self { seq, known: None, since: false, rows: Vec::new(), top: 0, height: 0 };
        let request = Request::Block(Box::new(BlockRequest::Seen { conversation, seq }));
        [AppAction::open(dialog), AppAction::Ask(Requester::Dialog, Box::new(request))]
    }

    fn size(screen: Rect) -> (u16, u16) {
        if screen.height < 20 {
            return (screen.width, screen.height);
        }
        (screen.width.saturating_sub(4).min(100), screen.height.saturating_sub(2).min(36))
    }

    fn lay_out(&self, cells: usize, look: &RenderContext, model: &Model) -> Vec<Row> {
        let say = |text: &str, role| wrap(&[Span::new(text, role)], &Shape::plain(cells));
        let seen = match &self.known {
            None => return say("looking it up", Role::Dim),
            Some(Err(text)) => return say(&clean_line(text), Role::Error),
            Some(Ok(seen)) => seen,
        };
        if seen.blocks.is_empty() {
            return say("It saw no blocks.", Role::Dim);
        }
        let mut rows = Vec::new();
        for block in &seen.blocks {
            let label =
                block.label.as_deref().map_or_else(|| "a deleted block".to_owned(), |l| clean_line(l).into_owned());
            let now = match block.now {
                None => "deleted since".to_owned(),
                Some(now) if now == block.version => "as it is now".to_owned(),
                Some(now) => format!("v{now} now"),
            };
            let left = vec![Span::new(label, Role::Strong), Span::new(format!("  v{}", block.version), Role::Dim)];
            rows.push(two_ends(left, vec![Span::new(now, Role::Dim)], cells, look.glyphs.ellipsis));
            let indent = || vec![Span::new("  ", Role::Text)];
            let shape = Shape { first: indent(), rest: indent(), ..Shape::plain(cells) };
            let current = model.block(&block.id).map(|block| block.value.as_str());
            match (&block.value, current) {
                (None, _) => rows.extend(wrap(&[Span::new("it cannot be read", Role::Error)], &shape)),
                (Some(value), Some(current)) if self.since => {
                    let changed = diff::rows(value, current, CONTEXT, cells, look.glyphs);
                    if changed.is_empty() {
                        rows.extend(wrap(&[Span::new("nothing has changed since", Role::Dim)], &shape));
                    }
                    rows.extend(changed);
                }
                (Some(value), _) if value.trim().is_empty() => {
                    rows.extend(wrap(&[Span::new("empty", Role::Dim)], &shape));
                }
                (Some(value), _) => {
                    rows.extend(wrap(&[Span::new(clean(value.trim_end_matches('\n')), Role::Text)], &shape));
                }
            }
            rows.push(Row::default());
        }
        rows.pop();
        rows
    }
}

impl Modal for Seen {
    fn command(&mut self, command: Command, _cx: &mut Context<'_>) {
        if let Some(top) = scrolled(command, self.top, self.rows.len(), self.height) {
            self.top = top;
        } else if command == Command::Open {
            self.since = !self.since;
            self.top = 0;
        }
    }

    fn answered(&mut self, _serial: u64, reply: Result<Reply, RequestError>, _cx: &mut Context<'_>) {
        match reply {
            Ok(Reply::SeenBlocks(seen)) => self.known = Some(Ok(seen)),
            Err(fault) if self.known.is_none() => self.known = Some(Err(fault.text)),
            _ => {}
        }
    }

    fn prepare(&mut self, screen: Rect, look: &RenderContext, cx: &mut Context<'_>) {
        let (wide, high) = Self::size(screen);
        self.rows = self.lay_out(usize::from(wide).saturating_sub(4), look, cx.model);
        self.height = usize::from(high).saturating_sub(4);
        self.top = self.top.min(self.rows.len().saturating_sub(self.height));
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        let title = match &self.known {
            Some(Ok(seen)) => format!("What {} knew at message {}", clean_line(&seen.name), seen.seq),
            _ => format!("What was known at message {}", self.seq),
        };
        let inside = frame_box(frame, screen, Self::size(screen), &title, look);
        let (x, room) = (inside.x + 1, inside.width.saturating_sub(2));
        let buffer = frame.buffer_mut();
        for (row, y) in self.rows.iter().skip(self.top).zip(inside.y..inside.bottom().saturating_sub(2)) {
            put_row(buffer, (x, y), room, row, &look.theme);
        }
        let keys = if self.since { "Enter as it was   Esc close" } else { "Enter changes since   Esc close" };
        put(buffer, (x, inside.bottom().saturating_sub(1)), room, keys, Role::Dim, &look.theme);
    }
}
