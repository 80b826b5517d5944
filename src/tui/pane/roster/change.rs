//! Groups and agents made, changed and deleted from the roster.

use super::Roster;
use super::rows::Key;
use crate::domain::{AgentId, GroupId};
use crate::engine::wire::{Address, GroupForm, Reply, Request};
use crate::tui::command::Command;
use crate::tui::dialog::add_member::AddMember;
use crate::tui::dialog::confirm::{Choice, Confirm};
use crate::tui::dialog::form::Form;
use crate::tui::dialog::form::group::name_in;
use crate::tui::effect::{Act, Cx, Owner};
use crate::tui::model::Model;
use crate::tui::pane::PaneId;
use crate::tui::text::clean::clean_line;

impl Roster {
    /// Does a command that makes, changes or deletes; false where it is none.
    pub(super) fn change(&mut self, command: Command, cx: &mut Cx<'_>) -> bool {
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
                cx.fault("select the agent that is to leave its group first");
            }
            (Command::Delete, Some(key)) => self.look_at_deletion(key, cx),
            (
                Command::NewAgent
                | Command::EditSelected
                | Command::AddMember
                | Command::RemoveMember
                | Command::Delete,
                None,
            ) => cx.fault("there is no group yet: N makes one"),
            _ => return false,
        }
        true
    }

    /// Asks what a deletion takes along; the answer opens the question.
    fn look_at_deletion(&mut self, key: Key, cx: &mut Cx<'_>) {
        let (what, name) = match key {
            Key::Group(id) => {
                let name = cx.model.group(&id).map(|group| group.name.clone());
                (Address::Group(id), name)
            }
            Key::Agent(_, id) => {
                let name = cx.model.agent(&id).map(|agent| name_in(None, agent, cx.model));
                (Address::Agent(id), name)
            }
        };
        let serial = cx.ask(Request::Delete { what: what.clone(), really: false });
        self.looked = Some((serial, what, clean_line(&name.unwrap_or_default()).into_owned()));
    }

    /// An answer to what is asked here.
    pub(super) fn change_answered(&mut self, serial: u64, reply: &Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Deletion { lines, done: false } => {
                let Some((_, what, name)) = self.looked.take_if(|(asked, ..)| *asked == serial) else { return };
                let lines: Vec<String> = lines.iter().map(|line| clean_line(line).into_owned()).collect();
                let question = format!("Delete {name}?\n{}", lines.join("\n"));
                let request = Request::Delete { what, really: true };
                let really = vec![Act::Ask(Owner::Pane(PaneId::Roster), Box::new(request))];
                let choices = vec![
                    Choice::new('k', "keep it", Vec::new()),
                    Choice::new('d', "delete it; it does not come back", really),
                ];
                cx.open(Confirm::new(question.trim_end(), choices));
            }
            Reply::Deletion { done: true, .. } => cx.toast("it is deleted"),
            Reply::Group(group) => cx.toast(format!("{} is changed", clean_line(&group.name))),
            _ => {}
        }
    }
}

fn open(form: impl Into<Option<Form>>, cx: &mut Cx<'_>) {
    if let Some(form) = form.into() {
        cx.open(form);
    }
}

/// Asks whether an agent is to leave a group.
fn remove(id: &GroupId, agent: &AgentId, cx: &mut Cx<'_>) {
    let Some((group, form, name)) = leaving(cx.model, id, agent) else { return };
    let Some(form) = form else {
        return cx.fault(format!("{name} is the manager agent of {group}: e names another one"));
    };
    let request = Request::UpdateGroup { id: id.clone(), form: Box::new(form) };
    let choices = vec![
        Choice::new('y', "it leaves", vec![Act::Ask(Owner::Pane(PaneId::Roster), Box::new(request))]),
        Choice::new('n', "it stays", Vec::new()),
    ];
    let question = format!("Does {name} leave {group}? Its memory is kept: + brings it back.");
    cx.open(Confirm::new(question, choices));
}

/// The names of group and agent as they may be drawn, and what takes the agent out; no form for a manager.
fn leaving(model: &Model, id: &GroupId, agent: &AgentId) -> Option<(String, Option<GroupForm>, String)> {
    let (group, who) = (model.group(id)?, model.agent(agent)?);
    let said = name_in(Some(id), who, model);
    let form = if group.members.contains(agent) {
        Some(GroupForm { remove: vec![said.clone()], ..GroupForm::default() })
    } else if let Some(policy) = group.sleeptime.as_ref().filter(|policy| policy.agents.contains(agent)) {
        let others = policy.agents.iter().filter(|other| *other != agent).filter_map(|other| model.agent(other));
        let background: Vec<String> = others.map(|other| name_in(Some(id), other, model)).collect();
        Some(GroupForm::default().set("background", background))
    } else {
        None
    };
    Some((clean_line(&group.name).into_owned(), form, clean_line(&said).into_owned()))
}
