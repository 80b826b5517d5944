//! Reads texts from standard input, at most as much as is asked for.

use std::io::{self, Read as _};

use super::CliError;

/// Reads a text from standard input, which has at most `most` bytes.
///
/// # Errors
/// Standard input cannot be read, is not UTF-8, or `too_long` says that it has more bytes.
pub fn text(most: usize, too_long: impl FnOnce(usize) -> Result<(), String>) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let failed = |error: io::Error| CliError::Message(format!("reading the text from standard input: {error}"));
    io::stdin().lock().take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        too_long(bytes.len()).map_err(CliError::Message)?;
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        CliError::Message(format!("the text on standard input is not UTF-8: byte {at} begins no letter"))
    })
}
