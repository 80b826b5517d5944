//! `nightdesk schema`: prints the JSON schema of team files.

use super::print::Out;
use super::{CliError, Exit};
use crate::team_file;
use crate::tools::ToolRegistry;

/// Prints the schema.
///
/// # Errors
/// Standard output cannot be written.
pub fn schema(out: &mut Out) -> Result<Exit, CliError> {
    let tools = ToolRegistry::default().names();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    out.line(&format!("{:#}", team_file::schema(&tools)))?;
    Ok(Exit::Done)
}
