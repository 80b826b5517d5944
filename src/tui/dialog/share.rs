//! Dialog that shares a block with a group or an agent, or detaches it: chooses whom, lists what happens, and asks.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::Modal;
use super::confirm::Confirm;
use super::form::known::name_in;
use super::form::pick::{Candidate, Picked, Picker};
use crate::domain::BlockId;
use crate::engine::protocol::{BlockChange, BlockRequest, Recipient, Reply, Request, RequestError};
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::model::Model;
use crate::tui::pane::{PaneId, RenderContext};
use crate::tui::text::clean::clean_line;

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    block: BlockId,
    label: String,
    /// False detaches.
    attach: bool,
    picker: Picker,
    /// Whom the names of the picker mean.
    whom: Vec<(String, Recipient)>,
    /// Serial of the pending request, and whom it is about.
    asked: Option<(u64, Recipient)>,
    fault: Option<String>,
}

impl Share {
    /// Creates the dialog for a block.
    ///
    /// # Errors
    /// Returns an error text if there is nobody to share it with, or to take it from.
    pub fn new(model: &Model, id: &BlockId, attach: bool) -> Result<Self, String> {
        let block = model.block(id).ok_or("this block no longer exists")?;
        let label = clean_line(&block.label).into_owned();
        let groups = model.groups.iter().filter(|group| group.shared_blocks.contains(id) != attach).map(|group| {
            let agents = group.agents().len();
            let about = format!("a group of {agents} {}", if agents == 1 { "agent" } else { "agents" });
            (group.name.clone(), about, Recipient::Group(group.id.clone()))
        });
        let agents = model.agents.iter().filter(|agent| agent.blocks.contains(id) != attach).map(|agent| {
            let about = format!("an agent, for itself  {}", clean_line(&agent.description));
            (name_in(None, agent, model), about.trim_end().to_owned(), Recipient::Agent(agent.id.clone()))
        });
        let (mut whom, mut candidates) = (Vec::new(), Vec::new());
        for (name, about, recipient) in groups.chain(agents) {
            candidates.push(Candidate { name: name.clone(), about });
            whom.push((name, recipient));
        }
        if whom.is_empty() {
            return Err(if attach {
                format!("all groups and agents have {label} already")
            } else {
                format!("no group and no agent has {label} of its own")
            });
        }
        let title = if attach { format!("Share {label} with") } else { format!("Detach {label} from") };
        let picker = Picker::new(title, None, candidates).missing("No group and no agent has this name.");
        Ok(Self { block: id.clone(), label, attach, picker, whom, asked: None, fault: None })
    }

    fn request(&self, to: &Recipient, really: bool) -> Request {
        let to = to.clone();
        let change = if self.attach { BlockChange::Attach { to } } else { BlockChange::Detach { from: to } };
        Request::Block(Box::new(BlockRequest::Change { id: self.block.clone(), change, really }))
    }
}

impl Modal for Share {
    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> bool {
        if matches!(Command::of(&key, self.context()), Some(Command::Interrupt | Command::Suspend)) {
            return false;
        }
        if self.asked.is_some() {
            return true;
        }
        match self.picker.key(key) {
            Picked::Still => {}
            Picked::Left => cx.act(AppAction::Close),
            Picked::Name(name) => {
                self.fault = None;
                let whom = self.whom.iter().find(|(known, _)| *known == name).map(|(_, whom)| whom.clone());
                self.asked = whom.map(|whom| (cx.ask(self.request(&whom, false)), whom));
            }
        }
        true
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        self.picker.paste(text);
    }

    fn command(&mut self, _command: Command, _cx: &mut Context<'_>) {}

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        let Some((_, whom)) = self.asked.take_if(|(asked, _)| *asked == serial) else { return };
        match reply {
            Ok(Reply::BlockChanged { lines, .. }) => {
                let really = AppAction::Ask(Requester::Pane(PaneId::Blocks), Box::new(self.request(&whom, true)));
                let (verb, yes) = if self.attach { ("Share", "share it") } else { ("Detach", "detach it") };
                cx.act(AppAction::Close);
                cx.open(Confirm::listing(&format!("{verb} {}?", self.label), &lines, yes, vec![really]));
            }
            Ok(_) => cx.act(AppAction::Close),
            Err(fault) => self.fault = Some(fault.text),
        }
    }

    fn is_over(&self, model: &Model) -> bool {
        model.block(&self.block).is_none()
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        self.picker.draw(frame, screen, look, self.fault.as_deref());
    }
}
