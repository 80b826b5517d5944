//! Mail, as a person sends and reads it.

use crate::domain::{AgentId, MailId, Priority};
use crate::engine::Engine;
use crate::engine::wire::{Fault, Reply};

impl Engine {
    pub(super) async fn send_mail(
        &self,
        to: &AgentId,
        text: String,
        priority: Priority,
        expires_in: Option<u64>,
        in_reply_to: Option<MailId>,
    ) -> Result<Reply, Fault> {
        let _ = (to, text, priority, expires_in, in_reply_to);
        Err(Fault::new("not there yet"))
    }

    pub(super) async fn read_mail(&self, id: &MailId) -> Result<Reply, Fault> {
        let _ = id;
        Err(Fault::new("not there yet"))
    }
}
