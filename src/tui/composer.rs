//! The composer: the message input, with a history of sent messages.
//!
//! Keys bound in the command table take precedence; all others go to the text area, which has readline's keys.
//! Pasting never sends; long pasted texts are folded ([`pastes`]). A sent message is kept until the engine has committed
//! it; if it is rejected, it returns to the input. Each conversation has its own draft.

pub mod draft;
pub mod pastes;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use unicode_segmentation::UnicodeSegmentation as _;

use draft::Draft;
use pastes::Pastes;

use crate::domain::AgentId;
use crate::domain::message::check_size;
use crate::engine::protocol::{Recipient, Reply, Request, RequestError};

use super::command::Command;
use super::effect::{AppAction, Context};
use super::model::Model;
use super::pane::{RenderContext, put};
use super::session::HISTORY;
use super::text::clean::clean_line;
use super::text::plain::plain;
use super::text::width::truncate;
use super::text::wrap::{Breaks, Mode};
use super::text_box::{Look, TextBox};
use super::theme::Role;

/// Maximum height in rows.
pub const MAX_ROWS: u16 = 5;
/// Cells before the text: a space, the prompt, a space.
const PROMPT: u16 = 3;

/// A text as the composer shows it, and the texts folded to labels in it.
type Written = (String, Pastes);

/// State of the composer.
#[derive(Debug)]
pub struct Composer {
    area: TextBox,
    /// Sent messages, oldest first.
    history: Vec<String>,
    /// Index of the shown history entry, and the draft it temporarily replaces.
    recalled: Option<(usize, Written)>,
    /// Texts folded to labels in the area.
    pastes: Pastes,
    /// Recipient of the shown draft; `None` in an empty store.
    to: Option<Recipient>,
    /// Drafts of the other conversations.
    others: Vec<Draft>,
    /// Messages sent but not yet committed, by request serial.
    sent: Vec<(u64, Recipient, String)>,
}

impl Default for Composer {
    fn default() -> Self {
        Self {
            area: empty_area(),
            history: Vec::new(),
            recalled: None,
            pastes: Pastes::default(),
            to: None,
            others: Vec::new(),
            sent: Vec::new(),
        }
    }
}

fn empty_area() -> TextBox {
    TextBox::new(vec![String::new()], true)
}

impl Composer {
    /// Returns the current text, with folded texts whole.
    #[must_use]
    pub fn text(&self) -> String {
        self.pastes.expand(&self.written())
    }

    /// Returns the size of the current text in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text().len()
    }

    /// Returns the current text as shown.
    fn written(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Returns the draft to the shown recipient. An unchanged entry of the history is none; the draft it replaces is.
    fn own_draft(&self) -> Written {
        match &self.recalled {
            Some((at, draft)) if self.history.get(*at) == Some(&self.written()) => draft.clone(),
            _ => (self.written(), self.pastes.clone()),
        }
    }

    /// Returns the text and the folded texts to save for the shown conversation: uncommitted sent messages, then the
    /// draft.
    #[must_use]
    pub fn draft(&self) -> (String, Pastes) {
        let (text, pastes) = self.own_draft();
        (self.with_sent(self.to.as_ref(), text), pastes)
    }

    /// Returns the drafts to save for the other conversations.
    #[must_use]
    pub fn other_drafts(&self) -> Vec<Draft> {
        let mut drafts = self.others.clone();
        for (_, to, _) in &self.sent {
            if self.to.as_ref() != Some(to) && !drafts.iter().any(|draft| draft.to == *to) {
                drafts.push(Draft { to: to.clone(), text: String::new(), pastes: Pastes::default() });
            }
        }
        for draft in &mut drafts {
            draft.text = self.with_sent(Some(&draft.to), std::mem::take(&mut draft.text));
        }
        drafts
    }

    fn with_sent(&self, to: Option<&Recipient>, written: String) -> String {
        let sent = self.sent.iter().filter(|(_, whom, _)| Some(whom) == to).map(|(_, _, text)| text.clone());
        sent.chain((!written.is_empty()).then_some(written)).collect::<Vec<_>>().join("\n")
    }

    /// Restores the drafts of an earlier session: of the shown conversation, and of the others.
    pub fn restore(&mut self, (text, pastes): (&str, Pastes), others: Vec<Draft>) {
        self.others = others;
        self.set_draft(text, pastes);
    }

    /// Shows the draft to this recipient; keeps the one shown so far.
    pub fn address(&mut self, to: Option<&Recipient>) {
        if self.to.as_ref() == to {
            return;
        }
        let (text, pastes) = self.own_draft();
        if let Some(before) = self.to.take().filter(|_| !text.is_empty()) {
            self.others.push(Draft { to: before, text, pastes });
        }
        self.to = to.cloned();
        let kept = self.others.iter().position(|draft| Some(&draft.to) == to).map(|at| self.others.remove(at));
        let (text, pastes) = kept.map_or_else(Default::default, |draft| (draft.text, draft.pastes));
        self.set_draft(&text, pastes);
    }

    /// Replaces the text; the caret moves to its end.
    pub fn set_text(&mut self, text: &str) {
        self.set_draft(text, Pastes::default());
    }

    fn set_draft(&mut self, text: &str, pastes: Pastes) {
        self.area = empty_area();
        self.area.insert(&plain(text));
        self.pastes = pastes;
        self.recalled = None;
    }

    /// Inserts text before the draft, on lines of its own.
    pub fn prepend(&mut self, text: &str) {
        let (after, pastes) = self.own_draft();
        self.set_draft(&joined(text, &after), pastes);
    }

    /// Inserts text before the draft to `to`, which may be of another conversation than the shown one.
    pub fn give_back(&mut self, to: &Recipient, text: &str) {
        if self.to.as_ref() == Some(to) {
            return self.prepend(text);
        }
        match self.others.iter_mut().find(|draft| draft.to == *to) {
            Some(draft) => draft.text = joined(text, &draft.text),
            None => self.others.push(Draft { to: to.clone(), text: text.to_owned(), pastes: Pastes::default() }),
        }
    }

    /// Returns the sent messages, oldest first.
    #[must_use]
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// Sets the history to the messages of earlier sessions, oldest first; keeps the last [`HISTORY`].
    pub fn set_history(&mut self, history: Vec<String>) {
        self.history = history;
        let over = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..over);
    }

    /// Returns the rows needed at a screen width, at most [`MAX_ROWS`].
    #[must_use]
    pub fn rows(&self, width: u16) -> u16 {
        let cells = usize::from(text_area(Rect::new(0, 0, width, 1)).width);
        let most = usize::from(MAX_ROWS);
        let mut rows = 0;
        for line in self.area.lines().iter().take(most) {
            rows += Breaks::new(&clean_line(line), cells, cells, Mode::Words).take(most).count().max(1);
        }
        rows.clamp(1, most) as u16
    }

    /// Performs a command.
    pub fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        match command {
            Command::NewLine => self.area.insert_newline(),
            Command::Send => self.submit(cx),
            Command::Editor => cx.editor(self.text()),
            Command::UnfoldPaste => self.unfold_paste(cx),
            other => {
                self.area.command(other);
            }
        }
    }

    /// Replaces the last folded text before the caret, or else the last one, by its lines.
    fn unfold_paste(&mut self, cx: &mut Context<'_>) {
        let before = self.before_caret();
        let found = self.pastes.take_last(&before).or_else(|| self.pastes.take_last(&self.written()));
        match found {
            Some(paste) => {
                let pastes = std::mem::take(&mut self.pastes);
                self.set_draft(&self.written().replacen(&paste.label, &paste.text, 1), pastes);
            }
            None => cx.toast("no folded text is here"),
        }
    }

    /// Returns the text before the caret, as shown.
    fn before_caret(&self) -> String {
        let (row, column) = self.area.caret();
        let lines = self.area.lines();
        let mut text: String = lines.iter().take(row).flat_map(|line| [line.as_str(), "\n"]).collect();
        text.extend(lines.get(row).into_iter().flat_map(|line| line.chars().take(column)));
        text
    }

    /// Describes to whom the message goes: the shown group or agent, or the member that a leading `@` names.
    #[must_use]
    pub fn recipient(&self, model: &Model) -> Option<String> {
        let name = |id: &AgentId| model.agent(id).map(|agent| clean_line(&agent.name).into_owned());
        let group = match self.to.as_ref()? {
            Recipient::Agent(id) => return name(id),
            Recipient::Group(id) => model.group(id)?,
        };
        let first = self.area.lines().first().map(String::as_str).unwrap_or_default();
        let called = first.strip_prefix('@').and_then(|rest| rest.split_whitespace().next());
        let answering = group.members.iter().chain(&group.manager_agent);
        let member =
            answering.filter_map(name).find(|name| called.is_some_and(|called| name.eq_ignore_ascii_case(called)));
        let group = clean_line(&group.name);
        Some(member.map_or_else(|| group.into_owned(), |member| format!("{member} only")))
    }

    /// Completes the name after a leading `@` to the longest unambiguous prefix. Returns the matching names; empty
    /// if the caret does not follow such a prefix.
    pub fn complete<'a>(&mut self, names: &[&'a str]) -> Vec<&'a str> {
        let cursor = self.area.caret();
        let line = self.area.lines().first().map(String::as_str).unwrap_or_default();
        let (head, rest): (String, String) =
            (line.chars().take(cursor.1).collect(), line.chars().skip(cursor.1).collect());
        let Some(typed) = head.strip_prefix('@').filter(|typed| cursor.0 == 0 && !typed.contains(' ')) else {
            return Vec::new();
        };
        let typed = typed.to_lowercase();
        let fits: Vec<&str> = names.iter().copied().filter(|name| name.to_lowercase().starts_with(&typed)).collect();
        let Some(first) = fits.first() else { return fits };
        let shared = |at: &usize| fits.iter().all(|name| name.get(..*at) == first.get(..*at));
        let ends = first.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
        let clear = ends.take_while(shared).last().unwrap_or(0);
        let blank = if fits.len() == 1 && !rest.starts_with(' ') { " " } else { "" };
        // The match is at least as long as the typed text, but may differ in case.
        if first[..clear].to_lowercase().starts_with(&typed) {
            self.area.delete_to_line_start();
            self.area.insert(&plain(&format!("@{}{blank}", &first[..clear])));
        }
        fits
    }

    fn submit(&mut self, cx: &mut Context<'_>) {
        let text = self.text();
        if text.trim().is_empty() {
            return;
        }
        let Some(to) = cx.model.place.address.clone() else {
            return cx.fault(
                "there is no group to send to: create one with N in the agents (Alt-1), or with `nightdesk apply TEAM.toml`",
            );
        };
        if let Err(why) = check_size(text.len()) {
            return cx.fault(why);
        }
        let serial = cx.ask(Request::Send { to: to.clone(), text: text.clone() });
        if self.history.last() != Some(&text) {
            self.history.push(text.clone());
            self.history.drain(..self.history.len().saturating_sub(HISTORY));
        }
        self.sent.push((serial, to, text));
        // Scroll to the end, so that the message and the reply are visible.
        cx.act(AppAction::Follow);
        self.set_text("");
    }

    /// Handles a key that is not bound to a command.
    pub fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) {
        match (key.code, key.modifiers) {
            (KeyCode::Up, KeyModifiers::NONE) if self.at_top() => self.recall(true),
            (KeyCode::Down, KeyModifiers::NONE) if self.at_bottom() => self.recall(false),
            // A folded text is deleted as a whole; undo restores it.
            (KeyCode::Backspace, KeyModifiers::NONE) | (KeyCode::Char('h'), KeyModifiers::CONTROL)
                if !self.area.is_selecting() =>
            {
                match self.pastes.ending(&self.before_caret()).map(|paste| paste.label.chars().count()) {
                    Some(label) => self.area.delete_before(label),
                    None => self.area.key(key),
                };
            }
            _ => {
                self.area.key(key);
            }
        }
    }

    fn at_top(&self) -> bool {
        self.area.is_at_edge(false)
    }

    fn at_bottom(&self) -> bool {
        self.area.is_at_edge(true)
    }

    /// Shows the next older or newer history entry; after the newest, the draft.
    fn recall(&mut self, older: bool) {
        let (at, draft) = match self.recalled.take() {
            Some((at, draft)) => (at, draft),
            None if older => (self.history.len(), (self.written(), self.pastes.clone())),
            None => return self.area.go_to_line_end(),
        };
        let to = if older { at.checked_sub(1).unwrap_or(at) } else { at + 1 };
        if let Some(text) = self.history.get(to).cloned() {
            self.set_text(&text);
            self.recalled = Some((to, draft));
        } else {
            self.set_draft(&draft.0, draft.1);
        }
    }

    /// Inserts pasted text; never sends it.
    ///
    /// Returns the label it was folded to, if it is long.
    pub fn paste(&mut self, text: &str) -> Option<String> {
        let text = plain(text);
        let label = self.pastes.fold(&text, &self.written());
        self.area.insert(label.as_deref().unwrap_or(&text));
        label
    }

    /// Handles the reply to a request. A rejected message returns to the input.
    pub fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let sent = self.sent.iter().position(|(known, ..)| *known == serial).map(|at| self.sent.remove(at));
        if let Err(fault) = reply {
            if let Some((_, to, text)) = sent {
                self.give_back(&to, &text);
            }
            cx.fault(fault.text);
        }
    }

    /// Draws the composer, and on the line above it to whom the message goes; if focused, places the frame's cursor at
    /// the caret. `room` is the width in cells of the free part of that line.
    pub fn draw(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        look: &RenderContext,
        model: &Model,
        (room, focused): (u16, bool),
    ) {
        if let (Some(to), Some(y)) = (self.recipient(model), area.y.checked_sub(1)) {
            let label = format!(" to {to} ");
            let label = truncate(&label, usize::from(room.saturating_sub(2)), look.glyphs.ellipsis);
            put(frame.buffer_mut(), (area.x + 1, y), room, &label, Role::Dim, &look.theme);
        }
        let role = if focused { Role::Focus } else { Role::Dim };
        put(frame.buffer_mut(), (area.x + 1, area.y), 1, look.glyphs.prompt, role, &look.theme);
        let selection = look.theme.style(Role::Selection);
        let drawn = self.area.draw(frame, text_area(area), &Look { selection, ..Look::default() }, &[]);
        if focused {
            frame.set_cursor_position(drawn.caret);
        }
    }
}

fn joined(before: &str, after: &str) -> String {
    let between = if after.is_empty() { "" } else { "\n" };
    format!("{before}{between}{after}")
}

/// Returns the part of the composer's area that holds the text.
fn text_area(area: Rect) -> Rect {
    Rect { x: area.x + PROMPT, width: area.width.saturating_sub(PROMPT + 1), ..area }
}
