//! Fields of the agent form, and the request built from them.

use super::entry::{Entry, Key, Value};
use super::settings::{self, Scene};
use crate::domain::block::PERSONA;
use crate::domain::{Agent, Block, Configurable as _, GroupId};
use crate::engine::protocol::AgentForm;
use crate::tui::field::Field;
use crate::tui::model::Model;

/// Returns the agent's persona block.
pub(super) fn persona<'a>(agent: &'a Agent, model: &'a Model) -> Option<&'a Block> {
    model.blocks_of(agent).into_iter().find(|block| block.label == PERSONA)
}

/// Returns the fields, filled from an agent, or for a new agent with this name.
pub(super) fn entries(agent: Option<&Agent>, home: &GroupId, name: &str, model: &Model) -> Vec<Entry> {
    let blank = Agent::new("".into(), "", home.clone());
    let of = agent.unwrap_or(&blank);
    let value = persona(of, model).map(|block| block.value.clone()).unwrap_or_default();
    let persona = Entry::new(
        Key::Persona,
        "Persona",
        Value::Text(Field::lines(&value)),
        "who it is and how it speaks",
        "Who the agent is: its block persona, always in its prompt. Enter starts a new line; Tab goes to the next field.",
    );
    let mut entries = vec![Entry::new(
        Key::Name,
        "Name",
        Value::Line(Field::line(&of.name)),
        "for example critic",
        "Short name, unique in its group.",
    )];
    let scene = Scene { model, home: Some(home), agent: Some(of), group: None, exists: agent.is_some() };
    let mut rows = Agent::settings().iter().filter_map(|row| settings::entry(row, of, &scene));
    // The persona follows the first setting, the description.
    entries.extend(rows.next());
    entries.push(persona);
    entries.extend(rows);
    if agent.is_none() {
        entries[0].value = Value::Line(Field::line(name));
    }
    entries
}

/// Builds the request form: all filled-in fields of a new agent, the changed fields of an existing one. Omits the
/// persona if it already has a block.
pub(super) fn form(entries: &[Entry], has_persona: bool) -> Result<AgentForm, (Key, String)> {
    let mut form = AgentForm::default();
    for entry in entries {
        match entry.key {
            Key::Name if entry.text().is_empty() => return Err((Key::Name, "an agent needs a name".to_owned())),
            Key::Name if entry.is_changed() => form.name = Some(entry.text()),
            Key::Persona if entry.is_changed() && !has_persona => form.persona = Some(entry.text()),
            _ => {}
        }
    }
    form.settings = settings::changes::<Agent>(entries.iter())?;
    Ok(form)
}
