//! Files that describe agents: [`team`] files in, and what they would change.
//!
//! A port above the domain: it reads text, answers with one sentence a fault, and states [`Change`]s. It
//! knows neither the store nor the engine; whoever holds the rows commits what a plan says.
//!
//! [`Change`]: crate::domain::Change

pub mod team;

/// The team a new store begins with: three who talk and an archivist who works in the background.
pub const STARTER: &str = include_str!("../fixtures/teams/newsroom.toml");
