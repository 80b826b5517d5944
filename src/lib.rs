//! Nightdesk: a workbench for groups of agents.

pub mod config;
pub mod llm;
