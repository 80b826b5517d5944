//! The binary: parses the command line and runs it.

use std::process::ExitCode;

use clap::Parser as _;
use nightdesk::Cli;

fn main() -> ExitCode {
    match nightdesk::answer_shell() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => error.exit(),
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return nightdesk::misused(&error),
    };
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(nightdesk::run(cli)),
        Err(error) => nightdesk::fail(&nightdesk::CliError::Message(format!(
            "starting: {error}; close some programs and try again"
        ))),
    }
}
