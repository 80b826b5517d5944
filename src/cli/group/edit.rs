//! What a group is made or changed to.

use crate::cli::setting::{self, Options};
use crate::domain::{Group, ManagerType};
use crate::engine::wire::GroupForm;

/// What `group create` is told.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Its name.
    name: String,
    /// Who speaks when: `round_robin`, supervisor, dynamic or sleeptime. It is fixed from then on.
    #[arg(long = "type", value_name = "TYPE", value_parser = setting::manager_type)]
    manager_type: ManagerType,
    #[command(flatten)]
    settings: Options<Group>,
    /// The group as one JSON object.
    #[arg(long)]
    pub json: bool,
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
    /// A member that comes, at the end: NAME at home in the group, or GROUP/NAME.
    #[arg(long = "add-member", value_name = "AGENT")]
    add: Vec<String>,
    /// A member that goes.
    #[arg(long = "remove-member", value_name = "AGENT")]
    remove: Vec<String>,
    #[command(flatten)]
    settings: Options<Group>,
    /// The group as one JSON object.
    #[arg(long)]
    pub json: bool,
}

impl Create {
    /// As the engine wants it.
    pub fn form(self) -> GroupForm {
        let Self { name, manager_type, settings, .. } = self;
        let (name, manager_type) = (Some(name), Some(manager_type));
        GroupForm { name, manager_type, settings: settings.changes, ..GroupForm::default() }
    }
}

impl Update {
    /// As the engine wants it.
    pub fn form(self) -> GroupForm {
        let Self { rename: name, manager_type, add, remove, settings, .. } = self;
        GroupForm { name, manager_type, add, remove, settings: settings.changes }
    }
}
