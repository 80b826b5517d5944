//! What an agent is made or changed to.

use crate::cli::Failure;
use crate::cli::setting::Options;
use crate::domain::Agent;
use crate::engine::wire::AgentForm;

/// What `agent create` is told.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Where it is at home, and its name: GROUP/NAME.
    #[arg(value_name = "GROUP/NAME")]
    name: String,
    #[command(flatten)]
    common: Common,
}

/// What `agent update` is told.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// NAME, or GROUP/NAME.
    pub name: String,
    /// Another short name for it.
    #[arg(long = "name", value_name = "NAME")]
    rename: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Who it is and how it speaks: the value of its block persona.
    #[arg(long, value_name = "TEXT")]
    persona: Option<String>,
    #[command(flatten)]
    settings: Options<Agent>,
    /// The agent as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Create {
    /// Whether the agent is printed as JSON.
    pub fn json(&self) -> bool {
        self.common.json
    }

    /// The group, and the form as the engine wants it.
    pub fn form(self) -> Result<(String, AgentForm), Failure> {
        let Some((group, name)) = self.name.split_once('/').filter(|(group, _)| !group.is_empty()) else {
            let text = format!("write GROUP/{}: an agent is at home in a group", self.name.trim_start_matches('/'));
            return Err(Failure::Said(text));
        };
        Ok((group.to_owned(), AgentForm { name: Some(name.to_owned()), ..self.common.form() }))
    }
}

impl Update {
    /// Whether the agent is printed as JSON.
    pub fn json(&self) -> bool {
        self.common.json
    }

    /// As the engine wants it.
    pub fn form(self) -> AgentForm {
        AgentForm { name: self.rename, ..self.common.form() }
    }
}

impl Common {
    fn form(self) -> AgentForm {
        AgentForm { name: None, persona: self.persona, settings: self.settings.changes }
    }
}
