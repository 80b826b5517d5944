//! Arguments of `agent create` and `agent update`.

use crate::cli::CliError;
use crate::cli::setting::Options;
use crate::domain::Agent;
use crate::engine::protocol::AgentForm;

/// Arguments of `agent create`.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Group and name of the agent.
    #[arg(value_name = "GROUP/NAME")]
    name: String,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `agent update`.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// Agent: NAME or GROUP/NAME.
    pub name: String,
    /// Rename the agent within its group.
    #[arg(long = "name", value_name = "NAME")]
    rename: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Describe who it is and how it speaks; stored in its block persona.
    #[arg(long, value_name = "TEXT")]
    persona: Option<String>,
    #[command(flatten)]
    settings: Options<Agent>,
    /// Print the agent as a JSON object.
    #[arg(long)]
    json: bool,
}

impl Create {
    /// Returns whether to print the agent as JSON.
    pub fn json(&self) -> bool {
        self.common.json
    }

    /// Returns the name of the group and the request form of the engine.
    ///
    /// # Errors
    /// The name is not GROUP/NAME.
    pub fn form(self) -> Result<(String, AgentForm), CliError> {
        let Some((group, name)) = self.name.split_once('/').filter(|(group, _)| !group.is_empty()) else {
            let text = format!("write GROUP/{}: every agent belongs to a group", self.name.trim_start_matches('/'));
            return Err(CliError::Message(text));
        };
        Ok((group.to_owned(), AgentForm { name: Some(name.to_owned()), ..self.common.form() }))
    }
}

impl Update {
    /// Returns whether to print the agent as JSON.
    pub fn json(&self) -> bool {
        self.common.json
    }

    /// Returns the request form of the engine.
    pub fn form(self) -> AgentForm {
        AgentForm { name: self.rename, ..self.common.form() }
    }
}

impl Common {
    fn form(self) -> AgentForm {
        AgentForm { name: None, persona: self.persona, settings: self.settings.changes, read: None }
    }
}
