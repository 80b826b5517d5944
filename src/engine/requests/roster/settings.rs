//! Applies the changes of a form to the settings of a group or an agent.

use super::people::guess;
use crate::domain::setting::Kind;
use crate::domain::{Configurable, Setting, Value};
use crate::engine::protocol::{Changes, RequestError};

/// Applies the changes to those settings of `owner` that `which` selects.
///
/// `resolve` replaces the names in a value by ids.
///
/// # Errors
/// [`RequestError`] if a value is not allowed or names something that does not exist.
pub(super) fn change<T: Configurable>(
    owner: &mut T,
    changes: &Changes,
    which: impl Fn(Kind) -> bool,
    resolve: &dyn Fn(&T, Kind, Value) -> Result<Value, RequestError>,
) -> Result<(), RequestError> {
    for row in T::settings().iter().filter(|row| which(row.kind)) {
        let Some(change) = changes.get(row.key) else { continue };
        let value = match change {
            None | Some(Value::Count(0)) => None,
            Some(value) => {
                row.check(value).map_err(RequestError::new)?;
                Some(resolve(owner, row.kind, value.clone())?)
            }
        };
        let value = row.over(owner, value);
        (row.set)(owner, value).map_err(RequestError::new)?;
    }
    Ok(())
}

/// Refuses unknown settings.
pub(super) fn known<T: Configurable>(changes: &Changes) -> Result<(), RequestError> {
    let Some(wrong) = changes.0.keys().find(|key| T::setting(key).is_none()) else { return Ok(()) };
    let all: Vec<String> = T::settings().iter().map(|row: &Setting<T>| row.key.to_owned()).collect();
    Err(RequestError::new(format!("{} has no setting {wrong:?}; {}", T::NOUN, guess(wrong, &all))))
}

/// Refuses a form that changes what somebody else has changed since the person read it, unless both made it the same.
/// What the form does not change keeps its new value.
///
/// # Errors
/// [`RequestError`] that names the first such field.
pub(super) fn unclashed<T: Configurable>(
    [read, now, made]: [&T; 3],
    name: fn(&T) -> &str,
    changes: &Changes,
) -> Result<(), RequestError> {
    let clash = |[read, now, made]: [Option<Value>; 3]| read != now && now != made;
    let asked = T::settings().iter().filter(|row| changes.get(row.key).is_some());
    let mut clashing = asked.filter(|row| clash([read, now, made].map(row.get))).map(|row| row.key);
    let named = name(read) != name(now) && name(now) != name(made);
    let Some(field) = named.then_some("name").or_else(|| clashing.next()) else { return Ok(()) };
    Err(RequestError::new(format!(
        "{field} of {} {} was changed meanwhile by somebody else; open it again to see its new value",
        T::NOUN,
        name(now)
    )))
}
