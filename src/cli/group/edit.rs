//! Arguments of `group create` and `group update`.

use crate::cli::setting::{self, Options};
use crate::domain::{Group, ManagerType};
use crate::engine::protocol::GroupForm;

/// Arguments of `group create`.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Name of the group.
    name: String,
    /// Manager type: `round_robin`, supervisor, dynamic or sleeptime; it cannot be changed later.
    #[arg(long = "type", value_name = "TYPE", value_parser = setting::manager_type)]
    manager_type: ManagerType,
    #[command(flatten)]
    settings: Options<Group>,
    /// Print the group as a JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `group update`.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// Name of the group.
    pub name: String,
    /// Rename the group.
    #[arg(long = "name", value_name = "NAME")]
    rename: Option<String>,
    /// Fails unless it equals the manager type of the group, which cannot be changed.
    #[arg(long = "type", value_name = "TYPE", value_parser = setting::manager_type, hide = true)]
    manager_type: Option<ManagerType>,
    /// Append a member: NAME of the group, or GROUP/NAME.
    #[arg(long = "add-member", value_name = "AGENT")]
    add: Vec<String>,
    /// Remove a member.
    #[arg(long = "remove-member", value_name = "AGENT")]
    remove: Vec<String>,
    #[command(flatten)]
    settings: Options<Group>,
    /// Print the group as a JSON object.
    #[arg(long)]
    pub json: bool,
}

impl Create {
    /// Returns the request form of the engine.
    pub fn form(self) -> GroupForm {
        let Self { name, manager_type, settings, .. } = self;
        let (name, manager_type) = (Some(name), Some(manager_type));
        GroupForm { name, manager_type, settings: settings.changes, ..GroupForm::default() }
    }
}

impl Update {
    /// Returns the request form of the engine.
    pub fn form(self) -> GroupForm {
        let Self { rename: name, manager_type, add, remove, settings, .. } = self;
        GroupForm { name, manager_type, add, remove, settings: settings.changes, ..GroupForm::default() }
    }
}
