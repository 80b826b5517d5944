//! Shared by all drawing code: theme, glyphs, time, and writing text to a buffer.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;

use super::glyph::GlyphSet;
use super::text::{Role, Row};
use super::theme::Theme;

/// Parameters of drawing.
#[derive(Debug, Clone)]
pub struct RenderContext {
    /// Maps roles to styles.
    pub theme: Theme,
    /// Glyph set.
    pub glyphs: &'static GlyphSet,
    /// Whether the terminal is connected over SSH: ages are shown to the minute, and nothing is animated.
    pub over_ssh: bool,
    /// Whether animation is enabled.
    pub motion: bool,
    /// Current time.
    pub now: Timestamp,
    /// Time zone for times of day.
    pub zone: TimeZone,
}

impl RenderContext {
    /// Formats the local time of day as `HH:MM`.
    #[must_use]
    pub fn clock(&self, at: Timestamp) -> String {
        clock(at, &self.zone)
    }
}

/// Formats a time of day in `zone` as `HH:MM`.
#[must_use]
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

/// Writes a row at `(x, y)`, truncated to `width` cells. Does nothing outside the buffer.
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

/// Writes sanitised text at `(x, y)`, truncated to `width` cells. Returns the x after the last written cell.
pub fn put(buffer: &mut Buffer, (x, y): (u16, u16), width: u16, text: &str, role: Role, theme: &Theme) -> u16 {
    let area = buffer.area;
    if y < area.y || y >= area.bottom() || x >= area.right() {
        return x;
    }
    buffer.set_stringn(x, y, text, usize::from(width), theme.style(role)).0
}
