//! Files that describe agents: parses [`team`] files and plans the changes that they require.
//!
//! This module depends on the domain only. It reads text, reports one sentence per fault, and produces [`Change`]s
//! without a store or an engine; the caller commits them.
//!
//! [`Change`]: crate::domain::Change

pub mod team;

/// Team file for a new store: three members and an archivist that works in the background.
pub const STARTER: &str = include_str!("../fixtures/teams/newsroom.toml");
