//! `nightdesk man`: generates manual pages from the help texts of the command line.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::print::Out;
use super::{Cli, CliError, Exit};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the pages of the program and of every command to this directory instead of printing one.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

/// Prints the manual page of the program, or writes all pages.
///
/// # Errors
/// Standard output or the directory cannot be written.
pub fn man(args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    let command = Cli::command();
    if let Some(dir) = &args.dir {
        let failed = |error| CliError::Message(format!("writing the manual to {}: {error}", dir.display()));
        std::fs::create_dir_all(dir).map_err(failed)?;
        clap_mangen::generate_to(command, dir).map_err(failed)?;
        return Ok(Exit::Done);
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    out.text(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}
