//! Reports named events.

use crate::domain::{Change, Commit, GroupId, Trigger, When};
use crate::engine::Engine;
use crate::engine::protocol::{Reply, RequestError};
use crate::store::Lane;

impl Engine {
    /// Commits an event, and tells what came of it; refuses one that no trigger listens to.
    pub(super) async fn report_event(
        &self,
        name: String,
        text: String,
        group: Option<GroupId>,
    ) -> Result<Reply, RequestError> {
        let triggers = self.store.all::<Trigger>().await?.rows;
        let here = triggers.iter().filter(|trigger| group.as_ref().is_none_or(|group| *group == trigger.group));
        let mut names: Vec<&str> = here
            .filter_map(
                |trigger| if let When::Event { name } = &trigger.spec.when { Some(name.as_str()) } else { None },
            )
            .collect();
        names.sort_unstable();
        names.dedup();
        if !names.contains(&name.as_str()) {
            let help = if names.is_empty() {
                "a [[group.trigger]] with event = \"NAME\" listens to one".to_owned()
            } else {
                format!("there are {}", names.join(", "))
            };
            return Err(RequestError::new(format!("no trigger listens to the event {name:?}; {help}")));
        }
        let event = Change::EventReported { name, text, group };
        let made = self.store.commit(Lane::Foreground, Commit::new(Self::asker(), vec![event])).await?;
        let jobs = super::trigger::jobs(&made);
        let held = made.into_iter().filter_map(|logged| match logged.change {
            Change::TriggerHeld { why, .. } => why,
            _ => None,
        });
        Ok(Reply::EventReported { jobs, held: held.collect() })
    }
}
