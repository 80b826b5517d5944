//! What a group is made or changed to.

use crate::cli::setting;
use crate::domain::{GroupStatus, ManagerType, TerminationCondition};
use crate::engine::wire::{GroupForm, Setting};

/// What `group create` is told.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Its name.
    name: String,
    /// Who speaks when: `round_robin`, supervisor, dynamic or sleeptime. It is fixed from then on.
    #[arg(long = "type", value_name = "TYPE", value_parser = setting::manager_type)]
    manager_type: ManagerType,
    /// Who speaks, in order: a new agent by its name, one of another group as GROUP/NAME.
    #[arg(long = "member", value_name = "AGENT", num_args = 1..)]
    members: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// What `group update` is told.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// The group.
    pub name: String,
    /// Another name for it.
    #[arg(long = "name", value_name = "NAME")]
    rename: Option<String>,
    /// Refused unless it is what the group is: the manager type is fixed.
    #[arg(long = "type", value_name = "TYPE", value_parser = setting::manager_type, hide = true)]
    manager_type: Option<ManagerType>,
    /// All members anew, in order.
    #[arg(long = "member", value_name = "AGENT", num_args = 1..)]
    members: Vec<String>,
    /// A member that comes, at the end: NAME at home in the group, or GROUP/NAME.
    #[arg(long = "add-member", value_name = "AGENT")]
    add: Vec<String>,
    /// A member that goes.
    #[arg(long = "remove-member", value_name = "AGENT")]
    remove: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// What it is for; agents read it.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The agent that orchestrates (supervisor, dynamic) or answers (sleeptime).
    #[arg(long, value_name = "AGENT")]
    manager: Option<String>,
    /// The agents that work in the background; none for nobody.
    #[arg(long, value_name = "AGENT", num_args = 1..)]
    background: Vec<String>,
    /// Turns between jobs of the background agents.
    #[arg(long, value_name = "N|none", value_parser = setting::number)]
    every_turns: Option<Setting<u32>>,
    /// The most speeches of one turn (`round_robin`, dynamic).
    #[arg(long, value_name = "N|none", value_parser = setting::number)]
    max_turns: Option<Setting<u32>>,
    /// The word that ends a turn (dynamic).
    #[arg(long, value_name = "WORD|none", value_parser = setting::text)]
    termination_token: Option<Setting<String>>,
    /// Whether the last speaker may be chosen again (dynamic).
    #[arg(long, value_name = "true|false")]
    allow_repeat: Option<bool>,
    /// How often the manager may delegate in one turn (supervisor).
    #[arg(long, value_name = "N|none", value_parser = setting::number)]
    max_rounds: Option<Setting<u32>>,
    /// Whether a turn begins after the last speaker (`round_robin`).
    #[arg(long, value_name = "true|false")]
    continue_order: Option<bool>,
    /// How long workers and replies are waited for, in seconds.
    #[arg(long, value_name = "N|none", value_parser = setting::number)]
    wait_seconds: Option<Setting<u32>>,
    /// How much mail its agents may send in a minute.
    #[arg(long, value_name = "N|none", value_parser = setting::number)]
    mail_per_minute: Option<Setting<u32>>,
    /// What else ends a turn, as in a team file: { any = [{ tokens = 20000 }, { text = "that is all" }] }.
    #[arg(long, value_name = "TOML|none", value_parser = setting::terminate)]
    terminate: Option<Setting<TerminationCondition>>,
    /// What an agent is here for; nothing after = takes the role away.
    #[arg(long = "role", value_name = "AGENT=ROLE", value_parser = setting::role)]
    roles: Vec<(String, String)>,
    /// Whether it takes turns: active, paused or archived.
    #[arg(long, value_name = "STATUS", value_parser = setting::status)]
    status: Option<GroupStatus>,
    /// The group as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Create {
    /// Whether the group is printed as JSON.
    pub fn json(&self) -> bool {
        self.common.json
    }

    /// As the engine wants it.
    pub fn form(self) -> GroupForm {
        GroupForm {
            name: Some(self.name),
            manager_type: Some(self.manager_type),
            members: Some(self.members),
            ..self.common.form()
        }
    }
}

impl Update {
    /// Whether the group is printed as JSON.
    pub fn json(&self) -> bool {
        self.common.json
    }

    /// As the engine wants it.
    pub fn form(self) -> GroupForm {
        GroupForm {
            name: self.rename,
            manager_type: self.manager_type,
            members: (!self.members.is_empty()).then_some(self.members),
            add: self.add,
            remove: self.remove,
            ..self.common.form()
        }
    }
}

impl Common {
    fn form(self) -> GroupForm {
        GroupForm {
            description: self.description,
            manager_agent: self.manager,
            background: match self.background.as_slice() {
                [] => None,
                [none] if none == setting::NONE => Some(Vec::new()),
                _ => Some(self.background),
            },
            every_turns: self.every_turns.unwrap_or_default(),
            max_turns: self.max_turns.unwrap_or_default(),
            termination_token: self.termination_token.unwrap_or_default(),
            allow_repeat: self.allow_repeat,
            max_rounds: self.max_rounds.unwrap_or_default(),
            continue_order: self.continue_order,
            wait_seconds: self.wait_seconds.unwrap_or_default(),
            mail_per_minute: self.mail_per_minute.unwrap_or_default(),
            terminate: self.terminate.unwrap_or_default(),
            roles: self.roles.into_iter().collect(),
            status: self.status,
            ..GroupForm::default()
        }
    }
}
