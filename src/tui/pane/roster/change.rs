//! The roster commands that create, change and delete groups and agents.

use super::Roster;
use super::rows::Key;
use crate::domain::{AgentId, GroupId};
use crate::engine::protocol::{GroupForm, Recipient, Reply, Request};
use crate::tui::command::Command;
use crate::tui::dialog::add_member::AddMember;
use crate::tui::dialog::confirm::{Choice, Confirm};
use crate::tui::dialog::form::Form;
use crate::tui::dialog::form::known::name_in;
use crate::tui::effect::{AppAction, Context, Requester};
use crate::tui::model::Model;
use crate::tui::pane::PaneId;
use crate::tui::text::clean::clean_line;

impl Roster {
    /// Executes a command that creates, changes or deletes; false if `command` is none.
    pub(super) fn change(&mut self, command: Command, cx: &mut Context<'_>) -> bool {
        let selected = self.list.selected().cloned();
        match (command, selected) {
            (Command::NewGroup, _) => open(Form::new_group(cx.model), cx),
            (Command::NewAgent, Some(Key::Group(group) | Key::Agent(group, _))) => {
                open(Form::new_agent(cx.model, &group, ""), cx);
            }
            (Command::EditSelected, Some(Key::Group(group))) => open(Form::group(cx.model, &group), cx),
            (Command::EditSelected, Some(Key::Agent(_, agent))) => open(Form::agent(cx.model, &agent), cx),
            (Command::AddMember, Some(Key::Group(group) | Key::Agent(group, _))) => {
                match AddMember::new(cx.model, &group) {
                    Ok(dialog) => cx.open(dialog),
                    Err(text) => cx.fault(text),
                }
            }
            (Command::RemoveMember, Some(Key::Agent(group, agent))) => remove(&group, &agent, cx),
            (Command::RemoveMember, Some(Key::Group(_))) => {
                cx.fault("select the agent to remove first");
            }
            (Command::Undo, _) => drop(cx.ask(Request::UndoRoster { really: false })),
            (Command::Delete, Some(key)) => self.look_at_deletion(key, cx),
            (
                Command::NewAgent
                | Command::EditSelected
                | Command::AddMember
                | Command::RemoveMember
                | Command::Delete,
                None,
            ) => cx.fault("there is no group yet: N creates one"),
            _ => return false,
        }
        true
    }

    /// Requests the effects of a deletion; the reply opens the confirmation.
    fn look_at_deletion(&mut self, key: Key, cx: &mut Context<'_>) {
        let (what, name) = match key {
            Key::Group(id) => {
                let name = cx.model.group(&id).map(|group| group.name.clone());
                (Recipient::Group(id), name)
            }
            Key::Agent(_, id) => {
                let name = cx.model.agent(&id).map(|agent| name_in(None, agent, cx.model));
                (Recipient::Agent(id), name)
            }
        };
        let serial = cx.ask(Request::Delete { what: what.clone(), really: false });
        self.looked = Some((serial, what, clean_line(&name.unwrap_or_default()).into_owned()));
    }

    /// Handles a reply to a request of this file.
    pub(super) fn change_answered(&mut self, serial: u64, reply: &Reply, cx: &mut Context<'_>) {
        match reply {
            Reply::Deletion { lines, done: false } => {
                let Some((_, what, name)) = self.looked.take_if(|(asked, ..)| *asked == serial) else { return };
                let lines: Vec<String> = lines.iter().map(|line| clean_line(line).into_owned()).collect();
                let question = format!("Delete {name}?\n{}", lines.join("\n"));
                let request = Request::Delete { what, really: true };
                let really = vec![AppAction::Ask(Requester::Pane(PaneId::Roster), Box::new(request))];
                let choices = vec![Choice::new('k', "keep it", Vec::new()), Choice::new('d', "delete it", really)];
                cx.open(Confirm::new(question.trim_end(), choices));
            }
            Reply::Deletion { done: true, .. } => cx.toast("deleted; u takes it back"),
            Reply::RosterUndo { title, lines, done: false, .. } => {
                let lines: Vec<String> = lines.iter().map(|line| clean_line(line).into_owned()).collect();
                let question = format!("Take back that you {}?\n{}", clean_line(title), lines.join("\n"));
                let request = Request::UndoRoster { really: true };
                let really = vec![AppAction::Ask(Requester::Pane(PaneId::Roster), Box::new(request))];
                let choices = vec![Choice::new('y', "take it back", really), Choice::new('n', "leave it", Vec::new())];
                cx.open(Confirm::new(question.trim_end(), choices));
            }
            Reply::RosterUndo { title, done: true, .. } => cx.toast(format!("undone: you {}", clean_line(title))),
            Reply::Group(group) => cx.toast(format!("{} is changed", clean_line(&group.name))),
            _ => {}
        }
    }
}

fn open(form: impl Into<Option<Form>>, cx: &mut Context<'_>) {
    if let Some(form) = form.into() {
        cx.open(form);
    }
}

/// Opens the confirmation for removing an agent from a group.
fn remove(id: &GroupId, agent: &AgentId, cx: &mut Context<'_>) {
    let Some((group, form, name)) = leaving(cx.model, id, agent) else { return };
    let Some(form) = form else {
        return cx.fault(format!("{name} is the manager agent of {group}: e chooses another one"));
    };
    let request = Request::UpdateGroup { id: id.clone(), form: Box::new(form) };
    let choices = vec![
        Choice::new('y', "remove it", vec![AppAction::Ask(Requester::Pane(PaneId::Roster), Box::new(request))]),
        Choice::new('n', "keep it", Vec::new()),
    ];
    let question = format!("Remove {name} from {group}? Its memory is kept; + adds it again.");
    cx.open(Confirm::new(question, choices));
}

/// Returns the cleaned name of the group, the form that removes the agent, and the cleaned name of the agent. The
/// form is `None` for a manager agent.
fn leaving(model: &Model, id: &GroupId, agent: &AgentId) -> Option<(String, Option<GroupForm>, String)> {
    let (group, who) = (model.group(id)?, model.agent(agent)?);
    let said = name_in(Some(id), who, model);
    let form = if group.members.contains(agent) {
        Some(GroupForm { remove: vec![said.clone()], ..GroupForm::default() })
    } else if let Some(policy) = group.sleeptime.as_ref().filter(|policy| policy.agents.contains(agent)) {
        let others = policy.agents.iter().filter(|other| *other != agent).filter_map(|other| model.agent(other));
        let background: Vec<String> = others.map(|other| name_in(Some(id), other, model)).collect();
        Some(GroupForm { read: Some(Box::new(group.clone())), ..GroupForm::default().set("background", background) })
    } else {
        None
    };
    Some((clean_line(&group.name).into_owned(), form, clean_line(&said).into_owned()))
}
