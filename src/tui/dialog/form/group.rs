//! Fields of the group form, and the request built from them.

use super::block;
use super::entry::{Choice, Entry, Key, Value};
use super::settings::{self, Scene};
use crate::domain::pattern::Manager;
use crate::domain::{Configurable as _, Group, GroupId, ManagerType};
use crate::engine::protocol::GroupForm;
use crate::tui::field::Field;
use crate::tui::model::Model;

/// An invalid field and its error text.
type Flaw = (Key, String);

/// Whether groups of this manager type have a field.
pub(super) fn shown(kind: ManagerType, key: Key) -> bool {
    match key {
        Key::Setting(key) => kind.has_setting(key),
        _ => true,
    }
}

/// Returns the selectable manager types.
fn types() -> Vec<Choice> {
    ManagerType::ALL.map(|kind| Choice { title: kind.title(), about: kind.best_for() }).into()
}

/// Returns the fields, filled from a group, or for a new group.
pub(super) fn entries(group: Option<&Group>, model: &Model) -> Vec<Entry> {
    let blank = Group::new(GroupId::from(""), "", ManagerType::RoundRobin);
    let of = group.unwrap_or(&blank);
    let kind = ManagerType::ALL.iter().position(|kind| *kind == of.manager_type).unwrap_or(0);
    let manager_type = match group {
        None => Value::Choice { options: types(), at: kind },
        Some(_) => Value::Fixed(types().swap_remove(kind)),
    };
    let about_type = if group.is_some() {
        "Determines who speaks when. Fixed once the group is created."
    } else {
        "Determines who speaks when. It cannot be changed later; the fields below depend on it."
    };
    let mut entries = vec![
        Entry::new(Key::ManagerType, "Manager type", manager_type, "", about_type),
        Entry::new(
            Key::Name,
            "Name",
            Value::Line(Field::line(&of.name)),
            "for example newsroom",
            "Name, unique among groups.",
        ),
    ];
    let scene =
        Scene { model, home: group.map(|group| &group.id), agent: None, group: Some(of), exists: group.is_some() };
    // Sticky settings, such as the status, do not apply to a new group.
    let rows = Group::settings().iter().filter(|row| group.is_some() || !row.sticky);
    entries.extend(rows.filter_map(|row| settings::entry(row, of, &scene)));
    if group.is_none() {
        // Behind the members, who get it.
        let behind = entries.iter().rposition(|entry| entry.names().is_some_and(|names| names.kind.roles));
        let at = behind.map_or(entries.len(), |at| at + 1);
        entries.splice(at..at, block::first_of_group());
    }
    entries
}

/// Builds the request form: all filled-in fields of a new group, the changed fields of an existing one.
pub(super) fn form<'a>(
    new: bool,
    kind: ManagerType,
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Result<GroupForm, Flaw> {
    let mut form = GroupForm { manager_type: new.then_some(kind), ..GroupForm::default() };
    for entry in entries.clone() {
        let nobody = entry.names().is_some_and(|names| names.items.is_empty());
        match entry.key {
            Key::Name if entry.text().is_empty() => return Err((Key::Name, "a group needs a name".to_owned())),
            Key::Name if entry.is_changed() => form.name = Some(entry.text()),
            Key::Setting("manager_agent") if nobody => {
                let part = if let Manager::One { part, .. } = kind.pattern().manager { part } else { "leads" };
                let text = format!("{} needs a manager agent, the one that {part}: Enter chooses it", kind.title());
                return Err((entry.key, text));
            }
            Key::Setting("members") if nobody => {
                let text = format!("{} needs members, one or more: Enter adds one", kind.title());
                return Err((entry.key, text));
            }
            Key::Setting("background") if nobody && kind.needs_background() => {
                let text = format!("{} needs one background agent or more: Enter adds one", kind.title());
                return Err((entry.key, text));
            }
            _ => {}
        }
    }
    form.settings = settings::changes::<Group>(entries.clone())?;
    form.first_block = if new { block::first_block(entries)? } else { None };
    Ok(form)
}
