//! Form that creates or edits a group, an agent or a block.
//!
//! For a new object it sends all filled-in fields, for an existing one only the changed fields. An error from the
//! engine is shown at the field it concerns, and the input is kept. Leaving with changes asks for confirmation.
//!
//! An agent's persona is a block, which agents edit too: it is saved first, as an edit of the version the form was
//! opened with, so that neither side overwrites the other unnoticed.

mod agent;
mod block;
#[cfg(test)]
mod by_hand;
mod draw;
mod entry;
pub mod group;
pub mod known;
mod names;
pub mod pick;
mod settings;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::Modal;
use super::confirm::{Choice, Confirm};
use super::models::Models;
use crate::domain::{Agent, AgentId, Block, BlockId, Configurable as _, Group, GroupId, ManagerType, Setting};
use crate::engine::protocol::{AgentForm, GroupForm, Recipient, Reply, Request, RequestError};
use crate::tui::command::{Command, KeyContext};
use crate::tui::effect::{AppAction, Context};
use crate::tui::model::Model;
use crate::tui::pane::RenderContext;
use crate::tui::text::clean::clean_line;

use draw::Laid;
use entry::{Entry, Key, Value};
use names::Typed;

/// The form's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    subject: Subject,
    title: String,
    entries: Vec<Entry>,
    /// The focused field.
    at: Key,
    /// Serial of the pending request.
    saving: Option<u64>,
    /// Error text, and the field it concerns, if known.
    fault: Option<(Option<Key>, String)>,
    /// The agent's persona block, and the version the form was opened with.
    persona: Option<(BlockId, u64)>,
    /// The group as the form was opened with it.
    read_group: Option<Box<Group>>,
    /// The agent as the form was opened with it.
    read_agent: Option<Box<Agent>>,
    /// The request whose effects were listed; the same one again is performed.
    listed: Option<Box<Request>>,
    /// True once the persona has been saved, before the other fields.
    begun: bool,
    laid: Laid,
}

/// The object that is created or edited.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    NewGroup,
    Group(GroupId, ManagerType),
    NewAgent(GroupId),
    Agent(AgentId),
    NewBlock(Recipient),
    Block(BlockId),
}

impl Form {
    fn over(subject: Subject, title: String, entries: Vec<Entry>, at: Key) -> Self {
        let laid = Laid::default();
        let (read_group, read_agent) = (None, None);
        let (saving, fault, persona, listed) = (None, None, None, None);
        Self { subject, title, entries, at, saving, fault, persona, read_group, read_agent, listed, begun: false, laid }
    }

    /// Creates a form for a new group.
    #[must_use]
    pub fn new_group(model: &Model) -> Self {
        Self::over(Subject::NewGroup, "New group".to_owned(), group::entries(None, model), Key::ManagerType)
    }

    /// Creates a form for an existing group; `None` if there is no such group.
    #[must_use]
    pub fn group(model: &Model, id: &GroupId) -> Option<Self> {
        let group = model.group(id)?;
        let subject = Subject::Group(group.id.clone(), group.manager_type);
        let title = format!("Group {}", clean_line(&group.name));
        let read_group = Some(Box::new(group.clone()));
        Some(Self { read_group, ..Self::over(subject, title, group::entries(Some(group), model), Key::Name) })
    }

    /// Creates a form for an existing group with the focus on this setting; `None` if there is no such group.
    #[must_use]
    pub fn group_at(model: &Model, id: &GroupId, setting: &'static str) -> Option<Self> {
        let form = Self::group(model, id)?;
        let at = Key::Setting(setting);
        Some(if form.entries.iter().any(|entry| entry.key == at) { Self { at, ..form } } else { form })
    }

    /// Creates a form for a new agent in a group, with an initial name; `None` if there is no such group.
    #[must_use]
    pub fn new_agent(model: &Model, group: &GroupId, name: &str) -> Option<Self> {
        let home = model.group(group)?;
        let title = format!("New agent in {}", clean_line(&home.name));
        let entries = agent::entries(None, group, name, model);
        Some(Self::over(Subject::NewAgent(group.clone()), title, entries, Key::Name))
    }

    /// Creates a form for an existing agent; `None` if there is no such agent.
    #[must_use]
    pub fn agent(model: &Model, id: &AgentId) -> Option<Self> {
        let agent = model.agent(id)?;
        let title = format!("Agent {}", clean_line(&known::name_in(None, agent, model)));
        let entries = agent::entries(Some(agent), &agent.group, "", model);
        let persona = agent::persona(agent, model).map(|block| (block.id.clone(), block.version));
        let read_agent = Some(Box::new(agent.clone()));
        Some(Self { persona, read_agent, ..Self::over(Subject::Agent(id.clone()), title, entries, Key::Name) })
    }

    /// Creates a form for a new block of a group or an agent; `None` if there is no such group or agent.
    #[must_use]
    pub fn new_block(model: &Model, owner: Recipient) -> Option<Self> {
        let name = match &owner {
            Recipient::Group(id) => model.group(id)?.name.clone(),
            Recipient::Agent(id) => known::name_in(None, model.agent(id)?, model),
        };
        let title = format!("New block of {}", clean_line(&name));
        Some(Self::over(Subject::NewBlock(owner), title, block::entries(None), Key::Block("label")))
    }

    /// Creates a form for an existing block; `None` if there is no such block.
    #[must_use]
    pub fn block(model: &Model, id: &BlockId) -> Option<Self> {
        let of = model.block(id)?;
        let title = format!("Block {}", clean_line(&of.label));
        Some(Self::over(Subject::Block(id.clone()), title, block::entries(Some(of)), Key::Block("label")))
    }

    /// Whether the form has unsaved changes.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        // Selecting another manager type alone is no change worth confirming.
        self.entries.iter().any(|entry| entry.key != Key::ManagerType && entry.is_changed())
    }

    /// Returns the manager type whose fields are shown; `None` for an agent.
    fn kind(&self) -> Option<ManagerType> {
        match &self.subject {
            Subject::Group(_, kind) => Some(*kind),
            Subject::NewGroup => match self.entries.first().map(|entry| &entry.value) {
                Some(Value::Choice { at, .. }) => ManagerType::ALL.get(*at).copied(),
                _ => None,
            },
            Subject::NewAgent(_) | Subject::Agent(_) | Subject::NewBlock(_) | Subject::Block(_) => None,
        }
    }

    /// Returns the visible fields, with their index among all fields.
    fn shown(&self) -> impl Iterator<Item = (usize, &Entry)> + Clone {
        let kind = self.kind();
        let shown = move |entry: &Entry| kind.is_none_or(|kind| group::shown(kind, entry.key));
        self.entries.iter().enumerate().filter(move |(_, entry)| shown(entry))
    }

    fn entry(&self, key: Key) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn entry_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Moves the focus to the next or previous field, wrapping around. With arrow keys, enters a list at its near end.
    fn go(&mut self, down: bool, arrow: bool) {
        let keys: Vec<Key> = self.shown().map(|(_, entry)| entry.key).collect();
        let here = keys.iter().position(|key| *key == self.at).unwrap_or(0);
        let step = if down { 1 } else { keys.len() - 1 };
        self.focus(keys[(here + step) % keys.len()], arrow.then_some(!down));
    }

    fn focus(&mut self, key: Key, from_below: Option<bool>) {
        self.at = key;
        if let Some(Value::Names(names)) = self.entry_mut(key).map(|entry| &mut entry.value) {
            names.enter(from_below);
        }
    }

    /// Returns the focused list of names, if the focused field is one.
    fn names_mut(&mut self) -> Option<&mut names::Names> {
        match self.entry_mut(self.at).map(|entry| &mut entry.value) {
            Some(Value::Names(names)) => Some(names),
            _ => None,
        }
    }

    fn changed(&mut self, by: bool) {
        if by {
            self.fault = None;
        }
    }

    /// Returns the next request; `None` if nothing was changed. An error names the field and the problem.
    fn request(&self) -> Result<Option<Request>, (Key, String)> {
        let shown = self.shown().map(|(_, entry)| entry);
        match (&self.subject, self.kind()) {
            (Subject::Group(id, kind), _) => {
                let form = group::form(false, *kind, shown)?;
                let is_changed = form != GroupForm::default();
                let form = Box::new(GroupForm { read: self.read_group.clone(), ..form });
                Ok(is_changed.then(|| Request::UpdateGroup { id: id.clone(), form }))
            }
            (Subject::NewAgent(group), _) => {
                let form = agent::form(&self.entries, false)?;
                Ok(Some(Request::CreateAgent { group: group.clone(), form: Box::new(form) }))
            }
            (Subject::Agent(id), _) => {
                let form = agent::form(&self.entries, self.persona.is_some())?;
                let persona = self.entry(Key::Persona).filter(|entry| entry.is_changed());
                if let (Some(persona), Some((block, base))) = (persona, &self.persona) {
                    let value = persona.text();
                    return Ok(Some(Request::EditBlock { id: block.clone(), base: *base, value, merge: true }));
                }
                let is_changed = form != AgentForm::default();
                let form = Box::new(AgentForm { read: self.read_agent.clone(), ..form });
                Ok(is_changed.then(|| Request::UpdateAgent { id: id.clone(), form }))
            }
            (Subject::NewBlock(owner), _) => block::create(owner, block::form(shown)?).map(Some),
            (Subject::Block(id), _) => Ok(block::change(id, block::form(shown)?)),
            (Subject::NewGroup, kind) => {
                let form = group::form(true, kind.unwrap_or(ManagerType::RoundRobin), shown)?;
                Ok(Some(Request::CreateGroup { form: Box::new(form) }))
            }
        }
    }

    fn save(&mut self, cx: &mut Context<'_>) {
        if self.saving.is_some() {
            return;
        }
        self.fault = None;
        match self.request() {
            Ok(Some(request @ Request::Block(_))) => {
                let listed = self.listed.as_deref() == Some(&request);
                self.listed = Some(Box::new(request.clone()));
                self.saving = Some(cx.ask(if listed { block::really(request) } else { request }));
            }
            Ok(Some(request)) => self.saving = Some(cx.ask(request)),
            Ok(None) if self.begun => {
                cx.toast(format!("{} is changed", self.title));
                cx.act(AppAction::Close);
            }
            Ok(None) => {
                cx.toast("nothing was changed");
                cx.act(AppAction::Close);
            }
            Err((key, text)) => self.tell(Some(key), text),
        }
    }

    /// Shows an error, at its field if known.
    fn tell(&mut self, key: Option<Key>, text: String) {
        if let Some(key) = key {
            self.focus(key, None);
        }
        self.fault = Some((key, text));
    }

    /// Finds the field an error text refers to: by the field's name, by a name in its list, or by the object's name.
    fn field_of(&self, text: &str) -> Option<Key> {
        let text = text.to_lowercase();
        let said = |word: &str| word.chars().count() > 1 && text.contains(&word.to_lowercase());
        let by_word =
            self.shown().flat_map(|(_, entry)| self.words(entry.key).into_iter().map(move |word| (entry.key, word)));
        let by_word = by_word.filter(|(_, word)| said(word)).max_by_key(|(_, word)| word.len());
        let listed = || {
            let lists = self.shown().filter_map(|(_, entry)| Some((entry.key, entry.names()?.names())));
            lists.into_iter().find(|(_, names)| names.iter().any(|name| said(name))).map(|(key, _)| key)
        };
        let name = || {
            let entry = self.entry(Key::Name)?;
            (said("name") || said(&entry.text())).then_some(Key::Name)
        };
        by_word.map(|(key, _)| key).or_else(listed).or_else(name)
    }

    /// Returns the words by which error texts refer to a field.
    fn words(&self, key: Key) -> Vec<String> {
        let group = matches!(self.subject, Subject::NewGroup | Subject::Group(..));
        match key {
            Key::ManagerType => vec!["manager_type".to_owned(), "manager type".to_owned()],
            Key::Name => Vec::new(),
            Key::Persona => vec!["persona".to_owned()],
            Key::Block(key) => vec![key.to_owned()],
            Key::Setting(key) if group => Group::setting(key).map(Setting::named_by).unwrap_or_default(),
            Key::Setting(key) => Agent::setting(key).map(Setting::named_by).unwrap_or_default(),
        }
    }

    /// Takes over the saved persona, possibly merged with an agent's edit.
    fn persona_saved(&mut self, block: &Block) {
        self.persona = Some((block.id.clone(), block.version));
        self.begun = true;
        if let Some(entry) = self.entry_mut(Key::Persona) {
            if let Value::Text(field) = &mut entry.value
                && field.text() != block.value
            {
                field.set(&block.value);
            }
            entry.first = entry.value.clone();
        }
    }

    fn leave(&self, cx: &mut Context<'_>) {
        if !self.is_changed() {
            return cx.act(AppAction::Close);
        }
        let choices = vec![
            Choice::new('g', "go on editing", Vec::new()),
            Choice::new('s', "save", vec![AppAction::Do(Command::Save)]),
            Choice::new('l', "leave; the changes are lost", vec![AppAction::Close]),
        ];
        let question = format!("Leave \"{}\" without saving?", self.title);
        cx.open(Confirm::new(question, choices));
    }
}

impl Modal for Form {
    fn context(&self) -> KeyContext {
        KeyContext::FORM
    }

    fn unsaved_note(&self) -> Option<&'static str> {
        self.is_changed().then_some("The open form is not saved.")
    }

    fn key(&mut self, key: KeyEvent, _cx: &mut Context<'_>) -> bool {
        if matches!(Command::of(&key, KeyContext::FORM), Some(Command::Interrupt | Command::Suspend)) {
            return false;
        }
        if self.saving.is_some() {
            return true;
        }
        let at = self.at;
        let typed = self.entry_mut(at).map_or(Typed::No, |entry| entry.key(key));
        self.changed(typed == Typed::Changed);
        typed != Typed::No
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        if self.saving.is_none() {
            let at = self.at;
            if let Some(entry) = self.entry_mut(at) {
                entry.paste(text);
            }
            self.changed(true);
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        match command {
            Command::Save => self.save(cx),
            Command::LeaveEditor => self.leave(cx),
            Command::NextField => self.go(true, false),
            Command::PreviousField => self.go(false, false),
            Command::Up | Command::Down => {
                let down = command == Command::Down;
                if !self.names_mut().is_some_and(|names| names.step(down)) {
                    self.go(down, true);
                }
            }
            Command::RemoveName => {
                let removed = self.names_mut().is_some_and(names::Names::remove);
                self.changed(removed);
            }
            Command::MoveUp | Command::MoveDown => {
                let moved = self.names_mut().is_some_and(|names| names.shift(command == Command::MoveDown));
                self.changed(moved);
            }
            Command::Editor => {
                if let Some(Value::Text(field)) = self.entry(self.at).map(|entry| &entry.value) {
                    cx.editor(field.text());
                }
            }
            Command::Models => cx.open(Models::new(cx.model)),
            other => {
                let at = self.at;
                let changed = self.entry_mut(at).and_then(|entry| entry.command(other));
                self.changed(changed == Some(true));
            }
        }
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        if self.saving != Some(serial) {
            return;
        }
        self.saving = None;
        match reply {
            Err(fault) => {
                self.listed = None;
                let persona = fault.conflict.is_some() && self.persona.is_some();
                let key = if persona { Some(Key::Persona) } else { self.field_of(&fault.text) };
                self.tell(key, fault.text);
            }
            Ok(Reply::Block(block)) => {
                self.persona_saved(&block);
                self.save(cx);
            }
            Ok(Reply::BlockChanged { lines, done: false, .. }) => {
                let what =
                    if matches!(self.subject, Subject::NewBlock(_)) { "Create this block?" } else { "Save this?" };
                cx.open(Confirm::listing(what, &lines, "save", vec![AppAction::Do(Command::Save)]));
            }
            Ok(Reply::BlockChanged { block, .. }) => {
                let new = matches!(self.subject, Subject::NewBlock(_));
                let label = block.map(|block| clean_line(&block.label).into_owned()).unwrap_or_default();
                cx.act(AppAction::Close);
                cx.toast(format!("{label} is {}", if new { "created" } else { "changed" }));
            }
            Ok(Reply::Group(group)) => {
                let new = self.subject == Subject::NewGroup;
                let name = clean_line(&group.name).into_owned();
                cx.act(AppAction::Close);
                if new {
                    cx.act(AppAction::Show(Recipient::Group(group.id.clone())));
                }
                cx.toast(format!("{name} is {}", if new { "created" } else { "changed" }));
            }
            Ok(Reply::Agent(agent)) => {
                let new = matches!(self.subject, Subject::NewAgent(_));
                cx.act(AppAction::Close);
                cx.toast(format!("{} is {}", clean_line(&agent.name), if new { "created" } else { "changed" }));
            }
            Ok(_) => cx.act(AppAction::Close),
        }
    }

    fn edited(&mut self, text: String, _cx: &mut Context<'_>) {
        let at = self.at;
        if let Some(Value::Text(field)) = self.entry_mut(at).map(|entry| &mut entry.value) {
            // Editors end every file with a line break.
            let added = !field.text().ends_with('\n');
            field.set(if added { text.strip_suffix('\n').unwrap_or(&text) } else { &text });
            self.fault = None;
        }
    }

    fn prepare(&mut self, screen: Rect, look: &RenderContext, _cx: &mut Context<'_>) {
        self.lay_out(screen, look);
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, _model: &Model) {
        self.paint(frame, screen, look);
    }
}
