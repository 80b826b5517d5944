//! What an agent is made or changed to.

use crate::cli::Failure;
use crate::cli::setting::{self, Names};
use crate::engine::wire::{AgentForm, Setting};

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
    /// The model it runs on, PROVIDER/MODEL; none for the configuration's.
    #[arg(long, value_name = "MODEL|none", value_parser = setting::model)]
    model: Option<Setting<String>>,
    /// Who it is and how it speaks: the value of its block persona.
    #[arg(long, value_name = "TEXT")]
    persona: Option<String>,
    /// What it does, for people and for other agents.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Its own system prompt; none for the default one.
    #[arg(long, value_name = "TEXT|none", value_parser = setting::text)]
    system: Option<Setting<String>>,
    /// All tools beside the default ones, with commas; -NAME takes a default one away.
    #[arg(long, value_name = "LIST|none", value_parser = setting::names, allow_hyphen_values = true)]
    tools: Option<Names>,
    /// All its labels, with commas.
    #[arg(long, value_name = "LIST|none", value_parser = setting::names)]
    tags: Option<Names>,
    /// All tools a person decides on before they are called, with commas.
    #[arg(long, value_name = "LIST|none", value_parser = setting::names)]
    approvals: Option<Names>,
    /// All agents of other groups it may write to, GROUP/NAME, with commas.
    #[arg(long, value_name = "LIST|none", value_parser = setting::names)]
    contacts: Option<Names>,
    /// The most steps of one speech.
    #[arg(long, value_name = "N|none", value_parser = setting::number)]
    max_steps: Option<Setting<u32>>,
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
        AgentForm {
            name: None,
            description: self.description,
            model: self.model.unwrap_or_default(),
            persona: self.persona,
            system: self.system.unwrap_or_default(),
            tools: self.tools.map(|Names(names)| names),
            tags: self.tags.map(|Names(names)| names),
            approvals: self.approvals.map(|Names(names)| names),
            contacts: self.contacts.map(|Names(names)| names),
            max_steps: self.max_steps.unwrap_or_default(),
        }
    }
}
