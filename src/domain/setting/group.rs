//! The settings of a group.

use std::collections::BTreeMap;

use super::value::{Put, Value, count, line, listed, names, once, switch, text};
use super::{Kind, Setting, row};
use crate::domain::group::{Group, GroupStatus, Sleeptime};
use crate::domain::span;
use crate::domain::{AgentId, TriggerSpec, budget};

/// All settings of a group, in display order.
pub const SETTINGS: &[Setting<Group>] = &[
    Setting {
        doc: "What the group is for. Its agents read it in every turn.",
        default: "a sentence its agents read",
        ..row(
            "description",
            "What it is for",
            Kind::Sentence,
            |group| Some(group.description.as_str().into()),
            |group, value| line(&mut group.description, value),
        )
    },
    Setting {
        flag: Some("manager"),
        doc: "The agent that orchestrates or answers; not a member.",
        default: "choose one",
        ..row(
            "manager_agent",
            "Manager agent",
            Kind::Agent,
            |group| group.manager_agent.as_ref().map(|id| id.as_str().into()),
            |group, value| {
                let mut name = None;
                text(&mut name, value)?;
                group.manager_agent = name.map(AgentId);
                Ok(())
            },
        )
    },
    Setting {
        flag: Some("member"),
        doc: "Who speaks, in this order.",
        default: "add an agent",
        ..row(
            "members",
            "Members",
            Kind::Agents,
            |group| Some(listed(&group.members)),
            |group, value| {
                group.members = names(value)?.into_iter().map(AgentId).collect();
                Ok(())
            },
        )
    },
    Setting {
        place: Some(("sleeptime", "agents")),
        noun: Some("in the background"),
        words: &["sleeptime.agents"],
        doc: "Agents that work on the group's memory between turns and say nothing in the conversation.",
        default: "add an agent",
        ..row(
            "background",
            "Background",
            Kind::Agents,
            |group| Some(listed(group.sleeptime.iter().flat_map(|policy| &policy.agents))),
            background,
        )
    },
    Setting {
        place: Some(("sleeptime", "every_turns")),
        doc: "Number of turns between two jobs of the background agents.",
        default: "5, or none beside other triggers",
        in_effect: |group| group.sleeptime.as_ref()?.every().map(Value::Count),
        ..row(
            "every_turns",
            "Every turns",
            Kind::Count,
            |group| group.sleeptime.as_ref()?.every_turns.map(Value::Count),
            |group, value| in_policy(group, value, |policy, value| count(&mut policy.every_turns, value)),
        )
    },
    Setting {
        place: Some(("sleeptime", "idle")),
        doc: "Time without a word after a turn, such as 5m, after which the background agents get a job.",
        default: "never",
        ..row(
            "idle",
            "Idle",
            Kind::Span,
            |group| group.sleeptime.as_ref()?.idle.map(|seconds| span::written(seconds).into()),
            |group, value| in_policy(group, value, idle),
        )
    },
    Setting {
        doc: "Further triggers of the background agents, each with its own task or agent: \
              [{ block_changed = \"story\", agent = \"critic\", task = \"Look for contradictions.\" }].",
        default: "none",
        ..row(
            "trigger",
            "Triggers",
            Kind::Triggers,
            |group| triggers_of(group, false),
            |group, value| in_policy(group, value, |policy, value| triggers(policy, value, false)),
        )
    },
    Setting {
        doc: "Files whose new text is the input of background jobs: [{ file = \"/home/me/notes/*.md\", \
              agent = \"critic\" }]; in a team file, the path may be relative to it.",
        default: "none",
        ..row(
            "source",
            "Sources",
            Kind::Sources,
            |group| triggers_of(group, true),
            |group, value| in_policy(group, value, |policy, value| triggers(policy, value, true)),
        )
    },
    Setting {
        doc: "Maximum number of speeches per turn.",
        default: "as many as there are members",
        ..row(
            "max_turns",
            "Max turns",
            Kind::Count,
            |group| group.max_turns.map(Value::Count),
            |group, value| count(&mut group.max_turns, value),
        )
    },
    Setting {
        doc: "The word that ends a turn when a member or the manager says it.",
        default: "DONE!",
        in_effect: |group| group.token().map(Value::from),
        ..row(
            "termination_token",
            "End token",
            Kind::Word,
            |group| group.termination_token.as_deref().map(Value::from),
            |group, value| text(&mut group.termination_token, value),
        )
    },
    Setting {
        doc: "Whether the last speaker may be chosen again.",
        default: "no",
        ..row(
            "allow_repeat",
            "Allow repeat",
            Kind::Switch,
            |group| Some(group.allow_repeat.into()),
            |group, value| switch(&mut group.allow_repeat, value),
        )
    },
    Setting {
        doc: "Maximum number of delegations per turn.",
        default: "3",
        ..row(
            "max_rounds",
            "Max rounds",
            Kind::Count,
            |group| group.max_rounds.map(Value::Count),
            |group, value| count(&mut group.max_rounds, value),
        )
    },
    Setting {
        doc: "Whether a turn starts after the last speaker instead of with the first member.",
        default: "no",
        ..row(
            "continue_order",
            "Continue order",
            Kind::Switch,
            |group| Some(group.continue_order.into()),
            |group, value| switch(&mut group.continue_order, value),
        )
    },
    Setting {
        doc: "Further conditions that end a turn, as in a team file: { any = [{ tokens = 20000 }, { text = \"that is all\" }] }.",
        default: "nothing else",
        ..row(
            "terminate",
            "Ends when",
            Kind::Conditions,
            |group| group.terminate.clone().map(Value::Conditions),
            |group, value| {
                group.terminate = match value {
                    None => None,
                    Some(Value::Conditions(all)) => Some(all),
                    Some(other) => return Err(format!("{other} is not a condition")),
                };
                Ok(())
            },
        )
    },
    Setting {
        flag: Some("role"),
        words: &["role"],
        doc: "The role of an agent in a word or two; an empty role removes it.",
        ..row(
            "roles",
            "Roles",
            Kind::Roles,
            |group| {
                let roles = group.roles.iter().map(|(id, role)| (id.to_string(), role.clone()));
                Some(Value::Texts(roles.collect()))
            },
            roles,
        )
    },
    Setting {
        sticky: true,
        doc: "Whether the group takes turns.",
        default: "active",
        ..row(
            "status",
            "Status",
            Kind::Choice(|| GroupStatus::ALL.map(|status| (status.as_str(), status.about())).to_vec()),
            |group| Some(group.status.as_str().into()),
            |group, value| {
                let mut name = None;
                text(&mut name, value)?;
                let named = |name: String| GroupStatus::named(&name).ok_or_else(|| format!("{name} is not a status"));
                group.status = name.map(named).transpose()?.unwrap_or_default();
                Ok(())
            },
        )
    },
    Setting {
        doc: "How long to wait for workers and replies, in seconds.",
        default: "300",
        ..row(
            "wait_seconds",
            "Wait seconds",
            Kind::Count,
            |group| group.wait_seconds.map(Value::Count),
            |group, value| count(&mut group.wait_seconds, value),
        )
    },
    Setting {
        doc: "Maximum number of messages its agents may send per minute.",
        default: "1000",
        ..row(
            "mail_per_minute",
            "Mail / minute",
            Kind::Count,
            |group| group.mail_per_minute.map(Value::Count),
            |group, value| count(&mut group.mail_per_minute, value),
        )
    },
    Setting {
        doc: "Maximum number of model calls that one message leads to, over all turns, workers, choices and mail.",
        default: "1000",
        ..row(
            "max_calls",
            "Max calls",
            Kind::Count,
            |group| group.max_calls.map(Value::Count),
            |group, value| count(&mut group.max_calls, value),
        )
    },
    Setting {
        doc: "Maximum number of model calls that one background job leads to.",
        default: "200",
        ..row(
            "max_job_calls",
            "Max job calls",
            Kind::Count,
            |group| group.max_job_calls.map(Value::Count),
            |group, value| count(&mut group.max_job_calls, value),
        )
    },
    Setting {
        doc: "Maximum number of tokens that one message or job leads to, over all turns, workers, choices and mail.",
        default: "no limit",
        ..row(
            budget::PER_RUN,
            "Tokens / run",
            Kind::Count,
            |group| group.max_tokens_per_run.map(Value::Count),
            |group, value| count(&mut group.max_tokens_per_run, value),
        )
    },
    Setting {
        doc: "Maximum number of tokens per day. Then its turns end, and its background jobs wait until midnight.",
        default: "no limit",
        ..row(
            budget::PER_DAY,
            "Tokens / day",
            Kind::Count,
            |group| group.max_tokens_per_day.map(Value::Count),
            |group, value| count(&mut group.max_tokens_per_day, value),
        )
    },
    Setting {
        doc: "Blocks that every agent of the group reads and may edit, by label.",
        default: "none",
        ..row(
            "shared_blocks",
            "Shared blocks",
            Kind::Blocks,
            |group| Some(listed(&group.shared_blocks)),
            |group, value| {
                group.shared_blocks = once(value)?.iter().map(|id| id.as_str().into()).collect();
                Ok(())
            },
        )
    },
    #[cfg(test)]
    Setting {
        doc: "A setting of the tests only.",
        ..row(
            "probe",
            "Probe",
            Kind::Count,
            |group| group.probe.map(Value::Count),
            |group, value| count(&mut group.probe, value),
        )
    },
];

fn background(group: &mut Group, value: Option<Value>) -> Put {
    let agents: Vec<AgentId> = names(value)?.into_iter().map(AgentId).collect();
    let policy = group.sleeptime.take().unwrap_or_else(|| Sleeptime::new(Vec::new()));
    group.sleeptime = (!agents.is_empty()).then_some(Sleeptime { agents, ..policy });
    Ok(())
}

fn idle(policy: &mut Sleeptime, value: Option<Value>) -> Put {
    let mut written = None;
    text(&mut written, value)?;
    policy.idle = written.map(|written| span::seconds(&written)).transpose()?;
    Ok(())
}

/// The triggers of a group that are sources, or those that are not; `None` if there are none.
fn triggers_of(group: &Group, sources: bool) -> Option<Value> {
    let triggers = group.sleeptime.as_ref()?.triggers.iter();
    let these: Vec<TriggerSpec> = triggers.filter(|spec| spec.source().is_some() == sources).cloned().collect();
    (!these.is_empty()).then_some(Value::Triggers(these))
}

/// Replaces the triggers that are sources, or those that are not. The sources are behind the others.
fn triggers(policy: &mut Sleeptime, value: Option<Value>, sources: bool) -> Put {
    let these = match value {
        None => Vec::new(),
        Some(Value::Triggers(all)) => all,
        Some(other) => return Err(format!("{other} is not a list of triggers")),
    };
    policy.triggers.retain(|spec| spec.source().is_some() != sources);
    policy.triggers.extend(these);
    policy.triggers.sort_by_key(|spec| spec.source().is_some());
    Ok(())
}

/// Sets a value of the background policy; refuses one for a group that has no background agents.
fn in_policy(group: &mut Group, value: Option<Value>, put: impl FnOnce(&mut Sleeptime, Option<Value>) -> Put) -> Put {
    match (&mut group.sleeptime, value) {
        (Some(policy), value) => put(policy, value),
        (None, None) => Ok(()),
        (None, Some(_)) => Err(format!("{} has no background agents; name some, too", group.name)),
    }
}

fn roles(group: &mut Group, value: Option<Value>) -> Put {
    group.roles = match value {
        None => BTreeMap::new(),
        Some(Value::Texts(texts)) => texts.into_iter().map(|(id, role)| (AgentId(id), role)).collect(),
        Some(other) => return Err(format!("{other} is not a table of roles")),
    };
    Ok(())
}
