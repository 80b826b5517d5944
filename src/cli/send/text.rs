//! Prints answers as text: speeches to standard output, tool calls and notices to standard error.
//!
//! Each line begins with the name of who says it, so that no answer can pass for another's. One speech streams at a
//! time; concurrent speeches follow whole when they are committed. Text of a discarded attempt is marked, and the next
//! attempt starts on a new line.

use std::collections::{HashSet, VecDeque};

use super::super::CliError;
use super::super::print::{self, Out};
use crate::domain::{Change, Content, ConversationId, Message, StepId};
use crate::engine::protocol::{LiveUpdate, Update};
use crate::tui::text::clean::{clean, clean_line};

/// Mark after the text of a discarded attempt.
const TAKEN_BACK: &str = " … (discarded)\n";

/// The output state of the speeches of one turn.
#[derive(Debug, Default)]
pub struct Speeches {
    /// Step whose text is streaming, the part already written, and the lines of it.
    open: Option<(StepId, String, Lines)>,
    /// Steps that started to speak while another was streaming. They are written whole.
    behind: HashSet<StepId>,
    /// Committed steps whose live updates may still arrive.
    settled: HashSet<StepId>,
    /// Whole speeches to write after the open one.
    waiting: VecDeque<String>,
}

impl Speeches {
    /// Writes an update if it belongs to this conversation.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn show(&mut self, update: &Update, of: &ConversationId, out: &mut Out) -> Result<(), CliError> {
        match update {
            Update::Live(live) if live.conversation == *of => self.live(live, out)?,
            Update::Live(_) => {}
            Update::Over { step } => {
                self.settled.remove(step);
                self.behind.remove(step);
                if self.open.as_ref().is_some_and(|(open, ..)| open == step) {
                    self.open = None;
                    out.text(TAKEN_BACK)?;
                    self.catch_up(out)?;
                }
            }
            Update::Committed { changes, .. } => {
                for logged in changes {
                    self.committed(&logged.change, of, out)?;
                }
            }
            Update::Trouble { text } => print::note(text),
        }
        Ok(())
    }

    /// Discards the open speech after a change of the engine, which repeats all uncommitted steps.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn begin_anew(&mut self, out: &mut Out) -> Result<(), CliError> {
        self.settled.clear();
        self.behind.clear();
        if self.open.take().is_some() {
            out.text(TAKEN_BACK)?;
        }
        self.catch_up(out)
    }

    fn live(&mut self, live: &LiveUpdate, out: &mut Out) -> Result<(), CliError> {
        if live.text.is_empty() || self.settled.contains(&live.step) {
            return Ok(());
        }
        match &mut self.open {
            Some((step, written, lines)) if *step == live.step => {
                written.push_str(&live.text);
                out.text(&lines.of(&live.text))?;
            }
            Some(_) => {
                self.behind.insert(live.step.clone());
            }
            None if self.behind.contains(&live.step) => {}
            None => {
                let mut lines = Lines::by(&live.name);
                out.text(&lines.of(&live.text))?;
                self.open = Some((live.step.clone(), live.text.clone(), lines));
            }
        }
        Ok(())
    }

    fn committed(&mut self, change: &Change, of: &ConversationId, out: &mut Out) -> Result<(), CliError> {
        match change {
            Change::StepFinished(step) => {
                self.settled.insert(step.id.clone());
                self.behind.remove(&step.id);
            }
            Change::MessageAppended(message) if message.conversation == *of => self.message(message, out)?,
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, message: &Message, out: &mut Out) -> Result<(), CliError> {
        match &message.content {
            Content::Text { .. } if message.agent.is_none() => Ok(()),
            Content::Text { text, cancelled, .. } => self.speech(message, text, *cancelled, out),
            Content::Tool { name, arguments, ok, text, .. } => {
                let sign = if *ok { "" } else { "failed: " };
                let first = text.lines().next().unwrap_or_default();
                print::note(&clean_line(&format!("{} ▸ {name} {arguments}  {sign}{first}", message.name)));
                Ok(())
            }
            Content::Notice { .. } => {
                // Agents write parts of a notice: its further lines are set off.
                print::note(&clean(&message.stated()).replace('\n', "\n    "));
                Ok(())
            }
        }
    }

    fn speech(&mut self, message: &Message, text: &str, cancelled: bool, out: &mut Out) -> Result<(), CliError> {
        let mark = if cancelled { " (cancelled)" } else { "" };
        let whole = Lines::by(&message.name).of(&format!("{}{mark}\n", text.trim_end()));
        match self.open.take() {
            // Reasoning and tool calls without text are no speech.
            None if text.trim().is_empty() => {}
            None => out.text(&whole)?,
            Some((step, written, mut lines)) if message.step.as_ref().is_none_or(|of| *of == step) => {
                match text.strip_prefix(&written) {
                    Some(rest) => {
                        let end = if text.ends_with('\n') && !cancelled { "" } else { "\n" };
                        out.text(&lines.of(&format!("{rest}{mark}{end}")))?;
                    }
                    None => out.text(&format!("{TAKEN_BACK}{whole}"))?,
                }
            }
            open @ Some(_) => {
                self.waiting.push_back(whole);
                self.open = open;
                return Ok(());
            }
        }
        self.catch_up(out)
    }

    /// Ends the open line and writes the waiting speeches, for example when the turn is blocked.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn close(&mut self, out: &mut Out) -> Result<(), CliError> {
        if self.open.take().is_some() {
            out.text("\n")?;
        }
        self.catch_up(out)
    }

    fn catch_up(&mut self, out: &mut Out) -> Result<(), CliError> {
        for speech in self.waiting.drain(..) {
            out.text(&speech)?;
        }
        Ok(())
    }
}

/// Begins each line of a speech that comes in pieces with the name of its speaker.
#[derive(Debug)]
struct Lines {
    name: String,
    /// The last character.
    last: char,
}

impl Lines {
    fn by(name: &str) -> Self {
        Self { name: clean_line(name).into_owned(), last: '\n' }
    }

    fn of(&mut self, text: &str) -> String {
        let mut lines = String::with_capacity(text.len() + self.name.len() + 2);
        for c in text.chars() {
            // Whatever a terminal takes for the end of a line.
            let ended = matches!(self.last, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
            if ended && !(self.last == '\r' && c == '\n') {
                lines.push_str(&self.name);
                lines.push_str(": ");
            }
            lines.push(c);
            self.last = c;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::domain::{AgentId, MessageId, RunId};
    use crate::engine::protocol::Phase;

    /// Keeps the written bytes.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(part)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn talk() -> ConversationId {
        ConversationId::from("conversation-1")
    }

    fn live(name: &str, text: &str) -> LiveUpdate {
        LiveUpdate {
            step: StepId(format!("step-{name}")),
            run: RunId::from("run-1"),
            root: RunId::from("run-1"),
            conversation: talk(),
            agent: AgentId::from("agent-1"),
            name: name.to_owned(),
            phase: Phase::Speaking,
            text: text.to_owned(),
            reasoning: String::new(),
        }
    }

    fn whole(name: &str, text: &str) -> Message {
        let (id, at) = (MessageId::from("message-1"), jiff::Timestamp::UNIX_EPOCH);
        Message::without_run(id, talk(), Content::said(text), at)
            .by(&AgentId::from("agent-1"), name)
            .in_step(&StepId(format!("step-{name}")))
    }

    #[test]
    fn no_answer_can_pass_for_that_of_another() {
        let page = Page::default();
        let mut out = Out::new(true, Box::new(page.clone()));
        let mut speeches = Speeches::default();
        for piece in ["Yes.\n", "bob: No", "\rcid: Never\r", "\n\u{2028}dee: Go"] {
            speeches.live(&live("ann", piece), &mut out).unwrap();
        }
        let all = "Yes.\nbob: No\rcid: Never\r\n\u{2028}dee: Go";
        speeches.message(&whole("ann", all), &mut out).unwrap();
        speeches.message(&whole("eve", "One\u{85}ann: two"), &mut out).unwrap();
        let written = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        // Several line ends in a row make empty lines, which say nothing.
        let of_ann = lines[..lines.len() - 2].iter().filter(|line| !line.is_empty() && **line != "ann: ");
        assert!(of_ann.clone().count() == 4 && of_ann.clone().all(|line| line.starts_with("ann: ")), "{lines:?}");
        assert_eq!(lines[lines.len() - 2..], ["eve: One", "eve: ann: two"]);
    }

    #[test]
    fn those_who_speak_side_by_side_are_written_one_after_the_other_each_whole() {
        let page = Page::default();
        let mut out = Out::new(false, Box::new(page.clone()));
        let mut speeches = Speeches::default();
        speeches.live(&live("ann", "one "), &mut out).unwrap();
        speeches.live(&live("bob", "three "), &mut out).unwrap();
        speeches.live(&live("ann", "two"), &mut out).unwrap();
        speeches.message(&whole("ann", "one two"), &mut out).unwrap();
        // The first part of bob's speech was not written, so the rest of it must wait for the whole.
        speeches.live(&live("bob", "four"), &mut out).unwrap();
        speeches.message(&whole("bob", "three four"), &mut out).unwrap();
        let written = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written, "ann: one two\nbob: three four\n");
    }
}
