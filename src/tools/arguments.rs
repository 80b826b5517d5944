//! The arguments of a call: taken as leniently as models write them, then checked strictly by the tool's schema.
//!
//! Models write `"1"` and `1.0` for 1, `null` for what they leave out, a list or an object as text, one thing for a
//! list of one. All that can mean one thing only, so it is taken. What is left is checked word by word: an argument
//! that is not known is not passed over in silence.

use serde_json::{Map, Number, Value};

use crate::domain::block_edit::late;

/// How much of a wrong value is quoted.
const QUOTE: usize = 80;

/// The arguments as the schema wants them, or what does not fit.
pub fn fit(schema: &Value, arguments: &Value) -> Result<Value, String> {
    let taken = lenient(schema, arguments);
    check("", schema, &taken)?;
    Ok(taken)
}

/// The arguments with everything turned into what it can only mean.
#[must_use]
pub fn lenient(schema: &Value, value: &Value) -> Value {
    let wanted = schema["type"].as_str().unwrap_or_default();
    match (wanted, value) {
        ("integer", Value::Number(number)) => whole(number.as_f64()).unwrap_or_else(|| value.clone()),
        ("integer", Value::String(text)) => {
            let number = text.trim().parse::<i64>().map(Value::from);
            number.ok().or_else(|| whole(text.trim().parse().ok())).unwrap_or_else(|| value.clone())
        }
        ("number", Value::String(text)) => {
            let number = text.trim().parse().ok().and_then(Number::from_f64);
            number.map_or_else(|| value.clone(), Value::Number)
        }
        ("boolean", Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Value::Bool(true),
            "false" | "no" | "0" => Value::Bool(false),
            _ => value.clone(),
        },
        ("string", Value::Number(_) | Value::Bool(_)) => Value::String(value.to_string()),
        ("string", Value::String(text)) => word(schema, text),
        ("array", Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(list @ Value::Array(_)) => lenient(schema, &list),
            _ => Value::Array(vec![lenient(&schema["items"], value)]),
        },
        ("array", Value::Array(items)) => items.iter().map(|item| lenient(&schema["items"], item)).collect(),
        ("array", Value::Object(_) | Value::Number(_) | Value::Bool(_)) => {
            Value::Array(vec![lenient(&schema["items"], value)])
        }
        ("object", Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(object @ Value::Object(_)) => lenient(schema, &object),
            _ => value.clone(),
        },
        ("object", Value::Object(members)) => Value::Object(object(schema, members)),
        _ => value.clone(),
    }
}

fn whole(number: Option<f64>) -> Option<Value> {
    // Beyond this, not every whole number has a form of its own.
    let number = number.filter(|number| number.fract() == 0.0 && number.abs() < 9e15)?;
    Some(Value::from(number as i64))
}

/// One of the words of an `enum`, but for capitals and space around it.
fn word(schema: &Value, text: &str) -> Value {
    let words = schema["enum"].as_array().map_or(&[][..], Vec::as_slice);
    let same = |word: &&Value| word.as_str().is_some_and(|word| word.eq_ignore_ascii_case(text.trim()));
    words.iter().find(same).cloned().unwrap_or_else(|| Value::String(text.to_owned()))
}

fn object(schema: &Value, members: &Map<String, Value>) -> Map<String, Value> {
    let known = schema["properties"].as_object();
    let mut taken = Map::new();
    for (name, value) in members {
        let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
        let is_meant = |alias: &&&str| is_known(alias) && !is_known(name) && !members.contains_key(**alias);
        let name = late(name).iter().find(is_meant).map_or(name.as_str(), |alias| *alias);
        // What is null is left out; there is no argument that means something by it.
        if !value.is_null() {
            let of = known.and_then(|known| known.get(name)).unwrap_or(&Value::Null);
            taken.insert(name.to_owned(), lenient(of, value));
        }
    }
    taken
}

/// Whether a value is what the schema says; `at` is where it stands.
fn check(at: &str, schema: &Value, value: &Value) -> Result<(), String> {
    let subject = if at.is_empty() { "the arguments are".to_owned() } else { format!("{at} is") };
    let wanted = schema["type"].as_str().unwrap_or_default();
    let fits = match wanted {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    if !fits {
        return Err(format!("{subject} to be {}, not {}", noun(wanted), quoted(value)));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return Err(format!("{subject} to be one of {}, not {}", words.join(", "), quoted(value)));
    }
    match value {
        Value::Array(items) => {
            let place = |nth: usize| format!("{} of {}", ordinal(nth), if at.is_empty() { "the list" } else { at });
            (1..).zip(items).try_for_each(|(nth, item)| check(&place(nth), &schema["items"], item))
        }
        Value::Object(members) => check_members(at, schema, members),
        _ => Ok(()),
    }
}

fn check_members(at: &str, schema: &Value, members: &Map<String, Value>) -> Result<(), String> {
    let of = if at.is_empty() { String::new() } else { format!(" in {at}") };
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    if let Some(missing) = required.iter().filter_map(Value::as_str).find(|name| !members.contains_key(*name)) {
        return Err(format!("missing field `{missing}`{of}"));
    }
    let empty = Map::new();
    let known = schema["properties"].as_object().unwrap_or(&empty);
    for (name, value) in members {
        match known.get(name) {
            Some(schema) => check(&format!("`{name}`{of}"), schema, value)?,
            None if schema["additionalProperties"] == Value::Bool(false) => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let known = if names.is_empty() { "none is known".to_owned() } else { names.join(", ") };
                let name: String = name.chars().take(QUOTE).collect();
                return Err(format!("unknown field `{name}`{of}; known: {known}"));
            }
            None => {}
        }
    }
    Ok(())
}

fn noun(kind: &str) -> &str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "string" => "text",
        "array" => "a list",
        _ => "an object",
    }
}

fn ordinal(nth: usize) -> String {
    format!("number {nth}")
}

fn quoted(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(QUOTE) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::fit;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "label": {"type": "string"},
                "new_str": {"type": "string"},
                "line": {"type": "integer"},
                "rate": {"type": "number"},
                "all": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "kind": {"type": "string", "enum": ["low", "high"]},
                "tasks": {"type": "array", "items": {
                    "type": "object", "properties": {"agent": {"type": "string"}}, "required": ["agent"]
                }}
            },
            "required": ["label"],
            "additionalProperties": false
        })
    }

    #[test]
    fn arguments_are_taken_as_models_write_them() {
        for (written, meant) in [
            (json!({"line": "1"}), json!({"line": 1})),
            (json!({"line": 1.0}), json!({"line": 1})),
            (json!({"line": " -1.0 "}), json!({"line": -1})),
            (json!({"line": null, "tags": null}), json!({})),
            (json!({"rate": "0.5"}), json!({"rate": 0.5})),
            (json!({"all": "True"}), json!({"all": true})),
            (json!({"tags": "[\"a\", 1]"}), json!({"tags": ["a", "1"]})),
            (json!({"tags": "a"}), json!({"tags": ["a"]})),
            (json!({"kind": " High "}), json!({"kind": "high"})),
            (json!({"tasks": {"agent": 7}}), json!({"tasks": [{"agent": "7"}]})),
            (json!({"tasks": ["{\"agent\": \"ann\"}"]}), json!({"tasks": [{"agent": "ann"}]})),
            (json!({"new_string": "x"}), json!({"new_str": "x"})),
        ] {
            let (mut written, mut meant) = (written, meant);
            (written["label"], meant["label"]) = (json!("plan"), json!("plan"));
            assert_eq!(fit(&schema(), &written), Ok(meant), "{written}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said_and_never_passed_over() {
        for (written, why) in [
            (json!({}), "missing field `label`"),
            (json!({"label": null}), "missing field `label`"),
            (json!({"label": "p", "lin": 3}), "unknown field `lin`; known: label, new_str, line"),
            (json!({"label": "p", "line": 1.5}), "`line` is to be a whole number, not 1.5"),
            (json!({"label": "p", "line": "top"}), "`line` is to be a whole number, not \"top\""),
            (json!({"label": ["p"]}), "`label` is to be text, not [\"p\"]"),
            (json!({"label": "p", "kind": "mid"}), "`kind` is to be one of low, high, not \"mid\""),
            (json!({"label": "p", "tasks": [{}]}), "missing field `agent` in number 1 of `tasks`"),
            (json!([1]), "the arguments are to be an object, not [1]"),
        ] {
            let error = fit(&schema(), &written).unwrap_err();
            assert!(error.starts_with(why), "{written}: {error}");
        }
    }
}
