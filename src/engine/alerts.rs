//! Alerts: what a person should know while no screen shows it, told by a command of theirs (`alert_command`).
//!
//! A job or turn that failed for good, a call that waits for an approval, and mail for a person are told. A screen is
//! whoever follows the live text, in this program or another; while there is one, nothing is told. Alerts that come
//! together are told together, one command at a time.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;

use super::protocol::{Filter, Update};
use super::{Engine, EngineError};
use crate::config::Config;
use crate::domain::change::ChangeKind;
use crate::domain::run::PendingKind;
use crate::domain::{
    Change, Group, GroupId, Job, JobState, JobWork, Mail, PendingCall, Run, RunKind, RunState, StopReason,
};

/// The most time of a command.
const LONGEST: Duration = Duration::from_secs(30);
/// The most alerts of one command; the rest is counted.
const TOGETHER: usize = 5;
/// The most characters of one alert.
const CHARACTERS: usize = 500;

/// Who is told, and whether somebody looks already.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    command: watch::Sender<AlertCommand>,
    /// Every screen holds a clone.
    screens: Arc<()>,
}

/// The command, as it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct AlertCommand {
    /// The program and its arguments; empty for none.
    words: Vec<String>,
    /// The variables it does not inherit: those of keys.
    withheld: Vec<String>,
}

impl Alerts {
    /// Takes the command from the configuration, from the next alert on.
    pub(super) fn configure(&self, config: &Config) {
        let command = AlertCommand { words: config.alert_command.clone(), withheld: config.key_variables() };
        self.command.send_if_modified(|known| {
            let changed = *known != command;
            *known = command;
            changed
        });
    }

    /// What a screen holds as long as it is there.
    pub(super) fn screen(&self) -> Arc<()> {
        Arc::clone(&self.screens)
    }

    fn is_watched(&self) -> bool {
        Arc::strong_count(&self.screens) > 1
    }
}

/// Tells alerts as long as the engine runs. Without a command it sleeps.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut command = engine.alerts.command.subscribe();
    while command.wait_for(|command| !command.words.is_empty()).await.is_ok() {
        let now = command.borrow_and_update().clone();
        let kinds = vec![ChangeKind::JobMoved, ChangeKind::RunMoved, ChangeKind::CallPending, ChangeKind::MailSent];
        let head = *engine.store.head().borrow();
        let mut following = engine.follow(head, Filter { kinds, live: false, ..Filter::default() });
        loop {
            let changes = tokio::select! {
                changed = command.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                update = following.next() => match update {
                    Ok(Update::Committed { changes, .. }) => changes,
                    Ok(Update::Live(_) | Update::Over { .. } | Update::Trouble { .. }) => continue,
                    Err(_) => return,
                },
            };
            let mut alerts = Vec::new();
            for logged in changes {
                match alert(&engine, &logged.change).await {
                    Ok(alert) => alerts.extend(alert),
                    Err(trouble) => tracing::warn!("an alert is left out: {trouble}"),
                }
            }
            if !alerts.is_empty() && !engine.alerts.is_watched() {
                tell(&now, &together(&alerts)).await;
            }
        }
    }
}

/// What is told of a change, on one line.
async fn alert(engine: &Engine, change: &Change) -> Result<Option<String>, EngineError> {
    let told = match change {
        Change::JobMoved { id, to: JobState::Failed { error, .. } } => {
            let Some(job) = engine.readable::<Job>(id.as_str()).await? else { return Ok(None) };
            match &job.work {
                JobWork::Agent(work) => format!(
                    "the job of {} in {} failed: {error}",
                    engine.agent_name(&work.agent).await?,
                    group(engine, &work.group).await?
                ),
                JobWork::Care { care } => format!("the {} failed: {error}", care.noun()),
            }
        }
        Change::RunMoved { id, to: RunState::Finished { stop_reason: StopReason::Error, error } } => {
            let run = engine.readable::<Run>(id.as_str()).await?;
            let Some(Run { kind: RunKind::Turn { group: of, only }, .. }) = run else { return Ok(None) };
            let whose = match (&of, &only) {
                (Some(of), _) => group(engine, of).await?,
                (None, Some(only)) => engine.agent_name(only).await?,
                (None, None) => id.to_string(),
            };
            format!("a turn of {whose} failed: {}", error.as_deref().unwrap_or("it gave no reason"))
        }
        Change::CallPending(PendingCall { kind: PendingKind::Approval, run, name, .. }) => {
            let run = engine.readable::<Run>(run.as_str()).await?;
            let Some(asks) = run.as_ref().and_then(Run::agent) else { return Ok(None) };
            format!("{} waits for your approval of {name}", engine.agent_name(asks).await?)
        }
        Change::MailSent(Mail { to: None, from: Some(from), .. }) => {
            format!("{} has sent you mail", engine.agent_name(from).await?)
        }
        _ => return Ok(None),
    };
    let line: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Some(line.chars().filter(|c| !c.is_control()).take(CHARACTERS).collect()))
}

/// The name of a group; its id if its row is gone or cannot be read.
async fn group(engine: &Engine, id: &GroupId) -> Result<String, EngineError> {
    Ok(engine.readable::<Group>(id.as_str()).await?.map_or_else(|| id.to_string(), |group| group.name))
}

/// One text of all alerts, a line each.
fn together(alerts: &[String]) -> String {
    let mut lines: Vec<String> = alerts.iter().take(TOGETHER).cloned().collect();
    if alerts.len() > TOGETHER {
        lines.push(format!("and {} more", alerts.len() - TOGETHER));
    }
    lines.join("\n")
}

/// Runs the command with the text as its last argument, and waits for it.
async fn tell(command: &AlertCommand, text: &str) {
    let Some((program, arguments)) = command.words.split_first() else { return };
    let mut process = Command::new(program);
    for name in &command.withheld {
        process.env_remove(name);
    }
    process
        .args(arguments)
        .arg(text)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let why = match tokio::time::timeout(LONGEST, process.status()).await {
        Ok(Ok(status)) if status.success() => return,
        Ok(Ok(status)) => format!("{program} ended with {status}"),
        Ok(Err(error)) => format!("{program} cannot be started: {error}"),
        Err(_) => format!("{program} did not end within {} s and was killed", LONGEST.as_secs()),
    };
    tracing::warn!("an alert was not told by alert_command: {why}");
}

#[cfg(test)]
mod tests {
    use super::together;

    #[test]
    fn alerts_that_come_together_are_one_text_of_a_few_lines() {
        let alerts: Vec<String> = (1..=7).map(|at| format!("alert {at}")).collect();
        assert_eq!(together(&alerts[..2]), "alert 1\nalert 2");
        assert_eq!(together(&alerts), "alert 1\nalert 2\nalert 3\nalert 4\nalert 5\nand 2 more");
    }
}
