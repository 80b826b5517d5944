//! The tool of a supervisor group's manager: it gives tasks to workers and parks until all have answered.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Colleague, Tool, ToolContext, ToolOutcome, Wait, arguments};
use crate::domain::group::MAX_MEMBERS;
use crate::llm::ToolSpec;

/// Whether the calls of a step may delegate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delegation {
    /// No: the agent is not the manager of a supervisor group, or not in a turn of that group.
    No,
    /// Yes.
    Open,
    /// No: it has delegated this many times, the most the group allows in one turn.
    Spent(u32),
}

/// `delegate`: gives each worker a task.
pub struct Delegate;

#[derive(Deserialize)]
struct DelegateArguments {
    tasks: Vec<TaskArguments>,
}

#[derive(Deserialize)]
struct TaskArguments {
    agent: String,
    task: String,
}

impl Tool for Delegate {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "delegate".to_owned(),
            description:
                "Give each worker a task of its own. They work side by side; you get every answer, failure or \
                          silence, and then go on."
                    .to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "tasks": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "agent": {"type": "string", "description": "The worker's name."},
                                "task": {"type": "string", "description": "What it is to do, with all it needs to know."}
                            },
                            "required": ["agent", "task"],
                            "additionalProperties": false
                        }
                    }
                },
                "required": ["tasks"],
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let asked = match arguments::<DelegateArguments>("delegate", value) {
                Ok(asked) => asked,
                Err(refused) => return refused,
            };
            let workers = match workers(desk).await {
                Ok(workers) => workers,
                Err(refused) => return refused,
            };
            let mut tasks = Vec::new();
            for TaskArguments { agent, task } in asked.tasks {
                let Some(worker) = workers.iter().find(|worker| worker.answers_to(&agent)) else {
                    let names: Vec<&str> = workers.iter().map(|worker| worker.name.as_str()).collect();
                    return ToolOutcome::refused(format!(
                        "delegate: no worker {agent:?}; yours are {}",
                        names.join(", ")
                    ));
                };
                if task.trim().is_empty() {
                    return ToolOutcome::refused(format!("delegate: the task for {} has no words", worker.name));
                }
                tasks.push((worker.id.clone(), task));
            }
            match tasks.len() {
                0 => ToolOutcome::refused("delegate: there is no task; give one worker a task at least"),
                1..=MAX_MEMBERS => ToolOutcome::Wait(Wait::Workers(tasks)),
                more => ToolOutcome::refused(format!("delegate: {more} tasks are over the limit of {MAX_MEMBERS}")),
            }
        })
    }
}

/// Gives the same task to every worker of the group.
pub async fn to_all(desk: &ToolContext<'_>, message: &str) -> ToolOutcome {
    match workers(desk).await {
        Ok(workers) => ToolOutcome::Wait(Wait::Workers(
            workers.into_iter().map(|worker| (worker.id, message.to_owned())).collect(),
        )),
        Err(refused) => refused,
    }
}

async fn workers(desk: &ToolContext<'_>) -> Result<Vec<Colleague>, ToolOutcome> {
    match desk.delegates {
        Delegation::No => return Err(ToolOutcome::refused("only the manager of a supervisor group delegates")),
        Delegation::Spent(rounds) => {
            return Err(ToolOutcome::refused(format!(
                "you have delegated {rounds} times in this turn, as often as the group allows (max_rounds); answer \
                 the user now with what you have"
            )));
        }
        Delegation::Open => {}
    }
    let colleagues = desk.directory.colleagues().await.map_err(ToolOutcome::refused)?;
    Ok(colleagues.into_iter().filter(|colleague| colleague.member).collect())
}
