//! Triggers as rows: what fires them, for whom, and what became of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::When;
use super::source_files::Source;
use crate::domain::{AgentId, GroupId, Ids, Job, Priority, TriggerId};

/// The most triggers of a group in tables of their own.
pub const MAX_TRIGGERS: usize = 50;

/// The most characters of the text of an event.
pub const LONGEST_EVENT: usize = 20_000;

/// What a group asks for: what fires the trigger, and who then does what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerSpec {
    /// What fires it.
    pub when: When,
    /// The background agent that gets the job; `None` means every background agent of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// What the agent is to do, besides what a background agent does anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// How soon its jobs are to start.
    #[serde(default, skip_serializing_if = "super::cause::is_normal")]
    pub priority: Priority,
}

impl TriggerSpec {
    /// The label of the block that it listens to, if it listens to one.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        if let When::BlockChanged { label, .. } = &self.when { Some(label) } else { None }
    }
}

impl TriggerSpec {
    /// The files that it reads, if it is a source.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        if let When::Source { source } = &self.when { Some(source) } else { None }
    }
}

impl From<When> for TriggerSpec {
    fn from(when: When) -> Self {
        Self { when, agent: None, task: None, priority: Priority::Normal }
    }
}

/// A trigger of a group. The commit that changes the group's policy creates and removes it; one whose
/// [`TriggerSpec`] stays the same stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its id.
    pub id: TriggerId,
    /// The group.
    pub group: GroupId,
    /// What fires it, for whom.
    pub spec: TriggerSpec,
    /// For one that waits for a span: when it began to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// For one that waits for a time: when it fires next. A span ends then on the clock of spans, from [`Self::since`];
    /// without that, it is a moment of the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Timestamp>,
    /// For one that fires at times of the clock: the first time that is not decided on. It is looked at later than it is
    /// due if its hours begin later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Timestamp>,
    /// True if a person paused it: it does not fire by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// When it last fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fired: Option<Timestamp>,
    /// Why it did not fire when it last should have; `None` once it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

impl Trigger {
    /// A trigger that has not fired yet.
    #[must_use]
    pub fn new(ids: &Ids, group: GroupId, spec: TriggerSpec) -> Self {
        let id = TriggerId::fresh(ids);
        let (since, next_due, waiting, last_fired, why_not) = (None, None, None, None, None);
        Self { id, group, spec, since, next_due, waiting, paused: false, last_fired, why_not }
    }

    /// The job that it caused last, of `jobs`, newest first.
    #[must_use]
    pub fn last_job<'j>(&self, jobs: &'j [Job]) -> Option<&'j Job> {
        jobs.iter().find(|job| job.causes.iter().any(|cause| cause.of.as_ref() == Some(&self.id)))
    }

    /// True if it waits for a moment of the wall clock that has come at `now`.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.since.is_none() && self.next_due.is_some_and(|due| due <= now)
    }

    /// Under which the marks of its files are kept, if it is a source.
    #[must_use]
    pub fn reader(&self) -> Option<String> {
        Some(self.spec.source()?.reader(&self.group, self.spec.agent.as_ref()))
    }

    /// What it listens to, by which it is looked up.
    #[must_use]
    pub fn topic(&self) -> String {
        self.spec.when.topic(&self.group)
    }
}

/// A time at which a trigger was due. There is one for each trigger and time, whoever looks at the clock, so that it
/// fires at most once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The trigger.
    pub trigger: TriggerId,
    /// When it was due.
    pub scheduled_at: Timestamp,
    /// When it was seen to be due.
    pub at: Timestamp,
}
