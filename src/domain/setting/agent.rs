//! The settings of an agent. The persona is not one of them: it is the value of a block.

use super::value::{Value, count, line, listed, names, number, once, text};
use super::{Kind, Setting, row};
use crate::domain::{Agent, AgentId, Rule, budget};

/// The key of the setting that makes tools wait for a person.
pub const REQUIRE_APPROVAL: &str = "require_approval";

/// All settings of an agent, in display order.
pub const SETTINGS: &[Setting<Agent>] = &[
    Setting {
        doc: "What the agent does. Other agents read it before they write to it or choose it.",
        default: "a sentence for people and other agents",
        ..row(
            "description",
            "What it does",
            Kind::Sentence,
            |agent| Some(agent.description.as_str().into()),
            |agent, value| line(&mut agent.description, value),
        )
    },
    Setting {
        words: &["provider"],
        doc: "The model, as provider/model. If unset, the configured default.",
        default: "the configuration's",
        ..row(
            "model",
            "Model",
            Kind::Model,
            |agent| agent.model.as_deref().map(Value::from),
            |agent, value| text(&mut agent.model, value),
        )
    },
    Setting {
        doc: "Models that answer, in this order, while the provider of its model is down or fails, as provider/model.",
        default: "none",
        ..row(
            "fallback_models",
            "Fallback models",
            Kind::Models,
            |agent| Some(listed(&agent.fallback_models)),
            |agent, value| {
                agent.fallback_models = once(value)?;
                Ok(())
            },
        )
    },
    Setting {
        file_key: Some("system_file"),
        noun: Some("system prompt"),
        words: &["system prompt"],
        doc: "A system prompt that replaces the default one.",
        default: "the default one",
        ..row(
            "system",
            "System prompt",
            Kind::Text,
            |agent| agent.system.as_deref().map(Value::from),
            |agent, value| text(&mut agent.system, value),
        )
    },
    Setting {
        doc: "Blocks it reads and may edit, by label, besides its persona and the group's shared blocks.",
        default: "none of its own",
        ..row(
            "blocks",
            "Blocks",
            Kind::Blocks,
            |agent| Some(listed(&agent.blocks)),
            |agent, value| {
                agent.blocks = once(value)?.iter().map(|id| id.as_str().into()).collect();
                Ok(())
            },
        )
    },
    Setting {
        doc: "Tools in addition to the default ones; -NAME removes a default one.",
        default: "the default ones",
        ..row(
            "tools",
            "Tools",
            Kind::Tools,
            |agent| Some(listed(&agent.tools)),
            |agent, value| {
                agent.tools = names(value)?;
                Ok(())
            },
        )
    },
    Setting {
        place: Some(("rule", "tool_name")),
        old_flag: Some("approvals"),
        noun: Some("approval for"),
        words: &["approvals", "approval"],
        doc: "Tools it may call only with your approval.",
        default: "no tool",
        ..row(
            REQUIRE_APPROVAL,
            "Needs approval",
            Kind::Approvals,
            |agent| Some(listed(agent.rules.iter().map(|Rule::RequiresApproval { tool_name }| tool_name))),
            |agent, value| {
                let asked = once(value)?;
                agent.rules.retain(|rule| !matches!(rule, Rule::RequiresApproval { .. }));
                agent.rules.extend(asked.into_iter().map(|tool_name| Rule::RequiresApproval { tool_name }));
                Ok(())
            },
        )
    },
    Setting {
        doc: "Agents of other groups it may write to, as group/name.",
        default: "nobody outside its group",
        ..row(
            "contacts",
            "Contacts",
            Kind::Contacts,
            |agent| Some(listed(&agent.contacts)),
            |agent, value| {
                agent.contacts = once(value)?.into_iter().map(AgentId).collect();
                Ok(())
            },
        )
    },
    Setting {
        doc: "Labels; other agents can write to all agents with a given label.",
        ..row(
            "tags",
            "Tags",
            Kind::Labels,
            |agent| Some(listed(&agent.tags)),
            |agent, value| {
                agent.tags = names(value)?;
                Ok(())
            },
        )
    },
    Setting {
        doc: "Maximum number of steps per speech; a step is one model call with its tool calls.",
        default: "50",
        ..row(
            "max_steps",
            "Max steps",
            Kind::Count,
            |agent| agent.max_steps.map(Value::Count),
            |agent, value| count(&mut agent.max_steps, value),
        )
    },
    Setting {
        doc: "Maximum number of tool calls per step; the rest are not made, and the agent is told.",
        default: "64",
        ..row(
            "max_step_calls",
            "Max step calls",
            Kind::Count,
            |agent| agent.max_step_calls.map(Value::Count),
            |agent, value| count(&mut agent.max_step_calls, value),
        )
    },
    Setting {
        doc: "Sampling temperature, 0 to 2; higher values give more varied answers.",
        default: "the model's own",
        ..row(
            "temperature",
            "Temperature",
            Kind::Number { from: 0.0, to: 2.0 },
            |agent| agent.temperature.map(Value::Number),
            |agent, value| number(&mut agent.temperature, value),
        )
    },
    Setting {
        doc: "Maximum number of tokens per model response.",
        default: "the model's own",
        ..row(
            "max_tokens",
            "Max tokens",
            Kind::Count,
            |agent| agent.max_tokens.map(Value::Count),
            |agent, value| count(&mut agent.max_tokens, value),
        )
    },
    Setting {
        doc: "Maximum number of tokens per day. Then it says no more, and its background jobs wait until midnight.",
        default: "no limit",
        ..row(
            budget::PER_DAY,
            "Tokens / day",
            Kind::Count,
            |agent| agent.max_tokens_per_day.map(Value::Count),
            |agent, value| count(&mut agent.max_tokens_per_day, value),
        )
    },
    Setting {
        doc: "How long one tool call may take, in seconds; then it is stopped and refused.",
        default: "60",
        ..row(
            "tool_seconds",
            "Tool seconds",
            Kind::Count,
            |agent| agent.tool_seconds.map(Value::Count),
            |agent, value| count(&mut agent.tool_seconds, value),
        )
    },
    #[cfg(test)]
    Setting {
        doc: "A setting of the tests only.",
        ..row(
            "probe",
            "Probe",
            Kind::Count,
            |agent| agent.probe.map(Value::Count),
            |agent, value| count(&mut agent.probe, value),
        )
    },
];
