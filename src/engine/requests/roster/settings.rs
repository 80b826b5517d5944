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
