//! How triggers follow the policy of their group, and how they create jobs.

use super::{Cause, CauseKind, Trigger, cause_job};
use crate::domain::state::Rows;
use crate::domain::{
    AgentId, Change, Conversation, Group, GroupId, GroupStatus, Ids, Job, JobId, Run, RunKind, RunState, TriggerId,
};

/// A job deeper than this is not created: triggers that fire each other come to an end.
pub const MAX_DEPTH: u32 = 3;

/// Why a paused trigger does not fire.
pub const PAUSED: &str = "it is paused";

/// The changes that give the group the triggers of its policy; `None` for a group that was deleted.
pub(super) fn configured<R: Rows>(
    rows: &mut R,
    id: &GroupId,
    group: Option<&Group>,
    ids: &Ids,
) -> Result<Vec<Change>, R::Fault> {
    let mut known: Vec<Trigger> = rows.all::<Trigger>()?.into_iter().filter(|known| known.group == *id).collect();
    let mut made = Vec::new();
    let mut changed = Vec::new();
    for spec in group.map(Group::triggers).unwrap_or_default() {
        match known.iter().position(|known| known.spec == spec) {
            Some(at) => drop(known.remove(at)),
            None => changed.push(spec),
        }
    }
    let mut before: Vec<&Trigger> = known.iter().collect();
    for spec in changed {
        // One of the same kind for the same agents is what it was before; a pause outlasts the change.
        let same = |old: &&Trigger| old.spec.when.key() == spec.when.key() && old.spec.agent == spec.agent;
        let old = before.iter().position(same).map(|at| before.remove(at));
        let mut new = Trigger::new(ids, id.clone(), spec);
        if old.is_some_and(|old| old.paused) {
            (new.paused, new.why_not) = (true, Some(PAUSED.to_owned()));
        }
        made.push(Change::TriggerPut(new));
    }
    made.extend(known.into_iter().map(|gone| Change::TriggerRemoved { id: gone.id }));
    Ok(made)
}

/// The turn of a group that this change finishes, with at least one step.
pub(super) fn finished_turn<R: Rows>(rows: &mut R, change: &Change) -> Result<Option<(Run, GroupId)>, R::Fault> {
    let Change::RunMoved { id, to: RunState::Finished { .. } } = change else { return Ok(None) };
    let Some(run) = rows.readable::<Run>(id.as_str())? else { return Ok(None) };
    let RunKind::Turn { group: Some(group), .. } = &run.kind else { return Ok(None) };
    let group = group.clone();
    Ok((run.steps > 0).then_some((run, group)))
}

/// The change that fires the trigger, or the one that says why it does not fire. `depth` is that of the run that is the
/// cause, 0 without one.
pub(super) fn fire<R: Rows>(
    rows: &mut R,
    trigger: &Trigger,
    cause: CauseKind,
    depth: u32,
) -> Result<Option<Change>, R::Fault> {
    Ok(match why_not(rows, trigger, depth)? {
        None => Some(Change::TriggerFired { id: trigger.id.clone(), cause, depth: depth + 1 }),
        Some(why) => held(trigger, why),
    })
}

/// Why the trigger does not fire now, if so. `depth` is that of the run that is the cause, 0 without one.
///
/// # Errors
/// If the rows cannot be read.
pub(in crate::domain) fn why_not<R: Rows>(
    rows: &mut R,
    trigger: &Trigger,
    depth: u32,
) -> Result<Option<String>, R::Fault> {
    if trigger.paused {
        return Ok(Some(PAUSED.to_owned()));
    }
    let talk = rows.find::<Conversation>(trigger.group.as_str())?;
    let why = match rows.readable::<Group>(trigger.group.as_str())? {
        None => Some("its group cannot be read".to_owned()),
        Some(group) => held_by(&group, talk.is_empty()),
    };
    Ok(why.or_else(|| {
        let text = || format!("{MAX_DEPTH} jobs have caused each other already; the next would be the same again");
        (depth + 1 > MAX_DEPTH).then(text)
    }))
}

/// Why no trigger of the group fires, if so. `silent` means that the group has no conversation yet.
#[must_use]
pub fn held_by(group: &Group, silent: bool) -> Option<String> {
    match group.status {
        GroupStatus::Active => silent.then(|| format!("{} has said nothing yet", group.name)),
        status => Some(format!("{} is {}", group.name, status.as_str())),
    }
}

/// The change that says why the trigger does not fire, unless its row says so already.
pub(super) fn held(trigger: &Trigger, why: String) -> Option<Change> {
    (trigger.why_not.as_ref() != Some(&why)).then(|| Change::TriggerHeld { id: trigger.id.clone(), why: Some(why) })
}

/// The jobs of a trigger that fired, one for each of its agents.
pub(super) fn jobs<R: Rows>(
    rows: &mut R,
    id: &TriggerId,
    kind: &CauseKind,
    depth: u32,
    ids: &Ids,
) -> Result<Vec<Change>, R::Fault> {
    let Some(trigger) = rows.readable::<Trigger>(id.as_str())? else { return Ok(Vec::new()) };
    let policy = rows.readable::<Group>(trigger.group.as_str())?.and_then(|group| group.sleeptime);
    let agents: Vec<AgentId> = policy.map(|policy| policy.agents).unwrap_or_default();
    let mut made = Vec::new();
    for agent in agents.into_iter().filter(|agent| trigger.spec.agent.as_ref().is_none_or(|only| only == agent)) {
        let (of, task, priority) = (Some(id.clone()), trigger.spec.task.clone(), trigger.spec.priority);
        let cause = Cause { kind: kind.clone(), of, task, priority, depth };
        made.push(cause_job(rows, &Job::new(JobId::fresh(ids), agent, trigger.group.clone(), cause))?);
    }
    Ok(made)
}
