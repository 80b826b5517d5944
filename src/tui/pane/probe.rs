//! A test-only pane: shows that a file and a line in the table of [`super::id`] are enough to add a pane.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::{Pane, PaneId, RenderContext, put};
use crate::tui::command::{Command, KeyContext};
use crate::tui::effect::Context;
use crate::tui::model::Model;
use crate::tui::text::Role;

/// Counts the commands it receives.
#[derive(Debug, Default)]
pub struct Probe {
    commands: usize,
}

impl Pane for Probe {
    fn context(&self) -> KeyContext {
        KeyContext::pane(PaneId::Probe)
    }

    fn command(&mut self, _command: Command, _cx: &mut Context<'_>) {
        self.commands += 1;
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext, _model: &Model, _focused: bool) {
        let text = format!("{} commands", self.commands);
        put(frame.buffer_mut(), (area.x, area.y), area.width, &text, Role::Text, &look.theme);
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::layout::Size;

    use super::*;
    use crate::engine::protocol::Overview;
    use crate::tui::app::App;
    use crate::tui::app::view::view;
    use crate::tui::effect::Msg;
    use crate::tui::session::Session;
    use crate::tui::theme::Theme;

    const SIZE: Size = Size { width: 200, height: 40 };

    fn app() -> App {
        let look = RenderContext {
            theme: Theme::terminal(),
            glyphs: &crate::tui::glyph::UNICODE,
            over_ssh: false,
            motion: false,
            now: Timestamp::UNIX_EPOCH,
            zone: TimeZone::UTC,
        };
        App::new(Overview::default(), look, SIZE)
    }

    fn screen(app: &mut App) -> String {
        app.prepare(Timestamp::UNIX_EPOCH);
        let mut terminal = Terminal::new(TestBackend::new(SIZE.width, SIZE.height)).unwrap();
        terminal.draw(|frame| view(app, frame)).unwrap();
        terminal.backend().to_string()
    }

    fn press(app: &mut App, char: char, modifiers: KeyModifiers) {
        app.update(Msg::Key(KeyEvent::new(KeyCode::Char(char), modifiers)), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn a_pane_of_the_table_is_opened_by_its_number_drawn_and_given_commands() {
        let mut app = app();
        let before = screen(&mut app);
        assert!(before.contains("7 Probe") && !before.contains("0 commands"), "its title waits beside the open pane's");
        press(&mut app, PaneId::Probe.digit(), KeyModifiers::ALT);
        assert_eq!((app.pane, app.lower, app.composing), (PaneId::Probe, PaneId::Probe, false));
        assert!(screen(&mut app).contains("0 commands"));
        press(&mut app, 'k', KeyModifiers::NONE);
        assert!(screen(&mut app).contains("1 commands"));
        press(&mut app, '1', KeyModifiers::NONE);
        press(&mut app, PaneId::Probe.digit(), KeyModifiers::NONE);
        assert_eq!(app.pane, PaneId::Probe);
    }

    #[test]
    fn a_pane_of_the_table_is_restored_from_the_session_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = Session::path(&directory.path().join("desk.db"));
        let mut app = app();
        press(&mut app, PaneId::Probe.digit(), KeyModifiers::ALT);
        app.session().save(&path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("\"probe\""));
        let mut next = self::app();
        next.restore(Session::load(&path));
        assert_eq!((next.pane, next.side, next.lower), (PaneId::Probe, PaneId::Probe, PaneId::Probe));
        assert!(screen(&mut next).contains("0 commands"));
    }

    #[test]
    fn a_pane_of_the_table_is_in_the_help_the_palette_and_the_readme() {
        assert_eq!(KeyContext::pane(PaneId::Probe).text(), "probe");
        assert!(KeyContext::PANES.has(KeyContext::pane(PaneId::Probe)));
        let table = crate::tui::command::readme_table();
        assert!(table.contains("| `Alt-7`, in panes `7` | outside dialogs | Go to the test pane |"), "{table}");
        let mut app = app();
        press(&mut app, 'p', KeyModifiers::CONTROL);
        for char in "probe".chars() {
            press(&mut app, char, KeyModifiers::NONE);
        }
        app.update(Msg::Key(KeyEvent::from(KeyCode::Enter)), Timestamp::UNIX_EPOCH);
        assert_eq!(app.pane, PaneId::Probe);
    }
}
