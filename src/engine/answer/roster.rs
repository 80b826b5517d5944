//! Groups and agents made, changed and deleted by a person.

use crate::domain::{AgentId, GroupId};
use crate::engine::Engine;
use crate::engine::wire::{Address, AgentForm, Fault, GroupForm, Reply};

impl Engine {
    pub(super) async fn create_group(&self, form: GroupForm) -> Result<Reply, Fault> {
        let _ = form;
        Err(Fault::new("not there yet"))
    }

    pub(super) async fn update_group(&self, id: &GroupId, form: GroupForm) -> Result<Reply, Fault> {
        let _ = (id, form);
        Err(Fault::new("not there yet"))
    }

    pub(super) async fn create_agent(&self, group: &GroupId, form: AgentForm) -> Result<Reply, Fault> {
        let _ = (group, form);
        Err(Fault::new("not there yet"))
    }

    pub(super) async fn update_agent(&self, id: &AgentId, form: AgentForm) -> Result<Reply, Fault> {
        let _ = (id, form);
        Err(Fault::new("not there yet"))
    }

    pub(super) async fn delete(&self, what: &Address, really: bool) -> Result<Reply, Fault> {
        let _ = (what, really);
        Err(Fault::new("not there yet"))
    }
}
