//! Access to blocks: what each agent that has a block may do with it.

use serde::{Deserialize, Serialize};

use crate::domain::AgentId;

/// The name of the tool with which an agent asks for access to a block.
pub const REQUEST_BLOCK_ACCESS: &str = "request_block_access";

/// What an agent may do with a block, each with all that come before it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Level {
    /// Nothing: the block is in none of its prompts.
    None,
    /// Read it.
    Read,
    /// Edit it.
    ReadWrite,
    /// Decide who else may do what.
    Admin,
}

impl Level {
    /// What an agent that has a block may do with it if nothing else is said.
    pub const USUAL: Self = Self::ReadWrite;

    /// What the level allows, as the end of a sentence.
    #[must_use]
    pub fn allows(self) -> &'static str {
        match self {
            Self::None => "may not read it",
            Self::Read => "may read it",
            Self::ReadWrite => "may read and edit it",
            Self::Admin => "may read and edit it and decide who else may",
        }
    }
}

/// Whom a rule of access is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grantee {
    /// One agent.
    Agent(AgentId),
    /// The agents that have this role in a group.
    Role(String),
    /// All agents.
    Everybody,
}

/// A rule of access. Of the rules about an agent, the most particular one counts: its own, then those of its roles, then
/// that about everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRule {
    /// Whom it is about.
    pub who: Grantee,
    /// What they may do.
    pub level: Level,
}

impl AccessRule {
    /// Returns the rules with this one set, or removed without a level.
    #[must_use]
    pub fn set(mut rules: Vec<Self>, who: &Grantee, level: Option<Level>) -> Vec<Self> {
        rules.retain(|rule| rule.who != *who);
        rules.extend(level.map(|level| Self { who: who.clone(), level }));
        rules.sort_by(|one, other| one.who.cmp(&other.who));
        rules
    }
}

/// Returns what an agent with these roles may do with a block that it has. Of several roles, the one that allows most
/// counts.
#[must_use]
pub fn level_of<'r>(access: &[AccessRule], agent: &AgentId, roles: impl Iterator<Item = &'r str>) -> Level {
    let about =
        |wanted: &dyn Fn(&Grantee) -> bool| access.iter().filter(|rule| wanted(&rule.who)).map(|rule| rule.level).max();
    let own = about(&|who| matches!(who, Grantee::Agent(id) if id == agent));
    let mut by_role = roles.filter_map(|role| about(&|who| matches!(who, Grantee::Role(name) if name == role)));
    own.or_else(|| {
        let first = by_role.next()?;
        Some(by_role.fold(first, Level::max))
    })
    .or_else(|| about(&|who| *who == Grantee::Everybody))
    .unwrap_or(Level::USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_rule_counts_and_of_several_roles_the_one_that_allows_most() {
        let that = |who, level| AccessRule { who, level };
        let ann = AgentId::from("agent-ann");
        let role = |name: &str| Grantee::Role(name.to_owned());
        let rules = [
            that(Grantee::Everybody, Level::None),
            that(role("critic"), Level::Read),
            that(role("editor"), Level::Admin),
            that(Grantee::Agent(ann.clone()), Level::ReadWrite),
        ];
        let level = |agent: &str, roles: &[&str]| level_of(&rules, &AgentId::from(agent), roles.iter().copied());
        assert_eq!(level("agent-ann", &["critic"]), Level::ReadWrite);
        assert_eq!(level("agent-bob", &["critic"]), Level::Read);
        assert_eq!(level("agent-bob", &["critic", "editor", "guest"]), Level::Admin);
        assert_eq!(level("agent-bob", &["guest"]), Level::None);
        assert_eq!(level_of(&[], &ann, std::iter::empty()), Level::USUAL);
        assert_eq!(level_of(&rules[1..2], &ann, std::iter::empty()), Level::USUAL);
    }
}
