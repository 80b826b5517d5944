//! Which messages the jobs of a background agent have read (J3, J5).

use std::collections::BTreeMap;

use nightdesk::testing::domain::{AgentId, Cursor, GroupId, Job, JobId, JobState};
use nightdesk::testing::store::Store;

/// How the windows of an agent's jobs cover a group's conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The windows of the jobs that ended, in order, those of the retries of failed jobs aside.
    pub windows: Vec<(u64, u64)>,
    /// Messages up to the cursor that are in no window.
    pub gaps: u64,
    /// Messages that are in a window more than once, each as often as that.
    pub overlaps: u64,
    /// The last message that is read.
    pub cursor: u64,
}

impl Coverage {
    /// What the jobs of this agent worked off or gave up.
    pub async fn of(store: &Store, agent: &AgentId, group: &GroupId) -> Self {
        let jobs = store.jobs(None, usize::MAX >> 1).await.unwrap().rows;
        let by_id: BTreeMap<&JobId, &Job> = jobs.iter().map(|job| (&job.id, job)).collect();
        let again =
            |job: &Job| job.retry_of.as_ref().is_some_and(|id| matches!(by_id[id].state, JobState::Failed { .. }));
        let mut windows: Vec<(u64, u64)> = jobs
            .iter()
            .filter(|job| job.agent() == Some(agent) && job.group() == Some(group) && !again(job))
            .filter(|job| matches!(job.state, JobState::Completed { .. } | JobState::Failed { .. }))
            .filter_map(|job| job.window)
            .collect();
        windows.sort_unstable();
        let (mut gaps, mut overlaps, mut end) = (0, 0, 0);
        for (after, upto) in &windows {
            gaps += after.saturating_sub(end);
            overlaps += end.min(*upto).saturating_sub(*after);
            end = end.max(*upto);
        }
        let cursor = store.row::<Cursor>(&Cursor::pair_key(agent, group)).await.unwrap();
        let cursor = cursor.map_or(0, |cursor| cursor.seq);
        gaps += cursor.saturating_sub(end);
        // What was read before the cursor is there would be given again.
        overlaps += end.saturating_sub(cursor);
        Self { windows, gaps, overlaps, cursor }
    }

    /// True if each message up to the cursor is in exactly one window.
    pub fn is_exact(&self) -> bool {
        (self.gaps, self.overlaps) == (0, 0)
    }
}
