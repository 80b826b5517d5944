//! Where the engine runs, and what becomes of the work when the workbench ends.

use super::App;
use crate::domain::status::is_active;
use crate::engine::connection::{Connection, EngineAt, Program};
use crate::tui::dialog::confirm::{Choice, Confirm};
use crate::tui::effect::{AppAction, Effect, ExitMode, Toast};
use crate::tui::pane::PaneId;

fn quit(leave: ExitMode) -> Vec<AppAction> {
    vec![AppAction::Effect(Effect::Quit(leave))]
}

impl App {
    /// Takes note of where the engine runs now, and says so.
    pub(super) fn connected(&mut self, connection: Connection) {
        let before = std::mem::replace(&mut self.connection, connection);
        if before.engine == self.connection.engine && before.replaced == self.connection.replaced {
            return;
        }
        let mut text = match &self.connection.engine {
            // The status line says it for as long as it lasts, instead of what was said before.
            EngineAt::Lost { .. } => return self.toast = None,
            EngineAt::Here => "the program that ran the engine has ended; it runs here now".to_owned(),
            EngineAt::Elsewhere { pid, program } => format!("{} runs the engine now", program.of(*pid)),
        };
        if before.replaced != self.connection.replaced {
            text.push_str("; the store was replaced");
        }
        self.mailbox.push(AppAction::Toast(Toast::plain(text)));
    }

    /// The process of the worker that runs the engine, if one does.
    #[must_use]
    pub fn worker(&self) -> Option<u32> {
        match self.connection.engine {
            EngineAt::Elsewhere { pid, program: Program::Worker } => Some(pid),
            _ => None,
        }
    }

    /// Asks whether to stop the worker that runs the engine.
    pub(super) fn ask_to_stop_worker(&mut self) {
        let Some(pid) = self.worker() else {
            let text = match self.connection.engine {
                EngineAt::Here => "no worker runs the engine: it runs in this workbench".to_owned(),
                EngineAt::Elsewhere { pid, program } => format!("no worker runs the engine: {} does", program.of(pid)),
                EngineAt::Lost { .. } => "no worker runs the engine: no program does".to_owned(),
            };
            return self.mailbox.push(AppAction::Toast(Toast::error(text)));
        };
        let question = format!("Stop {}? What it works on goes on here.", Program::Worker.of(pid));
        let stop = Choice::new('y', "stop it", vec![AppAction::Effect(Effect::StopWorker)]);
        let choices = vec![stop, Choice::new('n', "leave it running", Vec::new())];
        self.dialogs.push(Box::new(Confirm::new(question, choices)));
    }

    /// Asks whether to quit. Quits if that question is already open.
    pub(super) fn ask_to_quit(&mut self) {
        if self.dialogs.iter().any(|dialog| dialog.asks_to_quit()) {
            self.mailbox.push(AppAction::Effect(Effect::Quit(ExitMode::Stop)));
            return;
        }
        let at_work = self.model.jobs_running() + self.model.jobs_waiting() + self.model.live.len();
        let due = at_work + self.model.runs.len();
        let work = match due {
            0 if self.is_scheduled() => " A trigger is due later.",
            0 => "",
            _ if at_work == 0 && self.model.needs_you(None) > 0 => " Unfinished work waits for your approval.",
            _ => " There is unfinished work.",
        };
        let (goes_on, choices) = match self.connection.engine {
            EngineAt::Elsewhere { pid, program } => {
                let mut choices = vec![Choice::new('q', "quit", quit(ExitMode::Stop))];
                if program == Program::Worker {
                    let stop = "quit and stop the worker; unfinished work waits for the next start";
                    choices.push(Choice::new('x', stop, quit(ExitMode::StopWorker)));
                }
                let name = program.of(pid);
                (if work.is_empty() { String::new() } else { format!(" It goes on: {name} runs the engine.") }, choices)
            }
            EngineAt::Here | EngineAt::Lost { .. } => {
                let plain = if due > 0 { "quit; unfinished work waits for the next start" } else { "quit" };
                let mut choices = vec![Choice::new('q', plain, quit(ExitMode::Stop))];
                if !work.is_empty() {
                    choices.push(Choice::new(
                        'w',
                        "quit, and keep working without a screen",
                        quit(ExitMode::KeepWorking),
                    ));
                }
                (String::new(), choices)
            }
        };
        let panes = PaneId::ALL.into_iter().filter_map(|id| self.panes.get(id).unsaved_note(&self.model));
        let dialogs = self.dialogs.iter().filter_map(|dialog| dialog.unsaved_note()).map(ToOwned::to_owned);
        let first = format!("Quit?{work}{goes_on}");
        let question: Vec<String> = std::iter::once(first).chain(panes).chain(dialogs).collect();
        let stay = Choice::new('s', "stay", Vec::new());
        let choices = choices.into_iter().chain([stay]).collect();
        self.dialogs.push(Box::new(Confirm::new(question.join(" "), choices)));
    }

    /// True if a trigger of an active group waits for a time or for new text in files.
    fn is_scheduled(&self) -> bool {
        let waits = |trigger: &&crate::domain::Trigger| {
            trigger.next_due.is_some() || trigger.spec.source().is_some() && !trigger.paused
        };
        self.model.triggers.iter().filter(waits).any(|trigger| is_active(self.model.group(&trigger.group)))
    }
}
