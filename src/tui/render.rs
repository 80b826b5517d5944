//! What drawing needs: how everything looks now, and text put on a buffer.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;

use super::glyph::GlyphSet;
use super::text::{Role, Row};
use super::theme::Theme;

/// How everything looks now.
#[derive(Debug, Clone)]
pub struct Look {
    /// Styles by role.
    pub theme: Theme,
    /// Signs.
    pub glyphs: &'static GlyphSet,
    /// The terminal is at the other end of an SSH connection: ages to the minute, nothing moves.
    pub over_ssh: bool,
    /// Whether things may move.
    pub motion: bool,
    /// The time.
    pub now: Timestamp,
    /// Where the person is, for times of day.
    pub zone: TimeZone,
}

impl Look {
    /// A time of day, `HH:MM`.
    #[must_use]
    pub fn clock(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string()
    }
}

/// Draws a row at `(x, y)`, cut at `width` cells, on a buffer.
pub fn put_row(buffer: &mut Buffer, (x, y): (u16, u16), width: u16, row: &Row, theme: &Theme) {
    let area = buffer.area;
    if y < area.y || y >= area.bottom() || x >= area.right() {
        return;
    }
    let end = area.right().min(x.saturating_add(width));
    let mut at = x;
    for span in &row.spans {
        if at >= end {
            return;
        }
        let style = theme.style(span.role).add_modifier(span.modifier);
        (at, _) = buffer.set_stringn(at, y, &span.text, usize::from(end - at), style);
    }
}

/// Draws a piece of cleaned text at `(x, y)` in a role, cut at `width` cells, and returns the next free x.
pub fn put(buffer: &mut Buffer, (x, y): (u16, u16), width: u16, text: &str, role: Role, theme: &Theme) -> u16 {
    let area = buffer.area;
    if y < area.y || y >= area.bottom() || x >= area.right() {
        return x;
    }
    buffer.set_stringn(x, y, text, usize::from(width), theme.style(role)).0
}
