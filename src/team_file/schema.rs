//! The JSON schema of team files for editors, derived from the tables of keys that the parser uses.

use serde_json::{Map, Value as Json, json};

use super::keys::{Shape, Table};
use super::settings::{ROLE, mentioned, requested};
use crate::domain::block::Level;
use crate::domain::setting::Kind;
use crate::domain::{Configurable as _, Group, ManagerType, TriggerSpec};

/// Pattern of the short name of a group or an agent.
const NAME: &str = r"^[^\s/@]+$";
/// Pattern of the full name of an agent of another group.
const FULL_NAME: &str = r"^[^\s/@]+/[^\s/@]+$";
/// Pattern of a text that is not blank.
const WORDS: &str = r"\S";
/// Pattern of the name of a model.
const MODEL: &str = r"^(offline|[^\s/]+/.+)$";

/// Returns the schema as JSON Schema 2020-12. `tools` are the available tools beyond the default ones.
#[must_use]
pub fn schema(tools: &[&str]) -> Json {
    let top = table(Table::Top, tools);
    let inside = Table::ALL.into_iter().filter(|one| *one != Table::Top);
    let tables: Map<String, Json> = inside.map(|one| (one.name().to_owned(), table(one, tools))).collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Nightdesk team file",
        "description": "A group, its agents and its memory blocks.",
    });
    if let (Some(all), Json::Object(top)) = (schema.as_object_mut(), top) {
        all.extend(top);
        all.insert("$defs".to_owned(), tables.into());
    }
    schema
}

fn table(table: Table, tools: &[&str]) -> Json {
    let property = |field: super::keys::Field| {
        let mut shape = shape(field.shape, tools);
        if let Some(object) = shape.as_object_mut() {
            object.insert("description".to_owned(), field.doc.into());
        }
        (field.key.to_owned(), shape)
    };
    let properties: Map<String, Json> = table.fields().into_iter().map(property).collect();
    let mut all = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let more = match table {
        Table::Top => json!({ "required": ["group"] }),
        Table::Group => json!({ "required": ["name"], "allOf": ManagerType::ALL.map(belongings) }),
        Table::Sleeptime => json!({ "required": ["agents"] }),
        Table::Trigger => {
            let one = |key: &str| json!({ "required": [key] });
            json!({ "oneOf": TriggerSpec::keys().map(one).collect::<Vec<_>>() })
        }
        Table::Source => json!({ "oneOf": [{ "required": ["file"] }, { "required": ["folder"] }] }),
        Table::Terminate => json!({ "minProperties": 1, "maxProperties": 1 }),
        Table::Block => json!({ "required": ["label"] }),
        Table::Agent => json!({ "required": ["name"], "not": { "required": ["system", "system_file"] } }),
        Table::Rule => json!({ "required": ["type", "tool_name"] }),
    };
    if let (Some(all), Json::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

/// Returns the required and the forbidden keys of a group of this type.
fn belongings(kind: ManagerType) -> Json {
    let rows = || Group::settings().iter().filter(|row| row.table().is_none());
    let foreign = rows().filter(|row| !kind.has_setting(row.key));
    let foreign: Map<String, Json> = foreign.map(|row| (row.key.to_owned(), Json::Bool(false))).collect();
    let needed = rows().filter(|row| row.kind.is_membership() && kind.has_setting(row.key)).map(|row| row.key);
    let needed: Vec<&str> = needed.chain(kind.needs_background().then_some("sleeptime")).collect();
    let is = json!({ "properties": { "manager_type": { "const": kind.as_str() } } });
    // The default is a round robin.
    let says = if kind == ManagerType::RoundRobin { json!({}) } else { json!({ "required": ["manager_type"] }) };
    json!({ "if": { "allOf": [is, says] }, "then": { "properties": foreign, "required": needed } })
}

fn shape(shape: Shape, tools: &[&str]) -> Json {
    match shape {
        Shape::Value(kind) => value(kind, tools),
        Shape::Name => json!({ "type": "string", "pattern": NAME }),
        Shape::Label => json!({ "type": "string", "pattern": WORDS }),
        Shape::File => json!({ "type": "string" }),
        Shape::ManagerType => json!({ "enum": ManagerType::ALL.map(ManagerType::as_str), "default": "round_robin" }),
        Shape::RuleType => json!({ "const": super::rules::APPROVAL }),
        Shape::Tool => json!({ "enum": mentioned(tools) }),
        Shape::Total => json!({ "type": "integer", "minimum": 1 }),
        Shape::True => json!({ "const": true }),
        Shape::Access => json!({ "type": "object", "additionalProperties": { "enum": Level::ALL.map(Level::as_str) } }),
        Shape::Conditions => json!({ "type": "array", "minItems": 1, "items": reference(Table::Terminate) }),
        Shape::One(table) => reference(table),
        Shape::Each(table) => json!({ "type": "array", "items": reference(table) }),
    }
}

fn reference(table: Table) -> Json {
    json!({ "$ref": format!("#/$defs/{}", table.name()) })
}

fn list(items: &Json) -> Json {
    json!({ "type": "array", "uniqueItems": true, "items": items })
}

fn value(kind: Kind, tools: &[&str]) -> Json {
    match kind {
        Kind::Count => json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }),
        Kind::Number { from, to } => json!({ "type": "number", "minimum": from, "maximum": to }),
        Kind::Word | Kind::Span => json!({ "type": "string", "pattern": WORDS }),
        Kind::Sentence | Kind::Text | Kind::Agent => json!({ "type": "string" }),
        Kind::Model => json!({ "type": "string", "pattern": MODEL }),
        Kind::Models => list(&json!({ "type": "string", "pattern": MODEL })),
        Kind::Switch => json!({ "type": "boolean" }),
        Kind::Choice(all) => {
            let names: Vec<&str> = all().into_iter().map(|(name, _)| name).collect();
            json!({ "enum": names })
        }
        Kind::Labels => json!({ "type": "array", "items": { "type": "string", "pattern": WORDS } }),
        Kind::Tools => {
            let asked = requested(tools);
            let removed = asked.iter().map(|name| format!("-{name}"));
            let all: Vec<String> = asked.iter().map(|name| (*name).to_owned()).chain(removed).collect();
            json!({ "type": "array", "items": { "enum": all } })
        }
        Kind::Approvals => json!({ "type": "array", "items": reference(Table::Rule) }),
        Kind::Contacts => list(&json!({ "type": "string", "pattern": FULL_NAME })),
        Kind::Blocks => list(&json!({ "type": "string" })),
        Kind::Agents => json!({ "type": "array", "uniqueItems": true, "minItems": 1, "items": { "type": "string" } }),
        Kind::Conditions => reference(Table::Terminate),
        Kind::Triggers => json!({ "type": "array", "items": reference(Table::Trigger) }),
        Kind::Sources => json!({ "type": "array", "items": reference(Table::Source) }),
        Kind::Roles => {
            let role = json!({ "type": "string", "pattern": WORDS, "maxLength": ROLE });
            json!({ "type": "object", "additionalProperties": role })
        }
    }
}
