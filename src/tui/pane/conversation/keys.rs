//! The commands of the conversation pane.

use super::rendered::folds;
use super::{Anchor, Conversation, Place, Wanted};
use crate::domain::{Content, Message, PendingKind};
use crate::engine::protocol::Request;
use crate::tui::command::Command;
use crate::tui::dialog::confirm::{Choice, Confirm};
use crate::tui::dialog::deny::decide;
use crate::tui::dialog::save_text::SaveText;
use crate::tui::dialog::seen::Seen;
use crate::tui::effect::{AppAction, Context};
use crate::tui::term::sequence::COPY_LIMIT;
use crate::tui::text::clean::clean_line;
use crate::tui::text::markdown::fences;
use crate::tui::text::plain::plain;
use crate::tui::text::width::truncate;

/// Cells of the message shown when asking whether to send it again.
const SHOWN_AGAIN: usize = 120;

impl Conversation {
    pub(super) fn do_command(&mut self, command: Command, cx: &mut Context<'_>) {
        let page = isize::try_from(self.height.saturating_sub(2).max(1)).unwrap_or(1);
        let half = (page / 2).max(1);
        match command {
            Command::Up | Command::HalfUp | Command::PageUp | Command::Top => self.leave_tail(),
            _ => {}
        }
        match command {
            Command::Up => self.step(-1),
            Command::Down => self.step(1),
            Command::HalfUp => self.leap(-half),
            Command::HalfDown => self.leap(half),
            Command::PageUp => self.leap(-page),
            Command::PageDown => self.leap(page),
            Command::Top => self.wanted = (self.head > 0).then_some(Wanted::Message(1)),
            Command::End => self.follow_tail(),
            Command::Earlier => self.wanted = Some(Wanted::TurnBefore(self.here())),
            Command::Later => self.wanted = Some(Wanted::TurnAfter(self.here())),
            Command::Open => self.fold(None),
            Command::Fold => self.fold(Some(false)),
            Command::Unfold => self.fold(Some(true)),
            Command::Search => self.open_search(),
            Command::KeepSearch => self.keep_search(),
            Command::DropSearch => self.end_search(true),
            Command::NextMatch => self.next_hit(true),
            Command::PreviousMatch => self.next_hit(false),
            Command::Back => self.back(),
            Command::Copy => self.copy(cx),
            Command::SaveText => self.save_text(cx),
            Command::CopyCode => self.copy_code(cx),
            Command::Edit => self.take_back(cx),
            Command::Retry => self.send_again(cx),
            Command::Cancel => self.cancel(cx),
            Command::SeenHere => self.show_seen(cx),
            Command::Approve | Command::ApproveRun | Command::Deny => self.decide(command, cx),
            _ => {}
        }
    }

    /// Scrolls; if the view cannot move, moves the cursor towards the first or last row.
    fn leap(&mut self, by: isize) {
        let before = self.top();
        self.scroll(by);
        if self.top() == before && self.cursor.is_some() {
            self.step(by);
        }
    }

    /// Returns the number of the current message; at the tail, the one after the last.
    fn here(&self) -> u64 {
        let top = match self.anchor {
            Anchor::Top(top) => Some(top.at),
            Anchor::Tail => None,
        };
        self.cursor.map(|cursor| cursor.at).or(top).unwrap_or(self.head + 1)
    }

    /// Goes to the end and follows it.
    pub fn follow_tail(&mut self) {
        self.anchor = Anchor::Tail;
        self.held = None;
        self.cursor = None;
        self.wanted = None;
    }

    /// Ends the search if there is one, else removes the cursor and follows the tail.
    fn back(&mut self) {
        if self.searching() {
            self.end_search(false);
        } else {
            self.follow_tail();
        }
    }

    fn fold(&mut self, open: Option<bool>) {
        let Some(seq) = self.selected().filter(|message| folds(message)).map(|message| message.seq) else { return };
        let open = open.unwrap_or(!self.open.contains(&seq));
        if open {
            self.open.insert(seq);
        } else {
            self.open.remove(&seq);
        }
        if let Some(cursor) = self.cursor {
            // Folding may have removed its row.
            self.cursor = Some(Place { row: usize::from(self.has_gap_before(seq)), ..cursor });
        }
    }

    /// Returns the start of the turn before a message (the user's message), or the first message if there is no
    /// such turn; `None` if it is not loaded.
    pub(super) fn turn_before(&mut self, seq: u64) -> Option<Place> {
        let found = self.window.iter().rev().find(|message| message.seq < seq && begins(message));
        let at = match found {
            Some(message) => message.seq,
            None if self.window.first() == 1 => 1,
            None => return None,
        };
        Some(Place { at, row: usize::from(self.has_gap_before(at)) })
    }

    /// Returns the start of the turn after a message, or the last message if there is no such turn; `None` if it is
    /// not loaded.
    pub(super) fn turn_after(&mut self, seq: u64) -> Option<Place> {
        let found = self.window.iter().find(|message| message.seq > seq && begins(message));
        let at = match found {
            Some(message) => message.seq,
            None if self.window.last() >= self.head && self.head > 0 => self.head,
            None => return None,
        };
        Some(Place { at, row: usize::from(self.has_gap_before(at)) })
    }

    /// Shows the blocks as the agent of the message saw them.
    fn show_seen(&self, cx: &mut Context<'_>) {
        let Some((message, shown)) = self.selected().zip(cx.model.shown_conversation()) else {
            return cx.toast("there is no message here yet");
        };
        let acts = Seen::acts(shown.id.clone(), message.seq);
        cx.acts(acts);
    }

    /// Copies the message, or asks for a file if it is too long for a terminal's clipboard.
    fn copy(&self, cx: &mut Context<'_>) {
        let Some(message) = self.selected() else { return cx.toast("there is no message here yet") };
        let (text, what) = (plain(message.text()).into_owned(), format!("message {}", message.seq));
        if text.len() > COPY_LIMIT {
            let why = format!(
                "Its {} bytes are too many for the terminal's clipboard (at most {COPY_LIMIT}); it can go to a file.",
                text.len()
            );
            return cx.open(SaveText::new(what, text, Some(why)));
        }
        cx.copy(text, what);
    }

    fn save_text(&self, cx: &mut Context<'_>) {
        let Some(message) = self.selected() else { return cx.toast("there is no message here yet") };
        cx.open(SaveText::new(format!("message {}", message.seq), plain(message.text()).into_owned(), None));
    }

    fn copy_code(&self, cx: &mut Context<'_>) {
        let Some(message) = self.selected() else { return cx.toast("there is no message here yet") };
        let mut fences = fences(message.text());
        let under = self.cursor.and_then(|cursor| {
            let line = self.lines.iter().find(|line| line.place == cursor);
            line.and_then(|line| line.row.fence)
        });
        match under.unwrap_or(0) {
            at if at < fences.len() => cx.copy(fences.swap_remove(at), "code"),
            _ => cx.toast("there is no code in this message; y copies all of it"),
        }
    }

    /// Returns the user's message at the cursor, else the user's last loaded message.
    fn own(&self) -> Option<&Message> {
        let selected = self.cursor.and_then(|cursor| self.window.get(cursor.at)).filter(|message| begins(message));
        selected.or_else(|| self.window.iter().rev().find(|message| begins(message)))
    }

    fn take_back(&self, cx: &mut Context<'_>) {
        match self.own() {
            Some(message) => cx.act(AppAction::Draft(message.text().to_owned())),
            None => cx.toast("you have sent no message here yet"),
        }
    }

    /// Asks whether to send the user's message again, which costs a turn.
    fn send_again(&self, cx: &mut Context<'_>) {
        match (self.own().map(|message| message.text().to_owned()), cx.model.place.address.clone()) {
            (Some(text), Some(to)) => {
                let again = vec![
                    AppAction::Follow,
                    AppAction::Ask(cx.owner, Box::new(Request::Send { to, text: text.clone() })),
                ];
                let line = clean_line(&text);
                let shown = truncate(&line, SHOWN_AGAIN, self.glyphs.ellipsis);
                cx.open(Confirm::new(
                    format!("Send your message again? It starts another turn: {shown}"),
                    vec![
                        Choice::new('s', "send it again", again),
                        Choice::new('k', "keep things as they are", Vec::new()),
                    ],
                ));
            }
            _ => cx.toast("you have sent no message here yet"),
        }
    }

    /// Applies a decision to the call that has waited longest in this conversation.
    fn decide(&self, command: Command, cx: &mut Context<'_>) {
        let waiting = self.id.as_ref().map(|id| cx.model.waiting_in(id)).unwrap_or_default();
        match waiting.into_iter().find(|call| call.kind == PendingKind::Approval) {
            Some(call) => cx.acts(decide(command, call, cx.model)),
            None => cx.fault("nothing in this conversation waits for you; 5 goes to the inbox"),
        }
    }

    fn cancel(&self, cx: &mut Context<'_>) {
        let answering =
            self.id.clone().filter(|id| cx.model.running_turn(id).is_some() || cx.model.queued(id).next().is_some());
        match answering {
            Some(conversation) => cx.act(AppAction::CancelReply(conversation)),
            None => cx.toast("nothing is being answered here"),
        }
    }
}

/// Returns true if a message starts a turn: the user sent it.
fn begins(message: &Message) -> bool {
    message.agent.is_none() && matches!(message.content, Content::Text { .. })
}
