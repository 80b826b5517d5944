//! Requests of a person to fire a trigger, to pause it and to let it go on.

use crate::domain::trigger::held_by;
use crate::domain::{CauseKind, Change, Commit, Conversation, Group, JobId, LogEntry, Trigger, TriggerId};
use crate::engine::Engine;
use crate::engine::protocol::{Reply, RequestError};
use crate::store::Lane;

impl Engine {
    /// Fires a trigger now, also one that is paused; its own times stay.
    pub(super) async fn fire_trigger(&self, id: TriggerId) -> Result<Reply, RequestError> {
        let trigger: Trigger = self.must(id.as_str(), "trigger").await?;
        let group: Group = self.must(trigger.group.as_str(), "group").await?;
        let silent = self.store.find::<Conversation>(group.id.as_str()).await?.is_empty();
        if let Some(why) = held_by(&group, silent) {
            return Err(RequestError::new(format!("the trigger does not fire: {why}")));
        }
        // What the source has not read yet comes with it.
        self.sources.look_now(&id);
        let fired = Change::TriggerFired { id, cause: CauseKind::Person { instruction: None }, depth: 1 };
        let made = self.store.commit(Lane::Foreground, Commit::new(Self::asker(), vec![fired])).await?;
        Ok(Reply::TriggerFired { jobs: jobs(&made) })
    }

    /// Pauses a trigger, or lets it go on with its next time.
    pub(super) async fn pause_trigger(&self, id: TriggerId, paused: bool) -> Result<Reply, RequestError> {
        let change = Change::TriggerPaused { id: id.clone(), paused };
        self.store.commit(Lane::Foreground, Commit::new(Self::asker(), vec![change])).await?;
        Ok(Reply::Trigger(Box::new(self.must(id.as_str(), "trigger").await?)))
    }
}

/// The jobs that have what was committed as a cause.
pub(super) fn jobs(made: &[LogEntry]) -> Vec<JobId> {
    made.iter()
        .filter_map(|logged| match &logged.change {
            Change::JobCreated(job) => Some(job.id.clone()),
            Change::JobCaused { id, .. } => Some(id.clone()),
            _ => None,
        })
        .collect()
}
