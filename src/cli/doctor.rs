//! `nightdesk doctor`: checks the terminal, the configuration, the themes, the store and the models.

mod space;
mod terminal;
mod themes;
mod tmux;

use std::collections::BTreeSet;

use futures::future::join_all;
use serde::Serialize;

use super::paths::Paths;
use super::print::Out;
use super::roster::Roster;
use super::{CliError, Exit, unexpected};
use crate::config::Config;
use crate::engine::Handle;
use crate::engine::connection::Program;
use crate::engine::protocol::{Reply, Request};
use crate::engine::session::{self, JoinError, Session};
use crate::llm::{KeyState, Models};
use crate::tui::term::Environment;
use crate::tui::text::clean::clean_line;

/// Longest part of a command line that is shown, in bytes.
const COMMAND: u64 = 200;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also replay the whole log and compare the result with every table.
    #[arg(long)]
    deep: bool,
    /// Print instead what takes room in the store and beside it, and what of it can go.
    #[arg(long, conflicts_with = "deep")]
    space: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: String,
    ok: bool,
    text: String,
}

/// Runs all checks and prints one line per check. Returns [`Exit::Failed`] if a check fails.
///
/// # Errors
/// Standard output cannot be written.
pub async fn doctor(places: &Paths, args: &Args, out: &mut Out) -> Result<Exit, CliError> {
    if args.space {
        return space::space(places, args.json, out).await;
    }
    let environment = Environment::from_vars(|name| std::env::var(name).ok());
    let mut checks = vec![terminal::screen(&environment)];
    let tmux = if environment.in_tmux { Some(tmux::ask().await) } else { None };
    checks.extend(tmux.iter().map(tmux::check));
    checks.push(terminal::clipboard(&environment, tmux.as_ref()));
    let config = places.configuration();
    checks.push(match &config {
        Ok(_) if places.config.exists() => good("configuration", format!("{} is valid", places.config.display())),
        Ok(_) => good("configuration", format!("{} does not exist; defaults are used", places.config.display())),
        Err(failure) => bad("configuration", failure.to_string()),
    });
    if let Ok(config) = &config {
        checks.extend(themes::checks(places, config, &environment));
    }
    let handle = if places.has_store() { Some(places.look()) } else { None };
    let mut models = BTreeSet::new();
    match handle {
        None => {
            checks.push(good(
                "store",
                format!("{} does not exist yet; the first start creates it", places.store.display()),
            ));
        }
        Some(Err(failure)) => checks.push(bad("store", failure.to_string())),
        Some(Ok(handle)) => {
            checks.extend(store_checks(places, &handle, args.deep).await);
            checks.push(owner(places).await);
            match Roster::read(&handle).await {
                Ok(roster) => models.extend(
                    roster.agents.into_iter().flat_map(|agent| agent.model.into_iter().chain(agent.fallback_models)),
                ),
                Err(failure) => checks.push(bad("store", failure.to_string())),
            }
        }
    }
    if let Ok(config) = config {
        models.insert(config.model.clone());
        checks.extend(answers(&config, &models).await);
    }
    let report = Report { ok: checks.iter().all(|check| check.ok), checks };
    if args.json {
        out.json(&report)?;
    } else {
        for check in &report.checks {
            out.line(&format!("{} {}: {}", if check.ok { "ok    " } else { "FAILED" }, check.name, check.text))?;
        }
    }
    Ok(if report.ok { Exit::Done } else { Exit::Failed })
}

fn good(name: impl Into<String>, text: impl Into<String>) -> Check {
    Check { name: name.into(), ok: true, text: text.into() }
}

fn bad(name: impl Into<String>, text: impl Into<String>) -> Check {
    Check { name: name.into(), ok: false, text: text.into() }
}

/// Names the program that owns the store.
async fn owner(places: &Paths) -> Check {
    let Some(owner) = Session::owner(&places.store) else {
        return good("owner", "no program has the store open");
    };
    let since = owner.since.strftime("%Y-%m-%d %H:%M:%S UTC");
    let program = command_of(owner.pid).map(|command| format!(" ({command})")).unwrap_or_default();
    let joins = match session::join(&owner).await {
        Ok(client) => match client.owner().1 {
            Program::Worker => "it is a worker; other programs join it, and `nightdesk work --stop` stops it",
            Program::Workbench => "it is a workbench; other programs join it",
            Program::Command => "other programs join it",
        },
        Err(JoinError::Absent) => "it takes no other program in; one that writes waits for its end",
        Err(fault) => return bad("owner", fault.to_string()),
    };
    good("owner", format!("process {}{program} since {since}; {joins}", owner.pid))
}

/// Returns the command line of a process, at most [`COMMAND`] bytes of it; `None` where the system does not tell.
fn command_of(pid: u32) -> Option<String> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    std::fs::File::open(format!("/proc/{pid}/cmdline")).ok()?.take(COMMAND).read_to_end(&mut bytes).ok()?;
    let words: Vec<String> =
        bytes.split(|byte| *byte == 0).map(|word| clean_line(&String::from_utf8_lossy(word)).into_owned()).collect();
    let (program, rest) = words.split_first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let command = std::iter::once(name).chain(rest.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    Some(command.trim().to_owned()).filter(|command| !command.is_empty())
}

/// Checks the store file and, with `deep`, its log.
async fn store_checks(places: &Paths, handle: &Handle, deep: bool) -> Vec<Check> {
    let path = places.store.display();
    let check = match handle.ask(Request::CheckStore { deep }).await {
        Ok(Reply::StoreChecked(check)) => check,
        Ok(other) => return vec![bad("store", unexpected(&other).to_string())],
        Err(fault) => return vec![bad("store", fault.text)],
    };
    let file = match check.faults.as_slice() {
        [] => good("store", format!("{path} is intact")),
        faults => bad("store", format!("{path}: {}", faults.join("; "))),
    };
    let log = check.log.map(|log| match log.differences.as_slice() {
        [] => good("log", format!("{} changes replay to the {} rows of the tables", log.changes, log.rows)),
        differences => bad("log", differences.join("; ")),
    });
    std::iter::once(file).chain(log).collect()
}

/// Checks the models in use and the configured providers without a model in use. Calls every real model in use once.
async fn answers(config: &Config, names: &BTreeSet<String>) -> Vec<Check> {
    let models = Paths::models(config);
    let mut checks = join_all(names.iter().map(|name| answer(&models, name))).await;
    for known in models.list() {
        let used = names.iter().any(|name| name.split_once('/').is_some_and(|(provider, _)| provider == known.name));
        if used || !known.configured {
            continue;
        }
        let name = format!("provider {}", known.name);
        checks.push(match known.key {
            KeyState::Missing(sentence) => bad(name, sentence),
            KeyState::NotNeeded | KeyState::There(_) => {
                good(name, format!("{}; no agent uses it, so it was not called", known.address))
            }
        });
    }
    checks
}

async fn answer(models: &Models, name: &str) -> Check {
    let title = format!("model {name}");
    if let Err(error) = models.get(name) {
        return bad(title, error.text);
    }
    match name.split_once('/') {
        None => return good(title, "built in, not a language model; press F2 in the workbench to connect one"),
        Some(("scripted", _)) => return good(title, "a script, not a language model"),
        Some(_) => {}
    }
    match models.probe(name).await {
        Ok(report) if report.tool_calling => {
            good(title, format!("answered in {} ms and calls tools", report.latency.as_millis()))
        }
        Ok(report) => good(
            title,
            format!(
                "answered in {} ms, but called no tool when asked to: its agents can talk and cannot edit blocks",
                report.latency.as_millis()
            ),
        ),
        Err(error) => bad(title, error.text),
    }
}
