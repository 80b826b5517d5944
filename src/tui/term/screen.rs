//! A drawing surface: renders a ratatui frame and returns the bytes that update the terminal.
//!
//! Has no process-wide state, so a process can hold several screens, each for a different terminal.

use ratatui::layout::Size;
use ratatui::{Frame, Terminal};

pub use super::Caps;
use super::backend::FrameBackend;

/// The terminal's contents as last written; computes the bytes of the next frame.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<FrameBackend>,
}

impl Screen {
    /// Creates a screen of `size` cells for a terminal that was just entered and is blank.
    #[must_use]
    pub fn new(size: Size, caps: Caps) -> Self {
        let Ok(terminal) = Terminal::new(FrameBackend::new(size, caps));
        Self { terminal }
    }

    /// Returns the size in cells.
    #[must_use]
    pub fn size(&mut self) -> Size {
        self.terminal.get_frame().area().as_size()
    }

    /// Sets a new terminal size; the next frame is a full one. No effect if the size is unchanged.
    pub fn resize(&mut self, size: Size) {
        if size == self.size() {
            return;
        }
        self.terminal.backend_mut().set_size(size);
        let Ok(()) = self.terminal.resize(ratatui::layout::Rect::from((ratatui::layout::Position::ORIGIN, size)));
    }

    /// Discards the known terminal contents after another program used the terminal: the next frame is a full
    /// one.
    pub fn invalidate(&mut self) {
        self.terminal.backend_mut().forget();
        let Ok(()) = self.terminal.clear();
    }

    /// Draws one frame and returns the bytes to write to the terminal; empty if nothing changed.
    ///
    /// Write them completely and exactly once: the next frame is encoded as the difference to this one.
    #[must_use]
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> Vec<u8> {
        let Ok(_) = self.terminal.draw(render);
        self.terminal.backend_mut().take_frame()
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::{Color, Modifier, Style};
    use ratatui::text::Span;

    use super::*;

    const PLAIN: Caps = Caps { sync: false, color: true };

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn line(screen: &mut Screen, content: &str, style: Style) -> String {
        text(&screen.draw(|frame| frame.render_widget(Span::styled(content.to_owned(), style), frame.area())))
    }

    #[test]
    fn a_frame_without_changes_is_no_bytes() {
        let mut screen = Screen::new(Size::new(20, 3), Caps { sync: true, color: true });
        assert!(!line(&mut screen, "hello", Style::new()).is_empty());
        assert_eq!(line(&mut screen, "hello", Style::new()), "");
        let shown = text(&screen.draw(|frame| {
            frame.render_widget("hello", frame.area());
            frame.set_cursor_position((5, 0));
        }));
        assert_eq!(shown, "\x1b[?2026h\x1b[?25h\x1b[?2026l");
        let again = screen.draw(|frame| {
            frame.render_widget("hello", frame.area());
            frame.set_cursor_position((5, 0));
        });
        assert!(again.is_empty());
    }

    #[test]
    fn a_typed_character_is_the_character_and_its_brackets() {
        let mut screen = Screen::new(Size::new(20, 3), Caps { sync: true, color: true });
        let mut typed = |content: &str| {
            text(&screen.draw(|frame| {
                frame.render_widget(content, frame.area());
                frame.set_cursor_position((content.len() as u16, 0));
            }))
        };
        typed("hell");
        assert_eq!(typed("hello"), "\x1b[?2026ho\x1b[?2026l");
    }

    #[test]
    fn styles_are_sent_as_differences_and_end_plain() {
        let mut screen = Screen::new(Size::new(8, 1), PLAIN);
        let first = text(&screen.draw(|frame| {
            let buffer = frame.buffer_mut();
            buffer.set_string(0, 0, "a", Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
            buffer.set_string(1, 0, "b", Style::new().fg(Color::Red));
            buffer.set_string(2, 0, "c", Style::new().bg(Color::Indexed(240)));
        }));
        assert_eq!(first, "\x1b[H\x1b[1;31ma\x1b[22mb\x1b[0;48;5;240mc\x1b[m\x1b[?25l");
    }

    #[test]
    fn a_blank_needs_no_style_of_its_own() {
        let mut screen = Screen::new(Size::new(8, 1), PLAIN);
        line(&mut screen, "xxx", Style::new());
        let next = line(&mut screen, "a b", Style::new().fg(Color::Blue));
        assert_eq!(next, "\r\x1b[34ma b\x1b[m");
    }

    #[test]
    fn no_color_keeps_the_attributes_only() {
        let mut screen = Screen::new(Size::new(8, 1), Caps { sync: false, color: false });
        let style = Style::new().fg(Color::Red).bg(Color::Blue).add_modifier(Modifier::REVERSED);
        assert_eq!(line(&mut screen, "a", style), "\x1b[H\x1b[7ma\x1b[m\x1b[?25l");
        let plain = Style::new().fg(Color::Red);
        assert_eq!(line(&mut screen, "b", plain), "\rb");
    }

    #[test]
    fn long_runs_of_blanks_are_erased() {
        let mut screen = Screen::new(Size::new(40, 1), PLAIN);
        line(&mut screen, &"x".repeat(30), Style::new());
        assert_eq!(line(&mut screen, "", Style::new()), "\r\x1b[30X");
    }

    #[test]
    fn a_few_unchanged_cells_are_printed_again_rather_than_skipped() {
        let mut screen = Screen::new(Size::new(40, 1), PLAIN);
        line(&mut screen, "one two three four", Style::new());
        assert_eq!(line(&mut screen, "six two seven four", Style::new()), "\rsix\x1b[5Cseven");
        assert_eq!(line(&mut screen, "ten two eight four", Style::new()), "\rten\x1b[5Ceight");
        assert_eq!(line(&mut screen, "tan uwo eight four", Style::new()), "\x1b[12Dan u");
        // Not where the cells between have another style, or are not known to have this one.
        let red = Style::new().fg(Color::Red);
        let mixed = |screen: &mut Screen, ends: &str| {
            text(&screen.draw(|frame| {
                let (first, last) = ends.split_at(1);
                frame.buffer_mut().set_string(0, 0, first, Style::new());
                frame.buffer_mut().set_string(1, 0, "x", red);
                frame.buffer_mut().set_string(2, 0, last, Style::new());
            }))
        };
        mixed(&mut screen, "ab");
        assert_eq!(mixed(&mut screen, "cd"), "\rc\x1b[Cd");
    }

    #[test]
    fn no_cell_can_send_a_control_or_an_override() {
        let mut screen = Screen::new(Size::new(8, 1), PLAIN);
        let bytes = screen.draw(|frame| {
            for (x, symbol) in ["\x1b]52;c;AA==\x07", "\u{9b}", "\u{202e}", "", "\n", "\u{7f}"].iter().enumerate() {
                frame.buffer_mut()[(x as u16, 0)].set_symbol(symbol);
            }
        });
        let sent = text(&bytes).replace("\x1b[", "").replace("?25l", "");
        assert!(!sent.contains(|c: char| c.is_control() || c == '\u{202e}'), "{sent:?}");
    }

    #[test]
    fn another_program_having_had_the_terminal_means_a_full_frame() {
        let mut screen = Screen::new(Size::new(8, 1), PLAIN);
        line(&mut screen, "abc", Style::new());
        screen.invalidate();
        assert_eq!(line(&mut screen, "abc", Style::new()), "\x1b[2J\x1b[Habc\x1b[?25l");
        screen.resize(Size::new(8, 1));
        assert_eq!(line(&mut screen, "abc", Style::new()), "");
        screen.resize(Size::new(9, 1));
        assert!(line(&mut screen, "abc", Style::new()).contains("abc"));
    }

    #[test]
    fn screens_in_one_process_know_nothing_of_each_other() {
        let mut one = Screen::new(Size::new(8, 1), PLAIN);
        let mut other = Screen::new(Size::new(30, 2), Caps { sync: false, color: false });
        let red = Style::new().fg(Color::Red);
        assert!(line(&mut one, "a", red).contains("\x1b[31m"));
        assert!(!line(&mut other, "a", red).contains("\x1b[31m"));
        assert_eq!(line(&mut one, "a", red), "");
        assert_eq!(other.size(), Size::new(30, 2));
    }
}
