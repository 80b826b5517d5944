//! How triggers follow the policy of their group, and how they create jobs.

use super::{Cause, CauseKind, Trigger, cause_job};
use crate::domain::state::Rows;
use crate::domain::{
    AgentId, Change, Conversation, Group, GroupId, GroupStatus, Ids, Job, JobId, Run, RunKind, RunState, TriggerId,
};

/// A job deeper than this is not created: triggers that fire each other come to an end.
pub const MAX_DEPTH: u32 = 3;

/// The changes that give the group the triggers of its policy; `None` for a group that was deleted.
pub(super) fn configured<R: Rows>(
    rows: &mut R,
    id: &GroupId,
    group: Option<&Group>,
    ids: &Ids,
) -> Result<Vec<Change>, R::Fault> {
    let mut known: Vec<Trigger> = rows.all::<Trigger>()?.into_iter().filter(|known| known.group == *id).collect();
    let mut made = Vec::new();
    for spec in group.map(Group::triggers).unwrap_or_default() {
        match known.iter().position(|known| known.spec == spec) {
            Some(at) => drop(known.remove(at)),
            None => made.push(Change::TriggerPut(Trigger::new(ids, id.clone(), spec))),
        }
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
    let depth = depth + 1;
    let talk = rows.find::<Conversation>(trigger.group.as_str())?;
    let why = match rows.readable::<Group>(trigger.group.as_str())? {
        None => Some("its group cannot be read".to_owned()),
        Some(group) if group.status != GroupStatus::Active => {
            Some(format!("{} is {}", group.name, group.status.as_str()))
        }
        Some(group) if talk.is_empty() => Some(format!("{} has said nothing yet", group.name)),
        Some(_) if depth > MAX_DEPTH => {
            Some(format!("{MAX_DEPTH} jobs have caused each other already; the next would be the same again"))
        }
        Some(_) => None,
    };
    Ok(match why {
        None => Some(Change::TriggerFired { id: trigger.id.clone(), cause, depth }),
        Some(why) => held(trigger, why),
    })
}

/// The change that says why the trigger does not fire, unless its row says so already.
pub(super) fn held(trigger: &Trigger, why: String) -> Option<Change> {
    (trigger.why_not.as_ref() != Some(&why)).then(|| Change::TriggerHeld { id: trigger.id.clone(), why })
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
        let cause = Cause { kind: kind.clone(), of: Some(id.clone()), task: trigger.spec.task.clone(), depth };
        made.push(cause_job(rows, &Job::new(JobId::fresh(ids), agent, trigger.group.clone(), cause))?);
    }
    Ok(made)
}
